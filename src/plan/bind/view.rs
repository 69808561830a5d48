//! Views: a name that stands for a query.
//!
//! `CREATE VIEW big AS SELECT * FROM orders WHERE total > 100`, then `FROM big b WHERE b.id = 1` is bound as if the query stood
//! there in parentheses.
//!
//! Invariants: a view sees no CTE and no column of the query that names it; errors inside it are reported where it is
//! named; a view that leads to itself is an error.
//!
//! Does not: keep views.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::{Binder, Bound, Relation};
use crate::plan::View;
use crate::types::stack::with_room;

/// Views stand in each other so deep at most.
const MOST: usize = 128;

impl<'a> Binder<'a> {
    /// Binds a view's query in a place of its own.
    pub(super) fn view(&mut self, view: View, parts: &'a [ast::Ident], span: Span) -> Bound<Relation> {
        let name = super::expr::joined(parts);
        if self.in_views.iter().any(|outer| super::scope::same(outer, &name)) {
            let message = format!("the view `{name}` leads to itself");
            return self.fail(Diagnostic::new("42P17", span, message));
        }
        if self.in_views.len() >= MOST {
            let message = format!("views name each other more than {MOST} deep");
            let help = "let a table keep what one of them gives";
            return self.fail(Diagnostic::new("54001", span, message).with_help(help));
        }
        let query: &'a ast::Query = self.views.push_get(Box::new(view.query));
        let errors = self.errors.len();
        let ctes = std::mem::take(&mut self.ctes);
        let recursive = std::mem::take(&mut self.recursive);
        let outer = std::mem::take(&mut self.outer);
        let steps = std::mem::take(&mut self.steps);
        let dialect = std::mem::replace(&mut self.dialect, view.dialect);
        self.in_views.push(name.clone());
        self.tables.enter_view();
        let bound = with_room(|| self.query(query));
        self.tables.leave_view();
        self.in_views.pop();
        (self.ctes, self.recursive, self.outer, self.dialect) = (ctes, recursive, outer, dialect);
        self.steps = steps;
        let inside = self.errors.split_off(errors);
        self.errors.extend(inside.into_iter().map(|error| {
            let message = format!("in view `{name}`: {}", error.message);
            let outside = Diagnostic::new(error.code, span, message);
            match error.help {
                Some(help) => outside.with_help(help),
                None => outside,
            }
        }));
        let mut relation = bound?;
        for ((_, field), name) in relation.output.iter_mut().zip(view.columns) {
            field.name = name;
        }
        Ok(relation)
    }
}
