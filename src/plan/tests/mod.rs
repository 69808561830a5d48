//! Goldens of bound and optimised plans, and of what is said about queries that cannot be bound.

mod queries;
mod tpch;

use expect_test::{Expect, expect};
use gobi_grammar::ast::StatementKind;
use gobi_grammar::{Diagnostic, Dialect};

use super::logical::Query;
use super::{bind, explain};
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

#[test]
fn tpch_binds() {
    for (name, sql) in queries::TPCH {
        match bound(sql, Dialect::Grizzly) {
            Ok(query) => println!("{name}\n{}", explain::text(&query, &|_| None)),
            Err(errors) => println!("{name}\n{}", diagnostics(sql, &errors)),
        }
    }
}

#[test]
fn constants() {
    check_bound("select 1", expect![[""]]);
}
