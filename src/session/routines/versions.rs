//! Functions and procedures as they were: calling an earlier version, and what differs between two.
//!
//! `CALL p() AS OF TAG 'q1'` runs the body that `p` had then, with the functions of then, on the tables of now. `DIFF PROCEDURE p` gives the lines
//! that its last change took away and added.
//!
//! Invariants: history is only read.
//!
//! Does not: make versions; `define` does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{CallRoutine, DiffRoutine, ObjectKind, Query, Span, Statement, StatementKind, When};
use gobi_grammar::similar::nearest;

use super::known::{self, Known};
use super::{Running, body, spawned};
use crate::catalog::{Catalog, MAIN_SCHEMA};
use crate::session::points::point_error;
use crate::session::settings::parse_dialect;
use crate::session::store::View;
use crate::session::{Error, ResultStream, Session, StatementResult, timeline, transactions};
use crate::store::table::Snapshot;

/// CALL … AS OF.
pub fn call(
    session: &mut Session,
    call: &CallRoutine,
    when: &When,
    running: Running,
) -> Result<StatementResult, Error> {
    let view = database(session, "CALL … AS OF", running.span)?;
    let snapshot = at(session, &view, when, running)?;
    let known = Known::of_catalog(snapshot.catalog(), &mut session.relations.routines.sources);
    let outer = session.relations.routines.pinned.replace(known);
    let done = match spawned::is_async(session, call) {
        true => spawned::call(session, call, running),
        false => match super::models::call(session, call, running) {
            Some(done) => done,
            None => body::call(session, call, running),
        },
    };
    session.relations.routines.pinned = outer;
    done
}

/// Does something about a query; if it is `AS OF …`, with the functions and types of then.
pub fn at_its_time<T>(
    session: &mut Session,
    query: &Query,
    running: Running,
    work: impl FnOnce(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let (Some(when), Some(view)) = (&query.as_of, session.relations.view.clone()) else {
        return work(session);
    };
    let snapshot = at(session, &view, when, running)?;
    session.relations.refresh_routines();
    let routines = &mut session.relations.routines;
    let known = routines.known.at(snapshot.catalog(), &mut routines.sources);
    let outer = routines.pinned.replace(known);
    let done = work(session);
    session.relations.routines.pinned = outer;
    done
}

/// DIFF PROCEDURE, DIFF FUNCTION, DIFF MODULE: the lines of both texts, each with what became of it.
pub fn diff(session: &mut Session, diff: &DiffRoutine, running: Running) -> Result<ResultStream, Error> {
    let kind = diff.kind.words();
    let view = database(session, &format!("DIFF {kind}"), running.span)?;
    let name = super::listing::whole_name(&diff.name);
    let find = |catalog: &Catalog| text_of(catalog, &name.text, diff.kind);
    let (old, new) = match &diff.between {
        Some((from, to)) => {
            let (from, to) = (at(session, &view, from, running)?, at(session, &view, to, running)?);
            (find(from.catalog()), find(to.catalog()))
        }
        None => {
            let new = find(view.catalog());
            let old = before(&view, &new, &find).map_err(|error| resolved(point_error(&error), running.span))?;
            (old, new)
        }
    };
    if old.is_none() && new.is_none() {
        return Err(missing(Some(&view), diff.kind, &name.text, name.span));
    }
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let rows: Vec<Vec<String>> = lines(&old, &new)
        .into_iter()
        .map(|(change, line)| vec![change.to_owned(), line.to_owned()])
        .collect();
    Ok(ResultStream::strings(&["change", "line"], &rows, running.span))
}

/// The error of a name that no function, procedure or module of the database has.
pub fn missing(view: Option<&View>, kind: ObjectKind, name: &str, span: Span) -> Error {
    let message = format!("{} `{name}` does not exist", kind.words().to_lowercase());
    let code = if kind == ObjectKind::Module { "42704" } else { "42883" };
    let mut error = Diagnostic::new(code, span, message);
    let others = [ObjectKind::Function, ObjectKind::Procedure, ObjectKind::Module];
    let is_there = |kind: &ObjectKind| view.is_some_and(|view| text_of(view.catalog(), name, *kind).is_some());
    error.help = match others.iter().find(|other| **other != kind && is_there(other)) {
        Some(other) => Some(format!("it is a {}", other.words().to_lowercase())),
        None => {
            let modules = known::entries(view).filter(|(_, def)| def.members.is_some());
            let names = match kind {
                ObjectKind::Module => modules.map(|(_, def)| def.name.clone()).collect(),
                _ => known::stored_names(view),
            };
            let near = nearest(name, names.iter().map(String::as_str));
            // There was none of that name at the time.
            let near = near.filter(|near| !near.eq_ignore_ascii_case(name));
            near.map(|near| format!("did you mean `{near}`?"))
        }
    };
    Error::new(error)
}

fn database(session: &mut Session, what: &str, span: Span) -> Result<View, Error> {
    session.refresh_view(span)?;
    let view = session.relations.view.clone();
    view.ok_or_else(|| transactions::without_database(what, span))
}

fn at(session: &mut Session, view: &View, when: &When, running: Running) -> Result<Snapshot, Error> {
    let point = timeline::point(session, when, running)?;
    view.at(&point).map_err(|error| resolved(error, when.span))
}

fn resolved(error: crate::plan::ResolveError, span: Span) -> Error {
    Error::new(Diagnostic::new(error.code, span, error.message))
}

/// The text of a function or procedure, perhaps one of a module by its whole name, or of a module.
fn text_of(catalog: &Catalog, name: &str, kind: ObjectKind) -> Option<String> {
    if kind == ObjectKind::Module {
        return catalog
            .module(MAIN_SCHEMA, name)
            .map(|(_, def)| def.source.text.clone());
    }
    let is_procedure = kind == ObjectKind::Procedure;
    let routines = catalog.routines(MAIN_SCHEMA, name).into_iter();
    let own = routines.filter(|(_, def)| def.procedure == is_procedure);
    let mut texts: Vec<String> = own.map(|(_, def)| def.source.text.clone()).collect();
    let members = members_of(catalog, name).into_iter();
    texts.extend(members.filter(|(of, _)| *of == is_procedure).map(|(_, text)| text));
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// The texts of what a module has under a whole name, and whether they are procedures: one, or one for each receiver.
pub fn members_of(catalog: &Catalog, name: &str) -> Vec<(bool, String)> {
    let Some((module, name)) = name.split_once('.') else {
        return Vec::new();
    };
    let Some((_, def)) = catalog.module(MAIN_SCHEMA, module) else {
        return Vec::new();
    };
    let text = &def.source.text;
    let dialect = parse_dialect(&def.source.dialect).unwrap_or_default();
    let Some(module) = known::read_module(text, dialect, 0) else {
        return Vec::new();
    };
    let member = |statement: &Statement| match &statement.kind {
        StatementKind::Routine(routine) => {
            let own = routine.name.last().filter(|own| own.text.eq_ignore_ascii_case(name));
            let range = statement.span.start as usize..statement.span.end as usize;
            own.and_then(|_| Some((routine.is_procedure, text.get(range)?.to_owned())))
        }
        _ => None,
    };
    module.body.statements.iter().filter_map(member).collect()
}

/// The text before the last change that led to what is seen: along the first parents, as far as history is kept.
fn before(
    view: &View,
    now: &Option<String>,
    find: &dyn Fn(&Catalog) -> Option<String>,
) -> Result<Option<String>, crate::store::StoreError> {
    let timeline = view.database.timeline()?;
    let mut at = view.base.commit_id();
    while let Some(commit) = at.filter(|commit| timeline.check_kept(*commit).is_ok()) {
        let text = find(view.database.snapshot(commit)?.catalog());
        if text != *now {
            return Ok(text);
        }
        at = timeline.commit_record(commit)?.parents.first().copied();
    }
    Ok(None)
}

/// The lines of two texts: ` ` for those of both, `-` and `+` for those of one, by a longest common subsequence.
fn lines<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(&'static str, &'t str)> {
    let width = new.len() + 1;
    let mut longest = vec![0u32; (old.len() + 1) * width];
    for (i, left) in old.iter().enumerate().rev() {
        for (j, right) in new.iter().enumerate().rev() {
            longest[i * width + j] = match left == right {
                true => longest[(i + 1) * width + j + 1] + 1,
                false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        match (old.get(i), new.get(j)) {
            (Some(left), Some(right)) if left == right => {
                out.push((" ", *left));
                (i, j) = (i + 1, j + 1);
            }
            (Some(left), right) if right.is_none() || longest[(i + 1) * width + j] >= longest[i * width + j + 1] => {
                out.push(("-", *left));
                i += 1;
            }
            (_, Some(right)) => {
                out.push(("+", *right));
                j += 1;
            }
            _ => break,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_both_have_stay() {
        let diff = lines(&["a", "b", "c"], &["a", "x", "c", "d"]);
        assert_eq!(diff, [(" ", "a"), ("-", "b"), ("+", "x"), (" ", "c"), ("+", "d")]);
        assert_eq!(lines(&[], &["a"]), [("+", "a")]);
        assert_eq!(lines(&["a"], &[]), [("-", "a")]);
    }
}
