//! Numbers that the system's resolver takes for IPv4 addresses.

use std::net::Ipv4Addr;

/// IPv4 address in a form of inet_aton(3): one to four numbers, decimal, octal (`0177`) or hexadecimal (`0x7f`).
///
/// getaddrinfo(3) takes such text for an address, and asks no name server.
///
/// ```
/// use loopctl::inet_aton;
///
/// for text in ["127.0.0.1", "127.1", "0x7f.1", "017700000001", "2130706433"] {
///     assert_eq!(inet_aton(text), Some([127, 0, 0, 1].into()));
/// }
/// assert_eq!(inet_aton("127.0.0.1.test"), None);
/// ```
pub fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, octets) = numbers.split_last()?;
    let free_bits = 32_u32.checked_sub(8 * u32::try_from(octets.len()).ok()?)?;
    if free_bits == 0 || u64::from(*last) >= 1 << free_bits {
        return None;
    }
    let mut address = *last;
    for (octet, shift) in octets.iter().zip([24, 16, 8]) {
        address |= u32::from(u8::try_from(*octet).ok()?) << shift;
    }
    Some(address.into())
}

/// A number as C writes it.
fn number(text: &str) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match (hexadecimal, text.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (None, Some("")) => Some(0),
        (None, Some(digits)) => u32::from_str_radix(digits, 8).ok(),
        (None, None) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_addresses_as_for_the_system() {
        for (text, address) in [
            ("0", "0.0.0.0"),
            ("0x7f000001", "127.0.0.1"),
            ("0X7F.1", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("10.258", "10.0.1.2"),
            ("192.168.257", "192.168.1.1"),
            ("4294967295", "255.255.255.255"),
        ] {
            assert_eq!(inet_aton(text), Some(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_a_name() {
        for text in [
            "",
            ".",
            "1.",
            "127.1.",
            "1.2.3.4.5",
            "256.1",
            "1.2.3.256",
            "4294967296",
            "0x",
            "08",
            "+1",
            "-1",
            "1e2",
            "a",
            "1.2.3.4x",
            "0x1g",
        ] {
            assert_eq!(inet_aton(text), None, "{text}");
        }
    }
}
