//! Arguments of `loopctl report`.

use std::path::PathBuf;

use clap::Args;

use crate::config::PageFormat;

#[derive(Debug, Args)]
#[command(before_long_help = "\
Examples:
  loopctl connect --json api:443 > run.json; loopctl report run.json
  loopctl report run.json -o run.html        a page to attach to a ticket
  loopctl report run.json -o run.svg         an image
  loopctl connect -c 20 --ndjson api:443 | loopctl report - -o series.html")]
pub(crate) struct ReportArgs {
    /// JSON that loopctl wrote with --json or --ndjson; `-` is standard input
    ///
    /// The file has one document, an array of them, or one after another. Events are passed over. Keys of later
    /// versions are ignored. A file of another program is exit code 26.
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    /// Format [default: from the ending of --output, or text]
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub(crate) format: Option<PageFormat>,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
}
