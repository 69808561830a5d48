//! What the parameters of a generic function stand for in a call.
//!
//! `function first<T>(xs array<T>) returns T`, called with an array of texts, is made for `T = string`.
//!
//! Invariants: a parameter stands for one type; where two arguments say two, the error names both.
//!
//! Does not: make the function; `instances` does, once for each list of types.

use gobi_grammar::ast::{Ident, Returns, TypeName};
use gobi_grammar::{Diagnostic, Dialect};

use super::Definition;
use crate::plan::{NamedTypes, RoutineCall, bind_type, common_type};
use crate::types::LogicalType;

/// A parameter that stands for a type, and by which parameter of the function it does so.
struct Found<'d> {
    ty: LogicalType,
    by: &'d str,
}

/// The types that a call makes a function for: those that have names, and what its parameters stand for.
pub(super) fn bound(
    definition: &Definition,
    call: &RoutineCall<'_>,
    declared: &NamedTypes,
) -> Result<NamedTypes, Diagnostic> {
    let generics = &definition.routine.type_params;
    if generics.is_empty() {
        return Ok(declared.clone());
    }
    let mut found: Vec<Option<Found<'_>>> = generics.iter().map(|_| None).collect();
    for (at, (name, ty, _)) in call.args.iter().enumerate() {
        let params = &definition.routine.params;
        let param = match name {
            Some(name) => params
                .iter()
                .find(|param| param.name.text.eq_ignore_ascii_case(&name.text)),
            None => params.get(at),
        };
        if let Some((written, by)) = param.and_then(|param| Some((param.ty.as_ref()?, param.name.text.as_str()))) {
            meet(written, ty, by, generics, &mut found).map_err(|error| ambiguous(definition, call, &error))?;
        }
    }
    let mut types = Vec::with_capacity(generics.len());
    for (generic, found) in generics.iter().zip(found) {
        let Some(found) = found else {
            let message = format!(
                "what `{}` of `{}` stands for cannot be told from the arguments",
                generic.text,
                definition.shown_name()
            );
            let error = Diagnostic::new("42P18", call.name.span, message);
            return Err(error.with_help(super::params::signature(definition)));
        };
        types.push((generic.text.to_lowercase(), found.ty));
    }
    Ok(declared.with(types))
}

/// The type of a receiver where a value of a type is given: `array<int>` of `<T> <array<T>>` for an array of ints.
pub(super) fn receiver_for(method: &Definition, given: &LogicalType, declared: &NamedTypes) -> Option<LogicalType> {
    let written = method.routine.receiver.as_ref()?;
    let generics = &method.routine.type_params;
    let mut found: Vec<Option<Found<'_>>> = generics.iter().map(|_| None).collect();
    meet(written, given, "self", generics, &mut found).ok()?;
    let stand = generics.iter().zip(found);
    let stand = stand.map(|(generic, found)| {
        let ty = found.map_or(LogicalType::Null, |found| found.ty);
        (generic.text.to_lowercase(), ty)
    });
    bind_type(written, method.dialect, &declared.with(stand.collect())).ok()
}

/// The type of a receiver by which those of one name differ: what stands for types is NULL in it.
pub fn receiver_of(definition: &Definition, declared: &NamedTypes) -> Option<Result<LogicalType, Vec<Diagnostic>>> {
    let receiver = definition.routine.receiver.as_ref()?;
    let generics = definition.routine.type_params.iter();
    let any = generics.map(|generic| (generic.text.to_lowercase(), LogicalType::Null));
    Some(bind_type(receiver, definition.dialect, &declared.with(any.collect())))
}

/// The same of a receiver that is written where it is dropped: a name of no type stands for types.
pub fn written_receiver(
    receiver: &TypeName,
    dialect: Dialect,
    declared: &NamedTypes,
) -> Result<LogicalType, Vec<Diagnostic>> {
    let bound = bind_type(receiver, dialect, declared);
    let (Err(_), [_, ..]) = (&bound, receiver.args.as_slice()) else {
        return bound;
    };
    let mut leaves = Vec::new();
    each_leaf(receiver, &mut |leaf| {
        if bind_type(leaf, dialect, declared).is_err() {
            leaves.push((leaf.name.to_lowercase(), LogicalType::Null));
        }
    });
    bind_type(receiver, dialect, &declared.with(leaves)).or(bound)
}

fn each_leaf(ty: &TypeName, f: &mut dyn FnMut(&TypeName)) {
    if ty.args.is_empty() && ty.fields.is_empty() {
        f(ty);
    }
    let parts = ty.args.iter().chain(ty.fields.iter().map(|(_, ty)| ty));
    parts.for_each(|part| each_leaf(part, f));
}

/// Two types for one parameter: which, and by what.
struct Ambiguous {
    generic: String,
    types: [LogicalType; 2],
    by: [String; 2],
}

fn meet<'d>(
    written: &TypeName,
    ty: &LogicalType,
    by: &'d str,
    generics: &[Ident],
    found: &mut [Option<Found<'d>>],
) -> Result<(), Ambiguous> {
    let is_it = |generic: &Ident| generic.text.eq_ignore_ascii_case(&written.name);
    if let Some(at) = generics.iter().position(is_it) {
        return settle(&generics[at], ty, by, &mut found[at]);
    }
    match (written.args.as_slice(), ty) {
        ([item], LogicalType::Array(ty)) => meet(item, ty, by, generics, found),
        ([key, value], LogicalType::Map(entry)) => {
            meet(key, &entry.0, by, generics, found)?;
            meet(value, &entry.1, by, generics, found)
        }
        (_, LogicalType::Struct(fields)) => {
            for ((_, written), field) in written.fields.iter().zip(fields) {
                meet(written, &field.ty, by, generics, found)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn settle<'d>(generic: &Ident, ty: &LogicalType, by: &'d str, found: &mut Option<Found<'d>>) -> Result<(), Ambiguous> {
    let decimal = |ty: &LogicalType| matches!(ty, LogicalType::Decimal { .. });
    match found {
        _ if *ty == LogicalType::Null => {}
        None => *found = Some(Found { ty: ty.clone(), by }),
        Some(known) if known.ty == *ty => {}
        Some(known) => {
            // How many digits a number has is no difference of meaning, and nothing is said by an array without elements.
            let is_open = [&known.ty, ty].iter().any(|ty| ty.has_type(&LogicalType::Null));
            let both = common_type(&known.ty, ty).filter(|_| is_open || decimal(&known.ty) && decimal(ty));
            let Some(both) = both else {
                return Err(Ambiguous {
                    generic: generic.text.clone(),
                    types: [known.ty.clone(), ty.clone()],
                    by: [known.by.to_owned(), by.to_owned()],
                });
            };
            known.ty = both;
        }
    }
    Ok(())
}

fn ambiguous(definition: &Definition, call: &RoutineCall<'_>, error: &Ambiguous) -> Diagnostic {
    let Ambiguous { generic, types, by } = error;
    let message = format!(
        "`{generic}` of `{}` is {} by `{}`, and {} by `{}`",
        definition.shown_name(),
        types[0],
        by[0],
        types[1],
        by[1]
    );
    Diagnostic::new("42P18", call.name.span, message).with_help("cast one of them: `… :: type`")
}

/// What stands in the angle brackets behind a function's name is a parameter, if it is a name that no type has, and the function's
/// types use it; so are names within it, as in `<array<T>>`, that the function's types use, or that are one letter.
pub(super) fn take_receiver(routine: &mut gobi_grammar::ast::Routine, is_type: &dyn Fn(&str) -> bool) {
    let Some(receiver) = &routine.receiver else { return };
    if !routine.type_params.is_empty() {
        return;
    }
    let is_known = |name: &str| crate::plan::is_own_type(name) || is_type(name);
    let plain = receiver.params.is_empty() && receiver.args.is_empty() && receiver.fields.is_empty();
    if plain && is_known(&receiver.name) {
        return;
    }
    let params = routine.params.iter().filter_map(|param| param.ty.as_ref());
    let result = match &routine.returns {
        Returns::Type(ty) => Some(ty),
        Returns::Inferred | Returns::Void | Returns::Rows(_) => None,
    };
    let used: Vec<&TypeName> = params.chain(result).collect();
    let is_used = |name: &str| used.iter().any(|ty| mentions(ty, name));
    if !plain {
        let mut within: Vec<Ident> = Vec::new();
        each_leaf(receiver, &mut |leaf| {
            let is_there = within.iter().any(|known| known.text.eq_ignore_ascii_case(&leaf.name));
            let is_letter = leaf.name.chars().skip(1).all(|c| c.is_ascii_digit());
            if !is_there && !is_known(&leaf.name) && (is_letter || is_used(&leaf.name)) {
                within.push(parameter(leaf));
            }
        });
        routine.type_params = within;
        return;
    }
    if is_used(&receiver.name) {
        routine.type_params = vec![parameter(receiver)];
        routine.receiver = None;
    }
}

/// A name that stands for types.
fn parameter(name: &TypeName) -> Ident {
    Ident {
        text: name.name.clone(),
        quoted: false,
        span: name.span,
    }
}

/// Leaves out the parameters that only the result of a function names which is called with functions: what those give is known where it is made.
pub(super) fn without_unknown(routine: &mut gobi_grammar::ast::Routine) {
    let params = routine.params.iter().filter_map(|param| param.ty.as_ref());
    let params: Vec<TypeName> = params.cloned().collect();
    let (told, unknown): (Vec<_>, Vec<_>) = std::mem::take(&mut routine.type_params)
        .into_iter()
        .partition(|generic| params.iter().any(|ty| mentions(ty, &generic.text)));
    routine.type_params = told;
    let is_unknown = |ty: &TypeName| unknown.iter().any(|generic| mentions(ty, &generic.text));
    if matches!(&routine.returns, Returns::Type(ty) if is_unknown(ty)) {
        routine.returns = Returns::Inferred;
    }
}

fn mentions(ty: &TypeName, name: &str) -> bool {
    let parts = ty.args.iter().chain(ty.fields.iter().map(|(_, ty)| ty));
    ty.name.eq_ignore_ascii_case(name) || parts.into_iter().any(|ty| mentions(ty, name))
}
