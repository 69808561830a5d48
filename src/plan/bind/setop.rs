//! UNION, INTERSECT, EXCEPT and VALUES.
//!
//! `a INTERSECT b` is the distinct rows of `a` that have an equal row in `b`: a semi join on all columns in which NULL
//! equals NULL.
//!
//! Invariants: every input is brought to the common types of its columns; names are those of the first input.
//!
//! Does not: order rows.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, SetOp, Span};

use super::coerce::{cast, common_type};
use super::scope::Scope;
use super::select::{Block, Place};
use super::{Binder, Bound, Relation, Reported};
use crate::plan::eval;
use crate::plan::logical::{ColumnId, Expr, JoinKind, Plan};
use crate::plan::properties;
use crate::types::{Field, LogicalType};

impl<'a> Binder<'a> {
    /// A chain of one set operation.
    pub(super) fn set_operation(&mut self, op: SetOp, all: bool, inputs: &'a [ast::Query]) -> Bound<Relation> {
        let bound: Vec<Bound<Relation>> = inputs.iter().map(|input| self.query(input)).collect();
        let relations: Vec<Relation> = bound.into_iter().collect::<Bound<_>>()?;
        let relations = self.align(relations, inputs)?;
        match op {
            SetOp::Union => {
                let relation = self.union_all(relations)?;
                Ok(if all {
                    relation
                } else {
                    self.distinct_relation(relation)
                })
            }
            SetOp::Intersect if all => self.matching_all(relations, JoinKind::Semi),
            SetOp::Except if all => self.matching_all(relations, JoinKind::Anti),
            SetOp::Intersect => self.matching(relations, JoinKind::Semi),
            SetOp::Except => self.matching(relations, JoinKind::Anti),
        }
    }

    /// Brings all inputs to the same number and types of columns.
    fn align(&mut self, relations: Vec<Relation>, inputs: &[ast::Query]) -> Bound<Vec<Relation>> {
        let width = relations.first().map_or(0, |r| r.output.len());
        let mut types = vec![LogicalType::Null; width];
        for (relation, input) in relations.iter().zip(inputs) {
            if relation.output.len() != width {
                let message = format!(
                    "the queries differ in their number of columns: {width} and {}",
                    relation.output.len()
                );
                return self.fail(Diagnostic::new("42601", input.span, message));
            }
            for (ty, (_, field)) in types.iter_mut().zip(&relation.output) {
                let Some(common) = common_type(ty, &field.ty) else {
                    let message = format!("column `{}` has no common type: {ty} and {}", field.name, field.ty);
                    let error = Diagnostic::new("42804", input.span, message);
                    return self.fail(error.with_help("cast one of them with `::`"));
                };
                *ty = common;
            }
        }
        Ok(relations.into_iter().map(|r| self.with_types(r, &types)).collect())
    }

    pub(super) fn with_types(&mut self, relation: Relation, types: &[LogicalType]) -> Relation {
        if relation
            .output
            .iter()
            .zip(types)
            .all(|((_, field), ty)| field.ty == *ty)
        {
            return relation;
        }
        let mut columns: Vec<(ColumnId, Expr)> = Vec::with_capacity(types.len());
        let mut output = Vec::with_capacity(types.len());
        for ((id, field), ty) in relation.output.into_iter().zip(types) {
            let expr = cast(self.column_expr(id, Span::default()), ty);
            let id = match expr.as_column() {
                Some(id) => id,
                None => self.new_column(&field.name, ty.clone(), field.nullable),
            };
            columns.push((id, expr));
            output.push((
                id,
                Field {
                    ty: ty.clone(),
                    ..field
                },
            ));
        }
        let input = Box::new(relation.plan);
        Relation {
            plan: Plan::Project { input, columns },
            output,
        }
    }

    fn union_all(&mut self, relations: Vec<Relation>) -> Bound<Relation> {
        let Some(first) = relations.first() else {
            return Err(Reported);
        };
        let mut fields: Vec<Field> = first.output.iter().map(|(_, field)| field.clone()).collect();
        for (at, field) in fields.iter_mut().enumerate() {
            field.nullable = relations
                .iter()
                .any(|r| r.output.get(at).is_none_or(|(_, f)| f.nullable));
        }
        let output: Vec<(ColumnId, Field)> = fields
            .into_iter()
            .map(|field| (self.new_column(&field.name, field.ty.clone(), field.nullable), field))
            .collect();
        let inputs = relations.into_iter().map(|relation| {
            let taken = relation.output.iter().map(|(id, _)| *id).collect();
            (relation.plan, taken)
        });
        Ok(Relation {
            plan: Plan::UnionAll {
                columns: output.iter().map(|(id, _)| *id).collect(),
                inputs: inputs.collect(),
            },
            output,
        })
    }

    fn distinct_relation(&self, relation: Relation) -> Relation {
        let plan = self.distinct(relation.plan, &relation.output);
        Relation {
            plan,
            output: relation.output,
        }
    }

    /// Distinct rows of the first input that are, or are not, in each of the others.
    fn matching(&mut self, relations: Vec<Relation>, kind: JoinKind) -> Bound<Relation> {
        let mut relations = relations.into_iter();
        let first = relations.next().ok_or(Reported)?;
        let mut whole = self.distinct_relation(first);
        for right in relations {
            let pairs = whole.output.iter().zip(&right.output);
            let span = Span::default();
            let keys = pairs.map(|((l, _), (r, _))| (self.column_expr(*l, span), self.column_expr(*r, span)));
            whole.plan = Plan::Join {
                kind,
                keys: keys.collect(),
                left: Box::new(whole.plan),
                right: Box::new(right.plan),
                null_equal: true,
                residual: Vec::new(),
            };
        }
        Ok(whole)
    }

    /// INTERSECT ALL and EXCEPT ALL: equal rows are numbered, so that each can have a partner of its own.
    fn matching_all(&mut self, relations: Vec<Relation>, kind: JoinKind) -> Bound<Relation> {
        let mut relations = relations.into_iter();
        let mut whole = relations.next().ok_or(Reported)?;
        for right in relations {
            let columns = |binder: &Self, relation: &Relation| -> Vec<Expr> {
                let ids = relation.output.iter().map(|(id, _)| *id);
                ids.map(|id| binder.column_expr(id, Span::default())).collect()
            };
            let (mut left_keys, mut right_keys) = (columns(self, &whole), columns(self, &right));
            let (left, left_number) = self.number_equal(whole.plan, left_keys.clone());
            let (right, right_number) = self.number_equal(right.plan, right_keys.clone());
            left_keys.push(self.column_expr(left_number, Span::default()));
            right_keys.push(self.column_expr(right_number, Span::default()));
            whole.plan = Plan::Join {
                kind,
                left: Box::new(left),
                right: Box::new(right),
                keys: left_keys.into_iter().zip(right_keys).collect(),
                null_equal: true,
                residual: Vec::new(),
            };
        }
        Ok(whole)
    }

    /// `VALUES (…), (…)`.
    pub(super) fn values(&mut self, rows: &'a [Vec<ast::Expr>], span: Span) -> Bound<Relation> {
        let mut block = Block::new(Scope::default(), Place::Other);
        let width = rows.first().map_or(0, Vec::len);
        let mut bound = Vec::with_capacity(rows.len());
        let mut failed = false;
        for row in rows {
            if row.len() != width {
                let at = row.first().map_or(span, |e| e.span);
                let message = format!(
                    "the rows of VALUES differ in their number of columns: {width} and {}",
                    row.len()
                );
                self.errors.push(Diagnostic::new("42601", at, message));
                failed = true;
                continue;
            }
            match self.exprs(&mut block, row) {
                Ok(row) => bound.push(row.into_iter().map(eval::fold).collect()),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        if !block.joins_below.is_empty() {
            return self.unsupported("this subquery in VALUES is", span);
        }
        self.literal_rows(bound, span)
    }

    /// Rows of expressions as a relation with columns `column1`, `column2`, ….
    pub(super) fn literal_rows(&mut self, rows: Vec<Vec<Expr>>, span: Span) -> Bound<Relation> {
        let width = rows.first().map_or(0, Vec::len);
        let mut output = Vec::with_capacity(width);
        let mut columns: Vec<Vec<Expr>> = (0..width).map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            columns.iter_mut().zip(row).for_each(|(column, e)| column.push(e));
        }
        let mut typed = Vec::with_capacity(width);
        for (at, column) in columns.into_iter().enumerate() {
            let (column, ty) = self.unify_all(column, "the values of a column", span)?;
            let none = std::collections::HashSet::new();
            let nullable = column.iter().any(|e| properties::may_be_null(e, &none));
            let name = format!("column{}", at + 1);
            let id = self.new_column(&name, ty.clone(), nullable);
            output.push((id, Field { name, ty, nullable }));
            typed.push(column.into_iter());
        }
        let count = typed.first().map_or(0, ExactSizeIterator::len);
        let rows = (0..count).map(|_| typed.iter_mut().filter_map(Iterator::next).collect());
        Ok(Relation {
            plan: Plan::Values {
                columns: output.iter().map(|(id, _)| *id).collect(),
                rows: rows.collect(),
            },
            output,
        })
    }
}
