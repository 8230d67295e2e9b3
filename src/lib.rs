//! Event loop modelled on asyncio, with Happy Eyeballs connection racing (RFC 8305).
//!
//! The library implements CPython's `asyncio.base_events` on `mio`: one thread, one ready queue, one heap of timers.
//! The program `loopctl` uses it to find out why a connection is slow or fails.
//!
//! ```
//! use std::time::Duration;
//!
//! let answer = loopctl::run(async |event_loop| {
//!     let task = event_loop.create_task(async { 40 });
//!     event_loop.sleep(Duration::from_millis(1)).await;
//!     task.await.unwrap_or(0) + 2
//! })?;
//! assert_eq!(answer, 42);
//! # Ok::<(), loopctl::RunError>(())
//! ```
//!
//! # By task
//!
//! | task | start at |
//! |---|---|
//! | a client | [`LoopHandle::open_connection`], [`LoopHandle::create_connection`] |
//! | a server | [`LoopHandle::start_server`], [`LoopHandle::create_server`], [`CreateServer::incoming`] |
//! | datagrams | [`CreateDatagram::open_socket`], [`LoopHandle::create_datagram_endpoint`] |
//! | timers | [`LoopHandle::sleep`], [`LoopHandle::timeout`], [`LoopHandle::wait_for`], [`LoopHandle::call_later`] |
//! | tasks that end together | [`LoopHandle::task_group`], [`Task::cancel_on_drop`] |
//! | threads, blocking calls | [`LoopHandle::run_in_executor`], [`Remote::call_soon_threadsafe`] |
//! | child processes | [`CreateSubprocess::output`], [`CreateSubprocess::spawn`] |
//! | signals | [`run`] for ^C, [`LoopHandle::signal`], [`LoopHandle::add_signal_handler`] |
//! | any descriptor | [`LoopHandle::readable`], [`LoopHandle::add_reader`] |
//! | crates of the ecosystem | [`DuplexStream`]: feature `futures-io` (`AsyncRead`, `AsyncWrite`), feature `hyper` |
//!
//! The folder `examples` of the package has a whole program for most of these tasks.
//!
//! # asyncio and this library
//!
//! | asyncio | here |
//! |---|---|
//! | `run`, `Runner` | [`run`] |
//! | `get_running_loop` | [`running_loop`], or the handle that `run` gives to `main` |
//! | `create_task`, `TaskGroup` | [`LoopHandle::create_task`], [`LoopHandle::task_group`] |
//! | `gather`, `wait`, `as_completed` | `join_all`, `select`, `FuturesUnordered` of the crate futures-util |
//! | `shield` | dropping a [`Task`] does not cancel it |
//! | `timeout`, `timeout_at` | [`LoopHandle::timeout`], [`LoopHandle::timeout_at`]: the future is dropped |
//! | `wait_for` | [`LoopHandle::wait_for`]: the task is cancelled, and its end is awaited |
//! | `to_thread` | [`LoopHandle::run_in_executor`] |
//! | `Future` | [`Promise`] and [`Deferred`] |
//! | `Queue` | the crate async-channel, which needs no runtime |
//! | `Lock`, `Semaphore`, `Barrier` | the crate async-lock, which needs no runtime |
//! | `Event`, `Condition` | the crate event-listener, which needs no runtime |
//! | `create_subprocess_exec` | [`LoopHandle::subprocess_exec`] with [`CreateSubprocess::spawn`] |
//! | `readline`, `readuntil` | [`StreamReader::read_line`], [`StreamReader::read_until`] |
//! | `get_extra_info` | [`Transport::peer`], [`Transport::local`], [`Transport::socket`] |
//!
//! # Layers
//!
//! Each layer uses only those above it in this table: **plan decides, event_loop runs jobs, task awaits, net does
//! I/O**. The program prints.
//!
//! | layer | contents |
//! |---|---|
//! | [`plan`] | decisions without I/O: [`Race`](plan::Race), [`interleave`](plan::interleave), [`Timers`](plan::Timers), [`Watermarks`](plan::Watermarks) |
//! | event_loop | [`EventLoop`], [`LoopHandle`], [`Handle`], [`Remote`], [`ErrorContext`], [`SlowCallback`] |
//! | task | [`Task`], [`Promise`] and [`Deferred`], [`Sleep`], [`Executor`], [`TrackedGenerator`], [`run`] |
//! | net | [`Lookup`], [`Resolver`], [`CreateConnection`], [`CreateServer`], [`Transport`], [`Protocol`], [`BufferedProtocol`] |
//! | net | [`StreamReader`], [`CreateDatagram`], [`ReadPipe`], [`WritePipe`], [`CreateSubprocess`], [`Event`] |
//! | net | [`Sendfile`], [`Sent`], [`SendfileError`]: files, copied by the kernel if possible |
//! | net | with the feature `dns`: `DnsClient`, `DnsAnswer`, `DnsError`, `DnsEvent` |
//! | net | with the feature `dnssec`: `TrustAnchors`, `DnsValidation`, `DnsProof` |
//! | net | with the feature `routes`: `route_to`, `interfaces` |
//! | net | with the feature `tls`: `TlsClient`, `TlsServer`, `TlsInfo`, `TlsError` |
//!
//! # One turn
//!
//! ```text
//!            ┌──────────────────────────────────────────────────────────────┐
//!            ▼                                                              │
//!   sweep cancelled timers → wait for events → collect → run ready jobs ────┘
//!                            (0 if a job is    jobs from other threads,    new jobs wait
//!                             ready, else to   then I/O, then due timers   for the next turn
//!                             the next timer)
//! ```
//!
//! Callbacks, task steps and I/O are jobs in one queue, run in order. User code is never called from inside other
//! user code: scheduling a callback, setting a promise or losing a connection only adds a job to the queue.
//!
//! # Names
//!
//! Methods have asyncio's names (`call_soon`, `create_task`, `run_in_executor`). The race uses the terms of RFC 8305
//! (Connection Attempt Delay, First Address Family Count), and outcomes are those of qlog (success, failure,
//! timeout, canceled).

mod event_loop;
mod net;
pub mod plan;
mod sys;
mod task;

pub use event_loop::{
    CallbackOutput, Clock, EnteredLoop, ErrorContext, EventLoop, ExceptionHandler, Handle, JobInfo,
    JobKind, LoopClosed, LoopExit, LoopHandle, Remote, RemoteHandle, RunError, SignalWait,
    SlowCallback, SlowTurn, TimerHandle, running_loop,
};
#[cfg(all(fuzzing, feature = "dns"))]
#[doc(hidden)]
pub use net::fuzz_decode;
pub use net::{
    AbortReason, AddrInfo, AddrInfoFlags, Address, AfterEof, AttemptError, BindError,
    BufferedProtocol, ChildPipe, ChildStdio, ConfFlags, ConfSource, ConfiguredServer, ConnectError,
    Connection, CopyReason, CreateConnection, CreateDatagram, CreateServer, CreateSubprocess,
    DatagramProtocol, DatagramSocket, DatagramTransport, DuplexStream, EaiCode, Endpoint, Event,
    EventKind, Failure, Hosts, HostsAddress, HostsFile, IcmpError, Incoming, Keepalive, Lookup,
    NameInfoFlags, PassedOver, PassedOverReason, Phase, Process, Protocol, ReadPipe,
    ReadPipeProtocol, ResolvConf, ResolveError, Resolver, Resolving, Sendfile, SendfileError,
    SendfileMethod, SendfilePath, SendfilePhase, Sent, Server, ServerError, Shutdown, SocketOption,
    SocketOptions, SocketSnapshot, SocketView, StreamError, StreamProtocol, StreamReader,
    StreamWriter, SubprocessProtocol, SubprocessTransport, TcpInfo, TcpOptions, TcpTraffic,
    TimerEnd, Transport, UnreadableConf, WritePipe, WritePipeProtocol, acknowledged_bytes,
    inet_aton, interface_index, kernel_tls, listen, open_to_send, raise_descriptor_limit,
    read_config_file, source_address, tcp_socket,
};
#[cfg(feature = "tls")]
pub use net::{
    CertificateKey, CertificateName, CertificateProblem, OcspAnswer, OcspStatus, PeerCertificate,
    PlainProtocol, StartTls, TlsAlert, TlsClient, TlsClientBuilder, TlsConfigError, TlsError,
    TlsErrorKind, TlsInfo, TlsPeer, TlsRole, TlsServer, TlsServerBuilder, TlsVerdict, TlsVersion,
};
#[cfg(feature = "dns")]
pub use net::{
    DnsAddress, DnsAnswer, DnsClient, DnsClientBuilder, DnsConfigError, DnsData, DnsError,
    DnsErrorKind, DnsEvent, DnsEventKind, DnsExchange, DnsFlags, DnsIgnored, DnsLookup, DnsOddity,
    DnsRecord, DnsServer, EdnsFallback, ExtendedError, Rcode, RecordType, RecordTypeError,
    ServiceBinding, StartOfAuthority,
};
#[cfg(feature = "dnssec")]
pub use net::{DnsProof, DnsProofReason, DnsSetProof, DnsValidation, TrustAnchors};
#[cfg(feature = "hyper")]
pub use net::{HyperExecutor, HyperTimer};
#[cfg(feature = "routes")]
pub use net::{Interface, Route, RouteKind, RoutePrefix, interfaces, route_to};
pub use plan::{Flow, LimitsError, WriteLimits};
pub use task::{
    AsyncGenerator, CancelOnDrop, Cancelled, Deferred, Elapsed, Executor, GroupError, GroupOutput,
    LocalFuture, Promise, Sleep, Task, TaskFactory, TaskGroup, TaskRef, TrackedGenerator, run,
};

/// Boxed error, such as that of a callback.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
