//! Table that fits the terminal: optional columns are left out, or the last column goes below the others.

use std::fmt::Write as _;

use anstyle::Style as Ansi;

use crate::util::style::Style;
use crate::util::units::{display_width, wrap};

/// Cell of a table: text, alignment and colour.
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

/// Rows below a header. On a narrow terminal, the last column is wrapped, or goes below the others.
pub(crate) struct Grid {
    rows: Vec<Vec<Cell>>,
    /// Column that is left out on a narrow terminal.
    spare: Option<usize>,
}

impl Grid {
    pub(crate) fn new(header: impl IntoIterator<Item = Cell>) -> Self {
        Self { rows: vec![header.into_iter().collect()], spare: None }
    }

    /// Marks a column as optional on a narrow terminal.
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
                // Because a last column below the others needs no header.
                (Fit::Below, lines) if nth > 0 => {
                    format!("{}\n", line.trim_end()) + &indented(lines, indent)
                }
                _ => format!("{}\n", line.trim_end()),
            };
        }
        text
    }

    /// Layout of the last column, and its width.
    fn fit(&self, style: Style) -> Fit {
        const MIN_WIDTH: usize = 20;
        let widths = widths(&self.rows);
        let (Some((last, beside)), Some(width)) = (widths.split_last(), style.width) else {
            return Fit::Beside(None);
        };
        let before = beside.iter().enumerate().map(|(nth, width)| gap(nth, &widths) + width);
        let before = before.sum::<usize>() + 2;
        match width.saturating_sub(before) {
            room if room >= MIN_WIDTH.min(*last) => Fit::Beside(Some(room)),
            _ => Fit::Below,
        }
    }
}

/// Layout of the last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Beside(Option<usize>),
    Below,
}

/// Number of blanks before a column. A mark is at the left margin, one blank before the next column.
fn gap(column: usize, widths: &[usize]) -> usize {
    let has_marks = widths.first().is_some_and(|first| *first < 2);
    if has_marks { column.min(2) } else { 2 }
}

/// Indentation of a last column below the others.
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
