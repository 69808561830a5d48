//! The folder that a database lies in, for all sessions of a client.
//!
//! `gobi -d sales -c "CREATE TABLE t …"`: the folder is opened for reading when a statement first needs it, for writing at the first
//! change, and made at the first write.
//!
//! Invariants: sessions of a client share one database per folder. What was made here and never got a commit goes again.
//!
//! Does not: know sessions.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::routines::Jobs;
use super::triggers::Statistics;
use crate::host::{self, RealClock, RealRandom};
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::packed;
use crate::store::timeline::{Machine, Mode, Options};
use crate::store::undo::Undo;

/// A folder that is a database, or becomes one; shared by the sessions of a client.
#[derive(Debug)]
pub struct DatabaseFolder {
    machine: Machine,
    options: Options,
    /// It is one file, and only read.
    pub(super) is_packed: bool,
    pub(super) folder: PathBuf,
    /// What it goes by: the folder's name, or the file's without its ending.
    pub(super) name: Arc<str>,
    open: Mutex<Option<Arc<Database>>>,
    /// It was made here; if nothing is ever committed, it goes again.
    made: Mutex<Option<Undo>>,
    /// What its triggers have done.
    pub(super) triggers: Statistics,
    /// Calls that run by themselves.
    pub(super) jobs: Arc<Jobs>,
}

/// The machine that this process runs on.
pub fn real_machine() -> Machine {
    Machine {
        disk: host::real(),
        clock: Arc::new(RealClock::default()),
        random: Arc::new(RealRandom),
    }
}

impl DatabaseFolder {
    /// The database of a folder, if it holds one, or nothing at all; or one that is packed into a file.
    pub fn of(folder: &Path) -> Option<Arc<Self>> {
        if host::is_remote(folder) {
            return Some(Self::remote(folder));
        }
        Self::on(real_machine(), Options::default(), folder)
    }

    /// The database of a URL; whether there is one is found out when it is used. Packs are short, since an object is put as
    /// a whole.
    fn remote(url: &Path) -> Arc<Self> {
        let machine = Machine {
            disk: host::disk_of(url),
            ..real_machine()
        };
        let options = Options {
            pack_bytes: 4 << 20,
            checkpoint_bytes: 1 << 20,
            step_bytes: 4 << 10,
            goes_ahead: false,
            ..Options::default()
        };
        Arc::new(Self {
            machine,
            options,
            is_packed: url.extension().is_some_and(|ending| ending == "gobi"),
            name: name_of(url),
            folder: url.to_path_buf(),
            open: Mutex::default(),
            made: Mutex::default(),
            triggers: Statistics::default(),
            jobs: Arc::default(),
        })
    }

    /// The same on a machine of one's own.
    pub fn on(machine: Machine, options: Options, folder: &Path) -> Option<Arc<Self>> {
        let disk = &*machine.disk;
        let is_packed = disk.stat(folder).is_ok_and(|stat| !stat.is_folder);
        (is_packed || Database::is_database(disk, folder) || Database::is_unused(disk, folder)).then(|| {
            Arc::new(Self {
                machine,
                options,
                is_packed,
                name: name_of(folder),
                folder: folder.to_path_buf(),
                open: Mutex::default(),
                made: Mutex::default(),
                triggers: Statistics::default(),
                jobs: Arc::default(),
            })
        })
    }

    /// The same as [`DatabaseFolder::of`], but what this process has of the folder already, if it has.
    pub fn shared(folder: &Path) -> Option<Arc<Self>> {
        static KNOWN: Mutex<Vec<(PathBuf, Weak<DatabaseFolder>)>> = Mutex::new(Vec::new());
        let whole = host::real().canonical(folder).unwrap_or_else(|_| folder.to_path_buf());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, folder)| folder.strong_count() > 0);
        let mut found = known.iter().filter(|(path, _)| *path == whole);
        if let Some(shared) = found.find_map(|(_, folder)| folder.upgrade()) {
            return Some(shared);
        }
        let opened = Self::of(folder)?;
        known.push((whole, Arc::downgrade(&opened)));
        Some(opened)
    }

    /// The database, if it is open.
    pub(super) fn open(&self) -> MutexGuard<'_, Option<Arc<Database>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is one file.
    pub fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// Whether there is a database. An object store that cannot be asked is an error, not an empty one.
    pub(super) fn is_there(&self) -> Result<bool, StoreError> {
        if !host::is_remote(&self.folder) {
            return Ok(Database::is_database(&*self.machine.disk, &self.folder));
        }
        match self.machine.disk.stat(&self.folder.join("HEAD")) {
            Ok(stat) => Ok(!stat.is_folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io(&self.folder, error)),
        }
    }

    /// Makes the database, if there is none yet, for good; whether there was none.
    pub fn make(&self) -> Result<bool, StoreError> {
        let is_new = !self.is_there()?;
        self.database(true)?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(is_new)
    }

    /// The database; `None` if there is none yet and nothing is to be written. Who only reads takes no lock, and sees what
    /// another process has committed last.
    pub fn database(&self, write: bool) -> Result<Option<Arc<Database>>, StoreError> {
        let mut open = self.open();
        if let Some(database) = &*open
            && (database.mode() == Mode::Write || !write && database.is_current()?)
        {
            return Ok(Some(database.clone()));
        }
        let (machine, mode) = if self.is_packed {
            (packed::machine_of(&self.machine, &self.folder)?, Mode::Read)
        } else if write {
            (self.machine.clone(), Mode::Write)
        } else if self.is_there()? {
            (self.machine.clone(), Mode::Read)
        } else {
            return Ok(None);
        };
        let is_new = mode == Mode::Write && !host::is_remote(&self.folder) && !self.is_there()?;
        let undo = is_new.then(|| Undo::of(&*self.machine.disk, &self.folder));
        let before = open.as_ref().map(|before| Arc::clone(before.locks()));
        let database = Database::open_beside(machine, &self.folder, mode, self.options, before)?;
        *open = Some(database.clone());
        if undo.is_some() {
            *self.made.lock().unwrap_or_else(PoisonError::into_inner) = undo;
        }
        Ok(Some(database))
    }
}

impl Drop for DatabaseFolder {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        let made = self.made.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(database), Some(made)) = (&open, made)
            && database.is_blank()
        {
            made.undo(&*self.machine.disk);
            return;
        }
        if let Some(database) = open.take().filter(|database| database.mode() == Mode::Write) {
            // What was committed is durable without it; the next opening only reads more.
            if let Err(error) = database.close() {
                tracing::warn!("closing the database: {error}");
            }
        }
    }
}

/// What a database goes by, if nothing else is said.
pub fn name_of(path: &Path) -> Arc<str> {
    let whole = host::real().canonical(path).unwrap_or_else(|_| path.to_path_buf());
    let name = whole.file_stem().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "database".into()).into()
}
