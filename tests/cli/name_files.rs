//! Files and variables of the system's resolver: what they change, and what of them has no effect.

use serde_json::{Value, json};

use crate::lab::{Lab, PORT, good};

fn lab() -> Option<Lab> {
    Lab::new(&[good(json!({
        "box.test": { "A": ["127.0.0.1"] },
        "short.corp.test": { "A": ["127.0.0.1"] },
        "over.test": { "A": ["192.0.2.9"] },
    }))])
}

fn kinds(document: &Value) -> Vec<&str> {
    let list = document["differences"].as_array().unwrap();
    list.iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

#[test]
fn an_address_of_the_hosts_file_has_its_line() {
    let Some(lab) = lab() else { return };
    let lab = lab.file("/etc/hosts", "# mine\n127.0.0.1 localhost\n\n127.0.0.1 Other Over.test\n");
    let target = format!("over.test:{PORT}");
    let document = lab.json(&["connect", &target]);
    assert_eq!(
        document["resolve"]["hosts"],
        json!([{ "ip": "127.0.0.1", "file": "/etc/hosts", "line": 4 }])
    );
    assert!(lab.run(&["connect", &target]).stdout.contains("/etc/hosts:4"));
    let document = lab.json(&["resolve", "over.test"]);
    assert_eq!(document["hosts"][0]["line"], 4);
    assert_eq!(kinds(&document), ["hosts_file"]);
    let ran = lab.run(&["resolve", "over.test"]);
    let warning = "/etc/hosts:4 has 127.0.0.1; name servers: 192.0.2.9";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    let ran = lab.run(&["resolve", "other"]);
    assert!(
        ran.stderr.contains("/etc/hosts:4 has 127.0.0.1; name servers: no such name"),
        "{}",
        ran.stderr
    );
    let document = lab.json(&["connect", &format!("over.test.:{PORT}"), "--timeout", "1s"]);
    assert_eq!(
        document["resolve"]["hosts"],
        json!([]),
        "glibc finds no name with a final dot there"
    );
}

#[test]
fn a_hosts_file_that_is_not_used_is_not_named() {
    let Some(lab) = lab() else { return };
    let lab = lab.file("/etc/hosts", "127.0.0.1 over.test\n");
    let lab = lab.file("/etc/nsswitch.conf", "passwd: files\nhosts: dns\n");
    let document = lab.json(&["resolve", "over.test"]);
    assert_eq!((kinds(&document), &document["hosts"]), (vec![], &json!([])));
}

#[test]
fn sources_without_dns_are_named_with_their_line() {
    let Some(lab) = lab() else { return };
    for (sources, words) in
        [("files", "has no `dns`"), ("files [!UNAVAIL=return] dns", "before `dns`")]
    {
        let lab =
            Lab::clone(&lab).file("/etc/nsswitch.conf", &format!("# one\nhosts: {sources}\n"));
        let ran = lab.run(&["resolve", "box.test"]);
        assert!(ran.stderr.contains("/etc/nsswitch.conf:2"), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert_eq!(kinds(&lab.json(&["resolve", "box.test"])), ["no_dns_source"]);
    }
}

#[test]
fn numbers_and_attempts_are_reasons_of_their_own() {
    let Some(lab) = lab() else { return };
    for number in ["0x7f000001", "2130706433", "127.1", "0177.0.0.1"] {
        let document = lab.json(&["resolve", number]);
        assert_eq!(kinds(&document), ["number"], "{number}");
    }
    let document = lab.json(&["resolve", "box.test"]);
    assert_eq!(kinds(&document), [""; 0], "both have the same");
    let lab = lab.conf("options attempts:0\n");
    assert_eq!(kinds(&lab.json(&["resolve", "box.test"])), ["no_attempts"]);
    let ran = lab.run(&["resolve", "box.test"]);
    assert!(ran.stderr.contains("/etc/resolv.conf:2: with `attempts:0`"), "{}", ran.stderr);
    for wrong in ["/etc/hosts", "nsswitch"] {
        assert!(!ran.stderr.contains(wrong), "{}", ran.stderr);
    }
}

#[test]
fn the_environment_is_obeyed_by_both_sides() {
    let Some(lab) = lab() else { return };
    let variables = [("LOCALDOMAIN", "none.test corp.test"), ("RES_OPTIONS", "ndots:2")];
    let ran = lab.run_with(&variables, &["resolve", "--json", "short"]);
    let document = ran.json();
    let address = &document["addresses"][0];
    assert_eq!(
        (&address["system_rank"], &address["dns_rank"]),
        (&json!(1), &json!(1)),
        "{document:#}"
    );
    assert_eq!(kinds(&document), [""; 0]);
}

#[test]
fn lines_without_effect_are_told_once_with_their_reason() {
    let Some(lab) = lab() else { return };
    for (conf, warnings) in [
        (
            "nameserver 127.0.0.53\r\n",
            vec![":1: `nameserver 127.0.0.53` has no effect", "carriage return"],
        ),
        ("\u{ef}\u{bb}\u{bf}nameserver 127.0.0.53\n", vec!["byte order mark"]),
        ("# x\nNAMESERVER 127.0.0.53\n", vec![":2: ", "lower case"]),
        ("nameserver 127.0.0.53:53\n", vec!["no port"]),
        ("", vec!["no usable name server"]),
    ] {
        let lab = Lab::clone(&lab).file("/etc/resolv.conf", conf);
        let ran = lab.run(&["resolve", "--via", "dns", "box.test"]);
        assert_eq!(ran.code, Some(6), "{conf:?}: {}", ran.stdout);
        let wanted = [warnings.as_slice(), &["127.0.0.1 is asked by default"]].concat();
        for text in wanted {
            assert_eq!(ran.stderr.matches(text).count(), 1, "{conf:?} {text}: {}", ran.stderr);
        }
        let document = lab.json(&["resolve", "box.test"]);
        assert!(!document["warnings"].as_array().unwrap().is_empty());
        assert_eq!(kinds(&document), [""; 0], "both sides ask 127.0.0.1");
        let ran = lab.run(&["connect", &format!("box.test:{PORT}")]);
        assert!(ran.stderr.contains("127.0.0.1 is asked by default"), "{}", ran.stderr);
    }
    let ran = lab.run(&["resolve", "box.test"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "a good file gives no word");
    let many = (54..58).map(|last| format!("nameserver 127.0.0.{last}\n")).collect::<String>();
    let ran = lab.conf(&many).run(&["resolve", "box.test"]);
    assert!(
        ran.stderr.contains(":4: `nameserver 127.0.0.56` has no effect: only the first three"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_fifo_in_the_place_of_a_file_stops_nothing() {
    for path in ["/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts"] {
        let Some(lab) = lab() else { return };
        let lab = lab.fifo(path);
        let args =
            ["resolve", "--via", "dns", "--timeout", "2s", "--server", "127.0.0.53", "box.test"];
        let ran = lab.run(&args);
        assert_eq!(ran.code, Some(0), "{path}: {}", ran.stderr);
        let ran = lab.run(&["connect", "--timeout", "1s", "nothing.test:1"]);
        assert!(matches!(ran.code, Some(6 | 28)), "{path}: {:?} {}", ran.code, ran.stderr);
    }
}

#[test]
fn what_the_system_says_is_not_told_as_the_word_of_name_servers() {
    let Some(lab) = lab() else { return };
    let ran = lab.run(&["resolve", "--via", "system", "--json", "none.test"]);
    let document = ran.json();
    assert_eq!(
        (&document["outcome"], &document["queries"][0]["result"]),
        (&json!("noname"), &json!("noname"))
    );
    let ran = lab.run(&["resolve", "--via", "system", "none.test"]);
    assert!(
        ran.stderr.contains("EAI_NONAME") && !ran.stderr.contains("NXDOMAIN"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        lab.json(&["resolve", "none.test"])["outcome"],
        "nxdomain",
        "name servers were asked"
    );
}

#[test]
fn a_localhost_elsewhere_is_warned_of() {
    let zone = json!({ "localhost": { "A": ["192.0.2.66"] } });
    let Some(lab) = Lab::new(&[good(zone)]) else { return };
    let lab = lab.file("/etc/nsswitch.conf", "hosts: dns\n");
    let ran = lab.run(&["resolve", "localhost."]);
    assert!(
        ran.stderr.contains("192.0.2.66 for `localhost.`, which is not this host"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stdout.contains("not in the answer of the name servers"), "{}", ran.stdout);
}
