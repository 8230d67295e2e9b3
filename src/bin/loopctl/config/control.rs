//! The request of `loopctl control`.

use std::path::PathBuf;

use super::fault::FaultArg;
use crate::cli::{ControlAction, ControlArgs};
use crate::util::message::Message;

/// A request to a running server.
#[derive(Debug)]
pub(crate) struct ControlRequest {
    pub(crate) path: PathBuf,
    /// `None`: the faults are shown as they are.
    pub(crate) faults: Option<Vec<String>>,
}

impl ControlRequest {
    /// # Errors
    /// Faults without `set`.
    pub(crate) fn new(args: ControlArgs) -> Result<Self, Message> {
        let faults = match args.action {
            ControlAction::Set => Some(args.faults),
            ControlAction::Get if args.faults.is_empty() => None,
            ControlAction::Get => {
                return Err(Message::error("get has no FAULT: write set to replace the faults"));
            }
        };
        // The server judges them as well, by its mode and addresses.
        for fault in faults.iter().flatten() {
            fault
                .parse::<FaultArg>()
                .map_err(|error| Message::error(format!("`{fault}` is not a fault: {error}")))?;
        }
        Ok(Self { path: args.socket, faults })
    }
}
