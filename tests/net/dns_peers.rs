//! Real name servers: dnsmasq, unbound and NSD. Where they are not there, the tests say so and pass.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use loopctl::plan::{DnsTransport, Family};
use loopctl::{
    DnsAnswer, DnsClient, DnsClientBuilder, DnsError, DnsErrorKind, DnsServer, RecordType,
};

use crate::skip::has_program;
use crate::support::{ms, run};

/// A server that ends with the test.
struct Peer {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free for UDP and TCP.
fn free_port() -> u16 {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
    panic!("no port is free");
}

impl Peer {
    /// Starts a program and waits until it answers; `None` where there is no such program. `files` and `arguments`
    /// may say `PORT` and `FOLDER`.
    fn start(program: &str, files: &[(&str, &str)], arguments: &[&str]) -> Option<Self> {
        if !has_program(program) {
            return None;
        }
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let place = folder.path().display().to_string();
        let fill = |text: &str| text.replace("PORT", &port.to_string()).replace("FOLDER", &place);
        for (name, text) in files {
            fs::write(folder.path().join(name), fill(text)).unwrap();
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .args(arguments.iter().map(|argument| fill(argument)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let mut peer = Self { child: child.unwrap(), port, folder };
        peer.wait();
        Some(peer)
    }

    fn wait(&mut self) {
        let client = self.client(DnsTransport::Udp).timeout(ms(100)).attempts(1);
        run(async |event_loop| {
            let client = client.build(&event_loop).unwrap();
            while client.query("host.test", RecordType::A).await.is_err() {
                let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
                assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", log());
                event_loop.sleep(ms(20)).await;
            }
        });
    }

    fn client(&self, transport: DnsTransport) -> DnsClientBuilder {
        let address = format!("127.0.0.1:{}", self.port).parse().unwrap();
        DnsClient::builder().servers([DnsServer::new(transport, address)])
    }

    fn ask(&self, name: &str, record_type: &str) -> Result<DnsAnswer, DnsError> {
        let client = self.client(DnsTransport::Udp);
        let record_type = record_type.parse().unwrap();
        run(async |event_loop| client.build(&event_loop).unwrap().query(name, record_type).await)
    }

    /// The data of all records of an answer, sorted.
    fn data(&self, name: &str, record_type: &str) -> Vec<String> {
        let answer = self.ask(name, record_type).unwrap_or_else(|error| panic!("{error}"));
        let mut data: Vec<String> = answer.records.iter().map(|it| it.data.to_string()).collect();
        data.sort();
        data
    }

    /// What every one of them knows.
    fn check_common(&self) {
        assert_eq!(self.data("host.test", "A"), ["192.0.2.1"]);
        assert_eq!(self.data("HOST.test", "AAAA"), ["2001:db8::1"]);
        assert_eq!(self.data("host.test", "MX"), ["10 mail.test."]);
        assert_eq!(self.data("host.test", "TXT"), ["\"a text\" \"another\""]);
        assert_eq!(self.data("_http._tcp.test", "SRV"), ["1 2 80 host.test."]);
        assert_eq!(self.data("host.test", "CAA"), ["0 issue \"ca.test\""]);
        assert_eq!(self.data("1.2.0.192.in-addr.arpa", "PTR"), ["host.test."]);
        assert_eq!(self.ask("nothing.test", "A").unwrap_err().kind, DnsErrorKind::NxDomain);
        assert_eq!(self.ask("host.test", "NS").unwrap_err().kind, DnsErrorKind::NoData);
        let long = self.ask("long.test", "TXT").unwrap();
        assert!(long.exchange.truncated, "{long:?}");
        assert_eq!(long.exchange.transport, Some(DnsTransport::Tcp));
        assert_eq!(long.records.len(), 8);
        let mixed = self.client(DnsTransport::Udp).mixed_case(true).dnssec(true);
        run(async |event_loop| {
            let client = mixed.build(&event_loop).unwrap();
            assert!(client.query("host.test", RecordType::A).await.is_ok());
            let found = client.lookup("host.test.", Family::Unspecified).await;
            assert_eq!(found.addresses.len(), 2);
        });
    }
}

/// Eight texts of 250 bytes, each through `line`.
fn long_texts(line: impl Fn(String) -> String) -> Vec<String> {
    ('a'..='h').map(|letter| line(String::from(letter).repeat(250))).collect()
}

#[test]
fn o4_dnsmasq_is_understood() {
    let long = long_texts(|text| format!("--txt-record=long.test,{text}"));
    let mut arguments = vec![
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=PORT",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--no-resolv",
        "--no-hosts",
        "--user=",
        "--pid-file=FOLDER/pid",
        "--log-facility=-",
        "--local=/test/",
        "--host-record=host.test,192.0.2.1,2001:db8::1",
        "--mx-host=host.test,mail.test,10",
        "--txt-record=host.test,a text,another",
        "--srv-host=_http._tcp.test,host.test,80,1,2",
        "--caa-record=host.test,0,issue,ca.test",
        "--cname=alias.test,host.test",
    ];
    arguments.extend(long.iter().map(String::as_str));
    let Some(peer) = Peer::start("dnsmasq", &[], &arguments) else { return };
    peer.check_common();
    assert_eq!(peer.data("alias.test", "A"), ["192.0.2.1", "host.test."]);
    let refused = peer.ask("elsewhere.example", "A").unwrap_err();
    assert_eq!(refused.kind, DnsErrorKind::Refused);
    assert!(refused.to_string().contains("from udp://127.0.0.1:"), "{refused}");
}

const ZONE: &str = "\
$ORIGIN test.
$TTL 60
@ SOA ns.test. me.test. 1 2 3 4 5
@ NS ns.test.
ns A 192.0.2.53
host A 192.0.2.1
host AAAA 2001:db8::1
host MX 10 mail.test.
host TXT \"a text\" \"another\"
_http._tcp SRV 1 2 80 host.test.
host CAA 0 issue \"ca.test\"
alias CNAME host.test.
far CNAME host.elsewhere.example.
svc HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ech=AAAA
";

#[test]
fn o4_nsd_is_understood() {
    let conf = "\
        server:\n  ip-address: 127.0.0.1@PORT\n  username: \"\"\n  zonesdir: \"FOLDER\"\n  database: \"\"\n\
        \x20 pidfile: \"FOLDER/pid\"\n  xfrdfile: \"FOLDER/xfrd\"\n  zonelistfile: \"FOLDER/zones\"\n  xfrdir: \"FOLDER\"\n\
        remote-control:\n  control-enable: no\n\
        zone:\n  name: test\n  zonefile: test.zone\n\
        zone:\n  name: 2.0.192.in-addr.arpa\n  zonefile: reverse.zone\n";
    let zone = ZONE.to_owned() + &long_texts(|text| format!("long TXT {text}\n")).concat();
    let reverse = "$ORIGIN 2.0.192.in-addr.arpa.\n@ 60 SOA ns.test. me.test. 1 2 3 4 5\n@ 60 NS ns.test.\n1 60 PTR host.test.\n";
    let files = [("conf", conf), ("test.zone", zone.as_str()), ("reverse.zone", reverse)];
    let Some(peer) = Peer::start("nsd", &files, &["-d", "-c", "FOLDER/conf"]) else { return };
    peer.check_common();
    assert_eq!(peer.data("alias.test", "A"), ["192.0.2.1", "host.test."]);
    let answer = peer.ask("host.test", "A").unwrap();
    assert!(answer.flags.authoritative && !answer.flags.recursion_available);
    assert_eq!(answer.ttl().unwrap().as_secs(), 60);
    assert_eq!(peer.data("test", "SOA"), ["ns.test. me.test. 1 2 3 4 5"]);
    assert_eq!(peer.data("test", "NS"), ["ns.test."]);
    let svc = ["1 . alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1 ech=AAAA"];
    assert_eq!(peer.data("svc.test", "HTTPS"), svc);
    let nothing = peer.ask("nothing.test", "A").unwrap_err();
    assert_eq!(nothing.answer.unwrap().ttl().unwrap().as_secs(), 5, "of the start of the zone");
    // The alias leads to where this server knows nothing.
    assert_eq!(peer.ask("far.test", "A").unwrap_err().kind, DnsErrorKind::AliasNotFollowed);
    assert_eq!(peer.ask("elsewhere.example", "A").unwrap_err().kind, DnsErrorKind::Refused);
}

fn unbound_conf(more: &str) -> String {
    let long = long_texts(|text| format!("  local-data: \"long.test TXT {text}\"\n")).concat();
    let local = [
        "host.test A 192.0.2.1",
        "host.test AAAA 2001:db8::1",
        "host.test MX 10 mail.test",
        "host.test TXT \"a text\" \"another\"",
        "_http._tcp.test SRV 1 2 80 host.test",
        "host.test CAA 0 issue \"ca.test\"",
        "1.2.0.192.in-addr.arpa PTR host.test",
        "svc.test HTTPS 1 . alpn=h2",
    ];
    let local: String = local.iter().map(|line| format!("  local-data: '{line}'\n")).collect();
    format!(
        "server:\n  interface: 127.0.0.1@PORT\n  username: \"\"\n  chroot: \"\"\n  directory: \"FOLDER\"\n\
         \x20 pidfile: \"FOLDER/pid\"\n  use-syslog: no\n  do-daemonize: no\n  root-hints: \"\"\n\
         \x20 local-zone: \"test.\" static\n  local-zone: \"2.0.192.in-addr.arpa.\" static\n{local}{long}{more}\
         remote-control:\n  control-enable: no\n"
    )
}

#[test]
fn o4_unbound_is_understood() {
    let conf = unbound_conf("");
    let arguments = ["-d", "-p", "-c", "FOLDER/conf"];
    let Some(peer) = Peer::start("unbound", &[("conf", &conf)], &arguments) else { return };
    peer.check_common();
    assert_eq!(peer.data("svc.test", "HTTPS"), ["1 . alpn=\"h2\""]);
}

#[test]
#[cfg(feature = "tls")]
fn o4_unbound_is_understood_over_tls() {
    let authority = crate::support::tls::Authority::new("Test CA");
    let papers = authority.papers("localhost");
    let tls_port = free_port();
    let more = format!(
        "  interface: 127.0.0.1@{tls_port}\n  tls-port: {tls_port}\n  tls-service-key: \"FOLDER/key\"\n  tls-service-pem: \"FOLDER/chain\"\n"
    );
    let conf = unbound_conf(&more);
    let files = [("conf", conf.as_str()), ("key", &papers.key), ("chain", &papers.chain)];
    let Some(_peer) = Peer::start("unbound", &files, &["-d", "-p", "-c", "FOLDER/conf"]) else {
        return;
    };
    let server: DnsServer = format!("tls://127.0.0.1:{tls_port}#localhost").parse().unwrap();
    run(async |event_loop| {
        let client = DnsClient::builder().servers([server]).tls(authority.client());
        let client = client.build(&event_loop).unwrap();
        let long = client.query("long.test", RecordType::Txt).await.unwrap();
        assert_eq!((long.records.len(), long.exchange.truncated), (8, false));
        assert_eq!(long.exchange.transport, Some(DnsTransport::Tls));
        let error = client.query("nothing.test", RecordType::A).await.unwrap_err();
        assert_eq!(error.kind, DnsErrorKind::NxDomain);
    });
}
