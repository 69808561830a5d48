//! How programs run: what stops them, and what runs at the same time.
//!
//! Invariants: nothing here measures time; what has no end is stopped from outside, or the test hangs.
//!
//! Does not: say what programs give; the goldens of the language do.

use gobi::Database;
use gobi::client::{Client, ErrorKind, JitMode, Session, Settings};

use super::isolation::run;
use super::session::cancelled;

/// Programs without an end, each in another way.
const ENDLESS: &[&str] = &[
    "let n = 0
     while true { n = (n + 1) % 7 }",
    "for i in range(9223372036854775807) { for j in range(0) { } }",
    "let n = 0
     while true { n = (select count(*) from range(3)) + n % 5 }",
    "for r in select range as n from range(1000000000000) { let x = r.n }",
    "select range as n from range(1000000000000) then { let x = n }",
    "let s = stream select range as n from range(1000000000000);
     while s.has_next() { let rows = s.next() }",
    "let s = stream select count(*) as n from range(1000000000000);
     let more = s.has_next()",
    "function f(n int) returns int { if n <= 1 { return 1 } return f(n - 1) + f(n - 2) }
     select f(90)",
    "function f(n int) returns int { let x = n
       while x >= 0 { x = (x + 1) % 1000 }
       return x }
     select sum(f(range)) from range(100)",
    "let n = range(1000000000000) |> filter(i => i < 0) |> count()",
    "let t = 0
     while true { try { while true { t = (t + 1) % 3 } } catch e { t = 0 } }",
    "function f(n int) returns int { let x = n
       while x >= 0 { x = (x + 1) % 1000 }
       return x }
     let a = spawn f(1)
     await a",
];

#[test]
fn programs_without_an_end_are_stopped() {
    for jit in [JitMode::On, JitMode::Off] {
        for program in ENDLESS {
            let settings = Settings {
                jit,
                ..Settings::default()
            };
            let mut session = Client::embedded(settings, None).session();
            let interrupt = session.interrupt();
            let error = cancelled(&interrupt, || session.run(program)).unwrap_err();
            assert_eq!((error.kind, error.code()), (ErrorKind::Cancelled, "57014"), "{program}");
            assert_eq!(run(&mut session, "select 1").unwrap(), "1");
            let error = session
                .run(&format!("set statement_timeout = '20ms'; {program}"))
                .unwrap_err();
            assert_eq!(error.code(), "57014", "{program}: {error}");
        }
    }
}

/// A database with a table of flags, and two bodies that wait for each other's.
fn meeting() -> (tempfile::TempDir, Session) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path().join("db")).unwrap();
    let mut session = database.session();
    session
        .run(
            "create table flags (name string primary key);
             upsert procedure raise_flag(name string) { insert into flags values (name) }
             upsert function is_raised(wanted string) returns boolean { return exists (select 1 from flags where name = wanted) }
             upsert procedure meet(mine string, other string) returns string {
               await spawn raise_flag(mine)
               while not (await spawn is_raised(other)) { }
               return f'{mine} met {other}'
             }",
        )
        .unwrap();
    (folder, session)
}

#[test]
fn two_spawned_bodies_meet() {
    for jit in [JitMode::On, JitMode::Off] {
        let (_folder, mut session) = meeting();
        session.settings.jit = jit;
        let met = run(
            &mut session,
            "let a = spawn meet('a', 'b'); let b = spawn meet(other: 'a', mine: 'b')
             let both = f'{await a}, {await b}'
             select both",
        );
        assert_eq!(met.unwrap(), "a met b, b met a");
    }
}

#[test]
fn a_spawned_call_has_a_transaction_of_its_own() {
    let (_folder, mut session) = meeting();
    // It commits, whatever becomes of who spawned it, and sees nothing that is not committed.
    let error = session
        .run(
            "upsert procedure outer_one() {
               insert into flags values ('outer')
               let seen = await spawn is_raised('outer')
               if seen { throw Wrong('it was seen') }
               await spawn raise_flag('inner')
               throw Planned('undone')
             }
             call outer_one()",
        )
        .unwrap_err();
    assert!(error.to_string().contains("undone"), "{error}");
    assert_eq!(
        run(&mut session, "select string_agg(name, ' ') from flags").unwrap(),
        "inner"
    );
    // Its error is the error of who awaits it, and can be caught, as often as it is awaited.
    let caught = run(
        &mut session,
        "let twice = spawn raise_flag('inner')
         let first = ''; let second = ''
         try { await twice } catch e { first = e.code }
         try { await twice } catch e { second = e.code }
         select first, second",
    );
    assert_eq!(caught.unwrap(), "23505,23505");
    // One that nobody awaits ends all the same.
    session.run("spawn raise_flag('late')").unwrap();
    drop(session);
}

#[test]
fn a_stream_sees_what_was_there_when_it_was_opened() {
    for jit in [JitMode::On, JitMode::Off] {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path().join("db")).unwrap();
        let (mut reader, mut writer) = (database.session(), database.session());
        reader.settings.jit = jit;
        reader
            .run("create table t (a int primary key, b int); insert into t select range, 1 from range(40000)")
            .unwrap();
        reader
            .run(
                "let s = stream select a, b from t
                  let first = s.next(10)",
            )
            .unwrap();
        writer
            .run("delete from t where a % 2 = 0; update t set b = 2; insert into t select range + 1000000, 3 from range(1000)")
            .unwrap();
        writer.run("compact t").unwrap();
        let seen = run(
            &mut reader,
            "let count = array_length(first)
             let sum = first |> sum(r => r.b)
             for r in s { count = count + 1; sum = sum + r.b }
             select count, sum, (select count(*) from t)",
        );
        assert_eq!(seen.unwrap(), "40000,40000,21000");
    }
}

#[test]
fn jobs_are_known_to_all_sessions_of_a_database() {
    let (folder, mut session) = meeting();
    session
        .run("upsert procedure later(name string) returns int as async { await spawn raise_flag(name); return 7 }")
        .unwrap();
    assert_eq!(run(&mut session, "call later('a')").unwrap(), "1");
    let mut other = Database::open(folder.path().join("db")).unwrap().session();
    assert_eq!(run(&mut other, "await 1").unwrap(), "7");
    assert_eq!(run(&mut other, "call later('a')").unwrap(), "3");
    assert_eq!(other.run("await 3").unwrap_err().code(), "23505");
    let listed = run(&mut session, "show jobs like 'call%'").unwrap();
    assert!(listed.contains("1,call later('a'),done,"), "{listed}");
    assert!(listed.contains("3,call later('a'),failed,"), "{listed}");
}

#[test]
fn a_call_that_is_analysed_runs_and_is_shown_by_statements_and_lines() {
    let (_folder, mut session) = meeting();
    session
        .run(
            "create table t (a int);
             upsert procedure fill(most int) {
               for i in range(most) { insert into t values (i) }
               for r in select a from t where a < 10 { let x = r.a }
               select 'nobody sees this'
             }",
        )
        .unwrap();
    let shown = run(&mut session, "explain analyze call fill(100)").unwrap();
    for part in [
        "call fill",
        "insert into t, collected: once per batch",
        "100 rows, ",
        "10 rows, ",
        "lines of fill",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(run(&mut session, "select count(*) from t").unwrap(), "100");
    run(&mut session, "explain call fill(100)").unwrap();
    assert_eq!(run(&mut session, "select count(*) from t").unwrap(), "100");
    let code = run(&mut session, "explain analyze jit call fill(1)").unwrap();
    assert!(code.contains("; fill:2"), "{code}");
    assert_eq!(run(&mut session, "select count(*) from t").unwrap(), "101");
}

/// A database with a table that has a key, and what changes it in a loop.
fn changing(change: &str) -> (tempfile::TempDir, Session) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path().join("db")).unwrap();
    let mut session = database.session();
    session
        .run(&format!(
            "create table t (a int primary key, b int);
             create table src (a int, b int);
             upsert procedure p(n int) {{ for i in range(n) {{ {change} }} }}
             upsert procedure each() {{ upsert into t key (a) values (NEW.a % 10, NEW.b) }};
             upsert trigger as each (timing: 'after', event: 'insert', target: 'src')"
        ))
        .unwrap();
    (folder, session)
}

/// Chunks of columns that are kept, and how many were decoded.
fn chunks(session: &mut Session) -> [u64; 2] {
    let stats = run(session, "cache stats").unwrap();
    let mut fields = stats.split(' ').next().unwrap().split(',').skip(1);
    [0, 3].map(|skipped| fields.nth(skipped).unwrap().parse().unwrap())
}

#[test]
fn a_change_by_a_key_that_a_body_knows_reads_no_other_rows() {
    let changes = [
        "upsert into t key (a) values (i % 10, i)",
        "upsert into t key (a) values (i % 10, i), (i % 10 + 10, i)",
        "upsert into t key (a) select i % 10, i",
        "insert into t values (i % 10, i) on conflict (a) do nothing",
        "insert into t values (i % 10, i) on conflict (a) do update set b = t.b + excluded.b where t.b < 50",
        "merge into t using (select i % 10 as a, i as b) s on t.a = s.a
           when matched then update set b = s.b when not matched then insert values (s.a, s.b)",
        "insert into src values (i, i)",
    ];
    for change in changes {
        let (_folder, mut session) = changing(change);
        session.run("call p(100)").unwrap();
        assert_eq!(chunks(&mut session), [0, 0], "{change}");
        let rows = if change.contains("10 + 10") { "20" } else { "10" };
        assert_eq!(run(&mut session, "select count(*) from t").unwrap(), rows, "{change}");
    }
}

#[test]
fn rows_that_a_body_has_staged_drive_nothing_out_of_the_cache() {
    let (_folder, mut session) = changing("update t set b = i where a + 0 = i % 10");
    session.run("insert into t select range, range from range(10)").unwrap();
    session.run("call p(200)").unwrap();
    let [kept, _] = chunks(&mut session);
    assert!(kept < 20, "{kept} chunks are kept");
}

/// Programs that make gigabytes, of which they keep little.
const WASTEFUL: &[(&str, &str)] = &[
    (
        "let s = ''
         for i in range(20000) { s = f'<{s}{i}>' }
         select length(s)",
        "128890",
    ),
    (
        "let s = ''
         for i in range(60000) { s = f'{s}{i},' }
         select length(s)",
        "348890",
    ),
    (
        "let a: bigint[] = []
         for i in range(15000) { a = [i] || a }
         select a[0] + a[-1] + array_length(a)",
        "29999",
    ),
    (
        "let a = range(15000) |> map(x => x)
         let t = 0
         while array_length(a) > 0 { t = t + a[0]; a = a[1:] }
         select t",
        "112492500",
    ),
    (
        "function f(n int) returns int {
           let parts: text[] = []
           let rows = [{k: 'first', v: [1, 2]}]
           let t = 0
           for i in range(n) {
             let text = repeat(f'{i},', 4000)
             if i % 100 = 0 { parts = parts || [text, rows[0].k]; rows = [{k: f'row {i} of those', v: [i, t]}] || rows[:3] }
             t = t + length(text) + rows[0].v[0]
           }
           for part in parts { t = t + length(part) }
           return t + length(rows[1].k)
         }
         select f(10000), f(20) from range(2)",
        "247013693,208010 247013693,208010",
    ),
];

#[test]
fn loops_give_back_the_memory_of_their_rounds() {
    for jit in [JitMode::On, JitMode::Off] {
        for (program, wanted) in WASTEFUL {
            let settings = Settings {
                jit,
                ..Settings::default()
            };
            let mut session = Client::embedded(settings, None).session();
            session.run("set memory_limit = '100MB'").unwrap();
            assert_eq!(run(&mut session, program).unwrap(), *wanted, "{program}");
        }
    }
}

#[test]
fn what_a_loop_keeps_is_shared_as_before() {
    // Ten thousand times the same megabyte; moved one by one they would not fit.
    let program = "
        function f() returns string {
          let text = repeat('0123456789', 100000)
          let a: text[] = []
          let b = [[text]]
          for i in range(10000) { a = a || [text] }
          for i in range(400) { let other = repeat(f'{i},', 100000); b = b || [[other, text]]; b = b[1:] }
          b[0][0] = 'changed'
          return f'{array_length(a)} {a[9999] = text} {length(b[0][1])} {b[0][0]} {array_length(b)}'
        }
        select f()";
    let mut session = Client::embedded(Settings::default(), None).session();
    session.run("set memory_limit = '200MB'").unwrap();
    assert_eq!(run(&mut session, program).unwrap(), "10000 true 1000000 changed 1");
}

#[test]
fn sorting_is_stopped() {
    let sorts = [
        "array_sort(a)",
        "array_sort(a, 'desc')",
        "array_distinct(a)",
        "array_mode(a)",
        "array_sort(t)",
        "array_distinct(s)",
        "a |> sort_by(x => -x)",
    ];
    let mut session = Client::embedded(Settings::default(), None).session();
    session
        .run(
            "let a = range(1000000) |> map(x => (x * 7919) % 1000003)
             let t = a |> take(300000) |> map(x => f'text {x}')
             let s = a |> take(300000) |> map(x => {k: x})",
        )
        .unwrap();
    for sort in sorts {
        let error = session
            .run(&format!("set statement_timeout = '20ms'; let b = {sort}"))
            .unwrap_err();
        assert_eq!(error.code(), "57014", "{sort}: {error}");
        session.run("set statement_timeout = 0").unwrap();
    }
}
