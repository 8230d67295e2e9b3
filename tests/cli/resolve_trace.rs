//! `resolve --trace`: a chain of servers on loopback, each in charge of a zone below the other.

use std::net::{TcpListener, UdpSocket};

use serde_json::Value;

use crate::name_server::{A, Act, Answer, Asked, CNAME, NS, NameServer, both_sockets, send, wire};
use crate::resolve::assert_valid;
use crate::support::{Ran, run};

/// AA: whoever answers is in charge.
const IN_CHARGE: u16 = 0x0400;

/// The root on 127.0.0.1, `test.` on 127.0.0.2, `a.test.` on 127.0.0.3, all on one port.
struct Chain([NameServer; 3]);

impl Chain {
    fn new(lowest: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = both_sockets();
        let port = tcp.local_addr().unwrap().port();
        let on = |ip: &str| {
            let sockets = UdpSocket::bind((ip, port)).and_then(|udp| {
                let tcp = TcpListener::bind((ip, port))?;
                Ok((udp, tcp))
            });
            sockets.unwrap_or_else(|error| panic!("{ip}:{port}: {error}"))
        };
        let root = NameServer::on((udp, tcp), |asked| send(refer(asked, "test", 2)));
        let middle = NameServer::on(on("127.0.0.2"), |asked| send(refer(asked, "a.test", 3)));
        Self([root, middle, NameServer::on(on("127.0.0.3"), lowest)])
    }

    fn trace(&self, args: &[&str]) -> Ran {
        let root = self.0[0].address.to_string();
        run(&[&["resolve", "--trace", "--server", root.as_str()], args].concat())
    }

    fn document(&self, args: &[&str]) -> Value {
        let ran = self.trace(&[&["--json"], args].concat());
        let document = ran.json();
        assert_valid(&document);
        assert_eq!(document["exit_code"], ran.code.unwrap());
        document
    }
}

/// A referral to the server on 127.0.0.`ip`.
fn refer(asked: &Asked, zone: &str, ip: u8) -> Answer {
    assert_eq!(asked.message[2] & 1, 0, "recursion is not desired");
    let server = wire(&format!("ns.{zone}"));
    let answer = asked.answer().raw(2, &wire(zone), NS, 3600, &server);
    answer.raw(3, &server, A, 3600, &[127, 0, 0, ip])
}

fn steps(document: &Value) -> Vec<(String, String)> {
    let hops = document["trace"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    hops.map(|hop| (text(&hop["zone"]), text(&hop["step"]))).collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(zone, step)| ((*zone).to_owned(), (*step).to_owned())).collect()
}

#[test]
fn o4_each_delegation_is_a_row_from_the_first_server_to_the_answer() {
    let chain = Chain::new(|asked| {
        let answer = asked.answer().flags(IN_CHARGE);
        send(if asked.kind == A { answer.a(60, [192, 0, 2, 7]) } else { answer })
    });
    let document = chain.document(&["www.a.test"]);
    let wanted = [(".", "referral"), ("test.", "referral"), ("a.test.", "answered")];
    assert_eq!(steps(&document), pairs(&wanted));
    assert_eq!(document["trace"][1]["server"], chain.0[1].address.to_string());
    assert_eq!(document["trace"][1]["server_name"], "ns.test.");
    assert_eq!(document["trace"][1]["next_name"], "a.test.");
    assert_eq!(document["records"][0]["data"], "192.0.2.7");
    let types = |server: &NameServer| -> Vec<u16> {
        server.asked().iter().map(|asked| asked.kind).collect()
    };
    assert_eq!(types(&chain.0[0]), [A], "the way is gone once");
    assert_eq!(types(&chain.0[2]), [A, 28], "and at its end the other type is asked for");
    let told = chain.trace(&["www.a.test"]).stdout;
    assert!(told.contains("test.") && told.contains("a.test. at ns.a.test"), "{told}");
    assert!(told.contains("the answer: 1 record\n"), "{told}");
}

#[test]
fn o4_aliases_are_followed_from_the_beginning() {
    let chain = Chain::new(|asked| {
        let answer = asked.answer().flags(IN_CHARGE);
        send(match asked.name.as_str() {
            "www.a.test." => answer.record(CNAME, 60, &wire("host.a.test")),
            _ => answer.a(60, [192, 0, 2, 8]),
        })
    });
    let document = chain.document(&["-4", "www.a.test"]);
    let way = [(".", "referral"), ("test.", "referral")];
    let once = [way.as_slice(), &[("a.test.", "alias")]].concat();
    let wanted = [once, [way.as_slice(), &[("a.test.", "answered")]].concat()].concat();
    assert_eq!(steps(&document), pairs(&wanted));
    assert_eq!(document["trace"][2]["next_name"], "host.a.test.");
}

#[test]
fn o4_a_way_that_ends_nowhere_says_where_and_why() {
    let none = Chain::new(|asked| send(asked.rcode(3).flags(IN_CHARGE)));
    let document = none.document(&["-4", "www.a.test"]);
    assert_eq!((&document["outcome"], &document["exit_code"]), (&"nxdomain".into(), &6.into()));
    drop(none);
    // A server that is not in charge points back up.
    let lame = Chain::new(|asked| send(refer(asked, "test", 2)));
    let ran = lame.trace(&["-4", "www.a.test"]);
    assert_eq!(ran.code, Some(6));
    assert!(ran.stdout.contains("these servers refer back to `test.`"), "{}", ran.stdout);
    assert!(ran.stderr.contains("a.test.: these servers refer back"), "{}", ran.stderr);
    let document = lame.document(&["-4", "www.a.test"]);
    assert_eq!(document["trace"][2]["step"], "lost");
    drop(lame);
    let silent = Chain::new(|_| Vec::new());
    let document = silent.document(&["-4", "--timeout", "200ms", "www.a.test"]);
    assert_eq!(document["outcome"], "timeout", "{document:#}");
}
