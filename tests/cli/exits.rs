//! Every exit code of this issue, reached.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use crate::support::{
    Dead, Ran, Signal, good, is_ignored, loopctl, refusing, run, signal, start, syns_sent,
    wait_for_syn,
};

#[test]
fn exit_0_when_connected() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", &address.to_string()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let line = ran.stdout.lines().next().unwrap();
    let words =
        line.strip_prefix(&format!("{address} → {address}  tcp  connected in ")).expect(line);
    let (number, unit) = words.split_once(' ').unwrap();
    assert!(number.parse::<f64>().unwrap() > 0.0 && ["us", "ms", "s"].contains(&unit), "{line}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn exit_1_when_targets_differ_and_the_common_code_when_not() {
    let (_listener, address) = good("127.0.0.1");
    let (good, bad) = (address.to_string(), refusing("127.0.0.1").to_string());
    assert_eq!(run(&["connect", &good, &bad]).code, Some(1));
    assert_eq!(run(&["connect", &bad, &bad]).code, Some(7));
    assert_eq!(run(&["connect", &good, &good]).code, Some(0));
}

#[test]
fn exit_2_for_what_makes_no_sense() {
    let wrong: [&[&str]; 9] = [
        &["connect"],
        &["connect", "no-port"],
        &["connect", "::1:80"],
        &["connect", "--happy-eyeballs=5ms", "a:1"],
        &["connect", "--happy-eyeballs=soon", "a:1"],
        &["connect", "-4", "-6", "a:1"],
        &["connect", "--json", "--ndjson", "a:1"],
        &["connect", "--max-parallel", "0", "a:1"],
        &["nothing"],
    ];
    for args in wrong {
        let ran = run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ran.stderr.starts_with("error: "), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn exit_6_when_the_name_does_not_resolve() {
    let long = format!("{}.invalid:80", "a".repeat(60));
    for target in ["nosuchname.invalid:80", long.as_str(), "localhost:nosuchservice"] {
        let ran = run(&["connect", target]);
        assert_eq!(ran.code, Some(6), "{target}");
        assert!(ran.stderr.contains("cannot resolve"), "{}", ran.stderr);
    }
    assert_eq!(run(&["connect", "-6", "127.0.0.1:80"]).code, Some(6), "no IPv6 address there");
}

/// Each of the others is a host name that quotes an error.
#[test]
fn hints_about_names_do_not_depend_on_their_spelling() {
    let hint = |args: &[&str]| {
        let ran = run(args);
        assert_eq!(ran.code, Some(6), "{}", ran.stderr);
        assert!(!ran.stderr.contains("os error"), "{}", ran.stderr);
        let hint = ran.stderr.lines().find(|line| line.starts_with("hint: ")).map(str::to_owned);
        (ran.stderr, hint.unwrap_or_default())
    };
    for name in ["plain.invalid:80", "NXDOMAIN.invalid:80"] {
        let (text, hint) = hint(&["connect", "--server", "127.0.0.1:1", name]);
        assert!(
            text.contains("the name server udp://127.0.0.1:1 refused the connection"),
            "{text}"
        );
        assert!(hint.contains("no name server listens on udp://127.0.0.1:1"), "{text}");
    }
    let (_, plain) = hint(&["connect", "x-y.invalid:80"]);
    for name in ["NXDOMAIN.invalid:80", "x(NODATA).invalid:80"] {
        assert_eq!(hint(&["connect", name]).1, plain, "{name}");
    }
}

#[test]
fn exit_7_when_refused() {
    let ran = run(&["connect", &refusing("127.0.0.1").to_string()]);
    assert_eq!(ran.code, Some(7));
    assert!(ran.stderr.contains("connection refused after"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: nothing listens on that port"), "{}", ran.stderr);
}

#[test]
fn exit_23_when_the_disk_is_full() {
    let target = refusing("127.0.0.1").to_string();
    let runs: [&[&str]; 6] = [
        &["connect", &target],
        &["connect", "--json", &target],
        &["connect", "--ndjson", &target],
        &["demo"],
        &["completions", "bash"],
        &["--help"],
    ];
    for args in runs {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = loopctl().args(args).stdout(full).output().unwrap();
        let ran = Ran::from(output);
        assert_eq!(ran.code, Some(23), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: cannot write output: no space left"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}

#[test]
fn exit_28_at_the_deadline_with_every_cause_shown() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let pins = "host.test:127.0.0.1,127.0.0.2";
    let target = format!("host.test:{port}");
    let ran = run(&["connect", "--resolve", pins, "--timeout", "600ms", &target]);
    assert_eq!(ran.code, Some(28));
    assert!(ran.stderr.contains(&format!("127.0.0.1:{port}: timed out after")), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&format!("127.0.0.2:{port}: connection refused")),
        "{}",
        ran.stderr
    );
    let ran = run(&["connect", "--attempt-timeout", "100ms", &dead.address.to_string()]);
    assert_eq!(ran.code, Some(28), "its own deadline cut the last attempt");
}

#[test]
fn exit_45_when_the_source_is_not_ours() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", "--source", "192.0.2.7", &address.to_string()]);
    assert_eq!(ran.code, Some(45));
    assert!(
        ran.stderr.contains("error while attempting to bind on address 192.0.2.7"),
        "{}",
        ran.stderr
    );
    let ran = run(&["connect", "--source", "::1", &address.to_string()]);
    assert_eq!(ran.code, Some(45));
    assert!(ran.stderr.contains("no matching local address with family=IPv4"), "{}", ran.stderr);
    let ran = run(&["connect", "-s", "::1", "-s", "127.0.0.9", "--json", &address.to_string()]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.json()["attempts"][0]["local"].as_str().unwrap().starts_with("127.0.0.9:"));
}

/// Which signal ended the process, and what it had printed.
fn interrupted(args: &[&str], which: Signal, dead: &Dead) -> (Option<i32>, Ran) {
    let child = start(args);
    wait_for_syn(dead.address);
    signal(&child, which);
    let output = child.wait_with_output().unwrap();
    (output.status.signal(), output.into())
}

#[test]
fn exit_130_and_143_by_the_signal_itself_after_a_complete_report() {
    for (name, number) in [(Signal::INT, 2), (Signal::TERM, 15)] {
        let dead = Dead::new("127.0.0.1");
        let target = dead.address.to_string();
        let (by, ran) = interrupted(&["connect", &target, "--timeout", "30"], name, &dead);
        assert_eq!(by, Some(number), "raised again, so that a shell sees it");
        assert!(ran.stdout.contains("interrupted after"), "{}", ran.stdout);
        assert!(ran.stdout.contains("given up, no answer"), "{}", ran.stdout);
        assert_eq!(syns_sent(dead.address), 0, "no attempt outlives the program");
        let (_, ran) = interrupted(&["connect", "--json", &target, &target], name, &dead);
        let documents = ran.json();
        assert_eq!(documents.as_array().unwrap().len(), 2, "also for the target that never began");
        for document in documents.as_array().unwrap() {
            assert_eq!(document["outcome"], "interrupted");
            assert_eq!(document["exit_code"], 128 + number);
            crate::json::assert_valid(document);
        }
    }
}

#[test]
fn exit_141_when_nobody_reads() {
    let dead = Dead::new("127.0.0.1");
    let runs: [&[&str]; 4] = [
        &["demo"],
        &["demo", "--json"],
        &["connect", "--ndjson", "--timeout", "30", &dead.address.to_string()],
        &["completions", "zsh"],
    ];
    for args in runs {
        // Gone before the start: one that leaves later may miss the last line for a while.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = loopctl().args(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.signal(), Some(13), "{args:?}");
        let ran = Ran::from(output);
        assert!(
            !ran.stderr.contains("panicked") && !ran.stderr.contains("error:"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn interrupting_at_any_moment_leaves_no_syn_behind() {
    use std::time::{Duration, Instant};
    if is_ignored(Signal::INT) {
        return;
    }
    for after_ms in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 110, 240, 255, 300] {
        let dead = Dead::new("127.0.0.1");
        let target = format!("host.test:{}", dead.address.port());
        let args = ["connect", "--resolve", "host.test:127.0.0.1,127.0.0.2,127.0.0.3", &target];
        let (mut child, began) = (start(&args), Instant::now());
        while began.elapsed() < Duration::from_millis(after_ms) {
            std::thread::yield_now();
        }
        signal(&child, Signal::INT);
        assert!(child.wait().unwrap().signal().is_some() || after_ms > 250, "{after_ms} ms");
        assert_eq!(syns_sent(dead.address), 0, "{after_ms} ms");
    }
}
