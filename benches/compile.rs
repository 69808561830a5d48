//! From text to machine code, without running: parse, bind, optimize and compile with an empty kernel cache, and with a full one.
//!
//! EXPLAIN does all of it and stops there. Its own text is part of the time, and is small beside it.

mod data;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gobi::client::{ExplainOptions, Session};

fn prepare(session: &mut Session, query: &str) -> usize {
    let explanation = session.explain(query, ExplainOptions::default());
    explanation.expect("the query is right").pipelines.len()
}

fn latency(criterion: &mut Criterion) {
    let folder = data::folder();
    let mut session = data::session(folder.path(), 1);
    for number in [1, 3, 6] {
        let query = data::query(number);
        let mut group = criterion.benchmark_group(format!("prepare q{number:02}"));
        group.bench_function("cold kernels", |bencher| {
            bencher.iter(|| {
                session.clear_kernels();
                black_box(prepare(&mut session, &query))
            });
        });
        group.bench_function("kernels kept", |bencher| {
            bencher.iter(|| black_box(prepare(&mut session, &query)));
        });
        group.finish();
    }
}

criterion_group!(benches, latency);
criterion_main!(benches);
