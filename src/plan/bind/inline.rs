//! Functions that ask queries, in a query: their bodies become part of it.
//!
//! After `function spent(c int) => (select sum(total) from orders where customer = c)`, `SELECT name, spent(id) FROM customers` is bound as
//! `SELECT name, (SELECT sum(total) FROM orders WHERE customer = customers.id) FROM customers`, which becomes a join with groups: no
//! query is run for each row.
//!
//! A body is taken so if it is an expression, a query, or a block of `let`, `if` and `return`; the branches of `if` are those of a CASE.
//!
//! In FROM, such a function is a relation: the query of its body, for arguments that are the same for all rows.
//!
//! Invariants: a body sees its parameters and what its own queries read, and nothing of the query around; a column beats a parameter
//! of the same name, as in the body of a function that is called otherwise.
//!
//! Does not: find functions, or say whether one asks queries; see [`crate::plan::TableResolver::query_function`].

use std::collections::HashMap;

use gobi_grammar::ast::{self, ArmBody, ExprKind as E, Lambda, Span, StatementKind as K, Value as Written};
use gobi_grammar::{Diagnostic, Dialect};

use super::coerce::{cast, with_literal};
use super::scope::{Scope, same};
use super::select::{Block, Place};
use super::{Binder, Bound, Relation, Reported, converted};
use crate::plan::logical::{ColumnId, Expr, ExprKind, Plan};
use crate::plan::{Passed, QueryFunction, properties};
use crate::types::{LogicalType, Value};

/// Functions stand in each other so deep at most.
const MOST: usize = 128;
/// What one of their names stands for has so many parts at most.
const MOST_PARTS: usize = 10_000;

/// The body of a function that is being bound in the place of a call.
#[derive(Debug)]
pub(super) struct Frame {
    /// Its names, the innermost last.
    names: Vec<(String, ColumnId)>,
    /// What they stand for.
    values: HashMap<ColumnId, Expr>,
    /// The columns of the block that the call stands in.
    pub(super) caller: Scope,
    name: String,
    body: ArmBody,
}

impl Frame {
    /// The columns of its names.
    pub(super) fn names(&self) -> impl Iterator<Item = ColumnId> {
        self.names.iter().map(|(_, id)| *id)
    }
}

impl<'a> Binder<'a> {
    /// The value of a call of such a function.
    pub(super) fn inlined(
        &mut self,
        block: &mut Block<'a>,
        function: QueryFunction,
        args: Vec<Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let returns = function.returns.clone();
        let caller = match self.frames.last() {
            Some(frame) if self.outer.is_empty() => frame.caller.clone(),
            _ => block.scope.clone(),
        };
        let around = block.scope.clone();
        let stored = function.stored;
        let (body, dialect) = self.enter(block, function, args, caller, span)?;
        let (aggregates, windows) = (block.aggregates.len(), block.windows.len());
        let value = self.as_kept(stored, block, dialect, |binder, block| {
            let value = binder.body_value(block, body)?;
            match returns {
                Some(ty) => binder.as_type(value, &ty),
                None => Ok(value),
            }
        });
        let value = value.map(|mut value| {
            self.without_frames(&mut value);
            value
        });
        self.frames.pop();
        block.scope = around;
        if block.aggregates.len() > aggregates || block.windows.len() > windows {
            let message = "an aggregate in the body of a function needs rows of its own";
            let help = "write a query in parentheses: `(select … from …)`";
            return self.fail(Diagnostic::new("42803", span, message).with_help(help));
        }
        value
    }

    /// The rows that a call of such a function gives, in FROM.
    pub(super) fn inlined_rows(&mut self, function: QueryFunction, args: Vec<Expr>, span: Span) -> Bound<Relation> {
        let (name, stored) = (function.name.clone(), function.stored);
        let mut block = Block::new(Scope::default(), Place::Other);
        let (body, dialect) = self.enter(&mut block, function, args, Scope::default(), span)?;
        let relation = self.as_kept(stored, &mut block, dialect, |binder, block| {
            binder.body_rows(block, body, &name)
        });
        self.frames.pop();
        let relation = relation?;
        match block.joins().is_empty() {
            true => Ok(relation),
            false => self.unsupported("a function of such steps in FROM is", span),
        }
    }

    /// Puts the names of a function into reach; its body, and how that is to be read.
    fn enter(
        &mut self,
        block: &mut Block<'a>,
        function: QueryFunction,
        args: Vec<Expr>,
        caller: Scope,
        span: Span,
    ) -> Bound<(&'a ast::Expr, Dialect)> {
        self.check_frames(&function, span)?;
        let mut frame = Frame {
            names: Vec::new(),
            values: HashMap::new(),
            caller,
            name: function.name,
            body: function.body.clone(),
        };
        let mut scope = Scope::default();
        let mut declare = |binder: &mut Self, name: String, value: Expr| {
            let id = binder.declare_in(&mut scope, &name, value.clone());
            frame.names.push((name, id));
            frame.values.insert(id, value);
        };
        for (name, ty, value) in function.constants {
            declare(self, name, Expr::literal(value, ty, span));
        }
        for (name, ty, passed) in function.params {
            let value = match passed {
                Passed::Default(value) => value,
                Passed::Argument(at) => args.get(at).cloned().ok_or(Reported)?,
            };
            if value.is_volatile() {
                let message = "an argument that changes from call to call, of a function that asks a query,";
                return self.unsupported(&format!("{message} is"), value.span);
            }
            let mut value = self.as_type(value, &ty)?;
            self.without_frames(&mut value);
            self.not_too_long(&value)?;
            declare(self, name, value);
        }
        // It lives as long as the binding, as expressions of macros do.
        let (params, body) = (Vec::new(), function.body);
        let kind = E::Lambda(Box::new(Lambda { params, body }));
        let body = self.kept(&ast::Expr { kind, span });
        block.scope = scope;
        self.frames.push(frame);
        Ok((body, function.dialect))
    }

    /// An error if a function stands in itself, or too many stand in each other.
    fn check_frames(&mut self, function: &QueryFunction, span: Span) -> Bound<()> {
        let is_itself = |frame: &Frame| same(&frame.name, &function.name) && frame.body == function.body;
        if self.frames.iter().any(is_itself) {
            let message = format!("`{}` leads to itself through queries", function.name);
            let help = "in a query, a function that asks queries cannot call itself";
            return self.fail(Diagnostic::new("54001", span, message).with_help(help));
        }
        if self.frames.len() >= MOST {
            let message = format!("functions that ask queries call each other more than {MOST} deep");
            let help = "let one of them do the work of several, or a variable keep what one of them gives";
            return self.fail(Diagnostic::new("54001", span, message).with_help(help));
        }
        Ok(())
    }

    /// The same as [`Binder::alone`], for a body that a database has, or has not.
    fn as_kept<T>(
        &mut self,
        stored: bool,
        block: &mut Block<'a>,
        dialect: Dialect,
        bind: impl FnOnce(&mut Self, &mut Block<'a>) -> Bound<T>,
    ) -> Bound<T> {
        if !stored {
            return self.alone(block, dialect, bind);
        }
        self.tables.enter_kept();
        let done = self.alone(block, dialect, bind);
        self.tables.leave_kept();
        done
    }

    /// Binds something as if nothing stood around it.
    fn alone<T>(
        &mut self,
        block: &mut Block<'a>,
        dialect: Dialect,
        bind: impl FnOnce(&mut Self, &mut Block<'a>) -> Bound<T>,
    ) -> Bound<T> {
        let ctes = std::mem::take(&mut self.ctes);
        let recursive = std::mem::take(&mut self.recursive);
        let outer = std::mem::take(&mut self.outer);
        let steps = std::mem::take(&mut self.steps);
        let matched = std::mem::take(&mut self.matched);
        let aliases = std::mem::take(&mut block.aliases);
        let dialect = std::mem::replace(&mut self.dialect, dialect);
        self.tables.enter_view();
        let bound = bind(self, block);
        self.tables.leave_view();
        self.dialect = dialect;
        block.aliases = aliases;
        (self.ctes, self.recursive, self.outer) = (ctes, recursive, outer);
        (self.steps, self.matched) = (steps, matched);
        bound
    }

    fn body_rows(&mut self, block: &mut Block<'a>, body: &'a ast::Expr, name: &str) -> Bound<Relation> {
        let E::Lambda(lambda) = &body.kind else {
            return Err(Reported);
        };
        match &lambda.body {
            ArmBody::Expr(value) => match &value.kind {
                E::Subquery(query) => self.subquery(block, query),
                _ => self.no_rows(name, value.span),
            },
            ArmBody::Block(inner) => {
                let statements: Vec<&'a ast::Statement> = inner.statements.iter().collect();
                self.rows_of_steps(block, &statements, name, inner.span)
            }
        }
    }

    /// The rows of the query at the end.
    fn rows_of_steps(
        &mut self,
        block: &mut Block<'a>,
        statements: &[&'a ast::Statement],
        name: &str,
        span: Span,
    ) -> Bound<Relation> {
        let Some((first, rest)) = statements.split_first() else {
            return self.no_rows(name, span);
        };
        match &first.kind {
            K::Query(query) if rest.is_empty() => self.subquery(block, query),
            K::Return(Some(value)) => match &**value {
                Written::Query(query) => self.subquery(block, query),
                Written::Expr(ast::Expr {
                    kind: E::Subquery(query),
                    ..
                }) => self.subquery(block, query),
                _ => self.no_rows(name, first.span),
            },
            K::Let(variable) => {
                let value = self.let_value(block, variable)?;
                self.with_name(block, &variable.name.text, value, |binder, block| {
                    binder.rows_of_steps(block, rest, name, span)
                })
            }
            _ => self.no_rows(name, first.span),
        }
    }

    fn no_rows<T>(&mut self, name: &str, span: Span) -> Bound<T> {
        let message = format!("`{name}` gives no rows: its body is not a query, or `let` and a query");
        let help = format!("call it where a value stands: `select {name}(…)`");
        self.fail(Diagnostic::new("42809", span, message).with_help(help))
    }

    fn body_value(&mut self, block: &mut Block<'a>, body: &'a ast::Expr) -> Bound<Expr> {
        let E::Lambda(body) = &body.kind else {
            return Err(Reported);
        };
        match &body.body {
            ArmBody::Expr(value) => match &value.kind {
                E::Subquery(query) => self.row_subquery(block, query),
                _ => self.expr(block, value),
            },
            ArmBody::Block(inner) => {
                let statements: Vec<&'a ast::Statement> = inner.statements.iter().collect();
                self.steps_of(block, &statements, inner.span)
            }
        }
    }

    fn written(&mut self, block: &mut Block<'a>, value: &'a Written) -> Bound<Expr> {
        match value {
            Written::Expr(value) => self.expr(block, value),
            Written::Query(query) => self.row_subquery(block, query),
            Written::Then(then) => self.unsupported("THEN in a function that a query calls is", then.query.span),
        }
    }

    /// What statements give, one after the other.
    fn steps_of(&mut self, block: &mut Block<'a>, statements: &[&'a ast::Statement], span: Span) -> Bound<Expr> {
        let null = |span| Ok(Expr::literal(Value::Null, LogicalType::Null, span));
        let Some((first, rest)) = statements.split_first() else {
            return null(span);
        };
        match &first.kind {
            K::Return(None) => null(first.span),
            K::Return(Some(value)) => self.written(block, value),
            K::Eval(value) if rest.is_empty() => self.expr(block, value),
            K::Query(query) if rest.is_empty() => self.row_subquery(block, query),
            K::Let(variable) => {
                let value = self.let_value(block, variable)?;
                self.with_name(block, &variable.name.text, value, |binder, block| {
                    binder.steps_of(block, rest, span)
                })
            }
            K::Assign(assign) if assign.path.is_empty() => {
                let value = self.written(block, &assign.value)?;
                self.with_name(block, &assign.name.text, value, |binder, block| {
                    binder.steps_of(block, rest, span)
                })
            }
            K::If(branches) => self.branches(block, branches, rest, first.span),
            other => {
                let name = self.frames.last().map_or("", |frame| frame.name.as_str());
                let message = format!("{} in `{name}`, which asks a query, in a query is", other.name());
                let help = "call it outside of the query, or write it with `let`, `if` and `return` only";
                let error = Diagnostic::new("0A000", first.span, format!("{message} not supported yet"));
                self.fail(error.with_help(help))
            }
        }
    }

    fn let_value(&mut self, block: &mut Block<'a>, variable: &'a ast::Let) -> Bound<Expr> {
        let value = self.written(block, &variable.value)?;
        match &variable.ty {
            Some(ty) => {
                let ty = self.type_name(ty)?;
                self.as_type(value, &ty)
            }
            None => Ok(value),
        }
    }

    /// `if c {…} else {…}` and what follows it: a CASE.
    fn branches(
        &mut self,
        block: &mut Block<'a>,
        branches: &'a ast::If,
        rest: &[&'a ast::Statement],
        span: Span,
    ) -> Bound<Expr> {
        let (mut conditions, mut values) = (Vec::new(), Vec::new());
        let go_on = |body: &'a ast::Block| -> Vec<&'a ast::Statement> {
            body.statements.iter().chain(rest.iter().copied()).collect()
        };
        for (condition, body) in &branches.arms {
            let bound = self.in_branch(&conditions, true, |binder| binder.expr(block, condition))?;
            conditions.push(Ok(self.require_boolean(bound, "`if`")?));
            let rest = go_on(body);
            values.push(self.in_branch(&conditions, false, |binder| binder.steps_of(block, &rest, body.span))?);
        }
        let (last, place) = match &branches.otherwise {
            Some(body) => (go_on(body), body.span),
            None => (rest.to_vec(), span),
        };
        values.push(self.in_branch(&conditions, true, |binder| binder.steps_of(block, &last, place))?);
        let conditions = conditions.into_iter().collect::<Bound<_>>()?;
        self.case_of(conditions, values, span)
    }

    /// Goes on with another name in reach.
    fn with_name<T>(
        &mut self,
        block: &mut Block<'a>,
        name: &str,
        mut value: Expr,
        go_on: impl FnOnce(&mut Self, &mut Block<'a>) -> Bound<T>,
    ) -> Bound<T> {
        let before = block.scope.clone();
        self.without_frames(&mut value);
        self.not_too_long(&value)?;
        block.scope.columns.retain(|column| !same(&column.name, name));
        let id = self.declare_in(&mut block.scope, name, value.clone());
        if let Some(frame) = self.frames.last_mut() {
            frame.values.insert(id, value);
            frame.names.push((name.to_owned(), id));
        }
        let done = go_on(self, block);
        if let Some(frame) = self.frames.last_mut() {
            frame.names.pop();
        }
        block.scope = before;
        done
    }

    /// An error if what a name stands for has become ever longer, since it is put in the place of the name wherever that stands.
    fn not_too_long(&mut self, value: &Expr) -> Bound<()> {
        fn count(value: &Expr, left: &mut usize) {
            *left = left.saturating_sub(1);
            if *left > 0 {
                value.for_each_child(&mut |child| count(child, left));
            }
        }
        let mut left = MOST_PARTS;
        count(value, &mut left);
        if left > 0 {
            return Ok(());
        }
        let message =
            format!("in a query, a name of a function that asks queries stands for more than {MOST_PARTS} parts");
        let help = "what is named twice is there twice: call the function outside of the query";
        self.fail(Diagnostic::new("54001", value.span, message).with_help(help))
    }

    fn declare_in(&mut self, scope: &mut Scope, name: &str, value: Expr) -> ColumnId {
        let nullable = properties::may_be_null(&value, &value.columns());
        let id = self.new_column(name, value.ty, nullable);
        scope.push_relation(None, [(name.to_owned(), id)]);
        id
    }

    fn as_type(&mut self, value: Expr, ty: &LogicalType) -> Bound<Expr> {
        let (from, place) = (value.ty.clone(), value.span);
        match converted(value.clone(), ty) {
            Some(value) => Ok(value),
            None if with_literal(ty, &value).is_some() => Ok(cast(value, ty)),
            None => {
                let message = format!("a value of type {ty} is wanted here, not {from}");
                let help = format!("cast it: `… :: {ty}`");
                self.fail(Diagnostic::new("42804", place, message).with_help(help))
            }
        }
    }

    /// What a name of a function's body stands for, if that is known without looking at a row.
    pub(super) fn framed_constant(&self, id: ColumnId, span: Span) -> Option<Expr> {
        let value = self.frames.iter().rev().find_map(|frame| frame.values.get(&id))?;
        let is_known = matches!(value.kind, ExprKind::Literal(_));
        is_known.then(|| Expr { span, ..value.clone() })
    }

    /// A name of a function's body where a value is wanted that no row has to be looked at for.
    pub(super) fn framed_name(&mut self, name: &ast::Ident, span: Span) -> Option<Bound<Expr>> {
        let id = self.frame_column(name)?;
        if let Some(value) = self.framed_constant(id, span) {
            return Some(Ok(value));
        }
        let what = format!("`{}`, where it depends on a row, as a bound is", name.text);
        Some(self.unsupported(&what, span))
    }

    /// Puts the arguments in the places of the names of bodies.
    pub(super) fn without_frames(&self, value: &mut Expr) {
        for frame in self.frames.iter().rev() {
            value.substitute(&|id| frame.values.get(&id).cloned());
        }
    }

    /// The column of a name of the body.
    pub(super) fn frame_column(&self, name: &ast::Ident) -> Option<ColumnId> {
        let mut names = self.frames.last()?.names.iter().rev();
        names.find(|(known, _)| same(known, &name.text)).map(|(_, id)| *id)
    }

    /// What a name of the body stands for.
    pub(super) fn frame_value(&self, name: &ast::Ident) -> Option<Expr> {
        let id = self.frame_column(name)?;
        let mut value = self.frames.last()?.values.get(&id)?.clone();
        self.without_frames(&mut value);
        Some(value)
    }

    /// The same in a plan.
    pub(super) fn plan_without_frames(&mut self, plan: &mut Plan) {
        if self.frames.is_empty() {
            return;
        }
        plan.for_each_expr_mut(&mut |e| self.without_frames(e));
        if let Plan::Unnest { input, array, .. } = plan {
            // What stands for a name may have to be computed.
            (**input, *array) = self.stored(input.take(), array.clone());
        }
        for child in plan.children_mut() {
            self.plan_without_frames(child);
        }
    }
}
