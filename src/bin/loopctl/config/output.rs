//! The output: its format, its files, and the terminal.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::environment::Environment;
use super::report::{PageFormat, PageOutput};
use crate::cli::{DebugArgs, ExportArgs, OutputArgs};
use crate::util::style::Style;

/// The format of the reports, where they go, and how they look.
#[derive(Debug, Clone)]
pub(crate) struct OutputRequest {
    pub(crate) format: Format,
    pub(crate) verbosity: u8,
    /// The style of the report.
    pub(crate) stdout: Style,
    /// The style of messages and progress.
    pub(crate) stderr: Style,
    pub(crate) files: OutputFiles,
    pub(crate) tcp_info: bool,
    /// Lines begin with the time.
    pub(crate) timestamps: bool,
    /// Progress is drawn on the terminal.
    pub(crate) live: bool,
}

/// Files to write to.
#[derive(Debug, Clone)]
pub(crate) struct OutputFiles {
    pub(crate) report: ReportDestination,
    /// Page, beside the report.
    pub(crate) page: Option<PageOutput>,
    pub(crate) qlog: Option<PathBuf>,
}

/// Destination of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReportDestination {
    Stdout,
    /// A relay writes the peer's bytes to standard output, and only these.
    Stderr,
    File(PathBuf),
}

/// The format of the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Human,
    Json,
    Ndjson,
    Csv,
    Plain,
    Prom,
    Quiet,
}

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The report of slow callbacks, and the duration from which a callback is slow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlowRequest {
    pub(crate) debug: bool,
    pub(crate) threshold: Option<Duration>,
}

/// The threshold of `--debug`, as in asyncio.
const DEFAULT_SLOW_THRESHOLD: Duration = Duration::from_millis(100);

impl From<&DebugArgs> for SlowRequest {
    fn from(args: &DebugArgs) -> Self {
        let threshold = args.slow_callback.or_else(|| args.debug.then_some(DEFAULT_SLOW_THRESHOLD));
        Self { debug: args.debug, threshold }
    }
}

impl OutputRequest {
    pub(crate) fn new(args: &OutputArgs, env: &Environment) -> Self {
        let can_draw = env.stderr.is_terminal && !env.is_dumb;
        Self {
            format: match (args.quiet, args.json, args.ndjson) {
                (true, ..) => Format::Quiet,
                (_, true, _) => Format::Json,
                (_, _, true) => Format::Ndjson,
                _ => Format::Human,
            },
            verbosity: args.verbose,
            stdout: env.style(args.color, env.stdout),
            stderr: env.style(args.color, env.stderr),
            files: OutputFiles {
                report: ReportDestination::Stdout,
                page: None,
                qlog: args.qlog.clone(),
            },
            tcp_info: false,
            timestamps: false,
            live: can_draw && !args.no_progress && !args.quiet && args.verbose == 0,
        }
    }

    /// Adds the formats and the report file of `connect`. `--json` and `--quiet` override the formats.
    pub(super) fn export(&mut self, args: ExportArgs) {
        if self.format == Format::Human {
            self.format = match (args.csv, args.plain, args.prom) {
                (true, ..) => Format::Csv,
                (_, true, _) => Format::Plain,
                (_, _, true) => Format::Prom,
                _ => Format::Human,
            };
        }
        self.report_to(args.report);
        self.tcp_info = args.tcp_info;
        self.timestamps = args.timestamps;
    }

    /// Sends the report to a file. A page is written beside the report.
    pub(super) fn report_to(&mut self, file: Option<PathBuf>) {
        let Some(path) = file.filter(|path| path.as_os_str() != "-") else { return };
        match PageFormat::of(&path) {
            PageFormat::Text => {
                self.stdout = Style { color: false, width: None, ..self.stdout };
                self.files.report = ReportDestination::File(path);
            }
            format => self.files.page = Some(PageOutput { path, format }),
        }
    }

    /// Whether standard error carries a document, which contains the error.
    pub(crate) fn has_document_on_stderr(&self) -> bool {
        let is_document = !matches!(self.format, Format::Human | Format::Quiet);
        self.files.report == ReportDestination::Stderr && is_document
    }

    /// Moves the report to standard error, because standard output carries the peer's bytes.
    pub(super) fn leave_stdout(&mut self) {
        if self.files.report == ReportDestination::Stdout {
            self.files.report = ReportDestination::Stderr;
            self.stdout = self.stderr;
        }
    }
}
