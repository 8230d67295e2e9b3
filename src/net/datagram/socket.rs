//! A datagram socket for async code, as streams are for connections.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::{CreateDatagram, DatagramProtocol, DatagramTransport};
use crate::net::{Address, ConnectError};

/// Received datagrams that wait; more stay in the kernel's buffer.
const MAX_WAITING: usize = 64;

/// Datagram endpoint with `recv_from` and `send_to` for async code. Dropping it closes the endpoint.
///
/// ```
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// event_loop.run_until_complete(async {
///     let server = handle.create_datagram_endpoint().local("127.0.0.1", 0).open_socket().await?;
///     let to = server.local_addr().and_then(loopctl::Address::as_inet).unwrap();
///     let client = handle.create_datagram_endpoint().remote_addr(to).open_socket().await?;
///     client.send(b"hello")?;
///     let (data, from) = server.recv_from().await?;
///     server.send_to(&data.to_ascii_uppercase(), &from.unwrap())?;
///     assert_eq!(client.recv().await?, b"HELLO");
///     Ok::<(), loopctl::BoxError>(())
/// })??;
/// # Ok::<(), loopctl::BoxError>(())
/// ```
#[doc(alias = "recvfrom")]
#[doc(alias = "sendto")]
#[must_use = "dropping it closes the endpoint"]
pub struct DatagramSocket {
    transport: DatagramTransport,
    inbox: Rc<RefCell<Inbox>>,
}

#[derive(Default)]
struct Inbox {
    waiting: VecDeque<io::Result<(Vec<u8>, Option<Address>)>>,
    wakers: Vec<Waker>,
    is_closed: bool,
}

struct Mailbox(Rc<RefCell<Inbox>>);

impl CreateDatagram {
    /// Opens the endpoint as a socket for async code, instead of with a protocol.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_socket(self) -> Result<DatagramSocket, ConnectError> {
        let inbox = Rc::<RefCell<Inbox>>::default();
        let mailbox = Mailbox(Rc::clone(&inbox));
        let endpoint = self.open(|| mailbox).await?;
        Ok(DatagramSocket { transport: endpoint.transport, inbox })
    }
}

impl DatagramSocket {
    /// Receives a datagram and the sender's address, which an unbound Unix socket does not have.
    ///
    /// # Errors
    /// The system's, such as `ConnectionRefused` from an ICMP error; `NotConnected` after a close.
    pub async fn recv_from(&self) -> io::Result<(Vec<u8>, Option<Address>)> {
        let received = poll_fn(|cx| {
            let mut inbox = self.inbox.borrow_mut();
            if let Some(received) = inbox.waiting.pop_front() {
                return Poll::Ready(received);
            }
            if inbox.is_closed {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            if !inbox.wakers.iter().any(|known| known.will_wake(cx.waker())) {
                inbox.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        });
        let received = received.await;
        if self.inbox.borrow().waiting.is_empty() {
            self.transport.resume_reading();
        }
        received
    }

    /// Receives a datagram, and ignores the sender's address.
    ///
    /// # Errors
    /// Those of [`recv_from`](Self::recv_from).
    pub async fn recv(&self) -> io::Result<Vec<u8>> {
        Ok(self.recv_from().await?.0)
    }

    /// Sends a datagram to an address. While the kernel's buffer is full, it is queued.
    ///
    /// # Errors
    /// Those of [`DatagramTransport::send_to`]. Errors of the system are returned by the next
    /// [`recv_from`](Self::recv_from).
    pub fn send_to(&self, data: &[u8], to: &Address) -> io::Result<()> {
        self.transport.send_to(data, Some(to))
    }

    /// Sends a datagram to the endpoint's remote address.
    ///
    /// # Errors
    /// Those of [`send_to`](Self::send_to).
    pub fn send(&self, data: &[u8]) -> io::Result<()> {
        self.transport.send_to(data, None)
    }

    /// Local address; `None` for an unnamed Unix socket.
    pub fn local_addr(&self) -> Option<&Address> {
        self.transport.local_addr()
    }

    /// The transport, for options.
    pub fn transport(&self) -> &DatagramTransport {
        &self.transport
    }
}

impl Mailbox {
    fn deliver(&self, received: io::Result<(Vec<u8>, Option<Address>)>) -> usize {
        let mut inbox = self.0.borrow_mut();
        inbox.waiting.push_back(received);
        let (count, wakers) = (inbox.waiting.len(), std::mem::take(&mut inbox.wakers));
        drop(inbox);
        wakers.into_iter().for_each(Waker::wake);
        count
    }
}

impl DatagramProtocol for Mailbox {
    fn datagram_received(
        &mut self,
        transport: &DatagramTransport,
        data: &[u8],
        from: Option<&Address>,
    ) {
        if self.deliver(Ok((data.to_owned(), from.cloned()))) >= MAX_WAITING {
            transport.pause_reading();
        }
    }

    fn error_received(&mut self, _: &DatagramTransport, error: io::Error) {
        self.deliver(Err(error));
    }

    fn connection_lost(&mut self, _: Option<io::Error>) {
        let mut inbox = self.0.borrow_mut();
        inbox.is_closed = true;
        let wakers = std::mem::take(&mut inbox.wakers);
        drop(inbox);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for DatagramSocket {
    fn drop(&mut self) {
        self.transport.close();
    }
}

impl fmt::Debug for DatagramSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<DatagramSocket {:?}>", self.transport)
    }
}
