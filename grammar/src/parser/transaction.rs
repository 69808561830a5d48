//! Transactions.
//!
//! `BEGIN READ ONLY, ISOLATION LEVEL SERIALIZABLE` becomes [`Begin`] with both modes.
//!
//! Invariants: a mode that is written twice is an error.
//!
//! Does not: keep the words TRANSACTION and WORK, which say nothing.

use super::Builder;
use super::operand::unquote;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{Begin, Commit, ExprKind, Isolation, Rollback, StatementKind, WhenKind};

impl Builder<'_> {
    pub(super) fn begin(&mut self, node: Node<'_>) -> StatementKind {
        let mut begin = Begin::default();
        for mode in parts(node) {
            let span = self.span(&mode);
            let level = parts(mode.clone()).next();
            let repeated = match level {
                Some(level) => begin.isolation.replace(isolation(&level)).map(|_| "ISOLATION LEVEL"),
                None => begin
                    .read_only
                    .replace(has(&mode, Rule::kw_only))
                    .map(|_| "READ ONLY or READ WRITE"),
            };
            if let Some(words) = repeated {
                self.error("42601", span, format!("{words} is written twice"));
            }
        }
        StatementKind::Begin(begin)
    }

    pub(super) fn commit(&mut self, node: Node<'_>) -> StatementKind {
        let message = parts(node).next().map(|text| unquote(text.as_str()));
        StatementKind::Commit(Commit { message })
    }

    pub(super) fn rollback(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let Some(to) = parts(node).next() else {
            return Some(StatementKind::Rollback(Rollback::Transaction));
        };
        if to.as_rule() == Rule::rollback_savepoint {
            let name = self.first_ident(to)?;
            return Some(StatementKind::Rollback(Rollback::Savepoint(name)));
        }
        // A name in parentheses is a value.
        let is_bare = !to.as_str().starts_with('(');
        let when = self.when(to)?;
        if let WhenKind::At(expr) = &when.kind
            && let ExprKind::Name(path) = &expr.kind
            && let ([name], true) = (path.as_slice(), is_bare)
        {
            return Some(StatementKind::Rollback(Rollback::Savepoint(name.clone())));
        }
        Some(StatementKind::Rollback(Rollback::To(when)))
    }
}

fn isolation(node: &Node<'_>) -> Isolation {
    if has(node, Rule::kw_serializable) {
        Isolation::Serializable
    } else if has(node, Rule::kw_snapshot) || has(node, Rule::kw_repeatable) {
        Isolation::Snapshot
    } else {
        Isolation::ReadCommitted
    }
}
