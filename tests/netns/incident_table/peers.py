"""A TCP server on 127.0.0.1 that misbehaves.

    full-queue  its accept queue is full for `seconds`; then it accepts
    silent      it accepts and sends nothing
    http        it answers everything with an HTTP/1.1 400
    tls         TLS by the certificate `certificate` of the authority {scratch}/ca.pem, after `seconds`
    held        `count` connections to it take the local ports, and it listens
"""

import socket
import ssl
import subprocess
import threading
import time

# The name, and the days until the end.
CERTIFICATES = {"good": ("api.test", 30), "other-name": ("www.test", 30)}


class Peer:
    def __init__(self, scratch, kind, port, seconds=0.0, count=0, certificate="good"):
        self.seconds, self.kept = seconds, []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1 if kind == "full-queue" else 64)
        self.context = tls_context(scratch, certificate) if kind == "tls" else None
        if kind == "full-queue":
            self.fill()
        self.kept += [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        threading.Thread(target=self.serve, args=(kind,), daemon=True).start()

    def fill(self):
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.listener.getsockname())
            self.kept.append(filler)

    def serve(self, kind):
        if kind == "held":
            return
        if kind == "full-queue":
            time.sleep(self.seconds)
        while True:
            connection, _ = self.listener.accept()
            self.kept.append(connection)
            if kind in ("http", "tls"):
                threading.Thread(target=getattr(self, kind), args=(connection,), daemon=True).start()

    def http(self, connection):
        if connection.recv(65536):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        connection.close()

    def tls(self, connection):
        time.sleep(self.seconds)
        try:
            with self.context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            pass  # the client refuses the certificate

    def end(self):
        self.listener.close()


def tls_context(scratch, certificate):
    name, days = CERTIFICATES[certificate]
    key = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    ca, leaf = f"{scratch}/ca", f"{scratch}/leaf"
    authority = ["-x509", "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-subj", "/CN=Test CA", "-days", "30"]
    request = ["-new", "-keyout", f"{leaf}.key", "-out", f"{leaf}.csr", "-subj", f"/CN={name}"]
    signed = ["-in", f"{leaf}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-out", f"{leaf}.pem"]
    for words in (
        ["req", *key, *authority],
        ["req", *key, *request, "-addext", f"subjectAltName=DNS:{name}"],
        ["x509", "-req", *signed, "-copy_extensions", "copy", "-days", str(days)],
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{leaf}.pem", f"{leaf}.key")
    return context
