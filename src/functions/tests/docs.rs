//! `docs/functions.md` is the table, written out.

use std::fmt::Write as _;
use std::path::Path;

use crate::functions::{Function, NullRule, Param, Stability, all};

#[test]
fn the_documentation_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/functions.md");
    let wanted = document();
    if std::env::var_os("GOBI_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder can be made");
        std::fs::write(&path, &wanted).expect("the file can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/functions.md is not the table; GOBI_BLESS=1 rewrites it"
    );
}

const HEAD: &str = "\
# Functions

Scalar functions, in alphabetical order. Every example is executed by a test.

Names have no case; `@Upper(x)` is `upper(x)`, and there underscores may be left out. Where no other type is given,
`float` is `real` or `double`, and narrower types convert to wider ones: integers to larger integers, to decimals, to
doubles; dates to timestamps. If an argument is NULL the result is NULL, except where it says that NULLs are left out.
Positions in strings count from 1, in characters.

| Function | Result | Description | Example |
|---|---|---|---|
";

fn document() -> String {
    let mut entries: Vec<&Function> = all().iter().collect();
    entries.sort_by_key(|f| f.name);
    let mut text = HEAD.to_owned();
    for function in entries {
        let (call, value) = function
            .example
            .split_once(" → ")
            .expect("an example is `call → result`");
        let (signature, result) = (function.signature(), result(function));
        let notes = notes(function);
        let row = [
            format!("`{signature}`"),
            result,
            format!("{}{notes}.", function.doc),
            format!("`{call}` → `{value}`"),
        ];
        let row = row.map(|cell| cell.replace('|', "\\|"));
        writeln!(text, "| {} |", row.join(" | ")).expect("writing to a string cannot fail");
    }
    text
}

fn notes(function: &Function) -> String {
    let mut notes = String::new();
    if !function.aliases.is_empty() {
        let names: Vec<_> = function.aliases.iter().map(|name| format!("`{name}`")).collect();
        notes += &format!(". Also {}", names.join(", "));
    }
    match function.stability {
        Stability::Immutable => {}
        Stability::Stable => notes += ". Stable",
        Stability::Volatile => notes += ". Volatile",
    }
    debug_assert!(function.nulls == NullRule::Strict || function.doc.contains("NULL"));
    notes
}

/// The type of the result if it is always the same, else where it comes from.
fn result(function: &Function) -> String {
    use crate::types::LogicalType as T;
    let of = |ty: T, number: T| {
        let typed = |param: &Param| match param {
            Param::List => T::Array(Box::new(ty.clone())),
            Param::Numbers => T::Array(Box::new(number.clone())),
            Param::Array => T::Array(Box::new(ty.clone())),
            Param::Map => T::Map(Box::new((ty.clone(), ty.clone()))),
            Param::Lists => T::Array(Box::new(T::Array(Box::new(ty.clone())))),
            _ => ty.clone(),
        };
        (function.result)(&function.params.iter().map(typed).collect::<Vec<_>>())
    };
    let (a, b) = (of(T::TinyInt, T::TinyInt), of(T::TimestampTz, T::Double));
    if a == b {
        a.to_string()
    } else {
        "as its argument".to_owned()
    }
}
