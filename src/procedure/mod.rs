//! The language's functions and bodies: from syntax trees to checked routines, and to what a session has to answer.
//!
//! `function twice(x) => x * 2` is kept as a [`Definition`]; the call `twice(1.5)` makes a routine of it for a decimal, which
//! `compile` turns into code; a second call with a decimal finds the same routine.
//!
//! The walk of a body: [`check`] gives every name a variable and every expression a type, statement by statement, by the binder
//! of `plan`; what only a session can do (a query, a change of data) becomes a [`Question`]; the result is a
//! [`plan::routine::Program`](crate::plan::routine::Program). The lowering to IR is in [`compile::routine`](crate::compile::routine),
//! beside that of queries, so that one place knows what an expression becomes, and a query gets a function into the module
//! of its kernel.
//!
//! Invariants: nothing runs before the whole body is checked; a routine is made once for each list of argument types; a variable
//! has a value wherever it is read.
//!
//! Does not: run anything, keep definitions, or know databases; `session` does, through [`Definitions`] and [`Question`].

// The walk through this room names its private modules; readers of the source follow it.
#![allow(rustdoc::private_intra_doc_links)]

mod asking;
mod chain;
mod check;
mod generics;
mod giving;
mod inferring;
mod instances;
mod lambda_names;
mod module;
mod params;
mod question;
mod relational;
mod returned;
mod showing;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use gobi_grammar::Dialect;
use gobi_grammar::ast;

use crate::plan::{LambdaCall, NamedTypes, ROWS_OF};
use crate::types::{LogicalType, Value};
pub use check::{
    CALLED, Callable, Checked, CheckedTrigger, Given, RowInput, RowOutput, SKIPPED, TriggerOf, check_body,
    check_definition, check_function_of, check_trigger,
};
pub use generics::{receiver_of, written_receiver};
pub use instances::Instances;
pub use module::Module;
pub use question::{Question, QuestionKind};
pub use relational::{all_of, gives_rows, statement_rows};
pub use returned::declared_columns;

/// A function or procedure as it was written.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name, case preserved.
    pub name: String,
    /// Its syntax tree.
    pub routine: ast::Routine,
    /// How its text is to be read.
    pub dialect: Dialect,
    /// What its first parameters are called in its body, if it is a lambda: variables of the body around it.
    pub captured: Vec<Captured>,
    /// Variables of the script that it names, if it is a lambda of a script: their values when it was made.
    pub constants: Vec<(String, LogicalType, Value)>,
    /// Functions that it is called with, by the names of the parameters which they are in the place of.
    pub functions: Vec<Handed>,
    /// A database has it, and what it calls.
    pub stored: bool,
    /// Its value is an array of all rows of the query that it returns.
    pub rows: bool,
    /// It is said that it returns a relation.
    relation: bool,
    /// What is known of its body.
    asked: OnceLock<asking::Asked>,
    words: OnceLock<HashSet<String>>,
}

/// A function that a definition is called with.
#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    /// What the definition calls it.
    pub name: String,
    /// The function.
    pub lambda: Arc<ast::Lambda>,
    /// What it names of where it was written, and what has the values.
    pub kept: Vec<(Captured, Kept)>,
    /// The functions that it names of where it was written.
    pub functions: Vec<Handed>,
    /// What is said of parameters and result, if it was written as a function inside a body.
    pub written: Option<Arc<ast::Routine>>,
}

/// What has the value of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// One of the first parameters of what a function is handed to.
    Param(usize),
    /// One of its constants.
    Constant(usize),
}

/// A variable that a lambda names.
#[derive(Clone, Debug, PartialEq)]
pub struct Captured {
    /// `r` of `r.price`.
    pub of: Option<String>,
    /// The name.
    pub name: String,
}

impl Handed {
    /// The same where the values are constants of what it is handed to.
    pub(super) fn of_constants(mut self) -> Self {
        for (_, kept) in &mut self.kept {
            if let Kept::Param(at) = *kept {
                *kept = Kept::Constant(at);
            }
        }
        self.functions = self.functions.into_iter().map(Self::of_constants).collect();
        self
    }
}

impl Definition {
    /// A routine that names nothing of where it is written.
    fn of(name: String, routine: ast::Routine, dialect: Dialect) -> Self {
        Self {
            name,
            routine,
            dialect,
            captured: Vec::new(),
            constants: Vec::new(),
            functions: Vec::new(),
            stored: false,
            rows: false,
            relation: false,
            asked: OnceLock::new(),
            words: OnceLock::new(),
        }
    }

    /// The function that an expression with lambdas is: of what it takes from around it.
    pub(crate) fn of_expression(call: &LambdaCall<'_>) -> Self {
        let params = call.params.iter().map(|(name, _, _)| name.as_str());
        let body = ast::RoutineBody::Value(ast::Value::Expr(call.body.clone()));
        let name = format!("lambda@{}", call.body.span.start);
        Self::of(name, unnamed(params, body, call.body.span), call.dialect)
    }

    /// A lambda that a script has given a name to.
    pub fn of_lambda(
        name: &str,
        lambda: &ast::Lambda,
        span: ast::Span,
        dialect: Dialect,
        constants: Vec<(String, LogicalType, Value)>,
    ) -> Self {
        let params = lambda.params.iter().map(|param| param.text.as_str());
        let body = match &lambda.body {
            ast::ArmBody::Expr(value) => ast::RoutineBody::Value(ast::Value::Expr(value.clone())),
            ast::ArmBody::Block(block) => ast::RoutineBody::Block(block.clone()),
        };
        Self {
            constants,
            ..Self::of(name.to_owned(), unnamed(params, body, span), dialect)
        }
    }

    /// A function that a script has given a name to, with the values of what it keeps.
    pub fn of_given(name: &str, function: &Handed, kept: Vec<(LogicalType, Value)>, dialect: Dialect) -> Self {
        let own = |at: usize| function.kept.iter().find(|(_, kept)| *kept == Kept::Constant(at));
        let constant = |(at, (ty, value)): (usize, (LogicalType, Value))| match own(at) {
            Some((captured, _)) => (captured.name.clone(), ty, value),
            None => (format!("\0k{at}"), ty, value),
        };
        let constants = kept.into_iter().enumerate().map(constant).collect();
        let span = match &function.lambda.body {
            ast::ArmBody::Expr(value) => value.span,
            ast::ArmBody::Block(block) => block.span,
        };
        let mut made = Self::of_lambda(name, &function.lambda, span, dialect, constants);
        made.functions.clone_from(&function.functions);
        if let Some(written) = &function.written {
            made.routine = (**written).clone();
            // It may call itself.
            let name = written.name.last().map_or_else(String::new, |name| name.text.clone());
            made.functions.push(Handed {
                name,
                ..function.clone()
            });
        }
        made
    }

    /// The definition of a routine as it was written; what a receiver calls `self` is its first parameter. What is no type in the
    /// place of a receiver is a parameter that stands for types.
    pub fn of_routine(name: &str, mut routine: ast::Routine, dialect: Dialect, is_type: &dyn Fn(&str) -> bool) -> Self {
        generics::take_receiver(&mut routine, is_type);
        let relation = matches!(routine.returns, ast::Returns::Rows(_));
        returned::as_query(&mut routine);
        if let Some(receiver) = &routine.receiver {
            let span = receiver.span;
            let text = "self".to_owned();
            let name = ast::Ident {
                text,
                quoted: false,
                span,
            };
            let ty = Some(receiver.clone());
            let default = None;
            routine.params.insert(0, ast::Param { name, ty, default });
        }
        Self {
            relation,
            ..Self::of(name.to_owned(), routine, dialect)
        }
    }

    /// What it was called where it was written.
    pub fn shown_name(&self) -> &str {
        base_of(&self.name)
    }

    /// Whether its value is that of a query, so that it is a relation where one is wanted.
    pub fn gives_rows(&self) -> bool {
        let routine = &self.routine;
        let is_query = match &routine.body {
            ast::RoutineBody::Value(value) => matches!(value, ast::Value::Query(_)),
            ast::RoutineBody::Block(block) => match block.statements.last().map(|last| &last.kind) {
                Some(ast::StatementKind::Query(_)) => true,
                Some(ast::StatementKind::Return(Some(value))) => matches!(**value, ast::Value::Query(_)),
                _ => false,
            },
        };
        is_query && !routine.is_procedure && routine.returns == ast::Returns::Inferred
    }

    /// Whether a call of it has all its rows as an array where a value is wanted: it is a procedure that returns a relation.
    pub(super) fn gives_array(&self) -> bool {
        self.relation && !self.rows && self.routine.is_procedure && self.routine.returns == ast::Returns::Inferred
    }

    /// Whether another definition of the same name and place is the same function: one that is written once may be called with others.
    fn is_same(&self, other: &Self) -> bool {
        self.functions == other.functions && self.captured == other.captured && self.routine == other.routine
    }

    /// Whether another definition has the same text, whatever it is called with.
    fn is_written_as(&self, other: &Self) -> bool {
        base_of(&self.name) == base_of(&other.name) && self.routine.body == other.routine.body
    }

    /// The function that gives all rows of the query which this one returns.
    fn of_rows(&self) -> Self {
        Self {
            name: format!("{}{ROWS_OF}", self.name),
            rows: true,
            ..self.clone()
        }
    }

    /// The procedure that a model is, which shows the rows of its query, with the interval that it is run for as its last parameters.
    fn as_procedure(&self) -> Self {
        let mut routine = self.routine.clone();
        routine.metadata.clear();
        routine.is_procedure = true;
        routine.returns = ast::Returns::Inferred;
        let span = routine.name.last().map(|name| name.span).unwrap_or_default();
        for name in OF_INTERVALS {
            routine.params.push(ast::Param {
                name: ast::Ident {
                    text: name.to_owned(),
                    quoted: true,
                    span,
                },
                ty: None,
                default: None,
            });
        }
        Self {
            stored: self.stored,
            ..Self::of(format!("{}@run", self.name), routine, self.dialect)
        }
    }

    fn asked(&self) -> &asking::Asked {
        self.asked.get_or_init(|| asking::Asked::of(self))
    }

    /// The words of its text, in lower case.
    pub fn words(&self) -> &HashSet<String> {
        self.words.get_or_init(|| {
            let statement = ast::Statement {
                kind: ast::StatementKind::Routine(Box::new(self.routine.clone())),
                span: ast::Span::default(),
            };
            words_of(&statement, self.dialect)
        })
    }

    /// Whether it names the row, or the rows, of a trigger, or says so, so that it can be checked for the tables of triggers only.
    pub fn is_of_triggers(&self) -> bool {
        if matches!(&self.routine.returns, ast::Returns::Type(ty) if is_trigger(ty)) {
            return true;
        }
        let words = self.words();
        OF_TRIGGERS.iter().any(|word| words.contains(*word))
    }
}

/// The name as it was written: behind it stand the places of the functions that it is called with, or its own.
fn base_of(name: &str) -> &str {
    name.split('@').next().unwrap_or_default()
}

/// A function without a name.
fn unnamed<'n>(params: impl Iterator<Item = &'n str>, body: ast::RoutineBody, span: ast::Span) -> ast::Routine {
    let ident = |text: &str| ast::Ident {
        text: text.to_owned(),
        quoted: true,
        span,
    };
    let param = |name: &str| ast::Param {
        name: ident(name),
        ty: None,
        default: None,
    };
    ast::Routine {
        form: ast::RoutineForm::Local,
        is_procedure: false,
        name: vec![ident("lambda")],
        metadata: Vec::new(),
        receiver: None,
        type_params: Vec::new(),
        params: params.map(param).collect(),
        raises: Vec::new(),
        returns: ast::Returns::Inferred,
        mode: None,
        rights: None,
        body,
    }
}

/// What a model calls the interval that it is run for.
pub const OF_INTERVALS: [&str; 2] = ["interval_start", "interval_end"];

/// Words that have a meaning in the body of a trigger.
const OF_TRIGGERS: &[&str] = &[
    "new",
    "old",
    "new_rows",
    "old_rows",
    "tg_op",
    "tg_name",
    "tg_table_name",
    "skip",
];

/// Whether `returns trigger` is written: nothing has that type.
fn is_trigger(ty: &ast::TypeName) -> bool {
    ty.name.eq_ignore_ascii_case("trigger")
}

/// The words of a statement, in lower case: what it may mention is among them.
pub fn words_of(statement: &ast::Statement, dialect: Dialect) -> HashSet<String> {
    let text = gobi_grammar::print(std::slice::from_ref(statement), dialect);
    let tokens = gobi_grammar::scan::tokens(&text, dialect);
    let word = |token: &gobi_grammar::scan::Token| {
        let word = text.get(token.start..token.end).unwrap_or_default();
        word.trim_matches(['`', '"']).to_lowercase()
    };
    tokens.iter().map(word).collect()
}

/// Where functions and procedures are found by name; the session implements it.
pub trait Definitions: std::fmt::Debug + Send + Sync {
    /// The one of that name, whatever its case; not one of a receiver, where there are others.
    fn find(&self, name: &str) -> Option<Arc<Definition>>;

    /// Those of that name which have a receiver.
    fn methods(&self, _name: &str) -> Vec<Arc<Definition>> {
        Vec::new()
    }

    /// Whether a place is in a text of the database, which calls nothing else.
    fn is_stored(&self, _place: ast::Span) -> bool {
        false
    }

    /// What a database has of that name: one, and those which have a receiver.
    fn stored(&self, name: &str) -> (Option<Arc<Definition>>, Vec<Arc<Definition>>) {
        (self.find(name), self.methods(name))
    }

    /// The one that a name at a place stands for.
    fn find_at(&self, name: &ast::Ident) -> Option<Arc<Definition>> {
        match self.is_stored(name.span) {
            true => self.stored(&name.text).0,
            false => self.find(&name.text),
        }
    }

    /// Whether what follows in the script makes a function of that name.
    fn is_expected(&self, _name: &str) -> bool {
        false
    }

    /// The names of all.
    fn names(&self) -> Vec<String>;

    /// Types that have names.
    fn types(&self) -> NamedTypes {
        NamedTypes::default()
    }

    /// The macro of that name.
    fn macro_named(&self, _name: &str) -> Option<Arc<ast::DefineMacro>> {
        None
    }

    /// The whole names of what a module holds; `None` if there is none of that name.
    fn members(&self, _name: &str) -> Option<Vec<String>> {
        None
    }

    /// The exception that a name at a place stands for, if it was declared.
    fn exception(&self, _name: &ast::Ident) -> Option<Exception> {
        None
    }

    /// The names of all exceptions that were declared, but for those of modules.
    fn exceptions(&self) -> Vec<String> {
        Vec::new()
    }

    /// The whole names of the exceptions of a module.
    fn exceptions_of(&self, _module: &str) -> Vec<String> {
        Vec::new()
    }
}

/// An exception that was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its whole name, case preserved.
    pub name: String,
    /// What it says where THROW gives no message.
    pub says: String,
}

/// None.
#[derive(Debug, Default)]
pub struct NoDefinitions;

impl Definitions for NoDefinitions {
    fn find(&self, _: &str) -> Option<Arc<Definition>> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}
