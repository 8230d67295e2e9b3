//! A test for every case of `expected.toml`.

use std::collections::BTreeSet;

use crate::check;
use crate::expected::Case;

macro_rules! cases {
    ($($test:ident => $case:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check::holds("expected.toml", $case);
            }
        )*

        const TESTED: &[&str] = &[$($case),*];
    };
}

cases! {
    netns_healthy_needs_one_attempt_t01_race_04 => "healthy",
    netns_v4_host_tries_ipv4_first_il_07 => "v4-host",
    netns_v6_host_asks_and_connects_over_ipv6 => "v6-host",
    netns_v4_name_has_one_candidate => "v4-name",
    netns_v6_name_has_one_candidate => "v6-name",
    netns_literal_v4_asks_no_name_server => "literal-v4",
    netns_literal_v6_asks_no_name_server => "literal-v6",
    netns_v4_host_says_which_address_has_no_route_t05_conn_12 => "v4-host-only-v6",

    netns_v6_blackhole_starts_v4_after_250_ms_t02_race_13 => "v6-blackhole",
    netns_v6_refused_starts_v4_at_once_t03_race_02 => "v6-refused",
    netns_v6_unreachable_starts_v4_at_once_t04 => "v6-unreachable",
    netns_v6_prohibited_starts_v4_at_once => "v6-prohibited",
    netns_v6_slow_100_is_in_time_t06 => "v6-slow-100",
    netns_v6_slow_300_is_too_late_t08 => "v6-slow-300",
    netns_v6_slow_2000_is_too_late => "v6-slow-2000",
    netns_v6_slow_v4_dead_the_older_attempt_wins => "v6-slow-v4-dead",
    netns_both_slow_the_older_attempt_wins_t10_race_05 => "both-slow",
    netns_v4_blackhole_goes_unnoticed => "v4-blackhole",
    netns_first_syn_lost_is_sent_again => "first-syn-lost",
    netns_v6_first_syn_lost_lets_v4_win => "v6-first-syn-lost",

    netns_six_dead_one_good_takes_one_delay_t19_il_03 => "six-dead-one-good",
    netns_second_of_each_good_by_timer_then_failure_il_01 => "second-of-each-good",
    netns_last_of_six_good_takes_five_delays_t20 => "last-of-six-good",
    netns_all_refused_waits_for_no_timer_t24_race_14 => "all-refused",
    netns_all_blackhole_ends_with_the_kernel_t26 => "all-blackhole",
    netns_mixed_errors_stay_with_their_addresses_conn_11_race_11 => "mixed-errors",

    netns_aaaa_slow_50_is_waited_for => "aaaa-slow-50",
    netns_aaaa_slow_100_is_waited_for => "aaaa-slow-100",
    netns_aaaa_slow_400_is_waited_for => "aaaa-slow-400",
    netns_a_slow_400_is_waited_for => "a-slow-400",
    netns_aaaa_servfail_leaves_ipv4_t14 => "aaaa-servfail",
    netns_truncated_answers_are_asked_for_again => "truncated",
    netns_nxdomain_exits_with_6 => "nxdomain",
    netns_nodata_exits_with_6 => "nodata",

    netns_hev3_v6_blackhole_starts_v4_after_250_ms_t02 => "hev3-v6-blackhole",
    netns_hev3_v6_refused_keeps_its_distance_t03 => "hev3-v6-refused",
    netns_hev3_aaaa_slow_100_is_not_waited_for_t12 => "hev3-aaaa-slow-100",
    netns_hev3_aaaa_silent_costs_50_ms_t15 => "hev3-aaaa-silent",
    netns_hev3_aaaa_servfail_costs_nothing_t14 => "hev3-aaaa-servfail",
    netns_hev3_a_slow_400_is_not_waited_for_t13 => "hev3-a-slow-400",
    netns_hev3_a_silent_is_not_waited_for_t16 => "hev3-a-silent",

    netns_delay_100ms_paces_six_attempts => "delay-100ms",
    netns_delay_2s_waits_that_long => "delay-2s",
    netns_one_after_another_race_03_conn_06 => "one-after-another",
    netns_one_after_another_all_dead_exits_with_28 => "one-after-another-all-dead",
    netns_one_after_another_refused_waits_for_nothing => "one-after-another-refused",
    netns_interleave_2_leads_with_two_race_15_t29 => "interleave-2",
    netns_interleave_0_keeps_the_resolvers_order_il_04 => "interleave-0",
    netns_max_parallel_2_never_has_three_race_16 => "max-parallel-2",
    netns_prefer_4_puts_ipv4_first => "prefer-4",
    netns_only_v4_asks_for_a_alone_conn_29 => "only-v4",
    netns_only_v6_asks_for_aaaa_alone_conn_29 => "only-v6",
    netns_all_tries_every_address_of_a_healthy_host => "all-healthy",
    netns_all_reports_every_address_until_the_deadline => "all-probed",
    netns_timeout_1s_cuts_both_attempts => "timeout-1s",
    netns_timeout_during_lookup_exits_with_28 => "timeout-during-lookup",
    netns_source_v4_fails_ipv6_before_a_packet_conn_13_conn_14 => "source-v4",
}

#[test]
fn netns_every_expected_timeline_is_tested() {
    let cases = Case::all("expected.toml");
    let expected: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let tested: BTreeSet<&str> = TESTED.iter().copied().collect();
    assert_eq!(expected, tested);
    assert_eq!(tested.len(), TESTED.len(), "a case is tested twice");
    for case in &cases {
        for expected in case.sent() {
            let (start, after) = (expected.start, &expected.after);
            assert!(start.is_some() || after.is_some(), "[{}]: when?", case.name);
        }
    }
}
