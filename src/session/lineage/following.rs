//! Lineage of columns through the variables of a body.
//!
//! In `let price = (select price from product where id = NEW.product); insert into item values (NEW.id, price * 2)` the second column of `item`
//! is made from `product.price`, by way of a variable.
//!
//! Invariants: a variable is made from whatever it is ever given; which way a body takes makes no difference. A field is made from what it is
//! given by its name, and from what its variable is given as a whole.
//!
//! Does not: follow what functions do with their arguments: they are what a call is made from.

use std::collections::{BTreeMap, BTreeSet};

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    ArmBody, Assign, Assigned, Block, Expr, ExprKind, Insert, InsertSource, Lambda, Query, RoutineBody, Statement,
    StatementKind as K, Step, Value as Given,
};

use super::columns::Column;
use super::written::{Collected, Sources, Written, sources_of};
use crate::catalog::{Entity, EntityId};
use crate::procedure::Definition;
use crate::session::Session;

/// What a definition writes, from what its statements say by themselves; variables are followed to columns. `of` is the table whose
/// rows `NEW` and `OLD` are.
pub fn follow(
    session: &mut Session,
    definition: &Definition,
    of: Option<EntityId>,
    collected: Collected,
) -> Vec<Written> {
    let mut following = Following {
        session,
        definition,
        of,
        collected,
        made: BTreeMap::new(),
    };
    match &definition.routine.body {
        RoutineBody::Block(block) => following.statements(&block.statements),
        RoutineBody::Value(value) => _ = following.value(value),
    }
    let written = std::mem::take(&mut following.collected.written);
    let resolved = written.into_iter().map(|written| following.resolved(written));
    resolved.filter(|written| !written.from.columns.is_empty()).collect()
}

struct Following<'s> {
    session: &'s mut Session,
    definition: &'s Definition,
    of: Option<EntityId>,
    collected: Collected,
    /// What variables are made from.
    made: BTreeMap<String, Sources>,
}

impl Following<'_> {
    fn statements(&mut self, statements: &[Statement]) {
        statements.iter().for_each(|statement| self.statement(&statement.kind));
    }

    fn statement(&mut self, kind: &K) {
        match kind {
            K::Let(variable) => {
                self.give(&variable.name.text, &variable.value);
            }
            K::Assign(assign) => self.assign(assign),
            K::If(branches) => {
                branches
                    .arms
                    .iter()
                    .for_each(|(_, block)| self.statements(&block.statements));
                branches
                    .otherwise
                    .iter()
                    .for_each(|block| self.statements(&block.statements));
            }
            K::While(repeat) => self.statements(&repeat.body.statements),
            K::For(each) => {
                let query = match &each.values {
                    Given::Query(query) => Some(query),
                    Given::Expr(Expr {
                        kind: ExprKind::Subquery(query),
                        ..
                    }) => Some(query),
                    _ => None,
                };
                match query {
                    Some(query) => {
                        for (column, from) in self.query(query) {
                            self.make(&format!("{}.{column}", each.name.text), from);
                        }
                    }
                    None => {
                        let from = self.value(&each.values);
                        self.make(&each.name.text, from);
                    }
                }
                self.statements(&each.body.statements);
            }
            K::Then(then) => {
                for (column, from) in self.query(&then.query) {
                    self.make(&column, from);
                }
                self.statements(&then.body.statements);
            }
            K::Eval(value) => _ = self.expr(value),
            K::Insert(insert) => self.insert(insert),
            _ => {}
        }
    }

    fn make(&mut self, name: &str, from: Sources) {
        self.made.entry(name.to_lowercase()).or_default().add(from);
    }

    /// A variable is given a value; the fields of a struct that is written out, and the columns of a query, are known by themselves.
    fn give(&mut self, name: &str, value: &Given) {
        match value {
            Given::Expr(Expr {
                kind: ExprKind::Struct(fields),
                ..
            }) => {
                for (field, value) in fields {
                    let from = self.expr(value);
                    self.make(&format!("{name}.{}", field.text), from);
                }
            }
            Given::Query(query) => {
                for (column, from) in self.query(query) {
                    self.make(&format!("{name}.{column}"), from);
                }
            }
            _ => {
                let from = self.value(value);
                self.make(name, from);
            }
        }
    }

    fn assign(&mut self, assign: &Assign) {
        let name = &assign.name.text;
        match (self.of, assign.path.first()) {
            (Some(of), Some(Step::Field(column))) if name.eq_ignore_ascii_case("new") => {
                let from = self.value(&assign.value);
                let column = (of, column.text.to_lowercase());
                self.collected.written.push(Written { column, from });
            }
            (_, Some(Step::Field(field))) => {
                let from = self.value(&assign.value);
                self.make(&format!("{name}.{}", field.text), from);
            }
            (_, Some(_)) => {
                let from = self.value(&assign.value);
                self.make(name, from);
            }
            (_, None) => self.give(name, &assign.value),
        }
    }

    /// Rows that are written out.
    fn insert(&mut self, insert: &Insert) {
        let InsertSource::Values(rows) = &insert.source else {
            return;
        };
        let parts: Vec<&str> = insert.target.table.iter().map(|part| part.text.as_str()).collect();
        let view = self.session.relations.view.clone();
        let found = view.as_ref().and_then(|view| view.catalog().find(&parts));
        let Some((id, Entity::Table(def))) = found.map(|entry| (entry.id, &*entry.entity)) else {
            return;
        };
        let columns: Vec<String> = match insert.columns.is_empty() {
            true => def.columns.iter().map(|column| column.name.to_lowercase()).collect(),
            false => insert.columns.iter().map(|column| column.text.to_lowercase()).collect(),
        };
        for row in rows {
            for (column, value) in columns.iter().zip(row) {
                let Assigned::Value(value) = value else { continue };
                let from = self.expr(value);
                let column: Column = (id, column.clone());
                self.collected.written.push(Written { column, from });
            }
        }
    }

    fn value(&mut self, value: &Given) -> Sources {
        match value {
            Given::Expr(value) => self.expr(value),
            Given::Query(query) => all(self.query(query)),
            Given::Then(then) => {
                let columns = self.query(&then.query);
                for (column, from) in columns.clone() {
                    self.make(&column, from);
                }
                self.statements(&then.body.statements);
                all(columns)
            }
        }
    }

    /// What an expression is made from; the blocks in it are followed.
    fn expr(&mut self, value: &Expr) -> Sources {
        let mut parts = Parts::default();
        parts.expr(&mut value.clone());
        let mut from = Sources::default();
        for path in parts.names {
            from.variables.insert(path.to_lowercase());
        }
        for query in parts.queries {
            from.add(all(self.query(&query)));
        }
        for block in parts.blocks {
            self.statements(&block.statements);
        }
        from
    }

    /// The columns of a query, and what each is made from.
    fn query(&mut self, query: &Query) -> Vec<(String, Sources)> {
        let given = Some(self.collected.given.clone());
        let outer = self.session.relations.routines.stand_in(given);
        let found = sources_of(self.session, query, self.definition.dialect);
        self.session.relations.routines.stand_in(outer);
        found
    }

    /// What a variable was given, or a field of it: all that its fields were given, too, if that is not known by its name.
    fn made_of(&self, name: &str, field: &str) -> Vec<&Sources> {
        let whole = self.made.get(name);
        let known = self.made.get(&format!("{name}.{field}"));
        let prefix = format!("{name}.");
        let any = known.is_none() && (field.is_empty() || whole.is_none());
        let fields = self.made.iter().filter(|(made, _)| any && made.starts_with(&prefix));
        let fields = fields.map(|(_, from)| from);
        whole.into_iter().chain(known).chain(fields).collect()
    }

    /// With columns in the places of variables.
    fn resolved(&self, written: Written) -> Written {
        let mut columns = written.from.columns;
        let mut next: Vec<String> = written.from.variables.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = next.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let (row, column) = name.split_once('.').unwrap_or((&name, ""));
            let column = column.split('.').next().unwrap_or_default();
            if let (Some(of), "new" | "old") = (self.of, row) {
                columns.insert((of, column.to_owned()));
                continue;
            }
            for made in self.made_of(row, column) {
                columns.extend(made.columns.iter().cloned());
                next.extend(made.variables.iter().cloned());
            }
        }
        columns.remove(&written.column);
        columns.retain(|(_, column)| !column.is_empty());
        Written {
            column: written.column,
            from: Sources {
                columns,
                variables: BTreeSet::new(),
            },
        }
    }
}

fn all(columns: Vec<(String, Sources)>) -> Sources {
    let mut from = Sources::default();
    columns.into_iter().for_each(|(_, column)| from.add(column));
    from
}

/// The names, queries and blocks of an expression.
#[derive(Default)]
struct Parts {
    names: Vec<String>,
    queries: Vec<Query>,
    blocks: Vec<Block>,
}

impl VisitMut for Parts {
    fn expr(&mut self, expr: &mut Expr) {
        match &expr.kind {
            ExprKind::Name(path) => {
                let path: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
                self.names.push(path.join("."));
            }
            ExprKind::Braced(name) => self.names.push(name.text.clone()),
            _ => visit::walk_expr(self, expr),
        }
    }

    fn query(&mut self, query: &mut Query) {
        self.queries.push(query.clone());
    }

    fn block(&mut self, block: &mut Block) {
        self.blocks.push(block.clone());
    }

    fn lambda(&mut self, lambda: &mut Lambda) {
        match &mut lambda.body {
            ArmBody::Expr(body) => self.expr(body),
            ArmBody::Block(block) => self.blocks.push(block.clone()),
        }
    }
}
