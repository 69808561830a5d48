//! Emitted code against bodies, interpreted and native, on random arguments of every type that an entry takes.

use std::sync::LazyLock;

use gobi_jit::ir::{FuncId, Type};
use gobi_jit::testing::Pair;
use gobi_jit::{FunctionBuilder, ModuleBuilder, Options};
use proptest::prelude::*;

use super::random::{argument, types_of};
use super::*;
use crate::types::Physical;

/// An entry for one list of argument types.
struct Subject {
    function: FunctionId,
    types: Vec<LogicalType>,
    result: LogicalType,
}

/// All of them, and a module that has the code of each, in the same order.
static SUBJECTS: LazyLock<(Vec<Subject>, Pair)> = LazyLock::new(|| {
    let subjects: Vec<_> = (0..)
        .map(FunctionId)
        .zip(all())
        .filter(|(_, f)| f.emit.is_some())
        .flat_map(subjects)
        .collect();
    let mut module = ModuleBuilder::new();
    for (i, subject) in subjects.iter().enumerate() {
        module.add_function(code(&format!("f{i}"), subject));
    }
    let pair = Pair::new(&module.finish(), Options::default()).expect("what emitters write is valid");
    (subjects, pair)
});

fn subjects((id, function): (FunctionId, &'static Function)) -> Vec<Subject> {
    let choices = function
        .params
        .first()
        .map_or(vec![LogicalType::Null], |param| types_of(*param));
    let subject = |ty: LogicalType| {
        let types = vec![ty; function.params.len()];
        Subject {
            function: id,
            result: (function.result)(&types),
            types,
        }
    };
    choices.into_iter().map(subject).collect()
}

fn ir_type(ty: &LogicalType) -> Type {
    match ty.physical() {
        Physical::I8 => Type::I8,
        Physical::I16 => Type::I16,
        Physical::I32 => Type::I32,
        Physical::I64 => Type::I64,
        Physical::I128 => Type::I128,
        Physical::F32 => Type::F32,
        Physical::F64 => Type::F64,
        other => panic!("{other:?} has no scalar type"),
    }
}

fn code(name: &str, subject: &Subject) -> gobi_jit::ir::Function {
    let params: Vec<_> = subject.types.iter().map(ir_type).collect();
    let mut b = FunctionBuilder::new(name, &params, &[ir_type(&subject.result)]);
    let values: Vec<_> = (0..params.len()).map(|i| b.param(i)).collect();
    let emit = function(subject.function).emit.expect("subjects have emitters");
    let args = EmitArgs {
        values: &values,
        types: &subject.types,
    };
    let value = emit(&mut b, &args);
    b.ret(&[value]);
    b.finish()
}

fn to_bits(value: Scalar<'_>, ty: &LogicalType) -> u128 {
    match value {
        Scalar::Int(v) => {
            let bits = 8 * ty.physical().bytes() as u32;
            v.cast_unsigned() << (128 - bits) >> (128 - bits)
        }
        Scalar::Float(v) if *ty == LogicalType::Real => (v as f32).to_bits().into(),
        Scalar::Float(v) => v.to_bits().into(),
        other => panic!("{other:?} has no bits"),
    }
}

fn is_nan(bits: u128, ty: &LogicalType) -> bool {
    match ty {
        LogicalType::Real => f32::from_bits(bits as u32).is_nan(),
        LogicalType::Double => f64::from_bits(bits as u64).is_nan(),
        _ => false,
    }
}

fn compare(at: u32, subject: &Subject, pair: &Pair, random: [u128; 2]) {
    let args: Vec<_> = subject
        .types
        .iter()
        .zip(random)
        .map(|(ty, bits)| argument(ty, bits))
        .collect();
    let env = Env::new(0, 0);
    let row = Call {
        args: &args,
        types: &subject.types,
        result: &subject.result,
        env: &env,
    };
    let mut buffer = Vec::new();
    let body = call(subject.function, &row, &mut buffer).expect("a function with an emitter cannot fail");
    let expected = to_bits(body, &subject.result);
    let bits: Vec<_> = args
        .iter()
        .zip(&subject.types)
        .map(|(arg, ty)| to_bits(*arg, ty))
        .collect();
    for outcome in [
        pair.call_interpreted(FuncId(at), &bits),
        pair.call_native(FuncId(at), &bits),
    ] {
        let found = outcome.results[0];
        let both_nan = is_nan(expected, &subject.result) && is_nan(found, &subject.result);
        let name = function(subject.function).name;
        assert!(
            expected == found || both_nan,
            "{name}{:?} {args:?}: {found:#x} is not {body:?}",
            subject.types
        );
    }
}

proptest! {
    #[test]
    fn emitted_code_does_what_the_body_does(random in any::<[u128; 2]>()) {
        let (subjects, pair) = &*SUBJECTS;
        for (at, subject) in (0..).zip(subjects) {
            compare(at, subject, pair, random);
        }
    }
}

#[test]
fn calendar_code_is_right_at_the_ends_of_years() {
    let (subjects, pair) = &*SUBJECTS;
    let dates = (0..)
        .zip(subjects)
        .filter(|(_, subject)| subject.types.first() == Some(&LogicalType::Date));
    for (at, subject) in dates {
        let emit = |day: i64| {
            pair.call_native(FuncId(at), &[to_bits(Scalar::Int(day.into()), &LogicalType::Date)])
                .results[0]
        };
        let env = Env::new(0, 0);
        for year in (-801..3000).chain([5_000_000, -5_000_000]) {
            let first = crate::types::civil::days_from_civil(year, 1, 1);
            for day in [first - 1, first, first + 58, first + 59, first + 60] {
                let row = Call {
                    args: &[Scalar::Int(day.into())],
                    types: &subject.types,
                    result: &subject.result,
                    env: &env,
                };
                let body = call(subject.function, &row, &mut Vec::new()).map(|v| to_bits(v, &subject.result));
                assert_eq!(Ok(emit(day)), body, "{} of day {day}", function(subject.function).name);
            }
        }
    }
}
