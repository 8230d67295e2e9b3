//! What was typed after `loopctl serve`.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::tls::{Protocols, VersionArg};
use super::values::{alpn, at_least_one, duration, network, positive, rate, size};
use crate::config::fault::FaultArg;
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
  loopctl serve --udp localhost:5353 --mode discard
  loopctl serve --tls                        with a certificate made for this run
  loopctl serve --tls=a.pem,a.key --tls=b.pem,b.key --client-ca ca.pem --mode http
  loopctl serve --tls --fault tls-expired    does my client look at the date?
  loopctl serve --json | jq 'select(.record == \"connection\")'")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) mode: ModeArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) tls: ServerTlsArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) faults: FaultArgs,
    #[command(flatten)]
    pub(crate) told: ToldArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What clients get")]
#[command(group = clap::ArgGroup::new("program"))]
pub(crate) struct ModeArgs {
    /// What is done with each client
    #[arg(long, value_name = "MODE", default_value = "echo", conflicts_with = "program")]
    pub(crate) mode: ModeArg,
    /// The files of --mode http; nothing outside of DIR is shown
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Run CMD for each client, without a shell: its input and output are the connection
    #[arg(long, value_name = "CMD", group = "program", value_parser = super::values::words)]
    pub(crate) exec: Option<super::values::Words>,
    /// As --exec, with /bin/sh
    #[arg(long, value_name = "CMD", group = "program")]
    pub(crate) shell: Option<String>,
    #[command(flatten)]
    pub(crate) sink: SinkArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What --mode sink does with what it receives")]
pub(crate) struct SinkArgs {
    /// Where it goes: into a file, one client after another; into a directory, a file for each client; `-` is
    /// standard output. A file has .part at the end of its name until it is whole
    #[arg(long, value_name = "FILE|DIR|-")]
    pub(crate) output: Option<PathBuf>,
    /// Let --output replace a file that exists
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Print the checksum of what was received, as sha256sum and b3sum do
    #[arg(long, value_name = "ALGORITHM")]
    pub(crate) checksum: Option<Algorithm>,
    /// Break off transfers that are larger
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_size: Option<u64>,
    /// Go on with what there is of FILE.part, and take only clients that say how long the file is, so that one
    /// that is killed leaves no half of it as the whole (`loopctl sendfile --resume`)
    #[arg(long, requires_all = ["output", "once"], conflicts_with = "force")]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Where it listens")]
pub(crate) struct ListenArgs {
    /// host:port, [v6]:port, :port (every interface), unix:/path or unix:@name; port 0 is a free one
    /// [default: localhost:0, or the sockets of LISTEN_FDS]
    #[arg(value_name = "ADDR")]
    pub(crate) addresses: Vec<String>,
    /// Datagrams instead of connections
    #[arg(short, long)]
    pub(crate) udp: bool,
    /// How many connections may wait to be accepted
    #[arg(long, value_name = "N", default_value = "100", conflicts_with = "udp")]
    pub(crate) backlog: u32,
    /// Share the address with other servers; the kernel deals out the clients
    #[arg(long)]
    pub(crate) reuse_port: bool,
    /// [::]:port takes IPv6 only; IPv4 clients come to it otherwise
    #[arg(long)]
    pub(crate) v6only: bool,
    /// Port 0 becomes the same port on all addresses of an ADDR, such as both of localhost
    #[arg(long)]
    pub(crate) same_port: bool,
    /// Write the ports to FILE, one a line, once clients can connect
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct ServerTlsArgs {
    /// Speak TLS, with a certificate made for this run; or with that of a PEM file, its key in a second one
    /// unless it is in the same. Given again, clients get the one for the name that they ask for (SNI)
    #[arg(long, value_name = "CERT[,KEY]", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) tls: Vec<String>,
    /// Write the certificate made for this run to FILE, where it stays, instead of to a temporary file
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) tls_cert_file: Option<PathBuf>,
    /// Let in only clients with a certificate that one of those in FILE has signed
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) client_ca: Option<PathBuf>,
    /// The protocols to agree on, the best first: h2,http/1.1
    #[arg(long, value_name = "NAME[,NAME...]", requires = "tls", value_parser = alpn)]
    pub(crate) alpn: Option<Protocols>,
    /// No version of TLS below this one
    #[arg(long, value_name = "VERSION", requires = "tls", default_value = "1.2")]
    pub(crate) tls_min: VersionArg,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// At most N clients at a time; others wait in the backlog
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_conns: Option<NonZero<usize>>,
    /// End after N clients (with --udp, N datagrams)
    #[arg(short = 'n', long, value_name = "N", value_parser = at_least_one)]
    pub(crate) count: Option<NonZero<usize>>,
    /// End after one client: -n 1
    #[arg(long, conflicts_with = "count")]
    pub(crate) once: bool,
    /// Close a connection over which nothing has gone for so long
    #[arg(long, value_name = "DUR", value_parser = positive)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Send and receive no faster, for each connection: 1MiB/s, 64kB/s
    #[arg(long, value_name = "SIZE/s", value_parser = rate)]
    pub(crate) rate: Option<NonZero<u64>>,
    /// Serve clients of this network only; may be given again
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) allow: Vec<IpNet>,
    /// Time for clients to finish after SIGINT or SIGTERM
    #[arg(long, value_name = "DUR", default_value = "5s", value_parser = duration)]
    pub(crate) grace: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Faults on demand")]
pub(crate) struct FaultArgs {
    /// Misbehave; may be given again. accept-delay=DUR, delay=DUR, close[=DUR], reset[=DUR],
    /// half-close[=DUR], stall-after=SIZE, reset-after=SIZE, slice=SIZE/DUR, rate=SIZE/s or backlog[=N];
    /// with --tls also tls-stall, tls-close, tls-wrong-name, tls-expired or tls-bare-fin;
    /// ~JITTER varies the value, @PERCENT the clients that are hit
    #[arg(long = "fault", value_name = "KIND[=VALUE][~JITTER][@PERCENT]")]
    pub(crate) faults: Vec<FaultArg>,
    /// Repeat the choices of an earlier run
    #[arg(long, value_name = "N", requires = "faults")]
    pub(crate) fault_seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct ToldArgs {
    /// How each closed connection is told
    #[arg(long, value_name = "FORMAT", default_value = "text", conflicts_with_all = ["json", "ndjson"])]
    pub(crate) log: LogArg,
    /// Tell the totals this often
    #[arg(long, value_name = "DUR", value_parser = positive)]
    pub(crate) stats: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Sends back what it receives (RFC 862)
    Echo,
    /// Receives, and sends nothing (RFC 863)
    Discard,
    /// Sends printable characters without end (RFC 864)
    Chargen,
    /// Sends the time, and closes (RFC 867)
    Daytime,
    /// Answers HTTP/1.1: files with --root, otherwise what the request looked like
    Http,
    /// Receives, and puts it where --output says
    Sink,
    /// Accepts, and never reads or answers
    Blackhole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogArg {
    /// One line for people
    Text,
    /// One JSON record a line
    Json,
}
