//! The session as a library: cancellation, memory limits, what a failed statement leaves behind.

use std::sync::atomic::{AtomicBool, Ordering};

use gobi::client::{Client, Error, ErrorKind, Interrupt, JitMode, Session, Settings, StatementResult};

const ENDLESS: &str = "SELECT count(*) FROM range(0, 100000000000) WHERE range % 7 = 3";

/// Runs a script and counts the rows of its results.
fn run(session: &mut Session, script: &str) -> Result<u64, Error> {
    let mut rows = 0;
    for result in session.execute(script) {
        if let StatementResult::Rows(stream) = result? {
            for batch in stream {
                rows += batch?.num_rows() as u64;
            }
        }
    }
    Ok(rows)
}

/// Asks a session to stop, again and again, until the work is done.
pub fn cancelled<T>(interrupt: &Interrupt, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                interrupt.cancel();
                std::thread::yield_now();
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_running_query_can_be_cancelled_and_the_session_goes_on() {
    for jit in [JitMode::On, JitMode::Off] {
        let mut session = Client::embedded(
            Settings {
                jit,
                ..Settings::default()
            },
            None,
        )
        .session();
        let interrupt = session.interrupt();
        let error = cancelled(&interrupt, || run(&mut session, ENDLESS)).unwrap_err();
        assert_eq!((error.kind, error.code()), (ErrorKind::Cancelled, "57014"), "{jit:?}");
        assert_eq!(run(&mut session, "FROM range(0, 10)").unwrap(), 10);
    }
}

#[test]
fn a_result_that_is_dropped_stops_its_query() {
    let mut session = Client::embedded(Settings::default(), None).session();
    for result in session.execute("FROM range(0, 100000000000)") {
        if let StatementResult::Rows(mut stream) = result.unwrap() {
            assert!(stream.next().unwrap().unwrap().num_rows() > 0);
        }
    }
    assert_eq!(run(&mut session, "FROM range(0, 10)").unwrap(), 10);
}

#[test]
fn sessions_of_one_client_have_settings_of_their_own() {
    let client = Client::embedded(Settings::default(), None);
    let (mut one, mut other) = (client.session(), client.session());
    run(&mut one, "SET threads = 1").unwrap();
    assert_eq!((one.settings.threads, other.settings.threads), (1, 0));
    assert_eq!(run(&mut other, "SELECT 1").unwrap(), 1);
}

#[test]
fn a_setting_before_an_error_stays() {
    let mut session = Client::embedded(Settings::default(), None).session();
    let error = run(&mut session, "SET threads = 1; SELECT 10 % (range - 1) FROM range(3)").unwrap_err();
    assert_eq!((error.kind, error.code()), (ErrorKind::User, "22012"));
    assert_eq!(session.settings.threads, 1);
}

/// The examples of functions of arrays and structs; the others run in the table's own tests.
#[test]
fn examples_of_nested_functions_hold() {
    let rows = include_str!("../../docs/functions.md").lines();
    let rows = rows.filter_map(|row| row.trim_end_matches(" |").rsplit_once(" → "));
    let examples: Vec<(&str, &str)> = rows
        .filter_map(|(call, expected)| {
            let call = call.rsplit_once("| `")?.1.trim_end_matches('`');
            let nested = call.contains(['[', '{']) || call.starts_with("row(") || call.contains("list_value(");
            nested.then_some((call, expected.trim_matches('`')))
        })
        .collect();
    let script: String = examples
        .iter()
        .map(|(call, _)| format!("SELECT coalesce(({call})::string, 'NULL') AS given;\n"))
        .collect();
    let ran = crate::run::gobi(std::path::Path::new("."), &["--format", "tsv", "-c", &script]);
    // A cell with quotes in it stands in quotes.
    let cell = |line: &str| match line.strip_prefix('"').and_then(|line| line.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => line.to_owned(),
    };
    let found: Vec<String> = ran.out.lines().filter(|line| *line != "given").map(cell).collect();
    let expected: Vec<&str> = examples.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(found, expected, "{}", ran.err);
    assert!(expected.len() > 15, "{expected:?}");
}

#[test]
fn a_job_that_fails_and_that_nobody_awaits_is_a_notice() {
    let mut session = Client::embedded(Settings::default(), None).session();
    let fails =
        "function halve(n int) { if n % 2 = 1 { throw Odd(f'{n}') } }; let a = spawn halve(3); let b = spawn halve(2)";
    run(&mut session, fails).unwrap();
    session.end_jobs();
    run(&mut session, "let c = spawn halve(5); let d = try await c ?? null").unwrap();
    let notices = session.notices();
    let [notice] = notices.as_slice() else {
        panic!("{notices:?}")
    };
    assert_eq!(notice.message, "job 1, `halve(3)`, has failed: Odd: 3");
    assert!(notice.is_warning() && notice.labels.is_empty(), "{notice:?}");
    run(&mut session, "call halve(2); let e = spawn halve(7)").unwrap();
    session.end_jobs();
    let spans: Vec<_> = session.notices().iter().map(|notice| notice.span().start).collect();
    assert_eq!((spans, session.notices().len()), (vec![29], 0));
}
