//! Runs bodies: a kernel that is called once, with values in cells, and may ask its session for what only that can do.
//!
//! `let n = 2; while n < 100 { n = n * n }` runs as a body with one parameter, `n`, whose new value is there when it has ended.
//!
//! Invariants: what the kernel asks is answered on the thread that runs it; an error of the session's is the body's, unless the
//! body catches it; being asked to stop cannot be caught.
//!
//! Does not: know what questions mean.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::ArrayRef;
use gobi_jit::{Executable, Interpreter, abi, host_functions};

use super::collected::{Pending, Taken};
use super::engine::{Engine, Shared};
use super::explain::{self, PipelineExplain};
use super::frame::Frame;
use super::host::{self, CELL_BYTES, Host, VALID_AT, cell_value, cell_weight};
use super::memory::Budget;
use super::moment::Moment;
use super::prepare;
use super::spent::{At, Spent};
use super::tidy::{mark, tidy};
use super::{ErrorKind, ExecError, JitMode, QueryOptions, worker};
use crate::compile::PipelineCode;
use crate::compile::frame::{CANCEL, Slot};
use crate::types::nested::Objects;
use crate::types::stack::{with_bytes, with_room};
use crate::types::{LogicalType, Value};

/// Who takes memory for what a script keeps from one statement to the next.
const VARIABLES: &str = "what the script keeps";

/// The types of a question's values.
#[derive(Clone, Debug, Default)]
pub struct QuestionTypes {
    /// What is given with it.
    pub given: Vec<LogicalType>,
    /// What its answer holds.
    pub taken: Vec<LogicalType>,
    /// It undoes what was done since a question before: rows that were collected since are not to be added.
    pub undoes: bool,
    /// It begins a TRY (1), or ends one (-1): in one rows are not collected, so that one that is refused is so where it is added.
    pub tries: i32,
    /// It ends a loop, maybe after an error: rows that were collected wait for the next question.
    pub closes: bool,
}

/// Answers what a body asks.
pub trait Answers {
    /// The answer to a question; `None`: there is none (no row).
    fn answer(&mut self, question: usize, given: Vec<Value>) -> Result<Option<Vec<Value>>, ExecError>;

    /// The rows that statements have written since this was asked last.
    fn written(&mut self) -> u64;

    /// The line of a place in the text, if it is known.
    fn line(&self, place: u32) -> Option<u32>;

    /// Takes what the body has spent, when it has ended.
    fn spent(&mut self, spent: Spent);

    /// Takes the rows that were collected for a question, as columns; where they may be tried again, nothing is left of them after an error.
    fn rows(&mut self, question: usize, columns: Vec<ArrayRef>, tried: bool) -> Result<(), ExecError>;
}

/// A body that can be run.
#[derive(Clone, Debug)]
pub struct Body {
    code: Arc<PipelineCode>,
    executable: Arc<Executable>,
    params: Vec<LogicalType>,
    result: Option<LogicalType>,
    questions: Arc<Vec<QuestionTypes>>,
}

/// The types of a body's values.
#[derive(Clone, Debug, Default)]
pub struct BodyTypes {
    /// Parameters.
    pub params: Vec<LogicalType>,
    /// Result.
    pub result: Option<LogicalType>,
    /// What it asks.
    pub questions: Vec<QuestionTypes>,
    /// It has loops, or calls that may be deep: compiling pays.
    pub loops: bool,
}

/// What a body left.
#[derive(Debug)]
pub struct Outcome {
    /// Its result; NULL if it gives none.
    pub result: Value,
    /// Its parameters, as they are now.
    pub params: Vec<Value>,
}

/// A worker's way to its session.
#[derive(Debug)]
pub(super) struct Asking {
    answers: *mut (dyn Answers + 'static),
    pub(super) questions: Arc<Vec<QuestionTypes>>,
    /// Rows that are not handed over yet.
    pending: Pending,
    /// How many TRYs there are around what runs, of whichever function.
    tries: i32,
    /// A row was refused.
    refused: bool,
    spent: Spent,
}

// SAFETY: a body runs, and asks, on the thread that made this; queries, whose workers are other threads, have none.
unsafe impl Send for Asking {}

impl Engine {
    /// Compiles a body.
    pub fn prepare_body(
        &self,
        code: PipelineCode,
        types: BodyTypes,
        options: &QueryOptions,
    ) -> Result<Body, ExecError> {
        let code = Arc::new(code);
        let executable = executable(self.shared(), &code, types.loops, options)?;
        Ok(Body {
            code,
            executable,
            params: types.params,
            result: types.result,
            questions: Arc::new(types.questions),
        })
    }
}

impl Engine {
    /// The code of a body, as texts.
    pub fn explain_body(&self, code: &PipelineCode, options: &QueryOptions) -> Result<PipelineExplain, ExecError> {
        let clock = std::time::Instant::now();
        let options = QueryOptions {
            dump_code: true,
            ..options.clone()
        };
        let executable = executable(self.shared(), code, true, &options)?;
        let interpreted = matches!(*executable, Executable::Interpreted(_)).then(|| "jit is off".to_owned());
        Ok(PipelineExplain {
            compile_us: u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX),
            interpreted,
            ..explain::of_code(code, &executable)
        })
    }
}

pub(super) fn executable(
    shared: &Arc<Shared>,
    code: &PipelineCode,
    loops: bool,
    options: &QueryOptions,
) -> Result<Arc<Executable>, ExecError> {
    let wanted = match options.jit {
        JitMode::Off => false,
        JitMode::On => true,
        JitMode::Auto => loops,
    };
    if wanted {
        match prepare::compiled(shared, code, options) {
            Ok((executable, _)) => return Ok(executable),
            Err(message) => tracing::warn!("interpreting a body: {message}"),
        }
    }
    let interpreter = Interpreter::new(&code.module, host::table())
        .map_err(|e| ExecError::internal(&format!("a body is not well formed: {e}")))?;
    Ok(Arc::new(Executable::Interpreted(interpreter)))
}

impl Body {
    /// Runs it.
    pub fn run(
        &self,
        params: &[Value],
        answers: &mut dyn Answers,
        options: &QueryOptions,
    ) -> Result<Outcome, ExecError> {
        let mut given = Objects::default();
        let mut cells = vec![[0u128; 2]; params.len() + 1];
        for ((cell, value), ty) in cells.iter_mut().skip(1).zip(params).zip(&self.params) {
            if let Some(bits) = given.bits(value, ty) {
                *cell = [bits, 1];
            }
        }
        // SAFETY: only the lifetime is forgotten; the host goes before `answers` does.
        let answers: *mut (dyn Answers + 'static) = unsafe { std::mem::transmute(std::ptr::from_mut(answers)) };
        let budget = Budget::new(options.memory_limit_bytes);
        let given_bytes = params.iter().map(Value::weight).sum::<usize>();
        let _held = budget.reserve(given_bytes.saturating_add(given.bytes()), VARIABLES)?;
        let mut host = host_for(&self.code, answers, &self.questions, &budget)?;
        host.maps.lasting = true;
        let mut frame = Frame::new(&self.code);
        frame.set(Slot::Cells, cells.as_mut_ptr() as u64);
        // SAFETY: the frame's slots are set for the code, and what they point to lives until the call has ended.
        unsafe { call(&self.code, &self.executable, &mut frame, &mut host, 0, options) }?;
        let mut taken = budget.reserve(0, VARIABLES)?;
        let types = self.result.iter().chain(&self.params);
        let left_cells = cells.iter().skip(usize::from(self.result.is_none()));
        for (cell, ty) in left_cells.zip(types) {
            // SAFETY: as below.
            let bytes = unsafe { cell_weight(cell.as_ptr().cast(), ty, budget.left_bytes()) };
            taken.resize(taken.bytes().saturating_add(bytes), VARIABLES)?;
        }
        let read = |cell: &[u128; 2], ty: &LogicalType| {
            // SAFETY: the kernel left a value of this type, and the arenas that it may point into live.
            unsafe { cell_value(cell.as_ptr().cast(), ty) }
        };
        let result = match &self.result {
            Some(ty) => read(&cells[0], ty),
            None => Value::Null,
        };
        let params = cells.iter().skip(1).zip(&self.params).map(|(cell, ty)| read(cell, ty));
        Ok(Outcome {
            result,
            params: params.collect(),
        })
    }
}

/// A host whose questions are answered.
pub(super) fn host_for(
    code: &Arc<PipelineCode>,
    answers: *mut (dyn Answers + 'static),
    questions: &Arc<Vec<QuestionTypes>>,
    budget: &Arc<Budget>,
) -> Result<Box<Host>, ExecError> {
    let mut host = Host::new(code.clone(), Moment::now().start(), (budget, "the body"))?;
    host.asking = Some(Asking {
        answers,
        questions: questions.clone(),
        pending: Pending::default(),
        tries: 0,
        refused: false,
        spent: Spent::default(),
    });
    Ok(host)
}

/// Calls a body's kernel for `rows` rows, and hands over what it has collected.
///
/// # Safety
/// The slots of the frame are set for the code, but for the host's, and what they point to lives, as do the host's answers.
pub(super) unsafe fn call(
    code: &PipelineCode,
    executable: &Executable,
    frame: &mut Frame,
    host: &mut Host,
    rows: usize,
    options: &QueryOptions,
) -> Result<(), ExecError> {
    host.cancel = options.cancel.clone();
    frame.set(Slot::Host, std::ptr::from_mut(host) as u64);
    frame.set_header(CANCEL, options.cancel.address());
    let status = with_bytes(code.stack_bytes, || {
        // SAFETY: the caller's promise.
        unsafe { executable.call_kernel(code.sink.id, frame.address(), 0, rows as i64) }
    });
    match status {
        0 => {
            hand_over(host)?;
            if let Some(asking) = &mut host.asking {
                asking.spent.ran(!matches!(executable, Executable::Interpreted(_)));
                // SAFETY: as for `answer`.
                unsafe { &mut *asking.answers }.spent(std::mem::take(&mut asking.spent));
            }
            Ok(())
        }
        abi::STATUS_DEPTH => Err(ExecError::user("54001", "calls are nested too deeply")),
        _ => {
            let failure = options.cancel.named(worker::failure(code, frame, host));
            refused_before(host, failure, options)
        }
    }
}

/// An error of a body, or that of a row which was added before it, and is refused.
fn refused_before(host: &mut Host, failure: ExecError, options: &QueryOptions) -> Result<(), ExecError> {
    let is_known = host.asking.as_ref().is_none_or(|asking| asking.refused);
    if !is_known && failure.kind == ErrorKind::User && !options.cancel.is_cancelled() {
        hand_over(host)?;
    }
    Err(failure)
}

/// Hands over the rows that were collected.
pub(super) fn hand_over(host: &mut Host) -> Result<(), ExecError> {
    let Some(asking) = &mut host.asking else { return Ok(()) };
    let taken = asking.pending.take()?;
    let added = asking.add(&taken);
    asking.refused |= added.is_err();
    added
}

/// What a row that refers to one which is not there is refused with.
const NOTHING_TO_REFER_TO: &str = "23503";

impl Asking {
    /// Adds rows INSERT by INSERT. If some of one refer to those that another one added before them, all that are left are added in their order.
    fn add(&mut self, taken: &Taken) -> Result<(), ExecError> {
        for (at, (question, rows, columns)) in taken.inserts.iter().enumerate() {
            if *rows == 0 {
                continue;
            }
            let tried = taken.runs.iter().any(|(other, _)| *other > at);
            match self.add_rows(*question, *rows, columns.clone(), tried) {
                Err(error) if tried && error.code == NOTHING_TO_REFER_TO => {
                    return self.add_in_order(taken, at);
                }
                added => added?,
            }
        }
        Ok(())
    }

    fn add_in_order(&mut self, taken: &Taken, first: usize) -> Result<(), ExecError> {
        let mut before = vec![0; taken.inserts.len()];
        let mut left: Vec<(usize, usize)> = Vec::new();
        for (at, rows) in taken.runs.iter().filter(|(at, _)| *at >= first) {
            match left.last_mut() {
                Some((last, more)) if last == at => *more += rows,
                _ => left.push((*at, *rows)),
            }
        }
        for (at, rows) in left {
            let Some((question, _, columns)) = taken.inserts.get(at) else {
                continue;
            };
            let columns = columns.iter().map(|column| column.slice(before[at], rows));
            self.add_rows(*question, rows, columns.collect(), false)?;
            before[at] += rows;
        }
        Ok(())
    }

    fn add_rows(&mut self, question: usize, rows: usize, columns: Vec<ArrayRef>, tried: bool) -> Result<(), ExecError> {
        // SAFETY: as for `answer`.
        unsafe { &mut *self.answers }.rows(question, columns, tried)?;
        self.spent.on(At::Question(question), rows as u64, rows as u64);
        Ok(())
    }
}

host_functions! {
    /// What bodies can call besides what queries can.
    pub(super) static FUNCTIONS = {
        "tick" => tick(host: *mut u8, flag: *const u8, site: i64, rounds: i64) -> i64;
        "collect" => collect(host: *mut u8, question: i64, cells: *mut u8) -> i64;
        "collect_more" => collect_more(host: *mut u8, question: i64, cells: *mut u8) -> i64;
        "ask" => ask(host: *mut u8, question: i64, cells: *mut u8) -> i64;
        "throw" => throw(host: *mut u8, site: i64, cells: *const u8) -> i64;
        "catch" => catch(host: *mut u8, frame: *const u8, cells: *mut u8) -> i64;
        "rethrow" => rethrow(host: *mut u8, cells: *const u8) -> i64;
        "mark" => mark(host: *mut u8, mark: *mut u8) -> i64;
        "tidy" => tidy(host: *mut u8, number: i64, mark: *mut u8, cells: *mut u8) -> i64;
    };
}

/// Whether to stop; the time since the last event was that of so many rounds of the loop at a site.
extern "C" fn tick(host: *mut u8, flag: *const u8, site: i64, rounds: i64) -> i64 {
    // SAFETY: the frame's host slot holds the kernel's `Host`, which nothing else uses meanwhile.
    let host = unsafe { &mut *host.cast::<Host>() };
    let site = host.code.sites.get(usize::try_from(site).unwrap_or(usize::MAX));
    if let (Some(asking), Some(site)) = (&mut host.asking, site) {
        asking.spent.on(At::Place(site.span.start), rounds.cast_unsigned(), 0);
    }
    if flag.is_null() {
        return 0;
    }
    // SAFETY: the frame holds the address of what the token says, which the query or body keeps alive.
    i64::from(unsafe { &*flag.cast::<super::Stop>() }.is_cancelled())
}

/// -1: an error; 0: the row in the cells is kept.
extern "C" fn collect(host: *mut u8, question: i64, cells: *mut u8) -> i64 {
    // SAFETY: generated code passes its frame's host, and the cells of this question.
    unsafe { collected(host, question, cells, false) }
}

/// The same for a row behind which another one of its INSERT comes: they are added together.
extern "C" fn collect_more(host: *mut u8, question: i64, cells: *mut u8) -> i64 {
    // SAFETY: as above.
    unsafe { collected(host, question, cells, true) }
}

/// # Safety
/// `host` is the frame's host, and `cells` has a cell for each value that the question is given.
unsafe fn collected(host: *mut u8, question: i64, cells: *mut u8, more: bool) -> i64 {
    // SAFETY: the frame's host slot holds the body's `Host`, which nothing else uses while it collects.
    let host = unsafe { &mut *host.cast::<Host>() };
    let number = usize::try_from(question).unwrap_or(usize::MAX);
    // SAFETY: the caller's promise.
    let kept = catch_unwind(AssertUnwindSafe(|| unsafe { keep(host, number, cells, more) }));
    match kept {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            host.error = Some(error);
            -1
        }
        Err(_) => {
            host.error = Some(ExecError::internal("a row of a body could not be kept"));
            -1
        }
    }
}

/// # Safety
/// `cells` has a cell for each value that the question is given.
unsafe fn keep(host: &mut Host, number: usize, cells: *const u8, more: bool) -> Result<(), ExecError> {
    let Some(asking) = &mut host.asking else {
        return Err(ExecError::unsupported("INSERT in a function that a query calls"));
    };
    let questions = asking.questions.clone();
    let types = questions
        .get(number)
        .ok_or_else(|| ExecError::internal("an unknown question"))?;
    // SAFETY: the caller's promise.
    let is_full = unsafe { asking.pending.add(number, &types.given, cells) };
    match !more && (is_full || asking.tries > 0) {
        true => hand_over(host),
        false => Ok(()),
    }
}

/// -1: an error; 0: no answer; 1: the answer is in the cells.
extern "C" fn ask(host: *mut u8, question: i64, cells: *mut u8) -> i64 {
    // SAFETY: the frame's host slot holds the body's `Host`, which nothing else uses while it asks.
    let host = unsafe { &mut *host.cast::<Host>() };
    let number = usize::try_from(question).unwrap_or(usize::MAX);
    let asked = || {
        // SAFETY: generated code passes the cells of this question.
        unsafe { answer(host, number, cells) }
    };
    let asked = catch_unwind(AssertUnwindSafe(|| with_room(asked)));
    match asked {
        Ok(Ok(answered)) => i64::from(answered),
        Ok(Err(error)) => {
            host.error = Some(error);
            -1
        }
        Err(_) => {
            host.error = Some(ExecError::internal("a question of a body panicked"));
            -1
        }
    }
}

/// # Safety
/// `cells` has a cell for each value given and for each of the answer.
unsafe fn answer(host: &mut Host, number: usize, cells: *mut u8) -> Result<bool, ExecError> {
    let Some(asking) = &mut host.asking else {
        return Err(ExecError::unsupported("SQL in a function that a query calls"));
    };
    let questions = asking.questions.clone();
    let types = questions
        .get(number)
        .ok_or_else(|| ExecError::internal("an unknown question"))?;
    let tries = types.tries;
    if types.undoes {
        asking.refused = false;
        asking.pending.clear();
    } else if !types.closes {
        hand_over(host)?;
    }
    if let Some(asking) = &mut host.asking {
        // A TRY that the rows before it did not let begin has no end either.
        asking.tries += tries;
    }
    // SAFETY: the caller's promise.
    unsafe { host.admit_values(cells, &types.given) }?;
    // SAFETY: the caller's promise.
    let given = types
        .given
        .iter()
        .enumerate()
        .map(|(at, ty)| unsafe { cell_value(cells.add(CELL_BYTES * at), ty) });
    let given: Vec<Value> = given.collect();
    let Some(asking) = &mut host.asking else {
        return Err(ExecError::internal("nobody answers"));
    };
    // SAFETY: `Body::run` outlives the kernel that asks, and lends its answers to nobody else.
    let answers = unsafe { &mut *asking.answers };
    let answer = answers.answer(number, given)?;
    let gives_row = answer.is_some() && !types.taken.is_empty();
    let rows = u64::from(gives_row) + answers.written();
    asking.spent.on(At::Question(number), 1, rows);
    let Some(values) = answer else { return Ok(false) };
    for (at, (value, ty)) in values.iter().zip(&types.taken).enumerate() {
        let bits = host.arena.bits(value, ty);
        // SAFETY: as above.
        unsafe { put(cells.add(CELL_BYTES * at), bits) };
    }
    host.settle()?;
    Ok(true)
}

/// # Safety
/// `cell` is the address of a cell.
pub(super) unsafe fn put(cell: *mut u8, bits: Option<u128>) {
    // SAFETY: the caller's promise.
    unsafe {
        cell.cast::<u128>().write_unaligned(bits.unwrap_or(0));
        cell.add(VALID_AT).write(u8::from(bits.is_some()));
    }
}

extern "C" fn throw(host: *mut u8, site: i64, cells: *const u8) -> i64 {
    // SAFETY: as for `ask`; the cells hold two texts.
    let (host, [name, message]) = unsafe { (&mut *host.cast::<Host>(), name_and_message(cells)) };
    let span = host
        .code
        .sites
        .get(usize::try_from(site).unwrap_or(usize::MAX))
        .map(|site| site.span);
    host.error = Some(ExecError {
        span,
        exception: Some(name),
        ..ExecError::user("P0001", message)
    });
    1
}

/// The texts of two cells.
///
/// # Safety
///
/// `cells` are cells with texts.
unsafe fn name_and_message(cells: *const u8) -> [String; 2] {
    [0, 1].map(|at| {
        // SAFETY: the caller's promise.
        match unsafe { cell_value(cells.add(CELL_BYTES * at), &LogicalType::String) } {
            Value::String(text) => text.to_string(),
            _ => String::new(),
        }
    })
}

/// 1: the error is in the cells, as its name, its message and where it was raised; 0: it cannot be caught.
extern "C" fn catch(host: *mut u8, frame: *const u8, cells: *mut u8) -> i64 {
    // SAFETY: as for `ask`.
    let host = unsafe { &mut *host.cast::<Host>() };
    let code = host.code.clone();
    // SAFETY: generated code passes its frame, which was made for this code.
    let error = unsafe { worker::failure_at(&code, frame, host) };
    if matches!(
        error.kind,
        ErrorKind::Cancelled | ErrorKind::Internal | ErrorKind::Corrupt
    ) {
        host.error = Some(error);
        return 0;
    }
    let name = error.exception.clone().unwrap_or_else(|| error.code.to_owned());
    let place = error.span.map(|span| span.start);
    let line = place.and_then(|place| match &host.asking {
        Some(asking) => {
            // SAFETY: as in `answer`.
            let answers = unsafe { &*asking.answers };
            answers.line(place)
        }
        None => host.lines.line(place),
    });
    let texts = [name, error.message.clone()].map(|text| host.arena.text(text.as_bytes()));
    // SAFETY: there are three cells.
    unsafe {
        put(cells, Some(texts[0]));
        put(cells.add(CELL_BYTES), Some(texts[1]));
        put(cells.add(2 * CELL_BYTES), line.map(u128::from));
    }
    host.keep_caught(cells.addr(), error);
    1
}

/// Fails with what was caught into these cells last.
extern "C" fn rethrow(host: *mut u8, cells: *const u8) -> i64 {
    let is_host = std::ptr::eq(host, cells);
    // SAFETY: as for `ask`.
    let host = unsafe { &mut *host.cast::<Host>() };
    host.error = Some(match host.take_caught(cells.addr()) {
        Some(caught) => caught,
        None if is_host => ExecError::internal("nothing was caught"),
        None => {
            // SAFETY: `catch` has put two texts there.
            let [name, message] = unsafe { name_and_message(cells) };
            ExecError {
                exception: Some(name),
                ..ExecError::user("P0001", message)
            }
        }
    });
    1
}
