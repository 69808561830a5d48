//! UPDATE and DELETE.
//!
//! `UPDATE t SET b = u.b FROM u WHERE t.a = u.a` pairs rows of `t` with rows of `u`; a row of `t` that has two partners takes one
//! of them.
//!
//! Invariants: a row is changed once.
//!
//! Does not: compute; the query does.

use gobi_grammar::ast::{Delete, Update};

use super::apply::{self, How};
use super::repeated::Repeats;
use super::{Done, Running, table};
use crate::plan::change::{Action, Arm, ArmRows, Change, Source};
use crate::session::store::View;
use crate::session::{Error, Session};

/// UPDATE.
pub fn update(session: &mut Session, update: &Update, view: &mut View, running: Running) -> Result<Done, Error> {
    let table = table(session, view, &update.target.table)?;
    let shape = table.shape(running.span)?;
    let change = Change {
        shape,
        target: &update.target,
        with: Some(&update.with),
        source: Source::From {
            others: &update.from,
            filter: update.filter.as_ref(),
        },
        arms: vec![all(Action::Update(&update.set))],
        old: Vec::new(),
        returning: &update.returning,
        span: running.span,
    };
    apply::apply(session, change, &table, view, how(running, update.from.is_empty()))
}

/// DELETE.
pub fn delete(session: &mut Session, delete: &Delete, view: &mut View, running: Running) -> Result<Done, Error> {
    let table = table(session, view, &delete.target.table)?;
    let shape = table.shape(running.span)?;
    let change = Change {
        shape,
        target: &delete.target,
        with: Some(&delete.with),
        source: Source::From {
            others: &delete.using,
            filter: delete.filter.as_ref(),
        },
        arms: vec![all(Action::Delete)],
        old: Vec::new(),
        returning: &delete.returning,
        span: running.span,
    };
    apply::apply(session, change, &table, view, how(running, delete.using.is_empty()))
}

fn all(action: Action<'_>) -> Arm<'_> {
    Arm {
        rows: ArmRows::All,
        filter: None,
        action,
    }
}

fn how(running: Running, alone: bool) -> How {
    How {
        running,
        repeats: if alone { Repeats::None } else { Repeats::First },
    }
}
