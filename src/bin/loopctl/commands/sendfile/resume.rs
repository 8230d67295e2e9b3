//! Protocol of `sendfile --resume`; `serve/modes/sink/resume.rs` describes it, and is the other side.

use std::io;

use loopctl::{Failure, StreamError, StreamReader, StreamWriter};

use super::input::Input;
use crate::report::transfer::{Difference, TransferError};
use crate::util::checksum::Sum;

/// Start of the sink's line, in every version of the protocol.
pub(super) const GREETING: &[u8] = b"loopctl-sink ";

/// The sink's line: size and checksum of what it has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SinkState {
    pub(super) size: u64,
    pub(super) sum: Sum,
}

/// Reads the sink's first line: what it has of an earlier transfer.
pub(super) async fn read_offer(reader: &mut StreamReader) -> Result<SinkState, TransferError> {
    match read_line(reader).await {
        Ok(Some(line)) => {
            SinkState::parse(&line).ok_or_else(|| TransferError::NotASink(unexpected(&line)))
        }
        Ok(None) => {
            let text = "it closed the connection instead of sending the size that it has";
            Err(TransferError::NotASink(eof(text)))
        }
        Err(error) => Err(TransferError::NotASink(Failure::from(&error))),
    }
}

/// Sends the offset of the transfer and the size of the file, by which the sink knows a whole file.
/// Returns the length of the line.
pub(super) fn announce(writer: &mut StreamWriter, input: &Input) -> usize {
    let (offset, total) = (input.offset, input.size().unwrap_or(0));
    let line = format!("loopctl-send 2 {offset} {total}\n");
    let _ = writer.write(line.as_bytes());
    line.len()
}

/// Reads the sink's last line: what it has stored.
pub(super) async fn read_receipt(reader: &mut StreamReader) -> Result<SinkState, TransferError> {
    match read_line(reader).await {
        Ok(Some(line)) => {
            SinkState::parse(&line).ok_or_else(|| TransferError::Unconfirmed(unexpected(&line)))
        }
        Ok(None) => {
            let text = "it closed the connection before its receipt";
            Err(TransferError::Unconfirmed(eof(text)))
        }
        Err(error) => Err(TransferError::Unconfirmed(Failure::from(&error))),
    }
}

impl SinkState {
    /// `loopctl-sink 2 SIZE ALGORITHM:HEX`
    fn parse(line: &str) -> Option<Self> {
        let ["loopctl-sink", "2", size, sum] = line.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Self { size: size.parse().ok()?, sum: sum.parse().ok()? })
    }

    /// Compares the size, and the checksum if one was requested. `Some(None)`: requested, by another algorithm than
    /// the sink's.
    pub(super) fn check(&self, size: u64, sum: Option<Option<Sum>>) -> Result<(), TransferError> {
        if self.size != size {
            return Err(TransferError::Differs(Difference::Size { there: self.size, here: size }));
        }
        let theirs = &self.sum;
        match sum {
            Some(None) => {
                Err(TransferError::Differs(Difference::NotComparable { there: theirs.clone() }))
            }
            Some(Some(ours)) if ours != *theirs => {
                Err(TransferError::Differs(Difference::Sum { there: theirs.clone(), here: ours }))
            }
            _ => Ok(()),
        }
    }

    /// Compares the sink's part with the beginning of the file.
    pub(super) fn check_beginning(&self, sum: &Sum) -> Result<(), TransferError> {
        let size = self.size;
        match *sum == self.sum {
            true => Ok(()),
            false => Err(TransferError::Differs(Difference::Beginning {
                size,
                there: self.sum.clone(),
                here: sum.clone(),
            })),
        }
    }
}

/// `None` at the peer's end-of-file.
async fn read_line(reader: &mut StreamReader) -> io::Result<Option<String>> {
    let line = reader.read_line().await.map_err(|error| match error {
        StreamError::LimitOverrun { .. } => {
            io::Error::new(io::ErrorKind::InvalidData, "it sent 64 KiB without a line end")
        }
        error => error.into(),
    })?;
    let is_whole = line.last() == Some(&b'\n');
    Ok(is_whole.then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

fn eof(text: &str) -> Failure {
    Failure::from(&io::Error::new(io::ErrorKind::UnexpectedEof, text))
}

fn unexpected(line: &str) -> Failure {
    let shown: String = line.chars().take(60).flat_map(char::escape_debug).collect();
    Failure::from(&io::Error::new(io::ErrorKind::InvalidData, format!("it sent `{shown}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(digit: &str) -> String {
        format!("sha256:{}", digit.repeat(64))
    }

    #[test]
    fn the_sinks_state_is_compared() {
        let state = |size| SinkState { size, sum: sum("a").parse().unwrap() };
        let (same, other) = (sum("a").parse().unwrap(), sum("b").parse().unwrap());
        assert!(state(5).check_beginning(&same).is_ok());
        let asked = |sum: &Sum| Some(Some(sum.clone()));
        assert!(state(5).check(5, asked(&same)).is_ok() && state(5).check(5, None).is_ok());
        for (size, sum) in [(4, asked(&same)), (4, None), (5, asked(&other)), (5, Some(None))] {
            assert!(matches!(state(size).check(5, sum), Err(TransferError::Differs(_))), "{size}");
        }
        assert!(matches!(state(5).check_beginning(&other), Err(TransferError::Differs(_))));
    }

    #[test]
    fn other_lines_are_not_those_of_a_sink() {
        let said = format!("loopctl-sink 2 5 {}", sum("a"));
        assert_eq!(SinkState::parse(&said).unwrap().size, 5);
        for said in [
            format!("loopctl-sink 1 5 {}", sum("a")),
            format!("loopctl-sink 2 -5 {}", sum("a")),
            format!("{said} "),
            said[..said.len() - 1].to_owned(),
            "loopctl-sink 2 5".to_owned(),
            "loopctl-sink 2 5 -".to_owned(),
            said.replace("sha256", "md5"),
        ] {
            assert_eq!(SinkState::parse(&said), None, "{said}");
        }
    }
}
