//! The lines between `sendfile --resume` and a sink with `--resume`; `serve/sink/resume.rs` has the other half.

use std::io;

use loopctl::{Failure, StreamReader, StreamWriter};

use super::input::Input;
use crate::report::transfer::{Difference, TransferError};
use crate::util::checksum::Sum;

/// How a sink begins that resumes, of whatever version.
pub(super) const GREETING: &[u8] = b"loopctl-sink ";

/// What a sink has, by its own account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) size: u64,
    pub(super) sum: Sum,
}

/// What the sink has of an earlier transfer: its first words.
pub(super) async fn offer(reader: &mut StreamReader) -> Result<Held, TransferError> {
    match line(reader).await {
        Ok(Some(line)) => Held::parse(&line).ok_or_else(|| TransferError::Protocol(strange(&line))),
        Ok(None) => {
            let text = "it closed the connection instead of telling how much it has";
            Err(TransferError::Protocol(eof(text)))
        }
        Err(error) => Err(TransferError::Protocol(Failure::from(&error))),
    }
}

/// Says where it goes on, and how long the file is: less than that is no whole file.
pub(super) fn announce(writer: &mut StreamWriter, input: &Input) {
    let (offset, total) = (input.offset, input.size().unwrap_or(0));
    writer.write(format!("loopctl-send 2 {offset} {total}\n").as_bytes());
}

/// What the sink has stored: its last words.
pub(super) async fn receipt(reader: &mut StreamReader) -> Result<Held, TransferError> {
    match line(reader).await {
        Ok(Some(line)) => {
            Held::parse(&line).ok_or_else(|| TransferError::Unconfirmed(strange(&line)))
        }
        Ok(None) => {
            let text = "it closed the connection before it said so";
            Err(TransferError::Unconfirmed(eof(text)))
        }
        Err(error) => Err(TransferError::Unconfirmed(Failure::from(&error))),
    }
}

impl Held {
    /// `loopctl-sink 2 SIZE ALGORITHM:HEX`
    fn parse(line: &str) -> Option<Self> {
        let ["loopctl-sink", "2", size, sum] = line.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Self { size: size.parse().ok()?, sum: sum.parse().ok()? })
    }

    /// Whether so many bytes are what the sink has, and if that was asked for, with this sum.
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

    /// Whether the part that the sink has is how the file begins.
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

/// `None` where the peer has finished instead.
async fn line(reader: &mut StreamReader) -> io::Result<Option<String>> {
    let line = reader.read_line().await?;
    let is_whole = line.last() == Some(&b'\n');
    Ok(is_whole.then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

fn eof(text: &str) -> Failure {
    Failure::from(&io::Error::new(io::ErrorKind::UnexpectedEof, text))
}

fn strange(line: &str) -> Failure {
    let shown: String = line.chars().take(60).flat_map(char::escape_debug).collect();
    let error = io::Error::new(io::ErrorKind::InvalidData, format!("it said `{shown}`"));
    Failure::from(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(digit: &str) -> String {
        format!("sha256:{}", digit.repeat(64))
    }

    #[test]
    fn what_a_sink_holds_is_compared() {
        let held = |size| Held { size, sum: sum("a").parse().unwrap() };
        let (same, other) = (sum("a").parse().unwrap(), sum("b").parse().unwrap());
        assert!(held(5).check_beginning(&same).is_ok());
        let asked = |sum: &Sum| Some(Some(sum.clone()));
        assert!(held(5).check(5, asked(&same)).is_ok() && held(5).check(5, None).is_ok());
        for (size, sum) in [(4, asked(&same)), (4, None), (5, asked(&other)), (5, Some(None))] {
            assert!(matches!(held(size).check(5, sum), Err(TransferError::Differs(_))), "{size}");
        }
        assert!(matches!(held(5).check_beginning(&other), Err(TransferError::Differs(_))));
    }

    #[test]
    fn nothing_else_is_taken_for_the_word_of_a_sink() {
        let said = format!("loopctl-sink 2 5 {}", sum("a"));
        assert_eq!(Held::parse(&said).unwrap().size, 5);
        for said in [
            format!("loopctl-sink 1 5 {}", sum("a")),
            format!("loopctl-sink 2 -5 {}", sum("a")),
            format!("{said} "),
            said[..said.len() - 1].to_owned(),
            "loopctl-sink 2 5".to_owned(),
            "loopctl-sink 2 5 -".to_owned(),
            said.replace("sha256", "md5"),
        ] {
            assert_eq!(Held::parse(&said), None, "{said}");
        }
    }
}
