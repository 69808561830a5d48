//! Arrays and structs: literals, fields, elements, slices, and names that lead into structs.
//!
//! `t.s.f` is the column `s` of `t` and its field `f`; `a[0]` is a call of `array_get`, `[a, b]` one of `list_value`, so that all
//! that follows knows calls of functions only.
//!
//! Invariants: a literal of constants is one constant; a field that does not exist is an error here, with the nearest name.
//!
//! Does not: compute; functions of the table do.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::names::suggestion;
use super::scope::same;
use super::select::Block;
use super::{Binder, Bound};
use crate::functions;
use crate::plan::eval;
use crate::plan::logical::{Expr, ExprKind};
use crate::types::size::MOST_PARTS;
use crate::types::{Field, LogicalType, Value};

impl<'a> Binder<'a> {
    /// An expression that makes an array or struct or takes one apart.
    pub(super) fn nested(&mut self, block: &mut Block<'a>, e: &'a ast::Expr) -> Bound<Expr> {
        use ast::ExprKind as K;
        match &e.kind {
            K::Array(items) => self.array(block, items, e.span),
            K::Struct(fields) => self.structure(block, fields, e.span),
            K::Instance { name, fields } => self.instance(block, name, fields, e.span),
            K::Map(entries) => self.map(block, entries, e.span),
            K::Field { expr, name } => match &expr.kind {
                K::Subquery(query) => self.column_of_row(block, query, name),
                _ => {
                    let of = self.expr(block, expr)?;
                    self.field(of, name)
                }
            },
            K::Index { expr, index, safe } => {
                let (of, index) = (self.expr(block, expr), self.expr(block, index));
                self.index(of?, index?, *safe, e.span)
            }
            K::Access { expr, path, text } => {
                let (of, path) = (self.expr(block, expr), self.expr(block, path));
                let name = if *text { "json_extract_string" } else { "json_extract" };
                let name = ast::Ident {
                    text: name.into(),
                    quoted: false,
                    span: e.span,
                };
                self.function(&name, vec![of?, path?], e.span)
            }
            K::Slice { expr, low, high } => {
                let of = self.expr(block, expr);
                let low = low.as_deref().map(|low| self.expr(block, low)).transpose();
                let high = high.as_deref().map(|high| self.expr(block, high)).transpose();
                self.slice(of?, low?, high?, e.span)
            }
            _ => self.unsupported("this form is", e.span),
        }
    }

    /// `[a, b]`.
    pub(super) fn array(&mut self, block: &mut Block<'a>, items: &'a [ast::Expr], span: Span) -> Bound<Expr> {
        let items = self.exprs(block, items)?;
        self.array_of(items, span)
    }

    /// An array of these elements.
    pub(super) fn array_of(&mut self, items: Vec<Expr>, span: Span) -> Bound<Expr> {
        let (items, item) = self.unify_all(items, "the elements", span)?;
        let ty = LogicalType::Array(Box::new(item));
        if items.is_empty() {
            return Ok(Expr::literal(Value::Array(Vec::new()), ty, span));
        }
        Ok(call("list_value", items, ty, span))
    }

    /// `{a: 1, b: 'x'}`.
    pub(super) fn structure(
        &mut self,
        block: &mut Block<'a>,
        fields: &'a [(ast::Ident, ast::Expr)],
        span: Span,
    ) -> Bound<Expr> {
        if fields.is_empty() {
            return self.unsupported("a struct without fields is", span);
        }
        let bound: Vec<Bound<Expr>> = fields.iter().map(|(_, value)| self.expr(block, value)).collect();
        for (i, (name, _)) in fields.iter().enumerate() {
            if fields[..i].iter().any(|(other, _)| same(&other.text, &name.text)) {
                let message = format!("field `{}` is given twice", name.text);
                return self.fail(Diagnostic::new("42701", name.span, message));
            }
        }
        let values: Vec<Expr> = bound.into_iter().collect::<Bound<_>>()?;
        let typed = fields.iter().zip(&values).map(|((name, _), value)| Field {
            name: name.text.clone(),
            ty: value.ty.clone(),
            nullable: true,
        });
        let ty = LogicalType::Struct(typed.collect());
        self.not_too_large(&ty, span)?;
        Ok(call("row", values, ty, span))
    }

    /// An error if a type is one of the ever larger ones that are made of each other.
    pub(super) fn not_too_large(&mut self, ty: &LogicalType, span: Span) -> Bound<()> {
        match ty.is_too_large() {
            true => self.fail(too_large(span)),
            false => Ok(()),
        }
    }

    /// `e.name`.
    pub(super) fn field(&mut self, of: Expr, name: &ast::Ident) -> Bound<Expr> {
        self.field_named(of, &name.text, name.span)
    }

    /// The field of a struct.
    pub(super) fn field_named(&mut self, of: Expr, name: &str, place: Span) -> Bound<Expr> {
        if of.ty == LogicalType::Json {
            let span = of.span.to(place);
            let key = Expr::literal(Value::String(name.into()), LogicalType::String, place);
            return Ok(call("json_extract", vec![of, key], LogicalType::Json, span));
        }
        let LogicalType::Struct(fields) = &of.ty else {
            let message = format!("`{name}` cannot be a field: the value before it is of type {}", of.ty);
            return self.fail(Diagnostic::new("42809", place, message));
        };
        let exact = fields.iter().find(|field| field.name == name);
        let Some(field) = exact.or_else(|| fields.iter().find(|field| same(&field.name, name))) else {
            let mut error = Diagnostic::new("42703", place, format!("field `{name}` does not exist"));
            let names = fields.iter().map(|field| field.name.clone());
            error.help = suggestion(name, names.clone()).or_else(|| {
                let some: Vec<String> = names.take(8).map(|name| format!("`{name}`")).collect();
                let more = if fields.len() > some.len() { ", …" } else { "" };
                Some(format!("its fields are {}{more}", some.join(", ")))
            });
            return self.fail(error);
        };
        let (ty, span) = (field.ty.clone(), of.span.to(place));
        let key = Value::String(field.name.as_str().into());
        let key = Expr::literal(key, LogicalType::String, place);
        Ok(call("struct_extract", vec![of, key], ty, span))
    }

    /// The fields of a path, one after the other.
    pub(super) fn fields(&mut self, of: Expr, path: &[ast::Ident]) -> Bound<Expr> {
        path.iter().try_fold(of, |of, name| self.field(of, name))
    }

    /// `a[i]`, `a?[i]`; `s['f']` is `s.f`.
    pub(super) fn index(&mut self, of: Expr, index: Expr, safe: bool, span: Span) -> Bound<Expr> {
        if let (LogicalType::Struct(_), Some(Value::String(name))) = (&of.ty, index.as_literal()) {
            let (name, place) = (name.to_string(), index.span);
            return self.field_named(of, &name, place);
        }
        if of.ty == LogicalType::Json {
            let index = match index.ty {
                LogicalType::String => index,
                _ => self.position(index)?,
            };
            return Ok(call("json_extract", vec![of, index], LogicalType::Json, span));
        }
        if matches!(of.ty, LogicalType::Map(_)) {
            return self.value_of_key(of, index, span);
        }
        let item = self.item_type(&of)?;
        let index = self.position(index)?;
        let name = if safe { "array_extract" } else { "array_get" };
        Ok(call(name, vec![of, index], item, span))
    }

    /// `a[low:high]`.
    pub(super) fn slice(&mut self, of: Expr, low: Option<Expr>, high: Option<Expr>, span: Span) -> Bound<Expr> {
        self.item_type(&of)?;
        let mut ends = Vec::with_capacity(2);
        for end in [low, high] {
            ends.push(match end {
                Some(end) => self.position(end)?,
                None => Expr::literal(Value::Null, LogicalType::BigInt, span),
            });
        }
        let ty = of.ty.clone();
        let args = std::iter::once(of).chain(ends).collect();
        Ok(call("array_slice", args, ty, span))
    }

    fn item_type(&mut self, of: &Expr) -> Bound<LogicalType> {
        match &of.ty {
            LogicalType::Array(item) => Ok((**item).clone()),
            other => {
                let message = format!("only arrays and maps have elements, not {other}");
                let mut error = Diagnostic::new("42809", of.span, message);
                error.help = (*other == LogicalType::String).then(|| {
                    "a part of a text is `substring(text, 1, 3)`, which counts from 1, or `left(text, 3)`".into()
                });
                self.fail(error)
            }
        }
    }

    fn position(&mut self, index: Expr) -> Bound<Expr> {
        if index.ty.is_integer() || index.ty == LogicalType::Null {
            return self.convert_constant(index, &LogicalType::BigInt);
        }
        let message = format!("a position in an array is an integer, not {}", index.ty);
        self.fail(Diagnostic::new("42804", index.span, message))
    }

    /// `a || b` where either is an array: both, or an element more at the end or at the front.
    pub(super) fn concat_arrays(&mut self, left: Expr, right: Expr) -> Bound<Expr> {
        let array = |e: &Expr| matches!(e.ty, LogicalType::Array(_));
        let null = |e: &Expr| e.ty == LogicalType::Null;
        let name = match (array(&left), array(&right)) {
            (true, true) => "array_concat",
            (true, false) if null(&right) => "array_concat",
            (false, true) if null(&left) => "array_concat",
            (true, false) => "array_append",
            _ => "array_prepend",
        };
        let span = left.span.to(right.span);
        if functions::resolve(name, &[left.ty.clone(), right.ty.clone()]).is_err() {
            let message = format!(
                "`||` makes an array of elements of one type, not of {} and {}",
                left.ty, right.ty
            );
            let help = "cast one of them: `… :: array<string>`";
            return self.fail(Diagnostic::new("42883", span, message).with_help(help));
        }
        let name = ast::Ident {
            text: name.into(),
            quoted: false,
            span,
        };
        self.function(&name, vec![left, right], span)
    }

    /// `struct_extract(s, 'f')`.
    pub(super) fn struct_extract(&mut self, mut args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let (name, of) = (args.pop(), args.pop());
        match (of, name.as_ref().and_then(Expr::as_literal)) {
            (Some(of), Some(Value::String(text))) => {
                let (text, place) = (text.to_string(), name.as_ref().map_or(span, |name| name.span));
                self.field_named(of, &text, place)
            }
            _ => self.fail(Diagnostic::new(
                "42601",
                span,
                "the name of a field is a literal string",
            )),
        }
    }
}

/// What is said of a type that is one of the ever larger ones which are made of each other.
pub(in crate::plan) fn too_large(span: Span) -> Diagnostic {
    let message = format!("a type with more than {MOST_PARTS} parts");
    let help = "each time that another type names it twice it has twice as many: leave some of it out";
    Diagnostic::new("54001", span, message).with_help(help)
}

/// A call of a function of the table, or its value; the arguments have the types that it takes.
pub(in crate::plan) fn call(name: &str, args: Vec<Expr>, ty: LogicalType, span: Span) -> Expr {
    let types: Vec<LogicalType> = args.iter().map(|arg| arg.ty.clone()).collect();
    let Ok(resolved) = functions::resolve(name, &types) else {
        // Not reached: the callers pass what the functions take.
        return Expr::literal(Value::Null, ty, span);
    };
    let constant = args.iter().all(|arg| arg.as_literal().is_some());
    let kind = ExprKind::Call {
        function: resolved.function,
        args,
    };
    let call = Expr { kind, ty, span };
    if constant { eval::fold(call) } else { call }
}
