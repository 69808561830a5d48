//! Moments of the timeline: what `AS OF` names.
//!
//! `orders AS OF '1 hour ago'` reads the table as it was then; `AS OF COMMIT 'ab12' SELECT …` all tables of the statement.
//!
//! Invariants: a moment is a constant, or moves with the clock alone (`now() - interval '1 hour'`); a table's own moment beats the
//! statement's.
//!
//! Does not: find the commit (the resolver does).

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, WhenKind};

use super::scope::Scope;
use super::{Binder, Bound};
use crate::functions::{self, Env, Resolved};
use crate::plan::logical::{Expr, ExprKind, Plan};
use crate::plan::{Moment, Point, Start};
use crate::types::{LogicalType, Value};

impl<'a> Binder<'a> {
    /// A relation with a moment of its own.
    pub(super) fn table_then(&mut self, table: &'a ast::TableRef, time: &'a ast::TableTime) -> Bound<(Plan, Scope)> {
        if table.kind.path().is_none() {
            let message = "only tables and views have a past";
            return self.fail(Diagnostic::new("42809", table.span, message));
        }
        let moment = self.moment(time)?;
        let outer = self.as_of.replace(moment);
        let bound = self.table_now(table);
        self.as_of = outer;
        bound
    }

    /// What of its history a relation shows.
    fn moment(&mut self, time: &'a ast::TableTime) -> Bound<Moment> {
        Ok(match time {
            ast::TableTime::AsOf(when) => Moment::AsOf(self.point(when)?),
            ast::TableTime::Since { since, until } => Moment::Since {
                since: self.point(since)?,
                until: self.until(until.as_ref())?,
            },
            ast::TableTime::Changes { since, until } => Moment::Changes {
                since: match since {
                    ast::ChangesStart::When(when) => Start::Point(self.point(when)?),
                    ast::ChangesStart::Watermark(name) => Start::Watermark(name.text.clone()),
                },
                until: self.until(until.as_ref())?,
            },
        })
    }

    /// Where changes end: where they are told to, else at the moment of the statement.
    fn until(&mut self, until: Option<&'a ast::When>) -> Bound<Option<Point>> {
        match (until, &self.as_of) {
            (Some(when), _) => self.point(when).map(Some),
            (None, Some(Moment::AsOf(point))) => Ok(Some(point.clone())),
            (None, _) => Ok(None),
        }
    }

    /// The moment that is named.
    pub(super) fn point(&mut self, when: &'a ast::When) -> Bound<Point> {
        let expr = match &when.kind {
            WhenKind::Commit(text) => return Ok(Point::Commit(text.clone())),
            WhenKind::Tag(text) => return Ok(Point::Tag(text.clone())),
            WhenKind::Branch(text) => return Ok(Point::Branch(text.clone())),
            WhenKind::At(expr) => expr,
        };
        let now = self.tables.now_micros();
        let bound = self.constant_with(expr, "AS OF", &|bound| at_time(bound, now))?;
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

/// Functions that ask the clock, and nothing else.
const CLOCK: [&str; 3] = ["now", "current_date", "localtimestamp"];

/// An expression in which the clock stands still.
fn at_time(mut expr: Expr, now_micros: i64) -> Expr {
    expr.rewrite(&mut |inner| {
        let ExprKind::Call { function, args } = &inner.kind else {
            return;
        };
        if !args.is_empty() || !CLOCK.contains(&functions::function(*function).name) {
            return;
        }
        let call = Resolved {
            function: *function,
            arg_types: Vec::new(),
            result: inner.ty.clone(),
        };
        if let Ok(value) = functions::evaluate(&call, &[], &Env::new(now_micros, 0)) {
            *inner = Expr::literal(value, inner.ty.clone(), inner.span);
        }
    });
    expr
}
