//! The chunk cache: exact counters, eviction order, one decoding for many threads.

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;

use arrow::buffer::Buffer;

use super::*;
use crate::formats::{Bound, FileIdentity};
use crate::types::{Field, TableStats};

/// A column that can be read in part.
const PARTIAL: usize = 8;

/// Units of 1,000 bytes; column 9 cannot be read.
#[derive(Debug, Default)]
struct Fake {
    fields: Vec<Field>,
    stats: TableStats,
    version: u64,
    reads: AtomicUsize,
}

impl Relation for Fake {
    fn schema(&self) -> &[Field] {
        &self.fields
    }

    fn stats(&self) -> &TableStats {
        &self.stats
    }

    fn units(&self) -> usize {
        100
    }

    fn unit_rows(&self, _unit: usize) -> usize {
        1000
    }

    fn chunk_key(&self, unit: usize, column: usize) -> ChunkKey {
        let file = FileIdentity {
            path: std::path::Path::new("t").into(),
            size_bytes: 1,
            mtime_ns: 2,
            footer_hash: self.version,
        };
        ChunkKey::File {
            file,
            part: unit,
            column,
        }
    }

    fn candidates(&self, unit: usize, _bounds: &[Bound]) -> Rows {
        Rows::all(self.unit_rows(unit))
    }

    fn read(&self, _unit: usize, column: usize) -> Result<(ColumnChunk, u64), FormatError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        std::thread::yield_now();
        if column == 9 {
            return Err(FormatError::NoMatch { pattern: "9".into() });
        }
        let chunk = ColumnChunk {
            rows: 1000,
            values: Buffer::from(vec![0u8; 1000]),
            validity: None,
            owners: Vec::new(),
        };
        Ok((chunk, 500))
    }

    fn read_rows(&self, unit: usize, column: usize, rows: &Rows) -> Result<PartialChunk, FormatError> {
        let mut read = PartialChunk::whole(self.read(unit, column)?);
        if column == PARTIAL {
            read.bytes_read = rows.count() as u64;
            read.rows = Some(rows.clone());
        }
        Ok(read)
    }
}

fn chunk_bytes() -> u64 {
    Fake::default().read(0, 0).unwrap().0.size_bytes() as u64
}

#[test]
fn hits_misses_and_evictions_are_exact() {
    let fake = Fake::default();
    let cache = ChunkCache::new(3 * chunk_bytes());
    let get = |unit| {
        let (_, hit, bytes) = cache.get_or_read(&fake, unit, 0, None).unwrap();
        assert_eq!(bytes, if hit { 0 } else { 500 });
        hit
    };
    assert_eq!([get(0), get(1), get(2), get(0)], [false, false, false, true]);
    // Unit 1 is the oldest now.
    assert_eq!(
        [get(3), get(0), get(2), get(3), get(1)],
        [false, true, true, true, false]
    );
    let expect = CacheStats {
        hits: 4,
        misses: 5,
        evictions: 2,
        chunks: 3,
        bytes: 3 * chunk_bytes(),
        limit_bytes: 3 * chunk_bytes(),
    };
    assert_eq!(cache.stats(), expect);
    cache.clear();
    assert_eq!(
        (cache.stats().chunks, cache.stats().bytes, cache.stats().hits),
        (0, 0, 4)
    );
    assert!(!get(3));
}

#[test]
fn a_changed_file_is_another_key() {
    let cache = ChunkCache::new(1 << 20);
    let old = Fake::default();
    let new = Fake {
        version: 1,
        ..Fake::default()
    };
    assert!(!cache.get_or_read(&old, 0, 0, None).unwrap().1);
    assert!(!cache.get_or_read(&new, 0, 0, None).unwrap().1);
    assert!(!cache.get_or_read(&new, 0, 1, None).unwrap().1);
    assert!(cache.get_or_read(&old, 0, 0, None).unwrap().1);
}

#[test]
fn errors_and_chunks_too_large_are_not_kept() {
    let fake = Fake::default();
    let cache = ChunkCache::new(10);
    assert!(cache.get_or_read(&fake, 0, 9, None).is_err());
    assert!(cache.get_or_read(&fake, 0, 9, None).is_err());
    assert!(!cache.get_or_read(&fake, 0, 0, None).unwrap().1);
    assert!(!cache.get_or_read(&fake, 0, 0, None).unwrap().1);
    assert_eq!(
        (cache.stats().misses, cache.stats().bytes, cache.stats().evictions),
        (4, 0, 0)
    );
}

#[test]
fn a_part_of_a_chunk_answers_for_its_rows_only() {
    let fake = Fake::default();
    let cache = ChunkCache::new(1 << 20);
    let get = |rows: Option<Rows>| {
        let (_, hit, bytes) = cache.get_or_read(&fake, 0, PARTIAL, rows.as_ref()).unwrap();
        (hit, bytes)
    };
    let part = |rows: std::ops::Range<usize>| Some(Rows::range(rows));
    assert_eq!(get(part(10..20)), (false, 10));
    assert_eq!(get(part(12..20)), (true, 0));
    assert_eq!(get(part(15..30)), (false, 20));
    // What was held before is held still.
    assert_eq!(get(Some(Rows::of([10..11, 29..30]))), (true, 0));
    assert_eq!(get(part(30..31)), (false, 21));
    assert_eq!(get(None), (false, 500));
    assert_eq!((get(part(0..999)), get(None)), ((true, 0), (true, 0)));
    let stats = cache.stats();
    assert_eq!((stats.chunks, stats.bytes, stats.evictions), (1, chunk_bytes(), 0));
    assert_eq!((stats.hits, stats.misses), (4, 4));
}

#[test]
fn threads_share_the_work() {
    let fake = Fake::default();
    let cache = ChunkCache::new(1 << 20);
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                for unit in 0..100 {
                    cache.get_or_read(&fake, unit, 0, None).unwrap();
                }
            });
        }
    });
    assert_eq!(fake.reads.load(Ordering::SeqCst), 100);
    assert_eq!((cache.stats().hits, cache.stats().misses), (300, 100));
}
