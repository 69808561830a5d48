//! The layouts that generated code and the engine share: the frame that every kernel is handed, and its status codes.
//!
//! ```text
//! frame: *mut FrameHeader ──▶ 0   error_site  error_row
//!                             16  in_count    out_count
//!                             32  resume_a    resume_b
//!                             48  cancel      reserved
//!                             64  slot 0, slot 1, …        [u64], meaning agreed per kernel
//! ```
//!
//! A kernel is a function `(ptr, i64, i64) -> i64`: the frame, two numbers (usually the first row and the end), and a
//! status out of `STATUS_*`.
//!
//! Invariants: every offset used by generated code is a constant of this file, checked against the Rust layout.
//!
//! Does not: say what slots hold.

use crate::ir::{Signature, Type};

/// Head of a kernel's frame; slots of 64 bits follow it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameHeader {
    /// With [`STATUS_ERROR`]: which expression failed, as numbered by the front end.
    pub error_site: u64,
    /// With [`STATUS_ERROR`]: the row at which it failed.
    pub error_row: u64,
    /// Rows handed in.
    pub in_count: u64,
    /// Rows handed out.
    pub out_count: u64,
    /// With [`STATUS_MORE`]: where to go on.
    pub resume_a: u64,
    /// With [`STATUS_MORE`]: where to go on.
    pub resume_b: u64,
    /// `*const AtomicBool` that turns true when the query is cancelled.
    pub cancel: u64,
    /// Zero.
    pub reserved: u64,
}

/// Offset of [`FrameHeader::error_site`].
pub const ERROR_SITE: i32 = 0;
/// Offset of [`FrameHeader::error_row`].
pub const ERROR_ROW: i32 = 8;
/// Offset of [`FrameHeader::in_count`].
pub const IN_COUNT: i32 = 16;
/// Offset of [`FrameHeader::out_count`].
pub const OUT_COUNT: i32 = 24;
/// Offset of [`FrameHeader::resume_a`].
pub const RESUME_A: i32 = 32;
/// Offset of [`FrameHeader::resume_b`].
pub const RESUME_B: i32 = 40;
/// Offset of [`FrameHeader::cancel`].
pub const CANCEL: i32 = 48;
/// Size of the header, where slot 0 is.
pub const FRAME_HEADER_BYTES: usize = 64;

const _: () = {
    assert!(std::mem::size_of::<FrameHeader>() == FRAME_HEADER_BYTES);
    assert!(std::mem::offset_of!(FrameHeader, error_site) == ERROR_SITE as usize);
    assert!(std::mem::offset_of!(FrameHeader, error_row) == ERROR_ROW as usize);
    assert!(std::mem::offset_of!(FrameHeader, in_count) == IN_COUNT as usize);
    assert!(std::mem::offset_of!(FrameHeader, out_count) == OUT_COUNT as usize);
    assert!(std::mem::offset_of!(FrameHeader, resume_a) == RESUME_A as usize);
    assert!(std::mem::offset_of!(FrameHeader, resume_b) == RESUME_B as usize);
    assert!(std::mem::offset_of!(FrameHeader, cancel) == CANCEL as usize);
};

/// The kernel did all it was asked to.
pub const STATUS_OK: i64 = 0;
/// An expression failed; the frame says which and at which row.
pub const STATUS_ERROR: i64 = 1;
/// The kernel's output is full; call it again from where the frame says.
pub const STATUS_MORE: i64 = 2;
/// Calls nested too deeply; only the interpreter notices.
pub const STATUS_DEPTH: i64 = 3;
/// The function that was called is not a kernel.
pub const STATUS_NOT_A_KERNEL: i64 = 4;

/// Offset of the `i`-th slot of a frame.
pub const fn slot_offset(i: usize) -> i32 {
    (FRAME_HEADER_BYTES + i * 8) as i32
}

/// Parameters of a kernel.
pub const KERNEL_PARAMS: [Type; 3] = [Type::Ptr, Type::I64, Type::I64];
/// Results of a kernel.
pub const KERNEL_RESULTS: [Type; 1] = [Type::I64];

/// Whether a function with this signature can be called by the engine.
pub fn is_kernel(sig: &Signature) -> bool {
    sig.params == KERNEL_PARAMS && sig.results == KERNEL_RESULTS
}

/// A kernel in machine code.
pub(crate) type KernelFn = unsafe extern "C" fn(*mut u8, i64, i64) -> i64;
