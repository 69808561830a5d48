//! Blocks, control flow, functions and procedures.
//!
//! `if x > 1 { y = 2 } else { y = 3 }` is an [`If`] with one arm of one [`Assign`].
//!
//! Invariants: a block holds statements of every kind, queries and changes of data included; an `elif` is another arm.
//!
//! Does not: say which names are variables.

use super::{Argument, Expr, Ident, Path, Query, Span, Statement, TypeName, When};

/// Statements in braces.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// In order.
    pub statements: Vec<Statement>,
    /// Where, braces included.
    pub span: Span,
}

/// The right side of `=`, `in` and `return`: an expression, or a query without parentheses.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An expression.
    Expr(Expr),
    /// A query.
    Query(Box<Query>),
    /// What the block behind a query yields.
    Then(Box<Then>),
}

/// `let name [: type] = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// The variable.
    pub name: Ident,
    /// Its type; none: the value's.
    pub ty: Option<TypeName>,
    /// Its value.
    pub value: Value,
}

/// `target = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {
    /// The variable.
    pub name: Ident,
    /// Fields and elements of it.
    pub path: Vec<Step>,
    /// Its new value.
    pub value: Value,
}

/// One step into a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `.name`.
    Field(Ident),
    /// `[index]`.
    Index(Expr),
}

/// `if c {…} elif d {…} else {…}`.
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    /// Conditions and their blocks.
    pub arms: Vec<(Expr, Block)>,
    /// ELSE.
    pub otherwise: Option<Block>,
}

/// `while c {…}`.
#[derive(Clone, Debug, PartialEq)]
pub struct While {
    /// While this is true.
    pub condition: Expr,
    /// The body.
    pub body: Block,
}

/// `for x in values {…}`.
#[derive(Clone, Debug, PartialEq)]
pub struct For {
    /// The variable.
    pub name: Ident,
    /// An array, `range(…)` or a query.
    pub values: Value,
    /// The body.
    pub body: Block,
}

/// `query then {…}`: the block once per row, whose columns are variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Then {
    /// The rows.
    pub query: Query,
    /// What is done with each.
    pub body: Block,
}

/// `assert condition [, message]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assert {
    /// What has to be true.
    pub condition: Expr,
    /// What is said if it is not.
    pub message: Option<Expr>,
}

/// `test name {…}`: what `gobi test` runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What is tested.
    pub name: Ident,
    /// What is done, and asserted.
    pub body: Block,
}

/// `call p(1, batch: 5)`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRoutine {
    /// Which.
    pub name: Path,
    /// In the order of the text.
    pub args: Vec<Argument>,
    /// The version of that time is called.
    pub as_of: Option<When>,
    /// A model is computed again for an interval.
    pub restate: Option<Box<Restate>>,
}

/// `RESTATE FROM a TO b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Restate {
    /// Where the interval begins.
    pub from: Expr,
    /// Where it ends; not a part of it.
    pub to: Expr,
}

/// `type exception as Name('message')`.
#[derive(Clone, Debug, PartialEq)]
pub struct DefineException {
    /// Its name.
    pub name: Ident,
    /// What it says where `throw` gives no message.
    pub message: Option<String>,
}

/// `macro m(a, b) { a + b }`: a call stands for the expression.
#[derive(Clone, Debug, PartialEq)]
pub struct DefineMacro {
    /// Its name.
    pub name: Ident,
    /// Its parameters, which have no types.
    pub params: Vec<Param>,
    /// What a call stands for.
    pub body: Expr,
}

/// `module m { function f … }`: functions, procedures and macros that are called `m.f`.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Its name.
    pub name: Ident,
    /// Its definitions.
    pub body: Block,
}

/// A function or procedure.
#[derive(Clone, Debug, PartialEq)]
pub struct Routine {
    /// How it was written.
    pub form: RoutineForm,
    /// `PROCEDURE` was written.
    pub is_procedure: bool,
    /// Its name.
    pub name: Path,
    /// `<{kind: 'full'}>`.
    pub metadata: Vec<(Ident, Expr)>,
    /// `<Receiver>`, or `<T>`: a parameter in the place of types, if no type has that name.
    pub receiver: Option<TypeName>,
    /// `<K, V>`.
    pub type_params: Vec<Ident>,
    /// Parameters.
    pub params: Vec<Param>,
    /// Exceptions that it may throw.
    pub raises: Vec<Ident>,
    /// What it gives.
    pub returns: Returns,
    /// `as async`, `as sync`, or neither.
    pub mode: Option<Mode>,
    /// `security definer`, `security invoker`, or neither.
    pub rights: Option<Rights>,
    /// What it does.
    pub body: RoutineBody,
}

impl Routine {
    /// Its metadata make it a model: `sched` by itself says when a plain body is to run.
    pub fn is_model(&self) -> bool {
        self.metadata
            .iter()
            .any(|(name, _)| !name.text.eq_ignore_ascii_case("sched"))
    }
}

/// The forms in which a routine is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutineForm {
    /// `function f …`: of the script or session.
    Local,
    /// `upsert function f …`, `upsert procedure p …`: of the database.
    Upsert,
    /// `CREATE FUNCTION f …`.
    Create {
        /// OR REPLACE.
        or_replace: bool,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// Its type; none: inferred.
    pub ty: Option<TypeName>,
    /// Its value where the call gives none.
    pub default: Option<Expr>,
}

/// RETURNS.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Returns {
    /// Not written: inferred.
    #[default]
    Inferred,
    /// `void`.
    Void,
    /// A type.
    Type(TypeName),
    /// `relation`, `relation(a int)`: the rows of the query that the body ends with, as these columns if there are any.
    Rows(Vec<(Ident, TypeName)>),
}

/// How a call is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Where it stands.
    Sync,
    /// As a job.
    Async,
}

/// Whose rights a body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Those of who made it.
    Definer,
    /// Those of who calls it.
    Invoker,
}

impl Rights {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Rights::Definer => "definer",
            Rights::Invoker => "invoker",
        }
    }
}

/// `x => e`, `(a, b) => {…}`: a function without a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// Parameters.
    pub params: Vec<Ident>,
    /// What it gives.
    pub body: ArmBody,
}

/// What a routine does.
#[derive(Clone, Debug, PartialEq)]
pub enum RoutineBody {
    /// A block.
    Block(Block),
    /// `=> value`.
    Value(Value),
}

/// `e match {p -> v, _ -> d}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// What is matched.
    pub subject: Expr,
    /// First one wins.
    pub arms: Vec<MatchArm>,
}

/// `1 | 2 if g -> e`.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchArm {
    /// Any of them matches.
    pub patterns: Vec<Pattern>,
    /// And this is true.
    pub guard: Option<Expr>,
    /// What comes of it.
    pub body: ArmBody,
}

/// A pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// `_`.
    Any(Span),
    /// A name: anything, under this name.
    Bind(Ident),
    /// A value.
    Value(Expr),
    /// `low..high`, both included.
    Range(Expr, Expr),
    /// `{x: 0, y}`: a struct whose fields match; what is named alone has its own name.
    Fields(Vec<(Ident, Pattern)>, Span),
    /// `'a' | 'b'` of a field: any of them matches.
    OneOf(Vec<Pattern>),
}

impl Pattern {
    /// Calls `f` with each name that the pattern gives to something.
    pub fn each_name<'p>(&'p self, f: &mut dyn FnMut(&'p Ident)) {
        match self {
            Pattern::Bind(name) => f(name),
            Pattern::Fields(fields, _) => fields.iter().for_each(|(_, pattern)| pattern.each_name(f)),
            Pattern::OneOf(patterns) => patterns.iter().for_each(|pattern| pattern.each_name(f)),
            Pattern::Any(_) | Pattern::Value(_) | Pattern::Range(..) => {}
        }
    }

    /// The same, to change the names.
    pub fn each_name_mut(&mut self, f: &mut dyn FnMut(&mut Ident)) {
        match self {
            Pattern::Bind(name) => f(name),
            Pattern::Fields(fields, _) => fields.iter_mut().for_each(|(_, pattern)| pattern.each_name_mut(f)),
            Pattern::OneOf(patterns) => patterns.iter_mut().for_each(|pattern| pattern.each_name_mut(f)),
            Pattern::Any(_) | Pattern::Value(_) | Pattern::Range(..) => {}
        }
    }

    /// Calls `f` with each expression in the pattern.
    pub fn each_value_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Pattern::Value(value) => f(value),
            Pattern::Range(low, high) => {
                f(low);
                f(high);
            }
            Pattern::Fields(fields, _) => fields.iter_mut().for_each(|(_, pattern)| pattern.each_value_mut(f)),
            Pattern::OneOf(patterns) => patterns.iter_mut().for_each(|pattern| pattern.each_value_mut(f)),
            Pattern::Any(_) | Pattern::Bind(_) => {}
        }
    }
}

/// The right side of an arm.
#[derive(Clone, Debug, PartialEq)]
pub enum ArmBody {
    /// An expression.
    Expr(Expr),
    /// A block.
    Block(Block),
}

impl ArmBody {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Expr(value) => value.span,
            Self::Block(block) => block.span,
        }
    }
}

/// `try e catch {…}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// What may fail.
    pub body: ArmBody,
    /// What is done then; none: its value is NULL.
    pub catch: Option<Catch>,
}

/// What is done with an error.
#[derive(Clone, Debug, PartialEq)]
pub enum Catch {
    /// `catch [e] {…}`.
    Block {
        /// The exception's name in the block.
        name: Option<Ident>,
        /// The block.
        body: Block,
    },
    /// `catch {NoStock => e1, _ => e2}`, `catch NoStock e {…} catch e {…}`.
    Arms(Vec<CatchArm>),
}

/// What is done with an exception.
#[derive(Clone, Debug, PartialEq)]
pub struct CatchArm {
    /// Which one; `_` is any.
    pub exception: Ident,
    /// Its name in the body.
    pub name: Option<Ident>,
    /// What is done.
    pub body: ArmBody,
}

impl Catch {
    /// The names of exceptions in bodies.
    pub fn names_mut(&mut self) -> impl Iterator<Item = &mut Ident> {
        let (own, arms) = match self {
            Catch::Block { name, .. } => (name.as_mut(), [].iter_mut()),
            Catch::Arms(arms) => (None, arms.iter_mut()),
        };
        own.into_iter().chain(arms.filter_map(|arm| arm.name.as_mut()))
    }

    /// The same, only to be looked at.
    pub fn names(&self) -> impl Iterator<Item = &Ident> {
        let (own, arms) = match self {
            Catch::Block { name, .. } => (name.as_ref(), [].iter()),
            Catch::Arms(arms) => (None, arms.iter()),
        };
        own.into_iter().chain(arms.filter_map(|arm| arm.name.as_ref()))
    }
}
