//! Statements inside a statement: what a trigger's body asks sees what the statement around it has staged, and adds to it.
//!
//! While `INSERT INTO orders` fires a trigger, its `UPDATE stock SET …` changes the view that the INSERT changes.
//!
//! Invariants: what is changed inside is part of the statement around it: it is committed with it, or dropped with it.
//!
//! Does not: lock, or look at keys but in a TRY; the statement does when it is done.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use crate::session::databases::Which;
use crate::session::store::{View, store_error};
use crate::session::{Error, Session};
use crate::store::table::{Changes, find_twice};

/// The statement that is going on.
#[derive(Debug)]
pub struct Within {
    /// What it has staged so far.
    pub view: View,
    /// Where it can go back to, innermost last.
    pub savepoints: Vec<Changes>,
}

impl Within {
    /// Remembers where it is.
    pub fn savepoint(&mut self) {
        self.savepoints.push(self.view.changes.savepoint());
    }

    /// Forgets the last place it remembers, or goes back there first.
    pub fn end_savepoint(&mut self, back: bool) {
        if let Some(changes) = self.savepoints.pop()
            && back
        {
            self.view.changes = changes;
        }
    }
}

/// Runs a statement of a trigger's body as part of the statement that fired it.
pub fn framed<T>(
    session: &mut Session,
    which: Which,
    span: Span,
    work: &mut dyn FnMut(&mut Session, &mut View) -> Result<T, Error>,
) -> Result<T, Error> {
    let Some(within) = session.within.take() else {
        return Err(Error::new(Diagnostic::new("XX000", span, "no trigger is running")));
    };
    let Within { mut view, savepoints } = within;
    session.relations.view = Some(view.clone());
    let done = match which {
        Which::Own => work(session, &mut view),
        Which::Other(_) => {
            let message = "a trigger that changes another database than its own is not supported yet";
            Err(Error::new(Diagnostic::new("0A000", span, message)))
        }
    };
    let done = done.and_then(|done| keys_are_new(&view, savepoints.last(), span).map(|()| done));
    session.within = Some(Within { view, savepoints });
    done
}

/// In a TRY, a key that is there already is an error of the statement that adds it, not of the one around the trigger.
fn keys_are_new(view: &View, since: Option<&Changes>, span: Span) -> Result<(), Error> {
    let Some(since) = since else { return Ok(()) };
    let twice = find_twice(&view.changes, Some(since), &view.base).map_err(|error| store_error(&error, span))?;
    match twice {
        Some(twice) => Err(Error::new(Diagnostic::new("23505", span, twice.to_string()))),
        None => Ok(()),
    }
}

/// Does something as part of the statement that changes `view`.
pub fn inside<T>(
    session: &mut Session,
    view: &mut View,
    work: impl FnOnce(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let outer = session.within.replace(Within {
        view: view.clone(),
        savepoints: Vec::new(),
    });
    let seen = session.relations.view.replace(view.clone());
    let done = work(session);
    if let Some(within) = std::mem::replace(&mut session.within, outer) {
        *view = within.view;
    }
    session.relations.view = seen;
    done
}
