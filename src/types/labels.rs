//! Enums: types whose values are labels, in an order of their own.
//!
//! `type enum as Tier('basic', 'vip')` is an [`EnumType`] of two labels; in the engine `'vip'` is the number 1, so that comparing, sorting,
//! grouping and joining are those of small integers. In a store it is its code, which says in which order labels came: with `'silver'`
//! between both, `'vip'` is the number 2, and still has the code 1; `'silver'` has the code 2.
//!
//! Invariants: a value's number is that of a label; labels differ. A label keeps its code as long as the type is there. Codes are the numbers
//! from 0 on, each once; those that a type does not have yet are numbers of their own.
//!
//! Does not: know where types are declared.

use serde::{Deserialize, Serialize};

use super::{LogicalType, Value};

/// An enum has no more labels.
pub const MOST_LABELS: usize = 1 << 15;

/// A type whose values are labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnumType {
    /// What it is called, case preserved.
    pub name: String,
    /// In their order.
    pub labels: Vec<String>,
    /// Of each label; none, if they are the numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    codes: Vec<u16>,
}

impl EnumType {
    /// Labels as they are declared.
    pub fn new(name: impl Into<String>, labels: Vec<String>) -> Self {
        let (name, codes) = (name.into(), Vec::new());
        Self { name, labels, codes }
    }

    /// Adds a label at a place among the others, which keep their codes.
    pub fn insert(&mut self, at: usize, label: String) {
        let code = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let count = self.labels.len();
        if at != count && self.codes.is_empty() {
            self.codes = (0..count).map(code).collect();
        }
        if !self.codes.is_empty() {
            self.codes.insert(at, code(count));
        }
        self.labels.insert(at, label);
    }

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

    /// Whether codes are other numbers than those of the labels.
    pub fn is_reordered(&self) -> bool {
        !self.codes.is_empty()
    }

    /// By number, the codes.
    pub fn codes(&self) -> Vec<u16> {
        match self.is_reordered() {
            true => self.codes.clone(),
            false => (0..=u16::MAX).take(self.labels.len()).collect(),
        }
    }

    /// By code, the numbers.
    pub fn numbers(&self) -> Vec<u16> {
        let codes = self.codes();
        let mut numbers: Vec<u16> = (0..=u16::MAX).take(codes.len()).collect();
        for (number, code) in (0..=u16::MAX).zip(codes) {
            if let Some(slot) = numbers.get_mut(usize::from(code)) {
                *slot = number;
            }
        }
        numbers
    }

    /// Whether the codes that this type has are the same labels in another one.
    pub fn is_part_of(&self, other: &Self) -> bool {
        let label = |of: &Self, number: u16| of.labels.get(usize::from(number)).cloned();
        let (mine, theirs) = (self.numbers(), other.numbers());
        self.name == other.name
            && mine.len() <= theirs.len()
            && mine
                .into_iter()
                .zip(theirs)
                .all(|(mine, theirs)| label(self, mine) == label(other, theirs))
    }

    /// Whether codes have the same numbers in another type, as far as either has them.
    pub fn has_numbers_of(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.numbers(), other.numbers());
        let number = |numbers: &[u16], code: u16| numbers.get(usize::from(code)).copied().unwrap_or(code);
        (0..=u16::MAX)
            .take(mine.len().max(theirs.len()))
            .all(|code| number(&mine, code) == number(&theirs, code))
    }
}

/// A value with other numbers for the labels in it.
pub fn renumbered(value: Value, ty: &LogicalType, number: &dyn Fn(&EnumType, i128) -> i128) -> Value {
    match (value, &*ty.laid_out()) {
        (Value::Int(known), LogicalType::Enum(labels)) => Value::Int(number(labels, known)),
        (Value::Array(values), LogicalType::Array(item)) => {
            let values = values.into_iter().map(|value| renumbered(value, item, number));
            Value::Array(values.collect())
        }
        (Value::Struct(values), LogicalType::Struct(fields)) => {
            let fields = values.into_iter().zip(fields);
            Value::Struct(
                fields
                    .map(|(value, field)| renumbered(value, &field.ty, number))
                    .collect(),
            )
        }
        (value, _) => value,
    }
}

/// What a table of numbers or codes has for one; those that it does not have are themselves.
pub fn look_up(table: &[u16], value: i128) -> i128 {
    let known = usize::try_from(value).ok().and_then(|value| table.get(value));
    known.map_or(value, |known| i128::from(*known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(texts: &[&str]) -> EnumType {
        EnumType::new("t", texts.iter().map(|text| (*text).to_string()).collect())
    }

    #[test]
    fn labels_keep_their_codes() {
        let declared = labels(&["a", "b"]);
        let mut tier = declared.clone();
        tier.insert(2, "z".into());
        assert!(!tier.is_reordered() && declared.has_numbers_of(&tier) && declared.is_part_of(&tier));
        let appended = tier.clone();
        tier.insert(0, "first".into());
        tier.insert(2, "between".into());
        tier.insert(5, "last".into());
        assert_eq!(tier.labels, ["first", "a", "between", "b", "z", "last"]);
        assert_eq!(tier.codes(), [3, 0, 4, 1, 2, 5]);
        assert_eq!(tier.numbers(), [1, 3, 4, 0, 2, 5]);
        assert!(appended.is_part_of(&tier) && !tier.is_part_of(&appended));
        assert!(!appended.has_numbers_of(&tier) && !tier.has_numbers_of(&appended));
        let mut other = appended.clone();
        other.insert(0, "other".into());
        assert!(!other.is_part_of(&tier) && other.has_numbers_of(&other.clone()));
    }

    #[test]
    fn what_was_written_before_there_were_codes_is_read() {
        let old = r#"{"name":"t","labels":["a","b"]}"#;
        let read: EnumType = serde_json::from_str(old).unwrap();
        assert_eq!(read, labels(&["a", "b"]));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let broken: EnumType = serde_json::from_str(r#"{"name":"t","labels":["a","b"],"codes":[9,9]}"#).unwrap();
        assert_eq!(broken.numbers(), [0, 1]);
    }
}
