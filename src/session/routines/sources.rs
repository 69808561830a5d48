//! Where functions were written, so that an error in one is shown at its place.
//!
//! `function f(a) => a / 0` in one script and `f(1)` in a later one: the error is in line 1, column 20 of `f`, and is shown at the
//! call of the later script.
//!
//! Invariants: the places of a function's tree lie beyond those of any script, in a range of their own.
//!
//! Does not: keep definitions.

use std::sync::Arc;

use gobi_grammar::ast::Span;
use gobi_grammar::{Diagnostic, Label};

/// Where the ranges of functions begin.
const FIRST: u32 = 1 << 31;

/// What is said beside the place of a call that an error has gone through.
const CALLED: &str = "called here";

/// No place of a script.
const NOWHERE: Span = Span {
    start: u32::MAX,
    end: u32::MAX,
};

/// The texts of functions, each in its range.
#[derive(Clone, Debug)]
pub struct Sources {
    texts: Arc<Vec<Text>>,
    /// Counts scripts.
    scripts: u64,
    /// The one that runs.
    script: u64,
    next: u32,
}

#[derive(Clone, Debug)]
struct Text {
    name: String,
    origin: u32,
    text: Arc<str>,
    /// The script that it stands in, and where.
    script: u64,
    offset: u32,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            texts: Arc::default(),
            scripts: 0,
            script: 0,
            next: FIRST,
        }
    }
}

impl Sources {
    /// Another script begins; gives the one before it.
    pub fn begin_script(&mut self) -> u64 {
        self.scripts += 1;
        std::mem::replace(&mut self.script, self.scripts)
    }

    /// A script that another one has begun ends: that goes on.
    pub fn end_script(&mut self, outer: u64) {
        self.script = outer;
    }

    /// The line of a place, in the script that runs, or in the text of a function of another one.
    pub fn line(&self, script: &str, place: u32) -> Option<u32> {
        let lines = |text: &str, until: u32| {
            let before = text.as_bytes().get(..until as usize)?;
            u32::try_from(before.iter().filter(|byte| **byte == b'\n').count()).ok()
        };
        match self.text(Span {
            start: place,
            end: place,
        }) {
            Some(text) => {
                let above = match text.script == self.script {
                    true => lines(script, text.offset)?,
                    false => 0,
                };
                Some(above + lines(&text.text, place - text.origin)? + 1)
            }
            None if place < FIRST => Some(lines(script, place)? + 1),
            None => None,
        }
    }

    /// The text that a place lies in.
    pub fn text_of(&self, place: u32) -> Option<&str> {
        let span = Span {
            start: place,
            end: place,
        };
        self.text(span).map(|text| &*text.text)
    }

    /// The text that a place lies in by its name, the line there, and what stands in it.
    pub fn line_text(&self, place: u32) -> Option<(&str, usize, &str)> {
        let text = self.text(Span {
            start: place,
            end: place,
        })?;
        let at = (place - text.origin) as usize;
        let before = text.text.get(..at)?;
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.text.get(begin..)?.lines().next().unwrap_or_default();
        Some((&text.name, before.matches('\n').count() + 1, line))
    }

    /// Whether a place lies in the text that stands there in the script that runs.
    pub fn is_written_at(&self, place: Span, script: &str, span: Span) -> bool {
        let written = script.get(span.start as usize..span.end as usize);
        self.text(place).is_some_and(|text| {
            text.script == self.script
                && text.offset == span.start
                && written.is_some_and(|written| *text.text == *written)
        })
    }

    /// A range for a text, which stands in the script that runs if `offset` says where.
    pub fn add(&mut self, name: &str, text: &str, offset: Option<u32>) -> u32 {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX / 2);
        if self.next > u32::MAX - length - 1 {
            // Errors in the oldest functions lose their places.
            self.next = FIRST;
            self.texts = Arc::default();
        }
        let origin = self.next;
        self.next += length + 1;
        Arc::make_mut(&mut self.texts).push(Text {
            name: name.to_owned(),
            origin,
            text: text.into(),
            script: if offset.is_some() { self.script } else { 0 },
            offset: offset.unwrap_or(0),
        });
        origin
    }

    /// The place of a call that an error has gone through, beside the error's.
    fn called_at(span: Span) -> Label {
        let text = CALLED.to_owned();
        Label { span, text }
    }

    /// The error with these calls.
    pub fn set_calls(diagnostic: &mut Diagnostic, calls: &[Span]) {
        diagnostic.labels.retain(|label| label.text != CALLED);
        diagnostic.labels.extend(calls.iter().copied().map(Self::called_at));
    }

    /// The calls that an error has gone through, the innermost first.
    pub fn calls_of(diagnostic: &Diagnostic) -> Vec<Span> {
        let calls = diagnostic.labels.iter().filter(|label| label.text == CALLED);
        calls.map(|label| label.span).collect()
    }

    /// The error with places of the script only; what lies in a function of another one is shown where the script calls it, or at
    /// `statement`.
    pub fn resolve(&self, diagnostic: Diagnostic, statement: Span) -> Diagnostic {
        let calls = Self::calls_of(&diagnostic);
        let mut resolved = diagnostic;
        resolved.labels.retain(|label| label.text != CALLED);
        let here = calls.into_iter().filter(|span| span.end > 0);
        let here = here
            .map(|span| self.place(&Self::called_at(span), NOWHERE))
            .find(|span| span.start < FIRST);
        let inside = |span: &Span| statement.start <= span.start && span.end <= statement.end;
        let statement = here.filter(inside).unwrap_or(statement);
        let main = resolved.span();
        if main.start >= FIRST
            && let Some(text) = self.text(main)
            && text.script != self.script
        {
            let at = (main.start - text.origin) as usize;
            let before = text.text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
            resolved.message = format!("in `{}`, line {line}, column {column}: {}", text.name, resolved.message);
            resolved.labels.truncate(1);
        }
        for label in &mut resolved.labels {
            label.span = self.place(label, statement);
        }
        resolved
    }

    fn place(&self, label: &Label, statement: Span) -> Span {
        let span = label.span;
        if span.start < FIRST {
            return span;
        }
        match self.text(span) {
            Some(text) if text.script == self.script => Span {
                start: span.start - text.origin + text.offset,
                end: span.end - text.origin + text.offset,
            },
            _ => statement,
        }
    }

    /// A place within a text, if that is the one which it is in.
    pub fn within(&self, span: Span, text: &str) -> Option<Span> {
        let known = self.text(span).filter(|_| span.start >= FIRST)?;
        (*known.text == *text).then(|| Span {
            start: span.start - known.origin,
            end: span.end - known.origin,
        })
    }

    fn text(&self, span: Span) -> Option<&Text> {
        let inside = |text: &&Text| (text.origin..=text.origin + text.text.len() as u32).contains(&span.start);
        self.texts.iter().find(inside)
    }
}
