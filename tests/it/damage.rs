//! Folders in which a byte, or a whole file, is not as it was written.
//!
//! A database with small and large segments, deleted rows, indexes, tags and compactions is closed; then one of its bytes is
//! flipped, verified, and queried. So for five thousand bytes of all files.
//!
//! Invariants: verification names the file, or the byte was of no use; a query gives the right rows or an error.
//!
//! Does not: damage a database that is open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use gobi::client::Engine;
use gobi::host::Disk;
use gobi::host::sim::{SimDisk, SimRandom};
use gobi::store::database::Database;
use gobi::store::timeline::{Mode, Report};

use crate::world::{Model, Op, World, contents, engine, folder, machine, open};

/// The disk, what is on it, and how much of each pack and log counts.
struct Sound {
    disk: SimDisk,
    model: Model,
    used: BTreeMap<PathBuf, u64>,
}

fn made() -> Sound {
    let disk = SimDisk::new();
    let mut world = World::new(&disk);
    let mut ops = vec![
        Op::Create { table: 0, keyed: true },
        Op::Create { table: 1, keyed: false },
        Op::Bulk { table: 0 },
        Op::Bulk { table: 1 },
    ];
    for part in 0..5 {
        ops.push(Op::Insert {
            table: part % 2,
            count: 3,
        });
        ops.push(Op::Update {
            table: part % 2,
            part: part * 4 + 2,
        });
        ops.push(Op::Delete {
            table: part % 2,
            part: part * 4 + 3,
        });
        ops.push(Op::Tag { name: part });
    }
    ops.extend([Op::Compact, Op::Branch { name: 99 }, Op::Collect, Op::Bulk { table: 1 }]);
    ops.push(Op::Insert { table: 0, count: 4 });
    ops.iter().for_each(|op| world.apply(op).unwrap());
    world.reopen().unwrap();
    let model = world.model().clone();
    drop(world);
    let database = Database::open(machine(&disk), folder(), Mode::Read).unwrap();
    let files = database.files().unwrap().into_iter();
    let used = files.map(|(name, len)| (folder().join(name), len)).collect();
    Sound {
        disk: disk.image(),
        model,
        used,
    }
}

fn verify(disk: &SimDisk) -> Report {
    Database::verify_folder(machine(disk), folder(), true).unwrap()
}

/// All rows, or that there was an error.
fn read(disk: &SimDisk, engine: &Arc<Engine>) -> Option<Model> {
    let (database, mut session) = open(disk, engine).ok()?;
    let database = database.database(false).ok()??;
    contents(&mut session, &database, None).ok()
}

impl Sound {
    /// Whether a byte counts.
    fn is_used(&self, path: &Path, offset: u64) -> bool {
        match path
            .strip_prefix(folder())
            .map(|name| name.to_string_lossy().into_owned())
        {
            Ok(name) if name == "HEAD" => true,
            Ok(name) if name == "lock" => false,
            _ => self.used.get(path).is_some_and(|used| offset < *used),
        }
    }

    /// Verified, and read; panics if either is wrong.
    fn check(&self, harmed: &SimDisk, path: &Path, is_used: bool, engine: Option<&Arc<Engine>>, context: &str) {
        let report = verify(harmed);
        assert_eq!(report.is_clean(), !is_used, "{context}: {:?}", report.damages);
        let named = report.damages.iter().any(|damage| damage.file == path);
        assert!(named || !is_used, "{context}: {:?}", report.damages);
        if let Some(engine) = engine {
            match read(harmed, engine) {
                Some(found) => assert!(found == self.model, "{context}: other rows"),
                None => assert!(is_used, "{context}: cannot be read"),
            }
        }
    }
}

#[test]
fn any_flipped_byte_is_reported_or_of_no_use_and_no_query_gives_wrong_rows() {
    let sound = made();
    let engine = engine();
    assert_eq!(read(&sound.disk.image(), &engine).as_ref(), Some(&sound.model));
    assert!(verify(&sound.disk).is_clean());
    let workers = thread::available_parallelism().map_or(2, |count| count.get().min(8)) as u32;
    thread::scope(|scope| {
        for worker in 0..workers {
            let sound = &sound;
            scope.spawn(move || flip_some(sound, worker, FLIPS.div_ceil(workers)));
        }
    });
}

/// Flips bytes, one at a time.
fn flip_some(sound: &Sound, worker: u32, flips: u32) {
    let engine = engine();
    let files: Vec<_> = sound.disk.files().into_iter().filter(|(_, size)| *size > 0).collect();
    let random = SimRandom::new(11 + u64::from(worker));
    for round in 0..flips {
        let (path, size) = &files[usize::try_from(random.below(files.len() as u64)).unwrap()];
        // Prepared space is of little interest.
        let size = sound.used.get(path).map_or(*size, |used| (used + 16).min(*size));
        let (offset, mask) = (random.below(size), 1 << random.below(8));
        let harmed = sound.disk.image();
        assert!(harmed.flip(path, offset, mask));
        let context = format!(
            "worker {worker}, round {round}: {} byte {offset} ^ {mask}",
            path.display()
        );
        let reader = (round % 4 == 0).then_some(&engine);
        sound.check(&harmed, path, sound.is_used(path, offset), reader, &context);
    }
}

/// Bytes that are flipped.
const FLIPS: u32 = 5_000;

#[test]
fn files_that_are_cut_off_or_missing_are_reported() {
    let sound = made();
    let engine = engine();
    for (path, size) in sound.disk.files() {
        let name = path.display().to_string();
        if name.ends_with("lock") {
            continue;
        }
        let used = sound.used.get(&path).copied().unwrap_or(size);
        for cut in [0, used / 2, used - 1] {
            let harmed = sound.disk.image();
            assert!(harmed.cut(&path, cut));
            sound.check(&harmed, &path, true, Some(&engine), &format!("{name} cut to {cut}"));
        }
        let harmed = sound.disk.image();
        harmed.remove(&path).unwrap();
        sound.check(&harmed, &path, true, Some(&engine), &format!("{name} is missing"));
    }
}
