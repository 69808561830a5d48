//! `gobi compact`, `cache`, `pack`, `unpack`, `backup`, `restore`: whole databases and tables.
//!
//! `gobi pack db x.gobi` tells on standard error `12 commits in 7 files packed into 48,213 bytes`.
//!
//! Invariants: nothing is asked; what exists is left alone.
//!
//! Does not: open databases itself.

use std::ffi::OsString;
use std::io::Write;

use super::args::{CacheTask, Pack, Unpack};
use super::failure::Failure;
use super::meaning::Meaning;
use super::script;
use crate::client::{self, Error, Packing};

/// `gobi compact [TABLE]`.
pub fn compact(meaning: &Meaning, table: Option<&str>) -> Result<(), Failure> {
    let script = format!("COMPACT {}", table.unwrap_or_default());
    script::run_texts(meaning, &[OsString::from(script.trim_end())])
}

/// `gobi cache stats`, `gobi cache clear`.
pub fn cache(meaning: &Meaning, task: CacheTask) -> Result<(), Failure> {
    let script = match task {
        CacheTask::Stats => "CACHE STATS",
        CacheTask::Clear => "CACHE CLEAR",
    };
    script::run_texts(meaning, &[OsString::from(script)])
}

/// `gobi pack DIR FILE`.
pub fn pack(args: &Pack) -> Result<(), Failure> {
    let packed = client::pack(&args.from, &args.file).map_err(message)?;
    tell(packed, "packed into")
}

/// `gobi unpack FILE DIR`.
pub fn unpack(args: &Unpack) -> Result<(), Failure> {
    let packed = client::unpack(&args.file, &args.into).map_err(message)?;
    tell(packed, "unpacked from")
}

fn message(error: Error) -> Failure {
    let first = error.diagnostics.first();
    Failure::Message(first.map_or_else(String::new, |first| match &first.help {
        Some(help) => format!("{}\n  = help: {help}", first.message),
        None => first.message.clone(),
    }))
}

fn tell(packed: Packing, what: &str) -> Result<(), Failure> {
    let count = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let (commits, files) = (count(packed.commits, "commit"), count(packed.files, "file"));
    writeln!(std::io::stderr(), "{commits} in {files} {what} {} bytes", packed.bytes)?;
    Ok(())
}
