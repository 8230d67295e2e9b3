//! Policies of other clients, on real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::plan::{FirstAttemptReason, Policy, Preset, Reason};
use loopctl::{EventKind, LoopHandle, Phase};

use crate::support::{Dead, Outcome, Recorder, Refusing, Server, Trace, has_ipv6, ms, run};

/// Races these addresses as this client does, with a delay that suits a test.
async fn race(
    event_loop: &LoopHandle,
    preset: Preset,
    delay: Duration,
    addresses: &[SocketAddr],
) -> Trace {
    let trace = Trace::new();
    let policy = Policy { connection_attempt_delay: Some(delay), ..preset.into() };
    let connecting = event_loop.create_connection_to(addresses.to_vec()).policy(policy);
    let result = connecting.trace(trace.listener()).open(Recorder::new).await;
    trace.check();
    if let Ok(connection) = result {
        connection.transport.abort();
    }
    trace
}

/// Where the attempts went, in the order in which they started.
fn started(trace: &Trace) -> Vec<SocketAddr> {
    let to = |kind: &EventKind| match kind {
        EventKind::AttemptStarted { address, .. } => address.as_inet(),
        _ => None,
    };
    trace.events().iter().filter_map(|event| to(&event.kind)).collect()
}

#[test]
fn race_16_node_closes_an_attempt_before_it_starts_the_next() {
    let (dead, server) = (Dead::new(), Server::new());
    let addresses = [dead.address(), server.address()];
    let trace = run(async |event_loop| race(&event_loop, Preset::Node, ms(50), &addresses).await);
    assert_eq!(trace.outcomes(), [(0, Outcome::Canceled), (1, Outcome::Succeeded)]);
    assert_eq!(trace.most_at_a_time(), 1);
    assert!(trace.offsets()[1] >= ms(50), "{:?}", trace.offsets());
}

#[test]
fn race_02_go_keeps_to_a_family_and_opens_the_other_when_it_is_used_up() {
    if !has_ipv6() {
        return;
    }
    let (one, two, server) = (Refusing::new(), Refusing::new(), Server::at("[::1]:0"));
    let addresses = [one.address(), server.address(), two.address()];
    // Ten minutes: only failures start anything.
    let trace =
        run(async |event_loop| race(&event_loop, Preset::Go, ms(600_000), &addresses).await);
    let failed = Outcome::Failed(Phase::Connect);
    assert_eq!(trace.outcomes(), [(0, failed), (1, failed), (2, Outcome::Succeeded)]);
    assert_eq!(started(&trace), [one.address(), two.address(), server.address()]);
}

#[test]
fn t36_hev3_tries_an_address_that_comes_twice_once() {
    let (refusing, server) = (Refusing::new(), Server::new());
    let addresses = [refusing.address(), refusing.address(), server.address()];
    let trace = run(async |event_loop| race(&event_loop, Preset::Hev3, ms(250), &addresses).await);
    assert_eq!(started(&trace), [refusing.address(), server.address()]);
    assert_eq!(trace.selected(), Some(1));
}

#[test]
fn race_02_each_attempt_says_why_it_started_and_when_it_was_to() {
    let (dead, refusing, server) = (Dead::new(), Refusing::new(), Server::new());
    let addresses = [dead.address(), refusing.address(), server.address()];
    let trace = run(async |event_loop| race(&event_loop, Preset::Hev3, ms(50), &addresses).await);
    let schedule = |kind: &EventKind| match kind {
        EventKind::AttemptStarted { reason, planned, .. } => Some((*reason, *planned)),
        _ => None,
    };
    let events = trace.events();
    let schedules: Vec<_> = events.iter().filter_map(|event| schedule(&event.kind)).collect();
    let reasons: Vec<_> = schedules.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(
        reasons,
        [Reason::First(FirstAttemptReason::Known), Reason::Timer, Reason::AttemptEnded(1)]
    );
    let starts = trace.starts();
    let late = starts.iter().zip(&schedules).all(|(start, (_, planned))| start >= planned);
    assert!(late, "never early: {starts:?} {schedules:?}");
    assert_eq!(schedules[1].1, starts[0] + ms(50), "what was planned, whatever came of it");
}
