//! Completions and man pages, from the definitions of the flags.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate, generate_to};
use clap_mangen::Man;

use crate::args::Cli;
use crate::exit;

/// The completions of one shell.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "loopctl", &mut script);
    script
}

/// Writes `DIR/completions` and `DIR/man`.
pub(crate) fn all(dir: &Path) -> io::Result<()> {
    let (completions, man) = (dir.join("completions"), dir.join("man"));
    fs::create_dir_all(&completions)?;
    fs::create_dir_all(&man)?;
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        generate_to(shell, &mut Cli::command(), "loopctl", &completions)?;
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
    let command = command.clone().name(name.to_owned()).version(env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).manual("loopctl manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut page = utf8(page)?;
    page += &options(&man)?;
    if command.has_subcommands() {
        let mut commands = Vec::new();
        man.render_subcommands_section(&mut commands)?;
        page += &utf8(commands)?;
    }
    for (title, body) in sections(&command) {
        let _ = write!(page, ".SH {title}\n{body}");
    }
    Ok(page)
}

/// The groups of options as subsections of one section.
fn options(man: &Man) -> io::Result<String> {
    let mut rendered = Vec::new();
    man.render_options_section(&mut rendered)?;
    let rendered = utf8(rendered)?;
    let grouped: String = rendered
        .lines()
        .filter(|line| *line != ".SH OPTIONS")
        .map(|line| match line.strip_prefix(".SH ") {
            Some(group) => format!(".SS {group}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    Ok(if grouped.is_empty() { grouped } else { format!(".SH OPTIONS\n{grouped}") })
}

fn sections(command: &Command) -> Vec<(&'static str, String)> {
    let mut sections = Vec::new();
    if ["loopctl-connect", "loopctl-demo"].contains(&command.get_name()) {
        sections.push(("OUTPUT", prose(OUTPUT)));
        sections.push(("JSON", prose(JSON)));
    }
    sections.push(("EXIT STATUS", exit_status()));
    sections.push(("SIGNALS", prose(SIGNALS)));
    sections.push(("ENVIRONMENT", definitions(&ENVIRONMENT)));
    sections.push(("FILES", definitions(&FILES)));
    let examples = command.get_before_long_help().map(ToString::to_string).unwrap_or_default();
    sections.push(("EXAMPLES", literal(examples.trim_start_matches("Examples:\n"))));
    sections.push(("SEE ALSO", see_also(command.get_name())));
    sections
}

const OUTPUT: &str = "\
A headline; where the addresses came from and how they are ordered; a row for every address; what the kernel \
measured; and what the total is made of.

A row says when its attempt started and how long it took, both in milliseconds since work on the target began, and \
its outcome. `lost` is an attempt that was under way when another one won. `SYN +2` says that the kernel sent the \
first packet again twice. On a terminal each row has a bar on a common time axis.

Errors, their causes and hints go to standard error.";

const JSON: &str = "\
With `--json`, every target gives one document (schema loopctl.connect.v1), also when it failed or was interrupted; \
several targets give an array. With `--ndjson`, every event is a line (schema loopctl.event.v1, named as in \
draft-kuehlewind-happy-qlog), followed by the document.

All `_ms` are milliseconds since work on the target began. `result` is success, failure (the network or the kernel \
said no), timeout (a deadline fell) or canceled (another attempt won, or the user interrupted). null means that \
something did not happen or is not known.";

const SIGNALS: &str = "\
SIGINT and SIGTERM end the attempts under way, print the report, and end the process by the same signal. A second \
one ends it at once. A closed standard output ends it by SIGPIPE.";

const ENVIRONMENT: [(&str, &str); 6] = [
    ("NO_COLOR", "Not empty: no colours, unless --color=always."),
    ("CLICOLOR_FORCE", "Not 0: colours also where standard output is no terminal."),
    ("COLUMNS", "The width of the terminal, instead of what the terminal says."),
    ("LC_ALL, LC_CTYPE, LANG", "A locale without UTF-8 gives ASCII output."),
    ("LOOPCTL_DEBUG", "Not empty: the event loop's debug mode, as --debug."),
    (
        "LOOPCTL_LOG",
        "What the event loop logs to standard error: error, warn, info, debug or trace.",
    ),
];

const FILES: [(&str, &str); 3] = [
    ("/etc/hosts, /etc/resolv.conf, /etc/nsswitch.conf", "Read by the system's resolver."),
    ("/etc/gai.conf", "Decides the order of addresses (RFC 6724)."),
    ("/etc/services", "Names of ports."),
];

fn exit_status() -> String {
    definitions(&exit::TABLE)
}

fn definitions(table: &[(&str, &str)]) -> String {
    table
        .iter()
        .map(|(term, text)| format!(".TP\n\\fB{}\\fR\n{}\n", roff(term), roff(text)))
        .collect()
}

fn see_also(name: &str) -> String {
    let pages = ["loopctl", "loopctl-connect", "loopctl-demo", "loopctl-completions"];
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
