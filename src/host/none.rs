//! A disk that cannot be reached, and says why.
//!
//! `s3://bucket/db` in a build without object stores is on one: opening anything there tells that.
//!
//! Invariants: nothing ever succeeds.
//!
//! Does not: decide what can be reached.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, LockOutcome, ReadAt, Staged, Stat, WriteAt};

/// The disk, with what is wrong.
#[derive(Debug)]
pub struct NoDisk(pub io::Error);

impl NoDisk {
    fn no<T>(&self) -> io::Result<T> {
        Err(io::Error::new(self.0.kind(), self.0.to_string()))
    }
}

impl Disk for NoDisk {
    fn open(&self, _: &Path) -> io::Result<Arc<dyn ReadAt>> {
        self.no()
    }

    fn stat(&self, _: &Path) -> io::Result<Stat> {
        self.no()
    }

    fn list(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        self.no()
    }

    fn canonical(&self, _: &Path) -> io::Result<PathBuf> {
        self.no()
    }

    fn stage(&self, _: &Path) -> io::Result<Box<dyn Staged>> {
        self.no()
    }

    fn create(&self, _: &Path) -> io::Result<Arc<dyn WriteAt>> {
        self.no()
    }

    fn open_write(&self, _: &Path) -> io::Result<Arc<dyn WriteAt>> {
        self.no()
    }

    fn create_folder(&self, _: &Path) -> io::Result<()> {
        self.no()
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.no()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        self.no()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        self.no()
    }

    fn lock(&self, _: &Path) -> io::Result<LockOutcome> {
        self.no()
    }
}
