//! Tokens as texts, and the comments between them.
//!
//! `f(a, -- one\n b)` becomes `"f" "(" soft "a" "," space "-- one" hard "b" soft ")"`.
//!
//! Invariants: a comment is written at the first event behind the token before it.
//!
//! Does not: know rules of the grammar.

use super::programs::declares;
use super::{HUG, Tree};
use crate::printer::layout::Event;
use crate::scan::{Kind, Token};

impl<'a> Tree<'a> {
    /// Writes the tokens that begin before a byte of the script.
    pub(super) fn raw_until(&mut self, end: usize) {
        while let Some(token) = self.tokens.get(self.at).copied() {
            if token.start >= end {
                return;
            }
            if token.kind == Kind::Comment {
                // A comment waits for the event that follows it.
                if self
                    .tokens
                    .get(self.at..)
                    .unwrap_or_default()
                    .iter()
                    .all(|token| token.kind == Kind::Comment)
                {
                    return;
                }
                self.flush();
                continue;
            }
            self.token(token);
        }
    }

    /// The `>` that ends a type or metadata may have been read as one with what comes behind it: as `>=`.
    pub(super) fn cut(&mut self, end: usize) {
        let at = self.tokens.partition_point(|token| token.end <= end);
        let Some(token) = self.tokens.get(at).copied().filter(|token| token.start < end) else {
            return;
        };
        let mut rest = Token { start: end, ..token };
        if let Some(first) = self.tokens.get_mut(at) {
            first.end = end;
        }
        // `=` and `>` are an arrow.
        let next = self.tokens.get(at + 1).copied();
        let next = next.filter(|next| next.start == rest.end && self.script.get(rest.start..next.end) == Some("=>"));
        match next {
            Some(next) => {
                rest.end = next.end;
                self.tokens.splice(at + 1..at + 2, [rest]);
            }
            None => self.tokens.insert(at + 1, rest),
        }
    }

    pub(super) fn token(&mut self, token: Token) {
        let text = self.script.get(token.start..token.end).unwrap_or_default();
        match text {
            ")" | "]" | "}" => self.closer(text),
            "," => self.write(",", true),
            "::" if declares(self.last) => self.write(text, false),
            "." | "::" => {
                self.write(text, true);
                self.glue = true;
            }
            ":" if self.verbatim == 0 => self.write(":", true),
            "<" | ">" if self.types > 0 && self.verbatim == 0 => {
                self.write(text, true);
                self.glue = text == "<";
                // A type stays on one line.
                match text {
                    "<" => self.brackets.push(HUG),
                    _ => _ = self.brackets.pop_if(|open| *open == HUG),
                }
            }
            _ => self.plain(token, text),
        }
        self.at += 1;
        match text {
            "(" | "[" | "{" => self.opener(text),
            "?" if token.kind == Kind::Symbol => self.glue = true,
            "," if self.brackets.last() == Some(&HUG) => self.push(Event::Space),
            "," if self.verbatim == 0 || !self.brackets.is_empty() => self.push(Event::Line),
            _ => {}
        }
    }

    pub(super) fn plain(&mut self, token: Token, text: &'a str) {
        let adjacent = self
            .tokens
            .get(self.at.wrapping_sub(1))
            .is_some_and(|before| before.end == token.start);
        let keep_adjacent = self.skimmed > 0 && adjacent && self.at > 0;
        let behind = |words: &[&str]| words.iter().any(|word| self.last.eq_ignore_ascii_case(word));
        let calls =
            text == "(" && behind(&["cast", "try_cast", "extract", "struct"]) || text == "{" && behind(&["map"]);
        let glue = self.glue || keep_adjacent || calls;
        // `- -x` must not become a comment, `? [0]` must not become `?[0]`.
        let after_mark = self.last == "?" && !adjacent;
        let merges = self.last == "-" && text.starts_with('-') || after_mark && text == "[";
        let is_keyword = self.verbatim == 0 && token.kind == Kind::Word && !text.starts_with('@');
        let text_written = match is_keyword {
            true if self.lower => text.to_ascii_lowercase(),
            true => text.to_ascii_uppercase(),
            false => text.to_owned(),
        };
        self.write_owned(text_written, glue && !merges);
        self.last = text;
    }

    pub(super) fn write(&mut self, text: &'a str, glue: bool) {
        self.write_owned(text.to_owned(), glue);
        self.last = text;
    }

    pub(super) fn write_owned(&mut self, text: String, glue: bool) {
        if !glue {
            self.push(Event::Space);
        } else {
            self.flush();
        }
        self.glue = false;
        self.events.push(Event::Text(text));
    }

    pub(super) fn opener(&mut self, text: &'a str) {
        self.glue = true;
        if std::mem::take(&mut self.hugs) {
            self.brackets.push(HUG);
            return;
        }
        self.brackets.push(text);
        self.push(Event::Begin);
        self.push(Event::Indent);
        self.push(Event::Soft);
    }

    pub(super) fn closer(&mut self, text: &'a str) {
        let open = self.brackets.pop();
        if open.is_some_and(|open| open != HUG) {
            self.push(Event::Dedent);
            self.push(Event::Soft);
            self.write(text, true);
            self.push(Event::End);
        } else {
            self.write(text, true);
        }
    }

    /// Adds an event, after the comments that wait before it.
    pub(super) fn push(&mut self, event: Event) {
        // The edges of groups are no place for a comment: it belongs to the break or the token that comes next.
        if matches!(
            event,
            Event::Line | Event::Soft | Event::Hard | Event::Blank | Event::Space
        ) {
            self.flush();
        }
        let before = self
            .events
            .iter()
            .rev()
            .find(|event| !matches!(event, Event::Begin | Event::Indent | Event::End));
        if event == Event::Space && matches!(before, Some(Event::Line | Event::Soft | Event::Hard | Event::Blank)) {
            return;
        }
        self.events.push(event);
    }

    /// Writes the comments that stand next in the text.
    pub(super) fn flush(&mut self) {
        let mut own_line_before = false;
        while let Some(token) = self
            .tokens
            .get(self.at)
            .copied()
            .filter(|token| token.kind == Kind::Comment)
        {
            let text = self.script.get(token.start..token.end).unwrap_or_default();
            let before = self
                .at
                .checked_sub(1)
                .and_then(|at| self.tokens.get(at))
                .map_or(token.start, |token| token.end);
            let after = self.tokens.get(self.at + 1).map_or(token.end, |token| token.start);
            let own_line = own_line_before || self.has_newline(before, token.start);
            let is_line = !text.starts_with("/*");
            if own_line {
                self.events.push(Event::Hard);
            } else {
                self.events.push(Event::Space);
            }
            self.events.push(Event::Text(text.trim_end().to_owned()));
            if own_line || is_line || self.has_newline(token.end, after) {
                self.events.push(Event::Hard);
            } else {
                self.events.push(Event::Space);
            }
            own_line_before = own_line || is_line;
            self.at += 1;
        }
    }

    pub(super) fn has_newline(&self, from: usize, to: usize) -> bool {
        self.script.get(from..to).unwrap_or_default().contains('\n')
    }
}
