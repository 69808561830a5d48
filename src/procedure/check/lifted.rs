//! Functions of a body in its queries: each becomes a definition that the query calls, with what it keeps as arguments. Rows in braces become
//! structs there.
//!
//! In `let g = x => x * k; for r in select g(a) as v from t {…}` the query is `select "g@8"(k, a) as v from t`, where `k` is the value that
//! the lambda keeps, and `g@8` a function of `k` and `x` that comes with the question.
//!
//! Invariants: nobody can write the names of such functions; what is kept is a variable of its own, whatever columns the query has.
//!
//! Does not: bind queries.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    self, ArmBody, Call, Expr, ExprKind, Ident, RoutineBody, Select, SelectItem, Span, TableRef, TableRefKind, Value,
};

use super::super::{Definition, chain, unnamed};
use super::Checker;
use super::handed::captured as captured_as;
use super::lambda::Closure;
use crate::plan::logical::ColumnId;
use crate::plan::name_of_column;
use crate::plan::routine::Statement;

impl Checker<'_> {
    /// A query that calls functions of the body by the names that these have for the session, and has structs for rows in braces; `None` if
    /// there are none of them in it.
    pub(super) fn with_lifted(&mut self, query: &ast::Query, out: &mut Vec<Statement>) -> Option<ast::Query> {
        if self.closures.is_empty() && self.names.iter().all(|name| name.of.is_none()) {
            return None;
        }
        let mut query = query.clone();
        let mut lifting = Lifting {
            checker: self,
            out,
            params: Vec::new(),
            found: false,
        };
        lifting.query(&mut query);
        lifting.found.then_some(query)
    }

    /// The same for a statement.
    pub(super) fn statement_with_lifted(
        &mut self,
        statement: &ast::Statement,
        out: &mut Vec<Statement>,
    ) -> Option<ast::Statement> {
        if self.closures.is_empty() && self.names.iter().all(|name| name.of.is_none()) {
            return None;
        }
        let mut statement = statement.clone();
        let mut lifting = Lifting {
            checker: self,
            out,
            params: Vec::new(),
            found: false,
        };
        lifting.statement(&mut statement);
        lifting.found.then_some(statement)
    }

    /// The definition that a function of the body is, and the variables that are its first arguments.
    pub(super) fn definition_of(&mut self, closure: &Closure) -> (Arc<Definition>, Vec<ColumnId>) {
        self.note_call(closure);
        let names = std::mem::replace(&mut self.names, closure.kept.clone());
        let closures = std::mem::replace(&mut self.closures, closure.inside());
        let words = self.words_in(&closure.lambda);
        let captured = self.mentioned(&closure.lambda, &words);
        let functions = self.functions_in(&closure.lambda, &words);
        (self.names, self.closures) = (names, closures);

        let mut kept: Vec<ColumnId> = captured.iter().map(|name| name.id).collect();
        let functions = functions.iter().map(|inner| inner.clone().handed(&mut kept)).collect();
        let mut params: Vec<String> = captured.iter().map(|name| name.name.clone()).collect();
        params.extend((params.len()..kept.len()).map(|at| format!("\0{at}")));
        params.extend(closure.lambda.params.iter().map(|param| param.text.clone()));
        let (body, span) = match &closure.lambda.body {
            ArmBody::Expr(value) => (RoutineBody::Value(Value::Expr(value.clone())), value.span),
            ArmBody::Block(block) => (RoutineBody::Block(block.clone()), block.span),
        };
        let mut routine = unnamed(params.iter().map(String::as_str), body, span);
        if let Some(written) = &closure.written {
            routine.body = written.body.clone();
            routine.returns.clone_from(&written.returns);
            routine.raises.clone_from(&written.raises);
            routine.params.truncate(kept.len());
            routine.params.extend(written.params.iter().cloned());
        }
        let definition = Definition {
            captured: captured.iter().map(captured_as).collect(),
            functions,
            ..Definition::of(format!("{}@{}", closure.name, span.start), routine, self.dialect)
        };
        (self.instances.lifted(definition), kept)
    }
}

/// Puts the names of definitions in the places of those of functions of the body, and structs in those of rows in braces.
struct Lifting<'l, 'c> {
    checker: &'l mut Checker<'c>,
    out: &'l mut Vec<Statement>,
    /// Those of the lambdas around.
    params: Vec<String>,
    found: bool,
}

impl Lifting<'_, '_> {
    /// The call of a function of the body as that of a definition.
    fn lift(&mut self, name: &mut Ident, args: &mut Vec<Expr>) {
        let Some(closure) = self.checker.closure(&name.text).cloned() else {
            return;
        };
        self.found = true;
        let takes = closure.lambda.params.len();
        if closure.written.is_none() && takes != args.len() {
            let plural = if takes == 1 { "" } else { "s" };
            let message = format!(
                "the function takes {takes} argument{plural}, and the call gives it {}",
                args.len()
            );
            return self.checker.error(Diagnostic::new("42883", name.span, message));
        }
        let (definition, kept) = self.checker.definition_of(&closure);
        name.text.clone_from(&definition.name);
        name.quoted = true;
        let span = name.span;
        let kept = kept.into_iter().map(|id| self.kept(id, span));
        let kept: Vec<Expr> = kept.collect();
        args.splice(0..0, kept);
    }

    /// What a function keeps, as a variable of its own.
    fn kept(&mut self, id: ColumnId, span: Span) -> Expr {
        let value = self.checker.held(id, span);
        let copy = self.checker.new_variable("", Some(value.ty.clone()), false);
        self.checker.set(copy, value, self.out);
        self.checker.reference(copy, span)
    }

    fn is_own(&self, name: &Ident) -> bool {
        self.checker.closure(&name.text).is_some()
    }

    /// The row that stands in braces, unless a lambda has a parameter of that name.
    fn row(&mut self, expr: &Expr) -> Option<Expr> {
        let ExprKind::Braced(name) = &expr.kind else {
            return None;
        };
        let is_param = self.params.iter().any(|param| param.eq_ignore_ascii_case(&name.text));
        match is_param {
            true => None,
            false => self.checker.braced_row(expr),
        }
    }

    /// A function that a stage of a pipe names, as a lambda that calls it.
    fn called(&mut self, arg: &mut Expr) {
        let ExprKind::Name(path) = &arg.kind else { return };
        let [name] = path.as_slice() else { return };
        let Some(closure) = self.checker.closure(&name.text) else {
            return;
        };
        let (span, name) = (arg.span, name.clone());
        let count = closure.lambda.params.len();
        let ident = |at: usize| Ident {
            text: format!("\0p{at}"),
            quoted: true,
            span,
        };
        let of = |kind| Expr { kind, span };
        let call = ExprKind::Call(Call {
            name,
            distinct: false,
            star: false,
            args: (0..count).map(|at| of(ExprKind::Name(vec![ident(at)]))).collect(),
            filter: None,
        });
        arg.kind = ExprKind::Lambda(Box::new(ast::Lambda {
            params: (0..count).map(ident).collect(),
            body: ArmBody::Expr(of(call)),
        }));
    }
}

impl VisitMut for Lifting<'_, '_> {
    fn expr(&mut self, expr: &mut Expr) {
        if let Some(row) = self.row(expr) {
            self.found = true;
            *expr = row;
            return;
        }
        if let ExprKind::Pipe { stages, .. } = &mut expr.kind {
            for stage in stages.iter_mut() {
                stage.args.iter_mut().for_each(|arg| self.called(arg));
            }
            if stages
                .iter()
                .any(|stage| self.checker.closure(&stage.name.text).is_some())
            {
                *expr = chain::unpiped(expr);
            }
        }
        visit::walk_expr(self, expr);
    }

    fn lambda(&mut self, lambda: &mut ast::Lambda) {
        let before = self.params.len();
        self.params.extend(lambda.params.iter().map(|param| param.text.clone()));
        visit::walk_arm(self, &mut lambda.body);
        self.params.truncate(before);
    }

    fn call(&mut self, call: &mut Call) {
        if self.is_own(&call.name) {
            let mut name = call.name.clone();
            self.lift(&mut name, &mut call.args);
            call.name = name;
        }
    }

    fn select(&mut self, select: &mut Select) {
        let written = select.items.clone();
        visit::walk_select(self, select);
        for (item, written) in select.items.iter_mut().zip(written) {
            let SelectItem::Expr { expr, alias } = item else {
                continue;
            };
            // A column is called as it was written.
            if let SelectItem::Expr { expr: written, .. } = written
                && alias.is_none()
                && *expr != written
            {
                *alias = Some(Ident {
                    text: name_of_column(&written, self.checker.dialect),
                    quoted: true,
                    span: expr.span,
                });
            }
        }
    }

    fn relation(&mut self, relation: &mut TableRef) {
        visit::walk_relation(self, relation);
        if let TableRefKind::Function { name, args } = &mut relation.kind
            && self.is_own(name)
        {
            if relation.alias.is_none() {
                relation.alias = Some(name.clone());
            }
            self.lift(name, args);
        }
    }
}
