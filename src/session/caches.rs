//! CACHE STATS and CACHE CLEAR: what is kept to make a second run faster.
//!
//! `CACHE STATS` gives a row for decoded chunks of columns, one for compiled code, and one for objects of each open database: what is
//! held, and how often something was found, was not, or had to make room.
//!
//! Invariants: counters count from the start of the process, and CLEAR leaves them as they are. What is kept goes by the hash of
//! its contents, or by a file's identity and time, so that nothing old is ever found.
//!
//! Does not: decide what is kept.

use gobi_grammar::ast::{Cache, Span};

use super::listing::{Cell, stream};
use super::{ResultStream, Session, StatementResult};

/// `CACHE STATS` and `CACHE CLEAR`.
pub fn run(session: &mut Session, cache: Cache, span: Span) -> StatementResult {
    match cache {
        Cache::Stats => StatementResult::Rows(stats(session, span)),
        Cache::Clear => {
            session.clear_caches();
            let databases = session.relations.databases();
            databases.for_each(|view| view.database.timeline().clear_cache());
            StatementResult::Done
        }
    }
}

fn stats(session: &Session, span: Span) -> ResultStream {
    let chunks = session.engine.chunk_cache().stats();
    let kernels = session.engine.kernel_stats();
    let row = |name: &str, numbers: [Option<u64>; 6]| {
        let name = Cell::Text(name.to_string());
        std::iter::once(name).chain(numbers.map(Cell::Count)).collect()
    };
    let mut rows = vec![
        row(
            "chunks",
            [
                Some(chunks.chunks),
                Some(chunks.bytes),
                Some(chunks.limit_bytes),
                Some(chunks.hits),
                Some(chunks.misses),
                Some(chunks.evictions),
            ],
        ),
        row(
            "kernels",
            [
                Some(kernels.modules),
                None,
                None,
                Some(kernels.hits),
                Some(kernels.misses),
                Some(kernels.evictions),
            ],
        ),
    ];
    rows.extend(session.relations.databases().map(|view| {
        let objects = view.database.timeline().cache_stats();
        row(
            &format!("objects of {}", view.name),
            [
                Some(objects.objects),
                Some(objects.bytes),
                Some(objects.limit_bytes),
                Some(objects.hits),
                Some(objects.misses),
                Some(objects.evictions),
            ],
        )
    }));
    let columns = [
        ("cache", false),
        ("entries", true),
        ("bytes", true),
        ("limit_bytes", true),
        ("hits", true),
        ("misses", true),
        ("evictions", true),
    ];
    stream(&columns, rows, span)
}
