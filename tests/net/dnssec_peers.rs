//! What other validators say of the same zones: unbound and delv. Where they are not there, the tests say so and
//! pass.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use loopctl::plan::DnsTransport;
use loopctl::{DnsAnswer, DnsClient, DnsError, DnsErrorKind, DnsServer, RecordType};

use crate::skip::has_program;
use crate::support::signed::{Signed, free_address};
use crate::support::{ms, run};

/// What is asked of everybody, and what has to come out.
const NAMES: [(&str, &str, &str); 35] = [
    ("www.old.signed.test", "A", "secure"),
    ("www.signed.test", "A", "secure"),
    ("alias.signed.test", "A", "secure"),
    ("www.nsec3.test", "A", "secure"),
    ("anything.wild.test", "A", "secure"),
    ("any.thing.wild.test", "A", "secure"),
    ("anything.wild3.test", "A", "secure"),
    ("any.thing.wild3.test", "A", "secure"),
    ("signed.test", "SOA", "secure"),
    ("signed.test", "DS", "secure"),
    ("signed.test", "DNSKEY", "secure"),
    ("nothing.signed.test", "A", "secure"),
    ("no.thing.signed.test", "A", "secure"),
    ("nowhere.signed.test", "A", "secure"),
    ("www.signed.test", "MX", "secure"),
    ("nothing.nsec3.test", "A", "secure"),
    ("www.nsec3.test", "MX", "secure"),
    ("anything.wild.test", "MX", "secure"),
    ("www.rsa.test", "A", "secure"),
    ("nothing.rsa.test", "A", "secure"),
    ("www.rsa3.test", "A", "secure"),
    ("nothing.rsa3.test", "A", "secure"),
    ("www.optout.test", "A", "secure"),
    ("www.optout.test", "MX", "secure"),
    ("nothing.optout.test", "A", "insecure"),
    ("www.plain.test", "A", "insecure"),
    ("nothing.plain.test", "A", "insecure"),
    ("out.signed.test", "A", "insecure"),
    ("www.island.test", "A", "insecure"),
    ("www.unknown.test", "A", "insecure"),
    ("www.expired.test", "A", "bogus"),
    ("www.early.test", "A", "bogus"),
    ("www.wrongkey.test", "A", "bogus"),
    ("www.tampered.test", "A", "bogus"),
    ("www.stripped.test", "A", "bogus"),
];

/// What every one of the names is found to be, against what it has to be.
fn check(who: &str, verdict: impl Fn(&str, &str) -> String) {
    let said = NAMES.map(|(name, kind, wanted)| (name, kind, verdict(name, kind), wanted));
    let wrong: Vec<_> = said.iter().filter(|(_, _, said, wanted)| said != wanted).collect();
    assert!(wrong.is_empty(), "{who}: {wrong:#?}");
}

fn server(address: SocketAddr) -> DnsServer {
    DnsServer::new(DnsTransport::Udp, address)
}

/// What this library says, asking this server.
fn our_verdict(signed: &Signed, address: SocketAddr, name: &str, kind: &str) -> String {
    let builder = DnsClient::builder().servers([server(address)]);
    let builder = builder.validate(signed.anchor.parse().unwrap());
    let kind: RecordType = kind.parse().unwrap();
    let result =
        run(async |event_loop| builder.build(&event_loop).unwrap().query(name, kind).await);
    let exchange = match &result {
        Ok(answer) => &answer.exchange,
        Err(error) => &*error.exchange,
    };
    exchange.validation.as_ref().map_or_else(|| format!("{result:?}"), |it| it.proof.to_string())
}

struct Unbound {
    address: SocketAddr,
    child: Child,
    log: std::path::PathBuf,
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Unbound {
    /// It asks NSD, and verifies by the same anchor.
    fn start(signed: &Signed) -> Self {
        let (address, place) = (free_address(), signed.folder.path());
        let (anchor, conf) = (place.join("unbound.key"), place.join("unbound.conf"));
        fs::write(&anchor, &signed.anchor).unwrap();
        let text = format!(
            "server:\n  interface: 127.0.0.1@{}\n  do-daemonize: no\n  chroot: \"\"\n  username: \"\"\n\
             \x20 directory: \"{}\"\n  pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  do-ip6: no\n\
             \x20 trust-anchor-file: \"{}\"\n  do-not-query-localhost: no\n  module-config: \"validator iterator\"\n\
             \x20 access-control: 127.0.0.0/8 allow\n  local-zone: \"test.\" nodefault\n\
             remote-control:\n  control-enable: no\n\
             forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{}\n",
            address.port(),
            place.display(),
            anchor.display(),
            signed.address.port()
        );
        fs::write(&conf, text).unwrap();
        let log = place.join("unbound.log");
        let file = fs::File::create(&log).unwrap();
        let child = Command::new("unbound")
            .args(["-d", "-c", conf.to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn();
        let mut unbound = Self { address, child: child.unwrap(), log };
        run(async |event_loop| {
            let builder = DnsClient::builder().servers([server(address)]).timeout(ms(200));
            let client = builder.attempts(1).build(&event_loop).unwrap();
            while client.query("www.signed.test", RecordType::A).await.is_err() {
                let log = || fs::read_to_string(&unbound.log).unwrap();
                assert!(unbound.child.try_wait().unwrap().is_none(), "it ended: {}", log());
                event_loop.sleep(ms(20)).await;
            }
        });
        unbound
    }

    /// By the code and the AD flag of its answer.
    fn verdict(&self, name: &str, kind: &str) -> String {
        let builder = DnsClient::builder().servers([server(self.address)]).dnssec(true);
        let kind: RecordType = kind.parse().unwrap();
        let result: Result<DnsAnswer, DnsError> =
            run(async |event_loop| builder.build(&event_loop).unwrap().query(name, kind).await);
        let answer = match &result {
            Ok(answer) => answer,
            Err(error) if error.kind == DnsErrorKind::ServFail => return "bogus".to_owned(),
            Err(error) => error.answer.as_deref().unwrap_or_else(|| panic!("{error}")),
        };
        if answer.flags.authentic { "secure" } else { "insecure" }.to_owned()
    }
}

#[test]
fn dnssec_unbound_says_the_same() {
    let Some(signed) = Signed::start() else { return };
    if !has_program("unbound") {
        return;
    }
    let unbound = Unbound::start(&signed);
    check("unbound", |name, kind| unbound.verdict(name, kind));
    check("this, asking NSD", |name, kind| our_verdict(&signed, signed.address, name, kind));
    // It answers SERVFAIL to what is bogus, unless told not to verify.
    check("this, asking unbound", |name, kind| our_verdict(&signed, unbound.address, name, kind));
}

#[test]
fn dnssec_delv_says_the_same() {
    let Some(signed) = Signed::start() else { return };
    if !has_program("delv") {
        return;
    }
    let words: Vec<&str> = signed.anchor.split_whitespace().collect();
    let key = format!("{} {} {} \"{}\"", words[3], words[4], words[5], words[6..].concat());
    let anchors = signed.folder.path().join("delv.conf");
    fs::write(&anchors, format!("trust-anchors {{ . static-key {key}; }};\n")).unwrap();
    let port = signed.address.port().to_string();
    let verdict = |name: &str, kind: &str| -> String {
        let ran = Command::new("delv")
            .args(["@127.0.0.1", "-p", &port, "-a", anchors.to_str().unwrap(), "+root=."])
            .args([name, kind])
            .output()
            .unwrap();
        let text = [ran.stdout, ran.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        // Because delv calls every denial validated, also one by opt-out (RFC 5155 section 9.2).
        let is_opt_out_denial = name == "nothing.optout.test" && text.contains("fully validated");
        if text.contains("unsigned answer") || is_opt_out_denial {
            "insecure".to_owned()
        } else if text.contains("fully validated") {
            "secure".to_owned()
        } else if text.contains("resolution failed") {
            "bogus".to_owned()
        } else {
            text
        }
    };
    check("delv", verdict);
}
