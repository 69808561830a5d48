//! Subqueries in expressions: as joins where they depend on the row, as single values where they do not.
//!
//! `WHERE o_orderkey IN (SELECT l_orderkey …)` is a semi join; `price > (SELECT avg(price) FROM t)` reads a value computed before;
//! `qty < (SELECT 0.2 * avg(q) FROM l WHERE l.p = part.p)` is a left join with `l` grouped by `p`.
//!
//! Invariants: three-valued logic is kept: `NOT IN` over a set with a NULL is never true.
//!
//! Does not: choose where the joins stand; the optimiser moves them.

use std::collections::HashSet;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::called::ForRows;
use super::compare::same_type;
use super::decorrelate::{self, Blocked, Pulled};
use super::domain::{self, Source};
use super::quantified::Quantified;
use super::scope::{Scope, same};
use super::select::Block;
use super::{Binder, Bound, Relation, volatile};
use crate::functions;
use crate::plan::logical::{
    Aggregate, AggregateFunction, ArithOp, ColumnId, CompareOp, Each, Expr, ExprKind, JoinKind, Plan, SubqueryId,
};
use crate::types::{Field, LogicalType, Value};

/// So many subqueries of one statement become joins, each around the ones before it.
const MOST_ATTACHED: usize = 256;

/// What becomes a part of the plan of its block.
#[derive(Clone, Debug)]
pub(super) enum Attach {
    /// A subquery to be joined with it.
    Join(Joined),
    /// A call for its rows.
    Call(ForRows),
    /// A value that is computed once for each of its rows.
    Value(ColumnId, Expr),
}

/// A subquery to be joined with the plan of its block.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    /// Semi, anti, null-aware anti, or left.
    pub(super) kind: JoinKind,
    /// The subquery, without correlations.
    pub(super) right: Plan,
    /// Expression of the block = expression of the subquery.
    pub(super) keys: Vec<(Expr, Expr)>,
    /// NULL is a value of the keys like others.
    pub(super) null_equal: bool,
    /// What else must hold.
    pub(super) residual: Vec<Expr>,
}

impl Attach {
    /// Calls `f` on the expressions that mention the block's columns.
    pub(super) fn for_each_outer(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Attach::Join(join) => {
                join.keys.iter_mut().for_each(|(outer, _)| f(outer));
                join.residual.iter_mut().for_each(&mut *f);
                domain::for_each_value(&mut join.right, f);
            }
            Attach::Call(call) => call.for_each_outer(f),
            Attach::Value(_, value) => f(value),
        }
    }

    /// The columns that it adds to the block's.
    pub(super) fn output(&self) -> Vec<ColumnId> {
        match self {
            Attach::Join(join) => join.right.output(),
            Attach::Call(call) => vec![call.column()],
            Attach::Value(column, _) => vec![*column],
        }
    }

    /// Whether functions are called for it, for rows of its block.
    pub(super) fn calls(&self) -> bool {
        match self {
            Attach::Join(join) => is_for_each(&join.right),
            Attach::Call(_) => true,
            Attach::Value(..) => false,
        }
    }
}

/// Whether a subquery is computed for values of the block.
fn is_for_each(plan: &Plan) -> bool {
    matches!(plan, Plan::ForEach { .. }) || plan.children().into_iter().any(is_for_each)
}

impl<'a> Binder<'a> {
    /// Joins subqueries to a plan.
    pub(super) fn attach(&mut self, plan: Plan, mut joins: Vec<Attach>) -> Plan {
        let is_joined = |attach: &&Attach| !matches!(attach, Attach::Value(..));
        self.attached += joins.iter().filter(is_joined).count();
        if self.attached > MOST_ATTACHED {
            let place = self.last_subquery;
            let message = format!("more than {MOST_ATTACHED} subqueries have to be joined with the rows around them");
            let help = "compute some of them in a table, or in one subquery that is joined";
            self.errors
                .push(Diagnostic::new("54001", place, message).with_help(help));
            joins.clear();
        }
        joins.into_iter().fold(plan, |left, join| match join {
            Attach::Join(join) => {
                let (left, right) = domain::for_each(self, left, join.right);
                Plan::Join {
                    kind: join.kind,
                    right: Box::new(right),
                    left: Box::new(left),
                    keys: join.keys,
                    null_equal: join.null_equal,
                    residual: join.residual,
                }
            }
            Attach::Call(call) => self.with_call(left, call),
            Attach::Value(column, value) => {
                let kept = left.output().into_iter();
                let kept = kept.map(|id| (id, self.column_expr(id, Span::default()))).collect();
                volatile::with_value(left, kept, (column, value))
            }
        })
    }

    /// Binds a query that may use the block's columns.
    pub(super) fn subquery(&mut self, block: &Block<'a>, query: &'a ast::Query) -> Bound<Relation> {
        self.outer.push(block.scope.clone());
        let relation = self.query(query);
        self.outer.pop();
        let mut relation = relation?;
        self.last_subquery = query.span;
        self.plan_without_frames(&mut relation.plan);
        Ok(relation)
    }

    pub(super) fn one_column(&mut self, relation: &Relation, span: Span) -> Bound<ColumnId> {
        match relation.output.as_slice() {
            [(id, _)] => Ok(*id),
            other => {
                let message = format!("this subquery must give one column, not {}", other.len());
                self.fail(Diagnostic::new("42601", span, message))
            }
        }
    }

    /// EXISTS and IN as a conjunct of a filter: a semi or anti join. `None`: it is something else.
    pub(super) fn subquery_conjunct(&mut self, block: &mut Block<'a>, e: &'a ast::Expr) -> Option<Bound<Option<Expr>>> {
        use ast::ExprKind as K;
        match &e.kind {
            K::Exists(query) => Some(self.exists(block, query, false, e.span)),
            K::InQuery { expr, negated, query } => Some(self.in_query(block, expr, query, *negated, e.span)),
            K::Compare { op, left, right } => {
                let (query, negated) = Quantified::of(right)?.membership(*op)?;
                Some(self.in_query(block, left, query, negated, e.span))
            }
            K::Not(inner) => match &inner.kind {
                K::Exists(query) => Some(self.exists(block, query, true, e.span)),
                K::InQuery { expr, negated, query } => Some(self.in_query(block, expr, query, !*negated, e.span)),
                _ => None,
            },
            _ => None,
        }
    }

    fn exists(
        &mut self,
        block: &mut Block<'a>,
        query: &'a ast::Query,
        negated: bool,
        span: Span,
    ) -> Bound<Option<Expr>> {
        let relation = self.subquery(block, query)?;
        let free = relation.plan.free_columns();
        if free.is_empty() {
            return Ok(Some(self.has_rows(relation.plan, negated, span)));
        }
        let plan = decorrelate::existence_only(relation.plan);
        if decorrelate::is_global_aggregate(&plan) {
            return Ok(Some(Expr::truth(!negated, span)));
        }
        let pulled = self.pull(block, plan, false, span)?;
        let kind = if negated { JoinKind::Anti } else { JoinKind::Semi };
        let join = keyed(kind, pulled);
        block.joins().push(Attach::Join(join));
        Ok(None)
    }

    /// `EXISTS (q)` for a query without correlations: a value computed once.
    fn has_rows(&mut self, plan: Plan, negated: bool, span: Span) -> Expr {
        let first = Plan::Limit {
            input: Box::new(decorrelate::existence_only(plan)),
            limit: Some(1),
            offset: 0,
        };
        let id = self.count_rows(first);
        let count = Expr {
            kind: ExprKind::Subquery(id),
            ty: LogicalType::BigInt,
            span,
        };
        let op = if negated { CompareOp::Eq } else { CompareOp::Gt };
        Expr::compare(op, count, Expr::literal(Value::Int(0), LogicalType::BigInt, span))
    }

    fn count_rows(&mut self, plan: Plan) -> SubqueryId {
        let count = self.new_column("count", LogicalType::BigInt, false);
        let plan = Plan::Aggregate {
            input: Box::new(plan),
            keys: Vec::new(),
            aggregates: vec![(count, count_of(None))],
        };
        self.add_value(plan, count)
    }

    pub(super) fn add_value(&mut self, plan: Plan, column: ColumnId) -> SubqueryId {
        let info = self.info(column);
        let field = Field {
            name: info.name.clone(),
            ty: info.ty.clone(),
            nullable: true,
        };
        self.add_subquery(Relation {
            plan,
            output: vec![(column, field)],
        })
    }

    fn in_query(
        &mut self,
        block: &mut Block<'a>,
        expr: &'a ast::Expr,
        query: &'a ast::Query,
        negated: bool,
        span: Span,
    ) -> Bound<Option<Expr>> {
        let (tested, relation, column) = self.in_sides(block, expr, query)?;
        let nullable = self.in_nullable(block, &tested, &relation, column);
        let (outer, inner) = self.in_key(tested, column, span)?;
        if relation.plan.free_columns().is_empty() {
            let kind = match (negated, nullable) {
                (false, _) => JoinKind::Semi,
                (true, false) => JoinKind::Anti,
                (true, true) => JoinKind::NullAwareAnti,
            };
            block.joins().push(Attach::Join(Joined {
                kind,
                right: relation.plan,
                keys: vec![(outer, inner)],
                null_equal: false,
                residual: Vec::new(),
            }));
            return Ok(None);
        }
        let pulled = self.pull(block, relation.plan, false, span)?;
        let kind = if negated { JoinKind::Anti } else { JoinKind::Semi };
        let mut join = keyed(kind, pulled);
        if negated && nullable {
            let unknown = |e: &Expr| {
                let expr = Box::new(e.clone());
                Expr::boolean(ExprKind::IsNull { expr, negated: false }, span)
            };
            let (no_value, no_element) = (unknown(&outer), unknown(&inner));
            let equal = Expr::compare(CompareOp::Eq, outer, inner);
            join.residual.push(Expr::or(vec![equal, no_value, no_element], span));
        } else if join.null_equal {
            join.residual.push(Expr::compare(CompareOp::Eq, outer, inner));
        } else {
            join.keys.push((outer, inner));
        }
        block.joins().push(Attach::Join(join));
        Ok(None)
    }

    pub(super) fn in_sides(
        &mut self,
        block: &mut Block<'a>,
        expr: &'a ast::Expr,
        query: &'a ast::Query,
    ) -> Bound<(Expr, Relation, ColumnId)> {
        let tested = self.expr(block, expr);
        let relation = self.subquery(block, query)?;
        let column = self.one_column(&relation, query.span)?;
        let mut tested = tested?;
        self.without_frames(&mut tested);
        Ok((tested, relation, column))
    }

    pub(super) fn in_key(&mut self, tested: Expr, column: ColumnId, span: Span) -> Bound<(Expr, Expr)> {
        let element = self.column_expr(column, span);
        let types = format!("{} and {}", tested.ty, element.ty);
        match same_type(tested, element) {
            Some(key) => Ok(key),
            None => {
                let message = format!("{types} cannot be compared");
                self.fail(Diagnostic::new("42804", span, message).with_help("cast one side with `::`"))
            }
        }
    }

    pub(super) fn in_nullable(&self, block: &Block<'a>, tested: &Expr, relation: &Relation, column: ColumnId) -> bool {
        block.may_be_null(self, tested) || self.nullable_columns(&relation.plan).contains(&column)
    }

    /// Takes the correlations out of a plan: by moving predicates if that is enough, else in general. What may fail, and stands where only some
    /// rows lead to, is computed for these only.
    fn pull(&mut self, block: &Block<'a>, plan: Plan, lacks: bool, span: Span) -> Bound<Pulled> {
        if self.taken(span).is_some() && may_fail(&plan) {
            return Ok(self.each_of_block(block, plan, lacks, span));
        }
        let original = plan.clone();
        let pulled = match decorrelate::pull(self, plan, lacks) {
            Ok(pulled) => Ok(pulled),
            Err(Blocked(_)) => self.unnest(block, original, lacks, span),
        };
        pulled.or_else(|blocked| self.blocked(blocked, span))
    }

    fn unnest(&mut self, block: &Block<'a>, plan: Plan, lacks: bool, span: Span) -> Result<Pulled, Blocked> {
        let own = columns_of(&self.scope_of(block));
        let mut outer: Vec<ColumnId> = plan.free_columns().into_iter().collect();
        outer.sort_unstable();
        let is_own = outer.iter().all(|id| own.contains(id));
        // The FROM of the block around a function means nothing within that.
        let is_within = !self.frames.is_empty() && self.outer.is_empty();
        if decorrelate::has_calls(&plan) || block.from.is_empty() || is_within || !is_own {
            return Ok(self.each_of_block(block, plan, lacks, span));
        }
        let scope = self.scope_of(block);
        let source = Source {
            lacks,
            rows: domain::Rows::From(block.from, &scope),
            outer: outer.clone(),
            present: block.present.clone(),
        };
        match domain::unnest(self, plan.clone(), &source) {
            Err(domain::OUTER_ROWS) => Ok(self.each_of(block, plan, (outer, lacks), span)),
            other => other,
        }
    }

    /// The columns of a block.
    fn scope_of(&self, block: &Block<'a>) -> Scope {
        match self.frames.last() {
            // The names in reach are those of a function's body, which is a part of the block.
            Some(frame) if self.outer.is_empty() => frame.caller.clone(),
            _ => block.scope.clone(),
        }
    }

    /// A subquery that is computed for each combination of values of the columns that are there in a block.
    fn each_of_block(&mut self, block: &Block<'a>, plan: Plan, lacks: bool, span: Span) -> Pulled {
        let mut own = columns_of(&self.scope_of(block));
        let joins = block.joins_below.iter().chain(&block.joins_above);
        own.extend(joins.flat_map(Attach::output));
        own.extend(block.aggregates.iter().map(|(id, _)| *id));
        own.extend(block.windows.iter().map(|window| window.id));
        let mut outer: Vec<ColumnId> = plan.free_columns().into_iter().collect();
        outer.sort_unstable();
        outer.retain(|id| own.contains(id));
        self.each_of(block, plan, (outer, lacks), span)
    }

    /// A subquery that is computed for each combination of values of columns of the block, where those are known.
    fn each_of(&mut self, block: &Block<'a>, plan: Plan, (outer, lacks): (Vec<ColumnId>, bool), span: Span) -> Pulled {
        let op = match outer.iter().all(|id| block.present.contains(id)) {
            true => CompareOp::Eq,
            false => CompareOp::NotDistinct,
        };
        let mut only_if = self.taken(span);
        only_if.iter_mut().for_each(|condition| self.without_frames(condition));
        let (mut values, mut predicates) = (Vec::new(), Vec::new());
        for id in outer {
            let info = self.info(id).clone();
            let held = self.new_column(info.name, info.ty, op == CompareOp::NotDistinct);
            let value = self.column_expr(id, span);
            predicates.push(Expr::compare(op, value.clone(), self.column_expr(held, span)));
            values.push((id, value, held));
        }
        let input = Box::new(plan);
        let each = Box::new(Each {
            values,
            only_if,
            lacks,
            span,
        });
        Pulled {
            plan: Plan::ForEach { input, each },
            predicates,
        }
    }

    pub(super) fn blocked<T>(&mut self, Blocked(what): Blocked, span: Span) -> Bound<T> {
        let message = format!("a correlated subquery with {what} is not supported yet");
        self.fail(Diagnostic::new("0A000", span, message))
    }

    /// `(SELECT …)` as a value.
    pub(super) fn scalar_subquery(&mut self, block: &mut Block<'a>, query: &'a ast::Query, span: Span) -> Bound<Expr> {
        let relation = self.subquery(block, query)?;
        let column = self.one_column(&relation, query.span)?;
        self.only_value(block, relation, column, span)
    }

    /// `(SELECT …).a`: the column of that name of its only row, or the field of its only value.
    pub(super) fn column_of_row(
        &mut self,
        block: &mut Block<'a>,
        query: &'a ast::Query,
        name: &ast::Ident,
    ) -> Bound<Expr> {
        let mut relation = self.subquery(block, query)?;
        let named = relation
            .output
            .iter()
            .position(|(_, field)| same(&field.name, &name.text));
        if let Some(at) = named {
            relation.output = vec![relation.output.swap_remove(at)];
        }
        let column = self.one_column(&relation, query.span)?;
        let value = self.only_value(block, relation, column, query.span)?;
        match named {
            Some(_) => Ok(value),
            None => self.field(value, name),
        }
    }

    /// The same; of several columns it is a struct.
    pub(super) fn row_subquery(&mut self, block: &mut Block<'a>, query: &'a ast::Query) -> Bound<Expr> {
        let span = query.span;
        let mut relation = self.subquery(block, query)?;
        let column = match relation.output.as_slice() {
            [(id, _)] => *id,
            columns => {
                let fields: Vec<Field> = columns
                    .iter()
                    .map(|(_, field)| Field {
                        nullable: true,
                        ..field.clone()
                    })
                    .collect();
                let values = columns.iter().map(|(id, _)| self.column_expr(*id, span)).collect();
                let ty = LogicalType::Struct(fields);
                self.not_too_large(&ty, span)?;
                let row = super::nested::call("row", values, ty.clone(), span);
                let id = self.new_column("row", ty, false);
                relation.plan = Plan::Project {
                    input: Box::new(relation.plan),
                    columns: vec![(id, row)],
                };
                id
            }
        };
        let field = Field {
            name: self.info(column).name.clone(),
            ty: self.info(column).ty.clone(),
            nullable: true,
        };
        relation.output = vec![(column, field)];
        self.only_value(block, relation, column, span)
    }

    /// The value of the only row of a relation.
    fn only_value(&mut self, block: &mut Block<'a>, relation: Relation, column: ColumnId, span: Span) -> Bound<Expr> {
        let free = relation.plan.free_columns();
        if free.is_empty() {
            let ty = self.info(column).ty.clone();
            let id = self.add_subquery(relation);
            let kind = ExprKind::Subquery(id);
            return Ok(Expr { kind, ty, span });
        }
        let value = self.column_expr(column, span);
        match decorrelate::scalar(relation.plan.clone(), value.clone()) {
            Ok((value, None)) => Ok(value),
            Ok((value, Some(aggregate))) => {
                let pulled = self.pull(block, aggregate, true, span)?;
                block.joins().push(Attach::Join(keyed(JoinKind::Left, pulled)));
                Ok(value)
            }
            Err(_) => {
                let (value, counted) = decorrelate::only_row(self, relation.plan, &value);
                let pulled = self.pull(block, counted, true, span)?;
                block.joins().push(Attach::Join(keyed(JoinKind::Left, pulled)));
                Ok(value)
            }
        }
    }

    /// EXISTS anywhere else than as a conjunct.
    pub(super) fn exists_value(&mut self, block: &mut Block<'a>, query: &'a ast::Query, span: Span) -> Bound<Expr> {
        let relation = self.subquery(block, query)?;
        if relation.plan.free_columns().is_empty() {
            return Ok(self.has_rows(relation.plan, false, span));
        }
        let plan = decorrelate::existence_only(relation.plan);
        if decorrelate::is_global_aggregate(&plan) {
            return Ok(Expr::truth(true, span));
        }
        self.marked(block, plan, None, span)
    }

    /// Left join with the distinct keys of the subquery; whether a key was found is the value.
    pub(super) fn marked(&mut self, block: &mut Block<'a>, plan: Plan, equal: Option<Expr>, span: Span) -> Bound<Expr> {
        let moved = decorrelate::pull(self, plan.clone(), false);
        let mut join = moved.ok().and_then(|pulled| self.mark_join(pulled, equal.clone()));
        if join.is_none() {
            let general = self.unnest(block, plan, false, span);
            join = general.ok().and_then(|pulled| self.mark_join(pulled, equal));
        }
        let Some((join, found)) = join else {
            return self.unsupported("this correlated subquery outside of a plain AND condition is", span);
        };
        let expr = Box::new(found);
        block.joins().push(Attach::Join(join));
        Ok(Expr::boolean(ExprKind::IsNull { expr, negated: true }, span))
    }

    fn mark_join(&mut self, mut pulled: Pulled, equal: Option<Expr>) -> Option<(Joined, Expr)> {
        pulled.predicates.splice(0..0, equal);
        let is_null_equal = |e: &Expr| {
            let op = CompareOp::NotDistinct;
            matches!(&e.kind, ExprKind::Compare { op: own, .. } if *own == op)
        };
        if pulled.predicates.iter().any(is_null_equal)
            && let Some(first) = pulled.predicates.first_mut()
            && let ExprKind::Compare { op, .. } = &mut first.kind
        {
            // Neither side of it is NULL.
            *op = CompareOp::NotDistinct;
        }
        decorrelate::distinct_keys(self, keyed(JoinKind::Left, pulled))
    }

    /// Joins aggregates over a query that depends on the row.
    pub(super) fn join_aggregates(
        &mut self,
        block: &mut Block<'a>,
        plan: Plan,
        aggregates: Vec<(ColumnId, Aggregate)>,
        span: Span,
    ) -> Bound<()> {
        let plan = Plan::Aggregate {
            input: Box::new(plan),
            keys: Vec::new(),
            aggregates,
        };
        let pulled = self.pull(block, plan, true, span)?;
        block.joins().push(Attach::Join(keyed(JoinKind::Left, pulled)));
        Ok(())
    }
}

/// `count(*)` or `count(arg)`.
pub(super) fn count_of(arg: Option<Expr>) -> Aggregate {
    Aggregate {
        function: AggregateFunction::Count,
        arg,
        distinct: false,
        filter: None,
        ty: LogicalType::BigInt,
    }
}

/// A join in which the equalities among the predicates are keys.
pub(super) fn keyed(kind: JoinKind, pulled: Pulled) -> Joined {
    let inner = pulled.plan.output_set();
    let is_null_equal = |e: &Expr| {
        let op = match e.kind {
            ExprKind::Compare { op, .. } => op,
            _ => return false,
        };
        op == CompareOp::NotDistinct && decorrelate::sides(e, &inner).is_some()
    };
    let null_equal = pulled.predicates.iter().any(is_null_equal);
    let (mut keys, mut residual) = (Vec::new(), Vec::new());
    for predicate in pulled.predicates {
        let key = match null_equal == is_null_equal(&predicate) {
            true => decorrelate::sides(&predicate, &inner),
            false => None,
        };
        match key {
            Some(key) => keys.push(key),
            None => residual.push(predicate),
        }
    }
    Joined {
        kind,
        right: pulled.plan,
        keys,
        null_equal,
        residual,
    }
}

fn columns_of(scope: &Scope) -> HashSet<ColumnId> {
    scope.columns.iter().flat_map(|c| [c.id, c.bare_id()]).collect()
}

/// Whether something in a plan may fail by the values of its rows, other than by having too many digits.
fn may_fail(plan: &Plan) -> bool {
    let mut found = false;
    plan.for_each_expr(&mut |expr| {
        expr.visit(&mut |part| {
            found |= match &part.kind {
                ExprKind::Chain { rest, .. } => rest.iter().any(|step| {
                    let divides = matches!(step.op, ArithOp::Div | ArithOp::IntDiv | ArithOp::Rem);
                    divides && !is_other_than_zero(&step.operand)
                }),
                ExprKind::Cast { expr, try_: false } => matches!(expr.ty, LogicalType::String | LogicalType::Json),
                ExprKind::Call { function, .. } => functions::function(*function).fallible,
                ExprKind::Routine { .. } => true,
                _ => false,
            };
        });
    });
    found || plan.children().into_iter().any(may_fail)
}

/// Whether it is a number that is written, and not zero.
fn is_other_than_zero(divisor: &Expr) -> bool {
    match &divisor.kind {
        ExprKind::Cast { expr, .. } => is_other_than_zero(expr),
        ExprKind::Literal(Value::Int(value)) => *value != 0,
        ExprKind::Literal(Value::Float(value)) => *value != 0.0,
        _ => false,
    }
}
