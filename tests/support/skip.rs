//! Tests that need more than the machine has: each says so, and `tests/zz_skips.rs` counts them at the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener, ToSocketAddrs};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Records that the running test checks nothing, or less than elsewhere, for want of something.
///
/// A line on standard error, not by `eprintln!`, because the harness hides that when a test passes; and a line in a
/// file of this run.
pub(crate) fn skipped(want: &str) {
    let thread = std::thread::current();
    let test = format!("{}::{}", module_path!(), thread.name().unwrap_or("main"));
    let test = test.replace("skip::", "");
    std::io::stderr()
        .write_all(format!("SKIPPED for want of {want}: {test}\n").as_bytes())
        .unwrap();
    record(&format!("{want}\t{test}\n"));
}

/// Another user than the one who built the tests may not write here: then the sum at the end is too small.
fn record(line: &str) {
    if let Ok(mut file) = File::options().append(true).create(true).open(record_file()) {
        let _ = file.write_all(line.as_bytes());
    }
}

fn record_file() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("skips-{}", run()))
}

/// Names the run to a test that starts itself again.
pub(crate) const RUN: &str = "LOOPCTL_TEST_RUN";

/// The run of `cargo test`, named by the process that started this one, and by when that began.
pub(crate) fn run() -> String {
    std::env::var(RUN).unwrap_or_else(|_| {
        let cargo = parent_id();
        let stat = std::fs::read_to_string(format!("/proc/{cargo}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        format!("{cargo}-{}", after_name.split_whitespace().nth(19).unwrap_or_default())
    })
}

/// Removes the records of this run, and of any that have ended without a sum; gives those of this run.
pub(crate) fn take() -> String {
    let skips = std::fs::read_to_string(record_file()).unwrap_or_default();
    for entry in std::fs::read_dir(env!("CARGO_TARGET_TMPDIR")).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let run = name.strip_prefix("skips-").and_then(|run| run.split('-').next());
        let has_ended =
            |pid| pid == parent_id().to_string() || !Path::new("/proc").join(pid).exists();
        if run.is_some_and(has_ended) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    skips
}

/// Sums lines of a want and a test, with a tab between.
pub(crate) fn summary(skips: &str) -> String {
    let skips: BTreeSet<(&str, &str)> =
        skips.lines().filter_map(|it| it.split_once('\t')).collect();
    let tests: BTreeSet<&str> = skips.iter().map(|(_, test)| *test).collect();
    let mut wants: BTreeMap<&str, usize> = BTreeMap::new();
    skips.iter().for_each(|(want, _)| *wants.entry(want).or_default() += 1);
    let mut wants: Vec<(&str, usize)> = wants.into_iter().collect();
    wants.sort_by_key(|(_, count)| Reverse(*count));
    let wants: Vec<String> =
        wants.iter().map(|(want, count)| format!("{count} for want of {want}")).collect();
    let plural = if tests.len() == 1 { "" } else { "s" };
    format!("{} test{plural} skipped: {}", tests.len(), wants.join(", "))
        .trim_end_matches(": ")
        .to_owned()
}

/// Says whether there is an IPv6 loopback.
pub(crate) fn has_ipv6() -> bool {
    or_skip(TcpListener::bind("[::1]:0").is_ok(), "IPv6")
}

/// Says whether the system's resolver knows `localhost`: a root without /etc/hosts does not.
#[expect(clippy::disallowed_methods, reason = "it is the system's resolver that is asked for")]
pub(crate) fn has_localhost() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    let is_known = || {
        let found = ("localhost", 0).to_socket_addrs();
        found.is_ok_and(|mut found| found.any(|it| it.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)))
    };
    or_skip(*KNOWN.get_or_init(is_known), "`localhost` in /etc/hosts")
}

/// Says whether services have names here.
pub(crate) fn has_services() -> bool {
    or_skip(Path::new("/etc/services").exists(), "/etc/services")
}

/// Says whether a program is installed.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    or_skip(std::env::split_paths(&path).any(|folder| folder.join(name).is_file()), name)
}

fn or_skip(has: bool, want: &str) -> bool {
    if !has {
        skipped(want);
    }
    has
}
