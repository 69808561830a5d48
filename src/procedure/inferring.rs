//! The types of parameters that were left out, where the body says them.
//!
//! `function shout(x) => upper(x) || '!'` takes a string, `function twice(x) => x * 2` a number of any kind, and `function same(x) => x` whatever
//! there is.
//!
//! The body is checked for one type of each kind, by the checker that checks it for calls: what is said of a parameter is what calls may
//! give. Where a type fails at a place that names one parameter only, it is none of that parameter's.
//!
//! Invariants: what can be called somehow is no error; one that no type fits, because two places ask for different ones, is, and both are
//! named.
//!
//! Does not: bind a function to what was inferred; each call makes it for what it gives.

use std::sync::Arc;

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{self, ExprKind, Span};
use gobi_grammar::{Diagnostic, Label};

use super::Definition;
use super::check::Callable;
use super::instances::Instances;
use crate::plan::{Callee, RoutineCall, TableResolver};
use crate::types::LogicalType;

/// So many combinations are all tried; where there are more, those that differ from one that checks by one type.
const MOST_TRIALS: usize = 64;
/// So often the types of all parameters are narrowed by what is known of the others.
const MOST_ROUNDS: usize = 4;

/// A parameter without a type.
struct Free {
    /// Which one.
    at: usize,
    /// The types that may fit.
    fitting: Vec<LogicalType>,
    /// Where the others fail.
    failing: Vec<(LogicalType, Diagnostic)>,
}

/// One type of each kind.
fn kinds() -> Vec<LogicalType> {
    use LogicalType as T;
    let array = |item: T| T::Array(Box::new(item));
    vec![
        T::BigInt,
        T::Double,
        T::String,
        T::Boolean,
        T::Date,
        T::Timestamp,
        T::Interval,
        T::Uuid,
        array(T::BigInt),
        array(T::Double),
        array(T::String),
        T::Map(Box::new((T::String, T::BigInt))),
    ]
}

/// A definition of which some parameters have no type (`None` in `types`), as far as its body says them. `instances` is that of
/// a call that checks, if there is one.
pub(super) fn inferred(
    definition: &Definition,
    types: &[Option<LogicalType>],
    instances: &mut Instances,
    tables: &mut dyn TableResolver,
) -> Result<Option<Callable>, Vec<Diagnostic>> {
    let params = &definition.routine.params;
    let is_again = |at: usize| params.iter().take(at).any(|param| param.name == params[at].name);
    if (0..params.len()).any(is_again) {
        // `(_, _) => 1` is called by places, not by names.
        return Ok(None);
    }
    let free = |(at, ty): (usize, &Option<LogicalType>)| match (ty, &definition.routine.params[at].default) {
        (None, None) => Some(Free {
            at,
            fitting: kinds(),
            failing: Vec::new(),
        }),
        _ => None,
    };
    let mut free: Vec<Free> = types.iter().enumerate().filter_map(free).collect();
    let mut trial = Trial {
        definition,
        apart: definition.name.contains('@').then(|| Arc::new(definition.clone())),
        types: types.to_vec(),
        instances: &mut *instances,
        tables,
        names: names(definition),
        strict: false,
        failed: None,
        unknown: None,
    };
    trial.narrow_all(&mut free)?;
    let Some((mut fitting, result, made)) = trial.combined(&free) else {
        let fault = trial.unknown.take().or_else(|| trial.fault());
        return fault.map_or(Ok(None), |error| Err(vec![error]));
    };
    trial.leave_out_texts(&free, &mut fitting);
    if let Some(made) = made {
        *instances = made;
    }
    let shown = types.iter().enumerate().map(|(at, ty)| match ty {
        Some(ty) => Some(ty.to_string()),
        None => {
            let i = free.iter().position(|free| free.at == at)?;
            fitting.get(i).map(|fitting| kind_of(fitting))
        }
    });
    Ok(Some(Callable {
        params: shown.collect(),
        result,
    }))
}

/// The names that a body mentions, and where.
fn names(definition: &Definition) -> Vec<(String, Span)> {
    struct Walk(Vec<(String, Span)>);
    impl VisitMut for Walk {
        fn expr(&mut self, expr: &mut ast::Expr) {
            if let ExprKind::Name(path) = &expr.kind
                && let Some(first) = path.first()
            {
                self.0.push((first.text.to_lowercase(), expr.span));
            }
            let before = self.0.len();
            visit::walk_expr(self, expr);
            if let ExprKind::Call(call) = &expr.kind {
                // Errors of a call are at its name.
                let inside: Vec<String> = self.0.iter().skip(before).map(|(name, _)| name.clone()).collect();
                self.0.extend(inside.into_iter().map(|name| (name, call.name.span)));
            }
        }
    }
    let mut walk = Walk(Vec::new());
    walk.routine(&mut definition.routine.clone());
    walk.0
}

struct Trial<'t> {
    definition: &'t Definition,
    /// The same, if nobody finds it by its name.
    apart: Option<Arc<Definition>>,
    types: Vec<Option<LogicalType>>,
    instances: &'t mut Instances,
    tables: &'t mut dyn TableResolver,
    names: Vec<(String, Span)>,
    /// A text is not taken for what may be written as one.
    strict: bool,
    /// What the trials so far have failed with.
    failed: Option<Failed>,
    /// A name that stands for nothing, whatever the types.
    unknown: Option<Diagnostic>,
}

/// What trials have failed with.
#[derive(PartialEq)]
enum Failed {
    /// All of them with this.
    Same(Diagnostic),
    /// With several errors, or not all of them.
    Others,
}

/// A call that checks, and the routines made for it, unless they are among those that are shared.
type Made = (Callee, Option<Instances>);

/// The types of each parameter, what the function gives, and a call that checks.
type Combined = (Vec<Vec<LogicalType>>, Option<String>, Option<Instances>);

impl Trial<'_> {
    /// Checks the body for a type of each of the parameters without one.
    fn call(&mut self, free: &[Free], types: &[&LogicalType]) -> Result<Made, Diagnostic> {
        let name = |text: &str| ast::Ident {
            text: text.to_owned(),
            quoted: true,
            span: Span::default(),
        };
        let called = name(&self.definition.name);
        let params = &self.definition.routine.params;
        let names: Vec<ast::Ident> = params.iter().map(|param| name(&param.name.text)).collect();
        let mut args = Vec::with_capacity(params.len());
        for (at, (declared, given)) in self.types.iter().zip(&names).enumerate() {
            let of = free.iter().position(|free| free.at == at);
            let tried = of.and_then(|i| types.get(i).copied());
            // What has a default and no type has that of the default.
            let Some(ty) = declared.as_ref().or(tried) else {
                continue;
            };
            args.push((Some(given), ty.clone(), true));
        }
        let call = RoutineCall { name: &called, args };
        let mut own = match self.instances.shared {
            true => None,
            false => Some(Instances::new(Arc::clone(&self.instances.definitions))),
        };
        let instances = own.as_mut().unwrap_or(&mut *self.instances);
        (instances.strict, instances.trying) = (self.strict, true);
        let called = match &self.apart {
            Some(definition) => Some(instances.call_of(definition, &call, Some(&mut *self.tables))),
            None => instances.call(&call, Some(&mut *self.tables)),
        };
        (instances.strict, instances.trying) = (false, false);
        let done = match called {
            Some(Ok(callee)) => Ok((callee, own)),
            Some(Err(error)) => Err(error),
            None => Err(Diagnostic::new("42883", Span::default(), "there is no such function")),
        };
        self.note(done.as_ref().err());
        done
    }

    /// Remembers what a trial has failed with.
    fn note(&mut self, error: Option<&Diagnostic>) {
        if self.unknown.is_none() {
            self.unknown = error.filter(|error| self.is_unknown_name(error)).cloned();
        }
        self.failed = Some(match (self.failed.take(), error) {
            (None, Some(error)) => Failed::Same(error.clone()),
            (Some(Failed::Same(known)), Some(error)) if known == *error => Failed::Same(known),
            _ => Failed::Others,
        });
    }

    /// The error of a body that no type of a parameter has to do with. What is called may be a parameter that is a function.
    fn fault(&self) -> Option<Diagnostic> {
        let Some(Failed::Same(error)) = &self.failed else {
            return None;
        };
        let declared = &self.definition.asked().declared;
        let mut inside = self.inside(error.span());
        let is_own = error.code != "42883" && !inside.any(|name| declared.contains(name));
        is_own.then(|| error.clone())
    }

    /// Whether an error is that of a variable or function that is not there, and that no parameter and no receiver's function could be.
    fn is_unknown_name(&self, error: &Diagnostic) -> bool {
        let Some((kind, rest)) = error.message.split_once(" `") else {
            return false;
        };
        let Some(name) = rest.strip_suffix("` does not exist") else {
            return false;
        };
        let definitions = &self.instances.definitions;
        let place = error.span();
        let body = match &self.definition.routine.body {
            ast::RoutineBody::Block(block) => block.span,
            ast::RoutineBody::Value(ast::Value::Expr(value)) => value.span,
            ast::RoutineBody::Value(ast::Value::Query(query)) => query.span,
            ast::RoutineBody::Value(ast::Value::Then(then)) => then.query.span.to(then.body.span),
        };
        // What it calls has names of its own.
        if place.start < body.start || body.end < place.end {
            return false;
        }
        let params = &self.definition.routine.params;
        let is_declared = self.definition.asked().declared.contains(&name.to_lowercase())
            || params.iter().any(|param| param.name.text.eq_ignore_ascii_case(name));
        match kind {
            "variable" => !is_declared,
            "function" => !is_declared && !definitions.is_expected(name) && definitions.methods(name).is_empty(),
            _ => false,
        }
    }

    /// The names that stand within a place.
    fn inside(&self, place: Span) -> impl Iterator<Item = &String> {
        let names = self.names.iter();
        let inside = names.filter(move |(_, span)| place.start <= span.start && span.end <= place.end);
        inside.map(|(name, _)| name)
    }

    /// Narrows the types of all parameters; anew, as long as that says more of those whose uses stand behind those of others.
    fn narrow_all(&mut self, free: &mut [Free]) -> Result<(), Vec<Diagnostic>> {
        for _ in 0..MOST_ROUNDS {
            let count = |free: &[Free]| free.iter().map(|free| free.fitting.len()).sum::<usize>();
            let before = count(free);
            let mut hidden = false;
            for i in 0..free.len() {
                hidden |= self.narrow(free, i)?;
            }
            if !hidden || count(free) == before {
                break;
            }
        }
        Ok(())
    }

    /// Takes from the types of a parameter those that fail at places which name it alone; an error if none is left, since its uses differ. Whether
    /// others fail at other places.
    fn narrow(&mut self, free: &mut [Free], i: usize) -> Result<bool, Vec<Diagnostic>> {
        let others: Vec<LogicalType> = free
            .iter()
            .map(|free| free.fitting.first().cloned().unwrap_or(LogicalType::BigInt))
            .collect();
        let mut hidden = false;
        for ty in free[i].fitting.clone() {
            let mut types: Vec<&LogicalType> = others.iter().collect();
            types[i] = &ty;
            let Err(error) = self.call(free, &types) else { continue };
            if self.names_only(error.span(), free, i) {
                free[i].fitting.retain(|fitting| *fitting != ty);
                free[i].failing.push((ty, error));
            } else {
                hidden = true;
            }
        }
        match free[i].fitting.is_empty() {
            true => self.differ(&free[i]).map_or(Ok(hidden), |error| Err(vec![error])),
            false => Ok(hidden),
        }
    }

    /// Whether a place names one of the parameters without types, and none of the others.
    fn names_only(&self, place: Span, free: &[Free], i: usize) -> bool {
        let named = |free: &Free| {
            let name = &self.definition.routine.params[free.at].name.text;
            self.inside(place).any(|known| known.eq_ignore_ascii_case(name))
        };
        free.iter().enumerate().all(|(other, free)| named(free) == (other == i))
    }

    /// The error of a parameter that one place takes as a text only and another one as anything else; that of the body, if it is the same
    /// with numbers of all kinds.
    fn differ(&self, free: &Free) -> Option<Diagnostic> {
        let error_of = |wanted: &LogicalType| free.failing.iter().find(|(ty, _)| ty == wanted).map(|(_, error)| error);
        let (whole, text) = (error_of(&LogicalType::BigInt)?, error_of(&LogicalType::String)?);
        let is_same = |other: &Diagnostic| other.message == whole.message && other.span() == whole.span();
        // A parameter may be a function.
        if whole.code != "42883" && error_of(&LogicalType::Double).is_some_and(is_same) {
            return Some(whole.clone());
        }
        let (number, text) = (whole.span(), text.span());
        if number.start == text.start {
            return None;
        }
        let name = &self.definition.routine.params[free.at].name.text;
        let (first, second) = match number.start < text.start {
            true => ((number, "number"), (text, "string")),
            false => ((text, "string"), (number, "number")),
        };
        let message = format!("no type of `{name}` fits both of its uses");
        let mut error = Diagnostic::new("42P18", first.0, message);
        error.labels[0].text = format!("no {} can stand here", first.1);
        error.labels.push(Label {
            span: second.0,
            text: format!("no {} can stand here", second.1),
        });
        Some(error.with_help(format!("convert it in one of them, as in `{name} :: string`")))
    }

    /// The types of each parameter with which the body checks, what it gives with all of them, and a call that checks.
    fn combined(&mut self, free: &[Free]) -> Option<Combined> {
        let mut found = Found {
            fitting: vec![Vec::new(); free.len()],
            results: Vec::new(),
            made: None,
        };
        let count = free
            .iter()
            .map(|free| free.fitting.len())
            .fold(1, usize::saturating_mul);
        if count > MOST_TRIALS {
            self.around(free, &mut found);
        }
        if found.made.is_none() {
            self.first_ones(free, count.min(MOST_TRIALS), &mut found);
        }
        for (fitting, free) in found.fitting.iter_mut().zip(free) {
            // In the order of the kinds.
            fitting.sort_by_key(|ty| free.fitting.iter().position(|known| known == ty));
        }
        Some((found.fitting, Some(result_of(&found.results)), found.made?))
    }

    /// Tries combinations one after the other.
    fn first_ones(&mut self, free: &[Free], count: usize, found: &mut Found) {
        for number in 0..count {
            let mut rest = number;
            let types = free.iter().map(|free| {
                let ty = &free.fitting[rest % free.fitting.len()];
                rest /= free.fitting.len();
                ty
            });
            let types: Vec<&LogicalType> = types.collect();
            self.find(free, &types, found);
        }
    }

    /// Tries what is of one kind as far as it can be, and, where that checks, other types for one parameter after the other.
    fn around(&mut self, free: &[Free], found: &mut Found) {
        for kind in kinds() {
            let of = |free: &Free| free.fitting.iter().position(|ty| *ty == kind).unwrap_or(0);
            let base: Vec<&LogicalType> = free.iter().map(|free| &free.fitting[of(free)]).collect();
            if !self.find(free, &base, found) {
                continue;
            }
            for i in 0..free.len() {
                for ty in &free[i].fitting {
                    if !found.fitting[i].contains(ty) {
                        let mut types = base.clone();
                        types[i] = ty;
                        self.find(free, &types, found);
                    }
                }
            }
        }
    }

    /// Whether the body checks for these types, which are noted then.
    fn find(&mut self, free: &[Free], types: &[&LogicalType], found: &mut Found) -> bool {
        let Ok((callee, instances)) = self.call(free, types) else {
            return false;
        };
        for (fitting, ty) in found.fitting.iter_mut().zip(types) {
            if !fitting.contains(ty) {
                fitting.push((*ty).clone());
            }
        }
        if !found.results.contains(&callee.result) {
            found.results.push(callee.result);
        }
        found.made.get_or_insert(instances);
        true
    }

    /// Of the types that fit, a text may be one that is written for another, as for a date.
    fn leave_out_texts(&mut self, free: &[Free], fitting: &mut [Vec<LogicalType>]) {
        self.strict = true;
        for i in 0..free.len() {
            if fitting[i].len() < 2 || !fitting[i].contains(&LogicalType::String) {
                continue;
            }
            let mut types: Vec<&LogicalType> = fitting.iter().filter_map(|fitting| fitting.first()).collect();
            types[i] = &LogicalType::String;
            if self.call(free, &types).is_err() {
                fitting[i].retain(|ty| *ty != LogicalType::String);
            }
        }
        self.strict = false;
    }
}

/// What the trials have shown.
struct Found {
    /// The types of each parameter with which the body checks.
    fitting: Vec<Vec<LogicalType>>,
    /// What it gives.
    results: Vec<LogicalType>,
    /// A call that checks, if one does.
    made: Option<Option<Instances>>,
}

/// What a function gives, which may be one of several types.
pub(super) fn result_of(types: &[LogicalType]) -> String {
    match types {
        [LogicalType::Null] => "void".into(),
        types => kind_of(types),
    }
}

/// What types have in common.
fn kind_of(types: &[LogicalType]) -> String {
    use LogicalType as T;
    let are = |of: fn(&T) -> bool| types.iter().all(of);
    match types {
        [one] => one.to_string(),
        [T::Date, T::Timestamp] => "date or timestamp".into(),
        _ if are(LogicalType::is_numeric) => "number".into(),
        // What multiplies numbers multiplies an interval, too.
        [T::BigInt, .., T::Interval] if are(|ty| ty.is_numeric() || *ty == T::Interval) => "number".into(),
        _ if are(|ty| matches!(ty, T::Array(_))) => "array".into(),
        _ => "any".into(),
    }
}
