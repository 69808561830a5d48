//! Pages left out by the page index: always the same answers, and fewer bytes.

use super::*;
use crate::formats::PartialChunk;
use crate::formats::testing::chunk_values;

const ROWS: i32 = 10_000;

fn paged(rows: usize) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_data_page_row_count_limit(rows)
        .set_write_batch_size(rows.min(50))
        .set_max_row_group_row_count(Some(4_000))
}

/// Sorted numbers, random ones, numbers with NULLs, texts with a long common head, floats with NaN, decimals, unsigned.
fn table(rows: i32) -> RecordBatch {
    let random = |i: i32| {
        i64::from(i)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15u64.cast_signed())
            .rotate_left(23)
    };
    let head = "a head that is as long as what statistics keep of a text: 64 bytes";
    let decimals = Decimal128Array::from_iter_values((0..rows).map(|i| i128::from(i - 5_000) * 100));
    let floats = (0..rows).map(|i| if i % 700 == 0 { f64::NAN } else { f64::from(i) / 2.0 });
    batch(vec![
        ("sorted", Arc::new(Int32Array::from_iter_values(0..rows))),
        (
            "random",
            Arc::new(Int64Array::from_iter_values((0..rows).map(|i| random(i) % 1000))),
        ),
        (
            "nulls",
            Arc::new(Int64Array::from_iter(
                (0..rows).map(|i| (i / 100 % 3 != 0).then_some(i64::from(i))),
            )),
        ),
        (
            "text",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|i| format!("{head} {i:06}")),
            )),
        ),
        (
            "word",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|i| format!("w{:02}", i / 500)),
            )),
        ),
        ("float", Arc::new(Float64Array::from_iter_values(floats))),
        ("decimal", Arc::new(decimals.with_precision_and_scale(30, 2).unwrap())),
        (
            "unsigned",
            Arc::new(UInt32Array::from_iter_values((0..rows).map(|i| (i as u32) << 19))),
        ),
        (
            "time",
            Arc::new(TimestampNanosecondArray::from_iter_values(
                (0..rows).map(|i| i64::from(i) * 1_500),
            )),
        ),
    ])
}

fn bound(column: usize, min: Option<Value>, max: Option<Value>) -> Bound {
    Bound { column, min, max }
}

fn int(value: i32) -> Option<Value> {
    Some(Value::Int(value.into()))
}

/// Rows of a unit whose values satisfy the bounds, by looking at all of them; NaN is above everything.
fn satisfying(relation: &ParquetRelation, unit: usize, bounds: &[Bound]) -> Rows {
    let columns: Vec<_> = bounds
        .iter()
        .map(|bound| values(relation, unit, bound.column))
        .collect();
    let fits = |row: &usize| {
        bounds.iter().zip(&columns).all(|(bound, column)| {
            let value = &column[*row];
            let not_above = |a: &Value, b: &Value| match (a, b) {
                (Value::Float(a), Value::Float(b)) => b.is_nan() || a <= b,
                (Value::String(a), Value::String(b)) => a <= b,
                (Value::Int(a), Value::Int(b)) => a <= b,
                (Value::Null, _) | (_, Value::Null) => false,
                _ => panic!("{a:?} {b:?}"),
            };
            let low = bound.min.as_ref().is_none_or(|min| not_above(min, value));
            *value != Value::Null && low && bound.max.as_ref().is_none_or(|max| not_above(value, max))
        })
    };
    Rows::of((0..relation.unit_rows(unit)).filter(fits).map(|row| row..row + 1))
}

fn values(relation: &ParquetRelation, unit: usize, column: usize) -> Vec<Value> {
    let (chunk, _) = relation.read(unit, column).unwrap();
    let layout = &relation.stats.columns[column].layout;
    chunk_values(&chunk, layout, &relation.fields[column].ty)
}

/// Reads every column for the candidates, and compares with what is read whole.
fn check(relation: &ParquetRelation, unit: usize, rows: &Rows) -> u64 {
    let mut bytes = 0;
    for column in 0..relation.fields.len() {
        let (whole, whole_bytes) = relation.read(unit, column).unwrap();
        let PartialChunk {
            chunk,
            rows: held,
            bytes_read,
        } = relation.read_rows(unit, column, rows).unwrap();
        assert!(held.as_ref().is_none_or(|held| held.contains(rows)));
        assert!(bytes_read <= whole_bytes && chunk.rows == whole.rows);
        let layout = &relation.stats.columns[column].layout;
        let texts = |chunk| chunk_texts(chunk, layout, &relation.fields[column].ty);
        let (part, all) = (texts(&chunk), texts(&whole));
        for row in rows.ranges().iter().cloned().flatten() {
            assert_eq!(part[row], all[row], "unit {unit} column {column} row {row}");
        }
        bytes += bytes_read;
    }
    bytes
}

#[test]
fn pruned_reads_equal_whole_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    for (dictionary, version, compression) in [
        (true, WriterVersion::PARQUET_1_0, Compression::SNAPPY),
        (false, WriterVersion::PARQUET_2_0, Compression::ZSTD(Default::default())),
        (false, WriterVersion::PARQUET_1_0, Compression::UNCOMPRESSED),
        (true, WriterVersion::PARQUET_2_0, Compression::GZIP(Default::default())),
    ] {
        let properties = paged(100)
            .set_dictionary_enabled(dictionary)
            .set_writer_version(version)
            .set_compression(compression);
        write(&path, &table(ROWS), properties.build());
        let relation = parquet(&path).unwrap();
        let text = |text: &str| Some(Value::String(text.into()));
        let head = "a head that is as long as what statistics keep of a text: 64 bytes";
        // Bounds, and the share of rows that may be left at most.
        let cases = [
            (vec![bound(0, int(2_150), int(2_270))], 0.03),
            (vec![bound(0, int(2_150), int(6_270)), bound(2, None, int(3_000))], 0.1),
            (vec![bound(2, int(150), int(350))], 0.04),
            (vec![bound(1, int(900), None)], 1.0),
            (vec![bound(3, None, text(&format!("{head} 000123")))], 1.0),
            (vec![bound(4, text("w03"), text("w03"))], 0.06),
            (vec![bound(5, Some(Value::Float(4_990.0)), None)], 1.0),
            (vec![bound(5, None, Some(Value::Float(10.0)))], 0.02),
            (vec![bound(6, int(-1_000), int(1_000))], 0.03),
            (
                vec![bound(7, Some(Value::Int(1 << 31)), Some(Value::Int((1 << 31) + 5)))],
                0.02,
            ),
            (vec![bound(8, int(300), int(310))], 0.02),
            (vec![bound(0, int(20_000), None)], 0.0),
            (vec![], 1.0),
        ];
        for (bounds, most) in cases {
            let mut left = 0;
            for unit in 0..relation.units() {
                let candidates = relation.candidates(unit, &bounds);
                assert!(candidates.contains(&satisfying(&relation, unit, &bounds)), "{bounds:?}");
                if !candidates.is_empty() && candidates.count() < relation.unit_rows(unit) {
                    check(&relation, unit, &candidates);
                }
                left += candidates.count();
            }
            assert!(left as f64 <= most * f64::from(ROWS), "{bounds:?} leaves {left}");
        }
    }
}

#[test]
fn only_the_pages_of_the_rows_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(&path, &table(ROWS), paged(100).set_dictionary_enabled(false).build());
    let relation = parquet(&path).unwrap();
    let whole: u64 = (0..9).map(|column| relation.read(0, column).unwrap().1).sum();
    let few = check(&relation, 0, &Rows::of([150..151, 3_900..3_950]));
    assert!(few * 15 < whole, "{few} of {whole} bytes");
    let leaf = *relation.parts[0].leaf(0).unwrap();
    let reading = index::reading(
        &relation.parts[0].file,
        0,
        &leaf,
        &Rows::of([150..151, 250..251, 3_900..3_901]),
    );
    let reading = reading.unwrap();
    assert_eq!(reading.places, [100..200, 200..300, 3_900..4_000]);
    assert_eq!(reading.bytes.len(), 2);
    assert_eq!(
        index::reading(&relation.parts[0].file, 0, &leaf, &Rows::all(4_000)),
        None
    );
}

#[test]
fn rows_that_are_not_read_are_zero_and_not_null() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(&path, &table(1_000), paged(100).build());
    let relation = parquet(&path).unwrap();
    let part = relation.read_rows(0, 2, &Rows::range(350..351)).unwrap();
    assert_eq!(part.rows, Some(Rows::range(300..400)));
    let stored = part.chunk.values.len() / 1_000;
    assert!(part.chunk.values[..300 * stored].iter().all(|byte| *byte == 0));
    let validity = part.chunk.validity.unwrap();
    assert!(validity[..300].iter().chain(&validity[400..]).all(|valid| *valid == 1));
    assert_eq!(validity[300..400], [0; 100]);
}

#[test]
fn a_file_without_an_index_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let properties = paged(100)
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    write(&path, &table(ROWS), properties.build());
    let relation = parquet(&path).unwrap();
    let bounds = [bound(0, int(2_150), int(2_270))];
    let counts: Vec<_> = (0..3).map(|unit| relation.candidates(unit, &bounds).count()).collect();
    assert_eq!(counts, [4_000, 0, 0]);
    let part = relation.read_rows(0, 0, &Rows::range(2_150..2_271)).unwrap();
    assert_eq!((part.rows, part.bytes_read), (None, relation.read(0, 0).unwrap().1));
}

#[test]
fn a_damaged_index_gives_the_same_values_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(&path, &table(1_000), paged(50).build());
    let good = std::fs::read(&path).unwrap();
    let relation = parquet(&path).unwrap();
    let rows = Rows::of([120..130, 700..701]);
    let texts = |relation: &ParquetRelation, column: usize, chunk: &ColumnChunk| {
        chunk_texts(
            chunk,
            &relation.stats.columns[column].layout,
            &relation.fields[column].ty,
        )
    };
    let expect: Vec<_> = (0..9)
        .map(|column| texts(&relation, column, &relation.read(0, column).unwrap().0))
        .collect();
    let metadata = relation.parts[0].file.row_group(0);
    let places = metadata.columns().iter().flat_map(|chunk| {
        let offset = chunk.offset_index_offset().unwrap();
        offset..offset + i64::from(chunk.offset_index_length().unwrap())
    });
    let mut survived = 0;
    for at in places.step_by(23) {
        for flip in [0x01, 0x55, 0xff] {
            let mut bad = good.clone();
            bad[usize::try_from(at).unwrap()] ^= flip;
            std::fs::write(&path, &bad).unwrap();
            let relation = parquet(&path).unwrap();
            for (column, expect) in expect.iter().enumerate() {
                let Ok(part) = relation.read_rows(0, column, &rows) else {
                    continue;
                };
                let found = texts(&relation, column, &part.chunk);
                for row in rows.ranges().iter().cloned().flatten() {
                    assert_eq!(found[row], expect[row], "byte {at} ^ {flip}");
                }
                survived += 1;
            }
        }
    }
    assert!(survived > 0);
}

#[test]
fn a_damaged_column_index_does_no_harm_to_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(&path, &table(1_000), paged(50).build());
    let good = std::fs::read(&path).unwrap();
    let relation = parquet(&path).unwrap();
    let bounds = [bound(0, int(150), int(270))];
    let chunk = relation.parts[0].file.row_group(0).column(0);
    let (offset, len) = (
        chunk.column_index_offset().unwrap(),
        chunk.column_index_length().unwrap(),
    );
    for at in offset..offset + i64::from(len) {
        let mut bad = good.clone();
        bad[usize::try_from(at).unwrap()] ^= 0xff;
        std::fs::write(&path, &bad).unwrap();
        let relation = parquet(&path).unwrap();
        assert!(relation.candidates(0, &bounds).count() <= 1_000);
    }
}
