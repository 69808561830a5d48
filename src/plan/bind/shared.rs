//! Rows that are found once and read in several places: those before a relation of FROM that uses their values, and those of CTEs.
//!
//! For `t LEFT JOIN u ON …, LATERAL (SELECT … t.a …) AS b` the distinct values of `t.a` are those of a scan of `t`. Where more is needed than
//! a few operators, the rows are found once: they become the base of a recursive CTE without a step, which both sides of the join read.
//! So do those of `WITH q AS MATERIALIZED (…)`, and of a CTE whose rows are others each time, such as `(SELECT random() AS r FROM t)`.
//!
//! Invariants: the values of a part are all those of the rows, and maybe more; all references to a CTE see the same rows.
//!
//! Does not: share rows that depend on those of an outer query; they are found again.

use std::collections::HashSet;

use gobi_grammar::ast::Span;

use super::decorrelate::{Blocked, has_calls};
use super::domain::{copied, varies};
use super::recursion::Made;
use super::{Binder, Relation};
use crate::plan::logical::{ColumnId, Expr, ExprKind, JoinKind, Plan, RecursionId, SubqueryId};
use crate::types::Field;

/// So many operators are repeated rather than their rows kept.
const FEW: usize = 8;
/// So many operators are repeated in one statement at most.
const MOST: usize = 2_000;

impl Binder<'_> {
    /// The rows of a plan, and a plan with the values that some of its columns have: `exactly` these, or maybe more.
    pub(super) fn rows_and_values(
        &mut self,
        rows: Plan,
        wanted: &HashSet<ColumnId>,
        exactly: bool,
    ) -> Result<(Plan, Plan), Blocked> {
        let again_differs = varies(&rows);
        if !again_differs {
            let part = narrowed(rows.clone(), wanted, exactly);
            if operators(&part) <= FEW || !self.can_be_kept(&rows) {
                self.repeated += operators(&part);
                return match self.repeated > MOST {
                    true => Err(Blocked("so many rows of outer queries in it")),
                    false => Ok((rows, part)),
                };
            }
        } else if !self.can_be_kept(&rows) {
            return Err(Blocked("rows before it that change from time to time"));
        }
        let rows = self.kept_rows(rows, "rows before a subquery", None);
        Ok((rows.clone(), rows))
    }

    /// The rows of a CTE that are kept, for one more reference to it.
    pub(super) fn rows_of_cte(&mut self, cte: usize) -> Option<Relation> {
        let is_of = |made: &Option<Made>| made.as_ref().is_some_and(|made| made.cte == Some(cte));
        let at = self.recursions.iter().position(is_of)?;
        let made = self.recursions.get(at)?.as_ref()?;
        let (name, fields) = (made.name.clone(), made.fields.clone());
        let recursion = RecursionId(u32::try_from(at).unwrap_or(u32::MAX));
        Some(self.recursive_rows(recursion, name, fields))
    }

    /// A CTE whose rows are found once.
    pub(super) fn kept_cte(&mut self, relation: Relation, name: &str, cte: usize) -> Relation {
        let columns = relation.output.iter().map(|(id, field)| {
            let own = self.new_column(&field.name, field.ty.clone(), field.nullable);
            (own, self.column_expr(*id, Span::default()))
        });
        let columns: Vec<(ColumnId, Expr)> = columns.collect();
        let own: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        let rows = Plan::Project {
            input: Box::new(relation.plan),
            columns,
        };
        let fields = relation.output.into_iter().map(|(_, field)| field);
        Relation {
            plan: self.kept_rows(rows, name, Some(cte)),
            output: own.into_iter().zip(fields).collect(),
        }
    }

    /// Whether a plan may have other rows each time, be it for those of a recursive CTE or subquery that it reads.
    pub(super) fn varies(&self, plan: &Plan) -> bool {
        let (mut next, mut seen) = (vec![plan], HashSet::new());
        while let Some(plan) = next.pop() {
            if varies(plan) {
                return true;
            }
            each_read(plan, &mut |read| {
                if !seen.insert(read) {
                    return;
                }
                match read {
                    Read::Recursion(id) => {
                        let made = self.recursions.get(id.0 as usize).and_then(Option::as_ref);
                        next.extend(made.into_iter().flat_map(|made| [&made.base.plan, &made.step.plan]));
                    }
                    Read::Subquery(id) => {
                        let asked = self.subqueries.get(id.0 as usize);
                        next.extend(asked.map(|relation| &relation.plan));
                    }
                }
            });
        }
        false
    }

    /// Whether a plan can run before all others.
    pub(super) fn can_be_kept(&self, plan: &Plan) -> bool {
        fn is_open(binder: &Binder<'_>, plan: &Plan) -> bool {
            let open = |id: RecursionId| binder.recursions.get(id.0 as usize).is_none_or(Option::is_none);
            matches!(plan, Plan::Recursive { recursion, .. } if open(*recursion))
                || plan.children().into_iter().any(|child| is_open(binder, child))
        }
        !has_calls(plan) && !is_open(self, plan) && plan.free_columns().is_empty()
    }

    /// The same columns, read from rows that are found once.
    fn kept_rows(&mut self, rows: Plan, name: &str, cte: Option<usize>) -> Plan {
        let output = rows.output();
        let (base, copies) = copied(self, &rows);
        let field = |id: &ColumnId| {
            let info = self.info(*id);
            Field {
                name: info.name.clone(),
                ty: info.ty.clone(),
                nullable: true,
            }
        };
        let fields: Vec<Field> = output.iter().map(field).collect();
        let own = output.iter().map(|id| copies.get(id).copied().unwrap_or(*id));
        let base = Relation {
            plan: base,
            output: own.zip(fields.iter().cloned()).collect(),
        };
        let step = Relation {
            plan: Plan::Values {
                columns: base.output.iter().map(|(id, _)| *id).collect(),
                rows: Vec::new(),
            },
            output: base.output.clone(),
        };
        let recursion = RecursionId(u32::try_from(self.recursions.len()).unwrap_or(u32::MAX));
        let name = name.to_owned();
        self.recursions.push(Some(Made {
            name: name.clone(),
            base,
            step,
            distinct: false,
            fields,
            subqueries_before: self.subqueries.len(),
            span: Span::default(),
            cte,
        }));
        Plan::Recursive {
            recursion,
            name,
            columns: output.into_iter().zip(0..).collect(),
        }
    }
}

/// What a plan reads that runs before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Read {
    Recursion(RecursionId),
    Subquery(SubqueryId),
}

fn each_read(plan: &Plan, f: &mut dyn FnMut(Read)) {
    if let Plan::Recursive { recursion, .. } = plan {
        f(Read::Recursion(*recursion));
    }
    plan.for_each_expr(&mut |expr| {
        expr.visit(&mut |part| {
            if let ExprKind::Subquery(id) = part.kind {
                f(Read::Subquery(id));
            }
        });
    });
    plan.children().into_iter().for_each(|child| each_read(child, f));
}

fn operators(plan: &Plan) -> usize {
    1 + plan.children().into_iter().map(operators).sum::<usize>()
}

fn add<'e>(to: &HashSet<ColumnId>, exprs: impl IntoIterator<Item = &'e Expr>) -> HashSet<ColumnId> {
    let mut all = to.clone();
    exprs.into_iter().for_each(|e| e.add_columns(&mut all));
    all
}

/// What is left of a plan where only the distinct values of some columns are asked for: `exactly` these, or maybe more.
fn narrowed(plan: Plan, wanted: &HashSet<ColumnId>, exactly: bool) -> Plan {
    match plan {
        Plan::Filter { input, predicates } => {
            let below = add(wanted, &predicates);
            narrowed(*input, &below, exactly).filtered(predicates)
        }
        Plan::Project { input, mut columns } => {
            columns.retain(|(id, _)| wanted.contains(id));
            let below = add(&HashSet::new(), columns.iter().map(|(_, e)| e));
            let input = Box::new(narrowed(*input, &below, exactly));
            Plan::Project { input, columns }
        }
        Plan::Aggregate {
            input,
            mut keys,
            aggregates,
        } if !keys.is_empty() && !aggregates.iter().any(|(id, _)| wanted.contains(id)) => {
            keys.retain(|(id, _)| wanted.contains(id));
            let below = add(&HashSet::new(), keys.iter().map(|(_, e)| e));
            let input = Box::new(narrowed(*input, &below, exactly));
            Plan::Project { input, columns: keys }
        }
        Plan::Sort { input, .. } => narrowed(*input, wanted, exactly),
        Plan::Window { input, calls, .. } if !calls.iter().any(|(id, _)| wanted.contains(id)) => {
            narrowed(*input, wanted, exactly)
        }
        Plan::Unnest {
            input,
            element,
            position,
            ..
        } if !exactly && !wanted.contains(&element) && !wanted.contains(&position) => narrowed(*input, wanted, exactly),
        Plan::Join { .. } => narrowed_join(plan, wanted, exactly),
        other => other,
    }
}

/// One side of a join is enough where the other one drops nothing of it.
fn narrowed_join(join: Plan, wanted: &HashSet<ColumnId>, exactly: bool) -> Plan {
    match join {
        Plan::Join {
            kind: JoinKind::Left,
            left,
            ..
        } if wanted.is_subset(&left.output_set()) => narrowed(*left, wanted, exactly),
        Plan::Join {
            kind: JoinKind::Inner,
            left,
            keys,
            residual,
            ..
        } if !exactly && keys.is_empty() && residual.is_empty() && wanted.is_subset(&left.output_set()) => {
            narrowed(*left, wanted, exactly)
        }
        Plan::Join {
            kind: JoinKind::Inner,
            right,
            keys,
            residual,
            ..
        } if !exactly && keys.is_empty() && residual.is_empty() && wanted.is_subset(&right.output_set()) => {
            narrowed(*right, wanted, exactly)
        }
        Plan::Join {
            kind: kind @ (JoinKind::Inner | JoinKind::Left),
            left,
            right,
            keys,
            null_equal,
            residual,
        } => {
            let used = add(wanted, keys.iter().flat_map(|(l, r)| [l, r]).chain(&residual));
            Plan::Join {
                kind,
                left: Box::new(narrowed(*left, &used, exactly)),
                right: Box::new(narrowed(*right, &used, exactly)),
                keys,
                null_equal,
                residual,
            }
        }
        other => other,
    }
}
