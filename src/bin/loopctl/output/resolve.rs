//! What is told about names, in the format that was asked for.

use std::io::{Write as _, stderr};
use std::time::Duration;

use loopctl::DnsEvent;
use loopctl::plan::SlowLog;

use super::human::resolve::text::View;
use super::human::resolve::{text, words};
use super::human::slow;
use super::json::resolve;
use super::wire;
use super::writer::Writer;
use crate::config::{Format, OutputRequest, ResolveRequest};
use crate::exit::{Exit, FatalError};
use crate::report::names::{NameEnd, NameReport};

/// Tells reports on standard output, and what went wrong on standard error.
pub(crate) struct Teller {
    out: Writer,
    output: OutputRequest,
    view: View,
    is_short: bool,
    /// Documents of several names form an array.
    is_array: bool,
    told: usize,
}

impl Teller {
    pub(crate) fn new(request: &ResolveRequest) -> Self {
        let are_many = request.names.len() > 1;
        Self {
            out: Writer::stdout(),
            output: request.output.clone(),
            view: View {
                order: request.look.order,
                has_headline: are_many,
                is_verbose: request.output.verbosity > 0,
            },
            is_short: request.look.short,
            is_array: are_many && request.output.format == Format::Json,
            told: 0,
        }
    }

    /// Every step, for `-v`.
    pub(crate) fn event(&self, event: &DnsEvent, report: &NameReport) {
        if self.output.verbosity > 0
            && let Some(line) = words::event(event, report.since_start(event.at))
        {
            let _ = writeln!(stderr(), "{line}");
        }
    }

    /// The final word on a name.
    pub(crate) fn tell(&mut self, report: &NameReport) {
        let text = match self.output.format {
            Format::Json => self.document(report),
            Format::Ndjson => wire::line(&resolve::document(report)),
            Format::Human if self.is_short => {
                report.short().into_iter().map(|line| line + "\n").collect()
            }
            Format::Human => {
                let gap = if self.told > 0 { "\n" } else { "" };
                format!("{gap}{}", text::report(report, self.view, self.output.stdout))
            }
            _ => String::new(),
        };
        self.told += 1;
        self.out.write(&text);
        self.out.flush();
        let is_quiet =
            self.output.format == Format::Quiet || (self.is_short && report.end == NameEnd::Found);
        if !is_quiet && !self.has_failed() {
            let message = words::explain(report).render(self.output.stderr);
            let _ = stderr().write_all(message.as_bytes());
        }
    }

    fn document(&self, report: &NameReport) -> String {
        let (begin, end) = match (self.is_array, self.told) {
            (false, _) => ("", "\n"),
            (true, 0) => ("[\n", ""),
            (true, _) => (",\n", ""),
        };
        let document = wire::pretty(&resolve::document(report));
        format!("{begin}{document}{end}")
    }

    /// Slow callbacks, in the format for people only.
    pub(crate) fn slow(&mut self, log: &SlowLog, threshold: Duration) {
        if self.output.format == Format::Human && !self.is_short {
            self.out.write(&slow::text(log, threshold));
            self.out.flush();
        }
    }

    /// Whether something could not be written, so that going on is of no use.
    pub(crate) fn has_failed(&self) -> bool {
        self.out.has_failed()
    }

    /// Completes the output.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub(crate) fn finish(&mut self) -> Result<Exit, FatalError> {
        if self.is_array {
            self.out.write(if self.told == 0 { "[]\n" } else { "\n]\n" });
        }
        self.out.finish()
    }
}
