//! MERGE: rows of another relation, matched with those of the table, change it in several ways at once.
//!
//! `MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b)` joins the
//! two once; each pair, and each row of `s` alone, takes the first WHEN that holds.
//!
//! Invariants: a row of the table that two rows of the other would change is an error (21000).
//!
//! Does not: decide how the two are joined; binding does, by the kinds of WHEN.

use gobi_grammar::ast::{Merge, MergeAction, MergeRows};

use super::apply::{self, How};
use super::repeated::Repeats;
use super::{Done, Running, positions, table};
use crate::plan::change::{Action, Arm, ArmRows, Change, Source};
use crate::session::store::View;
use crate::session::{Error, Session};

/// MERGE.
pub fn merge(session: &mut Session, merge: &Merge, view: &mut View, running: Running) -> Result<Done, Error> {
    let table = table(session, view, &merge.target.table)?;
    let shape = table.shape(running.span)?;
    let mut places = Vec::with_capacity(merge.clauses.len());
    for clause in &merge.clauses {
        places.push(match &clause.action {
            MergeAction::Insert { columns, .. } if !columns.is_empty() => positions(&table.def, columns)?,
            _ => (0..table.def.columns.len()).collect(),
        });
    }
    let arms = merge.clauses.iter().zip(&places).map(|(clause, places)| Arm {
        rows: match clause.rows {
            MergeRows::Matched => ArmRows::Matched,
            MergeRows::NotMatched => ArmRows::NotMatched,
            MergeRows::NotMatchedBySource => ArmRows::NotMatchedBySource,
        },
        filter: clause.filter.as_ref(),
        action: match &clause.action {
            MergeAction::Update(set) => Action::Update(set),
            MergeAction::Delete => Action::Delete,
            MergeAction::Insert { values, .. } => Action::Insert(places, values),
            MergeAction::InsertDefaults => Action::InsertDefaults,
            MergeAction::Nothing => Action::Nothing,
        },
    });
    let change = Change {
        shape,
        target: &merge.target,
        with: Some(&merge.with),
        source: Source::Merge {
            source: &merge.source,
            on: &merge.on,
        },
        arms: arms.collect(),
        old: Vec::new(),
        returning: &merge.returning,
        span: running.span,
    };
    let repeats = Repeats::Refused(Vec::new());
    apply::apply(session, change, &table, view, How { running, repeats })
}
