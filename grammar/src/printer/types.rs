//! Declarations of types, and the values that name theirs, in canonical form.
//!
//! `create type tier as enum ("basic")` is written `CREATE TYPE tier AS ENUM ('basic')`.
//!
//! Invariants: what is written reads back as the same tree.
//!
//! Does not: break lines.

use super::Printer;
use crate::ast::{AlterType, DefineType, Expr, ExprKind, Ident, Span, TypeBody, TypeChange, TypeForm, TypeName};

impl Printer {
    pub(super) fn alter_type(&mut self, alter: &AlterType) {
        self.word("ALTER TYPE ");
        self.path(&alter.name);
        match &alter.change {
            TypeChange::AddLabel {
                if_not_exists,
                label,
                place,
            } => {
                self.word(" ADD VALUE ");
                self.when_set(*if_not_exists, "IF NOT EXISTS ");
                self.string(&label.0);
                if let Some(place) = place {
                    self.word(if place.before { " BEFORE " } else { " AFTER " });
                    self.string(&place.label.0);
                }
            }
            TypeChange::RenameLabel { label, to } => {
                self.word(" RENAME VALUE ");
                self.string(&label.0);
                self.word(" TO ");
                self.string(&to.0);
            }
            TypeChange::Rename(to) => {
                self.word(" RENAME TO ");
                self.ident(to);
            }
            TypeChange::AddField { name, ty } => {
                self.word(" ADD ATTRIBUTE ");
                self.ident(name);
                self.word(" ");
                self.type_name(ty);
            }
            TypeChange::DropField {
                if_exists,
                name,
                behavior,
            } => {
                self.word(" DROP ATTRIBUTE ");
                self.when_set(*if_exists, "IF EXISTS ");
                self.ident(name);
                self.behavior(*behavior);
            }
            TypeChange::RenameField { name, to } => {
                self.word(" RENAME ATTRIBUTE ");
                self.ident(name);
                self.word(" TO ");
                self.ident(to);
            }
            TypeChange::FieldType { name, ty } => {
                self.word(" ALTER ATTRIBUTE ");
                self.ident(name);
                self.word(" TYPE ");
                self.type_name(ty);
            }
        }
    }

    pub(super) fn define_type(&mut self, define: &DefineType) {
        match define.form {
            TypeForm::Declare => {
                self.word(match define.body {
                    TypeBody::Enum(_) => "type enum as ",
                    TypeBody::Struct(_) | TypeBody::Alias(_) => "type struct as ",
                });
                self.path(&define.name);
            }
            TypeForm::Create {
                or_replace,
                if_not_exists,
            } => {
                self.word("CREATE ");
                self.when_set(or_replace, "OR REPLACE ");
                self.word("TYPE ");
                self.when_set(if_not_exists, "IF NOT EXISTS ");
                self.path(&define.name);
                self.word(match define.body {
                    TypeBody::Enum(_) => " AS ENUM ",
                    TypeBody::Struct(_) => " AS STRUCT",
                    TypeBody::Alias(_) => " AS ",
                });
            }
        }
        match &define.body {
            TypeBody::Enum(labels) => {
                self.word("(");
                self.list(labels, |printer, (label, _): &(String, Span)| printer.string(label));
                self.word(")");
            }
            TypeBody::Struct(fields) => {
                self.word("(");
                self.list(fields, |printer, (name, ty): &(Ident, TypeName)| {
                    printer.ident(name);
                    printer.word(" ");
                    printer.type_name(ty);
                });
                self.word(")");
            }
            TypeBody::Alias(ty) => self.type_name(ty),
        }
        if !define.instance.is_empty() {
            self.word(" ");
            self.fields(&define.instance);
        }
    }

    /// `{a: 1}`.
    pub(super) fn fields(&mut self, fields: &[(Ident, Expr)]) {
        self.word("{");
        self.list(fields, |printer, (name, value): &(Ident, Expr)| {
            printer.ident(name);
            printer.word(": ");
            printer.expr(value);
        });
        self.word("}");
    }

    /// A value that names its type, or a map.
    pub(super) fn typed_value(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Instance { name, fields } => {
                self.word("type struct as ");
                self.ident(name);
                self.word(" ");
                self.fields(fields);
            }
            ExprKind::Map(entries) => {
                self.word("map {");
                self.list(entries, |printer, (key, value): &(Expr, Expr)| {
                    printer.expr(key);
                    printer.word(": ");
                    printer.expr(value);
                });
                self.word("}");
            }
            _ => {}
        }
    }
}
