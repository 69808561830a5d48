//! A run at work: the model's rows under a name, and statements over them.
//!
//! `desk.change("DELETE FROM `models`.`daily`")` is parsed, bound and run like a statement of a script, inside the run's transaction.
//!
//! Invariants: an error of such a statement is reported at the CALL.
//!
//! Does not: know kinds; its neighbours do.

use std::sync::Arc;

use arrow::array::RecordBatch;
use gobi_grammar::ast::{self, Statement, StatementKind as K};
use gobi_grammar::{Diagnostic, Dialect};

use super::parts::{First, Seen};
use super::spec::{Kind, Spec};
use super::{Done, Given};
use crate::formats::Relation;
use crate::procedure::OF_INTERVALS;
use crate::session::change::Running;
use crate::session::change::foreign::relation_of_fields;
use crate::session::relations::StatementTables;
use crate::session::store::store_code;
use crate::session::{Error, Session, StatementResult, statement};
use crate::types::{Field, LogicalType, Value, cell};

/// What the rows of a model's query are called while it runs.
pub const ROWS: &str = "gobi_model_rows";

/// A session that runs a model.
pub struct Desk<'d> {
    pub session: &'d mut Session,
    pub running: Running,
    /// The model's name.
    pub model: &'d str,
    pub query: &'d ast::Query,
    /// What is before it.
    pub first: &'d First,
    /// How the query's text is read.
    pub dialect: Dialect,
    /// The values of parameters.
    pub given: Given,
}

/// The rows of a query, in memory.
pub struct Rows {
    pub fields: Vec<Field>,
    relation: Arc<dyn Relation>,
}

impl Desk<'_> {
    pub fn run(
        &mut self,
        spec: &Spec,
        name: &str,
        until: Option<Value>,
        restate: Option<&ast::Restate>,
    ) -> Result<Done, Error> {
        if restate.is_some() {
            self.check_restate(spec)?;
        }
        let done = match spec.kind {
            Kind::View | Kind::Embedded => {
                self.forget_mark()?;
                self.make_view(spec)?
            }
            Kind::External => self.rows().map(|_| Done::default())?,
            _ => self.fill(spec, name, until, restate)?,
        };
        let found = self.audit(spec, name)?;
        Ok(Done { found, ..done })
    }

    /// An error if no interval of the model can be computed again.
    pub fn check_restate(&self, spec: &Spec) -> Result<(), Error> {
        let in_part = spec.kind.has_intervals() && spec.kind != Kind::Unmanaged;
        if in_part && spec.time.is_some() {
            return Ok(());
        }
        let without = if in_part { " without a `time_column`" } else { "" };
        let message = format!(
            "a model of kind `{}` cannot be computed again in part{without}",
            spec.kind.name()
        );
        Err(self.error("0A000", message))
    }

    /// Makes what a run would fill, and reads nothing.
    pub fn declare(&mut self, spec: &Spec, seen: &Seen) -> Result<(), Error> {
        match spec.kind {
            Kind::View | Kind::Embedded => return self.make_view(spec).map(drop),
            Kind::External => return Ok(()),
            _ => {}
        }
        self.session.refresh_view(self.running.span)?;
        let dialect = self.dialect;
        let bound = seen.within(self.session, |session, query| {
            statement::bind(query, dialect, &mut StatementTables::new(&mut session.relations))
        });
        let rows = self.kept(bound?.output.into_iter().map(|(_, field)| field).collect(), &[])?;
        self.with(&rows, |desk| desk.make_table(spec, &rows))?;
        self.make_journal()
    }

    /// The rows of the model's query, with the values that are given.
    pub fn rows(&mut self) -> Result<Rows, Error> {
        let running = self.running;
        self.session.refresh_view(running.span)?;
        let given = (self.given.clone(), self.dialect);
        let stream = self.first.rows(self.session, self.query, given, running)?;
        let fields = stream.fields().to_vec();
        let batches: Vec<RecordBatch> = stream.collect::<Result<_, _>>()?;
        self.kept(fields, &batches)
    }

    fn kept(&mut self, fields: Vec<Field>, batches: &[RecordBatch]) -> Result<Rows, Error> {
        for (at, field) in fields.iter().enumerate() {
            let before = fields.get(..at).unwrap_or_default();
            if before.iter().any(|other| other.name.eq_ignore_ascii_case(&field.name)) {
                let message = format!("the query gives two columns `{}`", field.name);
                return Err(self.error("42701", message));
            }
            if field.ty == LogicalType::Null {
                let message = format!("the column `{}` has no type: cast it", field.name);
                return Err(self.error("42P18", message));
            }
        }
        let Some(view) = self.session.relations.view.clone() else {
            return Err(self.error("XX000", "a model without a database".into()));
        };
        let relation = relation_of_fields(&view, &fields, batches);
        let relation = relation.map_err(|error| self.error(store_code(&error), error.to_string()))?;
        Ok(Rows { fields, relation })
    }

    /// Says from when to when rows are wanted.
    pub fn set_interval(&mut self, [from, to]: [&str; 2]) -> Result<(), Error> {
        for (name, time) in OF_INTERVALS.into_iter().zip([from, to]) {
            let value = self.value(&format!("SELECT TIMESTAMP '{time}'"))?;
            self.given.insert(name.to_owned(), (LogicalType::Timestamp, value));
        }
        Ok(())
    }

    /// Does something while the rows have their name.
    pub fn with<T>(&mut self, rows: &Rows, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let given = (ROWS.to_owned(), rows.relation.clone());
        self.session.relations.given.push(given);
        let done = work(self);
        self.session.relations.given.pop();
        done
    }

    /// Runs a statement; how many rows it changed.
    pub fn change(&mut self, sql: &str) -> Result<u64, Error> {
        let statement = self.parsed(sql, Dialect::Grizzly)?;
        self.run_statement(&statement, Dialect::Grizzly)
    }

    pub fn run_statement(&mut self, statement: &Statement, dialect: Dialect) -> Result<u64, Error> {
        let running = self.running;
        let result = statement::run(self.session, statement, dialect, running.phases);
        match result.map_err(|error| error.placed(running.span))? {
            StatementResult::RowsAffected(rows) => Ok(rows),
            StatementResult::Rows(stream) => {
                let affected = stream.rows_affected().unwrap_or(0);
                stream.collect::<Result<Vec<_>, _>>()?;
                Ok(affected)
            }
            StatementResult::Done => Ok(0),
        }
    }

    /// The first value of a query; NULL if it has no row.
    pub fn value(&mut self, sql: &str) -> Result<Value, Error> {
        let first = self.all(sql)?.into_iter().next();
        Ok(first.and_then(|row| row.into_iter().next()).unwrap_or(Value::Null))
    }

    /// The rows of a query of which there are few.
    pub fn all(&mut self, sql: &str) -> Result<Vec<Vec<Value>>, Error> {
        let span = self.running.span;
        let K::Query(query) = self.parsed(sql, Dialect::Grizzly)?.kind else {
            return Err(self.error("XX000", format!("this is no query: {sql}")));
        };
        self.session.refresh_view(span)?;
        let stream = statement::query_stream(self.session, &query, Dialect::Grizzly, self.running.phases, span);
        let mut rows = Vec::new();
        for batch in stream.map_err(|error| error.placed(span))? {
            let batch = batch.map_err(|error| error.placed(span))?;
            let row = |at: usize| batch.columns().iter().map(|column| cell::value(column, at)).collect();
            rows.extend((0..batch.num_rows()).map(row));
        }
        Ok(rows)
    }

    /// The first value of a query as a text; `None` for NULL.
    pub fn text(&mut self, sql: &str) -> Result<Option<String>, Error> {
        match self.value(sql)? {
            Value::String(text) => Ok(Some(text.to_string())),
            _ => Ok(None),
        }
    }

    /// Whether a query gives true.
    pub fn is_true(&mut self, sql: &str) -> Result<bool, Error> {
        self.value(sql).map(|value| value == Value::Boolean(true))
    }

    pub fn parsed(&self, sql: &str, dialect: Dialect) -> Result<Statement, Error> {
        let parsed = gobi_grammar::parse(sql, dialect);
        let mut statement = match parsed.statements.into_iter().next() {
            Some(statement) if parsed.diagnostics.is_empty() => statement,
            _ => return Err(self.error("XX000", format!("a model's own statement does not parse: {sql}"))),
        };
        statement.span = self.running.span;
        Ok(statement)
    }

    pub fn error(&self, code: &'static str, message: String) -> Error {
        Error::new(Diagnostic::new(code, self.running.span, message))
    }
}

/// A name in a statement.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
