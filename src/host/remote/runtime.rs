//! The bridge between threads that wait and a client that does not.
//!
//! `wait(store.head(&key))` returns when the answer is there.
//!
//! Invariants: threads of the runtime are started by the first that waits, and never wait themselves.
//!
//! Does not: limit how many wait.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// The value of a future.
pub fn wait<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let made = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("gobi-remote")
            .enable_all()
            .build();
        made.expect("a process can start two threads")
    });
    runtime.block_on(future)
}
