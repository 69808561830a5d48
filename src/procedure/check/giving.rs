//! Calls of functions that give functions.
//!
//! `let plus = adder(2)` makes `plus` a name for the lambda that `adder` gives, which keeps the 2; `xs.map(adder(2))` hands that on.
//!
//! Invariants: what such a call computes is computed once, where it stands.
//!
//! Does not: know which definitions give functions; `giving` of the definitions does.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Ident, Value};

use super::super::Definition;
use super::super::giving::lambda_within;
use super::super::instances::Instances;
use super::super::params::signature;
use super::lambda::Closure;
use super::{Callable, Checker};
use crate::plan::logical::{ColumnId, Expr};
use crate::plan::routine::Statement;
use crate::plan::{BodyName, TableResolver, bind_type};
use crate::types::LogicalType;

/// What the parameters of a call are given: values and functions.
struct Filled {
    names: Vec<BodyName>,
    functions: Vec<Closure>,
}

impl Checker<'_> {
    /// Whether a call gives a function.
    pub(super) fn gives_function(&self, call: &ast::Call) -> bool {
        let call = &self.as_of_module(call);
        match self.closure(&call.name.text) {
            Some(closure) => closure.written.is_none() && lambda_within(&closure.lambda).is_some(),
            None => {
                let found = self.instances.definitions.find_at(&call.name);
                found.is_some_and(|definition| definition.given_function().is_some())
            }
        }
    }

    /// `m.f(x)` as the call of the module's function.
    fn as_of_module(&self, call: &ast::Call) -> ast::Call {
        match self.of_module(call) {
            Some(Ok(call)) => call,
            _ => call.clone(),
        }
    }

    /// LET of a function that a call gives, or that has another name; `None` if it is another LET.
    pub(super) fn let_function(&mut self, variable: &ast::Let, out: &mut Vec<Statement>) -> Option<()> {
        let Value::Expr(value) = &variable.value else {
            return None;
        };
        let name = &variable.name;
        if variable.ty.is_some() || self.find(&name.text).is_some() || !self.is_function(value) {
            return None;
        }
        let closure = self.closure_for(value, out);
        if let Some(closure) = closure {
            let name = name.text.clone();
            self.closures.push(Closure { name, ..closure });
        }
        Some(())
    }

    /// The call with names for the functions that calls among its arguments give.
    pub(super) fn with_named_functions(&mut self, call: &ast::Call, out: &mut Vec<Statement>) -> Option<ast::Call> {
        let mut call = call.clone();
        for arg in &mut call.args {
            let arg = match &mut arg.kind {
                ast::ExprKind::Named { value, .. } => &mut **value,
                _ => arg,
            };
            if !matches!(&arg.kind, ast::ExprKind::Call(inner) if self.gives_function(inner)) {
                continue;
            }
            let closure = self.closure_for(arg, out)?;
            let name = Ident {
                text: format!("\0f{}", self.closures.len()),
                quoted: true,
                span: arg.span,
            };
            self.closures.push(Closure {
                name: name.text.clone(),
                ..closure
            });
            arg.kind = ast::ExprKind::Name(vec![name]);
        }
        Some(call)
    }

    /// The function that an expression stands for.
    fn closure_for(&mut self, expr: &ast::Expr, out: &mut Vec<Statement>) -> Option<Closure> {
        let ast::ExprKind::Call(call) = &expr.kind else {
            return self.closure_of(expr);
        };
        let call = &self.with_named_functions(&self.as_of_module(call), out)?;
        if let Some(closure) = self.closure(&call.name.text).cloned() {
            return self.given_by_closure(&closure, call, out);
        }
        let definition = self.instances.definitions.find_at(&call.name)?;
        self.given_by_definition(&definition, call, out)
    }

    fn given_by_closure(&mut self, closure: &Closure, call: &ast::Call, out: &mut Vec<Statement>) -> Option<Closure> {
        let inner = lambda_within(&closure.lambda)?;
        let param = |name: &Ident| ast::Param {
            name: name.clone(),
            ty: None,
            default: None,
        };
        let params: Vec<ast::Param> = closure.lambda.params.iter().map(param).collect();
        let mut filled = self.filled(&params, call, out, &|| {
            let names: Vec<&str> = params.iter().map(|param| param.name.text.as_str()).collect();
            format!("it is `({}) => …`", names.join(", "))
        })?;
        filled.names.splice(0..0, closure.kept.iter().cloned());
        filled.functions.splice(0..0, closure.functions.iter().cloned());
        Some(self.closing_over(inner, filled))
    }

    fn given_by_definition(
        &mut self,
        definition: &Arc<Definition>,
        call: &ast::Call,
        out: &mut Vec<Statement>,
    ) -> Option<Closure> {
        let (lambda, before) = definition.given_function()?;
        let mut filled = self.filled(&definition.routine.params, call, out, &|| signature(definition))?;
        if !before.is_empty() {
            let functions: Vec<Ident> = filled.functions.iter().map(name_of).collect();
            let mut keeping = definition.keeping(&functions)?;
            let mut kept: Vec<ColumnId> = Vec::new();
            for closure in &filled.functions {
                keeping.functions.push(closure.clone().handed(&mut kept));
            }
            let hidden = kept.len();
            let values = kept.into_iter().chain(filled.names.iter().map(|name| name.id));
            let values: Vec<Expr> = values.map(|id| self.held(id, call.name.span)).collect();
            let passed = (0..hidden).map(|at| super::handed::hidden(at, call.name.span));
            keeping.routine.params.splice(0..0, passed);
            let made = self.call_special(keeping, values, call.name.span)?;
            filled.names = self.fields_of(made, out);
        }
        Some(self.closing_over(lambda, filled))
    }

    /// The fields of a struct, as names with variables.
    fn fields_of(&mut self, made: Expr, out: &mut Vec<Statement>) -> Vec<BodyName> {
        let LogicalType::Struct(fields) = made.ty.clone() else {
            out.push(Statement::Eval(made));
            return Vec::new();
        };
        let held = self.new_variable("", Some(made.ty.clone()), false);
        let span = made.span;
        self.set(held, made, out);
        let mut names = Vec::with_capacity(fields.len());
        for field in fields {
            let part = ast::Expr {
                kind: ast::ExprKind::Field {
                    expr: Box::new(self.reference(held, span)),
                    name: Ident {
                        text: field.name.clone(),
                        quoted: true,
                        span,
                    },
                },
                span,
            };
            let Some(value) = self.expr(&part, out) else { continue };
            let id = self.new_variable("", Some(value.ty.clone()), false);
            self.set(id, value, out);
            let (of, name) = (None, field.name);
            names.push(BodyName { of, name, id });
        }
        names
    }

    /// The values of a call's arguments, by the names of the parameters.
    fn filled(
        &mut self,
        params: &[ast::Param],
        call: &ast::Call,
        out: &mut Vec<Statement>,
        help: &dyn Fn() -> String,
    ) -> Option<Filled> {
        if call.args.len() > params.len() {
            let (takes, given) = (params.len(), call.args.len());
            let plural = if takes == 1 { "" } else { "s" };
            let message = format!("`{}` takes {takes} argument{plural}, not {given}", call.name.text);
            self.error(Diagnostic::new("42883", call.name.span, message).with_help(help()));
            return None;
        }
        let mut filled = Filled {
            names: Vec::new(),
            functions: Vec::new(),
        };
        for (at, param) in params.iter().enumerate() {
            let Some(arg) = super::handed::given(call, at, &param.name).or(param.default.as_ref()) else {
                let message = format!("`{}` needs a value for `{}`", call.name.text, param.name.text);
                self.error(Diagnostic::new("42883", call.name.span, message).with_help(help()));
                return None;
            };
            if self.is_function(arg) {
                let name = param.name.text.clone();
                let closure = self.closure_of(arg)?;
                filled.functions.push(Closure { name, ..closure });
                continue;
            }
            let id = self.argument(arg, param, out)?;
            let (of, name) = (None, param.name.text.clone());
            filled.names.push(BodyName { of, name, id });
        }
        Some(filled)
    }

    /// A lambda that sees these names and functions.
    fn closing_over(&mut self, lambda: &ast::Lambda, filled: Filled) -> Closure {
        let names = std::mem::replace(&mut self.names, filled.names);
        let closures = std::mem::replace(&mut self.closures, filled.functions);
        let words = self.words_in(lambda);
        let closure = Closure {
            name: String::new(),
            kept: self.mentioned(lambda, &words),
            functions: self.functions_in(lambda, &words),
            lambda: Arc::new(lambda.clone()),
            written: None,
        };
        (self.names, self.closures) = (names, closures);
        closure
    }
}

fn name_of(closure: &Closure) -> Ident {
    Ident {
        text: closure.name.clone(),
        quoted: true,
        span: ast::Span::default(),
    }
}

/// Checks a definition that gives a function: what stands before its lambda, for the types of its parameters, if those are written.
pub(super) fn checked(
    definition: &Definition,
    instances: &mut Instances,
    tables: &mut dyn TableResolver,
) -> Result<Option<Callable>, Vec<Diagnostic>> {
    let mut types = Vec::with_capacity(definition.routine.params.len());
    for param in &definition.routine.params {
        let ty = param
            .ty
            .as_ref()
            .map(|ty| bind_type(ty, definition.dialect, &instances.types));
        types.push(ty.transpose()?);
    }
    let shown = types.iter().map(|ty| ty.as_ref().map(ToString::to_string)).collect();
    if let (Some(keeping), Some(types)) = (definition.keeping(&[]), types.into_iter().collect::<Option<Vec<_>>>()) {
        let types: Vec<(LogicalType, bool)> = types.into_iter().map(|ty| (ty, true)).collect();
        let span = definition
            .routine
            .name
            .first()
            .map_or_else(ast::Span::default, |name| name.span);
        let checked = instances.lambda(&Arc::new(keeping), &types, span, Some(tables));
        checked.map_err(|error| vec![error])?;
    }
    let result = Some("function".to_owned());
    Ok(Some(Callable { params: shown, result }))
}
