//! `gobi demo`: TPC-H data in a temporary folder, four queries over it, and how the last one ran.
//!
//! `gobi demo --scale 0.01` writes 60,175 order lines and seven smaller tables as Parquet, then prints each query of `demo.sql` with its
//! comment, its answer, its time, and how many rows of `lineitem` it went through in a second.
//!
//! Invariants: nothing is left behind; each query is shown exactly as it runs.
//!
//! Does not: compare with other engines.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use parquet::arrow::ArrowWriter;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RecordBatchIterator, RegionArrow,
    SupplierArrow,
};

use super::args::Demo;
use super::failure::Failure;
use super::meaning::Meaning;
use super::output::Output;
use super::script;
use super::source::Source;
use crate::client::ExplainOptions;

const SCRIPT: &str = include_str!("demo.sql");

/// Makes the data and runs the script.
pub fn run(meaning: &Meaning, args: &Demo) -> Result<(), Failure> {
    if !(args.scale > 0.0 && args.scale <= 100.0) {
        return Err(Failure::Usage("`--scale` takes a number above 0 and up to 100".into()));
    }
    let folder = tempfile::tempdir()?;
    let mut output = Output::of(meaning)?;
    output.line(&format!(
        "-- TPC-H at scale {} in {}",
        args.scale,
        folder.path().display()
    ))?;
    output.flush()?;
    let clock = Instant::now();
    let lines = generate(folder.path(), args.scale)?;
    output.line(&format!(
        "-- made in {:.1} s; lineitem has {lines} rows",
        clock.elapsed().as_secs_f64()
    ))?;

    let meaning = Meaning {
        folder: Some(folder.path().to_path_buf()),
        ..meaning.clone()
    };
    let mut session = meaning.client().session();
    let queries: Vec<&str> = SCRIPT
        .split_inclusive(";\n")
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    for query in &queries {
        output.line(&format!("\n{query}\n"))?;
        let source = Source::text(query);
        let cold = time(|| script::run_script(&meaning, &mut session, &mut output, &source))?;
        let warm = time(|| drain(&mut session, &source, &meaning))?;
        let rate = lines as f64 / warm.as_secs_f64() / 1e6;
        let (cold, warm) = (cold.as_secs_f64() * 1e3, warm.as_secs_f64() * 1e3);
        output.line(&format!(
            "-- {cold:.1} ms from files, {warm:.1} ms again: {rate:.0} million order lines per second"
        ))?;
    }
    if let Some(last) = queries.last() {
        let source = Source::text(last);
        let options = ExplainOptions {
            jit: false,
            analyze: true,
        };
        let explanation = session
            .explain(&source.text, options)
            .map_err(|error| source.fail(&meaning, &error))?;
        output.line("\n-- EXPLAIN ANALYZE of the last query; gobi explain --jit shows its machine code too\n")?;
        output.line(&explanation.lines(meaning.stdout_color).join("\n"))?;
    }
    Ok(output.finish()?)
}

fn time(run: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let clock = Instant::now();
    run()?;
    Ok(clock.elapsed())
}

/// Runs a script and drops its rows.
fn drain(session: &mut crate::client::Session, source: &Source, meaning: &Meaning) -> Result<(), Failure> {
    let failed = |error| source.fail(meaning, &error);
    for result in session.execute(&source.text) {
        if let crate::client::StatementResult::Rows(stream) = result.map_err(failed)? {
            for batch in stream {
                batch.map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Writes the eight tables; gives the number of order lines.
fn generate(folder: &Path, scale: f64) -> Result<u64, Failure> {
    write(folder, "region", RegionArrow::new(RegionGenerator::new(scale, 1, 1)))?;
    write(folder, "nation", NationArrow::new(NationGenerator::new(scale, 1, 1)))?;
    write(
        folder,
        "supplier",
        SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)),
    )?;
    write(
        folder,
        "customer",
        CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)),
    )?;
    write(folder, "part", PartArrow::new(PartGenerator::new(scale, 1, 1)))?;
    write(
        folder,
        "partsupp",
        PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)),
    )?;
    write(folder, "orders", OrderArrow::new(OrderGenerator::new(scale, 1, 1)))?;
    write(
        folder,
        "lineitem",
        LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)),
    )
}

fn write(folder: &Path, table: &str, batches: impl RecordBatchIterator) -> Result<u64, Failure> {
    let failed = |error: parquet::errors::ParquetError| Failure::Message(format!("cannot write `{table}`: {error}"));
    let file = File::create(folder.join(format!("{table}.parquet")))?;
    let mut writer = ArrowWriter::try_new(file, batches.schema().clone(), None).map_err(failed)?;
    let mut rows = 0;
    for batch in batches {
        rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    Ok(rows)
}
