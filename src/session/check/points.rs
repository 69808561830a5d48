//! Points of the timeline that a script makes, for the statements behind them.
//!
//! After `snapshot 's'` in a script that is only looked at, `t AS OF TAG 's'` is `t`, as there is no commit that the name could stand for.
//!
//! Invariants: points that the database has are left as they are.
//!
//! Does not: know what was different then: tables have the columns of now.

use std::collections::BTreeSet;

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    self, ChangesStart, Expr, ExprKind, Ident, ObjectKind, Query, Statement, StatementKind as K, TableRef, TableTime,
    When, WhenKind,
};

/// Names of snapshots, branches and watermarks, in lower case.
#[derive(Debug, Default)]
pub struct Points {
    names: BTreeSet<String>,
}

impl Points {
    /// Notes what a statement makes.
    pub fn note(&mut self, kind: &K) {
        let name = match kind {
            K::CreateSnapshot(create) => &create.name,
            K::CreateBranch(create) => &create.name,
            K::CreateWatermark(create) => &create.name,
            _ => return,
        };
        self.names.insert(name.text.to_lowercase());
    }

    /// The statement without times that only these could tell; `None` if there is nothing to look at any more.
    pub fn without(&mut self, statement: &Statement) -> Option<Statement> {
        if self.names.is_empty() {
            return Some(statement.clone());
        }
        if let K::Drop(drop) = &statement.kind
            && matches!(
                drop.kind,
                ObjectKind::Snapshot | ObjectKind::Branch | ObjectKind::Watermark
            )
        {
            return None;
        }
        let mut statement = statement.clone();
        self.statement(&mut statement);
        Some(statement)
    }

    fn has(&self, when: &When) -> bool {
        matches!(&when.kind, WhenKind::Tag(name) | WhenKind::Branch(name) if self.is_made(name))
    }

    fn is_made(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }
}

impl VisitMut for Points {
    fn query(&mut self, query: &mut Query) {
        query.as_of.take_if(|when| self.has(when));
        visit::walk_query(self, query);
    }

    fn relation(&mut self, relation: &mut TableRef) {
        let is_plain = |time: &mut Box<TableTime>| match &**time {
            TableTime::AsOf(when) => self.has(when),
            TableTime::Since { since, until } => self.has(since) || until.as_ref().is_some_and(|until| self.has(until)),
            TableTime::Changes { .. } => false,
        };
        relation.time.take_if(is_plain);
        if let Some(TableTime::Changes { since, until }) = relation.time.as_deref_mut() {
            let made = match since {
                ChangesStart::When(when) => self.has(when),
                ChangesStart::Watermark(name) => self.is_made(&name.text),
            };
            if made {
                *since = ChangesStart::When(now(relation.span));
            }
            until.take_if(|until| self.has(until));
        }
        visit::walk_relation(self, relation);
    }
}

/// The last commit.
fn now(span: ast::Span) -> When {
    let name = Ident {
        text: "now".to_owned(),
        quoted: false,
        span,
    };
    let kind = ExprKind::Call(ast::Call::of(name, Vec::new()));
    let kind = WhenKind::At(Box::new(Expr { kind, span }));
    When { kind, span }
}
