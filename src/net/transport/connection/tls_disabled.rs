//! The twin of `tls_layer` in a build without the feature `tls`: a session that cannot exist.

use std::io::{self, IoSlice};
use std::rc::Rc;

use socket2::Socket;

use super::StreamTransport;
use crate::net::transport::raw_stream::ByteStream;

/// Uninhabited, so that the compiler removes every branch for TLS.
pub(super) enum Tls {}

impl Tls {
    pub(super) fn socket(&self) -> Option<&Socket> {
        match *self {}
    }

    pub(super) fn backlog(&self) -> usize {
        match *self {}
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        match *self {}
    }

    pub(super) fn holds_more(&self) -> bool {
        match *self {}
    }

    pub(super) fn give_up(&self) {
        match *self {}
    }

    pub(super) fn send_close_notify(&self) -> bool {
        match *self {}
    }
}

impl ByteStream for Tls {
    fn recv(&self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    fn has_more(&self) -> bool {
        match *self {}
    }

    fn send(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {}
    }

    fn shutdown(&self) -> io::Result<()> {
        match *self {}
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        match *self {}
    }
}

pub(super) fn is_peer_alert(_: &io::Error) -> bool {
    false
}

impl StreamTransport {
    pub(super) fn continue_handshake(self: &Rc<Self>) {}

    pub(super) fn limit_close_notify(self: &Rc<Self>) {}
}
