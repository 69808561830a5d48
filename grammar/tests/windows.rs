//! Windows, ordered aggregates and sets of groups: what is read, printed, and read again.

use gobi_grammar::{Dialect, parse, print};

/// Reads a script, and compares its canonical text, which must read the same again.
fn reads(script: &str, expected: &str) {
    let parsed = parse(script, Dialect::Grizzly);
    assert!(parsed.diagnostics.is_empty(), "{script}: {:?}", parsed.diagnostics);
    let text = print(&parsed.statements, Dialect::Grizzly);
    assert_eq!(text.trim_end(), expected);
    let again = parse(&text, Dialect::Grizzly);
    assert_eq!(print(&again.statements, Dialect::Grizzly), text, "{script}");
}

#[test]
fn windows() {
    reads(
        "select rank() over (partition by a, b+1 order by c desc nulls first, d) from t",
        "SELECT rank() OVER (PARTITION BY a, b + 1 ORDER BY c DESC NULLS FIRST, d) FROM t;",
    );
    reads(
        "select sum(x) filter (where x > 1) over (order by d rows 2 preceding), count(*) over ()",
        "SELECT sum(x) FILTER (WHERE x > 1) OVER (ORDER BY d ROWS 2 PRECEDING), count(*) OVER ();",
    );
    reads(
        "select lag(x ignore nulls) over (order by d range between interval '1 day' preceding and current row exclude ties)",
        "SELECT lag(x) IGNORE NULLS OVER (ORDER BY d RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW EXCLUDE TIES);",
    );
    reads(
        "select a from t qualify sum(b) over w > 1 window v as (partition by a), w as (v order by c groups unbounded preceding)",
        "SELECT a FROM t QUALIFY sum(b) OVER (PARTITION BY a ORDER BY c GROUPS UNBOUNDED PRECEDING) > 1;",
    );
    // Soft words are names where they can be.
    reads(
        "select partition, rows from window",
        "SELECT partition, rows FROM window;",
    );
}

#[test]
fn ordered_aggregates() {
    reads(
        "select array_agg(distinct x order by y desc, z) filter (where w)",
        "SELECT array_agg(DISTINCT x ORDER BY y DESC, z) FILTER (WHERE w);",
    );
}

#[test]
fn sets_of_groups() {
    reads(
        "select a from t group by rollup (a, (b, c)), cube(d), grouping sets ((a, b), c, (), rollup(e)), f + 1",
        "SELECT a FROM t GROUP BY ROLLUP (a, (b, c)), CUBE (d), GROUPING SETS ((a, b), c, (), ROLLUP (e)), f + 1;",
    );
    reads("select a from t group by (a), (b)", "SELECT a FROM t GROUP BY a, b;");
    reads("select a from t group by (a, b)", "SELECT a FROM t GROUP BY (a, b);");
}

#[test]
fn windows_that_are_not_there() {
    for (script, code) in [
        ("SELECT rank() OVER w", "42704"),
        ("SELECT 1 WINDOW w AS (), W AS ()", "42P20"),
        ("SELECT rank() OVER (ORDER BY ALL)", "42601"),
        ("SELECT rank() OVER (ROWS 1)", "42601"),
    ] {
        let parsed = parse(script, Dialect::Grizzly);
        let codes: Vec<_> = parsed.diagnostics.iter().map(|d| d.code.to_string()).collect();
        assert_eq!(codes, [code], "{script}: {:?}", parsed.diagnostics);
    }
}
