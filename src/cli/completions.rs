//! `gobi completions SHELL`: a script that completes gobi's arguments.
//!
//! `gobi completions bash` prints what bash sources.
//!
//! Invariants: made from [`super::args`], so it cannot differ from what is accepted.
//!
//! Does not: install anything.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Args;
use super::failure::Failure;

/// Prints the script.
pub fn run(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "gobi", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(())
}
