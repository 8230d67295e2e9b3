//! Running the test bed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Condvar, Mutex, OnceLock};

use serde::Deserialize;
use toml::Table;

use crate::skip::skipped;
use crate::timeline::Timeline;

/// The exit status of a test bed that this machine does not allow.
const SKIPPED: i32 = 77;

/// Tests with beds at a time, and beds of one test. They wait most of the time; more of them would measure each other.
const AT_A_TIME: usize = 2;
pub(crate) const BEDS_OF_A_TEST: usize = 4;

/// Leave to run test beds, for as long as a test holds it.
pub(crate) struct Bed(());

/// A command that has ended, and what it did on the wire.
pub(crate) struct Recording {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) timeline: Timeline,
}

static UNUSED: Mutex<usize> = Mutex::new(AT_A_TIME);
static RETURNED: Condvar = Condvar::new();

impl Bed {
    /// `None`, and a line on standard error, where this machine cannot run one.
    pub(crate) fn open() -> Option<Self> {
        static OBSTACLE: OnceLock<Option<String>> = OnceLock::new();
        if let Some(why) = OBSTACLE.get_or_init(obstacle) {
            skipped(why);
            return None;
        }
        let mut unused = UNUSED.lock().unwrap();
        while *unused == 0 {
            unused = RETURNED.wait(unused).unwrap();
        }
        *unused -= 1;
        Some(Self(()))
    }

    /// Runs a command on the client's side of a scenario.
    pub(crate) fn run(&self, scenario: &str, command: &[&str]) -> Output {
        self.start(&[], scenario, command)
    }

    /// Runs a command in a network that stands in no file.
    pub(crate) fn run_in(&self, network: &Table, command: &[&str]) -> Output {
        let (_folder, file) = scenario_file(network);
        self.start(&["--file", &file], "network", command)
    }

    /// Runs a command, and records the packets.
    pub(crate) fn record(&self, scenario: &str, command: &[&str]) -> Recording {
        let command = [urgently(), command].concat();
        self.capture(&[], scenario, &command)
    }

    /// Runs a command in a network that stands in no file, and records the packets.
    pub(crate) fn record_in(&self, network: &Table, command: &[&str]) -> Recording {
        let command = [urgently(), command].concat();
        self.capture_in(network, &command)
    }

    /// Runs commands in such networks: one after another in each, and several networks at a time.
    pub(crate) fn record_each(&self, network: &Table, commands: &[Vec<String>]) -> Vec<Recording> {
        let in_one = commands.len().div_ceil(BEDS_OF_A_TEST).max(1);
        std::thread::scope(|scope| {
            let start = |commands| scope.spawn(move || self.record_in_turn(network, commands));
            let beds: Vec<_> = commands.chunks(in_one).map(start).collect();
            beds.into_iter().flat_map(|bed| bed.join().unwrap()).collect()
        })
    }

    fn record_in_turn(&self, network: &Table, commands: &[Vec<String>]) -> Vec<Recording> {
        let urgent = |command: &Vec<String>| -> Vec<String> {
            let urgently = urgently().iter().map(|word| (*word).to_owned());
            urgently.chain(command.iter().cloned()).collect()
        };
        let commands: Vec<Vec<String>> = commands.iter().map(urgent).collect();
        let commands = serde_json::to_string(&commands).unwrap();
        let script = path("one_by_one.py");
        let driver = ["python3", script.to_str().unwrap(), &commands];
        self.capture_in(network, &driver).each()
    }

    fn capture_in(&self, network: &Table, command: &[&str]) -> Recording {
        let (_folder, file) = scenario_file(network);
        self.capture(&["--file", &file], "network", command)
    }

    fn capture(&self, options: &[&str], scenario: &str, command: &[&str]) -> Recording {
        let folder = tempfile::tempdir().unwrap();
        let pcap = folder.path().join("pcap");
        let pcap = pcap.to_str().unwrap();
        let output = self.start(&[options, &["--pcap", pcap]].concat(), scenario, command);
        let lines = testbed(&["timeline", pcap]).output().unwrap();
        assert!(lines.status.success(), "{}", text(&lines.stderr));
        let marks = std::fs::read_to_string(format!("{pcap}.events")).unwrap();
        Recording {
            status: output.status.code().unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            timeline: Timeline::parse(&text(&lines.stdout), &marks),
        }
    }

    fn start(&self, options: &[&str], scenario: &str, command: &[&str]) -> Output {
        let output = testbed(&["run"])
            .args(options)
            .args([scenario, "--"])
            .args(command)
            // It would turn the loop's debug mode on.
            .env_remove("LOOPCTL_DEBUG")
            .output()
            .unwrap();
        let complaint = text(&output.stderr);
        assert!(!complaint.contains("Traceback"), "the test bed broke:\n{complaint}");
        assert!(!complaint.contains("testbed: "), "the test bed failed: {complaint}");
        output
    }
}

/// A file with one scenario, called `network`, in a folder that lives as long as the first value.
fn scenario_file(network: &Table) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    let mut network = network.clone();
    network.entry("about").or_insert_with(|| "made for a test".into());
    let scenarios = Table::from_iter([("network".to_owned(), network.into())]);
    std::fs::write(&file, toml::to_string(&scenarios).unwrap()).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

impl Recording {
    /// What `one_by_one.py` ran, each by itself.
    fn each(&self) -> Vec<Self> {
        #[derive(Deserialize)]
        struct Record {
            began: f64,
            status: i32,
            stdout: String,
            stderr: String,
        }
        let records = self.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let records: Vec<Record> = records.collect();
        let begins: Vec<f64> = records.iter().map(|record| record.began).collect();
        let parts = self.timeline.split(&begins);
        records
            .into_iter()
            .zip(parts)
            .map(|(Record { status, stdout, stderr, .. }, timeline)| Self {
                status,
                stdout,
                stderr,
                timeline,
            })
            .collect()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        *UNUSED.lock().unwrap() += 1;
        RETURNED.notify_one();
    }
}

/// A file of this test.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/netns").join(name)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testbed(args: &[&str]) -> Command {
    let mut python = Command::new("python3");
    python.arg(path("testbed/testbed.py")).args(args);
    python
}

/// Why this machine cannot run a test bed.
fn obstacle() -> Option<String> {
    let check = match testbed(&["check"]).output() {
        Ok(check) => check,
        Err(error) => return Some(format!("python3 ({error})")),
    };
    match check.status.code() {
        Some(0) => None,
        Some(SKIPPED) => {
            let said = text(&check.stderr);
            Some(format!("a test bed ({})", said.trim().rsplit(": ").next().unwrap_or_default()))
        }
        status => panic!("testbed.py check: {status:?}\n{}", text(&check.stderr)),
    }
}

/// Puts a command ahead of all ordinary processes where the machine allows that: what else runs here must
/// not look like lateness of the program.
fn urgently() -> &'static [&'static str] {
    const REAL_TIME: &[&str] = &["chrt", "-r", "1"];
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    let is_allowed = || {
        let probe = Command::new(REAL_TIME[0]).args(&REAL_TIME[1..]).arg("true").output();
        probe.is_ok_and(|probe| probe.status.success())
    };
    if *ALLOWED.get_or_init(is_allowed) { REAL_TIME } else { &[] }
}
