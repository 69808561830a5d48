//! How a join becomes a build pipeline and a probe step, and how its table finds partners.
//!
//! `orders JOIN customer ON o_custkey = c_custkey`: customer's keys lie in 1..=150,000, so the table is dense: an array of
//! 150,000 row numbers.
//!
//! Invariants: the right side is built and the left side probes; unless the left side of a semi or anti join is much the smaller
//! one, when it is built, and the right side marks the rows that have a partner.
//!
//! Does not: choose sides or order.

use super::band;
use super::build::{Builder, Columns, PlanError, mentioned_all, produced};
use super::rows::RowLayout;
use super::{Binding, Facts, JoinStrategy, JoinTable, Pipeline, RowSource, Sink, SourceField, SourceKind, Step, facts};
use crate::plan::estimate;
use crate::plan::logical::{ColumnId, Expr, ExprKind, JoinKind, Plan};
use crate::types::{LogicalType, Value};

/// Domains up to this size get a dense table whatever the number of build rows.
const SMALL_DOMAIN: u64 = 1 << 16;
/// Larger ones, up to this size, if the build side may fill a part of them.
const LARGE_DOMAIN: u64 = 1 << 26;
/// How many times as many rows the right side of a semi or anti join has for the left side to be built.
const SMALLER_SIDE: f64 = 4.0;
/// How many possible keys there may be for each row of the build side.
const SPARSENESS: u64 = 32;

/// Opens the pipeline of a join: ends the build side in its table and adds a probe to the left side's pipeline.
pub(super) fn open(builder: &mut Builder<'_>, plan: &Plan, required: &Columns) -> Result<Pipeline, PlanError> {
    let Plan::Join {
        kind,
        left,
        right,
        keys,
        null_equal,
        residual,
    } = plan
    else {
        return Err(PlanError::Unsupported("this join".into()));
    };
    let (left_columns, right_columns) = (produced(left), produced(right));
    let mut needed = mentioned_all(keys.iter().flat_map(|(l, r)| [l, r]).chain(residual));
    needed.extend(required.iter().copied());
    let from = |side: &Columns| -> Columns { needed.intersection(side).copied().collect() };
    let (left_needed, right_needed) = (from(&left_columns), from(&right_columns));

    if let Some(by_range) = band::open(builder, plan, (&left_needed, &right_needed), required)? {
        return Ok(by_range);
    }
    let keys = keys_or_one(keys);
    let build_keys: Vec<Expr> = keys.iter().map(|(_, r)| r.clone()).collect();
    let mut after = mentioned_all(residual);
    after.extend(required.iter().copied());
    let payload: Vec<ColumnId> = right_needed.iter().copied().filter(|id| after.contains(id)).collect();

    let build = builder.open(right, &right_needed)?;
    let spec = Spec {
        kind: *kind,
        null_equal: *null_equal,
        build_keys,
        payload,
        has_residual: !residual.is_empty(),
        marks: false,
        sorted: None,
    };
    let swapped = Spec {
        build_keys: keys.into_iter().map(|(l, _)| l).collect(),
        payload: after.intersection(&left_columns).copied().collect(),
        marks: true,
        ..spec.clone()
    };
    let mut opened = None;
    if is_larger(builder, &build, &spec, (left, right)) {
        let kept = builder.open(left, &left_needed)?;
        if *kind == JoinKind::Semi || !has_null_keys(builder, &kept, &swapped) {
            return Ok(marking(
                builder,
                kept,
                build,
                &swapped,
                spec.build_keys,
                residual.clone(),
            ));
        }
        opened = Some(kept);
    }
    let join = build_table(builder, build, &spec);
    let mut probe = match opened {
        Some(probe) => probe,
        None => builder.open(left, &left_needed)?,
    };
    attach(builder, &mut probe, join, &spec, swapped.build_keys, residual.clone());
    Ok(probe)
}

/// The keys; a join without equalities has one chain that holds every row.
pub(super) fn keys_or_one(keys: &[(Expr, Expr)]) -> Vec<(Expr, Expr)> {
    let one = || Expr {
        kind: ExprKind::Literal(Value::Int(0)),
        ty: LogicalType::TinyInt,
        span: Default::default(),
    };
    match keys {
        [] => vec![(one(), one())],
        keys => keys.to_vec(),
    }
}

/// Whether the right side of a semi or anti join is so much larger that the left one should be built.
fn is_larger(builder: &Builder<'_>, right: &Pipeline, spec: &Spec, sides: (&Plan, &Plan)) -> bool {
    if !matches!(spec.kind, JoinKind::Semi | JoinKind::Anti) {
        return false;
    }
    let groups = &builder.out.groups;
    let column = |id| facts::column_facts(groups, right, id);
    let key = |key: &Expr| stored_key(facts::facts_of(key, &column), spec.null_equal);
    let keys: Vec<Facts> = spec.build_keys.iter().map(key).collect();
    // To set a bit costs no more than to look one up.
    let bits = strategy(&keys, right.source_rows, spec, spec.payload.is_empty());
    if matches!(bits, JoinStrategy::Bitmap { .. }) {
        return false;
    }
    estimate::rows(sides.0, builder.tables) * SMALLER_SIDE < estimate::rows(sides.1, builder.tables)
}

/// A row with a NULL key has no partner, and would not be in the table of those without one.
fn has_null_keys(builder: &Builder<'_>, kept: &Pipeline, spec: &Spec) -> bool {
    let column = |id| facts::column_facts(&builder.out.groups, kept, id);
    let may_be_null = |key: &Expr| facts::facts_of(key, &column).nullable;
    !spec.null_equal && spec.build_keys.iter().any(may_be_null)
}

/// Builds the preserved side, has the other one mark its rows, and opens the pipeline that reads them.
fn marking(
    builder: &mut Builder<'_>,
    kept: Pipeline,
    mut other: Pipeline,
    spec: &Spec,
    keys: Vec<Expr>,
    residual: Vec<Expr>,
) -> Pipeline {
    let (rows_bound, source_rows) = (kept.rows_bound, kept.source_rows);
    let join = build_table(builder, kept, spec);
    let source = bind_source(builder, &mut other, join, spec);
    other.sink = Sink::Mark {
        join,
        keys,
        residual,
        source,
    };
    builder.out.pipelines.push(other);
    let rows = RowSource {
        kind: SourceKind::Join(join),
        fields: source_fields(builder, join, spec),
        optional: false,
    };
    let mut pipeline = Pipeline::reading(rows, spec.payload.iter().copied(), rows_bound);
    pipeline.source_rows = source_rows;
    pipeline
}

/// What is known of a join before its table is.
#[derive(Clone)]
pub(super) struct Spec {
    pub(super) kind: JoinKind,
    pub(super) null_equal: bool,
    pub(super) build_keys: Vec<Expr>,
    /// Columns of the build side that are kept behind the keys.
    pub(super) payload: Vec<ColumnId>,
    pub(super) has_residual: bool,
    /// The rows of the table are marked when a partner is found.
    pub(super) marks: bool,
    /// The table is sorted.
    pub(super) sorted: Option<JoinStrategy>,
}

/// Ends the build side's pipeline in a new join table.
pub(super) fn build_table(builder: &mut Builder<'_>, mut build: Pipeline, spec: &Spec) -> usize {
    let groups = &builder.out.groups;
    let facts = |expr: &Expr| facts::facts_of(expr, &|id| facts::column_facts(groups, &build, id));
    let key_facts: Vec<Facts> = spec
        .build_keys
        .iter()
        .map(|key| stored_key(facts(key), spec.null_equal))
        .collect();
    let mut payload: Vec<Expr> = spec.payload.iter().map(|id| builder.column_expr(*id)).collect();
    if spec.marks {
        payload.push(Expr {
            kind: ExprKind::Literal(Value::Boolean(false)),
            ty: LogicalType::Boolean,
            span: Default::default(),
        });
    }
    let strategy = strategy(&key_facts, build.source_rows, spec, payload.is_empty());
    let fields = || key_facts.iter().cloned().chain(payload.iter().map(&facts)).collect();
    let layout = match strategy {
        JoinStrategy::Bitmap { .. } => RowLayout::default(),
        JoinStrategy::Dense { .. } | JoinStrategy::Sorted { .. } => RowLayout::linked(fields()),
        JoinStrategy::Hash => RowLayout::new(fields()),
    };
    let join = builder.out.joins.len();
    builder.out.joins.push(JoinTable {
        kind: spec.kind,
        null_equal: spec.null_equal,
        strategy,
        layout,
        key_count: key_facts.len(),
        mark: spec.marks.then(|| key_facts.len() + spec.payload.len()),
        key_facts,
    });
    build.sink = Sink::Build {
        join,
        keys: spec.build_keys.clone(),
        payload,
    };
    builder.out.pipelines.push(build);
    join
}

/// A key as it lies in the table: dictionary codes mean nothing to the other side, so strings are stored in full; rows
/// with a NULL key are left out unless NULLs match.
fn stored_key(mut facts: Facts, null_equal: bool) -> Facts {
    if facts.dictionary.take().is_some() {
        facts.stored = facts.ty.physical();
    }
    facts.nullable &= null_equal;
    facts
}

fn strategy(keys: &[Facts], rows: Option<u64>, spec: &Spec, no_payload: bool) -> JoinStrategy {
    if let Some(sorted) = spec.sorted {
        return sorted;
    }
    let [key] = keys else { return JoinStrategy::Hash };
    let Some((min, max)) = key.stored_int_range().filter(|_| !key.nullable) else {
        return JoinStrategy::Hash;
    };
    let span = max.checked_sub(min).and_then(|span| u64::try_from(span).ok());
    let (Ok(min), Some(span)) = (i64::try_from(min), span) else {
        return JoinStrategy::Hash;
    };
    let range = span.saturating_add(1);
    let filled = rows.map_or(1 << 16, |rows| rows.saturating_mul(SPARSENESS));
    if range > SMALL_DOMAIN && (range > LARGE_DOMAIN || range > filled) {
        return JoinStrategy::Hash;
    }
    let exists = matches!(spec.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti);
    if exists && !spec.has_residual && no_payload {
        return JoinStrategy::Bitmap { min, range };
    }
    JoinStrategy::Dense { min, range }
}

/// Adds the probe step and binds the build side's columns to its rows.
pub(super) fn attach(
    builder: &mut Builder<'_>,
    probe: &mut Pipeline,
    join: usize,
    spec: &Spec,
    keys: Vec<Expr>,
    residual: Vec<Expr>,
) {
    let source = bind_source(builder, probe, join, spec);
    let keeps_count = matches!(spec.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti);
    if !keeps_count {
        probe.rows_bound = None;
    }
    probe.steps.push(Step::Probe {
        join,
        keys,
        residual,
        source,
    });
}

/// Gives a pipeline the rows of a join table as a source, and binds the columns that are kept there.
fn bind_source(builder: &Builder<'_>, pipeline: &mut Pipeline, join: usize, spec: &Spec) -> usize {
    let source = pipeline.sources.len();
    for (field, id) in spec.payload.iter().enumerate() {
        pipeline.bindings.insert(*id, Binding::Field { source, field });
    }
    pipeline.sources.push(RowSource {
        kind: SourceKind::Join(join),
        fields: source_fields(builder, join, spec),
        optional: spec.kind == JoinKind::Left,
    });
    source
}

fn source_fields(builder: &Builder<'_>, join: usize, spec: &Spec) -> Vec<SourceField> {
    let table = &builder.out.joins[join];
    let field = |(i, id): (usize, &ColumnId)| {
        let index = table.key_count + i;
        SourceField {
            index,
            name: builder.column_name(*id),
            facts: table.layout.fields[index].facts.clone(),
        }
    };
    spec.payload.iter().enumerate().map(field).collect()
}
