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

use super::Error;
use super::store::{real_machine, store_error};
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
    /// What is not as it was written: file, place, object and commit, as far as they are known.
    pub damages: Vec<String>,
}

impl From<Report> for Verified {
    fn from(report: Report) -> Self {
        Self {
            commits: report.commits,
            objects: report.objects,
            bytes: report.bytes,
            damages: report.damages.iter().map(ToString::to_string).collect(),
        }
    }
}

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
                .map_err(|error| failed(StoreError::reading(path, 0, error)))?
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
