//! Holds the tree to its dependency rule, its module docs and its function sizes.
//!
//! `use crate::exec::Engine;` in `src/types/value.rs` fails with "`types` must not know `exec`", and so does the
//! full path `crate::exec::Engine` in an expression, in a macro, or reached through `super::super`.
//!
//! Invariants: the rule is an allow-list ([`ALLOWED`]); what is not named there is forbidden.
//!
//! Does not: look at tests and benches, which may use anything public.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// What each room may mention; a room may always mention itself. `a::b` allows only that part of `a`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("host", &[]),
    ("functions", &["types", "gobi_jit"]),
    ("formats", &["types", "host"]),
    ("catalog", &["types"]),
    ("store", &["host", "types", "formats", "catalog"]),
    ("plan", &["gobi_grammar", "types", "functions", "catalog"]),
    ("compile", &["gobi_jit", "types", "functions", "plan::physical"]),
    (
        "exec",
        &[
            "gobi_jit",
            "host",
            "types",
            "functions",
            "formats",
            "store",
            "compile",
            "plan::physical",
        ],
    ),
    (
        "procedure",
        &[
            "gobi_grammar",
            "gobi_jit",
            "types",
            "functions",
            "catalog",
            "plan",
            "compile",
        ],
    ),
    (
        "session",
        &[
            "gobi_grammar",
            "gobi_jit",
            "types",
            "host",
            "functions",
            "formats",
            "catalog",
            "store",
            "plan",
            "compile",
            "exec",
            "procedure",
        ],
    ),
    ("automation", &["session", "catalog", "host"]),
    ("server", &["session", "automation"]),
    ("client", &["session"]),
    ("tui", &["client"]),
    ("cli", &["gobi_grammar", "client", "tui", "server"]),
    ("main", &["cli"]),
    ("lib", &[]),
    ("gobi_grammar", &[]),
    ("gobi_jit", &[]),
];

/// Crates that only some rooms may use.
const RESERVED_CRATES: &[(&str, &[&str])] = &[
    ("pest", &["gobi_grammar"]),
    ("pest_derive", &["gobi_grammar"]),
    ("cranelift_codegen", &["gobi_jit"]),
    ("cranelift_frontend", &["gobi_jit"]),
    ("cranelift_module", &["gobi_jit"]),
    ("cranelift_jit", &["gobi_jit"]),
    ("cranelift_native", &["gobi_jit"]),
    ("clap", &["cli"]),
    ("reedline", &["cli"]),
];

/// Crates that a room must not use.
const FORBIDDEN_CRATES: &[(&str, &str)] = &[("gobi_jit", "arrow"), ("gobi_grammar", "arrow"), ("types", "parquet")];

/// Longest function that needs no entry in the list.
const LONGEST_LINES: usize = 70;

#[test]
fn rooms_know_only_what_the_rule_names() {
    assert_none(&dependency_violations(repository()));
}

#[test]
fn every_module_says_what_it_is() {
    assert_none(&missing_module_docs(repository()));
}

#[test]
fn functions_stay_short() {
    assert_none(&long_functions(repository()));
}

#[test]
fn a_forbidden_use_in_a_copy_fails() {
    let copy = copy_of_sources();
    assert_eq!(dependency_violations(copy.path()), Vec::<String>::new());
    for (file, line) in [
        ("src/types/value.rs", "use crate::plan::logical;"),
        ("src/types/value.rs", "use super::super::plan::logical;"),
        ("src/types/value.rs", "use crate::{plan::logical as x};"),
        ("src/types/mod.rs", "fn f() { let _ = crate::exec::Engine::new(); }"),
        (
            "src/types/mod.rs",
            "mod t { fn f() { println!(\"{}\", crate::exec::COUNT) } }",
        ),
        ("src/plan/mod.rs", "use pest::Parser;"),
        ("jit/src/ir.rs", "use arrow::array::ArrayRef;"),
        ("grammar/src/ast.rs", "use gobi_jit::ir;"),
    ] {
        let path = copy.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}\n{line}\n")).unwrap();
        let (folder, krate) = CRATES.into_iter().find(|(folder, _)| file.starts_with(folder)).unwrap();
        let changed = read_source(copy.path(), &copy.path().join(folder), &path, krate);
        let found = violations_in(&changed);
        assert!(found.len() == 1 && found[0].starts_with(file), "{line}: {found:?}");
        fs::write(&path, text).unwrap();
    }
}

#[test]
fn a_module_without_docs_and_a_long_function_in_a_copy_fail() {
    let copy = copy_of_sources();
    let body = "    let _ = 1;\n".repeat(LONGEST_LINES);
    fs::write(
        copy.path().join("src/types/new.rs"),
        format!("fn long() {{\n{body}}}\n"),
    )
    .unwrap();
    assert_eq!(
        missing_module_docs(copy.path()),
        ["src/types/new.rs: no `//!` at its head"]
    );
    let found = long_functions(copy.path());
    assert!(
        found.iter().any(|text| text.contains("src/types/new.rs long 72")),
        "{found:?}"
    );
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy_of_sources() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (folder, _) in CRATES {
        for path in rust_files(&repository().join(folder)) {
            let target = copy.path().join(path.strip_prefix(repository()).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(path, target).unwrap();
        }
    }
    let list = copy.path().join("tests/it/long_functions.txt");
    fs::create_dir_all(list.parent().unwrap()).unwrap();
    fs::copy(repository().join("tests/it/long_functions.txt"), list).unwrap();
    copy
}

// ---------------------------------------------------------------- sources

/// One file, and where it stands in the tree of modules.
struct Source {
    /// Path from the repository's root.
    name: String,
    tree: syn::File,
    /// `types`, `main`, `gobi_jit`, ….
    room: String,
    /// Module path in its crate, such as `["plan", "logical"]`.
    module: Vec<String>,
}

/// Folders of sources, and the crates that are rooms as a whole.
const CRATES: [(&str, Option<&str>); 3] = [
    ("src", None),
    ("grammar/src", Some("gobi_grammar")),
    ("jit/src", Some("gobi_jit")),
];

fn sources(root: &Path) -> Vec<Source> {
    let mut out = Vec::new();
    for (folder, krate) in CRATES {
        for path in rust_files(&root.join(folder)) {
            out.push(read_source(root, &root.join(folder), &path, krate));
        }
    }
    out
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            out.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
    out
}

fn read_source(root: &Path, folder: &Path, path: &Path, krate: Option<&str>) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_string();
    let tree = syn::parse_file(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let inside = path.strip_prefix(folder).unwrap().with_extension("");
    let mut module: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_string()).collect();
    let room = krate.map_or_else(|| module[0].clone(), str::to_string);
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    Source {
        name,
        tree,
        room,
        module,
    }
}

// ---------------------------------------------------------------- dependencies

fn dependency_violations(root: &Path) -> Vec<String> {
    sources(root).iter().flat_map(violations_in).collect()
}

fn violations_in(source: &Source) -> Vec<String> {
    let mut mentions = Mentions {
        module: source.module.clone(),
        found: Vec::new(),
    };
    mentions.visit_file(&source.tree);
    let mut out = Vec::new();
    for (path, line) in mentions.found {
        if let Some(problem) = judge(source, &path) {
            out.push(format!("{}:{line}: {problem}", source.name));
        }
    }
    out
}

/// Why a room must not mention a path; `None` if it may.
fn judge(source: &Source, path: &[String]) -> Option<String> {
    let room = source.room.as_str();
    let first = path.first()?.as_str();
    let ours = match first {
        "crate" if room.starts_with("gobi_") => return None,
        "crate" | "gobi" => path.get(1..)?,
        "gobi_grammar" | "gobi_jit" => path,
        _ => return judge_crate(room, first),
    };
    let target = ours.first()?.as_str();
    if target == room {
        return None;
    }
    let whole = ours.join("::");
    let allowed = ALLOWED.iter().find(|(name, _)| *name == room).map(|(_, list)| *list);
    let Some(allowed) = allowed else {
        return Some(format!("the rule names no room `{room}`"));
    };
    let fits = |entry: &str| whole == entry || whole.starts_with(&format!("{entry}::"));
    (!allowed.iter().any(|entry| fits(entry))).then(|| format!("`{room}` must not know `{whole}`"))
}

fn judge_crate(room: &str, krate: &str) -> Option<String> {
    let reserved = RESERVED_CRATES.iter().find(|(name, _)| *name == krate);
    let foreign = reserved.is_some_and(|(_, rooms)| !rooms.contains(&room));
    let forbidden = FORBIDDEN_CRATES.contains(&(room, krate));
    (foreign || forbidden).then(|| format!("`{room}` must not use the crate `{krate}`"))
}

/// Collects every path that a file mentions, `super` and `self` resolved from the crate's root.
struct Mentions {
    module: Vec<String>,
    found: Vec<(Vec<String>, usize)>,
}

impl Mentions {
    fn add(&mut self, segments: Vec<String>, line: usize) {
        let mut path = segments;
        if matches!(path.first().map(String::as_str), Some("super" | "self")) {
            let mut base = self.module.clone();
            while let Some(word) = path.first().cloned() {
                match word.as_str() {
                    "super" => drop(base.pop()),
                    "self" => {}
                    _ => break,
                }
                path.remove(0);
            }
            path = std::iter::once("crate".to_string()).chain(base).chain(path).collect();
        }
        self.found.push((path, line));
    }

    fn add_tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let extended = |name: String| prefix.iter().cloned().chain([name]).collect::<Vec<_>>();
        let line = tree.span().start().line;
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&extended(path.ident.to_string()), &path.tree),
            syn::UseTree::Name(name) => self.add(extended(name.ident.to_string()), line),
            syn::UseTree::Rename(name) => self.add(extended(name.ident.to_string()), line),
            syn::UseTree::Glob(_) => self.add(extended("*".to_string()), line),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.add_tree(prefix, item)),
        }
    }

    /// Paths in the unparsed tokens of a macro call.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut joined = false;
        let mut line = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if joined || path.is_empty() => {
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    joined = false;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => joined = true,
                other => {
                    self.flush(&mut path, line);
                    joined = false;
                    match other {
                        TokenTree::Group(group) => self.add_tokens(group.stream()),
                        TokenTree::Ident(ident) => {
                            line = ident.span().start().line;
                            path.push(ident.to_string());
                        }
                        _ => {}
                    }
                }
            }
        }
        self.flush(&mut path, line);
    }

    fn flush(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.add(path, line);
        }
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.add(segments, path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.add_tokens(mac.tokens.clone());
        visit::visit_macro(self, mac);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }
}

// ---------------------------------------------------------------- module docs

fn missing_module_docs(root: &Path) -> Vec<String> {
    let documented = |source: &Source| {
        source
            .tree
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("doc"))
    };
    let missing = sources(root).into_iter().filter(|source| !documented(source));
    missing
        .map(|source| format!("{}: no `//!` at its head", source.name))
        .collect()
}

// ---------------------------------------------------------------- function sizes

/// Functions over the limit that the list does not excuse, and entries of the list that no longer hold.
fn long_functions(root: &Path) -> Vec<String> {
    let list = root.join("tests/it/long_functions.txt");
    let listed = read_list(&fs::read_to_string(&list).unwrap());
    let mut actual = BTreeMap::new();
    for source in sources(root) {
        let mut sizes = Sizes {
            owner: String::new(),
            found: Vec::new(),
        };
        sizes.visit_file(&source.tree);
        for (name, lines) in sizes.found {
            let longest = actual.entry(format!("{} {name}", source.name)).or_insert(0);
            *longest = lines.max(*longest);
        }
    }
    actual.retain(|_, lines| *lines > LONGEST_LINES);
    if std::env::var_os("GOBI_BLESS").is_some() && root == repository() {
        bless_list(&list, &listed, &actual);
        return Vec::new();
    }
    let mut out = Vec::new();
    for (name, lines) in &actual {
        match listed.get(name) {
            None => out.push(format!("{name} {lines}: longer than {LONGEST_LINES} lines")),
            Some(was) if lines > was => out.push(format!("{name} {lines}: grown from {was} lines")),
            Some(was) if lines < was => out.push(format!("{name} {lines}: lower its entry from {was}")),
            Some(_) => {}
        }
    }
    let gone = listed.keys().filter(|name| !actual.contains_key(*name));
    out.extend(gone.map(|name| format!("{name}: take it off the list")));
    out
}

fn read_list(text: &str) -> BTreeMap<String, usize> {
    let entries = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    entries
        .map(|line| {
            let (name, lines) = line.rsplit_once(' ').expect("a name and a number");
            (name.to_string(), lines.parse().expect("a number of lines"))
        })
        .collect()
}

fn bless_list(path: &Path, listed: &BTreeMap<String, usize>, actual: &BTreeMap<String, usize>) {
    let text = fs::read_to_string(path).unwrap();
    let mut out: String = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    for (name, was) in listed {
        if let Some(lines) = actual.get(name) {
            writeln!(out, "{name} {}", lines.min(was)).unwrap();
        }
    }
    fs::write(path, out).unwrap();
}

/// Collects the length in lines of every function, signature and body.
struct Sizes {
    owner: String,
    found: Vec<(String, usize)>,
}

impl Sizes {
    fn add(&mut self, signature: &syn::Signature, end: proc_macro2::Span) {
        let lines = end.end().line - signature.span().start().line + 1;
        self.found.push((format!("{}{}", self.owner, signature.ident), lines));
    }
}

impl<'ast> Visit<'ast> for Sizes {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block.span());
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outer = std::mem::take(&mut self.owner);
        if let syn::Type::Path(path) = &*item.self_ty
            && let Some(segment) = path.path.segments.last()
        {
            self.owner = format!("{}::", segment.ident);
        }
        visit::visit_item_impl(self, item);
        self.owner = outer;
    }
}
