//! Replays what the fuzzer of the parser found, and the texts that start it off.
//!
//! Likewise for operations on a database. The corpus of the IR is replayed by the tests of the crate `jit`.

use std::fs;
use std::path::Path;

use gobi_grammar::{Dialect, format, parse};

#[test]
fn the_corpus_of_the_parser_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/parse");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        // The fuzzer takes the text before the first byte that is not UTF-8.
        let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        check(&name, text);
        check(&name, &String::from_utf8_lossy(&bytes));
        count += 1;
    }
    assert!(count > 5, "{count} files");
}

#[test]
fn the_corpus_of_the_store_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/store_ops");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        crate::world::against_the_model(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 5, "{count} files");
}

/// What is formatted parses, and is formatted to itself.
fn check(name: &str, text: &str) {
    for dialect in [Dialect::Grizzly, Dialect::Ansi] {
        let parsed = parse(text, dialect);
        let Ok(formatted) = format(text, dialect) else { continue };
        assert!(parsed.diagnostics.is_empty(), "{name}: formatted a script with errors");
        let again = parse(&formatted, dialect);
        assert!(
            again.diagnostics.is_empty(),
            "{name}: {:?}\n{formatted}",
            again.diagnostics
        );
        assert_eq!(format(&formatted, dialect).as_ref(), Ok(&formatted), "{name}");
    }
}
