//! Collections: what is kept can be read, what is not is gone, and a crash leaves one or the other.
//!
//! Two hundred commits, of which the last fifty, a branch and a tag are kept.
//!
//! Invariants: the log and its proofs are as before.
//!
//! Does not: run beside loads.

use super::*;

fn retention(horizon_us: i64) -> Retention {
    Retention {
        horizon_us,
        keep: Vec::new(),
        fill_percent: 90,
        dry_run: false,
    }
}

/// Values that nothing compresses, so that there is something to free.
fn noise(number: u64) -> Edit {
    let key = format!("key/{:05}", number * 7 % 60).into_bytes();
    Edit::from([(key, Some(ObjectId::of(Kind::BLOB, &number.to_le_bytes()).0.repeat(9)))])
}

fn filled(disk: &SimDisk, count: u64) -> (Timeline, Vec<(CommitId, Model)>) {
    let timeline = create(disk);
    let mut commits = Vec::new();
    for number in 0..count {
        let id = timeline.commit(draft(&timeline, "main", noise(number))).unwrap();
        commits.push((id, contents(&timeline, id)));
    }
    timeline
        .set_ref(RefKind::Tag, "old", None, Some(commits[10].0))
        .unwrap();
    (timeline, commits)
}

fn check(timeline: &Timeline, commits: &[(CommitId, Model)], kept_from: usize) {
    for (index, (id, model)) in commits.iter().enumerate() {
        assert_eq!(timeline.commit_at(index as u64).unwrap(), *id);
        timeline
            .prove_inclusion(*id)
            .unwrap()
            .verify(id, &timeline.log_head())
            .unwrap();
        if index >= kept_from || index == 10 {
            assert_eq!(&contents(timeline, *id), model);
        }
    }
    let report = timeline.verify(true, &NoReferences).unwrap();
    assert!(report.is_clean(), "{:?}", report.damages);
}

#[test]
fn old_snapshots_go_and_the_rest_stays() {
    let disk = SimDisk::new();
    let (timeline, commits) = filled(&disk, 200);
    let horizon = timeline.commit_record(commits[150].0).unwrap().time_us;
    let keep = retention(horizon);
    let dry = Retention {
        dry_run: true,
        ..keep.clone()
    };
    let steps = disk.steps();
    let planned = timeline.gc(&dry, &NoReferences).unwrap();
    assert_eq!(disk.steps(), steps);
    let done = timeline.gc(&keep, &NoReferences).unwrap();
    // What is promised is done, to the byte; and nothing is left to be done.
    assert_eq!(done, planned);
    let again = timeline.gc(&keep, &NoReferences).unwrap();
    assert_eq!((again.packs_copied, again.bytes_after), (0, done.bytes_after));
    assert!(
        done.bytes_after < done.bytes_before * 3 / 4 && done.packs_copied > 1,
        "{done:?}"
    );
    check(&timeline, &commits, 150);
    let root = timeline.commit_record(commits[40].0).unwrap().root;
    assert!(matches!(
        timeline.read(Kind::NODE, root),
        Err(StoreError::Missing { .. })
    ));
    assert!(matches!(
        timeline.check_kept(commits[40].0),
        Err(StoreError::Expired { .. })
    ));
    let tag = timeline.set_ref(RefKind::Tag, "gone", None, Some(commits[40].0));
    assert!(matches!(tag, Err(StoreError::Expired { .. })));
    timeline
        .set_ref(RefKind::Tag, "older", None, Some(commits[10].0))
        .unwrap();
    // What was given up can be written again.
    let again = Draft {
        objects: vec![tree::empty()],
        ..Draft::new("again", None, tree::empty().id)
    };
    timeline.commit(again).unwrap();
    timeline.close().unwrap();
    let timeline = open(&disk, Mode::Write).unwrap();
    assert_eq!(timeline.horizon_us(), horizon);
    check(&timeline, &commits, 150);
    let more = timeline.commit(draft(&timeline, "main", noise(999))).unwrap();
    assert!(timeline.is_ancestor(commits[199].0, more).unwrap());
    assert!(
        disk.files()
            .iter()
            .all(|(path, _)| !path.to_string_lossy().contains("00000000."))
    );
}

#[test]
fn a_crash_during_a_collection_leaves_one_state_or_the_other() {
    let (disk, commits, horizon) = {
        let disk = SimDisk::new();
        let (timeline, commits) = filled(&disk, 60);
        let horizon = timeline.commit_record(commits[40].0).unwrap().time_us;
        drop(timeline);
        (disk, commits, horizon)
    };
    let mut crashes = 0;
    for step in 1.. {
        let disk = disk.image();
        let timeline = open(&disk, Mode::Write).unwrap();
        disk.crash_at(disk.steps() + step);
        let done = timeline.gc(&retention(horizon), &NoReferences).is_ok();
        drop(timeline);
        for seed in 0..3 {
            let disk = disk.reboot(step * 7 + seed);
            let timeline = open(&disk, Mode::Write).unwrap();
            check(&timeline, &commits, 40);
            timeline.commit(draft(&timeline, "main", noise(999))).unwrap();
            crashes += 1;
        }
        if done {
            break;
        }
    }
    assert!(crashes > 60, "{crashes}");
}
