//! Random modules give the same results and the same memory in the interpreter and as machine code.

use std::collections::BTreeSet;

use gobi_jit::abi::STATUS_OK;
use gobi_jit::ir::FuncId;
use gobi_jit::testing::{Case, Pair, Source, all_keys, all_typed_keys, generate, key, typed_key};
use gobi_jit::{Executable, Opt, Options, text, verify};

/// How many modules; `GOBI_SEEDS` asks for more.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("GOBI_SEEDS").ok().and_then(|count| count.parse().ok());
    0..count.unwrap_or(600)
}

#[test]
fn interpreter_and_machine_code_agree() {
    for seed in seeds() {
        let opt = if seed % 2 == 0 { Opt::Speed } else { Opt::None };
        check(&generate(&mut Source::seeded(seed)), opt, &format!("seed {seed}"));
    }
}

/// Files that the fuzzer found or that start it off.
#[test]
fn the_fuzz_corpus_agrees() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/ir_differential");
    for entry in std::fs::read_dir(folder).expect("the corpus can be listed") {
        let path = entry.expect("the entry can be read").path();
        let bytes = std::fs::read(&path).expect("the file can be read");
        check(
            &generate(&mut Source::new(&bytes)),
            Opt::Speed,
            &path.display().to_string(),
        );
    }
}

#[test]
fn printing_and_parsing_is_the_identity() {
    for seed in seeds() {
        let module = generate(&mut Source::seeded(seed)).module;
        assert_eq!(verify(&module), Ok(()), "seed {seed}");
        let printed = text::print(&module);
        let parsed = text::parse(&printed).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{printed}"));
        assert!(parsed == module, "seed {seed}:\n{printed}");
    }
}

#[test]
fn every_operation_is_generated_at_every_type() {
    let (mut seen, mut typed) = (BTreeSet::new(), BTreeSet::new());
    for seed in seeds() {
        for function in &generate(&mut Source::seeded(seed)).module.functions {
            for inst in function.blocks.iter().flat_map(|block| &block.insts) {
                let mut operands = Vec::new();
                inst.op
                    .for_each_operand(|value| operands.push(function.values[value.idx()]));
                typed.insert(typed_key(
                    &inst.op,
                    &operands,
                    inst.result.map(|value| function.values[value.idx()]),
                ));
                seen.insert(key(&inst.op));
            }
        }
    }
    let missing: Vec<String> = all_keys().difference(&seen).cloned().collect();
    assert!(missing.is_empty(), "never generated: {missing:?}");
    let missing: Vec<String> = all_typed_keys().difference(&typed).cloned().collect();
    assert!(missing.is_empty(), "never generated: {missing:?}");
}

fn check(case: &Case, opt: Opt, name: &str) {
    let pair = Pair::new(
        &case.module,
        Options {
            opt,
            ..Options::default()
        },
    )
    .unwrap_or_else(|e| panic!("{name}: {e}\n{}", text::print(&case.module)));
    let mut buffer = case.buffer.clone();
    let interpreted = run(&pair.interpreted, case, &mut buffer);
    let expected = buffer.clone();
    // The same buffer, since its address may have become a value.
    buffer.copy_from_slice(&case.buffer);
    let native = run(&pair.native, case, &mut buffer);
    assert!(
        native == interpreted,
        "{name}: native {native}, interpreted {interpreted}\n{}",
        text::print(&case.module)
    );
    let differs = buffer.iter().zip(&expected).position(|(a, b)| a != b);
    assert!(
        differs.is_none(),
        "{name}: word {differs:?} differs\n{}",
        text::print(&case.module)
    );
}

fn run(executable: &Executable, case: &Case, buffer: &mut [u64]) -> i64 {
    let main = executable.kernel("main").expect("every case has a kernel @main");
    // SAFETY: generated modules touch nothing but the buffer.
    unsafe { executable.call_kernel(main, buffer.as_mut_ptr().cast(), case.a, case.b) }
}

#[test]
fn only_kernels_can_be_called() {
    let module = text::parse("fn @f() { b0: return }").expect("the text is well formed");
    let pair = Pair::new(&module, Options::default()).expect("the module compiles");
    for executable in [&pair.native, &pair.interpreted] {
        assert_eq!(executable.kernel("f"), None);
        // SAFETY: nothing is touched.
        let status = unsafe { executable.call_kernel(FuncId(0), std::ptr::null_mut(), 0, 0) };
        assert_ne!(status, STATUS_OK);
    }
}
