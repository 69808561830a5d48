//! What the table says of one function.
//!
//! `strict("upper", &[Param::String], returns::string, upper).doc("…", "upper('abc') → ABC")`.
//!
//! Invariants: only strict functions that cannot fail and are not volatile have an emitter.
//!
//! Does not: hold the entries; each area's file does.

use gobi_jit::{FunctionBuilder, ir};

use super::{Body, FunctionError, ItemsBody, Param, ValuesBody};
use crate::types::LogicalType;

/// A scalar function for one list of parameter types.
#[derive(Clone, Copy)]
pub struct Function {
    /// Name, lowercase.
    pub name: &'static str,
    /// Other names of the same function, lowercase.
    pub aliases: &'static [&'static str],
    /// What it takes.
    pub params: &'static [Param],
    /// The last parameter may be given more than once.
    pub variadic: bool,
    /// Type of the result for argument types that [`super::resolve`] gave.
    pub result: fn(&[LogicalType]) -> LogicalType,
    /// What NULLs do.
    pub nulls: NullRule,
    /// How long its value for the same arguments stays the same.
    pub stability: Stability,
    /// May fail for some arguments.
    pub fallible: bool,
    /// A sentence or two for the user, without a full stop at the end.
    pub doc: &'static str,
    /// `call → result as shown`.
    pub example: &'static str,
    /// The function on one row.
    pub body: Body,
    /// The same inline, for rows in which no argument is NULL.
    pub emit: Option<Emit>,
    /// The function on values, in place of `body`: for arguments or results that are arrays or structs.
    pub values: Option<ValuesBody>,
    /// The function on the elements of its first argument, if they are not nested.
    pub items: Option<ItemsBody>,
    /// What generated code does itself, by loads from an array or struct.
    pub native: Option<Native>,
}

/// How long the value of a function for the same arguments stays the same, in PostgreSQL's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Always: calls of constants are folded.
    Immutable,
    /// During a statement, such as `now()`.
    Stable,
    /// It is another one with each call, such as `random()`.
    Volatile,
}

/// Accesses to arrays and structs that the compiler knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// Number of elements.
    Length,
    /// An element by its position.
    Element {
        /// A position outside the array is an error, not NULL.
        checked: bool,
    },
    /// A field by its name, a literal.
    Field,
    /// The square root of a double.
    SquareRoot,
}

/// What a function does with NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullRule {
    /// NULL if any argument is, without a call; never NULL otherwise.
    Strict,
    /// The body sees NULLs.
    Called,
}

/// Writes the code of one value; see [`Function::emit`]. The result has the natural physical type of the result type.
pub type Emit = fn(&mut FunctionBuilder, &EmitArgs<'_>) -> ir::Value;

/// Arguments of an emitter.
#[derive(Clone, Copy, Debug)]
pub struct EmitArgs<'a> {
    /// Values in the natural physical types of `types`.
    pub values: &'a [ir::Value],
    /// The argument types that [`super::resolve`] gave.
    pub types: &'a [LogicalType],
}

/// A strict function that cannot fail.
pub(super) const fn strict(
    name: &'static str,
    params: &'static [Param],
    result: fn(&[LogicalType]) -> LogicalType,
    body: Body,
) -> Function {
    Function {
        name,
        aliases: &[],
        params,
        variadic: false,
        result,
        nulls: NullRule::Strict,
        stability: Stability::Immutable,
        fallible: false,
        doc: "",
        example: "",
        body,
        emit: None,
        values: None,
        items: None,
        native: None,
    }
}

/// A function on values that cannot fail.
pub(super) const fn on_values(
    name: &'static str,
    params: &'static [Param],
    result: fn(&[LogicalType]) -> LogicalType,
    values: ValuesBody,
) -> Function {
    Function {
        values: Some(values),
        ..strict(name, params, result, |_, _| {
            Err(FunctionError::new(
                "XX000",
                "a function of nested values was called on scalars",
            ))
        })
    }
}

/// A function of the elements of an array that cannot fail.
pub(super) const fn on_items(
    name: &'static str,
    params: &'static [Param],
    result: fn(&[LogicalType]) -> LogicalType,
    items: ItemsBody,
) -> Function {
    let values: ValuesBody = |_| {
        Err(FunctionError::new(
            "XX000",
            "a function of elements was called on nested ones",
        ))
    };
    on_values(name, params, result, values).over_items(items)
}

impl Function {
    /// That has a body on elements too.
    pub(super) const fn over_items(self, items: ItemsBody) -> Self {
        Self {
            items: Some(items),
            ..self
        }
    }

    /// With other names.
    pub(super) const fn aka(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// That generated code computes itself.
    pub(super) const fn native(self, native: Native) -> Self {
        Self {
            native: Some(native),
            ..self
        }
    }

    /// With documentation and an example.
    pub(super) const fn doc(self, doc: &'static str, example: &'static str) -> Self {
        Self { doc, example, ..self }
    }

    /// With an emitter.
    pub(super) const fn inline(self, emit: Emit) -> Self {
        Self {
            emit: Some(emit),
            ..self
        }
    }

    /// That may fail.
    pub(super) const fn fallible(self) -> Self {
        Self { fallible: true, ..self }
    }

    /// That sees NULLs.
    pub(super) const fn sees_nulls(self) -> Self {
        Self {
            nulls: NullRule::Called,
            ..self
        }
    }

    /// Whose last parameter repeats.
    pub(super) const fn variadic(self) -> Self {
        Self { variadic: true, ..self }
    }

    /// That gives another value with each call.
    pub(super) const fn volatile(self) -> Self {
        Self {
            stability: Stability::Volatile,
            ..self
        }
    }

    /// That gives another value in another statement.
    pub(super) const fn stable(self) -> Self {
        Self {
            stability: Stability::Stable,
            ..self
        }
    }

    /// `round(decimal, bigint)`, for messages and documentation.
    pub fn signature(&self) -> String {
        let params: Vec<_> = self.params.iter().map(ToString::to_string).collect();
        let more = if self.variadic { ", …" } else { "" };
        format!("{}({}{more})", self.name, params.join(", "))
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.signature())
    }
}
