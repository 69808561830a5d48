#!/usr/bin/env python3
"""Run what the store does beside SQLite and DuckDB, in turns, and print the ratios.

Commits and statements by key go against SQLite (WAL, synchronous=FULL; sqlite_peer.c, compiled here), loads of a table
against DuckDB into a file of its own. Every round starts fresh processes and fresh folders; medians are taken over the
rounds. A ratio above 1 means that gobi does more per second, or takes longer to load: the column says which.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
STATEMENTS = [
    ("commits", 1, "commits/s, prepared, 1 client"),
    ("commits-text", 1, "commits/s, text, 1 client"),
    ("commits", 16, "commits/s, prepared, 16 clients"),
    ("lookup", 1, "look-ups by key/s"),
    ("update", 1, "updates by key/s"),
    ("delete", 1, "deletes by key/s"),
]


def main():
    args = arguments()
    if args.worker:
        return duckdb_worker(*json.loads(args.worker))
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        scratch = Path(scratch)
        peer = scratch / "sqlite_peer"
        source = HERE / "sqlite_peer.c"
        subprocess.run(["cc", "-O2", source, "-o", peer, "-lsqlite3", "-lpthread"], check=True)
        print("| what | gobi | SQLite | gobi / SQLite |\n| --- | ---: | ---: | ---: |")
        for mode, clients, title in STATEMENTS:
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(rate([args.store, fresh(scratch / "g"), mode, clients, rows_of(args, mode, clients)]))
                theirs.append(rate([peer, fresh(scratch / "s") / "s.db", mode, clients, rows_of(args, mode, clients)]))
            ours, theirs = statistics.median(ours), statistics.median(theirs)
            print(f"| {title} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} |", flush=True)
        if args.table:
            loads(args, scratch)
    return 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True, help="the binary of benches/store.rs")
    parser.add_argument("--gobi", default="target/release/gobi", help="the gobi binary, for loads")
    parser.add_argument("--commits", type=int, default=2000, help="commits of a client")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the table that keys are looked up in")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", action="append", default=[], help="a file to load, .parquet or .csv")
    parser.add_argument("--key", help="columns of a primary key, for loads with one")
    parser.add_argument("--memory-limit", help="of gobi's loads")
    parser.add_argument("--scratch", help="a folder on the disk that is to be measured")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def rows_of(args, mode, clients):
    return args.commits * min(clients, 8) if mode.startswith("commits") else args.rows


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def rate(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["count"] / answer["seconds"]


# ---------------------------------------------------------------- loads


def loads(args, scratch):
    print("\n| load | gobi, s | DuckDB, s | gobi / DuckDB | gobi's peak memory | DuckDB's |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for file in args.table:
        for key in [None] + ([args.key] if args.key else []):
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(gobi_load(args, fresh(scratch / "g"), file, key))
                theirs.append(duckdb_load(fresh(scratch / "d"), file, key))
            title = f"{Path(file).name}{', PRIMARY KEY (' + key + ')' if key else ''}"
            (a, m), (b, n) = median(ours), median(theirs)
            print(f"| {title} | {a:.2f} | {b:.2f} | {a / b:.2f} | {m:.0f} MB | {n:.0f} MB |", flush=True)


def median(runs):
    return statistics.median(run[0] for run in runs), max(run[1] for run in runs)


def columns(file):
    """Names and types, as DuckDB finds them; both sides make the same table."""
    import duckdb

    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{file}'").fetchall()
    return [(name, kind) for name, kind, *_ in described]


def create(file, key, types):
    parts = [f"{name} {types.get(kind, kind)}" for name, kind in columns(file)]
    parts += [f"PRIMARY KEY ({key})"] if key else []
    return f"CREATE TABLE t ({', '.join(parts)})"


def gobi_load(args, folder, file, key):
    command = [args.gobi, "-d", str(folder)]
    subprocess.run(command + ["-c", create(file, key, {"VARCHAR": "string"})], check=True)
    command += ["--memory-limit", args.memory_limit] if args.memory_limit else []
    return watched(command + ["-c", f"COPY '{file}' TO t"])


def duckdb_load(folder, file, key):
    job = json.dumps([str(folder / "d.duckdb"), file, create(file, key, {})])
    return watched([sys.executable, __file__, "--store", "-", "--worker", job])


def watched(command):
    """Seconds, and peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak, status = 0, Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            lines = status.read_text().splitlines()
            peak = max(peak, next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0))
        except OSError:
            pass
        time.sleep(0.01)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(process.stderr.read())
    answer = process.stdout.read().split()
    # The worker's own clock leaves out the start of Python.
    return (float(answer[-1]) if "--worker" in command else seconds), peak / 1024


def duckdb_worker(path, file, ddl):
    import duckdb

    connection = duckdb.connect(path)
    connection.execute("SET enable_progress_bar = false")
    connection.execute(ddl)
    start = time.perf_counter()
    connection.execute(f"COPY t FROM '{file}'")
    connection.execute("CHECKPOINT")
    connection.close()
    print(time.perf_counter() - start)
    return 0


if __name__ == "__main__":
    sys.exit(main())
