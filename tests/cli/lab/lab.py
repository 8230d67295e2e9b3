"""Runs one command in a network and a file system of its own, with scripted name servers. Standard input has the plan:

files    {path: text}                 mounted in the place of files of this host
fifos    [path]                       a FIFO in the place of a file
servers  [{address, zone, dns}]       name servers on port 53; `zone` and `dns` are those of the test bed
listen   [port]                       ports of 127.0.0.1 that accept connections
command  [word]
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "netns" / "testbed"))
from nameserver import Behaviour, Nameserver


def listening(kind, address, port):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def serve(server):
    address, dns = server["address"], server.get("dns", {})
    behaviours = {kind: Behaviour(**how) for kind, how in dns.items()}
    sockets = [[listening(kind, address, 53)] for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
    threading.Thread(target=Nameserver(server.get("zone", {}), behaviours).run, args=sockets, daemon=True).start()


def accept(port):
    listener, kept = listening(socket.SOCK_STREAM, "127.0.0.1", port), []
    def run():
        while True:
            kept.append(listener.accept())
    threading.Thread(target=run, daemon=True).start()


def main():
    plan = json.load(sys.stdin)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        places = [(path, text) for path, text in plan.get("files", {}).items()]
        for number, (path, text) in enumerate([*places, *[(path, None) for path in plan.get("fifos", [])]]):
            kept = f"{folder}/{number}"
            if text is None:
                os.mkfifo(kept)
            else:
                Path(kept).write_bytes(text.encode("latin-1"))
            subprocess.run(["mount", "--bind", kept, path], check=True)
        for server in plan.get("servers", []):
            serve(server)
        for port in plan.get("listen", []):
            accept(port)
        return subprocess.run(plan["command"], stdin=subprocess.DEVNULL).returncode


status = main()
# A command that a signal ended has a negative number here.
os._exit(status if status >= 0 else 128 - status)
