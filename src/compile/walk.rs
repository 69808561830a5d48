//! Walks: kernels that give several rows for one, the partners in a join's chain or the elements of an array.
//!
//! Row 7 of a block of 2,048 has 5,000 partners: the kernel writes 2,048 pairs, stores "row 7, partner 2,049" in the frame and
//! leaves; the worker takes the pairs through the later stages and calls it again.
//!
//! Invariants: a walk leaves when its output is full, and after a bounded number of partners even if none of them matched; it
//! goes on exactly where it left.
//!
//! Does not: find the chain's first row; that is the probe's work.

use gobi_jit::ir::{Block, IntCond, Local, Type, Value};

use super::emit::Emitter;
use super::frame;
use super::stages::{Flight, Probe, read_vector, write_vector};
use super::value::Nullable;
use super::{BLOCK_ROWS, keys, range};
use crate::plan::physical::logical::JoinKind;
use crate::plan::physical::{JoinStrategy, JoinTable};

/// Partners that a walk with a residual looks at before it comes up for air, so that a query can be cancelled though hardly
/// a pair matches.
const PARTNERS: i64 = 16_384;
/// In the place where a walk goes on: the row had a match already. The row itself is below.
const FOUND_BIT: i64 = 32;

/// The loop of a walk: over the block's rows, and for each over its chain, able to stop and go on in between.
pub(super) struct Walk {
    i: Value,
    row: Local,
    found: Local,
    out: Local,
    /// Partners that may still be looked at.
    fuel: Local,
    next_input: Block,
    position: Local,
    input: Flight,
    head_block: Block,
    exit: Block,
}

/// Where the partners of a row are.
#[derive(Clone, Copy)]
pub(super) enum Partners {
    /// Each is linked to the next.
    Chain,
    /// In an order; the vector holds the place of the last.
    Range {
        /// The vector.
        ends: usize,
    },
}

impl Walk {
    /// Opens the loop over the block's rows; `head` gives the first row of a chain, or 0.
    pub(super) fn begin(
        e: &mut Emitter<'_>,
        input: &Flight,
        head: impl FnOnce(&mut Emitter<'_>, Value) -> Value,
    ) -> (Self, Value) {
        let (position, row, found, out, fuel) = (
            e.b.local(Type::I64),
            e.b.local(Type::I64),
            e.b.local(Type::I64),
            e.b.local(Type::I64),
            e.b.local(Type::I64),
        );
        let (frame, count) = (e.frame(), e.count());
        let zero = e.b.iconst(Type::I64, 0);
        let (resume_at, resume_row) = (
            e.b.load(Type::I64, frame, frame::RESUME_INPUT),
            e.b.load(Type::I64, frame, frame::RESUME_ROW),
        );
        e.b.store(zero, frame, frame::MORE);
        e.b.set(position, resume_at);
        e.b.set(row, resume_row);
        let partners = e.b.iconst(Type::I64, PARTNERS);
        e.b.set(fuel, partners);
        let (head_block, body, exit, next_input) = (e.b.block(), e.b.block(), e.b.block(), e.b.block());
        e.b.jump(head_block);
        e.b.switch_to(head_block);
        let i = e.b.get(position);
        let more = e.b.icmp(IntCond::Slt, i, count);
        e.b.branch(more, body, exit);
        e.b.switch_to(body);
        e.forget_row();
        input.read(e, i);
        let head = head(e, i);
        let resumed = e.b.get(row);
        let resumes = e.b.icmp(IntCond::Ne, resumed, zero);
        let (bit, low) = (e.b.iconst(Type::I64, FOUND_BIT), e.b.trunc(resumed, Type::I32));
        let (matched, link) = (e.b.ushr(resumed, bit), e.b.uext(low, Type::I64));
        let first = e.b.select(resumes, link, head);
        e.b.set(row, first);
        e.b.set(found, matched);
        let walk = Self {
            i,
            row,
            found,
            out,
            fuel,
            next_input,
            position,
            input: input.clone(),
            head_block,
            exit,
        };
        (walk, head)
    }

    /// The inner loop over the elements of an array: "rows" are counted down from its length.
    pub(super) fn each(&self, e: &mut Emitter<'_>, length: Value, flight: &Flight, source: usize) {
        let (test, body, advance) = (e.b.block(), e.b.block(), e.b.block());
        e.b.jump(test);
        e.b.switch_to(test);
        let left = e.b.get(self.row);
        let (zero, one) = (e.b.iconst(Type::I64, 0), e.b.iconst(Type::I64, 1));
        let more = e.b.icmp(IntCond::Ne, left, zero);
        e.b.branch(more, body, self.next_input);
        e.b.switch_to(body);
        let position = e.b.sub(length, left);
        let link = e.b.sub(left, one);
        self.emit(e, flight, source, position);
        self.stop_if_full(e, link, advance);
        e.b.switch_to(advance);
        e.b.set(self.row, link);
        e.b.jump(test);
    }

    /// The inner loop over the partners of a row.
    pub(super) fn partners(
        &self,
        e: &mut Emitter<'_>,
        probe: &Probe<'_>,
        table: &JoinTable,
        flight: &Flight,
        partners: Partners,
    ) {
        let (test, body, matched, advance, ended) = (e.b.block(), e.b.block(), e.b.block(), e.b.block(), e.b.block());
        let zero = e.b.iconst(Type::I64, 0);
        // The probe side's keys are the same for the whole chain.
        let hashed = table.strategy == JoinStrategy::Hash;
        let values: Vec<Nullable> = if hashed {
            probe.keys.iter().map(|key| e.expr(key)).collect()
        } else {
            Vec::new()
        };
        e.b.jump(test);
        e.b.switch_to(test);
        let place = e.b.get(self.row);
        let there = e.b.icmp(IntCond::Ne, place, zero);
        e.b.branch(there, body, ended);
        e.b.switch_to(body);
        let (row, link) = match partners {
            Partners::Range { ends } => {
                let last = read_vector(e, ends, self.i);
                let (row, next) = range::partner(e, probe.join, place, last);
                e.set_row(probe.source, row);
                (row, next)
            }
            Partners::Chain => {
                e.set_row(probe.source, place);
                let address = e.row_address(probe.source, table.layout.stride);
                let link = e.b.load(Type::I32, address, 0);
                (place, e.b.uext(link, Type::I64))
            }
        };
        let same = if hashed {
            let address = e.row_address(probe.source, table.layout.stride);
            keys::equal_row(e, &values, table, address)
        } else {
            e.b.iconst(Type::I8, 1)
        };
        probe.residual(e, same, matched, advance);
        e.b.switch_to(matched);
        match table.kind {
            JoinKind::Semi => {
                self.emit(e, flight, probe.source, row);
                e.b.jump(self.next_input);
            }
            JoinKind::Anti | JoinKind::NullAwareAnti => e.b.jump(self.next_input),
            _ => {
                let yes = e.b.iconst(Type::I64, 1);
                e.b.set(self.found, yes);
                self.emit(e, flight, probe.source, row);
                self.stop_if_full(e, link, advance);
            }
        }
        e.b.switch_to(advance);
        if !probe.residual.is_empty() {
            self.burn(e, link);
        }
        e.b.set(self.row, link);
        e.b.jump(test);
        e.b.switch_to(ended);
        self.chain_ended(e, table, flight, probe.source);
    }

    fn chain_ended(&self, e: &mut Emitter<'_>, table: &JoinTable, flight: &Flight, source: usize) {
        let zero = e.b.iconst(Type::I64, 0);
        match table.kind {
            JoinKind::Anti | JoinKind::NullAwareAnti => self.emit(e, flight, source, zero),
            JoinKind::Left => {
                let (alone, go_on) = (e.b.block(), e.b.block());
                let found = e.b.get(self.found);
                let found = e.b.trunc(found, Type::I8);
                e.b.branch(found, go_on, alone);
                e.b.switch_to(alone);
                self.emit(e, flight, source, zero);
                e.b.jump(go_on);
                e.b.switch_to(go_on);
            }
            _ => {}
        }
        e.b.jump(self.next_input);
    }

    /// Gives the row at hand with this partner.
    fn emit(&self, e: &mut Emitter<'_>, flight: &Flight, source: usize, partner: Value) {
        let at = e.b.get(self.out);
        for (s, vector) in &flight.vectors {
            let Some(vector) = vector else { continue };
            let row = if *s == source {
                partner
            } else {
                // Read again rather than kept alive over the chain.
                match self.input.vector_of(*s) {
                    Some(from) => read_vector(e, from, self.i),
                    None => {
                        let start = e.start();
                        e.b.add(start, self.i)
                    }
                }
            };
            write_vector(e, *vector, at, row);
        }
        let one = e.b.iconst(Type::I64, 1);
        let next = e.b.add(at, one);
        e.b.set(self.out, next);
    }

    /// Leaves the kernel in the middle of a chain if the output is full.
    fn stop_if_full(&self, e: &mut Emitter<'_>, link: Value, go_on: Block) {
        let full = self.is_full(e);
        let stop = e.b.cold_block();
        e.b.branch(full, stop, go_on);
        e.b.switch_to(stop);
        self.leave_in_chain(e, link, go_on);
    }

    /// Leaves the kernel after a number of partners, wherever it is.
    fn burn(&self, e: &mut Emitter<'_>, link: Value) {
        let (left, one) = (e.b.get(self.fuel), e.b.iconst(Type::I64, 1));
        let left = e.b.sub(left, one);
        e.b.set(self.fuel, left);
        let zero = e.b.iconst(Type::I64, 0);
        let empty = e.b.icmp(IntCond::Sle, left, zero);
        let (stop, go_on) = (e.b.cold_block(), e.b.block());
        e.b.branch(empty, stop, go_on);
        e.b.switch_to(stop);
        self.leave_in_chain(e, link, go_on);
        e.b.switch_to(go_on);
    }

    /// Leaves the kernel before `link`, if the chain does not end there.
    fn leave_in_chain(&self, e: &mut Emitter<'_>, link: Value, go_on: Block) {
        let in_chain = e.b.cold_block();
        let zero = e.b.iconst(Type::I64, 0);
        let more = e.b.icmp(IntCond::Ne, link, zero);
        e.b.branch(more, in_chain, go_on);
        e.b.switch_to(in_chain);
        let (bit, found) = (e.b.iconst(Type::I64, FOUND_BIT), e.b.get(self.found));
        let found = e.b.shl(found, bit);
        let place = e.b.or(link, found);
        self.leave(e, self.i, place);
    }

    fn is_full(&self, e: &mut Emitter<'_>) -> Value {
        let (out, most) = (e.b.get(self.out), e.b.iconst(Type::I64, BLOCK_ROWS as i64));
        e.b.icmp(IntCond::Sge, out, most)
    }

    fn leave(&self, e: &mut Emitter<'_>, input: Value, row: Value) {
        let frame = e.frame();
        let one = e.b.iconst(Type::I64, 1);
        e.b.store(one, frame, frame::MORE);
        e.b.store(input, frame, frame::RESUME_INPUT);
        e.b.store(row, frame, frame::RESUME_ROW);
        let out = e.b.get(self.out);
        e.b.ret(&[out]);
    }

    /// Goes on to the next row of the block; gives the number of rows written.
    pub(super) fn end(self, e: &mut Emitter<'_>) -> Value {
        e.b.switch_to(self.next_input);
        let (one, zero) = (e.b.iconst(Type::I64, 1), e.b.iconst(Type::I64, 0));
        let next = e.b.add(self.i, one);
        e.b.set(self.position, next);
        e.b.set(self.row, zero);
        let count = e.count();
        let full = self.is_full(e);
        let (check, stop) = (e.b.cold_block(), e.b.cold_block());
        e.b.branch(full, check, self.head_block);
        e.b.switch_to(check);
        let more = e.b.icmp(IntCond::Slt, next, count);
        e.b.branch(more, stop, self.exit);
        e.b.switch_to(stop);
        self.leave(e, next, zero);
        e.b.switch_to(self.exit);
        e.forget_row();
        e.b.get(self.out)
    }
}
