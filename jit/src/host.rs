//! The table of host functions: the only code outside a module that its functions can call.
//!
//! ```
//! use gobi_jit::{HostTable, host_functions};
//! extern "C" fn add_one(x: i64) -> i64 {
//!     x + 1
//! }
//! host_functions! {
//!     /// What tests call.
//!     static FUNCTIONS = { "test.add_one" => add_one(x: i64) -> i64; };
//! }
//! assert!(HostTable::new(&FUNCTIONS).get("test.add_one").is_some());
//! ```
//!
//! Parameters and results are `bool i8` (I8), `i32 u32` (I32), `i64 u64` (I64), `f64` (F64) and raw pointers (Ptr), at
//! most eight parameters and one result; the macro derives the IR signature from the Rust one, so the two cannot differ.
//!
//! Invariants: a name is bound to this table or to nothing; the process's symbols are never searched.
//!
//! Does not: say what the functions do; whoever fills the table promises that they do not unwind.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{HostDecl, Signature, Type};

/// One function of the table; made by [`host_functions!`](crate::host_functions).
#[derive(Clone, Copy, Debug)]
pub struct HostFn {
    name: &'static str,
    params: &'static [Type],
    result: Option<Type>,
    address: *const u8,
    thunk: Thunk,
}

/// Calls the function with arguments from memory, for the interpreter.
type Thunk = unsafe fn(*const u64) -> u64;

// SAFETY: the pointer is the address of code, which never changes.
unsafe impl Send for HostFn {}
// SAFETY: as above.
unsafe impl Sync for HostFn {}

impl HostFn {
    /// An entry of the table; use [`host_functions!`](crate::host_functions), which keeps the parts consistent.
    ///
    /// # Safety
    /// `address` is an `extern "C"` function with these parameters and this result that does not unwind, and `thunk`
    /// calls it with its arguments read from consecutive words.
    pub const unsafe fn new(
        name: &'static str,
        params: &'static [Type],
        result: Option<Type>,
        address: *const u8,
        thunk: Thunk,
    ) -> HostFn {
        HostFn {
            name,
            params,
            result,
            address,
            thunk,
        }
    }

    /// Name in the table.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Signature in terms of the IR.
    pub fn signature(&self) -> Signature {
        Signature {
            params: self.params.to_vec(),
            results: self.result.into_iter().collect(),
        }
    }

    pub(crate) fn address(&self) -> *const u8 {
        self.address
    }

    pub(crate) fn thunk(&self) -> Thunk {
        self.thunk
    }
}

/// A Rust type that can cross between generated code and the host.
pub trait HostType: Copy {
    /// The IR's name for it.
    const TYPE: Type;
    /// From a register of the interpreter.
    fn from_raw(raw: u64) -> Self;
    /// To a register of the interpreter, zero-extended.
    fn to_raw(self) -> u64;
}

/// The result of a host function: a [`HostType`] or nothing.
pub trait HostResult {
    /// The IR's name for it.
    const TYPE: Option<Type>;
    /// To a register of the interpreter, zero-extended.
    fn to_raw(self) -> u64;
}

impl HostResult for () {
    const TYPE: Option<Type> = None;
    fn to_raw(self) -> u64 {
        0
    }
}

macro_rules! host_type {
    ($($ty:ty [$($generics:tt)*] = $ir:ident, |$raw:ident| $from:expr, |$value:ident| $to:expr;)*) => {$(
        impl $($generics)* HostType for $ty {
            const TYPE: Type = Type::$ir;
            fn from_raw($raw: u64) -> Self {
                $from
            }
            fn to_raw(self) -> u64 {
                let $value = self;
                $to
            }
        }

        impl $($generics)* HostResult for $ty {
            const TYPE: Option<Type> = Some(Type::$ir);
            fn to_raw(self) -> u64 {
                HostType::to_raw(self)
            }
        }
    )*};
}

host_type! {
    bool [] = I8, |raw| raw as u8 != 0, |value| u64::from(value);
    i8 [] = I8, |raw| raw as i8, |value| u64::from(value as u8);
    i32 [] = I32, |raw| raw as i32, |value| u64::from(value as u32);
    u32 [] = I32, |raw| raw as u32, |value| u64::from(value);
    i64 [] = I64, |raw| raw as i64, |value| value as u64;
    u64 [] = I64, |raw| raw, |value| value;
    f64 [] = F64, |raw| f64::from_bits(raw), |value| value.to_bits();
    *const T [<T>] = Ptr, |raw| std::ptr::with_exposed_provenance(raw as usize), |value| value.expose_provenance() as u64;
    *mut T [<T>] = Ptr, |raw| std::ptr::with_exposed_provenance_mut(raw as usize), |value| value.expose_provenance() as u64;
}

/// Declares a static array of [`HostFn`]s: `"name" => function(arg: Type, …) -> Result;` per entry.
///
/// The functions must be `extern "C"` and must not unwind; their Rust types are checked against those written here.
#[macro_export]
macro_rules! host_functions {
    ($(#[$doc:meta])* $vis:vis static $table:ident = {
        $($name:literal => $($function:ident)::+ ($($arg:ident: $ty:ty),* $(,)?) $(-> $result:ty)?;)*
    };) => {
        $(#[$doc])*
        $vis static $table: [$crate::HostFn; { let names: &[&str] = &[$($name),*]; names.len() }] = [$({
            const TYPED: unsafe extern "C" fn($($ty),*) $(-> $result)? = $($function)::+;
            /// Reads the arguments from memory and calls the function.
            #[allow(unused_mut, unused_variables, unused_assignments, clippy::unused_unit)]
            unsafe fn thunk(mut args: *const u64) -> u64 {
                // SAFETY: the interpreter passes one word per parameter.
                unsafe {
                    $(let $arg = <$ty as $crate::HostType>::from_raw(*args); args = args.add(1);)*
                    $crate::HostResult::to_raw(TYPED($($arg),*))
                }
            }
            // SAFETY: the types come from the function itself, and the thunk calls it.
            unsafe {
                $crate::HostFn::new(
                    $name,
                    &[$(<$ty as $crate::HostType>::TYPE),*],
                    $crate::host_functions!(@result $($result)?),
                    TYPED as *const u8,
                    thunk,
                )
            }
        }),*];
    };
    (@result) => { <() as $crate::HostResult>::TYPE };
    (@result $result:ty) => { <$result as $crate::HostResult>::TYPE };
}

/// The functions that modules may call, by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct HostTable {
    functions: Arc<HashMap<&'static str, HostFn>>,
}

/// Why a host function cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The table has no such name.
    #[error("there is no host function {0}")]
    Unknown(String),
    /// The module believes in another signature.
    #[error("host function {name} is {found:?}, the module declares {declared:?}")]
    Signature {
        /// Name of the function.
        name: String,
        /// As the table has it.
        found: Signature,
        /// As the module has it.
        declared: Signature,
    },
}

impl HostTable {
    /// A table of these functions; names must differ.
    pub fn new(functions: &[HostFn]) -> HostTable {
        HostTable::default().with(functions)
    }

    /// The table with more functions; names must differ.
    pub fn with(&self, functions: &[HostFn]) -> HostTable {
        let mut all = HashMap::clone(&self.functions);
        for function in functions {
            let before = all.insert(function.name, *function);
            assert!(before.is_none(), "host function {} is listed twice", function.name);
        }
        HostTable {
            functions: Arc::new(all),
        }
    }

    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&HostFn> {
        self.functions.get(name)
    }

    /// The function that a module declares.
    pub(crate) fn resolve(&self, decl: &HostDecl) -> Result<&HostFn, HostError> {
        let function = self
            .get(&decl.name)
            .ok_or_else(|| HostError::Unknown(decl.name.clone()))?;
        let found = function.signature();
        if found == decl.sig {
            return Ok(function);
        }
        Err(HostError::Signature {
            name: decl.name.clone(),
            found,
            declared: decl.sig.clone(),
        })
    }
}
