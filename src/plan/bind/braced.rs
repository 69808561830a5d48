//! Names in braces: variables, and relations as values.
//!
//! In `SELECT total({orders}) WHERE {limit} > 3`, `limit` is the variable, even where there is a column of that name, and `{orders}` the array of
//! the table's rows, each a struct of its columns.
//!
//! Invariants: a variable beats a relation of its name, and a relation a column.
//!
//! Does not: read rows of variables; see [`super::collections`].

use gobi_grammar::ast::{self, Ident, Span};

use super::scope::{Scope, same};
use super::select::Block;
use super::{Binder, Bound};
use crate::plan::logical::{ColumnId, Expr};
use crate::types::Field;

impl<'a> Binder<'a> {
    /// `{x}`: the variable, whatever columns there are; else the rows of the relation, as an array of structs.
    pub(super) fn braced(&mut self, block: &mut Block<'a>, name: &'a Ident, span: Span) -> Bound<Expr> {
        if let Some(value) = self.variable(name, span) {
            return Ok(value);
        }
        if let Some(id) = self.frame_column(name) {
            let reached = |scope: &Scope| scope.columns.iter().any(|column| column.id == id);
            return match reached(&block.scope) || self.outer.iter().any(reached) {
                true => Ok(self.named_column(id, span)),
                false => self.name(block, std::slice::from_ref(name), span),
            };
        }
        let is_cte = self.ctes.iter().any(|known| same(&known.cte.name.text, &name.text));
        let is_relation = is_cte || matches!(self.tables.by_name(&[&name.text], None), Ok(Some(_)));
        match is_relation && !self.in_body {
            true => self.rows_as_array(block, name, span),
            false => self.name(block, std::slice::from_ref(name), span),
        }
    }

    /// `(SELECT coalesce(array_agg({a: rows.a, …}), []) FROM (SELECT * FROM name) AS rows)`.
    fn rows_as_array(&mut self, block: &mut Block<'a>, name: &'a Ident, span: Span) -> Bound<Expr> {
        let star = ast::SelectItem::Star {
            qualifier: None,
            exclude: Vec::new(),
            span,
        };
        let all = select(star, ast::TableRefKind::Name(vec![name.clone()]), None, span);
        let fields = self.query(self.views.push_get(Box::new(all.clone())))?.output;
        let ident = |text: &str| Ident {
            text: text.to_owned(),
            quoted: true,
            span,
        };
        let expr = |kind: ast::ExprKind| ast::Expr { kind, span };
        let rows = ident("rows");
        let field = |(_, field): (ColumnId, Field)| {
            let path = vec![rows.clone(), ident(&field.name)];
            (ident(&field.name), expr(ast::ExprKind::Name(path)))
        };
        let row = expr(ast::ExprKind::Struct(fields.into_iter().map(field).collect()));
        let list = ast::Call::of(ident("array_agg"), vec![row]);
        let list = expr(ast::ExprKind::Call(list));
        let none = expr(ast::ExprKind::Array(Vec::new()));
        let item = ast::SelectItem::Expr {
            expr: expr(ast::ExprKind::Coalesce(vec![list, none])),
            alias: None,
        };
        let query = select(item, ast::TableRefKind::Query(Box::new(all)), Some(rows.clone()), span);
        let array = self.kept(&expr(ast::ExprKind::Subquery(Box::new(query))));
        self.expr(block, array)
    }
}

fn select(item: ast::SelectItem, from: ast::TableRefKind, alias: Option<Ident>, span: Span) -> ast::Query {
    let from = ast::TableRef {
        kind: from,
        time: None,
        alias,
        columns: Vec::new(),
        span,
    };
    ast::Select::of(vec![item], vec![from], span).query()
}
