//! The table of SQL scalar functions: names, types, documentation, and what each one does.
//!
//! `left('gobi', 2)`: [`resolve`] finds the entry that takes `(string, bigint)`, [`call`] runs its body on one row and
//! gives `go`; where an entry has `emit`, generated code computes the value inline instead.
//!
//! # How to add a function
//! 1. Write its body in the file of its area (`string.rs`, `numeric.rs`, …): one row in, one value out.
//! 2. Add an entry to that file's `FUNCTIONS`, with a sentence of documentation and an example that a test runs.
//! 3. If it is cheap and cannot fail, add an emitter in `emit.rs`; a test compares it with the body.
//! 4. `GOBI_BLESS=1 cargo test --lib functions::` rewrites `docs/functions.md`.
//!
//! Invariants: a strict function gives a value for every row without NULLs; `emit` and body agree; bodies neither panic
//! nor keep memory.
//!
//! Does not: know expressions, batches or sessions. What a function may know of the world outside is in [`Env`].

mod array;
mod bits;
mod body;
mod compare;
mod date;
mod emit;
mod emit_date;
mod entry;
mod json;
pub mod like;
mod map;
mod math;
mod moments;
mod numeric;
mod params;
mod part;
mod pieces;
mod regexp;
mod resolve;
mod runs;
mod statistics;
mod strftime;
mod string;
mod structs;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use array::{SortOrder, sort_order};
pub use body::{
    Answer, Body, Call, Env, FunctionError, ItemsBody, ItemsCall, NO_MEMORY, Scalar, ValuesBody, ValuesCall, stoppable,
    within,
};
pub use entry::{Emit, EmitArgs, Function, Native, NullRule, Stability};
pub use params::{Class, Param, common_type};
pub use part::Part;
pub use resolve::{ResolveFailure, Resolved, is_volatile, resolve};
pub use runs::{LONG_RUN, SHORT_RUN, sort_in_runs};

use crate::types::{LogicalType, Value};

/// A function of the table: its place in [`all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

static TABLE: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let areas = [
        string::FUNCTIONS,
        pieces::FUNCTIONS,
        regexp::FUNCTIONS,
        numeric::FUNCTIONS,
        math::FUNCTIONS,
        bits::FUNCTIONS,
        compare::FUNCTIONS,
        date::FUNCTIONS,
        array::FUNCTIONS,
        statistics::FUNCTIONS,
        moments::FUNCTIONS,
        structs::FUNCTIONS,
        map::FUNCTIONS,
        json::FUNCTIONS,
    ];
    areas.concat()
});

/// Every entry; a name with several overloads has several.
pub fn all() -> &'static [Function] {
    &TABLE
}

/// The entry of an id that [`resolve`] gave.
pub fn function(id: FunctionId) -> &'static Function {
    TABLE.get(id.0 as usize).expect("a function id comes from `resolve`")
}

/// The value for one row, NULLs handled by the entry's rule. Text that is made goes to `buffer`, which the caller has
/// cleared; the result may lie there or in the arguments.
pub fn call<'a>(id: FunctionId, call: &Call<'a>, buffer: &'a mut Vec<u8>) -> Answer<'a> {
    let function = function(id);
    if function.nulls == NullRule::Strict && call.args.iter().any(|arg| matches!(arg, Scalar::Null)) {
        return Ok(Scalar::Null);
    }
    (function.body)(call, buffer)
}

/// The same for a function that has a body on values.
pub fn call_values(
    id: FunctionId,
    args: &[Value],
    types: &[LogicalType],
    result: &LogicalType,
    env: &Env,
) -> Result<Value, FunctionError> {
    let function = function(id);
    if function.nulls == NullRule::Strict && args.contains(&Value::Null) {
        return Ok(Value::Null);
    }
    if let (Some(body), [first, rest @ ..]) = (items_body(id, types), args) {
        return over_items(body, (first, rest), types, result);
    }
    match function.values {
        Some(body) => body(&ValuesCall {
            args,
            types,
            result,
            env,
        }),
        None => Err(FunctionError::new(
            "XX000",
            "a scalar function was called on nested values",
        )),
    }
}

/// The body on elements, if the function has one and the elements of its first argument are not nested.
pub fn items_body(id: FunctionId, types: &[LogicalType]) -> Option<ItemsBody> {
    match (function(id).items, types.first()) {
        (Some(body), Some(LogicalType::Array(item))) if !item.is_nested() => Some(body),
        _ => None,
    }
}

fn over_items(
    body: ItemsBody,
    (first, rest): (&Value, &[Value]),
    types: &[LogicalType],
    result: &LogicalType,
) -> Result<Value, FunctionError> {
    let (Value::Array(items), Some(LogicalType::Array(item))) = (first, types.first()) else {
        return Ok(Value::Null);
    };
    let items: Vec<Scalar<'_>> = items.iter().map(Scalar::of).collect::<Result<_, _>>()?;
    let rest: Vec<Scalar<'_>> = rest.iter().map(Scalar::of).collect::<Result<_, _>>()?;
    let call = ItemsCall { item, rest: &rest };
    let mut buffer = Vec::new();
    body(&call, &mut items.into_iter(), &mut buffer)?.to_value(result)
}

/// The value for constants of exactly the resolved types; for folding.
pub fn evaluate(resolved: &Resolved, args: &[Value], env: &Env) -> Result<Value, FunctionError> {
    if function(resolved.function).values.is_some() {
        return call_values(resolved.function, args, &resolved.arg_types, &resolved.result, env);
    }
    let scalars: Vec<_> = args.iter().map(Scalar::of).collect::<Result<_, _>>()?;
    let row = Call {
        args: &scalars,
        types: &resolved.arg_types,
        result: &resolved.result,
        env,
    };
    let mut buffer = Vec::new();
    call(resolved.function, &row, &mut buffer)?.to_value(&resolved.result)
}

/// Types that entries give, whatever their arguments are.
mod returns {
    use super::LogicalType;

    macro_rules! fixed {
        ($($name:ident => $ty:ident;)*) => {
            $(pub(super) fn $name(_: &[LogicalType]) -> LogicalType { LogicalType::$ty })*
        };
    }
    fixed! {
        boolean => Boolean;
        tinyint => TinyInt;
        smallint => SmallInt;
        integer => Integer;
        bigint => BigInt;
        double => Double;
        string => String;
        blob => Blob;
        date => Date;
        timestamp => Timestamp;
        timestamptz => TimestampTz;
        time => Time;
        interval => Interval;
        uuid => Uuid;
        json => Json;
    }

    /// The type of the first argument.
    pub(super) fn first(args: &[LogicalType]) -> LogicalType {
        args.first().cloned().unwrap_or(LogicalType::Null)
    }

    /// The type of the second argument.
    pub(super) fn second(args: &[LogicalType]) -> LogicalType {
        args.get(1).cloned().unwrap_or(LogicalType::Null)
    }
}
