//! Pages as one HTML file, without scripts and without anything from elsewhere.

use serde_json::Value;

use super::chart::{axis, percent};
use super::model::{
    BarRow, Bars, Column, Fact, Mark, Note, Page, Part, Points, Row, Section, Segment, Shade,
    Table, Tone,
};
use super::words::shown;

const COLORS: &str = include_str!("colors.css");
const STYLE: &str = include_str!("page.css");

/// Rule for browsers: nothing is loaded and nothing runs, whatever a peer has sent.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// File with all pages, and the documents inside.
pub(super) fn file(pages: &[Page], json: &Value) -> String {
    let titles: Vec<String> = pages.iter().map(|page| text(&page.title)).collect();
    let articles: String = pages.iter().map(article).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"loopctl\">\n\
         <title>{}</title>\n<style>\n{COLORS}{STYLE}</style>\n</head>\n<body>\n<main>\n{articles}\
         <footer>The JSON document is inside this file: <code>script#document</code>.</footer>\n</main>\n\
         <script type=\"application/json\" id=\"document\">\n{}\n</script>\n</body>\n</html>\n",
        titles.join(", "),
        embedded(json),
    )
}

/// JSON that neither ends its element nor changes the order of characters.
pub(super) fn embedded(json: &Value) -> String {
    let mut escaped = String::new();
    for c in json.to_string().chars() {
        match c {
            '<'
            | '>'
            | '&'
            | '\''
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => {
                escaped += &format!("\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text of anyone as HTML, also in an attribute.
pub(super) fn text(text: &str) -> String {
    html_escape::encode_quoted_attribute(&shown(text)).into_owned()
}

/// Sentence as HTML, with code where it has backticks.
fn sentence(sentence: &str) -> String {
    let escaped = text(sentence);
    let parts: Vec<&str> = escaped.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped;
    }
    let part = |(at, part): (usize, &&str)| match at % 2 {
        1 => format!("<code>{part}</code>"),
        _ => (*part).to_owned(),
    };
    parts.iter().enumerate().map(part).collect()
}

fn article(page: &Page) -> String {
    let facts: String = page.facts.iter().map(band_fact).collect();
    let sections: String = page.sections.iter().map(section).collect();
    format!(
        "<article>\n<header>\n<p class=\"command\">{}</p>\n<h1><bdi>{}</bdi></h1>\n\
         <p class=\"verdict {}\"><bdi>{}</bdi></p>\n<dl class=\"band\">{facts}</dl>\n</header>\n\
         {sections}</article>\n",
        page.command,
        text(&page.title),
        page.verdict.tone.class(),
        text(&page.verdict.text),
    )
}

fn band_fact(fact: &Fact) -> String {
    format!("<div><dt>{}</dt><dd><bdi>{}</bdi></dd></div>", fact.label, text(&fact.value))
}

fn section(section: &Section) -> String {
    let parts: String = section.parts.iter().map(part).collect();
    format!("<section>\n<h2><bdi>{}</bdi></h2>\n{parts}</section>\n", text(&section.title))
}

fn part(part: &Part) -> String {
    match part {
        Part::Facts(list) => facts(list),
        Part::Notes(list) => notes(list),
        Part::Table(it) => table(it),
        Part::Bars(it) => bars(it),
        Part::Points(it) => points(it),
    }
}

fn facts(facts: &[Fact]) -> String {
    let row =
        |fact: &Fact| format!("<dt>{}</dt><dd><bdi>{}</bdi></dd>\n", fact.label, text(&fact.value));
    format!("<dl class=\"facts\">\n{}</dl>\n", facts.iter().map(row).collect::<String>())
}

fn notes(notes: &[Note]) -> String {
    let item = |note: &Note| {
        let evidence = note.evidence.iter();
        let evidence: String =
            evidence.map(|it| format!("<li><bdi>{}</bdi></li>", sentence(it))).collect();
        let evidence = if evidence.is_empty() { evidence } else { format!("<ul>{evidence}</ul>") };
        let label = match note.label {
            "" => String::new(),
            label => format!("<span class=\"label\">{label}</span>"),
        };
        let (class, text) = (note.tone.class(), sentence(&note.text));
        format!("<li class=\"{class}\">{label}<bdi>{text}</bdi>{evidence}</li>\n")
    };
    format!("<ul class=\"notes\">\n{}</ul>\n", notes.iter().map(item).collect::<String>())
}

fn table(table: &Table) -> String {
    let head = |column: &Column| match column.is_number {
        true => format!("<th class=\"number\">{}</th>", column.name),
        false => format!("<th>{}</th>", column.name),
    };
    let head: String = table.columns.iter().map(head).collect();
    let rows: String = table.rows.iter().map(|row| table_row(row, &table.columns)).collect();
    format!(
        "<div class=\"table\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table></div>\n"
    )
}

/// Longest word that is not broken in a cell: an IPv4 address with its port, and most names.
const WHOLE: usize = 24;

fn table_row(row: &Row, columns: &[Column]) -> String {
    let cell = |(cell, column): (&String, &Column)| {
        let class = match column.name {
            _ if column.is_number => "number",
            "outcome" | "result" | "error" | "last failure" => "said",
            _ => "text",
        };
        let is_whole = cell.split(' ').all(|word| word.len() <= WHOLE);
        let whole = if is_whole { " whole" } else { "" };
        let content = match cell.as_str() {
            "" => String::new(),
            cell => format!("<bdi>{}</bdi>", text(cell)),
        };
        format!("<td class=\"{class}{whole}\" data-name=\"{}\">{content}</td>", column.name)
    };
    let cells: String = row.cells.iter().zip(columns).map(cell).collect();
    format!("<tr class=\"{}\">{cells}</tr>\n", row.tone.class())
}

fn bars(bars: &Bars) -> String {
    let max = bars.max();
    let ticks = axis(max, bars.unit);
    let grid: String = ticks
        .iter()
        .map(|tick| {
            let at = percent(tick.at, max);
            format!("<line class=\"grid\" x1=\"{at}%\" x2=\"{at}%\" y1=\"0\" y2=\"100%\"/>")
        })
        .collect();
    let labels: String =
        ticks.iter().map(|tick| label(&tick.text, percent(tick.at, max))).collect();
    let rows: String = bars.rows.iter().map(|row| bar(row, max, &grid)).collect();
    format!(
        "<div class=\"bars\">\n<div class=\"axis\"><span></span>\
         <svg height=\"16\" role=\"presentation\">{labels}</svg><span></span></div>\n{rows}{}</div>\n",
        legend(bars)
    )
}

/// Text of a tick; the outer ones stay inside.
fn label(text: &str, at: f64) -> String {
    let anchor = match at {
        at if at < 1.0 => "start",
        at if at > 90.0 => "end",
        _ => "middle",
    };
    format!("<text x=\"{at}%\" y=\"12\" text-anchor=\"{anchor}\">{text}</text>")
}

fn bar(row: &BarRow, max: f64, grid: &str) -> String {
    let segments: String = row.segments.iter().map(|it| segment(it, max)).collect();
    let mark = row.mark.map(|(at, mark)| {
        let at = percent(at, max);
        format!("<svg x=\"{at}%\" y=\"50%\" overflow=\"visible\">{}</svg>", glyph(mark))
    });
    let lost = if row.tone == Tone::Faint { " class=\"lost\"" } else { "" };
    format!(
        "<div class=\"bar {}\"><span class=\"name\"><bdi>{}</bdi></span>\
         <svg role=\"img\" aria-label=\"{}\">{grid}<svg y=\"50%\" overflow=\"visible\"><g{lost}>{segments}</g></svg>{}</svg>\
         <span class=\"value\"><bdi>{}</bdi></span></div>\n",
        row.tone.class(),
        text(&row.label),
        text(&row.note),
        mark.unwrap_or_default(),
        text(&row.note),
    )
}

fn segment(segment: &Segment, max: f64) -> String {
    let (from, to) = (percent(segment.from, max), percent(segment.to, max));
    let class = segment.shade.class();
    let title = format!("<title>{}</title>", segment.title());
    match segment.shade {
        Shade::Stagger => format!(
            "<line class=\"{class}\" x1=\"{from}%\" x2=\"{to}%\" y1=\"0\" y2=\"0\">{title}</line>"
        ),
        Shade::Tries => format!(
            "<rect class=\"{class}\" x=\"{from}%\" width=\"{}%\" y=\"-6\" height=\"12\"/>",
            round(to - from)
        ),
        _ => format!(
            "<rect class=\"{class}\" x=\"{from}%\" width=\"{}%\" y=\"-6\" height=\"12\">{title}</rect>\
             <rect class=\"{class}\" x=\"{from}%\" width=\"2\" y=\"-6\" height=\"12\"/>",
            round(to - from)
        ),
    }
}

fn round(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}

/// Mark around the origin.
pub(super) fn glyph(mark: Mark) -> &'static str {
    match mark {
        Mark::Failed => {
            "<path class=\"halo\" d=\"M-4-4 4 4M-4 4 4-4\"/><path class=\"failed\" d=\"M-4-4 4 4M-4 4 4-4\"/>"
        }
        Mark::Silent => "<path class=\"halo\" d=\"M0-7V7\"/><path class=\"silent\" d=\"M0-7V7\"/>",
        Mark::Canceled => "<circle class=\"canceled\" r=\"4\"/>",
        Mark::Open => "<path class=\"open\" d=\"M-3-5 3 0-3 5Z\"/>",
        Mark::Measured => "<path class=\"measured\" d=\"M0-5 5 0 0 5-5 0Z\"/>",
    }
}

fn legend(bars: &Bars) -> String {
    let shades = bars.shades().into_iter().map(|shade| {
        let swatch = match shade {
            Shade::Stagger => {
                "<line class=\"stagger\" x1=\"0\" x2=\"18\" y1=\"6\" y2=\"6\"/>".to_owned()
            }
            _ => format!("<rect class=\"{}\" width=\"18\" height=\"11\"/>", shade.class()),
        };
        format!("<li><svg>{swatch}</svg>{}</li>", shade.words())
    });
    let marks = bars.marks().into_iter().map(|mark| {
        let glyph = glyph(mark);
        format!("<li><svg><g transform=\"translate(9 6)\">{glyph}</g></svg>{}</li>", mark.words())
    });
    format!("<ul class=\"legend\">{}</ul>\n", shades.chain(marks).collect::<String>())
}

/// Height of the chart of tries, in pixels.
const POINTS_HEIGHT: f64 = 160.0;

fn points(points: &Points) -> String {
    let max = points.max();
    let y = |value: f64| round(POINTS_HEIGHT - value / max * (POINTS_HEIGHT - 12.0));
    let grid: String = axis(max, points.unit)
        .iter()
        .map(|tick| {
            let y = y(tick.at);
            let line = format!("<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>");
            format!("{line}<text x=\"0\" y=\"{}\">{}</text>", y - 3.0, tick.text)
        })
        .collect();
    let dots: String = (0..points.tries.len())
        .map(|at| {
            let x = round(10.0 + points.place(at) * 0.9);
            match points.tries[at] {
                Some(value) => {
                    format!("<circle class=\"point\" cx=\"{x}%\" cy=\"{}\" r=\"3\"/>", y(value))
                }
                None => format!(
                    "<svg x=\"{x}%\" y=\"{}\" overflow=\"visible\">{}</svg>",
                    POINTS_HEIGHT - 6.0,
                    glyph(Mark::Failed)
                ),
            }
        })
        .collect();
    let count = points.tries.len();
    let lost = points.tries.iter().any(Option::is_none);
    let failed = format!(
        "<li><svg><g transform=\"translate(9 6)\">{}</g></svg>failed</li>",
        glyph(Mark::Failed)
    );
    format!(
        "<div class=\"points\"><svg height=\"{}\" role=\"img\" aria-label=\"time of each try\">\
         {grid}{dots}<text x=\"10%\" y=\"{y}\">try 1</text><text x=\"100%\" y=\"{y}\" text-anchor=\"end\">{count}</text>\
         </svg>\n<ul class=\"legend\"><li><svg><circle class=\"point\" cx=\"9\" cy=\"6\" r=\"3\"/></svg>\
         time until connected</li>{}</ul></div>\n",
        POINTS_HEIGHT + 18.0,
        if lost { &failed } else { "" },
        y = POINTS_HEIGHT + 15.0,
    )
}
