#!/usr/bin/env python3
"""Counts the instructions of each row of docs/performance.md and compares them with the figures there (2 %).

    .ci/instructions.py            compare; fails if a row costs more, or so much less that the table is out of date
    .ci/instructions.py --write    measure again and rewrite the table

User-space instructions repeat to 0.1 %, which seconds on a shared machine do not. A row of the event loop is the
difference between a run of 2N operations and one of N, by valgrind's callgrind. The figures hold for one compiler and
one C library; with others the comparison is skipped, and says so.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from shutil import which

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(ROOT, "docs", "performance.md")
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
PEER = os.path.join(TARGET, "release", "examples", "bench_peer")
TOLERANCE = 0.02

# Name, arguments of bench_peer with N, the N of the shorter run, operations for each N.
ROWS = [
    ("`call_soon`, 1,000 a turn", "callbacks N 1000", 20_000, 1),
    ("`call_soon`, one a turn", "callbacks N 1", 20_000, 1),
    ("a callback that schedules itself", "chain N", 20_000, 1),
    ("`create_task` and its end, 1,000 a turn", "spawn N 1000", 20_000, 1),
    ("`create_task` and its end, one a turn", "spawn N 1", 20_000, 1),
    ("a task that yields, alone", "yield 1 N", 20_000, 1),
    ("a task that yields, among 1,000", "yield 1000 N", 20, 1_000),
    ("a timer; nine of ten are cancelled", "timers N 1", 20_000, 1),
]


def main():
    if not which("valgrind"):
        return skip("valgrind is not installed")
    build()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(measure, ROWS))
    if "--write" in sys.argv[1:]:
        return write(rows)
    with open(TABLE, encoding="utf-8") as file:
        text = file.read()
    if (measured_with := tools()) not in text:
        return skip(f"the figures are not those of {measured_with}; --write measures them again")
    known = {name: int(count.replace(",", "")) for name, count in re.findall(r"^\| (.+?) \| ([\d,]+) \|", text, re.M)}
    failures = [line for row in rows if (line := compare(*row, known.get(row[0])))]
    sys.exit("\n".join(failures) or 0)


def skip(reason):
    print(f"SKIPPED: instructions were not compared: {reason}", file=sys.stderr)


def build():
    cargo = "cargo build --locked --release --quiet --no-default-features --features tls --example bench_peer"
    subprocess.run(cargo.split(), cwd=ROOT, check=True)


def measure(row):
    name, arguments, n, operations = row
    once, twice = (instructions([PEER] + arguments.replace("N", str(k)).split()) for k in (n, 2 * n))
    return name, round((twice - once) / (n * operations))


def instructions(command):
    """All instructions of a run, in an environment that changes nothing between machines."""
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    ran = subprocess.run(callgrind + command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(f"{' '.join(command)} exits {ran.returncode}:\n{ran.stderr}")
    return int(re.search(r"Collected : (\d+)", ran.stderr)[1])


def compare(name, count, known):
    if known is None:
        return f"{name}: no figure in docs/performance.md; run .ci/instructions.py --write"
    change = count / known - 1
    print(f"{count:>12,} {change:>+7.1%}  {name}")
    if abs(change) > TOLERANCE:
        return f"{name}: {count:,} instructions, {known:,} in docs/performance.md"


def tools():
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return f"rustc {rustc}, {os.confstr('CS_GNU_LIBC_VERSION')} on {os.uname().machine}"


def write(rows):
    with open(TABLE, encoding="utf-8") as file:
        before, rest = file.read().split("<!-- table -->\n", 1)
        after = rest.split("<!-- end -->\n", 1)[1]
    lines = [f"Measured with {tools()}.", "", "| operation | user instructions |", "|---|---:|"]
    lines += [f"| {name} | {count:,} |" for name, count in rows]
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write(before + "<!-- table -->\n" + "\n".join(lines) + "\n<!-- end -->\n" + after)


if __name__ == "__main__":
    main()
