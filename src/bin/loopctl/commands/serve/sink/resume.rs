//! What a sink with `--resume` and its client say to each other, besides the file. `sendfile/resume.rs` has the
//! other half.
//!
//! 1. The sink: `loopctl-sink 2 SIZE SUM`: so much it has in FILE.part, and this is the checksum of that.
//! 2. The client: `loopctl-send 2 OFFSET TOTAL`: it goes on at OFFSET, which is SIZE, and the file is TOTAL bytes
//!    long. The bytes from OFFSET on follow, then the end of its stream.
//! 3. The sink, once all is stored: the first line again, of the whole.
//!
//! SUM is `sha256:HEX` or `blake3:HEX`. A client that begins otherwise, or ends before TOTAL, has sent no file.

use super::received_file::Parcel;
use super::refused;
use crate::commands::serve::client::Client;
use crate::commands::serve::conn::{Input, Output};
use crate::report::served::{End, Halt};

/// How the client's line begins.
const GREETING: &[u8] = b"loopctl-send 2 ";

/// Two numbers of 64 bits and the line feed come after it.
const LONGEST: usize = GREETING.len() + 2 * 20 + 2;

/// What a client has announced.
pub(super) struct Announced {
    /// The size of the whole.
    pub(super) total: u64,
    /// What has come of it already.
    pub(super) early: Vec<u8>,
}

/// What the sink says of what it has.
pub(super) fn line(parcel: &Parcel) -> String {
    let sum = parcel.sum().map_or_else(|| "-".to_owned(), |sum| sum.to_string());
    format!("loopctl-sink 2 {} {sum}\n", parcel.bytes())
}

/// The first two lines.
pub(super) async fn agree(
    client: &Client,
    input: &mut Input,
    output: &mut Output,
    parcel: &Parcel,
) -> Result<Announced, Halt> {
    output.write(line(parcel).as_bytes()).await?;
    let mut said = Vec::new();
    let end = loop {
        let begin = said.len().min(GREETING.len());
        let is_ours = said[..begin] == GREETING[..begin];
        match said.iter().position(|byte| *byte == b'\n') {
            Some(end) if is_ours => break end,
            _ if !is_ours || said.len() > LONGEST => return Err(stranger(client)),
            _ => {}
        }
        let more = input.read().await?;
        if more.is_empty() {
            let text = "the client left without a word";
            return Err(refused(client, End::Truncated, text));
        }
        said.extend(more);
    };
    let early = said.split_off(end + 1);
    match parse(&said[GREETING.len()..end]) {
        Some((offset, total)) if offset == parcel.bytes() && offset <= total => {
            Ok(Announced { total, early })
        }
        _ => Err(stranger(client)),
    }
}

fn parse(numbers: &[u8]) -> Option<(u64, u64)> {
    let (offset, total) = str::from_utf8(numbers).ok()?.split_once(' ')?;
    Some((offset.parse().ok()?, total.parse().ok()?))
}

/// Its bytes may be a file, but nobody knows of which place in it.
fn stranger(client: &Client) -> Halt {
    let text =
        "the client does not resume, as `loopctl sendfile --resume` does; nothing of it was kept";
    refused(client, End::Error, text)
}

/// The client has finished before it was through.
pub(super) fn incomplete(client: &Client, bytes: u64, total: u64) -> Halt {
    refused(client, End::Truncated, &format!("the file ended after {bytes} of {total} bytes"))
}

/// More came than was announced.
pub(super) fn excess(client: &Client, total: u64) -> Halt {
    refused(client, End::Error, &format!("more came than the {total} bytes that were announced"))
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
