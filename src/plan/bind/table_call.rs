//! Calls in FROM: `range(1, 10)`, and functions and macros of the user's that give rows.
//!
//! `FROM t, range(t.n) AS r` has the rows of `t` with the elements of the array `range(t.n)`, `FROM t, due(t.id)` those with the rows of the
//! query that `due` is. A function that is more than a query is called for the rows before it, and its rows are the elements of an array.
//!
//! Invariants: an argument sees the relations before the call, as LATERAL does.
//!
//! Does not: join anything; see [`super::lateral`].

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::called::Mark;
use super::from::field;
use super::lambda::as_numbers;
use super::scope::Scope;
use super::select::{Block, Place};
use super::{Binder, Bound, Relation, Reported};
use crate::plan::eval;
use crate::plan::logical::{ColumnId, Expr, Plan};
use crate::plan::{ROWS_OF, RoutineCall};
use crate::types::{Field, LogicalType, Value};

impl<'a> Binder<'a> {
    /// The relation that a call is.
    pub(super) fn table_function(&mut self, name: &'a ast::Ident, args: &'a [ast::Expr]) -> Bound<Relation> {
        match name.text.to_lowercase().as_str() {
            "range" | "generate_series" => self.series(name, args),
            "unnest" => self.fail(Diagnostic::new("42883", name.span, "`unnest` takes one array")),
            _ => self.own_table_function(name, args),
        }
    }

    /// An argument, and the block that has what is attached for it.
    pub(super) fn table_argument(&mut self, block: &mut Block<'a>, arg: &'a ast::Expr) -> Bound<Expr> {
        let before = self.errors.len();
        let bound = self.expr(block, arg);
        for error in self.errors.iter_mut().skip(before) {
            if matches!(error.code, "42P01" | "42703") && error.help.is_none() {
                error.help = Some("an argument of a function in FROM sees the relations before it".to_owned());
            }
        }
        Ok(eval::fold(bound?))
    }

    /// `range(a, b [, step])`, half open, and `generate_series(a, b [, step])`, closed.
    fn series(&mut self, name: &'a ast::Ident, args: &'a [ast::Expr]) -> Bound<Relation> {
        let mut block = Block::new(Scope::default(), Place::Other);
        let before = Mark::of(self, &block);
        let bound: Vec<Bound<Expr>> = args.iter().map(|arg| self.table_argument(&mut block, arg)).collect();
        let bound: Vec<Expr> = bound.into_iter().collect::<Bound<_>>()?;
        if bound.iter().all(|bound| bound.as_literal().is_some()) {
            return self.constant_series(name, bound);
        }
        before.restore(self, &mut block);
        let call = ast::Call::of(name.clone(), args.to_vec());
        let Some(numbers) = as_numbers(&call, name.span) else {
            return Err(Reported);
        };
        let array = self.lambda_call(&mut block, &numbers)?;
        let plan = self.attach(Plan::unit(), block.joins_below);
        let mut rows = self.unnest_column(plan, array)?;
        for (column, field) in &mut rows.output {
            field.name = name.text.to_lowercase();
            if let Some(info) = self.columns.get_mut(column.0 as usize) {
                info.name.clone_from(&field.name);
            }
        }
        Ok(rows)
    }

    fn constant_series(&mut self, name: &ast::Ident, args: Vec<Expr>) -> Bound<Relation> {
        let lower = name.text.to_lowercase();
        let bound: Vec<Bound<Option<i64>>> = args.into_iter().map(|arg| self.series_bound(arg, &lower)).collect();
        let bound: Vec<Option<i64>> = bound.into_iter().collect::<Bound<_>>()?;
        // Without a bound there are no numbers.
        let nothing = bound.contains(&None);
        let bound: Vec<i64> = bound.into_iter().flatten().collect();
        let (start, stop, step) = match bound.as_slice() {
            _ if nothing => (0, 0, 1),
            [stop] => (0, *stop, 1),
            [start, stop] => (*start, *stop, 1),
            [start, stop, step] => (*start, *stop, *step),
            _ => {
                let message = format!("`{lower}` takes one to three integers");
                return self.fail(Diagnostic::new("42883", name.span, message));
            }
        };
        if step == 0 {
            return self.fail(Diagnostic::new("22023", name.span, "the step cannot be 0"));
        }
        let column = self.new_column(&lower, LogicalType::BigInt, false);
        let end = match lower == "generate_series" {
            true => stop.checked_add(step.signum()),
            false => Some(stop),
        };
        let Some(stop) = end else {
            let message = format!("`{lower}` cannot end at {stop}, the last of its type");
            return self.fail(Diagnostic::new("22003", name.span, message));
        };
        Ok(Relation {
            plan: Plan::Range {
                column,
                start,
                stop,
                step,
            },
            output: vec![(column, field(&lower, LogicalType::BigInt, false))],
        })
    }

    /// A constant integer; `None` for a value of a type that is NULL, as a variable's may be.
    fn series_bound(&mut self, bound: Expr, place: &str) -> Bound<Option<i64>> {
        let (typed, span) = (bound.ty != LogicalType::Null, bound.span);
        let bound = self.convert_constant(bound, &LogicalType::BigInt)?;
        match eval::fold(bound).as_literal() {
            Some(Value::Int(v)) => i64::try_from(*v).map(Some).map_err(|_| Reported),
            Some(Value::Null) if typed => Ok(None),
            _ => {
                let message = format!("{place} needs an integer, not NULL");
                self.fail(Diagnostic::new("22004", span, message))
            }
        }
    }

    /// A function of the user's that gives rows.
    fn own_table_function(&mut self, name: &'a ast::Ident, args: &'a [ast::Expr]) -> Bound<Relation> {
        if let Some(made) = self.tables.macro_named(&name.text)
            && matches!(made.body.kind, ast::ExprKind::Subquery(_))
        {
            return self.macro_rows(&ast::Call::of(name.clone(), args.to_vec()), &made);
        }
        if !self.tables.has_routine(&name.text) {
            let message = format!("table function `{}` does not exist", name.text);
            let mut error = Diagnostic::new("42883", name.span, message);
            let mut known = ["range", "generate_series", "unnest"].map(String::from).to_vec();
            known.extend(self.tables.routine_names());
            error.help = super::names::suggestion(&name.text, known);
            return self.fail(error);
        }
        let mut block = Block::new(Scope::default(), Place::Other);
        let (mut names, mut values) = (Vec::with_capacity(args.len()), Vec::with_capacity(args.len()));
        for arg in args {
            let (given, value) = match &arg.kind {
                ast::ExprKind::Named { name, value } => (Some(name), &**value),
                _ => (None, arg),
            };
            names.push(given);
            values.push(self.table_argument(&mut block, value)?);
        }
        let described = names.iter().zip(&values);
        let call = RoutineCall {
            name,
            args: described.map(|(name, value)| (*name, value.ty.clone(), true)).collect(),
        };
        match self.tables.query_function(&call) {
            Some(Ok(function)) if function.is_async => self.waits(name),
            Some(Ok(function)) if !block.joins_below.is_empty() || !function.is_part => {
                self.called_rows(block, &call, values)
            }
            Some(Ok(function)) => {
                let before = Mark::of(self, &block);
                let bound = self.inlined_rows(function, values.clone(), name.span);
                let new = self.errors.get(before.errors()..).unwrap_or_default();
                let is_other = |error: &Diagnostic| !matches!(error.code, "0A000" | "42809");
                if bound.is_ok() || !self.tables.calls_for_rows() || new.iter().any(is_other) {
                    return bound;
                }
                before.restore(self, &mut block);
                self.called_rows(block, &call, values)
            }
            Some(Err(error)) => self.fail(error),
            None => self.gives_a_value(&name.text, name.span),
        }
    }

    fn gives_a_value<T>(&mut self, name: &str, span: Span) -> Bound<T> {
        let message = format!("`{name}` gives a value, not rows");
        let help = format!("its body has to end with a query; `select {name}(…)` shows its value");
        self.fail(Diagnostic::new("42809", span, message).with_help(help))
    }

    /// The rows of a function that is called for those before it.
    fn called_rows(&mut self, mut block: Block<'a>, call: &RoutineCall<'_>, values: Vec<Expr>) -> Bound<Relation> {
        let (span, call_name) = (call.name.span, call.name.text.clone());
        if !self.tables.calls_for_rows() {
            let message = format!(
                "`{}`, which is more than a query, in FROM in such a place is",
                call.name.text
            );
            return self.unsupported(&message, span);
        }
        let name = ast::Ident {
            text: format!("{}{ROWS_OF}", call.name.text),
            ..call.name.clone()
        };
        let call = RoutineCall {
            name: &name,
            args: call.args.clone(),
        };
        let array = self.called_for_rows(&mut block, &call, values, span)?;
        if !matches!(array.ty, LogicalType::Array(_)) {
            return self.gives_a_value(&call_name, span);
        }
        let plan = self.attach(Plan::unit(), block.joins_below);
        let rows = self.unnest_column(plan, array)?;
        match rows.output.as_slice() {
            [
                (
                    element,
                    Field {
                        ty: LogicalType::Struct(fields),
                        ..
                    },
                ),
            ] => self.fields_as_columns(rows.plan, *element, &fields.clone(), span),
            _ => Ok(rows),
        }
    }

    /// The fields of a column of structs.
    fn fields_as_columns(&mut self, plan: Plan, of: ColumnId, fields: &[Field], span: Span) -> Bound<Relation> {
        let (mut columns, mut output) = (Vec::with_capacity(fields.len()), Vec::with_capacity(fields.len()));
        for field in fields {
            let value = self.field_named(self.column_expr(of, span), &field.name, span)?;
            let id = self.new_column(&field.name, field.ty.clone(), true);
            let nullable = true;
            output.push((
                id,
                Field {
                    nullable,
                    ..field.clone()
                },
            ));
            columns.push((id, value));
        }
        let input = Box::new(plan);
        Ok(Relation {
            plan: Plan::Project { input, columns },
            output,
        })
    }
}
