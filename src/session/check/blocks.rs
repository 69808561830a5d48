//! Tables and views that the blocks of a script make, and the functions that it calls, for the statements behind them.
//!
//! Behind `if is_first { create table seen (a int) }` a script that is only looked at has a table `seen`. `create table seen (b int)` behind that is
//! no error: the block may not have run, or may be undone.
//!
//! Invariants: what a block drops is still known, as another branch may not drop it; what is wrong with a definition in a block is told when that runs.
//!
//! Does not: know values: a variable is NULL of its type.

use std::collections::BTreeSet;

use gobi_grammar::Dialect;
use gobi_grammar::ast::{Drop, DropBehavior, Ident, ObjectKind, Path, Span, Statement, StatementKind as K};

use super::{look, run, undone_if_it_fails};
use crate::procedure::{Question, QuestionKind};
use crate::session::databases::TEMP;
use crate::session::relations::Relations;
use crate::session::{Session, routines};
use crate::types::Value;

/// Names that stand for something or for nothing; in lower case.
#[derive(Debug, Default)]
pub struct Unsure {
    /// A block has made or dropped what they stand for, or it is on another branch.
    names: BTreeSet<String>,
    /// What the script has made so far.
    made: BTreeSet<String>,
}

impl Unsure {
    /// What the script has made may not be there any more: it goes to another branch, or back in time.
    pub fn all(&mut self) {
        self.names.extend(self.made.iter().cloned());
    }
}

/// Makes what a body would make and alter.
pub fn make(session: &mut Session, asked: &[Question]) {
    let warnings = std::mem::take(&mut session.relations.routines.warnings);
    for question in asked {
        let QuestionKind::Run(statement) = &question.kind else {
            continue;
        };
        let given = question.given.iter();
        let given = given.map(|(name, ty)| (name.to_lowercase(), (ty.clone(), Value::Null)));
        let outer = session.relations.routines.stand_in(Some(given.collect()));
        let place = question.span().unwrap_or_default();
        match session.relations.routines.is_kept(place) {
            true => Relations::as_kept(session, |session| make_one(session, statement, question.dialect)),
            false => make_one(session, statement, question.dialect),
        }
        session.relations.routines.stand_in(outer);
    }
    session.relations.routines.warnings = warnings;
}

fn make_one(session: &mut Session, statement: &Statement, dialect: Dialect) {
    match &statement.kind {
        K::CallRoutine(call) => {
            for made in routines::made_by(session, call) {
                make_one(session, &made, dialect);
            }
        }
        K::Drop(drop) if matches!(drop.kind, ObjectKind::Table | ObjectKind::View) => {
            let names = drop.names.iter().flat_map(|name| {
                let temporary = Path::from([temp(Span::default())]);
                [key(name), key(&[temporary, name.clone()].concat())]
            });
            session.relations.unsure.names.extend(names);
        }
        K::CreateTable(_) | K::CreateView(_) | K::CreateSchema(_) | K::CreateIndex(_) | K::AlterTable(_) => {
            give_way(session, &statement.kind, dialect);
            let made = undone_if_it_fails(session, statement.span, |session| look(session, statement, dialect));
            if let (Ok(()), Some(name)) = (made, made_name(&statement.kind)) {
                session.relations.unsure.names.insert(key(&name));
            }
        }
        _ => {}
    }
}

/// Takes away what may not be there in the place of what a statement makes, from which on there is no doubt.
pub fn give_way(session: &mut Session, kind: &K, dialect: Dialect) {
    let Some(name) = made_name(kind) else { return };
    let unsure = &mut session.relations.unsure;
    unsure.made.insert(key(&name));
    if !unsure.names.remove(&key(&name)) {
        return;
    }
    let span = name.last().map_or_else(Span::default, |name| name.span);
    for kind in [ObjectKind::Table, ObjectKind::View] {
        let drop = Drop {
            kind,
            if_exists: true,
            names: vec![name.clone()],
            receiver: None,
            on: None,
            behavior: Some(DropBehavior::Cascade),
        };
        // It may be of the other kind.
        let _ = undone_if_it_fails(session, span, |session| run(session, K::Drop(drop), span, dialect));
    }
}

/// The name of a table or view that is an error if it is there already.
fn made_name(kind: &K) -> Option<Path> {
    let (name, temporary) = match kind {
        K::CreateTable(create) if !create.or_replace && !create.if_not_exists => (&create.name, create.temporary),
        K::CreateView(create) if !create.or_replace && !create.if_not_exists => (&create.name, create.temporary),
        _ => return None,
    };
    match (temporary, name.as_slice()) {
        (true, [own]) => Some(vec![temp(own.span), own.clone()]),
        _ => Some(name.clone()),
    }
}

fn temp(span: Span) -> Ident {
    Ident {
        text: TEMP.to_owned(),
        quoted: false,
        span,
    }
}

fn key(name: &[Ident]) -> String {
    let parts: Vec<String> = name.iter().map(|part| part.text.to_lowercase()).collect();
    parts.join(".")
}
