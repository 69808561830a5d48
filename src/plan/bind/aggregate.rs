//! Aggregates and grouping: which expressions stand below the grouping, which above, and what may not be mixed.
//!
//! In `SELECT a + 1, sum(b) FROM t GROUP BY a + 1` the call registers `sum(#b)` as column #9 and `a + 1` is recognised as the
//! key #8: above the grouping the items are plainly #8 and #9.
//!
//! Invariants: equal aggregates of one block share one column; what stands above the grouping mentions keys,
//! aggregates and outer columns only.
//!
//! Does not: evaluate groups.

use std::collections::HashSet;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::coerce::cast;
use super::scope::Scope;
use super::select::{Block, Place};
use super::{Binder, Bound, Reported};
use crate::plan::logical::{Aggregate, AggregateFunction, ColumnId, Expr, ExprKind};
use crate::types::LogicalType;

/// What a block groups by and computes.
pub(super) struct Grouping<'g> {
    /// Keys and their columns.
    pub(super) keys: &'g [(ColumnId, Expr)],
    /// Columns of the block's FROM.
    pub(super) input: &'g HashSet<ColumnId>,
    /// How those are called.
    pub(super) scope: &'g Scope,
}

impl<'a> Binder<'a> {
    /// Registers an aggregate call; the result is its column.
    pub(super) fn aggregate_call(
        &mut self,
        block: &mut Block<'a>,
        function: AggregateFunction,
        call: &'a ast::Call,
        span: Span,
    ) -> Bound<Expr> {
        let (args, filter) = self.aggregate_parts(block, call, span)?;
        let arg = self.aggregate_argument(function, call, args, span)?;
        let arg = arg.map(|arg| typed_argument(function, arg));
        let ty = self.aggregate_type(function, arg.as_ref(), call)?;
        let idempotent = matches!(
            function,
            AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::AnyValue
        );
        let aggregate = Aggregate {
            function,
            arg,
            distinct: call.distinct && !idempotent,
            filter,
            ty: ty.clone(),
        };
        Ok(self.register_aggregate(block, aggregate, call, span))
    }

    /// The arguments and the filter of an aggregate call.
    pub(super) fn aggregate_parts(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        span: Span,
    ) -> Bound<(Vec<Expr>, Option<Expr>)> {
        self.check_aggregate_place(block, call, span)?;
        let place = std::mem::replace(&mut block.place, Place::Aggregate);
        let (filter, args) = self.with_filter(block, call, |binder, block| binder.exprs(block, &call.args));
        block.place = place;
        let (filter, args) = (filter?, args?);
        Ok((args, filter))
    }

    /// Binds FILTER, and what nobody wants of other rows than those that it keeps.
    pub(super) fn with_filter<T>(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        bind: impl FnOnce(&mut Self, &mut Block<'a>) -> T,
    ) -> (Bound<Option<Expr>>, T) {
        let filter = call.filter.as_deref().map(|e| {
            let filter = self.expr(block, e)?;
            self.require_boolean(filter, "FILTER")
        });
        let bound = match &filter {
            Some(filter) => self.in_branch(std::slice::from_ref(filter), false, |binder| bind(binder, block)),
            None => bind(self, block),
        };
        (filter.transpose(), bound)
    }

    /// The column of an aggregate, which equal ones share.
    pub(super) fn register_aggregate(
        &mut self,
        block: &mut Block<'a>,
        aggregate: Aggregate,
        call: &ast::Call,
        span: Span,
    ) -> Expr {
        let ty = aggregate.ty.clone();
        if let Some((id, _)) = block.aggregates.iter().find(|(_, known)| *known == aggregate) {
            return Expr::column(*id, ty, span);
        }
        let name = super::column_names::call_name(call, self.dialect);
        let nullable = !matches!(
            aggregate.function,
            AggregateFunction::Count | AggregateFunction::ExactSum
        );
        let id = self.new_column(name, ty.clone(), nullable);
        block.aggregates.push((id, aggregate));
        Expr::column(id, ty, span)
    }

    pub(super) fn check_aggregate_place(&mut self, block: &Block<'a>, call: &ast::Call, span: Span) -> Bound<()> {
        let name = &call.name.text;
        let (message, help) = match block.place {
            Place::Select | Place::Having | Place::Qualify | Place::Order => return Ok(()),
            Place::Aggregate => (
                format!("aggregate `{name}` cannot stand inside another aggregate"),
                "compute the inner one in a subquery first",
            ),
            Place::Where => (
                format!("aggregate `{name}` cannot be used in WHERE"),
                "WHERE filters rows before they are grouped; use HAVING",
            ),
            Place::GroupBy => (
                format!("aggregate `{name}` cannot be used in GROUP BY"),
                "compute it in a subquery first",
            ),
            Place::On => (
                format!("aggregate `{name}` cannot be used in a join condition"),
                "compute it in a subquery first",
            ),
            Place::Other => (
                format!("aggregate `{name}` cannot be used here"),
                "compute it in a subquery first",
            ),
        };
        self.fail(Diagnostic::new("42803", span, message).with_help(help))
    }

    pub(super) fn aggregate_argument(
        &mut self,
        function: AggregateFunction,
        call: &ast::Call,
        mut args: Vec<Expr>,
        span: Span,
    ) -> Bound<Option<Expr>> {
        let name = &call.name.text;
        let count = function == AggregateFunction::Count;
        if count && !call.distinct && (call.star || args.is_empty()) {
            return Ok(None);
        }
        if call.star || args.len() != 1 {
            let message = format!("`{name}` takes one argument");
            return self.fail(Diagnostic::new("42883", span, message));
        }
        Ok(args.pop())
    }

    pub(super) fn aggregate_type(
        &mut self,
        function: AggregateFunction,
        arg: Option<&Expr>,
        call: &ast::Call,
    ) -> Bound<LogicalType> {
        use AggregateFunction as F;
        let (Some(arg), false) = (arg, function == F::Count) else {
            return Ok(LogicalType::BigInt);
        };
        let fits = match function {
            F::Sum | F::Avg | F::ExactSum => arg.ty.is_numeric(),
            F::Min | F::Max | F::Count | F::CountMerge | F::AnyValue | F::List | F::Bag => true,
        };
        if !fits {
            let message = format!("`{}` has no meaning for {}", call.name.text, arg.ty);
            let mut error = Diagnostic::new("42883", arg.span, message);
            error.help = super::elements::instead_of(&call.name.text, &arg.ty);
            return self.fail(error);
        }
        Ok(match (function, &arg.ty) {
            (F::Avg, _) => LogicalType::Double,
            (F::ExactSum, _) => LogicalType::HugeInt,
            (F::List | F::Bag, item) => LogicalType::Array(Box::new(item.clone())),
            (F::Sum, LogicalType::Decimal { scale, .. }) => LogicalType::Decimal {
                precision: 38,
                scale: *scale,
            },
            (F::Sum, ty) if ty.is_float() => LogicalType::Double,
            (F::Sum, _) => LogicalType::HugeInt,
            (_, ty) => ty.clone(),
        })
    }

    /// Rewrites an expression of the select list for its place above the grouping.
    pub(super) fn above_grouping(&mut self, expr: Expr, grouping: &Grouping<'_>) -> Bound<Expr> {
        let mut expr = expr;
        let mut stray = Vec::new();
        replace_keys(&mut expr, grouping, &mut stray);
        if stray.is_empty() {
            return Ok(expr);
        }
        for (id, span) in stray {
            let known = grouping.scope.columns.iter().find(|c| c.id == id);
            let name = known.map_or_else(|| self.info(id).name.clone(), |c| c.name.clone());
            let message = format!("column `{name}` must be grouped or aggregated");
            let help = format!("add `{name}` to GROUP BY or wrap it in any_value()");
            self.errors
                .push(Diagnostic::new("42803", span, message).with_help(help));
        }
        Err(Reported)
    }
}

/// A bare NULL is summed as an integer.
pub(super) fn typed_argument(function: AggregateFunction, arg: Expr) -> Expr {
    let sums = matches!(function, AggregateFunction::Sum | AggregateFunction::Avg);
    match arg.ty {
        LogicalType::Null if sums => cast(arg, &LogicalType::BigInt),
        _ => arg,
    }
}

fn replace_keys(expr: &mut Expr, grouping: &Grouping<'_>, stray: &mut Vec<(ColumnId, Span)>) {
    if let Some((id, key)) = grouping.keys.iter().find(|(_, key)| key == expr) {
        *expr = Expr::column(*id, key.ty.clone(), expr.span);
        return;
    }
    replace_prefix(expr, grouping);
    match expr.as_column() {
        Some(id) if grouping.input.contains(&id) => {
            if !stray.iter().any(|(known, _)| *known == id) {
                stray.push((id, expr.span));
            }
        }
        _ => expr.for_each_child_mut(&mut |child| replace_keys(child, grouping, stray)),
    }
}

/// `a + 1 + 2` grouped by `a + 1`: chains are flat, so the key may be how a chain begins.
fn replace_prefix(expr: &mut Expr, grouping: &Grouping<'_>) {
    let ExprKind::Chain { first, rest } = &mut expr.kind else {
        return;
    };
    for (id, key) in grouping.keys {
        let ExprKind::Chain {
            first: key_first,
            rest: key_rest,
        } = &key.kind
        else {
            continue;
        };
        if key_first == first && rest.starts_with(key_rest) {
            rest.drain(..key_rest.len());
            **first = Expr::column(*id, key.ty.clone(), key.span);
            return;
        }
    }
}
