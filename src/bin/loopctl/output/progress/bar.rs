//! Progress bar of a transfer, on a terminal's standard error.

use std::time::Duration;

use crate::output::progress::picture::{Picture, cut_to};
use crate::util::style::Style;
use crate::util::units::{bytes, display_width};

/// Interval between frames. A shorter transfer draws nothing.
pub(crate) const FRAME: Duration = Duration::from_millis(100);

/// Limits of the bar's width, in columns.
const MAX_BAR: usize = 24;
const MIN_BAR: usize = 4;

pub(crate) struct Bar {
    picture: Picture,
    style: Style,
    name: String,
    total: Option<u64>,
}

/// Progress of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes that the peer already had.
    pub(crate) had: u64,
    pub(crate) sent: u64,
    pub(crate) took: Duration,
}

impl Bar {
    /// `total`: includes the bytes that the peer already had.
    pub(crate) fn new(name: &str, total: Option<u64>, style: Style) -> Self {
        let name = name.chars().filter(|c| !c.is_control()).collect();
        let total = total.filter(|total| *total > 0);
        Self { picture: Picture::new(style), style, name, total }
    }

    /// Draws a frame at the present width of the terminal.
    pub(crate) fn draw(&self, progress: Progress) {
        let width = self.picture.width();
        let row = row(&self.name, progress, self.total, self.style.unicode, width);
        self.picture.draw(&[cut_to(&row, width)]);
    }

    /// Hides the bar while `write` prints permanent text.
    pub(crate) fn suspend(&self, write: impl FnOnce()) {
        self.picture.suspend(write);
    }
}

/// `10m.bin   61% ━━━━━━━━━━━━━━──────────  6.1 MB of 10.0 MB  840.0 MB/s  eta 0:00`, shortened to the width.
///
/// First the bar becomes shorter and is left out, then the name, then the total, then the rate.
fn row(name: &str, progress: Progress, total: Option<u64>, unicode: bool, room: usize) -> String {
    let Progress { had, sent, took } = progress;
    let rate = sent as f64 / took.as_secs_f64().max(1e-9);
    let speed = format!("{}/s", bytes(rate as u64));
    let done = had + sent;
    let Some(total) = total else {
        let figures = format!("{}  {speed}", bytes(done));
        return if wide(name) + 2 + wide(&figures) <= room {
            format!("{name}  {figures}")
        } else {
            figures
        };
    };
    let share = done.min(total) as f64 / total as f64;
    let left = (total.saturating_sub(done)) as f64 / rate.max(1e-9);
    let eta = if sent == 0 { "-".to_owned() } else { clock(left) };
    let percent = format!("{:>3}%", (share * 100.0) as u64);
    let figures = format!("{} of {}  {speed}  eta {eta}", bytes(done), bytes(total));
    let long = format!("{name}  {percent}  {figures}");
    if let Some(more @ MIN_BAR..) = room.checked_sub(wide(&long) + 1) {
        let bar = bar(share, more.min(MAX_BAR), unicode);
        return format!("{name}  {percent} {bar}  {figures}");
    }
    let shorter = [
        long,
        format!("{percent}  {figures}"),
        format!("{percent}  {}  {speed}  eta {eta}", bytes(done)),
        format!("{percent}  {speed}  eta {eta}"),
    ];
    let shortest = format!("{percent}  eta {eta}");
    shorter.into_iter().find(|row| wide(row) <= room).unwrap_or(shortest)
}

fn bar(share: f64, length: usize, unicode: bool) -> String {
    let filled = (share * length as f64) as usize;
    let (fill, rest) = if unicode { ("━", "─") } else { ("=", "-") };
    fill.repeat(filled) + &rest.repeat(length - filled)
}

fn wide(text: &str) -> usize {
    display_width(text)
}

fn clock(seconds: f64) -> String {
    let seconds = seconds.min(359_999.0).ceil() as u64;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sent: u64, ms: u64) -> Progress {
        Progress { had: 0, sent, took: Duration::from_millis(ms) }
    }

    #[test]
    fn a_row_says_how_far_how_fast_and_how_long() {
        let drawn = row("10m.bin", at(6_100_000, 100), Some(10_000_000), true, 100);
        let bar = "━━━━━━━━━━━━━━──────────";
        assert_eq!(drawn, format!("10m.bin   61% {bar}  6.1 MB of 10.0 MB  61.0 MB/s  eta 0:01"));
        let drawn = row("x", at(0, 0), Some(10), false, 100);
        assert_eq!(drawn, "x    0% ------------------------  0 B of 10 B  0 B/s  eta -");
        let drawn = row("x", at(12, 1000), Some(10), false, 100);
        assert_eq!(drawn, "x  100% ========================  12 B of 10 B  12 B/s  eta 0:00");
        assert_eq!(row("a-", at(5000, 500), None, true, 80), "a-  5.0 kB  10.0 kB/s");
        assert_eq!(row("a-", at(5000, 500), None, true, 20), "5.0 kB  10.0 kB/s");
        assert_eq!(clock(3725.2), "1:02:06");
    }

    #[test]
    fn what_the_peer_had_before_counts_for_how_far_but_not_for_how_fast() {
        let progress = Progress { had: 500, sent: 100, took: Duration::from_secs(1) };
        let drawn = row("x", progress, Some(1000), false, 100);
        assert_eq!(drawn, "x   60% ==============----------  600 B of 1.0 kB  100 B/s  eta 0:04");
    }

    #[test]
    fn where_there_is_little_room_the_figures_are_what_stays() {
        let drawn =
            |room| row("a-long-name.bin", at(6_100_000, 100), Some(10_000_000), false, room);
        let figures = "6.1 MB of 10.0 MB  61.0 MB/s  eta 0:01";
        assert_eq!(drawn(78), format!("a-long-name.bin   61% =========-------  {figures}"));
        assert_eq!(drawn(66), format!("a-long-name.bin   61% ==--  {figures}"));
        assert_eq!(drawn(65), format!("a-long-name.bin   61%  {figures}"));
        assert_eq!(drawn(61), drawn(65));
        assert_eq!(drawn(58), format!(" 61%  {figures}"));
        assert_eq!(drawn(38), " 61%  6.1 MB  61.0 MB/s  eta 0:01");
        assert_eq!(drawn(30), " 61%  61.0 MB/s  eta 0:01");
        assert_eq!(drawn(5), " 61%  eta 0:01");
        for room in 14..120 {
            assert!(wide(&drawn(room)) <= room, "{room}");
        }
    }
}
