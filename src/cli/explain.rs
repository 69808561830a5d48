//! `gobi explain`: how a query runs.
//!
//! `gobi explain --jit "SELECT 1"` prints each pipeline with its operators, IR, Cranelift IR and machine code; `--format json` the
//! same for tools.
//!
//! Invariants: `--analyze` runs the query, and nothing else does.
//!
//! Does not: explain scripts of several statements.

use std::io::Write;

use super::args::{Explain, Format};
use super::failure::Failure;
use super::interrupt;
use super::meaning::Meaning;
use super::source::Source;
use crate::client::ExplainOptions;

/// Explains a query.
pub fn run(meaning: &Meaning, args: &Explain) -> Result<(), Failure> {
    let json = match meaning.format {
        None | Some(Format::Text) => false,
        Some(Format::Json) => true,
        Some(_) => {
            return Err(Failure::Usage(
                "explain takes `--format text` or `--format json`".into(),
            ));
        }
    };
    let source = match (&args.file, &args.sql) {
        (Some(file), _) => Source::file(meaning, file)?,
        (None, Some(sql)) => Source::argument(meaning, sql)?,
        (None, None) => return Err(Failure::Usage("explain takes a query".into())),
    };
    let mut session = meaning.client().session();
    let _guard = interrupt::guard(session.interrupt());
    let options = ExplainOptions {
        jit: args.jit,
        analyze: args.analyze,
    };
    let explanation = session
        .explain(&source.text, options)
        .map_err(|error| source.fail(meaning, &error))?;
    let text = if json {
        explanation.json()
    } else {
        explanation.lines(meaning.stdout_color).join("\n")
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
