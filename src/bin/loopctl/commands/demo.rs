//! `loopctl demo`: a dual-stack host on loopback that misbehaves, raced for real.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;

use loopctl::listen;
use loopctl::plan::{Host, Port, Target};

use super::connect;
use crate::config::{ConnectRequest, Format, RaceRequest, TargetRequest};
use crate::exit::{Exit, FatalError};
use crate::output::writer;
use crate::util::full_backlog::fill;

const REFUSES: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WORKS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Silent address where this machine has no IPv6.
const NO_IPV6: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// Sets up the host, prints a description, and connects.
pub(crate) fn run(mut request: ConnectRequest) -> Result<Exit, FatalError> {
    let host = DemoHost::new().map_err(|error| {
        let error = format!("cannot set up the demo host on loopback: {error}");
        FatalError::new(Exit::CannotBind, error)
    })?;
    if request.output.format == Format::Human {
        writer::print(introduction(host.silent).as_bytes())?;
    }
    request.targets.push(host.target(&request.race));
    connect::run(request)
}

/// A host with three addresses on one port. It lives as long as its listeners.
struct DemoHost {
    silent: IpAddr,
    port: u16,
    _listeners: [TcpListener; 2],
    _fillers: Vec<TcpStream>,
}

impl DemoHost {
    /// A port may be taken on one of the addresses, so a few are tried.
    fn new() -> io::Result<Self> {
        const TRIES: usize = 16;
        let silent = match listen(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0), 0) {
            Ok(_) => Ipv6Addr::LOCALHOST.into(),
            Err(_) => NO_IPV6,
        };
        let mut result = Self::on_some_port(silent);
        for _ in 1..TRIES {
            if result.is_ok() {
                break;
            }
            result = Self::on_some_port(silent);
        }
        result
    }

    fn on_some_port(silent: IpAddr) -> io::Result<Self> {
        let working = listen(SocketAddr::new(WORKS, 0), 128)?;
        let port = working.local_addr()?.port();
        drop(TcpListener::bind((REFUSES, port))?);
        let dead = listen(SocketAddr::new(silent, port), 0)?;
        let fillers = fill(dead.local_addr()?)?;
        Ok(Self { silent, port, _listeners: [working, dead], _fillers: fillers })
    }

    fn target(&self, race: &Rc<RaceRequest>) -> TargetRequest {
        TargetRequest {
            text: format!("demo.test:{}", self.port),
            target: Target::Tcp(Host::from("demo.test"), Port::Number(self.port)),
            pinned: Some([self.silent, REFUSES, WORKS].map(|ip| SocketAddr::new(ip, 0)).to_vec()),
            http: None,
            race: Rc::clone(race),
        }
    }
}

fn introduction(silent: IpAddr) -> String {
    let note = match silent {
        NO_IPV6 => "\n(no IPv6 on this machine: 127.0.0.3 is the silent address)",
        _ => "",
    };
    format!(
        "demo.test is this machine: {silent} never answers, {REFUSES} refuses, {WORKS} works{note}\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::Golden;

    #[test]
    fn golden_introduction() {
        let mut golden = Golden::default();
        golden.section("human", &introduction(Ipv6Addr::LOCALHOST.into()));
        golden.section("human, without IPv6", &introduction(NO_IPV6));
        golden.assert("demo/introduction.txt");
    }
}
