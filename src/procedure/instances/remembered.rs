//! Routines that are there already, and calls that are known not to check.
//!
//! A script of a hundred functions, each of which calls the next one, is checked function by function: the second one was checked for the first
//! one's sake, and is found here.
//!
//! Invariants: what failed because of where it was called from is tried again elsewhere.
//!
//! Does not: say how long that is worth keeping; who makes [`Instances::shared`] does.

use std::collections::HashMap;
use std::sync::Arc;

use gobi_grammar::Diagnostic;

use super::super::Definition;
use super::Instances;
use crate::types::LogicalType;

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// Where routines of a name, in lower case, may be.
    by_name: HashMap<String, Vec<usize>>,
    /// Calls that do not check, and why, if the routines are shared.
    failed: Vec<Failed>,
}

/// A definition that does not check for some types.
#[derive(Debug)]
struct Failed {
    definition: Arc<Definition>,
    params: Vec<(LogicalType, bool)>,
    strict: bool,
    error: Diagnostic,
}

impl Remembered {
    /// A routine has this number now.
    pub(super) fn note(&mut self, name: &str, number: usize) {
        self.by_name.entry(name.to_lowercase()).or_default().push(number);
    }
}

impl Instances {
    /// The routine of a definition for these types, if there is one.
    pub(super) fn known(&self, definition: &Definition, key: &[(LogicalType, bool)]) -> Option<usize> {
        let numbers = self.remembered.by_name.get(&definition.name.to_lowercase())?;
        // A number may have come to be another routine's.
        numbers.iter().copied().find(|number| {
            let instance = self.routines.get(*number);
            instance.is_some_and(|known| known.is_of(definition) && known.params == key && known.strict == self.strict)
        })
    }

    /// Why a definition does not check for these types, if that is known.
    pub(super) fn failure(&self, definition: &Arc<Definition>, key: &[(LogicalType, bool)]) -> Option<Diagnostic> {
        let is_same = |known: &&Failed| {
            Arc::ptr_eq(&known.definition, definition) && known.params == key && known.strict == self.strict
        };
        self.remembered
            .failed
            .iter()
            .find(is_same)
            .map(|known| known.error.clone())
    }

    /// Keeps what is wrong with a definition, unless it is where it was called from.
    pub(super) fn note_failure(
        &mut self,
        definition: &Arc<Definition>,
        key: &[(LogicalType, bool)],
        error: &Diagnostic,
    ) {
        let is_of_place = self.unresolved || matches!(error.code, "54001" | "42P18");
        if !self.shared || is_of_place {
            return;
        }
        self.remembered.failed.push(Failed {
            definition: Arc::clone(definition),
            params: key.to_vec(),
            strict: self.strict,
            error: error.clone(),
        });
    }
}
