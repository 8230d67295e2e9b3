//! Status line of a server, on a terminal's standard error.

use std::time::{Duration, Instant};

use crate::output::human::serve::text;
use crate::output::progress::picture::cut;
use crate::report::served::Totals;
use crate::util::style::Style;
use crate::util::units::bytes;

/// Interval between frames.
pub(crate) const FRAME: Duration = Duration::from_millis(500);

/// Status line with the previous totals, from which the rate is computed.
pub(crate) struct Status {
    style: Style,
    last: Option<(Instant, u64)>,
}

impl Status {
    pub(crate) fn new(style: Style) -> Self {
        Self { style, last: None }
    }

    pub(crate) fn row(&mut self, totals: &Totals, after: Duration, now: Instant) -> String {
        let moved = totals.bytes.received + totals.bytes.sent;
        let rate = self.last.map_or(0.0, |(then, before)| {
            moved.saturating_sub(before) as f64 / (now - then).as_secs_f64().max(1e-9)
        });
        self.last = Some((now, moved));
        let line = format!("  {}  {}/s", text::totals(totals, after), bytes(rate as u64));
        cut(&line, self.style)
    }
}
