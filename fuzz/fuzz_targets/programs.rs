//! Any bytes make a program, which does the same interpreted, as machine code, and written with copies instead of changes in place.
//!
//! `cargo +nightly fuzz run programs`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/programs.rs"]
mod programs;

fuzz_target!(|bytes: &[u8]| {
    if let Err(message) = programs::compare(bytes) {
        panic!("{message}");
    }
});
