//! `gobi fmt` by example.

mod common;

use common::check;
use expect_test::expect;
use gobi_grammar::{Dialect, format, parse};

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
fn types_stay_on_one_line() {
    check(
        "create table orders (id int primary key, tags map<string, array<int>>, lines array<struct(sku string, qty int)>, m map<string,map<int,array<double>>>)",
        expect![[r#"
            CREATE TABLE orders (
              id int PRIMARY KEY,
              tags map<string, array<int>>,
              lines array<struct(sku string, qty int)>,
              m map<string, map<int, array<double>>>
            );
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
        "upsert schedule   nightly (sched:   '@daily', -- why\n  exe: 'p');select 1\n;create type t as (a int, -- why\n   b int)",
        expect![[r#"
            upsert schedule   nightly (sched:   '@daily', -- why
              exe: 'p');
            SELECT 1;
            CREATE TYPE t AS (
              a int, -- why
              b int
            );
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
fn definitions_are_laid_out() {
    check(
        "create table if not exists s.t (a int primary key, b text not null default 'x') with (storage='mor')",
        expect![[r#"
            CREATE TABLE IF NOT EXISTS s.t (a int PRIMARY KEY, b text NOT NULL DEFAULT 'x')
            WITH (storage = 'mor');
        "#]],
    );
    check(
        "create or replace table orders (o_orderkey bigint primary key, o_custkey bigint references customer (c_custkey) on delete cascade, o_total decimal(15,2) check (o_total>=0), -- money\n unique (o_custkey,o_orderkey)) with (storage='hybrid', partition_by=(o_custkey))",
        expect![[r#"
            CREATE OR REPLACE TABLE orders (
              o_orderkey bigint PRIMARY KEY,
              o_custkey bigint REFERENCES customer (c_custkey) ON DELETE CASCADE,
              o_total decimal(15, 2) CHECK (o_total >= 0), -- money
              UNIQUE (o_custkey, o_orderkey)
            )
            WITH (storage = 'hybrid', partition_by = (o_custkey));
        "#]],
    );
    check(
        "create temp table t as select a,b from u where a>1; create view v (a) as select 1; create unique index i on t (a desc,lower(b))",
        expect![[r#"
            CREATE TEMP TABLE t AS
            SELECT a, b
            FROM u
            WHERE a > 1;
            CREATE VIEW v (a) AS
            SELECT 1;
            CREATE UNIQUE INDEX i ON t (a DESC, lower(b));
        "#]],
    );
    check(
        "alter table t add column a int default -1, drop b; alter table a_rather_long_table_name add column another_rather_long_name decimal(15, 2) not null default 0, rename column x to y",
        expect![[r#"
            ALTER TABLE t ADD COLUMN a int DEFAULT -1, DROP b;
            ALTER TABLE a_rather_long_table_name
              ADD COLUMN another_rather_long_name decimal(15, 2) NOT NULL DEFAULT 0,
              RENAME COLUMN x TO y;
        "#]],
    );
    check(
        "drop table if exists a,s.b cascade; truncate table t,u; refresh materialized view v full",
        expect![[r#"
            DROP TABLE IF EXISTS a, s.b CASCADE;
            TRUNCATE TABLE t, u;
            REFRESH MATERIALIZED VIEW v FULL;
        "#]],
    );
}

#[test]
fn changes_are_laid_out() {
    check(
        "insert into t (a,b) values (1,'x'),(2,default) on conflict (a) do update set b=excluded.b where t.a>1 returning a,b",
        expect![[r#"
            INSERT INTO t (a, b)
            VALUES (1, 'x'), (2, DEFAULT)
            ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.a > 1
            RETURNING a, b;
        "#]],
    );
    check(
        "with x as (select 1 as a) insert into t select a from x; insert into t default values; insert into t from x select a",
        expect![[r#"
            WITH x AS (SELECT 1 AS a)
            INSERT INTO t
            SELECT a
            FROM x;
            INSERT INTO t DEFAULT VALUES;
            INSERT INTO t
            FROM x
            SELECT a;
        "#]],
    );
    check(
        "upsert into t key (a) values (1, /* two */ 2)",
        expect![[r#"
        UPSERT INTO t KEY (a)
        VALUES (1, /* two */ 2);
    "#]],
    );
    check(
        "update t as x set a=1,(b,c)=(select 1,2) from u where x.a=u.a returning *; delete from t using u where t.a=u.a -- all\n",
        expect![[r#"
            UPDATE t AS x
            SET a = 1, (b, c) = (SELECT 1, 2)
            FROM u
            WHERE x.a = u.a
            RETURNING *;
            DELETE FROM t
            USING u
            WHERE t.a = u.a; -- all
        "#]],
    );
    check(
        "merge into t using (select 1 as a) s on t.a=s.a when matched and s.a>1 then delete when not matched then insert (a,b) values (s.a,default) when not matched by source then update set a_rather_long_column_name = 'some text', another_rather_long_column_name = 'more text' returning a",
        expect![[r#"
            MERGE INTO t
            USING (SELECT 1 AS a) s
            ON t.a = s.a
            WHEN MATCHED AND s.a > 1 THEN DELETE
            WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, DEFAULT)
            WHEN NOT MATCHED BY SOURCE THEN UPDATE
              SET a_rather_long_column_name = 'some text', another_rather_long_column_name = 'more text'
            RETURNING a;
        "#]],
    );
    check(
        "copy t (a,b) from 'f.csv' (header,delimiter '|'); copy 'f.csv' to t; explain insert into t select 1",
        expect![[r#"
            COPY t (a, b) FROM 'f.csv' (header, delimiter '|');
            COPY 'f.csv' TO t;
            EXPLAIN
            INSERT INTO t
            SELECT 1;
        "#]],
    );
}

#[test]
fn transactions_and_the_timeline_are_laid_out() {
    check(
        "begin isolation level serializable,read only; commit message 'm'; rollback to s; rollback to '1 hour ago'; savepoint commit",
        expect![[r#"
            BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY;
            COMMIT MESSAGE 'm';
            ROLLBACK TO s;
            ROLLBACK TO '1 hour ago';
            SAVEPOINT commit;
        "#]],
    );
    check(
        "as of commit 'ab12' select * from t,u; select * from t as of '1 hour ago' a join s.u since now()-interval '1 day' until '2026-01-01' b on a.x=b.x; from t changes since watermark w",
        expect![[r#"
            AS OF COMMIT 'ab12'
            SELECT *
            FROM t, u;
            SELECT *
            FROM
              t AS OF '1 hour ago' a JOIN s.u SINCE now() - INTERVAL '1 day' UNTIL '2026-01-01' b ON a.x = b.x;
            FROM t CHANGES SINCE WATERMARK w;
        "#]],
    );
    check(
        "snapshot 'q1'; create branch b from tag 'q1'; use branch b; merge branch b into main; diff t between 'a' and now(); log t limit 3; blame t where a=1; prove select * from t where key=1; create watermark w on t at - 1",
        expect![[r#"
            SNAPSHOT 'q1';
            CREATE BRANCH b FROM TAG 'q1';
            USE BRANCH b;
            MERGE BRANCH b INTO main;
            DIFF t BETWEEN 'a' AND now();
            LOG t LIMIT 3;
            BLAME t
            WHERE a = 1;
            PROVE
            SELECT *
            FROM t
            WHERE key = 1;
            CREATE WATERMARK w ON t AT -1;
        "#]],
    );
    check(
        "prepare p (int,text) as insert into t values ($1,:name); execute p(1,name:'x'); attach 'x.gobi' as x read only; analyze t (a,b); vacuum; cache stats; select x::int,a[ :b ],{a: :b},:c",
        expect![[r#"
            PREPARE p (int, text) AS
            INSERT INTO t
            VALUES ($1, :name);
            EXECUTE p(1, name: 'x');
            ATTACH 'x.gobi' AS x READ ONLY;
            ANALYZE t (a, b);
            VACUUM;
            CACHE STATS;
            SELECT x::int, a[:b], {a: :b}, :c;
        "#]],
    );
}

#[test]
fn a_script_with_errors_is_not_touched() {
    assert!(format("SELECT a FORM t", Dialect::Grizzly).is_err());
}

#[test]
fn a_word_without_its_operand_stays_a_statement() {
    for word in ["THROW", "YIELD", "RETURN", "BREAK"] {
        let formatted = format(&format!("{word}-- why"), Dialect::Grizzly).expect("well formed");
        assert_eq!(formatted, format!("{}; -- why\n", word.to_lowercase()));
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
