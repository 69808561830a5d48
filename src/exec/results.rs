//! Where the batches of a result go: to whoever waits for them in another thread, or into a queue that is read later.
//!
//! Invariants: the sender of a query that runs in the thread of its reader never waits.
//!
//! Does not: make batches.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use arrow::array::RecordBatch;

use super::ExecError;

type Item = Result<RecordBatch, ExecError>;

/// Takes batches.
#[derive(Clone, Debug)]
pub enum Results {
    /// Some are made ahead of the reader.
    Ahead(SyncSender<Item>),
    /// All of them are kept until somebody reads.
    Kept(Sender<Item>),
}

impl Results {
    /// At most so many batches wait for their reader.
    pub fn ahead(count: usize) -> (Self, Receiver<Item>) {
        let (sender, receiver) = sync_channel(count);
        (Self::Ahead(sender), receiver)
    }

    /// Any number of batches waits for its reader.
    pub fn kept() -> (Self, Receiver<Item>) {
        let (sender, receiver) = channel();
        (Self::Kept(sender), receiver)
    }

    /// Hands on a batch, or the error that ends the result; false if nobody wants it any more.
    pub fn send(&self, item: Item) -> bool {
        match self {
            Self::Ahead(sender) => sender.send(item).is_ok(),
            Self::Kept(sender) => sender.send(item).is_ok(),
        }
    }
}
