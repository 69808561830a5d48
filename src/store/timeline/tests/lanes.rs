//! Redo records, lazy commits and others side by side, and the power failing at any moment.
//!
//! Four threads write redo records, one makes lazy commits of them while the others go on, and now and then one that has to wait for the
//! medium. Of many moments it is seen what a machine would find.
//!
//! Invariants: every record that had been acknowledged is found, either as it is or as part of a commit and never as both, and every
//! other commit. Records are found without a gap.
//!
//! Does not: repeat; threads run as they like.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::store::timeline::queue::QueuedRedo;

/// What was told to somebody.
#[derive(Clone, Debug, Default)]
struct Told {
    records: BTreeSet<u64>,
    commits: Vec<CommitId>,
}

/// A moment: what a machine would find, and what had been told.
struct Moment {
    disk: SimDisk,
    told: Told,
    step: u64,
}

struct Stage {
    timeline: Timeline,
    /// Records that are part of no commit yet. Whoever queues one, or makes commits, holds it.
    open: Mutex<Vec<QueuedRedo>>,
    told: Arc<Mutex<Told>>,
    running: AtomicUsize,
}

const CLIENTS: usize = 4;
const RECORDS: usize = 60;

fn key(number: u64) -> Vec<u8> {
    format!("record/{number:05}").into_bytes()
}

impl Stage {
    fn client(&self) {
        for _ in 0..RECORDS {
            let queued = {
                let mut open = lock(&self.open);
                let queued = self.timeline.redo(Arc::from(&b"a row"[..])).unwrap();
                open.push(queued);
                queued
            };
            self.timeline.wait(queued.ticket).unwrap();
            lock(&self.told).records.insert(queued.number);
        }
        self.running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }

    /// Lazy commits of what is open, some of them with one more between that says nothing new; the ticket of the last.
    fn fold(&self, open: &mut Vec<QueuedRedo>, random: &SimRandom) -> u64 {
        let mut last = 0;
        for part in open.chunks(1 + random.below(5) as usize) {
            let edits = part
                .iter()
                .map(|record| (key(record.number), Some(vec![record.number as u8; 60])))
                .collect();
            let newest = part.last().unwrap();
            let made = Draft {
                redone: Some((newest.number, newest.time_us)),
                ..draft(&self.timeline, "main", edits)
            };
            last = self.timeline.submit(made).unwrap().ticket();
            if random.below(4) == 0 {
                last = self.lazy(random);
            }
        }
        open.clear();
        last
    }

    fn lazy(&self, random: &SimRandom) -> u64 {
        let edits = Edit::from([(b"lazy".to_vec(), Some(vec![random.next_u64() as u8; 40]))]);
        let made = Draft {
            is_lazy: true,
            ..draft(&self.timeline, "main", edits)
        };
        self.timeline.submit(made).unwrap().ticket()
    }

    fn folder(&self, random: &SimRandom) {
        while self.running.load(std::sync::atomic::Ordering::SeqCst) > 0 {
            let mut open = lock(&self.open);
            let ticket = match random.below(8) {
                // Ahead of the records that are open.
                0 if self.timeline.queued_tip("main").is_some() => self.lazy(random),
                1 => {
                    self.fold(&mut open, random);
                    let edits = Edit::from([(b"other".to_vec(), Some(vec![random.next_u64() as u8; 90]))]);
                    let other = self.timeline.submit(draft(&self.timeline, "main", edits)).unwrap();
                    drop(open);
                    let id = other.wait().unwrap();
                    lock(&self.told).commits.push(id);
                    continue;
                }
                2 => {
                    drop(open);
                    self.timeline.checkpoint().unwrap();
                    continue;
                }
                _ => self.fold(&mut open, random),
            };
            drop(open);
            self.timeline.wait_lazy(ticket).unwrap();
        }
    }
}

fn check(moment: &Moment) {
    let context = format!("step {}", moment.step);
    let timeline = open(&moment.disk, Mode::Write).unwrap_or_else(|error| panic!("{context}: {error}"));
    let unfinished = timeline.take_found();
    let tip = main_tip(&timeline);
    let made = tip.map(|tip| contents(&timeline, tip)).unwrap_or_default();
    let mut found: BTreeSet<u64> = unfinished.iter().map(|record| record.number).collect();
    for name in made.keys().filter_map(|key| key.strip_prefix(b"record/")) {
        let number = std::str::from_utf8(name).unwrap().parse().unwrap();
        assert!(found.insert(number), "{context}: record {number} is found twice");
    }
    assert!(found.is_superset(&moment.told.records), "{context}: a record is lost");
    let whole: BTreeSet<u64> = (1..=found.len() as u64).collect();
    assert_eq!(found, whole, "{context}");
    for id in &moment.told.commits {
        assert!(
            timeline.is_ancestor(*id, tip.unwrap()).unwrap(),
            "{context}: a commit is lost"
        );
    }
    let report = timeline.verify(true, &NoReferences).unwrap();
    assert!(report.is_clean(), "{context}: {:?}", report.damages);
    // It goes on from there.
    let edits: Edit = unfinished
        .iter()
        .map(|record| (key(record.number), Some(vec![1])))
        .collect();
    if let Some(last) = unfinished.last() {
        let made = Draft {
            redone: Some((last.number, last.time_us)),
            ..draft(&timeline, "main", edits)
        };
        timeline.commit(made).unwrap();
    }
    timeline.commit(draft(&timeline, "main", put(1))).unwrap();
    timeline.close().unwrap();
    let again = open(&moment.disk, Mode::Read).unwrap();
    let records = contents(&again, main_tip(&again).unwrap());
    let records = records.keys().filter(|key| key.starts_with(b"record/"));
    assert_eq!(records.count(), found.len(), "{context}");
}

#[test]
fn records_and_lazy_commits_side_by_side_lose_nothing() {
    for seed in 0..4 {
        let disk = SimDisk::new();
        let timeline = create(&disk);
        let told = Arc::new(Mutex::new(Told::default()));
        let moments = Arc::new(Mutex::new(Vec::new()));
        let (sink, known) = (Arc::clone(&moments), Arc::clone(&told));
        disk.observe(move |cut| {
            if cut.step().is_multiple_of(3) {
                let told = lock(&known).clone();
                let (disk, step) = (cut.reboot(cut.step() * 7 + seed), cut.step());
                lock(&sink).push(Moment { disk, told, step });
            }
        });
        let stage = Stage {
            timeline,
            open: Mutex::default(),
            told,
            running: AtomicUsize::new(CLIENTS),
        };
        std::thread::scope(|scope| {
            (0..CLIENTS).for_each(|_| drop(scope.spawn(|| stage.client())));
            scope.spawn(|| stage.folder(&SimRandom::new(seed)));
        });
        disk.observe(|_| {});
        let ticket = stage.fold(&mut lock(&stage.open), &SimRandom::new(seed));
        stage.timeline.wait_lazy(ticket).unwrap();
        stage.timeline.close().unwrap();
        let whole = contents(&stage.timeline, main_tip(&stage.timeline).unwrap());
        let records = whole.keys().filter(|key| key.starts_with(b"record/"));
        assert_eq!(records.count(), CLIENTS * RECORDS);
        let moments = std::mem::take(&mut *lock(&moments));
        assert!(moments.len() > 30, "{}", moments.len());
        moments.iter().for_each(check);
    }
}
