//! How large types may be.
//!
//! After `type struct as A(x int)`, `type struct as B(l A, r A)` has two parts more than twice as many, and thirty of that kind a thousand million.
//!
//! Invariants: a type that is too large is told before it is made of others again, so that asking is never slow.
//!
//! Does not: say where it was written.

use super::LogicalType;

/// Types in a type, itself among them.
pub const MOST_PARTS: usize = 20_000;

impl LogicalType {
    /// Whether it has more than [`MOST_PARTS`] parts.
    pub fn is_too_large(&self) -> bool {
        self.is_nested() && self.parts_left(MOST_PARTS).is_none()
    }

    /// What is left of so many parts; `None` if it has more.
    fn parts_left(&self, parts: usize) -> Option<usize> {
        let parts = parts.checked_sub(1)?;
        match self {
            LogicalType::Array(item) => item.parts_left(parts),
            LogicalType::Map(of) => of.1.parts_left(of.0.parts_left(parts)?),
            LogicalType::Struct(fields) => fields.iter().try_fold(parts, |left, field| field.ty.parts_left(left)),
            _ => Some(parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Field;

    fn pair(ty: &LogicalType) -> LogicalType {
        let field = |name: &str| Field {
            name: name.to_owned(),
            ty: ty.clone(),
            nullable: true,
        };
        LogicalType::Struct(vec![field("l"), field("r")])
    }

    #[test]
    fn a_type_that_doubles_becomes_too_large() {
        let mut ty = LogicalType::BigInt;
        let mut levels = 0;
        while !ty.is_too_large() {
            ty = pair(&ty);
            levels += 1;
        }
        assert_eq!(levels, 14);
        assert!(LogicalType::Array(Box::new(ty)).is_too_large());
    }
}
