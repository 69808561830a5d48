//! Which database a statement changes: the one that its first name says.
//!
//! `INSERT INTO old.orders …` is about the database `old`, `DROP TABLE t` about that of temporary tables if there is a `t` in it.
//!
//! Invariants: all names of a statement that are changed are of one database. A schema of the session's own database comes
//! before a database of the same name.
//!
//! Does not: look objects up; that they are not there is found out by what changes them.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, ObjectKind, Path, Span, StatementKind as K};

use super::databases::{TEMP, Which};
use super::{Error, Session};

/// What a statement changes.
pub struct Target {
    /// Where.
    pub which: Which,
    /// The statement with the names that they have there, if that makes a difference.
    pub kind: Option<K>,
}

/// Finds out.
pub fn of(session: &mut Session, kind: &K, span: Span) -> Result<Target, Error> {
    let makes_temporary = match kind {
        K::CreateTable(create) => create.temporary,
        K::CreateView(create) => create.temporary,
        _ => false,
    };
    let own = Target {
        which: Which::Own,
        kind: None,
    };
    let names = changed(kind);
    let Some(first) = names.first() else {
        return Ok(own);
    };
    let is_plain = names.iter().all(|name| name.len() == 1);
    if is_plain && session.databases.attached.is_empty() && !makes_temporary {
        return Ok(own);
    }
    if makes_temporary {
        session.databases.temporary();
        let name = first.last();
        name.into_iter()
            .for_each(|name| session.relations.note_temporary(&name.text));
    }
    session.refresh_view(span)?;
    let creates = matches!(kind, K::CreateTable(_) | K::CreateView(_) | K::CreateSchema(_));
    let which = place(session, first, creates, makes_temporary)?;
    for name in names.iter().skip(1) {
        if place(session, name, creates, makes_temporary)? != which {
            let message = "a statement changes one database";
            let span = name.first().map_or(span, |part| part.span);
            return Err(Error::new(Diagnostic::new("0A000", span, message)));
        }
    }
    let mut kind = kind.clone();
    let stripped = strip(session, &mut kind, which);
    Ok(Target {
        which,
        kind: stripped.then_some(kind),
    })
}

/// The database of a name whose rows are changed.
pub fn of_name(session: &mut Session, name: &[Ident], span: Span) -> Result<Which, Error> {
    if name.len() == 1 && session.databases.attached.is_empty() {
        return Ok(Which::Own);
    }
    session.refresh_view(span)?;
    place(session, name, false, false)
}

/// The same for a statement that changes rows, by what is seen now.
pub fn seen(session: &Session, kind: &K) -> Which {
    let names = changed(kind);
    let name = names.first().into_iter().flat_map(|name| name.iter());
    let parts: Vec<&str> = name.map(|part| part.text.as_str()).collect();
    let place = session.relations.seek(&parts, None);
    place.map_or(Which::Own, |(which, _)| which)
}

/// Whether all names of a definition are those of the database that it is in.
pub fn names_are_its_own(kind: &K) -> bool {
    match kind {
        K::CreateView(create) => !create.temporary,
        K::AlterTable(_) | K::CreateIndex(_) | K::Drop(_) => true,
        _ => false,
    }
}

/// The names of what a statement changes.
fn changed(kind: &K) -> Vec<&Path> {
    match kind {
        K::CreateTable(create) => vec![&create.name],
        K::CreateView(create) => vec![&create.name],
        K::CreateIndex(create) => vec![&create.table],
        K::CreateSchema(create) => vec![&create.name],
        K::AlterTable(alter) => vec![&alter.name],
        K::Drop(drop) if about_relations(drop.kind) => drop.names.iter().collect(),
        K::Insert(insert) => vec![&insert.target.table],
        K::Upsert(upsert) => vec![&upsert.target.table],
        K::Update(update) => vec![&update.target.table],
        K::Delete(delete) => vec![&delete.target.table],
        K::Merge(merge) => vec![&merge.target.table],
        K::CopyFrom(copy) => vec![&copy.table],
        K::Truncate(tables) => tables.iter().collect(),
        _ => Vec::new(),
    }
}

fn about_relations(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Table | ObjectKind::View | ObjectKind::Index | ObjectKind::Schema
    )
}

fn place(session: &Session, name: &[Ident], creates: bool, temporary: bool) -> Result<Which, Error> {
    let parts: Vec<&str> = name.iter().map(|part| part.text.as_str()).collect();
    let temp = session.databases.named(TEMP);
    let found = match parts.as_slice() {
        [_] if temporary => temp,
        [_] if creates => None,
        parts => session.relations.seek(parts, None).map(|(which, _)| which),
    };
    match found {
        Some(which) if temporary && Some(which) != temp => {
            let span = name.first().map_or_else(Span::default, |part| part.span);
            let message = "what is temporary lies in no schema but `temp`";
            Err(Error::new(Diagnostic::new("42P16", span, message)))
        }
        found => Ok(found.unwrap_or(Which::Own)),
    }
}

/// Takes the database's name away from the names of definitions. Statements about rows keep it: their queries say it too.
fn strip(session: &Session, kind: &mut K, which: Which) -> bool {
    let database = session.database_name(which);
    let has_schema = |name: &str| {
        let view = session.relations.view.as_ref();
        view.is_some_and(|view| view.catalog().has_schema(name))
    };
    let strip = |path: &mut Path, is_schema: bool| {
        let Some(first) = path.first().filter(|_| path.len() > 1) else {
            return;
        };
        if first.text.eq_ignore_ascii_case(&database) && (path.len() > 2 || is_schema || !has_schema(&first.text)) {
            path.remove(0);
        }
    };
    match kind {
        K::CreateTable(create) => strip(&mut create.name, false),
        K::CreateView(create) => strip(&mut create.name, false),
        K::CreateIndex(create) => strip(&mut create.table, false),
        K::CreateSchema(create) => strip(&mut create.name, true),
        K::AlterTable(alter) => strip(&mut alter.name, false),
        K::Drop(drop) if about_relations(drop.kind) => {
            let is_schema = drop.kind == ObjectKind::Schema;
            drop.names.iter_mut().for_each(|name| strip(name, is_schema));
        }
        K::Truncate(tables) => tables.iter_mut().for_each(|name| strip(name, false)),
        _ => return false,
    }
    true
}
