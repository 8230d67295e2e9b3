//! The abilities of an output stream: colours, Unicode, width.

/// The abilities of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) color: bool,
    pub(crate) unicode: bool,
    /// Columns of the terminal; `None` in a pipe, where nothing is drawn.
    pub(crate) width: Option<usize>,
}

impl Style {
    pub(crate) fn paint(self, ansi: anstyle::Style, text: &str) -> String {
        if self.color { format!("{ansi}{text}{ansi:#}") } else { text.to_owned() }
    }
}
