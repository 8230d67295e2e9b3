//! What an output stream can show.

use crate::config::ColorChoice;
use crate::config::environment::{ColorWish, Environment, Stream};

/// What one stream can show.
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

    pub(crate) fn new(wanted: ColorChoice, stream: Stream, env: &Environment) -> Self {
        let color = match (wanted, env.colors) {
            (ColorChoice::Always, _) | (ColorChoice::Auto, ColorWish::Force) => true,
            (ColorChoice::Never, _) | (ColorChoice::Auto, ColorWish::Never) => false,
            (ColorChoice::Auto, ColorWish::Unsaid) => stream.is_terminal,
        };
        let width = stream.is_terminal.then(|| stream.width.unwrap_or(80));
        Self { color, unicode: env.is_utf8, width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(is_terminal: bool, colors: ColorWish) -> Environment {
        let stream = Stream { is_terminal, width: None };
        Environment { stdout: stream, stderr: stream, is_utf8: true, colors, is_dumb: false }
    }

    #[test]
    fn colors_follow_the_flag_then_the_environment_then_the_terminal() {
        let cases = [
            (ColorChoice::Auto, true, ColorWish::Unsaid, true),
            (ColorChoice::Auto, false, ColorWish::Unsaid, false),
            (ColorChoice::Auto, true, ColorWish::Never, false),
            (ColorChoice::Auto, false, ColorWish::Force, true),
            (ColorChoice::Always, false, ColorWish::Never, true),
            (ColorChoice::Never, true, ColorWish::Force, false),
        ];
        for (wanted, is_terminal, wish, expected) in cases {
            let env = environment(is_terminal, wish);
            assert_eq!(Style::new(wanted, env.stdout, &env).color, expected, "{wanted:?} {wish:?}");
        }
    }
}
