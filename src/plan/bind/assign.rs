//! Rows that go into columns: a query's output, converted to the types that are wanted.
//!
//! `INSERT INTO t SELECT '2026-01-31'` with a column of type date casts the text; a struct for a number is an error that names
//! the column.
//!
//! Invariants: the output has the wanted types, in order.
//!
//! Does not: check NOT NULL.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::coerce::cast;
use super::{Binder, Bound, Relation, Reported};
use crate::plan::logical::Plan;
use crate::types::Field;
use crate::types::cast::castable;

impl Binder<'_> {
    /// Converts the output of a relation.
    pub(super) fn assign(&mut self, relation: Relation, wanted: &[Field], span: Span) -> Bound<Relation> {
        if relation.output.len() != wanted.len() {
            let message = format!("{} values for {} columns", relation.output.len(), wanted.len());
            return self.fail(Diagnostic::new("42601", span, message));
        }
        let mut columns = Vec::with_capacity(wanted.len());
        let mut output = Vec::with_capacity(wanted.len());
        let mut failed = false;
        for ((id, found), field) in relation.output.iter().zip(wanted) {
            if !castable(&found.ty, &field.ty) {
                let message = format!("column `{}` is {}, not {}", field.name, field.ty, found.ty);
                self.errors.push(Diagnostic::new("42804", span, message));
                failed = true;
                continue;
            }
            let value = cast(self.column_expr(*id, span), &field.ty);
            let new = self.new_column(&field.name, field.ty.clone(), found.nullable);
            columns.push((new, value));
            output.push((
                new,
                Field {
                    nullable: found.nullable,
                    ..field.clone()
                },
            ));
        }
        if failed {
            return Err(Reported);
        }
        Ok(Relation {
            plan: Plan::Project {
                input: Box::new(relation.plan),
                columns,
            },
            output,
        })
    }
}
