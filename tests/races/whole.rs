//! What holds for every race, by whatever rules, from the questions to the connection.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::time::Duration;

use loopctl::plan::{
    AddressQueues, AddressSelection, AdvanceOn, Answer, AtLimit, DelayFrom, Family,
    InterleaveScope, MinimumDelay, NegativeAnswers, Pacing, Policy, Preset, RaceAddress, Reason,
    Resolution, Success,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::course::{Course, Event, Fate, Outcome, Owner, Peer, Reply, START, Then, ms};

/// Everything that decides the course of a race.
#[derive(Debug, Clone)]
struct Setting {
    policy: Policy,
    fates: Vec<(Peer, Fate)>,
    replies: Vec<Reply>,
    owner: Owner,
}

impl Setting {
    fn course(&self) -> Course {
        let Self { policy, fates, replies, owner } = self;
        match replies.is_empty() {
            true => Course::among(policy, fates, owner),
            false => Course::resolving(policy, replies, fates, owner),
        }
    }

    /// Whether no answer about IPv4 makes all answers worthless.
    fn is_thrown_away(&self) -> bool {
        let is_silent =
            |reply: &Reply| reply.family == Family::Inet && reply.answer == Answer::TimedOut;
        self.policy.resolution == Resolution::Joint { requires_ipv4: true }
            && self.replies.iter().any(is_silent)
    }
}

/// Few different times, so that many things happen at once.
fn time() -> impl Strategy<Value = Duration> {
    (0..12_u64).prop_map(|step| ms(step * 25))
}

fn resolution() -> impl Strategy<Value = Resolution> {
    let together = any::<bool>().prop_map(|requires_ipv4| Resolution::Joint { requires_ipv4 });
    let delay_from = select(vec![DelayFrom::FirstAnswer, DelayFrom::RaceStart]);
    let ended_by = select(vec![NegativeAnswers::Any, NegativeAnswers::NoDataOnly]);
    let apart = (time(), delay_from, ended_by).prop_map(|(delay, delay_from, ended_by)| {
        Resolution::Separate { delay, delay_from, ended_by }
    });
    prop_oneof![together, apart]
}

fn pacing() -> impl Strategy<Value = Pacing> {
    let minimum_delay = (select(vec![0, 10, 30]), any::<bool>())
        .prop_map(|(delay, exempts_unsent)| MinimumDelay { delay: ms(delay), exempts_unsent });
    (
        select(vec![AdvanceOn::NewestEnded, AdvanceOn::AllEnded, AdvanceOn::DelayOnly]),
        1..4_u32,
        minimum_delay,
        select(vec![AddressQueues::Single, AddressQueues::PerFamily, AddressQueues::Shared]),
        select(vec![None, Some(ms(1000)), Some(ms(40))]),
        select(vec![AtLimit::Wait, AtLimit::ReplaceOldest]),
        select(vec![Success::Tcp, Success::Tls]),
    )
        .prop_map(
            |(advance_on, multiplier, minimum_delay, queues, poll_interval, at_limit, success)| {
                Pacing {
                    advance_on,
                    multiplier,
                    minimum_delay,
                    queues,
                    poll_interval,
                    at_limit,
                    success,
                }
            },
        )
}

fn any_rules() -> impl Strategy<Value = Policy> {
    let selection = (
        select(vec![InterleaveScope::All, InterleaveScope::SecondOnly]),
        any::<bool>(),
        option::of(1..6_usize),
    )
        .prop_map(|(interleave_scope, deduplicate, max_addresses)| AddressSelection {
            interleave_scope,
            deduplicate,
            max_addresses: max_addresses.and_then(NonZero::new),
        });
    let numbers = (option::of(time()), 0..3_usize, option::of(1..4_usize), option::of(time()));
    (numbers, any::<bool>(), resolution(), pacing(), selection).prop_map(
        |(
            (delay, interleave, parallel, attempt_timeout),
            run_all,
            resolution,
            pacing,
            selection,
        )| {
            Policy {
                connection_attempt_delay: delay,
                interleave,
                max_parallel: parallel.and_then(NonZero::new),
                attempt_timeout,
                run_all,
                resolution,
                pacing,
                selection,
            }
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![any_rules(), select(Preset::ALL.to_vec()).prop_map(Policy::from)]
}

/// Silence ends only by the policy's own limit.
fn fate(may_be_silent: bool) -> impl Strategy<Value = Fate> {
    let after = move || {
        let silent = (0..3_u8).prop_map(move |nth| may_be_silent && nth == 0);
        (time(), silent).prop_map(|(after, is_silent)| (!is_silent).then_some(after))
    };
    let then = prop_oneof![
        Just(Then::Connects),
        Just(Then::Fails),
        Just(Then::Unsent),
        (after(), any::<bool>()).prop_map(|(after, ends_well)| Then::Handshakes(after, ends_well)),
    ];
    (after(), then).prop_map(|(after, then)| Fate {
        after: if then == Then::Unsent { Some(Duration::ZERO) } else { after },
        then,
    })
}

/// Few names, so that some come twice.
fn peer() -> impl Strategy<Value = Peer> {
    (select(vec!['4', '6']), 0..6_u8).prop_map(|(family, nth)| Peer(format!("{family}{nth}")))
}

fn owner() -> impl Strategy<Value = Owner> {
    let late = vec((0..60_u64).prop_map(ms), 0..4);
    (late, any::<bool>(), any::<bool>()).prop_map(|(late, backwards, nervous)| Owner {
        late,
        backwards,
        nervous,
    })
}

fn setting() -> impl Strategy<Value = Setting> {
    let families = select(vec![
        vec![],
        vec![Family::Inet],
        vec![Family::Inet, Family::Inet6],
        vec![Family::Inet6, Family::Inet],
    ]);
    policy().prop_flat_map(move |policy| {
        let fate = fate(policy.attempt_timeout.is_some());
        let answers =
            vec((time(), select(vec!["some", "none", "no name", "failed", "silence"])), 2);
        (Just(policy), vec((peer(), fate), 0..9), families.clone(), answers, owner()).prop_map(
            |(policy, fates, families, answers, owner)| {
                let answers = families.into_iter().zip(answers);
                let replies = answers.map(|(family, (after, word))| {
                    let peers = fates.iter().map(|(peer, _)| peer.clone());
                    let answer = match word {
                        "some" => Answer::Addresses(
                            peers.filter(|peer| peer.family() == family).collect(),
                        ),
                        "none" => Answer::NoData,
                        "no name" => Answer::NoName,
                        "failed" => Answer::Failed,
                        _ => Answer::TimedOut,
                    };
                    Reply { family, after: Some(after), answer }
                });
                let replies = replies.collect();
                Setting { policy, fates, replies, owner }
            },
        )
    })
}

/// The addresses that the race was told in time to use them.
fn told(setting: &Setting, course: &Course) -> Vec<Peer> {
    if setting.replies.is_empty() {
        return setting.fates.iter().map(|(peer, _)| peer.clone()).collect();
    }
    let answered = |reply: &&Reply| course.effect(reply.family).is_some();
    let answers = setting.replies.iter().filter(answered).map(|reply| &reply.answer);
    answers
        .filter_map(|answer| match answer {
            Answer::Addresses(peers) => Some(peers.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn race_05_every_attempt_has_one_outcome_and_the_race_one_end(setting in setting()) {
        let course = setting.course();
        let started = course.starts().len();
        for attempt in 0..started {
            prop_assert_eq!(course.outcomes(attempt).len(), 1, "{} in {}", attempt, course);
        }
        prop_assert!(course.outcomes(started).is_empty());
        let ends = course.events.iter().filter(|(_, event)| {
            matches!(event, Event::Selected(_) | Event::Aborted)
        });
        prop_assert_eq!(ends.count(), 1);
        let successes = (0..started).filter(|&nth| course.outcomes(nth) == [Outcome::Success]);
        match course.end().0 {
            Some(winner) => prop_assert_eq!(course.outcomes(winner), [Outcome::Success]),
            None => prop_assert_eq!(successes.count(), 0, "{}", course),
        }
    }

    #[test]
    fn race_16_no_more_at_a_time_and_in_all_than_may(setting in setting()) {
        let course = setting.course();
        let policy = &setting.policy;
        let most = policy.max_parallel.map_or(usize::MAX, NonZero::get);
        let in_all = policy.selection.max_addresses.map_or(usize::MAX, NonZero::get);
        let (mut started, mut running) = (0, 0);
        for (_, event) in &course.events {
            match event {
                Event::Started(_) => {
                    // Beyond the maximum, an attempt starts only where nothing is under way.
                    prop_assert!(started < in_all || running == 0, "{}", course);
                    (started, running) = (started + 1, running + 1);
                }
                Event::Ended(..) => running -= 1,
                _ => {}
            }
            prop_assert!(running <= most, "{}", course);
        }
        prop_assert_eq!(running, 0);
    }

    #[test]
    fn t36_every_address_is_tried_once_or_as_often_as_answered(setting in setting()) {
        let course = setting.course();
        let told = told(&setting, &course);
        for peer in &course.peers {
            let tried = course.peers.iter().filter(|other| *other == peer).count();
            let known = told.iter().filter(|other| other.0 == *peer).count();
            let most = if setting.policy.selection.deduplicate { 1 } else { known };
            prop_assert!(tried <= most, "{} in {}", peer, course);
        }
    }

    #[test]
    fn race_02_no_two_starts_are_closer_than_the_minimum_delay(setting in setting()) {
        let course = setting.course();
        let minimum_delay = setting.policy.pacing.minimum_delay;
        let sent: Vec<Duration> = course
            .starts()
            .into_iter()
            .filter(|(attempt, _)| {
                let name = &course.peers[*attempt];
                let (_, fate) = setting.fates.iter().find(|(peer, _)| peer.0 == *name).unwrap();
                !minimum_delay.exempts_unsent || fate.then != Then::Unsent
            })
            .map(|(_, at)| at)
            .collect();
        for pair in sent.windows(2) {
            prop_assert!(pair[1] - pair[0] >= minimum_delay.delay, "{:?} in {}", pair, course);
        }
    }

    #[test]
    fn t43_a_punctual_owner_starts_each_attempt_when_planned(setting in setting()) {
        let setting = Setting { owner: Owner::default(), ..setting };
        let course = setting.course();
        for (at, start) in course.reasons() {
            prop_assert_eq!(*START + at, start.planned, "{:?} in {}", start, course);
        }
    }

    #[test]
    fn race_06_no_race_is_lost_while_an_address_is_left(setting in setting()) {
        let course = setting.course();
        if course.end().0.is_some() {
            return Ok(());
        }
        let answered = setting.replies.iter().all(|reply| course.effect(reply.family).is_some());
        prop_assert!(answered, "no question is open: {}", course);
        let told = told(&setting, &course);
        let distinct: BTreeSet<&str> = told.iter().map(|peer| peer.0.as_str()).collect();
        let known = if setting.policy.selection.deduplicate { distinct.len() } else { told.len() };
        let expected = if setting.is_thrown_away() { 0 } else { known };
        prop_assert_eq!(course.starts().len(), expected, "{}", course);
    }

    #[test]
    fn race_02_reasons_fit_what_happened(setting in setting()) {
        let course = setting.course();
        for (nth, (at, start)) in course.reasons().into_iter().enumerate() {
            prop_assert_eq!(start.attempt, nth);
            let is_first = matches!(start.reason, Reason::First(_));
            prop_assert_eq!(is_first, nth == 0, "{}", course);
            if let Reason::AttemptEnded(ended) = start.reason {
                let is_it = |(when, event): &(Duration, Event)| {
                    matches!(event, Event::Ended(of, _) if *of == ended) && *when <= at
                };
                prop_assert!(course.events.iter().any(is_it), "{:?} in {}", start, course);
            }
        }
    }
}
