//! `loopctl sendfile`: sends a file over a connection that `connect` has opened.

mod acknowledged;
mod checksum;
mod input;
mod resume;
mod transfer;

pub(crate) use input::Input;
pub(crate) use transfer::Transfer;

use crate::report::transfer::TransferReport;

impl TransferReport {
    /// Report of a transfer that has not started yet.
    pub(crate) fn of(file: String, input: &Input) -> Self {
        let (offset, wanted, is_part) = (input.offset, input.wanted(), input.is_part());
        Self { offset, wanted, is_part, ..Self::new(file) }
    }
}
