//! Predicted course of a race, as plain data.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::plan::Reason;

/// Predicted course of a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prediction {
    /// As far as they are certain.
    pub(crate) starts: Vec<PredictedStart>,
    /// Nothing is certain after this; `None`: all of it is.
    pub(crate) certain_until: Option<Duration>,
    /// End of the race if silence lasts; `None` if it is unknown.
    pub(crate) end: Option<PredictedEnd>,
}

/// An attempt that starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PredictedStart {
    pub(crate) to: SocketAddr,
    pub(crate) at: Duration,
    pub(crate) why: Reason,
}

/// How a race ends, and after which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PredictedEnd {
    pub(crate) after: Duration,
    pub(crate) how: PredictedResult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PredictedResult {
    Connects(SocketAddr),
    /// There is no address.
    NotResolved,
    AllFail,
    /// There is a connection to this address, and no TLS over it.
    NoTls(SocketAddr),
}

impl Prediction {
    pub(crate) fn nothing(end: Option<PredictedEnd>) -> Self {
        Self { starts: Vec::new(), certain_until: None, end }
    }

    /// How it ends, where that is certain.
    pub(crate) fn certain(&self) -> Option<PredictedEnd> {
        self.end.filter(|_| self.certain_until.is_none())
    }

    /// The address of the connection, and when it is there, where that is certain.
    pub(crate) fn connection(&self) -> Option<(SocketAddr, Duration)> {
        let end = self.certain()?;
        Some((end.to()?, end.after))
    }
}

impl PredictedEnd {
    /// The address of the connection.
    pub(crate) fn to(self) -> Option<SocketAddr> {
        match self.how {
            PredictedResult::Connects(to) => Some(to),
            PredictedResult::NotResolved | PredictedResult::AllFail | PredictedResult::NoTls(_) => {
                None
            }
        }
    }
}
