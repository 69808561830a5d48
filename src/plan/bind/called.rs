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

use std::collections::HashSet;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::select::{Block, Place};
use super::subquery::Attach;
use super::{Binder, Bound, Reported};
use crate::plan::logical::{Called, ColumnId, Expr, ExprKind, Plan, RowCall};
use crate::plan::{Passed, QueryFunction, ROWS_OF, RoutineCall};
use crate::types::LogicalType;

/// A call whose value is a column of the rows that it is made for.
#[derive(Clone, Debug)]
pub(super) struct ForRows {
    call: RowCall,
    /// It is a part of a grouping key.
    groups: bool,
}

/// The branches of a CASE of which one is being bound, or operands of AND and the like before the one that is.
#[derive(Clone, Debug, Default)]
pub(super) struct Branches {
    /// The conditions so far.
    pub(super) conditions: Vec<Expr>,
    /// It is that of none of them.
    pub(super) otherwise: bool,
}

/// How much there is of what is being bound.
pub(super) struct Mark {
    errors: usize,
    subqueries: usize,
    recursions: usize,
    given: usize,
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
            attached: binder.attached,
            below: block.joins_below.len(),
            above: block.joins_above.len(),
            aggregates: block.aggregates.len(),
            windows: block.windows.len(),
        }
    }

    /// So many errors.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// Leaves no more than there was.
    pub(super) fn restore(&self, binder: &mut Binder<'_>, block: &mut Block<'_>) {
        binder.errors.truncate(self.errors);
        binder.subqueries.truncate(self.subqueries);
        binder.recursions.truncate(self.recursions);
        binder.given.truncate(self.given);
        binder.attached = self.attached;
        block.joins_below.truncate(self.below);
        block.joins_above.truncate(self.above);
        block.aggregates.truncate(self.aggregates);
        block.windows.truncate(self.windows);
    }
}

impl ForRows {
    fn is_same(&self, other: &Self) -> bool {
        let (own, other) = (&self.call, &other.call);
        own.function == other.function && own.args == other.args && own.only_if == other.only_if
    }

    /// Whether it has the same value for all rows.
    fn is_for_all_rows(&self) -> bool {
        let same = |arg: &Expr| arg.columns().is_empty() && !arg.is_volatile();
        self.call.only_if.is_none() && self.call.args.iter().all(same)
    }

    /// The column of its value.
    pub(super) fn column(&self) -> ColumnId {
        self.call.column
    }

    pub(super) fn for_each_outer(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.call.for_each_expr_mut(f);
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
        if function.gathers {
            let name = ast::Ident {
                text: format!("{}{ROWS_OF}", call.name.text),
                ..call.name.clone()
            };
            let args_of = call.args.clone();
            let call = RoutineCall {
                name: &name,
                args: args_of,
            };
            return self.called_for_rows(block, &call, args, span);
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
    pub(super) fn called_for_rows(
        &mut self,
        block: &mut Block<'a>,
        call: &RoutineCall<'_>,
        args: Vec<Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let name = &call.name.text;
        match self.tables.called_function(call) {
            Ok(callee) if callee.effects => self.does_more(name, span),
            Ok(callee) => {
                let values = self.passed_values(callee.params, &args)?;
                let function = Called::Function(name.clone());
                self.called(block, function, callee.result, values, span)
            }
            Err(error) => self.fail(error),
        }
    }

    /// The value of a call that is made for rows, of this type.
    pub(super) fn called(
        &mut self,
        block: &mut Block<'a>,
        function: Called,
        ty: LogicalType,
        values: Vec<Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let name = match &function {
            Called::Function(name) => name.clone(),
            Called::Expression { .. } => "lambda".to_owned(),
        };
        let mut call = ForRows {
            call: RowCall {
                function,
                args: values,
                only_if: self.taken(span),
                column: ColumnId(u32::MAX),
                span,
            },
            groups: block.place == Place::GroupBy,
        };
        call.for_each_outer(&mut |e| self.without_frames(e));
        let above = matches!(
            block.place,
            Place::Select | Place::Having | Place::Qualify | Place::Order
        );
        let below = block.joins_below.iter().map(|join| (join, !above));
        let known = below.chain(block.joins_above.iter().map(|join| (join, above)));
        let same = |(join, in_reach): (&Attach, bool)| match join {
            Attach::Call(made) if made.is_same(&call) && (in_reach || made.groups) => Some(made.column()),
            _ => None,
        };
        if let Some(column) = known.filter_map(same).next() {
            return Ok(Expr::column(column, ty, span));
        }
        let column = self.new_column(name, ty.clone(), true);
        call.call.column = column;
        if call.is_for_all_rows() {
            let one_row = Plan::Values {
                columns: Vec::new(),
                rows: vec![Vec::new()],
            };
            let value = self.with_call(one_row, call);
            let kind = ExprKind::Subquery(self.add_value(value, column));
            return Ok(Expr { kind, ty, span });
        }
        block.joins().push(Attach::Call(call));
        Ok(Expr::column(column, ty, span))
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

    /// The rows of a plan with the value of a call.
    pub(super) fn with_call(&mut self, plan: Plan, call: ForRows) -> Plan {
        self.calls = true;
        Plan::Called {
            input: Box::new(plan),
            call: Box::new(call.call),
        }
    }

    /// True where all branches around an expression are taken, if there are some.
    pub(super) fn taken(&self, span: Span) -> Option<Expr> {
        let some = self.branches.iter().filter(|branches| !branches.conditions.is_empty());
        let taken: Vec<Expr> = some.map(|branches| branches.taken(span)).collect();
        (!taken.is_empty()).then(|| Expr::and(taken, span))
    }

    /// Rows with what is attached to them, that satisfy conditions: those which need nothing of it are looked at first.
    pub(super) fn attach_filtered(&mut self, plan: Plan, joins: Vec<Attach>, predicates: Vec<Expr>) -> Plan {
        if !joins.iter().any(Attach::calls) {
            return self.attach(plan, joins).filtered(predicates);
        }
        let made: HashSet<ColumnId> = joins.iter().flat_map(Attach::output).collect();
        let needs_nothing = |e: &Expr| e.columns().is_disjoint(&made);
        let (before, after): (Vec<Expr>, Vec<Expr>) = predicates.into_iter().partition(needs_nothing);
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

    /// From here on arms are bound, each of which is only evaluated where none before it is taken.
    pub(super) fn begin_arms(&mut self) {
        self.branches.push(Branches {
            conditions: Vec::new(),
            otherwise: true,
        });
    }

    /// What follows is only evaluated where this arm is taken: by this condition, or, if that is not known yet, by nothing else.
    pub(super) fn begin_arm(&mut self, condition: &Expr) {
        if self.tables.calls_for_rows()
            && let Some(branches) = self.branches.last_mut()
        {
            if !branches.otherwise {
                // It says more of the same arm.
                branches.conditions.pop();
            }
            branches.conditions.push(condition.clone());
            branches.otherwise = false;
        }
    }

    /// What follows is only evaluated where no arm is taken.
    pub(super) fn end_arm(&mut self) {
        self.branches
            .last_mut()
            .into_iter()
            .for_each(|all| all.otherwise = true);
    }

    /// All arms are bound.
    pub(super) fn end_arms(&mut self) {
        self.branches.pop();
    }

    /// Binds what is evaluated one after the other, as long as nothing has decided; `decides`: what is true of one that has.
    pub(super) fn in_sequence(
        &mut self,
        items: &'a [ast::Expr],
        decides: impl Fn(Expr) -> Expr,
        mut bind: impl FnMut(&mut Self, &'a ast::Expr) -> Bound<Expr>,
    ) -> Vec<Bound<Expr>> {
        if !self.tables.calls_for_rows() {
            return items.iter().map(|item| bind(self, item)).collect();
        }
        self.branches.push(Branches {
            conditions: Vec::new(),
            otherwise: true,
        });
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            let bound = bind(self, item);
            if let (Ok(e), Some(branches)) = (&bound, self.branches.last_mut()) {
                branches.conditions.push(decides(e.clone()));
            }
            out.push(bound);
        }
        self.branches.pop();
        out
    }

    /// The error of a function that changes something.
    pub(super) fn does_more(&mut self, name: &str, span: Span) -> Bound<Expr> {
        // Behind the name of a function of a body stands where it is.
        let name = name.split('@').next().unwrap_or_default();
        let message = format!("`{name}` does more than compute, which no query does");
        let help = format!(
            "call it in a statement of its own, as in `let x = {name}(…)`, or in a `then` block behind the query"
        );
        self.fail(Diagnostic::new("0A000", span, message).with_help(help))
    }
}
