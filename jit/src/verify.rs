//! Says whether a module is well formed, and if not, where and why.
//!
//! ```
//! use gobi_jit::{FunctionBuilder, ModuleBuilder, ir::Type, verify};
//! let mut module = ModuleBuilder::new();
//! module.add_function(FunctionBuilder::new("f", &[], &[]).finish());
//! let error = verify(&module.finish()).unwrap_err();
//! assert_eq!(error.to_string(), "@f b0: the block has no terminator");
//! ```
//!
//! Checked: names and signatures; the types of every operation ([`typing`](crate::ir)); that every value is defined
//! exactly once, and every use is dominated by its definition; terminators, their targets and types; ids in range.
//!
//! Invariants: never panics and never recurses, whatever the module holds.
//!
//! Does not: check addresses; memory operations are the caller's responsibility. Unreachable blocks are checked for
//! types, not for dominance, since neither back end looks at them.

use std::collections::HashSet;

use crate::flow::Flow;
use crate::ir::{Block, Function, Inst, MAX_SLOT_BYTES, Module, Terminator, Type, Value};
use crate::typing::{self, Callees, Env};

/// Why a module is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct VerifyError {
    /// Name of the function, if the fault lies in one.
    pub function: Option<String>,
    /// Block in it.
    pub block: Option<Block>,
    /// Index of the instruction in its block, and its text; `None` is the terminator or the block itself.
    pub inst: Option<(usize, String)>,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(function) = &self.function {
            write!(f, "@{function}")?;
            if let Some(block) = self.block {
                write!(f, " b{}", block.0)?;
            }
            if let Some((at, text)) = &self.inst {
                write!(f, " #{at} `{text}`")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// Checks a whole module; the first fault found is returned.
pub fn verify(module: &Module) -> Result<(), VerifyError> {
    let plain = |message| VerifyError {
        function: None,
        block: None,
        inst: None,
        message,
    };
    let mut names = HashSet::new();
    for function in &module.functions {
        check_name(&function.name).map_err(plain)?;
        if !names.insert(&function.name) {
            return Err(plain(format!("two functions are named @{}", function.name)));
        }
    }
    names.clear();
    for host in &module.hosts {
        check_name(&host.name).map_err(plain)?;
        typing::check_host_signature(&host.sig)
            .map_err(|message| plain(format!("host function {}: {message}", host.name)))?;
        if !names.insert(&host.name) {
            return Err(plain(format!("host function {} is declared twice", host.name)));
        }
    }
    module
        .functions
        .iter()
        .try_for_each(|function| Verifier::new(module, function).run())
}

fn check_name(name: &str) -> Result<(), String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = name.starts_with(|c: char| word(c) && !c.is_ascii_digit());
    if starts_well && name.chars().all(|c| word(c) || c == '.') {
        Ok(())
    } else {
        Err(format!("bad name {name:?}"))
    }
}

struct Verifier<'a> {
    module: &'a Module,
    function: &'a Function,
    /// Where each value is defined: block, and 0 for a parameter or 1 + index of the instruction.
    definitions: Vec<Option<(Block, usize)>>,
}

impl<'a> Verifier<'a> {
    fn new(module: &'a Module, function: &'a Function) -> Verifier<'a> {
        Verifier {
            module,
            function,
            definitions: vec![None; function.values.len()],
        }
    }

    fn run(mut self) -> Result<(), VerifyError> {
        self.check_head().map_err(|message| self.error(None, None, message))?;
        for (block, data) in self.blocks() {
            for (at, inst) in data.insts.iter().enumerate() {
                self.check_inst(block, at, inst)
                    .map_err(|message| self.error(Some(block), Some(at), message))?;
            }
            self.check_terminator(&data.term)
                .map_err(|message| self.error(Some(block), None, message))?;
        }
        if let Some(value) = self.definitions.iter().position(Option::is_none) {
            return Err(self.error(None, None, format!("%{value} has a type but no definition")));
        }
        self.check_dominance()
    }

    fn blocks(&self) -> impl Iterator<Item = (Block, &'a crate::ir::BlockData)> + use<'a> {
        let function = self.function;
        function
            .blocks
            .iter()
            .enumerate()
            .map(|(i, data)| (Block(i as u32), data))
    }

    fn error(&self, block: Option<Block>, inst: Option<usize>, message: String) -> VerifyError {
        let at = block.zip(inst).and_then(|(block, at)| {
            let inst = self.function.blocks.get(block.idx())?.insts.get(at)?;
            Some((at, crate::text::print_inst(self.module, self.function, inst)))
        });
        VerifyError {
            function: Some(self.function.name.clone()),
            block,
            inst: at,
            message,
        }
    }

    fn check_head(&mut self) -> Result<(), String> {
        let function = self.function;
        typing::check_signature(&function.sig)?;
        if function.values.get(..function.sig.params.len()) != Some(&function.sig.params) {
            return Err("the first values are not the parameters".to_owned());
        }
        if function.blocks.is_empty() {
            return Err("the function has no blocks".to_owned());
        }
        let slots: u64 = function.slots.iter().map(|bytes| u64::from(*bytes)).sum();
        if slots > MAX_SLOT_BYTES {
            return Err(format!(
                "{slots} bytes of stack slots, at most {MAX_SLOT_BYTES} are possible"
            ));
        }
        self.definitions[..function.sig.params.len()].fill(Some((Block(0), 0)));
        Ok(())
    }

    fn check_inst(&mut self, block: Block, at: usize, inst: &Inst) -> Result<(), String> {
        let env = Env {
            function: self.function,
            callees: Callees::Module(self.module),
        };
        let type_of = |value: Option<Value>| value.map(|value| env.value(value)).transpose();
        let have = (type_of(inst.result)?, type_of(inst.result2)?);
        let expected = typing::result_types(&inst.op, have.0, env)?;
        if have != expected {
            return Err(format!("results are {}, expected {}", list(have), list(expected)));
        }
        if let Some(note) = inst.note
            && note.idx() >= self.module.notes.len()
        {
            return Err(format!("note !{} does not exist", note.0));
        }
        for value in inst.results() {
            let definition = &mut self.definitions[value.idx()];
            if definition.replace((block, at + 1)).is_some() {
                return Err(format!("%{} is defined twice", value.0));
            }
        }
        Ok(())
    }

    fn check_terminator(&self, term: &Terminator) -> Result<(), String> {
        let env = Env {
            function: self.function,
            callees: Callees::None,
        };
        match term {
            Terminator::None => return Err("the block has no terminator".to_owned()),
            Terminator::Jump(_) => {}
            Terminator::Branch { cond, .. } => env.exact(*cond, Type::I8)?,
            Terminator::Switch { on, cases, .. } => check_switch(env.value(*on)?, cases)?,
            Terminator::Return(values) => {
                let expected = &self.function.sig.results;
                if values.len() != expected.len() {
                    return Err(format!(
                        "{} values are returned, expected {}",
                        values.len(),
                        expected.len()
                    ));
                }
                values
                    .iter()
                    .zip(expected)
                    .try_for_each(|(value, ty)| env.exact(*value, *ty))?;
            }
        }
        let mut bad = None;
        term.for_each_target(|to| {
            if to.idx() >= self.function.blocks.len() {
                bad = Some(format!("block b{} does not exist", to.0));
            } else if to.0 == 0 {
                bad = Some("the entry block cannot be a target".to_owned());
            }
        });
        bad.map_or(Ok(()), Err)
    }

    /// Every use in a reachable block must come after its definition on every way.
    fn check_dominance(&self) -> Result<(), VerifyError> {
        let flow = Flow::of(self.function);
        for (block, data) in self.blocks().filter(|(block, _)| flow.is_reachable(*block)) {
            for (at, inst) in data.insts.iter().enumerate() {
                let mut bad = None;
                inst.op
                    .for_each_operand(|value| bad = bad.or(self.undominated(&flow, value, block, at + 1)));
                if let Some(message) = bad.map(too_early) {
                    return Err(self.error(Some(block), Some(at), message));
                }
            }
            let mut bad = None;
            data.term
                .for_each_operand(|value| bad = bad.or(self.undominated(&flow, value, block, usize::MAX)));
            if let Some(message) = bad.map(too_early) {
                return Err(self.error(Some(block), None, message));
            }
        }
        Ok(())
    }

    fn undominated(&self, flow: &Flow, value: Value, block: Block, at: usize) -> Option<Value> {
        let fine = match self.definitions[value.idx()] {
            Some((from, defined)) if from == block => defined < at,
            Some((from, _)) => flow.dominates(from, block),
            None => false,
        };
        (!fine).then_some(value)
    }
}

fn too_early(value: Value) -> String {
    format!("%{} is used where its definition may not have run", value.0)
}

fn list((first, second): typing::Results) -> String {
    let names: Vec<&str> = first.into_iter().chain(second).map(Type::name).collect();
    format!("({})", names.join(", "))
}

fn check_switch(ty: Type, cases: &[(i64, Block)]) -> Result<(), String> {
    if !matches!(ty, Type::I32 | Type::I64) {
        return Err(format!("the selector is {ty}, expected i32 or i64"));
    }
    let mut seen = HashSet::new();
    for (case, _) in cases {
        if ty == Type::I32 && i32::try_from(*case).is_err() {
            return Err(format!("case {case} does not fit in i32"));
        }
        if !seen.insert(case) {
            return Err(format!("case {case} is listed twice"));
        }
    }
    Ok(())
}
