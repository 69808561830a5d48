//! Small readers of pest's tree.
//!
//! `parts(node)` of `kw_where expr` gives just the `expr`.
//!
//! Invariants: keywords never reach the builder unless it asks for them with [`has`].
//!
//! Does not: know what any rule means.

use pest::iterators::Pair;

use super::rules::Rule;

/// One node of pest's tree.
pub(crate) type Node<'i> = Pair<'i, Rule>;

/// The children that are not keywords.
pub(super) fn parts(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    node.into_inner()
        .filter(|child| !is_keyword(child.as_rule()) && !matches!(child.as_rule(), Rule::open_paren | Rule::equals))
}

/// Whether a direct child is of this rule.
pub(super) fn has(node: &Node<'_>, rule: Rule) -> bool {
    node.clone().into_inner().any(|child| child.as_rule() == rule)
}

/// Whether a rule is one of `keywords.pest`.
pub(crate) fn is_keyword(rule: Rule) -> bool {
    (Rule::kw_abort..=Rule::kw_zone).contains(&rule)
}
