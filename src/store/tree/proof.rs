//! Proofs about a tree that a stranger can check who knows nothing but its root.
//!
//! A proof is the set of nodes that an operation reads. `Recorder` notes them while the prover looks a key up; the verifier
//! does the same look-up over `ProofNodes`, which hand out nodes by their hash. It finds the value, or that there is none,
//! exactly as the prover did; and so for a range (a scan's completeness) and for a difference.
//!
//! Invariants: a node in a proof is used only under the hash of its bytes, so nothing but what the root commits to can be
//! found; a node that is missing is an error, never an absence.
//!
//! Does not: shorten nodes to the entries in question; a proof takes some 2 KB per level.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Tree;
use crate::store::StoreError;
use crate::store::object::{Kind, ObjectId, ReadObjects};

/// Reads from elsewhere, and notes what.
pub struct Recorder<'a> {
    source: &'a dyn ReadObjects,
    seen: Mutex<BTreeMap<ObjectId, Arc<[u8]>>>,
}

impl<'a> Recorder<'a> {
    /// Over a source.
    pub fn new(source: &'a dyn ReadObjects) -> Self {
        let seen = Mutex::default();
        Self { source, seen }
    }

    /// The nodes that were read.
    pub fn into_nodes(self) -> Vec<Arc<[u8]>> {
        self.seen
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .into_values()
            .collect()
    }
}

impl ReadObjects for Recorder<'_> {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        let body = self.source.read(kind, id)?;
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&body));
        Ok(body)
    }
}

/// The nodes of a proof.
#[derive(Clone, Debug, Default)]
pub struct ProofNodes {
    nodes: BTreeMap<ObjectId, Arc<[u8]>>,
}

impl ProofNodes {
    /// Nodes from anywhere; each goes by its hash.
    pub fn new<T: Into<Arc<[u8]>>>(nodes: impl IntoIterator<Item = T>) -> Self {
        let named = |node: T| {
            let node = node.into();
            (ObjectId::of(Kind::NODE, &node), node)
        };
        Self {
            nodes: nodes.into_iter().map(named).collect(),
        }
    }
}

impl ReadObjects for ProofNodes {
    fn read(&self, kind: Kind, id: ObjectId) -> Result<Arc<[u8]>, StoreError> {
        let found = self.nodes.get(&id).filter(|_| kind == Kind::NODE);
        found
            .cloned()
            .ok_or_else(|| StoreError::BadProof(format!("it lacks the {kind} {id}")))
    }
}

/// A key's value or absence, and the nodes that prove it.
pub type Proved = (Option<Vec<u8>>, Vec<Arc<[u8]>>);

impl Tree<'_> {
    /// A key's value or absence, and the nodes that prove it: `Tree::new(&ProofNodes::new(nodes), root).get(key)` checks.
    pub fn prove(&self, key: &[u8]) -> Result<Proved, StoreError> {
        let recorder = Recorder::new(self.source);
        let value = Tree::new(&recorder, self.root).get(key)?;
        Ok((value, recorder.into_nodes()))
    }
}
