//! The transfer: the bytes, at their pace, until the peer's kernel has them all.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::num::NonZero;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::{LoopRef, Sendfile, SendfilePhase, StreamReader, StreamWriter, Transport};

use super::fault::Fault;
use super::input::Input;
use super::sum::Sums;
use super::{Sending, Went, resume};
use crate::first::first;
use crate::pace::Pace;
use crate::request::SendRequest;

/// How often it is looked whether the peer has taken something.
const LOOK: Duration = Duration::from_millis(250);

/// How long the peer may take to say that it has read everything.
const FAREWELL: Duration = Duration::from_millis(250);

/// A transfer, for those who send and those who watch.
pub(crate) struct Course {
    pub(crate) lp: LoopRef,
    transport: Transport,
    began: Instant,
    /// Of the time for the whole, if there is a limit.
    left: Option<Duration>,
    went: Cell<Went>,
}

impl Course {
    /// `left`: of the time that there is for connecting and sending.
    pub(crate) fn new(lp: &LoopRef, transport: &Transport, left: Option<Duration>) -> Rc<Self> {
        let (began, went) = (lp.time(), Cell::default());
        Rc::new(Self { lp: lp.clone(), transport: transport.clone(), began, left, went })
    }

    pub(crate) fn took(&self) -> Duration {
        self.lp.time() - self.began
    }

    /// How much has gone so far.
    pub(crate) fn went(&self) -> Went {
        self.went.get()
    }

    /// All of it, within its time.
    pub(crate) async fn run(
        &self,
        request: &SendRequest,
        input: &mut Input,
        stream: &mut (StreamReader, StreamWriter),
        sending: &mut Sending,
    ) -> Result<(), Fault> {
        let sent = async {
            let transfer = self.transfer(request, input, stream, sending);
            first(pin!(transfer), pin!(self.idleness(request.idle))).await
        };
        let late = async {
            let (Some(limit), Some(left)) = (request.limit, self.left) else {
                return pending().await;
            };
            self.lp.sleep(left).await;
            Err(Fault::TimeUp(limit))
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
        sending: &mut Sending,
    ) -> Result<(), Fault> {
        let (reader, writer) = stream;
        let sums = match request.resumes() {
            true => self.agree(request, input, reader, writer).await?,
            false => Sums::new(request.checksum),
        };
        sending.offset = input.offset;
        sending.wanted = input.count.map(NonZero::get).or_else(|| input.size.map(|_| 0));
        let summing = async {
            let Some(algorithm) = request.checksum else { return Ok(sums) };
            debug_assert!(sums.of(algorithm).is_some());
            let count = input.count.map_or(0, NonZero::get);
            sums.add(&self.lp, &input.file, input.offset, count).await.map_err(Fault::File)
        };
        let sending_all = self.send_all(request, input, writer, reader);
        let (sums, ()) = both(summing, sending_all).await?;
        sending.sum = request.checksum.and_then(|algorithm| sums.of(algorithm));
        sending.end.warning = input.growth().map(|growth| {
            format!("`{}` has grown by {growth} bytes meanwhile, which were not sent", sending.file)
        });
        if request.resumes() {
            let receipt = resume::receipt(reader).await?;
            let ours = request.checksum.map(|_| sums.of(receipt.sum.algorithm));
            receipt.check(input.offset + self.went().bytes, ours)?;
        }
        Ok(())
    }

    /// With a sink that resumes: what it has must be how the file begins, and the rest is announced to it.
    async fn agree(
        &self,
        request: &SendRequest,
        input: &mut Input,
        reader: &mut StreamReader,
        writer: &mut StreamWriter,
    ) -> Result<Sums, Fault> {
        let held = resume::offer(reader).await?;
        input.resume_at(held.size)?;
        let sums = Sums::new([held.sum.algorithm].into_iter().chain(request.checksum));
        let sums = sums.add(&self.lp, &input.file, 0, held.size).await.map_err(Fault::File)?;
        if let Some(ours) = sums.of(held.sum.algorithm) {
            held.check_beginning(&ours)?;
        }
        resume::announce(writer, input);
        Ok(sums)
    }

    async fn send_all(
        &self,
        request: &SendRequest,
        input: &Input,
        writer: &mut StreamWriter,
        reader: &mut StreamReader,
    ) -> Result<(), Fault> {
        if !input.is_empty() {
            self.send(request, input, writer).await?;
        }
        let (sent, wanted) = (self.went().bytes, input.count.map_or(0, NonZero::get));
        if sent < wanted {
            // Without an end, so that the peer does not take it for the whole.
            return Err(Fault::Short { sent, wanted });
        }
        writer.write_eof();
        if request.resumes() {
            // The receipt says more.
            return Ok(());
        }
        first(pin!(self.arrived()), pin!(skip(reader))).await?;
        // What the peer's kernel has is lost if the peer leaves without reading it, which a reset tells. Most
        // say at once that they have it all, by their own end.
        let ended = self.lp.timeout(FAREWELL, end(reader)).await;
        ended.unwrap_or(Ok(()))
    }

    async fn send(
        &self,
        request: &SendRequest,
        input: &Input,
        writer: &mut StreamWriter,
    ) -> Result<(), Fault> {
        let mut pace = request.rate.map(Pace::new);
        let mut left = input.count.map(NonZero::get);
        // What has no size may have no offsets either.
        let at = |sent: u64| if input.size.is_some() { input.offset + sent } else { input.offset };
        loop {
            let before = self.went();
            let piece = pace.as_ref().map(|pace| pace.piece() as u64);
            let count = left.into_iter().chain(piece).min().and_then(NonZero::new);
            let count_up = |bytes| self.went.set(Went { bytes: before.bytes + bytes, ..before });
            let mut what = Sendfile::new(&input.file).offset(at(before.bytes));
            if let Some(count) = count {
                what = what.count(count);
            }
            let sending = writer.sendfile(what.method(request.method).progress(&count_up)).await;
            let sent = match sending {
                Err(error) if error.phase == SendfilePhase::Check && writer.is_closing() => {
                    // Between two pieces the connection has broken.
                    let why = writer.wait_closed().await.err();
                    return Err(Fault::Send(why.unwrap_or(error.error)));
                }
                sent => sent?,
            };
            let (bytes, calls) = (before.bytes + sent.bytes, before.calls + sent.calls);
            self.went.set(Went { bytes, path: Some(sent.path), calls, ..before });
            left = left.map(|left| left - sent.bytes);
            let is_over = count.is_none_or(|count| sent.bytes < count.get());
            let Some(pace) = pace.as_mut().filter(|_| !is_over && left != Some(0)) else {
                return Ok(());
            };
            pace.count(sent.bytes as usize, self.lp.time());
            self.lp.sleep(pace.wait(self.lp.time())).await;
        }
    }

    /// Waits until the peer's kernel has all that ours was given; that of a Unix socket has it at once.
    async fn arrived(&self) -> Result<(), Fault> {
        let mut pause = Duration::from_micros(100);
        let is_under_way = || self.transport.socket().is_acknowledged() == Some(false);
        while self.transport.write_buffer_size() > 0 || is_under_way() {
            self.lp.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends when nothing has moved for so long, not even in the network.
    async fn idleness(&self, limit: Duration) -> Result<(), Fault> {
        let (mut known, mut since) = (None, self.lp.time());
        loop {
            let acknowledged = self.transport.socket().acknowledged();
            let now = Some((self.went().bytes, acknowledged, self.transport.write_buffer_size()));
            if now != known {
                (known, since) = (now, self.lp.time());
            }
            let left = limit.saturating_sub(self.lp.time() - since);
            if left.is_zero() {
                return Err(Fault::Idle(limit));
            }
            self.lp.sleep(left.min(LOOK)).await;
        }
    }

    fn note_retransmits(&self) {
        if let Some(info) = self.transport.socket().tcp_info() {
            self.went.set(Went { retransmits: Some(info.retransmits), ..self.went() });
        }
    }
}

/// Both results, or the first error.
async fn both<A, B>(
    one: impl Future<Output = Result<A, Fault>>,
    other: impl Future<Output = Result<B, Fault>>,
) -> Result<(A, B), Fault> {
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

/// Ends with the peer's end.
async fn end(reader: &mut StreamReader) -> Result<(), Fault> {
    while !reader.read_some(64 * 1024).await.map_err(Fault::Send)?.is_empty() {}
    Ok(())
}

/// What the peer says is of no interest; that it breaks off is.
async fn skip(reader: &mut StreamReader) -> Result<(), Fault> {
    loop {
        match reader.read_some(64 * 1024).await {
            Ok(data) if data.is_empty() => return pending().await,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return pending().await,
            Err(error) => return Err(Fault::Send(error)),
        }
    }
}
