#!/usr/bin/env python3
"""Time INSERT … SELECT of many rows with and without triggers, in gobi and in PostgreSQL, in turns of rounds.

Needs a gobi binary, psql, and a connection string of a PostgreSQL server in whose database tables may be made and dropped:

    python benches/compare/triggers.py --gobi target/release/gobi --postgres "host=/tmp port=5432 user=postgres"

For each kind of trigger it prints the median times, what the trigger costs beside the plain INSERT in each of the two, and how
much of PostgreSQL's time gobi takes. How many rows the tables have afterwards is compared in every round.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

TABLES = """
create table orders (id int{key}, item int, amount int, price double precision, total double precision);
create table audit (op varchar, id int, total double precision);
"""
INSERT = {
    "gobi": "insert into orders select range, range % 1000, range % 7 + 1, range / 100e0, 0e0 from range({rows});",
    "postgres": "insert into orders select g, g % 1000, g % 7 + 1, g / 100e0, 0e0 from generate_series(0, {rows} - 1) g;",
}
# What stands in a gobi procedure and in a PL/pgSQL function, and the trigger's own part.
TRIGGERS = [
    ("no trigger", None, None, None),
    (
        "before: one expression",
        "NEW.total = NEW.price * NEW.amount",
        "NEW.total = NEW.price * NEW.amount; return NEW;",
        "before insert on orders for each row",
    ),
    (
        "before: validates",
        "if NEW.amount < 0 or NEW.price < 0 { throw Bad(f'order {NEW.id}') }",
        "if NEW.amount < 0 or NEW.price < 0 then raise exception 'order %', NEW.id; end if; return NEW;",
        "before insert on orders for each row",
    ),
    (
        "after: audit",
        "insert into audit values (TG_OP, NEW.id, NEW.price * NEW.amount)",
        "insert into audit values (TG_OP, NEW.id, NEW.price * NEW.amount); return NEW;",
        "after insert on orders for each row",
    ),
    (
        "after: audit, WHEN false for 99 %",
        "insert into audit values (TG_OP, NEW.id, NEW.price * NEW.amount)",
        "insert into audit values (TG_OP, NEW.id, NEW.price * NEW.amount); return NEW;",
        "after insert on orders for each row when (NEW.id % 100 = 0)",
    ),
]
COUNTS = "select count(*), sum(total), (select count(*) from audit) from orders;"


def tables(args):
    return TABLES.format(key=" primary key" if args.key else "")


def gobi(args, scratch, ours, head):
    folder = scratch / "g"
    shutil.rmtree(folder, ignore_errors=True)
    script = tables(args)
    if head:
        script += f"upsert procedure p() {{ {ours} }}\ncreate trigger t {head} execute procedure p();\n"
    run = [args.gobi, "-d", folder]
    subprocess.run([*run, "-c", script], check=True, capture_output=True)
    # The process begins and reads the definitions in both.
    begun = time.perf_counter()
    subprocess.run([*run, "-c", "select count(*) from orders"], check=True, capture_output=True)
    empty = time.perf_counter() - begun
    # What others have written is on disk: an INSERT waits for its own files only, as PostgreSQL does behind a checkpoint.
    os.sync()
    begun = time.perf_counter()
    subprocess.run([*run, "-c", INSERT["gobi"].format(rows=args.rows)], check=True, capture_output=True)
    took = time.perf_counter() - begun - empty
    out = subprocess.run([*run, "--format", "csv", "-c", COUNTS], check=True, capture_output=True, text=True).stdout
    return took * 1e3, out.split()[-1].split(",")


def postgres(args, theirs, head):
    script = "\\set QUIET 1\ndrop table if exists orders, audit;\n" + tables(args)
    if head:
        script += f"create or replace function p() returns trigger language plpgsql as $$ begin {theirs} end $$;\n"
        script += f"create trigger t {head} execute function p();\n"
    script += "checkpoint;\n\\timing on\n" + INSERT["postgres"].format(rows=args.rows) + "\n\\timing off\n" + COUNTS
    script += "\ndrop table orders, audit;\n"
    command = [args.psql, args.postgres, "-X", "-A", "-t", "-F", ",", "-v", "ON_ERROR_STOP=1"]
    out = subprocess.run(command, input=script, check=True, capture_output=True, text=True).stdout
    took = float(re.search(r"Time: ([\d.]+) ms", out).group(1))
    counts = [line for line in out.splitlines() if re.match(r"^\d+,[-\d.e+]+,\d+$", line)]
    return took, counts[-1].split(",")


def agree(ours, theirs):
    close = abs(float(ours[1]) - float(theirs[1])) <= 1e-9 * abs(float(theirs[1]))
    return close and ours[0] == theirs[0] and ours[2] == theirs[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gobi", required=True)
    parser.add_argument("--postgres", help="a connection string; without it gobi runs alone")
    parser.add_argument("--psql", default="psql")
    parser.add_argument("--key", action="store_true", help="the table has a primary key, which makes the plain INSERT slower")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    plain = {}
    print("| trigger | gobi ms | × plain | PostgreSQL ms | × plain | gobi / PostgreSQL |\n|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        times = {name: ([], []) for name, *_ in TRIGGERS}
        # All kinds in each round, so that a slow minute is nobody's alone; of one system after the other, as a server
        # goes on writing and vacuuming for a while.
        for _ in range(args.rounds):
            counts = {}
            # What a server leaves behind is felt by the first.
            gobi(args, Path(scratch), None, None)
            for name, ours, _, head in TRIGGERS:
                took, counts[name] = gobi(args, Path(scratch), ours, head)
                times[name][0].append(took)
            for name, _, theirs, head in TRIGGERS if args.postgres else []:
                took, wanted = postgres(args, theirs, head)
                times[name][1].append(took)
                if not agree(counts[name], wanted):
                    raise SystemExit(f"{name}: {counts[name]} is not {wanted}")
        for name, (ours, theirs) in times.items():
            ours = statistics.median(ours)
            theirs = statistics.median(theirs) if theirs else float("nan")
            base = plain.setdefault("plain", (ours, theirs))
            ratios = f"{ours / base[0]:.2f} | {theirs:.0f} | {theirs / base[1]:.2f} | {ours / theirs:.3f}"
            print(f"| {name} | {ours:.0f} | {ratios} |")


if __name__ == "__main__":
    main()
