//! Every operation at every type it is defined on, found by asking the type rules.
//!
//! Example: `Int(Rotl, …)` is there for `i8 i16 i32 i64`, since the rules refuse it on `i128` and on vectors.
//!
//! Invariants: an operation added to the tables of words is generated without a change here.
//!
//! Does not: make memory, local or call operations; the generator writes those with care for bounds.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::ir::{Function, Op, Type, Value};
use crate::text::names;
use crate::typing::{self, Callees, Env};

/// An operation on the placeholder values 0, 1, 2 whose types are `operands`.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub op: Op,
    pub operands: Vec<Type>,
    /// Type of the first result.
    pub result: Type,
}

const A: Value = Value(0);
const B: Value = Value(1);
const C: Value = Value(2);

/// All templates.
pub(super) static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for op in shapes() {
        let mut arity = 0;
        op.for_each_operand(|_| arity += 1);
        for operands in Type::ALL.into_iter().filter_map(|ty| operand_types(&op, ty, arity)) {
            let function = Function {
                values: operands.clone(),
                ..Function::default()
            };
            let env = Env {
                function: &function,
                callees: Callees::None,
            };
            for want in wanted(&op) {
                if let Ok((Some(result), _)) = typing::result_types(&op, want, env) {
                    found.push(Template {
                        op: op.clone(),
                        operands: operands.clone(),
                        result,
                    });
                }
            }
        }
    }
    found
});

/// Every operation that computes, with placeholder operands.
fn shapes() -> Vec<Op> {
    let mut shapes = Vec::new();
    shapes.extend(names::INT_BINARY.iter().map(|op| Op::Int(*op, A, B)));
    shapes.extend(names::CHECKED.iter().map(|op| Op::Checked(*op, A, B)));
    shapes.extend(names::INT_UNARY.iter().map(|op| Op::IntUnary(*op, A)));
    shapes.extend(names::FLOAT_BINARY.iter().map(|op| Op::Float(*op, A, B)));
    shapes.extend(names::FLOAT_UNARY.iter().map(|op| Op::FloatUnary(*op, A)));
    shapes.extend(names::INT_COND.iter().map(|cond| Op::ICmp(*cond, A, B)));
    shapes.extend(names::FLOAT_COND.iter().map(|cond| Op::FCmp(*cond, A, B)));
    shapes.extend(names::CONVERT.iter().map(|op| Op::Convert(*op, A)));
    shapes.extend(names::LANES.iter().map(|how| Op::Widen(*how, A)));
    shapes.extend([
        Op::Select {
            cond: A,
            then: B,
            otherwise: C,
        },
        Op::BitSelect {
            mask: A,
            then: B,
            otherwise: C,
        },
        Op::Splat(A),
        Op::HighBits(A),
        Op::SNarrow(A, B),
        Op::AnyTrue(A),
    ]);
    for lane in 0..16 {
        shapes.extend([Op::ExtractLane(A, lane), Op::InsertLane(A, lane, B)]);
    }
    shapes
}

/// The types that the operands may have if the telling one has type `ty`.
fn operand_types(op: &Op, ty: Type, arity: usize) -> Option<Vec<Type>> {
    match op {
        Op::Select { .. } => Some(vec![Type::I8, ty, ty]),
        Op::InsertLane(..) => Some(vec![ty, ty.lane()?]),
        _ => Some(vec![ty; arity]),
    }
}

/// Result types to try.
fn wanted(op: &Op) -> Vec<Option<Type>> {
    match op {
        Op::Convert(..) | Op::Splat(_) => Type::ALL.into_iter().map(Some).collect(),
        _ => vec![None],
    }
}

/// What distinguishes an operation from others, its operands and types aside.
pub fn key(op: &Op) -> String {
    match op {
        Op::Const(_) => "const".to_owned(),
        Op::F32Const(_) => "f32const".to_owned(),
        Op::F64Const(_) => "f64const".to_owned(),
        Op::Int(op, ..) => names::int_binary(*op).to_owned(),
        Op::Checked(op, ..) => names::checked(*op).to_owned(),
        Op::IntUnary(op, _) => names::int_unary(*op).to_owned(),
        Op::Float(op, ..) => names::float_binary(*op).to_owned(),
        Op::FloatUnary(op, _) => names::float_unary(*op).to_owned(),
        Op::ICmp(cond, ..) => format!("icmp {}", names::int_cond(*cond)),
        Op::FCmp(cond, ..) => format!("fcmp {}", names::float_cond(*cond)),
        Op::Select { .. } => "select".to_owned(),
        Op::BitSelect { .. } => "bit_select".to_owned(),
        Op::Convert(op, _) => names::convert(*op).to_owned(),
        Op::Splat(_) => "splat".to_owned(),
        Op::ExtractLane(..) => "extract_lane".to_owned(),
        Op::InsertLane(..) => "insert_lane".to_owned(),
        Op::HighBits(_) => "high_bits".to_owned(),
        Op::SNarrow(..) => "snarrow".to_owned(),
        Op::Widen(how, _) => names::lanes(*how).to_owned(),
        Op::AnyTrue(_) => "any_true".to_owned(),
        Op::Load(..) => "load".to_owned(),
        Op::Store { .. } => "store".to_owned(),
        Op::Index { .. } => "index".to_owned(),
        Op::SlotAddr(_) => "slot_addr".to_owned(),
        Op::Get(_) => "get".to_owned(),
        Op::Set(..) => "set".to_owned(),
        Op::Call(..) => "call".to_owned(),
        Op::CallHost(..) => "call_host".to_owned(),
    }
}

/// The key with the types of the operands and of the first result.
pub fn typed_key(op: &Op, operands: &[Type], result: Option<Type>) -> String {
    let names: Vec<&str> = operands.iter().copied().chain(result).map(Type::name).collect();
    format!("{} {}", key(op), names.join(" "))
}

/// The typed keys of all operations that compute.
pub fn all_typed_keys() -> BTreeSet<String> {
    let typed = |template: &Template| typed_key(&template.op, &template.operands, Some(template.result));
    TEMPLATES.iter().map(typed).collect()
}

/// The keys of all operations.
pub fn all_keys() -> BTreeSet<String> {
    let others = [
        "const",
        "f32const",
        "f64const",
        "load",
        "store",
        "index",
        "slot_addr",
        "get",
        "set",
        "call",
        "call_host",
    ];
    shapes().iter().map(key).chain(others.map(str::to_owned)).collect()
}
