//! What a table computes of rows that triggers have changed: generated columns, checks, and what RETURNING gives.
//!
//! Where a trigger before rows sets `NEW.price`, the column `total GENERATED ALWAYS AS (price * amount)` is computed of the price that it
//! has set: the rows that it left are proposed anew, as `INSERT INTO t SELECT … FROM changed` would.
//!
//! Invariants: the rows stay in their order.
//!
//! Does not: stage them.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{Field as ArrowField, Schema};
use arrow::error::ArrowError;
use gobi_grammar::ast::{Expr, ExprKind, Ident, InsertSource, SelectItem, Span, TableRef, TableRefKind};

use super::{Running, foreign, user};
use crate::plan::change::{Change, Layout, Proposed};
use crate::session::define::select;
use crate::session::store::{View, store_error};
use crate::session::{Error, Session, statement};
use crate::types::Field;

/// The name of the rows; no user writes it.
const ROWS: &str = "\u{1}changed";

/// A batch with what is computed of its new rows, and where it has what then.
pub fn computed(
    session: &mut Session,
    view: &View,
    change: &Change<'_>,
    (batch, layout): (&RecordBatch, &Layout),
    running: Running,
) -> Result<(RecordBatch, Layout), Error> {
    let span = running.span;
    let internal = |error: ArrowError| user("XX000", span, error.to_string());
    let (first, count) = layout.new;
    let new = batch
        .project(&(first..first + count).collect::<Vec<_>>())
        .map_err(internal)?;
    let columns = change.shape.columns.iter().enumerate();
    let fields: Vec<Field> = columns
        .map(|(at, column)| Field {
            name: format!("c{at}"),
            ..column.field.clone()
        })
        .collect();
    let rows = foreign::relation_of_fields(view, &fields, &[nullable(&new, &fields).map_err(internal)?]);
    let rows = rows.map_err(|error| store_error(&error, span))?;
    session.relations.given.push((ROWS.to_owned(), rows));
    // One worker gives the rows in their order.
    let threads = std::mem::replace(&mut session.settings.threads, 1);
    let made = proposed(session, change, running);
    session.settings.threads = threads;
    session.relations.given.pop();
    let (made, of) = made?;
    if made.num_rows() != batch.num_rows() {
        return Err(user("XX000", span, "rows that triggers have changed were lost"));
    }
    let kept = batch.columns().iter().take(first);
    let columns: Vec<ArrayRef> = kept.chain(made.columns().iter().skip(of.new.0)).cloned().collect();
    let schema = batch.schema();
    let kept = schema
        .fields()
        .iter()
        .take(first)
        .map(|field| ArrowField::clone(field).with_nullable(true));
    let made_schema = made.schema();
    let made_fields = made_schema.fields().iter().skip(of.new.0);
    let fields: Vec<ArrowField> = kept.chain(made_fields.map(|field| ArrowField::clone(field))).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(Schema::new(fields).into(), columns, &options).map_err(internal)?;
    let layout = Layout {
        checks: first + (of.checks - of.new.0),
        returning: first + (of.returning - of.new.0),
        returned: of.returned,
        ..layout.clone()
    };
    Ok((batch, layout))
}

/// The batch with the rows that go as they were, in the place of new ones: `first_old` is where all old values are.
pub fn gone_as_before(
    batch: &RecordBatch,
    layout: &Layout,
    first_old: usize,
    makes: &BooleanArray,
) -> Result<RecordBatch, ArrowError> {
    let (first, count) = layout.new;
    let mut columns = batch.columns().to_vec();
    for at in 0..count {
        if let (Some(new), Some(old)) = (batch.columns().get(first + at), batch.columns().get(first_old + at)) {
            columns[first + at] = zip(makes, new, old)?;
        }
    }
    let schema = batch.schema();
    let fields = schema.fields().iter();
    let fields = fields.map(|field| ArrowField::clone(field).with_nullable(true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(schema.into(), columns)
}

fn nullable(batch: &RecordBatch, fields: &[Field]) -> Result<RecordBatch, ArrowError> {
    let columns = fields.iter().zip(batch.columns());
    let fields = columns.map(|(field, array)| ArrowField::new(&field.name, array.data_type().clone(), true));
    RecordBatch::try_new(Schema::new(fields.collect::<Vec<_>>()).into(), batch.columns().to_vec())
}

/// The rows as if they were inserted.
fn proposed(session: &mut Session, change: &Change<'_>, running: Running) -> Result<(RecordBatch, Layout), Error> {
    let ident = |text: String| Ident {
        text,
        quoted: true,
        span: Span::default(),
    };
    let columns = change.shape.columns.iter().enumerate();
    let places: Vec<usize> = columns
        .filter(|(_, column)| column.generated.is_none())
        .map(|(at, _)| at)
        .collect();
    let items = places.iter().map(|at| SelectItem::Expr {
        expr: Expr {
            kind: ExprKind::Name(vec![ident(format!("c{at}"))]),
            span: Span::default(),
        },
        alias: None,
    });
    let from = TableRef {
        kind: TableRefKind::Name(vec![ident(ROWS.to_owned())]),
        time: None,
        alias: None,
        columns: Vec::new(),
        span: running.span,
    };
    let rows = InsertSource::Query(Box::new(select(items.collect(), vec![from], None)));
    let rows = Proposed {
        places: &places,
        rows: &rows,
        loose: false,
    };
    let again = Change {
        returning: change.returning,
        ..Change::adding(change.shape, change.target, rows, change.span)
    };
    let (stream, layout) = statement::changed_rows(session, &again, false, running)?;
    let schema = stream.schema();
    let batches = stream.collect::<Result<Vec<_>, _>>()?;
    let made = concat_batches(&schema, &batches);
    let made = made.map_err(|error| user("XX000", running.span, error.to_string()))?;
    Ok((made, layout))
}
