//! Any bytes make a module; the interpreter and the machine code must agree on its result and on its memory.
//!
//! `cargo +nightly fuzz run ir_differential`

#![no_main]

use gobi_jit::testing::{Case, Pair, Source, generate};
use gobi_jit::{Executable, Opt, Options, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let case = generate(&mut Source::new(bytes));
    let printed = text::print(&case.module);
    assert!(text::parse(&printed).as_ref() == Ok(&case.module), "{printed}");
    // The number of bytes decides, so that both levels of effort are met.
    let opt = if bytes.len() % 2 == 0 { Opt::Speed } else { Opt::None };
    let options = Options { opt, verify: true, ..Options::default() };
    let pair = Pair::new(&case.module, options).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    let mut buffer = case.buffer.clone();
    let interpreted = run(&pair.interpreted, &case, &mut buffer);
    let expected = buffer.clone();
    // The same buffer, since its address may have become a value.
    buffer.copy_from_slice(&case.buffer);
    let native = run(&pair.native, &case, &mut buffer);
    assert_eq!(native, interpreted, "{printed}");
    assert!(buffer == expected, "{printed}");
});

fn run(executable: &Executable, case: &Case, buffer: &mut [u64]) -> i64 {
    // SAFETY: generated modules touch nothing but the buffer.
    unsafe { executable.call_kernel(case.main, buffer.as_mut_ptr().cast(), case.a, case.b) }
}
