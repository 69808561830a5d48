//! INSERT of rows that are written out, read from the tokens.
//!
//! `INSERT INTO t (a, b) VALUES (7, 'ada'), (-1, NULL)`: what dumps consist of, and what programs send a row at a time. The grammar tries
//! some dozens of other forms at each value, and takes 70 µs for three of them; this takes two.
//!
//! Invariants: what is read here is what the grammar would give, with its places. Whatever has any other form is left to it, errors too.
//!
//! Does not: know expressions other than literals.

use super::operand::{literal, unquote};
use crate::ast::{
    Assigned, Expr, ExprKind, Ident, Insert, InsertSource, Literal, Span, Statement, StatementKind, Target, With,
};
use crate::scan::{Kind, Token};

/// The statement that some tokens, without comments, are; their places are counted from `origin`.
pub(super) fn insert(script: &str, tokens: &[Token], origin: usize) -> Option<Statement> {
    let mut reader = Reader { script, tokens, origin };
    let start = reader.keyword("insert")?;
    reader.keyword("into")?;
    let mut table = vec![reader.name()?];
    while reader.symbol(".").is_some() {
        table.push(reader.name()?);
    }
    let span = table.first()?.span.to(table.last()?.span);
    let mut columns = Vec::new();
    if reader.symbol("(").is_some() {
        columns = reader.listed(Reader::name)?.0;
    }
    reader.keyword("values")?;
    let mut rows = Vec::new();
    let end = loop {
        reader.symbol("(")?;
        let (row, end) = reader.listed(Reader::value)?;
        rows.push(row);
        match reader.symbol(",") {
            Some(_) => {}
            None if reader.tokens.is_empty() => break end,
            None => return None,
        }
    };
    let alias = None;
    let insert = Insert {
        with: With::default(),
        target: Target { table, alias, span },
        columns,
        source: InsertSource::Values(rows),
        on_conflict: None,
        returning: Vec::new(),
    };
    Some(Statement {
        kind: StatementKind::Insert(Box::new(insert)),
        span: start.to(end),
    })
}

struct Reader<'a> {
    script: &'a str,
    /// Those that are left.
    tokens: &'a [Token],
    origin: usize,
}

impl<'a> Reader<'a> {
    /// The next token, if it is of a kind, with its text.
    fn token(&mut self, kind: Kind) -> Option<(&'a str, Span)> {
        let (token, rest) = self.tokens.split_first()?;
        if token.kind != kind {
            return None;
        }
        let text = self.script.get(token.start..token.end)?;
        self.tokens = rest;
        Some((text, Span::new(self.origin + token.start, self.origin + token.end)))
    }

    fn keyword(&mut self, wanted: &str) -> Option<Span> {
        let (text, span) = self.token(Kind::Word)?;
        text.eq_ignore_ascii_case(wanted).then_some(span)
    }

    /// A symbol, if it is the next token.
    fn symbol(&mut self, wanted: &str) -> Option<Span> {
        let before = self.tokens;
        let found = self.token(Kind::Symbol).filter(|(text, _)| *text == wanted);
        if found.is_none() {
            self.tokens = before;
        }
        found.map(|(_, span)| span)
    }

    fn name(&mut self) -> Option<Ident> {
        let (text, span) = self.token(Kind::Word)?;
        let text = (!text.starts_with('@')).then(|| text.to_owned())?;
        let quoted = false;
        Some(Ident { text, quoted, span })
    }

    /// Things between commas, up to a parenthesis, and where that is.
    fn listed<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<(Vec<T>, Span)> {
        let mut all = Vec::new();
        loop {
            all.push(read(self)?);
            if self.symbol(",").is_none() {
                let end = self.symbol(")")?;
                return Some((all, end));
            }
        }
    }

    fn value(&mut self) -> Option<Assigned> {
        let (kind, span) = match self.tokens.first()?.kind {
            Kind::Number => self.number()?,
            Kind::String => {
                let (text, span) = self.token(Kind::String)?;
                (literal(Literal::String(plain_text(text)?)), span)
            }
            Kind::Symbol => {
                let sign = self.symbol("-")?;
                let (kind, span) = self.number()?;
                (ExprKind::Neg(Box::new(Expr { kind, span })), sign.to(span))
            }
            Kind::Word => {
                let (word, span) = self.token(Kind::Word)?;
                if word.eq_ignore_ascii_case("default") {
                    return Some(Assigned::Default(span));
                }
                self.word(word, span)?
            }
            _ => return None,
        };
        Some(Assigned::Value(Expr { kind, span }))
    }

    /// `7` or `0.5`.
    fn number(&mut self) -> Option<(ExprKind, Span)> {
        let (text, span) = self.token(Kind::Number)?;
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let is_plain = are_digits(whole) && fraction.is_none_or(are_digits);
        let digits = is_plain.then(|| text.to_owned())?;
        let number = match fraction {
            Some(_) => Literal::Decimal(digits),
            None => Literal::Integer(digits),
        };
        Some((literal(number), span))
    }

    /// `NULL`, `true`, `DATE '2026-01-31'`.
    fn word(&mut self, word: &str, span: Span) -> Option<(ExprKind, Span)> {
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        let typed: fn(String) -> Literal = match () {
            () if is("null") => return Some((literal(Literal::Null), span)),
            () if is("true") => return Some((literal(Literal::Boolean(true)), span)),
            () if is("false") => return Some((literal(Literal::Boolean(false)), span)),
            () if is("date") => Literal::Date,
            () if is("time") => Literal::Time,
            () if is("timestamp") => Literal::Timestamp,
            () => return None,
        };
        let (text, end) = self.token(Kind::String)?;
        Some((literal(typed(plain_text(text)?)), span.to(end)))
    }
}

/// What stands between single quotes; `None` of a string with a prefix.
fn plain_text(text: &str) -> Option<String> {
    text.starts_with('\'').then(|| unquote(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Dialect;
    use crate::parser::Driver;
    use crate::scan;

    /// What is read here, and what the grammar makes of the same text.
    fn both(text: &str, dialect: Dialect) -> (Option<Statement>, Option<Vec<Statement>>) {
        let tokens = scan::tokens(text, dialect);
        let mut driver = Driver::new(text, dialect, &tokens, Vec::new());
        driver.origin = 40;
        let read = insert(text, &driver.tokens, driver.origin);
        let is_read = driver.whole(0, text.len(), &[]) && driver.parsed.diagnostics.is_empty();
        (read, is_read.then_some(driver.parsed.statements))
    }

    #[test]
    fn what_dumps_consist_of_is_read() {
        for text in [
            "INSERT INTO t VALUES (1, 'name 1', 0.5)",
            "insert into s.t (a, b)\nvalues (-7, 'it''s'), (null, DEFAULT), (TRUE, date '2026-01-31')",
            "INSERT INTO t/* here */ VALUES (TIMESTAMP'2026-01-31 10:00:00', - 0.50, '') -- done",
        ] {
            for dialect in [Dialect::Grizzly, Dialect::Ansi] {
                let (read, known) = both(text, dialect);
                assert!(read.is_some(), "{text}");
                assert_eq!(read.map(|read| vec![read]), known, "{text}");
            }
        }
    }

    fn value() -> impl Strategy<Value = String> {
        let values = [
            "7",
            "0",
            "1_000",
            "0xff",
            "1e3",
            ".5",
            "1.",
            "0.50",
            "1.2.3",
            "12345678901234567890123456789012345678901",
            "-3",
            "- 3",
            "-0.1",
            "+4",
            "--5\n",
            "'a'",
            "'it''s'",
            "''",
            "e'\\n'",
            "x'00'",
            "f'{1}'",
            "'a' 'b'",
            "null",
            "NULL",
            "true",
            "False",
            "default",
            "DEFAULT",
            "default + 1",
            "date '2026-01-31'",
            "DATE'x'",
            "time '10:00'",
            "timestamp '2026-01-31'",
            "date",
            "timestamptz '2026-01-31'",
            "date e'x'",
            "null::int",
            "5 :: int",
            "(1)",
            "[1]",
            "{a: 1}",
            "?",
            "$1",
            ":a",
            "a",
            "a.b",
            "\"q\"",
            "`q`",
            "f(1)",
            "not true",
            "1 + 1",
            "-a",
            "'é'",
            "@Sum(1)",
            "select 1",
            "/* c */ 8",
            "",
        ];
        prop::sample::select(values.to_vec()).prop_map(str::to_owned)
    }

    fn name() -> impl Strategy<Value = String> {
        let names = [
            "t", "T1", "straße", "s.t", "a . b", "values", "select", "default", "`q t`", "\"q\"", "@t", "t as u",
            "main.s.t", "1t",
        ];
        prop::sample::select(names.to_vec()).prop_map(str::to_owned)
    }

    fn text() -> impl Strategy<Value = String> {
        let columns = prop_oneof![
            3 => Just(String::new()),
            2 => prop::collection::vec(name(), 1..3).prop_map(|names| format!("({})", names.join(", "))),
            1 => Just("()".to_owned()),
        ];
        let row = prop::collection::vec(value(), 1..4).prop_map(|values| format!("({})", values.join(" ,")));
        let rows = prop::collection::vec(row, 1..3).prop_map(|rows| rows.join(", "));
        let behind = prop::sample::select(vec![
            "",
            "",
            "",
            ",",
            " returning *",
            " order by 1",
            " on conflict do nothing",
            " select 1",
            "\n",
            " 7",
        ]);
        let head = prop::sample::select(vec![
            "insert into",
            "INSERT  INTO",
            "insert",
            "insert or ignore into",
            "with x as (select 1) insert into",
        ]);
        (head, name(), columns, rows, behind)
            .prop_map(|(head, name, columns, rows, behind)| format!("{head} {name} {columns} values {rows}{behind}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_is_read_is_what_the_grammar_gives(text in text(), ansi in any::<bool>()) {
            let (read, known) = both(&text, if ansi { Dialect::Ansi } else { Dialect::Grizzly });
            if let Some(read) = read {
                prop_assert_eq!(Some(vec![read]), known, "{}", text);
            }
        }
    }
}
