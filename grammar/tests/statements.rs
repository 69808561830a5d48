//! Definitions, changes, transactions and the timeline: what is read, shown as the canonical text of its tree.

use expect_test::{Expect, expect};
use gobi_grammar::{Dialect, parse, print, render};

fn accepts(script: &str, expected: Expect) {
    let parsed = parse(script, Dialect::Grizzly);
    let errors = render::render(script, None, &parsed.diagnostics, false);
    let printed = print(&parsed.statements, Dialect::Grizzly);
    expected.assert_eq(&format!("{printed}{errors}"));
    if errors.is_empty() && !printed.contains("unsupported") {
        let again = parse(&printed, Dialect::Grizzly);
        assert_eq!(again.statements, parsed.statements, "{printed}");
        let ansi = print(&parsed.statements, Dialect::Ansi);
        assert_eq!(parse(&ansi, Dialect::Ansi).statements, parsed.statements, "{ansi}");
    }
}

#[test]
fn tables() {
    accepts(
        r#"create table t (a int)"#,
        expect![[r#"
        CREATE TABLE t (a int);
    "#]],
    );
    accepts(
        r#"create or replace temp table s.t (a int primary key, b varchar(10) not null default 'x' unique, c decimal(10, 2) null check (c > 0), d date default now() not null)"#,
        expect![[r#"
            CREATE OR REPLACE TEMP TABLE s.t (a int PRIMARY KEY, b varchar(10) NOT NULL DEFAULT 'x' UNIQUE, c decimal(10, 2) NULL CHECK (c > 0), d date DEFAULT now() NOT NULL);
        "#]],
    );
    accepts(
        r#"create table if not exists t (a int constraint pk primary key, b int references u (x) on delete cascade on update set null, c int generated always as (a + b) stored, constraint one unique (a, b), primary key (a), check (a < b), constraint fk foreign key (a, b) references s.u (x, y) on delete no action on update set default)"#,
        expect![[r#"
            CREATE TABLE IF NOT EXISTS t (a int CONSTRAINT pk PRIMARY KEY, b int REFERENCES u (x) ON DELETE CASCADE ON UPDATE SET NULL, c int GENERATED ALWAYS AS (a + b) STORED, CONSTRAINT one UNIQUE (a, b), PRIMARY KEY (a), CHECK (a < b), CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES s.u (x, y) ON DELETE NO ACTION ON UPDATE SET DEFAULT);
        "#]],
    );
    accepts(
        r#"create table t (a int, b generated always as (a * 2) virtual) with (storage = 'mor', partition_by = (a, b), sort_by = [a], compact)"#,
        expect![[r#"
            CREATE TABLE t (a int, b GENERATED ALWAYS AS (a * 2) VIRTUAL) WITH (storage = 'mor', partition_by = [a, b], sort_by = [a], compact = TRUE);
        "#]],
    );
    accepts(
        r#"create table t as select 1 as a; create table t (a, b) as from u; create table t with (storage='cow') as (values (1))"#,
        expect![[r#"
            CREATE TABLE t AS SELECT 1 AS a;
            CREATE TABLE t (a, b) AS FROM u;
            CREATE TABLE t WITH (storage = 'cow') AS VALUES (1);
        "#]],
    );
    accepts(
        r#"create table t as select 1 select 2"#,
        expect![[r#"
        CREATE TABLE t AS SELECT 1;
        SELECT 2;
    "#]],
    );
    accepts(
        r#"create table t (key int, log int, branch int, commit int, snapshot int, check int, `unique` int, primary int, constraint_ int, foreign int, default int, references int, table int, view int)"#,
        expect![[r#"
            CREATE TABLE t (key int, log int, branch int, commit int, snapshot int, check int, `unique` int, primary int, constraint_ int, foreign int, default int, references int, table int, view int);
        "#]],
    );
    accepts(
        r#"create table t (primary int primary key, constraint x, foreign text) as select 1, 2, 3"#,
        expect![[r#"
            CREATE TABLE t (primary int PRIMARY KEY, constraint x, foreign text) AS SELECT 1, 2, 3;
        "#]],
    );
}

#[test]
fn views_indexes_schemas() {
    accepts(
        r#"create or replace view v (a, b) as select 1, 2 union all select 3, 4"#,
        expect![[r#"
            CREATE OR REPLACE VIEW v (a, b) AS SELECT 1, 2 UNION ALL SELECT 3, 4;
        "#]],
    );
    accepts(
        r#"create temporary view v as as of '1 hour ago' select * from t"#,
        expect![[r#"
            CREATE TEMP VIEW v AS AS OF '1 hour ago' SELECT * FROM t;
        "#]],
    );
    accepts(
        r#"create materialized view if not exists s.v with (refresh = 'auto') as with x as (select 1) select * from x"#,
        expect![[r#"
            CREATE MATERIALIZED VIEW IF NOT EXISTS s.v WITH (refresh = 'auto') AS WITH x AS (SELECT 1) SELECT * FROM x;
        "#]],
    );
    accepts(
        r#"refresh materialized view v; refresh materialized view v full; refresh materialized view v incremental"#,
        expect![[r#"
            REFRESH MATERIALIZED VIEW v;
            REFRESH MATERIALIZED VIEW v FULL;
            REFRESH MATERIALIZED VIEW v INCREMENTAL;
        "#]],
    );
    accepts(
        r#"create index on t (a); create unique index if not exists i on s.t (a desc, lower(b) nulls first)"#,
        expect![[r#"
            CREATE INDEX ON t (a);
            CREATE UNIQUE INDEX IF NOT EXISTS i ON s.t (a DESC, lower(b) NULLS FIRST);
        "#]],
    );
    accepts(
        r#"create schema s; create schema if not exists a.b"#,
        expect![[r#"
        CREATE SCHEMA s;
        CREATE SCHEMA IF NOT EXISTS a.b;
    "#]],
    );
    accepts(
        r#"drop table t; drop table if exists s.t, u cascade; drop materialized view v restrict; drop index i; drop schema s; drop secret k; drop trigger g"#,
        expect![[r#"
            DROP TABLE t;
            DROP TABLE IF EXISTS s.t, u CASCADE;
            DROP MATERIALIZED VIEW v RESTRICT;
            DROP INDEX i;
            DROP SCHEMA s;
            DROP SECRET k;
            DROP TRIGGER g;
        "#]],
    );
    accepts(
        r#"drop snapshot 's'; drop branch b; drop watermark if exists w"#,
        expect![[r#"
            DROP SNAPSHOT 's';
            DROP BRANCH b;
            DROP WATERMARK IF EXISTS w;
        "#]],
    );
    accepts(
        r#"truncate t; truncate table s.t, u"#,
        expect![[r#"
        TRUNCATE TABLE t;
        TRUNCATE TABLE s.t, u;
    "#]],
    );
}

#[test]
fn alter_table() {
    accepts(
        r#"alter table t add a int not null, add column if not exists b text default 'x', drop c, drop column if exists d cascade"#,
        expect![[r#"
            ALTER TABLE t ADD COLUMN a int NOT NULL, ADD COLUMN IF NOT EXISTS b text DEFAULT 'x', DROP COLUMN c, DROP COLUMN IF EXISTS d CASCADE;
        "#]],
    );
    accepts(
        r#"alter table if exists s.t rename a to b; alter table t rename column a to b; alter table t rename to u"#,
        expect![[r#"
            ALTER TABLE IF EXISTS s.t RENAME COLUMN a TO b;
            ALTER TABLE t RENAME COLUMN a TO b;
            ALTER TABLE t RENAME TO u;
        "#]],
    );
    accepts(
        r#"alter table t alter a type bigint, alter column b set data type decimal(10, 2), alter c set default 1 + 2, alter d drop default, alter e set not null, alter f drop not null"#,
        expect![[r#"
            ALTER TABLE t ALTER COLUMN a TYPE bigint, ALTER COLUMN b TYPE decimal(10, 2), ALTER COLUMN c SET DEFAULT 1 + 2, ALTER COLUMN d DROP DEFAULT, ALTER COLUMN e SET NOT NULL, ALTER COLUMN f DROP NOT NULL;
        "#]],
    );
    accepts(
        r#"alter table t add constraint c check (a > 0), add unique (a), add primary key (a, b), add foreign key (a) references u, drop constraint c, drop constraint if exists d restrict"#,
        expect![[r#"
            ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ADD UNIQUE (a), ADD PRIMARY KEY (a, b), ADD FOREIGN KEY (a) REFERENCES u, DROP CONSTRAINT c, DROP CONSTRAINT IF EXISTS d RESTRICT;
        "#]],
    );
    accepts(
        r#"alter table t drop column; alter table t add key int, drop key"#,
        expect![[r#"
            ALTER TABLE t DROP COLUMN column;
            ALTER TABLE t ADD COLUMN key int, DROP COLUMN key;
        "#]],
    );
}

#[test]
fn inserts() {
    accepts(
        r#"insert into t values (1, 'a'), (2, default)"#,
        expect![[r#"
        INSERT INTO t VALUES (1, 'a'), (2, DEFAULT);
    "#]],
    );
    accepts(
        r#"insert into s.t as x (a, b) select a, b from u where c on conflict (a) do update set b = excluded.b, c = default where x.a > 1 returning a, x.*, b + 1 as c"#,
        expect![[r#"
            INSERT INTO s.t AS x (a, b) SELECT a, b FROM u WHERE c ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = DEFAULT WHERE x.a > 1 RETURNING a, x.*, b + 1 AS c;
        "#]],
    );
    accepts(
        r#"insert into t default values returning *; insert into t values (1) on conflict do nothing"#,
        expect![[r#"
            INSERT INTO t DEFAULT VALUES RETURNING *;
            INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;
        "#]],
    );
    accepts(
        r#"insert into t from x select a, b"#,
        expect![[r#"
        INSERT INTO t FROM x SELECT a, b;
    "#]],
    );
    accepts(
        r#"with x as (insert into t values (1) returning a) select * from x; with x as (select 1), y as (merge into t using x on a when matched then delete) from y"#,
        expect![[r#"
            /* unsupported: INSERT in WITH */;
            /* unsupported: MERGE in WITH */;
        "#]],
    );
    accepts(
        r#"insert into t select 1 select 2; insert into t values (1) select 2; insert into t (select 1) union select 2"#,
        expect![[r#"
            INSERT INTO t SELECT 1;
            SELECT 2;
            INSERT INTO t VALUES (1);
            SELECT 2;
            INSERT INTO t (SELECT 1) UNION SELECT 2;
        "#]],
    );
    accepts(
        r#"with x as (select 1) insert into t select * from x"#,
        expect![[r#"
        WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x;
    "#]],
    );
    accepts(
        r#"insert into t select * from a cross join b on conflict do nothing"#,
        expect![[r#"
            INSERT INTO t SELECT * FROM a CROSS JOIN b ON CONFLICT DO NOTHING;
        "#]],
    );
    accepts(
        r#"insert into t as of '1 hour ago' select * from u; insert into t (values (1)) order by 1"#,
        expect![[r#"
            INSERT INTO t AS OF '1 hour ago' SELECT * FROM u;
            INSERT INTO t (VALUES (1)) ORDER BY 1;
        "#]],
    );
    accepts(
        r#"upsert into t key (a, b) values (1, 2, 3); upsert into t (a, b) key (a) from u select a, b returning a; upsert into t default values; upsert into t values (1)"#,
        expect![[r#"
            UPSERT INTO t KEY (a, b) VALUES (1, 2, 3);
            UPSERT INTO t (a, b) KEY (a) FROM u SELECT a, b RETURNING a;
            UPSERT INTO t DEFAULT VALUES;
            UPSERT INTO t VALUES (1);
        "#]],
    );
    accepts(
        r#"copy 'f.csv' to t (format csv, header); copy s.t from 'f.csv'; copy t (a, b) from 'f' with (delimiter '|'); copy t (a, b) to 'f' (partition_by (a, b))"#,
        expect![[r#"
            COPY t FROM 'f.csv' (format csv, header TRUE);
            COPY s.t FROM 'f.csv';
            COPY t (a, b) FROM 'f' (delimiter '|');
            COPY (FROM t SELECT a, b) TO 'f' (partition_by [a, b]);
        "#]],
    );
}

#[test]
fn updates_and_deletes() {
    accepts(
        r#"update t set a = 1, b = default, (c, d) = (2, default), (e, f) = (select 1, 2), p.city = 'x' where a = 1"#,
        expect![[r#"
            UPDATE t SET a = 1, b = DEFAULT, (c, d) = (2, DEFAULT), (e, f) = (SELECT 1, 2), p.city = 'x' WHERE a = 1;
        "#]],
    );
    accepts(
        r#"update s.t as x set a = u.a from u join v using (b), w where x.b = u.b returning x.a, *"#,
        expect![[r#"
            UPDATE s.t AS x SET a = u.a FROM u JOIN v USING (b), w WHERE x.b = u.b RETURNING x.a, *;
        "#]],
    );
    accepts(
        r#"update t x set a = 1; update t set set = 1"#,
        expect![[r#"
        UPDATE t AS x SET a = 1;
        UPDATE t SET set = 1;
    "#]],
    );
    accepts(
        r#"with x as (select 1 as a) update t set a = x.a from x"#,
        expect![[r#"
            WITH x AS (SELECT 1 AS a) UPDATE t SET a = x.a FROM x;
        "#]],
    );
    accepts(
        r#"delete from t; delete from t x using u, v where x.a = u.a returning *; delete from t as x where exists (select 1)"#,
        expect![[r#"
            DELETE FROM t;
            DELETE FROM t AS x USING u, v WHERE x.a = u.a RETURNING *;
            DELETE FROM t AS x WHERE EXISTS (SELECT 1);
        "#]],
    );
    accepts(
        r#"merge into t using s on t.a = s.a when matched and s.d then delete when matched then update set b = s.b, c = default when not matched then insert (a, b) values (s.a, default) when not matched by source and t.a > 1 then do nothing returning a"#,
        expect![[r#"
            MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.d THEN DELETE WHEN MATCHED THEN UPDATE SET b = s.b, c = DEFAULT WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, DEFAULT) WHEN NOT MATCHED BY SOURCE AND t.a > 1 THEN DO NOTHING RETURNING a;
        "#]],
    );
    accepts(
        r#"merge into t as x using (select 1 as a) y on x.a = y.a when not matched by target then insert values (y.a) when not matched by source then delete when not matched then insert default values"#,
        expect![[r#"
            MERGE INTO t AS x USING (SELECT 1 AS a) AS y ON x.a = y.a WHEN NOT MATCHED THEN INSERT VALUES (y.a) WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED THEN INSERT DEFAULT VALUES;
        "#]],
    );
    accepts(
        r#"merge into t using (a join b on a.x = b.x) on a.x = t.x when matched then do nothing"#,
        expect![[r#"
            MERGE INTO t USING (a JOIN b ON a.x = b.x) ON a.x = t.x WHEN MATCHED THEN DO NOTHING;
        "#]],
    );
}

#[test]
fn transactions() {
    accepts(
        r#"begin; begin transaction read only; begin work isolation level serializable; start transaction isolation level read committed, read write; begin isolation level repeatable read; begin isolation level snapshot read only"#,
        expect![[r#"
            BEGIN;
            BEGIN READ ONLY;
            BEGIN ISOLATION LEVEL SERIALIZABLE;
            BEGIN READ WRITE ISOLATION LEVEL READ COMMITTED;
            BEGIN ISOLATION LEVEL SNAPSHOT;
            BEGIN READ ONLY ISOLATION LEVEL SNAPSHOT;
        "#]],
    );
    accepts(
        r#"commit; commit work; commit message 'it''s done'; rollback; rollback transaction; abort"#,
        expect![[r#"
            COMMIT;
            COMMIT;
            COMMIT MESSAGE 'it''s done';
            ROLLBACK;
            ROLLBACK;
            ROLLBACK;
        "#]],
    );
    accepts(
        r#"savepoint s; rollback to s; rollback to savepoint s; release s; release savepoint s"#,
        expect![[r#"
            SAVEPOINT s;
            ROLLBACK TO SAVEPOINT s;
            ROLLBACK TO SAVEPOINT s;
            RELEASE SAVEPOINT s;
            RELEASE SAVEPOINT s;
        "#]],
    );
    accepts(
        r#"rollback to '1 hour ago'; rollback to commit 'ab12'; rollback to tag 'q1'; rollback to {x}; rollback to (x); rollback to now() - interval '1 day'"#,
        expect![[r#"
            ROLLBACK TO '1 hour ago';
            ROLLBACK TO COMMIT 'ab12';
            ROLLBACK TO TAG 'q1';
            ROLLBACK TO ({x});
            ROLLBACK TO (x);
            ROLLBACK TO (now() - INTERVAL '1 day');
        "#]],
    );
    accepts(
        r#"begin insert into t values (1) commit select 1"#,
        expect![[r#"
        BEGIN;
        INSERT INTO t VALUES (1);
        COMMIT;
        SELECT 1;
    "#]],
    );
    accepts(
        "begin\nupdate t set a = 1\ndelete from t\ntruncate u\nanalyze\ninsert into t select 1\nselect 2;\nlog\nselect 3\ncommit",
        expect![[r#"
            BEGIN;
            UPDATE t SET a = 1;
            DELETE FROM t;
            TRUNCATE TABLE u;
            ANALYZE;
            INSERT INTO t SELECT 1;
            SELECT 2;
            LOG;
            SELECT 3;
            COMMIT;
        "#]],
    );
    accepts(
        "select a from t\ncreate index on t (a)\nmerge into t using u on a when matched then update set a = 1\ndrop table t\nvacuum\nsnapshot 's'\ndiff t between 1 and 2\nexecute p\nuse s\nas of 1 select 2",
        expect![[r#"
            SELECT a FROM t;
            CREATE INDEX ON t (a);
            MERGE INTO t USING u ON a WHEN MATCHED THEN UPDATE SET a = 1;
            DROP TABLE t;
            VACUUM;
            CREATE SNAPSHOT 's';
            DIFF t BETWEEN 1 AND 2;
            EXECUTE p;
            USE s;
            AS OF 1 SELECT 2;
        "#]],
    );
}

#[test]
fn timeline() {
    accepts(
        r#"select * from t as of '1 hour ago', u as of commit 'ab12' as v, w as of tag 'q1' x, y as of branch 'b' z join s.t as of now() - interval '1 day' q on z.a = q.a"#,
        expect![[r#"
            SELECT * FROM t AS OF '1 hour ago', u AS OF COMMIT 'ab12' AS v, w AS OF TAG 'q1' AS x, y AS OF BRANCH 'b' AS z JOIN s.t AS OF now() - INTERVAL '1 day' AS q ON z.a = q.a;
        "#]],
    );
    accepts(
        r#"from t since '2026-01-01'; from t since a until b c; from t changes since tag 'a' until 1700000000 as d; from t changes since watermark w; from t changes since watermark where a; from t changes since watermark 'my w' until b"#,
        expect![[r#"
            FROM t SINCE '2026-01-01';
            FROM t SINCE a UNTIL b AS c;
            FROM t CHANGES SINCE TAG 'a' UNTIL 1700000000 AS d;
            FROM t CHANGES SINCE WATERMARK w;
            FROM t CHANGES SINCE watermark WHERE a;
            FROM t CHANGES SINCE WATERMARK 'my w' UNTIL b;
        "#]],
    );
    accepts(
        r#"select 1 as of, a of from t as of"#,
        expect![[r#"
        SELECT 1 AS of, a AS of FROM t AS of;
    "#]],
    );
    accepts(
        r#"as of commit 'ab12' select * from a, b; as of x with c as (select 1) from c; select * from (as of '1' select 1) a, b; as of (x) (select 1) union select 2"#,
        expect![[r#"
            AS OF COMMIT 'ab12' SELECT * FROM a, b;
            AS OF (x) WITH c AS (SELECT 1) FROM c;
            SELECT * FROM (AS OF '1' SELECT 1) AS a, b;
            AS OF (x) (SELECT 1) UNION SELECT 2;
        "#]],
    );
    accepts(
        r#"explain as of 1 from t; copy (as of 1 from t) to 'f'"#,
        expect![[r#"
        EXPLAIN AS OF 1 FROM t;
        COPY (AS OF 1 FROM t) TO 'f';
    "#]],
    );
    accepts(
        r#"snapshot 's'; create snapshot s; create snapshot if not exists 's' as of tag q; snapshot s from '1 hour ago'; create branch b; create branch if not exists 'b c' from tag 'q1'; use branch b; use branch 'b c'; merge branch b; merge branch b into c; merge branch b into c using theirs; merge branch b using ours; drop branch b; drop branch b, c cascade"#,
        expect![[r#"
            CREATE SNAPSHOT 's';
            CREATE SNAPSHOT s;
            CREATE SNAPSHOT IF NOT EXISTS 's' AS OF TAG 'q';
            CREATE SNAPSHOT s AS OF '1 hour ago';
            CREATE BRANCH b;
            CREATE BRANCH IF NOT EXISTS 'b c' FROM TAG 'q1';
            USE BRANCH b;
            USE BRANCH 'b c';
            MERGE BRANCH b;
            MERGE BRANCH b INTO c;
            MERGE BRANCH b INTO c USING THEIRS;
            MERGE BRANCH b USING OURS;
            DROP BRANCH b;
            DROP BRANCH b, c CASCADE;
        "#]],
    );
    accepts(
        r#"diff t between '1 hour ago' and now(); diff between commit 'a' and commit 'b'; diff s.t between a and b"#,
        expect![[r#"
            DIFF t BETWEEN '1 hour ago' AND now();
            DIFF BETWEEN COMMIT 'a' AND COMMIT 'b';
            DIFF s.t BETWEEN a AND b;
        "#]],
    );
    accepts(
        r#"log; log t; log limit 3; log s.t limit 10; blame t; blame s.t where a = 1 and b; verify table t; prove select * from t where key = 1"#,
        expect![[r#"
            LOG;
            LOG t;
            LOG LIMIT 3;
            LOG s.t LIMIT 10;
            BLAME t;
            BLAME s.t WHERE a = 1 AND b;
            VERIFY TABLE t;
            PROVE SELECT * FROM t WHERE key = 1;
        "#]],
    );
    accepts(
        r#"create watermark w on s.t; create watermark if not exists w on t at commit 'ab'; advance watermark w; drop watermark w"#,
        expect![[r#"
            CREATE WATERMARK w ON s.t;
            CREATE WATERMARK IF NOT EXISTS w ON t AT COMMIT 'ab';
            ADVANCE WATERMARK w;
            DROP WATERMARK w;
        "#]],
    );
    accepts(
        r#"select key, log, branch, commit, snapshot, watermark, since, tag, diff, blame from log as branch where commit = snapshot"#,
        expect![[r#"
            SELECT key, log, branch, commit, snapshot, watermark, since, tag, diff, blame FROM log AS branch WHERE commit = snapshot;
        "#]],
    );
}

#[test]
fn session() {
    accepts(
        r#"prepare p as select $1 + :name; prepare p (int, array<text>) as insert into t values (?, ?); prepare p as select 1 select 2"#,
        expect![[r#"
            PREPARE p AS SELECT $1 + $name;
            PREPARE p (int, array<text>) AS INSERT INTO t VALUES ($1, $2);
            PREPARE p AS SELECT 1;
            SELECT 2;
        "#]],
    );
    accepts(
        r#"execute p; execute p (1, b: 2); execute a.b(); deallocate p; deallocate prepare p; deallocate all"#,
        expect![[r#"
            EXECUTE p;
            EXECUTE p(1, b: 2);
            EXECUTE a.b;
            DEALLOCATE p;
            DEALLOCATE p;
            DEALLOCATE ALL;
        "#]],
    );
    accepts(
        r#"attach 'x.gobi'; attach 'folder' as a read only; attach Gobi; attach gobi as g; detach a; detach if exists a"#,
        expect![[r#"
            ATTACH 'x.gobi';
            ATTACH 'folder' AS a READ ONLY;
            ATTACH Gobi;
            ATTACH gobi AS g;
            DETACH a;
            DETACH IF EXISTS a;
        "#]],
    );
    accepts(
        r#"use s; use a.b; analyze; analyze t; analyze s.t (a, b); vacuum; vacuum t; checkpoint; compact; compact s.t; cache stats; cache clear"#,
        expect![[r#"
            USE s;
            USE a.b;
            ANALYZE;
            ANALYZE t;
            ANALYZE s.t (a, b);
            VACUUM;
            VACUUM t;
            CHECKPOINT;
            COMPACT;
            COMPACT s.t;
            CACHE STATS;
            CACHE CLEAR;
        "#]],
    );
    accepts(
        r#"show branches; list snapshots; show watermarks; show locks; show indexes on t; show tables in s like 'a%'; show lineage t.c; show profile p"#,
        expect![[r#"
            SHOW branches;
            SHOW snapshots;
            SHOW watermarks;
            SHOW locks;
            SHOW indexes IN t;
            SHOW tables IN s LIKE 'a%';
            SHOW lineage IN t.c;
            SHOW profile IN p;
        "#]],
    );
    accepts(
        r#"show tables from t; describe table t; describe view s.v; describe procedure p; describe table; describe t as of '1 hour ago'"#,
        expect![[r#"
            SHOW tables;
            FROM t;
            DESCRIBE FROM t;
            DESCRIBE FROM s.v;
            DESCRIBE PROCEDURE p;
            DESCRIBE FROM table;
            DESCRIBE FROM t AS OF '1 hour ago';
        "#]],
    );
    accepts(
        r#"select :a, {a:b}, {a :b}, x[1:b], x[:b], f(a:b), x::int from :t"#,
        expect![[r#"
            SELECT $a, {a: b}, {a: b}, x[1 : b], x[ : b], f(a: b), CAST(x AS int) FROM $t;
        "#]],
    );
    accepts(
        r#"log(2); diff(a, b); update = 5; commit = 1; begin(1)"#,
        expect![[r#"
            log(2);
            diff(a, b);
            update = 5;
            commit = 1;
            begin(1);
        "#]],
    );
    accepts(
        r#"log log; analyze log"#,
        expect![[r#"
        LOG log;
        ANALYZE log;
    "#]],
    );
    accepts(
        r#"explain insert into t values (1); explain analyze with x as (select 1) delete from t using x"#,
        expect![[r#"
            EXPLAIN INSERT INTO t VALUES (1);
            EXPLAIN ANALYZE WITH x AS (SELECT 1) DELETE FROM t USING x;
        "#]],
    );
}
