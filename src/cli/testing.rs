//! `gobi test`: the TEST blocks of scripts, on a branch that is thrown away.
//!
//! `gobi -d shop test prices.grz` runs the script and its tests on a branch of `shop`, prints a line for each test, and drops the branch. Without
//! `-d`, the database is in memory.
//!
//! Invariants: nothing of a run stays; exit code 1 says that a test failed, or the script around them.
//!
//! Does not: run tests; the session does.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::args::Test;
use super::check::{json_wanted, object};
use super::failure::Failure;
use super::interrupt;
use super::meaning::Meaning;
use super::source::Source;
use crate::client::{Client, Error, Session, TestOutcome};

/// Tests files.
pub fn run(meaning: &Meaning, args: &Test) -> Result<(), Failure> {
    let as_json = json_wanted(meaning, "test")?;
    let (mut count, mut failed, mut shown) = (0, 0, Vec::new());
    for path in &args.files {
        let source = Source::file(meaning, path)?;
        let (outcomes, ended) = test(meaning, &source, path)?;
        for outcome in &outcomes {
            count += 1;
            failed += usize::from(outcome.error.is_some());
            match as_json {
                true => shown.push(of_outcome(&source, outcome)),
                false => tell(meaning, &source, outcome)?,
            }
        }
        if let Err(error) = ended {
            failed += 1;
            match as_json {
                true => shown.extend(error.diagnostics.iter().map(|first| object(&source, first))),
                false => source.report(meaning, &error),
            }
        }
    }
    match as_json {
        true => writeln!(std::io::stdout(), "{:#}", Value::Array(shown))?,
        false => {
            let plural = if count == 1 { "" } else { "s" };
            writeln!(std::io::stdout(), "{count} test{plural}, {failed} failed")?;
        }
    }
    if failed > 0 { Err(Failure::Reported) } else { Ok(()) }
}

type Tested = (Vec<TestOutcome>, Result<(), Error>);

fn test(meaning: &Meaning, source: &Source, path: &Path) -> Result<Tested, Failure> {
    let client = meaning.client();
    let mut session = client.session();
    let _guard = interrupt::guard(session.interrupt());
    let branch = Branch::begin(&client, &mut session, path)?;
    let mut session = match &branch {
        Some(_) => session,
        None => session.with_scratch(),
    };
    let tested = session.test(&source.text);
    drop(session);
    if let Some(branch) = branch {
        branch.end(&client)?;
    }
    Ok(tested)
}

/// A branch of a database for one run.
struct Branch(String);

impl Branch {
    /// None, where there is no database yet.
    fn begin(client: &Client, session: &mut Session, path: &Path) -> Result<Option<Self>, Failure> {
        if !client.has_database() || session.log_root().is_err() {
            return Ok(None);
        }
        let name = path.file_stem().map(|stem| stem.to_string_lossy().replace('`', "_"));
        let name = format!("test {} {}", name.unwrap_or_default(), std::process::id());
        let begun = session.run(&format!("CREATE BRANCH `{name}`; USE BRANCH `{name}`"));
        begun.map_err(message)?;
        session.confine();
        Ok(Some(Self(name)))
    }

    fn end(self, client: &Client) -> Result<(), Failure> {
        let dropped = client.session().run(&format!("DROP BRANCH `{}` CASCADE", self.0));
        dropped.map(drop).map_err(message)
    }
}

fn message(error: Error) -> Failure {
    Failure::Message(error.to_string())
}

fn tell(meaning: &Meaning, source: &Source, outcome: &TestOutcome) -> Result<(), Failure> {
    let word = if outcome.error.is_some() { "failed" } else { "ok" };
    writeln!(std::io::stdout(), "{word:6} {}", outcome.name)?;
    if let Some(error) = &outcome.error {
        source.report(meaning, error);
    }
    Ok(())
}

fn of_outcome(source: &Source, outcome: &TestOutcome) -> Value {
    let error = outcome.error.as_ref().and_then(|error| error.diagnostics.first());
    json!({
        "file": source.file,
        "test": outcome.name,
        "ok": outcome.error.is_none(),
        "error": error.map(|first| object(source, first)),
    })
}
