//! Foreign keys: what a statement owes them when its rows are staged.
//!
//! After `DELETE FROM customer WHERE id = 7` the session runs `DELETE FROM orders AS c USING gone AS o WHERE c.custkey = o.c0` where the
//! key says CASCADE, an UPDATE where it says SET NULL, and where it says nothing a query for one such order, which is an error. After
//! `INSERT INTO orders …` each new customer number is looked up.
//!
//! Invariants: references are judged as they are at the end of the statement, RESTRICT aside. Whatever was seen of the other table
//! is left to the commit to see again ([`crate::store::table::Relies`]).
//!
//! Does not: defer to the end of the transaction.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use gobi_grammar::ast::{Span, StatementKind};
use gobi_grammar::{Diagnostic, Dialect};

use super::watch::Watch;
use super::{Done, Running, Table, user};
use crate::catalog::{ColumnDef, ColumnNo, EntityId, Entry, ForeignKeyDef, KeyAction, KeyDef, TableDef};
use crate::formats::Relation;
use crate::session::store::{View, store_error};
use crate::session::{Error, Session, statement};
use crate::store::table::{Presence, TableChanges};
use crate::types::{Field, Value, cell};

/// Fewer new references are looked up one by one.
const FEW: usize = 64;
/// So many are checked before the statement ends.
const MANY: usize = 1 << 18;
/// Deeper cascades are taken to have no end.
const MAX_DEPTH: usize = 64;

/// Does what foreign keys ask for, and checks what they demand.
pub fn settle(
    session: &mut Session,
    watch: &Watch,
    table: &Table,
    view: &mut View,
    running: Running,
) -> Result<(), Error> {
    if watch.gone.is_empty() && watch.moved.is_empty() && watch.new.is_empty() {
        return Ok(());
    }
    let before = session.relations.view.replace(view.clone());
    let given = session.relations.given.len();
    let mut settling = Settling {
        session,
        table,
        view,
        running,
    };
    let settled = settling.lost(watch).and_then(|()| settling.gained(watch));
    session.relations.given.truncate(given);
    session.relations.view = before;
    settled
}

/// Checks new references before the end of the statement where there are many, so that they need not be kept. A table that refers
/// to itself must wait: the rows referred to may come yet.
pub fn check_many(
    session: &mut Session,
    watch: &mut Watch,
    table: &Table,
    view: &mut View,
    running: Running,
) -> Result<(), Error> {
    let rows: usize = watch.new.iter().map(RecordBatch::num_rows).sum();
    if rows < MANY || table.def.foreign_keys.iter().any(|key| key.table == table.id) {
        return Ok(());
    }
    let so_far = Watch {
        gained: watch.gained.clone(),
        new: std::mem::take(&mut watch.new),
        ..Watch::default()
    };
    settle(session, &so_far, table, view, running)
}

struct Settling<'s> {
    session: &'s mut Session,
    table: &'s Table,
    view: &'s mut View,
    running: Running,
}

/// A foreign key that leads to the table.
#[derive(Clone)]
struct Leading {
    entry: Entry,
    def: TableDef,
    key: ForeignKeyDef,
}

/// Rows that the engine has given a name.
struct Given {
    name: String,
    /// Places of the table's columns, in the order in which they are there.
    places: Vec<usize>,
}

impl Settling<'_> {
    /// Keys that are no longer there.
    fn lost(&mut self, watch: &Watch) -> Result<(), Error> {
        if watch.gone.is_empty() && watch.moved.is_empty() {
            return Ok(());
        }
        if self.session.relations.given.len() > MAX_DEPTH {
            let message = "the foreign keys lead on and on";
            return Err(user("54001", self.running.span, message));
        }
        let catalog = self.view.catalog();
        let leading = catalog.foreign_keys_to(self.table.id).into_iter();
        let leading: Vec<Leading> = leading
            .map(|(entry, def, key)| Leading {
                entry: entry.clone(),
                def: def.clone(),
                key: key.clone(),
            })
            .collect();
        let gone = self.give("gone", &watch.lost, &watch.gone, 1)?;
        let moved = self.give("moved", &watch.lost, &watch.moved, 2)?;
        let both = [(gone, false), (moved, true)];
        let mut todo = Vec::new();
        for (given, moved) in &both {
            let Some(given) = given else { continue };
            for leading in &leading {
                let action = if *moved {
                    leading.key.on_update
                } else {
                    leading.key.on_delete
                };
                let is_about = |no: &ColumnNo| self.place(*no).is_some_and(|at| given.places.contains(&at));
                if leading.key.referenced.iter().all(is_about) {
                    self.view
                        .changes
                        .relies
                        .on_no_row_new(&self.view.base, leading.entry.id);
                    todo.push((given, leading, action));
                }
            }
        }
        for (given, leading, _) in todo.iter().filter(|(.., action)| *action == KeyAction::Restrict) {
            self.refuse(given, leading, false)?;
        }
        for (given, leading, action) in &todo {
            if !matches!(action, KeyAction::Restrict | KeyAction::Refuse) {
                self.follow(given, leading, *action)?;
            }
        }
        for (given, leading, _) in todo.iter().filter(|(.., action)| *action == KeyAction::Refuse) {
            self.refuse(given, leading, true)?;
        }
        Ok(())
    }

    fn place(&self, no: ColumnNo) -> Option<usize> {
        self.table.def.columns.iter().position(|column| column.no == no)
    }

    /// `c.custkey = o.c0 AND …`.
    fn pairs(&self, given: &Given, leading: &Leading) -> String {
        let both = leading.key.columns.iter().zip(&leading.key.referenced);
        let pairs = both.map(|(own, theirs)| {
            let own = quoted(leading.def.by_no(*own).map_or("", |column| column.name.as_str()));
            format!("c.{own} = o.c{}", self.given_column(given, *theirs))
        });
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    fn given_column(&self, given: &Given, no: ColumnNo) -> usize {
        let at = self.place(no);
        given
            .places
            .iter()
            .position(|place| Some(*place) == at)
            .unwrap_or_default()
    }

    /// CASCADE, SET NULL, SET DEFAULT.
    fn follow(&mut self, given: &Given, leading: &Leading, action: KeyAction) -> Result<(), Error> {
        let child = table_name(&leading.entry, &leading.def);
        let (pairs, name) = (self.pairs(given, leading), quoted(&given.name));
        let moved = given.places.len() * 2 == self.width(given);
        let columns = leading.key.columns.iter().zip(&leading.key.referenced);
        let set = columns.map(|(own, theirs)| {
            let own = quoted(leading.def.by_no(*own).map_or("", |column| column.name.as_str()));
            let value = match action {
                KeyAction::Cascade => format!("o.c{}", given.places.len() + self.given_column(given, *theirs)),
                KeyAction::SetDefault => "DEFAULT".into(),
                _ => "NULL".into(),
            };
            format!("{own} = {value}")
        });
        let set = set.collect::<Vec<_>>().join(", ");
        let text = match action {
            KeyAction::Cascade if !moved => format!("DELETE FROM {child} AS c USING {name} AS o WHERE {pairs}"),
            _ => format!("UPDATE {child} AS c SET {set} FROM {name} AS o WHERE {pairs}"),
        };
        self.run(&text).map_err(|error| error.placed(self.running.span))?;
        self.session.relations.view = Some(self.view.clone());
        Ok(())
    }

    fn width(&self, given: &Given) -> usize {
        let found = self
            .session
            .relations
            .given
            .iter()
            .rfind(|(name, _)| *name == given.name);
        let is_own = |name: &str| name.starts_with('c');
        found.map_or(0, |(_, relation)| {
            relation.schema().iter().filter(|field| is_own(&field.name)).count()
        })
    }

    fn run(&mut self, text: &str) -> Result<Done, Error> {
        let parsed = gobi_grammar::parse(text, Dialect::Ansi);
        let statement = parsed.statements.into_iter().next();
        let statement = statement.filter(|_| parsed.diagnostics.is_empty());
        let statement = statement.ok_or_else(|| user("XX000", self.running.span, format!("cannot read `{text}`")))?;
        let running = Running {
            dialect: Dialect::Ansi,
            ..self.running
        };
        super::run(self.session, &statement.kind, self.view, running)
    }

    /// NO ACTION, RESTRICT: an error if a row refers to a lost key; `unless_there`: that no other row has.
    fn refuse(&mut self, given: &Given, leading: &Leading, unless_there: bool) -> Result<(), Error> {
        let child = table_name(&leading.entry, &leading.def);
        let (pairs, name) = (self.pairs(given, leading), quoted(&given.name));
        let items = leading.key.referenced.iter();
        let items = items.map(|no| format!("o.c{}", self.given_column(given, *no)));
        let items = items.collect::<Vec<_>>().join(", ");
        let mut text = format!("SELECT {items} FROM {child} AS c, {name} AS o WHERE {pairs}");
        if unless_there {
            let keys = leading.key.referenced.iter().map(|no| {
                let name = self.table.def.by_no(*no).map_or("", |column| column.name.as_str());
                format!("p.{} = o.c{}", quoted(name), self.given_column(given, *no))
            });
            let keys = keys.collect::<Vec<_>>().join(" AND ");
            let parent = self.own_name()?;
            text.push_str(&format!(" AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {keys})"));
        }
        let Some(values) = self.first_row(&text, &leading.key.referenced, &self.table.def.clone())? else {
            return Ok(());
        };
        let message = format!(
            "`{}` refers to ({}) = ({values}) of `{}`, by `{}`",
            leading.def.name,
            self.table.def.column_names(&leading.key.referenced),
            self.table.def.name,
            leading.key.name,
        );
        Err(user("23503", self.running.span, message))
    }

    fn own_name(&self) -> Result<String, Error> {
        let entry = self.view.catalog().get(self.table.id);
        let entry = entry.ok_or_else(|| user("XX000", self.running.span, "the table is gone"))?;
        Ok(table_name(entry, &self.table.def))
    }

    /// The first row of a query, as text; its columns have the types of these columns.
    fn first_row(&mut self, text: &str, columns: &[ColumnNo], def: &TableDef) -> Result<Option<String>, Error> {
        let text = format!("{text} LIMIT 1");
        let parsed = gobi_grammar::parse(&text, Dialect::Ansi);
        let query = parsed.statements.into_iter().next().map(|statement| statement.kind);
        let Some(StatementKind::Query(query)) = query else {
            return Err(user("XX000", self.running.span, format!("cannot read `{text}`")));
        };
        let (phases, span) = (self.running.phases, self.running.span);
        let stream = statement::query_stream(self.session, &query, Dialect::Ansi, phases, span);
        for batch in stream.map_err(|error| error.placed(self.running.span))? {
            let batch = batch.map_err(|error| error.placed(self.running.span))?;
            if batch.num_rows() > 0 {
                let values = batch.columns().iter().zip(columns);
                let values = values.map(|(array, no)| match def.by_no(*no) {
                    Some(column) => cell::value(array, 0).display(&column.ty),
                    None => String::new(),
                });
                return Ok(Some(values.collect::<Vec<_>>().join(", ")));
            }
        }
        Ok(None)
    }

    /// Rows as a relation whose columns are called `c0`, `c1`, …; `times` each place.
    fn give(
        &mut self,
        what: &str,
        places: &[usize],
        batches: &[RecordBatch],
        times: usize,
    ) -> Result<Option<Given>, Error> {
        if batches.is_empty() {
            return Ok(None);
        }
        let all: Vec<usize> = std::iter::repeat_n(places, times).flatten().copied().collect();
        let def = given_def(&self.table.def, &all);
        let relation = relation_of(self.view, self.table.id, &def, batches);
        let relation = relation.map_err(|error| store_error(&error, self.running.span))?;
        let given = &mut self.session.relations.given;
        // No name that a user gives is found by it, nor hidden.
        let name = format!("\u{1}{what}{}", given.len());
        given.push((name.clone(), relation));
        Ok(Some(Given {
            name,
            places: places.to_vec(),
        }))
    }

    /// New references.
    fn gained(&mut self, watch: &Watch) -> Result<(), Error> {
        if watch.new.is_empty() {
            return Ok(());
        }
        for key in self.table.def.foreign_keys.clone() {
            let places: Vec<usize> = key.columns.iter().filter_map(|no| self.place(*no)).collect();
            let within: Option<Vec<usize>> = places
                .iter()
                .map(|at| watch.gained.iter().position(|place| place == at))
                .collect();
            let (Some(within), Some(parent)) = (within, self.view.catalog().table(key.table).cloned()) else {
                continue;
            };
            let rows: usize = watch.new.iter().map(RecordBatch::num_rows).sum();
            if rows <= FEW && self.look_up(&key, &parent, &within, &watch.new)? {
                continue;
            }
            self.join(&key, &parent, watch)?;
        }
        Ok(())
    }

    /// Looks up each reference; `false` if there is no index to do so.
    fn look_up(
        &mut self,
        key: &ForeignKeyDef,
        parent: &TableDef,
        within: &[usize],
        batches: &[RecordBatch],
    ) -> Result<bool, Error> {
        let Some((index, order)) = key_in_order(parent, &key.referenced) else {
            return Ok(false);
        };
        for batch in batches {
            let columns: Vec<_> = within.iter().filter_map(|at| batch.columns().get(*at)).collect();
            for row in (0..batch.num_rows()).filter(|row| columns.iter().all(|column| !column.is_null(*row))) {
                let values: Vec<Value> = columns.iter().map(|column| cell::value(column, row)).collect();
                let wanted: Vec<Value> = order.iter().filter_map(|at| values.get(*at)).cloned().collect();
                let View { base, changes, .. } = &mut *self.view;
                let presence = changes.presence(base, key.table, parent, &index, &wanted);
                match presence.map_err(|error| store_error(&error, self.running.span))? {
                    Presence::Unknown => return Ok(false),
                    Presence::Staged => {}
                    Presence::Committed => changes.relies.on_key(base, key.table, &index, &wanted),
                    Presence::Absent => {
                        let texts = values.iter().zip(&key.columns).map(|(value, no)| {
                            let column = self.table.def.by_no(*no);
                            column.map_or_else(String::new, |column| value.display(&column.ty))
                        });
                        let texts = texts.collect::<Vec<_>>().join(", ");
                        return Err(self.missing(key, parent, &texts));
                    }
                }
            }
        }
        Ok(true)
    }

    /// Looks for a reference without a partner by a join.
    fn join(&mut self, key: &ForeignKeyDef, parent: &TableDef, watch: &Watch) -> Result<(), Error> {
        let Some(given) = self.give("new", &watch.gained, &watch.new, 1)? else {
            return Ok(());
        };
        self.view.changes.relies.on_no_row_gone(&self.view.base, key.table);
        let entry = self.view.catalog().get(key.table).cloned();
        let entry = entry.ok_or_else(|| user("XX000", self.running.span, "the other table is gone"))?;
        let own: Vec<String> = key
            .columns
            .iter()
            .map(|no| format!("o.c{}", self.given_column(&given, *no)))
            .collect();
        let present = own
            .iter()
            .map(|column| format!("{column} IS NOT NULL"))
            .collect::<Vec<_>>();
        let pairs = own.iter().zip(&key.referenced).map(|(own, no)| {
            let theirs = parent.by_no(*no).map_or("", |column| column.name.as_str());
            format!("p.{} = {own}", quoted(theirs))
        });
        let text = format!(
            "SELECT {} FROM {} AS o WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
            own.join(", "),
            quoted(&given.name),
            present.join(" AND "),
            table_name(&entry, parent),
            pairs.collect::<Vec<_>>().join(" AND "),
        );
        match self.first_row(&text, &key.columns, &self.table.def.clone())? {
            Some(values) => Err(self.missing(key, parent, &values)),
            None => Ok(()),
        }
    }

    fn missing(&self, key: &ForeignKeyDef, parent: &TableDef, values: &str) -> Error {
        let message = format!(
            "`{}` has no row with ({}) = ({values}), to which `{}` would refer by `{}`",
            parent.name,
            parent.column_names(&key.referenced),
            self.table.def.name,
            key.name,
        );
        user("23503", self.running.span, message)
    }
}

/// The key with these columns, and for each of its columns the place of the one that refers to it.
fn key_in_order(parent: &TableDef, referenced: &[ColumnNo]) -> Option<(KeyDef, Vec<usize>)> {
    let same =
        |key: &&KeyDef| key.columns.len() == referenced.len() && key.columns.iter().all(|no| referenced.contains(no));
    let key = parent.keys().find(same)?.clone();
    let place = |no: &ColumnNo| referenced.iter().position(|other| other == no);
    let order = key.columns.iter().map(place).collect::<Option<Vec<_>>>()?;
    Some((key, order))
}

/// A definition of columns `c0`, `c1`, … with the types of some columns of a table.
fn given_def(def: &TableDef, places: &[usize]) -> TableDef {
    let column = |(i, at): (usize, &usize)| {
        let number = u32::try_from(i).unwrap_or(u32::MAX);
        def.columns.get(*at).map(|column| ColumnDef {
            no: ColumnNo(number),
            name: format!("c{i}"),
            not_null: false,
            default: None,
            generated: None,
            missing: None,
            ..column.clone()
        })
    };
    TableDef {
        columns: places.iter().enumerate().filter_map(column).collect(),
        next_column: u32::try_from(places.len()).unwrap_or(u32::MAX),
        storage: def.storage,
        ..TableDef::new("given")
    }
}

/// Batches as a relation: rows that are staged for a table and for nothing else.
pub fn relation_of(
    view: &View,
    id: EntityId,
    def: &TableDef,
    batches: &[RecordBatch],
) -> Result<Arc<dyn Relation>, crate::store::StoreError> {
    let mut staged = TableChanges::new(&view.base, id)?;
    staged.truncate();
    for batch in batches {
        staged.append(def, batch)?;
    }
    view.base.table_as(id, def)?.relation(Some(&staged))
}

/// Batches of these columns as a relation.
pub fn relation_of_fields(
    view: &View,
    columns: &[Field],
    batches: &[RecordBatch],
) -> Result<Arc<dyn Relation>, crate::store::StoreError> {
    let mut def = TableDef::new("given");
    for column in columns {
        def.add(&column.name, column.ty.clone());
    }
    // No table has this number: what is read is what is staged for it.
    relation_of(view, EntityId(u64::MAX), &def, batches)
}

pub(super) fn table_name(entry: &Entry, def: &TableDef) -> String {
    format!("{}.{}", quoted(&entry.schema), quoted(&def.name))
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// TRUNCATE leaves no row to refer to.
pub fn refuse_truncate(view: &View, tables: &[EntityId], span: Span) -> Result<(), Error> {
    for id in tables {
        for (entry, def, key) in view.catalog().foreign_keys_to(*id) {
            if !tables.contains(&entry.id) {
                let name = view.catalog().table(*id).map_or("", |table| table.name.as_str());
                let message = format!("`{}` refers to `{name}` by `{}`", def.name, key.name);
                let help = "truncate both in one statement, or DELETE";
                return Err(Error::new(Diagnostic::new("0A000", span, message).with_help(help)));
            }
        }
    }
    Ok(())
}
