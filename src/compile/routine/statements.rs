//! Statements: assignments, branches and loops as basic blocks.
//!
//! `while i < n { i = i + 1 }` is a block that tests, a block that counts and jumps back, and the block behind.
//!
//! Invariants: what stands behind a statement that never ends is not written; every block is ended.
//!
//! Does not: compute expressions.

use gobi_jit::ir::{Block, IntCond, Type, Value};

use super::known::Known;
use super::variables::CELL;
use super::{arrays, texts};
use crate::compile::emit::Emitter;
use crate::compile::frame::Slot;
use crate::compile::maps;
use crate::plan::physical::Span;
use crate::plan::physical::logical::{ColumnId, Expr, ExprKind};
use crate::plan::physical::routine::Statement;
use crate::types::LogicalType;

/// Where branches meet, and what holds on all of them.
struct Join {
    block: Block,
    known: Known,
}

impl Emitter<'_> {
    /// Writes statements until one does not end.
    pub(super) fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
            if self.b.is_terminated() {
                return;
            }
        }
    }

    fn statement(&mut self, statement: &Statement) {
        if let Some(place) = statement.span().filter(|place| place.end > place.start) {
            self.frame_of().place = place;
            if self.shared.notes_places {
                let note = self.shared.module.note(&format!("@{}", place.start));
                self.b.note(note);
            }
        }
        match statement {
            Statement::Set(variable, value) => self.set(*variable, value),
            Statement::Store {
                variable,
                path,
                value,
                span,
            } => self.store_part(*variable, path, value, *span),
            Statement::Eval(value) => drop(self.expr(value)),
            Statement::If { arms, otherwise } => self.branches(arms, otherwise),
            Statement::While {
                before,
                condition,
                body,
            } => self.repeat(before, condition, body),
            Statement::Range {
                variable,
                start,
                stop,
                step,
                body,
                span,
            } => self.count_up(*variable, (start, stop, step), body, *span),
            Statement::Return(value) => {
                let value = value.as_ref().map(|value| self.expr(value));
                for question in self.frame_of().open_rows.clone().into_iter().rev() {
                    self.close_rows(question);
                }
                self.give(value);
            }
            Statement::Break => {
                let (end, _) = self.innermost();
                self.b.jump(end);
            }
            Statement::Continue => {
                let (_, next) = self.innermost();
                self.b.jump(next);
            }
            Statement::Begin { array, count, room } => self.begin_array(*array, *count, room.as_ref()),
            Statement::Append { array, count, value } => self.append(*array, *count, value),
            Statement::Complete { array, count } => self.complete_array(*array, *count),
            Statement::Ask {
                question,
                given,
                taken,
                span,
            } => drop(self.ask(*question, given, taken, *span)),
            Statement::Collect { .. } => self.collect(statement),
            Statement::Rows {
                question,
                given,
                taken,
                body,
                span,
            } => self.rows(*question, (given, taken), body, *span),
            Statement::Tidy { variables } => self.tidy(variables),
            Statement::Throw { code, message, span } => self.throw(code, message, *span),
            Statement::Try { body, caught, handler } => self.attempt(body, *caught, handler),
            Statement::Rethrow(id) => self.rethrow(*id),
        }
    }

    fn set(&mut self, variable: ColumnId, value: &Expr) {
        if self.count_round(variable, value) {
            return;
        }
        if let Some(pieces) = texts::pieces(variable, value) {
            return self.extend_text(variable, &pieces, value);
        }
        if let Some(entry) = maps::entry_put(variable, value) {
            return self.put_entry(variable, entry, value);
        }
        if let Some(elements) = arrays::appended(variable, value).filter(|_| self.always_has_a_value(variable)) {
            return self.push(variable, &elements);
        }
        match value.kind {
            ExprKind::Column(id) if self.frame_of().handed_over.contains(&id) => {
                let array = self.variable(id);
                self.set_variable(variable, array);
                let known = &mut self.frame_of().known;
                if known.owns(id) {
                    known.shared(id);
                    known.owned(variable);
                }
            }
            _ => {
                let result = self.expr(value);
                self.set_variable(variable, result);
                self.learn(variable, value);
            }
        }
    }

    /// What follows from an assignment.
    fn learn(&mut self, variable: ColumnId, value: &Expr) {
        if value.ty.is_integer() && self.is_plain_number(variable) {
            if let Some(array) = self.measured(value) {
                self.frame_of().known.measures(variable, array);
            }
            if let ExprKind::Column(of) = value.kind
                && self.is_plain_number(of)
            {
                self.frame_of().known.copied(variable, of);
            }
        }
        let Some(parts) = arrays::written_out(value) else {
            return;
        };
        if matches!(value.ty, LogicalType::Array(_)) {
            self.frame_of().known.has_at_least(variable, parts as i128);
        }
        if self.frame_of().stored_into.contains(&variable) {
            self.own_variable(variable);
        }
    }

    fn innermost(&mut self) -> (Block, Block) {
        *self.frame_of().loops.last().expect("the checker found the loop")
    }

    fn branches(&mut self, arms: &[(Expr, Vec<Statement>)], otherwise: &[Statement]) {
        if let [(condition, body)] = arms
            && let Some(choice) = self.choice(condition, body, otherwise)
        {
            return self.choose(condition, &choice);
        }
        let mut join = None;
        for (condition, body) in arms {
            let before = self.frame_of().known.clone();
            let (then, next) = (self.b.block(), self.b.block());
            self.branch_on(condition, then, next);
            let mut after = self.frame_of().known.clone();
            after.meet(&before);
            self.b.switch_to(then);
            self.assume(condition, true);
            self.statements(body);
            self.join(&mut join);
            self.b.switch_to(next);
            self.frame_of().known = after;
            self.assume(condition, false);
        }
        self.statements(otherwise);
        self.join(&mut join);
        if let Some(join) = join {
            self.meet_at(join);
        }
    }

    /// Ends the block, if it is open, by a jump to where branches meet.
    fn join(&mut self, join: &mut Option<Join>) {
        if self.b.is_terminated() {
            return;
        }
        let known = self.frame_of().known.clone();
        let block = match join {
            Some(join) => {
                join.known.meet(&known);
                join.block
            }
            None => {
                join.insert(Join {
                    block: self.b.block(),
                    known,
                })
                .block
            }
        };
        self.b.jump(block);
    }

    fn meet_at(&mut self, join: Join) {
        self.b.switch_to(join.block);
        self.frame_of().known = join.known;
    }

    // --- what the session does

    /// Asks a question; its answer is a number: -1 for an error, 0 for no row.
    fn ask(&mut self, question: usize, given: &[ColumnId], taken: &[ColumnId], span: Span) -> Value {
        let (answer, base) = self.hand_over("ask", question, given, taken.len(), span);
        for (at, id) in taken.iter().enumerate() {
            let value = self.load_cell(base, CELL * at as i32, *id);
            self.set_variable(*id, value);
        }
        answer
    }

    /// Hands values over as a row that is added later.
    fn collect(&mut self, row: &Statement) {
        if let Statement::Collect {
            question,
            given,
            more,
            span,
        } = row
        {
            let function = if *more { "collect_more" } else { "collect" };
            self.hand_over(function, *question, given, 0, *span);
        }
    }

    /// Calls the session with values in cells, of which there are enough for what it gives back; its answer, and the cells.
    fn hand_over(
        &mut self,
        function: &str,
        question: usize,
        given: &[ColumnId],
        taken: usize,
        span: Span,
    ) -> (Value, Value) {
        let cells = self.b.slot(32 * given.len().max(taken).max(1) as u32);
        let base = self.b.slot_addr(cells);
        for (at, id) in given.iter().enumerate() {
            let value = self.variable(*id);
            self.store_cell(&value, base, CELL * at as i32);
        }
        let host_state = self.slot(Slot::Host);
        let number = self.b.iconst(Type::I64, question as i64);
        let (host, sig) = self.host(function, &[Type::Ptr, Type::I64, Type::Ptr]);
        let answer = self.b.call_host(host, &sig, &[host_state, number, base]);
        let answer = answer.unwrap_or(number);
        let zero = self.b.iconst(Type::I64, 0);
        let failed = self.b.icmp(IntCond::Slt, answer, zero);
        let site = self.site("XX000", "", [None, None], span);
        self.fail_if(failed, None, site, &[]);
        (answer, base)
    }

    fn rows(&mut self, question: usize, (given, taken): (&[ColumnId], &[ColumnId]), body: &[Statement], span: Span) {
        // The question opens the rows; the one after it asks for the next, the one after that ends them early.
        let _ = self.ask(question, given, &[], span);
        let (head, round, end, gone) = (self.b.block(), self.b.block(), self.b.block(), self.b.block());
        self.enter_loop(&[body], &[], taken);
        let outside = self.frame_of().known.clone();
        self.b.jump(head);
        self.b.switch_to(head);
        self.burn(1);
        let answer = self.ask(question + 1, &[], taken, span);
        let zero = self.b.iconst(Type::I64, 0);
        let more = self.b.icmp(IntCond::Sgt, answer, zero);
        self.b.branch(more, round, gone);
        self.b.switch_to(round);
        let failing = self.b.cold_block();
        let frame = self.frame_of();
        frame.handlers.push(failing);
        frame.open_rows.push(question + 2);
        self.round(body, (end, head), None);
        let frame = self.frame_of();
        frame.handlers.pop();
        frame.open_rows.pop();
        frame.known = outside;
        // Who leaves the loop by an error leaves no rows open, either.
        self.b.switch_to(failing);
        self.close_rows(question + 2);
        self.leave_routine();
        self.b.switch_to(end);
        self.close_rows(question + 2);
        self.b.jump(gone);
        self.b.switch_to(gone);
    }

    /// Ends a loop over rows before its last row.
    fn close_rows(&mut self, question: usize) {
        let cells = self.b.slot(CELL as u32);
        let (base, host_state) = (self.b.slot_addr(cells), self.slot(Slot::Host));
        let number = self.b.iconst(Type::I64, question as i64);
        let (host, sig) = self.host("ask", &[Type::Ptr, Type::I64, Type::Ptr]);
        let _ = self.b.call_host(host, &sig, &[host_state, number, base]);
    }

    // --- errors

    fn throw(&mut self, code: &Expr, message: &Expr, span: Span) {
        let (code, message) = (self.expr(code), self.expr(message));
        let slot = self.b.slot(64);
        let cells = self.b.slot_addr(slot);
        self.store_cell(&code, cells, 0);
        self.store_cell(&message, cells, CELL);
        let host_state = self.slot(Slot::Host);
        let site = self.site("P0001", "", [None, None], span);
        let number = self.b.iconst(Type::I64, site as i64);
        let (host, sig) = self.host("throw", &[Type::Ptr, Type::I64, Type::Ptr]);
        let _ = self.b.call_host(host, &sig, &[host_state, number, cells]);
        self.leave_with_error(site);
    }

    fn attempt(&mut self, body: &[Statement], caught: [ColumnId; 3], handler: &[Statement]) {
        let handling = self.b.cold_block();
        self.frame_of().handlers.push(handling);
        let before = self.frame_of().known.clone();
        self.enter_loop(&[body], &[], &[]);
        let caught_with = std::mem::replace(&mut self.frame_of().known, before);
        self.statements(body);
        self.frame_of().handlers.pop();
        let mut join = None;
        self.join(&mut join);
        self.b.switch_to(handling);
        self.frame_of().known = caught_with;
        let slot = self.b.slot(96);
        let cells = self.b.slot_addr(slot);
        let host_state = self.slot(Slot::Host);
        let frame = self.frame();
        let (host, sig) = self.host("catch", &[Type::Ptr, Type::Ptr, Type::Ptr]);
        let answer = self
            .b
            .call_host(host, &sig, &[host_state, frame, cells])
            .unwrap_or(frame);
        let may_be_caught = self.b.trunc(answer, Type::I8);
        let (go_on, not) = (self.b.block(), self.b.cold_block());
        self.b.branch(may_be_caught, go_on, not);
        self.b.switch_to(not);
        self.leave();
        self.b.switch_to(go_on);
        for (at, id) in caught.iter().enumerate() {
            let value = self.load_cell(cells, CELL * at as i32, *id);
            self.set_variable(*id, value);
        }
        self.frame_of().catching.push((caught[1], slot));
        self.statements(handler);
        self.frame_of().catching.pop();
        self.join(&mut join);
        if let Some(join) = join {
            self.meet_at(join);
        }
    }

    fn rethrow(&mut self, message: ColumnId) {
        let host_state = self.slot(Slot::Host);
        let mut around = self.frame_of().catching.iter().rev();
        let own = around.find(|(id, _)| *id == message).map(|(_, slot)| *slot);
        let cells = match own {
            Some(slot) => self.b.slot_addr(slot),
            // No handler: the host has nothing of this name.
            None => host_state,
        };
        let (host, sig) = self.host("rethrow", &[Type::Ptr, Type::Ptr]);
        let _ = self.b.call_host(host, &sig, &[host_state, cells]);
        self.leave();
    }
}
