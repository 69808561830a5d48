//! Joins by ranges: which comparisons of a join without equalities bound one value of its build side.
//!
//! `events JOIN spans ON e_at BETWEEN s_from AND s_to` builds the events sorted by `e_at`; a span's partners stand next to each other,
//! and two binary searches find where they begin and end.
//!
//! Invariants: partners are exactly the rows that satisfy the comparisons taken; those are not tested again.
//!
//! Does not: comparisons of texts and of integers beyond 64 bits; nor a second value of the build side, which is tested row by row.

use super::build::{Builder, Columns, PlanError, mentioned_all, produced, same_expr};
use super::joins::{self, Spec, attach, build_table, keys_or_one};
use super::{Facts, JoinStrategy, Pipeline, facts};
use crate::plan::estimate;
use crate::plan::logical::{CompareOp, Expr, ExprKind, JoinKind, Plan};
use crate::types::LogicalType;

/// With more ranges than this, sorting what they bound costs less than to compare all with all.
const FEW_RANGES: f64 = 128.0;

/// Opens the pipeline of a join without equalities whose sides bound each other; `None` for any other join.
pub(super) fn open(
    builder: &mut Builder<'_>,
    plan: &Plan,
    (left_needed, right_needed): (&Columns, &Columns),
    required: &Columns,
) -> Result<Option<Pipeline>, PlanError> {
    let Plan::Join {
        kind: kind @ (JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti),
        left,
        right,
        keys,
        residual,
        ..
    } = plan
    else {
        return Ok(None);
    };
    if !keys.is_empty() {
        return Ok(None);
    }
    let (left_columns, right_columns) = (produced(left), produced(right));
    let band = Band::find(residual, &left_columns, &right_columns);
    if *kind == JoinKind::Inner && !band.as_ref().is_some_and(Band::is_two_sided) {
        let other = Band::find(residual, &right_columns, &left_columns);
        if other.is_some_and(|other| other.is_two_sided()) && estimate::rows(right, builder.tables) > FEW_RANGES {
            return joins::open(builder, &turned(plan), required).map(Some);
        }
    }
    let Some(band) = band else { return Ok(None) };
    let sides = ((&**left, left_needed), (&**right, right_needed));
    by_range(builder, (*kind, residual), band, sides, required).map(Some)
}

type Side<'p> = (&'p Plan, &'p Columns);

/// Opens the pipeline of a join whose right side is sorted by a value that the left side bounds.
fn by_range(
    builder: &mut Builder<'_>,
    (kind, residual): (JoinKind, &[Expr]),
    band: Band,
    (left, right): (Side<'_>, Side<'_>),
    required: &Columns,
) -> Result<Pipeline, PlanError> {
    let build = builder.open(right.0, right.1)?;
    let mut probe = builder.open(left.0, left.1)?;
    let sorted = band.is_of_integers(builder, &probe, &build);
    let (build_keys, keys, residual) = match sorted {
        true => (vec![band.key.clone()], band.keys(), band.residual.clone()),
        false => {
            let one = keys_or_one(&[]);
            let (left, right) = one.into_iter().unzip();
            (right, left, residual.to_vec())
        }
    };
    let mut after = mentioned_all(&residual);
    after.extend(required.iter().copied());
    let spec = Spec {
        kind,
        null_equal: false,
        build_keys,
        payload: right.1.iter().copied().filter(|id| after.contains(id)).collect(),
        has_residual: !residual.is_empty(),
        marks: false,
        sorted: sorted.then(|| band.strategy()),
    };
    let join = build_table(builder, build, &spec);
    attach(builder, &mut probe, join, &spec, keys, residual);
    Ok(probe)
}

/// The join with its sides exchanged.
fn turned(plan: &Plan) -> Plan {
    let mut turned = plan.clone();
    if let Plan::Join { left, right, .. } = &mut turned {
        std::mem::swap(left, right);
    }
    turned
}

/// A value of the build side and what bounds it.
pub(super) struct Band {
    /// The value.
    pub(super) key: Expr,
    /// What of the probe side it must not lie below, and whether it must lie above.
    lower: Option<(Expr, bool)>,
    upper: Option<(Expr, bool)>,
    /// The predicates that are left.
    pub(super) residual: Vec<Expr>,
}

impl Band {
    /// The best value of `build` to sort by: one that is bounded on both sides, if there is any.
    pub(super) fn find(residual: &[Expr], probe: &Columns, build: &Columns) -> Option<Self> {
        let keys = residual
            .iter()
            .filter_map(|predicate| Some(bound(predicate, probe, build)?.key));
        let mut best: Option<Self> = None;
        for key in keys {
            let band = Self::by(key, residual, probe, build);
            if band.is_two_sided() {
                return Some(band);
            }
            best = best.or(Some(band));
        }
        best
    }

    fn by(key: &Expr, predicates: &[Expr], probe: &Columns, build: &Columns) -> Self {
        let mut band = Self {
            key: key.clone(),
            lower: None,
            upper: None,
            residual: Vec::new(),
        };
        for predicate in predicates {
            match bound(predicate, probe, build).filter(|bound| same_expr(Some(bound.key), Some(key))) {
                Some(Bound {
                    limit,
                    op: CompareOp::Gt | CompareOp::GtEq,
                    strict,
                    ..
                }) if band.lower.is_none() => {
                    band.lower = Some((limit.clone(), strict));
                }
                Some(Bound {
                    limit,
                    op: CompareOp::Lt | CompareOp::LtEq,
                    strict,
                    ..
                }) if band.upper.is_none() => {
                    band.upper = Some((limit.clone(), strict));
                }
                _ => band.residual.push(predicate.clone()),
            }
        }
        band
    }

    /// Bounded below and above.
    pub(super) fn is_two_sided(&self) -> bool {
        self.lower.is_some() && self.upper.is_some()
    }

    /// Whether the value and its bounds can be compared as 64-bit integers.
    pub(super) fn is_of_integers(&self, builder: &Builder<'_>, probe: &Pipeline, build: &Pipeline) -> bool {
        let facts = |expr: &Expr, pipeline| {
            let groups = &builder.out.groups;
            facts::facts_of(expr, &|id| facts::column_facts(groups, pipeline, id))
        };
        let fits = |facts: Facts| {
            let range = facts.stored_int_range().filter(|_| facts.dictionary.is_none());
            range.is_some_and(|(low, high)| i64::try_from(low).is_ok() && i64::try_from(high).is_ok())
        };
        fits(facts(&self.key, build)) && self.limits().all(|limit| fits(facts(limit, probe)))
    }

    fn limits(&self) -> impl Iterator<Item = &Expr> {
        self.lower.iter().chain(&self.upper).map(|(limit, _)| limit)
    }

    /// The probe side's keys, the lower one first.
    pub(super) fn keys(&self) -> Vec<Expr> {
        self.limits().cloned().collect()
    }

    /// How partners are found.
    pub(super) fn strategy(&self) -> JoinStrategy {
        JoinStrategy::Sorted {
            lower: self.lower.as_ref().map(|(_, strict)| *strict),
            upper: self.upper.as_ref().map(|(_, strict)| *strict),
        }
    }
}

/// One comparison, turned so that the build side's value stands on its left.
struct Bound<'e> {
    key: &'e Expr,
    op: CompareOp,
    strict: bool,
    limit: &'e Expr,
}

fn bound<'e>(predicate: &'e Expr, probe: &Columns, build: &Columns) -> Option<Bound<'e>> {
    let ExprKind::Compare { op, left, right } = &predicate.kind else {
        return None;
    };
    if left.ty != right.ty || !left.ty.physical().is_int() {
        return None;
    }
    let strict = matches!(op, CompareOp::Lt | CompareOp::Gt);
    let turned = match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        _ => return None,
    };
    let of = |expr: &Expr, side: &Columns| {
        let columns = mentioned_all([expr]);
        !columns.is_empty() && columns.is_subset(side)
    };
    let (left, right) = (&**left, &**right);
    // What is bounded need not be widened: the integer is the same.
    let (left, right) = match (of(left, build), of(right, build)) {
        (true, _) => (unwidened(left), right),
        (_, true) => (left, unwidened(right)),
        _ => return None,
    };
    if of(left, build) && of(right, probe) {
        return Some(Bound {
            key: left,
            op: *op,
            strict,
            limit: right,
        });
    }
    (of(right, build) && of(left, probe)).then_some(Bound {
        key: right,
        op: turned,
        strict,
        limit: left,
    })
}

/// What a cast to a type with more digits is of.
fn unwidened(expr: &Expr) -> &Expr {
    let scale = |ty: &LogicalType| match ty {
        LogicalType::Decimal { scale, .. } => Some(*scale),
        ty if ty.is_integer() => Some(0),
        _ => None,
    };
    match &expr.kind {
        ExprKind::Cast { expr: inner, .. } if scale(&inner.ty).is_some() && scale(&inner.ty) == scale(&expr.ty) => {
            let holds = |(low, high): (i128, i128), (inner_low, inner_high): (i128, i128)| {
                low <= inner_low && inner_high <= high
            };
            match (expr.ty.stored_range(), inner.ty.stored_range()) {
                (Some(outer), Some(range)) if holds(outer, range) => unwidened(inner),
                _ => expr,
            }
        }
        _ => expr,
    }
}
