//! What `serve` is to do.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use loopctl::TlsVersion;
use loopctl::plan::{Family, Target, TargetError};

use super::environment::Environment;
use super::fault::{Fault, FaultArg};
use super::{Format, OutputRequest, SlowRequest};
use crate::cli::{
    GlobalArgs, LimitArgs, ListenArgs, ModeArg, ModeArgs, Protocols, ServeArgs, ServerTlsArgs,
    SinkArgs,
};
use crate::util::checksum::Algorithm;
use crate::util::message::Message;

/// What clients get, where, and how it is told.
#[derive(Debug)]
pub(crate) struct ServeRequest {
    pub(crate) service: Service,
    pub(crate) listen: ListenRequest,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    /// End after this time.
    pub(crate) timeout: Option<Duration>,
    pub(crate) log: Log,
    pub(crate) output: OutputRequest,
    pub(crate) slow: SlowRequest,
}

/// What is done with each client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Service {
    Echo,
    Discard,
    Chargen,
    Daytime,
    /// The files of a directory, or a description of the request.
    Http(Option<PathBuf>),
    Sink(SinkRequest),
    Blackhole,
    Exec(CommandLine),
    Shell(String),
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
}

/// What is done with what comes, besides counting it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SinkRequest {
    pub(crate) outlet: Option<Outlet>,
    pub(crate) checksum: Option<Algorithm>,
    /// In bytes.
    pub(crate) max_size: Option<u64>,
    pub(crate) resume: bool,
}

/// A file, a folder, or standard output (`-`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outlet {
    pub(crate) path: PathBuf,
    pub(crate) is_folder: bool,
    pub(crate) may_replace: bool,
}

#[derive(Debug)]
pub(crate) struct ListenRequest {
    /// None: the sockets of `LISTEN_FDS`, or localhost.
    pub(crate) places: Vec<Place>,
    pub(crate) family: Family,
    pub(crate) udp: bool,
    pub(crate) backlog: u32,
    pub(crate) sharing: Sharing,
    pub(crate) port_file: Option<PathBuf>,
    /// None: in plain.
    pub(crate) tls: Option<ServerTls>,
}

/// TLS as clients find it.
#[derive(Debug)]
pub(crate) struct ServerTls {
    /// None: one is made for this run.
    pub(crate) identities: Vec<IdentityFiles>,
    /// Where the certificate goes that is made.
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) alpn: Vec<String>,
    pub(crate) least: TlsVersion,
}

/// Where a certificate with its chain is, and where its key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentityFiles {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// How addresses and ports are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharing {
    pub(crate) reuse_port: bool,
    pub(crate) v6only: bool,
    pub(crate) same_port: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) text: String,
    pub(crate) target: Target,
    /// `:port`: every interface.
    pub(crate) everywhere: bool,
}

#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) max_clients: Option<NonZero<usize>>,
    /// End after so many clients.
    pub(crate) count: Option<NonZero<usize>>,
    pub(crate) idle: Option<Duration>,
    /// In bytes a second.
    pub(crate) rate: Option<NonZero<u64>>,
    /// Empty: everybody.
    pub(crate) allow: Vec<IpNet>,
    pub(crate) grace: Duration,
}

#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) faults: Vec<FaultArg>,
    pub(crate) seed: u64,
}

/// The format of the line for each closed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line of text
    Text,
    /// One line of JSON
    Json,
}

/// What is told while it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) stats: Option<Duration>,
}

impl ServeRequest {
    /// # Errors
    /// What makes no sense, and what to type instead.
    pub(crate) fn new(
        args: ServeArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, Message> {
        let output = OutputRequest::new(&global.output, env);
        let faults = Faults {
            faults: args.faults.faults,
            seed: args.faults.fault_seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
        };
        let mut request = Self {
            service: Service::new(args.mode)?,
            listen: ListenRequest::new(args.listen, args.tls, Family::from(&global.family))?,
            limits: Limits::from(args.limits),
            faults,
            timeout: global.timeout,
            log: Log { format: args.told.log, stats: args.told.stats },
            output,
            slow: SlowRequest::from(&global.debug),
        };
        request.check()?;
        request.adapt();
        Ok(request)
    }

    /// Whether standard output carries what clients send, so that all else goes to standard error.
    pub(crate) fn takes_stdout(&self) -> bool {
        self.outlet().is_some_and(|outlet| outlet.path.as_os_str() == "-")
    }

    fn outlet(&self) -> Option<&Outlet> {
        match &self.service {
            Service::Sink(sink) => sink.outlet.as_ref(),
            _ => None,
        }
    }

    /// Whether what clients send goes to one place, so that one has to come after another.
    fn takes_turns(&self) -> bool {
        self.outlet().is_some_and(|outlet| !outlet.is_folder)
    }

    /// Whether nothing is ever sent to clients.
    pub(crate) fn only_receives(&self) -> bool {
        matches!(self.service, Service::Discard | Service::Sink(_) | Service::Blackhole)
    }

    fn check(&self) -> Result<(), Message> {
        let refuse = |what: &str| Err(Message::error(what));
        if self.output.files.qlog.is_some() {
            return refuse("--qlog tells of attempts to connect; serve makes none");
        }
        let several = self.limits.max_clients.is_some_and(|most| most.get() > 1);
        if several && self.takes_turns() {
            return refuse("--output takes one client after another: --max-conns can only be 1");
        }
        if matches!(&self.service, Service::Sink(sink) if sink.resume)
            && (self.takes_stdout() || !self.takes_turns())
        {
            return refuse("--resume goes on with a file: --output must name one");
        }
        let kinds = || self.faults.faults.iter().map(|arg| arg.fault.name());
        if let Some((_, twice)) =
            kinds().enumerate().find(|(at, kind)| kinds().take(*at).any(|k| k == *kind))
        {
            return Err(Message::error(format!("--fault {twice} is given twice")));
        }
        self.check_tls()?;
        let is_backlog = |arg: &FaultArg| matches!(arg.fault, Fault::Backlog(_));
        let has_unix =
            self.listen.places.iter().any(|place| matches!(place.target, Target::Unix(_)));
        if has_unix && self.faults.faults.iter().any(is_backlog) {
            return refuse("--fault backlog is for TCP, not for Unix sockets");
        }
        if !self.listen.udp {
            return Ok(());
        }
        if let Service::Sink(sink) = &self.service
            && (sink.resume
                || sink.max_size.is_some()
                || !self.takes_turns() && *sink != SinkRequest::default())
        {
            return refuse("--udp has no transfers: --output FILE or - alone is for datagrams");
        }
        if matches!(self.service, Service::Http(_) | Service::Exec(_) | Service::Shell(_)) {
            return refuse("--udp has no connections: http, --exec and --shell need one");
        }
        let limits = &self.limits;
        if limits.max_clients.is_some() || limits.idle.is_some() || limits.rate.is_some() {
            return refuse(
                "--udp has no connections: nothing for --max-conns, --idle-timeout or --rate",
            );
        }
        let is_for_datagrams = |arg: &FaultArg| matches!(arg.fault, Fault::Delay(_));
        match self.faults.faults.iter().all(is_for_datagrams) {
            true => Ok(()),
            false => refuse("--udp has no connections: of the faults, only delay is for datagrams"),
        }
    }

    fn check_tls(&self) -> Result<(), Message> {
        let mut faults = self.faults.faults.iter().map(|arg| arg.fault);
        match &self.listen.tls {
            Some(_) if self.listen.udp => {
                Err(Message::error("--tls is for connections: there is no TLS over --udp"))
            }
            Some(tls) if !tls.identities.is_empty() => {
                let forged = |fault| matches!(fault, Fault::TlsWrongName | Fault::TlsExpired);
                faults.find(|fault| forged(*fault)).map_or(Ok(()), |fault| {
                    let hint = "write --tls without files".to_owned();
                    let name = fault.name();
                    let error = format!("--fault {name} shows a certificate that it makes itself");
                    Err(Message { hints: vec![hint], ..Message::error(error) })
                })
            }
            Some(_) => Ok(()),
            None => faults.find(|fault| fault.is_of_tls()).map_or(Ok(()), |fault| {
                Err(Message::error(format!("--fault {} needs --tls", fault.name())))
            }),
        }
    }

    /// What follows from the rest.
    fn adapt(&mut self) {
        if self.takes_turns() {
            self.limits.max_clients = NonZero::new(1);
        }
        if self.takes_stdout() {
            self.output.stdout = self.output.stderr;
        }
        // Events as they happen are all there is: both flags mean the same.
        if self.output.format == Format::Ndjson {
            self.output.format = Format::Json;
        }
    }
}

impl Service {
    fn new(args: ModeArgs) -> Result<Self, Message> {
        let refuse = |what: &str| Err(Message::error(what));
        if args.root.is_some() && args.mode != ModeArg::Http {
            return refuse("--root is for --mode http");
        }
        let sink = SinkRequest::from(args.sink);
        if sink != SinkRequest::default() && args.mode != ModeArg::Sink {
            return refuse("--output, --checksum, --max-size and --resume are for --mode sink");
        }
        if let Some(words) = args.exec {
            return Ok(Self::Exec(words));
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

impl From<SinkArgs> for SinkRequest {
    fn from(args: SinkArgs) -> Self {
        let outlet = args.output.map(|path| {
            let is_folder = path.is_dir();
            Outlet { path, is_folder, may_replace: args.force }
        });
        Self { outlet, checksum: args.checksum, max_size: args.max_size, resume: args.resume }
    }
}

impl ListenRequest {
    fn new(args: ListenArgs, tls: ServerTlsArgs, family: Family) -> Result<Self, Message> {
        let places = args.addresses.iter().map(|text| Place::new(text));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let (reuse_port, v6only, same_port) = (args.reuse_port, args.v6only, args.same_port);
        Ok(Self {
            places,
            family,
            udp: args.udp,
            backlog: args.backlog,
            sharing: Sharing { reuse_port, v6only, same_port },
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
        let are_made = args.tls.iter().filter(|value| value.is_empty()).count();
        if are_made > 0 && args.tls.len() > 1 {
            return Err(Message::error(match are_made == args.tls.len() {
                true => "--tls is given twice",
                false => "--tls makes a certificate, and --tls=FILE brings one: take one of them",
            }));
        }
        if are_made == 0 && args.tls_cert_file.is_some() {
            let why = "--tls-cert-file is for the certificate that --tls without a file makes";
            return Err(Message::error(why));
        }
        let given = args.tls.iter().filter(|value| !value.is_empty());
        Ok(Some(Self {
            identities: given.map(|value| IdentityFiles::new(value)).collect::<Result<_, _>>()?,
            cert_file: args.tls_cert_file,
            client_ca: args.client_ca,
            alpn: args.alpn.map_or_else(Vec::new, |Protocols(names)| names),
            least: TlsVersion::from(args.tls_min),
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

    /// As it was typed.
    pub(crate) fn text(&self) -> String {
        let show = |path: &Path| path.display().to_string();
        match self.chain == self.key {
            true => show(&self.chain),
            false => format!("{},{}", show(&self.chain), show(&self.key)),
        }
    }
}

impl Place {
    fn new(text: &str) -> Result<Self, Message> {
        let everywhere = text.starts_with(':');
        match text.parse() {
            Ok(target) => Ok(Self { text: text.to_owned(), target, everywhere }),
            Err(TargetError::NoPort(_)) if text.parse::<u16>().is_ok() => {
                let hint = format!("write `localhost:{text}`, or `:{text}` for every interface");
                let error = format!("`{text}` has no host");
                Err(Message { hints: vec![hint], ..Message::error(error) })
            }
            Err(_) if text.is_empty() => Err(Message::error("an ADDR is empty")),
            Err(TargetError::NoPort(_)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(Message::error(format!("`{text}` is no port: the highest is 65535")))
            }
            Err(error @ TargetError::NoPort(_)) => {
                let hint = format!("write `{text}:0` for a free port, or `{text}:8080`");
                Err(Message { hints: vec![hint], ..Message::from(error) })
            }
            Err(error) => Err(Message::from(error)),
        }
    }
}

impl Faults {
    /// Whether another run would go another way.
    pub(crate) fn has_luck(&self) -> bool {
        self.faults.iter().any(|arg| arg.percent < 100.0 || arg.fault.has_jitter())
    }
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        Self {
            max_clients: args.max_conns,
            count: if args.once { NonZero::new(1) } else { args.count },
            idle: args.idle_timeout,
            rate: args.rate,
            allow: args.allow,
            grace: args.grace,
        }
    }
}
