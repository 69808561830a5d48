//! SHOW, LIST and DESCRIBE: what the session knows, as rows.
//!
//! `SHOW threads` gives one row `auto` under the name `threads`; `DESCRIBE 'a.csv'` one row per column.
//!
//! Invariants: nothing here reads data.
//!
//! Does not: change anything.

use gobi_grammar::ast::{Ident, Query, Show, Span};
use gobi_grammar::similar::nearest;
use gobi_grammar::{Diagnostic, Dialect};

use super::relations::StatementTables;
use super::settings::{self, SETTINGS};
use super::{Error, ResultStream, Session, StatementResult, statement};

/// Objects that SHOW will list once they exist.
const LATER: &[&str] = &[
    "schema",
    "schemas",
    "databases",
    "extensions",
    "secrets",
    "structs",
    "types",
    "functions",
    "procedures",
    "macros",
    "modules",
    "triggers",
    "schedules",
    "pipelines",
    "sessions",
    "locks",
    "views",
    "indexes",
    "snapshots",
    "branches",
    "watermarks",
    "users",
    "roles",
    "lineage",
    "profile",
];

/// `SHOW what`.
pub fn run(session: &mut Session, show: &Show, span: Span) -> Result<StatementResult, Error> {
    let what = show.what.text.to_ascii_lowercase();
    let narrowed = [(!show.of.is_empty(), " IN"), (show.like.is_some(), " LIKE")];
    let narrowed = narrowed.into_iter().find(|(given, _)| *given).map(|(_, word)| word);
    if let Some(word) = narrowed {
        let word = if LATER.contains(&what.as_str()) { "" } else { word };
        let message = format!("SHOW {}{word} is not supported yet", what.to_ascii_uppercase());
        return Err(Error::new(Diagnostic::new("0A000", show.what.span, message)));
    }
    let stream = match what.as_str() {
        "all" | "config" => all_settings(session, span),
        "tables" => tables(session, span)?,
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
    let bound = statement::bind(query, dialect, &mut tables)?;
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

/// The error for a name that no setting has.
pub fn unknown_setting(name: &Ident) -> Error {
    let names = SETTINGS.iter().map(|setting| setting.name);
    let help = match nearest(&name.text, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("settings are {}", names.collect::<Vec<_>>().join(", ")),
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

fn tables(session: &mut Session, span: Span) -> Result<ResultStream, Error> {
    let tables = session.relations.folder_tables();
    let tables = tables.map_err(|error| Error::new(Diagnostic::new(error.code, span, error.message)))?;
    let own = session.relations.tables().into_iter();
    let files = tables
        .into_iter()
        .map(|(name, path)| vec![name, path.display().to_string()]);
    let rows: Vec<_> = own.map(|name| vec![name, String::new()]).chain(files).collect();
    Ok(ResultStream::strings(&["name", "file"], &rows, span))
}
