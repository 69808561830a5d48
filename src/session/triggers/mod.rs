//! Triggers: procedures that are run when the rows of a table change.
//!
//! `upsert TRIGGER as audit (timing: 'after', event: 'insert', target: 'orders', call: 'log_order')` keeps a definition in the catalog;
//! `INSERT INTO orders …` then runs the body of `log_order` as one kernel over each batch of its rows.
//!
//! The walk: [`define`] makes the object → [`ready`] checks and compiles the procedure's body for the columns of the table, once →
//! [`fire`] runs it from within the one place where rows are staged (`change::apply`), so that INSERT, COPY, appenders, foreign
//! keys and procedures are alike to it → [`within`] lets what the body asks see, and change, what the statement has staged.
//!
//! Invariants: a trigger that cannot be checked is not made; an error in one is the statement's, which then leaves nothing;
//! compaction changes no rows and fires nothing.
//!
//! Does not: order what happens to rows of one batch: a body runs for all of them before the next trigger does.

pub mod define;
mod dependants;
mod explained;
pub mod fire;
mod instead;
mod listing;
mod mentions;
mod named;
mod places;
mod ready;
mod statistics;
pub mod within;

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::EntityId;
pub use dependants::{broken, refresh};
pub use instead::{change_view, table_of as view_as_table};
pub use listing::{describe, list};
pub use named::written;
use ready::Ready;
pub use ready::{check_all, drop_broken, look};
pub use statistics::Statistics;
pub use within::Within;

/// Triggers call each other at most so deep.
const MAX_DEPTH: usize = 16;

/// What a session keeps of triggers.
#[derive(Debug, Default)]
pub struct Triggers {
    /// Checked and compiled, by trigger and table.
    ready: HashMap<(EntityId, EntityId), Arc<Ready>>,
    /// The triggers that fire now, outermost first.
    chain: Vec<String>,
}
