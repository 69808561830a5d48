//! Relations that a body makes, for what stands behind that.
//!
//! In `create temp table late as select id from orders; delete from orders where id in (select id from late)` the query finds a table
//! `late` with a column `id`, which is there once the body runs.
//!
//! Invariants: a body sees what it has made up to a statement, whatever branch that was in; what is dropped is still known, as another
//! branch may not have dropped it.
//!
//! Does not: make anything.

use gobi_grammar::Dialect;
use gobi_grammar::ast;

use crate::plan::logical::TableId;
use crate::plan::{Named, TableInfo, View};
use crate::types::chunk::Layout;
use crate::types::{ColumnStats, Field, TableStats};

/// Numbers from here on are those of tables that bodies make.
const FIRST: u32 = 1 << 31;

/// What the bodies that are being checked have made so far.
#[derive(Debug, Default)]
pub(in crate::procedure) struct Made(Vec<Relation>);

#[derive(Debug)]
struct Relation {
    name: Vec<String>,
    meaning: Meaning,
}

#[derive(Debug)]
enum Meaning {
    Table(TableInfo),
    View(Box<ast::CreateView>, Dialect),
}

impl Made {
    /// How much is known, for [`Made::forget`].
    pub(in crate::procedure) fn count(&self) -> usize {
        self.0.len()
    }

    /// Forgets what came behind so much.
    pub(in crate::procedure) fn forget(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// There is a table of these columns from now on.
    pub(in crate::procedure) fn table(&mut self, name: &[&str], schema: Vec<Field>) {
        let unknown = schema
            .iter()
            .map(|field| ColumnStats::unknown(Layout::Plain(field.ty.physical())));
        let info = TableInfo {
            name: name.join("."),
            stats: TableStats {
                rows: None,
                columns: unknown.collect(),
            },
            schema,
            system_columns: 0,
        };
        self.add(name, Meaning::Table(info));
    }

    /// There is a view of this query from now on.
    pub(in crate::procedure) fn view(&mut self, view: &ast::CreateView, dialect: Dialect) {
        let name: Vec<&str> = view.name.iter().map(|part| part.text.as_str()).collect();
        self.add(&name, Meaning::View(Box::new(view.clone()), dialect));
    }

    fn add(&mut self, name: &[&str], meaning: Meaning) {
        let name = name.iter().map(|part| part.to_lowercase()).collect();
        self.0.push(Relation { name, meaning });
    }

    /// What a name stands for, if a body has made it.
    pub(super) fn find(&self, name: &[&str]) -> Option<Named> {
        let is_it = |relation: &Relation| {
            relation.name.len() == name.len()
                && relation
                    .name
                    .iter()
                    .zip(name)
                    .all(|(own, part)| *own == part.to_lowercase())
        };
        let at = self.0.iter().rposition(is_it)?;
        Some(match &self.0[at].meaning {
            Meaning::Table(_) => Named::Table(TableId(FIRST + u32::try_from(at).unwrap_or(0))),
            Meaning::View(view, dialect) => Named::View(Box::new(View {
                query: (*view.query).clone(),
                dialect: *dialect,
                columns: view.columns.iter().map(|column| column.text.clone()).collect(),
            })),
        })
    }

    /// A table that was found here.
    pub(super) fn info(&self, table: TableId) -> Option<&TableInfo> {
        let at = table.0.checked_sub(FIRST)?;
        match &self.0.get(at as usize)?.meaning {
            Meaning::Table(info) => Some(info),
            Meaning::View(..) => None,
        }
    }
}
