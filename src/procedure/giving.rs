//! Functions whose value is a function.
//!
//! `function adder(n int) => x => x + n` gives, for `adder(2)`, the lambda `x => x + n` with 2 for `n`. One with statements before its lambda is made a function that
//! gives what the lambda names of it: `{ let k = n * 2; x => x + k }` gives `{k: k}`.
//!
//! Invariants: which lambda a call gives is known where it is checked; a function that may give one of two is none of these.
//!
//! Does not: call anything.

use gobi_grammar::ast::{
    ArmBody, Block, Expr, ExprKind, Ident, Lambda, Literal, Returns, RoutineBody, Statement, StatementKind as K, Value,
};

use super::{Definition, words_of};

impl Definition {
    /// The lambda that is its value, and the statements before that; `None` if it gives something else.
    pub fn given_function(&self) -> Option<(&Lambda, &[Statement])> {
        let routine = &self.routine;
        let plain = routine.metadata.is_empty()
            && routine.receiver.is_none()
            && routine.type_params.is_empty()
            && routine.returns == Returns::Inferred;
        if !plain {
            return None;
        }
        match &routine.body {
            RoutineBody::Value(Value::Expr(value)) => lambda_of(value).map(|lambda| (lambda, &[][..])),
            RoutineBody::Value(_) => None,
            RoutineBody::Block(block) => {
                let (last, before) = block.statements.split_last()?;
                let value = match &last.kind {
                    K::Eval(value) => &**value,
                    K::Return(Some(value)) => match &**value {
                        Value::Expr(value) => value,
                        _ => return None,
                    },
                    _ => return None,
                };
                lambda_of(value).map(|lambda| (lambda, before))
            }
        }
    }

    /// The names of its parameters and variables that the lambda which it gives mentions.
    pub fn names_kept(&self) -> Vec<Ident> {
        let Some((lambda, before)) = self.given_function() else {
            return Vec::new();
        };
        let words = words_of_lambda(self, lambda);
        let params = self.routine.params.iter().map(|param| &param.name);
        let lets = before.iter().filter_map(|statement| match &statement.kind {
            K::Let(variable) if !matches!(&variable.value, Value::Expr(value) if lambda_of(value).is_some()) => {
                Some(&variable.name)
            }
            _ => None,
        });
        let mut names: Vec<Ident> = Vec::new();
        for name in params.chain(lets) {
            let same = |other: &Ident| other.text.eq_ignore_ascii_case(&name.text);
            let is_hidden = lambda.params.iter().any(same);
            if !is_hidden && !names.iter().any(same) && words.contains(&name.text.to_lowercase()) {
                names.push(name.clone());
            }
        }
        names
    }

    /// The function that gives a struct of what the lambda keeps, but for the functions among its parameters.
    pub fn keeping(&self, functions: &[Ident]) -> Option<Self> {
        let (lambda, before) = self.given_function()?;
        let span = lambda.body.span();
        let is_function = |name: &Ident| {
            functions
                .iter()
                .any(|other| other.text.eq_ignore_ascii_case(&name.text))
        };
        let mut names = self.names_kept();
        names.retain(|name| !is_function(name));
        let value = |name: &Ident| Expr {
            kind: ExprKind::Name(vec![name.clone()]),
            span: name.span,
        };
        let kept = match names.is_empty() {
            true => ExprKind::Literal(Literal::Boolean(true)),
            false => ExprKind::Struct(names.iter().map(|name| (name.clone(), value(name))).collect()),
        };
        let mut statements = before.to_vec();
        statements.push(Statement {
            kind: K::Return(Some(Box::new(Value::Expr(Expr { kind: kept, span })))),
            span,
        });
        let mut routine = self.routine.clone();
        routine.params.retain(|param| !is_function(&param.name));
        routine.body = RoutineBody::Block(Block { statements, span });
        Some(Self {
            captured: self.captured.clone(),
            constants: self.constants.clone(),
            functions: self.functions.clone(),
            stored: self.stored,
            ..Self::of(format!("{}@kept", self.name), routine, self.dialect)
        })
    }
}

fn lambda_of(value: &Expr) -> Option<&Lambda> {
    match &value.kind {
        ExprKind::Lambda(lambda) => Some(lambda),
        _ => None,
    }
}

/// The lambda that a lambda gives.
pub(super) fn lambda_within(lambda: &Lambda) -> Option<&Lambda> {
    match &lambda.body {
        ArmBody::Expr(value) => lambda_of(value),
        ArmBody::Block(_) => None,
    }
}

fn words_of_lambda(definition: &Definition, lambda: &Lambda) -> std::collections::HashSet<String> {
    let span = lambda.body.span();
    let value = Expr {
        kind: ExprKind::Lambda(Box::new(lambda.clone())),
        span,
    };
    let kind = K::Eval(Box::new(value));
    words_of(&Statement { kind, span }, definition.dialect)
}
