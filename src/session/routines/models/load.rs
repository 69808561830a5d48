//! Writing the rows of a run into a model's table, by its kind.
//!
//! A model by time range deletes the rows of an interval and inserts those that the query gives for it, unless they are the same.
//!
//! Invariants: rows outside of the interval, the partitions, or the keys of a run stay as they are.
//!
//! Does not: keep versions of rows; `dimension` does.

use gobi_grammar::ast;

use super::Done;
use super::desk::{Desk, ROWS, Rows, quoted};
use super::spec::{Kind, Spec};
use crate::session::Error;
use crate::types::{Field, Value};

impl Desk<'_> {
    /// Runs a model that has a table.
    pub fn fill(
        &mut self,
        spec: &Spec,
        name: &str,
        until: Option<Value>,
        restate: Option<&ast::Restate>,
    ) -> Result<Done, Error> {
        let at = self.run_time(until)?;
        let is_there = self.make_own(spec)?;
        if !spec.kind.has_intervals() || spec.time.is_none() {
            let rows = self.rows()?;
            let mut done = self.with(&rows, |desk| {
                desk.make_table(spec, &rows)?;
                desk.write(spec, &rows, None, &at)
            })?;
            done.interval = None;
            self.after(spec, name, &done, &at, None)?;
            return Ok(done);
        }
        if !is_there {
            self.forget_mark()?;
        }
        let Some((from, to)) = self.interval(spec, name, &at, restate)? else {
            return Ok(Done::default());
        };
        let mut total = Done::default();
        let mut begin = from.clone();
        while begin < to {
            let end = match spec.batch {
                Some(units) => self.earlier_of(&to, &begin, units, &spec.unit)?,
                None => to.clone(),
            };
            self.set_interval([&begin, &end])?;
            let rows = self.rows()?;
            let done = self.with(&rows, |desk| {
                desk.make_table(spec, &rows)?;
                desk.write(spec, &rows, Some([&begin, &end]), &at)
            })?;
            (total.added, total.removed) = (total.added + done.added, total.removed + done.removed);
            begin = end;
        }
        total.interval = Some([from, to.clone()]);
        // What is computed again says nothing about how far the model is.
        let until = restate.is_none().then_some(to.as_str());
        self.after(spec, name, &total, &at, until)?;
        Ok(total)
    }

    fn write(&mut self, spec: &Spec, rows: &Rows, interval: Option<[&str; 2]>, at: &str) -> Result<Done, Error> {
        let names: Vec<String> = rows.fields.iter().map(|field| quoted(&field.name)).collect();
        let columns = names.join(", ");
        let inside = match (interval, &spec.time) {
            (Some([from, to]), Some(time)) => {
                let time = format!("CAST({} AS timestamp)", quoted(time));
                format!(" WHERE {time} >= TIMESTAMP '{from}' AND {time} < TIMESTAMP '{to}'")
            }
            _ => String::new(),
        };
        let source = format!("(SELECT {columns} FROM {ROWS}{inside})");
        let table = spec.table();
        match spec.kind {
            Kind::ByTimeRange | Kind::Full | Kind::Seed => self.replace(&table, (&columns, &inside), &source),
            Kind::ByPartition => self.replace_partitions(spec, &columns, &source),
            Kind::ByUniqueKey => self.merge(spec, &rows.fields, &source),
            Kind::ScdByTime | Kind::ScdByColumn => self.keep_versions(spec, &rows.fields, at),
            _ => {
                let added = self.change(&format!(
                    "INSERT INTO {table} ({columns}) SELECT {columns} FROM {source} AS s"
                ))?;
                Ok(Done {
                    added,
                    ..Done::default()
                })
            }
        }
    }

    /// Puts rows in the place of those that a condition tells, unless they are the same.
    fn replace(&mut self, table: &str, (columns, inside): (&str, &str), source: &str) -> Result<Done, Error> {
        let there = format!("SELECT {columns} FROM {table}{inside}");
        let delete = format!("DELETE FROM {table}{inside}");
        self.exchange(table, columns, (&there, &delete), source)
    }

    /// Deletes the rows that are there and inserts those of the source, unless they are the same.
    fn exchange(
        &mut self,
        table: &str,
        columns: &str,
        (there, delete): (&str, &str),
        source: &str,
    ) -> Result<Done, Error> {
        if self.are_same(columns, there, source)? {
            return Ok(Done::default());
        }
        let removed = self.change(delete)?;
        let added = self.change(&format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {source} AS s"
        ))?;
        Ok(Done {
            added,
            removed,
            ..Done::default()
        })
    }

    fn replace_partitions(&mut self, spec: &Spec, columns: &str, source: &str) -> Result<Done, Error> {
        let table = spec.table();
        let keys: Vec<String> = spec.key.iter().map(|key| quoted(key)).collect();
        let parts = format!("(SELECT DISTINCT {} FROM {source} AS r)", keys.join(", "));
        let same = |of: &str| {
            let pairs = keys
                .iter()
                .map(|key| format!("{of}.{key} IS NOT DISTINCT FROM p.{key}"));
            pairs.collect::<Vec<_>>().join(" AND ")
        };
        let own: Vec<String> = columns.split(", ").map(|column| format!("t.{column}")).collect();
        let there = format!(
            "SELECT {} FROM {table} AS t JOIN {parts} AS p ON {}",
            own.join(", "),
            same("t")
        );
        let delete = format!("DELETE FROM {table} AS t USING {parts} AS p WHERE {}", same("t"));
        self.exchange(&table, columns, (&there, &delete), source)
    }

    fn merge(&mut self, spec: &Spec, fields: &[Field], source: &str) -> Result<Done, Error> {
        self.check_keys(&spec.key, source)?;
        let table = spec.table();
        let names: Vec<String> = fields.iter().map(|field| quoted(&field.name)).collect();
        let is_key = |field: &&Field| spec.key.iter().any(|key| key.eq_ignore_ascii_case(&field.name));
        let rest: Vec<String> = fields
            .iter()
            .filter(|field| !is_key(field))
            .map(|field| quoted(&field.name))
            .collect();
        let on = self::on(&spec.key);
        let mut sql = format!("MERGE INTO {table} AS t USING {source} AS s ON {on}");
        if !rest.is_empty() {
            let set: Vec<String> = rest.iter().map(|name| format!("{name} = s.{name}")).collect();
            sql.push_str(&format!(
                " WHEN MATCHED AND ({}) THEN UPDATE SET {}",
                differ(&rest),
                set.join(", ")
            ));
        }
        let values: Vec<String> = names.iter().map(|name| format!("s.{name}")).collect();
        sql.push_str(&format!(
            " WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
            names.join(", "),
            values.join(", ")
        ));
        let added = self.change(&sql)?;
        Ok(Done {
            added,
            ..Done::default()
        })
    }

    /// An error if a key is NULL, or there twice.
    pub fn check_keys(&mut self, key: &[String], source: &str) -> Result<(), Error> {
        let keys: Vec<String> = key.iter().map(|key| quoted(key)).collect();
        let null: Vec<String> = keys.iter().map(|key| format!("{key} IS NULL")).collect();
        if self.is_true(&format!(
            "SELECT count(*) > 0 FROM {source} AS s WHERE {}",
            null.join(" OR ")
        ))? {
            return Err(self.error(
                "23502",
                format!("the query gives a row without its key ({})", key.join(", ")),
            ));
        }
        let shown: Vec<String> = keys.iter().map(|key| format!("CAST({key} AS string)")).collect();
        let twice = format!(
            "SELECT {} FROM {source} AS s GROUP BY {} HAVING count(*) > 1 LIMIT 1",
            shown.join(" || ', ' || "),
            keys.join(", ")
        );
        match self.text(&twice)? {
            Some(value) => Err(self.error("21000", format!("the query gives the key ({value}) more than once"))),
            None => Ok(()),
        }
    }

    /// Whether a query gives the same rows as the model's, each as often.
    fn are_same(&mut self, columns: &str, there: &str, source: &str) -> Result<bool, Error> {
        let new = format!("SELECT {columns} FROM {source} AS s");
        let query = format!(
            "SELECT (SELECT count(*) FROM ({there}) AS a) = (SELECT count(*) FROM ({new}) AS b) \
             AND NOT EXISTS (SELECT 1 FROM ({new} EXCEPT ALL {there}) AS c)"
        );
        self.is_true(&query)
    }
}

/// That a row of the table `t` and one of `s` have the same key.
pub fn on(key: &[String]) -> String {
    let pairs = key.iter().map(|key| format!("t.{0} = s.{0}", quoted(key)));
    pairs.collect::<Vec<_>>().join(" AND ")
}

/// That a row of the table `t` and one of `s` differ.
pub fn differ(names: &[String]) -> String {
    let pairs = names.iter().map(|name| format!("t.{name} IS DISTINCT FROM s.{name}"));
    pairs.collect::<Vec<_>>().join(" OR ")
}
