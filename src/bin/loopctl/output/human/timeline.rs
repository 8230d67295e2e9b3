//! Attempts as bars over time.

use std::time::Duration;

use loopctl::TlsErrorKind;

use crate::report::{Attempt, Outcome, Report, TlsReport};
use crate::util::units;

/// Minimum width of a readable timeline, in columns.
pub(crate) const MIN_COLUMNS: usize = 12;
const MAX_COLUMNS: usize = 60;

/// The time axis and how it is drawn.
pub(crate) struct Timeline {
    columns: usize,
    total: Duration,
    glyphs: Glyphs,
}

struct Glyphs {
    edge: char,
    pending: char,
    end: char,
    failed: char,
    won: char,
    tls: char,
}

const UNICODE: Glyphs =
    Glyphs { edge: '▕', pending: '━', end: '╸', failed: '╳', won: '█', tls: '▒' };
const ASCII: Glyphs = Glyphs { edge: '|', pending: '.', end: '.', failed: 'x', won: '#', tls: '=' };

impl Timeline {
    /// `None` below the minimum width.
    pub(crate) fn new(report: &Report, room: usize, unicode: bool) -> Option<Self> {
        let columns = room.saturating_sub(1).min(MAX_COLUMNS);
        let glyphs = if unicode { UNICODE } else { ASCII };
        (columns >= MIN_COLUMNS).then_some(Self { columns, total: report.total, glyphs })
    }

    /// `0 ms` at the left end, the total at the right.
    pub(crate) fn axis(&self) -> String {
        let ms = self.total.as_secs_f64() * 1000.0;
        let total = if ms < 10.0 { units::column(self.total) } else { format!("{ms:.0}") };
        format!("0 ms{total:>width$}", width = (self.columns + 1).saturating_sub(4))
    }

    /// Bar of an attempt, continued by its TLS handshake; at least one column wide, so that a quick answer is seen.
    pub(crate) fn bar(&self, attempt: &Attempt, tls: Option<&TlsReport>) -> String {
        let glyphs = &self.glyphs;
        let secured = tls.and_then(|tls| Some((tls.ended?, tls.failure.as_ref())));
        let max = self.columns - usize::from(secured.is_some());
        let first = self.column(attempt.start).min(max - 1);
        let last = self.column(attempt.start + attempt.took).clamp(first + 1, max);
        let body = last - first - 1;
        let (fill, tip) = match &attempt.outcome {
            Outcome::Success => (glyphs.won, glyphs.won),
            _ if attempt.tls.is_some() => (glyphs.pending, glyphs.pending),
            Outcome::Failure(..) => (glyphs.pending, glyphs.failed),
            _ => (glyphs.pending, glyphs.end),
        };
        let lead = " ".repeat(first);
        let bar = format!("{}{lead}{}{tip}", glyphs.edge, String::from(fill).repeat(body));
        let Some((end, failure)) = secured else { return bar };
        let length = self.column(end).clamp(last + 1, self.columns) - last;
        let tip = match failure.map(|failure| failure.kind()) {
            None => glyphs.tls,
            Some(Some(TlsErrorKind::Canceled)) => glyphs.end,
            Some(_) => glyphs.failed,
        };
        format!("{bar}{}{tip}", String::from(glyphs.tls).repeat(length - 1))
    }

    fn column(&self, at: Duration) -> usize {
        let share = at.as_secs_f64() / self.total.as_secs_f64().max(1e-9);
        (share * self.columns as f64).round() as usize
    }
}
