//! Which triggers a statement fires: for which of the rows that its arms insert, update and delete.
//!
//! `UPDATE orders SET price = 1` fires the triggers for `update`, but none `of: ['amount']`.
//!
//! Invariants: what ON CONFLICT DO UPDATE, UPSERT and MERGE insert or update is an `upsert`, too.
//!
//! Does not: look at rows.

use gobi_grammar::ast::Assignment;

use crate::catalog::Event;
use crate::plan::change::{Action, Change, Source};
use crate::session::triggers::ready::Ready;

/// Whether a row of the table was there that an arm is about, where there are no addresses: in a view.
pub(super) fn has_old_row(change: &Change<'_>, arm: usize) -> bool {
    change.arms.get(arm).is_some_and(|arm| has_old(&arm.action))
}

pub(super) fn has_old(action: &Action<'_>) -> bool {
    matches!(action, Action::Update(_) | Action::Replace(_) | Action::Delete)
}

/// Whether a trigger fires for rows that an arm inserts, updates, deletes.
pub(super) fn concerns(ready: &Ready, change: &Change<'_>, action: &Action<'_>) -> [bool; 3] {
    let upserts = matches!(
        change.source,
        Source::Conflicting { update: true, .. } | Source::Merge { .. }
    );
    let has = |event: Event| ready.def.events.contains(&event);
    let upsert = upserts && has(Event::Upsert);
    match action {
        Action::Propose | Action::Insert(..) | Action::InsertDefaults => [has(Event::Insert) || upsert, false, false],
        Action::Update(set) => [false, (has(Event::Update) || upsert) && sets(ready, set), false],
        Action::Replace(places) => {
            let names = places
                .iter()
                .filter_map(|at| change.shape.columns.get(*at))
                .map(|c| c.field.name.as_str());
            let any = ready.def.of.is_empty() || names.into_iter().any(|name| is_of(ready, name));
            [false, (has(Event::Update) || upsert) && any, false]
        }
        Action::Delete => [false, false, has(Event::Delete)],
        Action::Nothing => [false; 3],
    }
}

/// Whether an UPDATE sets one of the trigger's columns.
fn sets(ready: &Ready, set: &[Assignment]) -> bool {
    ready.def.of.is_empty()
        || set
            .iter()
            .any(|assignment| assignment.columns().any(|name| is_of(ready, name)))
}

fn is_of(ready: &Ready, name: &str) -> bool {
    ready.def.of.iter().any(|of| of.eq_ignore_ascii_case(name))
}
