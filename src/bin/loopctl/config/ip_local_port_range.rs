//! ip_local_port_range (ip(7)): the ports that the kernel chooses for sockets without one.

use std::ops::RangeInclusive;

/// The range in force; `None` if the system does not tell.
pub(crate) fn local_ports() -> Option<RangeInclusive<u16>> {
    parse(&std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)
}

fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    Some(numbers.next()??..=numbers.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_has_two_numbers() {
        assert_eq!(parse("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(parse("32768"), None);
        assert_eq!(parse("a b"), None);
    }
}
