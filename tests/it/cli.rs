//! The binary from outside: exit codes, formats, the line protocol, pipes, `fmt`, `bench`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::run::{Ran, command, gobi, gobi_with_input};

const PEOPLE: &str = "name,age,city\nAda,36,London\nBo,,Oslo\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("people.csv"), PEOPLE).unwrap();
    folder
}

/// Runs a script that must succeed; gives its standard output.
fn output(folder: &Path, args: &[&str]) -> String {
    let ran = gobi(folder, args);
    assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
    ran.out
}

#[test]
fn procedures_are_profiled_in_a_format() {
    let folder = folder();
    let text = "upsert procedure p(n int) returns int { let x = 1; x + n }";
    output(folder.path(), &["-d", "db", "-c", text]);
    let shown = output(
        folder.path(),
        &["-d", "db", "procedures", "profile", "p", "-5", "--format", "csv"],
    );
    assert!(shown.starts_with("`p`(-5)\n-4\nline,calls,"), "{shown}");
}

#[test]
fn what_a_module_has_is_shown_compared_and_profiled() {
    let folder = folder();
    let text = "create table t (a int); module m {
  function f(x int) => x + 1
  procedure p(x int) {
    insert into t values (f(x))
  }
}";
    output(folder.path(), &["-d", "db", "-c", text]);
    let of = |args: &[&str]| output(folder.path(), &[&["-d", "db", "--format", "csv"], args].concat());
    assert_eq!(of(&["functions", "show", "m.f"]), "function f(x int) => x + 1\n");
    assert_eq!(
        of(&["functions", "diff", "m.f"]),
        "change,line\n+,function f(x int) => x + 1\n"
    );
    let profile = of(&["procedures", "profile", "m.p", "3"]);
    let line = profile.lines().find(|line| line.contains("insert into")).unwrap();
    assert!(line.starts_with("4,1,1,"), "{profile}");
}

#[test]
fn an_argument_of_a_procedure_is_one_expression() {
    let folder = folder();
    let text = "create table t (a int); upsert function g(x int) => x + 1";
    output(folder.path(), &["-d", "db", "-c", text]);
    let run = |arg: &str| {
        gobi(
            folder.path(),
            &["-d", "db", "functions", "run", "g", arg, "--format", "csv"],
        )
    };
    for arg in ["5", "x: 5", "(2 + 3)", "g(4)"] {
        let ran = run(arg);
        assert!(ran.out.ends_with("\n6\n"), "{arg}: {}{}", ran.out, ran.err);
    }
    for arg in [
        "5); drop table t; --",
        "5, 6",
        "",
        "5) as of (now()",
        "5 -- five",
        "g(5",
        "5); g(5",
    ] {
        let ran = run(arg);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arg}");
        assert!(
            ran.err.contains(&format!("the argument `{arg}` is not one expression")),
            "{}",
            ran.err
        );
    }
    let ran = gobi(
        folder.path(),
        &[
            "-d",
            "db",
            "functions",
            "diff",
            "g",
            "--from",
            "now()",
            "--to",
            "now(); drop table t",
        ],
    );
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    output(folder.path(), &["-d", "db", "-c", "from t"]);
}

#[test]
fn check_looks_at_what_is_computed_again() {
    let text = "create table raw (at timestamp);
upsert procedure m <{ kind: 'incremental_by_time_range', time_column: 'at', start: '2026-01-01' }> => from raw
upsert procedure full <{ kind: 'full' }> => from raw
let d = date '2026-01-01'
call m() restate from date to date '2026-02-01'
call full() restate from d to date '2026-02-01'
call m() restate from d to date '2026-02-01'
call m() restate from 'x' to date '2026-02-01'
";
    let (places, told) = places(text);
    assert_eq!(places, ["5:23", "6:1", "8:23"], "{told}");
}

#[test]
fn check_knows_the_points_that_a_script_makes() {
    let text = "create table t (a int);
snapshot 's1'
create watermark w on t
upsert procedure p() returns int {
  let n = select count(*) from t as of tag 's1'
  let m = select count(*) from t changes since watermark w where _op = 'insert'
  return n + m
}
select b from t as of tag 's1';
upsert function bad() returns int => (select count(*) from t as of tag 's2')
drop snapshot 's1';
";
    let (places, told) = places(text);
    assert_eq!(places, ["9:8", "10:60"], "{told}");
}

/// Where `check` finds something in a text, and all that it says.
fn places(text: &str) -> (Vec<String>, String) {
    let folder = folder();
    fs::write(folder.path().join("s.grz"), text).unwrap();
    let ran = gobi(folder.path(), &["check", "s.grz"]);
    let places = ran
        .err
        .lines()
        .filter_map(|line| line.trim().strip_prefix("--> s.grz:"));
    (places.map(str::to_owned).collect(), ran.err)
}

#[test]
fn check_knows_the_types_of_variables_in_blocks() {
    let text = "create table t (id int primary key, v int)
procedure p(x) { insert into t values (x.id, 1); update t set v = x.v where id = x.id }
for i in range(2) { let row = {id: i, v: i * 2}; insert into t values (row.id, row.v); p(row) }
if true { let arr = [5, 6]; insert into t select value, 1 from {arr}; update t set v = 0 where id in (select value from {arr}) }
if true { let m = map{'a': 7}; insert into t (id) values (m['a']) }
try { let k = [9]; delete from t where id in (select value from {k}) } catch e { let m = [e.message]; update t set v = length(m[1]) }
if true { let row = {id: 1}; update t set v = row.w }
for i in range(2) { let row = {id: i}; delete from t where nope = row.id }
";
    let (places, said) = places(text);
    assert_eq!(places, ["7:51", "8:60"], "{said}");
}

#[test]
fn check_knows_what_blocks_make() {
    let made = "upsert procedure make() { create table made (a int); insert into made values (1) }
upsert procedure make_more() { create table more (a int); make(); drop table more }
if true { create table inside (a int); insert into inside values (1) } from inside;
for i in range(1) { make(); create table one as select i as n; create view seen as select n from one; insert into one values (1); alter table one add column k int }
from made; from seen; select k from one;
if true { drop table made; create schema s; create table s.q (a int) } make_more(); from made; from s.q;
try { create table t (a int); throw 'x' } catch e { }
create table t (a int, b int); select b from t;
match 1 { 1 => { create table arm (a int); insert into arm values (1) }, _ => {} } from arm;
select 1 as x then { create table w (a int) } from w;
function local() { create temp table lo (a int) } if true { local() } from lo;
upsert procedure make_it() { create table it (a int) } if true { call make_it() } from it;
let z = valued(); function valued() { create table va (a int); return 1 } from va;
";
    let temporary = "create temp table tmp (a int); insert into tmp values (1); let rows = {tmp}
for r in {rows} { insert into tmp select a + 10 from {rows} where a = r.a; update temp.tmp set a = 2; delete from tmp where a = 3 }
if true { merge into tmp using (select 1 as n) s on s.n = tmp.a when matched then update set a = 4 }
";
    let elsewhere = "create table y (a int); create branch d; snapshot 's';
use branch d; create table x (a int); use branch main; create table x (b string); select b from x;
rollback to tag 's'; create table x (c int); select c from x;
";
    for text in [made, temporary, elsewhere] {
        let (places, said) = places(text);
        assert!(places.is_empty(), "{said}");
    }
    let wrong = "create temp table tmp (a int); if true { update tmp set b = 2 }
if true { create table inside (a int) } select b from inside;
create table t (a int); if true { create table t (b int) }
create table t (c int);
";
    let (places, said) = places(wrong);
    assert_eq!(places, ["1:57", "2:48", "4:14"], "{said}");
}

#[test]
fn check_tells_all_errors_of_a_body() {
    let text = "create table t (id int primary key, v int)
upsert procedure f() { update t set w = 1; delete from tt; select nope from t; call zz(); let q = foo + 1; insert into t values (1,2,3) }
upsert procedure g() {
  let q = foo + 1
  update t set v = q, w = 2
  let arr = [nope]
  insert into t select value, 1 from {arr}
  update t set v = v + 1 where z = 1
  for r in (select bad from t) { create table made (a int); delete from t where id = r.bad }
  delete from made where a = 1
}
upsert procedure two() { update t set a = 1; update t set b = 2; call two(1) }
if true { update t set w = 1; select nope from t; let q = foo; delete from t where id = q; delete from tt }
for i in range(2) { let row = {id: i}; update t set v = row.w; delete from t where id = row.id and wat = 1 }
";
    let (places, said) = places(text);
    let expected = [
        "2:37", "2:56", "2:67", "2:85", "2:99", "2:130", "4:11", "6:14", "8:32", "9:20", "12:39", "12:59", "12:71",
        "13:24", "13:38", "13:59", "13:104", "14:61", "14:100",
    ];
    assert_eq!(places, expected, "{said}");
}

#[test]
fn procedures_change_rows_of_attached_databases() {
    let folder = folder();
    output(folder.path(), &["-d", "other", "-c", "create table x (a int)"]);
    let text = "attach 'other' as other;
upsert procedure p() { insert into other.x values (1); update other.x set a = 3; delete from other.x where a = 1 }
p(); select a from other.x;";
    let shown = output(folder.path(), &["-d", "db", "--format", "csv", "-c", text]);
    assert!(shown.ends_with("a\n3\n"), "{shown}");
}

#[test]
fn check_tells_what_is_missing_once() {
    let text = "let a = nosuch(1)
let b = a + 1
create table made as select nosuch(2) as x;
select x + b from made;
truncate gone;
copy gone from 'gone.csv';
select a + b + other;
upsert function even(n int) returns boolean => odd(n - 1) and nosuch
upsert function odd(n int) returns boolean => even(n - 1)
select odd(3);
";
    let (places, told) = places(text);
    assert_eq!(places, ["1:9", "3:29", "5:10", "6:6", "7:16", "8:63"], "{told}");
}

#[test]
fn an_error_of_what_is_explained_has_its_place() {
    let folder = folder();
    let text = "upsert procedure p(n int) returns int {\n  let y = 1 div (n - n)\n  y }";
    output(folder.path(), &["-d", "db", "-c", text]);
    let ran = gobi(
        folder.path(),
        &["-d", "db", "explain", "--analyze", "--jit", "call p(20)"],
    );
    assert_eq!(ran.code, Some(1));
    let (message, place) = ("in `p`, line 2, column 11: division by zero", "1:1");
    assert!(ran.err.contains(message) && ran.err.contains(place), "{}", ran.err);
}

#[test]
fn tests_have_names_of_their_own() {
    let folder = folder();
    let text = "test a { assert 1 = 1 }\ntest b { assert 1 = 1 }\ntest a { assert 1 = 1 }\n";
    fs::write(folder.path().join("twice.grz"), text).unwrap();
    let ran = gobi(folder.path(), &["test", "twice.grz"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains("there is a test `a` already"),
        "{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn tests_leave_branches_alone() {
    let folder = folder();
    output(
        folder.path(),
        &["-d", "db", "-c", "CREATE TABLE s (a int); INSERT INTO s VALUES (1)"],
    );
    let scripts = [
        "use branch main; delete from s;",
        "create branch b;",
        "drop branch main;",
        "merge branch main;",
        "create snapshot q;",
        "drop snapshot q;",
        "vacuum;",
        "test x { use branch main }",
    ];
    for script in scripts {
        fs::write(folder.path().join("beyond.grz"), script).unwrap();
        let ran = gobi(folder.path(), &["-d", "db", "test", "beyond.grz"]);
        assert_eq!(ran.code, Some(1), "{script}");
        assert!(ran.err.contains("0A000"), "{script}: {}{}", ran.out, ran.err);
    }
    let there = output(folder.path(), &["-d", "db", "--format", "csv", "-c", "FROM s"]);
    assert_eq!(there.trim(), "a\n1");
    // In memory all of it goes anyway.
    fs::write(
        folder.path().join("memory.grz"),
        "create schema x; create branch b; test y { assert true }",
    )
    .unwrap();
    assert_eq!(gobi(folder.path(), &["test", "memory.grz"]).code, Some(0));
}

#[test]
fn exit_codes() {
    let folder = folder();
    let code = |args: &[&str]| gobi(folder.path(), args).code;
    assert_eq!(code(&["-c", "SELECT 1"]), Some(0));
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["-c", "SELECT"]), Some(1));
    assert_eq!(code(&["-c", "SELECT 1/0"]), Some(1));
    assert_eq!(code(&["--format", "xml", "-c", "SELECT 1"]), Some(2));
    assert_eq!(code(&["--threads", "none", "-c", "SELECT 1"]), Some(2));
    assert_eq!(code(&["frobnicate"]), Some(2));
    assert_eq!(code(&["run"]), Some(2));
    assert_eq!(code(&["run", "nowhere.sql"]), Some(2));
    assert_eq!(code(&["-c", "SELECT 1", "demo"]), Some(2));
    assert_eq!(code(&["bench", "--queries", "nowhere"]), Some(2));
    assert_eq!(code(&["--format", "csv", "explain", "SELECT 1"]), Some(2));
}

#[test]
fn nested_values_pass_through_joins_sorts_and_files() {
    let folder = folder();
    let lines = "{\"a\":[1,2],\"b\":{\"c\":1}}\n{\"a\":[],\"b\":{\"c\":null}}\n{\"b\":{\"c\":7}}\n";
    fs::write(folder.path().join("n.jsonl"), lines).unwrap();
    output(folder.path(), &["-c", "COPY (FROM 'n.jsonl') TO 'n.parquet'"]);
    for jit in ["on", "off"] {
        let args = ["--jit", jit, "--format", "json", "-c", "FROM 'n.parquet'"];
        let expected = json!([{"a": [1, 2], "b": {"c": 1}}, {"a": [], "b": {"c": null}}, {"a": null, "b": {"c": 7}}]);
        assert_eq!(
            serde_json::from_str::<Value>(&output(folder.path(), &args)).unwrap(),
            expected
        );
        let paired = "SELECT x.b, y.a FROM 'n.jsonl' x, 'n.parquet' y ORDER BY y.a DESC LIMIT 1";
        let args = ["--jit", jit, "--format", "json", "-c", paired];
        let found = serde_json::from_str::<Value>(&output(folder.path(), &args)).unwrap();
        assert_eq!(found[0]["a"], json!([1, 2]));
    }
    let query = "SELECT a, b.c, count(*) AS n FROM 'n.jsonl' GROUP BY ALL ORDER BY a LIMIT 1";
    let grouped = output(folder.path(), &["--format", "json", "-c", query]);
    assert_eq!(
        serde_json::from_str::<Value>(&grouped).unwrap(),
        json!([{"a": [], "c": null, "n": 1}])
    );
}

#[test]
fn every_command_has_help_with_an_example() {
    let folder = folder();
    for name in ["run", "repl", "explain", "bench", "fmt", "completions", "demo"] {
        for flag in ["-h", "--help"] {
            let help = output(folder.path(), &[name, flag]);
            assert!(
                help.contains("Example") && help.contains("\n  gobi "),
                "{name} {flag}:\n{help}"
            );
        }
    }
}

#[test]
fn formats() {
    let folder = folder();
    let query = "SELECT name, age, 1.50 AS price FROM 'people.csv' ORDER BY name";
    let check = |format: &str, expected: expect_test::Expect| {
        expected.assert_eq(&output(folder.path(), &["-c", query, "--format", format]));
    };
    check(
        "table",
        expect_test::expect![[r"
             name |  age | price
            ------+------+-------
             Ada  |   36 |  1.50
             Bo   | NULL |  1.50
            (2 rows)
        "]],
    );
    check(
        "box",
        expect_test::expect![[r"
            ┌────────┬────────┬──────────────┐
            │ name   │    age │        price │
            │ string │ bigint │ decimal(3,2) │
            ├────────┼────────┼──────────────┤
            │ Ada    │     36 │         1.50 │
            │ Bo     │   NULL │         1.50 │
            └────────┴────────┴──────────────┘
            (2 rows)
        "]],
    );
    check(
        "csv",
        expect_test::expect![[r"
            name,age,price
            Ada,36,1.50
            Bo,,1.50
        "]],
    );
    check(
        "tsv",
        expect_test::expect!["name\tage\tprice\nAda\t36\t1.50\nBo\t\t1.50\n"],
    );
    check(
        "json",
        expect_test::expect![[r#"
            [{"name":"Ada","age":36,"price":1.50},
             {"name":"Bo","age":null,"price":1.50}]
        "#]],
    );
    check(
        "jsonl",
        expect_test::expect![[r#"
            {"name":"Ada","age":36,"price":1.50}
            {"name":"Bo","age":null,"price":1.50}
        "#]],
    );
    check(
        "markdown",
        expect_test::expect![[r"
            | name |  age | price |
            | ---- | ---: | ----: |
            | Ada  |   36 |  1.50 |
            | Bo   | NULL |  1.50 |
        "]],
    );
}

#[test]
fn binary_formats_can_be_read_again() {
    let folder = folder();
    for (format, file) in [("parquet", "out.parquet"), ("arrow", "out.arrow")] {
        let mut command = command(folder.path());
        command.args(["-c", "FROM 'people.csv'", "--format", format]);
        let target = fs::File::create(folder.path().join(file)).unwrap();
        assert!(command.stdout(target).status().unwrap().success());
        let again = output(folder.path(), &["-c", &format!("FROM '{file}'"), "--format", "csv"]);
        assert_eq!(again, PEOPLE, "{format}");
    }
}

#[test]
fn an_empty_result_still_has_its_header() {
    let folder = folder();
    let query = "SELECT name FROM 'people.csv' WHERE age > 100";
    assert_eq!(output(folder.path(), &["-c", query, "--format", "csv"]), "name\n");
    assert_eq!(output(folder.path(), &["-c", query, "--format", "json"]), "[]\n");
    assert_eq!(output(folder.path(), &["-c", query]), " name\n------\n(0 rows)\n");
}

#[test]
fn a_script_stops_at_its_first_error() {
    let folder = folder();
    let ran = gobi(
        folder.path(),
        &["--format", "csv", "-c", "SELECT 1 AS a; SELECT 1/0 AS b; SELECT 3 AS c"],
    );
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "a\n1\n"), "{}", ran.err);
    let ran = gobi(folder.path(), &["--format", "csv", "-c", "SELECT 1 AS a; SELECT 2 AS"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(1), ""),
        "a syntax error runs nothing: {}",
        ran.err
    );
}

#[test]
fn scripts_share_a_session() {
    let folder = folder();
    let out = output(
        folder.path(),
        &["--format", "csv", "-c", "SET threads = 1", "-c", "SHOW threads"],
    );
    assert_eq!(out, "threads\n1\n");
}

#[test]
fn the_dialect_changes_within_a_script() {
    let folder = folder();
    let script = "SELECT \"a\" AS x; SET dialect = 'ansi'; SELECT 7 / 2 AS \"x y\"";
    assert_eq!(
        output(folder.path(), &["--format", "csv", "-c", script]),
        "x\na\nx y\n3\n"
    );
}

#[test]
fn a_folder_is_tables() {
    let folder = folder();
    let parent = folder.path().parent().unwrap();
    let name = folder.path().to_str().unwrap();
    assert_eq!(
        output(
            parent,
            &["-d", name, "--format", "csv", "-c", "FROM people SELECT count(*) AS n"]
        ),
        "n\n2\n"
    );
    let ran = gobi(parent, &["-d", name, "-c", "FROM peple"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("42P01") && ran.err.contains("`people`"), "{}", ran.err);
}

#[test]
fn rows_written_are_told_on_standard_error() {
    let folder = folder();
    let ran = gobi(folder.path(), &["-c", "COPY (FROM 'people.csv') TO 'copy.csv'"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(0), "", "2 rows written\n")
    );
    assert_eq!(fs::read_to_string(folder.path().join("copy.csv")).unwrap(), PEOPLE);
}

#[test]
fn a_failed_copy_leaves_the_target_as_it_was() {
    let folder = folder();
    fs::write(folder.path().join("target.csv"), "old\n").unwrap();
    let ran = gobi(
        folder.path(),
        &[
            "-c",
            "COPY (SELECT 10 % (age - 36) AS n FROM 'people.csv') TO 'target.csv'",
        ],
    );
    assert_eq!(ran.code, Some(1));
    assert_eq!(fs::read_to_string(folder.path().join("target.csv")).unwrap(), "old\n");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "no temporary file is left"
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = folder();
    for format in ["csv", "table", "json", "jsonl", "arrow", "parquet"] {
        let mut command = command(folder.path());
        command.args(["--format", format, "-c", "FROM range(0, 3000000)"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut head = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut head).unwrap();
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{format}");
        assert_eq!(String::from_utf8(done.stderr).unwrap(), "", "{format}");
    }
}

#[test]
fn standard_input_is_a_script() {
    let folder = folder();
    let run = |args: &[&str], input: &str| gobi_with_input(folder.path(), args, input.as_bytes());
    assert_eq!(run(&["run", "-", "--format", "csv"], "SELECT 1 AS a").out, "a\n1\n");
    assert_eq!(
        run(&["--format", "csv"], "SELECT 1 AS a;\nSELECT 2\nAS b").out,
        "a\n1\nb\n2\n"
    );
    let ran = run(&["repl", "--format", "csv"], "SELECT 1/0;\nSELECT 2 AS b;\n");
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(1), "b\n2\n"),
        "an error does not end the session: {}",
        ran.err
    );
}

// ---------------------------------------------------------------- line protocol

/// A running `gobi repl --format json`.
struct Protocol {
    child: std::process::Child,
    replies: BufReader<std::process::ChildStdout>,
}

impl Protocol {
    fn start(folder: &Path) -> Self {
        let mut command = command(folder);
        command.args(["repl", "--format", "json"]);
        Self::of(command)
    }

    fn of(mut command: std::process::Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let replies = BufReader::new(child.stdout.take().unwrap());
        Self { child, replies }
    }

    /// Sends a line and waits for its reply: each must come before the next request is sent.
    fn ask(&mut self, line: &str) -> Value {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
        let mut reply = String::new();
        self.replies.read_line(&mut reply).unwrap();
        serde_json::from_str(&reply).unwrap()
    }

    fn sql(&mut self, sql: &str) -> Value {
        self.ask(&json!({ "sql": sql }).to_string())
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn the_line_protocol_answers_each_request() {
    let folder = folder();
    let mut protocol = Protocol::start(folder.path());
    assert_eq!(
        protocol.sql("SELECT name, age, DATE '2024-02-29' AS day FROM 'people.csv' ORDER BY name"),
        json!({
            "ok": true,
            "columns": [
                {"name": "name", "type": "string"}, {"name": "age", "type": "bigint"}, {"name": "day", "type": "date"},
            ],
            "rows": [["Ada", 36, "2024-02-29"], ["Bo", null, "2024-02-29"]],
            "rows_affected": 0,
        })
    );
    assert_eq!(
        protocol.sql("COPY (FROM 'people.csv') TO 'copy.parquet'"),
        json!({"ok": true, "columns": [], "rows": [], "rows_affected": 2})
    );
    let reply = protocol.sql("SELECT name,\n       nme FROM 'people.csv'");
    assert_eq!(reply["ok"], false);
    assert_eq!(
        (
            &reply["error"]["code"],
            &reply["error"]["line"],
            &reply["error"]["column"]
        ),
        (&json!("42703"), &json!(2), &json!(8))
    );
    assert!(reply["error"]["message"].as_str().unwrap().contains("`nme`"), "{reply}");
    assert_eq!(
        protocol.sql("SELECT 1 AS a; SELECT true AS b")["rows"],
        json!([[true]]),
        "the last result counts"
    );
    protocol.end();
}

#[test]
fn each_connection_is_a_session() {
    let folder = folder();
    let mut protocol = Protocol::start(folder.path());
    protocol.ask(r#"{"sql": "SET threads = 1", "conn": "a"}"#);
    assert_eq!(
        protocol.ask(r#"{"sql": "SHOW threads", "conn": "a"}"#)["rows"],
        json!([["1"]])
    );
    assert_eq!(
        protocol.ask(r#"{"sql": "SHOW threads", "conn": "b"}"#)["rows"],
        json!([["auto"]])
    );
    assert_eq!(protocol.ask(r#"{"sql": "SHOW threads"}"#)["rows"], json!([["auto"]]));
    protocol.end();
}

#[test]
fn no_connection_waits_for_another() {
    let folder = folder();
    let mut command = command(folder.path());
    command.args(["-d", "db", "repl", "--format", "json"]);
    let mut protocol = Protocol::of(command);
    protocol.sql("CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t VALUES (1, 1), (2, 2)");
    protocol.ask(r#"{"sql": "BEGIN; UPDATE t SET b = 2 WHERE a = 1", "conn": "a"}"#);
    let refused = protocol.ask(r#"{"sql": "UPDATE t SET b = 3 WHERE a = 1", "conn": "b"}"#);
    assert_eq!(refused["error"]["code"], "55P03", "{refused}");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("the row with key (a) = (1) of `t` is held by"),
        "{message}"
    );
    let other = protocol.ask(r#"{"sql": "UPDATE t SET b = 3 WHERE a = 2", "conn": "b"}"#);
    assert_eq!(other["ok"], true, "{other}");
    protocol.ask(r#"{"sql": "COMMIT", "conn": "a"}"#);
    let again = protocol.ask(r#"{"sql": "UPDATE t SET b = b + 1 WHERE a = 1", "conn": "b"}"#);
    assert_eq!(again["rows_affected"], 1, "{again}");
    assert_eq!(protocol.sql("SELECT b FROM t ORDER BY a")["rows"], json!([[3], [3]]));
    // A call that runs by itself may wait, and goes by its own name.
    protocol.sql("upsert procedure p(x int) returns int { UPDATE t SET b = x WHERE a = 1; x }");
    protocol.ask(r#"{"sql": "BEGIN; UPDATE t SET b = 5 WHERE a = 1", "conn": "a"}"#);
    protocol.ask(r#"{"sql": "let f = spawn p(7)", "conn": "b"}"#);
    let waits = loop {
        let locks = protocol.sql("SHOW LOCKS");
        let rows = locks["rows"].as_array().unwrap().clone();
        if let Some(row) = rows.into_iter().find(|row| row[1] == "waits") {
            break row;
        }
    };
    assert_eq!(waits[6], "p(7)", "{waits}");
    protocol.ask(r#"{"sql": "ROLLBACK", "conn": "a"}"#);
    let done = protocol.ask(r#"{"sql": "await f", "conn": "b"}"#);
    assert_eq!(done["rows"], json!([[7]]), "{done}");
    protocol.end();
}

#[test]
fn a_malformed_request_is_answered_too() {
    let folder = folder();
    let mut protocol = Protocol::start(folder.path());
    for line in [
        "not json",
        "{}",
        "[]",
        r#"{"sql": 1}"#,
        r#"{"sql": "SELECT 1", "x": 1}"#,
    ] {
        let reply = protocol.ask(line);
        assert_eq!(
            (&reply["ok"], &reply["error"]["code"]),
            (&json!(false), &json!("08P01")),
            "{line}: {reply}"
        );
    }
    assert_eq!(protocol.sql("SELECT true")["rows"], json!([[true]]));
    protocol.end();
}

// ---------------------------------------------------------------- fmt

#[test]
fn fmt_rewrites_in_place_and_checks() {
    let folder = folder();
    let path = folder.path().join("a.sql");
    fs::write(&path, "select   1 -- one\n").unwrap();
    let ran = gobi(folder.path(), &["fmt", "--check", "a.sql"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), "a.sql would be reformatted\n"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "select   1 -- one\n");

    output(folder.path(), &["fmt", "a.sql"]);
    let formatted = fs::read_to_string(&path).unwrap();
    assert!(
        formatted.contains("SELECT 1") && formatted.contains(';') && formatted.contains("-- one"),
        "{formatted}"
    );
    output(folder.path(), &["fmt", "--check", "a.sql"]);
}

#[test]
fn fmt_leaves_a_script_with_errors() {
    let folder = folder();
    fs::write(folder.path().join("bad.sql"), "select (").unwrap();
    let ran = gobi(folder.path(), &["fmt", "bad.sql"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains("error[42601]") && ran.err.contains("bad.sql:1:"),
        "{}",
        ran.err
    );
    assert_eq!(fs::read_to_string(folder.path().join("bad.sql")).unwrap(), "select (");
}

#[test]
fn fmt_reads_standard_input() {
    let folder = folder();
    let Ran { code, out, .. } = gobi_with_input(folder.path(), &["fmt", "-"], b"select 1");
    assert_eq!((code, out.as_str()), (Some(0), "SELECT 1;\n"));
}

// ---------------------------------------------------------------- bench

#[test]
fn bench_prints_json_and_writes_answers() {
    let folder = folder();
    let queries = folder.path().join("queries");
    fs::create_dir(&queries).unwrap();
    fs::write(
        queries.join("q01.sql"),
        "SELECT name, age, 1.50 AS price FROM people ORDER BY name",
    )
    .unwrap();
    fs::write(queries.join("q02.sql"), "SELECT count(*) AS n FROM people").unwrap();
    fs::write(queries.join("notes.txt"), "not a query").unwrap();
    fs::write(folder.path().join("setup.sql"), "SET threads = 1").unwrap();
    for cold in [false, true] {
        let mut args = vec![
            "-d",
            ".",
            "bench",
            "--queries",
            "queries",
            "--runs",
            "3",
            "--warmup",
            "2",
        ];
        args.extend(["--setup", "setup.sql", "--results", "answers"]);
        args.extend(cold.then_some("--cold"));
        let report: Value = serde_json::from_str(&output(folder.path(), &args)).unwrap();
        assert!(report["peak_memory_bytes"].is_u64() || cfg!(not(target_os = "linux")));
        let queries = report["queries"].as_array().unwrap();
        assert_eq!(queries.len(), 2);
        for (query, (name, rows)) in queries.iter().zip([("q01", 2), ("q02", 1)]) {
            assert_eq!((&query["name"], &query["rows"]), (&json!(name), &json!(rows)));
            assert_eq!(query["runs_ms"].as_array().unwrap().len(), 3);
            assert!(query["median_ms"].is_f64() && query["min_ms"].is_f64());
            for phase in ["parse", "bind", "optimize", "compile", "run"] {
                assert!(query["phases_ms"][phase].is_f64(), "{phase}");
            }
        }
        let answer = fs::read_to_string(folder.path().join("answers/q01.csv")).unwrap();
        assert_eq!(answer, "name,age,price\nAda,36,1.50\nBo,NULL,1.50\n");
    }
}

#[test]
fn bench_reports_a_query_that_fails_and_times_the_others() {
    let folder = folder();
    fs::write(folder.path().join("bad.sql"), "SELECT 1/0").unwrap();
    fs::write(folder.path().join("good.sql"), "SELECT 1").unwrap();
    let ran = gobi(folder.path(), &["bench", "--queries", ".", "--runs", "1"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains("error[22012]") && ran.err.contains("bad.sql"),
        "{}",
        ran.err
    );
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["queries"].as_array().unwrap().len(), 1);
}

// ---------------------------------------------------------------- memory

#[test]
fn a_query_over_its_memory_limit_names_the_operator_and_the_next_one_works() {
    let folder = folder();
    let mut protocol = Protocol::start(folder.path());
    protocol.sql("SET memory_limit = '4MB'");
    let reply = protocol.sql("SELECT range, count(*) FROM range(0, 2000000) GROUP BY range");
    assert_eq!(reply["error"]["code"], "53200", "{reply}");
    assert!(
        reply["error"]["message"].as_str().unwrap().contains("aggregat"),
        "{reply}"
    );
    assert_eq!(
        protocol.sql("SELECT count(*) AS n FROM range(0, 1000)")["rows"],
        json!([[1000]])
    );
    protocol.end();
}

// ---------------------------------------------------------------- completions

#[test]
fn completions_for_every_shell() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            output(folder.path(), &["completions", shell]).contains("gobi"),
            "{shell}"
        );
    }
}

#[test]
fn a_function_that_spawns_itself_reads_what_it_spawns() {
    let folder = folder();
    let text =
        "upsert function w(n int) returns int { if n = 0 { return 0 } let f = spawn w(n - 1); return 1 + await f }
upsert function v(n int) { if n = 0 { return 0 } let g = 5; let h = v(n - 1); return 1 + h }
";
    fs::write(folder.path().join("w.grz"), text).unwrap();
    let ran = gobi(folder.path(), &["check", "w.grz"]);
    assert_eq!(ran.err.matches("is never read").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("--> w.grz:2:54"), "{}", ran.err);
}

/// What looks like the name of an exception, and is none, is told by RUN and by CHECK, with its place and once; names for the error are not.
#[test]
fn names_behind_catch_that_are_no_exceptions_are_told() {
    let folder = folder();
    let text = "type exception as NoStock('none left')
function f() raises NoStock { throw NoStock() }
try { f() } catch NoStok { let x = 1 }
try { f() } catch Gone { let x = 1 }
try { f() } catch DivisionByZero { let x = 1 } catch nostock { let x = 1 }
let y = try f() catch { NoStoc => 1, _ => 2 }
function g() { try { f() } catch NoStocks { return 3 } return 4 }
let z = [g(), g()]
";
    let fine = "type exception as NoStock('none left')
type exception as E('short')
function f() raises NoStock { throw NoStock() }
try { f() } catch e { let x = 1 }
try { f() } catch E2 { let x = E2.message }
try { f() } catch err { let x = 1 }
try { f() } catch NoStocks { let x = 'caught: ' + NoStocks }
try { f() } catch NoStock { let x = 1 } catch error { let x = 1 }
try { throw Undeclared('x') } catch Undeclared { let x = 1 }
let y = try f() catch { NoStock => 1, Other => 2, _ => 3 }
";
    fs::write(folder.path().join("told.grz"), text).unwrap();
    fs::write(folder.path().join("fine.grz"), fine).unwrap();
    for args in [&["check", "told.grz"][..], &["run", "told.grz"]] {
        let ran = gobi(folder.path(), args);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        for (place, name, help) in [
            ("3:19", "NoStok", "did you mean `NoStock`?"),
            ("4:19", "Gone", "declare it: `type exception as Gone"),
            ("5:54", "nostock", "did you mean `NoStock`?"),
            ("6:25", "NoStoc", "did you mean `NoStock`?"),
            ("7:34", "NoStocks", "did you mean `NoStock`?"),
        ] {
            let about = format!("`{name}` is the name of no exception");
            assert_eq!(ran.err.matches(&about).count(), 1, "{name}: {}", ran.err);
            assert!(ran.err.contains(&format!("told.grz:{place}")), "{place}: {}", ran.err);
            assert!(ran.err.contains(help), "{help}: {}", ran.err);
        }
    }
    for args in [&["check", "fine.grz"][..], &["run", "fine.grz"]] {
        let ran = gobi(folder.path(), args);
        assert!(!ran.err.contains("name of no exception"), "{}", ran.err);
    }
}

/// Arms of MATCH that an earlier one leaves nothing, in queries and in bodies.
#[test]
fn arms_that_are_never_reached_are_told() {
    let folder = folder();
    let text = "select range match { 1..3 -> 'few', 2 -> 'two', _ -> 'many' } as a from range(3);
function f(x int) => x match {
  1 -> { 'one' },
  2 if x > 5 -> 'no',
  2 -> 'two',
  1 | 2 -> 'again',
  _ -> 'other'
}
select f(2)
";
    fs::write(folder.path().join("arms.grz"), text).unwrap();
    for args in [&["check", "arms.grz"][..], &["run", "arms.grz"]] {
        let ran = gobi(folder.path(), args);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert_eq!(ran.err.matches("this arm is never reached").count(), 2, "{}", ran.err);
        assert!(
            ran.err.contains("arms.grz:1:37") && ran.err.contains("arms.grz:6:3"),
            "{}",
            ran.err
        );
        assert!(ran.err.contains("---- this one takes what it matches"), "{}", ran.err);
    }
}

#[test]
fn arguments_of_calls_may_be_negative() {
    let folder = folder();
    output(
        folder.path(),
        &["-d", "db", "-c", "upsert function dbl(x int) returns int => x * 2"],
    );
    let shown = output(
        folder.path(),
        &["-d", "db", "--format", "csv", "functions", "run", "dbl", "-5"],
    );
    assert!(shown.ends_with("-10\n"), "{shown}");
}
