//! What is asked of an array: `t.xs.sum()` is the sum of the elements of each array, where `sum(xs)` is one of rows.
//!
//! `SELECT xs.max() FROM t` is `SELECT array_max(xs) FROM t`, `xs.first()` is `xs |> first()`, and `xs.take(2)` is `xs |> take(2)`.
//!
//! Invariants: what the call is asked of is bound twice, and leaves nothing behind the first time.
//!
//! Does not: compute anything.

use gobi_grammar::ast::{self, Span};

use super::called::Mark;
use super::select::Block;
use super::{Binder, Bound};
use crate::plan::logical::Expr;
use crate::types::LogicalType;

/// Aggregates that only a pipe over an array has.
const ENDS: &[&str] = &["count", "first", "last"];

/// What takes a part of an array by a number.
const PARTS: &[&str] = &["take", "skip"];

/// The function of an array that an aggregate of its elements is.
fn of_array(name: &str) -> Option<&'static str> {
    match name {
        "sum" => Some("array_sum"),
        "avg" => Some("array_avg"),
        "min" => Some("array_min"),
        "max" => Some("array_max"),
        _ => super::listed::of_array(name),
    }
}

impl<'a> Binder<'a> {
    /// The value of an aggregate that is asked of an array; `None` if it is a call of another kind.
    pub(super) fn of_elements(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        span: Span,
    ) -> Option<Bound<Expr>> {
        let [source] = call.args.as_slice() else { return None };
        let is_method = source.span.end <= call.name.span.start && source.span.start < source.span.end;
        if !is_method || call.distinct || call.star || call.filter.is_some() {
            return None;
        }
        let name = call.name.text.to_lowercase();
        let function = of_array(&name);
        let is_end = ENDS.contains(&name.as_str());
        if !(is_end || function.is_some()) || !self.is_array(block, source) {
            return None;
        }
        Some(match function.filter(|_| !is_end) {
            Some(function) => self
                .expr(block, source)
                .and_then(|array| self.named_function(function, vec![array], span)),
            None => {
                let stages = vec![ast::Call::of(call.name.clone(), Vec::new())];
                let source = Box::new(source.clone());
                let kind = ast::ExprKind::Pipe { source, stages };
                let pipe = self.kept(&ast::Expr { kind, span });
                self.lambda_call(block, pipe)
            }
        })
    }

    /// The pipe that a call is: `xs.take(2)`, `xs.count(f)`.
    pub(super) fn as_pipe(&mut self, block: &Block<'a>, call: &ast::Call, span: Span) -> Option<ast::Expr> {
        let plain = !(call.distinct || call.star || call.filter.is_some());
        if !plain || self.in_body || self.tables.has_routine(&call.name.text) {
            return None;
        }
        let (source, rest) = call.args.split_first()?;
        let [by] = rest else { return None };
        let name = call.name.text.to_lowercase();
        let is_part = PARTS.contains(&name.as_str());
        let is_aggregate = super::call::aggregate_function(&name).is_some();
        if !(is_part || is_aggregate && self.is_function_name(block, by)) {
            return None;
        }
        let stages = vec![ast::Call::of(call.name.clone(), rest.to_vec())];
        let source = Box::new(source.clone());
        let kind = ast::ExprKind::Pipe { source, stages };
        Some(ast::Expr { kind, span })
    }

    fn is_array(&mut self, block: &mut Block<'a>, e: &'a ast::Expr) -> bool {
        let before = Mark::of(self, block);
        let bound = self.expr(block, e);
        before.restore(self, block);
        matches!(
            bound,
            Ok(Expr {
                ty: LogicalType::Array(_),
                ..
            })
        )
    }
}

/// What to write instead of an aggregate over rows of arrays.
pub(super) fn instead_of(name: &str, ty: &LogicalType) -> Option<String> {
    let name = name.to_lowercase();
    let is_array = matches!(ty, LogicalType::Array(_));
    (is_array && of_array(&name).is_some()).then(|| {
        format!(
            "`{name}(…)` is over rows: write `(…).{name}()` for the elements of each array, or unnest the arrays first"
        )
    })
}
