//! Tests of the table: examples, edge cases, emitted code against bodies, the generated documentation.

mod cases;
mod docs;
mod emitted;
mod eval;
mod like;
mod random;
mod resolving;

use super::*;
use eval::show;

#[test]
fn every_example_holds() {
    for function in all() {
        let (call, expected) = function
            .example
            .split_once(" → ")
            .expect("an example is `call → result`");
        // What makes arrays and structs is run by the engine; see the tests of the whole.
        if !call.contains(['[', '{']) && !call.contains("row(") && !call.contains("struct_pack") {
            assert_eq!(show(call), expected, "{function:?}: {call}");
        }
        let name = call.split('(').next().expect("a call");
        let is_own =
            name == function.name || function.aliases.contains(&name) || call.contains(&format!("{}(", function.name));
        assert!(is_own, "{function:?} has an example of another function: {call}");
    }
}

#[test]
fn every_entry_is_in_order() {
    for function in all() {
        assert!(!function.doc.is_empty() && !function.doc.ends_with('.'), "{function:?}");
        for name in [function.name].iter().chain(function.aliases) {
            assert_eq!(*name, name.to_ascii_lowercase());
        }
        assert!(!function.variadic || !function.params.is_empty(), "{function:?}");
        if function.emit.is_some() {
            assert!(
                !function.fallible && function.stability == Stability::Immutable,
                "{function:?} cannot be inline"
            );
        }
    }
}

#[test]
fn strict_functions_give_null_for_null() {
    let env = Env::new(0, 0);
    for (id, function) in (0..).map(FunctionId).zip(all()) {
        if function.nulls == NullRule::Called || function.params.is_empty() {
            continue;
        }
        let args = vec![LogicalType::Null; function.params.len()];
        let resolved = resolve(function.name, &args).expect("NULL goes everywhere");
        let row = Call {
            args: &vec![Scalar::Null; args.len()],
            types: &resolved.arg_types,
            result: &resolved.result,
            env: &env,
        };
        assert_eq!(call(id, &row, &mut Vec::new()), Ok(Scalar::Null), "{function:?}");
    }
}

#[test]
fn random_numbers_differ_and_lie_in_range() {
    let env = Env::new(0, 42);
    let resolved = resolve("random", &[]).expect("it exists");
    let draw = || match evaluate(&resolved, &[], &env) {
        Ok(Value::Float(v)) => v,
        other => panic!("{other:?}"),
    };
    let (a, b) = (draw(), draw());
    assert!(a != b && (0.0..1.0).contains(&a) && (0.0..1.0).contains(&b));
}
