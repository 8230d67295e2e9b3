//! Result of a target, of one run or of many.

use super::Report;
use super::path::PathReport;
use super::repeat::RepeatReport;

pub(crate) enum TargetResult {
    Report(Box<Report>),
    Repeat(Box<RepeatReport>),
    Path(Box<PathReport>),
}
