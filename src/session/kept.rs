//! Plans that are kept from one run of a statement to the next: of what a body asks, and of prepared statements.
//!
//! `for i in range(1000) { total = total + (SELECT b FROM t WHERE a = i) }` binds and simplifies the query once, with `a = $0`; each
//! round gives `$0` its value, and the key is looked up in `t` as it is then. `SELECT sum(b) FROM t WHERE a < i` is
//! compiled once, too, and runs as it is as long as `t` has the same rows.
//!
//! Invariants: a plan is used only with the definitions that it was bound with, for values of the same types, over relations
//! with the same columns; code only over the same rows. A statement that cannot be bound without its values is bound with
//! them, each time.
//!
//! Does not: keep what a moment of the timeline is; that is found out each time.

use std::sync::{Arc, Mutex, PoisonError};

use gobi_grammar::Dialect;
use gobi_grammar::ast::{Span, StatementKind};

use super::databases::Which;
use super::picks;
use super::relations::{Relations, Scanned, StatementTables};
use super::routines::Functions;
use super::statement::Compiled;
use super::store::View;
use crate::catalog::{Catalog, Entity, EntityId, KeyDef};
use crate::exec::{Prepared, QueryOptions};
use crate::plan::change::Layout;
use crate::plan::given::GivenValues;
use crate::plan::logical::{Given, GivenName, Query, TableId};
use crate::plan::lookup::Lookup;
use crate::plan::{Named, TableResolver};
use crate::types::{Field, Value};

/// Whether the first query that a statement runs is its own, so that its plan can be kept.
pub fn has_one_plan(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Query(_)
            | StatementKind::Insert(_)
            | StatementKind::Upsert(_)
            | StatementKind::Update(_)
            | StatementKind::Delete(_)
            | StatementKind::Merge(_)
    )
}

/// The place of a statement's plan.
#[derive(Clone, Debug, Default)]
pub struct Slot(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// It has not run yet.
    #[default]
    Empty,
    /// It is planned anew each time.
    Never,
    Kept(Box<Plan>),
}

/// What tells statements apart that may come to the same slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Where the query, or the change, begins and ends; spans themselves are all alike.
    pub place: (u32, u32),
    /// How it is read.
    pub dialect: Dialect,
    /// A change without what is computed of its rows.
    pub raw: bool,
    /// Columns whose values before a change are wanted.
    pub old: Vec<usize>,
}

impl Key {
    /// Of a query.
    pub fn query(span: Span, dialect: Dialect) -> Self {
        Self {
            place: (span.start, span.end),
            dialect,
            raw: false,
            old: Vec::new(),
        }
    }
}

/// A plan.
#[derive(Debug)]
struct Plan {
    key: Key,
    /// The definitions that names were looked up in.
    catalogs: Vec<Catalog>,
    /// The functions of then.
    functions: Functions,
    names: Vec<Resolved>,
    query: Query,
    layout: Layout,
    code: Option<Code>,
    looked_up: Option<LookedUp>,
}

/// A query over one row, and where that is looked up.
#[derive(Debug)]
struct LookedUp {
    lookup: Lookup,
    table: EntityId,
    key: KeyDef,
}

/// A relation that the statement has named.
#[derive(Clone, Debug)]
pub struct Resolved {
    parts: Vec<String>,
    /// A path of a file, not a name.
    is_file: bool,
    /// Where it was looked up, inside of a view.
    home: Option<Which>,
    schema: Vec<Field>,
}

/// Code over certain rows.
#[derive(Debug)]
struct Code {
    prepared: Arc<Prepared>,
    relations: Scanned,
}

impl Slot {
    /// Whether a plan is to be kept here.
    pub fn wants(&self) -> bool {
        !matches!(*self.state(), State::Never)
    }

    /// It cannot be planned without its values.
    pub fn give_up(&self) {
        *self.state() = State::Never;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a plan that was bound over these relations.
    pub fn keep(&self, key: Key, query: &Query, layout: &Layout, tables: &StatementTables<'_>) {
        let Some(names) = tables.resolved() else {
            return self.give_up();
        };
        let relations = tables.relations();
        let plan = Plan {
            key,
            catalogs: relations.databases().map(|view| view.catalog().clone()).collect(),
            functions: relations.routines.functions(),
            names,
            query: query.clone(),
            layout: layout.clone(),
            code: None,
            looked_up: LookedUp::of(query, tables),
        };
        *self.state() = State::Kept(Box::new(plan));
    }

    /// The kept plan with the values of now, and its relations as they are now; `None` if there is none that fits.
    pub fn planned(&self, key: &Key, tables: &mut StatementTables<'_>) -> Option<(Query, Layout)> {
        let state = self.state();
        let State::Kept(plan) = &*state else { return None };
        let relations = tables.relations();
        if plan.key != *key || !plan.is_of(relations) {
            return None;
        }
        let values = plan.values(relations)?;
        for (at, name) in plan.names.iter().enumerate() {
            let id = name.open(tables)?;
            if id.0 as usize != at {
                return None;
            }
        }
        let mut query = plan.query.clone();
        for (given, value) in query.given.clone().iter().zip(values) {
            if let Some(subquery) = given.subquery {
                query.give(subquery, value);
            }
        }
        Some((query, plan.layout.clone()))
    }

    /// The rows of a kept query that looks a row up by its key; `None` if it is none, or does not fit any more, or if the engine
    /// has to find out.
    pub fn looked_up(&self, key: &Key, relations: &Relations) -> Option<Vec<Vec<Value>>> {
        let state = self.state();
        let State::Kept(plan) = &*state else { return None };
        let looked_up = plan.looked_up.as_ref()?;
        if plan.key != *key || !plan.is_of(relations) {
            return None;
        }
        let given = GivenValues::of_query(&plan.query, plan.values(relations)?);
        let key = looked_up.lookup.key(&given)?;
        let (view, entity) = plan.names.first()?.table(relations, looked_up.table)?;
        let Entity::Table(def) = &*entity else { return None };
        if view.changes.reads.is_some() {
            return None;
        }
        let table = view.table(looked_up.table, def).ok()?;
        let staged = view.changes.tables.get(&looked_up.table);
        let staged = staged.filter(|staged| !staged.is_empty());
        let found = match key.contains(&Value::Null) {
            true => Vec::new(),
            false => picks::found_by_key(&table, staged, &looked_up.key, &key).ok()?,
        };
        // What cannot be read is told by who plans it.
        let row = table.values_of(staged, &found, &looked_up.lookup.places).ok()??;
        looked_up.lookup.rows(&given, row)
    }

    /// Code for the plan, if the relations have the rows that it was made for.
    pub fn code(&self, query: &Query, tables: &mut StatementTables<'_>, options: &QueryOptions) -> Option<Prepared> {
        let state = self.state();
        let State::Kept(plan) = &*state else { return None };
        let code = plan.code.as_ref()?;
        let notes_reads = |view: &View| view.changes.reads.is_some();
        if tables.relations().databases().any(notes_reads) {
            return None;
        }
        if !code.prepared.options.makes_same_code(options) || tables.len() != code.relations.len() {
            return None;
        }
        let known = code.relations.iter().enumerate();
        for (at, known) in known.filter_map(|(at, known)| Some((at, known.as_ref()?))) {
            let now = tables.all_rows(TableId(u32::try_from(at).ok()?))?;
            if !Arc::ptr_eq(&now, known) {
                return None;
            }
        }
        let value = |given: &Given| {
            let at = given.subquery?.0 as usize;
            Some((at, query.subqueries.get(at)?.only_value()?.clone()))
        };
        let values: Vec<(usize, Value)> = query.given.iter().filter_map(value).collect();
        Some(code.prepared.with_values(&values, options))
    }

    /// Keeps code, unless it depends on the values.
    pub fn keep_code(&self, compiled: &Compiled) {
        if let State::Kept(plan) = &mut *self.state()
            && let Some(relations) = &compiled.scanned
            && plan.names.len() == relations.len()
        {
            let prepared = &compiled.prepared;
            plan.code = Some(Code {
                prepared: Arc::new(prepared.with_values(&[], &prepared.options)),
                relations: relations.clone(),
            });
        }
    }
}

impl Plan {
    /// Whether names still stand for what they did.
    fn is_of(&self, relations: &Relations) -> bool {
        let mut now = relations.databases().map(View::catalog);
        let same = self
            .catalogs
            .iter()
            .all(|then| now.next().is_some_and(|now| now.is(then)));
        same && now.next().is_none() && relations.routines.functions().is(&self.functions)
    }

    /// The values of now; `None` if one of them has another type.
    fn values(&self, relations: &Relations) -> Option<Vec<Value>> {
        let given = self.query.given.iter();
        let value = given.map(|given| {
            let (ty, value) = match &given.name {
                GivenName::Variable(name) => relations.routines.variable(name)?,
                GivenName::Parameter(name) => relations.parameter(name).map(|known| (known.ty, known.value))?,
            };
            (ty == given.ty).then_some(value)
        });
        value.collect()
    }
}

impl LookedUp {
    /// The look-up that a query is, if the only thing that it names is a table, by a key of it.
    fn of(query: &Query, tables: &StatementTables<'_>) -> Option<Self> {
        let lookup = Lookup::of(query, tables)?;
        let (_, origin) = tables.origin(lookup.table)?;
        let (_, table) = tables.first_named().filter(|_| tables.len() == 1)?;
        let key = origin.indexes.iter().find(|key| key.name == lookup.index)?.clone();
        Some(Self { lookup, table, key })
    }
}

impl Resolved {
    /// The table that it stands for, if that is this one, with its database and its definition.
    fn table<'r>(&self, relations: &'r Relations, wanted: EntityId) -> Option<(&'r View, Arc<Entity>)> {
        let parts: Vec<&str> = self.parts.iter().map(String::as_str).collect();
        if self.is_file || relations.is_given(&parts) {
            return None;
        }
        let (which, parts) = relations.seek(&parts, self.home)?;
        let view = relations.view_of(which)?;
        let entry = view.catalog().find(parts).filter(|entry| entry.id == wanted)?;
        Some((view, Arc::clone(&entry.entity)))
    }

    pub fn new(parts: &[&str], is_file: bool, home: Option<Which>, schema: &[Field]) -> Self {
        Self {
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            is_file,
            home,
            schema: schema.to_vec(),
        }
    }

    /// What it stands for now, if that has the same columns.
    fn open(&self, tables: &mut StatementTables<'_>) -> Option<TableId> {
        let parts: Vec<&str> = self.parts.iter().map(String::as_str).collect();
        let id = match (self.is_file, parts.as_slice()) {
            (true, [path]) => tables.by_file(path).ok()?,
            _ => match tables.by_name_in(&parts, self.home).ok()?? {
                Named::Table(id) => id,
                Named::View(_) => return None,
            },
        };
        let schema = &tables.info(id).schema;
        let same = schema.len() == self.schema.len()
            && schema
                .iter()
                .zip(&self.schema)
                .all(|(now, then)| now.name == then.name && now.ty == then.ty && (then.nullable || !now.nullable));
        same.then_some(id)
    }
}
