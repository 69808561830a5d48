//! What the engine promises beyond right answers: flat memory, limits that hold, a fallback, whole loops as machine code.
//!
//! Invariants: what is measured is memory of this process, never time.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use gobi::client::{
    Client, Error, ErrorKind, ExplainOptions, Explanation, JitMode, Session, Settings, StatementResult, cells,
};

use super::run::{Ran, command, finish};
use super::tpch;

/// Runs a script; its rows as texts.
fn rows(session: &mut Session, script: &str) -> Result<Vec<Vec<String>>, Error> {
    let mut rows = Vec::new();
    for result in session.execute(script) {
        let StatementResult::Rows(stream) = result? else {
            continue;
        };
        let fields = stream.fields().to_vec();
        for batch in stream {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let columns = batch.columns().iter().zip(&fields);
                let texts = columns.map(|(column, field)| cells::text(column, row, &field.ty).unwrap_or_default());
                rows.push(texts.collect());
            }
        }
    }
    Ok(rows)
}

fn session(jit: JitMode) -> Session {
    let settings = Settings {
        jit,
        threads: 2,
        ..Settings::default()
    };
    Client::embedded(settings, Some(tpch::folder().to_path_buf())).session()
}

// --- memory

/// A program that answers one request per line.
struct Server {
    child: Child,
    requests: ChildStdin,
    replies: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start() -> Self {
        let mut command = command(Path::new("."));
        command.args(["repl", "--format", "json"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let replies = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            requests,
            replies,
        }
    }

    fn ask(&mut self, sql: &str) {
        writeln!(self.requests, "{}", serde_json::json!({ "sql": sql })).unwrap();
        let reply = self.replies.next().unwrap().unwrap();
        assert!(reply.starts_with("{\"ok\":true"), "{sql}: {reply}");
    }

    /// Kilobytes of the program that are in memory.
    fn resident_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn stop(mut self) {
        drop(self.requests);
        assert!(self.child.wait().unwrap().success());
    }
}

/// In a program of its own, since the tests beside this one take and give back memory meanwhile.
#[test]
#[cfg(target_os = "linux")]
fn memory_stays_flat_over_ten_thousand_different_queries() {
    let mut server = Server::start();
    let mut early = 0;
    for i in 0..10_000 {
        match i % 4 {
            // Another constant is another kernel, and far more of them than are kept.
            0 => server.ask(&format!(
                "SET jit = 'on'; SELECT sum(x * {i}) FROM (VALUES (1), (2), (3)) AS t(x)"
            )),
            1 => server.ask(&format!("SET jit = 'auto'; FROM [1, 2, {i}]")),
            _ => server.ask(&format!("SELECT {i} + 1")),
        }
        if i == 2_000 {
            early = server.resident_kb();
        }
    }
    let late = server.resident_kb();
    assert!(
        late < early + 15_000,
        "{early} kB after 2,000 queries, {late} kB after 10,000"
    );
    server.stop();
}

#[test]
fn a_query_that_needs_too_much_memory_names_the_operator_and_the_next_one_works() {
    let mut session = session(JitMode::Auto);
    rows(&mut session, "SET memory_limit = '1MB'").unwrap();
    let error = rows(&mut session, &tpch::query(18)).unwrap_err();
    assert_eq!((error.kind, error.code()), (ErrorKind::Resource, "53200"));
    let message = error.to_string();
    let operators = [
        "aggregation",
        "join build",
        "result batch",
        "sort or intermediate result",
    ];
    let named = operators.iter().any(|operator| message.starts_with(operator));
    assert!(named && message.contains("the memory limit is 1.0 MB"), "{message}");
    assert_eq!(rows(&mut session, "SELECT 6 * 7").unwrap(), [["42"]]);
    rows(&mut session, "SET memory_limit = 'auto'").unwrap();
    assert!(!rows(&mut session, &tpch::query(18)).unwrap().is_empty());
}

// --- order

#[test]
fn many_rows_are_sorted_by_all_threads_and_equal_ones_stay_in_order() {
    let mut session = session(JitMode::Auto);
    let source = "SELECT CASE WHEN range % 11 = 0 THEN NULL ELSE ((range * 7919) % 5003) / 100.0 :: decimal(20, 2) END AS price, \
                  repeat('x', (range * 31) % 3) || (range % 97) AS name, range AS n FROM range(70000)";
    let mut expected = rows(&mut session, source).unwrap();
    let price = |row: &[String]| row[0].parse::<f64>().ok();
    expected.sort_by(|a, b| {
        let (x, y) = (price(a), price(b));
        // NULLs come last, in both directions.
        let by_price = x.is_none().cmp(&y.is_none()).then(y.partial_cmp(&x).unwrap());
        by_price.then_with(|| a[1].cmp(&b[1]))
    });
    let sorted = format!("{source} ORDER BY price DESC NULLS LAST, name");
    assert!(rows(&mut session, &sorted).unwrap() == expected);
    let part = format!("{sorted} LIMIT 1000 OFFSET 35000");
    assert!(rows(&mut session, &part).unwrap() == expected[35_000..36_000]);
}

// --- cancellation

#[test]
fn a_cross_join_without_end_is_cancelled() {
    let endless =
        "SELECT count(*) FROM range(0, 100000000) AS a CROSS JOIN range(0, 100000) AS b WHERE a.range * b.range = 7";
    for jit in [JitMode::On, JitMode::Off] {
        let mut session = session(jit);
        let interrupt = session.interrupt();
        let done = AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                // A statement that has not begun is not concerned, so ask until it has ended.
                while !done.load(Ordering::Relaxed) {
                    interrupt.cancel();
                    std::thread::yield_now();
                }
            });
            let outcome = rows(&mut session, endless);
            done.store(true, Ordering::Relaxed);
            outcome
        });
        let error = outcome.unwrap_err();
        assert_eq!((error.kind, error.code()), (ErrorKind::Cancelled, "57014"), "{jit:?}");
        assert_eq!(rows(&mut session, "SELECT 6 * 7").unwrap(), [["42"]]);
    }
}

// --- the fallback

#[test]
fn what_cannot_be_compiled_is_interpreted_with_the_same_answer() {
    let query = tpch::query(1);
    let run = |args: &[&str], fail_on: Option<&str>| -> Ran {
        let mut command = command(tpch::folder());
        command.args(["-d", ".", "--jit", "on"]).args(args).arg(&query);
        if let Some(text) = fail_on {
            command.env("GOBI_FAIL_COMPILE", text);
        }
        let ran = finish(command, b"");
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran
    };
    let compiled = run(&["--format", "csv", "-c"], None);
    // An empty text is a part of every name.
    for fail_on in ["", "aggregate", "mask"] {
        assert_eq!(
            run(&["--format", "csv", "-c"], Some(fail_on)).out,
            compiled.out,
            "{fail_on}"
        );
        let explained = run(&["explain", "--jit"], Some(fail_on)).out;
        assert!(explained.contains("pipeline 0  interpreted: "), "{explained}");
        assert_eq!(explained.contains("compiled in"), !fail_on.is_empty(), "{explained}");
    }
    let explained = run(&["explain", "--jit"], None).out;
    assert!(!explained.contains("interpreted"), "{explained}");
}

#[test]
fn a_row_that_calls_loops_is_compiled() {
    let explained = |call: &str| -> String {
        let script = "function sum_to(n int) returns int { let sum = 0; for i in range(n) { sum = sum + i } sum }
            function doubled(n int) returns int => n * 2
            function fib(n int) returns int => case when n < 2 then n else fib(n - 1) + fib(n - 2) end;";
        let mut command = command(tpch::folder());
        command.args([
            "-c",
            script,
            "-c",
            &format!("EXPLAIN ANALYZE SELECT {call}"),
            "--format",
            "csv",
        ]);
        let ran = finish(command, b"");
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.out
    };
    assert!(explained("doubled(10)").contains("interpreted: fewer than"));
    for call in ["sum_to(10)", "fib(10)", "doubled(sum_to(10))"] {
        let explained = explained(call);
        assert!(!explained.contains("interpreted"), "{call}: {explained}");
    }
}

// --- whole loops

fn explained(number: u32) -> Explanation {
    let options = ExplainOptions {
        jit: true,
        analyze: false,
    };
    session(JitMode::On).explain(&tpch::query(number), options).unwrap()
}

/// The CLIF of one function of the pipeline whose source's text contains `source`.
fn clif<'e>(explanation: &'e Explanation, source: &str, function: &str) -> Vec<&'e str> {
    let pipeline = explanation
        .pipelines
        .iter()
        .find(|pipeline| pipeline.operators[0].text.contains(source))
        .unwrap();
    let lines = &pipeline.code.as_ref().unwrap().clif;
    let head = |line: &str| line.strip_prefix("; ").is_some_and(|name| name.starts_with(function));
    let start = lines.iter().position(|line| head(line)).unwrap();
    let body = lines[start + 1..].iter().take_while(|line| !line.starts_with("; "));
    body.map(String::as_str).collect()
}

/// Whether lines hold these parts in this order, and jump back to an earlier block.
fn has_loop_with(clif: &[&str], parts: &[&str]) -> bool {
    let mut lines = clif.iter();
    let in_order = parts.iter().all(|part| lines.any(|line| line.contains(part)));
    let mut open: Vec<&str> = Vec::new();
    let mut jumps_back = false;
    for line in clif.iter().map(|line| line.trim_start()) {
        if let Some(name) = line
            .strip_prefix("block")
            .and_then(|rest| rest.split(['(', ':', ' ']).next())
        {
            open.push(name);
        }
        let target = |name: &&str| line.contains(&format!("block{name}("));
        jumps_back |= (line.starts_with("brif") || line.starts_with("jump")) && open.iter().any(target);
    }
    in_order && jumps_back
}

#[test]
fn whole_loops_of_q1_and_q3_are_machine_code_without_host_calls() {
    for number in [1, 3] {
        for pipeline in explained(number).pipelines {
            let code = pipeline.code.unwrap();
            assert!(pipeline.interpreted.is_none() && !code.machine.is_empty(), "q{number}");
            let calls: Vec<_> = code
                .ir
                .iter()
                .chain(&code.clif)
                .filter(|line| line.contains("call"))
                .collect();
            assert!(calls.is_empty(), "q{number}: {calls:?}");
        }
    }
}

#[test]
fn q1_filters_with_vectors_and_updates_aggregates_in_one_loop() {
    let q1 = explained(1);
    let mask = clif(&q1, "lineitem", "mask");
    assert!(
        has_loop_with(&mask, &["icmp.i16x8", "store.i8x16"]),
        "{}",
        mask.join("\n")
    );
    // A row's group is found by its codes, its sums are read, added to and written.
    let update = clif(&q1, "lineitem", "aggregate");
    let parts = ["load.i8", "imul.i64", "load.i64", "iadd.i64", "store.i64"];
    assert!(has_loop_with(&update, &parts), "{}", update.join("\n"));
}

#[test]
fn q3_probes_joins_and_compares_keys_in_loops() {
    let q3 = explained(3);
    for source in ["orders", "lineitem"] {
        let probe = clif(&q3, source, "probe");
        // A key becomes a place, the place gives the head of a chain, and a row without partners is not kept.
        let parts = ["load.i", "load.i32", "icmp.i64 ne", "store.i32"];
        assert!(has_loop_with(&probe, &parts), "{}", probe.join("\n"));
    }
    let update = clif(&q3, "lineitem", "aggregate");
    assert!(has_loop_with(&update, &["icmp", "store.i"]), "{}", update.join("\n"));
}
