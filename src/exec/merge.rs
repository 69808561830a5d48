//! Puts the groups of all workers into one table when a pipeline has ended.
//!
//! Two workers that each summed up lineitem by `l_orderkey`, addressed directly, give six million groups each: stretches of them
//! are merged side by side. Of two tables of hashed groups, the smaller is merged into the larger.
//!
//! Invariants: states are combined by the pipeline's own merge kernel; a group is merged by one thread.
//!
//! Does not: make results of the groups (the next pipeline does).

use std::sync::Arc;

use gobi_jit::Executable;
use gobi_jit::ir::FuncId;

use super::ExecError;
use super::frame::Frame;
use super::host::Host;
use super::pool::Team;
use super::run::Query;
use super::tables::Groups;
use super::worker::{failure, point_to_groups};
use crate::compile::frame::Slot;
use crate::compile::{BLOCK_ROWS, PipelineCode};

/// Merges the workers' groups into one table.
pub fn merge(
    query: &Arc<Query>,
    pipeline: usize,
    group: usize,
    mut parts: Vec<Groups>,
) -> Result<Arc<Groups>, ExecError> {
    parts.sort_by_key(|groups| std::cmp::Reverse(groups.rows.count));
    let mut parts = parts.into_iter();
    let Some(mut target) = parts.next() else {
        let table = &query.prepared.plan.groups[group];
        return Ok(Arc::new(Groups::new(table, &query.budget)?));
    };
    if target.size.is_some() {
        let target = Arc::new(target);
        for part in parts {
            merge_direct(query, pipeline, &target, part)?;
        }
        return Ok(target);
    }
    for part in parts {
        let Some(mut merger) = Merger::new(query, pipeline, &part) else {
            break;
        };
        let (mut at, end) = part.row_range();
        while at < end {
            let count = (end - at).min(BLOCK_ROWS);
            target.make_room(count, &query.budget)?;
            merger.step(&target, at, count)?;
            target.rows.count = merger.frame.get(Slot::SinkCount) as usize;
            at += count;
        }
        merger.end();
    }
    Ok(Arc::new(target))
}

/// Groups that have the same number in both tables: every stretch of numbers can be merged by itself.
fn merge_direct(query: &Arc<Query>, pipeline: usize, target: &Arc<Groups>, part: Groups) -> Result<(), ExecError> {
    let (first, end) = target.row_range();
    let stretch = Team::WORTH_SHARING;
    let (query, target) = (query.clone(), target.clone());
    let helped = query.clone();
    helped.team().each((end - first).div_ceil(stretch), move |number| {
        let Some(mut merger) = Merger::new(&query, pipeline, &part) else {
            return Ok(());
        };
        let from = first + number * stretch;
        let until = end.min(from + stretch);
        for at in (from..until).step_by(BLOCK_ROWS) {
            let count = BLOCK_ROWS.min(until - at);
            if !is_untouched(&part, at, count) {
                merger.step(&target, at, count)?;
            }
        }
        merger.end();
        Ok(())
    })
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
    fn new(query: &'a Query, pipeline: usize, part: &Groups) -> Option<Self> {
        let prepared = &query.prepared.pipelines[pipeline];
        let code = prepared.code.clone();
        let kernel = code.merge.as_ref()?.id;
        let mut frame = Frame::new(&code);
        let mut host = Host::new(code.clone(), query.now_micros, query.seed);
        frame.set(Slot::Host, std::ptr::from_mut(&mut *host) as u64);
        frame.set(Slot::MergeRows, part.rows.address() as u64);
        Some(Self {
            query,
            code,
            executable: &prepared.executable,
            kernel,
            frame,
            host,
        })
    }

    /// Merges `count` rows from row `at` on.
    fn step(&mut self, target: &Groups, at: usize, count: usize) -> Result<(), ExecError> {
        self.query.options.cancel.check()?;
        point_to_groups(&mut self.frame, target);
        // SAFETY: the slots point to the two tables, and the target has room for a block of new groups.
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
