//! Points of the timeline: from what a statement says to a commit.
//!
//! `'1 hour ago'` is the last commit of the branch in use that is not younger; `COMMIT 'ab12'` the one whose hash begins so.
//!
//! Invariants: what is found is kept, or the error names the earliest that is.
//!
//! Does not: read tables.

use super::Error;
use super::store::{View, store_code, store_error};
use crate::host::{self, RealClock};
use crate::plan::{Point, ResolveError};
use crate::store::StoreError;
use crate::store::object::CommitId;
use crate::store::table::Snapshot;
use crate::store::timeline::{RefKind, Timeline};
use crate::types::cast::parse_timestamp;
use crate::types::{LogicalType, Value};
use gobi_grammar::ast::Span;
use gobi_grammar::similar::nearest;

/// Digits of a hash that name a commit, at least.
const MIN_DIGITS: usize = 4;

/// What the store reports about a point.
pub fn point_error(error: &StoreError) -> ResolveError {
    let message = match error {
        StoreError::Expired { horizon_us, .. } => {
            let earliest = time_text(*horizon_us);
            format!("that point is no longer kept; the earliest that can be read is of {earliest}")
        }
        other => other.to_string(),
    };
    ResolveError {
        code: store_code(error),
        message,
    }
}

/// A time as it is shown.
pub fn time_text(time_us: i64) -> String {
    Value::Int(time_us.into()).display(&LogicalType::TimestampTz)
}

impl View {
    /// The snapshot of a point.
    pub fn at(&self, point: &Point) -> Result<Snapshot, ResolveError> {
        let commit = self.commit_of(point)?;
        self.kept(commit)
    }

    /// The history, with all that was acknowledged.
    pub fn timeline(&self) -> Result<&Timeline, ResolveError> {
        self.database.timeline().map_err(|error| point_error(&error))
    }

    /// The same for a statement, which stands somewhere.
    pub fn timeline_for(&self, span: Span) -> Result<&Timeline, Error> {
        self.database.timeline().map_err(|error| store_error(&error, span))
    }

    /// A commit's snapshot, if it is kept.
    pub fn kept(&self, commit: CommitId) -> Result<Snapshot, ResolveError> {
        let kept = self.timeline()?.check_kept(commit);
        let snapshot = kept.and_then(|()| self.database.snapshot(commit));
        snapshot.map_err(|error| point_error(&error))
    }

    /// The commit of a point.
    pub fn commit_of(&self, point: &Point) -> Result<CommitId, ResolveError> {
        match point {
            Point::Tag(name) => self.named(RefKind::Tag, name),
            Point::Branch(name) => self.named(RefKind::Branch, name),
            Point::Commit(hash) => self.commit_like(hash),
            Point::Micros(time) => self.at_time(*time),
            Point::Text(text) => self.at_time(time_of(text)?),
        }
    }

    /// Where a branch or a tag is.
    pub fn named(&self, kind: RefKind, name: &str) -> Result<CommitId, ResolveError> {
        let timeline = self.timeline()?;
        let found = timeline.resolve(kind, name);
        found.ok_or_else(|| {
            let what = match kind {
                RefKind::Tag => "snapshot",
                RefKind::Branch => "branch",
            };
            let known = timeline.refs(kind);
            let near = nearest(name, known.iter().map(|(name, _)| name.as_str()));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            ResolveError {
                code: "42704",
                message: format!("there is no {what} `{name}`{near}"),
            }
        })
    }

    fn at_time(&self, time_us: i64) -> Result<CommitId, ResolveError> {
        let timeline = self.timeline()?;
        let none = |first: Option<i64>| ResolveError {
            code: "22023",
            message: match first {
                Some(first) => format!(
                    "nothing was committed before that time; the first commit is of {}",
                    time_text(first)
                ),
                None => "nothing was committed yet".into(),
            },
        };
        let tip = self.base.commit_id().ok_or_else(|| none(None))?;
        let found = timeline.as_of(tip, time_us).map_err(|error| point_error(&error))?;
        match found {
            Some(commit) => Ok(commit),
            None => {
                let first = timeline.at_height(tip, 0).ok().flatten();
                let first = first.and_then(|first| timeline.commit_record(first).ok());
                Err(none(first.map(|first| first.time_us)))
            }
        }
    }

    /// The commit whose hash begins so.
    fn commit_like(&self, hash: &str) -> Result<CommitId, ResolveError> {
        let wanted = hash.to_lowercase();
        let error = |message: String| ResolveError { code: "42704", message };
        let none = || error(format!("no commit begins with `{hash}`"));
        let timeline = self.timeline()?;
        if let Ok(id) = wanted.parse() {
            return timeline.commit_record(id).map(|_| id).map_err(|_| none());
        }
        if !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error(format!("`{hash}` is not the beginning of a commit's hash")));
        }
        if wanted.len() < MIN_DIGITS {
            return Err(error(format!(
                "`{hash}` is too short for the beginning of a commit's hash: at least {MIN_DIGITS} digits are needed"
            )));
        }
        let mut found = None;
        for index in 0..timeline.log_head().size {
            let id = timeline.commit_at(index).map_err(|e| error(e.to_string()))?;
            if id.to_string().starts_with(&wanted) && found.replace(id).is_some() {
                return Err(error(format!("several commits begin with `{hash}`")));
            }
        }
        found.ok_or_else(none)
    }
}

/// `2026-01-31 12:00`, or `1 hour ago`.
fn time_of(text: &str) -> Result<i64, ResolveError> {
    if let Ok(time) = parse_timestamp(text) {
        return Ok(time);
    }
    let invalid = || ResolveError {
        code: "22007",
        message: format!("`{text}` is no time"),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let [count, unit, ago] = words.as_slice() else {
        return Err(invalid());
    };
    let count: i64 = count.parse().map_err(|_| invalid())?;
    let seconds = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return Err(invalid()),
    };
    if !ago.eq_ignore_ascii_case("ago") {
        return Err(invalid());
    }
    let now = host::Clock::now_us(&RealClock::default());
    let back = count.checked_mul(seconds * 1_000_000).ok_or_else(invalid)?;
    Ok(now.saturating_sub(back))
}
