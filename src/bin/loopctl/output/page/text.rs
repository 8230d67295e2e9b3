//! Pages as text: the same facts in the same order as the other formats.

use anstyle::{AnsiColor, Style as Ansi};

use super::chart::percent;
use super::model::{
    Bars, Fact, Mark, Note, Page, Part, Points, Row, Section, Segment, Shade, Table, Tone,
};
use super::words::{prose_of, shown};
use crate::output::human::compare::grid::{Cell, Grid};
use crate::util::style::Style;
use crate::util::units::{display_width, wrap};

/// All pages, with an empty line between them.
pub(super) fn file(pages: &[Page], style: Style) -> String {
    pages.iter().map(|it| page(it, style)).collect::<Vec<_>>().join("\n")
}

fn page(page: &Page, style: Style) -> String {
    let verdict = style.paint(ansi(page.verdict.tone).bold(), &shown(&page.verdict.text));
    let head = format!("{}  {}\n{verdict}\n\n", shown(&page.title), page.command);
    let sections: String = page.sections.iter().map(|it| section(it, style)).collect();
    head + &facts(&page.facts, style) + &sections
}

fn section(section: &Section, style: Style) -> String {
    let title = style.paint(Ansi::new().bold(), &shown(&section.title));
    let parts: Vec<String> = section.parts.iter().map(|it| part(it, style)).collect();
    format!("\n{title}\n{}", parts.join("\n"))
}

fn part(part: &Part, style: Style) -> String {
    match part {
        Part::Facts(list) => facts(list, style),
        Part::Notes(list) => list.iter().map(|it| note(it, style)).collect(),
        Part::Table(it) => table(it, style),
        Part::Bars(it) => bars(it, style),
        Part::Points(it) => points(it, style),
    }
}

fn facts(facts: &[Fact], style: Style) -> String {
    let width = facts.iter().map(|fact| fact.label.len()).max().unwrap_or(0);
    let line = |fact: &Fact| {
        let room = style.width.map_or(usize::MAX, |all| all.saturating_sub(width + 4));
        let lines = wrap(&shown(&fact.value), room);
        let below = format!("\n{}", " ".repeat(width + 4));
        format!("  {:width$}  {}\n", fact.label, lines.join(&below))
    };
    facts.iter().map(line).collect()
}

fn note(note: &Note, style: Style) -> String {
    let label = if note.label.is_empty() { String::new() } else { format!("{}: ", note.label) };
    let room = style.width.map_or(usize::MAX, |width| width.saturating_sub(6));
    let text = wrap(&format!("{label}{}", shown(&note.text)), room).join("\n    ");
    let evidence = note.evidence.iter();
    let evidence: String = evidence
        .map(|it| format!("      {}\n", wrap(&shown(it), room.saturating_sub(2)).join("\n      ")))
        .collect();
    format!("  {}\n{evidence}", style.paint(ansi(note.tone), &text))
}

fn ansi(tone: Tone) -> Ansi {
    match tone {
        Tone::Plain => Ansi::new(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default(),
        Tone::Faint => Ansi::new().dimmed(),
    }
}

/// Rows below a header; one cell a line where the terminal is too narrow.
fn table(table: &Table, style: Style) -> String {
    let mut grid = Grid::new(table.columns.iter().map(|column| match column.is_number {
        true => Cell::right(column.name),
        false => Cell::left(column.name),
    }));
    for row in &table.rows {
        let cells = row.cells.iter().zip(&table.columns);
        grid.push(cells.map(|(cell, column)| {
            let cell =
                if column.is_number { Cell::right(shown(cell)) } else { Cell::left(shown(cell)) };
            cell.paint(ansi(row.tone))
        }));
    }
    let text = grid.render(style);
    let widest = text.lines().map(display_width).max().unwrap_or(0);
    match style.width {
        Some(width) if widest > width => stacked(table, style),
        _ => text,
    }
}

fn stacked(table: &Table, style: Style) -> String {
    let rows = table.rows.iter().map(|row: &Row| {
        let cells = row.cells.iter().zip(&table.columns).filter(|(cell, _)| !cell.is_empty());
        let cells: Vec<Fact> = cells.map(|(cell, column)| Fact::new(column.name, cell)).collect();
        facts(&cells, style)
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Columns of the longest bar.
const COLUMNS: usize = 32;

fn bars(bars: &Bars, style: Style) -> String {
    let max = bars.max();
    let mut grid = Grid::new([
        Cell::left(""),
        Cell::left(format!("0 to {} {}", length(max, bars.unit), bars.unit)),
        Cell::left(""),
    ]);
    for row in &bars.rows {
        let bar = bar(&row.segments, row.mark, max, style);
        let cells = [Cell::left(shown(&row.label)), Cell::left(bar), Cell::left(shown(&row.note))];
        grid.push(cells.map(|cell| cell.paint(ansi(row.tone))));
    }
    grid.render(style)
}

fn length(value: f64, unit: &str) -> String {
    if unit == "ms" { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Bar of characters: each segment has at least one.
fn bar(segments: &[Segment], mark: Option<(f64, Mark)>, max: f64, style: Style) -> String {
    let column = |value: f64| (percent(value, max) / 100.0 * COLUMNS as f64).round() as usize;
    let mut cells = vec![' '; COLUMNS + 1];
    for segment in segments.iter().filter(|it| it.to > it.from || it.shade != Shade::Tries) {
        let from = column(segment.from).min(COLUMNS - 1);
        let to = column(segment.to).clamp(from + 1, COLUMNS);
        cells[from..to].fill(segment.shade.glyph());
    }
    if let Some((at, mark)) = mark {
        cells[column(at).clamp(1, COLUMNS)] = mark.glyph();
    }
    let text: String = cells.into_iter().collect();
    let text = text.trim_end().to_owned();
    if style.unicode { text } else { ascii(&text) }
}

fn ascii(bar: &str) -> String {
    bar.chars()
        .map(|glyph| match glyph {
            ' ' => ' ',
            '·' => '.',
            '░' => '-',
            '▓' | '▒' => '=',
            '╳' => 'x',
            '╸' => '|',
            '○' => 'o',
            '▶' => '>',
            '◆' => '*',
            _ => '#',
        })
        .collect()
}

fn points(points: &Points, style: Style) -> String {
    let tries = points.tries.iter().map(|it| it.map_or("failed".to_owned(), prose_of));
    let text = tries.collect::<Vec<_>>().join(", ");
    let room = style.width.map_or(usize::MAX, |width| width.saturating_sub(4));
    format!("  {}\n", wrap(&text, room).join("\n  "))
}
