//! Collects functions, host functions and notes into a [`Module`].
//!
//! ```
//! use gobi_jit::{FunctionBuilder, ModuleBuilder, ir::Type};
//! let mut module = ModuleBuilder::new();
//! let mut b = FunctionBuilder::new("zero", &[], &[Type::I64]);
//! let zero = b.iconst(Type::I64, 0);
//! b.ret(&[zero]);
//! module.add_function(b.finish());
//! assert_eq!(module.finish().functions.len(), 1);
//! ```
//!
//! Invariants: ids are handed out in order; a host function or note asked for twice gets one id.
//!
//! Does not: check the functions; a declared function that is never defined is found by the verifier.

use std::collections::HashMap;

use crate::ir::{FuncId, Function, HostDecl, HostId, Module, NoteId, Signature};

/// Collects the parts of a module.
#[derive(Clone, Debug, Default)]
pub struct ModuleBuilder {
    module: Module,
    hosts: HashMap<String, HostId>,
    notes: HashMap<String, NoteId>,
}

impl ModuleBuilder {
    /// An empty module.
    pub fn new() -> ModuleBuilder {
        ModuleBuilder::default()
    }

    /// Adds a finished function.
    pub fn add_function(&mut self, function: Function) -> FuncId {
        self.module.functions.push(function);
        FuncId(self.module.functions.len() as u32 - 1)
    }

    /// Reserves an id, so that functions can call each other before they are defined.
    pub fn declare_function(&mut self, name: &str, sig: Signature) -> FuncId {
        self.add_function(Function {
            name: name.to_owned(),
            values: sig.params.clone(),
            sig,
            ..Function::default()
        })
    }

    /// Gives a declared function its body; name and signature must be those declared.
    pub fn define(&mut self, id: FuncId, function: Function) {
        let declared = &mut self.module.functions[id.idx()];
        assert!(declared.blocks.is_empty(), "@{} is defined twice", declared.name);
        assert!(
            declared.name == function.name && declared.sig == function.sig,
            "@{} is not what @{} was declared as",
            function.name,
            declared.name
        );
        *declared = function;
    }

    /// The id of a host function; the same name always has the same signature.
    pub fn host(&mut self, name: &str, sig: Signature) -> HostId {
        if let Some(id) = self.hosts.get(name) {
            assert!(
                self.module.hosts[id.idx()].sig == sig,
                "host function {name} is used with two signatures"
            );
            return *id;
        }
        let id = HostId(self.module.hosts.len() as u32);
        self.module.hosts.push(HostDecl {
            name: name.to_owned(),
            sig,
        });
        self.hosts.insert(name.to_owned(), id);
        id
    }

    /// The id of a note.
    pub fn note(&mut self, text: &str) -> NoteId {
        if let Some(id) = self.notes.get(text) {
            return *id;
        }
        let id = NoteId(self.module.notes.len() as u32);
        self.module.notes.push(text.to_owned());
        self.notes.insert(text.to_owned(), id);
        id
    }

    /// Signature of a function added or declared before.
    pub fn signature(&self, id: FuncId) -> &Signature {
        &self.module.functions[id.idx()].sig
    }

    /// The module.
    pub fn finish(self) -> Module {
        self.module
    }
}
