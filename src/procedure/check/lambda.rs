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
use gobi_grammar::ast::{self, ArmBody, Ident, Span};

use super::super::{Definition, Handed, unnamed, words_of};
use super::Checker;
use super::handed::captured as captured_as;
use crate::plan::BodyName;
use crate::plan::logical::{ColumnId, Expr, ExprKind};
use crate::plan::routine::Statement;
use crate::types::LogicalType;

/// A lambda that a variable stands for.
#[derive(Clone, Debug)]
pub(super) struct Closure {
    pub(super) name: String,
    pub(super) lambda: Arc<ast::Lambda>,
    /// Names that it mentions, and where their values are kept.
    pub(super) kept: Vec<BodyName>,
    /// What is said of parameters and result, if it was written as a function.
    pub(super) written: Option<Arc<ast::Routine>>,
}

impl Checker<'_> {
    /// Whether an expression stands for a function.
    pub(super) fn is_function(&self, expr: &ast::Expr) -> bool {
        match &expr.kind {
            ast::ExprKind::Lambda(_) => true,
            ast::ExprKind::Name(path) => self.function_name(path).is_some(),
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
        let mut kept = self.mentioned(lambda);
        for name in &mut kept {
            let value = self.held(name.id, Span::default());
            let copy = self.new_variable("", Some(value.ty.clone()), false);
            self.set(copy, value, out);
            name.id = copy;
        }
        self.closures.push(Closure {
            name: name.text.clone(),
            lambda: Arc::new(lambda.clone()),
            kept,
            written: None,
        });
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
            _ => None,
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
        let names = self.names.len();
        self.names.extend(closure.kept.iter().cloned());
        let value = match &closure.written {
            Some(written) => self.call_block(&closure.lambda, Some(written), args, span),
            None => self.apply_lambda(&closure.lambda, args, span, out),
        };
        self.names.truncate(names);
        value
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
            ArmBody::Expr(value) => self.expr(value, out),
            ArmBody::Block(_) => self.call_block(lambda, None, args, span),
        };
        self.names.truncate(names);
        value
    }

    /// The names in reach that a lambda mentions, and that have a value; not its parameters.
    pub(super) fn mentioned(&self, lambda: &ast::Lambda) -> Vec<BodyName> {
        let words = self.words_in(lambda);
        let mut found: Vec<BodyName> = Vec::new();
        for name in self.names.iter().rev() {
            let same = |other: &BodyName| {
                other.name.eq_ignore_ascii_case(&name.name)
                    && other.of.as_deref().map(str::to_lowercase) == name.of.as_deref().map(str::to_lowercase)
            };
            let is_param = name.of.is_none() && lambda.params.iter().any(|p| p.text.eq_ignore_ascii_case(&name.name));
            let is_said = words.contains(&name.name.to_lowercase());
            if is_said && !is_param && !name.name.starts_with('\0') && self.flow.has(name.id) && !found.iter().any(same)
            {
                found.push(name.clone());
            }
        }
        found
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
        let captured = self.mentioned(lambda);
        let mut params: Vec<ColumnId> = captured.iter().map(|name| name.id).collect();
        let mut names: Vec<String> = captured.iter().map(|name| name.name.clone()).collect();
        let functions = self.functions_in(lambda, (&mut names, &mut params));
        params.extend(args);
        names.extend(lambda.params.iter().map(|param| param.text.clone()));
        let values: Vec<Expr> = params.iter().map(|id| self.held(*id, span)).collect();
        let typed: Vec<(LogicalType, bool)> = values
            .iter()
            .map(|value| (value.ty.clone(), self.may_be_null(value)))
            .collect();
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

impl Checker<'_> {
    /// The functions in reach that a lambda mentions, or that these mention, itself among them; what they keep becomes parameters
    /// that have no name.
    fn functions_in(
        &mut self,
        lambda: &ast::Lambda,
        (names, params): (&mut Vec<String>, &mut Vec<ColumnId>),
    ) -> Vec<Handed> {
        let mut words = self.words_in(lambda);
        for param in &lambda.params {
            words.remove(&param.text.to_lowercase());
        }
        let mut functions: Vec<Handed> = Vec::new();
        while let Some(closure) = self.next_function(&words, &functions) {
            words.extend(self.words_in(&closure.lambda));
            let mut kept = Vec::with_capacity(closure.kept.len());
            for name in &closure.kept {
                kept.push((captured_as(name), params.len()));
                names.push(format!("\0{}", params.len()));
                params.push(name.id);
            }
            functions.push(Handed {
                name: closure.name,
                lambda: closure.lambda,
                kept,
                written: closure.written,
            });
        }
        functions
    }

    /// A function in reach that is among the words, and not among those found already.
    fn next_function(&self, words: &HashSet<String>, found: &[Handed]) -> Option<Closure> {
        let mut reach = self.closures.iter().rev();
        let next = reach.find(|closure| {
            let known = found
                .iter()
                .any(|handed| handed.name.eq_ignore_ascii_case(&closure.name));
            !known && words.contains(&closure.name.to_lowercase())
        });
        next.cloned()
    }

    /// The words of a lambda, in lower case.
    fn words_in(&self, lambda: &ast::Lambda) -> HashSet<String> {
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
