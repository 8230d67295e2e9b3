//! Rows on a terminal's standard error that are redrawn, and erased at the end.

use std::io::{self, Write, stderr};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::util::style::Style;

/// Rows of text, drawn as one: it never flickers.
pub(crate) struct Picture {
    bar: ProgressBar,
    width: Width,
}

/// Width of the terminal: the configured one until a change is seen.
#[derive(Debug, Clone, Copy)]
struct Width {
    said: u16,
    seen: Option<u16>,
}

impl Width {
    fn new(style: Style) -> Self {
        let said = style.width.and_then(|width| width.try_into().ok()).unwrap_or(80);
        Self { said, seen: Self::seen() }
    }

    fn seen() -> Option<u16> {
        terminal_size::terminal_size_of(stderr()).map(|(width, _)| width.0)
    }

    fn now(self) -> u16 {
        match Self::seen() {
            seen if seen == self.seen => self.said,
            seen => seen.unwrap_or(self.said),
        }
    }
}

impl Picture {
    pub(crate) fn new(style: Style) -> Self {
        let width = Width::new(style);
        let terminal = Terminal { width, frame: Mutex::default() };
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal), 20);
        let bar = ProgressBar::with_draw_target(None, target);
        // A template of one placeholder is always valid; the default one would do as well.
        let template = ProgressStyle::with_template("{msg}");
        bar.set_style(template.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self { bar, width }
    }

    /// The columns that a row may have now, with a reserve for the `^C` that a terminal echoes at its end.
    pub(crate) fn width(&self) -> usize {
        usize::from(self.width.now()).saturating_sub("^C".len() + 1)
    }

    pub(crate) fn draw(&self, rows: &[String]) {
        self.bar.set_message(rows.join("\n"));
        self.bar.tick();
    }

    /// Hides the rows while `write` prints permanent text.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Cuts a row that is too wide, because a wrapped row would not be erased. The `^C` that a terminal echoes at its end
/// has space.
pub(crate) fn cut(row: &str, style: Style) -> String {
    cut_to(row, style.width.unwrap_or(80).saturating_sub("^C".len() + 1))
}

/// The first columns of a row.
pub(crate) fn cut_to(row: &str, width: usize) -> String {
    console::truncate_str(row, width, "").into_owned()
}

/// Standard error, one write a frame.
///
/// indicatif fills every row with blanks, so that the cursor stands below the picture; the `^C` that a
/// terminal echoes would begin a row there, and one row of the picture would stay. Here the blanks end the
/// row only when another one follows.
#[derive(Debug)]
struct Terminal {
    width: Width,
    frame: Mutex<Frame>,
}

#[derive(Debug, Default)]
struct Frame {
    bytes: String,
    row_is_full: bool,
}

impl Terminal {
    fn change(&self, change: impl FnOnce(&mut Frame)) -> io::Result<()> {
        change(&mut self.frame.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Moves the cursor; zero is skipped, because a terminal would move by one.
    fn go(&self, count: usize, to: char) -> io::Result<()> {
        self.change(|frame| {
            frame.row_is_full = false;
            if count > 0 {
                frame.bytes += &format!("\u{1b}[{count}{to}");
            }
        })
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.width.now()
    }

    fn height(&self) -> u16 {
        terminal_size::terminal_size_of(stderr()).map_or(24, |(_, height)| height.0)
    }

    fn move_cursor_up(&self, rows: usize) -> io::Result<()> {
        self.go(rows, 'A')
    }

    fn move_cursor_down(&self, rows: usize) -> io::Result<()> {
        self.go(rows, 'B')
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.go(columns, 'C')
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.go(columns, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.change(|frame| frame.bytes += &format!("{text}\r\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.change(|frame| {
            if text.trim_matches(' ').is_empty() {
                frame.row_is_full = true;
                return;
            }
            if std::mem::take(&mut frame.row_is_full) {
                frame.bytes += "\r\n";
            }
            frame.bytes += text;
        })
    }

    fn clear_line(&self) -> io::Result<()> {
        self.change(|frame| frame.bytes += "\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame.lock().unwrap_or_else(PoisonError::into_inner));
        stderr().write_all(frame.bytes.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_at_columns_not_at_characters() {
        assert_eq!(cut_to("a\u{8bc1}\u{4e66}.test", 4), "a\u{8bc1}");
        assert_eq!(cut_to("a\u{8bc1}\u{4e66}.test", 5), "a\u{8bc1}\u{4e66}");
        assert_eq!(cut_to("short", 80), "short");
    }
}
