//! Names of reasons, which machines rely on: each is documented, and real failures have those that they should have.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::thread;

use serde_json::Value;

use crate::json::assert_valid;
use crate::support::{Dead, good, refusing, run};
use crate::tls_peer::{Files, as_localhost};

const DOCUMENT: &str = include_str!("../../docs/reasons.md");

/// First column of the table below a heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let (_, section) = DOCUMENT.split_once(&format!("## {heading}\n")).expect("the heading");
    let rows = section.split("\n## ").next().unwrap().lines();
    let names = rows.filter_map(|row| row.strip_prefix("| `")?.split_once("` | "));
    names
        .filter(|(name, _)| !matches!(*name, "kind" | "reason"))
        .map(|(name, _)| name.into())
        .collect()
}

/// Values of `kind` of a finding, in the schema.
fn kinds_of_schema() -> BTreeSet<String> {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/connect.v1.json")).unwrap();
    let mut kinds = BTreeSet::new();
    collect(&schema, &mut kinds);
    kinds
}

/// Adds the values of every `kind` that stands beside a `basis`.
fn collect(schema: &Value, kinds: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let (Some(kind), Some(_)) = (map.get("kind"), map.get("basis")) {
                constants(kind, kinds);
            }
            map.values().for_each(|value| collect(value, kinds));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, kinds)),
        _ => {}
    }
}

fn constants(schema: &Value, kinds: &mut BTreeSet<String>) {
    let texts = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let named = texts(&schema["enum"]).into_iter().chain([schema["const"].clone()]);
    kinds.extend(named.filter_map(|value| value.as_str().map(str::to_owned)));
    texts(&schema["oneOf"]).iter().for_each(|one| constants(one, kinds));
}

#[test]
fn every_kind_of_finding_is_documented_and_no_other() {
    let (schema, documented) = (kinds_of_schema(), documented("Findings"));
    assert!(schema.len() > 30, "{schema:?}");
    assert_eq!(documented, schema, "docs/reasons.md and the schema");
}

/// A failure with the `reason` of its probe, and the `kind` that its document has among the findings.
struct Failure<'a> {
    args: Vec<&'a str>,
    reason: &'a str,
    kind: Option<&'a str>,
}

#[track_caller]
fn assert_told(failure: &Failure<'_>) {
    let Failure { args, reason, kind } = failure;
    let metrics = run(&[&["connect", "--prom"], &args[..]].concat()).stdout;
    let label = format!(",reason=\"{reason}\"}} 1");
    let is_it = |line: &str| {
        line.starts_with("loopctl_probe_failed_due_to{target=") && line.ends_with(&label)
    };
    assert!(metrics.lines().any(is_it), "{reason}: {metrics}");
    let known: BTreeSet<String> =
        documented("Findings").union(&documented("Probes")).cloned().collect();
    let labels = metrics.split("reason=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for label in labels {
        assert!(known.contains(label), "{label} is not in docs/reasons.md");
    }
    let document = run(&[&["connect", "--json"], &args[..]].concat()).json();
    assert_valid(&document);
    let why = document["why"].as_array().unwrap();
    if let Some(kind) = kind {
        let found = why.iter().find(|why| why["kind"] == *kind);
        let found = found.unwrap_or_else(|| panic!("{kind}: {document:#}"));
        assert!(found["basis"].is_string() && !found["evidence"].as_array().unwrap().is_empty());
    }
    if !matches!(*reason, "expectation" | "tls" | "connect") {
        assert!(document["hint"].is_string() || document["error"].is_object(), "{document:#}");
    }
}

#[test]
fn failures_have_the_reasons_that_are_documented() {
    let files = Files::new();
    let (dead, refused) = (Dead::new("127.0.0.1"), refusing("127.0.0.1").to_string());
    let (silent, (_listener, open)) = (dead.address.to_string(), good("127.0.0.1"));
    let (mixed, port) = (format!("h.test:{}", dead.address.port()), open.port());
    let (open, localhost) = (open.to_string(), as_localhost(files.server()));
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let speaks_plain = plain.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in plain.incoming().flatten() {
            let _ = (&client).write_all(b"220 hello\r\n");
        }
    });
    let busy = format!("127.0.0.1:{port}");
    let failure = |args: &[&'static str], rest: &[&str], reason, kind| {
        let rest = rest.iter().map(|word| (*word).to_owned());
        let words: Vec<String> = args.iter().map(|word| (*word).to_owned()).chain(rest).collect();
        (words, reason, kind)
    };
    let failures: [(Vec<String>, &str, Option<&str>); 15] = [
        failure(&[], &[&refused], "refused", Some("refused")),
        failure(&["--udp"], &[&refused], "refused", Some("refused")),
        failure(&["--timeout", "400ms"], &[&silent], "timeout", Some("silent")),
        failure(&["--timeout", "1500ms"], &[&silent], "timeout", Some("accept_queue")),
        failure(
            &["--timeout", "400ms", "--attempt-timeout", "50ms"],
            &[&silent],
            "timeout",
            Some("silent"),
        ),
        failure(&[], &["nosuchname.invalid:80"], "dns", None),
        failure(&["--interface", "nosuch0"], &[&open], "bind", Some("no_interface")),
        failure(&["--source", "192.0.2.77"], &[&open], "bind", Some("not_own_address")),
        failure(&[], &["unix:/nosuch/socket"], "failed", Some("failed")),
        failure(&["--tls", "--insecure"], &[&speaks_plain], "tls", None),
        failure(
            &["--tls", "--timeout", "300ms", "--insecure"],
            &[&open],
            "timeout",
            Some("tls_silent"),
        ),
        failure(&["--tls"], &localhost.each_ref().map(String::as_str), "certificate", None),
        failure(&["--require", "6"], &[&open], "expectation", None),
        failure(&["--source", "[::1]:0"], &[&busy], "bind", None),
        failure(
            &["--resolve"],
            &["h.test:127.0.0.8,127.0.0.9", &mixed],
            "refused",
            Some("refused"),
        ),
    ];
    for (args, reason, kind) in &failures {
        assert_told(&Failure {
            args: args.iter().map(String::as_str).collect(),
            reason,
            kind: *kind,
        });
    }
}
