//! Models: procedures whose query fills a table, by the rules of their kind.
//!
//! `upsert procedure daily <{ kind: 'incremental_by_time_range', time_column: 'at' }> => select at, n from source` and `CALL daily()` write the
//! rows of the days since the last run into `models.daily`, with a note of the run, as one commit.
//!
//! The walk of a run: [`spec`] reads the metadata → the query's rows are kept in memory under a name → [`target`] makes the table have their columns
//! → [`load`] or [`dimension`] write what differs, as statements of SQL → [`journal`] notes how far the model is, and the run
//! → [`audit`] asks whether what is there now may stay.
//!
//! Invariants: a run that fails leaves nothing; a run that finds nothing new writes nothing, no commit either; all that a run writes is
//! one commit.
//!
//! Does not: say when models run.

mod ahead;
mod audit;
pub mod audited;
mod before;
mod desk;
mod dimension;
mod journal;
pub mod kept;
mod load;
mod made;
mod own;
mod parts;
mod spec;
mod target;

use std::collections::HashMap;
use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, CallRoutine, Span};

use super::answers::batch_of;
use super::{Naming, Running, define};
use crate::plan::{NamedTypes, Parameter, bind_type, constant};
use crate::procedure::{Definition, Definitions as _, OF_INTERVALS, declared_columns};
use crate::session::relations::StatementTables;
use crate::session::store::View;
use crate::session::{Error, ResultStream, Session, StatementResult, prepared, statement, transactions};
use crate::types::{Field, LogicalType, Value};
pub use ahead::make_ahead;
pub use audit::{as_written as audits_as_written, define as define_audit, forget as forget_audit};
use desk::Desk;
pub use made::view_of;
pub use parts::{Parts, Seen};
use spec::Kind;
pub use spec::Spec;

/// An argument of CALL that is no parameter: the time at which the model is run.
const UNTIL: &str = "until";

/// What a run has done.
#[derive(Clone, Debug, Default)]
struct Done {
    added: u64,
    removed: u64,
    /// The interval, if it has one.
    interval: Option<[String; 2]>,
    /// What audits found that do not block.
    found: String,
}

/// CALL of a model; `None` if the procedure is none.
pub fn call(session: &mut Session, call: &CallRoutine, running: Running) -> Option<Result<StatementResult, Error>> {
    let [name] = call.name.as_slice() else { return None };
    session.relations.refresh_routines();
    let routines = &session.relations.routines;
    let known = routines.pinned.as_ref().unwrap_or(&routines.known);
    let definition = known.find(&name.text)?;
    match Spec::of(&definition.name, &definition.routine) {
        Ok(None) if call.restate.is_some() => {
            let message = format!(
                "`{}` is no model, of which an interval could be computed again",
                name.text
            );
            Some(Err(Error::new(Diagnostic::new("42809", name.span, message))))
        }
        Ok(None) => None,
        Ok(Some(spec)) => Some(run(session, call, &definition, &spec, running)),
        Err(error) => Some(Err(Error::new(error).placed(running.span))),
    }
}

/// Looks at CALL of a model: its arguments fit, and what it would fill is there, without rows, for what stands behind it.
pub fn look(session: &mut Session, call: &CallRoutine, running: Running) -> Result<(), Error> {
    let [name] = call.name.as_slice() else { return Ok(()) };
    let Some(definition) = session.relations.routines.known.find(&name.text) else {
        return Ok(());
    };
    let spec = Spec::of(&definition.name, &definition.routine);
    let Some(spec) = spec.map_err(|error| Error::new(error).placed(running.span))? else {
        return Ok(());
    };
    let (args, _) = arguments(session, call, &definition, running)?;
    let parts = Parts::of(session, &definition)?;
    let mut given = variables(session, &definition, Some(&spec))?;
    // A parameter without a type has that of its argument.
    given.extend(args.into_iter().map(|(name, (ty, _))| (name, (ty, Value::Null))));
    let mut desk = Desk {
        session,
        running,
        model: &definition.name,
        query: &parts.query,
        first: &parts.first,
        dialect: definition.dialect,
        given: Given::new(),
    };
    desk.make_own(&spec)?;
    let seen = parts.look(desk.session, definition.dialect, given, &mut Naming::default())?;
    desk.given.clone_from(&seen.given);
    if let Some(restate) = &call.restate {
        desk.check_restate(&spec)?;
        for time in [&restate.from, &restate.to] {
            desk.written_time(time)?;
        }
    }
    desk.declare(&spec, &seen)?;
    session.relations.routines.filled.push(spec.target);
    Ok(())
}

/// Whether a CALL is one of a model.
pub fn is_one(session: &mut Session, call: &CallRoutine) -> bool {
    let [name] = call.name.as_slice() else { return false };
    session.relations.refresh_routines();
    let found = session.relations.routines.known.find(&name.text);
    found.is_some_and(|definition| definition.routine.is_model())
}

/// Looks for errors in a model, and for what it names; the columns of what it fills, too.
pub fn check(session: &mut Session, definition: &Definition, spec: &Spec) -> Result<(Naming, Vec<Field>), Error> {
    let catalog = session.relations.view.as_ref().map(|view| view.catalog().clone());
    let checked = own::with_table(session, definition, spec, |session| {
        check_with_table(session, definition, spec)
    });
    let (mut named, fields) = checked.map_err(|error| own::unknown(error, spec))?;
    // Its own table may not be there yet.
    named
        .names
        .retain(|id| catalog.as_ref().is_none_or(|catalog| catalog.get(*id).is_some()));
    Ok((named, fields))
}

fn check_with_table(
    session: &mut Session,
    definition: &Definition,
    spec: &Spec,
) -> Result<(Naming, Vec<Field>), Error> {
    let parts = Parts::of(session, definition)?;
    let query = &parts.query;
    let given = variables(session, definition, Some(spec))?;
    let mut named = Naming::default();
    check_params(definition, spec)?;
    count_type(session, definition)?;
    parts.check_raises(session, definition, &given)?;
    let seen = parts.look(session, definition.dialect, given, &mut named)?;
    if let (Kind::View | Kind::Embedded, Some(param)) = (spec.kind, definition.routine.params.first()) {
        let message = format!("a model of kind `{}` has no parameters", spec.kind.name());
        return Err(Error::new(Diagnostic::new("42601", param.name.span, message)));
    }
    if matches!(spec.kind, Kind::View | Kind::Embedded) && !parts.first.is_nothing() {
        let message = format!(
            "a model of kind `{}` is a query, with nothing before it",
            spec.kind.name()
        );
        return Err(Error::new(Diagnostic::new("42601", query.span, message)));
    }
    let bound = seen.within(session, |session, query| {
        let mut tables = StatementTables::new(&mut session.relations);
        let counted = check_count(query, definition, &mut tables);
        let bound = counted.and_then(|()| statement::bind(query, definition.dialect, &mut tables));
        named.names.extend(tables.named());
        bound
    })?;
    let fields = bound.output.into_iter().map(|(_, field)| field).collect::<Vec<_>>();
    check_columns(definition, spec, query, &fields)?;
    Ok((named, with_own(spec, fields)))
}

/// An error for a parameter that has the name of what CALL, or the interval, gives.
fn check_params(definition: &Definition, spec: &Spec) -> Result<(), Error> {
    let of_intervals = OF_INTERVALS.iter().filter(|_| spec.kind.has_intervals());
    let taken: Vec<&str> = of_intervals.copied().chain([UNTIL]).collect();
    let is_taken = |param: &&ast::Param| taken.iter().any(|name| name.eq_ignore_ascii_case(&param.name.text));
    let Some(param) = definition.routine.params.iter().find(is_taken) else {
        return Ok(());
    };
    let name = &param.name.text;
    let message = match name.eq_ignore_ascii_case(UNTIL) {
        true => format!("`{name}` is the time that CALL of a model says it runs for: no parameter can be called so"),
        false => format!("`{name}` is a time of the interval that is computed: no parameter can be called so"),
    };
    let error = Diagnostic::new("42701", param.name.span, message);
    Err(Error::new(error.with_help("give the parameter another name")))
}

/// An error if a query gives a column twice, not one that the kind goes by, or one of a type that it cannot go by.
fn check_columns(definition: &Definition, spec: &Spec, query: &ast::Query, fields: &[Field]) -> Result<(), Error> {
    let columns: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    for (at, name) in columns.iter().enumerate() {
        let mut before = columns.iter().take(at);
        if spec.kind != Kind::Embedded && before.any(|other| other.eq_ignore_ascii_case(name)) {
            let message = format!("the query gives two columns `{name}`");
            let error = Diagnostic::new("42701", query.span, message);
            return Err(Error::new(
                error.with_help(format!("give one of them another name: `… as {name}_2`")),
            ));
        }
    }
    let wanted = spec.key.iter().chain(&spec.time).chain(&spec.columns);
    for name in wanted {
        if columns.iter().all(|column| !column.eq_ignore_ascii_case(name)) {
            let message = format!("the query gives no column `{name}`");
            let mut error = Diagnostic::new("42703", query.span, message);
            let near = gobi_grammar::similar::nearest(name, columns.iter().copied());
            error.help = near.map(|near| format!("did you mean `{near}`?"));
            return Err(Error::new(error));
        }
    }
    if let Some(time) = spec.time.as_ref()
        && let Some(field) = fields.iter().find(|field| field.name.eq_ignore_ascii_case(time))
        && !is_time(&field.ty)
    {
        let message = format!("the time column `{}` is {}, and no time", field.name, field.ty);
        let help = "a model goes by a column of type timestamp, timestamptz, date or string; or cast it in the query";
        let place = spec_place(definition, time).unwrap_or(query.span);
        return Err(Error::new(Diagnostic::new("42804", place, message).with_help(help)));
    }
    Ok(())
}

/// An error if a query gives fewer columns, or more, than the model declares.
fn check_count(query: &ast::Query, definition: &Definition, tables: &mut StatementTables<'_>) -> Result<(), Error> {
    let Some((rows, declared)) = declared_columns(query) else {
        return Ok(());
    };
    let given = statement::bind(rows, definition.dialect, tables)?.output.len();
    let declared = declared.len();
    if given == declared {
        return Ok(());
    }
    let plural = if given == 1 { "" } else { "s" };
    let message = format!("the query gives {given} column{plural}, and the model declares {declared}");
    Err(Error::new(Diagnostic::new("42P10", rows.span, message)))
}

fn is_time(ty: &LogicalType) -> bool {
    use LogicalType as T;
    matches!(ty, T::Timestamp | T::TimestampTz | T::Date | T::String | T::Null)
}

/// Where a text stands in the metadata of a model.
fn spec_place(definition: &Definition, text: &str) -> Option<Span> {
    fn within(value: &ast::Expr, text: &str) -> Option<Span> {
        match &value.kind {
            ast::ExprKind::Literal(ast::Literal::String(known)) if known == text => Some(value.span),
            ast::ExprKind::Array(items) => items.iter().find_map(|item| within(item, text)),
            _ => None,
        }
    }
    definition
        .routine
        .metadata
        .iter()
        .find_map(|(_, value)| within(value, text))
}

/// An error for an audit that a model names and nobody has declared.
pub fn check_audits(
    session: &mut Session,
    definition: &Definition,
    spec: &Spec,
    running: Running,
) -> Result<(), Error> {
    if spec.audits.is_empty() {
        return Ok(());
    }
    let seen = session.relations.view.clone();
    let known = audit::names(session, running);
    session.relations.view = seen;
    let known = known?;
    for name in &spec.audits {
        if known.contains(name) {
            continue;
        }
        let place = spec_place(definition, name).unwrap_or(running.span);
        let mut error = Diagnostic::new("42704", place, format!("audit `{name}` does not exist"));
        error.help = Some(
            match gobi_grammar::similar::nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "declare it first: `AUDIT {name} AS …`; an audit of this model's table is declared behind the model, with `on: '{}'`",
                    definition.name
                ),
            },
        );
        return Err(Error::new(error));
    }
    Ok(())
}

/// The columns that a model gives its table; `None` if it has none, or cannot be told.
fn columns_of(session: &mut Session, definition: &Definition, spec: &Spec) -> Option<Vec<Field>> {
    own::with_table(session, definition, spec, |session| {
        columns_with_table(session, definition, spec)
    })
}

fn columns_with_table(session: &mut Session, definition: &Definition, spec: &Spec) -> Option<Vec<Field>> {
    let parts = Parts::of(session, definition).ok()?;
    let given = variables(session, definition, Some(spec)).ok()?;
    let seen = parts.look(session, definition.dialect, given, &mut Naming::default());
    let bound = seen.ok()?.within(session, |session, query| {
        statement::bind(
            query,
            definition.dialect,
            &mut StatementTables::new(&mut session.relations),
        )
    });
    let fields = bound.ok()?.output.into_iter().map(|(_, field)| field).collect();
    (spec.kind != Kind::External).then(|| with_own(spec, fields))
}

/// The columns of a model's query, and those that its kind adds.
fn with_own(spec: &Spec, mut fields: Vec<Field>) -> Vec<Field> {
    if spec.kind.is_dimension() {
        fields.extend(spec.valid.iter().map(|name| Field {
            name: name.clone(),
            ty: LogicalType::Timestamp,
            nullable: true,
        }));
    }
    fields
}

/// What DESCRIBE says of a model: its parameters, its columns and its metadata; `None` if it is none.
pub fn described(session: &mut Session, definition: &Definition) -> Option<Vec<Vec<String>>> {
    let spec = Spec::of(&definition.name, &definition.routine).ok()??;
    let columns = columns_of(session, definition, &spec);
    let mut rows = define::rows(definition, None);
    let result = rows.last_mut()?.get_mut(1)?;
    if let (Some(columns), ast::Returns::Inferred | ast::Returns::Rows(_)) = (columns, &definition.routine.returns) {
        let columns = columns.iter().map(|field| format!("{} {}", field.name, field.ty));
        *result = format!("relation({})", columns.collect::<Vec<_>>().join(", "));
    }
    Some(rows)
}

/// A warning about a procedure or model that says when it is to run.
pub fn unscheduled(definition: &Definition) -> Option<Diagnostic> {
    let metadata = &definition.routine.metadata;
    let (_, times) = metadata
        .iter()
        .find(|(name, _)| name.text.eq_ignore_ascii_case(spec::SCHED))?;
    let place = times.span;
    let message = format!(
        "`{}` is kept with its `sched`, and nothing runs it at these times yet",
        definition.name
    );
    Some(Diagnostic::new("01000", place, message).with_help(format!("run it by `call {}()`", definition.name)))
}

/// A view in which the models of the database that have no table yet have one, without rows: its types hang on the arguments of their calls.
fn with_tables(session: &mut Session) -> Option<View> {
    let mut view = session.relations.view.clone()?;
    session.relations.refresh_routines();
    let known = session.relations.routines.known.stored_only();
    for name in known.names() {
        let Some(definition) = known.find(&name) else { continue };
        let Ok(Some(spec)) = Spec::of(&definition.name, &definition.routine) else {
            continue;
        };
        let [schema, table] = &spec.target;
        if view.catalog().find(&[schema, table]).is_some() {
            continue;
        }
        let Some(fields) = columns_of(session, &definition, &spec) else {
            continue;
        };
        own::put_table(&mut view.changes.catalog, &spec, &fields)?;
    }
    Some(view)
}

/// The variables that the query of a model may name, without values.
pub fn variables(session: &Session, definition: &Definition, spec: Option<&Spec>) -> Result<Given, Error> {
    let types = session.relations.types();
    let mut given = HashMap::new();
    for param in &definition.routine.params {
        let ty = param.ty.as_ref().map(|ty| bind_type(ty, definition.dialect, &types));
        let ty = ty.transpose().map_err(Error::all)?.unwrap_or(LogicalType::Null);
        given.insert(param.name.text.to_lowercase(), (ty, Value::Null));
    }
    if spec.is_some_and(|spec| spec.kind.has_intervals() && spec.time.is_some()) {
        for name in OF_INTERVALS {
            given.insert(name.to_owned(), (LogicalType::Timestamp, Value::Null));
        }
    }
    Ok(given)
}

/// Runs a model: all of it, or nothing.
fn run(
    session: &mut Session,
    call: &CallRoutine,
    definition: &Arc<Definition>,
    spec: &Spec,
    running: Running,
) -> Result<StatementResult, Error> {
    let Parts { first, query } = Parts::of(session, definition)?;
    let (given, until) = arguments(session, call, definition, running)?;
    if session.store.is_none() {
        return Err(transactions::without_database("a model", running.span));
    }
    let begun = session.begin_body(true, running.span)?;
    let mut desk = Desk {
        session,
        running,
        model: &definition.name,
        query: &query,
        first: &first,
        dialect: definition.dialect,
        given,
    };
    let outer = std::mem::replace(&mut desk.session.relations.kept, true);
    let done = desk.run(spec, &definition.name, until, call.restate.as_deref());
    desk.session.relations.kept = outer;
    session.end_body(begun, done.is_ok(), running.span)?;
    let done = done?;
    if let Some(ty) = count_type(session, definition)? {
        return shown_count(done.added, ty, running);
    }
    let [from, to] = done.interval.unwrap_or_default();
    let row = vec![
        definition.name.clone(),
        spec.kind.name().to_owned(),
        from,
        to,
        done.added.to_string(),
        done.removed.to_string(),
        done.found,
    ];
    Ok(StatementResult::Rows(ResultStream::strings(
        &COLUMNS,
        &[row],
        running.span,
    )))
}

/// The type of the number of rows that CALL gives, of a model that returns a number; `None` if it gives what [`COLUMNS`] are.
fn count_type(session: &Session, definition: &Definition) -> Result<Option<LogicalType>, Error> {
    let error = |span, message: String| {
        let help =
            "`returns int` gives how many rows a run has written, `returns relation(…)` the types of its columns";
        Err(Error::new(Diagnostic::new("42804", span, message).with_help(help)))
    };
    let place = definition
        .routine
        .name
        .last()
        .map_or_else(Span::default, |name| name.span);
    match &definition.routine.returns {
        ast::Returns::Inferred | ast::Returns::Rows(_) => Ok(None),
        ast::Returns::Void => error(place, "a model gives rows, and cannot be void".into()),
        ast::Returns::Type(written) => {
            let ty = bind_type(written, definition.dialect, &session.relations.types()).map_err(Error::all)?;
            match ty.is_integer() {
                true => Ok(Some(ty)),
                false => error(written.span, format!("a model gives rows, and no {ty}")),
            }
        }
    }
}

/// How many rows a run has written, in one row of one column.
fn shown_count(count: u64, ty: LogicalType, running: Running) -> Result<StatementResult, Error> {
    let span = running.span;
    let count = constant::convert(&Value::Int(count.into()), &LogicalType::BigInt, &ty)
        .map_err(|misfit| Error::new(Diagnostic::new(misfit.code, span, misfit.message)))?;
    let fields = vec![Field {
        name: ADDED.to_owned(),
        ty,
        nullable: false,
    }];
    let batch = batch_of(vec![count], &fields, span)?;
    let stream = ResultStream::returned(fields, vec![batch], running.phases, span);
    Ok(StatementResult::Rows(stream))
}

/// What CALL of a model that returns a number calls it.
const ADDED: &str = "added";

/// What CALL of a model shows.
const COLUMNS: [&str; 7] = ["model", "kind", "from", "until", "added", "removed", "found"];

/// That as one value.
pub fn row_type(session: &mut Session, call: &CallRoutine) -> Result<LogicalType, Error> {
    let found = call
        .name
        .last()
        .and_then(|name| session.relations.routines.known.find(&name.text));
    let count = found
        .map(|definition| count_type(session, &definition))
        .transpose()?
        .flatten();
    let field = |name: &str, ty| Field {
        name: name.to_owned(),
        ty,
        nullable: true,
    };
    let fields = match count {
        Some(ty) => vec![field(ADDED, ty)],
        None => COLUMNS.iter().map(|name| field(name, LogicalType::String)).collect(),
    };
    Ok(LogicalType::Struct(fields))
}

type Given = super::Values;

/// The values of a call's parameters by name, and the time at which the model is run, if the call says so.
fn arguments(
    session: &mut Session,
    call: &CallRoutine,
    definition: &Definition,
    running: Running,
) -> Result<(Given, Option<Value>), Error> {
    let params = &definition.routine.params;
    let types = session.relations.types();
    let mut given: Given = HashMap::new();
    let mut until = None;
    for (at, arg) in call.args.iter().enumerate() {
        let name = match &arg.name {
            Some(name) => name.text.clone(),
            None => params.get(at).map(|param| param.name.text.clone()).unwrap_or_default(),
        };
        let value = prepared::argument(session, &arg.value, running.dialect)?;
        let Some(param) = params.iter().find(|param| param.name.text.eq_ignore_ascii_case(&name)) else {
            if name.eq_ignore_ascii_case(UNTIL) {
                let time = constant::convert(&value.value, &value.ty, &LogicalType::Timestamp);
                until = Some(time.map_err(|misfit| misfitting(UNTIL, &misfit, arg.value.span))?);
                continue;
            }
            let message = match &arg.name {
                Some(name) => format!("`{}` has no parameter `{}`", definition.name, name.text),
                None => format!("`{}` has {} parameters", definition.name, params.len()),
            };
            return Err(Error::new(Diagnostic::new("42883", arg.value.span, message)));
        };
        let value = typed(value, param, definition, &types, arg.value.span)?;
        given.insert(param.name.text.to_lowercase(), value);
    }
    for param in params {
        let key = param.name.text.to_lowercase();
        if given.contains_key(&key) {
            continue;
        }
        let Some(default) = &param.default else {
            let message = format!("`{}` needs a value for `{}`", definition.name, param.name.text);
            return Err(Error::new(Diagnostic::new("42883", running.span, message)));
        };
        let value = prepared::argument(session, default, definition.dialect)?;
        given.insert(key, typed(value, param, definition, &types, running.span)?);
    }
    Ok((given, until))
}

fn typed(
    value: Parameter,
    param: &ast::Param,
    definition: &Definition,
    types: &NamedTypes,
    span: Span,
) -> Result<(LogicalType, Value), Error> {
    let Some(ty) = &param.ty else {
        return Ok((value.ty, value.value));
    };
    let ty = bind_type(ty, definition.dialect, types).map_err(Error::all)?;
    match constant::convert(&value.value, &value.ty, &ty) {
        Ok(converted) => Ok((ty, converted)),
        Err(misfit) => Err(misfitting(&param.name.text, &misfit, span)),
    }
}

fn misfitting(name: &str, misfit: &crate::types::cast::CastError, span: Span) -> Error {
    let message = format!("parameter `{name}`: {}", misfit.message);
    Error::new(Diagnostic::new(misfit.code, span, message))
}
