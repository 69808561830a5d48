//! What is not read, shown as the message.

use expect_test::{Expect, expect};
use gobi_grammar::{Dialect, parse, render};

fn rejects(script: &str, expected: Expect) {
    let parsed = parse(script, Dialect::Grizzly);
    assert!(!parsed.diagnostics.is_empty(), "{script}");
    expected.assert_eq(&render::render(script, None, &parsed.diagnostics, false));
}

#[test]
fn common_slips() {
    rejects(
        r#"SELEC a FROM t"#,
        expect![[r#"
        error[42601]: expected a statement, found `SELEC`
         --> 1:1
          |
        1 | SELEC a FROM t
          | ^^^^^
          = help: did you mean `SELECT`?
    "#]],
    );
    rejects(
        r#"SELECT a FORM t"#,
        expect![[r#"
        error[42601]: expected `,`, a clause such as `FROM` or the end of the statement, found `t`
         --> 1:15
          |
        1 | SELECT a FORM t
          |               ^
          = help: did you mean `FROM` instead of `FORM`?
    "#]],
    );
    rejects(
        r#"SELECT a FROM t WERE x = 1"#,
        expect![[r#"
        error[42601]: expected `,`, names in parentheses, a clause such as `FROM` or the end of the statement, found `x`
         --> 1:22
          |
        1 | SELECT a FROM t WERE x = 1
          |                      ^
          = help: did you mean `WHERE` instead of `WERE`?
    "#]],
    );
    rejects(
        r#"SELECT a FROM t ODER BY a"#,
        expect![[r#"
        error[42601]: expected `,`, names in parentheses, a clause such as `FROM` or the end of the statement, found `BY`
         --> 1:22
          |
        1 | SELECT a FROM t ODER BY a
          |                      ^^
          = help: did you mean `ORDER` instead of `ODER`?
    "#]],
    );
    rejects(
        r#"SELECT a, FROM t"#,
        expect![[r#"
        error[42601]: expected an expression after `,`, found `FROM`
         --> 1:11
          |
        1 | SELECT a, FROM t
          |           ^^^^
    "#]],
    );
    rejects(
        r#"SELECT f(a, FROM t"#,
        expect![[r#"
        error[42601]: unclosed `(`
         --> 1:9
          |
        1 | SELECT f(a, FROM t
          |         ^ opened here
    "#]],
    );
    rejects(
        r#"SELECT (a + b]"#,
        expect![[r#"
        error[42601]: unclosed `(`
         --> 1:8
          |
        1 | SELECT (a + b]
          |        ^ opened here

        error[42601]: unexpected `]`
         --> 1:14
          |
        1 | SELECT (a + b]
          |              ^ no `[` is open here
    "#]],
    );
    rejects(
        r#"SELECT a b c FROM t"#,
        expect![[r#"
        error[42601]: expected `,`, a clause such as `FROM` or the end of the statement, found `c`
         --> 1:12
          |
        1 | SELECT a b c FROM t
          |            ^
    "#]],
    );
    rejects(
        r#"SELECT FROM t"#,
        expect![[r#"
        error[42601]: expected an expression after `SELECT`, found `FROM`
         --> 1:8
          |
        1 | SELECT FROM t
          |        ^^^^
    "#]],
    );
    rejects(
        r#"SELECT a FROM"#,
        expect![[r#"
        error[42601]: expected a relation after `FROM`, found the end of the statement
         --> 1:14
          |
        1 | SELECT a FROM
          |              ^
    "#]],
    );
    rejects(
        r#"SELECT a FROM t WHERE"#,
        expect![[r#"
        error[42601]: expected an expression after `WHERE`, found the end of the statement
         --> 1:22
          |
        1 | SELECT a FROM t WHERE
          |                      ^
    "#]],
    );
    rejects(
        r#"SELECT a FROM t GROUP a"#,
        expect![[r#"
        error[42601]: expected `BY` after `GROUP`, found `a`
         --> 1:23
          |
        1 | SELECT a FROM t GROUP a
          |                       ^
    "#]],
    );
    rejects(
        r#"SELECT 'abc"#,
        expect![[r#"
        error[42601]: unterminated string
         --> 1:8
          |
        1 | SELECT 'abc
          |        ^ the string begins here
    "#]],
    );
    rejects(
        r#"SELECT `abc"#,
        expect![[r#"
        error[42601]: unterminated quoted name
         --> 1:8
          |
        1 | SELECT `abc
          |        ^ the quoted name begins here
    "#]],
    );
}

#[test]
fn expressions() {
    rejects(
        r#"SELECT /* a /* b */"#,
        expect![[r#"
        error[42601]: unterminated comment
         --> 1:8
          |
        1 | SELECT /* a /* b */
          |        ^^ the comment begins here
    "#]],
    );
    rejects(
        r#"SELECT cast(a as) FROM t"#,
        expect![[r#"
        error[42601]: expected a type after `AS`, found `)`
         --> 1:17
          |
        1 | SELECT cast(a as) FROM t
          |                 ^
    "#]],
    );
    rejects(
        r#"SELECT cast(a) FROM t"#,
        expect![[r#"
        error[42601]: expected an operator or `AS`, found `)`
         --> 1:14
          |
        1 | SELECT cast(a) FROM t
          |              ^
    "#]],
    );
    rejects(
        r#"SELECT a FROM t JOIN u"#,
        expect![[r#"
        error[42601]: a join needs a condition
         --> 1:17
          |
        1 | SELECT a FROM t JOIN u
          |                 ^^^^^^
          = help: write `ON …`, `USING (…)`, or `CROSS JOIN` if every pair is meant
    "#]],
    );
    rejects(
        r#"SELECT a FROM t CROSS JOIN u ON a"#,
        expect![[r#"
        error[42601]: `CROSS JOIN` takes no condition
         --> 1:17
          |
        1 | SELECT a FROM t CROSS JOIN u ON a
          |                 ^^^^^^^^^^^^^^^^^
    "#]],
    );
    rejects(
        r#"SELECT 1x"#,
        expect![[r#"
        error[42601]: expected an expression after `SELECT`, found the number `1x`
         --> 1:8
          |
        1 | SELECT 1x
          |        ^^
          = help: a name cannot begin with a digit; write it in backticks
    "#]],
    );
    rejects(
        r#"SELECT a)"#,
        expect![[r#"
        error[42601]: unexpected `)`
         --> 1:9
          |
        1 | SELECT a)
          |         ^ no `(` is open here
    "#]],
    );
    rejects(
        r#"xyz"#,
        expect![[r#"
            error[42601]: expected a statement, found `xyz`
             --> 1:1
              |
            1 | xyz
              | ^^^
              = help: to see a value, write `select xyz`
        "#]],
    );
    rejects(
        r#"SELECT a IN (1, 2"#,
        expect![[r#"
        error[42601]: unclosed `(`
         --> 1:13
          |
        1 | SELECT a IN (1, 2
          |             ^ opened here
    "#]],
    );
    rejects(
        r#"SELECT CASE WHEN a THEN b"#,
        expect![[r#"
        error[42601]: expected an operator, `ELSE`, `END` or `WHEN`, found the end of the statement
         --> 1:26
          |
        1 | SELECT CASE WHEN a THEN b
          |                          ^
    "#]],
    );
    rejects(
        r#"SELECT CASE a END"#,
        expect![[r#"
        error[42601]: expected an operator or `WHEN`, found `END`
         --> 1:15
          |
        1 | SELECT CASE a END
          |               ^^^
    "#]],
    );
    rejects(
        r#"SELECT x BETWEEN 1 OR 2"#,
        expect![[r#"
        error[42601]: `BETWEEN` needs two bounds joined by `AND`
         --> 1:10
          |
        1 | SELECT x BETWEEN 1 OR 2
          |          ^^^^^^^
    "#]],
    );
    rejects(
        r#"SELECT a = b = c = d = e = f"#,
        expect![[r#"
        error[42601]: too many comparisons in a row
         --> 1:26
          |
        1 | SELECT a = b = c = d = e = f
          |                          ^
          = help: put parentheses around them, or join them with AND
    "#]],
    );
    rejects(
        r#"SELECT a = NOT b"#,
        expect![[r#"
        error[42601]: `NOT` binds looser than the operator before it
         --> 1:12
          |
        1 | SELECT a = NOT b
          |            ^^^
          = help: put parentheses around `NOT …`
    "#]],
    );
}

#[test]
fn clauses() {
    rejects(
        r#"SELECT 1 WHERE 2 WHERE 3"#,
        expect![[r#"
        error[42601]: a query has only one WHERE clause
         --> 1:18
          |
        1 | SELECT 1 WHERE 2 WHERE 3
          |                  ^^^^^^^
          = help: if a new statement was meant to begin here, put a `;` before it
    "#]],
    );
    rejects(
        r#"SELECT a FROM t ORDER BY a LIMIT 1 LIMIT 2"#,
        expect![[r#"
        error[42601]: a query has only one LIMIT clause
         --> 1:36
          |
        1 | SELECT a FROM t ORDER BY a LIMIT 1 LIMIT 2
          |                                    ^^^^^^^
          = help: if a new statement was meant to begin here, put a `;` before it
    "#]],
    );
    rejects(
        r#"SELECT e'\q'"#,
        expect![[r#"
        error[22025]: invalid escape in this string
         --> 1:8
          |
        1 | SELECT e'\q'
          |        ^^^^^
          = help: known escapes are `\n`, `\r`, `\t`, `\b`, `\f`, `\0`, `\\`, `\'`, `\xHH` and `\uHHHH`
    "#]],
    );
    rejects(
        r#"SELECT x'0'"#,
        expect![[r#"
        error[22P02]: a blob literal needs an even number of hexadecimal digits
         --> 1:8
          |
        1 | SELECT x'0'
          |        ^^^^
    "#]],
    );
    rejects(
        r#"SELECT (1 UNION SELECT 2)"#,
        expect![[r#"
        error[42601]: `UNION` can only follow a query
         --> 1:11
          |
        1 | SELECT (1 UNION SELECT 2)
          |           ^^^^^^^^^^^^^^
    "#]],
    );
    rejects(
        r#"SELECT a ORDER BY a UNION SELECT b"#,
        expect![[r#"
        error[42601]: ORDER BY, LIMIT and OFFSET belong behind the last query of a set operation
         --> 1:10
          |
        1 | SELECT a ORDER BY a UNION SELECT b
          |          ^^^^^^^^^^
          = help: put parentheses around the query that they are meant for
    "#]],
    );
    rejects(
        r#"SELECT [1, 2"#,
        expect![[r#"
        error[42601]: unclosed `[`
         --> 1:8
          |
        1 | SELECT [1, 2
          |        ^ opened here
    "#]],
    );
    rejects(
        r#"SELECT {a: }"#,
        expect![[r#"
        error[42601]: expected an expression after `:`, found `}`
         --> 1:12
          |
        1 | SELECT {a: }
          |            ^
    "#]],
    );
    rejects(
        r#"FROM"#,
        expect![[r#"
        error[42601]: expected a relation after `FROM`, found the end of the statement
         --> 1:5
          |
        1 | FROM
          |     ^
    "#]],
    );
    rejects(
        r#"SELECT * FROM t, WHERE a"#,
        expect![[r#"
        error[42601]: expected a relation after `,`, found `WHERE`
         --> 1:18
          |
        1 | SELECT * FROM t, WHERE a
          |                  ^^^^^
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
        r#"EXPLAIN"#,
        expect![[r#"
            error[42601]: expected a statement, `ANALYZE` or `JIT` after `EXPLAIN`, found the end of the statement
             --> 1:8
              |
            1 | EXPLAIN
              |        ^
        "#]],
    );
    rejects(
        r#"COPY t"#,
        expect![[r#"
            error[42601]: expected `(`, `TO` or `FROM`, found the end of the statement
             --> 1:7
              |
            1 | COPY t
              |       ^
        "#]],
    );
}

#[test]
fn other_forms() {
    rejects(
        r#"SELECT a FROM t LEFT u ON a"#,
        expect![[r#"
        error[42601]: expected `ANTI`, `SEMI` or `JOIN` after `LEFT`, found `u`
         --> 1:22
          |
        1 | SELECT a FROM t LEFT u ON a
          |                      ^
    "#]],
    );
    rejects(
        r#"SELECT a[1"#,
        expect![[r#"
        error[42601]: unclosed `[`
         --> 1:9
          |
        1 | SELECT a[1
          |         ^ opened here
    "#]],
    );
    rejects(
        r#"SELECT interval 7"#,
        expect![[r#"
        error[42601]: expected a unit such as `day`, found the end of the statement
         --> 1:18
          |
        1 | SELECT interval 7
          |                  ^
    "#]],
    );
    rejects(
        r#"WITH x AS SELECT 1"#,
        expect![[r#"
        error[42601]: expected `(` after `AS`, found `SELECT`
         --> 1:11
          |
        1 | WITH x AS SELECT 1
          |           ^^^^^^
    "#]],
    );
    rejects(
        r#"SELECT a FROM t LIMIT"#,
        expect![[r#"
        error[42601]: expected an expression after `LIMIT`, found the end of the statement
         --> 1:22
          |
        1 | SELECT a FROM t LIMIT
          |                      ^
    "#]],
    );
    rejects(
        r#"SELECT a FROM (SELECT b FORM c)"#,
        expect![[r#"
        error[42601]: expected `,`, `)` or a clause such as `FROM`, found `c`
         --> 1:30
          |
        1 | SELECT a FROM (SELECT b FORM c)
          |                              ^
          = help: did you mean `FROM` instead of `FORM`?
    "#]],
    );
    rejects(
        r#"SELECT @TypeOf"#,
        expect![[r#"
        error[42601]: `@TypeOf` is a function and needs its arguments
         --> 1:8
          |
        1 | SELECT @TypeOf
          |        ^^^^^^^
          = help: write `@TypeOf(…)`
    "#]],
    );
    rejects(
        r#"SELECT a FROM t WHERE day >= @start_ds"#,
        expect![[r#"
        error[42601]: `@start_ds` is a function and needs its arguments
         --> 1:30
          |
        1 | SELECT a FROM t WHERE day >= @start_ds
          |                              ^^^^^^^^^
          = help: the interval that a model computes is `interval_start` and `interval_end`, without `@`
    "#]],
    );
    rejects(
        r#"let size = if n > 5 { 'big' } else { 'small' }"#,
        expect![[r#"
            error[42601]: expected a statement, found `n`
             --> 1:15
              |
            1 | let size = if n > 5 { 'big' } else { 'small' }
              |               ^
              = help: `if` has no value: write `if(a > 1, b, c)`, `match`, or assign in its branches
        "#]],
    );
    rejects(
        r#"sum += 2"#,
        expect![[r#"
        error[42601]: expected a statement, found `sum`
         --> 1:1
          |
        1 | sum += 2
          | ^^^
          = help: write `sum = sum + …`
    "#]],
    );
    rejects(
        r#"SELECT f(x,)"#,
        expect![[r#"
        error[42601]: expected an expression after `,`, found `)`
         --> 1:12
          |
        1 | SELECT f(x,)
          |            ^
    "#]],
    );
    rejects(
        r#"SELECT a FROM t ORDER BY DESC a ASC"#,
        expect![[r#"
        error[42601]: the direction of a sort key is written twice
         --> 1:33
          |
        1 | SELECT a FROM t ORDER BY DESC a ASC
          |                                 ^^^
    "#]],
    );
    rejects(
        r#"EXPLAIN (FORMAT xml) SELECT 1"#,
        expect![[r#"
        error[22023]: unknown format `xml`
         --> 1:17
          |
        1 | EXPLAIN (FORMAT xml) SELECT 1
          |                 ^^^
          = help: known formats are `text` and `json`
    "#]],
    );
    rejects(
        r#"SELECT trunc(a FROM b)"#,
        expect![[r#"
        error[42601]: `trunc` does not take `FROM` between its arguments
         --> 1:16
          |
        1 | SELECT trunc(a FROM b)
          |                ^^^^^^
          = help: separate the arguments by commas
    "#]],
    );
    rejects(
        r#"SELECT s.t.* FROM t"#,
        expect![[r#"
        error[42601]: `*` takes the name of one relation of FROM before it
         --> 1:8
          |
        1 | SELECT s.t.* FROM t
          |        ^
    "#]],
    );
    rejects(
        r#"SELECT 0x1ffffffffffffffffffffffffffffffff"#,
        expect![[r#"
        error[22003]: hexadecimal number is longer than 128 bits
         --> 1:8
          |
        1 | SELECT 0x1ffffffffffffffffffffffffffffffff
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#]],
    );
}

#[test]
fn every_error_of_a_script_is_reported() {
    let script = "SELECT a FORM t;\nSELECT 1\nSELECT b,\nFROM u\nSELEC c;\nSELECT 2 -- fine\n;\nSELECT (3";
    rejects(
        script,
        expect![[r#"
        error[42601]: expected `,`, a clause such as `FROM` or the end of the statement, found `t`
         --> 1:15
          |
        1 | SELECT a FORM t;
          |               ^
          = help: did you mean `FROM` instead of `FORM`?

        error[42601]: expected an expression after `,`, found `FROM`
         --> 4:1
          |
        4 | FROM u
          | ^^^^

        error[42601]: expected `,`, names in parentheses, a clause such as `FROM` or the end of the statement, found `c`
         --> 5:7
          |
        5 | SELEC c;
          |       ^
          = help: did you mean `SELECT` instead of `SELEC`?

        error[42601]: unclosed `(`
         --> 8:8
          |
        8 | SELECT (3
          |        ^ opened here
    "#]],
    );
}

#[test]
fn values_that_are_no_statements() {
    rejects(
        "let n = 3;\nn",
        expect![[r#"
        error[42601]: expected a statement, found `n`
         --> 2:1
          |
        2 | n
          | ^
          = help: to see a value, write `select n`
    "#]],
    );
    rejects(
        "n.total\nselect 1",
        expect![[r#"
        error[42601]: expected `=`, and a value, behind what is assigned
         --> 1:8
          |
        1 | n.total
          |        ^
          = help: to see a value, write `select n.total`
    "#]],
    );
    rejects(
        "let n: map<string, int>",
        expect![[r#"
        error[42601]: expected `=` and a value, found the end of the statement
         --> 1:24
          |
        1 | let n: map<string, int>
          |                        ^
          = help: a variable begins with a value: `let n: map<string, int> = …`; `null` is one of every type
    "#]],
    );
    rejects(
        "let n decimal(1, 2) = 3",
        expect![[r#"
        error[42601]: expected `=` and a value, or `:` and a type, found `decimal`
         --> 1:7
          |
        1 | let n decimal(1, 2) = 3
          |       ^^^^^^^
          = help: a type stands behind a colon: `let n: type = …`
    "#]],
    );
    rejects(
        "let r = try f() catch e -> 1",
        expect![[r#"
        error[42601]: `catch` has neither arms nor a block
         --> 1:17
          |
        1 | let r = try f() catch e -> 1
          |                 ^^^^^
          = help: write `catch {Name => …, _ => …}`, or `catch e { … }`, whose last expression is the value
    "#]],
    );
}
