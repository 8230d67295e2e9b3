//! Incidents: one cold `loopctl connect` each, and the line that names the cause. README.md has a table of them.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test netns incident_table` writes the table.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};
use toml::Table;

use crate::bed::Bed;
use crate::skip::skipped;

/// Exit status of `run.py` on a machine that does not allow it.
const SKIPPED: i32 = 77;

/// Incidents at a time. Most of their time is spent in waiting.
const AT_A_TIME: usize = 4;

#[derive(Deserialize)]
struct Incidents {
    incident: Vec<Incident>,
}

#[derive(Deserialize)]
struct Incident {
    title: String,
    scenario: Option<toml::Value>,
    plan: Option<Table>,
    command: String,
    exit: i32,
    says: String,
    finding: Option<String>,
}

/// A run of the program.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Self { status: output.status.code().unwrap(), stdout, stderr }
    }
}

impl Incident {
    fn run(&self, options: &[&str]) -> Option<Ran> {
        let arguments = self.command.split_whitespace();
        let words = [env!("CARGO_BIN_EXE_loopctl"), "connect"].into_iter();
        let words: Vec<&str> = words.chain(options.iter().copied()).chain(arguments).collect();
        match (&self.scenario, &self.plan) {
            (Some(toml::Value::String(name)), _) => Some(Bed::open()?.run(name, &words).into()),
            (Some(toml::Value::Table(network)), _) => {
                Some(Bed::open()?.run_in(network, &words).into())
            }
            _ => run_on_this_host(self.plan.as_ref().unwrap(), &words),
        }
    }

    /// The line that names the cause; `Err` with the reason why there is none.
    fn named(&self, ran: &Ran) -> Result<String, String> {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let mut lines = said.lines().filter(|line| line.contains(&self.says));
        match lines.next_back() {
            _ if ran.status != self.exit => {
                Err(format!("exit status {}, not {}:\n{said}", ran.status, self.exit))
            }
            Some(line) => Ok(cause(line).to_owned()),
            None => Err(format!("no line says `{}`:\n{said}", self.says)),
        }
    }

    /// Whether the JSON document has the finding, with its basis and evidence.
    fn found(&self, ran: &Ran) -> Result<(), String> {
        let Some(kind) = &self.finding else { return Ok(()) };
        let document: Value =
            serde_json::from_str(&ran.stdout).map_err(|error| error.to_string())?;
        let findings = document["why"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["kind"] == kind.as_str());
        let found = found.ok_or_else(|| format!("no finding `{kind}` in {findings:#?}"))?;
        let has_basis = found["basis"].is_string();
        let has_evidence = found["evidence"].as_array().is_some_and(|list| !list.is_empty());
        match has_basis && has_evidence {
            true => Ok(()),
            false => Err(format!("a finding without basis or evidence: {found:#}")),
        }
    }
}

fn run_on_this_host(plan: &Table, words: &[&str]) -> Option<Ran> {
    let mut plan: Value = serde_json::to_value(plan).unwrap();
    plan["command"] = json!(words);
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/netns/incident_table/run.py"))
        .arg(plan.to_string())
        .env_remove("LOOPCTL_DEBUG")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let ran = Ran::from(output);
    assert!(!ran.stderr.contains("Traceback"), "run.py broke:\n{}", ran.stderr);
    if ran.status == SKIPPED {
        skipped(ran.stderr.trim());
        return None;
    }
    Some(ran)
}

/// The cause alone: without the label of its line.
fn cause(line: &str) -> &str {
    // Because packets are lost by chance, the last part of a summary need not be there.
    let line = line.split("; in ").next().unwrap_or(line).trim();
    let labels = ["why ", "others ", "hint: ", "caused by: ", "error: ", "note: ", "warning: "];
    labels.iter().find_map(|label| line.strip_prefix(label)).unwrap_or(line).trim_start()
}

/// The same for every figure that two runs need not share.
fn without_figures(line: &str) -> String {
    let mut text = String::new();
    for word in line.split(' ') {
        let is_figure = word.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().is_ok();
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        text += match bare {
            _ if is_figure && !word.contains('`') => "#",
            "us" | "ms" | "s" => "unit",
            _ => word,
        };
        text.push(' ');
    }
    text
}

fn row(incident: &Incident, line: &str) -> String {
    format!("| {} | {} |", incident.title, line.replace('|', "\\|"))
}

const BEGIN: &str = "<!-- incidents -->\n";
const END: &str = "<!-- end of incidents -->\n";

fn table_of_readme() -> (String, String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the table");
    let (table, after) = rest.split_once(END).expect("the end of the table");
    (format!("{before}{BEGIN}"), table.to_owned(), format!("{END}{after}"))
}

#[test]
fn netns_incidents_are_named_by_one_line_each() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/netns/incident_table");
    let text = std::fs::read_to_string(folder.join("incidents.toml")).unwrap();
    let Incidents { incident: incidents } = toml::from_str(&text).unwrap();
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(vec![None; incidents.len()]));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed))
                    && let Some(incident) = incidents.get(number)
                {
                    lines.lock().unwrap()[number] = judge(incident);
                }
            });
        }
    });
    let (before, kept, after) = table_of_readme();
    let mut table = "| incident | line that names the cause |\n|---|---|\n".to_owned();
    let mut complaints = String::new();
    for (incident, judged) in incidents.iter().zip(lines.into_inner().unwrap()) {
        match judged {
            Some(Ok(line)) => {
                let row = row(incident, &line);
                let is_known =
                    kept.lines().any(|kept| without_figures(kept) == without_figures(&row));
                if !is_known {
                    writeln!(complaints, "README.md does not have: {row}").unwrap();
                }
                writeln!(table, "{row}").unwrap();
            }
            Some(Err(why)) => writeln!(complaints, "{}: {why}", incident.title).unwrap(),
            None => {}
        }
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        std::fs::write(readme, format!("{before}{table}{after}")).unwrap();
    }
    assert!(complaints.is_empty(), "{complaints}");
}

/// `None` where this machine cannot run it.
fn judge(incident: &Incident) -> Option<Result<String, String>> {
    let line = incident.named(&incident.run(&[])?);
    if incident.finding.is_none() {
        return Some(line);
    }
    let document = incident.run(&["--json"])?;
    Some(line.and_then(|line| incident.found(&document).map(|()| line)))
}
