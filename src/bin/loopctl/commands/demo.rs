//! `loopctl demo`: a dual-stack host on loopback that misbehaves, raced for real.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use loopctl::listen;
use loopctl::plan::{Host, Port, Target};

use super::connect;
use crate::cli::{DemoArgs, GlobalArgs};
use crate::config::TargetRequest;
use crate::config::environment::Environment;
use crate::config::{ConnectRequest, Format, RaceRequest};
use crate::exit::Exit;
use crate::output::printer;
use crate::util::full_backlog::fill;
use crate::util::message::Message;

const REFUSES: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WORKS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Stands in for the silent IPv6 address where this machine has no IPv6.
const NO_IPV6: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

pub(crate) fn run(args: &DemoArgs, global: &GlobalArgs, env: &Environment) -> Exit {
    let mut race = RaceRequest::new(&args.race, global);
    if args.probe.all {
        race.policy.probe(args.race.max_parallel);
    }
    let mut request = ConnectRequest::of(Vec::new(), race, global, env);
    let style = request.output.stderr;
    let host = match DemoHost::new() {
        Ok(host) => host,
        Err(error) => {
            let text = format!("cannot set up the demo host on loopback: {error}");
            Message::error(text).print(style);
            return Exit::CannotBind;
        }
    };
    if request.output.format == Format::Human {
        let introduced = printer::print(introduction(host.silent).as_bytes(), style);
        if introduced != Exit::Success {
            return introduced;
        }
    }
    request.targets.push(host.target());
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

    fn target(&self) -> TargetRequest {
        TargetRequest {
            text: format!("demo.test:{}", self.port),
            target: Target::Tcp(Host::from("demo.test"), Port::Number(self.port)),
            pinned: Some(vec![self.silent, REFUSES, WORKS]),
        }
    }
}

fn introduction(silent: IpAddr) -> String {
    let note = match silent {
        NO_IPV6 => "\n(no IPv6 on this machine: 127.0.0.3 plays the silent address)",
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
