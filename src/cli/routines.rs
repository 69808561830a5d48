//! `gobi procedures`, `gobi functions`: what can be called, and calling it.
//!
//! `gobi -d shop procedures run add "'apple'" 3` runs `CALL add('apple', 3)`.
//!
//! Invariants: each is a statement, whose results are printed as those of any other.
//!
//! Does not: know procedures; statements and the client do.

use std::io::Write;

use super::args::{Routines, RoutinesCommand};
use super::failure::Failure;
use super::meaning::Meaning;
use super::source::Source;
use super::tables::{need_database, quoted, run as run_text};

/// Procedures, or functions.
pub fn run(meaning: &Meaning, kind: &str, args: &Routines) -> Result<(), Failure> {
    need_database(meaning)?;
    match &args.command {
        RoutinesCommand::List => run_text(meaning, &format!("SHOW {kind}S")),
        RoutinesCommand::Show { name } => show(meaning, kind, name),
        RoutinesCommand::Run { name, args } => {
            let call = format!("CALL {}({})", quoted(name), args.join(", "));
            run_text(meaning, &call)
        }
        RoutinesCommand::Profile { name, args } => {
            let name = quoted(name);
            let text = format!("CALL {name}({}); SHOW PROFILE {name}", args.join(", "));
            run_text(meaning, &text)
        }
        RoutinesCommand::Diff { name, from, to } => {
            let to = to.as_deref().unwrap_or("now()");
            let between = from.as_ref().map(|from| format!(" BETWEEN {from} AND {to}"));
            let name = quoted(name);
            run_text(meaning, &format!("DIFF {kind} {name}{}", between.unwrap_or_default()))
        }
    }
}

fn show(meaning: &Meaning, kind: &str, name: &str) -> Result<(), Failure> {
    let source = Source::text(name);
    let statements = meaning.client().session().routine_definitions(kind, name);
    let statements = statements.map_err(|error| source.fail(meaning, &error))?;
    let mut out = std::io::stdout().lock();
    for statement in statements {
        writeln!(out, "{statement}")?;
    }
    Ok(())
}
