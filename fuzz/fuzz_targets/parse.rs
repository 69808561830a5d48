//! No text makes the parser or the formatter panic, and what is formatted still parses.
//!
//! `cargo +nightly fuzz run parse`

#![no_main]

use gobi_grammar::{Dialect, format, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for dialect in [Dialect::Grizzly, Dialect::Ansi] {
        let parsed = parse(text, dialect);
        let Ok(formatted) = format(text, dialect) else { continue };
        assert!(parsed.diagnostics.is_empty(), "formatted a script with errors: {:?}", parsed.diagnostics);
        let again = parse(&formatted, dialect);
        assert!(again.diagnostics.is_empty(), "{:?}\n{formatted}", again.diagnostics);
    }
});
