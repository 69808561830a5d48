//! Batches into a file, complete or not at all; or into a device or pipe as they come.
//!
//! `write(batches, schema, Path::new("out.csv"), &WriteOptions::default())` writes a header and a line per row under a
//! temporary name, makes it durable, and renames it to `out.csv`.
//!
//! Invariants: the target is never seen half written; after an error the temporary file is gone and an older target is
//! as it was.
//!
//! Does not: split its output, or append.

mod csv;
mod json;

use std::io;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression as ParquetCodec;
use parquet::file::properties::WriterProperties;

use super::{Format, FormatError};
use crate::host::{self, Disk, Staged};
use crate::types::LogicalType;
use crate::types::arrow::from_field;

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
    write_on(&*host::disk_of(target), batches, schema, target, options)
}

/// Like [`write()`], on any disk.
pub fn write_on<E>(
    disk: &dyn Disk,
    batches: impl Iterator<Item = Result<RecordBatch, E>>,
    schema: &SchemaRef,
    target: &Path,
    options: &WriteOptions,
) -> Result<u64, WriteError<E>> {
    // As elsewhere, a name without an extension (`/dev/stdout`) says CSV.
    let usual = || Format::from_path(target).or_else(|| target.extension().is_none().then_some(Format::Csv));
    let format = options.format.or_else(usual);
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

/// Names and types of the columns of a text format.
type Columns = Vec<(String, LogicalType)>;

fn columns(schema: &Schema) -> Columns {
    let column = |field: &std::sync::Arc<arrow::datatypes::Field>| {
        let ty = from_field(field).unwrap_or(LogicalType::String);
        (field.name().clone(), ty)
    };
    schema.fields().iter().map(column).collect()
}

/// Parquet has intervals of milliseconds only, so that ours would not read back as they were.
fn refuse_intervals(schema: &Schema) -> Result<(), Failure> {
    let with_interval = |(_, ty): &(String, LogicalType)| has_interval(ty);
    match columns(schema).into_iter().find(with_interval) {
        Some((name, _)) => Err(Failure::Unsupported(format!(
            "writing the interval column `{name}` to Parquet"
        ))),
        None => Ok(()),
    }
}

fn has_interval(ty: &LogicalType) -> bool {
    match ty {
        LogicalType::Interval => true,
        LogicalType::Array(item) => has_interval(item),
        LogicalType::Struct(fields) => fields.iter().any(|field| has_interval(&field.ty)),
        _ => false,
    }
}

fn sink<'a>(
    format: Format,
    out: Out<'a>,
    schema: &SchemaRef,
    options: &WriteOptions,
) -> Result<Box<dyn Sink + 'a>, Failure> {
    if format == Format::Parquet {
        refuse_intervals(schema)?;
    }
    Ok(match format {
        Format::Parquet => Box::new(ParquetSink(
            ArrowWriter::try_new(out, schema.clone(), Some(parquet_properties(options)?))
                .map_err(Failure::from_library)?,
        )),
        Format::Csv | Format::Tsv => {
            let usual = if format == Format::Tsv { b'\t' } else { b',' };
            let delimiter = options.delimiter.unwrap_or(usual);
            let header = options.header.unwrap_or(true);
            Box::new(csv::CsvSink::new(out, columns(schema), delimiter, header))
        }
        Format::Json | Format::JsonLines => Box::new(json::JsonSink::new(out, columns(schema), format == Format::Json)),
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
