//! A thread that compiles, kept for as long as it may be needed, since starting one takes longer than compiling a kernel.
//!
//! ```
//! use std::sync::Arc;
//! use gobi_jit::{CompileThread, Compiler, HostTable, Options, ir::Module};
//! let compiler = Compiler::new(HostTable::default(), Options::default())?;
//! let thread = CompileThread::new(Arc::new(compiler));
//! let pending = thread.submit(Module::default());
//! // … the caller prepares its buffers …
//! let compiled = pending.wait()?;
//! # Ok::<(), gobi_jit::CompileError>(())
//! ```
//!
//! Invariants: jobs are compiled in the order of submission; a panic in the code generator is an error of its job and the
//! thread lives on.
//!
//! Does not: fall back to the interpreter; the caller decides.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use crate::code::CompiledModule;
use crate::compile::{CompileError, Compiler};
use crate::ir::Module;

/// The thread. Dropping it waits for the job in hand and drops those not begun.
#[derive(Debug)]
pub struct CompileThread {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    module: Arc<Module>,
    reply: Sender<Result<CompiledModule, CompileError>>,
}

/// A compilation under way.
#[derive(Debug)]
pub struct Pending {
    reply: Receiver<Result<CompiledModule, CompileError>>,
}

impl CompileThread {
    /// Starts the thread.
    pub fn new(compiler: Arc<Compiler>) -> CompileThread {
        let (jobs, queue) = channel::<Job>();
        let work = move || {
            for job in queue {
                // Nobody may be waiting any more, which is fine.
                let _ = job.reply.send(compile(&compiler, &job.module));
            }
        };
        let thread = std::thread::Builder::new()
            .name("gobi-compile".to_owned())
            .spawn(work)
            .ok();
        CompileThread {
            jobs: Some(jobs),
            thread,
        }
    }

    /// Queues a module.
    pub fn submit(&self, module: impl Into<Arc<Module>>) -> Pending {
        let (reply, receiver) = channel();
        if let Some(jobs) = &self.jobs {
            // If the thread is gone, the reply's sender is dropped with the job and `wait` says so.
            let _ = jobs.send(Job {
                module: module.into(),
                reply,
            });
        }
        Pending { reply: receiver }
    }
}

impl Drop for CompileThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: panics are caught per job.
            let _ = thread.join();
        }
    }
}

impl Pending {
    /// Waits for the result.
    pub fn wait(self) -> Result<CompiledModule, CompileError> {
        self.reply.recv().unwrap_or_else(|_| Err(ended()))
    }

    /// The result if it is there; asked again after that, an error.
    pub fn poll(&self) -> Option<Result<CompiledModule, CompileError>> {
        match self.reply.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(ended())),
        }
    }
}

fn compile(compiler: &Compiler, module: &Module) -> Result<CompiledModule, CompileError> {
    // The compiler's only state is buffers, which a failed compilation does not give back.
    catch_unwind(AssertUnwindSafe(|| compiler.compile(module))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(CompileError::Backend(format!("the code generator panicked: {text}")))
    })
}

fn ended() -> CompileError {
    CompileError::Backend("the compile thread has ended".to_owned())
}
