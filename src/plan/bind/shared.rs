//! Where the values come from that a relation of FROM is found for: a small part of the rows before it, or these rows kept.
//!
//! For `t LEFT JOIN u ON …, LATERAL (SELECT … t.a …) AS b` the distinct values of `t.a` are those of a scan of `t`. Where more is needed than
//! a few operators, the rows are found once: they become the base of a recursive CTE without a step, which both sides of the join read.
//!
//! Invariants: the values of a part are all those of the rows, and maybe more.
//!
//! Does not: share rows that depend on those of an outer query; they are found again.

use std::collections::HashSet;

use gobi_grammar::ast::Span;

use super::decorrelate::{Blocked, has_calls};
use super::domain::{copied, varies};
use super::recursion::Made;
use super::{Binder, Relation};
use crate::plan::logical::{ColumnId, Expr, JoinKind, Plan, RecursionId};
use crate::types::Field;

/// So many operators are repeated rather than their rows kept.
const FEW: usize = 8;
/// So many operators are repeated in one statement at most.
const MOST: usize = 2_000;

impl Binder<'_> {
    /// The rows of a plan, and a plan with the values that some of its columns have.
    pub(super) fn rows_and_values(
        &mut self,
        rows: Plan,
        columns: &[ColumnId],
        exactly: bool,
    ) -> Result<(Plan, Plan), Blocked> {
        let again_differs = varies(&rows);
        if !again_differs {
            let wanted: HashSet<ColumnId> = columns.iter().copied().collect();
            let part = match exactly {
                true => rows.clone(),
                false => narrowed(rows.clone(), &wanted),
            };
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
        let rows = self.kept_rows(rows);
        Ok((rows.clone(), rows))
    }

    /// Whether a plan can run before all others.
    fn can_be_kept(&self, plan: &Plan) -> bool {
        fn is_open(binder: &Binder<'_>, plan: &Plan) -> bool {
            let open = |id: RecursionId| binder.recursions.get(id.0 as usize).is_none_or(Option::is_none);
            matches!(plan, Plan::Recursive { recursion, .. } if open(*recursion))
                || plan.children().into_iter().any(|child| is_open(binder, child))
        }
        !has_calls(plan) && !is_open(self, plan) && plan.free_columns().is_empty()
    }

    /// The same columns, read from rows that are found once.
    fn kept_rows(&mut self, rows: Plan) -> Plan {
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
        let name = "rows before LATERAL".to_owned();
        self.recursions.push(Some(Made {
            name: name.clone(),
            base,
            step,
            distinct: false,
            fields,
            subqueries_before: self.subqueries.len(),
            span: Span::default(),
        }));
        Plan::Recursive {
            recursion,
            name,
            columns: output.into_iter().zip(0..).collect(),
        }
    }
}

fn operators(plan: &Plan) -> usize {
    1 + plan.children().into_iter().map(operators).sum::<usize>()
}

fn add<'e>(to: &HashSet<ColumnId>, exprs: impl IntoIterator<Item = &'e Expr>) -> HashSet<ColumnId> {
    let mut all = to.clone();
    exprs.into_iter().for_each(|e| e.add_columns(&mut all));
    all
}

/// What is left of a plan where only the distinct values of some columns are asked for, or more than those.
fn narrowed(plan: Plan, wanted: &HashSet<ColumnId>) -> Plan {
    match plan {
        Plan::Filter { input, predicates } => {
            let below = add(wanted, &predicates);
            narrowed(*input, &below).filtered(predicates)
        }
        Plan::Project { input, mut columns } => {
            columns.retain(|(id, _)| wanted.contains(id));
            let below = add(&HashSet::new(), columns.iter().map(|(_, e)| e));
            let input = Box::new(narrowed(*input, &below));
            Plan::Project { input, columns }
        }
        Plan::Aggregate {
            input,
            mut keys,
            aggregates,
        } if !keys.is_empty() && !aggregates.iter().any(|(id, _)| wanted.contains(id)) => {
            keys.retain(|(id, _)| wanted.contains(id));
            let below = add(&HashSet::new(), keys.iter().map(|(_, e)| e));
            let input = Box::new(narrowed(*input, &below));
            Plan::Project { input, columns: keys }
        }
        Plan::Sort { input, .. } => narrowed(*input, wanted),
        Plan::Window { input, calls, .. } if !calls.iter().any(|(id, _)| wanted.contains(id)) => {
            narrowed(*input, wanted)
        }
        Plan::Unnest {
            input,
            element,
            position,
            ..
        } if !wanted.contains(&element) && !wanted.contains(&position) => narrowed(*input, wanted),
        Plan::Join { .. } => narrowed_join(plan, wanted),
        other => other,
    }
}

/// One side of a join is enough where the other one drops nothing of it.
fn narrowed_join(join: Plan, wanted: &HashSet<ColumnId>) -> Plan {
    match join {
        Plan::Join {
            kind: JoinKind::Left,
            left,
            ..
        } if wanted.is_subset(&left.output_set()) => narrowed(*left, wanted),
        Plan::Join {
            kind: JoinKind::Inner,
            left,
            keys,
            residual,
            ..
        } if keys.is_empty() && residual.is_empty() && wanted.is_subset(&left.output_set()) => narrowed(*left, wanted),
        Plan::Join {
            kind: JoinKind::Inner,
            right,
            keys,
            residual,
            ..
        } if keys.is_empty() && residual.is_empty() && wanted.is_subset(&right.output_set()) => {
            narrowed(*right, wanted)
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
                left: Box::new(narrowed(*left, &used)),
                right: Box::new(narrowed(*right, &used)),
                keys,
                null_equal,
                residual,
            }
        }
        other => other,
    }
}
