//! Which exceptions leave a body.
//!
//! `function f() raises NoStock { take(5) }` is an error where `take` throws `Closed`, too, and nothing catches it.
//!
//! Invariants: what a body throws by name, and what the functions that it calls throw, is known, but for what TRY catches. Errors
//! of SQL are nobody's to declare.
//!
//! Does not: say what a body without `raises` may throw.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Catch, Ident, Span};

use super::Checker;
use crate::plan::logical::{ColumnId, Expr};
use crate::plan::routine::Statement;

/// The name for all exceptions, and for those without a name.
const ANY: &str = "Exception";

/// Exceptions that are on their way out, and where they come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Raised {
    names: Vec<(String, Span)>,
    /// What the handlers around have caught, innermost last.
    caught: Vec<Vec<(String, Span)>>,
}

impl Checker<'_> {
    /// An exception is thrown.
    pub(super) fn raises(&mut self, name: &str, span: Span) {
        let name = if name == "P0001" { ANY } else { name };
        self.raised.names.push((name.to_owned(), span));
    }

    /// What an expression calls may throw.
    pub(super) fn raises_of_calls(&mut self, expr: &Expr) {
        for name in self.instances.raised_by(expr) {
            self.raised.names.push((name, expr.span));
        }
    }

    /// Where TRY begins.
    pub(super) fn raised_so_far(&self) -> usize {
        self.raised.names.len()
    }

    /// How an exception of that name is spelled that was thrown since.
    pub(super) fn raised_name(&self, name: &str, since: usize) -> Option<String> {
        let mut names = self.raised.names.iter().skip(since).map(|(known, _)| known);
        names.find(|known| known.eq_ignore_ascii_case(name)).cloned()
    }

    /// The names of what was thrown since.
    pub(super) fn raised_since(&self, since: usize) -> Vec<String> {
        let names = self.raised.names.iter().skip(since);
        names.map(|(name, _)| name.clone()).collect()
    }

    /// What was thrown since is caught, as far as CATCH says.
    pub(super) fn begin_handler(&mut self, since: usize, catch: &Option<Catch>) {
        let names = self.raised.names.split_off(since);
        let is_caught = |(name, _): &(String, Span)| match catch {
            None | Some(Catch::Block { .. }) => true,
            Some(Catch::Arms(arms)) => arms.iter().map(|arm| &arm.exception).any(|arm| {
                arm.text == "_" || arm.text.eq_ignore_ascii_case(ANY) || arm.text.eq_ignore_ascii_case(name)
            }),
        };
        let (caught, others): (Vec<_>, Vec<_>) = names.into_iter().partition(is_caught);
        self.raised.names.extend(others);
        self.raised.caught.push(caught);
    }

    /// The handler ends.
    pub(super) fn end_handler(&mut self) {
        self.raised.caught.pop();
    }

    /// What a handler has caught is thrown again; it is known by the variable with the message.
    pub(super) fn throw_caught(&mut self, message: ColumnId, out: &mut Vec<Statement>) {
        let handler = self.handlers.iter().position(|known| *known == message);
        let again = handler.and_then(|at| self.raised.caught.get(at)).cloned();
        self.raised.names.extend(again.into_iter().flatten());
        out.push(Statement::Rethrow(message));
    }

    /// The names of what leaves the body.
    pub(super) fn leaving(&self) -> Vec<String> {
        let mut names: Vec<String> = self.raised.names.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// An error for each exception that was thrown since, leaves the body and is not declared, if any are.
    pub(super) fn check_raises(&mut self, since: usize, declared: &[Ident]) {
        let is_known = |name: &str| {
            let mut names = declared.iter().map(|name| name.text.as_str());
            names.any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(ANY))
        };
        if declared.is_empty() {
            return;
        }
        let mut seen: Vec<String> = Vec::new();
        for (name, span) in self.raised.names.get(since..).unwrap_or_default().to_vec() {
            if is_known(&name) || seen.contains(&name) {
                continue;
            }
            let list: Vec<&str> = declared.iter().map(|name| name.text.as_str()).collect();
            let message = format!("`{name}` may leave here, and `raises` does not name it");
            let help = format!("write `raises {}, {name}`, or catch it", list.join(", "));
            self.error(Diagnostic::new("42P20", span, message).with_help(help));
            seen.push(name);
        }
    }
}
