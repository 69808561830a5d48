//! ROLLUP, CUBE and GROUPING SETS: every row goes into one group of each set.
//!
//! `GROUP BY ROLLUP (a, b)` has the sets `(a, b)`, `(a)` and `()`: each row is joined with their numbers 0, 1 and 2, `b` is NULL but for
//! number 0, `a` but for 0 and 1, and the groups are by `a, b` and the number.
//!
//! Invariants: one pass over the input; a set without keys has its group even if there are no rows.
//!
//! Does not: share work between a set and the sets that it refines.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, GroupItem, Span};

use super::from::cross;
use super::select::Block;
use super::{Binder, Bound};
use crate::plan::logical::{Aggregate, AggregateFunction, ColumnId, CompareOp, Expr, ExprKind, JoinKind, Plan};
use crate::types::{LogicalType, Value};

/// More sets than this are refused.
const MOST_SETS: usize = 4096;

/// The sets of a block, and the column that holds the number of a group's set.
#[derive(Clone, Debug)]
pub(super) struct Sets {
    /// The keys of all sets.
    pub(super) keys: Vec<Expr>,
    /// For each set, the keys that are in it.
    sets: Vec<Vec<usize>>,
    /// Number of the set.
    number: ColumnId,
}

/// Rows that are ready to be grouped.
pub(super) struct Spread {
    /// The rows, once for each set.
    pub(super) plan: Plan,
    /// The columns that stand for the keys above the grouping.
    pub(super) keys: Vec<(ColumnId, Expr)>,
    /// What is grouped by.
    pub(super) grouped_by: Vec<(ColumnId, Expr)>,
    /// The column of the set's number inside the grouping.
    inner_number: ColumnId,
}

impl<'a> Binder<'a> {
    /// Binds the items of GROUP BY; gives all keys.
    pub(super) fn grouping_sets(
        &mut self,
        block: &mut Block<'a>,
        select: &'a ast::Select,
        items: &'a [GroupItem],
    ) -> Bound<Vec<Expr>> {
        let mut keys = Vec::new();
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        for item in items {
            let own = self.item_sets(block, select, item, &mut keys)?;
            if sets.len().saturating_mul(own.len()) > MOST_SETS {
                let message = format!("GROUP BY stands for more than {MOST_SETS} sets");
                return self.fail(Diagnostic::new("54000", select.span, message));
            }
            let pairs = sets
                .iter()
                .flat_map(|set| own.iter().map(move |more| [set.as_slice(), more].concat()));
            sets = pairs.collect();
        }
        let number = self.new_column("set", LogicalType::BigInt, false);
        block.sets = Some(Sets {
            keys: keys.clone(),
            sets,
            number,
        });
        Ok(keys)
    }

    fn item_sets(
        &mut self,
        block: &mut Block<'a>,
        select: &'a ast::Select,
        item: &'a GroupItem,
        keys: &mut Vec<Expr>,
    ) -> Bound<Vec<Vec<usize>>> {
        Ok(match item {
            GroupItem::Keys(list) => vec![self.set_keys(block, select, list, keys)?],
            GroupItem::Rollup(lists) => {
                let lists = self.lists(block, select, lists, keys)?;
                (0..=lists.len()).rev().map(|n| lists[..n].concat()).collect()
            }
            GroupItem::Cube(lists) => {
                let lists = self.lists(block, select, lists, keys)?;
                if lists.len() > 12 {
                    let message = format!("GROUP BY stands for more than {MOST_SETS} sets");
                    return self.fail(Diagnostic::new("54000", select.span, message));
                }
                let chosen = |bits: usize| {
                    let lists = lists.iter().enumerate();
                    let chosen = lists.filter(|(i, _)| bits >> i & 1 == 0).map(|(_, list)| list.clone());
                    chosen.collect::<Vec<_>>().concat()
                };
                (0..1usize << lists.len()).map(chosen).collect()
            }
            GroupItem::Sets(items) => {
                let mut sets = Vec::new();
                for item in items {
                    sets.extend(self.item_sets(block, select, item, keys)?);
                }
                sets
            }
        })
    }

    fn lists(
        &mut self,
        block: &mut Block<'a>,
        select: &'a ast::Select,
        lists: &'a [Vec<ast::Expr>],
        keys: &mut Vec<Expr>,
    ) -> Bound<Vec<Vec<usize>>> {
        let lists = lists.iter().map(|list| self.set_keys(block, select, list, keys));
        lists.collect()
    }

    /// The places of some keys in the list of all, to which new ones are added.
    fn set_keys(
        &mut self,
        block: &mut Block<'a>,
        select: &'a ast::Select,
        list: &'a [ast::Expr],
        keys: &mut Vec<Expr>,
    ) -> Bound<Vec<usize>> {
        let mut places = Vec::with_capacity(list.len());
        for item in list {
            let key = self.group_item(block, select, item)?;
            // The same key written elsewhere has another span.
            let known = keys
                .iter()
                .position(|known| match (known.as_column(), key.as_column()) {
                    (Some(a), Some(b)) => a == b,
                    _ => *known == key,
                });
            places.push(known.unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            }));
        }
        Ok(places)
    }

    /// `GROUPING(a, b)`: a bit for each argument that is not in the group's set.
    pub(super) fn grouping_bits(&mut self, sets: &Sets, args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let mut places = Vec::with_capacity(args.len());
        for arg in args {
            let place = sets
                .keys
                .iter()
                .position(|key| match (key.as_column(), arg.as_column()) {
                    (Some(a), Some(b)) => a == b,
                    _ => *key == arg,
                });
            match place {
                Some(place) => places.push(place),
                None => {
                    let message = "`grouping` takes keys of GROUP BY";
                    return self.fail(Diagnostic::new("42803", arg.span, message));
                }
            }
        }
        let bits = |set: &Vec<usize>| {
            places
                .iter()
                .fold(0i128, |bits, place| bits * 2 + i128::from(!set.contains(place)))
        };
        let number = Expr::column(sets.number, LogicalType::BigInt, span);
        let int = |v: i128| Expr::literal(Value::Int(v), LogicalType::BigInt, span);
        let arms = sets.sets.iter().enumerate().map(|(n, set)| {
            let is = Expr::compare(CompareOp::Eq, number.clone(), int(n as i128));
            (is, int(bits(set)))
        });
        let kind = ExprKind::Case {
            arms: arms.collect(),
            otherwise: Box::new(int(0)),
        };
        Ok(Expr {
            kind,
            ty: LogicalType::BigInt,
            span,
        })
    }

    /// Every row once for each set, with the keys that the set has.
    pub(super) fn spread_over_sets(&mut self, plan: Plan, sets: &Sets) -> Spread {
        let span = Span::default();
        let inner_number = self.new_column("set", LogicalType::BigInt, false);
        let int = |v: usize| Expr::literal(Value::Int(v as i128), LogicalType::BigInt, span);
        let numbers = Plan::Values {
            columns: vec![inner_number],
            rows: (0..sets.sets.len()).map(|n| vec![int(n)]).collect(),
        };
        let passed = plan.output();
        let mut columns: Vec<(ColumnId, Expr)> = passed.iter().map(|id| (*id, self.column_expr(*id, span))).collect();
        columns.push((inner_number, self.column_expr(inner_number, span)));
        let mut keys = Vec::with_capacity(sets.keys.len());
        for (place, key) in sets.keys.iter().enumerate() {
            let id = self.new_column(self.key_name(key), key.ty.clone(), true);
            let holders = sets.sets.iter().enumerate().filter(|(_, set)| set.contains(&place));
            let tests: Vec<Expr> = holders
                .map(|(n, _)| Expr::compare(CompareOp::Eq, self.column_expr(inner_number, span), int(n)))
                .collect();
            let everywhere = tests.len() == sets.sets.len();
            let case = ExprKind::Case {
                arms: vec![(Expr::or(tests, span), key.clone())],
                otherwise: Box::new(Expr::literal(Value::Null, key.ty.clone(), span)),
            };
            let value = match everywhere {
                true => key.clone(),
                false => Expr {
                    kind: case,
                    ty: key.ty.clone(),
                    span: key.span,
                },
            };
            columns.push((id, value));
            keys.push((id, key.clone()));
        }
        let spread = Plan::Project {
            input: Box::new(cross(plan, numbers)),
            columns,
        };
        let mut grouped_by: Vec<(ColumnId, Expr)> =
            keys.iter().map(|(id, _)| (*id, self.column_expr(*id, span))).collect();
        grouped_by.push((inner_number, self.column_expr(inner_number, span)));
        Spread {
            plan: spread,
            keys,
            grouped_by,
            inner_number,
        }
    }

    fn key_name(&self, key: &Expr) -> String {
        key.as_column()
            .map_or_else(|| "key".into(), |id| self.info(id).name.clone())
    }

    /// The groups of a plan that was spread: all that there are, and those of sets without keys even if there was no row.
    pub(super) fn group_sets(&mut self, spread: Spread, sets: &Sets, aggregates: Vec<(ColumnId, Aggregate)>) -> Plan {
        let span = Span::default();
        let inner = spread.inner_number;
        let mut out: Vec<(ColumnId, Expr)> = spread
            .keys
            .iter()
            .map(|(id, _)| (*id, self.column_expr(*id, span)))
            .collect();
        let mut made = Vec::with_capacity(aggregates.len());
        for (id, aggregate) in aggregates {
            let own = self.new_column("value", aggregate.ty.clone(), true);
            let value = Expr::column(own, aggregate.ty.clone(), span);
            out.push((
                id,
                match aggregate.function {
                    AggregateFunction::Count => or_zero(value),
                    _ => value,
                },
            ));
            made.push((own, aggregate));
        }
        let groups = Plan::Aggregate {
            input: Box::new(spread.plan),
            keys: spread.grouped_by,
            aggregates: made,
        };
        let empty: Vec<usize> = (0..sets.sets.len()).filter(|n| sets.sets[*n].is_empty()).collect();
        if empty.is_empty() {
            out.push((sets.number, self.column_expr(inner, span)));
            return Plan::Project {
                input: Box::new(groups),
                columns: out,
            };
        }
        let int = |v: usize| Expr::literal(Value::Int(v as i128), LogicalType::BigInt, span);
        let all = self.new_column("set", LogicalType::BigInt, false);
        let numbers = Plan::Values {
            columns: vec![all],
            rows: (0..sets.sets.len()).map(|n| vec![int(n)]).collect(),
        };
        let number = self.column_expr(all, span);
        let found = ExprKind::IsNull {
            expr: Box::new(self.column_expr(inner, span)),
            negated: true,
        };
        let mut kept = vec![Expr::boolean(found, span)];
        kept.extend(
            empty
                .into_iter()
                .map(|n| Expr::compare(CompareOp::Eq, number.clone(), int(n))),
        );
        let joined = Plan::Join {
            kind: JoinKind::Left,
            left: Box::new(numbers),
            right: Box::new(groups),
            keys: vec![(number.clone(), self.column_expr(inner, span))],
            null_equal: false,
            residual: Vec::new(),
        };
        out.push((sets.number, number));
        Plan::Project {
            input: Box::new(joined.filtered(vec![Expr::or(kept, span)])),
            columns: out,
        }
    }
}

fn or_zero(count: Expr) -> Expr {
    let (ty, span) = (count.ty.clone(), count.span);
    let zero = Expr::literal(Value::Int(0), ty.clone(), span);
    Expr {
        kind: ExprKind::Coalesce(vec![count, zero]),
        ty,
        span,
    }
}
