//! A session's database: the snapshot that a statement reads, and the transaction that it writes in.
//!
//! `BEGIN; INSERT INTO t VALUES (1); SELECT count(*) FROM t; COMMIT` reads its own row before anybody else does; without
//! BEGIN every statement is a transaction of its own.
//!
//! Invariants: a statement that fails leaves nothing; a transaction reads one commit and its own changes; the database is
//! opened when a statement first needs it, and made at the first write.
//!
//! Does not: know what statements mean.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Ident, Span};

use super::isolation::Isolation;
use super::locking::{Locked, Locking, commit_error};
use super::routines::Jobs;
use super::triggers::Statistics;
use super::{Error, Interrupt};
use crate::catalog::{Catalog, EntityId, Storage, TableDef};
use crate::host::{self, RealClock, RealRandom};
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::locks::{Holder, Lane, LockLine};
use crate::store::packed;
use crate::store::table::{About, Changes, CommitError, Reads, Snapshot, TableSnapshot};
use crate::store::timeline::{Machine, Mode, Options};
use crate::store::undo::Undo;

/// The branch that sessions begin on.
pub const MAIN: &str = "main";

/// A folder that is a database, or becomes one; shared by the sessions of a client.
#[derive(Debug)]
pub struct DatabaseFolder {
    machine: Machine,
    options: Options,
    /// It is one file, and only read.
    is_packed: bool,
    folder: PathBuf,
    /// What it goes by: the folder's name, or the file's without its ending.
    name: Arc<str>,
    open: Mutex<Option<Arc<Database>>>,
    /// It was made here; if nothing is ever committed, it goes again.
    made: Mutex<Option<Undo>>,
    /// What its triggers have done.
    triggers: Statistics,
    /// Calls that run by themselves.
    jobs: Arc<Jobs>,
}

/// The machine that this process runs on.
pub fn real_machine() -> Machine {
    Machine {
        disk: host::real(),
        clock: Arc::new(RealClock::default()),
        random: Arc::new(RealRandom),
    }
}

impl DatabaseFolder {
    /// The database of a folder, if it holds one, or nothing at all; or one that is packed into a file.
    pub fn of(folder: &Path) -> Option<Arc<Self>> {
        if host::is_remote(folder) {
            return Some(Self::remote(folder));
        }
        Self::on(real_machine(), Options::default(), folder)
    }

    /// The database of a URL; whether there is one is found out when it is used. Packs are short, since an object is put as
    /// a whole.
    fn remote(url: &Path) -> Arc<Self> {
        let machine = Machine {
            disk: host::disk_of(url),
            ..real_machine()
        };
        let options = Options {
            pack_bytes: 4 << 20,
            checkpoint_bytes: 1 << 20,
            step_bytes: 4 << 10,
            goes_ahead: false,
            ..Options::default()
        };
        Arc::new(Self {
            machine,
            options,
            is_packed: url.extension().is_some_and(|ending| ending == "gobi"),
            name: name_of(url),
            folder: url.to_path_buf(),
            open: Mutex::default(),
            made: Mutex::default(),
            triggers: Statistics::default(),
            jobs: Arc::default(),
        })
    }

    /// The same on a machine of one's own.
    pub fn on(machine: Machine, options: Options, folder: &Path) -> Option<Arc<Self>> {
        let disk = &*machine.disk;
        let is_packed = disk.stat(folder).is_ok_and(|stat| !stat.is_folder);
        (is_packed || Database::is_database(disk, folder) || Database::is_unused(disk, folder)).then(|| {
            Arc::new(Self {
                machine,
                options,
                is_packed,
                name: name_of(folder),
                folder: folder.to_path_buf(),
                open: Mutex::default(),
                made: Mutex::default(),
                triggers: Statistics::default(),
                jobs: Arc::default(),
            })
        })
    }

    /// The same as [`DatabaseFolder::of`], but what this process has of the folder already, if it has.
    pub fn shared(folder: &Path) -> Option<Arc<Self>> {
        static KNOWN: Mutex<Vec<(PathBuf, Weak<DatabaseFolder>)>> = Mutex::new(Vec::new());
        let whole = host::real().canonical(folder).unwrap_or_else(|_| folder.to_path_buf());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, folder)| folder.strong_count() > 0);
        let mut found = known.iter().filter(|(path, _)| *path == whole);
        if let Some(shared) = found.find_map(|(_, folder)| folder.upgrade()) {
            return Some(shared);
        }
        let opened = Self::of(folder)?;
        known.push((whole, Arc::downgrade(&opened)));
        Some(opened)
    }

    /// Whether it is one file.
    pub fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// Whether there is a database. An object store that cannot be asked is an error, not an empty one.
    fn is_there(&self) -> Result<bool, StoreError> {
        if !host::is_remote(&self.folder) {
            return Ok(Database::is_database(&*self.machine.disk, &self.folder));
        }
        match self.machine.disk.stat(&self.folder.join("HEAD")) {
            Ok(stat) => Ok(!stat.is_folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io(&self.folder, error)),
        }
    }

    /// Makes the database, if there is none yet, for good; whether there was none.
    pub fn make(&self) -> Result<bool, StoreError> {
        let is_new = !self.is_there()?;
        self.database(true)?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(is_new)
    }

    /// The database; `None` if there is none yet and nothing is to be written. Who only reads takes no lock, and sees what
    /// another process has committed last.
    pub fn database(&self, write: bool) -> Result<Option<Arc<Database>>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = &*open
            && (database.mode() == Mode::Write || !write && database.is_current()?)
        {
            return Ok(Some(database.clone()));
        }
        let (machine, mode) = if self.is_packed {
            (packed::machine_of(&self.machine, &self.folder)?, Mode::Read)
        } else if write {
            (self.machine.clone(), Mode::Write)
        } else if self.is_there()? {
            (self.machine.clone(), Mode::Read)
        } else {
            return Ok(None);
        };
        let is_new = mode == Mode::Write && !host::is_remote(&self.folder) && !self.is_there()?;
        let undo = is_new.then(|| Undo::of(&*self.machine.disk, &self.folder));
        let before = open.as_ref().map(|before| Arc::clone(before.locks()));
        let database = Database::open_beside(machine, &self.folder, mode, self.options, before)?;
        *open = Some(database.clone());
        if undo.is_some() {
            *self.made.lock().unwrap_or_else(PoisonError::into_inner) = undo;
        }
        Ok(Some(database))
    }
}

impl Drop for DatabaseFolder {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        let made = self.made.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(database), Some(made)) = (&open, made)
            && database.is_blank()
        {
            made.undo(&*self.machine.disk);
            return;
        }
        if let Some(database) = open.take().filter(|database| database.mode() == Mode::Write) {
            // What was committed is durable without it; the next opening only reads more.
            if let Err(error) = database.close() {
                tracing::warn!("closing the database: {error}");
            }
        }
    }
}

/// What a database goes by, if nothing else is said.
pub fn name_of(path: &Path) -> Arc<str> {
    let whole = host::real().canonical(path).unwrap_or_else(|_| path.to_path_buf());
    let name = whole.file_stem().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "database".into()).into()
}

/// A session's part of it.
#[derive(Debug)]
pub struct Store {
    folder: Arc<DatabaseFolder>,
    name: Arc<str>,
    branch: Arc<str>,
    transaction: Option<Transaction>,
    /// The place in the lock table of a statement that is a transaction of its own.
    alone: Option<Holder>,
    /// The statement adds rows that others may have a claim on, so that it needs a place in the lock table.
    is_crowded: bool,
    running: StatementLocks,
    /// New entities get numbers that are at least this.
    least_entity: u64,
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

/// A transaction that was begun.
#[derive(Debug)]
struct Transaction {
    changes: Changes,
    savepoints: Vec<(String, Changes)>,
    isolation: Isolation,
    read_only: bool,
    failed: bool,
    holder: Holder,
    /// It is open for reading only, until the transaction changes something.
    database: Arc<Database>,
}

/// What a commit says of itself.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Which sort of statement made it.
    Kind(&'a str),
    /// Somebody's own words.
    Quoted(&'a str),
}

impl<'a> Message<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Kind(text) | Self::Quoted(text) => text,
        }
    }
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
    fn starts_in(&mut self, database: &Database) {
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
        let open = self.folder.open.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// BEGIN. Only a database that is not there yet is made for it.
    pub fn begin(&mut self, read_only: bool, isolation: Option<Isolation>, span: Span) -> Result<(), Error> {
        if self.transaction.is_some() {
            return Err(user("25001", span, "a transaction is open already"));
        }
        let failed = |error: StoreError| store_error(&error, span);
        let database = match self.folder.database(false).map_err(failed)? {
            None if read_only => return Err(is_read_only(span)),
            None => self.folder.database(true).map_err(failed)?,
            there => there,
        };
        if let Some(database) = database {
            self.starts_in(&database);
        }
        let (Some(view), Some(holder)) = (self.view(span)?, self.alone.take()) else {
            return Err(user("XX000", span, "the database was not made"));
        };
        holder.reads(view.database.height(&view.base).map_err(failed)?);
        let isolation = isolation.unwrap_or(self.running.isolation);
        let mut changes = view.changes;
        changes.reads = (isolation == Isolation::Serializable).then(Reads::default);
        self.transaction = Some(Transaction {
            changes,
            savepoints: Vec::new(),
            isolation,
            read_only,
            failed: false,
            holder,
            database: view.database,
        });
        Ok(())
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

    /// COMMIT.
    pub fn commit(&mut self, message: Message<'_>, span: Span) -> Result<(), Error> {
        let transaction = self.transaction.take().ok_or_else(|| none_open(span))?;
        if transaction.failed {
            return Err(user("25P02", span, "the transaction failed, and was rolled back"));
        }
        let base = transaction.changes.base().clone();
        commit(
            &transaction.database,
            (base, Arc::new(transaction.changes)),
            &self.branch,
            message,
            span,
            transaction.holder,
            self.running.compacts,
        )
    }

    /// ROLLBACK.
    pub fn rollback(&mut self, span: Span) -> Result<(), Error> {
        self.transaction.take().map(drop).ok_or_else(|| none_open(span))
    }

    /// SAVEPOINT s.
    pub fn savepoint(&mut self, name: &Ident) -> Result<(), Error> {
        let transaction = self.transaction.as_mut().ok_or_else(|| none_open(name.span))?;
        if transaction.failed {
            return Err(aborted(name.span));
        }
        let changes = transaction.changes.savepoint();
        transaction.savepoints.push((name.text.to_lowercase(), changes));
        Ok(())
    }

    /// ROLLBACK TO s: the savepoint stays. RELEASE s: it goes, and what was done since stays.
    pub fn end_savepoint(&mut self, name: &Ident, back: bool) -> Result<(), Error> {
        let transaction = self.transaction.as_mut().ok_or_else(|| none_open(name.span))?;
        let wanted = name.text.to_lowercase();
        let found = transaction.savepoints.iter().rposition(|(known, _)| *known == wanted);
        let at = found.ok_or_else(|| user("3B001", name.span, format!("there is no savepoint `{}`", name.text)))?;
        if back {
            transaction.savepoints.truncate(at + 1);
            if let Some((_, changes)) = transaction.savepoints.last() {
                transaction.changes = changes.savepoint();
                transaction.holder.give_back(Some(changes));
            }
            transaction.failed = false;
        } else {
            transaction.savepoints.truncate(at);
        }
        Ok(())
    }
}

impl Transaction {
    /// It is about to change something. Up to its first change the folder was another's to write to.
    fn writes(&mut self, folder: &DatabaseFolder, span: Span) -> Result<(), Error> {
        if self.read_only {
            return Err(is_read_only(span));
        }
        if self.database.mode() == Mode::Write {
            return Ok(());
        }
        let failed = |error: StoreError| store_error(&error, span);
        let Some(database) = folder.database(true).map_err(failed)? else {
            return Ok(());
        };
        let same = database.same_as(self.changes.base()).map_err(failed)?;
        let Some(base) = same else {
            let message = "another process has written to the database since the transaction began";
            let help = "roll back, and try the transaction again";
            return Err(Error::new(Diagnostic::new("40001", span, message).with_help(help)));
        };
        self.goes_on(database, &base);
        Ok(())
    }

    /// Nothing was changed yet: it reads this from here on.
    fn goes_on(&mut self, database: Arc<Database>, base: &Snapshot) {
        let afresh = |changes: &Changes| {
            let mut afresh = Changes::new(base);
            afresh.reads.clone_from(&changes.reads);
            afresh
        };
        self.changes = afresh(&self.changes);
        for (_, changes) in &mut self.savepoints {
            *changes = afresh(changes);
        }
        self.database = database;
    }

    /// What its next statement reads.
    fn view(&mut self, folder: &DatabaseFolder, name: &Arc<str>, branch: &str, span: Span) -> Result<View, Error> {
        if self.failed {
            return Err(aborted(span));
        }
        if self.isolation == Isolation::ReadCommitted {
            self.reads_newest(folder, branch, span)?;
        }
        let database = Arc::clone(&self.database);
        Ok(View {
            name: Arc::clone(name),
            database,
            base: self.changes.base().clone(),
            changes: self.changes.savepoint(),
        })
    }

    /// What is committed by now, by other processes too while this one does not write.
    fn reads_newest(&mut self, folder: &DatabaseFolder, branch: &str, span: Span) -> Result<(), Error> {
        let failed = |error: StoreError| store_error(&error, span);
        let newest = if self.database.mode() == Mode::Read
            && let Some(database) = folder.database(false).map_err(failed)?
        {
            let newest = database.head(branch).map_err(failed)?;
            self.goes_on(database, &newest);
            newest
        } else {
            let newest = self.database.head(branch).map_err(failed)?;
            let rebased = self.changes.rebased(&newest);
            self.changes = rebased.map_err(|error| commit_error(&self.database, &self.changes, &error, span))?;
            newest
        };
        self.holder.reads(self.database.height(&newest).map_err(failed)?);
        Ok(())
    }
}

fn is_read_only(span: Span) -> Error {
    user("25006", span, "the transaction is read only")
}

/// What a commit says of itself, and of who made it.
fn about(message: Message<'_>) -> About {
    About {
        author: host::user_name().to_string(),
        message: message.text().to_string(),
        is_quoted: matches!(message, Message::Quoted(_)),
    }
}

/// Makes a few rows durable that come, and a commit of them later; the height of that. `None` if they cannot be.
fn commit_ahead(
    database: &Arc<Database>,
    changes: &Arc<Changes>,
    branch: &str,
    about: &About,
    holder: Option<&Holder>,
    compacts: bool,
) -> Result<Option<u64>, CommitError> {
    let ahead = database.commit_ahead(branch, changes, about, holder)?;
    if ahead.is_some() && compacts {
        database.catch_up_later(branch, changes.tables.keys().copied());
    }
    Ok(ahead)
}

/// Commits what was changed since a snapshot.
fn commit(
    database: &Arc<Database>,
    (base, changes): (Snapshot, Arc<Changes>),
    branch: &str,
    message: Message<'_>,
    span: Span,
    holder: Holder,
    compacts: bool,
) -> Result<(), Error> {
    if changes.is_empty(&base) {
        return Ok(());
    }
    let about = about(message);
    let failed = |error| commit_error(database, &changes, &error, span);
    let ahead = commit_ahead(database, &changes, branch, &about, Some(&holder), compacts);
    if let Some(height) = ahead.map_err(failed)? {
        holder.went_ahead(height);
        return Ok(());
    }
    let done = database.commit_changes(branch, &base, &changes, about);
    let snapshot = done.map_err(failed)?;
    if let Some(commit) = snapshot.commit_id() {
        let height = database.height(&snapshot).map_err(|error| store_error(&error, span))?;
        holder.committed(commit, height);
    }
    let copied = |id: &&EntityId| {
        let def = changes.catalog.table(**id);
        def.is_some_and(|def| def.storage == Storage::Cow)
    };
    for id in changes.tables.keys().filter(copied) {
        database.rewrite_touched(branch, *id);
    }
    if compacts {
        database.compact_later(branch, changes.tables.keys().copied());
    }
    Ok(())
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

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}

pub fn aborted(span: Span) -> Error {
    let message = "the transaction failed; only ROLLBACK is possible";
    user("25P02", span, message)
}

pub fn none_open(span: Span) -> Error {
    user("25P01", span, "no transaction is open")
}
