//! The transfer: the bytes, at their pace, until the peer's kernel has them all.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::num::NonZero;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::{LoopHandle, Sendfile, SendfilePhase, Sent, StreamReader, StreamWriter, Transport};

use super::checksum::Sums;
use super::input::{Change, Input};
use super::resume;
use crate::config::SendRequest;
use crate::output::progress::bar::Progress;
use crate::report::transfer::{FileChange, TransferError, TransferProgress, TransferReport};
use crate::util::rate_limiter::RateLimiter;
use crate::util::select::first;

/// How often it is looked whether the peer has taken something.
const LOOK: Duration = Duration::from_millis(250);

/// How much a Unix socket is to hold, in bytes.
const UNIX_BUFFER: usize = 2 << 20;

/// How long the peer may take to say that it has read everything.
const FAREWELL: Duration = Duration::from_millis(250);

/// A transfer, for those who send and those who watch.
pub(crate) struct Course {
    pub(crate) event_loop: LoopHandle,
    transport: Transport,
    began: Instant,
    /// Of the time for the whole, if there is a limit.
    left: Option<Duration>,
    stage: Cell<Stage>,
    went: Cell<TransferProgress>,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// What is done here.
    #[default]
    Here,
    /// What the peer has.
    Offer,
    /// The peer to take what it is sent.
    Body,
    /// What the peer has stored.
    Receipt,
}

impl Course {
    /// `left`: of the time that there is for connecting and sending.
    pub(crate) fn new(
        event_loop: &LoopHandle,
        transport: &Transport,
        left: Option<Duration>,
    ) -> Rc<Self> {
        if transport.peer().is_some_and(|peer| peer.as_inet().is_none()) {
            // The kernel gives Unix sockets a fixed buffer, a fraction of what TCP's grow to. What it refuses
            // costs calls, and nothing else.
            let _ = transport.socket().set_send_buffer_size(UNIX_BUFFER);
        }
        let (began, stage, went) = (event_loop.time(), Cell::default(), Cell::default());
        Rc::new(Self {
            event_loop: event_loop.clone(),
            transport: transport.clone(),
            began,
            left,
            stage,
            went,
        })
    }

    pub(crate) fn took(&self) -> Duration {
        self.event_loop.time() - self.began
    }

    /// How much has gone so far.
    pub(crate) fn went(&self) -> TransferProgress {
        self.went.get()
    }

    /// The same for people.
    pub(crate) fn progress(&self) -> Progress {
        Progress { had: self.went().had, sent: self.went().bytes, took: self.took() }
    }

    /// All of it, within its time.
    pub(crate) async fn run(
        &self,
        request: &SendRequest,
        input: &mut Input,
        stream: &mut (StreamReader, StreamWriter),
        sending: &mut TransferReport,
    ) -> Result<(), TransferError> {
        let sent = async {
            let transfer = self.transfer(request, input, stream, sending);
            first(pin!(transfer), pin!(self.idleness(request.idle))).await
        };
        let late = async {
            let (Some(limit), Some(left)) = (request.limit, self.left) else {
                return pending().await;
            };
            self.event_loop.sleep(left).await;
            Err(TransferError::TimedOut(limit))
        };
        let result = first(pin!(sent), pin!(late)).await;
        self.note_retransmits();
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
            true => self.agree(request, input, reader, writer).await?,
            false => Sums::new(request.checksum),
        };
        sending.offset = input.offset;
        sending.wanted = input.wanted();
        let summing = async {
            let Some(algorithm) = request.checksum else { return Ok(sums) };
            debug_assert!(sums.of(algorithm).is_some());
            let count = input.count.map_or(0, NonZero::get);
            sums.add(&self.event_loop, &input.file, input.offset, count)
                .await
                .map_err(TransferError::file)
        };
        let sending_all = self.send_all(request, input, writer, reader);
        let (sums, ()) = both(summing, sending_all).await?;
        sending.sum = request.checksum.and_then(|algorithm| sums.of(algorithm));
        sending.change = self.change(request, input, sending).await?;
        if request.resumes() {
            self.stage.set(Stage::Receipt);
            let receipt = resume::receipt(reader).await?;
            let ours = request.checksum.map(|_| sums.of(receipt.sum.algorithm));
            receipt.check(input.offset + self.went().bytes, ours)?;
        }
        Ok(())
    }

    /// What is to be said of a file that was written to meanwhile.
    async fn change(
        &self,
        request: &SendRequest,
        input: &Input,
        sending: &TransferReport,
    ) -> Result<Option<FileChange>, TransferError> {
        let Some(change) = input.change() else { return Ok(None) };
        if let (Some(then), false) = (&sending.sum, request.resumes()) {
            let (start, count) = (input.offset, self.went().bytes);
            let sums = Sums::new([then.algorithm]);
            let sums = sums
                .add(&self.event_loop, &input.file, start, count)
                .await
                .map_err(TransferError::file)?;
            match sums.of(then.algorithm) {
                Some(now) if now != *then => {
                    return Err(TransferError::Changed { then: then.clone(), now });
                }
                _ => {}
            }
        }
        Ok(Some(match change {
            Change::Growth(bytes) => FileChange::Growth(bytes),
            Change::Content => FileChange::Content,
        }))
    }

    /// With a sink that resumes: what it has must be how the file begins, and the rest is announced to it.
    async fn agree(
        &self,
        request: &SendRequest,
        input: &mut Input,
        reader: &mut StreamReader,
        writer: &mut StreamWriter,
    ) -> Result<Sums, TransferError> {
        self.stage.set(Stage::Offer);
        let held = resume::offer(reader).await?;
        self.stage.set(Stage::Here);
        input.resume_at(held.size)?;
        let sums = Sums::new([held.sum.algorithm].into_iter().chain(request.checksum));
        let sums = sums
            .add(&self.event_loop, &input.file, 0, held.size)
            .await
            .map_err(TransferError::file)?;
        if let Some(ours) = sums.of(held.sum.algorithm) {
            held.check_beginning(&ours)?;
        }
        self.went.set(TransferProgress { had: held.size, ..self.went() });
        resume::announce(writer, input);
        Ok(sums)
    }

    async fn send_all(
        &self,
        request: &SendRequest,
        input: &Input,
        writer: &mut StreamWriter,
        reader: &mut StreamReader,
    ) -> Result<(), TransferError> {
        self.stage.set(Stage::Body);
        let sending = async {
            if !input.is_empty() {
                self.send(request, input, writer).await?;
            }
            let (sent, wanted) = (self.went().bytes, input.count.map_or(0, NonZero::get));
            if sent < wanted {
                // Without an end, so that the peer does not take it for the whole.
                return Err(TransferError::Short { sent, wanted });
            }
            writer.write_eof();
            if !request.resumes() {
                self.arrived().await;
            }
            Ok(())
        };
        if request.resumes() {
            // What the sink says is for those who wait for the receipt.
            return sending.await;
        }
        let mut peer = Peer::default();
        first(pin!(sending), pin!(peer.breaks_off(reader))).await?;
        // What the peer's kernel has is lost if the peer leaves without reading it, which a reset tells. Most
        // say at once that they have it all, by their own end.
        let ended = self.event_loop.timeout(FAREWELL, peer.ends(reader)).await;
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
            let count_up = |sent: Sent| self.went.set(before.and(sent));
            let mut what =
                Sendfile::new(&input.file).offset(input.after(before.bytes)).keep_reading();
            if let Some(count) = count {
                what = what.count(count);
            }
            let sending = writer.sendfile(what.method(request.method).progress(&count_up)).await;
            let sent = match sending {
                Err(error) if error.phase == SendfilePhase::Check && writer.is_closing() => {
                    // Between two pieces the connection has broken.
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

    /// Waits until the peer's kernel has all that ours was given; on a Unix socket, until the peer has read it.
    async fn arrived(&self) {
        let mut pause = Duration::from_micros(100);
        while self.is_owed() {
            self.event_loop.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Whether the peer has not taken all that it was sent.
    fn is_owed(&self) -> bool {
        let socket = self.transport.socket();
        self.transport.write_buffer_size() > 0 || socket.is_acknowledged() == Some(false)
    }

    /// Ends when the peer has let us wait for so long: it has something to take, or to say, and nothing has
    /// moved. A pipe that is filled slowly is not its fault, nor is a rate.
    async fn idleness(&self, limit: Duration) -> Result<(), TransferError> {
        let (mut known, mut since) = (None, self.event_loop.time());
        loop {
            let (stage, held) = (self.stage.get(), self.transport.socket().send_memory());
            let now = Some((stage, self.went(), held, self.transport.write_buffer_size()));
            let is_its_turn = match stage {
                Stage::Here => false,
                Stage::Body => self.is_owed(),
                Stage::Offer | Stage::Receipt => true,
            };
            if now != known || !is_its_turn {
                (known, since) = (now, self.event_loop.time());
            }
            let left = limit.saturating_sub(self.event_loop.time() - since);
            if left.is_zero() {
                return Err(match stage {
                    Stage::Offer => TransferError::NoOffer(limit),
                    Stage::Receipt => TransferError::NoReceipt(limit),
                    Stage::Body | Stage::Here => TransferError::Idle(limit),
                });
            }
            self.event_loop.sleep(left.min(LOOK)).await;
        }
    }

    fn note_retransmits(&self) {
        if let Some(info) = self.transport.socket().tcp_info() {
            self.went.set(TransferProgress { retransmits: Some(info.retransmits), ..self.went() });
        }
    }
}

/// Both results, or the first error.
async fn both<A, B>(
    one: impl Future<Output = Result<A, TransferError>>,
    other: impl Future<Output = Result<B, TransferError>>,
) -> Result<(A, B), TransferError> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|cx| {
        use std::task::Poll;
        if first.is_none()
            && let Poll::Ready(result) = one.as_mut().poll(cx)
        {
            match result {
                Ok(value) => first = Some(value),
                Err(fault) => return Poll::Ready(Err(fault)),
            }
        }
        if second.is_none()
            && let Poll::Ready(result) = other.as_mut().poll(cx)
        {
            match result {
                Ok(value) => second = Some(value),
                Err(fault) => return Poll::Ready(Err(fault)),
            }
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready(Ok((one, other))),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

/// What the peer says, who is not asked anything.
#[derive(Default)]
struct Peer {
    /// How it began.
    words: Vec<u8>,
}

impl Peer {
    /// Ends with the peer's end. What it says is of no interest, unless it is a sink that waits to be answered.
    async fn ends(&mut self, reader: &mut StreamReader) -> Result<(), TransferError> {
        loop {
            let data = reader.read_some(64 * 1024).await.map_err(TransferError::send)?;
            if data.is_empty() {
                return Ok(());
            }
            let room = resume::GREETING.len() - self.words.len();
            self.words.extend(data.iter().take(room));
            if self.words == resume::GREETING {
                return Err(TransferError::PeerResumes);
            }
        }
    }

    /// Ends when the peer breaks off. That it has no more to say means nothing.
    async fn breaks_off(&mut self, reader: &mut StreamReader) -> Result<(), TransferError> {
        match self.ends(reader).await {
            Ok(()) => pending().await,
            Err(TransferError::Send(failure)) if failure.kind == io::ErrorKind::BrokenPipe => {
                pending().await
            }
            Err(fault) => Err(fault),
        }
    }
}
