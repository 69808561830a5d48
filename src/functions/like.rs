//! LIKE and ILIKE: a pattern is read once and then matched against many texts.
//!
//! `%special%requests%` is [`LikeKind::Segments`]: two texts to find one after the other, nothing tied to either end.
//!
//! Invariants: `_` is one character (code point), not one byte; matching takes time linear in the text for each segment.
//!
//! Does not: know SQL's NULLs.

use memchr::memmem::Finder;

use super::FunctionError;
use super::string::lower_char;

/// A pattern that is ready to match.
#[derive(Clone, Debug)]
pub struct LikePattern {
    kind: LikeKind,
    case_insensitive: bool,
}

/// What a pattern comes down to.
#[derive(Clone, Debug)]
pub enum LikeKind {
    /// No wildcards.
    Exact(Vec<u8>),
    /// `text%`.
    Prefix(Vec<u8>),
    /// `%text`.
    Suffix(Vec<u8>),
    /// `%text%`; every text for the empty one.
    Contains(Box<Finder<'static>>),
    /// Anything else.
    Segments(Segments),
}

/// The pieces of a pattern between `%`.
#[derive(Clone, Debug)]
pub struct Segments {
    /// Must begin the text; nothing for a pattern that begins with `%`.
    first: Segment,
    /// Each must occur after the one before.
    middle: Vec<Segment>,
    /// Must end the text; `None` if there is no `%`: then the first is everything.
    last: Option<Segment>,
}

/// A piece without `%`.
#[derive(Clone, Debug)]
struct Segment {
    pieces: Vec<Piece>,
    /// Finds the segment if it is one literal.
    finder: Option<Box<Finder<'static>>>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Vec<u8>),
    /// So many characters, whatever they are.
    Any(usize),
}

impl LikePattern {
    /// Reads a pattern. After the escape character `%`, `_` and itself stand for themselves; it must not come last
    /// (22025).
    pub fn new(pattern: &str, escape: Option<char>, case_insensitive: bool) -> Result<Self, FunctionError> {
        let mut segments = vec![Vec::new()];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let last = segments.last_mut().expect("there is always a segment");
            if Some(c) == escape {
                let dangling =
                    || FunctionError::new("22025", format!("pattern `{pattern}` ends with its escape character"));
                literal(last, chars.next().ok_or_else(dangling)?, case_insensitive);
            } else if c == '%' {
                segments.push(Vec::new());
            } else if c == '_' {
                any(last);
            } else {
                literal(last, c, case_insensitive);
            }
        }
        Ok(Self {
            kind: classify(segments),
            case_insensitive,
        })
    }

    /// What the pattern comes down to, for code that tests it inline; `None` for one that ignores case.
    pub fn kind(&self) -> Option<&LikeKind> {
        (!self.case_insensitive).then_some(&self.kind)
    }

    /// The text that everything matched begins with, if the pattern asks for nothing else.
    pub fn as_prefix(&self) -> Option<&[u8]> {
        match self.kind()? {
            LikeKind::Prefix(text) => Some(text),
            _ => None,
        }
    }

    /// The only text that matches.
    pub fn as_exact(&self) -> Option<&[u8]> {
        match self.kind()? {
            LikeKind::Exact(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the whole text is of the pattern's form.
    pub fn matches(&self, text: &[u8]) -> bool {
        if self.case_insensitive && text.iter().any(|b| !b.is_ascii() || b.is_ascii_uppercase()) {
            return self.kind.matches(&folded(text));
        }
        self.kind.matches(text)
    }
}

impl LikeKind {
    fn matches(&self, text: &[u8]) -> bool {
        match self {
            LikeKind::Exact(literal) => text == literal.as_slice(),
            LikeKind::Prefix(literal) => text.starts_with(literal),
            LikeKind::Suffix(literal) => text.ends_with(literal),
            LikeKind::Contains(finder) => finder.find(text).is_some(),
            LikeKind::Segments(segments) => segments.matches(text),
        }
    }
}

impl Segments {
    fn matches(&self, text: &[u8]) -> bool {
        let Some(mut rest) = self.first.strip_start(text) else {
            return false;
        };
        let Some(last) = &self.last else {
            return rest.is_empty();
        };
        // Taking the first place where each fits leaves the most for the others.
        for segment in &self.middle {
            match segment.find(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        last.strip_end(rest).is_some()
    }
}

impl Segment {
    fn new(pieces: Vec<Piece>) -> Self {
        let finder = match pieces.as_slice() {
            [Piece::Literal(literal)] => Some(Box::new(Finder::new(literal).into_owned())),
            _ => None,
        };
        Self { pieces, finder }
    }

    fn strip_start<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        self.pieces.iter().try_fold(text, |rest, piece| match piece {
            Piece::Literal(literal) => rest.strip_prefix(literal.as_slice()),
            Piece::Any(n) => (0..*n).try_fold(rest, |rest, _| Some(&rest[first_char(rest)?..])),
        })
    }

    fn strip_end<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        self.pieces.iter().rev().try_fold(text, |rest, piece| match piece {
            Piece::Literal(literal) => rest.strip_suffix(literal.as_slice()),
            Piece::Any(n) => (0..*n).try_fold(rest, |rest, _| Some(&rest[..last_char(rest)?])),
        })
    }

    /// What follows the first place where the segment fits.
    fn find<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        if let Some(finder) = &self.finder {
            let at = finder.find(text)?;
            return Some(&text[at + finder.needle().len()..]);
        }
        let mut from = text;
        loop {
            if let Some(rest) = self.strip_start(from) {
                return Some(rest);
            }
            from = &from[first_char(from)?..];
        }
    }
}

fn literal(pieces: &mut Vec<Piece>, c: char, fold: bool) {
    let c = if fold { lower_char(c) } else { c };
    let mut buffer = [0; 4];
    let bytes = c.encode_utf8(&mut buffer).as_bytes();
    match pieces.last_mut() {
        Some(Piece::Literal(text)) => text.extend_from_slice(bytes),
        _ => pieces.push(Piece::Literal(bytes.to_vec())),
    }
}

fn any(pieces: &mut Vec<Piece>) {
    match pieces.last_mut() {
        Some(Piece::Any(n)) => *n += 1,
        _ => pieces.push(Piece::Any(1)),
    }
}

/// `segments` are what stands between the `%`: one more than there are of them.
fn classify(mut segments: Vec<Vec<Piece>>) -> LikeKind {
    let first = segments.remove(0);
    let last = segments.pop();
    segments.retain(|segment| !segment.is_empty());
    let text = |pieces: &[Piece]| match pieces {
        [] => Some(Vec::new()),
        [Piece::Literal(text)] => Some(text.clone()),
        _ => None,
    };
    let whole = match (text(&first), last.as_deref().map(text), segments.as_slice()) {
        (Some(exact), None, _) => Some(LikeKind::Exact(exact)),
        (Some(start), Some(Some(end)), []) if end.is_empty() && !start.is_empty() => Some(LikeKind::Prefix(start)),
        (Some(start), Some(Some(end)), []) if start.is_empty() && !end.is_empty() => Some(LikeKind::Suffix(end)),
        (Some(start), Some(Some(end)), []) if start.is_empty() && end.is_empty() => Some(contains(&[])),
        (Some(start), Some(Some(end)), [middle]) if start.is_empty() && end.is_empty() => {
            text(middle).map(|text| contains(&text))
        }
        _ => None,
    };
    whole.unwrap_or_else(|| {
        LikeKind::Segments(Segments {
            first: Segment::new(first),
            middle: segments.into_iter().map(Segment::new).collect(),
            last: last.map(Segment::new),
        })
    })
}

fn contains(text: &[u8]) -> LikeKind {
    LikeKind::Contains(Box::new(Finder::new(text).into_owned()))
}

/// Letters small, character by character; bytes that are no UTF-8 stay as they are.
fn folded(text: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(text) else {
        return text.to_ascii_lowercase();
    };
    let mut folded = String::with_capacity(text.len());
    folded.extend(text.chars().map(lower_char));
    folded.into_bytes()
}

fn continues(byte: &u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Length of the first character.
fn first_char(text: &[u8]) -> Option<usize> {
    let (_, rest) = text.split_first()?;
    Some(1 + rest.iter().take_while(|b| continues(b)).count())
}

/// Where the last character begins.
fn last_char(text: &[u8]) -> Option<usize> {
    let end = text.len().checked_sub(1)?;
    let continued = text.iter().rev().take_while(|b| continues(b)).count();
    Some(end - continued.min(end))
}
