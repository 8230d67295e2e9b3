//! The records of `serve`: addresses, clients, transfers, totals.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::time::{Duration, Instant};

use loopctl::plan::SlowLog;
use loopctl::{Address, LoopHandle};
use serde::Serialize;

use super::human::serve::in_force::in_force;
use super::human::serve::text;
use super::json::serve;
use super::printer::{Frame, Print, Printer};
use super::progress::status::Status;
use super::writer::Writer;
use crate::config::{Faults, Format, LogFormat, ServeRequest};
use crate::exit::{Exit, ExitResult};
use crate::report::served::{
    ClientError, ClientRecord, Datagram, ServedCertificates, Totals, TransferRecord,
};
use crate::util::message::Message;
use crate::util::output_queue::OutputQueue;
use crate::util::stdio::Sink;

/// Prints records as clients come and go.
pub(crate) struct ServePrinter {
    printer: Printer,
    /// The queue behind the printer, if output is queued.
    queue: Option<OutputQueue>,
    /// The format of records about clients, which `--log` may set apart from that of the run.
    log_format: Format,
    noun: &'static str,
    /// The seed that repeats the faults of this run, if any of them is random.
    seed: Option<u64>,
    /// Faults and rate, as text.
    in_force: Vec<String>,
    /// `--rate`
    rate: Option<NonZero<u64>>,
    status: Option<Status>,
}

/// Writer that never blocks, because a slow reader or disk must not delay the clients.
struct QueueWriter(OutputQueue);

impl Write for QueueWriter {
    /// The queue keeps its own failure.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ServePrinter {
    pub(crate) async fn new(event_loop: &LoopHandle, request: &ServeRequest) -> Self {
        let output = &request.output;
        let queue = queue(event_loop, request).await;
        let writer = match &queue {
            Some(queue) => Writer::new(Box::new(QueueWriter(queue.clone())), "output".to_owned()),
            None if request.uses_stdout() => Writer::stderr("output"),
            None => Writer::stdout(),
        };
        Self {
            printer: Printer::new(output, writer, false),
            queue,
            log_format: match (output.format, request.log.format) {
                (Format::Quiet, _) => Format::Quiet,
                (_, LogFormat::Json) => Format::Json,
                (format, LogFormat::Text) => format,
            },
            noun: if request.listen.udp { "datagram" } else { "client" },
            seed: request.faults.is_random().then_some(request.faults.seed),
            in_force: in_force(&request.faults.faults, request.limits.rate),
            rate: request.limits.rate,
            status: output.live.then(|| Status::new(output.stderr)),
        }
    }

    /// Prints where clients can connect, and warnings about addresses that could not be bound.
    pub(crate) fn listening(
        &mut self,
        addresses: &[Address],
        skipped: Vec<String>,
        certificates: Option<&ServedCertificates>,
    ) {
        self.message(&Message::warnings(skipped));
        for address in addresses {
            let in_force = &self.in_force;
            self.printer.print_record(&Listening { address, certificates, in_force });
        }
        if self.printer.format() != Format::Human {
            return;
        }
        if let (Some(certificates), Some(address)) = (certificates, addresses.first()) {
            self.printer.print_text(&text::shown(certificates, address));
        }
        if !self.in_force.is_empty() {
            self.printer.print_text(&format!("in force: {}\n", self.in_force.join(", ")));
        }
        if let Some(seed) = self.seed {
            let hint = format!("--fault-seed {seed} repeats the faults of this run\n");
            self.printer.print_aside(&hint);
        }
    }

    /// Prints the faults that are in force from now on.
    pub(crate) fn faults_changed(&mut self, faults: &Faults) {
        self.in_force = in_force(&faults.faults, self.rate);
        if faults.is_random() {
            self.seed = Some(faults.seed);
        }
        self.printer.print_record(&FaultsChanged { in_force: &self.in_force });
    }

    /// Faults and rate in force, as text.
    pub(crate) fn in_force(&self) -> &[String] {
        &self.in_force
    }

    pub(crate) fn accepted(&self, peer: Option<SocketAddr>) {
        self.printer.print_verbose(|| Some(format!("accepted {}", text::peer(peer))));
    }

    /// Prints a connection that is closed.
    pub(crate) fn ended(&mut self, client: &ClientRecord) {
        self.printer.print_record_as(self.log_format, client);
    }

    pub(crate) fn datagram(&mut self, datagram: &Datagram) {
        self.printer.print_record_as(self.log_format, datagram);
    }

    /// Prints a transfer that a sink has received, or the part of it that came.
    pub(crate) fn stored(&mut self, transfer: &TransferRecord) {
        if !transfer.is_whole {
            self.message(&Message::warnings(vec![text::partial(transfer)]));
        }
        self.printer.print_record_as(self.log_format, transfer);
    }

    /// Prints why the server could not start.
    pub(crate) fn refused(&mut self, message: &Message, took: Duration) {
        self.printer.stop_drawing();
        if self.printer.format() == Format::Json {
            let reason = message.causes.first().or(message.error.as_ref());
            let record = serve::refused(reason.map_or("", |reason| reason), took);
            self.printer.print_json(&record);
        }
        self.message(message);
    }

    /// Prints a line with `-v`.
    pub(crate) fn remark(&self, remark: &str) {
        self.printer.print_verbose(|| Some(remark.to_owned()));
    }

    /// Prints the totals so far.
    pub(crate) fn stats(&mut self, totals: &Totals, elapsed: Duration) {
        match self.printer.format() {
            Format::Quiet => {}
            Format::Json => self.printer.print_json(&serve::stats(totals, elapsed)),
            _ => self.printer.print_aside(&format!("{}\n", text::totals(totals, elapsed))),
        }
    }

    /// Draws one frame of the status line.
    pub(crate) fn draw(&mut self, totals: &Totals, elapsed: Duration, now: Instant) {
        if let Some(status) = &mut self.status {
            self.printer.draw(&[status.row(totals, elapsed, now)]);
        }
    }

    /// Prints the totals at the end.
    pub(crate) fn summary(
        &mut self,
        totals: &Totals,
        took: Duration,
        slow: &SlowLog,
        error: Option<&ClientError>,
    ) {
        self.printer.stop_drawing();
        let summary = Summary { totals, noun: self.noun, took, seed: self.seed, slow, error };
        self.printer.print_record_as(self.log_format, &summary);
    }

    pub(crate) fn print_slow(&mut self, log: &SlowLog, threshold: Duration) {
        self.printer.print_slow(log, threshold);
    }

    /// Whether the output has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.printer.has_failed() || self.queue.as_ref().is_some_and(OutputQueue::has_failed)
    }

    /// The queue of output that is still to be written.
    pub(crate) fn queue(&self) -> Option<OutputQueue> {
        self.queue.clone()
    }

    /// Completes output that is not queued.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub(crate) fn finish(&mut self) -> ExitResult {
        if self.queue.is_some() { Ok(Exit::Success) } else { self.printer.finish() }
    }

    pub(crate) fn message(&self, message: &Message) {
        self.printer.print_message(message);
    }
}

/// The queue before standard output, unless that is a terminal or carries the bytes of a sink. Standard output that
/// cannot be watched is written directly, and the write says what is wrong.
async fn queue(event_loop: &LoopHandle, request: &ServeRequest) -> Option<OutputQueue> {
    if request.uses_stdout() || request.output.stdout.width.is_some() {
        return None;
    }
    let sink = Sink::stdout(event_loop).await.ok()?;
    Some(OutputQueue::new(event_loop, sink))
}

struct Listening<'a> {
    address: &'a Address,
    certificates: Option<&'a ServedCertificates>,
    in_force: &'a [String],
}

impl Print for Listening<'_> {
    fn human(&self, _: &Frame) -> String {
        format!("listening on {}\n", self.address)
    }

    fn json(&self) -> impl Serialize {
        serve::listening(self.address, self.certificates, self.in_force)
    }
}

struct FaultsChanged<'a> {
    in_force: &'a [String],
}

impl Print for FaultsChanged<'_> {
    fn human(&self, _: &Frame) -> String {
        match self.in_force {
            [] => "in force: no fault\n".to_owned(),
            faults => format!("in force: {}\n", faults.join(", ")),
        }
    }

    fn json(&self) -> impl Serialize {
        serve::faults_changed(self.in_force)
    }
}

impl Print for ClientRecord {
    fn human(&self, frame: &Frame) -> String {
        text::connection(self, frame.style)
    }

    fn json(&self) -> impl Serialize {
        serve::connection(self)
    }
}

impl Print for Datagram {
    fn human(&self, frame: &Frame) -> String {
        text::datagram(self, frame.style)
    }

    fn json(&self) -> impl Serialize {
        serve::datagram(self)
    }
}

impl Print for TransferRecord {
    fn human(&self, _: &Frame) -> String {
        String::new()
    }

    fn line_after_human(&self) -> Vec<u8> {
        self.sum.as_ref().map_or_else(Vec::new, |sum| sum.line(&self.name()))
    }

    fn json(&self) -> impl Serialize {
        serve::stored(self)
    }
}

struct Summary<'a> {
    totals: &'a Totals,
    noun: &'static str,
    took: Duration,
    seed: Option<u64>,
    slow: &'a SlowLog,
    error: Option<&'a ClientError>,
}

impl Print for Summary<'_> {
    fn human(&self, frame: &Frame) -> String {
        text::summary(self.totals, self.noun, self.took, frame.style)
    }

    fn json(&self) -> impl Serialize {
        serve::summary(self.totals, self.took, self.seed, self.slow, self.error)
    }
}
