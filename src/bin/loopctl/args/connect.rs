//! What was typed after `loopctl connect`.

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::Duration;

use clap::Args;

use super::values::{FamilyArg, Pace, Pinned, duration, source};

#[derive(Debug, Args)]
#[command(before_long_help = "\
Examples:
  loopctl connect example.com:443
  loopctl connect '[2001:db8::1]:https' unix:/run/app.sock
  loopctl connect --all --happy-eyeballs=100ms db.internal:5432
  loopctl connect --resolve api.test:192.0.2.1,2001:db8::1 api.test:443
  loopctl connect --json example.com:443 | jq '.attempts[].result'")]
pub(crate) struct ConnectArgs {
    /// host:port, [v6]:port, :port (localhost) or unix:/path; the port may be a service name
    #[arg(required = true, value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) race: RaceArgs,
    #[command(flatten)]
    pub(crate) resolve: ResolveArgs,
    #[command(flatten)]
    pub(crate) socket: SocketArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Race")]
pub(crate) struct RaceArgs {
    /// The Connection Attempt Delay, on by default; `off`: one address after another
    #[arg(long, value_name = "DELAY|off", require_equals = true, num_args = 0..=1)]
    #[arg(default_value = "250ms", default_missing_value = "250ms")]
    pub(crate) happy_eyeballs: Pace,
    /// The First Address Family Count; 0 keeps the resolver's order [default: 1, with `off` 0]
    #[arg(long, value_name = "N")]
    pub(crate) interleave: Option<usize>,
    /// At most this many attempts at a time
    #[arg(long, value_name = "N")]
    pub(crate) max_parallel: Option<NonZero<usize>>,
    /// Time for one attempt [default: as long as the kernel tries]
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub(crate) attempt_timeout: Option<Duration>,
    /// Let every attempt finish: probe every address
    #[arg(long)]
    pub(crate) all: bool,
    /// Try the addresses of this family first
    #[arg(long, value_name = "4|6")]
    pub(crate) prefer: Option<FamilyArg>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Names")]
pub(crate) struct ResolveArgs {
    /// Use these addresses for a host instead of asking the resolver; curl's HOST:PORT:ADDR works too
    #[arg(long, value_name = "HOST:ADDR[,ADDR...]")]
    pub(crate) resolve: Vec<Pinned>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Socket")]
pub(crate) struct SocketArgs {
    /// Connect from this address; give one of each family to cover both
    #[arg(short, long, value_name = "ADDR[:PORT]", value_parser = source)]
    pub(crate) source: Vec<SocketAddr>,
}
