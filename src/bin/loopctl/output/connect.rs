//! The reports and events of `connect`, `sendfile` and `demo`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use loopctl::plan::{Family, SlowLog};
use loopctl::{DnsEvent, Event};
use serde::Serialize;

use super::csv;
use super::human::resolve::notes;
use super::human::sendfile::text as sent;
use super::human::text::HumanOptions;
use super::human::{events as lines, http, path, series, text};
use super::json::{connect, events, path as json_path, repeat, sendfile};
use super::page::file::PageFile;
use super::printer::{Frame, Print, Printer};
use super::progress::live::Live;
use super::prometheus::Metrics;
use super::qlog::QlogFile;
use super::wire;
use super::writer::Writer;
use crate::config::{ConnectMode, ConnectRequest, Format};
use crate::diagnose;
use crate::diagnose::cause;
use crate::diagnose::hint::{self, groups::HintGroups};
use crate::exit::{Exit, ExitResult, FatalError};
use crate::report::path::PathReport;
use crate::report::relay::RelayEnd;
use crate::report::repeat::RepeatReport;
use crate::report::target_result::TargetResult;
use crate::report::{End, Report};
use crate::util::message::Message;

/// Runs of a series that is not over.
#[derive(Default)]
struct SeriesSoFar {
    /// Their documents, for a format that has them all in one.
    documents: Vec<wire::connect::Document>,
    hints: HintGroups,
}

/// Prints events as they happen, and reports at the end.
pub(crate) struct ConnectPrinter {
    printer: Printer,
    qlog: Option<QlogFile>,
    page: Option<PageFile>,
    metrics: Metrics,
    /// Series that are not over, by the number of the target.
    series: BTreeMap<usize, SeriesSoFar>,
    /// Hints about several targets, for the end.
    hints: HintGroups,
    live: Option<Live>,
    options: HumanOptions,
    has_histogram: bool,
    prefer: Option<Family>,
}

impl ConnectPrinter {
    /// # Errors
    /// A file that cannot be created.
    pub(crate) fn new(request: &ConnectRequest) -> Result<Self, FatalError> {
        let output = &request.output;
        let writer = Writer::of_report(&output.files.report)?;
        let has_many = request.targets.len() > 1;
        let mut printer = Printer::new(output, writer, has_many);
        let qlog = output.files.qlog.as_deref().map(QlogFile::create).transpose()?;
        let page = output.files.page.as_ref().map(PageFile::create).transpose()?;
        if output.format == Format::Csv {
            printer.print_text(&match request.mode {
                ConnectMode::Path(_) => csv::path_header(),
                _ => csv::header(),
            });
        }
        Ok(Self {
            printer,
            qlog,
            page,
            metrics: Metrics::default(),
            series: BTreeMap::new(),
            hints: HintGroups::default(),
            live: output.live.then(|| Live::new(output.stderr, request.targets.len())),
            options: HumanOptions { tcp_info: output.tcp_info, is_verbose: output.verbosity > 0 },
            has_histogram: matches!(request.mode, ConnectMode::Repeat(repeat) if repeat.histogram),
            prefer: request.race.prefer,
        })
    }

    /// Records the start of a race.
    pub(crate) fn race_started(&mut self, session: &str, report: &Report) {
        let record = events::config_set(session, &report.subject, self.prefer);
        self.record(&record, report);
    }

    /// Records an event of a race, after the report has it.
    pub(crate) fn event(&mut self, session: &str, event: &Event, report: &Report) {
        if self.printer.format() == Format::Ndjson || self.qlog.is_some() {
            for record in events::records(session, event, report) {
                self.record(&record, report);
            }
        }
        if let Some(live) = &mut self.live {
            live.update(session, report);
        }
        self.printer.print_verbose(|| lines::event(event, report));
    }

    /// Records an event of a query to a name server, after the report has it.
    pub(crate) fn query(&mut self, session: &str, event: &DnsEvent, report: &Report) {
        if let Some(record) = events::query_record(session, event, report) {
            self.record(&record, report);
        }
        self.printer.print_verbose(|| notes::event(event, report.since_start(event.at)));
    }

    /// Records a step of the HTTP exchange, after the report has it.
    pub(crate) fn http(&mut self, session: &str, report: &Report) {
        if let Some(record) = events::http_record(session, report) {
            self.record(&record, report);
        }
        if let Some(live) = &mut self.live {
            live.update(session, report);
        }
        self.printer.print_verbose(|| {
            let (at, text) = http::event(report.http.as_deref()?);
            Some(format!("{:>9} ms  {text}", crate::util::units::column(at)))
        });
    }

    /// Records the end of a race.
    pub(crate) fn race_ended(&mut self, session: &str, now: Instant, report: &Report) {
        self.record(&events::metrics(session, now, report), report);
        if let Some(live) = &mut self.live {
            live.end(session);
        }
    }

    /// Shows a lookup that is not part of a race.
    pub(crate) fn lookup_started(&mut self, session: &str, report: &Report) {
        if let Some(live) = &mut self.live {
            live.update(session, report);
        }
    }

    pub(crate) fn lookup_ended(&mut self, session: &str) {
        if let Some(live) = &mut self.live {
            live.remove(session);
        }
    }

    /// Prints one run of the series of a target, and the change of the addresses that came before it.
    pub(crate) fn run_ended(
        &mut self,
        target: usize,
        number: u64,
        report: &Report,
        change: Option<String>,
    ) {
        if let (Format::Human, Some(change)) = (self.printer.format(), change) {
            let stamp = self.printer.stamp();
            self.printer.print_text(&format!("{stamp}      {change}\n"));
        }
        let series = self.series.entry(target).or_default();
        if let Some(hint) = hint::hint(report) {
            series.hints.add(report, hint);
        }
        if self.printer.format() == Format::Json || self.page.is_some() {
            series.documents.push(connect::document(report));
        }
        if self.printer.format() != Format::Json {
            let has_many = self.printer.has_many();
            self.printer.print_record(&Run { number, report, has_many });
        }
    }

    /// Prints the failure that is waited out.
    pub(crate) fn waiting(&mut self, report: &Report, elapsed: Duration) {
        if self.printer.format() == Format::Human {
            let (target, what) = (&report.subject.text, cause::summary_by_address(report));
            let elapsed = crate::util::units::prose(elapsed);
            let stamp = self.printer.stamp();
            let line = format!("{stamp}{target}: {what} after {elapsed}, waiting\n");
            self.printer.print_aside(&line);
        }
    }

    /// Prints the connection before it is used, which may take long; for people only.
    pub(crate) fn connected(&mut self, report: &Report) {
        self.stop_drawing();
        if self.printer.format() == Format::Human {
            self.printer.print_record(&TargetReport { report, options: self.options });
            self.explain(report);
        }
    }

    /// Prints the result of a target.
    pub(crate) fn print(&mut self, target: usize, result: &TargetResult) {
        // Because a recording of a terminal would show a row below the last report until it is erased.
        if self.live.as_ref().is_some_and(|live| live.is_last(target)) {
            self.stop_drawing();
        }
        match result {
            TargetResult::Report(report) => self.print_report(report),
            TargetResult::Repeat(series) => self.print_series(target, series),
            TargetResult::Path(path) => {
                self.print_document(&PathPrint { report: path });
                self.printer.print_message(&diagnose::path::explain(path));
            }
        }
    }

    fn stop_drawing(&mut self) {
        self.live = None;
        self.printer.stop_drawing();
    }

    /// Shows the progress of a path.
    pub(crate) fn path_changed(&mut self, session: &str, report: &PathReport) {
        if let Some(live) = &mut self.live {
            live.update_path(session, report);
        }
    }

    pub(crate) fn path_ended(&mut self, session: &str) {
        if let Some(live) = &mut self.live {
            live.end(session);
        }
    }

    fn print_report(&mut self, report: &Report) {
        if self.printer.format() == Format::Prom {
            self.metrics.add(report);
        }
        self.print_document(&TargetReport { report, options: self.options });
        if !self.has_failed() {
            self.explain(report);
        }
    }

    fn print_series(&mut self, target: usize, series: &RepeatReport) {
        let SeriesSoFar { documents, hints } = self.series.remove(&target).unwrap_or_default();
        self.printer.print_report(&SeriesReport {
            series,
            runs: (self.printer.format() == Format::Json).then_some(&documents),
            hints: &hints,
            has_histogram: self.has_histogram,
        });
        if let Some(page) = &mut self.page {
            page.add(&repeat::document(series, &hints, Some(&documents)));
        }
        let message = cause::explain_series(series);
        self.printer.print_message(&Message { hints: hints.by_try(series.runs.done), ..message });
    }

    /// Prints a report, and keeps its document for the page.
    fn print_document(&mut self, report: &impl Print) {
        if let Some(page) = &mut self.page {
            page.add(&report.json());
        }
        self.printer.print_report(report);
    }

    /// Prints errors, causes, hints, and the totals of a relay.
    fn explain(&mut self, report: &Report) {
        // After SIGPIPE the totals are noise: the reader left on purpose.
        let relay = report.relay.as_ref().filter(|relay| relay.end != RelayEnd::OutputClosed);
        let has_messages = self.printer.format() != Format::Quiet
            && !self.printer.request().has_document_on_stderr();
        if let Some(relay) = relay.filter(|_| has_messages) {
            self.print_aside(&text::relayed(relay.sent, relay.received, relay.took));
        }
        let mut message = cause::explain(report);
        if self.printer.has_many() {
            // Because targets with one cause share one hint, it is printed after the last of them.
            message.hints.drain(..).for_each(|hint| self.hints.add(report, hint));
        }
        self.printer.print_message(&message);
    }

    /// Prints a series that goes on, on one line.
    pub(crate) fn interim(&mut self, series: &RepeatReport, took: Duration) {
        self.print_aside(&series::interim(series, took));
    }

    /// Prints text on standard error as it is.
    pub(crate) fn print_aside(&self, text: &str) {
        self.printer.print_aside(text);
    }

    pub(crate) fn print_slow(&mut self, log: &SlowLog, threshold: Duration) {
        self.printer.print_slow(log, threshold);
    }

    /// Draws one frame of the live view.
    pub(crate) fn draw(&mut self, now: Instant) {
        if let Some(live) = &self.live {
            self.printer.draw(&live.rows(now));
        }
    }

    /// Whether the report or qlog has failed, so that going on is of no use.
    pub(crate) fn has_failed(&self) -> bool {
        self.printer.has_failed() || self.qlog.as_ref().is_some_and(QlogFile::has_failed)
    }

    /// Completes the output.
    ///
    /// # Errors
    /// Output that cannot be written, the report before qlog.
    pub(crate) fn finish(&mut self) -> ExitResult {
        if self.printer.format() == Format::Prom {
            self.printer.print_text(&self.metrics.exposition());
        }
        let hints = std::mem::take(&mut self.hints).by_target();
        self.printer.print_message(&Message { hints, ..Message::default() });
        let qlog = self.qlog.as_mut().map_or(Ok(Exit::Success), QlogFile::finish);
        let page = self.page.as_mut().map_or(Ok(Exit::Success), PageFile::finish);
        self.printer.finish()?;
        qlog.and(page)
    }

    /// Writes an event record to qlog, and to NDJSON.
    fn record(&mut self, record: &wire::event::Record, report: &Report) {
        if let Some(qlog) = &mut self.qlog {
            qlog.write(record, report);
        }
        if self.printer.format() == Format::Ndjson {
            self.printer.print_json(record);
        }
    }
}

/// The report of a target.
struct TargetReport<'a> {
    report: &'a Report,
    options: HumanOptions,
}

impl Print for TargetReport<'_> {
    /// The connection of a relay or transfer is printed when it is made, so that only the transfer is left.
    fn human(&self, frame: &Frame) -> String {
        match &self.report.transfer {
            Some(transfer) if !transfer.is_opened => String::new(),
            Some(transfer) if self.report.end == End::Connected => {
                format!("\n{}", sent::sent(transfer, frame.style.width))
            }
            _ if self.report.relay.is_some() => String::new(),
            _ => frame.report(&text::report(self.report, frame.style, self.options)),
        }
    }

    fn line_after_human(&self) -> Vec<u8> {
        match &self.report.transfer {
            Some(transfer) if transfer.is_opened && self.report.end == End::Connected => {
                sent::sum(transfer)
            }
            _ => Vec::new(),
        }
    }

    fn json(&self) -> impl Serialize {
        match &self.report.transfer {
            Some(transfer) => {
                Document::Transfer(Box::new(sendfile::document(self.report, transfer)))
            }
            None => Document::Connect(Box::new(connect::document(self.report))),
        }
    }

    fn csv(&self) -> String {
        csv::lines(self.report, 1, true)
    }

    fn plain(&self) -> String {
        csv::lines(self.report, 1, false)
    }
}

/// The paths to a target.
struct PathPrint<'a> {
    report: &'a PathReport,
}

impl Print for PathPrint<'_> {
    fn human(&self, frame: &Frame) -> String {
        frame.report(&path::text(self.report, frame.style))
    }

    fn json(&self) -> impl Serialize {
        json_path::document(self.report)
    }

    fn csv(&self) -> String {
        csv::path_lines(self.report, true)
    }

    fn plain(&self) -> String {
        csv::path_lines(self.report, false)
    }
}

/// The document of a transfer, or of the connection alone.
#[derive(Serialize)]
#[serde(untagged)]
enum Document {
    Transfer(Box<wire::transfer::Document>),
    Connect(Box<wire::connect::Document>),
}

/// One run of a series.
struct Run<'a> {
    number: u64,
    report: &'a Report,
    has_many: bool,
}

impl Print for Run<'_> {
    fn human(&self, frame: &Frame) -> String {
        let line = text::try_line(self.number, self.report, frame.style);
        match self.has_many {
            true => format!("{}  {line}", self.report.subject.text),
            false => line,
        }
    }

    fn json(&self) -> impl Serialize {
        connect::document(self.report)
    }

    fn csv(&self) -> String {
        csv::lines(self.report, self.number, true)
    }

    fn plain(&self) -> String {
        csv::lines(self.report, self.number, false)
    }
}

/// The summary of a series, with the documents of its runs where they are kept.
struct SeriesReport<'a> {
    series: &'a RepeatReport,
    runs: Option<&'a Vec<wire::connect::Document>>,
    hints: &'a HintGroups,
    has_histogram: bool,
}

impl Print for SeriesReport<'_> {
    fn human(&self, frame: &Frame) -> String {
        series::summary(self.series, self.series.took, self.has_histogram, frame.style)
    }

    fn json(&self) -> impl Serialize {
        repeat::document(self.series, self.hints, self.runs.map(Vec::as_slice))
    }
}
