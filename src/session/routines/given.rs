//! `let f = adder(2)` at the top of a script: a name for the function that a call gives, or that has another name; `f = adder(3)` gives it another
//! function.
//!
//! What the function keeps is computed once, and is its own: `let n = 2; let f = adder(n); n = 3` leaves `f` as it is.
//!
//! Invariants: the name is one of the session's functions.
//!
//! Does not: know functions that give functions; `procedure` does.

use std::sync::Arc;

use gobi_grammar::ast::{self, ExprKind, StatementKind as K, Value};

use super::{Running, body, define};
use crate::procedure::{Definition, Definitions as _};
use crate::session::{Error, Session, StatementResult};

/// Whether LET gives a name to a function that another name, or a call, stands for.
pub fn is_function(session: &Session, variable: &ast::Let) -> bool {
    match &variable.value {
        Value::Expr(value) if variable.ty.is_none() => named(session, value).is_some() || gives(session, value),
        _ => false,
    }
}

/// Whether a function is assigned to the name of one.
pub fn is_assigned(session: &Session, assign: &ast::Assign) -> bool {
    let routines = &session.relations.routines;
    let name = &assign.name.text;
    let Value::Expr(value) = &assign.value else {
        return false;
    };
    let is_lambda = matches!(value.kind, ExprKind::Lambda(_));
    assign.path.is_empty()
        && routines.known.is_local(name)
        && !routines.is_variable(name)
        && (is_lambda || named(session, value).is_some() || gives(session, value))
}

/// The definition that a name stands for.
fn named(session: &Session, value: &ast::Expr) -> Option<Arc<Definition>> {
    let routines = &session.relations.routines;
    let ExprKind::Name(path) = &value.kind else { return None };
    let found = match path.as_slice() {
        [name] if !routines.is_variable(&name.text) => routines.known.find(&name.text),
        [module, name] if !routines.is_variable(&module.text) => {
            routines.known.find(&format!("{}.{}", module.text, name.text))
        }
        _ => None,
    };
    found.filter(|definition| !definition.routine.is_model())
}

/// Whether a call gives a function.
fn gives(session: &Session, value: &ast::Expr) -> bool {
    let ExprKind::Call(call) = &value.kind else {
        return false;
    };
    let routines = &session.relations.routines;
    let found = routines.known.find(&of_module(session, call).name.text);
    found.is_some_and(|definition| definition.gives_function(&routines.known))
}

/// `m.f(x)` as the call of the module's function.
fn of_module(session: &Session, call: &ast::Call) -> ast::Call {
    let routines = &session.relations.routines;
    let mut members = |name: &str| routines.known.members(name);
    match crate::plan::of_module(call, &mut members, &|name| routines.is_variable(&name.text)) {
        Some(Ok(call)) => call,
        _ => call.clone(),
    }
}

/// Gives the function the name.
pub fn name(session: &mut Session, statement: &ast::Statement, running: Running) -> Result<StatementResult, Error> {
    let Some(variable) = read(session, statement, running) else {
        return Err(super::unsupported("a function of this form", running.span));
    };
    let name = &variable.name;
    define::check_free(session, name)?;
    let named = match &variable.value {
        Value::Expr(value) => named(session, value),
        _ => None,
    };
    let made = match named {
        Some(definition) => {
            let mut other = (*definition).clone();
            other.name.clone_from(&name.text);
            other
        }
        None => {
            let (function, kept) = body::given(session, &variable, running)?;
            Definition::of_given(&name.text, &function, kept, running.dialect)
        }
    };
    session.relations.routines.known.keep(Arc::new(made));
    Ok(StatementResult::Done)
}

/// The statement as LET, read again with places in a range of its own, as the function outlives the script.
fn read(session: &mut Session, statement: &ast::Statement, running: Running) -> Option<ast::Let> {
    let name = match &statement.kind {
        K::Let(variable) => &variable.name,
        K::Assign(assign) => &assign.name,
        _ => return None,
    };
    let script = Arc::clone(&session.script);
    let range = running.span.start as usize..running.span.end as usize;
    let text = script.get(range).unwrap_or_default();
    let sources = &mut session.relations.routines.sources;
    let origin = sources.add(&name.text, text, Some(running.span.start));
    let parsed = gobi_grammar::parse_at(text, running.dialect, origin);
    match parsed.statements.into_iter().next()?.kind {
        K::Let(read) => Some(*read),
        K::Assign(read) => Some(ast::Let {
            name: read.name,
            ty: None,
            value: read.value,
        }),
        _ => None,
    }
}
