//! What the tests of this crate and the fuzz targets share: calling any function both ways, and random modules.
//!
//! Example: `Pair::new(&module)?.call(FuncId(0), &[1, 2])` runs the function in the interpreter and natively and gives both
//! results.
//!
//! Invariants: a random module verifies, ends, and touches only its own buffer.
//!
//! Does not: belong to the crate's interface; it may change at any time.

mod body;
mod constants;
mod generate;
mod hosts;
mod pair;
mod source;
mod templates;

pub use generate::{BUFFER_BYTES, Case, generate};
pub use hosts::{HOSTS, host_table};
pub use pair::{Outcome, Pair};
pub use source::Source;
pub use templates::{all_keys, all_typed_keys, key, typed_key};
