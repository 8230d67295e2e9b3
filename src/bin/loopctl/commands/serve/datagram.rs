//! `--udp`: every datagram is answered, or not, by itself.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use loopctl::plan::{SocketKind, Target};
use loopctl::{Address, CreateDatagram, DatagramProtocol, DatagramTransport};

use super::modes::{date, generated_lines};
use super::refusal::{Refusal, unbound};
use super::session::Session;
use super::sink::Store;
use crate::config::{Place, Service};
use crate::report::served::{Bytes, Datagram, Trouble};
use crate::util::output_queue::Spool;

/// RFC 864: a datagram of up to so many characters.
const MOST_GENERATED: usize = 512;

/// One endpoint of the server.
struct Endpoint {
    session: Rc<Session>,
}

impl Session {
    /// An endpoint on each address of a place.
    pub(super) async fn serve_datagrams(
        self: &Rc<Self>,
        place: &Place,
    ) -> Result<Vec<DatagramTransport>, Refusal> {
        let sharing = self.request.listen.sharing;
        let create = || self.event_loop.create_datagram_endpoint().reuse_port(sharing.reuse_port);
        if let Target::Unix(path) = &place.target {
            return Ok(vec![self.open(&place.text, create().local_path(path)).await?]);
        }
        let mut endpoints: Vec<DatagramTransport> = Vec::new();
        for mut address in self.addresses_of(place, SocketKind::Datagram).await? {
            let first = endpoints.first().and_then(|first| first.local_addr()?.as_inet());
            if let (true, Some(first)) = (sharing.same_port, first) {
                address.set_port(first.port());
            }
            endpoints.push(self.open(&place.text, create().local_addr(address)).await?);
        }
        Ok(endpoints)
    }

    pub(super) async fn serve_datagrams_on(
        self: &Rc<Self>,
        name: &str,
        socket: impl Into<OwnedFd>,
    ) -> Result<DatagramTransport, Refusal> {
        self.open(name, self.event_loop.create_datagram_endpoint().socket(socket)).await
    }

    async fn open(
        self: &Rc<Self>,
        place: &str,
        endpoint: CreateDatagram,
    ) -> Result<DatagramTransport, Refusal> {
        let protocol = Endpoint { session: Rc::clone(self) };
        let opened = endpoint.open(|| protocol).await;
        opened.map(|pair| pair.transport).map_err(|error| unbound(place, &error.to_string()))
    }
}

impl Session {
    /// Where what is said or kept cannot be written as fast, the system keeps datagrams, as far as it does.
    fn hold_up(self: &Rc<Self>, from: &DatagramTransport) {
        if from.is_reading() && self.spools().iter().any(Spool::is_full) {
            from.pause_reading();
            let (session, from) = (Rc::clone(self), from.clone());
            self.event_loop.create_task(async move {
                session.room().await;
                from.resume_reading();
            });
        }
    }
}

impl Endpoint {
    /// `None` where the mode has nothing to say.
    fn answer(&self, data: &[u8]) -> Option<Vec<u8>> {
        match self.session.request.service {
            Service::Echo => Some(data.to_vec()),
            Service::Daytime => Some(date().into_bytes()),
            Service::Chargen => {
                let count = self.session.random(0..=MOST_GENERATED);
                Some(generated_lines()[..count].to_vec())
            }
            _ => None,
        }
    }
}

impl DatagramProtocol for Endpoint {
    fn connection_made(&mut self, transport: &DatagramTransport) {
        if self.session.is_blackhole() {
            transport.pause_reading();
        }
    }

    fn datagram_received(
        &mut self,
        transport: &DatagramTransport,
        data: &[u8],
        from: Option<&Address>,
    ) {
        let inet = from.and_then(Address::as_inet);
        if !self.session.count_datagram(inet) {
            return;
        }
        let is_allowed = self.session.allows(inet);
        let answer = self.answer(data).filter(|_| is_allowed);
        let shared = self.session.store().and_then(Store::shared);
        if let (true, Some(parcel)) = (is_allowed, shared) {
            parcel.push(data);
        }
        self.session.hold_up(transport);
        let bytes = Bytes { received: data.len() as u64, sent: 0 };
        let mut datagram = Datagram { peer: from.cloned(), bytes, is_allowed, error: None };
        let (session, transport) = (Rc::clone(&self.session), transport.clone());
        let reply = move || {
            if let Some(answer) = answer {
                match transport.send_to(&answer, datagram.peer.as_ref()) {
                    Ok(()) => datagram.bytes.sent = answer.len() as u64,
                    Err(error) => datagram.error = Some(Trouble::from(&error)),
                }
            }
            session.end_datagram(&datagram);
        };
        match self.session.draw().and_then(|plan| plan.delay()) {
            Some(delay) => drop(self.session.event_loop.call_later(delay, reply)),
            None => reply(),
        }
    }

    /// What the network said of an earlier answer: nobody was there to take it.
    fn error_received(&mut self, _: &DatagramTransport, error: std::io::Error) {
        self.session.teller.borrow_mut().remark(&format!("an answer was refused: {error}"));
    }
}
