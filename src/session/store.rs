//! A session's database: the snapshot that a statement reads, and the transaction that it writes in.
//!
//! `BEGIN; INSERT INTO t VALUES (1); SELECT count(*) FROM t; COMMIT` reads its own row before anybody else does; without
//! BEGIN every statement is a transaction of its own.
//!
//! Invariants: a statement that fails leaves nothing; a transaction reads one commit and its own changes; the database is
//! opened when a statement first needs it, and made at the first write.
//!
//! Does not: know what statements mean.

use std::path::Path;
use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Ident, Span};

use super::folder::DatabaseFolder;
use super::isolation::Isolation;
use super::locking::{Locked, Locking, commit_error};
use super::routines::Jobs;
use super::transaction::{Message, Transaction, about, commit, commit_ahead};
use super::triggers::Statistics;
use super::{Error, Interrupt};
use crate::catalog::{Catalog, EntityId, TableDef};
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::locks::{Holder, Lane, LockLine};
use crate::store::table::{Changes, Reads, Snapshot, TableSnapshot};

/// The branch that sessions begin on.
pub const MAIN: &str = "main";

/// A session's part of it.
#[derive(Debug)]
pub struct Store {
    pub(super) folder: Arc<DatabaseFolder>,
    pub(super) name: Arc<str>,
    pub(super) branch: Arc<str>,
    pub(super) transaction: Option<Transaction>,
    /// The place in the lock table of a statement that is a transaction of its own.
    pub(super) alone: Option<Holder>,
    /// The statement adds rows that others may have a claim on, so that it needs a place in the lock table.
    pub(super) is_crowded: bool,
    pub(super) running: StatementLocks,
    /// New entities get numbers that are at least this.
    pub(super) least_entity: u64,
}

/// What the statement that runs is to locks.
#[derive(Clone, Debug)]
pub struct StatementLocks {
    /// Its text.
    pub text: Arc<str>,
    /// The isolation level of a transaction that it begins, or is.
    pub isolation: Isolation,
    /// At most so long; 0 is as long as it takes.
    pub timeout_ms: u64,
    /// What stops it.
    pub interrupt: Interrupt,
    /// Whether it changes anything: others neither hold nor wait.
    pub changes: bool,
    /// Whether it takes a key that is there for a row to be changed.
    pub upserts: bool,
    /// The table that it adds rows to, if it looks at no row.
    pub adds_to: Option<ast::Path>,
    /// Whether tables are compacted behind its commit.
    pub compacts: bool,
    /// Memory that it may take.
    pub memory_bytes: usize,
    /// With whom it takes turns.
    pub lane: Option<Lane>,
}

/// What a statement reads.
#[derive(Clone, Debug)]
pub struct View {
    /// What the session calls the database.
    pub name: Arc<str>,
    /// The database.
    pub database: Arc<Database>,
    /// The commit.
    pub base: Snapshot,
    /// What the transaction has changed.
    pub changes: Changes,
}

/// Whether a statement is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is.
    Finished,
    /// It must run again, on what is committed now.
    Again,
}

impl Store {
    /// A session without a transaction.
    pub fn new(folder: Arc<DatabaseFolder>) -> Self {
        let name = Arc::clone(&folder.name);
        Self::named(folder, &name)
    }

    /// The same, under a name of its own.
    pub fn named(folder: Arc<DatabaseFolder>, name: &str) -> Self {
        Self {
            folder,
            name: name.into(),
            branch: MAIN.into(),
            transaction: None,
            alone: None,
            is_crowded: false,
            running: StatementLocks {
                text: "".into(),
                isolation: Isolation::Snapshot,
                timeout_ms: 0,
                interrupt: Interrupt::default(),
                changes: false,
                upserts: false,
                adds_to: None,
                compacts: false,
                memory_bytes: usize::MAX,
                lane: None,
            },
            least_entity: 0,
        }
    }

    /// The same database and branch for another session.
    pub fn another(&self) -> Self {
        let mut other = Self::named(self.folder.clone(), &self.name);
        other.branch = self.branch.clone();
        other
    }

    /// A statement begins.
    pub fn runs(&mut self, statement: StatementLocks) {
        self.alone = None;
        self.is_crowded = false;
        self.least_entity = 0;
        if let Some(transaction) = self.transaction.as_ref().filter(|_| statement.changes) {
            transaction.holder.runs(&statement.text);
        }
        self.running = statement;
    }

    /// What the next statement reads; `None` if nothing was ever written.
    pub fn view(&mut self, span: Span) -> Result<Option<View>, Error> {
        if let Some(transaction) = &mut self.transaction {
            return transaction.view(&self.folder, &self.name, &self.branch, span).map(Some);
        }
        let failed = |error: StoreError| store_error(&error, span);
        let Some(database) = self.folder.database(false).map_err(failed)? else {
            return Ok(None);
        };
        let base = database.head(&self.branch).map_err(failed)?;
        self.view_of(database, base, span).map(Some)
    }

    /// What a statement reads that only adds rows, and looks at none: some that were added a moment ago may be missing. Unless others are
    /// at work on the same table, it needs no place in the lock table.
    fn view_for_rows(&mut self, span: Span) -> Result<Option<View>, Error> {
        let is_alone = self.transaction.is_none() && self.running.isolation != Isolation::Serializable;
        let Some(path) = self.running.adds_to.as_ref().filter(|_| is_alone) else {
            return Ok(None);
        };
        let failed = |error: StoreError| store_error(&error, span);
        let Some(database) = self.folder.database(true).map_err(failed)? else {
            return Ok(None);
        };
        let Some(base) = database.base_for_rows(&self.branch).map_err(failed)? else {
            return Ok(None);
        };
        let view = self.view_of(database, base, span)?;
        let Some(table) = view.takes_rows_alone(path) else {
            return Ok(None);
        };
        self.is_crowded |= view.database.locks().are_busy_with(&self.branch, table);
        Ok(Some(view))
    }

    fn view_of(&self, database: Arc<Database>, base: Snapshot, span: Span) -> Result<View, Error> {
        if base.commit_id().is_none() && *self.branch != *MAIN {
            let message = format!("the branch `{}` was dropped", self.branch);
            let help = "`USE BRANCH main` goes back";
            return Err(Error::new(Diagnostic::new("42704", span, message).with_help(help)));
        }
        let changes = Changes::new(&base);
        Ok(View {
            name: Arc::clone(&self.name),
            database,
            base,
            changes,
        })
    }

    /// The database for upkeep, which changes no row; `None` if there is none.
    pub fn maintaining(&mut self, span: Span) -> Result<Option<View>, Error> {
        if self.folder.is_packed {
            return Err(user("25006", span, "a packed database is read only"));
        }
        let failed = |error: StoreError| store_error(&error, span);
        if self.folder.database(false).map_err(failed)?.is_none() {
            return Ok(None);
        }
        self.folder.database(true).map_err(failed)?;
        self.view(span)
    }

    /// What a writing statement starts from.
    pub fn writing(&mut self, span: Span) -> Result<View, Error> {
        if self.folder.is_packed {
            return Err(user("25006", span, "a packed database is read only"));
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.writes(&self.folder, span)?;
        }
        let for_rows = match self.is_crowded {
            false => self.view_for_rows(span)?.filter(|_| !self.is_crowded),
            true => None,
        };
        let mut view = match for_rows {
            Some(view) => view,
            None => self.view_with_locks(span)?,
        };
        view.changes.catalog.reserve(self.least_entity);
        view.changes.limit_memory(self.running.memory_bytes);
        if self.transaction.is_none() && self.running.isolation == Isolation::Serializable {
            view.changes.reads = Some(Reads::default());
        }
        Ok(view)
    }

    /// What a statement starts from that has a place in the lock table.
    fn view_with_locks(&mut self, span: Span) -> Result<View, Error> {
        let failed = |error: StoreError| store_error(&error, span);
        if self.transaction.is_none()
            && let Some(database) = self.folder.database(true).map_err(failed)?
        {
            self.starts_in(&database);
        }
        let view = match self.view_for_rows(span)? {
            Some(view) => Some(view),
            None => self.view(span)?,
        };
        let view = view.ok_or_else(|| user("XX000", span, "the database was not made"))?;
        if let Some(holder) = &self.alone {
            holder.reads(view.database.height(&view.base).map_err(failed)?);
        }
        Ok(view)
    }

    /// A statement takes its place in the lock table, before its snapshot: so whoever is committed in between is known.
    pub(super) fn starts_in(&mut self, database: &Database) {
        let text = &self.running.text;
        let holder = self
            .alone
            .get_or_insert_with(|| database.locks().begin(&self.branch, text));
        if let Some(lane) = self.running.lane {
            holder.comes_from(lane);
        }
    }

    /// Takes over what a statement changed: into the transaction, or at once into a commit.
    pub fn done(&mut self, view: View, message: &str, span: Span) -> Result<Done, Error> {
        let (holder, before, isolation) = match (&self.transaction, &self.alone) {
            (Some(transaction), _) => (&transaction.holder, Some(&transaction.changes), transaction.isolation),
            (None, Some(holder)) => (holder, None, self.running.isolation),
            (None, None) => return self.done_ahead(view, message, span),
        };
        if view.changes.is_empty(&view.base) {
            // A statement may have taken back what others of the transaction did: `CREATE TABLE t …; DROP TABLE t`.
            if let Some(transaction) = self
                .transaction
                .as_mut()
                .filter(|open| !open.changes.is_empty(&view.base))
            {
                transaction.changes = view.changes;
            }
            return Ok(Done::Finished);
        }
        let locking = Locking {
            database: &view.database,
            branch: &self.branch,
            holder,
            before,
            isolation,
            upserts: self.running.upserts,
            timeout_ms: self.running.timeout_ms,
            cancel: &self.running.interrupt.token(),
            span,
        };
        let changes = Arc::new(view.changes);
        if let Locked::Again(least) = locking.lock(&changes)? {
            self.least_entity = self.least_entity.max(least);
            return Ok(Done::Again);
        }
        match (&mut self.transaction, self.alone.take()) {
            (Some(transaction), _) => transaction.changes = Arc::unwrap_or_clone(changes),
            (None, Some(holder)) => commit(
                &view.database,
                (view.base, changes),
                &self.branch,
                Message::Kind(message),
                span,
                holder,
                self.running.compacts,
            )?,
            (None, None) => return Err(user("XX000", span, "the statement has no locks")),
        }
        Ok(Done::Finished)
    }

    /// The same for rows of a statement without a place in the lock table.
    fn done_ahead(&mut self, view: View, message: &str, span: Span) -> Result<Done, Error> {
        if view.changes.is_empty(&view.base) {
            return Ok(Done::Finished);
        }
        let (about, changes) = (about(Message::Kind(message)), Arc::new(view.changes));
        let compacts = self.running.compacts;
        let ahead = commit_ahead(&view.database, &changes, &self.branch, &about, None, compacts);
        let ahead = ahead.map_err(|error| commit_error(&view.database, &changes, &error, span))?;
        self.is_crowded = ahead.is_none();
        Ok(if self.is_crowded { Done::Again } else { Done::Finished })
    }

    /// Calls that run by themselves in the database.
    pub fn jobs(&self) -> Arc<Jobs> {
        self.folder.jobs.clone()
    }

    /// What the database's triggers have done, if this is that database.
    pub fn triggers(&self, database: &Arc<Database>) -> Option<&Statistics> {
        let open = self.folder.open();
        let same = open.as_ref().is_some_and(|open| Arc::ptr_eq(open, database));
        same.then_some(&self.folder.triggers)
    }

    /// Whether it is the database of a folder that is open.
    pub fn is_in(&self, folder: &Arc<DatabaseFolder>) -> bool {
        Arc::ptr_eq(&self.folder, folder)
    }

    /// Whether it is one file.
    pub fn is_packed(&self) -> bool {
        self.folder.is_packed
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder.folder
    }

    /// What the session calls it.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The error of what needs a database where there is none.
    pub fn none_yet(&self, span: Span) -> Error {
        let message = format!("there is no database in `{}`", self.folder.folder.display());
        let help = "the first statement that writes makes one; is that the right folder?";
        Error::new(Diagnostic::new("3D000", span, message).with_help(help))
    }

    /// Makes the database, if there is none yet; whether there was none.
    pub fn make(&self, span: Span) -> Result<bool, Error> {
        if self.folder.is_packed {
            return Ok(false);
        }
        self.folder.make().map_err(|error| store_error(&error, span))
    }

    /// Whether there is a database yet.
    pub fn is_there(&self, span: Span) -> Result<bool, Error> {
        let database = self.folder.database(false);
        database
            .map(|database| database.is_some())
            .map_err(|error| store_error(&error, span))
    }

    /// A statement of the transaction failed; there is nothing left to do but to roll back, to a savepoint if there is one.
    /// What was locked since is given back at once.
    pub fn failed(&mut self) {
        self.alone = None;
        if let Some(transaction) = &mut self.transaction {
            transaction.failed = true;
            let last = transaction.savepoints.last().map(|(_, changes)| changes);
            transaction.holder.give_back(last);
        }
    }

    /// Whether a transaction was begun.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The branch in use.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// USE BRANCH, for a branch that is there.
    pub fn use_branch(&mut self, name: &str) {
        self.branch = name.into();
    }

    /// What changes no rows, and so is no part of a transaction, is refused in one.
    pub fn alone(&self, what: &str, span: Span) -> Result<(), Error> {
        match &self.transaction {
            Some(_) => Err(user("25001", span, format!("{what} cannot be done in a transaction"))),
            None => Ok(()),
        }
    }

    /// Who holds what, and who waits for it.
    pub fn locks(&self, span: Span) -> Result<Vec<LockLine>, Error> {
        let database = self.folder.database(false).map_err(|error| store_error(&error, span))?;
        Ok(database.map_or_else(Vec::new, |database| database.locks().lines()))
    }
}

impl View {
    /// The definitions as the transaction has them.
    pub fn catalog(&self) -> &Catalog {
        &self.changes.catalog
    }

    /// A name of this database without the database's own.
    pub fn local<'p>(&self, path: &'p [Ident]) -> &'p [Ident] {
        match path {
            [first, rest @ ..]
                if !rest.is_empty()
                    && first.text.eq_ignore_ascii_case(&self.name)
                    && (rest.len() > 1 || !self.catalog().has_schema(&first.text)) =>
            {
                rest
            }
            _ => path,
        }
    }

    /// A table as it is for the transaction: the snapshot's own, unless it was redefined since.
    pub fn table(&self, id: EntityId, def: &TableDef) -> Result<Arc<TableSnapshot>, StoreError> {
        match self.base.catalog().table(id) {
            Some(known) if known == def => self.base.table(id),
            _ => self.base.table_as(id, def),
        }
    }
}

/// What the store reports, at a place of the script.
pub fn store_error(error: &StoreError, span: Span) -> Error {
    user(store_code(error), span, error.to_string())
}

/// The SQLSTATE of what the store reports.
pub fn store_code(error: &StoreError) -> &'static str {
    match error {
        StoreError::Corrupt(_) | StoreError::Missing { .. } => "XX001",
        StoreError::Locked { .. } => "55006",
        StoreError::ReadOnly => "25006",
        StoreError::Unfit(_) => "23502",
        StoreError::TooLarge { .. } => "54000",
        StoreError::NoRef(_) => "42704",
        StoreError::Conflict { .. } => "40001",
        StoreError::Expired { .. } | StoreError::NoAncestor { .. } => "22023",
        _ => "58030",
    }
}

pub(super) fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}

pub fn aborted(span: Span) -> Error {
    let message = "the transaction failed; only ROLLBACK is possible";
    user("25P02", span, message)
}

pub fn none_open(span: Span) -> Error {
    user("25P01", span, "no transaction is open")
}

pub(super) fn is_read_only(span: Span) -> Error {
    user("25006", span, "the transaction is read only")
}
