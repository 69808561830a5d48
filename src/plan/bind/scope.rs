//! Which names an expression may use, and which column each one is.
//!
//! In `FROM orders o JOIN lineitem l USING (k)` the scope holds the columns of `o` and `l`; `k` alone finds one merged
//! column, `o.k` and `l.k` find each side's own.
//!
//! Invariants: names compare without regard to case; columns stand in the order in which `*` shows them.
//!
//! Does not: report errors; the binder words them.

use std::sync::Arc;

use gobi_grammar::ast::Ident;

use crate::plan::logical::ColumnId;

/// Relations in reach of an expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// All columns in order.
    pub(super) columns: Vec<ScopeColumn>,
    /// Relations whose columns do not come out of a semi or anti join.
    pub(super) gone: Vec<Arc<str>>,
}

/// One column in reach.
#[derive(Clone, Debug)]
pub(super) struct ScopeColumn {
    /// Relation it belongs to, if that has a name.
    pub(super) relation: Option<Arc<str>>,
    /// Name.
    pub(super) name: String,
    /// The column under its relation's name.
    pub(super) id: ColumnId,
    /// The column under its bare name, where USING merged it with another one.
    pub(super) merged: Option<ColumnId>,
    /// Reachable through its relation only, and not in `*`.
    pub(super) hidden: bool,
}

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// One column.
    Column(ColumnId),
    /// Nothing of that name.
    Nothing,
    /// More than one; the relations that have it.
    Ambiguous(Vec<String>),
}

impl ScopeColumn {
    /// The id that the bare name stands for.
    pub(super) fn bare_id(&self) -> ColumnId {
        self.merged.unwrap_or(self.id)
    }
}

impl Scope {
    /// Adds the columns of a relation.
    pub(super) fn push_relation(
        &mut self,
        relation: Option<&str>,
        columns: impl IntoIterator<Item = (String, ColumnId)>,
    ) {
        let relation: Option<Arc<str>> = relation.map(Arc::from);
        self.columns.extend(columns.into_iter().map(|(name, id)| ScopeColumn {
            relation: relation.clone(),
            name,
            id,
            merged: None,
            hidden: false,
        }));
    }

    /// Appends another scope's relations.
    pub(super) fn extend(&mut self, other: Scope) {
        self.columns.extend(other.columns);
        self.gone.extend(other.gone);
    }

    /// Looks up `a`, `t.a` or `s.t.a`.
    pub(super) fn find(&self, parts: &[Ident]) -> Found {
        match parts {
            [name] => self.find_bare(&name.text),
            [.., relation, name] => self.find_qualified(&relation.text, &name.text),
            [] => Found::Nothing,
        }
    }

    /// Looks up a bare column name.
    pub(super) fn find_bare(&self, name: &str) -> Found {
        let hits = self.columns.iter().filter(|c| !c.hidden && same(&c.name, name));
        pick(hits.map(|c| (c.bare_id(), c)))
    }

    fn find_qualified(&self, relation: &str, name: &str) -> Found {
        let of_relation = self.relation(relation).filter(|c| same(&c.name, name));
        pick(of_relation.map(|c| (c.id, c)))
    }

    /// The columns of a relation.
    pub(super) fn relation(&self, relation: &str) -> impl Iterator<Item = &ScopeColumn> {
        let named = move |c: &&ScopeColumn| c.relation.as_deref().is_some_and(|r| same(r, relation));
        self.columns.iter().filter(named)
    }

    /// A relation of that name is in reach.
    pub(super) fn has_relation(&self, relation: &str) -> bool {
        self.relation(relation).next().is_some()
    }

    /// A relation of that name took part in a semi or anti join.
    pub(super) fn is_gone(&self, relation: &str) -> bool {
        self.gone.iter().any(|r| same(r, relation))
    }

    /// The names of the relations, without repeats.
    pub(super) fn relations(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .columns
            .iter()
            .filter_map(|c| c.relation.as_deref().map(String::from))
            .collect();
        names.dedup();
        names
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.name.clone()).collect()
    }
}

fn pick<'c>(hits: impl Iterator<Item = (ColumnId, &'c ScopeColumn)>) -> Found {
    let hits: Vec<_> = hits.collect();
    match hits.as_slice() {
        [] => Found::Nothing,
        [(first, _), rest @ ..] if rest.iter().all(|(id, _)| id == first) => Found::Column(*first),
        _ => Found::Ambiguous(
            hits.iter()
                .map(|(_, c)| {
                    c.relation
                        .as_deref()
                        .map_or_else(|| c.name.clone(), |r| format!("{r}.{}", c.name))
                })
                .collect(),
        ),
    }
}

/// Names compare without regard to case.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}
