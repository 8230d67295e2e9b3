//! Connections that full accept queues dropped, in the network namespace of this process.

/// `ListenOverflows` of `/proc/net/netstat`; `None` if it cannot be read.
pub(crate) fn listen_overflows() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/net/netstat").ok()?)
}

/// The file has a line of names and a line of numbers for each protocol.
fn parse(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut columns = names.split_whitespace().zip(numbers.split_whitespace());
    columns.find(|(name, _)| *name == "ListenOverflows")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_by_its_name() {
        let text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 7 42 43\nIpExt: ListenOverflows\nIpExt: 1\n";
        assert_eq!(parse(text), Some(42));
        assert_eq!(parse("TcpExt: SyncookiesSent\nTcpExt: 7\n"), None);
        assert_eq!(parse(""), None);
    }
}
