//! ATTACH and DETACH, and SHOW DATABASES.
//!
//! `ATTACH 'backup.gobi'` lets the session read the packed file as `backup`; `ATTACH 'other' AS o READ ONLY` a folder as `o`.
//!
//! Invariants: sessions of a process that attach the same folder share what is open of it, so that they wait for each other
//! and do not lock each other out.
//!
//! Does not: open a database for writing before something is written.

use std::path::Path;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Attach, AttachSource, Detach, Show, Span};
use gobi_grammar::similar::nearest;

use super::databases::{Attached, TEMP, What};
use super::folder::{DatabaseFolder, name_of};
use super::store::{Store, store_error};
use super::{Error, ResultStream, Session, define, scripts};
use crate::functions::like::LikePattern;
use crate::host;

/// ATTACH.
pub fn attach(session: &mut Session, attach: &Attach, span: Span) -> Result<(), Error> {
    let (path, place) = match &attach.source {
        AttachSource::Path(path, place) => (Path::new(path), *place),
        AttachSource::Name(name) => return Err(define::unsupported("ATTACH of a daemon", name.span)),
    };
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    if ending.is_some_and(|ending| ending == "gz") {
        return Err(define::unsupported("ATTACH of a compressed file", place));
    }
    if session.in_transaction() {
        return Err(user("25001", span, "ATTACH cannot be done in a transaction"));
    }
    let name = attach.alias.as_ref().map(|alias| alias.text.as_str().into());
    let name = name.unwrap_or_else(|| name_of(path));
    let name_span = attach.alias.as_ref().map_or(place, |alias| alias.span);
    check_name(session, &name, name_span)?;
    if scripts::is_script(path) {
        return scripts::attach(session, name, path, place);
    }
    let what = source(session, attach, path, &name, place)?;
    session.databases.attached.push(Attached {
        name,
        path: path.to_path_buf(),
        what,
    });
    Ok(())
}

fn check_name(session: &Session, name: &str, span: Span) -> Result<(), Error> {
    let own = session.store.as_ref().map(Store::name);
    let is_own = own.is_some_and(|own| own.eq_ignore_ascii_case(name));
    let is_kept = ["main", TEMP].iter().any(|kept| kept.eq_ignore_ascii_case(name));
    if is_own || is_kept || session.databases.named(name).is_some() || session.scripts.named(name).is_some() {
        let message = format!("there is a database `{name}` already");
        let help = "give it another name with AS";
        return Err(Error::new(Diagnostic::new("42P04", span, message).with_help(help)));
    }
    Ok(())
}

/// Opens what is attached, as far as that can fail.
fn source(session: &Session, attach: &Attach, path: &Path, name: &str, place: Span) -> Result<What, Error> {
    let shown = path.display();
    // A packed file is made by `gobi pack`, not by its first table.
    let wants_file = attach.read_only || path.extension().is_some_and(|extension| extension == "gobi");
    if wants_file && host::disk_of(path).stat(path).is_err() {
        return Err(user("58P01", place, format!("there is no database `{shown}`")));
    }
    let Some(folder) = DatabaseFolder::shared(path) else {
        return Ok(What::Files);
    };
    let is_same = |store: &Store| store.is_in(&folder);
    let others = session.databases.attached.iter();
    let twice = others.filter(|other| matches!(&other.what, What::Database(store, _) if is_same(store)));
    let known = session.store.iter().filter(|store| is_same(store)).map(Store::name);
    if let Some(known) = known.chain(twice.map(|other| other.name.clone())).next() {
        return Err(user(
            "55006",
            place,
            format!("`{shown}` is there already, as `{known}`"),
        ));
    }
    folder.database(false).map_err(|error| store_error(&error, place))?;
    let read_only = attach.read_only || folder.is_packed();
    Ok(What::Database(Box::new(Store::named(folder, name)), read_only))
}

/// DETACH.
pub fn detach(session: &mut Session, detach: &Detach, span: Span) -> Result<(), Error> {
    let name = &detach.name;
    if session.in_transaction() {
        return Err(user("25001", span, "DETACH cannot be done in a transaction"));
    }
    let mut all = session.databases.attached.iter();
    let found = all.position(|other| other.name.eq_ignore_ascii_case(&name.text));
    let own = session.store.as_ref().map(Store::name);
    match found {
        Some(at) if !name.text.eq_ignore_ascii_case(TEMP) => {
            session.databases.attached.remove(at);
            Ok(())
        }
        None if session.scripts.forget(&name.text) || detach.if_exists => Ok(()),
        None if own.is_none_or(|own| !own.eq_ignore_ascii_case(&name.text)) => {
            let message = format!("no database `{}` is attached", name.text);
            let mut error = Diagnostic::new("3D000", name.span, message);
            let scripts = session.scripts.all().iter().map(|script| &*script.name);
            let names = session
                .databases
                .attached
                .iter()
                .map(|other| &*other.name)
                .chain(scripts);
            error.help = nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
            Err(Error::new(error))
        }
        _ => {
            let message = format!("`{}` is the session's own, and stays", name.text);
            Err(user("55006", name.span, message))
        }
    }
}

/// SHOW DATABASES.
pub fn show(session: &Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    let like = show.like.as_ref().map(|pattern| LikePattern::new(pattern, None, true));
    let like = like
        .transpose()
        .map_err(|error| user("22025", show.what.span, error.to_string()))?;
    let own = session.store.iter().map(|store| {
        let kind = if store.is_packed() { "packed" } else { "database" };
        (
            store.name(),
            store.path().display().to_string(),
            kind,
            store.is_packed(),
        )
    });
    let others = session.databases.attached.iter().map(|other| {
        let (kind, read_only) = match &other.what {
            What::Files => ("files", true),
            What::Database(..) if &*other.name == TEMP => ("temporary", false),
            What::Database(store, true) if store.is_packed() => ("packed", true),
            What::Database(_, read_only) => ("database", *read_only),
        };
        let path = other.path.display().to_string();
        (other.name.clone(), path, kind, read_only)
    });
    let scripts = session.scripts.all().iter().map(|script| {
        let path = script.path.display().to_string();
        (script.name.clone(), path, "script", true)
    });
    let all = own.chain(others).chain(scripts).filter(|(name, ..)| {
        let like = like.as_ref();
        like.is_none_or(|like| like.matches(name.as_bytes()))
    });
    let row = |(name, path, kind, read_only): (std::sync::Arc<str>, String, &str, bool)| {
        let writable = if read_only { "no" } else { "yes" };
        vec![name.to_string(), path, kind.to_string(), writable.to_string()]
    };
    let rows: Vec<_> = all.map(row).collect();
    Ok(ResultStream::strings(
        &["name", "path", "kind", "writable"],
        &rows,
        span,
    ))
}

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}
