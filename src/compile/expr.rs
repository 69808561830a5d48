//! From a bound expression to the IR that computes it for the row at hand.
//!
//! `l_extendedprice * (1 - l_discount)` with both columns in known ranges becomes two loads, a subtraction and a
//! multiplication in 64 bits, without a check.
//!
//! Invariants: what may fail is only computed where SQL would compute it (behind the condition of a CASE, say), and a failure
//! counts only if the row is not NULL there.
//!
//! Does not: know in which loop it stands.

use gobi_jit::ir::{FloatCond, IntCond, Type, Value};

use super::emit::Emitter;
use super::value::{self, Kind, Nullable, both, invert, is_true, kind_of};
use super::{Lookup, Pattern};
use crate::compile::frame::Slot;
use crate::functions::like::{LikeKind, LikePattern};
use crate::plan::physical::logical::{AggregateFunction, CompareOp, Expr, ExprKind};
use crate::plan::physical::{DictionaryRef, SourceKind};
use crate::types::{LogicalType, Value as Literal};

impl Emitter<'_> {
    /// Computes an expression for the row at hand.
    pub(super) fn expr(&mut self, expr: &Expr) -> Nullable {
        match &expr.kind {
            ExprKind::Column(id) => self.column(*id),
            ExprKind::Literal(literal) => self.literal(literal, &expr.ty),
            ExprKind::Subquery(id) => self.parameter(id.0 as usize, &expr.ty),
            ExprKind::Cast { expr: inner, try_ } => {
                let from = self.expr(inner);
                self.cast(from, &inner.ty, &expr.ty, *try_, expr.span)
            }
            ExprKind::Chain { first, rest } => self.chain(first, rest),
            ExprKind::Neg(inner) => self.negate(inner, expr),
            ExprKind::Not(inner) => {
                let x = self.expr(inner);
                Nullable::bool(invert(&mut self.b, x.value), x.valid)
            }
            ExprKind::And(items) => self.junction(items, true),
            ExprKind::Or(items) => self.junction(items, false),
            ExprKind::Compare { op, left, right } => self.compare_exprs(*op, left, right),
            ExprKind::IsNull { expr: inner, negated } => {
                let x = self.expr(inner);
                self.is_null(&x, *negated)
            }
            ExprKind::InList {
                expr: inner,
                negated,
                list,
            } => self.in_list(inner, list, *negated),
            ExprKind::Like {
                expr: inner,
                negated,
                case_insensitive,
                pattern,
                escape,
            } => self.like(inner, pattern, *escape, *case_insensitive, *negated),
            ExprKind::Case { arms, otherwise } => self.case(arms, otherwise, &expr.ty),
            ExprKind::Coalesce(items) => self.coalesce(items, &expr.ty),
            ExprKind::Call { function, args } => self.call_function(*function, args, expr),
            ExprKind::Routine { routine, args, .. } => self.call_routine(*routine, args, expr),
        }
    }

    /// Computes a value in the kind that its type is held in when nothing is known (i64 or i128 for integers, strings in full).
    pub(super) fn natural(&mut self, value: Nullable, ty: &LogicalType) -> Nullable {
        let value = self.decode(value);
        match (kind_of(ty), value.kind) {
            (Kind::Wide, Kind::Int) => self.widened(value),
            (Kind::Int, Kind::Wide) => {
                let low = self.b.trunc(value.value, Type::I64);
                Nullable {
                    value: low,
                    kind: Kind::Int,
                    ..value
                }
            }
            _ => value,
        }
    }

    /// A dictionary code becomes the string that it stands for.
    pub(super) fn decode(&mut self, value: Nullable) -> Nullable {
        let Some(dictionary) = &value.dictionary else {
            return value;
        };
        let known = self
            .shared
            .dictionaries
            .iter()
            .position(|d| std::sync::Arc::ptr_eq(d, dictionary));
        let index = known.unwrap_or_else(|| {
            self.shared.dictionaries.push(dictionary.clone());
            self.shared.dictionaries.len() - 1
        });
        let base = self.slot(Slot::Dictionary { index });
        let view = self.b.index(base, value.value, 16, 0);
        Nullable::new(view, Kind::Text, value.valid)
    }

    pub(super) fn widened(&mut self, value: Nullable) -> Nullable {
        match value.kind {
            Kind::Int => {
                let wide = self.b.sext(value.value, Type::I128);
                Nullable {
                    value: wide,
                    kind: Kind::Wide,
                    ..value
                }
            }
            _ => value,
        }
    }

    pub(super) fn literal(&mut self, literal: &Literal, ty: &LogicalType) -> Nullable {
        match literal {
            Literal::Null => self.null(ty),
            Literal::Array(_) | Literal::Struct(_) => self.nested_literal(literal, ty),
            Literal::Boolean(v) => Nullable::bool(self.b.iconst(Type::I8, i64::from(*v)), None),
            Literal::Int(v) if *ty == LogicalType::Boolean => {
                Nullable::bool(self.b.iconst(Type::I8, i64::from(*v != 0)), None)
            }
            Literal::Int(v) => match i64::try_from(*v) {
                Ok(small) => Nullable::int(self.b.iconst(Type::I64, small), None, Some((*v, *v))),
                Err(_) => {
                    let wide = self.b.iconst128(*v);
                    Nullable {
                        range: Some((*v, *v)),
                        ..Nullable::new(wide, Kind::Wide, None)
                    }
                }
            },
            Literal::Float(v) if *ty == LogicalType::Real => Nullable::new(self.b.f32const(*v as f32), Kind::F32, None),
            Literal::Float(v) => Nullable::new(self.b.f64const(*v), Kind::F64, None),
            Literal::String(text) => Nullable::new(self.text_constant(text.as_bytes()), Kind::Text, None),
            Literal::Blob(bytes) => Nullable::new(self.text_constant(bytes), Kind::Text, None),
            Literal::Interval(i) => {
                let low = u128::from(i.months.cast_unsigned()) | (u128::from(i.days.cast_unsigned()) << 32);
                let bits = low | (u128::from(i.micros.cast_unsigned()) << 64);
                Nullable::new(self.constant(bits), Kind::Interval, None)
            }
        }
    }

    fn parameter(&mut self, index: usize, ty: &LogicalType) -> Nullable {
        let address = self.slot(Slot::Parameter { index });
        let facts = crate::plan::physical::Facts::of_type(ty, true);
        let valid = self.b.load(Type::I8, address, 16);
        self.load_stored(address, 0, &facts).with_valid(Some(valid))
    }

    fn junction(&mut self, items: &[Expr], conjunction: bool) -> Nullable {
        let mut items = items.iter();
        let Some(first) = items.next() else {
            return self.null(&LogicalType::Boolean);
        };
        let mut result = self.expr(first);
        for item in items {
            let guarded = self.may_fail(item);
            let right = if guarded {
                self.guarded(&result, item, conjunction)
            } else {
                self.expr(item)
            };
            result = if conjunction {
                value::and(&mut self.b, &result, &right)
            } else {
                value::or(&mut self.b, &result, &right)
            };
        }
        result
    }

    /// The right side of AND (OR), computed only if the left side is not already false (true).
    fn guarded(&mut self, left: &Nullable, right: &Expr, conjunction: bool) -> Nullable {
        let decided = if conjunction {
            invert(&mut self.b, left.value)
        } else {
            left.value
        };
        let decided = match left.valid {
            Some(valid) => self.b.and(decided, valid),
            None => decided,
        };
        let neutral = self.b.iconst(Type::I8, i64::from(conjunction));
        let needed = invert(&mut self.b, decided);
        self.when(
            needed,
            Kind::Bool,
            right_nullable(self, right),
            |e| e.expr(right),
            |_| Nullable::bool(neutral, None),
        )
    }

    /// An expression whose value matters only where a condition is true; what may fail is not computed elsewhere.
    pub(super) fn expr_where(&mut self, condition: Option<Value>, expr: &Expr) -> Nullable {
        let Some(condition) = condition.filter(|_| self.may_fail(expr)) else {
            return self.expr(expr);
        };
        let nullable = self.facts(expr).nullable;
        let kind = self.common_kind(std::iter::once(expr), &expr.ty);
        self.when(
            condition,
            kind,
            nullable,
            |e| e.arm(expr, kind),
            |e| Nullable::new(e.zero(kind), kind, None),
        )
    }

    /// `condition ? yes : no`, with only one of them executed.
    fn when(
        &mut self,
        condition: Value,
        kind: Kind,
        nullable: bool,
        yes: impl FnOnce(&mut Self) -> Nullable,
        no: impl FnOnce(&mut Self) -> Nullable,
    ) -> Nullable {
        let (value, valid) = (self.b.local(kind.ir()), self.b.local(Type::I8));
        let (then, otherwise, join) = (self.b.block(), self.b.block(), self.b.block());
        self.b.branch(condition, then, otherwise);
        let mut ranges = Vec::new();
        self.b.switch_to(then);
        let result = self.conditionally(yes);
        ranges.push(self.assign(result, kind, value, valid));
        self.b.jump(join);
        self.b.switch_to(otherwise);
        let result = self.conditionally(no);
        ranges.push(self.assign(result, kind, value, valid));
        self.b.jump(join);
        self.b.switch_to(join);
        let range = union(&ranges);
        let got = self.b.get(value);
        let valid = nullable.then(|| self.b.get(valid));
        Nullable {
            range,
            ..Nullable::new(got, kind, valid)
        }
    }

    fn assign(
        &mut self,
        result: Nullable,
        kind: Kind,
        value: gobi_jit::ir::Local,
        valid: gobi_jit::ir::Local,
    ) -> Option<(i128, i128)> {
        let result = self.decode(result);
        let result = if kind == Kind::Wide {
            self.widened(result)
        } else {
            result
        };
        self.b.set(value, result.value);
        let flag = match result.valid {
            Some(flag) => flag,
            None => self.b.iconst(Type::I8, 1),
        };
        self.b.set(valid, flag);
        result.range
    }

    fn is_null(&mut self, x: &Nullable, negated: bool) -> Nullable {
        let value = match (x.valid, negated) {
            (Some(valid), true) => valid,
            (Some(valid), false) => invert(&mut self.b, valid),
            (None, negated) => self.b.iconst(Type::I8, i64::from(negated)),
        };
        Nullable::bool(value, None)
    }

    // --- comparisons

    fn compare_exprs(&mut self, op: CompareOp, left: &Expr, right: &Expr) -> Nullable {
        let (x, y) = (self.expr(left), self.expr(right));
        if let (Some(dictionary), ExprKind::Literal(Literal::String(text))) = (&x.dictionary, &right.kind)
            && let Some(result) = self.compare_code(op, &x, &dictionary.clone(), text)
        {
            return result;
        }
        if let (Kind::Text, None, ExprKind::Literal(Literal::String(text)), CompareOp::Eq | CompareOp::NotEq) =
            (x.kind, &x.dictionary, &right.kind, op)
            && text.len() <= 12
        {
            let equal = self.text_equals_short(x.value, text.as_bytes());
            let value = if op == CompareOp::Eq {
                equal
            } else {
                invert(&mut self.b, equal)
            };
            return Nullable::bool(value, x.valid);
        }
        self.compare(op, x, y, &left.ty)
    }

    /// Codes are in the order of their strings, so a comparison with a literal is one of codes.
    fn compare_code(
        &mut self,
        op: CompareOp,
        code: &Nullable,
        dictionary: &DictionaryRef,
        text: &str,
    ) -> Option<Nullable> {
        let below = dictionary.entries().partition_point(|entry| &**entry < text) as i64;
        let up_to = below + i64::from(dictionary.code(text).is_some());
        let exists = up_to > below;
        let (cond, bound) = match op {
            CompareOp::Eq if exists => (IntCond::Eq, below),
            CompareOp::NotEq if exists => (IntCond::Ne, below),
            CompareOp::Eq => (IntCond::Slt, 0),
            CompareOp::NotEq => (IntCond::Sge, 0),
            CompareOp::Lt => (IntCond::Slt, below),
            CompareOp::LtEq => (IntCond::Slt, up_to),
            CompareOp::Gt => (IntCond::Sge, up_to),
            CompareOp::GtEq => (IntCond::Sge, below),
            CompareOp::Distinct | CompareOp::NotDistinct => return None,
        };
        let bound = self.b.iconst(Type::I64, bound);
        Some(Nullable::bool(self.b.icmp(cond, code.value, bound), code.valid))
    }

    /// Compares two values of one type.
    pub(super) fn compare(&mut self, op: CompareOp, x: Nullable, y: Nullable, ty: &LogicalType) -> Nullable {
        let same_codes = match (&x.dictionary, &y.dictionary) {
            (Some(a), Some(b)) => std::sync::Arc::ptr_eq(a, b),
            _ => false,
        };
        let (x, y) = if same_codes {
            (x, y)
        } else {
            (self.decode(x), self.decode(y))
        };
        let (plain, nulls_known) = match op {
            CompareOp::Distinct => (CompareOp::NotEq, true),
            CompareOp::NotDistinct => (CompareOp::Eq, true),
            other => (other, false),
        };
        let value = self.compare_values(plain, &x, &y, ty);
        if !nulls_known {
            let valid = both(&mut self.b, x.valid, y.valid);
            return Nullable::bool(value, valid);
        }
        if x.valid.is_none() && y.valid.is_none() {
            return Nullable::bool(value, None);
        }
        let one = self.b.iconst(Type::I8, 1);
        let (vx, vy) = (x.valid.unwrap_or(one), y.valid.unwrap_or(one));
        let both_valid = self.b.and(vx, vy);
        let flags_differ = self.b.xor(vx, vy);
        let distinct = if plain == CompareOp::NotEq {
            value
        } else {
            invert(&mut self.b, value)
        };
        let values_differ = self.b.and(distinct, both_valid);
        let differ = self.b.or(flags_differ, values_differ);
        let result = if op == CompareOp::Distinct {
            differ
        } else {
            invert(&mut self.b, differ)
        };
        Nullable::bool(result, None)
    }

    pub(super) fn compare_values(&mut self, op: CompareOp, x: &Nullable, y: &Nullable, ty: &LogicalType) -> Value {
        match (x.kind, y.kind) {
            (Kind::Int, Kind::Int) | (Kind::Bool, Kind::Bool) => {
                let cond = if x.kind == Kind::Bool { unsigned(op) } else { signed(op) };
                self.b.icmp(cond, x.value, y.value)
            }
            (Kind::Int | Kind::Wide, Kind::Int | Kind::Wide) => {
                let (x, y) = (self.widened(x.clone()), self.widened(y.clone()));
                self.b.icmp(signed(op), x.value, y.value)
            }
            (Kind::F32 | Kind::F64, _) => self.compare_floats(op, x.value, y.value),
            (Kind::Text, _) => self.compare_text(op, x.value, y.value),
            (Kind::Interval, _) => {
                let (a, b) = (self.interval_micros(x.value), self.interval_micros(y.value));
                self.b.icmp(signed(op), a, b)
            }
            (Kind::Nested, _) => self.compare_nested(op, x.value, y.value, ty),
            _ => {
                let cond = signed(op);
                self.b.icmp(cond, x.value, y.value)
            }
        }
    }

    /// SQL's total order of floats: NaN equals NaN and is greater than anything else.
    fn compare_floats(&mut self, op: CompareOp, x: Value, y: Value) -> Value {
        match op {
            CompareOp::Eq => self.floats_equal(x, y),
            CompareOp::NotEq => {
                let equal = self.floats_equal(x, y);
                invert(&mut self.b, equal)
            }
            CompareOp::Gt => {
                let not = self.compare_floats(CompareOp::LtEq, x, y);
                invert(&mut self.b, not)
            }
            CompareOp::GtEq => {
                let not = self.compare_floats(CompareOp::Lt, x, y);
                invert(&mut self.b, not)
            }
            CompareOp::Lt => {
                let less = self.b.fcmp(FloatCond::Lt, x, y);
                let (nan_x, nan_y) = (self.b.fcmp(FloatCond::Uno, x, x), self.b.fcmp(FloatCond::Uno, y, y));
                let greater_nan = self.b.and_not(nan_y, nan_x);
                self.b.or(less, greater_nan)
            }
            _ => {
                let less = self.b.fcmp(FloatCond::Le, x, y);
                let nan_y = self.b.fcmp(FloatCond::Uno, y, y);
                self.b.or(less, nan_y)
            }
        }
    }

    fn floats_equal(&mut self, x: Value, y: Value) -> Value {
        let equal = self.b.fcmp(FloatCond::Eq, x, y);
        let (nan_x, nan_y) = (self.b.fcmp(FloatCond::Uno, x, x), self.b.fcmp(FloatCond::Uno, y, y));
        let both_nan = self.b.and(nan_x, nan_y);
        self.b.or(equal, both_nan)
    }

    fn in_list(&mut self, inner: &Expr, list: &[Literal], negated: bool) -> Nullable {
        let x = self.expr(inner);
        let found = if let Some(dictionary) = x.dictionary.clone() {
            let accepts = |entry: &str| list.iter().any(|v| matches!(v, Literal::String(s) if **s == *entry));
            self.code_passes(&x, &dictionary, &accepts)
        } else {
            let mut found = self.b.iconst(Type::I8, 0);
            for literal in list {
                let y = self.literal(literal, &inner.ty);
                let same = self.compare_values(CompareOp::Eq, &x, &y, &inner.ty);
                found = self.b.or(found, same);
            }
            found
        };
        let value = if negated { invert(&mut self.b, found) } else { found };
        Nullable::bool(value, x.valid)
    }

    /// Whether the entry of a code passes a test, decided for every entry beforehand.
    fn code_passes(&mut self, code: &Nullable, dictionary: &DictionaryRef, accepts: &dyn Fn(&str) -> bool) -> Value {
        let passing: Vec<bool> = dictionary.entries().iter().map(|entry| accepts(entry)).collect();
        if let Some((from, to)) = one_run(&passing) {
            let from = self.b.iconst(Type::I64, from as i64);
            let length = self.b.iconst(Type::I64, to as i64);
            let offset = self.b.sub(code.value, from);
            let length = self.b.sub(length, from);
            return self.b.icmp(IntCond::Ult, offset, length);
        }
        // NULL may have the code behind the last.
        let table = Lookup(passing.iter().chain([&false]).map(|p| u8::from(*p)).collect());
        let known = self.shared.lookups.iter().position(|l| *l == table);
        let index = known.unwrap_or_else(|| {
            self.shared.lookups.push(table);
            self.shared.lookups.len() - 1
        });
        let base = self.slot(Slot::Lookup { index });
        let address = self.b.index(base, code.value, 1, 0);
        self.b.load(Type::I8, address, 0)
    }

    fn like(
        &mut self,
        inner: &Expr,
        pattern: &Expr,
        escape: Option<char>,
        case_insensitive: bool,
        negated: bool,
    ) -> Nullable {
        let x = self.expr(inner);
        let result = match &pattern.kind {
            ExprKind::Literal(Literal::String(text)) => match LikePattern::new(text, escape, case_insensitive) {
                Ok(compiled) => self.like_literal(x, compiled),
                Err(error) => {
                    let site = self.site(error.code, &error.message, [None, None], pattern.span);
                    let always = self.b.iconst(Type::I8, 1);
                    self.fail_if(always, x.valid, site, &[]);
                    Nullable::bool(always, x.valid)
                }
            },
            _ => {
                let y = self.expr(pattern);
                self.like_dynamic(x, y, escape, case_insensitive, pattern.span)
            }
        };
        if negated {
            Nullable::bool(invert(&mut self.b, result.value), result.valid)
        } else {
            result
        }
    }

    fn like_literal(&mut self, x: Nullable, pattern: LikePattern) -> Nullable {
        if let Some(dictionary) = x.dictionary.clone() {
            let value = self.code_passes(&x, &dictionary, &|entry| pattern.matches(entry.as_bytes()));
            return Nullable::bool(value, x.valid);
        }
        let value = match pattern.kind() {
            Some(LikeKind::Prefix(prefix)) => self.text_starts_with(x.value, prefix),
            Some(LikeKind::Exact(text)) => {
                let literal = self.text_constant(text);
                self.compare_text(CompareOp::Eq, x.value, literal)
            }
            _ => {
                self.shared.patterns.push(Pattern(pattern));
                let index = self.shared.patterns.len() - 1;
                let address = self.slot(Slot::Pattern { index });
                let (host, sig) = self.host("like_match", &[Type::Ptr, Type::Ptr]);
                let matched = self.b.call_host(host, &sig, &[address, x.value]).unwrap_or(address);
                self.b.trunc(matched, Type::I8)
            }
        };
        Nullable::bool(value, x.valid)
    }

    // --- CASE, COALESCE

    fn case(&mut self, arms: &[(Expr, Expr)], otherwise: &Expr, ty: &LogicalType) -> Nullable {
        let values = arms.iter().map(|(_, v)| v).chain([otherwise]);
        let nullable = values.clone().any(|v| self.facts(v).nullable);
        let kind = self.common_kind(values.clone(), ty);
        let cheap = arms.iter().all(|(c, v)| !self.may_fail(c) && !self.may_fail(v)) && !self.may_fail(otherwise);
        if cheap && arms.len() <= 4 {
            return self.case_by_select(arms, otherwise, kind, nullable);
        }
        self.case_by_branch(arms, otherwise, kind, nullable)
    }

    /// The narrowest kind that all values have.
    fn common_kind<'e>(&self, mut values: impl Iterator<Item = &'e Expr>, ty: &LogicalType) -> Kind {
        let natural = kind_of(ty);
        let fits = |range: Option<(i128, i128)>| {
            range.is_some_and(|(low, high)| low >= i64::MIN.into() && high <= i64::MAX.into())
        };
        let null = |e: &Expr| matches!(e.kind, ExprKind::Literal(Literal::Null));
        if natural == Kind::Wide && values.all(|v| null(v) || fits(self.facts(v).range) && self.held_as_int(v)) {
            return Kind::Int;
        }
        natural
    }

    fn case_by_select(&mut self, arms: &[(Expr, Expr)], otherwise: &Expr, kind: Kind, nullable: bool) -> Nullable {
        let mut result = self.arm(otherwise, kind);
        let mut ranges = vec![result.range];
        for (condition, arm) in arms.iter().rev() {
            let condition = self.expr(condition);
            let taken = is_true(&mut self.b, &condition);
            let arm = self.arm(arm, kind);
            ranges.push(arm.range);
            let value = self.b.select(taken, arm.value, result.value);
            let valid = nullable.then(|| {
                let one = self.b.iconst(Type::I8, 1);
                self.b
                    .select(taken, arm.valid.unwrap_or(one), result.valid.unwrap_or(one))
            });
            result = Nullable::new(value, kind, valid);
        }
        Nullable {
            range: union(&ranges),
            ..result
        }
    }

    fn arm(&mut self, expr: &Expr, kind: Kind) -> Nullable {
        if matches!(expr.kind, ExprKind::Literal(Literal::Null)) {
            let (value, never) = (self.zero(kind), self.b.iconst(Type::I8, 0));
            return Nullable {
                range: Some((0, 0)),
                ..Nullable::new(value, kind, Some(never))
            };
        }
        let value = self.expr(expr);
        let value = self.decode(value);
        if kind == Kind::Wide { self.widened(value) } else { value }
    }

    fn case_by_branch(&mut self, arms: &[(Expr, Expr)], otherwise: &Expr, kind: Kind, nullable: bool) -> Nullable {
        let (value, valid) = (self.b.local(kind.ir()), self.b.local(Type::I8));
        let join = self.b.block();
        let mut ranges = Vec::new();
        for (condition, arm) in arms {
            let (then, next) = (self.b.block(), self.b.block());
            let taken = self.conditionally(|e| {
                let condition = e.expr(condition);
                is_true(&mut e.b, &condition)
            });
            self.b.branch(taken, then, next);
            self.b.switch_to(then);
            let result = self.conditionally(|e| e.arm(arm, kind));
            ranges.push(self.assign(result, kind, value, valid));
            self.b.jump(join);
            self.b.switch_to(next);
        }
        let result = self.conditionally(|e| e.arm(otherwise, kind));
        ranges.push(self.assign(result, kind, value, valid));
        self.b.jump(join);
        self.b.switch_to(join);
        let got = self.b.get(value);
        let valid = nullable.then(|| self.b.get(valid));
        Nullable {
            range: union(&ranges),
            ..Nullable::new(got, kind, valid)
        }
    }

    fn coalesce(&mut self, items: &[Expr], ty: &LogicalType) -> Nullable {
        let kind = self.common_kind(items.iter(), ty);
        let Some((first, rest)) = items.split_first() else {
            return self.null(ty);
        };
        let mut result = self.arm(first, kind);
        for item in rest {
            let Some(valid) = result.valid else { break };
            let nullable = self.facts(item).nullable;
            let left = result.clone();
            result = if self.may_fail(item) {
                let so_far = Nullable { valid: None, ..left };
                self.when(valid, kind, nullable, |_| so_far, |e| e.arm(item, kind))
            } else {
                let right = self.arm(item, kind);
                let value = self.b.select(valid, left.value, right.value);
                let valid = right.valid.map(|other| self.b.or(valid, other));
                Nullable {
                    range: union(&[left.range, right.range]),
                    ..Nullable::new(value, kind, valid)
                }
            };
        }
        result
    }

    // --- results of aggregates

    pub(super) fn aggregate_result(&mut self, source: usize, aggregate: usize) -> Nullable {
        let SourceKind::Group(group) = self.pipeline.sources[source].kind else {
            return self.null(&LogicalType::Null);
        };
        let table = &self.plan.groups[group];
        let result = &table.aggregates[aggregate];
        let address = self.row_address(source, table.layout.stride);
        let state = |index: usize| &table.layout.fields[table.key_count + index];
        let value = self.load_row_field(address, state(result.value));
        let count = result
            .count
            .map(|count| self.load_row_field(address, state(count)).value);
        let valid = count.filter(|_| result.facts.nullable).map(|count| {
            let zero = self.b.iconst(Type::I64, 0);
            self.b.icmp(IntCond::Ne, count, zero)
        });
        match result.function {
            AggregateFunction::Avg => {
                let sum = self.double(&value, &result.arg_ty);
                let count = count.unwrap_or(value.value);
                let count = self.b.stof(count, Type::F64);
                Nullable::new(self.b.fdiv(sum, count), Kind::F64, valid)
            }
            AggregateFunction::CountMerge | AggregateFunction::Count => self.natural(value, &result.ty),
            AggregateFunction::ExactSum => value,
            AggregateFunction::List | AggregateFunction::Bag => self.finished_list(value.value),
            AggregateFunction::Sum if result.ty.is_float() => value.with_valid(valid),
            AggregateFunction::Sum => Nullable {
                range: result.ty.stored_range(),
                ..value.with_valid(valid)
            },
            _ => value.with_valid(valid),
        }
    }
}

fn right_nullable(e: &Emitter<'_>, expr: &Expr) -> bool {
    e.facts(expr).nullable
}

pub(super) fn union(ranges: &[Option<(i128, i128)>]) -> Option<(i128, i128)> {
    let mut all = ranges.iter().copied();
    let first = all.next()??;
    all.try_fold(first, |a, b| b.map(|b| (a.0.min(b.0), a.1.max(b.1))))
}

/// Start and end of the only run of `true`; an empty run if there is none; `None` if there are several.
fn one_run(passing: &[bool]) -> Option<(usize, usize)> {
    let Some(start) = passing.iter().position(|p| *p) else {
        return Some((0, 0));
    };
    let length = passing[start..].iter().take_while(|p| **p).count();
    let rest = &passing[start + length..];
    (!rest.contains(&true)).then_some((start, start + length))
}

pub(super) fn signed(op: CompareOp) -> IntCond {
    match op {
        CompareOp::Eq | CompareOp::NotDistinct => IntCond::Eq,
        CompareOp::NotEq | CompareOp::Distinct => IntCond::Ne,
        CompareOp::Lt => IntCond::Slt,
        CompareOp::LtEq => IntCond::Sle,
        CompareOp::Gt => IntCond::Sgt,
        CompareOp::GtEq => IntCond::Sge,
    }
}

fn unsigned(op: CompareOp) -> IntCond {
    match op {
        CompareOp::Lt => IntCond::Ult,
        CompareOp::LtEq => IntCond::Ule,
        CompareOp::Gt => IntCond::Ugt,
        CompareOp::GtEq => IntCond::Uge,
        other => signed(other),
    }
}
