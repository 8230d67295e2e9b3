//! `--path`: the hops on the way to each address of a target.

mod probe;
mod sweep;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use futures_util::future::join_all;
use loopctl::plan::{Family, SocketKind, Target, interleave};
use loopctl::{DnsClient, Lookup, LoopHandle, ResolveError, Resolver};

use super::Session;
use super::race::Try;
use crate::config::{PathRequest, TargetRequest};
use crate::report::path::{Path, PathReport};
use crate::report::{End, FailureKind, NameFailure};
use sweep::Sweep;

/// The report of a target, shared by the sweeps to its addresses.
type Shared = Rc<RefCell<PathReport>>;

impl Session {
    /// Resolves the target and sweeps the paths to its addresses, within the timeout of the target.
    pub(super) async fn path(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        target: &TargetRequest,
        number: usize,
        request: PathRequest,
    ) -> PathReport {
        let (session, race) = ((number + 1).to_string(), &*target.race);
        let this = Try { target, session, known: None, timeout: race.timeout, race, http: None };
        let report = Rc::new(RefCell::new(PathReport {
            base: self.blank(event_loop, &this),
            probes: request.probes,
            max_hops: request.max_hops,
            paths: Vec::new(),
        }));
        self.printer.borrow_mut().path_changed(&this.session, &report.borrow());
        let tracing =
            event_loop.timeout(race.timeout, self.trace(event_loop, &this, &report, request));
        let result = self.token.run_until_cancelled(tracing).await;
        let mut finished = report.borrow().clone();
        finished.base.total = finished.base.since_start(event_loop.time());
        match result {
            Some(Ok(Err(why))) => finished.base.refuse(why, event_loop.time()),
            Some(Err(_)) if finished.paths.is_empty() => {
                finished.base.refuse(ResolveError::TimedOut.into(), event_loop.time());
            }
            _ => {}
        }
        if let Some(reason) = self.cancelled() {
            finished.base.interrupt(reason, event_loop.time());
        }
        self.printer.borrow_mut().path_ended(&this.session);
        finished
    }

    async fn trace(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        report: &Shared,
        request: PathRequest,
    ) -> Result<(), NameFailure> {
        let addresses = match self.given(event_loop, this).await? {
            Some(given) => given,
            None => self.look_up(event_loop, this, report).await?,
        };
        let addresses = if request.all { addresses } else { first_of_each_family(&addresses) };
        let options = this.race.sockets.options.as_ref();
        let interface = options.and_then(|options| options.interface.as_deref());
        let paths = addresses.iter().map(|to| {
            let route = loopctl::route_to(to.ip(), interface).ok();
            Path::new(*to, route, request.max_hops)
        });
        report.borrow_mut().paths = paths.collect();
        report.borrow_mut().base.end = End::Failed(FailureKind::NotConnected);
        let sweeps = (0..addresses.len()).map(async |number| {
            Sweep { session: self, event_loop, this, report, number, request }.run().await;
        });
        join_all(sweeps).await;
        Ok(())
    }

    async fn look_up(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        report: &Shared,
    ) -> Result<Vec<SocketAddr>, NameFailure> {
        let Target::Tcp(host, port) = &this.target.target else { return Ok(Vec::new()) };
        let kind = if this.race.udp { SocketKind::Datagram } else { SocketKind::Stream };
        let lookup = Lookup::new(host.clone(), port.clone()).kind(kind).family(this.race.family);
        let base = Rc::new(RefCell::new(report.borrow().base.clone()));
        let resolver: Option<DnsClient> = self.resolver(event_loop, this, &base)?;
        let found = match &resolver {
            Some(resolver) => resolver.resolve(lookup).await,
            None => event_loop.resolve(lookup).await,
        };
        report.borrow_mut().base.resolve.clone_from(&base.borrow().resolve);
        let addresses: Vec<SocketAddr> = found?.iter().map(|info| info.address).collect();
        Ok(interleave(addresses, 1, |address| Family::of(&address.ip())))
    }
}

fn first_of_each_family(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = |is_ipv6| addresses.iter().find(|it| it.is_ipv6() == is_ipv6).copied();
    let mut firsts: Vec<SocketAddr> = [first(true), first(false)].into_iter().flatten().collect();
    firsts.sort_by_key(|first| addresses.iter().position(|address| address == first));
    firsts
}
