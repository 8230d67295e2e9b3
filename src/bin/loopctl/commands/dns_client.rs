//! The DNS client of `connect` and `resolve`: servers, tries and timeouts.

use std::time::Duration;

use loopctl::{DnsClient, DnsClientBuilder, DnsConfigError, DnsServer, LoopHandle};

/// Tries for each server unless resolv.conf(5) sets another number, so that one lost datagram does no harm.
const TRIES: u32 = 2;
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// Asks these servers, or those of resolv.conf(5), which the builder has already. All tries share the time evenly; the
/// system's may be more or fewer, and may take less each.
///
/// # Errors
/// As [`DnsClientBuilder::build`].
pub(crate) fn client(
    event_loop: &LoopHandle,
    mut builder: DnsClientBuilder,
    servers: &[DnsServer],
    limit: Duration,
) -> Result<DnsClient, DnsConfigError> {
    let (count, tries, longest) = if servers.is_empty() {
        let system = builder.clone().build(event_loop)?;
        (system.servers().len(), system.attempts(), system.timeout())
    } else {
        builder = builder.servers(servers.iter().cloned());
        (servers.len(), TRIES, limit)
    };
    let share = limit / u32::try_from(count).unwrap_or(1).max(1) / tries.max(1);
    builder
        .timeout(share.clamp(MIN_TIMEOUT, longest.max(MIN_TIMEOUT)))
        .attempts(tries)
        .build(event_loop)
}
