//! Lines and bytes of an exchange in plain text.

use std::io;

use loopctl::{PlainProtocol, StreamError, StreamReader, StreamWriter};

use crate::util::units;

/// Maximum number of lines of a reply.
pub(super) const MAX_LINES: usize = 200;

pub(super) struct Dialogue<'a> {
    pub(super) reader: &'a mut StreamReader,
    pub(super) writer: &'a mut StreamWriter,
}

impl Dialogue<'_> {
    pub(super) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.send(text.as_bytes()).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    pub(super) async fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        self.reader.read_exactly(count).await.map_err(ended)
    }

    /// The bytes that have arrived with the last ones, or that arrive next. Empty at the end of the stream.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        const MAX_BYTES: usize = 256;
        self.reader.read_some(MAX_BYTES).await.unwrap_or_default()
    }

    /// Text up to this end, with it.
    pub(super) async fn text_to(&mut self, end: &[u8]) -> io::Result<String> {
        let text = self.reader.read_until(end).await.map_err(ended)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    pub(super) async fn line(&mut self) -> io::Result<String> {
        let line = self.reader.read_until(b"\n").await.map_err(ended)?;
        Ok(units::printable(String::from_utf8_lossy(&line).trim_end()))
    }

    /// The first reply of the server, which may be that of another protocol.
    pub(super) async fn greeting(&mut self, codes: &[&str]) -> io::Result<Vec<String>> {
        self.any_reply(codes, unexpected).await
    }

    /// A reply with one of these codes.
    pub(super) async fn reply(&mut self, codes: &[&str]) -> io::Result<Vec<String>> {
        self.any_reply(codes, answered).await
    }

    /// Reads a reply of one or several lines (RFC 959, section 4.2). A hyphen after the first code marks several lines;
    /// the last line has the same code without a hyphen. A refusal is read to its end as well.
    async fn any_reply(
        &mut self,
        codes: &[&str],
        refuse: fn(&str) -> io::Error,
    ) -> io::Result<Vec<String>> {
        let mut lines = vec![self.line().await?];
        let code = lines[0].get(..3).unwrap_or_default().to_owned();
        let is_wanted = codes.contains(&code.as_str());
        let is_reply = code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
        let is_last = |line: &str| line.starts_with(&code) && line.as_bytes().get(3) != Some(&b'-');
        while is_reply && !is_last(&lines[lines.len() - 1]) {
            if lines.len() == MAX_LINES {
                return Err(refused("the server's reply is too long"));
            }
            match self.line().await {
                Ok(line) => lines.push(line),
                // Because a server may close after the first lines of its refusal.
                Err(_) if !is_wanted => break,
                Err(error) => return Err(error),
            }
        }
        if is_wanted { Ok(lines) } else { Err(refuse(&lines.join(" "))) }
    }
}

fn ended(error: StreamError) -> io::Error {
    match error {
        StreamError::Incomplete { partial, .. } if partial.is_empty() => {
            refused("the server closed the connection")
        }
        StreamError::Incomplete { partial, .. } => {
            let said = units::printable(&String::from_utf8_lossy(&partial));
            refused(format!("the server closed the connection after `{}`", shorten(&said)))
        }
        StreamError::Io(error) => error,
        error => refused(error.to_string()),
    }
}

pub(super) fn answered(line: &str) -> io::Error {
    refused(format!("the server answered `{}`", shorten(&units::printable(line))))
}

/// Error for a greeting of another protocol.
pub(super) fn unexpected(line: &str) -> io::Error {
    match PlainProtocol::of(line.as_bytes()) {
        None | Some(PlainProtocol::ReplyCode) => answered(line),
        Some(protocol) => {
            let line = shorten(&units::printable(line));
            refused(format!("the server speaks {protocol}: it answered `{line}`"))
        }
    }
}

/// Error for a greeting of another protocol that may be binary.
pub(super) fn unexpected_bytes(bytes: &[u8]) -> io::Error {
    match PlainProtocol::of(bytes) {
        Some(PlainProtocol::MySql) => refused("the server speaks MySQL"),
        _ => unexpected(String::from_utf8_lossy(bytes).lines().next().unwrap_or_default()),
    }
}

/// The part of an answer that fits a message.
fn shorten(said: &str) -> String {
    const MAX_CHARS: usize = 400;
    match said.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}...", &said[..at]),
        None => said.to_owned(),
    }
}

pub(super) fn refused(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}
