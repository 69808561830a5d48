//! Which files of the folder belong to what is durable, and how much of each.
//!
//! A database of two packs has `packs/00000000.pack`, its index, `packs/00000001.pack` up to the end of its last group, and
//! `log/00`.
//!
//! Invariants: whoever has HEAD and these has everything that this timeline reads, and nothing that follows it.
//!
//! Does not: know the files of the layers above.

use super::Timeline;
use crate::store::StoreError;
use crate::store::pack::{index_name, pack_name};

impl Timeline {
    /// Names inside of the folder, and bytes that count; HEAD is not among them.
    pub fn files(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let view = self.view();
        let mut files = Vec::new();
        for pack in &view.packs {
            files.push((format!("packs/{}", pack_name(pack.number())), pack.end()));
            if let Some(index) = pack.index() {
                let path = index.path();
                let stat = self.machine.disk.stat(path);
                let size = stat.map_err(|error| StoreError::reading(path, 0, error))?.size_bytes;
                files.push((format!("packs/{}", index_name(pack.number(), index.covered())), size));
            }
        }
        let log = view.levels.files().into_iter();
        files.extend(log.map(|(name, len)| (format!("log/{name}"), len)));
        Ok(files)
    }
}
