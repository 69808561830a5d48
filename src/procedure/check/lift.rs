//! What an expression holds that is no expression: queries, TRY, MATCH with blocks; each becomes statements before it, and a
//! variable in its place.
//!
//! `x + (SELECT max(a) FROM t)` asks for the maximum, keeps it in a variable, and adds that.
//!
//! Invariants: what is lifted is done in the order of the text, whatever short cuts the expression would take.
//!
//! Does not: change expressions without such parts.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ArmBody, Expr, ExprKind, Ident};

use super::super::relational;
use super::Checker;
use crate::plan::BodyName;
use crate::plan::logical::ColumnId;
use crate::plan::routine::Statement;
use crate::plan::{ROWS_OF, as_numbers, expand_macro, macro_args, macro_holds_query, macro_named, of_module};
use crate::types::stack::with_room;

impl Checker<'_> {
    /// The expression without such parts; `None` after an error.
    pub(super) fn lifted(&mut self, expr: &Expr, out: &mut Vec<Statement>) -> Option<Expr> {
        let mut expr = expr.clone();
        (self.expanded(&mut expr) && self.lift(&mut expr, out)).then_some(expr)
    }

    /// Puts what calls of macros stand for in their places, before anything is told from the forms of calls.
    fn expanded(&mut self, expr: &mut Expr) -> bool {
        let open = self.expansions.open();
        self.expansions.enter();
        let fine = with_room(|| self.expanded_here(expr));
        self.expansions.leave(open);
        fine
    }

    fn expanded_here(&mut self, expr: &mut Expr) -> bool {
        loop {
            if matches!(expr.kind, ExprKind::Pipe { .. }) {
                *expr = super::super::chain::unpiped(expr);
            }
            if !self.without_macros(expr) {
                return false;
            }
            if !matches!(expr.kind, ExprKind::Pipe { .. }) {
                break;
            }
        }
        let mut fine = true;
        expr.for_each_child_mut(&mut |child| fine &= self.expanded(child));
        fine
    }

    /// Puts what a call of a macro stands for in its place.
    fn without_macros(&mut self, expr: &mut Expr) -> bool {
        loop {
            if let ExprKind::Call(call) = &expr.kind {
                match self.of_module(call) {
                    None => {}
                    Some(Ok(call)) => expr.kind = ExprKind::Call(call),
                    Some(Err(error)) => {
                        self.error(error);
                        return false;
                    }
                }
            }
            let ExprKind::Call(call) = &expr.kind else { return true };
            let Some(made) = self.instances.definitions.macro_named(&call.name.text) else {
                return true;
            };
            if macro_holds_query(&made) {
                return true;
            }
            match expand_macro(call, &made, &mut self.expansions) {
                Ok(expanded) => *expr = expanded,
                Err(error) => {
                    self.error(error);
                    return false;
                }
            }
        }
    }

    /// `m.f(x)` as a call of the module's function or macro.
    pub(super) fn of_module(&self, call: &ast::Call) -> Option<Result<ast::Call, Diagnostic>> {
        let mut members = |name: &str| self.instances.definitions.members(name);
        of_module(call, &mut members, &|name| self.find(&name.text).is_some())
    }

    pub(super) fn lift(&mut self, expr: &mut Expr, out: &mut Vec<Statement>) -> bool {
        with_room(|| self.lift_here(expr, out))
    }

    fn lift_here(&mut self, expr: &mut Expr, out: &mut Vec<Statement>) -> bool {
        if matches!(expr.kind, ExprKind::Pipe { .. }) {
            *expr = super::super::chain::unpiped(expr);
        }
        if !self.without_macros(expr) {
            return false;
        }
        if let Some(opened) = self.macro_query(expr, out) {
            return opened;
        }
        self.take_rows(expr);
        if let Some(row) = self.braced_row(expr) {
            *expr = row;
        }
        match self.whole_row(expr) {
            Some(row) => *expr = row,
            None => self.row_as_struct(expr),
        }
        self.give_caught(expr);
        if let ExprKind::Call(call) = &mut expr.kind
            && !self.hold_arguments(call, out)
        {
            return false;
        }
        if let ExprKind::Call(call) = &expr.kind
            && !self.is_own(&call.name.text)
            && let Some(numbers) = as_numbers(call, expr.span)
        {
            *expr = numbers;
        }
        let made = match &expr.kind {
            ExprKind::Field { expr: of, name } => self.field_of_rows(of, name, out),
            ExprKind::Call(call) => self.lifted_call(call, expr.span, out),
            ExprKind::Lambda(_) => {
                let message = "a lambda stands only where a function is wanted";
                let help = "give it a name: `let f = x => …`";
                self.error(Diagnostic::new("42601", expr.span, message).with_help(help));
                Some(None)
            }
            ExprKind::Braced(_) => self.all_rows(expr, out),
            ExprKind::Subquery(query) => Some(self.scalar_query(query, out)),
            ExprKind::Exists(query) => Some(self.exists(query, out)),
            ExprKind::InQuery { .. } | ExprKind::Compare { .. } if is_over_rows(expr) => {
                let mut whole = expr.clone();
                Some(self.over_rows(&mut whole, out))
            }
            ExprKind::Spawn(call) => Some(self.spawn(call, expr.span, out)),
            ExprKind::Await(value) => Some(self.await_value(value, expr.span, out)),
            ExprKind::Try(attempt) => Some(self.try_value(attempt, expr.span, out)),
            ExprKind::Match(matching) if matching.arms.iter().any(|arm| self.has_statements(arm)) => {
                Some(self.match_value(matching, expr.span, out))
            }
            _ => None,
        };
        let made = made.or_else(|| self.shortcut(expr, out));
        match made {
            Some(Some(id)) => {
                *expr = self.reference(id, expr.span);
                true
            }
            Some(None) => false,
            None => self.lift_parts(expr, out) && self.hold_subject(expr, out),
        }
    }

    /// Makes a call of a procedure that returns a relation one for all its rows, where somebody wants them.
    fn take_rows(&self, expr: &mut Expr) {
        let ExprKind::Call(call) = &mut expr.kind else { return };
        let alone = self.alone == Some(expr.span) || self.closure(&call.name.text).is_some();
        let definition = self.instances.definitions.find_at(&call.name).filter(|_| !alone);
        if definition.is_some_and(|definition| definition.gives_array()) {
            call.name.text.push_str(ROWS_OF);
        }
    }

    /// A call of a macro that holds a query: that, with variables that have the arguments. `None` if it is something else.
    fn macro_query(&mut self, expr: &mut Expr, out: &mut Vec<Statement>) -> Option<bool> {
        let ExprKind::Call(call) = &expr.kind else { return None };
        let made = self.instances.definitions.macro_named(&call.name.text)?;
        if !macro_holds_query(&made) {
            return None;
        }
        let open = self.expansions.open();
        self.expansions.enter();
        let fine = match self.opened_macro(call, &made, out) {
            Some(opened) => {
                *expr = opened;
                self.lift(expr, out)
            }
            None => false,
        };
        self.expansions.leave(open);
        Some(fine)
    }

    fn opened_macro(&mut self, call: &ast::Call, made: &ast::DefineMacro, out: &mut Vec<Statement>) -> Option<Expr> {
        let args = macro_args(call, made).and_then(|args| {
            self.expansions.add_expr(call, &made.body)?;
            Ok(args)
        });
        let args = match args {
            Ok(args) => args,
            Err(error) => {
                self.error(error);
                return None;
            }
        };
        let mut names = Vec::with_capacity(args.len());
        for arg in &args {
            let bound = self.expr(arg, out)?;
            let held = self.new_variable("", Some(bound.ty.clone()), false);
            self.set(held, bound, out);
            if let ExprKind::Name(path) = self.reference(held, arg.span).kind {
                names.extend(path);
            }
        }
        Some(macro_named(made, &names))
    }

    /// A call of a lambda, or one that ends a chain over an array; `None` if it is another one.
    fn lifted_call(&mut self, call: &ast::Call, span: ast::Span, out: &mut Vec<Statement>) -> Option<Option<ColumnId>> {
        let named = self.with_named_functions(call, out);
        let Some(call) = &named else { return Some(None) };
        if self.closure(&call.name.text).is_some() {
            return Some(self.call_closure(call, out));
        }
        if let Some(made) = self.call_of_stream(call, span, out) {
            return Some(made);
        }
        if let Some(called) = self.call_with_functions(call, span, out) {
            return Some(called);
        }
        if let Some(mut sorted) = super::super::chain::sorted(call, span, &|arg| self.is_function(arg)) {
            if !self.lift(&mut sorted, out) {
                return Some(None);
            }
            let value = self.expr(&sorted, out);
            return Some(value.map(|value| {
                let held = self.new_variable("", Some(value.ty.clone()), false);
                self.set(held, value, out);
                held
            }));
        }
        let chain = super::super::chain::of(call, span, &|name| self.is_own(name), &|arg| self.is_function(arg));
        if let Some(chain) = chain {
            return Some(self.chain(&chain, span, out));
        }
        if super::super::chain::takes_function(&call.name.text) && !self.is_own(&call.name.text) {
            let message = format!("`{}` needs an array and a function", call.name.text);
            let help = format!("write `{}(…, x => …)`", call.name.text);
            self.error(Diagnostic::new("42883", call.name.span, message).with_help(help));
            return Some(None);
        }
        None
    }

    /// Whether an arm is more than expressions.
    fn has_statements(&self, arm: &ast::MatchArm) -> bool {
        let body = match &arm.body {
            ArmBody::Block(_) => return true,
            ArmBody::Expr(expr) => expr,
        };
        super::statement::is_error(body)
            || self.lifts(body)
            || arm.guard.as_ref().is_some_and(|guard| self.lifts(guard))
    }

    /// Whether an expression has parts that are lifted.
    pub(super) fn lifts(&self, expr: &Expr) -> bool {
        self.lifts_in(&mut expr.clone())
    }

    /// The same; the expression is left as it is.
    pub(super) fn lifts_in(&self, expr: &mut Expr) -> bool {
        holds_statements(expr) || self.calls_lifted(expr)
    }

    /// Whether an expression has calls that are lifted.
    fn calls_lifted(&self, expr: &mut Expr) -> bool {
        if let ExprKind::Call(call) = &expr.kind {
            let is_function = |arg: &Expr| self.is_function(arg);
            let chain = super::super::chain::of(call, expr.span, &|name| self.is_own(name), &is_function);
            if chain.is_some()
                || self.closure(&call.name.text).is_some()
                || call.args.iter().any(is_function)
                || self.has_held_arguments(call)
            {
                return true;
            }
        }
        if let Some(subject) = super::shortcut::subject_of(expr)
            && self.has_own_calls(subject)
        {
            return true;
        }
        let mut found = false;
        expr.for_each_child_mut(&mut |child| found = found || self.calls_lifted(child));
        found
    }

    /// `r`, the row of a loop, is a struct of its columns.
    fn row_as_struct(&self, expr: &mut Expr) {
        let ExprKind::Name(path) = &expr.kind else { return };
        let [row] = path.as_slice() else { return };
        if self.find(&row.text).is_some() {
            return;
        }
        let is_of = |known: &&BodyName| known.of.as_ref().is_some_and(|of| of.eq_ignore_ascii_case(&row.text));
        let column = |known: &BodyName| {
            let name = Ident {
                text: known.name.clone(),
                quoted: true,
                span: expr.span,
            };
            let kind = ExprKind::Name(vec![row.clone(), name.clone()]);
            (name, Expr { kind, span: expr.span })
        };
        let columns: Vec<(Ident, Expr)> = self.names.iter().filter(is_of).map(column).collect();
        if !columns.is_empty() {
            expr.kind = ExprKind::Struct(columns);
        }
    }

    /// `{r}`, the row of a loop or of a trigger, is a struct of its columns, whatever columns a query has.
    pub(super) fn braced_row(&mut self, expr: &Expr) -> Option<Expr> {
        let ExprKind::Braced(row) = &expr.kind else { return None };
        if self.find(&row.text).is_some() {
            return None;
        }
        let span = expr.span;
        let kind = ExprKind::Name(vec![row.clone()]);
        if let Some(whole) = self.whole_row(&Expr { kind, span }) {
            return Some(whole);
        }
        let is_of = |known: &&BodyName| known.of.as_ref().is_some_and(|of| of.eq_ignore_ascii_case(&row.text));
        let columns = self.names.iter().filter(is_of);
        let columns: Vec<(String, ColumnId)> = columns.map(|known| (known.name.clone(), known.id)).collect();
        let field = |(text, id)| {
            let quoted = true;
            (Ident { text, quoted, span }, self.reference(id, span))
        };
        let fields: Vec<(Ident, Expr)> = columns.into_iter().map(field).collect();
        (!fields.is_empty()).then_some(Expr {
            kind: ExprKind::Struct(fields),
            span,
        })
    }

    /// `f(x).a`, where `f` gives rows: the column `a` of the only one.
    fn field_of_rows(&mut self, of: &Expr, name: &Ident, out: &mut Vec<Statement>) -> Option<Option<ColumnId>> {
        let query = match &of.kind {
            ExprKind::Call(call) => self.rows_of_call(call, of.span, out)?,
            ExprKind::Subquery(query) if self.has_column(query, name) => (**query).clone(),
            _ => return None,
        };
        let column = Expr {
            kind: ExprKind::Name(vec![name.clone()]),
            span: name.span,
        };
        Some(self.scalar_query(&relational::column_of(column, query), out))
    }

    /// Whether a query in parentheses gives a column of this name.
    fn has_column(&mut self, query: &ast::Query, name: &Ident) -> bool {
        let errors = self.errors.len();
        let lifted = self.with_lifted(query, &mut Vec::new());
        let bound = self.bound_query(lifted.as_ref().unwrap_or(query));
        self.errors.truncate(errors);
        bound.is_some_and(|(fields, _)| fields.iter().any(|field| field.name.eq_ignore_ascii_case(&name.text)))
    }

    /// A comparison with the rows of a query: a query of its own, with the other side as a variable.
    fn over_rows(&mut self, expr: &mut Expr, out: &mut Vec<Statement>) -> Option<ColumnId> {
        if let ExprKind::InQuery { expr: tested, .. } | ExprKind::Compare { left: tested, .. } = &mut expr.kind {
            let value = self.expr(tested, out)?;
            let held = self.new_variable("", Some(value.ty.clone()), false);
            self.set(held, value, out);
            **tested = self.reference(held, tested.span);
        }
        self.scalar_query(&relational::value(expr.clone()), out)
    }

    /// An expression that stands for a variable without a name.
    pub(super) fn reference(&mut self, id: ColumnId, span: ast::Span) -> Expr {
        let name = format!("\0{}", id.0);
        if !self.names.iter().any(|known| known.name == name) {
            self.names.push(BodyName {
                of: None,
                name: name.clone(),
                id,
            });
        }
        Expr {
            kind: ExprKind::Name(vec![Ident {
                text: name,
                quoted: true,
                span,
            }]),
            span,
        }
    }
}

/// Whether an expression compares something with the rows of a query: IN, or `= ANY (query)` and its kin.
fn is_over_rows(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::InQuery { .. } => true,
        ExprKind::Compare { right, .. } => match &right.kind {
            ExprKind::Call(call) => {
                let is_set = ["any", "some", "all"]
                    .iter()
                    .any(|name| call.name.text.eq_ignore_ascii_case(name));
                is_set && matches!(call.args.as_slice(), [of] if matches!(of.kind, ExprKind::Subquery(_)))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether an expression has parts that are lifted, but for calls.
fn holds_statements(expr: &mut Expr) -> bool {
    if matches!(
        expr.kind,
        ExprKind::Subquery(_)
            | ExprKind::Exists(_)
            | ExprKind::InQuery { .. }
            | ExprKind::Try(_)
            | ExprKind::Spawn(_)
            | ExprKind::Await(_)
            | ExprKind::Pipe { .. }
            | ExprKind::Lambda(_)
    ) {
        return true;
    }
    if let ExprKind::Match(matching) = &expr.kind
        && matching.arms.iter().any(|arm| matches!(arm.body, ArmBody::Block(_)))
    {
        return true;
    }
    let mut found = false;
    expr.for_each_child_mut(&mut |child| found = found || holds_statements(child));
    found
}
