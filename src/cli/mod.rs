//! The command line: what was typed → what it means → what is shown.
//!
//! `gobi -c "SELECT 1"` is read into [`args::Args`], which becomes a [`meaning::Meaning`] (format, colours, settings), with which
//! [`script`] runs the text and [`output`] prints its rows.
//!
//! Where to look: a command is a file of its name; a format is a file of [`output`]; a flag is a field of [`args`] and what
//! it means a line of [`meaning`].
//!
//! Invariants: exit code 0 is success, 1 a script that failed, 2 a wrong use of the command line; a reader that goes away is
//! success; results go to standard output and everything else to standard error.
//!
//! Does not: execute anything itself; it is a client like any other.

// The walk through this room names its private modules; readers of the source follow it.
#![allow(rustdoc::private_intra_doc_links)]

mod args;
mod bench;
mod check;
mod completions;
mod demo;
mod explain;
mod failure;
mod fmt;
mod history;
mod interrupt;
mod meaning;
mod output;
mod packing;
mod progress;
mod protocol;
mod repl;
mod routines;
mod script;
mod source;
mod tables;
mod testing;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use gobi_grammar::ast::ObjectKind;

use args::{Args, Command};
use failure::Failure;
use meaning::Meaning;

/// Runs the program; its result is the exit code.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return failure::usage(&error),
    };
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        // A decoder that panics over a damaged file is told as an error, and as nothing else.
        std::panic::set_hook(Box::new(|_| {}));
    }
    match std::panic::catch_unwind(|| dispatch(args)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.report(),
        Err(_) => {
            let message = "error[XX000]: gobi has a defect here; RUST_BACKTRACE=1 tells where";
            let _ = writeln!(std::io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: Args) -> Result<(), Failure> {
    let jit = args.command.as_ref().and_then(Command::jit).or(args.jit.mode);
    let meaning = Meaning::of(&args.globals, jit);
    match args.command {
        None if args.scripts.is_empty() => repl::run(&meaning),
        None => script::run_texts(&meaning, &args.scripts),
        Some(_) if !args.scripts.is_empty() => Err(Failure::Usage("`-c` stands alone, without a command".into())),
        Some(Command::Run(run)) => script::run_files(&meaning, &run.files),
        Some(Command::Repl(_)) => repl::run(&meaning),
        Some(Command::Explain(explain)) => explain::run(&meaning, &explain),
        Some(Command::Bench(bench)) => bench::run(&meaning, &bench),
        Some(Command::Init(init)) => tables::init(&meaning, &init),
        Some(Command::Import(import)) => tables::import(&meaning, &import),
        Some(Command::Export(export)) => tables::export(&meaning, &export),
        Some(Command::Schema(schema)) => tables::schema(&meaning, &schema),
        Some(Command::Table(table)) => tables::table(&meaning, &table),
        Some(Command::Procedures(procedures)) => routines::run(&meaning, ObjectKind::Procedure, &procedures),
        Some(Command::Functions(functions)) => routines::run(&meaning, ObjectKind::Function, &functions),
        Some(Command::Check(check)) => check::run(&meaning, &check),
        Some(Command::Test(test)) => testing::run(&meaning, &test),
        Some(Command::Fmt(fmt)) => fmt::run(&meaning, &fmt),
        Some(Command::Compact(compact)) => packing::compact(&meaning, compact.table.as_deref()),
        Some(Command::Cache(cache)) => packing::cache(&meaning, cache.task),
        Some(Command::Pack(pack) | Command::Backup(pack)) => packing::pack(&pack),
        Some(Command::Unpack(unpack) | Command::Restore(unpack)) => packing::unpack(&unpack),
        Some(Command::Timeline(timeline)) => history::timeline(&meaning, &timeline),
        Some(Command::Verify(verify)) => history::verify(&meaning, &verify),
        Some(Command::VerifyProof(proof)) => history::verify_proof(&proof),
        Some(Command::Snapshot(snapshot)) => history::snapshot(&meaning, &snapshot),
        Some(Command::Branch(branch)) => history::branch(&meaning, &branch),
        Some(Command::Diff(diff)) => history::diff(&meaning, &diff),
        Some(Command::Gc(gc)) => history::gc(&meaning, &gc),
        Some(Command::Completions(completions)) => completions::run(completions.shell),
        Some(Command::Demo(demo)) => demo::run(&meaning, &demo),
    }
}
