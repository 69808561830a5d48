//! What tests of `gobi fmt` by example have in common.
//!
//! Does not: hold examples.

use expect_test::Expect;
use gobi_grammar::{Dialect, format, parse};

/// A script is laid out so, stays so when that is laid out again, and means the same.
pub fn check(script: &str, expected: Expect) {
    let formatted = format(script, Dialect::Grizzly).expect("well formed");
    expected.assert_eq(&formatted);
    assert_eq!(format(&formatted, Dialect::Grizzly).as_ref(), Ok(&formatted));
    assert_eq!(
        parse(&formatted, Dialect::Grizzly).statements,
        parse(script, Dialect::Grizzly).statements
    );
}
