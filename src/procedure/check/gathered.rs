//! The rows that a function returns, all of them, where it is called for rows of a query: an array with an element for each.
//!
//! `function due(n int) { let k = 0; …; select id, k as at from orders where total > n }` gives what
//! `return {select …}` gives then: `[{id: 1, at: 3}, {id: 2, at: 3}]`.
//!
//! Invariants: the elements are structs with the columns of the query as their fields.
//!
//! Does not: decide where a function is called so.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span, Value};

use super::Checker;
use crate::plan::logical::Expr;
use crate::plan::routine::Statement;
use crate::procedure::Definition;

/// The error of a function that is a value wherever it is called.
pub(super) fn gives_a_value(definition: &Definition) -> Diagnostic {
    let name = definition.shown_name();
    let span = definition
        .routine
        .name
        .last()
        .map_or_else(Span::default, |name| name.span);
    let message = format!("`{name}` gives a value, not rows");
    let help = format!("its body has to end with a query; `select {name}(…)` shows its value");
    Diagnostic::new("42809", span, message).with_help(help)
}

impl Checker<'_> {
    /// RETURN of a query, and the query that a function ends with.
    pub(super) fn return_rows(&mut self, value: Option<&Value>, span: Span, out: &mut Vec<Statement>) {
        let query = match value {
            Some(Value::Query(query)) => Some(query.clone()),
            Some(Value::Expr(ast::Expr {
                kind: ast::ExprKind::Subquery(query),
                ..
            })) => Some(query.clone()),
            _ => None,
        };
        let Some(query) = query else {
            let message = "this function is called for its rows, and returns something else here";
            self.error(Diagnostic::new("42809", span, message).with_help("write `return select …`"));
            return self.flow.end();
        };
        let rows = ast::Expr {
            span: query.span,
            kind: ast::ExprKind::Subquery(query),
        };
        let gathered = self.all_rows(&rows, out).flatten();
        let gathered = gathered.map(|rows| Expr::column(rows, self.variables[rows.0 as usize].ty.clone(), span));
        self.return_array(gathered, span, out);
    }

    /// RETURN of all rows.
    pub(super) fn return_array(&mut self, rows: Option<Expr>, span: Span, out: &mut Vec<Statement>) {
        let result = rows.and_then(|rows| self.returned_inferred(rows));
        self.flush_in_try(span, out);
        out.push(Statement::Return(result));
        self.flow.end();
    }
}
