//! Macros: calls that stand for an expression.
//!
//! After `macro ratio(a, b) { sum(a) / nullif(sum(b), 0) }`, `ratio(x, y + 1)` is `sum(x) / nullif(sum(y + 1), 0)`: arguments are expressions
//! of where the call stands, so that a macro can be an aggregate.
//!
//! Invariants: hygiene both ways: a macro names its parameters only, and what its lambdas and patterns call something else hides nothing
//! of an argument.
//!
//! Does not: keep macros.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    Block, Call, Catch, DefineMacro, Expr, ExprKind as K, Ident, Lambda, MatchArm, OrderBy, Query, QueryBody, Span,
    Statement, StatementKind as S,
};

use super::expansion::{Expansions, MOST_PARTS, Size, too_large};
use super::macro_queries::{self, holds_query};
use super::names::suggestion;
use super::scope::same;
use super::select;
use super::{Binder, Bound, Reported};
use crate::plan::logical;

/// The expression that a call of a macro stands for, counted.
pub(in crate::plan) fn expand(call: &Call, made: &DefineMacro, so_far: &mut Expansions) -> Result<Expr, Diagnostic> {
    let mut walk = Walk {
        params: made.params.len(),
        names: arguments(call, made)?,
        fresh: call.name.span.start,
        place: Some(call.name.span),
        level: 0,
        size: Size::default(),
        error: None,
    };
    let mut body = made.body.clone();
    walk.expr(&mut body);
    if walk.size.parts > MOST_PARTS {
        return Err(too_large(call));
    }
    match walk.error {
        Some(error) => Err(error),
        None => so_far.add(call, walk.size).map(|()| body),
    }
}

/// What is wrong with a macro: it names something else than its parameters, or holds what no macro can.
pub(in crate::plan) fn check(made: &DefineMacro) -> Result<(), Diagnostic> {
    for (at, param) in made.params.iter().enumerate() {
        if made.params[..at]
            .iter()
            .any(|other| same(&other.name.text, &param.name.text))
        {
            let message = format!("parameter `{}` is there twice", param.name.text);
            return Err(Diagnostic::new("42601", param.name.span, message));
        }
    }
    if holds_query(made) {
        return macro_queries::check(made);
    }
    let names = made
        .params
        .iter()
        .map(|param| (param.name.text.clone(), Stands::Renamed(param.name.clone())));
    let mut walk = Walk {
        params: made.params.len(),
        names: names.collect(),
        fresh: 0,
        place: None,
        level: 0,
        size: Size::default(),
        error: None,
    };
    walk.expr(&mut made.body.clone());
    walk.error.map_or(Ok(()), Err)
}

/// What a name of the body stands for.
#[derive(Clone)]
enum Stands {
    /// An argument.
    For(Expr, Size),
    /// A name of the body's own, which nobody else can write.
    Renamed(Ident),
}

fn arguments(call: &Call, made: &DefineMacro) -> Result<Vec<(String, Stands)>, Diagnostic> {
    let given = given(call, made)?;
    let names = made.params.iter().zip(given).map(|(param, value)| {
        let size = Size::of(&value);
        (param.name.text.clone(), Stands::For(value, size))
    });
    Ok(names.collect())
}

/// What a call gives each parameter.
pub(in crate::plan) fn given(call: &Call, made: &DefineMacro) -> Result<Vec<Expr>, Diagnostic> {
    let wrong = |span: Span, message: String| {
        let params: Vec<&str> = made.params.iter().map(|param| param.name.text.as_str()).collect();
        let help = format!("it is `{}({})`", made.name.text, params.join(", "));
        Diagnostic::new("42883", span, message).with_help(help)
    };
    if call.distinct || call.star || call.filter.is_some() {
        let message = format!("`{}` is a macro, which takes expressions only", made.name.text);
        return Err(wrong(call.name.span, message));
    }
    let mut given: Vec<Option<&Expr>> = vec![None; made.params.len()];
    for (at, arg) in call.args.iter().enumerate() {
        let (at, value) = match &arg.kind {
            K::Named { name, value } => {
                let found = made.params.iter().position(|param| same(&param.name.text, &name.text));
                let missing = || {
                    wrong(
                        name.span,
                        format!("`{}` has no parameter `{}`", made.name.text, name.text),
                    )
                };
                (found.ok_or_else(missing)?, &**value)
            }
            _ => (at, arg),
        };
        match given.get_mut(at) {
            Some(place @ None) => *place = Some(value),
            Some(Some(_)) => return Err(wrong(arg.span, "a parameter is given twice".to_owned())),
            None => {
                let (name, takes) = (&made.name.text, made.params.len());
                return Err(wrong(
                    arg.span,
                    format!("`{name}` takes {takes} arguments, not {}", call.args.len()),
                ));
            }
        }
    }
    let mut values = Vec::with_capacity(given.len());
    for (param, given) in made.params.iter().zip(given) {
        let Some(value) = given.or(param.default.as_ref()) else {
            let message = format!(
                "`{}` needs a value for its parameter `{}`",
                made.name.text, param.name.text
            );
            return Err(wrong(call.name.span, message));
        };
        values.push(value.clone());
    }
    Ok(values)
}

impl<'a> Binder<'a> {
    /// A call of a macro: what it stands for.
    pub(super) fn macro_call(&mut self, block: &mut select::Block<'a>, call: &'a Call) -> Bound<logical::Expr> {
        let Some(made) = self.tables.macro_named(&call.name.text) else {
            return Err(Reported);
        };
        if self.expansions.is_full() {
            return Err(Reported);
        }
        if holds_query(&made) {
            return self.macro_query(block, call, &made);
        }
        let open = self.expansions.open();
        let expanded = match expand(call, &made, &mut self.expansions) {
            Ok(expanded) => expanded,
            Err(error) => return self.fail(error),
        };
        // What is bound lives as long as the statement, as queries of views do.
        let query = Query {
            as_of: None,
            recursive: false,
            ctes: Vec::new(),
            body: QueryBody::Values(vec![vec![expanded]]),
            order_by: OrderBy::None,
            limit: None,
            offset: None,
            span: call.name.span,
        };
        let query: &'a Query = self.views.push_get(Box::new(query));
        let QueryBody::Values(rows) = &query.body else {
            return Err(Reported);
        };
        let Some(expanded) = rows.first().and_then(|row| row.first()) else {
            return Err(Reported);
        };
        self.expansions.enter();
        let bound = self.expr(block, expanded);
        self.expansions.leave(open);
        bound
    }
}

struct Walk {
    /// How many of the names are those of parameters.
    params: usize,
    /// The innermost last.
    names: Vec<(String, Stands)>,
    /// Makes names differ from those of other calls.
    fresh: u32,
    /// How deep the expression at hand stands in others.
    level: usize,
    /// What was made so far.
    size: Size,
    /// Where errors are reported: the call; none while the macro itself is checked.
    place: Option<Span>,
    error: Option<Diagnostic>,
}

impl VisitMut for Walk {
    fn expr(&mut self, e: &mut Expr) {
        let written = e.span;
        if let Some(place) = self.place {
            e.span = place;
        }
        self.level += 1;
        self.count(Size { parts: 1, levels: 1 });
        match &mut e.kind {
            K::Name(path) => {
                let path = std::mem::take(path);
                *e = self.name(path, e.span);
            }
            K::Braced(name) => {
                let path = vec![name.clone()];
                *e = self.name(path, e.span);
            }
            // Macros that hold queries go another way.
            K::Subquery(_) | K::Exists(_) | K::InQuery { .. } => {
                self.fail("0A000", written, "a query in a macro of this form is not supported yet");
            }
            K::Try(attempt) => {
                let before = self.names.len();
                let names = attempt.catch.iter_mut().flat_map(Catch::names_mut);
                names.for_each(|name| self.rename(name));
                visit::walk_expr(self, e);
                self.names.truncate(before);
            }
            _ => visit::walk_expr(self, e),
        }
        self.level -= 1;
    }

    fn call(&mut self, call: &mut Call) {
        let known = self.names.iter().rev().find(|(known, _)| same(known, &call.name.text));
        if let Some((_, Stands::Renamed(name))) = known
            && self.place.is_some()
        {
            call.name = name.clone();
        }
    }

    fn lambda(&mut self, lambda: &mut Lambda) {
        let before = self.names.len();
        lambda.params.iter_mut().for_each(|param| self.rename(param));
        visit::walk_arm(self, &mut lambda.body);
        self.names.truncate(before);
    }

    fn arm(&mut self, arm: &mut MatchArm) {
        let before = self.names.len();
        for pattern in &mut arm.patterns {
            pattern.each_name_mut(&mut |name| self.rename(name));
        }
        visit::walk_match_arm(self, arm);
        self.names.truncate(before);
    }

    fn block(&mut self, block: &mut Block) {
        let before = self.names.len();
        block.statements.iter_mut().for_each(|inner| self.statement(inner));
        self.names.truncate(before);
    }

    fn statement(&mut self, statement: &mut Statement) {
        if let Some(place) = self.place {
            statement.span = place;
        }
        let before = self.names.len();
        match &mut statement.kind {
            S::Let(_) => {
                visit::walk_statement(self, statement);
                if let S::Let(variable) = &mut statement.kind {
                    self.rename(&mut variable.name);
                }
            }
            S::Assign(assign) => {
                match self.stands_for(&assign.name) {
                    Some(Stands::Renamed(name)) if !self.is_param(&assign.name) => assign.name = name,
                    _ => {
                        let message = format!(
                            "`{}` is no variable of the macro, which assigns only its own",
                            assign.name.text
                        );
                        self.fail("42601", assign.name.span, &message);
                    }
                }
                visit::walk_statement(self, statement);
            }
            S::For(each) => {
                visit::walk_value(self, &mut each.values);
                self.rename(&mut each.name);
                self.block(&mut each.body);
                self.names.truncate(before);
            }
            S::If(_)
            | S::While(_)
            | S::Return(_)
            | S::Eval(_)
            | S::Throw(_)
            | S::Assert(_)
            | S::Break
            | S::Continue => {
                visit::walk_statement(self, statement);
            }
            other => {
                let message = format!("{} in a macro is not supported yet", other.name());
                self.fail("0A000", statement.span, &message);
            }
        }
    }
}

impl Walk {
    /// What a name stands for, the innermost first.
    fn stands_for(&self, name: &Ident) -> Option<Stands> {
        self.known(name).cloned()
    }

    fn known(&self, name: &Ident) -> Option<&Stands> {
        let mut names = self.names.iter().rev();
        let found = names.find(|(known, _)| same(known, &name.text))?;
        Some(&found.1)
    }

    fn count(&mut self, more: Size) {
        self.size.parts += more.parts;
        self.size.levels = self.size.levels.max(self.level + more.levels);
    }

    /// Whether a name is that of a parameter, and of nothing inside.
    fn is_param(&self, name: &Ident) -> bool {
        let at = self.names.iter().rposition(|(known, _)| same(known, &name.text));
        at.is_some_and(|at| at < self.params)
    }

    /// A name that the body gives to something: from here on it is another one.
    fn rename(&mut self, name: &mut Ident) {
        let fresh = Ident {
            text: format!("{}\u{1}{}", name.text, self.fresh),
            quoted: true,
            span: name.span,
        };
        let known = std::mem::replace(name, fresh.clone());
        self.names.push((known.text, Stands::Renamed(fresh)));
    }

    fn name(&mut self, mut path: Vec<Ident>, span: Span) -> Expr {
        if let Some(Stands::For(_, size)) = path.first().and_then(|first| self.known(first)) {
            let size = *size;
            self.count(size);
        }
        let is_too_much = self.size.parts > MOST_PARTS;
        let found = path
            .first()
            .filter(|_| !is_too_much)
            .and_then(|first| self.stands_for(first));
        match found {
            Some(Stands::Renamed(name)) => {
                path[0] = name;
                let kind = K::Name(path);
                Expr { kind, span }
            }
            Some(Stands::For(value, _)) => path.into_iter().skip(1).fold(value, |expr, name| match expr.kind {
                K::Name(mut longer) => {
                    longer.push(name);
                    let kind = K::Name(longer);
                    Expr { kind, span }
                }
                _ => {
                    let expr = Box::new(expr);
                    let kind = K::Field { expr, name };
                    Expr { kind, span }
                }
            }),
            // What is too much is not made: the error comes when all was counted.
            None if is_too_much => Expr {
                kind: K::Name(path),
                span,
            },
            None => {
                if let Some(first) = path.first() {
                    let message = format!("`{}` is no parameter of the macro", first.text);
                    let mut error = Diagnostic::new("42703", self.place.unwrap_or(first.span), message);
                    error.help =
                        suggestion(&first.text, self.names.iter().map(|(name, _)| name.clone())).or_else(|| {
                            Some("a macro sees nothing of where it is called: give it as an argument".to_owned())
                        });
                    self.error.get_or_insert(error);
                }
                let kind = K::Name(path);
                Expr { kind, span }
            }
        }
    }

    fn fail(&mut self, code: &'static str, span: Span, message: &str) {
        let error = Diagnostic::new(code, self.place.unwrap_or(span), message);
        self.error.get_or_insert(error);
    }
}
