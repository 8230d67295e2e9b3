//! Arguments of `connect --path`.

use clap::{Args, value_parser};

#[derive(Debug, Args)]
#[command(next_help_heading = "Path")]
pub(crate) struct PathArgs {
    /// Find where packets end: the routers on the path, and the hop after which no answer comes
    ///
    /// Connections with hop limits (IPv4: TTL) of 1, 2, 3 and so on reveal the routers, which report `time
    /// exceeded`. Root is not needed. With --udp, empty datagrams do the same. The sweep ends at the hop where
    /// the target answers: SYN-ACK and RST both prove that it was reached.
    ///
    /// The first address of each family is probed; with --all, every address. Packets to the same hop are at
    /// least 1 s apart, because routers limit their errors. --timeout limits the sweep; what is known by then
    /// is printed. The exit status is 0 if an address was reached. It is 28 if no answer came from beyond a
    /// hop, and 7 if a router or this host rejected the packets.
    #[arg(long, conflicts_with_all = [
        "policy", "happy_eyeballs", "resolution_delay", "success", "interleave", "max_parallel",
        "attempt_timeout", "compare", "relay", "again", "wait", "require", "fail_on_fallback",
        "max_cost", "cert_expiry", "prom", "tcp_info", "ttl", "mptcp", "tfo", "nodelay", "keepalive",
        "secure",
    ])]
    pub(crate) path: bool,
    /// Packets to each hop with --path [default: 3]
    #[arg(long, value_name = "N", requires = "path", value_parser = value_parser!(u8).range(1..=10))]
    pub(crate) probes: Option<u8>,
    /// Largest hop limit with --path [default: 30]
    #[arg(long, value_name = "N", requires = "path", value_parser = value_parser!(u8).range(1..))]
    pub(crate) max_hops: Option<u8>,
}
