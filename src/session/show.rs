//! SHOW, LIST and DESCRIBE: what the session knows, as rows.
//!
//! `SHOW threads` gives one row `auto` under the name `threads`; `DESCRIBE 'a.csv'` one row per column.
//!
//! Invariants: nothing here reads data.
//!
//! Does not: change anything.

use gobi_grammar::ast::{GroupBy, Ident, Query, QueryBody, SelectItem, Show, Span};
use gobi_grammar::similar::nearest;
use gobi_grammar::{Diagnostic, Dialect};

use super::databases::TEMP;
use super::relations::StatementTables;
use super::settings::{self, SETTINGS};
use super::{
    Error, ResultStream, Session, StatementResult, attach, lineage, listing, routines, statement, timeline, triggers,
    types,
};
use crate::store::locks::LockLine;
use crate::types::{LogicalType, Value};

/// Objects that SHOW will list once they exist.
const LATER: &[&str] = &[
    "extensions",
    "secrets",
    "macros",
    "schedules",
    "pipelines",
    "sessions",
    "snapshots",
    "branches",
    "watermarks",
    "users",
    "roles",
    "profile",
];

/// Objects that only a database has.
const KEPT: &[&str] = &[
    "tables",
    "views",
    "schemas",
    "schema",
    "indexes",
    "snapshots",
    "branches",
    "watermarks",
];

/// `SHOW what`.
pub fn run(session: &mut Session, show: &Show, span: Span) -> Result<StatementResult, Error> {
    let what = show.what.text.to_ascii_lowercase();
    if matches!(what.as_str(), "functions" | "procedures") {
        return routines::list(session, show, span).map(StatementResult::Rows);
    }
    if what == "modules" {
        return routines::list_modules(session, show, span).map(StatementResult::Rows);
    }
    if what == "databases" && show.of.is_empty() {
        return attach::show(session, show, span).map(StatementResult::Rows);
    }
    if what == "jobs" {
        return routines::jobs::show(session, show, span).map(StatementResult::Rows);
    }
    if what == "profile" {
        return routines::profiles::show(session, show, span).map(StatementResult::Rows);
    }
    if what == "lineage" {
        return lineage::show(session, show, span).map(StatementResult::Rows);
    }
    if matches!(what.as_str(), "types" | "enums" | "structs" | "exceptions") {
        return types::list(session, show, span).map(StatementResult::Rows);
    }
    if what == "triggers" {
        return triggers::list(session, show, span).map(StatementResult::Rows);
    }
    if let Some(stream) = listing::show(session, &what, show, span)? {
        return Ok(StatementResult::Rows(stream));
    }
    if let Some(stream) = timeline::show(session, &what, show, span)? {
        return Ok(StatementResult::Rows(stream));
    }
    if let (Some(store), None, true) = (&session.store, &session.relations.view, KEPT.contains(&what.as_str()))
        && session.relations.named_database(TEMP).is_none()
    {
        return Err(store.none_yet(span));
    }
    if what == "tables" && show.of.is_empty() {
        return tables(session, show, span).map(StatementResult::Rows);
    }
    let narrowed = [(!show.of.is_empty(), " IN"), (show.like.is_some(), " LIKE")];
    let narrowed = narrowed.into_iter().find(|(given, _)| *given).map(|(_, word)| word);
    if let Some(word) = narrowed {
        let word = if LATER.contains(&what.as_str()) { "" } else { word };
        let message = format!("SHOW {}{word} is not supported yet", what.to_ascii_uppercase());
        return Err(Error::new(Diagnostic::new("0A000", show.what.span, message)));
    }
    let stream = match what.as_str() {
        "all" | "config" => all_settings(session, span),
        "views" | "schemas" | "schema" | "indexes" => {
            let message = format!(
                "SHOW {} without a database is not supported yet",
                what.to_ascii_uppercase()
            );
            return Err(Error::new(Diagnostic::new("0A000", show.what.span, message)));
        }
        "locks" => locks(session, span)?,
        _ if LATER.contains(&what.as_str()) => {
            let message = format!("SHOW {} is not supported yet", what.to_ascii_uppercase());
            return Err(Error::new(Diagnostic::new("0A000", show.what.span, message)));
        }
        _ => {
            let setting = settings::find(&what).ok_or_else(|| unknown_setting(&show.what))?;
            ResultStream::strings(&[setting.name], &[vec![session.settings.get(setting)]], span)
        }
    };
    Ok(StatementResult::Rows(stream))
}

/// `DESCRIBE query`.
pub fn describe(session: &mut Session, query: &Query, dialect: Dialect, span: Span) -> Result<StatementResult, Error> {
    let mut tables = StatementTables::new(&mut session.relations);
    let bound = match statement::bind(query, dialect, &mut tables) {
        Ok(bound) => bound,
        Err(error) => return Err(with_kind(session, query, error)),
    };
    let named = tables.first_named().filter(|_| is_name(query));
    if let Some((which, id)) = named
        && let Some(view) = session.relations.view_of(which)
        && let Some(def) = view.catalog().table(id)
    {
        return Ok(StatementResult::Rows(listing::describe(def, span)));
    }
    let row = |field: &crate::types::Field| {
        vec![
            field.name.clone(),
            field.ty.to_string(),
            if field.nullable { "yes" } else { "no" }.to_string(),
        ]
    };
    let rows: Vec<_> = bound.output.iter().map(|(_, field)| row(field)).collect();
    Ok(StatementResult::Rows(ResultStream::strings(
        &["column", "type", "null"],
        &rows,
        span,
    )))
}

/// The error of a name that is one of something else than a relation, which has a DESCRIBE of its own.
fn with_kind(session: &mut Session, query: &Query, error: Error) -> Error {
    let QueryBody::Select(select) = &query.body else {
        return error;
    };
    let is_unknown = is_name(query) && error.diagnostics.iter().any(|first| first.code == "42P01");
    let name = match select.from.first().and_then(|table| table.kind.path()) {
        Some(path) if is_unknown => {
            let parts: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
            parts.join(".")
        }
        _ => return error,
    };
    match routines::kind_of(session, &name) {
        Some(kind) => {
            let words = kind.words();
            error.with_help(format!(
                "`{name}` is a {}: `DESCRIBE {words} {name}`",
                words.to_lowercase()
            ))
        }
        None => error,
    }
}

/// Whether a query is no more than the name of a relation as it is now.
fn is_name(query: &Query) -> bool {
    let QueryBody::Select(select) = &query.body else {
        return false;
    };
    let plain = query.as_of.is_none() && query.ctes.is_empty() && query.limit.is_none() && select.filter.is_none();
    let all = matches!(select.items.as_slice(), [] | [SelectItem::Star { .. }]) && select.group_by == GroupBy::None;
    match select.from.as_slice() {
        [table] => plain && all && table.time.is_none() && table.kind.path().is_some(),
        _ => false,
    }
}

/// The error for a name that no setting has.
pub fn unknown_setting(name: &Ident) -> Error {
    let names = SETTINGS.iter().map(|setting| setting.name);
    let help = match nearest(&name.text, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "settings are {}; LIST shows TABLES, VIEWS, PROCEDURES, FUNCTIONS, TRIGGERS and the like",
            names.collect::<Vec<_>>().join(", ")
        ),
    };
    let diagnostic = Diagnostic::new("42704", name.span, format!("there is no setting `{}`", name.text));
    Error::new(diagnostic.with_help(help))
}

fn all_settings(session: &Session, span: Span) -> ResultStream {
    let row = |setting: &settings::Setting| {
        let value = session.settings.get(setting);
        vec![
            setting.name.to_string(),
            value,
            setting.default.to_string(),
            setting.doc.to_string(),
        ]
    };
    let rows: Vec<_> = SETTINGS.iter().map(row).collect();
    ResultStream::strings(&["name", "value", "default", "description"], &rows, span)
}

/// Who holds what, and who waits for whom.
fn locks(session: &mut Session, span: Span) -> Result<ResultStream, Error> {
    let lines = match &session.store {
        Some(store) => store.locks(span)?,
        None => Vec::new(),
    };
    let row = |line: LockLine| {
        let count = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let rows = [count(line.rows, "old"), count(line.appended, "new")];
        let rows: Vec<String> = rows.into_iter().flatten().collect();
        let (state, target) = match line.waits_for {
            Some(_) => ("waits", line.key),
            None => ("holds", rows.join(" and ")),
        };
        vec![
            line.id.0.to_string(),
            state.to_string(),
            line.table,
            line.mode.to_string(),
            target,
            line.waits_for.map_or_else(String::new, |id| id.0.to_string()),
            line.statement,
            Value::Int(line.since_us.into()).display(&LogicalType::Timestamp),
        ]
    };
    let rows: Vec<_> = lines.into_iter().map(row).collect();
    let columns = [
        "transaction",
        "state",
        "table",
        "mode",
        "target",
        "waits_for",
        "statement",
        "since",
    ];
    Ok(ResultStream::strings(&columns, &rows, span))
}

/// The files of a folder that is not a database.
fn tables(session: &mut Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    let tables = session.relations.folder_tables();
    let tables = tables.map_err(|error| Error::new(Diagnostic::new(error.code, span, error.message)))?;
    let like = listing::like_of(show)?;
    let wanted = |name: &str| like.as_ref().is_none_or(|like| like.matches(name.as_bytes()));
    let rows: Vec<_> = tables
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, path)| vec![name, path.display().to_string()])
        .collect();
    Ok(ResultStream::strings(&["name", "file"], &rows, span))
}
