//! `connect --starttls`: protocols that begin in plain.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::json::assert_valid;
use crate::support::{Ran, run};
use crate::tls_peer::{Files, as_localhost, plain};

/// One step of a server.
#[derive(Clone, Copy)]
enum Step {
    Say(&'static [u8]),
    /// Exactly this comes.
    Hear(&'static [u8]),
    StartTls,
    /// Waits for the client to leave.
    Wait,
}

use Step::{Hear, Say, StartTls, Wait};

/// A server that goes through these steps with each client.
fn server(files: &Files, steps: &'static [Step]) -> SocketAddr {
    let tls = files.authority.server();
    plain(async move |mut reader, mut writer| {
        for step in steps {
            match step {
                Say(bytes) => writer.write_all(bytes).await.unwrap(),
                Hear(bytes) => {
                    let heard = reader.read_exactly(bytes.len()).await;
                    let Ok(heard) = heard else { return };
                    if heard != *bytes {
                        let heard = String::from_utf8_lossy(&heard).into_owned();
                        let _ = writer.write_all(format!("599 {heard}\r\n").as_bytes()).await;
                        return;
                    }
                }
                StartTls => drop(writer.start_tls(tls.clone()).await),
                Wait => drop(reader.read(&mut [0; 4096]).await),
            }
        }
    })
}

fn connect(files: &Files, protocol: &str, address: SocketAddr, args: &[&str]) -> Ran {
    let target = as_localhost(address);
    let target = target.each_ref().map(String::as_str);
    let flags = ["connect", "--starttls", protocol, "--ca", files.ca()];
    run(&[&flags, args, &target].concat())
}

fn document(files: &Files, protocol: &str, steps: &'static [Step]) -> Value {
    let address = server(files, steps);
    let ran = connect(files, protocol, address, &["--json", "--timeout", "5s"]);
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

const LDAP_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// Message 0 with the response name 1.3.6.1.4.1.1466.20036.
const DISCONNECTION: &[u8] = b"\x30\x29\x02\x01\x00\x78\x24\x0a\x01\x33\x04\0\x04\x05later\
    \x8a\x161.3.6.1.4.1.1466.20036";
/// Greetings of MySQL, without and with CLIENT_SSL.
const MYSQL_PLAIN: &[u8] =
    b"\x1f\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7\x21\x02\0\xff\xdf\0\0\0";
const MYSQL_TLS: &[u8] =
    b"\x1f\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xff\x21\x02\0\xff\xdf\0\0\0";
const MYSQL_REQUEST: &[u8] =
    b"\x20\0\0\x01\x00\x8a\0\0\0\0\0\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const XMPP_START: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const XMPP_OPENING: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to=\"localhost\" version='1.0'>";

#[test]
fn stls_05_every_protocol_switches_in_its_own_words() {
    let files = Files::new();
    let cases: [(&str, &'static [Step], Option<&str>); 17] = [
        (
            "smtp",
            &[
                Say(b"220 mail.test\r\n"),
                Hear(b"EHLO [127.0.0.1]\r\n"),
                Say(b"250-mail.test\r\n250 starttls\r\n"),
                Hear(b"STARTTLS\r\n"),
                Say(b"220 go\r\n"),
                StartTls,
                Wait,
            ],
            Some("220 mail.test"),
        ),
        (
            "lmtp",
            &[
                Say(b"220 mail.test LMTP\r\n"),
                Hear(b"LHLO [127.0.0.1]\r\n"),
                Say(b"250 StartTLS\r\n"),
                Hear(b"STARTTLS\r\n"),
                Say(b"220 go\r\n"),
                StartTls,
                Wait,
            ],
            Some("220 mail.test LMTP"),
        ),
        (
            "imap",
            &[Say(b"* ok ready\r\n"), Hear(b"a1 STARTTLS\r\n"), Say(b"a1 Ok go\r\n"), StartTls, Wait],
            Some("* ok ready"),
        ),
        (
            "ftp",
            &[Say(b"120 soon\r\n220 here\r\n"), Hear(b"AUTH TLS\r\n"), Say(b"234 go\r\n"), StartTls, Wait],
            Some("220 here"),
        ),
        (
            "nntp",
            &[Say(b"201 news\r\n"), Hear(b"STARTTLS\r\n"), Say(b"382 go\r\n"), StartTls, Wait],
            Some("201 news"),
        ),
        (
            "sieve",
            &[
                Say(b"\"IMPLEMENTATION\" \"x\"\r\n\"starttls\"\r\nok \"ready\"\r\n"),
                Hear(b"STARTTLS\r\n"),
                Say(b"OK\r\n"),
                StartTls,
                Wait,
            ],
            Some("\"IMPLEMENTATION\" \"x\""),
        ),
        ("mysql", &[Say(MYSQL_TLS), Hear(MYSQL_REQUEST), StartTls, Wait], Some("8.0.36")),
        (
            "xmpp",
            &[
                Hear(XMPP_OPENING),
                Say(b"<s:stream xmlns:s='x'><s:features><t:starttls xmlns:t='y'><t:required/></t:starttls></s:features>"),
                Hear(XMPP_START),
                Say(b"<t:proceed xmlns:t='y'/>"),
                StartTls,
                Wait,
            ],
            None,
        ),
        (
            "smtp",
            &[
                Say(b"220-mail.test\r\n220 ready\r\n"),
                Hear(b"EHLO [127.0.0.1]\r\n"),
                Say(b"250-mail.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"),
                Hear(b"STARTTLS\r\n"),
                Say(b"220 go ahead\r\n"),
                StartTls,
                Wait,
            ],
            Some("220-mail.test"),
        ),
        (
            "imap",
            &[
                Say(b"* OK IMAP4rev1 here\r\n"),
                Hear(b"a1 STARTTLS\r\n"),
                Say(b"* CAPABILITY IMAP4rev1\r\na1 OK begin\r\n"),
                StartTls,
                Wait,
            ],
            Some("* OK IMAP4rev1 here"),
        ),
        (
            "pop3",
            &[Say(b"+OK pop\r\n"), Hear(b"STLS\r\n"), Say(b"+OK begin\r\n"), StartTls, Wait],
            Some("+OK pop"),
        ),
        (
            "ftp",
            &[
                Say(b"220-Welcome\r\n here\r\n220 ready\r\n"),
                Hear(b"AUTH TLS\r\n"),
                Say(b"234 begin\r\n"),
                StartTls,
                Wait,
            ],
            Some("220-Welcome"),
        ),
        ("postgres", &[Hear(b"\0\0\0\x08\x04\xd2\x16\x2f"), Say(b"S"), StartTls, Wait], None),
        (
            "ldap",
            &[
                Hear(LDAP_REQUEST),
                Say(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0"),
                StartTls,
                Wait,
            ],
            None,
        ),
        (
            // Lengths as Active Directory writes them.
            "ldap",
            &[
                Hear(LDAP_REQUEST),
                Say(b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0"),
                StartTls,
                Wait,
            ],
            None,
        ),
        (
            "xmpp",
            &[
                Hear(XMPP_OPENING),
                Say(b"<?xml version='1.0'?><stream:stream id='1'><stream:features>"),
                Say(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"),
                Say(b"</stream:features>"),
                Hear(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                Say(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                StartTls,
                Wait,
            ],
            None,
        ),
        (
            "xmpp",
            &[
                Hear(XMPP_OPENING),
                Say(b"<stream:stream id='1'><stream:features><starttls/></stream:features>"),
                Hear(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                Say(b"<proceed/>"),
                StartTls,
                Wait,
            ],
            None,
        ),
    ];
    for (protocol, steps, greeting) in cases {
        let seen = document(&files, protocol, steps);
        assert_eq!(seen["exit_code"], 0, "{protocol}: {seen:#}");
        let starttls = &seen["tls"]["starttls"];
        assert_eq!(starttls["protocol"], protocol);
        assert_eq!(starttls["greeting"].as_str(), greeting, "{protocol}");
        let end =
            starttls["start_ms"].as_f64().unwrap() + starttls["duration_ms"].as_f64().unwrap();
        assert!(end <= seen["tls"]["start_ms"].as_f64().unwrap() + 0.002, "{seen:#}");
    }
}

#[test]
fn stls_04_what_a_server_says_instead_is_told() {
    let files = Files::new();
    let cases: [(&str, &'static [Step], &str); 29] = [
        (
            "smtp",
            &[Say(b"220 a\r\n"), Hear(b"EHLO [127.0.0.1]\r\n"), Say(b"250 HELP\r\n"), Wait],
            "the server does not offer STARTTLS",
        ),
        (
            "smtp",
            &[Say(b"554 \x1b[31mgo away\r\n"), Wait],
            "the server answered `554 \u{fffd}[31mgo away`",
        ),
        ("smtp", &[], "the server closed the connection"),
        (
            "imap",
            &[Say(b"* OK a\r\n"), Hear(b"a1 STARTTLS\r\n"), Say(b"a1 BAD no\r\n"), Wait],
            "the server answered `a1 BAD no`",
        ),
        (
            "pop3",
            &[Say(b"+OK a\r\n"), Hear(b"STLS\r\n"), Say(b"-ERR no\r\n"), Wait],
            "the server answered `-ERR no`",
        ),
        (
            "postgres",
            &[Hear(b"\0\0\0\x08\x04\xd2\x16\x2f"), Say(b"N"), Wait],
            "the server does not support TLS",
        ),
        (
            "ldap",
            &[
                Hear(LDAP_REQUEST),
                Say(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\0\x04\0"),
                Wait,
            ],
            "the server refuses StartTLS: protocolError (result code 2)",
        ),
        (
            "ldap",
            &[Hear(LDAP_REQUEST), Say(b"HTTP/1.1 400 Bad Request\r\n"), Wait],
            "the server speaks HTTP",
        ),
        (
            "ldap",
            &[
                Hear(LDAP_REQUEST),
                Say(b"\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x34\x04\0\x04\x04full"),
                Wait,
            ],
            "the server refuses StartTLS: unavailable (result code 52): `full`",
        ),
        (
            "ldap",
            &[Hear(LDAP_REQUEST), Say(DISCONNECTION), Wait],
            "the server disconnects (Notice of Disconnection): busy (result code 51): `later`",
        ),
        (
            "smtp",
            &[Say(b"421-too many\r\n421-connections\r\n421 try later\r\n"), Wait],
            "`421-too many 421-connections 421 try later`",
        ),
        ("smtp", &[Say(b"554-first\r\n554-second\r\n")], "`554-first 554-second`"),
        ("smtp", &[Say(b"SSH-2.0-x\r\n"), Wait], "the server speaks SSH: it answered `SSH-2.0-x`"),
        (
            "ftp",
            &[Say(b"120 in 1 minute\r\n"), Say(b"421-no\r\n421 sorry\r\n"), Wait],
            "`421-no 421 sorry`",
        ),
        ("imap", &[Say(b"* PREAUTH welcome\r\n"), Wait], "PREAUTH"),
        ("imap", &[Say(b"* bye busy\r\n"), Wait], "bye busy"),
        (
            "nntp",
            &[Say(b"200 a\r\n"), Hear(b"STARTTLS\r\n"), Say(b"580 no\r\n"), Wait],
            "the server answered `580 no`",
        ),
        (
            "lmtp",
            &[Say(b"220 a\r\n"), Hear(b"LHLO [127.0.0.1]\r\n"), Say(b"250 SIZE\r\n"), Wait],
            "does not offer STARTTLS",
        ),
        ("sieve", &[Say(b"\"IMPLEMENTATION\" \"x\"\r\nOK\r\n"), Wait], "does not offer STARTTLS"),
        ("sieve", &[Say(b"BYE \"busy\"\r\n"), Wait], "the server answered `BYE \"busy\"`"),
        (
            "postgres",
            &[
                Hear(b"\0\0\0\x08\x04\xd2\x16\x2f"),
                Say(b"E\0\0\0\x20SFATAL\0Mgo to evil.test\0"),
                Wait,
            ],
            "an error message of PostgreSQL",
        ),
        (
            "postgres",
            &[Hear(b"\0\0\0\x08\x04\xd2\x16\x2f"), Say(b"HTTP/1.1 400 Bad Request\r\n"), Wait],
            "the server speaks HTTP",
        ),
        (
            "postgres",
            &[Say(MYSQL_PLAIN), Hear(b"\0\0\0\x08\x04\xd2\x16\x2f"), Wait],
            "the server speaks MySQL",
        ),
        ("mysql", &[Say(MYSQL_PLAIN), Wait], "the server does not offer TLS"),
        (
            "mysql",
            &[Say(b"\x19\0\0\0\xff\x6a\x04#HY000Host not allowed"), Wait],
            "error 1130: `Host not allowed`",
        ),
        (
            "xmpp",
            &[Hear(XMPP_OPENING), Say(b"<stream:stream><stream:features></stream:features>"), Wait],
            "the server does not offer STARTTLS",
        ),
        (
            "xmpp",
            &[Hear(XMPP_OPENING), Say(b"<stream:stream><stream:features/>"), Wait],
            "the server does not offer STARTTLS",
        ),
        (
            "xmpp",
            &[
                Hear(XMPP_OPENING),
                Say(b"<s:stream><s:error><host-unknown xmlns='x'/></s:error>"),
                Wait,
            ],
            "the stream error host-unknown",
        ),
        (
            "xmpp",
            &[
                Hear(XMPP_OPENING),
                Say(b"<s:stream><s:features><t:starttls/></s:features>"),
                Hear(XMPP_START),
                Say(b"<t:failure/>"),
                Wait,
            ],
            "the server refuses STARTTLS",
        ),
    ];
    for (protocol, steps, words) in cases {
        let seen = document(&files, protocol, steps);
        assert_eq!(seen["exit_code"], 35, "{protocol}: {seen:#}");
        let message = seen["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{protocol}: {message}");
        assert!(!message.contains('\u{1b}'));
    }
}

#[test]
fn stls_06_words_hidden_behind_the_answer_are_refused() {
    let files = Files::new();
    let steps: &'static [Step] =
        &[Say(b"+OK a\r\n"), Hear(b"STLS\r\n"), Say(b"+OK begin\r\n+OK injected\r\n"), Wait];
    let seen = document(&files, "pop3", steps);
    assert_eq!(seen["exit_code"], 35);
    let message = seen["error"]["message"].as_str().unwrap();
    assert!(message.contains("sent something in plain that TLS would have hidden"), "{message}");
}

#[test]
fn stls_05_a_silent_server_is_left_when_the_time_is_up() {
    let files = Files::new();
    let began = Instant::now();
    let address = server(&files, &[Say(b"220"), Wait]);
    let ran = connect(&files, "ftp", address, &["--timeout", "300ms"]);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(ran.code, Some(28), "{}", ran.stderr);
    assert!(ran.stderr.contains(": no answer in time"), "{}", ran.stderr);
}

#[test]
fn stls_05_the_plain_words_are_a_phase_of_their_own() {
    let files = Files::new();
    let steps: &'static [Step] =
        &[Say(b"+OK pop\r\n"), Hear(b"STLS\r\n"), Say(b"+OK begin\r\n"), StartTls, Wait];
    let ran = connect(&files, "pop3", server(&files, steps), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("\n  pop3     "), "{}", ran.stdout);
    assert!(ran.stdout.contains(" + pop3 ") && ran.stdout.contains(" + tls "), "{}", ran.stdout);
}

/// The time for all of it is up in the middle of a handshake that only the plain words have led to.
#[test]
fn stls_05_a_server_that_stops_after_the_plain_words_is_left_as_well() {
    let files = Files::new();
    let steps: &'static [Step] =
        &[Say(b"+OK pop\r\n"), Hear(b"STLS\r\n"), Say(b"+OK begin\r\n"), Wait, Wait];
    let (began, address) = (Instant::now(), server(&files, steps));
    let ran = connect(&files, "pop3", address, &["--json", "--timeout", "300ms"]);
    assert!(began.elapsed() >= Duration::from_millis(300));
    let document = ran.json();
    assert_valid(&document);
    assert_eq!((ran.code, &document["tls"]["result"]), (Some(28), &"timeout".into()));
    let message = document["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("the peer acknowledged the ClientHello and sent nothing"),
        "{message}"
    );
}
