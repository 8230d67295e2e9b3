//! The kernel's own account of a connection, in units.

use std::os::fd::AsFd;
use std::time::Duration;

use crate::sys;

/// What the kernel knows of a TCP connection (Linux `TCP_INFO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpInfo {
    /// Whether the handshake is over.
    pub established: bool,
    /// Smoothed round-trip time. Zero when no segment was timed, as after a lost SYN (Karn's rule).
    pub rtt: Duration,
    /// Its mean deviation.
    pub rtt_variance: Duration,
    /// Segments sent again so far; before the handshake is over, SYNs sent again.
    pub retransmits: u32,
    /// Maximum segment size for sending, in bytes.
    pub send_mss: u32,
    /// Path MTU, in bytes.
    pub path_mtu: u32,
}

impl TcpInfo {
    /// `None` for what is not a TCP socket.
    pub(crate) fn of(socket: &impl AsFd) -> Option<Self> {
        const ESTABLISHED: u8 = 1;
        let info = sys::tcp_info::tcp_info(socket).ok()?;
        let micros = |us: u32| Duration::from_micros(us.into());
        Some(Self {
            established: info.tcpi_state == ESTABLISHED,
            rtt: micros(info.tcpi_rtt),
            rtt_variance: micros(info.tcpi_rttvar),
            retransmits: info.tcpi_total_retrans,
            send_mss: info.tcpi_snd_mss,
            path_mtu: info.tcpi_pmtu,
        })
    }
}
