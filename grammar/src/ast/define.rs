//! Statements that define objects: tables, views, indexes, schemas.
//!
//! `CREATE TABLE t (a int PRIMARY KEY, CHECK (a > 0))` is a [`CreateTable`] with one [`ColumnDef`], whose constraint is
//! its own, and one [`TableConstraint`].
//!
//! Invariants: constraints stay where they were written, at a column or at the table; their order is kept.
//!
//! Does not: hold snapshots, branches and watermarks; see [`super::timeline`].

use super::{Expr, Ident, OrderItem, Path, Query, Span, TypeName};

/// `CREATE [OR REPLACE] [TEMP] TABLE [IF NOT EXISTS] name (…) [WITH (…)] [AS query]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `TEMP`, `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Path,
    /// Columns, in order; may be empty only where there is a query.
    pub columns: Vec<ColumnDef>,
    /// Constraints of the table as a whole.
    pub constraints: Vec<TableConstraint>,
    /// `WITH (storage = 'mor', …)`: names as written, a list in parentheses as an array.
    pub options: Vec<(Ident, Expr)>,
    /// `AS query`.
    pub query: Option<Box<Query>>,
}

/// A column of CREATE TABLE or ADD COLUMN.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// Left out only where a query or an expression gives it.
    pub ty: Option<TypeName>,
    /// In the order of the text.
    pub constraints: Vec<ColumnConstraint>,
    /// Where.
    pub span: Span,
}

/// What is said of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnConstraint {
    /// `CONSTRAINT name`.
    pub name: Option<Ident>,
    /// What.
    pub kind: ColumnConstraintKind,
    /// Where.
    pub span: Span,
}

/// The kinds of column constraint.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnConstraintKind {
    /// `NOT NULL`.
    NotNull,
    /// `NULL`: the default, written out.
    Null,
    /// `DEFAULT e`.
    Default(Expr),
    /// `PRIMARY KEY`.
    PrimaryKey,
    /// `UNIQUE`.
    Unique,
    /// `CHECK (e)`.
    Check(Expr),
    /// `GENERATED ALWAYS AS (e) [STORED | VIRTUAL]`.
    Generated {
        /// Computes the value.
        expr: Expr,
        /// `STORED` (true) or `VIRTUAL` (false).
        stored: Option<bool>,
    },
    /// `REFERENCES t (c) …`.
    References(Reference),
}

/// The far side of a foreign key: `REFERENCES t [(c, …)] [ON DELETE …] [ON UPDATE …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The table referred to.
    pub table: Path,
    /// Its columns; empty means its primary key.
    pub columns: Vec<Ident>,
    /// `ON DELETE …`.
    pub on_delete: Option<ReferentialAction>,
    /// `ON UPDATE …`.
    pub on_update: Option<ReferentialAction>,
    /// Where.
    pub span: Span,
}

/// What becomes of rows that refer to a row that goes or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferentialAction {
    /// `NO ACTION`: an error, at the end of the statement.
    NoAction,
    /// `RESTRICT`: an error at once.
    Restrict,
    /// `CASCADE`.
    Cascade,
    /// `SET NULL`.
    SetNull,
    /// `SET DEFAULT`.
    SetDefault,
}

/// A constraint of a table as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct TableConstraint {
    /// `CONSTRAINT name`.
    pub name: Option<Ident>,
    /// What.
    pub kind: TableConstraintKind,
    /// Where.
    pub span: Span,
}

/// The kinds of table constraint.
#[derive(Clone, Debug, PartialEq)]
pub enum TableConstraintKind {
    /// `PRIMARY KEY (a, b)`.
    PrimaryKey(Vec<Ident>),
    /// `UNIQUE (a, b)`.
    Unique(Vec<Ident>),
    /// `CHECK (e)`.
    Check(Expr),
    /// `FOREIGN KEY (a, b) REFERENCES …`.
    ForeignKey {
        /// This table's columns.
        columns: Vec<Ident>,
        /// The far side.
        reference: Reference,
    },
}

/// `CREATE [OR REPLACE] [TEMP] [MATERIALIZED] VIEW [IF NOT EXISTS] name [(columns)] [WITH (…)] AS query`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `TEMP`, `TEMPORARY`.
    pub temporary: bool,
    /// `MATERIALIZED`.
    pub materialized: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Path,
    /// Names for the query's columns.
    pub columns: Vec<Ident>,
    /// `WITH (…)`.
    pub options: Vec<(Ident, Expr)>,
    /// Its text; the query's span is what a catalog keeps.
    pub query: Box<Query>,
}

/// `CREATE [UNIQUE] INDEX [IF NOT EXISTS] [name] ON table (column, …)`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateIndex {
    /// `UNIQUE`.
    pub unique: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name; none: one is made up.
    pub name: Option<Ident>,
    /// Of.
    pub table: Path,
    /// Keys, first one first.
    pub keys: Vec<OrderItem>,
}

/// `CREATE SCHEMA [IF NOT EXISTS] name`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSchema {
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Path,
}

/// `ALTER TABLE [IF EXISTS] name action, …`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterTable {
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Which.
    pub name: Path,
    /// At least one, in the order of the text.
    pub actions: Vec<AlterAction>,
}

/// One change of ALTER TABLE.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterAction {
    /// What.
    pub kind: AlterActionKind,
    /// Where.
    pub span: Span,
}

/// The changes that ALTER TABLE can make.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterActionKind {
    /// `ADD [COLUMN] [IF NOT EXISTS] column`.
    AddColumn {
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// The new column.
        column: Box<ColumnDef>,
    },
    /// `DROP [COLUMN] [IF EXISTS] name [CASCADE | RESTRICT]`.
    DropColumn {
        /// `IF EXISTS`.
        if_exists: bool,
        /// Which.
        name: Ident,
        /// `CASCADE` or `RESTRICT`.
        behavior: Option<DropBehavior>,
    },
    /// `RENAME [COLUMN] name TO to`.
    RenameColumn {
        /// Which.
        name: Ident,
        /// Its new name.
        to: Ident,
    },
    /// `RENAME TO to`.
    RenameTable {
        /// The table's new name.
        to: Ident,
    },
    /// `ALTER [COLUMN] name change`.
    AlterColumn {
        /// Which.
        name: Ident,
        /// What.
        change: ColumnChange,
    },
    /// `ADD [CONSTRAINT name] constraint`.
    AddConstraint(Box<TableConstraint>),
    /// `DROP CONSTRAINT [IF EXISTS] name [CASCADE | RESTRICT]`.
    DropConstraint {
        /// `IF EXISTS`.
        if_exists: bool,
        /// Which.
        name: Ident,
        /// `CASCADE` or `RESTRICT`.
        behavior: Option<DropBehavior>,
    },
}

/// What ALTER COLUMN changes.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnChange {
    /// `[SET DATA] TYPE t`.
    Type(TypeName),
    /// `SET DEFAULT e`.
    SetDefault(Box<Expr>),
    /// `DROP DEFAULT`.
    DropDefault,
    /// `SET NOT NULL`.
    SetNotNull,
    /// `DROP NOT NULL`.
    DropNotNull,
}

/// What DROP does with whatever depends on the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropBehavior {
    /// `CASCADE`: drops that too.
    Cascade,
    /// `RESTRICT`: refuses, as it does where nothing is written.
    Restrict,
}

/// `DROP kind [IF EXISTS] name, … [CASCADE | RESTRICT]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// What kind of object.
    pub kind: ObjectKind,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// At least one.
    pub names: Vec<Path>,
    /// `<type>`, of a function: the one that has this receiver.
    pub receiver: Option<TypeName>,
    /// `ON t`, of a trigger.
    pub on: Option<Path>,
    /// `CASCADE` or `RESTRICT`.
    pub behavior: Option<DropBehavior>,
}

/// The kinds of named object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// An index.
    Index,
    /// A schema.
    Schema,
    /// A named commit.
    Snapshot,
    /// A branch.
    Branch,
    /// A watermark.
    Watermark,
    /// A secret.
    Secret,
    /// A function.
    Function,
    /// A procedure.
    Procedure,
    /// A macro.
    Macro,
    /// A module.
    Module,
    /// A declared type.
    Type,
    /// A trigger.
    Trigger,
    /// A query whose rows are what is wrong with a model.
    Audit,
    /// A schedule.
    Schedule,
    /// A pipeline.
    Pipeline,
    /// A user.
    User,
    /// A role.
    Role,
}

impl ObjectKind {
    /// All kinds.
    pub const ALL: [Self; 20] = [
        Self::Table,
        Self::View,
        Self::MaterializedView,
        Self::Index,
        Self::Schema,
        Self::Snapshot,
        Self::Branch,
        Self::Watermark,
        Self::Secret,
        Self::Function,
        Self::Procedure,
        Self::Macro,
        Self::Module,
        Self::Type,
        Self::Trigger,
        Self::Audit,
        Self::Schedule,
        Self::Pipeline,
        Self::User,
        Self::Role,
    ];

    /// Its words, in capitals.
    pub fn words(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::MaterializedView => "MATERIALIZED VIEW",
            Self::Index => "INDEX",
            Self::Schema => "SCHEMA",
            Self::Snapshot => "SNAPSHOT",
            Self::Branch => "BRANCH",
            Self::Watermark => "WATERMARK",
            Self::Secret => "SECRET",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::Macro => "MACRO",
            Self::Module => "MODULE",
            Self::Type => "TYPE",
            Self::Trigger => "TRIGGER",
            Self::Audit => "AUDIT",
            Self::Schedule => "SCHEDULE",
            Self::Pipeline => "PIPELINE",
            Self::User => "USER",
            Self::Role => "ROLE",
        }
    }
}

/// `REFRESH MATERIALIZED VIEW name [FULL | INCREMENTAL]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Refresh {
    /// Which.
    pub name: Path,
    /// How; none: as the view is declared.
    pub mode: Option<RefreshMode>,
}

/// How a materialized view is brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshMode {
    /// `FULL`: computed anew.
    Full,
    /// `INCREMENTAL`: from what has changed.
    Incremental,
}
