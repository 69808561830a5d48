//! Expressions of tables that call what is dropped: defaults, generated columns and checks.
//!
//! `DROP FUNCTION net CASCADE` takes `DEFAULT net(0)` away from a column.
//!
//! Invariants: those that did not check before are nobody's to mind.
//!
//! Does not: drop columns.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Span};

use crate::catalog::{Catalog, Entity, EntityId, TableDef};
use crate::session::routines::without_own;
use crate::session::store::View;
use crate::session::{Error, Session, constraints};

/// An expression of a table.
pub struct Expression {
    table: EntityId,
    of: String,
    part: Part,
}

/// Which one it is, by the name of its column or its own.
enum Part {
    Default(String),
    Generated(String),
    Check(String),
}

impl Expression {
    /// What it is called in messages.
    pub fn described(&self) -> String {
        match &self.part {
            Part::Default(column) => format!("the default of `{column}` of table `{}`", self.of),
            Part::Generated(column) => format!("the generated column `{column}` of table `{}`", self.of),
            Part::Check(check) => format!("check `{check}` of table `{}`", self.of),
        }
    }
}

/// The expressions that do not check any more without some entities.
pub fn calling(session: &mut Session, view: &View, going: &[EntityId], span: Span) -> Vec<Expression> {
    let names: Vec<String> = going.iter().filter_map(|id| routine(view.catalog(), *id)).collect();
    let tables = view.catalog().entries().filter_map(|entry| match &*entry.entity {
        Entity::Table(def) if !going.contains(&entry.id) => Some((entry.id, def)),
        _ => None,
    });
    let tables = tables.filter(|(_, def)| names.iter().any(|name| def.mentions(name)));
    let tables: Vec<(EntityId, TableDef)> = tables.map(|(id, def)| (id, def.clone())).collect();
    if tables.is_empty() {
        return Vec::new();
    }
    let mut without = view.clone();
    // With all that needs them, nothing stops it.
    drop(without.changes.catalog.drop_all(going, true, &[]));
    let mut found = Vec::new();
    for (id, def) in &tables {
        for (part, alone) in each_alone(def) {
            if is_right(session, view, &alone, span) && !is_right(session, &without, &alone, span) {
                let (table, of) = (*id, def.name.clone());
                found.push(Expression { table, of, part });
            }
        }
    }
    // What was gone is known again.
    let outer = session.relations.view.replace(view.clone());
    session.relations.refresh_routines();
    session.relations.view = outer;
    found
}

fn routine(catalog: &Catalog, id: EntityId) -> Option<String> {
    match &*catalog.get(id)?.entity {
        Entity::Routine(def) => Some(def.name.clone()),
        _ => None,
    }
}

/// The definition with each of its expressions alone.
fn each_alone(def: &TableDef) -> Vec<(Part, TableDef)> {
    let mut plain = def.clone();
    plain.checks.clear();
    for column in &mut plain.columns {
        (column.default, column.generated) = (None, None);
    }
    let mut found = Vec::new();
    for (at, column) in def.columns.iter().enumerate() {
        let (name, mut alone) = (column.name.clone(), plain.clone());
        let Some(own) = alone.columns.get_mut(at) else { continue };
        (own.default, own.generated) = (column.default.clone(), column.generated.clone());
        match (&column.default, &column.generated) {
            (Some(_), _) => found.push((Part::Default(name), alone)),
            (None, Some(_)) => found.push((Part::Generated(name), alone)),
            (None, None) => {}
        }
    }
    for check in &def.checks {
        let mut alone = plain.clone();
        alone.checks.push(check.clone());
        found.push((Part::Check(check.name.clone()), alone));
    }
    found
}

fn is_right(session: &mut Session, view: &View, def: &TableDef, span: Span) -> bool {
    let outer = session.relations.view.replace(view.clone());
    let checked = without_own(session, |session| constraints::check_definition(session, def, span));
    session.relations.view = outer;
    checked.is_ok()
}

/// Takes expressions away from their tables; generated columns are not to be left without theirs.
pub fn take(view: &mut View, expressions: &[Expression], what: &Ident) -> Result<(), Error> {
    for expression in expressions {
        let catalog = &mut view.changes.catalog;
        let Some(mut def) = catalog.table(expression.table).cloned() else {
            continue;
        };
        match &expression.part {
            Part::Generated(column) => {
                let message = format!("`{}` is needed by {}", what.text, expression.described());
                let help = format!(
                    "drop that column first: `ALTER TABLE {} DROP COLUMN {column}`",
                    def.name
                );
                return Err(Error::new(Diagnostic::new("2BP01", what.span, message).with_help(help)));
            }
            Part::Default(name) => {
                let columns = def.columns.iter_mut().filter(|column| column.name == *name);
                columns.for_each(|column| column.default = None);
            }
            Part::Check(name) => def.checks.retain(|check| check.name != *name),
        }
        // The name stays, so nothing else has it.
        drop(catalog.replace(expression.table, Entity::Table(def)));
    }
    Ok(())
}
