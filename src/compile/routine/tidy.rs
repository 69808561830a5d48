//! Giving back memory in a loop: what was made since the routine began, and no variable reaches.
//!
//! `tidy` at the beginning of a round looks whether much was made since the mark that the routine has set; if so, the variables go
//! into cells, and come back with the places of what they hold.
//!
//! Invariants: a mark is set before anything of the routine's own is made; where nothing is to be done, a round costs a comparison.
//!
//! Does not: decide which loops, or which variables; the checker does.

use gobi_jit::ir::{IntCond, Type};

use super::variables::CELL;
use crate::compile::emit::Emitter;
use crate::compile::frame::{MARK_BYTES, MARK_COUNT, MARK_LIMIT, Slot};
use crate::plan::physical::logical::ColumnId;
use crate::plan::physical::routine::{Routine, Statement};

/// Whether a routine gives back memory.
pub(super) fn is_tidy(routine: &Routine) -> bool {
    let mut found = false;
    Statement::each(&routine.body, &mut |statement| {
        found |= matches!(statement, Statement::Tidy { .. });
    });
    found
}

impl Emitter<'_> {
    /// Sets the mark of the routine, if it needs one.
    pub(super) fn set_mark(&mut self, routine: &Routine) {
        if !is_tidy(routine) {
            return;
        }
        let slot = self.b.slot(MARK_BYTES as u32);
        self.frame_of().mark = Some(slot);
        let (mark, host_state) = (self.b.slot_addr(slot), self.slot(Slot::Host));
        let (host, sig) = self.host("mark", &[Type::Ptr, Type::Ptr]);
        let _ = self.b.call_host(host, &sig, &[host_state, mark]);
    }

    pub(super) fn tidy(&mut self, variables: &[ColumnId]) {
        let Some(slot) = self.frame_of().mark else { return };
        let mark = self.b.slot_addr(slot);
        let count = self.b.load(Type::Ptr, mark, MARK_COUNT);
        let count = self.b.load(Type::I64, count, 0);
        let limit = self.b.load(Type::I64, mark, MARK_LIMIT);
        let crowded = self.b.icmp(IntCond::Sgt, count, limit);
        let (move_all, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(crowded, move_all, go_on);
        self.b.switch_to(move_all);
        let cells = self.b.slot((CELL as u32 * variables.len() as u32).max(16));
        let base = self.b.slot_addr(cells);
        let mut types = Vec::with_capacity(variables.len());
        for (at, id) in variables.iter().enumerate() {
            let value = self.variable(*id);
            self.store_cell(&value, base, CELL * at as i32);
            types.push(self.type_of(*id));
        }
        let number = self.b.iconst(Type::I64, self.shared.kept.len() as i64);
        self.shared.kept.push(types);
        let (host, sig) = self.host("tidy", &[Type::Ptr, Type::I64, Type::Ptr, Type::Ptr]);
        let host_state = self.slot(Slot::Host);
        let status = self.b.call_host(host, &sig, &[host_state, number, mark, base]);
        self.fail_if_status(status);
        for (at, id) in variables.iter().enumerate() {
            let value = self.load_cell(base, CELL * at as i32, *id);
            self.set_variable(*id, value);
        }
        self.b.jump(go_on);
        self.b.switch_to(go_on);
    }
}
