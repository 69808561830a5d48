//! Enums: types whose values are labels, in an order of their own.
//!
//! `type enum as Tier('basic', 'vip')` is an [`EnumType`] of two labels; in the engine and in a store `'vip'` is the number 1, so that
//! comparing, sorting, grouping and joining are those of small integers.
//!
//! Invariants: a value's number is that of a label; labels differ.
//!
//! Does not: know where types are declared.

use serde::{Deserialize, Serialize};

/// An enum has no more labels.
pub const MOST_LABELS: usize = 1 << 15;

/// A type whose values are labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnumType {
    /// What it is called, case preserved.
    pub name: String,
    /// In their order.
    pub labels: Vec<String>,
}

impl EnumType {
    /// The number of a label; case counts, as in any text.
    pub fn number(&self, label: &str) -> Option<i128> {
        let at = self.labels.iter().position(|known| known == label)?;
        i128::try_from(at).ok()
    }

    /// The label of a number.
    pub fn label(&self, number: i128) -> Option<&str> {
        let label = self.labels.get(usize::try_from(number).ok()?);
        label.map(String::as_str)
    }

    /// The greatest number.
    pub fn last(&self) -> i128 {
        self.labels.len().saturating_sub(1) as i128
    }
}
