//! gobi: an embedded lakehouse with a compiling query engine. Scripts in PL-GRIZZLY run as machine code over files.
//!
//! ```
//! use gobi::client::{Client, Settings, StatementResult};
//!
//! let mut session = Client::embedded(Settings::default(), None).session();
//! for result in session.execute("SELECT sum(range) AS total FROM range(5)") {
//!     let StatementResult::Rows(batches) = result? else { continue };
//!     assert_eq!(batches.fields()[0].name, "total");
//!     for batch in batches {
//!         assert_eq!(batch?.num_rows(), 1);
//!     }
//! }
//! # Ok::<(), gobi::client::Error>(())
//! ```
//!
//! # The life of a query
//!
//! `SELECT sum(l_extendedprice * l_discount) FROM 'lineitem.parquet' WHERE l_quantity < 24`, stop by stop:
//!
//! 1. [`cli`] or another program asks a [`client::Client`] for a [`session::Session`] and gives it the text.
//! 2. `session` has [`gobi_grammar::parse`] turn the text into [`gobi_grammar::ast`], all errors of the script at once.
//! 3. [`formats::open()`] finds the file and gives a [`formats::Relation`]: columns, row groups, statistics. What was opened
//!    before is looked up; a file that changed is opened anew.
//! 4. [`plan::bind()`] gives every name a column and every expression a type: a [`plan::logical::Plan`]. Functions come from the
//!    table in [`functions`].
//! 5. [`plan::optimize`] folds constants, pushes filters and columns into the scan, turns subqueries into joins and orders joins
//!    by what the files' statistics say.
//! 6. [`plan::physical`] cuts the tree into pipelines: a source, steps over rows in flight, and a sink that ends them. Here is
//!    decided what is dense, hashed, vectorized or fused; nothing after this stop decides.
//! 7. [`compile`] writes each pipeline as kernels in the IR of [`gobi_jit`]: whole loops over a block of rows, one for a filter or
//!    probe, and one for the sink with every expression that it needs.
//! 8. [`gobi_jit::Compiler`] makes machine code of it. Where that would not pay, or fails, [`gobi_jit::Interpreter`] runs the
//!    same IR: there is no second engine.
//! 9. [`exec`] hands morsels to its workers. Each reads its columns through the [`store`], which keeps decoded chunks, and calls
//!    the kernels for each block of [`compile::BLOCK_ROWS`] rows. Tables of joins and groups are merged at the end of a pipeline.
//! 10. Arrow batches come out of a [`client::ResultStream`], and `cli` prints them.
//!
//! `EXPLAIN` shows stops 4 to 6, `EXPLAIN JIT` stops 7 and 8 down to the bytes, `EXPLAIN ANALYZE` stop 9 with rows, times and
//! bytes read.
//!
//! # What is absent
//!
//! Each room is described by what it does not know; `tests/it/architecture.rs` holds the list of what may mention what.
//!
//! - [`types`] knows no expression, file or batch in flight: everything else stands on it.
//! - [`host`] is the only room that opens files or asks for the time; so that a test can take its place.
//! - [`functions`] knows neither expressions nor batches: one row in, one value out.
//! - [`formats`] does not cache, and evaluates nothing; [`store`] caches and keeps, and knows neither tables' types nor SQL.
//! - [`plan`] reads no file: what it knows of one comes through [`plan::TableResolver`].
//! - [`compile`] runs nothing, and knows neither threads nor files nor memory budgets; it sees physical plans only.
//! - [`exec`] knows neither text nor logical plan nor session.
//! - [`session`] does not know what a terminal is, or which program asks.
//! - [`cli`] executes nothing; it is a client like any other, and a library without it is complete.
//! - `gobi_grammar` knows no catalog and no file; `gobi_jit` knows neither SQL nor Arrow.
//!
//! # Where do I look?
//!
//! | question | room |
//! |---|---|
//! | why is this a syntax error? | `grammar/src/*.pest`, `grammar/src/parser` |
//! | which type has this expression, why is this name unknown? | `plan::bind` |
//! | why is this join first, why is this filter not in the scan? | `plan::rules`, [`plan::estimate`] |
//! | why is this aggregate hashed, this join dense? | [`plan::physical`] |
//! | which code does this operator become? | [`compile`]: `stages`, `groups`, `sinks`, `expr` |
//! | what does this operation of the IR mean? | [`gobi_jit::ir`] |
//! | who runs this, with how much memory, what stops it? | [`exec`], [`exec::memory`] |
//! | how is this page, line or object read? | [`formats`] |
//! | who waits for whom, what is a conflict, what does an isolation level do? | [`store::locks`], `session::locking`, [`session::isolation`] |
//! | when is a commit durable, what does a crash leave, what is in this file? | [`store`] |
//! | what does SET change? | [`session::settings`] |
//! | which SQLSTATE is this, and what does it look like? | `tests/golden/diagnostics` |
//!
//! # How do I add an operator?
//!
//! 1. Its clause in the grammar (see [`gobi_grammar`]), or a rule of `plan::rules` that introduces it.
//! 2. A variant of [`plan::logical::Plan`], bound in `plan::bind`, with its columns in [`plan::properties`] and its rows in
//!    [`plan::estimate`]. EXPLAIN prints it by [`plan::explain`].
//! 3. A step or a sink of [`plan::physical::Pipeline`]; `plan::physical::build` says which and how.
//! 4. Its loop in [`compile`]: a stage for a step, a kernel for a sink. What it keeps lives in a slot of [`compile::frame`].
//! 5. If it keeps rows, its table in `exec::tables`, each large allocation of it reserved first.
//! 6. A folder of `.slt` files: each runs with machine code, interpreted, on one thread and with blocks of one row.
//!
//! # How do I add a function?
//!
//! An entry in the table of its area; [`functions`] has the four steps.
//!
//! # How do I add a flag?
//!
//! A field in `cli::args` with its help text, and what it means in `cli::meaning`; if it changes how queries run, a field of
//! [`session::Settings`] too, so that SET has it. `docs/cli.md` shows it, and a test runs what is shown there.

// The walk through the house names private rooms; readers of the source follow it.
#![allow(rustdoc::private_intra_doc_links)]

pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
pub mod compile;
pub mod exec;
pub mod formats;
pub mod functions;
pub mod host;
pub mod plan;
pub mod procedure;
pub mod session;
pub mod store;
pub mod types;

/// The version of Arrow whose batches go in and come out.
pub use arrow;
pub use client::Database;
