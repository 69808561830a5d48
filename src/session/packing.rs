//! Whole databases: packed into one file, and unpacked again.
//!
//! `pack("db", "x.gobi")` gives how many files went into how many bytes; `unpack("x.gobi", "copy")` makes a folder of it. Either end may
//! be on an object store: `pack("db", "s3://bucket/x.gobi")`.
//!
//! Invariants: nothing that exists is written over, and nothing is packed that is not as it was written.
//!
//! Does not: know the format; the store does.

use std::path::Path;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Span;

use super::Error;
use super::folder::real_machine;
use super::store::store_error;
use crate::host;
use crate::store::StoreError;
use crate::store::packed::{self, PackedSummary};
use crate::store::timeline::Machine;

/// What was packed or unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Files of the database.
    pub files: u64,
    /// Size of the packed file.
    pub bytes: u64,
    /// Commits in its log.
    pub commits: u64,
}

impl From<PackedSummary> for Packing {
    fn from(summary: PackedSummary) -> Self {
        Self {
            files: summary.files,
            bytes: summary.bytes,
            commits: summary.log.size,
        }
    }
}

/// Packs the database of a folder into a new file; others may write to the folder meanwhile.
pub fn pack(folder: &Path, file: &Path) -> Result<Packing, Error> {
    let target = host::disk_of(file);
    if target.stat(file).is_ok() {
        let message = format!("`{}` exists already", file.display());
        return Err(Error::new(Diagnostic::new("58P02", Span::default(), message)));
    }
    let machine = Machine {
        disk: host::disk_of(folder),
        ..real_machine()
    };
    let packed = packed::write(&machine, folder, (&*target, file));
    packed.map(Packing::from).map_err(|error| {
        let told = store_error(&error, Span::default());
        match error {
            StoreError::Corrupt(_) => {
                told.with_help("nothing was packed; `gobi verify --deep` lists all that is damaged")
            }
            _ => told,
        }
    })
}

/// Unpacks a file into a folder that is missing or empty.
pub fn unpack(file: &Path, folder: &Path) -> Result<Packing, Error> {
    let (source, target) = (host::disk_of(file), host::disk_of(folder));
    let unpacked = packed::unpack((&source, file), (&*target, folder));
    unpacked
        .map(Packing::from)
        .map_err(|error| store_error(&error, Span::default()))
}
