//! The faults of a server, checked against its mode, addresses and TLS.

use loopctl::plan::Target;

use super::fault::{Direction, Fault, FaultArg, Side};
use super::serve::{ServeRequest, Service};
use crate::util::message::Message;

/// The faults in force. Each client gets each fault with a percentage of probability.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    pub(crate) faults: Vec<FaultArg>,
    /// Seed of the random choices.
    pub(crate) seed: u64,
}

impl Faults {
    /// Whether random numbers decide anything, so that the seed is worth printing.
    pub(crate) fn is_random(&self) -> bool {
        self.faults.iter().any(|arg| arg.percent < 100.0 || arg.fault.has_jitter())
    }

    /// The number of `--fault backlog[=N]`, if the fault was given.
    pub(crate) fn backlog(&self) -> Option<Option<u32>> {
        self.faults.iter().find_map(|arg| match arg.fault {
            Fault::Backlog(capacity) => Some(capacity),
            _ => None,
        })
    }

    fn find(&self, is_it: impl Fn(&FaultArg) -> bool) -> Option<&FaultArg> {
        self.faults.iter().find(|arg| is_it(arg))
    }
}

impl ServeRequest {
    /// Checks faults against the other options.
    ///
    /// # Errors
    /// A fault that is given twice, or that has no effect on this server.
    pub(crate) fn check_faults(&self, faults: &Faults) -> Result<(), Message> {
        let refuse = |what: String| Err(Message::error(what));
        let names = || faults.faults.iter().map(FaultArg::name);
        if let Some((_, twice)) =
            names().enumerate().find(|(at, name)| names().take(*at).any(|n| n == *name))
        {
            return refuse(format!("--fault {twice} is given twice"));
        }
        let upstream = match &self.service {
            Service::Proxy(upstream) => Some(upstream),
            _ => None,
        };
        if let (Some(arg), None) = (faults.find(|arg| arg.direction == Direction::Up), upstream) {
            return refuse(format!("--fault {} needs --upstream", arg.name()));
        }
        let is_reset_of_upstream = |arg: &FaultArg| arg.side() == Side::Upstream && is_reset(arg);
        if let (Some(arg), Some(Target::Unix(_))) =
            (faults.find(is_reset_of_upstream), upstream.map(|upstream| &upstream.target))
        {
            return refuse(no_reset(arg));
        }
        self.check_tls_faults(faults)?;
        if self.listen.specs.iter().any(|spec| matches!(spec.target, Target::Unix(_))) {
            self.check_unix_faults(faults)?;
        }
        if self.listen.udp { Self::check_datagram_faults(faults) } else { Ok(()) }
    }

    /// # Errors
    /// A fault that datagrams cannot have.
    pub(super) fn check_datagram_faults(faults: &Faults) -> Result<(), Message> {
        match faults.faults.iter().all(|arg| matches!(arg.fault, Fault::Delay(_))) {
            true => Ok(()),
            false => Err(Message::error("--udp supports no fault but delay")),
        }
    }

    /// Checks faults that are to replace those in force.
    ///
    /// # Errors
    /// Those of [`check_faults`](Self::check_faults), and faults that `serve` can only have from its start.
    pub(crate) fn check_new_faults(&self, faults: &Faults) -> Result<(), Message> {
        self.check_faults(faults)?;
        let is_made_at_start = |arg: &&FaultArg| match arg.fault {
            Fault::Backlog(_) => true,
            Fault::TlsWrongName | Fault::TlsExpired => {
                self.faults.find(|known| known.fault == arg.fault).is_none()
            }
            _ => false,
        };
        match faults.faults.iter().find(is_made_at_start) {
            Some(arg) => {
                let name = arg.name();
                Err(Message::error(format!("{name} has to be given when the server starts")))
            }
            None => Ok(()),
        }
    }

    fn check_tls_faults(&self, faults: &Faults) -> Result<(), Message> {
        let needs = |what: &str, arg: &FaultArg| {
            Message::error(format!("--fault {} needs {what}", arg.name()))
        };
        let is_forged =
            |arg: &FaultArg| matches!(arg.fault, Fault::TlsWrongName | Fault::TlsExpired);
        match &self.listen.tls {
            Some(tls) if !tls.identities.is_empty() => {
                faults.find(is_forged).map_or(Ok(()), |arg| {
                    let hints = vec!["write --tls without files".to_owned()];
                    Err(Message { hints, ..needs("a generated certificate", arg) })
                })
            }
            Some(_) => Ok(()),
            None => faults
                .find(|arg| arg.fault.needs_tls())
                .map_or(Ok(()), |arg| Err(needs("--tls", arg))),
        }
    }

    /// # Errors
    /// A fault that Unix sockets of clients cannot have.
    pub(super) fn check_unix_faults(&self, faults: &Faults) -> Result<(), Message> {
        if faults.backlog().is_some() {
            return Err(Message::error("--fault backlog is for TCP, not for Unix sockets"));
        }
        match faults.find(|arg| arg.side() == Side::Client && is_reset(arg)) {
            Some(arg) => Err(Message::error(no_reset(arg))),
            None => Ok(()),
        }
    }
}

fn is_reset(arg: &FaultArg) -> bool {
    matches!(arg.fault, Fault::Reset(_) | Fault::ResetAfter(_))
}

fn no_reset(arg: &FaultArg) -> String {
    format!("--fault {} is for TCP: a Unix socket has no reset", arg.name())
}
