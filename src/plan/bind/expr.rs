//! Expressions: one arm for each form of the syntax.
//!
//! `l_quantity BETWEEN 5 AND 10` becomes `l_quantity >= 5.00 AND l_quantity <= 10.00` with the literals in the column's type.
//!
//! Invariants: recursion follows nesting only; every operand of a list is bound even after an error in another.
//!
//! Does not: decide where subqueries are joined; the query block does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::quantified::Quantified;
use super::scope::{Found, Scope};
use super::select::Block;
use super::{Binder, Bound, Reported, coerce};
use crate::plan::eval;
use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind, GivenName};
use crate::types::cast::castable;
use crate::types::stack::with_room;
use crate::types::{LogicalType, Value};

/// What an error says of `NEW` and `OLD` where they are no rows.
pub const ROWS_OF_TRIGGERS: &str =
    "`NEW` and `OLD` are the rows of a trigger for each row (`for: 'row'`): only there a procedure can name them";

impl<'a> Binder<'a> {
    /// Binds an expression.
    pub(super) fn expr(&mut self, block: &mut Block<'a>, e: &'a ast::Expr) -> Bound<Expr> {
        if let Some(key) = block.asked_key(e) {
            return Ok(key);
        }
        let open = self.expansions.open();
        self.expansions.enter();
        let bound = with_room(|| self.expr_here(block, e));
        self.expansions.leave(open);
        bound
    }

    fn expr_here(&mut self, block: &mut Block<'a>, e: &'a ast::Expr) -> Bound<Expr> {
        use ast::ExprKind as K;
        match &e.kind {
            K::Literal(literal) => self.literal(literal, false, e.span),
            K::Name(parts) => self.name(block, parts, e.span),
            K::Parameter(name) => self.parameter(name, e.span),
            K::Chain { first, rest } => self.chain(block, first, rest),
            K::And(items) => self.connective(block, items, true).map(|v| Expr::and(v, e.span)),
            K::Or(items) => self.connective(block, items, false).map(|v| Expr::or(v, e.span)),
            K::Coalesce(items) => self.coalesce(block, items, e.span),
            K::Not(inner) => self.not(block, inner, e.span),
            K::Neg(inner) => self.minus(block, inner, e.span),
            K::Compare { op, left, right } => {
                if let Some(quantified) = Quantified::of(right) {
                    return self.quantified(block, (left, *op), quantified, e.span);
                }
                let (left, right) = self.pair(block, left, right)?;
                self.compare(compare_op(*op), left, right)
            }
            K::IsDistinct { left, negated, right } => {
                let (left, right) = self.pair(block, left, right)?;
                let op = if *negated {
                    CompareOp::NotDistinct
                } else {
                    CompareOp::Distinct
                };
                self.compare(op, left, right)
            }
            K::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let expr = self.expr(block, expr);
                let (low, high) = self.pair(block, low, high)?;
                let expr = self.held(block, expr?)?;
                self.between(expr, low, high, *negated, e.span)
            }
            K::InList { expr, negated, list } => self.in_values(block, (expr, list), *negated, e.span),
            K::InQuery { expr, negated, query } => self.in_query_value(block, expr, query, *negated, e.span),
            K::Like { .. } => self.like(block, e),
            K::Is { expr, negated, test } => self.is_test(block, expr, *negated, *test, e.span),
            K::Case {
                operand,
                arms,
                otherwise,
            } => self.case(block, operand.as_deref(), arms, otherwise.as_deref(), e.span),
            K::Cast { expr, ty, try_ } => self.explicit_cast(block, expr, ty, *try_, e.span),
            K::Call(call) => self.any_call(block, call, e),
            K::Ordered { call, order_by } => self.listed_call(block, call, order_by, e.span),
            K::Window {
                call,
                ignore_nulls,
                over,
            } => self.window_call(block, call, *ignore_nulls, over, e.span),
            K::Extract { field, expr } => self.extract(block, field, expr, e.span),
            K::Exists(query) => self.exists_value(block, query, e.span),
            K::Subquery(query) => self.scalar_subquery(block, query, e.span),
            K::Map(_) | K::Instance { .. } => self.nested(block, e),
            K::Array(_) | K::Struct(_) | K::Field { .. } | K::Index { .. } | K::Slice { .. } | K::Access { .. } => {
                self.nested(block, e)
            }
            _ => self.own_form(block, e),
        }
    }

    fn in_values(
        &mut self,
        block: &mut Block<'a>,
        (expr, list): (&'a ast::Expr, &'a [ast::Expr]),
        negated: bool,
        span: Span,
    ) -> Bound<Expr> {
        let expr = self.expr(block, expr);
        let list = self.exprs(block, list)?;
        let expr = self.held(block, expr?)?;
        self.in_list(expr, list, negated, span)
    }

    fn any_call(&mut self, block: &mut Block<'a>, call: &'a ast::Call, e: &'a ast::Expr) -> Bound<Expr> {
        match self.module_call(block, e) {
            Some(bound) => bound,
            None if self.tables.macro_named(&call.name.text).is_some() => self.macro_call(block, call),
            None if Self::has_lambda(call)
                || self.has_function_name(block, call)
                || self.has_given_function(block, call) =>
            {
                self.lambda_call(block, e)
            }
            None if let Some(pipe) = self.as_pipe(block, call, e.span) => self.lambda_call(block, &pipe),
            None if self.in_body || self.tables.has_routine(&call.name.text) => self.call(block, call, e.span),
            None => match super::lambda::as_numbers(call, e.span) {
                Some(numbers) => {
                    let numbers = self.kept(&numbers);
                    self.lambda_call(block, numbers)
                }
                None => self.call(block, call, e.span),
            },
        }
    }

    /// Forms that are the language's own, or cannot be run.
    fn own_form(&mut self, block: &mut Block<'a>, e: &'a ast::Expr) -> Bound<Expr> {
        use ast::ExprKind as K;
        match &e.kind {
            K::Braced(name) => self.braced(block, name, e.span),
            K::Match(matching) => self.match_value(block, matching, e.span),
            K::Try(_) => self.unsupported("`try` in a query is", e.span),
            K::Spawn(_) => self.unsupported("`spawn` in a query is", e.span),
            K::Await(_) => self.unsupported("`await` in a query is", e.span),
            K::Pipe { .. } => self.lambda_call(block, e),
            K::Lambda(_) => {
                let message = "a lambda stands only where a function is wanted";
                self.fail(Diagnostic::new("42601", e.span, message))
            }
            K::Named { name, .. } => {
                let message = "a named argument can only be given to a function of your own";
                self.fail(Diagnostic::new("42601", name.span, message))
            }
            K::Unsupported { feature } => {
                let (name, verb) = (feature.as_str(), if feature.ends_with('s') { "are" } else { "is" });
                self.unsupported(&format!("{name} {verb}"), e.span)
            }
            _ => Err(Reported),
        }
    }

    /// A parameter is a literal whose value was given.
    fn parameter(&mut self, name: &str, span: Span) -> Bound<Expr> {
        if let Some(given) = self.tables.parameter(name) {
            return Ok(self.given(GivenName::Parameter(name.to_owned()), given.value, given.ty, span));
        }
        let error = Diagnostic::new("42P02", span, format!("there is no value for the parameter `${name}`"));
        self.fail(error.with_help("PREPARE the statement, and EXECUTE it with a value"))
    }

    /// Binds all, and fails after the last if any failed.
    pub(super) fn exprs(&mut self, block: &mut Block<'a>, list: &'a [ast::Expr]) -> Bound<Vec<Expr>> {
        let bound: Vec<Bound<Expr>> = list.iter().map(|e| self.expr(block, e)).collect();
        bound.into_iter().collect()
    }

    fn pair(&mut self, block: &mut Block<'a>, left: &'a ast::Expr, right: &'a ast::Expr) -> Bound<(Expr, Expr)> {
        let left = self.expr(block, left);
        let right = self.expr(block, right);
        Ok((left?, right?))
    }

    fn chain(
        &mut self,
        block: &mut Block<'a>,
        first: &'a ast::Expr,
        rest: &'a [(ast::ChainOp, Span, ast::Expr)],
    ) -> Bound<Expr> {
        let mut left = self.expr(block, first);
        for (op, _, operand) in rest {
            let right = self.expr(block, operand);
            left = match (left, right) {
                (Ok(left), Ok(right)) => self.chain_step(left, *op, right),
                _ => Err(Reported),
            };
        }
        left
    }

    /// The operands of AND, or of OR.
    fn connective(&mut self, block: &mut Block<'a>, items: &'a [ast::Expr], and: bool) -> Bound<Vec<Expr>> {
        let decides = |e: Expr| match and {
            true => {
                let span = e.span;
                Expr::boolean(ExprKind::Not(Box::new(e)), span)
            }
            false => e,
        };
        let bound = self.in_sequence(items, decides, |binder, item| {
            let value = binder.expr(block, item)?;
            binder.require_boolean(value, if and { "`and`" } else { "`or`" })
        });
        bound.into_iter().collect()
    }

    fn not(&mut self, block: &mut Block<'a>, inner: &'a ast::Expr, span: Span) -> Bound<Expr> {
        let inner = self.expr(block, inner)?;
        let inner = self.require_boolean(inner, "`not`")?;
        Ok(eval::fold(Expr::boolean(ExprKind::Not(Box::new(inner)), span)))
    }

    fn minus(&mut self, block: &mut Block<'a>, inner: &'a ast::Expr, span: Span) -> Bound<Expr> {
        if let ast::ExprKind::Literal(
            literal @ (ast::Literal::Integer(_) | ast::Literal::Decimal(_) | ast::Literal::Float(_)),
        ) = &inner.kind
        {
            return self.literal(literal, true, span);
        }
        let inner = self.expr(block, inner)?;
        self.negate(inner, span)
    }

    fn coalesce(&mut self, block: &mut Block<'a>, items: &'a [ast::Expr], span: Span) -> Bound<Expr> {
        let items = self.first_of(block, items)?;
        self.coalesce_of(items, span)
    }

    /// Operands of which the first one that is not NULL is wanted.
    pub(super) fn first_of(&mut self, block: &mut Block<'a>, items: &'a [ast::Expr]) -> Bound<Vec<Expr>> {
        let decides = |e: Expr| {
            let (span, expr) = (e.span, Box::new(e));
            Expr::boolean(ExprKind::IsNull { expr, negated: true }, span)
        };
        let bound = self.in_sequence(items, decides, |binder, item| binder.expr(block, item));
        bound.into_iter().collect()
    }

    /// First of `items` that is not NULL.
    pub(super) fn coalesce_of(&mut self, items: Vec<Expr>, span: Span) -> Bound<Expr> {
        let (mut items, ty) = self.unify_all(items, "the operands of `coalesce`", span)?;
        if items.len() == 1 {
            return Ok(items.remove(0));
        }
        let kind = ExprKind::Coalesce(items);
        Ok(eval::fold(Expr { kind, ty, span }))
    }

    fn like(&mut self, block: &mut Block<'a>, e: &'a ast::Expr) -> Bound<Expr> {
        let ast::ExprKind::Like {
            expr,
            negated,
            case_insensitive,
            pattern,
            escape,
        } = &e.kind
        else {
            return Err(Reported);
        };
        let (expr, pattern) = self.pair(block, expr, pattern)?;
        let escape = match escape {
            Some(escape) => self.escape(block, escape)?,
            None => None,
        };
        for side in [&expr, &pattern] {
            if !matches!(side.ty, LogicalType::String | LogicalType::Null) {
                let message = format!("`like` compares strings, not {}", side.ty);
                return self.fail(Diagnostic::new("42804", side.span, message).with_help("cast it with `::string`"));
            }
        }
        let text = LogicalType::String;
        let kind = ExprKind::Like {
            expr: Box::new(coerce::cast(expr, &text)),
            negated: *negated,
            case_insensitive: *case_insensitive,
            pattern: Box::new(coerce::cast(pattern, &text)),
            escape,
        };
        Ok(eval::fold(Expr::boolean(kind, e.span)))
    }

    fn escape(&mut self, block: &mut Block<'a>, escape: &'a ast::Expr) -> Bound<Option<char>> {
        let bound = self.expr(block, escape)?;
        if let Some(Value::String(text)) = bound.as_literal() {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (None, _) => return Ok(None),
                (Some(c), None) => return Ok(Some(c)),
                _ => {}
            }
        }
        self.fail(Diagnostic::new(
            "22019",
            escape.span,
            "ESCAPE needs a string of one character",
        ))
    }

    fn is_test(
        &mut self,
        block: &mut Block<'a>,
        expr: &'a ast::Expr,
        negated: bool,
        test: ast::IsTest,
        span: Span,
    ) -> Bound<Expr> {
        let expr = self.expr(block, expr)?;
        if test == ast::IsTest::Null {
            let expr = Box::new(expr);
            return Ok(eval::fold(Expr::boolean(ExprKind::IsNull { expr, negated }, span)));
        }
        let expr = self.require_boolean(expr, "`is true`")?;
        let wanted = Expr::truth(test == ast::IsTest::True, span);
        let op = if negated {
            CompareOp::Distinct
        } else {
            CompareOp::NotDistinct
        };
        Ok(eval::fold(Expr::compare(op, expr, wanted)))
    }

    fn case(
        &mut self,
        block: &mut Block<'a>,
        operand: Option<&'a ast::Expr>,
        arms: &'a [(ast::Expr, ast::Expr)],
        otherwise: Option<&'a ast::Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let operand = operand.map(|e| self.expr(block, e)).transpose();
        let operand = operand.and_then(|held| held.map(|value| self.held(block, value)).transpose());
        let mut conditions = Vec::with_capacity(arms.len());
        let mut values = Vec::with_capacity(arms.len() + 1);
        self.begin_arms();
        for (when, then) in arms {
            let condition = self.expr(block, when);
            let condition = match (&operand, condition) {
                (Ok(Some(operand)), Ok(value)) => self.compare(CompareOp::Eq, operand.clone(), value),
                (Ok(None), Ok(value)) => self.require_boolean(value, "WHEN"),
                _ => Err(Reported),
            };
            condition.iter().for_each(|condition| self.begin_arm(condition));
            conditions.push(condition);
            values.push(self.expr(block, then));
            self.end_arm();
        }
        values.push(match otherwise {
            Some(e) => self.expr(block, e),
            None => Ok(Expr::literal(Value::Null, LogicalType::Null, span)),
        });
        self.end_arms();
        let conditions: Vec<Expr> = conditions.into_iter().collect::<Bound<_>>()?;
        let values: Vec<Expr> = values.into_iter().collect::<Bound<_>>()?;
        self.case_of(conditions, values, span)
    }

    /// `values` has one element more than `conditions`: ELSE.
    pub(super) fn case_of(&mut self, conditions: Vec<Expr>, values: Vec<Expr>, span: Span) -> Bound<Expr> {
        let (mut values, ty) = self.unify_all(values, "the results of CASE", span)?;
        let otherwise = Box::new(values.pop().ok_or(Reported)?);
        let arms = conditions.into_iter().zip(values).collect();
        let kind = ExprKind::Case { arms, otherwise };
        Ok(eval::fold(Expr { kind, ty, span }))
    }

    fn explicit_cast(
        &mut self,
        block: &mut Block<'a>,
        expr: &'a ast::Expr,
        ty: &ast::TypeName,
        try_: bool,
        span: Span,
    ) -> Bound<Expr> {
        if let Some((of, field)) = self.field_behind_type(ty) {
            let cast = self.explicit_cast(block, expr, &of, try_, span)?;
            return self.field(cast, &field);
        }
        let ty = self.type_name(ty);
        let (inner, ty) = (self.expr(block, expr)?, ty?);
        if !castable(&inner.ty, &ty) {
            let message = format!("{} cannot be cast to {ty}", inner.ty);
            return self.fail(Diagnostic::new("42846", span, message));
        }
        if inner.ty == ty {
            return Ok(inner);
        }
        if !try_ && inner.as_literal().is_some() {
            let mut converted = self.convert_constant(inner, &ty)?;
            converted.span = span;
            return Ok(converted);
        }
        let expr = Box::new(inner);
        let kind = ExprKind::Cast { expr, try_ };
        Ok(eval::fold(Expr { kind, ty, span }))
    }

    /// A column, an alias of the select list where those are in reach, or a column of an enclosing query.
    pub(super) fn name(&mut self, block: &mut Block<'a>, parts: &'a [ast::Ident], span: Span) -> Bound<Expr> {
        if let [name, path @ ..] = parts
            && let Some(matched) = self.matched_name(name)
            && (path.is_empty() || matches!(matched.ty, LogicalType::Struct(_)))
        {
            return self.fields(matched, path);
        }
        match block.scope.find(parts) {
            Found::Column(id) => return Ok(self.named_column(id, span)),
            Found::Ambiguous(owners) => return self.ambiguous(parts, &owners, span),
            Found::Nothing => {}
        }
        if let [name] = parts
            && let Some(aliased) = block.alias(&name.text)
        {
            block.aliases_open = false;
            let bound = self.expr(block, aliased);
            block.aliases_open = true;
            return bound;
        }
        for at in (0..self.outer.len()).rev() {
            match self.outer.get(at).map(|scope| scope.find(parts)) {
                Some(Found::Column(id)) => return Ok(self.named_column(id, span)),
                Some(Found::Ambiguous(owners)) => return self.ambiguous(parts, &owners, span),
                _ => {}
            }
        }
        if let [name] = parts
            && !name.quoted
            && MOMENTS.contains(&name.text.to_ascii_lowercase().as_str())
        {
            return self.function(name, Vec::new(), span);
        }
        if let Some((id, path)) = self.struct_column(&block.scope, parts) {
            let column = self.column_expr(id, span);
            return self.fields(column, path);
        }
        if let [name] = parts
            && let Some(value) = self.framed_name(name, span)
        {
            return value;
        }
        if let [row, column, path @ ..] = parts
            && let Some(value) = self.row_variable(row, column, span)
        {
            return self.fields(value, path);
        }
        if let [name, path @ ..] = parts
            && let Some(value) = self.variable(name, span)
        {
            return self.fields(value, path);
        }
        if let [name] = parts
            && let Some(message) = self.caught_message(name, span)
        {
            return Ok(message);
        }
        let error = self.unknown_name(&block.scope, parts, span);
        let error = match block.alias_out_of_reach(parts) {
            true => error.with_help("an alias of the select list cannot be used here; repeat its expression"),
            false => error,
        };
        self.fail(error)
    }

    pub(super) fn named_column(&self, id: ColumnId, span: Span) -> Expr {
        self.framed_constant(id, span)
            .unwrap_or_else(|| self.column_expr(id, span))
    }

    /// `s.f` and `t.s.f`, where `s` is a column with fields: the column, and the path of fields into it.
    fn struct_column<'n>(&self, scope: &Scope, parts: &'n [ast::Ident]) -> Option<(ColumnId, &'n [ast::Ident])> {
        let scopes = || std::iter::once(scope).chain(self.outer.iter().rev());
        (1..parts.len().min(3)).rev().find_map(|at| {
            let (column, path) = parts.split_at_checked(at)?;
            scopes().find_map(|scope| match scope.find(column) {
                Found::Column(id) if matches!(self.info(id).ty, LogicalType::Struct(_) | LogicalType::Json) => {
                    Some((id, path))
                }
                _ => None,
            })
        })
    }

    fn ambiguous<T>(&mut self, parts: &[ast::Ident], owners: &[String], span: Span) -> Bound<T> {
        let name = joined(parts);
        let error = Diagnostic::new("42702", span, format!("column `{name}` is ambiguous"));
        let choices: Vec<String> = owners.iter().map(|owner| format!("`{owner}`")).collect();
        self.fail(error.with_help(format!("write one of {}", choices.join(", "))))
    }

    /// What is wrong with the field of a variable that has none.
    fn no_field(&self, scope: &Scope, variable: &ast::Ident, field: &ast::Ident) -> Option<Diagnostic> {
        let mut scopes = std::iter::once(scope).chain(self.outer.iter().rev());
        let found = scopes.find_map(|scope| match scope.find(std::slice::from_ref(variable)) {
            Found::Column(id) => Some(id),
            _ => None,
        })?;
        let ty = &self.info(found).ty;
        let message = format!("`{}` is {ty}, and has no field `{}`", variable.text, field.text);
        Some(Diagnostic::new("42809", field.span, message))
    }

    fn unknown_name(&self, scope: &Scope, parts: &[ast::Ident], span: Span) -> Diagnostic {
        if let [.., relation, name] = parts {
            let reach = || self.outer.iter().rev().chain([scope]);
            if let Some(owner) = reach().find(|s| s.has_relation(&relation.text)) {
                let columns: Vec<String> = owner.relation(&relation.text).map(|c| c.name.clone()).collect();
                let message = format!("column `{}.{}` does not exist", relation.text, name.text);
                return with_suggestion(Diagnostic::new("42703", name.span, message), &name.text, columns);
            }
            if reach().any(|s| s.is_gone(&relation.text)) {
                let message = format!(
                    "the columns of `{}` do not come out of its SEMI or ANTI join",
                    relation.text
                );
                let help = "such a join gives the columns of its left side only; use INNER JOIN or LEFT JOIN";
                return Diagnostic::new("42P01", span, message).with_help(help);
            }
            let mut fields = self.tables.variables_of(&relation.text);
            fields.sort();
            if !fields.is_empty() {
                let message = format!("column `{}` of `{}` does not exist", name.text, relation.text);
                return with_suggestion(Diagnostic::new("42703", name.span, message), &name.text, fields);
            }
            if self.in_body {
                if let Some(error) = self.no_field(scope, relation, name) {
                    return error;
                }
                let message = format!("variable `{}` does not exist", relation.text);
                let known = reach().flat_map(Scope::names).collect();
                return with_suggestion(Diagnostic::new("42703", relation.span, message), &relation.text, known);
            }
            let message = format!("relation `{}` is not in FROM", relation.text);
            let error = Diagnostic::new("42P01", relation.span, message);
            let relations = reach().flat_map(Scope::relations).collect();
            let mut error = with_suggestion(error, &relation.text, relations);
            if ["new", "old"].contains(&relation.text.to_lowercase().as_str()) {
                error.help.get_or_insert_with(|| ROWS_OF_TRIGGERS.to_owned());
            }
            return error;
        }
        let name = joined(parts);
        if let Some(first) = self.tables.variables_of(&name).iter().min().filter(|_| !self.in_body) {
            let message = format!("`{name}` is a row of the body, and no column");
            let help = format!("name its columns, as in `{name}.{first}`, or keep it first: `let row = {name}`");
            return Diagnostic::new("42703", span, message).with_help(help);
        }
        let what = if self.in_body { "variable" } else { "column" };
        let error = Diagnostic::new("42703", span, format!("{what} `{name}` does not exist"));
        let mut known = scope.names();
        known.extend(self.outer.iter().flat_map(Scope::names));
        with_suggestion(error, &name, known)
    }
}

/// Functions that standard SQL writes without parentheses.
const MOMENTS: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
];

fn with_suggestion(mut error: Diagnostic, name: &str, known: Vec<String>) -> Diagnostic {
    error.help = super::names::suggestion(name, known);
    error
}

/// `a.b` from its parts.
pub(super) fn joined(parts: &[ast::Ident]) -> String {
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    texts.join(".")
}

pub(super) fn compare_op(op: ast::CompareOp) -> CompareOp {
    match op {
        ast::CompareOp::Eq => CompareOp::Eq,
        ast::CompareOp::NotEq => CompareOp::NotEq,
        ast::CompareOp::Lt => CompareOp::Lt,
        ast::CompareOp::LtEq => CompareOp::LtEq,
        ast::CompareOp::Gt => CompareOp::Gt,
        ast::CompareOp::GtEq => CompareOp::GtEq,
    }
}
