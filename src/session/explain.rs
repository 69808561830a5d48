//! What a query runs: its pipelines, their operators and their code, as text for people and as JSON for tools.
//!
//! `EXPLAIN ANALYZE FROM 'a.csv'` runs the query and shows beside each operator the rows that left it, its time, and what it read.
//!
//! Invariants: the text and the JSON say the same; numbers that were not measured are left out, not zero.
//!
//! Does not: plan anything.

pub mod bodies;
mod changes;

use std::fmt::Write as _;

use gobi_grammar::Dialect;
use gobi_grammar::ast::{self, Span, Statement, StatementKind};
use serde::Serialize;

pub use changes::Capture;

use super::change::Running;
use super::{Error, Phases, ResultStream, Session, StatementResult, statement};
use crate::exec::{self, OperatorProfile, Profile};
use crate::plan;

/// What a query runs.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The logical plan, a line for each operator.
    pub plan: Vec<String>,
    /// The same as a tree.
    pub logical: serde_json::Value,
    /// In the order in which they run.
    pub pipelines: Vec<Pipeline>,
    /// Bodies of triggers that run within.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Pipeline>,
    /// Where the time went, in milliseconds.
    pub phases_ms: PhasesMs,
}

/// Phases in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PhasesMs {
    /// Text to syntax tree.
    pub parse: f64,
    /// Names and types.
    pub bind: f64,
    /// Logical rules and physical planning.
    pub optimize: f64,
    /// Code generation.
    pub compile: f64,
    /// Until the last batch; only with ANALYZE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<f64>,
}

/// One pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct Pipeline {
    /// What it is, if not one of a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Source first, sink last.
    pub operators: Vec<Operator>,
    /// Time of its code generation.
    pub compile_us: u64,
    /// Why it runs in the interpreter, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpreted: Option<String>,
    /// Its code; only with JIT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// One operator.
#[derive(Clone, Debug, Serialize)]
pub struct Operator {
    /// What it does.
    pub text: String,
    /// How many rows were expected to leave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_rows: Option<u64>,
    /// What happened there; only with ANALYZE.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// What happened at an operator.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Rows that left it.
    pub rows: u64,
    /// Time in it, of all workers together.
    pub time_us: u64,
    /// Time at a sink behind the workers', for merging, windows and sorting.
    pub end_us: u64,
    /// Bytes read from files.
    pub bytes_read: u64,
}

/// The code of a pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct Code {
    /// Our IR.
    pub ir: Vec<String>,
    /// Cranelift's IR, with our op beside it.
    pub clif: Vec<String>,
    /// Offset, bytes, instruction.
    pub machine: Vec<String>,
}

/// What to show beside the operators.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExplainOptions {
    /// The code.
    pub jit: bool,
    /// What happened when the query ran.
    pub analyze: bool,
}

/// Runs an EXPLAIN statement.
pub fn run(
    session: &mut Session,
    explain: &ast::Explain,
    dialect: Dialect,
    phases: Phases,
    span: Span,
) -> Result<StatementResult, Error> {
    let options = ExplainOptions {
        jit: explain.jit,
        analyze: explain.analyze,
    };
    let explanation = of_statement(session, &explain.statement, dialect, options, phases)?;
    let lines = if explain.json {
        vec![explanation.json()]
    } else {
        explanation.lines(false)
    };
    let rows: Vec<_> = lines.into_iter().map(|line| vec![line]).collect();
    Ok(StatementResult::Rows(ResultStream::strings(&["explain"], &rows, span)))
}

/// Explains a query; it runs only if it is to be analysed.
pub fn of_statement(
    session: &mut Session,
    statement: &Statement,
    dialect: Dialect,
    show: ExplainOptions,
    phases: Phases,
) -> Result<Explanation, Error> {
    let span = statement.span;
    let query = match &statement.kind {
        StatementKind::Query(query) => query,
        kind => {
            return changes::explain(
                session,
                kind,
                Running {
                    dialect,
                    phases,
                    span,
                    only_bind: false,
                },
                show,
            );
        }
    };
    let mut options = statement::options(session);
    options.dump_code = show.jit;
    options.estimates = true;
    options.analyze = show.analyze;
    let mut compiled = statement::compile(session, query, dialect, &options, phases, span)?;
    let plan = compiled.prepared.explain();
    let logical_text = plan::explain::text(&compiled.logical, &|_| None);
    let logical = plan::explain::json(&compiled.logical, &|_| None);
    let mut profile = None;
    if show.analyze {
        let stream = session
            .engine
            .run(compiled.prepared)
            .map_err(|error| Error::from_exec(error, span))?;
        let mut stream = ResultStream::query(compiled.fields, stream, compiled.phases, span);
        for batch in stream.by_ref() {
            batch?;
        }
        compiled.phases = stream.phases();
        profile = stream.profile();
    }
    Ok(Explanation {
        plan: logical_text.lines().map(str::to_string).collect(),
        logical,
        pipelines: pipelines(plan, profile.as_ref(), show.jit),
        triggers: Vec::new(),
        phases_ms: PhasesMs::of(compiled.phases, show.analyze),
    })
}

/// Brings a plan and what was measured together.
fn pipelines(plan: exec::Explain, profile: Option<&Profile>, jit: bool) -> Vec<Pipeline> {
    let pipelines = plan.pipelines.into_iter().enumerate().map(|(number, pipeline)| {
        let measured = |operator: usize| -> Option<Measured> {
            let profile: &OperatorProfile = profile?.pipelines.get(number)?.operators.get(operator)?;
            Some(Measured {
                rows: profile.rows,
                time_us: profile.micros,
                end_us: profile.end_micros,
                bytes_read: profile.bytes_read,
            })
        };
        let operators = pipeline.operators.into_iter().enumerate();
        let code = jit.then(|| Code {
            ir: pipeline.ir.lines().map(str::to_string).collect(),
            clif: pipeline.clif,
            machine: pipeline.code,
        });
        Pipeline {
            title: None,
            operators: operators
                .map(|(i, text)| Operator {
                    text,
                    expected_rows: pipeline.expected.get(i).copied().flatten(),
                    measured: measured(i),
                })
                .collect(),
            compile_us: pipeline.compile_us,
            interpreted: pipeline.interpreted,
            code,
        }
    });
    pipelines.collect()
}

impl Explanation {
    /// Of a body.
    pub fn of_body(title: String, parts: Vec<Pipeline>, phases: Phases, ran: bool) -> Self {
        Self {
            logical: serde_json::json!({ "body": &title }),
            plan: vec![title],
            pipelines: parts,
            triggers: Vec::new(),
            phases_ms: PhasesMs::of(phases, ran),
        }
    }

    /// As one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("an explanation holds only strings and numbers")
    }

    /// As lines for people; `color` adds terminal colours.
    pub fn lines(&self, color: bool) -> Vec<String> {
        let style = Style { color };
        let mut out = vec![style.bold("plan")];
        out.extend(self.plan.iter().map(|line| format!("  {line}")));
        out.push(String::new());
        for (number, pipeline) in self.pipelines.iter().enumerate() {
            pipeline.write(&mut out, number, style);
        }
        for trigger in &self.triggers {
            trigger.write(&mut out, 0, style);
        }
        out.push(self.phases_ms.line(style));
        out
    }
}

impl Pipeline {
    fn write(&self, out: &mut Vec<String>, number: usize, style: Style) {
        let how = match &self.interpreted {
            Some(reason) => format!("  interpreted: {reason}"),
            None if self.title.is_some() && self.code.is_none() => String::new(),
            None => format!("  compiled in {} µs", self.compile_us),
        };
        let title = self.title.clone().unwrap_or_else(|| format!("pipeline {number}"));
        out.push(format!("{}{}", style.bold(&title), style.faint(&how)));
        let width = self
            .operators
            .iter()
            .map(|operator| operator.text.chars().count())
            .max()
            .unwrap_or(0);
        for operator in &self.operators {
            out.push(operator.line(width, style));
        }
        if let Some(code) = &self.code {
            for (title, lines) in [("IR", &code.ir), ("CLIF", &code.clif), ("machine code", &code.machine)] {
                out.push(format!("  {}", style.bold(title)));
                out.extend(lines.iter().map(|line| format!("    {}", style.comment(line))));
            }
        }
        out.push(String::new());
    }
}

impl Operator {
    /// What it does, and no more.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            expected_rows: None,
            measured: None,
        }
    }

    fn line(&self, width: usize, style: Style) -> String {
        let expected = self.expected_rows.map(|rows| format!("~{rows}"));
        let Some(measured) = &self.measured else {
            return match expected {
                Some(rows) => format!("  {:width$}  {}", self.text, style.faint(&format!("{rows} rows"))),
                None => format!("  {}", self.text),
            };
        };
        let mut text = match expected {
            Some(expected) => format!("{} rows ({expected}), ", measured.rows),
            None => format!("{} rows, ", measured.rows),
        };
        text.push_str(&micros_text(measured.time_us));
        // Less is no one's concern: a table that is there, batches that are handed on.
        if measured.end_us >= 100 {
            let _ = write!(text, ", then {}", micros_text(measured.end_us));
        }
        if measured.bytes_read > 0 {
            let _ = write!(text, ", {} read", bytes_text(measured.bytes_read));
        }
        format!("  {:width$}  {}", self.text, style.faint(&text))
    }
}

impl PhasesMs {
    fn of(phases: Phases, ran: bool) -> Self {
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
        Self {
            parse: ms(phases.parse),
            bind: ms(phases.bind),
            optimize: ms(phases.optimize),
            compile: ms(phases.compile),
            run: ran.then(|| ms(phases.run)),
        }
    }

    fn line(&self, style: Style) -> String {
        let mut text = format!(
            "parse {:.2} ms, bind {:.2} ms, optimize {:.2} ms, compile {:.2} ms",
            self.parse, self.bind, self.optimize, self.compile
        );
        if let Some(run) = self.run {
            let _ = write!(text, ", run {run:.2} ms (operators: the time of all threads together)");
        }
        style.faint(&text)
    }
}

/// Terminal colours, or none.
#[derive(Clone, Copy)]
struct Style {
    color: bool,
}

impl Style {
    fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// The part of a line of code after `;` is a comment.
    fn comment(self, line: &str) -> String {
        match line.split_once(';') {
            Some((code, comment)) => format!("{code}{}", self.wrap("32", &format!(";{comment}"))),
            None => line.to_string(),
        }
    }

    fn wrap(self, style: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

fn micros_text(micros: u64) -> String {
    if micros < 1000 {
        format!("{micros} µs")
    } else {
        format!("{:.1} ms", micros as f64 / 1e3)
    }
}

fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
