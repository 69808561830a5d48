//! Values of declared structs, and maps.
//!
//! `type struct as P {id: 1}` has the fields of `P`, in its order and of its types; `map {'a': 1}` is a call of `map_from_arrays`, `m['a']`
//! one of `map_extract_value`.
//!
//! Invariants: a struct that is named has all its fields and no others.
//!
//! Does not: declare types.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Ident, Span};

use super::body::converted;
use super::coerce::{common_type, with_literal};
use super::names::suggestion;
use super::nested::call;
use super::scope::same;
use super::select::Block;
use super::{Binder, Bound, Reported};
use crate::plan::logical::Expr;
use crate::types::{Field, LogicalType};

/// The entries of a map, as an array; any other value as it is.
pub(in crate::plan) fn entries_of(map: Expr) -> Expr {
    let LogicalType::Map(_) = &map.ty else { return map };
    let (ty, span) = (map.ty.laid_out().into_owned(), map.span);
    call("map_entries", vec![map], ty, span)
}

impl<'a> Binder<'a> {
    /// `type struct as P {a: 1}`.
    pub(super) fn instance(
        &mut self,
        block: &mut Block<'a>,
        name: &'a Ident,
        given: &'a [(Ident, ast::Expr)],
        span: Span,
    ) -> Bound<Expr> {
        let written = ast::TypeName {
            name: name.text.to_lowercase(),
            params: Vec::new(),
            args: Vec::new(),
            fields: Vec::new(),
            span: name.span,
        };
        let ty = self.type_name(&written)?;
        let LogicalType::Struct(fields) = &ty else {
            let message = format!("`{}` is no struct, but {ty}", name.text);
            return self.fail(Diagnostic::new("42809", name.span, message));
        };
        self.check_fields(&name.text, fields, given, name.span)?;
        let mut values = Vec::with_capacity(fields.len());
        let mut failed = false;
        for field in fields {
            let written = given.iter().find(|(known, _)| same(&known.text, &field.name));
            let Some((_, value)) = written else { continue };
            match self.field_value(block, field, value) {
                Ok(value) => values.push(value),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        Ok(call("row", values, ty, span))
    }

    /// Which fields are missing, or are none of the struct's.
    fn check_fields(&mut self, name: &str, fields: &[Field], given: &[(Ident, ast::Expr)], place: Span) -> Bound<()> {
        for (at, (field, _)) in given.iter().enumerate() {
            if given[..at].iter().any(|(other, _)| same(&other.text, &field.text)) {
                let message = format!("field `{}` is given twice", field.text);
                return self.fail(Diagnostic::new("42701", field.span, message));
            }
            if !fields.iter().any(|known| same(&known.name, &field.text)) {
                let message = format!("struct `{name}` has no field `{}`", field.text);
                let mut error = Diagnostic::new("42703", field.span, message);
                error.help = suggestion(&field.text, fields.iter().map(|field| field.name.clone()));
                return self.fail(error);
            }
        }
        let missing = fields
            .iter()
            .filter(|field| !given.iter().any(|(known, _)| same(&known.text, &field.name)));
        let missing: Vec<String> = missing.map(|field| format!("`{}`", field.name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("struct `{name}` is missing required fields: {}", missing.join(", "));
        self.fail(Diagnostic::new("42601", place, message))
    }

    fn field_value(&mut self, block: &mut Block<'a>, field: &Field, value: &'a ast::Expr) -> Bound<Expr> {
        let bound = self.expr(block, value)?;
        let from = bound.ty.clone();
        if let Some(value) = converted(bound.clone(), &field.ty) {
            return Ok(value);
        }
        if with_literal(&field.ty, &bound).as_ref() == Some(&field.ty) {
            return self.convert_constant(bound, &field.ty);
        }
        if bound.as_literal().is_some() && matches!(field.ty, LogicalType::Enum(_)) {
            // It says which labels there are.
            return self.convert_constant(bound, &field.ty);
        }
        let message = format!("field `{}` should be {}, got {from}", field.name, field.ty);
        self.fail(Diagnostic::new("42804", value.span, message))
    }

    /// `map {k: v}`.
    pub(super) fn map(
        &mut self,
        block: &mut Block<'a>,
        entries: &'a [(ast::Expr, ast::Expr)],
        span: Span,
    ) -> Bound<Expr> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut failed = false;
        for (key, value) in entries {
            let (key, value) = (self.expr(block, key), self.expr(block, value));
            match (key, value) {
                (Ok(key), Ok(value)) => {
                    keys.push(key);
                    values.push(value);
                }
                _ => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        let (keys, key) = self.unify_all(keys, "the keys", span)?;
        let (values, value) = self.unify_all(values, "the values", span)?;
        let list = |items: Vec<Expr>, ty: &LogicalType| {
            let ty = LogicalType::Array(Box::new(ty.clone()));
            match items.is_empty() {
                true => Expr::literal(crate::types::Value::Array(Vec::new()), ty, span),
                false => call("list_value", items, ty, span),
            }
        };
        let args = vec![list(keys, &key), list(values, &value)];
        Ok(call(
            "map_from_arrays",
            args,
            LogicalType::Map(Box::new((key, value))),
            span,
        ))
    }

    /// `m[k]`.
    pub(super) fn value_of_key(&mut self, of: Expr, key: Expr, span: Span) -> Bound<Expr> {
        let wanted = match &of.ty {
            LogicalType::Map(parts) => parts.0.clone(),
            _ => LogicalType::Null,
        };
        let adapts = key.as_literal().is_some() && with_literal(&wanted, &key).as_ref() == Some(&wanted);
        let key = if adapts {
            self.convert_constant(key, &wanted)?
        } else {
            key
        };
        if common_type(&wanted, &key.ty).is_none() {
            let message = format!("a key of the map is {wanted}, not {}", key.ty);
            let help = format!("cast it: `… :: {wanted}`");
            return self.fail(Diagnostic::new("42804", key.span, message).with_help(help));
        }
        let name = Ident {
            text: "map_extract_value".into(),
            quoted: false,
            span,
        };
        self.function(&name, vec![of, key], span)
    }
}
