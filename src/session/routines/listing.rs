//! SHOW FUNCTIONS, SHOW PROCEDURES, DESCRIBE FUNCTION: what can be called, as rows.
//!
//! `DESCRIBE FUNCTION half` gives a row for each parameter, and one for the result: `returns | double`.
//!
//! Invariants: what is shown is what the transaction sees.
//!
//! Does not: list the functions of the engine; `docs/functions.md` does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{DescribeObject, Ident, ObjectKind, Show, Span};
use gobi_grammar::similar::nearest;

use super::{Running, define, known, modules};
use crate::catalog::MAIN_SCHEMA;
use crate::functions::like::LikePattern;
use crate::procedure::Definitions as _;
use crate::session::{Error, ResultStream, Session, StatementResult, triggers, types};

/// `SHOW FUNCTIONS [LIKE 'pattern']`, `SHOW PROCEDURES`.
pub fn list(session: &mut Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    let procedures = show.what.text.eq_ignore_ascii_case("procedures");
    let module = match show.of.as_slice() {
        [] => None,
        [name] => Some(known_module(session, name)?),
        [_, more, ..] => return Err(super::unsupported("SHOW FUNCTIONS IN a schema", more.span)),
    };
    let pattern = show
        .like
        .as_ref()
        .map(|pattern| LikePattern::new(pattern, None, true))
        .transpose();
    let pattern = pattern.map_err(|error| Error::new(Diagnostic::new(error.code, span, error.message)))?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let local = session.relations.routines.known.local().cloned().collect::<Vec<_>>();
    for definition in local
        .iter()
        .filter(|definition| definition.routine.is_procedure == procedures)
    {
        let (signature, _) = define::signature_of(session, definition)?;
        rows.push(vec![
            definition.name.clone(),
            signature,
            String::new(),
            "session".into(),
        ]);
    }
    for (_, def) in known::entries(session.relations.view.as_ref()) {
        let mut row = |name: &str, signature: &str| {
            let cells = [name, signature, &def.version.to_string(), "database"];
            rows.push(cells.map(str::to_owned).to_vec());
        };
        match &def.members {
            None if def.procedure == procedures => row(&def.name, &def.signature),
            None => {}
            Some(members) => {
                let wanted = if procedures { "procedure" } else { "function" };
                let members = members.iter().filter(|member| member.kind == wanted);
                members.for_each(|member| row(&member.name, &member.signature));
            }
        }
    }
    rows.retain(|row| {
        let of = row[0].split_once('.').map(|(of, _)| of);
        module
            .as_ref()
            .is_none_or(|module| of.is_some_and(|of| of.eq_ignore_ascii_case(module)))
    });
    rows.retain(|row| {
        pattern
            .as_ref()
            .is_none_or(|pattern| pattern.matches(row[0].as_bytes()))
    });
    rows.sort();
    Ok(ResultStream::strings(
        &["name", "signature", "version", "kept in"],
        &rows,
        span,
    ))
}

/// What has a name, and is described by its kind.
pub fn kind_of(session: &mut Session, name: &str) -> Option<ObjectKind> {
    session.relations.refresh_routines();
    let known = &session.relations.routines.known;
    let methods = known.methods(name);
    if let Some(definition) = known.find(name).as_ref().or(methods.first()) {
        return Some(match definition.routine.is_procedure {
            true => ObjectKind::Procedure,
            false => ObjectKind::Function,
        });
    }
    let is_type = |known: &str| known.eq_ignore_ascii_case(name);
    let view = session.relations.view.as_ref();
    let is_trigger = || view.is_some_and(|view| view.catalog().trigger(MAIN_SCHEMA, name).is_some());
    match known.module(name) {
        Some(_) => Some(ObjectKind::Module),
        None if session.relations.types().declared().any(|(known, _)| is_type(known)) => Some(ObjectKind::Type),
        None => is_trigger().then_some(ObjectKind::Trigger),
    }
}

/// The name of a module whose functions are listed.
fn known_module(session: &mut Session, name: &Ident) -> Result<String, Error> {
    session.relations.refresh_routines();
    match session.relations.routines.known.module(&name.text) {
        Some(module) => Ok(module.name.clone()),
        None => Err(super::unsupported("SHOW FUNCTIONS IN a schema", name.span)),
    }
}

/// `DESCRIBE FUNCTION f`, `DESCRIBE PROCEDURE p`.
pub fn describe(session: &mut Session, object: &DescribeObject, running: Running) -> Result<StatementResult, Error> {
    let span = running.span;
    let name = whole_name(&object.name);
    let name = &name;
    if object.kind == ObjectKind::Trigger {
        return triggers::describe(session, name, span).map(StatementResult::Rows);
    }
    if object.kind == ObjectKind::Type {
        return types::describe(session, name, span).map(StatementResult::Rows);
    }
    if object.kind == ObjectKind::Module {
        return modules::describe(session, name, running).map(StatementResult::Rows);
    }
    if !matches!(object.kind, ObjectKind::Function | ObjectKind::Procedure) {
        return Err(super::unsupported(&format!("DESCRIBE {}", object.kind.words()), span));
    }
    session.relations.refresh_routines();
    let known = &session.relations.routines.known;
    let found: Vec<_> = known
        .find(&name.text)
        .into_iter()
        .chain(known.methods(&name.text))
        .collect();
    if found.is_empty() {
        let kind = object.kind.words().to_lowercase();
        let mut error = Diagnostic::new("42883", name.span, format!("{kind} `{}` does not exist", name.text));
        let names = session.relations.routines.known.names();
        let near = nearest(&name.text, names.iter().map(String::as_str));
        error.help = near.map(|near| format!("did you mean `{near}`?"));
        return Err(Error::new(error));
    }
    let mut rows = Vec::new();
    for definition in found {
        rows.extend(define::described(session, &definition)?);
    }
    Ok(StatementResult::Rows(ResultStream::strings(
        &["name", "type", "default"],
        &rows,
        span,
    )))
}

/// `f`, or `m.f` of a module.
pub fn whole_name(path: &[Ident]) -> Ident {
    if let [name] = path {
        return name.clone();
    }
    let texts: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
    let spans = path.iter().map(|part| part.span);
    Ident {
        text: texts.join("."),
        quoted: true,
        span: spans.reduce(Span::to).unwrap_or_default(),
    }
}
