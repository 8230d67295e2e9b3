//! Arguments of `loopctl resolve`.

use std::net::IpAddr;
use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use loopctl::{DnsServer, RecordType};

use crate::config::{AddressOrder, ResolverChoice};

#[derive(Debug, Args)]
#[command(before_long_help = "\
Examples:
  loopctl resolve example.com
  loopctl resolve @1.1.1.1 example.com       another name server, beside the system
  loopctl resolve --via dns --server tls://9.9.9.9 --server https://dns.google example.com
  loopctl resolve -t MX,TXT,HTTPS example.com
  loopctl resolve -x 192.0.2.1               the names of an address
  loopctl resolve --short example.com        addresses alone, in the order of a connection
  loopctl resolve --trace example.com        from the root, a row for each delegation
  loopctl resolve --dnssec -v example.com    secure, insecure or bogus, and by whose keys
  loopctl resolve --names hosts.txt --ndjson | jq -r 'select(.exit_code != 0).name'")]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    pub(crate) names: NamesArgs,
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
    #[command(flatten)]
    pub(crate) look: LookArgs,
}

#[derive(Debug, Args)]
pub(crate) struct NamesArgs {
    /// Name, with or without a port, or a name server as `@SERVER`
    ///
    /// An IP address needs no resolver; -x queries its names. Names with letters beyond ASCII are converted
    /// to A-labels (IDNA), and both spellings are shown. A byte is written `\DDD` (RFC 1035). Of dig's words, a
    /// type in capitals, `+short`, `+dnssec` and `+trace` are understood. `localhost` is answered without a query (RFC
    /// 6761).
    #[arg(value_name = "NAME[:PORT]|@SERVER")]
    pub(crate) words: Vec<String>,
    /// Query the names of this address (PTR records)
    #[arg(short = 'x', long = "reverse", value_name = "ADDR")]
    #[arg(conflicts_with_all = ["types", "trace", "interleave", "order"])]
    pub(crate) addresses: Vec<IpAddr>,
    /// Read names from FILE, one per line; `#` starts a comment; `-` is standard input
    #[arg(long = "names", visible_alias = "targets", id = "names_from", value_name = "FILE|-")]
    pub(crate) from: Option<PathBuf>,
    /// Maximum number of names in progress at the same time; getaddrinfo is also limited by the thread pool
    ///
    /// Reports appear in the order of the arguments.
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) concurrency: NonZero<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Question")]
pub(crate) struct QuestionArgs {
    /// Query records of these types [default: A,AAAA]
    #[arg(short = 't', long = "type", id = "types", value_name = "TYPE[,TYPE...]")]
    #[arg(value_delimiter = ',')]
    pub(crate) types: Vec<RecordType>,
    /// Resolve with the system (getaddrinfo), with name servers, or with both side by side
    ///
    /// The system's answer decides whether a name resolves and the order of addresses. With --server,
    /// @SERVER or `dns`, the name servers decide, and their addresses are sorted by RFC 6724. Types other
    /// than A and AAAA are always queried from name servers.
    ///
    /// Without --timeout, name servers have 5 s. The system has 1 s more than it needs by `timeout`,
    /// `attempts` and the number of servers in resolv.conf(5). Where the two sides differ, a warning names
    /// the reason, if there is evidence for one.
    #[arg(long, value_name = "WHO", default_value = "both")]
    pub(crate) via: ResolverChoice,
    /// Query this name server instead of those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT];
    /// repeatable
    ///
    /// udp:// is the default and retries over TCP when an answer is truncated. tls:// uses port 853.
    /// https:// uses HTTP/2, or HTTP/1.1 if the server does not offer it. A path that ends in `{?dns}` is
    /// queried with GET, any other with POST. A name after `#` is the name the certificate must match.
    ///
    /// Each server is tried up to twice; all tries share --timeout evenly. `timeout` and `attempts` of
    /// resolv.conf(5) apply where they end sooner. The hosts file is not read.
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Vec<DnsServer>,
    /// Complete short names with the search list, as the system does [default]
    #[arg(long, overrides_with = "no_search")]
    pub(crate) search: bool,
    /// Query names as given, without the search list
    #[arg(long)]
    pub(crate) no_search: bool,
    /// Validate every answer of name servers with DNSSEC, from the root keys down
    ///
    /// `secure`: a chain of signatures leads to the answer. `insecure`: the zone is proved to be unsigned.
    /// `bogus`: the zone should be signed, but validation failed; the first fault is shown.
    /// `indeterminate`: the records needed for a proof are not available.
    ///
    /// A name with a bogus or indeterminate answer does not resolve (exit status 6), even if the system
    /// resolves it. Names below no trust anchor are not judged. Queries set CD, so that a validating server
    /// does not hide the fault. Keys of a zone are queried once per run. With --trace nothing is validated;
    /// signatures and the servers' claims are shown.
    #[arg(long)]
    pub(crate) dnssec: bool,
    /// Trust these keys (DNSKEY or DS records in zone-file form) instead of the root's; `-` is standard
    /// input
    #[arg(long, value_name = "FILE|-", requires = "dnssec", conflicts_with = "trace")]
    pub(crate) trust_anchor: Option<PathBuf>,
    /// Follow referrals from the root servers (or from --server) to the authoritative servers of the name
    ///
    /// Servers of a referral are queried at the glue addresses; without glue the system resolves their
    /// names. Aliases restart at the root. The port of --server is used for all servers.
    #[arg(long)]
    pub(crate) trace: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct LookArgs {
    /// Print only addresses, or record data, one per line
    #[arg(long, conflicts_with_all = ["json", "ndjson", "trace"])]
    pub(crate) short: bool,
    /// Order of addresses: of a connection, of the system, or of the name servers
    #[arg(long, value_name = "WHOSE", default_value = "connection")]
    pub(crate) order: AddressOrder,
    /// First Address Family Count of the connection; 0 keeps the resolver's order
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) interleave: usize,
    /// Write the report to FILE instead of standard output; FILE.html and FILE.svg get a page, and the report stays
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}
