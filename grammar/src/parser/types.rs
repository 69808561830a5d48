//! Declarations of types, and the values that name theirs.
//!
//! `CREATE TYPE tier AS ENUM ('basic', 'vip')` becomes a [`DefineType`] of two labels, `type struct as P {a: 1}` an
//! [`ExprKind::Instance`].
//!
//! Invariants: `CREATE TYPE p AS STRUCT(a int)`, `… AS (a int)` and `type struct as p(a int)` have the same body.
//!
//! Does not: look types up.

use super::Builder;
use super::operand::unquote;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{
    AlterType, DefineType, Expr, ExprKind, Ident, LabelPlace, Span, StatementKind, TypeBody, TypeChange, TypeForm,
    TypeName,
};

impl Builder<'_> {
    /// `type enum as …`, `type struct as …`.
    pub(super) fn declare_type(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let (mut name, mut body, mut instance) = (None, None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::type_labels => body = Some(self.type_labels(part)),
                Rule::type_fields => body = Some(TypeBody::Struct(self.type_fields(part))),
                Rule::instance_fields => instance = self.instance_fields(part),
                Rule::word | Rule::backtick | Rule::dquoted => name = Some(self.ident(&part)),
                _ => {}
            }
        }
        Some(StatementKind::DefineType(Box::new(DefineType {
            form: TypeForm::Declare,
            name: vec![name?],
            body: body?,
            instance,
        })))
    }

    /// `CREATE TYPE …`, behind its modifiers.
    pub(super) fn create_type(&mut self, or_replace: bool, node: Node<'_>) -> Option<StatementKind> {
        let form = TypeForm::Create {
            or_replace,
            if_not_exists: has(&node, Rule::if_not_exists),
        };
        let (mut name, mut body) = (None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::table_path => name = Some(self.idents(part)),
                Rule::type_labels => body = Some(self.type_labels(part)),
                Rule::type_fields => body = Some(TypeBody::Struct(self.type_fields(part))),
                Rule::type_name => body = Some(body_of(self.type_name(part))),
                _ => {}
            }
        }
        Some(StatementKind::DefineType(Box::new(DefineType {
            form,
            name: name?,
            body: body?,
            instance: Vec::new(),
        })))
    }

    /// `ALTER TYPE …`.
    pub(super) fn alter_type(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = parts(node);
        let name = self.idents(inner.next()?);
        let change = self.type_change(inner.next()?)?;
        Some(StatementKind::AlterType(Box::new(AlterType { name, change })))
    }

    fn type_change(&mut self, node: Node<'_>) -> Option<TypeChange> {
        let inner = parts(node).next()?;
        let rule = inner.as_rule();
        Some(match rule {
            Rule::add_value => {
                let if_not_exists = has(&inner, Rule::if_not_exists);
                let before = has(&inner, Rule::before_word);
                let mut labels = self.labels(inner).into_iter();
                TypeChange::AddLabel {
                    if_not_exists,
                    label: labels.next()?,
                    place: labels.next().map(|label| LabelPlace { before, label }),
                }
            }
            Rule::rename_value => {
                let mut labels = self.labels(inner).into_iter();
                let (label, to) = (labels.next()?, labels.next()?);
                TypeChange::RenameLabel { label, to }
            }
            Rule::add_attribute => {
                let mut field = without_words(inner);
                let (name, ty) = (self.ident(&field.next()?), self.type_name(field.next()?));
                TypeChange::AddField { name, ty }
            }
            Rule::drop_attribute => {
                let if_exists = has(&inner, Rule::if_exists);
                let behavior = parts(inner.clone()).find(|part| part.as_rule() == Rule::drop_behavior);
                TypeChange::DropField {
                    if_exists,
                    name: self.ident(&without_words(inner).find(|part| part.as_rule() != Rule::if_exists)?),
                    behavior: behavior.map(|behavior| super::define::drop_behavior(&behavior)),
                }
            }
            Rule::rename_attribute => {
                let mut names = without_words(inner);
                let (name, to) = (self.ident(&names.next()?), self.ident(&names.next()?));
                TypeChange::RenameField { name, to }
            }
            Rule::alter_attribute => {
                let mut field = without_words(inner);
                let (name, ty) = (self.ident(&field.next()?), parts(field.next()?).next()?);
                let ty = self.type_name(ty);
                TypeChange::FieldType { name, ty }
            }
            _ => TypeChange::Rename(self.ident(&inner)),
        })
    }

    fn labels(&mut self, node: Node<'_>) -> Vec<(String, Span)> {
        let texts = parts(node).filter(|part| part.as_rule() == Rule::label_text);
        texts.map(|text| (unquote(text.as_str()), self.span(&text))).collect()
    }

    /// `type struct as P {a: 1}`.
    pub(super) fn instance(&mut self, node: Node<'_>) -> Option<ExprKind> {
        let (mut name, mut fields): (Option<Ident>, _) = (None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::instance_fields => fields = self.instance_fields(part),
                Rule::word | Rule::backtick | Rule::dquoted => {
                    let own = self.ident(&part);
                    name = Some(match name {
                        None => own,
                        // Of a module.
                        Some(module) => Ident {
                            text: format!("{}.{}", module.text, own.text),
                            quoted: true,
                            span: module.span.to(own.span),
                        },
                    });
                }
                _ => {}
            }
        }
        let name = name?;
        Some(ExprKind::Instance { name, fields })
    }

    /// `map {k: v}`.
    pub(super) fn map(&mut self, node: Node<'_>) -> ExprKind {
        let mut entries: Vec<(Expr, Expr)> = Vec::new();
        for entry in parts(node) {
            let mut inner = parts(entry);
            if let (Some(key), Some(value)) = (inner.next(), inner.next()) {
                entries.push((self.expr(key), self.expr(value)));
            }
        }
        ExprKind::Map(entries)
    }

    fn type_labels(&mut self, node: Node<'_>) -> TypeBody {
        let texts = parts(node).filter(|part| part.as_rule() != Rule::open_paren);
        let labels = texts.map(|text| (unquote(text.as_str()), self.span(&text)));
        TypeBody::Enum(labels.collect())
    }

    pub(super) fn type_fields(&mut self, node: Node<'_>) -> Vec<(Ident, TypeName)> {
        let mut fields = Vec::new();
        for field in parts(node) {
            let mut inner = parts(field);
            if let (Some(name), Some(ty)) = (inner.next(), inner.next()) {
                fields.push((self.ident(&name), self.type_name(ty)));
            }
        }
        fields
    }

    fn instance_fields(&mut self, node: Node<'_>) -> Vec<(Ident, Expr)> {
        match self.brace(node) {
            ExprKind::Struct(fields) => fields,
            _ => Vec::new(),
        }
    }
}

/// What stands beside the word ATTRIBUTE.
fn without_words(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    parts(node).filter(|part| part.as_rule() != Rule::attribute_word)
}

/// A struct is the same whichever way it is written.
fn body_of(ty: TypeName) -> TypeBody {
    match ty.name == "struct" && !ty.fields.is_empty() {
        true => TypeBody::Struct(ty.fields),
        false => TypeBody::Alias(ty),
    }
}
