//! Prediction of a race as plain data.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::plan::Reason;

/// Predicted attempts and end of a race that was not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prediction {
    /// Attempt starts, as far as they are certain.
    pub(crate) starts: Vec<PredictedStart>,
    /// End of the certain part; `None` if all of it is certain.
    pub(crate) certain_until: Option<Duration>,
    /// Start of the first attempt to an address that was not measured.
    pub(crate) unmeasured_at: Option<Duration>,
    /// End of the race if silent peers stay silent; `None` if it is unknown.
    pub(crate) end: Option<PredictedEnd>,
}

/// Predicted start of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PredictedStart {
    pub(crate) to: SocketAddr,
    pub(crate) at: Duration,
    pub(crate) reason: Reason,
}

/// Predicted end of a race, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PredictedEnd {
    pub(crate) after: Duration,
    pub(crate) how: PredictedResult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PredictedResult {
    Connects(SocketAddr),
    /// No address was found.
    NotResolved,
    AllFail,
    /// Connected to this address, without TLS.
    NoTls(SocketAddr),
}

impl Prediction {
    pub(crate) fn nothing(end: Option<PredictedEnd>) -> Self {
        Self { starts: Vec::new(), certain_until: None, unmeasured_at: None, end }
    }

    /// End of the race, if certain.
    pub(crate) fn certain(&self) -> Option<PredictedEnd> {
        self.end.filter(|_| self.certain_until.is_none())
    }

    /// Address and time of the connection, if certain.
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
