//! What the body of a model is: the query that gives its rows, and what stands before it.
//!
//! `{ let rate = 0.19; select net * (1 + rate) as gross from sale }` is a query with one variable, which is computed before each interval.
//!
//! Invariants: a variable sees those before it, and the parameters; what is more than variables is a [`Before`].
//!
//! Does not: run models.

use std::sync::Arc;

use gobi_grammar::ast::{self, Expr, ExprKind, RoutineBody, Span, StatementKind as K, Value as Written};
use gobi_grammar::{Diagnostic, Dialect};

use super::Given;
use super::before::Before;
use crate::procedure::Definition;
use crate::session::change::Running;
use crate::session::relations::StatementTables;
use crate::session::routines::naming::Naming;
use crate::session::routines::{define as routine, given};
use crate::session::{Error, ResultStream, Session, define, statement};
use crate::types::{Value, cell};

/// The body of a model.
pub struct Parts {
    /// What is before the query.
    pub first: First,
    /// The query.
    pub query: ast::Query,
}

/// The query of a model with what it sees: variables, without values, and functions of the body that it calls.
pub struct Seen {
    pub query: ast::Query,
    pub given: Given,
    pub functions: Vec<Arc<Definition>>,
}

/// What stands before the query of a model.
pub enum First {
    /// Names, and the queries that give their values.
    Variables(Vec<(String, ast::Query)>),
    /// Statements of other kinds.
    Body(Box<Before>),
}

impl Parts {
    /// Of a definition; an error, if it is anything else.
    pub fn of(session: &Session, definition: &Definition) -> Result<Self, Error> {
        let body = match &definition.routine.body {
            RoutineBody::Value(Written::Query(query)) => Some((&[][..], (**query).clone())),
            RoutineBody::Value(_) => None,
            RoutineBody::Block(block) => of_block(&block.statements),
        };
        let (before, query) = body.ok_or_else(|| {
            let name = definition.routine.name.last();
            let last = match &definition.routine.body {
                RoutineBody::Block(block) => block.statements.last().map(|last| last.span),
                RoutineBody::Value(Written::Expr(value)) => Some(value.span),
                RoutineBody::Value(_) => None,
            };
            let span = last.unwrap_or_else(|| name.map_or_else(Span::default, |name| name.span));
            let message = "a model ends with the query whose rows it keeps";
            Error::new(
                Diagnostic::new("42601", span, message)
                    .with_help("write `=> select …`, or a query as the last statement"),
            )
        })?;
        let variable = |statement: &ast::Statement| match &statement.kind {
            K::Let(variable) if names_function(session, variable) => None,
            K::Let(variable) => Some((variable.name.text.clone(), value_of(variable)?)),
            _ => None,
        };
        let variables: Option<Vec<_>> = before.iter().map(variable).collect();
        let first = match variables {
            Some(variables) => First::Variables(variables),
            None => First::Body(Box::new(Before::of(definition, before, &query))),
        };
        Ok(Self { first, query })
    }

    /// An error for what the query and the variables before it may throw and `raises` does not name.
    pub fn check_raises(&self, session: &mut Session, definition: &Definition, given: &Given) -> Result<(), Error> {
        let before = match (&self.first, &definition.routine.body) {
            _ if definition.routine.raises.is_empty() => return Ok(()),
            // Those who look at it see to that.
            (First::Body(_), _) => return Ok(()),
            (First::Variables(_), RoutineBody::Block(block)) => of_block(&block.statements).map(|(before, _)| before),
            (First::Variables(_), RoutineBody::Value(_)) => None,
        };
        let body = Before::of(definition, before.unwrap_or_default(), &self.query);
        match body.look(session, given, &mut Naming::default()) {
            // What else is wrong is told by those who look at the parts.
            Err(error) if error.diagnostics.iter().any(|first| first.code == "42P20") => Err(error),
            _ => Ok(()),
        }
    }

    /// What the query sees: the parameters, and what stands before it. What that names goes into `named`.
    pub fn look(
        &self,
        session: &mut Session,
        dialect: Dialect,
        mut given: Given,
        named: &mut Naming,
    ) -> Result<Seen, Error> {
        let variables = match &self.first {
            First::Variables(variables) => variables,
            First::Body(body) => return body.look(session, &given, named),
        };
        for (name, query) in variables {
            let outer = session.relations.routines.inside.replace(given.clone());
            let mut tables = StatementTables::new(&mut session.relations);
            let bound = statement::bind(query, dialect, &mut tables);
            named.names.extend(tables.named());
            session.relations.routines.inside = outer;
            if let Some((_, field)) = bound?.output.first() {
                given.insert(name.to_lowercase(), (field.ty.clone(), Value::Null));
            }
        }
        Ok(Seen {
            query: self.query.clone(),
            given,
            functions: Vec::new(),
        })
    }
}

impl Seen {
    /// Does something about the query where it sees that.
    pub fn within<T>(&self, session: &mut Session, work: impl FnOnce(&mut Session, &ast::Query) -> T) -> T {
        let routines = &mut session.relations.routines;
        let inside = routines.inside.replace(self.given.clone());
        let lifted = std::mem::replace(&mut routines.lifted, self.functions.clone());
        let done = work(session, &self.query);
        let routines = &mut session.relations.routines;
        (routines.inside, routines.lifted) = (inside, lifted);
        done
    }
}

/// Whether LET gives a name to a function.
fn names_function(session: &Session, variable: &ast::Let) -> bool {
    routine::is_lambda(variable) || given::is_function(session, variable)
}

/// Statements, and a query behind them.
fn of_block(statements: &[ast::Statement]) -> Option<(&[ast::Statement], ast::Query)> {
    let (last, before) = statements.split_last()?;
    let query = match &last.kind {
        K::Query(query) => query.clone(),
        K::Return(Some(value)) => match &**value {
            Written::Query(query) => (**query).clone(),
            _ => return None,
        },
        _ => return None,
    };
    Some((before, query))
}

/// The query whose only value a variable has.
fn value_of(variable: &ast::Let) -> Option<ast::Query> {
    let value = match &variable.value {
        Written::Expr(value) => value.clone(),
        Written::Query(query) => Expr {
            span: query.span,
            kind: ExprKind::Subquery(query.clone()),
        },
        Written::Then(_) => return None,
    };
    let span = value.span;
    let expr = match &variable.ty {
        None => value,
        Some(ty) => Expr {
            kind: ExprKind::Cast {
                expr: Box::new(value),
                ty: ty.clone(),
                try_: false,
            },
            span,
        },
    };
    let alias = Some(variable.name.clone());
    let item = ast::SelectItem::Expr { expr, alias };
    let query = define::select(vec![item], Vec::new(), None);
    Some(ast::Query { span, ..query })
}

impl First {
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Variables(variables) if variables.is_empty())
    }

    /// The rows of the query, for what is given.
    pub fn rows(
        &self,
        session: &mut Session,
        query: &ast::Query,
        (mut given, dialect): (Given, Dialect),
        running: Running,
    ) -> Result<ResultStream, Error> {
        let variables = match self {
            Self::Variables(variables) => variables,
            Self::Body(body) => return body.run(session, &given, running),
        };
        for (name, query) in variables {
            let stream = asked(session, query, &given, dialect, running)?;
            let ty = stream.fields().first().map(|field| field.ty.clone());
            let mut value = Value::Null;
            for batch in stream {
                let batch = batch?;
                if let (Some(column), true) = (batch.columns().first(), batch.num_rows() > 0) {
                    value = cell::value(column, 0);
                }
            }
            given.extend(ty.map(|ty| (name.to_lowercase(), (ty, value))));
        }
        asked(session, query, &given, dialect, running)
    }
}

/// The rows of a query for what is given. Errors in them keep their places, by which CATCH tells the line.
fn asked(
    session: &mut Session,
    query: &ast::Query,
    given: &Given,
    dialect: Dialect,
    running: Running,
) -> Result<ResultStream, Error> {
    let outer = session.relations.routines.inside.replace(given.clone());
    let stream = statement::query_stream(session, query, dialect, running.phases, running.span);
    session.relations.routines.inside = outer;
    let mut stream = stream?;
    stream.sources = None;
    Ok(stream)
}
