//! Rows that are taken as they are asked for: those of loops, and the streams of a session.
//!
//! `let s = stream select a from t` opens stream 1, a [`Cursor`] over a query that runs while its rows are taken; `s.next()` takes some of
//! them.
//!
//! Invariants: the rows of a cursor are those that were there when it was opened; few of them are there before somebody asks; a
//! cursor that is dropped stops its query.
//!
//! Does not: bind or start queries.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use crate::exec::CancelToken;
use crate::session::{Error, ResultStream, Session};
use crate::types::{Value, cell};

/// Rows of a batch, unless somebody says how many.
const BATCH_ROWS: usize = 1024;
/// Streams of a session that are open at once, at most.
const MOST: usize = 256;

/// A query whose rows are taken.
#[derive(Debug)]
pub struct Cursor {
    stream: ResultStream,
    batch: Option<RecordBatch>,
    row: usize,
}

impl Cursor {
    /// Before the first row.
    pub fn new(stream: ResultStream) -> Self {
        Self {
            stream,
            batch: None,
            row: 0,
        }
    }

    /// Whether there is another row, which is in the batch then.
    fn has_next(&mut self) -> Result<bool, Error> {
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.num_rows()) {
            self.batch = None;
            match self.stream.next() {
                Some(batch) => (self.batch, self.row) = (Some(batch?), 0),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The next row; `None` behind the last one.
    pub fn next_row(&mut self) -> Result<Option<Vec<Value>>, Error> {
        if !self.has_next()? {
            return Ok(None);
        }
        let columns = self.batch.iter().flat_map(|batch| batch.columns());
        let values = columns.map(|column| cell::value(column, self.row)).collect();
        self.row += 1;
        Ok(Some(values))
    }

    /// As many of the next rows as are wanted, and there.
    fn rows(&mut self, wanted: usize) -> Result<Vec<Value>, Error> {
        let mut rows = Vec::with_capacity(wanted.min(BATCH_ROWS));
        while rows.len() < wanted
            && let Some(row) = self.next_row()?
        {
            rows.push(Value::Struct(row));
        }
        Ok(rows)
    }
}

impl Session {
    /// Ends the streams that no variable of the script has, when no body runs any more.
    pub(super) fn give_up_streams(&mut self) {
        if self.streams.is_empty() || self.interrupt.is_in_body() {
            return;
        }
        let held = &self.relations.routines.variables;
        let values: Vec<&Value> = held.iter().map(|held| &held.value).collect();
        self.streams
            .keep(|number| values.iter().any(|value| holds(value, number)));
    }
}

/// Whether a value may be, or hold, the stream of that number.
fn holds(value: &Value, number: i64) -> bool {
    match value {
        Value::Struct(values) if matches!(values.as_slice(), [Value::Int(held), Value::Null] if *held == i128::from(number)) => {
            true
        }
        Value::Struct(values) | Value::Array(values) => values.iter().any(|value| holds(value, number)),
        _ => false,
    }
}

/// The streams of a session.
#[derive(Debug, Default)]
pub struct Streams {
    open: BTreeMap<i64, Cursor>,
    last: i64,
}

impl Streams {
    /// Opens one; its number.
    pub fn open(&mut self, stream: ResultStream, span: Span) -> Result<i64, Error> {
        if self.open.len() >= MOST {
            let message = format!("more than {MOST} streams are open");
            let help = "take all of their rows, or `close()` them";
            return Err(Error::new(Diagnostic::new("53400", span, message).with_help(help)));
        }
        self.last += 1;
        self.open.insert(self.last, Cursor::new(stream));
        Ok(self.last)
    }

    /// Whether it has more rows, while nobody wants the statement that asks to stop.
    pub fn has_next(&mut self, number: i64, stop: &CancelToken, span: Span) -> Result<bool, Error> {
        let has_next = self.with(number, stop, span, Cursor::has_next)?.unwrap_or(false);
        if !has_next {
            self.close(number);
        }
        Ok(has_next)
    }

    /// Its next row.
    pub fn next_row(&mut self, number: i64, stop: &CancelToken, span: Span) -> Result<Option<Vec<Value>>, Error> {
        self.with(number, stop, span, Cursor::next_row).map(Option::flatten)
    }

    /// Some of its rows: so many at most, or a batch.
    pub fn next(&mut self, number: i64, wanted: Option<i128>, stop: &CancelToken, span: Span) -> Result<Value, Error> {
        let wanted = match wanted {
            Some(0) | None => BATCH_ROWS,
            Some(wanted) => usize::try_from(wanted).map_err(|_| {
                let message = format!("`next` takes a number of rows, not {wanted}");
                Error::new(Diagnostic::new("22023", span, message))
            })?,
        };
        let rows = self.with(number, stop, span, |cursor| cursor.rows(wanted))?;
        Ok(Value::Array(rows.unwrap_or_default()))
    }

    /// Gives one up.
    pub fn close(&mut self, number: i64) {
        self.open.remove(&number);
    }

    /// Gives up all but those that are still known.
    pub fn keep(&mut self, is_known: impl Fn(i64) -> bool) {
        self.open.retain(|number, _| is_known(*number));
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// What an open stream gives; `None` if it has ended. One that fails has ended, too.
    fn with<T>(
        &mut self,
        number: i64,
        stop: &CancelToken,
        span: Span,
        f: impl FnOnce(&mut Cursor) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if !(1..=self.last).contains(&number) {
            let message = "the stream is not one of this session";
            return Err(Error::new(Diagnostic::new("22023", span, message)));
        }
        let Some(cursor) = self.open.get_mut(&number) else {
            return Ok(None);
        };
        cursor.stream.watch(stop);
        let made = f(cursor);
        if made.is_err() {
            self.close(number);
        }
        made.map(Some)
    }
}
