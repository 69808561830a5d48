//! The nearest known name, for "did you mean".
//!
//! `nearest("SELEC", ["FROM", "SELECT"])` is `Some("SELECT")`.
//!
//! Invariants: case does not count; a candidate further away than a third of the name's length is never suggested.
//!
//! Does not: keep anything; the cost is the product of the lengths, and long names are not compared at all.

/// Names longer than this are not compared.
const MAX_LEN: usize = 64;

/// The candidate that is nearest to `name` by edits (insert, delete, replace, swap), if one is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    if name.is_empty() || name.len() > MAX_LEN {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let chars: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        let allowed = allowed_edits(name.len().max(chars.len()));
        if chars.len() > MAX_LEN || chars.len().abs_diff(name.len()) > allowed {
            continue;
        }
        let distance = distance(&name, &chars);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Two edits for words of the usual length, one for short ones, none for a single letter.
fn allowed_edits(len: usize) -> usize {
    match len {
        0..=2 => 0,
        3..=4 => 1,
        len => (len / 3).min(3),
    }
}

/// Optimal string alignment: Levenshtein's distance with swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut last_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let replace = at(&previous, j) + usize::from(ca != cb);
            let mut least = replace.min(at(&previous, j + 1) + 1).min(at(&row, j) + 1);
            if last_a == Some(cb) && last_b == Some(ca) && j > 0 {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
            last_b = Some(cb);
        }
        last_a = Some(ca);
        before = std::mem::replace(&mut previous, row);
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let words = ["SELECT", "FROM", "WHERE", "ORDER", "l_orderkey"];
        assert_eq!(nearest("selec", words), Some("SELECT"));
        assert_eq!(nearest("FORM", words), Some("FROM"));
        assert_eq!(nearest("wehre", words), Some("WHERE"));
        assert_eq!(nearest("l_oderkey", words), Some("l_orderkey"));
        assert_eq!(nearest("customer", words), None);
        assert_eq!(nearest("a", words), None);
        assert_eq!(nearest("", words), None);
    }
}
