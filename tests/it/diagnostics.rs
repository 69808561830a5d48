//! What a user sees when something is wrong: one golden for each code and situation, in `tests/golden/diagnostics`.
//!
//! Each case is run through the binary; its exit code must be 1 and its standard output empty. `GOBI_BLESS=1` writes the
//! goldens.

use std::fs;
use std::path::Path;

use super::golden;
use super::run::{Ran, command, finish, gobi};

/// Name of the golden, and the script.
const CASES: &[(&str, &str)] = &[
    // Syntax.
    ("syntax_unknown_statement", "SELEC 1"),
    ("syntax_missing_select_list", "SELECT FROM 'people.csv' WHERE"),
    ("syntax_unterminated_string", "SELECT 'abc"),
    ("syntax_unclosed_parenthesis", "SELECT (1 + 2"),
    (
        "syntax_several_errors",
        "SELECT 1 +;\nSELECT 2;\nSELECT * FORM 'people.csv'",
    ),
    ("syntax_second_line", "SELECT 1,\n       2 +* 3"),
    // Names.
    ("unknown_column", "SELECT nme FROM 'people.csv'"),
    (
        "unknown_columns_all_at_once",
        "SELECT nme, aeg FROM 'people.csv' WHERE ctiy = 'Rome'",
    ),
    ("unknown_table", "SELECT * FROM poeple"),
    ("unknown_function", "SELECT uper(name) FROM 'people.csv'"),
    ("unknown_qualifier", "SELECT q.name FROM 'people.csv' AS p"),
    (
        "ambiguous_column",
        "SELECT name FROM 'people.csv' AS a, 'people.csv' AS b",
    ),
    ("unknown_setting", "SET thread = 2"),
    ("bad_setting_value", "SET jit = 'maybe'"),
    ("unknown_type", "SELECT 1 :: intger"),
    // Types.
    ("type_mismatch_arithmetic", "SELECT name * 2 FROM 'people.csv'"),
    (
        "type_mismatch_comparison",
        "SELECT name FROM 'people.csv' WHERE name > DATE '2020-01-01'",
    ),
    ("type_where_not_boolean", "SELECT name FROM 'people.csv' WHERE age"),
    ("type_concat_booleans", "SELECT true || false"),
    ("wrong_argument_count", "SELECT length('a', 'b')"),
    ("aggregate_in_where", "SELECT name FROM 'people.csv' WHERE count(*) > 1"),
    ("not_grouped", "SELECT name, count(*) FROM 'people.csv' GROUP BY city"),
    ("union_width", "SELECT 1 UNION ALL SELECT 1, 2"),
    ("order_by_position", "SELECT 1 ORDER BY 2"),
    // Values.
    ("division_by_zero", "SELECT 1/0"),
    ("division_by_zero_in_a_row", "SELECT 10 % (age - 30) FROM 'people.csv'"),
    ("overflow", "SELECT 9223372036854775807 + age FROM 'people.csv'"),
    ("overflow_cast", "SELECT 300 :: tinyint"),
    ("bad_cast", "SELECT name :: int FROM 'people.csv'"),
    ("bad_date", "SELECT DATE '2021-02-30'"),
    (
        "several_rows_in_a_scalar_subquery",
        "SELECT (SELECT name FROM 'people.csv')",
    ),
    // Files.
    ("missing_file", "SELECT * FROM 'nowhere.parquet'"),
    ("missing_glob", "SELECT * FROM 'nowhere/*.csv'"),
    ("truncated_parquet", "SELECT * FROM 'truncated.parquet'"),
    ("not_parquet", "SELECT * FROM 'text.parquet'"),
    ("csv_bad_row", "SELECT * FROM 'bad_row.csv'"),
    ("csv_bad_value", "SELECT sum(n) FROM 'bad_value.csv'"),
    ("csv_not_utf8", "SELECT * FROM 'latin1.csv'"),
    ("json_bad_line", "SELECT * FROM 'bad.jsonl'"),
    ("copy_to_missing_folder", "COPY (SELECT 1 AS a) TO 'nowhere/a.csv'"),
    ("copy_unknown_format", "COPY (SELECT 1 AS a) TO 'a.xyz'"),
    // Not supported.
    ("unsupported_create_table", "CREATE TABLE t (a int)"),
    ("unsupported_insert", "INSERT INTO t VALUES (1)"),
    (
        "window_in_where",
        "SELECT name FROM 'people.csv' WHERE rank() OVER (ORDER BY name) = 1",
    ),
    (
        "rollup_without_column",
        "SELECT name, count(*) FROM 'people.csv' GROUP BY ROLLUP (city)",
    ),
    (
        "unsupported_recursive",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT (SELECT max(n) FROM t) + 1 FROM t) SELECT * FROM t",
    ),
    ("unsupported_show", "SHOW EXTENSIONS"),
];

#[test]
fn every_case_matches_its_golden() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let mut failures = Vec::new();
    for (name, script) in CASES {
        let ran = gobi(folder.path(), &["-c", script]);
        let text = format!("{script}\n\n{}", shown(&ran, folder.path()));
        if ran.code != Some(1) || !ran.out.is_empty() {
            failures.push(format!("{name}: exit code {:?}, output {:?}", ran.code, ran.out));
        }
        failures.extend(golden::difference(&format!("diagnostics/{name}.txt"), &text));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_golden_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/diagnostics");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(CASES.iter().any(|(case, _)| *case == name), "{name} has no case");
    }
}

#[test]
fn ten_thousand_levels_are_a_diagnostic() {
    let folder = tempfile::tempdir().unwrap();
    let depth = 10_000;
    let nested =
        |open: &str, inner: &str, close: &str| format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth));
    for script in [
        nested("(", "1", ")"),
        nested("[", "1", "]"),
        nested("not ", "true", ""),
        nested("- ", "1", ""),
        nested("CASE WHEN true THEN ", "1", " END"),
        nested("(SELECT ", "1", ")"),
        nested("f(", "1", ")"),
    ] {
        fs::write(folder.path().join("deep.sql"), &script).unwrap();
        let ran = gobi(folder.path(), &["run", "deep.sql"]);
        assert_eq!(
            ran.code,
            Some(1),
            "{}: {}",
            &script[..30],
            ran.err.chars().take(500).collect::<String>()
        );
        assert!(
            ran.err.starts_with("error[54001]"),
            "{}",
            ran.err.chars().take(500).collect::<String>()
        );
    }
}

#[test]
fn a_long_sum_is_no_deep_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("sum.sql"),
        format!("SELECT 1{} AS n", " + 1".repeat(49_999)),
    )
    .unwrap();
    let ran = gobi(folder.path(), &["run", "sum.sql", "--format", "csv"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(0), "n\n50000\n"),
        "{}",
        ran.err.chars().take(500).collect::<String>()
    );
}

#[test]
fn a_script_that_is_not_utf8_is_a_diagnostic() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("latin1.sql"), b"SELECT 1;\nSELECT 'caf\xe9'").unwrap();
    let ran = gobi(folder.path(), &["run", "latin1.sql"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains("error[22021]") && ran.err.contains("latin1.sql:2:12"),
        "{}",
        ran.err
    );
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf8_is_a_diagnostic() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.arg("-c").arg(std::ffi::OsStr::from_bytes(b"SELECT '\xff'"));
    let ran = finish(command, b"");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("error[22021]"), "{}", ran.err);
}

/// Standard error, with the folder's own name taken out.
fn shown(ran: &Ran, folder: &Path) -> String {
    let canonical = folder.canonicalize().unwrap();
    ran.err
        .replace(canonical.to_str().unwrap(), "$DIR")
        .replace(folder.to_str().unwrap(), "$DIR")
}

/// The files that the cases name.
fn prepare(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    write("people.csv", b"name,age,city\nAda,36,London\nBo,30,Oslo\nCai,41,Rome\n");
    let ran = gobi(folder, &["-c", "COPY (FROM 'people.csv') TO 'people.parquet'"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let parquet = fs::read(folder.join("people.parquet")).unwrap();
    write("truncated.parquet", &parquet[..parquet.len() * 2 / 3]);
    write("text.parquet", b"this is a text\n");
    write("bad_row.csv", b"a,b\n1,2\n3,4,5\n6,7\n");
    let mut rows = String::from("n\n");
    (0..100_000).for_each(|n| rows.push_str(&format!("{n}\n")));
    rows.push_str("many\n");
    write("bad_value.csv", rows.as_bytes());
    write("latin1.csv", b"name\ncaf\xe9\n");
    write("bad.jsonl", b"{\"a\": 1}\n{\"a\": 2\n{\"a\": 3}\n");
}
