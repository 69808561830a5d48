//! Rows that a body adds one by one, and that are handed over together.
//!
//! `for i in range(10000) { insert into t values (i, i * i) }` keeps two columns of numbers; they are one INSERT when the loop has
//! ended, or when the body asks for something else.
//!
//! Invariants: rows are handed over in their order, and before anything that could see them is asked; texts that they refer to
//! live as long as the kernel runs.
//!
//! Does not: know the table.

use arrow::array::ArrayRef;

use super::host::{CELL_BYTES, VALID_AT, cell_weight};
use super::{ExecError, output};
use crate::types::LogicalType;

/// So many rows are kept at most.
const MOST_ROWS: usize = 1 << 16;
/// So many bytes of texts, arrays and structs.
const MOST_BYTES: usize = 16 << 20;

/// The rows of the INSERTs of a body.
#[derive(Debug, Default)]
pub struct Pending {
    /// By their questions, in the order in which these began.
    inserts: Vec<(usize, Collected)>,
    /// Which of these rows were added one after the other, and how many.
    runs: Vec<(usize, usize)>,
}

/// Rows that are handed over.
#[derive(Debug)]
pub struct Taken {
    /// Of each INSERT: its question, how many, and their columns.
    pub inserts: Vec<(usize, usize, Vec<ArrayRef>)>,
    /// The order in which they came: the position of the INSERT, and how many.
    pub runs: Vec<(usize, usize)>,
}

impl Pending {
    /// Adds the row of an INSERT in these cells; whether it is time to hand them over.
    ///
    /// # Safety
    /// `cells` has a cell for each type, in the type's natural layout.
    pub unsafe fn add(&mut self, question: usize, types: &[LogicalType], cells: *const u8) -> bool {
        let at = match self.inserts.iter().position(|(known, _)| *known == question) {
            Some(at) => at,
            None => {
                self.inserts.push((question, Collected::default()));
                self.inserts.len() - 1
            }
        };
        match self.runs.last_mut() {
            Some((last, rows)) if *last == at => *rows += 1,
            _ => self.runs.push((at, 1)),
        }
        let collected = &mut self.inserts[at].1;
        // SAFETY: the caller's promise.
        unsafe { collected.add(types, cells) };
        collected.is_full()
    }

    /// The rows; there are none any more.
    pub fn take(&mut self) -> Result<Taken, ExecError> {
        let runs = std::mem::take(&mut self.runs);
        let mut inserts = Vec::new();
        for (question, collected) in &mut self.inserts {
            inserts.push((*question, collected.rows, collected.take()?));
        }
        Ok(Taken { inserts, runs })
    }

    /// Forgets the rows.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.inserts.iter_mut().for_each(|(_, rows)| rows.clear());
    }
}

/// The rows of one INSERT.
#[derive(Debug, Default)]
pub struct Collected {
    /// How many.
    pub rows: usize,
    /// What their texts, arrays and structs take, of which each row has its own copy.
    bytes: usize,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    ty: LogicalType,
    values: Vec<u8>,
    valid: Vec<u8>,
}

impl Collected {
    /// Adds the row in these cells.
    ///
    /// # Safety
    /// `cells` has a cell for each type, in the type's natural layout.
    pub unsafe fn add(&mut self, types: &[LogicalType], cells: *const u8) {
        if self.columns.is_empty() {
            let column = |ty: &LogicalType| Column {
                ty: ty.clone(),
                values: Vec::new(),
                valid: Vec::new(),
            };
            self.columns = types.iter().map(column).collect();
        }
        for (at, column) in self.columns.iter_mut().enumerate() {
            let width = column.ty.physical().bytes();
            // SAFETY: the caller's promise; no type is wider than a cell's 16 bytes of value.
            let (value, valid) = unsafe {
                let cell = cells.add(CELL_BYTES * at);
                (std::slice::from_raw_parts(cell, width), cell.add(VALID_AT).read())
            };
            match valid {
                0 => column.values.resize(column.values.len() + width, 0),
                _ => {
                    column.values.extend_from_slice(value);
                    // SAFETY: the caller's promise.
                    self.bytes += unsafe { cell_weight(cells.add(CELL_BYTES * at), &column.ty, MOST_BYTES) };
                }
            }
            column.valid.push(valid);
        }
        self.rows += 1;
    }

    /// Whether it is time to hand them over.
    pub fn is_full(&self) -> bool {
        self.rows >= MOST_ROWS || self.bytes > MOST_BYTES
    }

    /// The rows as columns; there are none any more.
    pub fn take(&mut self) -> Result<Vec<ArrayRef>, ExecError> {
        (self.rows, self.bytes) = (0, 0);
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            arrays.push(output::array(&column.ty, &column.values, &column.valid)?);
            column.values.clear();
            column.valid.clear();
        }
        Ok(arrays)
    }

    /// Forgets the rows.
    pub fn clear(&mut self) {
        (self.rows, self.bytes) = (0, 0);
        for column in &mut self.columns {
            column.values.clear();
            column.valid.clear();
        }
    }
}
