//! What a table has indexes of.
//!
//! `catalog.indexed(t)` of `CREATE TABLE t (a int PRIMARY KEY, b int UNIQUE)` with `CREATE INDEX i ON t (c)` lists the keys `(a)` and
//! `(b)`, then the plain index `(c)`.
//!
//! Invariants: no two of them have the same columns. It is made once for a catalog.
//!
//! Does not: know what the indexes hold.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Catalog, Entity, EntityId, IndexDef, KeyDef, TableDef};

/// Its keys, then its plain indexes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Indexed {
    /// All of them.
    pub all: Vec<KeyDef>,
    /// How many of them are keys.
    pub keys: usize,
}

impl Indexed {
    /// Of a table of a catalog.
    pub(super) fn of(catalog: &Catalog, id: EntityId, def: &TableDef) -> Self {
        let indexes = || {
            catalog.entries().filter_map(|entry| match &*entry.entity {
                Entity::Index(index) if index.table == id => Some(index),
                _ => None,
            })
        };
        let as_key = |index: &IndexDef| KeyDef {
            name: index.name.clone(),
            columns: index.columns.clone(),
        };
        let mut indexed = Self::default();
        def.keys().cloned().for_each(|key| indexed.add(key));
        let unique = indexes().filter(|index| index.unique);
        unique.map(as_key).for_each(|key| indexed.add(key));
        indexed.keys = indexed.all.len();
        indexes().map(as_key).for_each(|key| indexed.add(key));
        indexed
    }

    /// Two constraints on the same columns share an index.
    fn add(&mut self, key: KeyDef) {
        if self.all.iter().all(|known| known.columns != key.columns) {
            self.all.push(key);
        }
    }

    /// The keys.
    pub fn keys(&self) -> &[KeyDef] {
        self.all.get(..self.keys).unwrap_or_default()
    }

    /// Those from a place on.
    pub fn from(&self, place: usize) -> Cow<'_, Self> {
        match place {
            0 => Cow::Borrowed(self),
            _ => Cow::Owned(Self {
                all: self.all.get(place..).unwrap_or_default().to_vec(),
                keys: self.keys.saturating_sub(place),
            }),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Those of tables that were asked for.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<EntityId, Arc<Indexed>>>);

impl Clone for Known {
    /// Whoever has a copy is about to change it.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Known {
    pub(super) fn get(&self, id: EntityId, make: impl FnOnce() -> Indexed) -> Arc<Indexed> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(id).or_insert_with(|| Arc::new(make())))
    }
}
