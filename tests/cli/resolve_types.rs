//! Records of every type: the text is that of dig(1), and words of dig are understood.

use std::process::Command;

use crate::name_server::{NameServer, send, wire};
use crate::support::{has_program, run};

/// Types with data in hexadecimal.
const DATA: [(&str, &str); 45] = [
    ("A", "c0000201"),
    ("NS", "026e730474657374 00"),
    ("SOA", "026e730000 0000000100000002000000030000000400000005"),
    ("MB", "0161027e7e00"),
    ("WKS", "c0000201060000004002"),
    ("PTR", "0b4c6976696e6720526f6f6d00"),
    ("HINFO", "08494e54454c205043074c696e75782036"),
    ("MINFO", "016100016200"),
    ("MX", "000a0a612e622440285c22293b00"),
    ("TXT", "0361206200045c223bff"),
    ("RP", "0161000162 00"),
    ("AFSDB", "0001016100"),
    ("X25", "0431323334"),
    ("ISDN", "0331323302 3435"),
    ("NSAP", "47000580"),
    ("PX", "000a016100016200"),
    ("GPOS", "022d310232350131"),
    ("AAAA", "20010db8000000000000000000000001"),
    ("LOC", "001216138b0d2bf370be1ccb0098967c"),
    ("SRV", "000100020050016100"),
    ("NAPTR", "0064000a0155074532552b736970052161216221 00"),
    ("KX", "000a016100"),
    ("CERT", "0001303908aabbcc"),
    ("CERT", "00633039f0aabbcc"),
    ("DNAME", "0161026262047465737400"),
    ("APL", "0001180300000200020a01ff0001158 3c00002"),
    ("DS", "303908020102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"),
    ("SSHFP", "01010102030405060708090a0b0c0d0e0f1011121314"),
    ("IPSECKEY", "0a0102c0000226 0102"),
    ("IPSECKEY", "0a03020161000102"),
    ("RRSIG", "00010d020000003c6a2f3b806a0cf000303904746573740001020304"),
    ("NSEC", "04686f7374047465737400000640010000000b0105 0000000010"),
    ("DNSKEY", "0100030d01020304"),
    ("DHCID", "000201aabbcc"),
    ("NSEC3PARAM", "01000000 00"),
    ("TLSA", "0301010102030405060708"),
    ("OPENPGPKEY", "0102030405"),
    ("CSYNC", "0000000100030004600000 08"),
    ("SVCB", "000100000000020004000100060268320268330003000220fb00040004c0000201"),
    ("HTTPS", "0001000001000c08665c6f6f2c62617202683200030002 01bb1234000201ff"),
    ("EUI48", "00005e00532a"),
    ("EUI64", "00005eef1000002a"),
    ("URI", "000a000168747470733a2f2f68222e746573742f"),
    ("CAA", "8005697373756563612e74657374"),
    ("AMTRELAY", "0a8101020304"),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn ours(at: &str, record_type: &str) -> String {
    let ran = run(&["resolve", "--via", "dns", at, "--short", "-t", record_type, "h.test"]);
    assert_eq!(ran.code, Some(0), "{record_type}: {}", ran.stderr);
    ran.stdout.trim_end().to_owned()
}

#[test]
fn data_of_every_type_are_those_of_dig() {
    if !has_program("dig") {
        return;
    }
    for (record_type, hex) in DATA {
        let data = bytes(hex);
        let server = NameServer::new(move |asked| {
            send(asked.answer().flags(0x0400).record(asked.kind, 60, &data))
        });
        let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
        let dig = Command::new("dig")
            .args([&format!("@{host}"), "-p", &port, "+short", "+nosplit", "+noedns", "+norec"])
            .args(["+tries=2", "-t", record_type, "h.test"])
            .output()
            .unwrap();
        let theirs = String::from_utf8(dig.stdout).unwrap();
        assert!(!theirs.starts_with(";;"), "{record_type}: {theirs}");
        assert_eq!(ours(&format!("@{}", server.address), record_type), theirs.trim_end());
    }
}

#[test]
fn words_of_dig_are_understood_or_answered_with_the_flag() {
    let server = NameServer::new(|asked| {
        send(asked.answer().record(asked.kind, 60, &[&[0, 10][..], &wire("m.test")].concat()))
    });
    let at = format!("@{}", server.address);
    for words in [["h.test", "MX", "+short"], ["MX", "+short", "h.test"]] {
        let ran = run(&[&["resolve", "--via", "dns", &at][..], &words].concat());
        assert_eq!((ran.stdout.as_str(), ran.code), ("10 m.test.\n", Some(0)), "{}", ran.stderr);
    }
    assert!(server.asked().iter().all(|asked| asked.kind == 15 && asked.name == "h.test."));
    let mistakes = [
        (&["h.test", "+tcp"][..], "hint: `--server tcp://HOST`"),
        (&["h.test", "+bufsize=512"], "hint: `loopctl resolve --help`"),
        (&["-t", "AXFR", "h.test"], "transfer"),
        (&["h.test", "IXFR"], "transfer"),
    ];
    for (words, told) in mistakes {
        let ran = run(&[&["resolve", "--via", "dns", &at][..], words].concat());
        assert_eq!(ran.code, Some(2), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn names_of_tor_are_not_asked_for() {
    let server = NameServer::new(|asked| send(asked.answer().a(60, [127, 0, 0, 1])));
    let at = format!("@{}", server.address);
    for name in ["www.h.onion", "X.ONION."] {
        for words in [&["resolve", "--via", "dns", &at][..], &["resolve", &at]] {
            let ran = run(&[words, &[name]].concat());
            assert_eq!(ran.code, Some(6), "{name}: {}", ran.stderr);
            assert!(ran.stderr.contains("RFC 7686"), "{name}: {}", ran.stderr);
        }
    }
    assert!(server.asked().is_empty());
    // The system's resolver would pass the name on to name servers.
    for words in [&["resolve", "--via", "system", "www.h.onion"][..], &["connect", "h.Onion:1"]] {
        let ran = run(words);
        assert_eq!(ran.code, Some(6), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("a name of Tor"), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("SOCKS proxy"), "{words:?}: {}", ran.stderr);
    }
    let ran = run(&["resolve", "--via", "dns", &at, "onion.test"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_hint_about_a_name_that_no_name_server_has_says_so() {
    let none = NameServer::new(|asked| send(asked.rcode(3)));
    let at = format!("@{}", none.address);
    for (name, told) in [("Box.local", "multicast DNS"), ("x.invalid.", "section 6.4")] {
        let ran = run(&["resolve", "--via", "dns", &at, name]);
        assert_eq!(ran.code, Some(6), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{name}: {}", ran.stderr);
        assert!(!ran.stderr.contains("spelling"), "{name}: {}", ran.stderr);
    }
}

#[test]
fn an_answer_that_is_none_has_an_outcome_of_its_kind() {
    let lame = NameServer::new(|asked| {
        let mut message = asked.answer().bytes();
        message[3] = 0;
        vec![crate::name_server::Act::Send(message)]
    });
    let around = NameServer::new(|asked| send(asked.answer().record(5, 60, &wire("h.test"))));
    for (server, outcome) in [(&lame, "lame"), (&around, "alias_loop")] {
        let at = format!("@{}", server.address);
        let ran = run(&["resolve", "--via", "dns", &at, "--json", "-t", "MX", "h.test"]);
        assert_eq!((ran.json()["outcome"].as_str(), ran.code), (Some(outcome), Some(6)));
        assert!(!ran.stderr.contains("the name exists"), "{}", ran.stderr);
    }
}
