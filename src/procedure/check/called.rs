//! Exceptions of functions that are called for rows, and of procedures that CALL calls.
//!
//! In `update t set v = bad(v)` each row may throw what `bad` throws, and in `call load('x')` what `load` does; both leave the body as if it had called
//! them itself.
//!
//! Invariants: nothing that is looked at here becomes part of the body, and nothing that is wrong with it is reported: the session does that.
//!
//! Does not: know the triggers of what is changed.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    self, Assigned, Assignment, AssignmentKind, ConflictAction, Cte, ExprKind, Ident, InsertSource, MergeAction, Query,
    QueryBody, SelectItem, Span, StatementKind as K, TableRef, TableRefKind,
};

use super::super::Definition;
use super::super::instances::Instances;
use super::super::relational;
use super::Checker;
use crate::plan::{Callee, RoutineCall, TableResolver};
use crate::types::LogicalType;

impl Checker<'_> {
    /// What the rows of a statement, or what it calls, may throw.
    pub(super) fn raises_of_statement(&mut self, statement: &ast::Statement) {
        if let K::CallRoutine(call) = &statement.kind {
            return self.raises_of_call(call, statement.span);
        }
        if !self.calls_own(statement) {
            return;
        }
        let Some(rows) = Rows::of(&statement.kind, statement.span) else {
            return;
        };
        let (errors, effects) = (self.errors.len(), self.effects);
        for query in &rows.queries {
            self.bound_query(query);
            self.errors.truncate(errors);
        }
        for value in &rows.values {
            // By itself: RETURNING and the like may name what a query does not have.
            self.bound_query(&rows.query_of(value.clone()));
            self.errors.truncate(errors);
        }
        self.effects = effects;
    }

    /// Whether a statement calls functions of the user's.
    fn calls_own(&self, statement: &ast::Statement) -> bool {
        let mut calls = Calls(Vec::new());
        calls.statement(&mut statement.clone());
        calls.0.iter().any(|name| self.instances.has(name))
    }

    fn raises_of_call(&mut self, call: &ast::CallRoutine, span: Span) {
        if call.as_of.is_some() {
            return;
        }
        let name = Ident {
            text: call
                .name
                .iter()
                .map(|name| name.text.as_str())
                .collect::<Vec<_>>()
                .join("."),
            quoted: true,
            span: call.name.first().map_or(span, |name| name.span),
        };
        let Some(definition) = self.instances.definitions.find_at(&name) else {
            return;
        };
        let declared = self.declared_in(&definition.routine.raises);
        if !declared.is_empty() {
            return declared.iter().for_each(|name| self.raises(name, span));
        }
        if self.instances.is_open(&definition.name) {
            return;
        }
        let Some(args) = self.args_of_call(call, &definition) else {
            return;
        };
        let call = RoutineCall { name: &name, args };
        // The lifetime of the trait object is shortened here, which no closure does.
        #[allow(clippy::manual_map)]
        let tables = match &mut self.tables {
            Some(tables) => Some(&mut **tables as &mut dyn TableResolver),
            None => None,
        };
        for name in self.instances.raised_by_call(&definition, &call, tables) {
            self.raises(&name, span);
        }
    }

    /// What a body is called with; `None` if that is no value.
    fn args_of_call<'a>(
        &mut self,
        call: &'a ast::CallRoutine,
        definition: &Definition,
    ) -> Option<Vec<(Option<&'a Ident>, LogicalType, bool)>> {
        let routine = &definition.routine;
        let is_param = |name: &Ident| {
            let mut params = routine.params.iter();
            params.any(|param| param.name.text.eq_ignore_ascii_case(&name.text))
        };
        let errors = self.errors.len();
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            // `until`, say, is nothing that the body of a model sees.
            if routine.is_model() && arg.name.as_ref().is_some_and(|name| !is_param(name)) {
                continue;
            }
            let bound = self.expr(&arg.value, &mut Vec::new());
            args.push(bound.map(|bound| (arg.name.as_ref(), bound.ty, true)));
        }
        self.errors.truncate(errors);
        args.into_iter().collect()
    }

    fn declared_in(&self, names: &[Ident]) -> Vec<String> {
        let named = |name: &Ident| match self.instances.definitions.exception(name) {
            Some(exception) => exception.name,
            None => name.text.clone(),
        };
        names.iter().map(named).collect()
    }
}

impl Instances {
    /// What a procedure or model that is called by itself may throw, as far as that can be told.
    fn raised_by_call(
        &mut self,
        definition: &Definition,
        call: &RoutineCall<'_>,
        tables: Option<&mut dyn TableResolver>,
    ) -> Vec<String> {
        let key = definition.name.to_lowercase();
        if let Some(known) = self.raised_by_calls.get(&key) {
            return known.clone();
        }
        let mut apart = Instances::new(Arc::clone(&self.definitions));
        apart.raised_by_calls = std::mem::take(&mut self.raised_by_calls);
        // One that leads back to itself throws nothing more.
        apart.raised_by_calls.insert(key.clone(), Vec::new());
        let callee = match definition.routine.is_model() {
            false => apart.call(call, tables).and_then(Result::ok),
            true => apart.call_of_model(definition, call, tables).ok(),
        };
        let raised = callee
            .map(|callee| apart.raised_by_routine(callee.routine))
            .unwrap_or_default();
        self.raised_by_calls = apart.raised_by_calls;
        self.raised_by_calls.insert(key, raised.clone());
        raised
    }

    /// A model as a procedure that shows its rows, with the interval among its parameters.
    fn call_of_model(
        &mut self,
        model: &Definition,
        call: &RoutineCall<'_>,
        tables: Option<&mut dyn TableResolver>,
    ) -> Result<Callee, Diagnostic> {
        let procedure = Arc::new(model.as_procedure());
        let of_interval = procedure.routine.params.iter().skip(model.routine.params.len());
        let of_interval = of_interval.map(|param| (Some(&param.name), LogicalType::Timestamp, true));
        let args = call.args.iter().cloned().chain(of_interval).collect();
        let call = RoutineCall { name: call.name, args };
        self.call_of(&procedure, &call, tables)
    }
}

/// The names of what an expression calls.
pub(super) fn names_called(expr: &ast::Expr) -> Vec<String> {
    let mut calls = Calls(Vec::new());
    calls.expr(&mut expr.clone());
    calls.0
}

/// The names of what is called.
struct Calls(Vec<String>);

impl VisitMut for Calls {
    fn call(&mut self, call: &mut ast::Call) {
        // That of a module is the first argument.
        if let Some(ExprKind::Name(path)) = call.args.first().map(|first| &first.kind)
            && let [module] = path.as_slice()
        {
            self.0.push(format!("{}.{}", module.text, call.name.text));
        }
        self.0.push(call.name.text.clone());
    }

    fn relation(&mut self, relation: &mut TableRef) {
        if let TableRefKind::Function { name, .. } = &relation.kind {
            self.0.push(name.text.clone());
        }
        visit::walk_relation(self, relation);
    }
}

/// What a statement computes for its rows.
#[derive(Default)]
struct Rows {
    ctes: Vec<Cte>,
    recursive: bool,
    from: Vec<TableRef>,
    values: Vec<ast::Expr>,
    queries: Vec<Query>,
    span: Span,
}

impl Rows {
    fn of(kind: &K, span: Span) -> Option<Self> {
        let mut rows = Self {
            span,
            ..Self::default()
        };
        match kind {
            K::Insert(insert) => {
                rows.begin(&insert.with, &insert.target);
                rows.source(&insert.source);
                if let Some(conflict) = &insert.on_conflict
                    && let ConflictAction::Update { set, filter } = &conflict.action
                {
                    let new = relational::ident("excluded", span);
                    rows.from.push(relational::table(
                        TableRefKind::Name(insert.target.table.clone()),
                        Some(new),
                        span,
                    ));
                    rows.set(set);
                    rows.values.extend(filter.clone());
                }
                rows.returning(&insert.returning);
            }
            K::Upsert(upsert) => {
                rows.begin(&upsert.with, &upsert.target);
                rows.source(&upsert.source);
                rows.returning(&upsert.returning);
            }
            K::Update(update) => {
                rows.begin(&update.with, &update.target);
                rows.from.extend(update.from.iter().cloned());
                rows.set(&update.set);
                rows.values.extend(update.filter.clone());
                rows.returning(&update.returning);
            }
            K::Delete(delete) => {
                rows.begin(&delete.with, &delete.target);
                rows.from.extend(delete.using.iter().cloned());
                rows.values.extend(delete.filter.clone());
                rows.returning(&delete.returning);
            }
            K::Merge(merge) => {
                rows.begin(&merge.with, &merge.target);
                rows.from.push(merge.source.clone());
                rows.values.push(merge.on.clone());
                for clause in &merge.clauses {
                    rows.values.extend(clause.filter.clone());
                    match &clause.action {
                        MergeAction::Update(set) => rows.set(set),
                        MergeAction::Insert { values, .. } => rows.assigned(values),
                        MergeAction::Delete | MergeAction::InsertDefaults | MergeAction::Nothing => {}
                    }
                }
                rows.returning(&merge.returning);
            }
            _ => return None,
        }
        Some(rows)
    }

    fn begin(&mut self, with: &ast::With, target: &ast::Target) {
        self.ctes.clone_from(&with.ctes);
        self.recursive = with.recursive;
        let name = TableRefKind::Name(target.table.clone());
        self.from.push(relational::table(name, target.alias.clone(), self.span));
    }

    fn source(&mut self, source: &InsertSource) {
        match source {
            InsertSource::DefaultValues => {}
            InsertSource::Values(rows) => rows.iter().for_each(|row| self.assigned(row)),
            InsertSource::Query(query) => {
                let mut query = (**query).clone();
                query.ctes.splice(0..0, self.ctes.iter().cloned());
                query.recursive |= self.recursive;
                self.queries.push(query);
            }
        }
    }

    fn set(&mut self, set: &[Assignment]) {
        for assignment in set {
            match &assignment.kind {
                AssignmentKind::One { value, .. } => self.assigned(std::slice::from_ref(value)),
                AssignmentKind::Row { values, .. } => self.assigned(values),
                AssignmentKind::Query { query, .. } => self.values.push(ast::Expr {
                    span: query.span,
                    kind: ExprKind::Exists(query.clone()),
                }),
            }
        }
    }

    fn assigned(&mut self, values: &[Assigned]) {
        let values = values.iter().filter_map(|value| match value {
            Assigned::Default(_) => None,
            Assigned::Value(value) => Some(value.clone()),
        });
        self.values.extend(values);
    }

    fn returning(&mut self, items: &[SelectItem]) {
        let values = items.iter().filter_map(|item| match item {
            SelectItem::Expr { expr, .. } => Some(expr.clone()),
            _ => None,
        });
        self.values.extend(values);
    }

    /// A value over the rows of the statement.
    fn query_of(&self, value: ast::Expr) -> Query {
        let span = value.span;
        let mut query = relational::value(value);
        query.ctes.clone_from(&self.ctes);
        query.recursive = self.recursive;
        query.span = span;
        if let QueryBody::Select(select) = &mut query.body {
            select.from.clone_from(&self.from);
        }
        query
    }
}
