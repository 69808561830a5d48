//! A shop's orders in a database of their own: loaded in batches, changed in a transaction, read as Arrow batches.
//!
//! `cargo run --example library` prints what each customer has bought.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use gobi::Database;
use gobi::arrow::array::{AsArray, Decimal128Array, Int64Array, RecordBatch};
use gobi::arrow::datatypes::{Decimal128Type, Int64Type};
use gobi::client::{StatementResult, Value};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("gobi-example-{}", std::process::id()));
    for line in run(&folder)? {
        println!("{line}");
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// All of it, in a folder that is missing or empty.
pub fn run(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let database = Database::open(folder)?;
    let mut session = database.session();
    session.run(
        "CREATE TABLE customers (id int PRIMARY KEY, name string NOT NULL);
         CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, total decimal(10,2) CHECK (total > 0));
         INSERT INTO customers VALUES (1, 'Ada'), (2, 'Bo')",
    )?;

    // Bulk: batches go straight into the table, in one transaction.
    let mut rows = session.appender("orders")?;
    for first in [0, 1000] {
        rows.append(&batch(first, 1000)?)?;
    }
    println!("{} orders appended", rows.finish()?);

    // One by one: a statement with parameters.
    let add = session.prepare("INSERT INTO orders VALUES (?, ?, ?) RETURNING id")?;
    let order = [Value::Int(9000), Value::Int(2), Value::String("12.50".into())];
    if let StatementResult::Rows(mut ids) = add.execute(&mut session, &order)? {
        let ids = ids.next().ok_or("no row")??;
        assert_eq!(ids.column(0).as_primitive::<Int64Type>().value(0), 9000);
    }

    // A transaction: both statements, or neither.
    session.run("BEGIN; UPDATE orders SET customer = 1 WHERE id = 9000; DELETE FROM orders WHERE id < 10; COMMIT MESSAGE 'tidy up'")?;

    let mut lines = Vec::new();
    let stream = session.query(
        "SELECT name, count(*) AS orders, sum(total) AS total FROM customers JOIN orders ON customer = customers.id GROUP BY name ORDER BY name",
    )?;
    for batch in stream {
        let batch = batch?;
        let (names, counts) = (
            batch.column(0).as_string_view(),
            batch.column(1).as_primitive::<Int64Type>(),
        );
        let totals = batch.column(2).as_primitive::<Decimal128Type>();
        for row in 0..batch.num_rows() {
            let (name, count) = (names.value(row), counts.value(row));
            lines.push(format!("{name}: {count} orders, {}", totals.value_as_string(row)));
        }
    }
    Ok(lines)
}

/// Orders with the numbers from `first` on.
fn batch(first: i64, count: i64) -> Result<RecordBatch, Box<dyn Error>> {
    let ids = Int64Array::from_iter_values(first..first + count);
    let customers = Int64Array::from_iter_values((0..count).map(|order| 1 + order % 2));
    let totals = Decimal128Array::from_iter_values((0..count).map(|order| i128::from(order) + 100));
    Ok(RecordBatch::try_from_iter([
        ("id", Arc::new(ids) as _),
        ("customer", Arc::new(customers) as _),
        ("total", Arc::new(totals.with_precision_and_scale(10, 2)?) as _),
    ])?)
}
