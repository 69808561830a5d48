//! The line protocol of `gobi repl --format json`: one JSON object in, one out.
//!
//! In: `{"sql": "SELECT 1 AS a", "conn": "x"}`. Out: `{"ok":true,"columns":[{"name":"a","type":"tinyint"}],"rows":[[1]],"rows_affected":0}`,
//! or `{"ok":false,"error":{"code":"42703","message":"…","line":1,"column":8}}`.
//!
//! Invariants: exactly one line out for each line in, flushed before the next is read; each `conn` is a session of its own, and
//! a request without one uses the session of the empty name; of a script with several statements, the last result is given. No request
//! waits for a transaction of another `conn`, which could not end meanwhile.
//!
//! Does not: end on an error, or print to standard error.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use gobi_grammar::Diagnostic;
use gobi_grammar::render::line_col;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::interrupt;
use super::meaning::Meaning;
use crate::client::{Error, Lane, ResultStream, Session, StatementResult, cells};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sql: String,
    #[serde(default)]
    conn: String,
}

#[derive(Serialize)]
struct ErrorBody<'e> {
    code: &'e str,
    message: &'e str,
    line: usize,
    column: usize,
}

/// Answers requests until standard input ends.
pub fn run(meaning: &Meaning) -> Result<(), Failure> {
    let client = meaning.client();
    let mut sessions: HashMap<String, Session> = HashMap::new();
    let lane = Lane::begin();
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => {
                let session = sessions
                    .entry(request.conn)
                    .or_insert_with(|| client.session().in_lane(lane));
                let _guard = interrupt::guard(session.interrupt());
                answer(session, &request.sql)
            }
            Err(error) => malformed(&error),
        };
        writeln!(output, "{reply}")?;
        output.flush()?;
    }
}

fn answer(session: &mut Session, sql: &str) -> String {
    match last_result(session, sql) {
        Ok(reply) => reply.text(),
        Err(error) => failure(&error, sql),
    }
}

/// The last result of a script.
#[derive(Default)]
struct Reply {
    columns: String,
    rows: String,
    rows_affected: u64,
}

impl Reply {
    fn text(&self) -> String {
        format!(
            "{{\"ok\":true,\"columns\":[{}],\"rows\":[{}],\"rows_affected\":{}}}",
            self.columns, self.rows, self.rows_affected
        )
    }
}

fn last_result(session: &mut Session, sql: &str) -> Result<Reply, Error> {
    let mut last = Reply::default();
    for result in session.execute(sql) {
        last = match result? {
            StatementResult::Rows(stream) => collect(stream)?,
            StatementResult::RowsAffected(rows_affected) => Reply {
                rows_affected,
                ..Reply::default()
            },
            StatementResult::Done => Reply::default(),
        };
    }
    Ok(last)
}

fn collect(stream: ResultStream) -> Result<Reply, Error> {
    let fields = stream.fields().to_vec();
    let mut reply = Reply {
        rows_affected: stream.rows_affected().unwrap_or_default(),
        ..Reply::default()
    };
    for (i, field) in fields.iter().enumerate() {
        reply
            .columns
            .push_str(if i == 0 { "{\"name\":" } else { ",{\"name\":" });
        cells::write_string(&mut reply.columns, &field.name);
        reply.columns.push_str(",\"type\":");
        cells::write_string(&mut reply.columns, &field.ty.to_string());
        reply.columns.push('}');
    }
    for batch in stream {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            reply.rows.push_str(if reply.rows.is_empty() { "[" } else { ",[" });
            for (i, column) in batch.columns().iter().enumerate() {
                reply.rows.push_str(if i == 0 { "" } else { "," });
                cells::write_json(&mut reply.rows, column, row, &fields[i].ty);
            }
            reply.rows.push(']');
        }
    }
    Ok(reply)
}

fn failure(error: &Error, sql: &str) -> String {
    let first = error.diagnostics.first();
    let start = first.map_or(0, |diagnostic: &Diagnostic| diagnostic.span().start as usize);
    let (line, column) = line_col(sql, start);
    let message = first.map_or("", |diagnostic| &diagnostic.message);
    error_text(&ErrorBody {
        code: error.code(),
        message,
        line,
        column,
    })
}

fn malformed(error: &serde_json::Error) -> String {
    let message = format!("the request is not an object with `sql` and `conn`: {error}");
    error_text(&ErrorBody {
        code: "08P01",
        message: &message,
        line: error.line(),
        column: error.column(),
    })
}

fn error_text(body: &ErrorBody<'_>) -> String {
    let body = serde_json::to_string(body).expect("strings and numbers always serialize");
    format!("{{\"ok\":false,\"error\":{body}}}")
}
