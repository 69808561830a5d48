//! Statements that define objects, in canonical form.
//!
//! `create temp table t (a int primary key)` is written `CREATE TEMP TABLE t (a int PRIMARY KEY)`.
//!
//! Invariants: the order of columns, constraints and options is the tree's; table constraints stand behind all columns.
//!
//! Does not: break lines.

use super::Printer;
use crate::ast::{
    AlterAction, AlterActionKind, AlterTable, ColumnChange, ColumnConstraint, ColumnConstraintKind, ColumnDef,
    CreateIndex, CreateSchema, CreateTable, CreateView, Drop, DropBehavior, Expr, Ident, ObjectKind, Path, Reference,
    ReferentialAction, Refresh, RefreshMode, StatementKind, TableConstraint, TableConstraintKind,
};

impl Printer {
    /// Whether the statement is one of these.
    pub(super) fn define(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::CreateTable(table) => self.create_table(table),
            StatementKind::CreateView(view) => self.create_view(view),
            StatementKind::CreateIndex(index) => self.create_index(index),
            StatementKind::DefineType(define) => self.define_type(define),
            StatementKind::CreateSchema(schema) => self.create_schema(schema),
            StatementKind::AlterTable(alter) => self.alter_table(alter),
            StatementKind::AlterType(alter) => self.alter_type(alter),
            StatementKind::Drop(drop) => self.drop_object(drop),
            StatementKind::Refresh(refresh) => self.refresh(refresh),
            StatementKind::Truncate(tables) => {
                self.word("TRUNCATE TABLE ");
                self.list(tables, |printer, path: &Path| printer.path(path));
            }
            _ => return false,
        }
        true
    }

    /// Words that stand there or not.
    pub(super) fn when_set(&mut self, set: bool, words: &str) {
        self.word(if set { words } else { "" });
    }

    fn create_table(&mut self, table: &CreateTable) {
        self.word("CREATE ");
        self.when_set(table.or_replace, "OR REPLACE ");
        self.when_set(table.temporary, "TEMP ");
        self.word("TABLE ");
        self.when_set(table.if_not_exists, "IF NOT EXISTS ");
        self.path(&table.name);
        if !table.columns.is_empty() || !table.constraints.is_empty() {
            self.word(" (");
            self.list(&table.columns, Self::column_def);
            self.when_set(!table.columns.is_empty() && !table.constraints.is_empty(), ", ");
            self.list(&table.constraints, Self::table_constraint);
            self.word(")");
        }
        self.options(&table.options);
        if let Some(query) = &table.query {
            self.word(" AS ");
            self.query(query);
        }
    }

    /// `WITH (a = 1, …)`.
    fn options(&mut self, options: &[(Ident, Expr)]) {
        if options.is_empty() {
            return;
        }
        self.word(" WITH (");
        self.list(options, |printer, (name, value)| {
            printer.ident(name);
            printer.word(" = ");
            printer.expr(value);
        });
        self.word(")");
    }

    fn column_def(&mut self, column: &ColumnDef) {
        self.ident(&column.name);
        if let Some(ty) = &column.ty {
            self.word(" ");
            self.type_name(ty);
        }
        for constraint in &column.constraints {
            self.word(" ");
            self.column_constraint(constraint);
        }
    }

    fn constraint_name(&mut self, name: Option<&Ident>) {
        if let Some(name) = name {
            self.word("CONSTRAINT ");
            self.ident(name);
            self.word(" ");
        }
    }

    fn column_constraint(&mut self, constraint: &ColumnConstraint) {
        self.constraint_name(constraint.name.as_ref());
        match &constraint.kind {
            ColumnConstraintKind::NotNull => self.word("NOT NULL"),
            ColumnConstraintKind::Null => self.word("NULL"),
            ColumnConstraintKind::Default(expr) => {
                self.word("DEFAULT ");
                self.expr(expr);
            }
            ColumnConstraintKind::PrimaryKey => self.word("PRIMARY KEY"),
            ColumnConstraintKind::Unique => self.word("UNIQUE"),
            ColumnConstraintKind::Check(expr) => self.check(expr),
            ColumnConstraintKind::Generated { expr, stored } => {
                self.word("GENERATED ALWAYS AS (");
                self.expr(expr);
                self.word(match stored {
                    None => ")",
                    Some(true) => ") STORED",
                    Some(false) => ") VIRTUAL",
                });
            }
            ColumnConstraintKind::References(reference) => self.reference(reference),
        }
    }

    fn check(&mut self, expr: &Expr) {
        self.word("CHECK (");
        self.expr(expr);
        self.word(")");
    }

    fn reference(&mut self, reference: &Reference) {
        self.word("REFERENCES ");
        self.path(&reference.table);
        if !reference.columns.is_empty() {
            self.word(" ");
            self.idents(&reference.columns);
        }
        for (words, action) in [
            (" ON DELETE ", reference.on_delete),
            (" ON UPDATE ", reference.on_update),
        ] {
            let Some(action) = action else { continue };
            self.word(words);
            self.word(match action {
                ReferentialAction::NoAction => "NO ACTION",
                ReferentialAction::Restrict => "RESTRICT",
                ReferentialAction::Cascade => "CASCADE",
                ReferentialAction::SetNull => "SET NULL",
                ReferentialAction::SetDefault => "SET DEFAULT",
            });
        }
    }

    fn table_constraint(&mut self, constraint: &TableConstraint) {
        self.constraint_name(constraint.name.as_ref());
        match &constraint.kind {
            TableConstraintKind::PrimaryKey(columns) => {
                self.word("PRIMARY KEY ");
                self.idents(columns);
            }
            TableConstraintKind::Unique(columns) => {
                self.word("UNIQUE ");
                self.idents(columns);
            }
            TableConstraintKind::Check(expr) => self.check(expr),
            TableConstraintKind::ForeignKey { columns, reference } => {
                self.word("FOREIGN KEY ");
                self.idents(columns);
                self.word(" ");
                self.reference(reference);
            }
        }
    }

    fn create_view(&mut self, view: &CreateView) {
        self.word("CREATE ");
        self.when_set(view.or_replace, "OR REPLACE ");
        self.when_set(view.temporary, "TEMP ");
        self.when_set(view.materialized, "MATERIALIZED ");
        self.word("VIEW ");
        self.when_set(view.if_not_exists, "IF NOT EXISTS ");
        self.path(&view.name);
        self.columns(&view.columns);
        self.options(&view.options);
        self.word(" AS ");
        self.query(&view.query);
    }

    /// ` (a, b)`, or nothing.
    pub(super) fn columns(&mut self, columns: &[Ident]) {
        if !columns.is_empty() {
            self.word(" ");
            self.idents(columns);
        }
    }

    fn create_index(&mut self, index: &CreateIndex) {
        self.word("CREATE ");
        self.when_set(index.unique, "UNIQUE ");
        self.word("INDEX ");
        self.when_set(index.if_not_exists, "IF NOT EXISTS ");
        if let Some(name) = &index.name {
            self.ident(name);
            self.word(" ");
        }
        self.word("ON ");
        self.path(&index.table);
        self.word(" (");
        self.list(&index.keys, Self::order_item);
        self.word(")");
    }

    fn create_schema(&mut self, schema: &CreateSchema) {
        self.word("CREATE SCHEMA ");
        self.when_set(schema.if_not_exists, "IF NOT EXISTS ");
        self.path(&schema.name);
    }

    fn drop_object(&mut self, drop: &Drop) {
        self.word("DROP ");
        self.word(drop.kind.words());
        self.word(" ");
        self.when_set(drop.if_exists, "IF EXISTS ");
        let labelled = matches!(
            drop.kind,
            ObjectKind::Snapshot | ObjectKind::Branch | ObjectKind::Watermark
        );
        self.list(&drop.names, |printer, path: &Path| match path.as_slice() {
            [name] if labelled => printer.label(name),
            _ => printer.path(path),
        });
        if let Some(receiver) = &drop.receiver {
            self.word(" <");
            self.type_name(receiver);
            self.word(">");
        }
        if let Some(table) = &drop.on {
            self.word(" ON ");
            self.path(table);
        }
        self.behavior(drop.behavior);
    }

    pub(super) fn behavior(&mut self, behavior: Option<DropBehavior>) {
        self.word(match behavior {
            None => "",
            Some(DropBehavior::Cascade) => " CASCADE",
            Some(DropBehavior::Restrict) => " RESTRICT",
        });
    }

    fn alter_table(&mut self, alter: &AlterTable) {
        self.word("ALTER TABLE ");
        self.when_set(alter.if_exists, "IF EXISTS ");
        self.path(&alter.name);
        self.word(" ");
        self.list(&alter.actions, Self::alter_action);
    }

    fn alter_action(&mut self, action: &AlterAction) {
        match &action.kind {
            AlterActionKind::AddColumn { if_not_exists, column } => {
                self.word("ADD COLUMN ");
                self.when_set(*if_not_exists, "IF NOT EXISTS ");
                self.column_def(column);
            }
            AlterActionKind::DropColumn {
                if_exists,
                name,
                behavior,
            } => {
                self.word("DROP COLUMN ");
                self.when_set(*if_exists, "IF EXISTS ");
                self.ident(name);
                self.behavior(*behavior);
            }
            AlterActionKind::RenameColumn { name, to } => {
                self.word("RENAME COLUMN ");
                self.ident(name);
                self.word(" TO ");
                self.ident(to);
            }
            AlterActionKind::RenameTable { to } => {
                self.word("RENAME TO ");
                self.ident(to);
            }
            AlterActionKind::AlterColumn { name, change } => {
                self.word("ALTER COLUMN ");
                self.ident(name);
                self.column_change(change);
            }
            AlterActionKind::AddConstraint(constraint) => {
                self.word("ADD ");
                self.table_constraint(constraint);
            }
            AlterActionKind::DropConstraint {
                if_exists,
                name,
                behavior,
            } => {
                self.word("DROP CONSTRAINT ");
                self.when_set(*if_exists, "IF EXISTS ");
                self.ident(name);
                self.behavior(*behavior);
            }
        }
    }

    fn column_change(&mut self, change: &ColumnChange) {
        match change {
            ColumnChange::Type(ty) => {
                self.word(" TYPE ");
                self.type_name(ty);
            }
            ColumnChange::SetDefault(expr) => {
                self.word(" SET DEFAULT ");
                self.expr(expr);
            }
            ColumnChange::DropDefault => self.word(" DROP DEFAULT"),
            ColumnChange::SetNotNull => self.word(" SET NOT NULL"),
            ColumnChange::DropNotNull => self.word(" DROP NOT NULL"),
        }
    }

    fn refresh(&mut self, refresh: &Refresh) {
        self.word("REFRESH MATERIALIZED VIEW ");
        self.path(&refresh.name);
        self.word(match refresh.mode {
            None => "",
            Some(RefreshMode::Full) => " FULL",
            Some(RefreshMode::Incremental) => " INCREMENTAL",
        });
    }
}
