//! What generated code may call: scalar functions that have no inline form, and LIKE.
//!
//! `upper(c_name)` passes its argument in a cell of 32 bytes (16 of value, one of validity); the result comes back in the first
//! cell, a long string in the query's arena.
//!
//! Invariants: no function unwinds; a failure is a status, its diagnostic is left in the [`Host`].
//!
//! Does not: choose what is called.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use gobi_jit::{HostTable, host_functions};

use super::growing::{self, array_filled, array_grow, array_room, object_own};
use super::lists::{self, Lists};
use super::maps::{Maps, map_entry, map_find, map_put};
use super::memory::{Budget, Reservation};
use super::routine::{self, Asking};
use super::texts::{int_text, text_concat, text_extend, text_extend_int};
use super::{CancelToken, ExecError, Lines, arranged, nested, operators};
use crate::compile::{HostCall, HostWork, Pattern, PipelineCode};
use crate::functions::like::LikePattern;
use crate::functions::{self, Scalar};
use crate::plan::physical::Span;
use crate::types::cast::{self, CastError};
use crate::types::nested::{NestedLayout, Objects, interval_bits};
use crate::types::value::TEXT_HEAD_BYTES;
use crate::types::{Interval, LogicalType, Physical, Value};

/// A worker's side of host calls.
#[derive(Debug)]
pub struct Host {
    pub(super) code: Arc<PipelineCode>,
    /// Texts, arrays and structs made by functions.
    pub(super) arena: Objects,
    /// Indexes of maps in it.
    pub(super) maps: Maps,
    /// States of `array_agg`.
    lists: Lists,
    /// Text of the call at hand.
    pub(super) scratch: Vec<u8>,
    env: functions::Env,
    /// What a body can ask.
    pub(super) asking: Option<Asking>,
    /// Memory of the arena and the lists.
    held: Reservation,
    /// Who holds it.
    operator: &'static str,
    /// Stops calls that make much.
    pub cancel: CancelToken,
    /// Tells the lines of errors, where no body does.
    pub(super) lines: Lines,
    /// Bytes made since it was looked at.
    made: usize,
    /// What went wrong.
    pub error: Option<ExecError>,
    /// What handlers have caught, by the places of the cells that they have of it.
    caught: Vec<(usize, Box<ExecError>)>,
    /// Calls that the error at hand has left.
    pub(super) through: Vec<Span>,
}

/// So many errors are kept whole; of earlier ones their handlers know the names and messages.
const MOST_CAUGHT: usize = 4_096;
/// Less is not worth counting before it is made.
const SMALL_BYTES: usize = 1 << 16;
/// A larger buffer is given up behind the call that needed it.
const KEPT_SCRATCH_BYTES: usize = 1 << 20;
/// A value takes so many times its bytes where it is written as a text, piece by piece.
const WRITTEN: usize = 4;

/// After so many bytes a call looks whether the query was cancelled: rows of a block may make gigabytes.
const LOOK_BYTES: usize = 1 << 22;

impl Host {
    /// For one pipeline and one worker; what it makes is taken from the budget in the name of the operator.
    pub fn new(
        code: Arc<PipelineCode>,
        (now_micros, seed): (i64, u128),
        (budget, operator): (&Arc<Budget>, &'static str),
    ) -> Result<Box<Self>, ExecError> {
        let env = functions::Env::new(now_micros, seed);
        Ok(Box::new(Self {
            code,
            arena: Objects::default(),
            maps: Maps::default(),
            lists: Lists::default(),
            scratch: Vec::new(),
            env,
            asking: None,
            held: budget.reserve(0, operator)?,
            operator,
            cancel: CancelToken::default(),
            lines: Lines::default(),
            made: 0,
            error: None,
            caught: Vec::new(),
            through: Vec::new(),
        }))
    }

    /// Keeps what a handler has caught, in the place of what it had caught before.
    pub(super) fn keep_caught(&mut self, cells: usize, error: ExecError) {
        self.caught.retain(|(known, _)| *known != cells);
        if self.caught.len() >= MOST_CAUGHT {
            self.caught.remove(0);
        }
        self.caught.push((cells, Box::new(error)));
    }

    /// What the handler with these cells has caught.
    pub(super) fn take_caught(&mut self, cells: usize) -> Option<ExecError> {
        let at = self.caught.iter().position(|(known, _)| *known == cells)?;
        Some(*self.caught.remove(at).1)
    }

    /// The rows that come now are of this morsel.
    pub fn enter(&mut self, morsel: usize) {
        self.lists.enter(morsel);
    }

    /// Forgets texts, arrays and structs made so far; nothing may point to them any more.
    pub fn reset(&mut self) -> Result<(), ExecError> {
        self.arena.clear();
        self.maps.forget();
        self.settle()
    }

    /// Bytes of texts, arrays and structs made so far.
    pub fn bytes(&self) -> usize {
        self.arena.bytes()
    }

    fn made_bytes(&self) -> usize {
        self.arena.bytes() + self.lists.bytes() + self.maps.bytes()
    }

    /// Takes what was made since the last call from the budget.
    pub(super) fn settle(&mut self) -> Result<(), ExecError> {
        let bytes = self.made_bytes();
        if bytes == self.held.bytes() {
            return Ok(());
        }
        self.made += bytes.saturating_sub(self.held.bytes());
        if self.made > LOOK_BYTES {
            self.made = 0;
            self.cancel.check()?;
        }
        self.held.resize(bytes, self.operator)
    }

    /// Bytes that can still be made.
    pub(super) fn left_bytes(&self) -> usize {
        self.held.budget().left_bytes()
    }

    /// Sees that these cells can be read as values, of which nothing is shared; what they take is held until the next
    /// [`Self::settle`].
    ///
    /// # Safety
    /// There is a cell for each type.
    pub(super) unsafe fn admit_values(&mut self, cells: *const u8, types: &[LogicalType]) -> Result<usize, ExecError> {
        let mut bytes = 0_usize;
        for (at, ty) in types.iter().enumerate() {
            // SAFETY: the caller's promise.
            bytes = bytes.saturating_add(unsafe { cell_weight(cells.add(CELL_BYTES * at), ty, self.left_bytes()) });
        }
        if bytes > SMALL_BYTES {
            self.admit(bytes)?;
        }
        Ok(bytes)
    }

    /// Sees that so many bytes more can be made.
    pub(super) fn admit(&mut self, bytes: usize) -> Result<(), ExecError> {
        let held = self.made_bytes();
        self.held.resize(held.saturating_add(bytes), self.operator)
    }

    /// Fails if so many bytes more cannot be made.
    pub(super) fn affords(&mut self, bytes: usize) -> Result<(), ExecError> {
        if bytes <= self.left_bytes() {
            return Ok(());
        }
        self.admit(bytes)?;
        self.settle()
    }

    /// Gives up the buffer of the call at hand if it has become large.
    pub(super) fn keep_scratch(&mut self, scratch: Vec<u8>) {
        if scratch.capacity() <= KEPT_SCRATCH_BYTES {
            self.scratch = scratch;
        }
    }

    /// As [`Self::settle`], as the status of a host function.
    pub(super) fn settled(&mut self) -> i64 {
        match self.settle() {
            Ok(()) => 0,
            Err(error) => self.failed(error),
        }
    }

    /// The status of a host function that leaves an error.
    pub(super) fn failed(&mut self, error: ExecError) -> i64 {
        self.error = Some(error);
        1
    }
}

/// Bytes of an argument or result cell.
pub(super) const CELL_BYTES: usize = 32;
pub(super) const VALID_AT: usize = 16;

/// The host functions of the engine.
pub fn table() -> &'static HostTable {
    static TABLE: OnceLock<HostTable> = OnceLock::new();
    TABLE.get_or_init(|| HostTable::new(&FUNCTIONS).with(&routine::FUNCTIONS))
}

host_functions! {
    /// Everything that kernels of the engine can call.
    static FUNCTIONS = {
        "call_scalar" => call_scalar(host: *mut u8, call: i64, cells: *mut u8) -> i64;
        "through" => through(host: *mut u8, site: i64) -> i64;
        "like_match" => like_match(pattern: *const u8, view: *const u8) -> i64;
        "nested_compare" => nested_compare(layout: *const u8, x: *const u8, y: *const u8) -> i64;
        "list_add" => list_add(host: *mut u8, place: *mut u8, cell: *const u8, stride: i64, counts: i64) -> i64;
        "list_merge" => list_merge(host: *mut u8, into: *mut u8, from: *mut u8) -> i64;
        "list_finish" => list_finish(host: *mut u8, state: i64) -> i64;
        "array_room" => array_room(host: *mut u8, place: *mut u8, count: i64, room: i64, stride: i64) -> i64;
        "array_filled" => array_filled(object: *mut u8, stride: i64) -> i64;
        "array_grow" => array_grow(host: *mut u8, place: *mut u8, layout: *const u8) -> i64;
        "object_own" => object_own(host: *mut u8, place: *mut u8, layout: *const u8) -> i64;
        "map_find" => map_find(host: *mut u8, object: *const u8, layout: *const u8, cell: *mut u8) -> i64;
        "map_put" => map_put(host: *mut u8, place: *mut u8, layout: *const u8, cells: *const u8) -> i64;
        "map_entry" => map_entry(host: *mut u8, place: *mut u8, layout: *const u8, cell: *mut u8) -> i64;
        "int_text" => int_text(host: *mut u8, view: *mut u8, number: i64) -> i64;
        "text_concat" => text_concat(host: *mut u8, views: *mut u8, count: i64) -> i64;
        "text_extend" => text_extend(host: *mut u8, view: *mut u8, room: *mut u8, piece: *const u8) -> i64;
        "text_extend_int" => text_extend_int(host: *mut u8, view: *mut u8, room: *mut u8, number: i64) -> i64;
        "nested_hash" => nested_hash(layout: *const u8, x: *const u8) -> i64;
    };
}

extern "C" fn like_match(pattern: *const u8, view: *const u8) -> i64 {
    // SAFETY: generated code passes a pattern of the pipeline's code and the address of a view.
    let (pattern, text) = unsafe { (&*pattern.cast::<Pattern>(), text_of(view)) };
    i64::from(pattern.0.matches(text))
}

/// Negative, zero or positive.
extern "C" fn nested_compare(layout: *const u8, x: *const u8, y: *const u8) -> i64 {
    // SAFETY: generated code passes a layout of the pipeline's code and addresses of objects of it, or null.
    let order = unsafe { nested::compare(x, y, &*layout.cast::<NestedLayout>()) };
    order as i64
}

extern "C" fn nested_hash(layout: *const u8, x: *const u8) -> i64 {
    // SAFETY: as above.
    unsafe { nested::hash(x, &*layout.cast::<NestedLayout>()) }.cast_signed()
}

extern "C" fn list_add(host: *mut u8, place: *mut u8, cell: *const u8, stride: i64, counts: i64) -> i64 {
    if counts == 0 {
        return 0;
    }
    // SAFETY: the host slot holds the worker's `Host`, the place a state of a group, the cell a value of so many bytes.
    unsafe {
        let valid = cell.add(VALID_AT).read() != 0;
        let host = &mut *host.cast::<Host>();
        let stride = usize::try_from(stride).unwrap_or(0);
        let grows = lists::grows(place.cast(), (1, stride));
        if grows > SMALL_BYTES
            && let Err(error) = host.admit(grows)
        {
            return host.failed(error);
        }
        host.lists.add(place.cast(), valid.then_some(cell), stride);
        host.settled()
    }
}

extern "C" fn list_merge(host: *mut u8, into: *mut u8, from: *mut u8) -> i64 {
    // SAFETY: as above; the two states are of different tables, which nobody else changes.
    unsafe {
        let host = &mut *host.cast::<Host>();
        let grows = lists::grows_by_merge(into.cast(), from.cast());
        if grows > SMALL_BYTES
            && let Err(error) = host.admit(grows)
        {
            return host.failed(error);
        }
        host.lists.merge(into.cast(), from.cast());
        host.settled()
    }
}

/// 0: there is no list, or no memory.
extern "C" fn list_finish(host: *mut u8, state: i64) -> i64 {
    // SAFETY: as above; the groups are complete.
    unsafe {
        let host = &mut *host.cast::<Host>();
        let bytes = lists::finishing_bytes(state.cast_unsigned());
        if bytes > SMALL_BYTES
            && let Err(error) = host.admit(bytes)
        {
            host.error = Some(error);
            return 0;
        }
        let address = lists::finished(state.cast_unsigned(), &mut host.arena);
        match host.settled() {
            0 => address.cast_signed(),
            _ => 0,
        }
    }
}

/// So many calls are kept of those that an error leaves: the innermost ones, and the outermost.
const MOST_CALLS: usize = 16;

/// An error leaves a call that stands at this site.
extern "C" fn through(host: *mut u8, site: i64) -> i64 {
    // SAFETY: as for `call_scalar`.
    let host = unsafe { &mut *host.cast::<Host>() };
    let site = host.code.sites.get(usize::try_from(site).unwrap_or(usize::MAX));
    if let Some(span) = site.map(|site| site.span) {
        host.through.truncate(MOST_CALLS - 1);
        host.through.push(span);
    }
    0
}

extern "C" fn call_scalar(host: *mut u8, call: i64, cells: *mut u8) -> i64 {
    // SAFETY: the frame's host slot holds the worker's `Host`, which nothing else uses while a kernel runs.
    let host = unsafe { &mut *host.cast::<Host>() };
    // SAFETY: the host holds the code for as long as it lives, and nobody changes it.
    let code = unsafe { &*Arc::as_ptr(&host.code) };
    let Some(call) = code.host_calls.get(call as usize) else {
        return 1;
    };
    // SAFETY: generated code passes the cells of this call.
    let done = catch_unwind(AssertUnwindSafe(|| match unsafe { perform(host, call, cells) } {
        Ok(()) => 0,
        Err(error) => {
            host.error = Some(ExecError {
                span: Some(call.span),
                ..error
            });
            1
        }
    }));
    done.unwrap_or_else(|_| {
        host.error = Some(ExecError::internal("a scalar function panicked"));
        1
    })
}

/// # Safety
/// `cells` has a cell for the result and one for each argument.
unsafe fn perform(host: &mut Host, call: &HostCall, cells: *mut u8) -> Result<(), ExecError> {
    // SAFETY: the caller's promise, passed on for each cell.
    let cell = |i: usize| unsafe { cells.add(CELL_BYTES * (i + 1)) };
    let bits = if let Some(work) = arranged::work(call) {
        // SAFETY: as above.
        unsafe { arranged::arranged(host, call, work, cells.add(CELL_BYTES))? }
    } else if let Some(body) = on_elements(call) {
        // SAFETY: as above.
        unsafe { over_elements(host, call, body, cells.add(CELL_BYTES))? }
    } else if is_concat(call) {
        // SAFETY: as above.
        unsafe { joined(host, call, cells.add(CELL_BYTES))? }
    } else if takes_values(call) {
        // SAFETY: as above.
        let given = unsafe { host.admit_values(cells.add(CELL_BYTES), &call.args) }?;
        // SAFETY: as above.
        let value_of = |(i, ty): (usize, &LogicalType)| unsafe { cell_value(cell(i), ty) };
        let args: Vec<Value> = call.args.iter().enumerate().map(value_of).collect();
        on_values(host, call, (&args, given))?
    } else {
        // SAFETY: as above.
        let arg = |i: usize| unsafe { read_cell(cell(i), &call.args[i]) };
        // Few arguments stay out of the heap.
        match call.args.len() {
            1 => on_scalars(host, call, &[arg(0)])?,
            2 => on_scalars(host, call, &[arg(0), arg(1)])?,
            3 => on_scalars(host, call, &[arg(0), arg(1), arg(2)])?,
            count => on_scalars(host, call, &(0..count).map(arg).collect::<Vec<_>>())?,
        }
    };
    host.settle()?;
    // SAFETY: the first cell is the result's.
    unsafe {
        cells.cast::<u128>().write_unaligned(bits.unwrap_or(0));
        cells.add(VALID_AT).write(u8::from(bits.is_some()));
    }
    Ok(())
}

/// Whether a call puts arrays of one type together.
fn is_concat(call: &HostCall) -> bool {
    let HostWork::Function(function) = call.work else {
        return false;
    };
    functions::function(function).name == "array_concat"
        && matches!(call.result, LogicalType::Array(_))
        && call.args.iter().all(|arg| *arg == call.result)
}

/// # Safety
/// `cells` has a cell for each argument.
unsafe fn joined(host: &mut Host, call: &HostCall, cells: *const u8) -> Result<Option<u128>, ExecError> {
    let Some(layout) = NestedLayout::of(&call.result) else {
        return Err(ExecError::internal("an array without elements"));
    };
    let mut objects = Vec::with_capacity(call.args.len());
    for at in 0..call.args.len() {
        // SAFETY: the caller's promise; a value is the address of an array.
        let object = unsafe {
            let cell = cells.add(CELL_BYTES * at);
            (cell.add(VALID_AT).read() != 0).then(|| cell.cast::<*const u8>().read_unaligned())
        };
        match object {
            Some(object) if !object.is_null() => objects.push(object),
            _ => return Ok(None),
        }
    }
    // SAFETY: the objects are arrays of the result's type.
    let made = unsafe { growing::joined(host, &objects, &layout) }?;
    Ok(Some(u128::from(made as u64)))
}

/// The body on elements, for calls of functions that have one.
fn on_elements(call: &HostCall) -> Option<functions::ItemsBody> {
    match call.work {
        HostWork::Function(function) => functions::items_body(function, &call.args),
        _ => None,
    }
}

/// Calls a function on the elements of an array where they lie.
///
/// # Safety
/// `cells` has a cell for each argument.
unsafe fn over_elements(
    host: &mut Host,
    call: &HostCall,
    body: functions::ItemsBody,
    cells: *const u8,
) -> Result<Option<u128>, ExecError> {
    let Some((LogicalType::Array(item), types)) = call.args.split_first() else {
        return Err(ExecError::internal("a function of elements without an array"));
    };
    let stored = item.physical();
    // SAFETY: the caller's promise; the first cell has the address of an array object whose elements are stored like this.
    let (object, rest) = unsafe {
        let object = match cells.add(VALID_AT).read() {
            0 => std::ptr::null(),
            _ => cells.cast::<*const u8>().read_unaligned(),
        };
        let arg = |(i, ty)| read_cell(cells.add(CELL_BYTES * (i + 1)), ty);
        (object, types.iter().enumerate().map(arg).collect::<Vec<_>>())
    };
    if object.is_null() {
        return Ok(None);
    }
    // SAFETY: as above.
    let length = unsafe { nested::length(object) };
    let mut items = (0..length).map(|i| {
        // SAFETY: as above.
        let part = unsafe { nested::element(object, stored.bytes(), i) };
        // SAFETY: an element is a value stored like this.
        part.map_or(Scalar::Null, |at| unsafe { read_scalar(at, stored) })
    });
    let mut scratch = std::mem::take(&mut host.scratch);
    scratch.clear();
    let row = functions::ItemsCall { item, rest: &rest };
    let left = host.left_bytes();
    let called = match length > SMALL_BYTES {
        true => stoppable(&host.cancel, || {
            functions::within(left, || body(&row, &mut items, &mut scratch))
        })?,
        false => functions::within(left, || body(&row, &mut items, &mut scratch)),
    };
    let bits = match called {
        Ok(made) => Ok(scalar_bits(&mut host.arena, &made, &call.result)),
        Err(error) => Err(ExecError::of_function(error)),
    };
    host.keep_scratch(scratch);
    bits
}

/// Calls what may take long.
fn stoppable<R>(cancel: &CancelToken, run: impl FnOnce() -> R) -> Result<R, ExecError> {
    cancel.check()?;
    let token = cancel.clone();
    let made = functions::stoppable(Rc::new(move || token.is_cancelled()), run);
    cancel.check()?;
    Ok(made)
}

/// Whether a call needs its arguments as values, because they may be nested.
fn takes_values(call: &HostCall) -> bool {
    match call.work {
        HostWork::Function(function) => functions::function(function).values.is_some(),
        HostWork::Cast { .. } | HostWork::Concat => call.args.iter().any(LogicalType::is_nested),
        HostWork::Operator(_) => true,
        HostWork::NegateInterval | HostWork::Like { .. } => false,
    }
}

fn on_values(
    host: &mut Host,
    call: &HostCall,
    (args, given_bytes): (&[Value], usize),
) -> Result<Option<u128>, ExecError> {
    let (types, result) = (&call.args, &call.result);
    let is_large = given_bytes > SMALL_BYTES;
    if is_large && matches!(call.work, HostWork::Cast { .. } | HostWork::Concat) {
        host.admit(given_bytes.saturating_mul(WRITTEN))?;
    }
    let value = match (call.work, args) {
        (HostWork::Function(function), args) => {
            let left = host.left_bytes();
            let run = || functions::call_values(function, args, types, result, &host.env);
            let made = match is_large {
                true => stoppable(&host.cancel, || functions::within(left, run))?,
                false => functions::within(left, run),
            };
            made.map_err(ExecError::of_function)?
        }
        (HostWork::Cast { try_ }, [value]) => match cast::cast(value, &types[0], result) {
            Ok(value) => value,
            Err(_) if try_ => Value::Null,
            Err(error) => return Err(ExecError::user(error.code, error.message)),
        },
        (HostWork::Operator(name), [x, y]) => operators::apply(name, (x, &types[0]), (y, &types[1]), result)?,
        (HostWork::Concat, [Value::Null, _] | [_, Value::Null]) => Value::Null,
        (HostWork::Concat, [x, y]) => Value::String((x.display(&types[0]) + &y.display(&types[1])).into()),
        _ => return Err(ExecError::internal("a call with other arguments than it takes")),
    };
    if is_large || result.is_nested() {
        let made = value.weight();
        if made > SMALL_BYTES {
            // It is copied twice on its way.
            host.admit(given_bytes.saturating_add(made.saturating_mul(3)))?;
        }
    }
    Ok(host.arena.bits(&value, result))
}

fn on_scalars(host: &mut Host, call: &HostCall, args: &[Scalar<'_>]) -> Result<Option<u128>, ExecError> {
    match (call.work, args) {
        (HostWork::Function(function), args) => scalar_function(host, function, (args, &call.args), &call.result),
        (HostWork::Cast { try_ }, [arg]) => {
            if let Scalar::Bytes(text) = arg
                && call.result.is_nested()
                && text.len() > SMALL_BYTES
            {
                host.admit(parsed_bytes(text))?;
            }
            match converted(host, arg, &call.args[0], &call.result) {
                Err(_) if try_ => Ok(None),
                done => done.map_err(|error| ExecError::user(error.code, error.message)),
            }
        }
        (HostWork::Concat, [Scalar::Null, _] | [_, Scalar::Null]) => Ok(None),
        (HostWork::Concat, args) => {
            let bytes = |arg: &Scalar<'_>| match arg {
                Scalar::Bytes(bytes) => bytes.len(),
                _ => 0,
            };
            let total: usize = args.iter().map(bytes).sum();
            if total > SMALL_BYTES {
                host.admit(total.saturating_mul(2))?;
            }
            let mut scratch = std::mem::take(&mut host.scratch);
            scratch.clear();
            scratch.reserve(total);
            for (arg, ty) in args.iter().zip(&call.args) {
                match arg {
                    Scalar::Bytes(bytes) if *ty == LogicalType::String => scratch.extend_from_slice(bytes),
                    arg => scratch.extend_from_slice(to_value(arg, ty).display(ty).as_bytes()),
                }
            }
            let bits = host.arena.text(&scratch);
            host.keep_scratch(scratch);
            Ok(Some(bits))
        }
        (
            HostWork::Like {
                escape,
                case_insensitive,
            },
            args,
        ) => like(args, escape, case_insensitive),
        (HostWork::NegateInterval, [Scalar::Interval(i)]) => Ok(Some(interval_bits(Interval {
            months: i.months.wrapping_neg(),
            days: i.days.wrapping_neg(),
            micros: i.micros.wrapping_neg(),
        }))),
        _ => Ok(None),
    }
}

/// What the values of a text take, at most, and the objects that they become.
fn parsed_bytes(text: &[u8]) -> usize {
    let ends = text
        .iter()
        .filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{'))
        .count();
    let each = 2 * size_of::<Value>() + 2 * TEXT_HEAD_BYTES;
    (ends + 1).saturating_mul(each).saturating_add(text.len())
}

fn converted(
    host: &mut Host,
    arg: &Scalar<'_>,
    from: &LogicalType,
    to: &LogicalType,
) -> Result<Option<u128>, CastError> {
    let value = match arg {
        Scalar::Null => return Ok(None),
        Scalar::Bytes(bytes) if *from == LogicalType::String && *to != LogicalType::String => {
            cast::from_text(&String::from_utf8_lossy(bytes), to)?
        }
        arg if *to == LogicalType::String => {
            let text = to_value(arg, from).display(from);
            return Ok(Some(host.arena.text(text.as_bytes())));
        }
        arg => cast::cast(&to_value(arg, from), from, to)?,
    };
    Ok(host.arena.bits(&value, to))
}

fn scalar_function(
    host: &mut Host,
    function: functions::FunctionId,
    (args, types): (&[Scalar<'_>], &[LogicalType]),
    result: &LogicalType,
) -> Result<Option<u128>, ExecError> {
    let mut scratch = std::mem::take(&mut host.scratch);
    scratch.clear();
    let row = functions::Call {
        args,
        types,
        result,
        env: &host.env,
    };
    let called = functions::within(host.held.budget().left_bytes(), || {
        functions::call(function, &row, &mut scratch)
    });
    let bits = match called {
        Ok(made) => Ok(scalar_bits(&mut host.arena, &made, result)),
        Err(error) => Err(ExecError::of_function(error)),
    };
    host.keep_scratch(scratch);
    bits
}

fn like(args: &[Scalar<'_>], escape: Option<char>, case_insensitive: bool) -> Result<Option<u128>, ExecError> {
    let (Scalar::Bytes(text), Scalar::Bytes(pattern)) = (&args[0], &args[1]) else {
        return Ok(None);
    };
    let pattern = String::from_utf8_lossy(pattern);
    let compiled =
        LikePattern::new(&pattern, escape, case_insensitive).map_err(|e| ExecError::user(e.code, e.message))?;
    Ok(Some(u128::from(compiled.matches(text))))
}

/// # Safety
/// `view` is the address of a view whose text is alive.
pub unsafe fn text_of<'a>(view: *const u8) -> &'a [u8] {
    // SAFETY: a view has 16 bytes; a long one holds the address of its text.
    unsafe {
        let len = view.cast::<u32>().read_unaligned() as usize;
        let start = if len <= 12 {
            view.add(4)
        } else {
            view.add(8).cast::<*const u8>().read_unaligned()
        };
        std::slice::from_raw_parts(start, len)
    }
}

/// # Safety
/// `cell` holds a value in the natural layout of the type, and a validity byte.
pub(super) unsafe fn read_cell<'a>(cell: *const u8, ty: &LogicalType) -> Scalar<'a> {
    // SAFETY: the caller's promise.
    unsafe {
        if cell.add(VALID_AT).read() == 0 {
            return Scalar::Null;
        }
        read_scalar(cell, ty.physical())
    }
}

/// What the value of a cell takes beside the cell, nothing shared; counted up to `most`.
///
/// # Safety
/// As [`read_cell`]; the value may be nested.
pub(super) unsafe fn cell_weight(cell: *const u8, ty: &LogicalType, most: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        if cell.add(VALID_AT).read() == 0 {
            return 0;
        }
        match NestedLayout::of(ty) {
            Some(layout) => {
                let object = cell.cast::<*const u8>().read_unaligned();
                nested::weight(object, &layout, (size_of::<Value>(), most))
            }
            None if ty.physical() == Physical::Str => text_of(cell).len(),
            None => 0,
        }
    }
}

/// # Safety
/// As [`read_cell`]; the value may be nested.
pub(super) unsafe fn cell_value(cell: *const u8, ty: &LogicalType) -> Value {
    // SAFETY: the caller's promise.
    unsafe {
        if cell.add(VALID_AT).read() == 0 {
            return Value::Null;
        }
        nested::read_value(cell, ty)
    }
}

/// # Safety
/// `at` holds a value in this layout.
pub unsafe fn read_scalar<'a>(at: *const u8, stored: Physical) -> Scalar<'a> {
    // SAFETY: the caller's promise.
    unsafe {
        match stored {
            Physical::I8 => Scalar::Int(at.cast::<i8>().read_unaligned().into()),
            Physical::I16 => Scalar::Int(at.cast::<i16>().read_unaligned().into()),
            Physical::I32 => Scalar::Int(at.cast::<i32>().read_unaligned().into()),
            Physical::I64 | Physical::Nested => Scalar::Int(at.cast::<i64>().read_unaligned().into()),
            Physical::I128 => Scalar::Int(at.cast::<i128>().read_unaligned()),
            Physical::F32 => Scalar::Float(at.cast::<f32>().read_unaligned().into()),
            Physical::F64 => Scalar::Float(at.cast::<f64>().read_unaligned()),
            Physical::Str => Scalar::Bytes(text_of(at)),
            Physical::Interval => Scalar::Interval(at.cast::<Interval>().read_unaligned()),
        }
    }
}

/// A scalar as a value of its type.
pub fn to_value(scalar: &Scalar<'_>, ty: &LogicalType) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Int(v) if *ty == LogicalType::Boolean => Value::Boolean(*v != 0),
        Scalar::Int(v) => Value::Int(*v),
        Scalar::Float(v) => Value::Float(*v),
        Scalar::Bytes(bytes) if *ty == LogicalType::Blob => Value::Blob((*bytes).into()),
        Scalar::Bytes(bytes) => Value::String(String::from_utf8_lossy(bytes).into()),
        Scalar::Interval(i) => Value::Interval(*i),
    }
}

fn scalar_bits(arena: &mut Objects, scalar: &Scalar<'_>, ty: &LogicalType) -> Option<u128> {
    Some(match scalar {
        Scalar::Null => return None,
        Scalar::Int(v) => v.cast_unsigned(),
        Scalar::Float(v) if ty.physical() == Physical::F32 => u128::from((*v as f32).to_bits()),
        Scalar::Float(v) => u128::from(v.to_bits()),
        Scalar::Bytes(bytes) => arena.text(bytes),
        Scalar::Interval(i) => interval_bits(*i),
    })
}
