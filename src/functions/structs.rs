//! Structs: making them of values, and taking fields out.
//!
//! `row(1, 'x')` is `{'f1': 1, 'f2': x}`; `{a: 1}` is the same function with the names that were written.
//!
//! Invariants: the name of a field that is taken out is a literal, resolved while the query is bound.
//!
//! Does not: know where structs lie in memory.

use super::body::{FunctionError, ValuesCall};
use super::entry::on_values;
use super::{Function, Native, Param as P, returns};
use crate::types::{Field, LogicalType, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    on_values("row", &[P::Anything], unnamed, |call| Ok(Value::Struct(call.args.to_vec())))
        .variadic()
        .sees_nulls()
        .doc(
            "A struct of the arguments, NULLs included, with the fields `f1`, `f2`, …; `struct_pack(a := 1)` and `{a: 1}` name them",
            "row(1, 'x') → {'f1': 1, 'f2': x}",
        ),
    on_values("struct_extract", &[P::Struct, P::String], returns::first, field)
        .native(Native::Field)
        .sees_nulls()
        .doc(
            "The field of that name, which must be a literal; what `s.f` means. NULL if the struct is NULL",
            "struct_extract(row(7, 8), 'f2') → 8",
        ),
];

fn unnamed(args: &[LogicalType]) -> LogicalType {
    let fields = args.iter().enumerate().map(|(i, ty)| Field {
        name: format!("f{}", i + 1),
        ty: ty.clone(),
        nullable: true,
    });
    LogicalType::Struct(fields.collect())
}

fn field(call: &ValuesCall<'_>) -> Result<Value, FunctionError> {
    let (Some(LogicalType::Struct(fields)), [Value::Struct(values), Value::String(name)]) =
        (call.types.first(), call.args)
    else {
        return Ok(Value::Null);
    };
    let found = fields.iter().position(|field| *field.name == **name);
    Ok(found.and_then(|i| values.get(i)).cloned().unwrap_or(Value::Null))
}
