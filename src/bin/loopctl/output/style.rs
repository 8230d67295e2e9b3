//! What an output stream can show.

use crate::cli::ColorArg;
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

    pub(crate) fn new(wanted: ColorArg, stream: Stream, env: &Environment) -> Self {
        let color = match (wanted, env.colors) {
            (ColorArg::Always, _) | (ColorArg::Auto, ColorWish::Force) => true,
            (ColorArg::Never, _) | (ColorArg::Auto, ColorWish::Never) => false,
            (ColorArg::Auto, ColorWish::Unsaid) => stream.is_terminal,
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
            (ColorArg::Auto, true, ColorWish::Unsaid, true),
            (ColorArg::Auto, false, ColorWish::Unsaid, false),
            (ColorArg::Auto, true, ColorWish::Never, false),
            (ColorArg::Auto, false, ColorWish::Force, true),
            (ColorArg::Always, false, ColorWish::Never, true),
            (ColorArg::Never, true, ColorWish::Force, false),
        ];
        for (wanted, is_terminal, wish, expected) in cases {
            let env = environment(is_terminal, wish);
            assert_eq!(Style::new(wanted, env.stdout, &env).color, expected, "{wanted:?} {wish:?}");
        }
    }
}
