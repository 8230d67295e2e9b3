"""A network whose packets are answered by a script: 192.0.2.0/24 and 2001:db8:5::/48 behind the device wire0.

The way of each destination address is one of

    slow:MS               the first SYN is answered after MS milliseconds, and no other one
    icmp:T/C[@FROM][~MS]  ICMP (ICMPv6) type T, code C, from FROM (the destination if absent), after MS milliseconds
    deaf                  the handshake is completed; data is never acknowledged
    hang                  the handshake is completed; data is acknowledged and not answered
    mtu                   the same, and the answer arrives without its first segment
    reset                 the handshake is completed; data is answered by a RST
    rst                   the SYN is answered by a RST
    stop:MS:PAUSE         30 ms after its SYN, the command is stopped for PAUSE milliseconds; the answer comes after MS
    drop                  no answer; also for addresses that are not named
"""

import fcntl
import ipaddress
import os
import signal
import struct
import subprocess
import threading
import time

CLIENT4, CLIENT6 = "198.51.100.2", "2001:db8:c::2"
SYN, RST, PSH, ACK = 2, 4, 8, 16
ICMP, TCP, ICMPV6 = 1, 6, 58
TUNSETIFF, IFF_TUN_NO_PI = 0x400454CA, 0x1001


class Wire:
    def __init__(self, ways):
        self.ways = {str(ipaddress.ip_address(address)): way for address, way in ways.items()}
        self.syns, self.command = {}, None
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"wire0", IFF_TUN_NO_PI))
        for line in (
            f"addr add {CLIENT4}/32 dev wire0",
            f"-6 addr add {CLIENT6}/128 dev wire0 nodad",
            "link set wire0 up",
            "route add 192.0.2.0/24 dev wire0",
            "route add 203.0.113.0/24 dev wire0",
            "-6 route add 2001:db8:5::/48 dev wire0",
            "-6 route add 2001:db8:9::/48 dev wire0",
        ):
            subprocess.run(["ip", *line.split()], check=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            packet = os.read(self.tun, 65536)
            is_v6 = packet[0] >> 4 == 6
            header = 40 if is_v6 else (packet[0] & 15) * 4
            if (packet[6] if is_v6 else packet[9]) == TCP and len(packet) >= header + 20:
                self.answer(Segment(packet, header))

    def answer(self, segment):
        kind, _, rest = self.ways.get(segment.target, "drop").partition(":")
        if kind == "drop" or segment.flags & RST:
            return
        if kind == "icmp":
            self.answer_by_icmp(segment, rest)
        elif kind == "rst":
            self.send(segment.reply(0, segment.seq + 1, RST | ACK))
        elif segment.flags & SYN:
            self.answer_syn(segment, kind, rest)
        elif segment.payload and kind != "deaf":
            self.answer_data(segment, kind)

    def answer_by_icmp(self, segment, rest):
        what, _, delay = rest.partition("~")
        what, _, sender = what.partition("@")
        number, code = map(int, what.split("/"))
        is_v6 = ":" in segment.source
        quoted = segment.packet[: 1200 if is_v6 else 48]
        body = struct.pack(">BBHI", number, code, 0, 0) + quoted
        protocol = ICMPV6 if is_v6 else ICMP
        self.send(ip_packet(sender or segment.target, segment.source, protocol, body, 2), float(delay or 0))

    def answer_syn(self, segment, kind, rest):
        key = (segment.source, segment.sport, segment.target, segment.dport, segment.seq)
        first = self.syns.setdefault(key, segment)
        if kind in ("slow", "stop") and first is not segment:
            return
        answer = first.reply(7000, segment.seq + 1, SYN | ACK)
        if kind == "stop":
            delay, pause = map(float, rest.split(":"))
            threading.Thread(target=self.stop, args=(delay, pause, answer), daemon=True).start()
        else:
            self.send(answer, float(rest) if kind == "slow" else 0)

    def answer_data(self, segment, kind):
        end = segment.seq + len(segment.payload)
        if kind == "reset":
            self.send(segment.reply(7001, end, RST | ACK))
            return
        self.send(segment.reply(7001, end, ACK))
        if kind == "mtu":
            self.send(segment.reply(7001 + 1448, end, PSH | ACK, bytes(100)))

    def stop(self, delay, pause, answer):
        time.sleep(0.03)
        self.command.send_signal(signal.SIGSTOP)
        time.sleep(delay / 1000)
        os.write(self.tun, answer)
        time.sleep(max(pause - delay, 0) / 1000)
        self.command.send_signal(signal.SIGCONT)

    def send(self, packet, milliseconds=0):
        if milliseconds:
            threading.Timer(milliseconds / 1000, os.write, (self.tun, packet)).start()
        else:
            os.write(self.tun, packet)


class Segment:
    """A TCP segment of the client."""

    def __init__(self, packet, header):
        at = (8, 24, 40) if packet[0] >> 4 == 6 else (12, 16, 20)
        self.packet = packet
        self.source, self.target = (str(ipaddress.ip_address(packet[at[i] : at[i + 1]])) for i in (0, 1))
        tcp = packet[header:]
        self.sport, self.dport, self.seq, _, offset, self.flags = struct.unpack(">HHIIBB", tcp[:14])
        self.timestamp = timestamp(tcp[20 : (offset >> 4) * 4])
        self.payload = tcp[(offset >> 4) * 4 :]

    def reply(self, seq, ack, flags, payload=b""):
        options = struct.pack(">BBH", 2, 4, 1460) if flags & SYN else b""
        if self.timestamp is not None:
            now = int(time.monotonic() * 1000) & 0xFFFFFFFF
            options += b"\1\1" + struct.pack(">BBII", 8, 10, now, self.timestamp)
        words = (20 + len(options)) << 2
        header = struct.pack(
            ">HHIIBBHHH", self.dport, self.sport, seq, ack & 0xFFFFFFFF, words, flags, 65000, 0, 0
        )
        return ip_packet(self.target, self.source, TCP, header + options + payload, 16)


def timestamp(options):
    """The value of the timestamp option (RFC 7323)."""
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
        elif options[0] == 8:
            return struct.unpack(">I", options[2:6])[0]
        else:
            options = options[options[1] :]
    return None


def ip_packet(source, target, protocol, body, at):
    """An IP packet whose `body` has its checksum at offset `at`."""
    ends = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    pseudo = b"" if protocol == ICMP else b"".join(ends) + struct.pack(">II", len(body), protocol)
    body = body[:at] + struct.pack(">H", checksum(pseudo + body)) + body[at + 2 :]
    if len(ends[0]) == 16:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 60) + b"".join(ends) + body
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 60, protocol, 0) + b"".join(ends)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + body


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
