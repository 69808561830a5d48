//! ROLLUP, CUBE and GROUPING SETS: every row goes into one group of each set.
//!
//! `GROUP BY ROLLUP (a, b)` has the sets `(a, b)`, `(a)` and `()`: each row is joined with their numbers 0, 1 and 2, `b` is NULL but for
//! number 0, `a` but for 0 and 1, and the groups are by `a, b` and the number.
//!
//! Where a set has all keys and the aggregates can be put together from parts, rows are grouped by all keys first, and the groups take
//! the place of the rows.
//!
//! Invariants: one pass over the input; a set without keys has its group even if there are no rows.
//!
//! Does not: build one set from any other set than that of all keys.

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

/// What is grouped: rows, or groups by all keys.
struct Grouped {
    plan: Plan,
    /// The keys, over the plan.
    keys: Vec<Expr>,
    /// What is computed of each group of a set.
    aggregates: Vec<(ColumnId, Aggregate)>,
    /// What comes of it.
    results: Vec<(ColumnId, Expr)>,
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

    /// The columns that stand for the keys above the grouping.
    pub(super) fn columns_of_sets(&mut self, sets: &Sets) -> Vec<(ColumnId, Expr)> {
        let column = |key: &Expr| (self.new_column(self.key_name(key), key.ty.clone(), true), key.clone());
        sets.keys.iter().map(column).collect()
    }

    /// The rows as they are, to be grouped once for each set.
    fn rows_of_sets(&mut self, plan: Plan, sets: &Sets, aggregates: Vec<(ColumnId, Aggregate)>) -> Grouped {
        let mut made = Vec::with_capacity(aggregates.len());
        let mut results = Vec::with_capacity(aggregates.len());
        for (id, aggregate) in aggregates {
            let own = self.new_column("value", aggregate.ty.clone(), true);
            results.push((
                id,
                or_zero(&aggregate, Expr::column(own, aggregate.ty.clone(), Span::default())),
            ));
            made.push((own, aggregate));
        }
        Grouped {
            plan,
            keys: sets.keys.clone(),
            aggregates: made,
            results,
        }
    }

    /// Groups by all keys, to be put together for each set.
    fn groups_of_sets(&mut self, plan: Plan, sets: &Sets, aggregates: Vec<(ColumnId, Aggregate)>) -> Grouped {
        let span = Span::default();
        let column = |key: &Expr| (self.new_column(self.key_name(key), key.ty.clone(), true), key.clone());
        let keys: Vec<(ColumnId, Expr)> = sets.keys.iter().map(column).collect();
        let (mut parts, mut made) = (Vec::new(), Vec::new());
        let mut results = Vec::with_capacity(aggregates.len());
        for (id, aggregate) in aggregates {
            let mut put_together = |binder: &mut Self, part: Aggregate| {
                let (below, above) = (
                    binder.new_column("part", part.ty.clone(), true),
                    binder.new_column("value", part.ty.clone(), true),
                );
                let whole = Aggregate {
                    function: match part.function {
                        AggregateFunction::Count => AggregateFunction::CountMerge,
                        same => same,
                    },
                    arg: Some(Expr::column(below, part.ty.clone(), span)),
                    distinct: false,
                    filter: None,
                    ty: part.ty.clone(),
                };
                let value = or_zero(&whole, Expr::column(above, part.ty.clone(), span));
                parts.push((below, part));
                made.push((above, whole));
                value
            };
            let value = match super::distinct::parts_of_mean(&aggregate) {
                Some((sum, count)) => {
                    let (sum, count) = (put_together(self, sum), put_together(self, count));
                    super::distinct::quotient(sum, count, span)
                }
                None => put_together(self, aggregate),
            };
            results.push((id, value));
        }
        Grouped {
            keys: keys
                .iter()
                .map(|(id, key)| Expr::column(*id, key.ty.clone(), key.span))
                .collect(),
            plan: Plan::Aggregate {
                input: Box::new(plan),
                keys,
                aggregates: parts,
            },
            aggregates: made,
            results,
        }
    }

    /// Every row once for each set, with the keys that the set has, in the given columns; and a column with the set's number.
    fn spread_over_sets(
        &mut self,
        plan: Plan,
        columns: &[(ColumnId, Expr)],
        keys: &[Expr],
        sets: &Sets,
    ) -> (Plan, ColumnId) {
        let span = Span::default();
        let number = self.new_column("set", LogicalType::BigInt, false);
        let int = |v: usize| Expr::literal(Value::Int(v as i128), LogicalType::BigInt, span);
        let numbers = Plan::Values {
            columns: vec![number],
            rows: (0..sets.sets.len()).map(|n| vec![int(n)]).collect(),
        };
        let passed = plan.output();
        let mut out: Vec<(ColumnId, Expr)> = passed.iter().map(|id| (*id, self.column_expr(*id, span))).collect();
        out.push((number, self.column_expr(number, span)));
        for (place, ((id, _), key)) in columns.iter().zip(keys).enumerate() {
            let holders = sets.sets.iter().enumerate().filter(|(_, set)| set.contains(&place));
            let tests: Vec<Expr> = holders
                .map(|(n, _)| Expr::compare(CompareOp::Eq, self.column_expr(number, span), int(n)))
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
            out.push((*id, value));
        }
        let spread = Plan::Project {
            input: Box::new(cross(plan, numbers)),
            columns: out,
        };
        (spread, number)
    }

    fn key_name(&self, key: &Expr) -> String {
        key.as_column()
            .map_or_else(|| "key".into(), |id| self.info(id).name.clone())
    }

    /// The groups of all sets, with the keys in the given columns; those of sets without keys even if there was no row.
    pub(super) fn group_sets(
        &mut self,
        plan: Plan,
        columns: &[(ColumnId, Expr)],
        sets: &Sets,
        aggregates: Vec<(ColumnId, Aggregate)>,
    ) -> Plan {
        let span = Span::default();
        let whole = |set: &Vec<usize>| (0..sets.keys.len()).all(|key| set.contains(&key));
        let by_parts = sets.sets.len() > 1 && sets.sets.iter().any(whole) && aggregates.iter().all(has_parts);
        let grouped = match by_parts {
            true => self.groups_of_sets(plan, sets, aggregates),
            false => self.rows_of_sets(plan, sets, aggregates),
        };
        let (spread, inner) = self.spread_over_sets(grouped.plan, columns, &grouped.keys, sets);
        let kept = columns.iter().map(|(id, _)| (*id, self.column_expr(*id, span)));
        let mut out: Vec<(ColumnId, Expr)> = kept.collect();
        let mut grouped_by = out.clone();
        grouped_by.push((inner, self.column_expr(inner, span)));
        out.extend(grouped.results);
        let groups = Plan::Aggregate {
            input: Box::new(spread),
            keys: grouped_by,
            aggregates: grouped.aggregates,
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

/// Whether an aggregate can be put together from aggregates of parts.
fn has_parts((_, aggregate): &(ColumnId, Aggregate)) -> bool {
    use AggregateFunction as F;
    !aggregate.distinct
        && matches!(
            aggregate.function,
            F::Count | F::Sum | F::Avg | F::Min | F::Max | F::AnyValue | F::CountMerge
        )
}

/// What counts is 0 where nothing was found.
fn or_zero(aggregate: &Aggregate, value: Expr) -> Expr {
    use AggregateFunction as F;
    if !matches!(aggregate.function, F::Count | F::CountMerge | F::ExactSum) {
        return value;
    }
    let (ty, span) = (value.ty.clone(), value.span);
    let zero = Expr::literal(Value::Int(0), ty.clone(), span);
    Expr {
        kind: ExprKind::Coalesce(vec![value, zero]),
        ty,
        span,
    }
}
