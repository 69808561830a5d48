//! Lambdas and pipes.
//!
//! `(a, b) => a + b` is a [`Lambda`] with two parameters; `xs |> map(x => x * 2) |> sum()` a pipe with two stages, each a call.
//!
//! Invariants: an arrow binds looser than every operator, so that all that follows it is the lambda's body; a stage is a call.
//!
//! Does not: know which functions take lambdas.

use super::Builder;
use super::expr::{Items, missing};
use super::rules::Rule;
use super::tree::{Node, parts};
use crate::ast::{ArmBody, Call, Expr, ExprKind, Ident, Lambda, Span};

impl Builder<'_> {
    /// Items that begin with an operand and an arrow.
    pub(super) fn lambda(&mut self, items: Vec<Node<'_>>, span: Span) -> Expr {
        let mut items = items.into_iter();
        let head = items.next();
        let params = head.as_ref().and_then(|head| self.lambda_params(head));
        let body: Vec<Node<'_>> = items.skip(1).collect();
        let body = match body.first() {
            Some(block) if block.as_rule() == Rule::block => {
                if let Some(extra) = body.get(1) {
                    let place = self.span(extra);
                    self.error("42601", place, "nothing can follow the block of a lambda");
                    self.help("put parentheses around the lambda");
                }
                ArmBody::Block(self.block(block.clone()))
            }
            Some(first) => {
                let place = self.span(first).to(span);
                ArmBody::Expr(self.flat(body, place))
            }
            None => ArmBody::Expr(Expr { kind: missing(), span }),
        };
        let Some(params) = params else {
            let place = head.map_or(span, |head| self.span(&head));
            self.error("42601", place, "what stands before `=>` are the names of parameters");
            self.help("write `x => …` or `(a, b) => …`");
            return Expr { kind: missing(), span };
        };
        let twice = params.iter().enumerate().find(|(at, param)| {
            let mut before = params.iter().take(*at);
            before.any(|other| other.text.eq_ignore_ascii_case(&param.text) && param.text != "_")
        });
        if let Some((_, param)) = twice {
            self.error(
                "42601",
                param.span,
                format!("parameter `{}` is there twice", param.text),
            );
        }
        let kind = ExprKind::Lambda(Box::new(Lambda { params, body }));
        Expr { kind, span }
    }

    /// `x`, `(x)`, `(a, b)`, `()`.
    fn lambda_params(&mut self, head: &Node<'_>) -> Option<Vec<Ident>> {
        let mut inside = head.clone().into_inner();
        let primary = inside.next()?;
        if inside.next().is_some() {
            return None;
        }
        if primary.as_rule() != Rule::paren_expr {
            return self.lambda_param(primary).map(|name| vec![name]);
        }
        let mut names = Vec::new();
        for part in parts(primary) {
            let items: Vec<Node<'_>> = match part.as_rule() {
                Rule::row_rest => parts(part).collect(),
                _ => vec![part],
            };
            for item in items {
                let mut operands = item.into_inner();
                let (operand, more) = (operands.next()?, operands.next());
                let mut inside = operand.into_inner();
                match (inside.next(), inside.next(), more) {
                    (Some(name), None, None) => names.push(self.lambda_param(name)?),
                    _ => return None,
                }
            }
        }
        Some(names)
    }

    fn lambda_param(&mut self, node: Node<'_>) -> Option<Ident> {
        if node.as_rule() != Rule::name_or_call {
            return None;
        }
        let mut inner = node.into_inner();
        match (inner.next(), inner.next()) {
            (Some(name), None) if matches!(name.as_rule(), Rule::word | Rule::backtick | Rule::dquoted) => {
                Some(self.ident(&name))
            }
            _ => None,
        }
    }

    /// `source |> stage |> stage`, or what stands without a pipe.
    pub(super) fn piped(&mut self, items: &mut Items<'_>) -> Expr {
        let source = self.coalesce(items);
        let mut span = source.span;
        let mut stages = Vec::new();
        while items.next_if(|item| item.as_rule() == Rule::op_pipe).is_some() {
            let called = items.next_if(|item| item.as_rule() == Rule::pipe_stage);
            let stage = match called {
                Some(call) => self.pipe_stage(call),
                None => self.coalesce(items),
            };
            span = span.to(stage.span);
            stages.extend(self.stage(stage));
        }
        if !stages.is_empty()
            && let Some(extra) = items.peek()
        {
            let place = self.span(extra);
            self.error(
                "42601",
                place,
                format!("`{}` cannot follow a pipe", extra.as_str().trim_end()),
            );
            self.help("put parentheses around the pipe to go on with its value");
            items.by_ref().for_each(drop);
        }
        if stages.is_empty() {
            return source;
        }
        let source = Box::new(source);
        let kind = ExprKind::Pipe { source, stages };
        Expr { kind, span }
    }

    fn pipe_stage(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(&node);
        let mut inner = parts(node);
        let kind = match (inner.next(), inner.next(), inner.next()) {
            (Some(name), Some(tail), None) => {
                let name = self.ident(&name);
                self.call_tail(name, tail)
            }
            (Some(module), Some(name), Some(tail)) => {
                let name = of_module(self.ident(&module), &self.ident(&name));
                self.call_tail(name, tail)
            }
            _ => missing(),
        };
        Expr { kind, span }
    }

    /// A call, or the name of a function alone.
    fn stage(&mut self, stage: Expr) -> Option<Call> {
        match stage.kind {
            ExprKind::Call(call) if !call.star && !call.distinct && call.filter.is_none() => Some(call),
            ExprKind::Name(path) if path.len() <= 2 => Some(Call {
                name: path.into_iter().reduce(|module, name| of_module(module, &name))?,
                distinct: false,
                star: false,
                args: Vec::new(),
                filter: None,
            }),
            ExprKind::Unsupported { .. } => None,
            _ => {
                self.error("42601", stage.span, "a pipe leads to a call of a function: `|> f(…)`");
                self.help("put parentheses around the pipe to go on with its value");
                None
            }
        }
    }
}

/// `m.f` as one name.
pub(super) fn of_module(module: Ident, name: &Ident) -> Ident {
    Ident {
        text: format!("{}.{}", module.text, name.text),
        quoted: true,
        span: module.span.to(name.span),
    }
}
