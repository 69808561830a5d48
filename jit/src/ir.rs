//! The intermediate representation: typed SSA over basic blocks, with mutable locals, raw memory, calls to other
//! functions of the module and to host functions.
//!
//! ```text
//! fn @sum(ptr, i64) -> i64 {
//!   local $i: i64
//!   local $acc: i64
//! b0(%base: ptr, %n: i64):
//!   %one: i64 = const 1
//!   set $i, %one
//!   jump b1
//! …
//! ```
//!
//! A value is defined once, by a parameter of the function or by one instruction, and may be used wherever its
//! definition dominates. What changes across blocks lives in a local ([`Function::locals`]), which the back end turns
//! into SSA again; so there are no block parameters. Booleans are `i8` with the value 0 or 1.
//!
//! Every operation is total: integer division by zero gives 0 and `MIN / -1` gives `MIN`, a shift amount is taken modulo the
//! width, float to integer saturates (NaN gives 0). Front ends test for SQL's errors before they divide. So random IR
//! can be run by the interpreter and natively and must agree bit for bit (NaN payloads excepted).
//!
//! Invariants: what [`crate::verify()`] accepts can be interpreted and lowered without a panic; memory operations are the
//! only unsafe part, and running a function is `unsafe` for that reason.
//!
//! Does not: know SQL, Arrow, or what a pointer points to. Loads are plain: of two loads of one address with no store or
//! call between them the back end may keep the first, so a flag that another thread sets is read once per loop.

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// 8-bit integer; also booleans (0 or 1).
    I8,
    /// 16-bit integer.
    I16,
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 128-bit integer.
    I128,
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
    /// Address, 64 bits.
    Ptr,
    /// 16 lanes of i8.
    I8x16,
    /// 8 lanes of i16.
    I16x8,
    /// 4 lanes of i32.
    I32x4,
    /// 2 lanes of i64.
    I64x2,
    /// 4 lanes of f32.
    F32x4,
    /// 2 lanes of f64.
    F64x2,
}

macro_rules! entity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            /// As an index into the vector that holds it.
            pub fn idx(self) -> usize {
                self.0 as usize
            }
        }
    };
}
entity!(/// A value of one function.
    Value);
entity!(/// A basic block of one function.
    Block);
entity!(/// A mutable local of one function.
    Local);
entity!(/// A stack slot of one function.
    Slot);
entity!(/// A function of the module.
    FuncId);
entity!(/// A host function, an index into [`Module::hosts`].
    HostId);
entity!(/// A source position: an index into [`Module::notes`], shown beside the code in dumps.
    NoteId);

/// Most parameters that a function may have.
pub const MAX_PARAMS: usize = 8;
/// Most results that a function may have; a host function has at most one.
pub const MAX_RESULTS: usize = 2;
/// Most bytes that the stack slots of one function may have together.
pub const MAX_SLOT_BYTES: u64 = 64 * 1024;

/// A unit of compilation: functions that may call each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Module {
    /// Functions, addressed by [`FuncId`].
    pub functions: Vec<Function>,
    /// Host functions that this module calls, addressed by [`HostId`].
    pub hosts: Vec<HostDecl>,
    /// Texts that dumps show beside instructions (a SQL expression, a source line), addressed by [`NoteId`].
    pub notes: Vec<String>,
}

/// A host function as a module sees it; it is resolved by name against the host table when the module is compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostDecl {
    /// Name in the table.
    pub name: String,
    /// Parameter and result types, out of `i8 i32 i64 ptr f64`; at most one result.
    pub sig: Signature,
}

/// Parameter and result types. At most 8 parameters and 2 results (host functions: 1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Parameters.
    pub params: Vec<Type>,
    /// Results.
    pub results: Vec<Type>,
}

/// One function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Function {
    /// Name, unique in the module, `[A-Za-z_][A-Za-z0-9_.]*`.
    pub name: String,
    /// Signature. The values `0..params.len()` are the parameters.
    pub sig: Signature,
    /// Type of every value.
    pub values: Vec<Type>,
    /// Types of the mutable locals; all zero on entry.
    pub locals: Vec<Type>,
    /// Sizes in bytes of the stack slots, aligned to 16; contents undefined on entry natively, zero in the interpreter.
    pub slots: Vec<u32>,
    /// Blocks; block 0 is the entry.
    pub blocks: Vec<BlockData>,
}

/// Instructions and the terminator of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BlockData {
    /// In order.
    pub insts: Vec<Inst>,
    /// How control leaves.
    pub term: Terminator,
    /// Executed rarely (an error exit); laid out of line.
    pub cold: bool,
}

/// One instruction: an operation and the values that it defines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inst {
    /// The operation.
    pub op: Op,
    /// First result, if there is one.
    pub result: Option<Value>,
    /// Second result (overflow flags, two-result calls).
    pub result2: Option<Value>,
    /// Source position for dumps.
    pub note: Option<NoteId>,
}

/// How control leaves a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Terminator {
    /// Not set yet; the verifier refuses it.
    #[default]
    None,
    /// To a block.
    Jump(Block),
    /// To `then` if the `i8` is not 0, else to `otherwise`.
    Branch {
        /// Condition.
        cond: Value,
        /// Not 0.
        then: Block,
        /// 0.
        otherwise: Block,
    },
    /// To the block listed for the `i64` (or `i32`) value, else to `default`.
    Switch {
        /// Selector.
        on: Value,
        /// Cases, each once.
        cases: Vec<(i64, Block)>,
        /// Otherwise.
        default: Block,
    },
    /// Back to the caller with the values of the signature's results.
    Return(Vec<Value>),
}

/// Operations of two integers of one type (scalar or vector) that give the same type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntBinary {
    /// Wrapping sum.
    Add,
    /// Wrapping difference.
    Sub,
    /// Wrapping product (not for i8x16).
    Mul,
    /// Signed quotient; scalars only; total, see the module.
    SDiv,
    /// Unsigned quotient; scalars only.
    UDiv,
    /// Signed remainder; scalars only; `x % 0` is 0.
    SRem,
    /// Unsigned remainder; scalars only.
    URem,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// `a & !b`.
    AndNot,
    /// Shift left, amount modulo width; scalars only.
    Shl,
    /// Arithmetic shift right; scalars only.
    SShr,
    /// Logical shift right; scalars only.
    UShr,
    /// Rotate left; scalars only, not i128.
    Rotl,
    /// Signed minimum (not i64x2).
    SMin,
    /// Signed maximum (not i64x2).
    SMax,
    /// Unsigned minimum (not i64x2).
    UMin,
    /// Unsigned maximum (not i64x2).
    UMax,
    /// High half of the signed product; i64 only.
    SMulHi,
    /// High half of the unsigned product; i64 only.
    UMulHi,
}

/// Checked signed arithmetic on scalars `i8 … i128`: results are the wrapped value and an `i8` that is 1 on overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checked {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
}

/// Operations of one integer (scalars; `Neg` and `Not` also on vectors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntUnary {
    /// Wrapping negation.
    Neg,
    /// Bitwise complement.
    Not,
    /// Leading zeros.
    Clz,
    /// Trailing zeros; the width for 0.
    Ctz,
    /// Bits set.
    Popcnt,
    /// Bytes reversed; i16, i32, i64.
    Bswap,
}

/// Float arithmetic, scalars and vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloatBinary {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient.
    Div,
}

/// Float functions, scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloatUnary {
    /// Sign flipped.
    Neg,
    /// Magnitude.
    Abs,
    /// Square root.
    Sqrt,
    /// Toward −∞.
    Floor,
    /// Toward +∞.
    Ceil,
    /// Toward 0.
    Trunc,
    /// To nearest, ties to even.
    Nearest,
}

/// Integer conditions; on vectors each lane becomes all ones or all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntCond {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Signed less.
    Slt,
    /// Signed less or equal.
    Sle,
    /// Signed greater.
    Sgt,
    /// Signed greater or equal.
    Sge,
    /// Unsigned less.
    Ult,
    /// Unsigned less or equal.
    Ule,
    /// Unsigned greater.
    Ugt,
    /// Unsigned greater or equal.
    Uge,
}

/// Ordered float conditions (false if either is NaN, except `Ne`, and `Uno`: either is NaN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloatCond {
    /// Equal.
    Eq,
    /// Not equal, or unordered.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Unordered.
    Uno,
}

/// Conversions; the result type is the instruction's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convert {
    /// Signed widening of a scalar integer.
    SExt,
    /// Unsigned widening of a scalar integer.
    UExt,
    /// Low bits of a scalar integer.
    Trunc,
    /// Signed integer (i32, i64) to float.
    SToF,
    /// Unsigned integer (i32, i64) to float.
    UToF,
    /// Float to signed i32 or i64, saturating, NaN to 0.
    FToS,
    /// f32 to f64.
    Promote,
    /// f64 to f32.
    Demote,
    /// Same bits, same size: i32↔f32, i64↔f64, i64↔ptr, and any vector to any vector.
    Bitcast,
}

/// Vector shape changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// Low half of the lanes, sign-extended to the next wider lane type.
    SWidenLow,
    /// High half, sign-extended.
    SWidenHigh,
    /// Low half, zero-extended.
    UWidenLow,
    /// High half, zero-extended.
    UWidenHigh,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Integer or pointer constant of the result's scalar type (i128 included).
    Const(i128),
    /// f32 constant, its bits.
    F32Const(u32),
    /// f64 constant, its bits.
    F64Const(u64),
    /// Integer arithmetic.
    Int(IntBinary, Value, Value),
    /// Checked integer arithmetic; two results.
    Checked(Checked, Value, Value),
    /// Integer functions.
    IntUnary(IntUnary, Value),
    /// Float arithmetic.
    Float(FloatBinary, Value, Value),
    /// Float functions.
    FloatUnary(FloatUnary, Value),
    /// Integer or pointer comparison: `i8`, or a mask vector of the operands' type.
    ICmp(IntCond, Value, Value),
    /// Float comparison: `i8`, or a mask vector (f32x4 → i32x4, f64x2 → i64x2).
    FCmp(FloatCond, Value, Value),
    /// `cond != 0 ? a : b` on scalars.
    Select {
        /// `i8`.
        cond: Value,
        /// Not 0.
        then: Value,
        /// 0.
        otherwise: Value,
    },
    /// Bits of `a` where the mask has ones, else bits of `b`; all one vector type.
    BitSelect {
        /// Mask.
        mask: Value,
        /// Ones.
        then: Value,
        /// Zeros.
        otherwise: Value,
    },
    /// Conversion of the operand to the result's type.
    Convert(Convert, Value),
    /// All lanes of the result's vector type set to the scalar.
    Splat(Value),
    /// One lane as a scalar.
    ExtractLane(Value, u8),
    /// The vector with one lane replaced.
    InsertLane(Value, u8, Value),
    /// The sign bits of the lanes, lane 0 in bit 0, as i32.
    HighBits(Value),
    /// Two i16x8 to i8x16, or two i32x4 to i16x8, with signed saturation: `a`'s lanes first.
    SNarrow(Value, Value),
    /// Widening of half the lanes; the result's lane type is twice as wide.
    Widen(Lanes, Value),
    /// `i8`: 1 if any bit of the vector is set.
    AnyTrue(Value),
    /// The result's type read at `ptr + offset` (no alignment needed).
    Load(Value, i32),
    /// Writes `value` at `ptr + offset`.
    Store {
        /// Written.
        value: Value,
        /// Address.
        ptr: Value,
        /// Bytes added.
        offset: i32,
    },
    /// `ptr + index * scale + offset`: pointer arithmetic that the back end folds into addressing modes.
    Index {
        /// Base.
        ptr: Value,
        /// i64.
        index: Value,
        /// Any factor; powers of two up to 8 are free.
        scale: u32,
        /// Bytes added.
        offset: i32,
    },
    /// Address of a stack slot.
    SlotAddr(Slot),
    /// Value of a local.
    Get(Local),
    /// Assigns a local.
    Set(Local, Value),
    /// Calls a function of this module. Machine code does not bound recursion; a front end that allows it counts the depth.
    Call(FuncId, Vec<Value>),
    /// Calls a host function.
    CallHost(HostId, Vec<Value>),
}

impl Signature {
    /// A signature of these types.
    pub fn new(params: &[Type], results: &[Type]) -> Signature {
        Signature {
            params: params.to_vec(),
            results: results.to_vec(),
        }
    }
}

impl Type {
    /// Every type, in the order of the enum.
    pub const ALL: [Type; 14] = [
        Type::I8,
        Type::I16,
        Type::I32,
        Type::I64,
        Type::I128,
        Type::F32,
        Type::F64,
        Type::Ptr,
        Type::I8x16,
        Type::I16x8,
        Type::I32x4,
        Type::I64x2,
        Type::F32x4,
        Type::F64x2,
    ];

    /// As written in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Type::I8 => "i8",
            Type::I16 => "i16",
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::I128 => "i128",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Ptr => "ptr",
            Type::I8x16 => "i8x16",
            Type::I16x8 => "i16x8",
            Type::I32x4 => "i32x4",
            Type::I64x2 => "i64x2",
            Type::F32x4 => "f32x4",
            Type::F64x2 => "f64x2",
        }
    }

    /// Size in bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Type::I8 => 1,
            Type::I16 => 2,
            Type::I32 | Type::F32 => 4,
            Type::I64 | Type::F64 | Type::Ptr => 8,
            _ => 16,
        }
    }

    /// Scalar integer (not a pointer).
    pub fn is_int(self) -> bool {
        matches!(self, Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128)
    }

    /// Scalar float.
    pub fn is_float(self) -> bool {
        matches!(self, Type::F32 | Type::F64)
    }

    /// Vector.
    pub fn is_vector(self) -> bool {
        self.lane().is_some()
    }

    /// Lane type of a vector.
    pub fn lane(self) -> Option<Type> {
        match self {
            Type::I8x16 => Some(Type::I8),
            Type::I16x8 => Some(Type::I16),
            Type::I32x4 => Some(Type::I32),
            Type::I64x2 => Some(Type::I64),
            Type::F32x4 => Some(Type::F32),
            Type::F64x2 => Some(Type::F64),
            _ => None,
        }
    }

    /// The 128-bit vector with this lane type.
    pub fn vector(self) -> Option<Type> {
        match self {
            Type::I8 => Some(Type::I8x16),
            Type::I16 => Some(Type::I16x8),
            Type::I32 => Some(Type::I32x4),
            Type::I64 => Some(Type::I64x2),
            Type::F32 => Some(Type::F32x4),
            Type::F64 => Some(Type::F64x2),
            _ => None,
        }
    }

    /// Number of lanes; 1 for scalars.
    pub fn lanes(self) -> u32 {
        self.lane().map_or(1, |lane| 16 / lane.bytes())
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
