#!/usr/bin/env python3
"""Time the loops of this folder in gobi and in PL/pgSQL, in turns; see README.md.

PL/pgSQL gets a part of the work, since all of it would take minutes; gobi is timed at the same part, which it does again and again
to take a time that can be measured. What does not fit a part of its own, the process and the compilation, is taken off gobi's time as
that of a script with a size of next to nothing.
"""

import argparse
import math
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

FOLDER = pathlib.Path(__file__).parent
# The size that stands in the script, the one that both are given, and how often gobi does it.
SIZES = {
    "sieve": ("10_000_000", 3_000_000, 10),
    "collatz": ("3_000_000", 100_000, 20),
    "strings": ("2_000_000", 50_000, 200),
    "sorting": ("1_000_000", 200_000, 10),
    "bodies": ("1_000_000", 50_000, 50),
}


def gobi(arguments, name, size):
    written, _, times = SIZES[name]
    text = (FOLDER / f"{name}.gob").read_text()
    # The last statement but one does the work.
    functions, call, shown = re.fullmatch(r"(.*\n)let (.*\n)(.*\n)", text, re.DOTALL).groups()
    call = call.replace(written, str(size))
    work = f"let {call}for round in range({times - 1}) {{ {call.strip()} }}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".gob") as script:
        script.write(functions + work + shown)
        script.flush()
        command = [arguments.gobi, "run", script.name, "--format", "csv"]
        begun = time.perf_counter()
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        return out.stdout.split()[-1], (time.perf_counter() - begun) * 1e3


def postgres(arguments, name, size):
    text = (FOLDER / "plpgsql" / f"{name}.sql").read_text().replace("{size}", str(size))
    command = [arguments.psql, arguments.postgres, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    # Every function is made in the session; only the last statement is timed.
    body, last = text.rsplit("select ", 1)
    script = f"\\set QUIET 1\n{body}\\timing on\nselect {last}"
    out = subprocess.run(command, input=script, capture_output=True, text=True, check=True).stdout
    return out.split()[0], float(re.search(r"Time: ([\d.]+) ms", out).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gobi", required=True)
    parser.add_argument("--postgres", required=True, help="a connection string")
    parser.add_argument("--psql", default="psql")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="some of the loops, with commas between them")
    arguments = parser.parse_args()
    ratios = {}
    print("| loop | size | gobi ms | PL/pgSQL ms | ratio |\n|---|---:|---:|---:|---:|")
    for name in arguments.only.split(",") if arguments.only else SIZES:
        _, size, times = SIZES[name]
        ours, theirs, none = [], [], []
        for _ in range(arguments.rounds):
            none.append(gobi(arguments, name, 3)[1])
            answer, took = gobi(arguments, name, size)
            ours.append(took)
            wanted, took = postgres(arguments, name, size)
            theirs.append(took)
            if float(answer) != float(wanted):
                raise SystemExit(f"{name}: {answer} is not {wanted}")
        ours = max(statistics.median(ours) - statistics.median(none), 0.1) / times
        theirs = statistics.median(theirs)
        ratios[name] = ours / theirs
        print(f"| {name} | {size} | {ours:.2f} | {theirs:.0f} | {ours / theirs:.4f} |", flush=True)
    print(f"\ngeometric mean: {math.exp(statistics.mean(map(math.log, ratios.values()))):.4f}")


if __name__ == "__main__":
    main()
