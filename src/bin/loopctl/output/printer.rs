//! The printer of every command: one format, on one stream, beside messages and progress on standard error.

use std::io::{Write as _, stderr};
use std::time::Duration;

use loopctl::plan::SlowLog;
use serde::Serialize;

use super::human::slow;
use super::progress::picture::Picture;
use super::stamp;
use super::wire;
use super::writer::Writer;
use crate::config::{Format, OutputRequest};
use crate::exit::ExitResult;
use crate::util::message::Message;
use crate::util::style::Style;

/// A report or record in every format. A format that has no form for it gets nothing.
pub(crate) trait Print {
    fn human(&self, frame: &Frame) -> String;

    /// A line after the text that is not always text itself, because it has the name of a file.
    fn line_after_human(&self) -> Vec<u8> {
        Vec::new()
    }

    fn json(&self) -> impl Serialize;

    /// Comma-separated lines, without the header.
    fn csv(&self) -> String {
        String::new()
    }

    /// Tab-separated lines.
    fn plain(&self) -> String {
        String::new()
    }
}

/// The frame of a text for people.
pub(crate) struct Frame {
    pub(crate) style: Style,
    /// The empty line between reports.
    gap: &'static str,
}

impl Frame {
    /// A report of several lines, set apart from the one before.
    pub(crate) fn report(&self, text: &str) -> String {
        format!("{}{text}", self.gap)
    }
}

/// Prints in the format of the run. The first failure of the stream is kept until [`finish`](Self::finish).
pub(crate) struct Printer {
    request: OutputRequest,
    writer: Writer,
    /// Progress on standard error, hidden while anything else is printed.
    picture: Option<Picture>,
    /// Several reports: their documents form one JSON array, and their lines begin with the subject.
    has_many: bool,
    reports: usize,
}

impl Printer {
    /// A printer for one report, or for several of them.
    pub(crate) fn new(request: &OutputRequest, writer: Writer, has_many: bool) -> Self {
        Self {
            request: request.clone(),
            writer,
            picture: request.live.then(|| Picture::new(request.stderr)),
            has_many,
            reports: 0,
        }
    }

    pub(crate) fn request(&self) -> &OutputRequest {
        &self.request
    }

    pub(crate) fn has_many(&self) -> bool {
        self.has_many
    }

    pub(crate) fn format(&self) -> Format {
        self.request.format
    }

    /// Prints a report: one of the documents of the run.
    pub(crate) fn print_report(&mut self, report: &impl Print) {
        match self.format() {
            Format::Json => {
                let document = wire::pretty(&report.json());
                let (begin, end) = match (self.has_many, self.reports) {
                    (false, _) => ("", "\n"),
                    (true, 0) => ("[\n", ""),
                    (true, _) => (",\n", ""),
                };
                self.print_text(&format!("{begin}{document}{end}"));
            }
            format => self.print_record_as(format, report),
        }
        self.reports += 1;
    }

    /// Prints a record: one of many lines, at once, because others may read along.
    pub(crate) fn print_record(&mut self, record: &impl Print) {
        self.print_record_as(self.format(), record);
    }

    /// Prints a record in another format than that of the run.
    pub(crate) fn print_record_as(&mut self, format: Format, record: &impl Print) {
        match format {
            Format::Human => {
                let gap = if self.reports > 0 { "\n" } else { "" };
                let stamp = self.stamp();
                let mut style = self.request.stdout;
                style.width = style.width.map(|width| width.saturating_sub(stamp.len()));
                self.print_text(&stamp::stamped(&stamp, &record.human(&Frame { style, gap })));
                let line = record.line_after_human();
                if !line.is_empty() {
                    self.print_bytes(&[stamp.as_bytes(), &line].concat());
                }
            }
            Format::Json | Format::Ndjson => self.print_json(&record.json()),
            Format::Csv => self.print_text(&record.csv()),
            Format::Plain => self.print_text(&record.plain()),
            Format::Prom | Format::Quiet => {}
        }
    }

    /// Prints a JSON value on one line.
    pub(crate) fn print_json(&mut self, value: &impl Serialize) {
        self.print_text(&wire::line(value));
    }

    /// Prints text as it is.
    pub(crate) fn print_text(&mut self, text: &str) {
        self.print_bytes(text.as_bytes());
    }

    fn print_bytes(&mut self, bytes: &[u8]) {
        self.writer.write_bytes(bytes);
        match &self.picture {
            Some(picture) => picture.suspend(|| self.writer.flush()),
            None => self.writer.flush(),
        }
    }

    /// Prints slow callbacks, for people only.
    pub(crate) fn print_slow(&mut self, log: &SlowLog, threshold: Duration) {
        if self.format() == Format::Human {
            self.print_text(&slow::text(log, threshold));
        }
    }

    /// Prints errors and causes on standard error, unless a document there has them already. Hints are for people only:
    /// in formats for programs, the document has them.
    pub(crate) fn print_message(&self, message: &Message) {
        if self.format() == Format::Quiet || self.request.has_document_on_stderr() {
            return;
        }
        let mut message = message.clone();
        if self.format() != Format::Human {
            message.hints.clear();
        }
        let text = message.render(self.request.stderr);
        if !text.is_empty() {
            self.print_aside(&text);
        }
    }

    /// Prints a line on standard error with `-v`.
    pub(crate) fn print_verbose(&self, line: impl FnOnce() -> Option<String>) {
        if self.request.verbosity > 0
            && let Some(line) = line()
        {
            self.print_aside(&format!("{}{line}\n", self.stamp()));
        }
    }

    /// Prints text on standard error as it is. A failure is ignored, because there is no other place to report it.
    pub(crate) fn print_aside(&self, text: &str) {
        let write = || drop(stderr().write_all(text.as_bytes()));
        match &self.picture {
            Some(picture) => picture.suspend(write),
            None => write(),
        }
    }

    /// Draws one frame of the progress.
    pub(crate) fn draw(&self, rows: &[String]) {
        if let Some(picture) = &self.picture {
            picture.draw(rows);
        }
    }

    /// Ends the progress.
    pub(crate) fn stop_drawing(&mut self) {
        self.picture = None;
    }

    /// The time, if lines begin with it.
    pub(crate) fn stamp(&self) -> String {
        if self.request.timestamps { stamp::now() } else { String::new() }
    }

    /// Whether the stream has failed, so that going on is of no use.
    pub(crate) fn has_failed(&self) -> bool {
        self.writer.has_failed()
    }

    /// Completes the array and the stream.
    ///
    /// # Errors
    /// The first failure of the stream.
    pub(crate) fn finish(&mut self) -> ExitResult {
        self.stop_drawing();
        if self.has_many && self.format() == Format::Json {
            self.print_text(if self.reports == 0 { "[]\n" } else { "\n]\n" });
        }
        self.writer.finish()
    }
}
