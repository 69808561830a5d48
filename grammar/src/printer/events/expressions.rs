//! The layout of expressions: where a long one is broken.
//!
//! `a = 1 and b = 2` is one line if it fits; else AND begins a line. `a + b - c` is broken behind its operators.
//!
//! Invariants: an expression is broken at its loosest operators only; no line begins with `-` that goes on with the one before it.
//!
//! Does not: lay out calls and literals, which are broken at their brackets.

use super::Tree;
use crate::parser::rules::Rule;
use crate::parser::tree::Node;
use crate::printer::layout::Event;

impl Tree<'_> {
    /// Operators that may begin or end lines do so where the expression does not fit one.
    pub(super) fn expression(&mut self, node: Node<'_>, end: usize) {
        let (hangs, heads) = (std::mem::take(&mut self.hangs), std::mem::take(&mut self.heads));
        let breaks = Breaks::of(&node);
        let indents = breaks.any() && (hangs || breaks == Breaks::Stages);
        self.push(Event::Begin);
        let (mut between, mut indented) = (false, false);
        for inner in node.into_inner() {
            let rule = inner.as_rule();
            let is_range = rule == Rule::op_and && between;
            between = rule == Rule::op_between || between && !is_range;
            if is_range || !breaks.at(rule) {
                self.node(inner);
                continue;
            }
            // `- c` would begin a statement behind a LET, so that the operators of sums end lines.
            let trails = breaks == Breaks::Terms;
            self.raw_until(
                self.base + inner.as_span().start() + if trails { inner.as_str().trim_end().len() } else { 0 },
            );
            if indents && !std::mem::replace(&mut indented, true) {
                self.push(Event::Indent);
            }
            self.push(Event::Line);
            if !trails {
                self.node(inner);
            }
        }
        self.raw_until(end);
        if indented {
            self.push(Event::Dedent);
        }
        if heads && breaks.any() {
            self.push(Event::Line);
        }
        self.push(Event::End);
    }

    /// CASE on one line, or an arm a line.
    pub(super) fn case(&mut self, node: Node<'_>, end: usize) {
        self.push(Event::Begin);
        let mut indented = false;
        for inner in node.into_inner() {
            match inner.as_rule() {
                Rule::case_arm | Rule::case_else => {
                    if !indented {
                        indented = true;
                        self.push(Event::Indent);
                    }
                    self.push(Event::Line);
                }
                Rule::kw_end => {
                    self.push(Event::Dedent);
                    self.push(Event::Line);
                }
                _ => {}
            }
            self.node(inner);
        }
        self.raw_until(end);
        self.push(Event::End);
    }

    /// `(PARTITION BY … ORDER BY … ROWS …)`: a clause a line, if they do not fit one.
    pub(super) fn window(&mut self, node: Node<'_>, end: usize) {
        let mut is_first = true;
        for inner in node.into_inner() {
            let inner_end = self.base + inner.as_span().start() + inner.as_str().trim_end().len();
            self.raw_until(self.base + inner.as_span().start());
            if !std::mem::replace(&mut is_first, false) {
                self.push(Event::Line);
            }
            self.push(Event::Begin);
            self.push(Event::Indent);
            self.children(inner, inner_end, Self::node);
            self.push(Event::Dedent);
            self.push(Event::End);
        }
        self.raw_until(end);
    }
}

/// The operators of an expression at which lines may break: behind those of sums, before the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    None,
    /// `|>`, if there are several.
    Stages,
    /// AND and OR.
    Conditions,
    /// `+`, `-` and `||`, if there are several and nothing looser.
    Terms,
}

impl Breaks {
    fn of(node: &Node<'_>) -> Self {
        let (mut stages, mut terms, mut conditions, mut looser, mut between) = (0, 0, 0, 0, false);
        for inner in node.clone().into_inner() {
            match inner.as_rule() {
                Rule::op_pipe => stages += 1,
                Rule::op_between => (between, looser) = (true, looser + 1),
                Rule::op_and if between => between = false,
                Rule::op_and | Rule::op_or => conditions += 1,
                Rule::op_add => terms += 1,
                Rule::operand | Rule::op_mul | Rule::op_neg | Rule::op_pos => {}
                _ => looser += 1,
            }
        }
        match (stages, conditions, terms, looser) {
            (2.., ..) => Self::Stages,
            (0, 1.., ..) => Self::Conditions,
            (0, 0, 2.., 0) => Self::Terms,
            _ => Self::None,
        }
    }

    fn any(self) -> bool {
        self != Self::None
    }

    fn at(self, rule: Rule) -> bool {
        match self {
            Self::None => false,
            Self::Stages => rule == Rule::op_pipe,
            Self::Conditions => matches!(rule, Rule::op_and | Rule::op_or),
            Self::Terms => rule == Rule::op_add,
        }
    }
}
