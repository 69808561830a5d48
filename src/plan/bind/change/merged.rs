//! The rows of MERGE: pairs, and what has no partner as far as an arm wants it.
//!
//! `WHEN MATCHED … WHEN NOT MATCHED …` is `s LEFT JOIN t`. With `WHEN NOT MATCHED BY SOURCE …` as well it is that and, beneath it, the
//! rows of `t` that no row of `s` goes with; so that the statement needs no full join, both are bound twice.
//!
//! Invariants: a row of either side that no arm is about is not there.
//!
//! Does not: choose arms.

use std::collections::HashMap;

use gobi_grammar::ast::{self, Span};

use super::super::joins::split_key;
use super::super::scope::Scope;
use super::super::{Binder, Bound};
use super::Flight;
use super::flight::join;
use super::narrow::narrowed;
use crate::plan::change::{ArmRows, Change};
use crate::plan::logical::{ColumnId, Expr, JoinKind, Plan};

/// Both sides of MERGE, and how they go together.
struct Sides {
    target: Flight,
    source: Plan,
    /// Of both.
    scope: Scope,
    /// A column of the source that is never NULL.
    partner: Option<ColumnId>,
    predicates: Vec<Expr>,
}

impl<'a> Binder<'a> {
    /// The rows of MERGE.
    pub(super) fn merged(
        &mut self,
        change: &'a Change<'a>,
        source: &'a ast::TableRef,
        on: &'a ast::Expr,
    ) -> Bound<Flight> {
        let wants = |rows: ArmRows| change.arms.iter().any(|arm| arm.rows == rows);
        let sides = self.sides(change, source, on)?;
        match (wants(ArmRows::NotMatchedBySource), wants(ArmRows::NotMatched)) {
            (false, false) => Ok(sides.joined(JoinKind::Inner, true)),
            (true, false) => Ok(sides.joined(JoinKind::Left, false)),
            (false, true) => Ok(sides.joined(JoinKind::Left, true)),
            (true, true) => {
                let pairs = sides.joined(JoinKind::Left, true);
                let alone = self.sides(change, source, on)?.joined(JoinKind::Anti, false);
                Ok(self.united(pairs, alone, change))
            }
        }
    }

    fn sides(&mut self, change: &'a Change<'a>, source: &'a ast::TableRef, on: &'a ast::Expr) -> Bound<Sides> {
        let target = self.target(change)?;
        let (other, other_scope) = self.table_ref(source)?;
        self.check_names(&target.scope, &other_scope, source.span)?;
        let (source, made) = self.extended(other, vec![("partner".into(), Expr::truth(true, change.span))]);
        let mut scope = target.scope.clone();
        scope.extend(other_scope);
        let mut block = self.on_block(scope.clone());
        let predicates = self.conjuncts(&mut block, on)?;
        if !block.joins_below.is_empty() {
            return self.unsupported("a subquery in the condition of MERGE is", on.span);
        }
        Ok(Sides {
            target,
            source,
            scope,
            partner: made.first().copied(),
            predicates,
        })
    }

    /// Rows of both: those of the second have the table's columns only.
    fn united(&mut self, pairs: Flight, alone: Flight, change: &Change<'_>) -> Flight {
        let mut ids: Vec<ColumnId> = Vec::new();
        let in_scope = pairs
            .scope
            .columns
            .iter()
            .flat_map(|column| [column.id, column.bare_id()]);
        for id in in_scope.chain(pairs.address).chain(pairs.partner) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let same: HashMap<ColumnId, ColumnId> = pairs
            .scope
            .columns
            .iter()
            .zip(&alone.scope.columns)
            .map(|(pair, alone)| (pair.id, alone.id))
            .chain(pairs.address.zip(alone.address))
            .collect();
        let of_target = alone.plan.output_set();
        let mut nulls = Vec::new();
        let mut seconds: Vec<Option<ColumnId>> = Vec::new();
        for id in &ids {
            let second = same.get(id).copied().filter(|second| of_target.contains(second));
            if second.is_none() {
                let ty = self.info(*id).ty.clone();
                nulls.push((self.info(*id).name.clone(), Self::null(&ty, change.span)));
            }
            seconds.push(second);
        }
        let (alone_plan, made) = self.extended(alone.plan, nulls);
        let mut made = made.into_iter();
        let seconds: Vec<ColumnId> = seconds
            .into_iter()
            .filter_map(|second| second.or_else(|| made.next()))
            .collect();
        let mut renamed: HashMap<ColumnId, ColumnId> = HashMap::new();
        for id in &ids {
            let (name, ty) = (self.info(*id).name.clone(), self.info(*id).ty.clone());
            let new = self.new_column(name, ty, true);
            if self.system_columns.contains(id) {
                self.system_columns.insert(new);
            }
            renamed.insert(*id, new);
        }
        let new = |id: ColumnId| renamed.get(&id).copied().unwrap_or(id);
        let mut scope = pairs.scope;
        for column in &mut scope.columns {
            column.id = new(column.id);
            column.merged = column.merged.map(new);
        }
        Flight {
            plan: Plan::UnionAll {
                columns: ids.iter().map(|id| new(*id)).collect(),
                inputs: vec![(pairs.plan, ids.clone()), (alone_plan, seconds)],
            },
            scope,
            address: pairs.address.map(new),
            partner: pairs.partner.map(new),
            old: pairs.old.into_iter().map(new).collect(),
            proposed: Vec::new(),
            action: None,
            new: Vec::new(),
        }
    }
}

impl Sides {
    /// `table kind source`, or with `swap` the other way round.
    fn joined(self, kind: JoinKind, swap: bool) -> Flight {
        let table = self.target.plan.clone();
        let (left, right) = if swap {
            (self.source, table)
        } else {
            (table, self.source)
        };
        let (left_set, right_set) = (left.output_set(), right.output_set());
        let (mut keys, mut residual) = (Vec::new(), Vec::new());
        for predicate in self.predicates {
            match split_key(&predicate, &left_set, &right_set) {
                Some(key) => keys.push(key),
                None => residual.push(predicate),
            }
        }
        // With `swap` only rows of the table that have a partner are wanted.
        let right = match swap {
            true => narrowed(
                right,
                &left,
                keys.iter().map(|(other, own)| (other, own)),
                Span::default(),
            ),
            false => right,
        };
        Flight {
            plan: join(kind, left, right, keys, residual),
            scope: self.scope,
            partner: self.partner,
            ..self.target
        }
    }
}
