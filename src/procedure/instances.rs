//! Functions for the types that they are called with.
//!
//! `function twice(x) => x * 2` called with an int and with a double makes two routines, `twice(1)` again none.
//!
//! Invariants: a routine's number never changes once a call names it; a function that calls itself is checked until what was
//! assumed of its result is true.
//!
//! Does not: find definitions; [`Definitions`] does.

mod does;
mod finding;
mod made;
mod queries;
mod remembered;
mod resolver;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Call, Ident, Mode, Returns, Span};

use super::check::{self, Assumed, Unasked};
use super::generics;
use super::params::{Param, params};
use super::question::Question;
use super::{Definition, Definitions, NoDefinitions, base_of};
use crate::plan::routine::{Program, Routine, RoutineId, Variable};
use crate::plan::{Callee, LambdaCall, NamedTypes, ROWS_OF, RoutineCall, TableResolver, bind_type};
use crate::types::LogicalType;
use crate::types::stack::with_room;
use made::Made;
use remembered::Remembered;
pub(super) use resolver::WithInstances;

/// A function that is checked for so many types while it is checked for others never comes to an end.
const MOST_TYPES: usize = 16;

/// Functions that are checked inside of so many others are checked once, if what they give is declared.
const FAR_INSIDE: usize = 4;

/// So many functions may stand between a statement and a function that is checked for it.
const MOST_OPEN: usize = 1_000;

/// The routines of one statement, made as they are called.
#[derive(Debug)]
pub struct Instances {
    pub(super) definitions: Arc<dyn Definitions>,
    routines: Vec<Instance>,
    /// What the bodies among them ask; also what an earlier round of checking would have asked.
    pub(super) questions: Vec<Question>,
    /// What is worth a look in the bodies that were checked.
    pub warnings: Vec<Diagnostic>,
    /// Those of them that whoever runs a script is told, too.
    pub told: Vec<Diagnostic>,
    /// Functions that became parts of queries.
    inlined: Vec<Arc<Definition>>,
    /// The routines that were called.
    called: BTreeSet<usize>,
    /// The routines that are being checked, outermost first.
    open: Vec<usize>,
    /// A result was asked for that is not known yet.
    pub(super) unresolved: bool,
    /// A variable that is a text is not taken for what may be written as one.
    pub(super) strict: bool,
    /// Bodies are checked to see which types fit: what a statement would refuse is an error at once.
    pub(super) trying: bool,
    /// What names of types stand for in the routine that is being checked.
    pub(super) types: NamedTypes,
    /// They outlive the definition that is checked: what is found out about others is found out once.
    pub(super) shared: bool,
    /// What is found again.
    remembered: Remembered,
    /// Relations that the bodies which are being checked make.
    pub(super) made: Made,
    /// Functions of bodies that queries call, by names that nobody can write.
    lifted: Vec<Arc<Definition>>,
    /// Further errors of the body that was found wrong last.
    pub(super) beside: Vec<Diagnostic>,
    /// What that would ask.
    pub(super) unasked: Unasked,
    /// What procedures that CALL calls may throw, by their names in lower case.
    pub(super) raised_by_calls: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
struct Instance {
    name: String,
    /// `None`: nothing calls it.
    definition: Option<Arc<Definition>>,
    params: Vec<(LogicalType, bool)>,
    /// How texts were taken in it.
    strict: bool,
    result: Option<Option<(LogicalType, bool)>>,
    routine: Routine,
    recursive: bool,
}

impl Instance {
    fn is_of(&self, definition: &Definition) -> bool {
        self.name.eq_ignore_ascii_case(&definition.name)
            && self.definition.as_ref().is_none_or(|own| own.stored == definition.stored)
            // A name that is written stands for one definition; others are those of a place.
            && (!self.name.contains('@') || self.definition.as_ref().is_some_and(|own| own.is_same(definition)))
    }
}

impl Default for Instances {
    fn default() -> Self {
        Self::new(Arc::new(NoDefinitions))
    }
}

impl Instances {
    /// None yet.
    pub fn new(definitions: Arc<dyn Definitions>) -> Self {
        Self {
            types: definitions.types(),
            definitions,
            routines: Vec::new(),
            questions: Vec::new(),
            warnings: Vec::new(),
            told: Vec::new(),
            inlined: Vec::new(),
            called: BTreeSet::new(),
            open: Vec::new(),
            unresolved: false,
            strict: false,
            trying: false,
            shared: false,
            remembered: Remembered::default(),
            made: Made::default(),
            lifted: Vec::new(),
            beside: Vec::new(),
            unasked: Unasked::default(),
            raised_by_calls: BTreeMap::new(),
        }
    }

    /// With functions of a body that a query may call.
    #[must_use]
    pub fn with_lifted(self, lifted: Vec<Arc<Definition>>) -> Self {
        Self { lifted, ..self }
    }

    /// Functions of bodies that queries may call.
    pub(super) fn all_lifted(&self) -> Vec<Arc<Definition>> {
        self.lifted.clone()
    }

    /// A function of a body that a query may call, under a name of its own.
    pub(super) fn lifted(&mut self, mut definition: Definition) -> Arc<Definition> {
        let same_place = |known: &&Arc<Definition>| {
            known.name == definition.name || known.name.starts_with(&format!("{}@", definition.name))
        };
        let there: Vec<_> = self.lifted.iter().filter(same_place).collect();
        if let Some(known) = there.iter().find(|known| known.is_same(&definition)) {
            return Arc::clone(known);
        }
        if !there.is_empty() {
            definition.name = format!("{}@{}", definition.name, there.len());
        }
        let definition = Arc::new(definition);
        self.lifted.push(Arc::clone(&definition));
        definition
    }

    /// None yet, to be kept from one definition to the next.
    pub fn shared(definitions: Arc<dyn Definitions>) -> Self {
        Self {
            shared: true,
            ..Self::new(definitions)
        }
    }

    /// The definitions are others now, which say the same of what was made so far.
    pub fn redefine(&mut self, definitions: Arc<dyn Definitions>) {
        self.types = definitions.types();
        self.definitions = definitions;
    }

    /// Another definition is to be checked; how many routines there are.
    pub fn begin(&mut self) -> usize {
        self.inlined.clear();
        self.called.clear();
        self.unasked = Unasked::default();
        self.routines.len()
    }

    /// The definitions that routines were made of.
    pub fn made_of(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.routines.iter().filter_map(|instance| instance.definition.as_ref())
    }

    /// The routines made so far.
    pub fn program(&self) -> Arc<Program> {
        let routines = self.routines.iter().map(|instance| Routine {
            recursive: instance.recursive,
            ..instance.routine.clone()
        });
        Arc::new(Program {
            routines: routines.collect(),
        })
    }

    /// What the routines ask.
    pub fn asked(&self) -> Vec<Question> {
        self.asked_since(0)
    }

    /// What the routines ask, but for the first ones.
    pub fn asked_since(&self, first: usize) -> Vec<Question> {
        let made = self.routines.iter().skip(first);
        let asked: BTreeSet<usize> = made.flat_map(|instance| instance.routine.questions()).collect();
        asked
            .into_iter()
            .filter_map(|number| self.questions.get(number).cloned())
            .collect()
    }

    /// Whether something of that name can be called.
    pub fn has(&self, name: &str) -> bool {
        let name = name.strip_suffix(ROWS_OF).unwrap_or(name);
        self.lifted.iter().any(|lifted| lifted.name == name)
            || self.definitions.find(name).is_some()
            || !self.definitions.methods(name).is_empty()
    }

    /// Whether a call gives a function; that of a module has its whole name.
    pub fn gives_function(&self, call: &Call) -> bool {
        let found = self.definitions.find_at(&call.name);
        found.is_some_and(|definition| definition.gives_function(&*self.definitions))
    }

    /// Names of what can be called.
    pub fn names(&self) -> Vec<String> {
        self.definitions.names()
    }

    /// Notes a definition that is called without a routine of its own.
    pub(super) fn note_use(&mut self, definition: &Arc<Definition>) {
        if !self.inlined.iter().any(|known| Arc::ptr_eq(known, definition)) {
            self.inlined.push(Arc::clone(definition));
        }
    }

    /// The definitions that are called; not all that they call, if that was known.
    pub fn called(&self) -> Vec<Arc<Definition>> {
        let called = self.called.iter().filter_map(|number| self.routines.get(*number));
        let called = called.filter_map(|instance| instance.definition.clone());
        // Lambdas have names that nobody can write.
        let has_name = |definition: &Arc<Definition>| !definition.name.contains('@');
        called.chain(self.inlined.iter().cloned()).filter(has_name).collect()
    }

    /// Adds a body that nothing calls.
    pub(super) fn add(&mut self, routine: Routine) -> RoutineId {
        self.routines.push(Instance {
            name: routine.name.clone(),
            definition: None,
            params: Vec::new(),
            strict: false,
            result: None,
            routine,
            recursive: false,
        });
        id(self.routines.len() - 1)
    }

    /// The routine that a call leads to; `None` if there is no definition of that name.
    pub fn call(
        &mut self,
        call: &RoutineCall<'_>,
        tables: Option<&mut dyn TableResolver>,
    ) -> Option<Result<Callee, Diagnostic>> {
        let declared = self.definitions.types();
        let definition = match self.definition_of(call, &declared)? {
            Ok(definition) => definition,
            Err(error) => return Some(Err(error)),
        };
        let types = generics::bound(&definition, call, &declared);
        Some(types.and_then(|types| self.callee(&definition, call, types, tables)))
    }

    /// The routine of a definition that nobody finds by its name.
    pub(super) fn call_of(
        &mut self,
        definition: &Arc<Definition>,
        call: &RoutineCall<'_>,
        tables: Option<&mut dyn TableResolver>,
    ) -> Result<Callee, Diagnostic> {
        let types = self.definitions.types();
        self.callee(definition, call, types, tables)
    }

    /// The routine of a lambda for arguments of these types.
    pub(super) fn lambda(
        &mut self,
        definition: &Arc<Definition>,
        types: &[(LogicalType, bool)],
        span: Span,
        tables: Option<&mut dyn TableResolver>,
    ) -> Result<Callee, Diagnostic> {
        let name = Ident {
            text: definition.name.clone(),
            quoted: true,
            span,
        };
        let args = types
            .iter()
            .map(|(ty, nullable)| (None, ty.clone(), *nullable))
            .collect();
        let call = RoutineCall { name: &name, args };
        let types = match definition.routine.type_params.is_empty() {
            // What it names are the types of the routine around it.
            true => self.types.clone(),
            false => generics::bound(definition, &call, &self.definitions.types())?,
        };
        self.callee(definition, &call, types, tables)
    }

    /// The routine of an expression with lambdas.
    pub fn lambda_of(
        &mut self,
        call: &LambdaCall<'_>,
        tables: Option<&mut dyn TableResolver>,
    ) -> Result<Callee, Diagnostic> {
        let types = call.params.iter().map(|(_, ty, nullable)| (ty.clone(), *nullable));
        let types: Vec<(LogicalType, bool)> = types.collect();
        let definition = Definition::of_expression(call);
        self.lambda(&Arc::new(definition), &types, call.body.span, tables)
    }

    fn callee(
        &mut self,
        definition: &Arc<Definition>,
        call: &RoutineCall<'_>,
        types: NamedTypes,
        tables: Option<&mut dyn TableResolver>,
    ) -> Result<Callee, Diagnostic> {
        let outer = std::mem::replace(&mut self.types, types);
        let callee = self.callee_here(definition, call, tables);
        self.types = outer;
        callee
    }

    fn callee_here(
        &mut self,
        definition: &Arc<Definition>,
        call: &RoutineCall<'_>,
        tables: Option<&mut dyn TableResolver>,
    ) -> Result<Callee, Diagnostic> {
        let types = self.types.clone();
        let mut nothing = WithInstances {
            tables: None,
            instances: self,
        };
        let params = params(definition, call, &types, &mut nothing)?;
        let key = params.iter().map(|param| (param.ty.clone(), param.nullable));
        let bound = types.bound().iter().map(|(_, ty)| (ty.clone(), false));
        let key: Vec<(LogicalType, bool)> = key.chain(bound).collect();
        let number = self.instance(definition, &params, &key, call, tables)?;
        self.called.insert(number);
        let instance = &self.routines[number];
        let Some(result) = instance.result.clone() else {
            self.unresolved = true;
            let message = format!(
                "the type that `{}` gives cannot be told, since it calls itself",
                definition.shown_name()
            );
            let help = "write its type: `returns …`";
            return Err(Diagnostic::new("42P18", call.name.span, message).with_help(help));
        };
        let effects = instance.routine.effects && self.any_question(number, &|_| true);
        let volatile = self.is_volatile(number);
        let (result, nullable) = result.unwrap_or((LogicalType::Null, true));
        let passed = params.into_iter().map(|param| (param.ty, param.passed)).collect();
        Ok(Callee {
            routine: id(number),
            params: passed,
            result,
            nullable,
            volatile,
            effects,
            is_async: definition.routine.mode == Some(Mode::Async),
        })
    }

    /// The number of the routine for these types.
    fn instance(
        &mut self,
        definition: &Arc<Definition>,
        params: &[Param],
        key: &[(LogicalType, bool)],
        call: &RoutineCall<'_>,
        tables: Option<&mut dyn TableResolver>,
    ) -> Result<usize, Diagnostic> {
        if let Some(known) = self.known(definition, key) {
            if let Some(at) = self.open.iter().position(|open| *open == known) {
                // Everything between a call and the routine that it leads back to may be in itself.
                for open in self.open.iter().skip(at) {
                    self.routines[*open].recursive = true;
                }
            }
            return Ok(known);
        }
        if let Some(param) = params.iter().position(|param| param.ty == LogicalType::Null) {
            let name = &definition.routine.params[param].name.text;
            let message = format!(
                "the type of the parameter `{name}` of `{}` cannot be told from NULL",
                definition.shown_name()
            );
            let help = "cast the argument, as in `null :: int`, or declare the parameter's type";
            return Err(Diagnostic::new("42P18", call.name.span, message).with_help(help));
        }
        if let Some(error) = self.failure(definition, key) {
            return Err(error);
        }
        self.check_ends(definition, call)?;
        let number = self.routines.len();
        self.remembered.note(&definition.name, number);
        self.routines.push(Instance {
            name: definition.name.clone(),
            definition: Some(definition.clone()),
            params: key.to_vec(),
            strict: self.strict,
            result: self.result_declared(definition),
            routine: Routine {
                effects: self.open.len() >= FAR_INSIDE && definition.asked().has_questions(),
                ..Routine::default()
            },
            recursive: false,
        });
        self.open.push(number);
        let made = with_room(|| self.make(number, definition, params, tables));
        self.open.pop();
        if let Err(error) = &made {
            // Nothing is left of it for those who look again.
            self.routines.truncate(number);
            self.note_failure(definition, key, error);
        }
        made.map(|()| number)
    }

    /// What is said of a result before the body is looked at. Far inside of others, which would look again and again, it may be NULL.
    fn result_declared(&self, definition: &Definition) -> Option<Option<(LogicalType, bool)>> {
        match &definition.routine.returns {
            Returns::Void => Some(None),
            Returns::Type(ty) if !definition.rows && !super::is_trigger(ty) => {
                let ty = bind_type(ty, definition.dialect, &self.types).ok()?;
                Some(Some((ty, self.open.len() >= FAR_INSIDE)))
            }
            _ => None,
        }
    }

    /// An error if functions have called each other for ever other types, or with ever other functions.
    fn check_ends(&self, definition: &Definition, call: &RoutineCall<'_>) -> Result<(), Diagnostic> {
        if self.open.len() >= MOST_OPEN {
            let message = format!("functions call each other through more than {MOST_OPEN} others");
            let help = "let one of them do the work of several";
            return Err(Diagnostic::new("54001", call.name.span, message).with_help(help));
        }
        let open = self.open.iter().filter_map(|open| self.routines.get(*open));
        let open = open.filter(|open| {
            open.definition
                .as_ref()
                .is_some_and(|open| open.is_written_as(definition))
        });
        if open.count() < MOST_TYPES {
            return Ok(());
        }
        let name = base_of(&definition.name);
        let (what, help) = match definition.functions.is_empty() {
            true => (
                "types",
                "declare the types of its parameters, so that each call has the same",
            ),
            false => (
                "functions",
                "there is code for each function that it is called with: hand on the one that it is given",
            ),
        };
        let message = format!("`{name}` calls itself with other {what} each time");
        Err(Diagnostic::new("54001", call.name.span, message).with_help(help))
    }

    /// Checks the body until what was assumed is so: its result, and that it asks nothing.
    fn make(
        &mut self,
        number: usize,
        definition: &Arc<Definition>,
        params: &[Param],
        mut tables: Option<&mut dyn TableResolver>,
    ) -> Result<(), Diagnostic> {
        let names = definition.routine.params.iter().map(|param| &param.name.text);
        let variables: Vec<Variable> = names
            .zip(params)
            .map(|(name, param)| Variable {
                name: name.clone(),
                ty: param.ty.clone(),
                nullable: param.nullable,
                full: false,
            })
            .collect();
        let mut assumed = Assumed::default();
        loop {
            self.routines.truncate(number + 1);
            let before = std::mem::replace(&mut self.unresolved, false);
            // The lifetime of the trait object is shortened here, which no closure does.
            #[allow(clippy::manual_map)]
            let tables = match &mut tables {
                Some(tables) => Some(&mut **tables as &mut dyn TableResolver),
                None => None,
            };
            let checked = check::check_function(definition, &variables, &mut assumed, self, tables);
            let unresolved = std::mem::replace(&mut self.unresolved, before);
            let mut settled = checked?;
            let known = self.routines[number].result.clone();
            let result = settled.result.clone();
            let is_weaker = match (&known, &result) {
                (Some(Some((known, true))), Some((result, false))) => known == result,
                _ => false,
            };
            let result = match known.clone() {
                Some(known) if is_weaker && self.open.len() > FAR_INSIDE => known,
                _ => result,
            };
            settled.result.clone_from(&result);
            self.routines[number].result = Some(result.clone());
            let asks = !self.routines[number].routine.effects && settled.effects;
            let recursive = self.routines[number].recursive;
            if known != Some(result) && (unresolved || recursive) || asks && recursive {
                self.routines[number].routine.effects = settled.effects;
                continue;
            }
            self.routines[number].routine = settled;
            return Ok(());
        }
    }

    /// Whether a function of that name is being checked.
    pub(super) fn is_open(&self, name: &str) -> bool {
        let mut open = self.open.iter().filter_map(|number| self.routines.get(*number));
        open.any(|instance| instance.name.eq_ignore_ascii_case(name))
    }

    /// What is assumed of the result of the routine that is being checked.
    pub(super) fn assumed_result(&self) -> Option<(LogicalType, bool)> {
        let open = self.open.last()?;
        self.routines.get(*open)?.result.clone().flatten()
    }
}

fn id(number: usize) -> RoutineId {
    RoutineId(u32::try_from(number).unwrap_or(u32::MAX))
}
