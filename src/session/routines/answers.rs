//! Answers what a body asks: queries, changes of data, savepoints.
//!
//! `(SELECT max(a) FROM t WHERE b = x)` is bound and run with the value of `x` in the place of the name.
//!
//! Invariants: a query gives rows of the types that the body was checked with.
//!
//! Does not: keep anything beyond the body, but what is shown.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Ident, Span};

use super::sources::Sources;
use super::streams::Cursor;
use super::{Running, spawned};
use crate::exec::routine::Answers;
use crate::exec::spent::{At, Spent};
use crate::exec::{CancelToken, ExecError};
use crate::procedure::{Checked, Question, QuestionKind};
use crate::session::kept::{Slot, has_one_plan};
use crate::session::{
    Error, ErrorKind, ResultStream, Session, StatementResult, appender, statement, target, transactions,
};
use crate::types::arrow::{arrow_schema, to_arrow};
use crate::types::{Field, LogicalType, Value, array, cell};

/// Where plans of a body's questions are kept, as long as the body is.
#[derive(Debug, Default)]
pub struct Slots(Vec<Slot>);

impl Slots {
    /// For a body.
    pub fn of_body(checked: &Checked) -> Self {
        Self(checked.questions.iter().map(|_| Slot::default()).collect())
    }

    fn of(&self, question: usize) -> Option<Slot> {
        self.0.get(question).cloned()
    }
}

/// The session, for one body.
pub struct Answering<'a> {
    session: &'a mut Session,
    checked: &'a Checked,
    /// Plans of what it asks.
    slots: &'a Slots,
    running: Running,
    /// Loops over rows that are open, innermost last.
    open: Vec<Rows>,
    savepoints: usize,
    /// It changes something, which TRY may undo.
    changes: bool,
    /// Rows that statements have written, for the profile.
    written: u64,
    /// Results of bare queries, in order.
    pub shown: Vec<ResultStream>,
    /// The error of the session that the body failed with, whole.
    error: Option<Error>,
}

/// The rows of a loop.
enum Rows {
    /// Of its own query.
    Own(Box<Cursor>),
    /// Of a stream of the session.
    Of(i64),
}

impl<'a> Answering<'a> {
    pub fn new(session: &'a mut Session, (checked, slots): (&'a Checked, &'a Slots), running: Running) -> Self {
        Self {
            session,
            checked,
            slots,
            running,
            open: Vec::new(),
            savepoints: 0,
            changes: checked.questions.iter().any(|question| !question.kind.only_reads()),
            written: 0,
            shown: Vec::new(),
            error: None,
        }
    }

    /// What the body failed with: the session's own error, if it was one.
    pub fn error(&mut self, error: ExecError, statement: Span) -> Error {
        match self.error.take() {
            Some(mut own) if said(&own) == error.message => {
                if let Some(first) = own.diagnostics.first_mut() {
                    Sources::set_calls(first, &error.through);
                }
                own
            }
            _ => Error::from_exec(error, statement),
        }
    }

    /// Does something for a question: one of a text of the database is about what that has.
    fn as_kept<T>(&mut self, question: &Question, work: impl FnOnce(&mut Self) -> T) -> T {
        let routines = &self.session.relations.routines;
        let kept = question.span().is_some_and(|span| routines.is_kept(span));
        let outer = std::mem::replace(&mut self.session.relations.kept, kept);
        let done = work(self);
        self.session.relations.kept = outer;
        done
    }

    fn ask(&mut self, question: &Question, given: Vec<Value>) -> Result<Option<Vec<Value>>, Error> {
        let span = self.running.span;
        match &question.kind {
            QuestionKind::Row(query, fields) => self.row(query, fields, question).map(Some),
            QuestionKind::Exists(query) => self.exists(query).map(|found| Some(vec![Value::Boolean(found)])),
            QuestionKind::Open(query, fields) => {
                let mut stream = self.stream(query, Some(fields))?;
                stream.watch(&self.stop());
                self.open.push(Rows::Own(Box::new(Cursor::new(stream))));
                Ok(None)
            }
            QuestionKind::Stream(query, fields) => {
                self.session.refresh_view(span)?;
                let stream = statement::open_stream(self.session, query, fields, self.running)?;
                let number = self.session.streams.open(stream, query.span)?;
                let number = Value::Int(i128::from(number));
                Ok(Some(vec![Value::Struct(vec![number, Value::Null])]))
            }
            QuestionKind::HasNext | QuestionKind::Batch | QuestionKind::GiveUp | QuestionKind::Follow => {
                self.about_stream(&question.kind, &given)
            }
            QuestionKind::Next => self.next_row(),
            QuestionKind::Close => {
                self.open.pop();
                Ok(None)
            }
            QuestionKind::Run(change) => self.run(change, given).map(|()| None),
            QuestionKind::Rows { .. } | QuestionKind::Flush => Ok(None),
            QuestionKind::Show(query) => {
                let mut stream = self.stream(query, None)?;
                // Errors keep their places, by which CATCH tells the line.
                stream.sources = None;
                let (fields, phases) = (stream.fields().to_vec(), stream.phases());
                let batches = stream.collect::<Result<Vec<_>, _>>()?;
                self.shown.push(ResultStream::returned(fields, batches, phases, span));
                Ok(None)
            }
            QuestionKind::ShowArray(fields) => self.show_rows(given, fields).map(|()| None),
            QuestionKind::Savepoint => self.begin_savepoint().map(|()| None),
            QuestionKind::Spawn(call) => self.spawn(call, question, given).map(|future| Some(vec![future])),
            QuestionKind::Await => self.wait(given.first()),
            QuestionKind::Keep => self.end_savepoint(false),
            QuestionKind::Undo => self.end_savepoint(true),
        }
    }

    /// Waits for a future, whose value is taken, or for a job by its number, whose value is nobody's.
    fn wait(&mut self, job: Option<&Value>) -> Result<Option<Vec<Value>>, Error> {
        let (number, is_future) = match job {
            Some(Value::Int(number)) => (i64::try_from(*number).ok(), false),
            job => (job.and_then(spawned::number_of), true),
        };
        let value = match number {
            Some(number) => spawned::wait(self.session, number, self.running.span)?.1,
            None => Value::Null,
        };
        Ok(Some(vec![if is_future { value } else { Value::Null }]))
    }

    /// Shows the elements of an array as rows.
    fn show_rows(&mut self, given: Vec<Value>, fields: &[Field]) -> Result<(), Error> {
        let span = self.running.span;
        let rows = match given.into_iter().next() {
            Some(Value::Array(rows)) => rows,
            _ => Vec::new(),
        };
        let batch = batch_of(rows, fields, span)?;
        let stream = ResultStream::returned(fields.to_vec(), vec![batch], self.running.phases, span);
        self.shown.push(stream);
        Ok(())
    }

    /// Begins a call that runs by itself: its future.
    fn spawn(&mut self, call: &ast::Expr, question: &Question, given: Vec<Value>) -> Result<Value, Error> {
        let named = question.given.iter().zip(given);
        let given = named.map(|((name, ty), value)| (name.clone(), ty.clone(), value));
        let ty = match question.taken.first() {
            Some(LogicalType::Struct(fields)) => fields.get(1).map(|field| field.ty.clone()),
            _ => None,
        };
        let ty = ty.unwrap_or(LogicalType::Null);
        let number = spawned::spawn(self.session, (call, ty), given.collect(), self.running)?;
        Ok(Value::Struct(vec![Value::Int(i128::from(number)), Value::Null]))
    }

    fn savepoint(&self) -> Ident {
        Ident {
            text: format!("\0{}", self.savepoints),
            quoted: true,
            span: self.running.span,
        }
    }

    fn begin_savepoint(&mut self) -> Result<(), Error> {
        if !self.changes {
            return Ok(());
        }
        if let Some(within) = &mut self.session.within {
            within.savepoint();
            return Ok(());
        }
        let name = self.savepoint();
        self.in_transaction(|session| session.savepoint(&name))?;
        self.savepoints += 1;
        Ok(())
    }

    fn end_savepoint(&mut self, undo: bool) -> Result<Option<Vec<Value>>, Error> {
        if !self.changes {
            return Ok(None);
        }
        if let Some(within) = &mut self.session.within {
            within.end_savepoint(undo);
            return Ok(None);
        }
        self.savepoints = self.savepoints.saturating_sub(1);
        let name = self.savepoint();
        self.in_transaction(|session| {
            if undo {
                session.end_savepoint(&name, true)?;
            }
            session.end_savepoint(&name, false)
        })?;
        Ok(None)
    }

    fn in_transaction(&mut self, f: impl FnOnce(&mut Session) -> Result<(), Error>) -> Result<(), Error> {
        match self.session.in_transaction() {
            true => f(self.session),
            false => Ok(()),
        }
    }

    fn stream(&mut self, query: &ast::Query, wanted: Option<&[Field]>) -> Result<ResultStream, Error> {
        self.session.refresh_view(self.running.span)?;
        match wanted {
            Some(wanted) => statement::stream_into(self.session, query, wanted, self.running),
            None => {
                let running = self.running;
                statement::query_stream(self.session, query, running.dialect, running.phases, running.span)
            }
        }
    }

    /// The values of the only row; NULLs if there is none.
    fn row(&mut self, query: &ast::Query, fields: &[Field], question: &Question) -> Result<Vec<Value>, Error> {
        let mut row: Option<Vec<Value>> = None;
        self.session.refresh_view(self.running.span)?;
        if let Some(mut found) = statement::looked_up(self.session, query, self.running) {
            return Ok(as_wanted(found.pop(), fields, question));
        }
        for batch in self.stream(query, Some(fields))? {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            if row.is_some() || batch.num_rows() > 1 {
                let message = "the query gives more than one row";
                let help = "a query as a value gives at most one; add LIMIT 1, or loop over its rows";
                return Err(Error::new(
                    Diagnostic::new("21000", query.span, message).with_help(help),
                ));
            }
            row = Some(batch.columns().iter().map(|column| cell::value(column, 0)).collect());
        }
        Ok(as_wanted(row, fields, question))
    }

    fn exists(&mut self, query: &ast::Query) -> Result<bool, Error> {
        self.session.refresh_view(self.running.span)?;
        if let Some(found) = statement::looked_up(self.session, query, self.running) {
            return Ok(!found.is_empty());
        }
        for batch in self.stream(query, None)? {
            if batch?.num_rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn next_row(&mut self) -> Result<Option<Vec<Value>>, Error> {
        let Some(rows) = self.open.last_mut() else {
            return Ok(None);
        };
        let next = match rows {
            Rows::Own(cursor) => cursor.next_row(),
            Rows::Of(number) => {
                let (number, stop) = (*number, self.stop());
                self.session.streams.next_row(number, &stop, self.running.span)
            }
        };
        if !matches!(next, Ok(Some(_))) {
            self.open.pop();
        }
        next
    }

    /// The token of the statement that the body is of.
    fn stop(&self) -> CancelToken {
        statement::options_inside(self.session).cancel
    }

    /// What a stream is asked.
    fn about_stream(&mut self, what: &QuestionKind, given: &[Value]) -> Result<Option<Vec<Value>>, Error> {
        let span = self.running.span;
        let Some(number) = given.first().and_then(spawned::number_of) else {
            let message = "there is no stream: the value is NULL";
            return Err(Error::new(Diagnostic::new("22004", span, message)));
        };
        let stop = self.stop();
        let streams = &mut self.session.streams;
        let answer = match what {
            QuestionKind::HasNext => Value::Boolean(streams.has_next(number, &stop, span)?),
            QuestionKind::Batch => {
                let wanted = given.get(1).and_then(Value::as_int);
                streams.next(number, wanted, &stop, span)?
            }
            QuestionKind::Follow => {
                self.open.push(Rows::Of(number));
                return Ok(None);
            }
            _ => {
                streams.close(number);
                return Ok(None);
            }
        };
        Ok(Some(vec![answer]))
    }

    /// Adds rows that were collected, or leaves everything as it was.
    fn try_to_add(&mut self, number: usize, arrays: Vec<ArrayRef>) -> Result<(), Error> {
        self.begin_savepoint()?;
        let added = self.add(number, arrays);
        let ended = self.end_savepoint(added.is_err());
        added.and(ended.map(drop))
    }

    /// Adds rows that were collected.
    fn add(&mut self, number: usize, arrays: Vec<ArrayRef>) -> Result<(), Error> {
        let Some(Question {
            kind: QuestionKind::Rows { table, columns, span },
            dialect,
            ..
        }) = self.checked.questions.get(number)
        else {
            return Err(Error::new(Diagnostic::new(
                "XX000",
                self.running.span,
                "rows for nobody",
            )));
        };
        let running = Running {
            dialect: *dialect,
            span: *span,
            ..self.running
        };
        let batch = RecordBatch::try_new(arrow_schema_nullable(columns), arrays);
        let batch = batch.map_err(|error| Error::new(Diagnostic::new("XX000", *span, error.to_string())))?;
        let batches = [batch];
        let columns = columns.clone();
        statement::begins(self.session, None);
        let which = target::of_name(self.session, table, *span)?;
        if self.session.store_of(which).is_none() {
            return Err(transactions::without_database("INSERT", *span));
        }
        transactions::framed_in(self.session, (which, false), "INSERT", *span, &mut |session, view| {
            appender::put(session, view, table, (&batches, Some(&columns)), running)
        })?;
        Ok(())
    }

    fn run(&mut self, change: &ast::Statement, _given: Vec<Value>) -> Result<(), Error> {
        let running = self.running;
        match statement::run(self.session, change, running.dialect, running.phases)? {
            StatementResult::RowsAffected(rows) => self.written += rows,
            StatementResult::Done => {}
            StatementResult::Rows(stream) => {
                let (fields, phases) = (stream.fields().to_vec(), stream.phases());
                let batches = stream.collect::<Result<Vec<_>, _>>()?;
                let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                // What CALL gives was written by nobody.
                let is_returning = !matches!(change.kind, ast::StatementKind::CallRoutine(_));
                self.written += if is_returning { rows as u64 } else { 0 };
                let shown = ResultStream::returned(fields, batches, phases, running.span);
                self.shown.push(shown);
            }
        }
        Ok(())
    }
}

impl Answers for Answering<'_> {
    fn written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }

    fn line(&self, place: u32) -> Option<u32> {
        self.session
            .relations
            .routines
            .sources
            .line(&self.session.script, place)
    }

    fn spent(&mut self, spent: Spent) {
        let relations = &mut self.session.relations;
        let questions = &self.checked.questions;
        let place = |at| match at {
            At::Place(place) => Some(place),
            // The next row is asked for behind the question that opened the rows.
            At::Question(number) => {
                let mut before = questions.iter().take(number + 1).rev();
                before.find_map(Question::span).map(|span| span.start)
            }
        };
        relations
            .routines
            .profiles
            .add(spent, &place, &relations.routines.sources);
    }

    fn rows(&mut self, number: usize, columns: Vec<ArrayRef>, tried: bool) -> Result<(), ExecError> {
        let outer = self.session.relations.routines.inside.take();
        let outer_slot = self.session.relations.slot.take();
        let added = match self.checked.questions.get(number) {
            Some(question) => self.as_kept(question, |answering| match tried {
                true => answering.try_to_add(number, columns),
                false => answering.add(number, columns),
            }),
            None => self.add(number, columns),
        };
        self.session.relations.slot = outer_slot;
        self.session.relations.routines.inside = outer;
        match added {
            Ok(()) => {
                // What was refused before was added in another order.
                self.error = None;
                Ok(())
            }
            Err(error) => {
                let exec = to_exec(&error);
                self.error = Some(error);
                Err(exec)
            }
        }
    }

    fn answer(&mut self, number: usize, given: Vec<Value>) -> Result<Option<Vec<Value>>, ExecError> {
        let checked = self.checked;
        let Some(question) = checked.questions.get(number) else {
            return Err(ExecError::internal("a body asks what nobody knows"));
        };
        let named = question.given.iter().zip(&given);
        let inside = named
            .map(|((name, ty), value)| (name.to_lowercase(), (ty.clone(), value.clone())))
            .collect();
        let running = self.running;
        self.running.dialect = question.dialect;
        let routines = &mut self.session.relations.routines;
        let outer = routines.inside.replace(inside);
        let outer_lifted = std::mem::replace(&mut routines.lifted, question.functions.clone());
        let keeps = match &question.kind {
            QuestionKind::Run(change) => has_one_plan(&change.kind),
            _ => true,
        };
        let slot = self.slots.of(number).filter(|_| keeps);
        let outer_slot = std::mem::replace(&mut self.session.relations.slot, slot);
        let answer = self.as_kept(question, |answering| answering.ask(question, given));
        self.session.relations.slot = outer_slot;
        self.session.relations.routines.inside = outer;
        self.session.relations.routines.lifted = outer_lifted;
        self.running = running;
        answer.map_err(|error| {
            let exec = to_exec(&error);
            self.error = Some(error);
            exec
        })
    }
}

/// The only row of a query as the values that a question takes; NULLs if there is none.
fn as_wanted(row: Option<Vec<Value>>, fields: &[Field], question: &Question) -> Vec<Value> {
    let is_struct = question
        .taken
        .first()
        .is_some_and(|ty| fields.len() != 1 && ty.is_nested());
    match row {
        None => vec![Value::Null],
        Some(values) if is_struct => vec![Value::Struct(values)],
        Some(values) => values,
    }
}

/// Values as rows of these columns: structs of them, or values of the only one.
pub(super) fn batch_of(rows: Vec<Value>, fields: &[Field], span: Span) -> Result<RecordBatch, Error> {
    let wrong = |what: String| Error::new(Diagnostic::new("XX000", span, what));
    let count = rows.len();
    let mut columns: Vec<Vec<Value>> = fields.iter().map(|_| Vec::with_capacity(count)).collect();
    for row in rows {
        let mut cells = match row {
            Value::Struct(cells) if cells.len() == fields.len() => cells.into_iter(),
            value => vec![value].into_iter(),
        };
        for column in &mut columns {
            column.push(cells.next().unwrap_or(Value::Null));
        }
    }
    let arrays = columns.iter().zip(fields);
    let arrays = arrays.map(|(values, field)| array::from_values(values, &field.ty));
    let arrays: Vec<ArrayRef> = arrays
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(arrow_schema(fields), arrays, &options).map_err(|error| wrong(error.to_string()))
}

/// The columns, each of which may be NULL here; the table says what it takes.
fn arrow_schema_nullable(columns: &[Field]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|field| ArrowField::new(&field.name, to_arrow(&field.ty), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// What an error says, without the name that it is thrown under, and without the place of what throws it.
fn said(error: &Error) -> &str {
    let message = error.diagnostics.first().map_or("", |first| first.message.as_str());
    let named = error.exception.as_ref().map(|name| format!("{name}: "));
    match named.and_then(|named| message.split_once(&named)) {
        Some((_, said)) => said,
        None => message,
    }
}

/// The error as a body sees it.
fn to_exec(error: &Error) -> ExecError {
    let first = error.diagnostics.first();
    let mut exec = ExecError::user(error.code(), said(error));
    exec.exception.clone_from(&error.exception);
    exec.span = first.map(Diagnostic::span);
    exec.help = first.and_then(|first| first.help.clone());
    exec.through = first.map(Sources::calls_of).unwrap_or_default().into();
    exec.kind = match error.kind {
        ErrorKind::User | ErrorKind::Conflict => crate::exec::ErrorKind::User,
        ErrorKind::Unsupported => crate::exec::ErrorKind::Unsupported,
        ErrorKind::Resource => crate::exec::ErrorKind::Resource,
        ErrorKind::Corrupt => crate::exec::ErrorKind::Corrupt,
        ErrorKind::Cancelled => crate::exec::ErrorKind::Cancelled,
        ErrorKind::Internal => crate::exec::ErrorKind::Internal,
    };
    exec
}
