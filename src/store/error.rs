//! What can go wrong in the store, cut by what the caller does next.
//!
//! `packs/00000003.pack: byte 81920: node 5f1c…: checksum does not match (commit 4711)` is a [`Damage`].
//!
//! Invariants: damage always names its file; a [`StoreError::Conflict`] can be retried, nothing else can.
//!
//! Does not: word anything for a user who knows tables only; the layers above do that.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::object::{Kind, ObjectId};

/// Why the store could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: {error}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What it said.
        #[source]
        error: Arc<io::Error>,
    },
    /// The folder's contents are not what was written.
    #[error("{0}")]
    Corrupt(Box<Damage>),
    /// No object has this id.
    #[error("no {kind} {id} in the store")]
    Missing {
        /// What it should have been.
        kind: Kind,
        /// Its id.
        id: ObjectId,
    },
    /// Another process writes to the folder.
    #[error("{} is open for writing in {}", folder.display(), Holder(*pid))]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process, if it told.
        pid: Option<u32>,
    },
    /// Nothing is kept here.
    #[error("no gobi database in {}", .0.display())]
    NoDatabase(PathBuf),
    /// Something is kept here already.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// Written by a version of gobi that this one does not know.
    #[error("{}: format version {found}, but this gobi reads version {known}", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The branch or tag is not where the caller thought.
    #[error("`{name}` moved on: expected {}, found {}", Tip(*expected), Tip(*found))]
    Conflict {
        /// Branch or tag.
        name: String,
        /// What the caller expected.
        expected: Option<ObjectId>,
        /// Where it is.
        found: Option<ObjectId>,
    },
    /// No branch or tag has this name.
    #[error("no branch or tag `{0}`")]
    NoRef(String),
    /// No table has this number.
    #[error("no table has the number {0}")]
    NoTable(u64),
    /// Rows that do not fit their table.
    #[error("rows that do not fit the table: {0}")]
    Unfit(String),
    /// What was given is too long for the format.
    #[error("{what} of {found} bytes; at most {limit} are possible")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The history of one commit does not lead to the other.
    #[error("commit {ancestor} is not in the history of commit {of}")]
    NoAncestor {
        /// The one that was looked for.
        ancestor: ObjectId,
        /// Where the search began.
        of: ObjectId,
    },
    /// The commit is there, but its snapshot was given up.
    #[error("the snapshot of commit {commit} is no longer kept; the earliest that can be read is of {horizon_us} µs")]
    Expired {
        /// The commit.
        commit: ObjectId,
        /// Snapshots from this time on are kept, in microseconds since the epoch.
        horizon_us: i64,
    },
    /// A thread that wrote for others ended before it was done.
    #[error("a write was interrupted")]
    Interrupted,
    /// Opened for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// An earlier write failed, so that nothing is known of the disk's state; opening it again recovers.
    #[error("the store stopped writing after a failure: {0}")]
    Stopped(Arc<StoreError>),
    /// A position in the log that it does not have.
    #[error("the log has {size} commits; there is no {what} {asked}")]
    OutOfLog {
        /// A commit or a size.
        what: &'static str,
        /// The number asked for.
        asked: u64,
        /// The log's size.
        size: u64,
    },
    /// A proof does not prove what it claims.
    #[error("the proof does not hold: {0}")]
    BadProof(String),
}

/// One place where the folder's contents are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The first byte of what is damaged.
    pub offset: Option<u64>,
    /// The object.
    pub object: Option<(Kind, ObjectId)>,
    /// The log index of the commit that wrote it.
    pub commit: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl Damage {
    /// Something is wrong with a file.
    pub fn new(file: &Path, what: impl Into<String>) -> Self {
        Self {
            file: file.to_path_buf(),
            offset: None,
            object: None,
            commit: None,
            what: what.into(),
        }
    }

    /// … at a byte.
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// … in an object.
    pub fn of(mut self, kind: Kind, id: ObjectId) -> Self {
        self.object = Some((kind, id));
        self
    }

    /// … that a commit wrote.
    pub fn by(mut self, commit: Option<u64>) -> Self {
        self.commit = commit;
        self
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file.display())?;
        if let Some(offset) = self.offset {
            write!(out, ": byte {offset}")?;
        }
        if let Some((kind, id)) = self.object {
            write!(out, ": {kind} {id}")?;
        }
        write!(out, ": {}", self.what)?;
        match self.commit {
            Some(commit) => write!(out, " (commit {commit})"),
            None => Ok(()),
        }
    }
}

impl From<Damage> for StoreError {
    fn from(damage: Damage) -> Self {
        Self::Corrupt(Box::new(damage))
    }
}

impl StoreError {
    /// An operating system's error about a file.
    pub fn io(file: &Path, error: io::Error) -> Self {
        Self::Io {
            file: file.to_path_buf(),
            error: Arc::new(error),
        }
    }

    /// An error while reading what must be there: an end that comes too early is damage.
    pub(crate) fn reading(file: &Path, offset: u64, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Damage::new(file, "the file is cut off").at(offset).into(),
            io::ErrorKind::NotFound => Damage::new(file, "the file is missing").into(),
            _ => Self::io(file, error),
        }
    }

    /// The damage, if that is what it is.
    pub fn damage(&self) -> Option<&Damage> {
        match self {
            Self::Corrupt(damage) => Some(damage),
            _ => None,
        }
    }
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(out, "process {pid}"),
            None => out.write_str("another process"),
        }
    }
}

struct Tip(Option<ObjectId>);

impl fmt::Display for Tip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(out, "{id}"),
            None => out.write_str("nothing"),
        }
    }
}
