//! Every grammar rule in words, for messages.
//!
//! The rule `where_clause` is "`WHERE`"; `operand` is "an expression".
//!
//! Invariants: a rule without words of its own says nothing rather than its internal name.
//!
//! Does not: build messages; see [`crate::parser`].

use super::rules::Rule;

/// The name of a clause in capitals.
pub(super) fn clause_name(rule: Rule) -> &'static str {
    match rule {
        Rule::select_clause => "SELECT",
        Rule::from_clause => "FROM",
        Rule::where_clause => "WHERE",
        Rule::group_clause => "GROUP BY",
        Rule::having_clause => "HAVING",
        Rule::qualify_clause => "QUALIFY",
        Rule::order_clause => "ORDER BY",
        Rule::limit_clause | Rule::fetch_clause => "LIMIT",
        Rule::offset_clause => "OFFSET",
        Rule::with_clause => "WITH",
        _ => "such",
    }
}
