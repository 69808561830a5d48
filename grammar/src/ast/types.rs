//! Types that have a name.
//!
//! `type enum as Tier('basic', 'vip')` is a [`DefineType`] whose [`TypeBody`] has two labels.
//!
//! Invariants: an enum has one label or more, and a struct one field or more.
//!
//! Does not: say whether a name is taken, or labels differ.

use std::fmt;

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

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |parts: Vec<String>| parts.join(", ");
        let fields = self.fields.iter().map(|(name, ty)| format!("{} {ty}", name.text));
        match (self.args.is_empty(), self.fields.is_empty(), self.params.is_empty()) {
            (false, ..) => {
                let args = self.args.iter().map(ToString::to_string);
                write!(f, "{}<{}>", self.name, list(args.collect()))
            }
            (_, false, _) => write!(f, "{}({})", self.name, list(fields.collect())),
            (.., false) => {
                let params = self.params.iter().map(ToString::to_string);
                write!(f, "{}({})", self.name, list(params.collect()))
            }
            _ => f.write_str(&self.name),
        }
    }
}
