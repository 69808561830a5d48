//! Texts that are built piece by piece in a variable.
//!
//! `text = text || i || ','` writes the digits of `i` and the comma behind the text, where the variable has room of its own for as much
//! again each time that it runs out of it; other values that begin with the same bytes keep their own length.
//!
//! Invariants: only what this variable was given by such an assignment is written behind; a piece that is NULL makes it NULL.
//!
//! Does not: deal with pieces that mention the variable; they are put together first.

use gobi_jit::ir::{IntCond, Type, Value};

use crate::compile::emit::Emitter;
use crate::compile::frame::Slot;
use crate::compile::texts;
use crate::compile::value::{Kind, Nullable, both};
use crate::plan::physical::logical::{ArithOp, ColumnId, Expr, ExprKind};
use crate::plan::physical::routine::{Routine, Statement};
use crate::types::{LogicalType, Value as Literal};

/// Literals of so many bytes are written by stores.
const SHORT: usize = 16;

/// What is put behind a text.
enum Piece {
    /// The bytes of a short literal, and its text.
    Short(Vec<u8>, Nullable),
    Text(Nullable),
    /// The digits of a whole number.
    Number(Nullable),
}

impl Piece {
    fn valid(&self) -> Option<Value> {
        match self {
            Piece::Short(..) => None,
            Piece::Text(value) | Piece::Number(value) => value.valid,
        }
    }
}

/// The variables of a routine that texts are built in.
pub(super) fn built(routine: &Routine) -> Vec<ColumnId> {
    let mut built = Vec::new();
    Statement::each(&routine.body, &mut |statement| {
        if let Statement::Set(id, value) = statement
            && pieces(*id, value).is_some()
        {
            built.push(*id);
        }
    });
    built
}

/// What is put behind a variable's own text, if that is all that its new value is.
pub(super) fn pieces(id: ColumnId, value: &Expr) -> Option<Vec<&Expr>> {
    let ExprKind::Chain { first, rest } = &value.kind else {
        return None;
    };
    let own = matches!(first.kind, ExprKind::Column(column) if column == id);
    let texts = value.ty == LogicalType::String && first.ty == LogicalType::String;
    let text = LogicalType::String;
    let all = rest.iter().all(|step| {
        let texts = step.left_ty == text && step.operand.ty == text && step.ty == text;
        step.op == ArithOp::Concat && texts && !step.operand.columns().contains(&id)
    });
    let pieces = rest.iter().map(|step| &step.operand);
    (own && texts && all).then(|| {
        pieces
            .flat_map(|piece| texts::pieces_of(piece).unwrap_or_else(|| vec![piece]))
            .collect()
    })
}

impl Emitter<'_> {
    /// Puts pieces behind a variable's text.
    pub(super) fn extend_text(&mut self, id: ColumnId, pieces: &[&Expr], value: &Expr) {
        let (Some(room), old) = (self.room_of(id), self.variable(id)) else {
            let value = self.expr(value);
            return self.set_variable(id, value);
        };
        let pieces: Vec<Piece> = pieces.iter().flat_map(|piece| self.pieces(piece)).collect();
        let valid = pieces
            .iter()
            .fold(old.valid, |valid, piece| both(&mut self.b, valid, piece.valid()));
        let room = self.b.slot_addr(room);
        let Some(valid) = valid else {
            return self.put_behind(old.value, room, &pieces);
        };
        let (there, null, go_on) = (self.b.block(), self.b.block(), self.b.block());
        self.b.branch(valid, there, null);
        self.b.switch_to(there);
        self.put_behind(old.value, room, &pieces);
        self.b.jump(go_on);
        self.b.switch_to(null);
        let nothing = self.null(&LogicalType::String);
        self.set_variable(id, nothing);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
    }

    /// The values of what is put behind a text; one of `f'…'` is several.
    fn pieces(&mut self, piece: &Expr) -> Vec<Piece> {
        let Some(args) = texts::concatenated(piece) else {
            return vec![self.piece(piece)];
        };
        if !args
            .iter()
            .all(|arg| arg.ty == LogicalType::String || texts::has_digits(&arg.ty))
        {
            return vec![self.piece(piece)];
        }
        let may_be_null = |e: &Self, arg: &Expr| e.facts(arg).nullable;
        let each = args.iter().map(|arg| match may_be_null(self, arg) {
            true => Piece::Text(self.text_or_nothing(arg)),
            false => self.piece(arg),
        });
        each.collect()
    }

    fn piece(&mut self, piece: &Expr) -> Piece {
        let number = match &piece.kind {
            ExprKind::Cast { expr, .. } => expr,
            _ => piece,
        };
        if texts::has_digits(&number.ty) {
            let value = self.expr(number);
            return match value.kind {
                Kind::Int => Piece::Number(value),
                _ => Piece::Text(self.digits(&value)),
            };
        }
        let value = self.expr(piece);
        let value = self.natural(value, &LogicalType::String);
        match &piece.kind {
            ExprKind::Literal(Literal::String(text)) if text.len() <= SHORT => {
                Piece::Short(text.as_bytes().to_vec(), value)
            }
            _ => Piece::Text(value),
        }
    }

    fn put_behind(&mut self, view: Value, room: Value, pieces: &[Piece]) {
        for piece in pieces {
            match piece {
                Piece::Short(bytes, text) => self.write_behind((view, room), bytes, text),
                Piece::Text(text) => self.extend_by("text_extend", (view, room), text.value),
                Piece::Number(number) => self.extend_by("text_extend_int", (view, room), number.value),
            }
        }
    }

    fn extend_by(&mut self, function: &str, (view, room): (Value, Value), piece: Value) {
        let host_state = self.slot(Slot::Host);
        let piece_type = self.b.ty(piece);
        let (host, sig) = self.host(function, &[Type::Ptr, Type::Ptr, Type::Ptr, piece_type]);
        let status = self.b.call_host(host, &sig, &[host_state, view, room, piece]);
        self.fail_if_status(status);
    }

    /// The bytes of a literal: where there is room they are stored, a word at a time.
    fn write_behind(&mut self, (view, room): (Value, Value), bytes: &[u8], text: &Nullable) {
        let length = self.b.load(Type::I32, view, 0);
        let length = self.b.uext(length, Type::I64);
        let more = self.b.iconst(Type::I64, bytes.len() as i64);
        let wanted = self.b.add(length, more);
        let there = self.b.load(Type::I64, room, 0);
        let fits = self.b.icmp(IntCond::Ule, wanted, there);
        let (grow, fast, go_on) = (self.b.cold_block(), self.b.block(), self.b.block());
        self.b.branch(fits, fast, grow);
        self.b.switch_to(grow);
        self.extend_by("text_extend", (view, room), text.value);
        self.b.jump(go_on);
        self.b.switch_to(fast);
        let start = self.b.load(Type::Ptr, view, 8);
        let end = self.b.index(start, length, 1, 0);
        let mut at = 0;
        while at < bytes.len() {
            let (ty, size) = match bytes.len() - at {
                8.. => (Type::I64, 8),
                4.. => (Type::I32, 4),
                2.. => (Type::I16, 2),
                _ => (Type::I8, 1),
            };
            let mut word = [0; 8];
            word[..size].copy_from_slice(&bytes[at..at + size]);
            let word = self.b.iconst(ty, i64::from_le_bytes(word));
            self.b.store(word, end, at as i32);
            at += size;
        }
        let wanted = self.b.trunc(wanted, Type::I32);
        self.b.store(wanted, view, 0);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
    }
}
