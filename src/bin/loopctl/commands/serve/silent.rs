//! `--fault backlog`: listeners that nobody accepts from.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use loopctl::listen;
use loopctl::plan::SocketKind;

use super::refusal::{Refusal, unavailable};
use super::session::Session;
use crate::config::Place;
use crate::config::fault::Fault;
use crate::util::full_backlog::fill;

/// A queue of connections that stay there.
pub(super) struct Silent {
    listener: TcpListener,
    /// What fills it.
    _fillers: Vec<TcpStream>,
}

impl Silent {
    /// Lets so many clients into the queue; without a number, none.
    fn new(address: SocketAddr, room: Option<u32>) -> io::Result<Self> {
        // The kernel lets in one more than it is told.
        let listener = listen(address, room.unwrap_or(0).saturating_sub(1))?;
        let is_full = room.is_none_or(|room| room == 0);
        let fillers = if is_full { fill(listener.local_addr()?)? } else { Vec::new() };
        Ok(Self { listener, _fillers: fillers })
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }
}

impl Session {
    /// How many clients may wait for ever, if that was asked for.
    pub(super) fn never_accepts(&self) -> Option<Option<u32>> {
        self.request.faults.faults.iter().find_map(|arg| match arg.fault {
            Fault::Backlog(room) => Some(room),
            _ => None,
        })
    }

    /// Such a listener on each address of a place.
    pub(super) async fn be_silent(
        &self,
        place: &Place,
        room: Option<u32>,
    ) -> Result<Vec<Silent>, Refusal> {
        let mut silent: Vec<Silent> = Vec::new();
        for mut address in self.addresses_of(place, SocketKind::Stream).await? {
            if let (true, Some(first)) = (self.request.listen.sharing.same_port, silent.first()) {
                address.set_port(first.address().map_or(0, |first| first.port()));
            }
            let one = Silent::new(address, room);
            silent.push(one.map_err(|error| unavailable(&place.text, &address.into(), &error))?);
        }
        Ok(silent)
    }
}
