//! Which name was probably meant.
//!
//! `nearest("l_orderky", ["l_orderkey", "l_partkey"])` is `l_orderkey`.
//!
//! Invariants: never suggests the name itself; nothing is suggested that differs in more than a third of its letters.
//!
//! Does not: resolve names.

/// The candidate closest to `name`, if one is close.
pub(super) fn nearest(name: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    let lower = name.to_lowercase();
    let allowed = (lower.chars().count() / 3).max(1);
    let scored = candidates.into_iter().filter_map(|candidate| {
        let distance = distance(&lower, &candidate.to_lowercase());
        (distance <= allowed && distance > 0).then_some((distance, candidate))
    });
    scored.min().map(|(_, candidate)| candidate)
}

/// ``did you mean `x`?``, if there is a close `x`.
pub(super) fn suggestion(name: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    nearest(name, candidates).map(|near| format!("did you mean `{near}`?"))
}

/// Damerau-Levenshtein distance with adjacent swaps (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
