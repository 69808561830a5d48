//! MATCH: patterns become conditions, arms a CASE.
//!
//! `x match {1 | 2 -> 'few', 3..9 -> 'some', n if n > 99 -> 'many', _ -> 'other'}` is `CASE WHEN x = 1 OR x = 2 THEN 'few' WHEN x
//! >= 3 AND x <= 9 THEN 'some' WHEN x > 99 THEN 'many' ELSE 'other' END`.
//!
//! Invariants: what no arm matches is an error when binding, never at run time; the first arm that matches wins.
//!
//! Does not: run blocks; arms of a query are expressions.

use std::borrow::Cow;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ArmBody, Pattern, Span};

use super::coerce::unify;
use super::scope::same;
use super::select::Block;
use super::{Binder, Bound, Reported};
use crate::plan::logical::{CompareOp, Expr, ExprKind};
use crate::types::{EnumType, LogicalType, Value};

impl<'a> Binder<'a> {
    /// What a name of a pattern stands for.
    pub(super) fn matched_name(&self, name: &ast::Ident) -> Option<Expr> {
        let found = self.matched.iter().rev().find(|(known, _)| same(known, &name.text));
        found.map(|(_, value)| value.clone())
    }

    /// `e match {…}`.
    pub(super) fn match_value(&mut self, block: &mut Block<'a>, matching: &'a ast::Match, span: Span) -> Bound<Expr> {
        let subject = self.expr(block, &matching.subject)?;
        let subject = self.held(block, subject)?;
        let matching = match with_fields(matching, &subject.ty) {
            Cow::Borrowed(same) => same,
            Cow::Owned(other) => self.kept_match(other, span),
        };
        if let Some(error) = never_reached(matching) {
            return self.fail(error);
        }
        let (mut conditions, mut values, mut failed) = (Vec::new(), Vec::new(), false);
        let mut complete = false;
        self.begin_arms();
        for arm in &matching.arms {
            let before = self.matched.len();
            let bound = self.arm(block, &subject, arm);
            self.matched.truncate(before);
            self.end_arm();
            match bound {
                Ok((condition, value)) if !complete => {
                    complete = condition.is_none();
                    conditions.extend(condition);
                    values.push(value);
                }
                Ok(_) => {}
                Err(Reported) => failed = true,
            }
        }
        self.end_arms();
        if failed {
            return Err(Reported);
        }
        if !complete && !self.covers(block, &subject, matching) {
            return self.fail(not_exhaustive(&subject.ty, matching, span));
        }
        if !complete {
            values.push(Expr::literal(Value::Null, LogicalType::Null, span));
        }
        if let Some(error) = misfit_of_arms(&values) {
            return self.fail(error);
        }
        self.case_of(conditions, values, span)
    }

    fn kept_match(&self, matching: ast::Match, span: Span) -> &'a ast::Match {
        let kind = ast::ExprKind::Match(Box::new(matching));
        match &self.kept(&ast::Expr { kind, span }).kind {
            ast::ExprKind::Match(kept) => kept,
            _ => unreachable!("it was made of a match"),
        }
    }

    /// The condition of an arm, none if it always holds, and its value; what it binds stays in `matched`.
    fn arm(&mut self, block: &mut Block<'a>, subject: &Expr, arm: &'a ast::MatchArm) -> Bound<(Option<Expr>, Expr)> {
        let mut tests = Vec::new();
        let mut always = false;
        let mut span = Span::default();
        if let Some(name) = one_of_several(arm) {
            return self.fail(not_in_all(name));
        }
        for pattern in &arm.patterns {
            match self.pattern(block, subject, pattern)? {
                Some(test) => {
                    span = test.span;
                    tests.push(test);
                }
                None => always = true,
            }
        }
        let mut condition = match always {
            true => None,
            false => Some(Expr::or(tests, span)),
        };
        condition.iter().for_each(|condition| self.begin_arm(condition));
        if let Some(guard) = &arm.guard {
            let guard = self.expr(block, guard)?;
            let guard = self.require_boolean(guard, "`if`")?;
            let span = guard.span;
            let both = Expr::and(condition.into_iter().chain([guard]).collect(), span);
            self.begin_arm(&both);
            condition = Some(both);
        }
        let value = match &arm.body {
            ArmBody::Expr(value) => self.expr(block, value)?,
            ArmBody::Block(inner) => return self.unsupported("a block as an arm is", inner.span),
        };
        Ok((condition, value))
    }

    /// What a pattern tests; none if it matches everything.
    fn pattern(&mut self, block: &mut Block<'a>, subject: &Expr, pattern: &'a Pattern) -> Bound<Option<Expr>> {
        Ok(match pattern {
            Pattern::Any(_) => None,
            Pattern::Bind(name) => {
                self.matched.push((&name.text, subject.clone()));
                None
            }
            Pattern::Value(value) => {
                let value = self.expr(block, value)?;
                if value.as_literal() == Some(&Value::Null) {
                    let expr = Box::new(subject.clone());
                    let kind = ExprKind::IsNull { expr, negated: false };
                    return Ok(Some(Expr::boolean(kind, value.span)));
                }
                Some(self.compare(CompareOp::Eq, subject.clone(), value)?)
            }
            Pattern::Range(low, high) => {
                let (low, high) = (self.expr(block, low)?, self.expr(block, high)?);
                let span = low.span;
                Some(self.between(subject.clone(), low, high, false, span)?)
            }
            Pattern::Fields(fields, span) => self.fields_pattern(block, subject, fields, *span)?,
            Pattern::OneOf(patterns) => {
                let mut tests = Vec::with_capacity(patterns.len());
                let mut always = false;
                for pattern in patterns {
                    match self.pattern(block, subject, pattern)? {
                        Some(test) => tests.push(test),
                        None => always = true,
                    }
                }
                let span = tests.first().map_or(subject.span, |test| test.span);
                (!always).then(|| Expr::or(tests, span))
            }
        })
    }

    /// What the patterns of fields test: that there is a struct, unless there always is, and its fields.
    fn fields_pattern(
        &mut self,
        block: &mut Block<'a>,
        subject: &Expr,
        fields: &'a [(ast::Ident, Pattern)],
        span: Span,
    ) -> Bound<Option<Expr>> {
        let mut tests = Vec::new();
        if self.may_be_null(block, subject) {
            let expr = Box::new(subject.clone());
            tests.push(Expr::boolean(ExprKind::IsNull { expr, negated: true }, span));
        }
        for (name, pattern) in fields {
            let field = self.field(subject.clone(), name)?;
            tests.extend(self.pattern(block, &field, pattern)?);
        }
        Ok(match tests.is_empty() {
            true => None,
            false => Some(Expr::and(tests, span)),
        })
    }

    fn may_be_null(&self, block: &Block<'a>, subject: &Expr) -> bool {
        if !self.in_body {
            return block.may_be_null(self, subject);
        }
        let columns = subject.columns().into_iter();
        let nullable = columns.filter(|id| self.info(*id).nullable).collect();
        crate::plan::properties::may_be_null(subject, &nullable)
    }

    /// Whether the arms without guards name every value.
    fn covers(&self, block: &Block<'a>, subject: &Expr, matching: &ast::Match) -> bool {
        covers_all(&subject.ty, self.may_be_null(block, subject), matching)
    }
}

/// A match in which `{k}` is a pattern of the field `k` where structs that have it are matched, and not the variable `k`.
pub(in crate::plan) fn with_fields<'m>(matching: &'m ast::Match, ty: &LogicalType) -> Cow<'m, ast::Match> {
    if !matches!(ty, LogicalType::Struct(_)) {
        return Cow::Borrowed(matching);
    }
    let mut other = matching.clone();
    let patterns = other.arms.iter_mut().flat_map(|arm| &mut arm.patterns);
    let changed = patterns.fold(false, |changed, pattern| as_fields(pattern, ty) | changed);
    match changed {
        true => Cow::Owned(other),
        false => Cow::Borrowed(matching),
    }
}

/// Makes `{k}` a pattern of a field where that is one; whether there was one.
fn as_fields(pattern: &mut Pattern, ty: &LogicalType) -> bool {
    let LogicalType::Struct(fields) = ty else { return false };
    let field = |name: &ast::Ident| fields.iter().find(|field| same(&field.name, &name.text));
    let mut changed = false;
    match pattern {
        Pattern::Value(value) => {
            if let ast::ExprKind::Braced(name) = &value.kind
                && field(name).is_some()
            {
                let bound = Pattern::Bind(name.clone());
                *pattern = Pattern::Fields(vec![(name.clone(), bound)], value.span);
                changed = true;
            }
        }
        Pattern::Fields(parts, _) => {
            for (name, part) in parts {
                changed |= field(name).is_some_and(|field| as_fields(part, &field.ty));
            }
        }
        Pattern::OneOf(patterns) => {
            for pattern in patterns {
                changed |= as_fields(pattern, ty);
            }
        }
        Pattern::Any(_) | Pattern::Bind(_) | Pattern::Range(..) => {}
    }
    changed
}

/// The first arm whose value has no type in common with those before it.
fn misfit_of_arms(values: &[Expr]) -> Option<Diagnostic> {
    let arms: Vec<&Expr> = values.iter().collect();
    let common = |end: usize| unify(arms.get(..end).unwrap_or_default());
    let at = (1..arms.len()).find(|at| common(at + 1).is_none())?;
    let (before, odd) = (common(at)?, arms.get(at)?);
    let message = format!("the arms of `match` have no common type: {before} and {}", odd.ty);
    Some(Diagnostic::new("42804", odd.span, message).with_help("cast them to one type with `::`"))
}

/// A name that a struct's pattern gives, where it is one of several patterns.
pub(in crate::plan) fn one_of_several(arm: &ast::MatchArm) -> Option<&ast::Ident> {
    let mut found = None;
    for pattern in &arm.patterns {
        match pattern {
            Pattern::Fields(..) if arm.patterns.len() > 1 => {
                pattern.each_name(&mut |name| found = found.or(Some(name)))
            }
            _ => found = found.or_else(|| of_alternatives(pattern)),
        }
    }
    found
}

/// A name that one of several patterns of a field gives.
fn of_alternatives(pattern: &Pattern) -> Option<&ast::Ident> {
    let mut found = None;
    match pattern {
        Pattern::OneOf(_) => pattern.each_name(&mut |name| found = found.or(Some(name))),
        Pattern::Fields(fields, _) => found = fields.iter().find_map(|(_, pattern)| of_alternatives(pattern)),
        _ => {}
    }
    found
}

/// The error of such a name.
pub(in crate::plan) fn not_in_all(name: &ast::Ident) -> Diagnostic {
    let message = format!("`{}` has no value where another pattern of the arm matches", name.text);
    Diagnostic::new("42601", name.span, message).with_help("write an arm for each, or `_` for the field")
}

/// What is wrong with a MATCH that has an arm behind one that matches everything.
pub(in crate::plan) fn never_reached(matching: &ast::Match) -> Option<Diagnostic> {
    let matches_all = |arm: &ast::MatchArm| {
        let all = |pattern: &Pattern| matches!(pattern, Pattern::Any(_) | Pattern::Bind(_));
        arm.guard.is_none() && arm.patterns.iter().any(all)
    };
    if let Some(arm) = matching
        .arms
        .iter()
        .position(matches_all)
        .and_then(|at| matching.arms.get(at + 1))
    {
        return Some(unreachable_arm(arm.body.span()));
    }
    for arm in &matching.arms {
        let nothing = arm.patterns.iter().map(nothing_left);
        if let Some(help) = nothing
            .collect::<Option<Vec<_>>>()
            .and_then(|helps| helps.into_iter().next())
        {
            return Some(Diagnostic::new("42P20", arm.body.span(), "this arm is never reached").with_help(help));
        }
    }
    None
}

/// A literal, and whether a minus stands before it.
type Constant<'m> = (bool, &'m ast::Literal);

fn constant(value: &ast::Expr) -> Option<Constant<'_>> {
    match &value.kind {
        ast::ExprKind::Literal(literal) => Some((false, literal)),
        ast::ExprKind::Neg(inner) => match &inner.kind {
            ast::ExprKind::Literal(literal) => Some((true, literal)),
            _ => None,
        },
        _ => None,
    }
}

/// Why a pattern matches nothing.
fn nothing_left(pattern: &Pattern) -> Option<&'static str> {
    match pattern {
        Pattern::Range(low, high) => {
            let is_empty = whole(low)? > whole(high)?;
            is_empty.then_some("the range is empty: write the smaller end first")
        }
        _ => None,
    }
}

/// A whole number that is written.
fn whole(value: &ast::Expr) -> Option<i128> {
    match constant(value)? {
        (minus, ast::Literal::Integer(digits)) => {
            let number: i128 = digits.parse().ok()?;
            Some(if minus { -number } else { number })
        }
        _ => None,
    }
}

/// The error of such an arm.
pub(in crate::plan) fn unreachable_arm(span: Span) -> Diagnostic {
    let help = "the arm before it matches everything: put that one last";
    Diagnostic::new("42P20", span, "this arm is never reached").with_help(help)
}

/// What is wrong with a MATCH whose arms leave values out.
pub(in crate::plan) fn not_exhaustive(ty: &LogicalType, matching: &ast::Match, span: Span) -> Diagnostic {
    let message = format!("the arms do not cover every value of type {ty}");
    let error = Diagnostic::new("42P20", span, message);
    let patterns = plain_patterns(matching);
    let mut missing: Vec<String> = match ty {
        LogicalType::Boolean => {
            let values = [true, false].into_iter();
            let values = values.filter(|value| !has(&patterns, &ast::Literal::Boolean(*value)));
            values.map(|value| format!("`{value}`")).collect()
        }
        LogicalType::Enum(labels) => {
            let labels = missing_labels(labels, &patterns);
            labels.iter().map(|label| format!("`'{label}'`")).collect()
        }
        _ => return error.with_help("add an arm `_ -> …` for all other values"),
    };
    if !has(&patterns, &ast::Literal::Null) {
        missing.push("`null`".to_owned());
    }
    let arms = if missing.len() == 1 { "an arm" } else { "arms" };
    let missing = match missing.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => missing.concat(),
    };
    error.with_help(format!("add {arms} for {missing}, or `_ -> …`"))
}

/// Whether a pattern is a literal.
fn has(patterns: &[&Pattern], wanted: &ast::Literal) -> bool {
    let is = |pattern: &&Pattern| matches!(pattern, Pattern::Value(value) if value.kind == ast::ExprKind::Literal(wanted.clone()));
    patterns.iter().any(is)
}

/// The patterns of arms without guards.
fn plain_patterns(matching: &ast::Match) -> Vec<&Pattern> {
    let plain = matching.arms.iter().filter(|arm| arm.guard.is_none());
    plain.flat_map(|arm| &arm.patterns).collect()
}

/// The labels that no pattern names.
fn missing_labels<'l>(labels: &'l EnumType, patterns: &[&Pattern]) -> Vec<&'l str> {
    let named = |label: &str| {
        patterns.iter().any(|pattern| match pattern {
            Pattern::Value(value) => {
                matches!(&value.kind, ast::ExprKind::Literal(ast::Literal::String(text)) if text == label)
            }
            Pattern::Range(low, high) => within(labels, label, low, high),
            Pattern::Any(_) | Pattern::Bind(_) | Pattern::Fields(..) | Pattern::OneOf(_) => false,
        })
    };
    let all = labels.labels.iter().map(String::as_str);
    all.filter(|label| !named(label)).collect()
}

/// Whether a label lies between two others.
fn within(labels: &EnumType, label: &str, low: &ast::Expr, high: &ast::Expr) -> bool {
    let number = |end: &ast::Expr| match &end.kind {
        ast::ExprKind::Literal(ast::Literal::String(text)) => labels.number(text),
        _ => None,
    };
    match (labels.number(label), number(low), number(high)) {
        (Some(number), Some(low), Some(high)) => (low..=high).contains(&number),
        _ => false,
    }
}

/// Whether a pattern matches every struct.
fn is_any_struct(pattern: &Pattern) -> bool {
    let is_any = |(_, pattern): &(ast::Ident, Pattern)| matches!(pattern, Pattern::Any(_) | Pattern::Bind(_));
    matches!(pattern, Pattern::Fields(fields, _) if fields.iter().all(is_any))
}

/// Whether the arms without guards name every value of a boolean, an enum or a struct that may be NULL, or not.
pub(in crate::plan) fn covers_all(ty: &LogicalType, nullable: bool, matching: &ast::Match) -> bool {
    let patterns = plain_patterns(matching);
    let all = match ty {
        LogicalType::Boolean => [true, false]
            .iter()
            .all(|value| has(&patterns, &ast::Literal::Boolean(*value))),
        LogicalType::Enum(labels) => missing_labels(labels, &patterns).is_empty(),
        LogicalType::Struct(_) => patterns.iter().any(|pattern| is_any_struct(pattern)),
        _ => false,
    };
    all && (!nullable || has(&patterns, &ast::Literal::Null))
}
