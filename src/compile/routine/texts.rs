//! Texts that are built piece by piece in a variable.
//!
//! `text = text || line` copies the line behind the text, where the variable has room of its own for as much again each time that it
//! runs out of it; other values that begin with the same bytes keep their own length.
//!
//! Invariants: only what this variable was given by such an assignment is written behind; a piece that is NULL makes it NULL.
//!
//! Does not: deal with pieces that mention the variable; they are put together first.

use gobi_jit::ir::Type;

use crate::compile::emit::Emitter;
use crate::compile::frame::Slot;
use crate::compile::value::both;
use crate::plan::physical::Span;
use crate::plan::physical::logical::{ArithOp, ColumnId, Expr, ExprKind};
use crate::plan::physical::routine::{Routine, Statement};
use crate::types::LogicalType;

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
    (own && texts && all).then(|| rest.iter().map(|step| &step.operand).collect())
}

impl Emitter<'_> {
    /// Puts pieces behind a variable's text.
    pub(super) fn extend_text(&mut self, id: ColumnId, pieces: &[&Expr], value: &Expr) {
        let (Some(room), old) = (self.room_of(id), self.variable(id)) else {
            let value = self.expr(value);
            return self.set_variable(id, value);
        };
        let texts: Vec<_> = pieces.iter().map(|piece| self.expr(piece)).collect();
        let valid = texts
            .iter()
            .fold(old.valid, |valid, text| both(&mut self.b, valid, text.valid));
        let (there, null, go_on) = (self.b.block(), self.b.block(), self.b.block());
        match valid {
            Some(valid) => self.b.branch(valid, there, null),
            None => self.b.jump(there),
        }
        self.b.switch_to(there);
        let (room, host_state) = (self.b.slot_addr(room), self.slot(Slot::Host));
        let (host, sig) = self.host("text_extend", &[Type::Ptr, Type::Ptr, Type::Ptr, Type::Ptr]);
        let site = self.site("53200", "", [None, None], Span::default());
        for text in &texts {
            let args = [host_state, old.value, room, text.value];
            let zero = self.b.iconst(Type::I64, 0);
            let status = self.b.call_host(host, &sig, &args).unwrap_or(zero);
            let failed = self.b.icmp(gobi_jit::ir::IntCond::Ne, status, zero);
            self.fail_if(failed, None, site, &[]);
        }
        self.b.jump(go_on);
        self.b.switch_to(null);
        let nothing = self.null(&LogicalType::String);
        self.set_variable(id, nothing);
        self.b.jump(go_on);
        self.b.switch_to(go_on);
    }
}
