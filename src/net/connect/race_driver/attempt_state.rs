//! State of one attempt, from its start to its outcome.

use std::time::Instant;

#[cfg(feature = "tls")]
use super::tls_handshake::TlsHandshake;
use crate::net::connect::attempt::Attempt;
use crate::net::connect::outcome::Winner;
use crate::net::{AttemptError, Phase, SocketSnapshot};

pub(super) enum AttemptState {
    Connecting(Attempt),
    /// TCP is connected and the TLS handshake decides.
    #[cfg(feature = "tls")]
    TlsHandshake(Box<TlsHandshake>),
    /// The attempt has succeeded. A connection that is not taken from here is closed.
    Ready(Winner),
    Failed(AttemptError),
    /// Given up.
    Canceled,
}

impl AttemptState {
    /// Start time and phase of an attempt in progress.
    pub(super) fn in_progress(&self) -> Option<(Instant, Phase)> {
        match self {
            Self::Connecting(attempt) => Some((attempt.started, Phase::Connect)),
            #[cfg(feature = "tls")]
            Self::TlsHandshake(handshake) => Some((handshake.started, Phase::Tls)),
            Self::Ready(_) | Self::Failed(_) | Self::Canceled => None,
        }
    }

    /// Socket statistics of an attempt in progress.
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
