//! Pipelines in a line or two, for EXPLAIN.
//!
//! Does not: show expressions; the logical plan does.

use super::logical::JoinKind;
use super::{GroupStrategy, JoinStrategy, PhysicalPlan, Pipeline, Sink, SourceKind};

/// The source of a pipeline.
pub fn source(plan: &PhysicalPlan, pipeline: &Pipeline) -> String {
    let first = &pipeline.sources[0];
    let names: Vec<&str> = first.fields.iter().map(|field| field.name.as_str()).collect();
    let columns = names.join(", ");
    match &first.kind {
        SourceKind::Table { name, .. } => format!("scan {name} [{columns}]"),
        SourceKind::Temp(temp) => format!("read intermediate result {temp} [{columns}]"),
        SourceKind::Group(group) => format!("read groups {group} ({})", strategy(&plan.groups[*group].strategy)),
        SourceKind::Join(join) => {
            let which = if plan.joins[*join].kind == JoinKind::Semi {
                "with"
            } else {
                "without"
            };
            format!("read rows {which} a mark of join {join}")
        }
        SourceKind::Range { start, step, count } => format!("range from {start} step {step}, {count} rows"),
        SourceKind::Positions => "positions of elements".into(),
        SourceKind::OneRow => "one row".into(),
    }
}

/// The table that a probe looks into.
pub fn join(plan: &PhysicalPlan, join: usize) -> String {
    let table = &plan.joins[join];
    let how = match table.strategy {
        JoinStrategy::Bitmap { range, .. } => format!("bitmap of {range} keys"),
        JoinStrategy::Dense { range, .. } => format!("dense, {range} keys"),
        JoinStrategy::Sorted { lower, upper } => match (lower, upper) {
            (Some(_), Some(_)) => "sorted, ranges".into(),
            _ => "sorted, open ranges".into(),
        },
        JoinStrategy::Hash => "hash".into(),
    };
    format!("join {join} ({:?}, {how})", table.kind)
}

fn strategy(strategy: &GroupStrategy) -> String {
    match strategy {
        GroupStrategy::Single => "single".into(),
        GroupStrategy::Direct { size, .. } => format!("direct, {size} places"),
        GroupStrategy::Hash => "hash".into(),
    }
}

/// The sink of a pipeline.
pub fn sink(plan: &PhysicalPlan, pipeline: &Pipeline) -> String {
    match &pipeline.sink {
        Sink::Build { join: number, .. } => format!("build {}", join(plan, *number)),
        Sink::Mark { join: number, .. } => format!("mark rows of {}", join(plan, *number)),
        Sink::Aggregate { group, .. } => format!("aggregate {group} ({})", strategy(&plan.groups[*group].strategy)),
        Sink::Batches { temp, finish, .. } => {
            let to = temp.map_or("result".to_owned(), |temp| format!("intermediate result {temp}"));
            let windows = if finish.windows.is_empty() { "" } else { ", windows" };
            let sort = if finish.sort.is_empty() { "" } else { ", sorted" };
            let limit = finish.limit.map_or(String::new(), |limit| format!(", limit {limit}"));
            format!("{to}{windows}{sort}{limit}")
        }
    }
}
