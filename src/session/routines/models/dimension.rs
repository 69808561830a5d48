//! Dimensions that keep the versions of their rows (SCD type 2).
//!
//! A customer whose city changes has two rows: one whose `valid_to` is the time of the change, and one from then on whose `valid_to` is NULL.
//!
//! Invariants: a key has at most one row without an end; versions that have ended are never written again; none ends before it begins.
//!
//! Does not: move changes that come late between versions that are there.

use super::Done;
use super::desk::{Desk, ROWS, quoted};
use super::load::{differ, on};
use super::spec::{Kind, Spec};
use crate::session::Error;
use crate::types::Field;

/// When the versions begin of keys that were never seen before, if no column says so.
const BEGINNING: &str = "TIMESTAMP '1970-01-01 00:00:00'";

impl Desk<'_> {
    /// Ends versions that are over, and begins new ones.
    pub fn keep_versions(&mut self, spec: &Spec, fields: &[Field], at: &str) -> Result<Done, Error> {
        let table = spec.table();
        let [from, to] = spec.valid.clone().map(|name| quoted(&name));
        let source = format!("(SELECT * FROM {ROWS})");
        self.check_keys(&spec.key, &source)?;
        let on = on(&spec.key);
        let now = format!("TIMESTAMP '{at}'");
        let (changed, end) = match (spec.kind, &spec.time) {
            (Kind::ScdByTime, Some(time)) => {
                let time = format!("CAST(s.{} AS timestamp)", quoted(time));
                if self.is_true(&format!("SELECT count(*) > 0 FROM {source} AS s WHERE {time} IS NULL"))? {
                    let message = "the query gives a row that does not say when it changed".to_owned();
                    return Err(self.error("23502", message));
                }
                (format!("{time} > t.{from}"), time)
            }
            _ => (differ(&tracked(spec, fields)), now.clone()),
        };
        let keys: Vec<String> = spec.key.iter().map(|key| quoted(key)).collect();
        let ended = format!(
            "(SELECT {}, max({to}) AS gobi_end, count(*) > count({to}) AS gobi_open FROM {table} GROUP BY {})",
            keys.join(", "),
            keys.join(", ")
        );
        if spec.kind == Kind::ScdByColumn {
            self.check_time(spec, (&source, &ended), &changed, at)?;
        }
        let mut removed = self.change(&format!(
            "UPDATE {table} AS t SET {to} = {end} FROM {source} AS s WHERE {on} AND t.{to} IS NULL AND ({changed})"
        ))?;
        if spec.hard_deletes {
            removed += self.change(&format!(
                "UPDATE {table} AS t SET {to} = greatest({now}, t.{from}) WHERE t.{to} IS NULL AND NOT EXISTS (SELECT 1 FROM {source} AS s WHERE {on})"
            ))?;
        }
        let names: Vec<String> = fields.iter().map(|field| quoted(&field.name)).collect();
        let values: Vec<String> = names.iter().map(|name| format!("s.{name}")).collect();
        let begin = match spec.kind {
            // A key that was gone comes back when its last version had ended, whatever it says.
            Kind::ScdByTime => format!("greatest({end}, coalesce(t.gobi_end, {end}))"),
            _ => format!("CASE WHEN t.gobi_end IS NULL THEN {BEGINNING} ELSE {now} END"),
        };
        let added = self.change(&format!(
            "INSERT INTO {table} ({}, {from}, {to}) SELECT {}, {begin}, NULL FROM {source} AS s LEFT JOIN {ended} AS t ON {on} \
             WHERE NOT coalesce(t.gobi_open, false)",
            names.join(", "),
            values.join(", ")
        ))?;
        Ok(Done {
            added,
            removed,
            ..Done::default()
        })
    }
}

impl Desk<'_> {
    /// An error if the run, as of its time, would end a version that begins later, or begin one before another has ended.
    fn check_time(&mut self, spec: &Spec, (source, ended): (&str, &str), changed: &str, at: &str) -> Result<(), Error> {
        let table = spec.table();
        let [from, to] = spec.valid.clone().map(|name| quoted(&name));
        let now = format!("TIMESTAMP '{at}'");
        let later = format!("SELECT count(*) > 0 FROM {table} AS t WHERE t.{from} > {now} OR t.{to} > {now}");
        if !self.is_true(&later)? {
            return Ok(());
        }
        let on = on(&spec.key);
        let mut touched = format!(
            "SELECT t.{from} AS late FROM {table} AS t JOIN {source} AS s ON {on} WHERE t.{to} IS NULL AND ({changed}) \
             UNION ALL SELECT t.gobi_end FROM {source} AS s JOIN {ended} AS t ON {on} WHERE NOT t.gobi_open"
        );
        if spec.hard_deletes {
            touched.push_str(&format!(
                " UNION ALL SELECT t.{from} FROM {table} AS t WHERE t.{to} IS NULL AND NOT EXISTS (SELECT 1 FROM {source} AS s WHERE {on})"
            ));
        }
        let late = self.text(&format!(
            "SELECT CAST(max(late) AS string) FROM ({touched}) AS touched WHERE late > {now}"
        ))?;
        let Some(late) = late else { return Ok(()) };
        let message = format!("the model is run for {at}, and a key whose row has changed has a version of {late}");
        let help = "versions that come late are not put between those that are there: run it for a later time";
        Err(self.error("22023", message).with_help(help))
    }
}

/// The columns whose change makes a new version.
fn tracked(spec: &Spec, fields: &[Field]) -> Vec<String> {
    let names = |name: &str, list: &[String]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    let counts = |field: &&Field| match spec.columns.is_empty() {
        true => !names(&field.name, &spec.key),
        false => names(&field.name, &spec.columns),
    };
    let tracked: Vec<String> = fields.iter().filter(counts).map(|field| quoted(&field.name)).collect();
    match tracked.is_empty() {
        // A key alone never changes.
        true => spec.key.iter().map(|key| quoted(key)).collect(),
        false => tracked,
    }
}
