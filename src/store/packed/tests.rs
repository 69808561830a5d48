//! Packed databases on a simulated disk.
//!
//! Invariants: see [`super`].
//!
//! Does not: test what is inside of the files.

use super::*;
use crate::host::sim::{SimClock, SimDisk, SimRandom};
use crate::store::object::{Kind, NewObject};
use crate::store::timeline::{Draft, Options, Timeline};
use crate::store::tree::{self, Edit};

fn machine(disk: Arc<dyn Disk>) -> Machine {
    let (clock, random) = (Arc::new(SimClock::new(1_000_000, 10)), Arc::new(SimRandom::new(7)));
    Machine { disk, clock, random }
}

/// A folder of forty commits over several packs.
fn made() -> SimDisk {
    let disk = SimDisk::new();
    let options = Options {
        pack_bytes: 4096,
        checkpoint_bytes: 2048,
        unindexed_bytes: 1024,
        step_bytes: 4096,
        ..Options::default()
    };
    let timeline = Timeline::create(machine(Arc::new(disk.clone())), Path::new("db"), options).unwrap();
    let empty = tree::empty();
    let mut parent = None;
    let mut root = empty.id;
    timeline.put(vec![empty]).unwrap();
    for number in 0..40_u8 {
        let edits: Edit = [(vec![9, number], Some(vec![number; 300]))].into();
        let edited = tree::edit(&timeline, root, edits).unwrap();
        root = edited.root;
        let mut objects = edited.nodes;
        objects.push(NewObject::new(Kind::BLOB, vec![number; 50]));
        let draft = Draft {
            objects,
            ..Draft::new("main", parent, root)
        };
        parent = Some(timeline.commit(draft).unwrap());
    }
    timeline.close().unwrap();
    disk
}

/// Packs trees whose keys no table has, so that only their bytes can be checked.
fn unchecked(on: &Machine, folder: &Path, target: (&dyn Disk, &Path)) -> Result<PackedSummary, StoreError> {
    write_checked(on, folder, target, &|_| Ok(()))
}

fn bytes(disk: &SimDisk, path: &str) -> Vec<u8> {
    read_all(disk, Path::new(path)).unwrap()
}

#[test]
fn packing_and_unpacking_gives_the_same_database_and_the_same_file() {
    let disk = made();
    let on = machine(Arc::new(disk.clone()));
    let summary = unchecked(&on, Path::new("db"), (&*on.disk, Path::new("x.gobi"))).unwrap();
    assert_eq!(
        (summary.log.size, summary.bytes),
        (40, bytes(&disk, "x.gobi").len() as u64)
    );
    let unpacked = unpack((&on.disk, Path::new("x.gobi")), (&*on.disk, Path::new("other"))).unwrap();
    assert_eq!(unpacked, summary);
    unchecked(&on, Path::new("other"), (&*on.disk, Path::new("y.gobi"))).unwrap();
    assert!(bytes(&disk, "x.gobi") == bytes(&disk, "y.gobi"));
    for folder in ["db", "other"] {
        let database = Database::open(on.clone(), Path::new(folder), Mode::Write).unwrap();
        assert_eq!(database.timeline().unwrap().log_head(), summary.log);
        database.close().unwrap();
    }
    let error = unpack((&on.disk, Path::new("x.gobi")), (&*on.disk, Path::new("other"))).unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty(_)), "{error}");
}

#[test]
fn a_packed_file_is_read_in_place_and_never_written() {
    let disk = made();
    let on = machine(Arc::new(disk.clone()));
    let summary = unchecked(&on, Path::new("db"), (&*on.disk, Path::new("x.gobi"))).unwrap();
    let packed = PackedDisk::open(&on.disk, Path::new("x.gobi")).unwrap();
    assert_eq!(packed.summary(), summary);
    let inside = machine(Arc::new(packed));
    let database = Database::open(inside.clone(), Path::new("x.gobi"), Mode::Read).unwrap();
    assert_eq!(database.timeline().unwrap().log_head(), summary.log);
    assert!(database.verify(true).is_ok());
    assert!(Database::open(inside, Path::new("x.gobi"), Mode::Write).is_err());
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let disk = made();
    let on = machine(Arc::new(disk.clone()));
    let size = unchecked(&on, Path::new("db"), (&*on.disk, Path::new("x.gobi")))
        .unwrap()
        .bytes;
    let random = SimRandom::new(3);
    let places = (0..HEADER)
        .chain(size - 200..size)
        .chain((0..300).map(|_| random.below(size)));
    for at in places {
        let harmed = disk.image();
        assert!(harmed.flip(Path::new("x.gobi"), at, 1 << random.below(8)));
        let on = machine(Arc::new(harmed.clone()));
        let found = PackedDisk::open(&on.disk, Path::new("x.gobi")).and_then(|packed| packed.verify());
        assert!(
            found.is_err() || found.is_ok_and(|damages| damages.len() == 1),
            "byte {at}"
        );
        assert!(
            unpack((&on.disk, Path::new("x.gobi")), (&*on.disk, Path::new("other"))).is_err(),
            "byte {at}"
        );
        assert!(!Database::is_database(&harmed, Path::new("other")), "byte {at}");
    }
    for size in [0, 10, size / 2, size - 1] {
        let harmed = disk.image();
        assert!(harmed.cut(Path::new("x.gobi"), size));
        let on = machine(Arc::new(harmed));
        assert!(PackedDisk::open(&on.disk, Path::new("x.gobi")).is_err());
    }
}
