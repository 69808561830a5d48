//! Attached scripts: `ATTACH 'monthly.sql' AS monthly`, and `EXECUTE monthly` whenever it is wanted.
//!
//! A script of three statements, of which the last one fails, leaves nothing of the first two; its error says where in the script it is, and
//! is shown at the EXECUTE.
//!
//! Invariants: all of a script is done, or nothing: it runs in a transaction of its own, or behind a savepoint of the one that is open;
//! the file is read whenever it is executed, and parsed whole before anything runs.
//!
//! Does not: run files that nobody attached; the command line does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Execute, Ident, Span, StatementKind as K};

use super::change::Running;
use super::result::{ResultStream, StatementResult};
use super::transaction::Message;
use super::{Error, Session, routines, script, statement, text_of};
use crate::host;

/// Scripts run each other so deep at most.
const DEEPEST: usize = 16;

/// The attached scripts of a session.
#[derive(Debug, Default)]
pub struct Scripts {
    attached: Vec<Script>,
    /// How many of them run inside each other.
    depth: usize,
}

/// A file of statements.
#[derive(Clone, Debug)]
pub struct Script {
    /// What it goes by.
    pub name: Arc<str>,
    /// Where it is.
    pub path: PathBuf,
}

impl Scripts {
    /// The one of a name.
    pub fn named(&self, name: &str) -> Option<&Script> {
        let mut all = self.attached.iter();
        all.find(|script| script.name.eq_ignore_ascii_case(name))
    }

    /// All of them, in the order in which they came.
    pub fn all(&self) -> &[Script] {
        &self.attached
    }

    /// Forgets one; whether it was there.
    pub fn forget(&mut self, name: &str) -> bool {
        let before = self.attached.len();
        self.attached.retain(|script| !script.name.eq_ignore_ascii_case(name));
        self.attached.len() < before
    }
}

/// Whether a path is that of a script.
pub fn is_script(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ending == "sql" || ending == "grz")
}

/// ATTACH of a script: it has to be there, and to be well formed.
pub fn attach(session: &mut Session, name: Arc<str>, path: &Path, place: Span) -> Result<(), Error> {
    let script = Script {
        name,
        path: path.to_path_buf(),
    };
    let text = read(&script, place)?;
    let parsing = script::parse(&text, session.settings.dialect);
    if !parsing.diagnostics.is_empty() {
        return Err(elsewhere(Error::all(parsing.diagnostics), &script, &text, place));
    }
    session.scripts.attached.push(script);
    Ok(())
}

fn read(script: &Script, place: Span) -> Result<String, Error> {
    let shown = script.path.display();
    let failed = |code, what: String| Error::new(Diagnostic::new(code, place, format!("`{shown}`: {what}")));
    let disk = host::disk_of(&script.path);
    let bytes = disk.open(&script.path).and_then(|file| {
        let size = usize::try_from(file.stat().size_bytes).unwrap_or(usize::MAX);
        host::read_range(&*file, 0, size)
    });
    let bytes = bytes.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed("58P01", "there is no such file".to_owned()),
        _ => failed("58030", error.to_string()),
    })?;
    String::from_utf8(bytes).map_err(|error| failed("22021", format!("not UTF-8: {}", error.utf8_error())))
}

/// EXECUTE of a script; `None` if no script has that name.
pub fn run(session: &mut Session, execute: &Execute, running: Running) -> Option<Result<StatementResult, Error>> {
    let [name] = execute.name.as_slice() else { return None };
    let script = session.scripts.named(&name.text)?.clone();
    if let Some(first) = execute.args.first() {
        let message = format!("the script `{}` takes no arguments", script.name);
        return Some(Err(Error::new(Diagnostic::new("42601", first.value.span, message))));
    }
    if session.scripts.depth >= DEEPEST {
        let message = format!("scripts execute each other more than {DEEPEST} deep");
        let help = "let `EXECUTE` stand in one of them only";
        return Some(Err(Error::new(
            Diagnostic::new("54001", running.span, message).with_help(help),
        )));
    }
    session.scripts.depth += 1;
    let done = whole(session, &script, running);
    session.scripts.depth -= 1;
    Some(done.map(|shown| match shown.is_empty() {
        true => StatementResult::Done,
        false => session.show_all(shown),
    }))
}

/// Runs all of it, or leaves everything as it was.
fn whole(session: &mut Session, script: &Script, running: Running) -> Result<Vec<ResultStream>, Error> {
    let text = read(script, running.span)?;
    let kept = session.relations.routines.clone_state();
    let outer = (session.script.clone(), session.statement.clone());
    let number = session.relations.routines.sources.begin_script();
    let together = std::mem::take(&mut session.relations.routines.together);
    session.script = text.as_str().into();
    let inside = session.in_transaction();
    let before = Ident {
        text: format!("\0script{}", session.scripts.depth),
        quoted: true,
        span: running.span,
    };
    let has_database = session.store.is_some() || !session.databases.attached.is_empty();
    let begun = match (has_database, inside) {
        (false, _) => Ok(()),
        (true, true) => session.savepoint(&before),
        (true, false) => session.begin(false, None, running.span),
    };
    let done = begun.and_then(|()| {
        let done = statements(session, &text, running);
        let ended = match (has_database, inside, done.is_ok()) {
            (false, ..) => Ok(()),
            (true, true, fine) => {
                let undone = if fine {
                    Ok(())
                } else {
                    session.end_savepoint(&before, true)
                };
                undone.and_then(|()| session.end_savepoint(&before, false))
            }
            (true, false, true) => session.commit(Message::Kind("EXECUTE"), running.span),
            (true, false, false) => session.rollback(running.span),
        };
        done.and_then(|shown| ended.map(|()| shown))
    });
    session.relations.routines.sources.end_script(number);
    session.relations.routines.together = together;
    (session.script, session.statement) = outer;
    done.map_err(|error| {
        session.relations.routines.restore_state(kept);
        elsewhere(error, script, &text, running.span)
    })
}

fn statements(session: &mut Session, text: &str, running: Running) -> Result<Vec<ResultStream>, Error> {
    let parsing = script::parse(text, running.dialect);
    if !parsing.diagnostics.is_empty() {
        return Err(Error::all(parsing.diagnostics));
    }
    let ends = |kind: &K| {
        matches!(
            kind,
            K::Begin(_) | K::Commit(_) | K::Rollback(_) | K::Attach(_) | K::Detach(_)
        )
    };
    if let Some((statement, _)) = parsing.statements.iter().find(|(statement, _)| ends(&statement.kind)) {
        let message = format!(
            "{} in an attached script, which is one transaction",
            statement.kind.name()
        );
        let help = "leave it out; around EXECUTE it can stand";
        return Err(Error::new(
            Diagnostic::new("25001", statement.span, message).with_help(help),
        ));
    }
    routines::declare(session, &parsing.statements);
    let mut shown = Vec::new();
    for (statement, dialect) in &parsing.statements {
        session.statement = text_of(text, statement.span).into();
        let result = statement::run(session, statement, *dialect, running.phases);
        let result = result.map_err(|error| error.resolved(&session.relations.routines.sources, statement.span))?;
        let first = match result {
            StatementResult::Rows(stream) => Some(stream),
            StatementResult::RowsAffected(_) | StatementResult::Done => None,
        };
        for stream in first.into_iter().chain(session.pending.drain(..)) {
            let (fields, phases) = (stream.fields().to_vec(), stream.phases());
            let batches = stream.collect::<Result<Vec<_>, _>>()?;
            shown.push(ResultStream::returned(fields, batches, phases, running.span));
        }
    }
    Ok(shown)
}

/// An error in a script, at the place of the statement that runs it.
fn elsewhere(error: Error, script: &Script, text: &str, place: Span) -> Error {
    let mut moved = error;
    for diagnostic in &mut moved.diagnostics {
        let before = text.get(..diagnostic.span().start as usize).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        diagnostic.message = format!(
            "in `{}`, line {line}, column {column}: {}",
            script.path.display(),
            diagnostic.message
        );
        diagnostic.labels.truncate(1);
        diagnostic.labels.iter_mut().for_each(|label| label.span = place);
    }
    moved
}
