//! The clients of a server, as its protocols see them.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use loopctl::{LoopHandle, Protocol, Transport};

use super::until;

/// Counts who comes and who goes, and echoes.
#[derive(Clone, Default)]
pub(crate) struct Guests(Rc<Book>);

#[derive(Default)]
struct Book {
    made: RefCell<Vec<Transport>>,
    lost: Cell<usize>,
}

impl Guests {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What to give to `serve`.
    pub(crate) fn factory(&self) -> impl FnMut() -> Guest + 'static {
        let guests = self.clone();
        move || Guest(guests.clone())
    }

    pub(crate) fn transports(&self) -> Vec<Transport> {
        self.0.made.borrow().clone()
    }

    pub(crate) fn made(&self) -> usize {
        self.0.made.borrow().len()
    }

    pub(crate) fn lost(&self) -> usize {
        self.0.lost.get()
    }

    /// Connects, and waits until the server has noticed.
    pub(crate) async fn invite(&self, event_loop: &LoopHandle, to: SocketAddr) -> TcpStream {
        let known = self.made();
        let client = guest(to);
        until(event_loop, || self.made() > known).await;
        client
    }
}

/// A client that blocks, but not for ever.
pub(crate) fn guest(to: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(to).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client
}

/// Whether `attempt` fails, at once or very soon: a process that another test is just starting has a copy of
/// every descriptor until it executes its program, listening sockets among them.
pub(crate) fn fails_soon<T, E>(mut attempt: impl FnMut() -> Result<T, E>) -> Option<E> {
    (0..500).find_map(|_| {
        let error = attempt().err();
        if error.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        error
    })
}

/// Whether nobody listens there any more.
pub(crate) fn is_refused(to: SocketAddr) -> bool {
    let error = fails_soon(|| TcpStream::connect(to));
    error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

pub(crate) struct Guest(Guests);

impl Protocol for Guest {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.0.made.borrow_mut().push(transport.clone());
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let _ = transport.write(data);
    }

    fn connection_lost(&mut self, _: Option<io::Error>) {
        self.0.0.lost.set(self.0.0.lost.get() + 1);
    }
}
