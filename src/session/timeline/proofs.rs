//! PROVE: a row that is there, or a key that is not, with what a stranger needs to check it.
//!
//! `PROVE SELECT * FROM orders AS OF TAG 'q1' WHERE id = 7` gives one value: a proof as JSON, which `gobi verify-proof` checks against the root
//! of the log, without the database.
//!
//! Invariants: what is proved was committed; nothing that a transaction has staged is.
//!
//! Does not: prove conditions other than a whole primary key.

use gobi_grammar::ast::{
    CompareOp, Expr, ExprKind, Path, Query, QueryBody, SelectItem, Span, TableRefKind, TableTime, When,
};

use super::past::query_of;
use super::{Column, list, point, resolved, user};
use crate::catalog::TableDef;
use crate::session::change::{self, Running};
use crate::session::store::{View, store_error};
use crate::session::{Error, ResultStream, Session, statement};
use crate::store::table::Changes;
use crate::store::table::proof::Proof;
use crate::types::cast::cast;
use crate::types::{LogicalType, Value, cell};

/// PROVE.
pub fn prove(session: &mut Session, query: &Query, view: &View, running: Running) -> Result<ResultStream, Error> {
    let asked = Asked::of(query)?;
    let then = match asked.when {
        Some(when) => {
            let point = point(session, when, running)?;
            view.at(&point).map_err(|error| resolved(error, when.span))?
        }
        None => view.base.clone(),
    };
    let commit = then.commit_id();
    let commit = commit.ok_or_else(|| user("22023", running.span, "nothing was committed yet"))?;
    let seen = View {
        changes: Changes::new(&then),
        base: then,
        ..view.clone()
    };
    let (id, def) = change::target(&seen, asked.table)?;
    let key = key_values(session, &def, &asked, (query.span, running))?;
    let table = seen.base.table(id).map_err(|error| store_error(&error, running.span))?;
    // Rows may be durable before their commit is in the log.
    let logged = seen.database.make_durable();
    let proof = logged.and_then(|()| table.proof_of_row(commit, &key));
    let proof = proof.map_err(|error| store_error(&error, running.span))?;
    let proof = proof.ok_or_else(|| user("22004", query.span, "a key that is NULL is no key"))?;
    let text = Proof::Row(Box::new(proof)).to_text();
    list(vec![("proof", Column::Texts(vec![Some(text)]))], running.span)
}

/// What can be proved beside rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provable {
    /// That a commit is in the log.
    Commit(String),
    /// That the log begins with what it was when it had so many commits.
    Growth(u64),
}

/// A proof about the log, as JSON.
pub fn prove_commit(session: &mut Session, what: &Provable) -> Result<String, Error> {
    let span = Span::default();
    let view = super::viewed(session, span)?;
    let timeline = view.timeline_for(span)?;
    let proof = match what {
        Provable::Commit(text) => {
            let commit = super::commit_named(session, text)?;
            timeline.proof_of_commit(commit).map(Proof::Commit)
        }
        Provable::Growth(size) => timeline.proof_of_growth(*size).map(Proof::Consistency),
    };
    proof
        .map(|proof| proof.to_text())
        .map_err(|error| store_error(&error, span))
}

/// What is to be proved.
struct Asked<'a> {
    table: &'a Path,
    when: Option<&'a When>,
    /// Columns and their values.
    equal: Vec<(&'a str, &'a Expr)>,
}

impl<'a> Asked<'a> {
    fn of(query: &'a Query) -> Result<Self, Error> {
        let form = || {
            let message = "PROVE takes `SELECT * FROM t [AS OF when] WHERE key = value [AND …]`";
            user("0A000", query.span, message)
        };
        let QueryBody::Select(select) = &query.body else {
            return Err(form());
        };
        let ([table], Some(filter)) = (select.from.as_slice(), &select.filter) else {
            return Err(form());
        };
        let TableRefKind::Name(path) = &table.kind else {
            return Err(form());
        };
        let when = match table.time.as_deref() {
            None => query.as_of.as_deref(),
            Some(TableTime::AsOf(when)) => Some(when),
            Some(_) => return Err(form()),
        };
        let mut equal = Vec::new();
        equalities(filter, &mut equal).ok_or_else(form)?;
        let table = path;
        Ok(Self { table, when, equal })
    }
}

/// The equations that a condition consists of; `None` if it has other parts.
fn equalities<'a>(filter: &'a Expr, found: &mut Vec<(&'a str, &'a Expr)>) -> Option<()> {
    match &filter.kind {
        ExprKind::And(parts) => parts.iter().try_for_each(|part| equalities(part, found)),
        ExprKind::Compare {
            op: CompareOp::Eq,
            left,
            right,
        } => {
            let (column, value) = match (&left.kind, &right.kind) {
                (ExprKind::Name(name), _) => (name, right),
                (_, ExprKind::Name(name)) => (name, left),
                _ => return None,
            };
            found.push((column.last()?.text.as_str(), value));
            Some(())
        }
        _ => None,
    }
}

/// The values of the primary key, in its order.
fn key_values(
    session: &mut Session,
    def: &TableDef,
    asked: &Asked<'_>,
    (span, running): (Span, Running),
) -> Result<Vec<Value>, Error> {
    let Some(key) = &def.primary_key else {
        let message = format!(
            "`{}` has no primary key, so nothing can be proved of its rows",
            def.name
        );
        return Err(user("42P10", span, message));
    };
    let columns = def.column_names(&key.columns);
    if asked.equal.len() != key.columns.len() {
        return Err(user(
            "42P10",
            span,
            format!("PROVE takes a value for each column of the key ({columns})"),
        ));
    }
    let mut values = Vec::with_capacity(key.columns.len());
    for column in key.columns.iter().filter_map(|no| def.by_no(*no)) {
        let found = asked
            .equal
            .iter()
            .find(|(name, _)| column.name.eq_ignore_ascii_case(name));
        let Some((_, expr)) = found else {
            return Err(user(
                "42P10",
                span,
                format!("PROVE takes a value for each column of the key ({columns})"),
            ));
        };
        let (given, ty) = constant(session, expr, running)?;
        let failed = |what: String| user("22018", expr.span, format!("column `{}`: {what}", column.name));
        let value = cast(&given, &ty, &column.ty).map_err(|error| failed(error.to_string()))?;
        if !is_same((&given, &ty), (&value, &column.ty)) {
            let help = "nothing is proved of a value that is near";
            let error = failed(format!("no {} is the same as the value that was given", column.ty));
            return Err(error.with_help(help));
        }
        values.push(value);
    }
    Ok(values)
}

/// Whether a value lost nothing when it was converted: 5.5 is no integer.
fn is_same((given, ty): (&Value, &LogicalType), (value, wanted): (&Value, &LogicalType)) -> bool {
    let probe = match (ty, wanted) {
        // That it is none is said elsewhere.
        (LogicalType::Null, _) => return true,
        (LogicalType::String, wanted) if wanted.is_numeric() => &LogicalType::Double,
        (LogicalType::String, LogicalType::Date) => &LogicalType::Timestamp,
        (LogicalType::String, _) => return true,
        _ => ty,
    };
    cast(given, ty, probe).is_ok_and(|given| cast(value, wanted, probe).is_ok_and(|value| given == value))
}

/// The value of an expression without columns.
fn constant(session: &mut Session, expr: &Expr, running: Running) -> Result<(Value, LogicalType), Error> {
    let mut query = query_of("SELECT 1", running.span)?;
    if let QueryBody::Select(select) = &mut query.body {
        select.items = vec![SelectItem::Expr {
            expr: expr.clone(),
            alias: None,
        }];
    }
    let stream = statement::query_stream(session, &query, running.dialect, running.phases, expr.span)?;
    let ty = stream
        .fields()
        .first()
        .map_or(LogicalType::Null, |field| field.ty.clone());
    for batch in stream {
        let batch = batch?;
        if let (Some(column), true) = (batch.columns().first(), batch.num_rows() > 0) {
            return Ok((cell::value(column, 0), ty));
        }
    }
    Ok((Value::Null, ty))
}
