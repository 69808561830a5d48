//! What can be done about errors of running programs that bring no advice of their own.
//!
//! `9223372036854775807 + n` that leaves bigint is advised to be computed as hugeint, `a div b` with a zero to be divided by `nullif(b, 0)`.
//!
//! Invariants: advice is about the code of an error and its first words, never about data.
//!
//! Does not: change what an error says.

/// The advice for an error with this code and message.
pub fn of(code: &str, message: &str) -> Option<&'static str> {
    Some(match code {
        "22003" if message.starts_with("hugeint") || message.starts_with("decimal") => {
            "`… :: double` has more room, and is not exact"
        }
        "22003" if message.contains(" out of range: ") => "cast one side to a type with more room: `… :: hugeint`",
        "22003" if message.contains(" does not fit in ") => "take a type with more room; `try_cast` gives NULL instead",
        "22012" => "`nullif(…, 0)` as the divisor gives NULL instead",
        "2202E" if message.starts_with("index ") => "`a?[i]` is NULL outside of the array",
        "2202E" if message.starts_with("there is no element ") => "`a = a || [x]` adds one at the end",
        "54001" if message.contains(" calls itself ") => "let a condition end it, or write a loop",
        "21000" if message.starts_with("a subquery used as a value") => "add LIMIT 1, or an aggregate such as `min(…)`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn only_what_is_known_is_advised() {
        assert!(of("22003", "bigint out of range: 1 + 2").is_some_and(|help| help.contains("hugeint")));
        assert!(of("22003", "hugeint out of range: 1 * 2").is_some_and(|help| help.contains("double")));
        assert_eq!(of("P0001", "out of stock"), None);
    }
}
