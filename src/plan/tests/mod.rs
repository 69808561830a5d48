//! Goldens of bound and optimised plans, and of what is said about queries that cannot be bound.

mod queries;
mod tpch;

use expect_test::{Expect, expect, expect_file};
use gobi_grammar::ast::StatementKind;
use gobi_grammar::{Diagnostic, Dialect};

use super::logical::Query;
use super::{bind, estimate, explain, optimize};
use tpch::Tpch;

fn bound(sql: &str, dialect: Dialect) -> Result<Query, Vec<Diagnostic>> {
    let parsed = gobi_grammar::parse(sql, dialect);
    assert_eq!(parsed.diagnostics, [], "{sql}");
    match &parsed.statements[0].kind {
        StatementKind::Query(query) => bind(query, dialect, &mut Tpch::new()),
        other => panic!("not a query: {other:?}"),
    }
}

fn diagnostics(sql: &str, errors: &[Diagnostic]) -> String {
    let mut out = String::new();
    for error in errors {
        let span = error.span();
        let at = &sql[span.start as usize..span.end as usize];
        out.push_str(&format!("{} {} @ {at}\n", error.code, error.message));
        if let Some(help) = &error.help {
            out.push_str(&format!("  help: {help}\n"));
        }
    }
    out
}

fn check_bound(sql: &str, expected: Expect) {
    let text = match bound(sql, Dialect::Grizzly) {
        Ok(query) => explain::text(&query, &|_| None),
        Err(errors) => diagnostics(sql, &errors),
    };
    expected.assert_eq(&text);
}

/// The bound plan, then the optimised one with estimates.
fn optimized(sql: &str) -> String {
    let tables = Tpch::new();
    match bound(sql, Dialect::Grizzly) {
        Ok(query) => {
            let query = optimize(query, &tables);
            explain::text(&query, &|plan| Some(estimate::rows(plan, &tables)))
        }
        Err(errors) => diagnostics(sql, &errors),
    }
}

#[test]
fn tpch_plans() {
    let mut all = String::new();
    for (name, sql) in queries::TPCH {
        all.push_str(&format!("-- {name}\n{}\n", optimized(sql)));
    }
    expect_file!["goldens/tpch.txt"].assert_eq(&all);
}

#[test]
fn constants() {
    check_bound("select 1", expect![[r#"
        Project 1
          Values [] 1 rows
    "#]]);
}
