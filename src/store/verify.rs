//! Everything read again: the timeline, and the files of segments, on all cores.
//!
//! A table of 40 files of 120 parts is 4,800 pieces of work; each worker takes the next one, reads it and hashes it.
//!
//! Invariants: what is reported names object and file. What is not reported was read, and has its hash; if it is not to be
//! `deep`, files are there, and as long as they were.
//!
//! Does not: repair.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::StoreError;
use super::database::Database;
use super::object::{Kind, ObjectId, References};
use super::table::core::lock;
use super::table::{TableReferences, verify_files};
use super::timeline::{Machine, Mode, Report, verify_folder};

impl Database {
    /// Reads what is durable again: HEAD, the log, and all packs; if `deep`, every part of every file too.
    pub fn verify(&self, deep: bool) -> Result<Report, StoreError> {
        let seen = SeenFiles::default();
        let mut report = match self.has_made_up() {
            // Who only reads has commits in memory that are not in the folder.
            true => verify_folder(self.core.machine.clone(), &self.core.folder, true, &seen)?,
            false => self.core.timeline.verify(true, &seen)?,
        };
        let mut damaged = Vec::new();
        let files = seen.take();
        for (checked, (id, _)) in verify_files(&self.core, &files, deep).into_iter().zip(&files) {
            match checked {
                Ok(bytes) if deep => report.bytes += bytes,
                Ok(bytes) => {
                    report.unread_files += 1;
                    report.unread_bytes += bytes;
                }
                Err(StoreError::Corrupt(damage)) => damaged.push((*id, *damage)),
                Err(error) => return Err(error),
            }
        }
        if !damaged.is_empty() && report.is_clean() {
            // A file that nothing leads to was removed, and its object may still be in a pack.
            let needed = self.core.timeline.needed(&TableReferences)?;
            damaged.retain(|(id, _)| needed.contains(&(Kind::FILE, *id)));
        }
        report.damages.extend(damaged.into_iter().map(|(_, damage)| damage));
        Ok(report)
    }

    /// The same for a folder that may be too damaged to be opened.
    pub fn verify_folder(machine: Machine, folder: &Path, deep: bool) -> Result<Report, StoreError> {
        match Self::open(machine.clone(), folder, Mode::Read) {
            Ok(database) => database.verify(deep),
            Err(_) => verify_folder(machine, folder, true, &TableReferences),
        }
    }
}

/// Notes the files that are referred to, while everything is read.
#[derive(Debug, Default)]
struct SeenFiles(Mutex<Vec<(ObjectId, Vec<u8>)>>);

impl SeenFiles {
    fn take(self) -> Vec<(ObjectId, Vec<u8>)> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl References for SeenFiles {
    fn of(&self, kind: Kind, body: &[u8]) -> Result<Vec<(Kind, ObjectId)>, StoreError> {
        if kind == Kind::FILE {
            lock(&self.0).push((ObjectId::of(kind, body), body.to_vec()));
        }
        TableReferences.of(kind, body)
    }
}
