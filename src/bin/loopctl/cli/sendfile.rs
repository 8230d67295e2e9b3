//! What was typed after `loopctl sendfile`.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::connect::ConnectionArgs;
use super::values::{positive, rate, size};
use crate::util::checksum::Algorithm;

#[derive(Debug, Args)]
#[command(before_long_help = "\
Examples:
  loopctl sendfile big.bin host:9000
  loopctl sendfile --checksum sha256 big.bin '[2001:db8::1]:9000'
  loopctl sendfile --offset 1GiB --count 10MB big.bin unix:/run/sink.sock
  loopctl sendfile --rate 1MiB/s big.bin host:9000
  loopctl sendfile --tls --ca ca.pem big.bin host:9443
  tar c . | loopctl sendfile - host:9000
  loopctl serve :9000 --once --mode sink --output big.bin --resume     the other end, and
  loopctl sendfile --resume big.bin host:9000                          what goes on where it was broken off
  loopctl sendfile --json big.bin host:9000 | jq '.method, .calls, .bytes_per_second'")]
pub(crate) struct SendfileArgs {
    /// What to send; `-` is standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    /// host:port, [v6]:port, :port (localhost) or unix:/path; the port may be a service name
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) part: PartArgs,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is sent")]
pub(crate) struct PartArgs {
    /// Begin at this byte of the file
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "0", hide_default_value = true)]
    pub(crate) offset: u64,
    /// Send so many bytes [default: to the end of the file]
    #[arg(long, value_name = "SIZE", value_parser = some_bytes)]
    pub(crate) count: Option<NonZero<u64>>,
    /// Ask the sink how much it has, and send the rest; it has to be `loopctl serve --mode sink --resume`. Without
    /// this, the other end cannot tell the end of the file from that of a sender that is killed
    #[arg(long, conflicts_with_all = ["offset", "count"])]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How it is sent")]
pub(crate) struct HowArgs {
    /// By the kernel, or read and sent, or by the kernel if it can
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    pub(crate) method: MethodArg,
    /// Fail where the kernel cannot: --method sendfile
    #[arg(long, conflicts_with = "method")]
    pub(crate) no_fallback: bool,
    /// No faster than this: 1MiB/s, 64kB/s
    #[arg(long, value_name = "SIZE/s", value_parser = rate)]
    pub(crate) rate: Option<NonZero<u64>>,
    /// Print the checksum of what was sent, as sha256sum and b3sum do; with --resume, that of the file
    #[arg(long, value_name = "ALGORITHM")]
    pub(crate) checksum: Option<Algorithm>,
    /// Give up when the peer has taken nothing for this long
    #[arg(long, value_name = "DUR", value_parser = positive, default_value = "30s")]
    pub(crate) idle_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodArg {
    /// sendfile(2) if the kernel can, otherwise a copy
    Auto,
    /// sendfile(2)
    Sendfile,
    /// Read and sent
    Copy,
}

fn some_bytes(text: &str) -> Result<NonZero<u64>, String> {
    NonZero::new(size(text)?).ok_or_else(|| "it must be more than nothing".to_owned())
}
