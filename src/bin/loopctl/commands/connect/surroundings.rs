//! The state of this host, read after a race: routes of the addresses that failed, interfaces, local ports.

use std::net::IpAddr;

use loopctl::plan::Target;

use super::race::Try;
use crate::config::ip_local_port_range;
use crate::config::listen_overflows::listen_overflows;
use crate::config::proxy::{Proxy, ProxyTarget};
use crate::report::{Attempt, End, Outcome, Report, TransportKind};

impl Report {
    /// Adds the state of this host. Without a failed attempt, only the environment is read.
    pub(super) fn note_surroundings(&mut self, this: &Try<'_>) {
        self.surroundings.proxy = self.proxy(this);
        let options = this.race.sockets.options.as_ref();
        let interface = options.and_then(|options| options.interface.clone());
        let failed: Vec<usize> =
            (0..self.attempts.len()).filter(|number| self.has_failed(*number)).collect();
        if failed.is_empty() {
            return;
        }
        self.surroundings.interfaces = loopctl::interfaces().unwrap_or_default();
        self.surroundings.local_ports = ip_local_port_range::local_ports();
        for number in failed {
            let attempt = &mut self.attempts[number];
            if let Some(ip) = ip_of(attempt) {
                let route = loopctl::route_to(ip, interface.as_deref());
                attempt.socket.route = route.ok();
                let usual = interface.as_ref().and_then(|_| loopctl::route_to(ip, None).ok());
                attempt.socket.usual_route = usual;
            }
        }
        self.surroundings.requested_interface = interface;
    }

    /// Adds the connections that full accept queues of this host dropped since `before`, if it did not answer a SYN.
    pub(super) fn note_overflows(&mut self, before: Option<u64>) {
        let is_unanswered = |attempt: &Attempt| attempt.is_on_this_host() && attempt.resends() > 0;
        if self.attempts.iter().any(is_unanswered) {
            let now = listen_overflows();
            self.surroundings.listen_overflows =
                before.zip(now).map(|(before, now)| now.saturating_sub(before));
        }
    }

    /// Whether an attempt ended without a connection, of itself or after another one won.
    fn has_failed(&self, number: usize) -> bool {
        let attempt = &self.attempts[number];
        match attempt.outcome {
            Outcome::Failure(..) | Outcome::Timeout => true,
            Outcome::Canceled => {
                !attempt.tcp.is_some_and(|tcp| tcp.established)
                    && !matches!(self.end, End::Interrupted(_))
            }
            Outcome::Success | Outcome::Pending => false,
        }
    }

    fn proxy(&self, this: &Try<'_>) -> Option<Proxy> {
        let Target::Tcp(host, _) = &this.target.target else { return None };
        let tls = this.race.tls.as_ref();
        let has_own_protocol = tls.is_some_and(|tls| tls.starttls.is_some());
        if self.subject.transport != TransportKind::Tcp || has_own_protocol {
            return None;
        }
        let mut addresses = self.resolve.candidates.iter().filter_map(|it| it.as_inet());
        let port = self.subject.port.or_else(|| Some(addresses.clone().next()?.port()))?;
        if addresses.clone().count() > 0 && addresses.all(|it| it.ip().to_canonical().is_loopback())
        {
            return None;
        }
        let host = host.to_string();
        Proxy::of_environment(ProxyTarget { host: &host, port, has_tls: tls.is_some() })
    }
}

fn ip_of(attempt: &Attempt) -> Option<IpAddr> {
    Some(attempt.address.as_inet()?.ip())
}
