//! Protocol between a sink with `--resume` and its client; `sendfile/resume.rs` is the client.
//!
//! 1. Sink: `loopctl-sink 2 SIZE CHECKSUM`, size and checksum of FILE.part.
//! 2. Client: `loopctl-send 2 OFFSET TOTAL`. OFFSET equals SIZE; TOTAL is the size of the whole file. The bytes from
//!    OFFSET on follow, then end-of-file.
//! 3. Sink, once everything is stored: the first line again, of the whole file.
//!
//! CHECKSUM is `sha256:HEX` or `blake3:HEX`. Transfers that begin otherwise or end before TOTAL are rejected.

use std::io;

use crate::commands::serve::connection::Connection;
use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::PeerIo;
use crate::commands::serve::store::ReceivedFile;
use crate::report::served::EndReason;
use crate::util::message::Message;

/// Start of the client's line.
const GREETING: &[u8] = b"loopctl-send 2 ";

/// Two 64-bit numbers and the line feed follow the greeting.
const MAX_LINE: usize = GREETING.len() + 2 * 20 + 2;

/// The client's line, parsed.
pub(super) struct Announcement {
    /// Size of the whole file.
    pub(super) total: u64,
    /// Bytes of the file that arrived with the line.
    pub(super) early: Vec<u8>,
}

/// The sink's line.
pub(super) fn sink_line(file: &ReceivedFile) -> String {
    let sum = file.sum().map_or_else(|| "-".to_owned(), |sum| sum.to_string());
    format!("loopctl-sink 2 {} {sum}\n", file.bytes())
}

/// Exchanges the first two lines.
pub(super) async fn negotiate(
    io: &mut PeerIo,
    file: &ReceivedFile,
) -> Result<Announcement, Disconnect> {
    io.output.write(sink_line(file).as_bytes()).await?;
    let mut line = Vec::new();
    let end = loop {
        let compared = line.len().min(GREETING.len());
        let is_greeting = line[..compared] == GREETING[..compared];
        match line.iter().position(|byte| *byte == b'\n') {
            Some(end) if is_greeting => break end,
            _ if !is_greeting || line.len() > MAX_LINE => return Err(unknown(&io.connection)),
            _ => {}
        }
        let more = io.input.read().await?;
        if more.is_empty() {
            let text = "the client disconnected without announcing a file";
            return Err(reject(&io.connection, EndReason::Truncated, text));
        }
        line.extend(more);
    };
    let early = line.split_off(end + 1);
    match parse(&line[GREETING.len()..end]) {
        Some((offset, total)) if offset == file.bytes() && offset <= total => {
            Ok(Announcement { total, early })
        }
        _ => Err(unknown(&io.connection)),
    }
}

fn parse(numbers: &[u8]) -> Option<(u64, u64)> {
    let (offset, total) = str::from_utf8(numbers).ok()?.split_once(' ')?;
    Some((offset.parse().ok()?, total.parse().ok()?))
}

/// The client speaks another protocol. Its bytes may be a file, but their offset is unknown.
fn unknown(connection: &Connection) -> Disconnect {
    let text = "the client does not follow the protocol of `loopctl sendfile --resume`; its bytes were discarded";
    reject(connection, EndReason::Error, text)
}

pub(super) fn incomplete(connection: &Connection, bytes: u64, total: u64) -> Disconnect {
    let text = format!("the file ended after {bytes} of {total} bytes");
    reject(connection, EndReason::Truncated, &text)
}

pub(super) fn excess(connection: &Connection, total: u64) -> Disconnect {
    let text = format!("the client sent more than the {total} bytes that it announced");
    reject(connection, EndReason::Error, &text)
}

/// Refused before the first byte, so that FILE.part stays as it is.
pub(super) fn too_large(connection: &Connection, total: u64, max: u64) -> Disconnect {
    let text = format!("the client announced {total} bytes, more than --max-size {max}");
    reject(connection, EndReason::Limit, &text)
}

/// Rejects a transfer. The client gets a RST, because it would take a FIN for success.
fn reject(connection: &Connection, end: EndReason, text: &str) -> Disconnect {
    connection.reset();
    connection.context.printer.borrow().message(&Message::error(text));
    Disconnect::with_error(end, io::Error::other(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_two_numbers() {
        assert_eq!(parse(b"5 18446744073709551615"), Some((5, u64::MAX)));
        for text in ["5", "5 ", "5 6 7", "-1 6", "5 18446744073709551616", "5 6\r"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
