//! Types that have a name.
//!
//! `type enum as Tier('basic', 'vip')` is a [`DefineType`] whose [`TypeBody`] has two labels.
//!
//! Invariants: an enum has one label or more, and a struct one field or more.
//!
//! Does not: say whether a name is taken, or labels differ.

use std::fmt;

use super::{DropBehavior, Expr, Ident, Path, Span, TypeName};

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

impl TypeBody {
    /// What it is.
    pub fn kind(&self) -> &'static str {
        match self {
            TypeBody::Enum(_) => "enum",
            TypeBody::Struct(_) => "struct",
            TypeBody::Alias(_) => "alias",
        }
    }
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

/// `ALTER TYPE name change`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterType {
    /// Which.
    pub name: Path,
    /// What.
    pub change: TypeChange,
}

/// What ALTER TYPE changes.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeChange {
    /// `ADD VALUE [IF NOT EXISTS] 'label' [BEFORE | AFTER 'other']`.
    AddLabel {
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// The new label.
        label: (String, Span),
        /// Where it stands, if that is said.
        place: Option<LabelPlace>,
    },
    /// `RENAME VALUE 'label' TO 'other'`.
    RenameLabel {
        /// Which.
        label: (String, Span),
        /// What it is called from here on.
        to: (String, Span),
    },
    /// `RENAME TO name`.
    Rename(Ident),
    /// `ADD ATTRIBUTE name type`.
    AddField {
        /// The new field.
        name: Ident,
        /// Its type.
        ty: TypeName,
    },
    /// `DROP ATTRIBUTE [IF EXISTS] name [CASCADE | RESTRICT]`.
    DropField {
        /// `IF EXISTS`.
        if_exists: bool,
        /// Which.
        name: Ident,
        /// `CASCADE` or `RESTRICT`.
        behavior: Option<DropBehavior>,
    },
    /// `RENAME ATTRIBUTE name TO other`.
    RenameField {
        /// Which.
        name: Ident,
        /// What it is called from here on.
        to: Ident,
    },
    /// `ALTER ATTRIBUTE name [SET DATA] TYPE type`.
    FieldType {
        /// Which.
        name: Ident,
        /// Its type from here on.
        ty: TypeName,
    },
}

/// Beside which label another one stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelPlace {
    /// Before it, not behind it.
    pub before: bool,
    /// Which.
    pub label: (String, Span),
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
