//! SHOW PROFILE: where the time of procedures and functions has gone, line by line.
//!
//! After `CALL load(1000)`, `SHOW PROFILE load` has a row for each line of its text, with how often it was come to, the rows that it gave
//! or took, its time, and whether it ran as machine code.
//!
//! Invariants: time belongs to the line at which it was noticed to have passed: where something was asked for, or a loop had done
//! some thousand rounds; what is left at the end of a body belongs to the line that was noticed last.
//!
//! Does not: outlive the session.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::RecordBatch;
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Show, Span};

use super::Sources;
use crate::exec::spent::{At, Count, Spent};
use crate::procedure::Definitions;
use crate::session::{Error, Phases, ResultStream, Session};
use crate::types::arrow::arrow_schema;
use crate::types::{Field, LogicalType, Value, array};

/// What was spent, by the names of what it was spent in, in lower case.
#[derive(Debug, Default)]
pub struct Profiles {
    known: HashMap<String, Profile>,
    /// The same by places in texts, as long as one run is measured.
    places: Option<BTreeMap<u32, Count>>,
}

#[derive(Debug, Default)]
struct Profile {
    runs: u64,
    lines: BTreeMap<usize, Count>,
}

impl Profiles {
    /// Adds what a body has spent at these places.
    pub fn add(&mut self, spent: Spent, place: &dyn Fn(At) -> Option<u32>, sources: &Sources) {
        let (counts, rest) = spent.end();
        let mut names = BTreeSet::new();
        let mut last = None;
        for (at, count) in counts {
            let Some(place) = place(at) else { continue };
            if let Some(places) = &mut self.places {
                places.entry(place).or_default().add(count);
            }
            let Some((name, line, _)) = sources.line_text(place) else {
                continue;
            };
            let name = name.to_lowercase();
            let lines = &mut self.known.entry(name.clone()).or_default().lines;
            lines.entry(line).or_default().add(count);
            last = Some((name.clone(), line));
            names.insert(name);
        }
        if let Some((name, line)) = last {
            let line = self
                .known
                .get_mut(&name)
                .and_then(|profile| profile.lines.get_mut(&line));
            line.into_iter().for_each(|line| line.nanos += rest);
        }
        for name in names {
            self.known.entry(name).or_default().runs += 1;
        }
    }

    /// Begins to measure one run.
    pub fn begin_run(&mut self) {
        self.places = Some(BTreeMap::new());
    }

    /// What happened since, by places.
    pub fn end_run(&mut self) -> BTreeMap<u32, Count> {
        self.places.take().unwrap_or_default()
    }
}

/// `SHOW PROFILE p`.
pub fn show(session: &mut Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    if show.of.is_empty() {
        let message = "SHOW PROFILE takes the name of a procedure or function: `SHOW PROFILE p`";
        return Err(Error::new(Diagnostic::new("42601", span, message)));
    }
    let name = &super::listing::whole_name(&show.of);
    session.relations.refresh_routines();
    let routines = &session.relations.routines;
    let Some(definition) = routines.known.find(&name.text) else {
        let message = format!("there is no procedure or function `{}`", name.text);
        let mut error = Diagnostic::new("42883", name.span, message);
        let names = routines.known.names();
        let near = gobi_grammar::similar::nearest(&name.text, names.iter().map(String::as_str));
        error.help = near.map(|near| format!("did you mean `{near}`?"));
        return Err(Error::new(error));
    };
    let place = definition.routine.name.first().map_or(0, |name| name.span.start);
    // What a module has is counted with its text.
    let of = routines.sources.line_text(place).map_or(&*name.text, |(of, _, _)| of);
    let profile = routines.profiles.known.get(&of.to_lowercase());
    let text = routines.sources.text_of(place).unwrap_or_default();
    let count = |at: usize| profile.and_then(|profile| profile.lines.get(&(at + 1)));
    let number = |of: fn(&Count) -> u64| -> Vec<Value> {
        let lines = 0..text.lines().count();
        let value = |at| count(at).map_or(Value::Null, |count| Value::Int(i128::from(of(count))));
        lines.map(value).collect()
    };
    let columns = [
        (
            "line",
            (0..text.lines().count()).map(|at| Value::Int(at as i128 + 1)).collect(),
        ),
        ("calls", number(|count| count.calls)),
        ("rows", number(|count| count.rows)),
        ("time_us", number(|count| count.nanos / 1000)),
    ];
    let columns = columns.map(|(name, values)| (name, LogicalType::BigInt, values));
    let tier = |at| count(at).map_or(Value::Null, |count| Value::String(tier_of(count).into()));
    let tiers = (0..text.lines().count()).map(tier).collect();
    let texts = text.lines().map(|line| Value::String(line.into())).collect();
    let texts = [
        ("tier", LogicalType::String, tiers),
        ("text", LogicalType::String, texts),
    ];
    let columns = columns.into_iter().chain(texts);
    result(columns, span)
}

/// How a line was run: by the tiers that did so since the session began.
fn tier_of(count: &Count) -> &'static str {
    match (count.native, count.interpreted) {
        (true, true) => "both",
        (true, false) => "native",
        (false, _) => "interpreted",
    }
}

fn result(
    columns: impl Iterator<Item = (&'static str, LogicalType, Vec<Value>)>,
    span: Span,
) -> Result<ResultStream, Error> {
    let internal = |message: String| Error::new(Diagnostic::new("XX000", span, message));
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (name, ty, values) in columns {
        arrays.push(array::from_values(&values, &ty).map_err(|error| internal(error.to_string()))?);
        fields.push(Field {
            name: name.to_owned(),
            ty,
            nullable: true,
        });
    }
    let batch = RecordBatch::try_new(arrow_schema(&fields), arrays);
    let batch = batch.map_err(|error| internal(error.to_string()))?;
    Ok(ResultStream::returned(fields, vec![batch], Phases::default(), span))
}
