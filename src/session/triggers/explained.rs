//! What EXPLAIN tells of a statement's triggers: where in the writing they run, what they do to a batch, and their code.
//!
//! An audit trigger of `orders` shows `after each batch of rows is stored`, `run log_order() over the batch, row by row`, and
//! `insert into audit, once per batch`.
//!
//! Invariants: in the order in which they fire.
//!
//! Does not: run them.

use gobi_grammar::ast::Span;

use super::ready::Ready;
use crate::catalog::Timing;
use crate::compile::routine::compile_rows;
use crate::exec::PipelineExplain;
use crate::procedure::RowOutput;
use crate::session::explain::{Operator, Pipeline, bodies};
use crate::session::store::View;
use crate::session::{Error, Session, statement};
use crate::types::Field;

/// A trigger of a statement.
pub fn explained(
    session: &mut Session,
    view: &View,
    (ready, columns): (&Ready, &[Field]),
    jit: bool,
    span: Span,
) -> Result<Pipeline, Error> {
    let def = &ready.def;
    let mut operators = vec![Operator::plain(place_of(ready))];
    if let Some(when) = &def.when {
        operators.push(Operator::plain(format!("only for rows for which {}", when.text)));
    }
    let name = def.callee(view.catalog()).unwrap_or(&def.name);
    let over = if def.each_row {
        " over the batch, row by row"
    } else {
        ""
    };
    operators.push(Operator::plain(format!("run {name}(){over}")));
    for output in &ready.trigger.outputs {
        if let RowOutput::New(at) = output
            && let Some(field) = columns.get(*at)
        {
            operators.push(Operator::plain(format!("set NEW.{}", field.name)));
        }
    }
    operators.extend(bodies::asked(&ready.trigger.checked, &|_| None));
    let code = if jit { Some(code(session, ready, span)?) } else { None };
    let sources = &session.relations.routines.sources;
    let title = format!("trigger {}", def.name);
    Ok(bodies::pipeline(
        title,
        operators,
        code.map(|code| (code, sources)),
        &|_, _| None,
    ))
}

fn place_of(ready: &Ready) -> &'static str {
    let def = &ready.def;
    match (def.timing, def.each_row) {
        (Timing::Before, true) => "before each batch of rows is stored",
        (Timing::Before, false) => "once, before the statement",
        (Timing::Instead, _) => "for each batch of rows, which are not stored",
        (Timing::After, true) if ready.only_adds => "after each batch of rows is stored",
        (Timing::After, true) => "after all rows are stored, batch by batch",
        (Timing::After, false) => "once, after the statement",
    }
}

fn code(session: &mut Session, ready: &Ready, span: Span) -> Result<PipelineExplain, Error> {
    let trigger = &ready.trigger;
    let code = compile_rows(&trigger.checked.program, trigger.checked.body, &trigger.shape, true);
    let options = statement::options_inside(session);
    let explained = session.engine.explain_body(&code, &options);
    explained.map_err(|error| Error::from_exec(error, span))
}
