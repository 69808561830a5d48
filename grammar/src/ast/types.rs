//! Types that have a name.
//!
//! `type enum as Tier('basic', 'vip')` is a [`DefineType`] whose [`TypeBody`] has two labels.
//!
//! Invariants: an enum has one label or more, and a struct one field or more.
//!
//! Does not: say whether a name is taken, or labels differ.

use super::{Expr, Ident, Path, Span, TypeName};

/// `type enum as Tier('basic')`, `type struct as P(a int)`, `CREATE TYPE t AS …`.
#[derive(Clone, Debug, PartialEq)]
pub struct DefineType {
    /// How it was written.
    pub form: TypeForm,
    /// Its name.
    pub name: Path,
    /// What it is.
    pub body: TypeBody,
    /// `{a: 1}` behind it: a value of it.
    pub instance: Vec<(Ident, Expr)>,
}

/// The forms in which a type is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeForm {
    /// `type … as …`.
    Declare,
    /// `CREATE TYPE …`.
    Create {
        /// OR REPLACE.
        or_replace: bool,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeBody {
    /// Labels, in their order.
    Enum(Vec<(String, Span)>),
    /// Fields.
    Struct(Vec<(Ident, TypeName)>),
    /// Another type.
    Alias(TypeName),
}
