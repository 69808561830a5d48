//! Transactions: BEGIN, COMMIT, ROLLBACK and savepoints, and what a commit is made of.
//!
//! `BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT` commits the row.
//!
//! Invariants: a transaction reads one commit and its own changes, or under READ COMMITTED the newest. It takes the folder's lock at its
//! first change. After a statement that failed, nothing but a rollback is possible.
//!
//! Does not: decide what a statement changes.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Span};

use super::Error;
use super::folder::DatabaseFolder;
use super::isolation::Isolation;
use super::locking::commit_error;
use super::store::{Store, View, aborted, is_read_only, none_open, store_error, user};
use crate::catalog::{EntityId, Storage};
use crate::host;
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::locks::Holder;
use crate::store::table::{About, Changes, CommitError, Reads, Snapshot};
use crate::store::timeline::Mode;

/// A transaction that was begun.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) changes: Changes,
    pub(super) savepoints: Vec<(String, Changes)>,
    pub(super) isolation: Isolation,
    pub(super) read_only: bool,
    pub(super) failed: bool,
    pub(super) holder: Holder,
    /// It is open for reading only, until the transaction changes something.
    pub(super) database: Arc<Database>,
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

impl Store {
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
    pub(super) fn writes(&mut self, folder: &DatabaseFolder, span: Span) -> Result<(), Error> {
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
    pub(super) fn goes_on(&mut self, database: Arc<Database>, base: &Snapshot) {
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
    pub(super) fn view(
        &mut self,
        folder: &DatabaseFolder,
        name: &Arc<str>,
        branch: &str,
        span: Span,
    ) -> Result<View, Error> {
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
    pub(super) fn reads_newest(&mut self, folder: &DatabaseFolder, branch: &str, span: Span) -> Result<(), Error> {
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

/// What a commit says of itself, and of who made it.
pub(super) fn about(message: Message<'_>) -> About {
    About {
        author: host::user_name(),
        message: message.text().into(),
        is_quoted: matches!(message, Message::Quoted(_)),
    }
}

/// Makes a few rows durable that come, and a commit of them later; the height of that. `None` if they cannot be.
pub(super) fn commit_ahead(
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
pub(super) fn commit(
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
