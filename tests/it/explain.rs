//! What EXPLAIN shows: goldens of pipelines, and the shape of the JSON.
//!
//! Times differ from run to run, so numbers before `µs` and `ms` are taken out of the texts.

use std::fs;

use super::golden;
use super::run::gobi;

/// Name of the golden, and the query.
const CASES: &[(&str, &str)] = &[
    ("filter", "SELECT name FROM 'people.csv' WHERE age > 35"),
    (
        "aggregate",
        "SELECT city, count(*), sum(age) FROM 'people.csv' GROUP BY city",
    ),
    (
        "join",
        "SELECT p.name, c.country FROM 'people.csv' p JOIN 'cities.csv' c ON p.city = c.city",
    ),
    (
        "semi_join",
        "SELECT name FROM 'people.csv' WHERE city IN (SELECT city FROM 'cities.csv')",
    ),
    ("top_n", "SELECT name FROM 'people.csv' ORDER BY age DESC LIMIT 2"),
    (
        "scalar_subquery",
        "SELECT name FROM 'people.csv' WHERE age > (SELECT avg(age) FROM 'people.csv')",
    ),
];

#[test]
fn pipelines_match_their_goldens() {
    let folder = folder();
    let mut failures = Vec::new();
    for (name, query) in CASES {
        let ran = gobi(folder.path(), &["explain", query]);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        let text = format!("{query}\n\n{}", without_times(&ran.out));
        failures.extend(golden::difference(&format!("explain/{name}.txt"), &text));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_statement_says_what_the_command_says() {
    let folder = folder();
    let command = gobi(folder.path(), &["explain", "SELECT sum(age) FROM 'people.csv'"]);
    let statement = gobi(
        folder.path(),
        &["-c", "EXPLAIN SELECT sum(age) FROM 'people.csv'", "--format", "csv"],
    );
    let lines: Vec<String> = super::data::read_csv(&statement.out)
        .into_iter()
        .skip(1)
        .map(|row| row.concat())
        .collect();
    assert_eq!(
        without_times(&command.out),
        without_times(&format!("{}\n", lines.join("\n")))
    );
}

#[test]
fn jit_shows_every_level_of_code() {
    let folder = folder();
    let ran = gobi(
        folder.path(),
        &[
            "--jit",
            "on",
            "explain",
            "--jit",
            "SELECT sum(age) FROM 'people.csv' WHERE age > 35",
        ],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for part in ["pipeline 0", "IR", "CLIF", "machine code", "compiled in", "sum"] {
        assert!(ran.out.contains(part), "`{part}` is missing:\n{}", ran.out);
    }
}

#[test]
fn json_has_the_same_for_tools() {
    let folder = folder();
    let query = "SELECT sum(age) FROM 'people.csv' WHERE age > 35";
    let ran = gobi(
        folder.path(),
        &[
            "--jit",
            "on",
            "explain",
            "--jit",
            "--analyze",
            "--format",
            "json",
            query,
        ],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let pipeline = &value["pipelines"][0];
    assert!(pipeline["compile_us"].is_u64());
    assert_eq!(pipeline["operators"][0]["rows"], 3, "{value:#}");
    for code in ["ir", "clif", "machine"] {
        assert!(!pipeline["code"][code].as_array().unwrap().is_empty(), "{code}");
    }
    for phase in ["parse", "bind", "optimize", "compile", "run"] {
        assert!(value["phases_ms"][phase].is_f64(), "{phase}");
    }
}

#[test]
fn analyze_counts_rows_and_bytes() {
    let folder = folder();
    let copied = gobi(folder.path(), &["-c", "COPY (FROM 'people.csv') TO 'people.parquet'"]);
    assert_eq!(copied.code, Some(0), "{}", copied.err);
    let query = "SELECT name FROM 'people.parquet' WHERE age > 35";
    let ran = gobi(folder.path(), &["explain", "--analyze", query]);
    assert!(
        ran.out.contains("3 rows") && ran.out.contains("2 rows") && ran.out.contains(" read"),
        "{}",
        ran.out
    );
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("people.csv", "name,age,city\nAda,36,London\nBo,30,Oslo\nCai,41,Rome\n");
    write("cities.csv", "city,country\nLondon,UK\nOslo,Norway\nRome,Italy\n");
    folder
}

/// Numbers before a unit of time become `_`.
fn without_times(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let unit = |word: &str| ["µs", "ms", "µs,", "ms,"].contains(&word);
        let is_time = |i: usize| words.get(i + 1).is_some_and(|next| unit(next));
        let words = words
            .iter()
            .enumerate()
            .map(|(i, word)| if is_time(i) { "_" } else { word });
        out.push(words.collect::<Vec<_>>().join(" "));
    }
    out.join("\n") + "\n"
}
