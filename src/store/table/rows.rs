//! Rows in memory: the columns of a small segment, or of what a transaction appended.
//!
//! Three rows of a table (a int, b string) are two arrays of three values, under the columns' numbers. A row that a statement wrote out
//! stays the values that it is, as long as it is only encoded.
//!
//! Invariants: every array has the Arrow type that [`to_arrow`] gives for its type, and as many values as there are rows. Labels are
//! codes: see [`super::labels`].
//!
//! Does not: know segments.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn as ArrowSort, SortOptions, cast, concat, filter, lexsort_to_indices, take};

use super::cell::{at_most, memory_bytes, value_at};
use super::entry::Facts;
use super::given;
use super::labels::{coded, numbered};
use super::lineage::Kept;
use crate::catalog::{ColumnDef, ColumnNo, SortColumn, TableDef};
use crate::types::array::from_values;
use crate::types::arrow::to_arrow;
use crate::types::outside::inside;
use crate::types::{LogicalType, Value};

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its number in the table.
    pub no: ColumnNo,
    /// Its type when it was written.
    pub ty: LogicalType,
    pub content: Content,
}

/// The values of a column.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Array(ArrayRef),
    /// A few, each of which can be stored as it is: see [`super::given`].
    Given(Vec<Value>),
}

impl Column {
    pub(super) fn new(no: ColumnNo, ty: LogicalType, array: ArrayRef) -> Self {
        let content = Content::Array(array);
        Self { no, ty, content }
    }

    /// Values as the engine has them, of the type that a definition gives to the column.
    pub(super) fn of(def: &ColumnDef, array: &ArrayRef) -> Result<Self, String> {
        Ok(Self::new(def.no, def.ty.clone(), coded(array, &def.ty)?))
    }

    /// The values as an array.
    pub(super) fn array(&self) -> Result<ArrayRef, String> {
        match &self.content {
            Content::Array(array) => Ok(Arc::clone(array)),
            Content::Given(values) => from_values(values, &self.ty),
        }
    }

    pub(super) fn null_count(&self) -> usize {
        match &self.content {
            Content::Array(array) => array.logical_null_count(),
            Content::Given(values) => values.iter().filter(|value| **value == Value::Null).count(),
        }
    }

    fn slice(&self, start: usize, len: usize) -> Self {
        let content = match &self.content {
            Content::Array(array) => Content::Array(array.slice(start, len)),
            Content::Given(values) => Content::Given(values.iter().skip(start).take(len).cloned().collect()),
        };
        let (no, ty) = (self.no, self.ty.clone());
        Self { no, ty, content }
    }
}

/// Some rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// How many.
    pub len: usize,
    /// In ascending order of their numbers, or as the definition had them.
    pub columns: Vec<Column>,
    /// Ids and commits that rows keep; none: all rows are new.
    pub kept: Option<Kept>,
}

impl Rows {
    /// The rows of a batch that has the table's columns in their order.
    pub(super) fn of_batch(def: &TableDef, batch: &RecordBatch) -> Result<Self, String> {
        if batch.num_columns() != def.columns.len() {
            let (found, wanted) = (batch.num_columns(), def.columns.len());
            return Err(format!("{found} columns where the table `{}` has {wanted}", def.name));
        }
        let columns = def.columns.iter().zip(batch.columns()).map(|(column, array)| {
            let wanted = to_arrow(&column.ty);
            let array = match *array.data_type() == wanted {
                true => array.clone(),
                false => cast(&inside(array, &column.ty)?, &wanted).map_err(|error| error.to_string())?,
            };
            if column.not_null && array.null_count() > 0 {
                return Err(format!("NULL in the column `{}`, which is NOT NULL", column.name));
            }
            Column::of(column, &array)
        });
        Ok(Self {
            len: batch.num_rows(),
            columns: columns.collect::<Result<_, _>>()?,
            kept: None,
        })
    }

    /// The same with the types that a definition gives to the columns, where values are laid out alike: blocks know no enums.
    pub(super) fn typed(mut self, def: &TableDef) -> Self {
        for column in &mut self.columns {
            let known = def.columns.iter().find(|known| known.no == column.no);
            if let Some(known) =
                known.filter(|known| known.ty != column.ty && to_arrow(&known.ty) == to_arrow(&column.ty))
            {
                column.ty = known.ty.clone();
            }
        }
        self
    }

    /// The first so many rows, and the others.
    pub(super) fn split(self, at: usize) -> (Self, Self) {
        if self.len <= at {
            return (self, Self::default());
        }
        let part = |start: usize, len: usize| Self {
            len,
            columns: self.columns.iter().map(|column| column.slice(start, len)).collect(),
            kept: self.kept.as_ref().map(|kept| kept.slice(start, len)),
        };
        (part(0, at), part(at, self.len - at))
    }

    /// Whether others can be put behind these.
    pub(super) fn has_columns_of(&self, other: &Self) -> bool {
        let same = |(a, b): (&Column, &Column)| a.no == b.no && a.ty == b.ty;
        self.columns.len() == other.columns.len() && self.columns.iter().zip(&other.columns).all(same)
    }

    /// A column by its number.
    pub(super) fn column(&self, no: ColumnNo) -> Option<&Column> {
        self.columns.iter().find(|column| column.no == no)
    }

    /// Memory held.
    pub(super) fn bytes(&self) -> usize {
        let of_column = |column: &Column| match &column.content {
            Content::Array(array) => memory_bytes(array),
            Content::Given(values) => values.iter().map(given::memory_bytes).sum(),
        };
        self.columns.iter().map(of_column).sum()
    }

    /// All rows of several, which have the same columns.
    pub(super) fn concat(parts: &[Self]) -> Result<Self, String> {
        let Some(first) = parts.first() else {
            return Ok(Self::default());
        };
        if parts.len() == 1 {
            return Ok(first.clone());
        }
        let columns = first.columns.iter().map(|column| {
            let arrays = parts.iter().map(|part| {
                let column = part.column(column.no);
                column.ok_or("rows of different columns")?.array()
            });
            let arrays: Vec<ArrayRef> = arrays.collect::<Result<_, String>>()?;
            let arrays: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
            let array = concat(&arrays).map_err(|error| error.to_string())?;
            Ok::<_, String>(Column::new(column.no, column.ty.clone(), array))
        });
        Ok(Self {
            len: parts.iter().map(|part| part.len).sum(),
            columns: columns.collect::<Result<_, _>>()?,
            kept: Self::concat_kept(parts)?,
        })
    }

    /// What the rows of several keep.
    pub(super) fn concat_kept(parts: &[Self]) -> Result<Option<Kept>, String> {
        let kept: Vec<_> = parts.iter().map(|part| (part.len, part.kept.as_ref())).collect();
        Kept::concat(&kept)
    }

    /// Those rows that a mask has.
    pub(super) fn filter(&self, mask: &BooleanArray) -> Result<Self, String> {
        let len = mask.true_count();
        let kept = self.kept.as_ref().map(|kept| kept.filter(mask)).transpose()?;
        self.map(len, kept, |array| {
            filter(array, mask).map_err(|error| error.to_string())
        })
    }

    /// Some rows in some order.
    pub(super) fn take(&self, rows: &UInt32Array) -> Result<Self, String> {
        let kept = self.kept.as_ref().map(|kept| kept.take(rows)).transpose()?;
        self.map(rows.len(), kept, |array| {
            take(array, rows, None).map_err(|error| error.to_string())
        })
    }

    fn map(
        &self,
        len: usize,
        kept: Option<Kept>,
        change: impl Fn(&ArrayRef) -> Result<ArrayRef, String>,
    ) -> Result<Self, String> {
        let columns = self.columns.iter().map(|column| {
            let array = change(&column.array()?)?;
            Ok::<_, String>(Column::new(column.no, column.ty.clone(), array))
        });
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Self { len, columns, kept })
    }

    /// The rows in an order.
    pub(super) fn sorted(&self, by: &[SortColumn]) -> Result<Self, String> {
        let sort = |by: &SortColumn| {
            let column = self.column(by.column).filter(|column| !column.ty.is_nested())?;
            let values = column.array().and_then(|array| numbered(&array, &column.ty));
            Some(values.map(|values| ArrowSort {
                values,
                options: Some(SortOptions::new(by.desc, false)),
            }))
        };
        if by.is_empty() || self.len < 2 {
            return Ok(self.clone());
        }
        let sorts: Vec<_> = by.iter().filter_map(sort).collect::<Result<_, _>>()?;
        if sorts.is_empty() {
            return Ok(self.clone());
        }
        let order = lexsort_to_indices(&sorts, None).map_err(|error| error.to_string())?;
        self.take(&order)
    }

    /// What a segment of these rows promises.
    pub(super) fn facts(&self) -> Result<Vec<Facts>, String> {
        self.columns.iter().map(facts_of).collect()
    }
}

/// Least and greatest value and number of NULLs of a column.
fn facts_of(column: &Column) -> Result<Facts, String> {
    let array = &column.array()?;
    let mut facts = Facts {
        no: column.no,
        ty: column.ty.clone(),
        range: None,
        null_count: array.logical_null_count() as u64,
    };
    if column.ty.is_nested() || matches!(column.ty, LogicalType::Interval | LogicalType::Blob | LogicalType::Json) {
        return Ok(facts);
    }
    for row in 0..array.len() {
        let value = value_at(array, row, &column.ty)?;
        if matches!(value, Value::Float(float) if float.is_nan()) {
            facts.range = None;
            return Ok(facts);
        }
        if value != Value::Null {
            facts.range = Some(widened(facts.range.take(), value));
        }
    }
    Ok(facts)
}

fn widened(range: Option<(Value, Value)>, value: Value) -> (Value, Value) {
    match range {
        None => (value.clone(), value),
        Some((min, max)) if at_most(&value, &min) == Some(true) => (value, max),
        Some((min, max)) if at_most(&max, &value) == Some(true) => (min, value),
        Some(range) => range,
    }
}
