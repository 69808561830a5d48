//! The library as a program uses it: the example, prepared statements, appenders, streams.

use std::sync::Arc;

use gobi::Database;
use gobi::arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array};
use gobi::arrow::array::{RecordBatch, StringArray};
use gobi::arrow::datatypes::{Field, Int64Type, Schema};
use gobi::client::{Session, StatementResult, Value};

#[path = "../../examples/library.rs"]
#[allow(dead_code)]
mod example;

#[test]
fn the_example_runs() {
    let folder = tempfile::tempdir().unwrap();
    let lines = example::run(&folder.path().join("shop")).unwrap();
    assert_eq!(lines, ["Ada: 996 orders, 5997.30", "Bo: 995 orders, 5994.75"]);
}

fn database() -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path().join("db")).unwrap();
    (folder, database)
}

fn count(session: &mut Session, from: &str) -> i64 {
    let mut stream = session.query(&format!("SELECT count(*) FROM {from}")).unwrap();
    let batch = stream.next().unwrap().unwrap();
    batch.column(0).as_primitive::<Int64Type>().value(0)
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn a_folder_with_other_files_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let error = Database::open(folder.path()).unwrap_err();
    assert_eq!(error.code(), "3D000");
}

#[test]
fn sessions_see_what_others_have_committed() {
    let (_folder, database) = database();
    let (mut one, mut other) = (database.session(), database.session());
    one.run("CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1)")
        .unwrap();
    assert_eq!(count(&mut other, "t"), 0);
    one.run("COMMIT").unwrap();
    assert_eq!(count(&mut other, "t"), 1);
}

#[test]
fn a_query_gives_rows_and_nothing_else() {
    let (_folder, database) = database();
    let mut session = database.session();
    session.run("CREATE TABLE t (a int)").unwrap();
    assert_eq!(session.query("INSERT INTO t VALUES (1)").unwrap_err().code(), "42601");
    assert_eq!(session.query("SELECT 1; SELECT 2").unwrap_err().code(), "42601");
    let stream = session.query("INSERT INTO t VALUES (2), (3) RETURNING a").unwrap();
    assert_eq!(stream.rows_affected(), Some(2));
    assert_eq!(stream.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
    assert_eq!(
        session
            .run("UPDATE t SET a = a + 1; DELETE FROM t WHERE a = 4")
            .unwrap(),
        1
    );
}

#[test]
fn a_prepared_statement_runs_many_times() {
    let (_folder, database) = database();
    let mut session = database.session();
    session
        .run("CREATE TABLE t (a int PRIMARY KEY, s string, d date)")
        .unwrap();
    let insert = session.prepare("INSERT INTO t VALUES ($1, $2, $3)").unwrap();
    assert_eq!(insert.parameters(), ["1", "2", "3"]);
    for a in 0..50 {
        let values = [
            Value::Int(a),
            Value::String(format!("s{a}").as_str().into()),
            Value::String("2026-01-31".into()),
        ];
        let done = insert.execute(&mut session, &values).unwrap();
        assert!(matches!(done, StatementResult::RowsAffected(1)));
    }
    let wrong = insert.execute(&mut session, &[Value::Int(1)]).unwrap_err();
    assert_eq!(wrong.code(), "42601");
    let select = session.prepare("SELECT a FROM t WHERE s = :name AND d < $day").unwrap();
    let values = [
        ("day", Value::String("2026-02-01".into())),
        ("NAME", Value::String("s7".into())),
    ];
    let StatementResult::Rows(stream) = select.execute_named(&mut session, &values).unwrap() else {
        panic!("a query gives rows");
    };
    let batches: Vec<RecordBatch> = stream.map(Result::unwrap).collect();
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().values(), &[7]);
    // The names are looked up anew each time.
    session.run("DROP TABLE t").unwrap();
    assert_eq!(select.execute_named(&mut session, &values).unwrap_err().code(), "42P01");
}

#[test]
fn an_appender_gives_all_or_nothing() {
    let (_folder, database) = database();
    let mut session = database.session();
    session
        .run("CREATE TABLE t (a int PRIMARY KEY, b string DEFAULT 'x')")
        .unwrap();
    let ids = |first: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(first..first + 100)) };
    let mut rows = session.appender("t").unwrap();
    rows.append(&batch(vec![("a", ids(0))])).unwrap();
    drop(rows);
    assert_eq!(count(&mut session, "t"), 0);
    let mut rows = session.appender("main.t").unwrap();
    rows.append(&batch(vec![("A", ids(0))])).unwrap();
    rows.append(&batch(vec![("A", ids(100))])).unwrap();
    assert_eq!(rows.finish().unwrap(), 200);
    assert_eq!(count(&mut session, "t WHERE b = 'x'"), 200);
    let mut rows = session.appender("t").unwrap();
    rows.append(&batch(vec![("a", ids(1000))])).unwrap();
    rows.append(&batch(vec![("a", ids(150))])).unwrap();
    assert_eq!(rows.finish().unwrap_err().code(), "23505");
    assert_eq!(count(&mut session, "t"), 200);
    assert_eq!(session.appender("nothing").unwrap_err().code(), "42P01");
}

#[test]
fn an_appender_converts_checks_and_looks_up() {
    let (_folder, database) = database();
    let mut session = database.session();
    session
        .run(
            "CREATE TABLE p (k int PRIMARY KEY); INSERT INTO p SELECT range FROM range(10);
             CREATE TABLE c (k int REFERENCES p, v decimal(5,1) NOT NULL CHECK (v < 100), w int GENERATED ALWAYS AS (k * 2))",
        )
        .unwrap();
    let of = |k: i32, v: Option<f64>| {
        let (k, v): (ArrayRef, ArrayRef) = (
            Arc::new(Int32Array::from(vec![k])),
            Arc::new(Float64Array::from(vec![v])),
        );
        batch(vec![("v", v), ("k", k)])
    };
    let mut append = |row: RecordBatch| {
        let mut rows = session.appender("c").unwrap();
        rows.append(&row).and_then(|()| rows.finish())
    };
    assert_eq!(append(of(3, Some(1.25))).unwrap(), 1);
    assert_eq!(append(of(30, Some(1.5))).unwrap_err().code(), "23503");
    assert_eq!(append(of(4, Some(500.0))).unwrap_err().code(), "23514");
    assert_eq!(append(of(4, None)).unwrap_err().code(), "23502");
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["4"]));
    let other: ArrayRef = Arc::new(StringArray::from(vec!["7.5"]));
    assert_eq!(append(batch(vec![("k", texts), ("v", other)])).unwrap(), 1);
    assert_eq!(count(&mut session, "c WHERE w = k * 2 AND v IN (1.3, 7.5)"), 2);
}

#[test]
fn uuids_come_and_go_as_arrow_has_them() {
    let (_folder, database) = database();
    let mut session = database.session();
    session.run("CREATE TABLE t (id uuid PRIMARY KEY)").unwrap();
    let bytes: Vec<[u8; 16]> = vec![[0; 16], [0x80; 16], [0xff; 16]];
    let ids: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter(bytes.iter()).unwrap());
    let name = ("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned());
    let field = Field::new("id", ids.data_type().clone(), false).with_metadata([name.clone()].into());
    let rows = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![ids]).unwrap();
    let mut appender = session.appender("t").unwrap();
    appender.append(&rows).unwrap();
    assert_eq!(appender.finish().unwrap(), 3);
    assert_eq!(
        count(&mut session, "t WHERE id = '80808080-8080-8080-8080-808080808080'"),
        1
    );
    let stream = session.query("SELECT id, [id] AS l FROM t ORDER BY id").unwrap();
    let schema = stream.schema();
    assert_eq!(schema.field(0).metadata().get(&name.0), Some(&name.1));
    let batches: Vec<RecordBatch> = stream.map(Result::unwrap).collect();
    let found = batches[0].column(0).as_fixed_size_binary();
    assert_eq!((0..3).map(|row| found.value(row)).collect::<Vec<_>>(), bytes);
    let listed = batches[0].column(1).as_list::<i32>().value(2);
    assert_eq!(listed.as_fixed_size_binary().value(0), [0xff; 16]);
}

#[test]
fn json_that_comes_from_outside_is_looked_at() {
    let (_folder, database) = database();
    let mut session = database.session();
    session.run("CREATE TABLE t (j json)").unwrap();
    let named = [("ARROW:extension:name", "arrow.json"), ("ARROW:extension:metadata", "")];
    let named = named.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut append = |text: &str| {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let field = Field::new("j", texts.data_type().clone(), true).with_metadata(named.clone().into());
        let rows = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![texts]).unwrap();
        let mut appender = session.appender("t").unwrap();
        appender.append(&rows).and_then(|()| appender.finish())
    };
    assert_eq!(append("{\"a\": [1]}").unwrap(), 1);
    assert_eq!(append("{\"a\": [1}").unwrap_err().code(), "22P02");
    let stream = session.query("SELECT j, j.a AS a FROM t").unwrap();
    assert_eq!(*stream.schema().field(1).metadata(), named.into());
    let batches: Vec<RecordBatch> = stream.map(Result::unwrap).collect();
    assert_eq!(batches[0].column(1).as_string_view().value(0), "[1]");
}

#[test]
fn an_appender_is_part_of_the_transaction_that_the_session_is_in() {
    let (_folder, database) = database();
    let mut session = database.session();
    session
        .run("CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1)")
        .unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![2, 3]));
    let mut rows = session.appender("t").unwrap();
    rows.append(&batch(vec![("a", Arc::clone(&ids))])).unwrap();
    drop(rows);
    assert_eq!(count(&mut session, "t"), 1);
    let mut rows = session.appender("t").unwrap();
    rows.append(&batch(vec![("a", ids)])).unwrap();
    assert_eq!(rows.finish().unwrap(), 2);
    assert_eq!(count(&mut session, "t"), 3);
    session.run("ROLLBACK").unwrap();
    assert_eq!(count(&mut session, "t"), 0);
}

#[test]
fn an_appender_takes_more_rows_than_it_keeps() {
    let (_folder, database) = database();
    let mut session = database.session();
    session.run("CREATE TABLE t (a int, b double)").unwrap();
    let mut rows = session.appender("t").unwrap();
    for i in 0..5 {
        let a: ArrayRef = Arc::new(Int64Array::from_iter_values(i * 60_000..(i + 1) * 60_000));
        let b: ArrayRef = Arc::new(Float64Array::from_iter_values((0..60_000).map(f64::from)));
        rows.append(&batch(vec![("a", a), ("b", b)])).unwrap();
    }
    assert_eq!(rows.finish().unwrap(), 300_000);
    let mut stream = session.query("SELECT count(DISTINCT a) FROM t").unwrap();
    let found = stream.next().unwrap().unwrap();
    assert_eq!(found.column(0).as_primitive::<Int64Type>().value(0), 300_000);
}
