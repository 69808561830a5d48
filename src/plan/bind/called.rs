//! Functions that ask queries and cannot become a part of one: they are called for its rows before it runs.
//!
//! After `function spent(c int) { let n = 0; for o in select total from orders where customer = c { n = n + o.total } return n }`, the rows
//! of `customers` in `SELECT name, spent(id) FROM customers` are found first; `spent` is called for each `id` once; and the query
//! reads those rows with one column more.
//!
//! Invariants: a function is called for the rows that the call would be evaluated for: not those that WHERE drops by conditions
//! without such calls, and not where a branch of CASE is not taken.
//!
//! Does not: call anything; the session does, and binds the query again then.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::select::{Block, Place};
use super::subquery::Attach;
use super::{Binder, Bound, Relation, Reported};
use crate::plan::logical::{ColumnId, Expr, ExprKind, Plan, Query, Recursion, RowCalls, TableId};
use crate::plan::{Callee, Passed, QueryFunction, RoutineCall};
use crate::types::{Field, LogicalType, Value};

/// A call whose value is a column of the rows that it is made for.
#[derive(Clone, Debug)]
pub(super) struct ForRows {
    function: String,
    args: Vec<Expr>,
    /// It is made only where this is true.
    only_if: Option<Expr>,
    column: ColumnId,
    /// It is a part of a grouping key.
    groups: bool,
    span: Span,
}

/// The branches of a CASE of which one is being bound.
#[derive(Clone, Debug, Default)]
pub(super) struct Branches {
    /// The conditions so far.
    pub(super) conditions: Vec<Expr>,
    /// It is that of none of them.
    pub(super) otherwise: bool,
}

/// Calls for rows, with their rows.
#[derive(Debug)]
pub(super) struct Made {
    table: TableId,
    call: ForRows,
    /// The rows, and after their columns the arguments.
    rows: Relation,
    args: Vec<ColumnId>,
    only_if: Option<ColumnId>,
    /// So many subqueries and recursive CTEs stand before it.
    before: (usize, usize),
}

/// How much there is of what is being bound.
pub(super) struct Mark {
    errors: usize,
    subqueries: usize,
    recursions: usize,
    given: usize,
    calls: usize,
    attached: usize,
    below: usize,
    above: usize,
    aggregates: usize,
    windows: usize,
}

impl Mark {
    pub(super) fn of(binder: &Binder<'_>, block: &Block<'_>) -> Self {
        Self {
            errors: binder.errors.len(),
            subqueries: binder.subqueries.len(),
            recursions: binder.recursions.len(),
            given: binder.given.len(),
            calls: binder.calls.len(),
            attached: binder.attached,
            below: block.joins_below.len(),
            above: block.joins_above.len(),
            aggregates: block.aggregates.len(),
            windows: block.windows.len(),
        }
    }

    /// Leaves no more than there was.
    pub(super) fn restore(&self, binder: &mut Binder<'_>, block: &mut Block<'_>) {
        binder.errors.truncate(self.errors);
        binder.subqueries.truncate(self.subqueries);
        binder.recursions.truncate(self.recursions);
        binder.given.truncate(self.given);
        binder.calls.truncate(self.calls);
        binder.attached = self.attached;
        block.joins_below.truncate(self.below);
        block.joins_above.truncate(self.above);
        block.aggregates.truncate(self.aggregates);
        block.windows.truncate(self.windows);
    }
}

impl ForRows {
    fn is_same(&self, other: &Self) -> bool {
        self.function == other.function && self.args == other.args && self.only_if == other.only_if
    }

    /// Whether it has the same value for all rows.
    fn is_for_all_rows(&self) -> bool {
        let same = |arg: &Expr| arg.columns().is_empty() && !arg.is_volatile();
        self.only_if.is_none() && self.args.iter().all(same)
    }

    /// An argument, which is not computed where there is no call.
    fn only_there(&self, arg: Expr) -> Expr {
        let Some(condition) = self.only_if.clone() else {
            return arg;
        };
        let (ty, span) = (arg.ty.clone(), arg.span);
        let kind = ExprKind::Case {
            arms: vec![(condition, arg)],
            otherwise: Box::new(Expr::literal(Value::Null, ty.clone(), span)),
        };
        Expr { kind, ty, span }
    }

    /// The column of its value.
    pub(super) fn column(&self) -> ColumnId {
        self.column
    }

    pub(super) fn for_each_outer(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.args.iter_mut().chain(&mut self.only_if).for_each(f);
    }
}

impl Branches {
    /// True where the branch is taken.
    fn taken(&self, span: Span) -> Expr {
        let last = self.conditions.len().saturating_sub(1);
        let arm = |(at, condition): (usize, &Expr)| {
            let is_own = at == last && !self.otherwise;
            (condition.clone(), Expr::truth(is_own, span))
        };
        let kind = ExprKind::Case {
            arms: self.conditions.iter().enumerate().map(arm).collect(),
            otherwise: Box::new(Expr::truth(self.otherwise, span)),
        };
        Expr::boolean(kind, span)
    }
}

impl Made {
    pub(super) fn calls(
        self,
        whole: impl Fn(Relation) -> Query,
        subqueries: &[Query],
        recursions: &[Recursion],
    ) -> RowCalls {
        let input = Query {
            subqueries: subqueries.iter().take(self.before.0).cloned().collect(),
            recursions: recursions.iter().take(self.before.1).cloned().collect(),
            ..whole(self.rows)
        };
        RowCalls {
            table: self.table,
            function: self.call.function,
            args: self.args,
            only_if: self.only_if,
            input,
            span: self.call.span,
        }
    }
}

impl<'a> Binder<'a> {
    /// The value of a call whose function becomes a part of the query, or is called for rows where that is not supported.
    pub(super) fn asked(
        &mut self,
        block: &mut Block<'a>,
        function: QueryFunction,
        call: &RoutineCall<'_>,
        args: Vec<Expr>,
        span: Span,
    ) -> Bound<Expr> {
        if !self.tables.calls_for_rows() {
            return self.inlined(block, function, args, span);
        }
        if !function.is_part {
            return self.called_for_rows(block, call, args, span);
        }
        let before = Mark::of(self, block);
        let bound = self.inlined(block, function, args.clone(), span);
        let new = self.errors.get(before.errors..).unwrap_or_default();
        if bound.is_ok() || new.iter().any(|error| error.code != "0A000") {
            return bound;
        }
        before.restore(self, block);
        self.called_for_rows(block, call, args, span)
    }

    /// The value of a call whose function cannot become a part of the query.
    fn called_for_rows(
        &mut self,
        block: &mut Block<'a>,
        call: &RoutineCall<'_>,
        args: Vec<Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let name = &call.name.text;
        match self.tables.called_function(call) {
            Ok(callee) if callee.effects => self.does_more(name, span),
            Ok(callee) => self.called(block, name, callee, args, span),
            Err(error) => self.fail(error),
        }
    }

    /// The value of a call that is made for rows.
    fn called(
        &mut self,
        block: &mut Block<'a>,
        function: &str,
        callee: Callee,
        args: Vec<Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let values = self.passed_values(callee.params, &args)?;
        let taken: Vec<Expr> = self.branches.iter().map(|branches| branches.taken(span)).collect();
        let mut call = ForRows {
            function: function.to_owned(),
            args: values,
            only_if: (!taken.is_empty()).then(|| Expr::and(taken, span)),
            column: ColumnId(u32::MAX),
            groups: block.place == Place::GroupBy,
            span,
        };
        call.for_each_outer(&mut |e| self.without_frames(e));
        let above = matches!(
            block.place,
            Place::Select | Place::Having | Place::Qualify | Place::Order
        );
        let below = block.joins_below.iter().map(|join| (join, !above));
        let known = below.chain(block.joins_above.iter().map(|join| (join, above)));
        let same = |(join, in_reach): (&Attach, bool)| match join {
            Attach::Call(made) if made.is_same(&call) && (in_reach || made.groups) => Some(made.column),
            _ => None,
        };
        if let Some(column) = known.filter_map(same).next() {
            return Ok(Expr::column(column, callee.result, span));
        }
        call.column = self.new_column(function, callee.result.clone(), true);
        let column = call.column;
        if call.is_for_all_rows() {
            let one_row = Plan::Values {
                columns: Vec::new(),
                rows: vec![Vec::new()],
            };
            let value = self.with_call(one_row, call);
            let kind = ExprKind::Subquery(self.add_value(value, column));
            return Ok(Expr {
                kind,
                ty: callee.result,
                span,
            });
        }
        block.joins().push(Attach::Call(call));
        Ok(Expr::column(column, callee.result, span))
    }

    /// The value of each parameter.
    pub(super) fn passed_values(&mut self, params: Vec<(LogicalType, Passed)>, args: &[Expr]) -> Bound<Vec<Expr>> {
        let mut values = Vec::with_capacity(params.len());
        for (ty, passed) in params {
            let value = match passed {
                Passed::Default(value) => value,
                Passed::Argument(at) => args.get(at).cloned().ok_or(Reported)?,
            };
            values.push(self.passed_as(value, &ty)?);
        }
        Ok(values)
    }

    /// The rows of a plan with the value of a call; with NULL if that is not supported.
    pub(super) fn with_call(&mut self, plan: Plan, call: ForRows) -> Plan {
        let own = plan.output();
        match self.no_call(&plan, &call) {
            None => self.called_rows(plan, own, call),
            Some(what) => self.not_called(plan, own, &call, &what),
        }
    }

    /// The rows of a plan with NULL for a call that is not supported.
    fn not_called(&mut self, plan: Plan, own: Vec<ColumnId>, call: &ForRows, what: &str) -> Plan {
        let span = call.span;
        let message = format!("{what} not supported yet");
        self.errors.push(Diagnostic::new("0A000", span, message));
        let ty = self.info(call.column).ty.clone();
        let mut columns: Vec<(ColumnId, Expr)> = own.iter().map(|id| (*id, self.column_expr(*id, span))).collect();
        columns.push((call.column, Expr::literal(Value::Null, ty, span)));
        Plan::Project {
            input: Box::new(plan),
            columns,
        }
    }

    /// Why a call cannot be made for the rows of a plan.
    fn no_call(&self, plan: &Plan, call: &ForRows) -> Option<String> {
        let known = plan.output_set();
        let within = call.args.iter().chain(&call.only_if).all(|e| e.within(&known));
        let place = match within && plan.free_columns().is_empty() {
            true if self.recursions.iter().all(Option::is_some) => return None,
            true => "in a recursive CTE",
            false => "for values of a query around that query",
        };
        let function = &call.function;
        Some(format!(
            "a call of `{function}`, which cannot become a part of a query, {place}, is"
        ))
    }

    fn called_rows(&mut self, plan: Plan, own: Vec<ColumnId>, call: ForRows) -> Plan {
        let span = call.span;
        let mut columns: Vec<(ColumnId, Expr)> = own.iter().map(|id| (*id, self.column_expr(*id, span))).collect();
        let mut computed = |binder: &mut Self, value: Expr| {
            let id = binder.new_column("argument", value.ty.clone(), true);
            columns.push((id, value));
            id
        };
        let args = call.args.iter().map(|arg| call.only_there(arg.clone()));
        let args: Vec<ColumnId> = args.map(|arg| computed(self, arg)).collect();
        let only_if = call.only_if.clone().map(|condition| computed(self, condition));
        let field = |binder: &Self, id: ColumnId| Field {
            name: binder.info(id).name.clone(),
            ty: binder.info(id).ty.clone(),
            nullable: true,
        };
        let output = columns.iter().map(|(id, _)| (*id, field(self, *id))).collect();
        let read: Vec<ColumnId> = own.into_iter().chain([call.column]).collect();
        let fields = read.iter().map(|id| field(self, *id)).collect();
        let name = format!("{}(…)", call.function);
        let Some(table) = self.tables.called_rows(self.calls.len(), &name, fields) else {
            let what = format!("a call of `{}` in such a place is", call.function);
            let own = read.into_iter().filter(|id| *id != call.column).collect();
            return self.not_called(plan, own, &call, &what);
        };
        self.calls.push(Made {
            table,
            call,
            rows: Relation {
                plan: Plan::Project {
                    input: Box::new(plan),
                    columns,
                },
                output,
            },
            args,
            only_if,
            before: (self.subqueries.len(), self.recursions.len()),
        });
        Plan::Scan {
            table,
            name,
            columns: read.into_iter().zip(0..).collect(),
            filters: Vec::new(),
        }
    }

    /// Rows with what is attached to them, that satisfy conditions: those which need nothing of it are looked at first.
    pub(super) fn attach_filtered(&mut self, plan: Plan, joins: Vec<Attach>, predicates: Vec<Expr>) -> Plan {
        let calls = joins.iter().any(|join| matches!(join, Attach::Call(_)));
        if !calls {
            return self.attach(plan, joins).filtered(predicates);
        }
        let known = plan.output_set();
        let (before, after): (Vec<Expr>, Vec<Expr>) = predicates.into_iter().partition(|e| e.within(&known));
        self.attach(plan.filtered(before), joins).filtered(after)
    }

    /// Binds what is only evaluated where a branch is taken.
    pub(super) fn in_branch<T>(
        &mut self,
        conditions: &[Bound<Expr>],
        otherwise: bool,
        bind: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if !self.tables.calls_for_rows() {
            return bind(self);
        }
        let conditions = conditions.iter().flatten().cloned().collect();
        self.branches.push(Branches { conditions, otherwise });
        let bound = bind(self);
        self.branches.pop();
        bound
    }

    /// The error of a function that changes something.
    pub(super) fn does_more(&mut self, name: &str, span: Span) -> Bound<Expr> {
        let message = format!("`{name}` does more than compute, which no query does");
        let help = format!(
            "call it in a statement of its own, as in `let x = {name}(…)`, or in a `then` block behind the query"
        );
        self.fail(Diagnostic::new("0A000", span, message).with_help(help))
    }
}
