//! Cuts a logical plan into pipelines.
//!
//! Walking down from the root, each operator either adds to the open pipeline (filter, projection, probe) or ends the
//! pipelines of its inputs in a sink and opens a new one that reads the result (join build, aggregation, sorting inside a
//! query, UNION ALL).
//!
//! Invariants: only columns that something above needs are stored by a sink.
//!
//! Does not: reorder joins or push filters (the rules did).

use std::collections::{BTreeSet, HashMap, HashSet};

use super::joins;
use super::once;
use super::rows::RowLayout;
use super::unnest;
use super::{
    AggregateResult, Binding, Dim, Facts, Finish, GroupStrategy, GroupTable, PhysicalPlan, Pipeline, Recursion,
    RowSource, Sink, SourceField, SourceKind, State, StateKind, Step, TempTable, facts,
};
use crate::plan::TableResolver;
use crate::plan::estimate::Estimator;
use crate::plan::logical::{self, Aggregate, AggregateFunction, ColumnId, Expr, ExprKind, Plan, SortKey};
use crate::types::{Field, LogicalType, Value};

/// Why a plan cannot be executed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlanError {
    /// A feature that the engine does not have yet.
    #[error("{0} is not supported yet")]
    Unsupported(String),
}

pub(super) type Columns = BTreeSet<ColumnId>;

/// Plans a query, its subqueries and its recursive CTEs; `estimates`: with how many rows are expected where.
pub fn plan(query: &logical::Query, tables: &dyn TableResolver, estimates: bool) -> Result<PhysicalPlan, PlanError> {
    plan_part(query, false, tables, estimates)
}

/// `is_given`: it is a value, if it can be.
fn plan_part(
    query: &logical::Query,
    is_given: bool,
    tables: &dyn TableResolver,
    estimates: bool,
) -> Result<PhysicalPlan, PlanError> {
    let mut subqueries = Vec::new();
    for (at, subquery) in query.subqueries.iter().enumerate() {
        let is_given = query
            .given
            .iter()
            .any(|given| given.subquery.is_some_and(|id| id.0 as usize == at));
        subqueries.push(plan_part(subquery, is_given, tables, estimates)?);
    }
    let recursions = query.recursions.iter().map(|recursion| {
        Ok(Recursion {
            base: plan(&recursion.base, tables, estimates)?,
            step: plan(&recursion.step, tables, estimates)?,
            distinct: recursion.distinct,
            fields: recursion.fields.clone(),
            subqueries_before: recursion.subqueries_before,
        })
    });
    let recursions = recursions.collect::<Result<_, PlanError>>()?;
    let mut builder = Builder {
        tables,
        query,
        estimator: estimates.then(|| Estimator::new(&query.root, tables)),
        out: PhysicalPlan::empty((subqueries, recursions), query),
        volatile: HashMap::new(),
        kept: HashSet::new(),
    };
    match query.only_value() {
        Some(value) if is_given => builder.out.value = Some(value.clone()),
        _ => builder.result()?,
    }
    while let Some(column) = once::repeated(&builder.out, &builder.volatile) {
        if !builder.kept.insert(column) {
            break;
        }
        builder.again();
        builder.result()?;
    }
    Ok(builder.out)
}

impl PhysicalPlan {
    fn empty((subqueries, recursions): (Vec<PhysicalPlan>, Vec<Recursion>), query: &logical::Query) -> Self {
        Self {
            subqueries,
            recursions,
            pipelines: Vec::new(),
            joins: Vec::new(),
            groups: Vec::new(),
            temps: Vec::new(),
            output: query.output.iter().map(|(_, field)| field.clone()).collect(),
            output_columns: Vec::new(),
            program: query.program.clone(),
            value: None,
        }
    }
}

pub(super) struct Builder<'a> {
    pub(super) tables: &'a dyn TableResolver,
    pub(super) query: &'a logical::Query,
    estimator: Option<Estimator>,
    pub(super) out: PhysicalPlan,
    /// Columns that are another value each time they are computed, and behind how many steps of their pipelines they are made.
    volatile: HashMap<ColumnId, usize>,
    /// Those of them that are kept.
    kept: HashSet<ColumnId>,
}

/// The columns that an expression mentions.
pub(super) fn mentioned(expr: &Expr, into: &mut Columns) {
    expr.visit(&mut |part| into.extend(part.as_column()));
}

pub(super) fn mentioned_all<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Columns {
    let mut columns = Columns::new();
    exprs.into_iter().for_each(|expr| mentioned(expr, &mut columns));
    columns
}

/// The columns that a plan produces.
pub(super) fn produced(plan: &Plan) -> Columns {
    match plan {
        Plan::Scan { columns, .. } | Plan::Recursive { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
        Plan::Values { columns, .. } | Plan::UnionAll { columns, .. } => columns.iter().copied().collect(),
        Plan::Range { column, .. } => [*column].into(),
        Plan::Filter { input, .. } | Plan::Sort { input, .. } | Plan::Limit { input, .. } => produced(input),
        Plan::Unnest { .. } | Plan::Window { .. } | Plan::Called { .. } | Plan::ForEach { .. } => {
            plan.output().into_iter().collect()
        }
        Plan::Project { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
        Plan::Join { kind, left, right, .. } => {
            let mut columns = produced(left);
            if matches!(
                kind,
                logical::JoinKind::Inner | logical::JoinKind::Left | logical::JoinKind::Full
            ) {
                columns.extend(produced(right));
            }
            columns
        }
        Plan::Aggregate { keys, aggregates, .. } => keys
            .iter()
            .map(|(id, _)| *id)
            .chain(aggregates.iter().map(|(id, _)| *id))
            .collect(),
    }
}

impl Builder<'_> {
    /// Forgets the pipelines, but not what is to be kept.
    fn again(&mut self) {
        let subqueries = std::mem::take(&mut self.out.subqueries);
        let recursions = std::mem::take(&mut self.out.recursions);
        self.out = PhysicalPlan::empty((subqueries, recursions), self.query);
        self.volatile.clear();
    }

    /// The whole query: what stands on top of it (ORDER BY, LIMIT) is done on the result's batches.
    fn result(&mut self) -> Result<(), PlanError> {
        let wanted: Vec<ColumnId> = self.query.output.iter().map(|(id, _)| *id).collect();
        let (input, finish, aliases) = peel(&self.query.root);
        let resolved: Vec<ColumnId> = wanted
            .iter()
            .map(|id| aliases.get(id).copied().unwrap_or(*id))
            .collect();
        let mut columns: Vec<ColumnId> = resolved.clone();
        columns.extend(
            finish
                .sort
                .iter()
                .map(|key| aliases.get(&key.column).copied().unwrap_or(key.column)),
        );
        dedup(&mut columns);
        let sort = sort_positions(&finish.sort, &columns, &aliases);
        let finish = Finish {
            windows: Vec::new(),
            sort,
            limit: finish.limit,
            offset: finish.offset,
        };
        self.emit_batches(input, &columns, None, finish)?;
        let position = |id: &ColumnId| columns.iter().position(|c| c == id).unwrap_or(0);
        self.out.output_columns = resolved.iter().map(position).collect();
        Ok(())
    }

    /// Runs `input` into batches of these columns. UNION ALL feeds the same batches from several pipelines.
    pub(super) fn emit_batches(
        &mut self,
        input: &Plan,
        columns: &[ColumnId],
        temp: Option<usize>,
        finish: Finish,
    ) -> Result<(), PlanError> {
        if let Plan::UnionAll {
            columns: produced,
            inputs,
        } = input
        {
            for (plan, ids) in inputs {
                let taken: Vec<ColumnId> = columns
                    .iter()
                    .map(|id| ids[produced.iter().position(|p| p == id).unwrap_or(0)])
                    .collect();
                self.emit_batches_of(plan, &taken, temp, finish.clone())?;
            }
            return Ok(());
        }
        self.emit_batches_of(input, columns, temp, finish)
    }

    fn emit_batches_of(
        &mut self,
        input: &Plan,
        columns: &[ColumnId],
        temp: Option<usize>,
        finish: Finish,
    ) -> Result<(), PlanError> {
        let mut pipeline = self.open(input, &columns.iter().copied().collect())?;
        let columns: Vec<Expr> = columns.iter().map(|id| self.column_expr(*id)).collect();
        let is_volatile = |column: &Expr| once::is_volatile(&pipeline, column);
        if !columns.iter().any(is_volatile) {
            pipeline.steps.extend(super::cutoff::step(&pipeline, &columns, &finish));
        }
        pipeline.sink = Sink::Batches { temp, columns, finish };
        self.out.pipelines.push(pipeline);
        Ok(())
    }

    pub(super) fn column_expr(&self, id: ColumnId) -> Expr {
        let ty = self
            .query
            .columns
            .get(id.0 as usize)
            .map_or(LogicalType::Null, |info| info.ty.clone());
        Expr {
            kind: ExprKind::Column(id),
            ty,
            span: Default::default(),
        }
    }

    pub(super) fn column_name(&self, id: ColumnId) -> String {
        self.query
            .columns
            .get(id.0 as usize)
            .map_or_else(String::new, |info| info.name.clone())
    }

    /// The pipeline, still without a sink, that produces the required columns of a plan.
    pub(super) fn open(&mut self, plan: &Plan, required: &Columns) -> Result<Pipeline, PlanError> {
        let mut pipeline = self.opened(plan, required)?;
        if let Some(estimator) = &self.estimator {
            pipeline.expected.push((pipeline.steps.len(), estimator.rows(plan)));
        }
        Ok(pipeline)
    }

    fn opened(&mut self, plan: &Plan, required: &Columns) -> Result<Pipeline, PlanError> {
        match plan {
            Plan::Scan {
                table,
                name,
                columns,
                filters,
            } => Ok(self.scan(*table, name, columns, filters)),
            Plan::Values { columns, rows } => self.values(columns, rows),
            Plan::Range {
                column,
                start,
                stop,
                step,
            } => Ok(self.range(*column, *start, *stop, *step)),
            Plan::Recursive { recursion, columns, .. } => Ok(self.recursive(*recursion, columns)),
            Plan::Filter { input, predicates } => {
                let mut needed = mentioned_all(predicates);
                needed.extend(required.iter().copied());
                let mut pipeline = self.open(input, &needed)?;
                pipeline.steps.push(Step::Filter {
                    predicates: predicates.clone(),
                });
                Ok(pipeline)
            }
            Plan::Project { input, columns } => self.project(input, columns, required),
            Plan::Join {
                kind: logical::JoinKind::Full,
                ..
            } => super::full::open(self, plan, required),
            Plan::Join { .. } => joins::open(self, plan, required),
            Plan::Aggregate {
                input,
                keys,
                aggregates,
            } => self.aggregate(input, keys, aggregates),
            Plan::Sort { .. } | Plan::Limit { .. } => self.sorted(plan, required),
            Plan::Unnest { .. } => unnest::open(self, plan, required),
            Plan::Window { .. } => super::window::open(self, plan, required),
            Plan::Called { call, .. } => Err(PlanError::Unsupported(format!(
                "a call of {} in such a place",
                call.function
            ))),
            Plan::ForEach { .. } => Err(PlanError::Unsupported("a correlated subquery in such a place".into())),
            Plan::UnionAll { columns, .. } => {
                let needed: Vec<ColumnId> = columns.iter().copied().filter(|id| required.contains(id)).collect();
                self.materialize(plan, needed, Finish::default())
            }
        }
    }

    fn scan(&self, table: logical::TableId, name: &str, columns: &[(ColumnId, usize)], filters: &[Expr]) -> Pipeline {
        let info = self.tables.info(table);
        let fields = columns.iter().map(|(_, index)| {
            let field = &info.schema[*index];
            let facts = Facts::of_column(&field.ty, field.nullable, &info.stats.columns[*index], info.stats.rows);
            SourceField {
                index: *index,
                name: field.name.clone(),
                facts,
            }
        });
        let kind = SourceKind::Table {
            table,
            name: name.to_owned(),
        };
        let source = RowSource {
            kind,
            fields: fields.collect(),
            optional: false,
        };
        let mut pipeline = Pipeline::reading(source, columns.iter().map(|(id, _)| *id), info.stats.rows);
        if !filters.is_empty() {
            pipeline.steps.push(Step::Filter {
                predicates: filters.to_vec(),
            });
        }
        pipeline
    }

    fn values(&mut self, columns: &[ColumnId], rows: &[Vec<Expr>]) -> Result<Pipeline, PlanError> {
        let literal = |row: &Vec<Expr>| row.iter().all(|e| matches!(e.kind, ExprKind::Literal(_)));
        if columns.is_empty() && rows.len() == 1 {
            let source = RowSource {
                kind: SourceKind::OneRow,
                fields: Vec::new(),
                optional: false,
            };
            return Ok(Pipeline::reading(source, [], Some(1)));
        }
        let temp = self.temp(columns);
        if rows.iter().all(literal) {
            let value = |e: &Expr| match &e.kind {
                ExprKind::Literal(value) => value.clone(),
                _ => Value::Null,
            };
            self.out.temps[temp].rows = rows.iter().map(|row| row.iter().map(value).collect()).collect();
        } else {
            for row in rows {
                let source = RowSource {
                    kind: SourceKind::OneRow,
                    fields: Vec::new(),
                    optional: false,
                };
                let mut pipeline = Pipeline::reading(source, [], Some(1));
                pipeline.sink = Sink::Batches {
                    temp: Some(temp),
                    columns: row.clone(),
                    finish: Finish::default(),
                };
                self.out.pipelines.push(pipeline);
            }
        }
        Ok(self.read_temp(temp, columns))
    }

    fn range(&self, column: ColumnId, start: i64, stop: i64, step: i64) -> Pipeline {
        let span = if step > 0 {
            i128::from(stop) - i128::from(start)
        } else {
            i128::from(start) - i128::from(stop)
        };
        let stride = i128::from(step).abs().max(1);
        let count = u64::try_from((span.max(0) + stride - 1) / stride).unwrap_or(u64::MAX);
        let last = i128::from(start) + i128::from(step) * i128::from(count.saturating_sub(1));
        let range = (last.min(start.into()), last.max(start.into()));
        let mut facts = Facts::with_range(&LogicalType::BigInt, Some(range), false);
        facts.stored = LogicalType::BigInt.physical();
        let field = SourceField {
            index: 0,
            name: self.column_name(column),
            facts,
        };
        let kind = SourceKind::Range { start, step, count };
        Pipeline::reading(
            RowSource {
                kind,
                fields: vec![field],
                optional: false,
            },
            [column],
            Some(count),
        )
    }

    fn project(
        &mut self,
        input: &Plan,
        columns: &[(ColumnId, Expr)],
        required: &Columns,
    ) -> Result<Pipeline, PlanError> {
        let wanted: Vec<&(ColumnId, Expr)> = columns.iter().filter(|(id, _)| required.contains(id)).collect();
        let needed = mentioned_all(wanted.iter().map(|(_, expr)| expr));
        let mut pipeline = self.open(input, &needed)?;
        let mut keeps = false;
        for (id, expr) in &wanted {
            let same = matches!(expr.kind, ExprKind::Column(other) if other == *id);
            if !same {
                pipeline.bindings.insert(*id, Binding::Expr(expr.clone()));
            }
            if expr.is_volatile() {
                keeps |= self.kept.contains(id);
                self.volatile.insert(*id, pipeline.steps.len());
            }
        }
        if !keeps {
            return Ok(pipeline);
        }
        let columns: Vec<ColumnId> = wanted.iter().map(|(id, _)| *id).collect();
        let temp = self.temp(&columns);
        pipeline.sink = Sink::Batches {
            temp: Some(temp),
            columns: columns.iter().map(|id| self.column_expr(*id)).collect(),
            finish: Finish::default(),
        };
        let source_rows = pipeline.source_rows;
        self.out.pipelines.push(pipeline);
        let mut reading = self.read_temp(temp, &columns);
        reading.source_rows = source_rows;
        Ok(reading)
    }

    fn aggregate(
        &mut self,
        input: &Plan,
        keys: &[(ColumnId, Expr)],
        aggregates: &[(ColumnId, Aggregate)],
    ) -> Result<Pipeline, PlanError> {
        if let Some(rewritten) = super::super::distinct::split(input, keys, aggregates, &self.query.columns)? {
            return self.aggregate_distinct(&rewritten);
        }
        let mut needed = mentioned_all(keys.iter().map(|(_, expr)| expr));
        for (_, aggregate) in aggregates {
            needed.extend(mentioned_all(aggregate.arg.iter().chain(&aggregate.filter)));
        }
        let mut pipeline = self.open(input, &needed)?;
        let group = self.group_table(&pipeline, keys, aggregates);
        pipeline.sink = Sink::Aggregate {
            group,
            keys: keys.iter().map(|(_, expr)| expr.clone()).collect(),
        };
        self.out.pipelines.push(pipeline);
        Ok(self.read_groups(group, keys, aggregates))
    }

    fn aggregate_distinct(&mut self, rewritten: &super::super::distinct::Split) -> Result<Pipeline, PlanError> {
        self.aggregate(&rewritten.inner, &rewritten.keys, &rewritten.aggregates)
    }

    fn group_table(
        &mut self,
        pipeline: &Pipeline,
        keys: &[(ColumnId, Expr)],
        aggregates: &[(ColumnId, Aggregate)],
    ) -> usize {
        let facts = |expr: &Expr| facts::facts_of(expr, &|id| facts::column_facts(&self.out.groups, pipeline, id));
        let key_facts: Vec<Facts> = keys.iter().map(|(_, expr)| facts(expr)).collect();
        let strategy = group_strategy(&key_facts, pipeline.source_rows);
        let mut states = StateList::default();
        let results = aggregates.iter().map(|(_, aggregate)| {
            let arg = aggregate.arg.as_ref().map(&facts);
            states.result(aggregate, arg, pipeline.rows_bound, strategy == GroupStrategy::Single)
        });
        let aggregates: Vec<AggregateResult> = results.collect();
        if matches!(strategy, GroupStrategy::Direct { .. }) {
            states.row_count();
        }
        let key_count = key_facts.len();
        let state_fields: Vec<Facts> = states.list.iter().map(|state| state_facts(state, &facts)).collect();
        let layout = match strategy {
            GroupStrategy::Hash => RowLayout::new(key_facts.into_iter().chain(state_fields).collect()),
            _ => RowLayout::with_implied_keys(key_facts, state_fields),
        };
        self.out.groups.push(GroupTable {
            strategy,
            layout,
            key_count,
            states: states.list,
            aggregates,
        });
        self.out.groups.len() - 1
    }

    fn read_groups(&self, group: usize, keys: &[(ColumnId, Expr)], aggregates: &[(ColumnId, Aggregate)]) -> Pipeline {
        let table = &self.out.groups[group];
        let field = |index: usize, name: String| SourceField {
            index,
            name,
            facts: table.layout.fields[index].facts.clone(),
        };
        let fields = keys
            .iter()
            .enumerate()
            .map(|(i, (id, _))| field(i, self.column_name(*id)));
        let source = RowSource {
            kind: SourceKind::Group(group),
            fields: fields.collect(),
            optional: false,
        };
        let bound = match &table.strategy {
            GroupStrategy::Single => Some(1),
            GroupStrategy::Direct { size, .. } => Some(*size),
            GroupStrategy::Hash => None,
        };
        let mut pipeline = Pipeline::reading(source, keys.iter().map(|(id, _)| *id), bound);
        for (i, (id, _)) in aggregates.iter().enumerate() {
            pipeline.bindings.insert(
                *id,
                Binding::Aggregate {
                    source: 0,
                    aggregate: i,
                },
            );
        }
        pipeline
    }

    /// ORDER BY or LIMIT inside a query.
    fn sorted(&mut self, plan: &Plan, required: &Columns) -> Result<Pipeline, PlanError> {
        let (input, finish, aliases) = peel(plan);
        let mut columns: Vec<ColumnId> = produced(plan).into_iter().filter(|id| required.contains(id)).collect();
        columns.extend(finish.sort.iter().map(|key| key.column));
        dedup(&mut columns);
        let inner: Vec<ColumnId> = columns
            .iter()
            .map(|id| aliases.get(id).copied().unwrap_or(*id))
            .collect();
        let sort = sort_positions(&finish.sort, &columns, &HashMap::new());
        let finish = Finish {
            windows: Vec::new(),
            sort,
            limit: finish.limit,
            offset: finish.offset,
        };
        let temp = self.temp(&columns);
        self.emit_batches(input, &inner, Some(temp), finish)?;
        Ok(self.read_temp(temp, &columns))
    }

    pub(super) fn materialize(
        &mut self,
        plan: &Plan,
        columns: Vec<ColumnId>,
        finish: Finish,
    ) -> Result<Pipeline, PlanError> {
        let temp = self.temp(&columns);
        self.emit_batches(plan, &columns, Some(temp), finish)?;
        Ok(self.read_temp(temp, &columns))
    }

    pub(super) fn temp(&mut self, columns: &[ColumnId]) -> usize {
        let fields = columns.iter().map(|id| {
            let info = &self.query.columns[id.0 as usize];
            Field {
                name: info.name.clone(),
                ty: info.ty.clone(),
                nullable: true,
            }
        });
        self.out.temps.push(TempTable {
            columns: fields.collect(),
            rows: Vec::new(),
            recursion: None,
        });
        self.out.temps.len() - 1
    }

    /// Columns of a recursive CTE.
    fn recursive(&mut self, recursion: logical::RecursionId, columns: &[(ColumnId, usize)]) -> Pipeline {
        let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        let temp = self.temp(&ids);
        self.out.temps[temp].recursion = Some(recursion.0 as usize);
        let mut pipeline = self.read_temp(temp, &ids);
        for (field, (_, index)) in pipeline.sources[0].fields.iter_mut().zip(columns) {
            field.index = *index;
        }
        pipeline
    }

    pub(super) fn read_temp(&self, temp: usize, columns: &[ColumnId]) -> Pipeline {
        let fields = self.out.temps[temp]
            .columns
            .iter()
            .enumerate()
            .map(|(index, field)| SourceField {
                index,
                name: field.name.clone(),
                facts: Facts::of_type(&field.ty, true),
            });
        let source = RowSource {
            kind: SourceKind::Temp(temp),
            fields: fields.collect(),
            optional: false,
        };
        let rows = &self.out.temps[temp].rows;
        let bound = if rows.is_empty() { None } else { Some(rows.len() as u64) };
        Pipeline::reading(source, columns.iter().copied(), bound)
    }
}

impl Pipeline {
    pub(super) fn reading(
        source: RowSource,
        columns: impl IntoIterator<Item = ColumnId>,
        rows_bound: Option<u64>,
    ) -> Self {
        let bindings = columns.into_iter().enumerate();
        Self {
            sources: vec![source],
            bindings: bindings
                .map(|(field, id)| (id, Binding::Field { source: 0, field }))
                .collect(),
            steps: Vec::new(),
            sink: Sink::Batches {
                temp: None,
                columns: Vec::new(),
                finish: Finish::default(),
            },
            rows_bound,
            source_rows: rows_bound,
            expected: Vec::new(),
        }
    }
}

/// Sorting and cutting that stands on top of a plan.
#[derive(Default)]
struct Peeled {
    sort: Vec<SortKey>,
    limit: Option<u64>,
    offset: u64,
}

/// Takes LIMIT, ORDER BY and renaming projections off the top; gives what is below, and which column below a renamed one is.
fn peel(plan: &Plan) -> (&Plan, Peeled, HashMap<ColumnId, ColumnId>) {
    let mut finish = Peeled::default();
    let mut aliases: HashMap<ColumnId, ColumnId> = HashMap::new();
    let mut at = plan;
    if let Some((input, renamed)) = renaming(at)
        && matches!(input, Plan::Sort { .. } | Plan::Limit { .. })
    {
        aliases = renamed;
        at = input;
    }
    if let Plan::Limit { input, limit, offset } = at {
        finish.limit = *limit;
        finish.offset = *offset;
        at = input;
        if let Some((input, renamed)) = renaming(at)
            && matches!(input, Plan::Sort { .. })
        {
            for target in aliases.values_mut() {
                *target = renamed.get(target).copied().unwrap_or(*target);
            }
            for (id, target) in renamed {
                aliases.entry(id).or_insert(target);
            }
            at = input;
        }
    }
    if let Plan::Sort { input, keys, limit } = at {
        finish.sort = keys.clone();
        if finish.limit.is_none() && finish.offset == 0 {
            finish.limit = *limit;
        }
        at = input;
    }
    (at, finish, aliases)
}

/// A projection that only renames and drops columns.
fn renaming(plan: &Plan) -> Option<(&Plan, HashMap<ColumnId, ColumnId>)> {
    let Plan::Project { input, columns } = plan else {
        return None;
    };
    let rename = |(id, expr): &(ColumnId, Expr)| match expr.kind {
        ExprKind::Column(from) => Some((*id, from)),
        _ => None,
    };
    Some((input, columns.iter().map(rename).collect::<Option<_>>()?))
}

fn sort_positions(
    keys: &[SortKey],
    columns: &[ColumnId],
    aliases: &HashMap<ColumnId, ColumnId>,
) -> Vec<(usize, SortKey)> {
    let position = |key: &SortKey| {
        let id = aliases.get(&key.column).copied().unwrap_or(key.column);
        columns.iter().position(|c| *c == id).unwrap_or(0)
    };
    keys.iter().map(|key| (position(key), key.clone())).collect()
}

fn dedup(columns: &mut Vec<ColumnId>) {
    let mut seen = Columns::new();
    columns.retain(|id| seen.insert(*id));
}

/// Domains up to this many groups are addressed directly whatever the number of rows.
const SMALL_DOMAIN: u64 = 1 << 14;
/// Larger domains are addressed directly up to this size, if enough rows may fall into them.
const LARGE_DOMAIN: u64 = 1 << 24;

fn group_strategy(keys: &[Facts], rows: Option<u64>) -> GroupStrategy {
    if keys.is_empty() {
        return GroupStrategy::Single;
    }
    let mut dims = Vec::new();
    let mut size = 1u64;
    for key in keys {
        let Some((min, max)) = key.stored_int_range() else {
            return GroupStrategy::Hash;
        };
        // The range of a hugeint may be wider than any integer.
        let span = max.checked_sub(min).and_then(|span| u64::try_from(span).ok());
        let (Ok(min), Some(span)) = (i64::try_from(min), span) else {
            return GroupStrategy::Hash;
        };
        let values = span.saturating_add(1).saturating_add(key.nullable.into());
        dims.push(Dim {
            min,
            size: values,
            nullable: key.nullable,
        });
        size = size.saturating_mul(values);
    }
    let enough_rows = rows.is_some_and(|rows| size <= rows.saturating_mul(2));
    if size <= SMALL_DOMAIN || (size <= LARGE_DOMAIN && enough_rows) {
        return GroupStrategy::Direct { dims, size };
    }
    GroupStrategy::Hash
}

fn state_facts(state: &State, facts: &dyn Fn(&Expr) -> Facts) -> Facts {
    match state.kind {
        StateKind::Count | StateKind::SumI64 | StateKind::List => Facts::of_type(&LogicalType::BigInt, false),
        StateKind::SumI128 | StateKind::SumExact => Facts::of_type(&LogicalType::HugeInt, false),
        StateKind::SumF64 => Facts::of_type(&LogicalType::Double, false),
        StateKind::Min | StateKind::Max | StateKind::Any => {
            let arg = state.arg.as_ref().map(facts);
            let mut facts = arg.unwrap_or_else(|| Facts::of_type(&LogicalType::Null, true));
            // A state is compared and replaced in full width; a missing value is told by the state that counts.
            if facts.dictionary.is_none() {
                facts.stored = facts.ty.physical();
            }
            facts.nullable = false;
            facts
        }
    }
}

/// Collects the states of a group table; aggregates share equal ones.
#[derive(Default)]
struct StateList {
    list: Vec<State>,
}

impl StateList {
    fn add(&mut self, kind: StateKind, arg: Option<&Expr>, filter: Option<&Expr>) -> usize {
        let same = |state: &State| {
            state.kind == kind && same_expr(state.arg.as_ref(), arg) && same_expr(state.filter.as_ref(), filter)
        };
        self.list.iter().position(same).unwrap_or_else(|| {
            self.list.push(State {
                kind,
                arg: arg.cloned(),
                filter: filter.cloned(),
            });
            self.list.len() - 1
        })
    }

    fn row_count(&mut self) -> usize {
        self.add(StateKind::Count, None, None)
    }

    fn result(
        &mut self,
        aggregate: &Aggregate,
        arg_facts: Option<Facts>,
        rows: Option<u64>,
        may_be_empty: bool,
    ) -> AggregateResult {
        let (arg, filter) = (aggregate.arg.as_ref(), aggregate.filter.as_ref());
        let nullable = arg_facts.as_ref().is_some_and(|facts| facts.nullable);
        let arg_ty = arg.map_or(LogicalType::Null, |arg| arg.ty.clone());
        let counted = if nullable { arg } else { None };
        let range = arg_facts.as_ref().and_then(|facts| facts.range);
        let count = |states: &mut Self| states.add(StateKind::Count, counted, filter);
        let sum_kind = match &arg_ty {
            ty if ty.is_float() => StateKind::SumF64,
            _ if facts::sum_fits_i64(range, rows) => StateKind::SumI64,
            _ => StateKind::SumI128,
        };
        let (value, needs_count) = match aggregate.function {
            AggregateFunction::Count => (count(self), false),
            AggregateFunction::CountMerge => (self.add(sum_kind, arg, filter), false),
            AggregateFunction::Sum => (self.add(sum_kind, arg, filter), true),
            AggregateFunction::Avg => (self.add(sum_kind, arg, filter), true),
            AggregateFunction::Min => (self.add(StateKind::Min, arg, filter), true),
            AggregateFunction::Max => (self.add(StateKind::Max, arg, filter), true),
            AggregateFunction::AnyValue => (self.add(StateKind::Any, arg, filter), true),
            AggregateFunction::List | AggregateFunction::Bag => (self.add(StateKind::List, arg, filter), false),
            AggregateFunction::ExactSum => (self.add(StateKind::SumExact, arg, filter), false),
        };
        let can_be_null = nullable || filter.is_some() || may_be_empty;
        let is_avg = aggregate.function == AggregateFunction::Avg;
        let replaces = matches!(
            aggregate.function,
            AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::AnyValue
        );
        let count = (needs_count && (can_be_null || is_avg || replaces)).then(|| count(self));
        let is_list = matches!(aggregate.function, AggregateFunction::List | AggregateFunction::Bag);
        let facts = result_facts(aggregate, arg_facts, is_list || needs_count && can_be_null);
        AggregateResult {
            function: aggregate.function,
            value,
            count,
            arg_ty,
            ty: aggregate.ty.clone(),
            facts,
        }
    }
}

fn result_facts(aggregate: &Aggregate, arg: Option<Facts>, nullable: bool) -> Facts {
    match (aggregate.function, arg) {
        (AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::AnyValue, Some(mut facts)) => {
            if facts.dictionary.is_none() {
                facts.stored = facts.ty.physical();
            }
            facts.nullable = nullable;
            facts
        }
        _ => Facts::of_type(&aggregate.ty, nullable),
    }
}

/// Structural equality, good enough to share states; spans do not count.
pub(super) fn same_expr(a: Option<&Expr>, b: Option<&Expr>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.ty == b.ty && format!("{:?}", Unspanned(a)) == format!("{:?}", Unspanned(b)),
        _ => false,
    }
}

struct Unspanned<'a>(&'a Expr);

impl std::fmt::Debug for Unspanned<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.kind {
            ExprKind::Column(id) => write!(f, "#{}", id.0),
            ExprKind::Literal(value) => write!(f, "{value:?}"),
            ExprKind::Chain { first, rest } => {
                write!(f, "({:?}", Unspanned(first))?;
                for step in rest {
                    write!(f, " {:?}@{} {:?}", step.op, step.ty, Unspanned(&step.operand))?;
                }
                f.write_str(")")
            }
            ExprKind::Cast { expr, try_ } => write!(f, "cast({:?},{},{try_})", Unspanned(expr), self.0.ty),
            // Other forms are compared with their spans: sharing is lost, nothing else.
            other => write!(f, "{other:?}"),
        }
    }
}
