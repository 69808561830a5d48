//! What a model's body does before its query: tests that throw, loops, rows that it writes elsewhere.
//!
//! `{ if batch < 0 { throw EtlError('batch') } let k = batch * 2; select id, v * k as v from raw }` is a function of `batch` that gives `{k}`, and a
//! query of `batch` and `k`.
//!
//! Invariants: it runs before each interval, in the run's transaction; the query sees the variables that the body's outermost level has made.
//!
//! Does not: run the query.

use std::sync::Arc;

use gobi_grammar::ast::{self, Expr, ExprKind, Ident, Span, StatementKind as K, Value as Written};

use super::Given;
use crate::plan::RoutineCall;
use crate::plan::routine::Variable;
use crate::procedure::Definition;
use crate::session::change::Running;
use crate::session::routines::naming::Naming;
use crate::session::routines::{Held, body, define};
use crate::session::{Error, Session};
use crate::types::{LogicalType, Value};

/// The statements before a model's query.
#[derive(Clone, Debug)]
pub struct Before {
    /// The function that they are.
    definition: Definition,
}

impl Before {
    /// Statements of a model's body.
    pub fn of(model: &Definition, statements: &[ast::Statement], query: Span) -> Self {
        let span = statements.iter().fold(
            statements.first().map_or(Span::default(), |first| first.span),
            |all, next| all.to(next.span),
        );
        let mut made: Vec<Ident> = Vec::new();
        for statement in statements {
            if let K::Let(variable) = &statement.kind
                && !define::is_lambda(variable)
                && made
                    .iter()
                    .all(|known| !known.text.eq_ignore_ascii_case(&variable.name.text))
            {
                made.push(variable.name.clone());
            }
        }
        let value = |name: &Ident| Expr {
            kind: ExprKind::Name(vec![name.clone()]),
            span: name.span,
        };
        let result = Expr {
            kind: match made.is_empty() {
                true => ExprKind::Literal(ast::Literal::Boolean(true)),
                false => ExprKind::Struct(made.iter().map(|name| (name.clone(), value(name))).collect()),
            },
            span,
        };
        let mut statements = statements.to_vec();
        statements.push(ast::Statement {
            kind: K::Return(Some(Box::new(Written::Expr(result)))),
            span: query,
        });
        let mut definition = model.clone();
        definition.routine.metadata.clear();
        definition.routine.returns = ast::Returns::Inferred;
        definition.routine.body = ast::RoutineBody::Block(ast::Block { statements, span });
        Self {
            definition: Definition::of_routine(&model.name, definition.routine, model.dialect, &|_| true),
        }
    }

    /// The function, with a parameter for each value that is given.
    fn function(&self, given: &Given) -> Definition {
        let mut definition = self.definition.clone();
        let params = &mut definition.routine.params;
        for param in params.iter_mut() {
            param.default = None;
        }
        for name in super::INTERVAL {
            if given.contains_key(name) {
                let name = ident(name);
                params.push(ast::Param {
                    name,
                    ty: None,
                    default: None,
                });
            }
        }
        definition
    }

    /// Checks it, and adds the types of its variables to those of the parameters; what it names goes into `named`.
    pub fn look(&self, session: &mut Session, given: &mut Given, named: &mut Naming) -> Result<(), Error> {
        let function = self.function(given);
        let params = function.routine.params.clone();
        let args = params.iter().map(|param| {
            let ty = given.get(&param.name.text.to_lowercase());
            let ty = ty.map_or(LogicalType::Null, |(ty, _)| ty.clone());
            (Some(&param.name), ty, true)
        });
        let name = ident(&function.name);
        let call = RoutineCall {
            name: &name,
            args: args.collect(),
        };
        let kept = session.relations.routines.known.clone();
        session.relations.routines.known.try_stored(Arc::new(function.clone()));
        let result = define::checked_call(session, &function, &call, named);
        session.relations.routines.known = kept;
        let LogicalType::Struct(fields) = result? else {
            return Ok(());
        };
        for field in fields {
            given.insert(field.name.to_lowercase(), (field.ty, Value::Null));
        }
        Ok(())
    }

    /// Runs it with what is given, to which its variables are added.
    pub fn run(&self, session: &mut Session, given: &mut Given, running: Running) -> Result<(), Error> {
        let function = self.function(given);
        let named = |param: &ast::Param| Expr {
            kind: ExprKind::Name(vec![param.name.clone()]),
            span: running.span,
        };
        let call = Expr {
            kind: ExprKind::Call(ast::Call {
                name: ident(&function.name),
                distinct: false,
                star: false,
                args: function.routine.params.iter().map(named).collect(),
                filter: None,
            }),
            span: running.span,
        };
        let routines = &mut session.relations.routines;
        let mut known = routines.pinned.as_ref().unwrap_or(&routines.known).clone();
        known.try_stored(Arc::new(function));
        let pinned = routines.pinned.replace(known);
        let inside = routines.inside.take();
        let variables = std::mem::replace(&mut routines.variables, given.iter().map(held).collect());
        let taken = body::taken(session, &call, running);
        let routines = &mut session.relations.routines;
        (routines.pinned, routines.inside, routines.variables) = (pinned, inside, variables);
        let Some((LogicalType::Struct(fields), Value::Struct(values))) = taken? else {
            return Ok(());
        };
        for (field, value) in fields.into_iter().zip(values.iter()) {
            given.insert(field.name.to_lowercase(), (field.ty, value.clone()));
        }
        Ok(())
    }
}

fn held((name, (ty, value)): (&String, &(LogicalType, Value))) -> Held {
    Held {
        variable: Variable {
            name: name.clone(),
            ty: ty.clone(),
            nullable: true,
            full: false,
        },
        declared: true,
        value: value.clone(),
    }
}

fn ident(name: &str) -> Ident {
    Ident {
        text: name.to_owned(),
        quoted: true,
        span: Span::default(),
    }
}
