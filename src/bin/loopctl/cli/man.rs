//! The texts of the man pages, and which page has which.

/// What a page has beside the definitions of its flags.
pub(crate) struct Page {
    pub(crate) description: &'static str,
    pub(crate) sections: &'static [(&'static str, &'static str)],
    pub(crate) signals: &'static str,
    /// Beside what every command heeds.
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

pub(crate) fn page_of(name: &str) -> Page {
    let page =
        |description, sections| Page { description, sections, signals: SIGNALS, environment: &[] };
    match name {
        "loopctl-connect" => Page {
            environment: &CONNECT_ENVIRONMENT,
            ..page(CONNECT, &[("OUTPUT", OUTPUT), ("COMPARING", COMPARING), ("JSON", JSON)])
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
        "loopctl-completions" => page(COMPLETIONS, &[]),
        "loopctl-serve" => Page {
            description: SERVE,
            sections: &[
                ("TLS", SERVE_TLS),
                ("FAULTS", FAULTS),
                ("HTTP", HTTP),
                ("SINKS", SINKS),
                ("OUTPUT", SERVE_OUTPUT),
                ("JSON", SERVE_JSON),
            ],
            signals: SERVE_SIGNALS,
            environment: &SERVE_ENVIRONMENT,
        },
        _ => page(LOOPCTL, &[]),
    }
}

const LOOPCTL: &str = "\
Says why a connection is slow, picks the wrong path or fails. It races every address of a host the way browsers do \
(Happy Eyeballs, RFC 8305) and reports every attempt: when it started, how long it took, and what became of it, also \
of the ones that lost.

The other end is here, too: servers that behave, and servers that do not, to try clients against.";

const CONNECT: &str = "\
Connects to each TARGET, several at a time, and closes the connection at once. This is Happy Eyeballs version 3: the \
system (getaddrinfo) is asked for AAAA and for A apart. The first attempt starts when AAAA is answered, or the Resolution \
Delay (50 ms) after A; what comes later joins the race. What /etc/hosts has is asked for as a whole, and where gai.conf(5) puts IPv4 first, A is what is waited for. Addresses \
are tried in the order of RFC 6724 with the families interleaved: 16 of them at most, six at a time. The next attempt starts \
when the Connection Attempt Delay (250 ms) has passed since the last start, or when the newest attempt fails, though not \
within 10 ms of its packet. The first connection wins, and the attempts that are still under way are given up.

With --happy-eyeballs=off, the next address is tried only when the one before has failed. With --all, every address is \
tried, the next one also when the newest has connected.

With --policy, the race is run by the rules of a standard or of a well-known client: hev3 \
(draft-ietf-happy-happyeyeballs-v3), rfc8305, asyncio, curl, curl-7.88, node, go, chrome, chrome-hev3, firefox, \
firefox-nightly, trio, sequential and simultaneous. Those of hev3, rfc8305, curl, chrome-hev3, firefox-nightly and \
simultaneous, and --resolution-delay, ask for each family by itself; the others wait for both. Without --policy it is \
hev3, and with --happy-eyeballs=off sequential. -v says which rules are in force, and why each attempt started.

With --count or --interval, the same race is run again and again; a name is resolved once, unless --fresh-dns is given, or \
the race was over before all questions had their answers. \
With --wait, it is run again, after pauses of 0.1 s that double up to 2 s, until it connects.

Targets are told in the order in which they were given.

With --via dns, or --server, names are not looked up by the system: name servers are asked for AAAA and A at the same time, \
and their answers are put in the order of RFC 6724. Without --server, they are those of resolv.conf(5), with its search list, and \
/etc/hosts comes first; with it, nothing but their answers counts. Servers may take half of the --timeout, which all \
tries share evenly; the `timeout` and `attempts` of resolv.conf(5) hold for its servers, where that is sooner. Every question is told.

With --relay, the connection is kept: what standard input gives goes to the peer, and what the peer sends to standard \
output, which then carries nothing else; the report goes to standard error. The end of the input is passed on, and \
what the peer still sends is written; the peer's end ends the relay, also while the input is open; what the input gives without a pause is still sent. Each side is read \
only as fast as the other one takes it. --timeout limits the connection, not the relay. A connection that is not as \
expected is not used.

With --tls, TLS is spoken within the same --timeout, and the connection is what was asked \
for when the handshake is done. With --success tcp, it is spoken over the connection that has won. With --success tls, as the policies hev3 and \
firefox-nightly have it, the handshake is a part of every attempt, also of its --attempt-timeout: the first that is done wins, and one that fails starts the next attempt. While one is under \
way, the next attempt waits until TCP has been up for the Connection Attempt Delay, and for three times what it took. The peer's certificates have to lead to one that the system trusts, or that --ca \
gives, and have to be for the host of the target, or for --sni. They are shown whether they are trusted or not; \
--insecure takes any, and tells what is wrong. No session is resumed: every handshake is a whole one. Where the peer asks \
for a certificate of ours, its judgement is waited for, at least 50 ms and at most 1 s. --starttls asks for TLS in the words of a protocol that begins \
in plain, over the connection that has won: the success is always that of TCP; what the peer sends in plain after that is refused.

With --udp, one address after another is sent an empty datagram, and has 0.2 s (--attempt-timeout) to answer or to \
refuse: the first that does not refuse is taken. `answered` is proof that somebody is there, and `silent` is none: a \
service that ignores an empty datagram, a firewall and a dead host look the same. With --relay as well, nothing is sent \
but what standard input gives: the first address that there is a route to is taken, every read of the input (a line \
of a terminal, at most 64 KiB of a file, 256 KiB of a pipe) is a datagram, or several where it is longer than 65507 \
bytes, and what comes back is written as it is. After the end of the input, 0.5 s of silence (--idle-timeout) end the \
relay.";

const SERVE: &str = "\
Listens on each ADDR, and does with every client what --mode, --exec or --shell says. Unless an address beyond \
loopback is asked for, only this machine can connect. Of `localhost`, both families are served; `:port` is every \
interface, with a socket for each family.

It ends after SIGINT, SIGTERM or SIGHUP (unless nohup(1) has it ignored), after the clients that -n asks for, or after --timeout. Clients that have been \
quiet for 250 ms are closed then; others may finish what they are at, within --grace. One that has sent something to \
a sink is waited for until its end-of-file.

A program that --exec or --shell runs has the connection as its input and output. When the client has finished, the \
program's input ends; when the program has exited, the connection is closed; when the client breaks off, the program \
and what it has started are sent SIGTERM.

With --tls, all of this is spoken over TLS, also on Unix sockets.

A sink with --output FILE or - takes one client after another, so that their bytes do not mix.";

const SENDFILE: &str = "\
Connects to TARGET as connect does, and sends FILE over the connection. The kernel moves the bytes (sendfile(2)): they \
never come into this process. It cannot do so for pipes, devices and files that only look like some, such as those of \
/proc: those are read and sent, unless --no-fallback is given. What was done and why is told at the end.

The file is opened before anybody is connected to; for the writer of a FIFO it waits afterwards. What the file had then is \
sent, also where it grows meanwhile; one that becomes shorter, or has fewer bytes than --count asks for, gives status 18. \
One that is written to meanwhile gives a warning. Standard input that is a file is sent from where it is. --checksum reads \
the file once more, beside what the kernel does; where the file was written to meanwhile, it is read again, and another \
sum gives status 18.

After the last byte the peer is told that no more comes, and it is waited for until its kernel has all, or on a Unix \
socket, until it has read all. What it says is thrown away. A transfer that fails or is interrupted ends with a reset, so that the peer does not take a part for the whole; \
a Unix socket knows none, and ends like any other.

--timeout limits connecting to 10 s where it is not given, and all of it where it is. A peer that has something to take, or \
with --resume to say, and does not for --idle-timeout, ends it with status 28. The writer of a pipe may take its time.";

const SENDFILE_OUTPUT: &str = "\
The report of the connection, as connect gives it, is told when it is there; then, at the end, a line: how much went, in \
what time, by sendfile or by copy and why, in how many calls (or reads of the file), and how many segments were sent \
again. With --checksum, a line for sha256sum(1) or b3sum(1) follows. A terminal has a bar meanwhile, on standard error, \
unless --no-progress is given.";

const RESUMING: &str = "\
With --resume, the other end has to be `loopctl serve --mode sink --output FILE --once --resume`. The conversation: the \
sink begins with `loopctl-sink 2 SIZE SUM`, the bytes that it has in FILE.part and their checksum; the client says \
`loopctl-send 2 OFFSET TOTAL`, where it goes on and how long the file is, and sends the rest; the sink ends with the \
first line again, once all is stored. SUM is `sha256:HEX` or `blake3:HEX`.

Before anything is sent, the checksum of what the sink has is compared with that of the beginning of the file; where they \
differ, nothing is sent, both files stay as they are, and the status is 18. With --checksum, the whole is compared in the \
end, too. A peer that says something else, or does not say in the end what it has stored, gives status 56.

Only with --resume does the other end know how long the file is. Otherwise nothing is sent but the bytes of the file, as \
any receiver expects, and the end of the connection is the end of the file: when the sender is killed, its kernel ends the \
connection in the same way, and a receiver takes the part for the whole. Where that matters, use --resume, also for the \
first time.";

const SENDFILE_JSON: &str = "\
With --json there is one document (schema loopctl.sendfile.v1), also when the file could not be read or nobody was \
connected to. `sent_bytes` is what the kernel here has taken, which the peer has got only if the outcome is success; `connect` is the document that connect would give. `fallback_reason` is null, asked, tls, \
not_a_regular_file or refused. With --ndjson, every event of the connection is a line before it.";

const SENDFILE_SIGNALS: &str = "\
SIGINT and SIGTERM break the transfer off, print how much went, and end the process by the same signal. A second one \
ends it at once. SIGQUIT prints how much has gone so far, and it goes on.";

const SINKS: &str = "\
--mode sink receives until the client's end-of-file. With --output FILE, what comes goes to FILE.part, which becomes FILE \
in one step when the server ends and every transfer came to its end; with --output DIR, each client's goes to a file of \
its own, 000001.part, which becomes 000001 when it is whole. What was broken off keeps its .part and is told; it is not \
replaced by the next run, unless --force is given. What is no file, such as a FIFO, and standard output take what comes \
as it comes.

--checksum prints a line for each file that is whole, or for each client where there is none, as sha256sum(1) or b3sum(1) \
would. With --json there is a record `transfer` for each.

A client that just sends cannot say how much there is: when it is killed, its kernel ends the connection as if the file \
had come to its end, and the part counts as whole. With --resume a client has to say how long the file is, and less than \
that stays in FILE.part. One that does not is refused with a reset, and nothing of it is kept.

--resume goes on with FILE.part, and tells the client how much that is, with its checksum, and what was stored in the end; \
see loopctl-sendfile(1).

A disk that is full, or a file that may not become larger (`ulimit -f`), ends the transfer with a reset. With FILE it ends the server, too; with DIR the others go on, and the \
exit status is 23 in the end.";

const RESOLVE: &str = "\
Shows what each NAME resolves to: for the programs of this host (getaddrinfo), and by name servers asked directly, side \
by side, in the order in which connect would try the addresses. Name servers are those of resolv.conf(5), or those that \
@SERVER and --server name, without a hosts file. Short names are completed with the search list on both sides.

The answer of the system decides whether a name resolves, and the order of a connection; with --server, @SERVER or \
--via dns, the answer of the name servers does, whose addresses are put in the order of RFC 6724. Types other than A \
and AAAA are asked of name servers alone.

A server is udp:// (the default, which turns to TCP for what does not fit), tcp://, tls:// (port 853) or https:// (HTTP/1.1), \
and a host with or without a port. A name after `#` is the one that the certificate must be for. Each server is asked \
twice, if need be, and all tries share the --timeout of a name evenly; the `timeout` and `attempts` of resolv.conf(5) hold \
for its servers, where that is sooner.

With --trace, name servers are asked for what they know themselves: those of the root first, or those of --server, then \
those that each referral names, at the addresses that came with it. Where none came, the system is asked for them. \
Aliases are followed from the beginning. The port of --server is that of all servers on the way.

With --dnssec, the answers of name servers are verified here, from the keys of the root down, or from those of \
--trust-anchor: DNSKEY or DS records as zone files have them. secure: signatures lead to the answer. insecure: the zone is \
proved not to be signed. bogus: it ought to be signed well, and is not; the first fault is named. indeterminate: what would \
tell cannot be had. A name of which an answer is bogus or indeterminate does not resolve (exit status 6), even if the \
system thinks so; but where no trust anchor is in charge of a name, nothing is expected of it. Servers are told not to \
verify anything themselves (CD), so that the fault can be seen. The keys of zones are asked for once in a run. With \
--trace nothing is verified: signatures are only shown, and what the servers claim.

An address in the place of a name needs no resolver; -x asks for its names. Letters beyond ASCII are encoded (IDNA), \
and both spellings are told. localhost is this host, and nobody is asked.

Names are told in the order in which they were given.";

const DEMO: &str = "\
Plays a host with three addresses on this machine's loopback, and races them as connect would: one address never \
answers, one refuses, one works. Needs neither a network nor privileges.";

const COMPLETIONS: &str = "Prints the completions of a shell to standard output.";

const FAULTS: &str = "\
Each --fault is drawn for each client anew when it is accepted, by its percentage; faults of several kinds combine, and \
a record lists those drawn. Durations count from the acceptance, or the end of an accept-delay or of the TLS handshake; sizes count what was \
sent to the client, or received where the mode sends nothing.

accept-delay: nothing is read or sent for so long. delay: each reply is sent so much later, one after another, so that much \
data takes as long as over a slow line; datagrams may change their order. close and reset: the \
connection ends after so long, the latter with a reset. half-close: the client is told that no more will come, and is \
read from. stall-after: after so many bytes nothing moves any more, and the connection stays. reset-after: the client \
gets so many bytes, then a reset. slice: replies leave in pieces of so many bytes with a pause between them. rate: as \
--rate. backlog: connections are not accepted; N of them find room in the queue, without a number none, and the others \
get no answer at all.

With --tls there are five more, without values. tls-stall: the first message of the handshake is never answered. \
tls-close: the connection is closed when that message has come. tls-wrong-name and tls-expired: the certificate is for \
another name, or until yesterday; both are in the file that a client is told to trust, so that it can find nothing else \
wrong with them. tls-bare-fin: when all is sent, the connection ends without close_notify, so that it looks as if it had \
been cut short. Of several that concern the handshake, the first in this order counts.

A client that has left a connection on which nothing moves is noticed when it resets it, or after its kernel has \
forgotten it (a minute on Linux).";

const SERVE_TLS: &str = "\
Without a value, --tls makes a key and a certificate for this run: for localhost, 127.0.0.1, ::1, each host that an \
ADDR names and the name of this machine, good for 90 days. Neither is kept. What a client has to trust is written \
to a file in $XDG_RUNTIME_DIR or else in $TMPDIR (/tmp), which only this user can read and which is removed at the end, \
unless SIGKILL ends it; --tls-cert-file writes it to a file that stays. The first lines of the output tell the names, \
the SHA-256 of the certificate, and how connect can be called to trust it.

With files, the certificate comes first, then the chain that leads to it, in PEM. Of several --tls=CERT,KEY, a client \
is shown the first that is for the name it asks for, and the very first if there is none. A file that cannot be read \
ends with status 26, one that holds something else with 2.

TLS 1.2 and 1.3 are spoken, and sessions may be resumed. A handshake may take 60 s. It counts as a client: for \
--max-conns, -n, --idle-timeout and --grace. One that fails, such as that of a port scanner, is told as a connection that \
ended with `error`. Where both sides name protocols (--alpn) and have none in common, it fails, too.";

const SERVE_OUTPUT: &str = "\
The first lines say where it listens, so that a script can wait for them; --port-file writes the ports to a file, \
complete when it appears. Then comes a line for each connection that has ended: the client, what it sent and was sent, \
how long it was there, and why it ended. `eof`: all had been said. `reset`: the client broke it off. `truncated`: \
the client's TLS stream ended without close_notify, so that what came last may be missing; many clients end like this. `idle`: the idle \
timeout. `limit`: against a rule, such as --allow. `fault`: as was asked for. `shutdown`: the server ended. `error`: \
something failed here, or the TLS handshake did. With --tls its version stands before that. The totals are told last. With --output -, all of this goes to standard error.

With --udp there is a line for each datagram.";

const SERVE_JSON: &str = "\
With --json there is one record a line (schema loopctl.serve.v1), written at once: `listening` for each socket, \
`connection` for each that has ended, `datagram` with --udp, `stats` with --stats, and `summary` at the end. --log json \
writes only the records of connections and the summary, after the lines that say where it listens.

bytes_in is what the client sent and the mode took; bytes_out is what the system took to send: of a connection that \
broke off, at least so much. `tls` has the version, cipher suite, group, protocol (ALPN), name (SNI) and client certificate of a handshake that came to its end. The kind of an `error` is reset, io, tls, or \
cert where it is about the client's certificate. `aborted` clients were cut off when --grace was over.";

const SERVE_SIGNALS: &str = "\
SIGINT, SIGTERM and SIGHUP stop accepting, let clients finish within --grace, and print the totals; the exit status is 0, or \
28 if clients had to be cut off. A second one cuts them off at once and ends the process by the signal. SIGQUIT \
prints the totals so far, and it goes on. A closed standard output ends it by SIGPIPE.";

const CONNECT_ENVIRONMENT: [(&str, &str); 2] = [
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "Certificates to trust, in the place of the system's (--tls without --ca).",
    ),
    (
        "SSLKEYLOGFILE",
        "The secrets of TLS are appended to this file, for those who look at captured packets.",
    ),
];

const SERVE_ENVIRONMENT: [(&str, &str); 5] = [
    (
        "SSLKEYLOGFILE",
        "The secrets of TLS are appended to this file, for those who look at captured packets.",
    ),
    ("XDG_RUNTIME_DIR, TMPDIR", "Where the certificate is written that --tls makes."),
    (
        "LISTEN_FDS, LISTEN_PID",
        "Sockets handed over by systemd or the like; they are served where no ADDR is given.",
    ),
    (
        "LOOPCTL_REMOTE_ADDR, LOOPCTL_REMOTE_PORT, LOOPCTL_LOCAL_ADDR, LOOPCTL_LOCAL_PORT",
        "Set for the programs of --exec and --shell: both ends of a connection over IP.",
    ),
    (
        "PROTO, TCPREMOTEIP, TCPREMOTEPORT, TCPLOCALIP, TCPLOCALPORT",
        "The same in the words of UCSPI; PROTO is TCP or UNIX.",
    ),
];

const RESOLVE_ENVIRONMENT: [(&str, &str); 1] = [(
    "SSL_CERT_FILE, SSL_CERT_DIR",
    "Certificates to trust, in the place of the system's, for servers over TLS and HTTPS.",
)];

const RESOLVE_SIGNALS: &str = "\
SIGINT and SIGTERM end the questions under way, print the report, and end the process by the same signal. A second one \
ends it at once. A closed standard output ends the process by SIGPIPE.";

const RESOLVE_OUTPUT: &str = "\
A row for each address: its place in a connection, in the system's answer and in that of the name servers (first those \
of A, then those of AAAA records, as they were sent), how many seconds it may be kept, and why it is there. `rule 9 (longest \
prefix) puts it before` an address that name servers have before it: the rule of RFC 6724 that decides between the \
two. `puts it behind` is about the address before it in the resolver's order, which connect then interleaves. glibc knows \
more than RFC 6724 says, and gai.conf(5) may say otherwise; that is told as well. `-` in the first column: a connection \
would not try it, for the side that decides does not give it.

Then who was asked, for what, and how long it took; a question with something to tell, such as why there is no answer, \
retries, or messages that were ignored because they may be forged, has a line of its own. Other types have a table of \
records, and traces a row for each zone.

Errors, causes and hints go to standard error. With --short, nothing but addresses, names or the data of records is \
printed.";

const RESOLVE_JSON: &str = "\
With --json, every name gives one document (schema loopctl.resolve.v1), also when it failed or was interrupted; several \
names give an array, and --ndjson a document a line. `outcome` is success, nxdomain, nodata, servfail, refused, timeout, \
error or interrupted; all but the first and the last are exit status 6. `queries` has every question with its server, times, flags and \
answers; `result` is answered, nxdomain, nodata, servfail, refused, timeout or error. The system's resolver has no codes of \
its own: `error.name` is what it said, such as EAI_NONAME. `rule` is the last column of the table. `authentic` is the server's claim (AD).";

const OUTPUT: &str = "\
A headline; where the addresses came from, how long the system or name servers took for each family, and how the addresses are ordered; a row for every address; what the kernel \
measured; the socket's options, where some were asked for; what the total is made of; and why, where there is something to explain.

`wait for AAAA` in the total is time in which addresses of the other family were at hand, `stagger` time that went to addresses \
which did not win. Both together are what Happy Eyeballs cost: --max-cost judges it, and `why` says which answer, family or \
address is to blame, and for how much. A number of the system is told with who said it: the same EACCES comes from this host at \
once, and from a router after a round trip. Nothing is told of a first address that won.

A row says when its attempt started and how long it took, both in milliseconds since work on the target began, and \
its outcome. With --tls, two lines more say what was agreed on and whom the peer says it is, and -v shows all of its certificates; \
the bar of the connection goes on with the handshake. `lost` is an attempt that was under way when another one won. `SYN resent 2` says that the kernel sent the \
first packet again twice; a winner's `SYN lost once` is loss on the way, and no slow path. On a terminal each row has a bar on a common time axis.

Errors, their causes and hints go to standard error. With --relay the report goes there, too, and is told when there \
is a connection; a line about what was relayed follows. A format for programs comes at the end, and is alone on \
standard error, unless --report gives it a file.";

const COMPARING: &str = "\
With --compare, nothing is raced. The questions for AAAA, for A and for both at once, which is what programs wait for that \
call getaddrinfo, are put at the same time, and each is timed by itself; with --via dns, only the first two. Each address is \
connected to by itself as soon as it is known, with --tls also its handshake is done. Questions have the --timeout, and \
addresses --attempt-timeout (3 s). From that follows what the policies would get: the winner, when it would be there, and what \
it would have waited for. Addresses have short names: 6a is the first IPv6 address in the order of RFC 6724, 4b the second of IPv4. \
`+250.0: 6a silent` is time that went by between the first address known and the start of the attempt that wins, and what it went to.

What was silent for as long as it was waited for makes what comes after it uncertain: `> 3.0 s` says up to when the policy has no \
connection for sure. Behind it stands how it goes on if the silence lasts, and the kernel gives up after tcp_syn_retries.

The policy that was asked for has a `*`; where flags have made it another than all presets, it is the last one, `yours`. The \
exit status is the one that it would have, within --timeout and if what is silent stays so. Clients differ in more than their \
policies, such as timeouts of their own; those are left out.

With --compare=live, every policy is then run, one after another, with a lookup and the --timeout of its own. A run that is not as \
predicted is marked: another address has won, or the times are more than 15 ms and a tenth apart. The exit status is that of \
the run of the policy that was asked for. Caches and networks change between the two, and a differing run says so.

--ndjson and --qlog have each attempt of the measurement and each run as a race of its own. An interrupt tells what was measured so far.";

const JSON: &str = "\
With `--json`, every target gives one document (schema loopctl.connect.v1), also when it failed or was interrupted; \
several targets give an array, and repeated tries a document of their own (loopctl.repeat.v1). With `--ndjson`, every event is a line (schema loopctl.event.v1, named as in \
draft-kuehlewind-happy-qlog), followed by the document.

All `_ms` are milliseconds since work on the target began. `result` is success, failure (the network or the kernel \
said no), timeout (a deadline fell) or canceled (another attempt won, or the user interrupted). `resolve.queries` has every question to the system or to a name server, as loopctl.resolve.v1 has them; canceled is one that nobody waited for in the end. \
`policy.name` says whose rules were in force, and `policy.changed` what flags made of them. `attempts[].reason` says why an attempt started when it did, and `slip_ms` how \
much later that was than planned: time of this process, not of the network. `he_cost_ms` is what Happy Eyeballs cost, and `why` who had it. null means that \
something did not happen or is not known. `relay` says how many bytes went each way and what ended that: eof, reset, \
idle, closed (standard output), interrupted or error; `outcome` is about the connection alone. `answered` tells over UDP whether anything came back. `compare` has what --compare \
measured and predicted for each policy.";

const HTTP: &str = "\
With --root, GET and HEAD get the files below DIR, or one range of bytes of them, unless the client has them already \
(If-None-Match, If-Modified-Since). A folder is shown by its index.html or as a list, hidden files included. Nothing \
leads out of DIR: symbolic links work if they are relative and stay inside. What is no file, such as a pipe or a \
device, is never opened. A request with a body is answered, and the connection closed.

Without --root, every request is answered with what it looked like: its head as it came, and how many bytes of body \
followed.

Connections stay open for more requests. One that breaks a rule is told why and closed, and recorded as `limit`: a \
head of over 16 KiB or 64 fields, one that takes longer than 10 s, or what is no HTTP/1. -v tells each request, with \
the status and the length of its answer.";

const SIGNALS: &str = "\
SIGINT and SIGTERM end the attempts under way, print the report, and end the process by the same signal. A second \
one ends it at once. When connecting again and again, they end the series and print its summary; the exit status is \
then 0 if anything connected. SIGQUIT prints an interim line of every series and goes on. A closed standard output \
ends the process by SIGPIPE. SIGINT and SIGTERM end a relay, too; it says before what was relayed, and on SIGQUIT what has been so far.";

/// What every command heeds.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "Not empty: no colours, unless --color=always."),
    ("CLICOLOR_FORCE", "Not 0: colours also where standard output is no terminal."),
    ("COLUMNS", "The width of the terminal, instead of what the terminal says."),
    ("LC_ALL, LC_CTYPE, LANG", "A locale without UTF-8 gives ASCII output."),
    ("LOOPCTL_DEBUG", "Not empty: the event loop's debug mode, as --debug."),
    (
        "LOOPCTL_LOG",
        "What the event loop logs to standard error: error, warn, info, debug or trace.",
    ),
];

/// What every command may read.
pub(crate) const FILES: [(&str, &str); 3] = [
    ("/etc/hosts, /etc/resolv.conf, /etc/nsswitch.conf", "Read by the system's resolver."),
    ("/etc/gai.conf", "Decides the order of addresses (RFC 6724)."),
    ("/etc/services", "Names of ports."),
];
