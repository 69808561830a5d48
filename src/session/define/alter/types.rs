//! Which types a column may change to: those that hold every value of its own.
//!
//! `smallint` widens to `int`, `decimal(10,2)` to `decimal(12,4)`, `date` to `timestamp`; `bigint` to `integer` is refused.
//!
//! Invariants: widening is one to one, keeps the order of values, and two of them are as good as one: a segment is converted
//! from the type that it was written with. (A date that became a timestamp and then a string would have another text.)
//!
//! Does not: convert; segments do when they are read.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{ColumnConstraint, ColumnDef, CreateTable, Ident, Span, TypeName};

use super::{Altering, user};
use crate::catalog::ColumnNo;
use crate::session::Error;
use crate::session::define::column_types;
use crate::types::LogicalType;
use crate::types::Value;
use crate::types::cast::cast;

impl Altering<'_> {
    /// `ALTER c TYPE t`.
    pub(super) fn widen(&mut self, name: &Ident, ty: &TypeName, span: Span) -> Result<(), Error> {
        let mut def = self.def()?;
        let at = self.position(&def, name)?;
        let wanted = self.type_of(ty, name, span)?;
        let Some(column) = def.columns.get_mut(at) else {
            return Ok(());
        };
        let no = column.no;
        if column.ty == wanted {
            return Ok(());
        }
        if !widens(&column.ty, &wanted) {
            return Err(narrowing(&column.name, &column.ty, &wanted, span));
        }
        if let Some(key) = self
            .foreign_key_of(no)
            .filter(|_| !(column.ty.is_integer() && wanted.is_integer()))
        {
            let message = format!("the type of `{}` is needed by the foreign key `{key}`", column.name);
            return Err(user("2BP01", span, message));
        }
        column.missing = widened(column.missing.take(), &column.ty, &wanted);
        column.ty = wanted;
        let what = format!("the type of `{}` of `{}`", column.name, def.name);
        self.check_expressions(&def, span)?;
        self.put_visible(def, None, &what, span)
    }

    /// A foreign key that a column is part of, on either side.
    fn foreign_key_of(&self, no: ColumnNo) -> Option<String> {
        let def = self.view.catalog().table(self.id)?;
        let own = def.foreign_keys.iter().find(|key| key.columns.contains(&no));
        let others = self.view.catalog().referencing(self.id);
        let keys = others.iter().flat_map(|(_, other)| &other.foreign_keys);
        let leading = keys
            .into_iter()
            .find(|key| key.table == self.id && key.referenced.contains(&no));
        own.or(leading).map(|key| key.name.clone())
    }

    /// What a type's name means.
    pub(super) fn type_of(&mut self, ty: &TypeName, name: &Ident, span: Span) -> Result<LogicalType, Error> {
        let column = ColumnDef {
            name: name.clone(),
            ty: Some(ty.clone()),
            constraints: Vec::<ColumnConstraint>::new(),
            span,
        };
        let types = column_types(self.session, &alone(column), self.running.dialect)?;
        let ty = types.into_iter().next().map(|field| field.ty);
        Ok(ty.unwrap_or(LogicalType::Null))
    }
}

/// A table of one column.
pub(super) fn alone(column: ColumnDef) -> CreateTable {
    CreateTable {
        or_replace: false,
        temporary: false,
        if_not_exists: false,
        name: Vec::new(),
        columns: vec![column],
        constraints: Vec::new(),
        options: Vec::new(),
        query: None,
    }
}

/// Whether every value of a type is one of another, too.
fn widens(from: &LogicalType, to: &LogicalType) -> bool {
    use LogicalType as T;
    match (from, to) {
        (from, to) if from.is_integer() && to.is_integer() => {
            let ((low, high), (least, most)) = (range(from), range(to));
            least <= low && high <= most
        }
        (from, T::Decimal { precision, scale }) if from.is_integer() => digits(from) + scale <= *precision,
        (T::TinyInt | T::SmallInt | T::UTinyInt | T::USmallInt, T::Real) => true,
        (T::TinyInt | T::SmallInt | T::Integer | T::UTinyInt | T::USmallInt | T::UInteger, T::Double) => true,
        (T::Decimal { precision: p, scale: s }, T::Decimal { precision, scale }) => {
            scale >= s && precision - scale >= p - s
        }
        (T::Real, T::Double) | (T::Date, T::Timestamp | T::TimestampTz) | (T::Timestamp, T::TimestampTz) => true,
        _ => false,
    }
}

fn range(ty: &LogicalType) -> (i128, i128) {
    use LogicalType as T;
    match ty {
        T::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        T::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        T::Integer => (i32::MIN.into(), i32::MAX.into()),
        T::BigInt => (i64::MIN.into(), i64::MAX.into()),
        T::UTinyInt => (0, u8::MAX.into()),
        T::USmallInt => (0, u16::MAX.into()),
        T::UInteger => (0, u32::MAX.into()),
        T::UBigInt => (0, u64::MAX.into()),
        _ => (-(10_i128.pow(38) - 1), 10_i128.pow(38) - 1),
    }
}

fn digits(ty: &LogicalType) -> u8 {
    let (low, high) = range(ty);
    let most = high.max(-(low + 1));
    u8::try_from(most.ilog10() + 1).unwrap_or(u8::MAX)
}

/// The same value as text of the wider type.
fn widened(text: Option<String>, from: &LogicalType, to: &LogicalType) -> Option<String> {
    let text = text?;
    let value = cast(&Value::String(text.as_str().into()), &LogicalType::String, from);
    let wider = value.and_then(|value| cast(&value, from, to));
    Some(wider.map_or(text, |value| value.display(to)))
}

fn narrowing(name: &str, from: &LogicalType, to: &LogicalType, span: Span) -> Error {
    let message = format!("column `{name}` cannot become {to}, which does not hold every {from}");
    let help =
        format!("add a column of the type {to}, fill it with UPDATE and a cast, drop `{name}`, and rename the new one");
    Error::new(Diagnostic::new("42804", span, message).with_help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use LogicalType as T;

    #[test]
    fn only_what_holds_every_value_is_wider() {
        let decimal = |precision, scale| T::Decimal { precision, scale };
        for (from, to) in [
            (T::Integer, T::BigInt),
            (T::UInteger, T::BigInt),
            (T::BigInt, T::HugeInt),
            (T::Integer, decimal(12, 2)),
            (decimal(10, 2), decimal(12, 4)),
            (T::Real, T::Double),
            (T::Integer, T::Double),
            (T::Date, T::Timestamp),
        ] {
            assert!(widens(&from, &to), "{from} {to}");
            assert!(!widens(&to, &from), "{to} {from}");
        }
        for (from, to) in [
            (T::Integer, T::UBigInt),
            (T::UBigInt, T::BigInt),
            (T::BigInt, T::Double),
            (T::Integer, decimal(11, 2)),
            (decimal(10, 2), decimal(11, 4)),
            (T::Timestamp, T::Date),
            (T::Date, T::String),
        ] {
            assert!(!widens(&from, &to), "{from} {to}");
        }
    }

    #[test]
    fn what_old_rows_have_is_widened_as_a_value() {
        let text = Some("0.1".to_string());
        assert_eq!(widened(text, &T::Real, &T::Double).unwrap(), "0.10000000149011612");
        assert_eq!(widened(Some("7".into()), &T::TinyInt, &T::BigInt).unwrap(), "7");
    }
}
