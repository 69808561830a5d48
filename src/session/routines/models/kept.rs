//! The tables of the schema `gobi`: how far models are, what their runs did, and audits.
//!
//! Before the first run of a model there is no table `gobi.model_runs`, and who asks for it has one of its columns that is empty.
//!
//! Invariants: what is shown of a table before it is made has the columns that it is made with.
//!
//! Does not: write rows.

use super::desk::Desk;
use crate::session::Error;
use crate::types::LogicalType;

/// The schema's name.
pub const SCHEMA: &str = "gobi";

/// A table of the schema.
#[derive(Debug)]
pub struct Kept {
    /// Its name.
    pub name: &'static str,
    /// Its columns; the first one is its key, if it has one.
    pub columns: &'static [(&'static str, LogicalType)],
    has_key: bool,
}

const TABLES: [Kept; 3] = [
    Kept {
        name: "model_state",
        columns: &[("model", LogicalType::String), ("done_until", LogicalType::Timestamp)],
        has_key: true,
    },
    Kept {
        name: "model_runs",
        columns: &[
            ("model", LogicalType::String),
            ("kind", LogicalType::String),
            ("run_at", LogicalType::Timestamp),
            ("from_time", LogicalType::Timestamp),
            ("until_time", LogicalType::Timestamp),
            ("added", LogicalType::BigInt),
            ("removed", LogicalType::BigInt),
        ],
        has_key: false,
    },
    Kept {
        name: "audits",
        columns: &[
            ("name", LogicalType::String),
            ("model", LogicalType::String),
            ("blocking", LogicalType::Boolean),
            ("query", LogicalType::String),
            ("dialect", LogicalType::String),
        ],
        has_key: true,
    },
];

/// The table of that name, whatever its case.
pub fn table(name: &str) -> Option<&'static Kept> {
    TABLES.iter().find(|table| table.name.eq_ignore_ascii_case(name))
}

impl Desk<'_> {
    /// Makes a table of the schema, unless it is there.
    pub fn make_kept(&mut self, name: &str) -> Result<(), Error> {
        if self.has(name)? {
            return Ok(());
        }
        self.make_schema(SCHEMA)?;
        let Some(table) = table(name) else { return Ok(()) };
        let mut columns: Vec<String> = table.columns.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
        if let (Some(first), true) = (columns.first_mut(), table.has_key) {
            first.push_str(" PRIMARY KEY");
        }
        self.change(&format!("CREATE TABLE {SCHEMA}.{name} ({})", columns.join(", ")))
            .map(drop)
    }
}
