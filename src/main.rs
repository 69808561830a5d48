//! The `gobi` program: hands its arguments to the command line and exits with its code.

#[cfg(feature = "cli")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(feature = "cli")]
fn main() -> std::process::ExitCode {
    gobi::cli::main()
}

#[cfg(not(feature = "cli"))]
fn main() {}
