//! Functions without a name: where they are applied, and what they keep of where they were written.
//!
//! In `xs |> map(x => x * k)` the expression `x * k` stands in the loop over `xs`, with `x` for the element. A lambda with a block
//! becomes a function of its parameters and of the variables that it names.
//!
//! Invariants: a variable that a lambda names has the value that it had where the lambda was written; what a block assigns stays
//! inside.
//!
//! Does not: know which functions take others; `chain` does.

use std::collections::HashSet;
use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{self, ArmBody, Ident, Span};

use super::super::{Definition, Handed, Kept, unnamed, words_of};
use super::Checker;
use super::handed::captured as captured_as;
use crate::plan::BodyName;
use crate::plan::logical::{ColumnId, Expr, ExprKind};
use crate::plan::routine::Statement;
use crate::types::LogicalType;
use crate::types::stack::with_room;

/// Lambdas without blocks stand where they are applied, in one body at most so often.
const MOST_APPLIED: usize = 2_000;

/// A lambda that a variable stands for.
#[derive(Clone, Debug)]
pub(super) struct Closure {
    pub(super) name: String,
    pub(super) lambda: Arc<ast::Lambda>,
    /// Names that it mentions, and where their values are kept.
    pub(super) kept: Vec<BodyName>,
    /// The functions that it mentions.
    pub(super) functions: Arc<[Closure]>,
    /// What is said of parameters and result, if it was written as a function.
    pub(super) written: Option<Arc<ast::Routine>>,
}

impl Checker<'_> {
    /// Whether an expression stands for a function.
    pub(super) fn is_function(&self, expr: &ast::Expr) -> bool {
        match &expr.kind {
            ast::ExprKind::Lambda(_) => true,
            ast::ExprKind::Name(path) => self.function_name(path).is_some(),
            ast::ExprKind::Call(call) => self.gives_function(call),
            _ => false,
        }
    }

    /// The name of a function: `f`, or `m.f` of a module.
    pub(super) fn function_name(&self, path: &[Ident]) -> Option<Ident> {
        match path {
            [name] if self.closure(&name.text).is_some() => Some(name.clone()),
            [name, ..] if self.find(&name.text).is_some() => None,
            [name] => self.instances.has(&name.text).then(|| name.clone()),
            [module, name] => {
                let whole = Ident {
                    text: format!("{}.{}", module.text, name.text),
                    quoted: true,
                    span: module.span.to(name.span),
                };
                self.instances.has(&whole.text).then_some(whole)
            }
            _ => None,
        }
    }

    /// Whether the user has given a name to a function.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.closure(name).is_some() || self.instances.has(name)
    }

    pub(super) fn closure(&self, name: &str) -> Option<&Closure> {
        let found = self.closures.iter().rev();
        found
            .into_iter()
            .find(|closure| closure.name.eq_ignore_ascii_case(name))
    }

    /// `let f = x => …`.
    pub(super) fn let_lambda(&mut self, name: &Ident, lambda: &ast::Lambda, out: &mut Vec<Statement>) {
        if self.find(&name.text).is_some() {
            let message = format!(
                "`{}` is a variable with a value, and cannot be a function too",
                name.text
            );
            return self.error(Diagnostic::new("42804", name.span, message));
        }
        let words = self.words_in(lambda);
        let closure = Closure {
            name: name.text.clone(),
            kept: self.mentioned(lambda, &words),
            functions: self.functions_in(lambda, &words),
            lambda: Arc::new(lambda.clone()),
            written: None,
        };
        let closure = self.owned(closure, out);
        closure.functions.iter().for_each(|function| self.note_call(function));
        self.named.push(closure.clone());
        self.closures.push(closure);
    }

    /// The same function, with variables of its own for what it keeps: what is assigned later does not reach it.
    pub(super) fn owned(&mut self, mut closure: Closure, out: &mut Vec<Statement>) -> Closure {
        for name in &mut closure.kept {
            let value = self.held(name.id, Span::default());
            let copy = self.new_variable("", Some(value.ty.clone()), false);
            self.set(copy, value, out);
            name.id = copy;
        }
        let functions = closure.functions.iter().cloned();
        let functions: Vec<Closure> = functions.map(|function| self.owned(function, out)).collect();
        closure.functions = functions.into();
        closure
    }

    /// A call of a lambda by its name.
    pub(super) fn call_closure(&mut self, call: &ast::Call, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let closure = self.closure(&call.name.text)?.clone();
        if let Some(written) = &closure.written {
            let value = self.call_inner(&closure, written, call, out)?;
            let result = self.new_variable("", Some(value.ty.clone()), false);
            self.set(result, value, out);
            return Some(result);
        }
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            let value = self.expr(arg, out)?;
            let held = self.new_variable("", Some(value.ty.clone()), false);
            self.set(held, value, out);
            args.push(held);
        }
        let span = call.args.iter().fold(call.name.span, |span, arg| span.to(arg.span));
        let value = self.apply_closure(&closure, &args, span, out)?;
        let result = self.new_variable("", Some(value.ty.clone()), false);
        self.set(result, value, out);
        Some(result)
    }

    /// The value of a function for these variables.
    pub(super) fn apply(
        &mut self,
        function: &ast::Expr,
        args: &[ColumnId],
        of: &str,
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        match &function.kind {
            ast::ExprKind::Lambda(lambda) => {
                self.check_count(lambda, args.len(), &format!("`{of}`"), function.span)?;
                self.apply_lambda(lambda, args, function.span, out)
            }
            ast::ExprKind::Name(path) => {
                let name = &self.function_name(path)?;
                if let Some(closure) = self.closure(&name.text).cloned() {
                    return self.apply_closure(&closure, args, function.span, out);
                }
                let args = args.iter().map(|id| self.reference(*id, function.span)).collect();
                let call = ast::Call {
                    name: name.clone(),
                    distinct: false,
                    star: false,
                    args,
                    filter: None,
                };
                let kind = ast::ExprKind::Call(call);
                let span = function.span;
                self.expr(&ast::Expr { kind, span }, out)
            }
            _ => {
                let closure = self.closure_for(function, out)?;
                self.apply_closure(&closure, args, function.span, out)
            }
        }
    }

    fn check_count(&mut self, lambda: &ast::Lambda, given: usize, of: &str, span: Span) -> Option<()> {
        let takes = lambda.params.len();
        if takes == given {
            return Some(());
        }
        let plural = if takes == 1 { "" } else { "s" };
        let message = format!("the function takes {takes} argument{plural}, and {of} gives it {given}");
        let params: Vec<&str> = ["a", "b", "c", "d"].into_iter().take(given).collect();
        let help = format!("write it as `({}) => …`", params.join(", "));
        self.error(Diagnostic::new("42883", span, message).with_help(help));
        None
    }

    pub(super) fn apply_closure(
        &mut self,
        closure: &Closure,
        args: &[ColumnId],
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        self.check_count(&closure.lambda, args.len(), "the call", span)?;
        self.note_call(closure);
        // It sees what there was where it was written, and, if it was written as a function, itself.
        let names = std::mem::replace(&mut self.names, closure.kept.clone());
        let closures = std::mem::replace(&mut self.closures, closure.inside());
        self.applied += 1;
        let value = match &closure.written {
            _ if self.applied > MOST_APPLIED => self.too_many(span),
            Some(written) => self.call_block(&closure.lambda, Some(written), args, span),
            None => with_room(|| self.apply_lambda(&closure.lambda, args, span, out)),
        };
        self.names = names;
        self.closures = closures;
        value
    }

    fn too_many(&mut self, span: Span) -> Option<Expr> {
        if self.applied == MOST_APPLIED + 1 {
            let message = format!("functions that are handed on stand for each other more than {MOST_APPLIED} times");
            let help = "one that names another twice doubles it each time: give the value a name, or write `x => {…}`";
            self.error(Diagnostic::new("54001", span, message).with_help(help));
        }
        None
    }

    fn apply_lambda(
        &mut self,
        lambda: &ast::Lambda,
        args: &[ColumnId],
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        let names = self.names.len();
        for (param, id) in lambda.params.iter().zip(args) {
            self.name(&param.text, *id);
        }
        let value = match &lambda.body {
            ArmBody::Expr(value) if returns(value) => self.call_block(&with_block(lambda, value), None, args, span),
            ArmBody::Expr(value) => {
                let loops = std::mem::take(&mut self.loops);
                let value = self.expr(value, out);
                self.loops = loops;
                value
            }
            ArmBody::Block(_) => self.call_block(lambda, None, args, span),
        };
        self.names.truncate(names);
        value
    }

    /// The names in reach that a lambda mentions, and that have a value; not its parameters.
    pub(super) fn mentioned(&self, lambda: &ast::Lambda, words: &HashSet<String>) -> Vec<BodyName> {
        let mut found: Vec<BodyName> = Vec::new();
        for name in self.names.iter().rev() {
            let same = |other: &BodyName| {
                other.name.eq_ignore_ascii_case(&name.name)
                    && other.of.as_deref().map(str::to_lowercase) == name.of.as_deref().map(str::to_lowercase)
            };
            let is_param = name.of.is_none() && lambda.params.iter().any(|p| p.text.eq_ignore_ascii_case(&name.name));
            let is_said = words.contains(&name.name.to_lowercase()) || self.is_of_caught(name, words);
            if is_said && !is_param && !name.name.starts_with('\0') && self.flow.has(name.id) && !found.iter().any(same)
            {
                found.push(name.clone());
            }
        }
        found
    }

    /// Whether it is the code, the message or the line of an error that is mentioned: `throw e` throws all of it.
    fn is_of_caught(&self, name: &BodyName, words: &HashSet<String>) -> bool {
        let Some(of) = name.of.as_deref() else { return false };
        words.contains(&of.to_lowercase()) && self.find(of).is_some()
    }

    /// A call of the function that a lambda with a block is.
    fn call_block(
        &mut self,
        lambda: &ast::Lambda,
        written: Option<&ast::Routine>,
        args: &[ColumnId],
        span: Span,
    ) -> Option<Expr> {
        let ArmBody::Block(block) = &lambda.body else {
            return None;
        };
        let words = self.words_in(lambda);
        let captured = self.mentioned(lambda, &words);
        let mut params: Vec<ColumnId> = captured.iter().map(|name| name.id).collect();
        let functions = self.functions_in(lambda, &words);
        functions.iter().for_each(|function| self.note_call(function));
        let functions = functions.iter().cloned();
        let functions = functions.map(|function| function.handed(&mut params)).collect();
        let mut names: Vec<String> = captured.iter().map(|name| name.name.clone()).collect();
        names.extend((names.len()..params.len()).map(|at| format!("\0{at}")));
        params.extend(args);
        names.extend(lambda.params.iter().map(|param| param.text.clone()));
        let values: Vec<Expr> = params.iter().map(|id| self.held(*id, span)).collect();
        let typed = self.types_of(&values);
        let body = ast::RoutineBody::Block(block.clone());
        let mut routine = unnamed(names.iter().map(String::as_str), body, block.span);
        let mut shown = "lambda".to_owned();
        if let Some(written) = written {
            shown = written.name.last().map_or(shown, |name| name.text.clone());
            routine.returns.clone_from(&written.returns);
            routine.raises.clone_from(&written.raises);
        }
        let definition = Definition {
            // Which one it is, wherever it is called from.
            name: format!("{shown}@{}", block.span.start),
            captured: captured.iter().map(captured_as).collect(),
            functions,
            ..Definition::of(String::new(), routine, self.dialect)
        };
        // The lifetime of the trait object is shortened here, which no closure does.
        #[allow(clippy::manual_map)]
        let tables = match &mut self.tables {
            Some(tables) => Some(&mut **tables as &mut dyn crate::plan::TableResolver),
            None => None,
        };
        match self.instances.lambda(&Arc::new(definition), &typed, span, tables) {
            Ok(callee) => {
                let kind = ExprKind::Routine {
                    routine: callee.routine,
                    name: if written.is_some() {
                        shown.into()
                    } else {
                        "lambda".into()
                    },
                    args: values,
                    nullable: callee.nullable,
                    volatile: callee.volatile,
                };
                let ty = callee.result;
                let call = Expr { kind, ty, span };
                self.effects |= self.instances.any_effects(&call);
                self.raises_of_calls(&call);
                Some(call)
            }
            Err(error) => {
                self.error(error);
                None
            }
        }
    }
}

impl Closure {
    /// The functions that its body sees: those that it names, and, if it was written as a function, itself.
    pub(super) fn inside(&self) -> Vec<Self> {
        let name = self.written.as_ref().and_then(|written| written.name.last());
        let itself = name.map(|name| Self {
            name: name.text.clone(),
            ..self.clone()
        });
        self.functions.iter().cloned().chain(itself).collect()
    }

    /// How many functions it names within one another, itself among them.
    pub(super) fn depth(&self) -> usize {
        1 + self.functions.iter().map(Closure::depth).max().unwrap_or(0)
    }

    /// The function as what another one is called with; the variables that it keeps go to the parameters.
    pub(super) fn handed(self, params: &mut Vec<ColumnId>) -> Handed {
        let mut kept = Vec::with_capacity(self.kept.len());
        for name in &self.kept {
            kept.push((captured_as(name), Kept::Param(params.len())));
            params.push(name.id);
        }
        let functions: Vec<Closure> = self.functions.to_vec();
        Handed {
            name: self.name,
            lambda: self.lambda,
            kept,
            functions: functions.into_iter().map(|function| function.handed(params)).collect(),
            written: self.written,
        }
    }
}

impl Checker<'_> {
    /// The types of values, and whether they may be NULL.
    pub(super) fn types_of(&self, values: &[Expr]) -> Vec<(LogicalType, bool)> {
        let values = values.iter();
        values
            .map(|value| (value.ty.clone(), self.may_be_null(value)))
            .collect()
    }

    /// The functions in reach that a lambda mentions, of which these are the words.
    pub(super) fn functions_in(&self, lambda: &ast::Lambda, words: &HashSet<String>) -> Arc<[Closure]> {
        let mut functions: Vec<Closure> = Vec::new();
        for closure in self.closures.iter().rev() {
            let same = |name: &str| name.eq_ignore_ascii_case(&closure.name);
            let is_hidden = lambda.params.iter().any(|param| same(&param.text));
            let is_known = functions.iter().any(|known| same(&known.name));
            if words.contains(&closure.name.to_lowercase()) && !is_hidden && !is_known {
                functions.push(closure.clone());
            }
        }
        functions.into()
    }

    /// The words of a lambda, in lower case.
    pub(super) fn words_in(&self, lambda: &ast::Lambda) -> HashSet<String> {
        let value = ast::Expr {
            kind: ast::ExprKind::Lambda(Box::new(lambda.clone())),
            span: Span::default(),
        };
        let statement = ast::Statement {
            kind: ast::StatementKind::Eval(Box::new(value)),
            span: Span::default(),
        };
        words_of(&statement, self.dialect)
    }
}

/// Whether a block of an expression, as that of an arm of MATCH, leaves the function that it is in.
fn returns(value: &ast::Expr) -> bool {
    let mut returning = Returning(false);
    returning.expr(&mut value.clone());
    returning.0
}

struct Returning(bool);

impl VisitMut for Returning {
    fn statement(&mut self, statement: &mut ast::Statement) {
        match statement.kind {
            ast::StatementKind::Return(_) => self.0 = true,
            // It leaves itself.
            ast::StatementKind::Routine(_) => {}
            _ => visit::walk_statement(self, statement),
        }
    }

    fn expr(&mut self, expr: &mut ast::Expr) {
        if !matches!(expr.kind, ast::ExprKind::Lambda(_)) {
            visit::walk_expr(self, expr);
        }
    }
}

/// A lambda with the block whose value its expression is.
fn with_block(lambda: &ast::Lambda, value: &ast::Expr) -> ast::Lambda {
    let statement = ast::Statement {
        kind: ast::StatementKind::Eval(Box::new(value.clone())),
        span: value.span,
    };
    let block = ast::Block {
        statements: vec![statement],
        span: value.span,
    };
    ast::Lambda {
        params: lambda.params.clone(),
        body: ArmBody::Block(block),
    }
}
