//! A reader beside a writer of another process: whether there is something newer than what it has read.
//!
//! A timeline that was opened for reading at commit 40 stays there; when the writer has made commit 41, a group follows the
//! last one that is known, and [`Timeline::is_current`] says no. Whoever wants the commit opens the folder anew.
//!
//! Invariants: a few hundred bytes are read, whatever the size of the folder.
//!
//! Does not: wait, or change what was read.

use super::{Mode, Timeline};
use crate::store::StoreError;
use crate::store::head::Head;
use crate::store::pack::{PackFile, read_group};

impl Timeline {
    /// What it was opened for.
    pub fn mode(&self) -> Mode {
        if self.is_writable() { Mode::Write } else { Mode::Read }
    }

    /// Whether nothing was committed since it was opened; a writer always knows all there is.
    pub fn is_current(&self) -> Result<bool, StoreError> {
        if self.is_writable() {
            return Ok(true);
        }
        let disk = &*self.machine.disk;
        let head = Head::read(disk, &self.folder)?;
        let (packs, horizon_us) = {
            let view = self.view();
            (view.packs.clone(), view.horizon_us)
        };
        let same = head
            .packs
            .iter()
            .map(|pack| pack.number)
            .eq(packs.iter().map(|pack| pack.number()));
        let Some(last) = packs.last().filter(|_| same && head.horizon_us == horizon_us) else {
            return Ok(false);
        };
        // Opened anew, since the file has grown.
        let end = last.end();
        let pack = PackFile::open(disk, &self.packs_folder(), last.number(), end, 0)?;
        Ok(read_group(&pack, end, None)?.is_err())
    }
}
