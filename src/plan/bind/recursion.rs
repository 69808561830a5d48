//! Recursive CTEs.
//!
//! In `WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5)`, everything before the last UNION is the
//! base and the rest is the step; where the step says `t`, it reads the rows of the run before.
//!
//! Invariants: base and step are plans of their own, without columns of an outer query; both give exactly the types of the
//! CTE's columns, which are those that the columns of both have in common.
//!
//! Does not: find out whether a recursion ends.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Ident, SetOp, Span};

use super::coerce::common_type;
use super::scope::same;
use super::{Binder, Bound, CteEntry, Relation};
use crate::plan::logical::{Plan, Query, Recursion, RecursionId};
use crate::types::{Field, LogicalType};

/// How often the types of the columns may have to be widened.
const MOST_WIDENINGS: usize = 3;

/// A recursive CTE whose step is being bound.
pub(super) struct Step<'a> {
    id: RecursionId,
    name: &'a Ident,
    /// It stands behind so many entries in the list of CTEs.
    pub(super) sees: usize,
    fields: Vec<Field>,
    used: bool,
}

/// A recursive CTE, bound.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) base: Relation,
    pub(super) step: Relation,
    pub(super) distinct: bool,
    pub(super) fields: Vec<Field>,
    pub(super) subqueries_before: usize,
    /// Where the step stands.
    pub(super) span: Span,
    /// The CTE whose rows it keeps, if that is all that it is for.
    pub(super) cte: Option<usize>,
}

impl Made {
    /// With its parts as whole queries.
    pub(super) fn recursion(self, whole: impl Fn(Relation) -> Query) -> Recursion {
        Recursion {
            base: whole(self.base),
            step: whole(self.step),
            distinct: self.distinct,
            fields: self.fields,
            subqueries_before: self.subqueries_before,
        }
    }
}

impl<'a> Binder<'a> {
    /// The rows that a CTE's step refers to by the CTE's name, unless a CTE inside of the step hides it.
    pub(super) fn step_rows(&mut self, name: &Ident, cte: Option<usize>) -> Option<Relation> {
        let step = self.steps.iter_mut().rfind(|step| same(&step.name.text, &name.text))?;
        if cte.is_some_and(|at| at >= step.sees) {
            return None;
        }
        step.used = true;
        let (id, name, fields) = (step.id, step.name.text.clone(), step.fields.clone());
        Some(self.recursive_rows(id, name, fields))
    }

    pub(super) fn recursive_rows(&mut self, recursion: RecursionId, name: String, fields: Vec<Field>) -> Relation {
        let made = fields.into_iter().enumerate().map(|(at, field)| {
            let id = self.new_column(&field.name, field.ty.clone(), field.nullable);
            (id, at, field)
        });
        let made: Vec<_> = made.collect();
        Relation {
            plan: Plan::Recursive {
                recursion,
                name,
                columns: made.iter().map(|(id, at, _)| (*id, *at)).collect(),
            },
            output: made.into_iter().map(|(id, _, field)| (id, field)).collect(),
        }
    }

    /// The query of a CTE that may be recursive: a UNION of the inputs.
    pub(super) fn recursion(&mut self, entry: CteEntry<'a>, all: bool, inputs: &'a [ast::Query]) -> Bound<Relation> {
        let Some((step, base)) = inputs.split_last() else {
            return self.set_operation(SetOp::Union, all, inputs);
        };
        let name = &entry.cte.name;
        let (subqueries, recursions) = (self.subqueries.len(), self.recursions.len());
        self.recursions.push(None);
        let base = match base {
            [only] => self.query(only),
            several => self.set_operation(SetOp::Union, all, several),
        };
        let mut base = base?;
        self.rename(&mut base, &entry.cte.columns, name)?;
        let inside = (self.subqueries.len(), self.recursions.len());
        for _ in 0..MOST_WIDENINGS {
            let fields = base.output.iter().map(|(_, field)| Field {
                nullable: true,
                ..field.clone()
            });
            let fields: Vec<Field> = fields.collect();
            let id = RecursionId(u32::try_from(recursions).unwrap_or(u32::MAX));
            self.steps.push(Step {
                id,
                name,
                sees: entry.sees,
                fields: fields.clone(),
                used: false,
            });
            let bound = self.query(step);
            let used = self.steps.pop().is_some_and(|step| step.used);
            let bound = bound?;
            if !used {
                self.subqueries.truncate(subqueries);
                self.recursions.truncate(recursions);
                return self.set_operation(SetOp::Union, all, inputs);
            }
            let types = self.common_types(&base, &bound, step.span)?;
            if base.output.iter().zip(&types).any(|((_, field), ty)| field.ty != *ty) {
                self.subqueries.truncate(inside.0);
                self.recursions.truncate(inside.1);
                base = self.with_types(base, &types);
                continue;
            }
            let bound = self.with_types(bound, &types);
            self.check_references(id, (&base, &bound), inside, step.span)?;
            self.recursions[recursions] = Some(Made {
                name: name.text.clone(),
                base,
                step: bound,
                distinct: !all,
                fields: fields.clone(),
                subqueries_before: self.subqueries.len(),
                span: step.span,
                cte: None,
            });
            return Ok(self.recursive_rows(id, name.text.clone(), fields));
        }
        let message = format!("the types of `{}` grow with every step", name.text);
        let error = Diagnostic::new("42804", step.span, message);
        self.fail(error.with_help("cast the columns of the last query to the types that they are to have"))
    }

    fn common_types(&mut self, base: &Relation, step: &Relation, span: Span) -> Bound<Vec<LogicalType>> {
        let (width, other) = (base.output.len(), step.output.len());
        if width != other {
            let message = format!("the queries differ in their number of columns: {width} and {other}");
            return self.fail(Diagnostic::new("42601", span, message));
        }
        let mut types = Vec::with_capacity(width);
        for ((_, field), (_, again)) in base.output.iter().zip(&step.output) {
            let Some(common) = common_type(&field.ty, &again.ty) else {
                let message = format!(
                    "column `{}` has no common type: {} and {}",
                    field.name, field.ty, again.ty
                );
                let error = Diagnostic::new("42804", span, message);
                return self.fail(error.with_help("cast one of them with `::`"));
            };
            types.push(common);
        }
        Ok(types)
    }

    /// Both parts stand alone; what runs only once, before the step, cannot refer to the rows of the run before.
    fn check_references(
        &mut self,
        id: RecursionId,
        (base, step): (&Relation, &Relation),
        inside: (usize, usize),
        span: Span,
    ) -> Bound<()> {
        let free = |relation: &Relation| !relation.plan.free_columns().is_empty();
        if free(base) || free(step) {
            return self.unsupported("a recursive CTE that refers to columns of an outer query is", span);
        }
        let scalar = self.subqueries[inside.0..].iter().map(|relation| &relation.plan);
        let nested = self.recursions[inside.1..].iter().flatten();
        let nested = nested.flat_map(|made| [&made.base.plan, &made.step.plan]);
        if scalar.chain(nested).any(|plan| refers_to(plan, id)) {
            let what = "a recursive reference in a scalar subquery or in another recursive CTE is";
            return self.unsupported(what, span);
        }
        Ok(())
    }
}

fn refers_to(plan: &Plan, id: RecursionId) -> bool {
    matches!(plan, Plan::Recursive { recursion, .. } if *recursion == id)
        || plan.children().into_iter().any(|child| refers_to(child, id))
}
