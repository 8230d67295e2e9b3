//! What holds for every race, whatever its rules, its attempts and its owner's manners.

use std::num::NonZero;
use std::time::Duration;

use loopctl::plan::{Policy, interleave};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::course::{Course, Event, Fate, Outcome, Owner, Then, ms};

/// Few different times, so that many things happen at once.
fn time() -> impl Strategy<Value = Duration> {
    (0..12_u64).prop_map(|step| ms(step * 50))
}

fn fate() -> impl Strategy<Value = Fate> {
    (time(), any::<bool>()).prop_map(|(after, connects)| Fate {
        after: Some(after),
        then: if connects { Then::Connects } else { Then::Fails },
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    (option::of(time()), option::of(1..4_usize), option::of(time()), any::<bool>()).prop_map(
        |(connection_attempt_delay, at_a_time, attempt_timeout, run_all)| Policy {
            connection_attempt_delay,
            interleave: 0,
            max_parallel: at_a_time.and_then(NonZero::new),
            attempt_timeout,
            run_all,
            ..Policy::default()
        },
    )
}

fn owner() -> impl Strategy<Value = Owner> {
    let late = vec((0..120_u64).prop_map(ms), 0..4);
    (late, any::<bool>(), any::<bool>()).prop_map(|(late, backwards, nervous)| Owner {
        late,
        backwards,
        nervous,
    })
}

/// A race and what came of it. That it ends at all is the owner's loop ending.
fn course() -> impl Strategy<Value = (Policy, Vec<Fate>, Course)> {
    (policy(), vec(fate(), 0..9), owner(), any::<bool>()).prop_map(
        |(policy, mut fates, owner, silence)| {
            if silence && policy.attempt_timeout.is_some() {
                // Only the race itself can end these.
                fates.iter_mut().step_by(2).for_each(|fate| fate.after = None);
            }
            let course = Course::of(&policy, &fates, &owner);
            (policy, fates, course)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn race_11_attempts_start_once_in_order_and_never_back_in_time((_, fates, course) in course()) {
        let starts = course.starts();
        prop_assert!(starts.len() <= fates.len());
        for (nth, (number, _)) in starts.iter().enumerate() {
            prop_assert_eq!(*number, nth);
        }
        prop_assert!(course.events.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{}", course);
    }

    #[test]
    fn race_05_the_rules_of_the_qlog_draft_hold((_, fates, course) in course()) {
        let started = course.starts().len();
        for number in 0..fates.len() {
            let expected = usize::from(number < started);
            prop_assert_eq!(course.outcomes(number).len(), expected, "{} in {}", number, course);
        }
        let ends = course.events.iter().filter(|(_, event)| {
            matches!(event, Event::Selected(_) | Event::Aborted)
        });
        prop_assert_eq!(ends.count(), 1, "exactly one end");
        if let (Some(winner), _) = course.end() {
            prop_assert_eq!(course.outcomes(winner), [Outcome::Success], "the winner connected");
        }
    }

    #[test]
    fn race_07_a_race_without_a_winner_had_no_success((_, fates, course) in course()) {
        let successes = (0..fates.len()).filter(|&nth| course.outcomes(nth) == [Outcome::Success]);
        prop_assert_eq!(course.end().0.is_none(), successes.count() == 0, "{}", course);
    }

    #[test]
    fn race_16_no_more_run_at_a_time_than_may((policy, _, course) in course()) {
        let most = policy.max_parallel.map_or(usize::MAX, NonZero::get);
        let mut running = 0;
        for (_, event) in &course.events {
            match event {
                Event::Started(_) => running += 1,
                Event::Ended(..) => running -= 1,
                _ => {}
            }
            prop_assert!(running <= most, "{}", course);
        }
        prop_assert_eq!(running, 0);
    }

    #[test]
    fn race_05_run_all_starts_all_attempts_and_cancels_none((policy, fates, course) in course()) {
        if policy.run_all {
            prop_assert_eq!(course.starts().len(), fates.len());
            let mut all = (0..fates.len()).flat_map(|number| course.outcomes(number));
            prop_assert!(all.all(|outcome| outcome != Outcome::Canceled), "{}", course);
        }
    }

    #[test]
    fn race_02_a_punctual_owner_sees_the_expected_course(
        delay in option::of(time()),
        fates in vec(fate(), 0..9),
    ) {
        let policy = Policy { connection_attempt_delay: delay, ..Policy::default() };
        let course = Course::of(&policy, &fates, &Owner::default());
        let (starts, end) = model(delay, &fates);
        let expected: Vec<_> = starts.into_iter().enumerate().collect();
        prop_assert_eq!(course.starts(), expected);
        prop_assert_eq!(course.end(), end);
    }

    #[test]
    fn il_01_interleaving_keeps_everyone_and_the_order_inside_a_family(
        items in vec((0..3_u8, any::<u8>()), 0..20),
        first in 0..5_usize,
    ) {
        let ordered = interleave(items.clone(), first, |(family, _)| *family);
        prop_assert_eq!(ordered.len(), items.len());
        for family in 0..3 {
            let of = |all: &[(u8, u8)]| -> Vec<u8> {
                all.iter().filter(|item| item.0 == family).map(|item| item.1).collect()
            };
            prop_assert_eq!(of(&ordered), of(&items));
        }
        let lead = ordered.iter().take_while(|item| item.0 == ordered[0].0).count();
        let of_first = items.iter().filter(|item| item.0 == items[0].0).count();
        if of_first < items.len() {
            prop_assert_eq!(lead, of_first.min(first.max(1)));
        }
    }
}

/// The rules written down without a machine: each start follows from the one before.
fn model(delay: Option<Duration>, fates: &[Fate]) -> (Vec<Duration>, (Option<usize>, Duration)) {
    let mut starts: Vec<Duration> = Vec::new();
    let mut best: Option<(Duration, usize)> = None;
    let mut next = Some(Duration::ZERO);
    let mut last_end = Duration::ZERO;
    for (number, fate) in fates.iter().enumerate() {
        // Nobody starts at the instant of a success or later, nor ever behind one that just waits.
        let Some(start) = next.filter(|at| best.is_none_or(|(won, _)| *at < won)) else { break };
        starts.push(start);
        let end = start + fate.after.unwrap_or_default();
        last_end = last_end.max(end);
        let by_timer = delay.map(|delay| start + delay);
        next = if fate.then == Then::Connects {
            best = Some(best.map_or((end, number), |known| known.min((end, number))));
            by_timer
        } else {
            Some(by_timer.map_or(end, |at| at.min(end)))
        };
    }
    (starts, best.map_or((None, last_end), |(at, number)| (Some(number), at)))
}
