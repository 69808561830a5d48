//! The reference interpreter: what machine code must agree with bit for bit, and what runs where none can be generated.
//!
//! Each function is decoded once ([`decode`]) into segments of straight-line steps over a flat register file; a step is a
//! function pointer and register numbers ([`step`]). Calls push an explicit frame, so deep recursion is a status
//! ([`abi::STATUS_DEPTH`](crate::abi::STATUS_DEPTH)) and not the end of the process.
//!
//! Invariants: the same results as machine code, memory included, NaN payloads excepted.
//!
//! Does not: check addresses; running a function is as unsafe as running its machine code.

mod decode;
mod memory;
mod scalar;
mod step;
mod vector;

use std::collections::HashMap;

use decode::{Call, Code, Exit, HostCall, Place};

use crate::abi;
use crate::compile::CompileError;
use crate::host::{HostFn, HostTable};
use crate::ir::{FuncId, MAX_PARAMS, Module};
use crate::verify::verify;

/// Most calls that may be open at once.
const MAX_DEPTH: usize = 10_000;

/// A module decoded for interpretation.
pub struct Interpreter {
    functions: Vec<Code>,
    is_kernel: Vec<bool>,
    names: HashMap<String, FuncId>,
}

impl Interpreter {
    /// Verifies and decodes a module.
    pub fn new(module: &Module, hosts: &HostTable) -> Result<Interpreter, CompileError> {
        verify(module)?;
        let hosts: Vec<HostFn> = module
            .hosts
            .iter()
            .map(|decl| hosts.resolve(decl).copied())
            .collect::<Result<_, _>>()?;
        let functions = module
            .functions
            .iter()
            .map(|function| decode::decode(function, &hosts))
            .collect();
        let is_kernel: Vec<bool> = module
            .functions
            .iter()
            .map(|function| abi::is_kernel(&function.sig))
            .collect();
        let kernels = module.functions.iter().enumerate().filter(|(i, _)| is_kernel[*i]);
        let names = kernels
            .map(|(i, function)| (function.name.clone(), FuncId(i as u32)))
            .collect();
        Ok(Interpreter {
            functions,
            is_kernel,
            names,
        })
    }

    /// Id of the kernel with this name.
    pub fn kernel(&self, name: &str) -> Option<FuncId> {
        self.names.get(name).copied()
    }

    /// Runs a kernel; `STATUS_NOT_A_KERNEL` if the function is none, `STATUS_DEPTH` if calls nest too deeply.
    ///
    /// # Safety
    /// Whatever the kernel reads and writes through `frame` must be valid.
    pub unsafe fn call_kernel(&self, kernel: FuncId, frame: *mut u8, a: i64, b: i64) -> i64 {
        if self.is_kernel.get(kernel.idx()) != Some(&true) {
            return abi::STATUS_NOT_A_KERNEL;
        }
        let mut machine = Machine::default();
        machine.enter(&self.functions[kernel.idx()]);
        machine.registers[..3].copy_from_slice(&[frame.expose_provenance() as u64, a as u64, b as u64]);
        // SAFETY: the code was decoded from verified IR; the memory is the caller's promise.
        unsafe { machine.run(self, kernel.idx()) }
    }
}

impl std::fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interpreter").field("names", &self.names).finish()
    }
}

/// A caller waiting for its callee.
struct Frame {
    function: usize,
    base: usize,
    /// Segment that ends with the call.
    segment: usize,
    /// Whether the callee has slot memory to give back.
    has_slots: bool,
}

/// Runs segments from `at` on until one ends with a call or a return; gives that segment.
///
/// # Safety
/// `regs` are the registers of a frame of this function, whose code comes from verified IR; the memory that its steps
/// touch is valid.
unsafe fn run_straight(code: &Code, mut at: usize, regs: *mut u64) -> usize {
    let register = |number: u32| {
        // SAFETY: decoding gave the exit registers of this frame.
        unsafe { *regs.add(number as usize) }
    };
    loop {
        let segment = &code.segments[at];
        for step in &code.steps[segment.start as usize..segment.end as usize] {
            // SAFETY: decoding gave the step registers of this frame.
            unsafe { (step.run)(regs, step) };
        }
        at = match &segment.exit {
            Exit::Jump(to) => *to as usize,
            Exit::Branch { cond, then, otherwise } => {
                (if register(*cond) as u8 != 0 { *then } else { *otherwise }) as usize
            }
            Exit::Switch {
                on,
                narrow,
                cases,
                default,
            } => {
                let on = register(*on) as i64;
                let on = if *narrow { i64::from(on as i32) } else { on };
                let found = cases.binary_search_by_key(&on, |(case, _)| *case);
                found.map_or(*default, |i| cases[i].1) as usize
            }
            Exit::Return(_) | Exit::Call(_) | Exit::Host(_) => return at,
        };
    }
}

/// The state of one run.
#[derive(Default)]
struct Machine {
    /// Registers of all open frames.
    registers: Vec<u64>,
    /// Where the current frame's registers start.
    base: usize,
    frames: Vec<Frame>,
    /// Slot memory of open frames that have slots.
    slots: Vec<Vec<u128>>,
}

impl Machine {
    /// Makes the registers of a new frame at the end.
    fn enter(&mut self, code: &Code) {
        self.base = self.registers.len();
        self.registers.extend_from_slice(&code.template);
        if code.slots.is_empty() {
            return;
        }
        let mut memory = vec![0_u128; code.slot_units];
        let start = memory.as_mut_ptr().cast::<u8>();
        for (register, offset) in &code.slots {
            let address = start.wrapping_add(*offset).expose_provenance() as u64;
            self.registers[self.base + *register as usize] = address;
        }
        self.slots.push(memory);
    }

    /// Runs the function whose frame was entered last until it returns.
    ///
    /// # Safety
    /// The code must come from verified IR, and the memory it touches must be valid.
    unsafe fn run(&mut self, program: &Interpreter, mut function: usize) -> i64 {
        let mut at = 0;
        loop {
            let code = &program.functions[function];
            // SAFETY: the frame entered last belongs to this function; the rest is the caller's promise.
            at = unsafe { run_straight(code, at, self.registers[self.base..].as_mut_ptr()) };
            match &code.segments[at].exit {
                Exit::Host(call) => {
                    // SAFETY: the host function was resolved with this signature; its effects are the caller's promise.
                    unsafe { self.call_host(call) };
                    at = call.next as usize;
                }
                Exit::Call(call) => {
                    if self.frames.len() == MAX_DEPTH {
                        return abi::STATUS_DEPTH;
                    }
                    self.call(
                        program,
                        call,
                        Frame {
                            function,
                            base: self.base,
                            segment: at,
                            has_slots: false,
                        },
                    );
                    function = call.callee;
                    at = 0;
                }
                Exit::Return(values) => {
                    let Some(frame) = self.frames.pop() else {
                        return values.first().map_or(0, |place| self.get(place.at) as i64);
                    };
                    function = frame.function;
                    at = self.give_back(program, &frame, values);
                }
                Exit::Jump(_) | Exit::Branch { .. } | Exit::Switch { .. } => {
                    unreachable!("straight running follows these")
                }
            }
        }
    }

    fn get(&self, register: u32) -> u64 {
        self.registers[self.base + register as usize]
    }

    /// Reads the places into a buffer that a call can take them from, two words each.
    fn gather(&self, places: &[Place]) -> [[u64; 2]; MAX_PARAMS] {
        let mut words = [[0; 2]; MAX_PARAMS];
        for (word, place) in words.iter_mut().zip(places) {
            word[0] = self.get(place.at);
            if place.wide {
                word[1] = self.get(place.at + 1);
            }
        }
        words
    }

    fn call(&mut self, program: &Interpreter, call: &Call, mut frame: Frame) {
        let callee = &program.functions[call.callee];
        let args = self.gather(&call.args);
        frame.has_slots = !callee.slots.is_empty();
        self.frames.push(frame);
        self.enter(callee);
        // Parameters are the callee's first registers, packed.
        let mut at = self.base;
        for (arg, place) in args.iter().zip(&call.args) {
            self.registers[at] = arg[0];
            if place.wide {
                self.registers[at + 1] = arg[1];
            }
            at += 1 + usize::from(place.wide);
        }
    }

    /// Hands results to the waiting caller; returns the segment where it goes on.
    fn give_back(&mut self, program: &Interpreter, frame: &Frame, values: &[Place]) -> usize {
        let words = self.gather(values);
        self.registers.truncate(self.base);
        if frame.has_slots {
            self.slots.pop();
        }
        self.base = frame.base;
        let Exit::Call(call) = &program.functions[frame.function].segments[frame.segment].exit else {
            unreachable!("a frame waits at the call that made it");
        };
        for (word, place) in words.iter().zip(&call.results) {
            let at = self.base + place.at as usize;
            self.registers[at] = word[0];
            if place.wide {
                self.registers[at + 1] = word[1];
            }
        }
        call.next as usize
    }

    /// # Safety
    /// The arguments must be what the host function expects.
    unsafe fn call_host(&mut self, call: &HostCall) {
        let words = self.gather(&call.args).map(|word| word[0]);
        // SAFETY: one word per parameter, by the signature that was checked when the function was resolved.
        let result = unsafe { call.function.thunk()(words.as_ptr()) };
        if let Some(place) = call.result {
            self.registers[self.base + place.at as usize] = result;
        }
    }
}
