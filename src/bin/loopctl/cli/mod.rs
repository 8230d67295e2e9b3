//! Command line: flags with their help, man pages and completions.

pub(crate) mod command_line;
mod completion;
pub(crate) mod connect;
pub(crate) mod control;
pub(crate) mod generate;
pub(crate) mod help;
pub(crate) mod http;
pub(crate) mod man;
pub(crate) mod path;
mod peer_flags;
pub(crate) mod report;
pub(crate) mod resolve;
pub(crate) mod sendfile;
pub(crate) mod serve;
pub(crate) mod tls;
pub(crate) mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use connect::{
    ConnectArgs, ConnectionArgs, ExpectArgs, ExportArgs, LookupArg, LookupArgs, ProbeArgs,
    RaceArgs, RelayArgs, RepeatArgs, SocketArgs, SuccessArg, TargetArgs,
};
pub(crate) use control::{ControlAction, ControlArgs};
pub(crate) use http::HttpArgs;
pub(crate) use report::ReportArgs;
pub(crate) use resolve::ResolveArgs;
pub(crate) use sendfile::{MethodArg, SendfileArgs};
pub(crate) use serve::{
    LimitArgs, ListenArgs, ModeArg, ModeArgs, ServeArgs, ServerTlsArgs, SinkArgs, UpstreamArgs,
};
pub(crate) use tls::{OwnArgs, Protocols, TlsArgs, VersionArg};
pub(crate) use values::{AttemptDelay, FamilyArg, Pinned, duration};

use crate::config::ColorChoice;
use values::positive;

/// Explain why a connection is slow or fails: race every address, report every attempt
#[derive(Debug, Parser)]
#[command(name = "loopctl", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(before_long_help = "\
Examples:
  loopctl https://example.com/               connect to it: what takes how long?
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
    /// Listen and serve: echo, files over HTTP, a program per client, a sink; with faults on demand
    #[command(visible_alias = "listen")]
    Serve(Box<ServeArgs>),
    /// Show or replace the faults of a running `loopctl serve --control`
    Control(ControlArgs),
    /// Resolve names through the system and name servers, in the order a connection would try them
    Resolve(Box<ResolveArgs>),
    /// Send a file over a connection with sendfile(2); measure and verify the transfer
    Sendfile(Box<SendfileArgs>),
    /// Race a scripted dual-stack host on loopback; needs no network
    #[command(before_long_help = "\
Examples:
  loopctl demo
  loopctl demo --happy-eyeballs=off          the same host, one address after another
  loopctl demo --json | jq .attempts")]
    Demo(DemoArgs),
    /// Show help of a command, or of one group of its flags
    #[command(before_long_help = "\
Examples:
  loopctl help connect
  loopctl help connect tls")]
    Help {
        /// Command, and a group such as tls
        #[arg(value_name = "COMMAND [GROUP]", num_args = 0..=2)]
        topic: Vec<String>,
    },
    /// Show JSON documents of loopctl as text, an HTML page or an SVG image
    Report(ReportArgs),
    /// Print shell completions
    #[command(before_long_help = "\
Examples:
  loopctl completions bash > ~/.local/share/bash-completion/completions/loopctl")]
    Completions {
        /// Shell to complete for
        shell: Shell,
    },
    /// Write shell completions, man pages and JSON schemas
    #[command(name = "__generate", hide = true)]
    Generate {
        /// Directory that receives completions/ and man/
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

/// Arguments of every subcommand, before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct GlobalArgs {
    #[command(flatten)]
    pub(crate) family: FamilyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) debug: DebugArgs,
    /// Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve:
    /// none]
    ///
    /// With --relay the limit ends when the connection is made. `sendfile` has 10 s to connect and no limit
    /// to send by default; --timeout limits both together.
    #[arg(long, global = true, value_name = "DUR", value_parser = positive, allow_hyphen_values = true)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct FamilyArgs {
    /// Use IPv4 only
    #[arg(short = '4', long, global = true, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long, global = true)]
    pub(crate) ipv6: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Print one JSON document at the end; several targets give an array; `serve` prints one record per
    /// line
    #[arg(long, global = true, conflicts_with = "ndjson")]
    pub(crate) json: bool,
    /// Print every event as one line of JSON as it happens, then the document
    #[arg(long, global = true)]
    pub(crate) ndjson: bool,
    /// Write every event to FILE as qlog (JSON text sequences)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) qlog: Option<PathBuf>,
    /// Do not show progress on the terminal
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Print attempts as they happen; twice: also events of the event loop
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Print nothing; report by exit status only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DebugArgs {
    /// Enable the event loop's debug mode; report slow callbacks after the result
    #[arg(long, global = true)]
    pub(crate) debug: bool,
    /// Report callbacks, task steps and loop turns that took at least this long [default with --debug:
    /// 100ms]
    #[arg(long, global = true, value_name = "DUR", value_parser = duration)]
    pub(crate) slow_callback: Option<Duration>,
}
