//! Progress of a transport towards its end, common to stream connections, pipes, datagrams and children.

/// The number of refused writes from which each one is logged: asyncio's `LOG_THRESHOLD_FOR_CONNLOST_WRITES`.
pub(crate) const LOG_THRESHOLD_FOR_CLOSED_WRITES: u8 = 5;

/// Lifecycle of a transport. It only moves forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CloseState {
    #[default]
    Open,
    /// Stream connections only: a send has failed. Received data is still delivered, then `connection_lost`
    /// is called.
    WriteFailed,
    /// `close` was called: queued data is still sent, then `connection_lost` is called. A stream connection
    /// that is aborted empties its queue and enters this state as well.
    Closing,
    /// Pipes, datagrams and children only: `abort` was called or an error occurred. Queued data is dropped;
    /// `connection_lost` is called in the next turn.
    Aborted,
    /// `connection_lost` has been called, or the loop was closed.
    Closed,
}

impl CloseState {
    /// The state as `Debug` of a transport prints it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::WriteFailed | Self::Closing | Self::Aborted => "closing",
            Self::Closed => "closed",
        }
    }
}
