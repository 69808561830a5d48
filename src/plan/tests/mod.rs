//! Goldens of bound and optimised plans, and of what is said about queries that cannot be bound.

mod cases;
mod queries;
mod tpch;

use expect_test::{Expect, expect, expect_file};
use gobi_grammar::ast::{self, StatementKind};
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
    let mut tables = Tpch::new();
    match bound(sql, Dialect::Grizzly) {
        Ok(query) => {
            let query = optimize(query, &mut tables);
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
    check_bound(
        "select 1",
        expect![[r#"
        Project 1
          Values [] 1 rows
    "#]],
    );
}

/// Each query, then its plan or what is wrong with it.
fn report(cases: &[&str], dialect: Dialect) -> String {
    let mut out = String::new();
    for sql in cases {
        let text = match bound(sql, dialect) {
            Ok(query) => explain::text(&query, &|_| None),
            Err(errors) => diagnostics(sql, &errors),
        };
        out.push_str(&format!("-- {sql}\n{text}\n"));
    }
    out
}

#[test]
fn bound_plans() {
    expect_file!["goldens/bound.txt"].assert_eq(&report(cases::BOUND, Dialect::Grizzly));
}

#[test]
fn bound_plans_ansi() {
    expect_file!["goldens/ansi.txt"].assert_eq(&report(cases::ANSI, Dialect::Ansi));
}

#[test]
fn errors() {
    expect_file!["goldens/errors.txt"].assert_eq(&report(cases::ERRORS, Dialect::Grizzly));
}

#[test]
fn rules() {
    let plans: Vec<String> = cases::RULES
        .iter()
        .map(|sql| format!("-- {sql}\n{}\n", optimized(sql)))
        .collect();
    expect_file!["goldens/rules.txt"].assert_eq(&plans.concat());
}

/// The operand of a select list's only item, repeated.
fn lengthened(sql: &str, times: usize) -> ast::Query {
    let parsed = gobi_grammar::parse(sql, Dialect::Grizzly);
    let Some(StatementKind::Query(mut query)) = parsed.statements.into_iter().map(|s| s.kind).next() else {
        panic!("not a query: {sql}");
    };
    if let ast::QueryBody::Select(select) = &mut query.body
        && let Some(ast::SelectItem::Expr { expr, .. }) = select.items.first_mut()
    {
        match &mut expr.kind {
            ast::ExprKind::Chain { rest, .. } => *rest = vec![rest[0].clone(); times],
            ast::ExprKind::And(items) | ast::ExprKind::Or(items) => *items = vec![items[0].clone(); times],
            other => panic!("not a list: {other:?}"),
        }
    }
    query
}

#[test]
fn long_chains_stay_flat() {
    for expr in [
        "l_tax + 1",
        "l_tax > 0 and true",
        "l_quantity = 1 or true",
        "l_tax > 1 or true",
    ] {
        let query = lengthened(&format!("select {expr} from lineitem"), 50_000);
        let query = bind(&query, Dialect::Grizzly, &mut Tpch::new()).unwrap();
        optimize(query, &mut Tpch::new());
    }
}
