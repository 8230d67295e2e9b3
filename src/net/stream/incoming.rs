//! Accepted clients as a stream of readers and writers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{StreamProtocol, StreamReader, StreamWriter};
use crate::net::{CreateServer, Server, ServerError};

/// Accepted clients of a server, one after another; with the feature `futures-io` also a `Stream` of futures-core.
///
/// Dropping it closes the server. Clients that were not taken are closed; [`CreateServer::max_connections`] limits how
/// many wait here.
#[must_use = "dropping it closes the server"]
pub struct Incoming {
    server: Server,
    queue: Rc<Queue>,
}

#[derive(Default)]
struct Queue {
    clients: RefCell<VecDeque<(StreamReader, StreamWriter)>>,
    waker: Cell<Option<Waker>>,
}

impl CreateServer {
    /// Serves, and returns the clients one after another instead of giving each to a handler.
    ///
    /// ```
    /// loopctl::run(async |event_loop| {
    ///     let mut incoming = event_loop.create_server("127.0.0.1", 0).incoming().await?;
    ///     let port = incoming.local_addrs()[0].port();
    ///     let (mut reader, _writer) = event_loop.open_connection("127.0.0.1", port).await?;
    ///     let (_, mut writer) = incoming.next().await.unwrap();
    ///     writer.write_all(b"hello\n").await?;
    ///     assert_eq!(reader.read_line().await?, b"hello\n");
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn incoming(self) -> Result<Incoming, ServerError> {
        let queue = Rc::<Queue>::default();
        let filled = Rc::clone(&queue);
        let factory = move || {
            let queue = Rc::clone(&filled);
            StreamProtocol::connecting(move |reader, writer| {
                queue.clients.borrow_mut().push_back((reader, writer));
                queue.waker.take().into_iter().for_each(Waker::wake);
            })
        };
        Ok(Incoming { server: self.serve(factory).await?, queue })
    }
}

impl Incoming {
    /// Next client; `None` after the server was closed.
    pub async fn next(&mut self) -> Option<(StreamReader, StreamWriter)> {
        poll_fn(|cx| self.poll_client(cx)).await
    }

    fn poll_client(&self, cx: &mut Context<'_>) -> Poll<Option<(StreamReader, StreamWriter)>> {
        let client = self.queue.clients.borrow_mut().pop_front();
        if client.is_some() || !self.server.is_serving() {
            return Poll::Ready(client);
        }
        self.queue.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Deref for Incoming {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

#[cfg(feature = "futures-io")]
impl futures_core::Stream for Incoming {
    type Item = (StreamReader, StreamWriter);

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(StreamReader, StreamWriter)>> {
        self.poll_client(cx)
    }
}

impl Drop for Incoming {
    /// Clients are dropped after the server has stopped accepting.
    fn drop(&mut self) {
        self.server.close();
        let clients = self.queue.clients.take();
        drop(clients);
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Incoming waiting={} {:?}>", self.queue.clients.borrow().len(), self.server)
    }
}
