//! AUDIT: queries whose rows are what is wrong with a model's table.
//!
//! `AUDIT no_negatives (on: 'daily') AS FROM models.daily WHERE amount < 0` is asked after each run of `daily`; if it gives a row, the run fails, and leaves
//! nothing. With `blocking: false` the run says what was found, and stands.
//!
//! Invariants: an audit sees what the run has written, before anybody else does.
//!
//! Does not: look at tables that no model has written.

use gobi_grammar::ast::{DefineAudit, ExprKind, Literal, Span, Statement, StatementKind as K};
use gobi_grammar::similar::nearest;
use gobi_grammar::{Diagnostic, Dialect, ast};

use super::desk::Desk;
use super::journal::text_of;
use super::parts::First;
use super::spec::Spec;
use crate::catalog::Source;
use crate::procedure::Definitions as _;
use crate::session::change::Running;
use crate::session::relations::StatementTables;
use crate::session::settings::{dialect_name, parse_dialect};
use crate::session::{Error, Phases, Session, define, statement, transactions};
use crate::types::Value;

/// Keeps an audit; the same one is not kept again.
pub fn define(session: &mut Session, audit: &DefineAudit, running: Running) -> Result<(), Error> {
    let (mut on, mut blocking) = (None::<(String, Span)>, true);
    for (name, value) in &audit.options {
        match (name.text.to_lowercase().as_str(), &value.kind) {
            ("on", ExprKind::Literal(Literal::String(table))) => on = Some((table.clone(), value.span)),
            ("blocking", ExprKind::Literal(Literal::Boolean(truth))) => blocking = *truth,
            ("on", _) => return Err(user("42601", "`on` takes the name of a model", value.span)),
            ("blocking", _) => return Err(user("42601", "`blocking` takes true or false", value.span)),
            _ => {
                let message = format!("an audit has no option `{}`", name.text);
                return Err(user("42601", &message, name.span));
            }
        }
    }
    if session.store.is_none() {
        return Err(transactions::without_database("AUDIT", running.span));
    }
    session.refresh_view(running.span)?;
    if let Some((name, place)) = &on {
        check_model(session, name, *place)?;
    }
    bind(session, &audit.query, running)?;
    if running.only_bind {
        return Ok(());
    }
    let statement = Statement {
        kind: K::Query(audit.query.clone()),
        span: running.span,
    };
    let text = gobi_grammar::print(std::slice::from_ref(&statement), running.dialect);
    let [name, target, query, dialect] = [
        audit.name.text.as_str(),
        on.as_ref().map_or("", |(name, _)| name.as_str()),
        text.trim_end().trim_end_matches(';'),
        dialect_name(running.dialect),
    ]
    .map(text_of);
    let begun = session.begin_body(true, running.span)?;
    let mut desk = desk(session, &audit.query, running);
    let done = desk.keep_audit(&name, &format!("{name}, {target}, {blocking}, {query}, {dialect}"));
    session.end_body(begun, done.is_ok(), running.span)?;
    done
}

/// An error, unless a model has that name, or keeps its rows in a table of that name.
pub fn check_model(session: &mut Session, name: &str, place: Span) -> Result<(), Error> {
    let models = models_of(session);
    for (model, spec) in &models {
        let table = format!("{}.{}", spec.target[0], spec.target[1]);
        if name.eq_ignore_ascii_case(model) || name.eq_ignore_ascii_case(&table) {
            return Ok(());
        }
    }
    let mut error = Diagnostic::new(
        "42704",
        place,
        format!("there is no model `{name}`, after whose runs the audit could be asked"),
    );
    error.help = Some(match nearest(name, models.iter().map(|(model, _)| model.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None if session.relations.routines.together.defines_behind(place.start, name) => {
            format!("`{name}` is defined later: write the audit behind it")
        }
        None => "the rows of other tables are checked by CHECK, and by triggers".to_owned(),
    });
    Err(Error::new(error))
}

/// Looks for errors in its query: a model that has not run yet has the table that its first run makes.
pub fn bind(session: &mut Session, query: &ast::Query, running: Running) -> Result<(), Error> {
    let mut tables = StatementTables::new(&mut session.relations);
    let Err(error) = statement::bind(query, running.dialect, &mut tables) else {
        return Ok(());
    };
    let is_unknown = error.diagnostics.iter().any(|first| first.code == "42P01");
    let Some(view) = super::with_tables(session).filter(|_| is_unknown) else {
        return Err(error);
    };
    let outer = session.relations.view.replace(view);
    let mut tables = StatementTables::new(&mut session.relations);
    let bound = statement::bind(query, running.dialect, &mut tables);
    session.relations.view = outer;
    bound.map(drop)
}

/// The names of all audits.
pub fn names(session: &mut Session, running: Running) -> Result<Vec<String>, Error> {
    let query = define::select(Vec::new(), Vec::new(), None);
    desk(session, &query, running).audits()
}

/// Statements that make the audits again: those of no model, and those of one.
pub fn as_written(session: &mut Session) -> Result<[Vec<String>; 2], Error> {
    let running = Running {
        dialect: Dialect::Grizzly,
        phases: Phases::default(),
        span: Span::default(),
        only_bind: false,
    };
    let query = define::select(Vec::new(), Vec::new(), None);
    let mut desk = desk(session, &query, running);
    let mut made = [Vec::new(), Vec::new()];
    if !desk.has("audits")? {
        return Ok(made);
    }
    for row in desk.all("SELECT name, model, blocking, query, dialect FROM gobi.audits ORDER BY name")? {
        let [
            Value::String(name),
            Value::String(model),
            Value::Boolean(blocking),
            Value::String(query),
            Value::String(dialect),
        ] = row.as_slice()
        else {
            continue;
        };
        let on = (!model.is_empty()).then(|| format!("on: {}", text_of(model)));
        let options: Vec<String> = on
            .into_iter()
            .chain((!blocking).then(|| "blocking: false".to_owned()))
            .collect();
        let options = match options.is_empty() {
            true => String::new(),
            false => format!(" ({})", options.join(", ")),
        };
        let of = Source {
            text: query.to_string(),
            dialect: dialect.to_string(),
        };
        let text = format!("AUDIT {}{options} AS {query};", define::text::quoted(name));
        made[usize::from(!model.is_empty())].push(define::text::in_dialect(text, [&of]));
    }
    Ok(made)
}

/// A desk that runs no model.
pub fn desk<'d>(session: &'d mut Session, query: &'d ast::Query, running: Running) -> Desk<'d> {
    const NOTHING: &First = &First::Variables(Vec::new());
    Desk {
        session,
        running,
        model: "",
        query,
        first: NOTHING,
        dialect: running.dialect,
        given: super::Given::new(),
    }
}

/// DROP AUDIT.
pub fn forget(session: &mut Session, drop: &ast::Drop, running: Running) -> Result<(), Error> {
    if session.store.is_none() {
        return Err(transactions::without_database("DROP AUDIT", running.span));
    }
    let query = define::select(Vec::new(), Vec::new(), None);
    session.refresh_view(running.span)?;
    for name in drop.names.iter().flatten() {
        refuse_named(session, name)?;
    }
    let begun = session.begin_body(true, running.span)?;
    let mut desk = desk(session, &query, running);
    let done = drop
        .names
        .iter()
        .flatten()
        .try_for_each(|name| desk.drop_audit(name, drop.if_exists));
    session.end_body(begun, done.is_ok(), running.span)?;
    done
}

/// An error for an audit that a model names.
fn refuse_named(session: &mut Session, audit: &ast::Ident) -> Result<(), Error> {
    let named = models_of(session)
        .into_iter()
        .find(|(_, spec)| spec.audits.iter().any(|name| name.eq_ignore_ascii_case(&audit.text)));
    let Some((model, _)) = named else { return Ok(()) };
    let message = format!(
        "audit `{}` is needed by the model `{model}`, which names it in `audits`",
        audit.text
    );
    let help = format!("make `{model}` without it, or drop that first");
    Err(Error::new(
        Diagnostic::new("2BP01", audit.span, message).with_help(help),
    ))
}

/// The names of the models of the database, and what they say.
fn models_of(session: &mut Session) -> Vec<(String, Spec)> {
    session.relations.refresh_routines();
    let known = session.relations.routines.known.stored_only();
    let models = known.names().into_iter().filter_map(|name| {
        let definition = known.find(&name)?;
        let spec = Spec::of(&definition.name, &definition.routine).ok()??;
        Some((definition.name.clone(), spec))
    });
    models.collect()
}

/// An error of an audit's query, with its name.
fn of_audit(mut error: Error, name: &str) -> Error {
    for first in &mut error.diagnostics {
        first.message = format!("in audit `{name}`: {}", first.message);
        let more = format!("change the audit, or drop it: `DROP AUDIT {name}`");
        first.help = Some(match first.help.take() {
            Some(help) => format!("{help}; {more}"),
            None => more,
        });
    }
    error
}

fn user(code: &'static str, message: &str, span: gobi_grammar::ast::Span) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}

impl Desk<'_> {
    fn drop_audit(&mut self, name: &ast::Ident, if_exists: bool) -> Result<(), Error> {
        let gone = match self.has("audits")? {
            true => self.change(&format!(
                "DELETE FROM gobi.audits WHERE lower(name) = lower({})",
                text_of(&name.text)
            ))?,
            false => 0,
        };
        if gone > 0 || if_exists {
            return Ok(());
        }
        let message = format!("audit `{}` does not exist", name.text);
        let mut error = Diagnostic::new("42704", name.span, message);
        let known = self.audits()?;
        error.help =
            nearest(&name.text, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        Err(Error::new(error))
    }

    /// The names of all audits.
    fn audits(&mut self) -> Result<Vec<String>, Error> {
        let known = match self.has("audits")? {
            true => self.all("SELECT name FROM gobi.audits")?,
            false => Vec::new(),
        };
        let known = known.into_iter().flatten().filter_map(|value| match value {
            Value::String(known) => Some(known.to_string()),
            _ => None,
        });
        Ok(known.collect())
    }

    fn keep_audit(&mut self, name: &str, row: &str) -> Result<(), Error> {
        self.make_kept("audits")?;
        let known = format!("SELECT name, model, blocking, query, dialect FROM gobi.audits WHERE name = {name}");
        let same = format!("SELECT count(*) = 0 FROM (VALUES ({row}) EXCEPT ({known})) AS a");
        if self.is_true(&same)? {
            return Ok(());
        }
        self.change(&format!("UPSERT INTO gobi.audits VALUES ({row})"))
            .map(drop)
    }

    /// Asks all audits of a model; what those found that do not block.
    pub fn audit(&mut self, spec: &Spec, name: &str) -> Result<String, Error> {
        if !self.has("audits")? {
            return match spec.audits.first() {
                Some(missing) => Err(self.error("42704", format!("audit `{missing}` does not exist"))),
                None => Ok(String::new()),
            };
        }
        let table = format!("{}.{}", spec.target[0], spec.target[1]);
        let mut names: Vec<String> = spec.audits.iter().map(|name| text_of(name)).collect();
        names.push("''".to_owned());
        let rows = self.all(&format!(
            "SELECT name, blocking, query, dialect FROM gobi.audits WHERE lower(model) IN (lower({}), lower({})) OR name IN ({}) ORDER BY name",
            text_of(name),
            text_of(&table),
            names.join(", ")
        ))?;
        let mut found = Vec::new();
        let mut known = Vec::new();
        for row in &rows {
            let [
                Value::String(audit),
                Value::Boolean(blocking),
                Value::String(query),
                Value::String(dialect),
            ] = row.as_slice()
            else {
                continue;
            };
            known.push(audit.to_string());
            let count = self
                .violations(query, dialect)
                .map_err(|error| of_audit(error, audit))?;
            if count == 0 {
                continue;
            }
            let plural = if count == 1 { "" } else { "s" };
            if *blocking {
                let message = format!("audit `{audit}` found {count} row{plural} in `{name}`");
                let mut error = self.error("P0004", message);
                let help = format!("the rows are those of `{query}` after the run, which is undone");
                error
                    .diagnostics
                    .iter_mut()
                    .for_each(|first| first.help = Some(help.clone()));
                return Err(error);
            }
            found.push(format!("{audit}: {count} row{plural}"));
        }
        match spec.audits.iter().find(|name| !known.contains(name)) {
            Some(missing) => Err(self.error("42704", format!("audit `{missing}` does not exist"))),
            None => Ok(found.join(", ")),
        }
    }

    fn violations(&mut self, query: &str, dialect: &str) -> Result<i128, Error> {
        let dialect = parse_dialect(dialect).unwrap_or(self.dialect);
        let statement = self.parsed(query, dialect)?;
        let K::Query(query) = statement.kind else {
            return Err(self.error("XX000", "an audit that is no query".into()));
        };
        let running = self.running;
        self.session.refresh_view(running.span)?;
        let stream = statement::query_stream(self.session, &query, dialect, running.phases, running.span);
        let mut count = 0;
        for batch in stream.map_err(|error| error.placed(running.span))? {
            let batch = batch.map_err(|error| error.placed(running.span))?;
            count += i128::try_from(batch.num_rows()).unwrap_or(i128::MAX);
        }
        Ok(count)
    }
}
