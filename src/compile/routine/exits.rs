//! How a routine is left after an error: at one place, wherever it happened.
//!
//! `a[i] + b[j]` has three ways to fail; each puts the number of its site into a local and jumps to the block that writes it into the frame
//! and gives up.
//!
//! Invariants: inside TRY errors go to its handler. The entry of a routine with loops leads to the exit too, in a way that is never taken:
//! else the exit would lie inside a loop in the tree of dominators, where the back end loses sight of the loops around it and
//! computes in each round what does not change.
//!
//! Does not: say what went wrong.

use gobi_jit::ir::{Block, IntCond, Local, Type, Value};

use super::{Exit, FAILED};
use crate::compile::emit::Emitter;
use crate::compile::frame::ERROR_SITE;
use crate::plan::physical::routine::{Routine, Statement};

/// Where a routine is left after an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorExit {
    /// Its site is in the local.
    at_site: Block,
    site: Local,
    /// It is known already.
    known: Block,
}

impl Emitter<'_> {
    /// Where errors leave the routine; inside TRY they do not.
    fn error_exit(&mut self) -> Option<ErrorExit> {
        let frame = self.routine.as_deref()?;
        if !frame.handlers.is_empty() {
            return None;
        }
        if let Some(exit) = frame.error_exit {
            return Some(exit);
        }
        let exit = ErrorExit {
            at_site: self.b.cold_block(),
            site: self.b.local(Type::I64),
            known: self.b.cold_block(),
        };
        self.frame_of().error_exit = Some(exit);
        Some(exit)
    }

    /// Ends the block after an error at a site, if it leaves the routine that is written.
    pub(in crate::compile) fn exit_at(&mut self, site: usize) -> bool {
        let Some(exit) = self.error_exit() else { return false };
        self.set_site(exit, site);
        self.b.jump(exit.at_site);
        true
    }

    /// In a cold block, a branch to where an error at a site leaves the routine.
    pub(in crate::compile) fn exit_if(&mut self, failed: Value, site: usize) -> bool {
        let is_cold = self.b.function().blocks[self.b.current().idx()].cold;
        let Some(exit) = self.error_exit().filter(|_| is_cold) else {
            return false;
        };
        self.set_site(exit, site);
        let go_on = self.b.block();
        self.b.branch(failed, exit.at_site, go_on);
        self.b.switch_to(go_on);
        true
    }

    fn set_site(&mut self, exit: ErrorExit, site: usize) {
        let number = self.b.iconst(Type::I64, site as i64);
        self.b.set(exit.site, number);
    }

    /// Ends the block after an error: to the innermost TRY, or out of the routine.
    pub(in crate::compile) fn leave_routine(&mut self) {
        if let Some(handler) = self.frame_of().handlers.last().copied() {
            return self.b.jump(handler);
        }
        if let Some(exit) = self.error_exit() {
            self.b.jump(exit.known);
        }
    }

    /// Writes the block in which errors leave the routine; the block that is open then goes on to `body`.
    pub(super) fn write_exit(&mut self, routine: &Routine, body: Block) {
        let Some(exit) = self.frame_of().error_exit else {
            return self.b.jump(body);
        };
        let frame = self.frame();
        if has_loops(routine) {
            let null = self.b.null_ptr();
            let never = self.b.icmp(IntCond::Eq, frame, null);
            self.b.branch(never, exit.known, body);
        } else {
            self.b.jump(body);
        }
        self.b.switch_to(exit.at_site);
        let number = self.b.get(exit.site);
        self.b.store(number, frame, ERROR_SITE);
        self.b.jump(exit.known);
        self.b.switch_to(exit.known);
        match &self.frame_of().exit {
            Exit::Body(_) | Exit::Row(_) => {
                let failed = self.b.iconst(Type::I64, -1);
                self.b.ret(&[failed]);
            }
            Exit::Function(ty) => {
                let kind = ty.as_ref().map(crate::compile::value::kind_of);
                let value = kind.map(|kind| self.no_result(kind));
                let state = self.b.iconst(Type::I8, FAILED);
                let results: Vec<Value> = value.into_iter().chain([state]).collect();
                self.b.ret(&results);
            }
        }
    }
}

fn has_loops(routine: &Routine) -> bool {
    let mut found = false;
    Statement::each(&routine.body, &mut |statement| found |= statement.is_loop());
    found
}
