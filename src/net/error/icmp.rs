//! ICMP errors about the packets of a socket.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use crate::sys;
use crate::sys::error_queue::QueuedError;

/// ICMP or ICMPv6 message about a packet of a socket, from the socket's error queue (`IP_RECVERR` in ip(7)).
///
/// The errno of a failed `connect(2)` stands for several messages; this is the message itself, with its sender.
///
/// ```
/// use loopctl::IcmpError;
///
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// IcmpError::watch(&socket)?;
/// socket.connect("127.0.0.1:1")?;
/// socket.send(b"")?;
/// // The port is closed, unless something of this host listens on it.
/// if let Some(error) = IcmpError::take(&socket)? {
///     assert_eq!((error.icmp_type, error.code), (3, 3));
///     assert_eq!(error.meaning(), "port unreachable");
///     assert!(error.is_from_this_host);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct IcmpError {
    /// True for ICMPv6 (RFC 4443), false for ICMP (RFC 792).
    pub is_v6: bool,
    /// The type of the message.
    pub icmp_type: u8,
    /// The code of the message.
    pub code: u8,
    /// Error number that the kernel derives from type and code.
    pub errno: i32,
    /// The sender of the message; `None` where the kernel does not know it.
    pub from: Option<IpAddr>,
    /// True if the sender is an address of this host: a firewall of this host, or a next hop that does not answer
    /// to ARP or neighbour discovery.
    pub is_from_this_host: bool,
    /// Additional number of the message: the MTU of the next hop (3/4, ICMPv6 2/0), or a pointer into the packet.
    pub info: u32,
}

impl IcmpError {
    /// Error from type, code and sender, as another program has observed them.
    ///
    /// ```
    /// let error = loopctl::IcmpError::new(true, 1, 4, "2001:db8::1".parse().ok());
    /// assert_eq!(error.to_string(), "ICMPv6 1/4 from 2001:db8::1: port unreachable");
    /// ```
    pub fn new(is_v6: bool, icmp_type: u8, code: u8, from: Option<IpAddr>) -> Self {
        let (errno, info, is_from_this_host) = (0, 0, false);
        Self { is_v6, icmp_type, code, errno, from, is_from_this_host, info }
    }

    /// Makes the kernel queue the ICMP errors of a socket, before it is connected.
    ///
    /// A connection that is established must not be watched: the kernel would end it at errors that it ignores
    /// otherwise.
    ///
    /// # Errors
    /// If the socket is not of IPv4 or IPv6.
    pub fn watch(socket: &impl AsFd) -> io::Result<()> {
        sys::error_queue::set_enabled(socket, true)
    }

    /// Ends [`watch`](Self::watch), and discards the errors of the queue.
    ///
    /// # Errors
    /// If the socket is not of IPv4 or IPv6.
    pub fn unwatch(socket: &impl AsFd) -> io::Result<()> {
        sys::error_queue::set_enabled(socket, false)
    }

    /// Takes the oldest error of the queue. The error of the socket (`SO_ERROR`) is cleared; read it first.
    ///
    /// # Errors
    /// If the queue cannot be read.
    pub fn take(socket: &impl AsFd) -> io::Result<Option<Self>> {
        while let Some(queued) = sys::error_queue::take(socket)? {
            let is_v6 = match queued.origin {
                libc::SO_EE_ORIGIN_ICMP => false,
                libc::SO_EE_ORIGIN_ICMP6 => true,
                _ => continue,
            };
            return Ok(Some(Self::from_queue(is_v6, &queued)));
        }
        Ok(None)
    }

    fn from_queue(is_v6: bool, queued: &QueuedError) -> Self {
        let QueuedError { errno, icmp_type, code, info, offender, .. } = *queued;
        let from = offender.map(|offender| offender.ip().to_canonical());
        let is_from_this_host = from.is_some_and(is_own);
        Self { is_v6, icmp_type, code, errno, from, is_from_this_host, info }
    }

    /// Meaning of type and code, in the words of RFC 792, RFC 1812 section 5.2.7.1 and RFC 4443.
    pub fn meaning(&self) -> &'static str {
        if self.is_v6 {
            meaning_v6(self.icmp_type, self.code)
        } else {
            meaning_v4(self.icmp_type, self.code)
        }
    }

    /// Name of the protocol.
    pub fn protocol(&self) -> &'static str {
        if self.is_v6 { "ICMPv6" } else { "ICMP" }
    }
}

/// Protocol, type, code, sender and meaning.
impl fmt::Display for IcmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.protocol(), self.icmp_type, self.code)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        write!(f, ": {}", self.meaning())
    }
}

/// Whether an address is one of this host's.
fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || sys::interfaces::addresses().is_ok_and(|own| own.contains(&ip))
}

fn meaning_v4(icmp_type: u8, code: u8) -> &'static str {
    match (icmp_type, code) {
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "fragmentation needed, and not allowed",
        (3, 5) => "source route failed",
        (3, 6) => "destination network unknown",
        (3, 7) => "destination host unknown",
        (3, 8) => "source host isolated",
        (3, 9) => "communication with the destination network administratively prohibited",
        (3, 10) => "communication with the destination host administratively prohibited",
        (3, 11) => "network unreachable for the type of service",
        (3, 12) => "host unreachable for the type of service",
        (3, 13) => "communication administratively prohibited",
        (3, 14) => "host precedence violation",
        (3, 15) => "precedence cutoff in effect",
        (4, 0) => "source quench",
        (11, 0) => "time to live exceeded in transit",
        (11, 1) => "fragment reassembly time exceeded",
        (12, 0) => "parameter problem: the pointer indicates the error",
        (12, 1) => "parameter problem: a required option is missing",
        (12, 2) => "parameter problem: bad length",
        (3, _) => "destination unreachable, with an unknown code",
        _ => "unknown ICMP type",
    }
}

fn meaning_v6(icmp_type: u8, code: u8) -> &'static str {
    match (icmp_type, code) {
        (1, 0) => "no route to destination",
        (1, 1) => "communication with destination administratively prohibited",
        (1, 2) => "beyond scope of source address",
        (1, 3) => "address unreachable",
        (1, 4) => "port unreachable",
        (1, 5) => "source address failed ingress or egress policy",
        (1, 6) => "reject route to destination",
        (1, 7) => "error in source routing header",
        (1, 8) => "headers too long",
        (2, 0) => "packet too big",
        (3, 0) => "hop limit exceeded in transit",
        (3, 1) => "fragment reassembly time exceeded",
        (4, 0) => "erroneous header field",
        (4, 1) => "unrecognized next header type",
        (4, 2) => "unrecognized IPv6 option",
        (4, 3) => "first fragment with an incomplete header chain",
        (1, _) => "destination unreachable, with an unknown code",
        _ => "unknown ICMPv6 type",
    }
}
