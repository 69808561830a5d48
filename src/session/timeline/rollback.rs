//! ROLLBACK TO: a commit that makes an earlier state the newest.
//!
//! `ROLLBACK TO TAG 'monday'` writes again what was changed since Monday, as it was then; the commits in between stay in the log, and
//! can be rolled back to in turn.
//!
//! Invariants: the commit is made on top of the state that it was compared with, or anew.
//!
//! Does not: end transactions, or go back to savepoints; see [`crate::session::transactions`].

use gobi_grammar::ast::When;

use super::{point, resolved, retried, user};
use crate::session::change::Running;
use crate::session::store::{View, store_error};
use crate::session::{Error, Session, StatementResult, transactions};
use crate::store::table::{Changes, Snapshot};

/// ROLLBACK TO a point of the timeline.
pub fn to(session: &mut Session, when: &When, running: Running) -> Result<StatementResult, Error> {
    let span = running.span;
    retried(session, &mut |session| {
        transactions::framed(session, "ROLLBACK", span, &mut |session, view| {
            let point = point(session, when, running)?;
            let then = view.at(&point).map_err(|error| resolved(error, when.span))?;
            if !is_past(view, &then).map_err(|error| store_error(&error, when.span))? {
                let message = "that point is not in the history of the branch in use";
                return Err(user("22023", when.span, message));
            }
            view.changes = Changes::new(&view.base);
            if then.commit_id() != view.base.commit_id() {
                let restored = view.changes.restore(&then);
                restored.map_err(|error| store_error(&error, span))?;
            }
            Ok(StatementResult::Done)
        })
    })
}

/// Whether a state is one that the branch had.
fn is_past(view: &View, then: &Snapshot) -> Result<bool, crate::store::StoreError> {
    let (Some(tip), Some(then)) = (view.base.commit_id(), then.commit_id()) else {
        return Ok(false);
    };
    let timeline = view.database.timeline()?;
    let height = timeline.commit_record(then)?.height;
    Ok(timeline.at_height(tip, height)? == Some(then))
}
