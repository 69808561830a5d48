//! Which columns of relations the columns of a query are made from.
//!
//! `SELECT a + b AS c, sum(d) OVER () FROM t` gives `c` from `t.a` and `t.b`, and the sum from `t.d`.
//!
//! Invariants: a column is made from what its value is computed from; what only decides which rows there are (conditions, keys of
//! joins, an order) does not count.
//!
//! Does not: know what relations are called.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::logical::{ColumnId, Expr, ExprKind, GivenName, Plan, Query, TableId};
use crate::functions::{self, Native};
use crate::types::{LogicalType, Value};

/// A column of a relation, by its place in the schema.
pub type Origin = (TableId, usize);

/// What a column is made from.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Columns of relations.
    pub columns: BTreeSet<Origin>,
    /// Variables around the query, if its plan is one to be kept.
    pub variables: BTreeSet<String>,
}

/// For each column of the result, what it is made from. The query is as it was bound.
pub fn origins(query: &Query) -> Vec<Origins> {
    let mut walk = Walk {
        query,
        made: HashMap::new(),
    };
    walk.query(query);
    let of = |id: ColumnId| {
        let mut found = Origins::default();
        walk.follow(id, &mut found, &mut HashSet::new());
        found
    };
    query.output.iter().map(|(id, _)| of(*id)).collect()
}

/// What one operator makes a column from.
enum Made<'q> {
    Scanned(Origin),
    Computed(&'q Expr),
    Taken(ColumnId),
}

struct Walk<'q> {
    query: &'q Query,
    made: HashMap<ColumnId, Vec<Made<'q>>>,
}

impl<'q> Walk<'q> {
    fn query(&mut self, query: &'q Query) {
        self.plan(&query.root);
        query.subqueries.iter().for_each(|inner| self.query(inner));
        for recursion in &query.recursions {
            self.query(&recursion.base);
            self.query(&recursion.step);
        }
    }

    fn note(&mut self, id: ColumnId, made: Made<'q>) {
        self.made.entry(id).or_default().push(made);
    }

    fn plan(&mut self, plan: &'q Plan) {
        match plan {
            Plan::Scan { table, columns, .. } => {
                columns
                    .iter()
                    .for_each(|(id, at)| self.note(*id, Made::Scanned((*table, *at))));
            }
            Plan::Values { columns, rows } => {
                for row in rows {
                    let cells = columns.iter().zip(row);
                    cells.for_each(|(id, value)| self.note(*id, Made::Computed(value)));
                }
            }
            Plan::Recursive { recursion, columns, .. } => self.recursive(recursion.0 as usize, columns),
            Plan::Project { columns, .. } => self.computed(columns),
            Plan::Aggregate { keys, aggregates, .. } => {
                self.computed(keys);
                for (id, aggregate) in aggregates {
                    aggregate.arg.iter().for_each(|arg| self.note(*id, Made::Computed(arg)));
                }
            }
            Plan::Unnest { array, element, .. } => self.note(*element, Made::Computed(array)),
            Plan::Window { calls, .. } => {
                for (id, call) in calls {
                    call.args.iter().for_each(|arg| self.note(*id, Made::Taken(*arg)));
                }
            }
            Plan::Called { call, .. } => {
                call.args
                    .iter()
                    .for_each(|arg| self.note(call.column, Made::Computed(arg)));
            }
            Plan::ForEach { each, .. } => {
                for (_, value, held) in &each.values {
                    self.note(*held, Made::Computed(value));
                }
            }
            Plan::UnionAll { columns, inputs } => {
                for (_, taken) in inputs {
                    let pairs = columns.iter().zip(taken);
                    pairs.for_each(|(id, from)| self.note(*id, Made::Taken(*from)));
                }
            }
            Plan::Range { .. } | Plan::Filter { .. } | Plan::Join { .. } | Plan::Sort { .. } | Plan::Limit { .. } => {}
        }
        plan.children().into_iter().for_each(|child| self.plan(child));
    }

    fn computed(&mut self, columns: &'q [(ColumnId, Expr)]) {
        for (id, expr) in columns {
            self.note(*id, Made::Computed(expr));
        }
    }

    fn recursive(&mut self, recursion: usize, columns: &'q [(ColumnId, usize)]) {
        let Some(recursion) = self.query.recursions.get(recursion) else {
            return;
        };
        for (id, at) in columns {
            for query in [&recursion.base, &recursion.step] {
                let from = query.output.get(*at).map(|(from, _)| *from);
                from.into_iter().for_each(|from| self.note(*id, Made::Taken(from)));
            }
        }
    }

    fn follow(&self, id: ColumnId, found: &mut Origins, seen: &mut HashSet<ColumnId>) {
        if !seen.insert(id) {
            return;
        }
        for made in self.made.get(&id).into_iter().flatten() {
            match made {
                Made::Scanned(origin) => _ = found.columns.insert(*origin),
                Made::Taken(from) => self.follow(*from, found, seen),
                Made::Computed(expr) => {
                    // A column that is passed on has the same number below.
                    if expr.as_column() != Some(id) {
                        self.follow_expr(expr, found, seen);
                    }
                }
            }
        }
    }

    fn follow_expr(&self, expr: &Expr, found: &mut Origins, seen: &mut HashSet<ColumnId>) {
        if let Some((of, field)) = field_of(expr)
            && self.follow_field(of, field, found, seen)
        {
            return;
        }
        match &expr.kind {
            ExprKind::Column(id) => self.follow(*id, found, seen),
            ExprKind::Subquery(subquery) => {
                found.variables.extend(self.variable(expr));
                let inner = self.query.subqueries.get(subquery.0 as usize);
                let output = inner.into_iter().flat_map(|inner| &inner.output);
                output.for_each(|(id, _)| self.follow(*id, found, seen));
            }
            _ => expr.for_each_child(&mut |child| self.follow_expr(child, found, seen)),
        }
    }

    /// The variable around the query that an expression is.
    fn variable(&self, expr: &Expr) -> Option<String> {
        let ExprKind::Subquery(subquery) = &expr.kind else {
            return None;
        };
        let given = self
            .query
            .given
            .iter()
            .find(|given| given.subquery == Some(*subquery))?;
        match &given.name {
            GivenName::Variable(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// Follows a field alone; false if it is not known by itself.
    fn follow_field(&self, of: &Expr, field: &str, found: &mut Origins, seen: &mut HashSet<ColumnId>) -> bool {
        if let Some(variable) = self.variable(of) {
            found.variables.insert(format!("{variable}.{field}"));
            return true;
        }
        let mut values = Vec::new();
        let known = self.values_of(of, field, &mut values);
        if known {
            values
                .into_iter()
                .for_each(|value| self.follow_expr(value, found, seen));
        }
        known
    }

    /// The values of a field in the structs that an expression may be; false if one is not written out.
    fn values_of<'e>(&'e self, of: &'e Expr, field: &str, values: &mut Vec<&'e Expr>) -> bool {
        let Some(id) = of.as_column() else {
            let value = value_of(of, field);
            values.extend(value);
            return value.is_some();
        };
        let made = self.made.get(&id).map(Vec::as_slice).unwrap_or_default();
        let all = made.iter().all(|made| match made {
            // A column that is passed on has the same number below.
            Made::Computed(expr) => expr.as_column() == Some(id) || self.values_of(expr, field, values),
            _ => false,
        });
        all && !made.is_empty()
    }
}

/// What a field is taken of, and its name.
fn field_of(expr: &Expr) -> Option<(&Expr, &str)> {
    let ExprKind::Call { function, args } = &expr.kind else {
        return None;
    };
    let (Some(Native::Field), [of, name]) = (functions::function(*function).native, args.as_slice()) else {
        return None;
    };
    match name.as_literal()? {
        Value::String(name) => Some((of, name)),
        _ => None,
    }
}

/// The value of a field in a struct that is written out.
fn value_of<'e>(of: &'e Expr, field: &str) -> Option<&'e Expr> {
    let (ExprKind::Call { function, args }, LogicalType::Struct(fields)) = (&of.kind, &of.ty) else {
        return None;
    };
    let is_row = functions::function(*function).name == "row";
    let at = fields.iter().position(|known| known.name == field).filter(|_| is_row)?;
    args.get(at)
}
