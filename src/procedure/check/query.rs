//! Queries and changes of data in a body: they become questions.
//!
//! `for r in SELECT a FROM t WHERE b = x {…}` asks with the value of `x`; the loop's variables are `r.a`, one for each column.
//!
//! Invariants: a query is bound when the body is checked, so that its columns have types; the values that it needs come with
//! the question, each time.
//!
//! Does not: run queries.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span, StatementKind as K};

use super::super::instances::WithInstances;
use super::super::question::{Question, QuestionKind};
use super::super::{chain, relational, returned};
use super::Checker;
use super::loops::int;
use crate::plan::logical::{ColumnId, TableId};
use crate::plan::routine::{Program, RoutineId, Statement};
use crate::plan::{
    self, Callee, LambdaCall, Moment, Named, NamedTypes, QueryFunction, ResolveError, RoutineCall, TableInfo,
    TableResolver,
};
use crate::types::{Field, LogicalType, Value};

impl Checker<'_> {
    /// Binds a query; its columns, and the variables that it mentions.
    pub(super) fn bound_query(&mut self, query: &ast::Query) -> Option<(Vec<Field>, Vec<ColumnId>)> {
        self.as_kept(query.span, |checker| checker.bound_query_here(query))
    }

    /// Does something about what stands at a place: that of a text of the database names what that has.
    pub(super) fn as_kept<T>(&mut self, place: Span, work: impl FnOnce(&mut Self) -> T) -> T {
        if !self.instances.definitions.is_stored(place) {
            return work(self);
        }
        self.tables.iter_mut().for_each(|tables| tables.enter_kept());
        let done = work(self);
        self.tables.iter_mut().for_each(|tables| tables.leave_kept());
        done
    }

    fn bound_query_here(&mut self, query: &ast::Query) -> Option<(Vec<Field>, Vec<ColumnId>)> {
        if let Some((rows, columns)) = returned::declared_columns(query) {
            let (given, _) = self.bound_query(rows)?;
            self.check_returned(rows, &columns, &given)?;
        }
        self.effects = true;
        let mut variables = HashMap::new();
        for name in &self.names {
            let variable = &self.variables[name.id.0 as usize];
            variables.insert(shown(name).to_lowercase(), (variable.ty.clone(), name.id));
        }
        let Some(tables) = &mut self.tables else {
            let message = "a query in a function that a query calls is not supported yet";
            self.error(Diagnostic::new("0A000", query.span, message));
            return None;
        };
        let mut resolver = BodyTables {
            inner: WithInstances {
                tables: Some(&mut **tables),
                instances: self.instances,
            },
            variables,
            used: RefCell::default(),
            typed: false,
            tried: self.tries > 0,
            writes: self.writes,
            callees: Vec::new(),
        };
        match plan::bind(query, self.dialect, &mut resolver) {
            Ok(bound) => {
                let mut used = std::mem::take(resolver.used.get_mut());
                used.sort();
                used.dedup();
                if let Some(error) = mistyped(query, self.dialect, &mut resolver, &used) {
                    self.errors.push(error);
                    return None;
                }
                let fields: Vec<Field> = bound.output.into_iter().map(|(_, field)| field).collect();
                let callees = std::mem::take(&mut resolver.callees);
                for callee in callees {
                    let raised = self.instances.raised_by_routine(callee);
                    raised.iter().for_each(|name| self.raises(name, query.span));
                }
                if fields.iter().any(|field| field.ty.is_too_large()) {
                    self.error(plan::too_large_type(query.span));
                    return None;
                }
                for id in &used {
                    self.read(*id, query.span);
                }
                Some((fields, used))
            }
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    /// An error for each column that has a type which the text that it is given may not have.
    fn check_returned(
        &mut self,
        rows: &ast::Query,
        columns: &[(&ast::Ident, &ast::TypeName)],
        given: &[Field],
    ) -> Option<()> {
        let errors = self.errors.len();
        if given.len() != columns.len() {
            let plural = if given.len() == 1 { "" } else { "s" };
            let message = format!(
                "the query gives {} column{plural}, and {} are declared",
                given.len(),
                columns.len()
            );
            self.error(Diagnostic::new("42P10", rows.span, message));
        }
        let whole = returned::is_by_column(rows);
        for (at, ((name, ty), field)) in columns.iter().zip(given).enumerate() {
            let Ok(wanted) = plan::bind_type(ty, self.dialect, &self.instances.types) else {
                continue;
            };
            let written = returned::written(rows, at).filter(|_| whole);
            let is_literal = written.is_some_and(|value| matches!(value.kind, ast::ExprKind::Literal(_)));
            if field.ty != LogicalType::String || wanted == LogicalType::String || is_literal {
                continue;
            }
            let message = format!(
                "the column `{}` is {wanted}, and the query gives {} for it",
                name.text, field.ty
            );
            let place = written.map_or(rows.span, |value| value.span);
            let help = format!("cast it: `{} :: {}`", field.name, ty.name);
            self.error(Diagnostic::new("42804", place, message).with_help(help));
        }
        (errors == self.errors.len()).then_some(())
    }

    /// An error unless the variable has a value.
    pub(super) fn read(&mut self, id: ColumnId, span: Span) {
        if !self.flow.has(id) {
            let message = format!(
                "variable `{}` may have no value here",
                self.variables[id.0 as usize].name
            );
            let help = "give it a value before, on every way that leads here";
            self.error(Diagnostic::new("42P20", span, message).with_help(help));
        }
    }

    pub(super) fn question(&mut self, kind: QuestionKind, given: &[ColumnId], taken: Vec<LogicalType>) -> usize {
        let given = given.iter().map(|id| {
            let variable = &self.variables[id.0 as usize];
            let name = self.names.iter().rev().find(|name| name.id == *id);
            (name.map_or_else(|| variable.name.clone(), shown), variable.ty.clone())
        });
        let question = Question {
            kind,
            given: given.collect(),
            taken,
            dialect: self.dialect,
            functions: self.instances.all_lifted(),
        };
        self.instances.questions.push(question);
        self.instances.questions.len() - 1
    }

    /// The only value of a query, as a variable; or a stream of its rows.
    pub(super) fn scalar_query(&mut self, query: &ast::Query, out: &mut Vec<Statement>) -> Option<ColumnId> {
        if let ast::QueryBody::Stream(streamed) = &query.body {
            return self.open_stream(streamed, out);
        }
        let lifted = self.with_lifted(query, out);
        let query = lifted.as_ref().unwrap_or(query);
        let (fields, given) = self.bound_query(query)?;
        let taken = match fields.as_slice() {
            [field] => field.ty.clone(),
            _ => LogicalType::Struct(
                fields
                    .iter()
                    .map(|field| Field {
                        nullable: true,
                        ..field.clone()
                    })
                    .collect(),
            ),
        };
        let kind = QuestionKind::Row(Box::new(query.clone()), fields);
        Some(self.ask_for_one(kind, given, (taken, true), query.span, out))
    }

    /// Whether a query has a row, as a variable.
    pub(super) fn exists(&mut self, query: &ast::Query, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let lifted = self.with_lifted(query, out);
        let query = lifted.as_ref().unwrap_or(query);
        let (_, given) = self.bound_query(query)?;
        let kind = QuestionKind::Exists(Box::new(query.clone()));
        Some(self.ask_for_one(kind, given, (LogicalType::Boolean, false), query.span, out))
    }

    /// Asks for one value of a type, which may be NULL or not; as a variable.
    pub(super) fn ask_for_one(
        &mut self,
        kind: QuestionKind,
        given: Vec<ColumnId>,
        (ty, nullable): (LogicalType, bool),
        span: Span,
        out: &mut Vec<Statement>,
    ) -> ColumnId {
        let question = self.question(kind, &given, vec![ty.clone()]);
        let id = self.temporary(ty, nullable);
        out.push(Statement::Ask {
            question,
            given,
            taken: vec![id],
            span,
        });
        id
    }

    /// A query by itself.
    pub(super) fn show(&mut self, query: &ast::Query, out: &mut Vec<Statement>) {
        let lifted = self.with_lifted(query.unstreamed(), out);
        let query = lifted.as_ref().unwrap_or(query.unstreamed());
        let Some((_, given)) = self.bound_query(query) else {
            return;
        };
        let question = self.question(QuestionKind::Show(Box::new(query.clone())), &given, Vec::new());
        out.push(Statement::Ask {
            question,
            given,
            taken: Vec::new(),
            span: query.span,
        });
    }

    /// The query that a relation, or a chain over one, is, if a query alone does all of it and gives rows: what `map` makes of
    /// them are values.
    pub(super) fn rows_of(&mut self, values: &ast::Expr, out: &mut Vec<Statement>) -> Option<ast::Query> {
        if let ast::ExprKind::Braced(_) = &values.kind {
            let from = self.relation(values)?;
            return Some(relational::all_of(from, values.span));
        }
        if let ast::ExprKind::Subquery(query) = &values.kind {
            // An array that a query gives is gone through itself.
            let lifted = self.with_lifted(query, out);
            let (fields, _) = self.bound_query(lifted.as_ref().unwrap_or(query))?;
            let whole = matches!(fields.as_slice(), [field] if field.ty.is_nested());
            return (!whole).then(|| (**query).clone());
        }
        let values = chain::unpiped(values);
        let ast::ExprKind::Call(call) = &values.kind else {
            return None;
        };
        if let Some(query) = self.rows_of_call(call, values.span, out) {
            return Some(query);
        }
        let chain = chain::of(call, values.span, &|name| self.is_own(name), &|arg| {
            self.is_function(arg)
        })?;
        let from = self.relation(&chain.source)?;
        let rows = relational::rows(&self.with_variables(&chain), from);
        let is_rows = rows.element == relational::Element::Row && chain.end == chain::End::Array;
        (is_rows && rows.done == chain.stages.len()).then_some(rows.query)
    }

    /// The query of a call of a function that gives rows.
    pub(super) fn rows_of_call(
        &mut self,
        call: &ast::Call,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<ast::Query> {
        let whole = self.of_module(call).and_then(Result::ok);
        let call = whole.as_ref().unwrap_or(call);
        let definition = self.instances.definitions.find_at(&call.name)?;
        if self.closure(&call.name.text).is_some() || !definition.gives_rows() {
            return None;
        }
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            let mut arg = arg.clone();
            let place = match &mut arg.kind {
                ast::ExprKind::Named { value, .. } => &mut **value,
                _ => &mut arg,
            };
            let value = self.expr(place, out)?;
            let held = self.new_variable("", Some(value.ty.clone()), false);
            self.set(held, value, out);
            *place = self.reference(held, place.span);
            args.push(arg);
        }
        let name = call.name.clone();
        Some(relational::all_of(ast::TableRefKind::Function { name, args }, span))
    }

    /// `query then {…}`: the columns are variables of the block, and `row_number` counts from 1.
    /// The array of what the block yields, if it does.
    pub(super) fn then(&mut self, then: &ast::Then, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let at = out.len();
        self.yields.push(None);
        self.loop_of_then(then, out);
        let yielded = self.yields.pop().flatten()?;
        Some(self.gather(yielded, at, out))
    }

    fn loop_of_then(&mut self, then: &ast::Then, out: &mut Vec<Statement>) {
        let span = then.query.span;
        let number = self.temporary(LogicalType::BigInt, false);
        let begin = Statement::Set(number, int(0, span));
        let Some(next) = self.one_more(number, span) else {
            return;
        };
        let names = self.names.len();
        self.name("row_number", number);
        let before = out.len();
        self.each_row(None, then.query.unstreamed(), &then.body, out);
        self.names.truncate(names);
        if let Some(Statement::Rows { body, .. }) = out.last_mut() {
            body.insert(0, next);
            out.insert(before, begin);
        }
    }

    /// `for name in query {…}`.
    pub(super) fn rows(&mut self, each: &ast::For, query: &ast::Query, out: &mut Vec<Statement>) {
        self.each_row(Some(&each.name.text), query.unstreamed(), &each.body, out);
    }

    /// A loop over the rows of a query, whose columns are variables: `name.column`, or `column`.
    fn each_row(&mut self, name: Option<&str>, query: &ast::Query, block: &ast::Block, out: &mut Vec<Statement>) {
        let lifted = self.with_lifted(query, out);
        let query = lifted.as_ref().unwrap_or(query);
        let Some((fields, given)) = self.bound_query(query) else {
            return;
        };
        let kind = QuestionKind::Open(Box::new(query.clone()), fields.clone());
        self.loop_of_rows((name, &fields), (kind, given), block, query.span, out);
    }

    /// The same for rows of these columns, which a question opens.
    pub(super) fn loop_of_rows(
        &mut self,
        (name, fields): (Option<&str>, &[Field]),
        (kind, given): (QuestionKind, Vec<ColumnId>),
        block: &ast::Block,
        span: Span,
        out: &mut Vec<Statement>,
    ) {
        let types: Vec<LogicalType> = fields.iter().map(|field| field.ty.clone()).collect();
        let question = self.question(kind, &given, Vec::new());
        self.question(QuestionKind::Next, &[], types);
        self.question(QuestionKind::Close, &[], Vec::new());
        let names = self.names.len();
        let mut taken = Vec::with_capacity(fields.len());
        for field in fields {
            let id = self.temporary(field.ty.clone(), true);
            self.names.push(plan::BodyName {
                of: name.map(str::to_owned),
                name: field.name.clone(),
                id,
            });
            taken.push(id);
        }
        let body = self.loop_body(&block.statements);
        self.names.truncate(names);
        out.push(Statement::Rows {
            question,
            given,
            taken,
            body,
            span,
        });
    }

    /// A statement that changes something, or only the session can do.
    pub(super) fn run(&mut self, statement: &ast::Statement, out: &mut Vec<Statement>) {
        self.effects = true;
        if self.instances.trying {
            self.try_change(statement);
        }
        self.raises_of_definition(statement);
        if let K::Insert(insert) = &statement.kind
            && self.collect(insert, statement.span, out)
        {
            return;
        }
        let lifted = self.statement_with_lifted(statement, out);
        let statement = lifted.as_ref().unwrap_or(statement);
        self.raises_of_statement(statement);
        // Those that have no value here are not known to the statement.
        let words = super::super::words_of(statement, self.dialect);
        let visible = self
            .names
            .iter()
            .filter(|name| words.contains(&name.name.to_lowercase()));
        let mut given: Vec<ColumnId> = visible.map(|name| name.id).filter(|id| self.flow.has(*id)).collect();
        given.sort();
        given.dedup();
        let question = self.question(QuestionKind::Run(Box::new(statement.clone())), &given, Vec::new());
        out.push(Statement::Ask {
            question,
            given,
            taken: Vec::new(),
            span: statement.span,
        });
        self.make(&statement.kind);
    }

    /// Puts a savepoint around what may fail. It is made before the TRY: rows that were collected until then are added first, and
    /// what is wrong with one of them is no error of the block.
    pub(super) fn guarded_by_savepoint(
        &mut self,
        body: &mut Vec<Statement>,
        handler: &mut Vec<Statement>,
        span: Span,
        before: &mut Vec<Statement>,
    ) {
        let mut ask = |kind: QuestionKind| {
            let question = self.question(kind, &[], Vec::new());
            Statement::Ask {
                question,
                given: Vec::new(),
                taken: Vec::new(),
                span,
            }
        };
        before.push(ask(QuestionKind::Savepoint));
        body.push(ask(QuestionKind::Keep));
        handler.insert(0, ask(QuestionKind::Undo));
    }
}

/// What is wrong with the types of variables in a query. Without their values they stand for NULL, which goes with everything; a text may
/// yet become what stands beside it.
fn mistyped(
    query: &ast::Query,
    dialect: gobi_grammar::Dialect,
    resolver: &mut BodyTables<'_>,
    used: &[ColumnId],
) -> Option<Diagnostic> {
    let strict = resolver.inner.instances.strict;
    let is_open = |ty: &LogicalType| *ty == LogicalType::Null || *ty == LogicalType::String && !strict;
    let mut of_used = resolver.variables.values().filter(|(_, id)| used.contains(id));
    if used.is_empty() || of_used.any(|(ty, _)| is_open(ty)) {
        return None;
    }
    resolver.typed = true;
    let errors = plan::bind(query, dialect, resolver).err()?;
    errors
        .into_iter()
        .find(|error| ["42804", "42883"].contains(&error.code))
}

/// A name as it is written: `x`, or `r.x`.
fn shown(name: &plan::BodyName) -> String {
    match &name.of {
        Some(of) => format!("{of}.{}", name.name),
        None => name.name.clone(),
    }
}

/// Relations, functions, and the variables of a body.
struct BodyTables<'b> {
    inner: WithInstances<'b>,
    variables: HashMap<String, (LogicalType, ColumnId)>,
    used: RefCell<Vec<ColumnId>>,
    /// Variables are values of their types, not NULLs.
    typed: bool,
    /// TRY is around it.
    tried: bool,
    /// Relations are written, not read.
    writes: bool,
    /// The routines that it calls for its rows.
    callees: Vec<RoutineId>,
}

impl BodyTables<'_> {
    fn noted(&mut self, callee: Result<Callee, Diagnostic>) -> Result<Callee, Diagnostic> {
        self.callees.extend(callee.iter().map(|callee| callee.routine));
        callee
    }
}

impl TableResolver for BodyTables<'_> {
    fn now_micros(&self) -> i64 {
        self.inner.now_micros()
    }

    fn keeps_plans(&self) -> bool {
        self.typed
    }

    fn catches_errors(&self) -> bool {
        self.tried
    }

    fn by_name(&mut self, parts: &[&str], moment: Option<&Moment>) -> Result<Option<Named>, ResolveError> {
        match self.writes {
            true => self.inner.written(parts),
            false => self.inner.by_name(parts, moment),
        }
    }

    fn written(&mut self, parts: &[&str]) -> Result<Option<Named>, ResolveError> {
        self.inner.written(parts)
    }

    fn enter_kept(&mut self) {
        self.inner.enter_kept();
    }

    fn leave_kept(&mut self) {
        self.inner.leave_kept();
    }

    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError> {
        self.inner.by_file(path)
    }

    fn info(&self, table: TableId) -> &TableInfo {
        self.inner.info(table)
    }

    fn types(&self) -> NamedTypes {
        self.inner.types()
    }

    fn module(&mut self, name: &str) -> Option<Vec<String>> {
        self.inner.module(name)
    }

    fn macro_named(&mut self, name: &str) -> Option<Arc<ast::DefineMacro>> {
        self.inner.macro_named(name)
    }

    fn names(&self) -> Vec<String> {
        self.inner.names()
    }

    fn variables_of(&self, row: &str) -> Vec<String> {
        let row = format!("{}.", row.to_lowercase());
        let names = self.variables.keys().filter_map(|name| name.strip_prefix(&row));
        names.map(str::to_owned).collect()
    }

    fn variable(&self, name: &str) -> Option<(LogicalType, Value)> {
        let (ty, id) = self.variables.get(&name.to_lowercase())?;
        self.used.borrow_mut().push(*id);
        Some((ty.clone(), Value::Null))
    }

    fn has_routine(&self, name: &str) -> bool {
        self.inner.has_routine(name)
    }

    fn gives_function(&mut self, call: &ast::Call) -> bool {
        self.inner.gives_function(call)
    }

    fn routine(&mut self, call: &RoutineCall<'_>) -> Option<Result<Callee, Diagnostic>> {
        let callee = self.inner.routine(call)?;
        Some(self.noted(callee))
    }

    fn query_function(&mut self, call: &RoutineCall<'_>) -> Option<Result<QueryFunction, Diagnostic>> {
        self.inner.query_function(call)
    }

    fn calls_for_rows(&self) -> bool {
        self.inner.calls_for_rows()
    }

    fn called_function(&mut self, call: &RoutineCall<'_>) -> Result<Callee, Diagnostic> {
        let callee = self.inner.called_function(call);
        self.noted(callee)
    }

    fn lambda_asks(&mut self, call: &LambdaCall<'_>, functions: &[String]) -> bool {
        self.inner.lambda_asks(call, functions)
    }

    fn called_lambda(&mut self, call: &LambdaCall<'_>) -> Result<Callee, Diagnostic> {
        let callee = self.inner.called_lambda(call);
        self.noted(callee)
    }

    fn called_rows(&mut self, number: usize, name: &str, fields: Vec<Field>) -> Option<TableId> {
        self.inner.called_rows(number, name, fields)
    }

    fn lambda(&mut self, call: &LambdaCall<'_>) -> Option<Result<Callee, Diagnostic>> {
        let callee = self.inner.lambda(call)?;
        Some(self.noted(callee))
    }

    fn program(&self) -> Arc<Program> {
        self.inner.program()
    }

    fn routine_names(&self) -> Vec<String> {
        self.inner.routine_names()
    }
}
