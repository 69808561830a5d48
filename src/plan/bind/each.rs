//! `FROM x IN xs`: the elements of an array under one name.
//!
//! In `FROM orders AS o, item IN o.items` there is a row for each order and each of its items. What stands behind IN is a relation, if one is called so,
//! or else a column of the relations before it, or of the query around.
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
    /// The elements of what stands behind IN.
    pub(super) fn each_or_column(&mut self, table: &'a ast::TableRef, expr: &'a ast::Expr) -> Bound<Relation> {
        let mut block = Block::new(Scope::default(), Place::Other);
        let mark = Mark::of(self, &block);
        let found = self.each(table, expr);
        if found.is_ok() || self.outer.is_empty() || matches!(expr.kind, E::Subquery(_) | E::Braced(_)) {
            return found;
        }
        let unknown = self.errors.split_off(mark.errors().min(self.errors.len()));
        mark.restore(self, &mut block);
        let elements = self.each_of_rows(table, expr);
        // A single name may as well have been meant as a relation.
        if elements.is_err() && matches!(&expr.kind, E::Name(path) if path.len() == 1) {
            mark.restore(self, &mut block);
            self.errors.extend(unknown);
        }
        elements
    }

    /// The elements of an array that hangs on the rows before it.
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

    /// `FROM x IN coll`: the column `x` holds the element.
    fn each(&mut self, table: &'a ast::TableRef, expr: &'a ast::Expr) -> Bound<Relation> {
        let mut relation = match &expr.kind {
            E::Subquery(query) => return self.query(query),
            E::Name(parts) => self.named_relation(parts, false, expr.span)?,
            E::Braced(name) => self.braced_rows(name, false, expr.span)?,
            _ => self.collection(expr)?,
        };
        let of_elements = matches!(relation.plan, Plan::Values { .. } | Plan::Unnest { .. });
        if let (Some(alias), [(_, first), ..]) = (&table.alias, relation.output.as_mut_slice())
            && of_elements
            && first.name == "value"
        {
            first.name = alias.text.clone();
        }
        Ok(relation)
    }
}
