//! Functions whose value is a function.
//!
//! `function adder(n int) => x => x + n` gives, for `adder(2)`, the lambda `x => x + n` with 2 for `n`; one with statements before its value,
//! as `{ let k = n * 2; x => x + k }`, does these where it is called. The value may be a lambda, the name of a function, or a call of another
//! function that gives one.
//!
//! Invariants: which function a call gives is known where it is checked; a function that may give one of two is none of these.
//!
//! Does not: call anything.

use std::sync::Arc;

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    ArmBody, Call, Expr, ExprKind, Ident, Lambda, Mode, Returns, Routine, RoutineBody, Statement, StatementKind as K,
    Value,
};

use super::{Definition, Definitions};

/// Functions that give what others give name each other so deep at most.
const MOST_WITHIN: usize = 64;

/// A body that may give a function: the names of its parameters, its statements, and the value behind them.
#[derive(Clone, Debug)]
pub(super) struct Giving<'b> {
    params: Vec<&'b Ident>,
    pub(super) before: &'b [Statement],
    pub(super) value: &'b Expr,
}

/// What is known of names from around a body.
pub(super) trait Around {
    /// Whether a name is that of a function.
    fn is_function(&self, name: &str) -> bool;

    /// Whether a call of a function of that name gives a function; `deep` others have asked.
    fn gives_function(&self, name: &str, deep: usize) -> bool;
}

/// What definitions say: all, or those of the database.
pub(super) struct Defined<'d> {
    pub(super) definitions: &'d dyn Definitions,
    pub(super) stored: bool,
}

impl Defined<'_> {
    fn find(&self, name: &str) -> Option<Arc<Definition>> {
        match self.stored {
            true => self.definitions.stored(name).0,
            false => self.definitions.find(name),
        }
    }
}

impl Around for Defined<'_> {
    fn is_function(&self, name: &str) -> bool {
        self.find(name).is_some_and(|definition| !definition.routine.is_model())
    }

    fn gives_function(&self, name: &str, deep: usize) -> bool {
        self.find(name)
            .is_some_and(|definition| definition.gives_function_here(self.definitions, deep))
    }
}

impl Definition {
    /// Whether what it gives is a function.
    pub fn gives_function(&self, definitions: &dyn Definitions) -> bool {
        self.gives_function_here(definitions, 0)
    }

    fn gives_function_here(&self, definitions: &dyn Definitions, deep: usize) -> bool {
        let giving = self.giving();
        let around = Defined {
            definitions,
            stored: self.stored,
        };
        giving.is_some_and(|giving| giving.is_function(&around, deep))
    }

    /// Its body as one that may give a function.
    pub(super) fn giving(&self) -> Option<Giving<'_>> {
        let routine = &self.routine;
        let plain = !routine.is_model()
            && routine.receiver.is_none()
            && routine.mode != Some(Mode::Async)
            && routine.returns == Returns::Inferred;
        match plain {
            true => Giving::of_routine(routine),
            false => None,
        }
    }
}

impl<'b> Giving<'b> {
    /// Of the body of a function.
    pub(super) fn of_routine(routine: &'b Routine) -> Option<Self> {
        let params = routine.params.iter().map(|param| &param.name).collect();
        match &routine.body {
            RoutineBody::Value(Value::Expr(value)) => Self::of(params, &[], value),
            RoutineBody::Value(_) => None,
            RoutineBody::Block(block) => Self::of_statements(params, &block.statements),
        }
    }

    /// Of a lambda.
    pub(super) fn of_lambda(lambda: &'b Lambda) -> Option<Self> {
        let params = lambda.params.iter().collect();
        match &lambda.body {
            ArmBody::Expr(value) => Self::of(params, &[], value),
            ArmBody::Block(block) => Self::of_statements(params, &block.statements),
        }
    }

    fn of_statements(params: Vec<&'b Ident>, statements: &'b [Statement]) -> Option<Self> {
        let (last, before) = statements.split_last()?;
        match &last.kind {
            K::Eval(value) => Self::of(params, before, value),
            K::Return(Some(value)) => match &**value {
                Value::Expr(value) => Self::of(params, before, value),
                _ => None,
            },
            _ => None,
        }
    }

    fn of(params: Vec<&'b Ident>, before: &'b [Statement], value: &'b Expr) -> Option<Self> {
        let may_be = matches!(value.kind, ExprKind::Lambda(_) | ExprKind::Name(_) | ExprKind::Call(_));
        may_be.then_some(Self { params, before, value })
    }

    /// Whether its value is a function.
    pub(super) fn is_function(&self, around: &dyn Around, deep: usize) -> bool {
        deep < MOST_WITHIN
            && self.is_function_behind(self.before, self.value, around, deep)
            && !self.before.iter().any(leaves)
    }

    fn is_function_behind(&self, before: &'b [Statement], value: &'b Expr, around: &dyn Around, deep: usize) -> bool {
        match &value.kind {
            ExprKind::Lambda(_) => true,
            ExprKind::Name(path) => match path.as_slice() {
                [name] => match self.local(before, &name.text) {
                    Some(Local::Value) => false,
                    Some(Local::Function(_)) => true,
                    Some(Local::Let(before, value)) => self.is_function_behind(before, value, around, deep),
                    None => around.is_function(&name.text),
                },
                [module, name] if self.local(before, &module.text).is_none() => {
                    around.is_function(&format!("{}.{}", module.text, name.text))
                }
                _ => false,
            },
            ExprKind::Call(call) => match self.local(before, &call.name.text) {
                Some(Local::Function(giving)) => giving.is_some_and(|giving| giving.is_function(around, deep + 1)),
                Some(_) => false,
                None => {
                    let of_module = module_of(call).filter(|module| self.local(before, &module.text).is_none());
                    let whole = of_module.map(|module| format!("{}.{}", module.text, call.name.text));
                    around.gives_function(&call.name.text, deep + 1)
                        || whole.is_some_and(|whole| around.gives_function(&whole, deep + 1))
                }
            },
            _ => false,
        }
    }

    /// What a name stands for that the body declares.
    fn local(&self, before: &'b [Statement], name: &str) -> Option<Local<'b>> {
        let same = |other: &Ident| other.text.eq_ignore_ascii_case(name);
        for (at, statement) in before.iter().enumerate().rev() {
            match &statement.kind {
                K::Let(variable) if same(&variable.name) => {
                    return Some(match &variable.value {
                        Value::Expr(value) => match &value.kind {
                            ExprKind::Lambda(lambda) => Local::Function(Self::of_lambda(lambda)),
                            _ => Local::Let(&before[..at], value),
                        },
                        _ => Local::Value,
                    });
                }
                K::Routine(routine) if routine.name.last().is_some_and(same) => {
                    return Some(Local::Function(Self::of_routine(routine)));
                }
                _ => {}
            }
        }
        let is_param = self.params.iter().any(|param| same(param));
        is_param.then_some(Local::Value)
    }
}

/// What a name in a body stands for.
enum Local<'b> {
    /// A value, as far as is known.
    Value,
    /// What this is behind these statements.
    Let(&'b [Statement], &'b Expr),
    /// A function, and what that gives if it may be a function.
    Function(Option<Giving<'b>>),
}

/// The module of `m.f(x)`.
fn module_of(call: &Call) -> Option<&Ident> {
    match call.args.first().map(|first| &first.kind) {
        Some(ExprKind::Name(path)) => match path.as_slice() {
            [module] => Some(module),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a statement may leave the body.
fn leaves(statement: &Statement) -> bool {
    struct Left(bool);
    impl VisitMut for Left {
        fn statement(&mut self, statement: &mut Statement) {
            match &statement.kind {
                K::Return(_) => self.0 = true,
                // Inside of another function.
                K::Routine(_) => {}
                _ => visit::walk_statement(self, statement),
            }
        }

        fn lambda(&mut self, _: &mut Lambda) {}
    }
    let mut left = Left(false);
    left.statement(&mut statement.clone());
    left.0
}
