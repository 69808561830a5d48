//! One decoded operation: a function pointer and the registers it works on.
//!
//! Example: `%4: i64 = add %2, %3` becomes `Step { run: binary(i64::wrapping_add), d: 4, a: 2, b: 3, .. }`. Running a block
//! is calling one pointer after the other.
//!
//! Registers are words of 64 bits. Values up to 64 bits are zero-extended in one word; 128-bit integers and vectors take
//! two, low word (or lane 0) first.
//!
//! Invariants: register numbers come from decoding verified IR, so they are in range and of the type the step expects.
//!
//! Does not: jump or call; those end a segment, see [`super::decode`].

/// Executes one step on the registers of the current frame.
pub(super) type Run = unsafe fn(*mut u64, &Step);

/// One operation. What `c` and `imm` mean depends on `run`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub run: Run,
    /// Destination.
    pub d: u32,
    /// Operands.
    pub a: u32,
    pub b: u32,
    pub c: u32,
    /// An offset or a lane.
    pub imm: i64,
}

/// A value that lives in one or two registers.
pub(super) trait Reg: Copy {
    /// # Safety
    /// The registers at `at` exist.
    unsafe fn get(regs: *const u64, at: u32) -> Self;
    /// # Safety
    /// The registers at `at` exist.
    unsafe fn put(self, regs: *mut u64, at: u32);
}

macro_rules! int_reg {
    ($($ty:ty as $unsigned:ty),*) => {$(
        impl Reg for $ty {
            #[inline(always)]
            unsafe fn get(regs: *const u64, at: u32) -> $ty {
                // SAFETY: the caller's promise.
                unsafe { *regs.add(at as usize) as $ty }
            }

            #[inline(always)]
            unsafe fn put(self, regs: *mut u64, at: u32) {
                // SAFETY: the caller's promise.
                unsafe { *regs.add(at as usize) = u64::from(self as $unsigned) }
            }
        }
    )*};
}
int_reg!(
    i8 as u8, u8 as u8, i16 as u16, u16 as u16, i32 as u32, u32 as u32, i64 as u64, u64 as u64
);

macro_rules! wide_reg {
    ($($ty:ty),*) => {$(
        impl Reg for $ty {
            #[inline(always)]
            unsafe fn get(regs: *const u64, at: u32) -> $ty {
                // SAFETY: the caller's promise; two words.
                let (low, high) = unsafe { (*regs.add(at as usize), *regs.add(at as usize + 1)) };
                (high as $ty) << 64 | low as $ty
            }

            #[inline(always)]
            unsafe fn put(self, regs: *mut u64, at: u32) {
                // SAFETY: the caller's promise; two words.
                unsafe {
                    *regs.add(at as usize) = self as u64;
                    *regs.add(at as usize + 1) = (self >> 64) as u64;
                }
            }
        }
    )*};
}
wide_reg!(i128, u128);

impl Reg for f32 {
    #[inline(always)]
    unsafe fn get(regs: *const u64, at: u32) -> f32 {
        // SAFETY: the caller's promise.
        f32::from_bits(unsafe { u32::get(regs, at) })
    }

    #[inline(always)]
    unsafe fn put(self, regs: *mut u64, at: u32) {
        // SAFETY: the caller's promise.
        unsafe { self.to_bits().put(regs, at) }
    }
}

impl Reg for f64 {
    #[inline(always)]
    unsafe fn get(regs: *const u64, at: u32) -> f64 {
        // SAFETY: the caller's promise.
        f64::from_bits(unsafe { u64::get(regs, at) })
    }

    #[inline(always)]
    unsafe fn put(self, regs: *mut u64, at: u32) {
        // SAFETY: the caller's promise.
        unsafe { self.to_bits().put(regs, at) }
    }
}

/// A number that can be a lane of a vector.
pub(super) trait Lane: Copy {}
impl Lane for i8 {}
impl Lane for i16 {}
impl Lane for i32 {}
impl Lane for i64 {}
impl Lane for f32 {}
impl Lane for f64 {}

impl<T: Lane, const N: usize> Reg for [T; N] {
    #[inline(always)]
    unsafe fn get(regs: *const u64, at: u32) -> [T; N] {
        const { assert!(size_of::<[T; N]>() == 16) }
        // SAFETY: the caller's promise; two words, any bits are numbers.
        unsafe { regs.add(at as usize).cast::<[T; N]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn put(self, regs: *mut u64, at: u32) {
        const { assert!(size_of::<[T; N]>() == 16) }
        // SAFETY: the caller's promise; two words.
        unsafe { regs.add(at as usize).cast::<[T; N]>().write_unaligned(self) }
    }
}

/// A function without captured state, known by its type alone.
#[inline(always)]
fn stateless<F: Copy>() -> F {
    const { assert!(size_of::<F>() == 0, "an operation must not capture anything") }
    // SAFETY: reading a value of size zero reads nothing, and one was handed to whoever made the step.
    unsafe { std::ptr::NonNull::<F>::dangling().read() }
}

/// `d = f(a)`.
pub(super) fn unary<A: Reg, R: Reg, F: Fn(A) -> R + Copy>(_: F) -> Run {
    unsafe fn run<A: Reg, R: Reg, F: Fn(A) -> R + Copy>(regs: *mut u64, step: &Step) {
        // SAFETY: see the module: registers come from verified IR.
        unsafe { stateless::<F>()(A::get(regs, step.a)).put(regs, step.d) }
    }
    run::<A, R, F>
}

/// `d = f(a, b)`.
pub(super) fn binary<A: Reg, B: Reg, R: Reg, F: Fn(A, B) -> R + Copy>(_: F) -> Run {
    unsafe fn run<A: Reg, B: Reg, R: Reg, F: Fn(A, B) -> R + Copy>(regs: *mut u64, step: &Step) {
        // SAFETY: see the module: registers come from verified IR.
        unsafe { stateless::<F>()(A::get(regs, step.a), B::get(regs, step.b)).put(regs, step.d) }
    }
    run::<A, B, R, F>
}

/// `d = f(a, b, c)`.
pub(super) fn ternary<A: Reg, B: Reg, C: Reg, R: Reg, F: Fn(A, B, C) -> R + Copy>(_: F) -> Run {
    unsafe fn run<A: Reg, B: Reg, C: Reg, R: Reg, F: Fn(A, B, C) -> R + Copy>(regs: *mut u64, step: &Step) {
        // SAFETY: see the module: registers come from verified IR.
        unsafe { stateless::<F>()(A::get(regs, step.a), B::get(regs, step.b), C::get(regs, step.c)).put(regs, step.d) }
    }
    run::<A, B, C, R, F>
}

/// `(d, c) = f(a, b)`.
pub(super) fn flagged<A: Reg, F: Fn(A, A) -> (A, bool) + Copy>(_: F) -> Run {
    unsafe fn run<A: Reg, F: Fn(A, A) -> (A, bool) + Copy>(regs: *mut u64, step: &Step) {
        // SAFETY: see the module: registers come from verified IR.
        unsafe {
            let (result, flag) = stateless::<F>()(A::get(regs, step.a), A::get(regs, step.b));
            result.put(regs, step.d);
            u8::from(flag).put(regs, step.c);
        }
    }
    run::<A, F>
}
