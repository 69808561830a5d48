//! Files on their way to the disk, while the rows of the next one come.
//!
//! A load of six million rows writes 25 files; each is made durable by a thread of its own, so that the load does not stand still
//! for it.
//!
//! Invariants: whoever needs the file waits for it; whoever gives it up does so when it is there, and it is removed then.
//!
//! Does not: encode.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;

use super::core::{Core, Held, lock};
use crate::host::Disk;
use crate::store::StoreError;

/// A file that another thread writes to the disk.
#[derive(Debug)]
pub(super) struct Publishing {
    thread: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
    done: OnceLock<Result<(), StoreError>>,
}

impl Publishing {
    /// Starts; the file is held until it is there.
    pub(super) fn start(core: &Arc<Core>, target: PathBuf, bytes: Bytes, held: Arc<Held>) -> Result<Self, StoreError> {
        let disk = Arc::clone(&core.machine.disk);
        let failed = StoreError::io(&target, std::io::ErrorKind::OutOfMemory.into());
        let publish = move || {
            let done = publish(&*disk, &target, &bytes);
            drop(held);
            done
        };
        let thread = std::thread::Builder::new().name("gobi-publish".into());
        Ok(Self {
            thread: Mutex::new(Some(thread.spawn(publish).map_err(|_| failed)?)),
            done: OnceLock::new(),
        })
    }

    /// Returns when the file is there.
    pub(super) fn wait(&self) -> Result<(), StoreError> {
        if let Some(thread) = lock(&self.thread).take() {
            let lost = StoreError::Unfit("the thread that writes a segment has failed".into());
            let done = thread.join().unwrap_or(Err(lost));
            return self.done.get_or_init(|| done).clone();
        }
        self.done.get().cloned().unwrap_or(Ok(()))
    }
}

impl Drop for Publishing {
    /// Whoever gives a file up may close the database next.
    fn drop(&mut self) {
        // What went wrong with it is nobody's business any more.
        drop(self.wait());
    }
}

fn publish(disk: &dyn Disk, target: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |error| StoreError::io(target, error);
    if disk.stat(target).is_ok() {
        return Ok(());
    }
    if let Some(folder) = target.parent() {
        disk.create_folder(folder).map_err(failed)?;
    }
    let mut staged = disk.stage(target).map_err(failed)?;
    staged.write_all(bytes).map_err(failed)?;
    staged.publish().map_err(failed)
}
