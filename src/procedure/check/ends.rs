//! What comes of the elements of a chain: an array, a sum, the first that fits.
//!
//! `… |> max()` keeps the greatest element so far in a variable, which is NULL if none has come.
//!
//! Invariants: sums, means, least and greatest leave NULLs out, as those of rows do, and are NULL without anything else; a sum has
//! the type that it has for rows.
//!
//! Does not: loop.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::super::chain::End;
use super::Checker;
use super::elements::{Flow, branch};
use super::loops::int;
use super::matching::null;
use crate::plan::converted;
use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind};
use crate::plan::routine::Statement;
use crate::types::LogicalType;

impl Checker<'_> {
    /// Takes an element; the variable that has the result behind the loop.
    pub(super) fn end(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        match flow.chain.end {
            End::Array => self.collected(flow, element, out),
            End::Reduce => self.reduced(flow, element, out),
            End::Any | End::All => self.decided(flow, element, out),
            End::Find | End::First | End::Last => self.picked(flow, element, out),
            End::Each => {
                let function = flow.chain.args.first()?;
                let mut args = vec![element];
                args.extend(self.position(flow, function, flow.span, out)?);
                let value = self.apply(function, &args, &flow.chain.name, out)?;
                out.push(Statement::Eval(value));
                let result = self.temporary(LogicalType::Null, true);
                flow.before.push(Statement::Set(result, null(flow.span)));
                Some(result)
            }
            End::Count => self.counted(flow, element, out),
            End::Sum | End::Min | End::Max | End::Avg => {
                let element = self.of_each(flow, element, out)?;
                match flow.chain.end {
                    End::Min | End::Max => self.extreme(flow, element, out),
                    _ => self.summed(flow, element, out),
                }
            }
        }
    }

    /// What the function of an end makes of the element; the element, if there is no function.
    fn of_each(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let Some(function) = flow.chain.args.first() else {
            return Some(element);
        };
        let value = self.apply(function, &[element], &flow.chain.name, out)?;
        let made = self.new_variable("", Some(value.ty.clone()), false);
        self.set(made, value, out);
        Some(made)
    }

    fn collected(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let item = self.variables[element.0 as usize].ty.clone();
        let array = self.temporary(LogicalType::Array(Box::new(item)), false);
        self.may_be_full(array);
        self.next[array.0 as usize].gaps |= self.variables[element.0 as usize].nullable;
        let count = self.temporary(LogicalType::BigInt, false);
        let room = flow.room.take();
        flow.before.push(Statement::Begin { array, count, room });
        let value = self.held(element, flow.span);
        out.push(Statement::Append { array, count, value });
        flow.after.push(Statement::Complete { array, count });
        Some(array)
    }

    fn counted(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let count = self.temporary(LogicalType::BigInt, false);
        flow.before.push(Statement::Set(count, int(0, flow.span)));
        let more = self.one_more(count, flow.span)?;
        match flow.chain.args.first() {
            None => out.push(more),
            Some(function) => {
                let value = self.apply(function, &[element], &flow.chain.name, out)?;
                let condition = self.truth_of(value, &flow.chain.name, function.span)?;
                out.push(branch(condition, vec![more], Vec::new()));
            }
        }
        Some(count)
    }

    /// SUM and AVG.
    fn summed(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let span = flow.span;
        let item = self.variables[element.0 as usize].ty.clone();
        let ty = match &item {
            ty if ty.is_float() => LogicalType::Double,
            LogicalType::Decimal { scale, .. } => LogicalType::Decimal {
                precision: 38,
                scale: *scale,
            },
            ty if ty.is_integer() || *ty == LogicalType::Null => LogicalType::HugeInt,
            ty => {
                let message = format!("`{}` adds numbers, not {ty}", flow.chain.name);
                let help = "say what is added: `sum(x => …)`; `join('')` puts texts together";
                self.error(Diagnostic::new("42804", span, message).with_help(help));
                return None;
            }
        };
        let (sum, count) = (
            self.temporary(ty.clone(), false),
            self.temporary(LogicalType::BigInt, false),
        );
        flow.before.push(Statement::Set(sum, converted(int(0, span), &ty)?));
        flow.before.push(Statement::Set(count, int(0, span)));
        let more = self.calculated(sum, ast::ChainOp::Add, element, span)?;
        let body = vec![Statement::Set(sum, converted(more, &ty)?), self.one_more(count, span)?];
        match self.not_null(element, span) {
            Some(there) => out.push(branch(there, body, Vec::new())),
            None => out.extend(body),
        }
        let value = match flow.chain.end {
            End::Avg => {
                let (total, number) = (
                    self.temporary(LogicalType::Double, false),
                    self.temporary(LogicalType::Double, false),
                );
                let as_double = |e: Expr| converted(e, &LogicalType::Double);
                flow.after.push(Statement::Set(total, as_double(self.held(sum, span))?));
                flow.after
                    .push(Statement::Set(number, as_double(self.held(count, span))?));
                self.calculated(total, ast::ChainOp::Div, number, span)?
            }
            _ => self.held(sum, span),
        };
        let result = self.temporary(value.ty.clone(), true);
        let some = Expr::compare(CompareOp::Gt, self.held(count, span), int(0, span));
        flow.after.push(branch(
            some,
            vec![Statement::Set(result, value)],
            vec![Statement::Set(result, converted(null(span), &self.type_of(result))?)],
        ));
        Some(result)
    }

    fn calculated(&mut self, left: ColumnId, op: ast::ChainOp, right: ColumnId, span: Span) -> Option<Expr> {
        let kind = ast::ExprKind::Chain {
            first: Box::new(self.reference(left, span)),
            rest: vec![(op, span, self.reference(right, span))],
        };
        self.expr(&ast::Expr { kind, span }, &mut Vec::new())
    }

    /// MIN and MAX.
    fn extreme(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let span = flow.span;
        let best = self.temporary(self.type_of(element), true);
        let seen = self.temporary(LogicalType::Boolean, false);
        flow.before
            .push(Statement::Set(best, converted(null(span), &self.type_of(best))?));
        flow.before.push(Statement::Set(seen, Expr::truth(false, span)));
        let op = if flow.chain.end == End::Min {
            CompareOp::Lt
        } else {
            CompareOp::Gt
        };
        let keep = |checker: &Self| Statement::Set(best, checker.held(element, span));
        let better = Expr::compare(op, self.held(element, span), self.held(best, span));
        let first = Expr::boolean(ExprKind::Not(Box::new(self.held(seen, span))), span);
        let body = vec![Statement::If {
            arms: vec![
                (first, vec![keep(self), Statement::Set(seen, Expr::truth(true, span))]),
                (better, vec![keep(self)]),
            ],
            otherwise: Vec::new(),
        }];
        match self.not_null(element, span) {
            Some(there) => out.push(branch(there, body, Vec::new())),
            None => out.extend(body),
        }
        Some(best)
    }

    /// ANY and ALL.
    fn decided(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let span = flow.span;
        let any = flow.chain.end == End::Any;
        let result = self.temporary(LogicalType::Boolean, false);
        flow.before.push(Statement::Set(result, Expr::truth(!any, span)));
        let element = self.of_each(flow, element, out)?;
        let condition = self.truth_of(self.held(element, span), &flow.chain.name, span)?;
        let mut ends = vec![Statement::Set(result, Expr::truth(any, span))];
        self.stop(flow, &mut ends);
        out.push(match any {
            true => branch(condition, ends, Vec::new()),
            false => branch(condition, Vec::new(), ends),
        });
        Some(result)
    }

    /// FIND, FIRST and LAST.
    fn picked(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let span = flow.span;
        let result = self.temporary(self.type_of(element), true);
        flow.before
            .push(Statement::Set(result, converted(null(span), &self.type_of(result))?));
        let mut taken = vec![Statement::Set(result, self.held(element, span))];
        if flow.chain.end != End::Last {
            self.stop(flow, &mut taken);
        }
        match flow.chain.args.first() {
            None => out.append(&mut taken),
            Some(function) => {
                let value = self.apply(function, &[element], &flow.chain.name, out)?;
                let condition = self.truth_of(value, &flow.chain.name, function.span)?;
                out.push(branch(condition, taken, Vec::new()));
            }
        }
        Some(result)
    }

    fn reduced(&mut self, flow: &mut Flow<'_>, element: ColumnId, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let span = flow.span;
        let chain = flow.chain;
        let (functions, starts): (Vec<&ast::Expr>, Vec<&ast::Expr>) =
            chain.args.iter().partition(|arg| self.is_function(arg));
        let function = *functions.first()?;
        if let Some(start) = starts.first() {
            let mut before = Vec::new();
            let start = self.expr(start, &mut before)?;
            let total = self.inferred("", &start);
            self.set(total, start, &mut before);
            flow.before.append(&mut before);
            let next = self.apply(function, &[total, element], &chain.name, out)?;
            self.set(total, next, out);
            return Some(total);
        }
        let first = self.held(element, span);
        let total = self.inferred("", &first);
        let seen = self.temporary(LogicalType::Boolean, false);
        let mut before = vec![Statement::Set(seen, Expr::truth(false, span))];
        self.set(total, null(span), &mut before);
        flow.before.append(&mut before);
        let mut begin = vec![Statement::Set(seen, Expr::truth(true, span))];
        self.set(total, first, &mut begin);
        let mut go_on = Vec::new();
        let next = self.apply(function, &[total, element], &chain.name, &mut go_on)?;
        self.set(total, next, &mut go_on);
        out.push(branch(self.held(seen, span), go_on, begin));
        Some(total)
    }

    fn type_of(&self, id: ColumnId) -> LogicalType {
        self.variables[id.0 as usize].ty.clone()
    }

    /// That a variable is not NULL, where it may be.
    fn not_null(&self, id: ColumnId, span: Span) -> Option<Expr> {
        let value = self.held(id, span);
        let kind = ExprKind::IsNull {
            expr: Box::new(value.clone()),
            negated: true,
        };
        self.may_be_null(&value).then(|| Expr::boolean(kind, span))
    }
}
