//! Functions that ask queries, called for the rows of a query before it runs.
//!
//! For `SELECT name, spent(id) FROM customers`, where `spent` has a loop over a query, the rows `name, id` are given here; `spent` is
//! called once for each `id`, and the rows that come back have its values.
//!
//! Invariants: the function is compiled once, and called once for all rows with the same arguments.
//!
//! Does not: find the rows, or decide which functions are called so; see [`crate::plan::QueryFunction`].

use std::collections::HashMap;

use arrow::array::RecordBatch;
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Call, Expr, ExprKind, Ident, Span, StatementKind as K, Value as Written};

use super::Running;
use super::answers::{Answering, Slots};
use super::body::{MOST_CALLS, RESULT, body_types};
use crate::compile;
use crate::exec::QueryOptions;
use crate::exec::memory::{Budget, Reservation};
use crate::exec::routine::Body;
use crate::formats::Batch;
use crate::plan::logical::Called;
use crate::plan::routine::Variable;
use crate::procedure::{Checked, Given, check_body};
use crate::session::relations::StatementTables;
use crate::session::{Error, ResultStream, Session};
use crate::types::cast::cast;
use crate::types::stack::with_room;
use crate::types::{LogicalType, Value, array, cell};

/// The rows of a call: which of their columns are kept, and where its arguments are.
#[derive(Debug)]
pub struct Rows {
    /// The columns of the relation; the last is for the value.
    pub columns: usize,
    /// Those that are in the rows, in order.
    pub kept: Vec<usize>,
    /// The types of the arguments, which follow them.
    pub args: Vec<LogicalType>,
    /// Behind those it says whether there is a call.
    pub has_condition: bool,
    /// The value's type; `None`: nobody asks for it.
    pub value: Option<LogicalType>,
}

/// A call, and the rows that it is made for.
#[derive(Clone, Copy)]
pub struct RowsCall<'c> {
    /// The function.
    pub function: &'c Called,
    /// What is in the rows.
    pub rows: &'c Rows,
    /// Where the call stands.
    pub span: Span,
}

/// The rows with the values of the call.
pub fn call(
    session: &mut Session,
    call: &RowsCall<'_>,
    stream: ResultStream,
    options: &QueryOptions,
    running: Running,
) -> Result<Vec<Batch>, Error> {
    let rows = call.rows;
    let mut held = Held::new(call, options)?;
    let mut batches = Vec::new();
    for batch in stream {
        let batch = batch?;
        held.add(batch.get_array_memory_size())?;
        batches.push(batch);
    }
    if session.calls >= MOST_CALLS {
        let message = format!("functions that ask queries call each other more than {MOST_CALLS} deep through queries");
        return Err(Error::new(Diagnostic::new("54001", call.span, message)));
    }
    let Some(ty) = &rows.value else {
        return Ok(batches.iter().map(|batch| kept(rows, batch)).collect());
    };
    let running = Running {
        span: call.span,
        ..running
    };
    let mut calling = Calling::new(session, call, options, running)?;
    let outer = session.interrupt.enter(options.cancel.clone());
    session.calls += 1;
    let mut made = Vec::with_capacity(batches.len());
    let done = with_room(|| {
        for batch in &batches {
            let mut out = kept(rows, batch);
            let values = calling.values(session, batch)?;
            held.add(std::mem::take(&mut calling.new_bytes))?;
            let values = array::from_values(&values, ty);
            let values = values.map_err(|message| Error::new(Diagnostic::new("XX000", call.span, message)))?;
            out.columns.push(Some(values));
            made.push(out);
        }
        Ok(())
    });
    session.calls -= 1;
    session.interrupt.exit(outer);
    session.give_up_streams();
    done.map(|()| made)
}

/// The memory that rows and values take.
struct Held {
    what: String,
    reserved: Reservation,
    span: Span,
}

impl Held {
    fn new(call: &RowsCall<'_>, options: &QueryOptions) -> Result<Self, Error> {
        let what = format!("keeping the rows of {}", call.function);
        let reserved = Budget::new(options.memory_limit_bytes).reserve(0, &what);
        let reserved = reserved.map_err(|error| Error::from_exec(error, call.span))?;
        Ok(Self {
            what,
            reserved,
            span: call.span,
        })
    }

    fn add(&mut self, bytes: usize) -> Result<(), Error> {
        let bytes = self.reserved.bytes().saturating_add(bytes);
        let resized = self.reserved.resize(bytes, &self.what);
        resized.map_err(|error| Error::from_exec(error, self.span))
    }
}

/// The columns of a batch that are read later, without the call's.
fn kept(rows: &Rows, batch: &RecordBatch) -> Batch {
    let mut columns = vec![None; rows.columns - usize::from(rows.value.is_some())];
    for (at, column) in rows.kept.iter().zip(batch.columns()) {
        if let Some(place) = columns.get_mut(*at) {
            *place = Some(column.clone());
        }
    }
    Batch {
        rows: batch.num_rows(),
        columns,
    }
}

/// A function that is called again and again.
struct Calling<'c> {
    rows: &'c Rows,
    checked: Checked,
    slots: Slots,
    body: Body,
    options: QueryOptions,
    running: Running,
    /// Where the value is among the body's parameters, and its type there.
    result: (usize, LogicalType),
    known: HashMap<String, Value>,
    /// What is known since somebody asked takes so much.
    new_bytes: usize,
}

impl<'c> Calling<'c> {
    fn new(
        session: &mut Session,
        call: &RowsCall<'c>,
        options: &QueryOptions,
        running: Running,
    ) -> Result<Self, Error> {
        let rows = call.rows;
        let (statement, mut given) = statement(call, &rows.args);
        given.push(variable(RESULT, LogicalType::Null, false));
        let mut instances = session.relations.instances();
        let mut tables = StatementTables::new(&mut session.relations);
        let checked = check_body(&[statement], &given, running.dialect, &mut instances, &mut tables);
        let checked = checked.map_err(Error::all)?;
        let routine = &checked.program.routines[checked.body.0 as usize];
        let at = rows.args.len();
        let ty = routine
            .variables
            .get(at)
            .map_or(LogicalType::Null, |result| result.ty.clone());
        let code = compile::routine::compile(&checked.program, checked.body, false);
        let body = session.engine.prepare_body(code, body_types(&checked), options);
        let body = body.map_err(|error| Error::from_exec(error, call.span))?;
        Ok(Self {
            rows,
            slots: Slots::of_body(&checked),
            checked,
            body,
            options: options.clone(),
            running,
            result: (at, ty),
            known: HashMap::new(),
            new_bytes: 0,
        })
    }

    /// The values for the rows of a batch.
    fn values(&mut self, session: &mut Session, batch: &RecordBatch) -> Result<Vec<Value>, Error> {
        let first = self.rows.kept.len();
        let args = batch.columns().get(first..first + self.rows.args.len());
        let args = args.unwrap_or_default();
        let condition = batch.columns().last().filter(|_| self.rows.has_condition);
        let value = |row: usize| {
            if condition.is_some_and(|condition| cell::value(condition, row) != Value::Boolean(true)) {
                return Ok(Value::Null);
            }
            let args: Vec<Value> = args.iter().map(|column| cell::value(column, row)).collect();
            let key = format!("{args:?}");
            if let Some(known) = self.known.get(&key) {
                return Ok(known.clone());
            }
            let value = self.value(session, args)?;
            self.new_bytes += size_of::<String>() + key.len() + value.weight();
            self.known.insert(key, value.clone());
            Ok(value)
        };
        (0..batch.num_rows()).map(value).collect()
    }

    fn value(&self, session: &mut Session, mut args: Vec<Value>) -> Result<Value, Error> {
        args.push(Value::Null);
        let span = self.running.span;
        let mut answering = Answering::new(session, (&self.checked, &self.slots), self.running);
        let outcome = self.body.run(&args, &mut answering, &self.options);
        let outcome = outcome.map_err(|error| answering.error(error, span))?;
        let (at, from) = &self.result;
        let value = outcome.params.into_iter().nth(*at).unwrap_or(Value::Null);
        match &self.rows.value {
            Some(ty) if ty != from && value != Value::Null => {
                cast(&value, from, ty).map_err(|error| Error::new(Diagnostic::new(error.code, span, error.message)))
            }
            _ => Ok(value),
        }
    }
}

/// `let result = f(a0, a1)`, or of an expression of the arguments, and its variables.
fn statement(call: &RowsCall<'_>, args: &[LogicalType]) -> (ast::Statement, Vec<Given>) {
    let span = call.span;
    let ident = |text: &str| Ident {
        text: text.to_owned(),
        quoted: true,
        span,
    };
    let (value, names) = match call.function {
        Called::Function(function) => {
            let names: Vec<String> = (0..args.len()).map(|at| format!("\0{at}")).collect();
            let kind = ExprKind::Call(Call {
                name: ident(function),
                distinct: false,
                star: false,
                args: names.iter().map(|name| named(ident(name), span)).collect(),
                filter: None,
            });
            (Expr { kind, span }, names)
        }
        Called::Expression { body, params } => ((**body).clone(), params.clone()),
    };
    let variable_of = |(name, ty): (&String, &LogicalType)| variable(name, ty.clone(), true);
    let given = names.iter().zip(args).map(variable_of).collect();
    let kind = K::Let(Box::new(ast::Let {
        name: ident(RESULT),
        ty: None,
        value: Written::Expr(value),
    }));
    (ast::Statement { kind, span }, given)
}

fn named(name: Ident, span: Span) -> Expr {
    Expr {
        kind: ExprKind::Name(vec![name]),
        span,
    }
}

fn variable(name: &str, ty: LogicalType, has_value: bool) -> Given {
    Given {
        variable: Variable {
            name: name.to_owned(),
            ty,
            nullable: has_value,
            full: false,
        },
        declared: has_value,
        has_value,
    }
}
