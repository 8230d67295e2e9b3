//! When attempts start, by the packets.

use crate::expected::{Case, Expected};
use crate::timeline::Attempt;
use crate::tries::Slip;

/// Packets and the program's clock are read by different hands.
pub(crate) const FUZZ: f64 = 1.0;

/// The same addresses in the same order, each once.
pub(crate) fn assert_order(case: &Case, attempts: &[Attempt]) {
    let seen: Vec<&str> = attempts.iter().map(|attempt| attempt.remote.as_str()).collect();
    let wanted: Vec<String> = case.sent().map(|expected| at_port(&expected.to)).collect();
    assert_eq!(seen, wanted, "{}: the SYNs, in their order", case.name);
}

/// No attempt before its time. `began`: when the program says that it started the first one, which may be
/// well before its SYN if the machine is busy.
pub(crate) fn assert_not_early(case: &Case, attempts: &[Attempt], began: f64) {
    let origin = attempts.first().map_or(began, |first| began.min(first.syn));
    for (expected, attempt) in case.sent().zip(attempts) {
        if let Some(start) = expected.start {
            let at = attempt.syn - origin;
            assert!(at >= start - FUZZ, "{}: {} at {at:.3}", case.name, expected.to);
        }
        if let Some(cause) = cause(expected, attempts) {
            assert!(attempt.syn >= cause, "{}: {} before its cause", case.name, expected.to);
        }
    }
}

/// How late each SYN after the first one was.
pub(crate) fn slips(case: &Case, attempts: &[Attempt]) -> Vec<Slip> {
    let mut slips = Vec::new();
    for (expected, attempt) in case.sent().zip(attempts).skip(1) {
        if let Some(start) = expected.start {
            let late = attempt.syn - attempts[0].syn - start;
            slips.push(Slip::new(format!("{} at {start}", expected.to), late));
        }
        if let (Some(earlier), Some(cause)) = (&expected.after, cause(expected, attempts)) {
            let what = format!("{} after {earlier}", expected.to);
            slips.push(Slip::new(what, attempt.syn - cause));
        }
    }
    slips
}

/// The packet that ended the wait for the attempt.
fn cause(expected: &Expected, attempts: &[Attempt]) -> Option<f64> {
    let earlier = at_port(expected.after.as_deref()?);
    let earlier = attempts.iter().find(|attempt| attempt.remote == earlier);
    Some(earlier.unwrap().answer.expect("`after` names an attempt that was answered"))
}

fn at_port(ip: &str) -> String {
    // On the wire it is IPv4.
    let ip = ip.strip_prefix("::ffff:").unwrap_or(ip);
    if ip.contains(':') { format!("[{ip}]:7") } else { format!("{ip}:7") }
}
