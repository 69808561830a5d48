//! Structs that have a name of the language's own: caught errors, and calls that run by themselves.
//!
//! `exception` is `struct(code string, message string, line bigint)`, and `future<string>`, of what `spawn` gives, the number of a job with a field
//! that has the type of its value.
//!
//! Invariants: a struct with just these fields is shown by that name.
//!
//! Does not: catch, or await.

use super::{Field, LogicalType};

/// The fields of a future.
const FUTURE: [&str; 2] = ["future", "value"];
/// Those of an exception.
const EXCEPTION: [&str; 3] = ["code", "message", "line"];

fn structure<'n>(
    names: impl IntoIterator<Item = &'n str>,
    types: impl IntoIterator<Item = LogicalType>,
) -> LogicalType {
    let fields = names.into_iter().zip(types).map(|(name, ty)| Field {
        name: name.to_owned(),
        ty,
        nullable: true,
    });
    LogicalType::Struct(fields.collect())
}

impl LogicalType {
    /// The type of caught errors.
    pub fn exception() -> Self {
        structure(
            EXCEPTION,
            [LogicalType::String, LogicalType::String, LogicalType::BigInt],
        )
    }

    /// The type of calls that give values of this one.
    pub fn future(self) -> Self {
        structure(FUTURE, [LogicalType::BigInt, self])
    }

    /// Whether it is that of caught errors.
    pub fn is_exception(&self) -> bool {
        match self {
            LogicalType::Struct(fields) => {
                let names = fields.iter().map(|field| field.name.as_str()).eq(EXCEPTION);
                let types = [LogicalType::String, LogicalType::String, LogicalType::BigInt];
                names && fields.iter().zip(&types).all(|(field, ty)| field.ty == *ty)
            }
            _ => false,
        }
    }

    /// What is awaited, if it is the type of such calls.
    pub fn awaited(&self) -> Option<&Self> {
        let LogicalType::Struct(fields) = self else { return None };
        match fields.as_slice() {
            [number, value] if [&number.name, &value.name] == FUTURE && number.ty == LogicalType::BigInt => {
                Some(&value.ty)
            }
            _ => None,
        }
    }
}
