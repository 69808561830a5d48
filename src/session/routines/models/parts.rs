//! What the body of a model is: variables, and the query that they are for.
//!
//! `{ let rate = 0.19; select net * (1 + rate) as gross from sale }` is a query with one variable, which is computed before each interval.
//!
//! Invariants: a variable sees those before it, and the parameters; its value is an expression or a query, without effects.
//!
//! Does not: run models.

use gobi_grammar::ast::{self, Expr, ExprKind, RoutineBody, Span, StatementKind as K, Value as Written};
use gobi_grammar::{Diagnostic, Dialect};

use super::Given;
use crate::procedure::Definition;
use crate::session::change::Running;
use crate::session::relations::StatementTables;
use crate::session::{Error, Session, define, statement};
use crate::types::{Value, cell};

/// The body of a model.
pub struct Parts {
    /// Names, and the queries that give their values.
    pub variables: Vec<(String, ast::Query)>,
    /// The query.
    pub query: ast::Query,
}

impl Parts {
    /// Of a definition; an error, if it is anything else.
    pub fn of(definition: &Definition) -> Result<Self, Error> {
        let body = match &definition.routine.body {
            RoutineBody::Value(Written::Query(query)) => Some((Vec::new(), (**query).clone())),
            RoutineBody::Value(_) => None,
            RoutineBody::Block(block) => of_block(&block.statements),
        };
        let (variables, query) = body.ok_or_else(|| {
            let name = definition.routine.name.last();
            let span = name.map_or_else(Span::default, |name| name.span);
            let message = "a model whose body is anything but variables and one query is not supported yet";
            Error::new(Diagnostic::new("0A000", span, message).with_help("write `=> select …`"))
        })?;
        Ok(Self { variables, query })
    }

    /// Adds the types of its variables to those of the parameters; NULL is their value. What they name goes into `names`.
    pub fn look(
        &self,
        session: &mut Session,
        dialect: Dialect,
        given: &mut Given,
        names: &mut Vec<crate::catalog::EntityId>,
    ) -> Result<(), Error> {
        for (name, query) in &self.variables {
            let outer = session.relations.routines.inside.replace(given.clone());
            let mut tables = StatementTables::new(&mut session.relations);
            let bound = statement::bind(query, dialect, &mut tables);
            names.extend(tables.named());
            session.relations.routines.inside = outer;
            if let Some((_, field)) = bound?.output.first() {
                given.insert(name.to_lowercase(), (field.ty.clone(), Value::Null));
            }
        }
        Ok(())
    }
}

/// LETs, and a query behind them.
fn of_block(statements: &[ast::Statement]) -> Option<(Vec<(String, ast::Query)>, ast::Query)> {
    let (last, lets) = statements.split_last()?;
    let query = match &last.kind {
        K::Query(query) => query.clone(),
        K::Return(Some(value)) => match &**value {
            Written::Query(query) => (**query).clone(),
            _ => return None,
        },
        _ => return None,
    };
    let variable = |statement: &ast::Statement| match &statement.kind {
        K::Let(variable) => Some((variable.name.text.clone(), value_of(variable)?)),
        _ => None,
    };
    let variables: Option<Vec<_>> = lets.iter().map(variable).collect();
    Some((variables?, query))
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

/// Computes variables, one after the other, from what is given.
pub fn compute(
    session: &mut Session,
    variables: &[(String, ast::Query)],
    given: &mut Given,
    dialect: Dialect,
    running: Running,
) -> Result<(), Error> {
    for (name, query) in variables {
        let outer = session.relations.routines.inside.replace(given.clone());
        let stream = statement::query_stream(session, query, dialect, running.phases, running.span);
        session.relations.routines.inside = outer;
        let stream = stream?;
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
    Ok(())
}
