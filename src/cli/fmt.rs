//! `gobi fmt`: scripts in one style, rewritten in place.
//!
//! `echo 'select 1' | gobi fmt -` prints `SELECT 1;`.
//!
//! Invariants: a script with errors is left as it is; with `--check` nothing is written, and exit code 1 says that something would
//! be.
//!
//! Does not: decide the style; see `gobi_grammar::format`.

use std::io::Write;
use std::path::Path;

use super::args::Fmt;
use super::failure::Failure;
use super::meaning::Meaning;
use super::source::Source;
use crate::client::Error;

/// Formats files, or standard input.
pub fn run(meaning: &Meaning, args: &Fmt) -> Result<(), Failure> {
    let mut failed = false;
    for path in &args.files {
        match format_file(meaning, args.check, path) {
            Ok(done) => failed |= !done,
            Err(Failure::Reported) => failed = true,
            Err(other) => return Err(other),
        }
    }
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

/// False if the file would change and must not.
fn format_file(meaning: &Meaning, check: bool, path: &Path) -> Result<bool, Failure> {
    let source = Source::file(meaning, path)?;
    let formatted = gobi_grammar::format(&source.text, meaning.settings.dialect)
        .map_err(|diagnostics| source.fail(meaning, &Error::all(diagnostics)))?;
    let changed = formatted != source.text;
    match (&source.file, check) {
        (Some(name), true) if changed => {
            writeln!(std::io::stderr(), "{name} would be reformatted")?;
            return Ok(false);
        }
        (None, true) if changed => {
            writeln!(std::io::stderr(), "standard input would be reformatted")?;
            return Ok(false);
        }
        (_, true) => {}
        (None, false) => std::io::stdout().write_all(formatted.as_bytes())?,
        (Some(_), false) if changed => replace(path, &formatted)?,
        (Some(_), false) => {}
    }
    Ok(true)
}

/// Writes beside the file and renames, so that a crash leaves the old text or the new.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    // What a link points to is written, not the link.
    let path = &path.canonicalize()?;
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::fs::metadata(path)?.permissions())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
