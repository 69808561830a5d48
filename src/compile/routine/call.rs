//! Calls of routines: in registers where the arguments fit, else through a block of memory.
//!
//! `f(x, y)` with a `y` that may be NULL passes the frame, `x`, `y` and the flag of `y`; eight doubles are written to the stack,
//! and their address is passed.
//!
//! Invariants: a function is written into a module once, when the first call of it is; a text is passed as the address of its
//! view, and comes back as the view itself.
//!
//! Does not: inline.

use gobi_jit::ir::{FuncId, IntCond, MAX_PARAMS, Signature, Type, Value};

use super::variables::CELL;
use super::{FAILED, write};
use crate::compile::emit::Emitter;
use crate::compile::frame::Slot;
use crate::compile::value::{Kind, Nullable, kind_of};
use crate::plan::physical::Span;
use crate::plan::physical::logical::Expr;
use crate::plan::physical::routine::{Routine, RoutineId};
use crate::types::stack::with_room;

/// How a routine is called.
#[derive(Clone, Debug)]
pub(super) struct Convention {
    params: Vec<Type>,
    result: Option<Kind>,
    /// The arguments lie in cells whose address is passed.
    pub(super) in_memory: bool,
    recursive: bool,
}

impl Convention {
    pub(super) fn of(routine: &Routine) -> Self {
        let params = routine.variables.iter().take(routine.params);
        let words = params.flat_map(|param| {
            let flag = param.nullable.then_some(Type::I8);
            std::iter::once(kind_of(&param.ty).ir()).chain(flag)
        });
        let words: Vec<Type> = words.collect();
        let in_memory = words.len() + 1 + usize::from(routine.recursive) > MAX_PARAMS;
        Self {
            params: if in_memory { vec![Type::Ptr] } else { words },
            result: routine.result.as_ref().map(|(ty, _)| kind_of(ty)),
            in_memory,
            recursive: routine.recursive,
        }
    }

    pub(super) fn signature(&self) -> Signature {
        let mut params = vec![Type::Ptr];
        params.extend(self.recursive.then_some(Type::I64));
        params.extend(&self.params);
        let value = self.result.map(|kind| match kind {
            Kind::Text | Kind::Interval => Type::I128,
            kind => kind.ir(),
        });
        Signature {
            params,
            results: value.into_iter().chain([Type::I8]).collect(),
        }
    }
}

impl Emitter<'_> {
    /// The function of a routine, written at its first use.
    fn routine_function(&mut self, id: RoutineId, convention: &Convention) -> FuncId {
        if let Some(known) = self.shared.routines.get(&id) {
            return *known;
        }
        let plan = self.plan;
        let routine = &plan.program.routines[id.0 as usize];
        let letters = routine.name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_');
        let name = format!("f_{}_{}", letters.collect::<String>(), id.0);
        let function = self.shared.module.declare_function(&name, convention.signature());
        self.shared.routines.insert(id, function);
        let written = with_room(|| write(self.shared, plan, self.pipeline, (routine, convention), &name));
        self.shared.module.define(function, written);
        self.shared.repeats |= self.loops(id);
        function
    }

    /// Calls a routine for the row at hand.
    pub(in crate::compile) fn call_routine(&mut self, id: RoutineId, args: &[Expr], expr: &Expr) -> Nullable {
        let routine = &self.plan.program.routines[id.0 as usize];
        let convention = Convention::of(routine);
        let function = self.routine_function(id, &convention);
        let mut words = vec![self.frame()];
        if routine.recursive {
            words.push(self.deeper());
        }
        let mut values = Vec::with_capacity(args.len());
        for (arg, param) in args.iter().zip(&routine.variables) {
            let value = self.expr(arg);
            values.push(self.natural(value, &param.ty));
        }
        if convention.in_memory {
            let slot = self.b.slot(32 * values.len() as u32);
            let block = self.b.slot_addr(slot);
            for (at, value) in values.iter().enumerate() {
                self.store_cell(value, block, CELL * at as i32);
            }
            words.push(block);
        } else {
            for (value, param) in values.iter().zip(&routine.variables) {
                words.push(value.value);
                if param.nullable {
                    let valid = value.valid;
                    words.push(valid.unwrap_or_else(|| self.b.iconst(Type::I8, 1)));
                }
            }
        }
        let results = self.b.call(function, &convention.signature(), &words);
        let state = results[results.len() - 1];
        self.leave_if_failed(state, expr.span);
        match (convention.result, results.first()) {
            (Some(kind), Some(value)) if results.len() == 2 => self.called(kind, *value, state, routine, expr),
            _ => self.null(&expr.ty),
        }
    }

    fn called(&mut self, kind: Kind, value: Value, state: Value, routine: &Routine, expr: &Expr) -> Nullable {
        let nullable = routine.result.as_ref().is_none_or(|(_, nullable)| *nullable);
        let value = match kind {
            Kind::Text | Kind::Interval => {
                let slot = self.b.slot(16);
                let address = self.b.slot_addr(slot);
                self.b.store(value, address, 0);
                address
            }
            _ => value,
        };
        let range = match kind {
            Kind::Int | Kind::Wide => expr.ty.stored_range(),
            _ => None,
        };
        Nullable {
            range,
            ..Nullable::new(value, kind, nullable.then_some(state))
        }
    }

    /// The depth of a call of a routine that may be in itself.
    fn deeper(&mut self) -> Value {
        let depth = self.routine.as_ref().and_then(|routine| routine.depth);
        let one = self.b.iconst(Type::I64, 1);
        match depth {
            Some(depth) => self.b.add(depth, one),
            None => one,
        }
    }

    /// An error of what is called here goes on to whoever has called this.
    fn leave_if_failed(&mut self, state: Value, call: Span) {
        let failed = self.b.iconst(Type::I8, FAILED);
        let failed = self.b.icmp(IntCond::Eq, state, failed);
        let (error, go_on) = (self.b.cold_block(), self.b.block());
        self.b.branch(failed, error, go_on);
        self.b.switch_to(error);
        let host_state = self.slot(Slot::Host);
        let site = self.site("XX000", "", [None, None], call);
        let site = self.b.iconst(Type::I64, site as i64);
        let (host, sig) = self.host("through", &[Type::Ptr, Type::I64]);
        self.b.call_host(host, &sig, &[host_state, site]);
        self.leave();
        self.b.switch_to(go_on);
    }
}
