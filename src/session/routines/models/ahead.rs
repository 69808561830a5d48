//! What a model fills, before its first run.
//!
//! `upsert procedure names <{ kind: 'full' }> => select id, name from raw` makes the table `models.names` with two columns and no row, so that the next
//! model can read it; that of a view makes the view.
//!
//! Invariants: a table that has rows, or that is another than the model has made, stays as it is until the model runs.
//!
//! Does not: write rows.

use super::made::Made;
use super::spec::{Kind, Spec};
use super::{Parts, columns_of};
use crate::catalog::{Entity, EntityId, TableDef};
use crate::procedure::{Definition, declared_columns};
use crate::session::change::Running;
use crate::session::define::alter::whole;
use crate::session::relations::Relations;
use crate::session::routines::without_own;
use crate::session::store::{View, store_error};
use crate::session::{Error, Session};
use crate::types::{Field, LogicalType};

/// Makes what a model fills, or gives it the columns that the model has now in place of those that it had `before`.
pub fn make_ahead(
    session: &mut Session,
    view: &mut View,
    (definition, spec, columns): (&Definition, &Spec, &[Field]),
    before: Option<&Definition>,
    running: Running,
) -> Result<(), Error> {
    let [schema, name] = &spec.target;
    let known = view.catalog().find(&[schema, name]).cloned();
    let known = known.as_ref().map(|entry| (entry.id, &*entry.entity));
    match (spec.kind, known) {
        (Kind::External, _) => Ok(()),
        (Kind::View | Kind::Embedded, known) => {
            let is_ready = match known {
                None => true,
                Some((_, entity)) if !entity.is_made_by(&definition.name) => false,
                Some((id, Entity::Table(def))) => !has_rows(view, (id, def), running)?,
                Some(_) => true,
            };
            let query = Parts::of(session, definition)?.query;
            let made = Made {
                spec,
                model: &definition.name,
                running,
            };
            match is_ready {
                true => made.view(session, view, &query, definition.dialect),
                false => Ok(()),
            }
        }
        (_, Some((id, Entity::Table(def)))) => {
            let as_made = match before.filter(|before| is_filled_by(before, spec)) {
                Some(before) => is_as_made(session, view, (id, def), before, running)?,
                None => false,
            };
            if as_made && are_known(session, definition, columns)? {
                whole::take_columns(session, view, (id, columns), running)?;
            }
            let made = Made {
                spec,
                model: &definition.name,
                running,
            };
            made.take(view)
        }
        // What is not known yet comes with the first run.
        _ if !are_known(session, definition, columns)? => Ok(()),
        (_, None) => {
            let made = Made {
                spec,
                model: &definition.name,
                running,
            };
            made.table(session, view, columns)
        }
        (_, Some(_)) => Ok(()),
    }
}

/// Whether a model that was there before has the same target.
fn is_filled_by(before: &Definition, spec: &Spec) -> bool {
    let known = Spec::of(&before.name, &before.routine);
    matches!(known, Ok(Some(known)) if known.target == spec.target)
}

/// Whether the types of all columns are known without a call.
fn are_known(session: &Session, definition: &Definition, columns: &[Field]) -> Result<bool, Error> {
    let are_declared = declared_columns(&Parts::of(session, definition)?.query).is_some();
    let are_typed = definition.routine.params.iter().all(|param| param.ty.is_some());
    Ok((are_declared || are_typed) && columns.iter().all(|field| !field.ty.has_type(&LogicalType::Null)))
}

/// Whether a table has no row, the columns that a model gives it, and nothing else.
fn is_as_made(
    session: &mut Session,
    view: &View,
    (id, def): (EntityId, &TableDef),
    model: &Definition,
    running: Running,
) -> Result<bool, Error> {
    if has_rows(view, (id, def), running)? {
        return Ok(false);
    }
    let Ok(Some(spec)) = Spec::of(&model.name, &model.routine) else {
        return Ok(false);
    };
    if session.relations.routines.filled.contains(&spec.target) {
        return Ok(false);
    }
    let given = without_own(session, |session| {
        Ok(Relations::as_kept(session, |session| columns_of(session, model, &spec)))
    })?;
    let mut made = TableDef::new(&def.name);
    let given = given.iter().flatten();
    given.for_each(|field| made.add(&field.name, field.ty.clone()));
    // What its columns are numbered by says nothing of them.
    made.next_column = def.next_column;
    made.made_by.clone_from(&def.made_by);
    for (made, known) in made.columns.iter_mut().zip(&def.columns) {
        made.no = known.no;
        made.missing.clone_from(&known.missing);
    }
    Ok(made == *def)
}

/// Whether a table has any.
pub fn has_rows(view: &View, (id, def): (EntityId, &TableDef), running: Running) -> Result<bool, Error> {
    let failed = |error| store_error(&error, running.span);
    let table = view.table(id, def).map_err(failed)?;
    Ok(table.live_rows(view.changes.tables.get(&id)).map_err(failed)? > 0)
}
