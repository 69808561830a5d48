//! Walking over whole trees: statements, blocks, queries, and the expressions in them.
//!
//! A visitor whose `call` puts `m.` before the name of each call turns `for r in select f(a) from t { g(r.a) }` into calls of
//! `m.f` and `m.g`.
//!
//! Invariants: what a method does not walk into is not seen; each default walks into everything.
//!
//! Does not: know scopes; a visitor that needs them keeps them.

use super::{
    ArmBody, Assigned, Assignment, AssignmentKind, Block, Call, Catch, ConflictAction, Cte, Distinct, Expr, ExprKind,
    FrameBound, GroupBy, GroupItem, InsertSource, JoinCondition, Lambda, MatchArm, MergeAction, OrderBy, OrderItem,
    Query, QueryBody, Returns, Routine, RoutineBody, Select, SelectItem, Statement, StatementKind, Step, TableRef,
    TableRefKind, Then, Try, TypeName, Value, Window, With,
};

/// Sees the parts of a tree, and may change them.
pub trait VisitMut {
    /// An expression.
    fn expr(&mut self, expr: &mut Expr) {
        walk_expr(self, expr);
    }

    /// A call of any kind, behind its arguments: by itself, in a pipe, over a window.
    fn call(&mut self, _call: &mut Call) {}

    /// A query.
    fn query(&mut self, query: &mut Query) {
        walk_query(self, query);
    }

    /// A SELECT.
    fn select(&mut self, select: &mut Select) {
        walk_select(self, select);
    }

    /// A relation in FROM.
    fn relation(&mut self, relation: &mut TableRef) {
        walk_relation(self, relation);
    }

    /// A function without a name.
    fn lambda(&mut self, lambda: &mut Lambda) {
        walk_arm(self, &mut lambda.body);
    }

    /// The name of a type, with those in it.
    fn type_name(&mut self, ty: &mut TypeName) {
        walk_type_name(self, ty);
    }

    /// An arm of a MATCH.
    fn arm(&mut self, arm: &mut MatchArm) {
        walk_match_arm(self, arm);
    }

    /// Statements in braces.
    fn block(&mut self, block: &mut Block) {
        block.statements.iter_mut().for_each(|inner| self.statement(inner));
    }

    /// A statement.
    fn statement(&mut self, statement: &mut Statement) {
        walk_statement(self, statement);
    }

    /// A function or procedure.
    fn routine(&mut self, routine: &mut Routine) {
        walk_routine(self, routine);
    }
}

/// The parts of an expression.
pub fn walk_expr<V: VisitMut + ?Sized>(v: &mut V, expr: &mut Expr) {
    match &mut expr.kind {
        ExprKind::Call(call) => walk_call(v, call),
        ExprKind::Ordered { call, order_by } => {
            walk_call(v, call);
            order_by.iter_mut().for_each(|item| v.expr(&mut item.expr));
        }
        ExprKind::Window { call, over, .. } => {
            walk_call(v, call);
            walk_window(v, over);
        }
        ExprKind::Pipe { source, stages } => {
            v.expr(source);
            stages.iter_mut().for_each(|stage| walk_call(v, stage));
        }
        ExprKind::InQuery { expr, query, .. } => {
            v.expr(expr);
            v.query(query);
        }
        ExprKind::Exists(query) | ExprKind::Subquery(query) => v.query(query),
        ExprKind::Lambda(lambda) => v.lambda(lambda),
        ExprKind::Match(matching) => {
            v.expr(&mut matching.subject);
            matching.arms.iter_mut().for_each(|arm| v.arm(arm));
        }
        ExprKind::Try(attempt) => walk_try(v, attempt),
        ExprKind::Cast { expr, ty, .. } => {
            v.expr(expr);
            v.type_name(ty);
        }
        _ => expr.for_each_child_mut(&mut |child| v.expr(child)),
    }
}

/// The types that a type is made of.
pub fn walk_type_name<V: VisitMut + ?Sized>(v: &mut V, ty: &mut TypeName) {
    ty.args.iter_mut().for_each(|arg| v.type_name(arg));
    ty.fields.iter_mut().for_each(|(_, field)| v.type_name(field));
}

fn walk_call<V: VisitMut + ?Sized>(v: &mut V, call: &mut Call) {
    call.args.iter_mut().for_each(|arg| v.expr(arg));
    call.filter.iter_mut().for_each(|filter| v.expr(filter));
    v.call(call);
}

/// The keys and the frame of a window.
pub fn walk_window<V: VisitMut + ?Sized>(v: &mut V, window: &mut Window) {
    window.partition_by.iter_mut().for_each(|key| v.expr(key));
    window.order_by.iter_mut().for_each(|item| v.expr(&mut item.expr));
    let Some(frame) = &mut window.frame else { return };
    for bound in std::iter::once(&mut frame.start).chain(&mut frame.end) {
        if let FrameBound::Preceding(by) | FrameBound::Following(by) = bound {
            v.expr(by);
        }
    }
}

fn walk_try<V: VisitMut + ?Sized>(v: &mut V, attempt: &mut Try) {
    walk_arm(v, &mut attempt.body);
    match &mut attempt.catch {
        None => {}
        Some(Catch::Block { body, .. }) => v.block(body),
        Some(Catch::Arms(arms)) => arms.iter_mut().for_each(|arm| walk_arm(v, &mut arm.body)),
    }
}

/// The patterns, the guard and the body of an arm.
pub fn walk_match_arm<V: VisitMut + ?Sized>(v: &mut V, arm: &mut MatchArm) {
    for pattern in &mut arm.patterns {
        pattern.each_value_mut(&mut |value| v.expr(value));
    }
    arm.guard.iter_mut().for_each(|guard| v.expr(guard));
    walk_arm(v, &mut arm.body);
}

/// What stands behind an arrow.
pub fn walk_arm<V: VisitMut + ?Sized>(v: &mut V, body: &mut ArmBody) {
    match body {
        ArmBody::Expr(value) => v.expr(value),
        ArmBody::Block(block) => v.block(block),
    }
}

/// The parts of a query.
pub fn walk_query<V: VisitMut + ?Sized>(v: &mut V, query: &mut Query) {
    walk_ctes(v, &mut query.ctes);
    match &mut query.body {
        QueryBody::Select(select) => v.select(select),
        QueryBody::Values(rows) => rows.iter_mut().flatten().for_each(|value| v.expr(value)),
        QueryBody::SetOp { inputs, .. } => inputs.iter_mut().for_each(|input| v.query(input)),
        QueryBody::Nested(inner) | QueryBody::Stream(inner) => v.query(inner),
    }
    walk_order(v, &mut query.order_by);
    query.limit.iter_mut().for_each(|limit| v.expr(limit));
    query.offset.iter_mut().for_each(|offset| v.expr(offset));
}

fn walk_ctes<V: VisitMut + ?Sized>(v: &mut V, ctes: &mut [Cte]) {
    ctes.iter_mut().for_each(|cte| v.query(&mut cte.query));
}

fn walk_order<V: VisitMut + ?Sized>(v: &mut V, order_by: &mut OrderBy) {
    if let OrderBy::Items(items) = order_by {
        items.iter_mut().for_each(|item: &mut OrderItem| v.expr(&mut item.expr));
    }
}

/// The clauses of a SELECT, FROM first.
pub fn walk_select<V: VisitMut + ?Sized>(v: &mut V, select: &mut Select) {
    select.from.iter_mut().for_each(|relation| v.relation(relation));
    walk_items(v, &mut select.items);
    if let Distinct::On(keys) = &mut select.distinct {
        keys.iter_mut().for_each(|key| v.expr(key));
    }
    select.filter.iter_mut().for_each(|filter| v.expr(filter));
    match &mut select.group_by {
        GroupBy::None | GroupBy::All => {}
        GroupBy::Items(keys) => keys.iter_mut().for_each(|key| v.expr(key)),
        GroupBy::Sets(sets) => walk_sets(v, sets),
    }
    select.having.iter_mut().for_each(|having| v.expr(having));
    select.qualify.iter_mut().for_each(|qualify| v.expr(qualify));
}

fn walk_sets<V: VisitMut + ?Sized>(v: &mut V, sets: &mut [GroupItem]) {
    for set in sets {
        match set {
            GroupItem::Keys(keys) => keys.iter_mut().for_each(|key| v.expr(key)),
            GroupItem::Rollup(lists) | GroupItem::Cube(lists) => {
                lists.iter_mut().flatten().for_each(|key| v.expr(key));
            }
            GroupItem::Sets(inner) => walk_sets(v, inner),
        }
    }
}

fn walk_items<V: VisitMut + ?Sized>(v: &mut V, items: &mut [SelectItem]) {
    for item in items {
        if let SelectItem::Expr { expr, .. } = item {
            v.expr(expr);
        }
    }
}

/// What a relation is made of.
pub fn walk_relation<V: VisitMut + ?Sized>(v: &mut V, relation: &mut TableRef) {
    match &mut relation.kind {
        TableRefKind::Name(_) | TableRefKind::Braced(_) | TableRefKind::File(_) => {}
        TableRefKind::Query(query) => v.query(query),
        TableRefKind::Collection(value) | TableRefKind::Each(value) => v.expr(value),
        TableRefKind::Function { args, .. } => args.iter_mut().for_each(|arg| v.expr(arg)),
        TableRefKind::Join(join) => {
            v.relation(&mut join.left);
            v.relation(&mut join.right);
            if let JoinCondition::On(on) = &mut join.on {
                v.expr(on);
            }
        }
    }
}

/// Parameters and body.
pub fn walk_routine<V: VisitMut + ?Sized>(v: &mut V, routine: &mut Routine) {
    for param in &mut routine.params {
        param.ty.iter_mut().for_each(|ty| v.type_name(ty));
        param.default.iter_mut().for_each(|value| v.expr(value));
    }
    routine.receiver.iter_mut().for_each(|ty| v.type_name(ty));
    match &mut routine.returns {
        Returns::Type(ty) => v.type_name(ty),
        Returns::Rows(columns) => columns.iter_mut().for_each(|(_, ty)| v.type_name(ty)),
        Returns::Inferred | Returns::Void => {}
    }
    match &mut routine.body {
        RoutineBody::Block(block) => v.block(block),
        RoutineBody::Value(value) => walk_value(v, value),
    }
}

/// An expression, a query, or a query with a block.
pub fn walk_value<V: VisitMut + ?Sized>(v: &mut V, value: &mut Value) {
    match value {
        Value::Expr(expr) => v.expr(expr),
        Value::Query(query) => v.query(query),
        Value::Then(then) => walk_then(v, then),
    }
}

fn walk_then<V: VisitMut + ?Sized>(v: &mut V, then: &mut Then) {
    v.query(&mut then.query);
    v.block(&mut then.body);
}

/// The parts of a statement.
pub fn walk_statement<V: VisitMut + ?Sized>(v: &mut V, statement: &mut Statement) {
    match &mut statement.kind {
        StatementKind::Query(query) | StatementKind::Describe(query) | StatementKind::Prove(query) => v.query(query),
        StatementKind::Let(variable) => {
            variable.ty.iter_mut().for_each(|ty| v.type_name(ty));
            walk_value(v, &mut variable.value);
        }
        StatementKind::Assign(assign) => {
            for step in &mut assign.path {
                if let Step::Index(index) = step {
                    v.expr(index);
                }
            }
            walk_value(v, &mut assign.value);
        }
        StatementKind::If(branches) => {
            for (condition, body) in &mut branches.arms {
                v.expr(condition);
                v.block(body);
            }
            branches.otherwise.iter_mut().for_each(|body| v.block(body));
        }
        StatementKind::While(repeat) => {
            v.expr(&mut repeat.condition);
            v.block(&mut repeat.body);
        }
        StatementKind::For(each) => {
            walk_value(v, &mut each.values);
            v.block(&mut each.body);
        }
        StatementKind::Then(then) => walk_then(v, then),
        StatementKind::Return(value) | StatementKind::Yield(value) => {
            value.iter_mut().for_each(|value| walk_value(v, value));
        }
        StatementKind::Throw(value) => value.iter_mut().for_each(|value| v.expr(value)),
        StatementKind::Assert(assert) => {
            v.expr(&mut assert.condition);
            assert.message.iter_mut().for_each(|message| v.expr(message));
        }
        StatementKind::Eval(value) => v.expr(value),
        StatementKind::CallRoutine(call) => call.args.iter_mut().for_each(|arg| v.expr(&mut arg.value)),
        StatementKind::Routine(routine) => v.routine(routine),
        StatementKind::Test(test) => v.block(&mut test.body),
        StatementKind::Module(module) => v.block(&mut module.body),
        StatementKind::DefineMacro(made) => {
            for param in &mut made.params {
                param.default.iter_mut().for_each(|value| v.expr(value));
            }
            v.expr(&mut made.body);
        }
        _ => walk_change(v, &mut statement.kind),
    }
}

/// The parts of what changes rows.
fn walk_change<V: VisitMut + ?Sized>(v: &mut V, kind: &mut StatementKind) {
    match kind {
        StatementKind::Insert(insert) => {
            walk_with(v, &mut insert.with);
            walk_source(v, &mut insert.source);
            if let Some(conflict) = &mut insert.on_conflict
                && let ConflictAction::Update { set, filter } = &mut conflict.action
            {
                walk_assignments(v, set);
                filter.iter_mut().for_each(|filter| v.expr(filter));
            }
            walk_items(v, &mut insert.returning);
        }
        StatementKind::Upsert(upsert) => {
            walk_with(v, &mut upsert.with);
            walk_source(v, &mut upsert.source);
            walk_items(v, &mut upsert.returning);
        }
        StatementKind::Update(update) => {
            walk_with(v, &mut update.with);
            update.from.iter_mut().for_each(|relation| v.relation(relation));
            walk_assignments(v, &mut update.set);
            update.filter.iter_mut().for_each(|filter| v.expr(filter));
            walk_items(v, &mut update.returning);
        }
        StatementKind::Delete(delete) => {
            walk_with(v, &mut delete.with);
            delete.using.iter_mut().for_each(|relation| v.relation(relation));
            delete.filter.iter_mut().for_each(|filter| v.expr(filter));
            walk_items(v, &mut delete.returning);
        }
        StatementKind::Merge(merge) => {
            walk_with(v, &mut merge.with);
            v.relation(&mut merge.source);
            v.expr(&mut merge.on);
            for clause in &mut merge.clauses {
                clause.filter.iter_mut().for_each(|filter| v.expr(filter));
                match &mut clause.action {
                    MergeAction::Update(set) => walk_assignments(v, set),
                    MergeAction::Insert { values, .. } => walk_assigned(v, values),
                    MergeAction::Delete | MergeAction::InsertDefaults | MergeAction::Nothing => {}
                }
            }
            walk_items(v, &mut merge.returning);
        }
        StatementKind::Copy(copy) => v.query(&mut copy.source),
        _ => {}
    }
}

fn walk_with<V: VisitMut + ?Sized>(v: &mut V, with: &mut With) {
    walk_ctes(v, &mut with.ctes);
}

fn walk_source<V: VisitMut + ?Sized>(v: &mut V, source: &mut InsertSource) {
    match source {
        InsertSource::DefaultValues => {}
        InsertSource::Values(rows) => rows.iter_mut().for_each(|row| walk_assigned(v, row)),
        InsertSource::Query(query) => v.query(query),
    }
}

fn walk_assigned<V: VisitMut + ?Sized>(v: &mut V, values: &mut [Assigned]) {
    for value in values {
        if let Assigned::Value(value) = value {
            v.expr(value);
        }
    }
}

fn walk_assignments<V: VisitMut + ?Sized>(v: &mut V, set: &mut [Assignment]) {
    for assignment in set {
        match &mut assignment.kind {
            AssignmentKind::One { value, .. } => walk_assigned(v, std::slice::from_mut(value)),
            AssignmentKind::Row { values, .. } => walk_assigned(v, values),
            AssignmentKind::Query { query, .. } => v.query(query),
        }
    }
}
