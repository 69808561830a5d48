//! The way in to gobi for the programs of this crate.
//!
//! `Client::embedded(settings, Some("data/".into())).session()` is a session over the tables of a folder; two sessions of
//! one client share workers and caches.
//!
//! Invariants: nothing is started before a query needs it.
//!
//! Does not: know the command line, or hold state of a session.

mod database;

use std::path::PathBuf;
use std::sync::Arc;

pub use crate::session::{
    Appender, DatabaseFolder, Engine, EngineConfig, Error, ErrorKind, Execution, ExplainOptions, Explanation,
    Interrupt, JitMode, Lane, Packing, Phases, Prepared, Progress, Provable, ResultStream, Session, Settings,
    StatementResult, TestOutcome, Verified, cells, pack, settings, unpack, verify, verify_proof,
};
pub use database::Database;

pub use crate::session::{Field, LogicalType, Value};

/// An engine in this process.
#[derive(Debug)]
pub struct Client {
    engine: Arc<Engine>,
    settings: Settings,
    folder: Option<PathBuf>,
    database: Option<Arc<DatabaseFolder>>,
}

impl Client {
    /// An engine of our own; every session starts with these settings and this folder's tables.
    pub fn embedded(settings: Settings, folder: Option<PathBuf>) -> Self {
        let config = EngineConfig {
            threads: settings.thread_count(),
            cache_bytes: settings.memory_bytes() / 4,
        };
        Self {
            engine: Arc::new(Engine::new(config)),
            settings,
            database: folder.as_deref().and_then(DatabaseFolder::shared),
            folder,
        }
    }

    /// Whether there is a database in the folder, or can be.
    pub fn has_database(&self) -> bool {
        self.database.is_some()
    }

    /// A new session.
    pub fn session(&self) -> Session {
        let session = Session::new(Arc::clone(&self.engine), self.settings.clone());
        if let Some(database) = &self.database {
            return session.with_database(Arc::clone(database));
        }
        match &self.folder {
            Some(folder) => session.with_folder(folder.clone()),
            None => session,
        }
    }
}
