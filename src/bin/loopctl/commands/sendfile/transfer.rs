//! The transfer itself, until the peer's kernel has acknowledged every byte.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::num::NonZero;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::{select, try_join};
use loopctl::{LoopHandle, Sendfile, SendfilePhase, Sent, StreamReader, StreamWriter, Transport};

use super::acknowledged::Acknowledged;
use super::checksum::Checksums;
use super::input::{Change, Input};
use super::resume;
use crate::config::SendRequest;
use crate::output::progress::bar::Progress;
use crate::report::transfer::{FileChange, TransferError, TransferProgress, TransferReport};
use crate::util::rate_limiter::RateLimiter;

/// Poll interval of the idle timeout: acknowledgements have no event.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// SO_SNDBUF of a Unix socket, in bytes.
const UNIX_BUFFER: usize = 2 << 20;

/// Time for the peer to close after our end-of-file.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);

/// A transfer, shared by the task that sends and the progress bar.
pub(crate) struct Transfer {
    pub(crate) event_loop: LoopHandle,
    transport: Transport,
    started: Instant,
    /// Rest of `--timeout` after connecting.
    time_left: Option<Duration>,
    phase: Cell<Phase>,
    went: Cell<TransferProgress>,
    acknowledged: Acknowledged,
}

/// The event that the transfer waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// Local work.
    #[default]
    Local,
    /// The first line of a sink with `--resume`.
    Offer,
    /// The peer's acknowledgements.
    Content,
    /// The last line of a sink with `--resume`.
    Receipt,
}

impl Transfer {
    /// `time_left`: rest of `--timeout` after connecting.
    pub(crate) fn new(
        event_loop: &LoopHandle,
        transport: &Transport,
        time_left: Option<Duration>,
    ) -> Rc<Self> {
        if transport.peer().is_some_and(|peer| peer.as_inet().is_none()) {
            // Unix sockets have a small fixed buffer, where TCP's grow. If the kernel refuses, the transfer only
            // needs more calls.
            let _ = transport.socket().set_send_buffer_size(UNIX_BUFFER);
        }
        Rc::new(Self {
            event_loop: event_loop.clone(),
            transport: transport.clone(),
            started: event_loop.time(),
            time_left,
            phase: Cell::default(),
            went: Cell::default(),
            acknowledged: Acknowledged::new(transport),
        })
    }

    pub(crate) fn took(&self) -> Duration {
        self.event_loop.time() - self.started
    }

    /// Bytes sent so far.
    pub(crate) fn went(&self) -> TransferProgress {
        self.went.get()
    }

    /// After a failure: bytes that the peer has acknowledged, because what the kernel took may never have left. For
    /// sockets without acknowledgements, those that the kernel took.
    pub(crate) fn acknowledged(&self) -> TransferProgress {
        let went = self.went();
        let bytes = self.acknowledged.content().map_or(went.bytes, |it| it.min(went.bytes));
        TransferProgress { bytes, ..went }
    }

    /// Lets go of the connection, which is about to be closed.
    pub(crate) fn forget_socket(&self) {
        self.acknowledged.close();
    }

    /// The state of the progress bar.
    pub(crate) fn progress(&self) -> Progress {
        Progress { had: self.went().had, sent: self.went().bytes, took: self.took() }
    }

    /// Sends the file within its time limits.
    pub(crate) async fn run(
        &self,
        request: &SendRequest,
        input: &mut Input,
        stream: &mut (StreamReader, StreamWriter),
        sending: &mut TransferReport,
    ) -> Result<(), TransferError> {
        let sent = async {
            let transfer = self.transfer(request, input, stream, sending);
            select(pin!(transfer), pin!(self.idle_timeout(request.idle))).await.factor_first().0
        };
        let late = async {
            let (Some(limit), Some(left)) = (request.limit, self.time_left) else {
                return pending().await;
            };
            self.event_loop.sleep(left).await;
            Err(TransferError::Timeout(limit))
        };
        let result = select(pin!(sent), pin!(late)).await.factor_first().0;
        self.record_retransmits();
        result
    }

    async fn transfer(
        &self,
        request: &SendRequest,
        input: &mut Input,
        stream: &mut (StreamReader, StreamWriter),
        sending: &mut TransferReport,
    ) -> Result<(), TransferError> {
        let (reader, writer) = stream;
        let sums = match request.resumes() {
            true => self.negotiate(request, input, reader, writer).await?,
            false => Checksums::new(request.checksum),
        };
        sending.offset = input.offset;
        sending.wanted = input.wanted();
        let summing = async {
            let Some(algorithm) = request.checksum else { return Ok(sums) };
            debug_assert!(sums.get(algorithm).is_some());
            let count = input.count.map_or(0, NonZero::get);
            sums.add(&self.event_loop, &input.file, input.offset, count)
                .await
                .map_err(TransferError::file)
        };
        let sending_all = self.send_all(request, input, writer, reader);
        let (sums, ()) = try_join(pin!(summing), pin!(sending_all)).await?;
        sending.sum = request.checksum.and_then(|algorithm| sums.get(algorithm));
        sending.change = self.change(request, input, sending).await?;
        if request.resumes() {
            self.phase.set(Phase::Receipt);
            let receipt = resume::read_receipt(reader).await?;
            let ours = request.checksum.map(|_| sums.get(receipt.sum.algorithm));
            receipt.check(input.offset + self.went().bytes, ours)?;
        }
        Ok(())
    }

    /// The warning about a file that changed during the transfer.
    ///
    /// # Errors
    /// A file of which the checksum has changed.
    async fn change(
        &self,
        request: &SendRequest,
        input: &Input,
        sending: &TransferReport,
    ) -> Result<Option<FileChange>, TransferError> {
        let Some(change) = input.change() else { return Ok(None) };
        if let (Some(then), false) = (&sending.sum, request.resumes()) {
            let (start, count) = (input.offset, self.went().bytes);
            let sums = Checksums::new([then.algorithm]);
            let sums = sums
                .add(&self.event_loop, &input.file, start, count)
                .await
                .map_err(TransferError::file)?;
            match sums.get(then.algorithm) {
                Some(now) if now != *then => {
                    return Err(TransferError::Changed { then: then.clone(), now });
                }
                _ => {}
            }
        }
        Ok(Some(match change {
            Change::Growth(bytes) => FileChange::Growth(bytes),
            Change::Content => FileChange::Content,
            // The checksums are equal, or --checksum was not given.
            Change::Attributes => return Ok(None),
        }))
    }

    /// Checks that the sink has the beginning of the file, and announces the rest.
    async fn negotiate(
        &self,
        request: &SendRequest,
        input: &mut Input,
        reader: &mut StreamReader,
        writer: &mut StreamWriter,
    ) -> Result<Checksums, TransferError> {
        self.phase.set(Phase::Offer);
        let offer = resume::read_offer(reader).await?;
        self.phase.set(Phase::Local);
        input.resume_at(offer.size)?;
        let sums = Checksums::new([offer.sum.algorithm].into_iter().chain(request.checksum));
        let sums = sums
            .add(&self.event_loop, &input.file, 0, offer.size)
            .await
            .map_err(TransferError::file)?;
        if let Some(ours) = sums.get(offer.sum.algorithm) {
            offer.check_beginning(&ours)?;
        }
        self.went.set(TransferProgress { had: offer.size, ..self.went() });
        self.acknowledged.exclude(resume::announce(writer, input));
        Ok(sums)
    }

    async fn send_all(
        &self,
        request: &SendRequest,
        input: &Input,
        writer: &mut StreamWriter,
        reader: &mut StreamReader,
    ) -> Result<(), TransferError> {
        self.phase.set(Phase::Content);
        let sending = async {
            if !input.is_empty() {
                self.send(request, input, writer).await?;
            }
            let (sent, wanted) = (self.went().bytes, input.count.map_or(0, NonZero::get));
            if sent < wanted {
                // Without end-of-file, so that the peer does not take it for the whole.
                return Err(TransferError::Short { sent, wanted });
            }
            writer.write_eof();
            if !request.resumes() {
                self.wait_acknowledged().await;
            }
            Ok(())
        };
        if request.resumes() {
            // The receipt says whether everything arrived.
            return sending.await;
        }
        let mut peer = Peer::default();
        select(pin!(sending), pin!(peer.wait_error(reader))).await.factor_first().0?;
        // A peer that closes without reading loses what its kernel has acknowledged, and sends a RST. Most peers
        // close soon after our end-of-file.
        let ended = self.event_loop.timeout(CLOSE_TIMEOUT, peer.wait_eof(reader)).await;
        ended.unwrap_or(Ok(()))
    }

    async fn send(
        &self,
        request: &SendRequest,
        input: &Input,
        writer: &mut StreamWriter,
    ) -> Result<(), TransferError> {
        let mut pace = request.rate.map(RateLimiter::new);
        let mut left = input.count.map(NonZero::get);
        loop {
            let before = self.went();
            let piece = pace.as_ref().map(|pace| pace.chunk_size() as u64);
            let count = left.into_iter().chain(piece).min().and_then(NonZero::new);
            let count_up = |sent: Sent| {
                self.acknowledged.record_sent(before.bytes + sent.bytes);
                self.went.set(before.and(sent));
            };
            let mut what =
                Sendfile::new(&input.file).offset(input.offset_after(before.bytes)).keep_reading();
            if let Some(count) = count {
                what = what.count(count);
            }
            let sending = writer.sendfile(what.method(request.method).progress(&count_up)).await;
            let sent = match sending {
                Err(error) if error.phase == SendfilePhase::Check && writer.is_closing() => {
                    // The connection broke between two pieces.
                    let why = writer.wait_closed().await.err();
                    return Err(TransferError::send(why.unwrap_or(error.error)));
                }
                sent => sent?,
            };
            left = left.map(|left| left - sent.bytes);
            let is_over = count.is_none_or(|count| sent.bytes < count.get());
            let Some(pace) = pace.as_mut().filter(|_| !is_over && left != Some(0)) else {
                return Ok(());
            };
            pace.record(sent.bytes as usize, self.event_loop.time());
            self.event_loop.sleep(pace.delay(self.event_loop.time())).await;
        }
    }

    /// Waits until the peer's kernel has everything; on a Unix socket, until the peer has read it.
    async fn wait_acknowledged(&self) {
        let mut pause = Duration::from_micros(100);
        while self.has_unacknowledged() {
            self.event_loop.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Whether bytes are queued or in flight.
    fn has_unacknowledged(&self) -> bool {
        let socket = self.transport.socket();
        self.transport.write_buffer_size() > 0 || socket.is_acknowledged() == Some(false)
    }

    /// Fails when nothing has moved for `limit` although it was the peer's turn. A slow input does not count, nor
    /// does a rate.
    async fn idle_timeout(&self, limit: Duration) -> Result<(), TransferError> {
        let mut known = None;
        let mut since = self.event_loop.time();
        loop {
            let phase = self.phase.get();
            let buffers =
                (self.transport.socket().send_memory(), self.transport.write_buffer_size());
            let now = Some((phase, self.went(), buffers));
            let is_peers_turn = match phase {
                Phase::Local => false,
                Phase::Content => self.has_unacknowledged(),
                Phase::Offer | Phase::Receipt => true,
            };
            if now != known || !is_peers_turn {
                (known, since) = (now, self.event_loop.time());
            }
            let left = limit.saturating_sub(self.event_loop.time() - since);
            if left.is_zero() {
                return Err(match phase {
                    Phase::Offer => TransferError::NoOffer(limit),
                    Phase::Receipt => TransferError::NoReceipt(limit),
                    Phase::Content | Phase::Local => TransferError::Idle(limit),
                });
            }
            self.event_loop.sleep(left.min(POLL_INTERVAL)).await;
        }
    }

    fn record_retransmits(&self) {
        if let Some(info) = self.transport.socket().tcp_info() {
            self.went.set(TransferProgress { retransmits: Some(info.retransmits), ..self.went() });
        }
    }
}

/// Bytes from a peer of which nothing is expected.
#[derive(Default)]
struct Peer {
    /// The first bytes, to recognize a sink with `--resume`.
    prefix: Vec<u8>,
}

impl Peer {
    /// Discards bytes until end-of-file.
    ///
    /// # Errors
    /// Those of the connection, and a sink with `--resume`, which waits for an answer.
    async fn wait_eof(&mut self, reader: &mut StreamReader) -> Result<(), TransferError> {
        loop {
            let data = reader.read_some(64 * 1024).await.map_err(TransferError::send)?;
            if data.is_empty() {
                return Ok(());
            }
            let missing = resume::GREETING.len() - self.prefix.len();
            self.prefix.extend(data.iter().take(missing));
            if self.prefix == resume::GREETING {
                return Err(TransferError::ResumeRequired);
            }
        }
    }

    /// Waits for an error; end-of-file is none, because the peer may still read.
    async fn wait_error(&mut self, reader: &mut StreamReader) -> Result<(), TransferError> {
        match self.wait_eof(reader).await {
            Ok(()) => pending().await,
            Err(TransferError::Send(failure)) if failure.kind == io::ErrorKind::BrokenPipe => {
                pending().await
            }
            Err(error) => Err(error),
        }
    }
}
