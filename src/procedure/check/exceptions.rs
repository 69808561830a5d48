//! Names of exceptions: what THROW throws, and what CATCH catches.
//!
//! `throw NoStock('none')` throws the exception that was declared as `NoStock`, or one that has only this name; `catch NoStock {…}`
//! catches it alone, while `catch e {…}` catches all and calls the error `e`.
//!
//! Invariants: a declared exception is called as it was declared, whatever its case where it is used; that of a module by its whole name.
//!
//! Does not: say which exceptions leave a body; `raising` does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Catch, CatchArm, ExprKind, Ident, Span};
use gobi_grammar::similar::nearest;

use super::super::Exception;
use super::Checker;
use crate::plan::logical::{ColumnId, CompareOp, Expr};
use crate::types::{LogicalType, Value};

/// The code of an exception without a name.
const UNNAMED: &str = "P0001";

impl Checker<'_> {
    /// The exception that THROW names, and its message, if one is written; `None` if it throws a value.
    pub(super) fn thrown(&self, value: &ast::Expr) -> Option<(Exception, Option<ast::Expr>)> {
        match &value.kind {
            ExprKind::Name(path) => {
                let name = whole(path)?;
                let is_value = path.first().is_some_and(|first| self.is_value(&first.text));
                let exception = self.declared(&name).filter(|_| !is_value)?;
                Some((exception, None))
            }
            ExprKind::Call(call) => self.thrown_call(call),
            _ => None,
        }
    }

    fn thrown_call(&self, call: &ast::Call) -> Option<(Exception, Option<ast::Expr>)> {
        let named = |name: &str, says: &str| Exception {
            name: name.to_owned(),
            says: says.to_owned(),
        };
        if let Some(ExprKind::Name(path)) = call.args.first().map(|first| &first.kind)
            && let [module] = path.as_slice()
            && let Some(exception) = whole(&[module.clone(), call.name.clone()]).and_then(|name| self.declared(&name))
            && !self.is_value(&module.text)
            && call.args.len() <= 2
        {
            return Some((exception, call.args.get(1).cloned()));
        }
        if call.args.len() > 1 {
            return None;
        }
        let name = &call.name.text;
        let message = call.args.first().cloned();
        if name.eq_ignore_ascii_case("error") {
            return Some((named(UNNAMED, name), message));
        }
        match self.declared(&call.name) {
            Some(exception) => Some((exception, message)),
            None if self.is_function_named(&call.name) => None,
            None => Some((named(name, name), message)),
        }
    }

    /// Whether a call is one of a function, and no exception: that has the name as it is written.
    fn is_function_named(&self, name: &Ident) -> bool {
        let own = self.instances.definitions.find_at(name);
        own.is_some_and(|own| own.shown_name() == name.text) || built_in(&name.text).is_some()
    }

    /// An error for what THROW names if nobody has declared it and a built-in function has the name in another spelling: it may be meant as either.
    pub(super) fn not_thrown(&self, value: &ast::Expr) -> Option<Diagnostic> {
        let ExprKind::Call(call) = &value.kind else { return None };
        let name = &call.name;
        let builtin = built_in(&name.text).filter(|builtin| *builtin != name.text)?;
        if self.thrown(value).is_some() || self.instances.definitions.find_at(name).is_some() {
            return None;
        }
        let message = format!(
            "no exception is declared as `{}`, and a function is called so",
            name.text
        );
        let help = format!(
            "declare it: `type exception as {}('…')`; what the function gives is thrown by `throw {builtin}(…)`",
            name.text
        );
        Some(Diagnostic::new("42704", name.span, message).with_help(help))
    }

    fn is_value(&self, name: &str) -> bool {
        self.find(name).is_some() || self.is_row(name)
    }

    fn declared(&self, name: &Ident) -> Option<Exception> {
        self.instances.definitions.exception(name)
    }

    /// The names of `raises` as they were declared.
    pub(super) fn declared_names(&mut self, names: &[Ident]) -> Vec<Ident> {
        let mut names = names.to_vec();
        names.iter_mut().for_each(|name| self.name_as_declared(name));
        names
    }

    /// What CATCH catches: a name behind it is that of an exception, if there is such a one, and else stands for the error.
    pub(super) fn caught(&mut self, catch: &Option<Catch>, since: usize) -> Option<Catch> {
        let mut catch = catch.clone()?;
        if let Catch::Block { name: Some(name), body } = &catch
            && self.is_thrown_as(name, since)
        {
            let (exception, name) = (name.clone(), Some(name.clone()));
            let body = ast::ArmBody::Block(body.clone());
            catch = Catch::Arms(vec![CatchArm { exception, name, body }]);
        }
        if let Catch::Block { name: Some(name), body } = &catch {
            let body = ast::ArmBody::Block(body.clone());
            self.doubt_name(name, &body, since);
        }
        if let Catch::Arms(arms) = &mut catch {
            for arm in arms {
                match &arm.name {
                    Some(name) if arm.exception.text == "_" && self.is_thrown_as(name, since) => {
                        arm.exception = name.clone();
                    }
                    Some(name) if arm.exception.text == "_" => self.doubt_name(name, &arm.body, since),
                    _ => self.doubt_exception(&arm.exception, since),
                }
                self.name_as_declared(&mut arm.exception);
            }
        }
        Some(catch)
    }

    /// Whether a name that may be one for the error is that of an exception, in the spelling of that: a declared one, an error of SQL, or one
    /// that is thrown in what is tried.
    fn is_thrown_as(&self, name: &Ident, since: usize) -> bool {
        let spelled = self.declared(name).map(|declared| declared.name);
        match spelled.or_else(|| self.raised_name(&name.text, since)) {
            Some(spelled) => spelled.rsplit('.').next() == name.text.rsplit('.').next(),
            None => !codes(&name.text).is_empty(),
        }
    }

    fn name_as_declared(&mut self, name: &mut Ident) {
        if let Some(exception) = self.declared(name) {
            name.text = exception.name;
        } else if let Some((module, short)) = name.text.split_once('.') {
            let known = self.instances.definitions.exceptions_of(module);
            let message = format!("module `{module}` has no exception `{short}`");
            let mut error = Diagnostic::new("42704", name.span, message);
            let near = nearest(&name.text, known.iter().map(String::as_str));
            error.help = match near {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None if known.is_empty() => None,
                None => Some(format!("it has {}", known.join(", "))),
            };
            self.error(error);
        }
    }

    /// Whether what was caught is an exception of that name.
    pub(super) fn is_exception(&self, name: &str, code: ColumnId, span: Span) -> Expr {
        let is = |code_of: &str| {
            let column = Expr::column(code, LogicalType::String, span);
            let literal = Expr::literal(Value::String(code_of.into()), LogicalType::String, span);
            Expr::compare(CompareOp::Eq, column, literal)
        };
        let all = codes(name).iter().copied().chain([name]);
        Expr::or(all.map(is).collect(), span)
    }
}

/// `NoStock`, or `shop.NoStock` as one name.
fn whole(path: &[Ident]) -> Option<Ident> {
    match path {
        [name] => Some(name.clone()),
        [module, name] => Some(Ident {
            text: format!("{}.{}", module.text, name.text),
            quoted: true,
            span: name.span,
        }),
        _ => None,
    }
}

/// The built-in function of a name, as it is spelled.
fn built_in(name: &str) -> Option<&'static str> {
    let mut all = crate::functions::all().iter();
    all.find(|known| known.name.eq_ignore_ascii_case(name))
        .map(|known| known.name)
}

/// Names of the language for errors of SQL, and the codes behind them.
pub(super) const NAMED: [(&str, &[&str]); 8] = [
    ("DivisionByZero", &["22012"]),
    // Of a number's type, and of an array.
    ("OutOfRange", &["22003", "2202E"]),
    ("Overflow", &["22003"]),
    ("CardinalityError", &["21000"]),
    ("UniqueViolation", &["23505"]),
    ("NotNullViolation", &["23502"]),
    ("CheckViolation", &["23514"]),
    ("ForeignKeyViolation", &["23503"]),
];

/// The codes behind such a name.
fn codes(name: &str) -> &'static [&'static str] {
    let known = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map_or(&[], |(_, codes)| codes)
}
