//! `yield e` in a block behind a query: rows that the block gives.
//!
//! `select a from t then { if a > 2 { yield a * 10 } }` fills an array in its loop, an element for each `yield`; by itself the statement
//! shows them as rows, and `let x = select … then {…}` has the array.
//!
//! Invariants: what one block yields has one type; a struct is a row of its fields, anything else a row of the column `value`.
//!
//! Does not: loop.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::super::question::QuestionKind;
use super::Checker;
use crate::plan::logical::{ColumnId, Expr};
use crate::plan::routine::Statement;
use crate::types::{Field, LogicalType};

/// What a block yields, while it is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yielded {
    /// The element that comes next.
    element: ColumnId,
    array: ColumnId,
    count: ColumnId,
}

impl Checker<'_> {
    /// `yield …`.
    pub(super) fn yield_value(&mut self, value: Option<&ast::Value>, span: Span, out: &mut Vec<Statement>) {
        let Some(yielded) = self.yields.last().copied() else {
            let message = "YIELD stands in the block behind a query only";
            let help = "write `select … then { yield … }`";
            return self.error(Diagnostic::new("42601", span, message).with_help(help));
        };
        let Some(value) = value else {
            let help = "write `yield …`, with what the row is";
            return self.error(Diagnostic::new("42601", span, "YIELD needs a value").with_help(help));
        };
        let Some(bound) = self.value(value, out) else { return };
        let Yielded { element, array, count } = match yielded {
            Some(yielded) => yielded,
            None => self.begin_yielding(&bound),
        };
        self.set(element, bound, out);
        let value = self.held(element, span);
        self.next[array.0 as usize].gaps |= self.variables[element.0 as usize].nullable;
        out.push(Statement::Append { array, count, value });
    }

    fn begin_yielding(&mut self, first: &Expr) -> Yielded {
        let element = self.inferred("", first);
        let item = self.variables[element.0 as usize].ty.clone();
        let array = self.temporary(LogicalType::Array(Box::new(item)), false);
        let count = self.temporary(LogicalType::BigInt, false);
        let yielded = Yielded { element, array, count };
        if let Some(last) = self.yields.last_mut() {
            *last = Some(yielded);
        }
        yielded
    }

    /// The array of what was yielded, by the statements from `at` on.
    pub(super) fn gather(&mut self, yielded: Yielded, at: usize, out: &mut Vec<Statement>) -> ColumnId {
        let Yielded { array, count, .. } = yielded;
        let room = None;
        out.insert(at, Statement::Begin { array, count, room });
        out.push(Statement::Complete { array, count });
        self.flow.assign(array);
        array
    }

    /// The same as a value.
    pub(super) fn yielded(&mut self, then: &ast::Then, out: &mut Vec<Statement>) -> Option<Expr> {
        let span = then.query.span;
        match self.then(then, out) {
            Some(array) => Some(self.held(array, span)),
            None => {
                let message = "the block behind the query yields nothing, so there is no value";
                let help = "write `yield …` in it";
                self.error(Diagnostic::new("42601", span, message).with_help(help));
                None
            }
        }
    }

    /// Shows them as rows.
    pub(super) fn show_yielded(&mut self, array: ColumnId, span: Span, out: &mut Vec<Statement>) {
        if self.trigger.is_some() {
            let message = "rows that YIELD gives have nobody to be shown to in a trigger";
            return self.error(Diagnostic::new("0A000", span, message));
        }
        let LogicalType::Array(item) = self.variables[array.0 as usize].ty.clone() else {
            return;
        };
        let fields = match *item {
            LogicalType::Struct(fields) => fields
                .into_iter()
                .map(|field| Field {
                    nullable: true,
                    ..field
                })
                .collect(),
            ty => vec![Field {
                name: "value".to_owned(),
                ty,
                nullable: true,
            }],
        };
        let question = self.question(QuestionKind::ShowArray(fields), &[array], Vec::new());
        let (given, taken) = (vec![array], Vec::new());
        out.push(Statement::Ask {
            question,
            given,
            taken,
            span,
        });
    }
}
