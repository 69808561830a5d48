#!/usr/bin/env python3
"""Run the same queries over the same Parquet files with gobi and with DuckDB, and print the ratios.

Each round starts a fresh process of each engine, in turns; medians are taken over all runs of all
rounds. The answers of both engines are compared in the same run: integers, decimals and texts must
be equal, floats to nine digits. The exit code is 1 if an answer differs or a query fails.
"""

import argparse
import csv
import datetime
import decimal
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEN = ["q01", "q03", "q04", "q05", "q06", "q10", "q12", "q14", "q18", "q19"]


def main():
    args = arguments()
    if args.worker:
        return duckdb_worker(args)
    names = chosen(args)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        rounds = {"gobi": [], "duckdb": [], "gobi1": []}
        for number in range(args.rounds):
            answers = scratch if number == 0 else None
            rounds["gobi"].append(run_gobi(args, names, args.threads, answers))
            rounds["duckdb"].append(run_duckdb(args, answers))
            if args.scaling:
                rounds["gobi1"].append(run_gobi(args, names, 1, None))
        wrong = differing_answers(scratch, names)
    report = summarize(args, names, rounds, wrong)
    print_table(args, report)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    return 1 if wrong or report["failed"] else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of <table>.parquet files")
    parser.add_argument("--queries", required=True, help="folder of .sql files")
    parser.add_argument("--gobi", default="target/release/gobi", help="the binary")
    parser.add_argument("--database", help="gobi reads its own tables from this folder, made from the files if it is missing")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of a query in each round")
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes of each engine, in turns")
    parser.add_argument("--cold", action="store_true", help="plain Parquet on both sides, nothing cached")
    parser.add_argument("--scaling", action="store_true", help="also run gobi on one thread")
    parser.add_argument("--only", default=",".join(TEN), help="names of queries, or `all`")
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def chosen(args):
    found = sorted(path.stem for path in Path(args.queries).glob("*.sql"))
    if args.only == "all":
        return found
    names = args.only.split(",")
    missing = [name for name in names if name not in found]
    if missing:
        sys.exit(f"no such query: {', '.join(missing)}")
    return names


# ---------------------------------------------------------------- the two sides


def make_database(args):
    for path in sorted(Path(args.data).glob("*.parquet")):
        script = f"CREATE TABLE {path.stem} AS SELECT * FROM '{path}'"
        subprocess.run([args.gobi, "-d", args.database, "-c", script], check=True, stdout=subprocess.DEVNULL)


def run_gobi(args, names, threads, answers):
    if args.database and not Path(args.database).exists():
        make_database(args)
    command = [args.gobi, "-d", args.database or args.data, "--threads", str(threads), "bench", "--queries", args.queries]
    command += ["--runs", str(args.runs), "--warmup", "1", "--only", ",".join(names)]
    command += ["--cold"] if args.cold else []
    command += ["--results", str(answers / "gobi")] if answers else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.stderr:
        print(done.stderr, file=sys.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else {"queries": [], "peak_memory_bytes": None}


def run_duckdb(args, answers):
    job = {"answers": str(answers / "duckdb") if answers else None, "names": chosen(args)}
    command = [sys.executable, __file__, *sys.argv[1:], "--worker", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def duckdb_worker(args):
    """Runs in a process of its own, so that its memory can be told apart."""
    import duckdb

    job = json.loads(args.worker)
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect(str(Path(folder) / "bench.duckdb"), config={"threads": args.threads})
        load(connection, args)
        if not args.cold:
            # The load needs more memory than the queries; a process that only queries is the fair comparison.
            connection.close()
            connection = duckdb.connect(str(Path(folder) / "bench.duckdb"), config={"threads": args.threads})
            reset_peak()
        queries = [time_duckdb(connection, args, name, job["answers"]) for name in job["names"]]
        print(json.dumps({"queries": queries, "peak_memory_bytes": peak_memory()}))
        connection.close()
    return 0


def load(connection, args):
    kind = "VIEW" if args.cold else "TABLE"
    if args.cold:
        connection.execute("SET enable_external_file_cache = false")
    for path in sorted(Path(args.data).glob("*.parquet")):
        connection.execute(f"CREATE {kind} {path.stem} AS SELECT * FROM read_parquet('{path}')")
    if not args.cold:
        connection.execute("CHECKPOINT")


def time_duckdb(connection, args, name, answers):
    sql = (Path(args.queries) / f"{name}.sql").read_text()
    runs = []
    for _ in range(args.runs + 1):
        start = time.perf_counter()
        relation = connection.execute(sql)
        rows = relation.fetchall()
        runs.append((time.perf_counter() - start) * 1e3)
    if answers:
        Path(answers).mkdir(parents=True, exist_ok=True)
        with open(Path(answers) / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([column[0] for column in relation.description])
            writer.writerows([[text(value) for value in row] for row in rows])
    return {"name": name, "rows": len(rows), "runs_ms": runs[1:]}


def text(value):
    if value is None:
        return "NULL"
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (datetime.date, datetime.datetime)):
        return str(value)
    return repr(value) if isinstance(value, float) else str(value)


def reset_peak():
    """Starts VmHWM anew, where the system lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def peak_memory():
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


# ---------------------------------------------------------------- answers


def differing_answers(scratch, names):
    wrong = {}
    for name in names:
        files = [scratch / side / f"{name}.csv" for side in ("gobi", "duckdb")]
        if not files[0].exists():
            wrong[name] = "no answer"
            continue
        ours, theirs = ([row for row in csv.reader(open(file, newline=""))][1:] for file in files)
        if len(ours) != len(theirs):
            wrong[name] = f"{len(ours)} rows, DuckDB has {len(theirs)}"
        elif not all(same_row(a, b) for a, b in zip(ours, theirs)):
            # Rows that tie in ORDER BY may come in any order.
            if not all(same_row(a, b) for a, b in zip(sorted(ours), sorted(theirs))):
                wrong[name] = "rows differ"
    return wrong


def same_row(a, b):
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))


def same(a, b):
    if a == b:
        return True
    try:
        return math.isclose(float(a), float(b), rel_tol=1e-9)
    except ValueError:
        return False


# ---------------------------------------------------------------- the table


def summarize(args, names, rounds, wrong):
    sides = {side: pooled(reports) for side, reports in rounds.items()}
    rows = []
    for name in names:
        ours, theirs = sides["gobi"].get(name), sides["duckdb"].get(name)
        if not ours or not theirs:
            continue
        row = {"name": name, "gobi_ms": ours[0], "duckdb_ms": theirs[0], "ratio": ours[0] / theirs[0]}
        row["gobi_spread"], row["duckdb_spread"] = ours[1], theirs[1]
        alone = sides["gobi1"].get(name)
        if alone:
            row["speedup"] = alone[0] / ours[0]
        rows.append(row)
    peaks = {side: peak(rounds[side]) for side in ("gobi", "duckdb")}
    return {
        "mode": "cold" if args.cold else "hot",
        "threads": args.threads,
        "queries": rows,
        "ratio": geomean([row["ratio"] for row in rows]),
        "speedup": geomean([row["speedup"] for row in rows if "speedup" in row]),
        "peak_memory_bytes": peaks,
        "memory_ratio": peaks["gobi"] / peaks["duckdb"] if all(peaks.values()) else None,
        "wrong": wrong,
        "failed": [name for name in names if name not in sides["gobi"]],
    }


def pooled(reports):
    """Median and relative spread (interquartile range over median) of all runs of a query."""
    runs = {}
    for report in reports:
        for query in report["queries"]:
            runs.setdefault(query["name"], []).extend(query["runs_ms"])
    return {name: (statistics.median(times), spread(times)) for name, times in runs.items()}


def spread(times):
    if len(times) < 4:
        return 0.0
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / statistics.median(times)


def peak(reports):
    peaks = [report["peak_memory_bytes"] for report in reports if report["peak_memory_bytes"]]
    return max(peaks, default=None)


def geomean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values)) if values else None


def print_table(args, report):
    source = "Parquet, external file cache off" if args.cold else "its own tables"
    print(f"{report['mode']}, {args.threads} threads, medians in ms; DuckDB on {source}; ± is the interquartile range\n")
    print(f"| query |       gobi |     DuckDB | ratio |{' speedup |' if args.scaling else ''}")
    print(f"| ----- | ---------: | ---------: | ----: |{' ------: |' if args.scaling else ''}")
    for row in report["queries"]:
        ours = f"{row['gobi_ms']:.1f} ±{row['gobi_spread'] * 100:.0f}%"
        theirs = f"{row['duckdb_ms']:.1f} ±{row['duckdb_spread'] * 100:.0f}%"
        last = f" {row['speedup']:7.2f} |" if "speedup" in row else ""
        print(f"| {row['name']:5} | {ours:>10} | {theirs:>10} | {row['ratio']:5.2f} |{last}")
    if report["ratio"]:
        last = f" {report['speedup']:7.2f} |" if report["speedup"] else ""
        print(f"| geomean |  |  | {report['ratio']:5.2f} |{last}")
    peaks = report["peak_memory_bytes"]
    if report["memory_ratio"]:
        mib = {side: bytes / 2**20 for side, bytes in peaks.items()}
        print(f"\npeak memory: gobi {mib['gobi']:.0f} MiB, DuckDB {mib['duckdb']:.0f} MiB, ratio {report['memory_ratio']:.2f}")
    for name in report["failed"]:
        print(f"{name} failed")
    for name, how in report["wrong"].items():
        print(f"{name}: wrong answer: {how}")
    if not report["wrong"] and not report["failed"]:
        print("all answers agree")


if __name__ == "__main__":
    sys.exit(main())
