//! EXPLAIN of CALL: what a procedure asks for, and its code; with ANALYZE where its time went.
//!
//! `EXPLAIN ANALYZE CALL fill(1000)` runs the call, and shows beside each statement of its body the rows that it gave or took and its time,
//! and the same for each line.
//!
//! Invariants: a call runs only if it is to be analysed, and then as CALL does, its effects included; the times of lines are
//! those of SHOW PROFILE, for this run.
//!
//! Does not: measure.

use std::collections::BTreeMap;
use std::time::Instant;

use gobi_grammar::ast::{self, StatementKind as K};

use super::{Running, Sources, body, models, spawned, unsupported};
use crate::compile;
use crate::exec::spent::Count;
use crate::session::explain::{ExplainOptions, Explanation, Measured, Operator, Pipeline, bodies};
use crate::session::{Error, Session, statement};

/// What happened at the places of a run.
type Places = BTreeMap<u32, Count>;

/// EXPLAIN CALL.
pub fn explain_call(
    session: &mut Session,
    call: &ast::CallRoutine,
    show: ExplainOptions,
    mut running: Running,
) -> Result<Explanation, Error> {
    session.refresh_view(running.span)?;
    if models::is_one(session, call) {
        return Err(unsupported("EXPLAIN of CALL of a model", running.span));
    }
    if call.as_of.is_some() {
        return Err(unsupported("EXPLAIN of CALL … AS OF", running.span));
    }
    let value = body::called(session, call, running)?;
    let statement = ast::Statement {
        kind: K::Eval(Box::new(value.clone())),
        span: running.span,
    };
    let params = body::params(session, &statement, running)?;
    let checked = body::checked(session, std::slice::from_ref(&statement), &params, running)?;
    let clock = Instant::now();
    let places = match show.analyze {
        true => Some(ran(session, call, &value, running)?),
        false => None,
    };
    running.phases.run = clock.elapsed();
    let options = statement::options_inside(session);
    let code = match show.jit {
        false => None,
        true => {
            let code = compile::routine::compile(&checked.program, checked.body, true);
            let explained = session.engine.explain_body(&code, &options);
            Some(explained.map_err(|error| Error::from_exec(error, running.span))?)
        }
    };
    let sources = &session.relations.routines.sources;
    let lines = places.as_ref().map(|places| lines(places, sources)).unwrap_or_default();
    let of_place = |place: u32| places.as_ref()?.get(&place).map(measured);
    let time_of = |name: &str, line: usize| lines.get(&(name.to_owned(), line)).map(|(count, _)| count.nanos);
    let name: Vec<&str> = call.name.iter().map(|part| part.text.as_str()).collect();
    let title = format!("call {}", name.join("."));
    let operators = bodies::asked(&checked, &of_place);
    let code = code.map(|code| (code, sources));
    let main = bodies::pipeline(title.clone(), operators, code, &time_of);
    let mut all = vec![main];
    all.extend(profiled(&lines));
    Ok(Explanation::of_body(title, all, running.phases, show.analyze))
}

/// Runs a call for what can be measured.
fn ran(session: &mut Session, call: &ast::CallRoutine, value: &ast::Expr, running: Running) -> Result<Places, Error> {
    if spawned::is_async(session, call) {
        return Err(unsupported(
            "EXPLAIN ANALYZE of CALL of what is `as async`",
            running.span,
        ));
    }
    statement::begins(session, None);
    session.relations.routines.profiles.begin_run();
    let done = body::evaluate(session, value, running);
    let places = session.relations.routines.profiles.end_run();
    // What is shown is nobody's.
    session.pending.clear();
    done.map(|_| places)
}

/// The counts of lines, with their texts, by the names of what they are of.
fn lines(places: &Places, sources: &Sources) -> BTreeMap<(String, usize), (Count, String)> {
    let mut lines: BTreeMap<(String, usize), (Count, String)> = BTreeMap::new();
    for (place, count) in places {
        if let Some((name, line, text)) = sources.line_text(*place) {
            let entry = lines.entry((name.to_owned(), line));
            entry
                .or_insert_with(|| (Count::default(), text.trim().to_owned()))
                .0
                .add(*count);
        }
    }
    lines
}

/// The lines of each text as a part of the explanation.
fn profiled(lines: &BTreeMap<(String, usize), (Count, String)>) -> Vec<Pipeline> {
    let mut all: Vec<Pipeline> = Vec::new();
    for ((name, line), (count, text)) in lines {
        let title = format!("lines of {name}");
        if all.last().is_none_or(|last| last.title.as_ref() != Some(&title)) {
            all.push(bodies::pipeline(title, Vec::new(), None, &|_, _| None));
        }
        let operator = Operator {
            measured: Some(measured(count)),
            ..Operator::plain(format!("{line:>4}  {text}"))
        };
        if let Some(last) = all.last_mut() {
            last.operators.push(operator);
        }
    }
    all
}

fn measured(count: &Count) -> Measured {
    Measured {
        rows: count.rows,
        time_us: count.nanos / 1000,
        end_us: 0,
        bytes_read: 0,
    }
}
