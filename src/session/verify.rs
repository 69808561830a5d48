//! Whole databases read again, and proofs that are checked without any.
//!
//! `verify("shop", true)` reads everything of a folder or a packed file; `verify_proof(text, "5f1c…")` says what a text proves of a log
//! with that root.
//!
//! Invariants: nothing is changed, and what cannot be opened is a finding, not a failure.
//!
//! Does not: need a session.

use std::path::Path;
use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::folder::real_machine;
use super::listing::Cell;
use super::store::store_error;
use super::{Error, ResultStream, listing};
use crate::host;
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::packed::{PackedDisk, machine_of};
use crate::store::table::proof;
use crate::store::timeline::{Machine, Report};

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Commits in the log.
    pub commits: u64,
    /// Objects hashed.
    pub objects: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Files of which no more was looked at than that they are there, and how long they are.
    pub unread_files: u64,
    /// Their bytes.
    pub unread_bytes: u64,
    /// What is not as it was written: file, place, object and commit, as far as they are known.
    pub damages: Vec<String>,
}

impl From<Report> for Verified {
    fn from(report: Report) -> Self {
        Self {
            commits: report.commits,
            objects: report.objects,
            bytes: report.bytes,
            unread_files: report.unread_files,
            unread_bytes: report.unread_bytes,
            damages: report.damages.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Verified {
    /// One row, or one for each damage.
    pub fn rows(&self) -> ResultStream {
        let row = |damage: Option<&String>| {
            let numbers = [
                self.commits,
                self.objects,
                self.bytes,
                self.unread_files,
                self.unread_bytes,
            ];
            let mut row: Vec<Cell> = numbers.map(|number| Cell::Count(Some(number))).into();
            row.push(Cell::Maybe(damage.cloned()));
            row
        };
        let rows = match self.damages.as_slice() {
            [] => vec![row(None)],
            damages => damages.iter().map(|damage| row(Some(damage))).collect(),
        };
        listing::stream(&COLUMNS, rows, Span::default())
    }
}

/// The columns of these rows.
const COLUMNS: [(&str, bool); 6] = [
    ("commits", true),
    ("objects", true),
    ("bytes", true),
    ("unread_files", true),
    ("unread_bytes", true),
    ("damage", false),
];

/// Reads a folder or a packed file again: HEAD, the log and all packs; if `deep`, every part of every file too.
pub fn verify(path: &Path, deep: bool) -> Result<Verified, Error> {
    let failed = |error: StoreError| store_error(&error, Span::default());
    let mut machine = Machine {
        disk: host::disk_of(path),
        ..real_machine()
    };
    let is_packed = match host::is_remote(path) {
        // An object store has no folders.
        true => path.extension().is_some_and(|ending| ending == "gobi"),
        false => {
            let stat = machine.disk.stat(path);
            !stat
                .map_err(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => failed(StoreError::NoDatabase(path.to_path_buf())),
                    _ => failed(StoreError::io(path, error)),
                })?
                .is_folder
        }
    };
    let mut packed = Vec::new();
    if is_packed {
        let disk = Arc::clone(&machine.disk);
        let found = PackedDisk::open(&disk, path).and_then(|packed| packed.verify());
        let opened = found.and_then(|damages| {
            packed.extend(damages.iter().map(ToString::to_string));
            machine_of(&machine, path)
        });
        match opened {
            Ok(found) => machine = found,
            Err(StoreError::Corrupt(damage)) => {
                packed.push(damage.to_string());
                return Ok(Verified {
                    damages: packed,
                    ..Verified::default()
                });
            }
            Err(error) => return Err(failed(error)),
        }
    }
    let report = Database::verify_folder(machine, path, deep).map_err(failed)?;
    let mut verified = Verified::from(report);
    verified.damages.splice(0..0, packed);
    Ok(verified)
}

/// What a proof proves of the log with a root, in words.
pub fn verify_proof(text: &str, root: &str) -> Result<String, Error> {
    let error = |message: String| Error::new(Diagnostic::new("22023", Span::default(), message));
    let root = root.parse();
    let root = root.map_err(|_| error("the root of a log is 64 hexadecimal digits".into()))?;
    let proved = proof::check(text, root).map_err(|found| error(found.to_string()))?;
    Ok(proved.what)
}
