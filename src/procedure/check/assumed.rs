//! What is assumed of a body's variables, from one round of checking to the next.
//!
//! `let x = null; x = 5; x = 'a'` makes three assumptions of one variable, one after the other: it is known again in each round by where it is
//! made, as variables without names may come and go with the types of others.
//!
//! Invariants: what was assumed once is forgotten no more.
//!
//! Does not: say what follows from an assumption.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use gobi_grammar::ast::Span;

use super::Checker;
use crate::types::LogicalType;

/// What is assumed of one variable.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Assumption {
    /// Its type, if that is not the one that it was made with.
    pub(super) ty: Option<LogicalType>,
    pub(super) nullable: bool,
    /// It is an array of which an element may be NULL.
    pub(super) gaps: bool,
}

/// Where a variable is made: the places around it, and how many were made there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    place: u64,
    has_name: bool,
    number: u32,
}

/// What is assumed of all variables, by where they are made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::procedure) struct Assumed(HashMap<Origin, Assumption>);

/// Where the checker is, and what it has made there.
#[derive(Debug, Default)]
pub(super) struct Origins {
    place: u64,
    made: HashMap<(u64, bool), u32>,
    /// Of each variable.
    of: Vec<Origin>,
}

impl Origins {
    /// That of the next variable.
    pub(super) fn next(&mut self, has_name: bool) -> Origin {
        let made = self.made.entry((self.place, has_name)).or_default();
        let origin = Origin {
            place: self.place,
            has_name,
            number: *made,
        };
        *made += 1;
        self.of.push(origin);
        origin
    }
}

impl Assumed {
    pub(super) fn of(&self, origin: Origin) -> Assumption {
        self.0.get(&origin).cloned().unwrap_or_default()
    }
}

impl Checker<'_> {
    /// Checks something that stands at a place.
    pub(super) fn at<T>(&mut self, span: Span, check: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.origins.place;
        let mut hasher = DefaultHasher::new();
        (outer, span.start, span.end).hash(&mut hasher);
        self.origins.place = hasher.finish();
        let checked = check(self);
        self.origins.place = outer;
        checked
    }

    /// What the next round assumes.
    pub(super) fn concluded(&self) -> Assumed {
        let mut assumed = self.assumed.clone();
        for (origin, next) in self.origins.of.iter().zip(&self.next) {
            assumed.0.insert(*origin, next.clone());
        }
        assumed
    }
}
