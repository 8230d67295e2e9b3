"""Interrupts `PROGRAM ARGS…` at random moments: `interrupt.py SEED TIMES LAST PROGRAM ARGS…`. Runs in a test bed.

The moments are spread over LAST milliseconds, counted from when the program has a handler for SIGINT. Prints a JSON
record for each: when, what was in SYN_SENT just before, how the program ended and how long that took, what it printed,
and what is in SYN_SENT after.
"""

import json
import random
import signal
import subprocess
import sys
import time

SYN_SENT = "02"


def half_open():
    """Remote ends of this network's sockets in SYN_SENT, as the kernel writes them."""
    rows = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as lines:
            rows += [line.split() for line in lines][1:]
    return [row[2] for row in rows if row[3] == SYN_SENT]


def handles_sigint(pid):
    with open(f"/proc/{pid}/status") as lines:
        caught = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return int(caught, 16) >> (signal.SIGINT - 1) & 1


def interrupt(command, after_ms):
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        while program.poll() is None and not handles_sigint(program.pid):
            time.sleep(0.0005)
        time.sleep(after_ms / 1000)
        before, sent = half_open(), time.monotonic()
        program.send_signal(signal.SIGINT)
        status = program.wait(10)
        took = (time.monotonic() - sent) * 1000
        after = half_open()
        out, err = program.communicate()
    return {"after_ms": after_ms, "before": before, "status": status, "took_ms": took, "stdout": out, "stderr": err, "left": after}


if __name__ == "__main__":
    seed, times, last = (int(argument) for argument in sys.argv[1:4])
    moments = random.Random(seed)
    for number in range(times):
        after_ms = (number + moments.random()) * last / times
        print(json.dumps(interrupt(sys.argv[4:], after_ms)), flush=True)
