//! Rows that an index finds, as relations of their own.
//!
//! `WHERE id = 7` looks the key 7 up in the index of the table's snapshot and among what the transaction has staged, and makes
//! a relation of the row that is there, or of none.
//!
//! Invariants: a picked relation has the columns of the whole one. Where looking up would cost more than a scan, there is none.
//!
//! Does not: check filters; the scan does.

use std::sync::Arc;

use super::relations::{Opened, StatementTables};
use crate::catalog::{Catalog, ColumnNo, Entity, EntityId, KeyDef, TableDef};
use crate::plan::access::{Index, Wanted};
use crate::plan::logical::TableId;
use crate::plan::{ResolveError, TableInfo};
use crate::store::StoreError;
use crate::store::table::{KeyRange, RowAddress, TableChanges, TableSnapshot};
use crate::types::Value;

/// With more staged rows than this, a scan is as good where they are not found by key.
const MOST_STAGED: usize = 1 << 14;
/// So many rows are looked at without the engine.
const MOST_VALUES: usize = 8;
/// So many rows are always looked up one by one, and this share of a table.
const FEW_ROWS: u64 = 1024;
const SHARE: u64 = 32;

/// Where an opened relation has its rows, if that is a table of the database.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The rows that were committed.
    pub table: Arc<TableSnapshot>,
    /// Those that are staged.
    pub staged: Option<TableChanges>,
    /// What is indexed.
    pub indexes: Arc<[KeyDef]>,
    /// How many of them are unique.
    pub unique: usize,
}

impl Origin {
    /// With the indexes that a catalog has of the table.
    pub fn new(
        id: EntityId,
        def: &TableDef,
        catalog: &Catalog,
        table: Arc<TableSnapshot>,
        staged: Option<TableChanges>,
    ) -> Self {
        let mut indexes: Vec<KeyDef> = def.keys().cloned().collect();
        let own = catalog.entries().filter_map(|entry| match &*entry.entity {
            Entity::Index(index) if index.table == id => Some(index),
            _ => None,
        });
        let key = |index: &crate::catalog::IndexDef| KeyDef {
            name: index.name.clone(),
            columns: index.columns.clone(),
        };
        let (unique, plain): (Vec<_>, Vec<_>) = own.partition(|index| index.unique);
        indexes.extend(unique.into_iter().map(key));
        let count = indexes.len();
        indexes.extend(plain.into_iter().map(key));
        // One that was made by this transaction is not there yet.
        let mut at = 0;
        let mut unique = count;
        indexes.retain(|key| {
            let is_there = table.has_index(&key.columns);
            if !is_there && at < count {
                unique -= 1;
            }
            at += 1;
            is_there
        });
        Self {
            table,
            staged: staged.filter(|staged| !staged.is_empty()),
            indexes: indexes.into(),
            unique,
        }
    }

    fn rows(&self, columns: &[ColumnNo], wanted: &[Wanted], one: bool) -> Result<Option<Vec<RowAddress>>, StoreError> {
        let mut found = Vec::new();
        let key = self.indexes.iter().find(|key| key.columns == columns);
        let Some(key) = key else { return Ok(None) };
        if one {
            for wanted in wanted {
                found.extend(found_by_key(&self.table, self.staged.as_ref(), key, &wanted.equal)?);
            }
            return Ok(Some(found));
        }
        if let Some(staged) = &self.staged {
            match staged.addresses(MOST_STAGED) {
                Some(rows) => found.extend(rows),
                None => return Ok(None),
            }
        }
        let truncated = self.staged.as_ref().is_some_and(TableChanges::is_truncated);
        let most = FEW_ROWS.max(self.table.rows() / SHARE);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut left = most;
        for wanted in wanted.iter().filter(|_| !truncated) {
            let range = KeyRange {
                equal: wanted.equal.clone(),
                low: wanted.low.clone(),
                high: wanted.high.clone(),
            };
            let Some(rows) = self.table.find_rows(columns, &range, left)? else {
                return Ok(None);
            };
            left -= rows.len().min(left);
            found.extend(rows);
        }
        Ok(Some(found))
    }
}

/// The rows that may have these values in a key's columns: a staged one, and one of the snapshot.
pub fn found_by_key(
    table: &TableSnapshot,
    staged: Option<&TableChanges>,
    key: &KeyDef,
    values: &[Value],
) -> Result<Vec<RowAddress>, StoreError> {
    let mut found = Vec::new();
    if let Some(staged) = staged {
        found.extend(staged.find_key(table.definition(), key, values)?);
    }
    if !staged.is_some_and(TableChanges::is_truncated) {
        found.extend(table.find_key(key, values)?);
    }
    Ok(found)
}

impl StatementTables<'_> {
    /// The indexes of a relation.
    pub(super) fn indexes_of(&self, table: TableId) -> Vec<Index> {
        let Some((opened, origin)) = self.origin(table) else {
            return Vec::new();
        };
        let def = origin.table.definition();
        let not_null = |no: &ColumnNo| def.by_no(*no).is_some_and(|column| column.not_null);
        let place = |no: &ColumnNo| def.columns.iter().position(|column| column.no == *no);
        let index = |(number, key): (usize, &KeyDef)| {
            let columns: Option<Vec<usize>> = key.columns.iter().map(place).collect();
            Some(Index {
                name: key.name.clone(),
                columns: columns.filter(|columns| columns.iter().all(|at| *at < opened.info.schema.len()))?,
                unique: number < origin.unique,
                // The index of a key has no rows in which a column of it is NULL.
                complete: number >= origin.unique || key.columns.iter().all(not_null),
            })
        };
        origin.indexes.iter().enumerate().filter_map(index).collect()
    }

    /// The rows that an index finds.
    pub(super) fn picked(&mut self, table: TableId, index: &Index, wanted: &[Wanted], one: bool) -> Option<TableId> {
        self.picks = true;
        let (opened, origin) = self.origin(table)?;
        let def = origin.table.definition();
        let no = |at: &usize| def.columns.get(*at).map(|column| column.no);
        let columns: Vec<ColumnNo> = index.columns.iter().map(no).collect::<Option<_>>()?;
        let has_null = |wanted: &Wanted| wanted.equal.contains(&Value::Null);
        let wanted: Vec<Wanted> = wanted.iter().filter(|wanted| !has_null(wanted)).cloned().collect();
        let found = origin.rows(&columns, &wanted, one).and_then(|rows| {
            let Some(rows) = rows else { return Ok(None) };
            let stats = origin.table.stats_of(origin.staged.as_ref(), rows.len())?;
            Ok(Some((rows, stats)))
        });
        let (picked, stats) = match found {
            Ok(found) => found?,
            Err(error) => {
                self.failed.get_or_insert(resolve_error(&error));
                return None;
            }
        };
        let info = TableInfo {
            name: opened.info.name.clone(),
            schema: opened.info.schema.clone(),
            system_columns: opened.info.system_columns,
            stats,
        };
        Some(self.add(Opened {
            path: opened.path.clone(),
            info,
            relation: None,
            origin: None,
            replaces: Some(table),
            picked,
        }))
    }

    /// The values of rows that an index found, if they are few.
    pub(super) fn picked_values(&self, table: TableId, columns: &[usize]) -> Option<Vec<Vec<Value>>> {
        let opened = self.opened_relation(table)?;
        let (_, origin) = self.origin(opened.replaces?)?;
        if opened.picked.len() > MOST_VALUES {
            return None;
        }
        let values = origin.table.values_of(origin.staged.as_ref(), &opened.picked, columns);
        // What cannot be read is reported when the rows are scanned.
        values.ok().flatten()
    }

    /// Makes relations of rows that indexes found.
    pub(super) fn make_picked(&mut self) -> Result<(), ResolveError> {
        for at in 0..self.len() {
            let table = TableId(u32::try_from(at).unwrap_or(u32::MAX));
            let Some(opened) = self.opened_relation(table).filter(|opened| opened.relation.is_none()) else {
                continue;
            };
            let Some((_, origin)) = opened.replaces.and_then(|table| self.origin(table)) else {
                continue;
            };
            let relation = origin
                .table
                .relation_of(origin.staged.as_ref(), &opened.picked, &opened.info.schema);
            self.set_relation(table, relation.map_err(|error| resolve_error(&error))?);
        }
        Ok(())
    }
}

fn resolve_error(error: &StoreError) -> ResolveError {
    ResolveError {
        code: super::store::store_code(error),
        message: error.to_string(),
    }
}
