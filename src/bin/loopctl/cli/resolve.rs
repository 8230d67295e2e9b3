//! What was typed after `loopctl resolve`.

use std::net::IpAddr;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use loopctl::{DnsServer, RecordType};

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
    /// A name, with or without a port, or a name server as `@SERVER`
    #[arg(value_name = "NAME[:PORT]|@SERVER")]
    pub(crate) words: Vec<String>,
    /// Ask for the names of this address
    #[arg(short = 'x', long = "reverse", value_name = "ADDR")]
    #[arg(conflicts_with_all = ["types", "trace", "interleave", "order"])]
    pub(crate) addresses: Vec<IpAddr>,
    /// Read names from FILE, one a line, `#` begins a comment; `-` is standard input
    #[arg(long = "names", visible_alias = "targets", id = "names_from", value_name = "FILE|-")]
    pub(crate) from: Option<PathBuf>,
    /// At most this many names at a time; where the system is asked, no more than it has threads for
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) concurrency: NonZero<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Question")]
pub(crate) struct QuestionArgs {
    /// Ask for records of these types [default: A,AAAA]
    #[arg(short = 't', long = "type", id = "types", value_name = "TYPE[,TYPE...]")]
    #[arg(value_delimiter = ',')]
    pub(crate) types: Vec<RecordType>,
    /// Who is asked: the system (getaddrinfo), name servers, or both side by side
    #[arg(long, value_name = "WHO", default_value = "both")]
    pub(crate) via: ViaArg,
    /// Ask this name server and not those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT]; may be given again
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Vec<DnsServer>,
    /// Complete short names with the search list, as the system does, which is the default
    #[arg(long, overrides_with = "no_search")]
    pub(crate) search: bool,
    /// Take names as complete
    #[arg(long)]
    pub(crate) no_search: bool,
    /// Verify every answer of name servers by its signatures, from the root's keys down
    #[arg(long)]
    pub(crate) dnssec: bool,
    /// Trust these keys (DNSKEY or DS records) in the place of the root's; `-` is standard input
    #[arg(long, value_name = "FILE|-", requires = "dnssec", conflicts_with = "trace")]
    pub(crate) trust_anchor: Option<PathBuf>,
    /// Go the way from the root servers (or from --server) down to those in charge of the name
    #[arg(long)]
    pub(crate) trace: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct LookArgs {
    /// Print addresses alone, or the data of records, one a line
    #[arg(long, conflicts_with_all = ["json", "ndjson", "trace"])]
    pub(crate) short: bool,
    /// The order of addresses: that of a connection, the system's, or the name servers'
    #[arg(long, value_name = "WHOSE", default_value = "connection")]
    pub(crate) order: OrderArg,
    /// The First Address Family Count of the connection; 0 keeps the resolver's order
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) interleave: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViaArg {
    /// getaddrinfo: what programs of this host get
    System,
    /// Name servers, asked directly
    Dns,
    /// Both side by side
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderArg {
    /// In which `loopctl connect` would try them
    Connection,
    /// In which getaddrinfo gives them
    System,
    /// In which name servers give them
    Dns,
}
