//! The final word on a target.

use super::Report;
use super::series::Series;
use crate::exit::Exit;

/// What there is to tell about a target in the end.
pub(crate) enum Told {
    Report(Box<Report>),
    Series(Box<Series>),
}

impl Told {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Report(report) => report.exit(),
            Self::Series(series) => series.exit(),
        }
    }
}
