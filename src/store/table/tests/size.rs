//! How many bytes things take.

use std::path::PathBuf;

use super::*;
use crate::host::Disk;

/// Bytes of all files, without the zeros at their ends, which packs prepare ahead.
fn written(disk: &SimDisk) -> u64 {
    let used = |(path, size): (PathBuf, u64)| {
        let file = disk.open(&path).unwrap();
        let bytes = crate::host::read_range(&*file, 0, usize::try_from(size).unwrap()).unwrap();
        bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last as u64 + 1)
    };
    disk.files().into_iter().map(used).sum()
}

#[test]
fn a_commit_of_one_row_is_small() {
    for def in [pairs("t"), keyed("t")] {
        let disk = SimDisk::new();
        let (database, id, mut head) = with_table(&disk, def);
        for a in 0..200 {
            head = append(&database, &head, id, &batch(&[(a, &format!("name {a}"))])).unwrap();
        }
        let before = written(&disk);
        for a in 200..1200 {
            head = append(&database, &head, id, &batch(&[(a, &format!("name {a}"))])).unwrap();
        }
        let now = written(&disk);
        let each = (now - before) / 1000;
        assert!(each <= 1024, "{each}");
        // The table has 1,200 segments now.
        head = append(&database, &head, id, &batch(&[(1200, "one more")])).unwrap();
        let one = written(&disk) - now;
        assert!(one <= 20 << 10, "{one}");
        assert_eq!(texts(&head, id).len(), 1201);
    }
}

#[test]
fn compacted_rows_take_what_loaded_ones_take() {
    for def in [pairs("t"), keyed("t")] {
        let all: Vec<(i64, String)> = (0..1500).map(|a| (a, format!("name {a}"))).collect();
        let all: Vec<(i64, &str)> = all.iter().map(|(a, b)| (*a, b.as_str())).collect();
        let disk = SimDisk::new();
        let (database, id, mut head) = with_table(&disk, def.clone());
        for row in &all {
            head = append(&database, &head, id, &batch(&[*row])).unwrap();
        }
        drop(head);
        let goes_on = |_: usize| true;
        let compacted = database
            .compact("main", id, Effort::All, about(), &goes_on)
            .unwrap()
            .unwrap();
        let disk = SimDisk::new();
        let (database, id, base) = with_table(&disk, def);
        let loaded = append(&database, &base, id, &batch(&all)).unwrap();
        let bytes = |head: &Snapshot| head.table(id).unwrap().bytes(None).unwrap();
        assert_eq!(texts(&compacted, id).len(), texts(&loaded, id).len());
        assert!(
            bytes(&compacted) <= 3 * bytes(&loaded),
            "{} {}",
            bytes(&compacted),
            bytes(&loaded)
        );
    }
}
