//! Diagnostics as text for people.
//!
//! ```text
//! error[42601]: expected an expression after `,`, found `FROM`
//!  --> q.sql:1:11
//!   |
//! 1 | SELECT a, FROM t
//!   |           ^^^^
//!   = help: …
//! ```
//!
//! Invariants: carets stand under the characters they mean, whatever tabs and wide characters come before; a line longer
//! than the window is clipped around the caret.
//!
//! Does not: write to a terminal or decide about colours.

use crate::ast::Span;
use crate::{Diagnostic, Label};

/// Columns of source text shown at most.
const WINDOW: usize = 100;
const TAB: usize = 4;

/// Renders diagnostics like rustc does, with a blank line between two; ANSI colours if `color`.
pub fn render(script: &str, file: Option<&str>, diagnostics: &[Diagnostic], color: bool) -> String {
    let paint = Paint { color };
    let blocks: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| block(script, file, diagnostic, paint))
        .collect();
    blocks.join("\n")
}

/// Line and column of a byte offset, both from 1; the column counts characters.
pub fn line_col(script: &str, offset: usize) -> (usize, usize) {
    let before = script.get(..floor(script, offset)).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

impl Paint {
    fn apply(self, style: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn red(self, text: &str) -> String {
        self.apply("1;31", text)
    }

    fn blue(self, text: &str) -> String {
        self.apply("1;34", text)
    }

    fn bold(self, text: &str) -> String {
        self.apply("1", text)
    }
}

/// A label with its place worked out.
struct Mark<'a> {
    line: usize,
    start: usize,
    end: usize,
    main: bool,
    text: &'a str,
}

fn block(script: &str, file: Option<&str>, diagnostic: &Diagnostic, paint: Paint) -> String {
    let mut out = String::new();
    let severity = if diagnostic.is_warning() { "warning" } else { "error" };
    let code = if diagnostic.code.is_empty() {
        severity.to_owned()
    } else {
        format!("{severity}[{}]", diagnostic.code)
    };
    out.push_str(&format!(
        "{}{}\n",
        paint.red(&code),
        paint.bold(&format!(": {}", one_line(&diagnostic.message)))
    ));
    let mut marks: Vec<Mark<'_>> = diagnostic
        .labels
        .iter()
        .enumerate()
        .map(|(at, label)| mark(script, label, at == 0))
        .collect();
    let (line, column) = line_col(script, start_of(diagnostic.span()));
    marks.sort_by_key(|mark| (mark.line, !mark.main));
    let gutter = marks
        .iter()
        .map(|mark| mark.line)
        .max()
        .unwrap_or(line)
        .to_string()
        .len();
    let place = file.map_or_else(|| format!("{line}:{column}"), |file| format!("{file}:{line}:{column}"));
    if !marks.is_empty() {
        out.push_str(&format!("{}{} {place}\n", " ".repeat(gutter), paint.blue("-->")));
        out.push_str(&format!("{} {}\n", " ".repeat(gutter), paint.blue("|")));
    }
    let mut shown = None;
    for mark in &marks {
        source_line(script, mark, shown, gutter, paint, &mut out);
        shown = Some(mark.line);
    }
    if let Some(help) = &diagnostic.help {
        let text = format!("{} {} help: {help}\n", " ".repeat(gutter), paint.blue("="));
        out.push_str(&text);
    }
    out
}

fn source_line(script: &str, mark: &Mark<'_>, shown: Option<usize>, gutter: usize, paint: Paint, out: &mut String) {
    let (line_start, line) = line_text(script, mark.start);
    let start = mark.start.saturating_sub(line_start);
    let end = mark.end.saturating_sub(line_start).min(line.len());
    let (text, caret, width) = clipped(line, start, end);
    match shown {
        Some(before) if before == mark.line => {}
        before => {
            if before.is_some_and(|before| before + 1 < mark.line) {
                out.push_str(&format!("{}\n", paint.blue("...")));
            }
            let number = format!("{:>gutter$} |", mark.line);
            out.push_str(format!("{} {text}", paint.blue(&number)).trim_end());
            out.push('\n');
        }
    }
    let carets = if mark.main { "^" } else { "-" }.repeat(width.max(1));
    let carets = if mark.text.is_empty() {
        carets
    } else {
        format!("{carets} {}", one_line(mark.text))
    };
    let carets = if mark.main {
        paint.red(&carets)
    } else {
        paint.blue(&carets)
    };
    out.push_str(&format!(
        "{} {} {}{carets}\n",
        " ".repeat(gutter),
        paint.blue("|"),
        " ".repeat(caret)
    ));
}

fn mark<'a>(script: &str, label: &'a Label, main: bool) -> Mark<'a> {
    let start = floor(script, start_of(label.span));
    let end = floor(script, usize::try_from(label.span.end).unwrap_or(usize::MAX)).max(start);
    Mark {
        line: line_col(script, start).0,
        start,
        end,
        main,
        text: &label.text,
    }
}

fn start_of(span: Span) -> usize {
    usize::try_from(span.start).unwrap_or(usize::MAX)
}

/// The nearest character boundary at or before an offset.
fn floor(script: &str, offset: usize) -> usize {
    let mut offset = offset.min(script.len());
    while !script.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The line that holds an offset, and where it starts.
fn line_text(script: &str, offset: usize) -> (usize, &str) {
    let (before, after) = script.split_at_checked(offset).unwrap_or((script, ""));
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = offset + after.find('\n').unwrap_or(after.len());
    let line = script.get(start..end).unwrap_or_default();
    (start, line.strip_suffix('\r').unwrap_or(line))
}

/// What to show of a line, the columns before the caret, and the caret's width.
fn clipped(line: &str, start: usize, end: usize) -> (String, usize, usize) {
    let mut cells: Vec<(String, usize)> = Vec::new();
    let (mut caret, mut width, mut total) = (0, 0, 0);
    for (at, c) in line.char_indices() {
        let (text, columns) = cell(c);
        if at < start {
            caret += columns;
        } else if at < end {
            width += columns;
        }
        total += columns;
        cells.push((text, columns));
    }
    if total <= WINDOW {
        return (cells.into_iter().map(|(text, _)| text).collect(), caret, width);
    }
    let from = caret.saturating_sub(WINDOW / 2).min(total.saturating_sub(WINDOW));
    let (mut text, mut column, mut dropped) = (String::new(), 0, 0);
    for (cell, columns) in cells {
        if column < from {
            dropped += columns;
        } else if column + columns <= from + WINDOW {
            text.push_str(&cell);
        }
        column += columns;
    }
    let (head, tail) = (dropped > 0, total > from + WINDOW);
    let text = format!("{}{text}{}", if head { "…" } else { "" }, if tail { "…" } else { "" });
    let caret = (caret + usize::from(head)).saturating_sub(dropped);
    (text, caret, width.min((WINDOW + 1).saturating_sub(caret)))
}

/// A character as it is shown, and how many columns it takes.
fn cell(c: char) -> (String, usize) {
    match c {
        '\t' => (" ".repeat(TAB), TAB),
        c if c.is_control() => ("\u{fffd}".to_owned(), 1),
        c => (c.to_string(), columns(c)),
    }
}

/// Columns of a terminal: East Asian wide and emoji ranges take two, combining marks none (Unicode UAX 11, simplified).
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x2064
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfeff => 0,
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f680..=0x1f6ff | 0x1f900..=0x1f9ff => 2,
        0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn one_line(text: &str) -> String {
    if text.contains(['\n', '\r', '\t']) {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(script: &str, span: (usize, usize), expected: Expect) {
        let diagnostic = Diagnostic::new("42601", Span::new(span.0, span.1), "expected a name")
            .with_label("here")
            .with_help("write one");
        expected.assert_eq(&render(script, Some("q.sql"), &[diagnostic], false));
    }

    #[test]
    fn a_caret_stands_under_its_text() {
        check(
            "SELECT 1\nFROM t u v",
            (18, 19),
            expect![[r#"
            error[42601]: expected a name
             --> q.sql:2:10
              |
            2 | FROM t u v
              |          ^ here
              = help: write one
        "#]],
        );
    }

    #[test]
    fn tabs_and_wide_text_are_counted_in_columns() {
        let script = "\tSELECT '日本' x";
        check(
            script,
            (script.len() - 1, script.len()),
            expect![[r#"
            error[42601]: expected a name
             --> q.sql:1:14
              |
            1 |     SELECT '日本' x
              |                   ^ here
              = help: write one
        "#]],
        );
    }

    #[test]
    fn long_lines_are_clipped_around_the_caret() {
        let script = format!("SELECT {} x {}", "a, ".repeat(100), "b, ".repeat(100));
        let rendered = render(
            &script,
            None,
            &[Diagnostic::new("42601", Span::new(308, 309), "m")],
            false,
        );
        expect![[r#"
            error[42601]: m
             --> 1:309
              |
            1 | … a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a,  x b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, …
              |                                                    ^
        "#]]
        .assert_eq(&rendered);
    }

    #[test]
    fn two_labels_on_two_lines() {
        let mut diagnostic = Diagnostic::new("42601", Span::new(7, 8), "unclosed `(`").with_label("opened here");
        diagnostic.labels.push(Label {
            span: Span::new(13, 14),
            text: "`]` does not close it".to_owned(),
        });
        expect![[r#"
            error[42601]: unclosed `(`
             --> 1:8
              |
            1 | SELECT (a
              |        ^ opened here
            2 |   b]
              |    - `]` does not close it
        "#]]
        .assert_eq(&render("SELECT (a\n  b]", None, &[diagnostic], false));
    }

    #[test]
    fn offsets_out_of_range_do_no_harm() {
        assert_eq!(line_col("a\né", 3), (2, 1));
        assert_eq!(line_col("", 10), (1, 1));
        let far = Diagnostic::new("42601", Span::new(90, 80), "m");
        assert!(render("", None, &[far], true).contains("42601"));
    }
}
