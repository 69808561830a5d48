//! The `gobi` program: hands its arguments to the command line and exits with its code.

fn main() {}
