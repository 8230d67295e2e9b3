//! Tests that need more than this machine has: each says so, and `tests/zz_skips.rs` counts them at the end.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener, ToSocketAddrs};
use std::os::unix::process::parent_id;
use std::path::Path;
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

/// Without leave to write here, as another user than the one who built the tests, the sum is less.
fn record(line: &str) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("skips-{}", run()));
    if let Ok(mut file) = File::options().append(true).create(true).open(file) {
        let _ = file.write_all(line.as_bytes());
    }
}

/// Names a run to a test that starts itself anew.
pub(crate) const RUN: &str = "LOOPCTL_TEST_RUN";

/// What the test programs of one `cargo test` have in common: the process that started them.
pub(crate) fn run() -> String {
    std::env::var(RUN).unwrap_or_else(|_| parent_id().to_string())
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
