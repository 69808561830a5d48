//! `FROM x IN xs`: the elements of an array under one name.
//!
//! In `FROM orders AS o, item IN o.items` there is a row for each order and each of its items. What stands behind IN is a relation, if one is called so,
//! or else a column of the relations before it, or of the query around, or a field of a variable.
//! An element that has columns is a row, `x.a` its column `a`; another one is itself the column `x`.
//!
//! Does not: say which names are seen; they are in [`Binder::outer`] by then.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ExprKind as E};

use super::called::Mark;
use super::from::field;
use super::scope::Scope;
use super::select::{Block, Place};
use super::{Binder, Bound, Relation};
use crate::plan::eval;
use crate::plan::logical::Plan;
use crate::types::LogicalType;

impl<'a> Binder<'a> {
    /// The elements of what stands behind IN, and the name that they have as rows; none if they are a column of that name.
    pub(super) fn each_or_column(
        &mut self,
        table: &'a ast::TableRef,
        expr: &'a ast::Expr,
    ) -> Bound<(Relation, Option<String>)> {
        let mut block = Block::new(Scope::default(), Place::Other);
        let mark = Mark::of(self, &block);
        let found = self.each(table, expr);
        let is_path = matches!(&expr.kind, E::Name(path) if path.len() > 1);
        let is_plain = self.outer.is_empty() && !is_path;
        if found.is_ok() || is_plain || matches!(expr.kind, E::Subquery(_) | E::Braced(_)) {
            return found;
        }
        let unknown = self.errors.split_off(mark.errors().min(self.errors.len()));
        mark.restore(self, &mut block);
        let elements = self.each_of_rows(table, expr);
        if elements.is_err() && self.may_be_relation(expr) {
            mark.restore(self, &mut block);
            self.errors.extend(unknown);
        }
        Ok((elements?, None))
    }

    /// Whether a name that leads nowhere may as well have been meant as a relation: one without a path, or one that begins with
    /// nothing that is known.
    fn may_be_relation(&mut self, expr: &ast::Expr) -> bool {
        match &expr.kind {
            E::Name(path) => match path.as_slice() {
                [first, _, ..] => self.outer.is_empty() && !self.is_variable(first),
                _ => true,
            },
            _ => false,
        }
    }

    fn is_variable(&mut self, name: &ast::Ident) -> bool {
        !self.tables.variables_of(&name.text).is_empty() || self.variable(name, name.span).is_some()
    }

    /// The elements of an array that is a field of a variable, or hangs on the rows before it.
    fn each_of_rows(&mut self, table: &'a ast::TableRef, expr: &'a ast::Expr) -> Bound<Relation> {
        let mut block = Block::new(Scope::default(), Place::Other);
        let array = self.expr(&mut block, expr)?;
        let array = eval::fold(super::entries_of(array));
        let name = table.alias.as_ref().map_or("value", |alias| alias.text.as_str());
        if array.as_literal().is_some() {
            return self.array_rows(&array, name);
        }
        let LogicalType::Array(item) = array.ty.clone() else {
            let message = format!("only an array is a collection, not {}", array.ty);
            return self.fail(Diagnostic::new("42809", array.span, message));
        };
        let element = self.new_column(name, (*item).clone(), true);
        let position = self.new_column("index", LogicalType::BigInt, false);
        let rows = self.attach(Plan::unit(), block.joins_below);
        Ok(Relation {
            plan: self.unnested(rows, array, (element, position)),
            output: vec![
                (element, field(name, *item, true)),
                (position, field("index", LogicalType::BigInt, false)),
            ],
        })
    }

    /// `FROM x IN coll`: `x` is the row, or a column with the element where elements have no columns.
    fn each(&mut self, table: &'a ast::TableRef, expr: &'a ast::Expr) -> Bound<(Relation, Option<String>)> {
        let mut relation = match &expr.kind {
            E::Subquery(query) => self.query(query)?,
            E::Name(parts) => self.named_relation(parts, false, expr.span)?,
            E::Braced(name) => self.braced_rows(name, false, expr.span)?,
            _ => self.collection(expr)?,
        };
        let name = table.alias.as_ref().map(|alias| alias.text.clone());
        if is_of_rows(expr) {
            return Ok((relation, name));
        }
        let of_elements = matches!(relation.plan, Plan::Values { .. } | Plan::Unnest { .. });
        match (name, relation.output.as_mut_slice()) {
            (Some(name), [(_, first), (_, second)])
                if of_elements && first.name == "value" && second.name == "index" =>
            {
                first.name = name;
                Ok((relation, None))
            }
            (name, _) => Ok((relation, name)),
        }
    }
}

/// Whether what is written has columns: a query, or structs.
fn is_of_rows(expr: &ast::Expr) -> bool {
    match &expr.kind {
        E::Subquery(_) => true,
        E::Array(items) => matches!(items.first().map(|item| &item.kind), Some(E::Struct(_))),
        _ => false,
    }
}
