//! How many bytes things take.

use super::*;

/// Bytes of all files, with the space that packs have prepared ahead.
fn written(disk: &SimDisk) -> u64 {
    disk.files().into_iter().map(|(_, size)| size).sum()
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
