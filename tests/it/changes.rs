//! Random changes of rows against a model: two small tables with keys, checks, defaults, a generated column, and a foreign key.
//!
//! `UPDATE p SET k = k + 7 WHERE n < 3` runs in a session, and in a model that is two maps; then both have the same rows, or both
//! have refused the statement, for a reason that the model knows.
//!
//! Invariants: a failure prints its seed and all statements so far, which are a script that shows it again.
//!
//! Does not: run transactions side by side; `isolation` and `foreign_keys` do.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use gobi::client::{Client, Error, JitMode, Session, Settings, StatementResult, cells};

/// A row of `p`, without its key `k`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parent {
    u: Option<String>,
    n: i64,
}

/// A row of `c`, without its key `id`, and the generated `g`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Child {
    k: Option<i64>,
    v: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnKey {
    Refuse,
    Cascade,
    SetNull,
    SetDefault,
}

const ACTIONS: [(OnKey, &str); 4] = [
    (OnKey::Refuse, "NO ACTION"),
    (OnKey::Cascade, "CASCADE"),
    (OnKey::SetNull, "SET NULL"),
    (OnKey::SetDefault, "SET DEFAULT"),
];

/// The key that `c.k` has by default.
const DEFAULT_KEY: i64 = 3;

#[derive(Clone, Debug)]
struct Model {
    p: BTreeMap<i64, Parent>,
    c: BTreeMap<i64, Child>,
    on_delete: OnKey,
    on_update: OnKey,
}

/// A statement: its text, and what it makes of the model; the number of rows, or codes of which it fails with one.
type Outcome = Result<usize, BTreeSet<&'static str>>;

/// Rows of `p` after a statement: what each old key became, and rows that are new.
struct Parents {
    changed: Vec<(i64, Option<(i64, Parent)>)>,
    added: Vec<(i64, Parent)>,
}

impl Model {
    /// Puts rows of `p` in the place of others, and does what the foreign key says.
    fn parents(&mut self, change: Parents) -> Outcome {
        let mut codes = BTreeSet::new();
        let mut next = self.clone();
        for (key, _) in &change.changed {
            next.p.remove(key);
        }
        let kept = change.changed.iter().filter_map(|(_, new)| new.clone());
        for (key, row) in kept.chain(change.added.iter().cloned()) {
            if row.n < 0 {
                codes.insert("23514");
            }
            if next.p.insert(key, row).is_some() {
                codes.insert("23505");
            }
        }
        let mut texts = BTreeSet::new();
        if next
            .p
            .values()
            .filter_map(|row| row.u.clone())
            .any(|u| !texts.insert(u))
        {
            codes.insert("23505");
        }
        let old = self.c.clone();
        for (id, child) in &old {
            let Some(key) = child.k else { continue };
            let found = change.changed.iter().find(|(old, _)| *old == key);
            let (action, new) = match found {
                None => continue,
                Some((_, Some((new, _)))) if *new == key => continue,
                Some((_, Some((new, _)))) => (self.on_update, Some(*new)),
                Some((_, None)) => (self.on_delete, None),
            };
            let Some(row) = next.c.get_mut(id) else { continue };
            match (action, new) {
                (OnKey::Refuse, _) => {
                    if !next.p.contains_key(&key) {
                        codes.insert("23503");
                    }
                }
                (OnKey::Cascade, Some(new)) => row.k = Some(new),
                (OnKey::Cascade, None) => drop(next.c.remove(id)),
                (OnKey::SetNull, _) => row.k = None,
                (OnKey::SetDefault, _) => row.k = Some(DEFAULT_KEY),
            }
        }
        codes.extend(next.orphans());
        self.become_if(next, codes, change.changed.len() + change.added.len())
    }

    /// Puts another `c` in the place of the one that is there.
    fn children(&mut self, c: Vec<(i64, Child)>, rows: usize) -> Outcome {
        let mut codes = BTreeSet::new();
        let mut next = Model {
            c: BTreeMap::new(),
            ..self.clone()
        };
        for (id, row) in c {
            if next.c.insert(id, row.clone()).is_some() {
                codes.insert("23505");
            }
            if row.v.is_some_and(|v| v >= 50) {
                codes.insert("23514");
            }
            if row.k.is_some_and(|k| !self.p.contains_key(&k)) {
                codes.insert("23503");
            }
        }
        self.become_if(next, codes, rows)
    }

    fn orphans(&self) -> Option<&'static str> {
        let mut keys = self.c.values().filter_map(|row| row.k);
        keys.any(|key| !self.p.contains_key(&key)).then_some("23503")
    }

    fn become_if(&mut self, next: Model, codes: BTreeSet<&'static str>, rows: usize) -> Outcome {
        if codes.is_empty() {
            *self = next;
            return Ok(rows);
        }
        Err(codes)
    }

    /// The rows as a session shows them.
    fn rows(&self) -> Vec<String> {
        let text = |value: &Option<i64>| value.map_or("NULL".into(), |value| value.to_string());
        let p = self.p.iter().map(|(k, row)| {
            let u = row.u.clone().unwrap_or("NULL".into());
            format!("{k} {u} {}", row.n)
        });
        let c = self.c.iter().map(|(id, row)| {
            let g = row.v.map(|v| v * 2);
            format!("{id} {} {} {}", text(&row.k), text(&row.v), text(&g))
        });
        p.chain(c).collect()
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn int(&mut self, n: u64) -> i64 {
        self.below(n).try_into().unwrap()
    }

    fn text(&mut self) -> Option<String> {
        (self.below(3) > 0).then(|| format!("u{}", self.below(8)))
    }
}

fn literal(text: &Option<String>) -> String {
    text.as_ref().map_or("NULL".into(), |text| format!("'{text}'"))
}

fn number(value: Option<i64>) -> String {
    value.map_or("NULL".into(), |value| value.to_string())
}

/// Rows of `(k, u, n)`, as texts and as they are.
fn proposed(random: &mut Random) -> (String, Vec<(i64, Parent)>) {
    let (mut text, mut rows) = (String::new(), Vec::new());
    for i in 0..=random.below(3) {
        let (k, u) = (random.int(10), random.text());
        let n = (random.below(4) > 0).then(|| random.int(9) - 1);
        let shown = n.map_or("DEFAULT".into(), |n| n.to_string());
        let comma = if i > 0 { ", " } else { "" };
        write!(text, "{comma}({k}, {}, {shown})", literal(&u)).unwrap();
        rows.push((k, Parent { u, n: n.unwrap_or(5) }));
    }
    (text, rows)
}

fn insert_parents(random: &mut Random, model: &mut Model) -> (String, Outcome) {
    let (values, rows) = proposed(random);
    let text = format!("INSERT INTO p VALUES {values}");
    match random.below(4) {
        0 => {
            let added = rows;
            let changed = Vec::new();
            (text, model.parents(Parents { changed, added }))
        }
        1 => {
            let mut taken: Vec<(i64, Option<String>)> = model.p.iter().map(|(k, row)| (*k, row.u.clone())).collect();
            let mut added = Vec::new();
            for (k, row) in rows {
                let conflicts = |(key, u): &(i64, Option<String>)| *key == k || row.u.is_some() && *u == row.u;
                if !taken.iter().any(conflicts) {
                    taken.push((k, row.u.clone()));
                    added.push((k, row));
                }
            }
            let changed = Vec::new();
            let outcome = model.parents(Parents { changed, added });
            (format!("{text} ON CONFLICT DO NOTHING"), outcome)
        }
        way => {
            let below = random.int(8);
            let (mut keys, mut twice) = (BTreeSet::new(), false);
            let (mut changed, mut added) = (Vec::new(), Vec::new());
            for (k, row) in rows {
                let stays = model.p.get(&k).is_none_or(|old| way == 2 || old.n < below);
                twice |= stays && !keys.insert(k);
                match model.p.get(&k) {
                    None => added.push((k, row)),
                    Some(_) if way == 2 => changed.push((k, Some((k, row)))),
                    Some(old) if old.n < below => {
                        let n = old.n + row.n;
                        changed.push((k, Some((k, Parent { n, ..old.clone() }))));
                    }
                    Some(_) => {}
                }
            }
            let text = match way {
                2 => format!("UPSERT INTO p VALUES {values}"),
                _ => format!("{text} ON CONFLICT (k) DO UPDATE SET n = p.n + excluded.n WHERE p.n < {below}"),
            };
            let outcome = match twice {
                // Which of several errors comes first is not laid down.
                true => Err(BTreeSet::from(["21000", "23514", "23505", "23503"])),
                false => model.parents(Parents { changed, added }),
            };
            (text, outcome)
        }
    }
}

fn update_parents(random: &mut Random, model: &mut Model) -> (String, Outcome) {
    let bound = random.int(10);
    let hit: Vec<(i64, Parent)> = model
        .p
        .iter()
        .filter(|(k, _)| **k < bound)
        .map(|(k, row)| (*k, row.clone()))
        .collect();
    let added = Vec::new();
    let by = random.int(7) - 3;
    let (set, changed): (String, Vec<_>) = match random.below(4) {
        0 => {
            let new = |(k, row): (i64, Parent)| (k, Some((k + by, row)));
            (format!("UPDATE p SET k = k + {by}"), hit.into_iter().map(new).collect())
        }
        1 => {
            let new = |(k, row): (i64, Parent)| (k, Some((k, Parent { n: row.n + by, ..row })));
            (format!("UPDATE p SET n = n + {by}"), hit.into_iter().map(new).collect())
        }
        2 => {
            let u = random.text();
            let text = format!("UPDATE p SET (u, n) = ({}, DEFAULT)", literal(&u));
            let new = |(k, _): (i64, Parent)| (k, Some((k, Parent { u: u.clone(), n: 5 })));
            (text, hit.into_iter().map(new).collect())
        }
        _ => (
            "DELETE FROM p".into(),
            hit.into_iter().map(|(k, _)| (k, None)).collect(),
        ),
    };
    let text = format!("{set} WHERE k < {bound}");
    (text, model.parents(Parents { changed, added }))
}

fn merge_parents(random: &mut Random, model: &mut Model) -> (String, Outcome) {
    let (mut values, mut rows) = (String::new(), BTreeMap::new());
    for _ in 0..=random.below(4) {
        let (k, n) = (random.int(10), random.int(7));
        if let Entry::Vacant(place) = rows.entry(k) {
            place.insert(n);
            let comma = if values.is_empty() { "" } else { ", " };
            write!(values, "{comma}({k}, {n})").unwrap();
        }
    }
    let (mut changed, mut added) = (Vec::new(), Vec::new());
    let keys: BTreeSet<i64> = rows.keys().copied().collect();
    for (k, n) in rows {
        match model.p.get(&k) {
            Some(_) if n == 0 => changed.push((k, None)),
            Some(row) => changed.push((
                k,
                Some((
                    k,
                    Parent {
                        n: row.n - n,
                        ..row.clone()
                    },
                )),
            )),
            None if n < 4 => added.push((k, Parent { u: None, n: 5 })),
            None => {}
        }
    }
    // Now and then rows of `p` that the source has not are changed too.
    let by_source = match random.below(3) {
        0 => {
            let rest = model.p.iter().filter(|(k, _)| !keys.contains(*k));
            changed.extend(rest.map(|(k, row)| {
                let n = row.n + 1;
                (*k, (row.n < 6).then(|| (*k, Parent { n, ..row.clone() })))
            }));
            " WHEN NOT MATCHED BY SOURCE AND p.n >= 6 THEN DELETE WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = p.n + 1"
        }
        _ => "",
    };
    let text = format!(
        "MERGE INTO p USING (VALUES {values}) AS s(k, n) ON p.k = s.k WHEN MATCHED AND s.n = 0 THEN DELETE \
         WHEN MATCHED THEN UPDATE SET n = p.n - s.n WHEN NOT MATCHED AND s.n < 4 THEN INSERT (k) VALUES (s.k){by_source}"
    );
    (text, model.parents(Parents { changed, added }))
}

fn change_children(random: &mut Random, model: &mut Model) -> (String, Outcome) {
    let all = || model.c.iter().map(|(id, row)| (*id, row.clone()));
    let bound = random.int(12);
    let hits = model.c.keys().filter(|id| **id < bound).count();
    match random.below(6) {
        0 | 1 => {
            let (mut text, mut rows) = (String::new(), all().collect::<Vec<_>>());
            let count = random.below(3) + 1;
            for i in 0..count {
                let (id, k) = (random.int(12), (random.below(4) > 0).then(|| random.int(10)));
                let v = (random.below(4) > 0).then(|| random.int(52));
                let comma = if i > 0 { ", " } else { "" };
                write!(text, "{comma}({id}, {}, {})", number(k), number(v)).unwrap();
                rows.push((id, Child { k, v }));
            }
            let outcome = model.children(rows, count.try_into().unwrap());
            (format!("INSERT INTO c (id, k, v) VALUES {text}"), outcome)
        }
        2 => {
            let by = random.int(30);
            let rows = all().map(|(id, row)| match id < bound {
                true => (
                    id,
                    Child {
                        v: row.v.map(|v| v + by),
                        ..row
                    },
                ),
                false => (id, row),
            });
            let rows = rows.collect();
            (
                format!("UPDATE c SET v = v + {by} WHERE id < {bound}"),
                model.children(rows, hits),
            )
        }
        3 => {
            let k = random.int(10);
            let rows = all().map(|(id, row)| match id < bound {
                true => (id, Child { k: Some(k), ..row }),
                false => (id, row),
            });
            let rows = rows.collect();
            (
                format!("UPDATE c SET k = {k} WHERE id < {bound}"),
                model.children(rows, hits),
            )
        }
        4 => {
            let partner = |row: &Child| row.k.and_then(|k| model.p.get(&k));
            let hits = model.c.values().filter(|row| partner(row).is_some()).count();
            let rows = all().map(|(id, row)| match partner(&row) {
                Some(parent) => (
                    id,
                    Child {
                        v: Some(parent.n * 9),
                        ..row
                    },
                ),
                None => (id, row),
            });
            let rows = rows.collect();
            (
                "UPDATE c SET v = p.n * 9 FROM p WHERE c.k = p.k".into(),
                model.children(rows, hits),
            )
        }
        _ => {
            let rows = all().filter(|(id, _)| *id >= bound).collect();
            (format!("DELETE FROM c WHERE id < {bound}"), model.children(rows, hits))
        }
    }
}

/// Runs a script; rows as texts, and how many rows were changed.
fn run(session: &mut Session, script: &str) -> Result<(Vec<String>, usize), Error> {
    let (mut shown, mut affected) = (Vec::new(), 0);
    for result in session.execute(script) {
        match result? {
            StatementResult::RowsAffected(rows) => affected = rows.try_into().unwrap(),
            StatementResult::Done => {}
            StatementResult::Rows(stream) => {
                let fields = stream.fields().to_vec();
                for batch in stream {
                    let batch = batch?;
                    for row in 0..batch.num_rows() {
                        let cells = batch.columns().iter().zip(&fields);
                        let cells = cells.map(|(array, field)| cells::text(array, row, &field.ty));
                        let cells = cells.map(|text| text.unwrap_or("NULL".into()));
                        shown.push(cells.collect::<Vec<_>>().join(" "));
                    }
                }
            }
        }
    }
    Ok((shown, affected))
}

fn history(seed: u64, steps: usize) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        jit: JitMode::Off,
        threads: 1,
        ..Settings::default()
    };
    let client = Client::embedded(settings, Some(folder.path().join("db")));
    let mut session = client.session();
    let mut random = Random(seed);
    let (on_delete, delete_text) = ACTIONS[random.below(4) as usize];
    let (on_update, update_text) = ACTIONS[random.below(4) as usize];
    let mut model = Model {
        p: BTreeMap::new(),
        c: BTreeMap::new(),
        on_delete,
        on_update,
    };
    let mut script = format!(
        "CREATE TABLE p (k int PRIMARY KEY, u string UNIQUE, n int DEFAULT 5 CHECK (n >= 0));
CREATE TABLE c (id int PRIMARY KEY, k int DEFAULT {DEFAULT_KEY} REFERENCES p ON DELETE {delete_text} ON UPDATE {update_text},
  v int CHECK (v < 50), g int GENERATED ALWAYS AS (v * 2));\n"
    );
    run(&mut session, &script).unwrap();
    let mut saved: Option<Model> = None;
    for _ in 0..steps {
        if random.below(8) == 0 {
            let end = if random.below(2) == 0 { "COMMIT" } else { "ROLLBACK" };
            let text = if saved.is_some() { end } else { "BEGIN" };
            writeln!(script, "{text};").unwrap();
            run(&mut session, text).unwrap();
            saved = match saved.take() {
                None => Some(model.clone()),
                Some(before) => {
                    model = if text == "ROLLBACK" { before } else { model };
                    None
                }
            };
            continue;
        }
        let (text, wanted) = match random.below(6) {
            0 | 1 => insert_parents(&mut random, &mut model),
            2 => update_parents(&mut random, &mut model),
            3 => merge_parents(&mut random, &mut model),
            _ => change_children(&mut random, &mut model),
        };
        writeln!(script, "{text};").unwrap();
        if saved.is_some() {
            run(&mut session, "SAVEPOINT s").unwrap();
        }
        let found = run(&mut session, &text);
        match (&found, &wanted) {
            (Ok((_, rows)), Ok(wanted)) => assert_eq!(rows, wanted, "seed {seed}\n{script}"),
            (Err(error), Err(codes)) if codes.contains(error.code()) => {
                if saved.is_some() {
                    run(&mut session, "ROLLBACK TO s").unwrap();
                }
            }
            _ => panic!("seed {seed}: {found:?} instead of {wanted:?}\n{script}"),
        }
        let (rows, _) = run(&mut session, "FROM p ORDER BY k; FROM c ORDER BY id").unwrap();
        assert_eq!(rows, model.rows(), "seed {seed}\n{script}");
    }
}

#[test]
fn random_changes_leave_what_a_model_says() {
    for seed in 0..16 {
        history(seed, 60);
    }
}
