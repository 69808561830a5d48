//! `gobi timeline`, `verify`, `verify-proof`, `snapshot`, `branch`, `diff`, `gc`.
//!
//! `gobi verify shop` tells on standard error `12 commits, 61 objects, 48,213 bytes: all as it was written`, or prints what is not, and ends
//! with 1.
//!
//! Invariants: what is damaged, in conflict or proves nothing ends with exit code 1. Proofs and roots go to standard output,
//! and nothing else with them.
//!
//! Does not: know the store; statements and the client do.

use std::io::{Read, Write};
use std::path::Path;

use super::args::{
    Branch, BranchCommand, Diff, Gc, ProveCommand, Snapshot, SnapshotCommand, Timeline, TimelineCommand, Using, Verify,
    VerifyProof,
};
use super::failure::Failure;
use super::meaning::Meaning;
use super::output::{Output, OutputError};
use super::progress;
use super::script::run_script;
use super::source::Source;
use super::tables::{need_database, quoted, run};
use crate::client::{self, Error, LogicalType, Provable, Session, StatementResult};

/// `gobi timeline …`.
pub fn timeline(meaning: &Meaning, args: &Timeline) -> Result<(), Failure> {
    let folder = need_database(meaning)?;
    match &args.command {
        TimelineCommand::Log { table, limit, branch } => {
            let branch = branch.as_ref().map(|name| format!("USE BRANCH {}; ", quoted(name)));
            let table = table.as_ref().map(|table| format!(" {}", quoted(table)));
            let limit = limit.map(|limit| format!(" LIMIT {limit}"));
            let parts = [branch, Some("LOG".into()), table, limit];
            run(meaning, &parts.into_iter().flatten().collect::<String>())
        }
        TimelineCommand::Show { commit } => show(meaning, commit),
        TimelineCommand::Root => {
            let (_, root) = meaning.client().session().log_root().map_err(message)?;
            print(&root)
        }
        TimelineCommand::Verify => verify_path(meaning, folder, true),
        TimelineCommand::Prove(prove) => self::prove(meaning, &prove.command),
    }
}

fn show(meaning: &Meaning, commit: &str) -> Result<(), Failure> {
    let mut session = meaning.client().session();
    let record = session.commit_record(commit).map_err(message)?;
    let mut output = Output::of(meaning)?;
    rows(&mut output, record)?;
    let id = session.commit_named(commit).map_err(message)?;
    if let Some(parent) = session.parent_of(&id).map_err(message)? {
        let script = format!("DIFF BETWEEN COMMIT '{parent}' AND COMMIT '{id}'");
        run_script(meaning, &mut session, &mut output, &Source::text(&script))?;
    }
    Ok(output.finish()?)
}

fn rows(output: &mut Output, stream: client::ResultStream) -> Result<(), Failure> {
    output.rows(stream, progress::watch(None)).map_err(|error| match error {
        OutputError::Io(error) => Failure::Io(error),
        OutputError::Message(message) => Failure::Message(message),
        OutputError::Query(error) => message(error),
    })
}

fn prove(meaning: &Meaning, what: &ProveCommand) -> Result<(), Failure> {
    let mut session = meaning.client().session();
    let proof = match what {
        ProveCommand::Commit { commit } => session.prove(&Provable::Commit(commit.clone())),
        ProveCommand::Growth { size } => session.prove(&Provable::Growth(*size)),
        ProveCommand::Row { table, condition, at } => {
            let at = at
                .as_ref()
                .map(|at| session.commit_named(at))
                .transpose()
                .map_err(message)?;
            let at = at.map_or_else(String::new, |commit| format!(" AS OF COMMIT '{commit}'"));
            let script = format!("PROVE SELECT * FROM {}{at} WHERE {condition}", quoted(table));
            return only_value(meaning, &mut session, &script);
        }
    };
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(proof.map_err(message)?.as_bytes())?)
}

/// Prints the one text that a script gives, as it is.
fn only_value(meaning: &Meaning, session: &mut Session, script: &str) -> Result<(), Failure> {
    let source = Source::text(script);
    let mut out = std::io::stdout().lock();
    for result in session.execute(script) {
        let StatementResult::Rows(stream) = result.map_err(|error| source.fail(meaning, &error))? else {
            continue;
        };
        for batch in stream {
            let batch = batch.map_err(|error| source.fail(meaning, &error))?;
            let text = client::cells::text(batch.column(0), 0, &LogicalType::String);
            out.write_all(text.unwrap_or_default().as_bytes())?;
        }
    }
    Ok(())
}

/// `gobi verify`.
pub fn verify(meaning: &Meaning, args: &Verify) -> Result<(), Failure> {
    match &args.path {
        Some(path) => verify_path(meaning, path, args.deep),
        None => verify_path(meaning, need_database(meaning)?, args.deep),
    }
}

fn verify_path(meaning: &Meaning, path: &Path, deep: bool) -> Result<(), Failure> {
    let verified = client::verify(path, deep).map_err(message)?;
    if meaning.format.is_some() {
        let mut output = Output::of(meaning)?;
        rows(&mut output, verified.rows())?;
        output.finish()?;
    } else {
        let mut out = std::io::stdout().lock();
        for damage in &verified.damages {
            writeln!(out, "{damage}")?;
        }
    }
    let count = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let read = [
        count(verified.commits, "commit"),
        count(verified.objects, "object"),
        count(verified.bytes, "byte"),
    ];
    let read = read.join(", ");
    match verified.damages.len() as u64 {
        0 if verified.unread_files > 0 => {
            let files = count(verified.unread_files, "file");
            let bytes = count(verified.unread_bytes, "byte");
            writeln!(
                std::io::stderr(),
                "{read}: as it was written; {files} of {bytes} not read, which `--deep` does"
            )?;
            Ok(())
        }
        0 => {
            writeln!(std::io::stderr(), "{read}: all as it was written")?;
            Ok(())
        }
        damages => Err(Failure::Message(format!("{read}, and {}", count(damages, "damage")))),
    }
}

/// `gobi verify-proof FILE --root HEX`.
pub fn verify_proof(args: &VerifyProof) -> Result<(), Failure> {
    let text = match args.file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        _ => std::fs::read_to_string(&args.file)
            .map_err(|error| Failure::Message(format!("{}: {error}", args.file.display())))?,
    };
    print(&client::verify_proof(&text, &args.root).map_err(message)?)
}

/// `gobi snapshot …`.
pub fn snapshot(meaning: &Meaning, args: &Snapshot) -> Result<(), Failure> {
    need_database(meaning)?;
    match &args.command {
        SnapshotCommand::List => run(meaning, "SHOW SNAPSHOTS"),
        SnapshotCommand::Create { name, at } => {
            let at = at_commit(meaning, at.as_deref(), "AS OF")?;
            run(meaning, &format!("CREATE SNAPSHOT {}{at}", quoted(name)))
        }
        SnapshotCommand::Drop { name } => run(meaning, &format!("DROP SNAPSHOT {}", quoted(name))),
    }
}

/// `gobi branch …`.
pub fn branch(meaning: &Meaning, args: &Branch) -> Result<(), Failure> {
    need_database(meaning)?;
    match &args.command {
        BranchCommand::List => run(meaning, "SHOW BRANCHES"),
        BranchCommand::Create { name, from } => {
            let from = at_commit(meaning, from.as_deref(), "FROM")?;
            run(meaning, &format!("CREATE BRANCH {}{from}", quoted(name)))
        }
        BranchCommand::Drop { name, cascade } => {
            let cascade = if *cascade { " CASCADE" } else { "" };
            run(meaning, &format!("DROP BRANCH {}{cascade}", quoted(name)))
        }
        BranchCommand::Merge { name, into, using } => {
            let using = using.map_or("", |using| match using {
                Using::Ours => " USING OURS",
                Using::Theirs => " USING THEIRS",
            });
            merge(
                meaning,
                &format!("MERGE BRANCH {} INTO {}{using}", quoted(name), quoted(into)),
            )
        }
    }
}

/// The clause for a commit that goes by some name; nothing, if none is given.
fn at_commit(meaning: &Meaning, named: Option<&str>, words: &str) -> Result<String, Failure> {
    let Some(named) = named else {
        return Ok(String::new());
    };
    let commit = meaning.client().session().commit_named(named).map_err(message)?;
    Ok(format!(" {words} COMMIT '{commit}'"))
}

/// Prints conflicts, if there are some.
fn merge(meaning: &Meaning, script: &str) -> Result<(), Failure> {
    let source = Source::text(script);
    let mut session = meaning.client().session();
    let mut output = Output::of(meaning)?;
    let mut conflicts = 0;
    for result in session.execute(script) {
        if let StatementResult::Rows(stream) = result.map_err(|error| source.fail(meaning, &error))? {
            let found = stream.known_rows();
            conflicts += found;
            if found > 0 {
                rows(&mut output, stream)?;
            }
        }
    }
    output.finish()?;
    match conflicts {
        0 => Ok(()),
        1 => Err(Failure::Message("1 conflict: nothing was merged".into())),
        many => Err(Failure::Message(format!("{many} conflicts: nothing was merged"))),
    }
}

/// `gobi diff FROM TO [TABLE]`.
pub fn diff(meaning: &Meaning, args: &Diff) -> Result<(), Failure> {
    need_database(meaning)?;
    let mut session = meaning.client().session();
    let from = session.commit_named(&args.from).map_err(message)?;
    let to = session.commit_named(&args.to).map_err(message)?;
    let table = args.table.as_ref().map(|table| format!("{} ", quoted(table)));
    let table = table.unwrap_or_default();
    run(
        meaning,
        &format!("DIFF {table}BETWEEN COMMIT '{from}' AND COMMIT '{to}'"),
    )
}

/// `gobi gc`.
pub fn gc(meaning: &Meaning, args: &Gc) -> Result<(), Failure> {
    need_database(meaning)?;
    let mut session = meaning.client().session();
    if let Some(keep) = args.keep {
        session.settings.retention_ms = keep.0;
    }
    let collected = session.collect_garbage(args.dry_run).map_err(message)?;
    let mut output = Output::of(meaning)?;
    rows(&mut output, collected)?;
    Ok(output.finish()?)
}

fn print(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn message(error: Error) -> Failure {
    let first = error.diagnostics.first();
    Failure::Message(first.map_or_else(String::new, |diagnostic| diagnostic.message.clone()))
}
