//! What was typed.

pub(crate) mod connect;
pub(crate) mod generate;
pub(crate) mod man;
pub(crate) mod resolve;
pub(crate) mod sendfile;
pub(crate) mod serve;
pub(crate) mod tls;
pub(crate) mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use crate::config::fault::{Fault, FaultArg, Spread};
pub(crate) use connect::{
    CompareArg, ConnectArgs, ConnectionArgs, ExpectArgs, ExportArgs, LookupArg, LookupArgs,
    ProbeArgs, RaceArgs, RelayArgs, RepeatArgs, SocketArgs, SuccessArg, TargetArgs,
};
pub(crate) use resolve::{OrderArg, ResolveArgs, ViaArg};
pub(crate) use sendfile::{MethodArg, SendfileArgs};
pub(crate) use serve::{
    LimitArgs, ListenArgs, LogArg, ModeArg, ModeArgs, ServeArgs, ServerTlsArgs, SinkArgs,
};
pub(crate) use tls::{OwnArgs, Protocols, StartTlsArg, TlsArgs, TrustArgs, VersionArg};
pub(crate) use values::{FamilyArg, Pace, Pinned, Words, duration};

use values::positive;

/// Says why a connection is slow or fails: races every address and reports every attempt
#[derive(Debug, Parser)]
#[command(name = "loopctl", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(before_long_help = "\
Examples:
  loopctl connect example.com:443            why did this take 3 s, and which address failed with what?
  loopctl connect --all [::1]:22 db:5432     probe every address of every target
  loopctl connect --json api:443 | jq .attempts
  loopctl resolve example.com                what the system says, what DNS says, and in which order it is tried
  loopctl serve --fault delay=200ms~50ms     how does my client cope with a slow server?
  loopctl sendfile big.bin host:9000         how fast does it take a file?
  loopctl demo                               see it work, without a network")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connect to each TARGET, racing its addresses; report every attempt
    Connect(Box<ConnectArgs>),
    /// Listen: echo, files over HTTP, a program for each client, or nothing at all; with faults on demand
    #[command(visible_alias = "listen")]
    Serve(Box<ServeArgs>),
    /// Show what names resolve to, in the order in which a connection would use it
    Resolve(Box<ResolveArgs>),
    /// Send a file over a connection, by the kernel where it can; measure and verify
    Sendfile(Box<SendfileArgs>),
    /// Race a scripted dual-stack host on loopback; needs no network
    #[command(before_long_help = "\
Examples:
  loopctl demo
  loopctl demo --happy-eyeballs=off          the same host, one address after another
  loopctl demo --json | jq .attempts")]
    Demo(DemoArgs),
    /// Print the completions of a shell
    #[command(before_long_help = "\
Examples:
  loopctl completions bash > ~/.local/share/bash-completion/completions/loopctl")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the completions of every shell and the man pages
    #[command(name = "__generate", hide = true)]
    Generate {
        /// Where to: DIR/completions and DIR/man
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) race: RaceArgs,
    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
}

/// Flags of every subcommand, before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every subcommand")]
pub(crate) struct GlobalArgs {
    #[command(flatten)]
    pub(crate) family: FamilyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) debug: DebugArgs,
    /// Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare
    /// number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]
    #[arg(long, global = true, value_name = "DUR", value_parser = positive)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct FamilyArgs {
    /// Only IPv4
    #[arg(short = '4', long, global = true, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Only IPv6
    #[arg(short = '6', long, global = true)]
    pub(crate) ipv6: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// One JSON document at the end; an array of them for several targets; for serve, a record a line
    #[arg(long, global = true, conflicts_with = "ndjson")]
    pub(crate) json: bool,
    /// One JSON record a line: every event as it happens, then the document
    #[arg(long, global = true)]
    pub(crate) ndjson: bool,
    /// Write every event to FILE, as qlog (JSON text sequences)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) qlog: Option<PathBuf>,
    /// Show no live view
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorArg,
    /// Tell attempts as they happen; twice: also what the event loop does
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Print nothing; the exit status tells
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DebugArgs {
    /// Turn on the event loop's debug mode, and report slow callbacks after the result
    #[arg(long, global = true)]
    pub(crate) debug: bool,
    /// Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)
    #[arg(long, global = true, value_name = "DUR", value_parser = duration)]
    pub(crate) slow_callback: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorArg {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
