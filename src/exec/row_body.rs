//! Runs a body over the rows of a batch: one call of a kernel, columns in and columns out.
//!
//! A trigger that sets `NEW.total` takes the columns `price` and `amount` of a batch of orders, and gives a column `total`.
//!
//! Invariants: the kernel sees columns in the natural layout of their types; what it gives has as many rows as what it takes.
//!
//! Does not: know what the columns mean.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use gobi_jit::Executable;

use super::engine::Engine;
use super::frame::Frame;
use super::memory::{Block, Budget};
use super::routine::{Answers, BodyTypes, QuestionTypes, call, executable, host_for};
use super::{ExecError, QueryOptions, output};
use crate::compile::PipelineCode;
use crate::compile::frame::Slot;
use crate::formats::natural_chunk;
use crate::types::LogicalType;

/// A body over rows that can be run.
#[derive(Clone, Debug)]
pub struct RowBody {
    code: Arc<PipelineCode>,
    executable: Arc<Executable>,
    inputs: Vec<LogicalType>,
    outputs: Vec<LogicalType>,
    questions: Arc<Vec<QuestionTypes>>,
}

impl Engine {
    /// Compiles a body over rows; the types' parameters are those of its input columns. It is run for many rows, or often.
    pub fn prepare_rows(
        &self,
        code: PipelineCode,
        types: BodyTypes,
        outputs: Vec<LogicalType>,
        options: &QueryOptions,
    ) -> Result<RowBody, ExecError> {
        let code = Arc::new(code);
        let executable = executable(self.shared(), &code, types.loops, options)?;
        Ok(RowBody {
            code,
            executable,
            inputs: types.params,
            outputs,
            questions: Arc::new(types.questions),
        })
    }
}

impl RowBody {
    /// Runs it for each row of these columns.
    pub fn run(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        answers: &mut dyn Answers,
        options: &QueryOptions,
    ) -> Result<Vec<ArrayRef>, ExecError> {
        // SAFETY: only the lifetime is forgotten; the host goes before `answers` does.
        let answers: *mut (dyn Answers + 'static) = unsafe { std::mem::transmute(std::ptr::from_mut(answers)) };
        let budget = Budget::new(options.memory_limit_bytes);
        let mut host = host_for(&self.code, answers, &self.questions, &budget)?;
        let mut frame = Frame::new(&self.code);
        let all_valid = vec![1u8; rows];
        let mut chunks = Vec::with_capacity(columns.len());
        for (field, (column, ty)) in columns.iter().zip(&self.inputs).enumerate() {
            if column.len() != rows {
                return Err(ExecError::internal("a column has other rows than its batch"));
            }
            let chunk = natural_chunk(column, ty).map_err(|error| ExecError::internal(&error))?;
            frame.set(Slot::Values { field }, chunk.values.as_ptr() as u64);
            let validity = chunk
                .validity
                .as_ref()
                .map_or(all_valid.as_ptr(), |bytes| bytes.as_ptr());
            frame.set(Slot::Validity { field }, validity as u64);
            chunks.push(chunk);
        }
        let mut out = Vec::with_capacity(self.outputs.len());
        for (column, ty) in self.outputs.iter().enumerate() {
            let values = Block::zeroed(rows * ty.physical().bytes(), &budget, "a trigger")?;
            let validity = Block::zeroed(rows, &budget, "a trigger")?;
            frame.set(Slot::Out { column }, values.address() as u64);
            frame.set(Slot::OutValidity { column }, validity.address() as u64);
            out.push((values, validity));
        }
        // SAFETY: every slot that the code reads or writes has room for so many rows, and lives until the call has ended.
        unsafe { call(&self.code, &self.executable, &mut frame, &mut host, rows, options) }?;
        let arrays = out.iter().zip(&self.outputs).map(|((values, validity), ty)| {
            let bytes = &values.as_slice::<u8>()[..rows * ty.physical().bytes()];
            output::array(ty, bytes, &validity.as_slice::<u8>()[..rows])
        });
        arrays.collect()
    }
}
