//! `connect --tls` to servers with unusual certificates and settings.

use serde_json::{Value, json};

use crate::json::assert_valid;
use crate::support::{Ran, skipped};
use crate::tls_lab::{Lab, Leaf, assert_words};

const ALL: &[&str] = &["-cipher", "ALL:@SECLEVEL=0"];

fn text(ran: &Ran) -> String {
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert_words(&text);
    text
}

fn tls(ran: &Ran) -> Value {
    let document = ran.json();
    assert_valid(&document);
    assert_words(&ran.stdout);
    document["tls"].clone()
}

/// A certificate, the name that is asked for, further arguments, and the exit status with a part of the report.
type Case = (&'static str, Leaf, &'static str, &'static [&'static str], i32, &'static str);

fn cases() -> Vec<Case> {
    let leaf = Leaf::default();
    let rsa = |key| Leaf { key, ..leaf };
    let named = |extensions| Leaf { extensions, ..leaf };
    let signed = |signing| Leaf { signing, ..leaf };
    let expiry: &[&str] = &["--cert-expiry", "60d"];
    vec![
        (
            "serial of 36 octets",
            signed(&["-days", "29", "-set_serial", LONG_SERIAL]),
            "good.test",
            expiry,
            60,
            "expires in 28 d",
        ),
        (
            "serial of 36 octets, long enough",
            signed(&["-days", "90", "-set_serial", LONG_SERIAL]),
            "good.test",
            expiry,
            0,
            "CN=good.test",
        ),
        (
            "negative serial",
            signed(&["-days", "29", "-set_serial", "-5"]),
            "good.test",
            expiry,
            60,
            "expires in 28 d",
        ),
        (
            "no end",
            signed(&["-startdate", "20200101000000Z", "-enddate", "99991231235959Z"]),
            "good.test",
            expiry,
            0,
            "no expiry",
        ),
        (
            "RSA 1024",
            rsa(&["-newkey", "rsa:1024"]),
            "good.test",
            &[],
            60,
            "CN=good.test has an RSA key of 1024 bits",
        ),
        (
            "RSA 1536",
            rsa(&["-newkey", "rsa:1536"]),
            "good.test",
            &[],
            60,
            "an RSA key of 1536 bits",
        ),
        (
            "RSA 1024, insecure",
            rsa(&["-newkey", "rsa:1024"]),
            "good.test",
            &["--insecure"],
            0,
            "an RSA key of 1024 bits",
        ),
        (
            "P-521",
            rsa(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"]),
            "good.test",
            &[],
            0,
            "ok for good.test",
        ),
        (
            "P-384",
            rsa(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
            "good.test",
            &[],
            0,
            "ok for good.test",
        ),
        ("Ed25519", rsa(&["-newkey", "ed25519"]), "good.test", &[], 0, "ok for good.test"),
        (
            "RSA for PSS",
            rsa(&["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"]),
            "good.test",
            &[],
            0,
            "ok for good.test",
        ),
        (
            "SHA-1",
            signed(&["-days", "30", "-sha1"]),
            "good.test",
            &[],
            60,
            "signed with ecdsa-with-SHA1",
        ),
        ("version 1", Leaf { extensions: "", ..leaf }, "good.test", &[], 60, "version"),
        (
            "version 1, insecure",
            Leaf { extensions: "", ..leaf },
            "good.test",
            &["--insecure"],
            0,
            "CN=good.test",
        ),
        (
            "address as DNS name",
            named("subjectAltName=DNS:127.0.0.1"),
            "127.0.0.1",
            &[],
            60,
            "must be an IP address entry",
        ),
        (
            "address as address",
            named("subjectAltName=IP:127.0.0.1"),
            "127.0.0.1",
            &[],
            0,
            "ok for 127.0.0.1",
        ),
        (
            "two labels",
            named("subjectAltName=DNS:*.wild.test"),
            "a.b.wild.test",
            &[],
            60,
            "`a.b` has 2",
        ),
        (
            "no label",
            named("subjectAltName=DNS:*.wild.test"),
            "wild.test",
            &[],
            60,
            "one label more",
        ),
        (
            "part of a label",
            named("subjectAltName=DNS:w*.wild.test"),
            "www.wild.test",
            &[],
            60,
            "a whole label",
        ),
        (
            "URI",
            named("subjectAltName=URI:https://good.test/"),
            "good.test",
            &[],
            60,
            "has only URIs",
        ),
        (
            "mail",
            named("subjectAltName=email:a@good.test,URI:x:y"),
            "good.test",
            &[],
            60,
            "URIs and mail addresses",
        ),
        ("none", named("keyUsage=digitalSignature"), "good.test", &[], 60, "no subjectAltName"),
        (
            "client's purpose",
            named("subjectAltName=DNS:good.test\nextendedKeyUsage=clientAuth"),
            "good.test",
            &[],
            60,
            "(extendedKeyUsage)",
        ),
        (
            "critical extension",
            named("subjectAltName=DNS:good.test\n1.2.3.4=critical,ASN1:NULL"),
            "good.test",
            &[],
            60,
            "critical extension",
        ),
        (
            "expired, other name",
            Leaf { extensions: "subjectAltName=DNS:b.test", signing: PAST, ..leaf },
            "good.test",
            &[],
            60,
            "has expired: ",
        ),
        (
            "expired, other name, both",
            Leaf { extensions: "subjectAltName=DNS:b.test", signing: PAST, ..leaf },
            "good.test",
            &[],
            60,
            "only for b.test",
        ),
    ]
}

const LONG_SERIAL: &str =
    "0x01abababababababababababababababababababababababababababababababababababab";
const PAST: &[&str] = &["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];

#[test]
fn each_kind_of_certificate_has_its_sentence() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    for (number, (what, leaf, name, args, code, part)) in cases().into_iter().enumerate() {
        let own = format!("own{number}");
        lab.sign(&own, &leaf);
        let server = lab.serve(&own, ALL);
        let ran = lab.connect(&server, name, args);
        let said = text(&ran);
        assert!(said.contains(part), "{what}: {said}");
        assert_eq!(ran.code, Some(code), "{what}: {said}");
    }
}

#[test]
fn fields_of_a_document_do_not_contradict_each_other() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    lab.sign("weak", &Leaf { key: &["-newkey", "rsa:1024"], ..Leaf::default() });
    let server = lab.serve("weak", ALL);
    let tls_said = tls(&lab.connect(&server, "good.test", &["--json"]));
    assert_eq!((&tls_said["result"], &tls_said["verified"]), (&json!("failure"), &json!(false)));
    assert_eq!(tls_said["problem"], "key_size");
    assert_eq!(tls_said["problems"].as_array().unwrap().len(), 1);
    let ran =
        lab.connect(&server, "other.test", &["--json", "--insecure", "--ca", &lab.text("ca.pem")]);
    let tls_said = tls(&ran);
    assert_eq!((ran.code, &tls_said["verified"]), (Some(0), &json!(false)));
    let problems: Vec<&str> = tls_said["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["problem"].as_str().unwrap())
        .collect();
    assert_eq!(problems, ["wrong_name", "key_size"]);
}

#[test]
fn strings_of_every_type_are_read() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    for mask in ["MASK:0x800", "MASK:0x4", "nombstr", "utf8only"] {
        let config = lab.path("names.cnf");
        std::fs::write(&config, format!("[req]\ndistinguished_name=d\nstring_mask={mask}\n[d]\n"))
            .unwrap();
        let config: &'static str = Box::leak(lab.text("names.cnf").into_boxed_str());
        let key: &'static [&'static str] = Box::leak(
            ["-config", config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
                .to_vec()
                .into_boxed_slice(),
        );
        lab.sign("own", &Leaf { key, ..Leaf::default() });
        let server = lab.serve("own", ALL);
        let ran = lab.connect(&server, "good.test", &["--cert-expiry", "60d"]);
        let said = text(&ran);
        assert!(said.contains("the certificate of CN=good.test expires in"), "{mask}: {said}");
        assert_eq!(ran.code, Some(60), "{said}");
    }
}

#[test]
fn tls_01_a_stapled_answer_is_read() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    lab.sign("own", &Leaf::default());
    lab.root("other", "/CN=Other", &["-days", "900"]);
    lab.openssl(&["ocsp", "-issuer", "ca.pem", "-cert", "own.pem", "-reqout", "ask.der"]);
    let answer = |line: &str, signer: &str, more: &[&str]| {
        std::fs::write(lab.path("index.txt"), line).unwrap();
        let (signer, key) = (format!("{signer}.pem"), format!("{signer}.key"));
        let words =
            ["ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", &signer, "-rkey", &key];
        lab.openssl(&[&words[..], &["-reqin", "ask.der", "-respout", "answer.der"], more].concat());
        lab.serve("own", &["-status_file", "answer.der"])
    };
    let revoked = "R\t350101000000Z\t260101000000Z,keyCompromise\t07\tunknown\t/CN=good.test\n";
    let good = "V\t350101000000Z\t\t07\tunknown\t/CN=good.test\n";
    let days: &[&str] = &["-ndays", "30"];

    let server = answer(revoked, "ca", days);
    let ran = lab.connect(&server, "good.test", &[]);
    let said = text(&ran);
    assert!(said.contains("revoked on 2026-01-01") && said.contains("keyCompromise"), "{said}");
    assert_eq!(ran.code, Some(60));
    let ran =
        lab.connect(&server, "good.test", &["--json", "--insecure", "--ca", &lab.text("ca.pem")]);
    let tls_said = tls(&ran);
    assert_eq!(
        (ran.code, &tls_said["verified"], &tls_said["problem"]),
        (Some(0), &json!(false), &json!("revoked"))
    );
    assert_eq!(
        (&tls_said["ocsp"]["status"], &tls_said["ocsp"]["reason"]),
        (&json!("revoked"), &json!("keyCompromise"))
    );
    let ran = lab.connect(&server, "good.test", &["--prom"]);
    assert!(ran.stdout.contains("loopctl_ssl_ocsp_revoked{target="), "{}", ran.stdout);

    let server = answer(good, "ca", days);
    let ran = lab.connect(&server, "good.test", &["--json"]);
    let ocsp = &tls(&ran)["ocsp"];
    let found = (&ocsp["status"], &ocsp["stale"], &ocsp["signed"]);
    assert_eq!(found, (&json!("good"), &json!(false), &json!(true)));
    // Whoever is not the issuer can say nothing about the certificate.
    let server = answer(revoked, "other", days);
    let ran = lab.connect(&server, "good.test", &[]);
    let said = text(&ran);
    assert!(
        ran.code == Some(0) && said.contains("OCSP revoked, not signed by the issuer"),
        "{said}"
    );
    let server = answer("", "ca", days);
    let said = text(&lab.connect(&server, "good.test", &[]));
    assert!(said.contains("OCSP unknown"), "{said}");
    std::fs::write(lab.path("answer.der"), b"\x30\x03\x0a\x01\x03").unwrap();
    let server = lab.serve("own", &["-status_file", "answer.der"]);
    let said = text(&lab.connect(&server, "good.test", &[]));
    assert!(said.contains("OCSP tryLater"), "{said}");
}

#[test]
fn the_path_is_judged_and_not_what_else_was_sent() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    lab.sign("own", &Leaf { signing: &["-days", "300"], ..Leaf::default() });
    lab.sign(
        "old",
        &Leaf {
            extensions: "basicConstraints=CA:TRUE",
            subject: "/CN=Old",
            signing: PAST,
            ..Leaf::default()
        },
    );
    let server = lab.serve("own", &["-cert_chain", "old.pem"]);
    let ran = lab.connect(&server, "good.test", &["--cert-expiry", "14d"]);
    let said = text(&ran);
    assert!(ran.code == Some(0) && said.contains("not used: CN=Old"), "{said}");
    let ran = lab.connect(&server, "good.test", &["--prom"]);
    assert!(ran.stdout.contains("loopctl_ssl_earliest_sent_cert_expiry"), "{}", ran.stdout);
    assert_eq!(tls(&lab.connect(&server, "good.test", &["--json"]))["path"], json!([0]));
}

#[test]
fn an_issuer_with_a_problem_is_named() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    let chains: [(&str, &'static [&'static str], &str); 3] = [
        (
            "basicConstraints=critical,CA:TRUE",
            PAST,
            "CN=Middle (number 2 of the chain) has expired",
        ),
        (
            "basicConstraints=critical,CA:TRUE\nnameConstraints=critical,permitted;DNS:b.test",
            &["-days", "90"],
            "(nameConstraints)",
        ),
        ("basicConstraints=CA:FALSE", &["-days", "90"], "is not an authority's"),
    ];
    for (extensions, signing, part) in chains {
        lab.middle("mid", extensions, signing);
        lab.sign("own", &Leaf { issuer: "mid", ..Leaf::default() });
        let server = lab.serve("own", &["-cert_chain", "mid.pem"]);
        let ran = lab.connect(&server, "good.test", &[]);
        let said = text(&ran);
        assert!(ran.code == Some(60) && said.contains(part), "{said}");
    }
}

#[test]
fn a_certificate_of_the_file_is_trusted_for_itself() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    lab.sign("own", &Leaf::default());
    lab.root("self", "/CN=good.test", &["-addext", "subjectAltName=DNS:good.test"]);
    for name in ["own", "self"] {
        let server = lab.serve(name, &[]);
        let (own, ca) = (lab.text(&format!("{name}.pem")), lab.text("ca.pem"));
        assert_eq!(lab.connect(&server, "good.test", &["--ca", &own]).code, Some(0), "{name}");
        // For no other name, and no other certificate.
        assert_eq!(lab.connect(&server, "b.test", &["--ca", &own]).code, Some(60), "{name}");
        let expected = if name == "own" { 0 } else { 60 };
        assert_eq!(
            lab.connect(&server, "good.test", &["--ca", &ca]).code,
            Some(expected),
            "{name}"
        );
    }
}

#[test]
fn alerts_are_explained_by_what_was_offered() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    lab.sign("own", &Leaf { key: &["-newkey", "rsa:2048"], ..Leaf::default() });
    let client = &["-Verify", "1", "-verify_return_error"][..];
    let cases: [(&[&str], &[&str], &str, &str); 6] = [
        (
            &["-tls1_2", "-cipher", "AES256-SHA:@SECLEVEL=0"],
            &[],
            "handshake_failure",
            "offered: ECDHE suites",
        ),
        (
            &["-tls1_2"],
            &["--tls-min", "1.3"],
            "protocol_version",
            "the only version that --tls-min 1.3 offers",
        ),
        (
            &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            &[],
            "protocol_version",
            "neither TLS 1.2 nor TLS 1.3",
        ),
        (
            &["-alpn", "h2"],
            &["--alpn", "x1"],
            "no_application_protocol",
            "none of the protocols of --alpn",
        ),
        (client, &[], "certificate_required", "use --cert and --key"),
        (
            &["-tls1_2", "-Verify", "1", "-verify_return_error"],
            &[],
            "handshake_failure",
            "use --cert and --key",
        ),
    ];
    for (server, args, alert, hint) in cases {
        let started = lab.serve("own", server);
        let said = text(&lab.connect(&started, "good.test", args));
        assert!(said.contains(alert) && said.contains(hint), "{server:?}: {said}");
        let hint = said.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default();
        assert!(!hint.contains("--alpn") || args.contains(&"--alpn"), "{hint}");
        assert!(!hint.contains("--sni"), "{hint}");
    }
}

#[test]
fn certificates_beyond_64_kib_are_told_as_a_limit_of_this_program() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    let names = (0..1800).map(|at| format!(",DNS:host-{at:05}.some-long-domain-name.example.test"));
    let names = format!("subjectAltName=DNS:good.test{}", names.collect::<String>());
    let extensions: &'static str = Box::leak(names.into_boxed_str());
    lab.sign("own", &Leaf { extensions, ..Leaf::default() });
    let server = lab.serve("own", &[]);
    let ran = lab.connect(&server, "good.test", &[]);
    let said = text(&ran);
    assert!(said.contains("65,535 bytes, the most that this program takes"), "{said}");
    assert!(ran.code == Some(35) && !said.contains("starttls"), "{said}");
}
