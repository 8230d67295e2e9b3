//! The race of each target: policy, families, sockets, TLS and name servers.

use std::time::Duration;

use loopctl::DnsServer;
use loopctl::plan::{Family, Success};

use super::NamedPolicy;
use super::socket::SocketRequest;
use super::tls::TlsRequest;
use crate::cli::{
    ConnectionArgs, FamilyArg, FamilyArgs, GlobalArgs, LookupArg, LookupArgs, RaceArgs, SuccessArg,
};
use crate::exit::FatalError;

/// The race that every target gets.
#[derive(Debug, Clone)]
pub(crate) struct RaceRequest {
    pub(crate) policy: NamedPolicy,
    pub(crate) family: Family,
    pub(crate) prefer: Option<Family>,
    pub(crate) sockets: SocketRequest,
    pub(crate) timeout: Duration,
    /// Datagrams to one address after another, and no connections.
    pub(crate) udp: bool,
    pub(crate) tls: Option<TlsRequest>,
    /// Name servers instead of the system's resolver.
    pub(crate) dns: Option<DnsRequest>,
}

/// The name servers to ask; none for those of resolv.conf(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DnsRequest {
    pub(crate) servers: Vec<DnsServer>,
}

/// The time that a target has by default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time that a datagram may stay without an answer by default. A refusal takes a round trip.
const DEFAULT_UDP_TIMEOUT: Duration = Duration::from_millis(200);

impl RaceRequest {
    /// A race with plain sockets, without TLS, by the system's resolver.
    pub(crate) fn new(args: &RaceArgs, global: &GlobalArgs) -> Self {
        Self {
            policy: NamedPolicy::new(args),
            family: Family::from(&global.family),
            prefer: args.prefer.map(Family::from),
            sockets: SocketRequest::default(),
            timeout: global.timeout.unwrap_or(DEFAULT_TIMEOUT),
            udp: false,
            tls: None,
            dns: None,
        }
    }

    /// A race with sockets and name servers.
    ///
    /// # Errors
    /// Name servers beside `--via system`.
    pub(super) fn with_connection(
        args: &ConnectionArgs,
        global: &GlobalArgs,
    ) -> Result<Self, FatalError> {
        let mut race = Self::new(&args.race, global);
        race.sockets = SocketRequest::from(&args.socket);
        race.dns = DnsRequest::new(&args.names)?;
        Ok(race)
    }

    /// Sets what an attempt has to reach.
    pub(super) fn set_success(&mut self, success: Option<SuccessArg>) -> Result<(), FatalError> {
        let has_starttls = self.tls.as_ref().map(|tls| tls.starttls.is_some());
        match (success, has_starttls) {
            (Some(SuccessArg::Tls), None) => {
                return Err(FatalError::usage("--success tls needs --tls"));
            }
            (Some(SuccessArg::Tls), Some(true)) => {
                return Err(FatalError::usage(
                    "--success tls goes with --tls: the TLS of --starttls begins after the race",
                ));
            }
            (Some(success), _) => self.policy.pacing.success = Success::from(success),
            (None, _) => {}
        }
        Ok(())
    }

    pub(super) fn set_udp(&mut self) {
        self.policy.over_udp(DEFAULT_UDP_TIMEOUT);
        self.udp = true;
    }
}

impl DnsRequest {
    /// # Errors
    /// Name servers beside `--via system`, which does not ask them.
    fn new(args: &LookupArgs) -> Result<Option<Self>, FatalError> {
        let servers = args.server.clone();
        match args.via {
            Some(LookupArg::System) if !servers.is_empty() => Err(FatalError::usage(
                "--via system asks the servers of the system's configuration: --server needs --via dns",
            )),
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
