//! Arrow IPC and Parquet on standard output, for other programs.
//!
//! `gobi -c "SELECT 1 AS a" --format arrow | python -c "import pyarrow as pa, sys; print(pa.ipc.open_stream(sys.stdin.buffer).read_all())"`
//!
//! Invariants: a result that fails half way ends without a footer, so no reader takes it for whole.
//!
//! Does not: buffer more than a batch (Arrow) or a row group (Parquet).

use std::io::{self, Write};

use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::OutputError;
use crate::client::ResultStream;

/// An Arrow IPC stream.
pub fn write_arrow(out: &mut dyn Write, stream: ResultStream) -> Result<(), OutputError> {
    let mut writer = StreamWriter::try_new(out, &stream.schema()).map_err(arrow_error)?;
    for batch in stream {
        writer.write(&batch?).map_err(arrow_error)?;
    }
    writer.finish().map_err(arrow_error)
}

/// A Parquet file.
pub fn write_parquet(out: &mut (dyn Write + Send), stream: ResultStream) -> Result<(), OutputError> {
    let mut writer = ArrowWriter::try_new(out, stream.schema(), None).map_err(parquet_error)?;
    for batch in stream {
        writer.write(&batch?).map_err(parquet_error)?;
    }
    writer.close().map(|_| ()).map_err(parquet_error)
}

fn arrow_error(error: ArrowError) -> OutputError {
    match error {
        ArrowError::IoError(_, error) => OutputError::Io(error),
        other => OutputError::Message(other.to_string()),
    }
}

fn parquet_error(error: ParquetError) -> OutputError {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => OutputError::Io(*error),
            Err(other) => OutputError::Message(other.to_string()),
        },
        other => OutputError::Message(other.to_string()),
    }
}
