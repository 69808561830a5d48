//! The pages of a column chunk, decompressed.
//!
//! The chunk of `l_shipdate` in a row group is one dictionary page and two data pages.
//!
//! Invariants: no more memory is taken for a page than its compressed bytes can fill; memory of a page that nothing
//! points into any more is used again for the next.
//!
//! Does not: decode values. Codecs other than Snappy are the Parquet library's.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page as ForeignPage, PageReader};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::fast::Stop;
use super::file::ChunkBytes;
use super::header::{PageHeader, kind, read_header};
use super::scratch;

/// A page: levels, if any, then values.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) header: PageHeader,
    pub(super) body: Bytes,
}

/// Encodings as `parquet.thrift` numbers them; others are read by the generic path.
pub(super) mod encoding {
    pub(in super::super) const PLAIN: i64 = 0;
    pub(in super::super) const PLAIN_DICTIONARY: i64 = 2;
    pub(in super::super) const RLE: i64 = 3;
    pub(in super::super) const RLE_DICTIONARY: i64 = 8;
    pub(super) const OTHER: i64 = -1;
}

/// Reads pages in the order of the file.
pub(super) enum Pages {
    Own(OwnPages),
    Foreign(Box<SerializedPageReader<ChunkBytes>>),
}

/// Pages compressed by Snappy or not at all.
pub(super) struct OwnPages {
    rest: Bytes,
    snappy: bool,
    /// Memory to give back: the page before, and the chunk.
    page: Option<Bytes>,
    chunk: Option<Bytes>,
}

impl Drop for OwnPages {
    fn drop(&mut self) {
        self.rest = Bytes::new();
        self.page
            .take()
            .into_iter()
            .chain(self.chunk.take())
            .for_each(scratch::give);
    }
}

/// Snappy's densest copies make 64 bytes of 3.
const SNAPPY_MAX_RATIO: usize = 22;

impl Pages {
    /// Over the bytes of a chunk.
    pub(super) fn new(bytes: ChunkBytes, chunk: &ColumnChunkMetaData, rows: usize) -> Result<Self, Stop> {
        match chunk.compression() {
            Compression::UNCOMPRESSED => Ok(Pages::Own(OwnPages::new(bytes, false))),
            Compression::SNAPPY => Ok(Pages::Own(OwnPages::new(bytes, true))),
            _ => {
                let reader = SerializedPageReader::new(Arc::new(bytes), chunk, rows, None);
                let reader = reader.map_err(|e| Stop::Corrupt(e.to_string()))?;
                Ok(Pages::Foreign(Box::new(reader)))
            }
        }
    }

    /// The next page; `keep` says that its memory will be pointed into.
    pub(super) fn next(&mut self, keep: bool) -> Result<Option<Page>, Stop> {
        match self {
            Pages::Own(own) => own.next(keep),
            Pages::Foreign(reader) => {
                let page = reader.get_next_page().map_err(|e| Stop::Corrupt(e.to_string()))?;
                Ok(page.map(adopt))
            }
        }
    }
}

impl OwnPages {
    fn new(chunk: ChunkBytes, snappy: bool) -> Self {
        Self {
            rest: chunk.bytes,
            snappy,
            page: None,
            chunk: chunk.memory,
        }
    }

    fn next(&mut self, keep: bool) -> Result<Option<Page>, Stop> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let (header, len) = read_header(&self.rest).ok_or_else(damaged)?;
            let end = len
                .checked_add(header.compressed_bytes)
                .filter(|end| *end <= self.rest.len());
            let body = self.rest.split_to(end.ok_or_else(damaged)?).slice(len..);
            match header.kind {
                kind::DATA | kind::DATA_V2 | kind::DICTIONARY => {
                    let body = self.unpack(&header, body, keep)?;
                    return Ok(Some(Page { header, body }));
                }
                kind::INDEX => {}
                other => return Err(Stop::Corrupt(format!("a page of the unknown kind {other}"))),
            }
        }
    }

    fn unpack(&mut self, header: &PageHeader, packed: Bytes, keep: bool) -> Result<Bytes, Stop> {
        let plain = !self.snappy || header.plain_body;
        if plain {
            return if packed.len() == header.uncompressed_bytes {
                Ok(packed)
            } else {
                Err(damaged())
            };
        }
        // In version 2 the levels are never compressed.
        let levels = header.definition_bytes.saturating_add(header.repetition_bytes);
        let len = header.uncompressed_bytes;
        if levels > packed.len().min(len) || len / SNAPPY_MAX_RATIO > packed.len() {
            return Err(damaged());
        }
        if let Some(page) = self.page.take() {
            scratch::give(page);
        }
        let mut memory = if keep {
            BytesMut::zeroed(len)
        } else {
            scratch::take(len)
        };
        memory[..levels].copy_from_slice(&packed[..levels]);
        if len > levels {
            let unpacked = snap::raw::Decoder::new().decompress(&packed[levels..], &mut memory[levels..len]);
            if unpacked.ok() != Some(len - levels) {
                return Err(damaged());
            }
        }
        let memory = memory.freeze();
        let body = memory.slice(..len);
        self.page = Some(memory).filter(|_| !keep);
        Ok(body)
    }
}

fn damaged() -> Stop {
    Stop::Corrupt("a page is damaged".into())
}

fn adopt(page: ForeignPage) -> Page {
    let number = |encoding: Encoding| match encoding {
        Encoding::PLAIN => encoding::PLAIN,
        Encoding::PLAIN_DICTIONARY => encoding::PLAIN_DICTIONARY,
        Encoding::RLE => encoding::RLE,
        Encoding::RLE_DICTIONARY => encoding::RLE_DICTIONARY,
        _ => encoding::OTHER,
    };
    let mut header = PageHeader {
        values: page.num_values() as usize,
        encoding: number(page.encoding()),
        ..PageHeader::default()
    };
    let body = match page {
        ForeignPage::DictionaryPage { buf, .. } => {
            header.kind = kind::DICTIONARY;
            buf
        }
        ForeignPage::DataPage {
            buf,
            def_level_encoding,
            ..
        } => {
            header.kind = kind::DATA;
            header.level_encoding = number(def_level_encoding);
            buf
        }
        ForeignPage::DataPageV2 {
            buf,
            def_levels_byte_len,
            rep_levels_byte_len,
            ..
        } => {
            header.kind = kind::DATA_V2;
            header.definition_bytes = def_levels_byte_len as usize;
            header.repetition_bytes = rep_levels_byte_len as usize;
            buf
        }
    };
    Page { header, body }
}
