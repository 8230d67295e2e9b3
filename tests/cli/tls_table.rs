//! `connect --tls` beside curl, OpenSSL and GnuTLS, over servers of the kinds of badssl.com.
//!
//! Where another client connects and this one does not, the report says why. `cargo test --test cli tls_table --
//! --nocapture` prints the table.

use std::process::{Command, Stdio};

use crate::support::{has_program, skipped};
use crate::tls_lab::{Lab, Leaf, Server, assert_words};

/// Ciphers and versions that OpenSSL leaves out by default.
const ALL: &str = "ALL:@SECLEVEL=0";
const RSA: &[&str] = &["-newkey", "rsa:2048"];

/// A kind of server: its certificate, arguments, and a part of the report.
struct Kind {
    name: &'static str,
    /// File of the certificate.
    leaf: &'static str,
    server: &'static [&'static str],
    connects: bool,
    told: &'static str,
}

const KINDS: [Kind; 18] = [
    Kind { name: "good", leaf: "good", server: &[], connects: true, told: "CN=good.test" },
    Kind { name: "expired", leaf: "expired", server: &[], connects: false, told: "has expired" },
    Kind {
        name: "wrong host",
        leaf: "wrong",
        server: &[],
        connects: false,
        told: "only for b.test",
    },
    Kind { name: "self-signed", leaf: "self", server: &[], connects: false, told: "self-signed" },
    Kind {
        name: "untrusted root",
        leaf: "stranger",
        server: &[],
        connects: false,
        told: "issuer unknown",
    },
    Kind {
        name: "incomplete chain",
        leaf: "below",
        server: &[],
        connects: false,
        told: "issuer unknown",
    },
    Kind {
        name: "revoked (stapled)",
        leaf: "good",
        server: &["-status_file", "answer.der"],
        connects: false,
        told: "revoked on 2026-01-01",
    },
    Kind { name: "1000 SANs", leaf: "sans", server: &[], connects: true, told: "CN=good.test" },
    Kind {
        name: "10000 SANs",
        leaf: "many-sans",
        server: &[],
        connects: false,
        told: "the most that this program takes",
    },
    Kind { name: "SHA-1", leaf: "sha1", server: &["-cipher", ALL], connects: false, told: "SHA1" },
    Kind {
        name: "client certificate",
        leaf: "good",
        server: &["-Verify", "1", "-verify_return_error"],
        connects: false,
        told: "use --cert and --key",
    },
    Kind {
        name: "TLS 1.0",
        leaf: "rsa",
        server: &["-tls1", "-cipher", ALL],
        connects: false,
        told: "neither TLS 1.2 nor TLS 1.3",
    },
    Kind {
        name: "TLS 1.1",
        leaf: "rsa",
        server: &["-tls1_1", "-cipher", ALL],
        connects: false,
        told: "neither TLS 1.2 nor TLS 1.3",
    },
    Kind { name: "TLS 1.2", leaf: "rsa", server: &["-tls1_2"], connects: true, told: "TLS 1.2 " },
    Kind {
        name: "TLS 1.2, DHE",
        leaf: "rsa",
        server: &["-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"],
        connects: false,
        told: "offered: ECDHE suites",
    },
    Kind {
        name: "TLS 1.2, CBC",
        leaf: "rsa",
        server: &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
        connects: false,
        told: "offered: ECDHE suites",
    },
    Kind {
        name: "TLS 1.2, RSA key exchange",
        leaf: "rsa",
        server: &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
        connects: false,
        told: "offered: ECDHE suites",
    },
    Kind { name: "TLS 1.3", leaf: "rsa", server: &["-tls1_3"], connects: true, told: "TLS 1.3 " },
];

fn certificates(lab: &Lab) {
    let leaf = Leaf::default();
    let named = |count: usize| -> &'static str {
        let names = (0..count).map(|at| format!(",DNS:host-{at:05}.good.test"));
        let names = format!("subjectAltName=DNS:good.test{}", names.collect::<String>());
        Box::leak(names.into_boxed_str())
    };
    lab.sign("good", &leaf);
    lab.sign("rsa", &Leaf { key: RSA, ..leaf });
    let dates = &["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];
    lab.sign("expired", &Leaf { signing: dates, ..leaf });
    lab.sign("wrong", &Leaf { extensions: "subjectAltName=DNS:b.test", ..leaf });
    lab.root("self", "/CN=good.test", &["-addext", "subjectAltName=DNS:good.test"]);
    lab.root("other", "/CN=Other", &["-days", "900"]);
    lab.sign("stranger", &Leaf { issuer: "other", ..leaf });
    let days = &["-days", "30", "-set_serial", "9"];
    lab.middle("middle", "basicConstraints=critical,CA:TRUE", days);
    lab.sign("below", &Leaf { issuer: "middle", ..leaf });
    lab.sign("sans", &Leaf { extensions: named(1000), ..leaf });
    lab.sign("many-sans", &Leaf { extensions: named(10_000), ..leaf });
    let sha1 = &["-days", "30", "-set_serial", "7", "-sha1"];
    lab.sign("sha1", &Leaf { key: RSA, signing: sha1, ..leaf });
    lab.openssl(&["ocsp", "-issuer", "ca.pem", "-cert", "good.pem", "-reqout", "ask.der"]);
    let revoked = "R\t350101000000Z\t260101000000Z,keyCompromise\t07\tunknown\t/CN=good.test\n";
    std::fs::write(lab.path("index.txt"), revoked).unwrap();
    lab.openssl(&[
        "ocsp",
        "-index",
        "index.txt",
        "-CA",
        "ca.pem",
        "-rsigner",
        "ca.pem",
        "-rkey",
        "ca.key",
        "-reqin",
        "ask.der",
        "-respout",
        "answer.der",
        "-ndays",
        "30",
    ]);
}

/// Whether a client connects; `None` where it is not installed.
fn other(program: &str, args: &[&str]) -> Option<bool> {
    if !has_program(program) {
        return None;
    }
    let mut command = Command::new("timeout");
    command.arg("10").arg(program).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(command.status().unwrap().success())
}

/// Results of curl, OpenSSL and GnuTLS.
fn others(lab: &Lab, server: &Server) -> [Option<bool>; 3] {
    let (ca, port) = (lab.text("ca.pem"), server.port.to_string());
    let (resolve, url) =
        (format!("good.test:{port}:127.0.0.1"), format!("https://good.test:{port}/"));
    let at = format!("127.0.0.1:{port}");
    [
        other("curl", &["-sS", "--cacert", &ca, "--resolve", &resolve, &url]),
        other(
            "openssl",
            &[
                "s_client",
                "-connect",
                &at,
                "-servername",
                "good.test",
                "-verify_hostname",
                "good.test",
                "-verify_return_error",
                "-CAfile",
                &ca,
            ],
        ),
        other(
            "gnutls-cli",
            &[
                "--x509cafile",
                &ca,
                "-p",
                &port,
                "--sni-hostname",
                "good.test",
                "--verify-hostname",
                "good.test",
                "127.0.0.1",
            ],
        ),
    ]
}

#[test]
fn tls_table_where_others_connect_and_this_program_does_not_it_says_why() {
    let Some(lab) = Lab::new() else { return skipped("openssl") };
    certificates(&lab);
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for Kind { name, leaf, server, connects, told } in &KINDS {
        let started = lab.serve(leaf, &[server, &["-www"][..]].concat());
        let ran = lab.connect(&started, "good.test", &[]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_words(&said);
        let found = [Some(ran.code == Some(0))].into_iter().chain(others(&lab, &started));
        let cells = found.map(|found| match found {
            Some(true) => "connects",
            Some(false) => "refuses",
            None => "-",
        });
        table += &format!("| {name} | {} |\n", cells.collect::<Vec<_>>().join(" | "));
        if (ran.code == Some(0)) != *connects || !said.contains(told) {
            wrong.push(format!("{name}: {:?}, without `{told}`: {said}", ran.code));
        }
    }
    eprintln!("| server | loopctl | curl | OpenSSL | GnuTLS |\n|---|---|---|---|---|\n{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
