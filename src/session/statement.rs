//! Runs one statement: decides by its kind, and takes a query through its phases.
//!
//! `SELECT 1/0` binds, compiles, and fails while it runs, so its error comes out of the [`ResultStream`], not from here.
//!
//! Invariants: nothing has run when binding fails.
//!
//! Does not: parse, or hold rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use gobi_grammar::ast::{ObjectKind, Query, Set, Span, Statement, StatementKind};
use gobi_grammar::{Diagnostic, Dialect};

use super::adding;
use super::change::Running;
use super::kept::{Key, Slot};
use super::relations::{Relations, Scanned, StatementTables};
use super::stages::with_bound;
use super::store::StatementLocks;
use super::{
    Error, Phases, ResultStream, Session, StatementResult, attach, caches, compact, copy, explain, prepared, routines,
    script, settings, show, testing, timeline, transactions, types,
};
use crate::catalog::TableDef;
use crate::exec::{CancelToken, Engine, Lines, Prepared, QueryOptions};
use crate::plan::change::{Change, Layout, Unchecked};
use crate::plan::{self, logical};
use crate::store::table::Given;
use crate::types::arrow::arrow_schema;
use crate::types::stack::with_bytes;
use crate::types::{Field, Value, array};

/// A worker that fills a table wants so much of the memory limit.
const BYTES_PER_WORKER: usize = 160 << 20;

/// Rows of a batch that a body takes.
const ROWS_OF_BODY: usize = 1 << 14;
/// Bytes of rows that are made before a body takes them.
const AHEAD_OF_BODY_BYTES: usize = 1 << 20;

/// Runs a statement, or starts it if it gives rows.
pub fn run(
    session: &mut Session,
    statement: &Statement,
    dialect: Dialect,
    phases: Phases,
) -> Result<StatementResult, Error> {
    let running = Running {
        dialect,
        phases,
        span: statement.span,
        only_bind: false,
    };
    begins(session, Some(&statement.kind));
    testing::refuse_beyond_branch(session, &statement.kind, statement.span)?;
    if let Some(result) = transactions::run(session, &statement.kind, statement.span) {
        return result;
    }
    if let Some(done) = local(session, &statement.kind, running) {
        return done;
    }
    if let Some(result) = timeline::run(session, &statement.kind, running) {
        return result;
    }
    if transactions::changes(&statement.kind) {
        return transactions::change(session, &statement.kind, running);
    }
    session.refresh_view(statement.span)?;
    match &statement.kind {
        StatementKind::Prepare(prepare) => prepared::define(session, prepare, dialect).map(|()| StatementResult::Done),
        StatementKind::Deallocate(which) => prepared::deallocate(session, which).map(|()| StatementResult::Done),
        StatementKind::Execute(execute) => prepared::run(session, execute, dialect, phases, statement.span),
        StatementKind::Query(query) => {
            let stream = query_stream(session, query.unstreamed(), dialect, phases, statement.span)?;
            Ok(StatementResult::Rows(stream))
        }
        StatementKind::Copy(copy) => copy::run(session, copy, dialect, phases, statement.span),
        StatementKind::Explain(explain) => explain::run(session, explain, dialect, phases, statement.span),
        StatementKind::Set(set) => assign(session, set),
        StatementKind::Show(what) => show::run(session, what, statement.span),
        StatementKind::Maintain(maintain) => compact::run(session, maintain, statement.span),
        kind if routines::is_ours(kind) => routines::run(session, statement, running),
        StatementKind::Cache(cache) => Ok(caches::run(session, *cache, statement.span)),
        StatementKind::Attach(what) => attach::attach(session, what, statement.span).map(|()| StatementResult::Done),
        StatementKind::Detach(what) => attach::detach(session, what, statement.span).map(|()| StatementResult::Done),
        StatementKind::DescribeObject(object) => routines::describe(session, object, running),
        StatementKind::Describe(query) => show::describe(session, query, dialect, statement.span),
        other => Err(Error::new(Diagnostic::new(
            "0A000",
            statement.span,
            format!("{} is not supported yet", other.name()),
        ))),
    }
}

/// What is about the session's own definitions, and no database's.
fn local(session: &mut Session, kind: &StatementKind, running: Running) -> Option<Result<StatementResult, Error>> {
    match kind {
        StatementKind::DefineType(define) if session.store.is_none() => {
            let declared = types::declare(session, define, running);
            Some(declared.and_then(|()| types::shown(session, define, running)))
        }
        StatementKind::DefineType(define) if !define.instance.is_empty() => {
            let declared = transactions::change(session, kind, running);
            Some(declared.and_then(|_| types::shown(session, define, running)))
        }
        StatementKind::DefineException(exception) if session.store.is_none() => {
            let declared = types::exceptions::declare(session, exception);
            Some(declared.map(|()| StatementResult::Done))
        }
        StatementKind::AlterType(alter) if session.store.is_none() => {
            let altered = types::alter_local(session, alter, running);
            Some(altered.map(|()| StatementResult::Done))
        }
        StatementKind::Module(module) if session.store.is_none() => {
            let statement = Statement {
                kind: StatementKind::Module(module.clone()),
                span: running.span,
            };
            Some(routines::run(session, &statement, running))
        }
        StatementKind::Drop(drop) if drop.kind == ObjectKind::Audit => {
            let dropped = routines::drop_audit(session, drop, running);
            Some(dropped.map(|()| StatementResult::Done))
        }
        StatementKind::Drop(drop) => {
            let dropped = types::drop_local(session, drop).map(|done| done.map(|()| StatementResult::Done));
            dropped.or_else(|| routines::drop_local(session, kind))
        }
        _ => None,
    }
}

/// Tells the database that a statement begins, and what it does about locks.
pub fn begins(session: &mut Session, kind: Option<&StatementKind>) {
    if session.within.is_some() {
        // It is part of the statement around it.
        return;
    }
    session.interrupt.begin(session.settings.statement_timeout_ms);
    session.relations.held.clear();
    if session.store.is_none() && session.databases.attached.is_empty() {
        return;
    }
    let locks = StatementLocks {
        text: session.statement.clone(),
        isolation: session.settings.isolation,
        timeout_ms: session.settings.lock_timeout_ms,
        interrupt: session.interrupt.clone(),
        changes: kind.is_none_or(transactions::changes),
        upserts: kind.is_some_and(transactions::upserts),
        adds_to: kind.and_then(adding::target).cloned(),
        compacts: session.settings.auto_compact,
        memory_bytes: session.settings.memory_bytes(),
        lane: session.lane,
    };
    session.databases.runs(&locks);
    if let Some(store) = &mut session.store {
        store.runs(locks);
    }
}

/// The rows of a change, and where they have what; `raw`: without what is computed of them.
pub fn changed_rows(
    session: &mut Session,
    change: &Change<'_>,
    raw: bool,
    running: Running,
) -> Result<(ResultStream, Layout), Error> {
    let span = running.span;
    if session.explaining.is_some() {
        let (compiled, layout) = compiled_change(session, change, raw, running)?;
        return Ok((run_compiled(&session.engine, compiled, span)?, layout));
    }
    // What checks the rows later is no part of the plan that is kept.
    let slot = session.relations.slot.take();
    if let Some(given) = given_rows(session, change, running) {
        return Ok(given);
    }
    session.relations.slot = slot;
    let options = change_options(session);
    let bind: Bind<'_> = &mut |relations| bound_change(relations, change, raw, running);
    with_bound(session, bind, &options, running, |engine, bound, layout| {
        Ok((start(engine, bound, &options, span)?, layout))
    })
}

/// The same for rows that are written out, if they can be staged as they are.
pub fn given(session: &mut Session, change: &Change<'_>, def: &TableDef, running: Running) -> Option<Given> {
    if !Given::suits(def) {
        return None;
    }
    let tables = StatementTables::new(&mut session.relations);
    let (columns, _) = plan::given_rows(change, running.dialect, &tables)?;
    let given = Given::new(def, columns).ok()?;
    session.relations.slot = None;
    session.interrupt.arm();
    Some(given)
}

/// The same for any rows that are written out.
fn given_rows(session: &mut Session, change: &Change<'_>, running: Running) -> Option<(ResultStream, Layout)> {
    let tables = StatementTables::new(&mut session.relations);
    let (columns, layout) = plan::given_rows(change, running.dialect, &tables)?;
    // That a value is missing is told by who checks the rows.
    let Unchecked { fields, schema } = change.shape.unchecked();
    let arrays = columns.iter().zip(fields);
    let arrays = arrays.map(|(values, field)| array::from_values(values, &field.ty).ok());
    let arrays: Vec<ArrayRef> = arrays.collect::<Option<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(columns.first().map(Vec::len));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).ok()?;
    // Nothing runs here, but locks may be waited for, and that can be stopped.
    session.interrupt.arm();
    let stream = ResultStream::of_batch(fields.clone(), batch, running.phases, running.span);
    Some((stream, layout))
}

/// A change that has not started, for EXPLAIN, which notes its plan.
pub fn compiled_change(
    session: &mut Session,
    change: &Change<'_>,
    raw: bool,
    running: Running,
) -> Result<(Compiled, Layout), Error> {
    let mut options = change_options(session);
    let capture = session.explaining.as_ref();
    if let Some(show) = capture.map(explain::Capture::options) {
        (options.dump_code, options.estimates, options.analyze) = (show.jit, true, show.analyze);
    }
    let (bound, layout) = bound_change(&mut session.relations, change, raw, running)?;
    let placed = place(bound, running.span)?;
    let compiled = prepare(&session.engine, placed, &options, running.span)?;
    if let Some(capture) = &mut session.explaining {
        capture.note_plan(&compiled);
    }
    Ok((compiled, layout))
}

/// A query whose names are resolved, and what it was resolved with.
pub(super) struct Bound<'r> {
    pub(super) query: logical::Query,
    pub(super) tables: StatementTables<'r>,
    pub(super) phases: Phases,
    /// Where its plan is kept.
    pub(super) slot: Option<Slot>,
}

/// The change as it is kept, or bound anew.
fn bound_change<'r>(
    relations: &'r mut Relations,
    change: &Change<'_>,
    raw: bool,
    running: Running,
) -> Result<(Bound<'r>, Layout), Error> {
    let key = Key {
        raw,
        old: change.old.clone(),
        ..Key::query(change.span, running.dialect)
    };
    kept_or_bound(relations, key, running.phases, &mut |tables| match raw {
        true => plan::bind_raw_change(change, running.dialect, tables),
        false => plan::bind_change(change, running.dialect, tables),
    })
}

type Binding<'b> = &'b mut dyn FnMut(&mut StatementTables<'_>) -> Result<(logical::Query, Layout), Vec<Diagnostic>>;

/// A plan from its slot, with the values of now; otherwise one that is bound anew, and kept if somebody wants that.
fn kept_or_bound<'r>(
    relations: &'r mut Relations,
    key: Key,
    mut phases: Phases,
    bind: Binding<'_>,
) -> Result<(Bound<'r>, Layout), Error> {
    let clock = Instant::now();
    let mut slot = relations.slot.take().filter(Slot::wants);
    let mut tables = StatementTables::after_calls(relations);
    let kept = slot.as_ref().and_then(|slot| slot.planned(&key, &mut tables));
    let made = match kept {
        Some(made) => Some(made),
        None => slot.as_ref().and_then(|slot| {
            tables.restart(true);
            let made = bind(&mut tables).map(|(query, layout)| (simplified(query), layout));
            match &made {
                Ok((query, layout)) => slot.keep(key, query, layout, &tables),
                // What needs the values, or is wrong: who binds it with them will see.
                Err(_) => slot.give_up(),
            }
            made.ok()
        }),
    };
    let (query, layout) = match made {
        Some(made) => made,
        None => {
            slot = None;
            tables.restart(false);
            let (query, layout) = bind(&mut tables).map_err(Error::all)?;
            (simplified(query), layout)
        }
    };
    phases.bind = clock.elapsed();
    let bound = Bound {
        query,
        tables,
        phases,
        slot,
    };
    Ok((bound, layout))
}

/// The bound query, with less to do.
pub(super) fn simplified(query: logical::Query) -> logical::Query {
    with_bytes(query.stack_bytes(), || plan::simplify(query))
}

/// Looks for errors in a change.
pub fn bind_change(session: &mut Session, change: &Change<'_>, running: Running) -> Result<Layout, Error> {
    let mut tables = StatementTables::new(&mut session.relations);
    let bound = plan::bind_change(change, running.dialect, &mut tables);
    let named = tables.named();
    if let Some(naming) = &mut session.relations.naming {
        naming.names.extend(named);
    }
    bound.map(|(_, layout)| layout).map_err(Error::all)
}

/// A query that runs: its rows come as they are asked for.
pub fn query_stream(
    session: &mut Session,
    query: &Query,
    dialect: Dialect,
    phases: Phases,
    span: Span,
) -> Result<ResultStream, Error> {
    let options = options(session);
    let running = Running {
        dialect,
        phases,
        span,
        only_bind: false,
    };
    let bind: Bind<'_> = &mut |relations| bound(relations, query, dialect, phases);
    let mut stream = routines::at_its_time(session, query, running, |session| {
        with_bound(session, bind, &options, running, |engine, bound, _| {
            start(engine, bound, &options, span)
        })
    })?;
    stream.sources = Some(session.relations.routines.sources.clone());
    stream.held = std::mem::take(&mut session.relations.held);
    Ok(stream)
}

/// A query that runs, whose rows have these types.
pub fn stream_into(
    session: &mut Session,
    query: &Query,
    wanted: &[Field],
    running: Running,
) -> Result<ResultStream, Error> {
    let options = options_of_rows(options(session));
    rows_into(session, query, wanted, &options, running)
}

/// The same for a query that goes on beyond the statement which opens it, and so is stopped by its reader only.
pub fn open_stream(
    session: &mut Session,
    query: &Query,
    wanted: &[Field],
    running: Running,
) -> Result<ResultStream, Error> {
    let options = QueryOptions {
        paused: true,
        ..options_of_rows(stopped_by(session, CancelToken::default()))
    };
    let mut stream = rows_into(session, query, wanted, &options, running)?;
    stream.sources = Some(session.relations.routines.sources.clone());
    stream.held = std::mem::take(&mut session.relations.held);
    Ok(stream)
}

/// A body takes rows one by one: short batches, of which few are made ahead, are enough, and need less memory.
fn options_of_rows(options: QueryOptions) -> QueryOptions {
    QueryOptions {
        batch_rows: options.batch_rows.min(ROWS_OF_BODY),
        ahead_bytes: options.ahead_bytes.min(AHEAD_OF_BODY_BYTES),
        ..options
    }
}

/// The rows of a query of a body that looks one row up by its key, if its plan is kept and says so.
pub fn looked_up(session: &Session, query: &Query, running: Running) -> Option<Vec<Vec<Value>>> {
    if query.as_of.is_some() || session.explaining.is_some() {
        return None;
    }
    let slot = session.relations.slot.as_ref()?;
    let rows = slot.looked_up(&Key::query(query.span, running.dialect), &session.relations);
    // More than one are told by who asks for one.
    rows.filter(|rows| rows.len() <= 1)
}

fn rows_into(
    session: &mut Session,
    query: &Query,
    wanted: &[Field],
    options: &QueryOptions,
    running: Running,
) -> Result<ResultStream, Error> {
    let key = Key::query(query.span, running.dialect);
    let bind: Bind<'_> = &mut |relations| {
        kept_or_bound(relations, key.clone(), running.phases, &mut |tables| {
            let bound = plan::bind_into(query, wanted, running.dialect, tables)?;
            Ok((bound, Layout::default()))
        })
    };
    routines::at_its_time(session, query, running, |session| {
        with_bound(session, bind, options, running, |engine, bound, _| {
            start(engine, bound, options, running.span)
        })
    })
}

/// A query that has not started.
pub struct Compiled {
    /// What the engine runs.
    pub prepared: Prepared,
    /// What it was made from.
    pub logical: logical::Query,
    /// The relations that it reads, if these do not depend on values.
    pub scanned: Option<Scanned>,
    /// The result's columns.
    pub fields: Vec<Field>,
    /// Time so far.
    pub phases: Phases,
}

/// Binds, optimises and compiles.
pub fn compile(
    session: &mut Session,
    query: &Query,
    dialect: Dialect,
    options: &QueryOptions,
    phases: Phases,
    span: Span,
) -> Result<Compiled, Error> {
    let running = Running {
        dialect,
        phases,
        span,
        only_bind: false,
    };
    let bind: Bind<'_> = &mut |relations| bound(relations, query, dialect, phases);
    routines::at_its_time(session, query, running, |session| {
        if !options.analyze {
            // What is only looked at calls nothing.
            let (bound, _) = bind(&mut session.relations)?;
            return prepare(&session.engine, place(bound, span)?, options, span);
        }
        with_bound(session, bind, options, running, |engine, bound, _| {
            prepare(engine, place(bound, span)?, options, span)
        })
    })
}

/// Binds a query, as often as that is needed.
pub(super) type Bind<'b> = &'b mut dyn for<'r> FnMut(&'r mut Relations) -> Result<(Bound<'r>, Layout), Error>;

fn bound<'r>(
    relations: &'r mut Relations,
    query: &Query,
    dialect: Dialect,
    phases: Phases,
) -> Result<(Bound<'r>, Layout), Error> {
    let key = Key::query(query.span, dialect);
    kept_or_bound(relations, key, phases, &mut |tables| {
        Ok((plan::bind(query, dialect, tables)?, Layout::default()))
    })
}

/// Optimises, compiles and starts a query; rows that are known already need no engine.
pub(super) fn start(
    engine: &Engine,
    mut bound: Bound<'_>,
    options: &QueryOptions,
    span: Span,
) -> Result<ResultStream, Error> {
    let options = &with_lines_of(&bound, options);
    if let Some(slot) = &bound.slot
        && let Some(prepared) = slot.code(&bound.query, &mut bound.tables, options)
    {
        let fields = bound.query.output.iter().map(|(_, field)| field.clone()).collect();
        let stream = engine.run(prepared).map_err(|error| Error::from_exec(error, span))?;
        return Ok(ResultStream::query(fields, stream, bound.phases, span));
    }
    let placed = place(bound, span)?;
    if let Some(batch) = known_rows(&placed.query, &placed.tables) {
        let fields = placed.query.output.into_iter().map(|(_, field)| field).collect();
        return Ok(ResultStream::returned(fields, vec![batch], placed.phases, span));
    }
    let slot = placed.slot.clone();
    let compiled = prepare(engine, placed, options, span)?;
    if let Some(slot) = slot {
        slot.keep_code(&compiled);
    }
    run_compiled(engine, compiled, span)
}

/// The options, with the lines of functions whose texts were read for the query.
fn with_lines_of(bound: &Bound<'_>, options: &QueryOptions) -> QueryOptions {
    let mut options = options.clone();
    if !bound.query.program.routines.is_empty() {
        let (known, sources) = (options.lines, bound.tables.relations().routines.sources.clone());
        options.lines = Lines::new(move |place| known.line(place).or_else(|| sources.line("", place)));
    }
    options
}

fn run_compiled(engine: &Engine, compiled: Compiled, span: Span) -> Result<ResultStream, Error> {
    let stream = engine.run(compiled.prepared);
    let stream = stream.map_err(|error| Error::from_exec(error, span))?;
    Ok(ResultStream::query(compiled.fields, stream, compiled.phases, span))
}

/// The rows of a query that is made of constants, or of a few rows that an index found.
fn known_rows(query: &logical::Query, tables: &StatementTables<'_>) -> Option<RecordBatch> {
    let (columns, rows) = plan::known::rows(query, tables)?;
    let array = |(values, (_, field)): (&Vec<Value>, &(_, Field))| array::from_values(values, &field.ty).ok();
    let arrays: Vec<ArrayRef> = columns.iter().zip(&query.output).map(array).collect::<Option<_>>()?;
    let fields: Vec<Field> = query.output.iter().map(|(_, field)| field.clone()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(arrow_schema(&fields), arrays, &options).ok()
}

/// Optimises what is bound.
fn place(bound: Bound<'_>, span: Span) -> Result<Bound<'_>, Error> {
    with_bytes(bound.query.stack_bytes(), || place_here(bound, span))
}

fn place_here(mut bound: Bound<'_>, span: Span) -> Result<Bound<'_>, Error> {
    let clock = Instant::now();
    bound.query = plan::place(bound.query, &mut bound.tables);
    if let Some(error) = bound.tables.failed() {
        return Err(Error::new(Diagnostic::new(error.code, span, error.message.clone())));
    }
    bound.tables.note_reads(&bound.query);
    bound.phases.optimize = clock.elapsed();
    Ok(bound)
}

/// Compiles what is optimised.
fn prepare(engine: &Engine, placed: Bound<'_>, options: &QueryOptions, span: Span) -> Result<Compiled, Error> {
    with_bytes(placed.query.stack_bytes(), || {
        prepare_here(engine, placed, options, span)
    })
}

fn prepare_here(engine: &Engine, placed: Bound<'_>, options: &QueryOptions, span: Span) -> Result<Compiled, Error> {
    let clock = Instant::now();
    let Bound {
        query: optimized,
        mut tables,
        mut phases,
        ..
    } = placed;
    let made = tables.make_picked();
    made.map_err(|error| Error::new(Diagnostic::new(error.code, span, error.message)))?;
    let physical = plan::physical::plan(&optimized, &tables, options.estimates)
        .map_err(|error| Error::new(Diagnostic::new("0A000", span, error.to_string())))?;
    phases.optimize += clock.elapsed();
    let scanned = tables.all_scanned();
    let relations = tables.into_relations();
    let prepared = engine.prepare(physical, &relations, options);
    let prepared = prepared.map_err(|error| Error::from_exec(error, span))?;
    phases.compile = Duration::from_micros(prepared.phases().compile_us);
    let fields = optimized.output.iter().map(|(_, field)| field.clone()).collect();
    Ok(Compiled {
        prepared,
        logical: optimized,
        scanned,
        fields,
        phases,
    })
}

/// Resolves names and types.
pub fn bind(query: &Query, dialect: Dialect, tables: &mut StatementTables<'_>) -> Result<logical::Query, Error> {
    plan::bind(query, dialect, tables).map_err(Error::all)
}

/// How the session's settings want a query run.
pub fn options(session: &Session) -> QueryOptions {
    stopped_by(session, session.interrupt.arm())
}

/// The same for a statement whose rows are stored: files that it reads are not expected to be read again, and each worker has a
/// part of a file in memory, decoded, while those that were read before are being encoded.
fn change_options(session: &Session) -> QueryOptions {
    let options = options(session);
    let workers = (options.memory_limit_bytes / BYTES_PER_WORKER).max(1);
    QueryOptions {
        keeps_chunks: false,
        threads: options.threads.min(workers),
        ..options
    }
}

/// The same for what runs inside another statement, and is to stop with it.
pub fn options_inside(session: &Session) -> QueryOptions {
    stopped_by(session, session.interrupt.token())
}

fn stopped_by(session: &Session, cancel: CancelToken) -> QueryOptions {
    let settings = &session.settings;
    QueryOptions {
        threads: settings.thread_count(),
        memory_limit_bytes: settings.memory_bytes(),
        jit: settings.jit,
        batch_rows: settings.batch_rows,
        dump_code: false,
        estimates: false,
        analyze: false,
        keeps_chunks: true,
        ahead_bytes: QueryOptions::ahead_of(settings.memory_bytes()),
        paused: false,
        cancel,
        lines: lines(session),
    }
}

/// Tells the lines of the script that runs, and of the texts of functions.
fn lines(session: &Session) -> Lines {
    let sources = session.relations.routines.sources.clone();
    let script = Arc::clone(&session.script);
    Lines::new(move |place| sources.line(&script, place))
}

fn assign(session: &mut Session, set: &Set) -> Result<StatementResult, Error> {
    let setting = settings::find(&set.name.text).ok_or_else(|| show::unknown_setting(&set.name))?;
    let invalid = |message: String| Error::new(Diagnostic::new("22023", set.value.span, message));
    let text = script::value_text(&set.value).ok_or_else(|| {
        invalid(format!(
            "`{}` takes {}, not an expression",
            setting.name, setting.values
        ))
    })?;
    session.settings.set(setting, &text).map_err(invalid)?;
    Ok(StatementResult::Done)
}
