//! Tables that a session has changed lately.
//!
//! The second `INSERT INTO t …` finds the definition of `t`, and what it asks of its rows, as the first has read them.
//!
//! Invariants: what is known of a table is of the definition that the statement sees.
//!
//! Does not: look names up.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use gobi_grammar::ast::Span;

use super::shape;
use crate::catalog::{Entity, EntityId, Entry, TableDef};
use crate::plan::change::Shape;
use crate::session::Error;

/// When there are so many, all are forgotten.
const MOST: usize = 256;

/// The table that a statement changes.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its number.
    pub id: EntityId,
    /// Its definition.
    pub def: Arc<TableDef>,
    shape: Arc<OnceLock<Shape>>,
}

impl Table {
    /// A table of which nothing is known but its definition.
    pub fn new(id: EntityId, def: TableDef) -> Self {
        Self {
            id,
            def: Arc::new(def),
            shape: Arc::default(),
        }
    }

    /// What it asks of its rows, for a statement that stands here.
    pub fn shape(&self, span: Span) -> Result<&Shape, Error> {
        if let Some(known) = self.shape.get() {
            return Ok(known);
        }
        let shape = shape::shape(&self.def, span)?;
        Ok(self.shape.get_or_init(|| shape))
    }
}

/// Tables by their numbers, with the entities that they were made of.
#[derive(Debug, Default)]
pub struct Known(HashMap<EntityId, (Arc<Entity>, Table)>);

impl Known {
    /// The table that an entry of a catalog is.
    pub(super) fn table(&mut self, entry: &Entry, def: &TableDef) -> Table {
        if let Some((entity, table)) = self.0.get(&entry.id)
            && Arc::ptr_eq(entity, &entry.entity)
        {
            return table.clone();
        }
        let table = Table::new(entry.id, def.clone());
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(entry.id, (Arc::clone(&entry.entity), table.clone()));
        table
    }
}
