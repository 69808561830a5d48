//! Names in functions over rows that stand for variables.
//!
//! In `{sales} |> sum(s => s.amount * rate)` the name `rate` is the variable, though the query over `sales` that the chain becomes may have a column of that
//! name: it is `{rate}` there.
//!
//! Invariants: parameters of functions and names of patterns come before variables; a query within a function has names of its own.
//!
//! Does not: look at blocks, which no query can have.

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{Block, Expr, ExprKind, Lambda, MatchArm, Query};

use super::chain::Chain;

/// The chain with variables that are written so.
pub(super) fn with_variables(chain: &Chain, is_variable: &dyn Fn(&str) -> bool) -> Chain {
    let mut chain = chain.clone();
    let mut names = Names {
        is_variable,
        shadows: Vec::new(),
    };
    let stages = chain.stages.iter_mut().map(|stage| &mut stage.by);
    for by in stages.chain(&mut chain.args) {
        if let ExprKind::Lambda(lambda) = &mut by.kind {
            names.lambda(lambda);
        }
    }
    chain
}

struct Names<'n> {
    is_variable: &'n dyn Fn(&str) -> bool,
    shadows: Vec<String>,
}

impl Names<'_> {
    fn is_free(&self, name: &str) -> bool {
        !self.shadows.iter().any(|shadow| shadow.eq_ignore_ascii_case(name)) && (self.is_variable)(name)
    }
}

impl VisitMut for Names<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        let span = expr.span;
        match &mut expr.kind {
            ExprKind::Name(path) if path.first().is_some_and(|first| self.is_free(&first.text)) => {
                let mut path = std::mem::take(path).into_iter();
                let Some(first) = path.next() else { return };
                let of = |kind| Expr { kind, span };
                *expr = path.fold(of(ExprKind::Braced(first)), |expr, name| {
                    let expr = Box::new(expr);
                    of(ExprKind::Field { expr, name })
                });
            }
            _ => visit::walk_expr(self, expr),
        }
    }

    fn lambda(&mut self, lambda: &mut Lambda) {
        let before = self.shadows.len();
        self.shadows
            .extend(lambda.params.iter().map(|param| param.text.clone()));
        visit::walk_arm(self, &mut lambda.body);
        self.shadows.truncate(before);
    }

    fn arm(&mut self, arm: &mut MatchArm) {
        let before = self.shadows.len();
        for pattern in &arm.patterns {
            pattern.each_name(&mut |name| self.shadows.push(name.text.clone()));
        }
        visit::walk_match_arm(self, arm);
        self.shadows.truncate(before);
    }

    fn query(&mut self, _query: &mut Query) {}

    fn block(&mut self, _block: &mut Block) {}
}
