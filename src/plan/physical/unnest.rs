//! UNNEST: a source whose row numbers are positions in an array.
//!
//! `FROM t, unnest(t.a) AS u` scans `t` and gives each row once for every element: a row in flight is a row of `t` and a position,
//! and the column `u` is `array_extract(t.a, position)`, two loads in generated code.
//!
//! Invariants: the array is a column or found by loads; what must be computed is kept in an intermediate result first, so that it
//! is not computed again for each element.
//!
//! Does not: generate code.

use super::build::{Builder, Columns, PlanError, mentioned_all};
use super::{Binding, Facts, Finish, Pipeline, RowSource, SourceField, SourceKind, Step};
use crate::functions::{self, Native};
use crate::plan::logical::{ColumnId, Expr, ExprKind, Plan};
use crate::types::LogicalType;

/// The pipeline of an unnest.
pub(super) fn open(builder: &mut Builder<'_>, plan: &Plan, required: &Columns) -> Result<Pipeline, PlanError> {
    let Plan::Unnest {
        input,
        array,
        element,
        position,
    } = plan
    else {
        return Err(PlanError::Unsupported("this relation".into()));
    };
    let mut needed: Columns = required
        .iter()
        .copied()
        .filter(|id| id != element && id != position)
        .collect();
    let used = mentioned_all([array]);
    needed.extend(used.iter().copied());
    let mut pipeline = if used.iter().any(|id| is_computed(input, *id)) {
        builder.materialize(input, needed.into_iter().collect(), Finish::default())?
    } else {
        builder.open(input, &needed)?
    };
    let source = pipeline.sources.len();
    pipeline.sources.push(RowSource {
        kind: SourceKind::Positions,
        fields: vec![SourceField {
            index: 0,
            name: builder.column_name(*position),
            facts: Facts::with_range(&LogicalType::BigInt, Some((0, u32::MAX.into())), false),
        }],
        optional: false,
    });
    pipeline.bindings.insert(*position, Binding::Field { source, field: 0 });
    if let Some(value) = element_at(builder, array, *position) {
        pipeline.bindings.insert(*element, Binding::Expr(value));
    }
    pipeline.rows_bound = None;
    pipeline.steps.push(Step::Unnest {
        array: array.clone(),
        source,
    });
    Ok(pipeline)
}

/// `array_extract(array, position)`.
fn element_at(builder: &Builder<'_>, array: &Expr, position: ColumnId) -> Option<Expr> {
    let index = builder.column_expr(position);
    let resolved = functions::resolve("array_extract", &[array.ty.clone(), index.ty.clone()]).ok()?;
    Some(Expr {
        kind: ExprKind::Call {
            function: resolved.function,
            args: vec![array.clone(), index],
        },
        ty: resolved.result,
        span: array.span,
    })
}

/// Whether more than loads is needed to find the column.
fn is_computed(plan: &Plan, id: ColumnId) -> bool {
    match plan {
        Plan::Project { input, columns } => match columns.iter().find(|(made, _)| *made == id) {
            Some((_, expr)) => !is_found(expr) || mentioned_all([expr]).into_iter().any(|id| is_computed(input, id)),
            None => false,
        },
        // The array of a group is made anew wherever it is read.
        Plan::Aggregate { aggregates, .. } => aggregates.iter().any(|(made, _)| *made == id),
        // What these give is stored.
        Plan::Scan { .. }
        | Plan::Values { .. }
        | Plan::Recursive { .. }
        | Plan::Sort { .. }
        | Plan::Limit { .. }
        | Plan::Window { .. }
        | Plan::UnionAll { .. } => false,
        _ => plan.children().into_iter().any(|child| is_computed(child, id)),
    }
}

/// A column, or a part of one.
pub(crate) fn is_found(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Column(_) | ExprKind::Literal(_) => true,
        ExprKind::Call { function, args } => {
            let access = matches!(
                functions::function(*function).native,
                Some(Native::Element { .. } | Native::Field)
            );
            access && args.iter().all(is_found)
        }
        _ => false,
    }
}
