//! The type rules: for one operation and the types of its operands, the types of its results, or why it is wrong.
//!
//! Example: `Int(Add, a, b)` with `a: i64`, `b: i64` gives one result `i64`; with `b: i32` it is an error that says so.
//! The builder asks as it writes, the verifier asks again of finished IR, so there is one table for both.
//!
//! Invariants: total for every operation, whatever ids it holds; says nothing about where a value is defined.
//!
//! Does not: look at blocks, terminators or dominance (see [`crate::verify()`]).

use crate::ir::{
    Checked, Convert, Function, IntBinary, IntUnary, Local, MAX_PARAMS, MAX_RESULTS, Module, Op, Signature, Type, Value,
};

/// Types of the results of an operation: none, one or two.
pub(crate) type Results = (Option<Type>, Option<Type>);

/// What the rules need to look up.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    /// Values, locals and slots.
    pub function: &'a Function,
    /// Signatures of callees.
    pub callees: Callees<'a>,
}

/// Where signatures of callees come from.
#[derive(Clone, Copy)]
pub(crate) enum Callees<'a> {
    /// By id, from the module.
    Module(&'a Module),
    /// The one that the builder was handed.
    Given(&'a Signature),
    /// The operation calls nothing.
    None,
}

/// Types of the results of `op`; `want` is the type of its first result where the operation leaves that open.
pub(crate) fn result_types(op: &Op, want: Option<Type>, env: Env<'_>) -> Result<Results, String> {
    let one = |ty: Type| Ok((Some(ty), None));
    match op {
        Op::Const(value) => constant(*value, want).and_then(one),
        Op::F32Const(_) => one(Type::F32),
        Op::F64Const(_) => one(Type::F64),
        Op::Int(op, a, b) => int_binary(*op, env.same(*a, *b)?).and_then(one),
        Op::Checked(op, a, b) => checked(*op, env.same(*a, *b)?),
        Op::IntUnary(op, a) => int_unary(*op, env.value(*a)?).and_then(one),
        Op::Float(_, a, b) => float_binary(env.same(*a, *b)?).and_then(one),
        Op::FloatUnary(_, a) => need(env.value(*a)?, Type::is_float, "a scalar float").and_then(one),
        Op::ICmp(_, a, b) => icmp(env.same(*a, *b)?).and_then(one),
        Op::FCmp(_, a, b) => fcmp(env.same(*a, *b)?).and_then(one),
        Op::Select { cond, then, otherwise } => {
            env.exact(*cond, Type::I8)?;
            need(env.same(*then, *otherwise)?, |ty| !ty.is_vector(), "a scalar").and_then(one)
        }
        Op::BitSelect { mask, then, otherwise } => {
            let ty = env.same(*then, *otherwise)?;
            env.exact(*mask, ty)?;
            need(ty, Type::is_vector, "a vector").and_then(one)
        }
        Op::Convert(op, a) => convert(*op, env.value(*a)?, wanted(want)?).and_then(one),
        Op::Splat(a) => splat(env.value(*a)?, wanted(want)?).and_then(one),
        Op::ExtractLane(v, lane) => lane_of(env.value(*v)?, *lane).and_then(one),
        Op::InsertLane(v, lane, x) => {
            let vector = env.value(*v)?;
            env.exact(*x, lane_of(vector, *lane)?)?;
            one(vector)
        }
        Op::HighBits(v) => need(env.value(*v)?, Type::is_vector, "a vector").and_then(|_| one(Type::I32)),
        Op::AnyTrue(v) => need(env.value(*v)?, Type::is_vector, "a vector").and_then(|_| one(Type::I8)),
        Op::SNarrow(a, b) => snarrow(env.same(*a, *b)?).and_then(one),
        Op::Widen(_, v) => widen(env.value(*v)?).and_then(one),
        op => effect_types(op, want, env),
    }
}

/// The same for memory, locals and calls.
fn effect_types(op: &Op, want: Option<Type>, env: Env<'_>) -> Result<Results, String> {
    let one = |ty: Type| Ok((Some(ty), None));
    match op {
        Op::Load(ptr, _) => env.exact(*ptr, Type::Ptr).and_then(|()| one(wanted(want)?)),
        Op::Store { value, ptr, .. } => {
            env.value(*value)?;
            env.exact(*ptr, Type::Ptr).map(|()| (None, None))
        }
        Op::Index { ptr, index, .. } => {
            env.exact(*ptr, Type::Ptr)?;
            env.exact(*index, Type::I64).and_then(|()| one(Type::Ptr))
        }
        Op::SlotAddr(slot) => match env.function.slots.get(slot.idx()) {
            Some(_) => one(Type::Ptr),
            None => Err(format!("slot s{} is not declared", slot.0)),
        },
        Op::Get(local) => one(env.local(*local)?),
        Op::Set(local, value) => env.exact(*value, env.local(*local)?).map(|()| (None, None)),
        Op::Call(callee, args) => {
            let sig = match env.callees {
                Callees::Module(module) => module.functions.get(callee.idx()).map(|function| &function.sig),
                Callees::Given(sig) => Some(sig),
                Callees::None => None,
            };
            call(
                sig.ok_or_else(|| format!("function {} does not exist", callee.0))?,
                args,
                env,
            )
        }
        Op::CallHost(callee, args) => {
            let sig = match env.callees {
                Callees::Module(module) => module.hosts.get(callee.idx()).map(|host| &host.sig),
                Callees::Given(sig) => Some(sig),
                Callees::None => None,
            };
            call(
                sig.ok_or_else(|| format!("host function {} does not exist", callee.0))?,
                args,
                env,
            )
        }
        op => unreachable!("{op:?} computes"),
    }
}

impl Env<'_> {
    /// Type of a value.
    pub(crate) fn value(self, value: Value) -> Result<Type, String> {
        let found = self.function.values.get(value.idx()).copied();
        found.ok_or_else(|| format!("value %{} does not exist", value.0))
    }

    /// Fails unless the value has the type.
    pub(crate) fn exact(self, value: Value, ty: Type) -> Result<(), String> {
        let found = self.value(value)?;
        if found == ty {
            Ok(())
        } else {
            Err(format!("%{} is {found}, expected {ty}", value.0))
        }
    }

    fn local(self, local: Local) -> Result<Type, String> {
        let found = self.function.locals.get(local.idx()).copied();
        found.ok_or_else(|| format!("local ${} is not declared", local.0))
    }

    fn same(self, a: Value, b: Value) -> Result<Type, String> {
        let ty = self.value(a)?;
        let other = self.value(b)?;
        if ty == other {
            Ok(ty)
        } else {
            Err(format!("operands differ: %{} is {ty}, %{} is {other}", a.0, b.0))
        }
    }
}

/// Whether the signature obeys the limits of functions.
pub(crate) fn check_signature(sig: &Signature) -> Result<(), String> {
    if sig.params.len() > MAX_PARAMS {
        return Err(format!(
            "{} parameters, at most {MAX_PARAMS} are possible",
            sig.params.len()
        ));
    }
    if sig.results.len() > MAX_RESULTS {
        return Err(format!(
            "{} results, at most {MAX_RESULTS} are possible",
            sig.results.len()
        ));
    }
    Ok(())
}

/// Whether the signature obeys the limits of host functions: `i8 i32 i64 ptr f64`, at most one result.
pub(crate) fn check_host_signature(sig: &Signature) -> Result<(), String> {
    check_signature(sig)?;
    if sig.results.len() > 1 {
        return Err("a host function has at most one result".to_owned());
    }
    let allowed = |ty: &&Type| !matches!(ty, Type::I8 | Type::I32 | Type::I64 | Type::Ptr | Type::F64);
    match sig.params.iter().chain(&sig.results).find(allowed) {
        Some(ty) => Err(format!("{ty} cannot cross into a host function")),
        None => Ok(()),
    }
}

fn need(ty: Type, is: impl Fn(Type) -> bool, what: &str) -> Result<Type, String> {
    if is(ty) {
        Ok(ty)
    } else {
        Err(format!("operand is {ty}, expected {what}"))
    }
}

fn wanted(want: Option<Type>) -> Result<Type, String> {
    want.ok_or_else(|| "the operation needs a result".to_owned())
}

fn constant(value: i128, want: Option<Type>) -> Result<Type, String> {
    let ty = need(
        wanted(want)?,
        |ty| ty.is_int() || ty == Type::Ptr,
        "an integer or pointer",
    )?;
    let bits = ty.bytes() * 8;
    let fits = bits == 128 || (value >= -(1 << (bits - 1)) && value < (1 << bits));
    if fits {
        Ok(ty)
    } else {
        Err(format!("{value} does not fit in {ty}"))
    }
}

fn is_int_vector(ty: Type) -> bool {
    ty.lane().is_some_and(Type::is_int)
}

fn int_binary(op: IntBinary, ty: Type) -> Result<Type, String> {
    use IntBinary::*;
    let scalar = ty.is_int();
    let vector = is_int_vector(ty);
    let allowed = match op {
        Add | Sub | And | Or | Xor | AndNot => scalar || vector,
        Mul => scalar || (vector && ty != Type::I8x16),
        SDiv | UDiv | SRem | URem | Shl | SShr | UShr => scalar,
        Rotl => scalar && ty != Type::I128,
        SMin | SMax | UMin | UMax => scalar || (vector && ty != Type::I64x2),
        SMulHi | UMulHi => ty == Type::I64,
    };
    if allowed {
        Ok(ty)
    } else {
        Err(format!("not defined on {ty}"))
    }
}

fn checked(_: Checked, ty: Type) -> Result<Results, String> {
    need(ty, Type::is_int, "a scalar integer").map(|ty| (Some(ty), Some(Type::I8)))
}

fn int_unary(op: IntUnary, ty: Type) -> Result<Type, String> {
    let allowed = match op {
        IntUnary::Neg | IntUnary::Not => ty.is_int() || is_int_vector(ty),
        IntUnary::Clz | IntUnary::Ctz | IntUnary::Popcnt => ty.is_int(),
        IntUnary::Bswap => matches!(ty, Type::I16 | Type::I32 | Type::I64),
    };
    if allowed {
        Ok(ty)
    } else {
        Err(format!("not defined on {ty}"))
    }
}

fn float_binary(ty: Type) -> Result<Type, String> {
    need(
        ty,
        |ty| ty.is_float() || ty.lane().is_some_and(Type::is_float),
        "a float or a vector of floats",
    )
}

fn icmp(ty: Type) -> Result<Type, String> {
    if ty.is_int() || ty == Type::Ptr {
        return Ok(Type::I8);
    }
    need(ty, is_int_vector, "an integer, a pointer or a vector of integers")
}

fn fcmp(ty: Type) -> Result<Type, String> {
    match ty {
        Type::F32 | Type::F64 => Ok(Type::I8),
        Type::F32x4 => Ok(Type::I32x4),
        Type::F64x2 => Ok(Type::I64x2),
        _ => Err(format!("operand is {ty}, expected a float or a vector of floats")),
    }
}

fn convert(op: Convert, from: Type, to: Type) -> Result<Type, String> {
    use Type::{F32, F64, I32, I64, Ptr};
    let ints = from.is_int() && to.is_int();
    let word = |ty| matches!(ty, I32 | I64);
    let allowed = match op {
        Convert::SExt | Convert::UExt => ints && to.bytes() > from.bytes(),
        Convert::Trunc => ints && to.bytes() < from.bytes(),
        Convert::SToF | Convert::UToF => word(from) && to.is_float(),
        Convert::FToS => from.is_float() && word(to),
        Convert::Promote => from == F32 && to == F64,
        Convert::Demote => from == F64 && to == F32,
        Convert::Bitcast => {
            let scalars = matches!(
                (from, to),
                (I32, F32) | (F32, I32) | (I64, F64 | Ptr) | (F64 | Ptr, I64)
            );
            scalars || (from.is_vector() && to.is_vector())
        }
    };
    if allowed {
        Ok(to)
    } else {
        Err(format!("cannot convert {from} to {to}"))
    }
}

fn splat(lane: Type, vector: Type) -> Result<Type, String> {
    if vector.lane() == Some(lane) {
        Ok(vector)
    } else {
        Err(format!("cannot splat {lane} to {vector}"))
    }
}

fn lane_of(vector: Type, lane: u8) -> Result<Type, String> {
    let ty = vector
        .lane()
        .ok_or_else(|| format!("operand is {vector}, expected a vector"))?;
    if u32::from(lane) < vector.lanes() {
        Ok(ty)
    } else {
        Err(format!("{vector} has no lane {lane}"))
    }
}

fn snarrow(ty: Type) -> Result<Type, String> {
    match ty {
        Type::I16x8 => Ok(Type::I8x16),
        Type::I32x4 => Ok(Type::I16x8),
        _ => Err(format!("operand is {ty}, expected i16x8 or i32x4")),
    }
}

fn widen(ty: Type) -> Result<Type, String> {
    match ty {
        Type::I8x16 => Ok(Type::I16x8),
        Type::I16x8 => Ok(Type::I32x4),
        Type::I32x4 => Ok(Type::I64x2),
        _ => Err(format!("operand is {ty}, expected i8x16, i16x8 or i32x4")),
    }
}

fn call(sig: &Signature, args: &[Value], env: Env<'_>) -> Result<Results, String> {
    if args.len() != sig.params.len() {
        return Err(format!("{} arguments, expected {}", args.len(), sig.params.len()));
    }
    for (arg, ty) in args.iter().zip(&sig.params) {
        env.exact(*arg, *ty)?;
    }
    Ok((sig.results.first().copied(), sig.results.get(1).copied()))
}
