//! Runs a statement as a body: checked over the script's variables, compiled, run, and its variables taken back.
//!
//! `while n < 100 { n = n * n }` is a body whose parameter is `n`; the new value of `n` is the script's.
//!
//! Invariants: a body that changes data is one transaction, unless one is open already; after an error the variables are as
//! before.
//!
//! Does not: answer what bodies ask; `answers` does.

use std::collections::HashSet;
use std::sync::Arc;

use gobi_grammar::ast::{self, Span, StatementKind as K, Value as Written};
use gobi_grammar::{Diagnostic, Dialect};

use super::answers::{Answering, Slots};
use super::{Held, Known, Running, define, given, spawned};
use crate::compile;
use crate::exec::routine::{BodyTypes, Outcome, QuestionTypes};
use crate::plan::routine::{Routine, Statement, Variable};
use crate::procedure::{
    Checked, Definitions as _, Given, Handed, Instances, Question, QuestionKind, all_of, check_body, check_function_of,
    gives_rows, statement_rows,
};
use crate::session::relations::StatementTables;
use crate::session::{Error, ResultStream, Session, StatementResult, statement};
use crate::types::cast::cast;
use crate::types::stack::with_room;
use crate::types::{LogicalType, Value};

/// The name of the variable that an expression statement leaves its value in.
pub(super) const RESULT: &str = "\0result";

/// Runs a statement.
pub fn run(session: &mut Session, statement: &ast::Statement, running: Running) -> Result<StatementResult, Error> {
    let kept = session.relations.routines.variables.clone();
    let done = run_over_variables(session, statement, running);
    if done.is_err() {
        session.relations.routines.variables = kept;
    }
    session.give_up_streams();
    done
}

fn run_over_variables(
    session: &mut Session,
    statement: &ast::Statement,
    running: Running,
) -> Result<StatementResult, Error> {
    let shown = shown_over_variables(session, statement, running)?;
    Ok(match shown.len() {
        0 => StatementResult::Done,
        _ => session.show_all(shown),
    })
}

/// Runs a statement; what it shows.
fn shown_over_variables(
    session: &mut Session,
    statement: &ast::Statement,
    running: Running,
) -> Result<Vec<ResultStream>, Error> {
    let params = params(session, statement, running)?;
    let checked = checked(session, std::slice::from_ref(statement), &params, running)?;
    session.relations.routines.tell(&checked.told, running.span);
    let body = &checked.program.routines[checked.body.0 as usize];
    let types: Vec<Variable> = body.variables.iter().take(params.len()).cloned().collect();
    let mut values = Vec::with_capacity(params.len());
    for (held, variable) in params.iter().zip(&types) {
        values.push(converted(held, &variable.ty, running.span)?);
    }
    let (outcome, shown) = execute(session, &checked, &values, running)?;
    let routines = &mut session.relations.routines;
    routines.variables.clear();
    let known: HashSet<String> = checked.known.iter().map(|known| known.name.to_lowercase()).collect();
    for ((held, variable), value) in params.into_iter().zip(types).zip(outcome.params) {
        if known.contains(&variable.name.to_lowercase()) {
            routines.variables.push(Held {
                variable: Variable {
                    nullable: value == Value::Null,
                    ..variable
                },
                declared: held.declared,
                value,
            });
        }
    }
    Ok(shown)
}

/// What a call shows; its value is nobody's.
pub fn shown(session: &mut Session, call: &ast::Expr, running: Running) -> Result<Vec<ResultStream>, Error> {
    session.refresh_view(running.span)?;
    let shown = shown_over_variables(session, &as_let(call, running.span), running);
    session.give_up_streams();
    shown
}

/// An expression by itself: its value is shown, if it has one.
pub fn evaluate(session: &mut Session, value: &ast::Expr, running: Running) -> Result<StatementResult, Error> {
    if let Some(query) = rows_of(session, value) {
        let stream = statement::query_stream(session, &query, running.dialect, running.phases, running.span)?;
        return Ok(StatementResult::Rows(stream));
    }
    if let Some(known) = showing(session, value) {
        let outer = session.relations.routines.pinned.replace(known);
        let statement = ast::Statement {
            kind: K::Eval(Box::new(value.clone())),
            span: running.span,
        };
        let done = run(session, &statement, running);
        session.relations.routines.pinned = outer;
        return done;
    }
    if is_statement(value) {
        let statement = ast::Statement {
            kind: K::Eval(Box::new(value.clone())),
            span: running.span,
        };
        return run(session, &statement, running);
    }
    let (shown, result) = match &value.kind {
        ast::ExprKind::Await(job) => (StatementResult::Done, Some(spawned::awaited(session, job, running)?)),
        _ => shown_and_taken(session, value, running)?,
    };
    match result {
        Some((ty @ LogicalType::Array(_), result)) if is_of_rows(session, value) => {
            let stream = show_elements(session, (ty, result), value, running)?;
            Ok(session.show_after(shown, stream))
        }
        Some((ty, result)) if ty != LogicalType::Null => {
            let stream = show_value(session, (ty, result), value, running)?;
            Ok(session.show_after(shown, stream))
        }
        _ => Ok(shown),
    }
}

/// The statement that evaluates an expression by itself, and what is known of routines in it, if that is not as usual.
pub fn evaluated(session: &mut Session, value: &ast::Expr, running: Running) -> (ast::Statement, Option<Known>) {
    let alone = ast::Statement {
        kind: K::Eval(Box::new(value.clone())),
        span: running.span,
    };
    match showing(session, value) {
        Some(known) => (alone, Some(known)),
        None if is_statement(value) => (alone, None),
        None => (as_let(value, running.span), None),
    }
}

/// What an expression shows, and its value.
fn shown_and_taken(
    session: &mut Session,
    value: &ast::Expr,
    running: Running,
) -> Result<(StatementResult, Option<(LogicalType, Value)>), Error> {
    let shown = run(session, &as_let(value, running.span), running)?;
    let variables = &mut session.relations.routines.variables;
    let result = variables.iter().position(|held| held.variable.name == RESULT);
    let result = result.map(|at| variables.remove(at));
    Ok((shown, result.map(|held| (held.variable.ty, held.value))))
}

/// The value of an expression; what it shows is seen by nobody.
pub fn taken(
    session: &mut Session,
    value: &ast::Expr,
    running: Running,
) -> Result<Option<(LogicalType, Value)>, Error> {
    session.refresh_view(running.span)?;
    shown_and_taken(session, value, running).map(|(_, taken)| taken)
}

/// The statement that keeps an expression's value as [`RESULT`].
fn as_let(value: &ast::Expr, span: Span) -> ast::Statement {
    let name = ast::Ident {
        text: RESULT.to_owned(),
        quoted: true,
        span: value.span,
    };
    let value = Written::Expr(value.clone());
    ast::Statement {
        kind: K::Let(Box::new(ast::Let { name, ty: None, value })),
        span,
    }
}

/// The value of a call, which runs by itself.
pub fn value_of(session: &mut Session, call: &ast::Expr, running: Running) -> Result<Value, Error> {
    let taken = taken(session, call, running)?;
    Ok(taken.map_or(Value::Null, |(_, value)| value))
}

/// The query that an expression by itself is, if it is about a relation.
pub fn rows_of(session: &Session, value: &ast::Expr) -> Option<ast::Query> {
    let routines = &session.relations.routines;
    let is_own = |name: &str| session.relations.has_routine(name);
    if let ast::ExprKind::Call(call) = &value.kind
        && let Some(definition) = routines.known.find(&call.name.text)
        && definition.gives_rows()
    {
        let (name, args) = (call.name.clone(), call.args.clone());
        return Some(all_of(ast::TableRefKind::Function { name, args }, value.span));
    }
    statement_rows(value, &|name| routines.is_variable(name), &is_own)
}

/// What is known of routines, with the one that is called showing the rows of the query that it ends with; `None` if it has none.
fn showing(session: &mut Session, value: &ast::Expr) -> Option<Known> {
    let ast::ExprKind::Call(call) = &value.kind else {
        return None;
    };
    session.relations.refresh_routines();
    let routines = &session.relations.routines;
    let known = routines.pinned.as_ref().unwrap_or(&routines.known);
    let definition = known.find(&call.name.text)?;
    if !definition.routine.is_procedure && !definition.has_effects() {
        return None;
    }
    let shown = definition.showing()?;
    let mut known = known.clone();
    known.try_stored(Arc::new(shown));
    Some(known)
}

/// Checks a statement over the script's variables, which have no values behind it: they are NULL, or any value where they cannot be.
/// What it asks.
pub fn look(session: &mut Session, statement: &ast::Statement, running: Running) -> Result<Vec<Question>, Error> {
    let params = params(session, statement, running)?;
    let mut instances = session.relations.instances();
    let statements = std::slice::from_ref(statement);
    let checked = checked_among(session, statements, &params, (&mut instances, running));
    let checked = checked.map_err(|errors| {
        let unasked = instances.unasked_in(statement);
        super::changes::beside(session, errors, &unasked, running)
    })?;
    // What an earlier round would have asked has variables without types.
    let asked: Vec<Question> = checked.asked().cloned().collect();
    if let Some(view) = session.relations.view.clone() {
        super::changes::check(session, &asked, &view, running)?;
    }
    let body = &checked.program.routines[checked.body.0 as usize];
    let types: Vec<Variable> = body.variables.iter().take(params.len()).cloned().collect();
    let is_known = |variable: &Variable| checked.known.iter().any(|known| known.name == variable.name);
    let held = params.into_iter().zip(types).filter(|(_, variable)| is_known(variable));
    let held = held.map(|(held, variable)| Held {
        declared: held.declared,
        value: match variable.nullable {
            true => Value::Null,
            false => any_of(&variable.ty),
        },
        variable,
    });
    let held = held.collect();
    let routines = &mut session.relations.routines;
    routines.variables = held;
    routines.warnings = checked.warnings;
    Ok(asked)
}

/// A value of a type whose values MATCH can name one by one, which asks for an arm for NULL otherwise; NULL of all other types.
fn any_of(ty: &LogicalType) -> Value {
    match ty {
        LogicalType::Boolean => Value::Boolean(true),
        LogicalType::Enum(_) => Value::Int(0),
        LogicalType::Struct(fields) => Value::Struct(fields.iter().map(|_| Value::Null).collect()),
        _ => Value::Null,
    }
}

/// Whether an expression is there for what it does: TRY around a block, SPAWN, and ERROR.
fn is_statement(value: &ast::Expr) -> bool {
    match &value.kind {
        ast::ExprKind::Try(attempt) => matches!(attempt.body, ast::ArmBody::Block(_)),
        ast::ExprKind::Spawn(_) => true,
        ast::ExprKind::Call(call) => call.name.text.eq_ignore_ascii_case("error"),
        _ => false,
    }
}

/// Whether an expression by itself is a chain over a relation, whose elements are rows.
fn is_of_rows(session: &Session, value: &ast::Expr) -> bool {
    let routines = &session.relations.routines;
    let is_own = |name: &str| session.relations.has_routine(name);
    gives_rows(value, &|name| routines.is_variable(name), &is_own)
}

/// The elements of an array as rows.
fn show_elements(
    session: &mut Session,
    (ty, value): (LogicalType, Value),
    written: &ast::Expr,
    running: Running,
) -> Result<ResultStream, Error> {
    let name = ast::Ident {
        text: RESULT.to_owned(),
        quoted: true,
        span: written.span,
    };
    let mut query = all_of(ast::TableRefKind::Name(vec![name]), written.span);
    let of_structs = matches!(&ty, LogicalType::Array(element) if matches!(**element, LogicalType::Struct(_)));
    if let ast::QueryBody::Select(select) = &mut query.body
        && !of_structs
    {
        let column = ast::Ident {
            text: "value".to_owned(),
            quoted: true,
            span: written.span,
        };
        let expr = ast::Expr {
            kind: ast::ExprKind::Name(vec![column]),
            span: written.span,
        };
        select.items = vec![ast::SelectItem::Expr { expr, alias: None }];
    }
    let inside = std::iter::once((RESULT.to_owned(), (ty, value))).collect();
    let outer = session.relations.routines.inside.replace(inside);
    let stream = statement::query_stream(session, &query, running.dialect, running.phases, running.span);
    session.relations.routines.inside = outer;
    stream
}

/// The value as a result of one row.
fn show_value(
    session: &mut Session,
    (ty, value): (LogicalType, Value),
    written: &ast::Expr,
    running: Running,
) -> Result<ResultStream, Error> {
    let statement = ast::Statement {
        kind: K::Eval(Box::new(written.clone())),
        span: written.span,
    };
    let shown = gobi_grammar::print(std::slice::from_ref(&statement), running.dialect);
    let ident = |text: &str| ast::Ident {
        text: text.to_owned(),
        quoted: true,
        span: written.span,
    };
    let item = ast::SelectItem::Expr {
        expr: ast::Expr {
            kind: ast::ExprKind::Braced(ident(RESULT)),
            span: written.span,
        },
        alias: Some(ident(shown.trim_end().trim_end_matches(';'))),
    };
    let query = crate::session::define::select(vec![item], Vec::new(), None);
    let inside = std::iter::once((RESULT.to_owned(), (ty, value))).collect();
    let outer = session.relations.routines.inside.replace(inside);
    let stream = statement::query_stream(session, &query, running.dialect, running.phases, running.span);
    session.relations.routines.inside = outer;
    stream
}

/// CALLs within one another.
pub(super) const MOST_CALLS: usize = 256;

/// CALL: the procedure's body is run; what it gives is shown.
pub fn call(session: &mut Session, call: &ast::CallRoutine, running: Running) -> Result<StatementResult, Error> {
    let value = called(session, call, running)?;
    if session.calls >= MOST_CALLS {
        let message = format!("procedures call each other more than {MOST_CALLS} deep");
        let help = "let a condition end it, write a loop, or let it return its result: functions call each other up to 1000 deep";
        return Err(Error::new(
            Diagnostic::new("54001", running.span, message).with_help(help),
        ));
    }
    session.calls += 1;
    let done = with_room(|| evaluate(session, &value, running));
    session.calls -= 1;
    done
}

/// CALL as an expression.
pub fn called(session: &Session, call: &ast::CallRoutine, running: Running) -> Result<ast::Expr, Error> {
    let name = super::listing::whole_name(&call.name);
    if !session.relations.has_routine(&name.text) {
        let message = format!("procedure `{}` does not exist", name.text);
        let mut error = Diagnostic::new("42883", name.span, message);
        let names = session.relations.routine_names();
        let near = gobi_grammar::similar::nearest(&name.text, names.iter().map(String::as_str));
        error.help = near.map(|near| format!("did you mean `{near}`?"));
        return Err(Error::new(error));
    }
    Ok(as_expr(call, running.span))
}

/// The same, whether there is such a procedure or not.
pub fn as_expr(call: &ast::CallRoutine, span: Span) -> ast::Expr {
    let name = super::listing::whole_name(&call.name);
    let args = call.args.iter().map(|arg| match &arg.name {
        None => arg.value.clone(),
        Some(name) => ast::Expr {
            span: name.span.to(arg.value.span),
            kind: ast::ExprKind::Named {
                name: name.clone(),
                value: Box::new(arg.value.clone()),
            },
        },
    });
    let kind = ast::ExprKind::Call(ast::Call {
        name,
        distinct: false,
        star: false,
        args: args.collect(),
        filter: None,
    });
    ast::Expr { kind, span }
}

/// The variables of the script, and those that the statement declares.
pub(super) fn params(session: &Session, statement: &ast::Statement, running: Running) -> Result<Vec<Held>, Error> {
    let mut params = session.relations.routines.variables.clone();
    let mut new = Vec::new();
    declared(statement, &mut new);
    new.retain(|variable| !given::is_function(session, variable));
    if let K::Let(variable) = &statement.kind
        && !mentions(statement, &variable.name.text)
    {
        // LET of a script begins the variable anew, unless its value is made from the old one.
        params.retain(|held| !held.variable.name.eq_ignore_ascii_case(&variable.name.text));
    }
    for variable in new {
        let name = &variable.name.text;
        if params.iter().any(|held| held.variable.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        let ty = variable
            .ty
            .as_ref()
            .map(|ty| crate::plan::bind_type(ty, running.dialect, &session.relations.types()));
        let ty = ty.transpose().map_err(Error::all)?;
        params.push(Held {
            declared: ty.is_some(),
            variable: Variable {
                name: name.clone(),
                ty: ty.unwrap_or(LogicalType::Null),
                nullable: false,
                full: false,
            },
            value: Value::Null,
        });
    }
    Ok(params)
}

/// The LETs of a statement.
fn declared<'s>(statement: &'s ast::Statement, into: &mut Vec<&'s ast::Let>) {
    let mut block = |block: &'s ast::Block| block.statements.iter().for_each(|inner| declared(inner, into));
    match &statement.kind {
        // A function is none of the script's variables.
        K::Let(variable) if define::is_lambda(variable) => {}
        K::Let(variable) => into.push(variable),
        K::If(branches) => {
            branches.arms.iter().for_each(|(_, body)| block(body));
            branches.otherwise.iter().for_each(block);
        }
        K::While(repeat) => block(&repeat.body),
        K::For(each) => block(&each.body),
        K::Then(then) => block(&then.body),
        _ => {}
    }
}

pub(super) fn checked(
    session: &mut Session,
    statements: &[ast::Statement],
    params: &[Held],
    running: Running,
) -> Result<Checked, Error> {
    let mut instances = session.relations.instances();
    checked_among(session, statements, params, (&mut instances, running)).map_err(Error::all)
}

fn checked_among(
    session: &mut Session,
    statements: &[ast::Statement],
    params: &[Held],
    (instances, running): (&mut Instances, Running),
) -> Result<Checked, Vec<Diagnostic>> {
    let given = givens(session, statements, params);
    let mut tables = StatementTables::new(&mut session.relations);
    check_body(statements, &given, running.dialect, instances, &mut tables)
}

/// The variables that statements begin with.
fn givens(session: &Session, statements: &[ast::Statement], params: &[Held]) -> Vec<Given> {
    let known = &session.relations.routines.variables;
    let given = |held: &Held| Given {
        variable: held.variable.clone(),
        declared: held.declared,
        has_value: known.iter().any(|other| other.variable.name == held.variable.name)
            && !is_begun_anew(statements, &held.variable.name),
    };
    params.iter().map(given).collect()
}

fn is_begun_anew(statements: &[ast::Statement], name: &str) -> bool {
    let begins = |statement: &ast::Statement| match &statement.kind {
        K::Let(variable) => variable.name.text.eq_ignore_ascii_case(name) && !mentions(statement, name),
        _ => false,
    };
    statements.iter().any(begins)
}

/// Whether the value of a LET is made from a variable of that name.
fn mentions(statement: &ast::Statement, name: &str) -> bool {
    let text = gobi_grammar::print(std::slice::from_ref(statement), Dialect::Grizzly);
    let tokens = gobi_grammar::scan::tokens(&text, Dialect::Grizzly);
    let same = |token: &gobi_grammar::scan::Token| {
        let word = text.get(token.start..token.end).unwrap_or_default();
        word.trim_matches('`').eq_ignore_ascii_case(name)
    };
    // The first one is the variable itself.
    tokens.iter().filter(|token| same(token)).count() > 1
}

/// A variable's value in the type that it has in the body.
fn converted(held: &Held, ty: &LogicalType, span: Span) -> Result<Value, Error> {
    if held.variable.ty == *ty || held.value == Value::Null {
        return Ok(held.value.clone());
    }
    cast(&held.value, &held.variable.ty, ty)
        .map_err(|error| Error::new(Diagnostic::new(error.code, span, error.message)))
}

/// LET of a function that a call gives: the function, and the types and values of what it keeps; NULL, if that is only looked at.
pub(super) fn given(
    session: &mut Session,
    variable: &ast::Let,
    running: Running,
) -> Result<(Handed, Vec<(LogicalType, Value)>), Error> {
    let statement = ast::Statement {
        kind: K::Let(Box::new(variable.clone())),
        span: running.span,
    };
    let params = params(session, &statement, running)?;
    let given = givens(session, std::slice::from_ref(&statement), &params);
    let instances = session.relations.instances();
    let mut tables = StatementTables::new(&mut session.relations);
    let checked = check_function_of(variable, &given, running.dialect, instances, &mut tables);
    let (checked, function) = checked.map_err(Error::all)?;
    let function = function.ok_or_else(|| super::unsupported("a function of this form", running.span))?;
    let body = &checked.program.routines[checked.body.0 as usize];
    let types: Vec<LogicalType> = match &body.result {
        Some((LogicalType::Struct(fields), _)) => fields.iter().map(|field| field.ty.clone()).collect(),
        _ => Vec::new(),
    };
    if running.only_bind {
        return Ok((function, types.into_iter().map(|ty| (ty, Value::Null)).collect()));
    }
    let held: Vec<Variable> = body.variables.iter().take(params.len()).cloned().collect();
    let mut values = Vec::with_capacity(params.len());
    for (held, variable) in params.iter().zip(&held) {
        values.push(converted(held, &variable.ty, running.span)?);
    }
    let (outcome, _) = execute(session, &checked, &values, running)?;
    session.give_up_streams();
    let values = match outcome.result {
        Value::Struct(values) => values,
        _ => types.iter().map(|_| Value::Null).collect(),
    };
    Ok((function, types.into_iter().zip(values).collect()))
}

/// Compiles a body and runs it, in a transaction if it changes something; what it shows comes back.
fn execute(
    session: &mut Session,
    checked: &Checked,
    values: &[Value],
    running: Running,
) -> Result<(Outcome, Vec<ResultStream>), Error> {
    let types = body_types(checked);
    let code = compile::routine::compile(&checked.program, checked.body, false);
    let options = statement::options(session);
    let failed = |error| Error::from_exec(error, running.span);
    let body = session.engine.prepare_body(code, types, &options).map_err(failed)?;
    let changes = checked.questions.iter().any(|question| question.kind.changes());
    let begun = session.begin_body(changes, running.span)?;
    let interrupt = session.interrupt.clone();
    let outer = interrupt.enter(options.cancel.clone());
    let slots = Slots::of_body(checked);
    let mut answering = Answering::new(session, (checked, &slots), running);
    let outcome = body.run(values, &mut answering, &options);
    interrupt.exit(outer);
    let shown = std::mem::take(&mut answering.shown);
    let outcome = outcome.map_err(|error| answering.error(error, running.span));
    session.end_body(begun, outcome.is_ok(), running.span)?;
    Ok((outcome?, shown))
}

/// The types of a body's values.
pub(super) fn body_types(checked: &Checked) -> BodyTypes {
    let routine = &checked.program.routines[checked.body.0 as usize];
    let params = routine.variables.iter().take(routine.params);
    BodyTypes {
        params: params.map(|variable| variable.ty.clone()).collect(),
        result: routine.result.clone().map(|(ty, _)| ty),
        questions: checked.questions.iter().map(question_types).collect(),
        loops: checked.program.routines.iter().any(repeats),
    }
}

/// The types of a question's values.
pub fn question_types(question: &Question) -> QuestionTypes {
    QuestionTypes {
        given: question.given.iter().map(|(_, ty)| ty.clone()).collect(),
        taken: question.taken.clone(),
        undoes: matches!(question.kind, QuestionKind::Undo),
        tries: match question.kind {
            QuestionKind::Savepoint => 1,
            QuestionKind::Keep | QuestionKind::Undo => -1,
            _ => 0,
        },
        closes: matches!(question.kind, QuestionKind::Close),
    }
}

/// Whether a routine may run long: compiling it pays.
fn repeats(routine: &Routine) -> bool {
    fn any(statements: &[Statement]) -> bool {
        statements.iter().any(|statement| match statement {
            Statement::While { .. } | Statement::Range { .. } | Statement::Rows { .. } => true,
            Statement::If { arms, otherwise } => arms.iter().any(|(_, body)| any(body)) || any(otherwise),
            Statement::Try { body, handler, .. } => any(body) || any(handler),
            _ => false,
        })
    }
    routine.recursive || any(&routine.body)
}
