//! Damage to a folder that was closed cleanly.
//!
//! Any byte of any file is flipped; verification names the file, or the byte was of no use to anyone.
//!
//! Invariants: reads give what was written or an error.
//!
//! Does not: damage what is in memory.

use super::*;

/// A folder of 300 commits, closed, and how much of each pack is in use.
fn closed() -> (SimDisk, BTreeMap<PathBuf, u64>) {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    for number in 0..300 {
        timeline.commit(draft(&timeline, "main", put(number % 40))).unwrap();
    }
    timeline.close().unwrap();
    let used = timeline
        .view()
        .packs
        .iter()
        .map(|pack| (pack.path().to_path_buf(), pack.end()))
        .collect();
    (disk.image(), used)
}

fn verify(disk: &SimDisk) -> Report {
    verify_folder(machine(disk, 3), folder(), true, &NoReferences).unwrap()
}

#[test]
fn any_flipped_byte_is_reported_or_of_no_use() {
    let (disk, used) = closed();
    let random = SimRandom::new(5);
    assert!(verify(&disk).is_clean());
    let files = disk.files();
    assert!(files.iter().any(|(path, _)| path.ends_with("08")), "{files:?}");
    for (path, size) in &files {
        let count = (*size).min(30);
        for _ in 0..count {
            let offset = random
                .below(used.get(path).copied().unwrap_or(*size).min(*size) + 20)
                .min(size - 1);
            let mask = 1 << random.below(8);
            assert!(disk.flip(path, offset, mask));
            let report = verify(&disk);
            let idle = path.ends_with("lock") || used.get(path).is_some_and(|used| offset >= *used);
            let context = format!("{} at {offset}: {:?}", path.display(), report.damages);
            assert_eq!(report.is_clean(), idle, "{context}");
            assert!(
                idle || report.damages.iter().any(|damage| damage.file == *path),
                "{context}"
            );
            assert!(disk.flip(path, offset, mask));
        }
    }
}

#[test]
fn reads_of_a_damaged_folder_give_what_was_written_or_an_error() {
    let (disk, used) = closed();
    let timeline = open(&disk, Mode::Read).unwrap();
    let tip = main_tip(&timeline).unwrap();
    let sound: Vec<_> = timeline
        .first_parents(tip)
        .step_by(40)
        .map(|found| found.unwrap().0)
        .collect();
    let sound: Vec<_> = sound.into_iter().map(|id| (id, contents(&timeline, id))).collect();
    let random = SimRandom::new(6);
    for (path, used) in &used {
        for _ in 0..8 {
            let (offset, mask) = (random.below(*used), 1 << random.below(8));
            disk.flip(path, offset, mask);
            if let Ok(timeline) = open(&disk, Mode::Read) {
                for (id, model) in &sound {
                    let read = timeline
                        .commit_record(*id)
                        .map(|commit| commit.root)
                        .and_then(|root| Tree::new(&timeline, root).iter().collect::<Result<Model, _>>());
                    assert!(read.is_err() || read.is_ok_and(|read| read == *model));
                }
            }
            disk.flip(path, offset, mask);
        }
    }
}

#[test]
fn a_file_cut_off_or_missing_is_reported() {
    let (disk, used) = closed();
    for (path, size) in disk.files() {
        if path.ends_with("lock") {
            continue;
        }
        let size = used.get(&path).copied().unwrap_or(size);
        for cut in [0, size / 2, size - 1] {
            let damaged = disk.image();
            assert!(damaged.cut(&path, cut));
            let report = verify(&damaged);
            assert!(
                report.damages.iter().any(|damage| damage.file == path),
                "{} {cut}",
                path.display()
            );
            assert!(open(&damaged, Mode::Write).is_err() || !path.ends_with("HEAD"));
        }
        let damaged = disk.image();
        damaged.remove(&path).unwrap();
        let report = verify(&damaged);
        assert!(
            report.damages.iter().any(|damage| damage.file == path),
            "{}",
            path.display()
        );
    }
}

#[test]
fn damage_names_object_and_commit() {
    let disk = SimDisk::new();
    let timeline = Timeline::create(machine(&disk, 1), folder(), Options::default()).unwrap();
    let mut places = Vec::new();
    for number in 0..30 {
        places.push(timeline.view().packs[0].end());
        timeline.commit(draft(&timeline, "main", put(number))).unwrap();
    }
    timeline.close().unwrap();
    let path = folder().join("packs/00000000.pack");
    disk.flip(&path, places[17] + 60, 1);
    let report = verify(&disk);
    assert_eq!(report.damages[0].commit, Some(17), "{:?}", report.damages);
    assert_eq!(report.damages[0].file, path);
    // Opening reads the groups that no index covers: it does not take this one for torn.
    let error = open(&disk, Mode::Write).unwrap_err();
    assert!(
        error.damage().is_some_and(|damage| damage.offset == Some(places[17])),
        "{error}"
    );
}

#[test]
fn damage_before_a_later_group_is_not_taken_for_a_torn_end() {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    timeline.commit(draft(&timeline, "main", put(1))).unwrap();
    timeline.checkpoint().unwrap();
    let second = timeline.view().packs[0].end();
    timeline.commit(draft(&timeline, "main", put(2))).unwrap();
    let third = timeline.view().packs[0].end();
    timeline.commit(draft(&timeline, "main", put(3))).unwrap();
    drop(timeline);
    let path = folder().join("packs/00000000.pack");
    for (offset, survives) in [(second, false), (second + 60, false), (third, true), (third + 60, true)] {
        let damaged = disk.image();
        damaged.flip(&path, offset, 4);
        match open(&damaged, Mode::Write) {
            Ok(timeline) => assert!(survives && timeline.log_head().size == 2),
            Err(error) => assert!(!survives && error.damage().is_some(), "{error}"),
        }
    }
}
