//! `gobi bench`: every query of a folder, warmed up and timed in this process, as JSON.
//!
//! `gobi -d data bench --queries queries --runs 5` prints
//! `{"queries": [{"name": "q01", "rows": 4, "median_ms": 12.1, …}], "peak_memory_bytes": …}`.
//!
//! Invariants: a run is timed from the text to the last batch; nothing caches results; `phases_ms` are those of a run that had
//! to compile.
//!
//! Does not: compare with anything; see `benches/compare`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use serde::Serialize;

use super::args::Bench;
use super::failure::Failure;
use super::interrupt;
use super::meaning::Meaning;
use super::output::{Delimited, OutputError};
use super::source::Source;
use crate::client::{Error, Phases, Session, StatementResult};

/// What is printed.
#[derive(Serialize)]
struct Report {
    queries: Vec<Timing>,
    peak_memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Timing {
    name: String,
    rows: u64,
    median_ms: f64,
    min_ms: f64,
    runs_ms: Vec<f64>,
    phases_ms: PhasesMs,
}

#[derive(Serialize)]
struct PhasesMs {
    parse: f64,
    bind: f64,
    optimize: f64,
    compile: f64,
    run: f64,
}

/// One run of a query.
struct Run {
    rows: u64,
    time: Duration,
    phases: Phases,
}

/// Times every query; one that fails is reported and left out, and the exit code is 1.
pub fn run(meaning: &Meaning, args: &Bench) -> Result<(), Failure> {
    if meaning.format.is_some_and(|format| format != super::args::Format::Json) {
        return Err(Failure::Usage("bench prints JSON only".into()));
    }
    let queries = query_files(&args.queries, &args.only)?;
    if let Some(folder) = &args.results {
        fs::create_dir_all(folder)?;
    }
    let mut session = meaning.client().session();
    let _guard = interrupt::guard(session.interrupt());
    if let Some(setup) = &args.setup {
        let source = Source::file(meaning, setup)?;
        run_script(&mut session, &source.text).map_err(|error| source.fail(meaning, &error))?;
    }
    let mut timings = Vec::new();
    let mut failed = false;
    for (name, path) in queries {
        let source = Source::file(meaning, &path)?;
        match time_query(&mut session, &name, &source.text, args) {
            Ok(timing) => timings.push(timing),
            Err(OutputError::Query(error)) => {
                failed = true;
                source.report(meaning, &error);
            }
            Err(OutputError::Io(error)) => return Err(Failure::Io(error)),
            Err(OutputError::Message(message)) => return Err(Failure::Message(message)),
        }
    }
    let report = Report {
        queries: timings,
        peak_memory_bytes: peak_memory_bytes(),
    };
    let text = serde_json::to_string_pretty(&report).map_err(io::Error::from)?;
    io::Write::write_all(&mut io::stdout(), format!("{text}\n").as_bytes())?;
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

/// The .sql files of a folder by name, sorted.
fn query_files(folder: &Path, only: &[String]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let unreadable = |error: io::Error| Failure::Usage(format!("cannot read `{}`: {error}", folder.display()));
    let mut queries = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_script = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_string) else {
            continue;
        };
        if is_script && (only.is_empty() || only.contains(&name)) {
            queries.push((name, path));
        }
    }
    queries.sort();
    if queries.is_empty() {
        return Err(Failure::Usage(format!(
            "`{}` holds no such .sql file",
            folder.display()
        )));
    }
    Ok(queries)
}

fn time_query(session: &mut Session, name: &str, text: &str, args: &Bench) -> Result<Timing, OutputError> {
    let mut runs = Vec::new();
    let mut compiled = Vec::new();
    if args.cold {
        for _ in 0..args.warmup + args.runs {
            session.clear_caches();
            runs.push(run_script(session, text)?);
        }
        runs.drain(..args.warmup as usize);
        compiled.extend(runs.iter().map(|run| run.phases));
    } else {
        for _ in 0..args.warmup {
            run_script(session, text)?;
        }
        for _ in 0..3 {
            session.clear_kernels();
            compiled.push(run_script(session, text)?.phases);
        }
        for _ in 0..args.runs {
            runs.push(run_script(session, text)?);
        }
    }
    if let Some(folder) = &args.results {
        write_answer(session, text, &folder.join(format!("{name}.csv")))?;
    }
    let mut sorted: Vec<Duration> = runs.iter().map(|run| run.time).collect();
    sorted.sort();
    Ok(Timing {
        name: name.to_string(),
        rows: runs.last().map_or(0, |run| run.rows),
        median_ms: ms(median(&sorted)),
        min_ms: ms(sorted.first().copied().unwrap_or_default()),
        runs_ms: runs.iter().map(|run| ms(run.time)).collect(),
        phases_ms: PhasesMs::median_of(&compiled),
    })
}

/// Runs a script to its last batch and drops the rows.
fn run_script(session: &mut Session, text: &str) -> Result<Run, Error> {
    let clock = Instant::now();
    let mut run = Run {
        rows: 0,
        time: Duration::ZERO,
        phases: Phases::default(),
    };
    for result in session.execute(text) {
        if let StatementResult::Rows(mut stream) = result? {
            run.rows = 0;
            for batch in stream.by_ref() {
                run.rows += batch?.num_rows() as u64;
            }
            run.phases = add(run.phases, stream.phases());
        }
    }
    run.time = clock.elapsed();
    Ok(run)
}

/// Writes the last result of a script.
fn write_answer(session: &mut Session, text: &str, path: &Path) -> Result<(), OutputError> {
    for result in session.execute(text) {
        if let StatementResult::Rows(stream) = result? {
            let mut file = io::BufWriter::new(fs::File::create(path)?);
            Delimited::ANSWERS.write(&mut file, stream)?;
            io::Write::flush(&mut file)?;
        }
    }
    Ok(())
}

fn add(a: Phases, b: Phases) -> Phases {
    Phases {
        parse: a.parse + b.parse,
        bind: a.bind + b.bind,
        optimize: a.optimize + b.optimize,
        compile: a.compile + b.compile,
        run: a.run + b.run,
    }
}

impl PhasesMs {
    fn median_of(phases: &[Phases]) -> Self {
        let of = |part: fn(&Phases) -> Duration| {
            let mut times: Vec<Duration> = phases.iter().map(part).collect();
            times.sort();
            ms(median(&times))
        };
        Self {
            parse: of(|phases| phases.parse),
            bind: of(|phases| phases.bind),
            optimize: of(|phases| phases.optimize),
            compile: of(|phases| phases.compile),
            run: of(|phases| phases.run),
        }
    }
}

/// The middle of sorted times, or the mean of the two in the middle.
fn median(sorted: &[Duration]) -> Duration {
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len().is_multiple_of(2)) {
        (Some(upper), true) => sorted
            .get(middle.wrapping_sub(1))
            .map_or(*upper, |lower| (*lower + *upper) / 2),
        (Some(only), false) => *only,
        (None, _) => Duration::ZERO,
    }
}

/// Milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The most memory this process ever held (VmHWM); `None` where the system does not say.
fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_a_mean() {
        let times = |list: &[u64]| list.iter().map(|n| Duration::from_micros(*n)).collect::<Vec<_>>();
        assert_eq!(median(&times(&[1, 2, 9])), Duration::from_micros(2));
        assert_eq!(median(&times(&[1, 2, 4, 9])), Duration::from_micros(3));
        assert_eq!(median(&[]), Duration::ZERO);
    }
}
