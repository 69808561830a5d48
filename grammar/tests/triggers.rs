//! Triggers: what they are read as, and printed as.

use gobi_grammar::{Dialect, parse, print, render};

fn check(script: &str, expected: &str) {
    let parsed = parse(script, Dialect::Grizzly);
    let errors = render::render(script, None, &parsed.diagnostics, false);
    let text = print(&parsed.statements, Dialect::Grizzly);
    assert_eq!(format!("{text}{errors}"), expected);
    assert_eq!(parse(&text, Dialect::Grizzly).statements, parsed.statements, "{text}");
}

#[test]
fn both_forms() {
    check(
        "upsert TRIGGER t as (timing: before, event: 'insert|update', for: 'row', when: NEW.a > 1, of: [a], args: {n: 2},)",
        "upsert trigger as t (timing: before, event: 'insert|update', for: 'row', when: NEW.a > 1, of: [a], args: {n: 2});\n",
    );
    check(
        "create or replace trigger t before insert or update of a, b or delete on s.orders for each row when (new.a is null) execute function p(1, n: 2)",
        "CREATE OR REPLACE TRIGGER t BEFORE INSERT OR UPDATE OF a, b OR DELETE ON s.orders FOR EACH ROW WHEN (new.a IS NULL) EXECUTE PROCEDURE p(1, n: 2);\n",
    );
    check(
        "create trigger if not exists t after update on v referencing old table as old_rows new table new_rows execute procedure p()",
        "CREATE TRIGGER IF NOT EXISTS t AFTER UPDATE ON v REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE PROCEDURE p();\n",
    );
    check(
        "create trigger t instead of upsert on v for statement execute procedure p()",
        "CREATE TRIGGER t INSTEAD OF UPSERT ON v FOR EACH STATEMENT EXECUTE PROCEDURE p();\n",
    );
}

#[test]
fn small_ones() {
    check(
        "enable trigger a\ndisable trigger b; drop trigger if exists t on orders cascade",
        "ENABLE TRIGGER a;\nDISABLE TRIGGER b;\nDROP TRIGGER IF EXISTS t ON orders CASCADE;\n",
    );
}

#[test]
fn on_goes_with_triggers() {
    check(
        "drop table t on u",
        "error[42601]: `ON` stands behind the name of a trigger only\n --> 1:14\n  |\n1 | drop table t on u\n  |              ^^^^\n",
    );
}
