//! What was meant.

pub(crate) mod environment;
pub(crate) mod fault;
pub(crate) mod policy;
pub(crate) mod resolve;
pub(crate) mod sendfile;
pub(crate) mod serve;
pub(crate) mod targets;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::plan::{Family, Success, Target};
use loopctl::{DnsServer, SocketOptions};

pub(crate) use policy::Rules;
pub(crate) use resolve::{NameRequest, QuestionRequest, ResolveRequest, Subject as NameSubject};
pub(crate) use sendfile::{Part, SendRequest};
pub(crate) use serve::{
    Faults, IdentityFiles, Outlet, Place, ServeRequest, ServerTls, Service, SinkRequest,
};
pub(crate) use tls::{KeyLog, TlsRequest, key_log};

use crate::cli::{
    CompareArg, ConnectArgs, ConnectionArgs, DebugArgs, ExpectArgs, ExportArgs, FamilyArg,
    FamilyArgs, GlobalArgs, LookupArg, LookupArgs, OutputArgs, RaceArgs, RelayArgs, RepeatArgs,
    SocketArgs, SuccessArg,
};
use crate::exit::Exit;
use crate::output::style::Style;
use crate::util::message::Message;
use environment::Environment;
pub(crate) use targets::TargetRequest;

/// What `connect` and `demo` are to do.
#[derive(Debug)]
pub(crate) struct ConnectRequest {
    pub(crate) targets: Vec<TargetRequest>,
    /// At most so many targets at a time.
    pub(crate) concurrency: usize,
    pub(crate) race: RaceRequest,
    pub(crate) mode: Mode,
    /// What to do with the connection of the only target; otherwise, it is closed at once.
    pub(crate) purpose: Option<Purpose>,
    pub(crate) expect: Expectations,
    pub(crate) output: OutputRequest,
    pub(crate) slow: SlowRequest,
}

/// What a connection is for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    Relay(RelayRequest),
    Send(Box<SendRequest>),
}

/// How often each target is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Once,
    Repeat(RepeatRequest),
    /// Until it connects, at most this long.
    Wait(Duration),
    /// By every policy.
    Compare(CompareRequest),
}

/// How policies are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CompareRequest {
    /// Whether they are run, and not only foretold.
    pub(crate) is_live: bool,
    /// How long an address may stay silent.
    pub(crate) patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RepeatRequest {
    /// `None`: until interrupted.
    pub(crate) count: Option<u64>,
    /// From one start to the next.
    pub(crate) interval: Duration,
    pub(crate) fresh_dns: bool,
    pub(crate) histogram: bool,
}

/// Standard input to the peer, and the peer to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelayRequest {
    /// Ends it when nothing has come or gone for this long.
    pub(crate) idle_timeout: Option<Duration>,
}

/// What a connection must be like, besides being one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Expectations {
    pub(crate) family: Option<Family>,
    pub(crate) first_address: bool,
    pub(crate) max_cost: Option<Duration>,
    /// How long the peer's certificates must last.
    pub(crate) cert_expiry: Option<Duration>,
}

/// How every target is raced.
#[derive(Debug, Clone)]
pub(crate) struct RaceRequest {
    pub(crate) policy: Rules,
    pub(crate) family: Family,
    pub(crate) prefer: Option<Family>,
    pub(crate) sockets: SocketRequest,
    pub(crate) timeout: Duration,
    /// Datagrams, one address after another, in the place of connections.
    pub(crate) udp: bool,
    pub(crate) tls: Option<TlsRequest>,
    /// Name servers, in the place of the system's resolver.
    pub(crate) dns: Option<DnsRequest>,
}

/// What each socket is like.
#[derive(Debug, Clone, Default)]
pub(crate) struct SocketRequest {
    pub(crate) sources: Vec<SocketAddr>,
    pub(crate) options: Option<SocketOptions>,
}

/// Which name servers are asked; none: those of resolv.conf(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DnsRequest {
    pub(crate) servers: Vec<DnsServer>,
}

/// How long a datagram may stay without an answer where nothing was said. A refusal takes a round trip.
const SILENCE: Duration = Duration::from_millis(200);

/// What is told, and how it looks.
#[derive(Debug, Clone)]
pub(crate) struct OutputRequest {
    pub(crate) format: Format,
    pub(crate) verbosity: u8,
    /// Of the report.
    pub(crate) stdout: Style,
    pub(crate) stderr: Style,
    pub(crate) files: Files,
    pub(crate) tcp_info: bool,
    /// Lines begin with the time.
    pub(crate) timestamps: bool,
    /// Attempts move on the terminal while they are pending.
    pub(crate) live: bool,
}

/// Where to write to.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) report: ReportTo,
    pub(crate) qlog: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReportTo {
    Stdout,
    /// A relay has standard output for itself.
    Stderr,
    File(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Human,
    Json,
    Ndjson,
    Csv,
    Plain,
    Prom,
    Quiet,
}

/// Whether slow callbacks are reported, and from which duration on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlowRequest {
    pub(crate) debug: bool,
    pub(crate) threshold: Option<Duration>,
}

/// How long a target may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What `--debug` calls slow, as asyncio does.
const SLOW: Duration = Duration::from_millis(100);

impl ConnectRequest {
    /// # Errors
    /// What makes no sense, what to type instead, and how to exit.
    pub(crate) fn new(
        args: ConnectArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, (Message, Exit)> {
        let targets = targets::read(&args.targets, &args.connection.names.resolve)?;
        let mut race = RaceRequest::of(&args.connection, global)?;
        if args.survey.probe.all {
            race.policy.probe(args.connection.race.max_parallel);
        }
        if args.udp {
            race = race.over_udp();
        }
        let mut request = Self::of(targets, race, global, env);
        request.concurrency = args.targets.concurrency.get();
        request.mode = Mode::from(&args.repeat);
        if let Some(compare) = args.survey.compare.compare {
            request.compare(compare);
        }
        request.expect = Expectations {
            cert_expiry: args.connection.tls.trust.cert_expiry,
            ..Expectations::from(&args.expect)
        };
        request.purpose = Option::from(&args.relay).map(Purpose::Relay);
        if request.purpose.is_some() && args.export.report.as_deref() == Some(Path::new("-")) {
            let error =
                "--relay keeps standard output for what the peer sends: give --report a file";
            return Err((Message::error(error), Exit::Usage));
        }
        request.output.export(args.export);
        if request.purpose.is_some() {
            request.output.leave_stdout();
        }
        request.refuse_what_makes_no_sense()?;
        Ok(request)
    }

    fn refuse_what_makes_no_sense(&self) -> Result<(), (Message, Exit)> {
        let is_unix = |target: &TargetRequest| matches!(target.target, Target::Unix(_));
        let error = match (self.mode, self.output.format) {
            (Mode::Repeat(RepeatRequest { count: None, .. }), Format::Json) => {
                "--json keeps every try until the end: give --count, or use --ndjson"
            }
            (Mode::Compare(_), _) if self.targets.iter().any(is_unix) => {
                "--compare takes host:port: a Unix socket has one address, and nothing to race"
            }
            _ if self.purpose.is_some() && self.targets.len() != 1 => {
                "--relay takes exactly one target"
            }
            _ if self.race.udp && self.targets.iter().any(is_unix) => {
                "--udp takes host:port: a Unix socket is no UDP port"
            }
            _ => {
                return self.race.tls.iter().try_for_each(|tls| tls.refuse_nameless(&self.targets));
            }
        };
        Err((Message::error(error), Exit::Usage))
    }

    /// Targets one after another: they would disturb each other's times. What limits an attempt is how long an address
    /// is waited for; the policies have limits of their own.
    fn compare(&mut self, what: CompareArg) {
        /// Long enough for a SYN that was lost twice.
        const PATIENCE: Duration = Duration::from_secs(3);
        let limit = self.race.policy.attempt_timeout.take();
        let patience = limit.unwrap_or(PATIENCE).min(self.race.timeout);
        let is_live = what == CompareArg::Live;
        self.mode = Mode::Compare(CompareRequest { is_live, patience });
        self.concurrency = 1;
    }

    /// One connection to each target, nothing expected.
    pub(crate) fn of(
        targets: Vec<TargetRequest>,
        race: RaceRequest,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Self {
        let slow = SlowRequest::from(&global.debug);
        let output = OutputRequest::new(&global.output, env);
        let (mode, purpose, expect) = (Mode::Once, None, Expectations::default());
        Self { targets, concurrency: 1, race, mode, purpose, expect, output, slow }
    }

    /// What is allowed but deserves a word.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self.output.format {
            Format::Quiet => Vec::new(),
            _ if self.output.has_stderr_alone() => Vec::new(),
            _ => self.race.policy.warning().into_iter().collect(),
        }
    }
}

impl From<&RepeatArgs> for Mode {
    fn from(args: &RepeatArgs) -> Self {
        if let Some(limit) = args.wait {
            return Self::Wait(limit);
        }
        if args.count.is_none() && args.interval.is_none() {
            return Self::Once;
        }
        Self::Repeat(RepeatRequest {
            count: args.count.map(NonZero::get),
            interval: args.interval.unwrap_or(Duration::from_secs(1)),
            fresh_dns: args.fresh_dns,
            histogram: args.histogram,
        })
    }
}

impl From<&RelayArgs> for Option<RelayRequest> {
    fn from(args: &RelayArgs) -> Self {
        args.relay.then_some(RelayRequest { idle_timeout: args.idle_timeout })
    }
}

impl From<&ExpectArgs> for Expectations {
    fn from(args: &ExpectArgs) -> Self {
        let family = args.require.map(Family::from);
        let (first_address, max_cost) = (args.fail_on_fallback, args.max_cost);
        Self { family, first_address, max_cost, cert_expiry: None }
    }
}

impl RaceRequest {
    pub(crate) fn new(args: &RaceArgs, global: &GlobalArgs) -> Self {
        let policy = Rules::new(args);
        let prefer = args.prefer.map(Family::from);
        let family = Family::from(&global.family);
        let (sockets, udp, tls, dns) = (SocketRequest::default(), false, None, None);
        let timeout = global.timeout.unwrap_or(TIMEOUT);
        Self { policy, family, prefer, sockets, timeout, udp, tls, dns }
    }

    /// With sockets, TLS and name servers.
    ///
    /// # Errors
    /// What TLS or a resolver cannot be, and how to exit.
    fn of(args: &ConnectionArgs, global: &GlobalArgs) -> Result<Self, (Message, Exit)> {
        let mut race = Self::new(&args.race, global).with_sockets(&args.socket);
        race.dns = DnsRequest::new(&args.names)?;
        race.tls = TlsRequest::new(&args.tls)?;
        race.ends_with(args.success)?;
        Ok(race)
    }

    /// Says what an attempt has to reach.
    fn ends_with(&mut self, success: Option<SuccessArg>) -> Result<(), (Message, Exit)> {
        let dialogue = self.tls.as_ref().map(|tls| tls.dialogue.is_some());
        let error = match (success, dialogue) {
            (Some(SuccessArg::Tls), None) => "--success tls needs --tls",
            (Some(SuccessArg::Tls), Some(true)) => {
                "--success tls goes with --tls: what --starttls asks for begins after the race"
            }
            (success, _) => {
                self.policy.pacing.success =
                    success.map_or(self.policy.pacing.success, Success::from);
                return Ok(());
            }
        };
        Err((Message::error(error), Exit::Usage))
    }

    fn with_sockets(mut self, args: &SocketArgs) -> Self {
        let options = SocketOptions {
            interface: args.interface.clone(),
            ttl: args.packets.ttl,
            dscp: args.packets.dscp,
            mark: args.packets.mark,
            fast_open: args.tfo,
            multipath: args.mptcp,
            nodelay: args.nodelay,
            keepalive: args.keepalive,
        };
        self.sockets.options = Some(options).filter(|it| *it != SocketOptions::default());
        self.sockets.sources.clone_from(&args.source);
        self
    }

    fn over_udp(mut self) -> Self {
        self.policy.over_udp(SILENCE);
        self.udp = true;
        self
    }
}

impl DnsRequest {
    /// # Errors
    /// Servers that nobody would ask.
    fn new(args: &LookupArgs) -> Result<Option<Self>, (Message, Exit)> {
        let servers = args.server.clone();
        match args.via {
            Some(LookupArg::System) if !servers.is_empty() => {
                let error = "the system asks whom it wants to: --server needs --via dns";
                Err((Message::error(error), Exit::Usage))
            }
            Some(LookupArg::System) => Ok(None),
            None if servers.is_empty() => Ok(None),
            Some(LookupArg::Dns) | None => Ok(Some(Self { servers })),
        }
    }
}

impl From<SuccessArg> for Success {
    fn from(arg: SuccessArg) -> Self {
        match arg {
            SuccessArg::Tcp => Self::Tcp,
            SuccessArg::Tls => Self::Tls,
        }
    }
}

impl From<FamilyArg> for Family {
    fn from(arg: FamilyArg) -> Self {
        match arg {
            FamilyArg::V4 => Self::Inet,
            FamilyArg::V6 => Self::Inet6,
        }
    }
}

impl From<&FamilyArgs> for Family {
    fn from(args: &FamilyArgs) -> Self {
        match (args.ipv4, args.ipv6) {
            (true, _) => Self::Inet,
            (_, true) => Self::Inet6,
            _ => Self::Unspecified,
        }
    }
}

impl From<&DebugArgs> for SlowRequest {
    fn from(args: &DebugArgs) -> Self {
        let threshold = args.slow_callback.or_else(|| args.debug.then_some(SLOW));
        Self { debug: args.debug, threshold }
    }
}

impl OutputRequest {
    pub(crate) fn new(args: &OutputArgs, env: &Environment) -> Self {
        let format = match (args.quiet, args.json, args.ndjson) {
            (true, ..) => Format::Quiet,
            (_, true, _) => Format::Json,
            (_, _, true) => Format::Ndjson,
            _ => Format::Human,
        };
        let style = |stream| Style::new(args.color, stream, env);
        let (stdout, stderr) = (style(env.stdout), style(env.stderr));
        let files = Files { report: ReportTo::Stdout, qlog: args.qlog.clone() };
        let may_move = env.stderr.is_terminal && !env.is_dumb;
        let live = may_move && !args.no_progress && !args.quiet && args.verbose == 0;
        let (tcp_info, timestamps, verbosity) = (false, false, args.verbose);
        Self { format, verbosity, stdout, stderr, files, tcp_info, timestamps, live }
    }

    fn export(&mut self, args: ExportArgs) {
        let wanted =
            [(args.csv, Format::Csv), (args.plain, Format::Plain), (args.prom, Format::Prom)];
        let wanted = wanted.into_iter().find(|(wanted, _)| *wanted);
        if let (Some((_, format)), Format::Human) = (wanted, self.format) {
            self.format = format;
        }
        if let Some(path) = args.report.filter(|path| path.as_os_str() != "-") {
            self.stdout = Style { color: false, width: None, ..self.stdout };
            self.files.report = ReportTo::File(path);
        }
        (self.tcp_info, self.timestamps) = (args.tcp_info, args.timestamps);
    }

    /// A document on standard error is alone there: it says what went wrong.
    pub(crate) fn has_stderr_alone(&self) -> bool {
        let is_for_people = matches!(self.format, Format::Human | Format::Quiet);
        self.files.report == ReportTo::Stderr && !is_for_people
    }

    /// Standard output is for the peer's bytes alone.
    fn leave_stdout(&mut self) {
        if self.files.report == ReportTo::Stdout {
            self.files.report = ReportTo::Stderr;
            self.stdout = self.stderr;
        }
    }
}
