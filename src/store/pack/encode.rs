//! How objects are packed: as the difference from the node that they replace, compressed, or as they are, whichever is shortest.
//!
//! A commit replaces five nodes. `encode` finds for each what is new in it, 70 bytes of 2,000, before it is known where in the pack they
//! will lie; once they lie there, `placed` remembers the nodes as bases of the next differences.
//!
//! Invariants: a difference's base lies in the same pack, or in the same batch before it. What was not placed is base of nothing later.
//!
//! Does not: write.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use super::{MAX_DEPTH, PackFile};
use crate::store::object::{Kind, NewObject, ObjectId, Packing};
use crate::store::{StoreError, delta};

/// Bodies shorter than this are not worth a compressor's while.
const COMPRESS_FROM: usize = 256;
/// Zstandard's fastest level; higher ones gain little on nodes, which are mostly hashes.
const LEVEL: i32 = 1;
/// Bodies kept as likely bases of differences, in bytes per generation.
const RECENT_BYTES: usize = 4 << 20;
/// Of those, bases that others have taken the place of; one that becomes two nodes is asked for twice.
const MOST_REPLACED: usize = 64;

/// Packs objects that go to one pack, one batch after the other.
pub(crate) struct Encoder {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    recent: Recent,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            compressor: zstd::bulk::Compressor::new(LEVEL).ok(),
            recent: Recent::default(),
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Encoder({} nodes)",
            self.recent.young.len() + self.recent.old.len()
        )
    }
}

/// Objects that are packed, and go to a group in this order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    objects: Vec<Packed>,
    nodes: HashMap<ObjectId, usize>,
}

/// An object that is packed.
#[derive(Debug)]
pub(super) struct Packed {
    pub object: NewObject,
    pub how: How,
    pub depth: u8,
    root: Root,
}

/// In which form.
#[derive(Debug)]
pub(super) enum How {
    Plain,
    Zstd(Vec<u8>),
    /// Instructions that make it of what lies there.
    Delta(At, Vec<u8>),
}

/// Where something lies, or will.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// In the pack.
    Pack(u64),
    /// The object of the batch with this number.
    Batch(usize),
}

/// A node that others may be differences from.
#[derive(Clone, Debug)]
struct Base {
    at: At,
    depth: u8,
    root: Root,
    body: Arc<[u8]>,
}

/// Where a chain of differences ends.
#[derive(Clone, Debug)]
struct Root {
    at: At,
    /// Unless it was written long ago: it may have to be read from the medium.
    body: Option<Arc<[u8]>>,
}

impl At {
    /// Its position, given those of the batch's first objects.
    pub(super) fn position(self, placed: &[u64]) -> Option<u64> {
        match self {
            Self::Pack(offset) => Some(offset),
            Self::Batch(number) => placed.get(number).copied(),
        }
    }
}

impl Batch {
    pub(super) fn objects(&self) -> &[Packed] {
        &self.objects
    }

    fn base(&self, id: ObjectId) -> Option<Base> {
        let number = *self.nodes.get(&id)?;
        let packed = self.objects.get(number)?;
        Some(Base {
            at: At::Batch(number),
            depth: packed.depth,
            root: packed.root.clone(),
            body: Arc::clone(&packed.object.body),
        })
    }
}

impl Encoder {
    /// Another pack begins, in which nothing lies.
    pub(crate) fn forget(&mut self) {
        self.recent = Recent::default();
    }

    /// Packs an object that goes to the pack behind others.
    pub(crate) fn encode(&mut self, pack: &PackFile, batch: &mut Batch, object: &NewObject) -> Result<(), StoreError> {
        let number = batch.objects.len();
        let packed = match self.encode_delta(pack, batch, object)? {
            Some(packed) => packed,
            None => Packed {
                how: self.encode_whole(object),
                depth: 0,
                root: Root {
                    at: At::Batch(number),
                    body: Some(Arc::clone(&object.body)),
                },
                object: object.clone(),
            },
        };
        if object.kind == Kind::NODE {
            batch.nodes.insert(object.id, number);
        }
        batch.objects.push(packed);
        Ok(())
    }

    fn encode_whole(&mut self, object: &NewObject) -> How {
        if object.packing != Packing::Plain
            && object.body.len() >= COMPRESS_FROM
            && let Some(compressor) = &mut self.compressor
            && let Ok(bytes) = compressor.compress(&object.body)
            && bytes.len() < object.body.len() / 8 * 7
        {
            return How::Zstd(bytes);
        }
        How::Plain
    }

    /// As a difference, if it is less than three quarters as long: from the base, or if its chain is at its longest, from where
    /// that begins.
    fn encode_delta(
        &mut self,
        pack: &PackFile,
        batch: &Batch,
        object: &NewObject,
    ) -> Result<Option<Packed>, StoreError> {
        let Packing::Delta(id) = object.packing else {
            return Ok(None);
        };
        let found = batch.base(id).or_else(|| self.recent.get(id));
        let Some(base) = found.map_or_else(|| read_base(pack, object.kind, id), |base| Ok(Some(base)))? else {
            return Ok(None);
        };
        let (at, depth, ops) = if base.depth < MAX_DEPTH {
            (base.at, base.depth + 1, delta::diff(&base.body, &object.body))
        } else if let Some(root) = &base.root.body {
            (base.root.at, 1, delta::diff(root, &object.body))
        } else if let At::Pack(offset) = base.root.at {
            let root = pack.body_at(offset)?;
            (base.root.at, 1, delta::diff(&root.bytes, &object.body))
        } else {
            return Ok(None);
        };
        let is_short = ops.len() < object.body.len() / 4 * 3;
        Ok(is_short.then(|| Packed {
            object: object.clone(),
            how: How::Delta(at, ops),
            depth,
            root: base.root,
        }))
    }

    /// The objects of a batch lie at these positions now.
    pub(crate) fn placed(&mut self, batch: Batch, positions: &[u64]) {
        for (packed, offset) in batch.objects.into_iter().zip(positions) {
            let Packed {
                object, depth, root, ..
            } = packed;
            if object.kind != Kind::NODE {
                continue;
            }
            let Some(root_at) = root.at.position(positions) else {
                continue;
            };
            let root = Root {
                at: At::Pack(root_at),
                ..root
            };
            let base = Base {
                at: At::Pack(*offset),
                depth,
                root,
                body: object.body,
            };
            self.recent.insert(object.id, base);
            if let Packing::Delta(replaced) = object.packing {
                self.recent.replaced(replaced);
            }
        }
    }
}

/// A node that was written long ago.
fn read_base(pack: &PackFile, kind: Kind, id: ObjectId) -> Result<Option<Base>, StoreError> {
    let found = pack.locate(kind, id)?;
    Ok(found.map(|(offset, body)| Base {
        at: At::Pack(offset),
        depth: body.depth,
        root: Root {
            at: At::Pack(body.root),
            body: None,
        },
        body: body.bytes.into(),
    }))
}

/// Nodes written or used lately, in two generations: when the younger is full, the older is forgotten.
#[derive(Debug, Default)]
struct Recent {
    young: HashMap<ObjectId, Base>,
    old: HashMap<ObjectId, Base>,
    young_bytes: usize,
    /// Those that others have taken the place of.
    replaced: VecDeque<ObjectId>,
}

impl Recent {
    fn get(&self, id: ObjectId) -> Option<Base> {
        self.young.get(&id).or_else(|| self.old.get(&id)).cloned()
    }

    /// Another node has taken the place of this one.
    fn replaced(&mut self, id: ObjectId) {
        self.replaced.push_back(id);
        if self.replaced.len() > MOST_REPLACED
            && let Some(oldest) = self.replaced.pop_front()
        {
            if let Some(base) = self.young.remove(&oldest) {
                self.young_bytes -= base.body.len();
            }
            self.old.remove(&oldest);
        }
    }

    fn insert(&mut self, id: ObjectId, base: Base) {
        self.young_bytes += base.body.len();
        if let Some(known) = self.young.insert(id, base) {
            self.young_bytes -= known.body.len();
        }
        if self.young_bytes > RECENT_BYTES {
            // The room that the older ones took is there for the next.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
            self.young_bytes = 0;
        }
    }
}
