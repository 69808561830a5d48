//! Points of the timeline that a script makes, for the statements behind them.
//!
//! After `snapshot 's'` in a script that is only looked at, `t AS OF TAG 's'` is `t`, as there is no commit that the name could stand for; so it is
//! in the bodies of what the script defines.
//!
//! Invariants: points that the script does not make are left as they are.
//!
//! Does not: know what was different then: tables have the columns of now.

use std::collections::BTreeSet;

use gobi_grammar::ast::{ObjectKind, StatementKind as K};

use crate::host::{Clock, RealClock};
use crate::plan::{Moment, Point, Start};

/// Names of snapshots, branches and watermarks, in lower case.
#[derive(Debug, Default)]
pub struct Points {
    names: BTreeSet<String>,
}

impl Points {
    /// Notes what a statement makes.
    pub fn note(&mut self, kind: &K) {
        let name = match kind {
            K::CreateSnapshot(create) => &create.name,
            K::CreateBranch(create) => &create.name,
            K::CreateWatermark(create) => &create.name,
            _ => return,
        };
        self.names.insert(name.text.to_lowercase());
    }

    /// Whether a statement drops points, which no transaction does, or none but these.
    pub fn are_dropped(&self, kind: &K) -> bool {
        let K::Drop(drop) = kind else { return false };
        let mut names = drop.names.iter().filter_map(|name| name.last());
        match drop.kind {
            ObjectKind::Snapshot | ObjectKind::Branch => true,
            ObjectKind::Watermark => names.all(|name| self.is_made(&name.text)),
            _ => false,
        }
    }

    /// The moment, without what only these could tell.
    pub fn without(&self, moment: &Moment) -> Option<Moment> {
        let has = |point: &Point| match point {
            Point::Tag(name) | Point::Branch(name) => self.is_made(name),
            Point::Commit(_) | Point::Text(_) | Point::Micros(_) => false,
        };
        let kept = |until: &Option<Point>| until.clone().filter(|until| !has(until));
        match moment {
            _ if self.names.is_empty() => Some(moment.clone()),
            Moment::AsOf(point) => (!has(point)).then(|| moment.clone()),
            // All rows that there are now may be of that time.
            Moment::Since { since, until } => (!has(since)).then(|| Moment::Since {
                since: since.clone(),
                until: kept(until),
            }),
            Moment::Changes { since, until } => {
                let is_made = match since {
                    Start::Point(point) => has(point),
                    Start::Watermark(name) => self.is_made(name),
                };
                let since = match is_made {
                    true => Start::Point(Point::Micros(RealClock::default().now_us())),
                    false => since.clone(),
                };
                let until = kept(until);
                Some(Moment::Changes { since, until })
            }
        }
    }

    fn is_made(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }
}
