//! Streams: queries whose rows come as they are asked for.
//!
//! `let s = stream select a from t` asks for a number; `s.has_next()` asks whether the stream of that number has more rows, `s.next()` for
//! some of them as an array of structs, and `for r in s` for one after the other.
//!
//! Invariants: a stream is a struct of the number and of a field with the type of a row, so that its type says what it gives.
//!
//! Does not: read rows, or say how many a batch has.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Expr, Span};

use super::super::question::QuestionKind;
use super::Checker;
use super::loops::int;
use super::matching::null;
use crate::plan::converted;
use crate::plan::logical::{self, ColumnId};
use crate::plan::routine::Statement;
use crate::types::{Field, LogicalType};

/// The fields of a stream.
const FIELDS: [&str; 2] = ["stream", "row"];

/// What can be called with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    HasNext,
    Next,
    Close,
}

impl Method {
    fn of(name: &str) -> Option<Self> {
        let methods = [
            ("has_next", Method::HasNext),
            ("next", Method::Next),
            ("close", Method::Close),
        ];
        let found = methods.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map(|(_, method)| method)
    }
}

impl Checker<'_> {
    /// `stream select …`.
    pub(super) fn open_stream(&mut self, query: &ast::Query, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let lifted = self.with_lifted(query, out);
        let query = lifted.as_ref().unwrap_or(query);
        let (fields, given) = self.bound_query(query)?;
        let ty = stream_of(&fields);
        let kind = QuestionKind::Stream(Box::new(query.clone()), fields);
        Some(self.ask_for_one(kind, given, (ty, false), query.span, out))
    }

    /// `s.has_next()`, `s.next()` and `s.close()`; `None` if it is another call.
    pub(super) fn call_of_stream(
        &mut self,
        call: &ast::Call,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<Option<ColumnId>> {
        let method = Method::of(&call.name.text)?;
        if self.is_own(&call.name.text) || self.tables.is_none() {
            return None;
        }
        let [stream, args @ ..] = call.args.as_slice() else {
            return None;
        };
        Some(self.ask_stream(method, (stream, args), &call.name, span, out))
    }

    fn ask_stream(
        &mut self,
        method: Method,
        (stream, args): (&Expr, &[Expr]),
        name: &ast::Ident,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<ColumnId> {
        let bound = self.expr(stream, out)?;
        let Some(fields) = fields_of(&bound.ty) else {
            let message = format!("`{}` takes a stream, not {}", name.text, bound.ty);
            let help = "a stream is made by `stream select …`";
            self.error(Diagnostic::new("42804", stream.span, message).with_help(help));
            return None;
        };
        let row = LogicalType::Struct(fields.to_vec());
        let most = usize::from(method == Method::Next);
        if let Some(extra) = args.get(most) {
            let message = format!("`{}` takes fewer arguments", name.text);
            let help = "write `s.next()`, or `s.next(100)` for at most 100 rows";
            self.error(Diagnostic::new("42883", extra.span, message).with_help(help));
            return None;
        }
        let held = self.inferred("", &bound);
        self.set(held, bound, out);
        let (kind, given, ty) = match method {
            Method::HasNext => (QuestionKind::HasNext, vec![held], LogicalType::Boolean),
            Method::Next => {
                let rows = self.rows_wanted(args.first(), span, out)?;
                (QuestionKind::Batch, vec![held, rows], LogicalType::Array(Box::new(row)))
            }
            Method::Close => return Some(self.close_stream(held, span, out)),
        };
        Some(self.ask_for_one(kind, given, (ty, false), span, out))
    }

    /// Gives a stream up, which has no value.
    fn close_stream(&mut self, stream: ColumnId, span: Span, out: &mut Vec<Statement>) -> ColumnId {
        let question = self.question(QuestionKind::GiveUp, &[stream], Vec::new());
        let (given, taken) = (vec![stream], Vec::new());
        out.push(Statement::Ask {
            question,
            given,
            taken,
            span,
        });
        let nothing = self.temporary(LogicalType::Null, true);
        out.push(Statement::Set(nothing, null(span)));
        nothing
    }

    /// How many rows `next` is asked for; 0, if the call does not say.
    fn rows_wanted(&mut self, wanted: Option<&Expr>, span: Span, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let rows = self.temporary(LogicalType::BigInt, true);
        let value = match wanted {
            None => int(0, span),
            Some(wanted) => {
                let bound = self.expr(wanted, out)?;
                let (from, place) = (bound.ty.clone(), bound.span);
                let Some(value) = converted(bound, &LogicalType::BigInt) else {
                    let message = format!("`next` takes a number of rows, not {from}");
                    self.error(Diagnostic::new("42804", place, message));
                    return None;
                };
                value
            }
        };
        self.set(rows, value, out);
        Some(rows)
    }

    /// `for r in s`.
    pub(super) fn each_of_stream(
        &mut self,
        each: &ast::For,
        stream: logical::Expr,
        fields: &[Field],
        out: &mut Vec<Statement>,
    ) {
        let span = stream.span;
        let held = self.inferred("", &stream);
        self.set(held, stream, out);
        let name = Some(each.name.text.as_str());
        self.loop_of_rows(
            (name, fields),
            (QuestionKind::Follow, vec![held]),
            &each.body,
            span,
            out,
        );
    }
}

/// The type of a stream of rows of these columns.
fn stream_of(columns: &[Field]) -> LogicalType {
    let columns = columns.iter().map(|column| Field {
        nullable: true,
        ..column.clone()
    });
    let types = [LogicalType::BigInt, LogicalType::Struct(columns.collect())];
    let fields = FIELDS.into_iter().zip(types).map(|(name, ty)| Field {
        name: name.to_owned(),
        ty,
        nullable: true,
    });
    LogicalType::Struct(fields.collect())
}

/// The columns of what a stream gives; `None` if it is none.
pub(super) fn fields_of(ty: &LogicalType) -> Option<&[Field]> {
    let LogicalType::Struct(fields) = ty else { return None };
    match fields.as_slice() {
        [number, row] if [&number.name, &row.name] == FIELDS && number.ty == LogicalType::BigInt => match &row.ty {
            LogicalType::Struct(columns) => Some(columns),
            _ => None,
        },
        _ => None,
    }
}
