//! Changes of data in a body that is checked for one type of each kind: what does not fit is an error, at its place.
//!
//! `update t set v = b where k = a` is looked at as `SELECT b FROM t WHERE k = a`, whose item has to fit the column `v`.
//!
//! Invariants: only errors of types are kept; what else is wrong with a change is found when all of it is bound.
//!
//! Does not: make statements.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Assigned, AssignmentKind, Ident, InsertSource, MergeAction, Span, StatementKind as K};

use super::Checker;
use crate::plan::logical::Expr;
use crate::plan::stored;
use crate::types::Field;

/// Operators and functions that take no such types, types that do not fit, and what has no parts.
const TYPE_ERRORS: [&str; 3] = ["42883", "42804", "42809"];

/// Columns that values are for, as far as that is plain to see.
type Into = Vec<Option<Field>>;

impl Checker<'_> {
    /// Errors where values do not fit, as the statement has them when it runs.
    pub(super) fn try_change(&mut self, statement: &ast::Statement) {
        match &statement.kind {
            K::Insert(insert) if insert.with.ctes.is_empty() => {
                self.try_source(&insert.target, &insert.columns, &insert.source);
            }
            K::Upsert(upsert) if upsert.with.ctes.is_empty() => {
                self.try_source(&upsert.target, &upsert.columns, &upsert.source);
            }
            K::Update(update) if update.with.ctes.is_empty() => {
                let (items, into) = self.assigned(&update.target, &update.set);
                let filter = update.filter.iter().cloned().collect();
                self.try_query(&update.target, &update.from, (items, into), filter);
            }
            K::Delete(delete) if delete.with.ctes.is_empty() => {
                let filter = delete.filter.iter().cloned().collect();
                self.try_query(&delete.target, &delete.using, Default::default(), filter);
            }
            K::Merge(merge) if merge.with.ctes.is_empty() => self.try_merge(merge),
            _ => {}
        }
    }

    fn try_merge(&mut self, merge: &ast::Merge) {
        let (mut items, mut into) = (Vec::new(), Into::new());
        let mut filter = vec![merge.on.clone()];
        for clause in &merge.clauses {
            filter.extend(clause.filter.clone());
            match &clause.action {
                MergeAction::Update(set) => {
                    let (values, columns) = self.assigned(&merge.target, set);
                    items.extend(values);
                    into.extend(columns);
                }
                MergeAction::Insert { columns, values } => {
                    let columns = self.columns_of(&merge.target, columns, values.len());
                    let columns = columns.unwrap_or_default();
                    for (at, value) in values.iter().enumerate() {
                        if let Assigned::Value(value) = value {
                            items.push(value.clone());
                            into.push(columns.get(at).cloned());
                        }
                    }
                }
                MergeAction::Delete | MergeAction::InsertDefaults | MergeAction::Nothing => {}
            }
        }
        self.try_query(
            &merge.target,
            std::slice::from_ref(&merge.source),
            (items, into),
            filter,
        );
    }

    /// What SET assigns, and to which columns.
    fn assigned(&mut self, target: &ast::Target, set: &[ast::Assignment]) -> (Vec<ast::Expr>, Into) {
        let (mut items, mut into) = (Vec::new(), Into::new());
        for assignment in set {
            let (columns, values): (Vec<&Ident>, &[Assigned]) = match &assignment.kind {
                AssignmentKind::One { column, value } => {
                    // A part of a column has another type.
                    let whole = column.first().filter(|_| column.len() == 1);
                    (whole.into_iter().collect(), std::slice::from_ref(value))
                }
                AssignmentKind::Row { columns, values } => (columns.iter().collect(), values),
                AssignmentKind::Query { .. } => continue,
            };
            for (at, value) in values.iter().enumerate() {
                let Assigned::Value(value) = value else { continue };
                let name = columns.get(at).copied().cloned();
                let field = name.and_then(|name| self.columns_of(target, &[name], 1));
                items.push(value.clone());
                into.push(field.and_then(|fields| fields.into_iter().next()));
            }
        }
        (items, into)
    }

    /// Errors of a query for what is computed from the rows of a table, and others.
    fn try_query(
        &mut self,
        target: &ast::Target,
        others: &[ast::TableRef],
        (items, into): (Vec<ast::Expr>, Into),
        filter: Vec<ast::Expr>,
    ) {
        let span = target.span;
        let table = ast::TableRef {
            kind: ast::TableRefKind::Name(target.table.clone()),
            time: None,
            alias: target.alias.clone(),
            columns: Vec::new(),
            span,
        };
        let places: Vec<Span> = items.iter().map(|item| item.span).collect();
        let one = ast::Expr {
            kind: ast::ExprKind::Literal(ast::Literal::Integer("1".to_owned())),
            span,
        };
        let items = items.into_iter().chain([one]);
        let items = items.map(|expr| ast::SelectItem::Expr { expr, alias: None });
        let from = std::iter::once(table).chain(others.iter().cloned());
        let mut select = ast::Select::of(items.collect(), from.collect(), span);
        select.filter = match filter.len() {
            0 | 1 => filter.into_iter().next(),
            _ => Some(ast::Expr {
                kind: ast::ExprKind::And(filter),
                span,
            }),
        };
        let before = self.errors.len();
        let bound = self.bound_query(&select.query());
        let errors = self.errors.split_off(before);
        self.errors
            .extend(errors.into_iter().filter(|error| TYPE_ERRORS.contains(&error.code)));
        for (at, (field, column)) in bound.into_iter().flat_map(|(fields, _)| fields).zip(into).enumerate() {
            if let Some(column) = column {
                self.try_field(field, places.get(at).copied().unwrap_or(span), &column);
            }
        }
    }

    fn try_source(&mut self, target: &ast::Target, names: &[Ident], source: &InsertSource) {
        match source {
            InsertSource::Values(rows) => {
                let Some(columns) = self.columns_of(target, names, rows.first().map_or(0, Vec::len)) else {
                    return;
                };
                for (value, column) in rows.iter().flat_map(|row| row.iter().zip(&columns)) {
                    let Assigned::Value(expr) = value else { continue };
                    if let Some(bound) = self.expr(expr, &mut Vec::new()) {
                        self.try_column(bound, column);
                    }
                }
            }
            InsertSource::Query(query) => {
                let Some((fields, _)) = self.bound_query(query) else {
                    return;
                };
                let Some(columns) = self.columns_of(target, names, fields.len()) else {
                    return;
                };
                let items: Vec<Span> = match &query.body {
                    ast::QueryBody::Select(select) => select.items.iter().filter_map(place_of).collect(),
                    _ => Vec::new(),
                };
                for (at, (field, column)) in fields.into_iter().zip(&columns).enumerate() {
                    let place = items.get(at).filter(|_| items.len() == columns.len());
                    self.try_field(field, place.copied().unwrap_or(query.span), column);
                }
            }
            _ => {}
        }
    }

    fn try_field(&mut self, field: Field, place: Span, column: &Field) {
        let id = self.temporary(field.ty, true);
        let value = self.held(id, place);
        self.try_column(value, column);
    }

    fn try_column(&mut self, value: Expr, column: &Field) {
        let (ty, span) = (value.ty.clone(), value.span);
        if stored(value, &column.ty).is_none() {
            let message = format!("column `{}` is {}, not {ty}", column.name, column.ty);
            self.error(Diagnostic::new("42804", span, message));
        }
    }
}

/// Where an item of a select list stands; `None` if it may be several columns.
fn place_of(item: &ast::SelectItem) -> Option<Span> {
    match item {
        ast::SelectItem::Expr { expr, .. } => Some(expr.span),
        _ => None,
    }
}
