//! `gobi procedures`, `gobi functions`: what can be called, and calling it.
//!
//! `gobi -d shop procedures run add "'apple'" 3` runs `CALL add('apple', 3)`.
//!
//! Invariants: each is one statement, whose results are printed as those of any other; an argument is one expression.
//!
//! Does not: know procedures; statements and the client do.

use std::io::Write;

use gobi_grammar::ast::{ObjectKind, StatementKind};

use super::args::{Routines, RoutinesCommand};
use super::failure::Failure;
use super::meaning::Meaning;
use super::source::Source;
use super::tables::{need_database, quoted, run as run_text};

/// Procedures, or functions.
pub fn run(meaning: &Meaning, kind: ObjectKind, args: &Routines) -> Result<(), Failure> {
    need_database(meaning)?;
    let word = kind.words();
    match &args.command {
        RoutinesCommand::List => run_text(meaning, &format!("SHOW {word}S")),
        RoutinesCommand::Show { name } => show(meaning, kind, name),
        RoutinesCommand::Run { name, args } => {
            let call = format!("CALL {}({})", quoted(name), arguments(meaning, args)?);
            run_text(meaning, &call)
        }
        RoutinesCommand::Profile { name, args } => {
            let name = quoted(name);
            let text = format!("CALL {name}({}); SHOW PROFILE {name}", arguments(meaning, args)?);
            run_text(meaning, &text)
        }
        RoutinesCommand::Diff { name, from, to } => {
            let to = to.as_deref().unwrap_or("now()");
            let between = from.as_ref().map(|from| format!(" BETWEEN {from} AND {to}"));
            let name = quoted(name);
            let text = format!("DIFF {word} {name}{}", between.unwrap_or_default());
            let read = gobi_grammar::parse(&text, meaning.settings.dialect);
            match read.statements.len() {
                0 | 1 => run_text(meaning, &text),
                _ => Err(Failure::Usage("`--from` and `--to` each take one time".to_owned())),
            }
        }
    }
}

/// Arguments as a list; each is a value, or a name and a value: `3`, `"'apple'"`, `price: 2`.
fn arguments(meaning: &Meaning, args: &[String]) -> Result<String, Failure> {
    for arg in args {
        let read = gobi_grammar::parse(&format!("CALL p({arg})"), meaning.settings.dialect);
        let is_one = match read.statements.as_slice() {
            [statement] if read.diagnostics.is_empty() => match &statement.kind {
                StatementKind::CallRoutine(call) => {
                    call.args.len() == 1 && call.as_of.is_none() && call.restate.is_none()
                }
                _ => false,
            },
            _ => false,
        };
        if !is_one {
            let message = format!("the argument `{arg}` is not one expression: write a text as `\"'apple'\"`");
            return Err(Failure::Usage(message));
        }
    }
    Ok(args.join(", "))
}

fn show(meaning: &Meaning, kind: ObjectKind, name: &str) -> Result<(), Failure> {
    let source = Source::text(name);
    let statements = meaning.client().session().routine_definitions(kind, name);
    let statements = statements.map_err(|error| source.fail(meaning, &error))?;
    let mut out = std::io::stdout().lock();
    for statement in statements {
        writeln!(out, "{statement}")?;
    }
    Ok(())
}
