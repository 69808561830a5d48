//! Aggregates that are functions of the array of a group's values: `median`, `string_agg`, `array_agg(x ORDER BY y)` and their kin.
//!
//! `string_agg(name, ', ' ORDER BY day)` is `array_to_string(array_ordered(array_agg(row(day, name)), 'al'), ', ')`, where only the
//! `array_agg` is an aggregate.
//!
//! Invariants: NULLs are left out, but by `array_agg`, `first` and `last`.
//!
//! Does not: compute anything.

use gobi_grammar::ast::{self, Span};
use gobi_grammar::{Diagnostic, Dialect};

use super::coerce::cast;
use super::select::{Block, Place};
use super::{Binder, Bound, Reported};
use crate::plan::logical::{Aggregate, AggregateFunction, Expr, ExprKind};
use crate::types::{LogicalType, Value};

/// How a result is made of an array.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Made {
    /// It is the array.
    List,
    /// One text, with a separator between the elements.
    Joined,
    /// A function of the array of numbers.
    Numbers(&'static str),
    /// A function of the array of anything.
    Any(&'static str),
    /// A quantile, of shares or percents.
    Quantile(&'static str, f64),
    /// The element at a position.
    At(i128),
    /// The value where another one is least or greatest.
    By {
        /// Greatest.
        desc: bool,
    },
}

/// Names, and how many arguments they take.
const LISTED: &[(&str, Made, usize, usize)] = &[
    ("array_agg", Made::List, 1, 1),
    ("arrayagg", Made::List, 1, 1),
    ("list", Made::List, 1, 1),
    ("string_agg", Made::Joined, 1, 2),
    ("group_concat", Made::Joined, 1, 2),
    ("listagg", Made::Joined, 1, 2),
    ("median", Made::Numbers("array_median"), 1, 1),
    ("mode", Made::Any("array_mode"), 1, 1),
    ("quantile", Made::Quantile("array_quantile_disc", 1.0), 2, 2),
    ("quantile_disc", Made::Quantile("array_quantile_disc", 1.0), 2, 2),
    ("quantile_cont", Made::Quantile("array_quantile_cont", 1.0), 2, 2),
    ("percentile", Made::Quantile("array_quantile_cont", 100.0), 2, 2),
    ("stddev", Made::Numbers("array_stddev_samp"), 1, 1),
    ("stdev", Made::Numbers("array_stddev_samp"), 1, 1),
    ("stddev_samp", Made::Numbers("array_stddev_samp"), 1, 1),
    ("stddev_pop", Made::Numbers("array_stddev_pop"), 1, 1),
    ("variance", Made::Numbers("array_var_samp"), 1, 1),
    ("var_samp", Made::Numbers("array_var_samp"), 1, 1),
    ("var_pop", Made::Numbers("array_var_pop"), 1, 1),
    ("first", Made::At(0), 1, 1),
    ("last", Made::At(-1), 1, 1),
    ("arg_min", Made::By { desc: false }, 2, 2),
    ("min_by", Made::By { desc: false }, 2, 2),
    ("arg_max", Made::By { desc: true }, 2, 2),
    ("max_by", Made::By { desc: true }, 2, 2),
];

fn listed(name: &str) -> Option<&'static (&'static str, Made, usize, usize)> {
    let lower = name.to_lowercase();
    let plain = lower.strip_prefix('@').unwrap_or(&lower);
    LISTED.iter().find(|(known, ..)| *known == plain)
}

/// The function of an array that an aggregate of one argument is.
pub(super) fn of_array(name: &str) -> Option<&'static str> {
    match listed(name)? {
        (_, Made::Numbers(function) | Made::Any(function), 1, 1) => Some(function),
        _ => None,
    }
}

/// The names, for suggestions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LISTED.iter().map(|(name, ..)| *name)
}

/// The call is of an aggregate of this kind.
pub(super) fn is_listed(name: &str) -> bool {
    listed(name).is_some()
}

impl<'a> Binder<'a> {
    /// An aggregate of this kind, or one with an order.
    pub(super) fn listed_call(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        order_by: &'a [ast::OrderItem],
        span: Span,
    ) -> Bound<Expr> {
        let name = &call.name.text;
        if let Some(spread) = super::spread::spread(name, call.distinct) {
            return self.spread_call(block, spread, call, span);
        }
        let Some((name, made, least, most)) = listed(name) else {
            // The order of its rows changes nothing for any other aggregate.
            if super::call::aggregate_function(name).is_some() {
                return self.call(block, call, span);
            }
            let message = format!("`{name}` is not an aggregate function");
            return self.fail(Diagnostic::new("42809", call.name.span, message));
        };
        self.check_aggregate_place(block, call, span)?;
        if call.star || call.args.len() < *least || call.args.len() > *most {
            let message = match (least, most) {
                (l, m) if l == m => format!("`{name}` takes {l} argument{}", if *l == 1 { "" } else { "s" }),
                (l, m) => format!("`{name}` takes {l} or {m} arguments"),
            };
            return self.fail(Diagnostic::new("42883", span, message));
        }
        if matches!(made, Made::At(_)) && order_by.is_empty() {
            let message = format!("`{name}` needs an order");
            let help = format!("write `{name}(… ORDER BY …)`, or any_value() if any row will do");
            return self.fail(Diagnostic::new("42P20", span, message).with_help(help));
        }
        let place = std::mem::replace(&mut block.place, Place::Aggregate);
        let (filter, parts) = self.with_filter(block, call, |binder, block| {
            binder.values_and_keys(block, call, order_by)
        });
        block.place = place;
        let (filter, (mut args, mut keys)) = (filter?, parts?);
        if let Made::By { desc } = made {
            let by = args.pop().ok_or(Reported)?;
            keys = vec![(by, *desc, false)];
        }
        let mut args = args.into_iter();
        let value = args.next().ok_or(Reported)?;
        let value = self.listed_value(*made, value, name)?;
        let filter = with_values(*made, filter, &value, &keys, span);
        let array = self.listed_array(block, call, (value, keys), (*made, filter), span)?;
        self.finish_listed(*made, array, args.next(), span)
    }

    /// The arguments, and the keys of the order.
    #[allow(clippy::type_complexity)]
    fn values_and_keys(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        order_by: &'a [ast::OrderItem],
    ) -> Bound<(Vec<Expr>, Vec<(Expr, bool, bool)>)> {
        let args = self.exprs(block, &call.args);
        let mut keys = Vec::with_capacity(order_by.len());
        for key in order_by {
            let nulls_first = key.nulls_first.unwrap_or(self.dialect == Dialect::Ansi && key.desc);
            keys.push((self.expr(block, &key.expr)?, key.desc, nulls_first));
        }
        Ok((args?, keys))
    }

    fn listed_value(&mut self, made: Made, value: Expr, name: &str) -> Bound<Expr> {
        match made {
            Made::Joined => Ok(cast(value, &LogicalType::String)),
            Made::Numbers(_) | Made::Quantile("array_quantile_cont", _) => match &value.ty {
                LogicalType::Null => Ok(cast(value, &LogicalType::Double)),
                ty if ty.is_numeric() => Ok(value),
                ty => {
                    let message = format!("`{name}` has no meaning for {ty}");
                    let mut error = Diagnostic::new("42883", value.span, message);
                    error.help = super::elements::instead_of(name, ty);
                    self.fail(error)
                }
            },
            _ => Ok(value),
        }
    }

    /// The array of the values, in order.
    fn listed_array(
        &mut self,
        block: &mut Block<'a>,
        call: &'a ast::Call,
        (value, keys): (Expr, Vec<(Expr, bool, bool)>),
        (made, filter): (Made, Option<Expr>),
        span: Span,
    ) -> Bound<Expr> {
        let mut spec = String::new();
        let mut row = Vec::with_capacity(keys.len() + 1);
        for (key, desc, nulls_first) in keys {
            spec.push(if desc { 'd' } else { 'a' });
            spec.push(if nulls_first { 'f' } else { 'l' });
            row.push(key);
        }
        let item = match row.is_empty() {
            true => value,
            false => {
                row.push(value);
                self.named_function("row", row, span)?
            }
        };
        let in_order = spec.is_empty() && matches!(made, Made::List | Made::Joined);
        let aggregate = Aggregate {
            function: if in_order {
                AggregateFunction::List
            } else {
                AggregateFunction::Bag
            },
            ty: LogicalType::Array(Box::new(item.ty.clone())),
            arg: Some(item),
            distinct: call.distinct,
            filter,
        };
        let array = self.register_aggregate(block, aggregate, call, span);
        if spec.is_empty() {
            return Ok(array);
        }
        let spec = Expr::literal(Value::String(spec.into()), LogicalType::String, span);
        self.named_function("array_ordered", vec![array, spec], span)
    }

    fn finish_listed(&mut self, made: Made, array: Expr, second: Option<Expr>, span: Span) -> Bound<Expr> {
        let at = |position: i128| Expr::literal(Value::Int(position), LogicalType::BigInt, span);
        match made {
            Made::List => Ok(array),
            Made::Joined => {
                let comma = || Expr::literal(Value::String(",".into()), LogicalType::String, span);
                let separator = second.unwrap_or_else(comma);
                self.named_function("array_to_string", vec![array, separator], span)
            }
            Made::Numbers(function) | Made::Any(function) => self.named_function(function, vec![array], span),
            Made::Quantile(function, whole) => {
                let share = second.ok_or(Reported)?;
                let share = self.convert_constant(share, &LogicalType::Double)?;
                let share = match share.as_literal() {
                    Some(Value::Float(v)) => Expr::literal(Value::Float(v / whole), LogicalType::Double, share.span),
                    _ => {
                        return self.fail(Diagnostic::new(
                            "42804",
                            share.span,
                            "a quantile takes a constant number",
                        ));
                    }
                };
                self.named_function(function, vec![array, share], span)
            }
            Made::At(position) => self.named_function("array_extract", vec![array, at(position)], span),
            Made::By { .. } => self.named_function("array_extract", vec![array, at(0)], span),
        }
    }
}

/// The filter, and that there is a value where NULLs are left out.
fn with_values(
    made: Made,
    filter: Option<Expr>,
    value: &Expr,
    keys: &[(Expr, bool, bool)],
    span: Span,
) -> Option<Expr> {
    let tested = match (made, keys) {
        (Made::List | Made::At(_), _) => return filter,
        (Made::By { .. }, [(by, ..)]) => by,
        _ => value,
    };
    let kind = ExprKind::IsNull {
        expr: Box::new(tested.clone()),
        negated: true,
    };
    let known = Expr::boolean(kind, span);
    Some(match filter {
        Some(filter) => Expr::and(vec![filter, known], span),
        None => known,
    })
}
