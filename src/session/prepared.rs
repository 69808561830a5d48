//! Statements that are prepared once and run with values: PREPARE, EXECUTE, DEALLOCATE, and the same for programs.
//!
//! `PREPARE p (date) AS SELECT * FROM orders WHERE day = $1` keeps the syntax tree; `EXECUTE p ('2026-01-31')` runs it with a literal of
//! that date in the place of `$1`. Without `(date)` the text would be a literal of no type yet, and take that of `day`.
//!
//! Invariants: as many values as there are parameters, or nothing runs. A value is never part of a text.
//!
//! Does not: know whether a plan of before still fits; `kept` does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gobi_grammar::ast::{self, Argument, Deallocate, Execute, Prepare, SelectItem, Span, Statement, StatementKind};
use gobi_grammar::scan::{Kind, tokens};
use gobi_grammar::{Diagnostic, Dialect};

use super::change::Running;
use super::kept::{self, Slot};
use super::relations::StatementTables;
use super::result::{ResultStream, StatementResult};
use super::{Error, Phases, Session, define, script, scripts, statement};
use crate::plan::{self, Parameter, constant};
use crate::types::{LogicalType, Value, cell};

/// A statement that is prepared.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Its text, or that of the PREPARE that it is from; for SHOW LOCKS.
    text: Arc<str>,
    statement: Statement,
    dialect: Dialect,
    /// In the order of their numbers, or in which they appear.
    parameters: Vec<String>,
    types: Vec<Option<LogicalType>>,
    /// Its plan.
    slot: Slot,
}

/// The prepared statements of a session, by name in lower case.
pub type Named = BTreeMap<String, Prepared>;

impl Prepared {
    fn new(
        text: Arc<str>,
        statement: Statement,
        dialect: Dialect,
        types: Vec<Option<LogicalType>>,
    ) -> Result<Self, Error> {
        if matches!(statement.kind, StatementKind::Prepare(_) | StatementKind::Execute(_)) {
            let message = format!("{} cannot be prepared", statement.kind.name());
            return Err(user("0A000", statement.span, message));
        }
        let parameters = parameters(&statement, dialect);
        let numbers: Vec<usize> = parameters.iter().filter_map(|name| name.parse().ok()).collect();
        if let Some(missing) = (1..=numbers.len()).find(|n| !numbers.contains(n)) {
            let message = format!("there is no parameter `${missing}`");
            return Err(user("42P18", statement.span, message));
        }
        if types.len() > parameters.len() {
            let message = format!("{} types for {} parameters", types.len(), parameters.len());
            return Err(user("42601", statement.span, message));
        }
        Ok(Self(Arc::new(Inner {
            text,
            statement,
            dialect,
            parameters,
            types,
            slot: Slot::default(),
        })))
    }

    /// Names of the parameters, in the order in which values are given; those of `?` are `1`, `2` and so on.
    pub fn parameters(&self) -> &[String] {
        &self.0.parameters
    }

    /// Runs it with these values.
    pub fn execute(&self, session: &mut Session, values: &[Value]) -> Result<StatementResult, Error> {
        let span = self.0.statement.span;
        let values = values
            .iter()
            .map(|value| typed(value, span))
            .collect::<Result<_, _>>()?;
        self.run(session, self.in_order(values, span)?, Phases::default())
    }

    /// Runs it with values by the parameters' names.
    pub fn execute_named(&self, session: &mut Session, values: &[(&str, Value)]) -> Result<StatementResult, Error> {
        let span = self.0.statement.span;
        let mut given = Vec::with_capacity(values.len());
        for (name, value) in values {
            given.push((Some((*name).to_string()), typed(value, span)?));
        }
        self.run(session, self.matched(given, span)?, Phases::default())
    }

    fn in_order(&self, values: Vec<Parameter>, span: Span) -> Result<Vec<(String, Parameter)>, Error> {
        self.matched(values.into_iter().map(|value| (None, value)).collect(), span)
    }

    /// Which parameter has which value, converted to its type if it has one.
    fn matched(&self, given: Vec<(Option<String>, Parameter)>, span: Span) -> Result<Vec<(String, Parameter)>, Error> {
        let Inner { parameters, types, .. } = &*self.0;
        if given.len() != parameters.len() {
            let plural = if parameters.len() == 1 { "" } else { "s" };
            let message = format!(
                "there are {} parameter{plural}, but {} values",
                parameters.len(),
                given.len()
            );
            return Err(user("42601", span, message));
        }
        let mut out: Vec<(String, Parameter)> = Vec::with_capacity(given.len());
        for (i, (name, value)) in given.into_iter().enumerate() {
            let at = match &name {
                None => i,
                Some(name) => {
                    let found = parameters.iter().position(|known| known.eq_ignore_ascii_case(name));
                    found.ok_or_else(|| unknown(name, parameters, span))?
                }
            };
            let Some(parameter) = parameters.get(at) else { continue };
            if out.iter().any(|(known, _)| known == parameter) {
                return Err(user(
                    "42601",
                    span,
                    format!("the parameter `${parameter}` is given twice"),
                ));
            }
            let value = match types.get(at).cloned().flatten() {
                None => value,
                Some(ty) => {
                    let converted = constant::convert(&value.value, &value.ty, &ty);
                    let value = converted.map_err(|misfit| {
                        user(
                            misfit.code,
                            span,
                            format!("parameter `${parameter}`: {}", misfit.message),
                        )
                    })?;
                    Parameter { value, ty }
                }
            };
            out.push((parameter.clone(), value));
        }
        Ok(out)
    }

    fn run(
        &self,
        session: &mut Session,
        values: Vec<(String, Parameter)>,
        phases: Phases,
    ) -> Result<StatementResult, Error> {
        let before = std::mem::replace(&mut session.relations.parameters, values);
        session.statement = self.0.text.clone();
        let own = kept::has_one_plan(&self.0.statement.kind).then(|| self.0.slot.clone());
        let slot = std::mem::replace(&mut session.relations.slot, own);
        let result = statement::run(session, &self.0.statement, self.0.dialect, phases);
        session.relations.slot = slot;
        session.relations.parameters = before;
        result.map(StatementResult::outside)
    }
}

/// Prepares the one statement of a script.
pub fn prepare(session: &mut Session, text: &str) -> Result<Prepared, Error> {
    let parsing = script::parse(text, session.settings.dialect);
    if !parsing.diagnostics.is_empty() {
        return Err(Error::all(parsing.diagnostics));
    }
    let mut statements = parsing.statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some((statement, dialect)), None) => {
            let prepared = Prepared::new(text.into(), statement, dialect, Vec::new())?;
            check_names(session, &prepared)?;
            Ok(prepared)
        }
        (_, Some((second, _))) => Err(user(
            "42601",
            second.span,
            "only one statement can be prepared at a time",
        )),
        (None, None) => Err(user("42601", Span::default(), "there is no statement to prepare")),
    }
}

/// PREPARE.
pub fn define(session: &mut Session, prepare: &Prepare, dialect: Dialect) -> Result<(), Error> {
    let name = prepare.name.text.to_lowercase();
    if session.prepared.contains_key(&name) {
        let message = format!("`{}` is prepared already", prepare.name.text);
        return Err(user("42P05", prepare.name.span, message));
    }
    let mut types = Vec::with_capacity(prepare.types.len());
    for ty in &prepare.types {
        types.push(Some(define::type_of(session, ty, prepare.name.span, dialect)?));
    }
    let prepared = Prepared::new(session.statement.clone(), (*prepare.statement).clone(), dialect, types)?;
    check_names(session, &prepared)?;
    session.prepared.insert(name, prepared);
    Ok(())
}

/// EXECUTE.
pub fn run(
    session: &mut Session,
    execute: &Execute,
    dialect: Dialect,
    phases: Phases,
    span: Span,
) -> Result<StatementResult, Error> {
    let name = execute.name.last().map_or("", |name| name.text.as_str());
    let found = session
        .prepared
        .get(&name.to_lowercase())
        .filter(|_| execute.name.len() == 1);
    let running = Running {
        dialect,
        phases,
        span,
        only_bind: false,
    };
    if found.is_none()
        && let Some(done) = scripts::run(session, execute, running)
    {
        return done;
    }
    let found = session.prepared.get(&name.to_lowercase());
    let prepared = found.cloned().ok_or_else(|| {
        let mut error = Diagnostic::new("26000", span, format!("no statement `{name}` is prepared"));
        let scripts = session.scripts.all().iter().map(|script| &*script.name);
        let known = session.prepared.keys().map(String::as_str).chain(scripts);
        error.help = gobi_grammar::similar::nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        Error::new(error)
    })?;
    let mut given = Vec::with_capacity(execute.args.len());
    for Argument { name, value } in &execute.args {
        let value = argument(session, value, dialect)?;
        given.push((name.as_ref().map(|name| name.text.clone()), value));
    }
    let values = prepared.matched(given, span)?;
    match prepared.run(session, values, phases) {
        Ok(StatementResult::Rows(stream)) => Ok(StatementResult::Rows(stream.placed(span))),
        Ok(other) => Ok(other),
        Err(error) => Err(error.placed(span)),
    }
}

/// DEALLOCATE.
pub fn deallocate(session: &mut Session, deallocate: &Deallocate) -> Result<(), Error> {
    let Some(name) = &deallocate.name else {
        session.prepared.clear();
        return Ok(());
    };
    match session.prepared.remove(&name.text.to_lowercase()) {
        Some(_) => Ok(()),
        None => {
            let message = format!("no statement `{}` is prepared", name.text);
            Err(user("26000", name.span, message))
        }
    }
}

/// The parameters of a statement: numbered ones by their numbers, then named ones as they appear.
fn parameters(statement: &Statement, dialect: Dialect) -> Vec<String> {
    let text = gobi_grammar::print(std::slice::from_ref(statement), dialect);
    let mut names: Vec<String> = Vec::new();
    for token in tokens(&text, dialect)
        .iter()
        .filter(|token| token.kind == Kind::Parameter)
    {
        let name = text.get(token.start + 1..token.end).unwrap_or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
    }
    names.sort_by_key(|name| name.parse::<usize>().unwrap_or(usize::MAX));
    names
}

/// Tables and columns that are not there are reported at once.
fn check_names(session: &mut Session, prepared: &Prepared) -> Result<(), Error> {
    let StatementKind::Query(query) = &prepared.0.statement.kind else {
        return Ok(());
    };
    let nothing = Parameter {
        value: Value::Null,
        ty: LogicalType::Null,
    };
    let values = prepared.0.parameters.iter().map(|name| (name.clone(), nothing.clone()));
    let before = std::mem::replace(&mut session.relations.parameters, values.collect());
    session.refresh_view(query.span)?;
    let mut tables = StatementTables::new(&mut session.relations);
    let bound = plan::bind(query, prepared.0.dialect, &mut tables);
    session.relations.parameters = before;
    let Err(diagnostics) = bound else { return Ok(()) };
    // What else is wrong may be so because a parameter is NULL here.
    let names: BTreeSet<&str> = ["42P01", "42703", "42702", "3F000"].into();
    let wrong: Vec<Diagnostic> = diagnostics
        .into_iter()
        .filter(|error| names.contains(error.code))
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::all(wrong))
    }
}

/// The value of an argument, which may be any expression without columns.
pub(super) fn argument(session: &mut Session, value: &ast::Expr, dialect: Dialect) -> Result<Parameter, Error> {
    let item = SelectItem::Expr {
        expr: value.clone(),
        alias: None,
    };
    let query = define::select(vec![item], Vec::new(), None);
    let stream = statement::query_stream(session, &query, dialect, Phases::default(), value.span)?;
    let ty = stream
        .fields()
        .first()
        .map_or(LogicalType::Null, |field| field.ty.clone());
    for batch in stream {
        let batch = batch?;
        if let (Some(column), true) = (batch.columns().first(), batch.num_rows() > 0) {
            let value = cell::value(column, 0);
            return Ok(Parameter { value, ty });
        }
    }
    Ok(Parameter { value: Value::Null, ty })
}

/// A program's value with the type that it has by itself.
fn typed(value: &Value, span: Span) -> Result<Parameter, Error> {
    let ty = type_of(value).ok_or_else(|| {
        let help = "give the parameter a type: `PREPARE p (type) AS …`";
        Error::new(Diagnostic::new("42P18", span, "the type of a struct is not known by its value").with_help(help))
    })?;
    Ok(Parameter {
        value: value.clone(),
        ty,
    })
}

fn type_of(value: &Value) -> Option<LogicalType> {
    Some(match value {
        Value::Null => LogicalType::Null,
        Value::Boolean(_) => LogicalType::Boolean,
        Value::Int(v) if i64::try_from(*v).is_ok() => LogicalType::BigInt,
        Value::Int(_) => LogicalType::HugeInt,
        Value::Float(_) => LogicalType::Double,
        Value::String(_) => LogicalType::String,
        Value::Blob(_) => LogicalType::Blob,
        Value::Interval(_) => LogicalType::Interval,
        Value::Array(items) => {
            let known = items.iter().find(|item| **item != Value::Null);
            LogicalType::Array(Box::new(known.map_or(Some(LogicalType::BigInt), type_of)?))
        }
        Value::Struct(_) => return None,
    })
}

fn unknown(name: &str, parameters: &[String], span: Span) -> Error {
    let mut error = Diagnostic::new("42P02", span, format!("there is no parameter `${name}`"));
    let known = parameters.iter().map(String::as_str);
    error.help = gobi_grammar::similar::nearest(name, known).map(|near| format!("did you mean `${near}`?"));
    Error::new(error)
}

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}

impl Error {
    /// The same, at a place of the script that runs: the statement's own text is elsewhere.
    pub(super) fn placed(self, span: Span) -> Self {
        let here = |error: Diagnostic| {
            let moved = Diagnostic::new(error.code, span, error.message);
            match error.help {
                Some(help) => moved.with_help(help),
                None => moved,
            }
        };
        Self {
            kind: self.kind,
            diagnostics: self.diagnostics.into_iter().map(here).collect(),
            exception: self.exception,
        }
    }
}

impl ResultStream {
    /// The same rows; what goes wrong is reported at a place of the script that runs.
    fn placed(mut self, span: Span) -> Self {
        self.place = Some(span);
        self
    }

    /// An error of the stream, where it is to be reported.
    pub(super) fn in_place(&self, error: Error) -> Error {
        match self.place {
            Some(span) => error.placed(span),
            None => error,
        }
    }
}
