//! Puts the groups of all workers into one table when a pipeline has ended.
//!
//! Two workers that each summed up lineitem by `l_suppkey`, addressed directly, give ten thousand groups each: stretches of
//! them are merged side by side. Many hashed groups are merged side by side too, by parts of all hashes; of few, or where
//! memory is short, the smaller table is merged into the larger.
//!
//! Invariants: states are combined by the pipeline's own merge kernel; a group is merged by one thread.
//!
//! Does not: make results of the groups (the next pipeline does).

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use gobi_jit::Executable;
use gobi_jit::ir::FuncId;

use super::ExecError;
use super::frame::Frame;
use super::host::Host;
use super::memory::{Block, RowBuffer};
use super::pool::Team;
use super::run::{Query, Running, lock};
use super::tables::Groups;
use super::worker::{failure, point_to_groups};
use crate::compile::frame::Slot;
use crate::compile::{BLOCK_ROWS, PipelineCode};

/// Fewer hashed groups than this are merged by one thread.
const LEAST_SHARED_GROUPS: usize = 4096;

/// Merges the workers' groups into one table.
pub fn merge(
    query: &Arc<Query>,
    running: &Running,
    group: usize,
    mut parts: Vec<Groups>,
) -> Result<Arc<Groups>, ExecError> {
    parts.sort_by_key(|groups| std::cmp::Reverse(groups.rows.count));
    if let Some(shared) = &running.groups {
        return merge_direct(query, running.index, shared.groups.clone(), parts);
    }
    if is_worth_sharing(query, &parts)
        && let Some(target) = Partitioned::new(query, running.index, &parts)
    {
        return target.merge(parts);
    }
    let mut parts = parts.into_iter();
    let Some(target) = parts.next() else {
        let table = &query.prepared.plan.groups[group];
        return Ok(Arc::new(Groups::new(table, &query.budget)?));
    };
    if target.size.is_some() {
        return merge_direct(query, running.index, Arc::new(target), parts.collect());
    }
    merge_hashed(query, running.index, target, parts.collect()).map(Arc::new)
}

/// Hashed groups, one table into the other.
fn merge_hashed(
    query: &Arc<Query>,
    pipeline: usize,
    mut target: Groups,
    parts: Vec<Groups>,
) -> Result<Groups, ExecError> {
    for part in parts {
        let Some(mut merger) = Merger::new(query, pipeline, &part)? else {
            break;
        };
        let (mut at, end) = (1, part.rows.count);
        while at < end {
            let count = (end - at).min(BLOCK_ROWS);
            target.make_room(count, &query.budget)?;
            point_to_groups(&mut merger.frame, &target);
            merger.step(at, count)?;
            target.rows.count = merger.frame.get(Slot::SinkCount) as usize;
            at += count;
        }
        merger.end();
    }
    Ok(target)
}

/// Groups that have the same number in all tables: every stretch of numbers can be merged by itself.
fn merge_direct(
    query: &Arc<Query>,
    pipeline: usize,
    target: Arc<Groups>,
    parts: Vec<Groups>,
) -> Result<Arc<Groups>, ExecError> {
    for part in parts {
        let Range { start: first, end } = part.touched.clone();
        let stretch = Team::WORTH_SHARING;
        let (query, target) = (query.clone(), target.clone());
        let helped = query.clone();
        helped.team().each((end - first).div_ceil(stretch), move |number| {
            let Some(mut merger) = Merger::new(&query, pipeline, &part)? else {
                return Ok(());
            };
            point_to_groups(&mut merger.frame, &target);
            let from = first + number * stretch;
            let until = end.min(from + stretch);
            for at in (from..until).step_by(BLOCK_ROWS) {
                let count = BLOCK_ROWS.min(until - at);
                if !is_untouched(&part, at, count) {
                    merger.step(at, count)?;
                }
            }
            merger.end();
            Ok(())
        })?;
    }
    Ok(target)
}

/// Whether merging hashed groups is worth to wake somebody.
fn is_worth_sharing(query: &Query, parts: &[Groups]) -> bool {
    let hashed = parts.iter().all(|part| part.size.is_none());
    let smaller: usize = parts.iter().skip(1).map(|part| part.rows.count).sum();
    hashed && query.options.threads > 1 && smaller >= LEAST_SHARED_GROUPS
}

/// Hashed groups that are merged side by side, each thread all groups whose hash lies in a part of all hashes.
struct Partitioned {
    query: Arc<Query>,
    pipeline: usize,
    /// As many rows as there are groups in all tables; each part's groups begin where those of all before it could end.
    rows: RowBuffer,
    starts: Vec<usize>,
}

impl Partitioned {
    /// `None` if there is no memory for a second copy of the groups.
    fn new(query: &Arc<Query>, pipeline: usize, parts: &[Groups]) -> Option<Self> {
        let count = query.options.threads;
        let mut starts = vec![0; count + 1];
        for part in parts {
            for number in 1..part.rows.count {
                starts[partition(part, number, count) + 1] += 1;
            }
        }
        starts[0] = 1;
        for at in 1..=count {
            starts[at] += starts[at - 1];
        }
        let mut rows = part_rows(parts)?;
        rows.make_room(starts[count] - 1, &query.budget).ok()?;
        rows.count = starts[count];
        let query = query.clone();
        Some(Self {
            query,
            pipeline,
            rows,
            starts,
        })
    }

    fn merge(self, parts: Vec<Groups>) -> Result<Arc<Groups>, ExecError> {
        let count = self.starts.len() - 1;
        let ends: Arc<Mutex<Vec<usize>>> = Arc::new(Mutex::new(self.starts.clone()));
        let merged = Arc::new(Groups {
            rows: self.rows,
            index: None,
            mask: 0,
            size: None,
            touched: 0..0,
            parts: OnceLock::new(),
        });
        let (query, starts) = (self.query, self.starts.clone());
        let (helped, target, reached) = (query.clone(), merged.clone(), ends.clone());
        helped.team().each(count, move |number| {
            let (start, most) = (starts[number], starts[number + 1]);
            let places = ((most - start + 1) * 2).next_power_of_two();
            let index = Block::zeroed(places * 4, &query.budget, "aggregation")?;
            let mut next = start;
            for part in &parts {
                let Some(mut merger) = Merger::new(&query, self.pipeline, part)? else {
                    break;
                };
                merger.frame.set(Slot::SinkRows, target.rows.address() as u64);
                merger.frame.set(Slot::SinkCount, next as u64);
                merger.frame.set(Slot::GroupIndex, index.address() as u64);
                merger.frame.set(Slot::GroupMask, places as u64 - 1);
                let mut at = 1;
                while let Some(run) = next_run(part, at, |row| partition(part, row, count) == number) {
                    at = run.end;
                    merger.step(run.start, run.len())?;
                }
                next = merger.frame.get(Slot::SinkCount) as usize;
                merger.end();
            }
            lock(&reached)[number] = next;
            Ok(())
        })?;
        let ends = std::mem::take(&mut *lock(&ends));
        let ranges = self.starts.iter().zip(ends).take(count);
        let _ = merged.parts.set(ranges.map(|(start, end)| *start..end).collect());
        Ok(merged)
    }
}

/// Rows like those of the tables, none yet.
fn part_rows(parts: &[Groups]) -> Option<RowBuffer> {
    parts.first().map(|part| part.rows.empty())
}

/// The next rows from `at` on, a block at most, that are all wanted.
fn next_run(part: &Groups, at: usize, wanted: impl Fn(usize) -> bool) -> Option<Range<usize>> {
    let start = (at..part.rows.count).find(|row| wanted(*row))?;
    let most = part.rows.count.min(start + BLOCK_ROWS);
    let end = (start + 1..most).find(|row| !wanted(*row)).unwrap_or(most);
    Some(start..end)
}

/// Which of so many parts a group belongs to, by the upper bits of its hash; places in an index come from lower ones.
fn partition(part: &Groups, number: usize, count: usize) -> usize {
    // SAFETY: the first eight bytes of a hashed group's row are its hash.
    let hash = unsafe { part.rows.row(number).cast::<u64>().read() };
    ((hash >> 48) as usize * count) >> 16
}

/// No row has come to these groups: their memory is as zero as it was.
fn is_untouched(part: &Groups, at: usize, count: usize) -> bool {
    let Some(words) = part.rows.words(at, count) else {
        return false;
    };
    words
        .chunks(64)
        .all(|chunk| chunk.iter().fold(0, |all, word| all | word) == 0)
}

/// A merge kernel and what it needs.
struct Merger<'a> {
    query: &'a Query,
    code: Arc<PipelineCode>,
    executable: &'a Executable,
    kernel: FuncId,
    frame: Frame,
    host: Box<Host>,
}

impl<'a> Merger<'a> {
    /// `None` if there is nothing to merge.
    fn new(query: &'a Query, pipeline: usize, part: &Groups) -> Result<Option<Self>, ExecError> {
        let prepared = &query.prepared.pipelines[pipeline];
        let code = prepared.code.clone();
        let Some(kernel) = &code.merge else {
            return Ok(None);
        };
        let kernel = kernel.id;
        let mut frame = Frame::new(&code);
        let mut host = Host::new(code.clone(), query.moment.start(), (&query.budget, "aggregation"))?;
        frame.set(Slot::Host, std::ptr::from_mut(&mut *host) as u64);
        frame.set(Slot::MergeRows, part.rows.address() as u64);
        Ok(Some(Self {
            query,
            code,
            executable: &prepared.executable,
            kernel,
            frame,
            host,
        }))
    }

    /// Merges `count` rows from row `at` on into the groups that the frame points to.
    fn step(&mut self, at: usize, count: usize) -> Result<(), ExecError> {
        self.query.options.cancel.check()?;
        // SAFETY: the slots point to the two tables, and the target has room for so many new groups.
        let done = unsafe {
            self.executable
                .call_kernel(self.kernel, self.frame.address(), at as i64, count as i64)
        };
        match done {
            0.. => Ok(()),
            _ => Err(failure(&self.code, &self.frame, &mut self.host)),
        }
    }

    /// Texts that groups point to stay with the query.
    fn end(self) {
        self.query.keep_host(self.host);
    }
}
