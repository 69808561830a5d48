//! Keys of GROUP BY that hold functions without names.
//!
//! In `SELECT xs |> sum() FROM t GROUP BY xs |> sum()` both pipes are one expression, though each lambda is a function of its own by the place where
//! it stands: what is written like a key is put where the key is.
//!
//! Invariants: nothing else of a query changes; queries within it are left alone.
//!
//! Does not: bind.

use gobi_grammar::Dialect;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{Expr, ExprKind, GroupBy, Lambda, Query, QueryBody, Statement, StatementKind, TableRef};

/// The query with its keys in the places of what is written like them; `None` if no key needs that.
pub fn keys_in_place(query: &Query, dialect: Dialect) -> Option<Query> {
    let QueryBody::Select(select) = &query.body else {
        return None;
    };
    let GroupBy::Items(items) = &select.group_by else {
        return None;
    };
    let keys = items.iter().filter(|item| holds_function(item));
    let keys: Vec<(String, &Expr)> = keys.map(|key| (text(key, dialect), key)).collect();
    if keys.is_empty() {
        return None;
    }
    let mut query_in_place = query.clone();
    visit::walk_query(&mut InPlace { keys, dialect }, &mut query_in_place);
    Some(query_in_place)
}

struct InPlace<'k> {
    keys: Vec<(String, &'k Expr)>,
    dialect: Dialect,
}

impl VisitMut for InPlace<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        if !holds_function(expr) {
            return;
        }
        let text = text(expr, self.dialect);
        match self.keys.iter().find(|(known, _)| *known == text) {
            Some((_, key)) => *expr = (*key).clone(),
            None => visit::walk_expr(self, expr),
        }
    }

    fn query(&mut self, _: &mut Query) {}

    fn relation(&mut self, _: &mut TableRef) {}
}

/// Whether there is a pipe or a lambda in an expression.
fn holds_function(expr: &Expr) -> bool {
    if matches!(expr.kind, ExprKind::Name(_) | ExprKind::Literal(_)) {
        return false;
    }
    let mut found = Found(false);
    found.expr(&mut expr.clone());
    found.0
}

struct Found(bool);

impl VisitMut for Found {
    fn expr(&mut self, expr: &mut Expr) {
        self.0 |= matches!(expr.kind, ExprKind::Pipe { .. });
        visit::walk_expr(self, expr);
    }

    fn lambda(&mut self, _: &mut Lambda) {
        self.0 = true;
    }

    fn query(&mut self, _: &mut Query) {}
}

fn text(expr: &Expr, dialect: Dialect) -> String {
    let statement = Statement {
        kind: StatementKind::Eval(Box::new(expr.clone())),
        span: expr.span,
    };
    gobi_grammar::print(&[statement], dialect)
}
