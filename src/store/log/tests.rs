//! The log's hashes and proofs, against the test vectors of Certificate Transparency and a model.
//!
//! Eight leaves of known roots; every proof of every size up to 70.
//!
//! Invariants: see [`super`].
//!
//! Does not: touch packs.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::host::Disk;
use crate::host::sim::SimDisk;

const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn leaf(bytes: &[u8]) -> Hash {
    ObjectId::of(Kind::COMMIT, bytes)
}

/// A log in memory, as the definition reads.
struct Model(Vec<Hash>);

impl Model {
    fn root(&self, from: usize, to: usize) -> Hash {
        match to - from {
            0 => empty_root(),
            1 => self.0[from],
            size => {
                let middle = from + (1 << (size - 1).ilog2());
                node_hash(&self.root(from, middle), &self.root(middle, to))
            }
        }
    }

    fn head(&self, size: usize) -> LogHead {
        let root = self.root(0, size);
        LogHead {
            size: size as u64,
            root,
        }
    }
}

impl Subtrees for Model {
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, StoreError> {
        let from = usize::try_from(index << level).unwrap();
        Ok(self.root(from, from + (1 << level)))
    }
}

fn vectors() -> Model {
    Model(LEAVES.iter().map(|bytes| leaf(bytes)).collect())
}

fn numbered(count: u64) -> Model {
    Model((0..count).map(|index| leaf(&index.to_le_bytes())).collect())
}

fn hex(path: &[Hash]) -> Vec<String> {
    path.iter().map(ToString::to_string).collect()
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(empty_root().to_string(), nothing);
    let mut frontier = Frontier::default();
    assert_eq!(frontier.head().root, empty_root());
    let model = vectors();
    for (index, root) in ROOTS.iter().enumerate() {
        frontier.append(model.0[index]);
        assert_eq!(frontier.head().root.to_string(), *root);
        assert_eq!(range_root(&model, 0, index as u64 + 1).unwrap().to_string(), *root);
        assert_eq!(Frontier::load(index as u64 + 1, &model).unwrap(), frontier);
    }
}

#[test]
fn proofs_are_those_of_certificate_transparency() {
    let model = vectors();
    let inclusion = |index, size| hex(&InclusionProof::make(&model, index, size).unwrap().path);
    assert_eq!(
        inclusion(0, 8),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        inclusion(5, 8),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    let consistency = |old, new| hex(&ConsistencyProof::make(&model, old, new).unwrap().path);
    assert!(consistency(1, 1).is_empty());
    assert_eq!(
        consistency(6, 8),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        consistency(2, 5),
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ]
    );
}

#[test]
fn every_inclusion_proof_holds_for_its_leaf_only() {
    let model = numbered(40);
    for size in 1..=40 {
        let head = model.head(size);
        for index in 0..size {
            let proof = InclusionProof::make(&model, index as u64, size as u64).unwrap();
            proof.verify(&model.0[index], &head).unwrap();
            assert!(proof.verify(&leaf(b"another"), &head).is_err());
            let mut moved = proof.clone();
            moved.index ^= 1;
            assert!(size == 1 || moved.verify(&model.0[index], &head).is_err());
            let mut longer = proof.clone();
            longer.path.push(empty_root());
            assert!(longer.verify(&model.0[index], &head).is_err());
            let mut shorter = proof.clone();
            assert!(shorter.path.pop().is_none() || shorter.verify(&model.0[index], &head).is_err());
        }
    }
    assert!(InclusionProof::make(&model, 3, 3).is_err());
}

#[test]
fn every_consistency_proof_holds_for_its_prefix_only() {
    let model = numbered(40);
    for new in 0..=40 {
        for old in 0..=new {
            let proof = ConsistencyProof::make(&model, old as u64, new as u64).unwrap();
            let (old_head, new_head) = (model.head(old), model.head(new));
            proof.verify(&old_head, &new_head).unwrap();
            let root = leaf(b"another");
            assert!(proof.verify(&LogHead { root, ..old_head }, &new_head).is_err());
            assert!(old == 0 || proof.verify(&old_head, &LogHead { root, ..new_head }).is_err());
            let mut longer = proof.clone();
            longer.path.push(root);
            assert!(longer.verify(&old_head, &new_head).is_err());
        }
    }
    assert!(ConsistencyProof::make(&model, 3, 2).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Hashes saved at any times and read back give the roots and proofs of the model.
    #[test]
    fn levels_keep_what_the_log_needs(sizes in prop::collection::vec(0_u64..400, 1..6), probe in 0_u64..2000) {
        let (disk, folder) = (SimDisk::new(), Path::new("log"));
        disk.create_folder(folder).unwrap();
        let mut levels = Levels::open(&disk, folder, 0).unwrap();
        let mut size = 0;
        for count in sizes {
            for index in size..size + count {
                levels.append(leaf(&index.to_le_bytes())).unwrap();
            }
            size += count;
            let unsaved = levels.unsaved();
            Levels::save(&disk, folder, &unsaved).unwrap();
            if count % 2 == 0 {
                levels.saved(&disk, &unsaved).unwrap();
            } else {
                levels = Levels::open(&disk, folder, size).unwrap();
            }
        }
        let model = numbered(size);
        let head = model.head(usize::try_from(size).unwrap());
        prop_assert_eq!(Frontier::load(size, &levels).unwrap().head(), head);
        if size > 0 {
            let index = probe % size;
            let proof = InclusionProof::make(&levels, index, size).unwrap();
            prop_assert_eq!(&proof, &InclusionProof::make(&model, index, size).unwrap());
            let leaf = levels.leaf(index).unwrap();
            proof.verify(&leaf, &head).unwrap();
        }
        prop_assert!(levels.leaf(size).is_err());
    }
}
