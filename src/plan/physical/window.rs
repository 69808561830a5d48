//! Window functions: the end of a pipeline, since they look at all rows of a partition.
//!
//! `rank() OVER (PARTITION BY k ORDER BY d)` over a scan: the scan's rows are kept as batches of `k, d` and what else is needed; when all
//! are there, the ranks are appended to them, and the next pipeline reads the result.
//!
//! Invariants: windows that stand directly on one another are computed over the same batches.
//!
//! Does not: compute anything.

use super::build::{Builder, Columns, PlanError, produced};
use super::{Finish, Pipeline, WindowSpec};
use crate::plan::logical::{ColumnId, Plan};

/// The pipeline that reads the rows of a window operator.
pub(super) fn open(builder: &mut Builder<'_>, plan: &Plan, required: &Columns) -> Result<Pipeline, PlanError> {
    let (input, windows) = peel(plan);
    let below = produced(input);
    let mut columns: Vec<ColumnId> = required.iter().copied().filter(|id| below.contains(id)).collect();
    let mut made = Vec::new();
    for window in &windows {
        let Plan::Window {
            partition,
            order,
            calls,
            ..
        } = window
        else {
            continue;
        };
        let mut needed = partition.clone();
        needed.extend(order.iter().map(|key| key.column));
        calls
            .iter()
            .for_each(|(_, call)| call.for_each(&mut |id| needed.push(*id)));
        columns.extend(needed.into_iter().filter(|id| below.contains(id)));
        made.extend(calls.iter().map(|(id, _)| *id));
    }
    let mut seen = Columns::new();
    columns.retain(|id| seen.insert(*id));
    let mut all = columns.clone();
    all.extend(made);
    let place = |id: &ColumnId| all.iter().position(|known| known == id).unwrap_or(0);
    let finish = Finish {
        windows: windows.iter().filter_map(|window| spec(window, &place)).collect(),
        ..Finish::default()
    };
    let temp = builder.temp(&all);
    builder.emit_batches(input, &columns, Some(temp), finish)?;
    Ok(builder.read_temp(temp, &all))
}

/// The windows on top, the lowest first, and what they stand on.
fn peel(plan: &Plan) -> (&Plan, Vec<&Plan>) {
    let mut windows = Vec::new();
    let mut at = plan;
    while let Plan::Window { input, .. } = at {
        windows.push(at);
        at = input;
    }
    windows.reverse();
    (at, windows)
}

fn spec(plan: &Plan, place: &dyn Fn(&ColumnId) -> usize) -> Option<WindowSpec> {
    let Plan::Window {
        partition,
        order,
        calls,
        ..
    } = plan
    else {
        return None;
    };
    Some(WindowSpec {
        partition: partition.iter().map(place).collect(),
        order: order.iter().map(|key| (place(&key.column), key.clone())).collect(),
        calls: calls.iter().map(|(_, call)| call.map(&mut |id| place(id))).collect(),
    })
}
