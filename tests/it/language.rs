//! Runs the programs of `tests/golden/language/*.grz`, as machine code and interpreted, and compares what they print with the `.out`
//! beside them.
//!
//! A file holds several programs, each begun by a line `#! name`; `#! name (database)` runs it in a database of its own. What
//! a program prints is its results as lines of `|`-separated cells, and its error as the command line shows it. `GOBI_BLESS=1`
//! writes the `.out` files; `GOBI_ONLY=loops` runs the files of which the name has that in it.
//!
//! Invariants: both ways of running a program print the same.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gobi::client::{Client, Error, JitMode, Settings, StatementResult, cells};

use super::golden;

#[test]
fn programs_print_what_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/language");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "grz"));
    let only = std::env::var("GOBI_ONLY").unwrap_or_default();
    files.retain(|path| path.file_stem().unwrap().to_str().unwrap().contains(&only));
    files.sort();
    let (mut failures, mut count) = (Vec::new(), 0);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut shown = String::new();
        for (name, program) in programs(&text) {
            count += 1;
            let native = run(&name, program, JitMode::On);
            let interpreted = run(&name, program, JitMode::Off);
            if native != interpreted {
                failures.push(format!("{name}: as machine code\n{native}\ninterpreted\n{interpreted}"));
            }
            write!(shown, "#! {name}\n{native}").unwrap();
        }
        let name = format!("language/{}.out", file.file_stem().unwrap().to_str().unwrap());
        failures.extend(golden::difference(&name, &shown));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(count > 100 || !only.is_empty(), "{count} programs were found");
}

/// The programs of `examples/*.grz` print what stands in the `.out` beside them.
#[test]
fn examples_print_what_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "grz") {
            continue;
        }
        count += 1;
        let program = fs::read_to_string(&path).unwrap();
        let native = run("example (database)", &program, JitMode::On);
        let interpreted = run("example (database)", &program, JitMode::Off);
        if native != interpreted {
            failures.push(format!(
                "{path:?}: as machine code\n{native}\ninterpreted\n{interpreted}"
            ));
        }
        let name = format!("../../examples/{}.out", path.file_stem().unwrap().to_str().unwrap());
        failures.extend(golden::difference(&name, &native));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(count >= 5, "{count} examples were found");
}

/// `gobi fmt` changes nothing of what a program does. Programs with errors are left out, as errors show lines of the program.
#[test]
fn formatted_programs_print_the_same() {
    let mut failures = Vec::new();
    let count = each_without_errors(&mut |name, program, shown| {
        let shows_lines = ["profile", "diff ", ".line"]
            .iter()
            .any(|word| program.to_lowercase().contains(word));
        let Ok(formatted) = gobi_grammar::format(program, gobi_grammar::Dialect::Grizzly) else {
            return;
        };
        if shows_lines {
            return;
        }
        let shown_now = run(name, &formatted, JitMode::Off);
        if shown_now.trim() != shown.trim() {
            failures.push(format!("{name}\n{formatted}\n{shown_now}\nnot\n{shown}"));
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(count > 100, "{count} programs were found");
}

/// `gobi check` finds no error in a program that runs without one.
#[test]
fn programs_without_errors_check() {
    let mut failures = Vec::new();
    let count = each_without_errors(&mut |name, program, _| {
        let session = Client::embedded(Settings::default(), None).session();
        let mut errors = session.with_scratch().check(program);
        errors.retain(|diagnostic| !diagnostic.is_warning());
        if !errors.is_empty() {
            let shown = gobi_grammar::render::render(program, None, &errors, false);
            failures.push(format!("{name}\n{program}\n{shown}"));
        }
    });
    let failed = failures.len();
    assert!(failures.is_empty(), "{failed} of {count}\n{}", failures.join("\n\n"));
    assert!(count > 100, "{count} programs were found");
}

/// Calls `f` with each program of the goldens that prints no error: its name, its text, and what it prints; how many there are.
fn each_without_errors(f: &mut dyn FnMut(&str, &str, &str)) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/language");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "grz") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let expected = fs::read_to_string(path.with_extension("out")).unwrap();
        for ((name, program), (_, shown)) in programs(&text).into_iter().zip(programs(&expected)) {
            if !shown.contains("error[") {
                count += 1;
                f(&name, program, shown);
            }
        }
    }
    count
}

/// Names and texts.
fn programs(text: &str) -> Vec<(String, &str)> {
    let mut out = Vec::new();
    for part in text.split("#! ").skip(1) {
        let (name, program) = part.split_once('\n').unwrap();
        out.push((name.trim().to_owned(), program));
    }
    out
}

fn run(name: &str, program: &str, jit: JitMode) -> String {
    let settings = Settings {
        jit,
        ..Settings::default()
    };
    let folder = name.ends_with("(database)").then(|| tempfile::tempdir().unwrap());
    let client = Client::embedded(settings, folder.as_ref().map(|folder| folder.path().join("db")));
    let mut session = client.session();
    let mut shown = String::new();
    for result in session.execute(program) {
        match result.and_then(|result| print(result, &mut shown)) {
            Ok(()) => {}
            Err(error) => shown.push_str(&gobi_grammar::render::render(program, None, &error.diagnostics, false)),
        }
    }
    shown
}

fn print(result: StatementResult, out: &mut String) -> Result<(), Error> {
    let StatementResult::Rows(stream) = result else {
        return Ok(());
    };
    let fields = stream.fields().to_vec();
    for batch in stream {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let cell = |column: usize| {
                cells::text(batch.column(column), row, &fields[column].ty).unwrap_or_else(|| "NULL".to_owned())
            };
            let cells: Vec<String> = (0..fields.len()).map(cell).collect();
            writeln!(out, "{}", cells.join("|")).unwrap();
        }
    }
    Ok(())
}
