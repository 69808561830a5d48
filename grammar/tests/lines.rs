//! Lines that begin a statement although the line before them could go on.

use expect_test::{Expect, expect};
use gobi_grammar::{Dialect, format, parse, print, render};

/// What a script says, statement by statement; `gobi fmt` keeps it.
fn reads(script: &str, expected: Expect) {
    let parsed = parse(script, Dialect::Grizzly);
    let errors = render::render(script, None, &parsed.diagnostics, false);
    let printed = print(&parsed.statements, Dialect::Grizzly);
    expected.assert_eq(&format!("{errors}{printed}\n"));
    if errors.is_empty() {
        let formatted = format(script, Dialect::Grizzly).expect("well formed");
        assert_eq!(
            parse(&formatted, Dialect::Grizzly).statements,
            parsed.statements,
            "{formatted}"
        );
        assert_eq!(format(&formatted, Dialect::Grizzly).as_ref(), Ok(&formatted));
    }
}

#[test]
fn a_bracket_begins_a_statement_behind_a_let_an_assignment_or_an_expression() {
    reads(
        "x = x\n(select count(*) from range(3))\ny = -x\n(select 2)\nz = not a and x -- a name\n\n(select 3)",
        expect![[r#"
            x = x;
            SELECT count(*) FROM range(3);
            y = -x;
            SELECT 2;
            z = NOT a AND x;
            SELECT 3;

        "#]],
    );
    reads(
        "let y = a.b\n(1 + 2)\nlet z = a.f\n(1, 2)\nz = xs |> first\n(3)\nlet f = v => v\n(4)\nok = 1 in xs\n(5)",
        expect![[r#"
            let y = a.b;
            1 + 2;
            let z = a.f;
            /* unsupported: row value */;
            z = xs |> first();
            3;
            let f = v => v;
            4;
            ok = array_contains(xs, 1);
            5;

        "#]],
    );
    reads(
        "let y = x\n[1, 2] |> sum()\n[0]\nlet e = try x\n(1)\nlet w = await x\n(select 1) union (select 2)",
        expect![[r#"
            let y = x;
            [1, 2] |> sum();
            [0];
            let e = try x;
            1;
            let w = await x;
            (SELECT 1) UNION (SELECT 2);

        "#]],
    );
    reads(
        "f(1)\n(2 + 3)\n-4\n(select 5)\nx = x\n(select 6) |> sum()\nfor r in t { n = n\n(7)\n-n }",
        expect![[r#"
            f(1);
            2 + 3;
            -4;
            SELECT 5;
            x = x;
            (SELECT 6) |> sum();
            for r in t { n = n; 7; -n; };

        "#]],
    );
    reads(
        "function f(x int) { let y = x\n(select count(*) from range(y)) }",
        expect![[r#"
            function f(x: int) { let y = x; SELECT count(*) FROM range(y); };

        "#]],
    );
}

#[test]
fn a_minus_begins_one_there_too() {
    reads(
        "let y = x\n-1\n[1, 2] |> each(q => q)\n-y\nlet z = xs |> f(x => x)\n- 1",
        expect![[r#"
            let y = x;
            -1;
            [1, 2] |> each(q => q);
            -y;
            let z = xs |> f(x => x);
            -1;

        "#]],
    );
    reads(
        "let y = x -\n  1\nlet v = x\n  - 1 + 2\nlet z = x -\n-1\nlet w = (x\n-1)\nselect x\n-1\nlet n = select x\n-1",
        expect![[r#"
            let y = x - 1;
            let v = x;
            -1 + 2;
            let z = x - -1;
            let w = x - 1;
            SELECT x - 1;
            let n = SELECT x - 1;

        "#]],
    );
}

#[test]
fn elsewhere_they_go_on() {
    reads(
        "let y = f(x\n(1))\nselect count\n(*) from t\nlet n = select count\n(*) from t\nlet c = case x when 1 then f\n(2) end\ninsert into t values\n(1), (2)",
        expect![[r#"
            let y = f(x(1));
            SELECT count(*) FROM t;
            let n = SELECT count(*) FROM t;
            let c = CASE x WHEN 1 THEN f(2) END;
            INSERT INTO t VALUES (1), (2);

        "#]],
    );
    reads(
        "f\n(1)\nm.f\n(2)\nlet ok = x in\n(1, 2)",
        expect![[r#"
            f(1);
            f(m, 2);
            let ok = x IN (1, 2);

        "#]],
    );
}

#[test]
fn what_cannot_be_read_is_one_error() {
    reads(
        "let x = 1\nselect 1 as a\nx = 5\nselect x\nupdate t set a = 1\nx = 3",
        expect![[r#"
            error[42601]: expected an operator, `,`, `RETURNING`, `FROM`, `WHERE` or the end of the statement, found `x`
             --> 6:1
              |
            6 | x = 3
              | ^
            let x = 1;
            SELECT 1 AS a;
            x = 5;
            SELECT x;

        "#]],
    );
    reads(
        "let n = select max(a) from t\nn = n + 1\nselec n\nlet m = select 1\nm = 2\nselect m",
        expect![[r#"
            error[42601]: expected a statement, found `selec`
             --> 3:1
              |
            3 | selec n
              | ^^^^^
              = help: did you mean `SELECT`?
            let n = SELECT max(a) FROM t;
            n = n + 1;
            let m = SELECT 1;
            m = 2;
            SELECT m;

        "#]],
    );
    reads(
        "x = x\n(select 1)\nselect from where\ny = y\n(select 2)",
        expect![[r#"
            error[42601]: expected an expression after `SELECT`, found `from`
             --> 3:8
              |
            3 | select from where
              |        ^^^^
            x = x;
            SELECT 1;

        "#]],
    );
}
