//! Generated kernels against the compute kernels of `arrow` that do the same, over the same decoded columns on one thread.
//!
//! gobi reads its chunk cache, `arrow` the record batches of the generator: neither decodes anything while it is measured. What gobi
//! does before it runs (parsing, planning, finding its kernels in the cache) is part of its time.

mod data;

use std::collections::HashMap;
use std::hint::black_box;

use arrow::array::{Array, AsArray, BooleanArray, Decimal128Array, RecordBatch, Scalar};
use arrow::compute::kernels::cmp;
use arrow::compute::{and, filter, sum};
use arrow::datatypes::{Date32Type, Decimal128Type};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tpchgen::generators::LineItemGenerator;
use tpchgen_arrow::LineItemArrow;

/// 1994-01-01 and 1995-01-01, in days.
const YEAR: [i32; 2] = [8766, 9131];

fn kernels(criterion: &mut Criterion) {
    let folder = data::folder();
    let mut session = data::session(folder.path(), 1);
    let batches: Vec<RecordBatch> = LineItemArrow::new(LineItemGenerator::new(data::SCALE, 1, 1)).collect();
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();

    let query = "SELECT sum(l_extendedprice) FROM lineitem
        WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'";
    let mut group = criterion.benchmark_group("filter and sum");
    group.throughput(Throughput::Elements(rows));
    group.bench_function("gobi", |bencher| {
        bencher.iter(|| black_box(data::run(&mut session, query)))
    });
    group.bench_function("arrow", |bencher| bencher.iter(|| black_box(filter_and_sum(&batches))));
    group.finish();

    let query = "SELECT l_returnflag, sum(l_extendedprice) FROM lineitem GROUP BY l_returnflag";
    let mut group = criterion.benchmark_group("sum by group");
    group.throughput(Throughput::Elements(rows));
    group.bench_function("gobi", |bencher| {
        bencher.iter(|| black_box(data::run(&mut session, query)))
    });
    group.bench_function("arrow", |bencher| {
        bencher.iter(|| black_box(sum_by_group(&batches).len()))
    });
    group.finish();
}

fn prices(batch: &RecordBatch) -> &Decimal128Array {
    let column = batch.column_by_name("l_extendedprice").expect("the column is there");
    column.as_primitive::<Decimal128Type>()
}

fn filter_and_sum(batches: &[RecordBatch]) -> i128 {
    let day = |days: i32| Scalar::new(arrow::array::Date32Array::from_iter_values([days]));
    let (from, until) = (day(YEAR[0]), day(YEAR[1]));
    let of_batch = |batch: &RecordBatch| -> i128 {
        let dates = batch.column_by_name("l_shipdate").expect("the column is there");
        let dates = dates.as_primitive::<Date32Type>();
        let low = cmp::gt_eq(dates, &from).expect("both are dates");
        let high = cmp::lt(dates, &until).expect("both are dates");
        let kept = and(&low, &high).expect("both have a bit for each row");
        let kept = filter(prices(batch), &kept).expect("there is a bit for each row");
        sum(kept.as_primitive::<Decimal128Type>()).unwrap_or(0)
    };
    batches.iter().map(of_batch).sum()
}

/// `arrow` has no grouped aggregate: one comparison, filter and sum for each group that a batch has.
fn sum_by_group(batches: &[RecordBatch]) -> HashMap<&'static str, i128> {
    let mut sums = HashMap::new();
    for batch in batches {
        let flags = batch.column_by_name("l_returnflag").expect("the column is there");
        for flag in ["A", "N", "R"] {
            let scalar = Scalar::new(arrow::array::StringViewArray::from_iter_values([flag]));
            let equal: BooleanArray = cmp::eq(flags, &scalar).expect("both are texts");
            let kept = filter(prices(batch), &equal).expect("there is a bit for each row");
            *sums.entry(flag).or_insert(0) += sum(kept.as_primitive::<Decimal128Type>()).unwrap_or(0);
        }
    }
    debug_assert!(batches.iter().all(|batch| prices(batch).null_count() == 0));
    sums
}

criterion_group!(benches, kernels);
criterion_main!(benches);
