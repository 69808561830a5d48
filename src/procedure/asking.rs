//! Which functions ask queries.
//!
//! `function open(c int) => (select count(*) from orders where customer = c)` does, and so does one that calls `open`.
//!
//! Invariants: what is found out about a definition stays with it.
//!
//! Does not: bind anything; what a function asks becomes a part of the query that calls it by the binder.

use std::collections::BTreeSet;
use std::sync::Arc;

use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    ArmBody, Block, Call, Expr, ExprKind, Query, RoutineBody, Statement, StatementKind, TableRef, TableRefKind, Value,
};

use super::{Definition, Definitions};

/// What the body of a definition holds.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// A query.
    queries: bool,
    /// The names that it calls.
    calls: BTreeSet<String>,
}

impl Asked {
    /// Looks at a body.
    pub(super) fn of(definition: &Definition) -> Self {
        let mut asked = Self::default();
        visit::walk_routine(&mut asked, &mut definition.routine.clone());
        asked
    }
}

impl VisitMut for Asked {
    fn query(&mut self, query: &mut Query) {
        self.queries = true;
        visit::walk_query(self, query);
    }

    fn relation(&mut self, relation: &mut TableRef) {
        if let TableRefKind::Function { name, .. } = &relation.kind {
            self.calls.insert(name.text.to_lowercase());
        }
        visit::walk_relation(self, relation);
    }

    fn call(&mut self, call: &mut Call) {
        self.calls.insert(call.name.text.to_lowercase());
        if let Some(ExprKind::Name(path)) = call.args.first().map(|arg| &arg.kind)
            && let [module] = path.as_slice()
        {
            self.calls
                .insert(format!("{}.{}", module.text, call.name.text).to_lowercase());
        }
    }
}

/// Whether a definition asks queries, itself or by what it calls.
pub(super) fn asks(definition: &Arc<Definition>, definitions: &dyn Definitions) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![Arc::clone(definition)];
    while let Some(definition) = next.pop() {
        let asked = definition.asked();
        if asked.queries {
            return true;
        }
        for call in &asked.calls {
            if seen.insert(call.clone()) {
                next.extend(definitions.find(call));
                next.extend(definitions.methods(call));
            }
        }
    }
    false
}

/// The body behind an arrow.
pub(super) fn arrowed(body: &RoutineBody) -> ArmBody {
    match body {
        RoutineBody::Block(block) => ArmBody::Block(block.clone()),
        RoutineBody::Value(Value::Expr(value)) => ArmBody::Expr(value.clone()),
        RoutineBody::Value(Value::Query(query)) => ArmBody::Expr(Expr {
            span: query.span,
            kind: ExprKind::Subquery(query.clone()),
        }),
        RoutineBody::Value(value @ Value::Then(then)) => {
            let span = then.query.span;
            let kind = StatementKind::Return(Some(Box::new(value.clone())));
            let statements = vec![Statement { kind, span }];
            ArmBody::Block(Block { statements, span })
        }
    }
}
