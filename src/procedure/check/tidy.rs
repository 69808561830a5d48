//! Where a body gives back memory: at the beginning of each round of a loop that takes texts, arrays or structs from its session, or adds
//! rows of them.
//!
//! `while s.has_next() { let batch = s.next(); … }` makes an array in each round; without this all of them would be there until the body
//! has ended.
//!
//! Invariants: all variables that may hold something which was made since the routine began are named; an array that is being
//! written, whose elements nobody knows yet, is never moved.
//!
//! Does not: find out which memory that is.

use std::collections::HashSet;

use super::super::question::QuestionKind;
use super::Checker;
use crate::plan::logical::ColumnId;
use crate::plan::routine::Statement;
use crate::types::{LogicalType, Physical};

impl Checker<'_> {
    /// The statements of a whole routine with what gives back memory.
    pub(super) fn tidied(&mut self, mut body: Vec<Statement>) -> Vec<Statement> {
        let mut assigned = HashSet::new();
        Statement::mentions(&body, &mut |id, assigns| {
            if assigns {
                assigned.insert(id);
            }
        });
        let is_kept = |id: &ColumnId| assigned.contains(id) && self.takes_memory(*id);
        let all = (0..self.variables.len()).map(|at| ColumnId(super::number(at)));
        let variables: Vec<ColumnId> = all.filter(is_kept).collect();
        if variables.is_empty() || !self.any_loop_takes(&body) {
            return body;
        }
        let types = variables.iter().map(|id| self.variables[id.0 as usize].ty.clone());
        let types = types.collect();
        let question = self.question(QuestionKind::Tidy, &[], types);
        let tidy = Statement::Tidy { question, variables };
        self.tidy_loops(&mut body, &tidy);
        body
    }

    fn takes_memory(&self, id: ColumnId) -> bool {
        let ty = &self.variables[id.0 as usize].ty;
        ty.is_nested() || *ty != LogicalType::Null && ty.physical() == Physical::Str
    }

    fn any_loop_takes(&self, statements: &[Statement]) -> bool {
        statements.iter().any(|statement| match statement {
            Statement::Rows { .. } | Statement::While { .. } | Statement::Range { .. } => self.takes(statement),
            _ => statement.blocks().into_iter().any(|block| self.any_loop_takes(block)),
        })
    }

    /// Whether a statement, or one inside of it, is given something by the session, or gives it something, that takes memory.
    fn takes(&self, statement: &Statement) -> bool {
        let given = match statement {
            Statement::Ask { taken, .. } | Statement::Rows { taken, .. } => {
                taken.iter().any(|id| self.takes_memory(*id))
            }
            // A row of texts is made for being handed over.
            Statement::Collect { given, .. } => given.iter().any(|id| self.takes_memory(*id)),
            _ => false,
        };
        given || statement.blocks().into_iter().flatten().any(|inner| self.takes(inner))
    }

    fn tidy_loops(&self, statements: &mut [Statement], tidy: &Statement) {
        // Arrays that are written here.
        let mut begun = 0usize;
        for statement in statements {
            match statement {
                Statement::Begin { .. } => begun += 1,
                Statement::Complete { .. } => begun = begun.saturating_sub(1),
                _ if begun > 0 => {}
                Statement::Rows { .. } | Statement::While { .. } | Statement::Range { .. } if self.takes(statement) => {
                    for block in statement.blocks_mut() {
                        self.tidy_loops(block, tidy);
                    }
                    if let Statement::Rows { body, .. }
                    | Statement::While { body, .. }
                    | Statement::Range { body, .. } = statement
                    {
                        body.insert(0, tidy.clone());
                    }
                }
                _ => {
                    for block in statement.blocks_mut() {
                        self.tidy_loops(block, tidy);
                    }
                }
            }
        }
    }
}
