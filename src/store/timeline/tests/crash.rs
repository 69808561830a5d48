//! Crashes after every durable step of a mixed workload.
//!
//! The workload runs once to count its steps, then once for each of them with the power failing there; from each, several
//! machines come back.
//!
//! Invariants: every commit that had been acknowledged is found; beyond those, the whole group under way or nothing.
//!
//! Does not: run threads, which would not repeat.

use super::*;
use crate::host::Random;

/// What the workload knows when the power fails.
#[derive(Default)]
struct Witness {
    /// Acknowledged commits with their contents, in the order of the log.
    acked: Vec<(CommitId, Model)>,
    /// Commits of the group under way.
    under_way: Vec<(CommitId, Model)>,
    tags: BTreeMap<String, CommitId>,
    /// A tag that is being made.
    new_tag: Option<String>,
    models: BTreeMap<String, Model>,
}

fn workload(disk: &SimDisk, seed: u64, witness: &mut Witness) -> Result<(), StoreError> {
    let random = SimRandom::new(seed);
    let mut timeline = Timeline::create(machine(disk, seed), folder(), small())?;
    for round in 0..35 {
        match random.below(12) {
            0 => timeline.checkpoint()?,
            1 => {
                if random.below(2) == 0 {
                    timeline.close()?;
                }
                drop(timeline);
                timeline = Timeline::open(machine(disk, seed + round), folder(), Mode::Write, small())?;
            }
            2 => {
                let blob = vec![random.next_u64() as u8; 500];
                timeline.put(vec![NewObject::new(Kind::BLOB, blob).packed(Packing::Plain)])?;
            }
            3 if !witness.acked.is_empty() => {
                let (id, _) = &witness.acked[usize::try_from(random.below(witness.acked.len() as u64)).unwrap()];
                let name = format!("tag{round}");
                witness.new_tag = Some(name.clone());
                timeline.set_ref(RefKind::Tag, &name, None, Some(*id))?;
                witness.tags.insert(name, *id);
                witness.new_tag = None;
            }
            _ => commits(&timeline, &random, witness)?,
        }
    }
    timeline.close()
}

/// One to four commits in one group.
fn commits(timeline: &Timeline, random: &SimRandom, witness: &mut Witness) -> Result<(), StoreError> {
    let mut pending = Vec::new();
    for _ in 0..=random.below(4) {
        let branch = if random.below(4) == 0 { "side" } else { "main" };
        let mut edits = Edit::new();
        for _ in 0..=random.below(5) {
            let key = format!("k{:04}", random.below(90)).into_bytes();
            let value = (random.below(5) > 0).then(|| vec![random.next_u64() as u8; 40]);
            edits.insert(key, value);
        }
        let model = witness.models.entry(branch.into()).or_default();
        for (key, value) in &edits {
            match value {
                Some(value) => drop(model.insert(key.clone(), value.clone())),
                None => drop(model.remove(key)),
            }
        }
        let queued = timeline.submit(try_draft(timeline, branch, edits)?)?;
        witness.under_way.push((queued.id(), model.clone()));
        pending.push(queued);
    }
    pending.into_iter().try_for_each(|queued| queued.wait().map(drop))?;
    witness.acked.append(&mut witness.under_way);
    Ok(())
}

fn check(disk: &SimDisk, witness: &Witness, context: &str) {
    let reader = open(disk, Mode::Read).map(|reader| reader.log_head());
    let timeline = match open(disk, Mode::Write) {
        Ok(timeline) => timeline,
        Err(StoreError::NoDatabase(_)) if witness.acked.is_empty() => {
            Timeline::create(machine(disk, 9), folder(), small()).unwrap_or_else(|error| panic!("{context}: {error}"));
            return;
        }
        Err(error) => panic!("{context}: {error}"),
    };
    let reader = reader.unwrap_or_else(|error| panic!("{context}: {error}"));
    let size = usize::try_from(timeline.log_head().size).unwrap();
    let whole = witness.acked.len() + witness.under_way.len();
    let acked = witness.acked.len();
    assert!(
        size == acked || size == whole,
        "{context}: {size}, not {acked} or {whole}"
    );
    assert_eq!(reader, timeline.log_head(), "{context}");
    let known = witness.acked.iter().chain(&witness.under_way);
    for (index, (id, model)) in known.take(size).enumerate() {
        assert_eq!(timeline.commit_at(index as u64).unwrap(), *id, "{context}");
        if index + 3 > size {
            assert_eq!(&contents(&timeline, *id), model, "{context}");
        }
    }
    let mut tags: BTreeMap<_, _> = timeline.refs(RefKind::Tag).into_iter().collect();
    tags.retain(|name, _| Some(name) != witness.new_tag.as_ref());
    assert_eq!(tags, witness.tags, "{context}");
    let report = timeline.verify(true, &NoReferences).unwrap();
    assert!(report.is_clean(), "{context}: {:?}", report.damages);
    timeline
        .commit(draft(&timeline, "main", put(1)))
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    timeline.close().unwrap();
    assert_eq!(
        open(disk, Mode::Read).unwrap().log_head().size,
        size as u64 + 1,
        "{context}"
    );
}

fn crash_everywhere(seed: u64, reboots: u64) -> u64 {
    let disk = SimDisk::new();
    let mut witness = Witness::default();
    workload(&disk, seed, &mut witness).unwrap();
    check(&disk.reboot(0), &witness, "no crash");
    let steps = disk.steps();
    for step in 1..=steps {
        let disk = SimDisk::new();
        disk.crash_at(step);
        let mut witness = Witness::default();
        workload(&disk, seed, &mut witness).unwrap_err();
        for reboot in 0..reboots {
            let context = format!("seed {seed}, step {step} of {steps}, reboot {reboot}");
            check(&disk.reboot(step * 31 + reboot), &witness, &context);
        }
    }
    steps * reboots
}

#[test]
fn after_any_crash_every_acknowledged_commit_is_there_and_no_part_of_another() {
    let points: u64 = (0..3).map(|seed| crash_everywhere(seed, 4)).sum();
    assert!(points > 1500, "{points}");
}

#[test]
fn a_crash_during_recovery_is_recovered_from() {
    let disk = SimDisk::new();
    let mut witness = Witness::default();
    workload(&disk, 7, &mut witness).unwrap();
    let steps = disk.steps();
    for step in (steps / 2..steps).step_by(7) {
        let disk = SimDisk::new();
        disk.crash_at(step);
        let mut witness = Witness::default();
        workload(&disk, 7, &mut witness).unwrap_err();
        for again in 1..12 {
            let recovering = disk.reboot(step);
            recovering.crash_at(again);
            let opened = open(&recovering, Mode::Write).and_then(|timeline| timeline.close());
            check(
                &recovering.reboot(again),
                &witness,
                &format!("step {step}, then {again}"),
            );
            if opened.is_ok() {
                break;
            }
        }
    }
}
