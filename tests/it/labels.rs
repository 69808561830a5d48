//! Labels that come between others, against a model: rows that were written before and after, under any history.
//!
//! Invariants: the seeds are the same in each run. A failure prints its seed and the statements that led to it.

use std::collections::BTreeMap;

use gobi::client::{Session, verify_proof};
use gobi::host::sim::SimRandom;

use crate::isolation::{client, run};

/// Rows of `t`: its id, a label, labels.
type Rows = BTreeMap<u64, (Option<String>, Vec<String>)>;

/// Everything that the database has.
#[derive(Clone, Default)]
struct State {
    labels: Vec<String>,
    rows: Rows,
    /// Rows of `k`, whose key is a label.
    keyed: BTreeMap<String, u64>,
}

struct World {
    folder: tempfile::TempDir,
    session: Option<Session>,
    random: SimRandom,
    state: State,
    /// Snapshots, and what they show.
    past: Vec<(String, State)>,
    said: Vec<String>,
    next: u64,
}

const START: &str = "CREATE TYPE lab AS ENUM ('l0', 'l1'); \
    CREATE TABLE t (id int PRIMARY KEY, x lab, m array<lab>, y lab DEFAULT 'l1'); CREATE INDEX t_x ON t (x); \
    CREATE TABLE k (x lab PRIMARY KEY, n int); \
    UPSERT FUNCTION early(x lab) RETURNS boolean => x < 'l1'; \
    CREATE TABLE log (x lab, early boolean); \
    UPSERT PROCEDURE logs() { INSERT INTO log VALUES (NEW.x, NEW.x < 'l1') } \
    UPSERT TRIGGER AS logged (event: 'insert', target: 'k', call: 'logs', when: NEW.x <> 'l1')";

impl World {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let session = Some(client(folder.path()).session());
        let mut world = Self {
            folder,
            session,
            random: SimRandom::new(seed),
            state: State::default(),
            past: Vec::new(),
            said: Vec::new(),
            next: 0,
        };
        world.state.labels = ["l0", "l1"].map(str::to_owned).to_vec();
        world.run(START);
        world
    }

    fn run(&mut self, script: &str) -> String {
        self.said.push(script.to_owned());
        run(self.session.as_mut().unwrap(), script)
            .unwrap_or_else(|error| panic!("{}\n-- {:?}", self.said.join(";\n"), error.diagnostics))
    }

    fn asked(&mut self, query: &str, expected: &str) {
        let found = run(self.session.as_mut().unwrap(), query)
            .unwrap_or_else(|error| panic!("{query}: {:?}", error.diagnostics));
        assert_eq!(found, expected, "{};\n-- {query}", self.said.join(";\n"));
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound as u64) as usize
    }

    fn label(&mut self) -> String {
        let at = self.below(self.state.labels.len());
        self.state.labels[at].clone()
    }

    fn rank(&self, label: &str) -> usize {
        self.state.labels.iter().position(|known| known == label).unwrap()
    }

    fn add_label(&mut self) {
        let new = format!("l{}", self.next);
        if self.state.labels.contains(&new) {
            self.next += 1;
            return;
        }
        self.next += 1;
        let at = self.below(self.state.labels.len());
        let other = self.state.labels[at].clone();
        let place = match self.below(5) {
            0 => String::new(),
            1 | 2 => format!("AFTER '{other}'"),
            _ => format!("BEFORE '{other}'"),
        };
        self.run(&format!("ALTER TYPE lab ADD VALUE '{new}' {place}"));
        let at = match place.split(' ').next() {
            Some("AFTER") => at + 1,
            Some("BEFORE") => at,
            _ => self.state.labels.len(),
        };
        self.state.labels.insert(at, new);
    }

    fn insert(&mut self) {
        let mut values = Vec::new();
        for _ in 0..=self.below(3) {
            let (id, x, many) = (self.next, self.label(), [self.label(), self.label()]);
            self.next += 1;
            let x = (self.below(6) > 0).then_some(x);
            let shown = x.as_ref().map_or("NULL".into(), |x| format!("'{x}'"));
            values.push(format!("({id}, {shown}, ['{}', '{}'])", many[0], many[1]));
            self.state.rows.insert(id, (x, many.to_vec()));
        }
        self.run(&format!("INSERT INTO t (id, x, m) VALUES {}", values.join(", ")));
    }

    /// So many rows that they are a file.
    fn load(&mut self) {
        let (first, count) = (self.next, 2000 + 18_000 * self.below(2) as u64);
        self.next += count;
        let labels = self.state.labels.clone();
        let texts = labels
            .iter()
            .map(|label| format!("'{label}'"))
            .collect::<Vec<_>>()
            .join(", ");
        self.run(&format!(
            "INSERT INTO t (id, x, m) SELECT {first} + range, ([{texts}])[range % {}]::lab, NULL FROM range({count})",
            labels.len()
        ));
        for at in 0..count {
            let label = labels[at as usize % labels.len()].clone();
            self.state.rows.insert(first + at, (Some(label), Vec::new()));
        }
    }

    fn update(&mut self) {
        let (from, to) = (self.label(), self.label());
        let (least, rest) = (self.rank(&from), self.below(3) as u64);
        let condition = format!("x > '{from}' AND id % 3 = {rest}");
        self.run(&format!("UPDATE t SET x = '{to}' WHERE {condition}"));
        let labels = self.state.labels.clone();
        let rank = |x: &str| labels.iter().position(|known| known == x).unwrap();
        for (id, (x, _)) in &mut self.state.rows {
            if x.as_ref().is_some_and(|x| rank(x) > least) && id % 3 == rest {
                *x = Some(to.clone());
            }
        }
    }

    fn delete(&mut self) {
        let (a, b) = (self.label(), self.label());
        self.run(&format!("DELETE FROM t WHERE x BETWEEN '{a}' AND '{b}' AND id % 2 = 0"));
        let inside = self.rank(&a)..=self.rank(&b);
        let labels = self.state.labels.clone();
        let rank = |x: &str| labels.iter().position(|known| known == x).unwrap();
        self.state.rows.retain(|id, (x, _)| {
            let goes = x.as_ref().is_some_and(|x| inside.contains(&rank(x))) && id % 2 == 0;
            !goes
        });
    }

    fn upsert(&mut self) {
        let (x, n) = (self.label(), self.next);
        self.next += 1;
        let text = format!("INSERT INTO k VALUES ('{x}', {n}) ON CONFLICT (x) DO UPDATE SET n = EXCLUDED.n");
        self.run(&text);
        self.state.keyed.insert(x, n);
    }

    fn change(&mut self) {
        match self.below(12) {
            0..3 => self.add_label(),
            3..5 => self.insert(),
            5 => self.load(),
            6..8 => self.update(),
            8 => self.delete(),
            _ => self.upsert(),
        }
    }

    fn transaction(&mut self) {
        let before = self.state.clone();
        self.run("BEGIN");
        for _ in 0..=self.below(3) {
            self.change();
            self.check_now();
        }
        match self.below(3) {
            0 => {
                self.run("ROLLBACK");
                self.state = before;
            }
            _ => drop(self.run("COMMIT")),
        }
    }

    /// What two branches did, merged: labels on one of them, rows on both.
    fn branches(&mut self) {
        let name = format!("b{}", self.next);
        self.next += 1;
        let keyed = self.state.keyed.clone();
        self.run(&format!("CREATE BRANCH {name}; USE BRANCH {name}"));
        self.add_label();
        self.insert();
        let theirs = (self.label(), self.next);
        self.run(&format!("UPSERT INTO k VALUES ('{}', {})", theirs.0, theirs.1));
        self.state.keyed.insert(theirs.0.clone(), theirs.1);
        self.next += 1;
        self.run("USE BRANCH main");
        // A label that main has, and a row that they have not changed.
        let mine = keyed.keys().find(|label| **label != theirs.0).cloned();
        let id = self.next;
        self.run(&format!("INSERT INTO t (id, x) VALUES ({id}, 'l0')"));
        self.state.rows.insert(id, (Some("l0".into()), Vec::new()));
        self.next += 1;
        if let Some(mine) = mine {
            self.run(&format!("UPDATE k SET n = 7 WHERE x = '{mine}'"));
            self.state.keyed.insert(mine, 7);
        }
        self.run(&format!("MERGE BRANCH {name} INTO main"));
    }

    fn step(&mut self) {
        match self.below(12) {
            0 => drop(self.run("COMPACT")),
            1 => {
                self.session = None;
                self.session = Some(client(self.folder.path()).session());
                self.said.push("-- reopened".into());
            }
            2 => {
                let name = format!("s{}", self.past.len());
                self.run(&format!("SNAPSHOT '{name}'"));
                self.past.push((name, self.state.clone()));
            }
            3 if !self.past.is_empty() => {
                let at = self.below(self.past.len());
                let (name, state) = self.past[at].clone();
                self.run(&format!("ROLLBACK TO TAG '{name}'"));
                self.state = state;
            }
            4 => self.branches(),
            5..8 => self.transaction(),
            _ => self.change(),
        }
        self.check_now();
    }

    fn check_now(&mut self) {
        let state = self.state.clone();
        let a = self.label();
        self.check("t", "k", &state, &a);
    }

    /// Everything that a database shows of a state.
    fn check(&mut self, t: &str, k: &str, state: &State, a: &str) {
        let rank = |label: &str| state.labels.iter().position(|known| known == label).unwrap();
        let texts = |labels: &mut dyn Iterator<Item = String>| labels.collect::<Vec<_>>().join(" ");
        let mut by_label: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        for (id, (x, _)) in &state.rows {
            if let Some(x) = x {
                let (count, sum) = by_label.entry(rank(x)).or_default();
                (*count, *sum) = (*count + 1, *sum + id);
            }
        }
        let groups = by_label.iter().rev();
        let mut groups = groups.map(|(at, (count, sum))| format!("{},{count},{sum}", state.labels[*at]));
        self.asked(
            &format!("SELECT x, count(*), sum(id) FROM {t} WHERE x IS NOT NULL GROUP BY x ORDER BY x DESC"),
            &texts(&mut groups),
        );
        let ends = (by_label.keys().next(), by_label.keys().last());
        let ends = [ends.0, ends.1].map(|at| at.map_or("NULL", |at| &state.labels[*at]));
        self.asked(&format!("SELECT min(x), max(x) FROM {t}"), &ends.join(","));
        for (sign, is) in [("<", -1), ("=", 0), (">", 1)] {
            let sum: u64 = by_label
                .iter()
                .filter(|(at, _)| (**at as i64 - rank(a) as i64).signum() == is)
                .map(|(_, (count, _))| count)
                .sum();
            self.asked(
                &format!("SELECT count(*) FROM {t} WHERE x {sign} '{a}'"),
                &sum.to_string(),
            );
        }
        let mut keyed: Vec<_> = state.keyed.iter().collect();
        keyed.sort_by_key(|(x, _)| rank(x));
        let mut all = keyed.iter().map(|(x, n)| format!("{x},{n}"));
        self.asked(&format!("SELECT x, n FROM {k} ORDER BY x"), &texts(&mut all));
        let one = state.keyed.get(a).map_or(String::new(), u64::to_string);
        self.asked(&format!("SELECT n FROM {k} WHERE x = '{a}'"), &one);
        let mut later = keyed
            .iter()
            .filter(|(x, _)| rank(x) >= rank(a))
            .map(|(x, _)| (*x).clone());
        self.asked(
            &format!("SELECT x FROM {k} WHERE x >= '{a}' ORDER BY x"),
            &texts(&mut later),
        );
        let joined = keyed.iter().filter_map(|(x, _)| by_label.get(&rank(x)));
        let joined: u64 = joined.map(|(count, _)| count).sum();
        self.asked(
            &format!("SELECT count(*) FROM {t} AS a JOIN {k} AS b ON a.x = b.x"),
            &joined.to_string(),
        );
        let mut firsts = state
            .rows
            .iter()
            .filter(|(_, (_, many))| !many.is_empty())
            .rev()
            .take(5);
        let mut firsts = firsts
            .by_ref()
            .map(|(id, (_, many))| format!("{id},{},{}", many[0], many[1]));
        self.asked(
            &format!("SELECT id, m[0], m[1] FROM {t} WHERE m IS NOT NULL ORDER BY id DESC LIMIT 5"),
            &texts(&mut firsts),
        );
        self.asked(&format!("SELECT count(*) FROM {t} WHERE y <> 'l1'"), "0");
    }

    /// The past is as it was; indexes lead to their rows, rows have their hashes, functions and triggers mean the labels.
    fn check_all(&mut self) {
        for (name, state) in self.past.clone() {
            let a = state.labels[self.below(state.labels.len())].clone();
            let of = |table: &str| format!("{table} AS OF TAG '{name}'");
            self.check(&of("t"), &of("k"), &state, &a);
        }
        self.run("VERIFY TABLE t");
        self.run("VERIFY TABLE k");
        let early = self.rank("l1");
        let state = self.state.clone();
        let count = state.keyed.keys().filter(|x| self.rank(x) < early).count();
        self.asked("SELECT count(*) FROM k WHERE early(x)", &count.to_string());
        self.asked("SELECT count(*) FROM log WHERE early <> (x < 'l1') OR x = 'l1'", "0");
        for x in state.keyed.keys().take(3) {
            let proof = self.run(&format!("PROVE SELECT * FROM k WHERE x = '{x}'"));
            assert!(proof.contains(&format!("\"text\": \"{x}\"")), "{proof}");
            let root = proof.split_once("\"root\": \"").unwrap().1.split('"').next().unwrap();
            let checked = verify_proof(&format!("{}\n", proof.trim_end()), root);
            assert!(
                checked.is_ok(),
                "{}\n{proof}{:?}",
                self.said.join(";\n"),
                checked.err().map(|error| error.diagnostics)
            );
        }
    }
}

#[test]
fn rows_are_a_models() {
    for seed in 0..5 {
        let mut world = World::new(seed);
        for _ in 0..22 {
            world.step();
        }
        world.check_all();
    }
}
