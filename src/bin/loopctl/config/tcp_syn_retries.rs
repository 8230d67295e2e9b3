//! tcp_syn_retries (tcp(7)): the time limit of the kernel for a connect.

use std::time::Duration;

/// The time after which the kernel ends a connect without an answer. Settings that the kernel does not have are those
/// of Linux 6.18.
pub(crate) fn connect_timeout() -> Duration {
    let retries = setting("tcp_syn_retries");
    let linear = setting("tcp_syn_linear_timeouts").or_else(|| retries.map(|_| 0));
    syn_timeout(retries.unwrap_or(6), linear.unwrap_or(4))
}

fn setting(name: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?.trim().parse().ok()
}

/// The first SYN and `linear` others wait 1 s each, the rest twice as long as the one before, at most two minutes.
fn syn_timeout(retries: u32, linear: u32) -> Duration {
    const MAX_SECONDS: u64 = 120;
    let doubled = |nth| 1_u64.checked_shl(nth).unwrap_or(MAX_SECONDS).min(MAX_SECONDS);
    Duration::from_secs(u64::from(linear) + 1 + (1..=retries).map(doubled).sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tries_for_two_minutes_by_default() {
        let cases = [((6, 4), 131), ((6, 0), 127), ((1, 0), 3), ((0, 0), 1), ((8, 4), 371)];
        for ((retries, linear), seconds) in cases {
            assert_eq!(syn_timeout(retries, linear), Duration::from_secs(seconds), "{retries}");
        }
    }
}
