//! Measures compiling, calling and interpreting: `cargo run --release -p gobi-jit --example measure`.
//!
//! The kernel sums an expression of `x` over the rows of an `i64` column where `x < 100`; repeating its body gives bigger ones.

use std::hint::black_box;
use std::time::{Duration, Instant};

use gobi_jit::abi::{KERNEL_PARAMS, KERNEL_RESULTS, slot_offset};
use gobi_jit::ir::{FuncId, IntCond, Module, Type};
use gobi_jit::{Compiler, Executable, FunctionBuilder, HostTable, Interpreter, ModuleBuilder, Opt, Options};

const ROWS: usize = 1_000_000;

fn main() {
    for (repeat, what) in [(1, "small kernel"), (25, "100 operations"), (250, "1,000 operations")] {
        for (name, options) in [
            (
                "speed",
                Options {
                    verify: false,
                    ..Options::default()
                },
            ),
            (
                "none",
                Options {
                    verify: false,
                    opt: Opt::None,
                    ..Options::default()
                },
            ),
            (
                "speed, verified",
                Options {
                    verify: true,
                    ..Options::default()
                },
            ),
        ] {
            let compiler = Compiler::new(HostTable::default(), options).expect("the machine is supported");
            let module = kernel(repeat);
            let time = fastest(200, || drop(black_box(compiler.compile(&module).expect("it compiles"))));
            println!("compile {what:<17} {name:<16} {time:>9.1?}");
        }
    }
    let module = kernel(1);
    let verify = fastest(1000, || gobi_jit::verify(&module).expect("it verifies"));
    println!("verify small kernel {verify:?}");
    let decode = fastest(1000, || {
        drop(Interpreter::new(&module, &HostTable::default()).expect("it decodes"))
    });
    println!("verify and decode small kernel {decode:?}");
    run(&kernel(1), 10 + 4);
    run(&kernel(10), 10 + 10 * 4);
}

/// Times a run over the rows both ways; `operations` are executed per row.
fn run(module: &Module, operations: u32) {
    let compiler = Compiler::new(HostTable::default(), Options::default()).expect("the machine is supported");
    let native = Executable::Native(compiler.compile(module).expect("it compiles"));
    let interpreted = Executable::Interpreted(Interpreter::new(module, &HostTable::default()).expect("it decodes"));
    let column: Vec<i64> = (0..ROWS as i64).map(|x| x % 90).collect();
    let mut frame = [0_u64; 9];
    frame[8] = column.as_ptr().expose_provenance() as u64;
    let mut results = Vec::new();
    for (name, executable) in [("native", &native), ("interpreted", &interpreted)] {
        let time = fastest(5, || {
            // SAFETY: the kernel reads the frame's slot 0 and the column's rows.
            results.push(unsafe { executable.call_kernel(FuncId(0), frame.as_mut_ptr().cast(), 0, ROWS as i64) });
        });
        let per_row = time.as_secs_f64() * 1e9 / ROWS as f64;
        println!(
            "{operations} operations per row, {name}: {per_row:.2} ns a row, {:.2} ns each",
            per_row / f64::from(operations)
        );
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    let call = fastest(5, || {
        for _ in 0..1000 {
            // SAFETY: no rows are read.
            black_box(unsafe { native.call_kernel(FuncId(0), frame.as_mut_ptr().cast(), 0, 0) });
        }
    });
    println!("native call {:?}", call / 1000);
}

/// The least of several times, which is what other load on the machine disturbs least.
fn fastest(times: usize, mut run: impl FnMut()) -> Duration {
    let samples: Vec<Duration> = (0..times)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    samples.into_iter().min().unwrap_or_default()
}

fn kernel(repeat: usize) -> Module {
    let mut b = FunctionBuilder::new("sum", &KERNEL_PARAMS, &KERNEL_RESULTS);
    let sum = b.local(Type::I64);
    let column = b.load(Type::Ptr, b.param(0), slot_offset(0));
    b.for_range(b.param(1), b.param(2), |b, i| {
        let at = b.index(column, i, 8, 0);
        let x = b.load(Type::I64, at, 0);
        let limit = b.iconst(Type::I64, 100);
        let small = b.icmp(IntCond::Slt, x, limit);
        let (add, next) = (b.block(), b.block());
        b.branch(small, add, next);

        b.switch_to(add);
        let mut y = x;
        for n in 0..repeat {
            let (three, one) = (b.iconst(Type::I64, 3 + n as i64), b.iconst(Type::I64, 1));
            y = b.mul(y, three);
            y = b.add(y, one);
            let shifted = b.sshr(y, one);
            y = b.xor(y, shifted);
        }
        let before = b.get(sum);
        let after = b.add(before, y);
        b.set(sum, after);
        b.jump(next);

        b.switch_to(next);
    });
    let total = b.get(sum);
    b.ret(&[total]);
    let mut module = ModuleBuilder::new();
    module.add_function(b.finish());
    module.finish()
}
