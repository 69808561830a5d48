//! Statements that change rows, in canonical form.
//!
//! `upsert into t key (a) values (1)` is written `UPSERT INTO t KEY (a) VALUES (1)`.
//!
//! Invariants: clauses stand in the standard order.
//!
//! Does not: break lines.

use super::Printer;
use crate::ast::{
    Assigned, Assignment, AssignmentKind, ConflictAction, Copy, CopyFrom, Delete, Expr, Ident, Insert, InsertSource,
    Merge, MergeAction, MergeClause, MergeRows, OnConflict, SelectItem, StatementKind, TableRef, TableRefKind, Target,
    Update, Upsert, With,
};

impl Printer {
    /// Whether the statement is one of these.
    pub(super) fn change(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::Insert(insert) => self.insert(insert),
            StatementKind::Upsert(upsert) => self.upsert(upsert),
            StatementKind::Update(update) => self.update(update),
            StatementKind::Delete(delete) => self.delete(delete),
            StatementKind::Merge(merge) => self.merge(merge),
            StatementKind::Copy(copy) => self.copy(copy),
            StatementKind::CopyFrom(copy) => self.copy_from(copy),
            _ => return false,
        }
        true
    }

    fn with(&mut self, with: &With) {
        self.ctes(with.recursive, &with.ctes);
    }

    fn target(&mut self, target: &Target) {
        self.path(&target.table);
        if let Some(alias) = &target.alias {
            self.word(" AS ");
            self.ident(alias);
        }
    }

    fn insert(&mut self, insert: &Insert) {
        self.with(&insert.with);
        self.word("INSERT INTO ");
        self.target(&insert.target);
        self.columns(&insert.columns);
        self.source(&insert.source);
        if let Some(conflict) = &insert.on_conflict {
            self.on_conflict(conflict);
        }
        self.returning(&insert.returning);
    }

    fn upsert(&mut self, upsert: &Upsert) {
        self.with(&upsert.with);
        self.word("UPSERT INTO ");
        self.target(&upsert.target);
        self.columns(&upsert.columns);
        if !upsert.key.is_empty() {
            self.word(" KEY");
            self.columns(&upsert.key);
        }
        self.source(&upsert.source);
        self.returning(&upsert.returning);
    }

    fn source(&mut self, source: &InsertSource) {
        match source {
            InsertSource::DefaultValues => self.word(" DEFAULT VALUES"),
            InsertSource::Values(rows) => {
                self.word(" VALUES ");
                self.list(rows, |printer, row| printer.row(row));
            }
            InsertSource::Query(query) => {
                self.word(" ");
                self.query(query);
            }
        }
    }

    fn row(&mut self, values: &[Assigned]) {
        self.word("(");
        self.list(values, Self::assigned);
        self.word(")");
    }

    fn assigned(&mut self, value: &Assigned) {
        match value {
            Assigned::Default(_) => self.word("DEFAULT"),
            Assigned::Value(expr) => self.expr(expr),
        }
    }

    fn on_conflict(&mut self, conflict: &OnConflict) {
        self.word(" ON CONFLICT");
        self.columns(&conflict.columns);
        match &conflict.action {
            ConflictAction::Nothing => self.word(" DO NOTHING"),
            ConflictAction::Update { set, filter } => {
                self.word(" DO UPDATE");
                self.set(set);
                self.clause(" WHERE ", filter.as_ref());
            }
        }
    }

    fn set(&mut self, set: &[Assignment]) {
        self.word(" SET ");
        self.list(set, |printer, assignment| match &assignment.kind {
            AssignmentKind::One { column, value } => {
                printer.path(column);
                printer.word(" = ");
                printer.assigned(value);
            }
            AssignmentKind::Row { columns, values } => {
                printer.idents(columns);
                printer.word(" = ");
                printer.row(values);
            }
            AssignmentKind::Query { columns, query } => {
                printer.idents(columns);
                printer.word(" = (");
                printer.query(query);
                printer.word(")");
            }
        });
    }

    fn returning(&mut self, items: &[SelectItem]) {
        if !items.is_empty() {
            self.word(" RETURNING ");
            self.list(items, Self::select_item);
        }
    }

    fn tables(&mut self, words: &str, tables: &[TableRef]) {
        if !tables.is_empty() {
            self.word(words);
            self.list(tables, Self::table);
        }
    }

    fn update(&mut self, update: &Update) {
        self.with(&update.with);
        self.word("UPDATE ");
        self.target(&update.target);
        self.set(&update.set);
        self.tables(" FROM ", &update.from);
        self.clause(" WHERE ", update.filter.as_ref());
        self.returning(&update.returning);
    }

    fn delete(&mut self, delete: &Delete) {
        self.with(&delete.with);
        self.word("DELETE FROM ");
        self.target(&delete.target);
        self.tables(" USING ", &delete.using);
        self.clause(" WHERE ", delete.filter.as_ref());
        self.returning(&delete.returning);
    }

    fn merge(&mut self, merge: &Merge) {
        self.with(&merge.with);
        self.word("MERGE INTO ");
        self.target(&merge.target);
        self.word(" USING ");
        let is_join = matches!(merge.source.kind, TableRefKind::Join(_)) && merge.source.alias.is_none();
        self.when_set(is_join, "(");
        self.table(&merge.source);
        self.when_set(is_join, ")");
        self.word(" ON ");
        self.expr(&merge.on);
        merge.clauses.iter().for_each(|clause| self.merge_clause(clause));
        self.returning(&merge.returning);
    }

    fn merge_clause(&mut self, clause: &MergeClause) {
        self.word(match clause.rows {
            MergeRows::Matched => " WHEN MATCHED",
            MergeRows::NotMatched => " WHEN NOT MATCHED",
            MergeRows::NotMatchedBySource => " WHEN NOT MATCHED BY SOURCE",
        });
        self.clause(" AND ", clause.filter.as_ref());
        self.word(" THEN ");
        match &clause.action {
            MergeAction::Update(set) => {
                self.word("UPDATE");
                self.set(set);
            }
            MergeAction::Delete => self.word("DELETE"),
            MergeAction::Insert { columns, values } => {
                self.word("INSERT");
                self.columns(columns);
                self.word(" VALUES ");
                self.row(values);
            }
            MergeAction::InsertDefaults => self.word("INSERT DEFAULT VALUES"),
            MergeAction::Nothing => self.word("DO NOTHING"),
        }
    }

    fn copy(&mut self, copy: &Copy) {
        self.word("COPY (");
        self.query(&copy.source);
        self.word(") TO ");
        self.string(&copy.target);
        self.copy_options(&copy.options);
    }

    fn copy_from(&mut self, copy: &CopyFrom) {
        self.word("COPY ");
        self.path(&copy.table);
        self.columns(&copy.columns);
        self.word(" FROM ");
        self.string(&copy.source);
        self.copy_options(&copy.options);
    }

    fn copy_options(&mut self, options: &[(Ident, Expr)]) {
        if !options.is_empty() {
            self.word(" (");
            self.list(options, |printer, (name, value)| {
                printer.ident(name);
                printer.word(" ");
                printer.expr(value);
            });
            self.word(")");
        }
    }
}
