//! RACE: asyncio's `staggered_race`, rule by rule.

use std::num::NonZero;
use std::time::Duration;

use loopctl::plan::{FirstAttemptReason, LossReason, Policy, Race, Reason, Start, Step};

use crate::course::{Course, Fate, Outcome, Owner, Peer, START, Then, ms};

const DELAY: Duration = Duration::from_millis(250);

fn connects(after: u64) -> Fate {
    Fate { after: Some(ms(after)), then: Then::Connects }
}

fn fails(after: u64) -> Fate {
    Fate { after: Some(ms(after)), then: Then::Fails }
}

/// Never answers; only the end of the race, or of its own time, ends it.
fn silent() -> Fate {
    Fate { after: None, then: Then::Fails }
}

fn staggered(fates: &[Fate]) -> Course {
    Course::of(&Policy::happy_eyeballs(DELAY), fates, &Owner::default())
}

/// A race among so many addresses of one family.
fn nameless(count: usize, policy: Policy) -> Race<Peer> {
    Race::with_addresses((0..count).map(|nth| Peer(nth.to_string())), policy)
}

fn first() -> Step {
    let reason = Reason::First(FirstAttemptReason::Known);
    Step::Start(Start { attempt: 0, planned: *START, reason })
}

/// Who starts when, in milliseconds.
fn starts(course: &Course) -> Vec<(usize, u128)> {
    course.starts().into_iter().map(|(number, at)| (number, at.as_millis())).collect()
}

#[test]
fn race_01_a_race_without_addresses_is_lost_at_once() {
    assert_eq!(staggered(&[]).end(), (None, Duration::ZERO));
    let mut race = nameless(0, Policy::default());
    assert_eq!(race.poll(*START), Step::Lost(LossReason::NoAddress));
    assert_eq!(race.winner(), None);
}

#[test]
fn race_02_the_next_starts_at_a_failure_or_after_the_delay_whichever_is_first() {
    let course = staggered(&[fails(9), connects(5)]);
    assert_eq!((starts(&course), course.end()), (vec![(0, 0), (1, 9)], (Some(1), ms(14))));
    let course = staggered(&[silent(), connects(5)]);
    assert_eq!((starts(&course), course.end()), (vec![(0, 0), (1, 250)], (Some(1), ms(255))));
    let course = staggered(&[fails(300), silent(), connects(5)]);
    assert_eq!(starts(&course), [(0, 0), (1, 250), (2, 500)]);
}

#[test]
fn race_03_without_a_delay_one_follows_another() {
    let course =
        Course::of(&Policy::default(), &[fails(60_000), fails(5), connects(1)], &Owner::default());
    assert_eq!(starts(&course), [(0, 0), (1, 60_000), (2, 60_005)]);
    assert_eq!(course.end(), (Some(2), ms(60_006)));
    let mut race = nameless(2, Policy::default());
    assert_eq!(race.poll(*START), first());
    assert_eq!(race.poll(*START), Step::Wait(None), "no timer would start the second");
    assert_eq!(race.next_attempt_at(), None);
}

#[test]
fn race_04_no_more_are_started_than_needed() {
    let course = staggered(&[connects(249), connects(1), connects(1)]);
    assert_eq!((starts(&course), course.end()), (vec![(0, 0)], (Some(0), ms(249))));
}

#[test]
fn race_05_the_first_success_wins_and_the_others_are_cancelled() {
    let course = staggered(&[silent(), connects(200), silent()]);
    assert_eq!(course.end(), (Some(1), ms(450)));
    assert_eq!(course.outcomes(0), [Outcome::Canceled]);
    assert_eq!(course.outcomes(1), [Outcome::Success]);
    assert_eq!(course.outcomes(2), [], "never started");
}

#[test]
fn race_06_a_race_is_lost_when_all_attempts_fail() {
    let course = staggered(&[fails(10), fails(20), fails(30)]);
    assert_eq!(course.end(), (None, ms(60)));
    (0..3).for_each(|number| assert_eq!(course.outcomes(number), [Outcome::Failure]));
}

#[test]
fn race_07_of_two_successes_in_one_turn_the_lower_number_wins() {
    for backwards in [false, true] {
        let owner = Owner { backwards, ..Owner::default() };
        let fates = [connects(300), connects(50)];
        let course = Course::of(&Policy::happy_eyeballs(DELAY), &fates, &owner);
        assert_eq!(course.end(), (Some(0), ms(300)));
        assert_eq!(course.outcomes(1), [Outcome::Success], "for the owner to close");
    }
}

#[test]
fn race_07_a_winner_stays_the_winner() {
    let mut race = nameless(2, Policy { run_all: true, ..Policy::happy_eyeballs(ms(0)) });
    let second = Start { attempt: 1, planned: *START, reason: Reason::Timer };
    assert_eq!([race.poll(*START), race.poll(*START)], [first(), Step::Start(second)]);
    race.succeeded(1, *START);
    assert_eq!(race.poll(*START), Step::Wait(None));
    race.succeeded(0, *START);
    assert_eq!(race.poll(*START), Step::Won(1), "0 came later, though its number is lower");
    assert_eq!(race.poll(*START), Step::Won(1));
}

#[test]
fn race_11_the_failure_of_an_older_attempt_does_not_start_the_next() {
    // 0 fails after 1 has started: 2 waits for its own delay or for 1.
    let course = staggered(&[fails(260), silent(), silent(), connects(1)]);
    assert_eq!(starts(&course), [(0, 0), (1, 250), (2, 500), (3, 750)]);
}

#[test]
fn race_11_one_failure_starts_one_attempt_and_restarts_the_delay() {
    let course = staggered(&[fails(100), silent(), connects(1)]);
    assert_eq!(starts(&course), [(0, 0), (1, 100), (2, 350)]);
}

#[test]
fn race_12_a_failure_and_the_delay_in_one_turn_start_one_attempt() {
    let course = staggered(&[fails(250), silent(), connects(1)]);
    assert_eq!(starts(&course), [(0, 0), (1, 250), (2, 500)]);
}

#[test]
fn race_13_a_dead_family_costs_one_delay() {
    let course = staggered(&[silent(), connects(2)]);
    assert_eq!((starts(&course), course.end()), (vec![(0, 0), (1, 250)], (Some(1), ms(252))));
}

#[test]
fn race_14_refusals_cost_no_delay() {
    let course = staggered(&[fails(2), fails(2), fails(2)]);
    assert_eq!((starts(&course), course.end()), (vec![(0, 0), (1, 2), (2, 4)], (None, ms(6))));
}

#[test]
fn race_15_three_dead_addresses_cost_three_delays() {
    let course = staggered(&[silent(), silent(), silent(), connects(1)]);
    assert_eq!(starts(&course), [(0, 0), (1, 250), (2, 500), (3, 750)]);
    assert_eq!(course.end(), (Some(3), ms(751)));
}

#[test]
fn race_16_a_start_beyond_the_cap_waits_for_an_end() {
    let policy = Policy { max_parallel: NonZero::new(2), ..Policy::happy_eyeballs(ms(10)) };
    let fates = [fails(100), fails(490), silent(), connects(1)];
    let course = Course::of(&policy, &fates, &Owner::default());
    assert_eq!(starts(&course), [(0, 0), (1, 10), (2, 100), (3, 500)], "as soon as there is room");
    assert_eq!(course.end(), (Some(3), ms(501)));
    let mut race = nameless(2, Policy { max_parallel: NonZero::new(1), ..policy });
    assert_eq!(race.poll(*START), first());
    assert_eq!(race.poll(*START), Step::Wait(None), "no timer can start what has no room");
}

#[test]
fn race_16_an_attempt_out_of_time_has_failed_and_starts_the_next() {
    let policy = Policy { attempt_timeout: Some(ms(100)), ..Policy::happy_eyeballs(DELAY) };
    let course = Course::of(&policy, &[silent(), silent()], &Owner::default());
    assert_eq!(starts(&course), [(0, 0), (1, 100)]);
    assert_eq!(course.end(), (None, ms(200)));
    (0..2).for_each(|number| assert_eq!(course.outcomes(number), [Outcome::Timeout]));
}

#[test]
fn race_05_run_all_waits_for_everyone_and_keeps_the_first() {
    let policy = Policy { run_all: true, ..Policy::happy_eyeballs(DELAY) };
    let course = Course::of(&policy, &[connects(400), connects(10), fails(100)], &Owner::default());
    assert_eq!(starts(&course), [(0, 0), (1, 250), (2, 260)]);
    assert_eq!(course.end(), (Some(1), ms(400)));
    assert_eq!(course.outcomes(0), [Outcome::Success]);
}

#[test]
fn race_10_outcomes_of_attempts_that_do_not_exist_are_ignored() {
    let mut race = nameless(2, Policy::happy_eyeballs(DELAY));
    race.succeeded(0, *START);
    race.failed(7, *START);
    assert_eq!(race.poll(*START), first(), "nothing has started, so nothing can end");
    race.succeeded(1, *START);
    assert_eq!(race.winner(), None);
    assert_eq!(race.poll(*START), Step::Wait(Some(*START + DELAY)));
}
