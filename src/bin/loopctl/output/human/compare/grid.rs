//! A table of text that fits: columns where there is room, otherwise less of it, or the last column below.

use std::fmt::Write as _;

use anstyle::Style as Ansi;

use crate::util::style::Style;
use crate::util::units::{display_width, wrap};

/// What stands in a column.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    is_right: bool,
    ansi: Ansi,
}

impl Cell {
    pub(crate) fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_right: false, ansi: Ansi::new() }
    }

    pub(crate) fn right(text: impl Into<String>) -> Self {
        Self::left(text).rightward()
    }

    pub(crate) fn rightward(self) -> Self {
        Self { is_right: true, ..self }
    }

    pub(crate) fn paint(self, ansi: Ansi) -> Self {
        Self { ansi, ..self }
    }

    fn width(&self) -> usize {
        display_width(&self.text)
    }

    fn padded(&self, width: usize, style: Style) -> String {
        let blanks = " ".repeat(width.saturating_sub(self.width()));
        let text = style.paint(self.ansi, &self.text);
        if self.is_right { blanks + &text } else { text + &blanks }
    }
}

/// Rows below a header. Where there is no room, the last column is wrapped, or stands below the others.
pub(crate) struct Grid {
    rows: Vec<Vec<Cell>>,
    /// What can be left out where there is no room.
    spare: Option<usize>,
}

impl Grid {
    pub(crate) fn new(header: impl IntoIterator<Item = Cell>) -> Self {
        Self { rows: vec![header.into_iter().collect()], spare: None }
    }

    /// Without this column where there is no room.
    pub(crate) fn drops(self, column: usize) -> Self {
        Self { spare: Some(column), ..self }
    }

    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        self.rows.push(row.into_iter().collect());
    }

    pub(crate) fn render(mut self, style: Style) -> String {
        if let (Fit::Below, Some(spare)) = (self.fit(style), self.spare) {
            for row in &mut self.rows {
                row.remove(spare);
            }
        }
        let (fit, widths) = (self.fit(style), widths(&self.rows));
        let mut text = String::new();
        for (nth, row) in self.rows.iter().enumerate() {
            let Some((last, beside)) = row.split_last() else { continue };
            let mut line = String::new();
            for (column, cell) in beside.iter().enumerate() {
                let gap = " ".repeat(gap(column, &widths));
                let _ = write!(line, "{gap}{}", cell.padded(widths[column], style));
            }
            let (indent, room) = match fit {
                Fit::Beside(room) => (display_width(&line) + 2, room),
                Fit::Below => (BELOW, style.width.map(|width| width.saturating_sub(BELOW))),
            };
            let lines = wrap(&last.text, room.unwrap_or(usize::MAX)).into_iter();
            let lines = lines.filter(|line| !line.is_empty());
            let lines: Vec<String> = lines.map(|line| style.paint(last.ansi, &line)).collect();
            text += &match (fit, lines.as_slice()) {
                (Fit::Beside(_), [first, rest @ ..]) => {
                    format!("{line}  {first}\n") + &indented(rest, indent)
                }
                // A header of what stands below would mean nothing.
                (Fit::Below, lines) if nth > 0 => {
                    format!("{}\n", line.trim_end()) + &indented(lines, indent)
                }
                _ => format!("{}\n", line.trim_end()),
            };
        }
        text
    }

    /// Whether the last column stands beside the others, and how much room it has.
    fn fit(&self, style: Style) -> Fit {
        const NARROWEST: usize = 20;
        let widths = widths(&self.rows);
        let (Some((last, beside)), Some(width)) = (widths.split_last(), style.width) else {
            return Fit::Beside(None);
        };
        let before = beside.iter().enumerate().map(|(nth, width)| gap(nth, &widths) + width);
        let before = before.sum::<usize>() + 2;
        match width.saturating_sub(before) {
            room if room >= NARROWEST.min(*last) => Fit::Beside(Some(room)),
            _ => Fit::Below,
        }
    }
}

/// Where the last column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Beside(Option<usize>),
    Below,
}

/// The blanks before a column: a mark stands at the margin, close to what it marks.
fn gap(column: usize, widths: &[usize]) -> usize {
    let has_marks = widths.first().is_some_and(|first| *first < 2);
    if has_marks { column.min(2) } else { 2 }
}

/// How far what stands below is moved to the right.
const BELOW: usize = 6;

fn indented(lines: &[String], indent: usize) -> String {
    lines.iter().map(|line| format!("{}{line}\n", " ".repeat(indent))).collect()
}

fn widths(rows: &[Vec<Cell>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    (0..columns).map(widest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_do_not_shift_the_next_column() {
        let mut grid = Grid::new(["name", "ms", ""].map(Cell::left));
        grid.push(["\u{8bc1}\u{4e66}.test", "1.0", "first"].map(Cell::left));
        grid.push(["abcdefgh.test", "2.0", "second"].map(Cell::left));
        let style = Style { color: false, unicode: true, width: Some(80) };
        let text = grid.render(style);
        let columns: Vec<_> = text
            .lines()
            .zip(["ms", "1.0", "2.0"])
            .map(|(line, cell)| display_width(&line[..line.find(cell).unwrap()]))
            .collect();
        assert_eq!(columns, [17, 17, 17], "{text}");
    }
}
