//! Streams: a reader and a writer for async code, on top of a transport.

mod duplex;
#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
mod hyper;
mod incoming;
#[cfg(any(feature = "futures-io", feature = "hyper"))]
mod poll;
mod protocol;
mod read_buffer;
mod reader;
mod writer;

use std::panic::Location;
use std::rc::Rc;

use crate::event_loop::{CallbackOutput, LoopHandle};
use crate::net::{ConnectError, CreateConnection, CreateServer, Hosts, Server, ServerError};
use crate::plan::{Host, Port};

pub use duplex::DuplexStream;
#[cfg(feature = "hyper")]
pub use hyper::{HyperExecutor, HyperTimer};
pub use incoming::Incoming;
pub use protocol::StreamProtocol;
pub use read_buffer::StreamError;
pub use reader::StreamReader;
pub use writer::StreamWriter;

impl CreateConnection {
    /// Connects, and returns the reader and the writer of the connection.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_stream(self) -> Result<(StreamReader, StreamWriter), ConnectError> {
        Ok(self.open(StreamProtocol::new).await?.into_stream())
    }
}

impl CreateServer {
    /// Serves every connection with a separate task, which owns the reader and the writer; see
    /// [`StreamProtocol::serving`].
    ///
    /// The handler may capture what its connections share. An error that it returns goes to the exception handler.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// loopctl::run(async |event_loop| {
    ///     let visits = Rc::new(Cell::new(0));
    ///     let shared = Rc::clone(&visits);
    ///     let server = event_loop.create_server("127.0.0.1", 0).serve_streams(async move |_, mut writer| {
    ///         shared.set(shared.get() + 1);
    ///         writer.write_all(format!("visit {}\n", shared.get()).as_bytes()).await
    ///     });
    ///     let server = server.await?;
    ///     let port = server.local_addrs()[0].port();
    ///     let (mut reader, _writer) = event_loop.open_connection("127.0.0.1", port).await?;
    ///     assert_eq!(reader.read_line().await?, b"visit 1\n");
    ///     assert_eq!(visits.get(), 1);
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    #[doc(alias = "start_server")]
    #[track_caller]
    pub fn serve_streams<O: CallbackOutput>(
        self,
        handler: impl AsyncFn(StreamReader, StreamWriter) -> O + 'static,
    ) -> impl Future<Output = Result<Server, ServerError>> {
        let (event_loop, handler) = (self.handle().clone(), Rc::new(handler));
        let origin = Location::caller();
        let factory = move || {
            let handler = Rc::clone(&handler);
            let serve = async move |reader, writer| handler(reader, writer).await;
            StreamProtocol::serving_at(origin, &event_loop, serve)
        };
        self.serve(factory)
    }
}

impl LoopHandle {
    /// Listens on a host, on several hosts, or on all interfaces (an empty string), and serves every connection
    /// with a separate task; asyncio's `start_server`. For options, see [`CreateServer::serve_streams`].
    ///
    /// ```
    /// loopctl::run(async |event_loop| {
    ///     let server = event_loop.start_server("127.0.0.1", 0, async |mut reader, mut writer| {
    ///         while let Ok(line) = reader.read_line().await && !line.is_empty() {
    ///             let _ = writer.write_all(&line.to_ascii_uppercase()).await;
    ///         }
    ///     });
    ///     let server = server.await?;
    ///     let port = server.local_addrs()[0].port();
    ///     let (mut reader, mut writer) = event_loop.open_connection("127.0.0.1", port).await?;
    ///     writer.write_all(b"hello\n").await?;
    ///     assert_eq!(reader.read_line().await?, b"HELLO\n");
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// [`ServerError`], with the address that failed.
    #[track_caller]
    pub fn start_server<O: CallbackOutput>(
        &self,
        hosts: impl Into<Hosts>,
        port: impl Into<Port>,
        handler: impl AsyncFn(StreamReader, StreamWriter) -> O + 'static,
    ) -> impl Future<Output = Result<Server, ServerError>> {
        self.create_server(hosts, port).serve_streams(handler)
    }

    /// Connects to a host, and returns the reader and the writer of the connection; asyncio's `open_connection`.
    /// For options, see [`CreateConnection::open_stream`].
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
    /// let port = listener.local_addr()?.port();
    /// let (reader, writer) =
    ///     event_loop.run_until_complete(handle.open_connection("127.0.0.1", port))??;
    /// assert!(!reader.at_eof() && !writer.is_closing());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`], with every attempt that was made.
    pub async fn open_connection(
        &self,
        host: impl Into<Host>,
        port: impl Into<Port>,
    ) -> Result<(StreamReader, StreamWriter), ConnectError> {
        self.create_connection(host, port).open_stream().await
    }
}
