//! INSERT with ON CONFLICT, and UPSERT.
//!
//! `INSERT INTO t VALUES (1, 'x') ON CONFLICT (a) DO UPDATE SET b = excluded.b` joins the proposed row with the row of `t` that has
//! its key: where there is one, it is updated; where there is none, the proposed row is added. `UPSERT INTO t VALUES (1, 'x')` is
//! that with all columns that are given.
//!
//! Invariants: a row that was proposed twice is never stored twice under one key.
//!
//! Does not: find conflicts with transactions that run side by side; locks and the commit do.

use gobi_grammar::ast::{
    ConflictAction, Ident, Insert, InsertSource, OnConflict, Query, SelectItem, Span, Target, Upsert, With,
};

use super::apply::{self, How};
use super::repeated::Repeats;
use super::{Done, Running, Table, positions, table, user};
use crate::catalog::{KeyDef, TableDef};
use crate::plan::change::{Action, Arm, ArmRows, Change, Proposed, Source};
use crate::session::store::View;
use crate::session::{Error, Session};

/// INSERT.
pub fn insert(session: &mut Session, insert: &Insert, view: &mut View, running: Running) -> Result<Done, Error> {
    let table = table(session, view, &insert.target.table)?;
    let places = places(&table.def, &insert.columns, &insert.source)?;
    let plain = Plain {
        with: Some(&insert.with),
        target: &insert.target,
        places: &places,
        rows: &insert.source,
        returning: &insert.returning,
        loose: false,
    };
    match &insert.on_conflict {
        None => plain.append(session, &table, view, running),
        Some(conflict) => {
            let keys = match is_view(view, &table) && !conflict.columns.is_empty() {
                true => vec![positions(&table.def, &conflict.columns)?],
                false => conflict_keys(&table.def, conflict)?,
            };
            let action = match &conflict.action {
                ConflictAction::Nothing => None,
                ConflictAction::Update { set, filter } => Some((Action::Update(set), filter.as_ref())),
            };
            plain.resolve(session, &table, &keys, action, view, running)
        }
    }
}

/// UPSERT.
pub fn upsert(session: &mut Session, upsert: &Upsert, view: &mut View, running: Running) -> Result<Done, Error> {
    let table = table(session, view, &upsert.target.table)?;
    let places = places(&table.def, &upsert.columns, &upsert.source)?;
    let key = match is_view(view, &table) && !upsert.key.is_empty() {
        true => positions(&table.def, &upsert.key)?,
        false => upsert_key(&table.def, &upsert.key, running.span)?,
    };
    let plain = Plain {
        with: Some(&upsert.with),
        target: &upsert.target,
        places: &places,
        rows: &upsert.source,
        returning: &upsert.returning,
        loose: false,
    };
    let action = Some((Action::Replace(&places), None));
    plain.resolve(session, &table, &[key], action, view, running)
}

/// Appends the rows of a query, converted to the columns' types by any cast that there is.
pub fn fill(
    session: &mut Session,
    query: &Query,
    columns: &[Ident],
    table: &Table,
    view: &mut View,
    running: Running,
) -> Result<Done, Error> {
    let target = Target {
        table: Vec::new(),
        alias: None,
        span: running.span,
    };
    let rows = InsertSource::Query(Box::new(query.clone()));
    let places = places(&table.def, columns, &rows)?;
    let plain = Plain {
        with: None,
        target: &target,
        places: &places,
        rows: &rows,
        returning: &[],
        loose: true,
    };
    plain.append(session, table, view, running)
}

/// Rows to be added, and what is common to the forms.
struct Plain<'a> {
    with: Option<&'a With>,
    target: &'a Target,
    places: &'a [usize],
    rows: &'a InsertSource,
    returning: &'a [SelectItem],
    loose: bool,
}

impl<'a> Plain<'a> {
    fn proposed(&self) -> Proposed<'a> {
        Proposed {
            places: self.places,
            rows: self.rows,
            loose: self.loose,
        }
    }

    fn append(&self, session: &mut Session, table: &Table, view: &mut View, running: Running) -> Result<Done, Error> {
        let shape = table.shape(running.span)?;
        let change = Change {
            with: self.with,
            returning: self.returning,
            ..Change::adding(shape, self.target, self.proposed(), running.span)
        };
        apply::apply(session, change, table, view, How::plain(running))
    }

    fn resolve(
        &self,
        session: &mut Session,
        table: &Table,
        keys: &[Vec<usize>],
        action: Option<(Action<'_>, Option<&gobi_grammar::ast::Expr>)>,
        view: &mut View,
        running: Running,
    ) -> Result<Done, Error> {
        let shape = table.shape(running.span)?;
        let repeats = match action {
            Some(_) => Repeats::Refused(keys.to_vec()),
            None => Repeats::LeftOut(keys.to_vec()),
        };
        let added = Arm {
            rows: if action.is_some() {
                ArmRows::NotMatched
            } else {
                ArmRows::All
            },
            filter: None,
            action: Action::Propose,
        };
        let changed = action.map(|(action, filter)| Arm {
            rows: ArmRows::Matched,
            filter,
            action,
        });
        let change = Change {
            shape,
            target: self.target,
            with: self.with,
            source: Source::Conflicting {
                proposed: self.proposed(),
                keys: keys.to_vec(),
                update: action.is_some(),
            },
            arms: std::iter::once(added).chain(changed).collect(),
            old: Vec::new(),
            returning: self.returning,
            span: running.span,
        };
        apply::apply(session, change, table, view, How { running, repeats })
    }
}

/// Whether triggers stand for the change: a view has no keys, so any of its columns can tell its rows apart.
fn is_view(view: &View, table: &Table) -> bool {
    view.catalog().table(table.id).is_none()
}

/// The columns that values are given for: those that are named, or all; generated ones need not be counted.
fn places(def: &TableDef, names: &[Ident], source: &InsertSource) -> Result<Vec<usize>, Error> {
    if !names.is_empty() {
        return positions(def, names);
    }
    let all = 0..def.columns.len();
    let whole = match source {
        InsertSource::Values(rows) => rows.first().is_some_and(|row| row.len() == all.len()),
        InsertSource::DefaultValues | InsertSource::Query(_) => false,
    };
    let is_given = |at: &usize| whole || def.columns.get(*at).is_some_and(|column| column.generated.is_none());
    Ok(all.filter(is_given).collect())
}

fn key_positions(def: &TableDef, key: &KeyDef) -> Vec<usize> {
    let at = |no| def.columns.iter().position(|column| column.no == no);
    key.columns.iter().filter_map(|no| at(*no)).collect()
}

/// The keys that ON CONFLICT is about.
fn conflict_keys(def: &TableDef, conflict: &OnConflict) -> Result<Vec<Vec<usize>>, Error> {
    let keys: Vec<Vec<usize>> = def.keys().map(|key| key_positions(def, key)).collect();
    if !conflict.columns.is_empty() {
        let wanted = positions(def, &conflict.columns)?;
        return Ok(vec![known_key(def, &wanted, conflict.span)?]);
    }
    match (keys.as_slice(), &conflict.action) {
        ([], ConflictAction::Nothing) => Ok(Vec::new()),
        ([_], _) | (_, ConflictAction::Nothing) => Ok(keys),
        ([], _) => Err(user(
            "42P10",
            conflict.span,
            format!("`{}` has no key to be in conflict with", def.name),
        )),
        _ => {
            let message = format!("`{}` has several keys; name the columns of one", def.name);
            Err(user("42P10", conflict.span, message))
        }
    }
}

fn upsert_key(def: &TableDef, names: &[Ident], span: Span) -> Result<Vec<usize>, Error> {
    if !names.is_empty() {
        let wanted = positions(def, names)?;
        return known_key(def, &wanted, names.first().map_or(span, |name| name.span));
    }
    match &def.primary_key {
        Some(key) => Ok(key_positions(def, key)),
        None => {
            let message = format!("`{}` has no primary key, so UPSERT needs KEY (…)", def.name);
            Err(user("42P10", span, message))
        }
    }
}

/// The key with these columns, in whatever order.
fn known_key(def: &TableDef, wanted: &[usize], span: Span) -> Result<Vec<usize>, Error> {
    let same = |key: &Vec<usize>| key.len() == wanted.len() && wanted.iter().all(|at| key.contains(at));
    let found = def.keys().map(|key| key_positions(def, key)).find(same);
    found.ok_or_else(|| {
        let names: Vec<&str> = wanted
            .iter()
            .filter_map(|at| def.columns.get(*at))
            .map(|column| column.name.as_str())
            .collect();
        let message = format!("`{}` has no primary or unique key ({})", def.name, names.join(", "));
        user("42P10", span, message)
    })
}
