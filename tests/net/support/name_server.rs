//! A name server that does what a test tells it to. Its messages are made by hand, byte by byte, so that the
//! library's codec is not its own judge.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use loopctl::plan::DnsTransport;
use loopctl::{DnsClient, DnsClientBuilder, DnsServer};

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const AAAA: u16 = 28;

const HEADER: usize = 12;
const OPT: usize = 11;

/// A question as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// In lower case, with the dot at the end.
    pub(crate) name: String,
    pub(crate) kind: u16,
    pub(crate) is_tcp: bool,
    /// How often this has been asked in this way, this time included.
    pub(crate) time: usize,
    pub(crate) from: SocketAddr,
    pub(crate) message: Vec<u8>,
}

impl Asked {
    pub(crate) fn id(&self) -> u16 {
        u16::from_be_bytes([self.message[0], self.message[1]])
    }

    pub(crate) fn has_edns(&self) -> bool {
        self.message[11] == 1
    }

    fn question(&self) -> &[u8] {
        let edns = if self.has_edns() { OPT } else { 0 };
        &self.message[HEADER..self.message.len() - edns]
    }

    /// NOERROR, and nothing else yet.
    pub(crate) fn answer(&self) -> Answer {
        let id = self.message[..2].try_into().unwrap();
        let question = self.question().to_vec();
        Answer { id, flags: 0x8180, question, counts: [1, 0, 0, 0], records: Vec::new() }
    }

    pub(crate) fn rcode(&self, code: u16) -> Answer {
        self.answer().flags(code)
    }
}

/// A message under construction.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    id: [u8; 2],
    flags: u16,
    question: Vec<u8>,
    counts: [u16; 4],
    records: Vec<u8>,
}

impl Answer {
    /// A record in the answer (1), the authority (2) or the additional section (3). `name` is in wire format.
    pub(crate) fn raw(
        mut self,
        section: usize,
        name: &[u8],
        kind: u16,
        ttl: u32,
        data: &[u8],
    ) -> Self {
        self.counts[section] += 1;
        self.records.extend_from_slice(name);
        self.records.extend_from_slice(&kind.to_be_bytes());
        self.records.extend_from_slice(&1_u16.to_be_bytes());
        self.records.extend_from_slice(&ttl.to_be_bytes());
        self.records.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        self.records.extend_from_slice(data);
        self
    }

    /// A record of the name that was asked for, which is a pointer to the question.
    pub(crate) fn record(self, kind: u16, ttl: u32, data: &[u8]) -> Self {
        self.raw(1, &[0xc0, 12], kind, ttl, data)
    }

    pub(crate) fn a(self, ttl: u32, address: [u8; 4]) -> Self {
        self.record(A, ttl, &Ipv4Addr::from(address).octets())
    }

    pub(crate) fn aaaa(self, ttl: u32, address: &str) -> Self {
        self.record(AAAA, ttl, &address.parse::<Ipv6Addr>().unwrap().octets())
    }

    pub(crate) fn truncated(self) -> Self {
        self.flags(0x0200)
    }

    /// More bits of the header's second word.
    pub(crate) fn flags(mut self, bits: u16) -> Self {
        self.flags |= bits;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.flags.to_be_bytes());
        bytes.extend(self.counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend_from_slice(&self.question);
        bytes.extend_from_slice(&self.records);
        bytes
    }
}

/// A name in wire format.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// What the server does about a question, in this order.
pub(crate) enum Act {
    Send(Vec<u8>),
    /// From another port.
    Stray(Vec<u8>),
    /// The rest happens later, while other questions are answered.
    Wait(Duration),
    /// Closes the connection.
    HangUp,
}

pub(crate) fn send(answer: Answer) -> Vec<Act> {
    vec![Act::Send(answer.bytes())]
}

type Script = dyn Fn(&Asked) -> Vec<Act> + Send + Sync;

/// Listens on one port, over UDP and TCP.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    script: Box<Script>,
    udp: UdpSocket,
    asked: Mutex<Vec<Asked>>,
    times: Mutex<HashMap<(String, u16, bool), usize>>,
    is_over: AtomicBool,
}

impl NameServer {
    pub(crate) fn new(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::on(both_sockets(), script)
    }

    pub(crate) fn on(
        (udp, tcp): (UdpSocket, TcpListener),
        script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        udp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = udp.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            udp,
            asked: Mutex::default(),
            times: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let (by_udp, by_tcp) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            Builder::new().spawn(move || by_udp.serve_datagrams()).unwrap(),
            Builder::new().spawn(move || by_tcp.serve_connections(&tcp)).unwrap(),
        ];
        Self { address, shared, threads }
    }

    /// Says nothing.
    pub(crate) fn silent() -> Self {
        Self::new(|_| Vec::new())
    }

    pub(crate) fn over(&self, transport: DnsTransport) -> DnsServer {
        DnsServer::new(transport, self.address)
    }

    /// Every question so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// A client of this server alone.
    pub(crate) fn client(&self) -> DnsClientBuilder {
        DnsClient::builder().servers([self.over(DnsTransport::Udp)])
    }
}

/// One port for both.
pub(crate) fn both_sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for UDP and TCP alike");
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Ends the wait for a connection.
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            // The panic of a script must fail the test, but not while the test fails already.
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the name server panicked");
        }
    }
}

impl Shared {
    fn serve_datagrams(self: Arc<Self>) {
        let mut buffer = [0; 2048];
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok((count, from)) = self.udp.recv_from(&mut buffer) else { continue };
            let acts = self.hear(&buffer[..count], from, false);
            let shared = Arc::clone(&self);
            run(acts, move |act| shared.answer_datagram(act, from));
        }
    }

    fn answer_datagram(&self, act: Act, to: SocketAddr) {
        match act {
            Act::Send(bytes) => drop(self.udp.send_to(&bytes, to)),
            Act::Stray(bytes) => {
                let other = UdpSocket::bind("127.0.0.1:0").unwrap();
                other.send_to(&bytes, to).unwrap();
            }
            Act::Wait(_) | Act::HangUp => {}
        }
    }

    fn serve_connections(self: Arc<Self>, listener: &TcpListener) {
        while let Ok((stream, from)) = listener.accept() {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let shared = Arc::clone(&self);
            Builder::new().spawn(move || shared.serve_connection(stream, from)).unwrap();
        }
    }

    fn serve_connection(&self, mut stream: TcpStream, from: SocketAddr) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut message = vec![0; u16::from_be_bytes(length).into()];
            if stream.read_exact(&mut message).is_err() {
                return;
            }
            for act in self.hear(&message, from, true) {
                match act {
                    Act::Send(bytes) | Act::Stray(bytes) => {
                        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                        let _ = stream.write_all(&[&length, bytes.as_slice()].concat());
                    }
                    Act::Wait(time) => std::thread::sleep(time),
                    Act::HangUp => drop(stream.shutdown(Shutdown::Both)),
                }
            }
        }
    }

    fn hear(&self, message: &[u8], from: SocketAddr, is_tcp: bool) -> Vec<Act> {
        let (name, kind) = question(message);
        let mut times = self.times.lock().unwrap();
        let time = times.entry((name.clone(), kind, is_tcp)).or_default();
        *time += 1;
        let asked = Asked { name, kind, is_tcp, time: *time, from, message: message.to_vec() };
        drop(times);
        self.asked.lock().unwrap().push(asked.clone());
        (self.script)(&asked)
    }
}

/// Does what comes before the first wait at once, and the rest on a thread.
fn run(acts: Vec<Act>, act_on: impl Fn(Act) + Send + 'static) {
    let mut acts = acts.into_iter();
    while let Some(act) = acts.next() {
        let Act::Wait(time) = act else {
            act_on(act);
            continue;
        };
        let later = move || {
            std::thread::sleep(time);
            for act in acts {
                match act {
                    Act::Wait(time) => std::thread::sleep(time),
                    act => act_on(act),
                }
            }
        };
        Builder::new().spawn(later).unwrap();
        return;
    }
}

fn question(message: &[u8]) -> (String, u16) {
    let (mut at, mut name) = (HEADER, String::new());
    while message[at] != 0 {
        let length = usize::from(message[at]);
        name.push_str(&String::from_utf8_lossy(&message[at + 1..=at + length]).to_lowercase());
        name.push('.');
        at += length + 1;
    }
    let name = if name.is_empty() { ".".to_owned() } else { name };
    (name, u16::from_be_bytes([message[at + 1], message[at + 2]]))
}
