//! Text of the man pages. The behaviour of a flag is described at the flag.

/// Sections of a man page that clap does not generate.
pub(crate) struct Page {
    pub(crate) description: &'static str,
    pub(crate) sections: &'static [(&'static str, &'static str)],
    pub(crate) signals: &'static str,
    /// Variables of this command, besides [`ENVIRONMENT`].
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

pub(crate) fn page_of(name: &str) -> Page {
    let page =
        |description, sections| Page { description, sections, signals: SIGNALS, environment: &[] };
    match name {
        "loopctl-connect" => Page {
            environment: &CONNECT_ENVIRONMENT,
            ..page(
                CONNECT,
                &[("URLS", URLS), ("OUTPUT", OUTPUT), ("COMPARING", COMPARING), ("JSON", JSON)],
            )
        },
        "loopctl-sendfile" => Page {
            description: SENDFILE,
            sections: &[
                ("OUTPUT", SENDFILE_OUTPUT),
                ("RESUMING", RESUMING),
                ("JSON", SENDFILE_JSON),
            ],
            signals: SENDFILE_SIGNALS,
            environment: &[],
        },
        "loopctl-demo" => page(DEMO, &[("OUTPUT", OUTPUT), ("JSON", JSON)]),
        "loopctl-resolve" => Page {
            environment: &RESOLVE_ENVIRONMENT,
            signals: RESOLVE_SIGNALS,
            ..page(RESOLVE, &[("OUTPUT", RESOLVE_OUTPUT), ("JSON", RESOLVE_JSON)])
        },
        "loopctl-report" => page(REPORT, &[("PAGES", PAGES), ("JSON", REPORT_JSON)]),
        "loopctl-completions" => page(COMPLETIONS, &[]),
        "loopctl-serve" => Page {
            description: SERVE,
            sections: &[
                ("TLS", SERVE_TLS),
                ("UPSTREAM", UPSTREAM),
                ("FAULTS", FAULTS),
                ("CHANGING FAULTS", CHANGING_FAULTS),
                ("HTTP", HTTP),
                ("SINKS", SINKS),
                ("OUTPUT", SERVE_OUTPUT),
                ("JSON", SERVE_JSON),
            ],
            signals: SERVE_SIGNALS,
            environment: &SERVE_ENVIRONMENT,
        },
        "loopctl-control" => page(CONTROL, &[("PROTOCOL", CONTROL_PROTOCOL)]),
        _ => page(LOOPCTL, &[]),
    }
}

const LOOPCTL: &str = "\
Explains why a connection is slow, picks the wrong path or fails. loopctl races every address of a host as \
browsers do (Happy Eyeballs, RFC 8305). It reports every attempt: its start, its duration and its result, also \
for attempts that lost.

`loopctl serve` is the other end: servers that behave, and servers with faults to test clients against.";

const CONNECT: &str = "\
Connects to each TARGET and closes the connection at once. The report shows every address, every attempt, and \
what the time was spent on.

Names and addresses follow Happy Eyeballs version 3 (draft-ietf-happy-happyeyeballs-v3). loopctl sends separate \
AAAA and A queries, through getaddrinfo unless --via dns is given. The first attempt starts when AAAA is \
answered, or 50 ms after A (the Resolution Delay). Six addresses are tried at the same time, sorted \
by RFC 6724 with the families interleaved. Beyond 16, addresses are tried only if all others have failed.

The next attempt starts when 250 ms have passed since the last start (the Connection Attempt Delay), or when the \
newest attempt fails. The first connection wins; the other attempts are canceled. --policy races by other rules, \
--all probes every address, --compare predicts the result of every policy.";

/// A test compares the schemes with those that are taken.
const URLS: &str = "\
The scheme of a URL gives the port, the transport and TLS. Flags come before it: --tls, --starttls, --alpn and \
--udp hold for every target. Flags that imply --tls do so only for targets without a scheme.

TLS from the first byte: https and wss (443), ldaps (636), smtps and submissions (465), imaps (993), pop3s (995). \
Likewise ftps (990), rediss (6379), amqps (5671), mqtts (8883), and tls with any port. https offers h2 and http/1.1 (ALPN), \
wss http/1.1.

STARTTLS: smtp (25), submission (587), imap (143), pop3 (110) and ftpes (21), because mail requires TLS (RFC 8314).

TCP: http and ws (80), ldap (389), ftp (21), postgres and postgresql (5432), mysql (3306), redis (6379). Likewise \
amqp (5672), mongodb (27017), mqtt (1883), nntp (119), ssh and sftp (22), git (9418), and tcp with any port. udp sends a \
datagram. A query such as sslmode=require, ssl-mode=REQUIRED or tls=true adds the TLS of PostgreSQL, MySQL or MongoDB.

A host may be an internationalized name, percent-encoded, or an IPv6 address with a zone. Each of several hosts, \
separated by commas, is a target. Passwords and parameters that name secrets are shown as ***, and are not sent.";

const SERVE: &str = "\
Listens on each ADDR and serves every client as --mode, --exec or --shell says.

The server exits after SIGINT, SIGTERM or SIGHUP (unless nohup(1) ignores it), after -n clients, or after \
--timeout. Clients may finish within --grace.

A sink with --output FILE or `-` accepts one client after another, so that their bytes do not mix.";

const SENDFILE: &str = "\
Connects to TARGET as connect does, and sends FILE over the connection. The kernel moves the bytes with \
sendfile(2), so they do not pass through this process. For pipes, devices, files of /proc and TLS, loopctl reads \
and sends instead. The last line of the report shows the method and the reason.

After the last byte loopctl shuts down its side. It waits until the peer's kernel has acknowledged every byte \
or, on a Unix socket, until the peer has read every byte. Data from the peer is discarded. A transfer that fails \
or is interrupted ends with a reset, so that the peer does not take a partial file for a complete one. Unix \
sockets have no reset.

If the file was modified during the transfer, a warning is printed.";

const SENDFILE_OUTPUT: &str = "\
The report of the connection is printed when the connection is made. The last line shows bytes, duration, method \
and reason, number of sendfile(2) or read(2) calls, and retransmitted segments. --checksum adds a line for \
sha256sum(1) or b3sum(1). On a terminal a progress bar is shown on standard error.";

const RESUMING: &str = "\
The sink is `loopctl serve --mode sink --output FILE --once --resume`. It first sends `loopctl-sink 2 SIZE SUM`: \
the length of FILE.part and its checksum. The client answers `loopctl-send 2 OFFSET TOTAL` and sends the rest. \
When everything is stored, the sink sends the first line again. SUM is `sha256:HEX` or `blake3:HEX`.

Before it sends, the client compares the sink's checksum with the beginning of its file. If they differ, nothing \
is sent, both files stay unchanged, and the exit status is 18. With --checksum the whole files are compared at \
the end. A peer that does not follow this exchange gives exit status 56.

Without --resume only the bytes of the file are sent, and the end of the connection is the end of the file. If \
the sender is killed, its kernel closes the connection the same way, and the receiver keeps a partial file. Use \
--resume where that matters, also for the first transfer.";

const SENDFILE_JSON: &str = "\
--json prints one document (schema loopctl.sendfile.v1), also if the file could not be read or no connection was \
made. `sent_bytes` counts bytes accepted by this host's kernel; the peer has them only if `outcome` is success. \
`connect` is the document of loopctl-connect(1). `fallback_reason` is null, asked, tls, not_a_regular_file or \
refused. --ndjson prints the events of the connection first.";

const SENDFILE_SIGNALS: &str = "\
SIGINT and SIGTERM abort the transfer, print the bytes sent, and end the process by the same signal. A second \
signal ends the process at once. SIGQUIT prints the bytes sent so far and continues.";

const SINKS: &str = "\
--mode sink receives until the client's end-of-file. With --output FILE, data goes to FILE.part, which is \
renamed to FILE when the server exits and every transfer was complete. With --output DIR, each client gets its \
own file: 000001.part, renamed to 000001 when complete. An aborted transfer keeps its part file, which the next \
run replaces only with --force. FIFOs, devices and standard output receive data directly.

--checksum prints one line per complete file, or per client without files, as sha256sum(1) and b3sum(1) do. \
--json prints a `transfer` record for each.

A client without --resume cannot announce a length. If it is killed, its kernel closes the connection as at \
end-of-file, and the partial file counts as complete. With --resume the client announces the length, and a \
shorter transfer stays in FILE.part. A client that does not announce it is reset, and nothing of it is stored.

A full disk or file size limit (`ulimit -f`) resets the transfer. With FILE the server then exits; with DIR \
other clients continue. The exit status is 23.";

const RESOLVE: &str = "\
Resolves each NAME through the system (getaddrinfo) and through name servers directly, side by side. Addresses \
are listed in the order in which connect would try them.

Name servers are those of resolv.conf(5), or those given with @SERVER and --server. Short names are completed \
with the search list on both sides.";

const DEMO: &str = "\
Binds three addresses on loopback and races them as connect would: one never answers, one refuses, one accepts. \
It needs neither a network nor privileges.";

const REPORT: &str = "\
Shows JSON documents that loopctl wrote before, on this host or another: as text, as an HTML page or as an SVG \
image. `connect --report FILE.html` and `resolve --report FILE.html` write the same page at the end of a run.";

const PAGES: &str = "\
An HTML page has the bars of the race, reasons with evidence, names, attempts, TLS and certificates. The state of \
the host and the JSON document follow. It is one file without scripts, and forbids browsers to load \
anything (Content-Security-Policy). It follows the light or dark setting of its reader, and fits a phone and paper.

In a race, each question and each address has a bar. `stagger` is the time from the first start to the start of an \
attempt. A cross ends a failure, and a line ends an attempt without an answer. Attempts that lost are pale.

A series (--count) has the time of each try with the failures, the distribution, and each address. A comparison \
(--compare) has a bar for each policy. An SVG image has title, bars and reasons, without tables.";

const REPORT_JSON: &str = "\
The schemas loopctl.connect.v1, repeat, resolve, path, sendfile and serve are read. With --ndjson, events are passed \
over, and the tries of a series join its last record. An HTML page has its JSON in `script#document`, and an SVG image \
in `metadata#document`.";

const CONTROL: &str = "\
Shows the faults of a running `loopctl serve --control unix:PATH`, or replaces all of them. The answer is a line \
for each fault in force. If the server refuses a fault, all stay as they are, and the exit status is 2.";

const CONTROL_PROTOCOL: &str = "\
A client connects to the Unix socket and sends one line: `get`, or `set` and each fault, with spaces between. \
The server answers `ok` and a line for each fault in force, or `refused` and a line with the reason. Then it \
closes the connection. The socket has mode 0600.";

const UPSTREAM: &str = "\
--upstream forwards each client to another server. The connection to it is made when the client has connected, \
and with --tls when its handshake is complete. Without --tls, TLS passes through. --upstream-tls encrypts the \
connection to the upstream.

End-of-file is forwarded in each direction, and so is a reset. If a client or the upstream does not read, the \
other is not read from: at most 512 KiB wait in each direction. A client is reset if no address of the upstream \
can be reached.

A fault with `up:` is one of the connection to the upstream. Its delays, slices, rates and limits hold for what \
is sent to the upstream; close, reset and half-close end that connection. `down:` is the client's connection, \
as without a prefix. `down:rate` and `up:rate` limit what is sent; rate without a prefix limits both directions \
of the client's connection. accept-delay, backlog and the faults of TLS are about clients only.

The record of a client has the upstream's address, each attempt to connect with its time and error, and the \
bytes in both directions. The reason `upstream` means that the upstream could not be reached, or reset the \
connection.";

const CHANGING_FAULTS: &str = "\
With --faults FILE, SIGHUP reads FILE again. With --control unix:PATH, `loopctl control unix:PATH set FAULT...` \
replaces all faults. Each change is printed (record `faults` in JSON).

New faults hold for open connections too: they are drawn anew for each one, durations start at the change, and \
sizes count from it. backlog has to be given at the start; so have tls-wrong-name and tls-expired, for their \
certificates.

The toxics of toxiproxy have other names here. latency is delay, bandwidth is rate, timeout is stall-after=0, \
 reset_peer is reset, slicer is slice, and limit_data is reset-after.";

const COMPLETIONS: &str = "Prints the completion script of a shell to standard output.";

const FAULTS: &str = "\
For each accepted client, loopctl draws every --fault by its percentage. Faults of several kinds combine. The \
record of a connection lists those that were drawn, and in JSON those that took effect (`faults_applied`). Durations start at the accept, or at the end of an \
accept-delay or of the TLS handshake. Sizes count bytes sent to the client, or bytes received in modes that send \
nothing.

accept-delay: no data is read or sent for this time. delay: each reply is sent this much later, one after \
another; datagrams may be reordered. close, reset: the connection is closed or reset after this time. \
half-close: sending is shut down after this time, and reading continues. stall-after: after this many bytes no \
data is read or sent, and the connection stays open. reset-after: the connection is reset after this many bytes.

slice: replies are sent in pieces of this size, with a pause between them. rate: same as --rate. backlog: \
connections are not accepted; N fit in the accept queue (default 0), and later ones get no answer.

Five faults need --tls and take no value. tls-stall: the ClientHello is never answered. tls-close: the \
connection is closed after the ClientHello. tls-wrong-name, tls-expired: the certificate is for a different \
name, or expired yesterday. It is otherwise valid, and the file that clients trust includes it. tls-bare-fin: \
the connection ends without close_notify, as if truncated. Of several handshake faults, the first in this order \
applies.

On a stalled connection, a departed client is detected when it resets the connection, or when its kernel has \
dropped it (60 s on Linux). After close, what the client still sends is read for up to 30 s, so that it sees an \
end-of-file. reset and reset-after are for TCP: a Unix socket has no reset.";

const SERVE_TLS: &str = "\
Without a value, --tls makes a key and a certificate for this run. It names localhost, 127.0.0.1, ::1, the host \
of each ADDR and this machine's name, and is valid for 90 days. The certificate that clients must trust is \
written to a temporary file in $XDG_RUNTIME_DIR, or else in $TMPDIR (/tmp). Only this user can read it, and it \
is removed at exit, except after SIGKILL. --tls-cert-file writes it to a file that is kept.

The first lines of output show the names, the SHA-256 fingerprint, and a connect command that trusts the certificate.

A PEM file has the certificate first, then its chain. With several --tls=CERT,KEY, a client gets the first \
certificate that matches its SNI, or else the first of all. A file that cannot be read exits 26; a file with \
other content exits 2.

TLS 1.2 and 1.3 are supported, with session resumption. A handshake has a time limit of 60 s. A client in a \
handshake counts for --max-conns, -n, --idle-timeout and --grace. A failed handshake is recorded as a connection \
that ended with `error`. If both sides offer ALPN protocols and share none, the handshake fails.";

const SERVE_OUTPUT: &str = "\
The first lines show the listening addresses, so that a script can wait for them. --port-file writes the ports \
to a file, which is complete when it appears. Then follows one line per closed connection: client, bytes in, \
bytes out, duration, and reason. The totals come last. With --output `-`, all of this goes to standard error. \
--udp prints one line per datagram.

Reasons: `eof`, both sides finished. `reset`, the client reset the connection. `truncated`, the TLS stream ended \
without close_notify, so the last data may be missing. `idle`, the idle timeout passed. `limit`, a rule such as \
--allow rejected the client. `fault`, a --fault ended the connection. `shutdown`, the server exited. `upstream`, the upstream could not be reached or broke off. `error`, an \
error on this host or in the TLS handshake. With --tls the TLS version precedes the reason.";

const SERVE_JSON: &str = "\
--json prints one record per line (schema loopctl.serve.v1) as it happens. `listening`: one per socket. \
`connection`: one per closed connection. `datagram`: with --udp. `stats`: with --stats. `summary`: at the end. \
--log json prints only connection records and the summary, after the listening lines.

`bytes_in` counts bytes the mode has read. `bytes_out` counts bytes the kernel has accepted; of an aborted \
connection the client may have received fewer. `tls` has version, cipher suite, group, ALPN protocol, SNI and \
client certificate of a finished handshake. The `kind` of an error is reset, io, tls or cert (the \
peer's certificate), and for an upstream also refused, unreachable, timeout or dns. `aborted` counts clients cut off after --grace.";

const SERVE_SIGNALS: &str = "\
SIGINT, SIGTERM and SIGHUP stop accepting, let clients finish within --grace, and print the totals. The exit \
status is 0, or 28 if clients were cut off. A second signal cuts them off at once and ends the process by that \
signal. SIGQUIT prints the totals so far and continues. With --faults, SIGHUP reads the file again. A closed \
standard output ends the process by SIGPIPE.";

const CONNECT_ENVIRONMENT: [(&str, &str); 2] = [
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "CA certificates to trust instead of the system's (--tls without --ca).",
    ),
    ("SSLKEYLOGFILE", "TLS secrets are appended to this file, to decrypt captured packets."),
];

const SERVE_ENVIRONMENT: [(&str, &str); 5] = [
    ("SSLKEYLOGFILE", "TLS secrets are appended to this file, to decrypt captured packets."),
    ("XDG_RUNTIME_DIR, TMPDIR", "Directory for the certificate made by --tls."),
    (
        "LISTEN_FDS, LISTEN_PID",
        "Sockets passed by systemd or a similar program; served if no ADDR is given, and held to the same rules.",
    ),
    (
        "LOOPCTL_REMOTE_ADDR, LOOPCTL_REMOTE_PORT, LOOPCTL_LOCAL_ADDR, LOOPCTL_LOCAL_PORT",
        "Set for programs of --exec and --shell: both endpoints of a connection over IP.",
    ),
    (
        "PROTO, TCPREMOTEIP, TCPREMOTEPORT, TCPLOCALIP, TCPLOCALPORT",
        "The same with the names of UCSPI; PROTO is TCP or UNIX.",
    ),
];

const RESOLVE_ENVIRONMENT: [(&str, &str); 1] = [(
    "SSL_CERT_FILE, SSL_CERT_DIR",
    "CA certificates to trust instead of the system's, for name servers over TLS and HTTPS.",
)];

const RESOLVE_SIGNALS: &str = "\
SIGINT and SIGTERM cancel the queries in progress, print the report, and end the process by the same signal. A \
second signal ends the process at once. A closed standard output ends the process by SIGPIPE.";

const RESOLVE_OUTPUT: &str = "\
The table has one row per address. Its columns are the positions in a connection, in the system's answer and in \
the name servers' answer, the TTL in seconds, and the reason. Name servers' positions count A records first, \
then AAAA records, as received.

`rule 9 (longest prefix) puts it before` names the rule of RFC 6724 that decides \
between two addresses. Where glibc or gai.conf(5) decide differently, the reason says so. A `-` in the first \
column marks an address that a connection would not try, because the deciding side did not return it. An address \
of /etc/hosts has its line there.

The lines below show who was queried, for what, and how long it took. A query with a failure, retries, or \
messages ignored as possibly forged has a separate line. Other record types have a table of records; --trace has \
one row per zone.

Errors, causes and hints go to standard error. --short prints only addresses, names or record data.";

const RESOLVE_JSON: &str = "\
--json prints one document per name (schema loopctl.resolve.v1), also if it failed or was interrupted. Several \
names give an array; --ndjson prints one document per line. `outcome` is success, nxdomain, nodata, noname, \
noaddress, servfail, refused, timeout, error or interrupted. All but success and interrupted have exit status 6.

`queries` lists every query with server, times, flags and answers. Its `result` is answered, nxdomain, nodata, \
noname, noaddress, servfail, refused, timeout or error; noname and noaddress are words of the system. `exchanges` has \
each message to a server and its reply.

`differences` has the reasons why the system and name servers differ, `hosts` has lines of /etc/hosts, and `warnings` \
has lines of /etc/resolv.conf without effect. For getaddrinfo, `error.name` is its code, such as EAI_NONAME. `rule` is \
the last column of the table. `authentic` is the AD flag, a claim of the server.";

const OUTPUT: &str = "\
The report has a headline, the source and order of addresses, and one row per address. Kernel measurements, \
socket options, the parts of the total and explanations follow.

Each row shows when the attempt started and how long it took, in milliseconds since work on the target began, \
and its result. `lost`: canceled because another attempt won. `SYN resent 2`: the kernel retransmitted the SYN \
twice. On a terminal every row has a bar on a common time axis; a TLS handshake continues the bar. With --tls, \
two lines show the TLS parameters and the certificate.

In the total, `wait for AAAA` is time spent waiting while addresses of the other family were known. `stagger` is \
time spent on addresses that did not win. Their sum is the delay added by Happy Eyeballs, which --max-cost \
limits. `why` names the answer, family or address that caused it. Nothing is printed when the first address wins \
at once. An errno is shown with its origin, this host or a router.

`others` names common clients that would take at least 1 s longer under the same conditions, or fail. A query \
without an answer at the time of the connection is repeated after the result, for up to 1 s.

Errors, causes and hints go to standard error. With --relay the report also goes there when the connection is \
made, and a line about the relay follows. A machine format is printed at the end, alone on standard error, \
unless --report names a file.";

const COMPARING: &str = "\
--compare does not race. It queries AAAA, A and both together (as getaddrinfo callers do) at the same time and \
times each; with --via dns, only the first two. It connects to each address as soon as it is known, with --tls \
including the handshake. Queries are limited by --timeout and addresses by --attempt-timeout (3 s). From these \
measurements loopctl predicts for every policy the winner, its time, and the waits before it.

Addresses have short names: 6a is the first IPv6 address in the order of RFC 6724, 4b the second IPv4 address. \
`+250.0: 6a silent` means that 250.0 ms passed between the first known address and the start of the winning \
attempt, because 6a was silent.

If an address or server did not answer within its limit, later results are unknown. `> 3.0 s` means that the \
policy has no connection before 3.0 s. The text behind it shows the result if the silence lasts until the kernel \
gives up (tcp_syn_retries).

`*` marks the policy in force. If flags changed it, it is listed last as `yours`. The exit status is that of \
this policy within --timeout. Clients also have limits of other kinds, such as connect timeouts; these are not \
modelled.

--compare=live then runs every policy in turn, with a new lookup and --timeout. A run is marked if another \
address won, or if the times differ by more than 15 ms and by more than 10 %. The exit status is that of the run \
of the policy in force. Caches and networks may change between measurement and run.

--ndjson and --qlog record each attempt of the measurement and each run as a separate race. An interrupt prints \
the measurements so far.";

const JSON: &str = "\
--json prints one document per target (schema loopctl.connect.v1), also if it failed or was interrupted. Several \
targets give an array; repeated tries give a document of schema loopctl.repeat.v1. --ndjson prints every event \
as a line (schema loopctl.event.v1, named as in draft-kuehlewind-happy-qlog), then the document.

Keys ending in `_ms` are milliseconds; start times count from the beginning of work on the target. `result` is \
success, failure (by the network or the kernel), timeout (a limit of loopctl) or canceled (another attempt won, \
or an interrupt). `resolve.queries` lists every query as in loopctl.resolve.v1. `policy.name` is the policy in \
force and `policy.changed` what flags changed. `attempts[].reason` says why the attempt started then; `start_lag_ms` \
is how much later than planned it started, a delay of this process.

`he_cost_ms` is the delay added by Happy Eyeballs; `why` lists its causes. null means that something did not \
happen or is not known. `relay` has the bytes in each direction and what ended the relay: eof, reset, idle, \
closed (standard output), interrupted or error. `outcome` describes the connection only. `answered` is set for \
UDP. `compare` has the measurements and predictions of --compare.";

const HTTP: &str = "\
With --root, GET and HEAD return the files below DIR, or one range of a file. Conditional requests \
(If-None-Match, If-Modified-Since) are supported. A directory returns its index.html or a listing, including \
hidden files. Symbolic links are followed if they are relative and stay inside DIR. Pipes and devices are never \
opened. A request with a body is answered and the connection closed.

Without --root, every request is answered with a description: its head as received, and the length of the body.

Connections are persistent. A request that violates a limit gets an error status and is recorded as `limit`. \
Limits: 16 KiB and 64 fields per head, 10 s to receive it, and HTTP/1 only. -v prints each request with the \
status and length of its response.";

const SIGNALS: &str = "\
SIGINT and SIGTERM cancel the attempts in progress, print the report, and end the process by the same signal. A \
second signal ends the process at once. A closed standard output ends the process by SIGPIPE.

In a series (--count, --interval), SIGINT and SIGTERM end the series and print its summary. After SIGINT the exit \
status is 0 if any try connected, and 1 otherwise; SIGTERM ends the process by the same signal. SIGQUIT prints an interim line of every series and continues. In a relay, SIGINT and \
SIGTERM first print the bytes relayed; SIGQUIT prints the bytes so far.";

/// Environment variables of every command.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "If not empty: no colours, unless --color=always."),
    ("CLICOLOR_FORCE", "If not 0: colours even if standard output is not a terminal."),
    ("COLUMNS", "Width of the terminal; overrides the size the terminal reports."),
    ("LC_ALL, LC_CTYPE, LANG", "A locale without UTF-8 selects ASCII output."),
    ("LOOPCTL_DEBUG", "If not empty: enables the event loop's debug mode, as --debug."),
    (
        "LOOPCTL_LOG",
        "Level of the event loop's log on standard error: error, warn, info, debug or trace.",
    ),
];

/// Files that every command may read.
pub(crate) const FILES: [(&str, &str); 3] = [
    (
        "/etc/hosts, /etc/resolv.conf, /etc/nsswitch.conf",
        "Read by the system's resolver, and to explain its answers.",
    ),
    ("/etc/gai.conf", "Decides the order of addresses (RFC 6724)."),
    ("/etc/services", "Names of ports."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scheme::SCHEMES;

    #[test]
    fn the_manual_lists_every_scheme_with_its_port() {
        let words: Vec<_> = URLS.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for scheme in &SCHEMES {
            assert!(words.contains(&scheme.name), "{}", scheme.name);
            let port = scheme.port.map(|port| port.to_string());
            assert!(port.is_none_or(|port| words.contains(&port.as_str())), "{}", scheme.name);
        }
    }
}
