//! Timelines on a simulated machine: commits found again, crashes, damage.
//!
//! Everything here runs on [`SimDisk`]; a failure prints the seeds and the step that repeat it.
//!
//! Invariants: see [`super`].
//!
//! Does not: test trees or proofs by themselves.

mod crash;
mod damage;
mod gc;
mod lanes;
mod size;

use std::collections::BTreeMap;

use super::*;
use crate::host::sim::{SimClock, SimDisk, SimRandom};
use crate::host::{RealClock, RealRandom, real};
use crate::store::log::LogHead;
use crate::store::object::{NewObject, NoReferences, Packing};
use crate::store::tree::{self, Edit, Tree};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn folder() -> &'static Path {
    Path::new("db")
}

fn machine(disk: &SimDisk, seed: u64) -> Machine {
    Machine {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimClock::new(1_000_000, 10)),
        random: Arc::new(SimRandom::new(seed)),
    }
}

/// Small packs and frequent checkpoints, so that short tests see many of them.
fn small() -> Options {
    Options {
        pack_bytes: 12 << 10,
        checkpoint_bytes: 5 << 10,
        unindexed_bytes: 3 << 10,
        step_bytes: 2 << 10,
        cache_bytes: 1 << 20,
        goes_ahead: true,
    }
}

fn create(disk: &SimDisk) -> Timeline {
    Timeline::create(machine(disk, 1), folder(), small()).unwrap()
}

fn open(disk: &SimDisk, mode: Mode) -> Result<Timeline, StoreError> {
    Timeline::open(machine(disk, 2), folder(), mode, small())
}

/// A timeline, and the empty tree, which is in no pack before somebody needs it.
struct WithEmpty<'a>(&'a Timeline);

impl ReadObjects for WithEmpty<'_> {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        let none = tree::empty();
        if id == none.id {
            Ok(none.body)
        } else {
            self.0.read(kind, id)
        }
    }
}

/// The tree's root, and a draft of the commit that changes it.
fn draft(timeline: &Timeline, branch: &str, edits: Edit) -> Draft {
    try_draft(timeline, branch, edits).unwrap()
}

fn try_draft(timeline: &Timeline, branch: &str, edits: Edit) -> Result<Draft, StoreError> {
    let parent = timeline.queued_tip(branch);
    let none = tree::empty();
    let (root, mut objects) = match parent {
        Some(parent) => (timeline.commit_record(parent)?.root, vec![]),
        None => (none.id, vec![none]),
    };
    let edited = tree::edit(&WithEmpty(timeline), root, edits)?;
    objects.extend(edited.nodes);
    Ok(Draft {
        objects,
        author: "ada".into(),
        message: "test".into(),
        ..Draft::new(branch, parent, edited.root)
    })
}

fn put(number: u64) -> Edit {
    let key = format!("key/{:05}", number * 7 % 1000).into_bytes();
    Edit::from([(key, Some(format!("value {number}").into_bytes()))])
}

fn contents(timeline: &Timeline, commit: CommitId) -> Model {
    let root = timeline.commit_record(commit).unwrap().root;
    Tree::new(timeline, root).iter().collect::<Result<_, _>>().unwrap()
}

fn main_tip(timeline: &Timeline) -> Option<CommitId> {
    timeline.resolve(RefKind::Branch, "main")
}

#[test]
fn commits_are_found_again() {
    for closed in [false, true] {
        let disk = SimDisk::new();
        let mut ids = Vec::new();
        let mut models = vec![Model::new()];
        for round in 0..4 {
            let timeline = match round {
                0 => create(&disk),
                _ => open(&disk, Mode::Write).unwrap(),
            };
            for number in round * 50..(round + 1) * 50 {
                let edits = put(number);
                let mut model = models.last().unwrap().clone();
                model.extend(edits.clone().into_iter().filter_map(|(key, value)| Some((key, value?))));
                models.push(model);
                ids.push(timeline.commit(draft(&timeline, "main", edits)).unwrap());
            }
            if closed {
                timeline.close().unwrap();
                assert!(matches!(
                    timeline.commit(draft(&timeline, "main", put(0))),
                    Err(StoreError::Stopped(_))
                ));
            }
        }
        let timeline = open(&disk, Mode::Read).unwrap();
        assert_eq!(main_tip(&timeline), ids.last().copied());
        assert_eq!(timeline.log_head().size, 200);
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(timeline.commit_at(index as u64).unwrap(), *id);
            assert_eq!(contents(&timeline, *id), models[index + 1]);
        }
        let report = timeline.verify(true, &NoReferences).unwrap();
        assert!(report.is_clean(), "{:?}", report.damages);
        assert!(report.packs > 2 && report.commits == 200, "{report:?}");
        assert!(matches!(
            timeline.commit(Draft::new("x", None, tree::empty().id)),
            Err(StoreError::ReadOnly)
        ));
    }
}

#[test]
fn one_sync_serves_all_that_are_queued() {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    let before = disk.syncs();
    let pending: Vec<_> = (0..10)
        .map(|number| timeline.submit(draft(&timeline, "main", put(number))).unwrap())
        .collect();
    let ids: Vec<_> = pending.iter().map(Pending::id).collect();
    assert_eq!(main_tip(&timeline), None);
    assert_eq!(timeline.queued_tip("main"), ids.last().copied());
    assert_eq!(contents(&timeline, ids[9]).len(), 10);
    // Their places are known before they are written.
    let places: Vec<_> = (0..10).map(|index| timeline.commit_at(index).unwrap()).collect();
    assert_eq!(places, ids);
    assert!(timeline.commit_at(10).is_err());
    for (pending, id) in pending.into_iter().zip(&ids) {
        assert_eq!(pending.wait().unwrap(), *id);
    }
    assert_eq!(disk.syncs() - before, 1);
    assert_eq!(main_tip(&timeline), ids.last().copied());
}

#[test]
fn threads_commit_together_and_lose_nothing() {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let timeline = &timeline;
            scope.spawn(move || {
                for number in 0..25 {
                    // Two branches, so that threads conflict and try again.
                    let branch = if thread % 2 == 0 { "even" } else { "odd" };
                    let edits = put(thread * 100 + number);
                    loop {
                        match timeline.submit(draft(timeline, branch, edits.clone())) {
                            Ok(pending) => {
                                pending.wait().unwrap();
                                break;
                            }
                            Err(StoreError::Conflict { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            });
        }
    });
    drop(timeline);
    let timeline = open(&disk, Mode::Write).unwrap();
    let tips: Vec<_> = timeline.refs(RefKind::Branch).into_iter().map(|(_, id)| id).collect();
    assert_eq!(
        tips.iter().map(|id| contents(&timeline, *id).len()).collect::<Vec<_>>(),
        [50, 50]
    );
    assert!(timeline.verify(true, &NoReferences).unwrap().is_clean());
}

#[test]
fn a_branch_that_moved_is_a_conflict() {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    let first = timeline.commit(draft(&timeline, "main", put(1))).unwrap();
    let stale = draft(&timeline, "main", put(2));
    let second = timeline.commit(draft(&timeline, "main", put(3))).unwrap();
    let error = timeline.commit(stale).unwrap_err();
    assert!(
        matches!(&error, StoreError::Conflict { found: Some(found), .. } if *found == second),
        "{error}"
    );
    let (branch, tag) = (RefKind::Branch, RefKind::Tag);
    timeline.set_ref(branch, "side", None, Some(first)).unwrap();
    timeline.set_ref(tag, "v1", None, Some(first)).unwrap();
    assert!(matches!(
        timeline.set_ref(tag, "v1", None, Some(second)),
        Err(StoreError::Conflict { .. })
    ));
    timeline.set_ref(branch, "side", Some(first), None).unwrap();
    assert!(timeline.set_ref(tag, "v2", None, Some(tree::empty().id)).is_err());
    drop(timeline);
    let timeline = open(&disk, Mode::Read).unwrap();
    assert_eq!(timeline.resolve(tag, "v1"), Some(first));
    assert_eq!(timeline.refs(branch), [("main".to_string(), second)]);
}

#[test]
fn history_is_searched_by_time_height_and_descent() {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    let mut ids = Vec::new();
    for number in 0..300 {
        let branch = if number % 3 == 2 { "side" } else { "main" };
        if number == 2 {
            timeline.set_ref(RefKind::Branch, "side", None, Some(ids[1])).unwrap();
        }
        ids.push(timeline.commit(draft(&timeline, branch, put(number))).unwrap());
    }
    let (main, side) = (
        main_tip(&timeline).unwrap(),
        timeline.resolve(RefKind::Branch, "side").unwrap(),
    );
    for tip in [main, side] {
        let line: Vec<_> = timeline.first_parents(tip).collect::<Result<_, _>>().unwrap();
        for (id, commit) in &line {
            assert_eq!(timeline.as_of(tip, commit.time_us).unwrap(), Some(*id));
            assert_eq!(timeline.as_of(tip, commit.time_us + 1).unwrap(), Some(*id));
            assert_eq!(timeline.at_height(tip, commit.height).unwrap(), Some(*id));
            assert!(timeline.is_ancestor(*id, tip).unwrap());
        }
        assert_eq!(timeline.as_of(tip, 0).unwrap(), None);
        assert_eq!(timeline.at_height(tip, 1000).unwrap(), None);
        assert!(line.windows(2).all(|pair| pair[0].1.height == pair[1].1.height + 1));
    }
    assert_eq!(timeline.merge_base(main, side).unwrap(), Some(ids[1]));
    assert!(!timeline.is_ancestor(main, side).unwrap());
    let merge = Draft {
        merged: vec![side],
        ..draft(&timeline, "main", put(999))
    };
    let merge = timeline.commit(merge).unwrap();
    assert_eq!(timeline.merge_base(merge, side).unwrap(), Some(side));
    assert!(timeline.is_ancestor(side, merge).unwrap());
}

#[test]
fn a_stranger_checks_proofs_against_roots() {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    let mut heads: Vec<LogHead> = vec![timeline.log_head()];
    let mut ids = Vec::new();
    for number in 0..300 {
        ids.push(timeline.commit(draft(&timeline, "main", put(number))).unwrap());
        heads.push(timeline.log_head());
        if number % 70 == 0 {
            timeline.checkpoint().unwrap();
        }
    }
    for (index, id) in ids.iter().enumerate() {
        timeline.prove_inclusion(*id).unwrap().verify(id, &heads[300]).unwrap();
        let record = timeline.read(Kind::COMMIT, *id).unwrap();
        let size = index + 1;
        assert_eq!(crate::store::commit::Commit::decode(&record).unwrap().id(), *id);
        timeline
            .prove_inclusion_in(*id, size as u64)
            .unwrap()
            .verify(id, &heads[size])
            .unwrap();
        timeline
            .prove_consistency(index as u64, 300)
            .unwrap()
            .verify(&heads[index], &heads[300])
            .unwrap();
        assert_eq!(timeline.log_head_at(index as u64).unwrap(), heads[index]);
    }
    assert!(timeline.prove_consistency(0, 301).is_err());
    assert!(timeline.log_head_at(301).is_err());
}

#[test]
fn one_writes_and_any_number_read() {
    let disk = SimDisk::new();
    assert!(matches!(open(&disk, Mode::Write), Err(StoreError::NoDatabase(_))));
    assert!(matches!(open(&disk, Mode::Read), Err(StoreError::NoDatabase(_))));
    let timeline = create(&disk);
    assert!(matches!(
        open(&disk, Mode::Write),
        Err(StoreError::Locked { pid: Some(1), .. })
    ));
    let first = timeline.commit(draft(&timeline, "main", put(1))).unwrap();
    let reader = open(&disk, Mode::Read).unwrap();
    let second = timeline.commit(draft(&timeline, "main", put(2))).unwrap();
    assert_eq!(main_tip(&reader), Some(first));
    assert_eq!(main_tip(&open(&disk, Mode::Read).unwrap()), Some(second));
    assert_eq!(contents(&reader, first).len(), 1);
    drop(timeline);
    assert!(matches!(
        Timeline::create(machine(&disk, 1), folder(), small()),
        Err(StoreError::NotEmpty(_))
    ));
    open(&disk, Mode::Write).unwrap();
}

#[test]
fn what_goes_ahead_of_its_commit_is_there_with_it() {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    let blobs: Vec<_> = (0..40_u8)
        .map(|byte| NewObject::new(Kind::BLOB, vec![byte; 3000]))
        .collect();
    let random: Vec<_> = (0..4000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let plain = NewObject::new(Kind::SEGMENT, random).packed(Packing::Plain);
    let before = disk.syncs();
    timeline.put(blobs.clone()).unwrap();
    timeline.put(vec![plain.clone()]).unwrap();
    assert_eq!(disk.syncs(), before);
    let commit = Draft {
        objects: vec![blobs[3].clone(), plain.clone(), tree::empty()],
        ..Draft::new("main", None, tree::empty().id)
    };
    timeline.commit(commit).unwrap();
    drop(timeline);
    let timeline = open(&disk.reboot(0), Mode::Read).unwrap();
    for object in blobs.iter().chain([&plain]) {
        assert_eq!(timeline.read(object.kind, object.id).unwrap(), object.body);
        assert!(timeline.read(Kind::CATALOG, object.id).is_err());
    }
    assert_eq!(timeline.verify(true, &NoReferences).unwrap().objects, 43);
}

#[test]
fn after_a_fault_nothing_is_written_until_the_folder_is_opened_anew() {
    let disk = SimDisk::new();
    let timeline = create(&disk);
    let first = timeline.commit(draft(&timeline, "main", put(1))).unwrap();
    // The sync fails.
    disk.fail_at(disk.steps() + 2);
    let error = timeline.commit(draft(&timeline, "main", put(2))).unwrap_err();
    assert!(matches!(error, StoreError::Stopped(_)), "{error}");
    let steps = disk.steps();
    let next = Draft::new("other", None, tree::empty().id);
    assert!(matches!(timeline.commit(next), Err(StoreError::Stopped(_))));
    assert_eq!((disk.steps(), main_tip(&timeline)), (steps, Some(first)));
    drop(timeline);
    let timeline = open(&disk, Mode::Write).unwrap();
    timeline.commit(draft(&timeline, "main", put(3))).unwrap();
    assert!(timeline.verify(true, &NoReferences).unwrap().is_clean());
}

#[test]
fn a_real_disk_serves_as_well() {
    let place = tempfile::tempdir().unwrap();
    let machine = Machine {
        disk: real(),
        clock: Arc::new(RealClock::default()),
        random: Arc::new(RealRandom),
    };
    let folder = place.path().join("db");
    let timeline = Timeline::create(machine.clone(), &folder, small()).unwrap();
    for number in 0..60 {
        timeline.commit(draft(&timeline, "main", put(number))).unwrap();
    }
    let again = Timeline::open(machine.clone(), &folder, Mode::Write, small());
    assert!(matches!(again, Err(StoreError::Locked { pid: Some(pid), .. }) if pid == std::process::id()));
    drop(timeline);
    let timeline = Timeline::open(machine.clone(), &folder, Mode::Write, small()).unwrap();
    let tip = main_tip(&timeline).unwrap();
    assert_eq!(contents(&timeline, tip).len(), 60);
    for number in 60..200 {
        timeline.commit(draft(&timeline, "main", put(number))).unwrap();
    }
    let retention = Retention {
        horizon_us: i64::MAX,
        keep: Vec::new(),
        fill_percent: 100,
        dry_run: false,
    };
    let collected = timeline.gc(&retention, &NoReferences).unwrap();
    assert!(
        collected.packs_copied > 1 && collected.bytes_after < collected.bytes_before,
        "{collected:?}"
    );
    timeline.commit(draft(&timeline, "main", put(200))).unwrap();
    timeline.close().unwrap();
    let report = verify_folder(machine, &folder, true, &NoReferences).unwrap();
    assert!(report.is_clean() && report.commits == 201, "{report:?}");
}
