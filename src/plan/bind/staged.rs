//! Calls for rows become stages: queries that run before the one which reads what they give.
//!
//! `SELECT name, spent(id) FROM customers` has `Called spent(id) (Scan customers)` while it is bound. That becomes a stage whose rows are
//! `id, name, id` and a scan of `id, name, spent(id)`, which whoever runs the query makes of them. A recursive CTE whose step has such calls
//! is several stages, which are done again for each step.
//!
//! Invariants: no operator for calls is left; a stage needs earlier ones only; calls for the same rows are one stage; no call is made for a row that
//! a condition drops which needs nothing of it.
//!
//! Does not: call anything.

use std::collections::{BTreeSet, HashMap};

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::decorrelate::has_calls;
use super::recursion::Made;
use super::{Binder, Bound, Relation};
use crate::plan::logical::{
    Called, ColumnId, Expr, ExprKind, Plan, Query, RecursionId, RowCall, Stage, StageKind, SubqueryId, TableId,
};
use crate::plan::rules;
use crate::types::{Field, Value};

/// A stage whose queries are not whole yet.
pub(super) struct Cut {
    table: TableId,
    rows: Relation,
    kind: StageKind,
    span: Span,
    subqueries: Vec<Relation>,
    recursions: Vec<Made>,
}

/// A stage of calls, by what it is for; columns are numbered as they come.
struct Known {
    function: Called,
    rows: Plan,
    table: TableId,
}

/// What is cut so far.
#[derive(Default)]
struct Cutting {
    cuts: Vec<Cut>,
    known: Vec<Known>,
    /// So many subqueries are done; the rest cannot be needed.
    subqueries: usize,
    /// Recursive CTEs that are done.
    recursions: BTreeSet<usize>,
}

impl Cut {
    pub(super) fn stage(self, whole: impl Fn(Relation) -> Query) -> Stage {
        let recursions = self.recursions.into_iter().map(|made| made.recursion(&whole));
        let input = Query {
            recursions: recursions.collect(),
            subqueries: self.subqueries.into_iter().map(&whole).collect(),
            ..whole(self.rows)
        };
        Stage {
            table: self.table,
            input,
            kind: self.kind,
            span: self.span,
        }
    }
}

impl Binder<'_> {
    /// Takes the calls out of all that is bound.
    pub(super) fn cut_calls(&mut self, root: &mut Relation) -> Bound<Vec<Cut>> {
        if !self.calls {
            return Ok(Vec::new());
        }
        let mut cutting = Cutting::default();
        for at in 0..=self.subqueries.len() {
            cutting.subqueries = at;
            for number in (0..self.recursions.len()).rev() {
                let is_next = |made: &Made| made.subqueries_before == at;
                if self.recursions[number].as_ref().is_some_and(is_next) {
                    self.cut_recursion(&mut cutting, number, root)?;
                    cutting.recursions.insert(number);
                }
            }
            if let Some(subquery) = self.subqueries.get_mut(at) {
                let mut plan = subquery.plan.take();
                self.cut_all(&mut cutting, &mut plan)?;
                self.subqueries[at].plan = plan;
            }
        }
        self.cut_all(&mut cutting, &mut root.plan)?;
        Ok(cutting.cuts)
    }

    fn cut_recursion(&mut self, cutting: &mut Cutting, number: usize, root: &mut Relation) -> Bound<()> {
        let Some(mut made) = self.recursions[number].take() else {
            return Ok(());
        };
        self.cut_all(cutting, &mut made.base.plan)?;
        if has_calls(&made.step.plan) {
            let (name, distinct) = (made.name.clone(), made.distinct);
            let (base, step) = (made.base.clone(), made.step.clone());
            made.base.plan = empty(&made.base);
            made.step.plan = empty(&made.step);
            self.recursions[number] = Some(made);
            return self.cut_steps(cutting, (number, &name, distinct), (base, step), root);
        }
        self.recursions[number] = Some(made);
        Ok(())
    }

    /// A recursive CTE as stages.
    fn cut_steps(
        &mut self,
        cutting: &mut Cutting,
        (number, name, distinct): (usize, &str, bool),
        (base, mut step): (Relation, Relation),
        root: &mut Relation,
    ) -> Bound<()> {
        let made = self.recursions[number].as_ref();
        let (fields, span) = made.map(|made| (made.fields.clone(), made.span)).unwrap_or_default();
        let first = cutting.cuts.len();
        let kind = StageKind::Base {
            name: name.to_owned(),
            distinct,
        };
        let work = self.add_stage(cutting, (name, fields.clone()), base, kind, span)?;
        read(&mut step.plan, number, work);
        self.cut_all(cutting, &mut step.plan)?;
        let kind = StageKind::Step {
            base: first,
            name: name.to_owned(),
        };
        let all = self.add_stage(cutting, (name, fields), step, kind, span)?;
        read(&mut root.plan, number, all);
        for subquery in &mut self.subqueries {
            read(&mut subquery.plan, number, all);
        }
        for made in self.recursions.iter_mut().flatten() {
            read(&mut made.base.plan, number, all);
            read(&mut made.step.plan, number, all);
        }
        Ok(())
    }

    /// Takes the calls out of a whole plan, after its filters have gone below them.
    fn cut_all(&mut self, cutting: &mut Cutting, plan: &mut Plan) -> Bound<()> {
        if has_calls(plan) {
            *plan = rules::push_filters(plan.take(), &self.columns);
        }
        self.cut(cutting, plan)
    }

    /// Takes the calls out of a plan.
    fn cut(&mut self, cutting: &mut Cutting, plan: &mut Plan) -> Bound<()> {
        for child in plan.children_mut() {
            self.cut(cutting, child)?;
        }
        if !matches!(plan, Plan::Called { .. }) {
            return Ok(());
        }
        if let Plan::Called { input, call } = plan.take() {
            *plan = self.cut_call(cutting, *input, *call)?;
        }
        Ok(())
    }

    fn cut_call(&mut self, cutting: &mut Cutting, input: Plan, call: RowCall) -> Bound<Plan> {
        let (span, own) = (call.span, input.output());
        let known = input.output_set();
        let mut within = input.free_columns().is_empty();
        call.for_each_expr(&mut |e| within &= e.within(&known));
        if !within {
            let message = format!("a call of {} in such a place is not supported yet", call.function);
            return self.fail(Diagnostic::new("0A000", span, message));
        }
        let mut columns: Vec<(ColumnId, Expr)> = own.iter().map(|id| (*id, self.column_expr(*id, span))).collect();
        let mut computed = |binder: &mut Self, value: Expr| {
            let id = binder.new_column("argument", value.ty.clone(), true);
            columns.push((id, value));
            id
        };
        let args: Vec<Expr> = call.args.iter().map(|arg| only_there(&call, arg.clone())).collect();
        let args: Vec<ColumnId> = args.into_iter().map(|arg| computed(self, arg)).collect();
        let only_if = call.only_if.clone().map(|condition| computed(self, condition));
        let rows = Plan::Project {
            input: Box::new(input),
            columns,
        };
        let read: Vec<ColumnId> = own.into_iter().chain([call.column]).collect();
        let (shape, name) = (shape(&rows), call.function.to_string());
        let same = |known: &&Known| known.function == call.function && known.rows == shape;
        let table = match cutting.known.iter().find(same) {
            Some(known) => known.table,
            None => {
                let output = rows.output().into_iter().map(|id| (id, self.field_of(id))).collect();
                let fields = read.iter().map(|id| self.field_of(*id)).collect();
                let kind = StageKind::Call {
                    function: call.function.clone(),
                    args,
                    only_if,
                };
                let rows = Relation { plan: rows, output };
                let table = self.add_stage(cutting, (&name, fields), rows, kind, span)?;
                cutting.known.push(Known {
                    function: call.function,
                    rows: shape,
                    table,
                });
                table
            }
        };
        Ok(Plan::Scan {
            table,
            name,
            columns: read.into_iter().zip(0..).collect(),
            filters: Vec::new(),
        })
    }

    fn field_of(&self, id: ColumnId) -> Field {
        let info = self.info(id);
        Field {
            name: info.name.clone(),
            ty: info.ty.clone(),
            nullable: true,
        }
    }

    /// Adds a stage; the relation that its rows become.
    fn add_stage(
        &mut self,
        cutting: &mut Cutting,
        (name, fields): (&str, Vec<Field>),
        rows: Relation,
        kind: StageKind,
        span: Span,
    ) -> Bound<TableId> {
        let Some(table) = self.tables.called_rows(cutting.cuts.len(), name, fields) else {
            let message = format!("{name} in such a place is not supported yet");
            return self.fail(Diagnostic::new("0A000", span, message));
        };
        let (subqueries, recursions) = self.needed_by(cutting, &rows.plan);
        cutting.cuts.push(Cut {
            table,
            rows,
            kind,
            span,
            subqueries,
            recursions,
        });
        Ok(table)
    }

    /// The subqueries and recursive CTEs of a plan; what it does not need is empty.
    fn needed_by(&self, cutting: &Cutting, plan: &Plan) -> (Vec<Relation>, Vec<Made>) {
        let mut needed = Needed::default();
        needed.add(self, plan);
        let made = |number: &usize| self.recursions.get(*number).and_then(Option::as_ref);
        let before = needed
            .recursions
            .iter()
            .filter_map(made)
            .map(|made| made.subqueries_before);
        let last = needed.subqueries.last().map_or(0, |last| last + 1);
        let count = before.fold(last, usize::max).min(cutting.subqueries);
        let subqueries = self.subqueries.iter().take(count).enumerate().map(|(at, subquery)| {
            match needed.subqueries.contains(&at) {
                true => subquery.clone(),
                false => self.nothing(subquery),
            }
        });
        let count = needed.recursions.last().map_or(0, |last| last + 1);
        let recursions = self.recursions.iter().take(count).enumerate().filter_map(|(at, made)| {
            let made = made.as_ref()?.clone();
            Some(
                match needed.recursions.contains(&at) && cutting.recursions.contains(&at) {
                    true => made,
                    false => Made {
                        base: without_rows(&made.base),
                        step: without_rows(&made.step),
                        subqueries_before: 0,
                        ..made
                    },
                },
            )
        });
        (subqueries.collect(), recursions.collect())
    }

    /// NULL in the place of a value that is not needed.
    fn nothing(&self, subquery: &Relation) -> Relation {
        let columns: Vec<ColumnId> = subquery.output.iter().map(|(id, _)| *id).collect();
        let null = |id: &ColumnId| Expr::literal(Value::Null, self.info(*id).ty.clone(), Span::default());
        Relation {
            plan: Plan::Values {
                rows: vec![columns.iter().map(null).collect()],
                columns,
            },
            output: subquery.output.clone(),
        }
    }
}

/// The subqueries and recursive CTEs that a plan mentions, and that those mention.
#[derive(Default)]
struct Needed {
    subqueries: BTreeSet<usize>,
    recursions: BTreeSet<usize>,
}

impl Needed {
    fn add(&mut self, binder: &Binder<'_>, plan: &Plan) {
        let mut values: Vec<SubqueryId> = Vec::new();
        plan.for_each_expr(&mut |e| {
            e.visit(&mut |part| {
                if let ExprKind::Subquery(id) = part.kind {
                    values.push(id);
                }
            });
        });
        for SubqueryId(id) in values {
            if self.subqueries.insert(id as usize)
                && let Some(subquery) = binder.subqueries.get(id as usize)
            {
                self.add(binder, &subquery.plan);
            }
        }
        if let Plan::Recursive { recursion, .. } = plan
            && self.recursions.insert(recursion.0 as usize)
            && let Some(Some(made)) = binder.recursions.get(recursion.0 as usize)
        {
            self.add(binder, &made.base.plan);
            self.add(binder, &made.step.plan);
        }
        for child in plan.children() {
            self.add(binder, child);
        }
    }
}

/// An argument, which is not computed where there is no call.
fn only_there(call: &RowCall, arg: Expr) -> Expr {
    let Some(condition) = call.only_if.clone() else {
        return arg;
    };
    let (ty, span) = (arg.ty.clone(), arg.span);
    let kind = ExprKind::Case {
        arms: vec![(condition, arg)],
        otherwise: Box::new(Expr::literal(Value::Null, ty.clone(), span)),
    };
    Expr { kind, ty, span }
}

/// An operator with these columns and no row.
fn empty(of: &Relation) -> Plan {
    Plan::Values {
        columns: of.output.iter().map(|(id, _)| *id).collect(),
        rows: Vec::new(),
    }
}

fn without_rows(of: &Relation) -> Relation {
    Relation {
        plan: empty(of),
        output: of.output.clone(),
    }
}

/// Rows of a recursive CTE are read from a relation.
fn read(plan: &mut Plan, number: usize, table: TableId) {
    plan.rewrite(&mut |part| {
        if let Plan::Recursive {
            recursion: RecursionId(id),
            name,
            columns,
        } = part
            && *id as usize == number
        {
            *part = Plan::Scan {
                table,
                name: std::mem::take(name),
                columns: std::mem::take(columns),
                filters: Vec::new(),
            };
        }
    });
}

/// The plan with its columns numbered as they come.
fn shape(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let mut numbers: HashMap<ColumnId, ColumnId> = HashMap::new();
    plan.for_each_column_mut(&mut |id| {
        let next = ColumnId(u32::try_from(numbers.len()).unwrap_or(u32::MAX));
        *id = *numbers.entry(*id).or_insert(next);
    });
    plan
}
