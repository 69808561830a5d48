//! What an expression holds that is no expression: queries, TRY, MATCH with blocks; each becomes statements before it, and a
//! variable in its place.
//!
//! `x + (SELECT max(a) FROM t)` asks for the maximum, keeps it in a variable, and adds that.
//!
//! Invariants: what is lifted is done in the order of the text, whatever short cuts the expression would take.
//!
//! Does not: change expressions without such parts.

use gobi_grammar::ast::{self, ArmBody, Expr, ExprKind, Ident};

use super::Checker;
use crate::plan::BodyName;
use crate::plan::logical::ColumnId;
use crate::plan::routine::Statement;

impl Checker<'_> {
    /// The expression without such parts; `None` after an error.
    pub(super) fn lifted(&mut self, expr: &Expr, out: &mut Vec<Statement>) -> Option<Expr> {
        let mut expr = expr.clone();
        self.lift(&mut expr, out).then_some(expr)
    }

    fn lift(&mut self, expr: &mut Expr, out: &mut Vec<Statement>) -> bool {
        let made = match &expr.kind {
            ExprKind::Subquery(query) => Some(self.scalar_query(query, out)),
            ExprKind::Exists(query) => Some(self.exists(query, out)),
            ExprKind::Try(attempt) => Some(self.try_value(attempt, expr.span, out)),
            ExprKind::Match(matching) if matching.arms.iter().any(has_statements) => {
                Some(self.match_value(matching, expr.span, out))
            }
            _ => None,
        };
        match made {
            Some(Some(id)) => {
                *expr = self.reference(id, expr.span);
                true
            }
            Some(None) => false,
            None => {
                let mut fine = true;
                expr.for_each_child_mut(&mut |child| fine &= self.lift(child, out));
                fine
            }
        }
    }

    /// An expression that stands for a variable without a name.
    pub(super) fn reference(&mut self, id: ColumnId, span: ast::Span) -> Expr {
        let name = format!("\0{}", id.0);
        if !self.names.iter().any(|known| known.name == name) {
            self.names.push(BodyName {
                of: None,
                name: name.clone(),
                id,
            });
        }
        Expr {
            kind: ExprKind::Name(vec![Ident {
                text: name,
                quoted: true,
                span,
            }]),
            span,
        }
    }
}

fn has_statements(arm: &ast::MatchArm) -> bool {
    let mut expr = match &arm.body {
        ArmBody::Block(_) => return true,
        ArmBody::Expr(expr) => expr.clone(),
    };
    holds_statements(&mut expr)
}

/// Whether an expression has parts that are lifted.
pub(super) fn holds_statements(expr: &mut Expr) -> bool {
    if matches!(
        expr.kind,
        ExprKind::Subquery(_) | ExprKind::Exists(_) | ExprKind::Try(_)
    ) {
        return true;
    }
    if let ExprKind::Match(matching) = &expr.kind
        && matching.arms.iter().any(|arm| matches!(arm.body, ArmBody::Block(_)))
    {
        return true;
    }
    let mut found = false;
    expr.for_each_child_mut(&mut |child| found = found || holds_statements(child));
    found
}
