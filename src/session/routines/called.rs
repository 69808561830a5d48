//! CALL in a body, looked at for errors before the body is kept.
//!
//! `upsert procedure month_end() { call bill('x') }` fails where `bill` takes a number, and where there is no `bill`.
//!
//! Invariants: nothing is called; what is called was checked when it was made, and is not looked at again.
//!
//! Does not: look at CALL … AS OF, which calls what there was, or at the arguments of models.

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{self, Statement, StatementKind as K};

use super::{Running, body, known, models};
use crate::catalog::EntityId;
use crate::procedure::{Definitions as _, check_body};
use crate::session::relations::StatementTables;
use crate::session::store::View;
use crate::session::{Error, Session, statement};

/// Checks the name and the arguments of a call; what it names goes where that is asked for.
pub fn look(session: &mut Session, call: &ast::CallRoutine, view: &View, running: Running) -> Result<(), Error> {
    if call.as_of.is_some() {
        return Ok(());
    }
    let name = super::listing::whole_name(&call.name);
    let known = &session.relations.routines.known;
    // It may be the one that is checked, or be in the same module.
    let is_checked_now = known.find(&name.text).is_some() || !known.methods(&name.text).is_empty();
    let value = match is_checked_now {
        true => body::as_expr(call, running.span),
        false => body::called(session, call, running)?,
    };
    let named = match models::is_one(session, call) {
        true => Vec::new(),
        false => checked(session, &value, view, running)?,
    };
    let callee = known::stored(Some(view), &name.text).into_iter();
    let callee: Vec<EntityId> = callee.map(|(entry, _)| entry.id).collect();
    if let Some(naming) = &mut session.relations.naming {
        naming.names.extend(callee.into_iter().chain(named));
    }
    Ok(())
}

/// The statements of a procedure's body that make, alter and drop tables and the like.
pub fn made_by(session: &Session, call: &ast::CallRoutine) -> Vec<Statement> {
    struct Made(Vec<Statement>);
    impl VisitMut for Made {
        fn statement(&mut self, statement: &mut Statement) {
            let kind = &statement.kind;
            if matches!(
                kind,
                K::CreateTable(_) | K::CreateView(_) | K::CreateSchema(_) | K::AlterTable(_) | K::Drop(_)
            ) {
                self.0.push(statement.clone());
            }
            visit::walk_statement(self, statement);
        }
    }
    let name = super::listing::whole_name(&call.name);
    let mut made = Made(Vec::new());
    if let Some(definition) = session.relations.routines.known.find(&name.text) {
        visit::walk_routine(&mut made, &mut definition.routine.clone());
    }
    made.0
}

/// Checks a call as an expression; what it names.
fn checked(session: &mut Session, value: &ast::Expr, view: &View, running: Running) -> Result<Vec<EntityId>, Error> {
    if let Some(query) = body::rows_of(session, value) {
        let mut tables = StatementTables::new(&mut session.relations);
        statement::bind(&query, running.dialect, &mut tables)?;
        return Ok(tables.named());
    }
    let (statement, pinned) = body::evaluated(session, value, running);
    let outer = match pinned {
        Some(known) => Some(session.relations.routines.pinned.replace(known)),
        None => None,
    };
    let mut instances = session.relations.instances();
    let mut tables = StatementTables::new(&mut session.relations);
    let checked = check_body(&[statement], &[], running.dialect, &mut instances, &mut tables);
    let mut named = tables.named();
    if let Some(outer) = outer {
        session.relations.routines.pinned = outer;
    }
    let checked = checked.map_err(Error::all)?;
    let types = session.relations.types();
    // Lambdas have names that nobody can write.
    for called in checked.made_of.iter().filter(|called| !called.name.contains('@')) {
        named.extend(known::entries_of(Some(view), &types, called));
    }
    Ok(named)
}
