//! Definitions, changes, transactions and the timeline: what is not read, shown as the message.

use expect_test::{Expect, expect};
use gobi_grammar::{Dialect, parse, render};

fn rejects(script: &str, expected: Expect) {
    let parsed = parse(script, Dialect::Grizzly);
    assert!(!parsed.diagnostics.is_empty(), "{script}");
    expected.assert_eq(&render::render(script, None, &parsed.diagnostics, false));
}

#[test]
fn definitions() {
    rejects(
        r#"CREATE"#,
        expect![[r#"
        error[42601]: expected a kind of object such as `TABLE` after `CREATE`, found the end of the statement
         --> 1:7
          |
        1 | CREATE
          |       ^
    "#]],
    );
    rejects(
        r#"CREATE TABEL t (a int)"#,
        expect![[r#"
        error[42601]: expected a kind of object such as `TABLE` after `CREATE`, found `TABEL`
         --> 1:8
          |
        1 | CREATE TABEL t (a int)
          |        ^^^^^
          = help: did you mean `TABLE`?
    "#]],
    );
    rejects(
        r#"CREATE TABLE"#,
        expect![[r#"
        error[42601]: expected a name or `IF` after `TABLE`, found the end of the statement
         --> 1:13
          |
        1 | CREATE TABLE
          |             ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t"#,
        expect![[r#"
        error[42601]: expected `(`, `AS` or `WITH`, found the end of the statement
         --> 1:15
          |
        1 | CREATE TABLE t
          |               ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t ("#,
        expect![[r#"
        error[42601]: unclosed `(`
         --> 1:16
          |
        1 | CREATE TABLE t (
          |                ^ opened here
    "#]],
    );
    rejects(
        r#"CREATE TABLE t ()"#,
        expect![[r#"
        error[42601]: expected a name, `CHECK`, `CONSTRAINT`, `FOREIGN`, `PRIMARY` or `UNIQUE` after `(`, found `)`
         --> 1:17
          |
        1 | CREATE TABLE t ()
          |                 ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a)"#,
        expect![[r#"
        error[42601]: column `a` needs a type
         --> 1:17
          |
        1 | CREATE TABLE t (a)
          |                 ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int b int)"#,
        expect![[r#"
        error[42601]: expected `,`, `)` or a constraint such as `NOT NULL`, found `b`
         --> 1:23
          |
        1 | CREATE TABLE t (a int b int)
          |                       ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int PRIMRY KEY)"#,
        expect![[r#"
        error[42601]: expected `,`, `)` or a constraint such as `NOT NULL`, found `PRIMRY`
         --> 1:23
          |
        1 | CREATE TABLE t (a int PRIMRY KEY)
          |                       ^^^^^^
          = help: did you mean `PRIMARY`?
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int PRIMARY)"#,
        expect![[r#"
        error[42601]: expected `KEY` after `PRIMARY`, found `)`
         --> 1:30
          |
        1 | CREATE TABLE t (a int PRIMARY)
          |                              ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int, PRIMARY KEY a)"#,
        expect![[r#"
        error[42601]: expected `(`, found `a`
         --> 1:36
          |
        1 | CREATE TABLE t (a int, PRIMARY KEY a)
          |                                    ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int DEFAULT)"#,
        expect![[r#"
        error[42601]: expected an expression after `DEFAULT`, found `)`
         --> 1:30
          |
        1 | CREATE TABLE t (a int DEFAULT)
          |                              ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int CHECK a > 0)"#,
        expect![[r#"
        error[42601]: expected `(` after `CHECK`, found `a`
         --> 1:29
          |
        1 | CREATE TABLE t (a int CHECK a > 0)
          |                             ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int REFERENCES)"#,
        expect![[r#"
        error[42601]: expected a name after `REFERENCES`, found `)`
         --> 1:33
          |
        1 | CREATE TABLE t (a int REFERENCES)
          |                                 ^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int REFERENCES u ON DELETE DROP)"#,
        expect![[r#"
        error[42601]: expected an action such as `CASCADE` after `DELETE`, found `DROP`
         --> 1:46
          |
        1 | CREATE TABLE t (a int REFERENCES u ON DELETE DROP)
          |                                              ^^^^
    "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int REFERENCES u ON DELETE CASCADE ON DELETE CASCADE)"#,
        expect![[r#"
            error[42601]: `ON DELETE` is written twice
             --> 1:54
              |
            1 | CREATE TABLE t (a int REFERENCES u ON DELETE CASCADE ON DELETE CASCADE)
              |                                                      ^^^^^^^^^^^^^^^^^
        "#]],
    );
    rejects(
        r#"CREATE TABLE t (a int) WITH (storage =)"#,
        expect![[r#"
        error[42601]: expected an expression after `=`, found `)`
         --> 1:39
          |
        1 | CREATE TABLE t (a int) WITH (storage =)
          |                                       ^
    "#]],
    );
    rejects(
        r#"CREATE OR REPLACE TABLE IF NOT EXISTS t (a int)"#,
        expect![[r#"
        error[42601]: `OR REPLACE` and `IF NOT EXISTS` exclude each other
         --> 1:8
          |
        1 | CREATE OR REPLACE TABLE IF NOT EXISTS t (a int)
          |        ^^^^^^^^^^
    "#]],
    );
    rejects(
        r#"CREATE TEMP INDEX i ON t (a)"#,
        expect![[r#"
        error[42601]: `TEMP` does not go with this kind of object
         --> 1:8
          |
        1 | CREATE TEMP INDEX i ON t (a)
          |        ^^^^
    "#]],
    );
    rejects(
        r#"CREATE VIEW v"#,
        expect![[r#"
        error[42601]: expected `(`, `AS` or `WITH`, found the end of the statement
         --> 1:14
          |
        1 | CREATE VIEW v
          |              ^
    "#]],
    );
    rejects(
        r#"CREATE VIEW v AS"#,
        expect![[r#"
        error[42601]: expected a query after `AS`, found the end of the statement
         --> 1:17
          |
        1 | CREATE VIEW v AS
          |                 ^
    "#]],
    );
    rejects(
        r#"CREATE INDEX i t (a)"#,
        expect![[r#"
        error[42601]: expected `ON`, found `t`
         --> 1:16
          |
        1 | CREATE INDEX i t (a)
          |                ^
    "#]],
    );
    rejects(
        r#"CREATE INDEX i ON t"#,
        expect![[r#"
        error[42601]: expected `(`, found the end of the statement
         --> 1:20
          |
        1 | CREATE INDEX i ON t
          |                    ^
    "#]],
    );
    rejects(
        r#"DROP"#,
        expect![[r#"
        error[42601]: expected a kind of object such as `TABLE` after `DROP`, found the end of the statement
         --> 1:5
          |
        1 | DROP
          |     ^
    "#]],
    );
    rejects(
        r#"DROP TABL t"#,
        expect![[r#"
        error[42601]: expected a kind of object such as `TABLE` after `DROP`, found `TABL`
         --> 1:6
          |
        1 | DROP TABL t
          |      ^^^^
          = help: did you mean `TABLE`?
    "#]],
    );
    rejects(
        r#"DROP TABLE"#,
        expect![[r#"
        error[42601]: expected a name or `IF` after `TABLE`, found the end of the statement
         --> 1:11
          |
        1 | DROP TABLE
          |           ^
    "#]],
    );
    rejects(
        r#"ALTER TABLE t"#,
        expect![[r#"
        error[42601]: expected a change such as `ADD COLUMN`, found the end of the statement
         --> 1:14
          |
        1 | ALTER TABLE t
          |              ^
    "#]],
    );
    rejects(
        r#"ALTER TABLE t RENMAE a TO b"#,
        expect![[r#"
        error[42601]: expected a change such as `ADD COLUMN`, found `RENMAE`
         --> 1:15
          |
        1 | ALTER TABLE t RENMAE a TO b
          |               ^^^^^^
          = help: did you mean `RENAME`?
    "#]],
    );
    rejects(
        r#"ALTER TABLE t ADD COLUMN a"#,
        expect![[r#"
        error[42601]: column `a` needs a type
         --> 1:26
          |
        1 | ALTER TABLE t ADD COLUMN a
          |                          ^
    "#]],
    );
    rejects(
        r#"ALTER TABLE t ALTER a"#,
        expect![[r#"
        error[42601]: expected `DROP` or `SET`, found the end of the statement
         --> 1:22
          |
        1 | ALTER TABLE t ALTER a
          |                      ^
    "#]],
    );
    rejects(
        r#"ALTER TABLE t ALTER a TYPE"#,
        expect![[r#"
        error[42601]: expected a type after `TYPE`, found the end of the statement
         --> 1:27
          |
        1 | ALTER TABLE t ALTER a TYPE
          |                           ^
    "#]],
    );
    rejects(
        r#"TRUNCATE"#,
        expect![[r#"
        error[42601]: expected a name or `TABLE` after `TRUNCATE`, found the end of the statement
         --> 1:9
          |
        1 | TRUNCATE
          |         ^
    "#]],
    );
    rejects(
        r#"REFRESH VIEW v"#,
        expect![[r#"
        error[42601]: expected `MATERIALIZED` after `REFRESH`, found `VIEW`
         --> 1:9
          |
        1 | REFRESH VIEW v
          |         ^^^^
    "#]],
    );
}

#[test]
fn changes() {
    rejects(
        r#"INSERT"#,
        expect![[r#"
        error[42601]: expected `INTO` after `INSERT`, found the end of the statement
         --> 1:7
          |
        1 | INSERT
          |       ^
    "#]],
    );
    rejects(
        r#"INSERT t VALUES (1)"#,
        expect![[r#"
        error[42601]: expected `INTO` after `INSERT`, found `t`
         --> 1:8
          |
        1 | INSERT t VALUES (1)
          |        ^
    "#]],
    );
    rejects(
        r#"INSERT INTO"#,
        expect![[r#"
        error[42601]: expected a name after `INTO`, found the end of the statement
         --> 1:12
          |
        1 | INSERT INTO
          |            ^
    "#]],
    );
    rejects(
        r#"INSERT INTO t"#,
        expect![[r#"
        error[42601]: expected a query, `(` or `DEFAULT`, found the end of the statement
         --> 1:14
          |
        1 | INSERT INTO t
          |              ^
    "#]],
    );
    rejects(
        r#"INSERT INTO t VALEUS (1)"#,
        expect![[r#"
        error[42601]: expected a query, `(` or `DEFAULT`, found `VALEUS`
         --> 1:15
          |
        1 | INSERT INTO t VALEUS (1)
          |               ^^^^^^
          = help: did you mean `VALUES`?
    "#]],
    );
    rejects(
        r#"INSERT INTO t VALUES 1"#,
        expect![[r#"
        error[42601]: expected a row in parentheses after `VALUES`, found the number `1`
         --> 1:22
          |
        1 | INSERT INTO t VALUES 1
          |                      ^
    "#]],
    );
    rejects(
        r#"INSERT INTO t (a, 1) VALUES (1)"#,
        expect![[r#"
        error[42601]: expected a name after `,`, found the number `1`
         --> 1:19
          |
        1 | INSERT INTO t (a, 1) VALUES (1)
          |                   ^
    "#]],
    );
    rejects(
        r#"INSERT INTO t VALUES (1) ON CONFLICT"#,
        expect![[r#"
        error[42601]: expected `(` or `DO` after `CONFLICT`, found the end of the statement
         --> 1:37
          |
        1 | INSERT INTO t VALUES (1) ON CONFLICT
          |                                     ^
    "#]],
    );
    rejects(
        r#"INSERT INTO t VALUES (1) ON CONFLICT DO"#,
        expect![[r#"
        error[42601]: expected `NOTHING` or `UPDATE`, found the end of the statement
         --> 1:40
          |
        1 | INSERT INTO t VALUES (1) ON CONFLICT DO
          |                                        ^
    "#]],
    );
    rejects(
        r#"INSERT INTO t VALUES (1) RETURNING"#,
        expect![[r#"
        error[42601]: expected an expression after `RETURNING`, found the end of the statement
         --> 1:35
          |
        1 | INSERT INTO t VALUES (1) RETURNING
          |                                   ^
    "#]],
    );
    rejects(
        r#"INSERT OR REPLACE INTO t VALUES (1)"#,
        expect![[r#"
        error[42601]: `INSERT OR …` is not a form of this language
         --> 1:8
          |
        1 | INSERT OR REPLACE INTO t VALUES (1)
          |        ^^^^^^^^^^
          = help: write `UPSERT INTO …`, or `INSERT INTO … ON CONFLICT DO NOTHING`
    "#]],
    );
    rejects(
        r#"INSERT INTO t SELECT 1 SELECT 2 RETURNING a"#,
        expect![[r#"
        error[42601]: a second query begins here
         --> 1:24
          |
        1 | INSERT INTO t SELECT 1 SELECT 2 RETURNING a
          |                        ^^^^^^^^
          = help: put a `;` before it
    "#]],
    );
    rejects(
        r#"UPDATE"#,
        expect![[r#"
        error[42601]: expected a name after `UPDATE`, found the end of the statement
         --> 1:7
          |
        1 | UPDATE
          |       ^
    "#]],
    );
    rejects(
        r#"UPDATE t"#,
        expect![[r#"
        error[42601]: expected a name, `AS` or `SET`, found the end of the statement
         --> 1:9
          |
        1 | UPDATE t
          |         ^
    "#]],
    );
    rejects(
        r#"UPDATE t SET"#,
        expect![[r#"
        error[42601]: expected a name after `SET`, found the end of the statement
         --> 1:13
          |
        1 | UPDATE t SET
          |             ^
    "#]],
    );
    rejects(
        r#"UPDATE t SET a"#,
        expect![[r#"
        error[42601]: expected `=`, found the end of the statement
         --> 1:15
          |
        1 | UPDATE t SET a
          |               ^
    "#]],
    );
    rejects(
        r#"UPDATE t SET a = "#,
        expect![[r#"
        error[42601]: expected an expression after `=`, found the end of the statement
         --> 1:17
          |
        1 | UPDATE t SET a =
          |                 ^
    "#]],
    );
    rejects(
        r#"UPDATE t SET a == 1 WERE b"#,
        expect![[r#"
        error[42601]: expected `=`, found `==`
         --> 1:16
          |
        1 | UPDATE t SET a == 1 WERE b
          |                ^^
    "#]],
    );
    rejects(
        r#"UPDATE t SET (a, b) = (1, 2, 3)"#,
        expect![[r#"
        error[42601]: 2 columns but 3 values
         --> 1:23
          |
        1 | UPDATE t SET (a, b) = (1, 2, 3)
          |                       ^^^^^^^^^
    "#]],
    );
    rejects(
        r#"UPDATE t SET (a, b) = 1"#,
        expect![[r#"
        error[42601]: expected `(` after `=`, found the number `1`
         --> 1:23
          |
        1 | UPDATE t SET (a, b) = 1
          |                       ^
    "#]],
    );
    rejects(
        r#"DELETE t"#,
        expect![[r#"
        error[42601]: expected `FROM` after `DELETE`, found `t`
         --> 1:8
          |
        1 | DELETE t
          |        ^
    "#]],
    );
    rejects(
        r#"DELETE FROM t WEHRE a"#,
        expect![[r#"
        error[42601]: expected `,`, `RETURNING`, `USING`, `WHERE` or the end of the statement, found `a`
         --> 1:21
          |
        1 | DELETE FROM t WEHRE a
          |                     ^
          = help: did you mean `WHERE` instead of `WEHRE`?
    "#]],
    );
    rejects(
        r#"MERGE INTO t"#,
        expect![[r#"
        error[42601]: expected a name, `AS` or `USING`, found the end of the statement
         --> 1:13
          |
        1 | MERGE INTO t
          |             ^
    "#]],
    );
    rejects(
        r#"MERGE INTO t USING s"#,
        expect![[r#"
        error[42601]: expected an alias or `ON`, found the end of the statement
         --> 1:21
          |
        1 | MERGE INTO t USING s
          |                     ^
    "#]],
    );
    rejects(
        r#"MERGE INTO t USING s ON a"#,
        expect![[r#"
        error[42601]: expected an operator or `WHEN`, found the end of the statement
         --> 1:26
          |
        1 | MERGE INTO t USING s ON a
          |                          ^
    "#]],
    );
    rejects(
        r#"MERGE INTO t USING s ON a WHEN"#,
        expect![[r#"
        error[42601]: expected `MATCHED` after `WHEN`, found the end of the statement
         --> 1:31
          |
        1 | MERGE INTO t USING s ON a WHEN
          |                               ^
    "#]],
    );
    rejects(
        r#"MERGE INTO t USING s ON a WHEN MATCHED"#,
        expect![[r#"
        error[42601]: expected `BY` or `THEN`, found the end of the statement
         --> 1:39
          |
        1 | MERGE INTO t USING s ON a WHEN MATCHED
          |                                       ^
    "#]],
    );
    rejects(
        r#"MERGE INTO t USING s ON a WHEN MATCHED THEN"#,
        expect![[r#"
        error[42601]: expected `UPDATE`, `DELETE`, `INSERT` or `DO NOTHING` after `THEN`, found the end of the statement
         --> 1:44
          |
        1 | MERGE INTO t USING s ON a WHEN MATCHED THEN
          |                                            ^
    "#]],
    );
    rejects(
        r#"MERGE INTO t USING s ON a WHEN MATCHED THEN INSERT VALUES (1)"#,
        expect![[r#"
            error[42601]: a row of the target can only be updated or deleted
             --> 1:45
              |
            1 | MERGE INTO t USING s ON a WHEN MATCHED THEN INSERT VALUES (1)
              |                                             ^^^^^^^^^^^^^^^^^
        "#]],
    );
    rejects(
        r#"MERGE INTO t USING s ON a WHEN NOT MATCHED THEN DELETE"#,
        expect![[r#"
            error[42601]: a row of the source without a partner can only be inserted
             --> 1:49
              |
            1 | MERGE INTO t USING s ON a WHEN NOT MATCHED THEN DELETE
              |                                                 ^^^^^^
        "#]],
    );
    rejects(
        r#"MERGE INTO t USING s ON a WHEN MATCHED BY SOURCE THEN DELETE"#,
        expect![[r#"
            error[42601]: `BY SOURCE` and `BY TARGET` stand only behind `NOT MATCHED`
             --> 1:32
              |
            1 | MERGE INTO t USING s ON a WHEN MATCHED BY SOURCE THEN DELETE
              |                                ^^^^^^^^^^^^^^^^^
        "#]],
    );
    rejects(
        r#"MERGE INTO t USING s ON a WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1)"#,
        expect![[r#"
            error[42601]: 2 columns but 1 value
             --> 1:49
              |
            1 | MERGE INTO t USING s ON a WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1)
              |                                                 ^^^^^^^^^^^^^^^^^^^^^^^^
        "#]],
    );
    rejects(
        r#"UPSERT INTO t KEY VALUES (1)"#,
        expect![[r#"
        error[42601]: expected `(`, found `VALUES`
         --> 1:19
          |
        1 | UPSERT INTO t KEY VALUES (1)
          |                   ^^^^^^
    "#]],
    );
    rejects(
        r#"UPSERT INTO t KEY (a) (b) KEY (c) VALUES (1)"#,
        expect![[r#"
        error[42601]: `KEY` is written twice
         --> 1:27
          |
        1 | UPSERT INTO t KEY (a) (b) KEY (c) VALUES (1)
          |                           ^^^^^^^
    "#]],
    );
    rejects(
        r#"COPY 'f' TO"#,
        expect![[r#"
        error[42601]: expected a name after `TO`, found the end of the statement
         --> 1:12
          |
        1 | COPY 'f' TO
          |            ^
    "#]],
    );
    rejects(
        r#"COPY (SELECT 1) FROM 'f'"#,
        expect![[r#"
        error[42601]: a file can be copied into a table, not into a query
         --> 1:6
          |
        1 | COPY (SELECT 1) FROM 'f'
          |      ^^^^^^^^^^
    "#]],
    );
}

#[test]
fn others() {
    rejects(
        r#"BEGIN foo"#,
        expect![[r#"
        error[42601]: expected `,`, a mode such as `READ ONLY`, `TRANSACTION`, `WORK` or the end of the statement, found `foo`
         --> 1:7
          |
        1 | BEGIN foo
          |       ^^^
    "#]],
    );
    rejects(
        r#"BEGIN READ"#,
        expect![[r#"
        error[42601]: expected `ONLY` or `WRITE` after `READ`, found the end of the statement
         --> 1:11
          |
        1 | BEGIN READ
          |           ^
    "#]],
    );
    rejects(
        r#"BEGIN ISOLATION LEVEL"#,
        expect![[r#"
        error[42601]: expected a level such as `SERIALIZABLE`, found the end of the statement
         --> 1:22
          |
        1 | BEGIN ISOLATION LEVEL
          |                      ^
    "#]],
    );
    rejects(
        r#"BEGIN ISOLATION LEVEL CHAOS"#,
        expect![[r#"
        error[42601]: expected a level such as `SERIALIZABLE`, found `CHAOS`
         --> 1:23
          |
        1 | BEGIN ISOLATION LEVEL CHAOS
          |                       ^^^^^
    "#]],
    );
    rejects(
        r#"BEGIN READ ONLY READ WRITE"#,
        expect![[r#"
        error[42601]: READ ONLY or READ WRITE is written twice
         --> 1:17
          |
        1 | BEGIN READ ONLY READ WRITE
          |                 ^^^^^^^^^^
    "#]],
    );
    rejects(
        r#"COMMIT MESSAGE"#,
        expect![[r#"
        error[42601]: expected a string, found the end of the statement
         --> 1:15
          |
        1 | COMMIT MESSAGE
          |               ^
    "#]],
    );
    rejects(
        r#"ROLLBACK TO"#,
        expect![[r#"
        error[42601]: expected a point in time or `SAVEPOINT` after `TO`, found the end of the statement
         --> 1:12
          |
        1 | ROLLBACK TO
          |            ^
    "#]],
    );
    rejects(
        r#"SAVEPOINT"#,
        expect![[r#"
        error[42601]: expected a name after `SAVEPOINT`, found the end of the statement
         --> 1:10
          |
        1 | SAVEPOINT
          |          ^
    "#]],
    );
    rejects(
        r#"CREATE BRANCH b FROM"#,
        expect![[r#"
        error[42601]: expected a relation after `FROM`, found the end of the statement
         --> 1:21
          |
        1 | CREATE BRANCH b FROM
          |                     ^
    "#]],
    );
    rejects(
        r#"SELECT * FROM t AS OF 'x' WHERE a AS OF 'y'"#,
        expect![[r#"
            error[42601]: expected a query, an operator or `,`, found the end of the statement
             --> 1:44
              |
            1 | SELECT * FROM t AS OF 'x' WHERE a AS OF 'y'
              |                                            ^
        "#]],
    );
    rejects(
        r#"SELECT * FROM t CHANGES SINCE"#,
        expect![[r#"
        error[42601]: expected a point in time or `WATERMARK` after `SINCE`, found the end of the statement
         --> 1:30
          |
        1 | SELECT * FROM t CHANGES SINCE
          |                              ^
    "#]],
    );
    rejects(
        r#"SELECT * FROM t SINCE"#,
        expect![[r#"
        error[42601]: expected a point in time after `SINCE`, found the end of the statement
         --> 1:22
          |
        1 | SELECT * FROM t SINCE
          |                      ^
    "#]],
    );
    rejects(
        r#"SELECT * FROM (SELECT 1) AS OF 'x'"#,
        expect![[r#"
        error[42601]: only a table or a view, by its name, has a history
         --> 1:26
          |
        1 | SELECT * FROM (SELECT 1) AS OF 'x'
          |                          ^^^^^^^^^
          = help: `AS OF …` before a query goes for all its tables: `(AS OF … SELECT …)`
    "#]],
    );
    rejects(
        r#"SELECT * FROM 'f.csv' AS OF 'x'"#,
        expect![[r#"
        error[42601]: only a table or a view, by its name, has a history
         --> 1:23
          |
        1 | SELECT * FROM 'f.csv' AS OF 'x'
          |                       ^^^^^^^^^
          = help: `AS OF …` before a query goes for all its tables: `(AS OF … SELECT …)`
    "#]],
    );
    rejects(
        r#"AS OF 'x'"#,
        expect![[r#"
        error[42601]: expected a query, an operator or `,`, found the end of the statement
         --> 1:10
          |
        1 | AS OF 'x'
          |          ^
    "#]],
    );
    rejects(
        r#"CREATE BRANCH"#,
        expect![[r#"
        error[42601]: expected a string, a name or `IF` after `BRANCH`, found the end of the statement
         --> 1:14
          |
        1 | CREATE BRANCH
          |              ^
    "#]],
    );
    rejects(
        r#"MERGE BRANCH"#,
        expect![[r#"
        error[42601]: expected a string or a name after `BRANCH`, found the end of the statement
         --> 1:13
          |
        1 | MERGE BRANCH
          |             ^
    "#]],
    );
    rejects(
        r#"DIFF t"#,
        expect![[r#"
        error[42601]: expected `BETWEEN`, found the end of the statement
         --> 1:7
          |
        1 | DIFF t
          |       ^
    "#]],
    );
    rejects(
        r#"DIFF t BETWEEN a"#,
        expect![[r#"
        error[42601]: expected an operator, `,` or `AND`, found the end of the statement
         --> 1:17
          |
        1 | DIFF t BETWEEN a
          |                 ^
    "#]],
    );
    rejects(
        r#"LOG t LIMIT"#,
        expect![[r#"
        error[42601]: expected an expression after `LIMIT`, found the end of the statement
         --> 1:12
          |
        1 | LOG t LIMIT
          |            ^
    "#]],
    );
    rejects(
        r#"BLAME"#,
        expect![[r#"
        error[42601]: expected a name after `BLAME`, found the end of the statement
         --> 1:6
          |
        1 | BLAME
          |      ^
    "#]],
    );
    rejects(
        r#"VERIFY t"#,
        expect![[r#"
        error[42601]: expected `TABLE` after `VERIFY`, found `t`
         --> 1:8
          |
        1 | VERIFY t
          |        ^
    "#]],
    );
    rejects(
        r#"PROVE"#,
        expect![[r#"
        error[42601]: expected a query after `PROVE`, found the end of the statement
         --> 1:6
          |
        1 | PROVE
          |      ^
    "#]],
    );
    rejects(
        r#"CREATE WATERMARK w"#,
        expect![[r#"
        error[42601]: expected `ON`, found the end of the statement
         --> 1:19
          |
        1 | CREATE WATERMARK w
          |                   ^
    "#]],
    );
    rejects(
        r#"ADVANCE w"#,
        expect![[r#"
        error[42601]: expected `WATERMARK` after `ADVANCE`, found `w`
         --> 1:9
          |
        1 | ADVANCE w
          |         ^
    "#]],
    );
    rejects(
        r#"PREPARE p"#,
        expect![[r#"
        error[42601]: expected `(` or `AS`, found the end of the statement
         --> 1:10
          |
        1 | PREPARE p
          |          ^
    "#]],
    );
    rejects(
        r#"PREPARE p AS"#,
        expect![[r#"
        error[42601]: expected a statement after `AS`, found the end of the statement
         --> 1:13
          |
        1 | PREPARE p AS
          |             ^
    "#]],
    );
    rejects(
        r#"EXECUTE"#,
        expect![[r#"
        error[42601]: expected a name after `EXECUTE`, found the end of the statement
         --> 1:8
          |
        1 | EXECUTE
          |        ^
    "#]],
    );
    rejects(
        r#"ATTACH"#,
        expect![[r#"
        error[42601]: expected a string or a name after `ATTACH`, found the end of the statement
         --> 1:7
          |
        1 | ATTACH
          |       ^
    "#]],
    );
    rejects(
        r#"DETACH"#,
        expect![[r#"
        error[42601]: expected a name or `IF` after `DETACH`, found the end of the statement
         --> 1:7
          |
        1 | DETACH
          |       ^
    "#]],
    );
    rejects(
        r#"USE"#,
        expect![[r#"
        error[42601]: expected a name or `BRANCH` after `USE`, found the end of the statement
         --> 1:4
          |
        1 | USE
          |    ^
    "#]],
    );
    rejects(
        r#"CACHE"#,
        expect![[r#"
        error[42601]: expected `CLEAR` or `STATS` after `CACHE`, found the end of the statement
         --> 1:6
          |
        1 | CACHE
          |      ^
    "#]],
    );
    rejects(
        r#"CACHE STAT"#,
        expect![[r#"
        error[42601]: expected `CLEAR` or `STATS` after `CACHE`, found `STAT`
         --> 1:7
          |
        1 | CACHE STAT
          |       ^^^^
          = help: did you mean `STATS`?
    "#]],
    );
    rejects(
        r#"SHOW TABLES LIKE x"#,
        expect![[r#"
        error[42601]: expected a string after `LIKE`, found `x`
         --> 1:18
          |
        1 | SHOW TABLES LIKE x
          |                  ^
    "#]],
    );
}
