//! SET: columns, several at once, fields of structs.
//!
//! `SET a = 1, (b, c) = (SELECT x, y FROM u WHERE u.k = t.k), s.f = 2` changes `a`, `b`, `c`, and one field of `s`, whose other
//! fields stay.
//!
//! Invariants: all values are those before the change; a column or field is set once.
//!
//! Does not: compute generated columns.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, AssignmentKind, Ident};

use super::super::names::suggestion;
use super::super::nested::call;
use super::super::scope::same;
use super::super::select::Block;
use super::super::{Binder, Bound, Reported};
use super::flight::target_name;
use crate::plan::change::{Change, Layout, ShapeColumn};
use crate::plan::logical::Expr;
use crate::types::{Field, LogicalType};

impl<'a> Binder<'a> {
    /// The columns with what is assigned to them.
    pub(super) fn set(
        &mut self,
        block: &mut Block<'a>,
        mut new: Vec<Expr>,
        set: &'a [ast::Assignment],
        change: &'a Change<'a>,
        layout: &mut Layout,
    ) -> Bound<Vec<Expr>> {
        let mut done: Vec<Vec<&str>> = Vec::new();
        let mut failed = false;
        for assignment in set {
            let bound = match &assignment.kind {
                AssignmentKind::One { column, value } => self.set_path(block, &mut new, column, value, change, layout),
                AssignmentKind::Row { columns, values } => {
                    let pairs = columns.iter().zip(values);
                    let bound: Vec<Bound<()>> = pairs
                        .map(|(column, value)| {
                            self.set_path(block, &mut new, std::slice::from_ref(column), value, change, layout)
                        })
                        .collect();
                    bound.into_iter().collect()
                }
                AssignmentKind::Query { columns, query } => self.set_query(block, &mut new, columns, query, change),
            };
            failed |= bound.is_err();
            failed |= self.check_once(&mut done, assignment).is_err();
        }
        if failed { Err(Reported) } else { Ok(new) }
    }

    fn check_once(&mut self, done: &mut Vec<Vec<&'a str>>, assignment: &'a ast::Assignment) -> Bound<()> {
        let paths: Vec<&'a [Ident]> = match &assignment.kind {
            AssignmentKind::One { column, .. } => vec![column.as_slice()],
            AssignmentKind::Row { columns, .. } | AssignmentKind::Query { columns, .. } => {
                columns.iter().map(std::slice::from_ref).collect()
            }
        };
        for path in paths {
            let texts: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
            let overlaps = |other: &Vec<&str>| other.iter().zip(&texts).all(|(a, b)| same(a, b));
            if done.iter().any(overlaps) {
                let message = format!("column `{}` is set twice", texts.join("."));
                let span = path.first().map_or(assignment.span, |name| name.span);
                return self.fail(Diagnostic::new("42601", span, message));
            }
            done.push(texts);
        }
        Ok(())
    }

    /// `c = e`, `c.f = e`.
    fn set_path(
        &mut self,
        block: &mut Block<'a>,
        new: &mut [Expr],
        path: &'a [Ident],
        value: &'a ast::Assigned,
        change: &'a Change<'a>,
        layout: &mut Layout,
    ) -> Bound<()> {
        let Some((first, fields)) = path.split_first() else {
            return Err(Reported);
        };
        let at = self.set_column(first, fields, change)?;
        let value = match fields {
            [] => {
                if let ast::Assigned::Value(expr) = value {
                    layout.assigned.push((expr.span, at));
                }
                self.assigned(change, block, value, at)?
            }
            _ => {
                let column = change.shape.columns.get(at).ok_or(Reported)?;
                self.check_not_generated(column, first.span)?;
                let base = new.get(at).ok_or(Reported)?.clone();
                self.with_field(block, base, fields, value)?
            }
        };
        if let Some(new) = new.get_mut(at) {
            *new = value;
        }
        Ok(())
    }

    fn set_column(&mut self, name: &Ident, fields: &[Ident], change: &Change<'_>) -> Bound<usize> {
        let mut columns = change.shape.columns.iter();
        if let Some(at) = columns.position(|column| same(&column.field.name, &name.text)) {
            return Ok(at);
        }
        let message = format!("column `{}` of `{}` does not exist", name.text, change.shape.name);
        let mut error = Diagnostic::new("42703", name.span, message);
        let names = change.shape.columns.iter().map(|column| column.field.name.clone());
        error.help = match fields.first() {
            Some(column) if same(&name.text, target_name(change.target)) => {
                Some(format!("to the left of `=` write `{}` alone", column.text))
            }
            _ => suggestion(&name.text, names),
        };
        self.fail(error)
    }

    /// A struct with another value at a path.
    fn with_field(
        &mut self,
        block: &mut Block<'a>,
        of: Expr,
        path: &'a [Ident],
        value: &'a ast::Assigned,
    ) -> Bound<Expr> {
        let Some((name, rest)) = path.split_first() else {
            let expr = match value {
                ast::Assigned::Default(span) => return Ok(Self::null(&of.ty, *span)),
                ast::Assigned::Value(expr) => expr,
            };
            let mut bound = self.expr(block, expr)?;
            bound.span = expr.span;
            let column = ShapeColumn {
                field: Field {
                    name: "field".into(),
                    ty: of.ty,
                    nullable: true,
                },
                default: None,
                generated: None,
            };
            return self.for_column(bound, &column, false);
        };
        // Fails where there is no such field.
        self.field(of.clone(), name)?;
        let LogicalType::Struct(fields) = of.ty.clone() else {
            return Err(Reported);
        };
        let mut values = Vec::with_capacity(fields.len());
        for field in &fields {
            let old = self.field_named(of.clone(), &field.name, name.span)?;
            values.push(match same(&field.name, &name.text) {
                true => self.with_field(block, old, rest, value)?,
                false => old,
            });
        }
        Ok(call("row", values, of.ty, name.span))
    }

    /// `(a, b) = (SELECT x, y …)`: for each column one value of the query's row.
    fn set_query(
        &mut self,
        block: &mut Block<'a>,
        new: &mut [Expr],
        columns: &'a [Ident],
        query: &'a ast::Query,
        change: &'a Change<'a>,
    ) -> Bound<()> {
        self.check_width(block, columns.len(), query)?;
        for (i, name) in columns.iter().enumerate() {
            let at = self.set_column(name, &[], change)?;
            let column = change.shape.columns.get(at).ok_or(Reported)?;
            self.check_not_generated(column, name.span)?;
            let one = self.views.push_get(Box::new(column_of(query, columns, i)));
            let bound = self.scalar_subquery(block, one, query.span)?;
            let value = self.for_column(bound, column, false)?;
            if let Some(new) = new.get_mut(at) {
                *new = value;
            }
        }
        Ok(())
    }

    fn check_width(&mut self, block: &Block<'a>, wanted: usize, query: &'a ast::Query) -> Bound<()> {
        let subqueries = self.subqueries.len();
        self.outer.push(block.scope.clone());
        let relation = self.query(query);
        self.outer.pop();
        // What was bound only to be counted is not computed.
        self.subqueries.truncate(subqueries);
        let width = relation?.output.len();
        if width == wanted {
            return Ok(());
        }
        let message = format!("{wanted} columns but {width} values");
        self.fail(Diagnostic::new("42601", query.span, message))
    }
}

/// `SELECT row.a FROM (query) AS row(a, b)`.
fn column_of(query: &ast::Query, columns: &[Ident], at: usize) -> ast::Query {
    let row = Ident {
        text: "row".into(),
        quoted: true,
        span: query.span,
    };
    let name = columns.get(at).cloned().unwrap_or_else(|| row.clone());
    let item = ast::SelectItem::Expr {
        expr: ast::Expr {
            kind: ast::ExprKind::Name(vec![row.clone(), name]),
            span: query.span,
        },
        alias: None,
    };
    let from = ast::TableRef {
        kind: ast::TableRefKind::Query(Box::new(query.clone())),
        time: None,
        alias: Some(row),
        columns: columns.to_vec(),
        span: query.span,
    };
    ast::Select::of(vec![item], vec![from], query.span).query()
}
