//! How far a file is, in one line on a terminal's standard error.

use std::time::Duration;

use super::super::picture::{Picture, cut};
use super::super::units::bytes;
use crate::style::Style;

/// From one frame to the next. What is over before the first one never moves anything.
pub(crate) const FRAME: Duration = Duration::from_millis(100);

const WIDTH: u64 = 24;

pub(crate) struct Bar {
    picture: Picture,
    style: Style,
    name: String,
    total: Option<u64>,
}

impl Bar {
    pub(crate) fn new(name: String, total: Option<u64>, style: Style) -> Self {
        Self { picture: Picture::new(style), style, name, total }
    }

    pub(crate) fn draw(&self, sent: u64, took: Duration) {
        let row = row(&self.name, sent, self.total, took, self.style.unicode);
        self.picture.draw(&[cut(row, self.style)]);
    }
}

/// `10m.bin   61% ━━━━━━━━━━━━━━──────────  6.1 MB of 10.0 MB  840.0 MB/s  eta 0:00`
fn row(name: &str, sent: u64, total: Option<u64>, took: Duration, unicode: bool) -> String {
    let rate = sent as f64 / took.as_secs_f64().max(1e-9);
    let speed = format!("{}/s", bytes(rate as u64));
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("{name}  {}  {speed}", bytes(sent));
    };
    let share = sent.min(total) as f64 / total as f64;
    let filled = (share * WIDTH as f64) as usize;
    let (fill, rest) = if unicode { ("━", "─") } else { ("=", "-") };
    let bar = fill.repeat(filled) + &rest.repeat(WIDTH as usize - filled);
    let left = (total.saturating_sub(sent)) as f64 / rate.max(1e-9);
    let eta = if sent == 0 { "-".to_owned() } else { clock(left) };
    let percent = (share * 100.0) as u64;
    format!("{name}  {percent:>3}% {bar}  {} of {}  {speed}  eta {eta}", bytes(sent), bytes(total))
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

    #[test]
    fn a_row_says_how_far_how_fast_and_how_long() {
        let ms = Duration::from_millis;
        let drawn = row("10m.bin", 6_100_000, Some(10_000_000), ms(100), true);
        let bar = "━━━━━━━━━━━━━━──────────";
        assert_eq!(drawn, format!("10m.bin   61% {bar}  6.1 MB of 10.0 MB  61.0 MB/s  eta 0:01"));
        let drawn = row("x", 0, Some(10), ms(0), false);
        assert_eq!(drawn, "x    0% ------------------------  0 B of 10 B  0 B/s  eta -");
        let drawn = row("x", 12, Some(10), ms(1000), false);
        assert_eq!(drawn, "x  100% ========================  12 B of 10 B  12 B/s  eta 0:00");
        assert_eq!(row("a\n-", 5000, None, ms(500), true), "a-  5.0 kB  10.0 kB/s");
        assert_eq!(clock(3725.2), "1:02:06");
    }
}
