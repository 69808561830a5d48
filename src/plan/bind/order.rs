//! ORDER BY, LIMIT and OFFSET.
//!
//! `ORDER BY 2 DESC, name, a + b LIMIT 10`: a position, a column of the result, an expression that becomes a hidden column.
//!
//! Invariants: names find the result's columns first, then the relations'; grizzly puts NULLs last, ansi last when
//! ascending and first when descending.
//!
//! Does not: sort by something that DISTINCT has dropped.

use gobi_grammar::ast::{self, ExprKind as K};
use gobi_grammar::{Diagnostic, Dialect};

use super::scope::{Scope, same};
use super::select::{Block, Item, OrderBy, Place};
use super::{Binder, Bound, Relation, Reported};
use crate::plan::eval;
use crate::plan::logical::Expr;
use crate::types::Value;

impl<'a> Binder<'a> {
    /// Binds the keys; expressions that are no item yet are added as hidden items.
    pub(super) fn order_items(
        &mut self,
        block: &mut Block<'a>,
        order_by: &'a ast::OrderBy,
        items: &mut Vec<Item>,
        distinct: bool,
    ) -> Bound<Vec<OrderBy>> {
        let list = match order_by {
            ast::OrderBy::None => return Ok(Vec::new()),
            ast::OrderBy::All { desc } => {
                let keys = (0..items.len()).map(|item| self.order_key(item, *desc, None));
                return Ok(keys.collect());
            }
            ast::OrderBy::Items(list) => list,
        };
        let mut keys = Vec::with_capacity(list.len());
        let mut failed = false;
        for key in list {
            match self.order_item(block, &key.expr, items, distinct) {
                Ok(Some(item)) => keys.push(self.order_key(item, key.desc, key.nulls_first)),
                Ok(None) => {}
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(keys) }
    }

    fn order_key(&self, item: usize, desc: bool, nulls_first: Option<bool>) -> OrderBy {
        let default = self.dialect == Dialect::Ansi && desc;
        OrderBy {
            item,
            desc,
            nulls_first: nulls_first.unwrap_or(default),
        }
    }

    /// The item's index; `None` for a constant, which sorts nothing.
    pub(super) fn order_item(
        &mut self,
        block: &mut Block<'a>,
        expr: &'a ast::Expr,
        items: &mut Vec<Item>,
        distinct: bool,
    ) -> Bound<Option<usize>> {
        if let K::Literal(ast::Literal::Integer(position)) = &expr.kind {
            return self.order_position(position, expr.span, items).map(Some);
        }
        if let K::Name(parts) = &expr.kind
            && let [name] = parts.as_slice()
        {
            let hits: Vec<usize> = named_items(items, &name.text);
            match hits.as_slice() {
                [] => {}
                [first, rest @ ..] if rest.iter().all(|i| items[*i].expr == items[*first].expr) => {
                    return Ok(Some(*first));
                }
                _ => {
                    let message = format!("column `{}` is ambiguous in ORDER BY", name.text);
                    let error = Diagnostic::new("42702", expr.span, message);
                    return self.fail(error.with_help("sort by its position, such as `ORDER BY 1`"));
                }
            }
        }
        let bound = self.expr(block, expr)?;
        if bound.is_constant() {
            return Ok(None);
        }
        if let Some(at) = items.iter().position(|item| item.expr == bound) {
            return Ok(Some(at));
        }
        if distinct {
            let message = "ORDER BY with DISTINCT can only use columns of the select list";
            let error = Diagnostic::new("42P10", expr.span, message);
            return self.fail(error.with_help("add the expression to the select list"));
        }
        items.push(Item {
            expr: bound,
            name: super::column_names::column_name(expr, self.dialect),
            shown: false,
        });
        Ok(Some(items.len() - 1))
    }

    fn order_position(&mut self, position: &str, span: ast::Span, items: &[Item]) -> Bound<usize> {
        let shown = items.iter().filter(|item| item.shown).count();
        match position.parse::<usize>() {
            Ok(n) if n >= 1 && n <= shown => Ok(n - 1),
            _ => {
                let message = format!("ORDER BY position {position} is not in the select list");
                self.fail(Diagnostic::new("42P10", span, message).with_help(match shown {
                    1 => "it has one column".to_string(),
                    _ => format!("it has {shown} columns"),
                }))
            }
        }
    }

    /// Orders a relation that is not a plain SELECT by its own columns.
    pub(super) fn order(&mut self, relation: Relation, order_by: &'a ast::OrderBy) -> Bound<Relation> {
        if *order_by == ast::OrderBy::None {
            return Ok(relation);
        }
        let mut scope = Scope::default();
        let columns = relation.output.iter().map(|(id, field)| (field.name.clone(), *id));
        scope.push_relation(None, columns);
        let mut block = Block::new(scope, Place::Order);
        let shown = relation.output.iter().map(|(id, field)| Item {
            expr: self.column_expr(*id, ast::Span::default()),
            name: field.name.clone(),
            shown: true,
        });
        let mut items: Vec<Item> = shown.collect();
        let order = self.order_items(&mut block, order_by, &mut items, false)?;
        let plan = self.attach(relation.plan, block.joins_above);
        if let Some((_, aggregate)) = block.aggregates.first() {
            let span = aggregate.arg.as_ref().map_or_else(ast::Span::default, |e| e.span);
            return self.fail(Diagnostic::new(
                "42803",
                span,
                "an aggregate cannot order a set operation",
            ));
        }
        Ok(self.assemble(plan, items, order, false))
    }

    /// LIMIT and OFFSET of a query.
    pub(super) fn limits(&mut self, query: &'a ast::Query) -> Bound<(Option<u64>, u64)> {
        let limit = match &query.limit {
            Some(e) => self.row_count(e, "LIMIT"),
            None => Ok(None),
        };
        let offset = match &query.offset {
            Some(e) => self.row_count(e, "OFFSET"),
            None => Ok(None),
        };
        Ok((limit?, offset?.unwrap_or(0)))
    }

    fn row_count(&mut self, e: &'a ast::Expr, clause: &str) -> Bound<Option<u64>> {
        let bound = self.constant(e, clause)?;
        match bound.as_literal() {
            Some(Value::Null) => Ok(None),
            Some(Value::Int(n)) if bound.ty.is_integer() => match u64::try_from(*n) {
                Ok(n) => Ok(Some(n)),
                Err(_) => self.fail(Diagnostic::new("2201W", e.span, format!("{clause} cannot be negative"))),
            },
            _ => self.fail(Diagnostic::new("42804", e.span, format!("{clause} needs an integer"))),
        }
    }

    /// A constant expression, computed.
    pub(super) fn constant(&mut self, e: &'a ast::Expr, place: &str) -> Bound<Expr> {
        self.constant_with(e, place, &|bound| bound)
    }

    /// The same, of what something is made of it first.
    pub(super) fn constant_with(&mut self, e: &'a ast::Expr, place: &str, with: &dyn Fn(Expr) -> Expr) -> Bound<Expr> {
        let mut block = Block::new(Scope::default(), Place::Other);
        let outer = std::mem::take(&mut self.outer);
        let bound = self.expr(&mut block, e);
        self.outer = outer;
        let bound = eval::fold(with(bound?));
        if bound.as_literal().is_some() {
            return Ok(bound);
        }
        self.fail(Diagnostic::new("42601", e.span, format!("{place} needs a constant")))
    }
}

fn named_items(items: &[Item], name: &str) -> Vec<usize> {
    let shown = items.iter().enumerate();
    let hits = shown.filter(|(_, item)| item.shown && same(&item.name, name));
    hits.map(|(i, _)| i).collect()
}
