//! `let f = adder(2)` at the top of a script: a name for the function that a call gives, or that has another name.
//!
//! What the function keeps is computed once, and is its own: `let n = 2; let f = adder(n); n = 3` leaves `f` as it is.
//!
//! Invariants: the name is one of the session's functions.
//!
//! Does not: know functions that give functions; `procedure` does.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ExprKind};

use super::{Running, body, define};
use crate::plan::RoutineCall;
use crate::procedure::{Definition, Definitions as _};
use crate::session::relations::StatementTables;
use crate::session::{Error, Session, StatementResult};
use crate::types::{LogicalType, Value};

/// The definition that a LET gives another name, or of whose function it takes the one that it gives; `None` if it is another LET.
fn definition_of(session: &Session, variable: &ast::Let) -> Option<Arc<Definition>> {
    let ast::Value::Expr(value) = &variable.value else {
        return None;
    };
    if variable.ty.is_some() {
        return None;
    }
    let name = match &value.kind {
        ExprKind::Name(path) => match path.as_slice() {
            [name] if !session.relations.routines.is_variable(&name.text) => name.clone(),
            _ => return None,
        },
        ExprKind::Call(call) => of_module(session, call).name,
        _ => return None,
    };
    let definition = session.relations.routines.known.find(&name.text)?;
    match value.kind {
        ExprKind::Name(_) => definition.routine.metadata.is_empty().then_some(definition),
        _ => definition.given_function().is_some().then_some(definition),
    }
}

/// Whether LET gives a name to a function that another name, or a call, stands for.
pub fn is_function(session: &Session, variable: &ast::Let) -> bool {
    definition_of(session, variable).is_some()
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

/// Gives it the name.
pub fn name(session: &mut Session, variable: &ast::Let, running: Running) -> Result<StatementResult, Error> {
    let Some(definition) = definition_of(session, variable) else {
        return Ok(StatementResult::Done);
    };
    let name = &variable.name;
    define::check_free(session, name)?;
    let made = match &variable.value {
        ast::Value::Expr(ast::Expr {
            kind: ExprKind::Call(call),
            span,
        }) => given(session, &definition, (name, call, *span), running)?,
        _ => {
            let mut other = (*definition).clone();
            other.name.clone_from(&name.text);
            other
        }
    };
    session.relations.routines.known.keep(Arc::new(made));
    Ok(StatementResult::Done)
}

/// The function that a call gives, with what it keeps.
fn given(
    session: &mut Session,
    definition: &Arc<Definition>,
    (name, call, span): (&ast::Ident, &ast::Call, ast::Span),
    running: Running,
) -> Result<Definition, Error> {
    let (Some((lambda, _)), Some(keeping)) = (definition.given_function(), definition.keeping(&[])) else {
        return Err(super::unsupported("a function of this form", span));
    };
    refuse_functions(session, &of_module(session, call))?;
    let kept = session.relations.routines.known.clone();
    let keeping_name = keeping.name.clone();
    session.relations.routines.known.keep(Arc::new(keeping.clone()));
    let mut call = of_module(session, call);
    call.name.text = keeping_name;
    call.name.quoted = true;
    let kind = ExprKind::Call(call);
    let taken = match running.only_bind {
        true => looked(session, &keeping, &kind, span),
        false => body::taken(session, &ast::Expr { kind, span }, running),
    };
    session.relations.routines.known = kept;
    let constants = match taken? {
        Some((LogicalType::Struct(fields), value)) => {
            let values = match value {
                Value::Struct(values) => values.to_vec(),
                _ => vec![Value::Null; fields.len()],
            };
            let named = fields.into_iter().zip(values);
            named.map(|(field, value)| (field.name, field.ty, value)).collect()
        }
        _ => Vec::new(),
    };
    Ok(Definition::of_lambda(
        &name.text,
        lambda,
        span,
        definition.dialect,
        constants,
    ))
}

/// The type of what a function keeps, without its value.
fn looked(
    session: &mut Session,
    keeping: &Definition,
    call: &ExprKind,
    span: ast::Span,
) -> Result<Option<(LogicalType, Value)>, Error> {
    let ExprKind::Call(call) = call else { return Ok(None) };
    let mut args = Vec::with_capacity(call.args.len());
    for arg in &call.args {
        let (name, value) = match &arg.kind {
            ExprKind::Named { name, value } => (Some(name), &**value),
            _ => (None, arg),
        };
        let item = ast::SelectItem::Expr {
            expr: value.clone(),
            alias: None,
        };
        let query = crate::session::define::select(vec![item], Vec::new(), None);
        let mut tables = StatementTables::new(&mut session.relations);
        let bound = crate::session::statement::bind(&query, keeping.dialect, &mut tables)?;
        let ty = bound
            .output
            .first()
            .map_or(LogicalType::Null, |(_, field)| field.ty.clone());
        args.push((name, ty, true));
    }
    let mut call_name = call.name.clone();
    call_name.span = span;
    let call = RoutineCall { name: &call_name, args };
    let ty = define::checked_call(session, keeping, &call, &mut super::Naming::default())?;
    Ok(Some((ty, Value::Null)))
}

/// An error for a function among the arguments: what is kept there are values.
fn refuse_functions(session: &Session, call: &ast::Call) -> Result<(), Error> {
    for arg in &call.args {
        let value = match &arg.kind {
            ExprKind::Named { value, .. } => value,
            _ => arg,
        };
        let is_function = match &value.kind {
            ExprKind::Lambda(_) => true,
            ExprKind::Name(path) => match path.as_slice() {
                [name] => {
                    let routines = &session.relations.routines;
                    !routines.is_variable(&name.text) && routines.known.find(&name.text).is_some()
                }
                _ => false,
            },
            _ => false,
        };
        if is_function {
            let message =
                "a function as an argument of one that gives a function, at the top of a script, is not supported yet";
            let help = "write it in a function: `function f(x) { let g = …; g(x) }`";
            return Err(Error::new(
                Diagnostic::new("0A000", value.span, message).with_help(help),
            ));
        }
    }
    Ok(())
}
