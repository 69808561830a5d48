//! Loops: where they test, and how rarely they look whether to stop.
//!
//! `for j in range(i * i, n, i) { composite[j] = true }` tests at its end, so that a round costs one jump; it runs up to the end of a piece of
//! at most 4096 rounds, and only there looks whether somebody asked to stop, and whether the range goes on. In `while x != 1 { …; steps =
//! steps + 1 }` the test whether `steps` still fits is that look as well.
//!
//! Invariants: between two looks there are at most some million rounds: a loop inside another one, or a call of a routine with loops, costs
//! the outer one the fuel of several rounds; what a loop assigns is forgotten at its head.
//!
//! Does not: know what the rounds do.

use gobi_jit::ir::{Block, Checked, IntCond, Local, Type, Value};

use super::changes::{Changes, continues, keeps_length, leaves_early};
use super::{FUEL, bounds};
use crate::compile::emit::Emitter;
use crate::compile::value::{Nullable, both};
use crate::plan::physical::Span;
use crate::plan::physical::logical::{ArithOp, ColumnId, Expr, ExprKind};
use crate::plan::physical::routine::Statement;
use crate::types::Value as Literal;

/// Steps from this on are so long that a range of them has few rounds.
const LONG_STEP: i64 = 1 << 50;

/// A variable that counts the rounds of a loop: behind `most`, the loop looks whether to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    variable: ColumnId,
    by: i64,
    most: Local,
}

/// How a range is counted through.
#[derive(Clone, Copy)]
enum Way {
    /// By a step that is not below zero.
    Up,
    /// By -1.
    DownByOne,
    /// As the step says.
    Either,
}

/// The numbers of a range.
#[derive(Clone, Copy)]
struct Counting {
    stop: Value,
    step: Value,
    by_one: bool,
    way: Way,
}

impl Emitter<'_> {
    pub(super) fn repeat(&mut self, before: &[Statement], condition: &Expr, body: &[Statement]) {
        let (head, end) = (self.b.block(), self.b.block());
        self.enter_loop(&[before, body], &[condition], &[]);
        let meter = self.meter(body);
        if !before.is_empty() {
            return self.repeat_from_head(before, condition, body, (head, end));
        }
        let next = self.b.block();
        self.test(condition, (head, end));
        let outside = self.frame_of().known.clone();
        self.b.switch_to(head);
        self.assume(condition, true);
        if meter.is_none() {
            let weight = self.weight(body);
            self.burn(weight);
        }
        self.round(body, (end, next), meter);
        self.b.switch_to(next);
        self.frame_of().known.clone_from(&outside);
        self.test(condition, (head, end));
        self.b.switch_to(end);
        self.frame_of().known = outside;
        if !leaves_early(body) {
            self.assume(condition, false);
        }
    }

    /// Ends the block by the test of a loop; what holds before it, and is not changed by it, is known behind it.
    fn test(&mut self, condition: &Expr, (head, end): (Block, Block)) {
        let before = self.frame_of().known.clone();
        self.branch_on(condition, head, end);
        self.frame_of().known.meet(&before);
    }

    /// A loop that does something before each test.
    fn repeat_from_head(
        &mut self,
        before: &[Statement],
        condition: &Expr,
        body: &[Statement],
        (head, end): (Block, Block),
    ) {
        self.b.jump(head);
        self.b.switch_to(head);
        let weight = self.weight(before) + self.weight(body);
        self.burn(weight);
        let at_head = self.frame_of().known.clone();
        self.statements(before);
        if self.b.is_terminated() {
            // What is done before the test never ends; the loop is left by nothing else.
            return self.seal(end);
        }
        let round = self.b.block();
        self.branch_on(condition, round, end);
        self.b.switch_to(round);
        self.assume(condition, true);
        self.round(body, (end, head), None);
        self.b.switch_to(end);
        self.frame_of().known = at_head;
    }

    /// Writes the rounds of a loop, whose block is open; they end at `next`.
    pub(super) fn round(&mut self, body: &[Statement], (end, next): (Block, Block), meter: Option<Meter>) {
        let frame = self.frame_of();
        frame.loops.push((end, next));
        frame.meters.push(meter);
        self.statements(body);
        let frame = self.frame_of();
        frame.loops.pop();
        frame.meters.pop();
        if !self.b.is_terminated() {
            self.b.jump(next);
        }
    }

    /// Ends a block that nothing leads to.
    fn seal(&mut self, block: Block) {
        self.b.switch_to(block);
        self.give(None);
    }

    /// Forgets what the rounds of a loop change.
    pub(super) fn enter_loop(&mut self, bodies: &[&[Statement]], conditions: &[&Expr], assigned: &[ColumnId]) {
        let mut changes = Changes::default();
        bodies.iter().for_each(|body| changes.of_statements(body));
        conditions.iter().for_each(|condition| changes.of_expr(condition));
        let known = &mut self.frame_of().known;
        changes.apply(known);
        assigned.iter().for_each(|id| known.forget(*id));
    }

    // --- what looks whether to stop

    /// The counter of a loop, if it has one, and no loops or calls inside; what it has before its first round is known.
    fn meter(&mut self, body: &[Statement]) -> Option<Meter> {
        if continues(body) || self.weight(body) > 1 {
            return None;
        }
        let (variable, by) = body.iter().find_map(|statement| self.counts(statement, body))?;
        let most = self.b.local(Type::I64);
        let meter = Meter { variable, by, most };
        let now = self.variable(variable).value;
        let limit = self.limit_from(now, meter);
        self.b.set(most, limit);
        Some(meter)
    }

    /// `n = n + 1`, where nothing else in the body assigns `n`.
    fn counts(&mut self, statement: &Statement, body: &[Statement]) -> Option<(ColumnId, i64)> {
        let Statement::Set(id, value) = statement else {
            return None;
        };
        let ExprKind::Chain { first, rest } = &value.kind else {
            return None;
        };
        let ([step], ExprKind::Column(of)) = (rest.as_slice(), &first.kind) else {
            return None;
        };
        let by = match step.operand.kind {
            ExprKind::Literal(Literal::Int(by)) if (1..=1_024).contains(&by) => by as i64,
            _ => return None,
        };
        let facts = self.frame_of().facts(*id);
        let plain = of == id && step.op == ArithOp::Add && first.ty == value.ty && step.ty == value.ty;
        if !plain || facts.ty != value.ty || !self.is_plain_number(*id) {
            return None;
        }
        let mut times = 0;
        Statement::mentions(body, &mut |other, assigned| {
            times += usize::from(assigned && other == *id)
        });
        (times == 1).then_some((*id, by))
    }

    /// The greatest number that can be counted up.
    fn last_counted(&mut self, meter: Meter) -> Value {
        let (_, most) = self
            .frame_of()
            .facts(meter.variable)
            .ty
            .stored_range()
            .unwrap_or((0, 0));
        self.b.iconst(Type::I64, most - i128::from(meter.by))
    }

    /// The number behind which the loop looks again whether to stop, when the counter is at `now`.
    fn limit_from(&mut self, now: Value, meter: Meter) -> Value {
        let last = self.last_counted(meter);
        let rounds = self.b.iconst(Type::I64, FUEL * meter.by);
        let (limit, overflow) = self.b.checked(Checked::Add, now, rounds);
        let limit = self.b.smin(limit, last);
        self.b.select(overflow, last, limit)
    }

    /// Counts a round by an assignment of the loop's counter; `false`: it is none.
    pub(super) fn count_round(&mut self, variable: ColumnId, value: &Expr) -> bool {
        let meter = self.frame_of().meters.last().copied().flatten();
        let Some(meter) = meter.filter(|meter| meter.variable == variable) else {
            return false;
        };
        let now = self.variable(variable);
        let most = self.b.get(meter.most);
        let behind = self.b.icmp(IntCond::Sgt, now.value, most);
        let (look, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(behind, look, go_on);
        self.b.switch_to(look);
        // Where it does not fit any more, this fails.
        let _ = self.conditionally(|e| e.expr(value));
        let limit = self.limit_from(now.value, meter);
        self.b.set(meter.most, limit);
        self.stop_if_asked(go_on, FUEL);
        self.b.switch_to(go_on);
        let by = self.b.iconst(Type::I64, meter.by);
        let next = self.b.add(now.value, by);
        let (_, greatest) = self.frame_of().facts(variable).ty.stored_range().unwrap_or((0, 0));
        let by = i128::from(meter.by);
        let range = now.range.map(|(low, high)| (low + by, (high + by).min(greatest)));
        self.set_variable(variable, Nullable::int(next, None, range));
        true
    }

    // --- ranges

    /// `for x in range(start, stop, step)`; none if one of them is NULL.
    pub(super) fn count_up(
        &mut self,
        variable: ColumnId,
        bounds: (&Expr, &Expr, &Expr),
        body: &[Statement],
        span: Span,
    ) {
        let values = [bounds.0, bounds.1, bounds.2].map(|bound| self.expr(bound));
        let valid = values
            .iter()
            .fold(None, |valid, value| both(&mut self.b, valid, value.valid));
        let [start_range, stop_range, step_range] = [&values[0], &values[1], &values[2]].map(|value| value.range);
        let measured = self.measured(bounds.1);
        let [start, stop, step] = values.map(|value| value.value);
        if step_range.is_none_or(|(least, most)| least <= 0 && most >= 0) {
            let zero = self.b.iconst(Type::I64, 0);
            let stands = self.b.icmp(IntCond::Eq, step, zero);
            let site = self.site("22023", "the step of a range cannot be 0", [None, None], span);
            self.fail_if(stands, valid, site, &[]);
        }
        let counting = Counting {
            stop,
            step,
            by_one: step_range == Some((1, 1)),
            way: match step_range {
                Some((0.., _)) => Way::Up,
                Some((-1, -1)) => Way::DownByOne,
                _ => Way::Either,
            },
        };
        self.enter_loop(&[body], &[], &[variable]);
        let outside = self.frame_of().known.clone();
        let range = bounds::counted(start_range, stop_range, step_range);
        // An array whose positions are counted through.
        let array = measured.filter(|array| {
            let counts = matches!(counting.way, Way::Up) && start_range.is_some_and(|(least, _)| least >= 0);
            counts && keeps_length(body, *array)
        });
        let (enter, end) = (self.b.block(), self.b.block());
        match valid {
            Some(valid) => self.b.branch(valid, enter, end),
            None => self.b.jump(enter),
        }
        self.b.switch_to(enter);
        let counter = self.b.local(Type::I64);
        self.b.set(counter, start);
        let more = self.is_before(start, counting);
        let ready = self.b.block();
        self.b.branch(more, ready, end);
        self.b.switch_to(ready);
        let round = |e: &mut Self, at: Value, next: Block| {
            e.set_variable(variable, Nullable::int(at, None, range));
            if let Some(array) = array {
                e.frame_of().known.found_inside(array, variable);
            }
            e.round(body, (end, next), None);
        };
        match (self.weight(body), counting.way) {
            (1, Way::Up | Way::DownByOne) => self.in_pieces(counter, counting, end, round),
            (weight, _) => self.one_by_one(counter, counting, (weight, end), round),
        }
        self.b.switch_to(end);
        self.frame_of().known = outside;
    }

    /// Rounds that burn fuel.
    fn one_by_one(
        &mut self,
        counter: Local,
        counting: Counting,
        (weight, end): (i64, Block),
        round: impl FnOnce(&mut Self, Value, Block),
    ) {
        let (head, next) = (self.b.block(), self.b.block());
        self.b.jump(head);
        self.b.switch_to(head);
        self.burn(weight);
        let at = self.b.get(counter);
        round(self, at, next);
        self.b.switch_to(next);
        let at = self.b.get(counter);
        if counting.by_one {
            // What is before an i64 has a successor.
            let sum = self.b.add(at, counting.step);
            self.b.set(counter, sum);
            let more = self.is_before(sum, counting);
            return self.b.branch(more, head, end);
        }
        let (sum, overflow) = self.b.checked(Checked::Add, at, counting.step);
        self.b.set(counter, sum);
        let fits = self.b.block();
        self.b.branch(overflow, end, fits);
        self.b.switch_to(fits);
        let more = self.is_before(sum, counting);
        self.b.branch(more, head, end);
    }

    /// Rounds in pieces, at whose ends the loop looks whether to stop.
    fn in_pieces(
        &mut self,
        counter: Local,
        counting: Counting,
        end: Block,
        round: impl FnOnce(&mut Self, Value, Block),
    ) {
        let (begin, head, next, behind) = (self.b.block(), self.b.block(), self.b.block(), self.b.block());
        let piece = self.b.local(Type::I64);
        self.b.jump(begin);
        self.b.switch_to(begin);
        let at = self.b.get(counter);
        let limit = self.end_of_piece(at, counting);
        self.b.set(piece, limit);
        self.b.jump(head);
        self.b.switch_to(head);
        let at = self.b.get(counter);
        round(self, at, next);
        self.b.switch_to(next);
        let (at, limit) = (self.b.get(counter), self.b.get(piece));
        let sum = self.b.add(at, counting.step);
        self.b.set(counter, sum);
        let more = match counting.way {
            Way::DownByOne => self.b.icmp(IntCond::Sgt, sum, limit),
            _ => self.b.icmp(IntCond::Slt, sum, limit),
        };
        self.b.branch(more, head, behind);
        self.b.switch_to(behind);
        if counting.by_one || matches!(counting.way, Way::DownByOne) {
            // That is where it stands now; the sum itself is not needed any more, so that its register is that of the counter.
            let limit = self.b.get(piece);
            self.b.set(counter, limit);
        }
        let at = self.b.get(counter);
        let mut more = self.is_before(at, counting);
        if !counting.by_one && matches!(counting.way, Way::Up) {
            // A piece that ends there is the last: the number behind it would not fit.
            let (limit, least) = (self.b.get(piece), self.b.iconst(Type::I64, i64::MIN));
            let fits = self.b.icmp(IntCond::Ne, limit, least);
            more = self.b.and(more, fits);
        }
        let look = self.b.cold_block();
        self.b.branch(more, look, end);
        self.b.switch_to(look);
        self.stop_if_asked(begin, FUEL);
    }

    /// Where the piece that begins at a number before the stop ends; not behind the stop. A sum of a number before that and the step fits,
    /// or the piece ends at the least number.
    fn end_of_piece(&mut self, at: Value, counting: Counting) -> Value {
        let rounds = self.b.iconst(Type::I64, FUEL);
        if let Way::DownByOne = counting.way {
            let left = self.b.sub(at, counting.stop);
            let part = self.b.umin(left, rounds);
            return self.b.sub(at, part);
        }
        if counting.by_one {
            let left = self.b.sub(counting.stop, at);
            let part = self.b.umin(left, rounds);
            return self.b.add(at, part);
        }
        let (greatest, least) = (self.b.iconst(Type::I64, i64::MAX), self.b.iconst(Type::I64, i64::MIN));
        let one = self.b.iconst(Type::I64, 1);
        let step_less_one = self.b.sub(counting.step, one);
        let last = self.b.sub(greatest, step_less_one);
        let stop = self.b.smin(counting.stop, last);
        let goes_on = self.b.icmp(IntCond::Slt, at, last);
        let limit = self.b.select(goes_on, stop, least);
        let shift = self.b.iconst(Type::I64, i64::from(FUEL.trailing_zeros()));
        let span = self.b.shl(counting.step, shift);
        let (part, overflow) = self.b.checked(Checked::Add, at, span);
        let long = self.b.iconst(Type::I64, LONG_STEP);
        let is_long = self.b.icmp(IntCond::Sgt, counting.step, long);
        let whole = self.b.or(overflow, is_long);
        let part = self.b.smin(part, limit);
        self.b.select(whole, limit, part)
    }

    /// Whether a number of a range is before its end.
    fn is_before(&mut self, at: Value, counting: Counting) -> Value {
        let stop = counting.stop;
        match counting.way {
            Way::Up => self.b.icmp(IntCond::Slt, at, stop),
            Way::DownByOne => self.b.icmp(IntCond::Sgt, at, stop),
            Way::Either => {
                let (below, above) = (self.b.icmp(IntCond::Slt, at, stop), self.b.icmp(IntCond::Sgt, at, stop));
                let zero = self.b.iconst(Type::I64, 0);
                let up = self.b.icmp(IntCond::Sgt, counting.step, zero);
                self.b.select(up, below, above)
            }
        }
    }
}
