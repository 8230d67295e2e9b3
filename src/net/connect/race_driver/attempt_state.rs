//! One attempt, from its start to its outcome.

use std::time::Instant;

#[cfg(feature = "tls")]
use super::tls_handshake::TlsHandshake;
use crate::net::connect::attempt::Attempt;
use crate::net::connect::outcome::Winner;
use crate::net::{AttemptError, Phase, SocketSnapshot};

pub(super) enum AttemptState {
    Connecting(Attempt),
    /// TCP is up, and TLS is what decides.
    #[cfg(feature = "tls")]
    TlsHandshake(Box<TlsHandshake>),
    /// It has reached all that it had to. What is not taken from here is closed.
    Ready(Winner),
    Failed(AttemptError),
    /// Given up.
    Canceled,
}

impl AttemptState {
    /// Since when, and how far it is.
    pub(super) fn under_way(&self) -> Option<(Instant, Phase)> {
        match self {
            Self::Connecting(attempt) => Some((attempt.started, Phase::Connect)),
            #[cfg(feature = "tls")]
            Self::TlsHandshake(handshake) => Some((handshake.started, Phase::Tls)),
            Self::Ready(_) | Self::Failed(_) | Self::Canceled => None,
        }
    }

    /// What its socket says of itself, while it is under way.
    pub(super) fn snapshot(&self) -> SocketSnapshot {
        match self {
            Self::Connecting(attempt) => attempt.snapshot(),
            #[cfg(feature = "tls")]
            Self::TlsHandshake(handshake) => handshake.snapshot(),
            Self::Ready(_) | Self::Failed(_) | Self::Canceled => SocketSnapshot::default(),
        }
    }

    pub(super) fn into_error(self) -> Option<AttemptError> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}
