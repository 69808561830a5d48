//! Moments of the timeline: what `AS OF` names.
//!
//! `orders AS OF '1 hour ago'` reads the table as it was then; `AS OF COMMIT 'ab12' SELECT …` all tables of the statement.
//!
//! Invariants: a moment is a constant; a table's own moment beats the statement's.
//!
//! Does not: find the commit (the resolver does).

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, TableRefKind, WhenKind};

use super::scope::Scope;
use super::{Binder, Bound};
use crate::plan::Point;
use crate::plan::logical::Plan;
use crate::types::{LogicalType, Value};

impl<'a> Binder<'a> {
    /// A relation with a moment of its own.
    pub(super) fn table_then(&mut self, table: &'a ast::TableRef, time: &'a ast::TableTime) -> Bound<(Plan, Scope)> {
        let when = match time {
            ast::TableTime::AsOf(when) => when,
            ast::TableTime::Since { .. } => return self.unsupported("SINCE is", table.span),
            ast::TableTime::Changes { .. } => return self.unsupported("CHANGES SINCE is", table.span),
        };
        if !matches!(table.kind, TableRefKind::Name(_)) {
            let message = "only tables and views have a past";
            return self.fail(Diagnostic::new("42809", table.span, message));
        }
        let point = self.point(when)?;
        let outer = self.as_of.replace(point);
        let bound = self.table_now(table);
        self.as_of = outer;
        bound
    }

    /// The moment that is named.
    pub(super) fn point(&mut self, when: &'a ast::When) -> Bound<Point> {
        let expr = match &when.kind {
            WhenKind::Commit(text) => return Ok(Point::Commit(text.clone())),
            WhenKind::Tag(text) => return Ok(Point::Tag(text.clone())),
            WhenKind::Branch(text) => return Ok(Point::Branch(text.clone())),
            WhenKind::At(expr) => expr,
        };
        let bound = self.constant(expr, "AS OF")?;
        let point = match (bound.as_literal(), &bound.ty) {
            (Some(Value::String(text)), _) => Some(Point::Text(text.to_string())),
            (Some(Value::Int(micros)), LogicalType::Timestamp | LogicalType::TimestampTz) => {
                i64::try_from(*micros).ok().map(Point::Micros)
            }
            (Some(Value::Int(days)), LogicalType::Date) => i64::try_from(days.saturating_mul(86_400_000_000))
                .ok()
                .map(Point::Micros),
            (Some(Value::Int(seconds)), ty) if ty.is_integer() => {
                i64::try_from(seconds.saturating_mul(1_000_000)).ok().map(Point::Micros)
            }
            _ => None,
        };
        match point {
            Some(point) => Ok(point),
            None => self.fail(Diagnostic::new("42804", when.span, "AS OF takes a time").with_help(
                "a timestamp, seconds since 1970, a text such as '1 hour ago', COMMIT '…', TAG '…' or BRANCH '…'",
            )),
        }
    }
}
