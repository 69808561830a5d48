//! No operations on a database, and no write that fails on the way, make it hold anything but what a model holds.
//!
//! `cargo +nightly fuzz run store_ops`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/world.rs"]
#[allow(dead_code)]
mod world;

fuzz_target!(|bytes: &[u8]| world::against_the_model(bytes));
