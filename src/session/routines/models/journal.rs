//! How far models are, and what their runs did: two tables of the schema `gobi`.
//!
//! `gobi.model_state` has `daily | 2026-01-31 00:00:00` after a run that computed all days before the 31st; `gobi.model_runs` has a row for each run that
//! changed something.
//!
//! Invariants: both are written in the transaction of the run.
//!
//! Does not: know what a run writes into the model's own table.

use gobi_grammar::{Diagnostic, ast};

use super::Done;
use super::desk::Desk;
use super::spec::Spec;
use crate::plan::constant;
use crate::session::{Error, prepared};
use crate::types::{LogicalType, Value};

impl Desk<'_> {
    /// The time at which the model is run.
    pub fn run_time(&mut self, until: Option<Value>) -> Result<String, Error> {
        let known = match until {
            Some(time) => Some(time.display(&LogicalType::Timestamp)),
            None => self.text("SELECT CAST(CAST(now() AS timestamp) AS string)")?,
        };
        known.ok_or_else(|| self.error("22004", "the time of a run is NULL".into()))
    }

    /// From when to when rows are to be computed; `None` if there is nothing to do.
    pub fn interval(
        &mut self,
        spec: &Spec,
        name: &str,
        at: &str,
        restate: Option<&ast::Restate>,
    ) -> Result<Option<(String, String)>, Error> {
        let unit = spec.unit.as_str();
        if let Some(restate) = restate {
            let (from, to) = (self.time_of(&restate.from)?, self.time_of(&restate.to)?);
            if from >= to {
                let message = format!("the interval that is computed again ends at {to}, and begins at {from}");
                let help = "write `RESTATE FROM` the earlier time `TO` the later one";
                return Err(self.error("22023", message).with_help(help));
            }
            // Rows of a unit are computed from all of it.
            return Ok(Some((self.floor(&from, unit)?, self.ceiling(&to, unit)?)));
        }
        // An interval that has not ended yet is left for the next run.
        let to = self.floor(at, unit)?;
        let start = match &spec.start {
            Some(start) => {
                let start = start.replace('\'', "''");
                let read = self.text(&format!("SELECT CAST(CAST('{start}' AS timestamp) AS string)"))?;
                self.floor(&read.unwrap_or_default(), unit)?
            }
            None => "0001-01-01 00:00:00".to_owned(),
        };
        let from = match self.done_until(name)? {
            // What was done goes by whole units too, unless the unit was another one then.
            Some(mark) => self.units_before(&mark, spec.lookback, unit)?.max(start),
            None => start,
        };
        Ok((from < to).then_some((from, to)))
    }

    /// The begin of the unit in which a time is.
    fn floor(&mut self, time: &str, unit: &str) -> Result<String, Error> {
        self.units_before(time, 0, unit)
    }

    /// The end of the unit in which a time is; the time itself, if one begins there.
    fn ceiling(&mut self, time: &str, unit: &str) -> Result<String, Error> {
        let begin = self.floor(time, unit)?;
        match begin == time {
            true => Ok(begin),
            false => self.moment(&format!("TIMESTAMP '{begin}' + INTERVAL '1 {unit}'")),
        }
    }

    /// The begin of the unit that is so many before the one in which a time is.
    fn units_before(&mut self, time: &str, units: u32, unit: &str) -> Result<String, Error> {
        self.moment(&format!(
            "date_trunc('{unit}', TIMESTAMP '{time}') - INTERVAL '{units} {unit}'"
        ))
    }

    /// The time that an expression of SQL gives.
    fn moment(&mut self, sql: &str) -> Result<String, Error> {
        let time = self.text(&format!("SELECT CAST({sql} AS string)"))?;
        time.ok_or_else(|| self.error("22004", format!("a time of the run is NULL: {sql}")))
    }

    fn time_of(&mut self, written: &ast::Expr) -> Result<String, Error> {
        match self.written_time(written)? {
            Value::Null => Err(self.error("22004", "the interval to compute again has no NULL".into())),
            time => Ok(time.display(&LogicalType::Timestamp)),
        }
    }

    /// The time that an expression of the call says.
    pub fn written_time(&mut self, written: &ast::Expr) -> Result<Value, Error> {
        let dialect = self.running.dialect;
        let value = prepared::argument(self.session, written, dialect)?;
        let time = constant::convert(&value.value, &value.ty, &LogicalType::Timestamp);
        time.map_err(|misfit| Error::new(Diagnostic::new(misfit.code, written.span, misfit.message)))
    }

    /// So many units later, but not later than the end.
    pub fn earlier_of(&mut self, end: &str, begin: &str, units: u32, unit: &str) -> Result<String, Error> {
        self.moment(&format!(
            "least(TIMESTAMP '{end}', TIMESTAMP '{begin}' + INTERVAL '{units} {unit}')"
        ))
    }

    /// Whether the schema `gobi` has a table.
    pub fn has(&mut self, table: &str) -> Result<bool, Error> {
        self.session.refresh_view(self.running.span)?;
        let view = self.session.relations.view.as_ref();
        Ok(view.is_some_and(|view| view.catalog().find(&["gobi", table]).is_some()))
    }

    fn done_until(&mut self, name: &str) -> Result<Option<String>, Error> {
        if !self.has("model_state")? {
            return Ok(None);
        }
        let name = text_of(name);
        self.text(&format!(
            "SELECT CAST(done_until AS string) FROM gobi.model_state WHERE model = {name}"
        ))
    }

    /// How far the model was says nothing of a table that is made anew.
    pub fn forget_mark(&mut self) -> Result<(), Error> {
        if self.done_until(self.model)?.is_some() {
            let name = text_of(self.model);
            self.change(&format!("DELETE FROM gobi.model_state WHERE model = {name}"))?;
        }
        Ok(())
    }

    /// Makes the two tables, unless they are there.
    pub fn make_journal(&mut self) -> Result<(), Error> {
        self.make_kept("model_state")?;
        self.make_kept("model_runs")
    }

    /// Notes how far the model is now, and what the run did.
    pub fn after(&mut self, spec: &Spec, name: &str, done: &Done, at: &str, until: Option<&str>) -> Result<(), Error> {
        let before = self.done_until(name)?;
        let further = until.is_some_and(|until| before.as_deref().is_none_or(|before| before < until));
        if !further && done.added + done.removed == 0 {
            return Ok(());
        }
        self.make_journal()?;
        let model = text_of(name);
        if let (Some(until), true) = (until, further) {
            self.change(&format!(
                "UPSERT INTO gobi.model_state (model, done_until) VALUES ({model}, TIMESTAMP '{until}')"
            ))?;
        }
        let [from, to] = match &done.interval {
            Some(interval) => interval.clone().map(|time| format!("TIMESTAMP '{time}'")),
            None => ["NULL".to_owned(), "NULL".to_owned()],
        };
        let (kind, added, removed) = (spec.kind.name(), done.added, done.removed);
        self.change(&format!(
            "INSERT INTO gobi.model_runs VALUES ({model}, '{kind}', TIMESTAMP '{at}', {from}, {to}, {added}, {removed})"
        ))?;
        Ok(())
    }
}

/// A text in a statement.
pub fn text_of(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}
