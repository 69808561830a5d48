//! The first filter of a scan, sixteen rows at a time: simple comparisons become a mask of bytes, without a branch.
//!
//! `l_shipdate < DATE '1995-01-01' AND l_quantity < 24` over dates in 16 bits and quantities in 16 bits is, for 16 rows, four loads, four
//! comparisons, two narrowings of the results to bytes, one `and` and one store.
//!
//! Invariants: a conjunct is taken only if it compares a stored integer column with a constant or with another column of the
//! same stored type; all others are left to the scalar filter that runs after it.
//!
//! Does not: read past the last row; the rows that do not fill a vector are tested one by one.

use gobi_jit::ir::{IntCond, Type, Value};

use super::Kernel;
use super::emit::{Emitter, Shared};
use super::expr::signed;
use super::frame::Slot;
use super::value::is_true;
use crate::plan::physical::logical::{CompareOp, Expr, ExprKind};
use crate::plan::physical::{Binding, Facts, PhysicalPlan, Pipeline, SourceKind};
use crate::types::{Physical, Value as Literal};

/// Rows tested at once.
const LANES: i64 = 16;

/// One comparison over stored values.
struct Test {
    field: usize,
    stored: Physical,
    cond: IntCond,
    against: Against,
    /// Fields whose validity bytes the result is masked with.
    nullable: Vec<usize>,
}

enum Against {
    Constant(i64),
    Field(usize),
}

/// Splits conjuncts into those that the mask can test and the others.
pub(super) fn split<'e>(pipeline: &Pipeline, predicates: &'e [Expr]) -> (Vec<&'e Expr>, Vec<&'e Expr>) {
    let scans = matches!(pipeline.sources[0].kind, SourceKind::Table { .. } | SourceKind::Temp(_));
    predicates.iter().partition(|e| scans && tests(pipeline, e).is_some())
}

/// Writes the kernel `mask(frame, start, count)`.
pub(super) fn write(
    name: &str,
    shared: &mut Shared,
    plan: &PhysicalPlan,
    pipeline: &Pipeline,
    predicates: &[&Expr],
) -> Kernel {
    let found: Vec<Test> = predicates.iter().filter_map(|e| tests(pipeline, e)).flatten().collect();
    let mut e = Emitter::new(name, shared, plan, pipeline);
    let (start, count) = (e.start(), e.count());
    let mask = e.slot(Slot::Mask);
    let lanes = e.b.iconst(Type::I64, LANES);
    let four = e.b.iconst(Type::I64, 4);
    let vectors = e.b.sshr(count, four);
    let blocks = e.begin_loop(vectors);
    let at = e.b.mul(blocks.i, lanes);
    let row = e.b.add(start, at);
    let mut result = None;
    for test in &found {
        let passed = test.vector(&mut e, row);
        result = Some(result.map_or(passed, |so_far| e.b.and(so_far, passed)));
    }
    let out = e.b.index(mask, at, 1, 0);
    if let Some(result) = result {
        e.b.store(result, out, 0);
    }
    e.end_loop(blocks);
    let done = e.b.mul(vectors, lanes);
    let rest = e.b.sub(count, done);
    let tail = e.begin_loop(rest);
    let at = e.b.add(done, tail.i);
    let row = e.b.add(start, at);
    e.set_row(0, row);
    let passes = all_true(&mut e, predicates);
    let out = e.b.index(mask, at, 1, 0);
    e.b.store(passes, out, 0);
    e.end_loop(tail);
    e.finish(count)
}

/// 1 if all predicates are true for the row at hand.
pub(super) fn all_true(e: &mut Emitter<'_>, predicates: &[&Expr]) -> Value {
    let mut result = None;
    for predicate in predicates {
        let value = e.expr(predicate);
        let passes = is_true(&mut e.b, &value);
        result = Some(result.map_or(passes, |so_far| e.b.and(so_far, passes)));
    }
    result.unwrap_or_else(|| e.b.iconst(Type::I8, 1))
}

fn field_of<'p>(pipeline: &'p Pipeline, expr: &Expr) -> Option<(usize, &'p Facts)> {
    let ExprKind::Column(id) = expr.kind else { return None };
    let Some(Binding::Field { source: 0, field }) = pipeline.bindings.get(&id) else {
        return None;
    };
    let facts = &pipeline.sources[0].fields[*field].facts;
    matches!(facts.stored, Physical::I8 | Physical::I16 | Physical::I32).then_some((*field, facts))
}

fn tests(pipeline: &Pipeline, expr: &Expr) -> Option<Vec<Test>> {
    match &expr.kind {
        ExprKind::And(items) => {
            let found: Option<Vec<Vec<Test>>> = items.iter().map(|e| tests(pipeline, e)).collect();
            Some(found?.into_iter().flatten().collect())
        }
        ExprKind::Compare { op, left, right } => {
            let (field, facts) = field_of(pipeline, left)?;
            let against = match &right.kind {
                ExprKind::Literal(literal) => constant(*op, facts, literal)?,
                _ => {
                    let (other, other_facts) = field_of(pipeline, right)?;
                    let comparable = facts.dictionary.is_none()
                        && other_facts.dictionary.is_none()
                        && facts.stored == other_facts.stored
                        && !matches!(op, CompareOp::Distinct | CompareOp::NotDistinct);
                    return comparable.then(|| {
                        let nullable = [(field, facts), (other, other_facts)];
                        let nullable = nullable.iter().filter(|(_, f)| f.nullable).map(|(i, _)| *i).collect();
                        let against = Against::Field(other);
                        vec![Test {
                            field,
                            stored: facts.stored,
                            cond: signed(*op),
                            against,
                            nullable,
                        }]
                    });
                }
            };
            let nullable = if facts.nullable { vec![field] } else { Vec::new() };
            let (cond, value) = against;
            Some(vec![Test {
                field,
                stored: facts.stored,
                cond,
                against: Against::Constant(value),
                nullable,
            }])
        }
        _ => None,
    }
}

/// The condition and constant in terms of what is stored; beyond the stored type's range, one that is always (never) true.
fn constant(op: CompareOp, facts: &Facts, literal: &Literal) -> Option<(IntCond, i64)> {
    let (low, high) = match facts.stored {
        Physical::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        Physical::I16 => (i16::MIN.into(), i16::MAX.into()),
        _ => (i32::MIN.into(), i32::MAX.into()),
    };
    let (cond, value) = match (&facts.dictionary, literal) {
        (Some(dictionary), Literal::String(text)) => {
            let below = dictionary.entries().partition_point(|entry| **entry < **text) as i64;
            let up_to = below + i64::from(dictionary.code(text).is_some());
            match op {
                CompareOp::Eq if up_to > below => (IntCond::Eq, below),
                CompareOp::NotEq if up_to > below => (IntCond::Ne, below),
                CompareOp::Eq => (IntCond::Slt, 0),
                CompareOp::NotEq => (IntCond::Sge, 0),
                CompareOp::Lt => (IntCond::Slt, below),
                CompareOp::LtEq => (IntCond::Slt, up_to),
                CompareOp::Gt => (IntCond::Sge, up_to),
                CompareOp::GtEq => (IntCond::Sge, below),
                CompareOp::Distinct | CompareOp::NotDistinct => return None,
            }
        }
        (None, literal) => {
            if matches!(op, CompareOp::Distinct | CompareOp::NotDistinct) {
                return None;
            }
            let value = literal.as_int()?;
            (
                signed(op),
                i64::try_from(value.clamp(i128::from(low) - 1, i128::from(high) + 1)).ok()?,
            )
        }
        _ => return None,
    };
    Some(if value > high {
        let always = matches!(cond, IntCond::Slt | IntCond::Sle | IntCond::Ne);
        if always {
            (IntCond::Sge, low)
        } else {
            (IntCond::Slt, low)
        }
    } else if value < low {
        let always = matches!(cond, IntCond::Sgt | IntCond::Sge | IntCond::Ne);
        if always {
            (IntCond::Sge, low)
        } else {
            (IntCond::Slt, low)
        }
    } else {
        (cond, value)
    })
}

impl Test {
    /// The mask (i8x16) of 16 rows from `row` on.
    fn vector(&self, e: &mut Emitter<'_>, row: Value) -> Value {
        let (lane, width) = match self.stored {
            Physical::I8 => (Type::I8, 1),
            Physical::I16 => (Type::I16, 2),
            _ => (Type::I32, 4),
        };
        let vector = lane.vector().unwrap_or(Type::I8x16);
        let left = e.slot(Slot::Values { field: self.field });
        let left = e.b.index(left, row, width, 0);
        let right = match self.against {
            Against::Constant(value) => Err(e.hoist(|b| {
                let scalar = b.iconst(lane, value);
                b.splat(vector, scalar)
            })),
            Against::Field(field) => {
                let base = e.slot(Slot::Values { field });
                Ok(e.b.index(base, row, width, 0))
            }
        };
        let part = |e: &mut Emitter<'_>, i: u32| {
            let offset = (16 * i).cast_signed();
            let x = e.b.load(vector, left, offset);
            let y = match right {
                Ok(address) => e.b.load(vector, address, offset),
                Err(constant) => constant,
            };
            e.b.icmp(self.cond, x, y)
        };
        let mut masks: Vec<Value> = (0..width).map(|i| part(e, i)).collect();
        while masks.len() > 1 {
            masks = masks.chunks(2).map(|pair| e.b.snarrow(pair[0], pair[1])).collect();
        }
        let mut result = masks[0];
        for field in &self.nullable {
            let base = e.slot(Slot::Validity { field: *field });
            let address = e.b.index(base, row, 1, 0);
            let flags = e.b.load(Type::I8x16, address, 0);
            let zero = e.hoist(|b| {
                let zero = b.iconst(Type::I8, 0);
                b.splat(Type::I8x16, zero)
            });
            let valid = e.b.icmp(IntCond::Ne, flags, zero);
            result = e.b.and(result, valid);
        }
        result
    }
}
