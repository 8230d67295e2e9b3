//! The reports and events of `resolve`.

use std::time::Duration;

use loopctl::DnsEvent;
use loopctl::plan::SlowLog;
use serde::Serialize;

use super::human::resolve::text::View;
use super::human::resolve::{notes, text};
use super::json::resolve;
use super::page::file::PageFile;
use super::printer::{Frame, Print, Printer};
use super::writer::Writer;
use crate::config::ResolveRequest;
use crate::exit::{Exit, ExitResult, FatalError};
use crate::report::names::{NameEnd, NameReport};

/// Prints a report for each name, and every event with `-v`.
pub(crate) struct NamePrinter {
    printer: Printer,
    page: Option<PageFile>,
    view: View,
    is_short: bool,
}

impl NamePrinter {
    /// # Errors
    /// A file that cannot be created.
    pub(crate) fn new(request: &ResolveRequest) -> Result<Self, FatalError> {
        let has_many = request.names.len() > 1;
        let files = &request.output.files;
        Ok(Self {
            printer: Printer::new(&request.output, Writer::of_report(&files.report)?, has_many),
            page: files.page.as_ref().map(PageFile::create).transpose()?,
            view: View {
                order: request.look.order,
                has_headline: has_many,
                is_verbose: request.output.verbosity > 0,
            },
            is_short: request.look.short,
        })
    }

    /// Prints an event of a query, with `-v`.
    pub(crate) fn event(&self, event: &DnsEvent, report: &NameReport) {
        self.printer.print_verbose(|| notes::event(event, report.since_start(event.at)));
    }

    /// Prints the report of a name, and its errors.
    pub(crate) fn print(&mut self, report: &NameReport) {
        let short = self.is_short;
        let view = NameView { report, view: self.view, is_short: short };
        if let Some(page) = &mut self.page {
            page.add(&view.json());
        }
        self.printer.print_report(&view);
        let is_complete = short && report.end == NameEnd::Found;
        if !is_complete && !self.has_failed() {
            self.printer.print_message(&notes::explain(report));
        }
    }

    pub(crate) fn print_slow(&mut self, log: &SlowLog, threshold: Duration) {
        if !self.is_short {
            self.printer.print_slow(log, threshold);
        }
    }

    /// Whether the output has failed, so that going on is of no use.
    pub(crate) fn has_failed(&self) -> bool {
        self.printer.has_failed()
    }

    /// Completes the output.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub(crate) fn finish(&mut self) -> ExitResult {
        let page = self.page.as_mut().map_or(Ok(Exit::Success), PageFile::finish);
        self.printer.finish()?;
        page
    }
}

/// The report of a name, in full or only its data.
struct NameView<'a> {
    report: &'a NameReport,
    view: View,
    is_short: bool,
}

impl Print for NameView<'_> {
    fn human(&self, frame: &Frame) -> String {
        match self.is_short {
            true => self.report.short().into_iter().map(|line| line + "\n").collect(),
            false => frame.report(&text::report(self.report, self.view, frame.style)),
        }
    }

    fn json(&self) -> impl Serialize {
        resolve::document(self.report)
    }
}
