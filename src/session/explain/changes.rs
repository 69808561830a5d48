//! EXPLAIN of statements that change rows: the query that finds them, and what is done with them at its end.
//!
//! `EXPLAIN DELETE FROM t WHERE a = 1` shows `delete from t` above the scan; `EXPLAIN ANALYZE DELETE …` deletes, and shows how many
//! rows that were.
//!
//! Invariants: without ANALYZE nothing changes, and nothing is locked. Statements that foreign keys bring about are not shown.
//!
//! Does not: plan anything.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Path, StatementKind as K};

use super::{ExplainOptions, Explanation, Measured, Operator, PhasesMs, Pipeline, pipelines};
use crate::session::change::{self, Running};
use crate::session::statement::Compiled;
use crate::session::{Error, Phases, ResultStream, Session, routines, statement, target, transactions};
use crate::{exec, plan};

/// What is noted while a change runs.
#[derive(Debug)]
pub struct Capture {
    show: ExplainOptions,
    plan: Option<Planned>,
    /// Rows that were changed, and what was measured.
    ran: Option<(u64, Phases, Option<exec::Profile>)>,
    /// Triggers of the change.
    triggers: Option<Vec<Pipeline>>,
}

#[derive(Debug)]
struct Planned {
    text: String,
    logical: serde_json::Value,
    explain: exec::Explain,
    phases: Phases,
}

impl Capture {
    /// What is wanted.
    pub fn options(&self) -> ExplainOptions {
        self.show
    }

    /// Whether nothing is to be changed.
    pub fn only_plans(&self) -> bool {
        !self.show.analyze
    }

    /// The change is compiled. Others that it brings about come later, and are left out.
    pub fn note_plan(&mut self, compiled: &Compiled) {
        self.plan.get_or_insert_with(|| Planned {
            text: plan::explain::text(&compiled.logical, &|_| None),
            logical: plan::explain::json(&compiled.logical, &|_| None),
            explain: compiled.prepared.explain(),
            phases: compiled.phases,
        });
    }

    /// Whether its triggers are still to be noted.
    pub fn wants_triggers(&self) -> bool {
        self.triggers.is_none()
    }

    /// Its triggers, before they have run.
    pub fn note_triggers(&mut self, triggers: Vec<Pipeline>) {
        self.triggers = Some(triggers);
    }

    /// It has none, unless another change comes first.
    pub fn note_no_triggers(&mut self) {
        self.triggers.get_or_insert_default();
    }

    /// What its triggers have done: rows, and the time for them.
    pub fn measure_trigger(&mut self, at: usize, (rows, time_us): (u64, u64)) {
        let trigger = self.triggers.as_mut().and_then(|triggers| triggers.get_mut(at));
        if let Some(first) = trigger.and_then(|trigger| trigger.operators.first_mut()) {
            first.measured = Some(Measured {
                rows,
                time_us,
                end_us: 0,
                bytes_read: 0,
            });
        }
    }

    /// Its rows have been changed.
    pub fn note_run(&mut self, stream: &ResultStream, rows: u64) {
        if self.ran.is_none() {
            self.ran = Some((rows, stream.phases(), stream.profile()));
        }
    }
}

/// Explains a change; it is done only if it is to be analysed.
pub fn explain(session: &mut Session, kind: &K, running: Running, show: ExplainOptions) -> Result<Explanation, Error> {
    if let K::CallRoutine(call) = kind {
        return routines::explain_call(session, call, show, running);
    }
    let Some((what, name)) = described(kind) else {
        let message = format!("EXPLAIN of {} is not supported yet", kind.name());
        return Err(Error::new(Diagnostic::new("0A000", running.span, message)));
    };
    statement::begins(session, Some(kind));
    session.explaining = Some(Capture {
        show,
        plan: None,
        ran: None,
        triggers: None,
    });
    let done = match show.analyze {
        true => transactions::change(session, kind, running).map(drop),
        false => planned(session, kind, running),
    };
    let capture = session.explaining.take();
    done?;
    let name: Vec<&str> = name.iter().map(|part| part.text.as_str()).collect();
    explanation(capture, &format!("{what} {}", name.join(".")), show)
        .ok_or_else(|| Error::new(Diagnostic::new("XX000", running.span, "the change has no plan")))
}

/// Binds and compiles a change of what is there now.
fn planned(session: &mut Session, kind: &K, running: Running) -> Result<(), Error> {
    let which = target::of(session, kind, running.span)?.which;
    session.refresh_view(running.span)?;
    let Some(mut view) = session.relations.view_of(which).cloned() else {
        return Err(transactions::no_database(kind, running.span));
    };
    change::run(session, kind, &mut view, running).map(drop)
}

/// What a change is called, and its table.
fn described(kind: &K) -> Option<(&'static str, &Path)> {
    match kind {
        K::Insert(insert) => Some(("insert into", &insert.target.table)),
        K::Upsert(upsert) => Some(("upsert into", &upsert.target.table)),
        K::Update(update) => Some(("update", &update.target.table)),
        K::Delete(delete) => Some(("delete from", &delete.target.table)),
        K::Merge(merge) => Some(("merge into", &merge.target.table)),
        _ => None,
    }
}

fn explanation(capture: Option<Capture>, operator: &str, show: ExplainOptions) -> Option<Explanation> {
    let Capture {
        plan, ran, triggers, ..
    } = capture?;
    let plan = plan?;
    let (rows, phases, profile) = match ran {
        Some((rows, phases, profile)) => (Some(rows), phases, profile),
        None => (None, plan.phases, None),
    };
    let mut pipelines = pipelines(plan.explain, profile.as_ref(), show.jit);
    if let Some(last) = pipelines.last_mut() {
        last.operators.push(Operator {
            expected_rows: None,
            text: operator.to_string(),
            measured: rows.map(|rows| Measured {
                rows,
                time_us: 0,
                end_us: 0,
                bytes_read: 0,
            }),
        });
    }
    let mut logical = plan.logical;
    if let Some(whole) = logical.as_object_mut() {
        whole.insert("change".into(), operator.into());
    }
    let inner = plan.text.lines().map(|line| format!("  {line}"));
    Some(Explanation {
        plan: std::iter::once(operator.to_string()).chain(inner).collect(),
        logical,
        pipelines,
        triggers: triggers.unwrap_or_default(),
        phases_ms: PhasesMs::of(phases, rows.is_some()),
    })
}
