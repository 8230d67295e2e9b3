//! resolv.conf(5): the time after which the C library gives up a query that no server answers.

use std::time::Duration;

/// Time limit of a query without an answer: all servers, as often as they are asked. Clients may wait longer.
pub(crate) fn of_system() -> Duration {
    give_up_after(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn give_up_after(text: &str) -> Duration {
    const MAX_SERVERS: u64 = 3;
    let lines = || text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let servers = lines().filter(|words| words.first() == Some(&"nameserver")).count() as u64;
    let options = lines().filter(|words| words.first() == Some(&"options")).flatten();
    let options: Vec<&str> = options.collect();
    let option = |name: &str, max: u64| {
        let mut values =
            options.iter().filter_map(|option| option.strip_prefix(name)?.parse().ok());
        values.next_back().map(|value: u64| value.clamp(1, max))
    };
    let (timeout, attempts) = (option("timeout:", 30), option("attempts:", 5));
    let rounds = servers.clamp(1, MAX_SERVERS) * attempts.unwrap_or(2);
    Duration::from_secs(timeout.unwrap_or(5) * rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_timeout_and_attempts_multiply() {
        let cases = [
            ("", 10),
            ("nameserver 192.0.2.1\n", 10),
            ("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:1 attempts:3\n", 6),
            ("nameserver 192.0.2.1\noptions rotate timeout:99\n", 60),
        ];
        for (text, seconds) in cases {
            assert_eq!(give_up_after(text), Duration::from_secs(seconds), "{text}");
        }
    }
}
