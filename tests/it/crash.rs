//! Crashes after every durable step of a mixed workload of statements, and processes that are killed while they write.
//!
//! A workload runs once; at each of its durable steps several machines are made that might come back if the power failed there,
//! with writes torn and lost that were not synced. Each is opened, compared with the model, verified, and written to.
//!
//! Invariants: every acknowledged commit is found; beyond them, the one under way or nothing. A failure names seed and step.
//!
//! Does not: run sessions side by side, which would not repeat.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use gobi::client::Engine;
use gobi::host::Random;
use gobi::host::sim::{SimDisk, SimRandom};
use gobi::store::timeline::RefKind;

use crate::world::{History, Op, Witness, World, contents, engine, is_worked_on, open, run};

/// A machine that came back.
struct Point {
    disk: SimDisk,
    witness: Witness,
    history: History,
    step: u64,
    /// Reads all rows, even where hashes say that they are right.
    by_rows: bool,
    name: String,
}

/// Bytes that make a workload.
fn workload(seed: u64, len: usize) -> Vec<u8> {
    let random = SimRandom::new(seed);
    // A table to begin with, so that few operations find none.
    let start = [0, 0, 1, 4, 3, 0];
    start
        .into_iter()
        .chain((0..len).map(|_| random.next_u64() as u8))
        .collect()
}

fn work(world: &mut World, seed: u64, len: usize) -> Result<(), String> {
    let mut bytes = workload(seed, len).into_iter();
    while let Some(op) = Op::read(&mut bytes) {
        world.apply(&op)?;
    }
    world.apply(&Op::Reopen)
}

/// Opens a machine, compares, verifies, writes.
fn check(point: &Point, engine: &Arc<Engine>) -> Result<(), String> {
    let text = |error: gobi::store::StoreError| error.to_string();
    let (folder, mut session) = open(&point.disk, engine)?;
    let database = folder.database(true).map_err(text)?.ok_or("no database")?;
    let timeline = database.timeline().unwrap();
    let size = usize::try_from(timeline.log_head().size).unwrap();
    let (acknowledged, under_way) = (point.witness.acknowledged, &point.witness.under_way);
    let history: Vec<_> = point.history.lock().unwrap()[..acknowledged].to_vec();
    if size != acknowledged && (under_way.is_none() || size != acknowledged + 1) {
        return Err(format!("{size} commits where {acknowledged} were acknowledged"));
    }
    for (index, (commit, _)) in history.iter().enumerate() {
        if timeline.commit_at(index as u64).map_err(text)? != *commit {
            return Err(format!("commit {index} is another one"));
        }
    }
    // Beside a commit under way all that is there has a hash that is known.
    let branches = timeline.refs(RefKind::Branch);
    let worked = branches.iter().filter(|(name, _)| is_worked_on(name));
    for (name, head) in worked.filter(|_| size > acknowledged || point.by_rows) {
        let known = history.iter().find(|(commit, _)| commit == head);
        let expected = known
            .map(|(_, model)| model)
            .or(under_way.as_ref().filter(|_| size > acknowledged));
        let found = contents(&mut session, &database, Some(*head))?;
        if Some(&found) != expected.map(|model| &**model) {
            return Err(format!("the rows of {name} are others"));
        }
    }
    let old = history.get(point.step as usize % history.len().max(1));
    if let Some((commit, model)) = old.filter(|(commit, _)| point.by_rows && timeline.check_kept(*commit).is_ok()) {
        let then = contents(&mut session, &database, Some(*commit))?;
        if then != **model {
            return Err(format!("the rows of {commit} are others"));
        }
    }
    let refs = [RefKind::Tag, RefKind::Branch]
        .into_iter()
        .flat_map(|kind| timeline.refs(kind));
    let known = |(name, _): &(String, _)| !is_worked_on(name) && Some(name) != point.witness.new_ref.as_ref();
    if refs.filter(known).collect::<std::collections::BTreeMap<_, _>>() != *point.witness.refs {
        return Err("tags or branches are others".into());
    }
    let report = database.verify(true).map_err(text)?;
    if !report.is_clean() {
        return Err(format!("{:?}", report.damages));
    }
    let script = "CREATE TABLE after_crash (k bigint, v string); INSERT INTO after_crash VALUES (1, 'x')";
    run(&mut session, script).map_err(|error| format!("{error:?}"))?;
    let after = database.timeline().unwrap().log_head().size;
    (after == size as u64 + 2)
        .then_some(())
        .ok_or_else(|| format!("{after} commits after {size} and two more"))
}

/// Checks points as they come; the first failure of each worker.
fn checker(points: &Mutex<Receiver<Point>>) -> Option<String> {
    let engine = engine();
    let mut failed = None;
    loop {
        let Ok(point) = points.lock().unwrap().recv() else {
            return failed;
        };
        if failed.is_none() {
            failed = check(&point, &engine)
                .err()
                .map(|error| format!("{}: {error}", point.name));
        }
    }
}

/// Whether rows are in a file of their own.
fn has_file(disk: &SimDisk) -> bool {
    let files = disk.files();
    files
        .iter()
        .any(|(path, _)| path.extension().is_some_and(|kind| kind == "parquet"))
}

/// Every step of a workload, with several machines coming back from each; how many.
fn crash_everywhere(seed: u64, len: usize, reboots: u64) -> u64 {
    let (sender, receiver) = sync_channel::<Point>(64);
    let receiver = Mutex::new(receiver);
    let workers = thread::available_parallelism().map_or(2, |count| count.get().min(8));
    thread::scope(|scope| {
        let checkers: Vec<_> = (0..workers).map(|_| scope.spawn(|| checker(&receiver))).collect();
        let disk = SimDisk::new();
        let mut world = World::new(&disk);
        let (witness, history) = (Arc::clone(&world.witness), Arc::clone(&world.history));
        // Not to be looked for at the end: what history is given up may take the files along.
        let files = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&files);
        disk.observe(move |cut| {
            if !seen.load(Ordering::Relaxed) {
                seen.store(has_file(&cut.reboot(0)), Ordering::Relaxed);
            }
            for reboot in 0..reboots {
                let point = Point {
                    disk: cut.reboot(cut.step() * 31 + reboot),
                    witness: witness.lock().unwrap().clone(),
                    history: Arc::clone(&history),
                    step: cut.step(),
                    by_rows: reboot == 0 && cut.step().is_multiple_of(4),
                    name: format!("seed {seed}, step {}, reboot {reboot}", cut.step()),
                };
                sender.send(point).expect("the checkers wait for the last point");
            }
        });
        work(&mut world, seed, len).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(files.load(Ordering::Relaxed), "seed {seed}: no rows became a file");
        let steps = disk.steps();
        // The last sender goes with the observer.
        disk.observe(|_| ());
        for checker in checkers {
            assert_eq!(checker.join().unwrap(), None);
        }
        steps * reboots
    })
}

#[test]
fn after_any_crash_the_acknowledged_rows_are_there() {
    let points: u64 = (0..SEEDS)
        .map(|seed| crash_everywhere(seed, WORKLOAD_BYTES, REBOOTS))
        .sum();
    println!("{points} crash points");
    assert!(points >= 10_000, "{points}");
}

const SEEDS: u64 = 9;
const WORKLOAD_BYTES: usize = 130;
const REBOOTS: u64 = 4;

#[test]
fn nothing_is_acknowledged_once_the_power_failed() {
    for seed in 0..2 {
        let disk = SimDisk::new();
        work(&mut World::new(&disk), seed, 120).unwrap();
        let steps = disk.steps();
        for step in (1..steps).step_by(23) {
            let disk = SimDisk::new();
            disk.crash_at(step);
            let mut world = World::new(&disk);
            let error = work(&mut world, seed, 120).unwrap_err();
            assert!(error.contains("power failed"), "seed {seed}, step {step}: {error}");
            let point = Point {
                disk: disk.reboot(step),
                witness: world.witness.lock().unwrap().clone(),
                history: Arc::clone(&world.history),
                step,
                by_rows: true,
                name: format!("seed {seed}, step {step}"),
            };
            if let Err(error) = check(&point, &engine()) {
                panic!("{}: {error}", point.name);
            }
        }
    }
}
