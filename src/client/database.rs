//! A database for a program: a folder, opened once, and sessions of it.
//!
//! `Database::open("shop")?.session().query("FROM orders")?` gives the rows of a table as a stream of Arrow batches.
//!
//! Invariants: the folder is made at the first write. Its sessions share workers and caches, and see each other's commits.
//!
//! Does not: do anything that a [`Client`] cannot.

use std::path::Path;

use super::{Client, Error, Session, Settings};

/// A database in a folder.
#[derive(Debug)]
pub struct Database {
    client: Client,
}

impl Database {
    /// Opens the database in a folder, which may be missing or empty: then it becomes one at the first write.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(folder, Settings::default())
    }

    /// The same; sessions begin with these settings.
    pub fn open_with(folder: impl AsRef<Path>, settings: Settings) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let client = Client::embedded(settings, Some(folder.to_path_buf()));
        match &client.database {
            Some(_) => Ok(Self { client }),
            None => Err(Error::no_database(folder)),
        }
    }

    /// A new session.
    pub fn session(&self) -> Session {
        self.client.session()
    }
}
