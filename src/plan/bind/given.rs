//! Variables and parameters in a query: literals, or values that the query is given each time it runs.
//!
//! `SELECT b FROM t WHERE a = x` with `x = 5` is bound as `a = 5`; where its plan is to be kept, as `a = $0`, and `$0` is the subquery
//! `VALUES (5)`, in which another value can be put.
//!
//! Invariants: a name is one subquery, however often it is mentioned; NULL without a type stays a literal.
//!
//! Does not: know what names stand for.

use gobi_grammar::ast::Span;

use super::{Binder, Relation};
use crate::plan::logical::{Expr, ExprKind, Given, GivenName, Plan, SubqueryId};
use crate::types::{Field, LogicalType, Value};

impl Binder<'_> {
    /// A value that has a name.
    pub(super) fn given(&mut self, name: GivenName, value: Value, ty: LogicalType, span: Span) -> Expr {
        if !self.tables.keeps_plans() || self.in_body {
            return Expr::literal(value, ty, span);
        }
        let known = self.given.iter().find(|given| given.name == name);
        let subquery = match known.map(|known| known.subquery) {
            Some(known) => known,
            None => {
                let literal = Expr::literal(value.clone(), ty.clone(), span);
                let subquery = (ty != LogicalType::Null).then(|| self.value_query(literal));
                let ty = ty.clone();
                self.given.push(Given { name, ty, subquery });
                subquery
            }
        };
        let Some(subquery) = subquery else {
            return Expr::literal(value, ty, span);
        };
        let kind = ExprKind::Subquery(subquery);
        Expr { kind, ty, span }
    }

    /// A subquery of one row.
    fn value_query(&mut self, literal: Expr) -> SubqueryId {
        let column = self.new_column("given", literal.ty.clone(), true);
        let field = Field {
            name: "given".into(),
            ty: literal.ty.clone(),
            nullable: true,
        };
        self.add_subquery(Relation {
            plan: Plan::Values {
                columns: vec![column],
                rows: vec![vec![literal]],
            },
            output: vec![(column, field)],
        })
    }
}
