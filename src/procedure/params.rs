//! The arguments of a call meet the parameters of a definition.
//!
//! `f(1, c: 3)` with `function f(a, b = 2, c = 0)` gives 1 to `a`, 2 to `b` and 3 to `c`.
//!
//! Invariants: each parameter gets one value.
//!
//! Does not: convert; the binder does.

use gobi_grammar::Diagnostic;
use gobi_grammar::similar::nearest;

use super::Definition;
use crate::plan::{BodyScope, NamedTypes, Passed, RoutineCall, TableResolver, bind_scalar, bind_type, converted};
use crate::types::LogicalType;

/// A parameter and what it gets.
#[derive(Debug)]
pub(super) struct Param {
    /// Its type.
    pub(super) ty: LogicalType,
    /// May be NULL.
    pub(super) nullable: bool,
    /// Its value.
    pub(super) passed: Passed,
}

/// The values of the parameters.
pub(super) fn params(
    definition: &Definition,
    call: &RoutineCall<'_>,
    types: &NamedTypes,
    tables: &mut dyn TableResolver,
) -> Result<Vec<Param>, Diagnostic> {
    let params = &definition.routine.params;
    let mut given: Vec<Option<usize>> = vec![None; params.len()];
    for (at, (name, _, _)) in call.args.iter().enumerate() {
        let place = match name {
            Some(name) => named(definition, name)?,
            None => at,
        };
        match given.get_mut(place) {
            None => return Err(wrong_count(definition, call)),
            Some(Some(_)) => {
                let message = format!("parameter `{}` is given twice", params[place].name.text);
                let place = name.map_or(call.name.span, |name| name.span);
                return Err(Diagnostic::new("42601", place, message).with_help(signature(definition)));
            }
            Some(slot) => *slot = Some(at),
        }
    }
    let mut out = Vec::with_capacity(params.len());
    for (param, given) in params.iter().zip(given) {
        let declared = match &param.ty {
            Some(ty) => Some(bind_type(ty, definition.dialect, types).map_err(first)?),
            None => None,
        };
        out.push(match (given, &param.default) {
            (Some(at), _) => {
                let (_, ty, nullable) = &call.args[at];
                Param {
                    ty: declared.unwrap_or_else(|| ty.clone()),
                    nullable: *nullable,
                    passed: Passed::Argument(at),
                }
            }
            (None, Some(default)) => {
                let nothing = BodyScope {
                    variables: &[],
                    names: &[],
                    tried: false,
                };
                let value = bind_scalar(default, &nothing, definition.dialect, tables).map_err(first)?;
                Param {
                    ty: declared.unwrap_or_else(|| value.ty.clone()),
                    nullable: true,
                    passed: Passed::Default(value),
                }
            }
            (None, None) => {
                let message = format!(
                    "`{}` needs a value for its parameter `{}`",
                    definition.shown_name(),
                    param.name.text
                );
                return Err(Diagnostic::new("42883", call.name.span, message).with_help(signature(definition)));
            }
        });
    }
    Ok(out)
}

/// An error for a default that no call could take.
pub(super) fn check_defaults(
    definition: &Definition,
    types: &NamedTypes,
    tables: &mut dyn TableResolver,
) -> Result<(), Vec<Diagnostic>> {
    for param in &definition.routine.params {
        let Some(default) = &param.default else { continue };
        if matches!(default.kind, gobi_grammar::ast::ExprKind::Lambda(_)) {
            continue;
        }
        let nothing = BodyScope {
            variables: &[],
            names: &[],
            tried: false,
        };
        let value = bind_scalar(default, &nothing, definition.dialect, tables)?;
        let Some(ty) = &param.ty else { continue };
        let ty = bind_type(ty, definition.dialect, types)?;
        let from = value.ty.clone();
        if converted(value, &ty).is_none() {
            let message = format!("`{}` is {ty}, and its default {from}", param.name.text);
            let help = format!("cast it: `… :: {ty}`");
            return Err(vec![Diagnostic::new("42804", default.span, message).with_help(help)]);
        }
    }
    Ok(())
}

fn named(definition: &Definition, name: &gobi_grammar::ast::Ident) -> Result<usize, Diagnostic> {
    let params = &definition.routine.params;
    let found = params
        .iter()
        .position(|param| param.name.text.eq_ignore_ascii_case(&name.text));
    found.ok_or_else(|| {
        let message = format!("`{}` has no parameter `{}`", definition.shown_name(), name.text);
        let mut error = Diagnostic::new("42883", name.span, message);
        let names = params.iter().map(|param| param.name.text.as_str());
        let near = nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
        error.help = near.or_else(|| Some(signature(definition)));
        error
    })
}

fn wrong_count(definition: &Definition, call: &RoutineCall<'_>) -> Diagnostic {
    let (takes, given) = (definition.routine.params.len(), call.args.len());
    let plural = if takes == 1 { "" } else { "s" };
    let message = format!(
        "`{}` takes {takes} argument{plural}, not {given}",
        definition.shown_name()
    );
    Diagnostic::new("42883", call.name.span, message).with_help(signature(definition))
}

/// `f(a int, b = …)`, for help lines.
pub(super) fn signature(definition: &Definition) -> String {
    shape(definition.shown_name(), &definition.routine.params)
}

/// The same of a function by its name and parameters.
pub(super) fn shape(name: &str, params: &[gobi_grammar::ast::Param]) -> String {
    let shown = params.iter().map(|param| {
        let ty = param.ty.as_ref().map(|ty| format!(" {ty}")).unwrap_or_default();
        let default = if param.default.is_some() { " = …" } else { "" };
        format!("{}{ty}{default}", param.name.text)
    });
    format!("it is `{name}({})`", shown.collect::<Vec<_>>().join(", "))
}

fn first(errors: Vec<Diagnostic>) -> Diagnostic {
    let none = || {
        Diagnostic::new(
            "XX000",
            gobi_grammar::ast::Span::default(),
            "an error without a message",
        )
    };
    errors.into_iter().next().unwrap_or_else(none)
}
