//! Redo records: what is durable before it is a commit.
//!
//! An `INSERT` of a row is written as record 17, a hundred bytes that say which row comes to which table, and is acknowledged when
//! they are synced. A little later a commit is made of what the records 12 to 17 say; in its group stands "done up to 17".
//!
//! Invariants: records are numbered in the order in which they are queued. A record counts until a group says that it is done, and
//! the group that says so has the commit. While there are any, no commit is queued but one that takes records in, so that none
//! overtakes what was acknowledged.
//!
//! Does not: know what a record says.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::wire::{Malformed, Reader, write_signed, write_varint};

/// A record that is not yet part of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedoRecord {
    /// Counts records, from 1.
    pub number: u64,
    /// When it was queued: the time of the commit that it becomes part of is not before it.
    pub time_us: i64,
    /// What is to be done.
    pub body: Arc<[u8]>,
}

/// What a group says of records.
#[derive(Clone, Debug)]
pub(crate) enum Redo {
    /// Here is one.
    Record(RedoRecord),
    /// Those up to this number are part of commits.
    Done(u64),
}

const RECORD: u8 = 0;
const DONE: u8 = 1;

impl Redo {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Record(record) => {
                out.reserve(record.body.len() + 24);
                out.push(RECORD);
                write_record(&mut out, record);
                out.extend(&*record.body);
            }
            Self::Done(number) => {
                out.push(DONE);
                write_varint(&mut out, *number);
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        match reader.byte()? {
            RECORD => {
                let (number, time_us) = (reader.varint()?, reader.signed()?);
                let body = reader.take(reader.left())?.into();
                Ok(Self::Record(RedoRecord { number, time_us, body }))
            }
            DONE => {
                let number = reader.varint()?;
                reader.finish()?;
                Ok(Self::Done(number))
            }
            _ => Err(Malformed("a redo record is of an unknown kind")),
        }
    }
}

fn write_record(out: &mut Vec<u8>, record: &RedoRecord) {
    write_varint(out, record.number);
    write_signed(out, record.time_us);
}

/// The records that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unfinished(BTreeMap<u64, RedoRecord>);

impl Unfinished {
    /// A group was written, or read.
    pub(crate) fn take(&mut self, redo: Redo) {
        match redo {
            Redo::Record(record) => drop(self.0.insert(record.number, record)),
            Redo::Done(number) => self.0 = self.0.split_off(&number.saturating_add(1)),
        }
    }

    /// In their order.
    pub(crate) fn records(&self) -> impl Iterator<Item = &RedoRecord> {
        self.0.values()
    }

    /// As HEAD has them.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        write_varint(out, self.0.len() as u64);
        for record in self.0.values() {
            write_record(out, record);
            write_varint(out, record.body.len() as u64);
            out.extend(&*record.body);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut all = Self::default();
        for _ in 0..reader.varint()? {
            let (number, time_us) = (reader.varint()?, reader.signed()?);
            let body = reader.bytes()?.into();
            all.take(Redo::Record(RedoRecord { number, time_us, body }));
        }
        Ok(all)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> RedoRecord {
        RedoRecord {
            number,
            time_us: -3,
            body: Arc::from(&b"a row"[..]),
        }
    }

    #[test]
    fn records_count_until_they_are_done() {
        let mut known = Unfinished::default();
        for number in 1..=4 {
            let bytes = Redo::Record(record(number)).encode();
            known.take(Redo::decode(&bytes).unwrap());
        }
        known.take(Redo::decode(&Redo::Done(3).encode()).unwrap());
        assert_eq!(known.records().collect::<Vec<_>>(), [&record(4)]);
        let mut bytes = Vec::new();
        known.encode(&mut bytes);
        assert_eq!(Unfinished::decode(&mut Reader::new(&bytes)).unwrap(), known);
        assert!(Redo::decode(&[7]).is_err() && Redo::decode(&[]).is_err());
    }
}
