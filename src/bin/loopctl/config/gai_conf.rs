//! gai.conf(5): the order of address families in the system's resolver.

use loopctl::read_config_file;

/// Whether gai.conf(5) has the system's resolver sort IPv4 before IPv6. A file that cannot be read has no effect.
pub(crate) fn prefers_ipv4() -> bool {
    let text = read_config_file("/etc/gai.conf").unwrap_or_default();
    prefers_ipv4_in(&String::from_utf8_lossy(&text))
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
}
