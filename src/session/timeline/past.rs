//! What is asked of the past: LOG, DIFF, BLAME, VERIFY TABLE.
//!
//! `DIFF t BETWEEN TAG 'q1' AND BRANCH 'main'` gives one row for each row that is in one of the two states only, two for one that
//! was updated; `DIFF BETWEEN …` counts them, table by table.
//!
//! Invariants: nothing is changed. What is compared is read where it differs, and nowhere else.
//!
//! Does not: show what the transaction has not committed.

use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use gobi_grammar::Dialect;
use gobi_grammar::ast::{Blame, Diff, Expr, Log, Path, Query, QueryBody, SelectItem, Span, StatementKind, When};

use super::{Column, list, point, resolved, user};
use crate::catalog::{Entity, EntityId, TableDef};
use crate::session::change::{self, Running};
use crate::session::history::replaced;
use crate::session::points::point_error;
use crate::session::store::{View, store_error};
use crate::session::{Error, ResultStream, Session, script, statement};
use crate::store::StoreError;
use crate::store::commit::Commit;
use crate::store::object::{CommitId, ObjectId};
use crate::store::table::Snapshot;
use crate::store::timeline::{RefKind, Timeline};
use crate::types::arrow::arrow_schema;
use crate::types::{Field, LogicalType};

/// The name under which a difference is queried.
const DIFFERENCE: &str = "gobi difference";

/// LOG: newest first.
pub fn log(log: &Log, view: &View, span: Span) -> Result<ResultStream, Error> {
    let limit = log.limit.as_ref().map(limit).transpose()?;
    let table = log.table.as_ref().map(|path| change::target(view, path)).transpose()?;
    let commits = commits(view, table.map(|(id, _)| id), limit.unwrap_or(usize::MAX));
    let commits = commits.map_err(|error| store_error(&error, span))?;
    let named = names(view.timeline_for(span)?);
    let text = |of: &dyn Fn(&CommitId, &Commit) -> Option<String>| {
        Column::Texts(commits.iter().map(|(id, record)| of(id, record)).collect())
    };
    let parents = |_: &CommitId, record: &Commit| {
        let parents: Vec<String> = record.parents.iter().map(ToString::to_string).collect();
        (!parents.is_empty()).then(|| parents.join(" "))
    };
    let columns = vec![
        ("commit", text(&|id, _| Some(id.to_string()))),
        (
            "time",
            Column::Times(commits.iter().map(|(_, record)| record.time_us).collect()),
        ),
        ("author", text(&|_, record| Some(record.author.clone()))),
        ("message", text(&|_, record| Some(record.message.clone()))),
        ("names", text(&|id, _| named.get(id).map(|names| names.join(" ")))),
        ("parents", text(&parents)),
    ];
    list(columns, span)
}

fn limit(limit: &Expr) -> Result<usize, Error> {
    let text = script::value_text(limit).and_then(|text| text.parse().ok());
    text.ok_or_else(|| user("22023", limit.span, "LIMIT of LOG takes a number of commits"))
}

/// Snapshots and branches by their commits.
fn names(timeline: &Timeline) -> HashMap<CommitId, Vec<String>> {
    let mut names: HashMap<CommitId, Vec<String>> = HashMap::new();
    for (name, commit) in timeline.refs(RefKind::Branch) {
        names.entry(commit).or_default().push(name);
    }
    for (name, commit) in timeline.refs(RefKind::Tag) {
        names.entry(commit).or_default().push(format!("'{name}'"));
    }
    names
}

/// The commits that led to what is seen, those that changed a table if one is named.
fn commits(view: &View, table: Option<EntityId>, limit: usize) -> Result<Vec<(CommitId, Commit)>, StoreError> {
    let timeline = view.database.timeline()?;
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = BinaryHeap::new();
    if let Some(id) = view.base.commit_id() {
        open.push((timeline.commit_record(id)?.index, id));
    }
    while let Some((_, id)) = open.pop() {
        if found.len() >= limit {
            break;
        }
        let record = timeline.commit_record(id)?;
        for parent in &record.parents {
            if seen.insert(*parent) {
                open.push((timeline.commit_record(*parent)?.index, *parent));
            }
        }
        if let Some(table) = table {
            let before = match record.parents.first() {
                Some(parent) => Some(timeline.commit_record(*parent)?),
                None => None,
            };
            // What was given up cannot be asked any more, nor can what came before.
            if timeline.check_kept(id).is_err() {
                break;
            }
            if !changed(view, id, before.as_ref().map(|record| record.root), table)? {
                continue;
            }
        }
        found.push((id, record));
    }
    Ok(found)
}

fn changed(view: &View, commit: CommitId, before: Option<ObjectId>, table: EntityId) -> Result<bool, StoreError> {
    let snapshot = view.database.snapshot(commit)?;
    let Some(before) = before else {
        return Ok(snapshot.catalog().get(table).is_some());
    };
    snapshot.differs(before, table)
}

/// Two states, and the one where their histories parted.
struct Between {
    from: Snapshot,
    to: Snapshot,
    base: Snapshot,
}

fn between(session: &mut Session, (from, to): (&When, &When), view: &View, running: Running) -> Result<Between, Error> {
    let mut at = |when: &When| {
        let point = point(session, when, running)?;
        view.at(&point).map_err(|error| resolved(error, when.span))
    };
    let (from, to) = (at(from)?, at(to)?);
    let base = parted(view, &from, &to).map_err(|error| resolved(point_error(&error), running.span))?;
    Ok(Between { from, to, base })
}

/// Where two histories parted: the older of both, if it is in the history of the other.
fn parted(view: &View, from: &Snapshot, to: &Snapshot) -> Result<Snapshot, StoreError> {
    let base = match (from.commit_id(), to.commit_id()) {
        (Some(from), Some(to)) => view.database.timeline()?.merge_base(from, to)?,
        _ => None,
    };
    match base {
        Some(base) => view.database.snapshot(base),
        None => Ok(from.clone()),
    }
}

/// DIFF.
pub fn diff(session: &mut Session, diff: &Diff, view: &View, running: Running) -> Result<ResultStream, Error> {
    let between = between(session, (&diff.from, &diff.to), view, running)?;
    let Some(path) = &diff.table else {
        return counts(&between, running.span);
    };
    let (id, def) = table_of(&between, view, path)?;
    let entry = between.to.catalog().get(id);
    let replaced = entry.map_or(Ok(None), |entry| replaced(entry, &between.from, &between.to));
    let others: Vec<EntityId> = replaced
        .map_err(|error| resolved(error, running.span))?
        .into_iter()
        .collect();
    let table = between
        .to
        .table(id)
        .and_then(|table| table.difference(&between.from, &between.base, &others));
    let relation = table.map_err(|error| store_error(&error, running.span))?;
    let columns: Vec<String> = def.columns.iter().map(|column| quoted(&column.name)).collect();
    let sql = format!(
        "SELECT _op, {} FROM {} ORDER BY _seq",
        columns.join(", "),
        quoted(DIFFERENCE)
    );
    let query = query_of(&sql, running.span)?;
    session.relations.given.push((DIFFERENCE.into(), relation));
    let stream = statement::query_stream(session, &query, Dialect::Grizzly, running.phases, running.span);
    session.relations.given.pop();
    stream
}

/// A table as the later state has it.
fn table_of(between: &Between, view: &View, path: &Path) -> Result<(EntityId, TableDef), Error> {
    let parts: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
    let catalog = between.to.catalog();
    match catalog.find(&parts).map(|entry| (entry.id, &*entry.entity)) {
        Some((id, Entity::Table(def))) => Ok((id, def.clone())),
        _ => {
            let now = View {
                base: between.to.clone(),
                changes: crate::store::table::Changes::new(&between.to),
                ..view.clone()
            };
            change::target(&now, path)
        }
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A query that the engine asks itself.
pub fn query_of(sql: &str, span: Span) -> Result<Query, Error> {
    let parsed = gobi_grammar::parse(sql, Dialect::Grizzly);
    match parsed.statements.into_iter().next().map(|statement| statement.kind) {
        Some(StatementKind::Query(query)) if parsed.diagnostics.is_empty() => Ok(query),
        _ => Err(user(
            "XX000",
            span,
            format!("the engine's own query does not parse: {sql}"),
        )),
    }
}

/// DIFF without a table: what became of each.
fn counts(between: &Between, span: Span) -> Result<ResultStream, Error> {
    let Between { from, to, base } = between;
    let ids: BTreeSet<EntityId> = from
        .catalog()
        .entries()
        .chain(to.catalog().entries())
        .map(|entry| entry.id)
        .collect();
    let mut columns = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        let (old, new) = (from.catalog().get(id), to.catalog().get(id));
        let Some(entry) = new.or(old) else { continue };
        let counts = match &*entry.entity {
            Entity::Table(_) => to
                .counts_since(from, base, id)
                .map_err(|error| store_error(&error, span))?,
            _ => Default::default(),
        };
        let what = match (old, new) {
            (None, _) => "created",
            (_, None) => "dropped",
            (old, new) if old != new => "redefined",
            _ if counts != Default::default() => "changed",
            _ => continue,
        };
        let (kinds, names, changes, inserted, updated, deleted) = &mut columns;
        kinds.push(Some(entry.entity.kind().to_string()));
        names.push(Some(crate::session::relations::qualified(
            &entry.schema,
            entry.entity.name(),
        )));
        changes.push(Some(what.to_string()));
        inserted.push(counts.inserted);
        updated.push(counts.updated);
        deleted.push(counts.deleted);
    }
    let (kinds, names, changes, inserted, updated, deleted) = columns;
    let columns = vec![
        ("kind", Column::Texts(kinds)),
        ("name", Column::Texts(names)),
        ("change", Column::Texts(changes)),
        ("inserted", Column::Counts(inserted)),
        ("updated", Column::Counts(updated)),
        ("deleted", Column::Counts(deleted)),
    ];
    list(columns, span)
}

/// BLAME: the rows, each with the commit that wrote it last.
pub fn blame(session: &mut Session, blame: &Blame, view: &View, running: Running) -> Result<ResultStream, Error> {
    change::target(view, &blame.table)?;
    let path: Vec<String> = blame.table.iter().map(|part| quoted(&part.text)).collect();
    let sql = format!("SELECT _commit AS `commit`, * FROM {} ORDER BY _row_id", path.join("."));
    let mut query = query_of(&sql, running.span)?;
    if let QueryBody::Select(select) = &mut query.body {
        select.filter.clone_from(&blame.filter);
        select.span = running.span;
        select.from.iter_mut().for_each(|table| table.span = running.span);
        debug_assert!(matches!(
            select.items.as_slice(),
            [SelectItem::Expr { .. }, SelectItem::Star { .. }]
        ));
    }
    let stream = statement::query_stream(session, &query, running.dialect, running.phases, running.span)?;
    let mut fields = stream.fields().to_vec();
    let added = [
        ("time", LogicalType::TimestampTz),
        ("author", LogicalType::String),
        ("message", LogicalType::String),
    ];
    let added = added.into_iter().map(|(name, ty)| Field {
        name: name.into(),
        ty,
        nullable: true,
    });
    fields.splice(1..1, added);
    let mut batches = Vec::new();
    for batch in stream {
        batches.push(blamed(&batch?, &fields, view, running.span)?);
    }
    Ok(ResultStream::returned(fields, batches, running.phases, running.span))
}

/// Adds what is known of the commits of a batch's first column.
fn blamed(batch: &RecordBatch, fields: &[Field], view: &View, span: Span) -> Result<RecordBatch, Error> {
    let timeline = view.timeline_for(span)?;
    let commits = batch.column(0).as_string_view();
    let mut known: HashMap<&str, Commit> = HashMap::new();
    for commit in commits.iter().flatten() {
        if !known.contains_key(commit) {
            let id = commit
                .parse()
                .map_err(|_| user("XX000", span, "a commit without a hash"))?;
            let record = timeline.commit_record(id).map_err(|error| store_error(&error, span))?;
            known.insert(commit, record);
        }
    }
    let records = || commits.iter().map(|commit| known.get(commit?));
    let times: TimestampMicrosecondArray = records().map(|record| record.map(|record| record.time_us)).collect();
    let authors: StringViewArray = records()
        .map(|record| record.map(|record| record.author.as_str()))
        .collect();
    let messages: StringViewArray = records()
        .map(|record| record.map(|record| record.message.as_str()))
        .collect();
    let added: [ArrayRef; 3] = [
        Arc::new(times.with_timezone("UTC")),
        Arc::new(authors),
        Arc::new(messages),
    ];
    let mut columns = batch.columns().to_vec();
    columns.splice(1..1, added);
    RecordBatch::try_new(arrow_schema(fields), columns).map_err(|error| user("XX000", span, error.to_string()))
}

/// VERIFY TABLE: all that the table consists of is read and hashed.
pub fn verify(path: &Path, view: &View, span: Span) -> Result<ResultStream, Error> {
    let (id, def) = change::target(view, path)?;
    let failed = |error| store_error(&error, span);
    let report = view.base.table(id).and_then(|table| table.verify()).map_err(failed)?;
    let columns = vec![
        ("table", Column::Texts(vec![Some(def.name)])),
        ("segments", Column::Counts(vec![report.segments])),
        ("rows", Column::Counts(vec![report.rows])),
        ("keys", Column::Counts(vec![report.keys])),
        ("bytes", Column::Counts(vec![report.bytes])),
    ];
    list(columns, span)
}
