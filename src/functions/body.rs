//! How a function's body sees one row.
//!
//! The body of `left` reads `call.text(0)` and `call.int(1)` and gives [`Scalar::Bytes`], a slice of its first argument.
//!
//! Invariants: an argument of the wrong kind is an internal error (XX000), not a panic.
//!
//! Does not: know where arguments lie or where results go.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;

use super::regexp::Compiled;
use super::runs::{SHORT_RUN, sort_in_runs};
use crate::types::cast::CastError;
use crate::types::{Interval, LogicalType, Value};

/// The function on one row: arguments in, the value out. What is not a piece of an argument is written to the buffer,
/// which is empty when the body is called.
pub type Body = for<'a> fn(&Call<'a>, &'a mut Vec<u8>) -> Answer<'a>;

/// The function on one row of values of any type.
pub type ValuesBody = fn(&ValuesCall<'_>) -> Result<Value, FunctionError>;

/// One call on values.
#[derive(Clone, Copy, Debug)]
pub struct ValuesCall<'a> {
    /// Arguments, of the types in `types`.
    pub args: &'a [Value],
    /// The argument types that [`super::resolve`] gave.
    pub types: &'a [LogicalType],
    /// Type of the result.
    pub result: &'a LogicalType,
    /// The world outside.
    pub env: &'a Env,
}

/// The function on the elements of an array that are not nested, in place of [`ValuesBody`]: no element is copied first.
pub type ItemsBody =
    for<'a> fn(&ItemsCall<'_, 'a>, &mut dyn Iterator<Item = Scalar<'a>>, &'a mut Vec<u8>) -> Answer<'a>;

/// One call on elements.
#[derive(Clone, Copy, Debug)]
pub struct ItemsCall<'c, 'a> {
    /// Type of the elements.
    pub item: &'c LogicalType,
    /// The arguments behind the array.
    pub rest: &'c [Scalar<'a>],
}

/// What a body gives.
pub type Answer<'a> = Result<Scalar<'a>, FunctionError>;

/// A value on its way in or out of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// NULL.
    Null,
    /// Whatever is stored as an integer: booleans 0 or 1, decimals unscaled, dates in days, times in microseconds.
    Int(i128),
    /// Real and double.
    Float(f64),
    /// String (UTF-8) and blob.
    Bytes(&'a [u8]),
    /// Interval.
    Interval(Interval),
}

/// One call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Arguments, of the types in `types`.
    pub args: &'a [Scalar<'a>],
    /// The argument types that [`super::resolve`] gave.
    pub types: &'a [LogicalType],
    /// Type of the result.
    pub result: &'a LogicalType,
    /// The world outside.
    pub env: &'a Env,
}

/// What functions may know of the world; one per worker, the same time in all of a statement's.
#[derive(Debug)]
pub struct Env {
    now_micros: i64,
    random: Cell<u64>,
    /// A second stream, for what needs more than 64 bits.
    second: Cell<u64>,
    compiled: Compiled,
}

/// The SQLSTATE of a function that would make more than there is memory for.
pub const NO_MEMORY: &str = "53200";

/// A function that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    /// SQLSTATE.
    pub code: &'static str,
    /// What, with the value.
    pub message: String,
}

impl Env {
    /// The statement's time in microseconds since 1970-01-01 UTC, and where random numbers start.
    pub fn new(now_micros: i64, seed: u128) -> Self {
        Self {
            now_micros,
            random: Cell::new(seed as u64),
            second: Cell::new((seed >> 64) as u64),
            compiled: Compiled::default(),
        }
    }

    /// When the statement began.
    pub fn now_micros(&self) -> i64 {
        self.now_micros
    }

    /// Regular expressions that were compiled before.
    pub(super) fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// 64 random bits, no two of them the same before all were given.
    pub(super) fn random_bits(&self) -> u64 {
        next(&self.random)
    }

    /// 128 random bits.
    pub(super) fn random_wide(&self) -> u128 {
        u128::from(next(&self.second)) << 64 | u128::from(next(&self.random))
    }
}

/// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators").
fn next(state: &Cell<u64>) -> u64 {
    state.set(state.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
    let z = state.get();
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl<'a> Call<'a> {
    pub(super) fn int(&self, i: usize) -> Result<i128, FunctionError> {
        match self.args.get(i) {
            Some(Scalar::Int(v)) => Ok(*v),
            _ => Err(FunctionError::argument(i, "an integer")),
        }
    }

    /// An integer of at most 64 bits; larger ones are cut to the range.
    pub(super) fn small(&self, i: usize) -> Result<i64, FunctionError> {
        let v = self.int(i)?.clamp(i64::MIN.into(), i64::MAX.into());
        i64::try_from(v).map_err(|_| FunctionError::argument(i, "an integer"))
    }

    pub(super) fn float(&self, i: usize) -> Result<f64, FunctionError> {
        match self.args.get(i) {
            Some(Scalar::Float(v)) => Ok(*v),
            _ => Err(FunctionError::argument(i, "a float")),
        }
    }

    pub(super) fn bytes(&self, i: usize) -> Result<&'a [u8], FunctionError> {
        match self.args.get(i) {
            Some(Scalar::Bytes(bytes)) => Ok(bytes),
            _ => Err(FunctionError::argument(i, "text")),
        }
    }

    pub(super) fn text(&self, i: usize) -> Result<&'a str, FunctionError> {
        std::str::from_utf8(self.bytes(i)?).map_err(|_| FunctionError::new("22021", "text is not valid UTF-8"))
    }

    pub(super) fn interval(&self, i: usize) -> Result<Interval, FunctionError> {
        match self.args.get(i) {
            Some(Scalar::Interval(v)) => Ok(*v),
            _ => Err(FunctionError::argument(i, "an interval")),
        }
    }

    pub(super) fn ty(&self, i: usize) -> &'a LogicalType {
        self.types.get(i).unwrap_or(&LogicalType::Null)
    }

    /// Digits after the point of a decimal argument.
    pub(super) fn scale(&self, i: usize) -> u8 {
        match self.ty(i) {
            LogicalType::Decimal { scale, .. } => *scale,
            _ => 0,
        }
    }

    /// The argument as a user would see it.
    pub(super) fn shown(&self, i: usize) -> String {
        let value = self.args.get(i).and_then(|arg| arg.to_value(self.ty(i)).ok());
        value.unwrap_or(Value::Null).display(self.ty(i))
    }

    /// The integer if the result type holds it.
    pub(super) fn checked(&self, v: Option<i128>, what: &str) -> Answer<'a> {
        let (low, high) = self.result.stored_range().unwrap_or((i128::MIN, i128::MAX));
        let v = v.filter(|v| (low..=high).contains(v));
        v.map(Scalar::Int).ok_or_else(|| {
            let shown: Vec<_> = (0..self.args.len()).map(|i| self.shown(i)).collect();
            FunctionError::new(
                "22003",
                format!("{what}({}) does not fit in {}", shown.join(", "), self.result),
            )
        })
    }
}

impl<'a> Scalar<'a> {
    /// A truth value.
    pub(super) fn boolean(v: bool) -> Self {
        Scalar::Int(v.into())
    }

    /// A constant that is not nested.
    pub fn of(value: &'a Value) -> Result<Self, FunctionError> {
        Ok(match value {
            Value::Null => Scalar::Null,
            Value::Boolean(v) => Scalar::boolean(*v),
            Value::Int(v) => Scalar::Int(*v),
            Value::Float(v) => Scalar::Float(*v),
            Value::String(text) => Scalar::Bytes(text.as_bytes()),
            Value::Blob(bytes) => Scalar::Bytes(bytes),
            Value::Interval(v) => Scalar::Interval(*v),
            Value::Array(_) | Value::Struct(_) => {
                return Err(FunctionError::new("XX000", "a nested value as argument"));
            }
        })
    }

    /// As a constant of its type.
    pub fn to_value(&self, ty: &LogicalType) -> Result<Value, FunctionError> {
        Ok(match (self, ty) {
            (Scalar::Null, _) => Value::Null,
            (Scalar::Int(v), LogicalType::Boolean) => Value::Boolean(*v != 0),
            (Scalar::Int(v), _) => Value::Int(*v),
            (Scalar::Float(v), LogicalType::Real) => Value::Float((*v as f32).into()),
            (Scalar::Float(v), _) => Value::Float(*v),
            (Scalar::Bytes(bytes), LogicalType::Blob) => Value::Blob((*bytes).into()),
            (Scalar::Bytes(bytes), _) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::String(text.into()),
                Err(_) => return Err(FunctionError::new("22021", "text is not valid UTF-8")),
            },
            (Scalar::Interval(v), _) => Value::Interval(*v),
        })
    }
}

/// Longest text that a function makes.
const MAX_TEXT_BYTES: usize = 1 << 28;

thread_local! {
    /// Memory that the call at hand may take.
    static LEFT_BYTES: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Whether the call at hand is to stop.
    static STOP: RefCell<Option<Stop>> = const { RefCell::new(None) };
}

/// Tells whether to stop.
type Stop = Rc<dyn Fn() -> bool>;

/// Calls a function that may take long; where it is stopped, its result means nothing.
pub fn stoppable<R>(stop: Stop, call: impl FnOnce() -> R) -> R {
    let outer = STOP.replace(Some(stop));
    let made = call();
    STOP.set(outer);
    made
}

/// Sorts many values; in no order if the call is to stop.
pub(super) fn sort<T: Clone>(values: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering + Copy) {
    let stop = STOP.with_borrow(Clone::clone);
    let is_stopped = || stop.as_ref().is_some_and(|stop| stop());
    sort_in_runs(values, SHORT_RUN, compare, &is_stopped);
}

/// Calls a function, which may take so much memory for what it makes.
pub fn within<R>(bytes: usize, call: impl FnOnce() -> R) -> R {
    let outer = LEFT_BYTES.replace(bytes);
    let made = call();
    LEFT_BYTES.set(outer);
    made
}

/// Whether so many values may be made, each with a text of its own.
pub(super) fn room_of_values(count: usize, text_bytes: usize) -> Result<(), FunctionError> {
    let left = LEFT_BYTES.get();
    let bytes = count.saturating_mul(VALUE_BYTES).saturating_add(text_bytes);
    match bytes <= left {
        true => Ok(()),
        false => Err(FunctionError::no_memory(format!("{count} values"), bytes, left)),
    }
}

/// What a value takes, and the head of its text.
const VALUE_BYTES: usize = size_of::<Value>() + 32;
/// A text is there twice before it is in its place, and has room to grow.
const COPIES: usize = 3;

/// Adds to the text being made.
pub(super) fn push(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), FunctionError> {
    room(out.len().saturating_add(bytes.len()))?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// Whether so long a text may be made.
pub(super) fn room(bytes: usize) -> Result<(), FunctionError> {
    if bytes <= MAX_TEXT_BYTES {
        let (wanted, left) = (bytes.saturating_mul(COPIES), LEFT_BYTES.get());
        return match wanted <= left {
            true => Ok(()),
            false => Err(FunctionError::no_memory(
                format!("a text of {bytes} bytes"),
                wanted,
                left,
            )),
        };
    }
    Err(FunctionError::new(
        "54000",
        format!("a text of {bytes} bytes is longer than {MAX_TEXT_BYTES}"),
    ))
}

impl FunctionError {
    fn no_memory(what: String, bytes: usize, left: usize) -> Self {
        Self::new(
            NO_MEMORY,
            format!("{what} would take {bytes} bytes of memory, and {left} are left"),
        )
    }

    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    fn argument(i: usize, what: &str) -> Self {
        Self::new("XX000", format!("argument {} is not {what}", i + 1))
    }
}

impl From<CastError> for FunctionError {
    fn from(error: CastError) -> Self {
        Self {
            code: error.code,
            message: error.message,
        }
    }
}
