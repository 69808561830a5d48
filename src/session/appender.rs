//! Rows of a program, a batch at a time, into a table.
//!
//! `let mut rows = session.appender("orders")?; rows.append(&batch)?; rows.finish()?` adds all batches or none. A batch's columns go by
//! their names; columns that it does not have take their defaults.
//!
//! Invariants: what was appended is there when `finish` has succeeded, and gone if the appender is dropped before. It is a
//! transaction of its own unless the session is in one. Constraints hold as they do for INSERT.
//!
//! Does not: hold more than some hundred thousand rows.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Path, Span, TableRef, TableRefKind};

use super::change::{self, Running};
use super::databases::Which;
use super::store::{View, store_error};
use super::transaction::Message;
use super::{Error, Phases, Session, define, statement, target, transactions};
use crate::catalog::{ColumnDef, TableDef};
use crate::types::arrow::{from_field, to_arrow};
use crate::types::{Field, LogicalType, outside};

/// Rows that are kept before they are put into the table.
const KEPT_ROWS: usize = 1 << 17;
/// Bytes of them.
const KEPT_BYTES: usize = 32 << 20;
/// The name of the rows that are put in; no user writes it.
const ROWS: &str = "\u{1}appended";

/// Appends batches to a table.
#[derive(Debug)]
pub struct Appender<'s> {
    session: &'s mut Session,
    table: Path,
    /// The table's database.
    which: Which,
    schema: Option<SchemaRef>,
    kept: Vec<RecordBatch>,
    kept_rows: usize,
    kept_bytes: usize,
    rows: u64,
    /// The transaction is this one's own.
    own: bool,
    finished: bool,
}

impl<'s> Appender<'s> {
    /// Into `table` or `schema.table`.
    pub(super) fn new(session: &'s mut Session, table: &str) -> Result<Self, Error> {
        statement::begins(session, None);
        let isolation = session.settings.isolation;
        if session.store.is_none() && session.databases.attached.is_empty() {
            return Err(user("0A000", "an appender needs a database"));
        }
        let own = !session.in_transaction();
        match own {
            true => session.begin(false, Some(isolation), Span::default())?,
            false => session.savepoint(&savepoint())?,
        }
        let table: Path = table.split('.').map(ident).collect();
        let which = target::of_name(session, &table, Span::default())?;
        let appender = Self {
            session,
            table,
            which,
            schema: None,
            kept: Vec::new(),
            kept_rows: 0,
            kept_bytes: 0,
            rows: 0,
            own,
            finished: false,
        };
        // A table that is not there is reported before anything is appended.
        let view = match appender.session.store_of(which) {
            Some(store) => store.view(Span::default())?,
            None => None,
        };
        if let Some(view) = view {
            change::target(&view, &appender.table)?;
        }
        Ok(appender)
    }

    /// Adds the rows of a batch; all batches have the same columns.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let known = self.schema.get_or_insert_with(|| batch.schema());
        if !same_columns(known, &batch.schema()) {
            return Err(user("42804", "all batches of an appender have the same columns"));
        }
        self.kept_rows += batch.num_rows();
        self.kept_bytes += batch.get_array_memory_size();
        self.kept.push(batch.clone());
        if self.kept_rows >= KEPT_ROWS || self.kept_bytes >= KEPT_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Commits what was appended, or makes it part of the session's transaction; gives the number of rows.
    pub fn finish(mut self) -> Result<u64, Error> {
        self.flush()?;
        self.finished = true;
        match self.own {
            true => self.session.commit(Message::Kind("APPEND"), Span::default())?,
            false => self.session.end_savepoint(&savepoint(), false)?,
        }
        Ok(self.rows)
    }

    /// Puts what is kept into the table.
    fn flush(&mut self) -> Result<(), Error> {
        let batches = std::mem::take(&mut self.kept);
        (self.kept_rows, self.kept_bytes) = (0, 0);
        if batches.is_empty() {
            return Ok(());
        }
        statement::begins(self.session, None);
        let table = self.table.clone();
        let running = Running {
            dialect: self.session.settings.dialect,
            phases: Phases::default(),
            span: Span::default(),
            only_bind: false,
        };
        let rows = transactions::framed_in(
            self.session,
            (self.which, false),
            "APPEND",
            Span::default(),
            &mut |session, view| put(session, view, &table, (&batches, None), running),
        )?;
        self.rows += rows;
        Ok(())
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // Nothing is left to be told of, if the transaction is over already.
        if self.own {
            let _ = self.session.rollback(Span::default());
        } else if self.session.end_savepoint(&savepoint(), true).is_ok() {
            let _ = self.session.end_savepoint(&savepoint(), false);
        }
    }
}

/// Adds batches to a table; their columns, if they are the engine's own.
pub fn put(
    session: &mut Session,
    view: &mut View,
    table: &Path,
    (batches, columns): (&[RecordBatch], Option<&[Field]>),
    running: Running,
) -> Result<u64, Error> {
    let span = running.span;
    let (id, def) = change::target(view, table)?;
    if is_plain(&def, (batches, columns)) && view.catalog().triggers_of(id).next().is_none() {
        let staged = view.changes.table(id).map_err(|error| store_error(&error, span))?;
        for batch in batches {
            staged.append(&def, batch).map_err(|error| store_error(&error, span))?;
        }
        return Ok(batches.iter().map(|batch| batch.num_rows() as u64).sum());
    }
    let Some(schema) = batches.first().map(RecordBatch::schema) else {
        return Ok(0);
    };
    let names: Vec<Ident> = schema.fields().iter().map(|field| ident(field.name())).collect();
    let given = match columns {
        Some(columns) => own_def(columns),
        None => given_def(&schema)?,
    };
    let relation = change::foreign::relation_of(view, id, &given, batches);
    let relation = relation.map_err(|error| store_error(&error, span))?;
    session.relations.given.push((ROWS.to_string(), relation));
    let rows = TableRef {
        kind: TableRefKind::Name(vec![ident(ROWS)]),
        time: None,
        alias: None,
        columns: Vec::new(),
        span,
    };
    let query = define::select(Vec::new(), vec![rows], None);
    let filled = change::fill_columns(session, &query, &names, (id, &def), view, running);
    session.relations.given.pop();
    filled
}

/// The batches have just what the table keeps, and nothing is to be computed or looked up for them.
fn is_plain(def: &TableDef, (batches, columns): (&[RecordBatch], Option<&[Field]>)) -> bool {
    let computes = |column: &ColumnDef| column.generated.is_some();
    let plain = def.checks.is_empty() && def.foreign_keys.is_empty() && !def.columns.iter().any(computes);
    // The numbers of labels from outside are to be looked at.
    let typed = |(at, column): (usize, &ColumnDef)| match columns {
        Some(columns) => columns.get(at).is_some_and(|field| field.ty == column.ty) || !outside::differs(&column.ty),
        None => !outside::differs(&column.ty),
    };
    let plain = plain && def.columns.iter().enumerate().all(typed);
    let same = |batch: &RecordBatch| {
        let schema = batch.schema();
        let fields = def.columns.iter().zip(schema.fields());
        batch.num_columns() == def.columns.len()
            && fields
                .into_iter()
                .zip(batch.columns())
                .all(|((column, field), values)| {
                    column.name.eq_ignore_ascii_case(field.name())
                        && *field.data_type() == to_arrow(&column.ty)
                        && !(column.not_null && values.null_count() > 0)
                })
    };
    plain && batches.iter().all(same)
}

/// The columns of batches as those of a table.
fn given_def(schema: &Schema) -> Result<TableDef, Error> {
    let mut def = TableDef::new("appended");
    for field in schema.fields() {
        let ty = from_field(field).ok_or_else(|| {
            let message = format!("the column `{}` has the Arrow type {}", field.name(), field.data_type());
            user("0A000", format!("{message}, which is not supported yet"))
        })?;
        // That it is JSON is looked at.
        def.add(field.name(), ty.with_type(&LogicalType::Json, &LogicalType::String));
    }
    Ok(def)
}

fn own_def(columns: &[Field]) -> TableDef {
    let mut def = TableDef::new("appended");
    columns.iter().for_each(|field| def.add(&field.name, field.ty.clone()));
    def
}

fn same_columns(a: &Schema, b: &Schema) -> bool {
    let same = |(a, b): (&arrow::datatypes::FieldRef, &arrow::datatypes::FieldRef)| {
        a.name() == b.name() && a.data_type() == b.data_type()
    };
    a.fields().len() == b.fields().len() && a.fields().iter().zip(b.fields()).all(same)
}

fn savepoint() -> Ident {
    ident("\u{1}appender")
}

fn ident(text: &str) -> Ident {
    Ident {
        text: text.to_string(),
        quoted: true,
        span: Span::default(),
    }
}

fn user(code: &'static str, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, Span::default(), message))
}
