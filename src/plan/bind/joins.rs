//! JOIN: kinds and conditions.
//!
//! `a RIGHT JOIN b USING (k)` is bound as `b LEFT JOIN a` on `b.k = a.k`; its `k` is `b.k`, which is never missing.
//!
//! Invariants: equalities between the sides become keys of one type; everything else is the join's residual, or a
//! filter below it where that is the same.
//!
//! Does not: order joins.

use std::collections::HashSet;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, JoinCondition, Span};

use super::compare::same_type;
use super::from::{is_call, unnest_argument};
use super::scope::{Found, Scope, same};
use super::subquery::Attach;
use super::{Binder, Bound, Reported};
use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind, JoinKind, Plan};

/// A column that USING or NATURAL merges: name, left and right column.
struct Merge {
    name: String,
    left: ColumnId,
    right: ColumnId,
}

impl<'a> Binder<'a> {
    /// A join and the scope of its result.
    pub(super) fn join(&mut self, join: &'a ast::Join, span: Span) -> Bound<(Plan, Scope)> {
        if let Some(array) = unnest_argument(&join.right)
            && matches!(join.kind, ast::JoinKind::Inner | ast::JoinKind::Cross)
            && matches!(join.on, JoinCondition::None | JoinCondition::On(_))
        {
            return self.join_unnest(join, array);
        }
        if join.kind == ast::JoinKind::AsOf {
            return self.unsupported("ASOF JOIN is", span);
        }
        let ((left, left_scope), (right, right_scope)) = self.both_sides(join)?;
        self.check_names(&left_scope, &right_scope, join.right.span)?;
        let merges = self.merges(&join.on, &left_scope, &right_scope)?;
        let mut scope = left_scope;
        scope.extend(right_scope);

        let (left_set, right_set) = (left.output_set(), right.output_set());
        let mut above = Vec::new();
        let mut predicates = Vec::new();
        let mut attached = Vec::new();
        if let JoinCondition::On(on) = &join.on {
            let mut block = self.on_block(scope.clone());
            predicates = self.on_conjuncts(&mut block, on, join.kind)?;
            attached = block.joins_below;
            // What is made of values that are attached is looked at above them.
            let made: HashSet<ColumnId> = attached.iter().flat_map(Attach::output).collect();
            (predicates, above) = predicates.into_iter().partition(|e| e.columns().is_disjoint(&made));
        }
        let mut keys = Vec::new();
        for merge in &merges {
            keys.push(self.merge_key(merge, span)?);
        }
        let mut residual = Vec::new();
        for predicate in predicates {
            match split_key(&predicate, &left_set, &right_set) {
                Some(key) => keys.push(key),
                None => residual.push(predicate),
            }
        }
        let plan = match right.free_columns().is_disjoint(&left_set) {
            true => assemble(join.kind, left, right, keys, residual),
            false => {
                let equal = |(l, r): (Expr, Expr)| Expr::compare(CompareOp::Eq, l, r);
                let on = keys.into_iter().map(equal).chain(residual).collect();
                self.join_dependent(join.kind, (left, right), on, join.right.span)?
            }
        };
        let plan = self.merge_columns(join.kind, plan, &mut scope, merges);
        let scope = match join.kind {
            ast::JoinKind::Semi | ast::JoinKind::Anti => left_only(scope, &left_set),
            _ => scope,
        };
        Ok((self.attach(plan, attached).filtered(above), scope))
    }

    /// Both sides.
    fn both_sides(&mut self, join: &'a ast::Join) -> Bound<((Plan, Scope), (Plan, Scope))> {
        let left = self.left_side(&join.left);
        let right = match &left {
            Ok((plan, scope)) if join.lateral || is_call(&join.right) => self.lateral_ref(plan, scope, &join.right),
            Ok((plan, scope)) => self.sibling_ref(plan, scope, &join.right),
            Err(Reported) if join.lateral => Err(Reported),
            Err(Reported) => self.table_ref(&join.right),
        };
        Ok((left?, right?))
    }

    /// The left side, which sees what stands before the join: `t, x IN t.a JOIN u ON …`.
    fn left_side(&mut self, table: &'a ast::TableRef) -> Bound<(Plan, Scope)> {
        match is_call(table) && !self.beside.is_empty() {
            true => self.lateral_ref(&Plan::unit(), &Scope::default(), table),
            false => self.table_ref(table),
        }
    }

    /// `t CROSS JOIN unnest(t.a) AS u`, `t JOIN unnest(t.a) AS u ON …`.
    fn join_unnest(&mut self, join: &'a ast::Join, array: &'a ast::Expr) -> Bound<(Plan, Scope)> {
        let (left, left_scope) = self.left_side(&join.left)?;
        let (plan, scope) = self.unnest_beside(left, left_scope, &join.right, array)?;
        let JoinCondition::On(on) = &join.on else {
            return Ok((plan, scope));
        };
        let mut block = self.on_block(scope.clone());
        let predicates = self.on_conjuncts(&mut block, on, join.kind)?;
        Ok((self.attach_filtered(plan, block.joins_below, predicates), scope))
    }

    /// The condition's conjuncts; subqueries in it are allowed where they filter the joined rows.
    fn on_conjuncts(
        &mut self,
        block: &mut super::select::Block<'a>,
        on: &'a ast::Expr,
        kind: ast::JoinKind,
    ) -> Bound<Vec<Expr>> {
        let predicates = self.conjuncts(block, on)?;
        if !block.joins_below.is_empty() && kind != ast::JoinKind::Inner {
            return self.unsupported("this subquery in the condition of an outer join is", on.span);
        }
        Ok(predicates)
    }

    fn merges(&mut self, on: &JoinCondition, left: &Scope, right: &Scope) -> Bound<Vec<Merge>> {
        let names: Vec<(String, Option<Span>)> = match on {
            JoinCondition::None | JoinCondition::On(_) => return Ok(Vec::new()),
            JoinCondition::Using(names) => names.iter().map(|n| (n.text.clone(), Some(n.span))).collect(),
            JoinCondition::Natural => {
                let visible = left.columns.iter().filter(|c| !c.hidden);
                let shared = visible.filter(|c| right.columns.iter().any(|r| !r.hidden && same(&r.name, &c.name)));
                shared.map(|c| (c.name.clone(), None)).collect()
            }
        };
        let mut merges = Vec::with_capacity(names.len());
        for (name, span) in names {
            let span = span.unwrap_or_default();
            let left = self.using_column(left, &name, "left", span);
            let right = self.using_column(right, &name, "right", span);
            let (left, right) = (left?, right?);
            merges.push(Merge { name, left, right });
        }
        Ok(merges)
    }

    fn using_column(&mut self, scope: &Scope, name: &str, side: &str, span: Span) -> Bound<ColumnId> {
        match scope.find_bare(name) {
            Found::Column(id) => Ok(id),
            Found::Nothing => {
                let message = format!("column `{name}` does not exist on the {side} side of the join");
                let mut error = Diagnostic::new("42703", span, message);
                error.help = super::names::suggestion(name, scope.names());
                self.fail(error)
            }
            Found::Ambiguous(_) => {
                let message = format!("column `{name}` is ambiguous on the {side} side of the join");
                self.fail(Diagnostic::new("42702", span, message))
            }
        }
    }

    fn merge_key(&mut self, merge: &Merge, span: Span) -> Bound<(Expr, Expr)> {
        let (left, right) = (self.column_expr(merge.left, span), self.column_expr(merge.right, span));
        let types = format!("{} and {}", left.ty, right.ty);
        match same_type(left, right) {
            Some(key) => Ok(key),
            None => {
                let message = format!("the columns `{}` cannot be compared: {types}", merge.name);
                self.fail(Diagnostic::new("42804", span, message))
            }
        }
    }

    /// One column for each merged pair, hidden where the kind of join makes one side enough.
    fn merge_columns(&mut self, kind: ast::JoinKind, plan: Plan, scope: &mut Scope, merges: Vec<Merge>) -> Plan {
        let mut computed = Vec::new();
        for merge in merges {
            let merged = match kind {
                ast::JoinKind::Right => merge.right,
                ast::JoinKind::Full => {
                    let (name, span) = (merge.name.clone(), Span::default());
                    let sides = vec![self.column_expr(merge.left, span), self.column_expr(merge.right, span)];
                    let ty = super::coerce::unify(&sides.iter().collect::<Vec<_>>());
                    let ty = ty.unwrap_or_else(|| self.info(merge.left).ty.clone());
                    let sides = sides.into_iter().map(|e| super::coerce::cast(e, &ty)).collect();
                    let id = self.new_column(name, ty.clone(), true);
                    let kind = ExprKind::Coalesce(sides);
                    computed.push((id, Expr { kind, ty, span }));
                    id
                }
                _ => merge.left,
            };
            for column in &mut scope.columns {
                let is_left = column.bare_id() == merge.left && !column.hidden && same(&column.name, &merge.name);
                if is_left {
                    column.merged = Some(merged);
                } else if column.bare_id() == merge.right && same(&column.name, &merge.name) {
                    column.hidden = true;
                }
            }
        }
        if computed.is_empty() {
            return plan;
        }
        let kept = plan
            .output()
            .into_iter()
            .map(|id| (id, self.column_expr(id, Span::default())));
        let columns = kept.chain(computed).collect();
        Plan::Project {
            input: Box::new(plan),
            columns,
        }
    }

    /// A filter's conjuncts; EXISTS and IN (query) at this level become semi and anti joins of the block.
    pub(super) fn conjuncts(&mut self, block: &mut super::select::Block<'a>, e: &'a ast::Expr) -> Bound<Vec<Expr>> {
        let place = match block.place {
            super::select::Place::Where => "WHERE",
            super::select::Place::Having => "HAVING",
            _ => "ON",
        };
        let mut stack = vec![e];
        let mut out = Vec::new();
        let mut failed = false;
        while let Some(e) = stack.pop() {
            if let ast::ExprKind::And(items) = &e.kind {
                stack.extend(items.iter().rev());
                continue;
            }
            let bound = match self.subquery_conjunct(block, e) {
                Some(done) => done,
                None => self
                    .expr(block, e)
                    .and_then(|e| self.require_boolean(e, place))
                    .map(Some),
            };
            match bound {
                Ok(Some(predicate)) => predicate.split_into(&mut out),
                Ok(None) => {}
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(out) }
    }
}

/// `left = right` with one side from each input.
pub(super) fn split_key(predicate: &Expr, left: &HashSet<ColumnId>, right: &HashSet<ColumnId>) -> Option<(Expr, Expr)> {
    let (a, b) = predicate.as_equality()?;
    let uses = |e: &Expr, set: &HashSet<ColumnId>| e.within(set) && !e.columns().is_empty();
    if uses(a, left) && uses(b, right) {
        Some((a.clone(), b.clone()))
    } else if uses(b, left) && uses(a, right) {
        Some((b.clone(), a.clone()))
    } else {
        None
    }
}

fn assemble(kind: ast::JoinKind, left: Plan, right: Plan, keys: Vec<(Expr, Expr)>, residual: Vec<Expr>) -> Plan {
    let (kind, left, right, keys) = match kind {
        ast::JoinKind::Right => {
            let keys = keys.into_iter().map(|(l, r)| (r, l)).collect();
            (JoinKind::Left, right, left, keys)
        }
        ast::JoinKind::Left => (JoinKind::Left, left, right, keys),
        ast::JoinKind::Full => (JoinKind::Full, left, right, keys),
        ast::JoinKind::Semi => (JoinKind::Semi, left, right, keys),
        ast::JoinKind::Anti => (JoinKind::Anti, left, right, keys),
        ast::JoinKind::Inner | ast::JoinKind::Cross | ast::JoinKind::AsOf => (JoinKind::Inner, left, right, keys),
    };
    Plan::Join {
        kind,
        left: Box::new(left),
        right: Box::new(right),
        keys,
        null_equal: false,
        residual,
    }
}

fn left_only(mut scope: Scope, left: &HashSet<ColumnId>) -> Scope {
    let gone = scope.columns.iter().filter(|c| !left.contains(&c.id));
    let gone: Vec<_> = gone.filter_map(|c| c.relation.clone()).collect();
    scope.gone.extend(gone);
    scope.gone.dedup();
    scope.columns.retain(|c| left.contains(&c.id));
    scope
}
