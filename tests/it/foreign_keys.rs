//! Foreign keys between transactions that run side by side: what either of them breaks only together with the other.
//!
//! One session deletes customer 1, another adds an order of customer 1; each sees a database in which that is fine.
//!
//! Invariants: whichever commits second fails, and may try again.
//!
//! Does not: look at one transaction alone; `tests/slt/change/foreign.slt` does.

use gobi::client::{Client, Error, ErrorKind, Session, Settings, StatementResult};

fn run(session: &mut Session, script: &str) -> Result<u64, Error> {
    let mut rows = 0;
    for result in session.execute(script) {
        match result? {
            StatementResult::Rows(stream) => {
                for batch in stream {
                    rows += batch?.num_rows() as u64;
                }
            }
            StatementResult::RowsAffected(_) | StatementResult::Done => {}
        }
    }
    Ok(rows)
}

fn shop() -> (tempfile::TempDir, Session, Session) {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::embedded(Settings::default(), Some(folder.path().join("db")));
    let (mut one, other) = (client.session(), client.session());
    run(
        &mut one,
        "CREATE TABLE customer (id int PRIMARY KEY, name string);
         CREATE TABLE orders (id int PRIMARY KEY, cust int REFERENCES customer ON UPDATE CASCADE);
         INSERT INTO customer SELECT range, 'c' || range FROM range(200)",
    )
    .unwrap();
    (folder, one, other)
}

/// Both statements are run before either is committed; whichever commits second fails.
fn second_fails(first: &str, second: &str) {
    let (_folder, mut one, mut other) = shop();
    run(&mut one, &format!("BEGIN; {first}")).unwrap();
    run(&mut other, &format!("BEGIN; {second}")).unwrap();
    run(&mut one, "COMMIT").unwrap();
    let error = run(&mut other, "COMMIT").unwrap_err();
    assert_eq!(
        (error.kind, error.code()),
        (ErrorKind::Conflict, "40001"),
        "{first} | {second}"
    );
    let orphans = "SELECT * FROM orders WHERE cust NOT IN (SELECT id FROM customer)";
    assert_eq!(run(&mut other, orphans).unwrap(), 0);
}

#[test]
fn an_order_of_a_customer_that_goes() {
    let (delete, insert) = ("DELETE FROM customer WHERE id = 1", "INSERT INTO orders VALUES (1, 1)");
    second_fails(delete, insert);
    second_fails(insert, delete);
}

#[test]
fn an_order_of_a_customer_whose_number_changes() {
    let (update, insert) = (
        "UPDATE customer SET id = 1000 WHERE id = 1",
        "INSERT INTO orders VALUES (1, 1)",
    );
    second_fails(update, insert);
    second_fails(insert, update);
}

#[test]
fn many_orders() {
    let (delete, insert) = (
        "DELETE FROM customer WHERE id = 150",
        "INSERT INTO orders SELECT range, range FROM range(200)",
    );
    second_fails(delete, insert);
    second_fails(insert, delete);
}

#[test]
fn what_has_nothing_to_do_with_the_key_is_no_conflict() {
    let (_folder, mut one, mut other) = shop();
    run(
        &mut one,
        "BEGIN; UPDATE customer SET name = 'x' WHERE id = 1; DELETE FROM customer WHERE id = 2",
    )
    .unwrap();
    run(&mut other, "BEGIN; INSERT INTO orders VALUES (1, 1), (3, 3), (4, NULL)").unwrap();
    run(&mut one, "COMMIT").unwrap();
    run(&mut other, "COMMIT").unwrap();
    assert_eq!(
        run(&mut one, "SELECT * FROM orders JOIN customer ON cust = customer.id").unwrap(),
        2
    );
}
