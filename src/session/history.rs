//! What `SINCE` and `CHANGES SINCE` read: a table's history as a relation.
//!
//! `t CHANGES SINCE TAG 'q1'` is what the commits after the tag did to `t`, up to the commit that the transaction reads.
//!
//! Invariants: changes lie between a commit and one that descends from it, or it is an error; none are left out.
//!
//! Does not: show what the transaction has changed itself, but for the rows of SINCE.

use std::sync::Arc;

use super::points::point_error;
use super::store::View;
use crate::catalog::{ColumnDef, Entity, EntityId, Entry, TableDef};
use crate::formats::Relation;
use crate::plan::{Moment, Point, ResolveError, Start};
use crate::store::StoreError;
use crate::store::object::CommitId;
use crate::store::table::{COMMIT_COLUMN, OP_COLUMN, ROW_COLUMN, SEQ_COLUMN, Snapshot, TIME_COLUMN, TableSnapshot};
use crate::types::Field;

/// A relation of a table's history.
pub struct History {
    /// What tells it from others of the statement.
    pub key: String,
    /// The columns.
    pub fields: Vec<Field>,
    /// The rows; none if they are the table's own, and planned when somebody wants all of them.
    pub relation: Option<Arc<dyn Relation>>,
    /// Columns at the end that `*` does not show.
    pub hidden: usize,
    /// The table, if the rows are its own, and can be looked up.
    pub table: Option<Arc<TableSnapshot>>,
    /// The commit from which on rows are compared.
    pub since: Option<CommitId>,
}

/// A table, as a statement found it.
pub struct Place<'a> {
    /// Its number.
    pub id: EntityId,
    /// Its definition there.
    pub def: &'a TableDef,
    /// The snapshot; none for what the transaction sees.
    pub then: Option<&'a Snapshot>,
}

/// The point at which a moment's names are looked up; none: now.
pub fn names_at(moment: Option<&Moment>) -> Option<&Point> {
    match moment? {
        Moment::AsOf(point) => Some(point),
        Moment::Since { until, .. } | Moment::Changes { until, .. } => until.as_ref(),
    }
}

impl View {
    /// A table at a moment.
    pub fn history(&self, place: &Place<'_>, moment: Option<&Moment>) -> Result<History, ResolveError> {
        match moment {
            None | Some(Moment::AsOf(_)) => self.state(place).map_err(|error| point_error(&error)),
            Some(Moment::Since { since, .. }) => {
                let since = self.commit_of(since)?;
                self.rows_since(place, since)
            }
            Some(Moment::Changes { since, .. }) => {
                let since = match since {
                    Start::Point(point) => self.commit_of(point)?,
                    Start::Watermark(name) => self.watermark(name, place.id)?,
                };
                self.changes(place, since)
            }
        }
    }

    fn snapshot_of(&self, place: &Place<'_>) -> Result<Arc<TableSnapshot>, StoreError> {
        match place.then {
            Some(snapshot) => snapshot.table(place.id),
            None => self.table(place.id, place.def),
        }
    }

    fn state(&self, place: &Place<'_>) -> Result<History, StoreError> {
        let table = self.snapshot_of(place)?;
        let (key, fields) = match place.then {
            Some(snapshot) => (format!("{}@{}", place.id.0, name(snapshot)), table.fields(None)?),
            None => {
                let staged = self.changes.tables.get(&place.id).filter(|staged| !staged.is_empty());
                (place.id.0.to_string(), table.fields(staged)?)
            }
        };
        Ok(History {
            key,
            hidden: hidden(&fields, ROW_COLUMN),
            fields,
            relation: None,
            table: Some(table),
            since: None,
        })
    }

    fn rows_since(&self, place: &Place<'_>, since: CommitId) -> Result<History, ResolveError> {
        self.kept(since)?;
        let staged = place
            .then
            .is_none()
            .then(|| self.changes.tables.get(&place.id))
            .flatten();
        self.check_descent(since, place.then.unwrap_or(&self.base))?;
        let table = self.snapshot_of(place);
        let relation = table.and_then(|table| table.since(since, staged));
        let relation = relation.map_err(|error| point_error(&error))?;
        Ok(History {
            key: format!(
                "{}@{} since {since}",
                place.id.0,
                place.then.map_or_else(String::new, name)
            ),
            hidden: hidden(relation.schema(), ROW_COLUMN),
            fields: relation.schema().to_vec(),
            relation: Some(relation),
            table: None,
            since: Some(since),
        })
    }

    fn changes(&self, place: &Place<'_>, since: CommitId) -> Result<History, ResolveError> {
        let until = place.then.unwrap_or(&self.base);
        self.check_descent(since, until)?;
        let key = format!("{}@{} changes since {since}", place.id.0, name(until));
        let others = self.before_it(place, since, until)?;
        let log = |until: &Snapshot| {
            let commit = until.commit_id().ok_or(StoreError::NoTable(place.id.0))?;
            self.snapshot_of(place)?.log(since, commit, &others)
        };
        let relation = log(until).map_err(|error| point_error(&error))?;
        let shown = [OP_COLUMN, COMMIT_COLUMN, TIME_COLUMN, SEQ_COLUMN];
        let fields = relation.schema();
        let last = fields.iter().rposition(|field| shown.contains(&field.name.as_str()));
        let hidden = fields.len() - last.map_or(0, |last| last + 1);
        Ok(History {
            key,
            fields: fields.to_vec(),
            relation: Some(Arc::clone(&relation)),
            hidden,
            table: None,
            since: Some(since),
        })
    }

    /// Tables that had the name of a table since some commit, and were dropped before it was made.
    fn before_it(&self, place: &Place<'_>, since: CommitId, until: &Snapshot) -> Result<Vec<EntityId>, ResolveError> {
        let mut others = Vec::new();
        let failed = |error: StoreError| point_error(&error);
        let (Some(tip), Some(entry)) = (until.commit_id(), until.catalog().get(place.id)) else {
            return Ok(others);
        };
        let timeline = self.timeline()?;
        timeline.check_kept(since).map_err(failed)?;
        let first = self.database.snapshot(since).map_err(failed)?;
        if first.catalog().get(place.id).is_some() {
            return Ok(others);
        }
        let mut schema = None;
        for found in timeline.first_parents(tip) {
            let (id, record) = found.map_err(failed)?;
            if schema.replace(record.schema) != Some(record.schema) {
                timeline.check_kept(id).map_err(failed)?;
                let then = self.database.snapshot(id).map_err(failed)?;
                others.extend(replaced(entry, &then, until)?.filter(|other| !others.contains(other)));
            }
            if id == since {
                break;
            }
        }
        others.reverse();
        Ok(others)
    }

    /// That a commit lies in the history of a snapshot.
    fn check_descent(&self, since: CommitId, until: &Snapshot) -> Result<(), ResolveError> {
        let timeline = self.timeline()?;
        let found = until.commit_id().map_or(Ok(None), |until| {
            let height = timeline.commit_record(since)?.height;
            timeline.at_height(until, height)
        });
        if found.map_err(|error| point_error(&error))? == Some(since) {
            return Ok(());
        }
        Err(ResolveError {
            code: "22023",
            message: format!("changes begin at a commit before the one where they end; commit {since} is not"),
        })
    }

    /// Where a watermark of a table stands.
    pub fn watermark(&self, wanted: &str, table: EntityId) -> Result<CommitId, ResolveError> {
        let entry = self.catalog().find(&[wanted]);
        let Some(Entity::Watermark(mark)) = entry.map(|entry| &*entry.entity) else {
            let marks = self
                .catalog()
                .entries()
                .filter(|entry| entry.entity.kind() == "watermark");
            let near = gobi_grammar::similar::nearest(wanted, marks.map(|entry| entry.entity.name()));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(ResolveError {
                code: "42704",
                message: format!("there is no watermark `{wanted}`{near}"),
            });
        };
        if mark.table != table {
            let of = self.catalog().described(&[mark.table]);
            return Err(ResolveError {
                code: "42809",
                message: format!("`{wanted}` is a watermark of {of}"),
            });
        }
        mark.commit.parse().map_err(|_| ResolveError {
            code: "XX001",
            message: format!("the watermark `{wanted}` does not name a commit"),
        })
    }
}

/// The table that had the name of another in some other state, and is gone from its own; an error if rows of one cannot be shown as rows
/// of the other.
pub fn replaced(entry: &Entry, then: &Snapshot, now: &Snapshot) -> Result<Option<EntityId>, ResolveError> {
    let found = then.catalog().find(&[&entry.schema, entry.entity.name()]);
    let Some(other) = found.filter(|other| now.catalog().get(other.id).is_none()) else {
        return Ok(None);
    };
    let (Entity::Table(new), Entity::Table(old)) = (&*entry.entity, &*other.entity) else {
        return Ok(None);
    };
    let same = |column: &ColumnDef| {
        let known = old.by_no(column.no);
        known.is_some_and(|known| known.name == column.name && known.ty == column.ty)
    };
    if new.columns.iter().all(same) {
        return Ok(Some(other.id));
    }
    Err(ResolveError {
        code: "22023",
        message: format!(
            "`{}` was dropped and made again with other columns in between; what became of it before that cannot be shown as its rows",
            new.name
        ),
    })
}

fn name(snapshot: &Snapshot) -> String {
    snapshot.commit_id().map_or_else(String::new, |id| id.to_string())
}

/// Columns from one on.
fn hidden(fields: &[Field], first: &str) -> usize {
    let shown = fields.iter().position(|field| field.name == first);
    fields.len() - shown.unwrap_or(fields.len())
}
