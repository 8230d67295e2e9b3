//! The kernel's own account of a connection, in units.

use std::os::fd::AsFd;
use std::time::Duration;

use crate::sys;

/// What the kernel knows of a TCP connection (Linux `TCP_INFO`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpInfo {
    /// Whether the handshake is over.
    pub established: bool,
    /// Smoothed round-trip time. Zero when no segment was timed, as after a lost SYN (Karn's rule).
    pub rtt: Duration,
    /// Its mean deviation.
    pub rtt_variance: Duration,
    /// How long the kernel waits before it sends a segment again.
    pub rto: Duration,
    /// Segments sent again so far; before the handshake is over, SYNs sent again.
    pub retransmits: u32,
    /// Maximum segment size for sending, in bytes.
    pub send_mss: u32,
    /// Path MTU, in bytes.
    pub path_mtu: u32,
    /// What both sides agreed on.
    pub negotiated: TcpOptions,
}

/// TCP options that both sides agreed on in the handshake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpOptions {
    /// Timestamps (RFC 7323).
    pub timestamps: bool,
    /// Selective acknowledgement (RFC 2018).
    pub sack: bool,
    /// Window scaling (RFC 7323).
    pub window_scale: bool,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: bool,
    /// The peer took data that came with the SYN (RFC 7413).
    pub syn_data: bool,
}

impl TcpInfo {
    /// `None` for what is not a TCP socket.
    pub(crate) fn of(socket: &impl AsFd) -> Option<Self> {
        // SYN_SENT, SYN_RECV, CLOSE; what the peer has closed already was a connection, too.
        const BEFORE: [u8; 3] = [2, 3, 7];
        let info = sys::tcp_info::tcp_info(socket).ok()?;
        let micros = |us: u32| Duration::from_micros(us.into());
        Some(Self {
            established: !BEFORE.contains(&info.tcpi_state),
            rtt: micros(info.tcpi_rtt),
            rtt_variance: micros(info.tcpi_rttvar),
            rto: micros(info.tcpi_rto),
            retransmits: info.tcpi_total_retrans,
            send_mss: info.tcpi_snd_mss,
            path_mtu: info.tcpi_pmtu,
            negotiated: TcpOptions::from_bits(info.tcpi_options),
        })
    }
}

/// How many bytes the peer has acknowledged. `None` for what is not a TCP socket.
pub(in crate::net) fn acknowledged(socket: &impl AsFd) -> Option<u64> {
    Some(sys::tcp_info::tcp_info(socket).ok()?.tcpi_bytes_acked)
}

impl TcpOptions {
    /// The bits of Linux's `tcpi_options`.
    fn from_bits(bits: u8) -> Self {
        let has = |bit: u8| bits & bit != 0;
        Self {
            timestamps: has(1),
            sack: has(2),
            window_scale: has(4),
            ecn: has(8),
            syn_data: has(32),
        }
    }
}
