//! The kernel's figures of a TCP connection (`TCP_INFO`).

use std::os::fd::AsFd;
use std::time::Duration;

use crate::sys;

/// The kernel's figures of a TCP connection (Linux `TCP_INFO`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpInfo {
    /// True once the handshake is complete.
    pub established: bool,
    /// Smoothed round-trip time. Zero when no segment was timed, as after a lost SYN (Karn's rule).
    pub rtt: Duration,
    /// Mean deviation of the round-trip time.
    pub rtt_variance: Duration,
    /// Retransmission timeout.
    pub rto: Duration,
    /// Number of retransmitted segments; during the handshake, of retransmitted SYNs.
    pub retransmits: u32,
    /// Maximum segment size for sending, in bytes.
    pub send_mss: u32,
    /// Path MTU, in bytes.
    pub path_mtu: u32,
    /// Traffic so far.
    pub traffic: TcpTraffic,
    /// Time since the last acknowledgement arrived, in steps of the kernel's clock tick. After a handshake, that is
    /// the time since the answer to the SYN.
    pub last_ack: Duration,
    /// The TCP options that both sides support.
    pub negotiated: TcpOptions,
}

/// Traffic of a TCP connection so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpTraffic {
    /// Bytes sent, including those sent again.
    pub bytes_sent: u64,
    /// Bytes that the peer has acknowledged. The SYN counts as one.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Segments sent and not acknowledged.
    pub unacked: u32,
    /// Segments received out of order: an earlier one is missing, or came later.
    pub received_out_of_order: u32,
}

/// TCP options negotiated in the handshake.
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
    /// The peer acknowledged data in the SYN (RFC 7413).
    pub syn_data: bool,
}

impl TcpInfo {
    /// The figures of a socket; `None` if it is not a TCP socket.
    pub(crate) fn of(socket: &impl AsFd) -> Option<Self> {
        // SYN_SENT, SYN_RECV and CLOSE; all later states follow a completed handshake.
        const NOT_ESTABLISHED: [u8; 3] = [2, 3, 7];
        let info = sys::tcp_info::tcp_info(socket).ok()?;
        let micros = |us: u32| Duration::from_micros(us.into());
        Some(Self {
            established: !NOT_ESTABLISHED.contains(&info.tcpi_state),
            rtt: micros(info.tcpi_rtt),
            rtt_variance: micros(info.tcpi_rttvar),
            rto: micros(info.tcpi_rto),
            retransmits: info.tcpi_total_retrans,
            send_mss: info.tcpi_snd_mss,
            path_mtu: info.tcpi_pmtu,
            traffic: TcpTraffic {
                bytes_sent: info.tcpi_bytes_sent,
                bytes_acked: info.tcpi_bytes_acked,
                bytes_received: info.tcpi_bytes_received,
                unacked: info.tcpi_unacked,
                received_out_of_order: info.tcpi_rcv_ooopack,
            },
            last_ack: Duration::from_millis(info.tcpi_last_ack_recv.into()),
            negotiated: TcpOptions::from_bits(info.tcpi_options),
        })
    }
}

/// The number of bytes that the peer of a TCP connection has acknowledged, its SYN included; `None` for other sockets.
/// It is known until the last descriptor of the socket is closed, also after a reset.
///
/// ```
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// assert_eq!(loopctl::acknowledged_bytes(&client), Some(1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn acknowledged_bytes(socket: &impl AsFd) -> Option<u64> {
    Some(sys::tcp_info::tcp_info(socket).ok()?.tcpi_bytes_acked)
}

impl TcpOptions {
    /// Decodes the bits of Linux's `tcpi_options`.
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
