#!/usr/bin/env python3
"""Times the loops of this folder in gobi and in Rust, in turns; see README.md."""

import argparse
import math
import pathlib
import statistics
import subprocess
import time

LOOPS = ["sieve", "collatz", "strings", "sorting", "bodies"]
FOLDER = pathlib.Path(__file__).parent


def gobi(arguments, command):
    begun = time.perf_counter()
    out = subprocess.run([arguments.gobi, *command, "--format", "csv"], capture_output=True, text=True, check=True)
    return out.stdout.split()[-1], time.perf_counter() - begun


def peer(arguments, name):
    out = subprocess.run([arguments.peer, name], capture_output=True, text=True, check=True)
    answer, seconds = out.stdout.split()
    return answer, float(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gobi", required=True)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="some of the loops, with commas between them")
    arguments = parser.parse_args()
    empty = min(gobi(arguments, ["-c", "select 1"])[1] for _ in range(5))
    ratios = []
    print("| loop | gobi ms | Rust ms | ratio |\n|---|---|---|---|")
    for name in arguments.only.split(",") if arguments.only else LOOPS:
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            answer, seconds = gobi(arguments, ["run", str(FOLDER / f"{name}.gob")])
            ours.append(max(seconds - empty, 1e-6))
            wanted, seconds = peer(arguments, name)
            theirs.append(seconds)
            if answer != wanted:
                raise SystemExit(f"{name}: {answer} is not {wanted}")
        ratio = statistics.median(ours) / statistics.median(theirs)
        ratios.append(ratio)
        print(f"| {name} | {statistics.median(ours) * 1e3:.0f} | {statistics.median(theirs) * 1e3:.0f} | {ratio:.2f} |")
    print(f"\ngeometric mean: {math.exp(statistics.mean(map(math.log, ratios))):.2f}")


if __name__ == "__main__":
    main()
