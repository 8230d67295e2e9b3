//! What was typed after `loopctl connect`.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use loopctl::plan::Preset;
use loopctl::{DnsServer, Keepalive};

use super::TlsArgs;
use super::values;
use super::values::{FamilyArg, Pace, Pinned, duration, positive, source};

#[derive(Debug, Args)]
#[command(before_long_help = "\
Examples:
  loopctl connect example.com:443
  loopctl connect '[2001:db8::1]:https' unix:/run/app.sock
  loopctl connect --all --happy-eyeballs=100ms db.internal:5432
  loopctl connect --resolve api.test:192.0.2.1,2001:db8::1 api.test:443
  loopctl connect --policy node api.test:443           what Node would have done here
  loopctl connect --compare api.test:443               what would every client get from here?
  loopctl connect --compare=live api.test:443          and what does it really get?
  loopctl connect --via dns example.com:443             how long did A take, how long AAAA, and from whom?
  loopctl connect --server tls://9.9.9.9 example.com:443
  loopctl connect -c 20 -i 200ms --histogram api:443   which address is flaky?
  loopctl connect --wait=1m db:5432 && start-the-app
  loopctl connect --targets hosts.txt --csv > probe.csv
  loopctl connect --require 6 --max-cost 50ms www:443  fail in a cron job
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | loopctl connect --relay www:80
  loopctl connect -r db:5432 < dump > answer           files and pipes, both ways
  loopctl connect --tls --alpn h2,http/1.1 example.com:443
  loopctl connect --tls --success tls api.test:443     go on past an address that connects, but does not speak TLS
  loopctl connect --tls --cert-expiry 14d -v api:443   the whole chain, and fail if it ends soon
  loopctl connect --starttls smtp mail.example:587
  loopctl connect --udp ns1:53 ns2:53                  does anybody refuse?
  loopctl connect --json example.com:443 | jq '.attempts[].result'")]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) survey: SurveyArgs,
    /// Datagrams instead of connections: which addresses answer an empty one, stay silent, or refuse it?
    #[arg(short, long, help_heading = "Socket", conflicts_with_all = [
        "policy", "happy_eyeballs", "resolution_delay", "success", "max_parallel", "mptcp", "tfo", "nodelay", "keepalive", "tcp_info", "again", "secure",
    ])]
    pub(crate) udp: bool,
    #[command(flatten)]
    pub(crate) relay: RelayArgs,
    #[command(flatten)]
    pub(crate) expect: ExpectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    #[command(flatten)]
    pub(crate) export: ExportArgs,
}

/// How a connection is made.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    #[command(flatten)]
    pub(crate) race: RaceArgs,
    /// What an attempt has to reach to win: TCP, or the end of the TLS handshake [default: the policy's]
    #[arg(long, value_name = "WHAT", help_heading = "Race")]
    pub(crate) success: Option<SuccessArg>,
    #[command(flatten)]
    pub(crate) names: LookupArgs,
    #[command(flatten)]
    pub(crate) socket: SocketArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// host:port, [v6]:port, :port (localhost) or unix:/path; the port may be a service name
    #[arg(required_unless_present = "targets_from", value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Read targets from FILE, one a line, `#` begins a comment; `-` is standard input
    #[arg(long = "targets", id = "targets_from", value_name = "FILE|-")]
    pub(crate) from: Option<PathBuf>,
    /// At most this many targets at a time
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) concurrency: NonZero<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Race")]
pub(crate) struct RaceArgs {
    /// The rules of a standard or of a well-known client; what other flags say goes before [default: hev3]
    #[arg(long, value_name = "NAME", value_parser = values::preset)]
    pub(crate) policy: Option<Preset>,
    /// The Connection Attempt Delay; 0: all at once; `off`: one address after another [default: 250ms, or the
    /// policy's]
    #[arg(long, value_name = "DELAY|off", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "250ms")]
    pub(crate) happy_eyeballs: Option<Pace>,
    /// Ask for each family by itself, and let addresses in hand wait this long for IPv6 [default: 50ms, or the
    /// policy's]
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub(crate) resolution_delay: Option<Duration>,
    /// The First Address Family Count; 0 keeps the resolver's order [default: 1, with `off` 0, or the policy's]
    #[arg(long, value_name = "N")]
    pub(crate) interleave: Option<usize>,
    /// At most this many attempts at a time [default: 6, or the policy's]
    #[arg(long, value_name = "N")]
    pub(crate) max_parallel: Option<NonZero<usize>>,
    /// Time for one attempt [default: as long as the kernel tries; with --udp 200ms, with --compare 3s]
    #[arg(long, value_name = "DUR", value_parser = positive)]
    pub(crate) attempt_timeout: Option<Duration>,
    /// Try the addresses of this family first
    #[arg(long, value_name = "4|6")]
    pub(crate) prefer: Option<FamilyArg>,
}

/// More than one connection is made, to see what there is.
#[derive(Debug, Args)]
pub(crate) struct SurveyArgs {
    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
    #[command(flatten)]
    pub(crate) compare: CompareArgs,
}

/// For those who do nothing with the connection.
#[derive(Debug, Args)]
#[command(next_help_heading = "Race")]
pub(crate) struct ProbeArgs {
    /// Let every attempt finish: probe every address, however many there are
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SuccessArg {
    /// A connection; TLS follows over the one that has won
    Tcp,
    /// TLS: an address that is silent, or has a bad certificate, loses to the next
    Tls,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Race")]
pub(crate) struct CompareArgs {
    /// Measure each lookup and each address by itself, and tell what every policy would get from here; `live`:
    /// run each policy as well, and tell where that differs
    #[arg(long, value_name = "WHAT", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "predict", conflicts_with_all = [
        "udp", "relay", "again", "wait", "all", "require", "fail_on_fallback", "max_cost", "cert_expiry",
        "csv", "plain", "prom", "tcp_info",
    ])]
    pub(crate) compare: Option<CompareArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareArg {
    /// What every policy would get
    Predict,
    /// What it gets, beside that
    Live,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Names")]
pub(crate) struct LookupArgs {
    /// Use these addresses for a host instead of asking the resolver; curl's HOST:PORT:ADDR works too
    #[arg(long, value_name = "HOST:ADDR[,ADDR...]")]
    pub(crate) resolve: Vec<Pinned>,
    /// Who is asked for addresses: the system (getaddrinfo), or name servers [default: system; with --server dns]
    #[arg(long, value_name = "WHO")]
    pub(crate) via: Option<LookupArg>,
    /// Ask this name server and not those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT]; may be given again
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Vec<DnsServer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LookupArg {
    /// What other programs of this host get
    System,
    /// Name servers, every question of which is told
    Dns,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Socket")]
pub(crate) struct SocketArgs {
    /// Connect from this address; give one of each family to cover both
    #[arg(short, long, value_name = "ADDR[:PORT]", value_parser = source)]
    pub(crate) source: Vec<SocketAddr>,
    /// Connect through this network interface
    #[arg(short = 'I', long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) interface: Option<String>,
    #[command(flatten)]
    pub(crate) packets: PacketArgs,
    /// Multipath TCP; a plain socket where the kernel has none
    #[arg(long)]
    pub(crate) mptcp: bool,
    /// TCP Fast Open: uses a cookie of the server's, or asks for one
    #[arg(long)]
    pub(crate) tfo: bool,
    /// Send small writes at once
    #[arg(long)]
    pub(crate) nodelay: bool,
    /// Test silent connections: after IDLE, every INTVL, CNT times (2h, 75s and 9 unless given)
    #[arg(long, value_name = "IDLE,INTVL,CNT", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "", value_parser = values::keepalive)]
    pub(crate) keepalive: Option<Keepalive>,
}

#[derive(Debug, Args)]
pub(crate) struct PacketArgs {
    /// How many routers a packet may pass
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) ttl: Option<u8>,
    /// Differentiated Services Code Point
    #[arg(long, value_name = "0..63", value_parser = clap::value_parser!(u8).range(0..=63))]
    pub(crate) dscp: Option<u8>,
    /// Mark for this host's routing and firewall rules
    #[arg(long, value_name = "N", value_parser = values::mark)]
    pub(crate) mark: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Relay")]
pub(crate) struct RelayArgs {
    /// Relay standard input to the connection, and what comes back to standard output; the report goes to
    /// standard error
    #[arg(short, long, conflicts_with_all = ["again", "all", "targets_from"])]
    pub(crate) relay: bool,
    /// End a relay when nothing has come or gone for this long
    #[arg(long, value_name = "DUR", value_parser = positive, requires = "relay")]
    pub(crate) idle_timeout: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Expectations (exit status 3 where one does not hold)")]
pub(crate) struct ExpectArgs {
    /// The connection must be over this family
    #[arg(long, value_name = "4|6")]
    pub(crate) require: Option<FamilyArg>,
    /// The first address must win
    #[arg(long)]
    pub(crate) fail_on_fallback: bool,
    /// Waiting for answers and for addresses that did not win must cost no more than this
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub(crate) max_cost: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Repeat")]
#[group(id = "repeat", multiple = true)]
#[command(group = clap::ArgGroup::new("again").multiple(true))]
pub(crate) struct RepeatArgs {
    /// Connect N times; with --interval alone, until interrupted
    #[arg(short, long, value_name = "N", conflicts_with = "wait", group = "again")]
    pub(crate) count: Option<NonZero<u64>>,
    /// Time from one start to the next [default: 1s]
    #[arg(short, long, value_name = "DUR", value_parser = duration, conflicts_with = "wait")]
    #[arg(group = "again")]
    pub(crate) interval: Option<Duration>,
    /// Resolve the name anew every time, and tell when its addresses change
    #[arg(long, requires = "again")]
    pub(crate) fresh_dns: bool,
    /// Show how the times are distributed
    #[arg(long, requires = "again")]
    pub(crate) histogram: bool,
    /// Try until it connects, at most this long [60s where no time is given]
    #[arg(short, long, value_name = "DUR", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "60s", value_parser = positive)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct ExportArgs {
    /// One attempt a line, comma-separated, with a header
    #[arg(long, conflicts_with_all = ["json", "ndjson"])]
    pub(crate) csv: bool,
    /// One attempt a line, tab-separated, without a header
    #[arg(long, conflicts_with_all = ["json", "ndjson", "csv"])]
    pub(crate) plain: bool,
    /// Metrics for Prometheus' textfile collector
    #[arg(long, conflicts_with_all = ["json", "ndjson", "csv", "plain", "count", "interval"])]
    pub(crate) prom: bool,
    /// Show more of what the kernel knows of the connection
    #[arg(long, conflicts_with = "again")]
    pub(crate) tcp_info: bool,
    /// Write the report to FILE instead of standard output (with --relay: standard error)
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Begin lines with the time, in seconds since 1970
    #[arg(short = 'D', long)]
    pub(crate) timestamps: bool,
}
