//! Names behind CATCH that look like those of exceptions, and are none.
//!
//! `try {…} catch NoStok {…}` catches whatever comes, and calls it `NoStok`: who wrote it may have meant `NoStock`.
//!
//! Invariants: a warning, never an error; a name that the handler uses is what the error is called, and so is a short one in lower case.
//!
//! Does not: catch anything.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ArmBody, Ident, Span};
use gobi_grammar::similar::nearest;

use super::super::words_of;
use super::Checker;
use super::exceptions::NAMED;

/// Names in lower case up to this length, such as `e`, `ex` and `error`, are what errors are called.
const SHORT: usize = 5;

impl Checker<'_> {
    /// A name for whatever error comes.
    pub(super) fn doubt_name(&mut self, name: &Ident, body: &ArmBody, since: usize) {
        let text = &name.text;
        let is_capital = text.starts_with(char::is_uppercase) && text.chars().count() > 1;
        let is_long = text.chars().count() > SHORT;
        if !(is_capital || is_long) || text.starts_with('_') || self.names_word(body, text) {
            return;
        }
        let known = self.known_exceptions(since);
        let near = nearest(text, known.iter().map(String::as_str));
        let is_like_others = is_capital
            && self
                .instances
                .definitions
                .exceptions()
                .iter()
                .any(|name| name.starts_with(char::is_uppercase));
        let help = match near {
            Some(near) => {
                format!("did you mean `{near}`? `catch {text} {{…}}` catches whatever comes, and calls it `{text}`")
            }
            None if is_like_others => {
                format!("declare it: `type exception as {text}('…')`; or call what is caught `e`")
            }
            None => return,
        };
        let message = format!("`{text}` is the name of no exception: all are caught here");
        self.doubts
            .push(Diagnostic::new("01000", name.span, message).with_help(help));
    }

    /// An exception that an arm is for: one that nobody declares, and that nothing which is tried throws by this name.
    pub(super) fn doubt_exception(&mut self, name: &Ident, since: usize) {
        let text = &name.text;
        let is_any = matches!(text.as_str(), "_" | "Exception" | "exception");
        if is_any || text.contains('.') || self.is_thrown_in_some_case(name, since) {
            return;
        }
        let known = self.known_exceptions(since);
        let Some(near) = nearest(text, known.iter().map(String::as_str)) else {
            return;
        };
        let message = format!("`{text}` is the name of no exception: nothing is caught here");
        let help = format!("did you mean `{near}`?");
        self.doubts
            .push(Diagnostic::new("01000", name.span, message).with_help(help));
    }

    fn is_thrown_in_some_case(&self, name: &Ident, since: usize) -> bool {
        let known = self.known_exceptions(since);
        self.instances.definitions.exception(name).is_some()
            || known.iter().any(|known| known.eq_ignore_ascii_case(&name.text))
    }

    /// Exceptions that are declared, those of SQL, and those that were thrown since.
    fn known_exceptions(&self, since: usize) -> Vec<String> {
        let mut known = self.instances.definitions.exceptions();
        known.extend(NAMED.iter().map(|(name, _)| (*name).to_owned()));
        known.extend(self.raised_since(since));
        known
    }

    /// Whether a handler has a word in it.
    fn names_word(&self, body: &ArmBody, word: &str) -> bool {
        let of = |kind| ast::Statement {
            kind,
            span: Span::default(),
        };
        let statements = match body {
            ArmBody::Block(block) => block.statements.clone(),
            ArmBody::Expr(value) => vec![of(ast::StatementKind::Eval(Box::new(value.clone())))],
        };
        let word = word.to_lowercase();
        let mut statements = statements.iter();
        statements.any(|statement| words_of(statement, self.dialect).contains(&word))
    }

    /// Keeps what is worth a look in a finished body.
    pub(super) fn tell_doubts(&mut self) {
        if self.instances.unresolved {
            return;
        }
        for doubt in std::mem::take(&mut self.doubts) {
            for all in [&mut self.instances.warnings, &mut self.instances.told] {
                if !all.contains(&doubt) {
                    all.push(doubt.clone());
                }
            }
        }
    }
}
