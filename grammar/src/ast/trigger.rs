//! Triggers.
//!
//! `CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE PROCEDURE p()` is a [`CreateTrigger`] with one [`TriggerEvent`].
//!
//! Invariants: the options of `upsert TRIGGER` stand as they were written, since their values are expressions.
//!
//! Does not: know tables or procedures.

use super::{Argument, Expr, Ident, Path, Query};

/// `upsert TRIGGER as t (timing: 'before', …)`.
#[derive(Clone, Debug, PartialEq)]
pub struct UpsertTrigger {
    /// Its name.
    pub name: Ident,
    /// What is said of it.
    pub options: Vec<(Ident, Expr)>,
}

/// `AUDIT name (on: 'model', …) AS query`.
#[derive(Clone, Debug, PartialEq)]
pub struct DefineAudit {
    /// Its name.
    pub name: Ident,
    /// What is said of it.
    pub options: Vec<(Ident, Expr)>,
    /// The rows that should not be there.
    pub query: Query,
}

/// `CREATE TRIGGER …`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTrigger {
    /// OR REPLACE.
    pub or_replace: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Ident,
    /// BEFORE, AFTER, INSTEAD OF.
    pub timing: TriggerTiming,
    /// INSERT OR UPDATE …
    pub events: Vec<TriggerEvent>,
    /// ON: a table or view.
    pub target: Path,
    /// REFERENCING OLD TABLE AS.
    pub old_table: Option<Ident>,
    /// REFERENCING NEW TABLE AS.
    pub new_table: Option<Ident>,
    /// FOR EACH ROW, or STATEMENT; none: not written.
    pub each_row: Option<bool>,
    /// WHEN.
    pub when: Option<Expr>,
    /// EXECUTE PROCEDURE.
    pub call: Path,
    /// What it is called with.
    pub args: Vec<Argument>,
}

/// When a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerTiming {
    /// Before the change.
    Before,
    /// After it.
    After,
    /// Instead of it.
    Instead,
}

/// What a trigger fires for.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerEvent {
    /// INSERT.
    Insert,
    /// UPDATE, perhaps only of some columns.
    Update(Vec<Ident>),
    /// DELETE.
    Delete,
    /// UPSERT.
    Upsert,
}

/// `ENABLE TRIGGER t`, `DISABLE TRIGGER t`.
#[derive(Clone, Debug, PartialEq)]
pub struct ToggleTrigger {
    /// ENABLE.
    pub enable: bool,
    /// Which.
    pub name: Ident,
}
