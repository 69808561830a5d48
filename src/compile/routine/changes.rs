//! What statements change, and how much a round of them costs, before they are written.
//!
//! In `while i < n { a[i] = b[i]; c = a; i = i + 1 }` the variables `c` and `i` become others, while `a` keeps its length, and is handed on as a whole.
//!
//! Invariants: what is not found here does not change.
//!
//! Does not: write anything.

use std::collections::HashMap;

use super::known::Known;
use super::{FUEL, arrays};
use crate::compile::emit::Emitter;
use crate::functions;
use crate::plan::physical::logical::{ColumnId, Expr, ExprKind};
use crate::plan::physical::routine::{Part, RoutineId, Statement};

/// Rounds that a loop inside another one counts for.
const INNER_LOOP: i64 = 8;
/// Rounds that a call counts for, of a routine that has loops.
const CALL_OF_LOOPS: i64 = 256;

/// What statements change.
#[derive(Default)]
pub(super) struct Changes {
    /// Variables that become others, not only in a part.
    assigned: HashMap<ColumnId, i32>,
    /// Arrays and structs that are read as a whole.
    shared: Vec<ColumnId>,
}

impl Changes {
    pub(super) fn of_statements(&mut self, statements: &[Statement]) {
        Statement::mentions(statements, &mut |id, assigned| {
            if assigned {
                *self.assigned.entry(id).or_insert(0) += 1;
            }
        });
        Statement::each(statements, &mut |statement| {
            match statement {
                // A map becomes longer by it.
                Statement::Store { variable, path, .. } if !matches!(path.first(), Some(Part::Key(_))) => {
                    *self.assigned.entry(*variable).or_insert(0) -= 1;
                }
                Statement::Set(id, value) if arrays::appended(*id, value).is_some() => {
                    *self.assigned.entry(*id).or_insert(0) -= 1;
                    // What is added may be the array itself.
                    if let ExprKind::Call { args, .. } = &value.kind {
                        args.iter().skip(1).for_each(|arg| self.of_expr(arg));
                    }
                    return;
                }
                _ => {}
            }
            statement.exprs(&mut |expr| self.of_expr(expr));
        });
        self.assigned.retain(|_, times| *times > 0);
    }

    pub(super) fn of_expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Column(id) if expr.ty.is_nested() => self.shared.push(*id),
            ExprKind::Call { function, args } if functions::function(*function).native.is_some() => {
                let looked_into = matches!(args.first().map(|arg| &arg.kind), Some(ExprKind::Column(_)));
                let rest = args.iter().skip(usize::from(looked_into));
                rest.for_each(|arg| self.of_expr(arg));
            }
            _ => expr.for_each_child(&mut |child| self.of_expr(child)),
        }
    }

    pub(super) fn apply(&self, known: &mut Known) {
        self.assigned.keys().for_each(|id| known.forget(*id));
        self.shared.iter().for_each(|id| known.shared(*id));
    }
}

/// Whether statements assign no more than elements of an array.
pub(super) fn keeps_length(body: &[Statement], array: ColumnId) -> bool {
    let mut changes = Changes::default();
    changes.of_statements(body);
    !changes.assigned.contains_key(&array)
}

impl Emitter<'_> {
    /// Fuel that a round of a loop with this body takes; 1: there are no loops inside, nor calls of routines that have some.
    pub(super) fn weight(&mut self, body: &[Statement]) -> i64 {
        let (mut weight, mut called) = (1, Vec::new());
        Statement::each(body, &mut |statement| {
            weight += i64::from(statement.is_loop()) * INNER_LOOP;
            statement.exprs(&mut |expr| called.extend(routines_of(expr)));
        });
        for id in called {
            weight += i64::from(self.loops(id)) * CALL_OF_LOOPS;
        }
        weight.min(FUEL / 4)
    }

    /// Whether a routine, or one that it calls, has loops.
    pub(super) fn loops(&mut self, id: RoutineId) -> bool {
        if let Some(known) = self.shared.loops.get(&id) {
            return *known;
        }
        let plan = self.plan;
        let routine = &plan.program.routines[id.0 as usize];
        // Who calls itself looks by itself whether to stop.
        self.shared.loops.insert(id, routine.recursive);
        let (mut found, mut called) = (routine.recursive, Vec::new());
        Statement::each(&routine.body, &mut |statement| {
            found |= statement.is_loop();
            statement.exprs(&mut |expr| called.extend(routines_of(expr)));
        });
        let found = found || called.into_iter().any(|id| self.loops(id));
        self.shared.loops.insert(id, found);
        found
    }
}

fn routines_of(expr: &Expr) -> Vec<RoutineId> {
    let mut found = Vec::new();
    expr.visit(&mut |expr| {
        if let ExprKind::Routine { routine, .. } = expr.kind {
            found.push(routine);
        }
    });
    found
}

/// Whether a body goes on with the next round early.
pub(super) fn continues(body: &[Statement]) -> bool {
    let mut found = false;
    Statement::each(body, &mut |statement| found |= matches!(statement, Statement::Continue));
    found
}

/// Whether a body may leave its loop.
pub(super) fn leaves_early(body: &[Statement]) -> bool {
    let mut found = false;
    Statement::each(body, &mut |statement| found |= matches!(statement, Statement::Break));
    found
}
