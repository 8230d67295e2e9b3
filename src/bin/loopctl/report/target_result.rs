//! The final word on a target.

use super::Report;
use super::repeat::RepeatReport;
use crate::exit::Exit;

/// What there is to tell about a target in the end.
pub(crate) enum TargetResult {
    Report(Box<Report>),
    Repeat(Box<RepeatReport>),
}

impl TargetResult {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Report(report) => report.exit(),
            Self::Repeat(series) => series.exit(),
        }
    }
}
