"""Stops a program in the middle of a race: `suspended.py COUNT MS PROGRAM ARGS…`. Runs in a test bed.

As soon as COUNT sockets are in SYN_SENT the program is stopped, for MS milliseconds. Prints what it prints, and ends as
it ends.
"""

import signal
import subprocess
import sys
import time

from interrupt import half_open

count, ms = int(sys.argv[1]), int(sys.argv[2])
with subprocess.Popen(sys.argv[3:]) as program:
    while program.poll() is None and len(half_open()) < count:
        time.sleep(0.001)
    program.send_signal(signal.SIGSTOP)
    time.sleep(ms / 1000)
    program.send_signal(signal.SIGCONT)
sys.exit(program.returncode)
