//! What is read, shown as the canonical text of its tree.

use expect_test::{Expect, expect};
use gobi_grammar::{Dialect, parse, print, render};

fn accepts(script: &str, expected: Expect) {
    let parsed = parse(script, Dialect::Grizzly);
    let errors = render::render(script, None, &parsed.diagnostics, false);
    expected.assert_eq(&format!("{}{errors}", print(&parsed.statements, Dialect::Grizzly)));
}

#[test]
fn queries() {
    accepts(
        r#"FROM t"#,
        expect![[r#"
        FROM t;
    "#]],
    );
    accepts(
        r#"from t select a where b > 1 order by desc c limit 3"#,
        expect![[r#"
        FROM t SELECT a WHERE b > 1 ORDER BY c DESC LIMIT 3;
    "#]],
    );
    accepts(
        r#"SELECT a FROM t WHERE b LIMIT 3 OFFSET 2 ORDER BY a"#,
        expect![[r#"
        SELECT a FROM t WHERE b ORDER BY a LIMIT 3 OFFSET 2;
    "#]],
    );
    accepts(
        r#"SELECT a FROM t ORDER BY ALL DESC"#,
        expect![[r#"
        SELECT a FROM t ORDER BY ALL DESC;
    "#]],
    );
    accepts(
        r#"SELECT a FROM t ORDER BY ASC"#,
        expect![[r#"
        SELECT a FROM t ORDER BY ALL;
    "#]],
    );
    accepts(
        r#"SELECT a FROM t ORDER BY DSC LIMIT 1"#,
        expect![[r#"
        SELECT a FROM t ORDER BY ALL DESC LIMIT 1;
    "#]],
    );
    accepts(
        r#"SELECT a, b FROM t ORDER BY a DESC NULLS LAST, b DSC, 3 NULLS FIRST"#,
        expect![[r#"
        SELECT a, b FROM t ORDER BY a DESC NULLS LAST, b DESC, 3 NULLS FIRST;
    "#]],
    );
    accepts(
        r#"SELECT 1 SELECT 2 FROM t FROM u SELECT 3"#,
        expect![[r#"
        SELECT 1;
        SELECT 2 FROM t;
        FROM u SELECT 3;
    "#]],
    );
}

#[test]
fn relations() {
    accepts(
        r#"SHOW TABLES"#,
        expect![[r#"
        SHOW TABLES;
    "#]],
    );
    accepts(
        r#"FROM [1,2,3] WHERE value > 3 SELECT value*2"#,
        expect![[r#"
        FROM [1, 2, 3] SELECT value * 2 WHERE value > 3;
    "#]],
    );
    accepts(
        r#"FROM x IN [1,2] SELECT x"#,
        expect![[r#"
        FROM x IN [1, 2] SELECT x;
    "#]],
    );
    accepts(
        r#"SELECT * FROM 'a.parquet' a JOIN b USING (x) LEFT OUTER JOIN c ON a.x = c.x, d"#,
        expect![[r#"
        SELECT * FROM 'a.parquet' AS a JOIN b USING (x) LEFT JOIN c ON a.x = c.x, d;
    "#]],
    );
    accepts(
        r#"SELECT * FROM range(1, 10) r(i)"#,
        expect![[r#"
        SELECT * FROM range(1, 10) AS r(i);
    "#]],
    );
    accepts(
        r#"SELECT r.* FROM a NATURAL JOIN b CROSS JOIN c ASOF JOIN d ON d.t >= a.t, LATERAL (SELECT 1) r"#,
        expect![[r#"
        SELECT r.* FROM a NATURAL JOIN b CROSS JOIN c ASOF JOIN d ON d.t >= a.t CROSS JOIN LATERAL (SELECT 1) AS r;
    "#]],
    );
    accepts(
        r#"SELECT * FROM a JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x"#,
        expect![[r#"
        SELECT * FROM a JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x;
    "#]],
    );
    accepts(
        r#"SELECT date, time, interval, timestamp, first, "date", left, limit, offset, end, values FROM t"#,
        expect![[r#"
        SELECT date, time, interval, timestamp, first, 'date', left, limit, offset, end, values FROM t;
    "#]],
    );
}

#[test]
fn expressions() {
    accepts(
        r#"SELECT date '2020-01-01', interval '7 days', interval 7 day, INTERVAL '7' HOURS, timestamp '2020-01-01 00:00:00', time '12:00', interval '1 year 2 months', uuid 'a'"#,
        expect![[r#"
        SELECT DATE '2020-01-01', INTERVAL '7 day', INTERVAL '7 day', INTERVAL '7 hour', TIMESTAMP '2020-01-01 00:00:00', TIME '12:00', INTERVAL '1 year 2 month', CAST('a' AS uuid);
    "#]],
    );
    accepts(
        r#"SELECT count(*), count(distinct x), sum(all x) filter (where x > 1), left(a, 2), @TypeOf(x), @Median(x)"#,
        expect![[r#"
        SELECT count(*), count(DISTINCT x), sum(x) FILTER (WHERE x > 1), left(a, 2), @TypeOf(x), @Median(x);
    "#]],
    );
    accepts(
        r#"SELECT a[0], a?[9], a[1:3], a[:2], a[1:], x::int[], cast(x as decimal(15,2)), try_cast(x as double precision)"#,
        expect![[r#"
        SELECT a[0], a?[9], a[1 : 3], a[ : 2], a[1 : ], CAST(x AS array<int>), CAST(x AS decimal(15, 2)), TRY_CAST(x AS double precision);
    "#]],
    );
    accepts(
        r#"SELECT x::struct(a int, b: map<string, array<int>>), Array<int>::[1,2], f(x as timestamp with time zone)"#,
        expect![[r#"
        SELECT CAST(x AS struct(a int, b map<string, array<int>>)), CAST([1, 2] AS array<int>), f(CAST(x AS timestamp with time zone));
    "#]],
    );
    accepts(
        r#"SELECT {a: 1, 'b c': 'x'}, {x}, [1,2], {}"#,
        expect![[r#"
        SELECT {a: 1, `b c`: 'x'}, {x}, [1, 2], {};
    "#]],
    );
    accepts(
        r#"SELECT ? + ?, $2, $name"#,
        expect![[r#"
        SELECT $1 + $2, $2, $name;
    "#]],
    );
    accepts(
        r#"SELECT a ?? b ?? c or d and not e between 1 and 2 and f && g"#,
        expect![[r#"
        SELECT a ?? b ?? c OR d AND NOT e BETWEEN 1 AND 2 AND f AND g;
    "#]],
    );
    accepts(
        r#"SELECT a + b * c - -d || 'x' % 2 div 3, !a = b, (a = b) IS NOT NULL, a != b == c"#,
        expect![[r#"
        SELECT a + b * c - -d || 'x' % 2 div 3, NOT a = b, (a = b) IS NOT NULL, (a <> b) = c;
    "#]],
    );
    accepts(
        r#"SELECT a IS NULL, a IS NOT TRUE, a IS UNKNOWN, a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b"#,
        expect![[r#"
        SELECT a IS NULL, a IS NOT TRUE, a IS NULL, a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b;
    "#]],
    );
    accepts(
        r#"SELECT a IN (1, 2), a NOT IN (SELECT 1), a LIKE 'x' ESCAPE '!', a NOT ILIKE b"#,
        expect![[r#"
        SELECT a IN (1, 2), a NOT IN (SELECT 1), a LIKE 'x' ESCAPE '!', a NOT ILIKE b;
    "#]],
    );
    accepts(
        r#"SELECT trim(both ' ' from x), trim(leading from x), trim(x), position('a' in x), substring(x from 1 for 2), trim(' ' from x)"#,
        expect![[r#"
            SELECT trim(x, ' '), ltrim(x), trim(x), position(x, 'a'), substring(x, 1, 2), trim(x, ' ');
        "#]],
    );
    accepts(
        r#"SELECT a.length(), a.b.join(', '), f(x).y, (SELECT t).y"#,
        expect![[r#"
        SELECT length(a), join(a.b, ', '), f(x).y, (SELECT t).y;
    "#]],
    );
    accepts(
        r#"SELECT EXTRACT(year FROM d), extract('month' from d), EXISTS (SELECT 1), NOT EXISTS (SELECT 1), case x when 1 then 2 end, CASE WHEN a THEN b ELSE c END"#,
        expect![[r#"
        SELECT EXTRACT(year FROM d), EXTRACT('month' FROM d), EXISTS (SELECT 1), NOT EXISTS (SELECT 1), CASE x WHEN 1 THEN 2 END, CASE WHEN a THEN b ELSE c END;
    "#]],
    );
    accepts(
        r#"SELECT 1 UNION SELECT 2 UNION SELECT 3 INTERSECT SELECT 4 EXCEPT ALL SELECT 5 ORDER BY 1"#,
        expect![[r#"
        SELECT 1 UNION SELECT 2 UNION SELECT 3 INTERSECT SELECT 4 EXCEPT ALL SELECT 5 ORDER BY 1;
    "#]],
    );
    accepts(
        r#"(SELECT 1 ORDER BY 1 LIMIT 1) UNION ALL (SELECT 2)"#,
        expect![[r#"
        (SELECT 1 ORDER BY 1 LIMIT 1) UNION ALL (SELECT 2);
    "#]],
    );
    accepts(
        r#"((SELECT 1))"#,
        expect![[r#"
        SELECT 1;
    "#]],
    );
}

#[test]
fn set_operations_and_ctes() {
    accepts(
        r#"SELECT ((SELECT 1) UNION SELECT 2), a IN ((SELECT 1) EXCEPT SELECT 2)"#,
        expect![[r#"
        SELECT ((SELECT 1) UNION SELECT 2), a IN ((SELECT 1) EXCEPT SELECT 2);
    "#]],
    );
    accepts(
        r#"WITH RECURSIVE x(a) AS NOT MATERIALIZED (SELECT 1), y AS (FROM x) SELECT * FROM x"#,
        expect![[r#"
        WITH RECURSIVE x(a) AS NOT MATERIALIZED (SELECT 1), y AS (FROM x) SELECT * FROM x;
    "#]],
    );
    accepts(
        r#"SELECT * FROM x WITH x AS (SELECT 1)"#,
        expect![[r#"
        WITH x AS (SELECT 1) SELECT * FROM x;
    "#]],
    );
    accepts(
        r#"SELECT DISTINCT ON (a, b) a, * EXCLUDE (b, c), t.* FROM t GROUP BY ALL HAVING count(*) > 1 QUALIFY x"#,
        expect![[r#"
        SELECT DISTINCT ON (a, b) a, * EXCLUDE (b, c), t.* FROM t GROUP BY ALL HAVING count(*) > 1 QUALIFY x;
    "#]],
    );
    accepts(
        r#"SELECT DISTINCT a FROM t GROUP BY a, 2"#,
        expect![[r#"
        SELECT DISTINCT a FROM t GROUP BY a, 2;
    "#]],
    );
    accepts(
        r#"SELECT e'a\n\x41\u00e9', x'00ff', 0xff, 1_000, 1.5, 1e3, .5, 'it''s', "a ""b""""#,
        expect![[r#"
        SELECT 'a
        Aé', x'00ff', 255, 1000, 1.5, 1e3, .5, 'it''s', 'a "b"';
    "#]],
    );
    accepts(
        r#"SELECT a "b" FROM t FETCH FIRST 5 ROWS ONLY"#,
        expect![[r#"
        SELECT a AS `b` FROM t LIMIT 5;
    "#]],
    );
    accepts(
        r#"VALUES (1, 'a'), (2, 'b') ORDER BY 1"#,
        expect![[r#"
        VALUES (1, 'a'), (2, 'b') ORDER BY 1;
    "#]],
    );
    accepts(
        r#"COPY (SELECT 1) TO 'f.csv' (FORMAT csv, HEADER, DELIMITER '|', ROWS = 3)"#,
        expect![[r#"
        COPY (SELECT 1) TO 'f.csv' (FORMAT csv, HEADER TRUE, DELIMITER '|', ROWS 3);
    "#]],
    );
    accepts(
        r#"COPY s.t TO 'f.parquet'"#,
        expect![[r#"
        COPY (FROM s.t) TO 'f.parquet';
    "#]],
    );
}

#[test]
fn other_statements() {
    accepts(
        r#"EXPLAIN ANALYZE JIT SELECT 1"#,
        expect![[r#"
        EXPLAIN ANALYZE JIT SELECT 1;
    "#]],
    );
    accepts(
        r#"EXPLAIN (ANALYZE, FORMAT json) SELECT 1"#,
        expect![[r#"
        EXPLAIN ANALYZE (FORMAT json) SELECT 1;
    "#]],
    );
    accepts(
        r#"SET memory_limit = '4GB'"#,
        expect![[r#"
        SET memory_limit = '4GB';
    "#]],
    );
    accepts(
        r#"SET a.b TO on"#,
        expect![[r#"
        SET a.b = on;
    "#]],
    );
    accepts(
        r#"LIST tables"#,
        expect![[r#"
        SHOW tables;
    "#]],
    );
    accepts(
        r#"SHOW ALL"#,
        expect![[r#"
        SHOW ALL;
    "#]],
    );
    accepts(
        r#"DESCRIBE t"#,
        expect![[r#"
        DESCRIBE FROM t;
    "#]],
    );
    accepts(
        r#"DESCRIBE SELECT 1"#,
        expect![[r#"
        DESCRIBE SELECT 1;
    "#]],
    );
    accepts(
        r#"SELECT /* a /* nested */ comment */ 1 -- b"#,
        expect![[r#"
        SELECT 1;
    "#]],
    );
    accepts(
        r#"SELECT 1 # c"#,
        expect![[r#"
        SELECT 1;
    "#]],
    );
    accepts(
        r#"SELECT 1 // d"#,
        expect![[r#"
        SELECT 1;
    "#]],
    );
    accepts(
        r#"SELECT a FROM "x.csv""#,
        expect![[r#"
        SELECT a FROM 'x.csv';
    "#]],
    );
    accepts(
        r#"SELECT x => x + 1, row_number() OVER (ORDER BY a), a |> f, x match {1 -> 2}, f'a {b}', f(a: 1), (1, 2), x IN arr, map{'a': 1}"#,
        expect![[r#"
            SELECT x => x + 1, row_number() OVER (ORDER BY a), a |> f(), x match {1 -> 2}, concat('a ', b), f(a: 1), /* unsupported: row value */, array_contains(arr, x), map {'a': 1};
        "#]],
    );
    accepts(
        r#"SELECT xs|>filter((x,i)->x>i)|>join(', '), map(xs, () => {let y = 1; y}), (a ?? b) |> f(x => y => z)"#,
        expect![[r#"
            SELECT xs |> filter((x, i) => x > i) |> join(', '), map(xs, () => { let y = 1; y; }), a ?? b |> f(x => y => z);
        "#]],
    );
    accepts(
        r#"SELECT a FROM t GROUP BY ROLLUP(a, b)"#,
        expect![[r#"
            SELECT a FROM t GROUP BY ROLLUP (a, b);
        "#]],
    );
    accepts(
        r#"SELECT a FROM t TABLESAMPLE 10"#,
        expect![[r#"
        /* unsupported: TABLESAMPLE */;
    "#]],
    );
    accepts(
        r#"SELECT a FROM t THEN { update t set a = 1; }"#,
        expect![[r#"
        SELECT a FROM t then { UPDATE t SET a = 1; };
    "#]],
    );
}

#[test]
fn forms_that_are_only_recognised() {
    accepts(
        r#"let s = stream select a from t where a > 1 limit 3; stream with b as (select 1) from b"#,
        expect![[r#"
        let s = STREAM SELECT a FROM t WHERE a > 1 LIMIT 3;
        STREAM WITH b AS (SELECT 1) FROM b;
    "#]],
    );
    accepts(
        r#"let s = select a from t then { if a > 1 { yield {b: a} } yield select 1 } return from t then { yield a }"#,
        expect![[r#"
        let s = SELECT a FROM t then { if a > 1 { yield {b: a}; }; yield SELECT 1; };
        return FROM t then { yield a; };
    "#]],
    );
    accepts(
        r#"upsert procedure a as <{ kind: 'full' }> (a int) returns int { return 1; } SELECT 1"#,
        expect![[r#"
            upsert procedure a as <{kind: 'full'}>(a: int) returns int { return 1; };
            SELECT 1;
        "#]],
    );
    accepts(
        r#"function f(a int) returns int { let x = 1; return x } SELECT 1"#,
        expect![[r#"
            function f(a: int) returns int { let x = 1; return x; };
            SELECT 1;
        "#]],
    );
    accepts(
        r#"if a { let x = 1 } elif b { y } else { let y = 2 } SELECT 1"#,
        expect![[r#"
            if a { let x = 1; } elif b { y; } else { let y = 2; };
            SELECT 1;
        "#]],
    );
    accepts(
        r#"let x = 1; x = 2; f(x); return x"#,
        expect![[r#"
            let x = 1;
            x = 2;
            f(x);
            return x;
        "#]],
    );
    accepts(
        r#"for x in [1,2] { print(x) } while a { b }"#,
        expect![[r#"
            for x in [1, 2] { print(x); };
            while a { b; };
        "#]],
    );
    accepts(
        r#"try { f() } catch e { g() }"#,
        expect![[r#"
            try  { f(); } catch e { g(); };
        "#]],
    );
    accepts(
        r#"upsert TRIGGER as t (timing: 'before'); upsert SCHEDULE as s (sched: '@daily'); RUN PIPELINE p; ENABLE TRIGGER t"#,
        expect![[r#"
        upsert trigger as t (timing: 'before');
        /* unsupported: UPSERT SCHEDULE */;
        /* unsupported: RUN PIPELINE */;
        ENABLE TRIGGER t;
    "#]],
    );
    accepts(
        r#"GRANT a TO b; CREATE FUNCTION f() AS 1; ALTER VIEW v RENAME TO w; INSTALL io; COMMENT ON TABLE t IS 'x'"#,
        expect![[r#"
            /* unsupported: GRANT */;
            create function f() => 1;
            /* unsupported: ALTER VIEW */;
            /* unsupported: INSTALL */;
            /* unsupported: COMMENT ON */;
        "#]],
    );
}

#[test]
fn the_ansi_dialect_reads_quotes_and_comments_its_own_way() {
    let check = |script: &str, expected: Expect| {
        let parsed = parse(script, Dialect::Ansi);
        let errors = render::render(script, None, &parsed.diagnostics, false);
        expected.assert_eq(&format!("{}{errors}", print(&parsed.statements, Dialect::Ansi)));
    };
    check(
        r#"SELECT "a", "b"."c", 'd' FROM "e" "f""#,
        expect![[r#"
        SELECT "a", "b"."c", 'd' FROM "e" AS "f";
    "#]],
    );
    check(
        "SELECT 1 # 2",
        expect![[r#"
        error[42601]: expected an operator, `,`, a clause such as `FROM` or the end of the statement, found `#`
         --> 1:10
          |
        1 | SELECT 1 # 2
          |          ^
    "#]],
    );
    check(
        "SELECT 1 // 2",
        expect![[r#"
        error[42601]: expected an expression after `/`, found `/`
         --> 1:11
          |
        1 | SELECT 1 // 2
          |           ^
    "#]],
    );
    check(
        "SELECT a -> 'b' ->> (0) = 'x' || b->>'c', -a->'b' * 2, (a || b) -> -1, a->(b->'c')::int, a -> x.y[0]",
        expect![[r#"
        SELECT a -> 'b' ->> 0 = 'x' || b ->> 'c', -a -> 'b' * 2, (a || b) -> -1, a -> CAST(b -> 'c' AS int), a -> x.y[0];
    "#]],
    );
    check(
        "SELECT a -> {b}",
        expect![[r#"
        error[42601]: behind this arrow stands a key, a position or a path
         --> 1:10
          |
        1 | SELECT a -> {b}
          |          ^^
    "#]],
    );
    check(
        "SELECT 1 -- one\n, /* two */ 2",
        expect![[r#"
        SELECT 1, 2;
    "#]],
    );
}

#[test]
fn spans_are_bytes_of_the_script() {
    let script = "SELECT 1; -- é\n  SELECT 'é' AS größe /* x */ FROM t ; SELECT 2 SELECT 3";
    let parsed = parse(script, Dialect::Grizzly);
    let texts: Vec<&str> = parsed
        .statements
        .iter()
        .map(|statement| &script[statement.span.start as usize..statement.span.end as usize])
        .collect();
    assert_eq!(
        texts,
        ["SELECT 1", "SELECT 'é' AS größe /* x */ FROM t", "SELECT 2", "SELECT 3"]
    );
}
