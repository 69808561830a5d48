//! The frame: the one block of memory through which a kernel sees the world.
//!
//! A worker has one frame for each pipeline. It starts with a header (where a failed kernel says what went wrong); then
//! come 8-byte slots, most of them addresses, whose meaning this module lists: the values of column 2 are at slot 5, say.
//!
//! Invariants: generated code reaches memory only through slots; a slot's meaning never changes after it is assigned.
//!
//! Does not: own what the slots point to.

use std::collections::HashMap;

use gobi_jit::abi;

/// Bytes of the header before slot 0.
pub const HEADER_BYTES: usize = abi::FRAME_HEADER_BYTES;
/// Header: number of the error site (an index into the pipeline's sites).
pub const ERROR_SITE: i32 = abi::ERROR_SITE;
/// Header: non-zero if a kernel stopped because its output is full; it continues when called again.
pub const MORE: i32 = abi::OUT_COUNT;
/// Header: where it stopped (position in the input block).
pub const RESUME_INPUT: i32 = abi::RESUME_A;
/// Header: the flag that turns true when the query is cancelled.
pub const CANCEL: i32 = abi::CANCEL;
/// Header: where it stopped (row of the chain).
pub const RESUME_ROW: i32 = abi::RESUME_B;

/// Bytes of a mark, which a routine that gives back memory has on its stack.
pub const MARK_BYTES: usize = 64;
/// Mark: where it is counted how many words objects take.
pub const MARK_COUNT: i32 = 0;
/// Mark: how many there may be before something is given back.
pub const MARK_LIMIT: i32 = 8;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Values of a field of the pipeline's source (a table or intermediate result).
    Values {
        /// Index into the source's fields.
        field: usize,
    },
    /// Validity bytes of it.
    Validity {
        /// Index into the source's fields.
        field: usize,
    },
    /// First row of a join or group table that is a source of the pipeline.
    RowsOf {
        /// Index into the pipeline's sources.
        source: usize,
    },
    /// Number of the first row of the morsel (ranges only).
    FirstRow,
    /// A vector of row numbers (u32), one for each row in flight.
    Vector {
        /// Index into the pipeline's vectors.
        vector: usize,
    },
    /// One byte per row of the block: does it pass the first filter?
    Mask,
    /// Dense index, hash directory or bitmap of a join table.
    JoinIndex {
        /// Index into the plan's joins.
        join: usize,
    },
    /// 1 if the build side had no row (a number).
    JoinEmpty {
        /// Index into the plan's joins.
        join: usize,
    },
    /// How far a hash is shifted to give a place in the directory.
    JoinShift {
        /// Index into the plan's joins.
        join: usize,
    },
    /// Where the sink writes rows; also the group table of an aggregation.
    SinkRows,
    /// How many rows it holds (a number, updated by the kernel).
    SinkCount,
    /// Directory of the group table being filled.
    GroupIndex,
    /// Size of that directory minus one.
    GroupMask,
    /// Set to 1 if a build row had a NULL key.
    SawNullKey,
    /// First row of the partial table that is merged into the sink.
    MergeRows,
    /// Where an output column's values go.
    Out {
        /// Index into the sink's columns.
        column: usize,
    },
    /// Where its validity bytes go.
    OutValidity {
        /// Index into the sink's columns.
        column: usize,
    },
    /// How many rows the output holds already.
    OutPosition,
    /// A parameter: 16 bytes of value, then a validity byte.
    Parameter {
        /// Number of the scalar subquery.
        index: usize,
    },
    /// String views of a dictionary.
    Dictionary {
        /// Index into the code's dictionaries.
        index: usize,
    },
    /// A constant: the view of a string literal, or an interval.
    Constant {
        /// Index into the code's constants.
        index: usize,
    },
    /// One byte per dictionary code: does it pass?
    Lookup {
        /// Index into the code's lookups.
        index: usize,
    },
    /// A compiled LIKE pattern.
    Pattern {
        /// Index into the code's patterns.
        index: usize,
    },
    /// Arguments and results of a body: cells of 32 bytes, 16 of value and one of validity.
    Cells,
    /// Calls until the next look at whether somebody asked to stop (a number).
    Fuel,
    /// What host functions work with.
    Host,
    /// First operand of a failed operation (16 bytes, two slots).
    ErrorLeft,
    /// Second half of it.
    ErrorLeftHigh,
    /// Second operand.
    ErrorRight,
    /// Second half of it.
    ErrorRightHigh,
}

/// Which slot is where.
#[derive(Clone, Debug, Default)]
pub struct FrameLayout {
    slots: Vec<Slot>,
    /// The position of each: a plan of many joins has thousands.
    places: HashMap<Slot, usize>,
}

impl FrameLayout {
    /// The error operands always come first, so that their halves are neighbours.
    pub fn new() -> Self {
        let mut layout = Self::default();
        for slot in [
            Slot::ErrorLeft,
            Slot::ErrorLeftHigh,
            Slot::ErrorRight,
            Slot::ErrorRightHigh,
        ] {
            layout.offset(slot);
        }
        layout
    }

    /// Byte offset of a slot, assigned at the first request.
    pub fn offset(&mut self, slot: Slot) -> i32 {
        let index = *self.places.entry(slot).or_insert_with(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        });
        i32::try_from(HEADER_BYTES + index * 8).unwrap_or(i32::MAX)
    }

    /// Position of a slot, if generated code uses it.
    pub fn find(&self, slot: Slot) -> Option<usize> {
        self.places.get(&slot).copied()
    }

    /// All slots in order.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Bytes of a frame.
    pub fn size_bytes(&self) -> usize {
        HEADER_BYTES + self.slots.len() * 8
    }
}
