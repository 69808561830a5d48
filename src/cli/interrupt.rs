//! Ctrl-C stops the running query, not the program.
//!
//! The first Ctrl-C while a query runs cancels it: the script ends with a `57014` diagnostic. A second one before it has stopped ends
//! the program.
//!
//! Invariants: one handler per process; it holds the interrupt of the session that runs.
//!
//! Does not: see Ctrl-C at the prompt, where the terminal is in raw mode and the editor reads it as a key.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use crate::client::Interrupt;

static HANDLER: Once = Once::new();
static CURRENT: Mutex<Option<Interrupt>> = Mutex::new(None);
static ASKED: AtomicBool = AtomicBool::new(false);

/// While it lives, Ctrl-C cancels what runs in a session.
pub struct Guard;

/// Connects Ctrl-C to a session.
pub fn guard(interrupt: Interrupt) -> Guard {
    HANDLER.call_once(|| {
        // Without a handler Ctrl-C ends the program, which is what it does everywhere.
        let _ = ctrlc::set_handler(stop);
    });
    ASKED.store(false, Ordering::Relaxed);
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt);
    Guard
}

impl Drop for Guard {
    fn drop(&mut self) {
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn stop() {
    let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match current {
        Some(interrupt) if !ASKED.swap(true, Ordering::Relaxed) => interrupt.cancel(),
        _ => std::process::exit(130),
    }
}
