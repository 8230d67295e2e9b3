//! Names as people type them: letters beyond ASCII, zones, IPv4-mapped addresses.

use serde_json::json;

use crate::lab::{Lab, PORT, good};
use crate::support::{self, run};

fn encoded_lab() -> Option<Lab> {
    let zone = json!({
        "xn--bcher-kva.test": { "A": ["127.0.0.1"] },
        "xn--r8jz45g.xn--zckzah": { "A": ["127.0.0.1"] },
    });
    Lab::new(&[good(zone)])
}

#[test]
fn names_in_letters_are_the_same_everywhere() {
    let Some(lab) = encoded_lab() else { return };
    let names =
        ["b\u{fc}cher.test", "B\u{dc}CHER.Test", "\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}"];
    for name in names {
        let target = format!("{name}:{PORT}");
        for locale in ["C", "C.UTF-8", "POSIX"] {
            for via in ["system", "dns"] {
                let ran = lab.run_with(&[("LC_ALL", locale)], &["connect", "--via", via, &target]);
                assert_eq!(ran.code, Some(0), "{name} {locale} {via}: {}", ran.stderr);
            }
        }
        let found = lab.json(&["connect", &target]);
        assert!(found["host"].as_str().unwrap().starts_with("xn--"), "{found:#}");
        assert_eq!(found["target"], target);
        let compared = lab.run(&["connect", "--compare", &target]);
        assert_eq!(compared.code, Some(0), "{}", compared.stdout);
        assert!(!compared.stdout.contains("fail"), "{}", compared.stdout);
        let resolved = lab.json(&["resolve", name]);
        assert_eq!(resolved["addresses"][0]["system_rank"], 1, "{resolved:#}");
        assert_eq!(resolved["addresses"][0]["dns_rank"], 1, "{resolved:#}");
    }
}

#[test]
fn resolve_and_sni_take_either_spelling() {
    let (_listener, address) = support::good("127.0.0.1");
    let target = |name: &str| format!("{name}:{}", address.port());
    let (letters, encoded) = ("b\u{fc}cher.test", "xn--bcher-kva.test");
    for (pin, name) in [(letters, encoded), (encoded, letters), (letters, letters)] {
        let pin = format!("{pin}:127.0.0.1");
        let ran = run(&["connect", "--resolve", &pin, &target(name)]);
        assert_eq!(ran.code, Some(0), "{pin} {name}: {}", ran.stderr);
    }
    // The peer is no TLS server; the name must not be what fails.
    let ran = run(&[
        "connect",
        "--tls",
        "--sni",
        "m\u{fc}nchen.test",
        "--timeout",
        "300ms",
        "--json",
        &format!("127.0.0.1:{}", address.port()),
    ]);
    assert_eq!(ran.json()["tls"]["sni"], "xn--mnchen-3ya.test", "{}", ran.stdout);
}

#[test]
fn a_zone_that_is_no_interface_is_named() {
    for (args, what) in [
        (vec!["connect", "[fe80::1%nosuch]:80"], "no interface `nosuch`"),
        (vec!["connect", "[fe80::1%25nosuch7]:80"], "no interface `nosuch7`"),
        (
            vec!["connect", "--via", "dns", "--server", "127.0.0.1:9", "[ff02::1%eth77]:80"],
            "no interface `eth77`",
        ),
        (vec!["resolve", "fe80::1%nosuch"], "no interface `nosuch`"),
        (vec!["resolve", "[2001:db8::1%nosuch]"], "no interface `nosuch`"),
    ] {
        let ran = run(&args);
        assert_eq!(ran.code, Some(6), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(what), "{args:?}: {}", ran.stderr);
        for wrong in ["NXDOMAIN", "EAI_", "--trace", "getent"] {
            assert!(!ran.stderr.contains(wrong), "{args:?}: {}", ran.stderr);
        }
    }
    let ran = run(&["connect", "--source", "fe80::1%nosuch", "127.0.0.1:1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no interface `nosuch`"), "{}", ran.stderr);
}

#[test]
fn a_mapped_address_is_ipv4() {
    let (_listener, address) = support::good("127.0.0.1");
    let mapped = format!("[::ffff:127.0.0.1]:{}", address.port());
    let ran = run(&["connect", "--require", "4", "-4", &mapped]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let ran = run(&["connect", "--require", "6", &mapped]);
    assert_ne!(ran.code, Some(0), "{}", ran.stdout);
    let hexadecimal = format!("[::ffff:7f00:1]:{}", address.port());
    let ran = run(&["connect", "--source", "::ffff:127.0.0.1", "--json", &hexadecimal]);
    let found = ran.json();
    assert_eq!(found["attempts"][0]["ip"], "127.0.0.1", "{found:#}");
    assert!(found["attempts"][0]["local"].as_str().unwrap().starts_with("127.0.0.1:"));
}
