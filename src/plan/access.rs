//! Which rows a scan needs, where an index can tell: equalities, lists and ranges of the columns of an index.
//!
//! `WHERE id = 7 AND total > 3` on a table with the key `id` asks the resolver for the rows with that id, and scans those; the
//! filter stays as it is.
//!
//! Invariants: what an index gives are all rows that can satisfy the filters, perhaps with others. A scan of few rows is
//! known as such to whatever is decided after it.
//!
//! Does not: look anything up itself.

use super::given::GivenValues;
use super::logical::{ColumnId, ColumnInfo, CompareOp, Expr, ExprKind, Plan, Query, TableId};
use super::{TableResolver, constant};
use crate::types::{LogicalType, Value};

/// An index of a relation.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its columns, by their places in the relation's schema.
    pub columns: Vec<usize>,
    /// No two rows have the same values, unless one is NULL.
    pub unique: bool,
    /// It has all rows; otherwise those without NULL in a column of it.
    pub complete: bool,
}

/// Rows of an index: values of its first columns, and a range of the next one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Values of the first columns.
    pub equal: Vec<Value>,
    /// The least value of the next, and whether it belongs.
    pub low: Option<(Value, bool)>,
    /// The greatest, likewise.
    pub high: Option<(Value, bool)>,
}

/// More points than this are not looked up one by one.
const MOST_POINTS: usize = 4096;

/// Scans by index wherever that pays.
pub(super) fn choose(query: &mut Query, given: &GivenValues, tables: &mut dyn TableResolver) {
    let values = Values {
        given,
        columns: &query.columns,
    };
    scan_by_index(&mut query.root, &values, tables);
}

/// What is known of the sides of a comparison.
struct Values<'q> {
    given: &'q GivenValues,
    columns: &'q [ColumnInfo],
}

impl Values<'_> {
    /// The column that one side of a comparison is, perhaps as a wider integer, and the value of the other side.
    fn column_and_value(&self, side: &Expr, other: &Expr) -> Option<(ColumnId, Value)> {
        let (id, narrowed) = compared(side, self.columns)?;
        let value = self.given.constant(other)?;
        // What the column cannot hold, no index has; the filter knows that.
        let fits = narrowed.is_none_or(|(from, to)| constant::convert(&value, from, to).is_ok());
        fits.then_some((id, value))
    }

    /// The value that a filter compares a column with.
    fn equal_to(&self, column: ColumnId, filter: &Expr) -> Option<Value> {
        let (left, right) = filter.as_equality()?;
        let (id, value) = self
            .column_and_value(left, right)
            .or_else(|| self.column_and_value(right, left))?;
        (id == column).then_some(value)
    }
}

/// The column that one side of a comparison is, and the types of the comparison and of the column, if that is a narrower integer.
pub(super) fn compared<'e>(
    side: &'e Expr,
    columns: &'e [ColumnInfo],
) -> Option<(ColumnId, Option<(&'e LogicalType, &'e LogicalType)>)> {
    match &side.kind {
        ExprKind::Column(id) => Some((*id, None)),
        ExprKind::Cast { expr, try_: false } => {
            let id = expr.as_column()?;
            let narrow = &columns.get(id.0 as usize)?.ty;
            let both = narrow.is_integer() && side.ty.is_integer();
            both.then_some((id, Some((&side.ty, narrow))))
        }
        _ => None,
    }
}

fn scan_by_index(plan: &mut Plan, values: &Values<'_>, tables: &mut dyn TableResolver) {
    if let Plan::Scan {
        table,
        name,
        columns,
        filters,
    } = plan
        && !filters.is_empty()
        && let Some((picked, index)) = picked(*table, columns, filters, values, tables)
    {
        *table = picked;
        *name = format!("{name} by index {index}");
        return;
    }
    plan.children_mut()
        .into_iter()
        .for_each(|child| scan_by_index(child, values, tables));
}

fn picked(
    table: TableId,
    columns: &[(ColumnId, usize)],
    filters: &[Expr],
    values: &Values<'_>,
    tables: &mut dyn TableResolver,
) -> Option<(TableId, String)> {
    let indexes = tables.indexes(table);
    if indexes.is_empty() {
        return None;
    }
    let limits = columns.iter().map(|(id, at)| Limits::of(*id, *at, filters, values));
    let limits: Vec<Limits> = limits.collect();
    let limits_of = |at: usize| limits.iter().find(|limits| limits.at == at);
    let used = indexes
        .iter()
        .enumerate()
        .map(|(number, index)| (Use::of(index, limits_of), number));
    let (best, number) = used.max_by_key(|(best, number)| (best.rank(), std::cmp::Reverse(*number)))?;
    if best.is_nothing() {
        return None;
    }
    let index = indexes.get(number)?;
    let full = best.equal.len() == index.columns.len();
    let picked = tables.pick(table, index, &best.wanted()?, full && index.unique)?;
    Some((picked, index.name.clone()))
}

/// What filters allow for a column.
#[derive(Debug, Default)]
struct Limits {
    /// Its place in the schema.
    at: usize,
    /// One of these.
    equal: Option<Vec<Value>>,
    low: Option<(Value, bool)>,
    high: Option<(Value, bool)>,
}

impl Limits {
    fn of(column: ColumnId, at: usize, filters: &[Expr], values: &Values<'_>) -> Self {
        let mut limits = Self { at, ..Self::default() };
        for filter in filters {
            limits.add(column, filter, values);
        }
        limits
    }

    fn add(&mut self, column: ColumnId, filter: &Expr, values: &Values<'_>) {
        match &filter.kind {
            ExprKind::And(items) => items.iter().for_each(|item| self.add(column, item, values)),
            ExprKind::InList {
                expr,
                negated: false,
                list,
            } if expr.as_column() == Some(column) => {
                self.equal.get_or_insert_with(|| list.clone());
            }
            ExprKind::Compare { op, left, right } => {
                if let Some((id, value)) = values.column_and_value(left, right) {
                    if id == column {
                        self.compare(*op, &value);
                    }
                } else if let Some((id, value)) = values.column_and_value(right, left)
                    && id == column
                {
                    self.compare(op.mirrored(), &value);
                }
            }
            ExprKind::Or(items) => {
                let value = |item: &Expr| values.equal_to(column, item);
                if let Some(list) = items.iter().map(value).collect::<Option<Vec<Value>>>() {
                    self.equal.get_or_insert_with(|| distinct(list));
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, op: CompareOp, value: &Value) {
        // Nothing compares with NULL; such a filter needs no index to be fast.
        if *value == Value::Null {
            return;
        }
        let end = |inclusive| Some((value.clone(), inclusive));
        match op {
            CompareOp::Eq => self.equal = Some(vec![value.clone()]),
            CompareOp::Lt | CompareOp::LtEq => self.high = self.high.take().or(end(op == CompareOp::LtEq)),
            CompareOp::Gt | CompareOp::GtEq => self.low = self.low.take().or(end(op == CompareOp::GtEq)),
            CompareOp::NotEq | CompareOp::Distinct | CompareOp::NotDistinct => {}
        }
    }
}

/// The values that something can be equal to, each once.
fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut distinct = Vec::with_capacity(values.len());
    for value in values {
        if value != Value::Null && !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

/// How filters use an index.
#[derive(Debug, Default)]
struct Use {
    /// Values of the first columns.
    equal: Vec<Vec<Value>>,
    low: Option<(Value, bool)>,
    high: Option<(Value, bool)>,
    finds_one: bool,
}

impl Use {
    fn of<'l>(index: &Index, limits: impl Fn(usize) -> Option<&'l Limits>) -> Self {
        let mut used = Self::default();
        for at in &index.columns {
            let Some(limits) = limits(*at) else { break };
            if let Some(values) = &limits.equal {
                used.equal.push(values.clone());
                continue;
            }
            (used.low, used.high) = (limits.low.clone(), limits.high.clone());
            break;
        }
        let full = used.equal.len() == index.columns.len();
        if !index.complete && !full && index.columns.len() > 1 {
            return Self::default();
        }
        used.finds_one = index.unique && full;
        used
    }

    fn is_nothing(&self) -> bool {
        self.equal.is_empty() && self.low.is_none() && self.high.is_none()
    }

    /// The greater, the fewer rows are to be expected.
    fn rank(&self) -> (bool, usize, usize) {
        let ends = usize::from(self.low.is_some()) + usize::from(self.high.is_some());
        (self.finds_one, self.equal.len(), ends)
    }

    /// Every combination of values; `None` if they are too many.
    fn wanted(self) -> Option<Vec<Wanted>> {
        let count = self
            .equal
            .iter()
            .try_fold(1_usize, |count, values| count.checked_mul(values.len()));
        count.filter(|count| *count <= MOST_POINTS)?;
        let mut all = vec![Vec::new()];
        for values in &self.equal {
            let longer = |start: &Vec<Value>| {
                let start = start.clone();
                values.iter().map(move |value| {
                    let mut points = start.clone();
                    points.push(value.clone());
                    points
                })
            };
            all = all.iter().flat_map(longer).collect();
        }
        let wanted = |equal| Wanted {
            equal,
            low: self.low.clone(),
            high: self.high.clone(),
        };
        Some(all.into_iter().map(wanted).collect())
    }
}
