//! The `gobi` binary against a server that speaks S3, over HTTP, with puts on condition.
//!
//! `s3s-fs` serves a folder on a port of its own; the binary is told where it is as any S3 client is, by `AWS_ENDPOINT_URL` and keys.
//!
//! Does not: leave the machine.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use crate::run;

const KEY: &str = "gobi-test";
const SECRET: &str = "not-a-secret";

/// Serves a folder with one bucket, `lake`, until the process ends; gives its address.
fn serve(folder: &Path) -> String {
    std::fs::create_dir(folder.join("lake")).unwrap();
    let files = s3s_fs::FileSystem::new(folder).unwrap();
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = builder.build();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        runtime.block_on(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                    // A client that goes away is no error.
                    drop(http.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
    });
    format!("http://{address}")
}

/// The binary in a folder, with the server as its S3.
fn gobi(folder: &Path, endpoint: &str, args: &[&str]) -> Command {
    let mut command = run::command(folder);
    command
        .args(args)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET);
    command
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// What a run printed, which must have gone well.
fn printed(command: &mut Command) -> String {
    let done = output(command);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_database_lives_in_a_bucket() {
    let (served, local) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let endpoint = serve(served.path());
    let gobi = |args: &[&str]| gobi(local.path(), &endpoint, args);
    let csv = |sql: &str| printed(&mut gobi(&["-d", "s3://lake/shop", "--format", "csv", "-c", sql]));

    csv("CREATE TABLE t (a int PRIMARY KEY, b string); INSERT INTO t SELECT range, 'b' || range FROM range(30000)");
    csv("CREATE SNAPSHOT s; DELETE FROM t WHERE a % 2 = 1; INSERT INTO t VALUES (-1, 'x')");
    assert_eq!(csv("SELECT count(*) AS n, max(b) AS b FROM t"), "n,b\n15001,x\n");
    assert_eq!(csv("SELECT count(*) AS n FROM t AS OF TAG 's'"), "n\n30000\n");
    assert_eq!(csv("SELECT b FROM t WHERE a = 17 OR a = 18"), "b\nb18\n");

    // Files of the bucket are relations.
    csv("COPY (SELECT range AS n FROM range(1000)) TO 's3://lake/in/one.parquet'");
    assert_eq!(csv("SELECT sum(n) AS n FROM 's3://lake/in/*.parquet'"), "n\n499500\n");

    // It verifies where it is, and can be packed to there and unpacked from there.
    printed(&mut gobi(&["verify", "--deep", "s3://lake/shop"]));
    printed(&mut gobi(&["pack", "s3://lake/shop", "s3://lake/shop.gobi"]));
    printed(&mut gobi(&["unpack", "s3://lake/shop.gobi", "copy"]));
    let mut copy = gobi(&["-d", "copy", "--format", "csv", "-c", "SELECT count(*) AS n FROM t"]);
    assert_eq!(printed(&mut copy), "n\n15001\n");
}

#[test]
fn of_two_processes_that_write_one_bucket_the_second_is_refused() {
    let (served, local) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let endpoint = serve(served.path());
    let gobi = |args: &[&str]| gobi(local.path(), &endpoint, args);
    let sql = |sql: &str| printed(&mut gobi(&["-d", "s3://lake/db", "--format", "csv", "-c", sql]));
    sql("CREATE TABLE t (a int)");

    // One has the database open for writing while the other commits.
    let mut slow = gobi(&["-d", "s3://lake/db", "repl", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = slow.stdin.take().unwrap();
    let mut answers = std::io::BufReader::new(slow.stdout.take().unwrap());
    let mut answer = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut answers, &mut line).unwrap();
        line
    };
    writeln!(stdin, r#"{{"sql": "INSERT INTO t VALUES (1)"}}"#).unwrap();
    assert!(!answer().contains("error"));
    sql("INSERT INTO t VALUES (2)");
    writeln!(stdin, r#"{{"sql": "INSERT INTO t VALUES (3)"}}"#).unwrap();
    let refused = answer();
    assert!(refused.contains("another process has written"), "{refused}");
    drop(stdin);
    slow.wait().unwrap();

    assert_eq!(sql("SELECT count(*) AS n, sum(a) AS s FROM t"), "n,s\n2,3\n");
    sql("INSERT INTO t VALUES (4)");
    assert_eq!(sql("SELECT count(*) AS n, sum(a) AS s FROM t"), "n,s\n3,7\n");
    printed(&mut gobi(&["verify", "--deep", "s3://lake/db"]));
}
