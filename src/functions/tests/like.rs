//! LIKE against a matcher that tries everything.

use proptest::prelude::*;

use crate::functions::like::{LikeKind, LikePattern};

fn matches(pattern: &str, text: &str) -> bool {
    LikePattern::new(pattern, Some('!'), false)
        .expect("a valid pattern")
        .matches(text.as_bytes())
}

fn kind(pattern: &str) -> &'static str {
    match LikePattern::new(pattern, Some('!'), false)
        .expect("a valid pattern")
        .kind()
    {
        Some(LikeKind::Exact(_)) => "exact",
        Some(LikeKind::Prefix(_)) => "prefix",
        Some(LikeKind::Suffix(_)) => "suffix",
        Some(LikeKind::Contains(_)) => "contains",
        Some(LikeKind::Segments(_)) => "segments",
        None => "ignores case",
    }
}

#[test]
fn patterns_are_classified() {
    for (pattern, expected) in [
        ("", "exact"),
        ("abc", "exact"),
        ("a!%c", "exact"),
        ("abc%", "prefix"),
        ("abc%%", "prefix"),
        ("%abc", "suffix"),
        ("%abc%", "contains"),
        ("%", "contains"),
        ("%%", "contains"),
        ("a%c", "segments"),
        ("%a%c%", "segments"),
        ("a_c", "segments"),
        ("_", "segments"),
        ("%_%", "segments"),
    ] {
        assert_eq!(kind(pattern), expected, "{pattern}");
    }
}

#[test]
fn texts_match() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "a", false),
        ("%", "", true),
        ("_", "日", true),
        ("_", "", false),
        ("__", "日", false),
        ("a%a", "a", false),
        ("a%a", "aa", true),
        ("%special%requests%", "the special, careful requests", true),
        ("%special%requests%", "requests special", false),
        ("%ab%ab", "xabab", true),
        ("%ab%ab", "xaab", false),
        ("%b_", "abab", false),
        ("%b_", "abba", true),
        ("%_b_%", "ab", false),
        ("%_b_%", "abb", true),
        ("a!_c", "a_c", true),
        ("a!_c", "abc", false),
        ("!!", "!", true),
        ("%\n%", "a\nb", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{text} LIKE {pattern}");
    }
}

#[test]
fn a_trailing_escape_is_an_error() {
    let error = LikePattern::new("a!", Some('!'), false).expect_err("it ends with the escape character");
    assert_eq!(
        (error.code, error.message.as_str()),
        ("22025", "pattern `a!` ends with its escape character")
    );
    assert!(LikePattern::new("a!", None, false).is_ok());
}

#[test]
fn ilike_folds_letters() {
    let like = |pattern: &str, text: &str| {
        LikePattern::new(pattern, None, true)
            .expect("a valid pattern")
            .matches(text.as_bytes())
    };
    assert!(like("GRÖ%", "größe") && like("grö%", "GRÖSSE") && like("%ß%", "GROß"));
    assert!(!like("a%", "b"));
    assert!(LikePattern::new("a", None, true).expect("valid").kind().is_none());
}

/// Tries every length for every `%`.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        (['%', rest @ ..], text) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
        (['!', c, rest @ ..], text) => text.first() == Some(c) && naive(rest, &text[1..]),
        (['_', rest @ ..], [_, text @ ..]) => naive(rest, text),
        ([c, rest @ ..], [first, text @ ..]) => c == first && naive(rest, text),
        (_, []) => false,
    }
}

proptest! {
    #[test]
    fn agrees_with_the_naive_matcher(pattern in "(a|b|ö|%|_|!%|!_){0,8}", text in "[abö%_]{0,10}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(matches(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn any_bytes_are_matched_without_a_panic(pattern in "(a|ö|%|_){0,8}", text in prop::collection::vec(any::<u8>(), 0..12)) {
        for case_insensitive in [false, true] {
            LikePattern::new(&pattern, None, case_insensitive).expect("a valid pattern").matches(&text);
        }
    }
}
