//! Definitions through the binary: what they write, and what they leave as it was.
//!
//! Does not: show what each form means; `tests/slt/define` does.

use std::path::Path;

use super::run::gobi;
use super::store::{done, lines, now_micros, run};

/// Bytes of the files below a folder, but for the log, whose space is prepared ahead.
fn bytes_below(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes += bytes_below(&path);
        } else if !path.ends_with("log") {
            bytes += path.metadata().unwrap().len();
        }
    }
    bytes
}

#[test]
fn altering_a_table_writes_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE TABLE t AS SELECT range AS a, (range % 100)::smallint AS b, 'text ' || range AS c FROM range(30000)",
    );
    let before = bytes_below(&folder.join("db"));
    assert!(before > 100_000, "{before}");
    // The process that made the table has ended, and the next one has not begun.
    let then = now_micros();
    done(
        folder,
        "ALTER TABLE t ADD d string DEFAULT 'old', ALTER b TYPE bigint; ALTER TABLE t RENAME c TO e; ALTER TABLE t DROP a",
    );
    let written = bytes_below(&folder.join("db")) - before;
    assert!(written < 8192, "{written} bytes");
    assert_eq!(
        lines(folder, "SELECT sum(b), max(e), min(d), count(*) FROM t"),
        "1485000,text 9999,old,30000"
    );
    done(folder, "INSERT INTO t VALUES (100000, 'new', 'new')");
    let past = format!("SELECT *, typeof(b) AS ty FROM t AS OF to_timestamp({then}.0 / 1000000) WHERE a = 7");
    assert_eq!(lines(folder, &past), "7,7,text 7,smallint");
    assert_eq!(lines(folder, "FROM t WHERE b = 100000"), "100000,new,new");
}

#[test]
fn a_plan_names_the_index_that_it_uses() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b string); CREATE INDEX by_a ON t (a, b);
         INSERT INTO t SELECT range, range % 1000, 'b' || range FROM range(50000)",
    );
    let plan = |query: &str| run(folder, "auto", &format!("EXPLAIN {query}")).out;
    for (query, index) in [
        ("SELECT b FROM t WHERE id = 7", Some("t_pkey")),
        ("SELECT b FROM t WHERE id IN (7, 8) AND a > 3", Some("t_pkey")),
        ("SELECT id FROM t WHERE a = 7", Some("by_a")),
        ("SELECT id FROM t WHERE a = 7 AND b > 'b3'", Some("by_a")),
        ("SELECT id FROM t WHERE id BETWEEN 10 AND 20", Some("t_pkey")),
        (
            "SELECT x.b FROM t x JOIN t y ON x.id = y.a WHERE y.id = 5",
            Some("t_pkey"),
        ),
        // As good as all rows, or no first column.
        ("SELECT id FROM t WHERE a > 3", None),
        ("SELECT id FROM t WHERE b = 'b7'", None),
    ] {
        let plan = plan(query);
        match index {
            Some(index) => assert!(plan.contains(&format!("t by index {index} [")), "{query}: {plan}"),
            None => assert!(!plan.contains("by index"), "{query}: {plan}"),
        }
    }
    done(folder, "DROP INDEX by_a");
    assert!(!plan("SELECT id FROM t WHERE a = 7").contains("by index"));
}

#[test]
fn the_schema_makes_the_same_definitions_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(
        folder,
        "CREATE SCHEMA s; CREATE TABLE s.parent (id int PRIMARY KEY, `a b` string NOT NULL UNIQUE);
         CREATE TABLE child (id int, p int DEFAULT 1 + 1 REFERENCES s.parent ON DELETE CASCADE, d decimal(9,2) CHECK (d > 0), g decimal(10,2) GENERATED ALWAYS AS (d * 2), PRIMARY KEY (id, p)) WITH (sort_by = ('d desc', p));
         CREATE INDEX by_d ON child (d, p); CREATE VIEW v (x) AS SELECT id FROM child WHERE d > 1;
         SET dialect = 'ansi'; CREATE VIEW w AS SELECT x / 2 AS \"half of it\" FROM v",
    );
    let schema = |db: &str| gobi(folder, &["-d", db, "schema"]).out;
    let text = schema("db");
    assert!(
        text.contains("CREATE TABLE child (\n    id bigint,\n    p bigint DEFAULT 1 + 1,\n"),
        "{text}"
    );
    std::fs::write(folder.join("schema.sql"), &text).unwrap();
    let made = gobi(folder, &["-d", "other", "run", "schema.sql"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert_eq!(schema("other"), text);
    let one = gobi(folder, &["-d", "db", "schema", "child"]).out;
    assert!(
        one.starts_with("CREATE TABLE child") && one.contains("CREATE INDEX by_d") && !one.contains("VIEW"),
        "{one}"
    );
    assert_eq!(gobi(folder, &["-d", "db", "schema", "chlid"]).code, Some(1));
}

#[test]
fn the_schema_makes_what_a_definition_names_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "upsert function g(x int) => x + 1
         create table t (id int check (g(id) > 0), b int generated always as (g(id)));
         create view v as select g(id) as q from t;
         upsert function k() returns int { return (select count(*) from v) }
         create view w as select k() as n from t;
         create table base (a int);
         audit negative (blocking: false) as select a from base where a < k();
         upsert procedure m <{kind: 'full', audits: ['negative']}> => select a, k() as n from base
         upsert procedure runs() { call m() }
         upsert procedure later <{kind: 'full'}> => select a from models.m
         upsert procedure m <{kind: 'full', audits: ['negative']}> => select a, n from (select a, late(1) as n from base) as x
         set dialect = 'ansi';
         audit positive (on: 'm') as select \"a\" from models.m where a > 1000;";
    let text = text.replace(
        "upsert procedure later",
        "upsert function late(x int) => k() + x\n upsert procedure later",
    );
    std::fs::write(folder.join("made.grz"), text).unwrap();
    let made = gobi(folder, &["-d", "db", "run", "made.grz"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let schema = |db: &str| gobi(folder, &["-d", db, "schema"]).out;
    let text = schema("db");
    for audit in [
        "AUDIT negative (blocking: false) AS SELECT a FROM base WHERE a < k();",
        "SET dialect = 'ansi';\nAUDIT positive (on: 'm') AS SELECT \"a\" FROM models.m WHERE a > 1000;",
    ] {
        assert!(text.contains(audit), "{text}");
    }
    std::fs::write(folder.join("schema.grz"), &text).unwrap();
    let made = gobi(folder, &["-d", "other", "run", "schema.grz"]);
    assert_eq!(made.code, Some(0), "{}{text}", made.err);
    assert_eq!(schema("other"), text);
    let audits = |db: &str| gobi(folder, &["-d", db, "-c", "from gobi.audits order by name"]).out;
    assert_eq!(audits("db"), audits("other"));
}

#[test]
fn the_schema_makes_functions_together_that_call_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "create table log (n int);
         upsert function even(n int) returns boolean => case when n = 0 then true else odd(n - 1) end
         upsert function odd(n int) returns boolean => case when n = 0 then false else even(n - 1) end
         create view evens as select n from log where even(n);
         set dialect = 'ansi';
         create function counted(n int) returns bigint return (select count(*) from evens) + n;
         create function third(n int) returns int return n;
         set dialect = 'grizzly';
         upsert procedure up(n int) { if n < 3 { insert into log values (n); call down(n + 1) } }
         set dialect = 'ansi';
         create or replace procedure down(n int) as { if counted(n) < 100 { call up(n) } };
         set dialect = 'grizzly';
         create or replace function third(n int) returns int return case when n < 3 then n else fourth(n - 3) end;
         create function fourth(n int) returns int return third(n) + counted(0);
         module rates { function vat(n int) returns int => n + 1 }
         create table bill (n int default rates.vat(1), check (rates.vat(n) > 0));
         create table `a.b|c d` (n int);
         upsert procedure note() { insert into log values (new.n) }
         upsert trigger as noted (event: 'insert', target: '`a.b|c d`|bill', call: 'note')";
    std::fs::write(folder.join("made.grz"), text).unwrap();
    let made = gobi(folder, &["-d", "db", "run", "made.grz"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let schema = |db: &str| gobi(folder, &["-d", db, "schema"]).out;
    let text = schema("db");
    std::fs::write(folder.join("schema.grz"), &text).unwrap();
    let made = gobi(folder, &["-d", "other", "run", "schema.grz"]);
    assert_eq!(made.code, Some(0), "{}{text}", made.err);
    assert_eq!(schema("other"), text);
    let called = |db: &str| {
        gobi(
            folder,
            &[
                "-d",
                db,
                "-c",
                "call up(0); select fourth(7), even(4)",
                "--format",
                "csv",
            ],
        )
        .out
    };
    let of_one = called("db");
    assert_eq!((called("other"), of_one.lines().count()), (of_one, 2));
}

#[test]
fn files_are_imported_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(gobi(folder, &["init", "db"]).code, Some(0));
    std::fs::write(folder.join("people.csv"), "name,age\nAda,36\nBo,7\n").unwrap();
    assert_eq!(gobi(folder, &["-d", "db", "import", "people.csv"]).code, Some(0));
    assert_eq!(
        gobi(folder, &["-d", "db", "import", "people.csv", "--table", "people"]).code,
        Some(0)
    );
    assert_eq!(
        lines(folder, "SELECT name, sum(age) FROM people GROUP BY name ORDER BY name"),
        "Ada,72 Bo,14"
    );
    assert_eq!(gobi(folder, &["-d", "db", "export", "people", "out.csv"]).code, Some(0));
    let out = std::fs::read_to_string(folder.join("out.csv")).unwrap();
    assert_eq!(out.lines().count(), 5, "{out}");
    std::fs::write(folder.join("bad.csv"), "name,age\nCy,young\n").unwrap();
    let failed = gobi(folder, &["-d", "db", "import", "bad.csv", "--table", "people"]);
    assert_eq!(failed.code, Some(1));
    assert!(
        failed
            .err
            .contains("bad.csv` line 2: `young` is not a bigint (column `age`)"),
        "{}",
        failed.err
    );
    let listed = gobi(folder, &["-d", "db", "--format", "csv", "table", "list"]).out;
    assert!(listed.contains("main,people,table,4,"), "{listed}");
    assert!(
        gobi(folder, &["-d", "db", "table", "show", "people"])
            .out
            .contains("name")
    );
    assert_eq!(
        gobi(folder, &["init", "."]).code,
        Some(2),
        "the folder holds other files"
    );
}

#[test]
fn the_schema_quotes_whatever_names_need_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("odd.grz"), ODD_NAMES).unwrap();
    let made = gobi(folder, &["-d", "db", "run", "odd.grz"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let schema = |db: &str| gobi(folder, &["-d", db, "schema"]).out;
    let text = schema("db");
    for part in [
        "`from` struct(a bigint, `B c` string, `check` array<struct(`x y` bigint)>)",
        "mm map<`x-y`, struct(`1` bigint)>",
        "a `mod-1`.`t u`",
        "sort_by = ('B c desc', `group`)",
    ] {
        assert!(text.to_lowercase().contains(&part.to_lowercase()), "{text}");
    }
    std::fs::write(folder.join("schema.grz"), &text).unwrap();
    let made = gobi(folder, &["-d", "other", "run", "schema.grz"]);
    assert_eq!(made.code, Some(0), "{}{text}", made.err);
    assert_eq!(schema("other"), text);
    let shown = gobi(
        folder,
        &["-d", "other", "-c", "FROM w; FROM models.seen", "--format", "csv"],
    );
    assert_eq!(
        (shown.code, shown.out.as_str()),
        (Some(0), "of it,a-b,e,end\nid\n"),
        "{}",
        shown.err
    );
}

/// Definitions whose names are words of the language, or have blanks, quotes and signs.
const ODD_NAMES: &str = r#"create schema `a b`;
create table base (id int);
create type `x-y` as enum ('it''s', 'select');
create type `select` as struct(`B c` string, `order` int, `x``y` `x-y`);
create type `deep er` as map<`x-y`, array<struct(`d e` `select`)>>;
type exception as `Odd One`('no')
upsert function `f-g`(`a b` int, `select` string default 'q') => `a b` + 1
upsert function `taken from`(s struct(`B c` string)) returns array<struct(`k l` int)> { return [{`k l`: length(s.`B c`)}] }
create table `a b`.`t-1` (
  `from` struct(a int, `B c` string, `check` array<struct(`x y` int)>),
  `x-y` `x-y` default 'it''s',
  m map<string, `select`>,
  mm map<`x-y`, struct(`1` int)>,
  arr array<`x-y`>,
  `primary` int default `f-g`(1) check (`f-g`(`primary`) > 0 and `primary` > 1),
  `a``b` int,
  `it's` int generated always as (`a``b` + `primary`),
  `constraint` `deep er`,
  `Ünï` int,
  constraint `my-check` check (`a``b` > 0 or (`from`).`B c` = 'x'),
  constraint `the key` primary key (`a``b`),
  unique (`primary`, `Ünï`)
) with (sort_by = ('a`b desc'));
create table `order` (`group` int references `a b`.`t-1` (`a``b`), `B c` string, `when` int) with (partition_by = (`B c`), sort_by = ('B c desc', `group`));
create index `by-it` on `order` (`group`, `B c`);
create view `a b`.`v 1` (`x y`, `select`) as select `from`.`B c`, cast({`q r`: 1, x: 2} as struct(`q r` int, x int)) as k from `a b`.`t-1` where `a``b` > 1;
create view w as select `x y` as `of it`, `select`.`q r` as `a-b`, 'it''s'::`x-y` as e, [1]::array<int> as `end` from `a b`.`v 1`;
upsert procedure `p-q` <{ kind: 'view', target: 'a b.m-v' }> => select `of it` from w
upsert procedure seen <{ kind: 'view' }> => select id from base
create view above as from models.seen;
create table t2 (`if` int, `let` int, `match` int, `end` int, `index` int, `values` int, `default` int, `null` int, `true` int, `struct` int, `map` int, `array` int, `generated` int, `references` int, `unique` int, `foreign` int, `timestamp` int, `interval` int, `date` int, `enum` int, `current_date` int, `not` int, `as` int, `using` int, `is` int, `time` int);
create table t3 (a struct(`if` int, `let` int, `match` int, `end` int, `index` int, `values` int, `default` int, `null` int, `true` int, `struct` int, `map` int, `array` int, `generated` int, `references` int, `unique` int, `foreign` int, `timestamp` int, `interval` int, `date` int, `enum` int, `current_date` int, `not` int, `as` int, `double` int, `character` int, `time` int));
module `mod-1` { type enum as `T u`('a','b'); function `f h`(x int) => x + 1 }
create table t4 (a `mod-1`.`T u`);
set dialect = 'ansi';
create table "an si" ("A b" int default "f-g"(2), "select" struct("q w" int) , check ("A b" > 0));
create view "an v" as select "A b" as "of it", cast(null as struct("q w" int)) as r from "an si";
"#;
