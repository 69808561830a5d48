//! Parquet files as [`super::fast`] reads them best, made in memory.
//!
//! `encode_parquet(&schema, &batches, 122_880)` is a file of row groups of that size: Snappy, dictionaries where they are
//! small, plain values elsewhere, few and large pages, no page index.
//!
//! Invariants: the parts that it lists lie one behind the other and cover the whole file: the magic, each column chunk,
//! the footer.
//!
//! Does not: write files.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

/// A file, and the parts that are read at once.
#[derive(Debug)]
pub(crate) struct EncodedParquet {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its parts, without gaps.
    pub parts: Vec<Range<usize>>,
}

/// Dictionaries stay so small that one look at them when a table is opened is cheap.
const DICTIONARY_BYTES: usize = 48 << 10;
const PAGE_BYTES: usize = 1 << 20;
/// Room made for a file ahead; batches that are parts of others seem larger than they are.
const MOST_ROOM: usize = 32 << 20;
/// Fewer rows are encoded by one thread.
const FEW_ROWS: usize = 1 << 15;

/// Encodes batches; the error says what the format lacks.
pub(crate) fn encode_parquet(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    group_rows: usize,
) -> Result<EncodedParquet, String> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(group_rows))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(group_rows)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build();
    // Room that is not written to takes no memory, and growing would copy.
    let size: usize = batches.iter().map(RecordBatch::get_array_memory_size).sum();
    let mut bytes = Vec::with_capacity(size.min(MOST_ROOM));
    let writer =
        ArrowWriter::try_new(&mut bytes, schema.clone(), Some(properties)).map_err(|error| error.to_string())?;
    let (mut file, factory) = writer.into_serialized_writer().map_err(|error| error.to_string())?;
    let groups = groups(batches, group_rows);
    for chunks in chunks(schema, &groups, &factory)? {
        let mut group = file.next_row_group().map_err(|error| error.to_string())?;
        for chunk in chunks {
            chunk
                .append_to_row_group(&mut group)
                .map_err(|error| error.to_string())?;
        }
        group.close().map_err(|error| error.to_string())?;
    }
    let metadata = file.close().map_err(|error| error.to_string())?;
    let mut bounds = vec![0];
    for chunk in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let (start, len) = chunk.byte_range();
        bounds.extend([start, start + len]);
    }
    bounds.push(bytes.len() as u64);
    bounds.sort_unstable();
    bounds.dedup();
    let bounds: Vec<_> = bounds
        .into_iter()
        .map(|bound| usize::try_from(bound).unwrap_or(usize::MAX))
        .collect();
    let parts = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
    Ok(EncodedParquet { bytes, parts })
}

/// The batches, cut into row groups.
fn groups(batches: &[RecordBatch], group_rows: usize) -> Vec<Vec<RecordBatch>> {
    let mut groups = vec![Vec::new()];
    let mut left = group_rows;
    for batch in batches {
        let mut start = 0;
        while start < batch.num_rows() {
            if left == 0 {
                groups.push(Vec::new());
                left = group_rows;
            }
            let rows = left.min(batch.num_rows() - start);
            groups
                .last_mut()
                .into_iter()
                .for_each(|group| group.push(batch.slice(start, rows)));
            (start, left) = (start + rows, left - rows);
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// A column of a row group that waits to be encoded: which field, and the writers of its leaves.
struct Task<'b> {
    group: &'b [RecordBatch],
    field: usize,
    writers: Vec<ArrowColumnWriter>,
}

type Encoded = Result<Vec<ArrowColumnChunk>, String>;

/// The column chunks of all row groups, encoded on all cores if there is enough to do.
fn chunks(
    schema: &SchemaRef,
    groups: &[Vec<RecordBatch>],
    factory: &ArrowRowGroupWriterFactory,
) -> Result<Vec<Vec<ArrowColumnChunk>>, String> {
    let mut tasks = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let writers = factory
            .create_column_writers(number)
            .map_err(|error| error.to_string())?;
        let mut writers = writers.into_iter();
        for (field, of) in schema.fields().iter().enumerate() {
            tasks.push(Mutex::new(Some(Task {
                group,
                field,
                writers: writers.by_ref().take(leaves(of.data_type())).collect(),
            })));
        }
    }
    let done: Vec<Mutex<Option<Encoded>>> = tasks.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((task, done)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            tasks.get(at).zip(done.get(at))
        } {
            if let Some(task) = lock(task).take() {
                *lock(done) = Some(encode(schema, task));
            }
        }
    };
    let rows: usize = groups.iter().flatten().map(RecordBatch::num_rows).sum();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let helpers = if rows < FEW_ROWS {
        0
    } else {
        cores.min(tasks.len()).saturating_sub(1)
    };
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            // Without a thread the others do its work.
            drop(
                std::thread::Builder::new()
                    .name("gobi-encode".into())
                    .spawn_scoped(scope, work),
            );
        }
        work();
    });
    let mut done = done
        .into_iter()
        .map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
    let mut all = Vec::new();
    for _ in groups {
        let mut chunks = Vec::new();
        for encoded in done.by_ref().take(schema.fields().len()) {
            chunks.extend(encoded.ok_or("a column was not encoded")??);
        }
        all.push(chunks);
    }
    Ok(all)
}

fn encode(schema: &SchemaRef, mut task: Task<'_>) -> Encoded {
    let field = schema.field(task.field);
    for batch in task.group {
        let leaves = compute_leaves(field, batch.column(task.field)).map_err(|error| error.to_string())?;
        for (writer, leaf) in task.writers.iter_mut().zip(leaves) {
            writer.write(&leaf).map_err(|error| error.to_string())?;
        }
    }
    let closed = task.writers.into_iter().map(ArrowColumnWriter::close);
    closed.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// Columns that a type is stored in.
fn leaves(ty: &DataType) -> usize {
    match ty {
        DataType::Struct(fields) => fields.iter().map(|field| leaves(field.data_type())).sum(),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => leaves(item.data_type()),
        DataType::ListView(item) | DataType::LargeListView(item) => leaves(item.data_type()),
        _ => 1,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
