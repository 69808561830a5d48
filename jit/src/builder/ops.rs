//! The operations of [`FunctionBuilder`], one method each: `b.add(x, y)`, `b.load(Type::I64, base, 8)`.
//!
//! Invariants: every method appends exactly one instruction to the current block.
//!
//! Does not: fold or simplify.

use crate::FunctionBuilder;
use crate::ir::{
    Checked, Convert, FloatBinary, FloatCond, FloatUnary, IntBinary, IntCond, IntUnary, Lanes, Local, Op, Slot, Type,
    Value,
};
use crate::typing::Callees;

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident => $group:ident :: $kind:path;)*) => {
        /// Operations of one operand; see the operation for the types it takes.
        impl FunctionBuilder {
            $($(#[$doc])* pub fn $name(&mut self, a: Value) -> Value { self.one(Op::$group($kind, a), None) })*
        }
    };
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident => $group:ident :: $kind:path;)*) => {
        /// Operations of two operands of one type; see the operation for the types it takes.
        impl FunctionBuilder {
            $($(#[$doc])* pub fn $name(&mut self, a: Value, b: Value) -> Value {
                self.one(Op::$group($kind, a, b), None)
            })*
        }
    };
}

macro_rules! convert {
    ($($(#[$doc:meta])* $name:ident => $kind:path;)*) => {
        /// Conversions to a given type.
        impl FunctionBuilder {
            $($(#[$doc])* pub fn $name(&mut self, a: Value, to: Type) -> Value {
                self.one(Op::Convert($kind, a), Some(to))
            })*
        }
    };
}

binary! {
    /// Wrapping sum.
    add => Int::IntBinary::Add;
    /// Wrapping difference.
    sub => Int::IntBinary::Sub;
    /// Wrapping product.
    mul => Int::IntBinary::Mul;
    /// Signed quotient; 0 for a zero divisor.
    sdiv => Int::IntBinary::SDiv;
    /// Unsigned quotient; 0 for a zero divisor.
    udiv => Int::IntBinary::UDiv;
    /// Signed remainder; 0 for a zero divisor.
    srem => Int::IntBinary::SRem;
    /// Unsigned remainder; 0 for a zero divisor.
    urem => Int::IntBinary::URem;
    /// Bitwise and.
    and => Int::IntBinary::And;
    /// Bitwise or.
    or => Int::IntBinary::Or;
    /// Bitwise exclusive or.
    xor => Int::IntBinary::Xor;
    /// `a & !b`.
    and_not => Int::IntBinary::AndNot;
    /// Shift left, amount modulo width.
    shl => Int::IntBinary::Shl;
    /// Arithmetic shift right, amount modulo width.
    sshr => Int::IntBinary::SShr;
    /// Logical shift right, amount modulo width.
    ushr => Int::IntBinary::UShr;
    /// Rotate left.
    rotl => Int::IntBinary::Rotl;
    /// Signed minimum.
    smin => Int::IntBinary::SMin;
    /// Signed maximum.
    smax => Int::IntBinary::SMax;
    /// Unsigned minimum.
    umin => Int::IntBinary::UMin;
    /// Unsigned maximum.
    umax => Int::IntBinary::UMax;
    /// High half of the signed 128-bit product.
    smulhi => Int::IntBinary::SMulHi;
    /// High half of the unsigned 128-bit product.
    umulhi => Int::IntBinary::UMulHi;
    /// Float sum.
    fadd => Float::FloatBinary::Add;
    /// Float difference.
    fsub => Float::FloatBinary::Sub;
    /// Float product.
    fmul => Float::FloatBinary::Mul;
    /// Float quotient.
    fdiv => Float::FloatBinary::Div;
}

unary! {
    /// Wrapping negation.
    neg => IntUnary::IntUnary::Neg;
    /// Bitwise complement (of a truth value: use `xor` with 1).
    not => IntUnary::IntUnary::Not;
    /// Leading zeros.
    clz => IntUnary::IntUnary::Clz;
    /// Trailing zeros.
    ctz => IntUnary::IntUnary::Ctz;
    /// Bits set.
    popcnt => IntUnary::IntUnary::Popcnt;
    /// Bytes reversed.
    bswap => IntUnary::IntUnary::Bswap;
    /// Sign flipped.
    fneg => FloatUnary::FloatUnary::Neg;
    /// Magnitude.
    fabs => FloatUnary::FloatUnary::Abs;
    /// Square root.
    fsqrt => FloatUnary::FloatUnary::Sqrt;
    /// Toward −∞.
    ffloor => FloatUnary::FloatUnary::Floor;
    /// Toward +∞.
    fceil => FloatUnary::FloatUnary::Ceil;
    /// Toward 0.
    ftrunc => FloatUnary::FloatUnary::Trunc;
    /// To nearest, ties to even.
    fnearest => FloatUnary::FloatUnary::Nearest;
}

convert! {
    /// Signed widening.
    sext => Convert::SExt;
    /// Unsigned widening.
    uext => Convert::UExt;
    /// Low bits.
    trunc => Convert::Trunc;
    /// Signed integer to float.
    stof => Convert::SToF;
    /// Unsigned integer to float.
    utof => Convert::UToF;
    /// Float to signed integer, saturating, NaN to 0.
    ftos => Convert::FToS;
    /// Same bits, another type of the same size.
    bitcast => Convert::Bitcast;
}

/// Constants.
impl FunctionBuilder {
    /// An integer or pointer constant; negative numbers and the unsigned range both fit.
    pub fn iconst(&mut self, ty: Type, value: impl Into<i128>) -> Value {
        self.one(Op::Const(value.into()), Some(ty))
    }

    /// A 128-bit integer constant.
    pub fn iconst128(&mut self, value: i128) -> Value {
        self.iconst(Type::I128, value)
    }

    /// An f32 constant.
    pub fn f32const(&mut self, value: f32) -> Value {
        self.one(Op::F32Const(value.to_bits()), None)
    }

    /// An f64 constant.
    pub fn f64const(&mut self, value: f64) -> Value {
        self.one(Op::F64Const(value.to_bits()), None)
    }

    /// The null pointer.
    pub fn null_ptr(&mut self) -> Value {
        self.iconst(Type::Ptr, 0)
    }
}

/// Comparisons, choices and checked arithmetic.
impl FunctionBuilder {
    /// The wrapped result, and an `i8` that is 1 if it overflowed.
    pub fn checked(&mut self, op: Checked, a: Value, b: Value) -> (Value, Value) {
        let (result, overflow) = self.emit(Op::Checked(op, a, b), None, Callees::None);
        (
            result.expect("checked arithmetic has a result"),
            overflow.expect("checked arithmetic has a flag"),
        )
    }

    /// Compares integers or pointers (`i8`), or lanes (a mask).
    pub fn icmp(&mut self, cond: IntCond, a: Value, b: Value) -> Value {
        self.one(Op::ICmp(cond, a, b), None)
    }

    /// Compares floats (`i8`), or lanes (a mask).
    pub fn fcmp(&mut self, cond: FloatCond, a: Value, b: Value) -> Value {
        self.one(Op::FCmp(cond, a, b), None)
    }

    /// `cond != 0 ? then : otherwise` on scalars.
    pub fn select(&mut self, cond: Value, then: Value, otherwise: Value) -> Value {
        self.one(Op::Select { cond, then, otherwise }, None)
    }

    /// Bits of `then` where the mask has ones, else of `otherwise`.
    pub fn bit_select(&mut self, mask: Value, then: Value, otherwise: Value) -> Value {
        self.one(Op::BitSelect { mask, then, otherwise }, None)
    }

    /// f32 to f64.
    pub fn promote(&mut self, a: Value) -> Value {
        self.one(Op::Convert(Convert::Promote, a), Some(Type::F64))
    }

    /// f64 to f32.
    pub fn demote(&mut self, a: Value) -> Value {
        self.one(Op::Convert(Convert::Demote, a), Some(Type::F32))
    }
}

/// Vectors.
impl FunctionBuilder {
    /// All lanes of the vector type set to the scalar.
    pub fn splat(&mut self, ty: Type, a: Value) -> Value {
        self.one(Op::Splat(a), Some(ty))
    }

    /// One lane as a scalar.
    pub fn extract_lane(&mut self, vector: Value, lane: u8) -> Value {
        self.one(Op::ExtractLane(vector, lane), None)
    }

    /// The vector with one lane replaced.
    pub fn insert_lane(&mut self, vector: Value, lane: u8, value: Value) -> Value {
        self.one(Op::InsertLane(vector, lane, value), None)
    }

    /// Sign bits of the lanes as an `i32`, lane 0 in bit 0.
    pub fn high_bits(&mut self, vector: Value) -> Value {
        self.one(Op::HighBits(vector), None)
    }

    /// Lanes of `a`, then of `b`, at half the width, with signed saturation.
    pub fn snarrow(&mut self, a: Value, b: Value) -> Value {
        self.one(Op::SNarrow(a, b), None)
    }

    /// Half of the lanes at twice the width.
    pub fn widen(&mut self, how: Lanes, vector: Value) -> Value {
        self.one(Op::Widen(how, vector), None)
    }

    /// `i8`: 1 if any bit of the vector is set.
    pub fn any_true(&mut self, vector: Value) -> Value {
        self.one(Op::AnyTrue(vector), None)
    }
}

/// Memory and locals.
impl FunctionBuilder {
    /// Reads a value of type `ty` at `ptr + offset`.
    pub fn load(&mut self, ty: Type, ptr: Value, offset: i32) -> Value {
        self.one(Op::Load(ptr, offset), Some(ty))
    }

    /// Writes `value` at `ptr + offset`.
    pub fn store(&mut self, value: Value, ptr: Value, offset: i32) {
        self.emit(Op::Store { value, ptr, offset }, None, Callees::None);
    }

    /// `ptr + index * scale + offset`, with an `i64` index.
    pub fn index(&mut self, ptr: Value, index: Value, scale: u32, offset: i32) -> Value {
        self.one(
            Op::Index {
                ptr,
                index,
                scale,
                offset,
            },
            None,
        )
    }

    /// Address of a stack slot.
    pub fn slot_addr(&mut self, slot: Slot) -> Value {
        self.one(Op::SlotAddr(slot), None)
    }

    /// Value of a local.
    pub fn get(&mut self, local: Local) -> Value {
        self.one(Op::Get(local), None)
    }

    /// Assigns a local.
    pub fn set(&mut self, local: Local, value: Value) {
        self.emit(Op::Set(local, value), None, Callees::None);
    }
}
