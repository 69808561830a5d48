//! Frames in memory, and the vectors that their slots point to.
//!
//! Invariants: a slot that is not set is 0; a frame is used by one worker at a time.
//!
//! Does not: know what the numbers mean to a kernel (`compile::frame` does).

use crate::compile::frame::{FrameLayout, HEADER_BYTES, MORE, RESUME_INPUT, RESUME_ROW, Slot};
use crate::compile::{BLOCK_ROWS, Constant, PipelineCode};
use crate::types::chunk::string_view;

/// A worker's frame for one pipeline.
#[derive(Debug)]
pub struct Frame {
    words: Vec<u64>,
    layout: FrameLayout,
    /// Row numbers in flight.
    pub vectors: Vec<Vec<u32>>,
    /// Mask of the first filter.
    pub mask: Vec<u8>,
    /// Constants, where their slots point to; never moved after the frame is made.
    _constants: Box<[u128]>,
}

impl Frame {
    /// A frame whose constants, dictionaries, lookups, patterns and vectors are in place.
    pub fn new(code: &PipelineCode) -> Self {
        let constants: Box<[u128]> = code
            .constants
            .iter()
            .map(|constant| match constant {
                Constant::Bits(bits) => *bits,
                Constant::Text(text) => string_view(text),
                Constant::Address(_) => 0,
            })
            .collect();
        let mut frame = Self {
            words: vec![0; code.frame.size_bytes() / 8],
            layout: code.frame.clone(),
            vectors: (0..code.vectors).map(|_| vec![0; BLOCK_ROWS + 16]).collect(),
            mask: vec![0; BLOCK_ROWS + 64],
            _constants: constants,
        };
        for i in 0..frame._constants.len() {
            let address = match code.constants[i] {
                Constant::Address(address) => address,
                _ => std::ptr::from_ref(&frame._constants[i]) as u64,
            };
            frame.set(Slot::Constant { index: i }, address);
        }
        for (index, dictionary) in code.dictionaries.iter().enumerate() {
            frame.set(Slot::Dictionary { index }, dictionary.views().as_ptr() as u64);
        }
        for (index, lookup) in code.lookups.iter().enumerate() {
            frame.set(Slot::Lookup { index }, lookup.0.as_ptr() as u64);
        }
        for (index, pattern) in code.patterns.iter().enumerate() {
            frame.set(Slot::Pattern { index }, std::ptr::from_ref(pattern) as u64);
        }
        for vector in 0..frame.vectors.len() {
            let address = frame.vectors[vector].as_ptr() as u64;
            frame.set(Slot::Vector { vector }, address);
        }
        let mask = frame.mask.as_ptr() as u64;
        frame.set(Slot::Mask, mask);
        frame
    }

    /// Sets a slot, if generated code uses it.
    pub fn set(&mut self, slot: Slot, value: u64) {
        if let Some(index) = self.layout.find(slot) {
            self.words[HEADER_BYTES / 8 + index] = value;
        }
    }

    /// A slot's value; 0 if generated code does not use it.
    pub fn get(&self, slot: Slot) -> u64 {
        self.layout
            .find(slot)
            .map_or(0, |index| self.words[HEADER_BYTES / 8 + index])
    }

    /// Sets a word of the header.
    pub fn set_header(&mut self, offset: i32, value: u64) {
        self.words[offset as usize / 8] = value;
    }

    /// A word of the header.
    pub fn header(&self, offset: i32) -> u64 {
        self.words[offset as usize / 8]
    }

    /// Starts a walk at its first row, or goes on where it stopped.
    pub fn resume(&mut self, (input, row): (u64, u64)) {
        self.words[RESUME_INPUT as usize / 8] = input;
        self.words[RESUME_ROW as usize / 8] = row;
    }

    /// Where a walk stopped, if it did.
    pub fn stopped(&self) -> Option<(u64, u64)> {
        (self.header(MORE) != 0).then(|| (self.header(RESUME_INPUT), self.header(RESUME_ROW)))
    }

    /// Address for kernels.
    pub fn address(&mut self) -> *mut u8 {
        self.words.as_mut_ptr().cast()
    }

    /// Address for those who only read.
    pub fn start(&self) -> *const u8 {
        self.words.as_ptr().cast()
    }
}
