//! The typed logical plan: what a query means, with every name resolved and every conversion written out.
//!
//! `SELECT l_tax + 1 FROM lineitem WHERE l_tax > 0.02` is
//! `Project [#17 = #7 + CAST 1] (Scan lineitem [#7 = l_tax] filter #7 > 0.02)`: columns are known by a [`ColumnId`] that is unique in
//! the whole query, so rules may move operators without renumbering anything.
//!
//! Invariants: an expression mentions only columns that its input produces; both sides of a comparison and the operands
//! of a chain step have the same type (decimals: the same scale for `+`, `-`, comparisons) except where a doc says otherwise;
//! binding is the last step that can fail on types.
//!
//! Does not: say how anything is executed.

use std::sync::Arc;

use gobi_grammar::ast::{self, Span};
pub use gobi_grammar::ast::{FrameExclude, FrameUnit};

use super::routine::{Program, RoutineId};
use crate::functions::FunctionId;
use crate::types::{Field, LogicalType, Value};

/// A column of some operator's output, unique in the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// A relation that a scan reads, as numbered by the [`super::TableResolver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub u32);

/// A subquery whose single value is computed before the rest of the plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubqueryId(pub u32);

/// A recursive CTE, whose rows are found before the plan that reads them runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecursionId(pub u32);

/// `base UNION [ALL] step`: the step runs over the rows of the base, then over what it gave itself, until it gives nothing new.
#[derive(Clone, Debug)]
pub struct Recursion {
    /// The rows to begin with.
    pub base: Query,
    /// Reads the rows of the run before as [`Plan::Recursive`].
    pub step: Query,
    /// Rows that were there already are dropped (UNION without ALL).
    pub distinct: bool,
    /// The columns; base and step have exactly these types.
    pub fields: Vec<Field>,
    /// So many of the query's subqueries have to run before.
    pub subqueries_before: usize,
}

impl Recursion {
    /// Whether there is no step: the rows are found once, and read in several places.
    pub fn is_kept_rows(&self) -> bool {
        !self.distinct && matches!(&self.step.root, Plan::Values { rows, .. } if rows.is_empty())
    }
}

/// A bound query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The operators.
    pub root: Plan,
    /// The result's columns, in order, with the names shown.
    pub output: Vec<(ColumnId, Field)>,
    /// Name and type of every column id, addressed by it.
    pub columns: Vec<ColumnInfo>,
    /// Uncorrelated scalar subqueries, addressed by [`SubqueryId`]; a later one may use earlier ones. Each gives one
    /// column; no row means NULL, more than one row is an error (21000).
    pub subqueries: Vec<Query>,
    /// Recursive CTEs, addressed by [`RecursionId`]; a later one may use earlier ones.
    pub recursions: Vec<Recursion>,
    /// Functions of the user's that it calls.
    pub program: Arc<Program>,
    /// Subqueries that are values given from outside: those of variables and parameters.
    pub given: Vec<Given>,
    /// What is done before it runs, in its order: a later stage may need earlier ones.
    pub stages: Vec<Stage>,
}

/// A query that runs before another one, which reads what becomes of its rows.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The relation that has them.
    pub table: TableId,
    /// The rows.
    pub input: Query,
    /// What becomes of them.
    pub kind: StageKind,
    /// Where that stands.
    pub span: Span,
}

/// What becomes of the rows of a [`Stage`].
#[derive(Clone, Debug)]
pub enum StageKind {
    /// A function is called for each. The relation has the columns of the input but for those below, then the value.
    Call {
        /// The function.
        function: Called,
        /// The columns that are its arguments.
        args: Vec<ColumnId>,
        /// The column that is true for the rows that it is called for, if it is not for all.
        only_if: Option<ColumnId>,
    },
    /// They are those that a recursive CTE begins with, and later those of the run before.
    Base {
        /// The CTE's name.
        name: String,
        /// Rows that were there already are dropped.
        distinct: bool,
    },
    /// They are those of a run of a recursive CTE. While there are new ones, all stages behind its base are done again with them; then the
    /// relation has the rows of all runs.
    Step {
        /// The number of its base.
        base: usize,
        /// The CTE's name.
        name: String,
    },
}

/// A function that is called for rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Called {
    /// One with a name.
    Function(String),
    /// The one that an expression with lambdas is, of what it takes from around it.
    Expression {
        /// The expression.
        body: Box<ast::Expr>,
        /// The names of its arguments.
        params: Vec<String>,
    },
}

impl std::fmt::Display for Called {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Behind the name of a function of a body stands where it is.
            Self::Function(name) => write!(f, "{}(…)", name.split('@').next().unwrap_or_default()),
            Self::Expression { .. } => write!(f, "a lambda"),
        }
    }
}

/// A value that a query is given each time it runs.
#[derive(Clone, Debug)]
pub struct Given {
    /// What has it.
    pub name: GivenName,
    /// Its type.
    pub ty: LogicalType,
    /// The subquery that it is: one row of a literal. None: NULL without a type, which is always that.
    pub subquery: Option<SubqueryId>,
}

/// What a given value is the value of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenName {
    /// A variable of a script or body.
    Variable(String),
    /// A parameter of a prepared statement.
    Parameter(String),
}

/// What is known of a column wherever it appears.
#[derive(Clone, Debug)]
pub struct ColumnInfo {
    /// Name for messages and plans.
    pub name: String,
    /// Type.
    pub ty: LogicalType,
    /// May be NULL where it is first produced.
    pub nullable: bool,
}

/// A relational operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Rows of a table.
    Scan {
        /// Which.
        table: TableId,
        /// Name shown in plans.
        name: String,
        /// Columns produced: id, and index in the table's schema.
        columns: Vec<(ColumnId, usize)>,
        /// Conjuncts that every produced row satisfies; columns used only here are listed in `columns` too.
        filters: Vec<Expr>,
    },
    /// Literal rows; the values are folded literals or expressions without columns.
    Values {
        /// Columns produced.
        columns: Vec<ColumnId>,
        /// Rows, each as long as `columns` (which may be empty: `SELECT 1` has one row without columns below it).
        rows: Vec<Vec<Expr>>,
    },
    /// The integers `start`, `start + step`, … before `stop` (`range`; `step` is not 0).
    Range {
        /// The column produced, bigint.
        column: ColumnId,
        /// First.
        start: i64,
        /// Not reached.
        stop: i64,
        /// Distance, may be negative.
        step: i64,
    },
    /// Rows of a recursive CTE: all of them, or, inside its step, those of the run before.
    Recursive {
        /// Which.
        recursion: RecursionId,
        /// Name shown in plans.
        name: String,
        /// Columns produced: id, and index among the CTE's columns.
        columns: Vec<(ColumnId, usize)>,
    },
    /// Rows that satisfy all conjuncts.
    Filter {
        /// From.
        input: Box<Plan>,
        /// Conjuncts.
        predicates: Vec<Expr>,
    },
    /// New columns; the input's columns that are still needed above must be listed as `(id, Column(id))`.
    Project {
        /// From.
        input: Box<Plan>,
        /// What each produced column is.
        columns: Vec<(ColumnId, Expr)>,
    },
    /// A join. Output: left columns, then right ones (semi and anti: left only).
    Join {
        /// Kind.
        kind: JoinKind,
        /// Probe side, by convention after join ordering.
        left: Box<Plan>,
        /// Build side, by convention after join ordering.
        right: Box<Plan>,
        /// Equalities, left expression = right expression, of one type.
        keys: Vec<(Expr, Expr)>,
        /// `IS NOT DISTINCT FROM` semantics of the keys (for INTERSECT and the like); else NULL never matches.
        null_equal: bool,
        /// What else a pair must satisfy.
        residual: Vec<Expr>,
    },
    /// Groups. Without keys: exactly one row.
    Aggregate {
        /// From.
        input: Box<Plan>,
        /// Grouping keys.
        keys: Vec<(ColumnId, Expr)>,
        /// Aggregates.
        aggregates: Vec<(ColumnId, Aggregate)>,
    },
    /// Rows in order.
    Sort {
        /// From.
        input: Box<Plan>,
        /// Keys, most significant first.
        keys: Vec<SortKey>,
        /// Only the first `limit` rows after `offset` are wanted (set by the top-N rule).
        limit: Option<u64>,
    },
    /// Some of the rows.
    Limit {
        /// From.
        input: Box<Plan>,
        /// At most so many; `None`: all.
        limit: Option<u64>,
        /// After leaving out so many.
        offset: u64,
    },
    /// Each row once for every element of an array of its; none where that is NULL or empty.
    Unnest {
        /// From.
        input: Box<Plan>,
        /// The array.
        array: Expr,
        /// The column that holds the element.
        element: ColumnId,
        /// The column that holds its position, bigint, from 0.
        position: ColumnId,
    },
    /// Each row, with values computed over the rows of its partition.
    Window {
        /// From.
        input: Box<Plan>,
        /// Rows that agree in these columns are a partition.
        partition: Vec<ColumnId>,
        /// The order inside a partition.
        order: Vec<SortKey>,
        /// What is computed.
        calls: Vec<(ColumnId, WindowCall)>,
    },
    /// All rows of all inputs; input i's column k (by its own `inputs[i].1[k]`) becomes `columns[k]`.
    UnionAll {
        /// Columns produced.
        columns: Vec<ColumnId>,
        /// Inputs and the columns taken from each, in order, of the same types.
        inputs: Vec<(Plan, Vec<ColumnId>)>,
    },
    /// Each row with the value of a call that is made for it. No bound query has one: it is a [`Stage`] and a scan there.
    Called {
        /// From.
        input: Box<Plan>,
        /// The call.
        call: Box<RowCall>,
    },
    /// The rows that the input has for each combination of values of columns that it does not produce. No bound query has one: it
    /// becomes joins as soon as the rows that have these values are known.
    ForEach {
        /// From.
        input: Box<Plan>,
        /// What the rows are found for.
        each: Box<Each>,
    },
}

/// A call for rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowCall {
    /// The function.
    pub function: Called,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// It is made only where this is true; elsewhere its value is NULL.
    pub only_if: Option<Expr>,
    /// The column of its value.
    pub column: ColumnId,
    /// Where it stands.
    pub span: Span,
}

/// The values that a subquery is computed for.
#[derive(Clone, Debug, PartialEq)]
pub struct Each {
    /// The column that the input mentions, its value in the rows around, and the column that holds it beside the input's.
    pub values: Vec<(ColumnId, Expr, ColumnId)>,
    /// Only those of rows for which this is true.
    pub only_if: Option<Expr>,
    /// An aggregate without keys, if the input is one, need not have a row where there is none below.
    pub lacks: bool,
    /// Where the subquery stands.
    pub span: Span,
}

/// Join kinds that the engine runs. (RIGHT is bound as LEFT with its sides exchanged.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs that match.
    Inner,
    /// Pairs that match, and left rows without a partner with NULLs for the right side.
    Left,
    /// Left rows that have a partner.
    Semi,
    /// Left rows that have no partner.
    Anti,
    /// Anti with the meaning of `NOT IN`: no row if the right side has a NULL key; left rows with a NULL key only if the
    /// right side is empty. One key, no residual.
    NullAwareAnti,
    /// Pairs that match, and the rows of both sides that have no partner.
    Full,
}

/// One sort key.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// By this column.
    pub column: ColumnId,
    /// Descending.
    pub desc: bool,
    /// NULLs before all values.
    pub nulls_first: bool,
}

/// An aggregate function applied to a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub function: AggregateFunction,
    /// Argument; `None` for `count(*)`.
    pub arg: Option<Expr>,
    /// Only distinct arguments count.
    pub distinct: bool,
    /// Only rows for which this is true count.
    pub filter: Option<Expr>,
    /// Result type: `sum` of decimal(p,s) is decimal(38,s), of integers hugeint, of floats double; `avg` is double;
    /// `count` bigint; `min`, `max`, `any_value` their argument's; `array_agg` an array of it.
    pub ty: LogicalType,
}

/// Aggregate functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// `count(x)`, `count(*)`.
    Count,
    /// Sum.
    Sum,
    /// Mean.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Any one value of the group (columns that depend on the keys).
    AnyValue,
    /// All arguments, NULLs included, in one array, in the order of the rows.
    List,
    /// The same in any order, for what sorts them or looks at them as a whole: `median`.
    Bag,
    /// The exact sum of doubles, to 106 bits, and of exact products where the argument is a product: 128 bits, the upper half a
    /// double and the lower half what that double lacks; 0 without rows. The binder makes it for variances and their kin.
    ExactSum,
    /// The sum of partial counts; 0 without rows. Only planning steps make it, never the binder.
    CountMerge,
}

/// A window function and the rows that it sees; arguments are columns of the input.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowCall<C = ColumnId> {
    /// Which.
    pub function: WindowFunction,
    /// Its arguments.
    pub args: Vec<C>,
    /// Only rows for which this is true count (aggregates).
    pub filter: Option<C>,
    /// NULLs are left out (`lag`, `lead`, `first_value`, `last_value`, `nth_value`).
    pub ignore_nulls: bool,
    /// The rows that it takes, where it does not take the whole partition anyway.
    pub frame: WindowFrame<C>,
    /// Type of the result.
    pub ty: LogicalType,
}

/// Window functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFunction {
    /// The row's number in its partition, from 1.
    RowNumber,
    /// The number of its first peer.
    Rank,
    /// The number of its group of peers.
    DenseRank,
    /// (rank - 1) / (rows - 1).
    PercentRank,
    /// The share of rows up to its last peer.
    CumeDist,
    /// Which of so many parts of equal size.
    Ntile,
    /// The value so many rows before.
    Lag,
    /// The value so many rows behind.
    Lead,
    /// The value of the frame's first row.
    FirstValue,
    /// The value of the frame's last row.
    LastValue,
    /// The value of the frame's n-th row.
    NthValue,
    /// An aggregate over the frame.
    Aggregate(AggregateFunction),
}

/// The rows around the current one.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowFrame<C = ColumnId> {
    /// What the bounds count.
    pub unit: FrameUnit,
    /// From, included.
    pub start: WindowBound<C>,
    /// To, included.
    pub end: WindowBound<C>,
    /// What is taken out again.
    pub exclude: FrameExclude,
}

/// An end of a frame. The distance of ROWS and GROUPS is a bigint; for RANGE the column holds the value of the sort key, in its
/// type, that the frame reaches to.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowBound<C = ColumnId> {
    /// The partition's first row.
    UnboundedPreceding,
    /// So far before, or from that value on.
    Preceding(C),
    /// The current row, or its peers.
    CurrentRow,
    /// So far behind, or up to that value.
    Following(C),
    /// The partition's last row.
    UnboundedFollowing,
}

/// A typed scalar expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What.
    pub kind: ExprKind,
    /// Its type.
    pub ty: LogicalType,
    /// Where it was written, for runtime errors.
    pub span: Span,
}

/// The kinds of scalar expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A column of the input.
    Column(ColumnId),
    /// A constant of type `ty`.
    Literal(Value),
    /// The value of an uncorrelated scalar subquery.
    Subquery(SubqueryId),
    /// Conversion to `ty`.
    Cast {
        /// From.
        expr: Box<Expr>,
        /// NULL instead of an error (22018, 22003).
        try_: bool,
    },
    /// Arithmetic and concatenation, left to right over a flat list.
    Chain {
        /// First operand.
        first: Box<Expr>,
        /// The steps.
        rest: Vec<ChainStep>,
    },
    /// Arithmetic negation.
    Neg(Box<Expr>),
    /// Logical not.
    Not(Box<Expr>),
    /// Logical and of two or more.
    And(Vec<Expr>),
    /// Logical or of two or more.
    Or(Vec<Expr>),
    /// Comparison of two values of one type.
    Compare {
        /// Operator.
        op: CompareOp,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
    },
    /// `IS NULL`, or with `negated` `IS NOT NULL`.
    IsNull {
        /// Tested.
        expr: Box<Expr>,
        /// NOT.
        negated: bool,
    },
    /// Membership in a list of literals of the expression's type (none of them NULL; a NULL in the source list is
    /// bound as `OR NULL`).
    InList {
        /// Tested.
        expr: Box<Expr>,
        /// NOT.
        negated: bool,
        /// Distinct literals.
        list: Vec<Value>,
    },
    /// LIKE, ILIKE.
    Like {
        /// Tested.
        expr: Box<Expr>,
        /// NOT.
        negated: bool,
        /// ILIKE.
        case_insensitive: bool,
        /// Pattern.
        pattern: Box<Expr>,
        /// Escape character.
        escape: Option<char>,
    },
    /// First arm whose condition is true; `otherwise` is a NULL literal where no ELSE was written.
    Case {
        /// Condition (boolean), value (of type `ty`).
        arms: Vec<(Expr, Expr)>,
        /// ELSE.
        otherwise: Box<Expr>,
    },
    /// First operand that is not NULL; all of type `ty`.
    Coalesce(Vec<Expr>),
    /// A scalar function; the arguments have exactly the types of the resolved signature.
    Call {
        /// Which.
        function: FunctionId,
        /// Arguments.
        args: Vec<Expr>,
    },
    /// A function of the user's.
    Routine {
        /// Which of the query's or body's program.
        routine: RoutineId,
        /// Its name, for plans.
        name: Arc<str>,
        /// Arguments, one for each parameter and of its type.
        args: Vec<Expr>,
        /// May give NULL.
        nullable: bool,
        /// Gives another value with each call.
        volatile: bool,
    },
}

/// `op operand`: applied to what is to the left.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainStep {
    /// Operator.
    pub op: ArithOp,
    /// The left operand is converted to this type first (equal to its type where nothing is to do).
    pub left_ty: LogicalType,
    /// Right operand. Types: `Add`, `Sub`: the same as `left_ty` up to decimal precision, except date/timestamp ± interval and
    /// date − date; decimal `Mul`: scales may differ, `ty`'s scale is their sum; `Div`: both double (grizzly) or both integers
    /// (ansi); `Concat`: strings.
    pub operand: Expr,
    /// Type of the result.
    pub ty: LogicalType,
    /// Where the operator and its operands stand.
    pub span: Span,
}

/// Arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArithOp {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient.
    Div,
    /// Integer quotient, truncated.
    IntDiv,
    /// Remainder, sign of the dividend.
    Rem,
    /// String concatenation.
    Concat,
}

/// Comparison operators; the last two treat NULL as a value and never give NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    NotEq,
    /// Less.
    Lt,
    /// Less or equal.
    LtEq,
    /// Greater.
    Gt,
    /// Greater or equal.
    GtEq,
    /// IS DISTINCT FROM.
    Distinct,
    /// IS NOT DISTINCT FROM.
    NotDistinct,
}

impl CompareOp {
    /// The operator for the operands exchanged: `a < b` is `b > a`.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::LtEq => Self::GtEq,
            Self::Gt => Self::Lt,
            Self::GtEq => Self::LtEq,
            other => other,
        }
    }
}
