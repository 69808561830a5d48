//! RENAME, and names inside the expressions that a definition keeps.
//!
//! `RENAME a TO b` makes the check `a > 0 AND t.a < 9` the check `b > 0 AND t.b < 9`.
//!
//! Invariants: the text of an expression changes in names of columns only: not in strings, functions or fields of structs.
//!
//! Does not: rewrite views; a rename that ends one is refused.

use gobi_grammar::Dialect;
use gobi_grammar::ast::Ident;
use gobi_grammar::scan::{Kind, tokens};

use super::rows::quoted;
use super::{Altering, user};
use crate::catalog::{Source, TableDef};
use crate::session::Error;
use crate::session::define::check_column_name;
use crate::session::settings::parse_dialect;

impl Altering<'_> {
    /// `RENAME c TO d`.
    pub(super) fn rename_column(&mut self, name: &Ident, to: &Ident) -> Result<(), Error> {
        let mut def = self.def()?;
        let at = self.position(&def, name)?;
        check_column_name(&to.text, to.span)?;
        let taken = def
            .columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(&to.text));
        if taken.is_some_and(|other| other != at) {
            let message = format!("`{}` has a column `{}` already", def.name, to.text);
            return Err(user("42701", to.span, message));
        }
        let Some(column) = def.columns.get_mut(at) else {
            return Ok(());
        };
        let old = std::mem::replace(&mut column.name, to.text.clone());
        let table = def.name.clone();
        for source in sources(&mut def) {
            source.text = renamed(source, &table, &old, &to.text);
        }
        self.check_expressions(&def, name.span)?;
        let what = format!("the column `{old}` of `{table}`");
        self.put_visible(def, None, &what, name.span)
    }

    /// `RENAME TO t`.
    pub(super) fn rename_table(&mut self, to: &Ident) -> Result<(), Error> {
        let mut def = self.def()?;
        let old = std::mem::replace(&mut def.name, to.text.clone());
        for source in sources(&mut def) {
            source.text = requalified(source, &old, &to.text);
        }
        self.check_expressions(&def, to.span)?;
        let what = format!("the name `{old}`");
        self.put_visible(def, None, &what, to.span)
    }
}

/// Whether an expression names a column.
pub(super) fn mentions(source: &Source, table: &str, column: &str) -> bool {
    // The new name cannot be told apart from the old one, but the text is another if anything was replaced.
    let mark = format!("{column}\u{0}");
    renamed(source, table, column, &mark) != source.text
}

/// The expressions of a definition.
fn sources(def: &mut TableDef) -> impl Iterator<Item = &mut Source> {
    let columns = def.columns.iter_mut();
    let own = columns.flat_map(|column| column.default.iter_mut().chain(column.generated.iter_mut()));
    own.chain(def.checks.iter_mut().map(|check| &mut check.condition))
}

/// An expression in which a column has another name.
fn renamed(source: &Source, table: &str, old: &str, new: &str) -> String {
    replaced(source, new, |names| {
        let qualifier = names.before.is_none_or(|before| before.eq_ignore_ascii_case(table));
        names.this.eq_ignore_ascii_case(old) && qualifier && !names.is_call
    })
}

/// An expression in which the table has another name.
fn requalified(source: &Source, old: &str, new: &str) -> String {
    replaced(source, new, |names| {
        names.before.is_none() && names.is_qualifier && names.this.eq_ignore_ascii_case(old)
    })
}

/// A name of an expression, and what stands around it.
struct Names<'a> {
    /// The name before a point before it.
    before: Option<&'a str>,
    this: &'a str,
    is_call: bool,
    is_qualifier: bool,
}

fn replaced(source: &Source, new: &str, wanted: impl Fn(&Names<'_>) -> bool) -> String {
    let text = &source.text;
    let dialect = parse_dialect(&source.dialect).unwrap_or(Dialect::Grizzly);
    let tokens: Vec<_> = tokens(text, dialect)
        .into_iter()
        .filter(|token| token.kind != Kind::Comment)
        .collect();
    let part = |at: usize| tokens.get(at).and_then(|token| text.get(token.start..token.end));
    let name = |at: usize| {
        let part = part(at)?;
        match tokens.get(at)?.kind {
            Kind::Word => Some(part),
            Kind::Backtick => part.strip_prefix('`')?.strip_suffix('`'),
            Kind::DoubleQuoted if dialect == Dialect::Ansi => part.strip_prefix('"')?.strip_suffix('"'),
            _ => None,
        }
    };
    let mut out = String::new();
    let mut copied = 0;
    for (at, token) in tokens.iter().enumerate() {
        let Some(this) = name(at) else { continue };
        let before_point = |at: usize| at.checked_sub(1).filter(|point| part(*point) == Some("."));
        let names = Names {
            before: before_point(at).map(|point| point.checked_sub(1).and_then(name).unwrap_or("")),
            this,
            is_call: part(at + 1) == Some("("),
            is_qualifier: part(at + 1) == Some("."),
        };
        if wanted(&names) {
            out.push_str(text.get(copied..token.start).unwrap_or_default());
            out.push_str(&quoted(new));
            copied = token.end;
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            text: text.into(),
            dialect: "grizzly".into(),
        }
    }

    #[test]
    fn only_the_column_is_renamed() {
        let text = "a > 0 and T.`A` < length('a') + a(1) + s.a and \"a\" = b";
        assert_eq!(
            renamed(&source(text), "t", "a", "n"),
            "`n` > 0 and T.`n` < length('a') + a(1) + s.a and \"a\" = b"
        );
    }

    #[test]
    fn only_the_table_is_renamed() {
        assert_eq!(
            requalified(&source("t.a > t and x.t.b"), "t", "u"),
            "`u`.a > t and x.t.b"
        );
    }
}
