//! Pages: their format and file, and the request of `loopctl report`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::environment::Environment;
use crate::cli::{GlobalArgs, ReportArgs};
use crate::exit::FatalError;
use crate::util::style::Style;

/// Format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    /// Text for a terminal
    Text,
    /// One HTML file, without scripts and without anything from elsewhere
    Html,
    /// One SVG image with title, charts and reasons
    Svg,
}

impl PageFormat {
    /// Format by the ending of a file name: `.html`, `.htm` or `.svg`; text otherwise.
    pub(crate) fn of(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "html" | "htm" => Self::Html,
            "svg" => Self::Svg,
            _ => Self::Text,
        }
    }
}

/// File of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageOutput {
    pub(crate) path: PathBuf,
    pub(crate) format: PageFormat,
}

/// Documents to show, and the place for them.
#[derive(Debug)]
pub(crate) struct ReportRequest {
    /// `-`: standard input.
    pub(crate) file: PathBuf,
    pub(crate) output: PageOutput,
    pub(crate) style: Style,
}

impl ReportRequest {
    /// # Errors
    /// Flags without a meaning here.
    pub(crate) fn new(
        args: ReportArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, FatalError> {
        if global.output.json || global.output.ndjson || global.output.qlog.is_some() {
            return Err(FatalError::usage("`report` reads JSON: --format is text, html or svg"));
        }
        let path = args.output.unwrap_or_else(|| PathBuf::from("-"));
        let style = match path == Path::new("-") {
            true => env.style(global.output.color, env.stdout),
            false => Style { color: false, unicode: true, width: None },
        };
        let format = args.format.unwrap_or_else(|| PageFormat::of(&path));
        Ok(Self { file: args.file, output: PageOutput { path, format }, style })
    }
}
