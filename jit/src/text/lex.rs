//! Cuts the text form into tokens.
//!
//! Example: `%2: i64 = load %0 - 8 ; first` is `%2` `:` `i64` `=` `load` `%0` `-` `8`.
//!
//! Invariants: every token knows its line and column; a minus sign belongs to the number that it touches.
//!
//! Does not: know words.

use super::ParseError;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword.
    Word(String),
    /// `%x`, `$x` or `@x`: the sign and the name.
    Name(char, String),
    /// A number as written.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// Punctuation; `>` stands for `->`.
    Sign(char),
    /// After the last token.
    End,
}

/// A token and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub line: u32,
    pub column: u32,
}

/// All tokens, [`Kind::End`] last.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer {
        rest: text.chars().collect(),
        at: 0,
        line: 1,
        line_start: 0,
    };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token()?;
        let done = token.kind == Kind::End;
        tokens.push(token);
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: u32,
    line_start: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn skip_blank(&mut self) {
        while let Some(c) = self.peek(0) {
            match c {
                ';' => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                    continue;
                }
                '\n' => {
                    self.line += 1;
                    self.line_start = self.at + 1;
                }
                c if c.is_whitespace() => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        self.skip_blank();
        let (line, column) = (self.line, (self.at - self.line_start) as u32 + 1);
        let fail = |message: String| ParseError { line, column, message };
        let next_is = |test: fn(char) -> bool| self.peek(1).is_some_and(test);
        let kind = match self.peek(0) {
            None => Kind::End,
            Some(sign @ ('%' | '$' | '@')) => {
                self.at += 1;
                let name = self.word();
                if name.is_empty() {
                    return Err(fail(format!("a name must follow `{sign}`")));
                }
                Kind::Name(sign, name)
            }
            Some('"') => self.string().map_err(fail)?,
            Some('-') if self.peek(1) == Some('>') => {
                self.at += 2;
                Kind::Sign('>')
            }
            Some('-') if next_is(|c| c.is_ascii_digit() || c == 'i') => Kind::Number(self.number()),
            Some(c) if c.is_ascii_digit() => Kind::Number(self.number()),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => Kind::Word(self.word()),
            Some(c) if "(){}[],:=+-*!".contains(c) => {
                self.at += 1;
                Kind::Sign(c)
            }
            Some(c) => return Err(fail(format!("unexpected character {c:?}"))),
        };
        Ok(Token { kind, line, column })
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self
            .peek(0)
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
        {
            self.at += 1;
        }
        self.rest[start..self.at].iter().collect()
    }

    /// A minus sign, then letters, digits and points; a sign may follow an exponent's `e`.
    fn number(&mut self) -> String {
        let mut number = String::new();
        if self.peek(0) == Some('-') {
            number.push('-');
            self.at += 1;
        }
        number += &self.word();
        let is_hex = number.contains('x');
        if !is_hex && number.ends_with(['e', 'E']) && matches!(self.peek(0), Some('-' | '+')) {
            number.extend(self.peek(0));
            self.at += 1;
            number += &self.word();
        }
        number
    }

    fn string(&mut self) -> Result<Kind, String> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let c = self.peek(0).filter(|c| *c != '\n').ok_or("the string does not end")?;
            self.at += 1;
            match c {
                '"' => return Ok(Kind::Text(text)),
                '\\' => text.push(self.escape()?),
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let c = self.peek(0).ok_or("the string does not end")?;
        self.at += 1;
        Ok(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            '\\' | '"' | '\'' => c,
            'u' if self.peek(0) == Some('{') => {
                self.at += 1;
                let digits = self.word();
                self.at += 1;
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                code.ok_or_else(|| format!("bad character code {digits}"))?
            }
            other => return Err(format!("unknown escape \\{other}")),
        })
    }
}
