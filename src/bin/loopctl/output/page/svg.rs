//! Pages as one SVG image: title, verdict, charts and notes. The tables are in the HTML file.

use serde_json::Value;

use super::chart::{axis, percent};
use super::html::{embedded, glyph, text};
use super::model::{BarRow, Bars, Fact, Mark, Note, Page, Part, Points, Segment, Shade, Tone};
use super::words::shown;
use crate::util::units::{display_width, wrap};

const COLORS: &str = include_str!("colors.css");
const STYLE: &str = include_str!("image.css");

/// Width of the image, in pixels.
const WIDTH: usize = 960;
const MARGIN: usize = 28;
/// Left end of bars, behind the labels.
const CHART: usize = 300;
/// Right end of bars, before the values.
const CHART_END: usize = 700;
/// Characters of a label and of a value that fit.
const LABEL: usize = 36;
const VALUE: usize = 34;
/// Characters of a line of text.
const LINE: usize = 118;

/// Image of all pages, one below the other, with the documents inside.
pub(super) fn file(pages: &[Page], json: &Value) -> String {
    let mut image = Image { body: String::new(), y: MARGIN };
    pages.iter().for_each(|it| image.page(it));
    let height = image.y;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\">\n\
         <metadata id=\"document\">{}</metadata>\n<style>\n{COLORS}{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n{}</svg>\n",
        embedded(json),
        image.body
    )
}

/// Image that grows downwards.
struct Image {
    body: String,
    y: usize,
}

impl Image {
    fn page(&mut self, page: &Page) {
        self.line("command", 16, page.command);
        self.line("title", 28, &clipped(&page.title, 70));
        self.line(&format!("verdict {}", page.verdict.tone.class()), 24, &page.verdict.text);
        let facts: Vec<String> = page.facts.iter().map(fact).collect();
        self.paragraph("faint", &facts.join(" · "));
        for section in &page.sections {
            let parts: Vec<&Part> = section.parts.iter().filter(|part| is_drawn(part)).collect();
            if parts.is_empty() {
                continue;
            }
            self.y += 12;
            self.line("heading", 22, &clipped(&section.title, 100));
            parts.into_iter().for_each(|part| self.part(part));
        }
        self.y += MARGIN;
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Notes(notes) => notes.iter().for_each(|it| self.note(it)),
            Part::Bars(bars) => self.bars(bars),
            Part::Points(points) => self.points(points),
            Part::Facts(_) | Part::Table(_) => {}
        }
    }

    /// Line of text whose baseline is at the bottom.
    fn line(&mut self, class: &str, height: usize, line: &str) {
        self.y += height;
        let (y, text) = (self.y - 5, text(line));
        self.body += &format!("<text class=\"{class}\" x=\"{MARGIN}\" y=\"{y}\">{text}</text>\n");
    }

    fn paragraph(&mut self, class: &str, paragraph: &str) {
        for line in wrap(&shown(paragraph), LINE) {
            self.line(class, 19, &clipped(&line, LINE + 10));
        }
    }

    fn note(&mut self, note: &Note) {
        let label = if note.label.is_empty() { String::new() } else { format!("{}: ", note.label) };
        self.paragraph(note.tone.class(), &format!("{label}{}", shown(&note.text)));
        note.evidence.iter().for_each(|it| self.paragraph("faint", it));
        self.y += 4;
    }

    fn bars(&mut self, bars: &Bars) {
        const ROW: usize = 24;
        let (max, top) = (bars.max(), self.y + 18);
        let bottom = top + bars.rows.len() * ROW;
        for tick in axis(max, bars.unit) {
            let x = x(tick.at, max);
            self.body += &format!(
                "<line class=\"grid\" x1=\"{x}\" x2=\"{x}\" y1=\"{top}\" y2=\"{bottom}\"/>\
                 <text class=\"faint\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                top - 5,
                tick.text
            );
        }
        self.y = top;
        for row in &bars.rows {
            self.bar(row, max);
            self.y += ROW;
        }
        self.legend(bars);
    }

    fn bar(&mut self, row: &BarRow, max: f64) {
        let (middle, class) = (self.y + 12, row.tone.class());
        let segments: String = row.segments.iter().map(|it| segment(it, max, middle)).collect();
        let lost = if row.tone == Tone::Faint { " class=\"lost\"" } else { "" };
        let mark = row.mark.map_or_else(String::new, |(at, mark)| {
            format!("<g transform=\"translate({} {middle})\">{}</g>", x(at, max), glyph(mark))
        });
        let (label, note) = (clipped(&row.label, LABEL), clipped(&row.note, VALUE));
        let (baseline, value) = (middle + 5, CHART_END + 16);
        self.body += &format!(
            "<text class=\"{class}\" x=\"{MARGIN}\" y=\"{baseline}\">{}</text><g{lost}>{segments}</g>{mark}\
             <text class=\"{class}\" x=\"{value}\" y=\"{baseline}\">{}</text>\n",
            text(&label),
            text(&note)
        );
    }

    fn legend(&mut self, bars: &Bars) {
        let (mut left, y) = (CHART, self.y + 18);
        let mut item = |swatch: String, words: &str| {
            let words_at = left + 26;
            self.body += &format!(
                "<g transform=\"translate({left} {})\">{swatch}</g><text class=\"faint\" x=\"{words_at}\" y=\"{y}\">{words}</text>\n",
                y - 9
            );
            left = words_at + words.len() * 7 + 18;
        };
        for shade in bars.shades() {
            item(swatch(shade), shade.words());
        }
        for mark in bars.marks() {
            item(format!("<g transform=\"translate(9 5)\">{}</g>", glyph(mark)), mark.words());
        }
        self.y += 30;
    }

    fn points(&mut self, points: &Points) {
        const HEIGHT: f64 = 150.0;
        let (max, top) = (points.max(), self.y as f64 + 14.0);
        let y = |value: f64| top + HEIGHT - value / max * HEIGHT;
        let (left, right) = (MARGIN, WIDTH - MARGIN);
        for tick in axis(max, points.unit) {
            let y = y(tick.at);
            self.body += &format!(
                "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"faint\" x=\"{left}\" y=\"{:.1}\">{}</text>\n",
                y - 3.0,
                tick.text
            );
        }
        for (at, value) in points.tries.iter().enumerate() {
            let first = left + 60;
            let x = first as f64 + points.place(at) / 100.0 * (right - first) as f64;
            self.body += &match value {
                Some(value) => {
                    format!(
                        "<circle class=\"point\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                        y(*value)
                    )
                }
                None => format!(
                    "<g transform=\"translate({x:.1} {:.1})\">{}</g>",
                    top + HEIGHT - 6.0,
                    glyph(Mark::Failed)
                ),
            };
        }
        self.y += 178;
        self.line("faint", 8, &format!("tries 1 to {}, cross: failed", points.tries.len()));
    }
}

/// Whether an image has the part; tables are for pages.
fn is_drawn(part: &Part) -> bool {
    matches!(part, Part::Notes(_) | Part::Bars(_) | Part::Points(_))
}

fn fact(fact: &Fact) -> String {
    format!("{} {}", fact.label, shown(&fact.value))
}

fn x(value: f64, max: f64) -> f64 {
    let width = (CHART_END - CHART) as f64;
    CHART as f64 + (percent(value, max) * width).round() / 100.0
}

fn segment(segment: &Segment, max: f64, middle: usize) -> String {
    let (from, to) = (x(segment.from, max), x(segment.to, max));
    let class = segment.shade.class();
    let title = format!("<title>{}</title>", segment.title());
    match segment.shade {
        Shade::Stagger => format!(
            "<line class=\"{class}\" x1=\"{from}\" x2=\"{to}\" y1=\"{middle}\" y2=\"{middle}\">{title}</line>"
        ),
        _ => format!(
            "<rect class=\"{class}\" x=\"{from}\" y=\"{}\" width=\"{:.2}\" height=\"12\">{title}</rect>",
            middle - 6,
            (to - from).max(2.0)
        ),
    }
}

fn swatch(shade: Shade) -> String {
    match shade {
        Shade::Stagger => "<line class=\"stagger\" x2=\"18\" y1=\"5\" y2=\"5\"/>".to_owned(),
        shade => format!("<rect class=\"{}\" width=\"18\" height=\"10\"/>", shade.class()),
    }
}

/// Text that fits into this number of columns.
fn clipped(text: &str, columns: usize) -> String {
    let text = shown(text);
    if display_width(&text) <= columns {
        return text;
    }
    let mut clipped = String::new();
    for c in text.chars() {
        if display_width(&clipped) + 2 > columns {
            break;
        }
        clipped.push(c);
    }
    clipped + "…"
}
