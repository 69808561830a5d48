//! What a model's body does before its query: tests that throw, loops, rows that it writes elsewhere.
//!
//! `{ if batch < 0 { throw EtlError('batch') } let k = batch * 2; select id, v * k as v from raw }` is a procedure of `batch`, whose last result are
//! the model's rows.
//!
//! Invariants: it runs for each interval, in the run's transaction; the query sees the variables and functions of the body.
//!
//! Does not: keep the rows.

use std::sync::Arc;

use gobi_grammar::ast::{self, Expr, ExprKind, Ident, Span, StatementKind as K};

use super::Given;
use super::parts::Seen;
use crate::plan::RoutineCall;
use crate::plan::routine::Variable;
use crate::procedure::{Definition, OF_INTERVALS, Question, QuestionKind};
use crate::session::change::Running;
use crate::session::routines::naming::Naming;
use crate::session::routines::{Held, body, define};
use crate::session::{Error, ResultStream, Session};
use crate::types::{LogicalType, Value};

/// The statements before a model's query, and the query.
#[derive(Clone, Debug)]
pub struct Before {
    /// The procedure that they are, which shows the query's rows at its end.
    definition: Definition,
    /// Where the query stands.
    query: Span,
}

impl Before {
    /// Statements of a model's body, and what is behind them.
    pub fn of(model: &Definition, statements: &[ast::Statement], query: &ast::Query) -> Self {
        let span = statements
            .iter()
            .fold(query.span, |all, statement| statement.span.to(all));
        let mut statements = statements.to_vec();
        statements.push(ast::Statement {
            kind: K::Query(query.clone()),
            span: query.span,
        });
        let mut definition = model.clone();
        definition.routine.metadata.clear();
        definition.routine.is_procedure = true;
        definition.routine.returns = ast::Returns::Inferred;
        definition.routine.body = ast::RoutineBody::Block(ast::Block { statements, span });
        Self {
            definition: Definition::of_routine(&model.name, definition.routine, model.dialect, &|_| true),
            query: query.span,
        }
    }

    /// The function, with a parameter for each value that is given.
    fn function(&self, given: &Given) -> Definition {
        let mut definition = self.definition.clone();
        let params = &mut definition.routine.params;
        for param in params.iter_mut() {
            param.default = None;
        }
        for name in OF_INTERVALS {
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

    /// Checks it; what its query sees. What it names goes into `named`.
    pub fn look(&self, session: &mut Session, given: &Given, named: &mut Naming) -> Result<Seen, Error> {
        let function = self.function(given);
        let params = function.routine.params.clone();
        let args = params.iter().map(|param| {
            let ty = given.get(&param.name.text.to_lowercase());
            let ty = ty.map_or(LogicalType::Null, |(ty, _)| ty.clone());
            (Some(&param.name), ty, true)
        });
        let mut name = ident(&function.name);
        // What cannot be told without a call is told where it is written.
        let untyped = params.iter().find(|param| param.ty.is_none());
        name.span = untyped.map(|param| param.name.span).unwrap_or_default();
        let call = RoutineCall {
            name: &name,
            args: args.collect(),
        };
        let kept = session.relations.routines.known.clone();
        session.relations.routines.known.try_stored(Arc::new(function.clone()));
        let asked = define::asked_by_call(session, &function, &call, named);
        session.relations.routines.known = kept;
        let asked = asked?.into_iter().rev();
        let of_query = |question: Question| match question.kind {
            QuestionKind::Show(query) if query.span == self.query => {
                let given = question.given.into_iter();
                Some(Seen {
                    query: *query,
                    given: given
                        .map(|(name, ty)| (name.to_lowercase(), (ty, Value::Null)))
                        .collect(),
                    functions: question.functions,
                })
            }
            _ => None,
        };
        let seen = asked.filter_map(of_query).next();
        seen.ok_or_else(|| super::super::unsupported("a model of this form", self.query))
    }

    /// Runs it with what is given; the rows of its query.
    pub fn run(&self, session: &mut Session, given: &Given, running: Running) -> Result<ResultStream, Error> {
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
        let shown = body::shown(session, &call, running);
        let routines = &mut session.relations.routines;
        (routines.pinned, routines.inside, routines.variables) = (pinned, inside, variables);
        let rows = shown?.pop();
        rows.ok_or_else(|| super::super::unsupported("a model of this form", self.query))
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
