//! What a body that is wrong would have asked: its changes of rows are looked at all the same.
//!
//! In `update t set w = 1; let q = foo + 1; delete from t where id = q` there is no `foo`, and there may be no column `w` either. What is wrong with
//! DELETE may only follow from that.
//!
//! Invariants: nothing is kept that names what the body declares or makes, unless its type is known.
//!
//! Does not: look at changes; the session does.

use std::collections::{BTreeSet, HashSet};

use gobi_grammar::ast;

use super::super::{Definition, Instances, words_of};
use super::follows::{declared_by, declared_in};
use super::{Checker, is_unknown};
use crate::plan::routine::Statement;
use crate::procedure::{Question, QuestionKind};

/// What the body that was found wrong last would ask.
#[derive(Debug, Default)]
pub(in crate::procedure) struct Unasked {
    /// The name of what it is the body of.
    of: String,
    questions: Vec<Question>,
}

impl Checker<'_> {
    /// Keeps what the body would ask.
    pub(super) fn keep_unasked(&mut self, name: &str, body: &[Statement]) {
        let asked: BTreeSet<usize> = Statement::questions(body).into_iter().collect();
        let asked = asked.into_iter().filter_map(|at| self.instances.questions.get(at));
        self.instances.unasked = Unasked {
            of: name.to_owned(),
            questions: asked.cloned().collect(),
        };
    }
}

impl Instances {
    /// What the body of a definition that is wrong would ask to run, as far as that has nothing to do with what is wrong.
    pub fn unasked_by(&mut self, definition: &Definition) -> Vec<Question> {
        let unasked = std::mem::take(&mut self.unasked);
        let routine = &definition.routine;
        // What fits no type that was tried may fit another one.
        let is_open = !routine.type_params.is_empty() || routine.params.iter().any(|param| param.ty.is_none());
        match unasked.of == definition.name && !is_open {
            true => unasked.known(&declared_in(&routine.body)),
            false => Vec::new(),
        }
    }

    /// The same for a statement of a script.
    pub fn unasked_in(&mut self, statement: &ast::Statement) -> Vec<Question> {
        std::mem::take(&mut self.unasked).known(&declared_by(statement))
    }
}

impl Unasked {
    fn known(mut self, declared: &HashSet<String>) -> Vec<Question> {
        self.questions.retain(|question| {
            let QuestionKind::Run(statement) = &question.kind else {
                return false;
            };
            let words = words_of(statement, question.dialect);
            let is_given = |name: &&String| {
                let row = format!("{name}.");
                let mut given = question.given.iter().map(|(given, _)| given.to_lowercase());
                given.any(|given| given == **name || given.starts_with(&row))
            };
            question.given.iter().all(|(_, ty)| !is_unknown(ty))
                && words.intersection(declared).all(|name| is_given(&name))
        });
        self.questions
    }
}
