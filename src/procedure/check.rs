//! From syntax trees to a checked routine.
//!
//! `let total = 0; for x in range(1, n) { total = total + x }; return total` becomes variables `n`, `total` and `x`, of which none
//! may be NULL if `n` may not, and three statements over them.
//!
//! A body is checked several times: what a variable's type is, and whether it may be NULL, is first assumed from its first
//! value, and checked again with what the later ones made of it, until nothing changes.
//!
//! Invariants: all errors of a body are reported at once; what is returned needs no more checks.
//!
//! Does not: look at data.

mod arguments;
mod assumed;
mod called;
mod caught;
mod collect;
mod doubts;
mod elements;
mod ends;
mod exceptions;
mod flow;
mod follows;
mod full;
mod future;
mod gathered;
mod giving;
mod handed;
mod inner;
mod lambda;
mod lift;
mod lifted;
mod loops;
mod making;
mod matching;
mod query;
mod raising;
mod rows;
mod ruled;
mod shortcut;
mod statement;
mod stream;
mod target;
mod tidy;
mod trial;
mod trigger;
mod unasked;
mod uncalled;
mod unused;
mod value;
mod yielding;

use std::sync::Arc;

use gobi_grammar::ast::{self, Returns, RoutineBody, Span};
use gobi_grammar::{Diagnostic, Dialect};

use super::inferring;
use super::instances::{Instances, WithInstances};
use super::params;
use super::{Definition, Handed, Question};
use crate::plan::logical::{ColumnId, Expr};
use crate::plan::routine::{Program, Routine, RoutineId, Statement, Variable};
use crate::plan::{BodyName, Expansions, NamedTypes, RoutineCall, TableResolver, bind_type};
use crate::types::{LogicalType, Value};
pub(super) use assumed::Assumed;
use assumed::{Assumption, Origins};
use flow::Assigned;
use follows::follows;
use raising::Raised;
use trigger::TriggerNames;
pub use trigger::{CALLED, CheckedTrigger, RowInput, RowOutput, SKIPPED, TriggerOf, check_trigger};
pub(super) use unasked::Unasked;

/// Rounds of assumptions before the types are given up.
const MAX_ROUNDS: usize = 24;

/// A checked body.
#[derive(Debug)]
pub struct Checked {
    /// The body and the functions that it calls.
    pub program: Arc<Program>,
    /// The body.
    pub body: RoutineId,
    /// What it asks, and what an earlier round of checking would have asked: see [`Checked::asked`].
    pub questions: Vec<Question>,
    /// Its parameters that have a value when it ends.
    pub known: Vec<Variable>,
    /// What is worth a look in it, and in the functions that it calls.
    pub warnings: Vec<Diagnostic>,
    /// Those of them that whoever runs it is told, too.
    pub told: Vec<Diagnostic>,
    /// The functions that are in the program.
    pub made_of: Vec<Arc<Definition>>,
}

/// The state of checking one body.
pub(super) struct Checker<'c> {
    instances: &'c mut Instances,
    tables: Option<&'c mut dyn TableResolver>,
    dialect: Dialect,
    assumed: &'c Assumed,
    /// Where variables are made.
    origins: Origins,
    /// What the next round assumes of them.
    next: Vec<Assumption>,
    variables: Vec<Variable>,
    /// The types of these were written.
    declared: Vec<bool>,
    names: Vec<BodyName>,
    /// What LET declares, and where.
    lets: Vec<(ColumnId, Span)>,
    /// What variables with names are given, and where.
    given: Vec<(ColumnId, Span, LogicalType)>,
    /// Errors, by their numbers, about values that do not fit these variables.
    misfits: Vec<(usize, ColumnId)>,
    /// Names that stand for lambdas.
    closures: Vec<lambda::Closure>,
    /// Functions that were given names, and the places of those that are called.
    named: Vec<lambda::Closure>,
    called: std::collections::HashSet<u32>,
    /// How often such a lambda was applied.
    applied: usize,
    /// Functions around the statement that give others, of which it became a part.
    givers: usize,
    expansions: Expansions,
    flow: Assigned,
    /// Loops around the statement.
    loops: usize,
    /// TRYs around it.
    tries: usize,
    /// The handlers around it: the variables that have the messages of what they have caught, innermost last.
    handlers: Vec<ColumnId>,
    /// The relations of the query that is looked at are written, not read.
    writes: bool,
    /// What the THEN blocks around it yield.
    yields: Vec<Option<yielding::Yielded>>,
    /// Rows may have been collected.
    collects: bool,
    /// What was collected is added within what is being checked.
    flushes: bool,
    /// `returns` of the definition.
    wanted: Returned,
    /// What RETURN gave so far.
    returned: Option<(LogicalType, bool)>,
    /// It is a statement of a script, which RETURN does not leave.
    is_script: bool,
    /// Bare queries are shown, as in scripts and procedures.
    shows: bool,
    /// The call by itself that is looked at: its value is wanted by nobody.
    alone: Option<Span>,
    /// The TRY or MATCH that is looked at stands by itself: nobody wants what its blocks end with.
    unwanted: bool,
    effects: bool,
    /// The body is that of a trigger.
    trigger: Option<TriggerNames>,
    /// Exceptions that may leave it.
    raised: Raised,
    /// `raises` of the definition.
    raises: Vec<ast::Ident>,
    errors: Vec<Diagnostic>,
    /// What is worth a look, if nothing of it changes.
    doubts: Vec<Diagnostic>,
}

/// What is said of a result.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Returned {
    /// Nothing.
    Inferred,
    /// All rows of the query that is returned.
    Rows,
    /// That there is none.
    Void,
    /// Its type.
    Type(LogicalType),
}

/// A variable that a body begins with.
#[derive(Clone, Debug)]
pub struct Given {
    /// The variable; of type NULL if its type is not known yet.
    pub variable: Variable,
    /// Its type was written.
    pub declared: bool,
    /// It has a value.
    pub has_value: bool,
}

/// Checks statements over variables, the ones given first, of which some may have no value yet.
pub fn check_body(
    statements: &[ast::Statement],
    params: &[Given],
    dialect: Dialect,
    instances: &mut Instances,
    tables: &mut dyn TableResolver,
) -> Result<Checked, Vec<Diagnostic>> {
    let variables: Vec<Variable> = params.iter().map(|given| given.variable.clone()).collect();
    let mut assumed = Assumed::default();
    let mut known = Vec::new();
    let routine = settle(&mut assumed, instances, Some(tables), |mut checker| {
        checker.dialect = dialect;
        (checker.is_script, checker.shows) = (true, true);
        checker.begin(&variables);
        checker.forget(params);
        let body = checker.block(statements);
        known = checker.known(params.len());
        checker.finish("script", params.len(), body)
    })?;
    let mut routine = routine;
    for variable in routine.variables.iter_mut().take(params.len()) {
        // A cell says whether there is a value.
        variable.nullable = variable.nullable || known.iter().all(|v: &Variable| v.name != variable.name);
    }
    Ok(Checked::of(routine, known, instances))
}

/// Checks LET of a function over the same; the function, which keeps what the body gives: a struct, or nothing.
pub fn check_function_of(
    variable: &ast::Let,
    params: &[Given],
    dialect: Dialect,
    mut instances: Instances,
    tables: &mut dyn TableResolver,
) -> Result<(Checked, Option<Handed>), Vec<Diagnostic>> {
    let variables: Vec<Variable> = params.iter().map(|given| given.variable.clone()).collect();
    let mut assumed = Assumed::default();
    let (mut known, mut function) = (Vec::new(), None);
    let routine = settle(&mut assumed, &mut instances, Some(tables), |mut checker| {
        checker.dialect = dialect;
        checker.begin(&variables);
        checker.forget(params);
        let mut body = Vec::new();
        function = checker.let_as_value(variable, &mut body);
        known = checker.known(params.len());
        checker.finish("script", params.len(), body)
    })?;
    Ok((Checked::of(routine, known, &mut instances), function))
}

impl Checked {
    fn of(routine: Routine, known: Vec<Variable>, instances: &mut Instances) -> Self {
        let body = instances.add(routine);
        Self {
            program: instances.program(),
            body,
            questions: std::mem::take(&mut instances.questions),
            known,
            warnings: std::mem::take(&mut instances.warnings),
            told: std::mem::take(&mut instances.told),
            made_of: instances.made_of().cloned().collect(),
        }
    }

    /// What the routines of the program ask.
    pub fn asked(&self) -> impl Iterator<Item = &Question> {
        let numbers = self.program.questions().into_iter();
        numbers.filter_map(|number| self.questions.get(number))
    }
}

/// Checks the body of a definition for parameters of these types.
pub(super) fn check_function(
    definition: &Definition,
    params: &[Variable],
    assumed: &mut Assumed,
    instances: &mut Instances,
    tables: Option<&mut dyn TableResolver>,
) -> Result<Routine, Diagnostic> {
    let wanted = wanted(definition, &instances.types).map_err(first)?;
    let checked = settle(assumed, instances, tables, |mut checker| {
        checker.dialect = definition.dialect;
        checker.wanted = wanted.clone();
        checker.raises.clone_from(&definition.routine.raises);
        checker.shows = definition.routine.is_procedure && !definition.rows;
        checker.begin(params);
        checker.name_captured(&definition.captured);
        let mut before = checker.constants(&definition.constants);
        checker.take_functions(&definition.functions, params.len());
        let body = match &definition.routine.body {
            RoutineBody::Block(block) => checker.function_block(&block.statements),
            RoutineBody::Value(value) => {
                let mut out = Vec::new();
                checker.return_value(Some(value), Span::default(), &mut out);
                out
            }
        };
        before.extend(body);
        checker.finish(&definition.name, params.len(), before)
    });
    checked.map_err(|mut errors| {
        let mut rest = errors.split_off(errors.len().min(1));
        let known = first(errors);
        rest.retain(|error| !follows(error, &known, definition));
        instances.beside = rest;
        known
    })
}

/// Checks a definition by itself: with the types that are declared, and, where one is not, those that its body says.
pub fn check_definition(
    definition: &Definition,
    instances: &mut Instances,
    tables: &mut dyn TableResolver,
) -> Result<Option<Callable>, Vec<Diagnostic>> {
    if !definition.routine.type_params.is_empty() {
        // What they stand for is known where it is called.
        return Ok(None);
    }
    if definition.gives_function(&*instances.definitions) {
        return giving::checked(definition, instances, tables);
    }
    let named = instances.types.clone();
    let mut resolver = WithInstances {
        tables: Some(&mut *tables),
        instances: &mut *instances,
    };
    params::check_defaults(definition, &named, &mut resolver)?;
    wanted(definition, &instances.types)?;
    let mut types = Vec::new();
    for param in &definition.routine.params {
        match &param.ty {
            Some(ty) => types.push(Some(bind_type(ty, definition.dialect, &instances.types)?)),
            None => types.push(None),
        }
    }
    if types.contains(&None) {
        return inferring::inferred(definition, &types, instances, tables);
    }
    let types: Vec<LogicalType> = types.into_iter().flatten().collect();
    let name = ast::Ident {
        text: definition.name.clone(),
        quoted: false,
        span: Span::default(),
    };
    let call = RoutineCall {
        name: &name,
        args: types.iter().map(|ty| (None, ty.clone(), true)).collect(),
    };
    match instances.call(&call, Some(tables)) {
        None => Ok(None),
        Some(Ok(callee)) => Ok(Some(Callable {
            params: types.iter().map(|ty| Some(ty.to_string())).collect(),
            result: Some(inferring::result_of(&[callee.result])),
        })),
        Some(Err(error)) => {
            // Those of what it calls are that one's.
            let own = std::mem::take(&mut instances.beside);
            Err(std::iter::once(error).chain(own).collect())
        }
    }
}

/// The types of a definition.
#[derive(Debug)]
pub struct Callable {
    /// Those that its parameters take, in words; `None` if nothing is known of it.
    pub params: Vec<Option<String>>,
    /// What it gives, in words; `None` if nothing is known of it.
    pub result: Option<String>,
}

/// Whether a type, or one within it, is none that something has.
fn is_unknown(ty: &LogicalType) -> bool {
    match ty {
        LogicalType::Null => true,
        LogicalType::Array(item) => is_unknown(item),
        LogicalType::Map(of) => is_unknown(&of.0) || is_unknown(&of.1),
        _ => false,
    }
}

/// Checks again and again, until the assumptions are true.
fn settle(
    assumed: &mut Assumed,
    instances: &mut Instances,
    mut tables: Option<&mut dyn TableResolver>,
    mut check: impl FnMut(Checker<'_>) -> Result<(Routine, Assumed), Vec<Diagnostic>>,
) -> Result<Routine, Vec<Diagnostic>> {
    let made = instances.made.count();
    for _ in 0..MAX_ROUNDS {
        instances.made.forget(made);
        // The lifetime of the trait object is shortened here, which no closure does.
        #[allow(clippy::manual_map)]
        let tables = match &mut tables {
            Some(tables) => Some(&mut **tables as &mut dyn TableResolver),
            None => None,
        };
        let checked = check(Checker {
            instances: &mut *instances,
            tables,
            dialect: Dialect::Grizzly,
            assumed,
            origins: Origins::default(),
            next: Vec::new(),
            variables: Vec::new(),
            declared: Vec::new(),
            names: Vec::new(),
            lets: Vec::new(),
            given: Vec::new(),
            misfits: Vec::new(),
            closures: Vec::new(),
            named: Vec::new(),
            called: std::collections::HashSet::new(),
            applied: 0,
            givers: 0,
            expansions: Expansions::default(),
            flow: Assigned::default(),
            loops: 0,
            tries: 0,
            handlers: Vec::new(),
            writes: false,
            yields: Vec::new(),
            collects: false,
            flushes: false,
            wanted: Returned::Inferred,
            returned: None,
            is_script: false,
            shows: false,
            alone: None,
            unwanted: false,
            effects: false,
            trigger: None,
            raised: Raised::default(),
            raises: Vec::new(),
            errors: Vec::new(),
            doubts: Vec::new(),
        });
        let (routine, next) = checked.inspect_err(|_| instances.made.forget(made))?;
        if next == *assumed {
            instances.made.forget(made);
            return Ok(routine);
        }
        *assumed = next;
    }
    let message = "the types of the variables cannot be told: each round of a loop gives one of them more digits";
    let error = Diagnostic::new("42P18", Span::default(), message)
        .with_help("declare their types: `let x: decimal(18, 4) = …`");
    Err(vec![error])
}

fn wanted(definition: &Definition, types: &NamedTypes) -> Result<Returned, Vec<Diagnostic>> {
    Ok(match &definition.routine.returns {
        Returns::Inferred if definition.rows => Returned::Rows,
        Returns::Type(_) | Returns::Void if definition.rows => return Err(vec![gathered::gives_a_value(definition)]),
        Returns::Inferred => Returned::Inferred,
        Returns::Void => Returned::Void,
        Returns::Rows(_) => return Err(vec![super::returned::no_rows(definition)]),
        Returns::Type(ty) if super::is_trigger(ty) => return Err(vec![trigger::called_by_triggers(definition)]),
        Returns::Type(ty) => Returned::Type(bind_type(ty, definition.dialect, types)?),
    })
}

pub(super) fn first(errors: Vec<Diagnostic>) -> Diagnostic {
    let none = || Diagnostic::new("XX000", Span::default(), "an error without a message");
    errors.into_iter().next().unwrap_or_else(none)
}

impl Checker<'_> {
    /// Declares the parameters.
    fn begin(&mut self, params: &[Variable]) {
        for param in params {
            let id = self.new_variable(&param.name, Some(param.ty.clone()), param.nullable);
            self.name(&param.name, id);
            self.flow.assign(id);
        }
    }

    /// Calls the first parameters by the names that they have outside of a lambda.
    fn name_captured(&mut self, captured: &[super::Captured]) {
        for (at, variable) in captured.iter().enumerate() {
            if let (Some(of), Some(name)) = (&variable.of, self.names.get_mut(at)) {
                name.of = Some(of.clone());
            }
        }
    }

    /// Variables that begin with the values which they had where a lambda was made.
    fn constants(&mut self, constants: &[(String, LogicalType, Value)]) -> Vec<Statement> {
        let mut out = Vec::with_capacity(constants.len());
        for (name, ty, value) in constants {
            let id = self.new_variable(name, Some(ty.clone()), *value == Value::Null);
            self.name(name, id);
            self.flow.assign(id);
            out.push(Statement::Set(
                id,
                Expr::literal(value.clone(), ty.clone(), Span::default()),
            ));
        }
        out
    }

    /// Parameters of a script that have no value yet, and those whose types may still change.
    fn forget(&mut self, params: &[Given]) {
        for (at, given) in params.iter().enumerate() {
            self.declared[at] = given.declared;
            if !given.has_value {
                self.flow.forget(ColumnId(number(at)));
            }
        }
    }

    /// The parameters that have a value here.
    fn known(&self, params: usize) -> Vec<Variable> {
        let known = self.variables.iter().take(params).enumerate();
        let known = known.filter(|(at, _)| self.flow.has(ColumnId(number(*at))));
        known.map(|(_, variable)| variable.clone()).collect()
    }

    /// A new variable; its type is the one given, if one was written, else what is assumed.
    fn new_variable(&mut self, name: &str, ty: Option<LogicalType>, nullable: bool) -> ColumnId {
        let at = self.variables.len();
        let assumed = self.assumed.of(self.origins.next(!name.is_empty()));
        self.variables.push(Variable {
            name: name.to_owned(),
            ty: assumed.ty.clone().or(ty).unwrap_or(LogicalType::Null),
            nullable: nullable || assumed.nullable,
            full: false,
        });
        self.declared.push(true);
        self.next.push(assumed);
        ColumnId(number(at))
    }

    fn name(&mut self, name: &str, id: ColumnId) {
        self.names.push(BodyName {
            of: None,
            name: name.to_owned(),
            id,
        });
    }

    fn error(&mut self, error: Diagnostic) {
        self.errors.push(error);
    }

    fn finish(
        mut self,
        name: &str,
        params: usize,
        body: Vec<Statement>,
    ) -> Result<(Routine, Assumed), Vec<Diagnostic>> {
        let falls_through = self.flow.is_reachable();
        self.check_uncalled();
        self.tell_of_rows();
        let declared = self.declared_names(&self.raises.clone());
        self.check_raises(0, &declared);
        let raises = self.leaving();
        let result = match (&self.wanted, self.returned.take()) {
            (Returned::Void, _) | (Returned::Inferred | Returned::Rows, None) => None,
            (Returned::Type(ty), returned) => {
                let nullable = returned.is_none_or(|(_, nullable)| nullable);
                Some((ty.clone(), nullable || falls_through))
            }
            (Returned::Inferred | Returned::Rows, Some((ty, nullable))) => Some((ty, nullable || falls_through)),
        };
        // What hangs on a result, or on the type of a variable, that is not known yet is looked at again.
        let unknown = self.variables.iter().any(|variable| is_unknown(&variable.ty));
        let again = self.instances.unresolved && result.is_some() || unknown && self.concluded() != *self.assumed;
        if !self.errors.is_empty() && !again {
            self.keep_unasked(name, &body);
            self.name_both_uses();
            self.errors.sort_by_key(|error| (error.span().start, error.span().end));
            self.errors.dedup();
            return Err(self.errors);
        }
        self.warn_of_unused(&body, params);
        self.tell_doubts();
        let body = self.tidied(body);
        let next = self.concluded();
        let routine = Routine {
            name: name.to_owned(),
            variables: self.variables,
            params,
            result,
            body,
            recursive: false,
            raises,
            effects: self.effects,
        };
        Ok((routine, next))
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
