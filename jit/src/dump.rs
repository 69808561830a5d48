//! The texts that `explain --jit` shows: per function its IR, the CLIF with the IR operation beside each line, and the
//! machine code with offsets.
//!
//! ```text
//! v7 = iadd.i64 v5, v6      ; %4: i64 = add %2, %3   l_extendedprice + 1
//! 0014  4801f0  add rax, rsi      %4: i64 = add %2, %3
//! ```
//!
//! Invariants: taken while the function is compiled, since Cranelift forgets it afterwards; costs nothing unless asked for.
//!
//! Does not: lay out columns; the caller does.

use std::fmt::Write;

use cranelift_codegen::ir::{Function as ClifFunction, Inst as ClifInst, SourceLoc};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{CompiledCode, Context};

use crate::ir::{Block, Function, Module};
use crate::{lower, text};

/// Texts of one compilation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// In the order of the module.
    pub functions: Vec<FunctionDump>,
    /// Microseconds that the compilation took, the dumping included.
    pub compile_us: u64,
}

/// Texts of one function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionDump {
    /// Its name.
    pub name: String,
    /// The text form, line by line.
    pub ir: Vec<String>,
    /// CLIF before Cranelift's optimiser.
    pub clif: Vec<ClifLine>,
    /// Machine code.
    pub machine: Vec<MachineLine>,
    /// Bytes of machine code, constants included.
    pub code_bytes: usize,
}

/// One line of CLIF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClifLine {
    /// The line.
    pub clif: String,
    /// The IR operation that it comes from.
    pub ir: Option<String>,
    /// The note of that operation.
    pub note: Option<String>,
}

/// One machine instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineLine {
    /// Offset in the function.
    pub offset: u32,
    /// Its bytes in hexadecimal.
    pub bytes: String,
    /// Assembly.
    pub asm: String,
    /// The IR operation that it comes from.
    pub ir: Option<String>,
}

/// Collects the texts of one function: CLIF before, machine code after compiling.
pub(crate) struct Dumper<'a> {
    module: &'a Module,
    function: &'a Function,
    /// First instruction number of every block.
    numbers: Vec<u32>,
    dump: FunctionDump,
}

impl<'a> Dumper<'a> {
    /// Takes the CLIF of the function, just lowered.
    pub(crate) fn new(module: &'a Module, function: &'a Function, clif: &ClifFunction) -> Dumper<'a> {
        let ir = text::print_function(module, function)
            .lines()
            .map(str::to_owned)
            .collect();
        let dump = FunctionDump {
            name: function.name.clone(),
            ir,
            ..FunctionDump::default()
        };
        let mut dumper = Dumper {
            module,
            function,
            numbers: lower::first_numbers(function),
            dump,
        };
        dumper.dump.clif = dumper.clif(clif);
        dumper
    }

    /// Takes the machine code of the function, just compiled.
    pub(crate) fn finish(mut self, context: &Context, isa: &dyn TargetIsa) -> FunctionDump {
        if let Some(code) = context.compiled_code() {
            self.dump.code_bytes = code.code_buffer().len();
            self.dump.machine = self.machine(code, isa);
        }
        self.dump
    }

    fn clif(&self, clif: &ClifFunction) -> Vec<ClifLine> {
        let plain = |clif: String| ClifLine {
            clif,
            ..ClifLine::default()
        };
        let mut lines = vec![plain(format!("function {}{}", self.function.name, clif.signature))];
        for block in clif.layout.blocks() {
            let params: Vec<String> = clif
                .dfg
                .block_params(block)
                .iter()
                .map(|param| format!("{param}: {}", clif.dfg.value_type(*param)))
                .collect();
            let cold = if clif.layout.is_cold(block) { " cold" } else { "" };
            lines.push(plain(match params.is_empty() {
                true => format!("{block}{cold}:"),
                false => format!("{block}({}){cold}:", params.join(", ")),
            }));
            lines.extend(clif.layout.block_insts(block).map(|inst| self.clif_line(clif, inst)));
        }
        lines
    }

    fn clif_line(&self, clif: &ClifFunction, inst: ClifInst) -> ClifLine {
        let (ir, note) = self.source(clif.srcloc(inst)).unzip();
        ClifLine {
            clif: format!("  {}", clif.dfg.display_inst(inst)),
            ir,
            note: note.flatten(),
        }
    }

    /// Text and note of the IR instruction that a source location stands for.
    fn source(&self, loc: SourceLoc) -> Option<(String, Option<String>)> {
        if loc.is_default() {
            return None;
        }
        let block = self
            .numbers
            .partition_point(|first| *first <= loc.bits())
            .checked_sub(1)?;
        let at = (loc.bits() - self.numbers[block]) as usize;
        let data = &self.function.blocks[Block(block as u32).idx()];
        let Some(inst) = data.insts.get(at) else {
            return Some((text::print_terminator(&data.term), None));
        };
        let note = inst.note.and_then(|note| self.module.notes.get(note.idx())).cloned();
        Some((text::print_inst(self.module, self.function, inst), note))
    }

    fn machine(&self, code: &CompiledCode, isa: &dyn TargetIsa) -> Vec<MachineLine> {
        let ranges: Vec<(u32, u32, SourceLoc)> = code
            .buffer
            .get_srclocs_sorted()
            .iter()
            .map(|range| (range.start, range.end, range.loc))
            .collect();
        let line = |offset: u32, bytes: &[u8], asm: String| {
            let after = ranges.partition_point(|(start, ..)| *start <= offset);
            let range = ranges[..after].last().filter(|(_, end, _)| offset < *end);
            let ir = range.and_then(|(.., loc)| self.source(*loc)).map(|(text, _)| text);
            MachineLine {
                offset,
                bytes: hex(bytes),
                asm,
                ir,
            }
        };
        // What follows the last instruction that came from the IR are constants.
        let end = ranges.iter().map(|(_, end, _)| *end as usize).max().unwrap_or(0);
        let (text, constants) = code.code_buffer().split_at(end);
        let Ok(capstone) = isa.to_capstone() else {
            return Vec::new();
        };
        let Ok(insts) = capstone.disasm_all(text, 0) else {
            return Vec::new();
        };
        let mut lines: Vec<MachineLine> = insts
            .iter()
            .map(|inst| {
                let asm = [inst.mnemonic().unwrap_or("?"), inst.op_str().unwrap_or("")].join(" ");
                line(inst.address() as u32, inst.bytes(), asm.trim_end().to_owned())
            })
            .collect();
        let offsets = (end as u32..).step_by(16);
        lines.extend(
            offsets
                .zip(constants.chunks(16))
                .map(|(at, bytes)| line(at, bytes, "constants".to_owned())),
        );
        lines
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
