//! CSV files from text to rows: dialects, quotes, errors with their lines.

use std::sync::Arc;

use super::super::testing::relation_texts;
use super::super::{FormatError, OpenOptions, Relation, open_on};
use super::*;
use crate::host::real;

fn open_text(text: impl AsRef<[u8]>) -> Result<Arc<dyn Relation>, FormatError> {
    open_with(text, CsvOptions::default())
}

fn open_with(text: impl AsRef<[u8]>, csv: CsvOptions) -> Result<Arc<dyn Relation>, FormatError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let options = OpenOptions {
        csv,
        ..OpenOptions::default()
    };
    open_on(&*real(), &path.display().to_string(), &options)
}

fn columns(relation: &dyn Relation) -> Vec<String> {
    relation
        .schema()
        .iter()
        .map(|field| format!("{} {}", field.name, field.ty))
        .collect()
}

fn check(text: &str, fields: &[&str], rows: &[&str]) {
    let relation = open_text(text).unwrap();
    assert_eq!(columns(&*relation), fields, "{text:?}");
    assert_eq!(relation_texts(&*relation), rows, "{text:?}");
}

fn error_of(text: impl AsRef<[u8]>) -> String {
    let error = match open_text(text) {
        Err(error) => error,
        Ok(relation) => {
            let read = |column| (0..relation.units()).try_for_each(|unit| relation.read(unit, column).map(drop));
            (0..relation.schema().len())
                .find_map(|column| read(column).err())
                .expect("an error")
        }
    };
    let text = error.to_string();
    text[text.find("t.csv`").unwrap() + 7..].to_string()
}

#[test]
fn dialects_and_types() {
    check(
        "id,name\n1,Ann\n2,\n",
        &["id bigint", "name string"],
        &["1 Ann", "2 NULL"],
    );
    check(
        "a;b\r\n1,5;x\r\n2,5;y\r\n",
        &["a string", "b string"],
        &["1,5 x", "2,5 y"],
    );
    check(
        "1\t2.5\n3\t-4\n",
        &["column0 bigint", "column1 double"],
        &["1 2.5", "3 -4.0"],
    );
    check(
        "\u{feff}day,at,ok\n1994-01-31,1994-01-31 10:00:00,true\n",
        &["day date", "at timestamp", "ok boolean"],
        &["1994-01-31 1994-01-31 10:00:00 true"],
    );
    check("x\n1\n\n3", &["x bigint"], &["1", "NULL", "3"]);
    check(
        "a,a,\n1,2,3\n\n",
        &["a bigint", "a_1 bigint", "column2 bigint"],
        &["1 2 3"],
    );
    check("name,city\nAnn,Oslo\n", &["name string", "city string"], &["Ann Oslo"]);
}

#[test]
fn quotes() {
    check(
        "t,n\n\"a long text with \"\"quotes\"\",\nand a line\",1\n\"\",2\n,3\nplain but longer than twelve,4\n",
        &["t string", "n bigint"],
        &[
            "a long text with \"quotes\",\nand a line 1",
            " 2",
            "NULL 3",
            "plain but longer than twelve 4",
        ],
    );
    check("a,b\n\"1\",\"\"\n", &["a bigint", "b string"], &["1 "]);
}

#[test]
fn empty_files() {
    check("", &["column0 string"], &[]);
    check("a,b\n", &["a string", "b string"], &[]);
}

#[test]
fn errors_name_the_line() {
    assert_eq!(
        error_of("a,b\n1,2\n\"x\ny\",3,4\n"),
        "line 3: 3 fields where 2 were expected"
    );
    assert_eq!(error_of("a,b\n1,2\n3,\"4\n"), "line 3: a quote is never closed");
    assert_eq!(error_of("a,b\n1,2\n3,\"4\"5\n"), "line 3: text after a closing quote");
    assert_eq!(error_of(b"a,b\n1,2\n\n3,\xff\n"), "line 4: text that is not UTF-8");
    let mut long = String::from("a,b\n");
    for i in 0..30_000 {
        long += &format!("{i},{i}\n");
    }
    long += "oops,1\n";
    assert_eq!(error_of(long), "line 30002: `oops` is not a bigint (column `a`)");
}

#[test]
fn options_win() {
    let options = CsvOptions {
        header: Some(false),
        delimiter: Some(b'|'),
        types: vec![("column1".into(), LogicalType::Decimal { precision: 9, scale: 2 })],
        ..CsvOptions::default()
    };
    let relation = open_with("a|1.5\nb|-0.25\n", options).unwrap();
    assert_eq!(columns(&*relation), ["column0 string", "column1 decimal(9,2)"]);
    assert_eq!(relation_texts(&*relation), ["a 1.50", "b -0.25"]);
}

#[test]
fn large_files_have_blocks() {
    let mut text = String::from("n,t\n");
    for i in 0..300_000 {
        text += &format!("{i},\"a text\nof two lines {i}\"\r\n");
    }
    let relation = open_text(text).unwrap();
    assert!(relation.units() > 1);
    assert_eq!(relation.stats().rows, Some(300_000));
    let rows = relation_texts(&*relation);
    assert_eq!(rows[123_456], "123456 a text\nof two lines 123456");
}

#[test]
fn lines_may_end_in_carriage_returns() {
    check(
        "id,name\r1,\"a\nb\"\r2,\r",
        &["id bigint", "name string"],
        &["1 a\nb", "2 NULL"],
    );
    check("id\r1\r\r3", &["id bigint"], &["1", "NULL", "3"]);
    assert_eq!(error_of("a,b\r1,2\r1,2,3\r"), "line 3: 3 fields where 2 were expected");
}
