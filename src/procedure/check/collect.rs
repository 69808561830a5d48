//! INSERT of values: rows that are collected, and added when the body asks for something else, or ends.
//!
//! `for i in range(1000) { insert into t values (i, 'x') }` adds its rows at once; with a query of `t` in the loop they are there when it
//! is asked. In a TRY each INSERT adds its rows by itself, all of them at once.
//!
//! Invariants: what is collected has the types of the table's columns.
//!
//! Does not: deal with other forms of INSERT; they run as they are.

use gobi_grammar::ast::{self, Assigned, Ident, InsertSource, Span};

use super::super::question::QuestionKind;
use super::Checker;
use crate::plan::logical::ColumnId;
use crate::plan::routine::Statement;
use crate::plan::{Named, TableResolver, stored};
use crate::types::Field;

impl Checker<'_> {
    /// Makes an INSERT of values rows that are collected; `false` if it is none of this form, and nothing was made.
    pub(super) fn collect(&mut self, insert: &ast::Insert, span: Span, out: &mut Vec<Statement>) -> bool {
        let plain = insert.with.ctes.is_empty() && insert.on_conflict.is_none() && insert.returning.is_empty();
        let InsertSource::Values(rows) = &insert.source else {
            return false;
        };
        let width = rows.first().map_or(0, Vec::len);
        let Some(columns) = self.columns_of(&insert.target, &insert.columns, width) else {
            return false;
        };
        if !plain || rows.iter().any(|row| row.len() != columns.len()) {
            return false;
        }
        if rows.iter().flatten().any(|value| matches!(value, Assigned::Default(_))) {
            return false;
        }
        let mut made = Vec::new();
        let given: Vec<Vec<ColumnId>> = rows.iter().map(|row| self.row(row, &columns, &mut made)).collect();
        // What an earlier round of checking could not type makes as many variables as what a later one can.
        if given.iter().any(|ids| ids.len() < columns.len()) {
            return false;
        }
        let kind = QuestionKind::Rows {
            table: insert.target.table.clone(),
            columns,
            span,
        };
        self.collects = true;
        let first = given.first().map_or(&[][..], Vec::as_slice);
        let question = self.question(kind, first, Vec::new());
        out.append(&mut made);
        let count = given.len();
        out.extend(given.into_iter().enumerate().map(|(at, given)| Statement::Collect {
            question,
            given,
            more: at + 1 < count,
            span,
        }));
        // Behind a row that is refused nothing of the block is done.
        self.flush_in_try(span, out);
        true
    }

    /// Rows that were collected are added now: what is wrong with one of them goes where an error of its statement would.
    pub(super) fn flush(&mut self, span: Span, out: &mut Vec<Statement>) {
        if self.collects {
            self.flushes = true;
            let question = self.question(QuestionKind::Flush, &[], Vec::new());
            out.push(Statement::Ask {
                question,
                given: Vec::new(),
                taken: Vec::new(),
                span,
            });
        }
    }

    /// The same before what leaves a TRY.
    pub(super) fn flush_in_try(&mut self, span: Span, out: &mut Vec<Statement>) {
        if self.tries > 0 {
            self.flush(span, out);
        }
    }

    /// Variables for the values of a row; fewer if one does not fit. What is wrong with it is left to the statement itself.
    fn row(&mut self, row: &[Assigned], columns: &[Field], made: &mut Vec<Statement>) -> Vec<ColumnId> {
        let mut ids = Vec::with_capacity(row.len());
        for (value, column) in row.iter().zip(columns) {
            let id = self.temporary(column.ty.clone(), true);
            let Assigned::Value(expr) = value else { continue };
            let errors = self.errors.len();
            let bound = self.expr(expr, made);
            if let Some(value) = bound.and_then(|bound| stored(bound, &column.ty)) {
                made.push(Statement::Set(id, value));
                ids.push(id);
            }
            self.errors.truncate(errors);
        }
        ids
    }

    /// The columns that values are for; `None` if that is not plain to see.
    pub(super) fn columns_of(&mut self, target: &ast::Target, names: &[Ident], width: usize) -> Option<Vec<Field>> {
        self.as_kept(target.span, |checker| checker.columns_here(target, names, width))
    }

    fn columns_here(&mut self, target: &ast::Target, names: &[Ident], width: usize) -> Option<Vec<Field>> {
        let parts: Vec<&str> = target.table.iter().map(|part| part.text.as_str()).collect();
        let mut tables = self.relations()?;
        let Ok(Some(Named::Table(id))) = tables.written(&parts) else {
            return None;
        };
        let all = tables.info(id).shown();
        if names.is_empty() {
            return (width == all.len()).then(|| all.to_vec());
        }
        let mut columns: Vec<Field> = Vec::with_capacity(names.len());
        for name in names {
            let found = all.iter().find(|field| field.name.eq_ignore_ascii_case(&name.text))?;
            if columns.iter().any(|known| known.name == found.name) {
                return None;
            }
            columns.push(found.clone());
        }
        Some(columns)
    }
}
