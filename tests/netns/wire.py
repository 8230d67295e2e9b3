#!/usr/bin/env python3
"""A path on which one thing goes wrong, behind a TUN device in a network namespace of its own.

    wire.py ADDRESS=MODE [ADDRESS=MODE...] -- COMMAND...

The command reaches 192.0.2.0/24, 203.0.113.0/24, 2001:db8:5::/48 and 2001:db8:9::/48 through the device. The exit
status is the command's; 77 if this machine does not allow the namespace or the device. Modes, by destination:

    slow:MS                the first SYN is answered after MS milliseconds
    lost                   the first SYN is lost, the second is answered
    icmp:TYPE/CODE@SENDER  an ICMP or ICMPv6 error
    deaf                   data after the handshake is never acknowledged
    hang                   data is acknowledged, and nothing else comes
    gap                    data is acknowledged, and the second of two answering segments comes
    rst                    a RST
    slow-rst:MS            the same, after MS milliseconds
    reset:MS               the SYN is answered, and a RST follows after MS milliseconds
    stop:MS:PAUSE          the command is stopped for PAUSE ms when its SYN comes; the answer comes after MS
    stop-rst:MS:PAUSE      the same, and the answer is a RST
    stop-reset:MS:PAUSE    the same, and a RST follows the answer
"""
import fcntl
import ipaddress
import os
import signal
import struct
import subprocess
import sys
import threading
import time

SYN, RST, ACK = 2, 4, 16
SKIPPED = 77
SETUP = """
link set lo up
addr add 198.51.100.2/32 dev wire
-6 addr add 2001:db8:c::2/128 dev wire nodad
link set wire up
route add 192.0.2.0/24 dev wire
route add 203.0.113.0/24 dev wire
-6 route add 2001:db8:5::/48 dev wire
-6 route add 2001:db8:9::/48 dev wire
"""


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(source, target, protocol, body, at):
    """An IP packet; the checksum of its body is at offset `at`."""
    a, b = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    pseudo = b"" if protocol == 1 else a + b + struct.pack(">II", len(body), protocol)
    body = body[:at] + struct.pack(">H", checksum(pseudo + body)) + body[at + 2 :]
    if len(a) == 16:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 60) + a + b + body
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 60, protocol, 0) + a + b
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def timestamp(options):
    """The sender's timestamp (RFC 7323)."""
    at = 0
    while at < len(options) and options[at]:
        if options[at] == 8:
            return struct.unpack(">I", options[at + 2 : at + 6])[0]
        at += 1 if options[at] == 1 else options[at + 1]
    return None


def tcp_packet(source, target, ports, numbers, flags, echo, payload=b"", mss=False):
    options = struct.pack(">BBH", 2, 4, 1460) if mss else b""
    if echo is not None:
        now = int(time.monotonic() * 1000) & 0xFFFFFFFF
        options += b"\1\1" + struct.pack(">BBII", 8, 10, now, echo)
    (sport, dport), (seq, ack) = ports, numbers
    length = (20 + len(options)) << 2
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack & 0xFFFFFFFF, length, flags, 65000, 0, 0)
    return ip_packet(source, target, 6, head + options + payload, 16)


class Wire:
    def __init__(self, plan):
        self.plan, self.syns, self.child = plan, {}, None
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, 0x400454CA, struct.pack("16sH22x", b"wire", 0x1001))
        for line in SETUP.strip().splitlines():
            subprocess.run(["ip", *line.split()], check=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            data = os.read(self.tun, 65536)
            is_v6 = data[0] >> 4 == 6
            head = 40 if is_v6 else (data[0] & 15) * 4
            if data[6 if is_v6 else 9] != 6 or len(data) < head + 20:
                continue
            cuts = (8, 24, 40) if is_v6 else (12, 16, 20)
            ends = [ipaddress.ip_address(data[cuts[i] : cuts[i + 1]]) for i in (0, 1)]
            mode = self.plan.get(ends[1], "drop")
            self.arrived(data, data[head:], str(ends[0]), str(ends[1]), mode)

    def send(self, packet, after=0.0):
        if after:
            threading.Timer(after / 1000, os.write, (self.tun, packet)).start()
        else:
            os.write(self.tun, packet)

    def arrived(self, whole, tcp, source, target, mode):
        sport, dport, seq, _, offset, flags = struct.unpack(">HHIIBB", tcp[:14])
        kind, _, rest = mode.partition(":")
        ports, offset = (dport, sport), (offset >> 4) * 4
        if kind == "icmp":
            what, _, sender = rest.partition("@")
            number, code = map(int, what.split("/"))
            is_v6 = ":" in source
            body = struct.pack(">BBHI", number, code, 0, 0) + whole[: 1200 if is_v6 else 48]
            self.send(ip_packet(sender or target, source, 58 if is_v6 else 1, body, 2))
            return
        if kind == "drop" or flags & RST:
            return
        stamp = timestamp(tcp[20:offset])
        if kind in ("rst", "slow-rst"):
            self.send(tcp_packet(target, source, ports, (0, seq + 1), RST | ACK, None), float(rest or 0))
        elif flags & SYN:
            self.answer_syn(source, target, ports, seq, stamp, kind, rest)
        elif tcp[offset:] and kind not in ("deaf", "reset"):
            end = (seq + len(tcp) - offset) & 0xFFFFFFFF
            at, payload = (8461, b"\x17" * 60) if kind == "gap" else (7001, b"")
            self.send(tcp_packet(target, source, ports, (at, end), ACK, stamp, payload))

    def answer_syn(self, source, target, ports, seq, stamp, kind, rest):
        key = (source, target, ports, seq)
        first, count = self.syns.get(key, (stamp, 0))
        self.syns[key] = (first, count + 1)
        if ((kind == "slow" or kind.startswith("stop")) and count) or (kind == "lost" and not count):
            return
        echo = stamp if kind == "lost" else first
        answer = tcp_packet(target, source, ports, (7000, seq + 1), SYN | ACK, echo, mss=True)
        if kind == "reset":
            self.send(answer)
            self.send(tcp_packet(target, source, ports, (7001, 0), RST, None), float(rest))
        elif kind.startswith("stop"):
            refusal = tcp_packet(target, source, ports, (0, seq + 1), RST | ACK, None)
            reset = tcp_packet(target, source, ports, (7001, 0), RST, None)
            packets = {"stop": [answer], "stop-rst": [refusal], "stop-reset": [answer, reset]}[kind]
            threading.Thread(target=self.stop, args=(*map(float, rest.split(":")), packets), daemon=True).start()
        else:
            self.send(answer, float(rest) if kind == "slow" else 0.0)

    def stop(self, wait, pause, packets):
        self.child.send_signal(signal.SIGSTOP)
        time.sleep(wait / 1000)
        for packet in packets:
            self.send(packet)
        time.sleep(max(pause - wait, 0) / 1000)
        self.child.send_signal(signal.SIGCONT)


def main():
    if not os.environ.get("WIRE_INSIDE"):
        os.environ["WIRE_INSIDE"] = "1"
        try:
            subprocess.run(["unshare", "-n", "true"], check=True, capture_output=True)
            os.close(os.open("/dev/net/tun", os.O_RDWR))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"wire: {error}", file=sys.stderr)
            return SKIPPED
        os.execvp("unshare", ["unshare", "-n", "--", sys.executable, *sys.argv])
    at = sys.argv.index("--")
    plan = dict(word.split("=", 1) for word in sys.argv[1:at])
    wire = Wire({ipaddress.ip_address(address): mode for address, mode in plan.items()})
    wire.child = subprocess.Popen(sys.argv[at + 1 :])
    return wire.child.wait()


if __name__ == "__main__":
    STATUS = main()
    sys.stdout.flush()
    os._exit(STATUS if STATUS >= 0 else 128 - STATUS)
