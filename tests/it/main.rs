//! The one integration-test binary: what a user sees, and what the tree must keep.
//!
//! Invariants: nothing here depends on time, on the network, or on files outside the clone.

// A test that cannot go on may panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod architecture;
mod changes;
mod cli;
mod conflicts;
mod crash;
mod damage;
mod data;
mod definitions;
mod diagnostics;
mod engine;
mod explain;
mod fixtures;
mod foreign_keys;
mod fuzz;
mod golden;
mod histories;
mod isolation;
mod kill;
mod labels;
mod language;
mod layout;
mod library;
mod model;
mod processes;
mod programs;
mod proofs;
mod pruning;
mod readme;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "test-s3")]
mod remote_s3;
mod retention;
mod run;
mod running;
mod session;
mod slt;
mod store;
mod tpch;
mod triggers;
mod upkeep;
mod world;
