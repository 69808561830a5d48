//! Definitions of a script that are made in one step, because they name each other.
//!
//! `upsert function even(n int) returns boolean => … odd(n - 1) …; upsert function odd(n int) returns boolean => … even(n - 1) …`: the first
//! statement makes both, and the second one finds its function made.
//!
//! Invariants: all of them are made, or none. They stand one directly behind another: nothing happens between them that would have
//! happened later otherwise.
//!
//! Does not: make definitions of the session, which see all of their script anyway, models, or modules, whose members see each other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gobi_grammar::ast::{Param, Routine, RoutineForm, Span, Statement, StatementKind as K};
use gobi_grammar::{Diagnostic, Dialect};

use super::define::{self, New};
use super::{Naming, Running, circles, models};
use crate::catalog::{Catalog, Entity, EntityId, MAIN_SCHEMA};
use crate::plan::NamedTypes;
use crate::procedure::{words_of, written_receiver};
use crate::session::relations::Relations;
use crate::session::store::View;
use crate::session::{Error, Session};

/// The definitions of a script that may be made together.
#[derive(Clone, Debug, Default)]
pub struct Together {
    script: Option<Arc<str>>,
    rows: Vec<Row>,
    /// The row of a statement, and its number there, by its place.
    places: HashMap<u32, (usize, usize)>,
    /// Statements that were made with others, and those, by their places.
    made: HashMap<u32, u32>,
    /// The names of all definitions of the script that the database is to have, in lower case, and where each is defined last.
    names: HashMap<String, u32>,
    /// Where the definition is that was looked for last.
    at: Option<u32>,
    /// What triggers of the script call the rows of their statements, in lower case.
    referred: HashSet<String>,
}

/// Definitions that stand one behind another.
#[derive(Clone, Debug)]
struct Row {
    members: Vec<Member>,
    /// What each of them names.
    named: Vec<Vec<usize>>,
    /// The circle that each of them is in.
    circles: Vec<usize>,
}

/// A definition of a script.
#[derive(Clone, Debug)]
pub struct Member {
    routine: Routine,
    span: Span,
    dialect: Dialect,
}

/// What a statement has to do with others.
pub enum Part {
    /// Nothing.
    Alone,
    /// It makes all of these.
    First(Vec<Member>),
    /// It was made with another one.
    Made,
}

impl Together {
    /// Those of a script.
    pub fn of_script(script: &Arc<str>, statements: &[(Statement, Dialect)]) -> Self {
        let mut found = Self {
            script: Some(script.clone()),
            ..Self::default()
        };
        let mut row: Vec<(&Routine, &Statement, Dialect)> = Vec::new();
        for (statement, dialect) in statements {
            if let K::Routine(routine) = &statement.kind
                && routine.form != RoutineForm::Local
            {
                let place = |name| (name, statement.span.start);
                found.names.extend(name_of(routine).map(place));
            }
            match &statement.kind {
                K::CreateTrigger(create) => {
                    let names = create.old_table.iter().chain(&create.new_table);
                    found.referred.extend(names.map(|name| name.text.to_lowercase()));
                    found.take(&std::mem::take(&mut row));
                }
                K::Routine(routine) if is_one(routine) => {
                    if row.iter().any(|(known, ..)| is_same(known, routine)) {
                        found.take(&std::mem::take(&mut row));
                    }
                    row.push((routine, statement, *dialect));
                }
                // How a text is to be read was seen when it was parsed.
                K::Set(set) if set.name.text.eq_ignore_ascii_case("dialect") => {}
                _ => found.take(&std::mem::take(&mut row)),
            }
        }
        found.take(&row);
        found
    }

    /// What a statement of a script has to do with others: with those that call each other, and with later ones that are not there, and that it,
    /// or one of them, cannot do without.
    pub fn of(&mut self, script: &Arc<str>, span: Span, is_there: &dyn Fn(&Member) -> bool) -> Part {
        self.at = Some(span.start);
        let is_script = self.script.as_ref().is_some_and(|own| Arc::ptr_eq(own, script));
        let place = self.places.get(&span.start).filter(|_| is_script);
        let Some((row, first)) = place.and_then(|(row, first)| Some((self.rows.get(*row)?, *first))) else {
            return Part::Alone;
        };
        if self.made.contains_key(&span.start) {
            return Part::Made;
        }
        let is_free = |at: usize| {
            let made = row.members.get(at).and_then(|member| self.made.get(&member.span.start));
            // A statement that is done again does all of it again.
            made.is_none_or(|by| *by == span.start)
        };
        let mut group = vec![first];
        let mut at = 0;
        while let Some(member) = group.get(at).copied() {
            let named = row.named.get(member).into_iter().flatten().copied();
            let wanted = |named: &usize| {
                let is_in_circle = row.circles.get(*named) == row.circles.get(member);
                is_in_circle || row.members.get(*named).is_some_and(|member| !is_there(member))
            };
            let later = named.filter(|named| *named > first && is_free(*named) && wanted(named));
            let later: Vec<usize> = later.filter(|named| !group.contains(named)).collect();
            group.extend(later);
            at += 1;
        }
        if group.len() < 2 {
            return Part::Alone;
        }
        group.sort_unstable();
        let members: Vec<Member> = group.iter().filter_map(|at| row.members.get(*at).cloned()).collect();
        let others = members.iter().skip(1).map(|member| (member.span.start, span.start));
        self.made.extend(others);
        Part::First(members)
    }

    /// Whether the script defines a function or procedure for the database behind a place.
    pub fn defines_behind(&self, place: u32, name: &str) -> bool {
        self.names.get(&name.to_lowercase()).is_some_and(|at| *at > place)
    }

    /// Whether it defines one behind the definition that is being made.
    pub fn defines_later(&self, name: &str) -> bool {
        self.at.is_some_and(|at| self.defines_behind(at, name))
    }

    /// The names of what is made with the definition at a place, in lower case.
    pub fn made_with(&self, place: u32) -> Vec<String> {
        let others = self.made.iter().filter(|(_, by)| **by == place);
        let member = |other: &u32| {
            let (row, at) = self.places.get(other)?;
            name_of(&self.rows.get(*row)?.members.get(*at)?.routine)
        };
        others.filter_map(|(other, _)| member(other)).collect()
    }

    /// Whether a name is one that the rows of a trigger's statement may have.
    pub fn may_be_rows(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let usual = ["inserted", "deleted", "updated", "new", "old", "newtab", "oldtab"];
        self.referred.contains(&name) || usual.contains(&&*name)
    }

    /// Definitions that stand one behind another.
    fn take(&mut self, row: &[(&Routine, &Statement, Dialect)]) {
        if row.len() < 2 {
            return;
        }
        let named = named_by_each(row);
        let mut of_each = vec![0; row.len()];
        for (number, circle) in circles(&named).iter().enumerate() {
            for member in circle {
                of_each.get_mut(*member).into_iter().for_each(|of| *of = number);
            }
        }
        for (at, (_, statement, _)) in row.iter().enumerate() {
            self.places.insert(statement.span.start, (self.rows.len(), at));
        }
        let member = |(routine, statement, dialect): &(&Routine, &Statement, Dialect)| Member {
            routine: (*routine).clone(),
            span: statement.span,
            dialect: *dialect,
        };
        self.rows.push(Row {
            members: row.iter().map(member).collect(),
            named,
            circles: of_each,
        });
    }
}

/// Whether a catalog has a definition of the same name, and receiver.
pub fn is_there(catalog: &Catalog, member: &Member, types: &NamedTypes) -> bool {
    let routine = &member.routine;
    let name = routine.name.last().map_or("", |name| &name.text);
    let receiver = routine.receiver.as_ref();
    let receiver = receiver.map(|ty| written_receiver(ty, member.dialect, types).map(|ty| ty.to_string()));
    // What is wrong with a receiver is told where it is made.
    let Ok(receiver) = receiver.transpose() else {
        return false;
    };
    let known = catalog.routines(MAIN_SCHEMA, name);
    known.iter().any(|(_, def)| def.receiver == receiver)
}

/// Whether a definition may be made together with others.
fn is_one(routine: &Routine) -> bool {
    routine.form != RoutineForm::Local && !routine.is_model() && routine.name.len() == 1
}

/// Whether two definitions are of the same name and receiver.
fn is_same(one: &Routine, other: &Routine) -> bool {
    let receiver = |routine: &Routine| routine.receiver.as_ref().map(|ty| ty.to_string().to_lowercase());
    name_of(one) == name_of(other) && receiver(one) == receiver(other)
}

fn name_of(routine: &Routine) -> Option<String> {
    routine.name.last().map(|name| name.text.to_lowercase())
}

/// The numbers of the definitions that each of some names.
fn named_by_each(row: &[(&Routine, &Statement, Dialect)]) -> Vec<Vec<usize>> {
    let mut numbers: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, (routine, ..)) in row.iter().enumerate() {
        let name = name_of(routine).unwrap_or_default();
        numbers.entry(name).or_default().push(number);
    }
    let named = |(routine, statement, dialect): &(&Routine, &Statement, Dialect)| {
        let mut words = words_of(statement, *dialect);
        for Param { name, .. } in &routine.params {
            words.remove(&name.text.to_lowercase());
        }
        let named = words.iter().filter_map(|word| numbers.get(word));
        named.flatten().copied().collect()
    };
    row.iter().map(named).collect()
}

/// Makes all of a group, or nothing.
pub fn store(session: &mut Session, members: &[Member], view: &mut View, running: Running) -> Result<(), Error> {
    let mut made = Vec::new();
    for member in members {
        let running = Running {
            span: member.span,
            dialect: member.dialect,
            ..running
        };
        if let Some(new) = New::read(session, &member.routine, view, running)? {
            // What the others name is there before it is checked.
            let def = new.def(String::new(), Naming::default());
            let id = new.put(&mut view.changes.catalog, def)?;
            made.push((id, new));
        }
    }
    let outer = session.relations.view.replace(view.clone());
    let checked = checked(session, &made);
    session.relations.view = outer;
    let catalog = &mut view.changes.catalog;
    let mut defs = Vec::new();
    for ((id, new), (signature, named)) in made.iter().zip(checked?) {
        let def = new.def(signature, named);
        // The name stays, so nothing else has it.
        drop(catalog.replace(*id, Entity::Routine(def.clone())));
        defs.push((*id, new, def));
    }
    for (id, new, mut def) in defs {
        let (names, writes) = (def.names, def.writes);
        let mut named = Naming { names, writes };
        named.settle(catalog, |named| named == id, new.definition.words());
        (def.names, def.writes) = (named.names, named.writes);
        drop(catalog.replace(id, Entity::Routine(def)));
        define::warn(session, models::unscheduled(&new.definition), running);
    }
    Ok(())
}

/// The signature of each, and what it names; everything that is wrong with any of them.
fn checked(session: &mut Session, made: &[(EntityId, New<'_>)]) -> Result<Vec<(String, Naming)>, Error> {
    session.relations.refresh_routines();
    let kept = session.relations.routines.known.clone();
    let mut known = kept.stored_only();
    made.iter()
        .for_each(|(_, new)| known.try_stored(new.definition.clone()));
    session.relations.routines.known = known;
    let (mut found, mut warnings, mut wrong) = (Vec::new(), Vec::new(), Vec::<Diagnostic>::new());
    for (_, new) in made {
        match Relations::as_kept(session, |session| define::checked(session, &new.definition)) {
            Ok((callable, named)) => found.push((define::kept_signature(&new.definition, callable.as_ref()), named)),
            Err(error) => wrong.extend(error.diagnostics),
        }
        warnings.append(&mut session.relations.routines.warnings);
    }
    session.relations.routines.known = kept;
    session.relations.routines.warnings = warnings;
    let mut said = Vec::new();
    wrong.retain(|diagnostic| {
        let is_new = !said.contains(diagnostic);
        said.push(diagnostic.clone());
        is_new
    });
    match wrong.is_empty() {
        true => Ok(found),
        false => Err(define::of_session(session, Error::all(wrong))),
    }
}
