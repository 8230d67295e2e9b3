//! Faults and limits in force, with units and percentages.

use std::num::NonZero;
use std::time::Duration;

use crate::config::fault::{Direction, FaultArg};
use crate::config::{Fault, Jittered};
use crate::util::units::{bytes, limit};

/// One text for each fault, and one for the rate.
pub(crate) fn in_force(faults: &[FaultArg], rate: Option<NonZero<u64>>) -> Vec<String> {
    let rate = rate.map(|rate| format!("rate {}/s", bytes(rate.get())));
    faults.iter().map(fault).chain(rate).collect()
}

fn fault(arg: &FaultArg) -> String {
    let prefix = if arg.direction == Direction::Down { "down:" } else { "" };
    let text = format!("{prefix}{}{}", arg.name(), value(arg.fault));
    match arg.percent {
        100.0 => text,
        percent => format!("{text} for {percent} % of clients"),
    }
}

fn value(fault: Fault) -> String {
    match fault {
        Fault::Close(at) | Fault::Reset(at) | Fault::HalfClose(at)
            if at.value == 0 && at.jitter == 0 =>
        {
            " at once".to_owned()
        }
        Fault::Close(after) | Fault::Reset(after) | Fault::HalfClose(after) => {
            format!(" after {}", jittered(after, time))
        }
        Fault::AcceptDelay(by) | Fault::Delay(by) => format!(" {}", jittered(by, time)),
        Fault::StallAfter(size) | Fault::ResetAfter(size) => format!(" {}", jittered(size, bytes)),
        Fault::Rate(rate) => format!(" {}", jittered(rate, |rate| format!("{}/s", bytes(rate)))),
        Fault::Slice(size, pause) => format!(" {} every {}", jittered(size, bytes), limit(pause)),
        Fault::Backlog(Some(clients)) => format!(" of {clients}"),
        Fault::Backlog(None)
        | Fault::TlsStall
        | Fault::TlsClose
        | Fault::TlsWrongName
        | Fault::TlsExpired
        | Fault::TlsBareFin => String::new(),
    }
}

fn time(nanoseconds: u64) -> String {
    limit(Duration::from_nanos(nanoseconds))
}

fn jittered(value: Jittered, show: impl Fn(u64) -> String) -> String {
    match value.jitter {
        0 => show(value.value),
        jitter => format!("{} ~ {}", show(value.value), show(jitter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_unit_and_its_share() {
        for (typed, shown) in [
            ("delay=200", "delay 200 s"),
            ("up:delay=1s@5%", "up:delay 1 s for 5 % of clients"),
            ("down:rate=5MB/s", "down:rate 5.0 MB/s"),
            ("delay=200ms~50ms@10%", "delay 200 ms ~ 50 ms for 10 % of clients"),
            ("close", "close at once"),
            ("reset=1.5s", "reset after 1.5 s"),
            ("rate=5MB/s", "rate 5.0 MB/s"),
            ("stall-after=1KiB", "stall-after 1.0 kB"),
            ("slice=10B/1ms", "slice 10 B every 1 ms"),
            ("backlog=3", "backlog of 3"),
            ("tls-expired@0.5%", "tls-expired for 0.5 % of clients"),
        ] {
            assert_eq!(in_force(&[typed.parse().unwrap()], None), [shown], "{typed}");
        }
        assert_eq!(in_force(&[], NonZero::new(64_000)), ["rate 64.0 kB/s"]);
    }
}
