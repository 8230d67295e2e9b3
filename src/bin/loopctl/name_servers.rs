//! Whom to ask for names, and how patiently.

use std::time::Duration;

use loopctl::{DnsClient, DnsClientBuilder, DnsConfigError, DnsServer, LoopRef};

/// How often a server is asked, so that a lost datagram is not the end.
const TRIES: u32 = 2;
const LEAST: Duration = Duration::from_millis(1);

/// Asks these servers, or those that the builder has already. All tries share the time evenly.
///
/// # Errors
/// As [`DnsClientBuilder::build`].
pub(crate) fn client(
    lp: &LoopRef,
    mut builder: DnsClientBuilder,
    servers: &[DnsServer],
    limit: Duration,
) -> Result<DnsClient, DnsConfigError> {
    if !servers.is_empty() {
        builder = builder.servers(servers.iter().cloned());
    }
    let count = match servers.len() {
        0 => builder.clone().build(lp)?.servers().len(),
        count => count,
    };
    let share = limit / u32::try_from(count).unwrap_or(1).max(1) / TRIES;
    builder.timeout(share.max(LEAST)).attempts(TRIES).build(lp)
}
