//! Whole queries of TPC-H, from text to the last batch: chunks decoded and kernels compiled before (`hot`), or neither (`cold`).

mod data;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

fn queries(criterion: &mut Criterion) {
    let folder = data::folder();
    let mut session = data::session(folder.path(), 2);
    for number in [1, 3, 6] {
        let query = data::query(number);
        let mut group = criterion.benchmark_group(format!("q{number:02}"));
        group.bench_function("hot", |bencher| {
            bencher.iter(|| black_box(data::run(&mut session, &query)))
        });
        group.bench_function("cold", |bencher| {
            bencher.iter_batched(
                || {
                    let mut session = data::session(folder.path(), 2);
                    session.clear_caches();
                    session
                },
                |mut session| black_box(data::run(&mut session, &query)),
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

criterion_group!(benches, queries);
criterion_main!(benches);
