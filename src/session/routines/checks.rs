//! What was found out about the functions of a session while others were checked.
//!
//! In a script of a hundred functions, each of which calls the next one, checking the first one checks all: what the others are for the types
//! that it calls them with is kept for their own turns.
//!
//! The same goes for functions that the database keeps, each of which is a commit: those that it has already are not checked again because of
//! another one that they do not name.
//!
//! Invariants: it is given up when anything changes that functions name: other functions, types, tables.
//!
//! Does not: check.

use std::sync::Arc;

use super::known::Functions;
use crate::catalog::{Catalog, Entity, EntityId, Entry};
use crate::procedure::{Definition, Instances};
use crate::session::relations::Relations;
use crate::session::store::View;

/// The routines made for definitions so far, and what they were made of.
#[derive(Debug)]
pub struct Checks {
    instances: Instances,
    functions: Functions,
    catalogs: Vec<Catalog>,
}

/// The same for definitions of the database.
#[derive(Debug)]
pub struct StoredChecks {
    instances: Instances,
    functions: Functions,
    catalogs: Vec<Catalog>,
    /// The function that was checked last, which the first of the catalogs does not have yet: its name, and its text.
    last: (String, String),
}

impl Relations {
    /// The routines of the definitions that were checked before they were kept, if they are what they were and do not name this one.
    pub fn take_stored_checks(&mut self, definition: &Definition) -> Instances {
        let kept = self.routines.stored_checks.take().filter(|checks| checks.is_of(self));
        let name = definition.name.to_lowercase();
        match kept {
            Some(checks) if !is_mentioned(&checks.instances, &name) => checks.instances,
            _ => Instances::shared(Arc::new(self.routines.known.clone())),
        }
    }

    /// Keeps them for the next definition.
    pub fn keep_stored_checks(&mut self, instances: Instances, name: &str, text: &str) {
        self.routines.stored_checks = Some(StoredChecks {
            instances,
            functions: self.routines.functions(),
            catalogs: self.databases().map(View::catalog).cloned().collect(),
            last: (name.to_lowercase(), text.to_owned()),
        });
    }

    /// The routines of the definitions that were checked before, if they still are what they were, or none.
    pub fn take_checks(&mut self) -> Instances {
        self.refresh_routines();
        let kept = self.routines.checks.take().filter(|checks| checks.is_of(self));
        match kept {
            Some(checks) => checks.instances,
            None => Instances::shared(Arc::new(self.routines.known.clone())),
        }
    }

    /// Keeps them for the next definition.
    pub fn keep_checks(&mut self, instances: Instances) {
        self.routines.checks = Some(Checks {
            instances,
            functions: self.routines.functions(),
            catalogs: self.databases().map(View::catalog).cloned().collect(),
        });
    }
}

/// Whether a name, in lower case, is that of a definition which was checked, or a word in one.
fn is_mentioned(instances: &Instances, name: &str) -> bool {
    let mut made_of = instances.made_of();
    made_of.any(|made_of| made_of.words().contains(name) || made_of.name.to_lowercase() == *name)
}

impl StoredChecks {
    fn is_of(&self, relations: &Relations) -> bool {
        let now: Vec<&Catalog> = relations.databases().map(View::catalog).collect();
        let (Some((first, rest)), Some((then, rest_then))) = (now.split_first(), self.catalogs.split_first()) else {
            return false;
        };
        rest.len() == rest_then.len()
            && rest.iter().zip(rest_then).all(|(now, then)| now.is(then))
            && relations.routines.functions().has_types_of(&self.functions)
            && first
                .changes_since(then)
                .iter()
                .all(|(id, entry)| self.allows(then, *id, *entry))
    }

    /// Whether a change of the catalog leaves what was found out as it is.
    fn allows(&self, then: &Catalog, id: EntityId, entry: Option<&Entry>) -> bool {
        let Some(entry) = entry else { return false };
        let name = entry.entity.name().to_lowercase();
        match &*entry.entity {
            // A view may call what another text defines.
            Entity::Routine(def) if def.members.is_none() => {
                let is_last = self.last.0 == name && self.last.1 == def.source.text;
                is_last
                    && (then.get(id).is_none()
                        || !then.entries().any(|entry| matches!(&*entry.entity, Entity::View(_))))
            }
            Entity::Table(_) => then.get(id).is_none() && !is_mentioned(&self.instances, &name),
            _ => false,
        }
    }
}

impl Checks {
    fn is_of(&self, relations: &Relations) -> bool {
        let mut now = relations.databases().map(View::catalog);
        let mut then = self.catalogs.iter();
        let same = then.all(|then| now.next().is_some_and(|now| now.is(then)));
        same && now.next().is_none() && relations.routines.functions().is(&self.functions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{DatabaseFolder, Engine, EngineConfig, Session, Settings};

    fn session(folder: &std::path::Path) -> Session {
        let folder = DatabaseFolder::of(folder).expect("a folder");
        Session::new(
            Arc::new(Engine::new(EngineConfig {
                threads: 1,
                cache_bytes: 1 << 20,
            })),
            Settings::default(),
        )
        .with_database(folder)
    }

    /// How many routines were made so far for definitions that the database has.
    fn made(session: &Session) -> usize {
        let checks = session.relations.routines.stored_checks.as_ref();
        checks.map_or(0, |checks| checks.instances.made_of().count())
    }

    #[test]
    fn those_that_are_kept_are_not_checked_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut session = session(folder.path());
        session.run("upsert function f0(x int) returns int => x").expect("f0");
        for n in 1..9 {
            let before = n - 1;
            session
                .run(&format!("upsert function f{n}(x int) returns int => f{before}(x) + 1"))
                .expect("a function");
            assert_eq!(made(&session), n + 1);
        }
        session
            .run("upsert function other(x int) returns int => x")
            .expect("other");
        assert_eq!(made(&session), 10);
        session.run("create table t (a int)").expect("t");
        session
            .run("upsert function last(x int) returns int => f8(x)")
            .expect("last");
        assert_eq!(made(&session), 11);
    }

    #[test]
    fn what_they_name_is_looked_at_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut session = session(folder.path());
        let script =
            "upsert function f(x int) => x; upsert function g(x int) => f(x); upsert function f(x int) => x || ''";
        session.run(script).expect("functions");
        assert_eq!(made(&session), 1);
        session
            .run("upsert function h(x int) returns string => g(x)")
            .expect("h");
        session
            .run("create table t (a int); upsert function k() => (select max(a) from t)")
            .expect("k");
        session.run("drop table t cascade").expect("dropped");
        assert!(session.run("upsert function l() => k()").is_err());
    }
}
