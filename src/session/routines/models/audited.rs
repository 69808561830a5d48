//! Audits that a change of what they name would break.
//!
//! `ALTER TABLE sale DROP COLUMN amount` is refused while an audit says `from sale where amount < 0`; DROP … CASCADE drops the audit.
//!
//! Invariants: an audit that did not bind before does not stop a change.
//!
//! Does not: look at redefined models, whose next run says what is wrong with their audits.

use gobi_grammar::ast::{AlterActionKind, DropBehavior, Query, StatementKind as K};
use gobi_grammar::{Diagnostic, Dialect};

use super::audit::{bind, check_model, desk};
use super::journal::text_of;
use crate::session::change::Running;
use crate::session::define;
use crate::session::relations::Relations;
use crate::session::routines::{Routines, without_own};
use crate::session::settings::parse_dialect;
use crate::session::store::View;
use crate::session::triggers::within::inside;
use crate::session::{Error, Session};
use crate::types::Value;

/// Whether a statement may take away what audits of a database name.
pub fn may_break(view: &View, kind: &K) -> bool {
    let takes = match kind {
        K::Drop(_) | K::AlterTable(_) => true,
        K::CreateTable(create) => create.or_replace,
        K::CreateView(create) => create.or_replace,
        _ => false,
    };
    takes && has_audits(view)
}

fn has_audits(view: &View) -> bool {
    view.catalog().find(&["gobi", "audits"]).is_some()
}

/// An error if an audit was well before a statement, and is not any more; with CASCADE it is dropped.
pub fn settle(
    session: &mut Session,
    (before, after): (&View, &mut View),
    kind: &K,
    running: Running,
) -> Result<(), Error> {
    if !has_audits(after) {
        return Ok(());
    }
    let mut broken = Vec::new();
    for audit in all(session, after, running)? {
        if let Some(why) = audit.wrong(session, after, running)
            && audit.wrong(session, before, running).is_none()
        {
            broken.push((audit.name, why));
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    if cascades(kind) {
        let names: Vec<String> = broken.iter().map(|(name, _)| text_of(name)).collect();
        let sql = format!("DELETE FROM gobi.audits WHERE name IN ({})", names.join(", "));
        return at_desk(session, after, running, |desk| desk.change(&sql).map(|_| ()));
    }
    let needed = broken.iter().map(|(name, why)| format!("audit `{name}`: {why}"));
    let message = format!(
        "{} takes away what is needed by {}",
        kind.name(),
        needed.collect::<Vec<_>>().join("; ")
    );
    let first = broken.first().map_or("", |(name, _)| name.as_str());
    let cascade = if may_cascade(kind) { ", or use CASCADE" } else { "" };
    let help = format!("change the audit first, or drop it: `DROP AUDIT {first}`{cascade}");
    Err(Error::new(
        Diagnostic::new("2BP01", running.span, message).with_help(help),
    ))
}

/// Whether all that a statement takes away takes what needs it with it.
fn cascades(kind: &K) -> bool {
    let all = behaviors(kind);
    !all.is_empty() && all.iter().all(|one| *one == Some(DropBehavior::Cascade))
}

/// Whether it could say so.
fn may_cascade(kind: &K) -> bool {
    !behaviors(kind).is_empty()
}

/// What a statement says about what needs that which it takes away.
fn behaviors(kind: &K) -> Vec<Option<DropBehavior>> {
    match kind {
        K::Drop(drop) => vec![drop.behavior],
        K::AlterTable(alter) => {
            let actions = alter.actions.iter();
            let drops = actions.filter_map(|action| match &action.kind {
                AlterActionKind::DropColumn { behavior, .. } => Some(*behavior),
                _ => None,
            });
            drops.collect()
        }
        _ => Vec::new(),
    }
}

/// An audit that is kept.
struct Audit {
    name: String,
    /// The model, or its table, behind whose runs it is asked; empty: none.
    on: String,
    query: Query,
    dialect: Dialect,
}

impl Audit {
    /// What is wrong with it in a view.
    fn wrong(&self, session: &mut Session, view: &View, running: Running) -> Option<String> {
        let running = Running {
            dialect: self.dialect,
            ..running
        };
        let outer = session.relations.view.replace(view.clone());
        let looked = without_own(session, |session| {
            Relations::as_kept(session, |session| {
                if !self.on.is_empty() {
                    check_model(session, &self.on, running.span)?;
                }
                bind(session, &self.query, running)
            })
        });
        session.relations.view = outer;
        session.relations.refresh_routines();
        let error = looked.err()?;
        Some(error.diagnostics.first()?.message.clone())
    }
}

/// All audits of a view whose texts can be read.
fn all(session: &mut Session, view: &View, running: Running) -> Result<Vec<Audit>, Error> {
    let rows = at_desk(session, &mut view.clone(), running, |desk| {
        desk.all("SELECT name, model, query, dialect FROM gobi.audits ORDER BY name")
    })?;
    let audit = |row: Vec<Value>| {
        let [
            Value::String(name),
            Value::String(on),
            Value::String(query),
            Value::String(dialect),
        ] = row.as_slice()
        else {
            return None;
        };
        let dialect = parse_dialect(dialect)?;
        let statement = gobi_grammar::parse(query, dialect).statements.into_iter().next()?;
        let K::Query(query) = statement.kind else { return None };
        Some(Audit {
            name: name.to_string(),
            on: on.to_string(),
            query,
            dialect,
        })
    };
    Ok(rows.into_iter().filter_map(audit).collect())
}

/// Asks or changes the tables of the schema `gobi` as a part of the statement that changes a view.
fn at_desk<T>(
    session: &mut Session,
    view: &mut View,
    running: Running,
    work: impl FnOnce(&mut super::Desk<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let query = define::select(Vec::new(), Vec::new(), None);
    let slot = session.relations.slot.take();
    let done = Routines::now(session, |session| {
        inside(session, view, |session| work(&mut desk(session, &query, running)))
    });
    session.relations.slot = slot;
    done
}
