//! Expressions of a body, and what is assigned to a variable.
//!
//! `let x = 1.50` makes a variable of decimal(18,2); a later `x = x + 0.125` makes it one of decimal(18,3), and the body is checked
//! again.
//!
//! Invariants: an expression mentions variables that have a value; what is assigned has the variable's type.
//!
//! Does not: bind; `plan` does.

use std::collections::HashSet;

use gobi_grammar::ast::{self, Span};
use gobi_grammar::{Diagnostic, Label, similar};

use super::super::instances::WithInstances;
use super::Checker;
use super::matching::null;
use super::statement::is_error;
use crate::plan::logical::{ColumnId, Expr, ExprKind};
use crate::plan::routine::Statement;
use crate::plan::{BodyScope, bind_scalar, common_type, converted, properties};
use crate::types::{LogicalType, Value};

/// Digits of an inferred decimal that is held in 64 bits.
const SHORT: u8 = 18;

/// Whether an expression may be one of the blocks in it.
pub(super) fn has_blocks(expr: &ast::Expr) -> bool {
    matches!(expr.kind, ast::ExprKind::Match(_) | ast::ExprKind::Try(_))
}

impl Checker<'_> {
    /// An expression; what has to be done before it goes into `out`.
    pub(super) fn expr(&mut self, expr: &ast::Expr, out: &mut Vec<Statement>) -> Option<Expr> {
        self.unwanted &= has_blocks(expr);
        self.at(expr.span, |checker| checker.expr_here(expr, out))
    }

    fn expr_here(&mut self, expr: &ast::Expr, out: &mut Vec<Statement>) -> Option<Expr> {
        if let Some(value) = self.value_unless_error(expr, out) {
            return value;
        }
        let lifted = self.lifted(expr, out)?;
        let scope = BodyScope {
            variables: &self.variables,
            names: &self.names,
            tried: self.tries > 0,
        };
        // The lifetime of the trait object is shortened here, which no closure does.
        #[allow(clippy::manual_map)]
        let tables = match &mut self.tables {
            Some(tables) => Some(&mut **tables as &mut dyn crate::plan::TableResolver),
            None => None,
        };
        let mut resolver = WithInstances {
            tables,
            instances: self.instances,
        };
        match bind_scalar(&lifted, &scope, self.dialect, &mut resolver) {
            Ok(bound) => {
                self.effects |= self.instances.any_effects(&bound);
                self.raises_of_calls(&bound);
                self.all_assigned(&bound).then_some(bound)
            }
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    /// `ERROR('…')` as a whole value, or behind the last `??` of one; `None` if it is something else.
    fn value_unless_error(&mut self, expr: &ast::Expr, out: &mut Vec<Statement>) -> Option<Option<Expr>> {
        if is_error(expr) {
            self.throw_as_value(expr, out);
            return Some(Some(null(expr.span)));
        }
        let ast::ExprKind::Coalesce(items) = &expr.kind else {
            return None;
        };
        let (error, items) = items.split_last().filter(|(last, _)| is_error(last))?;
        let value = match items {
            [item] => item.clone(),
            items => ast::Expr {
                kind: ast::ExprKind::Coalesce(items.to_vec()),
                span: expr.span,
            },
        };
        let value = match self.expr(&value, out) {
            Some(value) => value,
            None => return Some(None),
        };
        let held = self.new_variable("", Some(value.ty.clone()), false);
        self.set(held, value, out);
        let mut body = Vec::new();
        self.throw_as_value(error, &mut body);
        let value = Expr::column(held, self.variables[held.0 as usize].ty.clone(), expr.span);
        let test = ExprKind::IsNull {
            expr: Box::new(value.clone()),
            negated: false,
        };
        out.push(Statement::If {
            arms: vec![(Expr::boolean(test, expr.span), body)],
            otherwise: Vec::new(),
        });
        Some(Some(value))
    }

    /// A condition; NULL is false.
    pub(super) fn condition(&mut self, expr: &ast::Expr, what: &str, out: &mut Vec<Statement>) -> Option<Expr> {
        let bound = self.expr(expr, out)?;
        match bound.ty {
            LogicalType::Boolean => Some(bound),
            LogicalType::Null => converted(bound, &LogicalType::Boolean),
            ref ty => {
                let message = format!("the condition of {what} has to be a boolean, not {ty}");
                let help = "compare it with a value: `… = …`";
                self.error(Diagnostic::new("42804", expr.span, message).with_help(help));
                None
            }
        }
    }

    fn all_assigned(&mut self, bound: &Expr) -> bool {
        let mut missing: Vec<(ColumnId, Span)> = Vec::new();
        mentions(bound, &mut missing);
        missing.retain(|(id, _)| !self.flow.has(*id));
        for (id, span) in &missing {
            let name = &self.variables[id.0 as usize].name;
            if name.is_empty() && !self.errors.is_empty() {
                // What would have given it a value is wrong, and that was said.
                continue;
            }
            let message = format!("variable `{name}` may have no value here");
            let help = "give it a value before, on every way that leads here";
            self.error(Diagnostic::new("42P20", *span, message).with_help(help));
        }
        missing.is_empty()
    }

    /// Whether an expression may be NULL.
    pub(super) fn may_be_null(&self, expr: &Expr) -> bool {
        let nullable: HashSet<ColumnId> = expr
            .columns()
            .into_iter()
            .filter(|id| self.variables[id.0 as usize].nullable)
            .collect();
        properties::may_be_null(&self.without_elements(expr), &nullable)
    }

    /// The variable of a name.
    pub(super) fn find(&self, name: &str) -> Option<ColumnId> {
        let found = self
            .names
            .iter()
            .rev()
            .find(|known| known.of.is_none() && known.name.eq_ignore_ascii_case(name));
        found.map(|name| name.id)
    }

    /// A variable without a name.
    pub(super) fn temporary(&mut self, ty: LogicalType, nullable: bool) -> ColumnId {
        let id = self.new_variable("", Some(ty), nullable);
        self.flow.assign(id);
        id
    }

    /// A variable whose type is that of its values.
    pub(super) fn inferred(&mut self, name: &str, first: &Expr) -> ColumnId {
        let id = self.new_variable(name, Some(natural(&first.ty)), false);
        self.declared[id.0 as usize] = false;
        self.may_be_full(id);
        id
    }

    /// Assigns; the variable's type gives way if it was not written.
    pub(super) fn set(&mut self, id: ColumnId, value: Expr, out: &mut Vec<Statement>) {
        let at = id.0 as usize;
        if self.may_be_null(&value) {
            self.next[at].nullable = true;
            // What follows may rely on it in this round already; what stands before it is looked at again.
            self.variables[at].nullable = true;
        }
        if !self.is_full(&value) {
            self.next[at].gaps = true;
            self.variables[at].full = false;
        }
        let ty = self.variables[at].ty.clone();
        if !self.declared[at]
            && let Some(wider) = widened(&ty, &value.ty)
        {
            self.next[at].ty = Some(wider);
        }
        let from = value.ty.clone();
        if !self.variables[at].name.is_empty() {
            self.given.push((id, value.span, from.clone()));
        }
        let fits = self.declared[at] || widened(&ty, &from).is_none();
        match converted(value.clone(), &ty) {
            Some(value) if fits => {
                self.flow.assign(id);
                out.push(Statement::Set(id, value));
            }
            // The next round knows the wider type.
            _ if !self.declared[at] && widened(&ty, &from).is_some() => self.flow.assign(id),
            _ => {
                self.flow.assign(id);
                let name = self.variables[at].name.clone();
                let message = match name.as_str() {
                    "" => format!("the values have no common type: {ty} and {from}"),
                    name => format!("`{name}` is {ty}, and cannot be given a value of type {from}"),
                };
                let error = match too_large(&value, &ty) {
                    Some(error) => error,
                    None => crate::plan::misfit(&value, &ty, message),
                };
                self.misfits.push((self.errors.len(), id));
                self.error(error);
            }
        }
    }

    /// Shows beside a value that does not fit another one which the variable is given.
    pub(super) fn name_both_uses(&mut self) {
        for (at, id) in std::mem::take(&mut self.misfits) {
            let Some(error) = self.errors.get_mut(at) else { continue };
            let place = error.span();
            let here = self
                .given
                .iter()
                .find(|(known, span, _)| *known == id && is_at(*span, place));
            let Some((_, _, ty)) = here else { continue };
            let differs = |other: &&(ColumnId, Span, LogicalType)| {
                other.0 == id && !is_at(other.1, place) && common_type(&other.2, ty).is_none()
            };
            if let Some((_, span, other)) = self.given.iter().find(differs) {
                error.labels.push(Label {
                    span: *span,
                    text: format!("it is given a value of type {other} here"),
                });
            }
        }
    }

    /// There is no variable of that name.
    pub(super) fn unknown(&mut self, name: &ast::Ident) {
        let is_row = |known: &crate::plan::BodyName| {
            let of = known.of.as_deref();
            of.is_some_and(|of| of.eq_ignore_ascii_case(&name.text))
        };
        if self.names.iter().any(is_row) {
            let message = format!("`{}` is a row, whose columns cannot be changed", name.text);
            let help = "take it into a variable first: `let x = …`";
            self.error(Diagnostic::new("42809", name.span, message).with_help(help));
            return;
        }
        let message = format!("variable `{}` does not exist", name.text);
        let mut error = Diagnostic::new("42703", name.span, message);
        let known = self
            .names
            .iter()
            .map(|known| known.name.as_str())
            .filter(|name| !name.starts_with('\0'));
        error.help = match similar::nearest(&name.text, known) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => Some(format!("declare it: `let {} = …`", name.text)),
        };
        self.error(error);
    }
}

fn is_at(span: Span, place: Span) -> bool {
    (span.start, span.end) == (place.start, place.end)
}

/// The variables that an expression mentions, and where.
fn mentions(expr: &Expr, into: &mut Vec<(ColumnId, Span)>) {
    if let ExprKind::Column(id) = expr.kind {
        into.push((id, expr.span));
    }
    expr.for_each_child(&mut |child| mentions(child, into));
}

/// The type of a variable that is given values of a type.
pub(super) fn natural(ty: &LogicalType) -> LogicalType {
    match ty {
        LogicalType::Decimal { precision, scale } => decimal(*precision, *scale),
        LogicalType::Real => LogicalType::Double,
        ty if ty.is_integer() => match ty {
            LogicalType::HugeInt | LogicalType::UBigInt => LogicalType::HugeInt,
            _ => LogicalType::BigInt,
        },
        other => other.clone(),
    }
}

fn decimal(precision: u8, scale: u8) -> LogicalType {
    let precision = if precision <= SHORT && scale <= SHORT / 2 {
        SHORT
    } else {
        38
    };
    LogicalType::Decimal { precision, scale }
}

/// The type that a variable gets by a value that does not fit it.
fn widened(ty: &LogicalType, from: &LogicalType) -> Option<LogicalType> {
    if let (LogicalType::Decimal { scale, .. }, LogicalType::Decimal { scale: other, .. }) = (ty, from)
        && other <= scale
    {
        return None;
    }
    if matches!(ty, LogicalType::Decimal { .. }) && from.is_integer() {
        return None;
    }
    let common = natural(&common_type(ty, from)?);
    (common != *ty).then_some(common)
}

/// The error of a whole number that a type of whole numbers has no room for.
fn too_large(value: &Expr, ty: &LogicalType) -> Option<Diagnostic> {
    let Some(Value::Int(number)) = value.as_literal() else {
        return None;
    };
    if !ty.is_integer() || !value.ty.is_integer() {
        return None;
    }
    let message = format!("{number} does not fit into {ty}");
    Some(Diagnostic::new("22003", value.span, message).with_help("take a type with more room"))
}
