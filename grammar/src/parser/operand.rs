//! Operands: literals, names, calls, CASE, CAST, brackets, and what is written behind them.
//!
//! `sum(DISTINCT x) FILTER (WHERE y)` is one [`Call`]; `a.length()` is the call `length(a)`.
//!
//! Invariants: a form that the tree has no node for becomes [`ExprKind::Unsupported`] and names itself.
//!
//! Does not: apply precedence; see `expr`.

use super::Builder;
use super::expr::missing;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::Dialect;
use crate::ast::{Call, Expr, ExprKind, Ident, Literal, OrderItem, Query, Span};

impl Builder<'_> {
    /// A pair of the rule `operand`.
    pub(super) fn operand(&mut self, node: Node<'_>) -> Expr {
        let mut inner = node.into_inner();
        let Some(primary) = inner.next() else {
            return Expr {
                kind: missing(),
                span: Span::default(),
            };
        };
        let mut expr = self.primary(primary);
        for postfix in inner {
            expr = self.postfix(expr, postfix);
        }
        expr
    }

    /// What stands before the postfixes of an operand.
    pub(super) fn primary(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let text = node.as_str();
        let kind = match node.as_rule() {
            Rule::name_or_call => self.name_or_call(node),
            Rule::number => self.number(text, span),
            Rule::squoted => literal(Literal::String(unquote(text))),
            Rule::estring => literal(Literal::String(self.escaped(text, span))),
            Rule::blob => self.blob(text, span),
            Rule::param => ExprKind::Parameter(self.parameter(text, span)),
            Rule::kw_null => literal(Literal::Null),
            Rule::kw_true => literal(Literal::Boolean(true)),
            Rule::kw_false => literal(Literal::Boolean(false)),
            Rule::paren_expr => return self.paren(node),
            Rule::array_lit => ExprKind::Array(parts(node).map(|item| self.expr(item)).collect()),
            Rule::brace_expr => self.brace(node),
            Rule::case_expr => self.case(node),
            Rule::cast_expr => self.cast_call(node),
            Rule::exists_expr => self.exists(node),
            Rule::extract_expr => self.extract(node),
            Rule::interval_lit => self.interval(node),
            Rule::typed_lit => self.typed_literal(node),
            Rule::typed_array => self.typed_array(node),
            Rule::fstring => self.interpolated(text, node.as_span().start(), span),
            Rule::try_expr => self.try_expr(node),
            Rule::match_value => self.match_value(node),
            Rule::map_lit => self.map(node),
            Rule::struct_instance => self.instance(node).unwrap_or_else(missing),
            Rule::effect_expr => self.effect(node),
            _ => missing(),
        };
        Expr { kind, span }
    }

    fn postfix(&mut self, expr: Expr, node: Node<'_>) -> Expr {
        let place = self.span(&node);
        let span = expr.span.to(place);
        let kind = match node.as_rule() {
            Rule::cast_postfix => return self.cast(expr, node),
            Rule::subscript => self.subscript(expr, node),
            Rule::safe_subscript => match parts(node).next() {
                Some(index) => ExprKind::Index {
                    expr: Box::new(expr),
                    index: Box::new(self.expr(index)),
                    safe: true,
                },
                None => missing(),
            },
            Rule::field => match parts(node).next() {
                Some(name) => field(expr, self.ident(&name)),
                None => missing(),
            },
            Rule::method => self.method(expr, node),
            Rule::match_postfix => self.match_expr(expr, node),
            _ => missing(),
        };
        Expr { kind, span }
    }

    /// `expr :: type` or `expr AS type`.
    pub(super) fn cast(&mut self, expr: Expr, node: Node<'_>) -> Expr {
        let span = expr.span.to(self.span(&node));
        let kind = match parts(node).next() {
            Some(ty) => ExprKind::Cast {
                expr: Box::new(expr),
                ty: self.type_name(ty),
                try_: false,
            },
            None => missing(),
        };
        Expr { kind, span }
    }

    fn subscript(&mut self, expr: Expr, node: Node<'_>) -> ExprKind {
        let expr = Box::new(expr);
        let (mut low, mut high, mut colon) = (None, None, false);
        for part in parts(node) {
            if part.as_rule() == Rule::slice_colon {
                colon = true;
            } else if colon {
                high = Some(Box::new(self.expr(part)));
            } else {
                low = Some(Box::new(self.expr(part)));
            }
        }
        match (low, colon) {
            (Some(index), false) => ExprKind::Index {
                expr,
                index,
                safe: false,
            },
            (low, _) => ExprKind::Slice { expr, low, high },
        }
    }

    /// `v.f(x)` is `f(v, x)`.
    fn method(&mut self, receiver: Expr, node: Node<'_>) -> ExprKind {
        let mut inner = parts(node);
        let (Some(name), Some(tail)) = (inner.next(), inner.next()) else {
            return missing();
        };
        let name = self.ident(&name);
        match self.call_tail(name, tail) {
            ExprKind::Call(mut call) => {
                if call.star || call.distinct {
                    return unsupported("method call with `*` or DISTINCT");
                }
                call.args.insert(0, receiver);
                ExprKind::Call(call)
            }
            other => other,
        }
    }

    fn name_or_call(&mut self, node: Node<'_>) -> ExprKind {
        let mut inner = node.into_inner();
        let Some(first) = inner.next() else { return missing() };
        let quoted_text = first.as_rule() == Rule::dquoted && self.dialect == Dialect::Grizzly;
        let at_word = first.as_rule() == Rule::at_word;
        let name = self.ident(&first);
        let rest: Vec<Node<'_>> = inner.collect();
        if let Some(tail) = rest.first().filter(|tail| tail.as_rule() == Rule::call_tail) {
            if quoted_text {
                self.error("42601", name.span, "a string cannot be called");
                self.help(format!("write the function's name in backticks: `` `{}` ``", name.text));
            }
            return self.call_tail(name, tail.clone());
        }
        if quoted_text {
            let span = name.span;
            let start = Expr {
                kind: literal(Literal::String(name.text)),
                span,
            };
            return rest
                .iter()
                .fold(start, |expr, part| {
                    let span = expr.span.to(self.span(part));
                    Expr {
                        kind: field(expr, self.ident(part)),
                        span,
                    }
                })
                .kind;
        }
        if at_word {
            self.error(
                "42601",
                name.span,
                format!("`{}` is a function and needs its arguments", name.text),
            );
            let lower = name.text.to_lowercase();
            self.help(match lower.split('_').next() {
                Some("@start" | "@end") => {
                    "the interval that a model computes is `interval_start` and `interval_end`, without `@`".to_owned()
                }
                _ => format!("write `{}(…)`", name.text),
            });
        }
        let mut path = vec![name];
        path.extend(rest.iter().map(|part| self.ident(part)));
        ExprKind::Name(path)
    }

    /// The arguments of a call and what follows them.
    pub(super) fn call_tail(&mut self, name: Ident, node: Node<'_>) -> ExprKind {
        let mut call = Call {
            name,
            distinct: false,
            star: false,
            args: Vec::new(),
            filter: None,
        };
        let (mut feature, mut order_by, mut over, mut ignore_nulls) = (None, Vec::new(), None, false);
        for part in parts(node) {
            match part.as_rule() {
                Rule::star_arg => call.star = true,
                Rule::call_args if call.name.text.eq_ignore_ascii_case("struct_pack") => {
                    if let Some(fields) = self.named_args(&part) {
                        return ExprKind::Struct(fields);
                    }
                    feature = feature.or(self.call_args(&mut call, &mut order_by, part));
                }
                Rule::call_args => feature = feature.or(self.call_args(&mut call, &mut order_by, part)),
                Rule::trim_args => self.trim_args(&mut call, part),
                Rule::filter_clause => call.filter = parts(part).next().map(|expr| Box::new(self.expr(expr))),
                Rule::within_group => feature = Some("WITHIN GROUP"),
                Rule::null_treatment => ignore_nulls = has(&part, Rule::kw_ignore),
                Rule::over_clause => over = Some(self.over(part)),
                _ => {}
            }
        }
        match (feature, over) {
            (Some(feature), _) => unsupported(feature),
            (None, Some(_)) if !order_by.is_empty() => unsupported("ORDER BY inside a window function"),
            (None, Some(Some(over))) => ExprKind::Window {
                call,
                ignore_nulls,
                over: Box::new(over),
            },
            (None, Some(None)) => missing(),
            (None, None) if ignore_nulls => unsupported("IGNORE NULLS without OVER"),
            (None, None) if !order_by.is_empty() => ExprKind::Ordered { call, order_by },
            (None, None) => ExprKind::Call(call),
        }
    }

    /// `a := 1, b := 2`; `None` if there is anything else.
    fn named_args(&mut self, node: &Node<'_>) -> Option<Vec<(Ident, Expr)>> {
        let args: Vec<Node<'_>> = parts(node.clone()).collect();
        if args.iter().any(|arg| arg.as_rule() != Rule::named_arg) {
            return None;
        }
        let mut fields = Vec::with_capacity(args.len());
        for arg in args {
            let mut inner = parts(arg);
            let (name, value) = (inner.next()?, inner.next()?);
            let name = self.ident(&name);
            fields.push((name, self.expr(value)));
        }
        Some(fields)
    }

    fn call_args(&mut self, call: &mut Call, order_by: &mut Vec<OrderItem>, node: Node<'_>) -> Option<&'static str> {
        let mut feature = None;
        let lower = call.name.text.to_ascii_lowercase();
        for part in parts(node) {
            match part.as_rule() {
                Rule::call_distinct => call.distinct = has(&part, Rule::kw_distinct),
                Rule::named_arg => {
                    if let Some(arg) = self.named_arg(part) {
                        call.args.push(arg);
                    }
                }
                Rule::call_order => {
                    let clause = parts(part).next();
                    *order_by = clause.map(|clause| self.order_items(clause)).unwrap_or_default();
                }
                Rule::query => call.args.push(self.subquery(part)),
                Rule::from_args => self.args_with_from(call, &lower, part),
                _ if lower == "position" => feature = feature.or(self.position_arg(call, part)),
                _ => {
                    let arg = self.expr(part);
                    call.args.push(arg);
                }
            }
        }
        feature
    }

    pub(super) fn named_arg(&mut self, node: Node<'_>) -> Option<Expr> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let name = self.ident(&inner.next()?);
        let value = Box::new(self.expr(inner.next()?));
        let kind = ExprKind::Named { name, value };
        Some(Expr { kind, span })
    }

    /// `position(a IN b)`: the flat list ends in an `in_coll`.
    fn position_arg(&mut self, call: &mut Call, node: Node<'_>) -> Option<&'static str> {
        let span = self.span(&node);
        let mut items: Vec<Node<'_>> = node.clone().into_inner().collect();
        let Some(suffix) = items.pop_if(|last| last.as_rule() == Rule::in_suffix) else {
            let arg = self.expr(node);
            call.args.push(arg);
            return None;
        };
        let right = parts(suffix).next()?;
        let needle = self.flat(items, span);
        let haystack = match right.as_rule() {
            Rule::in_coll => self.expr(right),
            _ => self.expr(parts(right).find(|part| part.as_rule() == Rule::expr)?),
        };
        // The function takes the text first.
        call.args.extend([haystack, needle]);
        None
    }

    /// `substring(x FROM 1 FOR 2)`, `trim(' ' FROM x)`.
    fn args_with_from(&mut self, call: &mut Call, name: &str, node: Node<'_>) {
        let place = self.span(&node);
        let args: Vec<Expr> = parts(node)
            .filter_map(|part| match part.as_rule() {
                Rule::for_arg => parts(part).next().map(|length| self.expr(length)),
                _ => Some(self.expr(part)),
            })
            .collect();
        match name {
            "trim" => {
                // `trim(what FROM text)` is `trim(text, what)`.
                let what = std::mem::replace(&mut call.args, args);
                call.args.extend(what);
            }
            "substring" | "substr" | "overlay" => call.args.extend(args),
            _ => {
                self.error(
                    "42601",
                    place,
                    format!("`{name}` does not take `FROM` between its arguments"),
                );
                self.help("separate the arguments by commas");
            }
        }
    }

    /// `trim(BOTH ' ' FROM x)`: `trim`, `ltrim` or `rtrim`.
    fn trim_args(&mut self, call: &mut Call, node: Node<'_>) {
        let mut args = Vec::new();
        for part in parts(node) {
            if part.as_rule() == Rule::trim_side {
                if has(&part, Rule::kw_leading) {
                    "ltrim".clone_into(&mut call.name.text);
                } else if has(&part, Rule::kw_trailing) {
                    "rtrim".clone_into(&mut call.name.text);
                }
            } else {
                args.push(self.expr(part));
            }
        }
        args.reverse();
        call.args = args;
    }

    fn paren(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let mut inner = parts(node);
        let Some(first) = inner.next() else {
            return Expr {
                kind: unsupported("row value"),
                span,
            };
        };
        if first.as_rule() == Rule::query {
            let query = self.query(first);
            return Expr {
                kind: ExprKind::Subquery(Box::new(query)),
                span,
            };
        }
        let value = self.expr(first);
        match inner.next() {
            None => value,
            Some(rest) if rest.as_rule() == Rule::query_rest => {
                let query = self.continued_query(value, rest);
                Expr {
                    kind: ExprKind::Subquery(Box::new(query)),
                    span,
                }
            }
            Some(_) => Expr {
                kind: unsupported("row value"),
                span,
            },
        }
    }

    fn subquery(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let query: Query = self.query(node);
        Expr {
            kind: ExprKind::Subquery(Box::new(query)),
            span,
        }
    }

    pub(super) fn brace(&mut self, node: Node<'_>) -> ExprKind {
        let mut fields = Vec::new();
        for part in parts(node) {
            if part.as_rule() != Rule::struct_field {
                return ExprKind::Braced(self.ident(&part));
            }
            let mut inner = parts(part);
            if let (Some(name), Some(value)) = (inner.next(), inner.next()) {
                let name = self.ident(&name);
                fields.push((name, self.expr(value)));
            }
        }
        ExprKind::Struct(fields)
    }

    fn case(&mut self, node: Node<'_>) -> ExprKind {
        let (mut operand, mut arms, mut otherwise) = (None, Vec::new(), None);
        for part in parts(node) {
            let rule = part.as_rule();
            let mut exprs = parts(part).map(|expr| self.expr(expr));
            match (rule, exprs.next(), exprs.next()) {
                (Rule::case_arm, Some(when), Some(then)) => arms.push((when, then)),
                (Rule::case_operand, Some(expr), _) => operand = Some(Box::new(expr)),
                (Rule::case_else, Some(expr), _) => otherwise = Some(Box::new(expr)),
                _ => {}
            }
        }
        ExprKind::Case {
            operand,
            arms,
            otherwise,
        }
    }

    fn cast_call(&mut self, node: Node<'_>) -> ExprKind {
        let try_ = has(&node, Rule::kw_try_cast);
        let mut inner = parts(node);
        let (Some(expr), Some(ty)) = (inner.next(), inner.next()) else {
            return missing();
        };
        ExprKind::Cast {
            expr: Box::new(self.expr(expr)),
            ty: self.type_name(ty),
            try_,
        }
    }

    fn exists(&mut self, node: Node<'_>) -> ExprKind {
        match parts(node).next() {
            Some(query) => ExprKind::Exists(Box::new(self.query(query))),
            None => missing(),
        }
    }

    fn extract(&mut self, node: Node<'_>) -> ExprKind {
        let mut inner = parts(node);
        let (Some(field), Some(expr)) = (inner.next(), inner.next()) else {
            return missing();
        };
        ExprKind::Extract {
            field: self.ident(&field),
            expr: Box::new(self.expr(expr)),
        }
    }

    fn typed_array(&mut self, node: Node<'_>) -> ExprKind {
        let mut inner = parts(node);
        let (Some(ty), Some(array)) = (inner.next(), inner.next()) else {
            return missing();
        };
        ExprKind::Cast {
            expr: Box::new(self.primary(array)),
            ty: self.type_name(ty),
            try_: false,
        }
    }
}

/// The expression for a form that nothing can run yet.
pub(super) fn unsupported(feature: &str) -> ExprKind {
    ExprKind::Unsupported {
        feature: feature.to_owned(),
    }
}

pub(super) fn literal(literal: Literal) -> ExprKind {
    ExprKind::Literal(literal)
}

/// `a.b` behind a plain name lengthens the name; behind anything else it is a field.
fn field(expr: Expr, name: Ident) -> ExprKind {
    ExprKind::Field {
        expr: Box::new(expr),
        name,
    }
}

/// The text between quotes, doubled quotes undoubled.
pub(super) fn unquote(text: &str) -> String {
    let mut chars = text.chars();
    let quote = chars.next().unwrap_or('\'');
    chars.next_back();
    let inner = chars.as_str();
    if !inner.contains(quote) {
        return inner.to_owned();
    }
    let doubled: String = [quote, quote].iter().collect();
    inner.replace(&doubled, quote.encode_utf8(&mut [0; 4]))
}
