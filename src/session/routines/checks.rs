//! What was found out about the functions of a session while others were checked.
//!
//! In a script of a hundred functions, each of which calls the next one, checking the first one checks all: what the others are for the types
//! that it calls them with is kept for their own turns.
//!
//! Invariants: it is given up when anything changes that functions name: other functions, types, tables.
//!
//! Does not: check.

use std::sync::Arc;

use super::known::Functions;
use crate::catalog::Catalog;
use crate::procedure::Instances;
use crate::session::relations::Relations;
use crate::session::store::View;

/// The routines made for definitions so far, and what they were made of.
#[derive(Debug)]
pub struct Checks {
    instances: Instances,
    functions: Functions,
    catalogs: Vec<Catalog>,
}

impl Relations {
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

impl Checks {
    fn is_of(&self, relations: &Relations) -> bool {
        let mut now = relations.databases().map(View::catalog);
        let mut then = self.catalogs.iter();
        let same = then.all(|then| now.next().is_some_and(|now| now.is(then)));
        same && now.next().is_none() && relations.routines.functions().is(&self.functions)
    }
}
