//! Blocks, control flow, functions and procedures: what they are read as, and printed as.

use gobi_grammar::ast::StatementKind;
use gobi_grammar::{Dialect, parse, print, render};

/// The canonical text of a script, which has to be read as the same tree.
fn canonical(script: &str) -> String {
    let parsed = parse(script, Dialect::Grizzly);
    let shown = render::render(script, None, &parsed.diagnostics, false);
    assert!(parsed.diagnostics.is_empty(), "{script}\n{shown}");
    let text = print(&parsed.statements, Dialect::Grizzly);
    let again = parse(&text, Dialect::Grizzly);
    let shown = render::render(&text, None, &again.diagnostics, false);
    assert!(again.diagnostics.is_empty(), "{text}\n{shown}");
    assert_eq!(again.statements, parsed.statements, "{text}");
    text
}

fn check(script: &str, expected: &str) {
    assert_eq!(canonical(script), expected);
}

#[test]
fn variables() {
    check("let x = 1", "let x = 1;\n");
    check(
        "let x: decimal(10,2) = 1.5; x := 2",
        "let x: decimal(10, 2) = 1.5;\nx = 2;\n",
    );
    check(
        "let n = select count(*) from t; a[0].b = n",
        "let n = SELECT count(*) FROM t;\na[0].b = n;\n",
    );
    check(
        "let x = 1\nlet y = x + 1\nx = y\nf(x)",
        "let x = 1;\nlet y = x + 1;\nx = y;\nf(x);\n",
    );
}

#[test]
fn branches_and_loops() {
    check(
        "if a > 1 { b = 2 } elif c { b = 3; } else { b = 4 }",
        "if a > 1 { b = 2; } elif c { b = 3; } else { b = 4; };\n",
    );
    check(
        "if a then b = 1; c = 2 elif d then b = 3 else e() end; let z = 1",
        "if a { b = 1; c = 2; } elif d { b = 3; } else { e(); };\nlet z = 1;\n",
    );
    check(
        "while i < 10 { i = i + 1; if i = 5 { break } continue }",
        "while i < 10 { i = i + 1; if i = 5 { break; }; continue; };\n",
    );
    check(
        "for x in range(1, 10) { s = s + x }",
        "for x in range(1, 10) { s = s + x; };\n",
    );
    check(
        "for r in (select a from t) union all select b from u { s = s + r.a }",
        "for r in (SELECT a FROM t) UNION ALL SELECT b FROM u { s = s + r.a; };\n",
    );
    check("let n = (select a from t) + 1", "let n = (SELECT a FROM t) + 1;\n");
    check(
        "for r in select a from t order by a { s = s + r.a }",
        "for r in SELECT a FROM t ORDER BY a { s = s + r.a; };\n",
    );
    check(
        "if not exists (select 1 from t) { x = 1 }",
        "if NOT EXISTS (SELECT 1 FROM t) { x = 1; };\n",
    );
}

#[test]
fn functions() {
    check(
        "function add(a int, b: int = 2) returns int { return a + b }",
        "function add(a: int, b: int = 2) returns int { return a + b; };\n",
    );
    check(
        "function f(x) => x * 2\nselect f(2)",
        "function f(x) => x * 2;\nSELECT f(2);\n",
    );
    check(
        "function area <Circle>() raises Bad, Worse returns double as sync { self.r * 2 }",
        "function area <circle>() raises Bad, Worse returns double as sync { self.r * 2; };\n",
    );
    check(
        "upsert procedure daily as <{kind: 'full', key: ['id']}> (src string) returns void { delete from t; insert into t select 1 }",
        "upsert procedure daily as <{kind: 'full', key: ['id']}>(src: string) returns void { DELETE FROM t; INSERT INTO t SELECT 1; };\n",
    );
    check(
        "upsert procedure as p (a int) { a }",
        "upsert procedure p(a: int) { a; };\n",
    );
    check(
        "CREATE OR REPLACE FUNCTION f(a int) RETURNS int RETURN a + 1",
        "create or replace function f(a: int) returns int => a + 1;\n",
    );
    check(
        "CREATE PROCEDURE p() AS { call q(1, b: 2) }",
        "create procedure p() { call q(1, b: 2); };\n",
    );
    check("f(a: 1, 2)", "f(a: 1, 2);\n");
}

#[test]
fn match_and_try() {
    check(
        "let v = x match {1 | 2 -> 'a', 90..100 => 'b', n if n > 5 -> 'c', null -> 'd', -3 -> 'e', _ -> 'f'}",
        "let v = x match {1 | 2 -> 'a', 90 .. 100 -> 'b', n if n > 5 -> 'c', NULL -> 'd', -3 -> 'e', _ -> 'f'};\n",
    );
    check(
        "select tier match {'premium' -> 'vip', _ -> 'unknown'} from t",
        "SELECT tier match {'premium' -> 'vip', _ -> 'unknown'} FROM t;\n",
    );
    check("x = try f() ?? 0", "x = try f() ?? 0;\n");
    check(
        "x = try f() catch {NoStock => 1, _ => 2}",
        "x = try f() catch {NoStock => 1, _ => 2};\n",
    );
    check(
        "try { f() } catch e { throw e }",
        "try  { f(); } catch e { throw e; };\n",
    );
    check(
        "type exception as NoStock(\"out\")\nthrow NoStock('x')",
        "type exception as NoStock('out');\nthrow NoStock('x');\n",
    );
    check("assert a = 1, 'message'", "assert a = 1, 'message';\n");
}

#[test]
fn a_block_may_end_where_a_statement_does() {
    check(
        "if a { select 1 from t order by a desc } select 2",
        "if a { SELECT 1 FROM t ORDER BY a DESC; };\nSELECT 2;\n",
    );
    check(
        "function f() { let x = 1\n x }\nfunction g() { f() }",
        "function f() { let x = 1; x; };\nfunction g() { f(); };\n",
    );
    check("while a {}", "while a { };\n");
}

#[test]
fn errors_point_into_blocks() {
    let script = "if a { b c }";
    let parsed = parse(script, Dialect::Grizzly);
    assert_eq!(parsed.diagnostics.len(), 1);
    assert!(
        parsed
            .statements
            .iter()
            .all(|statement| !matches!(statement.kind, StatementKind::If(_)))
    );
    let script = "function f( { 1 }";
    assert_eq!(parse(script, Dialect::Grizzly).diagnostics.len(), 1);
}
