//! Prints IR in its text form.
//!
//! Example: `Int(Add, %0, %1)` defining `%2` prints as `%2: i64 = add %0, %1`.
//!
//! Invariants: what is printed parses to an equal module, if the module verifies.
//!
//! Does not: fail; ids out of range print as such, since the verifier shows broken instructions.

use std::fmt::{self, Display, Formatter, Write};

use super::names;
use crate::ir::{Block, BlockData, Function, Inst, Module, Op, Signature, Terminator, Type, Value};

/// A whole module.
pub fn print(module: &Module) -> String {
    let mut out = String::new();
    for (i, note) in module.notes.iter().enumerate() {
        let _ = writeln!(out, "note !{i} {note:?}");
    }
    for host in &module.hosts {
        let _ = writeln!(out, "host @{}{}", host.name, Sig(&host.sig));
    }
    for function in &module.functions {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = write!(out, "{gap}{}", print_function(module, function));
    }
    out
}

/// One function of the module.
pub fn print_function(module: &Module, function: &Function) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "fn @{}{} {{", function.name, Sig(&function.sig));
    for (i, ty) in function.locals.iter().enumerate() {
        let _ = writeln!(out, "  local ${i}: {ty}");
    }
    for (i, bytes) in function.slots.iter().enumerate() {
        let _ = writeln!(out, "  slot s{i}: {bytes}");
    }
    for (i, block) in function.blocks.iter().enumerate() {
        let _ = writeln!(out, "{}", print_block_head(function, Block(i as u32), block));
        for inst in &block.insts {
            let _ = writeln!(out, "  {}", print_inst(module, function, inst));
        }
        let _ = writeln!(out, "  {}", print_terminator(&block.term));
    }
    out.push_str("}\n");
    out
}

/// The line that starts a block.
pub fn print_block_head(function: &Function, block: Block, data: &BlockData) -> String {
    let mut out = format!("b{}", block.0);
    if block.0 == 0 {
        let params = function
            .sig
            .params
            .iter()
            .enumerate()
            .map(|(i, ty)| format!("%{i}: {ty}"));
        let _ = write!(out, "({})", params.collect::<Vec<_>>().join(", "));
    }
    out.push_str(if data.cold { " cold:" } else { ":" });
    out
}

/// One instruction.
pub fn print_inst(module: &Module, function: &Function, inst: &Inst) -> String {
    let mut out = String::new();
    let results: Vec<String> = inst
        .results()
        .map(|value| {
            format!(
                "%{}: {}",
                value.0,
                function.values.get(value.idx()).map_or("?", |ty| ty.name())
            )
        })
        .collect();
    if !results.is_empty() {
        let _ = write!(out, "{} = ", results.join(", "));
    }
    let _ = write!(out, "{}", OpText { module, op: &inst.op });
    if let Some(note) = inst.note {
        let _ = write!(out, " !{}", note.0);
    }
    out
}

/// One terminator.
pub fn print_terminator(term: &Terminator) -> String {
    match term {
        Terminator::None => "; no terminator".to_owned(),
        Terminator::Jump(to) => format!("jump b{}", to.0),
        Terminator::Branch { cond, then, otherwise } => format!("branch %{}, b{}, b{}", cond.0, then.0, otherwise.0),
        Terminator::Switch { on, cases, default } => {
            let cases: Vec<String> = cases.iter().map(|(case, to)| format!("{case}: b{}", to.0)).collect();
            format!("switch %{}, [{}], b{}", on.0, cases.join(", "), default.0)
        }
        Terminator::Return(values) if values.is_empty() => "return".to_owned(),
        Terminator::Return(values) => format!("return {}", Values(values)),
    }
}

struct Sig<'a>(&'a Signature);

impl Display for Sig<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = |types: &[Type]| types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(", ");
        write!(f, "({})", names(&self.0.params))?;
        match self.0.results.is_empty() {
            true => Ok(()),
            false => write!(f, " -> {}", names(&self.0.results)),
        }
    }
}

struct Values<'a>(&'a [Value]);

impl Display for Values<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, value) in self.0.iter().enumerate() {
            write!(f, "{}%{}", if i == 0 { "" } else { ", " }, value.0)?;
        }
        Ok(())
    }
}

/// `%ptr`, `%ptr + 8` or `%ptr - 8`.
struct Address(Value, i32);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}{}", self.0.0, Offset(self.1))
    }
}

struct Offset(i32);

impl Display for Offset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            offset if offset < 0 => write!(f, " - {}", offset.unsigned_abs()),
            offset => write!(f, " + {offset}"),
        }
    }
}

struct OpText<'a> {
    module: &'a Module,
    op: &'a Op,
}

impl Display for OpText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.op {
            Op::Const(value) => write!(f, "const {value}"),
            Op::F32Const(bits) => write!(f, "f32const {}", Float32(*bits)),
            Op::F64Const(bits) => write!(f, "f64const {}", Float64(*bits)),
            Op::Int(op, a, b) => write!(f, "{} {}", names::int_binary(*op), Values(&[*a, *b])),
            Op::Checked(op, a, b) => write!(f, "{} {}", names::checked(*op), Values(&[*a, *b])),
            Op::IntUnary(op, a) => write!(f, "{} {}", names::int_unary(*op), Values(&[*a])),
            Op::Float(op, a, b) => write!(f, "{} {}", names::float_binary(*op), Values(&[*a, *b])),
            Op::FloatUnary(op, a) => write!(f, "{} {}", names::float_unary(*op), Values(&[*a])),
            Op::ICmp(cond, a, b) => write!(f, "icmp {} {}", names::int_cond(*cond), Values(&[*a, *b])),
            Op::FCmp(cond, a, b) => write!(f, "fcmp {} {}", names::float_cond(*cond), Values(&[*a, *b])),
            Op::Select { cond, then, otherwise } => write!(f, "select {}", Values(&[*cond, *then, *otherwise])),
            Op::BitSelect { mask, then, otherwise } => write!(f, "bit_select {}", Values(&[*mask, *then, *otherwise])),
            Op::Convert(op, a) => write!(f, "{} {}", names::convert(*op), Values(&[*a])),
            Op::Splat(a) => write!(f, "splat %{}", a.0),
            Op::ExtractLane(v, lane) => write!(f, "extract_lane %{}, {lane}", v.0),
            Op::InsertLane(v, lane, x) => write!(f, "insert_lane %{}, {lane}, %{}", v.0, x.0),
            Op::HighBits(v) => write!(f, "high_bits %{}", v.0),
            Op::SNarrow(a, b) => write!(f, "snarrow {}", Values(&[*a, *b])),
            Op::Widen(how, v) => write!(f, "{} %{}", names::lanes(*how), v.0),
            Op::AnyTrue(v) => write!(f, "any_true %{}", v.0),
            Op::Load(ptr, offset) => write!(f, "load {}", Address(*ptr, *offset)),
            Op::Store { value, ptr, offset } => write!(f, "store %{}, {}", value.0, Address(*ptr, *offset)),
            Op::Index {
                ptr,
                index,
                scale,
                offset,
            } => {
                write!(f, "index %{} + %{} * {scale}{}", ptr.0, index.0, Offset(*offset))
            }
            Op::SlotAddr(slot) => write!(f, "slot_addr s{}", slot.0),
            Op::Get(local) => write!(f, "get ${}", local.0),
            Op::Set(local, value) => write!(f, "set ${}, %{}", local.0, value.0),
            Op::Call(callee, args) => {
                let name = self
                    .module
                    .functions
                    .get(callee.idx())
                    .map_or("?", |function| &function.name);
                write!(f, "call @{name}({})", Values(args))
            }
            Op::CallHost(callee, args) => {
                let name = self.module.hosts.get(callee.idx()).map_or("?", |host| &host.name);
                write!(f, "call_host @{name}({})", Values(args))
            }
        }
    }
}

/// The shortest decimal that reads back to the same bits; NaNs by their bits.
struct Float64(u64);

impl Display for Float64 {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = f64::from_bits(self.0);
        if value.is_nan() {
            write!(f, "nan:{:#x}", self.0)
        } else {
            write!(f, "{value:?}")
        }
    }
}

struct Float32(u32);

impl Display for Float32 {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = f32::from_bits(self.0);
        if value.is_nan() {
            write!(f, "nan:{:#x}", self.0)
        } else {
            write!(f, "{value:?}")
        }
    }
}
