//! The configuration of this host that decides how names resolve and how long a connect takes.

use std::time::Duration;

/// The sources of host names in nsswitch.conf(5), such as `files` and `dns`, in their order.
pub(crate) fn name_sources() -> Vec<String> {
    name_sources_in(&read("/etc/nsswitch.conf"))
}

/// Whether gai.conf(5) has the system's resolver sort IPv4 before IPv6.
pub(crate) fn prefers_ipv4() -> bool {
    prefers_ipv4_in(&read("/etc/gai.conf"))
}

/// The time after which the kernel gives up a connect without an answer (tcp(7), `tcp_syn_retries`). Settings that the
/// kernel does not have are those of Linux 6.18.
pub(crate) fn connect_timeout() -> Duration {
    let setting =
        |name: &str| read(&format!("/proc/sys/net/ipv4/{name}")).trim().parse::<u32>().ok();
    let retries = setting("tcp_syn_retries");
    let linear = setting("tcp_syn_linear_timeouts").or_else(|| retries.map(|_| 0));
    syn_timeout(retries.unwrap_or(6), linear.unwrap_or(4))
}

/// A file of the system's; one that cannot be read says nothing.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Words in brackets are actions (`[NOTFOUND=return]`) and no sources.
fn name_sources_in(nsswitch_conf: &str) -> Vec<String> {
    let hosts = nsswitch_conf.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
    let words = hosts.unwrap_or("dns files").split('#').next().unwrap_or_default();
    let mut is_action = false;
    let is_source = |word: &&str| {
        let begins = word.starts_with('[');
        let is_source = !is_action && !begins;
        is_action = (is_action || begins) && !word.ends_with(']');
        is_source
    };
    words.split_whitespace().filter(is_source).map(str::to_owned).collect()
}

/// Whether `precedence` is larger for IPv4-mapped addresses than for all others.
fn prefers_ipv4_in(gai_conf: &str) -> bool {
    /// The precedence of `::/0` in glibc.
    const DEFAULT_PRECEDENCE: u32 = 40;
    let precedence = |network: &str| {
        let lines = gai_conf.lines().map(|line| line.split('#').next().unwrap_or_default());
        let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut values = words.filter_map(|words| match words.as_slice() {
            ["precedence", it, value] if *it == network => value.parse::<u32>().ok(),
            _ => None,
        });
        values.next()
    };
    let ipv6 = precedence("::/0").unwrap_or(DEFAULT_PRECEDENCE);
    precedence("::ffff:0:0/96").is_some_and(|ipv4| ipv4 > ipv6)
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
    fn gai_conf_may_put_ipv4_first() {
        let cases = [
            ("", false),
            ("#precedence ::ffff:0:0/96  100\n", false),
            ("precedence ::ffff:0:0/96  100 # legacy\n", true),
            ("precedence ::ffff:0:0/96 10\nprecedence ::/0 40\n", false),
            ("label ::/0 1\nprecedence  ::/0  5\nprecedence ::ffff:0:0/96 10\n", true),
            ("precedence ::ffff:0:0/96 much\n", false),
        ];
        for (text, expected) in cases {
            assert_eq!(prefers_ipv4_in(text), expected, "{text}");
        }
    }

    #[test]
    fn nsswitch_conf_lists_sources_and_actions() {
        let cases = [
            ("", "dns files"),
            ("passwd: files\nhosts: files dns # mine\n", "files dns"),
            ("hosts: files mymachines [!UNAVAIL=return] dns\n", "files mymachines dns"),
            ("hosts: files [NOTFOUND=return SUCCESS=return] dns\n", "files dns"),
        ];
        for (text, expected) in cases {
            assert_eq!(name_sources_in(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn the_kernel_tries_for_two_minutes_by_default() {
        let cases = [((6, 4), 131), ((6, 0), 127), ((1, 0), 3), ((0, 0), 1), ((8, 4), 371)];
        for ((retries, linear), seconds) in cases {
            assert_eq!(syn_timeout(retries, linear), Duration::from_secs(seconds), "{retries}");
        }
    }
}
