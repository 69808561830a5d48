//! Variables that are arrays or maps, as relations.
//!
//! After `let orders = [{id: 1, total: 5}]`, `FROM orders` has the columns `id` and `total`; after `let numbers = [1, 2]`, `FROM n IN numbers` has `n` and
//! `index`.
//!
//! Invariants: a relation beats a variable of its name; `{x}` is the variable, and a relation only where there is none. The body of a function that becomes a part of a query sees its own
//! names only.
//!
//! Does not: know variables; the resolver does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Span};

use super::from::field;
use super::{Binder, Bound, Relation};
use crate::plan::eval;
use crate::plan::logical::{Expr, Plan};
use crate::types::LogicalType;

impl<'a> Binder<'a> {
    /// The elements of a variable, if it has any: their fields as columns, or `value` and `index`.
    pub(super) fn variable_rows(&mut self, name: &Ident, span: Span) -> Option<Bound<Relation>> {
        let array = self.variable_entries(name, span)?;
        match array.ty.clone() {
            LogicalType::Array(item) => Some(self.elements_as_rows(array, &item)),
            _ => None,
        }
    }

    /// `FROM {x}`: the elements of the variable, whatever relations there are; else the relation.
    pub(super) fn braced_rows(&mut self, name: &'a Ident, own_time: bool, span: Span) -> Bound<Relation> {
        let Some(array) = self.variable_entries(name, span) else {
            return self.named_relation(std::slice::from_ref(name), own_time, span);
        };
        if own_time {
            let message = format!("`{}` is a variable; only tables and views have a past", name.text);
            return self.fail(Diagnostic::new("42809", span, message));
        }
        match array.ty.clone() {
            LogicalType::Array(item) => self.elements_as_rows(array, &item),
            other => {
                let message = format!(
                    "only an array is a collection, and the variable `{}` is {other}",
                    name.text
                );
                self.fail(Diagnostic::new("42809", span, message))
            }
        }
    }

    /// The value of a variable; the entries of one that is a map.
    fn variable_entries(&mut self, name: &Ident, span: Span) -> Option<Expr> {
        let value = match self.frames.is_empty() {
            true => self.variable(name, span)?,
            false => self.frame_value(name)?,
        };
        Some(eval::fold(super::entries_of(value)))
    }

    fn elements_as_rows(&mut self, array: Expr, item: &LogicalType) -> Bound<Relation> {
        let span = array.span;
        if !array.columns().is_empty() {
            return self.unsupported("unnest of a column of an outer query is", span);
        }
        let rows = match array.as_literal() {
            Some(_) => self.array_rows(&array, "value")?,
            None => {
                let element = self.new_column("value", item.clone(), true);
                let position = self.new_column("index", LogicalType::BigInt, false);
                let (input, array) = self.stored(Plan::unit(), array);
                let plan = Plan::Unnest {
                    input: Box::new(input),
                    array,
                    element,
                    position,
                };
                let output = vec![
                    (element, field("value", item.clone(), true)),
                    (position, field("index", LogicalType::BigInt, false)),
                ];
                Relation { plan, output }
            }
        };
        let (LogicalType::Struct(fields), Some((element, _))) = (item, rows.output.first()) else {
            return Ok(rows);
        };
        let element = self.column_expr(*element, span);
        let mut columns = Vec::with_capacity(fields.len());
        let mut output = Vec::with_capacity(fields.len());
        for known in fields {
            let value = self.field_named(element.clone(), &known.name, span)?;
            let id = self.new_column(&known.name, known.ty.clone(), true);
            columns.push((id, value));
            output.push((id, field(&known.name, known.ty.clone(), true)));
        }
        let plan = Plan::Project {
            input: Box::new(rows.plan),
            columns,
        };
        Ok(Relation { plan, output })
    }
}
