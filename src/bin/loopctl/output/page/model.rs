//! Model of a page: its parts in the order in which every format has them.

use super::words::prose_of;

/// One document.
pub(crate) struct Page {
    /// Command that wrote the document.
    pub(crate) command: &'static str,
    /// Target or name, as it was typed.
    pub(crate) title: String,
    pub(crate) verdict: Note,
    /// Facts beside the verdict.
    pub(crate) facts: Vec<Fact>,
    pub(crate) sections: Vec<Section>,
}

/// Parts under one heading; without parts it is left out.
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) parts: Vec<Part>,
}

pub(crate) enum Part {
    Facts(Vec<Fact>),
    Notes(Vec<Note>),
    Table(Table),
    Bars(Bars),
    Points(Points),
}

/// Value with its label.
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) value: String,
}

/// Sentence, with its evidence below it.
pub(crate) struct Note {
    pub(crate) tone: Tone,
    /// Word in front of the sentence, such as `error` or the basis of a finding.
    pub(crate) label: &'static str,
    pub(crate) text: String,
    pub(crate) evidence: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    /// Less than the others, such as an address that lost.
    Faint,
}

pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) is_number: bool,
}

pub(crate) struct Row {
    pub(crate) tone: Tone,
    pub(crate) cells: Vec<String>,
}

/// Horizontal bars on one axis, which begins at zero.
pub(crate) struct Bars {
    pub(crate) unit: &'static str,
    pub(crate) rows: Vec<BarRow>,
}

pub(crate) struct BarRow {
    pub(crate) label: String,
    pub(crate) tone: Tone,
    pub(crate) segments: Vec<Segment>,
    pub(crate) mark: Option<(f64, Mark)>,
    /// Value or outcome at the end of the row.
    pub(crate) note: String,
}

/// Part of a bar, in units of the axis.
pub(crate) struct Segment {
    pub(crate) shade: Shade,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Segment {
    /// Meaning, start and end.
    pub(crate) fn title(&self) -> String {
        format!("{} {} to {}", self.shade.words(), prose_of(self.from), prose_of(self.to))
    }
}

/// Meaning of a segment; each has its own shade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shade {
    Lookup,
    Stagger,
    Tcp,
    Udp,
    Unix,
    StartTls,
    Tls,
    Predicted,
    RoundTrips,
    Tries,
}

/// Mark at the end of a bar, or at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    Failed,
    /// No answer until a time limit.
    Silent,
    /// Ended by another one that won, or by the user.
    Canceled,
    /// End that is not known.
    Open,
    Measured,
}

/// Durations of tries, one after another.
pub(crate) struct Points {
    pub(crate) unit: &'static str,
    /// `None`: the try failed.
    pub(crate) tries: Vec<Option<f64>>,
}

impl Page {
    /// Adds a section, unless it has no parts.
    pub(crate) fn section(&mut self, title: impl Into<String>, parts: Vec<Part>) {
        let parts: Vec<Part> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if !parts.is_empty() {
            self.sections.push(Section { title: title.into(), parts });
        }
    }
}

impl Part {
    fn is_empty(&self) -> bool {
        match self {
            Self::Facts(facts) => facts.is_empty(),
            Self::Notes(notes) => notes.is_empty(),
            Self::Table(table) => table.rows.is_empty(),
            Self::Bars(bars) => bars.rows.is_empty(),
            Self::Points(points) => points.tries.is_empty(),
        }
    }
}

impl Fact {
    pub(crate) fn new(label: &'static str, value: impl Into<String>) -> Self {
        Self { label, value: value.into() }
    }

    /// `None` where there is no value.
    pub(crate) fn of(label: &'static str, value: Option<impl ToString>) -> Option<Self> {
        value.map(|value| Self::new(label, value.to_string()))
    }

    /// `None` where the list is empty.
    pub(crate) fn list(label: &'static str, values: &[impl ToString]) -> Option<Self> {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        (!values.is_empty()).then(|| Self::new(label, values.join(", ")))
    }
}

impl Note {
    pub(crate) fn new(tone: Tone, label: &'static str, text: impl Into<String>) -> Self {
        Self { tone, label, text: text.into(), evidence: Vec::new() }
    }
}

impl Table {
    /// Table without rows; names that end in a unit are columns of numbers.
    pub(crate) fn new(names: &[&'static str]) -> Self {
        let column = |name: &&'static str| Column {
            name,
            is_number: NUMBERS.iter().any(|it| name.ends_with(it)),
        };
        Self { columns: names.iter().map(column).collect(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, tone: Tone, cells: Vec<String>) {
        self.rows.push(Row { tone, cells });
    }

    /// Table without the columns that have no value in any row.
    pub(crate) fn without_empty_columns(mut self) -> Self {
        let is_used: Vec<bool> = (0..self.columns.len())
            .map(|at| self.rows.iter().any(|row| !row.cells[at].is_empty()))
            .collect();
        let keep = |at: usize| is_used[at];
        let mut at = 0..;
        self.columns.retain(|_| at.next().is_some_and(keep));
        for row in &mut self.rows {
            let mut at = 0..;
            row.cells.retain(|_| at.next().is_some_and(keep));
        }
        self
    }
}

/// Ends of the names of columns that are numbers.
const NUMBERS: [&str; 10] =
    [" ms", "#", " s", "bytes", "won", "lost", "failed", "sent", "hop", "answered"];

impl Bars {
    /// Bars in milliseconds.
    pub(crate) fn of_ms(rows: Vec<BarRow>) -> Self {
        Self { unit: "ms", rows }
    }

    /// Largest value on the axis.
    pub(crate) fn max(&self) -> f64 {
        let ends = self.rows.iter().flat_map(|row| {
            let marked = row.mark.map(|(at, _)| at);
            row.segments.iter().map(|segment| segment.to).chain(marked)
        });
        ends.fold(0.0, f64::max)
    }

    /// Shades in use, in their order.
    pub(crate) fn shades(&self) -> Vec<Shade> {
        let mut shades: Vec<Shade> =
            self.rows.iter().flat_map(|row| &row.segments).map(|segment| segment.shade).collect();
        shades.sort_unstable();
        shades.dedup();
        shades
    }

    /// Marks in use, in their order.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self.rows.iter().filter_map(|row| Some(row.mark?.1)).collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }
}

impl Tone {
    /// Class in a style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Faint => "faint",
        }
    }
}

impl Points {
    /// Largest value; 1 where there is none, so that it divides.
    pub(crate) fn max(&self) -> f64 {
        let max = self.tries.iter().flatten().fold(0.0, |max: f64, value| max.max(*value));
        if max > 0.0 { max } else { 1.0 }
    }

    /// Place of a try from left to right, in per cent.
    pub(crate) fn place(&self, at: usize) -> f64 {
        let share = (at as f64 + 0.5) / self.tries.len() as f64;
        (share * 10_000.0).round() / 100.0
    }
}

impl Shade {
    /// Class in a style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Stagger => "stagger",
            Self::Tcp | Self::Udp | Self::Unix | Self::RoundTrips | Self::Tries => "tcp",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
            Self::Predicted => "tcp",
        }
    }

    /// Meaning in the legend.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Lookup => "name lookup",
            Self::Stagger => "stagger",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Unix => "Unix socket",
            Self::StartTls => "STARTTLS",
            Self::Tls => "TLS",
            Self::Predicted => "predicted",
            Self::RoundTrips => "round trips, shortest to longest",
            Self::Tries => "tries",
        }
    }

    /// Character of a text.
    pub(crate) fn glyph(self) -> char {
        match self {
            Self::Stagger => '·',
            Self::Lookup => '░',
            Self::StartTls => '▓',
            Self::Tls => '▒',
            _ => '█',
        }
    }
}

impl Mark {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Silent => "no answer",
            Self::Canceled => "canceled",
            Self::Open => "end not known",
            Self::Measured => "measured",
        }
    }

    pub(crate) fn glyph(self) -> char {
        match self {
            Self::Failed => '╳',
            Self::Silent => '╸',
            Self::Canceled => '○',
            Self::Open => '▶',
            Self::Measured => '◆',
        }
    }
}
