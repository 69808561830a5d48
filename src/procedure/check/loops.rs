//! Loops: WHILE, FOR over numbers and arrays, and what leaves them.
//!
//! `for x in [7, 9] {…}` counts positions, and assigns `x` the element at each; `for i in range(3) {…}` counts.
//!
//! Invariants: what the body of a loop assigns may have no value behind it.
//!
//! Does not: loop over rows; `query` does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span, StatementKind as K};

use super::{Checker, stream};
use crate::plan::logical::{ColumnId, Expr};
use crate::plan::routine::Statement;
use crate::plan::{converted, entries_of};
use crate::types::LogicalType;

impl Checker<'_> {
    pub(super) fn repeat(&mut self, repeat: &ast::While, out: &mut Vec<Statement>) {
        let mut before = Vec::new();
        let condition = self.condition(&repeat.condition, "`while`", &mut before);
        let body = self.loop_body(&repeat.body.statements);
        let endless = matches!(
            &repeat.condition.kind,
            ast::ExprKind::Literal(ast::Literal::Boolean(true))
        );
        if let Some(condition) = condition {
            out.push(Statement::While {
                before,
                condition,
                body,
            });
        }
        if endless && !leaves(&repeat.body.statements) {
            self.flow.end();
        }
    }

    /// The body of a loop, which may run not at all: what it assigns is not sure behind it.
    pub(super) fn loop_body(&mut self, statements: &[ast::Statement]) -> Vec<Statement> {
        let before = self.flow.clone();
        self.loops += 1;
        let body = self.statements(statements);
        self.loops -= 1;
        self.flow = before;
        body
    }

    pub(super) fn leave_loop(&mut self, kind: &K, span: Span, out: &mut Vec<Statement>) {
        if self.loops == 0 {
            let message = format!("{} outside a loop", kind.name());
            return self.error(Diagnostic::new("42601", span, message));
        }
        self.flush_in_try(span, out);
        out.push(match kind {
            K::Break => Statement::Break,
            _ => Statement::Continue,
        });
        self.flow.end();
    }

    /// `for x in range(a, b)` counts; any other array is walked through by position.
    pub(super) fn each(&mut self, each: &ast::For, values: &ast::Expr, out: &mut Vec<Statement>) {
        if let ast::ExprKind::Call(call) = &values.kind
            && counts(call)
        {
            return self.count(each, call, values.span, out);
        }
        let Some(array) = self.expr(values, out) else { return };
        if let Some(fields) = stream::fields_of(&array.ty) {
            let fields = fields.to_vec();
            return self.each_of_stream(each, array, &fields, out);
        }
        let array = entries_of(array);
        let LogicalType::Array(item) = array.ty.clone() else {
            let message = format!(
                "`for` goes over an array, a map, `range(…)` or a query, not over {}",
                array.ty
            );
            let help = "to count, write `range(0, n)`";
            return self.error(Diagnostic::new("42804", values.span, message).with_help(help));
        };
        let held = self.inferred("", &array);
        self.set(held, array, out);
        let position = self.temporary(LogicalType::BigInt, false);
        let array = self.reference(held, values.span);
        let at = self.reference(position, values.span);
        let length = call("length", vec![array.clone()], values.span);
        let element = ast::Expr {
            kind: ast::ExprKind::Index {
                expr: Box::new(array),
                index: Box::new(at),
                safe: false,
            },
            span: values.span,
        };
        let Some(stop) = self.expr(&length, out) else { return };
        let Some(stop) = converted(stop, &LogicalType::BigInt) else {
            return;
        };
        let names = self.names.len();
        let variable = self.new_variable(&each.name.text, Some(*item), false);
        let mut first = Vec::new();
        if let Some(element) = self.expr(&element, &mut first) {
            self.set(variable, element, &mut first);
        }
        self.name(&each.name.text, variable);
        let flow = self.flow.clone();
        let body = self.loop_body(&each.body.statements);
        self.flow = flow;
        self.flow.forget(variable);
        self.names.truncate(names);
        first.extend(body);
        out.push(range(
            position,
            [int(0, values.span), stop, int(1, values.span)],
            first,
            values.span,
        ));
    }

    fn count(&mut self, each: &ast::For, call: &ast::Call, span: Span, out: &mut Vec<Statement>) {
        let Some(bounds) = self.range_bounds(call, span, out) else {
            return;
        };
        let names = self.names.len();
        let variable = self.temporary(LogicalType::BigInt, false);
        self.variables[variable.0 as usize].name.clone_from(&each.name.text);
        self.name(&each.name.text, variable);
        let body = self.loop_body(&each.body.statements);
        self.names.truncate(names);
        out.push(range(variable, bounds, body, span));
    }

    /// Start, stop and step of numbers that are counted.
    pub(super) fn range_bounds(&mut self, call: &ast::Call, span: Span, out: &mut Vec<Statement>) -> Option<[Expr; 3]> {
        let mut bounds = Vec::new();
        let args = match call.name.text.eq_ignore_ascii_case("generate_series") {
            true => closed(&call.args),
            false => call.args.clone(),
        };
        for arg in &args {
            let bound = self.expr(arg, out)?;
            let ty = bound.ty.clone();
            let Some(bound) = Some(bound).filter(|b| b.ty.is_integer() || b.ty == LogicalType::Null) else {
                let message = format!("a range counts in whole numbers, not in {ty}");
                self.error(Diagnostic::new("42804", arg.span, message));
                return None;
            };
            bounds.extend(converted(bound, &LogicalType::BigInt));
        }
        match <[Expr; 1]>::try_from(bounds) {
            Ok([stop]) => Some([int(0, span), stop, int(1, span)]),
            Err(bounds) => match <[Expr; 2]>::try_from(bounds) {
                Ok([start, stop]) => Some([start, stop, int(1, span)]),
                Err(bounds) => <[Expr; 3]>::try_from(bounds).ok(),
            },
        }
    }
}

/// Whether a call is of numbers that are counted.
pub(super) fn counts(call: &ast::Call) -> bool {
    matches!(call.name.text.to_lowercase().as_str(), "range" | "generate_series") && (1..=3).contains(&call.args.len())
}

/// Whether a BREAK of the loop itself is among the statements of its body.
fn leaves(statements: &[ast::Statement]) -> bool {
    statements.iter().any(|statement| match &statement.kind {
        K::Break => true,
        K::If(branches) => {
            branches.arms.iter().any(|(_, block)| leaves(&block.statements))
                || branches
                    .otherwise
                    .as_ref()
                    .is_some_and(|block| leaves(&block.statements))
        }
        K::Eval(value) => match &value.kind {
            // What these hold is not looked through: they may leave.
            ast::ExprKind::Try(_) | ast::ExprKind::Match(_) => true,
            _ => false,
        },
        _ => false,
    })
}

pub(super) fn int(value: i128, span: Span) -> Expr {
    Expr::literal(crate::types::Value::Int(value), LogicalType::BigInt, span)
}

pub(super) fn range(variable: ColumnId, [start, stop, step]: [Expr; 3], body: Vec<Statement>, span: Span) -> Statement {
    Statement::Range {
        variable,
        start,
        stop,
        step,
        body,
        span,
    }
}

/// The arguments of `range` for the numbers of `generate_series`, which has its last one, too.
fn closed(args: &[ast::Expr]) -> Vec<ast::Expr> {
    let of = |kind: ast::ExprKind, span: Span| ast::Expr { kind, span };
    let number = |text: &str, span: Span| of(ast::ExprKind::Literal(ast::Literal::Integer(text.into())), span);
    let mut args = args.to_vec();
    let one = match args.get(2) {
        Some(step) => {
            let down = ast::ExprKind::Compare {
                op: ast::CompareOp::Lt,
                left: Box::new(step.clone()),
                right: Box::new(number("0", step.span)),
            };
            let minus = ast::ExprKind::Neg(Box::new(number("1", step.span)));
            let case = ast::ExprKind::Case {
                operand: None,
                arms: vec![(of(down, step.span), of(minus, step.span))],
                otherwise: Some(Box::new(number("1", step.span))),
            };
            of(case, step.span)
        }
        None => number("1", Span::default()),
    };
    let last = usize::from(args.len() > 1);
    if let Some(stop) = args.get_mut(last) {
        let span = stop.span;
        let sum = ast::ExprKind::Chain {
            first: Box::new(stop.clone()),
            rest: vec![(ast::ChainOp::Add, span, one)],
        };
        *stop = of(sum, span);
    }
    args
}

fn call(name: &str, args: Vec<ast::Expr>, span: Span) -> ast::Expr {
    let name = ast::Ident {
        text: name.to_owned(),
        quoted: false,
        span,
    };
    ast::Expr {
        kind: ast::ExprKind::Call(ast::Call {
            name,
            distinct: false,
            star: false,
            args,
            filter: None,
        }),
        span,
    }
}
