//! The physical plan: pipelines, cut at the operators that must see all their input before they give any output.
//!
//! `SELECT c_name, o_total FROM orders JOIN customer …` becomes two pipelines: scan customer → build join table 0, then
//! scan orders → probe join table 0 → result. A row in flight is a tuple of row numbers, one for each [`RowSource`] (the
//! scanned table and each table probed), so that nothing is copied until a sink wants it.
//!
//! Invariants: pipelines are listed in an order in which they can run one after the other; a pipeline reads only tables
//! that earlier ones built; every column that an expression of a pipeline mentions has a [`Binding`] there; facts
//! (ranges, NULL-freedom) are promises that generated code relies on.
//!
//! Does not: generate code or touch data.

mod band;
mod build;
pub mod cutoff;
pub mod display;
pub mod facts;
mod full;
mod joins;
mod once;
pub mod rows;
mod unnest;
mod window;

use std::collections::HashMap;
use std::sync::Arc;

pub use super::logical;
use super::logical::{AggregateFunction, ColumnId, Expr, JoinKind, SortKey, TableId, WindowCall};
pub use super::routine;
use super::routine::Program;
use crate::types::{Dictionary, Field, LogicalType, Physical, Value};
pub use build::{PlanError, plan};
pub use facts::Facts;
pub use gobi_grammar::ast::Span;
pub use rows::{RowField, RowLayout};
pub(crate) use unnest::is_found;

/// A whole query, ready to be compiled.
#[derive(Clone, Debug)]
pub struct PhysicalPlan {
    /// Uncorrelated scalar subqueries; they run first, in order, each into a parameter.
    pub subqueries: Vec<PhysicalPlan>,
    /// Recursive CTEs; they run before it too.
    pub recursions: Vec<Recursion>,
    /// In the order in which they run.
    pub pipelines: Vec<Pipeline>,
    /// Tables that joins build.
    pub joins: Vec<JoinTable>,
    /// Tables that aggregations build.
    pub groups: Vec<GroupTable>,
    /// Intermediate results that are kept as batches.
    pub temps: Vec<TempTable>,
    /// The result's columns.
    pub output: Vec<Field>,
    /// What each of the result's columns is, among the columns of the pipelines that feed the result.
    pub output_columns: Vec<usize>,
    /// Functions of the user's that expressions call.
    pub program: Arc<Program>,
    /// Its only value, if that is known: nothing runs.
    pub value: Option<Value>,
}

/// A recursive CTE; see [`logical::Recursion`].
#[derive(Clone, Debug)]
pub struct Recursion {
    /// The rows to begin with.
    pub base: PhysicalPlan,
    /// What is run over and over.
    pub step: PhysicalPlan,
    /// Rows that were there already are dropped.
    pub distinct: bool,
    /// The columns, in their natural layouts.
    pub fields: Vec<Field>,
    /// It runs when so many subqueries have run.
    pub subqueries_before: usize,
}

/// Rows flow from the source through the steps into the sink, a block at a time.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The tables that a row in flight has row numbers of; number 0 is the pipeline's source, the others are probed.
    pub sources: Vec<RowSource>,
    /// Where a column's values come from.
    pub bindings: HashMap<ColumnId, Binding>,
    /// In order.
    pub steps: Vec<Step>,
    /// Where rows go.
    pub sink: Sink,
    /// No more rows than this reach the sink; a promise.
    pub rows_bound: Option<u64>,
    /// Rows of the source, as far as they are known; decides between strategies, never about correctness.
    pub source_rows: Option<u64>,
    /// After how many of the steps how many rows are expected; only if estimates are to be shown.
    pub expected: Vec<(usize, f64)>,
}

impl Pipeline {
    /// Whether its batches go to this intermediate result (`None`: the result).
    pub fn feeds(&self, place: Option<usize>) -> bool {
        matches!(&self.sink, Sink::Batches { temp, .. } if *temp == place)
    }
}

/// A table that row numbers point into.
#[derive(Clone, Debug)]
pub struct RowSource {
    /// Which.
    pub kind: SourceKind,
    /// The columns used, and what is known of each.
    pub fields: Vec<SourceField>,
    /// Row number 0 stands for "no partner" (outer joins): every field is NULL there.
    pub optional: bool,
}

/// The kinds of source.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// A relation of the catalog or a file.
    Table {
        /// Which.
        table: TableId,
        /// Name for plans.
        name: String,
    },
    /// An intermediate result, index into [`PhysicalPlan::temps`].
    Temp(usize),
    /// The rows of a join table, index into [`PhysicalPlan::joins`].
    Join(usize),
    /// The rows of a group table, index into [`PhysicalPlan::groups`].
    Group(usize),
    /// The integers from `start`, `count` of them.
    Range {
        /// First.
        start: i64,
        /// Distance.
        step: i64,
        /// How many.
        count: u64,
    },
    /// The positions of an array's elements; a row number is a position.
    Positions,
    /// One row without columns.
    OneRow,
}

/// A column of a source.
#[derive(Clone, Debug)]
pub struct SourceField {
    /// Index: column of the table's schema, column of the temp table, field of the row layout.
    pub index: usize,
    /// Name for plans and messages.
    pub name: String,
    /// What is known of its values.
    pub facts: Facts,
}

/// Where a column's values come from.
#[derive(Clone, Debug)]
pub enum Binding {
    /// A field of a source.
    Field {
        /// Index into [`Pipeline::sources`].
        source: usize,
        /// Index into [`RowSource::fields`].
        field: usize,
    },
    /// Computed from other columns of the pipeline.
    Expr(Expr),
    /// The result of an aggregate, computed from the state of a group.
    Aggregate {
        /// Index into [`Pipeline::sources`] (a group table).
        source: usize,
        /// Index into [`GroupTable::aggregates`].
        aggregate: usize,
    },
}

/// What happens to a block of rows in flight.
#[derive(Clone, Debug)]
pub enum Step {
    /// Keeps the rows that satisfy all predicates.
    Filter {
        /// Conjuncts.
        predicates: Vec<Expr>,
    },
    /// Keeps the rows that may still be among the first that ORDER BY and LIMIT want: their first sort key is not beyond
    /// the worst of those that the worker would give already, which stands in a parameter (NULL: there are too few yet).
    Cutoff {
        /// Keeps a row.
        predicate: Expr,
        /// The parameter.
        parameter: usize,
    },
    /// Looks up partners; adds a source (except for semi and anti joins).
    Probe {
        /// Index into [`PhysicalPlan::joins`].
        join: usize,
        /// Key expressions of the probe side, as many as the join has keys.
        keys: Vec<Expr>,
        /// What else a pair must satisfy; its columns of the build side are bound to `source`.
        residual: Vec<Expr>,
        /// The source in which the build side's columns are bound (semi and anti joins: only inside the residual).
        source: usize,
    },
    /// Gives each row once for every element of an array.
    Unnest {
        /// The array.
        array: Expr,
        /// The source whose row number is the element's position.
        source: usize,
    },
}

/// Where rows go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// Into a join table.
    Build {
        /// Index into [`PhysicalPlan::joins`].
        join: usize,
        /// Key expressions, in the order of the table's keys.
        keys: Vec<Expr>,
        /// What is stored after the keys.
        payload: Vec<Expr>,
    },
    /// To no place: the rows of a join table that match one are marked.
    Mark {
        /// Index into [`PhysicalPlan::joins`].
        join: usize,
        /// Key expressions, as many as the join has keys.
        keys: Vec<Expr>,
        /// What else a pair must satisfy; its columns of the join table are bound to `source`.
        residual: Vec<Expr>,
        /// The source in which the join table's columns are bound.
        source: usize,
    },
    /// Into groups.
    Aggregate {
        /// Index into [`PhysicalPlan::groups`].
        group: usize,
        /// Key expressions.
        keys: Vec<Expr>,
    },
    /// Into batches.
    Batches {
        /// Index into [`PhysicalPlan::temps`]; `None` is the query's result.
        temp: Option<usize>,
        /// What each column is.
        columns: Vec<Expr>,
        /// What is done with all rows together.
        finish: Finish,
    },
}

/// Sorting and cutting, done when all rows are there.
#[derive(Clone, Debug, Default)]
pub struct Finish {
    /// Window functions, whose results are appended to the sink's columns, one after the other.
    pub windows: Vec<WindowSpec>,
    /// Sort keys: index of the column among the sink's, direction, place of NULLs.
    pub sort: Vec<(usize, SortKey)>,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// After leaving out so many.
    pub offset: u64,
}

/// Window functions over the same partitions in the same order; columns by their index among the sink's and those that earlier
/// windows appended.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    /// Columns in which the rows of a partition agree.
    pub partition: Vec<usize>,
    /// The order inside a partition.
    pub order: Vec<(usize, SortKey)>,
    /// What is computed.
    pub calls: Vec<WindowCall<usize>>,
}

/// A table that a join builds and probes.
#[derive(Clone, Debug)]
pub struct JoinTable {
    /// Kind of the join.
    pub kind: JoinKind,
    /// NULL keys match each other.
    pub null_equal: bool,
    /// How partners are found.
    pub strategy: JoinStrategy,
    /// Key fields first, then payload. Empty for [`JoinStrategy::Bitmap`].
    pub layout: RowLayout,
    /// How many of the layout's fields are keys.
    pub key_count: usize,
    /// What is known of the keys on the build side.
    pub key_facts: Vec<Facts>,
    /// The field that tells whether a row has a partner, where the preserved side of a semi or anti join was built.
    pub mark: Option<usize>,
}

/// How partners are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinStrategy {
    /// A bit for each possible key (semi and anti joins without residual).
    Bitmap {
        /// Least key.
        min: i64,
        /// Number of possible keys.
        range: u64,
    },
    /// A row number for each possible key; rows of one key are chained.
    Dense {
        /// Least key.
        min: i64,
        /// Number of possible keys.
        range: u64,
    },
    /// Rows sorted by an integer, of which a probe finds a range. `Some(true)`: the probe's key itself is outside.
    Sorted {
        /// The range begins at the probe's first key.
        lower: Option<bool>,
        /// The range ends at the probe's last key.
        upper: Option<bool>,
    },
    /// A directory of chains by hash.
    Hash,
}

/// A table of groups.
#[derive(Clone, Debug)]
pub struct GroupTable {
    /// How the group of a row is found.
    pub strategy: GroupStrategy,
    /// Key fields, then the state fields.
    pub layout: RowLayout,
    /// How many of the layout's fields are keys.
    pub key_count: usize,
    /// The state fields, addressed by layout field minus `key_count`.
    pub states: Vec<State>,
    /// How each result is made from the states.
    pub aggregates: Vec<AggregateResult>,
}

/// How the group of a row is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupStrategy {
    /// There is one group, which exists even without rows.
    Single,
    /// The group's number is computed from the keys.
    Direct {
        /// For each key: its least value, the number of its values (with one more for NULL, if it can be NULL).
        dims: Vec<Dim>,
        /// Number of groups possible.
        size: u64,
    },
    /// By hash.
    Hash,
}

/// One key of a directly addressed group table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim {
    /// Least value.
    pub min: i64,
    /// Number of values, NULL included.
    pub size: u64,
    /// NULL has the last number.
    pub nullable: bool,
}

/// One field of a group's state.
#[derive(Clone, Debug)]
pub struct State {
    /// How it changes with each row.
    pub kind: StateKind,
    /// Its argument; `None` counts rows.
    pub arg: Option<Expr>,
    /// Only rows for which this is true.
    pub filter: Option<Expr>,
}

/// How a state changes with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateKind {
    /// Rows (without argument), or arguments that are not NULL.
    Count,
    /// Sum of integers in 64 bits; proved not to overflow.
    SumI64,
    /// Sum of integers in 128 bits.
    SumI128,
    /// Sum of doubles.
    SumF64,
    /// Exact sum of doubles or of products of two, as two doubles in 128 bits.
    SumExact,
    /// Least value.
    Min,
    /// Greatest value.
    Max,
    /// The last value seen.
    Any,
    /// All values, in a list that the host keeps; the state is its address.
    List,
}

/// How a result is made from the states of a group.
#[derive(Clone, Debug)]
pub struct AggregateResult {
    /// Which function.
    pub function: AggregateFunction,
    /// The state with the value (index into [`GroupTable::states`]).
    pub value: usize,
    /// The state that counts the arguments; the result is NULL where it is 0. `None`: never NULL.
    pub count: Option<usize>,
    /// Type of the argument (for the scale of a decimal mean).
    pub arg_ty: LogicalType,
    /// Type of the result.
    pub ty: LogicalType,
    /// What is known of the result.
    pub facts: Facts,
}

/// An intermediate result.
#[derive(Clone, Debug)]
pub struct TempTable {
    /// Its columns, in their natural layouts.
    pub columns: Vec<Field>,
    /// Rows that are known at once (VALUES).
    pub rows: Vec<Vec<Value>>,
    /// Its rows are those of a recursive CTE, by number.
    pub recursion: Option<usize>,
}

/// A dictionary that codes point into.
pub type DictionaryRef = Arc<Dictionary>;

/// The natural layout of an expression's type.
pub fn natural(ty: &LogicalType) -> Physical {
    ty.physical()
}
