//! The log: a Merkle tree over all commits as RFC 6962 (Certificate Transparency) defines it, and its proofs.
//!
//! Of the eight commits `d0 … d7` the root is `node(node(node(d0,d1),node(d2,d3)), node(node(d4,d5),node(d6,d7)))`. That
//! `d1` is the second of them is proved by three hashes: `d0`, `node(d2,d3)` and the right half; whoever knows the root
//! needs nothing else to check it ([`InclusionProof::verify`]).
//!
//! Invariants: a leaf's hash is SHA-256 of 0x00 and the commit record, a node's of 0x01 and its children, so the proofs
//! are the standard ones and any RFC 6962 verifier accepts them. The log only grows: [`ConsistencyProof`] shows that a
//! smaller root is a prefix of a larger one.
//!
//! Does not: know commits, or where hashes are kept: proofs are made from [`Subtrees`].

mod levels;

use super::StoreError;
use super::object::{CommitId, Kind, ObjectId, tagged};

pub(crate) use levels::Levels;

/// A hash of the log: a leaf (then it is a commit's id), an inner node, or a root.
pub type Hash = ObjectId;

/// The root over some first commits of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// How many commits.
    pub size: u64,
    /// Their root; SHA-256 of nothing for none.
    pub root: Hash,
}

/// Hashes of complete subtrees.
pub trait Subtrees {
    /// The root over the leaves `index << level .. (index + 1) << level`, all of which the log has.
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, StoreError>;
}

/// The hash of two subtrees side by side.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    ObjectId(tagged(Kind::LOG_NODE, &[&left.0, &right.0]))
}

/// The root of no commits.
pub fn empty_root() -> Hash {
    use sha2::Digest;
    ObjectId(sha2::Sha256::digest([]).into())
}

/// The complete subtrees that a log of some size consists of, largest first: all that is needed to append.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// Reads the frontier of a log of a size.
    pub fn load(size: u64, subtrees: &impl Subtrees) -> Result<Self, StoreError> {
        let mut roots = Vec::new();
        let mut from = 0;
        for level in (0..64).rev().filter(|level| size >> level & 1 == 1) {
            roots.push(subtrees.subtree(level, from >> level)?);
            from += 1 << level;
        }
        Ok(Self { size, roots })
    }

    /// Adds a leaf.
    pub fn append(&mut self, leaf: CommitId) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// Size and root now.
    pub fn head(&self) -> LogHead {
        let joined = self
            .roots
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right));
        LogHead {
            size: self.size,
            root: joined.unwrap_or_else(empty_root),
        }
    }
}

/// Shows that a commit is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// Its position.
    pub index: u64,
    /// The log's size.
    pub size: u64,
    /// The siblings on the way from the leaf to the root.
    pub path: Vec<Hash>,
}

/// Shows that the log of a size is a prefix of that of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The smaller size.
    pub old_size: u64,
    /// The larger one.
    pub new_size: u64,
    /// Subtrees from which both roots follow.
    pub path: Vec<Hash>,
}

/// The root over the leaves `from..to`: MTH of RFC 6962, 2.1.
pub fn range_root(subtrees: &impl Subtrees, from: u64, to: u64) -> Result<Hash, StoreError> {
    let size = to.saturating_sub(from);
    if size == 0 {
        return Ok(empty_root());
    }
    if size.is_power_of_two() && from.is_multiple_of(size) {
        return subtrees.subtree(size.trailing_zeros(), from / size);
    }
    let middle = from + split(size);
    Ok(node_hash(
        &range_root(subtrees, from, middle)?,
        &range_root(subtrees, middle, to)?,
    ))
}

/// The largest power of two below a size of at least 2.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

impl InclusionProof {
    /// PATH of RFC 6962, 2.1.1, for a log that has at least `size` leaves.
    pub fn make(subtrees: &impl Subtrees, index: u64, size: u64) -> Result<Self, StoreError> {
        if index >= size {
            let what = "commit";
            let asked = index;
            return Err(StoreError::OutOfLog { what, asked, size });
        }
        let (mut from, mut to) = (0, size);
        let mut path = Vec::new();
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                path.push(range_root(subtrees, middle, to)?);
                to = middle;
            } else {
                path.push(range_root(subtrees, from, middle)?);
                from = middle;
            }
        }
        path.reverse();
        Ok(Self { index, size, path })
    }

    /// The root that follows if `leaf` is where the proof says (RFC 9162, 2.1.3.2).
    pub fn root(&self, leaf: &CommitId) -> Result<Hash, StoreError> {
        if self.index >= self.size {
            return Err(bad("the position is past the log's end"));
        }
        let (mut at, mut last) = (self.index, self.size - 1);
        let mut hash = *leaf;
        for sibling in &self.path {
            if last == 0 {
                return Err(bad("the path is too long"));
            }
            if at & 1 == 1 || at == last {
                hash = node_hash(sibling, &hash);
                // A last node without a right sibling rises to the level where it has a left one.
                let rises = if at & 1 == 0 { at.trailing_zeros() } else { 0 };
                at = shift(at, rises);
                last = shift(last, rises);
            } else {
                hash = node_hash(&hash, sibling);
            }
            at >>= 1;
            last >>= 1;
        }
        if last == 0 {
            Ok(hash)
        } else {
            Err(bad("the path is too short"))
        }
    }

    /// Whether the commit is in the log of this head.
    pub fn verify(&self, commit: &CommitId, head: &LogHead) -> Result<(), StoreError> {
        if head.size != self.size {
            return Err(bad("it is about a log of another size"));
        }
        if self.root(commit)? == head.root {
            Ok(())
        } else {
            Err(bad("another root follows from it"))
        }
    }
}

/// Shifts right, by 64 bits too.
fn shift(value: u64, by: u32) -> u64 {
    value.checked_shr(by).unwrap_or(0)
}

impl ConsistencyProof {
    /// PROOF of RFC 6962, 2.1.2, for a log that has at least `new_size` leaves.
    pub fn make(subtrees: &impl Subtrees, old_size: u64, new_size: u64) -> Result<Self, StoreError> {
        if old_size > new_size {
            return Err(StoreError::OutOfLog {
                what: "size",
                asked: old_size,
                size: new_size,
            });
        }
        let mut path = Vec::new();
        if old_size > 0 && old_size < new_size {
            subproof(subtrees, old_size, (0, new_size), true, &mut path)?;
        }
        Ok(Self {
            old_size,
            new_size,
            path,
        })
    }

    /// Whether the old head is a prefix of the new one (RFC 9162, 2.1.4.2).
    pub fn verify(&self, old: &LogHead, new: &LogHead) -> Result<(), StoreError> {
        if (old.size, new.size) != (self.old_size, self.new_size) || old.size > new.size {
            return Err(bad("it is about logs of other sizes"));
        }
        if old.size == 0 || old.size == new.size {
            let holds = self.path.is_empty() && (old.size == 0 && old.root == empty_root() || old.root == new.root);
            return if holds {
                Ok(())
            } else {
                Err(bad("equal sizes have equal roots and need no path"))
            };
        }
        let (old_root, new_root) = self.roots(old)?;
        if old_root != old.root {
            return Err(bad("another old root follows from it"));
        }
        if new_root == new.root {
            Ok(())
        } else {
            Err(bad("another new root follows from it"))
        }
    }

    /// Both roots that follow from the path, for `0 < old_size < new_size`.
    fn roots(&self, old: &LogHead) -> Result<(Hash, Hash), StoreError> {
        let mut path = self.path.iter();
        let first = if old.size.is_power_of_two() {
            Some(&old.root)
        } else {
            path.next()
        };
        let first = *first.ok_or_else(|| bad("the path is empty"))?;
        let rises = (old.size - 1).trailing_ones();
        let (mut at, mut last) = (shift(old.size - 1, rises), shift(self.new_size - 1, rises));
        let (mut old_root, mut new_root) = (first, first);
        for hash in path {
            if last == 0 {
                return Err(bad("the path is too long"));
            }
            if at & 1 == 1 || at == last {
                old_root = node_hash(hash, &old_root);
                new_root = node_hash(hash, &new_root);
                let rises = if at & 1 == 0 { at.trailing_zeros() } else { 0 };
                at = shift(at, rises);
                last = shift(last, rises);
            } else {
                new_root = node_hash(&new_root, hash);
            }
            at >>= 1;
            last >>= 1;
        }
        if last == 0 {
            Ok((old_root, new_root))
        } else {
            Err(bad("the path is too short"))
        }
    }
}

/// SUBPROOF of RFC 6962; `whole` says that the old tree is exactly the one over `range`'s start and `size` leaves.
fn subproof(
    subtrees: &impl Subtrees,
    size: u64,
    (from, to): (u64, u64),
    whole: bool,
    path: &mut Vec<Hash>,
) -> Result<(), StoreError> {
    if size == to - from {
        if !whole {
            path.push(range_root(subtrees, from, to)?);
        }
        return Ok(());
    }
    let half = split(to - from);
    let middle = from + half;
    if size <= half {
        subproof(subtrees, size, (from, middle), whole, path)?;
        path.push(range_root(subtrees, middle, to)?);
    } else {
        subproof(subtrees, size - half, (middle, to), false, path)?;
        path.push(range_root(subtrees, from, middle)?);
    }
    Ok(())
}

fn bad(why: &str) -> StoreError {
    StoreError::BadProof(why.to_string())
}

#[cfg(test)]
mod tests;
