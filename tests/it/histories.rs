//! Random transactions of eight sessions over a few lists, and what each level forbids of their history.
//!
//! Every transaction appends numbers of its own to lists, and reads lists. In the end each list tells in which order its
//! numbers came, so that every read has a place in that order: what it saw came before (a dependency), what came next it did
//! not see (an anti-dependency). A circle of dependencies is forbidden at every level; under snapshot isolation also one in which
//! no two anti-dependencies follow each other; under serializable any. (Kingsbury and Alvaro, Elle, VLDB 2020; Cerone and
//! Gotsman, Analysing snapshot isolation, JACM 2018.)
//!
//! Invariants: a failure prints the seed that the transactions were made from.

use std::collections::{BTreeMap, BTreeSet};

use gobi::client::{Client, Session, Settings};

use crate::isolation::run;

const THREADS: u64 = 8;
const TRANSACTIONS: u64 = 20;
const LISTS: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    ReadCommitted,
    Snapshot,
    Serializable,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "READ COMMITTED",
            Self::Snapshot => "SNAPSHOT",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

/// What a transaction did; its numbers are `id * 100` and on.
#[derive(Clone, Debug, Default)]
struct Done {
    id: u64,
    /// List and number, in order.
    appends: Vec<(u64, u64)>,
    /// List and what was in it.
    reads: Vec<(u64, Vec<u64>)>,
    committed: bool,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn numbers(text: &str) -> Vec<u64> {
    text.split(';')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap())
        .collect()
}

fn transaction(session: &mut Session, level: Level, id: u64, random: &mut Random) -> Done {
    let mut done = Done { id, ..Done::default() };
    run(session, &format!("BEGIN ISOLATION LEVEL {}", level.name())).unwrap();
    for step in 0..=random.below(4) {
        let list = random.below(LISTS);
        let outcome = match random.below(2) {
            0 => {
                let number = id * 100 + step;
                let update = format!("UPDATE l SET v = v || '{number};' WHERE k = {list}");
                run(session, &update).map(|_| done.appends.push((list, number)))
            }
            _ => run(session, &format!("SELECT v FROM l WHERE k = {list}"))
                .map(|text| done.reads.push((list, numbers(&text)))),
        };
        if let Err(error) = outcome {
            assert!(["40001", "40P01"].contains(&error.code()), "{error}");
            run(session, "ROLLBACK").unwrap();
            return done;
        }
    }
    match run(session, "COMMIT") {
        Ok(_) => done.committed = true,
        Err(error) => assert_eq!(error.code(), "40001", "{error}"),
    }
    done
}

/// Lists as they are in the end, and what was done.
fn history(level: Level, seed: u64) -> (BTreeMap<u64, Vec<u64>>, Vec<Done>) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        threads: 1,
        ..Settings::default()
    };
    let client = Client::embedded(settings, Some(folder.path().join("db")));
    let mut session = client.session();
    let lists =
        format!("CREATE TABLE l (k int PRIMARY KEY, v string); INSERT INTO l SELECT range, '' FROM range({LISTS})");
    run(&mut session, &lists).unwrap();
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let mut session = client.session();
                scope.spawn(move || {
                    let mut random = Random(seed * 1000 + thread + 1);
                    let one = |at| transaction(&mut session, level, thread * TRANSACTIONS + at + 1, &mut random);
                    (0..TRANSACTIONS).map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let list = |key| {
        (
            key,
            numbers(&run(&mut session, &format!("SELECT v FROM l WHERE k = {key}")).unwrap()),
        )
    };
    ((0..LISTS).map(list).collect(), done)
}

type Edges = BTreeSet<(u64, u64)>;

/// Dependencies and anti-dependencies between committed transactions, by their numbers.
fn edges(lists: &BTreeMap<u64, Vec<u64>>, done: &[Done]) -> (Edges, Edges) {
    let writer = |number: u64| number / 100;
    let (mut dependencies, mut anti) = (Edges::new(), Edges::new());
    for list in lists.values() {
        for pair in list.windows(2).filter(|pair| writer(pair[0]) != writer(pair[1])) {
            dependencies.insert((writer(pair[0]), writer(pair[1])));
        }
    }
    for reader in done.iter().filter(|done| done.committed) {
        for (key, seen) in &reader.reads {
            let others: Vec<u64> = seen
                .iter()
                .copied()
                .filter(|number| writer(*number) != reader.id)
                .collect();
            if let Some(last) = others.last() {
                dependencies.insert((writer(*last), reader.id));
            }
            let unseen = lists[key]
                .iter()
                .skip(others.len())
                .find(|number| writer(**number) != reader.id);
            if let Some(next) = unseen {
                anti.insert((reader.id, writer(*next)));
            }
        }
    }
    (dependencies, anti)
}

/// A circle, if there is one: transactions are taken away that nobody is left before.
fn circle(edges: &Edges) -> Option<Vec<(u64, u64)>> {
    let mut left = edges.clone();
    loop {
        let after: BTreeSet<u64> = left.iter().map(|(_, to)| *to).collect();
        let before = left.len();
        left.retain(|(from, _)| after.contains(from));
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            return Some(left.into_iter().collect());
        }
    }
}

fn check(level: Level, lists: &BTreeMap<u64, Vec<u64>>, done: &[Done]) -> Result<(), String> {
    let committed: BTreeSet<u64> = done.iter().filter(|done| done.committed).map(|done| done.id).collect();
    let found: BTreeSet<(u64, u64)> = lists
        .iter()
        .flat_map(|(key, list)| list.iter().map(|n| (*key, *n)))
        .collect();
    let wanted: BTreeSet<(u64, u64)> = done
        .iter()
        .filter(|done| done.committed)
        .flat_map(|done| done.appends.iter().copied())
        .collect();
    if found != wanted || found.len() != lists.values().map(Vec::len).sum::<usize>() {
        return Err(format!(
            "lost, doubled, or never committed: {:?}",
            found.symmetric_difference(&wanted)
        ));
    }
    for reader in done.iter().filter(|done| done.committed) {
        for (key, seen) in &reader.reads {
            let others: Vec<u64> = seen
                .iter()
                .copied()
                .filter(|number| number / 100 != reader.id)
                .collect();
            if let Some(number) = others.iter().find(|number| !committed.contains(&(**number / 100))) {
                return Err(format!("{reader:?} has seen {number}, which was rolled back"));
            }
            // Under read committed its own numbers may stand between those of others only in the end.
            let order: Vec<u64> = lists[key]
                .iter()
                .copied()
                .filter(|number| number / 100 != reader.id)
                .collect();
            if !order.starts_with(&others) {
                return Err(format!(
                    "{reader:?} has seen another order of list {key} than {order:?}"
                ));
            }
            let half = others.last().is_some_and(|last| {
                let next = lists[key].iter().skip_while(|number| *number != last).nth(1);
                next.is_some_and(|next| next / 100 == last / 100)
            });
            if half {
                return Err(format!(
                    "{reader:?} has seen half of what a transaction did to list {key}"
                ));
            }
        }
    }
    let (dependencies, anti) = edges(lists, done);
    let forbidden = match level {
        Level::ReadCommitted => dependencies,
        Level::Snapshot => {
            let one = |(from, at): &(u64, u64)| {
                let (from, at) = (*from, *at);
                anti.range((at, 0)..=(at, u64::MAX))
                    .map(move |(_, to)| (from, *to))
                    .collect::<Vec<_>>()
            };
            dependencies
                .iter()
                .flat_map(one)
                .chain(dependencies.iter().copied())
                .collect()
        }
        Level::Serializable => dependencies.union(&anti).copied().collect(),
    };
    match circle(&forbidden) {
        Some(circle) => Err(format!("a circle: {circle:?}")),
        None => Ok(()),
    }
}

#[test]
fn no_level_allows_what_it_forbids() {
    for level in [Level::ReadCommitted, Level::Snapshot, Level::Serializable] {
        for seed in 1..=2 {
            let (lists, done) = history(level, seed);
            let committed = done.iter().filter(|done| done.committed).count();
            assert!(committed > 20, "seed {seed}, {level:?}: {committed} were committed");
            if let Err(what) = check(level, &lists, &done) {
                panic!("seed {seed}, {level:?}: {what}\n{lists:?}\n{done:#?}");
            }
        }
    }
}

/// The checker itself: what it must find.
#[test]
fn histories_that_are_wrong_are_found() {
    let done = |id, appends: &[(u64, u64)], reads: &[(u64, &[u64])]| Done {
        id,
        appends: appends.to_vec(),
        reads: reads.iter().map(|(key, list)| (*key, list.to_vec())).collect(),
        committed: true,
    };
    let lists = |all: &[&[u64]]| -> BTreeMap<u64, Vec<u64>> {
        all.iter()
            .enumerate()
            .map(|(key, list)| (key as u64, list.to_vec()))
            .collect()
    };
    let fails = |level, all: &[&[u64]], done: &[Done]| check(level, &lists(all), done).unwrap_err();
    // A lost update, a number that was rolled back, half of a transaction.
    fails(
        Level::ReadCommitted,
        &[&[100]],
        &[done(1, &[(0, 100)], &[]), done(2, &[(0, 200)], &[])],
    );
    fails(Level::ReadCommitted, &[&[]], &[done(1, &[], &[(0, &[900])])]);
    let two = done(1, &[(0, 100), (0, 101)], &[]);
    fails(
        Level::ReadCommitted,
        &[&[100, 101]],
        &[two, done(2, &[], &[(0, &[100])])],
    );
    // Read skew: allowed under read committed, and not under snapshot isolation.
    let both = done(1, &[(0, 100), (1, 101)], &[]);
    let skewed = [both, done(2, &[], &[(0, &[]), (1, &[101])])];
    check(Level::ReadCommitted, &lists(&[&[100], &[101]]), &skewed).unwrap();
    fails(Level::Snapshot, &[&[100], &[101]], &skewed);
    // Write skew: allowed under snapshot isolation, and not under serializable.
    let skewed = [done(1, &[(0, 100)], &[(1, &[])]), done(2, &[(1, 200)], &[(0, &[])])];
    check(Level::Snapshot, &lists(&[&[100], &[200]]), &skewed).unwrap();
    fails(Level::Serializable, &[&[100], &[200]], &skewed);
}
