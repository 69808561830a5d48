//! Properties over random trees and random text.

mod support;

use gobi_grammar::scan::{self, Kind};
use gobi_grammar::{Dialect, format, highlight, is_complete, parse, print, render};
use proptest::collection::vec;
use proptest::prelude::*;

const DIALECTS: [Dialect; 2] = [Dialect::Grizzly, Dialect::Ansi];

/// Puts a comment or a newline into gaps between tokens.
fn commented(text: &str, dialect: Dialect, gaps: &[(usize, u8)]) -> (String, usize) {
    let tokens = scan::tokens(text, dialect);
    let mut chosen: Vec<(usize, u8)> = gaps
        .iter()
        .map(|(gap, what)| (gap % tokens.len().max(1), *what))
        .collect();
    chosen.sort_unstable();
    chosen.dedup_by_key(|(gap, _)| *gap);
    let (mut out, mut count) = (String::new(), 0);
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && tokens[at - 1].end < token.start {
            out.push(' ');
        }
        let splits = at > 0 && tokens[at - 1].end < token.start;
        match chosen
            .iter()
            .find(|(gap, _)| *gap == at && splits)
            .map(|(_, what)| what % 6)
        {
            Some(0) => out.push_str("/* in */ "),
            Some(1) => out.push_str("-- end\n"),
            Some(2) => out.push_str("\n-- own\n"),
            Some(3) => out.push_str("\n/* own\n too */ "),
            Some(4) => out.push('\n'),
            Some(5) => out.push_str("\n\n\n"),
            _ => {}
        }
        count += usize::from(chosen.iter().any(|(gap, what)| *gap == at && splits && what % 6 < 4));
        out.push_str(&text[token.start..token.end]);
    }
    (out, count)
}

fn comments(text: &str, dialect: Dialect) -> usize {
    scan::tokens(text, dialect)
        .iter()
        .filter(|token| token.kind == Kind::Comment)
        .count()
}

/// `GOBI_PROPTEST_FACTOR` makes the properties run that many times as long.
fn config(cases: u32) -> ProptestConfig {
    let factor = std::env::var("GOBI_PROPTEST_FACTOR")
        .ok()
        .and_then(|factor| factor.parse().ok())
        .unwrap_or(1);
    ProptestConfig {
        cases: cases * factor,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(25))]

    #[test]
    fn what_is_printed_parses_to_the_same_tree(script in support::script()) {
        for dialect in DIALECTS {
            let text = print(&script.0, dialect);
            let parsed = parse(&text, dialect);
            prop_assert!(parsed.diagnostics.is_empty(), "{}", render::render(&text, None, &parsed.diagnostics, false));
            let same = parsed.statements == script.0;
            prop_assert!(same, "{}{}", text, print(&parsed.statements, dialect));
        }
    }

    #[test]
    fn formatting_keeps_the_meaning_and_the_comments_and_is_stable(
        script in support::script(),
        gaps in vec((any::<usize>(), any::<u8>()), 0..9),
    ) {
        for dialect in DIALECTS {
            let (text, count) = commented(&print(&script.0, dialect), dialect, &gaps);
            prop_assert_eq!(comments(&text, dialect), count);
            let formatted = format(&text, dialect);
            prop_assert!(formatted.is_ok(), "{}\n{}", text, render::render(&text, None, &formatted.err().unwrap_or_default(), false));
            let formatted = formatted.unwrap_or_default();
            let same = parse(&formatted, dialect).statements == script.0;
            prop_assert!(same, "{}\n{}", text, formatted);
            prop_assert_eq!(comments(&formatted, dialect), count, "{}\n{}", text, formatted);
            let again = format(&formatted, dialect).unwrap_or_default();
            prop_assert_eq!(&again, &formatted, "{}", text);
        }
    }

}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn no_text_makes_anything_panic(text in soup(), cut in any::<prop::sample::Index>()) {
        for dialect in DIALECTS {
            check_total(&text, dialect);
            let at = cut.index(text.len() + 1);
            if let Some(start) = text.get(..at) {
                check_total(start, dialect);
            }
        }
    }
}

fn soup() -> BoxedStrategy<String> {
    let words = prop::sample::select(
        &[
            "SELECT",
            "FROM",
            "WHERE",
            "GROUP",
            "BY",
            "ORDER",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ";",
            "'a",
            "'",
            "\"",
            "`",
            "a",
            "b",
            ".",
            "*",
            "+",
            "-",
            "--",
            "/*",
            "*/",
            "#",
            "//",
            "NOT",
            "CASE",
            "WHEN",
            "THEN",
            "END",
            "AND",
            "IN",
            "BETWEEN",
            "LIKE",
            "IS",
            "NULL",
            "AS",
            "CAST",
            "::",
            "int",
            "<",
            ">",
            "<{",
            "}>",
            "=>",
            "->",
            "|>",
            "??",
            "?",
            "?[",
            "$1",
            "1",
            "1.5",
            "0x",
            "e'\\",
            "x'1",
            "\n",
            "UNION",
            "VALUES",
            "WITH",
            "JOIN",
            "ON",
            "LET",
            "function",
            "CREATE",
            "TABLE",
            "upsert",
            "INTERVAL",
            "date",
            "é",
            "日",
            "\u{a0}",
            "FILTER",
            "OVER",
            "IF",
            "match",
            "EXPLAIN",
            "COPY",
            "TO",
            "SET",
            "=",
            "SHOW",
            "LIMIT",
            "array",
            "map",
            "struct",
            "@",
            "@Sum",
            "\\",
            "INSERT",
            "INTO",
            "UPDATE",
            "DELETE",
            "MERGE",
            "USING",
            "MATCHED",
            "DO",
            "NOTHING",
            "CONFLICT",
            "RETURNING",
            "DEFAULT",
            "PRIMARY",
            "KEY",
            "CHECK",
            "REFERENCES",
            "DROP",
            "ALTER",
            "ADD",
            "COLUMN",
            "INDEX",
            "VIEW",
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT",
            "OF",
            "SINCE",
            "UNTIL",
            "CHANGES",
            "WATERMARK",
            "BRANCH",
            "SNAPSHOT",
            "LOG",
            "DIFF",
            "PREPARE",
            "EXECUTE",
            "ATTACH",
            "ANALYZE",
            ":a",
            "default",
        ][..],
    );
    let sentence = vec(words, 0..24).prop_map(|words| words.join(" "));
    prop_oneof![4 => sentence, 2 => nested(), 1 => "\\PC{0,40}".boxed(), 1 => any::<String>().boxed()].boxed()
}

/// Brackets of all kinds in each other around an error: a grammar that reads anything twice would never end here.
fn nested() -> BoxedStrategy<String> {
    const PAIRS: &[(&str, &str)] = &[
        ("(", ")"),
        ("f(", ")"),
        ("[", "]"),
        ("{a: ", "}"),
        ("{", "}"),
        ("a IN (", ")"),
        ("a IN ((SELECT ", "))"),
        ("CASE WHEN a THEN ", " END"),
        ("CASE ", " WHEN 1 THEN 2 END"),
        ("(SELECT ", ")"),
        ("(SELECT * FROM (", ") x)"),
        ("(SELECT * FROM f(", "))"),
        ("(SELECT * FROM x IN (", "))"),
        ("(SELECT * FROM a JOIN (b) ON (", "))"),
        ("(SELECT * FROM a, LATERAL (SELECT ", ") b)"),
        ("EXISTS (SELECT ", ")"),
        ("EXISTS ((SELECT ", "))"),
        ("a[", "]"),
        ("a?[", "]"),
        ("CAST(", " AS int)"),
        ("EXTRACT(year FROM ", ")"),
        ("f(a) FILTER (WHERE ", ")"),
        ("a.f(", ")"),
        ("trim(BOTH (", ") FROM x)"),
        ("values(", ")"),
        ("(VALUES (", "))"),
        ("(WITH a AS (SELECT ", ") SELECT 1)"),
        ("(SELECT 1 ORDER BY DESC (", "))"),
        ("(SELECT 1 LIMIT (", "))"),
        ("(SELECT DISTINCT ON (", ") 1)"),
        ("(SELECT 1 UNION SELECT ", ")"),
        ("NOT (", ")"),
        ("x => {a: ", "}"),
        ("array<int>::[", "]"),
        ("interval (", ")"),
        ("date (", ")"),
        ("(1, ", ")"),
        ("(AS OF (", ") SELECT 1)"),
        ("(SELECT 1 FROM t AS OF (", "))"),
        ("(SELECT 1 FROM t SINCE a UNTIL f(", "))"),
        ("(WITH a AS (INSERT INTO t VALUES (", ")) SELECT 1)"),
        ("(WITH a AS (UPDATE t SET (a, b) = (", ")) SELECT 1)"),
        ("(WITH a AS (DELETE FROM t USING (SELECT ", ") u) SELECT 1)"),
        (
            "(WITH a AS (MERGE INTO t USING (SELECT ",
            ") u ON a WHEN MATCHED THEN DELETE) SELECT 1)",
        ),
    ];
    const HEADS: &[(&str, &str)] = &[
        ("SELECT ", ""),
        ("INSERT INTO t VALUES (", ")"),
        ("INSERT INTO t SELECT ", " ON CONFLICT DO NOTHING"),
        ("UPDATE t SET (a, b) = (", ")"),
        ("CREATE TABLE t (a int DEFAULT ", ")"),
        ("CREATE TABLE t (a int) WITH (a = (", ", 1))"),
        ("CREATE VIEW v AS SELECT ", ""),
        ("WITH x AS (SELECT ", ") DELETE FROM t"),
        ("EXPLAIN WITH x AS (SELECT ", ") DELETE FROM t"),
        ("PREPARE p AS SELECT ", ""),
        ("EXECUTE p(", ")"),
        ("ROLLBACK TO (", ")"),
        ("DIFF t BETWEEN (", ") AND 1"),
    ];
    (
        vec(prop::sample::select(PAIRS), 1..60),
        prop::sample::select(&["1", "1 1", "", "1 +", "a.", ")"][..]),
        prop::sample::select(HEADS),
    )
        .prop_map(|(pairs, middle, (head, tail))| {
            let open: String = pairs.iter().map(|(open, _)| *open).collect();
            let close: String = pairs.iter().rev().map(|(_, close)| *close).collect();
            format!("{head}{open}{middle}{close}{tail}")
        })
        .boxed()
}

fn check_total(text: &str, dialect: Dialect) {
    let parsed = parse(text, dialect);
    render::render(text, Some("f.sql"), &parsed.diagnostics, true);
    for (range, _) in highlight(text, dialect) {
        assert!(
            text.get(range.clone()).is_some_and(|token| !token.is_empty()),
            "{range:?}"
        );
    }
    is_complete(text, dialect);
    if parsed.diagnostics.is_empty() {
        let formatted = format(text, dialect).unwrap_or_default();
        assert_eq!(
            parse(&formatted, dialect).statements,
            parsed.statements,
            "{text:?}\n{formatted}"
        );
        assert_eq!(
            comments(&formatted, dialect),
            comments(text, dialect),
            "{text:?}\n{formatted}"
        );
        assert_eq!(format(&formatted, dialect).as_ref(), Ok(&formatted), "{text:?}");
    }
}
