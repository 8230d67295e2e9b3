//! Completions and man pages, from the definitions of the flags.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate, generate_to};
use clap_mangen::Man;

use super::man;
use super::man::page_of;
use super::{Cli, completion};
use crate::exit;

/// The completions of one shell.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "loopctl", &mut script);
    completion::with_hosts_and_interfaces(shell, String::from_utf8_lossy(&script).into_owned())
        .into()
}

/// Writes `DIR/completions` and `DIR/man`.
pub(crate) fn all(dir: &Path) -> io::Result<()> {
    let (completions, man) = (dir.join("completions"), dir.join("man"));
    fs::create_dir_all(&completions)?;
    fs::create_dir_all(&man)?;
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        let path = generate_to(shell, &mut Cli::command(), "loopctl", &completions)?;
        fs::write(path, self::completions(shell))?;
    }
    let mut root = Cli::command();
    root.build();
    fs::write(man.join("loopctl.1"), page(&root, "loopctl")?)?;
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("loopctl-{}", command.get_name());
        fs::write(man.join(format!("{name}.1")), page(command, &name)?)?;
    }
    Ok(())
}

/// One man page: clap's sections first, then ours.
fn page(command: &Command, name: &str) -> io::Result<String> {
    let man = Man::new(command.clone().name(name.to_owned())).title(name.to_uppercase());
    let man = man.manual("loopctl manual").source(SOURCE).date(RELEASED);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut page = utf8(page)?;
    page += &format!(".SH SYNOPSIS\n{}\n", synopsis(command));
    page += &format!(".SH DESCRIPTION\n{}", prose(page_of(name).description));
    page += &options(&man)?;
    if command.has_subcommands() {
        let mut commands = Vec::new();
        man.render_subcommands_section(&mut commands)?;
        page += &utf8(commands)?;
    }
    for (title, body) in sections(command, name) {
        let _ = write!(page, ".SH {title}\n{body}");
    }
    Ok(tidy(&page))
}

/// Mends two complaints of `mandoc -Tlint`: an empty line between breaks, and lines of text over 80 bytes.
fn tidy(page: &str) -> String {
    page.replace(".br\n\n.br\n", ".sp\n").lines().map(wrap).collect()
}

/// Breaks a line of text at spaces; a request keeps its line.
fn wrap(line: &str) -> String {
    const LONGEST: usize = 80;
    let mut wrapped = String::new();
    let mut length = 0;
    for word in line.split(' ') {
        let starts_request = word.starts_with(['.', '\'']);
        if length + word.len() >= LONGEST && length > 0 && !line.starts_with('.') && !starts_request
        {
            wrapped.push('\n');
            length = 0;
        } else if length > 0 {
            wrapped.push(' ');
            length += 1;
        }
        wrapped += word;
        length += word.len();
    }
    wrapped + "\n"
}

const SOURCE: &str = concat!("loopctl ", env!("CARGO_PKG_VERSION"));
/// The date of this version, for the foot of the pages.
const RELEASED: &str = "2026-11-23";

/// Clap's usage line, its words in bold and its placeholders in italics.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let words = usage.trim_start_matches("Usage: ").split_whitespace().map(|word| {
        let is_placeholder = word.starts_with(['[', '<']);
        let font = if is_placeholder { "\\fI" } else { "\\fB" };
        format!("{font}{}\\fR", roff(word))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The groups of options as subsections of one section.
fn options(man: &Man) -> io::Result<String> {
    let mut rendered = Vec::new();
    man.render_options_section(&mut rendered)?;
    let rendered = utf8(rendered)?;
    let lines = rendered.lines().filter(|line| *line != ".SH OPTIONS");
    let grouped = lines.map(|line| match line.strip_prefix(".SH ") {
        Some(group) => format!(".SS {group}\n"),
        None => format!("{line}\n"),
    });
    Ok(format!(".SH OPTIONS\n{}", grouped.collect::<String>()))
}

fn sections(command: &Command, name: &str) -> Vec<(&'static str, String)> {
    let texts = page_of(name);
    let mut sections: Vec<_> =
        texts.sections.iter().map(|(title, text)| (*title, prose(text))).collect();
    sections.push(("EXIT STATUS", definitions(&exit::TABLE)));
    sections.push(("SIGNALS", prose(texts.signals)));
    sections.push(("ENVIRONMENT", definitions(&[man::ENVIRONMENT, texts.environment].concat())));
    sections.push(("FILES", definitions(&man::FILES)));
    let examples = command.get_before_long_help().map(ToString::to_string).unwrap_or_default();
    sections.push(("EXAMPLES", literal(examples.trim_start_matches("Examples:\n"))));
    sections.push(("SEE ALSO", see_also(name)));
    sections
}

fn definitions(table: &[(&str, &str)]) -> String {
    table
        .iter()
        .map(|(term, text)| format!(".TP\n\\fB{}\\fR\n{}\n", roff(term), roff(text)))
        .collect()
}

fn see_also(name: &str) -> String {
    let pages = [
        "loopctl",
        "loopctl-connect",
        "loopctl-serve",
        "loopctl-control",
        "loopctl-resolve",
        "loopctl-sendfile",
        "loopctl-demo",
        "loopctl-report",
        "loopctl-completions",
    ];
    let others = pages.iter().filter(|page| **page != name);
    let mut references: Vec<String> =
        others.map(|page| format!("\\fB{}\\fR(1)", roff(page))).collect();
    references.extend(["\\fBcurl\\fR(1)", "\\fBgai.conf\\fR(5)"].map(str::to_owned));
    format!("{}\n.PP\nRFC 8305 (Happy Eyeballs Version 2), RFC 6724.\n", references.join(", "))
}

fn prose(text: &str) -> String {
    text.split("\n\n").map(roff).collect::<Vec<_>>().join("\n.PP\n") + "\n"
}

fn literal(text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("{}\n", roff(line.trim()))).collect();
    format!(".nf\n{lines}.fi\n")
}

/// Text as roff: no character of it is a command.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

fn utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}
