//! `resolve --dnssec`: what is proved of each answer, and why not.

use std::fs;

use serde_json::{Value, json};

use crate::resolve::assert_valid;
use crate::signed::Signed;
use crate::support::{Ran, run};

/// Runs `resolve --dnssec` with NSD and the anchor of its root.
fn resolve(signed: &Signed, args: &[&str]) -> Ran {
    let at = format!("@{}", signed.address);
    let anchor = signed.folder.path().join("anchor");
    fs::write(&anchor, &signed.anchor).unwrap();
    let anchor = anchor.to_str().unwrap();
    let all = ["resolve", "--via", "dns", "--no-search", &at, "--dnssec", "--trust-anchor", anchor];
    run(&[all.as_slice(), args].concat())
}

fn document(signed: &Signed, args: &[&str]) -> Value {
    let ran = resolve(signed, &[&["--json"], args].concat());
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

#[test]
fn dnssec_each_answer_and_record_has_its_proof_in_json() {
    let Some(signed) = Signed::start() else { return };
    let found = document(&signed, &["-4", "out.signed.test"]);
    let query = &found["queries"][0];
    assert_eq!(found["exit_code"], 0, "what is proved not to be signed is no failure");
    let why = "`plain.test.` is not signed";
    let whole = json!({ "proof": "insecure", "why": why, "chain": [".", "test."] });
    assert_eq!((&query["dnssec"], &query["purpose"]), (&whole, &json!("answer")));
    let secure = json!({ "proof": "secure", "why": null });
    let insecure = json!({ "proof": "insecure", "why": why });
    let proofs = query["answers"].as_array().unwrap().iter();
    let proofs: Vec<_> = proofs.map(|it| (it["type"].as_str().unwrap(), &it["dnssec"])).collect();
    let wanted = [("CNAME", &secure), ("RRSIG", &Value::Null), ("A", &insecure)];
    assert_eq!(proofs, wanted);
    assert_eq!(found["addresses"][0]["dnssec"], insecure);
    let found = document(&signed, &["-t", "TXT,SOA", "signed.test"]);
    let soa = found["records"].as_array().unwrap().iter().find(|it| it["type"] == "SOA");
    assert_eq!(soa.unwrap()["dnssec"], secure);
    let beside = found["queries"].as_array().unwrap().iter();
    let beside: Vec<_> = beside.filter(|it| it["purpose"] == "verification").collect();
    let asked: Vec<String> =
        beside.iter().map(|it| format!("{} {}", it["name"], it["type"])).collect();
    assert!(asked.contains(&"\"signed.test.\" \"DS\"".to_owned()), "{asked:?}");
    assert!(beside.iter().all(|it| it["server"] == signed.address.to_string()), "{beside:#?}");
    let txt = found["queries"].as_array().unwrap().iter().find(|it| it["type"] == "TXT").unwrap();
    assert_eq!((&txt["result"], &txt["dnssec"]["proof"]), (&json!("nodata"), &json!("secure")));
}

#[test]
fn dnssec_the_outcome_decides_the_exit() {
    let Some(signed) = Signed::start() else { return };
    let table = [
        ("www.signed.test", 0, "success", "secure"),
        ("www.plain.test", 0, "success", "insecure"),
        ("www.expired.test", 6, "bogus", "bogus"),
        ("www.tampered.test", 6, "bogus", "bogus"),
        ("www.stripped.test", 6, "bogus", "bogus"),
        ("nothing.expired.test", 6, "bogus", "bogus"),
        ("nothing.signed.test", 6, "nxdomain", "secure"),
        ("nothing.plain.test", 6, "nxdomain", "insecure"),
    ];
    for (name, exit, outcome, proof) in table {
        let found = document(&signed, &["-4", name]);
        assert_eq!(
            (&found["exit_code"], &found["outcome"]),
            (&exit.into(), &outcome.into()),
            "{name}"
        );
        assert_eq!(found["queries"][0]["dnssec"]["proof"], proof, "{name}");
        if outcome == "bogus" {
            assert_eq!(found["addresses"], json!([]), "{name}: what is bogus is no answer");
            assert!(found["error"]["message"].as_str().unwrap().contains(": bogus: "), "{found:#}");
        }
    }
}

#[test]
fn dnssec_people_read_the_proof_the_reason_and_the_chain() {
    let Some(signed) = Signed::start() else { return };
    let told = resolve(&signed, &["-4", "www.signed.test"]);
    assert!(told.stdout.contains("  dnssec  why\n"), "{}", told.stdout);
    assert!(told.stdout.contains("   60  secure  A\n"), "{}", told.stdout);
    assert!(told.stdout.contains(" for 5 questions\n  dnssec   A: secure\n"), "{}", told.stdout);
    let told = resolve(&signed, &["-4", "-v", "www.signed.test"]);
    let chain = "  dnssec   A: secure  . -> test. -> signed.test.\n";
    assert!(told.stdout.replace('→', "->").ends_with(chain), "{}", told.stdout);
    assert!(told.stdout.contains(" ms DS signed.test. from 127.0.0.1:"), "{}", told.stdout);
    assert!(told.stderr.contains("  signed.test. DS  ask 127.0.0.1:"), "{}", told.stderr);
    let told = resolve(&signed, &["-4", "www.expired.test"]);
    let wanted = "error: could not resolve `www.expired.test`: bogus (DNSSEC)\n";
    assert!(told.stderr.starts_with(wanted), "{}", told.stderr);
    assert!(told.stderr.contains("(A): bogus: signature of DNSKEY of expired.test. expired 20"));
    assert!(told.stderr.contains("hint: is the clock of this host right?"), "{}", told.stderr);
    let told = resolve(&signed, &["-t", "MX", "www.signed.test"]);
    assert!(told.stdout.contains("  dnssec   MX: secure\n"), "that there is none is proved");
}

#[test]
fn dnssec_short_prints_nothing_that_is_bogus() {
    let Some(signed) = Signed::start() else { return };
    let good = resolve(&signed, &["--short", "-4", "www.signed.test"]);
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "192.0.2.1\n"));
    let bad = resolve(&signed, &["--short", "-4", "www.tampered.test"]);
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(6), ""));
    assert!(bad.stderr.contains("signature does not match"), "{}", bad.stderr);
}

#[test]
fn dnssec_the_keys_of_a_zone_are_asked_for_once_in_a_run() {
    let Some(signed) = Signed::start() else { return };
    let names: String = (0..40).map(|number| format!("n{number}.wild.test\n")).collect();
    let file = signed.folder.path().join("names");
    fs::write(&file, names).unwrap();
    let ran = resolve(&signed, &["--ndjson", "-4", "--names", file.to_str().unwrap()]);
    let mut asked = Vec::new();
    for line in ran.stdout.lines() {
        let found: Value = serde_json::from_str(line).unwrap();
        assert_valid(&found);
        assert_eq!(found["addresses"][0]["dnssec"]["proof"], "secure");
        let queries = found["queries"].as_array().unwrap().iter();
        let beside = queries.filter(|it| it["purpose"] == "verification");
        asked.extend(beside.map(|it| format!("{} {}", it["name"], it["type"])));
    }
    asked.sort();
    assert_eq!((ran.code, ran.stdout.lines().count(), asked.len()), (Some(0), 40, 5), "{asked:?}");
}

#[test]
fn dnssec_trust_anchors_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("anchor");
    fs::write(&file, "; a comment\n. IN A 192.0.2.1\n").unwrap();
    let file = file.to_str().unwrap();
    let refused = |args: &[&str]| {
        let ran = run(&[&["resolve", "--via", "dns", "@127.0.0.1:9", "a.test"], args].concat());
        assert_eq!(ran.stdout, "");
        (ran.code.unwrap(), ran.stderr)
    };
    let (code, told) = refused(&["--dnssec", "--trust-anchor", file]);
    assert_eq!(code, 2);
    let wanted = "line 2 of the trust anchors: it is neither a DNSKEY nor a DS record";
    assert!(
        told.contains(wanted) && told.contains("hint: it takes DNSKEY or DS records"),
        "{told}"
    );
    let (code, told) = refused(&["--dnssec", "--trust-anchor", "/no/such/file"]);
    assert!(told.starts_with("error: cannot read trust anchors from `/no/such/file`: "), "{told}");
    assert_eq!(code, refused(&["--names", "/no/such/file"]).0, "as for any file");
    assert_eq!(refused(&["--trust-anchor", file]).0, 2, "it needs --dnssec");
    assert_eq!(refused(&["--dnssec", "--trace", "--trust-anchor", file]).0, 2);
}
