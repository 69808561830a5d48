//! Expressions that leave parts of theirs out: AND and OR, CASE and `if()`, `??`; and the order of what is done.
//!
//! `n > 0 and (select count(*) from t) = n` asks only if `n > 0`: it becomes an IF around the question, with a variable for the result.
//!
//! Invariants: a part that holds statements is done only where the expression would come to it, and behind the calls that stand before it.
//!
//! Does not: touch expressions without statements; those are the binder's.

use gobi_grammar::ast::{self, Expr, ExprKind, Literal, Span};

use super::Checker;
use super::matching::null;
use crate::functions;
use crate::plan::logical::ColumnId;
use crate::plan::routine::Statement;
use crate::types::LogicalType;

/// `if(c, a, b)`.
const IFS: [&str; 3] = ["if", "iff", "iif"];
/// `coalesce(a, b)`.
const COALESCES: [&str; 3] = ["coalesce", "ifnull", "nvl"];

/// An expression that may leave out all but its first part.
enum Shortcut {
    /// Operands, and whether they are those of AND.
    Logical(Vec<Expr>, bool),
    Coalesce(Vec<Expr>),
    /// Conditions and values, and the value if none holds.
    Case(Vec<(Expr, Expr)>, Option<Expr>),
}

impl Checker<'_> {
    /// The value of an expression with statements in a part that may be left out; `None` if it is another one.
    pub(super) fn shortcut(&mut self, expr: &Expr, out: &mut Vec<Statement>) -> Option<Option<ColumnId>> {
        let shortcut = self.shortcut_of(expr)?;
        let later = match &shortcut {
            Shortcut::Logical(items, _) | Shortcut::Coalesce(items) => {
                items.iter().skip(1).any(|item| self.lifts(item))
            }
            Shortcut::Case(arms, otherwise) => {
                let conditions = arms.iter().skip(1).map(|(when, _)| when);
                let mut parts = conditions.chain(arms.iter().map(|(_, then)| then)).chain(otherwise);
                parts.any(|part| self.lifts(part))
            }
        };
        if !later {
            return None;
        }
        let result = self.new_variable("", Some(LogicalType::Null), false);
        self.declared[result.0 as usize] = false;
        let done = match shortcut {
            Shortcut::Logical(items, is_and) => self.logical(&items, is_and, (result, expr.span), out),
            Shortcut::Coalesce(items) => self.first_of(&items, result, out),
            Shortcut::Case(arms, otherwise) => match &expr.kind {
                ExprKind::Case {
                    operand: Some(operand), ..
                } => self.simple_case(operand, arms, otherwise.as_ref(), (result, expr.span), out),
                _ => self.case(&arms, otherwise.as_ref(), (result, expr.span), out),
            },
        };
        Some(done.map(|()| result))
    }

    fn shortcut_of(&self, expr: &Expr) -> Option<Shortcut> {
        match &expr.kind {
            ExprKind::And(items) => Some(Shortcut::Logical(items.clone(), true)),
            ExprKind::Or(items) => Some(Shortcut::Logical(items.clone(), false)),
            ExprKind::Coalesce(items) => Some(Shortcut::Coalesce(items.clone())),
            ExprKind::Case { arms, otherwise, .. } => Some(Shortcut::Case(arms.clone(), otherwise.as_deref().cloned())),
            ExprKind::Call(call) if !self.is_own(&call.name.text) => {
                let is_one = |names: &[&str]| names.iter().any(|name| call.name.text.eq_ignore_ascii_case(name));
                match call.args.as_slice() {
                    [when, then, rest @ ..] if is_one(&IFS) && rest.len() <= 1 => {
                        let arms = vec![(when.clone(), then.clone())];
                        Some(Shortcut::Case(arms, rest.first().cloned()))
                    }
                    args if is_one(&COALESCES) && args.len() > 1 => Some(Shortcut::Coalesce(args.to_vec())),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// AND, of which the rest is left out behind a false one, or OR behind a true one.
    fn logical(
        &mut self,
        items: &[Expr],
        is_and: bool,
        (result, span): (ColumnId, Span),
        out: &mut Vec<Statement>,
    ) -> Option<()> {
        let (first, rest) = items.split_first()?;
        let what = if is_and { "`and`" } else { "`or`" };
        let value = self.condition(first, what, out)?;
        self.set(result, value, out);
        let Some(next) = rest.first() else { return Some(()) };
        let so_far = self.reference(result, first.span);
        let goes_on = Expr {
            kind: ExprKind::IsDistinct {
                left: Box::new(so_far.clone()),
                negated: false,
                right: Box::new(truth(!is_and, span)),
            },
            span,
        };
        let condition = self.condition(&goes_on, what, out)?;
        let mut body = Vec::new();
        let other = self.new_variable("", Some(LogicalType::Null), false);
        self.declared[other.0 as usize] = false;
        let before = self.flow.clone();
        self.logical(rest, is_and, (other, next.span.to(span)), &mut body)?;
        let both = vec![so_far, self.reference(other, span)];
        let kind = if is_and {
            ExprKind::And(both)
        } else {
            ExprKind::Or(both)
        };
        let value = self.condition(&Expr { kind, span }, what, &mut body)?;
        self.set(result, value, &mut body);
        self.flow.meet(&before);
        let arms = vec![(condition, body)];
        let otherwise = Vec::new();
        out.push(Statement::If { arms, otherwise });
        Some(())
    }

    /// The first that is not NULL.
    fn first_of(&mut self, items: &[Expr], result: ColumnId, out: &mut Vec<Statement>) -> Option<()> {
        let (first, rest) = items.split_first()?;
        let value = self.expr(first, out)?;
        self.set(result, value, out);
        if rest.is_empty() {
            return Some(());
        }
        let is_null = Expr {
            kind: ExprKind::Is {
                expr: Box::new(self.reference(result, first.span)),
                negated: false,
                test: ast::IsTest::Null,
            },
            span: first.span,
        };
        let condition = self.condition(&is_null, "`??`", out)?;
        let before = self.flow.clone();
        let mut body = Vec::new();
        self.first_of(rest, result, &mut body)?;
        self.flow.meet(&before);
        let arms = vec![(condition, body)];
        let otherwise = Vec::new();
        out.push(Statement::If { arms, otherwise });
        Some(())
    }

    /// CASE with an operand, which is computed once.
    fn simple_case(
        &mut self,
        operand: &Expr,
        arms: Vec<(Expr, Expr)>,
        otherwise: Option<&Expr>,
        result: (ColumnId, Span),
        out: &mut Vec<Statement>,
    ) -> Option<()> {
        let value = self.expr(operand, out)?;
        let held = self.inferred("", &value);
        self.set(held, value, out);
        let operand = self.reference(held, operand.span);
        let equal = |(when, then): (Expr, Expr)| {
            let span = when.span;
            let kind = ExprKind::Compare {
                left: Box::new(operand.clone()),
                op: ast::CompareOp::Eq,
                right: Box::new(when),
            };
            (Expr { kind, span }, then)
        };
        let arms: Vec<(Expr, Expr)> = arms.into_iter().map(equal).collect();
        self.case(&arms, otherwise, result, out)
    }

    fn case(
        &mut self,
        arms: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        (result, span): (ColumnId, Span),
        out: &mut Vec<Statement>,
    ) -> Option<()> {
        let Some(((when, then), rest)) = arms.split_first() else {
            let value = match otherwise {
                Some(value) => self.expr(value, out)?,
                None => null(span),
            };
            self.set(result, value, out);
            return Some(());
        };
        let condition = self.condition(when, "CASE", out)?;
        let before = self.flow.clone();
        let mut body = Vec::new();
        let value = self.expr(then, &mut body)?;
        self.set(result, value, &mut body);
        let taken = std::mem::replace(&mut self.flow, before);
        let mut left = Vec::new();
        self.case(rest, otherwise, (result, span), &mut left)?;
        self.flow.meet(&taken);
        let arms = vec![(condition, body)];
        out.push(Statement::If { arms, otherwise: left });
        Some(())
    }

    /// The parts of an expression, of which some hold statements: calls that stand before those are done before them.
    pub(super) fn lift_parts(&mut self, expr: &mut Expr, out: &mut Vec<Statement>) -> bool {
        let (mut count, mut last) = (0, None);
        expr.for_each_child_mut(&mut |child| {
            if self.lifts_in(child) {
                last = Some(count);
            }
            count += 1;
        });
        let (mut at, mut fine) = (0, true);
        expr.for_each_child_mut(&mut |child| {
            let lifted = self.lift(child, out);
            fine &= lifted;
            if fine && last.is_some_and(|last| at < last) {
                fine = self.hold_calls(child, out);
            }
            at += 1;
        });
        fine
    }

    /// Keeps the value of a part with calls of one's own in a variable.
    fn hold_calls(&mut self, part: &mut Expr, out: &mut Vec<Statement>) -> bool {
        if let ExprKind::Named { value, .. } = &mut part.kind {
            return self.hold_calls(value, out);
        }
        if !self.has_own_calls(part) {
            return true;
        }
        let Some(value) = self.expr(part, out) else {
            return false;
        };
        let held = self.inferred("", &value);
        self.set(held, value, out);
        *part = self.reference(held, part.span);
        true
    }

    /// Keeps the value of what is compared several times.
    pub(super) fn hold_subject(&mut self, expr: &mut Expr, out: &mut Vec<Statement>) -> bool {
        match subject_of(expr) {
            Some(subject) => self.hold_calls(subject, out),
            None => true,
        }
    }

    /// Whether an expression calls a function of the user's, or one that gives another value with each call.
    pub(super) fn has_own_calls(&self, expr: &mut Expr) -> bool {
        if let ExprKind::Call(call) = &expr.kind
            && (self.is_own(&call.name.text) || functions::is_volatile(&call.name.text))
        {
            return true;
        }
        let mut found = false;
        expr.for_each_child_mut(&mut |child| found = found || self.has_own_calls(child));
        found
    }
}

/// What an expression compares with several others.
pub(super) fn subject_of(expr: &mut Expr) -> Option<&mut Expr> {
    match &mut expr.kind {
        ExprKind::Between { expr, .. } | ExprKind::InList { expr, .. } => Some(expr),
        ExprKind::Match(matching) => Some(&mut matching.subject),
        ExprKind::Case {
            operand: Some(operand), ..
        } => Some(operand),
        ExprKind::Call(call) if call.name.text.eq_ignore_ascii_case("nullif") => call.args.first_mut(),
        _ => None,
    }
}

fn truth(value: bool, span: Span) -> Expr {
    let kind = ExprKind::Literal(Literal::Boolean(value));
    Expr { kind, span }
}
