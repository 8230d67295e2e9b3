"""Runs one command in a network namespace in which something is wrong. The first argument is the plan, in JSON:

    setup    lines of a shell, after loopback is up
    wire     {address: mode}, see ../wire.py
    peer     {kind, port, seconds}, see peers.py; it listens on 127.0.0.1
    servers  [{address, zone, dns}], name servers on port 53; zone and dns as in the test bed
    files    {path: text}, mounted in the place of this host's files
    env      {name: value} for the command
    command  words; {scratch} is a folder with the certificate authority of peers.py

Exit status: the command's; 77 if this machine does not allow it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, socket

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "testbed")]
import namespaces  # noqa: E402
from nameserver import Behaviour, Nameserver  # noqa: E402
from peers import Peer  # noqa: E402
from wire import Wire  # noqa: E402

SKIPPED = 77


def main():
    plan = json.loads(sys.argv[1])
    for tool in ("ip", "openssl", *plan.get("tools", [])):
        if not shutil.which(tool):
            skip(f"no {tool} command")
    try:
        namespaces.enter()
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        skip(error)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scratch = tempfile.mkdtemp()
    for number, (path, text) in enumerate(plan.get("files", {}).items()):
        kept = Path(scratch, str(number))
        kept.write_bytes(text.encode("latin-1"))
        kept.chmod(0o644)
        namespaces.bind(kept, path)
    modes = {ip_address(address): mode for address, mode in plan.get("wire", {}).items()}
    wire = Wire(modes) if "wire" in plan else None
    subprocess.run(["sh", "-eu"], input=plan.get("setup", ""), text=True, check=True)
    for server in plan.get("servers", []):
        serve_names(server)
    peer = Peer(scratch, **plan["peer"]) if "peer" in plan else None
    words = [word.replace("{scratch}", scratch) for word in plan["command"]]
    command = subprocess.Popen(words, env=os.environ | plan.get("env", {}))
    if wire:
        wire.child = command
    status = command.wait()
    if peer:
        peer.end()
    shutil.rmtree(scratch, ignore_errors=True)
    sys.stdout.flush()
    os._exit(status if status >= 0 else 128 - status)


def serve_names(server):
    behaviours = {kind: Behaviour(**how) for kind, how in server.get("dns", {}).items()}
    sockets = [[listening(kind, server["address"])] for kind in (SOCK_DGRAM, SOCK_STREAM)]
    names = Nameserver(server.get("zone", {}), behaviours)
    threading.Thread(target=names.run, args=sockets, daemon=True).start()


def listening(kind, address):
    listener = socket(AF_INET6 if ":" in address else AF_INET, kind)
    listener.bind((address, 53))
    if kind == SOCK_STREAM:
        listener.listen(64)
    return listener


def skip(why):
    print(f"SKIPPED, this machine cannot run it: {why}", file=sys.stderr)
    sys.exit(SKIPPED)


main()
