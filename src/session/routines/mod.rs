//! Variables, functions and blocks of a session's scripts, and the functions and procedures of its database.
//!
//! `let n = 2; function twice(x) => x * 2; n = twice(n); SELECT n` keeps `n` between its statements; each of them is a body
//! that is checked, compiled and run.
//!
//! Invariants: a statement that fails leaves the variables as they were; a body is one transaction; a function of the session
//! hides one of the database.
//!
//! Does not: check bodies; `procedure` does.

mod answers;
mod body;
mod called;
pub mod changes;
mod checks;
mod circles;
mod define;
mod dependants;
mod explained;
mod for_rows;
mod given;
pub mod jobs;
mod known;
mod listing;
pub mod models;
mod modules;
mod naming;
pub mod profiles;
pub mod settled;
mod sources;
mod spawned;
mod streams;
mod together;
mod versions;

use std::collections::HashMap;
use std::sync::Arc;

use gobi_grammar::ast::{ObjectKind, Span, StatementKind as K};
use gobi_grammar::{Diagnostic, Dialect, ast};

pub use answers::{Answering, Slots};
pub use body::{look as look_at_body, question_types, run as run_body};
pub use called::made_by;
pub use circles::circles;
pub use define::{store, stored_definition, without_own};
pub use dependants::{Broken, broken, check_alone, each_of, refresh};
pub use explained::explain_call;
pub use for_rows::{Rows as CalledRows, RowsCall, call as call_for_rows};
pub use jobs::Jobs;
pub use known::{Functions, Known, Macros, declared, entries_of};
pub use listing::{describe, kind_of, list};
pub use modules::{drop_types_of as drop_module_types, list as list_modules, store as store_module};
pub use naming::{Naming, direct};
pub use sources::Sources;
pub use spawned::Spawned;
pub use streams::Streams;
pub use together::Together;
pub use versions::{at_its_time, members_of, missing as no_routine};

use profiles::Profiles;

use super::change::Running;
use super::define::text::Beside;
use super::relations::{Relations, StatementTables};
use super::store::View;
use super::{Error, Session, StatementResult, statement, testing, types};
use crate::catalog::{Catalog, Entity, MAIN_SCHEMA};
use crate::plan::routine::Variable;
use crate::plan::{NamedTypes, check_macro};
use crate::procedure::{Definitions, Instances, Question};
use crate::types::labels::{look_up, renumbered};
use crate::types::{EnumType, LogicalType, Value};

/// What a session's scripts have made.
#[derive(Debug, Default)]
pub struct Routines {
    variables: Vec<Held>,
    /// The variables of the body that asks, in place of the script's.
    inside: Option<HashMap<String, (LogicalType, Value)>>,
    /// Functions of the body that asks.
    lifted: Vec<std::sync::Arc<crate::procedure::Definition>>,
    /// The columns of NEW and OLD, while what a trigger does is looked at.
    pub rows: Vec<String>,
    pub known: Known,
    /// The functions and procedures of another time, while one of them is called.
    pinned: Option<Known>,
    /// What is worth a look in what was checked since somebody asked.
    pub warnings: Vec<Diagnostic>,
    /// What whoever runs a script is told beside its results.
    pub notices: Vec<Diagnostic>,
    /// What models fill whose CALL was looked at, and not run: it has rows when they are.
    filled: Vec<[String; 2]>,
    /// What is known of those that were checked.
    checks: Option<checks::Checks>,
    stored_checks: Option<checks::StoredChecks>,
    /// What the script that runs defines in one step.
    pub together: Together,
    /// Where definitions were written.
    pub sources: Sources,
    /// Where their time went.
    pub profiles: Profiles,
}

/// The variables and definitions of a session at some time.
#[derive(Debug)]
pub struct State {
    variables: Vec<Held>,
    known: Known,
}

/// A variable of the script.
#[derive(Clone, Debug)]
struct Held {
    variable: Variable,
    /// Its type was written.
    declared: bool,
    value: Value,
}

/// The variables of a script, as they were.
pub struct Saved(Vec<Held>);

/// Variables by name, in lower case.
pub type Values = HashMap<String, (LogicalType, Value)>;

impl Routines {
    /// The script's variables as they are.
    pub fn saved(&self) -> Saved {
        Saved(self.variables.clone())
    }

    /// Gives the script's variables back what they were.
    pub fn restore(&mut self, Saved(variables): Saved) {
        self.variables = variables;
    }

    /// Keeps warnings for whoever runs the script, if they are about its text.
    pub fn tell(&mut self, warnings: &[Diagnostic], statement: Span) {
        for warning in warnings {
            let told = self.sources.resolve(warning.clone(), statement);
            if told.message == warning.message && !self.notices.contains(&told) {
                self.notices.push(told);
            }
        }
    }

    /// A script was looked at: nothing of it was run.
    pub fn looked_at(&mut self) {
        self.filled.clear();
    }

    /// Puts variables in the place of the script's; gives those that were there.
    pub fn stand_in(&mut self, inside: Option<Values>) -> Option<Values> {
        std::mem::replace(&mut self.inside, inside)
    }

    /// What a script that fails leaves as it was.
    pub fn clone_state(&self) -> State {
        State {
            variables: self.variables.clone(),
            known: self.known.clone(),
        }
    }

    /// Puts that back.
    pub fn restore_state(&mut self, state: State) {
        (self.variables, self.known) = (state.variables, state.known);
    }

    /// Does something by the functions of now, whatever time those of the statement are of.
    pub fn now<T>(session: &mut Session, work: impl FnOnce(&mut Session) -> T) -> T {
        let pinned = session.relations.routines.pinned.take();
        let done = work(session);
        session.relations.routines.pinned = pinned;
        done
    }

    /// For another session, without variables.
    pub fn another(&self) -> Self {
        Self {
            known: self.known.clone(),
            pinned: self.pinned.clone(),
            sources: self.sources.clone(),
            ..Self::default()
        }
    }

    /// The functions of the session, as they are now.
    pub fn functions(&self) -> Functions {
        self.pinned.as_ref().unwrap_or(&self.known).functions()
    }

    /// The columns of a row that a body has handed on.
    pub fn variables_of(&self, row: &str) -> Vec<String> {
        let row = row.to_lowercase();
        if matches!(row.as_str(), "new" | "old") && !self.rows.is_empty() {
            return self.rows.clone();
        }
        let row = format!("{row}.");
        let inside = self.inside.iter().flat_map(|inside| inside.keys());
        inside
            .filter_map(|name| name.strip_prefix(&row).map(str::to_owned))
            .collect()
    }

    /// A variable that a query may mention.
    pub fn variable(&self, name: &str) -> Option<(LogicalType, Value)> {
        if let Some(inside) = &self.inside {
            return inside.get(&name.to_lowercase()).cloned();
        }
        let held = self
            .variables
            .iter()
            .find(|held| held.variable.name.eq_ignore_ascii_case(name))?;
        Some((held.variable.ty.clone(), held.value.clone()))
    }
}

impl Routines {
    /// Types that have names, in a view of the database.
    pub fn types(&self, view: Option<&View>) -> NamedTypes {
        if let Some(pinned) = &self.pinned {
            return pinned.types();
        }
        let stored = view.into_iter().flat_map(|view| view.catalog().types());
        let stored = stored.map(|(_, def)| (def.name.clone(), def.ty.clone()));
        NamedTypes::new(stored.chain(self.known.local_types())).importing(self.known.imports())
    }

    /// Whether a place is in a text of the database.
    pub fn is_kept(&self, place: Span) -> bool {
        self.pinned.as_ref().unwrap_or(&self.known).is_stored(place)
    }

    /// The variables that a statement which runs now may mention.
    fn seen(&self) -> Vec<Held> {
        let Some(inside) = &self.inside else {
            return self.variables.clone();
        };
        let held = |(name, (ty, value)): (&String, &(LogicalType, Value))| Held {
            variable: Variable {
                name: name.clone(),
                ty: ty.clone(),
                nullable: *value == Value::Null,
                full: false,
            },
            declared: true,
            value: value.clone(),
        };
        inside.iter().map(held).collect()
    }

    /// Has the variables of an enum be made of another one, which has the labels of their values, too.
    pub fn retype(&mut self, old: &Arc<EnumType>, new: &Arc<EnumType>) {
        let (codes, numbers) = (old.codes(), new.numbers());
        let number = |labels: &EnumType, number: i128| match *labels == **old {
            true => look_up(&numbers, look_up(&codes, number)),
            false => number,
        };
        let (old, new) = (LogicalType::Enum(old.clone()), LogicalType::Enum(new.clone()));
        for held in self.variables.iter_mut().filter(|held| held.variable.ty.has_type(&old)) {
            let value = std::mem::replace(&mut held.value, Value::Null);
            held.value = renumbered(value, &held.variable.ty, &number);
            held.variable.ty = held.variable.ty.with_type(&old, &new);
        }
    }

    fn is_variable(&self, name: &str) -> bool {
        self.variables
            .iter()
            .any(|held| held.variable.name.eq_ignore_ascii_case(name))
    }

    /// The variables of the script, with their types and values.
    fn values(&self) -> Vec<(String, LogicalType, Value)> {
        let held = self.variables.iter();
        let value = |held: &Held| (held.variable.name.clone(), held.variable.ty.clone(), held.value.clone());
        held.map(value).collect()
    }
}

impl Relations {
    /// Whether there is a function of that name, of the session or of the database.
    pub fn has_routine(&self, name: &str) -> bool {
        if self.routines.lifted.iter().any(|lifted| lifted.name == name) {
            return true;
        }
        if let Some(pinned) = &self.routines.pinned {
            return pinned.find(name).is_some() || !pinned.methods(name).is_empty();
        }
        let known = &self.routines.known;
        let is_there = |name: &str| known.is_local(name) || !known::stored(self.view.as_ref(), name).is_empty();
        is_there(name) || known.imported(&name.to_lowercase()).any(|name| is_there(&name))
    }

    /// Whether there is a module of that name.
    pub fn has_module(&self, name: &str) -> bool {
        match &self.routines.pinned {
            Some(pinned) => pinned.module(name).is_some(),
            None => {
                let view = self.view.as_ref();
                let stored = || view.is_some_and(|view| view.catalog().module(MAIN_SCHEMA, name).is_some());
                self.routines.known.is_local_module(name) || stored()
            }
        }
    }

    /// The whole names of what a module holds.
    pub fn members(&mut self, name: &str) -> Option<Vec<String>> {
        self.refresh_routines();
        self.routines
            .pinned
            .as_ref()
            .unwrap_or(&self.routines.known)
            .members(name)
    }

    /// The macro of that name.
    pub fn macro_named(&mut self, name: &str) -> Option<std::sync::Arc<ast::DefineMacro>> {
        if name.contains('.') {
            // It may be one of a module that the database has.
            self.refresh_routines();
        }
        self.routines.known.macro_named(name)
    }

    /// Functions and variables, for suggestions.
    pub fn routine_names(&self) -> Vec<String> {
        if let Some(pinned) = &self.routines.pinned {
            return pinned.names();
        }
        let variables = self.routines.variables.iter().map(|held| held.variable.name.clone());
        let known = self.routines.known.names().into_iter();
        known
            .chain(known::stored_names(self.view.as_ref()))
            .chain(variables)
            .collect()
    }

    /// Brings what is known of routines up to date with the session's view, unless those of a commit are pinned.
    pub fn refresh_routines(&mut self) {
        let routines = &mut self.routines;
        if routines.pinned.is_none() {
            routines.known.read(self.view.as_ref(), &mut routines.sources);
        }
    }

    /// What makes functions for the types that they are called with.
    pub fn instances(&mut self) -> Instances {
        self.refresh_routines();
        let routines = &self.routines;
        let known = routines.pinned.as_ref().unwrap_or(&routines.known);
        Instances::new(std::sync::Arc::new(known.clone())).with_lifted(routines.lifted.clone())
    }
}

/// Whether a statement is one of these.
pub fn is_ours(kind: &K) -> bool {
    matches!(
        kind,
        K::Let(_)
            | K::Assign(_)
            | K::If(_)
            | K::While(_)
            | K::For(_)
            | K::Throw(_)
            | K::Yield(_)
            | K::Assert(_)
            | K::Eval(_)
            | K::Return(_)
            | K::Break
            | K::Continue
            | K::Routine(_)
            | K::CallRoutine(_)
            | K::Test(_)
            | K::Then(_)
            | K::DiffRoutine(_)
            | K::DefineMacro(_)
            | K::Module(_)
            | K::Import(_)
            | K::Audit(_)
    )
}

/// Runs a statement of the procedural half.
pub fn run(session: &mut Session, statement: &ast::Statement, running: Running) -> Result<StatementResult, Error> {
    match &statement.kind {
        K::Routine(routine) => define::define(session, routine, running),
        K::CallRoutine(call) => match &call.as_of {
            Some(when) => versions::call(session, call, when, running),
            None if spawned::is_async(session, call) => spawned::call(session, call, running),
            None => match models::call(session, call, running) {
                Some(done) => done,
                None => body::call(session, call, running),
            },
        },
        K::DiffRoutine(diff) => versions::diff(session, diff, running).map(StatementResult::Rows),
        K::Let(variable) if define::is_lambda(variable) => define::lambda(session, &variable.name, running),
        K::Let(_) | K::Assign(_) if is_given(session, &statement.kind) => given::name(session, statement, running),
        K::Eval(value) => body::evaluate(session, value, running),
        K::Test(test) => testing::run(session, test, running),
        K::Return(_) | K::Break | K::Continue => {
            let message = format!("{} outside a body", statement.kind.name());
            Err(Error::new(Diagnostic::new("42601", statement.span, message)))
        }
        K::Audit(audit) => models::define_audit(session, audit, running).map(|()| StatementResult::Done),
        K::Module(module) => modules::define(session, module, running).map(|()| StatementResult::Done),
        K::Import(names) => modules::import(session, names).map(|()| StatementResult::Done),
        K::DefineMacro(made) => {
            check_macro(made).map_err(Error::new)?;
            session.relations.routines.known.keep_macro(made);
            Ok(StatementResult::Done)
        }
        _ => body::run(session, statement, running),
    }
}

/// Whether LET, or an assignment, gives a name to a function that another name, or a call, stands for.
fn is_given(session: &mut Session, kind: &K) -> bool {
    session.relations.refresh_routines();
    match kind {
        K::Let(variable) => given::is_function(session, variable),
        K::Assign(assign) => given::is_assigned(session, assign),
        _ => false,
    }
}

/// What is looked at of an expression by itself: of AWAIT, which takes the number of a job there, too, the job.
fn awaiting(value: &ast::Expr, statement: &ast::Statement) -> ast::Statement {
    let kind = match &value.kind {
        ast::ExprKind::Await(job) => K::Eval(job.clone()),
        _ => statement.kind.clone(),
    };
    let span = statement.span;
    ast::Statement { kind, span }
}

/// Looks at a statement of the procedural half without running it; what it asks.
pub fn look(session: &mut Session, statement: &ast::Statement, running: Running) -> Result<Vec<Question>, Error> {
    let looked = match &statement.kind {
        K::Let(variable) if define::is_lambda(variable) => define::lambda(session, &variable.name, running).map(drop),
        K::Let(_) | K::Assign(_) if is_given(session, &statement.kind) => {
            given::name(session, statement, running).map(drop)
        }
        // A version of another time is checked when it is called.
        K::CallRoutine(call) if models::is_one(session, call) => {
            let looked = models::look(session, call, running);
            if call.as_of.is_some() { Ok(()) } else { looked }
        }
        K::CallRoutine(call) if call.as_of.is_some() => Ok(()),
        K::DiffRoutine(_) => Ok(()),
        K::CallRoutine(call) => {
            let value = body::called(session, call, running)?;
            let kind = K::Eval(Box::new(value));
            let span = statement.span;
            return body::look(session, &ast::Statement { kind, span }, running);
        }
        K::Eval(value) => match body::rows_of(session, value) {
            Some(query) => {
                let mut tables = StatementTables::new(&mut session.relations);
                statement::bind(&query, running.dialect, &mut tables).map(drop)
            }
            None => return body::look(session, &awaiting(value, statement), running),
        },
        K::Audit(audit) => models::define_audit(session, audit, running),
        K::Test(test) => body::look(session, &testing::body_of(test, running), running).map(drop),
        K::DefineMacro(_) | K::Import(_) | K::Return(_) | K::Break | K::Continue => {
            run(session, statement, running).map(drop)
        }
        _ => return body::look(session, statement, running),
    };
    looked.map(|()| Vec::new())
}

/// Makes the functions that a script defines known to those before them, unless they are known already.
pub fn declare(session: &mut Session, statements: &[(ast::Statement, gobi_grammar::Dialect)]) {
    let expected = statements.iter().filter_map(|(statement, _)| expected(&statement.kind));
    session.relations.routines.known.expect(expected.collect());
    session.relations.routines.together = Together::of_script(&session.script, statements);
    for (statement, _) in statements {
        if let K::DefineType(define) = &statement.kind {
            types::announce(session, define);
        }
    }
    for (statement, dialect) in statements {
        let K::Routine(routine) = &statement.kind else { continue };
        let [name] = routine.name.as_slice() else { continue };
        if routine.form == ast::RoutineForm::Local && !session.relations.routines.known.is_local(&name.text) {
            define::declare(session, &name.text, statement.span, *dialect);
        }
    }
}

/// A name that a statement may give to a function.
fn expected(statement: &K) -> Option<String> {
    match statement {
        K::Let(variable) => Some(variable.name.text.to_lowercase()),
        K::DefineMacro(made) => Some(made.name.text.to_lowercase()),
        K::Module(_) | K::Import(_) | K::Execute(_) => Some(known::ANY_NAME.to_owned()),
        _ => None,
    }
}

/// DROP AUDIT.
pub fn drop_audit(session: &mut Session, drop: &ast::Drop, running: Running) -> Result<(), Error> {
    models::forget_audit(session, drop, running)
}

/// The table that a model of the database fills; `None` if it is no model.
pub fn model_target(session: &mut Session, name: &str) -> Option<[String; 2]> {
    session.relations.refresh_routines();
    let definition = session.relations.routines.known.find(name)?;
    let spec = models::Spec::of(&definition.name, &definition.routine).ok()??;
    Some(spec.target)
}

/// What statements that make the definitions of a catalog again need to know beside it.
pub fn beside_catalog(session: &mut Session, catalog: &Catalog) -> Result<Beside, Error> {
    let routines = catalog.entries().filter_map(|entry| match &*entry.entity {
        Entity::Routine(def) => Some((entry.id, &def.name)),
        _ => None,
    });
    let models: Vec<(_, &String)> = routines
        .filter(|(_, name)| model_target(session, name).is_some())
        .collect();
    let made = models.iter().filter_map(|(id, name)| {
        let view = models::view_of(session, catalog, name)?;
        Some((view, *id))
    });
    Ok(Beside {
        made: made.collect(),
        models: models.iter().map(|(id, _)| *id).collect(),
        audits: models::audits_as_written(session)?,
    })
}

/// The query that a routine is, with what it sees, and its dialect; `None` if it is anything else.
pub fn query_of(session: &mut Session, name: &str) -> Option<(models::Seen, Dialect)> {
    session.relations.refresh_routines();
    let definition = session.relations.routines.known.find(name)?;
    let parts = models::Parts::of(session, &definition).ok()?;
    let spec = models::Spec::of(&definition.name, &definition.routine).ok()?;
    let given = models::variables(session, &definition, spec.as_ref()).ok()?;
    let seen = parts.look(session, definition.dialect, given, &mut Naming::default());
    Some((seen.ok()?, definition.dialect))
}

/// A script declares a type.
pub fn announce_type(session: &mut Session, name: &str) {
    session.relations.routines.known.announce_type(name);
}

/// DROP of functions of the session; `None` if it is about something else.
pub fn drop_local(session: &mut Session, kind: &K) -> Option<Result<StatementResult, Error>> {
    let K::Drop(drop) = kind else { return None };
    if drop.kind == ObjectKind::Macro {
        return drop_macros(session, drop).map(Ok);
    }
    if drop.kind == ObjectKind::Module {
        return modules::drop_local(session, drop).map(|dropped| dropped.map(|()| StatementResult::Done));
    }
    if !matches!(drop.kind, ObjectKind::Function | ObjectKind::Procedure) {
        return None;
    }
    if let Some(error) = member_dropped(session, drop) {
        return Some(Err(error));
    }
    let types = session.relations.types();
    let known = &mut session.relations.routines.known;
    if let (Some(receiver), [path]) = (&drop.receiver, drop.names.as_slice()) {
        let receiver = crate::procedure::written_receiver(receiver, session.settings.dialect, &types);
        let [name] = path.as_slice() else { return None };
        return match receiver {
            Ok(receiver) => known
                .forget_method(&types, &name.text, &receiver)
                .then_some(Ok(StatementResult::Done)),
            Err(errors) => Some(Err(Error::all(errors))),
        };
    }
    let mut names = drop.names.iter();
    let all_local = names.all(|path| matches!(path.as_slice(), [name] if known.is_local(&name.text)));
    if !all_local {
        return None;
    }
    drop.names.iter().flatten().for_each(|name| known.forget(&name.text));
    Some(Ok(StatementResult::Done))
}

/// DROP MACRO; `None` if one of them is not there.
fn drop_macros(session: &mut Session, drop: &ast::Drop) -> Option<StatementResult> {
    let known = &mut session.relations.routines.known;
    let there = |name: &ast::Ident| known.macro_named(&name.text).is_some();
    if !drop.if_exists && !drop.names.iter().flatten().all(there) {
        return None;
    }
    drop.names
        .iter()
        .flatten()
        .for_each(|name| _ = known.forget_macro(&name.text));
    Some(StatementResult::Done)
}

fn unsupported(what: &str, span: Span) -> Error {
    Error::new(Diagnostic::new("0A000", span, format!("{what} is not supported yet")))
}

/// The error of DROP of what a module holds.
fn member_dropped(session: &mut Session, drop: &ast::Drop) -> Option<Error> {
    session.relations.refresh_routines();
    let known = &session.relations.routines.known;
    drop.names.iter().find_map(|path| {
        let [module, name] = path.as_slice() else { return None };
        let whole = format!("{}.{}", module.text, name.text);
        let members = known.members(&module.text)?;
        let member = members.into_iter().find(|member| member.eq_ignore_ascii_case(&whole))?;
        Some(part_of_module(&member, module, name))
    })
}

/// The error of DROP of one thing of a module.
pub fn part_of_module(member: &str, module: &ast::Ident, name: &ast::Ident) -> Error {
    let module = &module.text;
    let message = format!("`{member}` is a part of the module `{module}`");
    let help = format!("write `module {module} {{…}}` without it, or `DROP MODULE {module}`");
    Error::new(Diagnostic::new("42809", name.span, message).with_help(help))
}
