//! The bounds of a routine's whole numbers, whatever way it takes.
//!
//! In `for i in range(n) { let child = 2 * i + 1; while child < n { child = 2 * child + 1 } }` both `i` and `child` are never below zero, and
//! `check = (check * 31 + i) % 1009` stays within 1008 of it.
//!
//! Invariants: the least bounds are looked for that every assignment keeps to, given that all others do; what does not fit is an
//! error, so bounds never leave the type's. Bounds that go on growing are given up after [`PATIENCE`] rounds.
//!
//! Does not: know what conditions say; [`known`](super::known) does.

use super::known::Range;
use crate::plan::physical::Facts;
use crate::plan::physical::facts::facts_of;
use crate::plan::physical::logical::{ColumnId, Expr};
use crate::plan::physical::routine::{Routine, Statement, Variable};

/// Rounds after which bounds that still grow are those of the type, or end at zero.
const PATIENCE: usize = 3;

/// For each variable its bounds, if it is a whole number that is never NULL; `given` are those whose values come from elsewhere.
pub(super) fn bounds(routine: &Routine, given: &[ColumnId]) -> Vec<Option<Range>> {
    let mut search = Search {
        variables: &routine.variables,
        found: vec![None; routine.variables.len()],
        widens: false,
        changed: true,
    };
    let params = (0..routine.params).map(|at| ColumnId(at as u32));
    params.chain(given.iter().copied()).for_each(|id| search.anything(id));
    for round in 0.. {
        if !std::mem::take(&mut search.changed) {
            break;
        }
        search.widens = round >= PATIENCE;
        Statement::each(&routine.body, &mut |statement| search.statement(statement));
    }
    search.found
}

struct Search<'a> {
    variables: &'a [Variable],
    /// `None`: nothing was assigned yet.
    found: Vec<Option<Range>>,
    widens: bool,
    changed: bool,
}

impl Search<'_> {
    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Set(id, value) => {
                let range = self.range_of(value);
                self.assigned(*id, range);
            }
            Statement::Range {
                variable,
                start,
                stop,
                step,
                ..
            } => {
                let [start, stop, step] = [start, stop, step].map(|bound| self.range_of(bound));
                self.assigned(*variable, counted(start, stop, step));
            }
            Statement::Begin { count, .. } => self.assigned(*count, Some((0, i64::MAX.into()))),
            Statement::Ask { taken, .. } | Statement::Rows { taken, .. } => {
                taken.iter().for_each(|id| self.anything(*id));
            }
            Statement::Try { caught, .. } => caught.iter().for_each(|id| self.anything(*id)),
            _ => {}
        }
    }

    fn limits(&self, id: ColumnId) -> Option<Range> {
        let variable = self.variables.get(id.0 as usize)?;
        let counts = variable.ty.is_integer() && !variable.nullable;
        variable.ty.stored_range().filter(|_| counts)
    }

    fn anything(&mut self, id: ColumnId) {
        self.assigned(id, self.limits(id));
    }

    /// A variable is given a number of this range; `None`: none so far.
    fn assigned(&mut self, id: ColumnId, range: Option<Range>) {
        let (Some(limits), Some(range)) = (self.limits(id), range) else {
            return;
        };
        let range = (range.0.max(limits.0), range.1.min(limits.1));
        let slot = &mut self.found[id.0 as usize];
        let old = slot.unwrap_or(range);
        let mut new = (old.0.min(range.0), old.1.max(range.1));
        if self.widens {
            if new.0 < old.0 {
                new.0 = if new.0 >= 0 { 0 } else { limits.0 };
            }
            if new.1 > old.1 {
                new.1 = if new.1 <= 0 { 0 } else { limits.1 };
            }
        }
        if *slot != Some(new) {
            *slot = Some(new);
            self.changed = true;
        }
    }

    /// `None`: it mentions what nothing was assigned to yet.
    fn range_of(&self, value: &Expr) -> Option<Range> {
        let is_open = |id: &ColumnId| self.limits(*id).is_some() && self.found[id.0 as usize].is_none();
        if value.columns().iter().any(is_open) {
            return None;
        }
        let facts = facts_of(value, &|id| {
            let variable = self.variables.get(id.0 as usize);
            let facts = variable.map(|variable| Facts::of_type(&variable.ty, variable.nullable));
            let mut facts = facts.unwrap_or_else(|| Facts::of_type(&crate::types::LogicalType::Null, true));
            if let Some(Some(range)) = self.found.get(id.0 as usize) {
                facts.range = Some(*range);
            }
            facts
        });
        facts.range
    }
}

/// The bounds of a variable that counts from `start`, `step` apart, before `stop`.
pub(super) fn counted(start: Option<Range>, stop: Option<Range>, step: Option<Range>) -> Option<Range> {
    let (start, stop, step) = (start?, stop?, step?);
    let up = (start.0, start.0.max(stop.1 - 1));
    let down = (start.1.min(stop.0 + 1), start.1);
    Some(match step {
        (0.., _) => up,
        (_, ..=0) => down,
        _ => (up.0.min(down.0), up.1.max(down.1)),
    })
}
