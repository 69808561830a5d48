//! Window functions: what `OVER (…)` means.
//!
//! In `SELECT rank() OVER (PARTITION BY k ORDER BY sum(x)) FROM t GROUP BY k` the call stands above the grouping: its keys become `k` and
//! the column of `sum(x)`, and the result is a column like any other to the select list, to ORDER BY and to QUALIFY.
//!
//! Invariants: equal calls of one block share one column; windows with the same partitions and order are computed together.
//!
//! Does not: evaluate windows.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, FrameExclude, FrameUnit, Span};
use gobi_grammar::{Dialect, similar};

use super::aggregate::typed_argument;
use super::call::aggregate_function;
use super::coerce::{cast, common_type};
use super::select::{Block, Place};
use super::{Binder, Bound, Reported};
use crate::plan::logical::{
    AggregateFunction, ColumnId, CompareOp, Expr, ExprKind, Plan, SortKey, WindowBound, WindowCall, WindowFrame,
    WindowFunction,
};
use crate::plan::properties;
use crate::types::{LogicalType, Value};

/// A window function of a block, with the expressions that it is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PendingWindow {
    /// The column of the result.
    pub(super) id: ColumnId,
    pub(super) partition: Vec<Expr>,
    /// Keys, and whether they descend and have NULLs first.
    pub(super) order: Vec<(Expr, bool, bool)>,
    pub(super) call: WindowCall<Expr>,
}

impl PendingWindow {
    /// Calls `f` on each of its expressions.
    pub(super) fn for_each_expr(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.partition.iter_mut().for_each(&mut *f);
        self.order.iter_mut().for_each(|(e, ..)| f(e));
        self.call.args.iter_mut().chain(&mut self.call.filter).for_each(&mut *f);
        for bound in [&mut self.call.frame.start, &mut self.call.frame.end] {
            if let WindowBound::Preceding(e) | WindowBound::Following(e) = bound {
                f(e);
            }
        }
    }
}

/// An argument that is computed for the rows of a filter only.
fn computed_where(filter: &Expr, arg: Expr) -> Expr {
    if arg.as_column().is_some() || arg.as_literal().is_some() {
        return arg;
    }
    let (ty, span) = (arg.ty.clone(), arg.span);
    let kind = ExprKind::Case {
        arms: vec![(filter.clone(), arg)],
        otherwise: Box::new(Expr::literal(Value::Null, ty.clone(), span)),
    };
    Expr { kind, ty, span }
}

fn numbering(id: ColumnId, partition: Vec<Expr>, order: Vec<(Expr, bool, bool)>) -> PendingWindow {
    let frame = WindowFrame {
        unit: FrameUnit::Rows,
        start: WindowBound::UnboundedPreceding,
        end: WindowBound::UnboundedFollowing,
        exclude: FrameExclude::NoOthers,
    };
    let call = WindowCall {
        function: WindowFunction::RowNumber,
        args: Vec::new(),
        filter: None,
        ignore_nulls: false,
        frame,
        ty: LogicalType::BigInt,
    };
    PendingWindow {
        id,
        partition,
        order,
        call,
    }
}

/// Functions that only a window makes sense of, with the least and most number of arguments.
const FUNCTIONS: &[(&str, WindowFunction, usize, usize)] = &[
    ("row_number", WindowFunction::RowNumber, 0, 0),
    ("rank", WindowFunction::Rank, 0, 0),
    ("dense_rank", WindowFunction::DenseRank, 0, 0),
    ("percent_rank", WindowFunction::PercentRank, 0, 0),
    ("cume_dist", WindowFunction::CumeDist, 0, 0),
    ("ntile", WindowFunction::Ntile, 1, 1),
    ("lag", WindowFunction::Lag, 1, 3),
    ("lead", WindowFunction::Lead, 1, 3),
    ("first_value", WindowFunction::FirstValue, 1, 1),
    ("first", WindowFunction::FirstValue, 1, 1),
    ("last_value", WindowFunction::LastValue, 1, 1),
    ("last", WindowFunction::LastValue, 1, 1),
    ("nth_value", WindowFunction::NthValue, 2, 2),
];

/// The window function of that name; `@RowNumber` is `row_number`.
fn window_function(name: &str) -> Option<&'static (&'static str, WindowFunction, usize, usize)> {
    let lower = name.to_lowercase();
    let (plain, loose) = match lower.strip_prefix('@') {
        Some(plain) => (plain, true),
        None => (lower.as_str(), false),
    };
    FUNCTIONS
        .iter()
        .find(|(known, ..)| *known == plain || (loose && known.replace('_', "") == plain))
}

/// The name belongs to a function that needs OVER.
pub(super) fn needs_over(name: &str) -> bool {
    window_function(name).is_some() && !super::listed::is_listed(name)
}

impl<'a> Binder<'a> {
    /// Registers a window function; the result is its column.
    pub(super) fn window_call(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        ignore_nulls: bool,
        over: &'a ast::Window,
        span: Span,
    ) -> Bound<Expr> {
        self.check_window_place(block, call, span)?;
        block.in_window = true;
        let pending = self.pending_window(block, call, ignore_nulls, over, span);
        block.in_window = false;
        let pending = pending?;
        match super::spread::spread(&call.name.text, false) {
            Some(spread) => self.spread_over(block, spread, (call, pending), span),
            None => Ok(self.register_window(block, pending, span)),
        }
    }

    /// The column of a window function, which equal ones share.
    pub(super) fn register_window(&mut self, block: &mut Block<'a>, pending: PendingWindow, span: Span) -> Expr {
        let ty = pending.call.ty.clone();
        let same = |known: &&PendingWindow| {
            known.partition == pending.partition && known.order == pending.order && known.call == pending.call
        };
        if let Some(known) = block.windows.iter().find(same) {
            return Expr::column(known.id, ty, span);
        }
        let id = pending.id;
        block.windows.push(pending);
        Expr::column(id, ty, span)
    }

    fn check_window_place(&mut self, block: &Block<'a>, call: &ast::Call, span: Span) -> Bound<()> {
        let name = &call.name.text;
        let (message, help) = match block.place {
            _ if block.in_window => (
                format!("window function `{name}` cannot stand inside another"),
                "compute the inner one in a subquery first",
            ),
            Place::Select | Place::Qualify | Place::Order => return Ok(()),
            Place::Where | Place::Having => (
                format!("window function `{name}` cannot be used here"),
                "windows are computed after rows and groups are filtered; use QUALIFY",
            ),
            _ => (
                format!("window function `{name}` cannot be used here"),
                "compute it in a subquery first",
            ),
        };
        self.fail(Diagnostic::new("42P20", span, message).with_help(help))
    }

    fn pending_window(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        ignore_nulls: bool,
        over: &'a ast::Window,
        span: Span,
    ) -> Bound<PendingWindow> {
        let partition = self.exprs(block, &over.partition_by);
        let mut order = Vec::with_capacity(over.order_by.len());
        for key in &over.order_by {
            let nulls_first = key.nulls_first.unwrap_or(self.dialect == Dialect::Ansi && key.desc);
            order.push((self.expr(block, &key.expr)?, key.desc, nulls_first));
        }
        let (function, args, ty) = self.window_signature(block, call, span)?;
        let ranks = matches!(function, WindowFunction::Aggregate(_));
        if ignore_nulls && ranks {
            return self.fail(Diagnostic::new(
                "42809",
                span,
                "IGNORE NULLS is for `lag`, `lead` and the like",
            ));
        }
        let filter = call.filter.as_deref().map(|e| self.expr(block, e)).transpose()?;
        let filter = filter.map(|e| self.require_boolean(e, "FILTER")).transpose()?;
        if filter.is_some() && !ranks {
            return self.fail(Diagnostic::new("42809", span, "FILTER is for aggregates"));
        }
        let args = match &filter {
            Some(filter) => args.into_iter().map(|arg| computed_where(filter, arg)).collect(),
            None => args,
        };
        let frame = self.frame(block, over, &mut order)?;
        let name = super::column_names::call_name(call, self.dialect);
        let never_null = matches!(
            function,
            WindowFunction::RowNumber
                | WindowFunction::Rank
                | WindowFunction::DenseRank
                | WindowFunction::PercentRank
                | WindowFunction::CumeDist
                | WindowFunction::Aggregate(AggregateFunction::Count)
        );
        Ok(PendingWindow {
            id: self.new_column(name, ty.clone(), !never_null),
            partition: partition?,
            order,
            call: WindowCall {
                function,
                args,
                filter,
                ignore_nulls,
                frame,
                ty,
            },
        })
    }

    fn window_signature(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        span: Span,
    ) -> Bound<(WindowFunction, Vec<Expr>, LogicalType)> {
        let name = &call.name.text;
        if call.distinct {
            return self.unsupported("DISTINCT in a window function is", span);
        }
        let args = self.exprs(block, &call.args)?;
        if let Some((name, function, least, most)) = window_function(name) {
            if call.star || args.len() < *least || args.len() > *most {
                let message = match (least, most) {
                    (0, 0) => format!("`{name}` takes no argument"),
                    (l, m) if l == m => format!("`{name}` takes {l} argument{}", if *l == 1 { "" } else { "s" }),
                    (l, m) => format!("`{name}` takes {l} to {m} arguments"),
                };
                return self.fail(Diagnostic::new("42883", span, message));
            }
            let (args, ty) = self.value_arguments(*function, args, span)?;
            return Ok((*function, args, ty));
        }
        if let Some(spread) = super::spread::spread(name, false) {
            // How many numbers or pairs there are; the sums are like it.
            let args = self.spread_arguments(spread, call, args, span)?;
            return Ok((
                WindowFunction::Aggregate(AggregateFunction::Count),
                args,
                LogicalType::BigInt,
            ));
        }
        if super::listed::is_listed(name) && aggregate_function(name).is_none() {
            return self.unsupported(&format!("`{name}` over a window is"), span);
        }
        let Some(function) = aggregate_function(name) else {
            let message = format!("`{name}` is neither a window function nor an aggregate");
            let mut error = Diagnostic::new("42809", call.name.span, message);
            let near = similar::nearest(&name.to_lowercase(), FUNCTIONS.iter().map(|(known, ..)| *known));
            error.help = near.map(|near| format!("did you mean `{near}`?"));
            return self.fail(error);
        };
        let arg = self.aggregate_argument(function, call, args, span)?;
        let arg = arg.map(|arg| typed_argument(function, arg));
        let ty = self.aggregate_type(function, arg.as_ref(), call)?;
        Ok((WindowFunction::Aggregate(function), arg.into_iter().collect(), ty))
    }

    /// The arguments of a function that picks values, in the types that it takes.
    fn value_arguments(
        &mut self,
        function: WindowFunction,
        args: Vec<Expr>,
        span: Span,
    ) -> Bound<(Vec<Expr>, LogicalType)> {
        use WindowFunction as F;
        let mut args = args.into_iter();
        match function {
            F::RowNumber | F::Rank | F::DenseRank => Ok((Vec::new(), LogicalType::BigInt)),
            F::PercentRank | F::CumeDist => Ok((Vec::new(), LogicalType::Double)),
            F::Ntile => {
                let parts = args.next().ok_or(Reported)?;
                Ok((vec![self.whole_number(parts, "ntile")?], LogicalType::BigInt))
            }
            F::Lag | F::Lead => {
                let value = args.next().ok_or(Reported)?;
                let one = Expr::literal(Value::Int(1), LogicalType::BigInt, span);
                let distance = self.whole_number(args.next().unwrap_or(one), "the distance")?;
                let Some(default) = args.next() else {
                    let ty = value.ty.clone();
                    return Ok((vec![value, distance], ty));
                };
                let (mut both, ty) = self.unify_all(vec![value, default], "the value and its default", span)?;
                both.insert(1, distance);
                Ok((both, ty))
            }
            _ => {
                let value = args.next().ok_or(Reported)?;
                let ty = value.ty.clone();
                let mut out = vec![value];
                for number in args {
                    out.push(self.whole_number(number, "the position")?);
                }
                Ok((out, ty))
            }
        }
    }

    fn whole_number(&mut self, expr: Expr, what: &str) -> Bound<Expr> {
        if !expr.ty.is_integer() && expr.ty != LogicalType::Null {
            let message = format!("{what} takes an integer, not {}", expr.ty);
            return self.fail(Diagnostic::new("42804", expr.span, message));
        }
        Ok(cast(expr, &LogicalType::BigInt))
    }

    /// The frame; without one it reaches from the partition's start to the current row's peers, or over all if there is no order.
    fn frame(
        &mut self,
        block: &mut Block<'a>,
        over: &'a ast::Window,
        order: &mut [(Expr, bool, bool)],
    ) -> Bound<WindowFrame<Expr>> {
        let Some(frame) = &over.frame else {
            return Ok(WindowFrame {
                unit: FrameUnit::Range,
                start: WindowBound::UnboundedPreceding,
                end: match order.is_empty() {
                    true => WindowBound::UnboundedFollowing,
                    false => WindowBound::CurrentRow,
                },
                exclude: FrameExclude::NoOthers,
            });
        };
        let mut start = self.bound(block, &frame.start)?;
        let mut end = match &frame.end {
            Some(end) => self.bound(block, end)?,
            None => WindowBound::CurrentRow,
        };
        let backwards = matches!(start, WindowBound::UnboundedFollowing)
            || matches!(end, WindowBound::UnboundedPreceding)
            || matches!((&start, &end), (WindowBound::CurrentRow, WindowBound::Preceding(_)))
            || matches!(
                (&start, &end),
                (
                    WindowBound::Following(_),
                    WindowBound::Preceding(_) | WindowBound::CurrentRow
                )
            );
        if backwards {
            return self.fail(Diagnostic::new("42P20", over.span, "the frame ends before it starts"));
        }
        if frame.unit != FrameUnit::Rows && order.is_empty() && frame.unit == FrameUnit::Groups {
            return self.fail(Diagnostic::new(
                "42P20",
                over.span,
                "GROUPS needs an ORDER BY in its window",
            ));
        }
        match frame.unit {
            FrameUnit::Range => self.range_bounds(&mut start, &mut end, order, over.span)?,
            FrameUnit::Rows | FrameUnit::Groups => {
                for bound in [&mut start, &mut end] {
                    if let WindowBound::Preceding(e) | WindowBound::Following(e) = bound {
                        *e = self.whole_number(e.clone(), "the frame")?;
                    }
                }
            }
        }
        Ok(WindowFrame {
            unit: frame.unit,
            start,
            end,
            exclude: frame.exclude,
        })
    }

    fn bound(&mut self, block: &mut Block<'a>, bound: &'a ast::FrameBound) -> Bound<WindowBound<Expr>> {
        Ok(match bound {
            ast::FrameBound::UnboundedPreceding => WindowBound::UnboundedPreceding,
            ast::FrameBound::Preceding(e) => WindowBound::Preceding(self.expr(block, e)?),
            ast::FrameBound::CurrentRow => WindowBound::CurrentRow,
            ast::FrameBound::Following(e) => WindowBound::Following(self.expr(block, e)?),
            ast::FrameBound::UnboundedFollowing => WindowBound::UnboundedFollowing,
        })
    }

    /// Distances of RANGE become the values of the sort key that the frame reaches to; key and values are brought to one type.
    fn range_bounds(
        &mut self,
        start: &mut WindowBound<Expr>,
        end: &mut WindowBound<Expr>,
        order: &mut [(Expr, bool, bool)],
        span: Span,
    ) -> Bound<()> {
        let measured =
            |bound: &WindowBound<Expr>| matches!(bound, WindowBound::Preceding(_) | WindowBound::Following(_));
        if !measured(start) && !measured(end) {
            return Ok(());
        }
        let [(key, desc, _)] = order else {
            let message = "RANGE with a distance needs an ORDER BY of one key";
            return self.fail(Diagnostic::new("42P20", span, message));
        };
        let mut ty = key.ty.clone();
        for bound in [&mut *start, &mut *end] {
            let (before, e) = match bound {
                WindowBound::Preceding(e) => (true, e),
                WindowBound::Following(e) => (false, e),
                _ => continue,
            };
            let op = if before != *desc {
                ast::ChainOp::Sub
            } else {
                ast::ChainOp::Add
            };
            *e = self.chain_step(key.clone(), op, e.clone())?;
            ty = match common_type(&ty, &e.ty) {
                Some(common) => common,
                None => {
                    let message = format!("RANGE cannot move {} to {}", key.ty, e.ty);
                    return self.fail(Diagnostic::new("42804", e.span, message));
                }
            };
        }
        *key = cast(key.clone(), &ty);
        for bound in [start, end] {
            if let WindowBound::Preceding(e) | WindowBound::Following(e) = bound {
                *e = cast(e.clone(), &ty);
            }
        }
        Ok(())
    }

    /// The rows that are the first of their partition in an order.
    pub(super) fn first_rows(&mut self, plan: Plan, partition: Vec<Expr>, order: Vec<(Expr, bool, bool)>) -> Plan {
        let id = self.new_column("row_number", LogicalType::BigInt, false);
        let first = self.column_expr(id, Span::default());
        let one = Expr::literal(Value::Int(1), LogicalType::BigInt, Span::default());
        let test = Expr::compare(CompareOp::Eq, first, one);
        let window = numbering(id, partition, order);
        self.compute_windows(plan, vec![window]).filtered(vec![test])
    }

    /// Of rows that are equal in some columns, at most so many, after leaving out so many.
    pub(super) fn some_of_each(
        &mut self,
        plan: Plan,
        partition: Vec<Expr>,
        order: Vec<SortKey>,
        (limit, offset): (Option<u64>, u64),
    ) -> Plan {
        let id = self.new_column("row_number", LogicalType::BigInt, false);
        let key = |key: SortKey| (self.column_expr(key.column, Span::default()), key.desc, key.nulls_first);
        let window = numbering(id, partition, order.into_iter().map(key).collect());
        let bound = |op, rows: u64| {
            let rows = i64::try_from(rows).unwrap_or(i64::MAX);
            let rows = Expr::literal(Value::Int(rows.into()), LogicalType::BigInt, Span::default());
            Expr::compare(op, self.column_expr(id, Span::default()), rows)
        };
        let mut tests = Vec::with_capacity(2);
        if offset > 0 {
            tests.push(bound(CompareOp::Gt, offset));
        }
        tests.extend(limit.map(|limit| bound(CompareOp::LtEq, offset.saturating_add(limit))));
        self.compute_windows(plan, vec![window]).filtered(tests)
    }

    /// The rows with their number among those that are equal in some columns.
    pub(super) fn number_equal(&mut self, plan: Plan, columns: Vec<Expr>) -> (Plan, ColumnId) {
        let id = self.new_column("row_number", LogicalType::BigInt, false);
        let window = numbering(id, columns, Vec::new());
        (self.compute_windows(plan, vec![window]), id)
    }

    /// Puts the window operators of a block on top of its rows.
    pub(super) fn compute_windows(&mut self, plan: Plan, windows: Vec<PendingWindow>) -> Plan {
        if windows.is_empty() {
            return plan;
        }
        let input = plan.output();
        let nullable = self.nullable_columns(&plan);
        let mut columns: Vec<(ColumnId, Expr)> = input
            .iter()
            .map(|id| (*id, self.column_expr(*id, Span::default())))
            .collect();
        let mut place = |binder: &mut Self, e: &Expr| -> ColumnId {
            if let Some(id) = e.as_column().filter(|id| input.contains(id)) {
                return id;
            }
            if let Some((id, _)) = columns.iter().find(|(_, known)| known == e) {
                return *id;
            }
            let id = binder.new_column("key", e.ty.clone(), properties::may_be_null(e, &nullable));
            columns.push((id, e.clone()));
            id
        };
        /// Keys of partitions and order, and the calls that share them.
        type Shared = (Vec<ColumnId>, Vec<SortKey>, Vec<(ColumnId, WindowCall)>);
        let mut groups: Vec<Shared> = Vec::new();
        for window in windows {
            let partition: Vec<ColumnId> = window.partition.iter().map(|e| place(self, e)).collect();
            let order = window.order.iter().map(|(e, desc, nulls_first)| SortKey {
                column: place(self, e),
                desc: *desc,
                nulls_first: *nulls_first,
            });
            let order: Vec<SortKey> = order.collect();
            let call = window.call.map(&mut |e| place(self, e));
            match groups.iter_mut().find(|(p, o, _)| *p == partition && *o == order) {
                Some((.., calls)) => calls.push((window.id, call)),
                None => groups.push((partition, order, vec![(window.id, call)])),
            }
        }
        let input = Plan::Project {
            input: Box::new(plan),
            columns,
        };
        groups
            .into_iter()
            .fold(input, |input, (partition, order, calls)| Plan::Window {
                input: Box::new(input),
                partition,
                order,
                calls,
            })
    }
}
