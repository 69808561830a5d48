//! Modules: definitions under one name, which see each other without it.
//!
//! `module geo { function square(x double) => x * x; function area(r double) => 3.14 * square(r) }` makes `geo.square` and `geo.area`; the
//! call of `square` inside is one of `geo.square`.
//!
//! Invariants: what a definition of a module calls `f` is the module's `f`, unless it declares an `f` of its own: a parameter,
//! variable or inner function.
//!
//! Does not: keep modules, or check what is in them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    self, Call, Catch, CatchArm, DefineException, DefineMacro, DefineType, Expr, ExprKind, Ident, Lambda, Query,
    Routine, RoutineForm, Statement, StatementKind as K, TableRef, TableRefKind, TypeBody, TypeForm, TypeName,
};
use gobi_grammar::{Diagnostic, Dialect};

use super::Definition;

/// The definitions of a module, by their whole names.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name, case preserved.
    pub name: String,
    /// Functions and procedures.
    pub routines: Vec<Arc<Definition>>,
    /// Macros.
    pub macros: Vec<Arc<DefineMacro>>,
    /// Exceptions, by their whole names.
    pub exceptions: Vec<DefineException>,
    /// Types, by their whole names.
    pub types: Vec<DefineType>,
}

impl Module {
    /// Reads one; `is_type` tells types from other names.
    pub fn of(module: &ast::Module, dialect: Dialect, is_type: &dyn Fn(&str) -> bool) -> Result<Self, Diagnostic> {
        let members = members(module)?;
        let types = types(module)?;
        let exceptions = exceptions(module)?;
        let mut read = Self {
            name: module.name.text.clone(),
            routines: Vec::new(),
            macros: Vec::new(),
            exceptions: Vec::new(),
            types: Vec::new(),
        };
        let is_own = |name: &str| types.values().any(|own| own.eq_ignore_ascii_case(name));
        let is_type = |name: &str| is_own(name) || is_type(name);
        for statement in &module.body.statements {
            let mut statement = statement.clone();
            let mut qualify = Qualify {
                members: &members,
                types: &types,
                exceptions: &exceptions,
                hidden: declared(&mut statement.clone()),
                queries: 0,
            };
            qualify.statement(&mut statement);
            match statement.kind {
                K::Routine(routine) => {
                    let name = whole(&module.name, member_name(&routine).map_or("", |name| &name.text));
                    let definition = Definition::of_routine(&name, *routine, dialect, &is_type);
                    read.routines.push(Arc::new(definition));
                }
                K::DefineMacro(mut made) => {
                    made.name.text = whole(&module.name, &made.name.text);
                    read.macros.push(Arc::new(*made));
                }
                K::DefineException(mut exception) => {
                    exception.name.text = whole(&module.name, &exception.name.text);
                    read.exceptions.push(exception);
                }
                K::DefineType(mut define) => {
                    qualify.type_body(&mut define.body);
                    for name in &mut define.name {
                        name.text = whole(&module.name, &name.text);
                    }
                    read.types.push(*define);
                }
                _ => {}
            }
        }
        Ok(read)
    }

    /// The words of its functions and procedures, in lower case.
    pub fn words(&self) -> HashSet<String> {
        let words = self.routines.iter().flat_map(|routine| routine.words().iter());
        words.cloned().collect()
    }

    /// The whole names of what can be called.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        let macros = self.macros.iter().map(|made| &made.name.text);
        self.routines.iter().map(|routine| &routine.name).chain(macros)
    }
}

fn whole(module: &Ident, name: &str) -> String {
    format!("{}.{name}", module.text)
}

fn member_name(routine: &Routine) -> Option<&Ident> {
    match routine.name.as_slice() {
        [name] if routine.form == RoutineForm::Local => Some(name),
        _ => None,
    }
}

/// The whole names of what a module defines, by the short ones in lower case.
fn members(module: &ast::Module) -> Result<BTreeMap<String, String>, Diagnostic> {
    let mut members = BTreeMap::new();
    let mut seen: Vec<(String, Option<&ast::TypeName>)> = Vec::new();
    for statement in &module.body.statements {
        let (name, receiver) = match &statement.kind {
            K::Routine(routine) => match member_name(routine) {
                Some(name) => (name, routine.receiver.as_ref()),
                None => {
                    let message = "the definitions of a module are kept with it";
                    let help = "write `function …` or `procedure …`, without `upsert`, `create` and a schema";
                    return Err(Diagnostic::new("42601", statement.span, message).with_help(help));
                }
            },
            K::DefineMacro(made) => (&made.name, None),
            K::DefineException(_) | K::DefineType(_) => continue,
            other => {
                let message = format!("{} in a module", other.name());
                let help = "a module holds functions, procedures, macros, types and exceptions";
                return Err(Diagnostic::new("42601", statement.span, message).with_help(help));
            }
        };
        let key = name.text.to_lowercase();
        if seen.iter().any(|known| *known == (key.clone(), receiver)) {
            let message = format!("`{}` is there twice in `{}`", name.text, module.name.text);
            let help = "give one of them another name";
            return Err(Diagnostic::new("42723", name.span, message).with_help(help));
        }
        seen.push((key.clone(), receiver));
        members.insert(key, whole(&module.name, &name.text));
    }
    Ok(members)
}

/// The whole names of its types, likewise.
fn types(module: &ast::Module) -> Result<BTreeMap<String, String>, Diagnostic> {
    let mut types = BTreeMap::new();
    for statement in &module.body.statements {
        let K::DefineType(define) = &statement.kind else {
            continue;
        };
        let [name] = define.name.as_slice() else {
            let message = "the types of a module are in no schema";
            return Err(Diagnostic::new("42601", statement.span, message));
        };
        if define.form != TypeForm::Declare || !define.instance.is_empty() {
            let message = "the definitions of a module are kept with it, and are no values";
            let help =
                "write `type struct as P(…)`, `type enum as E(…)` or `type … as N`, without `create` and a value";
            return Err(Diagnostic::new("42601", statement.span, message).with_help(help));
        }
        let key = name.text.to_lowercase();
        if types.insert(key, whole(&module.name, &name.text)).is_some() {
            let message = format!("`{}` is there twice in `{}`", name.text, module.name.text);
            return Err(Diagnostic::new("42710", name.span, message).with_help("give one of them another name"));
        }
    }
    Ok(types)
}

/// The whole names of its exceptions, likewise.
fn exceptions(module: &ast::Module) -> Result<BTreeMap<String, String>, Diagnostic> {
    let mut exceptions = BTreeMap::new();
    for statement in &module.body.statements {
        let K::DefineException(define) = &statement.kind else {
            continue;
        };
        let name = &define.name;
        let key = name.text.to_lowercase();
        if exceptions.insert(key, whole(&module.name, &name.text)).is_some() {
            let message = format!("`{}` is there twice in `{}`", name.text, module.name.text);
            return Err(Diagnostic::new("42710", name.span, message).with_help("give one of them another name"));
        }
    }
    Ok(exceptions)
}

/// Puts the whole names of a module's members in the places of the short ones.
struct Qualify<'m> {
    members: &'m BTreeMap<String, String>,
    types: &'m BTreeMap<String, String>,
    exceptions: &'m BTreeMap<String, String>,
    /// Names that the definition declares itself.
    hidden: BTreeSet<String>,
    /// Queries around: there a bare name is a column, or a variable.
    queries: usize,
}

impl Qualify<'_> {
    fn name(&self, name: &mut Ident) {
        let key = name.text.to_lowercase();
        if let Some(whole) = self.members.get(&key).filter(|_| !self.hidden.contains(&key)) {
            name.text.clone_from(whole);
            name.quoted = true;
        }
    }

    fn exception(&self, name: &mut Ident) {
        if let Some(whole) = self.exceptions.get(&name.text.to_lowercase()) {
            name.text.clone_from(whole);
            name.quoted = true;
        }
    }

    /// `throw Bad('…')`, `throw Bad`.
    fn thrown(&self, value: &mut Expr) {
        match &mut value.kind {
            ExprKind::Call(call) => self.exception(&mut call.name),
            ExprKind::Name(path) => path.iter_mut().take(1).for_each(|name| self.exception(name)),
            _ => {}
        }
    }

    /// Whether a name that may be one for the error is that of one of its exceptions, in the spelling of that.
    fn is_spelled(&self, name: &Ident) -> bool {
        let own = self.exceptions.get(&name.text.to_lowercase());
        own.is_some_and(|whole| whole.rsplit('.').next() == Some(&name.text))
    }

    /// What stands behind CATCH is one of its exceptions before it is a name for the error.
    fn caught(&self, catch: &mut Catch) {
        let own = match catch {
            Catch::Block { name: Some(name), .. } if self.is_spelled(name) => name.clone(),
            Catch::Block { .. } => return,
            Catch::Arms(arms) => {
                for arm in arms {
                    match &arm.name {
                        Some(name) if arm.exception.text == "_" && self.is_spelled(name) => {
                            arm.exception = self.unless_own(name, &arm.exception)
                        }
                        _ => {}
                    }
                    self.exception(&mut arm.exception);
                }
                return;
            }
        };
        if let Catch::Block { body, .. } = catch {
            let mut exception = own.clone();
            self.exception(&mut exception);
            let body = ast::ArmBody::Block(body.clone());
            let name = Some(own);
            *catch = Catch::Arms(vec![CatchArm { exception, name, body }]);
        }
    }

    fn unless_own(&self, name: &Ident, any: &Ident) -> Ident {
        match self.exceptions.contains_key(&name.text.to_lowercase()) {
            true => name.clone(),
            false => any.clone(),
        }
    }

    fn type_body(&mut self, body: &mut TypeBody) {
        match body {
            TypeBody::Enum(_) => {}
            TypeBody::Struct(fields) => fields.iter_mut().for_each(|(_, ty)| self.type_name(ty)),
            TypeBody::Alias(ty) => self.type_name(ty),
        }
    }
}

impl VisitMut for Qualify<'_> {
    fn type_name(&mut self, ty: &mut TypeName) {
        let key = ty.name.to_lowercase();
        if let Some(whole) = self.types.get(&key) {
            ty.name.clone_from(whole);
        }
        visit::walk_type_name(self, ty);
    }

    fn expr(&mut self, expr: &mut Expr) {
        if let ExprKind::Instance { name, .. } = &mut expr.kind
            && let Some(whole) = self.types.get(&name.text.to_lowercase())
        {
            name.text.clone_from(whole);
            name.quoted = true;
        }
        if let ExprKind::Try(attempt) = &mut expr.kind
            && let Some(catch) = &mut attempt.catch
        {
            self.caught(catch);
        }
        visit::walk_expr(self, expr);
    }

    fn routine(&mut self, routine: &mut Routine) {
        routine.raises.iter_mut().for_each(|name| self.exception(name));
        visit::walk_routine(self, routine);
    }

    fn call(&mut self, call: &mut Call) {
        let whole = self.members.get(&call.name.text.to_lowercase());
        let of = whole.and_then(|whole| whole.split_once('.')).map(|(module, _)| module);
        let is_module =
            |path: &[Ident]| matches!(path, [name] if of.is_some_and(|of| of.eq_ignore_ascii_case(&name.text)));
        if matches!(call.args.first().map(|first| &first.kind), Some(ExprKind::Name(path)) if is_module(path)) {
            // `m.f(x)` inside of `m`.
            call.args.remove(0);
        }
        self.name(&mut call.name);
        if self.queries > 0 {
            return;
        }
        // A function that is handed over.
        for arg in &mut call.args {
            if let ExprKind::Name(path) = &mut arg.kind
                && let [name] = path.as_mut_slice()
            {
                self.name(name);
            }
        }
    }

    fn query(&mut self, query: &mut Query) {
        self.queries += 1;
        visit::walk_query(self, query);
        self.queries -= 1;
    }

    fn relation(&mut self, relation: &mut TableRef) {
        if let TableRefKind::Function { name, .. } = &mut relation.kind {
            self.name(name);
        }
        visit::walk_relation(self, relation);
    }

    fn statement(&mut self, statement: &mut Statement) {
        if let K::CallRoutine(call) = &mut statement.kind
            && let [name] = call.name.as_mut_slice()
        {
            self.name(name);
        }
        if let K::Throw(Some(value)) = &mut statement.kind {
            self.thrown(value);
        }
        visit::walk_statement(self, statement);
    }
}

/// What a definition declares inside.
fn declared(statement: &mut Statement) -> BTreeSet<String> {
    let mut seen = Declared::default();
    match &mut statement.kind {
        K::Routine(routine) => {
            seen.params(routine);
            visit::walk_routine(&mut seen, routine);
        }
        K::DefineMacro(made) => {
            seen.0
                .extend(made.params.iter().map(|param| param.name.text.to_lowercase()));
            seen.expr(&mut made.body);
        }
        _ => {}
    }
    seen.0
}

#[derive(Default)]
struct Declared(BTreeSet<String>);

impl Declared {
    fn params(&mut self, routine: &Routine) {
        let params = routine.params.iter();
        self.0.extend(params.map(|param| param.name.text.to_lowercase()));
    }

    fn see(&mut self, name: &Ident) {
        self.0.insert(name.text.to_lowercase());
    }
}

impl VisitMut for Declared {
    fn lambda(&mut self, lambda: &mut Lambda) {
        lambda.params.iter().for_each(|param| self.see(param));
        visit::walk_arm(self, &mut lambda.body);
    }

    fn expr(&mut self, expr: &mut Expr) {
        if let ExprKind::Try(attempt) = &expr.kind {
            let names = attempt.catch.iter().flat_map(Catch::names);
            names.for_each(|name| self.see(name));
        }
        visit::walk_expr(self, expr);
    }

    fn statement(&mut self, statement: &mut Statement) {
        match &statement.kind {
            K::Let(variable) => self.see(&variable.name),
            K::For(each) => self.see(&each.name),
            _ => {}
        }
        visit::walk_statement(self, statement);
    }

    fn routine(&mut self, routine: &mut Routine) {
        // A function inside; the outermost one is not walked through here.
        routine.name.iter().for_each(|name| self.see(name));
        self.params(routine);
        visit::walk_routine(self, routine);
    }
}
