//! `gobi init`, `import`, `export`, `schema` and `table`: common statements as commands.
//!
//! `gobi -d shop import orders.csv` makes the table `orders` if there is none, and copies the file into it.
//!
//! Invariants: a command is a script that is shown if it fails; all files of an import come in, in one commit, or none does.
//!
//! Does not: know tables; statements do.

use std::io::Write;
use std::path::Path;

use super::args::{Export, Import, Init, Schema, Table, TableCommand};
use super::failure::Failure;
use super::interrupt;
use super::meaning::Meaning;
use super::output::Output;
use super::script::{run_script, tell_affected};
use super::source::Source;
use crate::client::Session;

/// `gobi init DIR`.
pub fn init(meaning: &Meaning, args: &Init) -> Result<(), Failure> {
    let meaning = Meaning {
        folder: Some(args.folder.clone()),
        ..meaning.clone()
    };
    if !meaning.client().has_database() {
        let folder = args.folder.display();
        return Err(Failure::Usage(format!("`{folder}` holds other files")));
    }
    let made = meaning.client().session().make_database();
    let made = made.map_err(|error| Source::text("").fail(&meaning, &error))?;
    if !made {
        let folder = args.folder.display();
        writeln!(
            std::io::stderr(),
            "`{folder}` is a database already, and stays as it is"
        )?;
    }
    Ok(())
}

/// `gobi import FILE…`.
pub fn import(meaning: &Meaning, args: &Import) -> Result<(), Failure> {
    need_database(meaning)?;
    // A name of a table among the files is found out before anything is written.
    if let Some(missing) = args.files.iter().find(|file| is_a_name(file) && !file.exists()) {
        let missing = missing.display();
        return Err(Failure::Usage(format!(
            "there is no file `{missing}`; `--table {missing}` names the table"
        )));
    }
    let mut statements = Vec::with_capacity(args.files.len());
    let mut made = Vec::new();
    for file in &args.files {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = args.table.clone().unwrap_or_else(|| stem.into_owned());
        let is_there = made.contains(&name) || meaning.client().session().definitions(Some(&name)).is_ok();
        let file = text(file)?;
        statements.push(match is_there {
            true => format!("COPY {} FROM {file}", quoted(&name)),
            false => format!("CREATE TABLE {} AS SELECT * FROM {file}", quoted(&name)),
        });
        made.push(name);
    }
    match statements.as_slice() {
        [one] => run(meaning, one),
        all => {
            // What the files have together is told once it is there.
            let mut session = meaning.client().session();
            let _guard = interrupt::guard(session.interrupt());
            let run = |session: &mut Session, script: &str| {
                let done = session.run(script);
                done.map_err(|error| Source::text(script).fail(meaning, &error))
            };
            run(&mut session, "BEGIN")?;
            let mut rows = 0;
            for statement in all {
                rows += run(&mut session, statement)?;
            }
            run(&mut session, "COMMIT")?;
            Ok(tell_affected(rows)?)
        }
    }
}

/// Whether a path could as well be the name of a table.
fn is_a_name(path: &Path) -> bool {
    path.extension().is_none() && path.components().count() == 1 && !path.to_string_lossy().contains(['*', '?', '['])
}

/// `gobi export t FILE`.
pub fn export(meaning: &Meaning, args: &Export) -> Result<(), Failure> {
    need_database(meaning)?;
    run(
        meaning,
        &format!("COPY {} TO {}", quoted(&args.table), text(&args.file)?),
    )
}

/// `gobi schema [t]`.
pub fn schema(meaning: &Meaning, args: &Schema) -> Result<(), Failure> {
    need_database(meaning)?;
    let mut session = meaning.client().session();
    let source = Source::text(args.table.as_deref().unwrap_or_default());
    let statements = session.definitions(args.table.as_deref());
    let statements = statements.map_err(|error| source.fail(meaning, &error))?;
    let mut out = std::io::stdout().lock();
    for statement in statements {
        writeln!(out, "{statement}")?;
    }
    Ok(())
}

/// `gobi table list`, `gobi table show t`.
pub fn table(meaning: &Meaning, args: &Table) -> Result<(), Failure> {
    need_database(meaning)?;
    match &args.command {
        TableCommand::List => run(meaning, "SHOW TABLES"),
        TableCommand::Show { table } => {
            let name = quoted(table);
            run(meaning, &format!("DESCRIBE {name}; SHOW INDEXES IN {name}"))
        }
    }
}

pub(super) fn run(meaning: &Meaning, script: &str) -> Result<(), Failure> {
    let mut output = Output::of(meaning)?;
    let mut session = meaning.client().session();
    run_script(meaning, &mut session, &mut output, &Source::text(script))?;
    Ok(output.finish()?)
}

pub(super) fn need_database(meaning: &Meaning) -> Result<&Path, Failure> {
    let missing = || Failure::Usage("name the folder of the database with `-d`".into());
    meaning.folder.as_deref().ok_or_else(missing)
}

/// `name` or `schema.name`, in backticks.
pub(super) fn quoted(name: &str) -> String {
    let part = |part: &str| format!("`{}`", part.replace('`', "``"));
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

fn text(path: &Path) -> Result<String, Failure> {
    let path = path
        .to_str()
        .ok_or_else(|| Failure::Usage("a path must be UTF-8".into()))?;
    Ok(format!("'{}'", path.replace('\'', "''")))
}
