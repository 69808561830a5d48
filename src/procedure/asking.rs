//! Which functions ask queries, and which of them become a part of the query that calls them.
//!
//! `function open(c int) => (select count(*) from orders where customer = c)` asks, and so does one that calls `open`. Both become a part of
//! the query; a function with a loop, TRY or recursion is called for its rows.
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

use super::{Definition, Definitions, Handed, chain};

/// What the body of a definition holds.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// A query.
    queries: bool,
    /// It changes rows.
    changes: bool,
    /// The names that it calls.
    calls: BTreeSet<String>,
    /// Those of them that it calls for a value.
    values: BTreeSet<String>,
    /// The names in braces, and those that it declares.
    braced: BTreeSet<String>,
    pub(super) declared: BTreeSet<String>,
    /// Those whose values it goes over.
    sources: BTreeSet<String>,
    /// Names that it gives other names to.
    renamed: BTreeSet<String>,
    /// It is an expression, a query, or LET, IF and RETURN.
    is_part: bool,
    /// Queries around what is being looked at.
    depth: usize,
}

impl Asked {
    /// Looks at a body.
    pub(super) fn of(definition: &Definition) -> Self {
        let is_part = match &definition.routine.body {
            RoutineBody::Value(value) => !matches!(value, Value::Then(_)),
            RoutineBody::Block(block) => are_steps(&block.statements, true),
        };
        let mut asked = Self {
            is_part,
            ..Self::default()
        };
        visit::walk_routine(&mut asked, &mut definition.routine.clone());
        definition.functions.iter().for_each(|handed| asked.handed(handed));
        // Where it stands there are names that nothing else has.
        asked.is_part &= definition.functions.is_empty() && definition.captured.iter().all(|name| name.of.is_none());
        let params = definition.routine.params.iter();
        asked
            .declared
            .extend(params.map(|param| param.name.text.to_lowercase()));
        let captured = definition.captured.iter().map(|name| &name.name);
        let kept = captured.chain(definition.constants.iter().map(|(name, ..)| name));
        asked.declared.extend(kept.map(|name| name.to_lowercase()));
        // What is no variable is a relation.
        asked.queries |= !asked.braced.is_subset(&asked.declared);
        asked
    }
}

impl Asked {
    /// Whether it asks or changes something itself.
    pub(super) fn has_questions(&self) -> bool {
        self.queries || self.changes
    }

    /// Looks at a function that the definition is called with.
    fn handed(&mut self, handed: &Handed) {
        visit::walk_arm(self, &mut handed.lambda.body.clone());
        handed.functions.iter().for_each(|inner| self.handed(inner));
    }
}

impl VisitMut for Asked {
    fn statement(&mut self, statement: &mut Statement) {
        match &statement.kind {
            StatementKind::Let(variable) => {
                self.declared.insert(variable.name.text.to_lowercase());
                if let Value::Expr(value) = &variable.value
                    && let ExprKind::Name(path) = &value.kind
                {
                    let path: Vec<&str> = path.iter().map(|name| name.text.as_str()).collect();
                    self.renamed.insert(path.join(".").to_lowercase());
                }
            }
            StatementKind::For(each) => _ = self.declared.insert(each.name.text.to_lowercase()),
            StatementKind::Insert(_)
            | StatementKind::Upsert(_)
            | StatementKind::Update(_)
            | StatementKind::Delete(_)
            | StatementKind::Merge(_) => self.changes = true,
            _ => {}
        }
        visit::walk_statement(self, statement);
    }

    fn query(&mut self, query: &mut Query) {
        self.queries = true;
        self.depth += 1;
        visit::walk_query(self, query);
        self.depth -= 1;
    }

    fn relation(&mut self, relation: &mut TableRef) {
        if let TableRefKind::Function { name, .. } = &relation.kind {
            self.calls.insert(name.text.to_lowercase());
        }
        visit::walk_relation(self, relation);
    }

    fn expr(&mut self, expr: &mut Expr) {
        match &expr.kind {
            ExprKind::Try(_) => self.is_part = false,
            // It goes over rows in a body, and over the value of the query within one.
            ExprKind::Pipe { .. } | ExprKind::Call(_) if self.depth == 0 => {
                match chain::source_of(expr).map(|source| source.kind) {
                    Some(ExprKind::Subquery(_)) => self.is_part = false,
                    Some(ExprKind::Call(call)) => _ = self.sources.insert(call.name.text.to_lowercase()),
                    _ => {}
                }
            }
            ExprKind::Braced(name) => _ = self.braced.insert(name.text.to_lowercase()),
            _ => {}
        }
        visit::walk_expr(self, expr);
    }

    fn call(&mut self, call: &mut Call) {
        self.calls.insert(call.name.text.to_lowercase());
        self.values.insert(call.name.text.to_lowercase());
        if let Some(ExprKind::Name(path)) = call.args.first().map(|arg| &arg.kind)
            && let [module] = path.as_slice()
        {
            let whole = format!("{}.{}", module.text, call.name.text).to_lowercase();
            self.calls.insert(whole.clone());
            self.values.insert(whole);
        }
    }
}

/// Whether statements only make values; `last`: nothing comes behind them.
fn are_steps(statements: &[Statement], last: bool) -> bool {
    let count = statements.len();
    let is_step = |(at, statement): (usize, &Statement)| {
        let last = last && at + 1 == count;
        match &statement.kind {
            StatementKind::Return(None) => true,
            StatementKind::Return(Some(value)) => !matches!(**value, Value::Then(_)),
            StatementKind::Let(variable) => match &variable.value {
                Value::Expr(value) => !matches!(value.kind, ExprKind::Lambda(_)),
                Value::Query(_) => true,
                Value::Then(_) => false,
            },
            StatementKind::Assign(assign) => assign.path.is_empty() && !matches!(assign.value, Value::Then(_)),
            StatementKind::If(branches) => {
                let mut bodies = branches.arms.iter().map(|(_, body)| body).chain(&branches.otherwise);
                bodies.all(|body| are_steps(&body.statements, last))
            }
            StatementKind::Eval(_) | StatementKind::Query(_) => last,
            _ => false,
        }
    };
    statements.iter().enumerate().all(is_step)
}

/// Whether a definition asks queries, itself or by what it calls.
pub(super) fn asks(definition: &Arc<Definition>, definitions: &dyn Definitions) -> bool {
    definition.asked().queries || any_called(definition, definitions, &mut |called, _, _| called.asked().queries)
}

/// Whether a definition that asks can become a part of a query, with all that it calls.
pub(super) fn is_part(definition: &Arc<Definition>, definitions: &dyn Definitions) -> bool {
    let mut is_other = |called: &Arc<Definition>, caller: &Asked, name: &str| {
        let own = definition.name.eq_ignore_ascii_case(&called.name) && definition.is_same(called);
        own || (caller.values.contains(name) && called.gives_array())
            || (caller.sources.contains(name) && called.gives_rows())
            || called.gives_function(definitions)
            || (!called.asked().is_part && asks(called, definitions))
    };
    let asked = definition.asked();
    let mut renamed = asked.renamed.difference(&asked.declared);
    asked.is_part
        && !renamed.any(|name| definitions.find(name).is_some())
        && !any_called(definition, definitions, &mut is_other)
}

/// Whether this is so for one of the definitions that a definition calls, or that those call; it is told which of them, and by what name.
fn any_called(
    definition: &Arc<Definition>,
    definitions: &dyn Definitions,
    is_so: &mut dyn FnMut(&Arc<Definition>, &Asked, &str) -> bool,
) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![Arc::clone(definition)];
    while let Some(definition) = next.pop() {
        for call in &definition.asked().calls {
            if !seen.insert(call.clone()) {
                continue;
            }
            let (plain, methods) = match definition.stored {
                true => definitions.stored(call),
                false => (definitions.find(call), definitions.methods(call)),
            };
            let called: Vec<_> = plain.into_iter().chain(methods).collect();
            if called.iter().any(|called| is_so(called, definition.asked(), call)) {
                return true;
            }
            next.extend(called);
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
