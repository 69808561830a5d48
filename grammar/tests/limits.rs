//! Nesting is bounded by an error, length is not bounded at all.

use gobi_grammar::ast::{ExprKind, QueryBody, SelectItem, StatementKind};
use gobi_grammar::{Dialect, Parsed, format, parse};

type Shape = (&'static str, fn(usize) -> String);

fn around(head: &str, open: &str, middle: &str, close: &str, levels: usize) -> String {
    format!("{head}{}{middle}{}", open.repeat(levels), close.repeat(levels))
}

const SHAPES: &[Shape] = &[
    ("parentheses", |n| around("SELECT ", "(", "1", ")", n)),
    ("parentheses never closed", |n| around("SELECT ", "(", "1", "", n)),
    ("arrays", |n| around("SELECT ", "[", "1", "]", n)),
    ("structs", |n| around("SELECT ", "{a: ", "1", "}", n)),
    ("subqueries", |n| around("", "SELECT (", "SELECT 1", ")", n)),
    ("derived tables", |n| around("", "SELECT * FROM (", "SELECT 1", ")", n)),
    ("nested queries", |n| around("", "(", "SELECT 1", ")", n)),
    ("exists", |n| around("", "SELECT EXISTS (", "SELECT 1", ")", n)),
    ("cte", |n| around("", "WITH a AS (", "SELECT 1", ") SELECT 1", n)),
    ("case arms", |n| around("SELECT ", "CASE WHEN a THEN ", "1", " END", n)),
    ("case operands", |n| {
        around("SELECT ", "CASE ", "1", " WHEN 1 THEN 2 END", n)
    }),
    ("not", |n| around("SELECT ", "NOT ", "a", "", n)),
    ("bang", |n| around("SELECT ", "! ", "a", "", n)),
    ("minus", |n| around("SELECT ", "- ", "a", "", n)),
    ("calls", |n| around("SELECT ", "f(", "1", ")", n)),
    ("in lists", |n| around("SELECT ", "a IN (", "1", ")", n)),
    ("subscripts", |n| around("SELECT ", "a[", "1", "]", n)),
    ("subscripts in a row", |n| around("SELECT a", "[0]", "", "", n)),
    ("casts", |n| around("SELECT a", "::int", "", "", n)),
    ("cast calls", |n| around("SELECT ", "CAST(", "1", " AS int)", n)),
    ("types", |n| around("SELECT a::", "array<", "int", ">", n)),
    ("methods", |n| around("SELECT a", ".f()", "", "", n)),
    ("joins", |n| around("SELECT 1 FROM a ", "CROSS JOIN b ", "", "", n)),
    ("lateral", |n| around("SELECT 1 FROM a ", ", LATERAL b ", "", "", n)),
    ("set operations", |n| {
        around("SELECT 1 ", "UNION SELECT 1 EXCEPT SELECT 2 ", "", "", n / 2)
    }),
    ("points in time", |n| around("FROM t AS OF ", "(", "1", ")", n)),
    ("as of", |n| around("", "AS OF 1 FROM (", "SELECT 1", ")", n)),
    ("inserted values", |n| {
        format!("INSERT INTO t VALUES ({})", around("", "(", "1", ")", n))
    }),
    ("defaults", |n| {
        format!("CREATE TABLE t (a int DEFAULT {})", around("", "(", "1", ")", n))
    }),
    ("inserted queries", |n| {
        around("INSERT INTO t ", "SELECT (", "SELECT 1", ")", n)
    }),
    ("set", |n| around("UPDATE t SET a = ", "f(", "1", ")", n)),
    ("changes in with", |n| {
        around("", "WITH a AS (", "INSERT INTO t VALUES (1)", ") SELECT 1", n)
    }),
    ("with before a change", |n| {
        around("WITH a AS (SELECT ", "(", "1", ")", n) + ") DELETE FROM t"
    }),
    ("blocks", |n| around("", "if a {", "", "}", n)),
];

/// Everything runs on a thread with a small stack, as it may in a server.
fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .expect("a thread");
    assert!(thread.join().is_ok());
}

fn grizzly(text: &str) -> Parsed {
    parse(text, Dialect::Grizzly)
}

#[test]
fn two_hundred_and_forty_levels_are_read() {
    on_small_stack(|| {
        for (name, shape) in SHAPES.iter().filter(|(name, _)| *name != "parentheses never closed") {
            let text = shape(240);
            let parsed = grizzly(&text);
            assert_eq!(parsed.diagnostics, [], "{name}");
            assert_eq!(parsed.statements.len(), 1, "{name}");
            let copy = parsed.statements.clone();
            assert_eq!(copy, parsed.statements, "{name}");
        }
    });
}

#[test]
fn ten_thousand_levels_are_one_error() {
    on_small_stack(|| {
        for (name, shape) in SHAPES {
            let parsed = grizzly(&shape(10_000));
            let depth: Vec<_> = parsed
                .diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.code == "54001")
                .collect();
            assert_eq!(depth.len(), 1, "{name}: {:?}", parsed.diagnostics.first());
            assert_eq!(depth[0].message, "statement is nested too deeply");
            assert!(depth[0].labels[0].text.contains("256"), "{name}");
            assert!(parsed.statements.is_empty(), "{name}");
        }
    });
}

#[test]
fn a_deep_statement_does_not_hide_its_neighbours() {
    let deep = around("SELECT ", "(", "1", ")", 1000);
    let parsed = grizzly(&format!("SELECT 1;\n{deep};\nSELECT 2;\nSELEC 3;\n{deep}"));
    assert_eq!(parsed.statements.len(), 2);
    let codes: Vec<_> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["54001", "42601", "54001"]);
}

#[test]
fn signs_and_brackets_add_up() {
    let text = format!("SELECT {}1{}", "(- - - -".repeat(100), ")".repeat(100));
    assert_eq!(grizzly(&text).diagnostics[0].code, "54001");
}

fn first_expr(parsed: &Parsed) -> &ExprKind {
    let StatementKind::Query(query) = &parsed.statements[0].kind else {
        panic!("not a query")
    };
    let QueryBody::Select(select) = &query.body else {
        panic!("not a SELECT")
    };
    let SelectItem::Expr { expr, .. } = &select.items[0] else {
        panic!("not an expression")
    };
    &expr.kind
}

#[test]
fn fifty_thousand_terms_are_one_flat_list() {
    const TERMS: usize = 50_000;
    on_small_stack(|| {
        let sum = grizzly(&around("SELECT 1", " + 1", "", "", TERMS));
        assert!(matches!(first_expr(&sum), ExprKind::Chain { rest, .. } if rest.len() == TERMS));
        let all = grizzly(&around("SELECT a", " AND a", "", "", TERMS));
        assert!(matches!(first_expr(&all), ExprKind::And(operands) if operands.len() == TERMS + 1));
        let any = grizzly(&around("SELECT a", " OR a", "", "", TERMS));
        assert!(matches!(first_expr(&any), ExprKind::Or(operands) if operands.len() == TERMS + 1));
        let list = grizzly(&format!("SELECT a IN (1{})", ", 1".repeat(TERMS)));
        assert!(matches!(first_expr(&list), ExprKind::InList { list, .. } if list.len() == TERMS + 1));
        let union = grizzly(&around("SELECT 1", " UNION ALL SELECT 1", "", "", TERMS / 10));
        assert_eq!(union.diagnostics, []);
    });
}

#[test]
fn many_errors_are_cut_off() {
    let parsed = grizzly(&"SELEC 1;\n".repeat(10_000));
    assert_eq!(parsed.diagnostics.len(), 100);
}

#[test]
fn deep_scripts_can_be_laid_out() {
    on_small_stack(|| {
        for (name, shape) in SHAPES.iter().filter(|(name, _)| *name != "parentheses never closed") {
            let text = shape(100);
            let formatted = format(&text, Dialect::Grizzly).expect("well formed");
            assert_eq!(grizzly(&formatted).statements, grizzly(&text).statements, "{name}");
        }
    });
}
