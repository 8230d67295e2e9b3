//! Many targets: files, concurrency, order.

use std::io::Write;
use std::process::Stdio;

use crate::json::assert_valid;
use crate::support::{Dead, Ran, good, loopctl, refusing, run};

fn with_stdin(args: &[&str], text: &str) -> Ran {
    let mut command = loopctl();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn targets_come_from_standard_input_and_from_files() {
    let (_listener, address) = good("127.0.0.1");
    let text = format!("# mine\n\n{address} # ours\n   {}\n", refusing("127.0.0.1"));
    let ran = with_stdin(&["connect", "--targets", "-", "--json"], &text);
    let documents = ran.json();
    let codes: Vec<_> =
        documents.as_array().unwrap().iter().map(|d| d["exit_code"].clone()).collect();
    assert_eq!(codes, [0, 7]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &text).unwrap();
    let path = file.path().to_str().unwrap();
    let ran = run(&["connect", "--targets", path, "--plain", &address.to_string()]);
    assert_eq!(ran.stdout.lines().count(), 3, "those of the command line first");
}

#[test]
fn bad_lines_are_named_by_number_and_a_missing_file_is_26() {
    let ran = with_stdin(&["connect", "--targets", "-"], "a:1\nb\n# c\n::1:5\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("line 2: `b` has no port"), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 4: `::1:5`"), "{}", ran.stderr);
    let ran = run(&["connect", "--targets", "/no/such/file"]);
    assert_eq!(ran.code, Some(26));
    assert!(
        ran.stderr.starts_with("error: cannot read targets from `/no/such/file`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_slow_target_delays_neither_the_others_nor_their_order() {
    let dead = Dead::new("127.0.0.1");
    let (_listener, address) = good("127.0.0.1");
    let targets = [dead.address.to_string(), address.to_string(), address.to_string()];
    let args = ["connect", "--json", "--timeout", "400ms", &targets[0], &targets[1], &targets[2]];
    let documents = run(&args).json();
    let documents = documents.as_array().unwrap();
    documents.iter().for_each(assert_valid);
    let told: Vec<_> = documents.iter().map(|d| d["target"].as_str().unwrap()).collect();
    assert_eq!(told, targets, "in the order in which they were asked for");
    let begun = |nth: usize| documents[nth]["start"].as_str().unwrap().to_owned();
    let first_end = 400.0;
    assert!(documents[0]["total_ms"].as_f64().unwrap() >= first_end);
    assert_eq!(begun(0)[..18], begun(2)[..18], "all began within the same seconds");
    let one_at_a_time = [&["connect", "--concurrency", "1"], &args[1..]].concat();
    let documents = run(&one_at_a_time).json();
    let start = |nth: usize| humantime_ms(documents[nth]["start"].as_str().unwrap());
    assert!(start(1) - start(0) >= 400.0, "the second waited for the first");
}

#[test]
fn targets_with_one_cause_share_one_hint() {
    let refused: Vec<String> = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]
        .map(|ip| refusing(ip).to_string())
        .into();
    let mut targets: Vec<&str> = refused.iter().map(String::as_str).collect();
    // The kernel has no route to the broadcast address.
    targets.push("255.255.255.255:1");
    let hints = |args: &[&str]| -> Vec<String> {
        let ran = run(&[&["connect"], args, &targets].concat());
        let hints = ran.stderr.lines().filter(|line| line.starts_with("hint: "));
        hints.map(str::to_owned).collect()
    };
    let told = hints(&[]);
    assert_eq!(told.len(), 2, "{told:#?}");
    let examples = format!("(4 targets, such as {}, {}, {})", targets[0], targets[1], targets[2]);
    assert!(told[0].ends_with(&examples), "{told:#?}");
    assert!(told[1].ends_with("(255.255.255.255:1)"), "{told:#?}");
    for format in ["--plain", "--csv", "--prom", "--json", "--ndjson"] {
        assert_eq!(hints(&[format]), [""; 0], "{format} is for programs");
    }
}

/// Milliseconds of the minute, of an RFC 3339 time; a run that crosses a minute is shifted.
fn humantime_ms(time: &str) -> f64 {
    let minutes: f64 = time[14..16].parse().unwrap();
    let seconds: f64 = time[17..26].parse().unwrap();
    (minutes * 60.0 + seconds) * 1000.0
}

/// Ten thousand connections: every one told, once, in bounded memory.
#[test]
fn ten_thousand_targets_in_one_run() {
    let (listener, address) = good("127.0.0.1");
    std::thread::Builder::new().spawn(move || while listener.accept().is_ok() {}).unwrap();
    let targets = format!("{address}\n").repeat(10_000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), targets).unwrap();
    let path = file.path().to_str().unwrap();
    let measure = "ulimit -v 400000; exec \"$0\" \"$@\"";
    let program = env!("CARGO_BIN_EXE_loopctl");
    let args = ["connect", "--targets", path, "--concurrency", "200", "--plain"];
    let output = std::process::Command::new("sh")
        .args(["-c", measure, program])
        .args(args)
        .output()
        .unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 10_000);
    assert!(ran.stdout.lines().all(|line| line.contains("\tsuccess\t")));
}
