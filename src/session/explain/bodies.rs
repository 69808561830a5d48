//! The code of bodies beside the lines that it is of.
//!
//! `%12: i64 = mul %10, %11 !3`, where note 3 is the place of line 2 of `set_total`, stands below the heading
//! `; set_total:2  NEW.total = NEW.price * NEW.amount`.
//!
//! Invariants: a heading comes where the line changes; no instruction is lost.
//!
//! Does not: compile.

use std::collections::HashMap;

use gobi_grammar::ast::{self, Span};

use super::{Code, Measured, Operator, Pipeline, micros_text};
use crate::exec::PipelineExplain;
use crate::procedure::{Checked, Question, QuestionKind};
use crate::session::routines::Sources;

/// A body as a part of an explanation.
///
/// `time` is where time was measured: the nanoseconds of a line of a text.
pub fn pipeline(
    title: String,
    operators: Vec<Operator>,
    code: Option<(PipelineExplain, &Sources)>,
    time: TimeOf<'_>,
) -> Pipeline {
    let (compile_us, interpreted) = code.as_ref().map_or((0, None), |(explain, _)| {
        (explain.compile_us, explain.interpreted.clone())
    });
    Pipeline {
        title: Some(title),
        operators,
        compile_us,
        interpreted,
        code: code.map(|(explain, sources)| beside_lines(&explain, sources, time)),
    }
}

/// The time of a line, if it was measured, in nanoseconds.
pub type TimeOf<'t> = &'t dyn Fn(&str, usize) -> Option<u64>;

/// What a body asks for, in the order in which it is checked.
///
/// `measured` is what happened at a place, if that is known.
pub fn asked(checked: &Checked, measured: &dyn Fn(u32) -> Option<Measured>) -> Vec<Operator> {
    let operator = |question: &Question| {
        let place = question.span().map(|span| span.start);
        Some(Operator {
            measured: place.and_then(measured),
            ..Operator::plain(text_of(question)?)
        })
    };
    checked.asked().filter_map(operator).collect()
}

/// What a question asks for, unless that is only a part of something.
fn text_of(question: &Question) -> Option<String> {
    let text = |kind: ast::StatementKind| {
        let statement = ast::Statement {
            kind,
            span: Span::default(),
        };
        let text = gobi_grammar::print(std::slice::from_ref(&statement), question.dialect);
        let text: Vec<&str> = text.split_whitespace().collect();
        text.join(" ").trim_end_matches(';').to_owned()
    };
    match &question.kind {
        QuestionKind::Rows { table, .. } => {
            let name: Vec<&str> = table.iter().map(|part| part.text.as_str()).collect();
            Some(format!("insert into {}, collected: once per batch", name.join(".")))
        }
        QuestionKind::Row(query, _)
        | QuestionKind::Exists(query)
        | QuestionKind::Open(query, _)
        | QuestionKind::Stream(query, _)
        | QuestionKind::Show(query) => Some(text(ast::StatementKind::Query(*query.clone()))),
        QuestionKind::Run(statement) => Some(text(statement.kind.clone())),
        _ => None,
    }
}

fn beside_lines(explain: &PipelineExplain, sources: &Sources, time: TimeOf<'_>) -> Code {
    let mut headings = HashMap::new();
    let mut ir = Vec::new();
    for line in explain.ir.lines() {
        match declared(line) {
            Some((number, place)) => _ = headings.insert(number, heading(sources, place, time)),
            None => ir.push(line),
        }
    }
    let with = |lines: &mut dyn Iterator<Item = &str>| {
        let mut out = Vec::new();
        let mut last = None;
        for line in lines {
            let (text, number) = without_note(line);
            let heading = number.and_then(|number| headings.get(&number)).cloned().flatten();
            if heading.is_some() && heading != last {
                out.extend(heading.clone());
                last = heading;
            }
            out.push(text);
        }
        out
    };
    Code {
        ir: with(&mut ir.into_iter()),
        clif: with(&mut explain.clif.iter().map(String::as_str)),
        machine: with(&mut explain.code.iter().map(String::as_str)),
    }
}

/// `note !3 "@2147483700"`.
fn declared(line: &str) -> Option<(u32, u32)> {
    let (number, place) = line.strip_prefix("note !")?.split_once(" \"@")?;
    Some((number.parse().ok()?, place.strip_suffix('"')?.parse().ok()?))
}

fn heading(sources: &Sources, place: u32, time: TimeOf<'_>) -> Option<String> {
    let (name, line, text) = sources.line_text(place)?;
    let spent = time(name, line).map_or_else(String::new, |nanos| format!("  ({})", micros_text(nanos / 1000)));
    Some(format!("; {name}:{line}  {}{spent}", text.trim()))
}

/// The line without the note of its operation, and the note.
fn without_note(line: &str) -> (String, Option<u32>) {
    let code = line.split_once("  -- @").map_or(line, |(code, _)| code);
    let found = code
        .rsplit_once(" !")
        .and_then(|(text, number)| Some((text, number.parse().ok()?)));
    match found {
        Some((text, number)) => (text.to_owned(), Some(number)),
        None => (code.to_owned(), None),
    }
}
