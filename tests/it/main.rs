//! The one integration-test binary: what a user sees, and what the tree must keep.
//!
//! Invariants: nothing here depends on time, on the network, or on files outside the clone.

mod architecture;
