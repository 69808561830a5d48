//! Runs, in memory and spilled, against a sorted list.

use std::path::Path;

use super::*;
use crate::host::sim::{SimClock, SimDisk, SimRandom};
use crate::store::database::Database;
use crate::store::table::RowAddress;
use crate::store::timeline::{Machine, Mode};

fn located(n: u64) -> Located {
    Located {
        address: RowAddress(n),
        hash: [n as u8; 32],
    }
}

/// Keys of different lengths, in no order, some of them more than once.
fn keys(count: u64, seed: u64) -> Vec<(Vec<u8>, Located)> {
    let key = |n: u64| {
        let mixed = (n + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let mut key = mixed.to_be_bytes().to_vec();
        key.extend(vec![1; (mixed % 7) as usize]);
        (key, located(n))
    };
    (0..count).map(key).collect()
}

fn taken(runs: &[Run]) -> Vec<(Vec<u8>, Located)> {
    let mut merged = merge(runs).unwrap();
    let mut all = Vec::new();
    while let Some(entry) = merged.peek() {
        all.push((entry.key.to_vec(), Located::decode(entry.value).unwrap()));
        merged.advance().unwrap();
    }
    all
}

#[test]
fn many_entries_come_back_in_order() {
    let disk = SimDisk::new();
    let machine = Machine {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimClock::new(1_000_000, 10)),
        random: Arc::new(SimRandom::new(7)),
    };
    let database = Database::open(machine, Path::new("db"), Mode::Write).unwrap();
    let snapshot = database.head("main").unwrap();
    let core = snapshot.core();
    let mut spill = None;
    let mut all = Vec::new();
    let mut runs = Vec::new();
    for (count, seed) in [(3 * KEPT as u64, 0), (10, 1), (0, 2), (KEPT as u64 + 1, 5)] {
        let mut sorter = Sorter::with_capacity(0);
        for (key, located) in keys(count, seed) {
            sorter.push(&key, located);
            all.push((key, located));
        }
        let run = sorter.finish(core, &mut spill).unwrap();
        assert_eq!(run.len() as u64, count);
        assert_eq!(matches!(run, Run::Spilled { .. }), count > KEPT as u64);
        runs.push(run);
    }
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.address.cmp(&b.1.address)));
    let merged = taken(&runs);
    // Two runs may have the same key and address; nothing tells them apart.
    assert!(merged == all);
    assert_eq!(taken(&runs[3..]).len(), KEPT + 1);
    let left = core.machine.disk.list(&core.segments_folder()).unwrap();
    assert!(left.is_empty(), "{left:?}");
}
