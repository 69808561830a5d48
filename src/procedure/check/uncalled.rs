//! Functions of a body that it does not call.
//!
//! In `{ let f = x => x + nosuch; … }` nothing else looks at `f`: it is checked as a definition is whose parameters have no types.
//!
//! Invariants: what depends on the types of parameters is no error here; what is called is checked where that is done.
//!
//! Does not: make functions.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::inferring;
use super::super::instances::Instances;
use super::handed::place_of;
use super::lambda::Closure;
use super::{Checker, is_unknown};
use crate::plan::{TableResolver, bind_type};
use crate::types::LogicalType;

impl Checker<'_> {
    /// A function is called, or handed on, or named by one that was given a name.
    pub(super) fn note_call(&mut self, closure: &Closure) {
        self.called.insert(place_of(&closure.lambda));
        closure.functions.iter().for_each(|function| self.note_call(function));
    }

    /// Checks those that have a name only, once nothing changes any more.
    pub(super) fn check_uncalled(&mut self) {
        let is_settled = self.concluded() == *self.assumed && self.errors.is_empty() && !self.instances.unresolved;
        if !is_settled || self.instances.trying {
            return;
        }
        for closure in std::mem::take(&mut self.named) {
            if !self.called.contains(&place_of(&closure.lambda)) {
                self.check_alone(&closure);
            }
        }
    }

    fn check_alone(&mut self, closure: &Closure) {
        let flow = self.flow.clone();
        self.assign_kept(closure);
        let (definition, kept) = self.definition_of(closure);
        self.flow = flow;
        let params = &definition.routine.params;
        let names: HashSet<String> = params.iter().map(|param| param.name.text.to_lowercase()).collect();
        let is_generic = !definition.routine.type_params.is_empty();
        if names.len() < params.len() || is_generic || definition.gives_function(&*self.instances.definitions) {
            return;
        }
        let mut types: Vec<Option<LogicalType>> = Vec::with_capacity(params.len());
        types.extend(kept.iter().map(|id| Some(self.variables[id.0 as usize].ty.clone())));
        if types.iter().flatten().any(is_unknown) {
            return;
        }
        for param in params.iter().skip(kept.len()) {
            match param
                .ty
                .as_ref()
                .map(|ty| bind_type(ty, self.dialect, &self.instances.types))
            {
                Some(Err(errors)) => return self.errors.extend(errors),
                Some(Ok(ty)) => types.push(Some(ty)),
                None => types.push(None),
            }
        }
        let Some(tables) = &mut self.tables else { return };
        let mut apart = Instances::new(Arc::clone(&self.instances.definitions));
        let tables: &mut dyn TableResolver = &mut **tables;
        // What the body makes is not there yet.
        match inferring::inferred(&definition, &types, &mut apart, tables) {
            Err(errors) if errors.iter().all(|error| error.code != "42P01") => self.errors.extend(errors),
            Err(_) | Ok(_) => {}
        }
    }

    /// What a function keeps has a value where it was written.
    fn assign_kept(&mut self, closure: &Closure) {
        closure.kept.iter().for_each(|name| self.flow.assign(name.id));
        closure.functions.iter().for_each(|function| self.assign_kept(function));
    }
}
