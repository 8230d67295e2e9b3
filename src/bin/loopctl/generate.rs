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
    let man = Man::new(command.clone().name(name.to_owned())).title(name.to_uppercase());
    let man = man.manual("loopctl manual").source(SOURCE).date(RELEASED);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut page = utf8(page)?;
    page += &format!(".SH SYNOPSIS\n{}\n", synopsis(command));
    page += &format!(".SH DESCRIPTION\n{}", prose(description(name)));
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

/// What mandoc(1) finds fault with: an empty line between breaks, and lines of text over 80 bytes.
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

fn description(page: &str) -> &'static str {
    match page {
        "loopctl-connect" => CONNECT,
        "loopctl-serve" => SERVE,
        "loopctl-demo" => DEMO,
        "loopctl-completions" => COMPLETIONS,
        _ => LOOPCTL,
    }
}

const LOOPCTL: &str = "\
Says why a connection is slow, picks the wrong path or fails. It races every address of a host the way browsers do \
(Happy Eyeballs, RFC 8305) and reports every attempt: when it started, how long it took, and what became of it, also \
of the ones that lost.";

const CONNECT: &str = "\
Connects to each TARGET, several at a time, and closes the connection at once. The addresses of a target are tried in \
the resolver's order with the address families interleaved. The next attempt starts when the Connection Attempt Delay \
has passed since the last start, or at once when the newest attempt fails. The first connection wins, and the \
attempts that are still under way are given up.

With --happy-eyeballs=off, the next address is tried only when the one before has failed. With --all, every address is \
tried, the next one also when the newest has connected.

With --count or --interval, the same race is run again and again; a name is resolved once, unless --fresh-dns is given. \
With --wait, it is run again, after pauses of 0.1 s that double up to 2 s, until it connects.

Targets are told in the order in which they were given.

With --relay, the connection is kept: what standard input gives goes to the peer, and what the peer sends to standard \
output, which then carries nothing else; the report goes to standard error. The end of the input is passed on, and \
what the peer still sends is written; the peer's end ends the relay, also while the input is open; what the input gives without a pause is still sent. Each side is read \
only as fast as the other one takes it. --timeout limits the connection, not the relay. A connection that is not as \
expected is not used.

With --udp, one address after another is sent an empty datagram, and has 0.2 s (--attempt-timeout) to answer or to \
refuse: the first that does not refuse is taken. `answered` is proof that somebody is there, and `silent` is none: a \
service that ignores an empty datagram, a firewall and a dead host look the same. With --relay as well, nothing is sent \
but what standard input gives: the first address that there is a route to is taken, every read of the input (a line \
of a terminal, at most 64 KiB of a file, 256 KiB of a pipe) is a datagram, or several where it is longer than 65507 \
bytes, and what comes back is written as it is. After the end of the input, 0.5 s of silence (--idle-timeout) end the \
relay.";

const SERVE: &str = "\
Listens on each ADDR, and does with every client what --mode, --exec or --shell says. Unless an address beyond \
loopback is asked for, only this machine can connect.

The first lines say where it listens, so that a script can wait for them; --port-file writes the ports to a file, \
complete when it appears. Then there is a line for each connection that has ended, and the totals when all is over.

It ends after SIGINT or SIGTERM, after the clients that -n asks for, or after --timeout. Clients that are being \
answered may finish what they are at, within --grace; idle ones are closed at once.";

const DEMO: &str = "\
Plays a host with three addresses on this machine's loopback, and races them as connect would: one address never \
answers, one refuses, one works. Needs neither a network nor privileges.";

const COMPLETIONS: &str = "Prints the completions of a shell to standard output.";

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
    let mut sections = Vec::new();
    if ["loopctl-connect", "loopctl-demo"].contains(&name) {
        sections.push(("OUTPUT", prose(OUTPUT)));
        sections.push(("JSON", prose(JSON)));
    }
    if name == "loopctl-serve" {
        sections.push(("HTTP", prose(HTTP)));
    }
    sections.push(("EXIT STATUS", exit_status()));
    sections.push(("SIGNALS", prose(SIGNALS)));
    sections.push(("ENVIRONMENT", definitions(&ENVIRONMENT)));
    sections.push(("FILES", definitions(&FILES)));
    let examples = command.get_before_long_help().map(ToString::to_string).unwrap_or_default();
    sections.push(("EXAMPLES", literal(examples.trim_start_matches("Examples:\n"))));
    sections.push(("SEE ALSO", see_also(name)));
    sections
}

const OUTPUT: &str = "\
A headline; where the addresses came from and how they are ordered; a row for every address; what the kernel \
measured; the socket's options, where some were asked for; and what the total is made of.

A row says when its attempt started and how long it took, both in milliseconds since work on the target began, and \
its outcome. `lost` is an attempt that was under way when another one won. `SYN +2` says that the kernel sent the \
first packet again twice. On a terminal each row has a bar on a common time axis.

Errors, their causes and hints go to standard error. With --relay the report goes there, too, and is told when there \
is a connection; a line about what was relayed follows. A format for programs comes at the end, and is alone on \
standard error, unless --report gives it a file.";

const JSON: &str = "\
With `--json`, every target gives one document (schema loopctl.connect.v1), also when it failed or was interrupted; \
several targets give an array, and repeated tries a document of their own (loopctl.repeat.v1). With `--ndjson`, every event is a line (schema loopctl.event.v1, named as in \
draft-kuehlewind-happy-qlog), followed by the document.

All `_ms` are milliseconds since work on the target began. `result` is success, failure (the network or the kernel \
said no), timeout (a deadline fell) or canceled (another attempt won, or the user interrupted). null means that \
something did not happen or is not known. `relay` says how many bytes went each way and what ended that: eof, reset, \
idle, closed (standard output), interrupted or error. `answered` tells over UDP whether anything came back.";

const HTTP: &str = "\
With --root, GET and HEAD get the files below DIR, or one range of bytes of them, unless the client has them already \
(If-None-Match, If-Modified-Since). A folder is shown by its index.html or as a list, hidden files included. Nothing \
leads out of DIR: symbolic links work if they are relative and stay inside. What is no file, such as a pipe or a \
device, is never opened. A request with a body is answered, and the connection closed.

Without --root, every request is answered with what it looked like: its head as it came, and how many bytes of body \
followed.

Connections stay open for more requests. One that breaks a rule is told why and closed, and recorded as `limit`: a \
head of over 16 KiB or 64 fields, one that takes longer than 10 s, or what is no HTTP/1. -v tells each request, with \
the status and the length of its answer.";

const SIGNALS: &str = "\
SIGINT and SIGTERM end the attempts under way, print the report, and end the process by the same signal. A second \
one ends it at once. When connecting again and again, they end the series and print its summary; the exit status is \
then 0 if anything connected. SIGQUIT prints an interim line of every series and goes on. A closed standard output \
ends the process by SIGPIPE. SIGINT and SIGTERM end a relay, too; it says before what was relayed.";

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
    let pages =
        ["loopctl", "loopctl-connect", "loopctl-serve", "loopctl-demo", "loopctl-completions"];
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
