//! JSON files from text to rows: lines, arrays, nested values, errors with their lines.

use std::sync::Arc;

use super::super::testing::relation_texts;
use super::super::{FormatError, OpenOptions, Relation, open_on};
use crate::host::real;
use crate::types::LogicalType;

fn open_text(name: &str, text: &str) -> Result<Arc<dyn Relation>, FormatError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    open_on(&*real(), &path.display().to_string(), &OpenOptions::default())
}

fn check(name: &str, text: &str, fields: &[&str], rows: &[&str]) {
    let relation = open_text(name, text).unwrap();
    let columns: Vec<_> = relation
        .schema()
        .iter()
        .map(|field| format!("{} {}", field.name, field.ty))
        .collect();
    assert_eq!(columns, fields, "{text}");
    assert_eq!(relation_texts(&*relation), rows, "{text}");
}

fn error_of(name: &str, text: &str) -> String {
    let error = match open_text(name, text) {
        Err(error) => error,
        Ok(relation) => (0..relation.units())
            .find_map(|unit| relation.read(unit, 0).err())
            .expect("an error"),
    };
    let text = error.to_string();
    text[text.find("` line").unwrap() + 2..].to_string()
}

#[test]
fn lines_and_arrays() {
    let fields = ["id bigint", "name string", "score double", "ok boolean"];
    let rows = ["1 Ann NULL true", "2 NULL 2.5 false", "3 a longer text\n 3.0 NULL"];
    let lines = "{\"id\": 1, \"name\": \"Ann\", \"ok\": true}\n\n{\"id\": 2, \"score\": 2.5, \"name\": null, \"ok\": false}\n\
                 {\"score\": 3, \"name\": \"a longer text\\n\", \"id\": 3}";
    let fields_here = ["id bigint", "name string", "ok boolean", "score double"];
    let rows_here: Vec<String> = rows
        .iter()
        .map(|row| {
            let (rest, ok) = row.rsplit_once(' ').unwrap();
            let (rest, score) = rest.rsplit_once(' ').unwrap();
            format!("{rest} {ok} {score}")
        })
        .collect();
    let rows_here: Vec<&str> = rows_here.iter().map(String::as_str).collect();
    assert_eq!(fields.len(), fields_here.len());
    check("t.jsonl", lines, &fields_here, &rows_here);
    let array = format!("[{}]", lines.replace("}\n", "},\n").replace(",\n\n", ",\n"));
    check("t.json", &array, &fields_here, &rows_here);
}

#[test]
fn without_keys_there_is_one_column() {
    check("t.json", "", &["json string"], &[]);
    check("t.json", "[]", &["json string"], &[]);
    check("t.jsonl", "{}\n{}", &["json string"], &["{}", "{}"]);
}

#[test]
fn texts_of_dates_and_times() {
    check(
        "t.jsonl",
        "{\"d\": \"2024-02-29\", \"t\": \"10:00:00.5\", \"m\": \"2024-02-29\", \"s\": \"2024-02-29\"}\n\
         {\"d\": null, \"t\": \"23:59:59\", \"m\": \"2024-02-29T10:00:00Z\", \"s\": \"10:00:00\"}",
        &["d date", "t time", "m timestamp", "s string"],
        &[
            "2024-02-29 10:00:00.5 2024-02-29 00:00:00 2024-02-29",
            "NULL 23:59:59 2024-02-29 10:00:00 10:00:00",
        ],
    );
}

#[test]
fn integers_of_more_than_64_bits() {
    check(
        "t.jsonl",
        "{\"a\": 9223372036854775808, \"b\": 1, \"c\": 9223372036854775808}\n\
         {\"a\": -99999999999999999999999999999999999999, \"b\": 9223372036854775807, \"c\": 0.5}",
        &["a hugeint", "b bigint", "c double"],
        &[
            "9223372036854775808 1 9.223372036854776e18",
            "-99999999999999999999999999999999999999 9223372036854775807 0.5",
        ],
    );
}

#[test]
fn bare_words_are_doubles() {
    check(
        "t.json",
        "[{\"a\": NaN, \"b\": 1, \"c\": \"NaN\", \"d\": [Infinity]},
          {\"a\": 2, \"b\": -Infinity, \"c\": \"x\", \"d\": [1e3, null]}]",
        &["a double", "b double", "c string", "d array<double>"],
        &["nan 1.0 NaN [inf]", "2.0 -inf x [1000.0, NULL]"],
    );
}

#[test]
fn nested_and_mixed() {
    check(
        "t.json",
        "[{\"who\": {\"name\": \"Ann\", \"age\": 3}, \"tags\": [\"a\", null], \"x\": 1},
          {\"who\": null, \"tags\": [], \"x\": \"one\"}, {\"who\": {\"age\": 4}, \"x\": true}]",
        &["who struct(name string, age bigint)", "tags array<string>", "x string"],
        &[
            "{'name': Ann, 'age': 3} [a, NULL] 1",
            "NULL [] one",
            "{'name': NULL, 'age': 4} NULL true",
        ],
    );
}

#[test]
fn objects_that_are_wanted_as_maps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.jsonl");
    let text = "{\"m\": {\"a\": 1}, \"l\": [{\"k\": \"x\"}]}\n{\"m\": {\"b\": 2, \"c\": null}, \"l\": []}\n{\"m\": null}\n{\"m\": {}}\n";
    std::fs::write(&path, text).unwrap();
    let map = |value| LogicalType::Map(Box::new((LogicalType::String, value)));
    let options = OpenOptions {
        json_types: vec![
            ("m".into(), map(LogicalType::BigInt)),
            ("l".into(), LogicalType::Array(Box::new(map(LogicalType::String)))),
        ],
        ..OpenOptions::default()
    };
    let relation = open_on(&*real(), &path.display().to_string(), &options).unwrap();
    let rows = ["{a=1} [{k=x}]", "{b=2, c=NULL} []", "NULL NULL", "{} NULL"];
    assert_eq!(relation_texts(&*relation), rows);
}

#[test]
fn errors_name_the_line() {
    assert_eq!(
        error_of("t.jsonl", "{\"a\": 1}\n{\"a\": \n"),
        "line 2: EOF while parsing a value"
    );
    assert_eq!(
        error_of("t.json", "[{\"a\": 1},\n 7]"),
        "line 2: an object was expected"
    );
    assert_eq!(error_of("t.json", "[\n{\"a\":\n 1 2}]"), "line 3: expected `,` or `}`");
    assert_eq!(
        error_of("t.json", "[{\"a\": [1]}, {\"a\": 1}]"),
        "line 1: `a`: an array in one record, a scalar in another"
    );
    let mut long = String::new();
    for i in 0..400_000 {
        long += &format!("{{\"a\": {i}}}\n");
    }
    let text = error_of("t.jsonl", &(long.clone() + "{\"a\": 1.5}\n"));
    assert_eq!(
        text,
        "line 400001: invalid type: floating point `1.5`, expected an integer"
    );
    let text = error_of("t.jsonl", &(long + "{\"b\": 1}\n"));
    assert_eq!(text, "line 400001: the key `b` is not among those of the first records");
}
