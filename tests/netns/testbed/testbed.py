#!/usr/bin/env python3
"""A network of two hosts, client and server, that misbehaves as a scenario says. See README.md."""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import traceback
from pathlib import Path
from socket import SOCK_DGRAM, SOCK_STREAM

SKIPPED, FAILED, NOT_FOUND = 77, 125, 127  # exit statuses of our own
if sys.version_info < (3, 11):  # before an import that such a Python does not have
    print("testbed: SKIPPED, it needs Python 3.11, this is", sys.version.split()[0], file=sys.stderr)
    sys.exit(SKIPPED)

import namespaces
import scenario as scenarios
import services
import timeline
from link import Link
from nameserver import Nameserver
from scenario import CLIENT, DEFAULT, RESOLVER, SERVED

SCRATCH = "/media"  # exists everywhere; what the bed mounts there only the bed sees
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def main():
    args = arguments()
    if args.verb == "check":
        build(scenarios.Scenario("nothing goes wrong"))
    elif args.verb == "list":
        for name, its in load(args.file).items():
            print(f"{name:20} {its.about}")
    elif args.verb == "timeline":
        for event in timeline.read(args.pcap, CLIENT.values()):
            print(json.dumps(event))
    elif its := load(args.file).get(args.scenario):
        pid = build(its)
        try:
            sys.exit(run(args.command, args.pcap) if args.verb == "run" else keep(args.scenario, pid))
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)
    else:
        fail(FAILED, f"no scenario {args.scenario!r}; try `testbed.py list`")


def load(file):
    try:
        return scenarios.load(file)
    except (OSError, ValueError) as error:
        fail(FAILED, error)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, about in {
        "list": "list the scenarios",
        "check": f"can this machine run a test bed? exit status {SKIPPED} if not",
        "run": "run a command on the client's side, then take everything down",
        "up": "bring a scenario up and keep it until interrupted",
        "timeline": "print what a recording holds, one JSON object a line",
    }.items():
        sub = verbs.add_parser(verb, help=about)
        if verb in ("list", "run", "up"):
            sub.add_argument("--file", default=scenarios.FILE, help="scenario file (default: %(default)s)")
        if verb in ("run", "up"):
            sub.add_argument("scenario")
        if verb == "run":
            sub.add_argument("--pcap", help="record the packets here, and the sockets' ends in PCAP.events")
            sub.add_argument("command", nargs="+", help="put -- before it")
        if verb == "timeline":
            sub.add_argument("pcap")
    return parser.parse_args()


def fail(status, message):
    print(f"testbed: {message}", file=sys.stderr)
    sys.exit(status)


def build(scenario):
    """Go on as the client, in a network as SCENARIO says; return our PID as seen from outside."""
    try:
        for tool in ("ip", "openssl"):
            if not shutil.which(tool):
                raise FileNotFoundError(f"no {tool} command")
        pid = namespaces.enter()
        certificate = overlay(scenario)
        server = tun("server0")
    except (PermissionError, FileNotFoundError) as error:
        fail(SKIPPED, f"SKIPPED, this machine cannot run it: {error}")

    # so far this is the server's network
    ip(
        "link set lo up",
        "link set server0 addrgenmode none",
        "link set server0 up",
        *(add(address, "lo") for address in RESOLVER.values()),
        *(f"route add local {network} dev lo" for network in SERVED.values()),
        *(f"route add {everywhere} dev server0" for everywhere in DEFAULT.values()),
    )
    dns_udp = [services.listen(SOCK_DGRAM, address, 53) for address in RESOLVER.values()]
    dns_tcp = [services.listen(SOCK_STREAM, "::", 53)]
    others = [services.listen(SOCK_STREAM, "::", port) for port in services.PORTS]
    spawn(Nameserver(scenario.zone, scenario.dns).run, dns_udp, dns_tcp)
    spawn(services.serve, others, scenario.mode_of, certificate, urgent=False)

    namespaces.new_network()  # from here on it is the client's
    client = tun("client0")
    ip(
        "link set lo up",
        "link set client0 addrgenmode none",
        "link set client0 up",
        *(add(CLIENT[version], "client0") for version in scenario.families),
        *(f"route add {DEFAULT[version]} dev client0" for version in scenario.families),
    )
    for key, value in scenario.sysctl.items():
        with contextlib.suppress(FileNotFoundError):  # older kernels lack some
            Path("/proc/sys", key.replace(".", "/")).write_text(str(value))
    spawn(Link(client, server, scenario.policy_of).run)
    os.close(client), os.close(server)  # a link that fails takes the network down, not just the packets
    return pid


def overlay(scenario):
    """Give this mount namespace name lookup and trust of its own; return the server's certificate."""
    namespaces.mount("testbed", SCRATCH, "tmpfs")
    certificate, trusted = services.make_certificate(scenario.zone, SCRATCH)
    os.environ["SSL_CERT_FILE"] = str(trusted)
    for path, text in {
        "/etc/resolv.conf": f"nameserver {RESOLVER[scenario.families[0]]}\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "/etc/ssl/certs/ca-certificates.crt": trusted.read_text(),
    }.items():
        (ours := Path(SCRATCH, Path(path).name)).write_text(text)
        if os.path.exists(path):
            namespaces.bind(ours, path)
    return certificate


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def ip(*lines):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def add(address, device):
    return f"address add {address} dev {device}" + " nodad" * (":" in address)  # else it is not usable at once


def spawn(work, *args, urgent=True):
    """Run WORK in a child process, ahead of all ordinary ones where the machine allows that."""
    if os.fork() == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            if urgent:
                with contextlib.suppress(PermissionError):
                    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            work(*args)
        except BaseException:
            traceback.print_exc()
        os._exit(1)


def run(command, pcap):
    recorder = timeline.Recorder(pcap, "client0") if pcap else None
    if recorder:
        spawn(recorder.run)
        recorder.note("start")
    try:
        status = subprocess.run(command).returncode
    except OSError as error:
        fail(NOT_FOUND, error)
    if recorder:
        recorder.note("exit", status=status)
        time.sleep(0.1)  # for the last packets
        if missed := recorder.missed():
            print(f"testbed: {pcap} lacks {missed} packets", file=sys.stderr)
    return status if status >= 0 else 128 - status


def keep(name, pid):
    print(f"testbed: {name} is up; enter with: nsenter --all --target {pid} COMMAND", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
