//! Arguments of `loopctl sendfile`.

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
    /// File to send; `-` is standard input
    ///
    /// The file is opened before the connection is made; loopctl waits for the writer of a FIFO afterwards.
    /// The size at that moment is sent, even if the file grows. If the file becomes shorter, or has fewer
    /// bytes than --count, the exit status is 18. Standard input that is a file is sent from its current
    /// offset.
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
#[command(next_help_heading = "Part of the file")]
pub(crate) struct PartArgs {
    /// Start at this byte of the file
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "0", hide_default_value = true)]
    pub(crate) offset: u64,
    /// Send this many bytes [default: to the end of the file]
    #[arg(long, value_name = "SIZE", value_parser = some_bytes)]
    pub(crate) count: Option<NonZero<u64>>,
    /// Continue a transfer: query what the sink has, and send the rest; needs `loopctl serve --mode sink
    /// --resume`
    ///
    /// The section RESUMING describes the exchange. Without --resume the receiver cannot tell the end of
    /// the file from a killed sender.
    #[arg(long, conflicts_with_all = ["offset", "count"])]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct HowArgs {
    /// Way to send: with sendfile(2), by copying, or with sendfile(2) where possible
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    pub(crate) method: MethodArg,
    /// Fail if the kernel does not support sendfile(2) for this file; same as --method sendfile
    #[arg(long, conflicts_with = "method")]
    pub(crate) no_fallback: bool,
    /// Maximum rate: 1MiB/s, 64kB/s
    #[arg(long, value_name = "SIZE/s", value_parser = rate)]
    pub(crate) rate: Option<NonZero<u64>>,
    /// Print the checksum of the bytes sent, as sha256sum and b3sum do; with --resume, of the whole file
    ///
    /// loopctl reads the file a second time while the kernel sends it. If the file changed during the
    /// transfer it is read again; a different checksum exits 18.
    #[arg(long, value_name = "ALGORITHM")]
    pub(crate) checksum: Option<Algorithm>,
    /// Stop when the peer has accepted no data for this long; exit status 28
    ///
    /// With --resume this also limits the wait for the sink's lines. There is no time limit on a pipe's
    /// writer.
    #[arg(long, value_name = "DUR", value_parser = positive, default_value = "30s")]
    pub(crate) idle_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodArg {
    /// sendfile(2) where the kernel supports it, otherwise a copy
    Auto,
    /// sendfile(2)
    Sendfile,
    /// read(2) and send(2)
    Copy,
}

fn some_bytes(text: &str) -> Result<NonZero<u64>, String> {
    NonZero::new(size(text)?).ok_or_else(|| "it must be more than nothing".to_owned())
}
