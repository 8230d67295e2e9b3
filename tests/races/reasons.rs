//! Why attempts start when they do, and what is made of answers.

use std::num::NonZero;

use loopctl::plan::{
    AdvanceOn, Answer, AnswerEffect, AnswerTiming, AtLimit, Family, FirstAttemptReason,
    MinimumDelay, Pacing, Policy, Preset, Race, Reason, Start, Step, Success,
};

use crate::conditions::{addresses, replies};
use crate::course::{Course, Event, Outcome, Owner, Peer, START, ms};

fn hev3() -> Policy {
    Preset::Hev3.into()
}

/// With questions for AAAA and A that are answered like this.
fn resolving(policy: &Policy, fates: &str, aaaa: &str, a: &str) -> Course {
    let fates = addresses(fates);
    let replies = replies(Some(aaaa), Some(a), &fates);
    Course::resolving(policy, &replies, &fates, &Owner::default())
}

/// When each attempt was to start, in milliseconds, and why then.
fn reasons(course: &Course) -> Vec<(u128, Reason)> {
    let planned = course.reasons().into_iter().map(|(_, start)| start);
    planned.map(|start| ((start.planned - *START).as_millis(), start.reason)).collect()
}

fn names(count: usize, family: char) -> Vec<Peer> {
    (0..count).map(|nth| Peer(format!("{family}{nth}"))).collect()
}

#[test]
fn race_02_t02_time_starts_the_second() {
    let course = resolving(&hev3(), "6a dead, 4a ok@10", "2", "2");
    assert_eq!(
        reasons(&course),
        [(2, Reason::First(FirstAttemptReason::PreferredFamily)), (252, Reason::Timer)]
    );
}

#[test]
fn race_02_t03_a_failure_starts_the_second() {
    let course = resolving(&hev3(), "6a fails@10, 4a ok@10", "2", "2");
    assert_eq!(
        reasons(&course),
        [(2, Reason::First(FirstAttemptReason::PreferredFamily)), (12, Reason::AttemptEnded(0))]
    );
}

#[test]
fn race_02_the_reason_names_the_attempt_whose_end_it_was() {
    let policy =
        Policy { pacing: Pacing { advance_on: AdvanceOn::AllEnded, ..hev3().pacing }, ..hev3() };
    // The newest fails first, and nothing comes of it; the end of the older one leaves nobody.
    let course = resolving(&policy, "6a fails@280, 4a fails@20, 6b ok@10", "0", "0");
    assert_eq!(reasons(&course)[1..], [(250, Reason::Timer), (280, Reason::AttemptEnded(0))]);
}

#[test]
fn t12c_the_resolution_delay_starts_the_first_and_the_late_answer_is_merged() {
    let course = resolving(&hev3(), "4a dead, 4b dead, 6a dead, 6b ok@10", "102", "2");
    let first = (52, Reason::First(FirstAttemptReason::ResolutionDelay));
    assert_eq!(reasons(&course)[..2], [first, (302, Reason::Timer)]);
    let merged = AnswerEffect { timing: AnswerTiming::Merged, added: 2, duplicates: 0 };
    assert_eq!(course.effect(Family::Inet6), Some(merged));
    // As if it had come in time: of 6a 4a 6b 4b, one has been tried.
    assert_eq!(course.line(), "4a@52 6a@302 6b@552 -> 6b@562");
}

#[test]
fn t13b_an_address_that_comes_when_its_time_has_passed_starts_at_once() {
    let course = resolving(&hev3(), "6a dead, 4a ok@10", "2", "1002");
    assert_eq!(reasons(&course)[1], (1002, Reason::LateAnswer));
    let patient = Policy { connection_attempt_delay: Some(ms(2000)), ..hev3() };
    let course = resolving(&patient, "6a dead, 4a ok@10", "2", "1002");
    assert_eq!(reasons(&course)[1], (2002, Reason::Timer));
}

#[test]
fn t14_t33_any_negative_answer_ends_the_wait_and_in_rfc_8305_only_no_data() {
    let gave_up = Reason::First(FirstAttemptReason::NegativeAnswer);
    let passed = Reason::First(FirstAttemptReason::ResolutionDelay);
    for (aaaa, letter) in [
        ("nodata@2", (2, gave_up)),
        ("servfail@2", (52, passed)),
        ("nxdomain@2", (52, passed)),
        ("timeout@2", (52, passed)),
    ] {
        let course = resolving(&hev3(), "4a ok@10", aaaa, "2");
        assert_eq!(reasons(&course), [(2, gave_up)], "{aaaa}");
        let course = resolving(&Preset::Rfc8305.into(), "4a ok@10", aaaa, "2");
        assert_eq!(reasons(&course), [letter], "{aaaa}");
    }
    // It ends the wait when it comes, if the delay does not end it before.
    let course = resolving(&hev3(), "4a ok@10", "servfail@30", "2");
    assert_eq!(reasons(&course), [(30, gave_up)]);
}

#[test]
fn t33_a_name_that_does_not_exist_is_lost_at_once() {
    for preset in Preset::ALL {
        let course = resolving(&preset.into(), "4a ok@10", "nxdomain@2", "nxdomain@2");
        assert_eq!(course.line(), "-> lost@2", "{preset}");
    }
}

#[test]
fn t16_without_an_answer_about_ipv4_glibc_throws_ipv6_away() {
    let course = resolving(&Preset::Asyncio.into(), "6a ok@10", "2", "timeout@15200");
    assert_eq!(course.line(), "-> lost@15200");
    let course = resolving(&Preset::Go.into(), "6a ok@10", "2", "timeout@10000");
    assert_eq!(course.line(), "6a@10000 -> 6a@10010");
    assert_eq!(reasons(&course), [(10_000, Reason::First(FirstAttemptReason::AllAnswered))]);
}

#[test]
fn race_06_a_failure_is_final_only_when_no_question_is_open() {
    let course = resolving(&hev3(), "6a fails@10, 4a ok@10", "2", "1002");
    assert_eq!(course.line(), "6a@2 4a@1002 -> 4a@1012");
    let course = resolving(&hev3(), "6a fails@10", "2", "servfail@5000");
    assert_eq!(course.line(), "6a@2 -> lost@5000");
}

#[test]
fn race_02_questions_are_asked_back_to_back_the_preferred_family_first() {
    let families = [Family::Inet, Family::Inet6];
    let mut race: Race<Peer> = Race::with_queries(families, hev3());
    assert_eq!(families.map(|_| race.poll(*START)), families.map(Step::Query));
    assert_eq!(race.poll(*START), Step::Wait(None));
    assert_eq!(race.unanswered().collect::<Vec<_>>(), families);
    assert_eq!(race.next_attempt_at(), None);
    race.answered(Family::Inet6, Answer::Addresses(names(2, '6')), *START);
    race.answered(Family::Inet, Answer::Addresses(names(2, '4')), *START);
    let order: Vec<&str> = race.untried().map(|peer| peer.0.as_str()).collect();
    assert_eq!(order, ["40", "60", "41", "61"]);
}

#[test]
fn race_02_an_unexpected_answer_has_no_effect() {
    let mut race = Race::with_queries([Family::Inet6, Family::Inet], hev3());
    assert_eq!(race.poll(*START), Step::Query(Family::Inet6));
    let early = race.answered(Family::Inet, Answer::Addresses(names(1, '4')), *START);
    assert_eq!(early, AnswerEffect { timing: AnswerTiming::Unexpected, added: 0, duplicates: 0 });
    assert_eq!(race.poll(*START), Step::Query(Family::Inet));
    assert_eq!(race.poll(*START), Step::Wait(None));
}

#[test]
fn race_02_a_single_query_has_no_resolution_delay() {
    let mut race = Race::with_queries([Family::Inet], hev3());
    assert_eq!(race.poll(*START), Step::Query(Family::Inet));
    race.answered(Family::Inet, Answer::Addresses(names(1, '4')), *START);
    let reason = Reason::First(FirstAttemptReason::PreferredFamily);
    let start = Start { attempt: 0, planned: *START, reason };
    assert_eq!(race.poll(*START), Step::Start(start));
}

#[test]
fn t05_what_rfc_6724_puts_last_is_tried_last() {
    let mut race = Race::with_queries([Family::Inet6, Family::Inet], hev3());
    for (family, name) in [(Family::Inet6, '6'), (Family::Inet, '4')] {
        assert_eq!(race.poll(*START), Step::Query(family));
        race.answered(family, Answer::Addresses(names(2, name)), *START);
    }
    // No source address for IPv6: rule 1.
    race.sort_by_key(|peer| peer.0.starts_with('6'));
    let order: Vec<&str> = race.untried().map(|peer| peer.0.as_str()).collect();
    assert_eq!(order, ["40", "60", "41", "61"]);
}

#[test]
fn t36_duplicates_are_counted_and_left_out() {
    let course = resolving(&hev3(), "6a fails@10, 6a fails@10, 6b fails@10", "2", "nodata@2");
    let effect = AnswerEffect { timing: AnswerTiming::InTime, added: 2, duplicates: 1 };
    assert_eq!(course.effect(Family::Inet6), Some(effect));
    assert_eq!(course.line(), "6a@2 6b@12 -> lost@22");
}

#[test]
fn race_16_beyond_sixteen_addresses_are_tried_only_when_all_have_failed() {
    let mut race = Race::with_addresses([names(20, '6'), names(20, '4')].concat(), hev3());
    let mut started = 0;
    let mut now = *START;
    loop {
        match race.poll(now) {
            Step::Start(Start { attempt, .. }) => {
                started += 1;
                // The first one stays silent.
                if attempt > 0 {
                    race.failed(attempt, now);
                }
            }
            Step::Wait(Some(until)) => now = until,
            Step::Wait(None) => break,
            end => panic!("{end:?}"),
        }
    }
    assert_eq!((started, race.untried().count()), (16, 24));
    assert_eq!(race.untried().next(), Some(&Peer("68".to_owned())), "both families had eight");
    race.failed(0, now + ms(1000));
    let next = Start { attempt: 16, planned: now + ms(1000), reason: Reason::AttemptEnded(0) };
    assert_eq!(race.poll(now + ms(1000)), Step::Start(next));
}

#[test]
fn race_16_a_start_postponed_by_max_parallel_has_that_reason() {
    let policy = Policy { max_parallel: NonZero::new(1), ..Preset::Asyncio.into() };
    let fates = addresses("6a fails@300, 4a ok@10");
    let course = Course::among(&policy, &fates, &Owner::default());
    assert_eq!(reasons(&course)[1], (300, Reason::ParallelLimit));
    let pacing = Pacing { at_limit: AtLimit::ReplaceOldest, ..policy.pacing };
    let course = Course::among(&Policy { pacing, ..policy }, &fates, &Owner::default());
    assert_eq!(reasons(&course)[1], (250, Reason::Timer));
    assert_eq!(course.outcomes(0), [Outcome::Canceled]);
}

#[test]
fn race_16_with_run_all_no_attempt_is_replaced() {
    let policy = Policy { run_all: true, ..Preset::Node.into() };
    let fates = addresses("6a fails@300, 4a ok@10, 6b fails@20");
    let course = Course::among(&policy, &fates, &Owner::default());
    assert_eq!(course.line(), "6a@0 4a@300 6b@310 -> 4a@330");
}

#[test]
fn race_02_the_least_delay_holds_back_a_kick() {
    let course = resolving(&hev3(), "6a fails@3, 4a fails@3, 6b ok@10", "2", "2");
    assert_eq!(course.line(), "6a@2 4a@12 6b@22 -> 6b@32");
    assert_eq!(
        reasons(&course)[1..],
        [(12, Reason::AttemptEnded(0)), (22, Reason::AttemptEnded(1))]
    );
}

#[test]
fn t05_an_attempt_that_sent_nothing_holds_back_nobody_but_the_one_before_it_does() {
    let course = resolving(&hev3(), "6a fails@3, 4a unsent@0, 6b ok@10", "2", "2");
    assert_eq!(course.line(), "6a@2 4a@12 6b@12 -> 6b@22");
    let course = resolving(&hev3(), "6a unsent@0, 4a unsent@0, 6b ok@10", "2", "2");
    assert_eq!(course.line(), "6a@2 4a@2 6b@2 -> 6b@12");
    let minimum_delay = MinimumDelay { exempts_unsent: false, ..hev3().pacing.minimum_delay };
    let strict = Policy { pacing: Pacing { minimum_delay, ..hev3().pacing }, ..hev3() };
    let course = resolving(&strict, "6a unsent@0, 4a unsent@0, 6b ok@10", "2", "2");
    assert_eq!(course.line(), "6a@2 4a@12 6b@22 -> 6b@32");
}

#[test]
fn race_11_advance_on_selects_the_ends_that_start_the_next_attempt() {
    let fates = addresses("6a fails@120, 4a fails@30, 6b dead, 4b dead");
    for (advance_on, expected) in [
        (AdvanceOn::NewestEnded, "6a@0 4a@100 6b@130 4b@230 -> lost@131230"),
        (AdvanceOn::AllEnded, "6a@0 4a@100 6b@130 4b@230 -> lost@131230"),
        (AdvanceOn::DelayOnly, "6a@0 4a@100 6b@200 4b@300 -> lost@131300"),
    ] {
        let plain = Policy::happy_eyeballs(ms(100));
        let policy = Policy { pacing: Pacing { advance_on, ..plain.pacing }, ..plain };
        let course = Course::among(&policy, &fates, &Owner::default());
        assert_eq!(course.line(), expected, "{advance_on:?}");
    }
}

#[test]
fn race_11_an_older_attempt_under_way_keeps_curl_back() {
    // 4a is refused 10 ms after its start, while 6a is under way.
    let fates = addresses("6a dead, 4a fails@10, 6b fails@10, 4b ok@10");
    for (advance_on, expected) in [
        (AdvanceOn::NewestEnded, "6a@0 4a@100 6b@110 4b@120 -> 4b@130"),
        (AdvanceOn::AllEnded, "6a@0 4a@100 6b@200 4b@300 -> 4b@310"),
    ] {
        let plain = Policy::happy_eyeballs(ms(100));
        let policy = Policy { pacing: Pacing { advance_on, ..plain.pacing }, ..plain };
        let course = Course::among(&policy, &fates, &Owner::default());
        assert_eq!(course.line(), expected, "{advance_on:?}");
    }
}

#[test]
fn race_03_without_a_delay_the_newest_kicks_whatever_the_rule() {
    for advance_on in [AdvanceOn::NewestEnded, AdvanceOn::AllEnded, AdvanceOn::DelayOnly] {
        let plain = Policy::default();
        let policy = Policy { pacing: Pacing { advance_on, ..plain.pacing }, ..plain };
        let fates = addresses("6a fails@10, 4a ok@10");
        let course = Course::among(&policy, &fates, &Owner::default());
        assert_eq!(course.line(), "6a@0 4a@10 -> 4a@20", "{advance_on:?}");
    }
}

#[test]
fn t43_a_late_owner_sees_how_late_it_is() {
    let owner = Owner { late: vec![ms(3000)], ..Owner::default() };
    let fates = addresses("6a dead, 4a ok@10");
    let course = Course::among(&Preset::Asyncio.into(), &fates, &owner);
    let [_, (at, start)] = course.reasons()[..] else { panic!("{course}") };
    assert_eq!((at, start.planned), (ms(3250), *START + ms(250)));
}

#[test]
fn t43_what_ended_meanwhile_does_not_excuse_a_late_owner() {
    // The third is due at 500; when the owner looks at 700, the first has failed as well.
    let owner = Owner { late: vec![ms(0), ms(200)], ..Owner::default() };
    let fates = addresses("6a fails@650, 4a dead, 6b ok@10");
    let course = Course::among(&Preset::Asyncio.into(), &fates, &owner);
    assert_eq!(course.starts()[2], (2, ms(700)));
    assert_eq!(reasons(&course)[2], (500, Reason::Timer));
}

#[test]
fn t43_a_late_owner_of_lanes_starts_first_what_was_due_first() {
    // The second lane was to open at 300; at 500 the owner learns that the first lane is free again.
    let owner = Owner { late: vec![ms(200)], ..Owner::default() };
    let fates = addresses("6a fails@400, 6b dead, 4a dead");
    let course = Course::among(&Preset::Go.into(), &fates, &owner);
    assert_eq!(course.peers, ["6a", "4a", "6b"]);
    assert_eq!(reasons(&course)[1..], [(300, Reason::Timer), (500, Reason::AttemptEnded(0))]);
}

#[test]
fn t41_of_two_handshakes_in_one_poll_the_lower_number_wins() {
    let fates = addresses("6a tls-ok@30+10, 4a tls-ok@10+20");
    let policy = Policy { connection_attempt_delay: Some(ms(10)), ..hev3() };
    for backwards in [false, true] {
        let owner = Owner { backwards, ..Owner::default() };
        let course = Course::among(&policy, &fates, &owner);
        assert_eq!(course.line(), "6a@0 4a@10 -> 6a@40");
        assert_eq!(course.outcomes(1), [Outcome::Success], "for the owner to close");
    }
}

#[test]
fn t30_a_handshake_is_a_success_only_where_tcp_is_enough() {
    for (success, expected) in [(Success::Tcp, 10), (Success::Tls, 40)] {
        let policy = Policy { pacing: Pacing { success, ..hev3().pacing }, ..hev3() };
        let course = Course::among(&policy, &addresses("6a tls-ok@10+30"), &Owner::default());
        assert_eq!(course.end(), (Some(0), ms(expected)));
    }
}

#[test]
fn t30_with_room_for_one_a_silent_handshake_makes_room() {
    let policy = Policy { max_parallel: NonZero::new(1), ..hev3() };
    let fates = addresses("6a tls-silent@10, 4a tls-ok@10+10");
    let course = Course::among(&policy, &fates, &Owner::default());
    assert_eq!(course.line(), "6a@0 4a@260 -> 4a@280");
    let ended = (ms(260), Event::Ended(0, Outcome::Canceled));
    assert!(course.events.contains(&ended), "{course}");
}

#[test]
fn t30_tcp_is_up_but_once() {
    let mut race = Race::with_addresses(names(2, '6'), hev3());
    assert!(matches!(race.poll(*START), Step::Start(_)));
    race.connected(0, *START + ms(10));
    race.connected(0, *START + ms(100));
    assert_eq!(race.next_attempt_at(), Some(*START + ms(260)));
}

#[test]
fn t30_the_handshake_of_an_attempt_that_has_ended_holds_back_nobody() {
    // 6a is up at 100, its handshake fails at 150; the wait that it caused ends with it.
    let fates = addresses("6a tls-bad@100+50, 4a dead, 6b ok@10");
    let policy = Policy { connection_attempt_delay: Some(ms(60)), ..hev3() };
    let course = Course::among(&policy, &fates, &Owner::default());
    assert_eq!(reasons(&course)[1..], [(60, Reason::Timer), (150, Reason::Timer)]);
}

#[test]
fn race_05_run_all_waits_for_every_answer() {
    let policy = Policy { run_all: true, ..hev3() };
    let course = resolving(&policy, "6a ok@10, 4a ok@10", "2", "1002");
    assert_eq!(course.line(), "6a@2 4a@1002 -> 6a@1012");
    let asked = course.events.iter().filter(|(_, event)| matches!(event, Event::Asked(_)));
    assert_eq!(asked.count(), 2);
}
