//! The index of a pack: where the object of an id lies, without reading the pack.
//!
//! 100,000 objects are 295 blocks of 4 KB, sorted by the first 8 bytes of the id, and 295 fences of 8 bytes. A look-up
//! finds its block by the fences, which are kept once read, and reads that block.
//!
//! Invariants: the file is written as a whole and never changes; blocks, fences and footer have checksums of their own. An
//! entry is a hint: whoever follows it checks the object's whole id, so that equal first bytes cost a read and nothing else.
//!
//! Does not: say whether an object is wanted, or in which pack to look.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::host::{Disk, ReadAt};
use crate::store::wire::{Malformed, Reader, checksum};
use crate::store::{Damage, FORMAT_VERSION, StoreError};

const MAGIC: &[u8; 8] = b"gobi-idx";
const ENTRY: usize = 12;
const BLOCK: usize = 4096;
const PER_BLOCK: usize = (BLOCK - 8) / ENTRY;
const FOOTER: usize = 56;

/// An index file, open.
#[derive(Debug)]
pub(crate) struct IndexFile {
    path: PathBuf,
    file: Arc<dyn ReadAt>,
    salt: u64,
    /// Bytes of the pack that it covers.
    covered: u64,
    contents: OnceLock<Contents>,
}

#[derive(Debug)]
struct Contents {
    entries: u64,
    /// The first prefix of every block.
    fences: Vec<u64>,
}

impl IndexFile {
    /// Writes the index over a pack's first `covered` bytes; entries are prefixes and positions, sorted.
    pub(crate) fn write(
        disk: &dyn Disk,
        path: &Path,
        salt: u64,
        covered: u64,
        entries: &[(u64, u32)],
    ) -> Result<(), StoreError> {
        let mut out = Vec::with_capacity(entries.len() * 13 + 2 * BLOCK);
        let mut fences = Vec::new();
        for (number, block) in entries.chunks(PER_BLOCK).enumerate() {
            let start = out.len();
            fences.extend(
                block
                    .first()
                    .map(|(prefix, _)| *prefix)
                    .unwrap_or_default()
                    .to_le_bytes(),
            );
            for (prefix, offset) in block {
                out.extend(prefix.to_le_bytes());
                out.extend(offset.to_le_bytes());
            }
            out.resize(start + BLOCK - 8, 0);
            out.extend(checksum(salt.wrapping_add(number as u64), &out[start..]).to_le_bytes());
        }
        let mut footer = MAGIC.to_vec();
        footer.extend(FORMAT_VERSION.to_le_bytes());
        footer.extend(0_u32.to_le_bytes());
        footer.extend(salt.to_le_bytes());
        footer.extend((entries.len() as u64).to_le_bytes());
        footer.extend(covered.to_le_bytes());
        footer.extend(checksum(salt, &fences).to_le_bytes());
        footer.extend(checksum(salt, &footer).to_le_bytes());
        out.extend(fences);
        out.extend(footer);
        let write = || {
            let mut staged = disk.stage(path)?;
            staged.write_all(&out)?;
            staged.publish()
        };
        write().map_err(|error| StoreError::io(path, error))
    }

    /// Opens an index; its contents are read and checked when first asked for.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, salt: u64, covered: u64) -> Result<Self, StoreError> {
        let file = disk.open(path).map_err(|error| StoreError::reading(path, 0, error))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            salt,
            covered,
            contents: OnceLock::new(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn covered(&self) -> u64 {
        self.covered
    }

    /// Positions at which an object whose id begins so may lie.
    pub(crate) fn find(&self, prefix: u64) -> Result<Vec<u32>, StoreError> {
        let contents = self.contents()?;
        // Equal prefixes may begin in the block before the first whose fence is not smaller.
        let first = contents
            .fences
            .partition_point(|fence| *fence < prefix)
            .saturating_sub(1);
        let mut found = Vec::new();
        for number in first..contents.fences.len() {
            if contents.fences.get(number).is_some_and(|fence| *fence > prefix) {
                break;
            }
            let entries = self.block(contents, number)?;
            found.extend(
                entries
                    .iter()
                    .filter(|(key, _)| *key == prefix)
                    .map(|(_, offset)| *offset),
            );
        }
        Ok(found)
    }

    /// All entries, sorted; reads and checks the whole file.
    pub(crate) fn entries(&self) -> Result<Vec<(u64, u32)>, StoreError> {
        let contents = self.contents()?;
        let mut all = Vec::with_capacity(usize::try_from(contents.entries).unwrap_or(0));
        for number in 0..contents.fences.len() {
            let block = self.block(contents, number)?;
            if block.first().map(|(prefix, _)| prefix) != contents.fences.get(number) {
                return Err(self.damage(
                    number as u64 * BLOCK as u64,
                    "a block does not begin where its fence says",
                ));
            }
            all.extend(block);
        }
        if all.is_sorted() {
            Ok(all)
        } else {
            Err(self.damage(0, "the entries are not sorted"))
        }
    }

    fn contents(&self) -> Result<&Contents, StoreError> {
        if let Some(contents) = self.contents.get() {
            return Ok(contents);
        }
        let contents = self.load()?;
        Ok(self.contents.get_or_init(|| contents))
    }

    fn load(&self) -> Result<Contents, StoreError> {
        let size = self.file.stat().size_bytes;
        let at = size
            .checked_sub(FOOTER as u64)
            .ok_or_else(|| self.damage(0, "the file is cut off"))?;
        let footer = self.read(at, FOOTER)?;
        let (entries, fences_check) = self.footer(&footer).map_err(|Malformed(what)| self.damage(at, what))?;
        let blocks = entries.div_ceil(PER_BLOCK as u64);
        let fences_at = blocks.saturating_mul(BLOCK as u64);
        if fences_at.saturating_add(blocks.saturating_mul(8)) != at {
            return Err(self.damage(at, "the file's length does not match its footer"));
        }
        let fences = self.read(fences_at, usize::try_from(blocks * 8).unwrap_or(0))?;
        if checksum(self.salt, &fences) != fences_check {
            return Err(self.damage(fences_at, "the fences' checksum does not match"));
        }
        let fences = fences
            .chunks_exact(8)
            .filter_map(|chunk| chunk.try_into().ok().map(u64::from_le_bytes))
            .collect();
        Ok(Contents { entries, fences })
    }

    /// Number of entries and checksum of the fences.
    fn footer(&self, bytes: &[u8]) -> Result<(u64, u64), Malformed> {
        let mut reader = Reader::new(bytes);
        if &reader.array()? != MAGIC || reader.u32()? != FORMAT_VERSION || reader.u32()? != 0 {
            return Err(Malformed("this is no pack index"));
        }
        if (reader.u64()?, bytes.len()) != (self.salt, FOOTER) {
            return Err(Malformed("this is the index of another pack"));
        }
        let (entries, covered, fences) = (reader.u64()?, reader.u64()?, reader.u64()?);
        if reader.u64()? != checksum(self.salt, bytes.get(..FOOTER - 8).unwrap_or_default()) {
            return Err(Malformed("the footer's checksum does not match"));
        }
        if covered != self.covered {
            return Err(Malformed("the index covers another part of the pack"));
        }
        Ok((entries, fences))
    }

    fn block(&self, contents: &Contents, number: usize) -> Result<Vec<(u64, u32)>, StoreError> {
        let at = number as u64 * BLOCK as u64;
        let bytes = self.read(at, BLOCK)?;
        let (body, check) = bytes.split_at(BLOCK - 8);
        if checksum(self.salt.wrapping_add(number as u64), body).to_le_bytes() != check {
            return Err(self.damage(at, "the block's checksum does not match"));
        }
        let before = (number * PER_BLOCK) as u64;
        let count = usize::try_from(contents.entries.saturating_sub(before))
            .unwrap_or(PER_BLOCK)
            .min(PER_BLOCK);
        let mut reader = Reader::new(body);
        let entry = |_| Ok((reader.u64()?, reader.u32()?));
        (0..count)
            .map(entry)
            .collect::<Result<_, Malformed>>()
            .map_err(|Malformed(what)| self.damage(at, what))
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; len];
        self.file
            .read_at(at, &mut bytes)
            .map_err(|error| StoreError::reading(&self.path, at, error))?;
        Ok(bytes)
    }

    fn damage(&self, at: u64, what: &str) -> StoreError {
        Damage::new(&self.path, what).at(at).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::sim::SimDisk;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]

        #[test]
        fn every_entry_is_found(mut entries in prop::collection::vec((0_u64..700, any::<u32>()), 0..1500), flip: u64) {
            entries.sort_unstable();
            let (disk, path) = (SimDisk::new(), Path::new("i"));
            IndexFile::write(&disk, path, 7, 99, &entries).unwrap();
            let index = IndexFile::open(&disk, path, 7, 99).unwrap();
            prop_assert_eq!(&index.entries().unwrap(), &entries);
            for prefix in 0..701 {
                let wanted: Vec<u32> = entries.iter().filter(|(key, _)| *key == prefix).map(|(_, at)| *at).collect();
                prop_assert_eq!(index.find(prefix).unwrap(), wanted);
            }
            prop_assert!(IndexFile::open(&disk, path, 8, 99).unwrap().entries().is_err());
            let size = disk.stat(path).unwrap().size_bytes;
            prop_assert!(disk.flip(path, flip % size, 1 << (flip >> 60 & 7)));
            prop_assert!(IndexFile::open(&disk, path, 7, 99).unwrap().entries().is_err());
        }
    }
}
