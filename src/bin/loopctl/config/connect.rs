//! The request of `connect` and `demo`.

use std::collections::HashSet;
use std::num::NonZero;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::{Family, Target};

use super::environment::Environment;
use super::http::{HttpCall, HttpRequest};
use super::target_race::TargetRaces;
use super::targets::{TargetRequest, read, unused_pins};
use super::{Format, OutputRequest, PathRequest, RaceRequest, SendRequest, SlowRequest};
use crate::cli::connect::CompareArg;
use crate::cli::{ConnectArgs, DemoArgs, ExpectArgs, GlobalArgs, RelayArgs, RepeatArgs};
use crate::exit::FatalError;

/// The targets, and what is done with each.
#[derive(Debug)]
pub(crate) struct ConnectRequest {
    pub(crate) targets: Vec<TargetRequest>,
    unused: Unused,
    /// Maximum number of targets at a time.
    pub(crate) concurrency: usize,
    /// The race of the flags, without the TLS and the transport of a target.
    pub(crate) race: Rc<RaceRequest>,
    pub(crate) mode: ConnectMode,
    /// The use of the connection to the only target; `None` closes it at once.
    pub(crate) after_connect: Option<AfterConnect>,
    /// The request over each connection.
    pub(crate) http: Option<HttpRequest>,
    pub(crate) expect: Expectations,
    pub(crate) output: OutputRequest,
    pub(crate) slow: SlowRequest,
}

/// Parts of the command line without an effect, which are warned about.
#[derive(Debug, Default)]
struct Unused {
    /// Number of targets that were left out, because they were given before.
    repeated_targets: usize,
    /// Hosts of `--resolve` that no target has.
    pins: Vec<String>,
}

/// The use of a connection.
#[derive(Debug, Clone)]
pub(crate) enum AfterConnect {
    Relay(RelayRequest),
    Send(Box<SendRequest>),
}

/// The number of connections to each target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectMode {
    Once,
    Repeat(RepeatRequest),
    /// Retries until one succeeds or this timeout passes.
    Wait(Duration),
    /// One by every policy.
    Compare(CompareRequest),
    /// The hops on the way, and no connection that is used.
    Path(PathRequest),
}

/// The comparison of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CompareRequest {
    /// Whether policies are run as well, beside the prediction.
    pub(crate) is_live: bool,
    /// Timeout of a probe.
    pub(crate) attempt_timeout: Duration,
}

/// A series of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RepeatRequest {
    /// `None`: until interrupted.
    pub(crate) count: Option<u64>,
    /// From one start to the next.
    pub(crate) interval: Duration,
    pub(crate) fresh_dns: bool,
    pub(crate) histogram: bool,
}

/// A relay of standard input to the peer, and of the peer to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelayRequest {
    /// Idle timeout of the relay, in both directions.
    pub(crate) idle_timeout: Option<Duration>,
}

/// Conditions that a connection must meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Expectations {
    pub(crate) family: Option<Family>,
    pub(crate) first_address: bool,
    pub(crate) max_cost: Option<Duration>,
    /// The time for which the peer's certificates must stay valid.
    pub(crate) cert_expiry: Option<Duration>,
}

impl ConnectRequest {
    /// # Errors
    /// Flags and targets that do not go together, and files that cannot be read.
    pub(crate) fn new(
        args: ConnectArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, FatalError> {
        let mut race = RaceRequest::with_connection(&args.connection, global)?;
        if args.survey.probe.all {
            race.policy.probe_all(args.connection.race.max_parallel);
        }
        if args.udp {
            race.set_udp();
        }
        let mut mode = ConnectMode::from(&args.repeat);
        if let Some(compare) = args.survey.compare.compare {
            mode = ConnectMode::Compare(CompareRequest::new(compare, &mut race));
        }
        let mut races = TargetRaces::new(race.clone(), &args.connection);
        if args.http.http.is_some() {
            races = races.of_http();
        }
        if let Some(path) = PathRequest::new(&args.path, &args.survey.probe) {
            mode = ConnectMode::Path(path);
            races = races.of_path();
        }
        let targets = read(&args.targets, &args.connection.names.resolve, &mut races)?;
        races.check_flags()?;
        let http = HttpRequest::new(args.http, &args.connection, &race, &targets)?;
        let mut request = Self::once(targets, race, global, env);
        // Because a relay is used for what the user sends.
        request.http = http.filter(|_| !args.relay.relay);
        request.unused.pins = unused_pins(&args.connection.names.resolve, &request.targets);
        request.mode = mode;
        // Because targets that are compared at the same time distort each other's times.
        request.concurrency = match mode {
            ConnectMode::Compare(_) => 1,
            _ => args.targets.concurrency.get(),
        };
        request.expect = Expectations {
            cert_expiry: args.connection.tls.trust.cert_expiry,
            ..Expectations::from(&args.expect)
        };
        if args.relay.relay {
            if args.export.report.as_deref() == Some(Path::new("-")) {
                return Err(FatalError::usage(
                    "--relay writes the peer's bytes to standard output: give --report a file",
                ));
            }
            request.after_connect = Some(AfterConnect::Relay(RelayRequest::from(&args.relay)));
        }
        request.output.export(args.export);
        if request.output.format == Format::Prom {
            request.name_targets_once();
        }
        if request.after_connect.is_some() {
            request.output.leave_stdout();
        }
        request.check()?;
        Ok(request)
    }

    /// The request of `demo`, whose target is not known before its host listens.
    pub(crate) fn demo(args: &DemoArgs, global: &GlobalArgs, env: &Environment) -> Self {
        let mut race = RaceRequest::new(&args.race, global);
        if args.probe.all {
            race.policy.probe_all(args.race.max_parallel);
        }
        Self::once(Vec::new(), race, global, env)
    }

    /// One connection to each target, without conditions.
    pub(super) fn once(
        targets: Vec<TargetRequest>,
        race: RaceRequest,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Self {
        Self {
            targets,
            unused: Unused::default(),
            concurrency: 1,
            race: Rc::new(race),
            mode: ConnectMode::Once,
            after_connect: None,
            http: None,
            expect: Expectations::default(),
            output: OutputRequest::new(&global.output, env),
            slow: SlowRequest::from(&global.debug),
        }
    }

    /// The first request to a target; `None` if it is only connected to.
    pub(crate) fn call(&self, target: &TargetRequest) -> Option<HttpCall> {
        self.http.as_ref()?.call(target)
    }

    /// Keeps the first of equal targets: a series of Prometheus has one sample per scrape.
    fn name_targets_once(&mut self) {
        let mut known = HashSet::new();
        self.targets.retain(|target| {
            let is_new = known.insert(target.text.clone());
            self.unused.repeated_targets += usize::from(!is_new);
            is_new
        });
    }

    fn check(&self) -> Result<(), FatalError> {
        let is_unix = |target: &TargetRequest| matches!(target.target, Target::Unix(_));
        let is_udp = |target: &TargetRequest| target.race.udp;
        let is_unix_udp = |target: &TargetRequest| is_unix(target) && is_udp(target);
        let error = match (self.mode, self.output.format) {
            (ConnectMode::Repeat(RepeatRequest { count: None, .. }), Format::Json) => {
                "--json keeps every try until the end: give --count, or use --ndjson"
            }
            (ConnectMode::Compare(_), _) if self.targets.iter().any(is_unix) => {
                "--compare takes host:port: a Unix socket has one address, and nothing to race"
            }
            (ConnectMode::Path(_), _) if self.targets.iter().any(is_unix) => {
                "--path takes host:port: there is no path to a Unix socket"
            }
            (ConnectMode::Path(_), _) if self.output.files.qlog.is_some() => {
                "--qlog records the events of races: --path has none"
            }
            _ if self.after_connect.is_some() && self.targets.len() != 1 => {
                "--relay takes exactly one target"
            }
            (ConnectMode::Repeat(_) | ConnectMode::Compare(_), _)
                if self.targets.iter().any(is_udp) =>
            {
                "`udp://` sends one datagram to each address: leave out --count, --interval and --compare"
            }
            _ if self.targets.iter().any(is_unix_udp) => {
                "--udp takes host:port: a Unix socket is not a UDP port"
            }
            _ => {
                let is_only = self.targets.len() == 1;
                return self.targets.iter().try_for_each(|target| target.check_name(is_only));
            }
        };
        Err(FatalError::usage(error))
    }

    /// Warnings about values that are allowed and not recommended.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self.output.format {
            Format::Quiet => Vec::new(),
            _ if self.output.has_document_on_stderr() => Vec::new(),
            _ => {
                let of_pins = self.unused.pins.iter().map(|host| {
                    format!("--resolve names `{host}`, and no target has this host and port")
                });
                let of_run = self.race.policy.warning().into_iter().chain(self.repeated_warning());
                of_run.chain(of_pins).collect()
            }
        }
    }

    fn repeated_warning(&self) -> Option<String> {
        Some(match self.unused.repeated_targets {
            0 => return None,
            1 => "1 target was given before: with --prom, each is measured once".to_owned(),
            count => {
                format!("{count} targets were given before: with --prom, each is measured once")
            }
        })
    }
}

impl CompareRequest {
    /// The limit of an attempt becomes the time to wait for an address; the policies have limits of their own.
    fn new(what: CompareArg, race: &mut RaceRequest) -> Self {
        /// Long enough for a SYN that was lost twice.
        const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
        let limit = race.policy.attempt_timeout.take().unwrap_or(DEFAULT_ATTEMPT_TIMEOUT);
        let attempt_timeout = limit.min(race.timeout);
        Self { is_live: what == CompareArg::Live, attempt_timeout }
    }
}

impl From<&RepeatArgs> for ConnectMode {
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

impl From<&RelayArgs> for RelayRequest {
    fn from(args: &RelayArgs) -> Self {
        Self { idle_timeout: args.idle_timeout }
    }
}

impl From<&ExpectArgs> for Expectations {
    fn from(args: &ExpectArgs) -> Self {
        Self {
            family: args.require.map(Family::from),
            first_address: args.fail_on_fallback,
            max_cost: args.max_cost,
            cert_expiry: None,
        }
    }
}
