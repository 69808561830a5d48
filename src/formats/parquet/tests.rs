//! Parquet: layouts, pruning, damage, and the fast path against the Arrow reader.

mod pruning;

use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use proptest::prelude::*;

use super::super::testing::{chunk_texts, relation_texts};
use super::super::{OpenOptions, Relation, open_on};
use super::*;
use crate::host::real;
use crate::types::{Layout, Physical, Value};

fn write(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| {
        let nullable = a.null_count() > 0;
        (n, a, nullable)
    }))
    .unwrap()
}

fn parquet(path: &Path) -> Result<ParquetRelation, FormatError> {
    let disk = real();
    let stat = disk.stat(path).unwrap();
    let key = FileKey {
        path: path.into(),
        size_bytes: stat.size_bytes,
        mtime_ns: stat.mtime_ns,
    };
    open(&*disk, &[key])
}

fn properties(groups: usize) -> WriterProperties {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(groups))
        .build()
}

#[test]
fn statistics_choose_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let prices = Decimal128Array::from(vec![100, 5000, 250, 99])
        .with_precision_and_scale(15, 2)
        .unwrap();
    let data = batch(vec![
        ("price", Arc::new(prices)),
        ("day", Arc::new(Date32Array::from(vec![8000, 8100, 9000, 8500]))),
        (
            "mode",
            Arc::new(StringArray::from(vec!["RAIL", "AIR", "RAIL", "deliver in person"])),
        ),
        ("key", Arc::new(Int64Array::from(vec![1, 100, 70_000, 7]))),
        (
            "ok",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), None])),
        ),
    ]);
    write(&path, &data, properties(2));
    let relation = parquet(&path).unwrap();
    assert_eq!((relation.units(), relation.stats().rows), (2, Some(4)));
    let stored: Vec<_> = relation.stats().columns.iter().map(|c| c.layout.stored()).collect();
    assert_eq!(
        stored,
        [Physical::I16, Physical::I16, Physical::I8, Physical::I32, Physical::I8]
    );
    let mode = &relation.stats().columns[2];
    assert!(matches!(&mode.layout, Layout::Dict { dictionary, .. } if dictionary.len() == 3));
    assert_eq!(mode.max, Some(Value::String("deliver in person".into())));
    assert_eq!(relation.stats().columns[4].null_count, Some(2));
    assert_eq!(
        relation_texts(&relation),
        [
            "1.00 1991-11-27 RAIL 1 true",
            "50.00 1992-03-06 AIR 100 NULL",
            "2.50 1994-08-23 RAIL 70000 false",
            "0.99 1993-04-10 deliver in person 7 NULL",
        ]
    );
}

#[test]
fn row_groups_are_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(
        &path,
        &batch(vec![("a", Arc::new(Int32Array::from_iter_values(0..100)))]),
        properties(10),
    );
    let relation = parquet(&path).unwrap();
    let bound = |min, max| Bound { column: 0, min, max };
    let units = |bound: Bound| -> Vec<usize> {
        (0..relation.units())
            .filter(|unit| !relation.candidates(*unit, std::slice::from_ref(&bound)).is_empty())
            .collect()
    };
    assert_eq!(units(bound(Some(Value::Int(25)), Some(Value::Int(30)))), [2, 3]);
    assert_eq!(units(bound(Some(Value::Int(90)), None)), [9]);
    assert_eq!(units(bound(None, Some(Value::Int(-1)))), Vec::<usize>::new());
}

#[test]
fn files_of_a_pattern_are_one_relation() {
    let folder = tempfile::tempdir().unwrap();
    let write_one = |name: &str, columns| write(&folder.path().join(name), &batch(columns), properties(100));
    let ints = |values: Vec<i32>| Arc::new(Int32Array::from(values)) as ArrayRef;
    write_one("a.parquet", vec![("x", ints(vec![1])), ("y", ints(vec![2]))]);
    write_one("b.parquet", vec![("y", ints(vec![300])), ("x", ints(vec![4]))]);
    let pattern = folder.path().join("*.parquet").display().to_string();
    let relation = open_on(&*real(), &pattern, &OpenOptions::default()).unwrap();
    assert_eq!(relation_texts(&*relation), ["1 2", "4 300"]);
    assert_eq!(relation.stats().columns[1].layout.stored(), Physical::I16);
    let same = open_on(&*real(), &pattern, &OpenOptions::default()).unwrap();
    assert!(Arc::ptr_eq(&relation, &same));

    write_one("c.parquet", vec![("x", ints(vec![1]))]);
    let error = open_on(&*real(), &pattern, &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().ends_with("column `y` is missing"), "{error}");
    let none = open_on(
        &*real(),
        &folder.path().join("*.csv").display().to_string(),
        &OpenOptions::default(),
    );
    assert!(matches!(none, Err(FormatError::NoMatch { .. })));
}

#[test]
fn nested_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    write(&path, &batch(vec![("l", Arc::new(lists))]), properties(10));
    let relation = parquet(&path).unwrap();
    let (chunk, _) = relation.read(0, 0).unwrap();
    assert_eq!(chunk.validity.unwrap().as_slice(), [1, 0, 1]);
    assert_eq!(relation_texts(&relation), ["[1, NULL]", "NULL", "[]"]);
}

#[test]
fn lying_statistics_are_corruption() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    for dictionary in [false, true] {
        let properties = WriterProperties::builder().set_dictionary_enabled(dictionary).build();
        write(
            &path,
            &batch(vec![("a", Arc::new(Int64Array::from(vec![1, 77, 3])))]),
            properties,
        );
        let mut bytes = std::fs::read(&path).unwrap();
        // The maximum in the footer, three bytes from the minimum's; pages before it stay as they are.
        let footer = bytes.len() - 8 - u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
        let mut changed = 0;
        for at in footer..bytes.len() - 8 {
            if bytes[at..at + 8] == 77i64.to_le_bytes() {
                bytes[at] = 5;
                changed += 1;
            }
        }
        assert!(changed > 0);
        std::fs::write(&path, &bytes).unwrap();
        let relation = parquet(&path).unwrap();
        let error = relation.read(0, 0).unwrap_err();
        assert!(
            error.to_string().contains("column `a`: the value 77 is outside 1..=5"),
            "{error}"
        );
    }
}

#[test]
fn truncated_and_flipped_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let names = StringArray::from_iter_values((0..200).map(|i| format!("name {}", i % 7)));
    let notes = StringArray::from_iter_values((0..200).map(|i| format!("a longer note number {i}")));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int64Array::from_iter_values(0..200))),
        ("n", Arc::new(names)),
        ("t", Arc::new(notes)),
    ];
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    write(
        &path,
        &batch(columns),
        properties.set_max_row_group_row_count(Some(64)).build(),
    );
    let good = std::fs::read(&path).unwrap();
    let read_all = || parquet(&path).map(|r| (0..r.units()).all(|u| (0..3).all(|c| r.read(u, c).is_ok())));
    for len in [0, 3, 11, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..len]).unwrap();
        assert!(read_all().is_err(), "cut to {len}");
    }
    let mut survived = 0;
    for at in (4..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        std::fs::write(&path, &bad).unwrap();
        survived += usize::from(read_all().unwrap_or(false));
    }
    // Flips in texts and in unused footer fields go unnoticed; a panic would have ended the test.
    assert!(survived < good.len() / 3);
}

#[test]
fn an_empty_file_has_no_units() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(
        &path,
        &batch(vec![("a", Arc::new(Int64Array::from(Vec::<i64>::new())))]),
        properties(10),
    );
    let relation = parquet(&path).unwrap();
    assert_eq!((relation.units(), relation.stats().rows), (0, Some(0)));
    assert_eq!(relation.schema().len(), 1);
}

#[derive(Clone, Debug)]
struct Shape {
    ty: u8,
    nulls: u8,
    domain: i64,
    rows: usize,
    dictionary: bool,
    statistics: bool,
    version2: bool,
    compression: u8,
    delta: bool,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let first = (
        0..19u8,
        0..4u8,
        prop_oneof![Just(1i64), Just(7), Just(300), Just(i64::MAX)],
        1..700usize,
    );
    let second = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        0..5u8,
        prop::bool::weighted(0.2),
    );
    (first, second).prop_map(
        |((ty, nulls, domain, rows), (dictionary, statistics, version2, compression, delta))| Shape {
            ty,
            nulls,
            domain,
            rows,
            dictionary,
            statistics,
            version2,
            compression,
            delta,
        },
    )
}

type Values = [Option<i64>];

fn column(shape: &Shape, seeds: &[u64]) -> ArrayRef {
    let value = |row: usize| -> Option<i64> {
        let seed = seeds[row % seeds.len()]
            .wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ row as u64)
            .rotate_left(23);
        let null = u64::from(shape.nulls) * 85 > seed % 256;
        (!null).then(|| (seed >> 1).cast_signed().rem_euclid(shape.domain) - shape.domain / 3)
    };
    let values: Vec<Option<i64>> = (0..shape.rows).map(value).collect();
    match shape.ty {
        0..7 => numbers(shape.ty, &values),
        7..12 => texts(shape.ty, &values),
        _ => decimals_and_times(shape.ty, &values),
    }
}

fn each<T>(values: &Values, map: impl Fn(i64) -> T) -> Vec<Option<T>> {
    values.iter().map(|v| v.map(&map)).collect()
}

fn numbers(ty: u8, values: &Values) -> ArrayRef {
    match ty {
        0 => Arc::new(Int64Array::from(values.to_vec())),
        1 => Arc::new(Int8Array::from(each(values, |v| (v % 100) as i8))),
        2 => Arc::new(Int32Array::from(each(values, |v| v as i32))),
        3 => Arc::new(UInt32Array::from(each(values, |v| v as u32))),
        4 => Arc::new(UInt64Array::from(each(values, |v| v as u64))),
        5 => Arc::new(Float64Array::from(each(values, |v| v as f64 / 3.0))),
        _ => Arc::new(Float32Array::from(each(values, |v| v as f32 / 3.0))),
    }
}

fn texts(ty: u8, values: &Values) -> ArrayRef {
    let prefixed = |prefix: &str| StringArray::from(each(values, |v| format!("{prefix}{v}")));
    match ty {
        7 => Arc::new(prefixed("")),
        8 => Arc::new(prefixed("a text that is too long to be inlined: ")),
        9 => Arc::new(prefixed("h\u{e9}\u{e9}")),
        10 => Arc::new(BinaryArray::from_iter(each(values, i64::to_be_bytes))),
        _ => {
            let bytes = each(values, |v| [v.to_be_bytes(), v.to_le_bytes()].concat());
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes.into_iter(), 16).unwrap())
        }
    }
}

fn decimals_and_times(ty: u8, values: &Values) -> ArrayRef {
    let decimals = |precision, scale, map: fn(i64) -> i128| -> ArrayRef {
        let array = Decimal128Array::from(each(values, map));
        Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
    };
    match ty {
        12 => decimals(9, 2, |v| i128::from(v % 1_000_000)),
        13 => decimals(18, 3, |v| i128::from(v / 10)),
        14 => decimals(30, 0, |v| i128::from(v) * 1000),
        15 => Arc::new(Date32Array::from(each(values, |v| v as i32))),
        16 => Arc::new(TimestampNanosecondArray::from(values.to_vec())),
        17 => Arc::new(TimestampMillisecondArray::from(each(values, |v| v % 1_000_000_000_000))),
        _ => Arc::new(BooleanArray::from(each(values, |v| v % 2 == 0))),
    }
}

fn written_as(shape: &Shape) -> WriterProperties {
    let compression = match shape.compression {
        0 => Compression::UNCOMPRESSED,
        1 => Compression::SNAPPY,
        2 => Compression::ZSTD(Default::default()),
        3 => Compression::LZ4_RAW,
        _ => Compression::GZIP(Default::default()),
    };
    let builder = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(250))
        .set_data_page_row_count_limit(90)
        .set_write_batch_size(30)
        .set_dictionary_page_size_limit(2000)
        .set_dictionary_enabled(shape.dictionary)
        .set_writer_version(if shape.version2 {
            WriterVersion::PARQUET_2_0
        } else {
            WriterVersion::PARQUET_1_0
        })
        .set_statistics_enabled(if shape.statistics {
            EnabledStatistics::Page
        } else {
            EnabledStatistics::None
        });
    if shape.delta && !shape.dictionary && matches!(shape.ty, 0 | 2 | 15 | 16) {
        return builder.set_encoding(Encoding::DELTA_BINARY_PACKED).build();
    }
    if shape.dictionary {
        builder.build()
    } else {
        builder.set_encoding(Encoding::PLAIN).build()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn fast_equals_generic(shape in shapes(), seeds in prop::collection::vec(any::<u64>(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let data = column(&shape, &seeds);
        write(&path, &RecordBatch::try_from_iter_with_nullable([("c", data, shape.nulls > 0)]).unwrap(), written_as(&shape));
        let relation = parquet(&path).unwrap();
        let file = &relation.parts[0].file;
        for unit in 0..relation.units() {
            let (generic, _) = generic::read(file, unit, 0, &relation.targets[0]).unwrap();
            let (chosen, _) = relation.read(unit, 0).unwrap();
            let layout = &relation.stats.columns[0].layout;
            let field = &relation.fields[0];
            prop_assert_eq!(chunk_texts(&chosen, layout, &field.ty), chunk_texts(&generic, layout, &field.ty));
            if layout.stored() != Physical::Str {
                prop_assert_eq!(chosen.values.as_slice(), generic.values.as_slice());
            }
            prop_assert_eq!(chosen.values.as_ptr() as usize % 64, 0);
        }
    }
}
