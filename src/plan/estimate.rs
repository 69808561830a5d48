//! How many rows and how many distinct values to expect, from statistics.
//!
//! `l_shipmode IN ('MAIL', 'SHIP')` on a dictionary of seven values keeps 2/7 of 6,001,215 rows; `o_orderdate < '1995-03-15'` keeps the
//! share of its range; `orders ⋈ lineitem` on the order key gives 1.5 M × 6 M / max(1.5 M, 1.5 M) rows.
//!
//! Invariants: every estimate is finite and at least zero; wrong statistics change plans, never results.
//!
//! Does not: promise anything; what is certain about a column's range is in [`column_facts`].

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::TableResolver;
use super::eval;
use super::logical::{Aggregate, AggregateFunction, ColumnId, CompareOp, Expr, ExprKind, JoinKind, Plan, TableId};
use crate::types::{ColumnStats, Dictionary, Layout, LogicalType, Value};

/// Rows of a relation of which nothing is known.
const UNKNOWN_ROWS: f64 = 10_000.0;
/// Elements of an array of which nothing is known.
const UNKNOWN_LENGTH: f64 = 4.0;
/// Dictionaries up to this size are tested entry by entry.
const MAX_TESTED_ENTRIES: usize = 4_096;
/// Share of rows for an equality of which nothing is known.
const EQUAL: f64 = 0.1;
/// Share of rows for a predicate of which nothing is known.
const UNKNOWN: f64 = 0.3;

/// What is certain about a column of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnFacts {
    /// Least and greatest stored integer, promised by the statistics.
    pub range: Option<(i128, i128)>,
    /// May be NULL where the scan produces it.
    pub nullable: bool,
    /// Number of distinct values, an estimate.
    pub distinct: Option<f64>,
}

/// Facts of every column that a scan in the plan produces.
pub fn column_facts(plan: &Plan, tables: &dyn TableResolver) -> HashMap<ColumnId, ColumnFacts> {
    let mut out = HashMap::new();
    each_scan(plan, &mut |table, columns| {
        let info = tables.info(table);
        for (id, at) in columns {
            let (Some(stats), Some(field)) = (info.stats.columns.get(*at), info.schema.get(*at)) else {
                continue;
            };
            let facts = ColumnFacts {
                range: stats.int_range(),
                nullable: field.nullable && stats.null_count != Some(0),
                distinct: stats.distinct.map(|d| d as f64),
            };
            out.insert(*id, facts);
        }
    });
    out
}

/// Called with a scan's table and columns.
type OnScan<'f> = dyn FnMut(TableId, &[(ColumnId, usize)]) + 'f;

fn each_scan(plan: &Plan, f: &mut OnScan<'_>) {
    if let Plan::Scan { table, columns, .. } = plan {
        f(*table, columns);
    }
    for child in plan.children() {
        each_scan(child, f);
    }
}

/// What the statistics say of one column.
struct Base {
    table: TableId,
    rows: f64,
    distinct: f64,
    nulls: f64,
    range: Option<(f64, f64)>,
    dictionary: Option<std::sync::Arc<Dictionary>>,
}

/// Estimates for the plans of one query.
pub struct Estimator {
    base: HashMap<ColumnId, Base>,
    table_rows: HashMap<TableId, f64>,
    known: RefCell<Known>,
}

/// What was found out since somebody asked from outside: rows and distinct values of parts of a plan, which stays where it is until then.
#[derive(Default)]
struct Known {
    depth: usize,
    rows: HashMap<usize, f64>,
    distinct: HashMap<(usize, ColumnId), f64>,
}

/// An expected number of rows for a plan; see [`Estimator`].
pub fn rows(plan: &Plan, tables: &dyn TableResolver) -> f64 {
    Estimator::new(plan, tables).rows(plan)
}

impl Estimator {
    /// Collects the statistics of all columns that the plan's scans produce.
    pub fn new(plan: &Plan, tables: &dyn TableResolver) -> Estimator {
        let mut estimator = Estimator {
            base: HashMap::new(),
            table_rows: HashMap::new(),
            known: RefCell::default(),
        };
        each_scan(plan, &mut |table, columns| {
            let info = tables.info(table);
            let rows = info.stats.rows.map_or(UNKNOWN_ROWS, |rows| rows as f64);
            estimator.table_rows.insert(table, rows);
            for (id, at) in columns {
                if let Some(stats) = info.stats.columns.get(*at) {
                    estimator.base.insert(*id, base(table, rows, stats));
                }
            }
        });
        estimator
    }

    /// Rows that the plan is expected to give.
    pub fn rows(&self, plan: &Plan) -> f64 {
        let place = std::ptr::from_ref(plan).addr();
        let known = self.known.borrow().rows.get(&place).copied();
        known.unwrap_or_else(|| {
            let rows = self.within(|| self.rows_of(plan));
            self.note(|known| _ = known.rows.insert(place, rows));
            rows
        })
    }

    /// Does something that asks for parts of what is asked for.
    fn within(&self, find: impl FnOnce() -> f64) -> f64 {
        self.known.borrow_mut().depth += 1;
        let found = find();
        self.known.borrow_mut().depth -= 1;
        found
    }

    /// Keeps what was found, or forgets all if nobody asks any more.
    fn note(&self, keep: impl FnOnce(&mut Known)) {
        let mut known = self.known.borrow_mut();
        match known.depth {
            0 => *known = Known::default(),
            _ => keep(&mut known),
        }
    }

    fn rows_of(&self, plan: &Plan) -> f64 {
        match plan {
            Plan::Scan { table, filters, .. } => {
                let rows = self.table_rows.get(table).copied().unwrap_or(UNKNOWN_ROWS);
                rows * self.conjunction(filters)
            }
            Plan::Values { rows, .. } => rows.len() as f64,
            Plan::Recursive { .. } => UNKNOWN_ROWS,
            Plan::Range { start, stop, step, .. } => {
                let distance = (*stop as f64 - *start as f64) / (*step as f64);
                distance.ceil().max(0.0)
            }
            Plan::Filter { input, predicates } => self.rows(input) * self.filter_share(input, predicates),
            Plan::Project { input, .. }
            | Plan::Window { input, .. }
            | Plan::Called { input, .. }
            | Plan::ForEach { input, .. } => self.rows(input),
            Plan::Unnest { input, .. } => self.rows(input) * UNKNOWN_LENGTH,
            Plan::Join { .. } => self.join_rows(plan),
            Plan::Aggregate { keys, .. } if keys.is_empty() => 1.0,
            Plan::Aggregate { input, keys, .. } => self.groups(input, keys.iter().map(|(_, e)| e)),
            Plan::Sort { input, limit, .. } => {
                let rows = self.rows(input);
                limit.map_or(rows, |limit| rows.min(limit as f64))
            }
            Plan::Limit { input, limit, offset } => {
                let rows = (self.rows(input) - *offset as f64).max(0.0);
                limit.map_or(rows, |limit| rows.min(limit as f64))
            }
            Plan::UnionAll { inputs, .. } => inputs.iter().map(|(input, _)| self.rows(input)).sum(),
        }
    }

    /// Expected number of groups of a plan's rows by some expressions.
    pub fn groups<'e>(&self, input: &Plan, keys: impl Iterator<Item = &'e Expr>) -> f64 {
        let rows = self.rows(input);
        let mut by_table: HashMap<Option<TableId>, f64> = HashMap::new();
        for key in keys {
            let table = key.as_column().and_then(|id| self.base.get(&id)).map(|base| base.table);
            let distinct = self.distinct(input, key).max(1.0);
            *by_table.entry(table).or_insert(1.0) *= distinct;
        }
        // Columns of one table have no more combinations than the table has rows.
        let combinations = by_table.into_iter().map(|(table, product)| {
            let cap = table.and_then(|t| self.table_rows.get(&t)).copied();
            cap.map_or(product, |cap| product.min(cap))
        });
        seen(combinations.product(), rows)
    }

    /// Expected number of distinct values of an expression among a plan's rows.
    pub fn distinct(&self, plan: &Plan, expr: &Expr) -> f64 {
        match &expr.kind {
            ExprKind::Column(id) => self.column_distinct(plan, *id),
            ExprKind::Literal(_) | ExprKind::Subquery(_) => 1.0,
            ExprKind::Case { arms, .. } if arms.iter().all(|(_, value)| value.is_constant()) => arms.len() as f64 + 1.0,
            _ if expr.ty == LogicalType::Boolean => 2.0,
            ExprKind::Call { .. } if expr.ty.is_integer() => {
                let below = expr.columns().into_iter().map(|id| self.column_distinct(plan, id));
                below.product::<f64>().min(self.rows(plan)).sqrt()
            }
            _ => {
                let below = expr.columns().into_iter().map(|id| self.column_distinct(plan, id));
                below.product::<f64>().min(self.rows(plan))
            }
        }
    }

    fn column_distinct(&self, plan: &Plan, id: ColumnId) -> f64 {
        let place = (std::ptr::from_ref(plan).addr(), id);
        let known = self.known.borrow().distinct.get(&place).copied();
        known.unwrap_or_else(|| {
            let distinct = self.within(|| self.distinct_of(plan, id));
            self.note(|known| _ = known.distinct.insert(place, distinct));
            distinct
        })
    }

    fn distinct_of(&self, plan: &Plan, id: ColumnId) -> f64 {
        match plan {
            Plan::Scan { filters, .. } => {
                let base = self.base.get(&id).map_or(UNKNOWN_ROWS, |base| base.distinct);
                let only = |e: &&Expr| e.columns() == HashSet::from([id]);
                let own: Vec<&Expr> = filters.iter().filter(only).collect();
                let kept = own.iter().map(|e| self.selectivity(e)).product::<f64>();
                seen((base * kept).max(1.0), self.rows(plan))
            }
            Plan::Project { input, columns } => match columns.iter().find(|(made, _)| *made == id) {
                Some((_, e)) => self.distinct(input, e),
                None => self.rows(plan),
            },
            Plan::Aggregate { input, keys, .. } => match keys.iter().find(|(made, _)| *made == id) {
                Some((_, e)) => self.distinct(input, e).min(self.rows(plan)),
                None => self.rows(plan),
            },
            Plan::UnionAll { columns, inputs } => {
                let at = columns.iter().position(|made| *made == id).unwrap_or(0);
                let below = inputs
                    .iter()
                    .filter_map(|(input, taken)| Some((input, *taken.get(at)?)));
                below.map(|(input, taken)| self.column_distinct(input, taken)).sum()
            }
            Plan::Values { rows, .. } => rows.len() as f64,
            Plan::Range { .. } => self.rows(plan),
            _ => {
                let owner = plan.children().into_iter().find(|child| child.output().contains(&id));
                let below = owner.map_or(UNKNOWN_ROWS, |child| self.column_distinct(child, id));
                below.min(self.rows(plan).max(1.0))
            }
        }
    }

    /// Number of values that a join key is drawn from, before any filter; `None`: not a column of a table.
    pub fn domain(&self, key: &Expr) -> Option<f64> {
        let key = match &key.kind {
            ExprKind::Cast { expr, .. } => expr,
            _ => key,
        };
        key.as_column()
            .and_then(|id| self.base.get(&id))
            .map(|base| base.distinct)
    }

    /// Rows of the table that a column comes from.
    pub fn table_rows_of(&self, id: ColumnId) -> Option<f64> {
        self.base.get(&id).map(|base| base.rows)
    }

    fn join_rows(&self, plan: &Plan) -> f64 {
        let Plan::Join {
            kind,
            left,
            right,
            keys,
            residual,
            ..
        } = plan
        else {
            return 0.0;
        };
        let (left_rows, right_rows) = (self.rows(left), self.rows(right));
        let share = self.key_share(left, right, keys) * self.residual_share(residual);
        let pairs = left_rows * right_rows * share;
        match kind {
            JoinKind::Inner => pairs,
            JoinKind::Left => pairs.max(left_rows),
            JoinKind::Full => pairs.max(left_rows + right_rows * 0.5),
            JoinKind::Semi => left_rows * self.semi_share(left, right, keys, residual),
            JoinKind::Anti | JoinKind::NullAwareAnti => {
                left_rows * (1.0 - self.semi_share(left, right, keys, residual)).max(0.05)
            }
        }
    }

    /// Of a disjunction over both sides, the part that concerns one side is a filter there already.
    fn residual_share(&self, residual: &[Expr]) -> f64 {
        let share = |e: &Expr| match e.kind {
            ExprKind::Or(_) => self.selectivity(e).sqrt(),
            _ => self.selectivity(e),
        };
        residual.iter().map(share).product()
    }

    /// Share of all pairs that agree on all keys.
    pub fn key_share(&self, left: &Plan, right: &Plan, keys: &[(Expr, Expr)]) -> f64 {
        let mut values = 1.0;
        let (mut left_values, mut right_values) = (1.0, 1.0);
        for (l, r) in keys {
            let l = self.domain(l).unwrap_or_else(|| self.distinct(left, l)).max(1.0);
            let r = self.domain(r).unwrap_or_else(|| self.distinct(right, r)).max(1.0);
            values *= l.max(r);
            left_values *= l;
            right_values *= r;
        }
        if keys.len() > 1 {
            // Several columns together: no more combinations than rows on the side where they are a key.
            for (side, product) in [(left, left_values), (right, right_values)] {
                let unfiltered = self.unfiltered_rows(side);
                if product >= unfiltered {
                    values = values.min(unfiltered.max(1.0));
                }
            }
        }
        1.0 / values.max(1.0)
    }

    /// Rows of the largest table below, without filters.
    fn unfiltered_rows(&self, plan: &Plan) -> f64 {
        match plan {
            Plan::Scan { table, .. } => self.table_rows.get(table).copied().unwrap_or(UNKNOWN_ROWS),
            Plan::Join { .. } | Plan::Filter { .. } | Plan::Project { .. } => {
                let below = plan.children().into_iter().map(|child| self.unfiltered_rows(child));
                below.fold(1.0, f64::max)
            }
            _ => self.rows(plan),
        }
    }

    /// Share of left rows that have a partner.
    pub fn semi_share(&self, left: &Plan, right: &Plan, keys: &[(Expr, Expr)], residual: &[Expr]) -> f64 {
        let mut share: f64 = 1.0;
        for (l, r) in keys {
            let values = self.domain(l).unwrap_or_else(|| self.distinct(left, l)).max(1.0);
            let present = self.distinct(right, r);
            share = share.min(present / values.max(present).max(1.0));
        }
        if keys.is_empty() {
            share = self.rows(right).min(1.0);
        }
        let pairs_left: f64 = residual.iter().map(|e| self.selectivity(e).max(0.5)).product();
        (share * pairs_left).clamp(0.0, 1.0)
    }

    /// Share of rows that satisfy all predicates.
    pub fn conjunction(&self, predicates: &[Expr]) -> f64 {
        let mut ranges: HashMap<ColumnId, (f64, f64)> = HashMap::new();
        let mut share = 1.0;
        for predicate in predicates {
            match self.as_range(predicate) {
                Some((id, low, high)) => {
                    let entry = ranges.entry(id).or_insert((f64::NEG_INFINITY, f64::INFINITY));
                    *entry = (entry.0.max(low), entry.1.min(high));
                }
                None => share *= self.selectivity(predicate),
            }
        }
        for (id, (low, high)) in ranges {
            share *= self.range_share(id, low, high);
        }
        share.clamp(0.0, 1.0)
    }

    /// `column < literal` and its like as an interval of stored values.
    fn as_range(&self, predicate: &Expr) -> Option<(ColumnId, f64, f64)> {
        let ExprKind::Compare { op, left, right } = &predicate.kind else {
            return None;
        };
        let id = left.as_column()?;
        self.base.get(&id)?.range?;
        let value = stored(right.as_literal()?)?;
        match op {
            CompareOp::Lt | CompareOp::LtEq => Some((id, f64::NEG_INFINITY, value)),
            CompareOp::Gt | CompareOp::GtEq => Some((id, value, f64::INFINITY)),
            _ => None,
        }
    }

    fn range_share(&self, id: ColumnId, low: f64, high: f64) -> f64 {
        let Some((base, (min, max))) = self.base.get(&id).and_then(|base| Some((base, base.range?))) else {
            return UNKNOWN;
        };
        let (low, high) = (low.max(min), high.min(max));
        if low > high {
            return 0.0;
        }
        let one_value = 1.0 / base.distinct.max(1.0);
        let share = if max > min { (high - low) / (max - min) } else { 1.0 };
        share.max(one_value).min(1.0) * (1.0 - base.nulls)
    }

    /// Share of rows that satisfy a predicate.
    pub fn selectivity(&self, predicate: &Expr) -> f64 {
        if let Some(share) = self.tested_on_dictionary(predicate) {
            return share;
        }
        let share = match &predicate.kind {
            ExprKind::Literal(value) => f64::from(u8::from(*value == Value::Boolean(true))),
            ExprKind::And(items) => self.conjunction(items),
            ExprKind::Or(arms) => 1.0 - arms.iter().map(|e| 1.0 - self.selectivity(e)).product::<f64>(),
            ExprKind::Not(inner) => 1.0 - self.selectivity(inner),
            ExprKind::Compare { op, left, right } => self.comparison(*op, left, right),
            ExprKind::InList { expr, negated, list } => {
                let one = self.equality(expr);
                let share = (one * list.len() as f64).min(1.0);
                if *negated { 1.0 - share } else { share }
            }
            ExprKind::IsNull { expr, negated } => {
                let nulls = expr
                    .as_column()
                    .and_then(|id| self.base.get(&id))
                    .map_or(0.05, |base| base.nulls);
                if *negated { 1.0 - nulls } else { nulls }
            }
            ExprKind::Like { negated, pattern, .. } => {
                let share = like_share(pattern);
                if *negated { 1.0 - share } else { share }
            }
            ExprKind::Column(_) => 0.5,
            _ => UNKNOWN,
        };
        share.clamp(0.0, 1.0)
    }

    /// Share of rows for one value of an expression.
    fn equality(&self, expr: &Expr) -> f64 {
        let base = expr.as_column().and_then(|id| self.base.get(&id));
        base.map_or(EQUAL, |base| (1.0 - base.nulls) / base.distinct.max(1.0))
    }

    fn comparison(&self, op: CompareOp, left: &Expr, right: &Expr) -> f64 {
        let range = || match (left.as_column(), right.as_literal().and_then(stored)) {
            (Some(id), Some(value)) => match op {
                CompareOp::Lt | CompareOp::LtEq => self.range_share(id, f64::NEG_INFINITY, value),
                _ => self.range_share(id, value, f64::INFINITY),
            },
            (Some(_), None) if right.as_column().is_some() => 0.5,
            _ => UNKNOWN,
        };
        let equal = || {
            if left == right {
                return 1.0;
            }
            if let (Some(id), Some(value)) = (left.as_column(), right.as_literal().and_then(stored))
                && let Some((min, max)) = self.base.get(&id).and_then(|base| base.range)
                && (value < min || value > max)
            {
                return 0.0;
            }
            match (left.as_literal().is_some(), right.as_literal().is_some()) {
                (false, false) => self.equality(left).min(self.equality(right)),
                (true, false) => self.equality(right),
                _ => self.equality(left),
            }
        };
        match op {
            CompareOp::Eq | CompareOp::NotDistinct => equal(),
            CompareOp::NotEq | CompareOp::Distinct => 1.0 - equal(),
            _ => range(),
        }
    }

    /// A predicate on one dictionary column, tested on every entry.
    fn tested_on_dictionary(&self, predicate: &Expr) -> Option<f64> {
        let columns = predicate.columns();
        let id = *columns.iter().next().filter(|_| columns.len() == 1)?;
        let base = self.base.get(&id)?;
        let dictionary = base.dictionary.as_ref()?;
        if dictionary.is_empty() || dictionary.len() > MAX_TESTED_ENTRIES {
            return None;
        }
        let mut hits = 0;
        for entry in dictionary.entries() {
            let value = Value::String(entry.clone());
            let mut test = predicate.clone();
            test.substitute(&|_| Some(Expr::literal(value.clone(), LogicalType::String, predicate.span)));
            hits += usize::from(eval::evaluate(&test)? == Value::Boolean(true));
        }
        Some(hits as f64 / dictionary.len() as f64 * (1.0 - base.nulls))
    }

    /// Like [`Estimator::conjunction`], but knows what is above an aggregation.
    fn filter_share(&self, input: &Plan, predicates: &[Expr]) -> f64 {
        let Plan::Aggregate {
            input: below,
            aggregates,
            ..
        } = input
        else {
            return self.conjunction(predicates);
        };
        let (rows, groups) = (self.rows(below).max(1.0), self.rows(input).max(1.0));
        let share = predicates.iter().map(|predicate| {
            let having = self.having_share(predicate, aggregates, rows / groups);
            having.unwrap_or_else(|| self.selectivity(predicate))
        });
        share.product()
    }

    /// `sum(x) > c` with groups of `size` rows: sums are taken to be spread around their mean like a Rayleigh
    /// distribution, which falls off quickly above the mean.
    fn having_share(&self, predicate: &Expr, aggregates: &[(ColumnId, Aggregate)], size: f64) -> Option<f64> {
        let ExprKind::Compare { op, left, right } = &predicate.kind else {
            return None;
        };
        let id = left.as_column()?;
        let (_, aggregate) = aggregates.iter().find(|(made, _)| *made == id)?;
        let limit = stored(right.as_literal()?)?;
        let mean = match aggregate.function {
            AggregateFunction::Count => size,
            AggregateFunction::Sum => {
                let column = aggregate.arg.as_ref()?.as_column()?;
                let (min, max) = self.base.get(&column)?.range?;
                size * (min + max) / 2.0
            }
            _ => return None,
        };
        if mean <= 0.0 || limit <= 0.0 {
            return None;
        }
        let above = (-std::f64::consts::FRAC_PI_4 * (limit / mean).powi(2)).exp();
        match op {
            CompareOp::Gt | CompareOp::GtEq => Some(above),
            CompareOp::Lt | CompareOp::LtEq => Some(1.0 - above),
            _ => None,
        }
    }
}

fn base(table: TableId, rows: f64, stats: &ColumnStats) -> Base {
    let range = stats
        .min
        .as_ref()
        .and_then(stored)
        .zip(stats.max.as_ref().and_then(stored));
    let whole = stats.int_range().map(|(low, high)| high as f64 - low as f64 + 1.0);
    let known = stats.distinct.map(|d| d as f64);
    // Without a count: a whole range at most, or a tenth of the rows.
    let guess = whole.map_or(rows / 10.0, |width| width.min(rows));
    let dictionary = match &stats.layout {
        Layout::Dict { dictionary, .. } => Some(dictionary.clone()),
        Layout::Plain(_) => None,
    };
    let entries = dictionary.as_ref().map(|d| d.len() as f64);
    Base {
        table,
        rows,
        distinct: entries.or(known).unwrap_or(guess).clamp(1.0, rows.max(1.0)),
        nulls: stats.null_count.map_or(0.0, |nulls| nulls as f64 / rows.max(1.0)),
        range,
        dictionary,
    }
}

/// A value as a number on its column's stored scale.
fn stored(value: &Value) -> Option<f64> {
    match value {
        Value::Int(v) => Some(*v as f64),
        Value::Float(v) if v.is_finite() => Some(*v),
        _ => None,
    }
}

/// How many of `values` equally likely values are seen in `rows` draws.
fn seen(values: f64, rows: f64) -> f64 {
    if values <= 0.0 || rows <= 0.0 {
        return 0.0;
    }
    let share = -(-rows / values).exp_m1();
    (values * share).min(rows).max(rows.min(1.0))
}

fn like_share(pattern: &Expr) -> f64 {
    match pattern.as_literal() {
        Some(Value::String(text)) if !text.contains(['%', '_']) => 0.01,
        Some(Value::String(text)) if text.starts_with('%') => {
            // Every further word makes a match rarer.
            0.08f64.powi(
                i32::try_from(text.split('%').filter(|part| !part.is_empty()).count())
                    .unwrap_or(1)
                    .max(1),
            )
        }
        Some(Value::String(_)) => 0.02,
        _ => UNKNOWN,
    }
}
