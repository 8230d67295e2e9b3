//! What people read: layout, words, where it goes.

use crate::support::{Dead, good, loopctl, refusing, run};

/// Digits vary from run to run; the layout does not. Each number becomes one `N`.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut in_number = false;
    for c in text.chars() {
        let is_number = c.is_ascii_digit() || (in_number && c == '.');
        if !is_number {
            shape.push(c);
        } else if !in_number {
            shape.push('N');
        }
        in_number = is_number;
    }
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    shape.lines().map(squeeze).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_refusal_reads_well_and_messages_go_to_standard_error() {
    let address = refusing("127.0.0.1");
    let ran = run(&["connect", &address.to_string()]);
    let port = address.port();
    assert!(ran.stdout.starts_with(&format!("127.0.0.1:{port}  tcp  failed after ")));
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(
        rows[4].split_whitespace().collect::<Vec<_>>(),
        ["#", "address", "start", "ms", "took", "ms", "outcome"]
    );
    assert!(rows[5].ends_with("  refused"), "{}", rows[5]);
    let stderr = ran.stderr.replace(&port.to_string(), "PORT");
    let (error, hint) = stderr.split_once("\n\n").unwrap();
    assert!(error.starts_with(
        "error: could not connect to `127.0.0.1:PORT`\n  caused by: 127.0.0.1:PORT: "
    ));
    assert!(hint.starts_with("hint: "));
}

#[test]
fn quiet_says_nothing_and_verbose_tells_as_it_happens() {
    let address = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "-q", &address]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(7), "", ""));
    let ran = run(&["connect", "-v", &address]);
    assert!(ran.stderr.contains("#1 127.0.0.1:") && ran.stderr.contains("#1 connection refused"));
    let ran = run(&["connect", "-vv", &address]);
    assert!(ran.stderr.contains("trace: "), "the loop speaks, too: {}", ran.stderr);
}

#[test]
fn hints_tell_silence_from_refusal() {
    let dead = Dead::new("127.0.0.1");
    let ran = run(&["connect", "--timeout", "120ms", &dead.address.to_string()]);
    assert!(ran.stderr.contains("hint: no reply"), "{}", ran.stderr);
    // TCP has no broadcast: the kernel knows no way there, on any machine.
    let ran = run(&["connect", "127.255.255.255:80"]);
    assert!(ran.stdout.contains("  no route"), "{}", ran.stdout);
    assert!(ran.stderr.contains("hint: this host has no route to it"), "{}", ran.stderr);
}

#[test]
fn colors_and_letters_follow_the_environment() {
    let address = refusing("127.0.0.1").to_string();
    let with = |name: &str, value: &str, flag: &str| {
        let mut command = loopctl();
        let output = command.env(name, value).args(["connect", flag, &address]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!with("TERM", "xterm", "--color=auto").contains('\u{1b}'), "a pipe has no colours");
    assert!(with("TERM", "xterm", "--color=always").contains('\u{1b}'));
    assert!(with("NO_COLOR", "1", "--color=always").contains('\u{1b}'), "the flag outdoes it");
    assert!(with("CLICOLOR_FORCE", "1", "--color=auto").contains('\u{1b}'));
    assert!(!with("CLICOLOR_FORCE", "1", "--color=never").contains('\u{1b}'));
    let (_listener, address) = good("127.0.0.1");
    let output =
        loopctl().env("LANG", "C").args(["connect", &address.to_string()]).output().unwrap();
    assert!(output.stdout.is_ascii(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_deadline_shows_both_causes_in_the_table() {
    let dead = Dead::new("127.0.0.1");
    let target = format!("host.test:{}", dead.address.port());
    let pins = "host.test:127.0.0.1,127.0.0.2";
    let ran = run(&[
        "connect",
        "--happy-eyeballs=10ms",
        "--resolve",
        pins,
        "--timeout",
        "900ms",
        &target,
    ]);
    let expected = "\
host.test:N tcp failed after N ms

resolve - given N A order vN interleaved (N)

# address start ms took ms outcome
N N:N N N timed out
N N:N N N refused";
    assert_eq!(shape(&ran.stdout), shape(expected), "{}", ran.stdout);
}

#[test]
fn slow_callbacks_are_told_after_the_result() {
    let address = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "--slow-callback", "0", &address]);
    let (result, slow) = ran.stdout.split_once("slow callbacks:").unwrap();
    assert!(result.contains("refused"));
    assert!(slow.contains("scheduled at src/bin/loopctl/commands/connect/targets.rs:"), "{slow}");
    let ran = run(&["connect", "--debug", "--slow-callback", "60s", &address]);
    assert!(ran.stdout.contains("slow callbacks: none took 60.0 s or longer"));
}
