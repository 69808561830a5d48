//! Room on the stack, for what calls itself as often as a script says.
//!
//! A procedure that calls itself 200 deep runs 200 statements within one another, on whatever thread its caller has.
//!
//! Invariants: what runs in [`with_room`] has a megabyte of stack at least, in [`with_bytes`] as much as it says beside that of a call.
//!
//! Does not: limit anything; each kind of nesting has its own limit, and its own error.

/// What has to be left.
const LEAST_BYTES: usize = 1 << 20;
/// What is taken where there is less, of which only what is touched becomes memory.
const MORE_BYTES: usize = 4 << 20;

/// Calls it with room on the stack.
pub fn with_room<R>(run: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(LEAST_BYTES, MORE_BYTES, run)
}

/// What a call of the host takes.
const CALL_BYTES: usize = 256 << 10;

/// Calls it with so much room on the stack; nothing is asked for where that is 0.
pub fn with_bytes<R>(bytes: usize, run: impl FnOnce() -> R) -> R {
    match bytes {
        0 => run(),
        _ => stacker::maybe_grow(
            bytes.saturating_add(CALL_BYTES),
            bytes.saturating_add(2 * CALL_BYTES),
            run,
        ),
    }
}
