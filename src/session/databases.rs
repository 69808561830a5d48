//! The databases of a session beside its own: attached ones, and that of its temporary tables.
//!
//! After `ATTACH 'old.gobi' AS old`, `SELECT * FROM old.orders` reads the packed file; `CREATE TEMP TABLE t (a int)` makes `temp.t`, which
//! plain `t` stands for until the session ends.
//!
//! Invariants: a transaction is one of all these databases: it begins in each when a statement first looks at it, and writes
//! to one of them at most, temporary tables aside. So a commit is one commit.
//!
//! Does not: look up names (see [`super::relations`]).

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Span};

use super::folder::DatabaseFolder;
use super::isolation::Isolation;
use super::routines::settled;
use super::store::{Done, StatementLocks, Store, View, aborted, none_open};
use super::transaction::Message;
use super::triggers::Statistics;
use super::{Error, Session};
use crate::host::{MemoryDisk, RealClock, RealRandom};
use crate::plan::ResolveError;
use crate::store::database::Database;
use crate::store::timeline::{Machine, Options};

/// The database of temporary tables.
pub const TEMP: &str = "temp";

/// Which of a session's databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that it was opened with.
    Own,
    /// Another, by its place among them.
    Other(usize),
}

/// A database beside a session's own.
#[derive(Debug)]
pub struct Attached {
    /// What it goes by.
    pub name: Arc<str>,
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub what: What,
}

/// What can be attached.
#[derive(Debug)]
pub enum What {
    /// A database, and whether it is only read.
    Database(Box<Store>, bool),
    /// A folder whose data files are tables.
    Files,
}

/// All of them, and the transaction that is open.
#[derive(Debug, Default)]
pub struct Databases {
    /// In the order in which they came.
    pub attached: Vec<Attached>,
    open: Option<Open>,
}

/// A transaction.
#[derive(Debug)]
struct Open {
    read_only: bool,
    isolation: Option<Isolation>,
    savepoints: Vec<Ident>,
    /// The database that it has written to.
    written: Option<Which>,
    failed: bool,
}

/// What a statement sees of a database beside the session's own.
#[derive(Clone, Debug)]
pub struct Other {
    /// What it goes by.
    pub name: Arc<str>,
    /// Its contents.
    pub seen: Seen,
}

/// The contents of a database that is not the session's own.
#[derive(Clone, Debug)]
// There is one for each attached database.
#[allow(clippy::large_enum_variant)]
pub enum Seen {
    /// Tables and views; none, as long as nothing was written.
    View(Option<View>),
    /// Files of a folder.
    Files(PathBuf),
    /// Why it cannot be read.
    Failed(ResolveError),
}

impl Databases {
    /// The database of a name.
    pub fn named(&self, name: &str) -> Option<Which> {
        let mut all = self.attached.iter();
        all.position(|other| other.name.eq_ignore_ascii_case(name))
            .map(Which::Other)
    }

    /// A statement begins.
    pub fn runs(&mut self, statement: &StatementLocks) {
        self.stores().for_each(|store| store.runs(statement.clone()));
    }

    fn stores(&mut self) -> impl Iterator<Item = &mut Store> {
        self.attached.iter_mut().filter_map(|other| match &mut other.what {
            What::Database(store, _) => Some(&mut **store),
            What::Files => None,
        })
    }

    /// What a statement sees of each.
    pub fn seen(&mut self, span: Span) -> Vec<Other> {
        let open = &self.open;
        let look = |other: &mut Attached| {
            let seen = match &mut other.what {
                What::Files => Seen::Files(other.path.clone()),
                What::Database(store, read_only) => {
                    let joined = join(store, *read_only, open.as_ref(), false, span);
                    match joined.and_then(|()| store.view(span)) {
                        Ok(view) => Seen::View(view),
                        Err(error) => Seen::Failed(resolve_error(&other.name, &error)),
                    }
                }
            };
            let name = Arc::clone(&other.name);
            Other { name, seen }
        };
        self.attached.iter_mut().map(look).collect()
    }

    /// The database of temporary tables, which is made if need be.
    pub fn temporary(&mut self) -> Which {
        if let Some(which) = self.named(TEMP) {
            return which;
        }
        let folder = Path::new("/temp");
        let options = Options {
            step_bytes: 32 << 10,
            ..Options::default()
        };
        if let Some(database) = DatabaseFolder::on(memory_machine(), options, folder) {
            self.attached.push(Attached {
                name: TEMP.into(),
                path: PathBuf::new(),
                what: What::Database(Box::new(Store::named(database, TEMP)), false),
            });
        }
        Which::Other(self.attached.len().saturating_sub(1))
    }

    fn is_temporary(&self, which: Which) -> bool {
        self.named(TEMP) == Some(which)
    }
}

/// A machine whose disk is memory of its own.
pub fn memory_machine() -> Machine {
    static CLOCK: OnceLock<Arc<RealClock>> = OnceLock::new();
    Machine {
        disk: Arc::new(MemoryDisk::default()),
        clock: CLOCK.get_or_init(Arc::default).clone(),
        random: Arc::new(RealRandom),
    }
}

/// Has a database take part in the session's transaction. One that is not there yet does so when it is written to.
fn join(store: &mut Store, read_only: bool, open: Option<&Open>, writes: bool, span: Span) -> Result<(), Error> {
    let Some(open) = open.filter(|_| !store.in_transaction()) else {
        return Ok(());
    };
    if !writes && !store.is_there(span)? {
        return Ok(());
    }
    store.begin(open.read_only || read_only, open.isolation, span)?;
    open.savepoints.iter().try_for_each(|name| store.savepoint(name))
}

fn resolve_error(name: &str, error: &Error) -> ResolveError {
    let first = error.diagnostics.first();
    ResolveError {
        code: first.map_or("58030", |first| first.code),
        message: format!(
            "database `{name}`: {}",
            first.map_or("it cannot be read", |first| first.message.as_str())
        ),
    }
}

impl Session {
    /// What the triggers of a database have done.
    pub(super) fn statistics(&self, database: &Arc<Database>) -> Option<&Statistics> {
        let others = self.databases.attached.iter().filter_map(|other| match &other.what {
            What::Database(store, _) => Some(&**store),
            What::Files => None,
        });
        self.store
            .iter()
            .chain(others)
            .find_map(|store| store.triggers(database))
    }

    /// What statements see from now on.
    pub(super) fn refresh_view(&mut self, span: Span) -> Result<(), Error> {
        if self.databases.open.as_ref().is_some_and(|open| open.failed) {
            return Err(aborted(span));
        }
        if let Some(within) = &self.within {
            self.relations.view = Some(within.view.clone());
            return Ok(());
        }
        if self.reads_one_view && self.relations.view.is_some() {
            return Ok(());
        }
        self.relations.view = match &mut self.store {
            Some(store) => {
                join(store, false, self.databases.open.as_ref(), false, span)?;
                store.view(span)?
            }
            None => None,
        };
        let none = self.store.as_ref().filter(|_| self.relations.view.is_none());
        self.relations.no_database = none.map(|store| store.path().to_path_buf());
        self.relations.others = self.databases.seen(span);
        Ok(())
    }

    /// A database; `None` if there is none, or none that can be written.
    pub(super) fn store_of(&mut self, which: Which) -> Option<&mut Store> {
        let Which::Other(at) = which else {
            return self.store.as_mut();
        };
        match &mut self.databases.attached.get_mut(at)?.what {
            What::Database(store, _) => Some(store),
            What::Files => None,
        }
    }

    fn all_stores(&mut self) -> impl Iterator<Item = &mut Store> {
        self.store.iter_mut().chain(self.databases.stores())
    }

    /// What a statement that writes to a database starts from.
    pub(super) fn writing(&mut self, which: Which, span: Span) -> Result<View, Error> {
        self.check_writes(which, span)?;
        if let Some(open) = &mut self.databases.open {
            open.written.get_or_insert(which);
        }
        let Some(store) = self.store_of(which) else {
            return Err(user("XX000", span, "the session has no database"));
        };
        store.writing(span)
    }

    fn check_writes(&mut self, which: Which, span: Span) -> Result<(), Error> {
        let is_temporary = self.databases.is_temporary(which);
        if let (Which::Own, Some(store)) = (which, &mut self.store) {
            join(store, false, self.databases.open.as_ref(), true, span)?;
        }
        if let Which::Other(at) = which
            && let Some(other) = self.databases.attached.get_mut(at)
        {
            match &mut other.what {
                What::Files => {
                    let message = format!("`{}` is a folder of files, which is only read", other.name);
                    return Err(user("25006", span, message));
                }
                What::Database(_, true) => {
                    let message = format!("`{}` was attached to be only read", other.name);
                    return Err(user("25006", span, message));
                }
                What::Database(store, false) => join(store, false, self.databases.open.as_ref(), true, span)?,
            }
        }
        let written = self.databases.open.as_ref().and_then(|open| open.written);
        match written {
            Some(written) if written != which && !is_temporary && !self.databases.is_temporary(written) => {
                let (to, from) = (self.database_name(which), self.database_name(written));
                let message = format!("the transaction has written to `{from}`, so it cannot write to `{to}`");
                let help = "a transaction writes to one database; COMMIT first";
                Err(Error::new(Diagnostic::new("25000", span, message).with_help(help)))
            }
            Some(written) if self.databases.is_temporary(written) => {
                if let Some(open) = &mut self.databases.open {
                    open.written = None;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What a database goes by.
    pub(super) fn database_name(&self, which: Which) -> Arc<str> {
        match which {
            Which::Own => self.store.as_ref().map_or_else(|| "".into(), Store::name),
            Which::Other(at) => {
                let other = self.databases.attached.get(at);
                other.map_or_else(|| "".into(), |other| Arc::clone(&other.name))
            }
        }
    }

    /// Takes over what a statement changed.
    pub(super) fn written(&mut self, which: Which, view: View, message: &str, span: Span) -> Result<Done, Error> {
        match self.store_of(which) {
            Some(store) => store.done(view, message, span),
            None => Err(user("XX000", span, "the session has no database")),
        }
    }

    /// A statement failed.
    pub(super) fn failed(&mut self) {
        if let Some(open) = &mut self.databases.open {
            open.failed = true;
        }
        self.all_stores().for_each(Store::failed);
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        self.databases.open.is_some()
    }

    /// BEGIN.
    pub(super) fn begin(&mut self, read_only: bool, isolation: Option<Isolation>, span: Span) -> Result<(), Error> {
        if self.in_transaction() {
            return Err(user("25001", span, "a transaction is open already"));
        }
        let open = Open {
            read_only,
            isolation,
            savepoints: Vec::new(),
            written: None,
            failed: false,
        };
        if let Some(store) = &mut self.store {
            join(store, false, Some(&open), false, span)?;
        }
        self.databases.open = Some(open);
        Ok(())
    }

    /// COMMIT: first where something was written. What was only read has nothing to commit, and temporary tables nobody else
    /// to disagree with.
    pub(super) fn commit(&mut self, message: Message<'_>, span: Span) -> Result<(), Error> {
        if self.databases.open.as_ref().is_some_and(|open| !open.failed)
            && let Err(error) = settled::check_transaction(self, span)
        {
            self.rollback(span)?;
            return Err(error);
        }
        let open = self.databases.open.take().ok_or_else(|| none_open(span))?;
        let first = open.written.unwrap_or(Which::Own);
        let mut done = match open.failed {
            true => Err(user("25P02", span, "the transaction failed, and was rolled back")),
            false => Ok(()),
        };
        if let Some(store) = self
            .store_of(first)
            .filter(|store| store.in_transaction() && done.is_ok())
        {
            done = store.commit(message, span);
        }
        for store in self.all_stores().filter(|store| store.in_transaction()) {
            match done {
                Ok(()) => done = store.commit(message, span),
                Err(_) => store.rollback(span)?,
            }
        }
        done
    }

    /// ROLLBACK.
    pub(super) fn rollback(&mut self, span: Span) -> Result<(), Error> {
        self.databases.open.take().ok_or_else(|| none_open(span))?;
        let mut open = self.all_stores().filter(|store| store.in_transaction());
        open.try_for_each(|store| store.rollback(span))
    }

    /// SAVEPOINT s.
    pub(super) fn savepoint(&mut self, name: &Ident) -> Result<(), Error> {
        let open = self.databases.open.as_ref().ok_or_else(|| none_open(name.span))?;
        if open.failed {
            return Err(aborted(name.span));
        }
        for store in self.all_stores().filter(|store| store.in_transaction()) {
            store.savepoint(name)?;
        }
        if let Some(open) = &mut self.databases.open {
            open.savepoints.push(name.clone());
        }
        Ok(())
    }

    /// ROLLBACK TO s, and RELEASE s.
    pub(super) fn end_savepoint(&mut self, name: &Ident, back: bool) -> Result<(), Error> {
        let open = self.databases.open.as_mut().ok_or_else(|| none_open(name.span))?;
        let same = |known: &Ident| known.text.eq_ignore_ascii_case(&name.text);
        let Some(at) = open.savepoints.iter().rposition(same) else {
            return Err(user(
                "3B001",
                name.span,
                format!("there is no savepoint `{}`", name.text),
            ));
        };
        open.savepoints.truncate(if back { at + 1 } else { at });
        open.failed &= !back;
        let mut stores = self.all_stores().filter(|store| store.in_transaction());
        stores.try_for_each(|store| store.end_savepoint(name, back))
    }
}

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}
