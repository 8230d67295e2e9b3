//! Which name server is asked when, second by second.

use std::time::Duration;

use loopctl::plan::DnsTransport::{self, Tcp, Udp};
use loopctl::plan::{Query, QueryPolicy, QueryStep, Reply, Transmit};

use proptest::prelude::{prop, prop_assert, proptest};

use crate::course::START;

const T: Duration = Duration::from_secs(5);

fn ask(server: usize, transport: DnsTransport) -> QueryStep {
    QueryStep::Transmit(Transmit { server, transport, edns: true })
}

fn query(servers: usize, first: usize) -> Query {
    Query::new(vec![Udp; servers], first, QueryPolicy::default())
}

/// Every step until there is nothing left to try, with seconds since the start; nobody answers.
fn silence(mut query: Query) -> Vec<(u64, QueryStep)> {
    let t0 = *START;
    let (mut now, mut steps) = (t0, Vec::new());
    loop {
        let step = query.poll(now);
        match step {
            QueryStep::Wait(until) => now = until,
            step => steps.push(((now - t0).as_secs(), step)),
        }
        if step == QueryStep::Exhausted {
            return steps;
        }
    }
}

#[test]
fn o4_silence_is_glibcs_ten_seconds_for_one_server() {
    use QueryStep::{Exhausted, TimedOut};
    let plain = QueryStep::Transmit(Transmit { server: 0, transport: Udp, edns: false });
    let steps = |second| {
        [(0, ask(0, Udp)), (5, TimedOut(0)), (5, second), (10, TimedOut(0)), (10, Exhausted)]
    };
    assert_eq!(silence(query(1, 0)), steps(plain), "EDNS may be why");
    let mut known = query(1, 0);
    known.keep_edns(0);
    assert_eq!(silence(known), steps(ask(0, Udp)));
    let mut omitted = query(1, 0);
    omitted.omit_edns(0);
    assert_eq!(silence(omitted)[0], (0, plain));
}

#[test]
fn o4_servers_take_turns_from_the_first_one() {
    let asked = |first| {
        let steps = silence(query(3, first)).into_iter();
        let asks = steps.filter_map(|(at, step)| match step {
            QueryStep::Transmit(ask) => Some((at, ask.server)),
            _ => None,
        });
        asks.collect::<Vec<_>>()
    };
    assert_eq!(asked(0), [(0, 0), (5, 1), (10, 2), (15, 0), (20, 1), (25, 2)]);
    assert_eq!(asked(2), [(0, 2), (5, 0), (10, 1), (15, 2), (20, 0), (25, 1)]);
    assert_eq!(asked(7), asked(1), "any number is a beginning");
}

#[test]
fn o4_without_servers_or_attempts_there_is_nothing_to_wait_for() {
    assert_eq!(query(0, 3).poll(*START), QueryStep::Exhausted);
    let policy = QueryPolicy { attempts: 0, ..QueryPolicy::default() };
    assert_eq!(Query::new([Udp], 0, policy).poll(*START), QueryStep::Exhausted);
}

#[test]
fn o4_a_failure_moves_on_at_once_and_the_round_comes_again() {
    let (t0, mut query) = (*START, query(2, 0));
    for server in [0, 1, 0, 1] {
        assert_eq!(query.poll(t0), ask(server, Udp));
        query.handle_reply(server, Reply::Failed);
    }
    assert_eq!(query.poll(t0), QueryStep::Exhausted);
    assert_eq!(query.attempts(), 4);
}

#[test]
fn o4_a_late_failure_takes_no_time_from_the_server_that_is_asked_now() {
    let (t0, mut query) = (*START, query(2, 0));
    query.poll(t0);
    assert_eq!(query.poll(t0 + T), QueryStep::TimedOut(0));
    assert_eq!(query.poll(t0 + T), ask(1, Udp));
    query.handle_reply(0, Reply::Failed);
    assert_eq!(query.poll(t0 + T), QueryStep::Wait(t0 + T + T));
}

#[test]
fn o4_a_late_answer_is_the_answer() {
    let (t0, mut query) = (*START, query(2, 0));
    query.poll(t0);
    query.poll(t0 + T);
    assert_eq!(query.poll(t0 + T), ask(1, Udp));
    query.handle_reply(0, Reply::Final);
    query.handle_reply(1, Reply::Final);
    assert_eq!(query.poll(t0 + T), QueryStep::Answered(0), "the first one counts");
}

#[test]
fn o4_truncation_goes_to_tcp_with_a_time_of_its_own_and_stays_there() {
    let (t0, mut query) = (*START, query(1, 0));
    query.poll(t0);
    let later = t0 + T / 2;
    query.handle_reply(0, Reply::Truncated);
    assert_eq!(query.poll(later), ask(0, Tcp));
    assert_eq!(query.poll(later), QueryStep::Wait(later + T));
    assert_eq!(query.poll(later + T), QueryStep::TimedOut(0));
    assert_eq!(query.poll(later + T), ask(0, Tcp), "the second round");
    query.handle_reply(0, Reply::Truncated);
    assert_eq!(query.poll(later + T), QueryStep::Answered(0), "more cannot be had");
}

#[test]
fn o4_who_does_not_understand_is_asked_without_edns_and_then_given_up() {
    let (t0, mut query) = (*START, query(2, 0));
    query.poll(t0);
    query.handle_reply(0, Reply::NotUnderstood);
    let plain = Transmit { server: 0, transport: Udp, edns: false };
    assert_eq!(query.poll(t0), QueryStep::Transmit(plain));
    query.handle_reply(0, Reply::NotUnderstood);
    assert_eq!(query.poll(t0), ask(1, Udp));
    query.handle_reply(1, Reply::Failed);
    assert_eq!(query.poll(t0), QueryStep::Transmit(plain), "it is remembered");
}

#[test]
fn o4_a_time_beyond_all_clocks_is_no_panic() {
    let policy = QueryPolicy { timeout: Duration::MAX, ..QueryPolicy::default() };
    let (t0, mut query) = (*START, Query::new([Udp], 0, policy));
    query.poll(t0);
    assert!(matches!(query.poll(t0), QueryStep::Wait(until) if until > t0));
}

proptest! {
    /// Whoever says what and when: it ends in time, nobody is asked more often than is allowed, and an answer
    /// that was heard ends it.
    #[test]
    fn o4_every_query_comes_to_an_end(
        servers in 1..5_usize,
        attempts in 1..4_u32,
        first in 0..9_usize,
        heard in prop::collection::vec((0..6_usize, 0..4_u8, 0..8_u64), 0..40),
    ) {
        let policy = QueryPolicy { attempts, ..QueryPolicy::default() };
        let mut query = Query::new(vec![Udp; servers], first, policy);
        let (mut now, mut asks, mut heard, mut is_answered) = (*START, 0, heard.into_iter(), false);
        loop {
            match query.poll(now) {
                QueryStep::Transmit(ask) => {
                    prop_assert!(ask.server < servers && !is_answered);
                    asks += 1;
                }
                QueryStep::TimedOut(server) => prop_assert!(server < servers && !is_answered),
                QueryStep::Wait(until) => {
                    prop_assert!(until > now && until <= now + T && !is_answered);
                    let Some((server, reply, later)) = heard.next() else {
                        now = until;
                        continue;
                    };
                    now = until.min(now + Duration::from_secs(later));
                    let replies = [Reply::Final, Reply::Truncated, Reply::NotUnderstood, Reply::Failed];
                    let reply = replies[usize::from(reply)];
                    query.handle_reply(server, reply);
                    is_answered |= reply == Reply::Final && server < servers;
                }
                QueryStep::Answered(server) => {
                    prop_assert!(server < servers);
                    break;
                }
                QueryStep::Exhausted => {
                    prop_assert!(!is_answered);
                    break;
                }
            }
        }
        prop_assert!(query.attempts() <= servers * attempts as usize);
        // Each server may change to TCP once, and to messages without EDNS once.
        prop_assert!(asks <= query.attempts() + 2 * servers, "{} messages", asks);
    }
}
