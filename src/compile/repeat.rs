//! Groups of rows that repeat their keys one after the other are looked up once.
//!
//! Of customers joined with their orders and grouped by columns of customers, the rows of a customer follow each other: its
//! name and address are hashed, and compared, for the first of them only.
//!
//! Invariants: a group is taken over only within one call of a kernel, while groups do not move; keys are columns, so that equal
//! row numbers mean equal keys.
//!
//! Does not: compare values.

use std::collections::BTreeSet;

use gobi_jit::ir::{IntCond, Local, Type, Value};

use super::emit::Emitter;
use super::value::both;
use crate::plan::physical::logical::{Expr, ExprKind};
use crate::plan::physical::{Binding, Pipeline, SourceKind};

/// The row before, whose group the row at hand shares if all keys come from the same rows of the same sources.
pub(super) struct Before {
    sources: Vec<(usize, Local)>,
    group: Local,
}

impl Before {
    /// `None` if there is no source but those of the keys, so that no row repeats them; or if a key is computed.
    pub(super) fn of(e: &mut Emitter<'_>, pipeline: &Pipeline, keys: &[Expr]) -> Option<Self> {
        let mut sources = BTreeSet::new();
        for key in keys {
            let ExprKind::Column(id) = key.kind else {
                return None;
            };
            match pipeline.bindings.get(&id)? {
                Binding::Field { source, .. } | Binding::Aggregate { source, .. } => sources.insert(*source),
                _ => return None,
            };
        }
        let multiplies = |kind: &SourceKind| matches!(kind, SourceKind::Join(_) | SourceKind::Positions);
        let mut others = pipeline
            .sources
            .iter()
            .enumerate()
            .filter(|(at, _)| !sources.contains(at));
        if !others.any(|(_, source)| multiplies(&source.kind)) {
            return None;
        }
        let none = e.b.iconst(Type::I64, -1);
        let mut row_of = |source| {
            let row = e.b.local(Type::I64);
            e.b.set(row, none);
            (source, row)
        };
        let sources = sources.into_iter().map(&mut row_of).collect();
        let group = e.b.local(Type::Ptr);
        Some(Self { sources, group })
    }

    /// Address of the group of the row at hand, found as is said unless it is that of the row before.
    pub(super) fn or_else(&self, e: &mut Emitter<'_>, find: impl FnOnce(&mut Emitter<'_>) -> Value) -> Value {
        let mut same = None;
        for (source, before) in &self.sources {
            let (now, before) = (e.row(*source), e.b.get(*before));
            let equal = e.b.icmp(IntCond::Eq, now, before);
            same = both(&mut e.b, same, Some(equal));
        }
        let (other, done) = (e.b.block(), e.b.block());
        match same {
            Some(same) => e.b.branch(same, done, other),
            None => e.b.jump(other),
        }
        e.b.switch_to(other);
        let found = e.conditionally(find);
        e.b.set(self.group, found);
        for (source, before) in &self.sources {
            let now = e.row(*source);
            e.b.set(*before, now);
        }
        e.b.jump(done);
        e.b.switch_to(done);
        e.b.get(self.group)
    }
}
