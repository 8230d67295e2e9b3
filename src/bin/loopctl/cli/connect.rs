//! Arguments of `loopctl connect`.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use loopctl::plan::Preset;
use loopctl::{DnsServer, Keepalive};

use super::path::PathArgs;
use super::values;
use super::values::{AttemptDelay, FamilyArg, Pinned, at_least_one, duration, positive, source};
use super::{HttpArgs, TlsArgs};

#[derive(Debug, Args)]
#[command(before_long_help = "\
Examples:
  loopctl connect example.com:443
  loopctl connect '[2001:db8::1]:https' unix:/run/app.sock
  loopctl connect https://example.com postgres://db.internal/app
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
  loopctl connect -L https://example.com/              status, server time, body, redirects
  loopctl connect --tls --http=/health --expect-status 200 api:443
  loopctl connect --starttls smtp mail.example:587
  loopctl connect --udp ns1:53 ns2:53                  does anybody refuse?
  loopctl connect --path api.test:443                  where do packets end?
  loopctl connect --json example.com:443 | jq '.attempts[].result'")]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) survey: SurveyArgs,
    #[command(flatten)]
    pub(crate) path: PathArgs,
    /// Send a datagram to each address instead of connecting; report which answer, stay silent or refuse
    ///
    /// loopctl sends one empty datagram to each address in turn and waits up to --attempt-timeout (200 ms)
    /// for an answer. The first address that does not refuse is selected. `answered` shows that a service
    /// is there. `silent` does not: a service that ignores an empty datagram, a firewall and a dead host
    /// look the same.
    ///
    /// With --relay no empty datagram is sent; the first address with a route is used. Each read of
    /// standard input is one datagram: a line of a terminal, at most 64 KiB of a file, 256 KiB of a pipe.
    /// Reads over 65,507 bytes are split. After the end of the input, 0.5 s of silence (--idle-timeout)
    /// ends the relay.
    #[arg(short, long, help_heading = "Socket", conflicts_with_all = [
        "policy", "happy_eyeballs", "resolution_delay", "success", "max_parallel", "mptcp", "tfo", "nodelay", "keepalive", "tcp_info", "again", "secure",
    ])]
    pub(crate) udp: bool,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) relay: RelayArgs,
    #[command(flatten)]
    pub(crate) expect: ExpectArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    #[command(flatten)]
    pub(crate) export: ExportArgs,
}

/// Arguments that decide how a connection is made.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    #[command(flatten)]
    pub(crate) race: RaceArgs,
    /// Stage at which an attempt wins: TCP connected, or TLS handshake done [default: from the policy]
    ///
    /// With `tcp`, TLS runs over the connection that won the race. With `tls` (policies hev3 and
    /// firefox-nightly), the handshake is part of every attempt and of its --attempt-timeout. The first
    /// handshake to finish wins; a handshake that fails starts the next attempt. While a handshake runs,
    /// the next attempt waits for the Connection Attempt Delay or three times the TCP connect time,
    /// whichever is longer.
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
    /// host:port, host port, [v6]:port, :port (localhost), unix:/path, or a URL such as https://host/path
    ///
    /// The port may be a service name. The scheme of a URL gives port, transport and TLS; the section URLS lists
    /// them. Passwords in URLs are neither printed nor sent.
    #[arg(required_unless_present = "targets_from", value_name = "TARGET", value_hint = ValueHint::Hostname)]
    pub(crate) targets: Vec<String>,
    /// Read targets from FILE, one per line; `#` starts a comment; `-` is standard input
    #[arg(long = "targets", id = "targets_from", value_name = "FILE|-")]
    pub(crate) from: Option<PathBuf>,
    /// Maximum number of targets in progress at the same time
    ///
    /// Reports appear in the order of the arguments.
    #[arg(long, value_name = "N", default_value = "16", value_parser = at_least_one::<NonZero<usize>>)]
    pub(crate) concurrency: NonZero<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Race")]
pub(crate) struct RaceArgs {
    /// Race by the rules of a standard or client; other flags override them [default: hev3]
    ///
    /// Policies: hev3 (draft-ietf-happy-happyeyeballs-v3), rfc8305, asyncio, curl, curl-7.88, node, go,
    /// chrome, chrome-hev3, firefox, firefox-nightly, trio, sequential and simultaneous. hev3, rfc8305,
    /// curl, chrome-hev3, firefox-nightly and simultaneous query AAAA and A separately; the others wait for
    /// both. The default is hev3; with --happy-eyeballs=off it is sequential. -v shows the rules in force
    /// and why each attempt started.
    #[arg(long, value_name = "NAME", value_parser = values::policy(), hide_possible_values = true)]
    pub(crate) policy: Option<Preset>,
    /// Connection Attempt Delay; 0 starts all attempts at once; `off` tries one at a time [default: 250ms,
    /// or from the policy]
    ///
    /// The next attempt starts when this time has passed since the last start (RFC 8305 section 5), or when
    /// the newest attempt fails. Two attempts start at least 10 ms apart. With `off`, the next address is
    /// tried only after the previous attempt has failed.
    #[arg(long, value_name = "DELAY|off", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "250ms")]
    pub(crate) happy_eyeballs: Option<AttemptDelay>,
    /// Wait this long for AAAA after A has answered; queries each family separately [default: 50ms, or from
    /// the policy]
    ///
    /// This is the Resolution Delay of RFC 8305 section 3. Addresses that arrive later join the race. Names
    /// in /etc/hosts are looked up once for both families. If gai.conf(5) prefers IPv4, the race waits for
    /// A instead of AAAA.
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub(crate) resolution_delay: Option<Duration>,
    /// First Address Family Count (RFC 8305 section 4); 0 keeps the resolver's order [default: 1, with
    /// `off` 0, or from the policy]
    #[arg(long, value_name = "N", value_parser = values::number)]
    pub(crate) interleave: Option<usize>,
    /// Maximum number of attempts in progress at the same time [default: 6, or from the policy]
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZero<usize>>)]
    pub(crate) max_parallel: Option<NonZero<usize>>,
    /// Time limit of one attempt [default: the kernel's limit; with --udp 200ms, with --compare 3s]
    #[arg(long, value_name = "DUR", value_parser = positive, allow_hyphen_values = true)]
    pub(crate) attempt_timeout: Option<Duration>,
    /// Try the addresses of this family first
    #[arg(long, value_name = "4|6")]
    pub(crate) prefer: Option<FamilyArg>,
}

/// Arguments that make more than one connection per target.
#[derive(Debug, Args)]
pub(crate) struct SurveyArgs {
    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
    #[command(flatten)]
    pub(crate) compare: CompareArgs,
}

/// Arguments of commands that close the connection at once.
#[derive(Debug, Args)]
#[command(next_help_heading = "Race")]
pub(crate) struct ProbeArgs {
    /// Probe every address: let every attempt finish and do not stop at the first success
    ///
    /// Without this flag 16 addresses are tried, and others only if all of these fail. Attempts still in
    /// progress are canceled when one succeeds.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SuccessArg {
    /// TCP is connected; TLS follows over the winning connection
    Tcp,
    /// The TLS handshake is done; an address that is silent or has a bad certificate loses to the next
    Tls,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Race")]
pub(crate) struct CompareArgs {
    /// Measure each lookup and each address separately, and predict the result of every policy; `live` also
    /// runs each policy
    ///
    /// The section COMPARING explains the measurement, the prediction and the table.
    #[arg(long, value_name = "WHAT", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "predict", conflicts_with_all = [
        "udp", "relay", "again", "wait", "all", "require", "fail_on_fallback", "max_cost", "cert_expiry",
        "csv", "plain", "prom", "tcp_info",
    ])]
    pub(crate) compare: Option<CompareArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareArg {
    /// Predict the result of every policy
    Predict,
    /// Predict the result, then run every policy and report differences
    Live,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Names")]
pub(crate) struct LookupArgs {
    /// Use these addresses for HOST instead of resolving it; curl's HOST:PORT:ADDR also works
    #[arg(long, value_name = "HOST:ADDR[,ADDR...]")]
    pub(crate) resolve: Vec<Pinned>,
    /// Resolve with the system (getaddrinfo) or with name servers directly [default: system; with --server
    /// dns]
    ///
    /// With `dns`, loopctl queries AAAA and A at the same time and sorts the answers by RFC 6724. Without
    /// --server, it reads /etc/hosts first, then queries the servers of resolv.conf(5) with its search
    /// list. Servers may use half of --timeout, divided evenly among all tries. `timeout` and `attempts` of
    /// resolv.conf(5) apply where they end sooner. The report lists every query.
    ///
    /// With `system`, a lookup is explained if it takes more than 300 ms, fails, or lacks one family: loopctl
    /// asks each server of resolv.conf(5) once. The report then waits for at most 1 s more. Names of
    /// /etc/hosts are not asked for.
    #[arg(long, value_name = "WHO")]
    pub(crate) via: Option<LookupArg>,
    /// Query this name server instead of those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT];
    /// repeatable
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Vec<DnsServer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LookupArg {
    /// getaddrinfo, as other programs on this host
    System,
    /// Name servers; the report lists every query
    Dns,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Socket")]
pub(crate) struct SocketArgs {
    /// Connect from this local address; give one per family to cover both
    #[arg(short, long, value_name = "ADDR[:PORT]", value_parser = source)]
    pub(crate) source: Vec<SocketAddr>,
    /// Connect through this network interface
    #[arg(short = 'I', long, value_name = "NAME", value_parser = values::interface)]
    pub(crate) interface: Option<String>,
    #[command(flatten)]
    pub(crate) packets: PacketArgs,
    /// Use Multipath TCP (RFC 8684); a plain TCP socket where the kernel has none
    #[arg(long)]
    pub(crate) mptcp: bool,
    /// Use TCP Fast Open (RFC 7413): send a cookie of the server, or request one
    #[arg(long)]
    pub(crate) tfo: bool,
    /// Send small writes at once (TCP_NODELAY)
    #[arg(long)]
    pub(crate) nodelay: bool,
    /// Probe an idle connection after IDLE, then every INTVL, CNT times [defaults: 2h, 75s, 9]
    #[arg(long, value_name = "IDLE,INTVL,CNT", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "", value_parser = values::keepalive)]
    pub(crate) keepalive: Option<Keepalive>,
}

#[derive(Debug, Args)]
pub(crate) struct PacketArgs {
    /// Time To Live (IPv6: hop limit) of outgoing packets
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) ttl: Option<u8>,
    /// Differentiated Services Code Point of outgoing packets (RFC 2474): a number, or EF, AF41, CS6...
    #[arg(long, value_name = "0..63|NAME", value_parser = values::dscp, allow_hyphen_values = true)]
    pub(crate) dscp: Option<u8>,
    /// Mark for routing and firewall rules of this host (SO_MARK)
    #[arg(long, value_name = "N", value_parser = values::mark)]
    pub(crate) mark: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Relay")]
pub(crate) struct RelayArgs {
    /// Copy standard input to the connection and the connection to standard output; the report goes to
    /// standard error
    ///
    /// The end of the input is passed on (shutdown), and what the peer still sends is written. The relay
    /// stops when the peer closes, even if standard input is still open; input already available is sent
    /// first. Each side is read only as fast as the other side accepts data. --timeout limits the
    /// connection, not the relay. If an expectation fails, nothing is relayed.
    #[arg(short, long, conflicts_with_all = ["again", "all", "targets_from"])]
    pub(crate) relay: bool,
    /// Stop a relay after this time without data in either direction; exit status 28
    #[arg(long, value_name = "DUR", value_parser = positive, requires = "relay")]
    pub(crate) idle_timeout: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Expectations (exit status 3 where one does not hold)")]
pub(crate) struct ExpectArgs {
    /// Require a connection over this family
    #[arg(long, value_name = "4|6")]
    pub(crate) require: Option<FamilyArg>,
    /// Require that the first address wins
    #[arg(long)]
    pub(crate) fail_on_fallback: bool,
    /// Maximum delay added by Happy Eyeballs: waiting for answers and for addresses that did not win
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub(crate) max_cost: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Repeat")]
#[group(id = "repeat", multiple = true)]
#[command(group = clap::ArgGroup::new("again").multiple(true))]
pub(crate) struct RepeatArgs {
    /// Connect N times; without it, --interval repeats until interrupted
    #[arg(short, long, value_name = "N", conflicts_with = "wait", group = "again")]
    #[arg(value_parser = at_least_one::<NonZero<u64>>, allow_hyphen_values = true)]
    pub(crate) count: Option<NonZero<u64>>,
    /// Time from one start to the next [default: 1s]
    ///
    /// A name is resolved once, unless --fresh-dns is given or the race ended before all queries were
    /// answered.
    #[arg(short, long, value_name = "DUR", value_parser = duration, conflicts_with = "wait")]
    #[arg(group = "again", allow_hyphen_values = true)]
    pub(crate) interval: Option<Duration>,
    /// Resolve the name for every connection; report when its addresses change
    #[arg(long, requires = "again")]
    pub(crate) fresh_dns: bool,
    /// Show the distribution of connect times
    #[arg(long, requires = "again")]
    pub(crate) histogram: bool,
    /// Retry until connected, for at most this long [default: 60s]
    ///
    /// The pause between tries starts at 0.1 s and doubles up to 2 s. If the time passes, the exit status
    /// is 28.
    #[arg(short, long, value_name = "DUR", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "60s", value_parser = positive)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct ExportArgs {
    /// Print one line per attempt, comma-separated, with a header
    #[arg(long, conflicts_with_all = ["json", "ndjson"])]
    pub(crate) csv: bool,
    /// Print one line per attempt, tab-separated, without a header
    #[arg(long, conflicts_with_all = ["json", "ndjson", "csv"])]
    pub(crate) plain: bool,
    /// Print metrics for the textfile collector of Prometheus
    #[arg(long, conflicts_with_all = ["json", "ndjson", "csv", "plain", "count", "interval"])]
    pub(crate) prom: bool,
    /// Show more of the kernel's TCP_INFO for the connection
    #[arg(long, conflicts_with = "again")]
    pub(crate) tcp_info: bool,
    /// Write the report to FILE instead of standard output (with --relay: standard error); FILE.html and FILE.svg get
    /// a page, and the report stays
    ///
    /// The page has the bars of the race, its reasons with evidence, names, attempts, TLS and certificates. The state
    /// of this host and the JSON document follow. It needs no other file and no network. `loopctl report` makes it from JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Start lines with the time, in seconds since 1970
    #[arg(short = 'D', long)]
    pub(crate) timestamps: bool,
}
