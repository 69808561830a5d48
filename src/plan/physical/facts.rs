//! What is known of an expression's values before any is computed: layout, range, NULL-freedom.
//!
//! With `l_discount` in 0..=10 (hundredths), `1 - l_discount` is in 90..=100; times `l_extendedprice` in 0..=10,494,950 it is
//! below 1.05 × 10⁹: 64 bits are enough and no overflow check is needed.
//!
//! Invariants: the range holds for every value that the expression can have in this query, given that readers check the
//! statistics; it is always within the type's own range, because what would leave it is an error.
//!
//! Does not: look at data.

use super::{DictionaryRef, PhysicalPlan};
use crate::functions::Native;
use crate::plan::logical::{ArithOp, ColumnId, Expr, ExprKind};
use crate::types::{ColumnStats, Layout, LogicalType, Physical, Value};

/// Functions whose value is never below zero.
const COUNTS: &[&str] = &["length", "strlen", "octet_length", "abs"];

/// What is known of a column or an expression.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Type.
    pub ty: LogicalType,
    /// How a stored value lies in memory (for a dictionary column: its codes).
    pub stored: Physical,
    /// The dictionary, if codes are stored.
    pub dictionary: Option<DictionaryRef>,
    /// Least and greatest stored integer (not codes).
    pub range: Option<(i128, i128)>,
    /// May be NULL.
    pub nullable: bool,
}

impl Facts {
    /// Only the type is known.
    pub fn of_type(ty: &LogicalType, nullable: bool) -> Self {
        Self {
            ty: ty.clone(),
            stored: ty.physical(),
            dictionary: None,
            range: ty.stored_range(),
            nullable,
        }
    }

    /// An integer-like type whose values lie in a range; stored as narrowly as the range allows.
    pub fn with_range(ty: &LogicalType, range: Option<(i128, i128)>, nullable: bool) -> Self {
        let mut facts = Self::of_type(ty, nullable);
        if let (Some(own), Some(range)) = (facts.range, range) {
            let (low, high) = (own.0.max(range.0), own.1.min(range.1));
            if low <= high {
                facts.range = Some((low, high));
                facts.stored = Physical::for_range(low, high).min(facts.stored);
            }
        }
        facts
    }

    /// A column of a relation.
    pub fn of_column(ty: &LogicalType, nullable: bool, stats: &ColumnStats, rows: Option<u64>) -> Self {
        let mut facts = Self::of_type(ty, nullable && stats.null_count != Some(0));
        facts.stored = stats.layout.stored();
        if let Layout::Dict { dictionary, .. } = &stats.layout {
            facts.dictionary = Some(dictionary.clone());
        } else if let (Some(own), Some(range)) = (facts.range, stats.int_range()) {
            facts.range = Some((own.0.max(range.0), own.1.min(range.1)));
        }
        if rows == Some(0) {
            facts.range = facts.range.map(|_| (0, 0));
        }
        facts
    }

    /// The range of what is stored as an integer: codes of a dictionary, else values.
    pub fn stored_int_range(&self) -> Option<(i128, i128)> {
        match &self.dictionary {
            Some(dictionary) => Some((0, dictionary.len().saturating_sub(1) as i128)),
            None => self.range.filter(|_| self.stored.is_int()),
        }
    }
}

/// Facts of an expression, given those of its columns.
pub fn facts_of(expr: &Expr, columns: &dyn Fn(ColumnId) -> Facts) -> Facts {
    let recur = |e: &Expr| facts_of(e, columns);
    let plain = |range, nullable| Facts::with_range(&expr.ty, range, nullable);
    match &expr.kind {
        ExprKind::Column(id) => columns(*id),
        ExprKind::Literal(Value::Null) => plain(None, true),
        ExprKind::Literal(value) => plain(value.as_int().map(|v| (v, v)), false),
        ExprKind::Subquery(_) => plain(None, true),
        ExprKind::Cast { expr: inner, try_ } => {
            let from = recur(inner);
            let range = cast_range(&from, &expr.ty);
            plain(range, from.nullable || *try_)
        }
        ExprKind::Chain { first, rest } => {
            let start = recur(first);
            let (mut range, mut nullable, mut ty) = (start.range, start.nullable, start.ty);
            for step in rest {
                let operand = recur(&step.operand);
                if step.left_ty != ty {
                    range = scale_range(range, &ty, &step.left_ty);
                }
                range = step_range(step.op, range, operand.range, &step.ty);
                nullable |= operand.nullable;
                ty = step.ty.clone();
            }
            plain(range, nullable)
        }
        ExprKind::Neg(inner) => {
            let from = recur(inner);
            let range = from
                .range
                .and_then(|(low, high)| Some((high.checked_neg()?, low.checked_neg()?)));
            plain(range, from.nullable)
        }
        ExprKind::Not(inner) => plain(None, recur(inner).nullable),
        ExprKind::And(items) | ExprKind::Or(items) => plain(None, items.iter().any(|e| recur(e).nullable)),
        ExprKind::Compare { op, left, right } => {
            use crate::plan::logical::CompareOp::{Distinct, NotDistinct};
            let never = matches!(op, Distinct | NotDistinct);
            plain(None, !never && (recur(left).nullable || recur(right).nullable))
        }
        ExprKind::IsNull { .. } => plain(None, false),
        ExprKind::InList { expr: inner, .. } => plain(None, recur(inner).nullable),
        ExprKind::Like {
            expr: inner, pattern, ..
        } => plain(None, recur(inner).nullable || recur(pattern).nullable),
        ExprKind::Case { arms, otherwise } => {
            let values: Vec<&Expr> = arms.iter().map(|(_, value)| value).chain([&**otherwise]).collect();
            plain(union_range(&values, &recur), values.iter().any(|v| recur(v).nullable))
        }
        ExprKind::Coalesce(items) => {
            let values: Vec<&Expr> = items.iter().collect();
            plain(union_range(&values, &recur), values.iter().all(|v| recur(v).nullable))
        }
        ExprKind::Call { function, args } => {
            let def = crate::functions::function(*function);
            let strict = def.nulls == crate::functions::NullRule::Strict;
            let nullable = !strict || args.iter().any(|arg| recur(arg).nullable);
            let counts = def.native == Some(Native::Length) || COUNTS.contains(&def.name);
            plain(counts.then_some((0, i64::MAX.into())), nullable)
        }
        ExprKind::Routine { nullable, .. } => plain(None, *nullable),
    }
}

/// The range that holds all values; a bare NULL adds none.
fn union_range(values: &[&Expr], facts: &dyn Fn(&Expr) -> Facts) -> Option<(i128, i128)> {
    let known = values
        .iter()
        .filter(|v| !matches!(v.kind, ExprKind::Literal(Value::Null)));
    known.map(|v| facts(v).range).reduce(|a, b| {
        let (a, b) = (a?, b?);
        Some((a.0.min(b.0), a.1.max(b.1)))
    })?
}

fn scale_of(ty: &LogicalType) -> Option<u32> {
    match ty {
        LogicalType::Decimal { scale, .. } => Some((*scale).into()),
        ty if ty.is_integer() => Some(0),
        _ => None,
    }
}

/// The range after an integer or decimal is brought to another scale (rounding included).
fn scale_range(range: Option<(i128, i128)>, from: &LogicalType, to: &LogicalType) -> Option<(i128, i128)> {
    let (low, high) = range?;
    match (scale_of(from), scale_of(to)) {
        (Some(a), Some(b)) if b >= a => {
            let factor = 10i128.checked_pow(b - a)?;
            Some((low.checked_mul(factor)?, high.checked_mul(factor)?))
        }
        (Some(a), Some(b)) => {
            let factor = 10i128.checked_pow(a - b)?;
            Some((low / factor - 1, high / factor + 1))
        }
        _ if from == to => Some((low, high)),
        _ => None,
    }
}

fn cast_range(from: &Facts, to: &LogicalType) -> Option<(i128, i128)> {
    if from.dictionary.is_some() {
        return None;
    }
    match (&from.ty, to) {
        (LogicalType::Boolean, to) if to.is_integer() => Some((0, 1)),
        (a, b) => scale_range(from.range, a, b),
    }
}

fn step_range(op: ArithOp, a: Option<(i128, i128)>, b: Option<(i128, i128)>, ty: &LogicalType) -> Option<(i128, i128)> {
    let exact = matches!(ty, LogicalType::Decimal { .. }) || ty.is_integer();
    if exact { exact_range(op, a, b) } else { None }
}

/// Bounds of the exact result of an operation on integers, if they are known and fit in 128 bits.
pub fn exact_range(op: ArithOp, a: Option<(i128, i128)>, b: Option<(i128, i128)>) -> Option<(i128, i128)> {
    let (a, b) = (a?, b?);
    match op {
        ArithOp::Add => Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?)),
        ArithOp::Sub => Some((a.0.checked_sub(b.1)?, a.1.checked_sub(b.0)?)),
        ArithOp::Mul => {
            let corners = [
                a.0.checked_mul(b.0)?,
                a.0.checked_mul(b.1)?,
                a.1.checked_mul(b.0)?,
                a.1.checked_mul(b.1)?,
            ];
            Some((*corners.iter().min()?, *corners.iter().max()?))
        }
        ArithOp::Rem => {
            let most = b.0.checked_abs()?.max(b.1.checked_abs()?).checked_sub(1)?.max(0);
            Some((a.0.max(-most).min(0), a.1.min(most).max(0)))
        }
        ArithOp::IntDiv if b.0 > 0 => {
            let corners = [a.0 / b.0, a.0 / b.1, a.1 / b.0, a.1 / b.1];
            Some((*corners.iter().min()?, *corners.iter().max()?))
        }
        ArithOp::Div | ArithOp::IntDiv => {
            let most = a.0.checked_abs()?.max(a.1.checked_abs()?);
            Some((-most, most))
        }
        ArithOp::Concat => None,
    }
}

/// Whether a sum of at most `rows` values in `range` is sure to fit in 64 bits.
pub fn sum_fits_i64(range: Option<(i128, i128)>, rows: Option<u64>) -> bool {
    let (Some((low, high)), Some(rows)) = (range, rows) else {
        return false;
    };
    let most = low.unsigned_abs().max(high.unsigned_abs());
    most.checked_mul(rows.into())
        .is_some_and(|total| total <= i64::MAX as u128)
}

impl PhysicalPlan {
    /// Facts of a column of a pipeline.
    pub fn column_facts(&self, pipeline: &super::Pipeline, id: ColumnId) -> Facts {
        column_facts(&self.groups, pipeline, id)
    }
}

/// Facts of a column as a pipeline binds it.
pub fn column_facts(groups: &[super::GroupTable], pipeline: &super::Pipeline, id: ColumnId) -> Facts {
    match pipeline.bindings.get(&id) {
        Some(super::Binding::Field { source, field }) => {
            let source = &pipeline.sources[*source];
            let mut facts = source.fields[*field].facts.clone();
            facts.nullable |= source.optional;
            facts
        }
        Some(super::Binding::Expr(expr)) => facts_of(expr, &|id| column_facts(groups, pipeline, id)),
        Some(super::Binding::Aggregate { source, aggregate }) => match &pipeline.sources[*source].kind {
            super::SourceKind::Group(group) => groups[*group].aggregates[*aggregate].facts.clone(),
            _ => Facts::of_type(&LogicalType::Null, true),
        },
        None => Facts::of_type(&LogicalType::Null, true),
    }
}
