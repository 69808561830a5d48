//! Going over plans and expressions: children, columns used, columns produced, rewriting from the leaves up.
//!
//! `l_tax + 1 > 2` has the children `l_tax + 1` and `2`; its columns are `{l_tax}`. A chain of fifty thousand terms has
//! fifty thousand children on one level, so depth of recursion follows nesting, never length.
//!
//! Invariants: every function visits each child exactly once, left to right, as evaluated.
//!
//! Does not: decide anything; rules do.

use std::collections::{HashMap, HashSet};

use gobi_grammar::ast::Span;

use super::logical::{
    Aggregate, ColumnId, CompareOp, Each, Expr, ExprKind, JoinKind, Plan, RowCall, WindowBound, WindowCall, WindowFrame,
};
use crate::functions::{self, Stability};
use crate::types::{LogicalType, Value};

impl Expr {
    /// A column.
    pub fn column(id: ColumnId, ty: LogicalType, span: Span) -> Expr {
        Expr {
            kind: ExprKind::Column(id),
            ty,
            span,
        }
    }

    /// A constant.
    pub fn literal(value: Value, ty: LogicalType, span: Span) -> Expr {
        Expr {
            kind: ExprKind::Literal(value),
            ty,
            span,
        }
    }

    /// A boolean expression.
    pub fn boolean(kind: ExprKind, span: Span) -> Expr {
        Expr {
            kind,
            ty: LogicalType::Boolean,
            span,
        }
    }

    /// `left op right`.
    pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
        let span = left.span.to(right.span);
        let (left, right) = (Box::new(left), Box::new(right));
        Expr::boolean(ExprKind::Compare { op, left, right }, span)
    }

    /// The conjunction of any number of conjuncts; nested conjunctions are flattened.
    pub fn and(conjuncts: Vec<Expr>, span: Span) -> Expr {
        let mut flat = Vec::with_capacity(conjuncts.len());
        conjuncts.into_iter().for_each(|e| e.split_into(&mut flat));
        if flat.len() <= 1 {
            return flat.pop().unwrap_or_else(|| Expr::truth(true, span));
        }
        Expr::boolean(ExprKind::And(flat), span)
    }

    /// The disjunction of any number of arms; nested disjunctions are flattened.
    pub fn or(arms: Vec<Expr>, span: Span) -> Expr {
        let mut flat = Vec::with_capacity(arms.len());
        for arm in arms {
            match arm.kind {
                ExprKind::Or(inner) => flat.extend(inner),
                _ => flat.push(arm),
            }
        }
        if flat.len() <= 1 {
            return flat.pop().unwrap_or_else(|| Expr::truth(false, span));
        }
        Expr::boolean(ExprKind::Or(flat), span)
    }

    /// TRUE or FALSE.
    pub fn truth(value: bool, span: Span) -> Expr {
        Expr::literal(Value::Boolean(value), LogicalType::Boolean, span)
    }

    /// The constant's value, if it is a constant.
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.kind {
            ExprKind::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The column, if it is nothing but a column.
    pub fn as_column(&self) -> Option<ColumnId> {
        match self.kind {
            ExprKind::Column(id) => Some(id),
            _ => None,
        }
    }

    /// The two sides, if it says that they are equal.
    pub fn as_equality(&self) -> Option<(&Expr, &Expr)> {
        match &self.kind {
            ExprKind::Compare {
                op: CompareOp::Eq,
                left,
                right,
            } => Some((left, right)),
            _ => None,
        }
    }

    /// Appends the conjuncts of this expression.
    pub fn split_into(self, out: &mut Vec<Expr>) {
        match self.kind {
            ExprKind::And(conjuncts) => conjuncts.into_iter().for_each(|e| e.split_into(out)),
            _ => out.push(self),
        }
    }

    /// Its conjuncts.
    pub fn conjuncts(self) -> Vec<Expr> {
        let mut out = Vec::new();
        self.split_into(&mut out);
        out
    }

    /// Calls `f` on each direct child.
    pub fn for_each_child<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        match &self.kind {
            ExprKind::Column(_) | ExprKind::Literal(_) | ExprKind::Subquery(_) => {}
            ExprKind::Cast { expr, .. }
            | ExprKind::Neg(expr)
            | ExprKind::Not(expr)
            | ExprKind::IsNull { expr, .. }
            | ExprKind::InList { expr, .. } => f(expr),
            ExprKind::Chain { first, rest } => {
                f(first);
                rest.iter().for_each(|step| f(&step.operand));
            }
            ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Coalesce(items) => items.iter().for_each(f),
            ExprKind::Call { args, .. } | ExprKind::Routine { args, .. } => args.iter().for_each(f),
            ExprKind::Compare { left, right, .. } => {
                f(left);
                f(right);
            }
            ExprKind::Like { expr, pattern, .. } => {
                f(expr);
                f(pattern);
            }
            ExprKind::Case { arms, otherwise } => {
                for (condition, value) in arms {
                    f(condition);
                    f(value);
                }
                f(otherwise);
            }
        }
    }

    /// Calls `f` on each direct child, which it may replace.
    pub fn for_each_child_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match &mut self.kind {
            ExprKind::Column(_) | ExprKind::Literal(_) | ExprKind::Subquery(_) => {}
            ExprKind::Cast { expr, .. }
            | ExprKind::Neg(expr)
            | ExprKind::Not(expr)
            | ExprKind::IsNull { expr, .. }
            | ExprKind::InList { expr, .. } => f(expr),
            ExprKind::Chain { first, rest } => {
                f(first);
                rest.iter_mut().for_each(|step| f(&mut step.operand));
            }
            ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Coalesce(items) => items.iter_mut().for_each(f),
            ExprKind::Call { args, .. } | ExprKind::Routine { args, .. } => args.iter_mut().for_each(f),
            ExprKind::Compare { left, right, .. } => {
                f(left);
                f(right);
            }
            ExprKind::Like { expr, pattern, .. } => {
                f(expr);
                f(pattern);
            }
            ExprKind::Case { arms, otherwise } => {
                for (condition, value) in arms {
                    f(condition);
                    f(value);
                }
                f(otherwise);
            }
        }
    }

    /// Calls `f` on this expression and all below it, parents first.
    pub fn visit<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        f(self);
        self.for_each_child(&mut |child| child.visit(f));
    }

    /// Rewrites from the leaves up.
    pub fn rewrite(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.for_each_child_mut(&mut |child| child.rewrite(f));
        f(self);
    }

    /// Adds the columns that are mentioned.
    pub fn add_columns(&self, out: &mut HashSet<ColumnId>) {
        self.visit(&mut |e| {
            out.extend(e.as_column());
        });
    }

    /// The columns that are mentioned.
    pub fn columns(&self) -> HashSet<ColumnId> {
        let mut out = HashSet::new();
        self.add_columns(&mut out);
        out
    }

    /// Mentions no column, no subquery and nothing that changes from call to call.
    pub fn is_constant(&self) -> bool {
        let mut constant = true;
        self.visit(&mut |e| {
            constant &= match &e.kind {
                ExprKind::Column(_) | ExprKind::Subquery(_) => false,
                ExprKind::Call { function, .. } => functions::function(*function).stability == Stability::Immutable,
                _ => true,
            };
        });
        constant
    }

    /// Calls something that gives another value with each call, such as `random()`.
    pub fn is_volatile(&self) -> bool {
        let mut volatile = false;
        self.visit(&mut |e| {
            volatile |= match &e.kind {
                ExprKind::Call { function, .. } => functions::function(*function).stability == Stability::Volatile,
                ExprKind::Routine { volatile, .. } => *volatile,
                _ => false,
            };
        });
        volatile
    }

    /// Mentions only columns of `set`.
    pub fn within(&self, set: &HashSet<ColumnId>) -> bool {
        let mut within = true;
        self.visit(&mut |e| within &= e.as_column().is_none_or(|id| set.contains(&id)));
        within
    }

    /// Replaces columns by expressions.
    pub fn substitute(&mut self, replacement: &dyn Fn(ColumnId) -> Option<Expr>) {
        self.rewrite(&mut |e| {
            if let Some(new) = e.as_column().and_then(replacement) {
                let span = e.span;
                *e = new;
                e.span = span;
            }
        });
    }
}

impl Aggregate {
    /// Calls `f` on argument and filter.
    pub fn for_each_expr<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        self.arg.iter().chain(&self.filter).for_each(f);
    }

    /// Calls `f` on argument and filter.
    pub fn for_each_expr_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.arg.iter_mut().chain(&mut self.filter).for_each(f);
    }
}

impl RowCall {
    /// Calls `f` on arguments and condition.
    pub fn for_each_expr<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        self.args.iter().chain(&self.only_if).for_each(f);
    }

    /// Calls `f` on arguments and condition.
    pub fn for_each_expr_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.args.iter_mut().chain(&mut self.only_if).for_each(f);
    }
}

impl Each {
    /// Calls `f` on values and condition.
    pub fn for_each_expr<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        let values = self.values.iter().map(|(_, value, _)| value);
        values.chain(&self.only_if).for_each(f);
    }

    /// Calls `f` on values and condition.
    pub fn for_each_expr_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        let values = self.values.iter_mut().map(|(_, value, _)| value);
        values.chain(&mut self.only_if).for_each(f);
    }
}

impl<C> WindowCall<C> {
    /// Calls `f` on every argument, filter and distance of a bound.
    pub fn for_each<'w>(&'w self, f: &mut dyn FnMut(&'w C)) {
        self.args.iter().chain(&self.filter).for_each(&mut *f);
        for bound in [&self.frame.start, &self.frame.end] {
            if let WindowBound::Preceding(at) | WindowBound::Following(at) = bound {
                f(at);
            }
        }
    }

    /// The same call with other arguments.
    pub fn map<D>(&self, f: &mut dyn FnMut(&C) -> D) -> WindowCall<D> {
        WindowCall {
            function: self.function,
            args: self.args.iter().map(&mut *f).collect(),
            filter: self.filter.as_ref().map(&mut *f),
            ignore_nulls: self.ignore_nulls,
            frame: WindowFrame {
                unit: self.frame.unit,
                start: self.frame.start.map(f),
                end: self.frame.end.map(f),
                exclude: self.frame.exclude,
            },
            ty: self.ty.clone(),
        }
    }
}

impl<C> WindowBound<C> {
    fn map<D>(&self, f: &mut dyn FnMut(&C) -> D) -> WindowBound<D> {
        match self {
            WindowBound::UnboundedPreceding => WindowBound::UnboundedPreceding,
            WindowBound::Preceding(at) => WindowBound::Preceding(f(at)),
            WindowBound::CurrentRow => WindowBound::CurrentRow,
            WindowBound::Following(at) => WindowBound::Following(f(at)),
            WindowBound::UnboundedFollowing => WindowBound::UnboundedFollowing,
        }
    }
}

impl JoinKind {
    /// Gives left columns only.
    pub fn is_semi(self) -> bool {
        matches!(self, JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti)
    }
}

impl Plan {
    /// One row without columns.
    pub fn unit() -> Plan {
        Plan::Values {
            columns: Vec::new(),
            rows: vec![Vec::new()],
        }
    }

    /// This plan's rows that satisfy all predicates.
    #[must_use]
    pub fn filtered(self, predicates: Vec<Expr>) -> Plan {
        if predicates.is_empty() {
            return self;
        }
        Plan::Filter {
            input: Box::new(self),
            predicates,
        }
    }

    /// The columns produced, in order.
    pub fn output(&self) -> Vec<ColumnId> {
        match self {
            Plan::Scan { columns, .. } | Plan::Recursive { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
            Plan::Values { columns, .. } | Plan::UnionAll { columns, .. } => columns.clone(),
            Plan::Range { column, .. } => vec![*column],
            Plan::Filter { input, .. } | Plan::Sort { input, .. } | Plan::Limit { input, .. } => input.output(),
            Plan::Project { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
            Plan::Join { kind, left, .. } if kind.is_semi() => left.output(),
            Plan::Join { left, right, .. } => {
                let mut out = left.output();
                out.extend(right.output());
                out
            }
            Plan::Unnest {
                input,
                element,
                position,
                ..
            } => {
                let mut out = input.output();
                out.extend([*element, *position]);
                out
            }
            Plan::Aggregate { keys, aggregates, .. } => {
                let keys = keys.iter().map(|(id, _)| *id);
                keys.chain(aggregates.iter().map(|(id, _)| *id)).collect()
            }
            Plan::Window { input, calls, .. } => {
                let mut out = input.output();
                out.extend(calls.iter().map(|(id, _)| *id));
                out
            }
            Plan::Called { input, call } => {
                let mut out = input.output();
                out.push(call.column);
                out
            }
            Plan::ForEach { input, each } => {
                let mut out = input.output();
                out.extend(each.values.iter().map(|(_, _, held)| *held));
                out
            }
        }
    }

    /// The columns produced, as a set.
    pub fn output_set(&self) -> HashSet<ColumnId> {
        self.output().into_iter().collect()
    }

    /// The operators directly below.
    pub fn children(&self) -> Vec<&Plan> {
        match self {
            Plan::Scan { .. } | Plan::Values { .. } | Plan::Range { .. } | Plan::Recursive { .. } => Vec::new(),
            Plan::Filter { input, .. }
            | Plan::Project { input, .. }
            | Plan::Aggregate { input, .. }
            | Plan::Sort { input, .. }
            | Plan::Unnest { input, .. }
            | Plan::Window { input, .. }
            | Plan::Called { input, .. }
            | Plan::ForEach { input, .. }
            | Plan::Limit { input, .. } => vec![input],
            Plan::Join { left, right, .. } => vec![left, right],
            Plan::UnionAll { inputs, .. } => inputs.iter().map(|(plan, _)| plan).collect(),
        }
    }

    /// The operators directly below.
    pub fn children_mut(&mut self) -> Vec<&mut Plan> {
        match self {
            Plan::Scan { .. } | Plan::Values { .. } | Plan::Range { .. } | Plan::Recursive { .. } => Vec::new(),
            Plan::Filter { input, .. }
            | Plan::Project { input, .. }
            | Plan::Aggregate { input, .. }
            | Plan::Sort { input, .. }
            | Plan::Unnest { input, .. }
            | Plan::Window { input, .. }
            | Plan::Called { input, .. }
            | Plan::ForEach { input, .. }
            | Plan::Limit { input, .. } => vec![input],
            Plan::Join { left, right, .. } => vec![left, right],
            Plan::UnionAll { inputs, .. } => inputs.iter_mut().map(|(plan, _)| plan).collect(),
        }
    }

    /// Calls `f` on this operator's own expressions.
    pub fn for_each_expr<'p>(&'p self, f: &mut dyn FnMut(&'p Expr)) {
        match self {
            Plan::Range { .. }
            | Plan::Recursive { .. }
            | Plan::Sort { .. }
            | Plan::Window { .. }
            | Plan::Limit { .. }
            | Plan::UnionAll { .. } => {}
            Plan::Unnest { array, .. } => f(array),
            Plan::Called { call, .. } => call.for_each_expr(f),
            Plan::ForEach { each, .. } => each.for_each_expr(f),
            Plan::Scan { filters, .. } => filters.iter().for_each(f),
            Plan::Values { rows, .. } => rows.iter().flatten().for_each(f),
            Plan::Filter { predicates, .. } => predicates.iter().for_each(f),
            Plan::Project { columns, .. } => columns.iter().for_each(|(_, e)| f(e)),
            Plan::Join { keys, residual, .. } => {
                for (left, right) in keys {
                    f(left);
                    f(right);
                }
                residual.iter().for_each(f);
            }
            Plan::Aggregate { keys, aggregates, .. } => {
                keys.iter().for_each(|(_, e)| f(e));
                aggregates.iter().for_each(|(_, a)| a.for_each_expr(f));
            }
        }
    }

    /// Calls `f` on this operator's own expressions.
    pub fn for_each_expr_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Plan::Range { .. }
            | Plan::Recursive { .. }
            | Plan::Sort { .. }
            | Plan::Window { .. }
            | Plan::Limit { .. }
            | Plan::UnionAll { .. } => {}
            Plan::Unnest { array, .. } => f(array),
            Plan::Called { call, .. } => call.for_each_expr_mut(f),
            Plan::ForEach { each, .. } => each.for_each_expr_mut(f),
            Plan::Scan { filters, .. } => filters.iter_mut().for_each(f),
            Plan::Values { rows, .. } => rows.iter_mut().flatten().for_each(f),
            Plan::Filter { predicates, .. } => predicates.iter_mut().for_each(f),
            Plan::Project { columns, .. } => columns.iter_mut().for_each(|(_, e)| f(e)),
            Plan::Join { keys, residual, .. } => {
                for (left, right) in keys {
                    f(left);
                    f(right);
                }
                residual.iter_mut().for_each(f);
            }
            Plan::Aggregate { keys, aggregates, .. } => {
                keys.iter_mut().for_each(|(_, e)| f(e));
                aggregates.iter_mut().for_each(|(_, a)| a.for_each_expr_mut(f));
            }
        }
    }

    /// Calls `f` on each column that this operator itself produces or takes, outside of its expressions.
    pub fn for_each_own_column_mut(&mut self, f: &mut dyn FnMut(&mut ColumnId)) {
        match self {
            Plan::Scan { columns, .. } | Plan::Recursive { columns, .. } => {
                columns.iter_mut().for_each(|(id, _)| f(id))
            }
            Plan::Values { columns, .. } => columns.iter_mut().for_each(f),
            Plan::Range { column, .. } => f(column),
            Plan::Filter { .. } | Plan::Join { .. } | Plan::Limit { .. } => {}
            Plan::Project { columns, .. } => columns.iter_mut().for_each(|(id, _)| f(id)),
            Plan::Aggregate { keys, aggregates, .. } => {
                keys.iter_mut().for_each(|(id, _)| f(id));
                aggregates.iter_mut().for_each(|(id, _)| f(id));
            }
            Plan::Sort { keys, .. } => keys.iter_mut().for_each(|key| f(&mut key.column)),
            Plan::Unnest { element, position, .. } => {
                f(element);
                f(position);
            }
            Plan::Window {
                partition,
                order,
                calls,
                ..
            } => {
                partition.iter_mut().for_each(&mut *f);
                order.iter_mut().for_each(|key| f(&mut key.column));
                for (id, call) in calls {
                    f(id);
                    *call = call.map(&mut |arg| {
                        let mut arg = *arg;
                        f(&mut arg);
                        arg
                    });
                }
            }
            Plan::UnionAll { columns, inputs } => {
                columns.iter_mut().for_each(&mut *f);
                inputs
                    .iter_mut()
                    .for_each(|(_, taken)| taken.iter_mut().for_each(&mut *f));
            }
            Plan::Called { call, .. } => f(&mut call.column),
            Plan::ForEach { each, .. } => {
                for (of, _, held) in &mut each.values {
                    f(of);
                    f(held);
                }
            }
        }
    }

    /// Calls `f` on each column that is mentioned anywhere in the plan: those of an operator before those of the operators below it.
    pub fn for_each_column_mut(&mut self, f: &mut dyn FnMut(&mut ColumnId)) {
        self.for_each_own_column_mut(f);
        self.for_each_expr_mut(&mut |e| {
            e.rewrite(&mut |part| {
                if let ExprKind::Column(id) = &mut part.kind {
                    f(id);
                }
            });
        });
        for child in self.children_mut() {
            child.for_each_column_mut(f);
        }
    }

    /// Rewrites operators from the leaves up.
    pub fn rewrite(&mut self, f: &mut dyn FnMut(&mut Plan)) {
        for child in self.children_mut() {
            child.rewrite(f);
        }
        f(self);
    }

    /// Takes the plan out, leaving one row without columns.
    #[must_use]
    pub fn take(&mut self) -> Plan {
        std::mem::replace(self, Plan::unit())
    }

    /// Columns mentioned somewhere in this plan that nothing in it produces: the correlations of a subquery.
    pub fn free_columns(&self) -> HashSet<ColumnId> {
        let (mut used, mut made) = (HashSet::new(), HashSet::new());
        self.add_used_and_made(&mut used, &mut made);
        used.retain(|id| !made.contains(id));
        used
    }

    fn add_used_and_made(&self, used: &mut HashSet<ColumnId>, made: &mut HashSet<ColumnId>) {
        self.for_each_expr(&mut |e| e.add_columns(used));
        match self {
            Plan::Scan { .. }
            | Plan::Values { .. }
            | Plan::Range { .. }
            | Plan::Recursive { .. }
            | Plan::Project { .. }
            | Plan::Aggregate { .. }
            | Plan::Unnest { .. }
            | Plan::Window { .. }
            | Plan::Called { .. }
            | Plan::ForEach { .. }
            | Plan::UnionAll { .. } => made.extend(self.output()),
            _ => {}
        }
        for child in self.children() {
            child.add_used_and_made(used, made);
        }
    }
}

/// Counts how often each column is mentioned.
pub(super) fn count_columns(expr: &Expr, counts: &mut HashMap<ColumnId, usize>) {
    expr.visit(&mut |e| {
        if let Some(id) = e.as_column() {
            *counts.entry(id).or_default() += 1;
        }
    });
}
