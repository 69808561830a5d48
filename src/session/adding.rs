//! Statements that only add rows which are written out: they look at no row, so that what was added a moment ago need not be a commit yet.
//!
//! `INSERT INTO t VALUES (1, $1)` reads the definition of `t` and nothing else, if `t` has no foreign key and no trigger.
//!
//! Invariants: whatever the rows of any table are, such a statement does the same.
//!
//! Does not: say whether its keys are there; the commit does.

use gobi_grammar::ast::{Assigned, Expr, ExprKind, InsertSource, Path, StatementKind as K};

use super::store::View;
use crate::catalog::{Entity, EntityId};

/// The table that a statement adds rows to, if it looks at none.
pub fn target(kind: &K) -> Option<&Path> {
    let K::Insert(insert) = kind else { return None };
    let looks_at_none = match &insert.source {
        InsertSource::Values(rows) => rows.iter().flatten().all(|value| match value {
            Assigned::Default(_) => true,
            Assigned::Value(expr) => is_written_out(expr),
        }),
        InsertSource::DefaultValues => true,
        InsertSource::Query(_) => false,
    };
    let is_plain = insert.on_conflict.is_none() && insert.returning.is_empty() && insert.with.ctes.is_empty();
    (is_plain && looks_at_none).then_some(&insert.target.table)
}

/// Whether a value depends on no row.
fn is_written_out(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Parameter(_) => true,
        ExprKind::Neg(expr) | ExprKind::Cast { expr, .. } => is_written_out(expr),
        ExprKind::Array(values) => values.iter().all(is_written_out),
        _ => false,
    }
}

impl View {
    /// The table of a name, if rows come to it without a look at other tables.
    pub fn takes_rows_alone(&self, path: &Path) -> Option<EntityId> {
        let found = match self.local(path) {
            [name] => self.catalog().find(&["main", &name.text]),
            [schema, name] => self.catalog().find(&[&schema.text, &name.text]),
            _ => None,
        };
        let entry = found?;
        let is_alone = match &*entry.entity {
            Entity::Table(def) => def.foreign_keys.is_empty() && self.catalog().triggers_of(entry.id).next().is_none(),
            _ => false,
        };
        is_alone.then_some(entry.id)
    }
}
