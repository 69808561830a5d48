//! What a statement gives back: a stream of batches, a number of rows, or nothing.
//!
//! `SELECT 1` gives a [`ResultStream`] of one batch; `COPY … TO 'f.csv'` gives [`StatementResult::RowsAffected`].
//!
//! Invariants: every batch of a stream has the stream's schema; after an error the stream ends.
//!
//! Does not: keep batches; what the caller drops is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::SchemaRef;
use gobi_grammar::ast::Span;

use super::Error;
use crate::exec::memory::Reservation;
use crate::exec::{BatchStream, CancelToken, ExecError, Profile, Progress};
use crate::store::table::Snapshot;
use crate::types::arrow::arrow_schema;
use crate::types::{Field, LogicalType, outside};

/// What a statement gives back.
#[derive(Debug)]
// A statement gives one, and it is moved a few times at most.
#[allow(clippy::large_enum_variant)]
pub enum StatementResult {
    /// Rows, as they come.
    Rows(ResultStream),
    /// So many rows were written.
    RowsAffected(u64),
    /// It is done; there is nothing to show.
    Done,
}

impl StatementResult {
    /// The same for those outside; see [`ResultStream::outside`].
    pub(super) fn outside(self) -> Self {
        match self {
            StatementResult::Rows(stream) => StatementResult::Rows(stream.outside()),
            other => other,
        }
    }
}

/// Where the time of a statement went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Phases {
    /// Text to syntax tree, of the whole script, counted with its first statement.
    pub parse: Duration,
    /// Names and types, opening files included.
    pub bind: Duration,
    /// Logical rules and physical planning.
    pub optimize: Duration,
    /// Code generation.
    pub compile: Duration,
    /// Until the last batch.
    pub run: Duration,
}

/// The rows of a query.
#[derive(Debug)]
pub struct ResultStream {
    fields: Vec<Field>,
    schema: SchemaRef,
    source: Source,
    phases: Phases,
    started: Instant,
    statement: Span,
    /// Where errors are reported, if not where the statement's text says.
    pub(super) place: Option<Span>,
    /// Where functions were written that the query calls.
    pub(super) sources: Option<super::routines::Sources>,
    /// Rows that the statement changed before it gave these.
    pub(super) affected: Option<u64>,
    /// What the rows are read from; it is kept while they are.
    pub(super) held: Vec<Snapshot>,
    /// Columns are given as they are outside.
    is_outside: bool,
}

#[derive(Debug)]
enum Source {
    Query(Box<BatchStream>),
    Ready(std::vec::IntoIter<RecordBatch>),
}

impl ResultStream {
    pub(super) fn query(fields: Vec<Field>, stream: BatchStream, phases: Phases, statement: Span) -> Self {
        Self {
            fields,
            schema: stream.schema(),
            source: Source::Query(Box::new(stream)),
            phases,
            started: Instant::now(),
            statement,
            place: None,
            sources: None,
            affected: None,
            held: Vec::new(),
            is_outside: false,
        }
    }

    /// Rows that a statement gives that has run already.
    pub(super) fn returned(fields: Vec<Field>, batches: Vec<RecordBatch>, phases: Phases, statement: Span) -> Self {
        let schema = arrow_schema(&fields);
        Self::of_batches((fields, schema), batches, phases, statement)
    }

    /// The rows of one batch.
    pub(super) fn of_batch(fields: Vec<Field>, batch: RecordBatch, phases: Phases, statement: Span) -> Self {
        let schema = batch.schema();
        Self::of_batches((fields, schema), vec![batch], phases, statement)
    }

    fn of_batches(
        (fields, schema): (Vec<Field>, SchemaRef),
        batches: Vec<RecordBatch>,
        phases: Phases,
        statement: Span,
    ) -> Self {
        Self {
            schema,
            fields,
            source: Source::Ready(batches.into_iter()),
            phases,
            started: Instant::now(),
            statement,
            place: None,
            sources: None,
            affected: None,
            held: Vec::new(),
            is_outside: false,
        }
    }

    /// Rows that are known already, all of them strings.
    pub(super) fn strings(names: &[&str], rows: &[Vec<String>], statement: Span) -> Self {
        let field = |name: &&str| Field {
            name: (*name).to_string(),
            ty: LogicalType::String,
            nullable: false,
        };
        let fields: Vec<Field> = names.iter().map(field).collect();
        let schema = arrow_schema(&fields);
        let column = |i: usize| -> ArrayRef {
            Arc::new(
                rows.iter()
                    .map(|row| row.get(i).map_or("", String::as_str))
                    .map(Some)
                    .collect::<StringViewArray>(),
            )
        };
        let columns = (0..names.len()).map(column).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("columns are built from the schema");
        Self::ready(fields, batch, statement)
    }

    /// Rows that are known already, in a batch of these columns.
    pub(super) fn ready(fields: Vec<Field>, batch: RecordBatch, statement: Span) -> Self {
        Self::returned(fields, vec![batch], Phases::default(), statement)
    }

    /// The same rows for those outside, who know Arrow's types only: the texts of labels, and Arrow's maps.
    pub(super) fn outside(mut self) -> Self {
        if self.fields.iter().any(|field| outside::differs(&field.ty)) {
            self.schema = outside::schema(&self.fields);
            self.is_outside = true;
        }
        self
    }

    /// Whoever asks for the next batch stops waiting for it when this token asks, too.
    pub(super) fn watch(&mut self, stop: &CancelToken) {
        if let Source::Query(stream) = &mut self.source {
            stream.watch(stop.clone());
        }
    }

    /// Names and types.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The same for Arrow.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows that the statement changed, if it is one that changes rows and returns some.
    pub fn rows_affected(&self) -> Option<u64> {
        self.affected
    }

    /// Takes memory of the query that runs, for what is kept of its rows; `None` if nothing is executed.
    pub(super) fn reserve(&self, bytes: usize, what: &str) -> Result<Option<Reservation>, Error> {
        match &self.source {
            Source::Query(stream) => {
                let reserved = stream.reserve(bytes, what);
                reserved
                    .map(Some)
                    .map_err(|error| Error::from_exec(error, self.statement))
            }
            Source::Ready(_) => Ok(None),
        }
    }

    /// Rows that are known without anything being executed.
    pub fn known_rows(&self) -> usize {
        match &self.source {
            Source::Query(_) => 0,
            Source::Ready(batches) => batches.as_slice().iter().map(RecordBatch::num_rows).sum(),
        }
    }

    /// Where the time went; `run` is complete after the end.
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// Rows, times and bytes per operator, after the end; `None` if nothing was executed.
    pub fn profile(&self) -> Option<Profile> {
        match &self.source {
            Source::Query(stream) => Some(stream.profile()),
            Source::Ready(_) => None,
        }
    }

    /// How far the query is, for any thread to ask; `None` if nothing is executed.
    pub fn progress(&self) -> Option<Progress> {
        match &self.source {
            Source::Query(stream) => Some(stream.progress()),
            Source::Ready(_) => None,
        }
    }
}

impl Iterator for ResultStream {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.source {
            Source::Query(stream) => stream.next(),
            Source::Ready(batches) => batches.next().map(Ok),
        };
        self.phases.run = self.started.elapsed();
        let next = next.map(|batch| match batch {
            Ok(batch) if self.is_outside => {
                let batch = outside::batch(&batch, &self.fields, &self.schema);
                batch.map_err(|what| ExecError::internal(&format!("a column does not leave: {what}")))
            }
            batch => batch,
        });
        Some(next?.map_err(|error| {
            let error = self.in_place(Error::from_exec(error, self.statement));
            match &self.sources {
                Some(sources) => error.resolved(sources, self.statement),
                None => error,
            }
        }))
    }
}
