//! Report of `--relay`.

use std::time::Duration;

use loopctl::Failure;

use crate::util::cancellation::StopReason;

/// Bytes relayed in each direction, and the end of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelayReport {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) took: Duration,
    pub(crate) end: RelayEnd,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RelayEnd {
    /// The peer closed the connection.
    Eof,
    Interrupted(StopReason),
    /// The reader of standard output closed it.
    OutputClosed,
    Failed(RelayError),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RelayError {
    Input(Failure),
    Output(Failure),
    Reset(Failure),
    Receive(Failure),
    Send(Failure),
    /// No data in either direction for this long.
    Idle(Duration),
}
