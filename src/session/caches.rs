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
            databases.for_each(|view| view.database.clear_cache());
            #[cfg(feature = "remote")]
            crate::host::remote::clear_cache();
            StatementResult::Done
        }
    }
}

/// Entries, bytes, limit in bytes, hits, misses, evictions.
type Numbers = [Option<u64>; 6];

fn stats(session: &Session, span: Span) -> ResultStream {
    let mut caches = vec![
        ("chunks".to_string(), chunks(session)),
        ("kernels".to_string(), kernels(session)),
    ];
    for view in session.relations.databases() {
        let held = view.database.cache_stats();
        let counts = [
            held.objects,
            held.bytes,
            held.limit_bytes,
            held.hits,
            held.misses,
            held.evictions,
        ];
        caches.push((format!("objects of {}", view.name), counts.map(Some)));
    }
    #[cfg(feature = "remote")]
    caches.push(("remote objects on disk".to_string(), remote()));
    let row = |(name, numbers): (String, Numbers)| {
        let name = std::iter::once(Cell::Text(name));
        name.chain(numbers.map(Cell::Count)).collect()
    };
    let columns = [
        ("cache", false),
        ("entries", true),
        ("bytes", true),
        ("limit_bytes", true),
        ("hits", true),
        ("misses", true),
        ("evictions", true),
    ];
    stream(&columns, caches.into_iter().map(row).collect(), span)
}

fn chunks(session: &Session) -> Numbers {
    let held = session.engine.chunk_cache().stats();
    [
        held.chunks,
        held.bytes,
        held.limit_bytes,
        held.hits,
        held.misses,
        held.evictions,
    ]
    .map(Some)
}

fn kernels(session: &Session) -> Numbers {
    let held = session.engine.kernel_stats();
    [
        Some(held.modules),
        None,
        None,
        Some(held.hits),
        Some(held.misses),
        Some(held.evictions),
    ]
}

#[cfg(feature = "remote")]
fn remote() -> Numbers {
    let held = crate::host::remote::cache_stats();
    [
        held.blocks,
        held.bytes,
        held.limit_bytes,
        held.hits,
        held.misses,
        held.evictions,
    ]
    .map(Some)
}
