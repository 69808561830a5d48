//! Assigning a part of a variable: an element, or a field.
//!
//! `orders[2].total = 5` makes a struct of the fields of `orders[2]` with another total, and an array of the elements of `orders` with that
//! struct at 2, which becomes the value of `orders`.
//!
//! Invariants: a part has the type that it had; positions are evaluated once, in the order of the text.
//!
//! Does not: change a value in its place: another variable may have it.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Ident, Span, Step};
use gobi_grammar::similar::nearest;

use super::Checker;
use crate::plan::logical::{ColumnId, Expr};
use crate::plan::routine::Statement;
use crate::plan::{call_of, converted};
use crate::types::{Field, LogicalType};

impl Checker<'_> {
    /// Assigns the part of a variable that a path leads to.
    pub(super) fn assign_part(
        &mut self,
        id: ColumnId,
        path: &[Step],
        value: Expr,
        span: Span,
        out: &mut Vec<Statement>,
    ) {
        self.read(id, span);
        let value = {
            let held = self.inferred("", &value);
            self.set(held, value, out);
            self.held(held, span)
        };
        let whole = self.held(id, span);
        if let Some(whole) = self.with_part(whole, path, value, span, out) {
            self.set(id, whole, out);
        }
    }

    /// A value with another part.
    fn with_part(&mut self, of: Expr, path: &[Step], part: Expr, span: Span, out: &mut Vec<Statement>) -> Option<Expr> {
        let Some((first, rest)) = path.split_first() else {
            let (wanted, found) = (of.ty.clone(), part.ty.clone());
            let part = converted(part, &wanted);
            if part.is_none() && found != LogicalType::Null {
                let message = format!("this part is {wanted}, and cannot be given a value of type {found}");
                self.error(Diagnostic::new("42804", span, message).with_help(format!("cast it: `… :: {wanted}`")));
            }
            return part;
        };
        let held = self.temporary(of.ty.clone(), true);
        out.push(Statement::Set(held, of.clone()));
        match (first, of.ty) {
            // Its type is not known yet.
            (_, LogicalType::Null) => None,
            (Step::Field(name), LogicalType::Struct(fields)) => {
                self.with_field((held, &fields), name, rest, (part, span), out)
            }
            (Step::Index(index), LogicalType::Array(_)) => self.with_element(held, index, rest, (part, span), out),
            (step, ty) => {
                let what = match step {
                    Step::Field(name) => format!("field `{}`", name.text),
                    Step::Index(_) => "elements".to_owned(),
                };
                self.error(Diagnostic::new(
                    "42804",
                    span,
                    format!("a value of type {ty} has no {what}"),
                ));
                None
            }
        }
    }

    /// A struct with another field.
    fn with_field(
        &mut self,
        (held, fields): (ColumnId, &[Field]),
        name: &Ident,
        rest: &[Step],
        (part, span): (Expr, Span),
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        if !fields.iter().any(|field| field.name.eq_ignore_ascii_case(&name.text)) {
            self.no_field(name, fields);
            return None;
        }
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            let name_of = Ident {
                text: field.name.clone(),
                quoted: true,
                span: name.span,
            };
            let old = self.part(held, |expr| ast::ExprKind::Field { expr, name: name_of }, span, out)?;
            values.push(match field.name.eq_ignore_ascii_case(&name.text) {
                true => self.with_part(old, rest, part.clone(), span, out)?,
                false => old,
            });
        }
        Some(call_of("row", values, LogicalType::Struct(fields.to_vec()), span))
    }

    /// An array with another element.
    fn with_element(
        &mut self,
        held: ColumnId,
        index: &ast::Expr,
        rest: &[Step],
        (part, span): (Expr, Span),
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        let place = index.span;
        let index = self.expr(index, out)?;
        let from = index.ty.clone();
        let Some(index) = converted(index, &LogicalType::BigInt).filter(|_| from.is_integer()) else {
            let message = format!("a position is a whole number, not {from}");
            self.error(Diagnostic::new("42804", place, message));
            return None;
        };
        let at = self.temporary(LogicalType::BigInt, true);
        out.push(Statement::Set(at, index));
        let position = Box::new(self.reference(at, place));
        let element = |expr| ast::ExprKind::Index {
            expr,
            index: position,
            safe: false,
        };
        let old = self.part(held, element, span, out)?;
        let item = self.with_part(old, rest, part, span, out)?;
        let whole = self.held(held, span);
        let ty = whole.ty.clone();
        Some(call_of("array_set", vec![whole, self.held(at, place), item], ty, span))
    }

    /// A part of a variable, as it is.
    fn part(
        &mut self,
        of: ColumnId,
        kind: impl FnOnce(Box<ast::Expr>) -> ast::ExprKind,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        let of = Box::new(self.reference(of, span));
        self.expr(&ast::Expr { kind: kind(of), span }, out)
    }

    fn no_field(&mut self, name: &Ident, fields: &[Field]) {
        let message = format!("there is no field `{}`", name.text);
        let mut error = Diagnostic::new("42703", name.span, message);
        let near = nearest(&name.text, fields.iter().map(|field| field.name.as_str()));
        error.help = near.map(|near| format!("did you mean `{near}`?"));
        self.error(error);
    }
}
