//! Standard output: one format, one buffer, and what to do when it is gone.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write, stdout};

use loopctl::Event;
use serde_json::Value;

use crate::cause;
use crate::exit::Exit;
use crate::message::Message;
use crate::render::{events, json, text};
use crate::report::Report;
use crate::request::{Format, OutputRequest, RaceRequest, Style};

/// Tells events and reports in the format that was asked for. The first failure to write is kept.
pub(crate) struct Output {
    request: OutputRequest,
    stdout: BufWriter<Stdout>,
    /// Documents of several targets form an array.
    is_array: bool,
    told: usize,
    failure: Option<io::Error>,
}

const SIGPIPE: i32 = 13;

impl Output {
    pub(crate) fn new(request: &OutputRequest, targets: usize) -> Self {
        let stdout = BufWriter::new(stdout());
        let is_array = targets > 1 && request.format == Format::Json;
        Self { request: request.clone(), stdout, is_array, told: 0, failure: None }
    }

    /// Before the first event of a target.
    pub(crate) fn begin(&mut self, race: &RaceRequest) {
        if self.request.format == Format::Ndjson {
            let record = events::config_set(&self.session(), race);
            self.line(&record);
        }
    }

    pub(crate) fn event(&mut self, event: &Event, report: &Report) {
        if self.request.format == Format::Ndjson {
            for record in events::records(&self.session(), event, report) {
                self.line(&record);
            }
        }
        if self.request.verbosity > 0
            && let Some(line) = events::line(event, report)
        {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// After the last event of a target.
    pub(crate) fn report(&mut self, report: &Report) {
        match self.request.format {
            Format::Quiet => return,
            Format::Human => {
                let gap = if self.told > 0 { "\n" } else { "" };
                let text = text::report(report, self.request.stdout);
                self.write(&format!("{gap}{text}"));
            }
            Format::Json => {
                let (begin, end) = match (self.is_array, self.told) {
                    (false, _) => ("", "\n"),
                    (true, 0) => ("[\n", ""),
                    (true, _) => (",\n", ""),
                };
                let document = serde_json::to_string_pretty(&json::document(report));
                self.write(&format!("{begin}{}{end}", document.unwrap_or_default()));
            }
            Format::Ndjson => {
                let record = events::metrics(&self.session(), report);
                self.line(&record);
                self.line(&json::document(report));
            }
        }
        self.told += 1;
        self.flush();
        if !self.has_failed() {
            cause::explain(report).print(self.request.stderr);
        }
    }

    /// Text that belongs to the human format only.
    pub(crate) fn aside(&mut self, text: &str) {
        if self.request.format == Format::Human {
            self.write(text);
            self.flush();
        }
    }

    /// Whether something could not be written, so that going on is of no use.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Ends the array, and tells what became of the output.
    pub(crate) fn finish(&mut self) -> Exit {
        if self.is_array {
            self.write(if self.told == 0 { "[]\n" } else { "\n]\n" });
        }
        self.flush();
        written(self.failure.take().map_or(Ok(()), Err), self.request.stderr)
    }

    fn session(&self) -> String {
        (self.told + 1).to_string()
    }

    /// One record, out at once: somebody may be watching.
    fn line(&mut self, record: &Value) {
        self.write(&format!("{record}\n"));
        self.flush();
    }

    fn write(&mut self, text: &str) {
        let result = self.stdout.write_all(text.as_bytes());
        self.note(result);
    }

    fn flush(&mut self) {
        let result = self.stdout.flush();
        self.note(result);
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }
}

/// Prints bytes that are no report, and tells how the process ends.
pub(crate) fn print(bytes: &[u8], style: Style) -> Exit {
    let mut stdout = stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush()), style)
}

/// How something written ends the process. A closed pipe needs no words.
pub(crate) fn written(result: io::Result<()>, style: Style) -> Exit {
    match result {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Signal(SIGPIPE),
        Err(error) => {
            Message::error(format!("cannot write output: {error}")).print(style);
            Exit::CannotWrite
        }
    }
}
