//! What the timeline is for, beside the model: branches, merges, going back, reading the past, giving it up.
//!
//! `Op::Merge { from: 1, pick: 0 }` runs `MERGE BRANCH w1`; what comes of it is computed from the three models of the commits.
//!
//! Invariants: every commit of every branch is in the history with its model, so a branch's model is that of its commit.
//!
//! Does not: know how rows are stored.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;
use std::sync::Arc;

use arrow::array::AsArray;
use gobi::catalog::EntityId;
use gobi::client::{Error, StatementResult};
use gobi::store::StoreError;
use gobi::store::database::Database;
use gobi::store::object::CommitId;
use gobi::store::timeline::RefKind;

use super::{Model, Rows, World, contents, run};

/// Branches that are worked on.
pub const BRANCHES: [&str; 3] = ["main", "w1", "w2"];
/// History that is kept, in microseconds of a clock that goes on by ten each time it is read.
const KEEP_US: i64 = 150;

fn text(error: StoreError) -> String {
    error.to_string()
}

/// How often what is rare came about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Merges after which the branch held something else.
    pub merged: u32,
    /// Merges that found rows that both changed.
    pub conflicts: u32,
    /// Goings back that changed what the branch held.
    pub rolled_back: u32,
    /// Reads of what had been given up.
    pub given_up: u32,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            merged: self.merged + other.merged,
            conflicts: self.conflicts + other.conflicts,
            rolled_back: self.rolled_back + other.rolled_back,
            given_up: self.given_up + other.given_up,
        }
    }
}

/// A state, and which table is which.
struct State {
    model: Arc<Model>,
    ids: BTreeMap<EntityId, String>,
}

impl State {
    fn rows(&self, id: EntityId) -> Option<(&String, &Arc<Rows>)> {
        let name = self.ids.get(&id)?;
        Some((name, self.model.get(name)?))
    }
}

/// What a merge must come to.
struct Expected {
    model: Model,
    /// Rows that both changed.
    conflicts: bool,
    /// Two tables of one name.
    names: bool,
    /// A table was dropped that the other side may have touched.
    dropped: bool,
}

impl World {
    /// The model of a commit.
    pub fn model_of(&self, commit: CommitId) -> Option<Arc<Model>> {
        let history = self.history.lock().unwrap();
        let found = history.iter().rev().find(|(known, _)| *known == commit);
        found.map(|(_, model)| Arc::clone(model))
    }

    /// The database and the newest commit of the branch in use, if there is one.
    fn tip(&self) -> Result<Option<(Arc<Database>, CommitId)>, String> {
        let Some(database) = self.database().map_err(text)? else {
            return Ok(None);
        };
        let tip = database.timeline().unwrap().resolve(RefKind::Branch, &self.branch);
        Ok(tip.map(|tip| (database, tip)))
    }

    /// USE BRANCH, after CREATE BRANCH if need be.
    pub fn use_branch(&mut self, branch: u8) -> Result<(), String> {
        let name = BRANCHES[usize::from(branch) % BRANCHES.len()];
        let Some((database, _)) = self.tip()? else {
            return Ok(());
        };
        let failed = |error: Error| format!("{error:?}");
        if database.timeline().unwrap().resolve(RefKind::Branch, name).is_none() {
            run(&mut self.session, &format!("CREATE BRANCH {name}")).map_err(failed)?;
        }
        run(&mut self.session, &format!("USE BRANCH {name}")).map_err(failed)?;
        self.branch = name.into();
        self.take_model(&database)
    }

    /// Takes the model of the branch in use.
    fn take_model(&mut self, database: &Database) -> Result<(), String> {
        let tip = database.timeline().unwrap().resolve(RefKind::Branch, &self.branch);
        let model = tip.and_then(|tip| self.model_of(tip));
        self.model = Model::clone(&*model.ok_or("a branch is at an unknown commit")?);
        Ok(())
    }

    /// After an error: what is there is what was acknowledged, or what was under way.
    pub fn recover_branch(&mut self) -> Result<(), String> {
        let under_way = self.witness.lock().unwrap().under_way.take();
        let Some((database, tip)) = self.tip()? else {
            return Ok(());
        };
        let found = contents(&mut self.session, &database, Some(tip))?;
        match (self.model_of(tip), under_way) {
            (Some(model), _) => {
                assert_eq!(found, *model, "what was acknowledged is another");
                self.model = found;
                Ok(())
            }
            (None, Some(model)) => {
                assert_eq!(found, *model, "neither what was acknowledged nor what was under way");
                self.model = found;
                self.settle(model).map_err(text)
            }
            (None, None) => Err("a commit that nobody made".into()),
        }
    }

    /// ROLLBACK TO a commit of the history, which must be one of the branch, and kept.
    pub fn roll_back(&mut self, to: u8) -> Result<(), String> {
        let Some((database, tip)) = self.tip()? else {
            return Ok(());
        };
        let (commit, model) = self.past(to);
        let timeline = database.timeline().unwrap();
        let height = timeline.commit_record(commit).map_err(text)?.height;
        let is_past = timeline.at_height(tip, height).map_err(text)? == Some(commit);
        let can = is_past && timeline.check_kept(commit).is_ok();
        self.witness.lock().unwrap().under_way = can.then(|| Arc::clone(&model));
        match run(&mut self.session, &format!("ROLLBACK TO COMMIT '{commit}'")) {
            Ok(()) => {
                assert!(can, "rolled back to a commit that is not of the branch");
                self.tally.rolled_back += u32::from(self.model != *model);
                self.model = Model::clone(&model);
                self.settle(model).map_err(text)
            }
            Err(error) if !can && error.diagnostics[0].code == "22023" => Ok(()),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    fn past(&self, at: u8) -> (CommitId, Arc<Model>) {
        let history = self.history.lock().unwrap();
        history[usize::from(at) * history.len() / 256].clone()
    }

    /// AS OF any commit there ever was.
    pub fn read_past(&mut self, at: u8) -> Result<(), String> {
        let Some((database, _)) = self.tip()? else {
            return Ok(());
        };
        let (commit, model) = self.past(at);
        if database.timeline().unwrap().check_kept(commit).is_ok() {
            assert_eq!(
                contents(&mut self.session, &database, Some(commit))?,
                *model,
                "as of {commit}"
            );
            return Ok(());
        }
        for table in model.keys() {
            let query = format!("SELECT k FROM {table} AS OF COMMIT '{commit}'");
            let error = run(&mut self.session, &query).expect_err("it was given up");
            assert_eq!(error.diagnostics[0].code, "22023", "{error:?}");
            self.tally.given_up += 1;
        }
        Ok(())
    }

    /// Gives old history up.
    pub fn expire(&mut self) -> Result<(), String> {
        match self.tip()? {
            Some((database, _)) => database.collect(Some(KEEP_US), false).map(drop).map_err(text),
            None => Ok(()),
        }
    }

    /// MERGE BRANCH into the one in use.
    pub fn merge(&mut self, from: u8, pick: u8) -> Result<(), String> {
        let name = BRANCHES[usize::from(from) % BRANCHES.len()];
        let Some((database, tip)) = self.tip()? else {
            return Ok(());
        };
        let Some(theirs) = database.timeline().unwrap().resolve(RefKind::Branch, name) else {
            return Ok(());
        };
        let base = database.timeline().unwrap().merge_base(tip, theirs).map_err(text)?;
        let base = base.expect("branches begin somewhere");
        let state = |commit| self.state(&database, commit);
        let (base, ours, theirs) = (state(base)?, state(tip)?, state(theirs)?);
        let mut pick = [None, Some(true), Some(false)][usize::from(pick) % 3];
        let mut expected = expected_of(&base, &ours, &theirs, pick);
        if expected.dropped && pick.is_some() {
            // Whether the table comes back depends on more than its rows.
            pick = None;
            expected = expected_of(&base, &ours, &theirs, pick);
        }
        let after = Arc::new(expected.model.clone());
        self.witness.lock().unwrap().under_way = Some(Arc::clone(&after));
        let using = match pick {
            None => "",
            Some(true) => " USING OURS",
            Some(false) => " USING THEIRS",
        };
        let kinds = conflicts(self, &format!("MERGE BRANCH {name}{using}")).map_err(|error| format!("{error:?}"))?;
        let others = kinds.iter().any(|kind| kind != "row");
        assert!(!others || expected.names || expected.dropped, "{kinds:?}");
        assert!(!expected.names || others, "two tables of one name were merged");
        if !others {
            assert_eq!(!kinds.is_empty(), expected.conflicts, "{kinds:?}");
        }
        if !kinds.is_empty() {
            self.tally.conflicts += u32::from(expected.conflicts);
            self.witness.lock().unwrap().under_way = None;
            return Ok(());
        }
        self.tally.merged += u32::from(self.model != expected.model);
        self.model = expected.model;
        self.settle(after).map_err(text)?;
        let found = database.timeline().unwrap().resolve(RefKind::Branch, &self.branch);
        let found = contents(&mut self.session, &database, found)?;
        assert_eq!(found, self.model, "after merging {name}");
        Ok(())
    }

    fn state(&self, database: &Database, commit: CommitId) -> Result<State, String> {
        let snapshot = database.snapshot(commit).map_err(text)?;
        let tables = snapshot.catalog().entries();
        let tables = tables.filter(|entry| snapshot.catalog().table(entry.id).is_some());
        Ok(State {
            model: self.model_of(commit).ok_or("an unknown commit")?,
            ids: tables
                .map(|entry| (entry.id, entry.entity.name().to_string()))
                .collect(),
        })
    }
}

fn conflicts(world: &mut World, script: &str) -> Result<Vec<String>, Error> {
    let mut kinds = Vec::new();
    for result in world.session.execute(script) {
        if let StatementResult::Rows(stream) = result? {
            for batch in stream {
                let batch = batch?;
                let column = batch.column(1).as_string_view();
                kinds.extend(column.iter().flatten().map(String::from));
            }
        }
    }
    Ok(kinds)
}

fn expected_of(base: &State, ours: &State, theirs: &State, pick: Option<bool>) -> Expected {
    let mut expected = Expected {
        model: Model::new(),
        conflicts: false,
        names: false,
        dropped: false,
    };
    let all = [base, ours, theirs]
        .into_iter()
        .flat_map(|state| state.ids.keys().copied());
    for id in all.collect::<BTreeSet<_>>() {
        let (b, o, t) = (base.rows(id), ours.rows(id), theirs.rows(id));
        let merged = match (b, o, t) {
            (None, Some(only), None) | (None, None, Some(only)) => Some((only.0, Arc::clone(only.1))),
            (_, Some(o), Some(t)) => {
                let none = Arc::default();
                let rows = rows(b.map_or(&none, |b| b.1), o.1, t.1, pick);
                expected.conflicts |= rows.is_none();
                Some((o.0, Arc::new(rows.unwrap_or_default())))
            }
            (Some(_), _, _) => {
                expected.dropped |= o.is_some() || t.is_some();
                None
            }
            (None, None, None) => None,
        };
        let Some((name, rows)) = merged else { continue };
        // Both made a table of that name.
        let is_taken = match pick {
            _ if !expected.model.contains_key(name) => true,
            None => {
                expected.names = true;
                false
            }
            Some(is_ours) => o.is_some() == is_ours,
        };
        if is_taken {
            expected.model.insert(name.clone(), rows);
        }
    }
    expected
}

/// The rows of both; `None` if both changed one, each otherwise, and nobody says whose is taken.
fn rows(base: &Rows, ours: &Rows, theirs: &Rows, pick: Option<bool>) -> Option<Rows> {
    let mut merged = Rows::new();
    let keys: BTreeSet<i64> = [base, ours, theirs]
        .into_iter()
        .flat_map(|rows| rows.keys().copied())
        .collect();
    for key in keys {
        let (b, o, t) = (base.get(&key), ours.get(&key), theirs.get(&key));
        let row = match pick {
            _ if t == b || o == t => o,
            _ if o == b => t,
            Some(true) => o,
            Some(false) => t,
            None => return None,
        };
        merged.extend(row.map(|row| (key, Arc::clone(row))));
    }
    Some(merged)
}
