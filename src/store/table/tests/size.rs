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
        let each = (written(&disk) - before) / 1000;
        assert!(each <= 1024, "{each}");
        assert_eq!(texts(&head, id).len(), 1200);
    }
}
