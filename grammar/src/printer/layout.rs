//! From layout events to lines (after Oppen, "Prettyprinting", 1980).
//!
//! The events `begin, "f(", soft, "a", ",", line, "b", soft, ")", end` give `f(a, b)` where that fits the width, and one
//! argument per line where it does not.
//!
//! Invariants: a group is either flat or has all its own breaks broken; the time is linear in the number of events.
//!
//! Does not: know the language.

/// Lines longer than this are broken where they can be.
const WIDTH: usize = 100;
const INDENT: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Text without a newline, unless it is verbatim.
    Text(String),
    /// A space, unless at the start of a line.
    Space,
    /// A space, or a newline where the group is broken.
    Line,
    /// Nothing, or a newline where the group is broken.
    Soft,
    /// Always a newline; breaks every group around it.
    Hard,
    /// A newline and an empty line; breaks every group around it.
    Blank,
    /// A semicolon where the group is broken: behind the last statement of a block.
    Last,
    Begin,
    End,
    Indent,
    Dedent,
}

/// Lays the events out.
pub(super) fn lay_out(events: &[Event]) -> String {
    let measures = Measures::new(events);
    let mut out = String::new();
    let mut writer = Writer {
        out: &mut out,
        column: 0,
        indent: 0,
        newline: false,
        blank: false,
        space: false,
    };
    let mut flat: Vec<bool> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let is_flat = flat.last().copied().unwrap_or(false);
        match event {
            Event::Text(text) => writer.text(text),
            Event::Space => writer.space = true,
            Event::Line if is_flat => writer.space = true,
            Event::Soft | Event::Last if is_flat => {}
            Event::Last => writer.text(";"),
            Event::Line | Event::Soft | Event::Hard => writer.newline = true,
            Event::Blank => (writer.newline, writer.blank) = (true, true),
            Event::Begin => {
                let fits = measures.fits(at, writer.next_column());
                flat.push(is_flat || fits);
            }
            Event::End => {
                flat.pop();
            }
            Event::Indent => writer.indent += 1,
            Event::Dedent => writer.indent = writer.indent.saturating_sub(1),
        }
    }
    out
}

struct Writer<'a> {
    out: &'a mut String,
    column: usize,
    indent: usize,
    newline: bool,
    blank: bool,
    space: bool,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        if self.newline && !self.out.is_empty() {
            self.out.push_str(if self.blank { "\n\n" } else { "\n" });
            self.out.extend(std::iter::repeat_n(' ', self.indent * INDENT));
            self.column = self.indent * INDENT;
        } else if self.space && self.column > 0 {
            self.out.push(' ');
            self.column += 1;
        }
        (self.newline, self.blank, self.space) = (false, false, false);
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn next_column(&self) -> usize {
        if self.newline {
            self.indent * INDENT
        } else {
            self.column + usize::from(self.space)
        }
    }
}

/// Widths, worked out once from the back so that every question takes constant time.
struct Measures {
    /// Width of all events before this one, laid flat.
    before: Vec<usize>,
    /// Hard breaks before this event.
    hard: Vec<usize>,
    /// For a `Begin`, its `End`.
    ends: Vec<usize>,
    /// The next event from here on that can break.
    next_break: Vec<usize>,
}

impl Measures {
    fn new(events: &[Event]) -> Self {
        let mut before = vec![0];
        let mut hard = vec![0];
        let mut ends = vec![0; events.len()];
        let mut open = Vec::new();
        let (mut width, mut breaks) = (0, 0);
        for (at, event) in events.iter().enumerate() {
            match event {
                Event::Text(text) => {
                    width += text.chars().count();
                    breaks += usize::from(text.contains('\n'));
                }
                Event::Space | Event::Line | Event::Last => width += 1,
                Event::Hard | Event::Blank => breaks += 1,
                Event::Begin => open.push(at),
                Event::End => {
                    if let Some(slot) = open.pop().and_then(|begin: usize| ends.get_mut(begin)) {
                        *slot = at;
                    }
                }
                Event::Soft | Event::Indent | Event::Dedent => {}
            }
            before.push(width);
            hard.push(breaks);
        }
        let mut next_break = vec![events.len(); events.len() + 1];
        let mut next = events.len();
        for (at, event) in events.iter().enumerate().rev() {
            if matches!(event, Event::Line | Event::Soft | Event::Hard | Event::Blank) {
                next = at;
            }
            if let Some(slot) = next_break.get_mut(at) {
                *slot = next;
            }
        }
        Self {
            before,
            hard,
            ends,
            next_break,
        }
    }

    /// Whether the group that begins here, and the text stuck to its end, fits the rest of the line.
    fn fits(&self, begin: usize, column: usize) -> bool {
        let at = |list: &[usize], index: usize| list.get(index).copied().unwrap_or(0);
        let end = at(&self.ends, begin);
        let stuck = at(&self.next_break, end);
        let width = at(&self.before, stuck).saturating_sub(at(&self.before, begin));
        at(&self.hard, end) == at(&self.hard, begin) && column + width <= WIDTH
    }
}

#[cfg(test)]
mod tests {
    use super::Event::{Begin, Dedent, End, Indent, Line, Soft, Text};
    use super::*;

    fn call(arguments: usize) -> String {
        let mut events = vec![Begin, Text("f(".to_owned()), Indent, Soft];
        for at in 0..arguments {
            events.push(Text("argument".to_owned()));
            if at + 1 < arguments {
                events.extend([Text(",".to_owned()), Line]);
            }
        }
        events.extend([Dedent, Soft, Text(")".to_owned()), End]);
        lay_out(&events)
    }

    #[test]
    fn a_group_breaks_only_when_it_does_not_fit() {
        assert_eq!(call(2), "f(argument, argument)");
        assert_eq!(call(12).lines().count(), 14);
        assert!(call(12).starts_with("f(\n  argument,\n"));
    }
}
