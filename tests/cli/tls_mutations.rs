//! Peers that answer a ClientHello, or a STARTTLS client, with anything.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::support::{Ran, run};
use crate::tls_lab::assert_words;

const GREETINGS: [&[u8]; 8] = [
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"220-mx.test ESMTP\r\n220 ready\r\n",
    b"* OK IMAP4rev1 ready\r\n",
    b"+OK POP3 ready\r\n",
    b"J\0\0\0\n8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7\x21\x02\0\xff\xdf\x15",
    b"\x15\x03\x03\0\x02\x02\x28",
    b"\x16\x03\x03\0\x2a\x02\0\0\x26\x03\x03abcdefghijklmnopqrstuvwxyz012345\0\xc0\x2f\0",
];

/// A server that answers its clients with these, one after the other.
fn answering(answers: Vec<Vec<u8>>, is_first: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            if !is_first {
                // An error means that the client has left.
                let _ = stream.read(&mut [0; 4096]);
            }
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        }
    });
    address
}

/// The greetings with some bytes changed, inserted or cut off, always the same.
fn changed(count: usize) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(16);
    let change = |number: usize| {
        let mut bytes = GREETINGS[number % GREETINGS.len()].to_vec();
        for _ in 0..random.usize(..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, random.u8(..)),
                _ => bytes[at] = random.u8(..),
            }
        }
        bytes
    };
    (0..count).map(change).collect()
}

fn check(ran: &Ran, answer: &[u8]) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_words(&said);
    assert_eq!(ran.code, Some(35), "{}: {said}", answer.escape_ascii());
    let is_shown = |c: char| c == '\n' || !c.is_control();
    assert!(said.chars().all(is_shown), "{}: {said}", answer.escape_ascii());
}

#[test]
fn changed_answers_to_a_client_hello_are_reported_in_words() {
    let answers = changed(200);
    let address = answering(answers.clone(), false).to_string();
    for answer in &answers {
        check(&run(&["connect", "--tls", "--insecure", "--timeout", "20s", &address]), answer);
    }
}

#[test]
fn changed_greetings_before_starttls_are_reported_in_words() {
    let answers = changed(60);
    let address = answering(answers.clone(), true).to_string();
    let protocols = [
        "smtp", "imap", "pop3", "ftp", "postgres", "ldap", "xmpp", "mysql", "nntp", "sieve", "lmtp",
    ];
    for (number, answer) in answers.iter().enumerate() {
        let protocol = protocols[number % protocols.len()];
        let args = ["connect", "--starttls", protocol, "--insecure", "--timeout", "20s", &address];
        check(&run(&args), answer);
    }
}

#[test]
fn an_echo_of_the_client_hello_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let _ = stream.write_all(&bytes[..count]);
        }
    });
    let ran = run(&["connect", "--tls", "--insecure", &address]);
    assert!(ran.stderr.contains("it sends back what it receives"), "{}", ran.stderr);
    assert!(ran.code == Some(35) && !ran.stderr.contains("starttls"), "{}", ran.stderr);
}

#[test]
fn a_reset_at_the_client_hello_names_a_filter() {
    for (flags, part) in [(&["--sni", "a.test"][..], "may refuse a.test"), (&[], "refuses TLS")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        });
        let ran = run(&[&["connect", "--tls", "--insecure", &address], flags].concat());
        assert!(ran.stderr.contains(part) && ran.stderr.contains("filter"), "{}", ran.stderr);
    }
}
