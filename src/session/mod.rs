//! `execute(text)`: the lifecycle of a script, statement by statement.
//!
//! `SET threads = 1; SELECT count(*) FROM 'a.parquet'` is parsed whole; then the SET changes this session's [`Settings`], and the
//! query is bound against the file's schema, optimised, compiled and run; its rows come out of a [`ResultStream`].
//!
//! The walk of a statement: [`script`] (text to syntax tree) → [`statement`] (which kind) → `plan::bind` with the session's
//! [`relations`] → `plan::optimize` → `Engine::prepare` (pipelines, machine code) → `Engine::run` → [`result`].
//!
//! Invariants: a script with a syntax error runs none of its statements; the first statement that fails is the last that
//! ran; a file that changed is opened anew by the next statement.
//!
//! Does not: touch the terminal, or know which program asks.

// The walk through this room names its private modules; readers of the source follow it.
#![allow(rustdoc::private_intra_doc_links)]

mod adding;
mod advice;
mod appender;
mod attach;
mod caches;
pub mod cells;
mod change;
mod check;
mod compact;
mod constraints;
mod copy;
mod databases;
mod define;
mod error;
mod explain;
mod folder;
mod foreign_keys;
mod history;
pub mod isolation;
mod kept;
mod lineage;
mod listing;
mod load;
mod locking;
mod packing;
mod picks;
mod points;
mod prepared;
mod reads;
mod relations;
mod result;
mod routines;
mod script;
mod scripts;
pub mod settings;
mod show;
mod stages;
mod statement;
mod store;
mod system;
mod target;
mod testing;
mod timeline;
mod transaction;
mod transactions;
mod triggers;
mod types;
mod unread;
mod vacuum;
mod verify;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gobi_grammar::ast::{ObjectKind, Span, Statement};
use gobi_grammar::{Diagnostic, Dialect};

pub use crate::exec::{CancelToken, Engine, EngineConfig, JitMode, Progress};
pub use crate::store::locks::Lane;
pub use crate::types::{Field, LogicalType, Value};
pub use appender::Appender;
use databases::Databases;
pub use error::{Error, ErrorKind};
pub use explain::{ExplainOptions, Explanation};
pub use folder::DatabaseFolder;
pub use packing::{Packing, pack, unpack};
pub use prepared::Prepared;
use relations::Relations;
pub use result::{Phases, ResultStream, StatementResult};
pub use settings::Settings;
use store::Store;
pub use testing::TestOutcome;
pub use timeline::proofs::Provable;
use transaction::Message;
pub use verify::{Verified, verify, verify_proof};

/// One user's conversation with the engine: settings, open files, and the query that runs now.
#[derive(Debug)]
pub struct Session {
    engine: Arc<Engine>,
    /// What SET changes.
    pub settings: Settings,
    relations: Relations,
    store: Option<Store>,
    databases: Databases,
    /// CALLs within one another.
    calls: usize,
    /// Tables that it has changed.
    tables: change::Known,
    scripts: scripts::Scripts,
    prepared: prepared::Named,
    interrupt: Interrupt,
    /// Other sessions that go on only when this one has answered.
    lane: Option<Lane>,
    /// The text of the statement that runs.
    statement: Arc<str>,
    /// The script that runs.
    script: Arc<str>,
    /// What EXPLAIN wants to know of the change that runs.
    explaining: Option<explain::Capture>,
    /// Results of the statement that are still to be given.
    pending: VecDeque<ResultStream>,
    /// The statement that fires a trigger, while its body runs.
    within: Option<triggers::Within>,
    /// A body runs that changes nothing: all that it asks for, it sees as it was when it began.
    reads_one_view: bool,
    /// Calls that run by themselves.
    spawned: routines::Spawned,
    /// The same as jobs, if there is no database.
    own_jobs: Arc<routines::Jobs>,
    /// Streams whose rows are taken.
    streams: routines::Streams,
    /// Triggers that are checked and compiled.
    triggers: triggers::Triggers,
    /// What came of the tests so far, if they are run.
    testing: Option<Vec<TestOutcome>>,
    /// It is on a branch that is thrown away: what is more than that branch's is refused.
    confined: bool,
}

impl Session {
    /// A session that shares the engine's workers and caches.
    pub fn new(engine: Arc<Engine>, settings: Settings) -> Self {
        Self {
            engine,
            settings,
            relations: Relations::default(),
            store: None,
            databases: Databases::default(),
            calls: 0,
            tables: change::Known::default(),
            scripts: scripts::Scripts::default(),
            prepared: prepared::Named::new(),
            interrupt: Interrupt::default(),
            lane: None,
            statement: "".into(),
            script: "".into(),
            explaining: None,
            pending: VecDeque::new(),
            within: None,
            reads_one_view: false,
            spawned: routines::Spawned::default(),
            own_jobs: Arc::default(),
            streams: routines::Streams::default(),
            triggers: triggers::Triggers::default(),
            testing: None,
            confined: false,
        }
    }

    /// A session of its own for the same database, with the same settings and functions.
    fn another(&self) -> Self {
        let mut other = Self::new(self.engine.clone(), self.settings.clone());
        other.relations = self.relations.another();
        other.store = self.store.as_ref().map(Store::another);
        other.own_jobs = self.own_jobs.clone();
        other.statement = self.statement.clone();
        other.script = self.script.clone();
        other.confined = self.confined;
        other
    }

    /// Makes the data files of a folder tables: `lineitem.parquet` is `lineitem`.
    #[must_use]
    pub fn with_folder(mut self, folder: PathBuf) -> Self {
        self.relations = Relations::of_folder(folder);
        self
    }

    /// Takes turns with the other sessions of a lane, and so never waits for one of them.
    #[must_use]
    pub fn in_lane(mut self, lane: Lane) -> Self {
        self.lane = Some(lane);
        self
    }

    /// Reads and writes a database.
    #[must_use]
    pub fn with_database(mut self, folder: Arc<DatabaseFolder>) -> Self {
        self.store = Some(Store::new(folder));
        self
    }

    /// Runs a script; each statement runs when its result is asked for, and the first error is the last item.
    pub fn execute(&mut self, script: &str) -> Execution<'_> {
        let started = Instant::now();
        self.script = script.into();
        self.pending.clear();
        self.relations.routines.sources.begin_script();
        let parsing = script::parse(script, self.settings.dialect);
        self.relations.routines.tell(&parsing.warnings, Span::default());
        let error = (!parsing.diagnostics.is_empty()).then(|| Error::all(parsing.diagnostics));
        let statements = if error.is_some() {
            Vec::new()
        } else {
            parsing.statements
        };
        routines::declare(self, &statements);
        Execution {
            // Only transactions want to know.
            script: if self.store.is_some() || !self.databases.attached.is_empty() {
                script.into()
            } else {
                "".into()
            },
            session: self,
            statements: statements.into_iter(),
            error,
            parse: started.elapsed(),
        }
    }

    /// The rows of the one statement of a script, as a stream of Arrow batches. A statement that gives none is an error.
    pub fn query(&mut self, script: &str) -> Result<ResultStream, Error> {
        let prepared = self.prepare(script)?;
        match prepared.execute(self, &[])? {
            StatementResult::Rows(stream) => Ok(stream),
            StatementResult::RowsAffected(_) | StatementResult::Done => {
                let message = "the statement gives no rows";
                Err(Error::new(Diagnostic::new("42601", Span::default(), message)))
            }
        }
    }

    /// Runs a script to its end, leaving out what it shows; gives how many rows its last statement changed.
    pub fn run(&mut self, script: &str) -> Result<u64, Error> {
        let mut rows = 0;
        for result in self.execute(script) {
            rows = match result? {
                StatementResult::RowsAffected(rows) => rows,
                StatementResult::Done => 0,
                StatementResult::Rows(mut stream) => {
                    let affected = stream.rows_affected();
                    stream.try_for_each(|batch| batch.map(drop))?;
                    affected.unwrap_or_default()
                }
            };
        }
        Ok(rows)
    }

    /// Takes batches for a table: all of them are committed at once, or none.
    pub fn appender(&mut self, table: &str) -> Result<Appender<'_>, Error> {
        Appender::new(self, table)
    }

    /// Prepares the one statement of a script, whose parameters are `?`, `$1`, `$name` or `:name`.
    ///
    /// ```
    /// use gobi::client::{Client, Settings, StatementResult, Value};
    ///
    /// let mut session = Client::embedded(Settings::default(), None).session();
    /// let evens = session.prepare("SELECT count(*) FROM range(100) WHERE range < ? AND range % 2 = 0")?;
    /// let StatementResult::Rows(mut rows) = evens.execute(&mut session, &[Value::Int(10)])? else { panic!() };
    /// assert_eq!(rows.next().transpose()?.map(|batch| batch.num_rows()), Some(1));
    /// # Ok::<(), gobi::client::Error>(())
    /// ```
    pub fn prepare(&mut self, script: &str) -> Result<Prepared, Error> {
        prepared::prepare(self, script)
    }

    /// Explains the one query of a script.
    pub fn explain(&mut self, script: &str, options: ExplainOptions) -> Result<Explanation, Error> {
        let started = Instant::now();
        self.script = script.into();
        self.relations.routines.sources.begin_script();
        let parsing = script::parse(script, self.settings.dialect);
        let phases = Phases {
            parse: started.elapsed(),
            ..Phases::default()
        };
        match parsing.statements.as_slice() {
            _ if !parsing.diagnostics.is_empty() => Err(Error::all(parsing.diagnostics)),
            [(statement, dialect)] => {
                self.statement = text_of(script, statement.span).into();
                self.refresh_view(statement.span)?;
                let explained = explain::of_statement(self, statement, *dialect, options, phases);
                let sources = &self.relations.routines.sources;
                explained.map_err(|error| error.resolved(sources, statement.span))
            }
            [] => Err(Error::new(Diagnostic::new(
                "42601",
                Span::default(),
                "there is no query to explain",
            ))),
            [_, (second, _), ..] => Err(Error::new(Diagnostic::new(
                "42601",
                second.span,
                "only one query can be explained at a time",
            ))),
        }
    }

    /// Statements that make the definitions of the database again: all, or those of a table or view.
    pub fn definitions(&mut self, name: Option<&str>) -> Result<Vec<String>, Error> {
        let span = Span::new(0, name.map_or(0, str::len));
        self.refresh_view(span)?;
        if let (Some(store), None) = (&self.store, &self.relations.view) {
            return Err(store.none_yet(span));
        }
        let Some(view) = self.relations.view.clone() else {
            return Ok(Vec::new());
        };
        let catalog = view.catalog();
        let Some(name) = name else {
            let beside = routines::beside_catalog(self, catalog)?;
            return Ok(define::text::of_all(catalog, &beside));
        };
        let parts: Vec<&str> = name.split('.').collect();
        match catalog.find(&[name]).or_else(|| catalog.find(&parts)) {
            Some(entry) => Ok(define::text::of_one(catalog, entry.id)),
            None => {
                let message = format!("there is no table or view `{name}`");
                Err(Error::new(Diagnostic::new("42P01", span, message)))
            }
        }
    }

    /// Statements that make the functions or procedures of a name again: one, or one for each receiver.
    pub fn routine_definitions(&mut self, kind: ObjectKind, name: &str) -> Result<Vec<String>, Error> {
        let span = Span::new(0, name.len());
        self.refresh_view(span)?;
        let none = crate::catalog::Catalog::default();
        let view = self.relations.view.as_ref();
        let catalog = view.map_or(&none, store::View::catalog);
        let found = catalog.routines(crate::catalog::MAIN_SCHEMA, name);
        let members = routines::members_of(catalog, name);
        if found.is_empty() && members.is_empty() {
            return Err(routines::no_routine(view, kind, name, span));
        }
        let statements = found
            .into_iter()
            .flat_map(|(entry, _)| define::text::of_one(catalog, entry.id));
        // What a module has is made with it.
        Ok(statements.chain(members.into_iter().map(|(_, text)| text)).collect())
    }

    /// Makes the database, if there is none yet; whether there was none.
    pub fn make_database(&mut self) -> Result<bool, Error> {
        match &self.store {
            Some(store) => store.make(Span::default()),
            None => Ok(false),
        }
    }

    /// Gives up old snapshots as VACUUM does, or says what that would remove.
    pub fn collect_garbage(&mut self, dry_run: bool) -> Result<ResultStream, Error> {
        statement::begins(self, None);
        vacuum::run(self, dry_run, Span::default())
    }

    /// The commit that a text means: the name of a branch or a snapshot, the beginning of a hash, or a time.
    pub fn commit_named(&mut self, text: &str) -> Result<String, Error> {
        timeline::commit_named(self, text).map(|commit| commit.to_string())
    }

    /// The record of a commit, as names and values.
    pub fn commit_record(&mut self, text: &str) -> Result<ResultStream, Error> {
        timeline::record_of(self, text)
    }

    /// The first parent of a commit; none if it has no parent.
    pub fn parent_of(&mut self, commit: &str) -> Result<Option<String>, Error> {
        timeline::parent_of(self, commit)
    }

    /// Size and root of the log.
    pub fn log_root(&mut self) -> Result<(u64, String), Error> {
        timeline::log_root(self)
    }

    /// A proof, as JSON.
    pub fn prove(&mut self, what: &Provable) -> Result<String, Error> {
        timeline::proofs::prove_commit(self, what)
    }

    /// The first of several results; the others follow it.
    fn show_all(&mut self, streams: Vec<ResultStream>) -> StatementResult {
        self.pending.extend(streams);
        match self.pending.pop_front() {
            Some(first) => StatementResult::Rows(first),
            None => StatementResult::Done,
        }
    }

    /// A result behind those of the same statement.
    fn show_after(&mut self, first: StatementResult, last: ResultStream) -> StatementResult {
        match first {
            StatementResult::Rows(_) => {
                self.pending.push_back(last);
                first
            }
            _ => StatementResult::Rows(last),
        }
    }

    /// Begins the transaction of a body that changes something, unless there is one. One that does not sees everything as it
    /// is now.
    fn begin_body(&mut self, changes: bool, span: Span) -> Result<Begun, Error> {
        if self.in_transaction() || self.within.is_some() || self.reads_one_view {
            return Ok(Begun::Nothing);
        }
        if changes {
            return self.begin(false, None, span).map(|()| Begun::Transaction);
        }
        self.refresh_view(span)?;
        if self.settings.isolation == isolation::Isolation::ReadCommitted {
            return Ok(Begun::Nothing);
        }
        self.reads_one_view = true;
        Ok(Begun::View)
    }

    /// Ends it.
    fn end_body(&mut self, begun: Begun, done: bool, span: Span) -> Result<(), Error> {
        match begun {
            Begun::Transaction if done => self.commit(Message::Kind("body"), span),
            Begun::Transaction => self.rollback(span),
            Begun::View => {
                self.reads_one_view = false;
                Ok(())
            }
            Begun::Nothing => Ok(()),
        }
    }

    /// What was to be told beside the results of statements since it was last asked: warnings, with places in the script that ran last; those about
    /// jobs of another one have none.
    pub fn notices(&mut self) -> Vec<Diagnostic> {
        let mut notices = std::mem::take(&mut self.relations.routines.notices);
        notices.extend(self.failed_jobs());
        notices
    }

    /// What stops the statement that runs, from any thread.
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Drops what makes a second run faster: decoded chunks, compiled code, and open files.
    pub fn clear_caches(&mut self) {
        self.engine.clear_caches();
    }

    /// Drops compiled code only.
    pub fn clear_kernels(&mut self) {
        self.engine.clear_kernels();
    }

    /// Tables of the session's folder, and the columns of every relation opened so far; for completion.
    pub fn names(&mut self) -> Vec<String> {
        self.relations.completions()
    }
}

/// What a body has begun, and has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Nothing,
    /// It reads one state of the database.
    View,
    Transaction,
}

/// The statements of a script, each run as it is asked for.
pub struct Execution<'s> {
    session: &'s mut Session,
    script: String,
    statements: std::vec::IntoIter<(Statement, Dialect)>,
    error: Option<Error>,
    parse: Duration,
}

impl Iterator for Execution<'_> {
    type Item = Result<StatementResult, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        if let Some(stream) = self.session.pending.pop_front() {
            return Some(Ok(StatementResult::Rows(stream.outside())));
        }
        let (statement, dialect) = self.statements.next()?;
        let phases = Phases {
            parse: std::mem::take(&mut self.parse),
            ..Phases::default()
        };
        self.session.statement = text_of(&self.script, statement.span).into();
        let result = statement::run(self.session, &statement, dialect, phases);
        let result = result.map_err(|error| error.resolved(&self.session.relations.routines.sources, statement.span));
        let result = result.map(StatementResult::outside);
        if result.is_err() {
            self.statements = Vec::new().into_iter();
        }
        Some(result)
    }
}

fn text_of(script: &str, span: Span) -> &str {
    script.get(span.start as usize..span.end as usize).unwrap_or_default()
}

/// Stops the statement that runs in a session.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Mutex<Armed>>);

#[derive(Debug, Default)]
struct Armed {
    /// Of the query that runs.
    query: CancelToken,
    /// Of the body that it stands in.
    body: Option<CancelToken>,
    /// When the statement is to have ended.
    deadline: Option<Instant>,
}

impl Interrupt {
    /// Asks the running statement to stop; one that starts later is not concerned.
    pub fn cancel(&self) {
        let armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        armed.query.cancel();
        armed.body.iter().for_each(CancelToken::cancel);
    }

    /// A statement begins, which may take so long; not one of a body, which has the time of the statement that runs the body.
    fn begin(&self, timeout_ms: u64) {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.body.is_none() {
            armed.deadline = (timeout_ms > 0).then(|| Instant::now() + Duration::from_millis(timeout_ms));
        }
    }

    /// Whether a body runs.
    fn is_in_body(&self) -> bool {
        let armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        armed.body.is_some()
    }

    /// The token of the statement that runs.
    fn token(&self) -> CancelToken {
        let armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        armed.body.as_ref().unwrap_or(&armed.query).clone()
    }

    /// A fresh token for a query that starts.
    fn arm(&self) -> CancelToken {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = CancelToken::until(armed.deadline);
        if armed.body.as_ref().is_some_and(CancelToken::is_cancelled) {
            token.cancel();
        }
        armed.query = token.clone();
        token
    }

    /// A body begins: its token stays while queries of it come and go. The token of the body around it comes back.
    fn enter(&self, token: CancelToken) -> Option<CancelToken> {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        armed.body.replace(token)
    }

    /// A body has ended; what it stands in is stopped by its token again.
    fn exit(&self, outer: Option<CancelToken>) {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = std::mem::replace(&mut armed.body, outer) {
            armed.query = token;
        }
    }
}
