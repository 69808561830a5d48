//! Batches into a file, complete or not at all.
//!
//! `write(batches, schema, Path::new("out.csv"), &WriteOptions::default())` writes a header and a line per row under a
//! temporary name, makes it durable, and renames it to `out.csv`.
//!
//! Invariants: the target is never seen half written; after an error the temporary file is gone and an older target is
//! as it was.
//!
//! Does not: split its output, or append.

mod csv;

use std::io;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited, Writer as JsonWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression as ParquetCodec;
use parquet::file::properties::WriterProperties;

use super::{Format, FormatError};
use crate::host::{Disk, Staged, real};

/// How to write; what is left out follows from the file's extension or is the format's usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Format, if the extension does not tell.
    pub format: Option<Format>,
    /// CSV: a first line with the names (the default).
    pub header: Option<bool>,
    /// CSV: between fields.
    pub delimiter: Option<u8>,
    /// Parquet (Snappy by default) and Arrow (none by default).
    pub compression: Option<Compression>,
    /// Parquet: rows per row group, 131,072 by default.
    pub row_group_size: Option<usize>,
}

/// A codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// Snappy.
    Snappy,
    /// Zstandard.
    Zstd,
    /// LZ4.
    Lz4,
    /// Gzip.
    Gzip,
}

const ROW_GROUP_ROWS: usize = 1 << 17;

impl WriteOptions {
    /// Sets an option by name, as `COPY … WITH (name = value)` does.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), FormatError> {
        let bad = || FormatError::Option {
            message: format!("`{value}` is no value for the option `{name}`"),
        };
        match name.to_ascii_lowercase().as_str() {
            "format" => self.format = Some(Format::from_name(value).ok_or_else(bad)?),
            "header" => self.header = Some(value.to_ascii_lowercase().parse().map_err(|_| bad())?),
            "delimiter" | "delim" | "sep" => self.delimiter = Some(delimiter(value).ok_or_else(bad)?),
            "compression" | "codec" => self.compression = Some(Compression::from_name(value).ok_or_else(bad)?),
            "row_group_size" => {
                let rows = value.parse().ok().filter(|rows| *rows > 0);
                self.row_group_size = Some(rows.ok_or_else(bad)?);
            }
            _ => {
                let names = "format, header, delimiter, compression, row_group_size";
                let message = format!("unknown option `{name}`; the options are {names}");
                return Err(FormatError::Option { message });
            }
        }
        Ok(())
    }
}

fn delimiter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
        b"\\t" => Some(b'\t'),
        _ => None,
    }
}

impl Compression {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "none" | "uncompressed" => Compression::None,
            "snappy" => Compression::Snappy,
            "zstd" => Compression::Zstd,
            "lz4" | "lz4_raw" => Compression::Lz4,
            "gzip" => Compression::Gzip,
            _ => return None,
        })
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The batches failed.
    #[error(transparent)]
    Source(E),
    /// The file did.
    #[error(transparent)]
    Format(FormatError),
}

impl<E> From<FormatError> for WriteError<E> {
    fn from(error: FormatError) -> Self {
        WriteError::Format(error)
    }
}

/// Writes all batches to a file; gives the number of rows.
pub fn write<E>(
    batches: impl Iterator<Item = Result<RecordBatch, E>>,
    schema: &SchemaRef,
    target: &Path,
    options: &WriteOptions,
) -> Result<u64, WriteError<E>> {
    write_on(&*real(), batches, schema, target, options)
}

/// Like [`write()`], on any disk.
pub fn write_on<E>(
    disk: &dyn Disk,
    batches: impl Iterator<Item = Result<RecordBatch, E>>,
    schema: &SchemaRef,
    target: &Path,
    options: &WriteOptions,
) -> Result<u64, WriteError<E>> {
    let format = options.format.or_else(|| Format::from_path(target));
    let format = format.ok_or_else(|| FormatError::unsupported(target, "writing a file of unknown format"))?;
    let mut staged = disk.stage(target).map_err(|e| FormatError::io(target, e))?;
    let mut rows = 0;
    {
        let mut sink = sink(format, &mut *staged, schema, options).map_err(|e| e.at(target))?;
        for batch in batches {
            let batch = batch.map_err(WriteError::Source)?;
            rows += batch.num_rows() as u64;
            sink.write(&batch).map_err(|e| e.at(target))?;
        }
        sink.finish().map_err(|e| e.at(target))?;
    }
    staged.publish().map_err(|e| FormatError::io(target, e))?;
    Ok(rows)
}

/// What takes batches.
trait Sink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure>;
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}

/// Why a sink failed.
enum Failure {
    Io(io::Error),
    Unsupported(String),
}

impl Failure {
    fn at(self, target: &Path) -> FormatError {
        match self {
            Failure::Io(source) => FormatError::io(target, source),
            Failure::Unsupported(feature) => FormatError::unsupported(target, feature),
        }
    }

    /// From a library's error; what is none of the disk's is a value that the format cannot hold.
    fn from_library(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return Failure::Io(io::Error::new(io.kind(), error.to_string()));
            }
            cause = inner.source();
        }
        Failure::Unsupported(format!("writing it ({error})"))
    }
}

type Out<'a> = &'a mut dyn Staged;

fn sink<'a>(
    format: Format,
    out: Out<'a>,
    schema: &SchemaRef,
    options: &WriteOptions,
) -> Result<Box<dyn Sink + 'a>, Failure> {
    Ok(match format {
        Format::Parquet => Box::new(ParquetSink(
            ArrowWriter::try_new(out, schema.clone(), Some(parquet_properties(options)?))
                .map_err(Failure::from_library)?,
        )),
        Format::Csv | Format::Tsv => {
            let usual = if format == Format::Tsv { b'\t' } else { b',' };
            let delimiter = options.delimiter.unwrap_or(usual);
            Box::new(csv::CsvSink::new(
                out,
                schema,
                delimiter,
                options.header.unwrap_or(true),
            )?)
        }
        Format::Json => Box::new(JsonSink(json_builder().build::<_, JsonArray>(out))),
        Format::JsonLines => Box::new(JsonSink(json_builder().build::<_, LineDelimited>(out))),
        Format::Arrow => Box::new(IpcSink(ipc_writer(out, schema, options)?)),
        Format::Orc => return Err(Failure::Unsupported("writing ORC".into())),
    })
}

fn parquet_properties(options: &WriteOptions) -> Result<WriterProperties, Failure> {
    let codec = match options.compression {
        Some(Compression::None) => ParquetCodec::UNCOMPRESSED,
        None | Some(Compression::Snappy) => ParquetCodec::SNAPPY,
        Some(Compression::Zstd) => ParquetCodec::ZSTD(Default::default()),
        Some(Compression::Lz4) => ParquetCodec::LZ4_RAW,
        Some(Compression::Gzip) => ParquetCodec::GZIP(Default::default()),
    };
    let rows = options.row_group_size.unwrap_or(ROW_GROUP_ROWS);
    let properties = WriterProperties::builder().set_compression(codec);
    Ok(properties.set_max_row_group_row_count(Some(rows)).build())
}

struct ParquetSink<'a>(ArrowWriter<Out<'a>>);

impl Sink for ParquetSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.0.write(batch).map_err(Failure::from_library)
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.0.close().map(drop).map_err(Failure::from_library)
    }
}

fn json_builder() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true)
}

struct JsonSink<'a, F: JsonFormat>(JsonWriter<Out<'a>, F>);

impl<F: JsonFormat> Sink for JsonSink<'_, F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.0.write(batch).map_err(Failure::from_library)
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.0.finish().map_err(Failure::from_library)
    }
}

fn ipc_writer<'a>(out: Out<'a>, schema: &Schema, options: &WriteOptions) -> Result<FileWriter<Out<'a>>, Failure> {
    use arrow::ipc::CompressionType;
    let codec = match options.compression {
        None | Some(Compression::None) => None,
        Some(Compression::Lz4) => Some(CompressionType::LZ4_FRAME),
        Some(Compression::Zstd) => Some(CompressionType::ZSTD),
        Some(other) => return Err(Failure::Unsupported(format!("{other:?} in an Arrow file"))),
    };
    let options = IpcWriteOptions::default().try_with_compression(codec);
    FileWriter::try_new_with_options(out, schema, options.map_err(Failure::from_library)?)
        .map_err(Failure::from_library)
}

struct IpcSink<'a>(FileWriter<Out<'a>>);

impl Sink for IpcSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.0.write(batch).map_err(Failure::from_library)
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.0.finish().map_err(Failure::from_library)
    }
}

#[cfg(test)]
mod tests;
