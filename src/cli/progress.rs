//! A progress bar on standard error for queries that take over a second.
//!
//! A query of three seconds shows nothing at first, then `[█████░░░░░] 50 %`, and no trace of it at the end.
//!
//! Invariants: nothing is drawn when standard error is no terminal, nor after the guard is dropped.
//!
//! Does not: slow the query down; it asks ten times a second, from a thread of its own.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::client::Progress;

/// Draws while it lives.
pub struct Guard {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Watches a query; `None` gives a guard that does nothing.
pub fn watch(progress: Option<Progress>) -> Guard {
    let Some(progress) = progress else {
        return Guard {
            stop: None,
            thread: None,
        };
    };
    let (stop, stopped) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        if stopped.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("[{bar:40}] {percent} % {elapsed}");
        bar.set_style(
            style
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("█▌░"),
        );
        loop {
            bar.set_position((progress.fraction().clamp(0.0, 1.0) * 1000.0) as u64);
            if stopped.recv_timeout(Duration::from_millis(100)) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        bar.finish_and_clear();
    });
    Guard {
        stop: Some(stop),
        thread: Some(thread),
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread only draws; if it failed, there is nothing to undo.
            let _ = thread.join();
        }
    }
}
