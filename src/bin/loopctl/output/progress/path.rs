//! Live view of paths: a row for each hop that answered.

use std::time::Instant;

use crate::output::progress::picture::cut;
use crate::report::path::{Path, PathReport};
use crate::util::style::Style;
use crate::util::units;

/// Maximum number of rows of a path, so that the view fits the terminal.
const ROWS: usize = 18;

/// The paths of one target.
pub(crate) fn rows(report: &PathReport, now: Instant, style: Style) -> Vec<String> {
    let elapsed = report.base.since_start(now).as_secs_f64();
    if report.paths.is_empty() {
        return vec![cut(
            &format!("  {}  resolving  {elapsed:.1} s", report.base.subject.text),
            style,
        )];
    }
    report.paths.iter().flat_map(|path| one(path, elapsed, style)).collect()
}

fn one(path: &Path, elapsed: f64, style: Style) -> Vec<String> {
    let hops = path.shown_hops();
    let mut rows = vec![cut(&format!("  to {}  {elapsed:.1} s", path.to), style)];
    rows.extend(hops.iter().skip(hops.len().saturating_sub(ROWS)).map(|hop| {
        let from = hop.answers.first().map_or_else(|| "-".to_owned(), |it| it.from.to_string());
        let rtt = hop.rtts().map_or_else(|| "-".to_owned(), |(min, _)| units::column(min));
        let (answered, sent) = (hop.answered(), hop.sent);
        cut(&format!("  {:>3}  {from}  {answered} of {sent}  {rtt} ms", hop.number), style)
    }));
    rows
}
