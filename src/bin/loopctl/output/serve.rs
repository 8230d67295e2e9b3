//! What the server says: addresses, clients, totals.

use std::io::{Write as _, stderr};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loopctl::plan::SlowLog;
use loopctl::{Address, LoopHandle};

use super::human::serve::text;
use super::human::slow;
use super::json::serve;
use super::progress::status::Status;
use super::wire::{self, serve::Record};
use super::writer::Writer;
use crate::config::LogFormat;
use crate::config::{Format, OutputRequest, ServeRequest};
use crate::exit::{Exit, FatalError};
use crate::report::served::{
    ClientError, ClientRecord, Datagram, ServedCertificates, Totals, TransferRecord,
};
use crate::util::message::Message;
use crate::util::output_queue::OutputQueue;
use crate::util::stdio::Sink;

/// Tells in the format that was asked for, as it happens.
pub(crate) struct Teller {
    out: Out,
    output: OutputRequest,
    log: LogFormat,
    noun: &'static str,
    /// What repeats the faults of this run, if luck had a part in them.
    seed: Option<u64>,
    status: Option<Status>,
}

/// Where it is told.
enum Out {
    /// A terminal, or what lies beside the bytes of a sink: line by line.
    Direct(Writer),
    /// A pipe or a file, whose reader or disk may pause while clients go on.
    Queued(OutputQueue),
}

impl Teller {
    pub(crate) async fn new(event_loop: &LoopHandle, request: &ServeRequest) -> Self {
        let output = &request.output;
        Self {
            out: Out::new(event_loop, request).await,
            output: output.clone(),
            log: request.log.format,
            noun: if request.listen.udp { "datagram" } else { "client" },
            seed: request.faults.is_random().then_some(request.faults.seed),
            status: output.live.then(|| Status::new(output.stderr)),
        }
    }

    /// First of all: where clients can connect, and what was not to be had.
    pub(crate) fn listening(
        &mut self,
        addresses: &[Address],
        skipped: Vec<String>,
        shown: Option<&ServedCertificates>,
    ) {
        self.message(&Message::warnings(skipped));
        for address in addresses {
            match self.output.format {
                Format::Quiet => {}
                Format::Json => self.record(&serve::listening(address, shown)),
                _ => self.write(&format!("listening on {address}\n")),
            }
        }
        if let (Some(shown), Some(address), Format::Human) =
            (shown, addresses.first(), self.output.format)
        {
            self.write(&text::shown(shown, address));
        }
        self.flush();
        if let (Format::Human, Some(seed)) = (self.output.format, self.seed) {
            self.aside(&format!("--fault-seed {seed} repeats the faults of this run\n"));
        }
    }

    pub(crate) fn accepted(&self, peer: Option<SocketAddr>) {
        if self.output.verbosity > 0 {
            self.remark(&format!("accepted {}", text::peer(peer)));
        }
    }

    pub(crate) fn ended(&mut self, ended: &ClientRecord) {
        match (self.output.format, self.log) {
            (Format::Quiet, _) => return,
            (Format::Json, _) | (_, LogFormat::Json) => self.record(&serve::connection(ended)),
            (_, LogFormat::Text) => {
                let line = text::connection(ended, self.output.stdout);
                self.write(&line);
            }
        }
        self.flush();
    }

    pub(crate) fn datagram(&mut self, datagram: &Datagram) {
        match (self.output.format, self.log) {
            (Format::Quiet, _) => return,
            (Format::Json, _) | (_, LogFormat::Json) => self.record(&serve::datagram(datagram)),
            (_, LogFormat::Text) => {
                let line = text::datagram(datagram, self.output.stdout);
                self.write(&line);
            }
        }
        self.flush();
    }

    /// What a sink has received, or the part of it that came.
    pub(crate) fn stored(&mut self, stored: &TransferRecord) {
        if !stored.is_whole {
            self.message(&Message::warnings(vec![text::partial(stored)]));
        }
        match (self.output.format, self.log) {
            (Format::Quiet, _) => return,
            (Format::Json, _) | (_, LogFormat::Json) => self.record(&serve::stored(stored)),
            (_, LogFormat::Text) => {
                if let Some(sum) = &stored.sum {
                    self.write(&sum.line(&stored.name()));
                }
            }
        }
        self.flush();
    }

    /// There is no server.
    pub(crate) fn refused(&mut self, message: &Message, took: Duration) {
        self.status = None;
        if self.output.format == Format::Json {
            let why = message.causes.first().or(message.error.as_ref());
            let record = serve::refused(why.map_or("", |why| why), took);
            self.record(&record);
        }
        self.message(message);
    }

    /// Something by the way.
    pub(crate) fn remark(&self, remark: &str) {
        if self.output.verbosity > 0 {
            self.aside(&format!("{remark}\n"));
        }
    }

    /// The totals, in between.
    pub(crate) fn stats(&mut self, totals: &Totals, after: Duration) {
        match self.output.format {
            Format::Quiet => {}
            Format::Json => self.record(&serve::stats(totals, after)),
            _ => self.aside(&format!("{}\n", text::totals(totals, after))),
        }
        self.flush();
    }

    /// One frame of the status line.
    pub(crate) fn draw(&mut self, totals: &Totals, after: Duration, now: Instant) {
        if let Some(status) = &mut self.status {
            status.draw(totals, after, now);
        }
    }

    /// Last of all.
    pub(crate) fn summary(
        &mut self,
        totals: &Totals,
        took: Duration,
        slow: &SlowLog,
        trouble: Option<&ClientError>,
    ) {
        self.status = None;
        match (self.output.format, self.log) {
            (Format::Quiet, _) => {}
            (Format::Json, _) | (_, LogFormat::Json) => {
                self.record(&serve::summary(totals, took, self.seed, slow, trouble));
            }
            (_, LogFormat::Text) => {
                self.write(&text::summary(totals, self.noun, took, self.output.stdout))
            }
        }
    }

    pub(crate) fn slow(&mut self, log: &SlowLog, threshold: Duration) {
        if self.output.format == Format::Human {
            self.write(&slow::text(log, threshold));
        }
    }

    /// Whether something could not be written.
    pub(crate) fn has_failed(&self) -> bool {
        match &self.out {
            Out::Direct(writer) => writer.has_failed(),
            Out::Queued(queue) => queue.has_failed(),
        }
    }

    pub(crate) fn queue(&self) -> Option<OutputQueue> {
        match &self.out {
            Out::Direct(_) => None,
            Out::Queued(queue) => Some(queue.clone()),
        }
    }

    /// Completes output that is written directly.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub(crate) fn finish(&mut self) -> Result<Exit, FatalError> {
        match &mut self.out {
            Out::Direct(writer) => writer.finish(),
            Out::Queued(_) => Ok(Exit::Success),
        }
    }

    pub(crate) fn message(&self, message: &Message) {
        if self.output.format != Format::Quiet {
            self.aside(&message.render(self.output.stderr));
        }
    }

    fn record(&mut self, record: &Record) {
        self.write(&wire::line(record));
    }

    fn write(&mut self, text: &str) {
        match &mut self.out {
            Out::Direct(writer) => writer.write(text),
            Out::Queued(queue) => queue.push(text.as_bytes()),
        }
    }

    fn flush(&mut self) {
        let Out::Direct(writer) = &mut self.out else { return };
        match &self.status {
            Some(status) => status.suspend(|| writer.flush()),
            None => writer.flush(),
        }
    }

    /// To standard error. Where nobody listens there, nobody can be told.
    fn aside(&self, text: &str) {
        let write = || drop(stderr().write_all(text.as_bytes()));
        match &self.status {
            Some(status) => status.suspend(write),
            None => write(),
        }
    }
}

impl Out {
    async fn new(event_loop: &LoopHandle, request: &ServeRequest) -> Self {
        if request.uses_stdout() {
            return Self::Direct(Writer::stderr("output"));
        }
        if request.output.stdout.width.is_some() {
            return Self::Direct(Writer::stdout());
        }
        match Sink::stdout(event_loop).await {
            Ok(sink) => Self::Queued(OutputQueue::new(event_loop, sink)),
            // What it is that cannot be written to is told by a write.
            Err(_) => Self::Direct(Writer::stdout()),
        }
    }
}
