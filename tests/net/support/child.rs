//! Tests that count or exhaust descriptors: each in a process of its own, where nobody else opens any.

use std::process::Command;

use crate::skip;

const CHILD: &str = "LOOPCTL_TEST_CHILD";

/// Runs `body` in a process of its own. `name` is the test's full name, without the crate.
pub(crate) fn in_child(name: &str, body: impl FnOnce()) {
    run_in_child(name, "true", body);
}

/// Runs `body` in a process of its own that may have at most `limit` descriptors open.
pub(crate) fn in_child_with_descriptors(limit: usize, name: &str, body: impl FnOnce()) {
    run_in_child(name, &format!("ulimit -n {limit}"), body);
}

fn run_in_child(name: &str, prelude: &str, body: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some_and(|child| child == name) {
        return body();
    }
    let this = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{prelude} && exec \"$0\" --exact {name} --nocapture --test-threads=1"))
        .arg(this)
        .env(CHILD, name)
        .env(skip::RUN, skip::run())
        .output()
        .unwrap();
    let (told, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A name that no test has would pass without running anything.
    assert!(told.contains("1 passed") || !output.status.success(), "no test is called {name}");
    assert!(output.status.success(), "in the child process:\n{told}\n{complained}");
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    // The listing itself holds one.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}
