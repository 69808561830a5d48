//! A cursor over the bytes of a date, time or interval.
//!
//! On `07:30` `number(2)` gives 7, `eat(b':')` gives true, `number(2)` gives 30.
//!
//! Invariants: never moves past the end; a method that gives `None` or false has not moved.
//!
//! Does not: know what is being read.

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    /// Over the text without the spaces around it.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text.trim().as_bytes(),
        }
    }

    /// Nothing left.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Moves over the byte if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// Moves over any of the bytes and says which it was.
    pub(super) fn eat_any(&mut self, bytes: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|b| bytes.contains(b))?;
        self.rest = &self.rest[1..];
        Some(byte)
    }

    /// Moves over spaces.
    pub(super) fn spaces(&mut self) {
        self.take_while(|b| b.is_ascii_whitespace());
    }

    /// A number of one to `max` digits.
    pub(super) fn number(&mut self, max: usize) -> Option<i64> {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > max {
            return None;
        }
        let mut value = 0i64;
        for byte in &self.rest[..digits] {
            value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
        }
        self.rest = &self.rest[digits..];
        Some(value)
    }

    /// Digits after a point as millionths; digits past the sixth are dropped. At least one is needed.
    pub(super) fn millionths(&mut self) -> Option<i64> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        if digits.is_empty() {
            return None;
        }
        let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
        Some(padded.fold(0, |value, byte| value * 10 + i64::from(byte - b'0')))
    }

    /// Letters, as many as there are.
    pub(super) fn word(&mut self) -> &'a [u8] {
        self.take_while(|b| b.is_ascii_alphabetic())
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.rest.iter().take_while(|b| keep(**b)).count();
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }
}
