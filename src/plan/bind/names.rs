//! Which name was probably meant, as a help line.
//!
//! ``suggestion("l_orderky", ["l_orderkey", "l_partkey"])`` is ``did you mean `l_orderkey`?``.
//!
//! Invariants: never suggests the name itself.
//!
//! Does not: resolve names.

use gobi_grammar::similar::nearest;

/// ``did you mean `x`?``, if there is a close `x`.
pub(super) fn suggestion(name: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    let candidates: Vec<String> = candidates.into_iter().filter(|c| !c.eq_ignore_ascii_case(name)).collect();
    nearest(name, candidates.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"))
}
