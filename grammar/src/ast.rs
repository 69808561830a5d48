//! The syntax tree: what was written, with where it was written, before any name is resolved.
//!
//! `a + b + c` is one [`ExprKind::Chain`] with three operands, so that a sum of fifty thousand terms is a flat
//! list and no walk over it needs a deep stack.
//!
//! Invariants: every node carries the [`Span`] of its text; two trees that differ only in spans compare equal
//! ([`Span`]'s `PartialEq` is always true), so `parse(print(ast)) == ast` can be asserted directly.
//!
//! Does not: know which tables, columns, functions or types exist.

mod change;
mod define;
mod names;
mod procedure;
mod session;
mod timeline;
mod transaction;
mod trigger;
mod types;
pub mod visit;
mod walk;
mod window;

pub use change::*;
pub use define::*;
pub use procedure::*;
pub use session::*;
pub use timeline::*;
pub use transaction::*;
pub use trigger::*;
pub use types::*;
pub use window::*;

/// A byte range of the script.
#[derive(Clone, Copy, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
        }
    }

    /// The smallest range that holds both.
    pub fn to(self, other: Span) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Span {}

/// A name as written, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The text, case preserved.
    pub text: String,
    /// Written in backticks (or in `"…"` where that is a name).
    pub quoted: bool,
    /// Where.
    pub span: Span,
}

/// A name that may be qualified, `a.b.c`: one part or more.
pub type Path = Vec<Ident>;

/// One statement of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Where, without the separating semicolon.
    pub span: Span,
}

/// The statements that the language has.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// A query whose result is the statement's result.
    Query(Query),
    /// `COPY (query) TO 'file' [(option value, …)]` or `COPY relation TO 'file'`.
    Copy(Copy),
    /// `EXPLAIN [ANALYZE] [JIT] [(FORMAT json)] query`.
    Explain(Explain),
    /// `SET name = value` (also `SET name TO value`).
    Set(Set),
    /// `SHOW name` / `LIST name` / `SHOW ALL`.
    Show(Show),
    /// `DESCRIBE relation` / `DESCRIBE query`.
    Describe(Query),
    /// `DESCRIBE PROCEDURE p` and its like.
    DescribeObject(DescribeObject),
    /// `COPY table FROM 'file'` / `COPY 'file' TO table`.
    CopyFrom(CopyFrom),
    /// `CREATE TABLE …`.
    CreateTable(Box<CreateTable>),
    /// `CREATE [MATERIALIZED] VIEW …`.
    CreateView(CreateView),
    /// `CREATE INDEX …`.
    CreateIndex(CreateIndex),
    /// `CREATE SCHEMA …`.
    CreateSchema(CreateSchema),
    /// `ALTER TABLE …`.
    AlterTable(AlterTable),
    /// `ALTER TYPE`.
    AlterType(Box<AlterType>),
    /// `DROP …`, of any kind of object.
    Drop(Drop),
    /// `REFRESH MATERIALIZED VIEW …`.
    Refresh(Refresh),
    /// `TRUNCATE [TABLE] t, …`.
    Truncate(Vec<Path>),
    /// `INSERT …`.
    Insert(Box<Insert>),
    /// `UPSERT INTO …`.
    Upsert(Box<Upsert>),
    /// `UPDATE …`.
    Update(Box<Update>),
    /// `DELETE …`.
    Delete(Box<Delete>),
    /// `MERGE INTO …`.
    Merge(Box<Merge>),
    /// `BEGIN …`.
    Begin(Begin),
    /// `COMMIT …`.
    Commit(Commit),
    /// `ROLLBACK …`.
    Rollback(Rollback),
    /// `SAVEPOINT s`.
    Savepoint(Ident),
    /// `RELEASE [SAVEPOINT] s`.
    Release(Ident),
    /// `CREATE SNAPSHOT …`, `SNAPSHOT …`.
    CreateSnapshot(CreateSnapshot),
    /// `CREATE BRANCH …`.
    CreateBranch(CreateBranch),
    /// `USE BRANCH b`.
    UseBranch(Ident),
    /// `MERGE BRANCH …`.
    MergeBranch(MergeBranch),
    /// `CREATE WATERMARK …`.
    CreateWatermark(CreateWatermark),
    /// `ADVANCE WATERMARK w`.
    AdvanceWatermark(Ident),
    /// `DIFF …`.
    Diff(Diff),
    /// `DIFF PROCEDURE …`.
    DiffRoutine(DiffRoutine),
    /// `LOG …`.
    Log(Log),
    /// `BLAME …`.
    Blame(Blame),
    /// `VERIFY TABLE t`.
    VerifyTable(Path),
    /// `PROVE query`.
    Prove(Query),
    /// `PREPARE …`.
    Prepare(Prepare),
    /// `EXECUTE …`.
    Execute(Execute),
    /// `DEALLOCATE …`.
    Deallocate(Deallocate),
    /// `ATTACH …`.
    Attach(Attach),
    /// `DETACH …`.
    Detach(Detach),
    /// `USE name`: the schema or database that bare names are looked up in.
    Use(Path),
    /// `ANALYZE …`.
    Analyze(Analyze),
    /// `VACUUM`, `CHECKPOINT`, `COMPACT`.
    Maintain(Maintain),
    /// `CACHE STATS`, `CACHE CLEAR`.
    Cache(Cache),
    /// `let x = …`.
    Let(Box<Let>),
    /// `x = …`.
    Assign(Box<Assign>),
    /// `if …`.
    If(If),
    /// `while …`.
    While(Box<While>),
    /// `for …`.
    For(Box<For>),
    /// `query then {…}`.
    Then(Box<Then>),
    /// `return …`.
    Return(Option<Box<Value>>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `throw …`; without an operand, what was caught.
    Throw(Option<Box<Expr>>),
    /// `yield …`: a row of the `then` block around it.
    Yield(Option<Box<Value>>),
    /// `assert …`.
    Assert(Box<Assert>),
    /// `call …`.
    CallRoutine(CallRoutine),
    /// An expression by itself.
    Eval(Box<Expr>),
    /// `type enum as …`, `CREATE TYPE …`.
    DefineType(Box<DefineType>),
    /// `macro m(a) {…}`.
    DefineMacro(Box<DefineMacro>),
    /// `module m {…}`.
    Module(Box<Module>),
    /// `import m`.
    Import(Vec<Ident>),
    /// `type exception as …`.
    DefineException(DefineException),
    /// `test name {…}`.
    Test(Box<Test>),
    /// `function …`, `upsert procedure …`, `CREATE FUNCTION …`.
    Routine(Box<Routine>),
    /// `upsert TRIGGER …`.
    UpsertTrigger(UpsertTrigger),
    /// `AUDIT …`.
    Audit(Box<DefineAudit>),
    /// `CREATE TRIGGER …`.
    CreateTrigger(Box<CreateTrigger>),
    /// `ENABLE TRIGGER t`, `DISABLE TRIGGER t`.
    ToggleTrigger(ToggleTrigger),
    /// A statement that the grammar recognises by its first words but that cannot be run yet.
    Unsupported {
        /// The statement's name in capitals, such as `UPSERT PROCEDURE`.
        feature: String,
    },
}

/// `COPY source TO 'target' (options)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// What is written; `COPY t TO …` becomes the query `FROM t`.
    pub source: Query,
    /// The file's path.
    pub target: String,
    /// Where the path stands.
    pub target_span: Span,
    /// `FORMAT csv`, `HEADER true`, `DELIMITER '|'`, `COMPRESSION zstd`, …, names as written.
    pub options: Vec<(Ident, Expr)>,
}

/// `EXPLAIN …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// Run it and show rows and times.
    pub analyze: bool,
    /// Show the generated code.
    pub jit: bool,
    /// `(FORMAT json)`.
    pub json: bool,
    /// The statement explained.
    pub statement: Box<Statement>,
}

/// `SET name = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// The setting.
    pub name: Ident,
    /// Its new value; a bare word such as `on` is an [`ExprKind::Name`].
    pub value: Expr,
}

/// `SHOW what [IN | ON name] [LIKE 'pattern']`.
#[derive(Clone, Debug, PartialEq)]
pub struct Show {
    /// `TABLES`, `CONFIG`, `ALL`, or the name of a setting.
    pub what: Ident,
    /// `p` of `SHOW LINEAGE p`, `s` of `SHOW TABLES IN s`; often empty.
    pub of: Path,
    /// Only names like this.
    pub like: Option<String>,
}

/// A whole query: `AS OF … WITH … body ORDER BY … LIMIT …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// `AS OF when` before the query: all its tables, as they were then.
    pub as_of: Option<Box<When>>,
    /// `WITH RECURSIVE` was written.
    pub recursive: bool,
    /// Common table expressions, in order.
    pub ctes: Vec<Cte>,
    /// SELECT, a set operation, VALUES, or a parenthesised query.
    pub body: QueryBody,
    /// ORDER BY of the whole.
    pub order_by: OrderBy,
    /// LIMIT.
    pub limit: Option<Expr>,
    /// OFFSET.
    pub offset: Option<Expr>,
    /// Where.
    pub span: Span,
}

/// `name [(columns)] AS [NOT] [MATERIALIZED] (query)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    /// Its name.
    pub name: Ident,
    /// Column names given.
    pub columns: Vec<Ident>,
    /// `Some(true)` for MATERIALIZED, `Some(false)` for NOT MATERIALIZED.
    pub materialized: Option<bool>,
    /// Its text.
    pub query: Query,
}

/// ORDER BY.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum OrderBy {
    /// None written.
    #[default]
    None,
    /// `ORDER BY ALL [DESC]` or a bare `ORDER BY ASC`: all columns, left to right.
    All {
        /// Descending.
        desc: bool,
    },
    /// By these, first one first.
    Items(Vec<OrderItem>),
}

/// One sort key.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderItem {
    /// The key; an integer literal is a column's position.
    pub expr: Expr,
    /// `DESC` (also `DSC`), before or after the expression.
    pub desc: bool,
    /// `NULLS FIRST` (true) or `NULLS LAST` (false); none: the dialect decides.
    pub nulls_first: Option<bool>,
}

/// What a query computes before ORDER BY and LIMIT.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryBody {
    /// SELECT … FROM … or FROM … SELECT ….
    Select(Box<Select>),
    /// `VALUES (…), (…)`.
    Values(Vec<Vec<Expr>>),
    /// `a UNION ALL b UNION ALL c`: operands left to right, one operator for the chain.
    SetOp {
        /// Which.
        op: SetOp,
        /// ALL was written.
        all: bool,
        /// At least two.
        inputs: Vec<Query>,
    },
    /// `(query)`, which may have an ORDER BY and a LIMIT of its own.
    Nested(Box<Query>),
    /// `STREAM query`: its rows as they are asked for.
    Stream(Box<Query>),
}

/// Set operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// UNION.
    Union,
    /// INTERSECT.
    Intersect,
    /// EXCEPT.
    Except,
}

/// One SELECT block; clauses stand in any order in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// FROM came first. The printer keeps it; meaning is the same.
    pub from_first: bool,
    /// DISTINCT, DISTINCT ON (…).
    pub distinct: Distinct,
    /// The select list; empty stands for a bare `FROM t` (all columns).
    pub items: Vec<SelectItem>,
    /// FROM; comma-separated relations. Empty: one row without columns.
    pub from: Vec<TableRef>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// GROUP BY.
    pub group_by: GroupBy,
    /// HAVING.
    pub having: Option<Expr>,
    /// QUALIFY.
    pub qualify: Option<Expr>,
    /// Where.
    pub span: Span,
}

impl Select {
    /// `SELECT items FROM from`, without other clauses.
    pub fn of(items: Vec<SelectItem>, from: Vec<TableRef>, span: Span) -> Self {
        Self {
            from_first: false,
            distinct: Distinct::No,
            items,
            from,
            filter: None,
            group_by: GroupBy::None,
            having: None,
            qualify: None,
            span,
        }
    }

    /// The query that is only this.
    pub fn query(self) -> Query {
        let span = self.span;
        Query::of(QueryBody::Select(Box::new(self)), span)
    }
}

/// DISTINCT.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Distinct {
    /// Not written.
    #[default]
    No,
    /// `SELECT DISTINCT`.
    Yes,
    /// `SELECT DISTINCT ON (…)`.
    On(Vec<Expr>),
}

/// GROUP BY.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum GroupBy {
    /// Not written.
    #[default]
    None,
    /// `GROUP BY ALL`: every select item without an aggregate.
    All,
    /// By these; an integer literal is a column's position.
    Items(Vec<Expr>),
    /// ROLLUP, CUBE, GROUPING SETS, alone or beside plain items.
    Sets(Vec<GroupItem>),
}

/// An item of GROUP BY that may stand for several sets of keys.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupItem {
    /// One set of keys: `a`, `(a, b)`, `()`.
    Keys(Vec<Expr>),
    /// `ROLLUP (a, (b, c))`: the whole list and each of its beginnings.
    Rollup(Vec<Vec<Expr>>),
    /// `CUBE (a, b)`: every choice from the list.
    Cube(Vec<Vec<Expr>>),
    /// `GROUPING SETS (…)`.
    Sets(Vec<GroupItem>),
}

/// One item of a select list.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*`, with `EXCLUDE (a, b)`.
    Star {
        /// `t` in `t.*`.
        qualifier: Option<Ident>,
        /// Columns left out.
        exclude: Vec<Ident>,
        /// Where.
        span: Span,
    },
    /// `expr [AS alias]`.
    Expr {
        /// The expression.
        expr: Expr,
        /// The column's name.
        alias: Option<Ident>,
    },
}

/// A relation in FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRef {
    /// What it is.
    pub kind: TableRefKind,
    /// `AS OF …`, `SINCE …`, `CHANGES SINCE …`.
    pub time: Option<Box<TableTime>>,
    /// `AS t`.
    pub alias: Option<Ident>,
    /// `AS t(a, b)`.
    pub columns: Vec<Ident>,
    /// Where.
    pub span: Span,
}

/// The kinds of relation.
#[derive(Clone, Debug, PartialEq)]
pub enum TableRefKind {
    /// A named relation, `a.b.c`.
    Name(Vec<Ident>),
    /// `{x}`: the variable, or else the relation of that name.
    Braced(Ident),
    /// `'file.parquet'`, a glob, or a URL.
    File(String),
    /// `(query)`, `(VALUES …)`.
    Query(Box<Query>),
    /// `[1, 2, 3]` or another expression that is a collection.
    Collection(Box<Expr>),
    /// `range(1, 10)`.
    Function {
        /// Its name.
        name: Ident,
        /// Arguments.
        args: Vec<Expr>,
    },
    /// `x IN coll` of `FROM x IN coll`; the alias is `x`.
    Each(Box<Expr>),
    /// `left JOIN right ON …`.
    Join(Box<Join>),
}

impl TableRefKind {
    /// What the relation is named by, in braces or not.
    pub fn path(&self) -> Option<&[Ident]> {
        match self {
            Self::Name(path) => Some(path),
            Self::Braced(name) => Some(std::slice::from_ref(name)),
            _ => None,
        }
    }
}

/// A join of two relations.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Left side.
    pub left: TableRef,
    /// Right side.
    pub right: TableRef,
    /// Kind.
    pub kind: JoinKind,
    /// `LATERAL` was written before the right side.
    pub lateral: bool,
    /// ON, USING, NATURAL or nothing.
    pub on: JoinCondition,
}

impl Join {
    /// `a, LATERAL b`.
    pub fn is_lateral_comma(&self) -> bool {
        self.lateral && self.kind == JoinKind::Cross && self.on == JoinCondition::None
    }
}

/// Join kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// INNER.
    Inner,
    /// LEFT OUTER.
    Left,
    /// RIGHT OUTER.
    Right,
    /// FULL OUTER.
    Full,
    /// CROSS.
    Cross,
    /// SEMI: left rows that have a partner.
    Semi,
    /// ANTI: left rows that have none.
    Anti,
    /// ASOF.
    AsOf,
}

/// The condition of a join.
#[derive(Clone, Debug, PartialEq)]
pub enum JoinCondition {
    /// CROSS JOIN.
    None,
    /// `ON e`.
    On(Expr),
    /// `USING (a, b)`.
    Using(Vec<Ident>),
    /// `NATURAL`.
    Natural,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A literal.
    Literal(Literal),
    /// `a`, `t.a`, `s.t.a`, also `p.a.b` (a field of a struct).
    Name(Vec<Ident>),
    /// `{x}`: the relation or variable x.
    Braced(Ident),
    /// `?`, `$1`, `$name`, `:name`: a parameter; 1-based text such as `1`, or its name.
    Parameter(String),
    /// `a + b - c`, `a * b / c`, `a || b`: operands of one precedence level, evaluated left to right.
    Chain {
        /// First operand.
        first: Box<Expr>,
        /// Operator, its place, and the operand to its right.
        rest: Vec<(ChainOp, Span, Expr)>,
    },
    /// `a AND b AND c` (also `&&`), two or more.
    And(Vec<Expr>),
    /// `a OR b OR c`, two or more.
    Or(Vec<Expr>),
    /// `a ?? b ?? c`, two or more.
    Coalesce(Vec<Expr>),
    /// `NOT e`, `!e`.
    Not(Box<Expr>),
    /// `-e`.
    Neg(Box<Expr>),
    /// `a < b`.
    Compare {
        /// Operator.
        op: CompareOp,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
    },
    /// `e [NOT] BETWEEN low AND high`.
    Between {
        /// Tested.
        expr: Box<Expr>,
        /// NOT.
        negated: bool,
        /// Low end, included.
        low: Box<Expr>,
        /// High end, included.
        high: Box<Expr>,
    },
    /// `e [NOT] IN (a, b)`.
    InList {
        /// Tested.
        expr: Box<Expr>,
        /// NOT.
        negated: bool,
        /// Candidates, one or more.
        list: Vec<Expr>,
    },
    /// `e [NOT] IN (query)`.
    InQuery {
        /// Tested.
        expr: Box<Expr>,
        /// NOT.
        negated: bool,
        /// Gives one column.
        query: Box<Query>,
    },
    /// `e [NOT] LIKE pattern [ESCAPE c]`, ILIKE.
    Like {
        /// Tested.
        expr: Box<Expr>,
        /// NOT.
        negated: bool,
        /// ILIKE.
        case_insensitive: bool,
        /// Pattern.
        pattern: Box<Expr>,
        /// ESCAPE.
        escape: Option<Box<Expr>>,
    },
    /// `e IS [NOT] NULL | TRUE | FALSE`.
    Is {
        /// Tested.
        expr: Box<Expr>,
        /// NOT.
        negated: bool,
        /// Against what.
        test: IsTest,
    },
    /// `a IS [NOT] DISTINCT FROM b`; `negated` is IS NOT DISTINCT FROM.
    IsDistinct {
        /// Left.
        left: Box<Expr>,
        /// NOT.
        negated: bool,
        /// Right.
        right: Box<Expr>,
    },
    /// `CASE [operand] WHEN … THEN … [ELSE …] END`.
    Case {
        /// Operand of the simple form.
        operand: Option<Box<Expr>>,
        /// WHEN, THEN.
        arms: Vec<(Expr, Expr)>,
        /// ELSE.
        otherwise: Option<Box<Expr>>,
    },
    /// `CAST(e AS t)`, `e :: t`, `try_cast(e AS t)`, `e as t`.
    Cast {
        /// Converted.
        expr: Box<Expr>,
        /// To.
        ty: TypeName,
        /// NULL instead of an error.
        try_: bool,
    },
    /// `f(a, b)`, `count(*)`, `sum(DISTINCT x) FILTER (WHERE …)`, `@Sum(x)` (name with its `@`).
    Call(Call),
    /// `array_agg(x ORDER BY y)`: an aggregate whose rows come in an order.
    Ordered {
        /// The aggregate.
        call: Call,
        /// ORDER BY, one key or more.
        order_by: Vec<OrderItem>,
    },
    /// `rank() OVER (…)`.
    Window {
        /// The function.
        call: Call,
        /// IGNORE NULLS.
        ignore_nulls: bool,
        /// OVER.
        over: Box<Window>,
    },
    /// `EXTRACT(year FROM e)`.
    Extract {
        /// `year`, `month`, …, as written.
        field: Ident,
        /// From.
        expr: Box<Expr>,
    },
    /// `EXISTS (query)`; NOT EXISTS is a [`ExprKind::Not`] around it.
    Exists(Box<Query>),
    /// `(query)` as a value.
    Subquery(Box<Query>),
    /// `[a, b]`.
    Array(Vec<Expr>),
    /// `{a: 1, b: 2}`.
    Struct(Vec<(Ident, Expr)>),
    /// `map {k: v}`.
    Map(Vec<(Expr, Expr)>),
    /// `type struct as P {a: 1}`.
    Instance {
        /// The struct's name.
        name: Ident,
        /// Fields.
        fields: Vec<(Ident, Expr)>,
    },
    /// `e.field` where `e` is not a plain name.
    Field {
        /// Of.
        expr: Box<Expr>,
        /// Field.
        name: Ident,
    },
    /// `a[i]`, and `a?[i]`, which gives NULL out of range.
    Index {
        /// Of.
        expr: Box<Expr>,
        /// Position.
        index: Box<Expr>,
        /// `?[`.
        safe: bool,
    },
    /// `j -> 'a'` and `j ->> 'a'` of the ansi dialect: a part of JSON.
    Access {
        /// Of.
        expr: Box<Expr>,
        /// Key, position or path.
        path: Box<Expr>,
        /// `->>`.
        text: bool,
    },
    /// `a[low:high]`, half open.
    Slice {
        /// Of.
        expr: Box<Expr>,
        /// From, included.
        low: Option<Box<Expr>>,
        /// To, left out.
        high: Option<Box<Expr>>,
    },
    /// `e match {…}`.
    Match(Box<Match>),
    /// `try e catch {…}`.
    Try(Box<Try>),
    /// A call that runs by itself.
    Spawn(Box<Expr>),
    /// The value of one.
    Await(Box<Expr>),
    /// `x => e`.
    Lambda(Box<Lambda>),
    /// `a |> f(b) |> g()`.
    Pipe {
        /// What flows in.
        source: Box<Expr>,
        /// What it flows through, one or more: each takes what comes before it as its first argument.
        stages: Vec<Call>,
    },
    /// `name: value`, an argument of a call and nothing else.
    Named {
        /// The parameter.
        name: Ident,
        /// Its value.
        value: Box<Expr>,
    },
    /// A form that the grammar recognises but nothing can run yet (bit operator, row value, …).
    Unsupported {
        /// Its name, such as `window function`.
        feature: String,
    },
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its name.
    pub name: Ident,
    /// `DISTINCT`.
    pub distinct: bool,
    /// `count(*)`.
    pub star: bool,
    /// Arguments.
    pub args: Vec<Expr>,
    /// `FILTER (WHERE e)`.
    pub filter: Option<Box<Expr>>,
}

impl Call {
    /// A call with these arguments, and nothing else.
    pub fn of(name: Ident, args: Vec<Expr>) -> Self {
        Self {
            name,
            distinct: false,
            star: false,
            args,
            filter: None,
        }
    }
}

/// Operators of [`ExprKind::Chain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainOp {
    /// `+`.
    Add,
    /// `-`.
    Sub,
    /// `||`.
    Concat,
    /// `*`.
    Mul,
    /// `/`.
    Div,
    /// `div`.
    IntDiv,
    /// `%`.
    Rem,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`, `==`.
    Eq,
    /// `<>`, `!=`.
    NotEq,
    /// `<`.
    Lt,
    /// `<=`.
    LtEq,
    /// `>`.
    Gt,
    /// `>=`.
    GtEq,
}

/// What IS tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsTest {
    /// NULL.
    Null,
    /// TRUE.
    True,
    /// FALSE.
    False,
}

/// A literal, its text already unescaped.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// NULL.
    Null,
    /// TRUE, FALSE.
    Boolean(bool),
    /// `12`, `1_000`, `0xff`: digits only, in decimal, without separators; any length.
    Integer(String),
    /// `1.50`, `.5`: exact, digits as written without separators.
    Decimal(String),
    /// `1e3`, `1.5e-2`: as written without separators.
    Float(String),
    /// A string.
    String(String),
    /// `x'00ff'`.
    Blob(Vec<u8>),
    /// `DATE '…'`, the text between the quotes.
    Date(String),
    /// `TIME '…'`.
    Time(String),
    /// `TIMESTAMP '…'`.
    Timestamp(String),
    /// `INTERVAL '7 days'`, `INTERVAL '7' day`, `INTERVAL 7 day`: normalised to one text such as `7 day`.
    Interval(String),
}

/// A type as written: `decimal(15, 2)`, `array<int>`, `struct(a int, b string)`.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    /// `decimal`, `double precision`, `array`, `struct`, `map`; lower case, words separated by one space.
    pub name: String,
    /// `(15, 2)`.
    pub params: Vec<u32>,
    /// `<T, U>`; one element for `T[]`, which has the name `array`.
    pub args: Vec<TypeName>,
    /// Fields of a struct.
    pub fields: Vec<(Ident, TypeName)>,
    /// Where.
    pub span: Span,
}
