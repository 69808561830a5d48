//! `gobi fmt` by example.

use expect_test::{Expect, expect};
use gobi_grammar::{Dialect, format, parse};

fn check(script: &str, expected: Expect) {
    let formatted = format(script, Dialect::Grizzly).expect("well formed");
    expected.assert_eq(&formatted);
    assert_eq!(format(&formatted, Dialect::Grizzly).as_ref(), Ok(&formatted));
    assert_eq!(
        parse(&formatted, Dialect::Grizzly).statements,
        parse(script, Dialect::Grizzly).statements
    );
}

#[test]
fn short_clauses_take_a_line_each() {
    check(
        "select a,b from t where x=1 and y=2 group by all order by a desc limit 3",
        expect![[r#"
        SELECT a, b
        FROM t
        WHERE x = 1 AND y = 2
        GROUP BY ALL
        ORDER BY a DESC
        LIMIT 3;
    "#]],
    );
    check(
        "from t select a; with x as (select 1) select * from x",
        expect![[r#"
        FROM t
        SELECT a;
        WITH x AS (SELECT 1)
        SELECT *
        FROM x;
    "#]],
    );
}

#[test]
fn long_lists_and_conditions_are_broken() {
    check(
        "select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice * (1 - l_discount)) as disc_price, count(*) from lineitem where l_shipdate between date '1998-01-01' and date '1998-09-02' and (l_returnflag = 'R' or l_linestatus = 'O')",
        expect![[r#"
            SELECT
                l_returnflag,
                l_linestatus,
                sum(l_quantity) AS sum_qty,
                sum(l_extendedprice * (1 - l_discount)) AS disc_price,
                count(*)
            FROM lineitem
            WHERE
                l_shipdate BETWEEN DATE '1998-01-01' AND DATE '1998-09-02'
                AND (l_returnflag = 'R' OR l_linestatus = 'O');
        "#]],
    );
    check(
        "select case when o_orderpriority = '1-URGENT' or o_orderpriority = '2-HIGH' then 1 else 0 end as high from (select * from orders where o_totalprice > (select avg(o_totalprice) from orders where o_orderstatus = 'F')) o left join lineitem on l_orderkey = o_orderkey",
        expect![[r#"
            SELECT
                CASE WHEN o_orderpriority = '1-URGENT' OR o_orderpriority = '2-HIGH' THEN 1 ELSE 0 END AS high
            FROM (
                SELECT *
                FROM orders
                WHERE o_totalprice > (SELECT avg(o_totalprice) FROM orders WHERE o_orderstatus = 'F')
            ) o
            LEFT JOIN lineitem ON l_orderkey = o_orderkey;
        "#]],
    );
}

#[test]
fn comments_stay_where_they_are() {
    check(
        "-- head\n\nselect a, -- first\n  b /* in */ , c\n  -- own line\n, d -- last\nfrom t -- relation\nwhere a -- one\nand b; -- done\n\n\n/* next */ select 1\n-- end",
        expect![[r#"
            -- head

            SELECT
                a, -- first
                b /* in */ ,
                c
                -- own line
                ,
                d -- last
            FROM t -- relation
            WHERE
                a -- one
                AND b; -- done

            /* next */
            SELECT 1;
            -- end
        "#]],
    );
}

#[test]
fn statements_that_are_only_recognised_keep_their_text() {
    check(
        "create table t (a   int, -- why\n   b int);select 1\n;function f(a int) { return   a; }\nselect 2",
        expect![[r#"
        create table t (a   int, -- why
           b int);
        SELECT 1;
        function f(a int) { return   a; }
        SELECT 2;
    "#]],
    );
}

#[test]
fn small_forms_keep_their_spelling() {
    check(
        "select x::int[],a?[9],a[1:3],- -1,{a:1},count(distinct x)filter(where x>1),interval '7' day,t.*,$1,e'\\n',0xFF from 'a.csv' t",
        expect![[r#"
        SELECT
            x::int[],
            a?[9],
            a[1:3],
            - -1,
            {a: 1},
            count(DISTINCT x) FILTER (WHERE x > 1),
            INTERVAL '7' DAY,
            t.*,
            $1,
            e'\n',
            0xFF
        FROM 'a.csv' t;
    "#]],
    );
    check(
        "explain analyze select 1; set a=on; copy t to 'f' (format csv)",
        expect![[r#"
        EXPLAIN ANALYZE
        SELECT 1;
        SET a = on;
        COPY t TO 'f' (format csv);
    "#]],
    );
}

#[test]
fn a_script_with_errors_is_not_touched() {
    assert!(format("SELECT a FORM t", Dialect::Grizzly).is_err());
}

#[test]
fn a_word_without_its_operand_stays_a_statement() {
    for word in ["THROW", "YIELD", "ASSERT", "RETURN", "ATTACH", "BREAK", "WHILE"] {
        let formatted = format(&format!("{word}-- why"), Dialect::Grizzly).expect("well formed");
        assert_eq!(formatted, format!("{word}; -- why\n"));
        assert_eq!(parse(&formatted, Dialect::Grizzly).diagnostics, []);
    }
}

#[test]
fn operators_of_several_tokens_stay_in_one_piece() {
    for text in ["a ~* b", "a !~ b", "a !~* b", "a >> b", "a << b", "a ->> 'b'", "a < b"] {
        let script = format!("SELECT {text};\n");
        let tight = format!("SELECT {}", text.replace(' ', ""));
        assert_eq!(format(&script, Dialect::Grizzly).as_ref(), Ok(&script));
        assert_eq!(format(&tight, Dialect::Grizzly).as_ref(), Ok(&script), "{tight}");
    }
    let types = "SELECT x::array<array<int>>;\n";
    assert_eq!(format(types, Dialect::Grizzly).as_deref(), Ok(types));
}
