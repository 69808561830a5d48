//! Calls of functions of the user's that are given functions.
//!
//! `function twice(f, x) => f(f(x))` called as `twice(n => n * k, 3)` becomes a function of `k` and `x`, in which `f` stands for the lambda:
//! there is one for each lambda that it is called with.
//!
//! Invariants: what a lambda names of where it was written is passed, as all other values are.
//!
//! Does not: look at what is done with a function.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ArmBody, Ident, Span};

use super::super::generics;
use super::super::params::signature;
use super::super::{Captured, Definition, Handed, Kept};
use super::Checker;
use super::lambda::Closure;
use crate::plan::BodyName;
use crate::plan::logical::{ColumnId, Expr, ExprKind};
use crate::plan::routine::Statement;

/// A function that is handed on may name one that its body was called with, and so on.
const MOST_WITHIN: usize = 64;

impl Checker<'_> {
    /// Names the functions that the definition is called with; its constants are the variables from `constants` on.
    pub(super) fn take_functions(&mut self, functions: &[Handed], constants: usize) {
        self.closures
            .extend(functions.iter().map(|handed| taken(handed, constants)));
    }

    /// A call that has functions among its arguments; `None` if it is another one.
    pub(super) fn call_with_functions(
        &mut self,
        call: &ast::Call,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<Option<ColumnId>> {
        let definition = self.instances.definitions.find_at(&call.name)?;
        if !call.args.iter().any(|arg| self.is_function(argument(arg))) {
            return None;
        }
        let value = self.specialised(&definition, call, span, out);
        Some(value.map(|value| {
            let held = self.new_variable("", Some(value.ty.clone()), false);
            self.set(held, value, out);
            held
        }))
    }

    fn specialised(
        &mut self,
        definition: &Arc<Definition>,
        call: &ast::Call,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        self.instances.note_use(definition);
        let mut special = (**definition).clone();
        let mut kept: Vec<ColumnId> = Vec::new();
        let mut rest: Vec<(ast::Param, Option<Expr>)> = Vec::new();
        let params = std::mem::take(&mut special.routine.params);
        if call.args.len() > params.len() {
            let message = format!(
                "`{}` takes {} arguments, not {}",
                definition.name,
                params.len(),
                call.args.len()
            );
            self.error(Diagnostic::new("42883", call.name.span, message));
            return None;
        }
        for (at, param) in params.into_iter().enumerate() {
            let Some(arg) = given(call, at, &param.name) else {
                rest.push((param, None));
                continue;
            };
            if let Some(error) = misfit(definition, &param, arg) {
                self.error(error);
                return None;
            }
            if !self.is_function(arg) {
                let value = self.expr(arg, out)?;
                rest.push((param, Some(value)));
                continue;
            }
            let closure = self.closure_of(arg)?;
            if closure.depth() > MOST_WITHIN {
                let message = format!("functions that are handed on name each other more than {MOST_WITHIN} deep");
                self.error(Diagnostic::new("54001", arg.span, message).with_help("hand on the one that is given"));
                return None;
            }
            // Which lambda it is, wherever it comes from.
            special.name = format!("{}@{}", special.name, place_of(&closure.lambda));
            let name = param.name.text.clone();
            special.functions.push(Closure { name, ..closure }.handed(&mut kept));
        }
        let mut values: Vec<Expr> = kept.into_iter().map(|id| self.held(id, span)).collect();
        let mut passed: Vec<ast::Param> = (0..values.len()).map(|at| hidden(at, span)).collect();
        let mut missing = None;
        for (param, value) in rest {
            match value {
                Some(value) if missing.is_none() => values.push(value),
                Some(_) => missing = missing.or(Some(param.name.text.clone())),
                None if param.default.is_none() => missing = Some(param.name.text.clone()),
                None => {}
            }
            passed.push(param);
        }
        if let Some(name) = missing {
            let message = format!("`{}` needs a value for its parameter `{name}`", definition.shown_name());
            self.error(Diagnostic::new("42883", call.name.span, message).with_help(signature(definition)));
            return None;
        }
        special.routine.params = passed;
        generics::without_unknown(&mut special.routine);
        self.call_special(special, values, span)
    }

    pub(super) fn call_special(&mut self, special: Definition, values: Vec<Expr>, span: Span) -> Option<Expr> {
        let typed = self.types_of(&values);
        // The lifetime of the trait object is shortened here, which no closure does.
        #[allow(clippy::manual_map)]
        let tables = match &mut self.tables {
            Some(tables) => Some(&mut **tables as &mut dyn crate::plan::TableResolver),
            None => None,
        };
        let callee = match self.instances.lambda(&Arc::new(special), &typed, span, tables) {
            Ok(callee) => callee,
            Err(error) => {
                self.error(error);
                return None;
            }
        };
        let mut args = Vec::with_capacity(callee.params.len());
        for (ty, passed) in callee.params {
            let value = match passed {
                crate::plan::Passed::Default(value) => value,
                crate::plan::Passed::Argument(at) => values.get(at)?.clone(),
            };
            let (from, place) = (value.ty.clone(), value.span);
            let Some(value) = crate::plan::converted(value, &ty) else {
                let message = format!("an argument of type {ty} is wanted here, not {from}");
                self.error(Diagnostic::new("42804", place, message).with_help(format!("cast it: `… :: {ty}`")));
                return None;
            };
            args.push(value);
        }
        let kind = ExprKind::Routine {
            routine: callee.routine,
            name: "function".into(),
            args,
            nullable: callee.nullable,
            volatile: callee.volatile,
        };
        let ty = callee.result;
        let call = Expr { kind, ty, span };
        self.effects |= self.instances.any_effects(&call);
        self.raises_of_calls(&call);
        Some(call)
    }

    /// A function as a lambda, and what it names.
    pub(super) fn closure_of(&mut self, function: &ast::Expr) -> Option<Closure> {
        match &function.kind {
            ast::ExprKind::Lambda(lambda) => {
                let words = self.words_in(lambda);
                let functions = self.functions_in(lambda, &words);
                functions.iter().for_each(|function| self.note_call(function));
                Some(Closure {
                    name: String::new(),
                    kept: self.mentioned(lambda, &words),
                    functions,
                    lambda: Arc::new((**lambda).clone()),
                    written: None,
                })
            }
            ast::ExprKind::Name(path) => {
                let name = &self.function_name(path)?;
                if let Some(closure) = self.closure(&name.text).cloned() {
                    self.note_call(&closure);
                    return Some(closure);
                }
                let definition = self.instances.definitions.find_at(name)?;
                let lambda = Arc::new(calling(name, definition.routine.params.len()));
                Some(Closure {
                    name: String::new(),
                    lambda,
                    kept: Vec::new(),
                    functions: Arc::default(),
                    written: None,
                })
            }
            _ => None,
        }
    }
}

/// A function that a definition is called with, inside of it.
fn taken(handed: &Handed, constants: usize) -> Closure {
    let id = |kept: Kept| match kept {
        Kept::Param(at) => ColumnId(super::number(at)),
        Kept::Constant(at) => ColumnId(super::number(constants + at)),
    };
    let kept = handed.kept.iter().map(|(captured, kept)| BodyName {
        of: captured.of.clone(),
        name: captured.name.clone(),
        id: id(*kept),
    });
    Closure {
        name: handed.name.clone(),
        lambda: Arc::clone(&handed.lambda),
        kept: kept.collect(),
        functions: handed.functions.iter().map(|inner| taken(inner, constants)).collect(),
        written: handed.written.clone(),
    }
}

pub(super) fn place_of(lambda: &ast::Lambda) -> u32 {
    match &lambda.body {
        ArmBody::Expr(body) => body.span.start,
        ArmBody::Block(body) => body.span.start,
    }
}

/// The argument, without its name.
fn argument(arg: &ast::Expr) -> &ast::Expr {
    match &arg.kind {
        ast::ExprKind::Named { value, .. } => value,
        _ => arg,
    }
}

/// What is wrong about a lambda for a parameter that has a type.
fn misfit(definition: &Definition, param: &ast::Param, arg: &ast::Expr) -> Option<Diagnostic> {
    let (Some(ty), ast::ExprKind::Lambda(_)) = (&param.ty, &arg.kind) else {
        return None;
    };
    let name = &param.name.text;
    let message = format!(
        "parameter `{name}` of `{}` is {ty}, not a function",
        definition.shown_name()
    );
    let help = format!("an argument with a name is written `{name}: …`");
    Some(Diagnostic::new("42804", arg.span, message).with_help(help))
}

/// What a call gives to a parameter, by its name or its place.
pub(super) fn given<'c>(call: &'c ast::Call, at: usize, name: &Ident) -> Option<&'c ast::Expr> {
    let named = call.args.iter().find_map(|arg| match &arg.kind {
        ast::ExprKind::Named { name: given, value } if given.text.eq_ignore_ascii_case(&name.text) => Some(&**value),
        _ => None,
    });
    let placed = call
        .args
        .get(at)
        .filter(|arg| !matches!(arg.kind, ast::ExprKind::Named { .. }));
    named.or(placed)
}

/// `(a, b) => f(a, b)`.
fn calling(name: &Ident, params: usize) -> ast::Lambda {
    let params: Vec<Ident> = (0..params)
        .map(|at| Ident {
            text: format!("${at}"),
            quoted: true,
            span: name.span,
        })
        .collect();
    let args = params.iter().map(|param| ast::Expr {
        kind: ast::ExprKind::Name(vec![param.clone()]),
        span: name.span,
    });
    let call = ast::Call {
        name: name.clone(),
        distinct: false,
        star: false,
        args: args.collect(),
        filter: None,
    };
    let body = ArmBody::Expr(ast::Expr {
        kind: ast::ExprKind::Call(call),
        span: name.span,
    });
    ast::Lambda { params, body }
}

/// A parameter that no text can name.
pub(super) fn hidden(at: usize, span: Span) -> ast::Param {
    let name = Ident {
        text: format!("$kept{at}"),
        quoted: true,
        span,
    };
    ast::Param {
        name,
        ty: None,
        default: None,
    }
}

/// A variable by the name that it has where a lambda was written.
pub(super) fn captured(name: &BodyName) -> Captured {
    Captured {
        of: name.of.clone(),
        name: name.name.clone(),
    }
}
