//! Type names: `decimal(15, 2)`, `int`, `double precision`, `array<string>`.
//!
//! `int` is 64 bits wide in the grizzly dialect and 32 in ansi; `integer` is 32 in both.
//!
//! Invariants: a name that is not known is reported with the nearest one that is.
//!
//! Does not: know where types are declared.

use gobi_grammar::ast::{Ident, TypeName};
use gobi_grammar::{Diagnostic, Dialect};

use super::names::suggestion;
use super::{Binder, Bound};
use crate::plan::NamedTypes;
use crate::types::{Field, LogicalType};

/// Names without parameters; `int` is dealt with by dialect.
const SIMPLE: &[(&str, LogicalType)] = &[
    ("boolean", LogicalType::Boolean),
    ("bool", LogicalType::Boolean),
    ("logical", LogicalType::Boolean),
    ("tinyint", LogicalType::TinyInt),
    ("int1", LogicalType::TinyInt),
    ("smallint", LogicalType::SmallInt),
    ("int2", LogicalType::SmallInt),
    ("short", LogicalType::SmallInt),
    ("integer", LogicalType::Integer),
    ("int4", LogicalType::Integer),
    ("int32", LogicalType::Integer),
    ("signed", LogicalType::Integer),
    ("bigint", LogicalType::BigInt),
    ("int8", LogicalType::BigInt),
    ("int64", LogicalType::BigInt),
    ("long", LogicalType::BigInt),
    ("hugeint", LogicalType::HugeInt),
    ("int128", LogicalType::HugeInt),
    ("utinyint", LogicalType::UTinyInt),
    ("uint8", LogicalType::UTinyInt),
    ("usmallint", LogicalType::USmallInt),
    ("uint16", LogicalType::USmallInt),
    ("uinteger", LogicalType::UInteger),
    ("uint32", LogicalType::UInteger),
    ("ubigint", LogicalType::UBigInt),
    ("uint64", LogicalType::UBigInt),
    ("real", LogicalType::Real),
    ("float4", LogicalType::Real),
    ("double", LogicalType::Double),
    ("double precision", LogicalType::Double),
    ("float", LogicalType::Double),
    ("float8", LogicalType::Double),
    ("number", LogicalType::Double),
    ("string", LogicalType::String),
    ("varchar", LogicalType::String),
    ("text", LogicalType::String),
    ("char", LogicalType::String),
    ("character", LogicalType::String),
    ("bpchar", LogicalType::String),
    ("character varying", LogicalType::String),
    ("blob", LogicalType::Blob),
    ("bytea", LogicalType::Blob),
    ("binary", LogicalType::Blob),
    ("varbinary", LogicalType::Blob),
    ("date", LogicalType::Date),
    ("time", LogicalType::Time),
    ("timestamp", LogicalType::Timestamp),
    ("datetime", LogicalType::Timestamp),
    ("timestamp without time zone", LogicalType::Timestamp),
    ("timestamptz", LogicalType::TimestampTz),
    ("timestamp with time zone", LogicalType::TimestampTz),
    ("interval", LogicalType::Interval),
    ("uuid", LogicalType::Uuid),
    ("guid", LogicalType::Uuid),
    ("json", LogicalType::Json),
];

/// Types of the language that columns cannot have yet.
const LATER: &[&str] = &["enum", "secret"];

/// Whether a name is that of a type of the language's own.
pub(in crate::plan) fn is_own_type(name: &str) -> bool {
    let lower = name.to_lowercase();
    let own = [
        "int",
        "uint",
        "decimal",
        "numeric",
        "dec",
        "array",
        "list",
        "struct",
        "map",
        "exception",
        "future",
    ];
    own.contains(&lower.as_str()) || LATER.contains(&lower.as_str()) || SIMPLE.iter().any(|(known, _)| *known == lower)
}

impl Binder<'_> {
    /// The type that a type name stands for.
    pub(super) fn type_name(&mut self, name: &TypeName) -> Bound<LogicalType> {
        let ty = self.any_type(name)?;
        self.not_too_large(&ty, name.span)?;
        Ok(ty)
    }

    fn any_type(&mut self, name: &TypeName) -> Bound<LogicalType> {
        let lower = name.name.to_lowercase();
        match lower.as_str() {
            "uint" => Ok(match self.dialect {
                Dialect::Grizzly => LogicalType::UBigInt,
                Dialect::Ansi => LogicalType::UInteger,
            }),
            "int" => Ok(match self.dialect {
                Dialect::Grizzly => LogicalType::BigInt,
                Dialect::Ansi => LogicalType::Integer,
            }),
            "decimal" | "numeric" | "dec" => self.decimal_type(name),
            "array" | "list" => match name.args.as_slice() {
                [item] => Ok(LogicalType::Array(Box::new(self.type_name(item)?))),
                _ => self.fail(Diagnostic::new(
                    "42601",
                    name.span,
                    "`array` takes one type: `array<int>`",
                )),
            },
            "exception" => Ok(LogicalType::exception()),
            "future" => match name.args.as_slice() {
                [value] => Ok(self.type_name(value)?.future()),
                _ => self.fail(Diagnostic::new(
                    "42601",
                    name.span,
                    "`future` takes one type: `future<int>`",
                )),
            },
            "map" => match name.args.as_slice() {
                [key, value] => {
                    let key = self.type_name(key);
                    Ok(LogicalType::Map(Box::new((key?, self.type_name(value)?))))
                }
                _ => self.fail(Diagnostic::new(
                    "42601",
                    name.span,
                    "`map` takes two types: `map<string, int>`",
                )),
            },
            "struct" => {
                let mut fields = Vec::with_capacity(name.fields.len());
                for (field, ty) in &name.fields {
                    fields.push(Field {
                        name: field.text.clone(),
                        ty: self.type_name(ty)?,
                        nullable: true,
                    });
                }
                Ok(LogicalType::Struct(fields))
            }
            later if LATER.contains(&later) => self.unsupported(&format!("the type `{later}` is"), name.span),
            simple => match SIMPLE.iter().find(|(known, _)| *known == simple) {
                Some((_, ty)) => Ok(ty.clone()),
                None => self.named_type(name),
            },
        }
    }

    fn decimal_type(&mut self, name: &TypeName) -> Bound<LogicalType> {
        let (precision, scale) = match name.params.as_slice() {
            [] => (18, 3),
            [precision] => (*precision, 0),
            [precision, scale] => (*precision, *scale),
            _ => (0, 0),
        };
        let fits = (1..=38).contains(&precision) && scale <= precision;
        match (u8::try_from(precision), u8::try_from(scale)) {
            (Ok(precision), Ok(scale)) if fits => Ok(LogicalType::Decimal { precision, scale }),
            _ => {
                let message = "a decimal has 1 to 38 digits, and no more after the point than in all";
                self.fail(Diagnostic::new("22023", name.span, message).with_help("write it as `decimal(15, 2)`"))
            }
        }
    }

    /// The type and the field of `x::P.a`, which reads as a type of a module.
    pub(super) fn field_behind_type(&mut self, name: &TypeName) -> Option<(TypeName, Ident)> {
        let (of, field) = name.name.rsplit_once('.')?;
        let types = self.tables.types();
        let is_field = types.find(&name.name).is_none() && (types.find(of).is_some() || is_own_type(of));
        let of = TypeName {
            name: of.to_owned(),
            ..name.clone()
        };
        let field = Ident {
            text: field.to_owned(),
            quoted: true,
            span: name.span,
        };
        is_field.then_some((of, field))
    }

    /// A type that somebody has declared.
    fn named_type(&mut self, name: &TypeName) -> Bound<LogicalType> {
        let types = self.tables.types();
        match types.find(&name.name) {
            Some(ty) if name.params.is_empty() => {
                let whole = types
                    .declared_as(&name.name)
                    .map_or(name.name.as_str(), |(whole, _)| whole);
                self.tables.note_type(whole);
                Ok(ty.clone())
            }
            Some(_) => {
                let message = format!("the type `{}` takes no parameters", name.name);
                self.fail(Diagnostic::new("42601", name.span, message))
            }
            None => self.unknown_type(name, &types),
        }
    }

    fn unknown_type(&mut self, name: &TypeName, types: &NamedTypes) -> Bound<LogicalType> {
        let mut error = Diagnostic::new("42704", name.span, format!("type `{}` does not exist", name.name));
        let known = SIMPLE.iter().map(|(known, _)| (*known).to_string());
        let known = known.chain(["int".into(), "decimal".into()]);
        let declared = types.declared().map(|(known, _)| known.to_string());
        error.help = suggestion(&name.name, known.chain(declared));
        self.fail(error)
    }
}
