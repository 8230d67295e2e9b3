//! Silence in a TLS handshake: its reason, from what the kernel sent, had acknowledged and received.

use std::time::Duration;

use loopctl::{TcpInfo, TlsErrorKind};

use crate::report::TlsReport;
use crate::util::units;

/// Reason why a handshake did not end in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsSilence {
    /// The ClientHello was sent several times and not acknowledged.
    NotAcknowledged { bytes: u64, sent: u32 },
    /// A later segment of the answer came and an earlier one did not.
    SegmentMissing,
    /// The peer has the ClientHello and sent nothing.
    Acknowledged,
}

/// The reason, where the handshake timed out or was given up and the figures tell.
pub(crate) fn tls_silence(tls: &TlsReport) -> Option<TlsSilence> {
    let kind = tls.failure.as_ref()?.kind();
    if !matches!(kind, Some(TlsErrorKind::TimedOut | TlsErrorKind::Canceled)) {
        return None;
    }
    let tcp = tls.tcp?;
    let resent = tcp.retransmits.saturating_sub(tls.resent_before);
    match (tcp.traffic.received_out_of_order, tcp.traffic.unacked) {
        (1.., _) => Some(TlsSilence::SegmentMissing),
        (0, 0) if tls.first_byte.is_none() && has_had_time(tls, &tcp) => {
            Some(TlsSilence::Acknowledged)
        }
        (0, 1..) if resent > 0 && tls.first_byte.is_none() => {
            let copies = resent + 1;
            let bytes = tcp.traffic.bytes_sent / u64::from(copies);
            Some(TlsSilence::NotAcknowledged { bytes, sent: copies })
        }
        _ => None,
    }
}

/// Whether an answer would have come by now from a peer that answers at once.
fn has_had_time(tls: &TlsReport, tcp: &TcpInfo) -> bool {
    let waited = tls.took().unwrap_or_default();
    waited > tcp.rtt * 2 + Duration::from_millis(100)
}

impl TlsSilence {
    /// Sentence about what is known, with the rivals.
    pub(crate) fn text(self) -> String {
        match self {
            Self::NotAcknowledged { bytes, sent } => format!(
                "the ClientHello ({}) was sent {sent} times and never acknowledged: packets are dropped after the TCP handshake",
                units::bytes(bytes)
            ),
            Self::SegmentMissing => {
                "a later segment of the answer came and an earlier one did not: packets of full size are dropped (path MTU)"
                    .to_owned()
            }
            Self::Acknowledged => {
                "the peer acknowledged the ClientHello and sent nothing: the service hangs, is busy, or expects other words first"
                    .to_owned()
            }
        }
    }

    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::NotAcknowledged { .. } => {
                "the service never saw the ClientHello: something on the path drops packets after the TCP handshake"
            }
            Self::SegmentMissing => {
                "packets of full size are lost on the way back: check the MTU of tunnels, and firewalls that drop ICMP 3/4 or ICMPv6 2/0"
            }
            Self::Acknowledged => {
                "the service has the ClientHello and does not answer: it may need --starttls, is busy, or hangs"
            }
        }
    }
}
