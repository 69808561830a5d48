//! Worker threads that live as long as the engine.
//!
//! `pool.run(2, work)` calls `work(0)` on the calling thread and `work(1)` on a worker, and returns when both are done.
//!
//! Invariants: a worker that has not started a job when the caller has finished its own part never starts it, and keeps nothing of it,
//! so a busy pool delays nobody; workers are started when first needed.
//!
//! Does not: split work; jobs take morsels from a shared counter.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::ExecError;
use super::memory::Budget;

type Work = Arc<dyn Fn(usize) + Send + Sync>;

/// The threads.
#[derive(Debug, Default)]
pub struct Pool {
    workers: Mutex<Vec<Sender<Arc<Job>>>>,
}

struct Job {
    state: Mutex<JobState>,
    changed: Condvar,
}

struct JobState {
    /// None when the job is over: it may hold what somebody waits for the end of.
    work: Option<Work>,
    next: usize,
    running: usize,
}

impl Pool {
    /// Calls `work(i)` for `i` in `0..threads`, as far as workers are free; always for 0.
    pub fn run(&self, threads: usize, work: Work) {
        let job = Arc::new(Job {
            state: Mutex::new(JobState {
                work: Some(work.clone()),
                next: 1,
                running: 0,
            }),
            changed: Condvar::new(),
        });
        self.offer(threads.saturating_sub(1), &job);
        work(0);
        let mut state = lock(&job.state);
        state.work = None;
        while state.running > 0 {
            state = job.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn offer(&self, helpers: usize, job: &Arc<Job>) {
        let mut workers = lock(&self.workers);
        while workers.len() < helpers {
            let (sender, receiver) = channel();
            let name = format!("gobi-worker-{}", workers.len() + 1);
            let spawned = std::thread::Builder::new().name(name).spawn(move || serve(&receiver));
            if spawned.is_err() {
                break;
            }
            workers.push(sender);
        }
        for worker in workers.iter().take(helpers) {
            // A worker that is gone helps nobody; the caller does the work.
            let _ = worker.send(job.clone());
        }
    }
}

/// The workers that finish what a pipeline has made.
#[derive(Debug)]
pub struct Team<'a> {
    /// The threads.
    pub pool: &'a Pool,
    /// How many may be used.
    pub threads: usize,
    /// Where they take memory from.
    pub budget: &'a Arc<Budget>,
}

impl Team<'_> {
    /// Fewer rows than this are not worth waking anybody.
    pub const WORTH_SHARING: usize = 1 << 15;

    /// Calls `task` for every number below `tasks`, on as many threads as there are tasks; gives the first error.
    pub fn each(
        &self,
        tasks: usize,
        task: impl Fn(usize) -> Result<(), ExecError> + Send + Sync + 'static,
    ) -> Result<(), ExecError> {
        if tasks <= 1 || self.threads <= 1 {
            return (0..tasks).try_for_each(task);
        }
        let next = AtomicUsize::new(0);
        let failed: Arc<Mutex<Option<ExecError>>> = Arc::default();
        let errors = failed.clone();
        let work = move |_| {
            let one = |number| {
                let done = catch_unwind(AssertUnwindSafe(|| task(number)));
                done.unwrap_or_else(|_| Err(ExecError::internal("a worker panicked")))
            };
            while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < tasks) {
                if let Err(error) = one(number) {
                    lock(&errors).get_or_insert(error);
                    next.store(tasks, Ordering::Relaxed);
                }
            }
        };
        self.pool.run(self.threads.min(tasks), Arc::new(work));
        let error = lock(&failed).take();
        error.map_or(Ok(()), Err)
    }
}

impl Team<'_> {
    /// Like [`Team::each`]; gives what each task made.
    pub fn map<T: Send + 'static>(
        &self,
        tasks: usize,
        task: impl Fn(usize) -> Result<T, ExecError> + Send + Sync + 'static,
    ) -> Result<Vec<T>, ExecError> {
        let made: Arc<Vec<Mutex<Option<T>>>> = Arc::new((0..tasks).map(|_| Mutex::new(None)).collect());
        let places = made.clone();
        self.each(tasks, move |number| {
            let done = task(number)?;
            *lock(&places[number]) = Some(done);
            Ok(())
        })?;
        let taken = made.iter().map(|place| lock(place).take());
        taken
            .map(|made| made.ok_or_else(|| ExecError::internal("a task made nothing")))
            .collect()
    }
}

fn serve(jobs: &Receiver<Arc<Job>>) {
    while let Ok(job) = jobs.recv() {
        let (work, number) = {
            let mut state = lock(&job.state);
            let Some(work) = state.work.clone() else { continue };
            state.running += 1;
            state.next += 1;
            (work, state.next - 1)
        };
        work(number);
        drop(work);
        lock(&job.state).running -= 1;
        job.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
