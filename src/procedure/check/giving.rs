//! Calls of functions that give functions.
//!
//! `let plus = adder(2)` makes `plus` a name for the lambda that `adder` gives, which keeps the 2; `xs.map(adder(2))` hands that on. What
//! `adder` does before it gives the lambda is done where the call stands.
//!
//! Invariants: what such a call computes is computed once, where it stands; a name stands for one function, whatever values that keeps.
//!
//! Does not: know which definitions give functions; `giving` of the definitions does.

use std::sync::Arc;

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{self, ExprKind, Ident, RoutineBody, Span, StatementKind as K, TypeName, Value};
use gobi_grammar::{Diagnostic, Dialect};

use super::super::giving::{Around, Defined, Giving};
use super::super::instances::Instances;
use super::super::params::{self, signature};
use super::super::{Definition, Handed};
use super::super::{chain, generics, inferring};
use super::lambda::Closure;
use super::{Callable, Checker};
use crate::plan::logical::ColumnId;
use crate::plan::routine::Statement;
use crate::plan::{BodyName, RoutineCall, TableResolver, bind_type};
use crate::types::LogicalType;
use crate::types::stack::with_room;

/// Functions that give what others give stand within each other so deep at most.
const MOST_GIVERS: usize = 64;

/// A function that gives one: its body, and what that sees beside its parameters.
struct Giver {
    params: Vec<ast::Param>,
    before: Vec<ast::Statement>,
    value: ast::Expr,
    names: Vec<BodyName>,
    closures: Vec<Closure>,
    definition: Option<Arc<Definition>>,
    /// What its calls look like.
    shape: String,
}

/// What the parameters of a call are given: values and functions.
#[derive(Default)]
struct Filled {
    names: Vec<BodyName>,
    functions: Vec<Closure>,
}

/// What the body of a closure sees.
struct Inside<'i> {
    closure: &'i Closure,
    defined: Defined<'i>,
}

impl Around for Inside<'_> {
    fn is_function(&self, name: &str) -> bool {
        let is_value = |kept: &BodyName| kept.name.eq_ignore_ascii_case(name);
        match self.closure.inside().iter().any(|function| function.is(name)) {
            true => true,
            false => !self.closure.kept.iter().any(is_value) && self.defined.is_function(name),
        }
    }

    fn gives_function(&self, name: &str, deep: usize) -> bool {
        match self.closure.inside().iter().find(|function| function.is(name)) {
            Some(function) => function.gives_function(self.defined.definitions, deep),
            None => self.defined.gives_function(name, deep),
        }
    }
}

impl Closure {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Its body as one that may give a function.
    fn giving(&self) -> Option<Giving<'_>> {
        match &self.written {
            None => Giving::of_lambda(&self.lambda),
            Some(written) if written.returns == ast::Returns::Inferred => Giving::of_routine(written),
            Some(_) => None,
        }
    }

    fn gives_function(&self, definitions: &dyn super::super::Definitions, deep: usize) -> bool {
        let inside = Inside {
            closure: self,
            defined: Defined {
                definitions,
                stored: false,
            },
        };
        self.giving().is_some_and(|giving| giving.is_function(&inside, deep))
    }

    /// Whether it is the same function as another one, but for the values that it keeps.
    fn is_like(&self, other: &Self) -> bool {
        let mut kept = self.kept.iter().zip(&other.kept);
        let mut functions = self.functions.iter().zip(other.functions.iter());
        self.lambda == other.lambda
            && self.written == other.written
            && self.kept.len() == other.kept.len()
            && self.functions.len() == other.functions.len()
            && kept.all(|(own, other)| own.of == other.of && own.name == other.name)
            && functions.all(|(own, other)| own.is(&other.name) && own.is_like(other))
    }
}

impl Checker<'_> {
    /// Whether a call gives a function.
    pub(super) fn gives_function(&self, call: &ast::Call) -> bool {
        let definitions = &*self.instances.definitions;
        match self.closure(&call.name.text) {
            Some(closure) => closure.gives_function(definitions, 0),
            None => match self.of_module(call) {
                Some(Ok(call)) => self.instances.gives_function(&call),
                _ => self.instances.gives_function(call),
            },
        }
    }

    /// LET of a function that a call gives, or that has another name; `None` if it is another LET.
    pub(super) fn let_function(&mut self, variable: &ast::Let, out: &mut Vec<Statement>) -> Option<()> {
        let Value::Expr(value) = &variable.value else {
            return None;
        };
        if variable.ty.is_some() || self.has_value(&variable.name) || !self.is_function(value) {
            return None;
        }
        let Some(closure) = self.closure_for(value, out) else {
            return Some(());
        };
        let name = variable.name.text.clone();
        let closure = Closure { name, ..closure };
        match self
            .closure(&closure.name)
            .filter(|known| known.is_like(&closure))
            .cloned()
        {
            Some(known) if self.has_types_of(&known, &closure) => self.give_again(&known, &closure, out),
            _ => {
                let closure = self.owned(closure, out);
                self.closures.push(closure);
            }
        }
        Some(())
    }

    /// Whether a name is that of a variable; one of a script that has no type and no value yet is none.
    fn has_value(&self, name: &Ident) -> bool {
        self.find(&name.text)
            .is_some_and(|id| self.flow.has(id) || self.variables[id.0 as usize].ty != LogicalType::Null)
    }

    /// The assignment of a function to a name that stands for one; whether it is one.
    pub(super) fn assign_function(&mut self, assign: &ast::Assign, out: &mut Vec<Statement>) -> bool {
        if self.assign_outer(&assign.name) {
            return true;
        }
        let Value::Expr(value) = &assign.value else {
            return false;
        };
        if !assign.path.is_empty() || self.find(&assign.name.text).is_some() || !self.is_function(value) {
            return false;
        }
        let Some(known) = self.closure(&assign.name.text).cloned() else {
            return false;
        };
        let Some(closure) = self.closure_for(value, out) else {
            return true;
        };
        match known.is_like(&closure) {
            true => self.give_again(&known, &closure, out),
            false => {
                let name = &assign.name.text;
                let message = format!("`{name}` stands for one function; assigning another one is not supported yet");
                let help = "what one and the same function gives for other values may be assigned; give others names of their own";
                self.error(Diagnostic::new("0A000", value.span, message).with_help(help));
            }
        }
        true
    }

    /// An error for a function that is not the body's own; whether a name is that of one, and of nothing nearer.
    fn assign_outer(&mut self, name: &Ident) -> bool {
        if self.find(&name.text).is_some() || self.closure(&name.text).is_some() || self.is_row(&name.text) {
            return false;
        }
        let Some(definition) = self.instances.definitions.find(&name.text) else {
            return false;
        };
        let name_text = &name.text;
        let error = match definition.stored {
            true => Diagnostic::new(
                "42809",
                name.span,
                format!("`{name_text}` is a function, and no variable"),
            ),
            false => {
                let message =
                    format!("assigning `{name_text}`, which is a function, within a block is not supported yet");
                let help = format!(
                    "do so in a statement of its own, or give the function a name in the block: `let f = …` instead of `{name_text} = …`"
                );
                Diagnostic::new("0A000", name.span, message).with_help(help)
            }
        };
        self.error(error);
        true
    }

    /// Whether what two functions keep has the same types.
    fn has_types_of(&self, known: &Closure, other: &Closure) -> bool {
        let ty = |name: &BodyName| &self.variables[name.id.0 as usize].ty;
        let mut kept = known.kept.iter().zip(&other.kept);
        let mut functions = known.functions.iter().zip(other.functions.iter());
        kept.all(|(own, other)| ty(own) == ty(other)) && functions.all(|(own, other)| self.has_types_of(own, other))
    }

    /// A function keeps what another one like it keeps.
    fn give_again(&mut self, known: &Closure, other: &Closure, out: &mut Vec<Statement>) {
        for (own, other) in known.kept.iter().zip(&other.kept) {
            let value = self.held(other.id, Span::default());
            self.set(own.id, value, out);
        }
        for (own, other) in known.functions.iter().zip(other.functions.iter()) {
            self.give_again(own, other, out);
        }
    }

    /// LET of a function, and a struct of what that keeps as the value of the body; `None` after an error.
    pub(super) fn let_as_value(&mut self, variable: &ast::Let, out: &mut Vec<Statement>) -> Option<Handed> {
        let Value::Expr(value) = &variable.value else {
            return None;
        };
        let closure = self.closure_for(value, out)?;
        let mut kept = Vec::new();
        let function = closure.handed(&mut kept).of_constants();
        if !kept.is_empty() {
            let field = |(at, id): (usize, &ColumnId)| {
                let name = ident(&format!("k{at}"), value.span);
                (name, self.reference(*id, value.span))
            };
            let kind = ExprKind::Struct(kept.iter().enumerate().map(field).collect());
            let span = value.span;
            self.return_value(Some(&Value::Expr(ast::Expr { kind, span })), span, out);
        }
        Some(function)
    }

    /// The call with names for the functions that calls among its arguments give, and among those of the calls that it goes on with.
    pub(super) fn with_named_functions(&mut self, call: &ast::Call, out: &mut Vec<Statement>) -> Option<ast::Call> {
        let mut call = call.clone();
        for arg in &mut call.args {
            let arg = match &mut arg.kind {
                ExprKind::Named { value, .. } => &mut **value,
                _ => arg,
            };
            let ExprKind::Call(inner) = &mut arg.kind else {
                continue;
            };
            if self.gives_function(inner) {
                let closure = self.closure_for(arg, out)?;
                let name = ident(&format!("\0f{}", self.closures.len()), arg.span);
                self.closures.push(Closure {
                    name: name.text.clone(),
                    ..closure
                });
                arg.kind = ExprKind::Name(vec![name]);
            } else if chain::takes_function(&inner.name.text) && !self.is_own(&inner.name.text) {
                *inner = self.with_named_functions(inner, out)?;
            }
        }
        Some(call)
    }

    /// The function that an expression stands for.
    pub(super) fn closure_for(&mut self, expr: &ast::Expr, out: &mut Vec<Statement>) -> Option<Closure> {
        let ExprKind::Call(call) = &expr.kind else {
            return self.closure_of(expr);
        };
        let call = match self.of_module(call) {
            Some(Ok(member)) if self.closure(&call.name.text).is_none() => member,
            _ => call.clone(),
        };
        let mut giver = self.giver(&call)?;
        if self.givers >= MOST_GIVERS {
            let message = format!("functions that give functions call each other more than {MOST_GIVERS} deep");
            self.error(Diagnostic::new("54001", call.name.span, message));
            return None;
        }
        let filled = self.filled(&mut giver, &call, out)?;
        with_room(|| self.given(giver, filled, out))
    }

    /// The function of a call that gives one.
    fn giver(&self, call: &ast::Call) -> Option<Giver> {
        if let Some(closure) = self.closure(&call.name.text) {
            let giving = closure.giving()?;
            let param = |name: &Ident| ast::Param {
                name: name.clone(),
                ty: None,
                default: None,
            };
            let params = match &closure.written {
                Some(written) => written.params.clone(),
                None => closure.lambda.params.iter().map(param).collect(),
            };
            return Some(Giver {
                before: giving.before.to_vec(),
                value: giving.value.clone(),
                names: closure.kept.clone(),
                closures: closure.inside(),
                definition: None,
                shape: params::shape(&call.name.text, &params),
                params,
            });
        }
        let definition = self.instances.definitions.find_at(&call.name)?;
        let giving = definition.giving()?;
        Some(Giver {
            params: definition.routine.params.clone(),
            before: giving.before.to_vec(),
            value: giving.value.clone(),
            names: Vec::new(),
            closures: Vec::new(),
            shape: signature(&definition),
            definition: Some(Arc::clone(&definition)),
        })
    }

    /// What a function gives for what its parameters have: what it does before is done here.
    fn given(&mut self, giver: Giver, filled: Filled, out: &mut Vec<Statement>) -> Option<Closure> {
        let names = std::mem::replace(&mut self.names, giver.names);
        let closures = std::mem::replace(&mut self.closures, giver.closures);
        let (dialect, loops, shows, lets) = (self.dialect, self.loops, self.shows, self.lets.len());
        (self.loops, self.shows) = (0, false);
        self.givers += 1;
        if let Some(definition) = &giver.definition {
            self.instances.note_use(definition);
            self.dialect = definition.dialect;
            let constants = self.variables.len();
            out.extend(self.constants(&definition.constants));
            self.take_functions(&definition.functions, constants);
        }
        self.names.extend(filled.names);
        self.closures.extend(filled.functions);
        let before = self.statements(&giver.before);
        out.extend(before);
        let closure = self.closure_for(&giver.value, out);
        self.givers -= 1;
        self.lets.truncate(lets);
        (self.dialect, self.loops, self.shows) = (dialect, loops, shows);
        (self.names, self.closures) = (names, closures);
        closure
    }

    /// The values of a call's arguments, by the names of the parameters.
    fn filled(&mut self, giver: &mut Giver, call: &ast::Call, out: &mut Vec<Statement>) -> Option<Filled> {
        if call.args.len() > giver.params.len() {
            let (takes, given) = (giver.params.len(), call.args.len());
            let plural = if takes == 1 { "" } else { "s" };
            let message = format!("`{}` takes {takes} argument{plural}, not {given}", call.name.text);
            self.error(Diagnostic::new("42883", call.name.span, message).with_help(giver.shape.clone()));
            return None;
        }
        let (mut filled, mut values) = (Filled::default(), Vec::new());
        for (at, param) in giver.params.iter().enumerate() {
            let Some(arg) = super::handed::given(call, at, &param.name).or(param.default.as_ref()) else {
                let message = format!("`{}` needs a value for `{}`", call.name.text, param.name.text);
                self.error(Diagnostic::new("42883", call.name.span, message).with_help(giver.shape.clone()));
                return None;
            };
            if self.is_function(arg) {
                let name = param.name.text.clone();
                let closure = self.closure_for(arg, out)?;
                filled.functions.push(self.owned(Closure { name, ..closure }, out));
                continue;
            }
            let value = self.expr(arg, out)?;
            let (span, id) = (arg.span, self.new_variable("", Some(value.ty.clone()), false));
            self.set(id, value, out);
            values.push((at, id, span));
        }
        self.bind_generics(giver, &values, call)?;
        for (at, id, span) in values {
            let param = &giver.params[at];
            let value = self.held(id, span);
            let value = self.fitting(value, param)?;
            let id = self.new_variable("", Some(value.ty.clone()), false);
            self.set(id, value, out);
            let (of, name) = (None, param.name.text.clone());
            filled.names.push(BodyName { of, name, id });
        }
        Some(filled)
    }

    /// Puts types in the places of what stands for them.
    fn bind_generics(&mut self, giver: &mut Giver, values: &[(usize, ColumnId, Span)], call: &ast::Call) -> Option<()> {
        let definition = giver.definition.clone();
        let Some(definition) = definition.filter(|definition| !definition.routine.type_params.is_empty()) else {
            return Some(());
        };
        let arg = |(at, id, _): &(usize, ColumnId, Span)| {
            let name = &definition.routine.params[*at].name;
            (Some(name), self.variables[id.0 as usize].ty.clone(), true)
        };
        let call = RoutineCall {
            name: &call.name,
            args: values.iter().map(arg).collect(),
        };
        let types = generics::bound(&definition, &call, &self.instances.definitions.types());
        let written = types.and_then(|types| {
            let bound = types.bound().iter();
            let written = bound.map(|(name, ty)| Some((name.clone(), written_type(ty)?)));
            written.collect::<Option<Vec<_>>>().ok_or_else(|| {
                let message = "a function that gives another one, for such a type, is not supported yet";
                Diagnostic::new("0A000", call.name.span, message)
            })
        });
        let mut types = match written {
            Ok(written) => Types(written),
            Err(error) => {
                self.error(error);
                return None;
            }
        };
        giver
            .params
            .iter_mut()
            .filter_map(|param| param.ty.as_mut())
            .for_each(|ty| types.type_name(ty));
        giver.before.iter_mut().for_each(|statement| types.statement(statement));
        types.expr(&mut giver.value);
        Some(())
    }
}

/// What the names of types stand for.
struct Types(Vec<(String, TypeName)>);

impl VisitMut for Types {
    fn type_name(&mut self, ty: &mut TypeName) {
        match self.0.iter().find(|(name, _)| ty.name.eq_ignore_ascii_case(name)) {
            Some((_, bound)) => {
                *ty = TypeName {
                    span: ty.span,
                    ..bound.clone()
                }
            }
            None => visit::walk_type_name(self, ty),
        }
    }
}

/// A type as it is written; `None` if it cannot be.
fn written_type(ty: &LogicalType) -> Option<TypeName> {
    let parsed = gobi_grammar::parse(&format!("let x: {ty} = null"), Dialect::Grizzly);
    match parsed.statements.into_iter().next()?.kind {
        K::Let(variable) if parsed.diagnostics.is_empty() => variable.ty,
        _ => None,
    }
}

fn ident(text: &str, span: Span) -> Ident {
    let (text, quoted) = (text.to_owned(), true);
    Ident { text, quoted, span }
}

/// Checks a definition that gives a function: what stands before its value.
pub(super) fn checked(
    definition: &Definition,
    instances: &mut Instances,
    tables: &mut dyn TableResolver,
) -> Result<Option<Callable>, Vec<Diagnostic>> {
    let Some(keeping) = keeping(definition) else {
        return Ok(None);
    };
    let mut types = Vec::with_capacity(definition.routine.params.len());
    for param in &definition.routine.params {
        let ty = param
            .ty
            .as_ref()
            .map(|ty| bind_type(ty, definition.dialect, &instances.types));
        types.push(ty.transpose()?);
    }
    let result = Some("function".to_owned());
    if types.contains(&None) {
        let inferred = inferring::inferred(&keeping, &types, instances, tables)?;
        let params = inferred.map_or_else(|| shown(&types), |inferred| inferred.params);
        return Ok(Some(Callable { params, result }));
    }
    let params = shown(&types);
    let types: Vec<(LogicalType, bool)> = types.into_iter().flatten().map(|ty| (ty, true)).collect();
    let span = definition
        .routine
        .name
        .first()
        .map_or_else(Span::default, |name| name.span);
    let checked = instances.lambda(&Arc::new(keeping), &types, span, Some(tables));
    checked.map_err(|error| vec![error])?;
    Ok(Some(Callable { params, result }))
}

fn shown(types: &[Option<LogicalType>]) -> Vec<Option<String>> {
    types.iter().map(|ty| ty.as_ref().map(ToString::to_string)).collect()
}

/// The function that does what stands before the value, and gives that a name.
fn keeping(definition: &Definition) -> Option<Definition> {
    let giving = definition.giving()?;
    let span = giving.value.span;
    let of = |kind| ast::Statement { kind, span };
    let mut statements = giving.before.to_vec();
    statements.push(of(K::Let(Box::new(ast::Let {
        name: ident("\0given", span),
        ty: None,
        value: Value::Expr(giving.value.clone()),
    }))));
    let done = ExprKind::Literal(ast::Literal::Boolean(true));
    statements.push(of(K::Return(Some(Box::new(Value::Expr(ast::Expr {
        kind: done,
        span,
    }))))));
    let mut routine = definition.routine.clone();
    routine.body = RoutineBody::Block(ast::Block { statements, span });
    Some(Definition {
        name: format!("{}@kept", definition.name),
        routine,
        asked: std::sync::OnceLock::new(),
        words: std::sync::OnceLock::new(),
        ..definition.clone()
    })
}
