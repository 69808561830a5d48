//! Where an expression names a row of a trigger.
//!
//! `NEW.total > OLD.total` names `NEW` at its beginning.
//!
//! Invariants: the first place is given.
//!
//! Does not: know which rows there are.

use gobi_grammar::ast::visit::{VisitMut, walk_expr};
use gobi_grammar::ast::{Expr, ExprKind, Span};

/// The first place in which an expression names a row, or a column of it.
pub fn row_in(expr: &Expr, row: &str) -> Option<Span> {
    let mut found = Found { row, place: None };
    found.expr(&mut expr.clone());
    found.place
}

struct Found<'r> {
    row: &'r str,
    place: Option<Span>,
}

impl VisitMut for Found<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        if let ExprKind::Name(path) = &expr.kind
            && let Some(first) = path.first().filter(|first| first.text.eq_ignore_ascii_case(self.row))
        {
            self.place.get_or_insert(first.span);
        }
        walk_expr(self, expr);
    }
}
