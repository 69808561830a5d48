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

/// With more parameters without types nothing is said of them.
const MOST_FREE: usize = 3;
/// So many combinations are tried at most.
const MOST_TRIALS: usize = 64;

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
    let free = |(at, ty): (usize, &Option<LogicalType>)| match (ty, &definition.routine.params[at].default) {
        (None, None) => Some(Free {
            at,
            fitting: kinds(),
            failing: Vec::new(),
        }),
        _ => None,
    };
    let mut free: Vec<Free> = types.iter().enumerate().filter_map(free).collect();
    if free.len() > MOST_FREE {
        return Ok(None);
    }
    let mut trial = Trial {
        definition,
        types: types.to_vec(),
        instances: &mut *instances,
        tables,
        names: names(definition),
        strict: false,
    };
    for i in 0..free.len() {
        trial.narrow(&mut free, i)?;
    }
    let Some((mut fitting, result, made)) = trial.combined(&free) else {
        return Ok(None);
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
    types: Vec<Option<LogicalType>>,
    instances: &'t mut Instances,
    tables: &'t mut dyn TableResolver,
    names: Vec<(String, Span)>,
    /// A text is not taken for what may be written as one.
    strict: bool,
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
        let called = instances.call(&call, Some(&mut *self.tables));
        (instances.strict, instances.trying) = (false, false);
        match called {
            Some(Ok(callee)) => Ok((callee, own)),
            Some(Err(error)) => Err(error),
            None => Err(Diagnostic::new("42883", Span::default(), "there is no such function")),
        }
    }

    /// Takes from the types of a parameter those that fail at places which name it alone; an error if none is left, since its uses differ.
    fn narrow(&mut self, free: &mut [Free], i: usize) -> Result<(), Vec<Diagnostic>> {
        let others: Vec<LogicalType> = free
            .iter()
            .map(|free| free.fitting.first().cloned().unwrap_or(LogicalType::BigInt))
            .collect();
        for ty in kinds() {
            let mut types: Vec<&LogicalType> = others.iter().collect();
            types[i] = &ty;
            if let Err(error) = self.call(free, &types)
                && self.names_only(error.span(), free, i)
            {
                free[i].fitting.retain(|fitting| *fitting != ty);
                free[i].failing.push((ty, error));
            }
        }
        match free[i].fitting.is_empty() {
            true => self.differ(&free[i]).map_or(Ok(()), |error| Err(vec![error])),
            false => Ok(()),
        }
    }

    /// Whether a place names one of the parameters without types, and none of the others.
    fn names_only(&self, place: Span, free: &[Free], i: usize) -> bool {
        let named = |free: &Free| {
            let name = &self.definition.routine.params[free.at].name.text;
            let mut inside = self
                .names
                .iter()
                .filter(|(_, span)| place.start <= span.start && span.end <= place.end);
            inside.any(|(known, _)| known.eq_ignore_ascii_case(name))
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
        let count = free.iter().map(|free| free.fitting.len()).product::<usize>();
        let mut fitting: Vec<Vec<LogicalType>> = vec![Vec::new(); free.len()];
        let mut results: Vec<LogicalType> = Vec::new();
        let mut made = None;
        for number in 0..count.min(MOST_TRIALS) {
            let mut rest = number;
            let types = free.iter().map(|free| {
                let ty = &free.fitting[rest % free.fitting.len()];
                rest /= free.fitting.len();
                ty
            });
            let types: Vec<&LogicalType> = types.collect();
            let Ok((callee, instances)) = self.call(free, &types) else {
                continue;
            };
            for (fitting, ty) in fitting.iter_mut().zip(types) {
                if !fitting.contains(ty) {
                    fitting.push(ty.clone());
                }
            }
            if !results.contains(&callee.result) {
                results.push(callee.result);
            }
            made.get_or_insert(instances);
        }
        let is_all = count <= MOST_TRIALS;
        let fitting = match is_all {
            true => fitting,
            false => free.iter().map(|free| free.fitting.clone()).collect(),
        };
        let result = is_all.then(|| result_of(&results));
        Some((fitting, result, made?))
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
