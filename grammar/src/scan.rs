//! The token scan: one linear pass over the text before the grammar sees it.
//!
//! `SELECT 'a' -- note` gives a word, a string and a comment. The parser takes from it the text with comments
//! blanked out, the places of semicolons, and every fault that would make the grammar's own message useless:
//! an unterminated string, an unclosed bracket, nesting that no stack should follow.
//!
//! Invariants: tokens are in order, do not overlap, lie on character boundaries, and hold everything but spaces.
//!
//! Does not: know what a statement is.

use crate::Dialect;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word: keyword or name, also `@Name`.
    Word,
    /// `` `name` ``.
    Backtick,
    /// `"…"`: a string or a name.
    DoubleQuoted,
    /// `'…'`, with its prefix letter if it has one.
    String,
    /// A number.
    Number,
    /// `?`, `$1`.
    Parameter,
    /// A comment of any form.
    Comment,
    /// Anything else: an operator, a bracket, a stray character.
    Symbol,
}

/// One token and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Its closing quote or `*/` was found.
    pub closed: bool,
}

/// All tokens of a script, comments included.
pub fn tokens(script: &str, dialect: Dialect) -> Vec<Token> {
    let mut scanner = Scanner {
        text: script,
        bytes: script.as_bytes(),
        at: 0,
        dialect,
    };
    let mut tokens = Vec::with_capacity(script.len() / 4);
    while let Some(token) = scanner.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn next_token(&mut self) -> Option<Token> {
        self.skip_space();
        let start = self.at;
        let first = *self.bytes.get(start)?;
        let (kind, closed) = self.read(first);
        Some(Token {
            kind,
            start,
            end: self.at,
            closed,
        })
    }

    fn skip_space(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte.is_ascii() {
                if !is_space(byte) {
                    return;
                }
                self.at += 1;
            } else {
                match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
                    Some(c) if is_wide_space(c) => self.at += c.len_utf8(),
                    _ => return,
                }
            }
        }
    }

    fn read(&mut self, first: u8) -> (Kind, bool) {
        let second = self.peek(1);
        let grizzly = self.dialect == Dialect::Grizzly;
        match (first, second) {
            (b'-', b'-') => self.line_comment(),
            (b'#', _) if grizzly => self.line_comment(),
            (b'/', b'/') if grizzly => self.line_comment(),
            (b'/', b'*') => self.block_comment(),
            (b'\'', _) => self.quoted(b'\'', Kind::String, false),
            (b'"', _) => self.quoted(b'"', Kind::DoubleQuoted, false),
            (b'`', _) => self.quoted(b'`', Kind::Backtick, false),
            (b'e' | b'E' | b'x' | b'X' | b'f' | b'F', b'\'') => {
                self.at += 1;
                self.quoted(b'\'', Kind::String, matches!(first, b'e' | b'E'))
            }
            (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => self.number(),
            (b'@', next) if is_word_start(next) => self.word(1),
            (b'$', next) if is_word_char(next) => {
                self.word(1);
                (Kind::Parameter, true)
            }
            (byte, _) if is_word_start(byte) => self.word(0),
            _ => self.symbol(first, second),
        }
    }

    fn line_comment(&mut self) -> (Kind, bool) {
        while self.bytes.get(self.at).is_some_and(|&byte| byte != b'\n') {
            self.at += 1;
        }
        (Kind::Comment, true)
    }

    fn block_comment(&mut self) -> (Kind, bool) {
        let mut depth = 0usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return (Kind::Comment, true);
                    }
                }
                _ => self.at += 1,
            }
        }
        (Kind::Comment, false)
    }

    fn quoted(&mut self, quote: u8, kind: Kind, escapes: bool) -> (Kind, bool) {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if byte == b'\\' && escapes {
                // INVARIANT: stepping over one byte may land inside a character, but never on a quote byte.
                self.at = (self.at + 1).min(self.bytes.len());
            } else if byte == quote {
                if self.peek(0) != quote {
                    return (kind, true);
                }
                self.at += 1;
            }
        }
        self.at = self.bytes.len();
        (kind, false)
    }

    fn number(&mut self) -> (Kind, bool) {
        let hex = self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'X');
        let mut previous = 0;
        while let Some(&byte) = self.bytes.get(self.at) {
            let exponent_sign =
                !hex && matches!(byte, b'+' | b'-') && matches!(previous, b'e' | b'E') && self.peek(1).is_ascii_digit();
            let point = byte == b'.' && self.peek(1).is_ascii_digit();
            if !(is_word_char(byte) || exponent_sign || point) {
                break;
            }
            previous = byte;
            self.at += 1;
        }
        (Kind::Number, true)
    }

    fn word(&mut self, prefix: usize) -> (Kind, bool) {
        self.at += prefix;
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte.is_ascii() {
                if !is_word_char(byte) {
                    break;
                }
                self.at += 1;
            } else {
                match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
                    Some(c) if !is_wide_space(c) => self.at += c.len_utf8(),
                    _ => break,
                }
            }
        }
        (Kind::Word, true)
    }

    fn symbol(&mut self, first: u8, second: u8) -> (Kind, bool) {
        const PAIRS: [&[u8; 2]; 16] = [
            b"::", b"??", b"?[", b"|>", b"||", b"&&", b"==", b"=>", b"->", b"<>", b"<=", b">=", b"!=", b"<{", b"}>",
            b":=",
        ];
        if first == b'?' && second != b'?' && second != b'[' {
            self.at += 1;
            return (Kind::Parameter, true);
        }
        let pair = PAIRS.iter().any(|known| **known == [first, second]);
        // `<{` and `}>` stay single so that each bracket is a token of its own; `?[` likewise ends in one.
        let width = if pair && !matches!((first, second), (b'<', b'{') | (b'}', b'>') | (b'?', b'[')) {
            2
        } else {
            1
        };
        self.at += if first.is_ascii() { width } else { self.char_width() };
        (Kind::Symbol, true)
    }

    fn char_width(&self) -> usize {
        self.text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8)
    }
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

fn is_wide_space(c: char) -> bool {
    !c.is_ascii() && (c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}')
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_word_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The script with comments and unusual spaces overwritten by blanks, byte for byte, newlines kept.
pub(crate) fn blanked(script: &str, tokens: &[Token]) -> String {
    let mut out = String::with_capacity(script.len());
    let mut from = 0;
    for token in tokens {
        blank_gap(script.get(from..token.start).unwrap_or_default(), &mut out);
        let text = script.get(token.start..token.end).unwrap_or_default();
        if token.kind == Kind::Comment {
            out.extend(text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            out.push_str(text);
        }
        from = token.end;
    }
    blank_gap(script.get(from..).unwrap_or_default(), &mut out);
    out
}

fn blank_gap(gap: &str, out: &mut String) {
    out.extend(
        gap.bytes()
            .map(|byte| if is_space(byte) { char::from(byte) } else { ' ' }),
    );
}
