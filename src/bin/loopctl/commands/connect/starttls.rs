//! STARTTLS: the plain-text exchange of each protocol before TLS.

use std::io;
use std::net::IpAddr;

use loopctl::{StreamError, StreamReader, StreamWriter};

use crate::config::StartTls;
use crate::util::units;

/// Maximum number of lines of a reply.
const MAX_LINES: usize = 200;

type Greeting = Option<String>;

/// Runs the exchange until the peer is ready for TLS, and returns its greeting if the protocol has one.
///
/// # Errors
/// An answer that refuses TLS, or a failure of the network.
pub(super) async fn speak(
    protocol: StartTls,
    reader: &mut StreamReader,
    writer: &mut StreamWriter,
    name: &str,
) -> io::Result<Greeting> {
    let mut dialogue = Dialogue { reader, writer };
    match protocol {
        StartTls::Smtp => smtp(&mut dialogue).await,
        StartTls::Imap => imap(&mut dialogue).await,
        StartTls::Pop3 => pop3(&mut dialogue).await,
        StartTls::Ftp => ftp(&mut dialogue).await,
        StartTls::Postgres => postgres(&mut dialogue).await,
        StartTls::Ldap => ldap(&mut dialogue).await,
        StartTls::Xmpp => xmpp(&mut dialogue, name).await,
    }
}

struct Dialogue<'a> {
    reader: &'a mut StreamReader,
    writer: &'a mut StreamWriter,
}

/// RFC 3207.
async fn smtp(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let greeting = dialogue.reply("220").await?;
    // A client without a domain name gives an address literal (RFC 5321, section 4.1.4).
    let own = match dialogue.writer.transport().local_addr().map(|own| own.ip()) {
        Ok(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        Ok(IpAddr::V4(ip)) => format!("[{ip}]"),
        Err(_) => "localhost".to_owned(),
    };
    dialogue.say(&format!("EHLO {own}\r\n")).await?;
    let offers = dialogue.reply("250").await?;
    let offers_tls = |line: &String| line.get(4..).is_some_and(|word| word.trim() == "STARTTLS");
    if !offers.iter().any(offers_tls) {
        return Err(refused("the server does not offer STARTTLS"));
    }
    dialogue.say("STARTTLS\r\n").await?;
    dialogue.reply("220").await?;
    Ok(greeting.into_iter().next())
}

/// RFC 9051, section 6.2.1.
async fn imap(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let greeting = dialogue.line_after("* OK").await?;
    dialogue.say("a1 STARTTLS\r\n").await?;
    for _ in 0..MAX_LINES {
        let line = dialogue.line().await?;
        match line.strip_prefix("a1 ") {
            Some(answer) if answer.starts_with("OK") => return Ok(Some(greeting)),
            Some(_) => return Err(answered(&line)),
            None => {}
        }
    }
    Err(refused("the server's reply is too long"))
}

/// RFC 2595, section 4.
async fn pop3(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let greeting = dialogue.line_after("+OK").await?;
    dialogue.say("STLS\r\n").await?;
    dialogue.line_after("+OK").await?;
    Ok(Some(greeting))
}

/// RFC 4217, section 4.
async fn ftp(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    let greeting = dialogue.reply("220").await?;
    dialogue.say("AUTH TLS\r\n").await?;
    dialogue.reply("234").await?;
    Ok(greeting.into_iter().next())
}

/// PostgreSQL's frontend/backend protocol, SSLRequest.
async fn postgres(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    dialogue.send(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await?;
    match dialogue.bytes(1).await?.as_slice() {
        b"S" => Ok(None),
        b"N" => Err(refused("the server does not support TLS")),
        other => Err(answered(&String::from_utf8_lossy(other))),
    }
}

/// RFC 4511, section 4.14: an extended request for 1.3.6.1.4.1.1466.20037, and its response.
async fn ldap(dialogue: &mut Dialogue<'_>) -> io::Result<Greeting> {
    const OID: &[u8] = b"1.3.6.1.4.1.1466.20037";
    const REQUEST: [u8; 9] = [0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16];
    const MAX_LENGTH: usize = 64 * 1024;
    dialogue.send(&[&REQUEST, OID].concat()).await?;
    let odd = || refused("the server's answer is not LDAP");
    let head = dialogue.bytes(2).await?;
    let mut length = usize::from(head[1]);
    if head[1] & 0x80 != 0 {
        // Because the long form of a length begins with the number of its bytes.
        let digits = dialogue.bytes(usize::from(head[1] & 0x7f).min(8)).await?;
        length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    }
    if head[0] != 0x30 || length > MAX_LENGTH {
        return Err(odd());
    }
    let message = dialogue.bytes(length).await?;
    let (_, rest) = element(&message, 0x02).ok_or_else(odd)?;
    let (response, _) = element(rest, 0x78).ok_or_else(odd)?;
    match element(response, 0x0a).ok_or_else(odd)?.0 {
        [0] => Ok(None),
        [code] => Err(refused(format!("the server refuses StartTLS with result code {code}"))),
        _ => Err(odd()),
    }
}

/// The contents of the first element, which has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[own, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0x80.. => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(8))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        length => (usize::from(length), rest),
    };
    rest.split_at_checked(length).filter(|_| own == tag)
}

/// RFC 6120, section 5.4.
async fn xmpp(dialogue: &mut Dialogue<'_>, name: &str) -> io::Result<Greeting> {
    let name = html_escape::encode_double_quoted_attribute(name);
    let opening = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' to=\"{name}\" version='1.0'>"
    );
    dialogue.say(&opening).await?;
    let mut offered = false;
    loop {
        match dialogue.tag().await? {
            tag if tag.starts_with("<starttls") => offered = true,
            tag if tag.starts_with("</stream:features") => break,
            // The server offers no features.
            tag if tag.starts_with("<stream:features") && tag.ends_with("/>") => break,
            tag if tag.starts_with("<stream:error") => return Err(answered(&tag)),
            _ => {}
        }
    }
    if !offered {
        return Err(refused("the server does not offer STARTTLS"));
    }
    dialogue.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
    match dialogue.tag().await? {
        tag if tag.starts_with("<proceed") => Ok(None),
        tag => Err(answered(&tag)),
    }
}

impl Dialogue<'_> {
    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.send(text.as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    async fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        self.reader.read_exactly(count).await.map_err(ended)
    }

    async fn line(&mut self) -> io::Result<String> {
        let line = self.reader.read_until(b"\n").await.map_err(ended)?;
        Ok(units::printable(String::from_utf8_lossy(&line).trim_end()))
    }

    async fn line_after(&mut self, start: &str) -> io::Result<String> {
        let line = self.line().await?;
        if line.starts_with(start) { Ok(line) } else { Err(answered(&line)) }
    }

    /// Reads a reply of one or several lines (RFC 959, section 4.2). A hyphen after the first code marks several lines;
    /// the last line has the same code without a hyphen.
    async fn reply(&mut self, code: &str) -> io::Result<Vec<String>> {
        let is_last = |line: &str| line.starts_with(code) && line.as_bytes().get(3) != Some(&b'-');
        let mut lines = vec![self.line_after(code).await?];
        while !is_last(&lines[lines.len() - 1]) {
            if lines.len() == MAX_LINES {
                return Err(refused("the server's reply is too long"));
            }
            lines.push(self.line().await?);
        }
        Ok(lines)
    }

    /// Next tag up to its end; text before it is skipped.
    async fn tag(&mut self) -> io::Result<String> {
        let text = self.reader.read_until(b">").await.map_err(ended)?;
        let text = units::printable(&String::from_utf8_lossy(&text));
        Ok(text.rfind('<').map_or_else(String::new, |at| text[at..].to_owned()))
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

fn answered(line: &str) -> io::Error {
    refused(format!("the server answered `{}`", shorten(&units::printable(line))))
}

/// The part of an answer that fits a message.
fn shorten(said: &str) -> String {
    const MAX_CHARS: usize = 100;
    match said.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}...", &said[..at]),
        None => said.to_owned(),
    }
}

fn refused(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}
