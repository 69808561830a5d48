//! `returns relation`: the rows of the query that a body ends with.
//!
//! `function due() returns relation(id int, total double) => select id, net from orders` gives what
//! `select id :: int as id, total :: double as total from (select id, net from orders) as q(id, total)` does.
//!
//! Invariants: what is left of a relation that a routine returns is the query, whose columns say what they are.
//!
//! Does not: bind.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{
    Block, Expr, ExprKind, Ident, Let, Query, QueryBody, Returns, Routine, RoutineBody, SelectItem, Statement,
    StatementKind, TableRefKind, TypeName, Value,
    visit::{self, VisitMut},
};

use super::Definition;
use super::relational::all_of;

/// Makes the query that a body ends with one of the columns that the routine returns, and leaves it at that.
pub(super) fn as_query(routine: &mut Routine) {
    let Returns::Rows(columns) = &routine.returns else {
        return;
    };
    let columns = columns.clone();
    if !routine.is_model() {
        gather(&mut routine.body, &columns);
    }
    let query = match &mut routine.body {
        RoutineBody::Value(Value::Query(query)) => &mut **query,
        RoutineBody::Value(_) => return,
        RoutineBody::Block(block) => match block.statements.last_mut().map(|last| &mut last.kind) {
            Some(StatementKind::Query(query)) => query,
            Some(StatementKind::Return(Some(value))) => match &mut **value {
                Value::Query(query) => &mut **query,
                _ => return,
            },
            _ => return,
        },
    };
    if !columns.is_empty() {
        *query = typed(query, &columns);
        if let RoutineBody::Block(block) = &mut routine.body {
            let before = block.statements.iter_mut().rev().skip(1);
            before.for_each(|statement| Early(&columns).statement(statement));
        }
    }
    if routine.is_procedure && !routine.is_model() {
        show(&mut routine.body);
    }
    routine.returns = Returns::Inferred;
}

/// What a THEN block at the end of a body yields is an array, whose elements the body ends with.
fn gather(body: &mut RoutineBody, columns: &[(Ident, TypeName)]) {
    let written = match &*body {
        RoutineBody::Value(value) => Some(value.clone()),
        RoutineBody::Block(block) => match block.statements.last().map(|last| &last.kind) {
            Some(StatementKind::Return(Some(value))) => Some((**value).clone()),
            Some(StatementKind::Then(then)) => Some(Value::Then(then.clone())),
            _ => None,
        },
    };
    let Some(Value::Then(mut then)) = written else {
        return;
    };
    if let [(name, _)] = columns {
        OfOneColumn(name).block(&mut then.body);
    }
    let span = then.query.span;
    let name = Ident {
        text: YIELDED.to_owned(),
        quoted: true,
        span,
    };
    let query = all_of(TableRefKind::Name(vec![name.clone()]), span);
    let gathered = StatementKind::Let(Box::new(Let {
        name,
        ty: None,
        value: Value::Then(then),
    }));
    let made = [gathered, StatementKind::Query(query)].map(|kind| Statement { kind, span });
    match body {
        RoutineBody::Value(_) => {
            let statements = made.to_vec();
            *body = RoutineBody::Block(Block { statements, span });
        }
        RoutineBody::Block(block) => {
            block.statements.pop();
            block.statements.extend(made);
        }
    }
}

/// What is yielded of one column is the row that has it, unless it is written as one.
struct OfOneColumn<'c>(&'c Ident);

impl VisitMut for OfOneColumn<'_> {
    fn statement(&mut self, statement: &mut Statement) {
        match &mut statement.kind {
            StatementKind::Yield(Some(value)) => {
                if let Value::Expr(written) = &mut **value
                    && !matches!(written.kind, ExprKind::Struct(_) | ExprKind::Instance { .. })
                {
                    let span = written.span;
                    let kind = ExprKind::Struct(vec![(self.0.clone(), written.clone())]);
                    *written = Expr { kind, span };
                }
            }
            // What these yield is theirs.
            StatementKind::Routine(_) | StatementKind::Then(_) => {}
            StatementKind::Let(inner) if matches!(inner.value, Value::Then(_)) => {}
            StatementKind::Assign(inner) if matches!(inner.value, Value::Then(_)) => {}
            _ => visit::walk_statement(self, statement),
        }
    }

    fn expr(&mut self, _expr: &mut Expr) {}

    fn query(&mut self, _query: &mut Query) {}
}

/// Makes the query that a procedure returns at its end one by itself, whose rows are shown where nobody wants them.
fn show(body: &mut RoutineBody) {
    let RoutineBody::Block(block) = body else { return };
    let Some(last) = block.statements.last_mut() else {
        return;
    };
    if let StatementKind::Return(Some(value)) = &last.kind
        && let Value::Query(query) = &**value
    {
        last.kind = StatementKind::Query((**query).clone());
    }
}

/// RETURN before the end gives the same columns.
struct Early<'c>(&'c [(Ident, TypeName)]);

impl VisitMut for Early<'_> {
    fn statement(&mut self, statement: &mut Statement) {
        match &mut statement.kind {
            StatementKind::Return(Some(value)) => {
                if let Value::Query(query) = &mut **value {
                    **query = typed(query, self.0);
                }
            }
            // Those of a function in it are its own.
            StatementKind::Routine(_) => {}
            _ => visit::walk_statement(self, statement),
        }
    }

    fn expr(&mut self, _expr: &mut Expr) {}

    fn query(&mut self, _query: &mut Query) {}
}

/// What a THEN block has yielded; nobody else can write that.
const YIELDED: &str = "yielded\u{1}";

/// The rows before they have the types that are declared; nobody else can write that.
const ROWS: &str = "rows\u{1}";

/// The query of a body that declares its columns, and those: names and types.
pub fn declared_columns(query: &Query) -> Option<(&Query, Vec<(&Ident, &TypeName)>)> {
    let QueryBody::Select(select) = &query.body else {
        return None;
    };
    let [table] = select.from.as_slice() else { return None };
    table.alias.as_ref().filter(|alias| alias.text == ROWS)?;
    let TableRefKind::Query(rows) = &table.kind else {
        return None;
    };
    let column = |item| match item {
        &SelectItem::Expr {
            expr: Expr {
                kind: ExprKind::Cast { ref ty, .. },
                ..
            },
            alias: Some(ref name),
        } => Some((name, ty)),
        _ => None,
    };
    Some((rows, select.items.iter().filter_map(column).collect()))
}

/// Whether the items of a query are its columns: none stands for several.
pub(super) fn is_by_column(query: &Query) -> bool {
    match &query.body {
        QueryBody::Select(select) => select.items.iter().all(|item| matches!(item, SelectItem::Expr { .. })),
        _ => false,
    }
}

/// The value of a column of a query, as it is written.
pub(super) fn written(query: &Query, at: usize) -> Option<&Expr> {
    match &query.body {
        QueryBody::Select(select) => match select.items.get(at)? {
            SelectItem::Expr { expr, .. } => Some(expr),
            _ => None,
        },
        _ => None,
    }
}

/// The query with its columns called and typed so.
fn typed(query: &Query, columns: &[(Ident, TypeName)]) -> Query {
    let mut outer = all_of(TableRefKind::Query(Box::new(query.clone())), query.span);
    if let QueryBody::Select(select) = &mut outer.body {
        select.items = columns.iter().map(|(name, ty)| item(name, ty)).collect();
        for table in &mut select.from {
            table.alias = Some(Ident {
                text: ROWS.to_owned(),
                quoted: true,
                span: query.span,
            });
            table.columns = columns.iter().map(|(name, _)| name.clone()).collect();
        }
    }
    outer
}

fn item(name: &Ident, ty: &TypeName) -> SelectItem {
    let span = name.span;
    let expr = Box::new(Expr {
        kind: ExprKind::Name(vec![name.clone()]),
        span,
    });
    let kind = ExprKind::Cast {
        expr,
        ty: ty.clone(),
        try_: false,
    };
    SelectItem::Expr {
        expr: Expr { kind, span },
        alias: Some(name.clone()),
    }
}

/// A routine that returns a relation, and ends with something else.
pub(super) fn no_rows(definition: &Definition) -> Diagnostic {
    let name = definition.routine.name.last();
    let message = format!(
        "`{}` returns a relation, and does not end with a query",
        definition.shown_name()
    );
    let span = name.map_or_else(Default::default, |name| name.span);
    Diagnostic::new("42P18", span, message).with_help("end it with `select …`")
}
