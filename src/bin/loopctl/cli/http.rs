//! Arguments of `--http`.

use clap::Args;

use super::values::{header, status_set};
use crate::config::StatusSet;

/// The request, and what its response must be.
#[derive(Debug, Args)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct HttpArgs {
    /// Send one HTTP request over the connection that won, and report the response [default path: /]
    ///
    /// HTTP/2 is used if the server chooses it by ALPN (with --tls, h2 and http/1.1 are offered), and
    /// HTTP/1.1 otherwise. The report has the time of the server: from the request to the first byte,
    /// without the round trip that the kernel measures. The body is counted and not kept. --timeout includes the response. With --all, only the winner is asked.
    #[arg(long, value_name = "PATH", require_equals = true, num_args = 0..=1)]
    #[arg(default_missing_value = "/", conflicts_with_all = ["udp", "relay", "starttls", "compare", "path"])]
    pub(crate) http: Option<String>,
    /// Follow redirects, at most 10; each has its own race and report
    ///
    /// 301, 302 and 303 change POST to GET (RFC 9110 section 15.4). Headers of --header are sent to the same
    /// host and port only.
    #[arg(short = 'L', long)]
    pub(crate) location: bool,
    /// Method of the request [default: GET, with --data POST]
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Add a header field, or replace one of the same name; repeatable
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<(String, String)>,
    /// Body of the request; `@FILE` reads a file, `@-` standard input
    #[arg(short = 'd', long, value_name = "TEXT|@FILE")]
    pub(crate) data: Option<String>,
    /// Exit 22 if the status of the response is 400 or above, as curl
    #[arg(long)]
    pub(crate) fail: bool,
    /// Require one of these statuses of the response, such as 200,3xx,400-404; else exit 3
    #[arg(long, value_name = "STATUS[,STATUS...]", value_parser = status_set)]
    pub(crate) expect_status: Option<StatusSet>,
    /// Require that the first 64 KiB of the body match; else exit 3
    #[arg(long, value_name = "REGEX", value_parser = regex::bytes::Regex::new)]
    pub(crate) expect_body: Option<regex::bytes::Regex>,
}
