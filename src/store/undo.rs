//! Folders that came to nothing: what was made of them is taken away again.
//!
//! `gobi -d new -c "CREATE TABLE t (a nonsense)"` has made `new` with a HEAD and an empty pack when it fails; afterwards there is no `new`.
//!
//! Invariants: only names that a database has are removed, and only folders that were missing before.
//!
//! Does not: remove a database in which anything was committed; the caller knows.

use std::path::{Path, PathBuf};

use crate::host::Disk;

/// Folders of a database, but for that of large segments.
const INSIDE: [&str; 2] = ["packs", "log"];

/// A folder that is about to be made, and which of those above it are missing, too.
#[derive(Clone, Debug)]
pub struct Undo {
    folder: PathBuf,
    /// The innermost first.
    missing: Vec<PathBuf>,
}

impl Undo {
    /// Looks at what is there.
    pub fn of(disk: &dyn Disk, folder: &Path) -> Self {
        let above = folder.ancestors().filter(|path| !path.as_os_str().is_empty());
        let missing = above.take_while(|path| disk.stat(path).is_err());
        Self {
            folder: folder.to_path_buf(),
            missing: missing.map(Path::to_path_buf).collect(),
        }
    }

    /// Takes away what was made, as far as that can be done: what is in the way stays.
    pub fn undo(&self, disk: &dyn Disk) {
        let segments = self.folder.join("segments");
        empty(disk, &segments);
        // As long as there is a segment that nobody refers to, it stays a database, which can be opened.
        if disk.list(&segments).is_ok_and(|left| !left.is_empty()) {
            return;
        }
        // Without HEAD it is none, whatever happens next.
        drop(disk.remove(&self.folder.join("HEAD")));
        drop(disk.remove_folder(&segments));
        for inside in INSIDE.map(|name| self.folder.join(name)) {
            empty(disk, &inside);
            drop(disk.remove_folder(&inside));
        }
        drop(disk.remove(&self.folder.join("lock")));
        for folder in &self.missing {
            drop(disk.remove_folder(folder));
        }
    }
}

fn empty(disk: &dyn Disk, folder: &Path) {
    for path in disk.list(folder).unwrap_or_default() {
        drop(disk.remove(&path));
    }
}
