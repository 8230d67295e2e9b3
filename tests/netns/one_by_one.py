"""Runs commands one after another in a test bed: `one_by_one.py JSON`, a list of them.

Prints a JSON record for each: when it began (seconds since 1970), how it ended, and what it printed.
"""

import json
import subprocess
import sys
import time

DRAIN = 0.03  # seconds for the last packets of one to come before the next begins

for command in json.loads(sys.argv[1]):
    began = time.time()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    record = {"began": began, "status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    print(json.dumps(record), flush=True)
    time.sleep(DRAIN)
