//! Function calls: aggregates, forms that are syntax in disguise, and the table of functions.
//!
//! `sum(l_tax)` registers an aggregate with the query block and stands for its column; `nullif(a, b)` is a CASE.
//!
//! Invariants: names compare without regard to case; `@Sum(x)` is `sum(x)`.
//!
//! Does not: know how functions are computed.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};
use gobi_grammar::similar::nearest;

use super::coerce::{cast, with_literal};
use super::select::Block;
use super::{Binder, Bound};
use crate::functions::{self, ResolveFailure};
use crate::plan::eval;
use crate::plan::logical::{AggregateFunction, CompareOp, Expr, ExprKind};
use crate::types::{LogicalType, Value};

/// Aggregates by name.
const AGGREGATES: &[(&str, AggregateFunction)] = &[
    ("count", AggregateFunction::Count),
    ("sum", AggregateFunction::Sum),
    ("avg", AggregateFunction::Avg),
    ("mean", AggregateFunction::Avg),
    ("min", AggregateFunction::Min),
    ("max", AggregateFunction::Max),
    ("any_value", AggregateFunction::AnyValue),
    ("anyvalue", AggregateFunction::AnyValue),
    ("bool_and", AggregateFunction::Min),
    ("every", AggregateFunction::Min),
    ("bool_or", AggregateFunction::Max),
    ("array_agg", AggregateFunction::List),
    ("arrayagg", AggregateFunction::List),
    ("list", AggregateFunction::List),
];

/// Forms bound here rather than looked up.
const FORMS: &[&str] = &[
    "coalesce",
    "nullif",
    "ifnull",
    "if",
    "greatest",
    "least",
    "typeof",
    "@typeof",
    "struct_extract",
];

/// Fields of EXTRACT that are functions of their own.
const FIELDS: &[&str] = &[
    "year",
    "quarter",
    "month",
    "day",
    "week",
    "hour",
    "minute",
    "second",
    "epoch",
    "decade",
    "century",
    "millennium",
];

/// The aggregate of that name.
pub(super) fn aggregate_function(name: &str) -> Option<AggregateFunction> {
    let lower = name.to_lowercase();
    let plain = lower.strip_prefix('@').unwrap_or(&lower);
    let known = AGGREGATES.iter().find(|(known, _)| *known == plain);
    known.map(|(_, function)| *function)
}

impl<'a> Binder<'a> {
    /// A call of any kind.
    pub(super) fn call(&mut self, block: &mut Block<'a>, call: &'a ast::Call, span: Span) -> Bound<Expr> {
        // A function of one's own hides an aggregate of that name, as it hides any other.
        if !(call.distinct || call.star || call.filter.is_some())
            && let Some(called) = self.routine_call(block, call, span)
        {
            return called;
        }
        if let Some(bound) = self.of_elements(block, call, span) {
            return bound;
        }
        if let Some(function) = aggregate_function(&call.name.text) {
            return self.aggregate_call(block, function, call, span);
        }
        if let Some(spread) = super::spread::spread(&call.name.text, call.distinct) {
            return self.spread_call(block, spread, call, span);
        }
        if super::listed::is_listed(&call.name.text) {
            return self.listed_call(block, call, &[], span);
        }
        let name = call.name.text.to_lowercase();
        if let ("grouping" | "grouping_id", Some(sets)) = (name.as_str(), block.sets.clone()) {
            let args = self.exprs(block, &call.args)?;
            return self.grouping_bits(&sets, args, span);
        }
        if call.distinct || call.star || call.filter.is_some() {
            let message = format!("`{name}` is not an aggregate function");
            return self.fail(Diagnostic::new("42809", call.name.span, message));
        }
        let plain = name.strip_prefix('@').unwrap_or(&name);
        if super::window::needs_over(&name) {
            let message = format!("`{}` is a window function", call.name.text);
            let help = format!("write `{}(…) OVER (…)`", call.name.text);
            return self.fail(Diagnostic::new("42P20", span, message).with_help(help));
        }
        if plain == "unnest" {
            return self.unnest_call(block, call, span);
        }
        let args = match name.as_str() {
            "coalesce" | "ifnull" => self.first_of(block, &call.args)?,
            "if" => self.condition_and_values(block, &call.args)?,
            _ => self.exprs(block, &call.args)?,
        };
        match name.as_str() {
            "nullif" => {
                let mut args = args;
                if let Some(first) = args.first_mut() {
                    *first = self.held(block, first.clone())?;
                }
                self.form("nullif", args, call, span)
            }
            form if FORMS.contains(&form) => self.form(form, args, call, span),
            _ => {
                let called = self.function(&call.name, args, span)?;
                Ok(self.once(block, called))
            }
        }
    }

    /// The arguments of `if`.
    fn condition_and_values(&mut self, block: &mut Block<'a>, args: &'a [ast::Expr]) -> Bound<Vec<Expr>> {
        let Some((condition, values)) = args.split_first() else {
            return Ok(Vec::new());
        };
        let condition = [self.expr(block, condition)];
        let values = values.iter().enumerate();
        let mut values: Vec<Bound<Expr>> = values
            .map(|(at, value)| self.in_branch(&condition, at > 0, |binder| binder.expr(block, value)))
            .collect();
        let [condition] = condition;
        values.insert(0, condition);
        values.into_iter().collect()
    }

    fn form(&mut self, form: &str, mut args: Vec<Expr>, call: &ast::Call, span: Span) -> Bound<Expr> {
        let (least, most) = match form {
            "if" => (2, 3),
            "nullif" | "ifnull" | "struct_extract" => (2, 2),
            "typeof" | "@typeof" => (1, 1),
            _ => (1, usize::MAX),
        };
        if args.len() < least || args.len() > most {
            let wanted = if least == most {
                least.to_string()
            } else {
                format!("at least {least}")
            };
            let message = format!("`{form}` takes {wanted} arguments, not {}", args.len());
            return self.fail(Diagnostic::new("42883", call.name.span, message));
        }
        match form {
            "coalesce" | "ifnull" => self.coalesce_of(args, span),
            "nullif" => self.nullif(args, span),
            "struct_extract" => self.struct_extract(args, span),
            "greatest" | "least" => {
                let (args, _) = self.unify_all(args, "the arguments", span)?;
                self.function(&call.name, args, span)
            }
            "typeof" => Ok(text(&args.remove(0).ty.to_string(), span)),
            "@typeof" => {
                let ty = args.remove(0).ty;
                let types = self.tables.types();
                Ok(text(types.name_of(&ty).unwrap_or(&coarse_name(&ty)), span))
            }
            _ => {
                let condition = self.require_boolean(args.remove(0), "`if`")?;
                if args.len() == 1 {
                    args.push(Expr::literal(Value::Null, LogicalType::Null, span));
                }
                self.case_of(vec![condition], args, span)
            }
        }
    }

    fn nullif(&mut self, mut args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let (b, a) = (args.pop(), args.pop());
        let (Some(a), Some(b)) = (a, b) else {
            return self.unsupported("`nullif` without two arguments is", span);
        };
        let equal = self.compare(CompareOp::Eq, a.clone(), b)?;
        let null = Expr::literal(Value::Null, a.ty.clone(), span);
        self.case_of(vec![equal], vec![null, a], span)
    }

    /// `EXTRACT(year FROM e)`: the function of that name if there is one, else `date_part`.
    pub(super) fn extract(
        &mut self,
        block: &mut Block<'a>,
        field: &'a ast::Ident,
        expr: &'a ast::Expr,
        span: Span,
    ) -> Bound<Expr> {
        let expr = self.expr(block, expr)?;
        let own = FIELDS.contains(&field.text.to_lowercase().as_str());
        if own && functions::resolve(&field.text, std::slice::from_ref(&expr.ty)).is_ok() {
            return self.function(field, vec![expr], span);
        }
        let name = ast::Ident {
            text: "date_part".into(),
            quoted: false,
            span: field.span,
        };
        let part = text(&field.text.to_lowercase(), field.span);
        self.function(&name, vec![part, expr], span)
    }

    /// A function of the table.
    pub(super) fn function(&mut self, name: &ast::Ident, args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let args = adapted(&name.text, args);
        let types: Vec<LogicalType> = args.iter().map(|arg| arg.ty.clone()).collect();
        let resolved = match functions::resolve(&name.text, &types) {
            Ok(resolved) => resolved,
            Err(failure) => return self.no_function(name, &types, failure),
        };
        let mut converted = Vec::with_capacity(args.len());
        for (arg, ty) in args.into_iter().zip(&resolved.arg_types) {
            converted.push(self.convert_constant(arg, ty)?);
        }
        let constant = converted.iter().all(|arg| arg.as_literal().is_some());
        let kind = ExprKind::Call {
            function: resolved.function,
            args: converted,
        };
        let call = Expr {
            kind,
            ty: resolved.result,
            span,
        };
        Ok(if constant { eval::fold(call) } else { call })
    }

    fn no_function<T>(&mut self, name: &ast::Ident, types: &[LogicalType], failure: ResolveFailure) -> Bound<T> {
        if types.first().is_some_and(is_stream) && ["next", "has_next", "close"].contains(&name.text.as_str()) {
            let message = format!("`{}` of a stream in a query is not supported yet", name.text);
            let help = format!("ask it in a statement of its own: `let x = s.{}()`", name.text);
            return self.fail(Diagnostic::new("0A000", name.span, message).with_help(help));
        }
        let shown: Vec<String> = types.iter().map(ToString::to_string).collect();
        let error = match failure {
            ResolveFailure::UnknownName { nearest } => {
                let message = format!("function `{}` does not exist", name.text);
                let mut error = Diagnostic::new("42883", name.span, message);
                let own = self.tables.routine_names();
                let near = nearest.map(String::from).or_else(|| near_form(&name.text));
                let near = near.or_else(|| {
                    gobi_grammar::similar::nearest(&name.text, own.iter().map(String::as_str)).map(String::from)
                });
                error.help = near.map(|near| format!("did you mean `{near}`?"));
                if name.text.eq_ignore_ascii_case("error") {
                    let help = "`ERROR('…')` stands in a body, for a whole value: `let x = ERROR('…')`, `x ?? ERROR('…')`, an arm of `match`";
                    error.help = Some(help.to_owned());
                }
                error
            }
            ResolveFailure::NoOverload { candidates } => {
                let message = format!("function `{}` does not take ({})", name.text, shown.join(", "));
                let forms: Vec<String> = candidates.iter().map(|form| format!("`{form}`")).collect();
                Diagnostic::new("42883", name.span, message).with_help(format!("it takes {}", forms.join(" or ")))
            }
        };
        self.fail(error)
    }
}

/// Whether it is the type of what `stream select …` gives.
fn is_stream(ty: &LogicalType) -> bool {
    let LogicalType::Struct(fields) = ty else { return false };
    matches!(fields.as_slice(), [number, row] if number.name == "stream" && row.name == "row")
}

/// The arguments, with constants of the types of an array's elements where the function takes them so: a literal gives way to
/// a column.
fn adapted(name: &str, args: Vec<Expr>) -> Vec<Expr> {
    let item = args.iter().find_map(|arg| match &arg.ty {
        LogicalType::Array(item) if arg.as_literal().is_none() => Some((**item).clone()),
        _ => None,
    });
    let Some(item) = item else { return args };
    let adapts = |arg: &Expr| !arg.ty.is_nested() && with_literal(&item, arg).as_ref() == Some(&item);
    let adapt = |arg: &Expr| match arg.as_literal() {
        Some(_) if adapts(arg) => cast(arg.clone(), &item),
        _ => arg.clone(),
    };
    let changed: Vec<Expr> = args.iter().map(adapt).collect();
    let types: Vec<LogicalType> = changed.iter().map(|arg| arg.ty.clone()).collect();
    match functions::resolve(name, &types) {
        Ok(resolved) if resolved.arg_types == types => changed,
        _ => args,
    }
}

/// An aggregate or form of nearly that name.
fn near_form(name: &str) -> Option<String> {
    let known = AGGREGATES.iter().map(|(known, _)| *known).chain(FORMS.iter().copied());
    let known = known.chain(super::listed::names()).chain(super::spread::names());
    nearest(name.trim_start_matches('@'), known).map(String::from)
}

fn text(value: &str, span: Span) -> Expr {
    Expr::literal(Value::String(value.into()), LogicalType::String, span)
}

/// `@TypeOf`'s names.
fn coarse_name(ty: &LogicalType) -> String {
    match ty {
        ty if ty.is_numeric() => "number".into(),
        LogicalType::Array(_) => "array".into(),
        LogicalType::Struct(_) => "struct".into(),
        LogicalType::Map(_) => "map".into(),
        other => other.to_string(),
    }
}
