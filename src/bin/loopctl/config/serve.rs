//! The request of `loopctl serve`: mode, addresses, limits and faults, checked against each other.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use loopctl::TlsVersion;
use loopctl::plan::{Family, SocketKind, Target, TargetError};

use super::environment::Environment;
use super::fault_file;
use super::serve_faults::Faults;
use super::upstream::UpstreamRequest;
use super::{Format, OutputRequest, SlowRequest};
use crate::cli::{
    GlobalArgs, LimitArgs, ListenArgs, ModeArg, ModeArgs, Protocols, ServeArgs, ServerTlsArgs,
    SinkArgs,
};
use crate::exit::FatalError;
use crate::util::checksum::Algorithm;
use crate::util::message::Message;

const NO_TLS: &str = "--tls is for connections: there is no TLS over --udp";

/// Everything that the command line says about a server.
#[derive(Debug)]
pub(crate) struct ServeRequest {
    pub(crate) service: Service,
    pub(crate) listen: ListenRequest,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    /// File of the faults, which SIGHUP reads again.
    pub(crate) faults_file: Option<PathBuf>,
    /// Path of the control socket.
    pub(crate) control: Option<PathBuf>,
    /// The server shuts down after this time.
    pub(crate) timeout: Option<Duration>,
    pub(crate) log: Log,
    pub(crate) output: OutputRequest,
    pub(crate) slow: SlowRequest,
}

/// Mode of the server, with its options.
#[derive(Debug, Clone)]
pub(crate) enum Service {
    Echo,
    Discard,
    Chargen,
    Daytime,
    /// Serves the files of this directory; without one, describes each request.
    Http(Option<PathBuf>),
    Sink(SinkRequest),
    Blackhole,
    Exec(ProgramCommand),
    Shell(String),
    /// Forwards each client to another server.
    Proxy(Rc<UpstreamRequest>),
}

/// Program and arguments of `--exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgramCommand {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
}

/// Options of `--mode sink`. Without any, received bytes are only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SinkRequest {
    pub(crate) output: Option<OutputTarget>,
    pub(crate) checksum: Option<Algorithm>,
    /// Largest transfer, in bytes.
    pub(crate) max_size: Option<u64>,
    /// Largest number of files in a folder.
    pub(crate) max_files: NonZero<usize>,
    pub(crate) resume: bool,
}

/// Value of `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutputTarget {
    /// `-`
    Stdout,
    /// All clients write to the same file, one after another.
    File {
        path: PathBuf,
        /// `--force`
        may_replace: bool,
    },
    /// Each client writes to a separate file in this folder.
    Folder(PathBuf),
}

#[derive(Debug)]
pub(crate) struct ListenRequest {
    /// Empty: the sockets of `LISTEN_FDS`, or else localhost.
    pub(crate) specs: Vec<ListenSpec>,
    pub(crate) family: Family,
    pub(crate) udp: bool,
    pub(crate) backlog: u32,
    pub(crate) sharing: Sharing,
    pub(crate) port_file: Option<PathBuf>,
    /// `None`: plaintext.
    pub(crate) tls: Option<ServerTls>,
}

/// TLS options of the server.
#[derive(Debug)]
pub(crate) struct ServerTls {
    /// Empty: a self-signed certificate is generated for this run.
    pub(crate) identities: Vec<IdentityFiles>,
    /// Path for the generated certificate.
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) alpn: Vec<String>,
    pub(crate) min_version: TlsVersion,
}

/// Paths of a certificate chain and of its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentityFiles {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// Socket options about sharing an address or port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharing {
    pub(crate) reuse_port: bool,
    pub(crate) v6only: bool,
}

/// One ADDR argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenSpec {
    /// The argument as typed.
    pub(crate) text: String,
    pub(crate) target: Target,
    /// `:port`, every interface.
    pub(crate) is_wildcard: bool,
}

#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) max_clients: Option<NonZero<usize>>,
    /// Whether that number is a default.
    pub(crate) is_implied_max: bool,
    /// The server shuts down after this number of clients.
    pub(crate) count: Option<NonZero<usize>>,
    pub(crate) idle: Option<Duration>,
    /// Bytes per second and direction, for each connection.
    pub(crate) rate: Option<NonZero<u64>>,
    /// Networks that are served. Empty: all.
    pub(crate) allow: Vec<IpNet>,
    /// Time for clients to finish when the server shuts down.
    pub(crate) grace: Duration,
}

/// The format of the line for each closed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line of text
    Text,
    /// One line of JSON
    Json,
}

/// Output while the server runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) stats: Option<Duration>,
}

impl ServeRequest {
    /// Converts and checks the arguments.
    ///
    /// # Errors
    /// Options that contradict each other, with a hint what to type instead.
    pub(crate) fn new(
        args: ServeArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, FatalError> {
        let output = OutputRequest::new(&global.output, env);
        let faults = Faults {
            faults: match &args.faults.faults_file {
                Some(path) => fault_file::read(path)?,
                None => args.faults.faults,
            },
            seed: args.faults.fault_seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
        };
        let family = Family::from(&global.family);
        let upstream = UpstreamRequest::new(&args.upstream, family)?;
        let mut request = Self {
            service: Service::new(args.mode, upstream)?,
            listen: ListenRequest::new(args.listen, args.tls, family)?,
            limits: Limits::from(args.limits),
            faults,
            faults_file: args.faults.faults_file,
            control: args.faults.control,
            timeout: global.timeout,
            log: Log { format: args.record.log, stats: args.record.stats },
            output,
            slow: SlowRequest::from(&global.debug),
        };
        request.check()?;
        request.imply();
        Ok(request)
    }

    /// Whether standard output carries received bytes, so that everything else goes to standard error.
    pub(crate) fn uses_stdout(&self) -> bool {
        self.output_target() == Some(&OutputTarget::Stdout)
    }

    fn output_target(&self) -> Option<&OutputTarget> {
        match &self.service {
            Service::Sink(sink) => sink.output.as_ref(),
            _ => None,
        }
    }

    /// Whether all clients write to the same output, so that they are served one after another.
    fn has_shared_output(&self) -> bool {
        matches!(self.output_target(), Some(OutputTarget::Stdout | OutputTarget::File { .. }))
    }

    /// Whether the mode never sends anything to clients.
    pub(crate) fn only_receives(&self) -> bool {
        matches!(self.service, Service::Discard | Service::Sink(_) | Service::Blackhole)
    }

    fn check(&self) -> Result<(), Message> {
        let refuse = |what: &str| Err(Message::error(what));
        if self.output.files.qlog.is_some() {
            return refuse("--qlog records connection attempts, and serve makes none");
        }
        let several = self.limits.max_clients.is_some_and(|max| max.get() > 1);
        if several && self.has_shared_output() {
            return refuse("--output takes one client after another: --max-conns can only be 1");
        }
        if matches!(&self.service, Service::Sink(sink) if sink.resume)
            && (self.uses_stdout() || !self.has_shared_output())
        {
            return refuse("--resume continues a file: --output must name one");
        }
        self.check_tls()?;
        if self.listen.udp {
            self.check_datagrams()?;
        }
        self.check_faults(&self.faults)
    }

    /// Checks a socket that was handed over as an ADDR of its type is checked. `number`: that of its descriptor.
    ///
    /// # Errors
    /// Options that such a socket cannot have.
    pub(crate) fn check_inherited(
        &self,
        kind: SocketKind,
        is_unix: bool,
        number: usize,
    ) -> Result<(), Message> {
        if self.faults.backlog().is_some() {
            return Err(Message::error(
                "--fault backlog needs an ADDR, not a socket of LISTEN_FDS",
            ));
        }
        if is_unix {
            self.check_unix_faults(&self.faults)?;
        }
        match kind {
            SocketKind::Datagram => {
                if self.listen.tls.is_some() {
                    return Err(Message::error(NO_TLS));
                }
                self.check_datagrams()?;
                Self::check_datagram_faults(&self.faults)
            }
            _ if self.listen.udp => {
                let error = format!(
                    "--udp is for datagrams, and descriptor {number} of LISTEN_FDS is for connections"
                );
                Err(Message::error(error))
            }
            _ => Ok(()),
        }
    }

    fn check_datagrams(&self) -> Result<(), Message> {
        let refuse = |what: &str| Err(Message::error(what));
        if let Service::Sink(sink) = &self.service
            && (sink.resume
                || sink.max_size.is_some()
                || !self.has_shared_output() && !sink.only_counts())
        {
            return refuse(
                "--udp supports only --output FILE and --output -, without other options of the sink",
            );
        }
        if matches!(
            self.service,
            Service::Http(_) | Service::Exec(_) | Service::Shell(_) | Service::Proxy(_)
        ) {
            return refuse(
                "--mode http, --exec, --shell and --upstream need connections, and --udp has none",
            );
        }
        let limits = &self.limits;
        let has_max = limits.max_clients.is_some() && !limits.is_implied_max;
        if has_max || limits.idle.is_some() || limits.rate.is_some() {
            return refuse(
                "--max-conns, --idle-timeout and --rate need connections, and --udp has none",
            );
        }
        Ok(())
    }

    fn check_tls(&self) -> Result<(), Message> {
        match &self.listen.tls {
            Some(_) if self.listen.udp => Err(Message::error(NO_TLS)),
            Some(tls) if self.promises_http2(tls) => Err(Message::error(
                "--mode http speaks HTTP/1.1, and --alpn would agree on HTTP/2 or 3",
            )),
            _ => Ok(()),
        }
    }

    fn promises_http2(&self, tls: &ServerTls) -> bool {
        let others = ["h2", "h2c", "h3"];
        matches!(self.service, Service::Http(_))
            && tls.alpn.iter().any(|name| others.contains(&&**name))
    }

    /// Sets what other options imply.
    fn imply(&mut self) {
        if self.has_shared_output() {
            self.limits.is_implied_max = self.limits.max_clients.is_none();
            self.limits.max_clients = NonZero::new(1);
        }
        if self.limits.max_clients.is_none() {
            let is_program = matches!(self.service, Service::Exec(_) | Service::Shell(_));
            self.limits.max_clients = NonZero::new(if is_program { 100 } else { 1000 });
            self.limits.is_implied_max = true;
        }
        if self.uses_stdout() {
            self.output.stdout = self.output.stderr;
        }
        // All records are written as they happen, so --json and --ndjson are the same.
        if self.output.format == Format::Ndjson {
            self.output.format = Format::Json;
        }
    }
}

impl Service {
    fn new(args: ModeArgs, upstream: Option<UpstreamRequest>) -> Result<Self, Message> {
        let refuse = |what: &str| Err(Message::error(what));
        if args.root.is_some() && args.mode != ModeArg::Http {
            return refuse("--root is for --mode http");
        }
        let sink = SinkRequest::from(args.sink);
        if !sink.only_counts() && args.mode != ModeArg::Sink {
            return refuse("--output, --checksum, --max-size and --resume are for --mode sink");
        }
        if let Some(upstream) = upstream {
            return Ok(Self::Proxy(Rc::new(upstream)));
        }
        if let Some(command) = args.exec {
            return Ok(Self::Exec(command));
        }
        if let Some(line) = args.shell {
            return Ok(Self::Shell(line));
        }
        Ok(match args.mode {
            ModeArg::Echo => Self::Echo,
            ModeArg::Discard => Self::Discard,
            ModeArg::Chargen => Self::Chargen,
            ModeArg::Daytime => Self::Daytime,
            ModeArg::Http => Self::Http(args.root),
            ModeArg::Sink => Self::Sink(sink),
            ModeArg::Blackhole => Self::Blackhole,
        })
    }
}

impl SinkRequest {
    /// Whether received bytes are counted and dropped.
    pub(crate) fn only_counts(&self) -> bool {
        self.output.is_none() && self.checksum.is_none() && self.max_size.is_none() && !self.resume
    }
}

impl From<SinkArgs> for SinkRequest {
    fn from(args: SinkArgs) -> Self {
        let may_replace = args.force;
        let output = args.output.map(|path| match path {
            path if path.as_os_str() == "-" => OutputTarget::Stdout,
            path if path.is_dir() => OutputTarget::Folder(path),
            path => OutputTarget::File { path, may_replace },
        });
        Self {
            output,
            checksum: args.checksum,
            max_size: args.max_size,
            max_files: args.max_files,
            resume: args.resume,
        }
    }
}

impl ListenRequest {
    fn new(args: ListenArgs, tls: ServerTlsArgs, family: Family) -> Result<Self, Message> {
        let specs = args.addresses.iter().map(|text| ListenSpec::new(text));
        Ok(Self {
            specs: specs.collect::<Result<_, _>>()?,
            family,
            udp: args.udp,
            backlog: args.backlog,
            sharing: Sharing { reuse_port: args.reuse_port, v6only: args.v6only },
            port_file: args.port_file,
            tls: ServerTls::new(tls)?,
        })
    }
}

impl ServerTls {
    fn new(args: ServerTlsArgs) -> Result<Option<Self>, Message> {
        if args.tls.is_empty() {
            return Ok(None);
        }
        let generated = args.tls.iter().filter(|value| value.is_empty()).count();
        if generated > 0 && args.tls.len() > 1 {
            return Err(Message::error(match generated == args.tls.len() {
                true => "--tls is given twice",
                false => "--tls generates a certificate, and --tls=FILE reads one: use one of them",
            }));
        }
        if generated == 0 && args.tls_cert_file.is_some() {
            let why = "--tls-cert-file is for the certificate that --tls without a file makes";
            return Err(Message::error(why));
        }
        let given = args.tls.iter().filter(|value| !value.is_empty());
        Ok(Some(Self {
            identities: given.map(|value| IdentityFiles::new(value)).collect::<Result<_, _>>()?,
            cert_file: args.tls_cert_file,
            client_ca: args.client_ca,
            alpn: args.alpn.map_or_else(Vec::new, |Protocols(names)| names),
            min_version: TlsVersion::from(args.tls_min),
        }))
    }
}

impl IdentityFiles {
    fn new(value: &str) -> Result<Self, Message> {
        let (chain, key) = value.split_once(',').unwrap_or((value, value));
        if chain.is_empty() || key.is_empty() {
            return Err(Message::error(format!("`--tls={value}` is not CERT or CERT,KEY")));
        }
        Ok(Self { chain: PathBuf::from(chain), key: PathBuf::from(key) })
    }

    /// The value of `--tls` as typed.
    pub(crate) fn text(&self) -> String {
        let show = |path: &Path| path.display().to_string();
        match self.chain == self.key {
            true => show(&self.chain),
            false => format!("{},{}", show(&self.chain), show(&self.key)),
        }
    }
}

impl ListenSpec {
    fn new(text: &str) -> Result<Self, Message> {
        let is_wildcard = text.starts_with(':');
        match text.parse() {
            Ok(target) => Ok(Self { text: text.to_owned(), target, is_wildcard }),
            Err(TargetError::NoPort(_)) if text.parse::<u16>().is_ok() => {
                let hint = format!("write `localhost:{text}`, or `:{text}` for every interface");
                let error = format!("`{text}` has no host");
                Err(Message { hints: vec![hint], ..Message::error(error) })
            }
            Err(_) if text.is_empty() => Err(Message::error("an ADDR is empty")),
            Err(TargetError::NoPort(_)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(Message::error(format!("`{text}` is not a port: the highest is 65535")))
            }
            Err(error @ TargetError::NoPort(_)) => {
                let hint = format!("write `{text}:0` for a free port, or `{text}:8080`");
                Err(Message { hints: vec![hint], ..Message::from(error) })
            }
            Err(error) => Err(Message::from(error)),
        }
    }
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        Self {
            max_clients: args.max_conns,
            is_implied_max: false,
            count: if args.once { NonZero::new(1) } else { args.count },
            idle: args.idle_timeout,
            rate: args.rate,
            allow: args.allow,
            grace: args.grace,
        }
    }
}
