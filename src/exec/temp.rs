//! Intermediate results as something to scan, and parameters.
//!
//! `VALUES (1, 'a'), (2, 'b')` is one unit of two columns in their natural layouts.
//!
//! Invariants: a column of a unit is converted once, when first read.
//!
//! Does not: spill.

use std::sync::{Arc, Mutex, OnceLock};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::Buffer;

use super::ExecError;
use super::memory::Reservation;
use super::run::lock;
use crate::formats::natural_chunk;
use crate::plan::physical::TempTable;
use crate::types::nested::Objects;
use crate::types::{ColumnChunk, Field, Value};

/// An intermediate result.
#[derive(Debug)]
pub struct TempData {
    fields: Vec<Field>,
    units: Vec<Unit>,
    /// Memory of the batches.
    reserved: Vec<Reservation>,
    /// Memory of columns that were converted.
    converted: Mutex<Vec<Reservation>>,
}

#[derive(Debug)]
struct Unit {
    rows: usize,
    batch: Option<RecordBatch>,
    chunks: Vec<OnceLock<Arc<ColumnChunk>>>,
}

impl TempData {
    /// Batches that a pipeline made.
    pub fn of_batches(batches: Vec<RecordBatch>, fields: Vec<Field>, reserved: Vec<Reservation>) -> Self {
        let units = batches
            .into_iter()
            .filter(|batch| batch.num_rows() > 0)
            .map(|batch| Unit {
                rows: batch.num_rows(),
                chunks: fields.iter().map(|_| OnceLock::new()).collect(),
                batch: Some(batch),
            });
        Self {
            units: units.collect(),
            fields,
            reserved,
            converted: Mutex::default(),
        }
    }

    /// Literal rows.
    pub fn of_values(table: &TempTable) -> Result<Self, ExecError> {
        let mut chunks = Vec::new();
        for (i, field) in table.columns.iter().enumerate() {
            let column: Vec<&Value> = table.rows.iter().map(|row| &row[i]).collect();
            chunks.push(OnceLock::from(Arc::new(chunk_of_values(&column, field))));
        }
        let unit = Unit {
            rows: table.rows.len(),
            batch: None,
            chunks,
        };
        let units = if unit.rows == 0 { Vec::new() } else { vec![unit] };
        Ok(Self {
            units,
            fields: table.columns.clone(),
            reserved: Vec::new(),
            converted: Mutex::default(),
        })
    }

    /// Number of units.
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// Rows of a unit.
    pub fn rows(&self, unit: usize) -> usize {
        self.units[unit].rows
    }

    /// A column of a unit.
    pub fn chunk(&self, unit: usize, column: usize) -> Result<Arc<ColumnChunk>, ExecError> {
        let place = &self.units[unit];
        if let Some(chunk) = place.chunks[column].get() {
            return Ok(chunk.clone());
        }
        let Some(batch) = &place.batch else {
            return Err(ExecError::internal("a unit without data"));
        };
        let chunk = natural_chunk(batch.column(column), &self.fields[column].ty)
            .map_err(|message| ExecError::internal(&message))?;
        if let Some(reserved) = self.reserved.first() {
            let bytes = own_bytes(&chunk, batch.column(column));
            lock(&self.converted).push(reserved.budget().reserve(bytes, "intermediate result")?);
        }
        Ok(place.chunks[column].get_or_init(|| Arc::new(chunk)).clone())
    }
}

/// What a chunk takes beside the column that it was made of.
fn own_bytes(chunk: &ColumnChunk, column: &ArrayRef) -> usize {
    let data = column.to_data();
    let is_shared = |buffer: &Buffer| data.buffers().iter().any(|other| other.data_ptr() == buffer.data_ptr());
    let buffers = [Some(&chunk.values), chunk.validity.as_ref()].into_iter().flatten();
    buffers.filter(|buffer| !is_shared(buffer)).map(Buffer::capacity).sum()
}

fn chunk_of_values(values: &[&Value], field: &Field) -> ColumnChunk {
    let width = field.ty.physical().bytes();
    let mut bytes = Vec::with_capacity(values.len() * width);
    let mut validity = Vec::with_capacity(values.len());
    let mut objects = Objects::default();
    for value in values {
        let bits = objects.bits(value, &field.ty);
        validity.push(u8::from(bits.is_some()));
        bytes.extend_from_slice(&bits.unwrap_or(0).to_le_bytes()[..width]);
    }
    ColumnChunk {
        rows: values.len(),
        values: Buffer::from_slice_ref(&bytes),
        validity: Some(Buffer::from_vec(validity)),
        owners: objects.into_buffers(),
    }
}

/// The value of a scalar subquery, where kernels find it.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// 16 bytes of value, then a validity byte.
    cell: Arc<[u128; 2]>,
    _owner: Option<Arc<ColumnChunk>>,
}

impl Parameter {
    /// From the only row of a batch; NULL without one.
    pub fn new(batch: Option<&RecordBatch>, field: &Field) -> Result<Self, ExecError> {
        let mut cell = [0u128; 2];
        let Some(batch) = batch else {
            return Ok(Self {
                cell: Arc::new(cell),
                _owner: None,
            });
        };
        let chunk = natural_chunk(batch.column(0), &field.ty).map_err(|message| ExecError::internal(&message))?;
        let width = field.ty.physical().bytes();
        let mut value = [0u8; 16];
        value[..width].copy_from_slice(&chunk.values.as_slice()[..width]);
        cell[0] = u128::from_le_bytes(value);
        let valid = batch.column(0).logical_nulls().is_none_or(|nulls| nulls.is_valid(0));
        cell[1] = u128::from(valid);
        Ok(Self {
            cell: Arc::new(cell),
            _owner: Some(Arc::new(chunk)),
        })
    }

    /// Of a value.
    pub fn of_value(value: &Value, field: &Field) -> Self {
        let chunk = chunk_of_values(&[value], field);
        let width = field.ty.physical().bytes();
        let mut bits = [0u8; 16];
        bits[..width].copy_from_slice(&chunk.values.as_slice()[..width]);
        let cell = [u128::from_le_bytes(bits), u128::from(*value != Value::Null)];
        Self {
            cell: Arc::new(cell),
            _owner: Some(Arc::new(chunk)),
        }
    }

    /// Another handle to the same value.
    pub fn share(&self) -> Self {
        self.clone()
    }

    /// Where the value is.
    pub fn address(&self) -> u64 {
        self.cell.as_ptr() as u64
    }
}
