//! Folders in which something is not as it was written: errors, never other rows.

use std::path::PathBuf;

use super::*;
use crate::formats::FormatError;
use crate::host::{Disk, Random};
use crate::store::StoreError;

#[derive(Debug)]
enum Failed {
    Store(#[expect(dead_code, reason = "shown when a test fails")] StoreError),
    Format(#[expect(dead_code, reason = "shown when a test fails")] FormatError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FormatError> for Failed {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

/// All that can be read of `t`: its rows, and where its first keys are.
fn everything(disk: &SimDisk) -> Result<Vec<String>, Failed> {
    let database = Database::open(machine(disk), Path::new("db"), Mode::Read)?;
    let head = database.head("main")?;
    let Some(entry) = head.catalog().find(&["t"]) else {
        return Err(StoreError::NoTable(0).into());
    };
    let table = head.table(entry.id)?;
    let relation = table.relation(None)?;
    let mut out = Vec::new();
    for unit in 0..relation.units() {
        for (column, stats) in relation.stats().columns.iter().enumerate() {
            let (chunk, _) = relation.read(unit, column)?;
            out.extend(chunk_texts(&chunk, &stats.layout, &relation.schema()[column].ty));
        }
    }
    let key = keyed("t").primary_key.unwrap();
    for a in 0..50 {
        out.push(format!("{:?}", table.find_key(&key, &[Value::Int(a * 100)])?));
    }
    Ok(out)
}

/// A closed database with a file, a block, rows in entries, deletions and indexes.
fn made() -> SimDisk {
    let disk = SimDisk::new();
    let (database, id, mut head) = with_table(&disk, keyed("t"));
    let mut a = 0;
    for count in [17_000, 400, 2, 1] {
        let new: Vec<_> = (a..a + count).map(|a| (a, format!("text {a}"))).collect();
        let new: Vec<_> = new.iter().map(|(a, b)| (*a, b.as_str())).collect();
        head = append(&database, &head, id, &batch(&new)).unwrap();
        a += count;
    }
    let mut changes = Changes::new(&head);
    let shown = rows(&*head.table(id).unwrap().relation(None).unwrap());
    let gone: Vec<_> = shown.iter().step_by(900).map(|(row, _)| *row).collect();
    changes.table(id).unwrap().delete(&gone);
    database.commit("main", &head, changes, about()).unwrap();
    database.close().unwrap();
    disk
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

#[test]
fn flipped_bits_never_change_rows() {
    let disk = made();
    let sound = everything(&disk).unwrap();
    let files: Vec<(PathBuf, u64)> = disk.files().into_iter().filter(|(_, size)| *size > 0).collect();
    let random = SimRandom::new(3);
    let mut noticed = 0;
    for round in 0..250 {
        let (path, size) = &files[random.below(files.len() as u64) as usize];
        let (offset, bit) = (random.below(*size), random.below(8));
        let harmed = disk.image();
        assert!(harmed.flip(path, offset, 1 << bit));
        match everything(&harmed) {
            Ok(read) => assert_eq!(read, sound, "round {round}: {} byte {offset}", path.display()),
            Err(_) => noticed += 1,
        }
        if is_segment(path) {
            let report = Database::verify_folder(machine(&harmed), Path::new("db"), true).unwrap();
            assert!(!report.is_clean(), "round {round}: {} byte {offset}", path.display());
        }
        let _ = random.next_u64();
    }
    assert!(noticed > 20, "{noticed}");
}

#[test]
fn missing_and_shortened_files_are_damage() {
    let disk = made();
    let (path, size) = disk.files().into_iter().find(|(path, _)| is_segment(path)).unwrap();
    let cut = disk.image();
    assert!(cut.cut(&path, size - 1));
    let gone = disk.image();
    gone.remove(&path).unwrap();
    for harmed in [cut, gone] {
        assert!(everything(&harmed).is_err());
        let report = Database::verify_folder(machine(&harmed), Path::new("db"), true).unwrap();
        assert_eq!(report.damages.len(), 1, "{report:?}");
        assert_eq!(report.damages[0].file, path);
    }
}
