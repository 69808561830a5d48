//! Texts that are made: the digits of whole numbers, the labels of enums, and texts put one behind the other.
//!
//! `'#' || n || '.'` calls the host twice: for the digits of `n`, and for the text of the three views that lie side by side on the stack.
//!
//! Invariants: the view of a text that is made lies on the stack of the kernel; a piece that is NULL makes `||` NULL, and is nothing for
//! `concat`.
//!
//! Does not: look at texts; [`strings`](super::strings) does.

use gobi_jit::ir::Type;

use super::emit::Emitter;
use super::value::{Kind, Nullable, both};
use crate::functions;
use crate::plan::physical::logical::{ArithOp, ChainStep, Expr, ExprKind};
use crate::types::nested::ELEMENTS_AT;
use crate::types::{EnumType, LogicalType, Physical, Value as Literal};

/// Bytes of a view.
const VIEW: i32 = 16;

/// What `||` puts together, if it is texts only.
pub(super) fn joined<'e>(first: &'e Expr, rest: &'e [ChainStep]) -> Option<Vec<&'e Expr>> {
    let text = LogicalType::String;
    let texts = rest.iter().all(|step| {
        let texts = step.left_ty == text && step.operand.ty == text && step.ty == text;
        step.op == ArithOp::Concat && texts
    });
    (texts && first.ty == text).then(|| {
        let pieces = [first].into_iter().chain(rest.iter().map(|step| &step.operand));
        pieces
            .flat_map(|piece| pieces_of(piece).unwrap_or_else(|| vec![piece]))
            .collect()
    })
}

/// The pieces of a text that `||` makes.
pub(super) fn pieces_of(text: &Expr) -> Option<Vec<&Expr>> {
    match &text.kind {
        ExprKind::Chain { first, rest } => joined(first, rest),
        _ => None,
    }
}

/// What `concat` puts together.
pub(super) fn concatenated(text: &Expr) -> Option<&[Expr]> {
    match &text.kind {
        ExprKind::Call { function, args } if functions::function(*function).name == "concat" => Some(args),
        _ => None,
    }
}

/// A whole number of at most 64 bits, whose digits are written by [`Emitter::digits`].
pub(super) fn has_digits(ty: &LogicalType) -> bool {
    ty.is_integer() && ty.physical() != Physical::I128
}

impl Emitter<'_> {
    /// Texts one behind the other; NULL if one of them is.
    pub(super) fn join_texts(&mut self, pieces: &[&Expr]) -> Nullable {
        let mut views = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let view = self.expr(piece);
            views.push(self.natural(view, &LogicalType::String));
        }
        let valid = views
            .iter()
            .fold(None, |valid, view| both(&mut self.b, valid, view.valid));
        self.concat_views(&views).with_valid(valid)
    }

    /// `concat` of texts and whole numbers; of anything else, `None`.
    pub(super) fn concat(&mut self, args: &[Expr]) -> Option<Nullable> {
        let known = |ty: &LogicalType| *ty == LogicalType::String || has_digits(ty);
        if args.is_empty() || !args.iter().all(|arg| known(&arg.ty)) {
            return None;
        }
        let mut views = Vec::with_capacity(args.len());
        for arg in args {
            views.push(self.text_or_nothing(arg));
        }
        Some(self.concat_views(&views))
    }

    /// The text of a text or number; an empty one for NULL.
    pub(super) fn text_or_nothing(&mut self, arg: &Expr) -> Nullable {
        let value = self.expr(arg);
        let value = self.natural(value, &arg.ty);
        let value = match value.kind {
            Kind::Int => self.digits(&value),
            _ => value,
        };
        let Some(valid) = value.valid else { return value };
        let nothing = self.constant(0);
        let view = self.b.select(valid, value.value, nothing);
        Nullable::new(view, Kind::Text, None)
    }

    fn concat_views(&mut self, views: &[Nullable]) -> Nullable {
        let slot = self.b.slot(16 * views.len() as u32);
        let base = self.b.slot_addr(slot);
        for (at, view) in views.iter().enumerate() {
            let bits = self.b.load(Type::I128, view.value, 0);
            self.b.store(bits, base, VIEW * at as i32);
        }
        let host_state = self.slot(super::frame::Slot::Host);
        let count = self.b.iconst(Type::I64, views.len() as i64);
        let (host, sig) = self.host("text_concat", &[Type::Ptr, Type::Ptr, Type::I64]);
        let status = self.b.call_host(host, &sig, &[host_state, base, count]);
        self.fail_if_status(status);
        Nullable::new(base, Kind::Text, None)
    }

    /// The label of an enum's number: an element of an array that the code holds.
    pub(super) fn label(&mut self, number: &Nullable, labels: &EnumType) -> Nullable {
        let ty = LogicalType::Array(Box::new(LogicalType::String));
        let texts = labels.labels.iter().map(|label| Literal::String(label.as_str().into()));
        let table = self.nested_literal(&Literal::Array(texts.collect()), &ty);
        let view = self.b.index(table.value, number.value, VIEW as u32, ELEMENTS_AT as i32);
        Nullable::new(view, Kind::Text, number.valid)
    }

    /// The text of a whole number.
    pub(super) fn digits(&mut self, number: &Nullable) -> Nullable {
        let slot = self.b.slot(16);
        let view = self.b.slot_addr(slot);
        let host_state = self.slot(super::frame::Slot::Host);
        let (host, sig) = self.host("int_text", &[Type::Ptr, Type::Ptr, Type::I64]);
        let status = self.b.call_host(host, &sig, &[host_state, view, number.value]);
        self.fail_if_status(status);
        Nullable::new(view, Kind::Text, number.valid)
    }
}
