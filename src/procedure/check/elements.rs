//! A chain of calls over an array as one loop: each element passes all stages before the next one comes.
//!
//! `xs |> filter(x => x > 0) |> map(x => x * 2) |> sum()` is a loop over the positions of `xs` around an IF around an addition: no array
//! is made on the way.
//!
//! Invariants: a function of a stage is checked once, where it stands, for the type of what comes to it; the loop ends with the
//! first element that decides the result; a NULL in the place of the array gives NULL.
//!
//! Does not: say what comes of the elements at the end; `ends` does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::super::chain::{Chain, End, Stage, Step};
use super::super::lambda_names::with_variables;
use super::super::relational;
use super::Checker;
use super::loops::{int, range};
use crate::plan::logical::{ColumnId, Expr, ExprKind};
use crate::plan::routine::{Room, Statement};
use crate::plan::{TableResolver, call_of, converted, entries_of};
use crate::types::{Field, LogicalType, Value};

/// A chain while its loop is made.
pub(super) struct Flow<'c> {
    pub(super) chain: &'c Chain,
    pub(super) span: Span,
    /// Done before the loop.
    pub(super) before: Vec<Statement>,
    /// Done behind it.
    pub(super) after: Vec<Statement>,
    /// Done before an element is looked at.
    pub(super) head: Vec<Statement>,
    /// How many elements there are.
    pub(super) room: Option<Room>,
    /// Loops of `flat_map` around the stage.
    depth: usize,
    /// Set where an inner loop ends them all, if one does.
    done: ColumnId,
    leaves: bool,
}

impl Checker<'_> {
    /// The variable that has the value of a chain.
    pub(super) fn chain(&mut self, chain: &Chain, span: Span, out: &mut Vec<Statement>) -> Option<ColumnId> {
        if let Some(from) = self.relation(&chain.source) {
            return self.chain_of_rows(chain, from, span, out);
        }
        if let Some(from) = self.rows_of_source(&chain.source, out) {
            return self.chain_of_rows(chain, from, span, out);
        }
        let source = match counted(&chain.source) {
            Some(call) => Source::Numbers(self.range_bounds(call, chain.source.span, out)?),
            None => Source::Array(self.expr(&chain.source, out)?),
        };
        self.elements(chain, source, span, out)
    }

    /// The rows of a function whose value is that of a query, unless that is an array or a map.
    fn rows_of_source(&mut self, source: &ast::Expr, out: &mut Vec<Statement>) -> Option<ast::TableRefKind> {
        let ast::ExprKind::Call(call) = &source.kind else {
            return None;
        };
        let (before, errors) = (out.len(), self.errors.len());
        let query = self.rows_of_call(call, source.span, out);
        let fields = query.as_ref().and_then(|query| self.bound_query(query));
        match (query, fields) {
            (Some(query), Some((fields, _))) if !matches!(fields.as_slice(), [field] if field.ty.is_nested()) => {
                Some(ast::TableRefKind::Query(Box::new(query)))
            }
            // What is wrong with it is said where it is a value.
            _ => {
                out.truncate(before);
                self.errors.truncate(errors);
                None
            }
        }
    }

    /// The array of all rows of a relation in braces; `None` if it is a variable.
    pub(super) fn all_rows(&mut self, expr: &ast::Expr, out: &mut Vec<Statement>) -> Option<Option<ColumnId>> {
        let from = self.relation(expr)?;
        let chain = Chain {
            source: expr.clone(),
            stages: Vec::new(),
            end: End::Array,
            args: Vec::new(),
            name: String::new(),
        };
        Some(self.chain_of_rows(&chain, from, expr.span, out))
    }

    /// A chain over a relation: a query does what it can, and a loop over the array of what it gives the rest.
    fn chain_of_rows(
        &mut self,
        chain: &Chain,
        from: ast::TableRefKind,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<ColumnId> {
        let named = self.with_variables(chain);
        let rows = relational::rows(&named, from);
        if rows.done == chain.stages.len()
            && let Some(query) = relational::ended(&rows, &named)
        {
            return self.scalar_query(&query, out);
        }
        let columns = match rows.element {
            relational::Element::Row => {
                let (fields, _) = self.bound_query(&rows.query)?;
                self.columns_of_rows(fields, rows.query.span)?
            }
            relational::Element::Column(_) => Vec::new(),
        };
        let gathered = self.scalar_query(&relational::gathered(&rows, &columns, span), out)?;
        let rest = chain.rest(rows.done);
        if rest.stages.is_empty() && rest.end == End::Array {
            return Some(gathered);
        }
        let array = self.held(gathered, span);
        self.elements(&rest, Source::Array(array), span, out)
    }

    /// A chain over a relation whose functions name variables as such.
    pub(super) fn with_variables(&self, chain: &Chain) -> Chain {
        with_variables(chain, &|name| self.find(name).is_some() && !self.is_row(name))
    }

    /// The names of columns, which rows have as their fields.
    fn columns_of_rows(&mut self, fields: Vec<Field>, span: Span) -> Option<Vec<String>> {
        let names: Vec<String> = fields.into_iter().map(|field| field.name).collect();
        let is_twice = |at: usize, name: &str| names.iter().take(at).any(|other| other.eq_ignore_ascii_case(name));
        let twice = names.iter().enumerate().find(|(at, name)| is_twice(*at, name));
        if let Some((_, name)) = twice {
            let message = format!("the query gives two columns `{name}`");
            let help = format!("give one of them another name: `… as {name}_2`");
            self.error(Diagnostic::new("42701", span, message).with_help(help));
            return None;
        }
        Some(names)
    }

    /// The relation that an expression is, if it is none of the body's variables.
    pub(super) fn relation(&mut self, expr: &ast::Expr) -> Option<ast::TableRefKind> {
        let from = relational::relation(expr)?;
        if let Some(path) = from.path() {
            let first = path.first()?;
            let is_variable = self.find(&first.text).is_some() || self.is_row(&first.text);
            let parts: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
            let found = self.as_kept(expr.span, |checker| Some(checker.relations()?.by_name(&parts, None)))?;
            if is_variable || !matches!(found, Ok(Some(_))) {
                return None;
            }
        }
        self.tables.is_some().then_some(from)
    }

    /// A loop over the elements.
    fn elements(&mut self, chain: &Chain, source: Source, span: Span, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let done = self.temporary(LogicalType::Boolean, false);
        let mut flow = Flow {
            chain,
            span,
            before: Vec::new(),
            after: Vec::new(),
            head: Vec::new(),
            room: None,
            depth: 0,
            done,
            leaves: false,
        };
        let mut body = Vec::new();
        let (assigned, loops) = (self.flow.clone(), self.loops);
        let made = self.looped(&mut flow, source, &mut body);
        self.loops = loops;
        self.flow = assigned;
        let result = made?;
        if flow.leaves && flow.chain.stages.iter().any(|stage| stage.step == Step::FlatMap) {
            out.push(Statement::Set(done, Expr::truth(false, span)));
        }
        out.append(&mut flow.before);
        out.append(&mut body);
        out.append(&mut flow.after);
        self.flow.assign(result);
        Some(result)
    }

    fn looped(&mut self, flow: &mut Flow<'_>, source: Source, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let (span, name) = (flow.chain.source.span, flow.chain.first_name().to_owned());
        let chain = flow.chain;
        match source {
            Source::Numbers(bounds) => {
                let element = self.temporary(LogicalType::BigInt, false);
                let mut body = Vec::new();
                let exact = chain.stages.iter().all(|stage| stage.step == Step::Map);
                flow.room = count_of(&bounds).filter(|_| exact).map(|count| Room { count, exact });
                let result = self.stages(flow, &chain.stages, element, &mut body)?;
                body.splice(0..0, flow.head.drain(..));
                out.push(range(element, bounds, body, span));
                Some(result)
            }
            Source::Array(array) => {
                let may_be_null = self.may_be_null(&array);
                if chain.is_bare_aggregate()
                    && !matches!(
                        array.ty,
                        LogicalType::Array(_) | LogicalType::Map(_) | LogicalType::Null
                    )
                {
                    let message = format!("aggregate `{name}` takes an array here, not {}", array.ty);
                    let help = "for rows, write a query in parentheses: `(select … from …)`";
                    self.error(Diagnostic::new("42803", flow.span, message).with_help(help));
                    return None;
                }
                let held = self.hold_array(array, &name, span, &mut flow.before)?;
                if chain.stages.iter().all(|stage| stage.step != Step::FlatMap) {
                    let exact = chain.stages.iter().all(|stage| stage.step == Step::Map);
                    let count = self.length_of(held, span);
                    flow.room = Some(Room { count, exact });
                }
                let mut result = None;
                self.each_element(held, span, out, |checker, element, body| {
                    result = Some(checker.stages(flow, &chain.stages, element, body)?);
                    body.splice(0..0, flow.head.drain(..));
                    Some(())
                })?;
                let result = result?;
                if may_be_null {
                    self.null_for_null(held, result, flow);
                }
                Some(result)
            }
        }
    }

    /// NULL in the place of an array gives NULL.
    fn null_for_null(&mut self, array: ColumnId, result: ColumnId, flow: &mut Flow<'_>) {
        let held = self.held(array, flow.span);
        let is_null = Expr::boolean(
            ExprKind::IsNull {
                expr: Box::new(held),
                negated: false,
            },
            flow.span,
        );
        let mut body = Vec::new();
        self.set(result, super::matching::null(flow.span), &mut body);
        flow.after.push(Statement::If {
            arms: vec![(is_null, body)],
            otherwise: Vec::new(),
        });
    }

    /// An array in a variable of its own.
    fn hold_array(&mut self, array: Expr, name: &str, span: Span, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let array = match array.ty {
            LogicalType::Null => converted(array, &LogicalType::Array(Box::new(LogicalType::Null)))?,
            _ => entries_of(array),
        };
        if !matches!(array.ty, LogicalType::Array(_)) {
            let message = format!("`{name}` goes over an array, not over {}", array.ty);
            let help = "write its elements in brackets: `[…]`";
            self.error(Diagnostic::new("42804", span, message).with_help(help));
            return None;
        }
        let held = self.new_variable("", Some(array.ty.clone()), false);
        self.set(held, array, out);
        Some(held)
    }

    fn length_of(&self, array: ColumnId, span: Span) -> Expr {
        call_of("array_length", vec![self.held(array, span)], LogicalType::BigInt, span)
    }

    /// A loop over an array's elements, each in a variable.
    fn each_element(
        &mut self,
        array: ColumnId,
        span: Span,
        out: &mut Vec<Statement>,
        each: impl FnOnce(&mut Self, ColumnId, &mut Vec<Statement>) -> Option<()>,
    ) -> Option<()> {
        let LogicalType::Array(item) = self.variables[array.0 as usize].ty.clone() else {
            return None;
        };
        let position = self.temporary(LogicalType::BigInt, false);
        let element = self.new_variable("", Some((*item).clone()), false);
        let at = self.held(position, span);
        let value = call_of("array_extract", vec![self.held(array, span), at], *item, span);
        let mut body = Vec::new();
        self.set(element, value, &mut body);
        each(self, element, &mut body)?;
        let stop = self.length_of(array, span);
        out.push(range(position, [int(0, span), stop, int(1, span)], body, span));
        Some(())
    }

    /// What the stages do with an element, and then the end; the variable of the result.
    fn stages(
        &mut self,
        flow: &mut Flow<'_>,
        stages: &[Stage],
        element: ColumnId,
        out: &mut Vec<Statement>,
    ) -> Option<ColumnId> {
        let Some((stage, rest)) = stages.split_first() else {
            return self.end(flow, element, out);
        };
        match stage.step {
            Step::Filter | Step::TakeWhile => {
                let condition = self.stage_condition(flow, stage, element, out)?;
                let mut body = Vec::new();
                let result = self.stages(flow, rest, element, &mut body);
                let mut otherwise = Vec::new();
                if stage.step == Step::TakeWhile {
                    self.stop(flow, &mut otherwise);
                }
                out.push(branch(condition, body, otherwise));
                result
            }
            Step::SkipWhile => self.skip_while(flow, stage, rest, element, out),
            Step::Map => {
                let value = self.stage_value(flow, stage, element, out)?;
                let made = self.new_variable("", Some(value.ty.clone()), false);
                self.set(made, value, out);
                self.stages(flow, rest, made, out)
            }
            Step::FlatMap => {
                let array = self.stage_value(flow, stage, element, out)?;
                let held = self.hold_array(array, "flat_map", stage.span, out)?;
                let mut result = None;
                flow.depth += 1;
                self.each_element(held, stage.span, out, |checker, inner, body| {
                    result = Some(checker.stages(flow, rest, inner, body)?);
                    Some(())
                })?;
                flow.depth -= 1;
                if flow.leaves {
                    let done = self.held(flow.done, stage.span);
                    out.push(branch(done, vec![Statement::Break], Vec::new()));
                }
                result
            }
            Step::Take | Step::Skip => self.counted_stage(flow, stage, rest, element, out),
        }
    }

    fn skip_while(
        &mut self,
        flow: &mut Flow<'_>,
        stage: &Stage,
        rest: &[Stage],
        element: ColumnId,
        out: &mut Vec<Statement>,
    ) -> Option<ColumnId> {
        let through = self.temporary(LogicalType::Boolean, false);
        flow.before
            .push(Statement::Set(through, Expr::truth(false, stage.span)));
        let mut test = Vec::new();
        let condition = self.stage_condition(flow, stage, element, &mut test)?;
        let reached = Statement::Set(through, Expr::truth(true, stage.span));
        test.push(branch(condition, Vec::new(), vec![reached]));
        out.push(branch(self.held(through, stage.span), Vec::new(), test));
        let mut body = Vec::new();
        let result = self.stages(flow, rest, element, &mut body);
        out.push(branch(self.held(through, stage.span), body, Vec::new()));
        result
    }

    /// TAKE and SKIP.
    fn counted_stage(
        &mut self,
        flow: &mut Flow<'_>,
        stage: &Stage,
        rest: &[Stage],
        element: ColumnId,
        out: &mut Vec<Statement>,
    ) -> Option<ColumnId> {
        let span = stage.span;
        let mut before = Vec::new();
        let most = self.expr(&stage.by, &mut before)?;
        let from = most.ty.clone();
        let Some(most) = Some(most).filter(|most| most.ty.is_integer()) else {
            let message = format!("`{}` takes a whole number, not {from}", stage.name);
            self.error(Diagnostic::new("42804", stage.by.span, message));
            return None;
        };
        let (limit, passed) = (
            self.new_variable("", Some(LogicalType::BigInt), false),
            self.temporary(LogicalType::BigInt, false),
        );
        self.set(limit, converted(most, &LogicalType::BigInt)?, &mut before);
        before.push(Statement::Set(passed, int(0, span)));
        flow.before.append(&mut before);
        let (seen, limit) = (self.held(passed, span), self.held(limit, span));
        let is_below = Expr::compare(crate::plan::logical::CompareOp::Lt, seen, limit);
        let counted = self.one_more(passed, span)?;
        let mut body = Vec::new();
        let result = self.stages(flow, rest, element, &mut body);
        match stage.step {
            Step::Skip => out.push(branch(is_below, vec![counted], body)),
            _ => {
                // Once there are enough, nothing is done with what follows, the stages before this one neither.
                let enough = branch(is_below.clone(), Vec::new(), vec![Statement::Break]);
                flow.head.push(enough);
                out.push(counted);
                out.append(&mut body);
                if flow.depth > 0 {
                    let mut otherwise = Vec::new();
                    self.stop(flow, &mut otherwise);
                    out.push(branch(is_below, Vec::new(), otherwise));
                }
            }
        }
        result
    }

    /// Adds one to a counter.
    pub(super) fn one_more(&mut self, counter: ColumnId, span: Span) -> Option<Statement> {
        let sum = ast::ExprKind::Chain {
            first: Box::new(self.reference(counter, span)),
            rest: vec![(ast::ChainOp::Add, span, number(1, span))],
        };
        let sum = self.expr(&ast::Expr { kind: sum, span }, &mut Vec::new())?;
        Some(Statement::Set(counter, converted(sum, &LogicalType::BigInt)?))
    }

    /// No element that follows is looked at.
    pub(super) fn stop(&mut self, flow: &mut Flow<'_>, out: &mut Vec<Statement>) {
        if flow.depth > 0 {
            flow.leaves = true;
            out.push(Statement::Set(flow.done, Expr::truth(true, flow.span)));
        }
        out.push(Statement::Break);
    }

    /// What the function of a stage gives for an element.
    fn stage_value(
        &mut self,
        flow: &mut Flow<'_>,
        stage: &Stage,
        element: ColumnId,
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        let mut args = vec![element];
        args.extend(self.position(flow, &stage.by, stage.span, out)?);
        self.apply(&stage.by, &args, &stage.name, out)
    }

    fn stage_condition(
        &mut self,
        flow: &mut Flow<'_>,
        stage: &Stage,
        element: ColumnId,
        out: &mut Vec<Statement>,
    ) -> Option<Expr> {
        let value = self.stage_value(flow, stage, element, out)?;
        self.truth_of(value, &stage.name, stage.by.span)
    }

    /// A value that has to be true or false.
    pub(super) fn truth_of(&mut self, value: Expr, name: &str, span: Span) -> Option<Expr> {
        let from = value.ty.clone();
        let truth = match from {
            LogicalType::Boolean => Some(value),
            LogicalType::Null => converted(value, &LogicalType::Boolean),
            _ => None,
        };
        if truth.is_none() {
            let message = format!("the function of `{name}` has to give a boolean, not {from}");
            self.error(Diagnostic::new("42804", span, message));
        }
        truth
    }

    /// A counter of what has come to a stage, for functions of two parameters.
    pub(super) fn position(
        &mut self,
        flow: &mut Flow<'_>,
        function: &ast::Expr,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<Option<ColumnId>> {
        let wanted = matches!(&function.kind, ast::ExprKind::Lambda(lambda) if lambda.params.len() == 2);
        if !wanted {
            return Some(None);
        }
        let counter = self.temporary(LogicalType::BigInt, false);
        flow.before.push(Statement::Set(counter, int(-1, span)));
        out.push(self.one_more(counter, span)?);
        Some(Some(counter))
    }

    /// A variable as an expression.
    pub(super) fn held(&self, id: ColumnId, span: Span) -> Expr {
        Expr::column(id, self.variables[id.0 as usize].ty.clone(), span)
    }
}

/// Where the elements come from.
enum Source {
    /// They are counted.
    Numbers([Expr; 3]),
    /// An array.
    Array(Expr),
}

/// The call of `range` or `generate_series` that counts, if an expression is one.
fn counted(expr: &ast::Expr) -> Option<&ast::Call> {
    match &expr.kind {
        ast::ExprKind::Call(call) if super::loops::counts(call) => Some(call),
        _ => None,
    }
}

pub(super) fn branch(condition: Expr, body: Vec<Statement>, otherwise: Vec<Statement>) -> Statement {
    Statement::If {
        arms: vec![(condition, body)],
        otherwise,
    }
}

pub(super) fn number(value: u32, span: Span) -> ast::Expr {
    ast::Expr {
        kind: ast::ExprKind::Literal(ast::Literal::Integer(value.to_string())),
        span,
    }
}

/// How many numbers a range has, where that is told by a variable or a literal.
fn count_of([start, stop, step]: &[Expr; 3]) -> Option<Expr> {
    let is = |expr: &Expr, value: i128| expr.as_literal() == Some(&Value::Int(value));
    let is_known = stop.as_literal().is_some() || stop.as_column().is_some();
    (is(start, 0) && is(step, 1) && is_known).then(|| stop.clone())
}
