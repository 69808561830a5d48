//! From syntax tree to a typed, optimised logical plan, and from there to physical pipelines.
//!
//! Does not: read files; what relations exist, and what is known of them, comes through a [`TableResolver`].

pub mod access;
mod bind;
pub mod change;
pub mod constant;
mod depth;
mod distinct;
pub mod estimate;
pub mod eval;
pub mod explain;
pub mod given;
pub mod known;
pub mod logical;
pub mod lookup;
mod named_types;
pub mod origins;
pub mod physical;
pub mod properties;
pub mod routine;
mod rules;
#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use gobi_grammar::{Diagnostic, Dialect, ast};

use crate::types::{Field, LogicalType, TableStats, Value};
pub use bind::{Expansions, ROWS_OF_TRIGGERS};
use logical::TableId;
pub use named_types::NamedTypes;
use routine::{Program, RoutineId};

/// What the planner may know of a relation.
#[derive(Clone, Debug)]
pub struct TableInfo {
    /// Name shown in plans.
    pub name: String,
    /// Columns; the last [`TableInfo::system_columns`] are the engine's own.
    pub schema: Vec<Field>,
    /// How many of the columns no `*` shows. One that is called [`LIVE_COLUMN`] says which rows there are.
    pub system_columns: usize,
    /// Statistics, one entry per column.
    pub stats: TableStats,
}

impl TableInfo {
    /// The columns that `*` shows.
    pub fn shown(&self) -> &[Field] {
        &self.schema[..self.schema.len().saturating_sub(self.system_columns)]
    }
}

/// The system column that is false for rows that were deleted.
pub const LIVE_COLUMN: &str = "_live";

/// The system column that is the address of a row.
pub const ROW_COLUMN: &str = "_row";

/// What a name stands for.
#[derive(Debug)]
pub enum Named {
    /// Rows that can be scanned.
    Table(TableId),
    /// A query of its own.
    View(Box<View>),
}

/// A named query.
#[derive(Debug)]
pub struct View {
    /// What it shows.
    pub query: ast::Query,
    /// How its text is to be read.
    pub dialect: Dialect,
    /// Its columns' names; fewer leave the rest as they are.
    pub columns: Vec<String>,
}

/// A moment of the timeline, as it was named.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// A commit, by its hash or the beginning of it.
    Commit(String),
    /// A tag.
    Tag(String),
    /// The newest commit of a branch.
    Branch(String),
    /// A time as text: ISO 8601, or `1 hour ago`.
    Text(String),
    /// Microseconds since 1970-01-01T00:00:00 UTC.
    Micros(i64),
}

/// What of a relation's history is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// The relation as it was.
    AsOf(Point),
    /// The rows last written after a point, as they are at another, or now.
    Since {
        /// After.
        since: Point,
        /// Up to and with.
        until: Option<Point>,
    },
    /// The changes after a point, up to another, or now.
    Changes {
        /// After.
        since: Start,
        /// Up to and with.
        until: Option<Point>,
    },
}

/// Where a log of changes begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// At a point.
    Point(Point),
    /// Where a watermark stands.
    Watermark(String),
}

/// Where the binder finds relations; the session implements it.
pub trait TableResolver {
    /// A relation by its name parts, as it is or as it was, or its changes; `None` if there is none.
    fn by_name(&mut self, parts: &[&str], moment: Option<&Moment>) -> Result<Option<Named>, ResolveError>;

    /// A relation by its name parts that rows are added to, which does not read it.
    fn written(&mut self, parts: &[&str]) -> Result<Option<Named>, ResolveError> {
        self.by_name(parts, None)
    }

    /// What a table asks of its rows, by its name parts; `None` if there is none.
    fn shape(&mut self, _parts: &[&str]) -> Option<change::Shape> {
        None
    }

    /// A file, glob or URL as a relation.
    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError>;

    /// Microseconds since 1970, by which moments of the timeline are told.
    fn now_micros(&self) -> i64 {
        0
    }

    /// The query of a view is bound from here on: what it names, the statement does not name itself.
    fn enter_view(&mut self) {}

    /// The query of a view ends.
    fn leave_view(&mut self) {}

    /// Indexes of a relation.
    fn indexes(&self, _table: TableId) -> Vec<access::Index> {
        Vec::new()
    }

    /// Another relation, of the same columns, that has those rows which an index finds, perhaps with others; `None` if a scan
    /// of all rows is as good. `one`: each of the wanted has one row at most.
    fn pick(&mut self, _: TableId, _: &access::Index, _: &[access::Wanted], _one: bool) -> Option<TableId> {
        None
    }

    /// The values of some columns of a relation that [`TableResolver::pick`] gave, row by row in the order in which a scan gives
    /// them; `None` if the engine is to scan it.
    fn few_rows(&self, _table: TableId, _columns: &[usize]) -> Option<Vec<Vec<Value>>> {
        None
    }

    /// The relations that are scanned as they are, now that indexes have been looked at: from here on their statistics are
    /// wanted.
    fn settle(&mut self, _tables: &BTreeSet<TableId>) {}

    /// A relation resolved before.
    fn info(&self, table: TableId) -> &TableInfo;

    /// What a parameter stands for; `None` if there is none of that name.
    fn parameter(&self, _name: &str) -> Option<Parameter> {
        None
    }

    /// Whether plans are kept: values of variables and parameters are not to be part of them.
    fn keeps_plans(&self) -> bool {
        false
    }

    /// Whether errors of what is bound are caught where it runs: a constant that cannot be converted is none before.
    fn catches_errors(&self) -> bool {
        false
    }

    /// Names that exist, for suggestions.
    fn names(&self) -> Vec<String>;

    /// Why a name may be unknown, if nothing is known at all.
    fn why_unknown(&self) -> Option<String> {
        None
    }

    /// Types that have names; asked for where a name is none of the language's.
    fn types(&self) -> NamedTypes {
        NamedTypes::default()
    }

    /// The macro of that name.
    fn macro_named(&mut self, _name: &str) -> Option<Arc<ast::DefineMacro>> {
        None
    }

    /// The whole names of what a module holds; `None` if there is none of that name.
    fn module(&mut self, _name: &str) -> Option<Vec<String>> {
        None
    }

    /// One of them was named.
    fn note_type(&mut self, _name: &str) {}

    /// The columns of the row of a loop or trigger that the query stands in, as far as they are known.
    fn variables_of(&self, _row: &str) -> Vec<String> {
        Vec::new()
    }

    /// The type and value of a variable of the script or body that the query stands in; `r.a` for the row of a loop.
    fn variable(&self, _name: &str) -> Option<(LogicalType, Value)> {
        None
    }

    /// Whether there is a function of the user's of that name.
    fn has_routine(&self, _name: &str) -> bool {
        false
    }

    /// Whether a call of a function of the user's gives a function.
    fn gives_function(&mut self, _call: &ast::Call) -> bool {
        false
    }

    /// What is named from here on is named by a text of the database, which sees nothing that is the session's only.
    fn enter_kept(&mut self) {}

    /// Ends that.
    fn leave_kept(&mut self) {}

    /// A call of a function of the user's; `None` if there is none of that name.
    fn routine(&mut self, _call: &RoutineCall<'_>) -> Option<Result<Callee, Diagnostic>> {
        None
    }

    /// The function of a call, if it asks queries, so that its body is to become a part of the query; `None` if it is another one.
    fn query_function(&mut self, _call: &RoutineCall<'_>) -> Option<Result<QueryFunction, Diagnostic>> {
        None
    }

    /// Whether functions can be called for the rows of a query before it runs.
    fn calls_for_rows(&self) -> bool {
        false
    }

    /// The function of a call that is made for rows; its effects are those that no query has.
    fn called_function(&mut self, call: &RoutineCall<'_>) -> Result<Callee, Diagnostic> {
        let message = format!("a call of `{}` for rows", call.name.text);
        Err(Diagnostic::new("0A000", call.name.span, message))
    }

    /// Whether the function of an expression with lambdas, which names these functions, asks queries.
    fn lambda_asks(&mut self, _call: &LambdaCall<'_>, _functions: &[String]) -> bool {
        false
    }

    /// The function of an expression with lambdas that is called for rows; its effects are those that no query has.
    fn called_lambda(&mut self, call: &LambdaCall<'_>) -> Result<Callee, Diagnostic> {
        Err(Diagnostic::new("0A000", call.body.span, "a call of a lambda for rows"))
    }

    /// The rows of a call that is made for rows, the one with that number, with these columns; `None` where none
    /// can be made.
    fn called_rows(&mut self, _number: usize, _name: &str, _fields: Vec<Field>) -> Option<TableId> {
        None
    }

    /// A call of a function without a name; `None` where there is nobody to make one.
    fn lambda(&mut self, _call: &LambdaCall<'_>) -> Option<Result<Callee, Diagnostic>> {
        None
    }

    /// The functions that were called.
    fn program(&self) -> Arc<Program> {
        Arc::default()
    }

    /// Functions and variables that exist, for suggestions.
    fn routine_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What stands behind the name of a function that is called for all rows of its query, in an array.
pub const ROWS_OF: &str = "@rows";

/// A call of a function of the user's, its arguments bound.
#[derive(Debug)]
pub struct RoutineCall<'c> {
    /// The function's name.
    pub name: &'c ast::Ident,
    /// Name, if it was written, and type of each argument, and whether it may be NULL.
    pub args: Vec<(Option<&'c ast::Ident>, LogicalType, bool)>,
}

/// An expression with lambdas, as the body of a function of its own.
#[derive(Debug)]
pub struct LambdaCall<'c> {
    /// The expression; what it takes from around it are parameters.
    pub body: &'c ast::Expr,
    /// Name and type of each, and whether it may be NULL.
    pub params: Vec<(String, LogicalType, bool)>,
    /// How it was written.
    pub dialect: Dialect,
}

/// The function that a call leads to.
#[derive(Debug)]
pub struct Callee {
    /// Which.
    pub routine: RoutineId,
    /// The value of each parameter.
    pub params: Vec<(LogicalType, Passed)>,
    /// Type of the result.
    pub result: LogicalType,
    /// May give NULL.
    pub nullable: bool,
    /// It gives another value with each call.
    pub volatile: bool,
    /// Its body asks its session for something, as far as that is known.
    pub effects: bool,
    /// It was declared `as async`: no query calls it.
    pub is_async: bool,
}

/// A function that asks queries, for the arguments of a call.
#[derive(Debug)]
pub struct QueryFunction {
    /// Its name.
    pub name: String,
    /// Name and type of each parameter, and its value.
    pub params: Vec<(String, LogicalType, Passed)>,
    /// What else it names: values that it has kept.
    pub constants: Vec<(String, LogicalType, Value)>,
    /// What it does.
    pub body: ast::ArmBody,
    /// The type of its value, if one was written.
    pub returns: Option<LogicalType>,
    /// How it was written.
    pub dialect: Dialect,
    /// A database has it: it names what that has.
    pub stored: bool,
    /// It can become a part of a query; otherwise it is called for the query's rows.
    pub is_part: bool,
    /// Its value is an array of its rows, for which it is called; in FROM it gives the rows.
    pub gathers: bool,
    /// It was declared `as async`: no query calls it.
    pub is_async: bool,
}

/// Where a parameter's value comes from.
#[derive(Debug)]
pub enum Passed {
    /// An argument of the call, by its position.
    Argument(usize),
    /// The parameter's default.
    Default(logical::Expr),
}

/// What a parameter of a prepared statement stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The value.
    pub value: Value,
    /// Its type; a text takes the type of its context, as a literal does.
    pub ty: LogicalType,
}

/// Why a relation cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ResolveError {
    /// SQLSTATE.
    pub code: &'static str,
    /// What.
    pub message: String,
}

/// Resolves names and types. What it returns cannot fail to type; all errors of the query are reported at once.
pub fn bind(
    query: &ast::Query,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<logical::Query, Vec<Diagnostic>> {
    bind::bind(query, dialect, tables)
}

/// The same for rows that go into columns: the result has exactly these types, converted as by a cast.
pub fn bind_into(
    query: &ast::Query,
    wanted: &[Field],
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<logical::Query, Vec<Diagnostic>> {
    bind::bind_into(query, wanted, dialect, tables)
}

/// The point of the timeline that a statement names.
pub fn bind_point(
    when: &ast::When,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<Point, Vec<Diagnostic>> {
    bind::bind_point(when, dialect, tables)
}

/// Binds a statement that changes rows as a query that says how: see [`change::Layout`].
pub fn bind_change(
    change: &change::Change<'_>,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<(logical::Query, change::Layout), Vec<Diagnostic>> {
    bind::change::bind(change, false, dialect, tables)
}

/// The rows of a change that only adds what is written out, column by column, where no query is needed to know them.
pub fn given_rows(
    change: &change::Change<'_>,
    dialect: Dialect,
    tables: &dyn TableResolver,
) -> Option<(Vec<Vec<Value>>, change::Layout)> {
    bind::change::given(change, dialect, tables)
}

/// The same without generated columns, checks and RETURNING: triggers change the rows before these are computed.
pub fn bind_raw_change(
    change: &change::Change<'_>,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<(logical::Query, change::Layout), Vec<Diagnostic>> {
    bind::change::bind(change, true, dialect, tables)
}

/// Resolves names and types of an expression of a body, over these variables.
pub fn bind_scalar(
    expr: &ast::Expr,
    scope: &BodyScope<'_>,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<logical::Expr, Vec<Diagnostic>> {
    bind::bind_scalar(expr, scope, dialect, tables)
}

/// The type that a type name stands for.
pub fn bind_type(name: &ast::TypeName, dialect: Dialect, types: &NamedTypes) -> Result<LogicalType, Vec<Diagnostic>> {
    bind::bind_type(name, dialect, types)
}

/// The entries of a map, as an array; any other value as it is.
pub fn entries_of(map: logical::Expr) -> logical::Expr {
    bind::entries_of(map)
}

/// What is wrong with a value that does not become a type unasked: the text that is no label, or what the message says.
pub fn misfit(value: &logical::Expr, ty: &LogicalType, message: String) -> Diagnostic {
    bind::misfit(value, ty, message)
}

/// What is wrong with a MATCH of a value of this type whose arms leave values out.
pub fn not_exhaustive(ty: &LogicalType, matching: &ast::Match, span: ast::Span) -> Diagnostic {
    bind::not_exhaustive(ty, matching, span)
}

/// Whether the arms of a MATCH name every value, and NULL if there may be one.
pub fn covers_all(ty: &LogicalType, nullable: bool, matching: &ast::Match) -> bool {
    bind::covers_all(ty, nullable, matching)
}

/// What is wrong with a MATCH that has an arm behind one that matches everything.
pub fn never_reached(matching: &ast::Match) -> Option<Diagnostic> {
    bind::never_reached(matching)
}

/// A match with the patterns of fields that the type of its subject makes of variables in braces.
pub fn with_fields<'m>(matching: &'m ast::Match, ty: &LogicalType) -> Cow<'m, ast::Match> {
    bind::with_fields(matching, ty)
}

/// The error of an arm that is never reached.
pub fn unreachable_arm(span: ast::Span) -> Diagnostic {
    bind::unreachable_arm(span)
}

/// A name that a struct's pattern gives, where it is one of several patterns of an arm.
pub fn one_of_several(arm: &ast::MatchArm) -> Option<&ast::Ident> {
    bind::one_of_several(arm)
}

/// The error of such a name.
pub fn not_in_all(name: &ast::Ident) -> Diagnostic {
    bind::not_in_all(name)
}

/// What a column of a select list is called that has no alias.
pub fn name_of_column(expr: &ast::Expr, dialect: Dialect) -> String {
    bind::column_name(expr, dialect)
}

/// `m.f(x)` as a call of `f` of the module `m`, if there is such a module and `m` is nothing else here.
pub fn of_module(
    call: &ast::Call,
    members: &mut dyn FnMut(&str) -> Option<Vec<String>>,
    is_value: &dyn Fn(&ast::Ident) -> bool,
) -> Option<Result<ast::Call, Diagnostic>> {
    bind::of_module(call, members, is_value)
}

/// `range(…)` as the array of its numbers; `None` if a call is another one.
pub fn as_numbers(call: &ast::Call, span: ast::Span) -> Option<ast::Expr> {
    bind::as_numbers(call, span)
}

/// What a call of a macro stands for.
pub fn expand_macro(
    call: &ast::Call,
    made: &ast::DefineMacro,
    so_far: &mut Expansions,
) -> Result<ast::Expr, Diagnostic> {
    bind::expand_macro(call, made, so_far)
}

/// What is wrong with a macro.
pub fn check_macro(made: &ast::DefineMacro) -> Result<(), Diagnostic> {
    bind::check_macro(made)
}

/// Whether a macro holds a query, so that its arguments are computed first.
pub fn macro_holds_query(made: &ast::DefineMacro) -> bool {
    bind::macro_holds_query(made)
}

/// What a call gives each parameter of a macro.
pub fn macro_args(call: &ast::Call, made: &ast::DefineMacro) -> Result<Vec<ast::Expr>, Diagnostic> {
    bind::macro_args(call, made)
}

/// The body of a macro that holds a query, with names of the arguments in the places of its parameters.
pub fn macro_named(made: &ast::DefineMacro, names: &[ast::Ident]) -> ast::Expr {
    bind::macro_named(made, names)
}

/// Whether a name is that of a type of the language's own.
pub fn is_own_type(name: &str) -> bool {
    bind::is_own_type(name)
}

/// Converts an expression to the type of what it is assigned to; `None` if that has to be asked for.
pub fn converted(expr: logical::Expr, ty: &LogicalType) -> Option<logical::Expr> {
    bind::converted(expr, ty)
}

/// A value as a column takes it from INSERT; `None` if it does not, or if an error would have to say why.
pub fn stored(value: logical::Expr, ty: &LogicalType) -> Option<logical::Expr> {
    bind::change::stored(value, ty)
}

/// The error for a value whose type is too large; see [`LogicalType::is_too_large`].
pub fn too_large_type(span: ast::Span) -> Diagnostic {
    bind::too_large_type(span)
}

/// A call of a function of the table, which takes these arguments and gives this type.
pub fn call_of(name: &str, args: Vec<logical::Expr>, ty: LogicalType, span: ast::Span) -> logical::Expr {
    bind::call_of(name, args, ty, span)
}

/// The type in which values of both types can meet.
pub fn common_type(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    bind::common_type(a, b)
}

/// What the expressions of a body can name.
#[derive(Debug)]
pub struct BodyScope<'s> {
    /// The variables, by number.
    pub variables: &'s [routine::Variable],
    /// The names in reach; a later one hides an earlier one.
    pub names: &'s [BodyName],
    /// Somebody catches errors: a constant that does not fit fails when it is computed.
    pub tried: bool,
}

/// A name of a body.
#[derive(Clone, Debug)]
pub struct BodyName {
    /// `r` of `r.price`, if it can only be reached so.
    pub of: Option<String>,
    /// The name.
    pub name: String,
    /// What it stands for.
    pub id: logical::ColumnId,
}

/// Rewrites a bound query into an equivalent, cheaper one.
pub fn optimize(query: logical::Query, tables: &mut dyn TableResolver) -> logical::Query {
    place(simplify(query), tables)
}

/// The part of it that knows nothing of the rows, nor of values that are given.
pub fn simplify(query: logical::Query) -> logical::Query {
    rules::simplify(query)
}

/// The columns of a relation that a query, or a call for rows before it, reads.
pub fn columns_read(query: &logical::Query, table: TableId) -> BTreeSet<usize> {
    rules::columns_read(query, table)
}

/// The rest: which rows indexes find, and in what order joins run.
pub fn place(query: logical::Query, tables: &mut dyn TableResolver) -> logical::Query {
    rules::place(query, tables)
}
