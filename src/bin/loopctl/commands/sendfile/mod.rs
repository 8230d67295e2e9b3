//! `loopctl sendfile`: a file on its way over a connection that `connect` has made.

mod checksum;
mod input;
mod resume;
mod transfer;

pub(crate) use input::Input;
pub(crate) use transfer::Course;

use crate::report::transfer::TransferReport;

impl TransferReport {
    /// Of a file that could be opened.
    pub(crate) fn of(file: String, input: &Input) -> Self {
        let (offset, wanted, is_part) = (input.offset, input.wanted(), input.is_part());
        Self { offset, wanted, is_part, ..Self::new(file) }
    }
}
