//! What was meant.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use loopctl::plan::{Family, Host, Policy, Port, Target};

use crate::args::{
    ColorArg, ConnectArgs, FamilyArg, FamilyArgs, GlobalArgs, OutputArgs, Pace, Pinned, RaceArgs,
};
use crate::env::{ColorWish, Environment, Stream};
use crate::message::Message;

/// What `connect` and `demo` are to do.
#[derive(Debug)]
pub(crate) struct ConnectRequest {
    pub(crate) targets: Vec<TargetRequest>,
    pub(crate) race: RaceRequest,
    pub(crate) output: OutputRequest,
    pub(crate) slow: SlowRequest,
}

/// One place to connect to.
#[derive(Debug, Clone)]
pub(crate) struct TargetRequest {
    /// As it was typed.
    pub(crate) text: String,
    pub(crate) target: Target,
    /// Its addresses, where no resolver is to be asked.
    pub(crate) pinned: Option<Vec<IpAddr>>,
}

/// How every target is raced.
#[derive(Debug, Clone)]
pub(crate) struct RaceRequest {
    pub(crate) policy: Policy,
    pub(crate) family: Family,
    pub(crate) prefer: Option<Family>,
    pub(crate) sources: Vec<SocketAddr>,
    pub(crate) timeout: Duration,
}

/// What is told, and how it looks.
#[derive(Debug, Clone)]
pub(crate) struct OutputRequest {
    pub(crate) format: Format,
    pub(crate) verbosity: u8,
    pub(crate) stdout: Style,
    pub(crate) stderr: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Human,
    Json,
    Ndjson,
    Quiet,
}

/// What one stream can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) color: bool,
    pub(crate) unicode: bool,
    /// Columns of the terminal; `None` in a pipe, where nothing is drawn.
    pub(crate) width: Option<usize>,
}

/// Whether slow callbacks are reported, and from which duration on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlowRequest {
    pub(crate) debug: bool,
    pub(crate) threshold: Option<Duration>,
}

/// What `--debug` calls slow, as asyncio does.
const SLOW: Duration = Duration::from_millis(100);

impl ConnectRequest {
    /// # Errors
    /// The first target that makes no sense, and what to type instead.
    pub(crate) fn new(
        args: ConnectArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, Message> {
        let pins = &args.resolve.resolve;
        let targets = args.targets.into_iter().map(|text| TargetRequest::new(text, pins));
        let targets = targets.collect::<Result<_, _>>()?;
        let race = RaceRequest::new(&args.race, global, args.socket.source);
        Ok(Self::of(targets, race, global, env))
    }

    pub(crate) fn of(
        targets: Vec<TargetRequest>,
        race: RaceRequest,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Self {
        let threshold = global.debug.slow_callback;
        let threshold = threshold.or_else(|| global.debug.debug.then_some(SLOW));
        let slow = SlowRequest { debug: global.debug.debug, threshold };
        Self { targets, race, output: OutputRequest::new(&global.output, env), slow }
    }

    /// What is allowed but deserves a word.
    pub(crate) fn warnings(&self) -> Vec<String> {
        // RFC 8305 section 8: at least 100 ms and at most 2 s recommended.
        let recommended = Duration::from_millis(100)..=Duration::from_secs(2);
        let delay = self.race.policy.connection_attempt_delay;
        let odd = delay.filter(|delay| !recommended.contains(delay));
        odd.map(|delay| {
            format!("a Connection Attempt Delay of {delay:?} is outside 100ms to 2s (RFC 8305 section 8)")
        })
        .into_iter()
        .collect()
    }
}

impl TargetRequest {
    fn new(text: String, pins: &[Pinned]) -> Result<Self, Message> {
        let target: Target = text.parse().map_err(Message::from)?;
        let pinned = pins.iter().find(|pin| pin.is_for(&target)).map(|pin| pin.addresses.clone());
        Ok(Self { text, target, pinned })
    }
}

impl Pinned {
    fn is_for(&self, target: &Target) -> bool {
        match target {
            Target::Tcp(Host::Name(name), port) => {
                let this_port = |number| *port == Port::Number(number);
                name.eq_ignore_ascii_case(&self.host) && self.port.is_none_or(this_port)
            }
            Target::Tcp(Host::Literal(_), _) | Target::Unix(_) => false,
        }
    }
}

impl RaceRequest {
    pub(crate) fn new(args: &RaceArgs, global: &GlobalArgs, sources: Vec<SocketAddr>) -> Self {
        let paced = match args.happy_eyeballs {
            Pace::Off => Policy::default(),
            Pace::Delay(delay) => Policy::happy_eyeballs(delay),
        };
        let policy = Policy {
            interleave: args.interleave.unwrap_or(paced.interleave),
            max_parallel: args.max_parallel,
            attempt_timeout: args.attempt_timeout,
            run_all: args.all,
            ..paced
        };
        let prefer = args.prefer.map(Family::from);
        let family = Family::from(&global.family);
        Self { policy, family, prefer, sources, timeout: global.timeout }
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
        Self { format, verbosity: args.verbose, stdout, stderr }
    }
}

impl Style {
    pub(crate) fn new(wanted: ColorArg, stream: Stream, env: &Environment) -> Self {
        let color = match (wanted, env.colors) {
            (ColorArg::Always, _) | (ColorArg::Auto, ColorWish::Force) => true,
            (ColorArg::Never, _) | (ColorArg::Auto, ColorWish::Never) => false,
            (ColorArg::Auto, ColorWish::Unsaid) => stream.is_terminal,
        };
        let width = stream.is_terminal.then(|| stream.width.unwrap_or(80));
        Self { color, unicode: env.is_utf8, width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(is_terminal: bool, colors: ColorWish) -> Environment {
        let stream = Stream { is_terminal, width: None };
        Environment { stdout: stream, stderr: stream, is_utf8: true, colors }
    }

    #[test]
    fn colors_follow_the_flag_then_the_environment_then_the_terminal() {
        let cases = [
            (ColorArg::Auto, true, ColorWish::Unsaid, true),
            (ColorArg::Auto, false, ColorWish::Unsaid, false),
            (ColorArg::Auto, true, ColorWish::Never, false),
            (ColorArg::Auto, false, ColorWish::Force, true),
            (ColorArg::Always, false, ColorWish::Never, true),
            (ColorArg::Never, true, ColorWish::Force, false),
        ];
        for (wanted, is_terminal, wish, expected) in cases {
            let env = environment(is_terminal, wish);
            assert_eq!(Style::new(wanted, env.stdout, &env).color, expected, "{wanted:?} {wish:?}");
        }
    }

    #[test]
    fn curls_form_pins_one_port_only() {
        let pins = ["a.test:443:192.0.2.1".parse().unwrap()];
        let pinned = |text: &str| TargetRequest::new(text.to_owned(), &pins).unwrap().pinned;
        assert!(pinned("A.test:443").is_some());
        assert!(pinned("a.test:80").is_none());
        assert!(pinned("b.test:443").is_none());
    }
}
