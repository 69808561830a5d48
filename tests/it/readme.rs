//! Runs every example of the README and of `docs/`.
//!
//! A `console` block holds `$ ` commands, each with the output that follows it; a `sql` block is run by itself, and where a `text` block
//! follows it, that is its output. The examples of one file run in order, in one temporary folder, so that one can read what another
//! wrote. `GOBI_BLESS=1` writes the real output into the documents.
//!
//! Does not: run `sh` blocks, which set things up, or blocks of other languages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::golden::blessing;
use super::run::{Ran, finish, gobi};

#[test]
fn every_example_prints_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md")];
    documents.extend(markdown_files(&root.join("docs")));
    let mut failures = Vec::new();
    let mut count = 0;
    for path in documents {
        let text = fs::read_to_string(&path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (rewritten, ran) = rewrite(&text, folder.path());
        count += ran;
        if blessing() {
            fs::write(&path, rewritten).unwrap();
        } else if rewritten != text {
            failures.push(first_difference(&path, &text, &rewritten));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 30, "{count} examples were found");
}

fn markdown_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
        .collect();
    files.sort();
    files
}

fn first_difference(path: &Path, text: &str, rewritten: &str) -> String {
    let lines = text
        .lines()
        .zip(rewritten.lines())
        .enumerate()
        .find(|(_, (old, new))| old != new);
    match lines {
        Some((number, (old, new))) => format!("{}:{}: says\n{old}\nbut is\n{new}", path.display(), number + 1),
        None => format!("{}: its last example differs", path.display()),
    }
}

/// The document with the output that its examples really have, and how many there are.
fn rewrite(text: &str, folder: &Path) -> (String, usize) {
    let mut out: Vec<String> = Vec::new();
    let mut lines = text.lines().peekable();
    let mut output_of_sql: Option<Ran> = None;
    let mut count = 0;
    while let Some(line) = lines.next() {
        out.push(line.to_string());
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                // Prose between a statement and a text block: the text belongs to nothing.
                check_success(output_of_sql.take(), line);
            }
            continue;
        };
        let mut block = Vec::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            block.push(line);
        }
        match language {
            "console" => {
                count += block.iter().filter(|line| line.starts_with("$ ")).count();
                out.extend(run_console(&block, folder));
            }
            "sql" => {
                check_success(output_of_sql.take(), line);
                let ran = gobi(folder, &["-c", &block.join("\n")]);
                count += 1;
                output_of_sql = Some(ran);
                out.extend(block.iter().map(|line| (*line).to_string()));
            }
            "text" if output_of_sql.is_some() => {
                let ran = output_of_sql.take().unwrap();
                out.extend(both(&ran).lines().map(|line| line.trim_end().to_string()));
            }
            _ => out.extend(block.iter().map(|line| (*line).to_string())),
        }
        out.push("```".to_string());
    }
    check_success(output_of_sql, "the end");
    (out.join("\n") + "\n", count)
}

/// A statement whose output is not shown must at least work.
fn check_success(ran: Option<Ran>, place: &str) {
    if let Some(ran) = ran {
        assert_eq!(ran.code, Some(0), "before `{place}`: {}", ran.err);
    }
}

fn run_console(block: &[&str], folder: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut lines = block.iter().peekable();
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("$ ") else { continue };
        let mut command = first.to_string();
        out.push((*line).to_string());
        while command.matches('"').count() % 2 == 1 || command.ends_with('\\') {
            let Some(next) = lines.next() else { break };
            out.push((*next).to_string());
            command.push('\n');
            command.push_str(next);
        }
        let ran = finish(shell(&command, folder), b"");
        out.extend(both(&ran).lines().map(|line| line.trim_end().to_string()));
    }
    out
}

fn shell(command: &str, folder: &Path) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_gobi")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(command)
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", programs.display()));
    shell
}

fn both(ran: &Ran) -> String {
    format!("{}{}", ran.out, ran.err)
}
