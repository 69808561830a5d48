//! The words of the text form, each table written once and read in both directions.
//!
//! Example: `IntBinary::Add` ↔ `add`, `Convert::FToS` ↔ `ftos`.
//!
//! Invariants: no word names two operations; every kind of every operation is listed.
//!
//! Does not: know operands.

use crate::ir::{Checked, Convert, FloatBinary, FloatCond, FloatUnary, IntBinary, IntCond, IntUnary, Lanes};

macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $parse:ident, $all:ident: $ty:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        pub(crate) fn $name(kind: $ty) -> &'static str {
            match kind {
                $($ty::$variant => $word,)*
            }
        }

        /// The kind that the word names.
        pub(crate) fn $parse(word: &str) -> Option<$ty> {
            match word {
                $($word => Some($ty::$variant),)*
                _ => None,
            }
        }

        /// Every kind.
        pub(crate) const $all: &[$ty] = &[$($ty::$variant),*];
    };
}

table! {
    /// Words of integer arithmetic.
    int_binary, parse_int_binary, INT_BINARY: IntBinary {
        Add = "add", Sub = "sub", Mul = "mul", SDiv = "sdiv", UDiv = "udiv", SRem = "srem", URem = "urem",
        And = "and", Or = "or", Xor = "xor", AndNot = "and_not", Shl = "shl", SShr = "sshr", UShr = "ushr",
        Rotl = "rotl", SMin = "smin", SMax = "smax", UMin = "umin", UMax = "umax", SMulHi = "smulhi", UMulHi = "umulhi",
    }
}
table! {
    /// Words of checked arithmetic.
    checked, parse_checked, CHECKED: Checked { Add = "add_checked", Sub = "sub_checked", Mul = "mul_checked" }
}
table! {
    /// Words of integer functions.
    int_unary, parse_int_unary, INT_UNARY: IntUnary {
        Neg = "neg", Not = "not", Clz = "clz", Ctz = "ctz", Popcnt = "popcnt", Bswap = "bswap",
    }
}
table! {
    /// Words of float arithmetic.
    float_binary, parse_float_binary, FLOAT_BINARY: FloatBinary { Add = "fadd", Sub = "fsub", Mul = "fmul", Div = "fdiv" }
}
table! {
    /// Words of float functions.
    float_unary, parse_float_unary, FLOAT_UNARY: FloatUnary {
        Neg = "fneg", Abs = "fabs", Sqrt = "fsqrt", Floor = "ffloor", Ceil = "fceil", Trunc = "ftrunc",
        Nearest = "fnearest",
    }
}
table! {
    /// Words of integer conditions.
    int_cond, parse_int_cond, INT_COND: IntCond {
        Eq = "eq", Ne = "ne", Slt = "slt", Sle = "sle", Sgt = "sgt", Sge = "sge", Ult = "ult", Ule = "ule", Ugt = "ugt",
        Uge = "uge",
    }
}
table! {
    /// Words of float conditions.
    float_cond, parse_float_cond, FLOAT_COND: FloatCond {
        Eq = "eq", Ne = "ne", Lt = "lt", Le = "le", Gt = "gt", Ge = "ge", Uno = "uno",
    }
}
table! {
    /// Words of conversions.
    convert, parse_convert, CONVERT: Convert {
        SExt = "sext", UExt = "uext", Trunc = "trunc", SToF = "stof", UToF = "utof", FToS = "ftos", Promote = "promote",
        Demote = "demote", Bitcast = "bitcast",
    }
}
table! {
    /// Words of widening.
    lanes, parse_lanes, LANES: Lanes {
        SWidenLow = "swiden_low", SWidenHigh = "swiden_high", UWidenLow = "uwiden_low", UWidenHigh = "uwiden_high",
    }
}
