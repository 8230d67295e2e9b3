//! Slow callbacks as text.

use std::fmt::Write as _;
use std::time::Duration;

use loopctl::plan::SlowLog;

use crate::util::units;

/// Slow callbacks: duration, count, kind, and the line that scheduled each.
pub(crate) fn text(log: &SlowLog, threshold: Duration) -> String {
    let totals = log.totals();
    let over = units::prose(threshold);
    if totals.count == 0 {
        return format!("\nslow callbacks: none took {over} or longer\n");
    }
    let mut text = format!(
        "\nslow callbacks: {} took {over} or longer, {} together\n\n   longest    total   runs  what\n",
        totals.count,
        units::prose(totals.total)
    );
    for job in log.worst() {
        let _ = write!(
            text,
            "  {:>8} {:>8} {:>6}  {}",
            units::column(job.longest),
            units::column(job.total),
            job.count,
            job.name
        );
        let _ = match job.origin {
            Some(at) => writeln!(text, "\n{:28}scheduled at {}:{}", "", at.file(), at.line()),
            None => writeln!(text),
        };
    }
    text
}
