//! What is written reads back; what fails leaves no trace.

use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Int64Type, IntervalUnit, Schema, TimeUnit};

use super::super::testing::relation_texts;
use super::super::{Format, FormatError, OpenOptions, open_on};
use super::*;
use crate::host::real;

fn sample() -> RecordBatch {
    let texts = StringViewArray::from(vec![
        Some("plain"),
        Some("a \"quoted\", text of two\nlines"),
        None,
        Some(""),
    ]);
    let prices = Decimal128Array::from(vec![Some(150), Some(-5), None, Some(0)])
        .with_precision_and_scale(9, 2)
        .unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(3), None]))),
        ("text", Arc::new(texts)),
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(8796), None, Some(0), Some(-1)])),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(1_500_000),
                None,
                Some(0),
                Some(-1),
            ])),
        ),
        (
            "ok",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)])),
        ),
        (
            "score",
            Arc::new(Float64Array::from(vec![Some(0.5), None, Some(-1e300), Some(3.0)])),
        ),
        ("price", Arc::new(prices)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

fn write_sample(target: &Path, options: &WriteOptions) -> Result<u64, WriteError<String>> {
    let batch = sample();
    let batches = [Ok(batch.slice(0, 2)), Ok(batch.slice(2, 2))];
    write(batches.into_iter(), &batch.schema(), target, options)
}

fn rows(path: &Path) -> Vec<String> {
    let relation = open_on(&*real(), &path.display().to_string(), &OpenOptions::default()).unwrap();
    relation_texts(&*relation)
}

const ROWS: [&str; 4] = [
    "1 plain 1994-01-31 1970-01-01 00:00:01.5 true 0.5 1.50",
    "2 a \"quoted\", text of two\nlines NULL NULL false NULL -0.05",
    "3 NULL 1970-01-01 1970-01-01 00:00:00 NULL -1e300 NULL",
    "NULL  1969-12-31 1969-12-31 23:59:59.999999 true 3.0 0.00",
];

#[test]
fn formats_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.parquet", "t.feather", "t.csv", "t.tsv"] {
        let path = folder.path().join(name);
        assert_eq!(write_sample(&path, &WriteOptions::default()).unwrap(), 4);
        let expect = match name {
            // Without a schema, prices are doubles.
            "t.csv" | "t.tsv" => ROWS.map(|row| row.replace("1.50", "1.5").replace("0.00", "0.0")),
            _ => ROWS.map(String::from),
        };
        assert_eq!(rows(&path), expect, "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn json_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.json", "t.jsonl"] {
        let path = folder.path().join(name);
        write_sample(&path, &WriteOptions::default()).unwrap();
        let expect = ROWS.map(|row| row.replace("1.50", "1.5").replace("0.00", "0.0"));
        assert_eq!(rows(&path), expect, "{name}");
    }
}

#[test]
fn codecs() {
    let folder = tempfile::tempdir().unwrap();
    for (name, codecs) in [
        ("t.parquet", vec!["none", "snappy", "zstd", "lz4", "gzip"]),
        ("t.arrow", vec!["lz4", "zstd"]),
    ] {
        for codec in codecs {
            let path = folder.path().join(name);
            let mut options = WriteOptions::default();
            options.set("compression", codec).unwrap();
            write_sample(&path, &options).unwrap();
            assert_eq!(rows(&path), ROWS, "{name} {codec}");
        }
    }
}

#[test]
fn an_error_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "old\n").unwrap();
    let batch = sample();
    let failing = [Ok(batch.clone()), Err("no more".to_string())];
    let error = write(failing.into_iter(), &batch.schema(), &path, &WriteOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "no more");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let missing = write_sample(&folder.path().join("no/t.csv"), &WriteOptions::default());
    assert!(matches!(missing, Err(WriteError::Format(FormatError::Io { .. }))));
}

#[test]
fn options_are_checked() {
    let mut options = WriteOptions::default();
    let error = options.set("quality", "high").unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown option `quality`; the options are format, header, delimiter, compression, row_group_size"
    );
    assert_eq!(
        options.set("header", "maybe").unwrap_err().to_string(),
        "`maybe` is no value for the option `header`"
    );
    options.set("header", "false").unwrap();
    options.set("format", "csv").unwrap();
    options.set("delimiter", ";").unwrap();
    assert_eq!(options.format, Some(Format::Csv));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.dat");
    write_sample(&path, &options).unwrap();
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("1;plain;1994-01-31;1970-01-01 00:00:01.5;")
    );
}

#[test]
fn nested_values_and_empty_results() {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), Some(2)]), None]);
    let batch = RecordBatch::try_from_iter_with_nullable([("l", Arc::new(lists) as ArrayRef, true)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.parquet", "t.feather", "t.jsonl", "t.json"] {
        let path = folder.path().join(name);
        let one = std::iter::once(Ok::<_, String>(batch.clone()));
        write(one, &batch.schema(), &path, &WriteOptions::default()).unwrap();
        assert_eq!(rows(&path), ["[1, 2]", "NULL"], "{name}");
        let none = std::iter::empty::<Result<RecordBatch, String>>();
        assert_eq!(
            write(none, &batch.schema(), &path, &WriteOptions::default()).unwrap(),
            0
        );
        assert_eq!(rows(&path), Vec::<String>::new(), "{name}");
    }
    let schema = Arc::new(Schema::new(vec![Field::new(
        "t",
        DataType::Time64(TimeUnit::Microsecond),
        true,
    )]));
    let path = folder.path().join("t.csv");
    let times = Arc::new(Time64MicrosecondArray::from(vec![Some(3_600_000_000), None])) as ArrayRef;
    let batch = RecordBatch::try_new(schema.clone(), vec![times]).unwrap();
    write(
        std::iter::once(Ok::<_, String>(batch)),
        &schema,
        &path,
        &WriteOptions::default(),
    )
    .unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "t\n01:00:00\n\n");
}

#[test]
fn doubles_that_are_no_numbers_and_wide_integers_read_back_from_text() {
    let doubles = Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5]);
    let wide = Decimal128Array::from(vec![i128::from(u64::MAX), -1, 10i128.pow(38) - 1, 0])
        .with_precision_and_scale(38, 0)
        .unwrap();
    let times = Time64MicrosecondArray::from(vec![1, 2_000_000, 3, 86_399_999_999]);
    let columns: Vec<(&str, ArrayRef)> = vec![("x", Arc::new(doubles)), ("n", Arc::new(wide)), ("t", Arc::new(times))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.json", "t.jsonl", "t.csv", "t.tsv"] {
        let path = folder.path().join(name);
        let one = std::iter::once(Ok::<_, String>(batch.clone()));
        write(one, &batch.schema(), &path, &WriteOptions::default()).unwrap();
        assert_eq!(
            rows(&path),
            [
                "nan 18446744073709551615 00:00:00.000001",
                "inf -1 00:00:02",
                "-inf 99999999999999999999999999999999999999 00:00:00.000003",
                "0.5 0 23:59:59.999999"
            ],
            "{name}"
        );
    }
}

#[test]
fn intervals_are_refused_by_parquet_only() {
    let fields = vec![Field::new("i", DataType::Interval(IntervalUnit::MonthDayNano), true)];
    let schema = Arc::new(Schema::new(fields));
    let folder = tempfile::tempdir().unwrap();
    let none = || std::iter::empty::<Result<RecordBatch, String>>();
    let path = folder.path().join("t.parquet");
    let error = write(none(), &schema, &path, &WriteOptions::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("writing the interval column `i` to Parquet is not supported"),
        "{error}"
    );
    assert!(!path.exists());
    write(
        none(),
        &schema,
        &folder.path().join("t.arrow"),
        &WriteOptions::default(),
    )
    .unwrap();
}
