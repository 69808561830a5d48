//! Places in the condition of a trigger that is being made, as its statement has them.
//!
//! `when: NEW.zz > 5` is kept as a text of its own; an error in that is shown where `NEW.zz` stands in the statement.
//!
//! Invariants: the text that is kept has the same parts, in the same order, as the expression that was written.
//!
//! Does not: look for errors.

use gobi_grammar::Dialect;
use gobi_grammar::ast::{Expr, ExprKind, Span};

use crate::catalog::Source;
use crate::session::Error;
use crate::session::change::shape;
use crate::session::routines::Sources;
use crate::session::settings::parse_dialect;

/// An error with the places of the expression that was written for those of the text that is kept of it.
pub fn of_written(mut error: Error, sources: &Sources, kept: &Source, written: &Expr) -> Error {
    let dialect = parse_dialect(&kept.dialect).unwrap_or(Dialect::Grizzly);
    let text = format!("SELECT {}", kept.text);
    let parsed = gobi_grammar::parse(&text, dialect);
    let Some(mut read) = parsed.statements.into_iter().next().and_then(shape::expression) else {
        return error;
    };
    let (mut here, mut there) = (Vec::new(), Vec::new());
    spans(&mut read, &mut here);
    spans(&mut written.clone(), &mut there);
    for label in error.diagnostics.iter_mut().flat_map(|first| &mut first.labels) {
        let Some(within) = sources.within(label.span, &text) else {
            continue;
        };
        let known = here
            .iter()
            .zip(&there)
            .find(|(here, _)| (here.start, here.end) == (within.start, within.end));
        label.span = known.map_or(written.span, |(_, there)| *there);
    }
    error
}

/// The places of an expression and its parts.
fn spans(expr: &mut Expr, into: &mut Vec<Span>) {
    into.push(expr.span);
    match &expr.kind {
        ExprKind::Name(path) => into.extend(path.iter().map(|name| name.span)),
        ExprKind::Call(call) => into.push(call.name.span),
        ExprKind::Field { name, .. } => into.push(name.span),
        _ => {}
    }
    expr.for_each_child_mut(&mut |child| spans(child, into));
}
