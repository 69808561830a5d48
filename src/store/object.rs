//! Objects: immutable bytes of a kind, named by their SHA-256.
//!
//! `ObjectId::of(Kind::NODE, body)` is SHA-256 of the byte 0x02 followed by the body.
//!
//! Invariants: the kind is hashed before the body, so no object can pass for one of another kind. Kind 0x00 is the
//! commit, so that a commit's id *is* its leaf hash in the RFC 6962 log; 0x01 is what the log's inner nodes are hashed
//! with, and never a kind.
//!
//! Does not: know what a body says, or where it lies.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::commit::Commit;
use super::wire::Malformed;
use super::{Damage, StoreError, tree};

/// SHA-256 of an object's kind and body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId(pub [u8; 32]);

/// Some of its bytes are as good as a hash of all.
impl Hash for ObjectId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// The name that a commit goes by.
pub type CommitId = ObjectId;

/// What an object is. The numbers are part of the format and of every id; layers above may take those from 0x10 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// A commit record.
    pub const COMMIT: Self = Self(0x00);
    /// A node of a snapshot tree or key index.
    pub const NODE: Self = Self(0x02);
    /// A catalog object: the definition of a table, view, procedure, ….
    pub const CATALOG: Self = Self(0x03);
    /// A small segment.
    pub const SEGMENT: Self = Self(0x04);
    /// A deletion vector.
    pub const DELETES: Self = Self(0x05);
    /// Bytes that nothing here looks into.
    pub const BLOB: Self = Self(0x06);
    /// The parts of a segment that is a file.
    pub const FILE: Self = Self(0x07);
    /// Row ids and commits of a segment.
    pub const LINEAGE: Self = Self(0x08);
    /// What the log's inner nodes are hashed with; no object is of this kind.
    pub(crate) const LOG_NODE: Self = Self(0x01);
    /// A change of a branch or tag: stands in packs, is read at recovery only, and has no name.
    pub(crate) const REF: Self = Self(0x0f);
    /// What is durable before it is a commit: likewise.
    pub(crate) const REDO: Self = Self(0x0e);

    /// Whether records of this kind have no name, and are no objects.
    pub(crate) fn is_nameless(self) -> bool {
        [Self::REF, Self::REDO].contains(&self)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::COMMIT => out.write_str("commit"),
            Self::NODE => out.write_str("tree node"),
            Self::CATALOG => out.write_str("catalog object"),
            Self::SEGMENT => out.write_str("segment"),
            Self::DELETES => out.write_str("deletion vector"),
            Self::BLOB => out.write_str("blob"),
            Self::LINEAGE => out.write_str("lineage"),
            Self::FILE => out.write_str("segment file"),
            Self::REF => out.write_str("change of a branch"),
            Self::REDO => out.write_str("redo record"),
            Self(other) => write!(out, "object of kind {other}"),
        }
    }
}

impl ObjectId {
    /// The name of an object.
    pub fn of(kind: Kind, body: &[u8]) -> Self {
        Self(tagged(kind, &[body]))
    }

    /// The first bytes, by which pack indexes sort; a reader still checks the whole.
    pub(crate) fn prefix(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }
}

/// SHA-256 of a tag byte and some parts.
pub(crate) fn tagged(kind: Kind, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([kind.0]);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

impl fmt::Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// A text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 64 hexadecimal digits")]
pub struct NoId;

impl FromStr for ObjectId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let mut out = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoId);
        }
        for (index, byte) in out.iter_mut().enumerate() {
            let digits = text.get(index * 2..index * 2 + 2).ok_or(NoId)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NoId)?;
        }
        Ok(Self(out))
    }
}

/// An object that is to be written.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub id: ObjectId,
    /// Its contents.
    pub body: Arc<[u8]>,
    /// How it might be written shorter. Only a hint: the id is always that of the whole body.
    pub packing: Packing,
}

/// A hint how an object may be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// As it is; right for what is compressed already.
    Plain,
    /// Compressed, if that pays.
    #[default]
    Compress,
    /// As its difference from an object of the same kind that resembles it, if that one lies in the same pack;
    /// otherwise compressed.
    Delta(ObjectId),
}

impl NewObject {
    /// An object of a kind.
    pub fn new(kind: Kind, body: impl Into<Arc<[u8]>>) -> Self {
        let body = body.into();
        Self {
            kind,
            id: ObjectId::of(kind, &body),
            body,
            packing: Packing::default(),
        }
    }

    /// With a hint how to store it.
    pub fn packed(mut self, packing: Packing) -> Self {
        self.packing = packing;
        self
    }
}

/// Where objects are read from: a timeline, what a transaction has staged on top of one, or the nodes of a proof.
pub trait ReadObjects: Send + Sync {
    /// The body of an object, checked against its id.
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError>;
}

/// What objects refer to. The store knows it of commits and tree nodes; the layers above know it of the values in leaves
/// and of their own kinds.
pub trait References: Send + Sync {
    /// Objects that must be there if this one is, beside the parents and the root of a commit and a node's children.
    fn of(&self, kind: Kind, body: &[u8]) -> Result<Vec<(Kind, ObjectId)>, StoreError>;
}

/// Nothing but what the store itself knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReferences;

impl References for NoReferences {
    fn of(&self, _: Kind, _: &[u8]) -> Result<Vec<(Kind, ObjectId)>, StoreError> {
        Ok(Vec::new())
    }
}

/// All that an object refers to.
pub(crate) fn all_references(
    references: &dyn References,
    kind: Kind,
    body: &[u8],
) -> Result<Vec<(Kind, ObjectId)>, StoreError> {
    let malformed = |Malformed(what)| Damage::new(Path::new("packs"), what).of(kind, ObjectId::of(kind, body));
    let mut all = references.of(kind, body)?;
    match kind {
        Kind::COMMIT => {
            let commit = Commit::read(body).map_err(malformed)?;
            all.push((Kind::NODE, commit.root));
            all.extend(commit.parents.iter().map(|parent| (Kind::COMMIT, *parent)));
        }
        Kind::NODE => {
            let children = tree::children(body).map_err(malformed)?;
            all.extend(children.into_iter().map(|child| (Kind::NODE, child)));
        }
        _ => {}
    }
    Ok(all)
}

impl<T: ReadObjects + ?Sized> ReadObjects for &T {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        (**self).read(kind, id)
    }
}

impl<T: ReadObjects + ?Sized> ReadObjects for Arc<T> {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        (**self).read(kind, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_tagged_hashes() {
        let empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(ObjectId::of(Kind::COMMIT, b"").to_string(), empty);
        assert_ne!(ObjectId::of(Kind::NODE, b""), ObjectId::of(Kind::BLOB, b""));
        assert_eq!(empty.parse::<ObjectId>().unwrap(), ObjectId::of(Kind::COMMIT, b""));
        assert!("6e34".parse::<ObjectId>().is_err());
        assert!("é".repeat(32).parse::<ObjectId>().is_err());
    }
}
