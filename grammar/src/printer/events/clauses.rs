//! The layout of statements that are no queries.
//!
//! `on conflict do update set a = 1` stays on one line if it fits; else its SET begins a line.
//!
//! Invariants: those of [`super`].
//!
//! Does not: lay out queries; see [`super`].

use super::Tree;
use crate::parser::rules::Rule;
use crate::parser::tree::Node;
use crate::printer::layout::Event;

impl Tree<'_> {
    /// WITH, and then the statement on a line of its own, as it is behind EXPLAIN and PREPARE.
    pub(super) fn change(&mut self, node: Node<'_>, end: usize) {
        let mut with = false;
        if self.events.len() > self.first {
            self.clause_break();
        }
        for inner in node.into_inner() {
            if with {
                self.raw_until(self.base + inner.as_span().start());
                self.clause_break();
            }
            with = inner.as_rule() == Rule::with_clause;
            self.node(inner);
        }
        self.raw_until(end);
    }

    /// `ON CONFLICT …` or `WHEN …` on one line if it fits; else SET and WHERE begin lines.
    pub(super) fn branch(&mut self, node: Node<'_>, end: usize) {
        self.push(Event::Begin);
        let mut inner = node.into_inner();
        inner.by_ref().take(1).for_each(|head| self.node(head));
        self.push(Event::Indent);
        self.branch_parts(inner);
        self.raw_until(end);
        self.push(Event::Dedent);
        self.push(Event::End);
    }

    fn branch_parts<'i>(&mut self, nodes: impl Iterator<Item = Node<'i>>) {
        for inner in nodes.filter(|inner| !inner.as_str().is_empty()) {
            let start = self.base + inner.as_span().start();
            match inner.as_rule() {
                Rule::merge_action => self.branch_parts(inner.into_inner()),
                Rule::set_clause | Rule::where_clause => {
                    let end = start + inner.as_str().trim_end().len();
                    self.raw_until(start);
                    self.push(Event::Line);
                    self.list_clause(inner, end);
                }
                _ => self.node(inner),
            }
        }
    }

    /// VALUES right behind INSERT holds values that are assigned; those of a query are not.
    pub(super) fn insert_part(&mut self, node: Node<'_>) {
        let is_source = node.as_rule() == Rule::query;
        self.assigns = is_source && is_plain_values(&node);
        self.node(node);
        self.assigns = false;
    }

    /// Where DEFAULT is a word of the language, not a name.
    pub(super) fn assigned(&mut self, node: Node<'_>, end: usize) {
        let is_row = node.as_rule() == Rule::values_row;
        let was = std::mem::take(&mut self.assigns);
        let assigns = !is_row || was;
        for inner in node.into_inner().filter(|inner| !inner.as_str().is_empty()) {
            let is_expr = inner.as_rule() == Rule::expr;
            if assigns && is_expr && inner.as_str().trim_end().eq_ignore_ascii_case("default") {
                let end = self.base + inner.as_span().start() + inner.as_str().trim_end().len();
                self.raw_until(end);
                continue;
            }
            self.assigns = assigns && inner.as_rule() == Rule::values_row;
            self.node(inner);
        }
        self.assigns = was;
        self.raw_until(end);
    }

    /// The changes of ALTER TABLE: one a line if they do not fit one.
    pub(super) fn actions(&mut self, node: Node<'_>, end: usize) {
        // Behind a comment that ends its line they are on lines of their own already.
        let is_broken = self.events.last() == Some(&Event::Hard);
        self.push(Event::Begin);
        self.push(Event::Indent);
        self.push(if is_broken { Event::Hard } else { Event::Line });
        self.children(node, end, Self::node);
        self.push(Event::Dedent);
        self.push(Event::End);
    }
}

/// `VALUES (…), …` with nothing behind it.
fn is_plain_values(query: &Node<'_>) -> bool {
    let mut inner = query.clone().into_inner();
    let (Some(term), None) = (inner.next(), inner.next()) else {
        return false;
    };
    let mut clauses = term.into_inner();
    clauses
        .next()
        .is_some_and(|clause| clause.as_rule() == Rule::values_clause)
        && clauses.next().is_none()
}
