//! Arguments of `loopctl serve`.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::tls::{Protocols, VersionArg};
use super::values::{
    Completed, alpn, at_least_one, duration, network, positive, rate, size, unix_path,
};
use crate::config::fault::{self, FaultArg};
use crate::config::{LogFormat, ProgramCommand};
use crate::util::checksum::Algorithm;

#[derive(Debug, Args)]
#[command(before_long_help = "\
Examples:
  loopctl serve                              echo on a free port of localhost, both families
  loopctl serve :8080 --mode http --root .   files, to the whole network
  loopctl serve --fault delay=200ms~50ms --fault reset@10%
  loopctl serve --fault backlog              never accepts: connecting clients wait
  loopctl serve --once --mode sink --output got.bin
  loopctl serve --shell 'date; cat' unix:/tmp/app.sock
  loopctl serve :5433 --upstream db:5432 --fault down:delay=50ms --fault up:reset-after=1MB@5%
  loopctl serve --udp localhost:5353 --mode discard
  loopctl serve --tls                        with a certificate made for this run
  loopctl serve --tls=a.pem,a.key --tls=b.pem,b.key --client-ca ca.pem --mode http
  loopctl serve --tls --fault tls-expired    does my client look at the date?
  loopctl serve --json | jq 'select(.record == \"connection\")'")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) mode: ModeArgs,
    #[command(flatten)]
    pub(crate) upstream: UpstreamArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) tls: ServerTlsArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) faults: FaultArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Service")]
#[command(group = clap::ArgGroup::new("program"))]
pub(crate) struct ModeArgs {
    /// Service that each client gets
    #[arg(long, value_name = "MODE", default_value = "echo", conflicts_with = "program")]
    pub(crate) mode: ModeArg,
    /// Serve the files below DIR (--mode http); nothing outside DIR is served
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Run CMD for each client, without a shell; the connection is its standard input and output
    ///
    /// When the client has finished sending, the program's input ends. When the program exits, the
    /// connection is closed. When the client disconnects, the program and its children get SIGTERM.
    #[arg(long, value_name = "CMD", group = "program", value_parser = super::values::words)]
    pub(crate) exec: Option<ProgramCommand>,
    /// Run CMD with /bin/sh for each client; otherwise as --exec
    #[arg(long, value_name = "CMD", group = "program")]
    pub(crate) shell: Option<String>,
    #[command(flatten)]
    pub(crate) sink: SinkArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Upstream")]
pub(crate) struct UpstreamArgs {
    /// Forward each client to TARGET (host:port or unix:/path), with faults in both directions
    ///
    /// The addresses of TARGET race as in connect, for 10 s at most. TLS of the client is forwarded as it is,
    /// unless --tls ends it here. End-of-file and resets are forwarded. A client whose upstream cannot be
    /// reached is reset.
    #[arg(long, value_name = "TARGET", group = "program")]
    pub(crate) upstream: Option<String>,
    /// Use TLS to the upstream, whose certificate must match the host of TARGET
    #[arg(long, requires = "upstream")]
    pub(crate) upstream_tls: bool,
    /// Trust the CA certificates in FILE (PEM) for --upstream-tls instead of the system's; repeatable
    #[arg(long, value_name = "FILE", requires = "upstream_tls")]
    pub(crate) ca: Vec<PathBuf>,
    /// Accept any certificate of the upstream
    #[arg(long, requires = "upstream_tls")]
    pub(crate) insecure: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Sink (--mode sink)")]
pub(crate) struct SinkArgs {
    /// Store received data (--mode sink): FILE, one client after another; DIR, one file per client; `-` for
    /// standard output
    ///
    /// A file is written as NAME.part and renamed when the transfer is complete.
    #[arg(long, value_name = "FILE|DIR|-")]
    pub(crate) output: Option<PathBuf>,
    /// Let --output replace an existing file
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Print the checksum of received data, as sha256sum and b3sum do
    #[arg(long, value_name = "ALGORITHM")]
    pub(crate) checksum: Option<Algorithm>,
    /// Maximum number of files in DIR from one run; later clients are reset
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZero<usize>>, default_value = "1000")]
    pub(crate) max_files: NonZero<usize>,
    /// Reset transfers larger than this
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_size: Option<u64>,
    /// Continue FILE.part; accept only clients that announce the length (`loopctl sendfile --resume`)
    ///
    /// A client that is killed then leaves FILE.part, not a partial file that looks complete.
    #[arg(long, requires_all = ["output", "once"], conflicts_with = "force")]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Listen")]
pub(crate) struct ListenArgs {
    /// host:port, [v6]:port, :port (every interface), unix:/path or unix:@name; port 0 selects a free port
    /// [default: localhost:0, or the sockets of LISTEN_FDS]
    ///
    /// `localhost` is served on 127.0.0.1 and ::1. `:port` opens one socket per family. Without an address
    /// beyond loopback, only this machine can connect.
    #[arg(value_name = "ADDR")]
    pub(crate) addresses: Vec<String>,
    /// Serve datagrams instead of connections
    ///
    /// The source of a datagram may be forged. Sources without an answer: this server's ports, ports below
    /// 1024, broadcast and multicast, unless --allow names them. A source has at most 1000 answers a second.
    /// Beyond loopback, an answer has at most three times the bytes of its datagram.
    #[arg(short, long)]
    pub(crate) udp: bool,
    /// Maximum number of connections waiting to be accepted
    #[arg(long, value_name = "N", default_value = "100", conflicts_with = "udp")]
    pub(crate) backlog: u32,
    /// Share the address with other servers (SO_REUSEPORT); the kernel distributes clients
    #[arg(long)]
    pub(crate) reuse_port: bool,
    /// Accept only IPv6 on `[::]:port`; without this flag it also accepts IPv4
    #[arg(long)]
    pub(crate) v6only: bool,
    /// Write the ports to FILE, one per line, once clients can connect
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct ServerTlsArgs {
    /// Serve TLS with a certificate made for this run, or with CERT[,KEY] (PEM files); repeatable, selected
    /// by SNI
    ///
    /// The section TLS describes the certificate made for a run and the choice among several.
    #[arg(long, value_name = "CERT[,KEY]", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) tls: Vec<String>,
    /// Write the certificate made for this run to FILE and keep it, instead of a temporary file
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) tls_cert_file: Option<PathBuf>,
    /// Require a client certificate signed by a CA in FILE
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) client_ca: Option<PathBuf>,
    /// ALPN protocols in order of preference: h2,http/1.1
    #[arg(long, value_name = "NAME[,NAME...]", requires = "tls", value_parser = alpn)]
    pub(crate) alpn: Option<Protocols>,
    /// Minimum TLS version
    #[arg(long, value_name = "VERSION", requires = "tls", default_value = "1.2")]
    pub(crate) tls_min: VersionArg,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Maximum number of clients at the same time; others wait in the backlog [default: 100 with --exec and
    /// --shell, otherwise 1000]
    ///
    /// The limit holds for all addresses together. A program counts until it has ended. A program that ignores
    /// SIGTERM gets SIGKILL after --grace.
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZero<usize>>)]
    pub(crate) max_conns: Option<NonZero<usize>>,
    /// Exit after N clients (with --udp, N datagrams)
    #[arg(short = 'n', long, value_name = "N", value_parser = at_least_one::<NonZero<usize>>)]
    pub(crate) count: Option<NonZero<usize>>,
    /// Exit after one client; same as -n 1
    #[arg(long, conflicts_with = "count")]
    pub(crate) once: bool,
    /// Close a connection after this much inactivity [default: 60s with --mode http, otherwise never]
    #[arg(long, value_name = "DUR", value_parser = positive)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Maximum rate of each connection, in each direction: 1MiB/s, 64kB/s
    #[arg(long, value_name = "SIZE/s", value_parser = rate)]
    pub(crate) rate: Option<NonZero<u64>>,
    /// Accept clients of this network only; repeatable
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) allow: Vec<IpNet>,
    /// Time for clients to finish after SIGINT or SIGTERM
    ///
    /// Clients without traffic for 250 ms are closed at once. A client that has sent data to a sink is
    /// given until its end-of-file. If clients are cut off, the exit status is 28.
    #[arg(long, value_name = "DUR", default_value = "5s", value_parser = duration)]
    pub(crate) grace: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Faults")]
#[command(group = clap::ArgGroup::new("any_fault").multiple(true))]
pub(crate) struct FaultArgs {
    /// Inject a fault: [up:|down:]KIND[=VALUE][~JITTER][@PERCENT]; repeatable
    ///
    /// Kinds: accept-delay=DUR, delay=DUR, close[=DUR], reset[=DUR], half-close[=DUR], stall-after=SIZE,
    /// reset-after=SIZE, slice=SIZE/DUR, rate=SIZE/s, backlog[=N]. With --tls also: tls-stall, tls-close,
    /// tls-wrong-name, tls-expired, tls-bare-fin. ~JITTER varies the value; @PERCENT is the share of
    /// clients affected. `up:` puts the fault on the connection to --upstream. The section FAULTS describes
    /// each kind.
    #[arg(long = "fault", value_name = "FAULT", group = "any_fault", hide_possible_values = true)]
    #[arg(value_parser = Completed::new(str::parse::<FaultArg>, fault::COMPLETED))]
    pub(crate) faults: Vec<FaultArg>,
    /// Read the faults from FILE, one a line, and again on SIGHUP
    ///
    /// Comments begin with `#`. New faults hold for open connections too. If FILE cannot be used then, the faults
    /// stay as they are.
    #[arg(long = "faults", value_name = "FILE", group = "any_fault", conflicts_with = "faults")]
    pub(crate) faults_file: Option<PathBuf>,
    /// Let `loopctl control` show and replace the faults while the server runs; only this user can connect
    #[arg(long, value_name = "unix:PATH", group = "any_fault", value_parser = unix_path)]
    pub(crate) control: Option<PathBuf>,
    /// Seed for the random choices of faults; the summary of a run shows its seed
    #[arg(long, value_name = "N", requires = "any_fault")]
    pub(crate) fault_seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct RecordArgs {
    /// Format of the per-connection log line
    #[arg(long, value_name = "FORMAT", default_value = "text", conflicts_with_all = ["json", "ndjson"])]
    pub(crate) log: LogFormat,
    /// Print the totals at this interval
    #[arg(long, value_name = "DUR", value_parser = positive)]
    pub(crate) stats: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Send received data back (RFC 862)
    Echo,
    /// Receive and discard data (RFC 863)
    Discard,
    /// Send printable characters without end (RFC 864)
    Chargen,
    /// Send the time and close (RFC 867)
    Daytime,
    /// Answer HTTP/1.1: files with --root, otherwise a description of the request
    Http,
    /// Receive data and store it (--output)
    Sink,
    /// Accept, and never read or answer
    Blackhole,
}
