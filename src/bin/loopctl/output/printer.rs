//! Where everything goes that is told: one format on standard output or in a file, qlog beside it, and the
//! terminal.

use std::io::{Write as _, stderr};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use loopctl::plan::{Family, SlowLog};
use loopctl::{DnsEvent, Event};
use serde::Serialize;

use super::human::resolve::words;
use super::human::sendfile::text as sent;
use super::human::text::Detail;
use super::human::{series, slow, text};
use super::json::{connect, events, repeat, sendfile};
use super::progress::live::Live;
use super::prometheus::Metrics;
use super::wire;
use super::writer::Writer;
use super::{csv, qlog};
use crate::config::environment::Environment;
use crate::config::{ConnectMode, ConnectRequest, Format, OutputRequest, ReportDestination};
use crate::diagnose::cause;
use crate::exit::{Exit, FatalError};
use crate::report::relay::RelayEnd;
use crate::report::repeat::RepeatReport;
use crate::report::target_result::TargetResult;
use crate::report::{End, Report};
use crate::util::message::Message;

/// Tells events and reports in the format that was asked for.
pub(crate) struct Output {
    request: OutputRequest,
    stage: Stage,
    report: Writer,
    qlog: Option<Qlog>,
    metrics: Metrics,
    /// Documents of the tries of a series that is not over.
    tries: Vec<wire::connect::Document>,
    live: Option<Live>,
    told: usize,
}

/// What is known of the run before it begins.
struct Stage {
    /// Documents of several targets form an array, and their lines are told apart.
    is_array: bool,
    are_many: bool,
    histogram: bool,
    prefer: Option<Family>,
}

/// A qlog file counts from one instant.
struct Qlog {
    writer: Writer,
    began: Option<Instant>,
}

impl Output {
    /// # Errors
    /// A file that cannot be made.
    pub(crate) fn new(request: &ConnectRequest) -> Result<Self, FatalError> {
        let output = request.output.clone();
        let report = match &output.files.report {
            ReportDestination::File(path) => Writer::create(path)?,
            ReportDestination::Stdout => Writer::stdout(),
            ReportDestination::Stderr => Writer::stderr("the report"),
        };
        let qlog = output.files.qlog.as_deref().map(Qlog::create).transpose()?;
        let histogram = matches!(request.mode, ConnectMode::Repeat(repeat) if repeat.histogram);
        let stage = Stage {
            is_array: request.targets.len() > 1 && output.format == Format::Json,
            are_many: request.targets.len() > 1,
            histogram,
            prefer: request.race.prefer,
        };
        let live = output.live.then(|| Live::new(output.stderr, request.targets.len()));
        let (metrics, tries) = (Metrics::default(), Vec::new());
        let mut this = Self { request: output, stage, report, qlog, metrics, tries, live, told: 0 };
        if this.request.format == Format::Csv {
            this.write(&csv::header());
        }
        Ok(this)
    }

    /// Before the first event of a race.
    pub(crate) fn begin(&mut self, session: &str, report: &Report) {
        let record = events::config_set(session, &report.subject, self.stage.prefer);
        self.record(record, report);
    }

    pub(crate) fn event(&mut self, session: &str, event: &Event, report: &Report) {
        if self.request.format == Format::Ndjson || self.qlog.is_some() {
            for record in events::records(session, event, report) {
                self.record(record, report);
            }
        }
        if let Some(live) = &mut self.live {
            live.hear(session, report);
        }
        if self.request.verbosity > 0
            && let Some(line) = events::line(event, report)
        {
            let line = format!("{}{line}\n", self.stamp());
            self.message(&line);
        }
    }

    /// Names are looked up, for what is no race yet.
    pub(crate) fn looking_up(&mut self, session: &str, report: &Report) {
        if let Some(live) = &mut self.live {
            live.hear(session, report);
        }
    }

    /// There is no more to look up.
    pub(crate) fn looked_up(&mut self, session: &str) {
        if let Some(live) = &mut self.live {
            live.forget(session);
        }
    }

    /// A step of a question to a name server.
    pub(crate) fn query(&mut self, session: &str, event: &DnsEvent, report: &Report) {
        if let Some(record) = events::query_record(session, event, report) {
            self.record(record, report);
        }
        if self.request.verbosity > 0
            && let Some(line) = words::event(event, report.since_start(event.at))
        {
            let line = format!("{}{line}\n", self.stamp());
            self.message(&line);
        }
    }

    /// After the last event of a race.
    pub(crate) fn end(&mut self, session: &str, now: Instant, report: &Report) {
        self.record(events::metrics(session, now, report), report);
        if let Some(live) = &mut self.live {
            live.end(session);
        }
    }

    /// After each try of a series.
    pub(crate) fn tried(&mut self, nth: u64, report: &Report, news: Option<String>) {
        let style = self.request.stdout;
        match self.request.format {
            Format::Human => {
                let news = news.map_or_else(String::new, |news| format!("      {news}\n"));
                let many = self.stage.are_many;
                let name = if many { format!("{}  ", report.subject.text) } else { String::new() };
                let line = text::try_line(nth, report, style);
                let line = format!("{news}{}{name}{line}", self.stamp());
                self.write(&line);
            }
            Format::Ndjson => self.line(&connect::document(report)),
            Format::Json => self.tries.push(connect::document(report)),
            Format::Csv => self.write(&csv::lines(report, nth, true)),
            Format::Plain => self.write(&csv::lines(report, nth, false)),
            Format::Prom | Format::Quiet => {}
        }
        self.flush();
    }

    /// While waiting: what is seen now.
    pub(crate) fn waiting(&mut self, report: &Report, after: Duration) {
        if self.request.format == Format::Human {
            let (target, what) = (&report.subject.text, cause::summary_by_address(report));
            let after = super::units::prose(after);
            self.message(&format!("{}{target}: {what} after {after}, waiting\n", self.stamp()));
        }
    }

    /// Before a relay, which may last: people read about the connection at once.
    pub(crate) fn connected(&mut self, report: &Report) {
        self.live = None;
        if self.request.format == Format::Human {
            self.tell_report(report);
            self.flush();
            self.explain(report);
        }
    }

    /// The final word on a target.
    pub(crate) fn tell(&mut self, told: &TargetResult) {
        match told {
            TargetResult::Report(report) => self.tell_report(report),
            TargetResult::Repeat(series) => self.tell_series(series),
        }
        self.told += 1;
        self.flush();
        if let TargetResult::Report(report) = told
            && !self.has_failed()
        {
            self.explain(report);
        }
        if let TargetResult::Repeat(series) = told
            && let Some((count, why)) = &series.runs.unmet
        {
            let text = &series.subject.text;
            let error = format!("{count} connections to `{text}` were not as expected");
            let message = Message { causes: vec![cause::unmet_text(why)], ..Message::error(error) };
            self.message(&message.render(self.request.stderr));
        }
    }

    /// Errors, causes, hints, and what was relayed.
    fn explain(&mut self, report: &Report) {
        if self.request.format == Format::Quiet || self.request.has_document_on_stderr() {
            return;
        }
        // Whoever closed standard output knows.
        let relayed = report.relay.as_ref().filter(|relay| relay.end != RelayEnd::OutputClosed);
        let relayed = relayed.map_or_else(String::new, |relay| {
            text::relayed(relay.sent, relay.received, relay.took)
        });
        let message = cause::explain(report).render(self.request.stderr);
        self.message(&(relayed + &message));
    }

    fn tell_report(&mut self, report: &Report) {
        if self.request.format == Format::Human && self.told_sending(report) {
            return;
        }
        match self.request.format {
            Format::Quiet => {}
            // Told when it was connected.
            Format::Human if report.relay.is_some() => {}
            Format::Human => {
                let gap = if self.told > 0 { "\n" } else { "" };
                let is_verbose = self.request.verbosity > 0;
                let detail = Detail { tcp_info: self.request.tcp_info, is_verbose };
                let text = text::report(report, self.request.stdout, detail);
                self.write(&format!("{gap}{}{text}", self.stamp()));
            }
            Format::Json => self.document(&Document::of(report)),
            Format::Ndjson => self.line(&Document::of(report)),
            Format::Csv => self.write(&csv::lines(report, 1, true)),
            Format::Plain => self.write(&csv::lines(report, 1, false)),
            Format::Prom => self.metrics.add(report),
        }
    }

    /// What became of a file, where there was one: the connection was told before.
    fn told_sending(&mut self, report: &Report) -> bool {
        let Some(sending) = &report.transfer else { return false };
        if let (End::Connected, false) = (report.end, !sending.is_opened) {
            let text = sent::sent(sending, self.request.stdout.width);
            self.write(&format!("\n{text}{}", sent::sum(sending)));
            return true;
        }
        !sending.is_opened
    }

    fn tell_series(&mut self, series: &RepeatReport) {
        let took = series.took;
        match self.request.format {
            Format::Human => {
                let style = self.request.stdout;
                self.write(&series::summary(series, took, self.stage.histogram, style));
            }
            Format::Json => {
                let tries = std::mem::take(&mut self.tries);
                self.document(&repeat::document(series, took, Some(&tries)));
            }
            Format::Ndjson => self.line(&repeat::document(series, took, None)),
            Format::Csv | Format::Plain | Format::Prom | Format::Quiet => {}
        }
    }

    /// One line about a series under way, for whoever sent SIGQUIT.
    pub(crate) fn interim(&mut self, series: &RepeatReport, took: Duration) {
        self.message(&series::interim(series, took));
    }

    /// A line in between, for people.
    pub(crate) fn remark(&mut self, line: &str) {
        self.message(line);
    }

    /// Slow callbacks, in the format for people only.
    pub(crate) fn slow(&mut self, log: &SlowLog, threshold: Duration) {
        if self.request.format == Format::Human {
            self.write(&slow::text(log, threshold));
            self.flush();
        }
    }

    /// One frame of the live view.
    pub(crate) fn draw(&mut self, now: Instant) {
        if let Some(live) = &mut self.live {
            live.draw(now);
        }
    }

    /// Whether something could not be written, so that going on is of no use.
    pub(crate) fn has_failed(&self) -> bool {
        let qlog = self.qlog.as_ref().is_some_and(|qlog| qlog.writer.has_failed());
        self.report.has_failed() || qlog
    }

    /// Completes the output.
    ///
    /// # Errors
    /// Output that cannot be written, the report before qlog.
    pub(crate) fn finish(&mut self) -> Result<Exit, FatalError> {
        self.live = None;
        if self.stage.is_array {
            self.write(if self.told == 0 { "[]\n" } else { "\n]\n" });
        }
        if self.request.format == Format::Prom {
            let exposition = self.metrics.exposition();
            self.write(&exposition);
        }
        let qlog = self.qlog.as_mut().map_or(Ok(Exit::Success), |qlog| qlog.writer.finish());
        self.report.finish()?;
        qlog
    }

    fn document(&mut self, document: &impl Serialize) {
        let (begin, end) = match (self.stage.is_array, self.told) {
            (false, _) => ("", "\n"),
            (true, 0) => ("[\n", ""),
            (true, _) => (",\n", ""),
        };
        self.write(&format!("{begin}{}{end}", wire::pretty(document)));
    }

    /// An event, for those who read along.
    fn record(&mut self, record: wire::event::Record, report: &Report) {
        if let Some(qlog) = &mut self.qlog {
            qlog.write(&record, report);
        }
        if self.request.format == Format::Ndjson {
            self.line(&record);
        }
    }

    /// One record, out at once: somebody may be watching.
    fn line(&mut self, record: &impl Serialize) {
        self.write(&wire::line(record));
        self.flush();
    }

    fn write(&mut self, text: &str) {
        self.report.write(text);
    }

    fn flush(&mut self) {
        let report = &mut self.report;
        beside(self.live.as_ref(), || report.flush());
    }

    /// To standard error, where the live view is.
    fn message(&mut self, text: &str) {
        beside(self.live.as_ref(), || drop(stderr().write_all(text.as_bytes())));
    }

    /// The time, where lines begin with it.
    fn stamp(&self) -> String {
        if !self.request.timestamps {
            return String::new();
        }
        let now =
            Environment::wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("[{}.{:06}] ", now.as_secs(), now.subsec_micros())
    }
}

/// Document of the file that was sent, or of the connection alone.
#[derive(Serialize)]
#[serde(untagged)]
enum Document {
    Transfer(Box<wire::transfer::Document>),
    Connect(Box<wire::connect::Document>),
}

impl Document {
    fn of(report: &Report) -> Self {
        match &report.transfer {
            Some(sending) => Self::Transfer(Box::new(sendfile::document(report, sending))),
            None => Self::Connect(Box::new(connect::document(report))),
        }
    }
}

/// Writes text that stays, while the live view is out of the way.
fn beside(live: Option<&Live>, write: impl FnOnce()) {
    match live {
        Some(live) => live.suspend(write),
        None => write(),
    }
}

impl Qlog {
    fn create(path: &Path) -> Result<Self, FatalError> {
        let mut writer = Writer::open(path)?;
        writer.write(&qlog::header());
        Ok(Self { writer, began: None })
    }

    fn write(&mut self, record: &wire::event::Record, report: &Report) {
        let began = *self.began.get_or_insert(report.started_at.at);
        let offset = report.started_at.at.saturating_duration_since(began);
        self.writer.write(&qlog::record(record, offset));
        self.writer.flush();
    }
}
