//! Queries that read one row of a table by a key.
//!
//! `SELECT price * ? FROM products WHERE id = ?` gives the key's value and what is made of the row, without being planned again.
//!
//! Invariants: what is given here is what the engine would give. Whatever may fail is left to the engine.
//!
//! Does not: look the key up.

use super::access::compared;
use super::given::GivenValues;
use super::known::{self, Values};
use super::logical::{ColumnId, ColumnInfo, Expr, Plan, Query, TableId};
use super::{TableResolver, constant, rules};
use crate::types::{LogicalType, Value};

/// A query over one row.
#[derive(Debug)]
pub struct Lookup {
    /// The relation.
    pub table: TableId,
    /// The name of its index.
    pub index: String,
    /// The places of the columns that the row is wanted with.
    pub places: Vec<usize>,
    /// For each column of the index what it is equal to.
    key: Vec<Equal>,
    /// The query without what the key says, over the row.
    rest: Plan,
    output: Vec<ColumnId>,
    columns: Vec<ColumnInfo>,
}

#[derive(Debug)]
struct Equal {
    value: Expr,
    /// The types of the comparison and of the column, where that is narrower.
    narrowed: Option<(LogicalType, LogicalType)>,
}

impl Lookup {
    /// The look-up that a simplified query is, if it is one.
    pub fn of(query: &Query, tables: &dyn TableResolver) -> Option<Self> {
        let are_given = query.subqueries.len() == query.given.iter().filter(|given| given.subquery.is_some()).count();
        if !are_given || !query.stages.is_empty() || !query.recursions.is_empty() {
            return None;
        }
        let mut rest = query.root.clone();
        let Plan::Scan {
            table,
            columns,
            filters,
            ..
        } = scan_of(&mut rest)?
        else {
            return None;
        };
        let table = *table;
        let indexes = tables.indexes(table);
        let found = indexes.iter().filter(|index| index.unique).find_map(|index| {
            let equal = |at: &usize| {
                let (id, _) = columns.iter().find(|(_, place)| place == at)?;
                let mut filters = filters.iter().enumerate();
                filters.find_map(|(number, filter)| Some((number, equal_to(*id, filter, &query.columns)?)))
            };
            let key: Vec<(usize, Equal)> = index.columns.iter().map(equal).collect::<Option<_>>()?;
            Some((index.name.clone(), key))
        });
        let (index, key) = found?;
        // What the index has found is equal.
        let mut number = 0;
        filters.retain(|_| {
            number += 1;
            key.iter().all(|(used, _)| used + 1 != number)
        });
        rules::without_unused(&mut rest, query.output.iter().map(|(id, _)| *id));
        let Plan::Scan { columns, .. } = scan_of(&mut rest)? else {
            return None;
        };
        let places = columns.iter().map(|(_, at)| *at).collect();
        Some(Self {
            table,
            index,
            places,
            key: key.into_iter().map(|(_, equal)| equal).collect(),
            rest,
            output: query.output.iter().map(|(id, _)| *id).collect(),
            columns: query.columns.clone(),
        })
    }

    /// The values of the key; `None` if the engine has to find out.
    pub fn key(&self, given: &GivenValues) -> Option<Vec<Value>> {
        let value = |equal: &Equal| {
            let value = given.constant(&equal.value)?;
            match &equal.narrowed {
                // What the column cannot hold, no index has.
                Some((from, to)) => constant::convert(&value, from, to).is_ok().then_some(value),
                None => Some(value),
            }
        };
        self.key.iter().map(value).collect()
    }

    /// What the query gives for the row, whose values are those of [`Self::places`], or for none.
    pub fn rows(&self, given: &GivenValues, row: Vec<Vec<Value>>) -> Option<Vec<Vec<Value>>> {
        let values = Values {
            types: &self.columns,
            given,
        };
        known::made(&self.rest, &self.output, &values, row)
    }
}

/// The scan that a plan is over, if it does nothing but filter and project.
fn scan_of(plan: &mut Plan) -> Option<&mut Plan> {
    match plan {
        Plan::Scan { .. } => Some(plan),
        Plan::Filter { input, .. } | Plan::Project { input, .. } => scan_of(input),
        _ => None,
    }
}

/// What a filter says that a column is equal to, where an index compares as the filter does.
fn equal_to(column: ColumnId, filter: &Expr, columns: &[ColumnInfo]) -> Option<Equal> {
    let (left, right) = filter.as_equality()?;
    let ty = &columns.get(column.0 as usize)?.ty;
    if !ty.is_integer() && !matches!(ty, LogicalType::String | LogicalType::Date | LogicalType::Uuid) {
        return None;
    }
    [(left, right), (right, left)].into_iter().find_map(|(side, value)| {
        let (id, narrowed) = compared(side, columns)?;
        let narrowed = narrowed.map(|(from, to)| (from.clone(), to.clone()));
        let value = value.clone();
        (id == column && value.columns().is_empty()).then_some(Equal { value, narrowed })
    })
}
