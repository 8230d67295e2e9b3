//! An event loop in asyncio's image, and connections raced the Happy Eyeballs way.
//!
//! The library re-creates the system of CPython's `asyncio.base_events` on `mio`: one thread, one queue, one
//! heap of timers. Its first user is the program `loopctl`, which says why a connection is slow or fails.
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
//! # Rooms
//!
//! Data runs one way: **plan decides, event_loop turns, task waits, net acts**, and the program tells.
//!
//! | room | what is in it |
//! |---|---|
//! | [`plan`] | decisions without I/O: [`Race`](plan::Race), [`interleave`](plan::interleave), [`Timers`](plan::Timers), [`Watermarks`](plan::Watermarks) |
//! | event_loop | [`EventLoop`], [`LoopHandle`], [`Handle`], [`Remote`], [`ErrorContext`], [`SlowCallback`] |
//! | task | [`Task`], [`Promise`] and [`Deferred`], [`Sleep`], [`Executor`], [`TrackedGenerator`], [`run`] |
//! | net | [`Lookup`], [`Resolver`], [`CreateConnection`], [`CreateServer`], [`Transport`], [`Protocol`], [`BufferedProtocol`] |
//! | net | [`StreamReader`], [`CreateDatagram`], [`ReadPipe`], [`WritePipe`], [`CreateSubprocess`], [`Event`] |
//! | net | [`Sendfile`], [`Sent`], [`SendfileError`]: files, by the kernel where it can |
//! | net | with the feature `dns`: `DnsClient`, `DnsAnswer`, `DnsError`, `DnsEvent` |
//! | net | with the feature `dnssec`: `TrustAnchors`, `DnsValidation`, `DnsProof` |
//! | net | with the feature `tls`: `TlsClient`, `TlsServer`, `TlsInfo`, `TlsError` |
//!
//! # One turn
//!
//! ```text
//!            ┌──────────────────────────────────────────────────────────────┐
//!            ▼                                                              │
//!   sweep cancelled timers → wait for events → collect → run what was ready ┘
//!                            (0 if anything    posts from other threads,   what that schedules
//!                             is ready, else   then I/O, then due timers   waits for the next turn
//!                             to next timer)
//! ```
//!
//! Callbacks, task steps and readiness are all jobs in one queue, first come, first served. Nothing is called
//! from inside anything else: a callback that schedules, a promise that is set, a transport that fails, each
//! puts a job on the queue.
//!
//! # Names
//!
//! Verbs are asyncio's (`call_soon`, `create_task`, `run_in_executor`); the race speaks RFC 8305 (Connection
//! Attempt Delay, First Address Family Count); outcomes are qlog's (success, failure, timeout, canceled).

mod event_loop;
mod net;
pub mod plan;
mod sys;
mod task;

pub use event_loop::{
    CallbackOutput, Clock, EnteredLoop, ErrorContext, EventLoop, ExceptionHandler, Handle, JobInfo,
    JobKind, LoopClosed, LoopExit, LoopHandle, Remote, RemoteHandle, RunError, SlowCallback,
    SlowTurn, TimerHandle, running_loop,
};
#[cfg(all(fuzzing, feature = "dns"))]
#[doc(hidden)]
pub use net::fuzz_decode;
pub use net::{
    AbortReason, AddrInfo, AddrInfoFlags, Address, AfterEof, AttemptError, BindError,
    BufferedProtocol, ChildPipe, ChildStdio, ConnectError, Connection, CopyReason,
    CreateConnection, CreateDatagram, CreateServer, CreateSubprocess, DatagramProtocol,
    DatagramTransport, EaiCode, Endpoint, Event, EventKind, Failure, Hosts, Keepalive, Lookup,
    NameInfoFlags, Phase, Protocol, ReadPipe, ReadPipeProtocol, ResolveError, Resolver, Resolving,
    Sendfile, SendfileError, SendfileMethod, SendfilePath, SendfilePhase, Sent, Server,
    ServerError, Shutdown, SocketOption, SocketOptions, SocketSnapshot, SocketView, StreamError,
    StreamProtocol, StreamReader, StreamWriter, SubprocessProtocol, SubprocessTransport, TcpInfo,
    TcpOptions, TimerEnd, Transport, WritePipe, WritePipeProtocol, kernel_tls, listen,
    open_to_send, raise_descriptor_limit, source_address,
};
#[cfg(feature = "tls")]
pub use net::{
    CertificateProblem, StartTls, TlsAlert, TlsClient, TlsClientBuilder, TlsConfigError, TlsError,
    TlsErrorKind, TlsInfo, TlsPeer, TlsRole, TlsServer, TlsServerBuilder, TlsVerdict, TlsVersion,
};
#[cfg(feature = "dns")]
pub use net::{
    DnsAddress, DnsAnswer, DnsClient, DnsClientBuilder, DnsConfigError, DnsData, DnsError,
    DnsErrorKind, DnsEvent, DnsEventKind, DnsExchange, DnsFlags, DnsIgnored, DnsLookup, DnsRecord,
    DnsServer, ExtendedError, Rcode, RecordType, RecordTypeError, ServiceBinding, StartOfAuthority,
};
#[cfg(feature = "dnssec")]
pub use net::{DnsProof, DnsProofReason, DnsSetProof, DnsValidation, TrustAnchors};
pub use plan::{Flow, LimitsError, WriteLimits};
pub use task::{
    AsyncGenerator, Cancelled, Deferred, Elapsed, Executor, LocalFuture, Promise, Sleep, Task,
    TaskFactory, TaskRef, TrackedGenerator, run,
};

/// Any error, boxed: what a callback may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
